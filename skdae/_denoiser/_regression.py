"""Linear functions of the rows around a cell, and the columns that they read."""

from dataclasses import dataclass

import numpy as np

from skdae._gaussian import Gaussian
from skdae._ridge import ridge

MAX_RELATED = 20  # columns that a regression reads beside its own


@dataclass(frozen=True)
class Regression:
    """A linear function of inputs, (n, n_inputs)."""

    slopes: np.ndarray  # (n_inputs,)
    intercept: float

    @classmethod
    def fit(cls, X: np.ndarray, y: np.ndarray) -> "Regression":
        """Learn the function from inputs, (n, n_inputs), and targets, (n,)."""
        slopes, intercept, _ = ridge(X, y)
        return cls(slopes, intercept)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return the values, (n,)."""
        return X @ self.slopes + self.intercept


def related_features(gaussian: Gaussian, n_numeric: int, feature: int) -> np.ndarray:
    """Return the numeric features with the largest partial correlations."""
    precision = np.abs(gaussian.precision[feature, :n_numeric])
    related = precision / np.sqrt(np.diag(gaussian.precision)[:n_numeric])
    order = np.argsort(-related, kind="stable")
    return np.sort(order[order != feature][:MAX_RELATED])
