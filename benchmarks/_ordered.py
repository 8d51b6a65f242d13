"""Sets of rows in time order: whole runs, cut into parts, and runs to monitor."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _data import npz, stored

from skdae.datasets import make_sensor_data

PART_ROWS = 4_000  # at most, of a part


@dataclass(frozen=True)
class Ordered:
    """Rows in time order; a run is a stretch without an interruption."""

    X: np.ndarray  # (n_rows, n_columns) float, NaN where missing
    run: np.ndarray  # (n_rows,) number of the run of each row

    def parts(self, n_rows: int = PART_ROWS, n_parts: int | None = None) -> list:
        """Consecutive rows of one run each, at most `n_rows`; tails are left out.

        Runs shorter than `n_rows` are one part. The first `n_parts` of the list
        alternate between the runs, so that a few parts already differ.
        """
        by_run = []
        for run in np.unique(self.run):
            rows = self.X[self.run == run]
            size = min(n_rows, len(rows))
            starts = range(0, len(rows) - size + 1, size)
            by_run.append([rows[start : start + size] for start in starts])
        longest = max(map(len, by_run))
        parts = [run[i] for i in range(longest) for run in by_run if i < len(run)]
        return parts[:n_parts]


# --- loaders -------------------------------------------------------------------------


def _npz(path: Path, rows: str = "X", run: str | None = None) -> Ordered:
    """The rows of a file, with the number of their run where there is one."""
    data = npz(path)
    X = data[rows].astype(np.float64)
    return Ordered(X, np.zeros(len(X), dtype=int) if run is None else data[run])


def _air_quality(path: Path) -> Ordered:
    """Hours of a year, with the gaps of the sensors."""
    import pandas as pd

    frame = pd.read_csv(path).drop(columns="datetime")
    X = frame.to_numpy(dtype=np.float64)
    return Ordered(X, np.zeros(len(X), dtype=int))


def _tennessee_eastman(path: Path) -> Ordered:
    """The two runs without a fault."""
    data = npz(path)
    runs = data["train_normal"], data["test"][0]
    lengths = [len(run) for run in runs]
    return Ordered(np.vstack(runs).astype(np.float64), np.repeat([0, 1], lengths))


def _plant() -> Ordered:
    X = make_sensor_data(4000, faults=(), random_state=0).data
    return Ordered(np.asarray(X, dtype=np.float64), np.zeros(len(X), dtype=int))


ORDERED: dict[str, tuple[str, Callable[[Path], Ordered]]] = {
    # hours of five years, which are not known to follow each other
    "gas_turbine": ("tabular/gas_turbine.npz", partial(_npz, run="year")),
    # minutes of three periods
    "occupancy": ("tabular/occupancy.npz", partial(_npz, run="file_id")),
    "air_quality": ("tabular/air_quality.csv.gz", _air_quality),
    "wall_robot": ("tabular/wall_robot.npz", _npz),
    "hydraulic_ts": ("tabular/hydraulic_ts.npz", _npz),
    # seconds of a water loop, without its anomalies
    "skab": ("series/skab.npz", partial(_npz, rows="X_free")),
    "tennessee_eastman": ("series/tep.npz", _tennessee_eastman),
}


def ordered_sets(folder: Path | None) -> dict[str, Callable[[], Ordered]]:
    """Loaders by name: the simulated plant, or what a folder holds."""
    if folder is None:
        return {"plant": _plant}
    paths = stored(folder, {name: path for name, (path, _) in ORDERED.items()})
    return {name: partial(ORDERED[name][1], path) for name, path in paths.items()}


# --- runs to monitor, with labels ----------------------------------------------------


class Runs(NamedTuple):
    """Normal training rows, and runs to monitor, all in time order."""

    train: np.ndarray
    test: list[np.ndarray]

    def map(self, transform: Callable[[np.ndarray], np.ndarray]) -> "Runs":
        """Each run transformed by itself."""
        return Runs(transform(self.train), [transform(run) for run in self.test])


class Process(NamedTuple):
    """Runs of a process, and which of the rows of a test run are anomalous."""

    runs: Runs
    truth: list[np.ndarray]  # bool, by test run


def tennessee_eastman(folder: Path) -> Process:
    """500 normal rows to train on; one normal test run, and one for each fault."""
    data = npz(_series(folder, "tep.npz"))
    test = [run.astype(np.float64) for run in data["test"]]
    is_late = np.arange(len(test[0])) >= data["fault_start"]
    truth = [np.zeros_like(is_late), *[is_late] * (len(test) - 1)]
    return Process(Runs(data["train_normal"].astype(np.float64), test), truth)


def skab(folder: Path, n_train: int) -> dict[str, Process]:
    """Experiments by file name: their first rows to train on, all rows to score."""
    data = npz(_series(folder, "skab.npz"))
    found = {}
    for i, name in enumerate(data["files"]):
        rows = data["file_id"] == i
        X = data["X"][rows]
        truth = data["anomaly"][rows] == 1
        found[str(name)] = Process(Runs(X[:n_train], [X]), [truth])
    return found


def _series(folder: Path, name: str) -> Path:
    path = folder / "series" / name
    if not path.is_file():
        sys.exit(
            f"error: --data {folder} must hold series/{name}; give the folder of the "
            "data sets."
        )
    return path
