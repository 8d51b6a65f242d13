"""Rows in time order: missing cells filled and noisy cells denoised.

Each seed takes another part of consecutive rows. Single cells, outages of a sensor or
the gaps of the table itself, moved in time, are hidden; or all cells of later rows are
measured with an error, those that are learned from as well or not. See README.md.
"""

import argparse
from dataclasses import dataclass
from functools import partial

import numpy as np
from _data import Table, blocks
from _masks import ORDERED_PATTERNS, applies, hide
from _metrics import pooled_rmse
from _ordered import PART_ROWS, ordered_sets
from _reconstruction import (
    PCA_SIZES,
    WIDTHS,
    Method,
    Problem,
    WithTruth,
    add_errors,
    add_noise,
    as_measured,
    averaging,
    by_truth,
    column_mean,
    dae,
    denoiser,
    forward_fill,
    interpolation,
    iterative,
    medians,
    miceforest,
    moving_best,
    moving_by_rule,
    pca_best,
    pca_denoising,
    pca_of_size,
    runnable,
    savitzky_golay,
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
from _tables import Results, error_report
from imputation import Imputation, imputer, learned_and_filled

QUICK_PART_ROWS = 1_000
TRAIN_SHARE = 0.7  # of a part, before the noisy rows
DENOISER = "denoiser, noise='gaussian'"
NOISES = {"noise 0.25": 0.25, "noise 0.5": 0.5}  # in standard deviations

IMPUTERS: dict[str, Method] = {
    "column mean": column_mean,
    "last known value": forward_fill,
    "linear interpolation": interpolation,
    "PCA, best size, iterated": pca_best,
    "iterative, trees": partial(iterative, model="trees"),
    "iterative, boosting": partial(iterative, model="boosting"),
    "miceforest": miceforest,
    "imputer, row by row": partial(imputer, options={"order": None}),
    "imputer (defaults)": imputer,
}


def denoisers(scale: float) -> dict[str, Method]:
    """Methods against normal noise of a scale."""
    return {
        "as measured": as_measured,
        "moving average": partial(moving_best, statistic="mean", scale=scale),
        "moving median": partial(moving_best, statistic="median", scale=scale),
        "PCA, best size": partial(pca_denoising, scale=scale),
        "transformer, noise='gaussian'": partial(
            dae, noise="gaussian", noise_rate=scale
        ),
        DENOISER: partial(denoiser, scale=scale, noisy_rows=False),
    }


# Fitted rows as noisy as later ones: the errors, and their scale in standard deviations
NOISY = {
    "normal 0.25": ("normal", 0.25),
    "normal 0.5": ("normal", 0.5),
    "Student 0.5": ("student", 0.5),
    "spikes 0.5": ("spikes", 0.5),
}
NOISY_PART_ROWS = 2_000  # later parts have decided how the denoiser learns
NOISY_OMITTED = ("hydraulic_ts",)  # one part, whose last rows have decided that as well
OURS_NOISY = "denoiser, order='time'"


def noisy_denoisers(scale: float) -> dict[str, Method]:
    """Methods that learn from rows with errors of a scale; 'best' knows the truth."""
    in_noisy = scale / np.sqrt(1 + scale**2)  # of the standard deviation with errors
    return {
        "as measured": as_measured,
        "moving average": moving_by_rule,
        "best moving average": partial(by_truth, make=averaging, sizes=WIDTHS),
        "best moving median": partial(by_truth, make=medians, sizes=WIDTHS),
        "best Savitzky-Golay": partial(by_truth, make=savitzky_golay, sizes=WIDTHS),
        "best PCA": partial(by_truth, make=pca_of_size, sizes=PCA_SIZES),
        OURS_NOISY: partial(denoiser, scale=None, order="time"),
        "the same, size stated": partial(denoiser, scale=in_noisy, order="time"),
    }


METHODS: dict[str, dict[str, Method]] = {
    **dict.fromkeys(ORDERED_PATTERNS, IMPUTERS),
    **{noise: denoisers(scale) for noise, scale in NOISES.items()},
    **{errors: noisy_denoisers(scale) for errors, (_, scale) in NOISY.items()},
}
TASKS = {
    "imputation": (list(ORDERED_PATTERNS), IMPUTERS, "imputer (defaults)"),
    "denoising": (list(NOISES), denoisers(0.5), DENOISER),
    "noisy": (list(NOISY), noisy_denoisers(0.5), OURS_NOISY),
}


@dataclass(frozen=True)
class Part:
    """Consecutive rows; no two seeds have the same ones."""

    X: np.ndarray | None  # None: the set has fewer parts than there are seeds
    seed: int


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Part:
    """The part with the number of the seed."""
    n_rows = NOISY_PART_ROWS if args.task == "noisy" else PART_ROWS
    n_rows = QUICK_PART_ROWS if args.quick else n_rows
    parts = ordered_sets(args.data)[name]().parts(n_rows)
    return Part(parts[seed] if seed < len(parts) else None, seed)


def is_run(part: Part, condition: str, method: str) -> bool:
    """Whether there is such a part, with gaps where they are asked for."""
    return part.X is not None and applies(condition, part.X)


def problem_of(X: np.ndarray, seed: int) -> Problem:
    """Rows to learn from, all of them."""
    return Problem(Table(X, blocks(len(X))), np.arange(len(X)), seed)


def evaluate(part: Part, condition: str, method: str) -> Values:
    """The error of the cells that are hidden or noisy.

    Missing cells are filled in the rows that are learned from. Noisy rows follow the
    rows that are learned from, which have no noise, or the same.
    """
    X = part.X
    if condition in NOISY:
        return evaluate_noisy(
            X, part.seed, *NOISY[condition], METHODS[condition][method]
        )
    if condition in NOISES:
        train, X = np.split(X, [round(TRAIN_SHARE * len(X))])
        shown, scored = add_noise(X, train, part.seed, NOISES[condition])
    else:
        shown, scored = hide(X, condition, ORDERED_PATTERNS, part.seed)
        train = shown
    learn = METHODS[condition][method]
    (fill, filled), seconds = timed(
        lambda: learned_and_filled(learn, problem_of(train, part.seed), shown)
    )
    rmse = pooled_rmse(train, X, scored, filled)
    values = {"rmse": rmse, "seconds": seconds, "test_ratio": 0.0}
    if isinstance(fill, Imputation):
        values["coverage"] = fill.coverage(X, shown, scored)
    return values


def evaluate_noisy(
    X: np.ndarray, seed: int, kind: str, scale: float, learn: Method
) -> Values:
    """The error of later rows, learned from earlier rows with the same errors."""
    n_train = round(TRAIN_SHARE * len(X))
    noisy, scored = add_errors(X, X[:n_train], seed, scale, kind)
    problem = problem_of(noisy[:n_train], seed)
    known = WithTruth(problem.table, problem.train, seed, X[n_train:])
    filled, seconds = timed(lambda: learn(known)(noisy[n_train:]))
    rmse = pooled_rmse(X[:n_train], X[n_train:], scored[n_train:], filled)
    return {"rmse": rmse, "seconds": seconds, "test_ratio": 0.0}


def main() -> None:
    """Run and print."""
    names = {"help": "patterns or noises, separated by ',' (default: all)"}
    task = {"choices": list(TASKS), "default": next(iter(TASKS))}
    extra = {"--task": task, "--conditions": names}
    args = parse(__doc__, seeds=5, extra=extra)
    conditions, methods, ours = TASKS[args.task]
    sets = ordered_sets(args.data)
    omitted = NOISY_OMITTED if args.task == "noisy" else ()
    cells = measure(
        Benchmark(
            protocol("time order", "", args),
            partial(prepare, args=args),
            evaluate,
            is_run,
        ),
        args,
        sets={name: each for name, each in sets.items() if name not in omitted},
        methods=runnable(methods),
        conditions=chosen(args.conditions, conditions, "--conditions"),
    )
    titles = {"rmse": "RMSE in standard deviations"}
    publish(error_report(Results(cells), titles, ours), args)


if __name__ == "__main__":
    main()
