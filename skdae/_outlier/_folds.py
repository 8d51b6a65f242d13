"""Which rows are held out together, and which rows before them they are seen with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from skdae.timeseries import BlockSplit
from skdae.timeseries._groups import group_codes

N_FOLDS = 5
N_BLOCKS = 10  # of fewer than `MANY_ROWS`: with 5 the levels of so few differ too much
MANY_ROWS = 3_000
MAX_GAP = 20  # rows between a held-out block and the rows trained on
GAPS_PER_BLOCK = 5  # a gap is at most a fifth of a block

Folds = list[tuple[np.ndarray, np.ndarray]]  # rows to train on, rows held out


# --- folds ---------------------------------------------------------------------------


def _random(
    n_rows: int, n_splits: int, groups: np.ndarray | None, seed: int, lags: int
) -> Sequence[Any]:
    if groups is None:
        splitter = KFold(n_splits, shuffle=True, random_state=seed)
        return list(splitter.split(np.zeros((n_rows, 1))))
    by_group = GroupKFold(n_splits, shuffle=True, random_state=seed)
    return list(by_group.split(np.zeros((n_rows, 1)), groups=groups))


def _blocked(
    n_rows: int, n_splits: int, groups: np.ndarray | None, seed: int, lags: int
) -> Sequence[Any]:
    """Blocks of consecutive rows, those next to them not trained on either."""
    if groups is not None:
        raise ValueError(
            "calibration='blocked' cuts rows in their order and takes no groups; set "
            "calibration='auto', which holds whole groups out, or omit groups."
        )
    gap = max(lags, min(MAX_GAP, n_rows // n_splits // GAPS_PER_BLOCK))
    return list(BlockSplit(n_splits, gap=gap).split(np.zeros((n_rows, 1))))


#: name: the folds from the numbers of rows and splits, the groups of rows, a seed and
#: the number of rows before that a row is seen with
CALIBRATIONS: dict[str, Callable[..., Sequence[Any]]] = {
    "random": _random,
    "blocked": _blocked,
}


def number_of_folds(
    n_splits: Any, calibration: Any, n_rows: int, groups: np.ndarray | None
) -> int:
    """Return how many parts are held out; 'auto' is more for blocks of few rows."""
    if n_splits != "auto":
        return int(n_splits)
    if groups is not None:
        return max(2, min(N_FOLDS, len(np.unique(groups))))
    is_short = isinstance(calibration, str) and calibration == "blocked"
    is_short = is_short and n_rows < MANY_ROWS
    if is_short and n_rows >= 4 * N_BLOCKS:
        return N_BLOCKS
    return max(2, min(N_FOLDS, n_rows))


def make_folds(
    calibration: Any,
    n_rows: int,
    n_splits: int,
    groups: Any,
    seed: int,
    lags: int = 0,
) -> Folds:
    """Return the folds that a name or a splitter of scikit-learn stands for.

    A row is held out at most once; rows that a splitter never holds out only train.
    """
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (n_rows,):
            raise ValueError(
                f"groups has the shape {groups.shape} and must have one entry per row "
                f"of X ({n_rows}); pass them in the order of the rows."
            )
    if isinstance(calibration, str) and calibration not in CALIBRATIONS:
        raise ValueError(
            f"calibration={calibration!r} must be 'auto', one of "
            f"{sorted(CALIBRATIONS)} or a splitter of scikit-learn; correct the name."
        )
    if not isinstance(calibration, str):
        rows = np.zeros((n_rows, 1))
        return _checked(list(calibration.split(rows, None, groups)), n_rows)
    n_units = n_rows if groups is None else len(np.unique(groups))
    if n_splits > n_units:
        what = "rows" if groups is None else "groups"
        if n_units == 1 and groups is not None:
            raise ValueError(
                "groups names a single group, and groups are held out as a whole: at "
                "least 2 are needed. Omit groups, so that rows are held out."
            )
        raise ValueError(
            f"n_splits={n_splits} must be at most the number of {what}, and n_samples "
            f"leaves {n_units}; lower n_splits or add {what}."
        )
    make = CALIBRATIONS[calibration]
    return _checked(make(n_rows, n_splits, groups, seed, lags), n_rows)


def _checked(folds: Sequence[Any], n_rows: int) -> Folds:
    """Folds whose held-out rows are held out once, with rows left to train on."""
    times = np.zeros(n_rows, dtype=int)
    for train, held_out in folds:
        times[held_out] += 1
        if len(train) < 2:
            raise ValueError(
                f"X has n_samples={n_rows}, and calibration leaves {len(train)} of "
                "them to train on where at least 2 are needed; add rows."
            )
    if not folds or times.max() != 1:
        raise ValueError(
            f"calibration holds a row out {times.max()} times and must do so once; "
            "use a splitter such as KFold or GroupKFold."
        )
    return list(folds)


# --- rows with those before them -----------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Rows of a table to be scored, and the rows before that they are seen with.

    Attributes
    ----------
    raw : ndarray of shape (m, n_columns)
        The rows that are needed.
    window : ndarray of int of shape (n, 1 + lags)
        By row to be scored, its place in `raw` and the places of the rows before it.
    """

    raw: np.ndarray
    window: np.ndarray

    @classmethod
    def of(cls, raw: np.ndarray, lags: int, groups: Any = None) -> "Batch":
        """All rows of a table, each group of them in time order.

        The first rows of a group are repeated where there is none before them.
        """
        codes = group_codes(groups, len(raw))
        order = np.argsort(codes, kind="stable")
        place = np.arange(len(raw))
        starts = np.searchsorted(codes[order], codes[order])  # of the group of each
        window = np.empty((len(raw), 1 + lags), dtype=np.intp)
        for lag in range(1 + lags):
            window[order, lag] = order[np.maximum(place - lag, starts)]
        return cls(raw, window)

    def __len__(self) -> int:
        return len(self.window)

    def take(self, rows: np.ndarray) -> "Batch":
        """The rows at some places, with the rows before them."""
        window = self.window[rows]
        needed, places = np.unique(window, return_inverse=True)
        return Batch(self.raw[needed], places.reshape(window.shape))

    @property
    def rows(self) -> np.ndarray:
        """The rows to be scored themselves, (n, n_columns)."""
        return self.raw[self.window[:, 0]]
