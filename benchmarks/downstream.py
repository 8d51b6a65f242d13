"""What pretraining is worth where labels are few: ours beside its rivals.

Of the training rows of each table some have a label; all of them may be pretrained on.
See README.md for the measures, the rivals, the splits and the rule of the defaults.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from _data import VALIDATION_SHARE
from _labelled import Labelled, labelled_tables
from _report import markdown, ranks, unique
from joblib import Parallel, delayed
from scipy.stats import wilcoxon
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdae import GradualDAEClassifier, GradualDAERegressor, GradualDAETransformer
from skdae._statistics import split_mean
from skdae._supervised._fine_tuning import DEFAULT_TRANSFORMER
from skdae.schedules import at_equal_updates, gradual

ALL = 10**9  # labels: those of every training row
FEW = 1_000  # labels: more of them are tried with the first seed alone
LARGE = 10_000  # training rows: larger tables have `--seeds-large` seeds
ECE_BINS = 15
WIDTHS = DEFAULT_TRANSFORMER["hidden_layer_sizes"]
REFERENCE = gradual(len(WIDTHS), GradualDAETransformer().max_iter)
SCHEDULES = ("gradual", "stacked", "frozen", "joint")
SCRATCH = "no pretraining"
# what suits a random encoder best: all of it learns at the full rate from the start
UNTRAINED: dict[str, Any] = {"encoder_rate": 1.0, "unfreezing": "joint"}


@dataclass
class Case:
    """A table, a split of it, and the rows whose label is known."""

    data: Labelled
    train: np.ndarray  # rows that may be pretrained on
    test: np.ndarray
    known: np.ndarray  # rows of `train` with a label
    seed: int

    @property
    def X(self) -> np.ndarray:
        return self.data.table.X

    @property
    def y(self) -> np.ndarray:
        return self.data.y

    @property
    def is_classification(self) -> bool:
        return self.data.task == "classification"

    @property
    def categorical(self) -> list[int]:
        return list(self.data.table.categorical)

    def numbers(self) -> Any:
        """Standardised numbers and one-hot categories, for the rivals."""
        X, categorical = self.X, self.categorical
        numeric = [j for j in range(X.shape[1]) if j not in categorical]
        scaled = make_pipeline(
            SimpleImputer(keep_empty_features=True), StandardScaler()
        )
        hot = make_pipeline(
            SimpleImputer(strategy="most_frequent"),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        )
        return make_column_transformer((scaled, numeric), (hot, categorical))


class Run(NamedTuple):
    """One method on one case."""

    set: str
    n_labels: int
    seed: int
    method: str
    error: float  # share of wrong classes, or root mean squared error / deviation
    log_loss: float  # NaN for numbers
    calibration_error: float
    seconds: float  # without pretraining
    n_train: int  # rows of the split, with a label or without
    n_test: int


# --- pretraining, once for all label counts -------------------------------------------


class Pretrained:
    """Transformers of one split, fitted when they are asked for first."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.seconds: dict[str, float] = {}
        self._fitted: dict[str, GradualDAETransformer] = {}

    def __getitem__(self, name: str) -> GradualDAETransformer:
        if name not in self._fitted:
            started = perf_counter()
            self._fitted[name] = self._fit(name)
            self.seconds[name] = perf_counter() - started
        return self._fitted[name]

    def _fit(self, name: str) -> GradualDAETransformer:
        case = self.case
        transformer = GradualDAETransformer(
            **DEFAULT_TRANSFORMER,
            categorical_features=case.categorical or None,
            random_state=case.seed,
        )
        if name == SCRATCH:  # the same network as it was drawn, and the same scaling
            transformer.set_params(max_iter=len(WIDTHS), learning_rate_init=1e-12)
        else:
            transformer.set_params(schedule=at_equal_updates(name, REFERENCE))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
            return transformer.fit(case.X[case.train])


# --- methods --------------------------------------------------------------------------

Method = Callable[[Case, Pretrained], Any]  # a fitted estimator
Done = set[tuple[str, int]]  # methods and label counts that were run before


