"""Known values of the rows around a cell, as columns beside a table or to impute."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdae._sklearn_compat import Interval, fit_context
from skdae.timeseries._neighbours import (
    TimeAxis,
    cells_in_order,
    find_neighbours,
    interpolated,
    time_axis,
)
from skdae.timeseries._rows import RowsTransformer
from skdae.timeseries._time import check_index

MIN_GAPS = 20  # missing cells of a column, below which it draws from those of all


@dataclass(frozen=True)
class Gaps:
    """How far known cells are from each cell: rows back and ahead, 1 or more.

    Attributes
    ----------
    back : ndarray of int of shape (n_samples, n_features)
        Rows to the known cell before; the number of rows where there is none.
    ahead : ndarray of int of shape (n_samples, n_features)
        Rows to the known cell after.
    """

    back: NDArray[np.intp]
    ahead: NDArray[np.intp]


@dataclass(frozen=True)
class Context:
    """Known values before and after each cell, without the cell itself.

    All are ndarrays of float64 of shape (n_samples, n_features).

    Attributes
    ----------
    last : ndarray
        Value of the last known cell before, NaN where there is none.
    next : ndarray
        Value of the next known cell.
    interpolation : ndarray
        The line between the two at the cell; one of them where the other is missing.
    back : ndarray
        Time since the last known cell, infinite where there is none.
    ahead : ndarray
        Time to the next known cell.
    """

    last: NDArray[np.float64]
    next: NDArray[np.float64]
    interpolation: NDArray[np.float64]
    back: NDArray[np.float64]
    ahead: NDArray[np.float64]


def time_context(
    X: ArrayLike,
    groups: ArrayLike | None = None,
    time: ArrayLike | None = None,
    *,
    gaps: Gaps | None = None,
) -> Context:
    """Return the known values in the rows around each cell.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers, NaN where nothing was measured.
    groups : array-like of shape (n_samples,), default=None
        Group of each row (unit, file, run); nothing is read across groups.
    time : array-like of shape (n_samples,), default=None
        Time of each row, numbers or dates. None: the rows are in time order and
        equally far apart.
    gaps : Gaps, default=None
        How far from each cell to read at least, as `draw_gaps` returns it for
        training. None: the nearest known cells.

    Returns
    -------
    Context
        The neighbours of each cell, known or not, by row of X.

    Examples
    --------
    >>> from skdae.timeseries import time_context
    >>> context = time_context([[1.0], [float("nan")], [5.0], [7.0]])
    >>> context.interpolation.ravel().tolist()
    [5.0, 3.0, 5.0, 5.0]
    """
    cells, axis = cells_in_order(X, groups, time)
    back = ahead = 1
    if gaps is not None:
        back, ahead = gaps.back[axis.rows], gaps.ahead[axis.rows]
    neighbours = find_neighbours(~np.isnan(cells), axis, back, ahead)
    last, following = neighbours.values(cells)
    line = interpolated(cells, axis, neighbours)
    parts = (last, following, line, *neighbours.distances(axis))
    return Context(*(axis.to_rows(part) for part in parts))


def draw_gaps(
    X: ArrayLike,
    generator: np.random.Generator,
    groups: ArrayLike | None = None,
    time: ArrayLike | None = None,
) -> Gaps:
    """Return for each known cell the distances of a missing cell drawn at random.

    A model that is trained on known cells alone would read them next to known
    neighbours, and then be asked about the middle of an outage. With the gaps drawn
    here it is trained on what it will be asked.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers, NaN where nothing was measured.
    generator : numpy.random.Generator
        Source of the draws.
    groups : array-like of shape (n_samples,), default=None
        As in `time_context`.
    time : array-like of shape (n_samples,), default=None
        As in `time_context`.

    Returns
    -------
    Gaps
        Missing cells have distances of 1, which reads their own neighbours. A known
        cell has those of a missing cell of its column, back and ahead of one and the
        same cell; of any column where its own has fewer than 20, and 1 in a table
        without missing cells.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.timeseries import draw_gaps
    >>> X = np.arange(8.0).reshape(-1, 1)
    >>> X[3:5] = np.nan
    >>> gaps = draw_gaps(X, np.random.default_rng(0))
    >>> np.unique(gaps.back + gaps.ahead).tolist()  # 2: the missing cells themselves
    [2, 3]
    """
    cells, axis = cells_in_order(X, groups, time)
    known = ~np.isnan(cells)
    back, ahead = row_distances(known, axis)
    drawn_back, drawn_ahead = np.ones_like(back), np.ones_like(ahead)
    pool = np.flatnonzero(~known)
    for j, is_known in enumerate(known.T):
        own = np.flatnonzero(~is_known) * known.shape[1] + j
        donors = own if len(own) >= MIN_GAPS else pool
        if len(donors):
            chosen = generator.choice(donors, int(is_known.sum()))
            drawn_back[is_known, j] = back.ravel()[chosen]
            drawn_ahead[is_known, j] = ahead.ravel()[chosen]
    return Gaps(axis.to_rows(drawn_back), axis.to_rows(drawn_ahead))


def row_distances(known: np.ndarray, axis: TimeAxis) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows from and to the known cells around; all rows where none."""
    n_rows = len(axis)
    place = np.arange(n_rows)[:, None]
    around = find_neighbours(known, axis)
    back = np.where(around.before < 0, n_rows, place - around.before)
    return back, np.where(around.after < 0, n_rows, around.after - place)


# --- as a transformer ----------------------------------------------------------------

#: suffixes of the columns of the context, the causal ones first
CONTEXTS = ("last", "log_back", "next", "log_ahead", "interpolation")
N_CAUSAL = 2


