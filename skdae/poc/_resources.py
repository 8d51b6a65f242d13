"""Experiment 3: seconds, memory and size of each method.

``python -m skdae.poc._resources FILE`` prints the peak memory of the unit that is
pickled in the file.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from skdae._transformer import GradualDAETransformer
from skdae.poc._data import Data
from skdae.poc._plan import Setting, Unit
from skdae.poc._results import RESOURCES, Record

MIN_SECONDS = 0.1  # of the call by which rows per second are measured
MAX_RATED = 500_000  # rows of such a call
WARM_UP = 20  # rows


def timed(act: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return the result of a call, and the seconds that it took."""
    wall, cpu = perf_counter(), process_time()
    found = act()
    return found, {
        "fit_seconds": perf_counter() - wall,
        "cpu_seconds": process_time() - cpu,
    }


def rows_per_second(act: Callable[[Data], Any], rows: Data) -> float:
    """Return the throughput of a call.

    The rows are repeated until a call takes so long that its overhead is negligible.
    """
    act(rows.take(np.arange(min(WARM_UP, len(rows.X)))))
    n_rows = len(rows.X)
    while True:
        repeated = rows.take(np.arange(n_rows) % len(rows.X))
        batch = replace(repeated, groups=None, places=None)  # one run of rows
        started = perf_counter()
        act(batch)
        seconds = perf_counter() - started
        if seconds >= MIN_SECONDS or n_rows >= MAX_RATED:
            return n_rows / seconds
        n_rows = min(4 * n_rows, MAX_RATED)


def network_size(dae: GradualDAETransformer) -> dict[str, float]:
    """Return the updates that a trained network has taken, and its size."""
    arrays = [*dae.coefs_, *dae.intercepts_]
    return {
        "weight_updates": float(sum(phase.weight_updates for phase in dae.phases_)),
        "parameters": float(sum(a.size for a in arrays)),
        "size_bytes": float(sum(a.nbytes for a in arrays)),
    }


def cost_records(unit: Unit, costs: dict[str, float]) -> list[Record]:
    """Return the costs of a unit as rows of the result table."""
    return [
        Record(RESOURCES, unit.method, unit.kind, unit.split, name, value)
        for name, value in costs.items()
    ]


# --- peak memory ----------------------------------------------------------------------


def run_memory(setting: Setting, unit: Unit) -> dict[str, list[Record]]:
    """Return by how many bytes another unit raises the memory of a fresh process.

    The network is trained for an epoch per layer: its memory does not grow with time.
    No record where the system does not report it.
    """
    kind, method = unit.method.split(":")
    about = Unit(kind, method, unit.split)
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    setting = replace(setting, max_iter=depth, label_counts=setting.label_counts[-1:])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "unit.pickle"
        path.write_bytes(pickle.dumps((setting, about)))
        command = [sys.executable, "-W", "ignore", "-m", __name__, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = json.loads(done.stdout.splitlines()[-1])
    found = {} if peak is None else {"peak_bytes": peak}
    return {"records": cost_records(about, found)}


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
    from skdae.poc._run import KINDS

    setting, unit = pickle.loads(Path(path).read_bytes())
    GradualDAETransformer(2, max_iter=1).fit(np.eye(3))  # libraries are loaded now
    before = _peak()
    KINDS[unit.kind](setting, unit)
    after = _peak()
    print(json.dumps(None if before is None or after is None else after - before))


if __name__ == "__main__":
    main(sys.argv[1])
