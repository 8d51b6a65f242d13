"""Grading of sensors before training: defects of columns and of time stamps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from skdae._sklearn_compat import safe_indexing
from skdae._table.frames import is_dataframe
from skdae.timeseries._order import numbers_or_codes
from skdae.timeseries._time import row_times

if TYPE_CHECKING:
    import pandas

# Limits marked (*) were chosen on 2,000 clean columns: white noise, AR(1) with
# coefficients 0.9 and 0.98, exponential, lognormal, uniform, sinusoids and simulated
# sensors, of 2,000 to 20,000 rows. One of them is reported: a slow sinusoid drifts.

MAX_MISSING = 0.05  # share of cells; few sensors in normal operation miss more
MAX_MISSING_USABLE = 0.5  # share of cells; above, most of a column would be imputed
MAX_REPEAT_RATE = 0.2  # share of values that repeat; above, a repeat means little
MAX_CHANCE = 1e-6  # probability that a run this long occurs by chance
MIN_STUCK_ROWS = 10  # shorter runs occur in hourly averages of real sensors
MAX_RUN_RATIO = 4.0  # (*) longest run over the 99 % quantile of runs, if many repeat
SPIKE_QUANTILES = (0.8, 0.95)  # of jumps; up to 5 % spikes do not change them
SPIKE_MARGIN = 2.0  # (*) times the expected largest jump
SPIKE_MARGIN_LOG = 1.5  # (*) the same on a logarithmic scale
MAX_SPIKE_SHARE = 0.05  # of the values; more jumps of this size belong to a sensor
TAIL_MARGIN = 1.08  # (*) over the ratio of two normal quantiles; exponential: 1.2
MAX_BODY_RATIO = 3.0  # (q95 - q50) / (q75 - q50): normal 2.4, exponential 3.3
MIN_CHANGES = 10  # fewer changes in one direction are steps, not a counter
MIN_ONE_WAY = 0.99  # share of the changes in one direction; a counter may be reset
MIN_LEVELS_PER_STD = 4.0  # below, rounding adds 2 % to the standard deviation
MIN_DUPLICATE_CORRELATION = 0.999  # two sensors with 3 % noise each are below
MODE_GAP = 0.1  # width of the gap between modes, as a share of the central 98 %
MAX_GAP_SHARE = 0.005  # (*) of the rows in the gap; clean columns have 1.4 % or more
MIN_MODE_SHARE = 0.05  # of the rows; fewer are outliers
N_BLOCKS = 20  # of consecutive rows; the first and the last quarter are compared
MIN_DRIFT = 1.0  # standard deviations within blocks
MIN_DRIFT_ERRORS = 6.0  # (*) standard errors; clean columns reach 5.1
MAX_JITTER = 0.1  # spread of the steps of a regular clock, in median steps
MIN_GAP_REGULAR = 1.5  # median steps
MIN_GAP_IRREGULAR = 20.0  # the longest of 10,000 exponential steps is at 13
MIN_ROWS = 50  # fewer rows do not show the course of a sensor
N_SAMPLED = 10_000  # rows, evenly spaced, for quantiles, levels and correlations


@dataclass(frozen=True)
class TimeGrading:
    """Defects of the time stamps.

    Attributes
    ----------
    median_step : float
        Median step between rows, in seconds for dates.
    is_regular : bool
        Whether the middle half of the steps differs by less than 10 %.
    n_gaps : int
        Steps that are too long: above 1.5 median steps of a regular clock, 20 of an
        irregular one.
    longest_gap : float
        The longest of them, 0 without.
    n_duplicates : int
        Rows with the time stamp of another row.
    n_backward : int
        Rows that are earlier than the row above.
    n_missing : int
        Rows without a time stamp.
    """

    median_step: float
    is_regular: bool
    n_gaps: int
    longest_gap: float
    n_duplicates: int
    n_backward: int
    n_missing: int


@dataclass(frozen=True)
class Grading:
    """Verdict on each sensor, and on the time stamps.

    Attributes
    ----------
    sensors : DataFrame
        One row per column of the table, with the columns

        verdict : str
            'keep', 'check' (look at it before training) or 'drop'.
        defects : tuple of str
            Names of the defects found, see :func:`grade`.
        reason : str
            The defects in words.
        missing_share, longest_run, n_spikes, n_levels, n_modes, drift : float
            What was measured; NaN where it does not apply.
        duplicate_of : str
            The first column that it duplicates, empty for none.
    time : TimeGrading or None
        Defects of the time stamps; None without `time`.
    n_rows : int
        Number of rows.
    """

    sensors: "pandas.DataFrame"
    time: TimeGrading | None
    n_rows: int


def grade(X, time=None) -> Grading:
    """Return which sensors of a table are fit for training, and why others are not.

    ===========  =======  ===========================================================
    defect       verdict  found where
    ===========  =======  ===========================================================
    missing      check    more than 5 % of the cells are missing; 'drop' above 50 %
    constant     drop     all values are the same, or there is none
    duplicate    drop     the correlation with an earlier column is 0.999 or more
    stuck        check    a run of equal values is too long to be chance
    spikes       check    single values jump away and back, farther than others
    monotonic    check    99 % of the changes have one direction: a counter
    drift        check    the last quarter lies elsewhere than the first
    quantised    keep     the resolution is coarser than a quarter of the spread
    modes        keep     the values lie in groups: operating modes
    ===========  =======  ===========================================================

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows in time order. Of columns without numbers only 'missing' and 'constant'
        are examined. Infinite cells count as missing.
    time : array-like of shape (n_samples,), default=None
        Time of each row, dates or numbers. Rows are sorted by it first.

    Returns
    -------
    Grading
        ``sensors``, a DataFrame with a verdict and a reason for each column, and
        ``time``, the defects of the time stamps.

    Raises
    ------
    ValueError
        If X is not a table of two dimensions, or `time` does not fit it.

    Notes
    -----
    'stuck', 'spikes', 'monotonic' and 'drift' need rows in time order and at least 50
    values. A drift is compared with the standard error of block means, so that slow
    processes are not reported; neither is a sensor whose quarters differ by less than
    its standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> import skdae
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> X[:, 1] = 5.0
    >>> X[300:350, 2] = X[300, 2]
    >>> skdae.grade(X).sensors[["verdict", "reason"]]
       verdict                                reason
    x0    keep
    x1    drop                              constant
    x2   check  stuck: the same value for 50 rows
    """
    import pandas

    columns = list(_columns(X))
    n_rows = len(columns[0].values) if columns else 0
    time_grading = None
    if time is not None:
        numbers = row_times(time, n_rows).numbers
        time_grading = _grade_time(numbers)
        order = np.argsort(numbers, kind="stable")
        if (np.diff(order) < 0).any():
            columns = [replace(each, values=each.values[order]) for each in columns]
    duplicates = _duplicates(columns)
    records = [_record(*pair) for pair in zip(columns, duplicates, strict=True)]
    sensors = pandas.DataFrame(records, index=[column.name for column in columns])
    return Grading(sensors, time_grading, n_rows)


@dataclass(frozen=True)
class _Column:
    """One column in time order."""

    name: str
    values: np.ndarray  # (n,) float64, NaN missing; codes where there are no numbers
    is_numeric: bool

    @cached_property
    def observed(self) -> np.ndarray:
        """Values that are not missing."""
        is_observed = np.isfinite(self.values)
        return self.values if is_observed.all() else self.values[is_observed]

    @cached_property
    def is_constant(self) -> bool:
        """Whether no two values differ."""
        found = self.observed
        return len(found) == 0 or bool((found == found[0]).all())

    @cached_property
    def sampled(self) -> np.ndarray:
        """Sorted values of evenly spaced rows."""
        return np.sort(_evenly(self.observed))

    @property
    def has_course(self) -> bool:
        """Whether there are numbers enough that vary."""
        enough = len(self.observed) >= MIN_ROWS
        return self.is_numeric and enough and not self.is_constant


def _evenly(values: np.ndarray) -> np.ndarray:
    """Return at most N_SAMPLED of the rows, evenly spaced."""
    return values[:: -(-len(values) // N_SAMPLED) or 1]


def _columns(X: Any) -> Iterator[_Column]:
    """Yield the columns of a table."""
    import pandas

    if not is_dataframe(X):
        table = np.asarray(X)
        if table.ndim != 2:
            raise ValueError(
                f"X has the shape {table.shape} and must be a table of rows and "
                "columns; reshape it with X.reshape(-1, 1) for a single sensor."
            )
        names = [f"x{j}" for j in range(table.shape[1])]
        X = pandas.DataFrame(table, columns=names).infer_objects()
    for j, name in enumerate(X.columns):
        yield _Column(str(name), *numbers_or_codes(safe_indexing(X, j, axis=1)))


@dataclass(frozen=True)
class _Finding:
    """What a check measured; `reason` is None where there is no defect."""

    measure: float
    reason: str | None = None
    verdict: str = "check"


_NOTHING = _Finding(np.nan)


def _missing(column: _Column) -> _Finding:
    """Share of cells without a value."""
    share = 1 - len(column.observed) / max(len(column.values), 1)
    if share <= MAX_MISSING:
        return _Finding(share)
    verdict = "drop" if share > MAX_MISSING_USABLE else "check"
    return _Finding(share, f"missing: {share:.0%} of the cells", verdict)


def _stuck(column: _Column) -> _Finding:
    """Longest run of equal values, which chance must explain.

    The rate of repeats is taken from the runs, so that a single long one counts once.
    Of a sensor that repeats many values, an analyser that holds them for instance, a
    run must be far longer than nearly all others.
    """
    values = column.values
    is_new = values[1:] != values[:-1]  # NaN differs from NaN
    edges = np.concatenate([[0], np.flatnonzero(is_new) + 1, [len(values)]])
    lengths = np.diff(edges)  # (n_runs,)
    longest = int(lengths.max())
    rate = float((lengths > 1).mean())
    if rate > MAX_REPEAT_RATE:
        is_stuck = longest > MAX_RUN_RATIO * np.quantile(lengths, 0.99)
    else:
        is_stuck = len(lengths) * rate ** (longest - 1) <= MAX_CHANCE
    if longest < MIN_STUCK_ROWS or not is_stuck:
        return _Finding(longest)
    return _Finding(longest, f"stuck: the same value for {longest:,} rows")


def _spikes(column: _Column) -> _Finding:
    """Number of values that jump away from both neighbours, farther than expected."""
    values = column.observed
    is_spike = _long_jumps(values, SPIKE_MARGIN)
    if is_spike.any() and _is_heavy_tailed(column.sampled):
        # Large values of a skewed sensor vary more; they must stand out there as well.
        q25, q50, q75 = np.quantile(column.sampled, (0.25, 0.5, 0.75))
        spread = (q75 - q25) / 3 or 1.0
        logarithms = np.arcsinh((values - q50) / spread)
        is_spike &= _long_jumps(logarithms, SPIKE_MARGIN_LOG)
    is_spike |= _beyond_range(values, column.sampled)
    n_spikes = int(is_spike.sum())
    if n_spikes == 0:
        return _Finding(0)
    what = "values" if n_spikes > 1 else "value"
    return _Finding(n_spikes, f"spikes: {n_spikes:,} single {what} far from the others")


def _beyond_range(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Return which inner values jump away and back by more than the others' range.

    Also of a sensor that moves now and then, whose jumps do not follow one law. Where
    these have a long tail, their range grows with the rows, and nothing is found.
    """
    step = np.diff(values)
    up, down = np.minimum(step[:-1], -step[1:]), np.minimum(-step[:-1], step[1:])
    jump = np.maximum(up, down)  # (n - 2,)
    low, high = np.quantile(ordered, (0.01, 0.99))
    is_far = jump > high - low
    if not is_far.any() or is_far.mean() > MAX_SPIKE_SHARE:
        return np.zeros(len(jump), dtype=bool)
    others = values[1:-1][~is_far]
    if _has_long_tail(others, 0.05, 0.005) or _has_long_tail(ordered, 0.1, 0.025):
        return np.zeros(len(jump), dtype=bool)
    return is_far & (jump > np.ptp(others))


