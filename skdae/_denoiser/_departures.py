"""How far cells of a column depart from those around, and in which sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skdae.timeseries._groups import group_starts
from skdae.timeseries._neighbours import TimeAxis

MAX_LENGTH = 3  # rows of a spike; a longer pulse is one of the signal
N_BESIDE = 8  # known cells on each side by whose steps a volatile stretch is seen
MIN_BESIDE = 3  # of them, as the first and the last cell may lie next to spikes
LOCAL_MARGIN = 12.0  # times the typical least step beside the cell
N_ROUNDS = 3  # of finding spikes without those found before


@dataclass(frozen=True)
class Column:
    """The known cells of a column, and the beginning and end of the group of each."""

    values: np.ndarray  # (n,) as are all
    places: np.ndarray  # in the order of the axis
    first: np.ndarray  # of the known cells
    last: np.ndarray

    @classmethod
    def of(cls, cells: np.ndarray, axis: TimeAxis) -> "Column":
        places = np.flatnonzero(~np.isnan(cells))
        first = group_starts(axis.first[places])
        last = len(places) - 1 - group_starts(axis.first[places][::-1])[::-1]
        return cls(cells[places], places, first, last)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Around:
    """Each cell beside the kept cells around: those that are no spikes so far."""

    column: Column
    kept: np.ndarray  # (n_kept,) places
    before: np.ndarray  # (n,) kept cells before each one
    through: np.ndarray  # (n,) the same, and the cell itself where it is kept

    @classmethod
    def of(cls, column: Column, is_spike: np.ndarray) -> "Around":
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


def departing_cells(column: Column, limit: float) -> np.ndarray:
    """Return which cells of a column are spikes by a limit."""
    is_spike = np.zeros(len(column), dtype=bool)
    for _ in range(N_ROUNDS if np.isfinite(limit) and len(column) else 0):
        before, is_spike = is_spike, _excess(column, is_spike, limit) > 1
        if (is_spike == before).all() or is_spike.all():
            break
    if is_spike.all():  # of a few cells: there is no level that they depart from
        return np.zeros(len(column), dtype=bool)
    return is_spike & ~_in_long_runs(is_spike)


def deviations_of(around: Around, cells: np.ndarray | None = None) -> np.ndarray:
    """Return cells, or all, less the median of the six around each one, (n,)."""
    if cells is None:
        cells = np.arange(len(around.column))
    lags = [k for k in range(-MAX_LENGTH, MAX_LENGTH + 1) if k]
    values = around.column.values
    others = np.stack([around.beside(values, k, cells) for k in lags])
    return np.nan_to_num(values[cells] - median_of(others))


def _excess(column: Column, is_spike: np.ndarray, limit: float) -> np.ndarray:
    """Return how far each cell departs, over what it may, (n,).

    It may depart farther beside large steps. They are looked at where half the limit
    is exceeded.
    """
    around = Around.of(column, is_spike)
    departures = departures_of(around)
    excess = departures / limit
    cells = np.flatnonzero(excess > 0.5)
    steps = least_steps(around)
    volatility = np.zeros(len(cells))
    for lags in (range(-N_BESIDE, 0), range(1, N_BESIDE + 1)):
        side = np.stack([around.beside(steps, k, cells) for k in lags])
        is_short = (~np.isnan(side)).sum(axis=0) < MIN_BESIDE
        volatility = np.fmax(volatility, np.where(is_short, 0, median_of(side)))
    excess[cells] = departures[cells] / np.maximum(limit, LOCAL_MARGIN * volatility)
    return excess


def departures_of(around: Around) -> np.ndarray:
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


def least_steps(around: Around) -> np.ndarray:
    """Return the least step of each cell to the two before and the two after, (n,)."""
    cells, values = np.arange(len(around.column)), around.column.values
    others = [around.beside(values, k, cells) for k in (-2, -1, 1, 2)]
    return np.nan_to_num(np.fmin.reduce([np.abs(values - each) for each in others]))


def runs_of(is_spike: np.ndarray) -> np.ndarray:
    """Return the first place of each sequence of spikes, and the next one after it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_spike, [False]])))
    return edges.reshape(-1, 2)


def in_runs(runs: np.ndarray, n: int) -> np.ndarray:
    """Return which of n cells are in some sequences, (n,)."""
    changes = np.zeros(n + 1)
    changes[runs[:, 0]] += 1
    changes[runs[:, 1]] -= 1
    return np.cumsum(changes[:-1]) > 0


def _in_long_runs(is_spike: np.ndarray) -> np.ndarray:
    """Return which cells are in sequences of more than `MAX_LENGTH` spikes."""
    runs = runs_of(is_spike)
    return in_runs(runs[np.diff(runs, axis=1)[:, 0] > MAX_LENGTH], len(is_spike))


def is_outside(values: np.ndarray, ends: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return which values are beyond the ends of a range; all of an empty one."""
    return (values < ends[0]) | (values > ends[1])


def median_of(values: np.ndarray) -> np.ndarray:
    """Return the median over the first axis, NaN left out; NaN of none."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = (~np.isnan(values)).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    columns = np.arange(values.shape[1])
    high = np.minimum(high, len(values) - 1)
    return (ordered[low, columns] + ordered[high, columns]) / 2
