"""Models of normal rows: how far a row of a view is from what was learned.

An anomaly score is 0 at its lowest and has no upper end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skdae._covariance import Axes, shrunk_covariance
from skdae._outlier._ranks import NormalScores

MIN_SPREAD = 1e-3  # of a feature: less is rounding, or a constant
MAX_REFERENCE_ROWS = 5_000  # that others are compared with; more are thinned evenly
# A tree finds neighbours in 2 dimensions 15 times as fast as comparing all rows, in 8
# as fast, in 12 a third as fast (8,000 reference rows); in more features scikit-learn
# has no tree.
MAX_TREE_DIMENSIONS = 8
MAX_TREE_FEATURES = 15
# rows: their neighbours are found by one product with all reference rows, in a tenth of
# the time that scikit-learn takes to check a single row
FEW_ROWS = 8
MAX_PASSES = 5  # over the distances of a row, to find so many of the smallest
TINY = 1e-12
# More weight of axes with a small variance: its power. Faults of 3 deviations added to
# ten records of sensors other than Tennessee Eastman, detected at 1 %, 4 lags, rows /
# averages: 0 0.507 / 0.481, 0.25 0.523 / 0.509, 0.5 0.515 / 0.503.
SPECTRAL_WEIGHT = 0.25


class Model(Protocol):
    """What a score has learned from its reference rows."""

    def score(self, V: np.ndarray) -> np.ndarray:
        """Return the anomaly scores of rows, (n,), at least 0."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """A weighted sum of squares."""

    weights: np.ndarray  # (width,)

    def score(self, V: np.ndarray) -> np.ndarray:
        return V**2 @ self.weights


@dataclass(frozen=True)
class Quadratic:
    """The squared Mahalanobis distance from a centre, over the number of features."""

    center: np.ndarray  # (width,)
    precision: np.ndarray  # (width, width)

    def score(self, V: np.ndarray) -> np.ndarray:
        deviation = V - self.center
        parts = deviation * (deviation @ self.precision)
        return np.maximum(parts.sum(axis=1), 0)

    def completed(self, V: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return rows with missing features at their expectation given the others.

        Their distance is that of the other features by themselves. Where features
        nearly determine each other, any other value would be far off.
        """
        deviation = V - self.center
        rows = np.flatnonzero(missing.any(axis=1))
        patterns, pattern_of = np.unique(missing[rows], axis=0, return_inverse=True)
        for number, gaps in enumerate(patterns):
            same = rows[pattern_of.ravel() == number]
            known = deviation[np.ix_(same, np.flatnonzero(~gaps))]
            pull = known @ self.precision[np.ix_(~gaps, gaps)]
            among = self.precision[np.ix_(gaps, gaps)]
            filled = -np.linalg.solve(among, pull.T).T
            deviation[np.ix_(same, np.flatnonzero(gaps))] = filled
        return deviation + self.center


