"""Which rows are held out together, and which rows before them they are seen with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from skdae.timeseries import BlockSplit
from skdae.timeseries._groups import group_codes
from skdae.timeseries.folds import widened

N_FOLDS = 5
N_BLOCKS = 10  # of fewer than `MANY_ROWS`: with 5 the levels of so few differ too much
MANY_ROWS = 3_000
MAX_GAP = 20  # rows between a held-out block and the rows trained on
GAPS_PER_BLOCK = 5  # a gap is at most a fifth of a block
# Between steps of the level, for whole stretches to be held out: fewer are hardly all
# operating points that there are, and the others would not say what is normal at one
MIN_STRETCHES = 5
MAX_BLOCK = 0.5  # share of the rows in a block of whole stretches

Folds = list[tuple[np.ndarray, np.ndarray]]  # rows to train on, rows held out


# --- folds ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Partition:
    """Which rows of a table are held out together."""

    calibration: Any  # a name, or a splitter of scikit-learn
    n_rows: int
    n_splits: int
    groups: Any = None  # of each row, held out as a whole
    lags: int = 0  # rows before that a row is seen with
    stretches: np.ndarray | None = None  # number of each row's, between steps

    @property
    def gap(self) -> int:
        """How many rows next to a block are not trained on."""
        block = self.n_rows // self.n_splits
        return max(self.lags, min(MAX_GAP, block // GAPS_PER_BLOCK))

    @property
    def n_stretches(self) -> int:
        """Stretches between steps of the level; 1 without a step."""
        return 1 if self.stretches is None else int(self.stretches[-1]) + 1

    def folds(self, seed: int) -> Folds:
        """Return the folds; rows that a splitter never holds out only train."""
        self._check()
        if not isinstance(self.calibration, str):
            table = np.zeros((self.n_rows, 1))
            folds = list(self.calibration.split(table, None, self.groups))
        else:
            folds = list(CALIBRATIONS[self.calibration](self, seed))
        return _checked(folds, self.n_rows)

    def _check(self) -> None:
        """Raise where the parameters do not go together or with the rows."""
        shape = None if self.groups is None else np.shape(self.groups)
        if shape not in (None, (self.n_rows,)):
            raise ValueError(
                f"groups has the shape {shape} and must have one entry per row "
                f"of X ({self.n_rows}); pass them in the order of the rows."
            )
        if not isinstance(self.calibration, str):
            return
        if self.calibration not in CALIBRATIONS:
            raise ValueError(
                f"calibration={self.calibration!r} must be 'auto', one of "
                f"{sorted(CALIBRATIONS)} or a splitter of scikit-learn; correct the "
                "name."
            )
        n_units = self.n_rows if shape is None else len(np.unique(self.groups))
        if self.n_splits <= n_units:
            return
        if n_units == 1 and shape is not None:
            raise ValueError(
                "groups names a single group, and groups are held out as a whole: at "
                "least 2 are needed. Omit groups, so that rows are held out."
            )
        what = "rows" if shape is None else "groups"
        raise ValueError(
            f"n_splits={self.n_splits} must be at most the number of {what}, and "
            f"n_samples leaves {n_units}; lower n_splits or add {what}."
        )

    def whole_stretches(self) -> np.ndarray | None:
        """Return the block of each row, of stretches that follow each other.

        None where these are few, or one block is most of the rows: the others would not
        say what is normal at the operating points that are held out.
        """
        if self.stretches is None or self.n_stretches < MIN_STRETCHES:
            return None
        starts = np.searchsorted(self.stretches, self.stretches)
        _, block = np.unique(starts * self.n_splits // self.n_rows, return_inverse=True)
        return block if np.bincount(block).max() <= MAX_BLOCK * self.n_rows else None


def _random(rows: Partition, seed: int) -> Sequence[Any]:
    table = np.zeros((rows.n_rows, 1))
    if rows.groups is None:
        splitter = KFold(rows.n_splits, shuffle=True, random_state=seed)
        return list(splitter.split(table))
    by_group = GroupKFold(rows.n_splits, shuffle=True, random_state=seed)
    return list(by_group.split(table, groups=rows.groups))


def _blocked(rows: Partition, seed: int) -> Sequence[Any]:
    """Blocks of consecutive rows, those next to them not trained on either."""
    if rows.groups is not None:
        raise ValueError(
            "calibration='blocked' cuts rows in their order and takes no groups; set "
            "calibration='auto', which holds whole groups out, or omit groups."
        )
    block = rows.whole_stretches()
    if block is None:
        splitter = BlockSplit(rows.n_splits, gap=rows.gap)
        return list(splitter.split(np.zeros((rows.n_rows, 1))))
    held_out = [block == number for number in range(block[-1] + 1)]
    return [
        (np.flatnonzero(~widened(each, rows.gap)), np.flatnonzero(each))
        for each in held_out
    ]


#: name: the folds of rows, with a seed
CALIBRATIONS: dict[str, Callable[[Partition, int], Sequence[Any]]] = {
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
