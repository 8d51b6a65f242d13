"""Sizes of the errors of estimates."""

from dataclasses import dataclass

import numpy as np

LEVEL, DEVIATIONS = 0.9, 1.6449  # share of normal errors within so many deviations


def conformal_level(n: int) -> float:
    """Return the level of the quantile of `n` errors that `LEVEL` of new ones keep."""
    return min(1.0, float(np.ceil((n + 1) * LEVEL)) / n)


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
