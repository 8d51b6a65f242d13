"""How well held-out rows are rebuilt: the DAE beside its baselines.

Of the test rows 25 % of the known cells are hidden (or, with --task noise, all of them
are measured with an error), the same way for all methods. See README.md for the
measures, the baselines and the splits.
"""

import argparse
from functools import partial
from typing import Any

import numpy as np
from _data import Table, available
from _metrics import cell_errors
from _reconstruction import (
    CODE_SIZE,
    DEFAULTS,
    NOISE_SCALE,
    PCA_ROUNDS,
    REFERENCE,
    Fill,
    Method,
    Problem,
    add_noise,
    as_measured,
    coding_of,
    column_mean,
    dae,
    gaussian,
    hide,
    nearest_neighbours,
    pca,
    pca_best,
    pca_denoising,
    sample,
    wiener,
)
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import Results, candidate_tables, error_report

from skdae.noise import EmphasizedNoise, MaskingNoise
from skdae.schedules import (
    Frozen,
    Gradual,
    Hybrid,
    Joint,
    Schedule,
    Stacked,
    at_equal_updates,
)

MAX_TEST_ROWS = 2_000  # drawn once per seed; the baselines, not the DAE, set the pace
QUICK_TRAIN_ROWS, QUICK_TEST_ROWS = 2_000, 500
OURS = "DAE gradual (defaults)"
OURS_NOISE = "DAE gradual, noise='gaussian', 0.5"
OURS_NARROW = "DAE gradual"


NETWORKS: dict[str, Schedule] = {
    "gradual": Gradual(start="random"),
    "stacked": Stacked(start="random"),
    "hybrid": Hybrid(start="random"),
    "frozen": Frozen(start="random"),
    "joint": Joint(),
    "gradual, copy": Gradual(start="copy"),
    "stacked, copy": Stacked(start="copy"),
    "frozen, copy": Frozen(start="copy"),
}


def scheduled(name: str) -> dict[str, Any]:
    """A schedule with as many weight updates; the network without a linear estimate."""
    schedule = at_equal_updates(NETWORKS[name], REFERENCE)
    return {"schedule": schedule, "validation_fraction": None}


METHODS: dict[str, Method] = {
    "column mean": column_mean,
    f"PCA, {CODE_SIZE} axes": partial(pca, size=CODE_SIZE),
    f"PCA, {CODE_SIZE} axes, iterated": partial(pca, size=CODE_SIZE, rounds=PCA_ROUNDS),
    "PCA, best size, iterated": pca_best,
    "Gaussian": gaussian,
    "nearest neighbours": nearest_neighbours,
    OURS: dae,
} | {f"network alone, {name}": partial(dae, **scheduled(name)) for name in NETWORKS}

NOISE_METHODS: dict[str, Method] = {
    "as measured": as_measured,
    "PCA, best size": pca_denoising,
    "Wiener filter": wiener,
    OURS: dae,
    OURS_NOISE: partial(dae, noise="gaussian", noise_rate=NOISE_SCALE),
}

# --- a code a quarter as wide as the table -------------------------------------------


