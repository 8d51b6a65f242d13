"""Windows of neighbouring rows as a table, and back."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skdae._sklearn_compat import (
    Interval,
    StrOptions,
    fit_context,
    output_container,
    validate_params_of,
)
from skdae._table.frames import data_frame, plain_cells
from skdae.timeseries._groups import group_codes, group_starts
from skdae.timeseries._rows import RowsTransformer
from skdae.timeseries._time import check_index


@dataclass(frozen=True)
class Windows:
    """Rows of each window, the oldest first."""

    rows: np.ndarray  # (n_windows, width); the first row of the group before its start
    inside: np.ndarray  # (n_windows, width) bool: False before the start of the group


EDGES = ("repeat", "missing", "drop")  # what stands before the first row of a group


def find_windows(codes: np.ndarray, width: int, step: int, *, whole: bool) -> Windows:
    """Return the windows of each group, in the order of the rows that they end at.

    The first window ends `step` rows into its group, or with `whole` as soon as it is
    full; the others follow every `step` rows, and one ends at the last row of the
    group.
    """
    order = np.argsort(codes, kind="stable")
    first = group_starts(codes[order])
    age = np.arange(len(order)) - first  # number of earlier rows of the group
    is_last = np.append(first[1:] != first[:-1], True)
    ends = (age + 1) % step == 0
    if whole:
        ends = (age >= width - 1) & ((age - (width - 1)) % step == 0)
        is_last &= age >= width - 1
    end = np.flatnonzero(ends | is_last)
    positions = end[:, None] - np.arange(width - 1, -1, -1)
    inside = positions >= first[end, None]
    rows = order[np.maximum(positions, first[end, None])]
    ranks = np.argsort(rows[:, -1])
    return Windows(rows[ranks], inside[ranks])


N_PIECES, PIECE_ROWS = 5, 40  # of a table that are looked at for shifted columns


def holds_windows(X: np.ndarray) -> bool:
    """Return whether rows hold the values of rows before them already.

    At least half of the columns that vary are another column one row later, as in
    windows of two rows or more, in most pieces of the table; (n_rows, n_columns).
    """
    n_rows = min(PIECE_ROWS, len(X) // 2)
    if n_rows < 2:
        return False
    starts = np.linspace(1, len(X) - n_rows, N_PIECES).astype(int)
    return bool(np.median([_is_shifted(X, place, n_rows) for place in starts]))


def _is_shifted(X: np.ndarray, start: int, n_rows: int) -> bool:
    """Return whether half of the columns repeat another one of the row before."""
    now = [column.tobytes() for column in X[start : start + n_rows].T.copy()]
    before = {c.tobytes() for c in X[start - 1 : start + n_rows - 1].T.copy()}
    varies = [len(np.unique(c[~np.isnan(c)])) > 1 for c in X[start : start + n_rows].T]
    copies = [name in before for name, moves in zip(now, varies, strict=True) if moves]
    return bool(copies) and bool(np.mean(copies) >= 0.5)


class SlidingWindow(RowsTransformer):
    """Rows in time order as windows of rows, and back.

    A single row does not show a slow drift or an oscillation; the row and those before
    it do. Each output row holds `width` rows side by side, the oldest first and
    the row itself last, so no later row is used. With `step=1` there is one
    output row per input row, and the window can stand in a pipeline before any
    estimator. No window holds rows of two groups (units, files, runs).

    Parameters
    ----------
    width : int, default=5
        Rows in a window. 1 does not change the table.
    step : int, default=1
        Rows from the end of one window to the end of the next. A group of n rows has
        n / step windows, rounded up: the last one ends at its last row.
    edges : {'repeat', 'missing', 'drop'}, default='repeat'
        Values of a window before the first row of a group: the first row repeated, or
        NaN. 'drop' omits these windows (and with them groups shorter than `width`),
        so that there are fewer output rows than input rows; `end_rows` returns the
        remaining rows.
    group_column : int, str or None, default=None
        Column of X with the group of each row, by index or by name. It reaches
        `transform` through any pipeline or search and is not part of the windows. None:
        `groups` is passed to the methods, in a pipeline by scikit-learn's metadata
        routing (which its ``score_samples`` lacks), or all rows are one group.

    Attributes
    ----------
    group_column_ : int or None
        Index of the group column.
    n_features_in_ : int
        Columns seen in `fit`, the group column included.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    See Also
    --------
    EWMA : Smooths the scores of rows in time.
    StreamScorer : Scores rows as they come.

    Notes
    -----
    Rows of a group must be in time order; groups may be interleaved. The
    output for a row depends on the rows before it in the same call: to continue where a
    table ended, pass its last ``width - 1`` rows again, or use :class:`StreamScorer`.
    This is why the estimator has the tag `non_deterministic` where `width` is above 1:
    with this tag scikit-learn's checks do not shuffle rows or pass them one by one.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.timeseries import SlidingWindow
    >>> X = np.arange(4.0).reshape(-1, 1)
    >>> SlidingWindow(3).fit_transform(X)
    array([[0., 0., 0.],
           [0., 0., 1.],
           [0., 1., 2.],
           [1., 2., 3.]])
    >>> SlidingWindow(2, edges="missing").fit_transform(X, groups=[1, 1, 2, 2])
    array([[nan,  0.],
           [ 0.,  1.],
           [nan,  2.],
           [ 2.,  3.]])
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "step": [Interval(Integral, 1, None, closed="left")],
        "edges": [StrOptions(set(EDGES))],
        "group_column": [Integral, str, None],
    }

    def __init__(self, width=5, *, step=1, edges="repeat", group_column=None):
        self.width = width
        self.step = step
        self.edges = edges
        self.group_column = group_column

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.width != 1
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the columns.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order; NaN where nothing was measured.
        y : None
            Ignored, there for pipelines.

        Returns
        -------
        self : SlidingWindow
            The fitted window.
        """
        self.group_column_ = self._read_first(X).place
        return self

    def fit_transform(self, X, y=None, groups=None):
        """Learn the columns and return the windows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            As in `transform`.

        Returns
        -------
        ndarray or DataFrame of shape (n_windows, width * n_features)
            As in `transform`.
        """
        return self.fit(X, y).transform(X, groups)

    def transform(self, X, groups=None):
        """Return the windows, one row each.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`, in time order.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. In a pipeline it comes by metadata routing, after
            ``set_transform_request(groups=True)``.

        Returns
        -------
        ndarray or DataFrame of shape (n_windows, width * n_features)
            In the dtype of X, in the order of the rows that the windows end at. A
            pandas DataFrame has the index of these rows.

        Raises
        ------
        ValueError
            If no group is as long as a window and `edges='drop'`, or the index of X
            holds dates that decrease.
        """
        cells, windows = self._find(X, groups)
        table = cells[windows.rows]  # (n_windows, width, n_features)
        if self.edges == "missing":
            table[~windows.inside] = np.nan
        table = table.reshape(len(table), -1)
        if output_container(self) == "pandas" and hasattr(X, "iloc"):
            import pandas

            return pandas.DataFrame(table, index=X.index[windows.rows[:, -1]])
        return table

    def end_rows(self, X, groups=None):
        """Return the last row of each window, to select its labels.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`, in time order.
        groups : array-like of shape (n_samples,), default=None
            As in `transform`.

        Returns
        -------
        ndarray of int of shape (n_windows,)
            Indices of rows of X, ascending: ``y[window.end_rows(X)]``.
        """
        return self._find(X, groups)[1].rows[:, -1]

    def inverse_transform(self, X, groups=None):
        """Return the rows of windows; a row in several windows is averaged.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_windows, width * n_features)
            Windows as `transform` returns them, or their reconstruction by a model. NaN
            is left out of an average.
        groups : array-like of shape (n_samples,), default=None
            Group of each of the rows to return; required if there is a `group_column`.
            None is one group, whose length is taken to be a whole number of steps.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            The rows, without the group column; NaN in a row that no window holds. A
            DataFrame when `set_output` asks for one.

        Raises
        ------
        ValueError
            If X does not have the width or the number of windows that belong to
            `groups`, or `groups` is None and there is a `group_column`.
        """
        check_is_fitted(self)
        validate_params_of(self)
        if groups is None and self.group_column_ is not None and self.width > 1:
            raise ValueError(
                f"group_column={self.group_column!r} makes windows of several groups, "
                "and groups is None; pass the group of each row to return."
            )
        names = self._names(None)
        table = check_array(
            plain_cells(X),
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            input_name="X",
        )
        if table.shape[1] != self.width * len(names):
            raise ValueError(
                f"X has {table.shape[1]} columns and must have width * n_features = "
                f"{self.width} * {len(names)}; pass what transform returned."
            )
        n_rows = self._n_rows(len(table)) if groups is None else len(groups)
        windows = self._windows(group_codes(groups, n_rows))
        if len(windows.rows) != len(table):
            raise ValueError(
                f"X has {len(table)} windows, and groups of {n_rows} rows make "
                f"{len(windows.rows)}; pass the groups that transform was given."
            )
        cells = table.reshape(len(table), self.width, -1)
        rows = _overlapped(cells, windows, n_rows).astype(table.dtype, copy=False)
        container = output_container(self)
        if container == "default":
            return rows
        return data_frame(container, names, list(rows.T), None)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of a window.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None takes those seen in `fit`.

        Returns
        -------
        ndarray of str objects of shape (width * n_features,)
            ``<name>_lag<k>`` for the value k rows before.
        """
        names = self._names(input_features)
        lags = range(self.width - 1, -1, -1)
        return np.array([f"{n}_lag{lag}" for lag in lags for n in names], dtype=object)

    def _find(self, X: Any, groups: Any) -> tuple[np.ndarray, Windows]:
        """Return the cells without the group column, and the windows of their rows."""
        cells, groups = self._read(X, groups)
        check_index(X, groups)
        windows = self._windows(group_codes(groups, len(cells)))
        if len(windows.rows) == 0:
            raise ValueError(
                f"width={self.width} must be at most the length of the longest group "
                "with edges='drop'; lower it or set edges='repeat'."
            )
        return cells, windows

    def _windows(self, codes: np.ndarray) -> Windows:
        return find_windows(codes, self.width, self.step, whole=self.edges == "drop")

    def _n_rows(self, n_windows: int) -> int:
        """Return the number of rows of one group with `n_windows` windows."""
        first = self.width if self.edges == "drop" else self.step
        return first + (n_windows - 1) * self.step


def _overlapped(table: np.ndarray, windows: Windows, n_rows: int) -> np.ndarray:
    """Return each row as the mean over its windows, float64; NaN without windows."""
    n_windows, width, n_features = table.shape
    total, count = np.zeros((n_rows, n_features)), np.zeros((n_rows, n_features))
    for k in range(width):  # a row occurs at most once at a position of the windows
        inside = windows.inside[:, k]
        values = table[inside, k]
        has_value = ~np.isnan(values)
        rows = windows.rows[inside, k]
        total[rows] += np.where(has_value, values, 0)
        count[rows] += has_value
    total[count == 0] = np.nan
    return total / np.maximum(count, 1)
