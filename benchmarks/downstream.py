"""What pretraining is worth where labels are few: ours beside its baselines.

Of the training rows of each table some have a label; all of them may be pretrained on.
See README.md for the measures, the baselines, the splits and the rule of the defaults.
"""

import argparse
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from _data import VALIDATION_SHARE
from _labelled import labelled_tables
from _metrics import calibration_error
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _supervised import (
    METHODS,
    NEURAL,
    SCRATCH,
    STUDENTS,
    UNTRAINED,
    Case,
    Method,
    ours,
    runnable,
)
from _tables import (
    Results,
    Row,
    candidate_tables,
    comparison_table,
    markdown,
    ranks,
    texts_of,
)
from sklearn.metrics import log_loss

ALL = "all"  # labels: those of every training row
FEW = 1_000  # labels: more of them are tried with the first seed alone
LARGE = 10_000  # training rows: larger tables have `--seeds-large` seeds
QUICK_ROWS = 500  # to train and to test
SLOW = {"RealMLP": 1_000, "TabM": 300}  # labels at most, and the first seed alone
CONTROLS = ("DAE stacked", "DAE frozen", "DAE joint", f"{SCRATCH} + unlabelled")

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


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Case:
    """The split; for candidates, a held-out part of the training rows is scored."""
    data = labelled_tables(args.data)[name]()
    train, test = data.split(seed)
    if args.candidates:
        train, test = data.table.hold_out(train, VALIDATION_SHARE, seed)
    if args.quick:
        train, test = train[:QUICK_ROWS], test[:QUICK_ROWS]
    return Case(data, train, test, train, seed)


def has_rows(case: Case, n_labels: str, method: str = "") -> bool:
    """Whether there are more rows than labels."""
    return n_labels == ALL or int(n_labels) < len(case.train)


def applies(
    case: Case, n_labels: str, method: str, *, args: argparse.Namespace
) -> bool:
    """Whether a method is run; slow ones that decide little are run less often."""
    is_large = len(case.train) > LARGE
    n_seeds = min(args.seeds, args.seeds_large) if is_large else args.seeds
    if case.seed >= n_seeds or not has_rows(case, n_labels):
        return False
    if n_labels == ALL or int(n_labels) > FEW:  # schedules and unlabelled rows: few
        is_slow = method == "sklearn MLP" and n_labels == ALL and is_large
        is_control = method in (*CONTROLS, *STUDENTS, *SLOW)
        return case.seed == 0 and not is_control and not is_slow
    if method in SLOW:
        return case.seed == 0 and int(n_labels) <= SLOW[method]
    return method not in CONTROLS or case.seed < (n_seeds + 1) // 2


def evaluate(
    case: Case, n_labels: str, method: str, *, methods: dict[str, Method]
) -> Values:
    """Errors and seconds; pretraining is shared by all methods and not counted."""
    n_known = None if n_labels == ALL else int(n_labels)
    known = case.data.labelled(case.train, n_known, case.seed)
    case = replace(case, known=np.sort(known))  # estimators may read the order of rows
    before = sum(case.seconds.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # baselines that have not converged
        model, seconds = timed(lambda: methods[method](case))
    seconds -= sum(case.seconds.values()) - before
    ratio = len(case.test) / len(case.train)
    return measures(case, model) | {"seconds": seconds, "test_ratio": ratio}


# --- candidates for the defaults, each a change to those of today ---------------------

CANDIDATES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "nothing chosen": {  # the first candidate of the choice, without a linear path
        "dropout": 0.25,
        "encoder_rate": 0.3,
        "unfreezing": "gradual",
        "linear_path": False,
    },
    "linear_path=False": {"linear_path": False},
    "linear_path=True": {"linear_path": True},
    "n_bins=0": {"n_bins": 0},
    "n_bins=8": {"n_bins": 8},
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
    bases = {"": ("gradual", {}), f"{SCRATCH}, ": (SCRATCH, UNTRAINED)}
    return {
        f"{prefix}{name}": partial(ours, schedule=base, **(changes | CANDIDATES[name]))
        for prefix, (base, changes) in bases.items()
        for name in names
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
    ("DAE gradual", "linear, raw"),
    ("DAE gradual", "sklearn MLP"),
    ("DAE gradual", "gradient boosting"),
    ("DAE gradual", "RealMLP"),
    ("DAE gradual", "TabM"),
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


EXTRA: dict[str, dict[str, Any]] = {
    "--seeds-large": {
        "type": int,
        "default": 1,
        "help": "of tables with more than 10,000 training rows (default 1)",
    },
    "--labels": {
        "default": "100,300,1000,3000,all",
        "help": "label counts, or 'all'",
    },
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=5, candidates=CANDIDATES, extra=EXTRA)
    counts = args.labels.split(",")
    methods = (
        candidate_methods(args.candidates) if args.candidates else runnable(METHODS)
    )
    benchmark = Benchmark(
        protocol("downstream", "", args),
        partial(prepare, args=args),
        partial(evaluate, methods=methods),
        has_rows if args.candidates else partial(applies, args=args),
    )
    cells = measure(
        benchmark,
        args,
        sets=labelled_tables(args.data),
        methods=methods,
        conditions=counts[:1] if args.quick else counts,
    )
    write = report_candidates if args.candidates else report
    publish(write(Results(cells)), args)


if __name__ == "__main__":
    main()
