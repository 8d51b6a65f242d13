"""Tables with something to predict, each with a split that does not leak.

The tables and their groups are those of `_data.py`; here each has its target, and the
columns that give it away are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _data import STORED, Table, blocks, npz, repeats
from sklearn.datasets import load_breast_cancer, load_digits


@dataclass(frozen=True)
class Labelled:
    """A table and what is to be predicted from it."""

    table: Table
    y: np.ndarray  # (n_rows,) classes from 0, or (n_rows,) or (n_rows, k) numbers
    task: str  # 'classification' or 'regression'

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows to test on, as indices."""
        return self.table.split(seed)

    def labelled(self, rows: np.ndarray, n: int | None, seed: int) -> np.ndarray:
        """The `n` of the rows whose label is known; larger `n` hold smaller ones.

        Classes come by their shares, each at least twice where it has two rows.
        """
        order = np.random.default_rng(seed + 1000).permutation(rows)
        if n is None or n >= len(rows):
            return rows
        if self.task == "regression":
            return order[:n]
        classes = self.y[order]
        rank = np.empty(len(order))  # place in the class, as a share of the class
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
    """How much of the gas there is, in decades of ppmv."""
    return Labelled(load(path), np.log10(npz(path)["concentration"]), "regression")


def _emissions(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """CO and NOx of a gas turbine."""
    return Labelled(load(path), npz(path)["y"], "regression")


def _quality(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """The grade of a wine."""
    return Labelled(load(path), npz(path)["y"].astype(float), "regression")


def _carbon_monoxide(path: Path, load: Callable[[Path], Table]) -> Labelled:
    """What a reference analyser shows, from the cheap sensors beside it."""
    import pandas as pd

    frame = pd.read_csv(path)
    frame = frame[frame["CO(GT)"].notna()]
    cheap = [c for c in frame if not c.endswith("(GT)") and c != "datetime"]
    X = frame[cheap].to_numpy(dtype=np.float64)
    table = Table(X, blocks(len(X), 50))
    return Labelled(table, frame["CO(GT)"].to_numpy(dtype=float), "regression")


def labelled_tables(folder: Path | None) -> dict[str, Callable[[], Labelled]]:
    """Loaders by name: what scikit-learn brings along, and what a folder holds."""
    found: dict[str, Callable[[], Labelled]] = {
        "digits": lambda: _bundled(load_digits),
        "breast_cancer": lambda: _bundled(load_breast_cancer),
    }
    if folder is None:
        return found
    stored = {}
    for name, (table, load) in LABELLED.items():
        place, read = STORED[table]
        path = folder / place
        if path.is_file():
            stored[name] = lambda load=load, read=read, path=path: load(path, read)
    if not stored:
        raise ValueError(
            f"--data {folder} holds none of the files known here, such as "
            f"{STORED['letter'][0]}; give the folder that holds tabular/ and series/."
        )
    return stored


def _bundled(load: Callable) -> Labelled:
    X, y = load(return_X_y=True)
    return Labelled(Table(X, repeats(X)), y, "classification")


# name: the table of `_data.STORED` it is made of, and how
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
