"""Whether rows in time order come from a process near a normal distribution."""

from typing import Any

import numpy as np
from scipy import stats

from skdae._covariance import shrunk_covariance
from skdae._outlier._folds import Batch, Partition, number_of_folds
from skdae._outlier._models import MIN_SPREAD, TINY

LAGS = 2  # rows before a row, which the limit below was found with
QUANTILES = 0.5, 0.9  # the spread of the distances is that between these two
# Of normal rows: Tennessee Eastman 1.6, 30 of the 31 SKAB files in order 0.8 to 2.0,
# AR(1) sensors 1.2 to 1.7; gas turbines, rooms, a city's air and a robot 2.1 to 3.4,
# tables of ADBench that stand sorted or in groups 2.1 to 9.
MAX_SPREAD = 2.0


def is_nearly_normal(Z: np.ndarray, inliers: np.ndarray, groups: Any = None) -> bool:
    """Return whether encoded rows, (n, n_features), spread like a normal process."""
    return distance_spread(Z, inliers, groups) <= MAX_SPREAD


def distance_spread(Z: np.ndarray, inliers: np.ndarray, groups: Any = None) -> float:
    """Return the spread of the distances of rows, over that of normal rows.

    The distance is Mahalanobis's, of a held-out row and those before it; the spread is
    that of its logarithm between two quantiles, 1 for a stationary normal process.
    Modes and groups widen it: rows change little within a group and much between
    groups. Rows that are not inliers count as the farthest ones.
    """
    Z = Z[:, Z.std(axis=0) > MIN_SPREAD].astype(np.float64)
    window = Z[Batch.of(Z, LAGS, groups).window].reshape(len(Z), -1)
    n_splits = number_of_folds("auto", "blocked", len(Z), None)
    squares = np.empty(len(Z))
    for train, held_out in Partition("blocked", len(Z), n_splits, lags=LAGS).folds(0):
        axes = shrunk_covariance(window[train[inliers[train]]], MIN_SPREAD**2)
        squares[held_out] = (axes.whitened(window[held_out]) ** 2).sum(axis=1)
    shares = inliers.mean() * np.array(QUANTILES)
    found = np.log(np.quantile(squares, shares) + TINY)
    normal = np.log(stats.chi2.ppf(shares, window.shape[1]))
    return float(np.diff(found)[0] / np.diff(normal)[0])
