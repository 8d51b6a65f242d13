"""Sizes of the errors of estimates."""

from dataclasses import dataclass

import numpy as np

LEVEL, DEVIATIONS = 0.9, 1.6449  # share of normal errors within so many deviations


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
