"""Rows along a time axis: where they stand, where time jumps, and cells between them.

Times come as an index, an array of dates or of numbers, or not at all; then rows are
counted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

GAP_STEPS = 20  # median steps of time without a row from where a line is broken


def read_time(
    time: Any, X: Any, n_rows: int, time_label: str | None = None
) -> tuple[np.ndarray, str]:
    """Return the time of each row and what to call it.

    Numbers, datetime64, or objects of datetime with a time zone. Without `time` it is
    the index of X where that holds dates or numbers, else the number of the row.
    """
    if time is None and hasattr(X, "iloc"):
        index = X.index
        usable = not hasattr(index, "levels") and str(index.dtype).lower().startswith(
            ("datetime", "int", "uint", "float")
        )
        time = index if usable else None
    if time is None:
        return np.arange(n_rows), time_label or "row"
    zone = getattr(time, "tz", None) or getattr(getattr(time, "dt", None), "tz", None)
    name = getattr(time, "name", None)
    values = np.asarray(time, dtype=object if zone is not None else None)
    if values.dtype == object:
        values = _plain(values)
    if values.shape != (n_rows,):
        raise ValueError(
            f"time has the shape {values.shape} and must hold one value for each of "
            f"the {n_rows} rows."
        )
    if values.dtype.kind not in "iufMO":
        raise ValueError(
            f"time holds values of type {values.dtype} and must hold numbers or dates; "
            "convert them with pandas.to_datetime."
        )
    _check_order(values)
    dates = values.dtype.kind in "MO"
    label = str(name) if name is not None else ("time" if dates else "row")
    if zone is not None:
        label = f"{label} ({zone})"
    return values, time_label or label


def _plain(values: np.ndarray) -> np.ndarray:
    """Return dates without a time zone as datetime64, and numbers as floats."""
    if all(getattr(value, "tzinfo", None) is not None for value in values.ravel()):
        return values
    for dtype in ("datetime64[ns]", float):
        try:
            return values.astype(dtype)
        except (TypeError, ValueError):
            continue
    raise ValueError(
        "time must hold numbers or dates, all of them with a time zone or none, and "
        f"holds {values.ravel()[0]!r}; convert them with pandas.to_datetime."
    )


def _check_order(values: np.ndarray) -> None:
    """No value is missing, and none lies before the one above it."""
    unknown = (
        np.isnat(values)
        if values.dtype.kind == "M"
        else np.array([value != value for value in values])
    )
    if unknown.any():
        raise ValueError(
            f"time is missing in {int(unknown.sum())} rows (first in row "
            f"{int(unknown.argmax())}); drop these rows."
        )
    back = np.flatnonzero(values[1:] < values[:-1])
    if len(back):
        raise ValueError(
            f"time must not decrease, and does after row {int(back[0])}; sort the rows "
            "(X.sort_index()), or pass time=range(len(X)) to count them."
        )


@dataclass(frozen=True)
class Timeline:
    """Rows on a number axis; a cell without a row stands where time jumps."""

    x: np.ndarray  # (n_cells,) positions of rows and gaps
    edges: np.ndarray  # (n_cells + 1,) ends of the cells
    rows: np.ndarray  # (n_cells,) bool: a row, not a gap
    zone: Any  # time zone of dates
    dates: bool

    @classmethod
    def of(cls, time: np.ndarray) -> "Timeline":
        """Place the rows."""
        dates = time.dtype.kind in "MO"
        if dates:
            from matplotlib.dates import date2num

            zone = getattr(time[0], "tzinfo", None)
            x = np.asarray(date2num(time), dtype=float)
        else:
            zone, x = None, time.astype(float)
        steps = np.diff(x)
        forward = steps[steps > 0]
        usual = float(np.median(forward)) if len(forward) else 1.0
        jumps = np.flatnonzero(steps > GAP_STEPS * usual)
        middles = (x[:-1] + x[1:]) / 2
        # a jump has two edges, half a usual step from its rows, and else the middle
        inner = np.delete(middles, jumps)
        ends = np.concatenate([x[jumps] + usual / 2, x[jumps + 1] - usual / 2])
        first, last = x[0] - usual / 2, x[-1] + usual / 2
        edges = np.sort(np.concatenate([[first], inner, ends, [last]]))
        return cls(
            np.insert(x, jumps + 1, middles[jumps]),
            edges,
            np.insert(np.ones(len(x), dtype=bool), jumps + 1, False),
            zone,
            dates,
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the rows as values of the cells, NaN in the gaps."""
        spread = np.full((len(self.x), *values.shape[1:]), np.nan)
        spread[self.rows] = values
        return spread

    def spans(self, marked: np.ndarray) -> list[tuple[float, float]]:
        """Ends of the runs of marked rows, (n_rows,) bool."""
        cells = np.zeros(len(self.x) + 2, dtype=np.int8)
        cells[1:-1][self.rows] = marked
        change = np.diff(cells)
        starts, stops = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
        return [
            (float(self.edges[start]), float(self.edges[stop]))
            for start, stop in zip(starts, stops, strict=True)
        ]

    def blocks(
        self, values: np.ndarray, n_most: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Edges and values of about `n_most` blocks of cells, and rows in a block.

        A block shows, column by column, its value of the largest size, and holds no
        gap.
        """
        cells = self.spread(values)
        n_joined = -(-len(values) // n_most)
        places = np.arange(len(cells))
        gap = ~self.rows
        first = gap | np.concatenate([[True], gap[:-1]])  # of a run of rows, or a gap
        run_start = np.maximum.accumulate(np.where(first, places, 0))
        starts = places[(places - run_start) % n_joined == 0]
        high = np.fmax.reduceat(cells, starts, axis=0)
        low = np.fmin.reduceat(cells, starts, axis=0)
        edges = np.append(self.edges[starts], self.edges[-1])
        return edges, np.where(-low > high, low, high), n_joined

    def finish(self, axes: np.ndarray, label: str) -> None:
        """Limit and label the time axis of panels; only the lowest shows its ticks."""
        for ax in axes:
            ax.set_xlim(self.edges[0], self.edges[-1])
            if self.dates:
                from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

                ax.xaxis_date(self.zone)
                locator = AutoDateLocator(tz=self.zone)
                ax.xaxis.set_major_locator(locator)
                ax.xaxis.set_major_formatter(
                    ConciseDateFormatter(locator, tz=self.zone)
                )
        for ax in axes[:-1]:
            ax.tick_params(labelbottom=False)
            ax.xaxis.offsetText.set_visible(False)
        axes[-1].set_xlabel(label)
