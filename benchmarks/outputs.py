"""Which output for what: linear models and isolation forests on each of them.

One transformer with the defaults is fitted per set and seed; its outputs go to a
logistic or ridge regression with few labels, and to an isolation forest that has seen
normal rows. See README.md for the rule by which a default would be chosen.
"""

import argparse
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from _anomaly_sets import labelled_sets
from _detectors import forest
from _labelled import Labelled, labelled_tables
from _reconstruction import fitted_dae, sample
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import Results, error_report, markdown
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAETransformer

MAX_ROWS, QUICK_ROWS = 3_000, 500
LABELS = ("100", "300", "1000")
OMITTED = ("adult", "bank_additional", "gas_drift_ppm")  # long, or a set twice
OURS = {"linear": "inputs_and_code", "forest": "error"}
N_AXES = 64  # of PCA, the width of the code


@dataclass(frozen=True)
class Fitted:
    """A transformer, the rows that it has learned from, and others to score."""

    transformer: GradualDAETransformer
    train: np.ndarray
    test: np.ndarray

    def output(self, names: tuple[str, ...], X: np.ndarray) -> np.ndarray:
        """Outputs side by side."""
        transformer = copy(self.transformer)
        return np.hstack(
            [transformer.set_params(output=name).transform(X) for name in names]
        )


def inputs(fitted: Fitted, X: np.ndarray) -> np.ndarray:
    """The scaled table, missing cells at 0."""
    encoder = fitted.transformer.table_encoder_
    return encoder.encode(encoder.read(fitted.transformer, X))[0]


def axes(fitted: Fitted, X: np.ndarray) -> np.ndarray:
    """Principal components of the standardised inputs."""
    seen = inputs(fitted, fitted.train)
    pca = PCA(min(N_AXES, *seen.shape), random_state=0)
    pipeline = make_pipeline(StandardScaler(), pca).fit(seen)
    return pipeline.transform(inputs(fitted, X))


Features = Callable[[Fitted, np.ndarray], np.ndarray]
METHODS: dict[str, Features] = {
    "the table, scaled": inputs,
    "code": lambda fitted, X: fitted.output(("code",), X),
    "inputs_and_code": lambda fitted, X: fitted.output(("inputs_and_code",), X),
    "layers": lambda fitted, X: fitted.output(("layers",), X),
    "error": lambda fitted, X: fitted.output(("error",), X),
    "code_and_error": lambda fitted, X: fitted.output(("code_and_error",), X),
}
# scaled outputs of linear models, in standard deviations of the training rows
LIMITS = {"code, limited": 5.0, "layers, limited": 5.0}
LIMITED = {name: METHODS[name.split(",")[0]] for name in LIMITS}
LINEAR = METHODS | LIMITED | {"PCA of the table": axes}
BASELINES = ("the table, scaled", "PCA of the table")
AS_THEY_ARE = ("inputs_and_code", "PCA of the table")  # others are standardised


def fit(X: np.ndarray, test: np.ndarray, categorical: tuple, seed: int) -> Fitted:
    """Fit the transformer."""
    X, test = X.astype(np.float32), test.astype(np.float32)
    return Fitted(fitted_dae(X, categorical, seed), X, test)


# --- few labels, a linear model ------------------------------------------------------


@dataclass(frozen=True)
class Few:
    """A set with labels."""

    data: Labelled
    fitted: Fitted
    train: np.ndarray  # row numbers
    test: np.ndarray
    seed: int


def prepare_linear(name: str, seed: int, *, args: argparse.Namespace) -> Few:
    """Split and fit."""
    data = labelled_tables(args.data)[name]()
    n_max = QUICK_ROWS if args.quick else MAX_ROWS
    train, test = (sample(rows, n_max, seed) for rows in data.split(seed))
    table = data.table
    fitted = fit(table.X[train], table.X[test], table.categorical, seed)
    return Few(data, fitted, train, test, seed)


def has_rows(few: Few, n_labels: str, method: str) -> bool:
    """Whether there are more rows than labels."""
    return int(n_labels) < len(few.train)


