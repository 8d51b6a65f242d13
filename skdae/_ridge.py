"""Ridge regression of one target, its penalty chosen by leave-one-out errors."""

import numpy as np

PENALTIES = np.logspace(-6, 1, 8)  # over the variance of standardised inputs


def ridge(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return slopes, intercept and leave-one-out errors of a ridge regression.

    The penalty is the one of `PENALTIES` with the least leave-one-out error.
    """
    n_rows, centre, scale = len(X), X.mean(axis=0), X.std(axis=0)
    scale[scale <= 1e-9 * np.abs(X).max(axis=0, initial=0)] = np.inf
    scaled, mean = (X - centre) / scale, y.mean()
    values, vectors = np.linalg.eigh(scaled.T @ scaled / n_rows)
    P = scaled @ vectors  # (n, n_inputs)
    shrunk = 1 / (np.maximum(values, 0)[:, None] + PENALTIES)
    weights = (P.T @ (y - mean) / n_rows)[:, None] * shrunk  # (n_inputs, n_penalties)
    leverage = P**2 @ shrunk / n_rows + 1 / n_rows
    left_out = (y[:, None] - mean - P @ weights) / np.maximum(1 - leverage, 1e-3)
    best = int((left_out**2).mean(axis=0).argmin())
    slopes = vectors @ weights[:, best] / scale
    return slopes, float(mean - centre @ slopes), left_out[:, best]
