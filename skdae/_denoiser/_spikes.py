"""Spikes: cells of up to three rows in sequence that depart from all cells around.

How far a cell departs is measured so that a step, a slope or a longer pulse does not
depart at all, and compared with what the bulk of the column's cells do: up to a fifth
of the cells can be spikes without a change of the limit. Short pulses are no spikes
where they recur with the same height or period, where the column is one of events,
where it also steps as far for longer, or where another column changes in the same rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from skdae.timeseries._groups import group_starts
from skdae.timeseries._neighbours import TimeAxis

# Chosen on 39 simulated signals without spikes, none of which is touched by more than
# 1 % but rare pulses of one to three rows on noise, and with 1 to 10 % of them. Steps,
# events and levels: on 46 others, among them distance sensors, valves, rain and counts.
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
# A column is one of events, as rain, where more of its spikes have one sign than the
# other, by nearly all (ALL), or half of them and CHANCE standard deviations; and where
# they have all sizes: a tenth departs SPREAD times as far as another tenth, or farther.
ALL, HALF, CHANCE, SPREAD, MIN_EVENTS = 0.8, 0.5, 3.0, 1.7, 5
# A column that mostly repeats its values departs from them by REPEATED of the largest;
# only new values are spikes, at least MIN_NEW.
REPEATED, MIN_NEW, NEW = 1e-9, 3, 0.9
# A jump to where the other cells lie is a value of a column that steps as far: at least
# MIN_STEPS, and STEPS of the jumps, last; unless its levels are all long, beside FREE
# of them fewer than SHORT have up to MAX_SHORT cells.
RANGE, BEYOND = (0.001, 0.999), 0.1  # and so much of it on both sides
STEPS, MIN_STEPS = 0.15, 2
SHORT, MAX_SHORT, FREE = 0.1, 12, 5
# Spikes are changes of the process where another column, without a spike, changes in
# the same rows: its changes explain SHARED of their squares, at ALPHA over all other
# columns.
SHARED, ALPHA = 0.5, 0.001

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
# A change that reaches the end of a record is a spike where so many spikes have been
# seen for each change that lasts or recurs, and one more.
AT_END = 3

NO_RANGE = (np.inf, -np.inf)  # of jumps or pulses: that of a column without any


class SpikeLimits(NamedTuple):
    """What distinguishes spikes from values, by column."""

    distances: np.ndarray  # (n_features,) from the cells around; infinite: no spikes
    ranges: np.ndarray  # (2, n_features) of jumps
    heights: np.ndarray  # (2, n_features) of pulses that recur
    at_ends: np.ndarray  # (n_features,) bool, spikes at the ends of a record as well

    @classmethod
    def of(
        cls,
        distances: np.ndarray,
        ranges: np.ndarray | None,
        heights: np.ndarray | None,
        at_ends: np.ndarray | None,
    ) -> "SpikeLimits":
        """Take what a fitted denoiser has; None in older files."""
        none = np.repeat(np.array(NO_RANGE)[:, None], len(distances), axis=1)
        return cls(
            distances,
            none if ranges is None else ranges,
            none if heights is None else heights,
            np.full(len(distances), True) if at_ends is None else at_ends,
        )


def spike_limits(cells: np.ndarray, axis: TimeAxis) -> SpikeLimits:
    """Return how far cells may depart from those around, and where they may be.

    `cells`, (n, n_features) in the order of the axis, are NaN where missing. Within its
    range, a column that jumps has no spikes, nor are changes of the heights of its
    pulses spikes; the ranges of others are empty.
    """
    found = [_limit(_Column.of(each, axis)) for each in cells.T]
    distances, ranges, heights, at_ends = map(np.array, zip(*found, strict=True))
    return SpikeLimits(distances, ranges.T, heights.T, at_ends)


def may_jump(limits: SpikeLimits) -> np.ndarray:
    """Return which columns jump or have no limit of spikes, (n_features,)."""
    return np.isinf(limits.distances) | (limits.ranges[0] <= limits.ranges[1])


def without_spikes(
    cells: np.ndarray, axis: TimeAxis, limits: SpikeLimits
) -> np.ndarray:
    """Return the cells, NaN where there is a spike."""
    is_spike, _ = departing(cells, axis, limits)
    return np.where(is_spike, np.nan, cells)


def departing(
    cells: np.ndarray, axis: TimeAxis, limits: SpikeLimits
) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells are spikes, and which depart as far and are values.

    Both depart by more than the limit of their column. A column with many spikes has
    none, but rows in another order. Jumps of a column are neither: others like them are
    around, from which errors are removed.
    """
    is_spike, is_value = np.zeros((2, *cells.shape), dtype=bool)
    distances, ranges, heights, at_ends = limits
    for j in np.flatnonzero(np.isfinite(distances)):
        column = _Column.of(cells[:, j], axis)
        found = _found(column, float(distances[j]))
        jumps = found & ~_is_outside(column.values, ranges[:, j])
        spikes = found & ~jumps & ~_between_levels(column, found, float(distances[j]))
        if heights[0, j] <= heights[1, j]:
            deviations = _deviations(_Around.of(column, found))
            spikes &= _is_outside(deviations, heights[:, j])
        if not at_ends[j]:
            spikes &= ~_reach_an_end(column, found)
        if spikes.sum() <= 1 + MAX_SPIKES * len(found):
            is_spike[column.places[spikes], j] = True
            is_value[column.places[found & ~spikes & ~jumps], j] = True
    shared = _are_shared(cells, axis, is_spike)
    return is_spike & ~shared, is_value | is_spike & shared