def _has_long_tail(values: np.ndarray, near: float, far: float) -> bool:
    """Return whether one of the quantiles `far` is farther out than a normal one."""
    levels = (far, near, 0.5, 1 - near, 1 - far)
    below_far, below, median, above, above_far = np.quantile(values, levels)
    limit = TAIL_MARGIN * norm.ppf(far) / norm.ppf(near)
    is_long_above = above_far - median > limit * (above - median)
    return bool(is_long_above or median - below_far > limit * (median - below))


def _long_jumps(values: np.ndarray, margin: float) -> np.ndarray:
    """Return which inner values lie beyond both neighbours by too long a jump.

    The expected largest of n jumps extrapolates two of their quantiles, with
    ``Q(p) = a * log(1 / (1 - p)) ** c``: c is 0.5 for normal, 1 for exponential and
    larger for heavier tails.
    """
    step = np.diff(values)
    is_long = np.zeros(max(len(values) - 2, 0), dtype=bool)
    for sign in (1, -1):
        jump = np.minimum(sign * step[:-1], -sign * step[1:])  # (n - 2,)
        typical = _evenly(jump[jump > 0])
        if len(typical) < MIN_ROWS:
            continue
        low, high = np.quantile(typical, SPIKE_QUANTILES)
        n_jumps = int((jump > 0).sum())
        levels = -np.log1p(-np.array([*SPIKE_QUANTILES, 1 - 1 / n_jumps]))
        exponent = np.log(high / low) / np.log(levels[1] / levels[0])
        is_long |= jump > margin * high * (levels[2] / levels[1]) ** exponent
    return is_long