def ours(case: Case, transformer: GradualDAETransformer, **parameters: Any) -> Any:
    """Our estimator on the known rows, or on all with most labels unknown."""
    make = GradualDAEClassifier if case.is_classification else GradualDAERegressor
    model = make(FrozenEstimator(transformer), random_state=case.seed, **parameters)
    if not parameters.get("unlabeled_weight"):
        return model.fit(case.X[case.known], case.y[case.known])
    y = np.asarray(case.y, dtype=float).copy()
    y[np.setdiff1d(np.arange(len(y)), case.known)] = np.nan
    model.set_params(unlabeled=np.nan)
    return model.fit(case.X[case.train], y[case.train])


def on_codes(transformer: GradualDAETransformer) -> Pipeline:
    """All hidden layers side by side, standardised: their scale means nothing."""
    transformer = copy(transformer).set_params(output="layers")
    return make_pipeline(FrozenEstimator(transformer), StandardScaler())


def on_pca(case: Case) -> FrozenEstimator:
    """As many axes as all hidden layers have units, or as there are.

    Their scale is left as it is: to give the last axes the spread of the first would
    only blow noise up.
    """
    n_features = case.numbers().fit_transform(case.X[case.train]).shape[1]
    pca = PCA(min(sum(WIDTHS), n_features), random_state=case.seed)
    fitted = make_pipeline(case.numbers(), pca).fit(case.X[case.train])
    return FrozenEstimator(fitted)


def rival(case: Case, features: Any, classifier: Any, regressor: Any) -> Any:
    """A rival on features, fitted on the known rows."""
    last = classifier if case.is_classification else regressor
    return make_pipeline(features, last).fit(case.X[case.known], case.y[case.known])


def linear(case: Case, features: Any) -> Any:
    return rival(case, features, LogisticRegression(max_iter=1000), Ridge())


def neighbours(case: Case, features: Any) -> Any:
    return rival(case, features, KNeighborsClassifier(), KNeighborsRegressor())


def mlp(case: Case) -> Any:
    parameters = {"hidden_layer_sizes": WIDTHS, "random_state": case.seed}
    regressor = TransformedTargetRegressor(
        MLPRegressor(**parameters), transformer=StandardScaler()
    )
    return rival(case, case.numbers(), MLPClassifier(**parameters), regressor)


def boosting(case: Case) -> Any:
    parameters = {
        "categorical_features": case.categorical or None,
        "random_state": case.seed,
    }
    regressor = HistGradientBoostingRegressor(**parameters)
    if case.y.ndim == 2:
        regressor = MultiOutputRegressor(regressor)
    return rival(
        case,
        "passthrough",
        HistGradientBoostingClassifier(**parameters),
        regressor,
    )


NEURAL: dict[str, Method] = {
    f"DAE {name}": lambda case, made, name=name: ours(case, made[name])
    for name in SCHEDULES
} | {
    SCRATCH: lambda case, made: ours(case, made[SCRATCH], **UNTRAINED),
    "sklearn MLP": lambda case, made: mlp(case),
}
STUDENTS: dict[str, Method] = {
    "DAE gradual + unlabelled": lambda case, made: ours(
        case, made["gradual"], unlabeled_weight=1.0
    ),
    f"{SCRATCH} + unlabelled": lambda case, made: ours(
        case, made[SCRATCH], unlabeled_weight=1.0, **UNTRAINED
    ),
}
OTHERS: dict[str, Method] = {
    "linear, raw": lambda case, made: linear(case, case.numbers()),
    "linear, PCA": lambda case, made: linear(case, on_pca(case)),
    "linear, our codes": lambda case, made: linear(case, on_codes(made["gradual"])),
    "neighbours, raw": lambda case, made: neighbours(case, case.numbers()),
    "neighbours, our codes": lambda case, made: neighbours(
        case, on_codes(made["gradual"])
    ),
    "gradient boosting": lambda case, made: boosting(case),
}
METHODS = NEURAL | STUDENTS | OTHERS
CONTROLS = ("DAE stacked", "DAE frozen", "DAE joint", f"{SCRATCH} + unlabelled")


def runs_on(
    method: str, n_labels: int, seed: int, n_seeds: int, is_large: bool
) -> bool:
    """Whether a method is run; what takes long and decides little is run less often."""
    if n_labels > FEW:  # the schedules and unlabelled rows are about fewer labels
        slow = method == "sklearn MLP" and n_labels == ALL and is_large
        return seed == 0 and method not in (*CONTROLS, *STUDENTS) and not slow
    return method not in CONTROLS or seed < (n_seeds + 1) // 2


# --- measures -------------------------------------------------------------------------


