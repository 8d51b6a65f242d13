"""Paired comparisons over repeated splits, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

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


def corrected_error(values: np.ndarray, test_share: float) -> float:
    """Return the standard error of a mean over splits that share training rows.

    `test_share` is the number of test rows over that of training rows.
    C. Nadeau and Y. Bengio, "Inference for the generalization error", 2003.
    """
    return float(np.sqrt((1 / len(values) + test_share) * values.var(ddof=1)))


def interval(values: Sequence[float], test_share: float) -> Interval:
    """Return the mean of one value per split, with its corrected interval."""
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, None, None)
    reach = _quantile(len(array)) * corrected_error(array, test_share)
    return Interval(mean, mean - reach, mean + reach)


def compare(
    a: Sequence[float], b: Sequence[float], test_share: float, floor: float = TINY
) -> Comparison:
    """Compare errors of two methods, one of each per split, by their ratio.

    Smaller errors than `floor` count as that: below it they cannot be told apart.
    """
    logs = np.log(np.maximum(a, floor)) - np.log(np.maximum(b, floor))
    n, mean = len(logs), float(logs.mean())
    if n < 2:
        return Comparison(float(np.exp(mean)), None, None, None, n)
    error = corrected_error(logs, test_share)
    reach = _quantile(n) * error
    if error > 0:
        p_value = float(2 * t.sf(abs(mean) / error, n - 1))
    else:
        p_value = 1.0 if mean == 0 else 0.0
    low, high = np.exp([mean - reach, mean + reach])
    return Comparison(float(np.exp(mean)), float(low), float(high), p_value, n)


def _quantile(n: int) -> float:
    return float(t.ppf((1 + CONFIDENCE) / 2, n - 1))