def _is_heavy_tailed(ordered: np.ndarray) -> bool:
    """Return whether a tail is longer than the body of a normal distribution."""
    q05, q25, q50, q75, q95 = np.quantile(ordered, (0.05, 0.25, 0.5, 0.75, 0.95))
    is_long_above = q95 - q50 > MAX_BODY_RATIO * (q75 - q50)
    return bool(is_long_above or q50 - q05 > MAX_BODY_RATIO * (q50 - q25))


def _monotonic(column: _Column) -> _Finding:
    """Share of the changes in the more frequent direction."""
    step = np.diff(column.observed)
    n_up, n_down = int((step > 0).sum()), int((step < 0).sum())
    n_most, n_changes = max(n_up, n_down), n_up + n_down
    share = n_most / n_changes
    if n_most < MIN_CHANGES or share < MIN_ONE_WAY:
        return _Finding(share)
    word = "rises" if n_up > n_down else "falls"
    return _Finding(share, f"monotonic: {word} in {share:.0%} of its changes")


def _drift(column: _Column) -> _Finding:
    """Difference of the last and first quarter, in standard deviations of blocks."""
    values = column.observed
    n_rows = len(values) // N_BLOCKS
    blocks = values[: n_rows * N_BLOCKS].reshape(N_BLOCKS, n_rows)
    means = blocks.mean(axis=1)
    residuals = (blocks - means[:, None]).ravel()
    variance = float(residuals @ residuals) / len(residuals)
    if variance == 0:
        return _NOTHING
    quarter = N_BLOCKS // 4
    first, last = means[:quarter], means[-quarter:]
    difference = float(last.mean() - first.mean())
    # Two standard errors, of which the larger counts: from the scatter of the block
    # means, and from the lag-1 correlation of the rows.
    by_blocks = np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / quarter)
    lag = float(residuals[1:] @ residuals[:-1]) / (len(residuals) * variance)
    inflation = (1 + max(lag, 0.0)) / max(1 - lag, 1e-9)
    by_rows = np.sqrt(2 * variance * inflation / (quarter * n_rows))
    size = difference / np.sqrt(variance)
    is_significant = abs(difference) > MIN_DRIFT_ERRORS * max(by_blocks, by_rows)
    if abs(size) < MIN_DRIFT or not is_significant:
        return _Finding(size)
    text = f"drift: the last quarter is {size:+.1f} standard deviations off"
    return _Finding(size, text)


