"""Added layers that begin as copies against random ones, estimator by estimator.

Each estimator has the defaults, on few rows of each set, and differs in the `start` of
its schedule alone; errors are those of held-out rows. See README.md for the rule.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from _anomaly_sets import labelled_sets
from _labelled import Labelled, labelled_tables
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import RATIO, Results, comparison_row, error_table, markdown
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score

from skdae import (
    GradualDAEClassifier,
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae._transformer._defaults import default_transformer
from skdae.schedules import Gradual

N_TRAIN, N_LABELS, N_TEST = 400, 100, 1_500
HIDDEN, NOISE = 0.2, 0.5  # of the cells; in standard deviations
COPY, RANDOM = "copy", "random"
TABLES = (
    "pendigits",
    "satimage",
    "occupancy",
    "steel_plates",
    "wall_robot",
    "letter",
    "gas_drift",
    "air_quality",
    "gas_turbine",
    "wine_quality",
)
ANOMALIES = (
    "6_cardio",
    "30_satellite",
    "28_pendigits",
    "41_Waveform",
    "42_WBC",
    "40_vowels",
    "18_Ionosphere",
    "2_annthyroid",
    "38_thyroid",
    "7_Cardiotocography",
)


class Problem(NamedTuple):
    """Rows to learn from, and others, of a table or of a set of anomalies."""

    train: np.ndarray
    test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray
    task: str  # 'classification', 'regression' or 'anomalies'
    seed: int


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Problem:
    """At most `N_TRAIN` and `N_TEST` rows; the first of the former have labels."""
    generator = np.random.default_rng(seed)
    if name in ANOMALIES:
        found = labelled_sets(args.data)[name]()
        train, test = found.one_class(seed, N_TRAIN)
        task = "anomalies"
    else:
        labelled: Labelled = labelled_tables(args.data)[name]()
        rows, test = labelled.split(seed)
        own = labelled.labelled(rows, N_LABELS, seed)
        rest = generator.permutation(np.setdiff1d(rows, own))
        train, found, task = np.r_[own, rest][:N_TRAIN], labelled, labelled.task
    test = generator.permutation(test)[:N_TEST]
    X = found.X if task == "anomalies" else found.table.X.astype(float)
    return Problem(X[train], X[test], found.y[train], found.y[test], task, seed)


# --- an estimator, and its error on the test rows ------------------------------------


def scale_of(X: np.ndarray) -> np.ndarray:
    """Standard deviations of the columns, 1 for constant ones."""
    scale = np.nanstd(X, axis=0)
    return np.where(scale > 0, scale, 1)


def rms(errors: np.ndarray) -> float:
    """The root mean square of what is known."""
    return float(np.sqrt(np.nanmean(errors**2)))


def hidden(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows without some of their cells, and which."""
    is_hidden = np.random.default_rng(seed).random(X.shape) < HIDDEN
    return np.where(is_hidden, np.nan, X), is_hidden


def of_transformer(p: Problem, network: GradualDAETransformer, **params: Any) -> float:
    """Hidden cells as `reconstruct` imputes them."""
    X, is_hidden = hidden(p.test, p.seed)
    rebuilt = network.set_params(**params).fit(p.train).reconstruct(X)
    return rms(((rebuilt - p.test) / scale_of(p.train))[is_hidden])


def of_imputer(p: Problem, network: GradualDAETransformer) -> float:
    """Hidden cells, learned from rows with hidden cells."""
    X, is_hidden = hidden(p.test, p.seed)
    imputer = GradualDAEImputer(network, random_state=p.seed)
    filled = imputer.fit(hidden(p.train, p.seed + 1)[0]).transform(X)
    return rms(((filled - p.test) / scale_of(p.train))[is_hidden])


