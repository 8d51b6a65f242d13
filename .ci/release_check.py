"""The path of a newcomer, timed in a clean environment: run by `make release-check`.

usage: python release_check.py WHEEL CHECKOUT
Everything that runs is copied from the README and the pages as they stand.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

MAX_RATIO = 1.05  # of the time of `import skdae` over that of `import sklearn.base`
N_RUNS = 7
EXTRAS = "poc,skops,onnx"
LOAD = "import sys, skdae; skdae.load(sys.argv[1]); assert 'torch' not in sys.modules"
INSTALLED = """
import pathlib, sys, skdae
from importlib.metadata import version
place = pathlib.Path(skdae.__file__)
assert "site-packages" in place.parts, f"{place} is not installed"
assert skdae.__version__ == version("skdae")
assert (place.parent / "py.typed").exists()
skdae.GradualDAETransformer, skdae.GradualDAEOutlierDetector, skdae.load
assert "torch" not in sys.modules
"""
TABLE = """
from skdae.datasets import make_sensor_data
plant = make_sensor_data(1000, as_frame=True, random_state=0)
plant.data.assign(quality=plant.regime).to_csv("table.csv", index=False)
"""


def blocks(page: Path) -> list[str]:
    """Return the Python blocks of a page of Markdown or reStructuredText."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        return re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)
    pattern = r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)"
    return [textwrap.dedent(found) for found in re.findall(pattern, text, flags=re.M)]


class Newcomer:
    """A clean environment and an empty folder, and the steps taken there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"

    def run(self, what: str, *command: str | Path) -> None:
        """Run a command in the folder, and print the time that it took."""
        started = time.perf_counter()
        environment = os.environ | {"MPLBACKEND": "Agg"}
        environment.pop("PYTHONPATH", None)
        subprocess.run(
            command, cwd=self.folder, env=environment, check=True, stdout=sys.stderr
        )
        print(f"{time.perf_counter() - started:7.1f} s  {what}", flush=True)

    def python(self, what: str, code: str, *arguments: str) -> None:
        """Run Python code in a process of its own."""
        self.run(what, self.bin / "python", "-I", "-c", code, *arguments)

    def seconds(self, statement: str) -> float:
        """Return the median time of a new process with a statement."""
        found = []
        for _ in range(N_RUNS):
            started = time.perf_counter()
            command = [self.bin / "python", "-I", "-c", statement]
            subprocess.run(command, check=True)
            found.append(time.perf_counter() - started)
        return statistics.median(found)


def check(wheel: Path, checkout: Path, folder: Path) -> None:
    """Take the steps, from an empty folder to an exported model."""
    newcomer = Newcomer(folder)
    newcomer.run("a clean environment", sys.executable, "-m", "venv", "venv")
    pip = (newcomer.bin / "python", "-m", "pip", "install", "-qq")
    pinned = ("-c", checkout / "constraints.txt")
    newcomer.run("install", *pip, *pinned, wheel)
    newcomer.python("the first import, without torch", INSTALLED)
    ratio = newcomer.seconds("import skdae") / newcomer.seconds("import sklearn.base")
    print(f"{ratio:7.2f} x  `import skdae` over `import sklearn.base`")
    assert ratio <= MAX_RATIO
    first, pipeline = blocks(checkout / "README.md")
    newcomer.python("README: impute a table", first)
    newcomer.python("README: a pipeline and a grid search", first + pipeline)
    wanted = f"{wheel}[{EXTRAS}]"
    newcomer.run("install the extras", *pip, *pinned, wanted, "onnxruntime")
    newcomer.python("a table of readings", TABLE)
    text = (checkout / "README.md").read_text(encoding="utf-8")
    command = re.findall(r"^skdae poc .*", text, flags=re.M)[0]
    newcomer.run("README: a report", newcomer.bin / "skdae", *command.split()[1:])
    assert (folder / "report.html").stat().st_size > 0
    saving, pipelines = blocks(checkout / "docs" / "saving.rst")
    kept = "import shutil; shutil.copy(path, 'kept.skdae')\n"
    code = saving + kept + pipelines
    newcomer.python("saving.rst: save an estimator and a pipeline", code)
    newcomer.python("load it in another process, without torch", LOAD, "kept.skdae")
    serving = "".join(blocks(checkout / "docs" / "serving.rst"))
    newcomer.python("serving.rst: export to ONNX, and compare", serving)


if __name__ == "__main__":
    given = [Path(argument).resolve() for argument in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as made:
        check(*given, Path(made))
