"""Paired comparisons over repeated splits, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skdae._statistics import split_mean

CONFIDENCE = 0.95
TINY = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, which a single split does not have."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """How many times the error of b the error of a is, over the same splits."""

    ratio: float  # geometric mean; below 1: a is better
    low: float | None
    high: float | None
    p_value: float | None
    n_splits: int

    @property
    def is_better(self) -> bool:
        """Whether a is better, surely."""
        return self.high is not None and self.high < 1

    @property
    def is_worse(self) -> bool:
        """Whether a is worse, surely."""
        return self.low is not None and self.low > 1


def interval(
    values: Sequence[float], test_ratio: float, most: float = np.inf
) -> Interval:
    """Return the mean of one error per split, with its corrected interval.

    The interval is one of the logarithm of the mean, as differences are those of
    logarithms: an error is never below 0. Nor does it go beyond `most`, the largest
    error that there can be.
    """
    found = split_mean(np.asarray(values, dtype=float), test_ratio)
    if found.n_splits < 2:
        return Interval(found.mean, None, None)
    if found.mean == 0:
        return Interval(0.0, 0.0, 0.0)
    # by the delta method, the error of the logarithm is the relative error
    factor = float(np.exp(found.half_width(CONFIDENCE) / found.mean))
    return Interval(found.mean, found.mean / factor, min(found.mean * factor, most))


def compare(
    a: Sequence[float], b: Sequence[float], test_ratio: float, floor: float = TINY
) -> Comparison:
    """Compare errors of two methods, one of each per split, by their ratio.

    `test_ratio` is test rows over training rows. Smaller errors than `floor` count as
    that: below it they cannot be told apart.
    """
    logs = np.log(np.maximum(a, floor)) - np.log(np.maximum(b, floor))
    found = split_mean(logs, test_ratio)
    ratio, n = float(np.exp(found.mean)), found.n_splits
    if n < 2:
        return Comparison(ratio, None, None, None, n)
    reach = found.half_width(CONFIDENCE)
    low, high = np.exp([found.mean - reach, found.mean + reach])
    return Comparison(ratio, float(low), float(high), found.p_value, n)