def of_denoiser(p: Problem, network: GradualDAETransformer) -> float:
    """Cells with normal errors; rows without order."""
    scale = scale_of(p.train)
    errors = np.random.default_rng(p.seed).normal(size=p.test.shape)
    network.set_params(noise="gaussian", noise_rate=NOISE)
    denoiser = GradualDAEDenoiser(network, order=None, random_state=p.seed).fit(p.train)
    return rms((denoiser.transform(p.test + NOISE * scale * errors) - p.test) / scale)


def of_detector(p: Problem, network: GradualDAETransformer, **params: Any) -> float:
    """1 - AUROC."""
    detector = GradualDAEOutlierDetector(network, random_state=p.seed, **params)
    scores = (
        detector.set_params(false_alarm_rate=0.05).fit(p.train).score_samples(p.test)
    )
    return float(1 - roc_auc_score(p.y_test, -scores))


def of_labels(p: Problem, network: GradualDAETransformer, *, n_rows: int) -> float:
    """The error rate, or the RMSE over the standard deviation, of `N_LABELS` labels."""
    is_class = p.task == "classification"
    kind = GradualDAEClassifier if is_class else GradualDAERegressor
    encoder = FrozenEstimator(network.fit(p.train[:n_rows]))
    model = kind(encoder, random_state=p.seed)
    predicted = model.fit(p.train[:N_LABELS], p.y_train[:N_LABELS]).predict(p.test)
    if is_class:
        return float((predicted != p.y_test).mean())
    return rms(predicted - p.y_test) / float(p.y_test.std())


class Condition(NamedTuple):
    """An estimator: whose network it takes, and how its error is measured."""

    user: str | None  # of `default_transformer`; None: the defaults of the class
    error: Callable[..., float]
    is_detector: bool = False


CONDITIONS = {
    "transformer": Condition(None, of_transformer),
    "its network alone": Condition(
        None, partial(of_transformer, validation_fraction=None)
    ),
    "imputer": Condition("imputer", of_imputer),
    "denoiser": Condition("denoiser", of_denoiser),
    "labels, 300 other rows": Condition(
        "classifier", partial(of_labels, n_rows=N_TRAIN)
    ),
    "labels alone": Condition("classifier", partial(of_labels, n_rows=N_LABELS)),
    "detector": Condition("detector", of_detector, True),
    "detector, 'whitened_error'": Condition(
        "detector", partial(of_detector, scores="whitened_error"), True
    ),
}


def applies(problem: Problem, condition: str, method: str) -> bool:
    """Anomalies for the detector, tables for the others."""
    return CONDITIONS[condition].is_detector == (problem.task == "anomalies")


def evaluate(problem: Problem, condition: str, method: str, *, quick: bool) -> Values:
    """Error on the test rows, and seconds."""
    user, error, _ = CONDITIONS[condition]
    network = GradualDAETransformer()
    if user is not None:
        network = default_transformer(user, len(problem.train))
    network.set_params(schedule=Gradual(start=method), random_state=problem.seed)
    if quick:
        network.set_params(max_iter=10)
    value, seconds = timed(partial(error, problem, network))
    return {"error": value, "seconds": seconds, "test_ratio": 0.0}


def report(cells: list) -> list[str]:
    """The ratio of the errors of each estimator over its sets, and all errors."""
    rows = []
    for name in CONDITIONS:
        results = Results([cell for cell in cells if cell.condition == name])
        row = comparison_row(results, COPY, RANDOM, "error", RATIO, [])
        rows += [[name, *row[1:5]]] if row else []
    header = ["", "copy / random", "won", "95 % interval", "Wilcoxon over sets, p"]
    errors = error_table(Results(cells), "error")
    return ["## Errors", markdown(header, rows), "## By set", errors]


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=2, needs_data=True)
    benchmark = Benchmark(
        protocol("start", "errors", args),
        partial(prepare, args=args),
        partial(evaluate, quick=args.quick),
        applies,
    )
    sets = [*TABLES, *ANOMALIES]
    cells = measure(
        benchmark, args, sets=sets, methods=[COPY, RANDOM], conditions=CONDITIONS
    )
    publish(report(cells), args)


if __name__ == "__main__":
    main()