def narrow_code(problem: Problem) -> int:
    """A quarter of the features, at most the default code size."""
    n_features = coding_of(problem).encode(problem.X[:1]).shape[1]
    return max(1, min(CODE_SIZE, n_features // 4))


def narrow_pca(problem: Problem, *, rounds: int = 1) -> Fill:
    """PCA of that code size."""
    return pca(problem, size=narrow_code(problem), rounds=rounds)


def narrow_dae(problem: Problem, **params: Any) -> Fill:
    """The network with that code size, without a linear estimate."""
    sizes = (*DEFAULTS["hidden_layer_sizes"][:-1], narrow_code(problem))
    params = {"validation_fraction": None} | params
    return dae(problem, hidden_layer_sizes=sizes, **params)


NARROW_METHODS: dict[str, Method] = {
    "column mean": column_mean,
    "PCA": narrow_pca,
    "PCA, iterated": partial(narrow_pca, rounds=PCA_ROUNDS),
    OURS_NARROW: narrow_dae,
    "DAE stacked": partial(narrow_dae, **scheduled("stacked")),
    "DAE joint": partial(narrow_dae, **scheduled("joint")),
}

TASKS = {"filling": METHODS, "noise": NOISE_METHODS, "narrow": NARROW_METHODS}
OURS_OF = {"filling": OURS, "noise": OURS_NOISE, "narrow": OURS_NARROW}

# --- candidates for the defaults, each a change to those of today --------------------

CANDIDATES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "max_iter=50": {"max_iter": 50},
    "max_iter=100": {"max_iter": 100},
    "max_iter=400": {"max_iter": 400},
    "learning_rate_init=3e-4": {"learning_rate_init": 3e-4},
    "learning_rate_init=2e-3": {"learning_rate_init": 2e-3},
    "learning_rate_init=3e-3": {"learning_rate_init": 3e-3},
    "batch_size=16": {"batch_size": 16},
    "batch_size=128": {"batch_size": 128},
    "activation='tanh'": {"activation": "tanh"},
    "activation='identity'": {"activation": "identity"},
    "noise='swap'": {"noise": "swap"},
    "noise='random_masking', 0.5": {"noise": "random_masking", "noise_rate": 0.5},
    "noise_rate=0.1": {"noise_rate": 0.1},
    "noise_rate=0.4": {"noise_rate": 0.4},
    "emphasis=(1, 0.25)": {
        "noise": EmphasizedNoise(MaskingNoise(0.25), untouched=0.25)
    },
    "emphasis=(1, 0)": {"noise": EmphasizedNoise(MaskingNoise(0.25), untouched=0)},
    "alpha=1e-3": {"alpha": 1e-3},
    "alpha=1e-2": {"alpha": 1e-2},
    "hidden_layer_sizes=(64, 32)": {"hidden_layer_sizes": (64, 32)},
    "hidden_layer_sizes=(256, 128)": {"hidden_layer_sizes": (256, 128)},
    "scaling='quantile'": {"scaling": "quantile"},
    "decoder=tied": {"decoder": "tied"},
    "epoch_allocation=(1, 3)": {"schedule": Gradual(epoch_allocation=(1, 3))},
    "start='random'": {"schedule": Gradual(start="random")},
    "tuning_fraction=0.3": {"schedule": Gradual(tuning_fraction=0.3)},
    "2e-3, (256, 128)": {
        "learning_rate_init": 2e-3,
        "hidden_layer_sizes": (256, 128),
    },
}

# --- running -------------------------------------------------------------------------


def split_of(table: Table, seed: int, quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows."""
    train, test = table.split(seed)
    train = sample(train, QUICK_TRAIN_ROWS if quick else None, seed)
    return train, sample(test, QUICK_TEST_ROWS if quick else MAX_TEST_ROWS, seed)


def prepare(
    name: str, seed: int, *, args: argparse.Namespace
) -> tuple[Problem, np.ndarray]:
    """Rows to learn from, and rows that are rebuilt."""
    table = available(args.data)[name]()
    if args.task == "noise":
        table = table.numeric()
    train, test = split_of(table, seed, args.quick)
    problem = Problem(table, train, seed)
    if not args.candidates:
        return problem, table.X[test]
    return problem.halves()


def evaluate(
    problem: tuple[Problem, np.ndarray],
    condition: str,
    method: str,
    *,
    methods: dict[str, Method],
    task: str,
) -> Values:
    """Errors of a method on the same cells as all others."""
    known, X = problem
    if task == "noise":
        X_shown, scored = add_noise(X, known.X, known.seed)
    else:
        X_shown, scored = hide(X, known.seed)
    X_filled, seconds = timed(lambda: methods[method](known)(X_shown))
    found = cell_errors(known.X, X, scored, X_filled, known.table.categorical)
    ratio = len(X) / len(known.train)
    return found._asdict() | {"seconds": seconds, "test_ratio": ratio}


# --- tables --------------------------------------------------------------------------

TITLES = {
    "numeric": "Numeric columns: squared error / variance",
    "categorical": "Categorical columns: error rate / the majority's",
}


TASK = {
    "choices": list(TASKS),
    "default": "filling",
    "help": "rebuild hidden cells (default), noisy cells, or hidden cells through a "
    "code a quarter as wide as the table",
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3, candidates=CANDIDATES, extra={"--task": TASK})
    methods = TASKS[args.task]
    if args.candidates:
        methods = {name: partial(dae, **CANDIDATES[name]) for name in args.candidates}
    benchmark = Benchmark(
        protocol("denoising", args.task, args),
        partial(prepare, args=args),
        partial(evaluate, methods=methods, task=args.task),
    )
    results = Results(
        measure(benchmark, args, sets=available(args.data), methods=methods)
    )
    if args.candidates:
        publish(candidate_tables(results, TITLES), args)
    else:
        publish(error_report(results, TITLES, OURS_OF[args.task]), args)


if __name__ == "__main__":
    main()