@dataclass(frozen=True)
class Neighbors:
    """The mean squared distance to the nearest rows other than the row itself."""

    search: NearestNeighbors
    reference: np.ndarray  # (n_reference, width) float32, by columns
    squares: np.ndarray  # (n_reference,) squared norms of its rows, float32
    n_neighbors: int

    def score(self, V: np.ndarray) -> np.ndarray:
        squares, nearest = self._search(V)
        gap = self.reference[nearest[:, 0]] - V
        itself = self._is_row(gap, V)
        near = np.where(itself[:, None], squares[:, 1:], squares[:, :-1])
        return near.mean(axis=1)

    def _search(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return squared distances to the nearest rows, ascending, and their indices.

        One row more than there are neighbours, (n, k + 1) each.
        """
        k = self.n_neighbors
        if len(V) > FEW_ROWS:
            distances, nearest = self.search.kneighbors(V, k + 1)
            return distances**2, nearest
        # up to the square of the row itself, which changes no order
        ranking = self.squares - 2 * (V.astype(self.reference.dtype) @ self.reference.T)
        nearest = _smallest(ranking, k + 1)
        squares = ((self.reference[nearest] - V[:, None]) ** 2).sum(axis=2)
        order = np.arange(len(V))[:, None], squares.argsort(axis=1)
        return squares[order], nearest[order]

    @staticmethod
    def _is_row(gap: np.ndarray, V: np.ndarray) -> np.ndarray:
        return (gap**2).sum(axis=1) <= TINY * (1 + (V**2).sum(axis=1))


def _smallest(values: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k smallest values of each row, (n, k), in any order.

    For small k in a tenth of the time of `np.argpartition`; `values` are overwritten.
    """
    if k > MAX_PASSES:
        return np.argpartition(values, k - 1, axis=1)[:, :k]
    places = np.empty((len(values), k), dtype=np.intp)
    for i in range(k):
        places[:, i] = values.argmin(axis=1)
        values[np.arange(len(values)), places[:, i]] = np.inf
    return places


@dataclass(frozen=True)
class WhitenedNeighbors:
    """The same in the units of a covariance, over the number of features."""

    axes: Axes
    near: Neighbors  # among rows in these units

    def score(self, V: np.ndarray) -> np.ndarray:
        return self.near.score(self.axes.whitened(V)) / V.shape[1]


@dataclass(frozen=True)
class RankNeighbors:
    """The same among normal scores of the ranks, which have no long tails."""

    ranks: NormalScores
    near: Neighbors

    def score(self, V: np.ndarray) -> np.ndarray:
        return self.near.score(self.ranks.forward(V))


def completed(model: Model, V: np.ndarray, missing: np.ndarray | None) -> np.ndarray:
    """Return rows of a view with missing features as a model takes them."""
    if missing is None or not isinstance(model, Quadratic):
        return V
    return model.completed(V, missing)


# --- learned from reference rows, (n, width), and a number of neighbours --------------

Learn = Callable[[np.ndarray, int], Model]


def mean_of_squares(V: np.ndarray, n_neighbors: int) -> Model:
    """All features alike."""
    return Diagonal(np.full(V.shape[1], 1 / V.shape[1]))


def scaled_squares(V: np.ndarray, n_neighbors: int) -> Model:
    """Each feature over its mean square."""
    spread = np.maximum(np.sqrt((V**2).mean(axis=0)), MIN_SPREAD)
    return Diagonal(1 / (spread**2 * V.shape[1]))


def mahalanobis(V: np.ndarray, n_neighbors: int) -> Model:
    """The distance from the mean under a shrunk covariance."""
    axes = shrunk_covariance(V, MIN_SPREAD**2)
    return Quadratic(axes.center, axes.precision / V.shape[1])


def weighted_mahalanobis(V: np.ndarray, n_neighbors: int) -> Model:
    """The same with more weight of axes with a small variance: broken balances."""
    axes = shrunk_covariance(V, MIN_SPREAD**2)
    weights = axes.variances**-SPECTRAL_WEIGHT
    weights /= weights.sum()
    precision = (axes.directions * (weights / axes.variances)) @ axes.directions.T
    return Quadratic(axes.center, precision)


def nearest_rows(V: np.ndarray, n_neighbors: int) -> Neighbors:
    """The distance to the nearest rows."""
    rows = np.linspace(0, len(V) - 1, min(len(V), MAX_REFERENCE_ROWS)).astype(int)
    k = min(n_neighbors, len(rows) - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm=search_algorithm(V[rows]))
    reference = V[rows]
    squares = np.einsum("ij,ij->i", reference, reference)
    # by columns: the product with a single row takes a fifth of the time
    by_columns = reference.astype(np.float32, order="F")
    single = by_columns, squares.astype(np.float32)
    return Neighbors(search.fit(reference), *single, k)


def search_algorithm(V: np.ndarray) -> str:
    """Return the faster search of neighbours among rows, (n, width).

    By the number of dimensions that they fill evenly: the squared sum of the
    eigenvalues of their covariance over the sum of the squares.
    """
    covariance = np.cov(V, rowvar=False, bias=True).reshape(V.shape[1], V.shape[1])
    squares = MAX_TREE_DIMENSIONS * (covariance**2).sum()
    is_low = np.trace(covariance) ** 2 <= squares
    return "kd_tree" if is_low and V.shape[1] <= MAX_TREE_FEATURES else "brute"


def nearest_whitened_rows(V: np.ndarray, n_neighbors: int) -> Model:
    """The same under a shrunk covariance."""
    axes = shrunk_covariance(V, MIN_SPREAD**2)
    return WhitenedNeighbors(axes, nearest_rows(axes.whitened(V), n_neighbors))


def nearest_ranks(V: np.ndarray, n_neighbors: int) -> Model:
    """The same among normal scores of the ranks."""
    ranks = NormalScores.learn(V)
    return RankNeighbors(ranks, nearest_rows(ranks.forward(V), n_neighbors))
