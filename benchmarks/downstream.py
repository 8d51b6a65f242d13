"""What pretraining is worth where labels are few: ours beside its baselines.

Of the training rows of each table some have a label; all of them may be pretrained on.
See README.md for the measures, the baselines, the splits and the rule of the defaults.
"""

import argparse
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from _data import VALIDATION_SHARE
from _labelled import Labelled, labelled_tables
from _metrics import calibration_error
from _runner import Benchmark, Values, chosen, measure, parse, protocol, publish, timed
from _tables import (
    Results,
    Row,
    candidate_tables,
    comparison_table,
    markdown,
    ranks,
    texts_of,
)
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
from skdae._supervised._fine_tuning import DEFAULT_TRANSFORMER
from skdae.schedules import at_equal_updates, gradual

ALL = "all"  # labels: those of every training row
FEW = 1_000  # labels: more of them are tried with the first seed alone
LARGE = 10_000  # training rows: larger tables have `--seeds-large` seeds
QUICK_ROWS = 500  # to train and to test
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
        """Standardised numbers and one-hot categories, for the baselines."""
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


# --- pretraining, once for all label counts -------------------------------------------


class Pretrained:
    """Transformers of one split, fitted when they are asked for first."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.seconds: dict[str, float] = {}
        self._fitted: dict[str, GradualDAETransformer] = {}

    def __getitem__(self, name: str) -> GradualDAETransformer:
        if name not in self._fitted:
            self._fitted[name], self.seconds[name] = timed(lambda: self._fit(name))
        return self._fitted[name]

    def _fit(self, name: str) -> GradualDAETransformer:
        case = self.case
        transformer = GradualDAETransformer(
            **DEFAULT_TRANSFORMER,
            categorical_features=case.categorical or None,
            random_state=case.seed,
        )
        if name == SCRATCH:  # the same scaling and network, its weights as drawn
            transformer.set_params(max_iter=len(WIDTHS), learning_rate_init=1e-12)
        else:
            transformer.set_params(schedule=at_equal_updates(name, REFERENCE))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
            return transformer.fit(case.X[case.train])


# --- methods --------------------------------------------------------------------------

Method = Callable[[Case, Pretrained], Any]  # a fitted estimator


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


def baseline(case: Case, features: Any, classifier: Any, regressor: Any) -> Any:
    """A baseline on features, fitted on the known rows."""
    last = classifier if case.is_classification else regressor
    return make_pipeline(features, last).fit(case.X[case.known], case.y[case.known])


def linear(case: Case, features: Any) -> Any:
    return baseline(case, features, LogisticRegression(max_iter=1000), Ridge())


def neighbours(case: Case, features: Any) -> Any:
    return baseline(case, features, KNeighborsClassifier(), KNeighborsRegressor())


def mlp(case: Case) -> Any:
    parameters = {"hidden_layer_sizes": WIDTHS, "random_state": case.seed}
    regressor = TransformedTargetRegressor(
        MLPRegressor(**parameters), transformer=StandardScaler()
    )
    return baseline(case, case.numbers(), MLPClassifier(**parameters), regressor)


def boosting(case: Case) -> Any:
    parameters = {
        "categorical_features": case.categorical or None,
        "random_state": case.seed,
    }
    regressor = HistGradientBoostingRegressor(**parameters)
    if case.y.ndim == 2:
        regressor = MultiOutputRegressor(regressor)
    return baseline(
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


def measures(case: Case, model: Any) -> Values:
    """Error, log-loss and calibration error on the test rows.

    The error is the error rate, or the root mean squared error over the deviation.
    """
    X, y = case.X[case.test], case.y[case.test]
    if not case.is_classification:
        predicted = model.predict(X).reshape(len(y), -1)
        y = y.reshape(len(y), -1)
        errors = np.sqrt(((predicted - y) ** 2).mean(axis=0)) / y.std(axis=0)
        return {
            "error": float(errors.mean()),
            "log_loss": np.nan,
            "calibration_error": np.nan,
        }
    known = model.classes_.astype(int)
    p = np.zeros((len(y), case.y.max() + 1))
    p[:, known] = model.predict_proba(X)
    wrong = float((p.argmax(axis=1) != y).mean())
    p = np.clip(p, 1e-6, None)
    p /= p.sum(axis=1, keepdims=True)
    return {
        "error": wrong,
        "log_loss": float(log_loss(y, p, labels=np.arange(p.shape[1]))),
        "calibration_error": calibration_error(p, y),
    }


# --- running -------------------------------------------------------------------------


@dataclass
class Split:
    """A split of a table, and the transformers that are pretrained on it."""

    data: Labelled
    train: np.ndarray
    test: np.ndarray
    seed: int
    n_seeds: int
    pretrained: Pretrained

    def case(self, n_labels: str) -> Case:
        """The case with so many labels."""
        count = None if n_labels == ALL else int(n_labels)
        known = self.data.labelled(self.train, count, self.seed)
        return Case(self.data, self.train, self.test, known, self.seed)


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Split:
    """The split; for candidates, a held-out part of the training rows is scored."""
    data = labelled_tables(args.data)[name]()
    train, test = data.split(seed)
    if args.candidates is not None:
        train, test = data.table.hold_out(train, VALIDATION_SHARE, seed)
    if args.quick:
        train, test = train[:QUICK_ROWS], test[:QUICK_ROWS]
    is_large = len(train) > LARGE and args.candidates is None
    n_seeds = min(args.seeds, args.seeds_large) if is_large else args.seeds
    case = Case(data, train, test, train, seed)
    return Split(data, train, test, seed, n_seeds, Pretrained(case))


def has_rows(split: Split, n_labels: str, method: str = "") -> bool:
    """Whether there are more rows than labels."""
    return n_labels == ALL or int(n_labels) < len(split.train)


def applies(split: Split, n_labels: str, method: str) -> bool:
    """Whether a method is run; slow ones that decide little are run less often."""
    if split.seed >= split.n_seeds or not has_rows(split, n_labels):
        return False
    if n_labels == ALL or int(n_labels) > FEW:  # schedules and unlabelled rows: few
        is_large = len(split.train) > LARGE
        is_slow = method == "sklearn MLP" and n_labels == ALL and is_large
        is_control = method in (*CONTROLS, *STUDENTS)
        return split.seed == 0 and not is_control and not is_slow
    return method not in CONTROLS or split.seed < (split.n_seeds + 1) // 2


def evaluate(
    split: Split, n_labels: str, method: str, *, methods: dict[str, Method]
) -> Values:
    """Errors and seconds; pretraining is shared by all methods and not counted."""
    case = split.case(n_labels)
    before = sum(split.pretrained.seconds.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # baselines that have not converged
        model, seconds = timed(lambda: methods[method](case, split.pretrained))
    seconds -= sum(split.pretrained.seconds.values()) - before
    ratio = len(split.test) / len(split.train)
    return measures(case, model) | {"seconds": seconds, "test_ratio": ratio}


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


def candidate_methods(names: list[str]) -> dict[str, Method]:
    """Settings of our estimator, pretrained or not."""

    def method(name: str, base: str, changes: dict[str, Any]) -> Method:
        return lambda case, made: ours(case, made[base], **(changes | CANDIDATES[name]))

    return {name: method(name, "gradual", {}) for name in names} | {
        f"{SCRATCH}, {name}": method(name, SCRATCH, UNTRAINED) for name in names
    }


# --- tables --------------------------------------------------------------------------


def label(n_labels: str) -> str:
    """A label count with its thousands."""
    return n_labels if n_labels == ALL else f"{int(n_labels):,}"


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


def is_classification(results: Results, row: Row) -> bool:
    """Whether a set has classes: numbers have no log-loss."""
    return any(not np.isnan(results.mean(row, m, "log_loss")) for m in results.methods)


def means_by_count(results: Results, measure: str, of_classes: bool | None) -> str:
    """Means over the sets with classes, with numbers, or all, by method and count."""
    counts = results.conditions
    rows = [
        row
        for row in results.rows
        if of_classes in (None, is_classification(results, row))
    ]
    table = []
    for method in results.methods:
        values = [
            np.array(
                [results.mean(row, method, measure) for row in rows if row[1] == n]
            )
            for n in counts
        ]
        is_known = [len(v) > 0 and not np.isnan(v).any() for v in values]
        means = [
            f"{v.mean():.3f}" if k else ""
            for v, k in zip(values, is_known, strict=True)
        ]
        table.append([method, *means])
    return markdown(["", *map(label, counts)], table)


def average_ranks(results: Results, methods: list[str]) -> dict[str, float]:
    """Average rank among the methods, on the rows and seeds that all of them have."""
    means = []
    for row in results.rows:
        errors = [results.by_seed(row, method, "error") for method in methods]
        seeds = set.intersection(*(set(each) for each in errors))
        if seeds:
            means.append([np.mean([each[seed] for seed in seeds]) for each in errors])
    if not means:
        return {}
    return dict(zip(methods, ranks(np.array(means)).mean(axis=0), strict=True))


def rank_table(results: Results) -> str:
    """Average ranks, the best first."""
    neural = average_ranks(results, [m for m in results.methods if m in NEURAL])
    everyone = average_ranks(results, results.methods)
    rows = [
        [method, f"{neural[method]:.2f}" if method in neural else "", f"{rank:.2f}"]
        for method, rank in sorted(everyone.items(), key=lambda item: item[1])
    ]
    return markdown(["", "among the neural", "among all"], rows)


def pairs(results: Results) -> str:
    """Errors over errors, by label count and over all of them."""
    return comparison_table(
        results, PAIRS, "error", conditions=results.conditions, label=label
    )


def by_set(results: Results) -> str:
    """Mean and standard deviation of every method on every set."""
    rows = [
        [row[0], label(row[1]), *texts_of(results, row, "error")]
        for row in sorted(results.rows, key=lambda row: row[0])
    ]
    return markdown(["set", "labels", *results.methods], rows)


def report(results: Results) -> list[str]:
    """Pairs first, then means and all sets."""
    is_few = {n: n != ALL and int(n) <= FEW for n in results.conditions}
    few = Results([cell for cell in results.cells if is_few[cell.condition]])
    return [
        f"## Up to {FEW:,} labels: error over the error of another",
        pairs(few),
        "## All label counts",
        pairs(results),
        f"## Average rank, up to {FEW:,} labels",
        rank_table(few),
        "## Error rate, mean over the sets with classes",
        means_by_count(results, "error", True),
        "## Error over the standard deviation, mean over the sets with numbers",
        means_by_count(results, "error", False),
        "## Log-loss, mean over the sets with classes",
        means_by_count(results, "log_loss", True),
        "## Expected calibration error, the same",
        means_by_count(results, "calibration_error", True),
        "## Seconds to fit, without pretraining, mean over the sets",
        means_by_count(results, "seconds", None),
        "## By set: mean and standard deviation over the seeds",
        by_set(results),
    ]


def report_candidates(results: Results) -> list[str]:
    """Candidates with pretraining, then without it, each over its own defaults."""
    parts = []
    for prefix in ("", f"{SCRATCH}, "):
        names = {f"{prefix}{name}": name for name in CANDIDATES}
        cells = [
            cell._replace(method=names[cell.method])
            for cell in results.cells
            if cell.method in names
        ]
        title = f"# {prefix.rstrip(', ') or 'pretrained'}".capitalize()
        parts += [title, *candidate_tables(Results(cells), {"error": "error"})]
    return parts


# --- the command ---------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Label counts, seeds of large tables, candidates."""
    parser.add_argument(
        "--seeds-large",
        type=int,
        default=1,
        help="of tables with more than 10,000 training rows (default 1)",
    )
    parser.add_argument(
        "--labels", default="100,300,1000,3000,all", help="label counts, or 'all'"
    )
    parser.add_argument(
        "--candidates",
        nargs="?",
        const=";".join(CANDIDATES),
        help="compare settings on validation rows instead; names separated by ';'",
    )


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=5, add=add_options)
    counts = args.labels.split(",")
    methods, runs = METHODS, applies
    if args.candidates is not None:
        names = chosen(args.candidates, CANDIDATES, "--candidates", ";")
        methods = candidate_methods(list(dict.fromkeys(["defaults", *names])))
        runs = has_rows
    benchmark = Benchmark(
        protocol("downstream", "candidates" * (args.candidates is not None), args),
        partial(prepare, args=args),
        partial(evaluate, methods=methods),
        runs,
    )
    cells = measure(
        benchmark,
        args,
        sets=labelled_tables(args.data),
        methods=methods,
        conditions=counts[:1] if args.quick else counts,
    )
    results = Results(cells)
    is_candidates = args.candidates is not None
    publish(report_candidates(results) if is_candidates else report(results), args)


if __name__ == "__main__":
    main()
