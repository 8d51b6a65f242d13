"""Normal scores of the ranks of a column, whatever its units."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

MIN_SPREAD = 1e-3  # of the scores of a column: less is a constant


@dataclass(frozen=True)
class NormalScores:
    """Standardised normal scores of the middle ranks, per column.

    Between values seen they are interpolated; beyond them they go on at a slope of 1,
    so that columns must come in units of about their spread.
    """

    values: tuple[np.ndarray, ...]  # distinct ones of each column, ascending
    scores: tuple[np.ndarray, ...]  # of these values

    @classmethod
    def learn(cls, V: np.ndarray) -> "NormalScores":
        """From rows (n, width) without gaps."""
        values, scores = [], []
        for column in V.T:
            distinct, times = np.unique(column, return_counts=True)
            z = ndtri((np.cumsum(times) - times / 2) / len(column))
            mean = times @ z / len(column)
            spread = np.sqrt(times @ (z - mean) ** 2 / len(column))
            values.append(distinct)
            scores.append((z - mean) / max(spread, MIN_SPREAD))
        return cls(tuple(values), tuple(scores))

    def forward(self, V: np.ndarray) -> np.ndarray:
        """Return the scores of rows, (n, width)."""
        Z = np.empty(V.shape)
        for j, (values, scores) in enumerate(
            zip(self.values, self.scores, strict=True)
        ):
            column = V[:, j]
            beyond = column - np.clip(column, values[0], values[-1])
            Z[:, j] = np.interp(column, values, scores) + beyond
        return Z
