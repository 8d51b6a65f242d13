"""Experiment 2: the task on the target, by our estimators and by the usual methods."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

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
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from skdae._outlier._detector import GradualDAEOutlierDetector
from skdae._outlier._folds import number_of_folds
from skdae._supervised import GradualDAEClassifier, GradualDAERegressor
from skdae._transformer import GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae.poc._data import Data
from skdae.poc._denoising import (
    NetworkRestorer,
    features,
    inliers,
    restore_results,
)
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


def primary_measure(data: Data) -> str:
    """Return the measure by which methods are compared."""
    if data.task == "regression":
        return "rmse"
    if data.task == "anomaly":
        return "one_minus_auroc"
    counts = data.class_counts
    rare = len(counts) == 2 and counts.min() < RARE * counts.sum()
    return "one_minus_average_precision" if rare else "share_wrong"


def rmse(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the root mean squared error."""
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def share_wrong(y: np.ndarray, p: np.ndarray, classes: np.ndarray) -> float:
    """Return the share of rows whose likeliest class is not theirs."""
    return float(np.mean(classes[p.argmax(axis=1)] != y))


def log_loss(y: np.ndarray, p: np.ndarray, classes: np.ndarray) -> float:
    """Return the mean negative logarithm of the probability of the class."""
    own = (p * (y[:, None] == classes)).sum(axis=1)  # 0 for a class never seen
    return float(-np.log(np.clip(own, MIN_PROBABILITY, 1)).mean())


def one_minus_auroc(y: np.ndarray, p: np.ndarray, classes: np.ndarray) -> float:
    """Return 1 - AUC of each class against the others, the mean over classes."""
    missed = [
        1 - roc_auc_score(y == c, p[:, k])
        for k, c in enumerate(classes)
        if 0 < (y == c).sum() < len(y)
    ]
    return float(np.mean(missed)) if missed else 0.5


def one_minus_average_precision(
    y: np.ndarray, p: np.ndarray, classes: np.ndarray
) -> float:
    """Return 1 - average precision of the last class."""
    if not (y == classes[-1]).any():
        return 1.0
    return 1 - float(average_precision_score(y == classes[-1], p[:, -1]))


#: Measures of class probabilities.
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "share_wrong": share_wrong,
    "log_loss": log_loss,
    "one_minus_auroc": one_minus_auroc,
    "one_minus_average_precision": one_minus_average_precision,
}


def task_measures(data: Data) -> list[str]:
    """Return the measures of a task, the one that decides first."""
    first = primary_measure(data)
    if data.task == "regression":
        return [first]
    if data.task == "anomaly":
        return [first, "one_minus_average_precision"]
    others = ["share_wrong", "one_minus_auroc", "log_loss"]
    return [first, *(name for name in others if name != first)]


def prediction_records(
    data: Data, method: str, condition: str, split: int, model: Any, test: Data
) -> list[Record]:
    """Return the errors of a fitted estimator on test rows."""
    folds = row_folds(test)
    y = np.asarray(test.y)
    if data.task == "regression":
        predicted = model.predict(test.X)
        found = {"rmse": jackknife(lambda keep: rmse(y[keep], predicted[keep]), folds)}
    else:
        # the rarest class last: average precision is that of the last one
        classes = np.asarray(model.classes_)
        order = np.argsort(-data.class_counts[classes.astype(int)], kind="stable")
        p, classes = model.predict_proba(test.X)[:, order], classes[order]
        found = {
            name: jackknife(partial(_score, name, y, p, classes), folds)
            for name in task_measures(data)
        }
    return [
        Record(DOWNSTREAM, method, condition, split, name, *values)
        for name, values in found.items()
    ]


def _score(
    name: str, y: np.ndarray, p: np.ndarray, classes: np.ndarray, keep: np.ndarray
) -> float:
    return MEASURES[name](y[keep], p[keep], classes)


def anomaly_records(unit: Unit, scores: np.ndarray, test: Data) -> list[Record]:
    """Return the errors of anomaly scores of rows, the higher the more anomalous."""
    y, folds, classes = np.asarray(test.y), row_folds(test), np.array([0.0, 1.0])
    p = np.column_stack([-scores, scores])
    return [
        Record(
            DOWNSTREAM,
            unit.method,
            ALL,
            unit.split,
            name,
            *jackknife(partial(_score, name, y, p, classes), folds),
        )
        for name in ("one_minus_auroc", "one_minus_average_precision")
    ]


# --- the usual methods ----------------------------------------------------------------


