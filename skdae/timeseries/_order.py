"""Whether the rows of a table are in time order, and how many independent ones it has.

One rule for every estimator; the denoiser adds to it. It reads each column by itself,
in short runs of neighbouring values: a single correlation over all columns does not
notice nine slow columns among twenty, and one over all rows takes a sorted table for a
record.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.stats import binom, norm

from skdae._sklearn_compat import safe_indexing
from skdae._table.frames import as_table, is_dataframe
from skdae.timeseries._groups import group_starts
from skdae.timeseries._neighbours import TimeAxis, time_axis
from skdae.timeseries._time import check_index

# Known values of a run. Short runs suffice for processes that forget in a few rows, and
# few rows hold enough of them; in long ones a slow process (AR 0.99) shows under white
# noise of its own size. Classes that stand in blocks of four times the longest run do
# not show.
RUN_LENGTHS = (8, 16, 32, 64)
MIN_LENGTH = 4  # of a tenth of fewer than 80 values, where few rows are tested
MIN_RUNS = 10  # of one length, for a column to be tested
MIN_SHARE = 0.6  # of the runs correlate positively, at CONFIDENCE
CONFIDENCE = 0.99
ALPHA = 0.01  # false positives among tables of random row order, Bonferroni
MAX_SAME_SIGN = 0.95  # of the steps of a column; above it is sorted, or a counter
MAX_VALUES = 20_000  # of a column that are looked at, in runs spread over all
MAX_FFT_CELLS = 1_000_000  # transformed at once: 32 MB


@dataclass(frozen=True)
class TimeOrder:
    """What `time_order` found.

    Attributes
    ----------
    is_ordered : bool
        Whether some column depends on its values in the rows around.
    is_slow : ndarray of bool of shape (n_features,)
        The columns that do.
    is_monotonic : ndarray of bool of shape (n_features,)
        Columns that nearly only rise or fall from row to row (row numbers, time
        stamps, counters, the key of a sorted table), which are no evidence.
    correlation : ndarray of float64 of shape (n_features,)
        Lag-1 correlation within runs of neighbouring values: the median over the runs,
        corrected for its expectation in random order. NaN for constant columns and
        those with too few values.
    p_value : ndarray of float64 of shape (n_features,)
        Of the correlation in random order, corrected for the run lengths; 1 where
        there is no correlation.
    n_effective : ndarray of float64 of shape (n_features,)
        Effective number of independent rows, see `effective_sample_size`.
    """

    is_ordered: bool
    is_slow: NDArray[np.bool_]
    is_monotonic: NDArray[np.bool_]
    correlation: NDArray[np.float64]
    p_value: NDArray[np.float64]
    n_effective: NDArray[np.float64]


def time_order(
    X: ArrayLike, groups: ArrayLike | None = None, time: ArrayLike | None = None
) -> TimeOrder:
    """Return whether rows are in time order, column by column.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Numbers, NaN where nothing was measured; text by the order in which it first
        appears.
    groups : array-like of shape (n_samples,), default=None
        Group of each row (unit, file, run); rows of two groups are no neighbours.
    time : array-like of shape (n_samples,), default=None
        Time of each row, numbers or dates, to sort the rows by. None: as they stand.

    Returns
    -------
    TimeOrder
        The decision, and by column what it rests on.

    Notes
    -----
    The known values of a column are cut into runs of 8, 16, 32 and 64 neighbours. Each
    run has its lag-1 correlation around its own mean, which in random order is
    -1 / length on average. A column is slow where clearly more than the half of its
    runs are above that (60 %, at 99 % confidence), and their mean is so significantly:
    a normal test with the spread over all orders of the values within the runs, at 1 %
    over all columns and lengths. A column needs 10 runs in which it varies.

    Runs have means of their own so that a sorted table is not taken for a record.
    Within a run its key hardly changes, and what depends on it neither, and classes in
    blocks of 256 rows or more change in few runs only. What still looks like a record
    is a table sorted by a column that determines others without noise, and one in
    which labels stand in shorter blocks. A table of counters alone, and a slow drift
    under noise that a run of 64 values does not show, are not noticed.

    Of long columns runs of 20,000 values in all are looked at.

    References
    ----------
    .. [1] C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7(4),
       1992.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.timeseries import time_order
    >>> noise = np.random.default_rng(0).normal(size=(500, 2))
    >>> X = np.column_stack([noise[:, 0].cumsum(), noise[:, 1]])
    >>> time_order(X).is_slow.tolist()
    [True, False]
    >>> time_order(np.random.default_rng(1).permutation(X)).is_ordered
    False
    """
    cells = _cells(X)
    axis = time_axis(len(cells), groups, time)
    return _order(cells[axis.rows], axis)


def _order(cells: np.ndarray, axis: TimeAxis, few_rows: bool = False) -> TimeOrder:
    """Return what is found in rows in the order of an axis.

    `few_rows`: fewer than 80 values are cut into runs of a tenth of them.
    """
    found = [_column_order(column, axis, few_rows) for column in cells.T]
    correlation = np.array([each.correlation for each in found])
    p_value = np.array([each.p_value for each in found])
    is_monotonic = np.array([each.is_monotonic for each in found], dtype=bool)
    n_tested = max(1, int((~np.isnan(correlation) & ~is_monotonic).sum()))
    is_slow = p_value * n_tested < ALPHA
    return TimeOrder(
        is_ordered=bool(is_slow.any()),
        is_slow=is_slow,
        is_monotonic=is_monotonic,
        correlation=correlation,
        p_value=p_value,
        n_effective=_effective(cells, axis),
    )


def numeric_order(
    raw: np.ndarray,
    is_categorical: np.ndarray,
    groups: ArrayLike | None = None,
    *,
    few_rows: bool = False,
) -> TimeOrder:
    """Return whether rows are in time order by their numeric columns.

    The rule of every estimator, to which the denoiser adds dates, means of blocks and
    `few_rows`, from 40 on: classes that stand in blocks are no evidence. `raw` is
    (n_samples, n_features). A table of categories alone is tested by these.
    """
    numbers = raw if is_categorical.all() else raw[:, ~is_categorical]
    axis = time_axis(len(numbers), groups)
    return _order(numbers[axis.rows].astype(np.float64), axis, few_rows)


def effective_sample_size(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    time: ArrayLike | None = None,
) -> Any:
    """Return how many independent values have a mean as uncertain as these.

    n / (1 + 2 Σ ρ_k) for n known values, with the autocorrelations ρ_k at a distance of
    k rows summed in pairs until a pair is no longer positive (Geyer 1992).

    Parameters
    ----------
    values : array-like of shape (n_samples,) or (n_samples, n_features)
        Scores or columns in time order, NaN where there is none.
    groups : array-like of shape (n_samples,), default=None
        Group of each row; no pair is made across groups.
    time : array-like of shape (n_samples,), default=None
        Time of each row, to sort the rows by.

    Returns
    -------
    float or ndarray of float64 of shape (n_features,)
        Between 1 and n; n for a constant column and 0 without a value.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.timeseries import effective_sample_size
    >>> x = np.repeat(np.random.default_rng(0).normal(size=100), 10)
    >>> bool(50 < effective_sample_size(x) < 200)
    True
    """
    cells = np.asarray(as_table(values), dtype=np.float64)
    table = cells[:, None] if cells.ndim == 1 else cells
    if time is None:
        check_index(values, groups, "values")
    axis = time_axis(len(table), groups, time)
    effective = _effective(table[axis.rows], axis)
    return float(effective[0]) if cells.ndim == 1 else effective


def _cells(X: Any) -> np.ndarray:
    """Return a table as float64; text and categories by first appearance."""
    import pandas

    X = as_table(X)
    if not is_dataframe(X):
        X = np.asarray(X)
        if X.ndim != 2:
            raise ValueError(
                f"X has {X.ndim} dimensions and must have 2; pass a table, one row for "
                "each point in time."
            )
        if X.dtype.kind in "biuf":
            return X.astype(np.float64)
        X = pandas.DataFrame(X)
    columns = (safe_indexing(X, j, axis=1) for j in range(X.shape[1]))
    return np.column_stack([numbers_or_codes(column)[0] for column in columns])


def numbers_or_codes(column: Any) -> tuple[np.ndarray, bool]:
    """Return a column as float64, NaN where missing, and whether it holds numbers.

    Others are numbered by first appearance.
    """
    import pandas

    series = pandas.Series(column if hasattr(column, "iloc") else np.asarray(column))
    if pandas.api.types.is_numeric_dtype(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), True
    codes, _ = pandas.factorize(series)
    return np.where(codes < 0, np.nan, codes), False


# --- one column ----------------------------------------------------------------------


@dataclass(frozen=True)
class _ColumnOrder:
    """What the runs of one column show."""

    correlation: float = np.nan
    p_value: float = 1.0
    is_monotonic: bool = False


def _column_order(column: np.ndarray, axis: TimeAxis, few_rows: bool) -> _ColumnOrder:
    """Return whether a column, in the order of its axis, depends on the rows around."""
    known = ~np.isnan(column)
    values = _unit_range(column[known])
    start = group_starts(axis.first[known])
    lengths: tuple[int, ...] = RUN_LENGTHS
    if few_rows and len(values) < MIN_RUNS * RUN_LENGTHS[0]:
        lengths = (max(MIN_LENGTH, len(values) // MIN_RUNS),)
    runs = [_runs(values, start, length) for length in lengths]
    tests = [_run_test(each) for each in runs]
    best = min(tests, key=lambda test: test.p_value)
    if _is_monotonic(runs[0]):
        return replace(best, p_value=1.0, is_monotonic=True)
    return replace(best, p_value=min(1.0, best.p_value * len(runs)))


def _runs(values: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
    """Return runs of values of a group, (n_runs, length), evenly spread where many.

    `start` is for each value where its group begins.
    """
    place = np.arange(len(values))
    is_whole = np.zeros(len(values), dtype=bool)
    n_begin = max(0, len(values) - length + 1)
    is_whole[:n_begin] = start[:n_begin] == start[len(values) - n_begin :]
    begins = np.flatnonzero(is_whole & ((place - start) % length == 0))
    thinned = begins[:: -(-len(begins) * length // MAX_VALUES) or 1]
    return values[thinned[:, None] + np.arange(length)]


def _run_test(runs: np.ndarray) -> _ColumnOrder:
    """Return the lag-1 correlation within runs, and its p-value in random order."""
    length = runs.shape[1]
    deviations = runs - runs.mean(axis=1, keepdims=True)
    size = np.abs(deviations).max(axis=1, initial=0.0)
    varies = runs.max(axis=1, initial=-np.inf) > runs.min(axis=1, initial=np.inf)
    # beside a huge value of another run the squares would be 0
    deviations = deviations[varies] / size[varies, None]
    squares = (deviations**2).sum(axis=1)
    if len(squares) < MIN_RUNS:
        return _ColumnOrder()
    products = (deviations[:, 1:] * deviations[:, :-1]).sum(axis=1)
    correlation = products / squares + 1 / length  # of mean 0 in random order
    typical = float(np.median(correlation))
    n_positive = int((correlation > 0).sum())
    if binom.sf(n_positive - 1, len(correlation), MIN_SHARE) > 1 - CONFIDENCE:
        return _ColumnOrder(typical)
    fourth = (deviations**4).sum(axis=1) / squares**2
    spread = np.sqrt(_variance(fourth, length).sum()) / len(squares)
    return _ColumnOrder(typical, float(norm.sf(correlation.mean() / spread)))


def _variance(fourth: np.ndarray, n: int) -> np.ndarray:
    """Return the variance of the lag-1 correlation over all orders of n values.

    `fourth` is the sum of the fourth powers of their deviations over the square of
    their sum of squares. Products of two pairs of neighbours share both values, one
    (2 (n - 2) of them) or none; the mean of each kind follows from the deviations
    summing to 0.
    """
    both = (1 - fourth) / (n * (n - 1))
    one = (2 * fourth - 1) / (n * (n - 1) * (n - 2))
    none = 3 * (1 - 2 * fourth) / (n * (n - 1) * (n - 2) * (n - 3))
    n_one = 2 * (n - 2)
    n_none = (n - 1) ** 2 - (n - 1) - n_one
    return (n - 1) * both + n_one * one + n_none * none - 1 / n**2


def _is_monotonic(runs: np.ndarray) -> bool:
    """Return whether nearly all steps of a column have the same sign."""
    steps = np.diff(runs, axis=1)
    n_up, n_down = int((steps > 0).sum()), int((steps < 0).sum())
    return max(n_up, n_down) > MAX_SAME_SIGN * (n_up + n_down)


def _unit_range(values: np.ndarray) -> np.ndarray:
    """Return values between -1 and 1, so that their powers stay finite."""
    size = np.abs(values).max(initial=0.0)
    return values / size if size > 0 else values


# --- effective number of rows --------------------------------------------------------


def _effective(cells: np.ndarray, axis: TimeAxis) -> np.ndarray:
    """Return the effective number of rows by column, in the order of the axis."""
    size = max(1, MAX_FFT_CELLS // len(cells))
    parts = range(0, cells.shape[1], size)
    return np.concatenate(
        [_effective_part(cells[:, j : j + size], axis) for j in parts]
    )


def _effective_part(cells: np.ndarray, axis: TimeAxis) -> np.ndarray:
    known = ~np.isnan(cells.T)  # (n_features, n), as below
    n_known = known.sum(axis=1)
    columns = np.array([_centred(column) for column in cells.T])
    ends = np.append(np.flatnonzero(np.diff(axis.first)), len(axis) - 1)
    products = np.zeros((len(columns), 1 + int((ends - axis.first[ends]).max())))
    for begin, end in zip(axis.first[ends], ends + 1, strict=True):
        products[:, : end - begin] += _lagged_products(columns[:, begin:end])
    # gaps count as 0: the fewer pairs are known at a distance, the less they share
    rho = products / np.where(products[:, :1] > 0, products[:, :1], 1)
    return np.clip(n_known / _correlation_time(rho), np.minimum(n_known, 1), n_known)


def _centred(column: np.ndarray) -> np.ndarray:
    """Return deviations from the mean; 0 where missing, and in a constant column."""
    known = ~np.isnan(column)
    values = _unit_range(column[known])
    deviations = np.zeros(len(column))
    if len(values) and values.max() > values.min():
        deviations[known] = values - values.mean()
    return deviations


def _lagged_products(columns: np.ndarray) -> np.ndarray:
    """Return Σ x_i x_{i+k} for each k, (n_features, n)."""
    n_rows = columns.shape[1]
    size = next_fast_len(2 * n_rows, real=True)
    spectrum = rfft(columns, size, axis=1)
    return irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1)[:, :n_rows]


def _correlation_time(rho: np.ndarray) -> np.ndarray:
    """Return 1 + 2 Σ ρ_k by row of autocorrelations, in pairs while they are positive.

    A pair is of an even distance and the next: the sums fall and stay above 0 in a
    reversible chain, so that one of 0 or less is noise (Geyer 1992).
    """
    if rho.shape[1] % 2:
        rho = np.pad(rho, ((0, 0), (0, 1)))
    pairs = rho[:, ::2] + rho[:, 1::2]
    pairs[(pairs <= 0).cumsum(axis=1) > 0] = 0
    return np.maximum(2 * pairs.sum(axis=1) - 1, 1)
