"""Encoded rows in time order, and what is known around each of their cells."""

from dataclasses import dataclass, replace

import numpy as np

from skdae._imputer._blocks import AnyAutoregression
from skdae.timeseries._groups import group_starts
from skdae.timeseries._neighbours import (
    TimeAxis,
    find_neighbours,
    interpolated,
    time_axis,
)

GAP_ENDS = (1.5, 3.5, 11.5)  # missing cells in a row that end a class of gaps
GAP_CLASSES = ("1", "2 to 3", "4 to 11", "12 or more")
MAX_INSERTED = 100  # rows that stand for a gap in the record


@dataclass(frozen=True)
class OrderedRows:
    """Encoded rows group by group in time order, and what is known around each cell.

    All arrays of cells are (n, n_features), in the order of the axis.
    """

    cells: np.ndarray  # NaN where missing
    axis: TimeAxis
    slot: (
        np.ndarray
    )  # (n,) place on a grid of equal steps; gaps in the record are empty
    ends: tuple[np.ndarray, np.ndarray]  # known values before and after, NaN if none
    distances: tuple[np.ndarray, np.ndarray]  # steps to these, infinite if none
    line: np.ndarray  # between them
    gap: np.ndarray  # class of the gap that a cell is or would be in

    @classmethod
    def from_cells(cls, cells: np.ndarray, axis: TimeAxis) -> "OrderedRows":
        """Read what is around the cells; the usual step of the axis is 1."""
        around = find_neighbours(~np.isnan(cells), axis)
        back, ahead = around.distances(axis)
        one_sided = np.isinf(back) | np.isinf(ahead)
        span = np.where(one_sided, 2 * np.minimum(back, ahead), back + ahead)
        return cls(
            cells,
            axis,
            _slots(axis),
            around.values(cells),
            (back, ahead),
            interpolated(cells, axis, around),
            np.digitize(span - 1, GAP_ENDS),
        )

    def filled(
        self, model: AnyAutoregression, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """Return the cells with missing ones filled by the autoregression.

        With their means, or with draws from a generator.
        """
        return self.off_grid(model.fill(*self.on_grid(), generator))

    def part(self, rows: slice, hidden: np.ndarray) -> "OrderedRows":
        """Return consecutive rows without some of their cells, (n, n_features) bool."""
        cells = np.where(hidden, np.nan, self.cells[rows])
        return OrderedRows.from_cells(cells, _part_of(self.axis, rows))

    def on_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the cells on the grid, NaN in empty slots, and where groups start."""
        grid = np.full((self.slot[-1] + 1, self.cells.shape[1]), np.nan)
        grid[self.slot] = self.cells
        start = np.zeros(len(grid), dtype=np.intp)
        start[self.slot] = self.slot[self.axis.first]
        return grid, np.maximum.accumulate(start)

    def off_grid(self, grid: np.ndarray) -> np.ndarray:
        """Return the cells of the rows."""
        return grid[self.slot]


def in_steps(
    axis: TimeAxis, seconds: np.ndarray | None, step: float | None
) -> TimeAxis:
    """Return the axis with its time in usual steps, or without dates in rows.

    `seconds`, (n,), are in the order of the table. Times that fall, as in the hour that
    ends summer time, count as equal.
    """
    if seconds is None or step is None:
        return axis
    return replace(axis, time=np.append(0, _steps(axis, seconds) / step).cumsum())


def usual_step(axis: TimeAxis, seconds: np.ndarray | None) -> float | None:
    """Return the median step of time in seconds, None without dates."""
    if seconds is None:
        return None
    steps = _steps(axis, seconds)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else None


def _steps(axis: TimeAxis, seconds: np.ndarray) -> np.ndarray:
    """Return the seconds between rows, (n - 1,), 0 between groups."""
    steps = np.maximum(np.diff(seconds[axis.rows]), 0)
    return np.where(axis.first[1:] == axis.first[:-1], steps, 0)


def _slots(axis: TimeAxis) -> np.ndarray:
    """Return the slot of each row on a grid of equal steps.

    Each row has one of its own; a longer step leaves up to `MAX_INSERTED` empty ones.
    """
    steps = np.clip(np.rint(np.diff(axis.time)), 1, 1 + MAX_INSERTED)
    return np.append(0, steps.astype(np.intp)).cumsum()


def first_estimate(rows: OrderedRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells on the grid, where groups start, and a first estimate of all cells.

    The line, or the mean of the feature; 0 without any value.
    """
    cells, start = rows.on_grid()
    grid_axis = replace(time_axis(len(cells)), first=start, last=_last(start))
    line = interpolated(cells, grid_axis, find_neighbours(~np.isnan(cells), grid_axis))
    known = ~np.isnan(rows.cells)
    mean = np.where(known, rows.cells, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled = np.where(np.isnan(cells), np.where(np.isnan(line), mean, line), cells)
    return cells, start, filled


def _last(start: np.ndarray) -> np.ndarray:
    """Return the last row of the group of each row, from the first ones."""
    return len(start) - 1 - group_starts(start[::-1])[::-1]


def _part_of(axis: TimeAxis, part: slice) -> TimeAxis:
    """Return some consecutive places as an axis of their own."""
    n_rows = part.stop - part.start
    return TimeAxis(
        np.arange(n_rows),
        np.maximum(axis.first[part] - part.start, 0),
        np.minimum(axis.last[part] - part.start, n_rows - 1),
        axis.time[part],
    )
