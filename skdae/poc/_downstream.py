"""Experiment 2: the task on the target, by our estimators and by the usual methods."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
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
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from skdae._outlier._detector import GradualDAEOutlierDetector
from skdae._supervised import GradualDAEClassifier, GradualDAERegressor
from skdae._transformer import GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae.poc._data import Data
from skdae.poc._denoising import features, restore_results, table_restorer
from skdae.poc._plan import Setting, Unit
from skdae.poc._resources import cost_records, network_size, rows_per_second, timed
from skdae.poc._results import DOWNSTREAM, Record, jackknife, row_folds

UNTRAINED, CODES, OUR_DETECTOR = "untrained", "linear_codes", "detector_"
ALL = "all"  # condition: every label there is
PER_CLASS = 2  # labelled rows of each class, whatever the number of labels
RARE = 0.1  # share of the rarer of two classes below which accuracy says little
PCA_SHARE = 0.99  # of the variance that the axes keep
N_NEIGHBORS = 5
STRENGTHS = np.logspace(-2, 4, 7)  # of the ridge penalty, chosen within training rows
PICTURED = 300  # test rows of the plot of predictions
# what suits a random encoder best: all of it learns at the full rate from the start
FROM_SCRATCH: dict[str, Any] = {"encoder_rate": 1.0, "unfreezing": "joint"}
MIN_PROBABILITY = 1e-6  # in the logarithmic loss


# --- measures, the lower the better ---------------------------------------------------


def log_loss(y: np.ndarray, p: np.ndarray, classes: np.ndarray) -> float:
    """Return the mean negative logarithm of the probability of the class."""
    own = (p * (y[:, None] == classes)).sum(axis=1)  # 0 for a class never seen
    return -np.log(np.clip(own, MIN_PROBABILITY, 1)).mean()


def one_minus_auroc(y: np.ndarray, p: np.ndarray, classes: np.ndarray) -> float:
    """Return 1 - AUC of each class against the others, the mean over classes."""
    missed = [
        1 - roc_auc_score(y == c, p[:, k])
        for k, c in enumerate(classes)
        if 0 < (y == c).sum() < len(y)
    ]
    return np.mean(missed) if missed else 0.5


def one_minus_average_precision(
    y: np.ndarray, p: np.ndarray, classes: np.ndarray
) -> float:
    """Return 1 - average precision of the last class."""
    if not (y == classes[-1]).any():
        return 1.0
    return 1 - average_precision_score(y == classes[-1], p[:, -1])


#: Measures of class probabilities, or of numbers.
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "share_wrong": lambda y, p, classes: np.mean(classes[p.argmax(axis=1)] != y),
    "log_loss": log_loss,
    "one_minus_auroc": one_minus_auroc,
    "one_minus_average_precision": one_minus_average_precision,
    "rmse": lambda y, p, classes: np.sqrt(np.mean((p - y) ** 2)),
}


def task_measures(data: Data) -> list[str]:
    """Return the measures of a task, the one that decides first."""
    if data.task == "regression":
        return ["rmse"]
    if data.task == "anomaly":
        return ["one_minus_auroc", "one_minus_average_precision"]
    counts = data.class_counts
    is_rare = len(counts) == 2 and counts.min() < RARE * counts.sum()
    first = ["one_minus_average_precision"] if is_rare else []
    return [*first, "share_wrong", "one_minus_auroc", "log_loss"]


def error_records(
    setting: Setting,
    where: tuple[str, str, int],
    found: tuple[np.ndarray, np.ndarray],
    test: Data,
) -> list[Record]:
    """Return the errors of predictions, (p, classes), on the test rows of a split."""
    p, classes = found
    y, folds = test.target_of(np.arange(len(test.X))), row_folds(test)

    def on(measure: Callable[..., float], keep: np.ndarray) -> float:
        return float(measure(y[keep], p[keep], classes))

    return [
        Record(DOWNSTREAM, *where, name, *jackknife(partial(on, MEASURES[name]), folds))
        for name in task_measures(setting.data)
    ]


def predicted(setting: Setting, model: Any, X: pd.DataFrame) -> Any:
    """Return predictions of an estimator, and classes with the rarest one last."""
    if setting.data.task == "regression":
        return model.predict(X), np.empty(0)
    classes = np.asarray(model.classes_)
    counts = setting.data.class_counts[classes.astype(int)]
    order = np.argsort(-counts, kind="stable")
    return model.predict_proba(X)[:, order], classes[order]


# --- the usual methods ----------------------------------------------------------------


#: By task; the penalty of the ridge is chosen within the training rows.
LINEAR: dict[str | None, Any] = {
    "classification": LogisticRegression(max_iter=1000),
    "regression": RidgeCV(STRENGTHS),
}
BOOSTING: dict[str | None, Any] = {
    "classification": HistGradientBoostingClassifier,
    "regression": HistGradientBoostingRegressor,
}
#: The shares of the classes, or the mean, for every row.
CONSTANT: dict[str | None, Any] = {
    "classification": DummyClassifier,
    "regression": DummyRegressor,
}
OURS: dict[str | None, Any] = {
    "classification": GradualDAEClassifier,
    "regression": GradualDAERegressor,
}


def on_pca(data: Data) -> Any:
    """A linear model on principal axes that were learned from all training rows."""
    axes = make_pipeline(features(data, fill=True), PCA(PCA_SHARE, svd_solver="full"))
    return make_pipeline(FrozenEstimator(axes.fit(data.X)), clone(LINEAR[data.task]))


def boosting(data: Data) -> Any:
    """Gradient boosting on the table, text as categories."""
    categorical = list(data.categorical)
    coded = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=250
    )
    columns = make_column_transformer((coded, categorical), remainder="passthrough")
    places = list(range(len(categorical)))
    model = BOOSTING[data.task](categorical_features=places, random_state=0)
    return make_pipeline(columns, model)


#: Estimators to be fitted on labelled rows, made from all training rows.
PREDICTORS: dict[str, Callable[[Data], Any]] = {
    "constant": lambda data: CONSTANT[data.task](),
    "linear_raw": lambda data: make_pipeline(
        features(data, fill=True), clone(LINEAR[data.task])
    ),
    "linear_pca": on_pca,
    "boosting": boosting,
}


Score = Callable[[Any], np.ndarray]  # of rows, the higher the more anomalous


def forest(Z: np.ndarray, seed: int) -> Score:
    """An isolation forest on the table."""
    model = IsolationForest(n_estimators=200, random_state=seed).fit(Z)
    return lambda rows: -model.score_samples(rows)


def mahalanobis(Z: np.ndarray, seed: int) -> Score:
    """The distance from the mean under a shrunk covariance."""
    return LedoitWolf().fit(Z).mahalanobis


def nearest_rows(Z: np.ndarray, seed: int) -> Score:
    """The mean distance to the nearest normal rows."""
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(Z))).fit(Z)
    return lambda rows: search.kneighbors(rows)[0].mean(axis=1)


def pca_residual(Z: np.ndarray, seed: int) -> Score:
    """The squared distance from the plane that holds most of the variance."""
    plane = PCA(0.9, svd_solver="full").fit(Z)

    def score(rows: np.ndarray) -> np.ndarray:
        missed = rows - plane.inverse_transform(plane.transform(rows))
        return (missed**2).sum(axis=1)

    return score


#: Anomaly scores, learned from the features of normal training rows with a seed.
DETECTORS: dict[str, Callable[[np.ndarray, int], Score]] = {
    "constant": lambda Z, seed: lambda rows: np.zeros(len(rows)),  # chance
    "isolation_forest": forest,
    "mahalanobis": mahalanobis,
    "nearest_rows": nearest_rows,
    "pca_residual": pca_residual,
}


def learn_score(setting: Setting, unit: Unit, train: Data) -> Score:
    """Return the anomaly score of a usual detector, or of ours by a schedule."""
    seed = setting.seed_of(unit)
    if unit.method in DETECTORS:
        encode = features(train, fill=True).fit(train.X)
        score = DETECTORS[unit.method](encode.transform(train.X), seed)
        return lambda X: score(encode.transform(X))
    schedule = setting.schedules[unit.method.removeprefix(OUR_DETECTOR)]
    epochs = default_transformer("detector", len(train.X)).max_iter
    network = setting.network(schedule, train, seed, epochs)
    # ranks decide and no threshold: a rate that few rows can promise, in any order
    model = GradualDAEOutlierDetector(network, false_alarm_rate=0.5, random_state=seed)
    model.fit(train.X)
    return lambda X: -model.score_samples(X)


# --- labelled rows and our estimators -------------------------------------------------


def labelled_rows(setting: Setting, split: int, train: Data) -> list[tuple[str, Data]]:
    """Return rows with a label for each count; the smaller sets are in the larger.

    The first ones have `PER_CLASS` rows of each class, the others come at random.
    """
    rows = np.flatnonzero(train.known)
    draw = np.random.default_rng([setting.seed, split, 3])
    rows = draw.permutation(rows)
    if train.task == "classification":
        y = train.target_of(rows)
        place = pd.Series(y).groupby(y).cumcount()
        rows = rows[np.argsort(place.to_numpy() >= PER_CLASS, kind="stable")]
    most = setting.label_counts[-1]  # as many as there are, where the split has fewer
    counts = [n for n in setting.label_counts if n < len(rows) or n == most]
    return [(condition(n), train.take(np.sort(rows[: n or None]))) for n in counts]


def condition(n_labels: int) -> str:
    """Return what a number of labels is called in the result table; 0 is all."""
    return str(n_labels) if n_labels else ALL


def labelled(test: Data) -> Data:
    """Return the rows with a target."""
    return test.take(np.flatnonzero(test.known))


def fine_tuned(
    setting: Setting, dae: Any, known: Data, seed: int, **params: Any
) -> Any:
    """Return our estimator, fitted on labelled rows."""
    model = OURS[setting.data.task](FrozenEstimator(dae), random_state=seed, **params)
    return model.fit(known.X, known.y)


def on_codes(setting: Setting, dae: GradualDAETransformer, known: Data) -> Any:
    """Return a linear model on the codes of all layers, side by side."""
    codes = FrozenEstimator(copy(dae).set_params(output="layers"))
    model = make_pipeline(codes, StandardScaler(), clone(LINEAR[setting.data.task]))
    return model.fit(known.X, known.y)


def picture(method: str, model: Any, test: Data) -> dict[str, Any]:
    """Return predictions beside the truth, for a plot."""
    rows = test.take(np.arange(len(test.X))[:: -(-len(test.X) // PICTURED)])
    pairs = {"actual": np.asarray(rows.y), "predicted": model.predict(rows.X)}
    rounded = {n: [float(f"{v:.5g}") for v in values] for n, values in pairs.items()}
    return {"method": method} | rounded


# --- units ----------------------------------------------------------------------------

Fit = Callable[[Data], Any]  # of labelled rows


def predict(
    setting: Setting, split: int, methods: dict[str, Fit]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return errors for each number of labels, and the costs of the last fit."""
    train, test = setting.rows(split)
    test = labelled(test)
    records: list[Record] = []
    models: dict[str, Any] = {}
    for labels, known in labelled_rows(setting, split, train):
        for method, fit in methods.items():
            models[method], costs = timed(partial(fit, known))
            found = predicted(setting, models[method], test.X)
            records += error_records(setting, (method, labels, split), found, test)
    costs["rows_per_second"] = rows_per_second(
        lambda rows: models[method].predict(rows.X), test
    )
    pictures = []
    if split == 0 and setting.data.task == "regression":
        pictures = [picture(*item, test) for item in models.items()]
    return {"records": records, "predictions": pictures}, costs


