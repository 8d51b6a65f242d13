"""What skdae has to beat: other ways to rebuild a row and to score it."""

import warnings
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def standardise() -> Pipeline:
    """Columns of mean 0 and deviation 1, gaps at the mean."""
    fill = SimpleImputer(strategy="constant", fill_value=0, keep_empty_features=True)
    return make_pipeline(StandardScaler(), fill)


class PCARebuilder:
    """PCA of standardised columns; gaps are filled with the projection, in turns.

    One turn fills a gap with the mean and projects once; more turns go on from the
    cell that was rebuilt, as the usual algorithm for PCA with missing values does.
    """

    def __init__(self, n_components: int, *, n_turns: int = 20) -> None:
        self.n_components, self.n_turns = n_components, n_turns

    def fit(self, X: np.ndarray) -> "PCARebuilder":
        """Learn the components."""
        self.scaler_ = StandardScaler().fit(X)
        Z = self.scaler_.transform(X)
        gaps = np.isnan(Z)
        filled = np.where(gaps, 0, Z)
        for _ in range(self.n_turns if gaps.any() else 1):
            self.pca_ = PCA(self.n_components, svd_solver="covariance_eigh").fit(filled)
            filled = np.where(gaps, self._project(filled), Z)
        return self

    def _project(self, Z: np.ndarray) -> np.ndarray:
        return self.pca_.inverse_transform(self.pca_.transform(Z))

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """Rebuild every cell."""
        Z = self.scaler_.transform(X)
        gaps = np.isnan(Z)
        rebuilt = self._project(np.where(gaps, 0, Z))
        for _ in range(self.n_turns - 1 if gaps.any() else 0):
            rebuilt = self._project(np.where(gaps, rebuilt, Z))
        return self.scaler_.inverse_transform(rebuilt)


class ImputerRebuilder:
    """An imputer of scikit-learn on standardised columns; known cells stay."""

    def __init__(self, imputer: Any) -> None:
        self.imputer = imputer

    def fit(self, X: np.ndarray) -> "ImputerRebuilder":
        """Learn how to fill gaps."""
        self.scaler_ = StandardScaler().fit(X)
        with warnings.catch_warnings():
            # five rounds are enough here; it warns that they may not be
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.imputer.fit(self.scaler_.transform(X))
        return self

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """Fill the gaps."""
        return self.scaler_.inverse_transform(
            self.imputer.transform(self.scaler_.transform(X))
        )


def column_means() -> ImputerRebuilder:
    """Gaps at the mean of the column."""
    return ImputerRebuilder(SimpleImputer(keep_empty_features=True))


def neighbours() -> ImputerRebuilder:
    """Gaps from the five rows that are nearest in the cells both have."""
    return ImputerRebuilder(KNNImputer(keep_empty_features=True))


def regressions(n_rounds: int) -> ImputerRebuilder:
    """Gaps from a linear regression per column on all others, in rounds."""
    return ImputerRebuilder(IterativeImputer(max_iter=n_rounds, random_state=0))


# --- scores of rows: higher is stranger ---------------------------------------


def mahalanobis(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Distance from the mean in the training rows' own shape; one formula."""
    prepare = standardise().fit(train)
    inverse = np.linalg.pinv(np.cov(prepare.transform(train).T))
    Z = prepare.transform(test)
    return np.einsum("ij,jk,ik->i", Z, inverse, Z)


def nearest_rows(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Mean distance to the five nearest training rows."""
    prepare = standardise().fit(train)
    search = NearestNeighbors(n_neighbors=5).fit(prepare.transform(train))
    return search.kneighbors(prepare.transform(test))[0].mean(axis=1)


def pca_residual(n_components: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Squared distance from the plane of the first components."""
    prepare = standardise().fit(train)
    pca = PCA(n_components).fit(prepare.transform(train))
    Z = prepare.transform(test)
    return ((Z - pca.inverse_transform(pca.transform(Z))) ** 2).sum(axis=1)
