"""How well missing cells are filled: the imputer beside its baselines.

Cells are hidden at random, by other or their own values, or in blocks of sensors, in
the training rows as in the test rows. The rows are in random order: `time_order.py` has
the task in time. See README.md for the measures, the baselines and their caps.
"""

import argparse
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from _data import Table, available
from _masks import PATTERNS, applies, hide
from _metrics import N_DRAWS, cell_errors, coverage
from _reconstruction import (
    Fill,
    Method,
    Problem,
    column_mean,
    dae,
    iterative,
    miceforest,
    nearest_neighbours,
    runnable,
    sample,
)
from _runner import (
    Benchmark,
    Values,
    chosen,
    measure,
    parse,
    protocol,
    publish,
    timed,
)
from _tables import Results, candidate_tables, error_report

from skdae import GradualDAEImputer
from skdae._transformer._defaults import default_transformer

SETS = (  # the widest ones last
    "air_quality",
    "gas_turbine",
    "occupancy",
    "wine_quality",
    "letter",
    "pendigits",
    "sick",
    "steel_plates",
    "satimage",
    "adult",
    "gas_drift",
)
BUNDLED = ("plant",)  # without a folder
MAX_ROWS = 2_000, 500  # to train and to test: the baselines set the pace
QUICK_ROWS = 500, 200
OURS = "imputer (defaults)"

# --- the methods ---------------------------------------------------------------------

Options = dict[str, Any]  # of the imputer


@dataclass(frozen=True)
class Imputation:
    """A fitted imputer as a function of rows, which also draws."""

    model: GradualDAEImputer

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.transform(X), dtype=np.float64)

    def coverage(self, X: np.ndarray, shown: np.ndarray, hidden: np.ndarray) -> float:
        """Share of the hidden cells in 90 % intervals of draws from what is shown."""
        self.model.set_params(n_imputations=N_DRAWS)
        tables = self.model.sample_imputations(shown)
        return coverage(X, hidden, [np.asarray(each, dtype=float) for each in tables])


def imputer(
    problem: Problem, *, options: Options | None = None, **params: Any
) -> Imputation:
    """The imputer, with its defaults but for `options`; `params` of its network."""
    network = default_transformer("imputer").set_params(**params)
    network.set_params(categorical_features=list(problem.table.categorical) or None)
    model = GradualDAEImputer(network, random_state=problem.seed, **(options or {}))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
        return Imputation(model.fit(problem.X))


def learned_and_filled(
    method: Method, problem: Problem, X: np.ndarray
) -> tuple[Fill, np.ndarray]:
    """What a method has learned, and what it makes of rows."""
    fill = method(problem)
    return fill, fill(X)


METHODS: dict[str, Method] = {
    "column mean": column_mean,
    "nearest neighbours": nearest_neighbours,
    "iterative, BayesianRidge": partial(iterative, model="ridge"),
    "iterative, trees": partial(iterative, model="trees"),
    "iterative, boosting": partial(iterative, model="boosting"),
    "miceforest": miceforest,
    "transformer.reconstruct": dae,
    "imputer, linear part": partial(
        imputer, options={"n_refinements": 0, "n_trees": 0}
    ),
    "imputer, no forests": partial(imputer, options={"n_trees": 0}),
    OURS: imputer,
}

# each a change to the defaults of today
CANDIDATES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "n_refinements=0": {"options": {"n_refinements": 0}},
    "n_refinements=2": {"options": {"n_refinements": 2}},
    "n_trees=0": {"options": {"n_trees": 0}},
    "n_trees=5": {"options": {"n_trees": 5}},
    "n_trees=20": {"options": {"n_trees": 20}},
    "noise_rate=0.4": {"noise_rate": 0.4},
    "noise_rate=0.8": {"noise_rate": 0.8},
    "max_iter=50": {"max_iter": 50},
    "max_iter=200": {"max_iter": 200},
    "(256, 128)": {"hidden_layer_sizes": (256, 128)},
    "learning_rate_init=1e-3": {"learning_rate_init": 1e-3},
    "learning_rate_init=4e-3": {"learning_rate_init": 4e-3},
    "batch_size='auto', learning_rate_init=1e-3": {
        "batch_size": "auto",
        "learning_rate_init": 1e-3,
    },
    "alpha=1e-3": {"alpha": 1e-3},
    "scaling='quantile'": {"scaling": "quantile"},
}

# --- running -------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """A table, its training rows, and the rows that are filled, in random order."""

    table: Table
    train: np.ndarray
    test: np.ndarray
    seed: int


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Split:
    """The split; for candidates, the rows to fill are a part of the training rows."""
    table = available(args.data)[name]()
    train, test = table.split(seed)
    if args.candidates:
        train, test = table.hold_out(train, 0.25, seed + 1000)
    n_train, n_test = QUICK_ROWS if args.quick else MAX_ROWS
    rows = [sample(train, n_train, seed), sample(test, n_test, seed)]
    shuffled = map(np.random.default_rng([seed, 3]).permutation, rows)
    return Split(table, *shuffled, seed)


def evaluate(
    split: Split, pattern: str, method: str, *, methods: dict[str, Method]
) -> Values:
    """Errors of a method; all methods see the same cells."""
    table = split.table
    X_shown, hidden = hide(table.X, pattern, PATTERNS, split.seed)
    problem = Problem(replace(table, X=X_shown), split.train, split.seed)
    rows = split.test[~np.isnan(X_shown[split.test]).all(axis=1)]
    X_train = table.X[split.train]
    X_train[:, np.isnan(problem.X).all(axis=0)] = np.nan  # nobody can fill these
    (fill, X_filled), seconds = timed(
        lambda: learned_and_filled(methods[method], problem, X_shown[rows])
    )
    found = cell_errors(
        X_train, table.X[rows], hidden[rows], X_filled, table.categorical, root=True
    )
    ratio = len(rows) / len(split.train)
    values = found._asdict() | {"seconds": seconds, "test_ratio": ratio}
    if isinstance(fill, Imputation):
        scored = hidden[rows]
        scored[:, list(table.categorical)] = False
        values["coverage"] = fill.coverage(table.X[rows], X_shown[rows], scored)
    return values


TITLES = {
    "numeric": "Numeric columns: RMSE in standard deviations",
    "categorical": "Categorical columns: error rate / the majority's",
}


def main() -> None:
    """Run and print."""
    patterns = {"help": "names, separated by ',' (default: all)"}
    args = parse(
        __doc__, seeds=3, candidates=CANDIDATES, extra={"--patterns": patterns}
    )
    methods = runnable(METHODS)
    if args.candidates:
        methods = {n: partial(imputer, **CANDIDATES[n]) for n in args.candidates}
    benchmark = Benchmark(
        protocol("imputation", "", args),
        partial(prepare, args=args),
        partial(evaluate, methods=methods),
        lambda split, pattern, method: applies(pattern, split.table.X),
    )
    known = available(args.data)
    cells = measure(
        benchmark,
        args,
        sets=[name for name in (SETS if args.data else BUNDLED) if name in known],
        methods=methods,
        conditions=chosen(args.patterns, PATTERNS, "--patterns"),
    )
    results = Results(cells)
    if args.candidates:
        publish(candidate_tables(results, TITLES), args)
    else:
        publish(error_report(results, TITLES, OURS, ("mean", np.mean)), args)


if __name__ == "__main__":
    main()