def _are_shared(cells: np.ndarray, axis: TimeAxis, is_spike: np.ndarray) -> np.ndarray:
    """Return which columns have spikes that other columns share, (n_features,)."""
    rows = np.flatnonzero(is_spike.any(axis=1))
    marked = is_spike[rows]
    changes = np.empty(marked.shape)
    for j, column in enumerate(_Column.of(each, axis) for each in cells.T):
        around = _Around.of(column, is_spike[column.places, j])
        changes[:, j] = np.nan
        is_known = np.isin(rows, column.places)
        changes[is_known, j] = _deviations(
            around, np.searchsorted(column.places, rows[is_known])
        )
    ordinary = np.where(marked, np.nan, changes)
    return np.array(
        [
            _is_shared(changes[spikes, j], ordinary[spikes])
            for j, spikes in enumerate(marked.T)
        ]
    )


def _is_shared(spikes: np.ndarray, others: np.ndarray) -> bool:
    """Return whether the changes of another column, NaN if unknown, explain spikes."""
    known = ~np.isnan(others)
    n_free = known.sum(axis=0) - 1  # of them, beside a slope through 0
    squares = (spikes[:, None] ** 2 * known).sum(axis=0) * np.nansum(others**2, axis=0)
    products = np.nansum(spikes[:, None] * others, axis=0) ** 2
    explained = products / np.where(squares > 0, squares, np.inf)
    ratio = explained * n_free / np.maximum(1 - explained, 1e-12)
    p_values = stats.f.sf(ratio, 1, np.maximum(n_free, 1)) * others.shape[1]
    return bool(((n_free > 0) & (p_values < ALPHA) & (explained > SHARED)).any())


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


class _Limit(NamedTuple):
    """The limits of one column, see `SpikeLimits`; without spikes by default."""

    distance: float = np.inf
    range: tuple[float, float] = NO_RANGE
    heights: tuple[float, float] = NO_RANGE
    at_ends: bool = False


