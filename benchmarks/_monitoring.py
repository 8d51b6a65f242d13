"""Monitors of a process: strangeness of rows, thresholds from fault-free rows alone."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._thresholds import conformal_threshold
from skdae.timeseries import EWMA, SlidingWindow

RATE = 0.01  # nominal share of false alarms
N_BLOCKS = 5  # of consecutive training rows, each scored by what has not seen it
N_NEIGHBORS = 5


class Runs(NamedTuple):
    """Fault-free training rows, and runs to watch, all in the order of time."""

    train: np.ndarray
    test: list[np.ndarray]

    def windows(self) -> "Runs":
        """Rows side by side with those before them, by the defaults of the window."""
        window = SlidingWindow().fit(self.train)
        return Runs(
            window.transform(self.train), [window.transform(run) for run in self.test]
        )


class Scores(NamedTuple):
    """Strangeness of held-out training rows and of the rows of test runs."""

    held_out: np.ndarray
    test: list[np.ndarray]

    def smoothed(self) -> "Scores":
        """Smoothed over time, by the defaults of the smoothing."""
        smooth = EWMA().smooth
        return Scores(smooth(self.held_out), [smooth(run) for run in self.test])

    def limit(self) -> float:
        """The strangeness from which a row is an alarm."""
        return conformal_threshold(self.held_out, RATE)


Fit = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]


# --- rivals, on standardised columns -------------------------------------------------


def _mahalanobis(Z: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return LedoitWolf().fit(Z).mahalanobis


def _pca(Z: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Hotelling's T² and the squared prediction error, with 90 % of the variance."""
    model = PCA(0.9, svd_solver="full").fit(Z)

    def score(rows: np.ndarray) -> np.ndarray:
        T = model.transform(rows)
        within = (T**2 / model.explained_variance_).sum(axis=1)
        beyond = ((rows - model.inverse_transform(T)) ** 2).sum(axis=1)
        return np.column_stack([within, beyond])

    return score


def _pca_part(Z: np.ndarray, part: int) -> Callable[[np.ndarray], np.ndarray]:
    score = _pca(Z)
    return lambda rows: score(rows)[:, part]


def _pca_both(Z: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The larger of the two, each over its quantile of the rows learned from."""
    score = _pca(Z)
    high = np.quantile(score(Z), 1 - RATE, axis=0)
    return lambda rows: (score(rows) / high).max(axis=1)


def _neighbors(Z: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    search = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(Z)
    return lambda rows: search.kneighbors(rows)[0][:, -1]


def _forest(Z: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    model = IsolationForest(random_state=0).fit(Z)
    return lambda rows: -model.score_samples(rows)


def _plain_mahalanobis(Z: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """By a covariance that nothing shrinks."""
    return EmpiricalCovariance().fit(Z).mahalanobis


RIVALS: dict[str, Fit] = {
    "Mahalanobis": _mahalanobis,
    "Mahalanobis, plain": _plain_mahalanobis,
    "PCA T²": partial(_pca_part, part=0),
    "PCA SPE": partial(_pca_part, part=1),
    "PCA T² + SPE": _pca_both,
    "k-nearest neighbours": _neighbors,
    "isolation forest": _forest,
}


def rival_scores(runs: Runs, fit: Fit) -> Scores:
    """Training rows by models of the other blocks, test rows by one of all rows."""

    def score(train: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        scaler = StandardScaler().fit(train)
        model = fit(scaler.transform(train))
        return lambda rows: model(scaler.transform(rows))

    held_out = np.empty(len(runs.train))
    for train, rows in KFold(N_BLOCKS).split(runs.train):
        held_out[rows] = score(runs.train[train])(runs.train[rows])
    of_all = score(runs.train)
    return Scores(held_out, [of_all(run) for run in runs.test])


# --- the detector --------------------------------------------------------------------


def detector_scores(
    runs: Runs,
    seed: int,
    transformer: GradualDAETransformer | None = None,
    scores: str = "auto",
) -> Scores:
    """By networks of the other blocks, and by all of them together."""
    model = GradualDAEOutlierDetector(
        transformer,
        scores=scores,
        calibration="blocked",
        n_splits=N_BLOCKS,
        random_state=seed,
    ).fit(runs.train)
    return Scores(
        -model.calibration_scores_, [-model.score_samples(run) for run in runs.test]
    )
