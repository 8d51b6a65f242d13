"""Pulses of a process: changes of up to three rows that recur, unlike spikes."""

import numpy as np
from scipy import stats

from skdae._denoiser._departures import (
    Around,
    Column,
    departures_of,
    deviations_of,
    in_runs,
    runs_of,
)

# Spikes are pulses of the process where ALIKE of them go to one side and recur, at
# least MIN_RECURRING, or one fewer in FEW_ROWS: with one height, within WITHIN standard
# deviations of the other cells' departures or NEAR of the height, half of them within
# a part of that, 1 / HALVED, and the others not; or after the same time, to SAME_TIME
# of it or a row, as random ones do with a chance of REGULAR. Chosen on records as those
# of `benchmarks/pulses.py`, with other draws.
MIN_RECURRING, FEW_ROWS, ALIKE, WITHIN, NEAR, HALVED = 3, 100, 0.8, 2.5, 0.1, 2.3
SAME_TIME, REGULAR = 0.15, 0.001
UNEQUAL = 0.7  # times the typical height, of pulses that have a period
# Errors with heavy tails have more cells that depart half as far to the other side.
OPPOSITE = 0.5
CODE = 0.5  # of the pulses with one value, which is the code of a fault
NO_RANGE = (np.inf, -np.inf)  # of jumps or pulses: that of a column without any


def recurring_pulses(
    column: Column, departs: np.ndarray, is_spike: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return which spikes are pulses that recur, and the range of their heights."""
    none = np.zeros(len(column), dtype=bool), NO_RANGE
    around, runs = Around.of(column, departs), runs_of(is_spike)
    deviations = deviations_of(around)
    heights = np.array([np.median(deviations[start:stop]) for start, stop in runs])
    side = heights > 0  # the one to which most of them go
    side = side if 2 * side.sum() >= len(runs) else ~side
    if side.sum() < MIN_RECURRING - (len(column) < FEW_ROWS):
        return none
    typical = float(np.median(np.abs(heights[side])))
    error = 1.5 * float(np.median(np.abs(deviations[~departs])))
    width = max(WITHIN * error, NEAR * typical)
    recurs = _alike(heights, side, width)
    if _are_regular(runs[side, 0]):  # with heights that differ more
        recurs |= np.abs(np.abs(heights) - typical) <= UNEQUAL * typical
    recurs &= side
    pulses = in_runs(runs[recurs], len(column))
    is_opposite = ~departs & ((deviations > 0) != (heights[side][0] > 0))
    n_opposite = (departures_of(around)[is_opposite] > typical / 2).sum()
    if (
        recurs.sum() < max(1, ALIKE * len(runs))
        or n_opposite > OPPOSITE * recurs.sum()
        or _are_codes(column.values, pulses, departs)
    ):
        return none
    low, high = heights[recurs].min(), heights[recurs].max()
    return pulses, (float(low - width), float(high + width))


def _alike(heights: np.ndarray, side: np.ndarray, width: float) -> np.ndarray:
    """Return which pulses have the height of most on a side; none without such a one.

    Nor where it is that of most on the other side: of spikes with one size.
    """
    sizes = np.abs(heights)
    distances = np.abs(sizes - np.median(sizes[side]))
    is_one = np.median(distances[side]) <= width / HALVED
    is_mirrored = (distances[~side] <= width).sum() > (~side).sum() / 2
    return (distances <= width) & (is_one and not is_mirrored)


def _are_regular(starts: np.ndarray) -> bool:
    """Return whether pulses follow each other after the same time."""
    times = np.diff(starts)
    typical = float(np.median(times))
    width = max(1.0, SAME_TIME * typical)
    n_near = (np.abs(times - typical) <= width).sum() - 1  # one of them is the median
    exponent = (width + 0.5) / typical  # times at random halve by the median
    chance = min(1.0, (2**exponent - 2**-exponent) / 2)
    return bool(stats.binom.sf(n_near - 1, len(times) - 1, chance) < REGULAR)


def _are_codes(values: np.ndarray, pulses: np.ndarray, is_spike: np.ndarray) -> bool:
    """Return whether pulses have one value, and other cells repeat theirs less."""
    least = max(CODE, 2 * _share_of_one(values[~is_spike]))
    return _share_of_one(values[pulses]) >= least


def _share_of_one(values: np.ndarray) -> float:
    """Return the share of the most frequent value."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))