def _context_columns(
    context: Context, unit: float, horizon: float
) -> dict[str, np.ndarray]:
    """Return the columns of the context; distances as log(1 + steps of time)."""
    back, ahead = context.back / unit, context.ahead / unit
    return {
        "last": context.last,
        "log_back": np.log1p(np.minimum(back, horizon)),
        "next": context.next,
        "log_ahead": np.log1p(np.minimum(ahead, horizon)),
        "interpolation": context.interpolation,
    }


class TimeContext(RowsTransformer):
    """Add the known values of the rows around as further columns.

    A row by itself does not show what a sensor measured shortly before and after. For
    each column there are the last and the next known value without the cell itself,
    the line between them at the cell, and the logarithms of both distances, so that a
    model knows how old these values are. It can stand in a pipeline before any
    estimator that takes missing values.

    Parameters
    ----------
    causal : bool, default=False
        Whether to add the last known value and its distance alone, so that nothing of
        the future is used.
    horizon : float, default=1000
        Distance, in rows or usual steps of time, from which distances are no longer
        distinguished: with it, or without any value on that side, they are log(1 +
        `horizon`).
    group_column : int, str or None, default=None
        Column of X that says which group a row belongs to, by index or by name. It is
        left out of the output. None: `groups` is passed to the methods, or all rows
        are one group.

    Attributes
    ----------
    unit_ : float
        Usual step of time: the median over the rows of `fit`, 1 where no time is given.
    group_column_ : int or None
        Index of the group column.
    n_features_in_ : int
        Columns seen in `fit`, the group column included.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    See Also
    --------
    SlidingWindow : Consecutive rows side by side.
    draw_gaps : Distances at which a model of missing cells should be trained.

    Notes
    -----
    Rows of a group must be in time order unless `time` is given; groups may be
    interleaved. The output for a row depends on the rows around it in the same call:
    new rows must bring their neighbours along. The estimator is therefore tagged as
    not deterministic, so that scikit-learn's checks neither shuffle its rows nor pass
    them one by one.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.timeseries import TimeContext
    >>> X = np.array([[1.0], [np.nan], [5.0]])
    >>> context = TimeContext().set_output(transform="pandas")
    >>> context.fit_transform(X)[["x0", "x0_last", "x0_next", "x0_interpolation"]]
        x0  x0_last  x0_next  x0_interpolation
    0  1.0      NaN      5.0               5.0
    1  NaN      1.0      5.0               3.0
    2  5.0      1.0      NaN               1.0
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "causal": ["boolean"],
        "horizon": [Interval(Real, 1, None, closed="left")],
        "group_column": [Integral, str, None],
    }

    def __init__(self, *, causal=False, horizon=1000, group_column=None):
        self.causal = causal
        self.horizon = horizon
        self.group_column = group_column

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, groups=None, time=None):
        """Learn the columns and the usual step of time.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order; NaN where nothing was measured.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            Group of each row.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates. None: rows are equally far apart.

        Returns
        -------
        self : TimeContext
            The fitted transformer.
        """
        table = self._read_first(X)
        self.group_column_ = table.place
        self.unit_ = 1.0
        if time is not None:
            groups = self._groups(table, groups)
            axis = time_axis(len(table.cells), groups, time)
            steps = np.diff(axis.time)[axis.first[1:] == axis.first[:-1]]
            steps = steps[steps > 0]
            self.unit_ = float(np.median(steps)) if len(steps) else 1.0
        self._has_time = time is not None
        return self

    def fit_transform(self, X, y=None, groups=None, time=None):
        """Learn the columns and return the table with its context.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            As in `transform`.
        time : array-like of shape (n_samples,), default=None
            As in `transform`.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features_out)
            As in `transform`.
        """
        return self.fit(X, y, groups, time).transform(X, groups, time)

    def transform(self, X, groups=None, time=None):
        """Return the table with the context of its cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`, and those around them.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. In a pipeline it comes by metadata routing, after
            ``set_transform_request(groups=True)``.
        time : array-like of shape (n_samples,), default=None
            Time of each row, where `fit` had it.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features_out)
            The columns, then those of the context, kind by kind: ``<name>_last``,
            ``_log_back``, ``_next``, ``_log_ahead``, ``_interpolation``. NaN where no
            value is known on the side that is read.

        Raises
        ------
        ValueError
            If time is given here and not in `fit`, or the other way round; without it,
            if the index of X holds dates that decrease.
        """
        cells, groups = self._read(X, groups)
        if (time is not None) != self._has_time:
            raise ValueError(
                f"time is {'missing' if self._has_time else 'given'} and must be "
                f"{'given' if self._has_time else 'None'} as in fit; distances are "
                "measured in the usual step of time there. Pass it to both or to none."
            )
        if time is None:
            check_index(X, groups)
        context = time_context(cells, groups, time)
        columns = _context_columns(context, self.unit_, self.horizon)
        parts = [columns[kind] for kind in self._kinds()]
        return np.hstack([cells, *parts]).astype(cells.dtype, copy=False)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None takes those seen in `fit`.

        Returns
        -------
        ndarray of str objects of shape (n_features_out,)
            Those of the table, then ``<name>_<kind>``.
        """
        names = self._names(input_features)
        added = [f"{name}_{kind}" for kind in self._kinds() for name in names]
        return np.array([*names, *added], dtype=object)

    def _kinds(self) -> tuple[str, ...]:
        """Return the kinds of columns to add."""
        return CONTEXTS[:N_CAUSAL] if self.causal else CONTEXTS