def run_network(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a schedule: restored rows, and the task from the pretrained weights."""
    train, test = setting.rows(unit.split)
    seed, name = setting.seed_of(unit), unit.method
    dae = setting.network(setting.schedules[name], train, seed, setting.max_iter)
    _, costs = timed(lambda: dae.fit(train.X))
    restore = table_restorer(train, lambda rows: dae.reconstruct(rows.X))
    found = restore_results(restore, setting, unit, train, test)
    costs["rows_per_second"] = rows_per_second(restore, test)
    found["records"] += cost_records(unit, costs | network_size(dae))
    if setting.data.task in ("classification", "regression"):
        methods = {name: lambda known: fine_tuned(setting, dae, known, seed)}
        if name == next(iter(setting.schedules)):
            methods[CODES] = lambda known: on_codes(setting, dae, known)
        task, _ = predict(setting, unit.split, methods)
        found["records"] += task["records"]
        found["predictions"] = task["predictions"]
    return found


def run_predictor(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a usual method, or our network without pretraining, on labels alone."""
    train, _ = setting.rows(unit.split)
    fit = (
        from_scratch(setting, train, setting.seed_of(unit))
        if unit.method == UNTRAINED
        else lambda known: PREDICTORS[unit.method](train).fit(known.X, known.y)
    )
    found, costs = predict(setting, unit.split, {unit.method: fit})
    found["records"] += cost_records(unit, costs)
    return found


def from_scratch(setting: Setting, train: Data, seed: int) -> Fit:
    """Return how our estimator is fitted from random weights."""
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    dae = setting.network("gradual", train, seed, depth)
    dae.set_params(learning_rate_init=1e-12).fit(train.X)  # the scaling is learned
    return lambda known: fine_tuned(setting, dae, known, seed, **FROM_SCRATCH)


def run_detector(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a detector of anomalies."""
    train, test = setting.rows(unit.split)
    score, costs = timed(partial(learn_score, setting, unit, train))
    test = labelled(test)
    scores = score(test.X)
    found = np.column_stack([-scores, scores]), np.array([0.0, 1.0])
    where = (unit.method, ALL, unit.split)
    records = error_records(setting, where, found, test)
    costs["rows_per_second"] = rows_per_second(lambda rows: score(rows.X), test)
    return {"records": records + cost_records(unit, costs)}
