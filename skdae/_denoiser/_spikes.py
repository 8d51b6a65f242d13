"""Spikes: cells of up to three rows in sequence that depart from all cells around.

How far a cell departs is measured so that a step, a slope or a longer pulse does not
depart at all, and compared with what the bulk of the column's cells do: up to a fifth
of the cells can be spikes without a change of the limit.
"""

from dataclasses import dataclass

import numpy as np

from skdae.timeseries._groups import group_starts
from skdae.timeseries._neighbours import TimeAxis

# Chosen on 39 simulated signals without spikes, none of which is touched by more than
# 1 % but rare pulses of one to three rows on noise, and with 1 to 10 % of them.
MAX_LENGTH = 3  # rows of a spike; a longer pulse is one of the signal
N_BESIDE = 8  # known cells on each side by whose steps a volatile stretch is seen
MIN_BESIDE = 3  # of them, as the first and the last cell may lie next to spikes
MAX_SPIKES = 0.13  # of the cells of a column; more are rows in another order
BULK = (0.5, 0.8)  # quantiles of the distances, spikes or not
SAME_STEP = 0.2  # of the steps of a column with rounded values
LEVEL = 1e-4  # of cells that depart farther without a spike, by the tail of the bulk
LEAST_POWER = 0.76  # of the tail: that of normal distances
MARGIN = 1.1  # times the distance at that level
LOCAL_MARGIN = 12.0  # times the typical least step beside the cell
N_ROUNDS = 3  # of finding spikes without those found before
# A column is one of events, as rain, where its spikes have one sign (ONE_SIDED), a
# tenth of them hardly exceeds the limit (NEAR), and many departures (EVENTS of the
# spikes) lie between the half of it and the limit.
ONE_SIDED, NEAR, EVENTS, MIN_EVENTS = 0.9, 1.5, 0.05, 5
# It jumps between its levels where so many of its spikes lie where the others do.
INSIDE, RANGE = 0.7, (0.02, 0.98)


def spike_limits(cells: np.ndarray, axis: TimeAxis) -> np.ndarray:
    """Return how far cells may depart from those around, (n_features,).

    `cells`, (n, n_features) in the order of the axis, are NaN where missing. Infinite
    for columns without spikes that can be distinguished from their values.
    """
    return np.array([_limit(_Column.of(each, axis)) for each in cells.T])


def without_spikes(cells: np.ndarray, axis: TimeAxis, limits: np.ndarray) -> np.ndarray:
    """Return the cells, NaN where one departs by more than the limit of its column.

    A column with many such cells has no spikes, but rows in another order.
    """
    kept = cells.copy()
    for j in np.flatnonzero(np.isfinite(limits)):
        column = _Column.of(cells[:, j], axis)
        is_spike = _found(column, float(limits[j]))
        if is_spike.sum() <= 1 + MAX_SPIKES * len(is_spike):
            kept[column.places[is_spike], j] = np.nan
    return kept


@dataclass(frozen=True)
class _Column:
    """The known cells of a column, and the beginning and end of the group of each."""

    values: np.ndarray  # (n,) as are all
    places: np.ndarray  # in the order of the axis
    first: np.ndarray  # of the known cells
    last: np.ndarray

    @classmethod
    def of(cls, cells: np.ndarray, axis: TimeAxis) -> "_Column":
        places = np.flatnonzero(~np.isnan(cells))
        first = group_starts(axis.first[places])
        last = len(places) - 1 - group_starts(axis.first[places][::-1])[::-1]
        return cls(cells[places], places, first, last)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class _Around:
    """Each cell beside the kept cells around: those that are no spikes so far."""

    column: _Column
    kept: np.ndarray  # (n_kept,) places
    before: np.ndarray  # (n,) kept cells before each one
    through: np.ndarray  # (n,) the same, and the cell itself where it is kept

    @classmethod
    def of(cls, column: _Column, is_spike: np.ndarray) -> "_Around":
        through = np.cumsum(~is_spike)
        return cls(column, np.flatnonzero(~is_spike), through - ~is_spike, through)

    def beside(self, values: np.ndarray, lag: int, cells: np.ndarray) -> np.ndarray:
        """Return what the kept cell so many after some cells has, NaN for none."""
        rank = self.before[cells] + lag if lag < 0 else self.through[cells] + lag - 1
        place = self.kept[np.clip(rank, 0, len(self.kept) - 1)]
        is_there = (rank >= 0) & (rank < len(self.kept))
        is_there &= (place >= self.column.first[cells]) & (
            place <= self.column.last[cells]
        )
        return np.where(is_there, values[place], np.nan)