def evaluate_linear(few: Few, n_labels: str, method: str) -> Values:
    """The error; outputs are standardised by all training rows, not by the labelled.

    Units that few rows activate are far out where they are active: some are limited.
    """
    known = few.data.labelled(few.train, int(n_labels), few.seed)
    features, fitted = LINEAR[method], few.fitted
    limit = LIMITS.get(method, np.inf)

    def learn() -> Any:
        is_scaled = method not in AS_THEY_ARE
        scaler = StandardScaler(with_mean=is_scaled, with_std=is_scaled)
        scaler.fit(features(fitted, fitted.train))
        is_known = np.isin(few.train, known)
        Z = scaler.transform(features(fitted, fitted.train[is_known]))
        Z = np.clip(Z, -limit, limit)
        is_class = few.data.task == "classification"
        model = LogisticRegression(max_iter=300) if is_class else Ridge()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not converged
            model.fit(Z, few.data.y[few.train[is_known]])
        later = scaler.transform(features(fitted, fitted.test))
        return model.predict(np.clip(later, -limit, limit))

    predicted, seconds = timed(learn)
    truth = few.data.y[few.test]
    if few.data.task == "classification":
        error = float((predicted != truth).mean())
    else:
        spread = few.data.y[few.train].std(axis=0)
        squares = ((predicted - truth) / spread) ** 2
        error = float(np.sqrt(squares.mean(axis=0)).mean())
    ratio = len(few.test) / len(few.train)
    return {"error": error, "seconds": seconds, "test_ratio": ratio}


# --- normal rows, an isolation forest ------------------------------------------------


@dataclass(frozen=True)
class OneClass:
    """A set with anomalies among its test rows."""

    fitted: Fitted
    y: np.ndarray
    seed: int


def prepare_forest(name: str, seed: int, *, args: argparse.Namespace) -> OneClass:
    """Split and fit on normal rows."""
    data = labelled_sets(args.data)[name]()
    n_max = QUICK_ROWS if args.quick else MAX_ROWS
    train, test = data.one_class(seed, n_max)
    test = sample(test, 2 * n_max, seed)
    return OneClass(fit(data.X[train], data.X[test], (), seed), data.y[test], seed)


def evaluate_forest(problem: OneClass, condition: str, method: str) -> Values:
    """One minus the area under the ROC curve."""
    features, fitted = METHODS[method], problem.fitted
    score, seconds = timed(
        lambda: forest(features(fitted, fitted.train), problem.seed)(
            features(fitted, fitted.test)
        )
    )
    area = float(roc_auc_score(problem.y, score))
    return {"error": 1 - area, "seconds": seconds, "test_ratio": 0.0}


# --- reports -------------------------------------------------------------------------


def average(values: np.ndarray) -> float:
    """The arithmetic mean."""
    return float(np.mean(values))


def against_better(results: Results) -> str:
    """Each output over the better of the baselines, by set and number of labels."""
    table = []
    for method in results.methods:
        if method in BASELINES:
            continue
        ratios = np.array(
            [
                results.mean(row, method, "error")
                / max(min(results.mean(row, b, "error") for b in BASELINES), 1e-3)
                for row in results.rows
            ]
        )
        worse = f"{(ratios > 1.05).sum()}"
        won = f"{(ratios < 1).sum()} of {len(ratios)}"
        mean = np.exp(np.log(np.maximum(ratios, 1e-3)).mean())
        table.append([method, f"{mean:.3f}", won, worse, f"{ratios.max():.2f}"])
    columns = ["", "geometric mean", "won", "more than 5 % behind", "worst"]
    return markdown(columns, table)


TASK = {
    "choices": ("linear", "forest"),
    "default": "linear",
    "help": "a linear model with few labels, or an isolation forest of normal rows",
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=2, extra={"--task": TASK})
    name = protocol("outputs", args.task, args)
    if args.task == "linear":
        sets = labelled_tables(args.data)
        benchmark = Benchmark(
            name, partial(prepare_linear, args=args), evaluate_linear, has_rows
        )
        cells = measure(
            benchmark,
            args,
            sets={each: sets[each] for each in sets if each not in OMITTED},
            methods=LINEAR,
            conditions=LABELS,
        )
        titles = {"error": "Error of a linear model (rate, or RMSE over spread)"}
        results = Results(cells)
        title = "## Error over that of the better of the table and its PCA"
        report = error_report(results, titles, OURS[args.task])
        return publish([title, against_better(results), *report], args)
    benchmark = Benchmark(name, partial(prepare_forest, args=args), evaluate_forest)
    sets = labelled_sets(args.data)
    cells = measure(benchmark, args, sets=sets, methods=METHODS)
    titles = {"error": "Isolation forest: one minus the area under the ROC curve"}
    report = error_report(Results(cells), titles, OURS[args.task], ("mean", average))
    return publish(report, args)


if __name__ == "__main__":
    main()
