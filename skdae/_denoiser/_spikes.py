"""Spikes: cells of up to three rows in sequence that depart from all cells around.

How far a cell departs is measured so that a step, a slope or a longer pulse does not
depart at all, and compared with what the bulk of the column's cells do: up to a fifth
of the cells can be spikes without a change of the limit. Short pulses are no spikes
where they recur with the same height or period, where the column is one of events,
where it also steps as far for longer, or where another column changes in the same rows.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from skdae._denoiser._departures import (
    MAX_LENGTH,
    N_ROUNDS,
    Around,
    Column,
    departing_cells,
    departures_of,
    deviations_of,
    in_runs,
    is_outside,
    least_steps,
    median_of,
    runs_of,
)
from skdae._denoiser._pulses import NO_RANGE, recurring_pulses
from skdae.timeseries._neighbours import TimeAxis

# Chosen on 39 simulated signals without spikes, none of which is touched by more than
# 1 % but rare pulses of one to three rows on noise, and with 1 to 10 % of them. Steps,
# events and levels: on 46 others, among them distance sensors, valves, rain and counts.
MAX_SPIKES = 0.13  # of the cells of a column; more are rows in another order
BULK = (0.5, 0.8)  # quantiles of the distances, spikes or not
SAME_STEP = 0.2  # of the steps of a column with rounded values
LEVEL = 1e-4  # of cells that depart farther without a spike, by the tail of the bulk
LEAST_POWER = 0.76  # of the tail: that of normal distances
MARGIN = 1.1  # times the distance at that level
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
# A change that reaches the end of a record is a spike where so many spikes have been
# seen for each change that lasts or recurs, and one more.
AT_END = 3


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
    found = [_limit(Column.of(each, axis)) for each in cells.T]
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
        column = Column.of(cells[:, j], axis)
        found = departing_cells(column, float(distances[j]))
        jumps = found & ~is_outside(column.values, ranges[:, j])
        spikes = found & ~jumps & ~_between_levels(column, found, float(distances[j]))
        if heights[0, j] <= heights[1, j]:
            deviations = deviations_of(Around.of(column, found))
            spikes &= is_outside(deviations, heights[:, j])
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
    for j, column in enumerate(Column.of(each, axis) for each in cells.T):
        around = Around.of(column, is_spike[column.places, j])
        changes[:, j] = np.nan
        is_known = np.isin(rows, column.places)
        changes[is_known, j] = deviations_of(
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


class _Limit(NamedTuple):
    """The limits of one column, see `SpikeLimits`; without spikes by default."""

    distance: float = np.inf
    range: tuple[float, float] = NO_RANGE
    heights: tuple[float, float] = NO_RANGE
    at_ends: bool = False


def _limit(column: Column) -> _Limit:
    """Return what distinguishes spikes of a column from its values."""
    if len(column) <= 2 * MAX_LENGTH:
        return _Limit()
    departs = np.zeros(len(column), dtype=bool)
    limit = np.inf
    for _ in range(N_ROUNDS):
        around = Around.of(column, departs)
        distances = np.maximum(np.abs(deviations_of(around)), least_steps(around))
        limit = _bulk_limit(column.values[~departs], distances[~departs])
        before, departs = departs, departing_cells(column, limit)
        if departs.mean() > MAX_SPIKES:
            return _Limit()
        if (departs == before).all():
            break
    is_level = not np.isfinite(limit)
    if is_level:
        limit = REPEATED * float(np.abs(column.values).max())
        departs = _new_values(column, limit)
    ends = _jumps(column, departs, limit)
    is_spike = departs & is_outside(column.values, ends)
    is_spike &= ~_between_levels(column, departs, limit)
    if _are_events(column, departs, is_spike):
        return _Limit()
    is_pulse, heights = recurring_pulses(column, departs, is_spike)
    is_spike &= ~is_pulse
    if is_level and len(runs_of(is_spike)) < MIN_NEW:
        return _Limit()
    if is_level:  # half the least one, as the bulk does not show its size
        departures = departures_of(Around.of(column, departs))[departs]
        limit = max(limit, float(departures.min()) / 2)
    n_spikes = len(runs_of(is_spike & ~_reach_an_end(column, departs)))
    n_changes = _lasting_steps(column, departs, limit).sum() + len(
        runs_of(departs & ~is_spike)
    )
    return _Limit(limit, ends, heights, n_spikes >= AT_END * (1 + n_changes))


def _new_values(column: Column, limit: float) -> np.ndarray:
    """Return the spikes of a column that mostly repeats its values, (n,).

    None where theirs recur, which are counts or levels, or are too many.
    """
    is_spike = (
        departing_cells(column, limit)
        if limit > 0
        else np.zeros(len(column), dtype=bool)
    )
    n_new = len(np.unique(column.values[is_spike]))
    is_new = n_new >= max(MIN_NEW, NEW * len(runs_of(is_spike)))
    return is_spike & (is_new and is_spike.mean() <= MAX_SPIKES)


def _jumps(column: Column, departs: np.ndarray, limit: float) -> tuple[float, float]:
    """Return the range in which jumps of a column are values of its own."""
    if not departs.any():
        return NO_RANGE
    low, high = np.quantile(column.values[~departs], RANGE)
    is_inside = departs & ~is_outside(column.values, (low, high))
    steps = np.flatnonzero(_lasting_steps(column, departs, limit))
    n_short = (np.diff(steps) <= MAX_SHORT).sum()
    least = max(MIN_STEPS, STEPS * len(runs_of(is_inside)))
    if len(steps) < least or n_short < SHORT * (len(steps) - FREE):
        return NO_RANGE
    width = BEYOND * (high - low)
    return float(low - width), float(high + width)


def _between_levels(column: Column, departs: np.ndarray, limit: float) -> np.ndarray:
    """Return which cells depart where the column goes to another level, (n,).

    As far as the cell departs, or farther: a set point is overshot, while a spike
    comes back to where the column was.
    """
    around, cells = Around.of(column, departs), np.flatnonzero(departs)
    before, after = (
        median_of(np.stack([around.beside(column.values, k, cells) for k in side]))
        for side in (range(-MAX_LENGTH, 0), range(1, MAX_LENGTH + 1))
    )
    found = np.zeros(len(column), dtype=bool)
    departures = np.maximum(limit, departures_of(around)[cells])
    found[cells] = np.abs(after - before) > departures
    return found


def _reach_an_end(column: Column, is_spike: np.ndarray) -> np.ndarray:
    """Return which spikes reach the first or the last cell of a group, (n,)."""
    runs = runs_of(is_spike)
    first, last = runs[:, 0], runs[:, 1] - 1
    at_end = (column.first[last] >= first) | (column.last[first] <= last)
    return in_runs(runs[at_end], len(column))


def _lasting_steps(column: Column, is_spike: np.ndarray, size: float) -> np.ndarray:
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


def _are_events(column: Column, departs: np.ndarray, is_spike: np.ndarray) -> bool:
    """Return whether spikes of all sizes, and to one side, are events."""
    if is_spike.sum() < MIN_EVENTS:
        return False
    around = Around.of(column, departs)
    is_above = deviations_of(around)[is_spike] > 0
    share = abs(2 * float(is_above.mean()) - 1)  # of them more on one side
    if share <= min(ALL, max(HALF, CHANCE / np.sqrt(len(is_above)))):
        return False
    low, high = np.quantile(departures_of(around)[is_spike], [0.1, 0.9])
    return bool(high >= SPREAD * low)
