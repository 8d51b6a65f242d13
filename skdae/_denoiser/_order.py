"""Whether rows with errors are in time order, where these may hide it."""

import warnings
from typing import Any

import numpy as np

from skdae._table.validation import user_stacklevel
from skdae.timeseries import moving_average, time_order
from skdae.timeseries._order import numeric_order
from skdae.timeseries._time import index_fault, index_seconds

MEANS = (4, 8, 16)  # rows, over which errors average out
HIDDEN_ORDER = 0.5  # correlation of a column with itself a row later
MIN_ROWS = 400  # of a table for such a correlation to be looked at


def is_ordered(
    X: Any, raw: np.ndarray, is_categorical: np.ndarray, groups: Any
) -> bool:
    """Return whether the rows of `fit` are in time order, and warn where it is open."""
    has_dates = index_seconds(X) is not None and index_fault(X, groups) is None
    found = numeric_order(raw, is_categorical, groups, few_rows=True)
    if has_dates or found.is_ordered:
        return True
    raw = raw[:, ~is_categorical]
    if not raw.shape[1]:
        return False
    for n in MEANS:
        means = moving_average(raw, n, groups, causal=True)[n - 1 :: n]
        of_means = None if groups is None else np.asarray(groups)[n - 1 :: n]
        if len(means) and time_order(means, of_means).is_ordered:
            return True
    if groups is None and _resembles_neighbours(raw[:, ~found.is_monotonic]):
        warnings.warn(
            "order='auto' finds no time order, and the rows are denoised one by one, "
            "although they resemble their neighbours: they are in time order, or "
            "sorted; set order='time' if they are in time order, else order=None.",
            UserWarning,
            stacklevel=user_stacklevel(),
        )
    return False


def _resembles_neighbours(raw: np.ndarray) -> bool:
    """Return whether some column correlates with itself a row later, in each quarter.

    A few classes that stand in blocks do not change in each.
    """
    if len(raw) < MIN_ROWS:
        return False
    quarters = np.array_split(raw, 4)
    return bool((np.min([_excess(each) for each in quarters], axis=0) > 0).any())


def _excess(rows: np.ndarray) -> np.ndarray:
    """Return how far the lag-1 products of each column exceed those of `HIDDEN_ORDER`.

    In squares of its unit, so that a constant column has 0.
    """
    excess = []
    for column in rows.T:
        known = column[~np.isnan(column)]
        deviations = known - known.mean() if len(known) else known
        products = (deviations[1:] * deviations[:-1]).sum()
        excess.append(products - HIDDEN_ORDER * (deviations**2).sum())
    return np.array(excess)
