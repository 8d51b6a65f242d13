"""Known values before and after each cell, and what is made of them column by column.

Imputation, denoising, lags and the baselines of a proof of concept share these
functions. Each one takes rows in time order, NaN where nothing was measured, and treats
the rows of a group (unit, file, run) as a record of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from skdae._table.frames import as_table
from skdae.timeseries._groups import group_codes, group_starts
from skdae.timeseries._time import check_index, row_times


@dataclass(frozen=True)
class TimeAxis:
    """The rows of a table group by group, each in time order.

    A place is a position in this order; all arrays are indexed by place.
    """

    rows: np.ndarray  # (n,) the row of the table at each place
    first: np.ndarray  # (n,) place of the first row of the group
    last: np.ndarray  # (n,) place of the last row of the group
    time: np.ndarray  # (n,) float64: time stamps, or the places themselves

    def __len__(self) -> int:
        return len(self.rows)

    def to_rows(self, values: np.ndarray) -> np.ndarray:
        """Return values by place as values by row of the table."""
        by_row = np.empty_like(values)
        by_row[self.rows] = values
        return by_row


@dataclass(frozen=True)
class Neighbours:
    """Places of the known cells before and after each cell, -1 where there is none."""

    before: np.ndarray  # (n, n_features)
    after: np.ndarray  # (n, n_features)

    def values(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the values at these places of X, (n, n_features); NaN where none."""
        return taken(X, self.before), taken(X, self.after)

    def distances(self, axis: TimeAxis) -> tuple[np.ndarray, np.ndarray]:
        """Return the time from and to these places, infinite where there is none."""
        back = axis.time[:, None] - axis.time[self.before]
        ahead = axis.time[self.after] - axis.time[:, None]
        back[self.before < 0] = np.inf
        ahead[self.after < 0] = np.inf
        return back, ahead


def time_axis(n_rows: int, groups: Any = None, time: Any = None) -> TimeAxis:
    """Return the rows in time order within their groups.

    Without time stamps they are taken to be in this order already.
    """
    codes = group_codes(groups, n_rows)
    times = row_times(time, n_rows)
    rows = np.lexsort((times.numbers, codes))  # stable where times are equal
    times.check_order(rows, codes)
    first = group_starts(codes[rows])
    last = n_rows - 1 - group_starts(codes[rows][::-1])[::-1]
    stamps = np.arange(n_rows) if time is None else times.numbers[rows]
    return TimeAxis(rows, first, last, stamps.astype(np.float64))


def find_neighbours(
    known: np.ndarray,
    axis: TimeAxis,
    back: np.ndarray | int = 1,
    ahead: np.ndarray | int = 1,
) -> Neighbours:
    """Return the last known place at least `back` rows before a cell, and the next one.

    `known`, (n, n_features) bool, is in the order of the axis. Distances of 1 leave
    out the cell itself alone, and 0 nothing; larger ones read a cell as if it were
    inside a gap.
    """
    n_rows = len(axis)
    place = np.arange(n_rows)[:, None]
    columns = np.arange(known.shape[1])
    last = np.maximum.accumulate(np.where(known, place, -1), axis=0)
    following = np.where(known, place, n_rows)[::-1]
    following = np.minimum.accumulate(following, axis=0)[::-1]
    start, stop = place - back, place + ahead
    before = last[np.maximum(start, 0), columns]
    after = following[np.minimum(stop, n_rows - 1), columns]
    before[(start < 0) | (before < axis.first[:, None])] = -1
    after[(stop >= n_rows) | (after > axis.last[:, None])] = -1
    return Neighbours(before, after)


def interpolated(X: np.ndarray, axis: TimeAxis, neighbours: Neighbours) -> np.ndarray:
    """Return the line between the neighbours at each cell, (n, n_features).

    With a neighbour on one side alone it is its value, without any NaN.
    """
    low, high = neighbours.values(X)
    back, ahead = neighbours.distances(axis)
    span = back + ahead
    inside = np.isfinite(span)
    share = np.where(np.isfinite(back), 0.0, 1.0)  # of the value after
    share[inside] = 0.5  # between two values of the same time
    np.divide(back, span, out=share, where=inside & (span > 0))
    line = low + share * (high - low)
    return np.where(share == 0, low, np.where(share == 1, high, line))


def cells_in_order(X: Any, groups: Any, time: Any) -> tuple[np.ndarray, TimeAxis]:
    """Return a checked table in the order of its axis, float64, and the axis."""
    cells = check_array(
        as_table(X), dtype=np.float64, ensure_all_finite="allow-nan", input_name="X"
    )
    if time is None:
        check_index(X, groups)
    axis = time_axis(len(cells), groups, time)
    return cells[axis.rows], axis


# --- public functions ----------------------------------------------------------------