def _quantised(column: _Column) -> _Finding:
    """Number of levels, and whether they are coarse."""
    ordered = column.sampled
    resolution = 1e-9 * (ordered[-1] - ordered[0])  # levels up to rounding
    steps = np.diff(ordered)
    steps = steps[steps > resolution]
    n_levels = len(steps) + 1
    coarse = float(np.median(steps)) if len(steps) else np.inf
    if n_levels > len(ordered) / 10 or ordered.std() > MIN_LEVELS_PER_STD * coarse:
        return _Finding(n_levels)
    return _Finding(n_levels, f"quantised: {n_levels} levels", "keep")


def _modes(column: _Column) -> _Finding:
    """Number of groups of values that are separated by empty gaps."""
    if _quantised(column).reason:
        return _NOTHING
    ordered = column.sampled
    n = len(ordered)
    low, high = np.quantile(ordered, (0.01, 0.99))
    # (n,) values in the gap that follows each value
    inside = np.searchsorted(ordered, ordered + MODE_GAP * (high - low)) - np.arange(n)
    is_gap = inside - 1 <= MAX_GAP_SHARE * n
    starts = np.flatnonzero(is_gap & (inside < n - np.arange(n)))
    n_modes, last_split = 1, 0
    for start in starts:
        enough = MIN_MODE_SHARE * n
        if start + 1 - last_split >= enough and n - start - inside[start] >= enough:
            n_modes += 1
            last_split = start + inside[start]
    if n_modes == 1:
        return _Finding(1)
    return _Finding(n_modes, f"modes: {n_modes} groups of values", "keep")


