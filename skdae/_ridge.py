"""Ridge regressions whose penalties are chosen by leave-one-out errors."""

import numpy as np

MIN_FREE = 1e-3  # of a row, beside its leverage
PENALTIES = np.logspace(-6, 1, 8)  # over the variance of standardised inputs


def ridge(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return slopes, intercept and leave-one-out errors of one target.

    `X` is (n, n_inputs), `y` (n,) and each error that of a model without the row.
    """
    centre, scale = X.mean(axis=0), X.std(axis=0)
    scale[scale <= 1e-9 * np.abs(X).max(axis=0, initial=0)] = np.inf
    mean = y.mean()
    scaled, targets = (X - centre) / scale, (y - mean)[:, None]
    slopes, errors = standardised_ridges(scaled, targets, PENALTIES)
    slope = slopes[:, 0] / scale
    return slope, float(mean - centre @ slope), errors[:, 0]


def standardised_ridges(
    X: np.ndarray, Y: np.ndarray, penalties: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes, (n_inputs, n_targets), and leave-one-out errors, (n, n_targets).

    Inputs have mean 0 and variance 1, targets mean 0. The targets share one
    factorisation, and each has the penalty with the least errors.
    """
    n_rows = max(len(X), 1)
    values, vectors = np.linalg.eigh(X.T @ X / n_rows)
    P = X @ vectors  # (n, n_inputs)
    weights, squares = P.T @ Y / n_rows, P**2 / n_rows
    least = np.full(Y.shape[1], np.inf)
    slopes, errors = np.zeros(weights.shape), Y.astype(np.float64)
    for penalty in penalties if len(X) else ():
        shrunk = 1 / (np.maximum(values, 0) + penalty)
        leverage = squares @ shrunk + 1 / n_rows  # of the slopes and of the mean
        each = weights * shrunk[:, None]
        left_out = (Y - P @ each) / np.maximum(1 - leverage, MIN_FREE)[:, None]
        # nothing is known of a target that its own row reproduces: few rows
        left_out = np.where(leverage[:, None] > 1 - MIN_FREE, Y, left_out)
        size = (left_out**2).mean(axis=0)
        best = size < least
        slopes[:, best], errors[:, best] = each[:, best], left_out[:, best]
        least = np.minimum(size, least)
    return vectors @ slopes, errors
