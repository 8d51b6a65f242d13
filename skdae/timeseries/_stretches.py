"""Stretches of rows between steps of the level, as between operating points."""

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

WINDOW = 9  # rows before and after a row whose medians are compared
MIN_STEP = 6.0  # robust standard deviations of these differences within stretches
MIN_SPREAD = 0.05  # of a column, the least unit of its steps: setpoints do not vary
NORMAL_QUARTILES = 1.349  # distance of the quartiles of a normal distribution


def stretches(X: np.ndarray) -> np.ndarray:
    """Return the number of the stretch of each row of a table in time order, (n,).

    A step is a change of the median of a column from the rows before to the rows
    after that is far beyond what it changes elsewhere; the next one is at least a
    window away. Missing cells repeat the last known value.
    """
    size = np.zeros(len(X))
    if len(X) > 2 * WINDOW:
        for column in X.T:
            np.maximum(size, _step_sizes(column), out=size)
    starts = np.zeros(len(X), dtype=np.intp)
    starts[_peaks(size)] = 1
    return starts.cumsum()


def _step_sizes(column: np.ndarray) -> np.ndarray:
    """Return how far the median changes at each row, in its usual changes, (n,)."""
    values = column[~np.isnan(column)]
    sizes = np.zeros(len(column))
    if len(values) <= 2 * WINDOW:
        return sizes
    level = median_filter(values, WINDOW, mode="nearest")
    half = WINDOW // 2
    change = level[WINDOW:] - level[:-WINDOW]  # of the windows that meet at a row
    low, high = np.quantile(change, [0.25, 0.75])
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = max(values.std() if quartiles[0] == quartiles[1] else 0, np.ptp(quartiles))
    unit = max((high - low) / NORMAL_QUARTILES, MIN_SPREAD * spread)
    if not unit > 0:
        return sizes
    places = np.flatnonzero(~np.isnan(column))[half + 1 : half + 1 + len(change)]
    sizes[places] = np.abs(change) / unit
    return sizes


def _peaks(sizes: np.ndarray) -> np.ndarray:
    """Return rows of the largest sizes above the limit, a window apart."""
    kept: list[int] = []
    is_free = sizes > MIN_STEP
    # a setpoint changes as much at all rows of a window: the step is in its middle
    around = uniform_filter1d(sizes, WINDOW)
    rows = np.flatnonzero(is_free)
    for row in rows[np.lexsort((-around[rows], -sizes[rows]))]:
        if is_free[row]:
            kept.append(int(row))
            is_free[max(0, row - WINDOW) : row + WINDOW + 1] = False
    return np.array(kept, dtype=np.intp)
