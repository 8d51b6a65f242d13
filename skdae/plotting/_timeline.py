"""Time axis of plots: positions of rows, gaps in time, and blocks of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae.timeseries._time import RowTimes, row_times

GAP_STEPS = 20  # median steps; the longest of 10,000 exponential steps is at 13


def index_time(time: Any, X: Any) -> Any:
    """Return the time given, else the index of X if that holds dates or numbers."""
    if time is None and hasattr(X, "iloc") and X.index.dtype.kind in "iufM":
        return X.index
    return time


def read_time(
    time: Any, X: Any, n_rows: int, time_label: str | None = None
) -> tuple[RowTimes, str]:
    """Return the time of each row and the label of the axis.

    Without `time` it is the index of X if that holds dates or numbers, else the number
    of the row.
    """
    times = row_times(index_time(time, X), n_rows)
    times.check_order()
    label = "time" if times.is_dates else "row"
    if times.stamps.name is not None:
        label = str(times.stamps.name)
    zone = getattr(times.stamps, "tz", None)
    return times, time_label or (label if zone is None else f"{label} ({zone})")


@dataclass(frozen=True)
class Timeline:
    """Rows as cells of a number axis, with an empty cell at each gap in time."""

    x: np.ndarray  # (n_cells,) positions of rows and gaps
    edges: np.ndarray  # (n_cells + 1,) ends of the cells
    is_row: np.ndarray  # (n_cells,) bool: a row, not a gap
    zone: Any  # time zone of dates
    is_dates: bool
    label: str

    @classmethod
    def of(cls, times: RowTimes, label: str = "") -> "Timeline":
        """Place the rows."""
        x, zone = times.numbers, getattr(times.stamps, "tz", None)
        if times.is_dates:
            from matplotlib.dates import date2num

            stamps = times.stamps if zone is None else times.stamps.tz_convert("UTC")
            x = np.asarray(date2num(stamps.to_numpy("datetime64[ns]")), dtype=float)
        steps = np.diff(x)
        forward = steps[steps > 0]
        median_step = float(np.median(forward)) if len(forward) else 1.0
        jumps = np.flatnonzero(steps > GAP_STEPS * median_step)
        middles = (x[:-1] + x[1:]) / 2
        # edges are half a median step from the rows at a gap, else midway between rows
        inner = np.delete(middles, jumps)
        ends = np.concatenate(
            [x[jumps] + median_step / 2, x[jumps + 1] - median_step / 2]
        )
        first, last = x[0] - median_step / 2, x[-1] + median_step / 2
        edges = np.sort(np.concatenate([[first], inner, ends, [last]]))
        return cls(
            np.insert(x, jumps + 1, middles[jumps]),
            edges,
            np.insert(np.ones(len(x), dtype=bool), jumps + 1, False),
            zone,
            times.is_dates,
            label,
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return the values of rows as values of cells, NaN in gaps."""
        spread = np.full((len(self.x), *values.shape[1:]), np.nan)
        spread[self.is_row] = values
        return spread

    def mark(self, ax: Any, values: np.ndarray, rows: np.ndarray, **style: Any) -> Any:
        """Draw the values of some rows, (n_rows,) bool, as points."""
        x = self.x[self.is_row][rows]
        (marks,) = ax.plot(x, values[rows], linestyle="none", marker="o", **style)
        return marks

    def spans(self, marked: np.ndarray) -> list[tuple[float, float]]:
        """Return the ends of the runs of marked rows, (n_rows,) bool."""
        cells = np.zeros(len(self.x) + 2, dtype=np.int8)
        cells[1:-1][self.is_row] = marked
        change = np.diff(cells)
        starts, stops = self.edges[change == 1], self.edges[change == -1]
        return list(zip(starts.tolist(), stops.tolist(), strict=True))

    def blocks(
        self, values: np.ndarray, max_blocks: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Return edges and values of about `max_blocks` blocks, and rows per block.

        The value of a block is, per column, its value of largest magnitude. No block
        spans a gap.
        """
        cells = self.spread(values)
        n_joined = -(-len(values) // max_blocks)
        position = np.arange(len(cells))
        is_gap = ~self.is_row
        # the first row of a run of rows, or a gap
        is_first = is_gap | np.concatenate([[True], is_gap[:-1]])
        run_start = np.maximum.accumulate(np.where(is_first, position, 0))
        starts = position[(position - run_start) % n_joined == 0]
        high = np.fmax.reduceat(cells, starts, axis=0)
        low = np.fmin.reduceat(cells, starts, axis=0)
        edges = np.append(self.edges[starts], self.edges[-1])
        return edges, np.where(-low > high, low, high), n_joined

    def finish(self, axes: Any) -> None:
        """Set limits and labels of the time axis; only the lowest panel has ticks."""
        for ax in axes:
            ax.set_xlim(self.edges[0], self.edges[-1])
            if self.is_dates:
                from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

                ax.xaxis_date(self.zone)
                locator = AutoDateLocator(tz=self.zone)
                formatter = ConciseDateFormatter(locator, tz=self.zone)
                ax.xaxis.set(major_locator=locator, major_formatter=formatter)
        for ax in axes[:-1]:
            ax.tick_params(labelbottom=False)
            ax.xaxis.offsetText.set_visible(False)
        axes[-1].set_xlabel(self.label)


def timeline_of(display: Any, n_rows: int) -> Timeline:
    """Return the timeline of a display with `time` and `time_label`."""
    return Timeline.of(*read_time(display.time, None, n_rows, display.time_label))