def linear_model(data: Data) -> Any:
    """A linear model; the penalty of the ridge is chosen within the training rows."""
    if data.task == "regression":
        return RidgeCV(STRENGTHS)
    return LogisticRegression(max_iter=1000)


def on_raw(data: Data) -> Any:
    """A linear model on the standardised table."""
    return make_pipeline(features(data, fill=True), linear_model(data))


def on_pca(data: Data) -> Any:
    """A linear model on principal axes that were learned from all training rows."""
    axes = make_pipeline(features(data, fill=True), PCA(PCA_SHARE, svd_solver="full"))
    return make_pipeline(FrozenEstimator(axes.fit(data.X)), linear_model(data))


def boosting(data: Data) -> Any:
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


def constant(data: Data) -> Any:
    """The shares of the classes, or the mean, for every row."""
    return DummyRegressor() if data.task == "regression" else DummyClassifier()


#: Estimators to be fitted on labelled rows, made from all training rows.
PREDICTORS: dict[str, Callable[[Data], Any]] = {
    "constant": constant,
    "linear_raw": on_raw,
    "linear_pca": on_pca,
    "boosting": boosting,
}


class Score(Protocol):
    """Anomaly scores of rows, the higher the more anomalous."""

    def __call__(self, X: pd.DataFrame) -> np.ndarray: ...


def _prepared(normal: Data) -> tuple[Any, np.ndarray]:
    prepare = features(normal, fill=True).fit(normal.X)
    return prepare, prepare.transform(normal.X)


def forest(normal: Data, seed: int) -> Score:
    """An isolation forest on the table."""
    prepare, Z = _prepared(normal)
    model = IsolationForest(n_estimators=200, random_state=seed).fit(Z)
    return lambda X: -model.score_samples(prepare.transform(X))


def mahalanobis(normal: Data, seed: int) -> Score:
    """The distance from the mean under a shrunk covariance."""
    prepare, Z = _prepared(normal)
    model = LedoitWolf().fit(Z)
    return lambda X: model.mahalanobis(prepare.transform(X))


def neighbours(normal: Data, seed: int) -> Score:
    """The mean distance to the nearest normal rows."""
    prepare, Z = _prepared(normal)
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(Z))).fit(Z)
    return lambda X: search.kneighbors(prepare.transform(X))[0].mean(axis=1)


def pca_residual(normal: Data, seed: int) -> Score:
    """The squared distance from the plane that holds most of the variance."""
    prepare, Z = _prepared(normal)
    plane = PCA(0.9, svd_solver="full").fit(Z)

    def residual(X: pd.DataFrame) -> np.ndarray:
        rows = prepare.transform(X)
        missed = rows - plane.inverse_transform(plane.transform(rows))
        return (missed**2).sum(axis=1)

    return residual


def same(normal: Data, seed: int) -> Score:
    """The same for every row: chance."""
    return lambda X: np.zeros(len(X))


#: Anomaly scores, learned from the normal training rows with a seed.
DETECTORS: dict[str, Callable[[Data, int], Score]] = {
    "constant": same,
    "isolation_forest": forest,
    "mahalanobis": mahalanobis,
    "nearest_rows": neighbours,
    "pca_residual": pca_residual,
}


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
    """Return the test rows with a target."""
    return test.take(np.flatnonzero(test.known))


def fine_tuned(
    setting: Setting, dae: Any, known: Data, seed: int, **params: Any
) -> Any:
    """Return our estimator, fitted on labelled rows."""
    kind: Any = (
        GradualDAERegressor
        if setting.data.task == "regression"
        else GradualDAEClassifier
    )
    model = kind(FrozenEstimator(dae), random_state=seed, **params)
    return model.fit(known.X, known.y)


def on_codes(setting: Setting, dae: GradualDAETransformer, known: Data) -> Any:
    """Return a linear model on the codes of all layers, side by side."""
    codes = GradualDAETransformer(**dae.get_params(deep=False))
    codes.__dict__.update(dae.__dict__ | {"output": "layers"})
    model = make_pipeline(
        FrozenEstimator(codes), StandardScaler(), linear_model(setting.data)
    )
    return model.fit(known.X, known.y)


