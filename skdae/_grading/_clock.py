"""Defects of time stamps."""

from dataclasses import dataclass

import numpy as np

MAX_JITTER = 0.1  # spread of the steps of a regular clock, in median steps
MIN_GAP_REGULAR = 1.5  # median steps; a single missing row makes a step of 2
MIN_GAP_IRREGULAR = 20.0  # the longest of 10,000 exponential steps is at 13


@dataclass(frozen=True)
class TimeGrading:
    """Defects of the time stamps.

    Attributes
    ----------
    median_step : float
        Median step between rows, in seconds for dates.
    is_regular : bool
        Whether the quartiles of the steps differ by at most 10 % of the median step.
    n_gaps : int
        Steps that are too long: above 1.5 median steps of a regular clock, above 20 of
        an irregular one.
    longest_gap : float
        The longest of them in the unit of `median_step`; 0 if there is none.
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


def grade_clock(numbers: np.ndarray) -> TimeGrading:
    """Return the defects of time stamps, (n,), NaN where there is none."""
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
