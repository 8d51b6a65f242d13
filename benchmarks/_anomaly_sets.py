"""Tables with labelled anomalies, and their training rows."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

from skdae.datasets import make_sensor_data

COLLECTIONS = ("anomaly", "oddbench")  # folders: of ADBench, of OddBench


MIN_ROWS, MAX_ROWS = 1_000, 50_000  # of a table under the published protocol


@dataclass(frozen=True)
class AnomalySet:
    """A table, which of its rows are anomalies, and the normal rows to train on."""

    X: np.ndarray
    y: np.ndarray  # 1 for anomalies
    train: np.ndarray | None = None  # (n_rows,) bool; None: drawn by the seed

    def one_class(
        self, seed: int, n_max: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Indices of training rows and of all others: half of the normal rows.

        At most `n_max` rows are trained on; the others then are neither.
        """
        if self.train is not None:
            train = np.flatnonzero(self.train)
            test = np.flatnonzero(~self.train)
        else:
            normal = np.flatnonzero(self.y == 0)
            normal = np.random.default_rng(seed).permutation(normal)
            train, rest = np.split(normal, [len(normal) // 2])
            test = np.concatenate([rest, np.flatnonzero(self.y == 1)])
        return train[:n_max], test

    def published(self, seed: int) -> "AnomalySet":
        """The split of the published tables of ADBench with normal training rows.

        The first half of the normal rows in their stored order; smaller tables are
        drawn with replacement first, and larger ones without.
        """
        draw, n_rows = np.random.RandomState(seed), len(self.X)
        rows = np.arange(n_rows)
        if n_rows < MIN_ROWS:
            rows = draw.choice(n_rows, MIN_ROWS, replace=True)
        elif n_rows > MAX_ROWS:
            rows = draw.choice(n_rows, MAX_ROWS, replace=False)
        is_normal = self.y[rows] == 0
        is_first = np.cumsum(is_normal) <= round(0.5 * is_normal.sum())
        return AnomalySet(self.X[rows], self.y[rows], is_normal & is_first)


def _plant() -> AnomalySet:
    faults = ("bias", "drift", "stuck", "spike", "dropout")
    plant = make_sensor_data(3000, faults=faults, random_state=0)
    return AnomalySet(plant.data, plant.target)


def _breast_cancer() -> AnomalySet:
    data = load_breast_cancer()
    return AnomalySet(data.data, 1 - data.target)


def _adbench(path: Path) -> AnomalySet:
    with np.load(path, allow_pickle=False) as archive:
        return AnomalySet(archive["X"].astype(np.float64), archive["y"].astype(int))


def _oddbench(path: Path) -> AnomalySet:
    """Training rows are given: all of them are normal."""
    with np.load(path, allow_pickle=False) as archive:
        parts = archive["X_train"], archive["X_test"]
        X = np.vstack(parts).astype(np.float64)
        n_train = len(parts[0])
        y = np.concatenate([np.zeros(n_train, dtype=int), archive["y_test"]])
    return AnomalySet(X, y, np.arange(len(X)) < n_train)


def _by_number(path: Path) -> tuple[int, str]:
    number = path.stem.split("_")[0]
    return int(number) if number.isdigit() else 0, path.stem


def labelled_sets(
    folder: Path | None, collection: str = COLLECTIONS[0]
) -> dict[str, Callable[[], AnomalySet]]:
    """Loaders by name: the sets of a collection, or the bundled ones."""
    if folder is None:
        return {"breast_cancer": _breast_cancer, "plant": _plant}
    paths = sorted((folder / collection).glob("*.npz"), key=_by_number)
    if not paths:
        sys.exit(
            f"error: --data {folder} must hold {collection}/*.npz; give the folder of "
            "the data sets, or omit --data for the bundled sets."
        )
    load = _oddbench if collection == "oddbench" else _adbench
    return {path.stem: partial(load, path) for path in paths}
