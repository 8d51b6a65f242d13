"""Tables for the benchmarks, each with a split that does not leak.

Numbers are floats, categories are codes, missing cells are NaN. Identifiers, targets,
columns that give the target away and columns without any value are left out. A table
says which rows must be held out together: blocks of consecutive rows where rows are in
time order, all copies of a repeated row.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from skdae.datasets import make_sensor_data

TEST_SHARE = 0.3  # of the groups of rows, where a table has no test rows of its own
VALIDATION_SHARE = 0.25  # of the groups of training rows


@dataclass(frozen=True)
class Table:
    """A table and the groups of rows that must stay on one side of a split."""

    X: np.ndarray  # (n_rows, n_columns) float, NaN where missing
    groups: np.ndarray  # (n_rows,)
    categorical: tuple[int, ...] = ()
    test: np.ndarray | None = None  # (n_rows,) bool; None: a share of the groups

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows to test on, as indices."""
        if self.test is not None:
            return np.flatnonzero(~self.test), np.flatnonzero(self.test)
        return self.hold_out(np.arange(len(self.X)), TEST_SHARE, seed)

    def hold_out(
        self, rows: np.ndarray, share: float, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Split rows by their groups; at least one group on either side."""
        found = np.unique(self.groups[rows])
        n_held_out = min(max(1, round(share * len(found))), len(found) - 1)
        chosen = np.random.default_rng(seed).permutation(found)[:n_held_out]
        is_held_out = np.isin(self.groups[rows], chosen)
        return rows[~is_held_out], rows[is_held_out]

    def numeric(self) -> "Table":
        """The same rows without the categorical columns."""
        X = np.delete(self.X, self.categorical, axis=1)
        return Table(X, self.groups, test=self.test)


# --- groups --------------------------------------------------------------------------


def repeats(X: np.ndarray) -> np.ndarray:
    """A group per distinct row: no row is in the training and in the test part."""
    _, groups = np.unique(np.nan_to_num(X, nan=-1e30), axis=0, return_inverse=True)
    return groups.ravel()


def blocks(n_rows: int, n_blocks: int = 20) -> np.ndarray:
    """Groups of consecutive rows: neighbours in time are nearly repetitions."""
    return np.arange(n_rows) * n_blocks // n_rows


# --- bundled sets, of scikit-learn and this package ----------------------------------


def _bundled(load: Callable) -> Table:
    X = load().data.astype(np.float64)
    return Table(X, repeats(X))


def _plant() -> Table:
    X = make_sensor_data(4000, faults=(), random_state=0).data
    return Table(np.asarray(X, dtype=np.float64), blocks(len(X)))


BUNDLED: dict[str, Callable[[], Table]] = {
    "breast_cancer": lambda: _bundled(load_breast_cancer),
    "digits": lambda: _bundled(load_digits),
    "plant": _plant,
}


# --- sets of a folder ----------------------------------------------------------------


def npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, `X` in double precision."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if "X" in arrays:
        arrays["X"] = arrays["X"].astype(np.float64)
    return arrays


def _plain(path: Path, groups: Callable[[np.ndarray], np.ndarray] = repeats) -> Table:
    X = npz(path)["X"]
    return Table(X, groups(X))


def _gas_drift(path: Path) -> Table:
    """Batches of measurements over three years; the last two are the test rows."""
    data = npz(path)
    return Table(data["X"], data["batch"], test=data["batch"] >= 8)


def _gas_turbine(path: Path) -> Table:
    """Hours of five years; the last two are the test rows."""
    data = npz(path)
    return Table(data["X"], data["year"], test=data["year"] >= 2014)


def _occupancy(path: Path) -> Table:
    """Minutes of three periods; the last two are the test rows."""
    data = npz(path)
    X = data["X"]
    return Table(X, blocks(len(X), 50), test=data["file_id"] > 0)


def _persons(X: np.ndarray) -> np.ndarray:
    """60 rows per letter of Isolet, two of each person, in one order.

    That order is not documented; in the data, the deviations from a letter's mean
    correlate with 0.46 within these pairs and with -0.02 between them.
    """
    return np.arange(len(X)) % 60 // 2


def _pendigits(path: Path) -> Table:
    """Digits of 44 writers; the last 14 are the test rows."""
    data = npz(path)
    X = data["X"]
    return Table(X, repeats(X), test=np.arange(len(X)) >= data["n_train"])


def _tennessee_eastman(path: Path) -> Table:
    """Two runs without a fault; the second is the test run."""
    data = npz(path)
    runs = data["train_normal"], data["test"][0]
    X = np.vstack(runs).astype(np.float64)
    groups = np.concatenate(
        [blocks(len(run), 10) + 10 * i for i, run in enumerate(runs)]
    )
    return Table(X, groups, test=groups >= 10)


def _csv(
    path: Path,
    *,
    drop: tuple[str, ...],
    markers: tuple[str, ...] = (),
    ordered: bool = False,
    split: str | None = None,
) -> Table:
    """A table of mixed columns; text is categorical, `markers` are missing."""
    import pandas as pd

    frame = pd.read_csv(path, na_values=list(markers))
    test = None if split is None else (frame[split] == "test").to_numpy()
    frame = frame.drop(columns=list(drop)).dropna(axis="columns", how="all")
    categorical = []
    for j, name in enumerate(frame):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            codes = frame[name].astype("category").cat.codes.astype(float)
            frame[name] = codes.where(codes >= 0)
            categorical.append(j)
    X = frame.to_numpy(dtype=np.float64)
    groups = blocks(len(X), 50) if ordered else repeats(X)
    return Table(X, groups, tuple(categorical), test)


_in_order = partial(_plain, groups=lambda X: blocks(len(X)))
# the failure and its modes, and identifiers
FAILURE = ("machine_failure", "twf", "hdf", "pwf", "osf", "rnf", "udi", "product_id")
# the length of a call is known only after it
CALL = ("y", "duration")

STORED: dict[str, tuple[str, Callable[[Path], Table]]] = {
    "adult": (
        "tabular/adult.csv.gz",
        partial(_csv, drop=("income", "split"), split="split"),
    ),
    "ai4i2020": ("tabular/ai4i2020.csv.gz", partial(_csv, drop=FAILURE)),
    "air_quality": (
        "tabular/air_quality.csv.gz",
        partial(_csv, drop=("datetime",), ordered=True),
    ),
    "bank_additional": (
        "tabular/bank_additional.csv.gz",
        partial(_csv, drop=CALL, markers=("unknown",)),
    ),
    "gas_drift": ("tabular/gas_drift.npz", _gas_drift),
    "gas_turbine": ("tabular/gas_turbine.npz", _gas_turbine),
    "hydraulic_ts": ("tabular/hydraulic_ts.npz", _in_order),
    "isolet": ("tabular/isolet.npz", partial(_plain, groups=_persons)),
    "letter": ("tabular/letter.npz", _plain),
    "occupancy": ("tabular/occupancy.npz", _occupancy),
    "pendigits": ("tabular/pendigits.npz", _pendigits),
    "satimage": ("tabular/satimage.npz", _plain),
    "sick": (
        "tabular/sick.csv.gz",
        partial(_csv, drop=("class", "TBG", "TBG_measured")),
    ),
    "steel_plates": ("tabular/steel_plates.npz", _plain),
    "tennessee_eastman": ("series/tep.npz", _tennessee_eastman),
    "wall_robot": ("tabular/wall_robot.npz", _in_order),
    "wine_quality": ("tabular/wine_quality.npz", _plain),
}


def stored(folder: Path, paths: dict[str, str]) -> dict[str, Path]:
    """The files that a folder holds, by name; an error if it holds none of them."""
    found = {name: folder / path for name, path in paths.items()}
    found = {name: path for name, path in found.items() if path.is_file()}
    if not found:
        example = next(iter(paths.values()))
        sys.exit(
            f"error: --data {folder} must hold at least one known file, such as "
            f"{example}; give the folder of the data sets, or omit --data for the "
            "bundled sets."
        )
    return found


def available(folder: Path | None) -> dict[str, Callable[[], Table]]:
    """Loaders by name: the bundled sets and those that a folder holds."""
    if folder is None:
        return BUNDLED
    paths = stored(folder, {name: path for name, (path, _) in STORED.items()})
    return BUNDLED | {n: partial(STORED[n][1], path) for n, path in paths.items()}