@dataclass(frozen=True)
class _Check:
    """A defect and the name of its measure."""

    measure: str
    check: Callable[[_Column], _Finding]
    needs_course: bool = True  # numbers enough that vary

    def of(self, column: _Column) -> _Finding:
        """Return what the check finds in a column."""
        if self.needs_course and not column.has_course:
            return _NOTHING
        return self.check(column)


_CHECKS = {
    "missing": _Check("missing_share", _missing, needs_course=False),
    "stuck": _Check("longest_run", _stuck),
    "spikes": _Check("n_spikes", _spikes),
    "monotonic": _Check("one_way_share", _monotonic),
    "drift": _Check("drift", _drift),
    "quantised": _Check("n_levels", _quantised),
    "modes": _Check("n_modes", _modes),
}
_VERDICTS = ("keep", "check", "drop")  # from mild to severe


def _record(column: _Column, duplicate_of: str) -> dict[str, Any]:
    """Return the line of one column in the table of sensors."""
    found = {name: each.of(column) for name, each in _CHECKS.items()}
    if column.is_constant:
        found["constant"] = _Finding(np.nan, "constant", "drop")
    if duplicate_of:
        found["duplicate"] = _Finding(np.nan, f"duplicate of {duplicate_of}", "drop")
    defects = {name: each for name, each in found.items() if each.reason}
    verdicts = [each.verdict for each in defects.values()]
    return {
        "verdict": max(verdicts, key=_VERDICTS.index, default="keep"),
        "defects": tuple(defects),
        "reason": "; ".join(each.reason or "" for each in defects.values()),
        **{each.measure: found[name].measure for name, each in _CHECKS.items()},
        "duplicate_of": duplicate_of,
    }


def _duplicates(columns: list[_Column]) -> list[str]:
    """Return for each column the first one that it duplicates, empty for none."""
    varying = [j for j, each in enumerate(columns) if each.has_course]
    found = [""] * len(columns)
    if len(varying) < 2:
        return found
    sample = np.column_stack([_evenly(columns[j].values) for j in varying])
    has_value = np.isfinite(sample)
    counts = np.maximum(has_value.sum(axis=0), 1)
    sample = np.where(has_value, sample, 0.0)
    centred = np.where(has_value, sample - sample.sum(axis=0) / counts, 0.0)
    scale = np.abs(centred).max(axis=0)
    centred /= np.where(scale > 0, scale, 1.0)
    # Sums over the rows that both columns have.
    squares = (centred**2).T @ has_value.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (centred.T @ centred) / np.sqrt(squares * squares.T)
    is_same = np.triu(np.abs(correlation) >= MIN_DUPLICATE_CORRELATION, k=1)
    for column, j in enumerate(varying):
        earlier = np.flatnonzero(is_same[:, column])
        if len(earlier):
            found[j] = columns[varying[earlier[0]]].name
    return found


def _grade_time(numbers: np.ndarray) -> TimeGrading:
    """Return the defects of time stamps."""
    given = numbers[~np.isnan(numbers)]
    steps = np.diff(np.sort(given))
    forward = steps[steps > 0]
    median, is_regular = np.nan, False
    if len(forward):
        q25, median, q75 = np.quantile(forward, (0.25, 0.5, 0.75))
        is_regular = bool(q75 - q25 <= MAX_JITTER * median)
    limit = MIN_GAP_REGULAR if is_regular else MIN_GAP_IRREGULAR
    gaps = forward[forward > limit * median]
    return TimeGrading(
        median_step=float(median),
        is_regular=is_regular,
        n_gaps=len(gaps),
        longest_gap=float(gaps.max(initial=0.0)),
        n_duplicates=int((steps == 0).sum()),
        n_backward=int((np.diff(given) < 0).sum()),
        n_missing=len(numbers) - len(given),
    )
