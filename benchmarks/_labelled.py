"""The tables of `_data.py` with a target, without the columns that give it away."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from _data import STORED, Table, blocks, npz, repeats, stored
from sklearn.datasets import load_breast_cancer, load_digits


@dataclass(frozen=True)
class Labelled:
    """A table and its target."""

    table: Table
    y: np.ndarray  # (n_rows,) classes from 0, or (n_rows,) or (n_rows, k) numbers
    task: str  # 'classification' or 'regression'

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows to test on, as indices."""
        return self.table.split(seed)

    def labelled(self, rows: np.ndarray, n: int | None, seed: int) -> np.ndarray:
        """`n` labelled rows; a larger `n` includes the rows of a smaller one.

        Classes keep their shares, with at least two rows each where there are two.
        """
        order = np.random.default_rng(seed + 1000).permutation(rows)
        if n is None or n >= len(rows):
            return rows
        if self.task == "regression":
            return order[:n]
        classes = self.y[order]
        rank = np.empty(len(order))  # within the class, as a share of it
        for label in np.unique(classes):
            own = np.flatnonzero(classes == label)
            rank[own] = (np.arange(len(own)) + 0.5) / len(own)
            rank[own[:2]] = -1
        return order[np.argsort(rank, kind="stable")[:n]]


def _target(place: Path, load: Callable[[Path], Table]) -> Labelled:
    """Classes stored beside the table as `y`."""
    return Labelled(load(place), npz(place)["y"].astype(int), "classification")


def _column(
    path: Path, load: Callable[[Path], Table], name: str, positive: str | int
) -> Labelled:
    """Two classes in a column of a table of mixed columns."""
    import pandas as pd

    y = (pd.read_csv(path)[name] == positive).to_numpy().astype(int)
    return Labelled(load(path), y, "classification")


def _hydraulic(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """The state of the cooler's valve, from temperatures."""
    data = npz(path)
    names = list(data["targets"])
    y = np.unique(data["y"][:, names.index("valve")], return_inverse=True)[1]
    return Labelled(load(path), y.ravel(), "classification")


def _concentration(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """The concentration of the gas, in decades of ppmv."""
    return Labelled(load(path), np.log10(npz(path)["concentration"]), "regression")


def _emissions(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """CO and NOx of a gas turbine."""
    return Labelled(load(path), npz(path)["y"], "regression")


def _quality(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """The grade of a wine."""
    return Labelled(load(path), npz(path)["y"].astype(float), "regression")


def _carbon_monoxide(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """The value of a reference analyser, from the cheap sensors beside it."""
    import pandas as pd

    frame = pd.read_csv(path)
    frame = frame[frame["CO(GT)"].notna()]
    cheap = [c for c in frame if not c.endswith("(GT)") and c != "datetime"]
    X = frame[cheap].to_numpy(dtype=np.float64)
    table = Table(X, blocks(len(X), 50))
    return Labelled(table, frame["CO(GT)"].to_numpy(dtype=float), "regression")


def _bundled(load: Callable) -> Labelled:
    X, y = load(return_X_y=True)
    return Labelled(Table(X, repeats(X)), y, "classification")


# name: its table in `_data.STORED`, and how the target is read
LABELLED: dict[str, tuple[str, Callable[[Path, Callable], Labelled]]] = {
    "adult": ("adult", lambda p, t: _column(p, t, "income", ">50K")),
    "ai4i2020": ("ai4i2020", lambda p, t: _column(p, t, "machine_failure", 1)),
    "bank_additional": ("bank_additional", lambda p, t: _column(p, t, "y", "yes")),
    "gas_drift": ("gas_drift", _target),
    "hydraulic_ts": ("hydraulic_ts", _hydraulic),
    "isolet": ("isolet", _target),
    "letter": ("letter", _target),
    "occupancy": ("occupancy", _target),
    "pendigits": ("pendigits", _target),
    "satimage": ("satimage", _target),
    "sick": ("sick", lambda p, t: _column(p, t, "class", "sick")),
    "steel_plates": ("steel_plates", _target),
    "wall_robot": ("wall_robot", _target),
    "air_quality": ("air_quality", _carbon_monoxide),
    "gas_drift_ppm": ("gas_drift", _concentration),
    "gas_turbine": ("gas_turbine", _emissions),
    "wine_quality": ("wine_quality", _quality),
}


def labelled_tables(folder: Path | None) -> dict[str, Callable[[], Labelled]]:
    """Loaders by name: the bundled sets, or those that a folder holds."""
    if folder is None:
        return {
            "digits": partial(_bundled, load_digits),
            "breast_cancer": partial(_bundled, load_breast_cancer),
        }
    paths = stored(folder, {n: STORED[table][0] for n, (table, _) in LABELLED.items()})
    return {
        name: partial(LABELLED[name][1], path, STORED[LABELLED[name][0]][1])
        for name, path in paths.items()
    }
