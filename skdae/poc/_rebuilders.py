"""The simple ways to rebuild a row that a denoising autoencoder has to beat."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdae._imputer._gaussian import Normal, fit_normal
from skdae.poc._data import Data

N_NEIGHBORS = 5
MOST_DONORS = 5_000  # training rows that neighbours are searched in
VALIDATION_SHARE = 0.2  # of the training rows, on which PCA's size is chosen
HIDDEN_SHARE = 0.25  # of their cells
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)  # of PCA
N_TURNS = 20  # of filling by PCA


class Rebuilder(Protocol):
    """Rows in, the numeric columns rebuilt, (n, n_numeric), in the user's units."""

    def rebuild(self, X: pd.DataFrame) -> np.ndarray: ...


def features(data: Data, *, fill: bool) -> Any:
    """Standardised numbers and then one-hot text; gaps are filled or stay NaN."""
    numeric, categorical = list(data.numeric), list(data.categorical)
    scale: Any = StandardScaler()
    if fill:
        mean = SimpleImputer(keep_empty_features=True)
        scale = make_pipeline(mean, scale)
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    if not categorical:
        return make_column_transformer((scale, numeric))
    return make_column_transformer((scale, numeric), (hot, categorical))


class Encoded:
    """Base of the rebuilders: rows as centred features, the numeric ones first."""

    def __init__(self, data: Data) -> None:
        self.features = features(data, fill=False).fit(data.X)
        scaler = self.features.transformers_[0][1]
        self.mean, self.scale = np.nan_to_num(scaler.mean_), scaler.scale_
        Z = self.features.transform(data.X)
        self.center = np.nan_to_num(np.nanmean(Z, axis=0))
        self.fit(Z - self.center)

    def fit(self, Z: np.ndarray) -> None:
        """Learn from training rows, (n, n_features), NaN where nothing is known."""

    def rebuilt(self, Z: np.ndarray) -> np.ndarray:
        """Return the features rebuilt."""
        raise NotImplementedError

    def rebuild(self, X: pd.DataFrame) -> np.ndarray:
        """Return the numeric columns."""
        Z = self.rebuilt(self.features.transform(X) - self.center) + self.center
        return Z[:, : len(self.mean)] * self.scale + self.mean


class ColumnMean(Encoded):
    """The mean of the column, whatever is measured."""

    def rebuilt(self, Z: np.ndarray) -> np.ndarray:
        return np.zeros_like(Z)


class AsMeasured(Encoded):
    """What is measured, and the mean in gaps."""

    def rebuilt(self, Z: np.ndarray) -> np.ndarray:
        return np.nan_to_num(Z)


class PCARows(Encoded):
    """Projection on principal axes; gaps are filled by it, turn by turn.

    How many axes is chosen on training rows that were set aside, some of their cells
    hidden, before the axes are learned from all.
    """

    def fit(self, Z: np.ndarray) -> None:
        n_aside = max(1, int(VALIDATION_SHARE * len(Z)))
        draw = np.random.default_rng(0)
        rows = draw.permutation(len(Z))
        aside, axes = Z[rows[:n_aside]], _axes(Z[rows[n_aside:]])
        hidden = (draw.random(aside.shape) < HIDDEN_SHARE) & ~np.isnan(aside)
        shown = np.where(hidden, np.nan, aside)

        def error(size: int) -> float:
            missed = _project(shown, axes[:, :size]) - aside
            return float((missed[hidden] ** 2).sum())

        sizes = [size for size in SIZES if size < Z.shape[1]] or [1]
        self.size = min(sizes, key=error)
        self.axes = _axes(Z)[:, : self.size]

    def rebuilt(self, Z: np.ndarray) -> np.ndarray:
        filled = np.where(np.isnan(Z), _project(Z, self.axes), Z)
        return filled @ self.axes @ self.axes.T


def _axes(Z: np.ndarray) -> np.ndarray:
    """Return all principal axes, the largest first."""
    filled = np.nan_to_num(Z)
    return np.linalg.eigh(filled.T @ filled)[1][:, ::-1]


def _project(Z: np.ndarray, axes: np.ndarray) -> np.ndarray:
    missing = np.isnan(Z)
    filled = np.nan_to_num(Z)
    projected = filled @ axes @ axes.T
    for _ in range(N_TURNS if missing.any() else 0):
        filled[missing] = projected[missing]
        projected = filled @ axes @ axes.T
    return projected


class Neighbours(Encoded):
    """The mean of the nearest training rows."""

    def fit(self, Z: np.ndarray) -> None:
        rows = np.random.default_rng(0).permutation(len(Z))[:MOST_DONORS]
        donors = Z[np.sort(rows)]
        k = min(N_NEIGHBORS, len(donors))
        self.imputer = KNNImputer(n_neighbors=k, keep_empty_features=True).fit(donors)
        self.donors = self.imputer.transform(donors)
        self.search = NearestNeighbors(n_neighbors=k).fit(self.donors)

    def rebuilt(self, Z: np.ndarray) -> np.ndarray:
        missing = np.isnan(Z)
        filled = self.imputer.transform(Z)
        nearest = self.search.kneighbors(filled, return_distance=False)
        return np.where(missing, filled, self.donors[nearest].mean(axis=1))


class Regressions(Encoded):
    """Each cell by a linear regression on the other cells of its row."""

    normal: Normal

    def fit(self, Z: np.ndarray) -> None:
        self.normal = fit_normal(np.nan_to_num(Z), np.isnan(Z))

    def rebuilt(self, Z: np.ndarray) -> np.ndarray:
        missing = np.isnan(Z)
        filled = self.normal.fill(np.nan_to_num(Z), missing)
        pull = (filled - self.normal.mean) @ self.normal.precision
        others = filled - pull / np.diag(self.normal.precision)
        return np.where(missing, filled, others)


#: The name of a simple method: how it learns from the training rows.
REBUILDERS: dict[str, Callable[[Data], Rebuilder]] = {
    "as_measured": AsMeasured,
    "column_mean": ColumnMean,
    "pca": PCARows,
    "neighbors": Neighbours,
    "regressions": Regressions,
}
