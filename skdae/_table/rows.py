"""Which rows of a table are learned from: weights, copies and order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._sklearn_compat import check_sample_weight
from skdae._table.frames import unmasked

MAX_REPEATS = 10  # larger weights are shares, not counts: amounts in kWh, for example


def check_weights(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Return the weights of the rows as float64, None for equal ones."""
    if sample_weight is None:
        return None
    return check_sample_weight(
        unmasked(sample_weight), X, dtype=np.float64, ensure_non_negative=True
    )


def canonical_order(
    X: np.ndarray, further: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Sort the rows by their values, column after column, then by `further` keys.

    The same rows in any order give the same sequence, so a model does not depend on
    the order its rows came in. Rows that are alike keep their order. Returns the
    order and, for each place in it, a number that rows share which are alike in X.
    """
    n_rows = len(X)
    number = np.int32 if n_rows < 2**31 else np.int64  # half the memory
    order = np.argsort(X[:, 0], kind="stable").astype(number)  # NaN comes last
    starts = _starts(X[order, 0])
    # where the rows alike so far begin
    group = np.where(starts, np.arange(n_rows, dtype=number), 0)
    np.maximum.accumulate(group, out=group)
    alike = group
    tied = _not_alone(starts)  # places whose row is not alone in its group yet
    for place, key in enumerate([*X.T[1:], *further], start=1):
        if place == X.shape[1]:  # what follows sorts rows, but separates no groups
            alike, group = group, group.copy()
        if len(tied) == 0:
            break
        values = key[order[tied]]
        ranks = np.lexsort((values, group[tied]))  # NaN comes last
        order[tied], values = order[tied][ranks], values[ranks]
        starts = _starts(values)
        starts[1:] |= np.diff(group[tied]) != 0
        first = np.maximum.accumulate(np.where(starts, np.arange(len(tied)), 0))
        group[tied] = tied[first]
        tied = tied[_not_alone(starts)]
    return order, alike


def _starts(values: np.ndarray) -> np.ndarray:
    """Return where sorted values differ from the one before; all NaN are alike."""
    nan = np.isnan(values)
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = (values[1:] != values[:-1]) & ~(nan[1:] & nan[:-1])
    return starts


def _not_alone(starts: np.ndarray) -> np.ndarray:
    """Return the places of runs of more than one, from where runs begin."""
    return np.flatnonzero(~(starts & np.append(starts[1:], True)))


def empty_rows(X: np.ndarray) -> np.ndarray:
    """Return which rows have no value at all, column by column to save memory."""
    empty = np.ones(len(X), dtype=bool)
    for column in X.T:
        empty &= np.isnan(column)
        if not empty.any():
            break
    return empty


@dataclass(frozen=True)
class TrainingRows:
    """Which rows of a table are learned from, in canonical order."""

    index: np.ndarray  # rows of the table
    groups: np.ndarray  # a number that rows share which are alike
    weights: np.ndarray | None  # whole ones count, others have a mean of one
    unit: float = 1.0  # what the weights given were divided by

    @property
    def repeated(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The index with whole weights as repetitions, and weights left over."""
        if self.weights is None or np.any(self.weights != np.floor(self.weights)):
            return self.index, self.weights
        return np.repeat(self.index, self.weights.astype(np.intp)), None


def training_rows(
    X: np.ndarray, sample_weight: Any, target: np.ndarray | None = None
) -> TrainingRows:
    """Return the rows to learn from and their weights.

    Whole weights are repetitions, as long as they make at most `MAX_REPEATS` rows of
    each on average; others are scaled to a mean of one. Rows of weight 0 are left
    out, and so are rows without a single value unless they have a `target`.
    """
    weights = check_weights(sample_weight, X)
    further = [] if target is None else [*target.T]
    order, groups = canonical_order(
        X, further if weights is None else [*further, weights]
    )
    kept = np.ones(len(X), dtype=bool)
    if target is None:
        kept = ~empty_rows(X)[order]
    if weights is not None:
        kept &= weights[order] > 0
        if not kept.any():
            raise ValueError(
                "sample_weight must give at least one row with a value a weight above "
                "0; pass None to weigh all rows alike."
            )
    order, groups = order[kept], groups[kept]
    if (groups == groups[:1]).all():  # all alike: nothing to keep together
        groups = np.arange(len(groups))
    unit = 1.0
    if weights is not None:
        weights = weights[order]
        mean = weights.mean()
        if mean > MAX_REPEATS or np.any(weights != np.floor(weights)):
            weights, unit = weights / mean, float(mean)
    return TrainingRows(order, groups, weights, unit)