def _limit(column: _Column) -> float:
    """Return how far cells of a column may depart."""
    if len(column) <= 2 * MAX_LENGTH:
        return np.inf
    is_spike = np.zeros(len(column), dtype=bool)
    limit = np.inf
    for _ in range(N_ROUNDS):
        around = _Around.of(column, is_spike)
        distances = np.maximum(np.abs(_deviations(around)), _steps(around))
        limit = _bulk_limit(column.values[~is_spike], distances[~is_spike])
        before, is_spike = is_spike, _found(column, limit)
        if is_spike.mean() > MAX_SPIKES:
            return np.inf
        if (is_spike == before).all():
            break
    return np.inf if _are_values(column, is_spike, limit) else limit


def _bulk_limit(values: np.ndarray, distances: np.ndarray) -> float:
    """Return the distance at `LEVEL` of a Weibull tail through two quantiles.

    Infinite where most cells repeat the values around. Rounded values are spread over
    the width of rounding first, so that the quantiles are none of a few numbers.
    """
    middle, high = np.quantile(distances, BULK)
    if not high > 1e-9 * np.abs(values).max():
        return np.inf
    evenly = np.arange(len(distances)) * (np.sqrt(5) - 1) / 2 % 1 - 0.5
    middle, high = np.quantile(np.abs(distances + _rounding(values) * evenly), BULK)
    if not middle > 0:
        return np.inf
    log_levels = np.log(1 - np.array(BULK))
    power = np.log(high / middle) / np.log(log_levels[1] / log_levels[0])
    power = max(power, LEAST_POWER)
    return float(MARGIN * high * (np.log(LEVEL) / log_levels[1]) ** power)


def _rounding(values: np.ndarray) -> float:
    """Return the step that a share `SAME_STEP` of all steps have, 0 without any."""
    steps = np.abs(np.diff(values))
    steps = steps[steps > 0]
    if not len(steps):
        return 0.0
    sizes, counts = np.unique(np.round(steps / np.median(steps), 6), return_counts=True)
    most = counts.argmax()
    is_common = counts[most] >= SAME_STEP * len(steps)
    return float(sizes[most] * np.median(steps)) if is_common else 0.0


def _found(column: _Column, limit: float) -> np.ndarray:
    """Return which cells of a column are spikes by a limit."""
    is_spike = np.zeros(len(column), dtype=bool)
    for _ in range(N_ROUNDS if np.isfinite(limit) and len(column) else 0):
        before, is_spike = is_spike, _excess(column, is_spike, limit) > 1
        if (is_spike == before).all() or is_spike.all():
            break
    return is_spike & ~_in_long_runs(is_spike)


def _deviations(around: _Around) -> np.ndarray:
    """Return each cell less the median of the six around, (n,)."""
    cells = np.arange(len(around.column))
    lags = [k for k in range(-MAX_LENGTH, MAX_LENGTH + 1) if k]
    values = around.column.values
    others = np.stack([around.beside(values, k, cells) for k in lags])
    return np.nan_to_num(values - _median(others))


