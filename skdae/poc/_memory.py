"""Peak memory of a unit, in a process of its own.

``python -m skdae.poc._memory FILE`` runs the unit that is pickled in the file.
"""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skdae.poc._setting import Result, Setting, Unit


def peak_memory(setting: Setting, unit: Unit) -> float | None:
    """Return by how many bytes a unit raises the memory of a fresh process.

    The network is trained for an epoch per layer: its memory does not grow with time.
    None where the system does not tell.
    """
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    setting = replace(setting, max_iter=depth, label_counts=setting.label_counts[-1:])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "unit.pickle"
        path.write_bytes(pickle.dumps((setting, unit)))
        command = [sys.executable, "-W", "ignore", "-m", __name__, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_memory(setting: Setting, unit: Unit) -> Result:
    """Return the peak memory of the unit that a unit of memory is about."""
    kind, method = unit.method.split(":")
    return {"peak_bytes": peak_memory(setting, Unit(kind, method, unit.split))}


def _peak() -> float | None:
    """Return the largest memory that this process has held, in bytes."""
    try:
        # on Linux getrusage also counts the process that has started this one
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(s for s in status.splitlines() if s.startswith("VmHWM"))
        return float(line.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak * (1 if sys.platform == "darwin" else 1024))


def main(path: str) -> None:
    """Print the bytes as JSON."""
    from skdae._transformer import GradualDAETransformer
    from skdae.poc._units import KINDS

    setting, unit = pickle.loads(Path(path).read_bytes())
    GradualDAETransformer(2, max_iter=1).fit(np.eye(3))  # libraries are loaded now
    before = _peak()
    KINDS[unit.kind](setting, unit)
    after = _peak()
    print(json.dumps(None if before is None or after is None else after - before))


if __name__ == "__main__":
    main(sys.argv[1])
