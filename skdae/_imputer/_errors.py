"""Sizes of the errors of estimates, and the shares that follow from them."""

from dataclasses import dataclass

import numpy as np

LEVEL, DEVIATIONS = 0.9, 1.6449  # share of normal errors within so many deviations


@dataclass(frozen=True)
class ErrorSize:
    """Size of the errors of estimates, in units of the encoded feature."""

    rms: np.ndarray
    spread: np.ndarray  # standard deviation of normal errors of the same 90 % interval

    @classmethod
    def of(cls, errors: np.ndarray) -> "ErrorSize":
        """Measure errors along the first axis."""
        size = np.abs(errors)
        rms = np.sqrt((size**2).mean(axis=0))
        return cls(rms, np.quantile(size, LEVEL, axis=0) / DEVIATIONS)


@dataclass(frozen=True)
class HeldOutErrors:
    """Root mean squares of the errors of hidden cells in held-out rows, by feature.

    NaN where none was hidden; None for an estimate that the model lacks.
    """

    mean: np.ndarray  # of the column mean
    linear: np.ndarray
    networks: np.ndarray | None
    forests: np.ndarray | None
    imputed: np.ndarray  # of the weighted mean
    expected: np.ndarray  # by the conditional variances of the linear estimate


def error_shares(rms: np.ndarray) -> np.ndarray:
    """Return weights by the inverse squares of mean squared errors, (..., n).

    Near equals are averaged, and one that is far behind hardly counts.
    """
    least = rms.min(axis=-1, keepdims=True)
    ratio = np.divide(least, rms, out=np.ones_like(rms), where=rms > 0)
    return ratio**4 / (ratio**4).sum(axis=-1, keepdims=True)