def calibration_error(p: np.ndarray, classes: np.ndarray) -> float:
    """Expected calibration error of the predicted class, in equal bins."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == classes
    bins = np.minimum((sure * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs((sure[bins == b] - right[bins == b]).sum()) for b in range(ECE_BINS)]
    return float(np.sum(gaps) / len(p))


def measure(case: Case, model: Any) -> tuple[float, float, float]:
    """Error, log-loss and calibration error on the test rows."""
    X, y = case.X[case.test], case.y[case.test]
    if not case.is_classification:
        predicted = model.predict(X).reshape(len(y), -1)
        y = y.reshape(len(y), -1)
        errors = np.sqrt(((predicted - y) ** 2).mean(axis=0)) / y.std(axis=0)
        return float(errors.mean()), np.nan, np.nan
    known = model.classes_.astype(int)
    p = np.zeros((len(y), case.y.max() + 1))
    p[:, known] = model.predict_proba(X)
    wrong = float((p.argmax(axis=1) != y).mean())
    p = np.clip(p, 1e-6, None)
    p /= p.sum(axis=1, keepdims=True)
    return (
        wrong,
        float(log_loss(y, p, labels=np.arange(p.shape[1]))),
        calibration_error(p, y),
    )


# --- running --------------------------------------------------------------------------


def run_split(
    name: str,
    data: Labelled,
    seed: int,
    counts: Iterable[int],
    seeds: tuple[int, int],
    done: Done,
) -> list[Run]:
    """All label counts and methods on one split of one table."""
    train, test = data.split(seed)
    is_large = len(train) > LARGE
    n_seeds = min(seeds) if is_large else seeds[0]
    if seed >= n_seeds:
        return []

    def wanted(method: str, n_labels: int) -> bool:
        is_new = (method, n_labels) not in done
        return is_new and runs_on(method, n_labels, seed, n_seeds, is_large)

    return run_rows(name, data, seed, counts, METHODS, train, test, wanted)


def run_rows(
    name: str,
    data: Labelled,
    seed: int,
    counts: Iterable[int],
    methods: dict[str, Method],
    train: np.ndarray,
    test: np.ndarray,
    wanted: Callable[[str, int], bool] = lambda method, n_labels: True,
) -> list[Run]:
    """The same on rows that are given."""
    runs = []
    made: Pretrained | None = None
    for n_labels in counts:
        if n_labels != ALL and n_labels >= len(train):
            continue
        known = data.labelled(train, n_labels, seed)
        case = Case(data, train, test, known, seed)
        made = Pretrained(case) if made is None else made
        for method, fit in methods.items():
            if not wanted(method, n_labels):
                continue
            started, pretraining = perf_counter(), sum(made.seconds.values())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # rivals that have not converged
                model = fit(case, made)
            seconds = perf_counter() - started
            seconds -= sum(made.seconds.values()) - pretraining
            runs.append(
                Run(
                    name,
                    n_labels,
                    seed,
                    method,
                    *measure(case, model),
                    seconds,
                    len(train),
                    len(test),
                )
            )
    return runs


# --- candidates for the defaults, each a change to those of today ---------------------

CANDIDATES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "encoder_rate=0": {"encoder_rate": 0.0},
    "encoder_rate=0.03": {"encoder_rate": 0.03},
    "encoder_rate=1": {"encoder_rate": 1.0},
    "unfreezing='joint'": {"unfreezing": "joint"},
    "unfreezing='joint', encoder_rate=1": {"unfreezing": "joint", "encoder_rate": 1.0},
    "unfreezing='joint', encoder_rate=0.1": {
        "unfreezing": "joint",
        "encoder_rate": 0.1,
    },
    "max_iter=100": {"max_iter": 100},
    "learning_rate_init=3e-4": {"learning_rate_init": 3e-4},
    "learning_rate_init=3e-3": {"learning_rate_init": 3e-3},
    "dropout=0": {"dropout": 0.0},
    "dropout=0.5": {"dropout": 0.5},
    "average=0": {"average": 0.0},
    "alpha=1e-3": {"alpha": 1e-3},
    "noise='swap'": {"noise": "swap"},
}


def run_candidates(
    name: str,
    data: Labelled,
    seed: int,
    counts: Iterable[int],
    wanted: list[str],
    done: Done,
) -> list[Run]:
    """Settings of our estimator on a held-out part of the training rows."""
    train, _ = data.split(seed)
    fit, validation = data.table.hold_out(train, VALIDATION_SHARE, seed)
    methods: dict[str, Method] = {}
    for each in wanted:
        methods[each] = lambda case, made, each=each: ours(
            case, made["gradual"], **CANDIDATES[each]
        )
    for each in wanted:
        methods[f"{SCRATCH}, {each}"] = lambda case, made, each=each: ours(
            case, made[SCRATCH], **(UNTRAINED | CANDIDATES[each])
        )
    return run_rows(
        name,
        data,
        seed,
        counts,
        methods,
        fit,
        validation,
        lambda method, n_labels: (method, n_labels) not in done,
    )


# --- tables ---------------------------------------------------------------------------


def label(n_labels: int) -> str:
    return "all" if n_labels == ALL else f"{n_labels:,}"


@dataclass
class Results:
    """Runs as arrays: mean errors by cell (a set at a label count) and method."""

    runs: list[Run]

    @cached_property
    def methods(self) -> list[str]:
        return unique(r.method for r in self.runs)

    @cached_property
    def by_key(self) -> dict[tuple[str, int, str], list[Run]]:
        found: dict[tuple[str, int, str], list[Run]] = {}
        for run in sorted(self.runs, key=lambda r: r.seed):
            found.setdefault((run.set, run.n_labels, run.method), []).append(run)
        return found

    @cached_property
    def cells(self) -> list[tuple[str, int]]:
        return unique((r.set, r.n_labels) for r in self.runs)

    def counts(self) -> list[int]:
        return sorted({n for _, n in self.cells})

    def errors(self, cell: tuple[str, int], method: str) -> np.ndarray:
        """Of each seed; empty where the method was not run."""
        return np.array([r.error for r in self.by_key.get((*cell, method), [])])

    def mean(self, cell: tuple[str, int], method: str, what: str = "error") -> float:
        runs = self.by_key.get((*cell, method), [])
        return float(np.mean([getattr(r, what) for r in runs])) if runs else np.nan

    def is_classification(self, cell: tuple[str, int]) -> bool:
        method = next(m for m in self.methods if (*cell, m) in self.by_key)
        return not np.isnan(self.by_key[(*cell, method)][0].log_loss)

    def paired(self, cell: tuple[str, int], method: str, base: str) -> np.ndarray:
        """Errors of two methods with the seeds that both have, (2, n_seeds)."""
        one, other = (
            {run.seed: run.error for run in self.by_key.get((*cell, name), [])}
            for name in (method, base)
        )
        both = sorted(one.keys() & other.keys())
        return np.array([[each[seed] for seed in both] for each in (one, other)])

    def ratios(self, method: str, base: str, n_labels: Iterable[int]) -> dict:
        """Mean error over that of another method, by cell."""
        found = {}
        for cell in self.cells:
            pair = self.paired(cell, method, base)
            if cell[1] in n_labels and pair.size:
                error, reference = np.maximum(pair.mean(axis=1), 1e-4)
                found[cell] = error / reference
        return found

    def p_value(self, cell: tuple[str, int], method: str, base: str) -> float:
        """Of the paired differences; 1 where there are fewer than three."""
        pair = self.paired(cell, method, base)
        run = self.by_key[(*cell, method)][0]
        if pair.shape[1] < 3:
            return 1.0
        return split_mean(pair[0] - pair[1], run.n_test / run.n_train).p_value


def geometric(values: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(values)))))


def comparison(
    results: Results, method: str, base: str, counts: list[int]
) -> list[str]:
    """A row: ratios by label count and over all, wins, and two tests."""
    ratios = results.ratios(method, base, counts)
    if not ratios:
        return []
    by_count = []
    for n in counts:
        of_count = [ratio for cell, ratio in ratios.items() if cell[1] == n]
        by_count.append(f"{geometric(of_count):.3f}" if of_count else "")
    by_set = [
        np.log(geometric(ratio for cell, ratio in ratios.items() if cell[0] == name))
        for name in unique(cell[0] for cell in ratios)
    ]
    over_sets = wilcoxon(by_set).pvalue if len(by_set) > 1 and np.any(by_set) else 1.0
    sure = [
        np.sign(ratio - 1)
        for cell, ratio in ratios.items()
        if results.p_value(cell, method, base) < 0.05
    ]
    won = sum(ratio < 1 for ratio in ratios.values())
    return [
        f"{method} / {base}",
        *by_count,
        f"{geometric(ratios.values()):.3f}",
        f"{won} of {len(ratios)}",
        f"{over_sets:.3f}",
        f"{sure.count(-1)} / {sure.count(1)}",
    ]


PAIRS = [
    ("DAE gradual", SCRATCH),
    ("DAE gradual + unlabelled", SCRATCH),
    (f"{SCRATCH} + unlabelled", SCRATCH),
    ("DAE gradual", "DAE stacked"),
    ("DAE gradual", "DAE frozen"),
    ("DAE gradual", "DAE joint"),
    ("DAE gradual", "sklearn MLP"),
    ("DAE gradual", "gradient boosting"),
    ("DAE gradual + unlabelled", "gradient boosting"),
    ("linear, our codes", "linear, PCA"),
    ("linear, our codes", "linear, raw"),
    ("neighbours, our codes", "neighbours, raw"),
]


def means_by_count(
    results: Results, methods: list[str], what: str, of_classes: bool | None
) -> str:
    """Means over the sets with classes, with numbers, or all, by method and count."""
    counts = results.counts()
    rows = []
    cells = [
        cell
        for cell in results.cells
        if of_classes in (None, results.is_classification(cell))
    ]
    for method in methods:
        values = [
            [results.mean(cell, method, what) for cell in cells if cell[1] == n]
            for n in counts
        ]
        rows.append(
            [
                method,
                *(
                    f"{np.mean(v):.3f}" if v and not np.isnan(v).any() else ""
                    for v in values
                ),
            ]
        )
    return markdown(["", *map(label, counts)], rows)


def average_ranks(results: Results, methods: list[str], counts: list[int]) -> dict:
    """Average rank among the methods, on the cells and seeds that all of them have."""
    rows = []
    for cell in results.cells:
        errors = [
            {run.seed: run.error for run in results.by_key.get((*cell, method), [])}
            for method in methods
        ]
        seeds = set.intersection(*(set(each) for each in errors))
        if cell[1] in counts and seeds:
            rows.append([np.mean([each[s] for s in seeds]) for each in errors])
    if not rows:
        return {}
    return dict(zip(methods, ranks(np.array(rows)).mean(axis=0), strict=True))


def report(results: Results) -> str:
    """What to read first, first."""
    counts, methods = results.counts(), results.methods
    few = [n for n in counts if n <= FEW]
    header = ["error / error", *map(label, counts), "all counts", "won"]
    header += ["Wilcoxon over sets, p", "cells surely better / worse"]
    rows = [comparison(results, *pair, counts) for pair in PAIRS]
    upto = [comparison(results, *pair, few) for pair in PAIRS]
    few_header = ["error / error", *map(label, few), *header[-4:]]
    neural = average_ranks(results, [m for m in methods if m in NEURAL], few)
    everyone = average_ranks(results, methods, few)
    parts = [
        f"## Up to {FEW:,} labels: error over the error of another",
        markdown(few_header, [row for row in upto if row]),
        "## All label counts",
        markdown(header, [row for row in rows if row]),
        f"## Average rank, up to {FEW:,} labels",
        markdown(
            ["", "among the neural", "among all"],
            [
                [m, f"{neural[m]:.2f}" if m in neural else "", f"{r:.2f}"]
                for m, r in sorted(everyone.items(), key=lambda item: item[1])
            ],
        ),
        "## Share of wrong classes, mean over the sets with classes",
        means_by_count(results, methods, "error", True),
        "## Error over the standard deviation, mean over the sets with numbers",
        means_by_count(results, methods, "error", False),
        "## Log-loss, mean over the sets with classes",
        means_by_count(results, methods, "log_loss", True),
        "## Expected calibration error, the same",
        means_by_count(results, methods, "calibration_error", True),
        "## Seconds to fit, without pretraining, mean over the sets",
        means_by_count(results, methods, "seconds", None),
        "## By set: mean and standard deviation over the seeds",
        by_set(results),
    ]
    return "\n\n".join(parts) + "\n"


def by_set(results: Results) -> str:
    """Every cell of every method."""
    rows = []
    for cell in sorted(results.cells, key=lambda c: (c[0], c[1])):
        texts = []
        best = np.nanmin([results.mean(cell, method) for method in results.methods])
        for method in results.methods:
            errors = results.errors(cell, method)
            text = f"{errors.mean():.3f}" if len(errors) else ""
            if len(errors) and round(errors.mean(), 3) == round(best, 3):
                text = f"**{text}**"
            texts.append(f"{text} ± {errors.std():.3f}" if len(errors) > 1 else text)
        rows.append([cell[0], label(cell[1]), *texts])
    return markdown(["set", "labels", *results.methods], rows)


def report_candidates(results: Results) -> str:
    """Each candidate's error over that of the defaults."""
    counts = results.counts()
    defaults = [method for method in results.methods if method.endswith("defaults")]
    header = ["candidate", *map(label, counts), "all counts", "better / worse"]
    rows = []
    for method in results.methods:
        base = defaults[method.startswith(SCRATCH)]
        ratios = results.ratios(method, base, counts)
        by_count = [
            geometric(ratio for cell, ratio in ratios.items() if cell[1] == n)
            for n in counts
        ]
        better = sum(ratio < 0.995 for ratio in ratios.values())
        worse = sum(ratio > 1.005 for ratio in ratios.values())
        log_losses = [results.mean(cell, method, "log_loss") for cell in results.cells]
        seconds = [results.mean(cell, method, "seconds") for cell in results.cells]
        rows.append(
            [
                method,
                *(f"{ratio:.3f}" for ratio in by_count),
                f"{geometric(ratios.values()):.3f}",
                f"{better} / {worse}",
                f"{np.nanmean(log_losses):.3f}",
                f"{np.mean(seconds):.1f}",
            ]
        )
    title = "## Candidates: error on validation rows over that of the defaults"
    table = markdown([*header, "log-loss", "seconds"], rows)
    return f"{title}\n\n{table}\n"


