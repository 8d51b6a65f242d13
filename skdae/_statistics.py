"""Means over splits, with standard errors corrected for shared training rows."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class SplitMean:
    """The mean of one value per split, with its corrected standard error.

    C. Nadeau and Y. Bengio, "Inference for the generalization error", 2003.
    """

    mean: float
    error: float  # NaN for a single split
    n_splits: int

    def half_width(self, confidence: float) -> float:
        """Return the half width of the confidence interval; NaN for a single split."""
        quantile = student.ppf((1 + confidence) / 2, self.n_splits - 1)
        return float(quantile * self.error)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of a mean of 0; NaN for a single split."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * student.sf(abs(self.mean) / self.error, self.n_splits - 1))


def split_mean(values: np.ndarray, test_ratio: float) -> SplitMean:
    """Return the mean of values, (n_splits,).

    Splits that share training rows are not independent: `test_ratio`, test rows over
    training rows, is added to 1 / n_splits. Pass 0 for independent repetitions.
    """
    n = len(values)
    variance = values.var(ddof=1) if n > 1 else np.nan
    error = float(np.sqrt((1 / n + test_ratio) * variance))
    return SplitMean(float(values.mean()), error, n)