def interpolate(
    X: ArrayLike, groups: ArrayLike | None = None, time: ArrayLike | None = None
) -> NDArray[np.floating]:
    """Return the table with missing cells interpolated linearly in time.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers, NaN where nothing was measured.
    groups : array-like of shape (n_samples,), default=None
        Group of each row (unit, file, run); nothing is read across groups.
    time : array-like of shape (n_samples,), default=None
        Time of each row, numbers or dates. None: the rows are in time order and
        equally far apart.

    Returns
    -------
    ndarray of float64 of shape (n_samples, n_features)
        Before the first and after the last known value of a group there is that value;
        a column without any in a group stays NaN there.

    Examples
    --------
    >>> from skdae.timeseries import interpolate
    >>> nan = float("nan")
    >>> interpolate([[nan], [1], [nan], [nan], [4], [nan]]).ravel().tolist()
    [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    """
    cells, axis = cells_in_order(X, groups, time)
    known = ~np.isnan(cells)
    lines = interpolated(cells, axis, find_neighbours(known, axis))
    return axis.to_rows(np.where(known, cells, lines))


def last_known_value(
    X: ArrayLike, groups: ArrayLike | None = None, time: ArrayLike | None = None
) -> NDArray[np.floating]:
    """Return the table with missing cells replaced by the last known value.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers, NaN where nothing was measured.
    groups : array-like of shape (n_samples,), default=None
        As in `interpolate`.
    time : array-like of shape (n_samples,), default=None
        As in `interpolate`.

    Returns
    -------
    ndarray of float64 of shape (n_samples, n_features)
        NaN before the first known value of a group: nothing of the future is used.

    Examples
    --------
    >>> from skdae.timeseries import last_known_value
    >>> nan = float("nan")
    >>> last_known_value([[nan], [1], [nan], [nan], [4], [nan]]).ravel().tolist()
    [nan, 1.0, 1.0, 1.0, 4.0, 4.0]
    """
    import pandas

    cells, axis = cells_in_order(X, groups, time)
    return axis.to_rows(pandas.DataFrame(cells).groupby(axis.first).ffill().to_numpy())


def moving_average(
    X: ArrayLike,
    width: int,
    groups: ArrayLike | None = None,
    *,
    causal: bool = False,
) -> NDArray[np.floating]:
    """Return the mean of the known values around each cell, the cell included.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers in time order, NaN where nothing was measured.
    width : int
        Rows of a window. They are centred on the row, for which `width` must be odd,
        or end at it with `causal`. At the ends of a group a window is cut off.
    groups : array-like of shape (n_samples,), default=None
        As in `interpolate`.
    causal : bool, default=False
        Whether a window ends at its row, so that nothing of the future is used.

    Returns
    -------
    ndarray of float64 of shape (n_samples, n_features)
        NaN where no value of the window is known.

    Examples
    --------
    >>> from skdae.timeseries import moving_average
    >>> moving_average([[0], [3], [float("nan")], [5]], 3).ravel().tolist()
    [1.5, 1.5, 4.0, 5.0]
    """
    return _over_windows("mean", X, width, groups, causal)


def moving_median(
    X: ArrayLike,
    width: int,
    groups: ArrayLike | None = None,
    *,
    causal: bool = False,
) -> NDArray[np.floating]:
    """Return the median of the known values around each cell, the cell included.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers in time order, NaN where nothing was measured.
    width : int
        As in `moving_average`.
    groups : array-like of shape (n_samples,), default=None
        As in `interpolate`.
    causal : bool, default=False
        As in `moving_average`.

    Returns
    -------
    ndarray of float64 of shape (n_samples, n_features)
        NaN where no value of the window is known.

    Examples
    --------
    >>> from skdae.timeseries import moving_median
    >>> moving_median([[0], [3], [9], [5]], 3).ravel().tolist()
    [1.5, 3.0, 5.0, 7.0]
    """
    return _over_windows("median", X, width, groups, causal)


# --- parts ---------------------------------------------------------------------------


def taken(X: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the value of each column at a place, NaN at -1."""
    values = np.take_along_axis(X, np.maximum(places, 0), axis=0)
    values[places < 0] = np.nan
    return values


def _over_windows(
    statistic: str, X: Any, width: Any, groups: Any, causal: bool
) -> np.ndarray:
    """Return the mean or median of the known values in the window of each row."""
    import pandas
    from pandas.api.indexers import BaseIndexer

    class Windows(BaseIndexer):  # one pass, ten times faster than group by group
        def get_window_bounds(
            self, num_values=0, min_periods=None, center=None, closed=None, step=None
        ):
            return self.start, self.stop

    if width < 1 or width != int(width):
        raise ValueError(f"width={width!r} must be a whole number of rows, 1 or more.")
    if not causal and width % 2 == 0:
        raise ValueError(
            f"width={width!r} must be odd so that a window has a middle row; add or "
            "take off one row, or set causal=True."
        )
    cells, axis = cells_in_order(X, groups, None)
    places, ahead = np.arange(len(axis)), 0 if causal else int(width) // 2
    start = np.maximum(places + ahead + 1 - int(width), axis.first)
    stop = np.minimum(places + ahead, axis.last) + 1
    windows = pandas.DataFrame(cells).rolling(
        Windows(start=start, stop=stop), min_periods=1
    )
    return axis.to_rows(getattr(windows, statistic)().to_numpy())