# --- the command ----------------------------------------------------------------------


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with tabular/ and series/")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument(
        "--seeds-large",
        type=int,
        default=1,
        help="of tables with more than 10,000 training rows (default 1)",
    )
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument(
        "--labels", default="100,300,1000,3000,all", help="label counts, or 'all'"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--work",
        type=Path,
        help="folder that keeps each finished split, so that a later call goes on; "
        "empty it when the code has changed",
    )
    parser.add_argument(
        "--candidates",
        nargs="?",
        const=";".join(CANDIDATES),
        help="compare settings on validation rows instead; names separated by ';'",
    )
    parser.add_argument("--output", type=Path, help="also write the tables here")
    return parser.parse_args()


def run_kept(
    args: argparse.Namespace, load: Callable, name: str, seed: int
) -> list[Run]:
    """The runs of a split; what was kept of an earlier call is not run again."""
    kind = "candidates-" if args.candidates else ""
    kept = None if args.work is None else args.work / f"{kind}{name}-{seed}.json"
    known: list[Run] = []
    if kept is not None and kept.is_file():
        known = [Run(*run) for run in json.loads(kept.read_text())]
    done = {(run.method, run.n_labels) for run in known}
    counts = [ALL if n == "all" else int(n) for n in args.labels.split(",")]
    started = perf_counter()
    if args.candidates:
        wanted = list(dict.fromkeys(["defaults", *args.candidates.split(";")]))
        runs = run_candidates(name, load(), seed, counts, wanted, done)
    else:
        seeds = args.seeds, args.seeds_large
        runs = run_split(name, load(), seed, counts, seeds, done)
    print(f"{name}, seed {seed}: {perf_counter() - started:.0f} s", file=sys.stderr)
    runs = known + runs
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".part")
        unfinished.write_text(json.dumps(runs))
        unfinished.replace(kept)
    return runs


def main() -> None:
    args = parse()
    try:
        loaders = labelled_tables(args.data)
    except ValueError as error:
        sys.exit(f"error: {error}")
    names = args.sets.split(",") if args.sets else list(loaders)
    unknown = [name for name in names if name not in loaders]
    if unknown:
        sys.exit(f"error: --sets {unknown} must be among {', '.join(loaders)}.")
    found = Parallel(n_jobs=args.jobs)(
        delayed(run_kept)(args, loaders[name], name, seed)
        for seed in range(args.seeds)
        for name in names
    )
    results = Results([run for runs in found for run in runs])
    text = report_candidates(results) if args.candidates else report(results)
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