def _excess(column: _Column, is_spike: np.ndarray, limit: float) -> np.ndarray:
    """Return how far each cell departs, over what it may, (n,).

    It may depart farther beside large steps. They are looked at where half the limit
    is exceeded.
    """
    around = _Around.of(column, is_spike)
    departures = _departures(around)
    excess = departures / limit
    cells = np.flatnonzero(excess > 0.5)
    steps = _steps(around)
    volatility = np.zeros(len(cells))
    for lags in (range(-N_BESIDE, 0), range(1, N_BESIDE + 1)):
        side = np.stack([around.beside(steps, k, cells) for k in lags])
        is_short = (~np.isnan(side)).sum(axis=0) < MIN_BESIDE
        volatility = np.fmax(volatility, np.where(is_short, 0, _median(side)))
    excess[cells] = departures[cells] / np.maximum(limit, LOCAL_MARGIN * volatility)
    return excess


def _departures(around: _Around) -> np.ndarray:
    """Return how far each cell lies outside of every stretch of four cells with it.

    A stretch is cut off at the end of a group, where a longer pulse may have begun
    before. There, that range is twice as wide, as a slope goes on.
    """
    cells = np.arange(len(around.column))
    values = around.column.values
    lags = {
        k: around.beside(values, k, cells) for k in range(-MAX_LENGTH, MAX_LENGTH + 1)
    }
    low, high = np.full((2, len(cells)), np.nan)
    for start in range(-MAX_LENGTH, 1):
        stretch = [lags[k] for k in range(start, start + MAX_LENGTH + 1) if k]
        high = np.fmax(high, np.fmin.reduce(stretch))
        low = np.fmin(low, np.fmax.reduce(stretch))
    at_end = np.isnan(lags[-1]) | np.isnan(lags[1])
    widths = np.where(at_end, np.nan_to_num(low - high), 0)
    departures = np.maximum(values - high, low - values) - widths
    return np.nan_to_num(departures, nan=-np.inf)


def _steps(around: _Around) -> np.ndarray:
    """Return the least step of each cell to the two before and the two after, (n,)."""
    cells, values = np.arange(len(around.column)), around.column.values
    others = [around.beside(values, k, cells) for k in (-2, -1, 1, 2)]
    return np.nan_to_num(np.fmin.reduce([np.abs(values - each) for each in others]))


def _in_long_runs(is_spike: np.ndarray) -> np.ndarray:
    """Return which cells are in sequences of more than `MAX_LENGTH` spikes."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_spike, [False]])))
    lengths = np.diff(edges)[::2]
    is_long = np.zeros(len(is_spike), dtype=bool)
    for start, length in zip(edges[::2], lengths, strict=True):
        is_long[start : start + length] = length > MAX_LENGTH
    return is_long


def _are_values(column: _Column, is_spike: np.ndarray, limit: float) -> bool:
    """Return whether the spikes look like values of the column: levels, or events."""
    if is_spike.sum() < MIN_EVENTS:
        return False
    low, high = np.quantile(column.values[~is_spike], RANGE)
    spikes = column.values[is_spike]
    is_inside = (low <= spikes) & (spikes <= high)
    return is_inside.mean() > INSIDE or _are_events(column, is_spike, limit)


def _are_events(column: _Column, is_spike: np.ndarray, limit: float) -> bool:
    """Return whether departures of all sizes to one side look like events."""
    n_spikes = int(is_spike.sum())
    excess = _excess(column, is_spike, limit)
    is_above = _deviations(_Around.of(column, is_spike)) > 0
    n_above = int((is_spike & is_above).sum())
    side = is_above if 2 * n_above > n_spikes else ~is_above
    if (is_spike & side).sum() <= ONE_SIDED * n_spikes:
        return False
    if np.quantile(excess[is_spike], 0.1) > NEAR:
        return False
    is_half = (excess > 0.5) & ~is_spike
    n_half, n_opposite = ((is_half & each).sum() for each in (side, ~side))
    chance = 2 * np.sqrt(n_half + n_opposite)
    return bool(n_half - n_opposite > EVENTS * n_spikes + chance)


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the first axis, NaN left out; NaN of none."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = (~np.isnan(values)).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    columns = np.arange(values.shape[1])
    high = np.minimum(high, len(values) - 1)
    return (ordered[low, columns] + ordered[high, columns]) / 2