def picture(method: str, model: Any, test: Data) -> dict[str, Any]:
    """Return predictions beside the truth, for a plot."""
    rows = test.take(np.arange(len(test.X))[:: -(-len(test.X) // PICTURED)])
    pairs = {"actual": np.asarray(rows.y), "predicted": model.predict(rows.X)}
    rounded = {n: [float(f"{v:.5g}") for v in values] for n, values in pairs.items()}
    return {"method": method} | rounded


def detector_epochs(n_rows: int) -> int:
    """Return the epochs over all rows that a detector with its defaults takes."""
    n_folds = number_of_folds("auto", "random", n_rows, None)
    return default_transformer("detector", n_rows).max_iter * (n_folds - 1)


# --- units ----------------------------------------------------------------------------

Fit = Callable[[Data], Any]  # of labelled rows


def _predicted(
    setting: Setting, unit: Unit, train: Data, test: Data, methods: dict[str, Fit]
) -> dict[str, Any]:
    """Return errors and costs of fits for each number of labels."""
    records: list[Record] = []
    costs: dict[str, float] = {}
    models: dict[str, Any] = {}
    for labels, known in labelled_rows(setting, unit.split, train):
        for method, fit in methods.items():
            models[method], seconds = timed(partial(fit, known))
            where = (method, labels, unit.split, models[method])
            records += prediction_records(setting.data, *where, test)
            if method == unit.method:
                costs = seconds
    pictures = []
    if unit.split == 0 and setting.data.task == "regression":
        pictures = [picture(*item, test) for item in models.items()]
    predict = models[unit.method].predict
    costs["rows_per_second"] = rows_per_second(lambda rows: predict(rows.X), test)
    return {"records": records, "costs": costs, "predictions": pictures}


def run_network(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a schedule: restored rows, and the task from the pretrained weights."""
    train, test = setting.rows(unit.split)
    seed, name = setting.seed_of(unit), unit.method
    schedule = setting.schedules[name]
    dae, costs = timed(
        lambda: setting.network(schedule, train, seed, setting.max_iter).fit(train.X)
    )
    costs |= network_size(dae)
    rows, model = inliers(setting, test), NetworkRestorer(dae)
    costs["rows_per_second"] = rows_per_second(model.restore, rows)
    found = restore_results(model, setting, unit, train, rows)
    found["records"] += cost_records(unit, costs)
    if setting.data.task in ("classification", "regression"):
        methods: dict[str, Fit] = {
            name: lambda known: fine_tuned(setting, dae, known, seed)
        }
        if name == next(iter(setting.schedules)):
            methods[CODES] = lambda known: on_codes(setting, dae, known)
        task = _predicted(setting, unit, train, labelled(test), methods)
        found["records"] += task["records"]
        found["predictions"] = task["predictions"]
    return found


def run_untrained(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run the same network without pretraining, on labels alone."""
    train, test = setting.rows(unit.split)
    seed = setting.seed_of(unit)
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    dae = setting.network("gradual", train, seed, depth)
    dae.set_params(learning_rate_init=1e-12).fit(train.X)  # the scaling is learned
    methods: dict[str, Fit] = {
        unit.method: lambda known: fine_tuned(setting, dae, known, seed, **FROM_SCRATCH)
    }
    return _with_costs(unit, _predicted(setting, unit, train, labelled(test), methods))


def run_predictor(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a usual method, for each number of labels."""
    train, test = setting.rows(unit.split)

    def fit(known: Data) -> Any:
        return PREDICTORS[unit.method](train).fit(known.X, known.y)

    found = _predicted(setting, unit, train, labelled(test), {unit.method: fit})
    return _with_costs(unit, found)


def _with_costs(unit: Unit, found: dict[str, Any]) -> dict[str, Any]:
    records = found["records"] + cost_records(unit, found["costs"])
    return {"records": records, "predictions": found["predictions"]}


def run_detector(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a usual detector of anomalies."""
    train, test = setting.rows(unit.split)
    learn = partial(DETECTORS[unit.method], train, setting.seed_of(unit))
    score, costs = timed(learn)
    return _detected(unit, score, labelled(test), costs)


def run_our_detector(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run our detector, whose networks are trained by a schedule."""
    train, test = setting.rows(unit.split)
    seed = setting.seed_of(unit)
    schedule = setting.schedules[unit.method.removeprefix(OUR_DETECTOR)]
    epochs = default_transformer("detector", len(train.X)).max_iter
    network = setting.network(schedule, train, seed, epochs)
    # ranks decide and no threshold: a rate that few rows can promise, in any order
    model = GradualDAEOutlierDetector(network, false_alarm_rate=0.5, random_state=seed)
    model, costs = timed(partial(model.fit, train.X))
    return _detected(unit, lambda X: -model.score_samples(X), labelled(test), costs)


def _detected(
    unit: Unit, score: Score, test: Data, costs: dict[str, float]
) -> dict[str, Any]:
    costs["rows_per_second"] = rows_per_second(lambda rows: score(rows.X), test)
    records = anomaly_records(unit, score(test.X), test)
    return {"records": records + cost_records(unit, costs)}