def _limit(column: _Column) -> _Limit:
    """Return what distinguishes spikes of a column from its values."""
    if len(column) <= 2 * MAX_LENGTH:
        return _Limit()
    departs = np.zeros(len(column), dtype=bool)
    limit = np.inf
    for _ in range(N_ROUNDS):
        around = _Around.of(column, departs)
        distances = np.maximum(np.abs(_deviations(around)), _steps(around))
        limit = _bulk_limit(column.values[~departs], distances[~departs])
        before, departs = departs, _found(column, limit)
        if departs.mean() > MAX_SPIKES:
            return _Limit()
        if (departs == before).all():
            break
    is_level = not np.isfinite(limit)
    if is_level:
        limit = REPEATED * float(np.abs(column.values).max())
        departs = _new_values(column, limit)
    ends = _jumps(column, departs, limit)
    is_spike = departs & _is_outside(column.values, ends)
    is_spike &= ~_between_levels(column, departs, limit)
    if _are_events(column, departs, is_spike):
        return _Limit()
    is_pulse, heights = _pulses(column, departs, is_spike)
    is_spike &= ~is_pulse
    if is_level and len(_runs(is_spike)) < MIN_NEW:
        return _Limit()
    if is_level:  # half the least one, as the bulk does not show its size
        departures = _departures(_Around.of(column, departs))[departs]
        limit = max(limit, float(departures.min()) / 2)
    n_spikes = len(_runs(is_spike & ~_reach_an_end(column, departs)))
    n_changes = _steps_of(column, departs, limit).sum() + len(
        _runs(departs & ~is_spike)
    )
    return _Limit(limit, ends, heights, n_spikes >= AT_END * (1 + n_changes))


def _new_values(column: _Column, limit: float) -> np.ndarray:
    """Return the spikes of a column that mostly repeats its values, (n,).

    None where theirs recur, which are counts or levels, or are too many.
    """
    is_spike = _found(column, limit) if limit > 0 else np.zeros(len(column), dtype=bool)
    n_new = len(np.unique(column.values[is_spike]))
    is_new = n_new >= max(MIN_NEW, NEW * len(_runs(is_spike)))
    return is_spike & (is_new and is_spike.mean() <= MAX_SPIKES)


