"""Defects of single columns: what is measured, and beyond which limit it counts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from skdae._grading._column import MIN_ROWS, Column, evenly

# Limits marked (*) were chosen on 2,000 clean columns: white noise, AR(1) with
# coefficients 0.9 and 0.98, exponential, lognormal, uniform, sinusoids and simulated
# sensors, of 2,000 to 20,000 rows. One of them is reported: a slow sinusoid drifts. Of
# 2,000 columns of benchmarks/grading.py two are: simulated sensors that drift.

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
MODE_GAP = 0.1  # width of the gap between modes, as a share of the central 98 %
MAX_GAP_SHARE = 0.005  # (*) of the rows in the gap; clean columns have 1.4 % or more
MIN_MODE_SHARE = 0.05  # of the rows; fewer are outliers
MIN_MARKERS = 10  # cells with the same extreme value; fewer may be outliers
MIN_LEVELS = 20  # of the other values; fewer are states, and the marker is one, too
MIN_MARKER_GAP = 0.05  # to the other values, all of the other sign, over their spread
N_BLOCKS = 20  # of consecutive rows; the first and the last quarter are compared
MIN_DRIFT = 1.0  # standard deviations within blocks
MIN_DRIFT_ERRORS = 6.0  # (*) standard errors; clean columns reach 5.1


@dataclass(frozen=True)
class Finding:
    """What a check measured; `reason` is None where there is no defect."""

    measure: float
    reason: str | None = None
    verdict: str = "check"


NOTHING = Finding(np.nan)


def _missing(column: Column) -> Finding:
    """Share of cells without a value."""
    share = 1 - len(column.observed) / max(len(column.values), 1)
    if share <= MAX_MISSING:
        return Finding(share)
    verdict = "drop" if share > MAX_MISSING_USABLE else "check"
    return Finding(share, f"missing: {share:.0%} of the cells", verdict)


def _marker(column: Column) -> Finding:
    """Number of cells with an extreme value that may stand for a missing one.

    It repeats and lies farther from the others than these spread, or is the only one of
    its sign; a 0 is rather a sensor or a machine that is off.
    """
    values = column.observed
    low, high = values.min(), values.max()
    for marker in (low, high):
        is_marker = values == marker
        n_markers = int(is_marker.sum())
        if marker == 0 or n_markers < MIN_MARKERS:
            continue
        others = values[~is_marker]
        if len(np.unique(evenly(others))) < MIN_LEVELS:
            continue
        gap = others.min() - marker if marker == low else marker - others.max()
        q01, q99 = np.quantile(evenly(others), (0.01, 0.99))
        of_other_sign = others.min() >= 0 > marker or others.max() <= 0 < marker
        if gap > (MIN_MARKER_GAP if of_other_sign else 1.0) * (q99 - q01) > 0:
            text = f"marker: {n_markers:,} cells hold {marker:g}, far from the others"
            return Finding(n_markers, text)
    return Finding(0)


def _stuck(column: Column) -> Finding:
    """Longest run of equal values, and whether it is too long for chance.

    The rate of repeats is the share of runs of two values or more, so that a single
    long run counts once. Of a sensor that repeats many values, such as an analyser that
    holds them, a run must be far longer than nearly all others.
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
        return Finding(longest)
    return Finding(longest, f"stuck: the same value for {longest:,} rows")


def _spikes(column: Column) -> Finding:
    """Number of values that jump away from both neighbours, farther than expected."""
    values = column.observed
    is_spike = _long_jumps(values, SPIKE_MARGIN)
    if is_spike.any() and _is_heavy_tailed(column.sampled):
        # Large values of a skewed sensor vary more; a spike is far in logarithms, too.
        q25, q50, q75 = np.quantile(column.sampled, (0.25, 0.5, 0.75))
        spread = (q75 - q25) / 3 or 1.0
        logarithms = np.arcsinh((values - q50) / spread)
        is_spike &= _long_jumps(logarithms, SPIKE_MARGIN_LOG)
    is_spike |= _beyond_range(values, column.sampled)
    n_spikes = int(is_spike.sum())
    if n_spikes == 0:
        return Finding(0)
    what = "values" if n_spikes > 1 else "value"
    return Finding(n_spikes, f"spikes: {n_spikes:,} single {what} far from the others")


def _beyond_range(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Return which inner values jump away and back by more than the others' range.

    This finds spikes also of a sensor that moves only now and then, whose jumps do not
    follow one law. Where the others have a long tail, their range grows with the number
    of rows, and nothing is reported.
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
        typical = evenly(jump[jump > 0])
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


def _monotonic(column: Column) -> Finding:
    """Share of the changes in the more frequent direction."""
    step = np.diff(column.observed)
    n_up, n_down = int((step > 0).sum()), int((step < 0).sum())
    n_most, n_changes = max(n_up, n_down), n_up + n_down
    share = n_most / n_changes
    if n_most < MIN_CHANGES or share < MIN_ONE_WAY:
        return Finding(share)
    word = "rises" if n_up > n_down else "falls"
    return Finding(share, f"monotonic: {word} in {share:.0%} of its changes")


def _drift(column: Column) -> Finding:
    """Difference of the last and first quarter, in standard deviations of blocks."""
    values = column.observed
    n_rows = len(values) // N_BLOCKS
    blocks = values[: n_rows * N_BLOCKS].reshape(N_BLOCKS, n_rows)
    means = blocks.mean(axis=1)
    residuals = (blocks - means[:, None]).ravel()
    variance = float(residuals @ residuals) / len(residuals)
    if variance == 0:
        return NOTHING
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
        return Finding(size)
    text = f"drift: the last quarter is {size:+.1f} standard deviations off"
    return Finding(size, text)


def _quantised(column: Column) -> Finding:
    """Number of levels, and whether they are coarse."""
    ordered = column.sampled
    low, high = np.quantile(ordered, (0.01, 0.99))  # without spikes
    resolution = 1e-9 * (high - low)  # levels up to rounding
    steps = np.diff(ordered)
    steps = steps[steps > resolution]
    n_levels = len(steps) + 1
    coarse = float(np.median(steps)) if len(steps) else np.inf
    if n_levels > len(ordered) / 10 or ordered.std() > MIN_LEVELS_PER_STD * coarse:
        return Finding(n_levels)
    return Finding(n_levels, f"quantised: {n_levels} levels", "keep")


def _modes(column: Column) -> Finding:
    """Number of groups of values that are separated by empty gaps."""
    if _quantised(column).reason:
        return NOTHING
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
        return Finding(1)
    return Finding(n_modes, f"modes: {n_modes} groups of values", "keep")


@dataclass(frozen=True)
class Check:
    """A defect and the name of its measure."""

    measure: str
    check: Callable[[Column], Finding]
    needs_course: bool = True  # enough numbers, and they vary

    def of(self, column: Column) -> Finding:
        """Return what the check finds in a column."""
        if self.needs_course and not column.has_course:
            return NOTHING
        return self.check(column)


CHECKS = {
    "missing": Check("missing_share", _missing, needs_course=False),
    "marker": Check("n_markers", _marker),
    "stuck": Check("longest_run", _stuck),
    "spikes": Check("n_spikes", _spikes),
    "monotonic": Check("one_way_share", _monotonic),
    "drift": Check("drift", _drift),
    "quantised": Check("n_levels", _quantised),
    "modes": Check("n_modes", _modes),
}
