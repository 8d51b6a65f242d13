"""Baselines of anomaly detection: from standardised training rows to anomaly scores.

A `Fit` returns a function that scores rows, higher is more anomalous. Of K-DSM (arXiv
2605.06955), denoising score matching with noise by the kurtosis of a column, only the
abstract was at hand: the rule from a kurtosis to a scale, `kurtosis_noise`, is ours.
"""

import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.covariance import (
    EllipticEnvelope,
    EmpiricalCovariance,
    LedoitWolf,
    MinCovDet,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

N_NEIGHBORS = 5
SVM_ROWS = 5_000  # training rows of the one-class SVM, whose cost is quadratic
VARIANCE = 0.9  # that the axes of PCA keep
NOISE = 0.3  # of score matching, in standard deviations of a column
WIDTH, STEPS, BATCH, RATE = 256, 2_000, 128, 1e-3  # of its network and its training

Score = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, int], Score]  # (training rows, seed)


# --- distances in the space of the rows ----------------------------------------------


def mahalanobis(Z: np.ndarray, seed: int, shrunk: bool = True) -> Score:
    """With Ledoit and Wolf's covariance, or the empirical one."""
    covariance = LedoitWolf() if shrunk else EmpiricalCovariance()
    return covariance.fit(Z).mahalanobis


def robust_mahalanobis(Z: np.ndarray, seed: int) -> Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant columns, determinants
        return MinCovDet(random_state=seed).fit(Z).mahalanobis


def elliptic_envelope(Z: np.ndarray, seed: int) -> Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units without output: singular covariance
        model = EllipticEnvelope(random_state=seed).fit(Z)
    return lambda rows: -model.score_samples(rows)


# --- PCA: Hotelling's T² and the squared prediction error ----------------------------


def pca_statistics(Z: np.ndarray) -> Score:
    """T² and SPE side by side, (n_rows, 2)."""
    model = PCA(VARIANCE, svd_solver="full").fit(Z)

    def score(rows: np.ndarray) -> np.ndarray:
        T = model.transform(rows)
        t2 = (T**2 / model.explained_variance_).sum(axis=1)
        spe = ((rows - model.inverse_transform(T)) ** 2).sum(axis=1)
        return np.column_stack([t2, spe])

    return score


def pca(Z: np.ndarray, seed: int, part: int) -> Score:
    """T² (part 0) or SPE (part 1)."""
    statistics = pca_statistics(Z)
    return lambda rows: statistics(rows)[:, part]


def pca_both(Z: np.ndarray, seed: int, rate: float = 0.01) -> Score:
    """The larger of T² and SPE over their limits; above 1, one limit is exceeded.

    The limits are exceeded by the share `rate` of the training rows.
    """
    statistics = pca_statistics(Z)
    limits = np.quantile(statistics(Z), 1 - rate, axis=0)
    return lambda rows: (statistics(rows) / limits).max(axis=1)


# --- neighbours, trees, vectors ------------------------------------------------------


def neighbors(Z: np.ndarray, seed: int, average: bool = False) -> Score:
    """Distance to the fifth neighbour, or the mean of five."""
    search = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(Z)

    def score(rows: np.ndarray) -> np.ndarray:
        distances, _ = search.kneighbors(None if rows is Z else rows)
        return distances.mean(axis=1) if average else distances[:, -1]

    return score


def outlier_factor(Z: np.ndarray, seed: int) -> Score:
    def score(rows: np.ndarray) -> np.ndarray:
        if rows is Z:
            return -LocalOutlierFactor().fit(Z).negative_outlier_factor_
        return -LocalOutlierFactor(novelty=True).fit(Z).score_samples(rows)

    return score


def forest(Z: np.ndarray, seed: int, n_trees: int = 200) -> Score:
    model = IsolationForest(n_estimators=n_trees, random_state=seed).fit(Z)
    return lambda rows: -model.score_samples(rows)


def svm(Z: np.ndarray, seed: int) -> Score:
    rows = np.random.default_rng(seed).permutation(len(Z))[:SVM_ROWS]
    model = OneClassSVM().fit(Z[rows])
    return lambda rows: -model.score_samples(rows)


# --- denoising score matching --------------------------------------------------------


def kurtosis_noise(Z: np.ndarray) -> np.ndarray:
    """Noise of each column: less where tails are heavy and the bulk is narrow.

    `NOISE` at the kurtosis of a normal distribution.
    """
    deviations = Z - Z.mean(axis=0)
    variance, fourth = (deviations**2).mean(axis=0), (deviations**4).mean(axis=0)
    varies = variance > 0
    scale = np.ones(Z.shape[1])
    scale[varies] = (3 * variance[varies] ** 2 / fourth[varies]) ** 0.25
    return NOISE * np.clip(scale, 0.5, 2)


def score_matching(
    Z: np.ndarray, seed: int, by_kurtosis: bool = True, n_steps: int = STEPS
) -> Score:
    """The norm of the score of the density, by a network that estimates the noise.

    One scale of noise for each column, no schedule; rows are scored as they are.
    """
    import torch

    scales = kurtosis_noise(Z) if by_kurtosis else np.full(Z.shape[1], NOISE)
    sizes = torch.as_tensor(scales, dtype=torch.float32)

    generator = torch.Generator().manual_seed(seed)
    widths = [Z.shape[1], *[WIDTH] * 3, Z.shape[1]]
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.SiLU()]
        bound = 1 / np.sqrt(n_in)
        for parameter in layers[-2].parameters():
            torch.nn.init.uniform_(parameter, -bound, bound, generator=generator)
    network = torch.nn.Sequential(*layers[:-1])
    rows = torch.as_tensor(Z, dtype=torch.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(n_steps):
        batch = rows[torch.randint(len(rows), (BATCH,), generator=generator)]
        noise = torch.randn(batch.shape, generator=generator)
        loss = ((network(batch + sizes * noise) - noise) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def score(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = network(torch.as_tensor(rows, dtype=torch.float32))
        return (found / sizes).norm(dim=1).numpy()

    return score


# --- PyOD, an optional package -------------------------------------------------------


def pyod(Z: np.ndarray, seed: int, name: str, **parameters: Any) -> Score:
    """A detector of PyOD by module and class, 'ecod.ECOD' for example."""
    module, kind = name.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = getattr(import_module(f"pyod.models.{module}"), kind)
        model = detector(**parameters).fit(Z)

    def score(rows: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.nan_to_num(model.decision_function(rows))

    return score


def autoencoder(Z: np.ndarray, seed: int) -> Score:
    return pyod(Z, seed, "auto_encoder.AutoEncoder", random_state=seed, verbose=0)


# Scored on their training rows, the neighbours and LOF leave each row itself out.
DETECTORS: dict[str, Fit] = {
    "k-nearest neighbours": neighbors,
    "kNN (mean distance)": partial(neighbors, average=True),
    "LOF": outlier_factor,
    "isolation forest": forest,
    "one-class SVM": svm,
    "PCA T²": partial(pca, part=0),
    "PCA SPE": partial(pca, part=1),
    "PCA T² + SPE": pca_both,
    "Mahalanobis": mahalanobis,
    "Mahalanobis, plain": partial(mahalanobis, shrunk=False),
    "robust Mahalanobis": robust_mahalanobis,
    "ECOD": partial(pyod, name="ecod.ECOD"),
    "PyOD AutoEncoder": autoencoder,
    "score matching, noise by kurtosis": score_matching,
    "score matching, one scale": partial(score_matching, by_kurtosis=False),
}
