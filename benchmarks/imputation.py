"""How well missing cells are filled: the imputer beside its rivals.

Cells are hidden at random, in blocks of sensors, or where air quality really has its
gaps, in the training rows as in the test rows. See README.md for the measures, the
rivals and their caps.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from _data import Table, available
from denoising import (
    Coding,
    Errors,
    Fill,
    Method,
    Problem,
    Run,
    column_mean,
    dae,
    errors,
    nearest_neighbours,
    report,
    report_candidates,
    sample,
)
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import BayesianRidge

from skdae import GradualDAEImputer, GradualDAETransformer

SETS = (  # the widest ones last
    "air_quality",
    "gas_turbine",
    "occupancy",
    "steel_plates",
    "adult",
    "gas_drift",
    "hydraulic_ts",
)
BUNDLED = ("plant",)  # without a folder
MAX_TRAIN_ROWS = 2_000  # of all methods: the rivals, not the imputer, set the pace
MAX_TEST_ROWS = 500
WIDE = 60  # encoded columns from which the iterative rivals are capped
RUN_ROWS = 20  # that a block of sensors is silent for
SILENT_SHARE = 1 / 3  # of the columns
TITLES = (
    "Numeric columns: RMSE in standard deviations",
    "Categorical columns: error rate / the majority's",
)

# --- what is hidden ------------------------------------------------------------------


def at_random(X: np.ndarray, generator: np.random.Generator, share: float):
    """Each cell by itself."""
    return generator.random(X.shape) < share


def blocks_of_sensors(X: np.ndarray, generator: np.random.Generator):
    """For some rows in a row, a third of the columns, neighbours, is silent."""
    n_rows, n_columns = X.shape
    n_silent = max(1, round(SILENT_SHARE * n_columns))
    first = generator.integers(n_columns, size=-(-n_rows // RUN_ROWS))
    start = np.repeat(first, RUN_ROWS)[:n_rows, None]
    return (np.arange(n_columns) - start) % n_columns < n_silent


def real_gaps(X: np.ndarray, generator: np.random.Generator):
    """The gaps of the table itself, at another time."""
    return np.roll(np.isnan(X), generator.integers(len(X) // 4, len(X) // 2), axis=0)


PATTERNS: dict[str, Callable] = {
    "10 %": partial(at_random, share=0.1),
    "30 %": partial(at_random, share=0.3),
    "50 %": partial(at_random, share=0.5),
    "blocks": blocks_of_sensors,
    "real gaps": real_gaps,
}


def patterns_of(name: str, wanted: list[str]) -> list[str]:
    """Real gaps are those of air quality; other tables have few or none."""
    return [p for p in wanted if p != "real gaps" or name == "air_quality"]


Options = dict[str, Any]  # of the imputer

# --- the methods ---------------------------------------------------------------------


def iterative(problem: Problem, *, trees: bool) -> Fill:
    """One column after the other from all others, several times over."""
    coding = Coding(problem.X, problem.table.categorical)
    Z = coding.encode(problem.X)
    wide = Z.shape[1] > WIDE
    if trees:
        model: Any = ExtraTreesRegressor(
            n_estimators=10, min_samples_leaf=2, random_state=problem.seed
        )
        n_nearest, n_rounds = 20 if wide else None, 2 if wide else 5
    else:
        model, n_nearest, n_rounds = BayesianRidge(), None, 4 if wide else 10
    imputer = IterativeImputer(
        model,
        max_iter=n_rounds,
        n_nearest_features=n_nearest,
        keep_empty_features=True,
        random_state=problem.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        imputer.fit(Z)
    return lambda X: coding.decode(imputer.transform(coding.encode(X)))


def imputer(problem: Problem, *, options: Options | None = None, **params: Any) -> Fill:
    """The imputer, with its defaults but for what is given; `params` of its network."""
    network = GradualDAEImputer()._transformer().set_params(**params)
    network.set_params(categorical_features=list(problem.table.categorical) or None)
    model = GradualDAEImputer(network, random_state=problem.seed, **(options or {}))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
        model.fit(problem.X)
    return lambda X: np.asarray(model.transform(X), dtype=np.float64)


LINEAR = {"n_refinements": 0, "n_trees": 0}

METHODS: dict[str, Method] = {
    "column mean": column_mean,
    "nearest neighbours": nearest_neighbours,
    "iterative, BayesianRidge": partial(iterative, trees=False),
    "iterative, trees": partial(iterative, trees=True),
    "transformer.reconstruct": dae,
    "imputer, linear part": partial(imputer, options=LINEAR),
    "imputer, no forests": partial(imputer, options={"n_trees": 0}),
    "imputer (defaults)": imputer,
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


def run(
    name: str,
    table: Table,
    pattern: str,
    seed: int,
    methods: dict[str, Method],
    *,
    validate: bool,
) -> list[Run]:
    """All methods on the same rows with the same cells hidden.

    With `validate` the rows that are filled are a part of the training rows.
    """
    generator = np.random.default_rng([seed, list(PATTERNS).index(pattern)])
    hidden = PATTERNS[pattern](table.X, generator) & ~np.isnan(table.X)
    shown = replace(table, X=np.where(hidden, np.nan, table.X))
    train, test = table.split(seed)
    if validate:
        train, test = table.hold_out(train, 0.25, seed + 1000)
    problem = Problem(shown, sample(train, MAX_TRAIN_ROWS, seed), seed)
    rows = sample(test, MAX_TEST_ROWS, seed)
    rows = rows[~np.isnan(shown.X[rows]).all(axis=1)]
    X_train = table.X[problem.train]
    X_train[:, np.isnan(problem.X).all(axis=0)] = np.nan  # nobody can fill these
    runs = []
    for method, learn in methods.items():
        started = process_time()  # what else runs on the machine does not count
        X_filled = learn(problem)(shown.X[rows])
        seconds = process_time() - started
        found = errors(
            X_train,
            table.X[rows],
            hidden[rows],
            X_filled,
            table.categorical,
            root=True,
        )
        runs.append(Run(f"{name}, {pattern}", method, seed, found, seconds))
    return runs


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with tabular/")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument("--patterns", help="names, separated by commas (default: all)")
    parser.add_argument(
        "--candidates",
        nargs="?",
        const=";".join(CANDIDATES),
        help="compare settings of the imputer on validation rows instead; names "
        "separated by ';' (default: all)",
    )
    parser.add_argument("--methods", help="names, separated by ';' (default: all)")
    parser.add_argument("--store", type=Path, help="file that keeps runs to go on from")
    parser.add_argument("--output", type=Path, help="also write the tables here")
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error(f"--seeds {args.seeds} must be at least 1")
    return args


def chosen(option: str | None, known: list[str], flag: str, by: str) -> list[str]:
    """The names that an option lists; all without it."""
    names = known if option is None else option.split(by)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"error: {flag} {unknown} must be among {known}.")
    return names


def tables(runs: list[Run], args: argparse.Namespace) -> str:
    """The results as tables."""
    if args.candidates is not None:
        return report_candidates(runs)
    return report(runs, TITLES, ("mean", partial(np.mean, axis=0)))


def restore(path: Path | None) -> dict[tuple, Run]:
    """Runs of an earlier call, by set, method and seed."""
    if path is None or not path.is_file():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    runs = [Run(*head, Errors(*found), s) for *head, found, s in stored]
    return {run[:3]: run for run in runs}


def main() -> None:
    args = parse()
    try:
        loaders = available(args.data)
    except ValueError as error:
        sys.exit(f"error: {error}")
    known = [n for n in (SETS if args.data else BUNDLED) if n in loaders]
    names = chosen(args.sets, known, "--sets", ",")
    patterns = chosen(args.patterns, list(PATTERNS), "--patterns", ",")
    wanted = chosen(args.methods, list(METHODS), "--methods", ";")
    methods = {name: METHODS[name] for name in wanted}
    if args.candidates is not None:
        wanted = chosen(args.candidates, list(CANDIDATES), "--candidates", ";")
        wanted = list(dict.fromkeys(["defaults", *wanted]))
        methods = {c: partial(imputer, **CANDIDATES[c]) for c in wanted}
    # torch is loaded by the first fit, and that is no method's time
    GradualDAETransformer(2, max_iter=1).fit(np.eye(2))
    stored = restore(args.store)
    runs: list[Run] = []
    for name in names:
        table = loaders[name]()
        for pattern in patterns_of(name, patterns):
            for seed in range(args.seeds):
                started = perf_counter()
                keys = [(f"{name}, {pattern}", method, seed) for method in methods]
                left = {key[1]: methods[key[1]] for key in keys if key not in stored}
                validate = args.candidates is not None
                new = run(name, table, pattern, seed, left, validate=validate)
                stored |= {each[:3]: each for each in new}
                runs += [stored[key] for key in keys]
                if args.store is not None:
                    text = json.dumps(list(stored.values()))
                    args.store.write_text(text, encoding="utf-8")
                seconds = perf_counter() - started
                print(f"{keys[0][0]}, {seed}: {seconds:.0f} s", file=sys.stderr)
            if args.output is not None:  # what there is so far
                args.output.write_text(tables(runs, args), encoding="utf-8")
    print(tables(runs, args))


if __name__ == "__main__":
    main()
