"""The package as a newcomer finds it: run by `make release-check`."""

import re
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

MAX_RATIO = 1.05  # of the time of `import skdae` over that of `import sklearn.base`
N_RUNS = 7


def seconds(statement: str) -> float:
    """Return the median time of a new process with a statement."""
    found = []
    for _ in range(N_RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", statement], check=True)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def main() -> None:
    """Check the installed package, and run the first block of a README."""
    import skdae

    place = Path(skdae.__file__)
    assert "site-packages" in place.parts, f"{place} is not installed"
    assert skdae.__version__ == version("skdae")
    assert (place.parent / "py.typed").exists()
    names = "skdae.GradualDAETransformer, skdae.GradualDAEOutlierDetector, skdae.load"
    lazy = f"import sys, skdae; {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-I", "-c", lazy], check=True)
    print("== imports without torch")
    ratio = seconds("import skdae") / seconds("import sklearn.base")
    print(f"== import skdae takes {ratio:.2f} x import sklearn.base")
    assert ratio <= MAX_RATIO
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    block = re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)[0]
    started = time.perf_counter()
    exec(compile(block, sys.argv[1], "exec"), {"__name__": "quickstart"})
    print(f"== the first block of the README: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
