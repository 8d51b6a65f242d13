"""The rivals of the downstream task: on raw columns, on PCA, on our codes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import (
    average_precision_score,
    mean_squared_error,
    roc_auc_score,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from skdae.poc._data import Data
from skdae.poc._rebuilders import features

RARE = 0.1  # share of the rarer of two classes below which accuracy says nothing
PCA_SHARE = 0.99  # of the variance that the axes keep
N_NEIGHBORS = 5
STRENGTHS = np.logspace(-2, 4, 7)  # of the ridge penalty, chosen within training rows


# --- measures -------------------------------------------------------------------------


def error_name(data: Data) -> str:
    """Return which error the target is judged by; the lower the better."""
    if data.task == "regression":
        return "rmse"
    if data.task == "anomaly":
        return "one_minus_auroc"
    counts = data.class_counts
    rare = len(counts) == 2 and counts.min() < RARE * counts.sum()
    return "one_minus_average_precision" if rare else "share_wrong"


def prediction_error(data: Data, error: str, model: Any, test: Data) -> float:
    """Return the error of a fitted estimator on test rows."""
    if error == "rmse":
        return float(mean_squared_error(test.y, model.predict(test.X)) ** 0.5)
    if error == "share_wrong":
        return float(np.mean(model.predict(test.X) != test.y))
    counts = data.class_counts
    rare = int(counts.argmin())
    is_rare = test.y == rare
    p = model.predict_proba(test.X)[:, list(model.classes_).index(rare)]
    return 1 - float(average_precision_score(is_rare, p))


def anomaly_errors(strangeness: np.ndarray, test: Data) -> dict[str, float]:
    """Return the errors of scores of rows, the higher the stranger."""
    y = test.y
    return {
        "one_minus_auroc": 1 - float(roc_auc_score(y, strangeness)),
        "one_minus_average_precision": 1
        - float(average_precision_score(y, strangeness)),
    }


# --- classes and numbers --------------------------------------------------------------


def linear_model(data: Data) -> Any:
    """A linear model; the penalty of the ridge is chosen within the training rows."""
    if data.task == "regression":
        return RidgeCV(STRENGTHS)
    return LogisticRegression(max_iter=1000)


def on_raw(data: Data, known: Data) -> Any:
    """A linear model on the standardised table."""
    return make_pipeline(features(data, fill=True), linear_model(data))


def on_pca(data: Data, known: Data) -> Any:
    """A linear model on principal axes that were learned from all training rows."""
    axes = make_pipeline(features(data, fill=True), PCA(PCA_SHARE, svd_solver="full"))
    return make_pipeline(FrozenEstimator(axes.fit(data.X)), linear_model(data))


def boosting(data: Data, known: Data) -> Any:
    """Gradient boosting on the table, text as categories."""
    categorical = list(data.categorical)
    parameters: dict[str, Any] = {"random_state": 0}
    kind = (
        HistGradientBoostingRegressor
        if data.task == "regression"
        else HistGradientBoostingClassifier
    )
    if not categorical:
        return kind(**parameters)
    coded = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=250
    )
    columns = make_column_transformer(
        (coded, categorical), remainder="passthrough", verbose_feature_names_out=False
    )
    places = list(range(len(categorical)))
    return make_pipeline(columns, kind(categorical_features=places, **parameters))


def constant(data: Data, known: Data) -> Any:
    """The same answer for every row: the commonest class, or the mean."""
    return DummyRegressor() if data.task == "regression" else DummyClassifier()


#: Estimators of the rows with a label, from all training rows and those.
PREDICTORS: dict[str, Callable[[Data, Data], Any]] = {
    "constant": constant,
    "linear_raw": on_raw,
    "linear_pca": on_pca,
    "boosting": boosting,
}


# --- anomalies ------------------------------------------------------------------------

Strangeness = Callable[[pd.DataFrame], np.ndarray]


def _prepared(normal: Data) -> tuple[Any, np.ndarray]:
    prepare = features(normal, fill=True).fit(normal.X)
    return prepare, prepare.transform(normal.X)


def forest(normal: Data, seed: int) -> Strangeness:
    """An isolation forest on the table."""
    prepare, Z = _prepared(normal)
    model = IsolationForest(n_estimators=200, random_state=seed).fit(Z)
    return lambda X: -model.score_samples(prepare.transform(X))


def mahalanobis(normal: Data, seed: int) -> Strangeness:
    """The distance from the mean under a shrunk covariance."""
    prepare, Z = _prepared(normal)
    model = LedoitWolf().fit(Z)
    return lambda X: model.mahalanobis(prepare.transform(X))


def neighbours(normal: Data, seed: int) -> Strangeness:
    """The mean distance to the nearest normal rows."""
    prepare, Z = _prepared(normal)
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(Z))).fit(Z)
    return lambda X: search.kneighbors(prepare.transform(X))[0].mean(axis=1)


def pca_residual(normal: Data, seed: int) -> Strangeness:
    """The squared distance from the plane that holds most of the variance."""
    prepare, Z = _prepared(normal)
    plane = PCA(0.9, svd_solver="full").fit(Z)

    def strangeness(X: pd.DataFrame) -> np.ndarray:
        rows = prepare.transform(X)
        missed = rows - plane.inverse_transform(plane.transform(rows))
        return (missed**2).sum(axis=1)

    return strangeness


def same(normal: Data, seed: int) -> Strangeness:
    """The same for every row: a coin."""
    return lambda X: np.zeros(len(X))


#: Scores of rows by what they learn from the normal training rows, with a seed.
DETECTORS: dict[str, Callable[[Data, int], Strangeness]] = {
    "constant": same,
    "isolation_forest": forest,
    "mahalanobis": mahalanobis,
    "nearest_rows": neighbours,
    "pca_residual": pca_residual,
}