def _is_outside(values: np.ndarray, ends: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return which values are beyond the ends of a range; all of an empty one."""
    return (values < ends[0]) | (values > ends[1])


def _jumps(column: _Column, departs: np.ndarray, limit: float) -> tuple[float, float]:
    """Return the range in which jumps of a column are values of its own."""
    if not departs.any():
        return NO_RANGE
    low, high = np.quantile(column.values[~departs], RANGE)
    is_inside = departs & ~_is_outside(column.values, (low, high))
    steps = np.flatnonzero(_steps_of(column, departs, limit))
    n_short = (np.diff(steps) <= MAX_SHORT).sum()
    least = max(MIN_STEPS, STEPS * len(_runs(is_inside)))
    if len(steps) < least or n_short < SHORT * (len(steps) - FREE):
        return NO_RANGE
    width = BEYOND * (high - low)
    return float(low - width), float(high + width)


def _between_levels(column: _Column, departs: np.ndarray, limit: float) -> np.ndarray:
    """Return which cells depart where the column goes to another level, (n,).

    As far as the cell departs, or farther: a set point is overshot, while a spike
    comes back to where the column was.
    """
    around, cells = _Around.of(column, departs), np.flatnonzero(departs)
    lags = range(1, MAX_LENGTH + 1)
    before, after = (
        _median(np.stack([around.beside(column.values, sign * k, cells) for k in lags]))
        for sign in (-1, 1)
    )
    found = np.zeros(len(column), dtype=bool)
    departures = np.maximum(limit, _departures(around)[cells])
    found[cells] = np.abs(after - before) > departures
    return found


def _pulses(
    column: _Column, departs: np.ndarray, is_spike: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return which spikes are pulses that recur, and the range of their heights."""
    none = np.zeros(len(column), dtype=bool), NO_RANGE
    around, runs = _Around.of(column, departs), _runs(is_spike)
    deviations = _deviations(around)
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
    pulses = _in_runs(runs[recurs], len(column))
    is_opposite = ~departs & ((deviations > 0) != (heights[side][0] > 0))
    n_opposite = (_departures(around)[is_opposite] > typical / 2).sum()
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


def _reach_an_end(column: _Column, is_spike: np.ndarray) -> np.ndarray:
    """Return which spikes reach the first or the last cell of a group, (n,)."""
    runs = _runs(is_spike)
    first, last = runs[:, 0], runs[:, 1] - 1
    at_end = (column.first[last] >= first) | (column.last[first] <= last)
    return _in_runs(runs[at_end], len(column))


def _steps_of(column: _Column, is_spike: np.ndarray, size: float) -> np.ndarray:
    """Return after which kept cells a step of more than a size lasts for four."""
    values = column.values[~is_spike]
    first = column.first[~is_spike]
    n = MAX_LENGTH + 1
    if len(values) < 2 * n:
        return np.zeros(0, dtype=bool)
    stretches = np.lib.stride_tricks.sliding_window_view(values, n)
    levels = np.median(stretches, axis=1)
    step = values[n : 1 - n] - values[n - 1 : -n]
    change = levels[n:] - levels[:-n]
    is_step = (np.minimum(np.abs(step), np.abs(change)) > size) & (step * change > 0)
    is_step &= first[2 * n - 1 :] == first[: 1 - 2 * n]
    return is_step


def _bulk_limit(values: np.ndarray, distances: np.ndarray) -> float:
    """Return the distance at `LEVEL` of a Weibull tail through two quantiles.

    Infinite where most cells repeat the values around. Rounded values are spread over
    the width of rounding first, so that the quantiles are none of a few numbers.
    """
    middle, high = np.quantile(distances, BULK)
    if not high > REPEATED * np.abs(values).max():
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


def _deviations(around: _Around, cells: np.ndarray | None = None) -> np.ndarray:
    """Return cells, or all, less the median of the six around each one, (n,)."""
    if cells is None:
        cells = np.arange(len(around.column))
    lags = [k for k in range(-MAX_LENGTH, MAX_LENGTH + 1) if k]
    values = around.column.values
    others = np.stack([around.beside(values, k, cells) for k in lags])
    return np.nan_to_num(values[cells] - _median(others))


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


def _runs(is_spike: np.ndarray) -> np.ndarray:
    """Return the first place of each sequence of spikes, and the next one after it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_spike, [False]])))
    return edges.reshape(-1, 2)


def _in_runs(runs: np.ndarray, n: int) -> np.ndarray:
    """Return which of n cells are in some sequences, (n,)."""
    changes = np.zeros(n + 1)
    changes[runs[:, 0]] += 1
    changes[runs[:, 1]] -= 1
    return np.cumsum(changes[:-1]) > 0


def _in_long_runs(is_spike: np.ndarray) -> np.ndarray:
    """Return which cells are in sequences of more than `MAX_LENGTH` spikes."""
    runs = _runs(is_spike)
    return _in_runs(runs[np.diff(runs, axis=1)[:, 0] > MAX_LENGTH], len(is_spike))


def _are_events(column: _Column, departs: np.ndarray, is_spike: np.ndarray) -> bool:
    """Return whether spikes of all sizes, and to one side, are events."""
    if is_spike.sum() < MIN_EVENTS:
        return False
    around = _Around.of(column, departs)
    is_above = _deviations(around)[is_spike] > 0
    share = abs(2 * float(is_above.mean()) - 1)  # of them more on one side
    if share <= min(ALL, max(HALF, CHANCE / np.sqrt(len(is_above)))):
        return False
    low, high = np.quantile(_departures(around)[is_spike], [0.1, 0.9])
    return bool(high >= SPREAD * low)


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the first axis, NaN left out; NaN of none."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = (~np.isnan(values)).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    columns = np.arange(values.shape[1])
    high = np.minimum(high, len(values) - 1)
    return (ordered[low, columns] + ordered[high, columns]) / 2
