"""How well held-out rows are rebuilt: the DAE beside its rivals.

Of the test rows 25 % of the observed cells are hidden (or, with --task noise, all of
them measured with an error), the same way for all methods. See README.md for the
measures, the rivals and the splits.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from _data import VALIDATION_SHARE, Table, available
from _report import markdown, ranks, unique
from sklearn.covariance import LedoitWolf
from sklearn.impute import KNNImputer

from skdae import GradualDAETransformer
from skdae.schedules import at_equal_updates, gradual

HIDDEN_SHARE = 0.25
NOISE_SCALE = 0.5  # of the errors of measurement, in standard deviations
MAX_TEST_ROWS = 2_000  # drawn once per seed; the rivals, not the DAE, set the pace
MAX_DONORS = 5_000  # training rows that nearest neighbours are searched in
PCA_ROUNDS = 30  # of filling and projecting
PCA_SIZES = (
    1,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    32,
    48,
    64,
    96,
)  # the best on validation rows
NEIGHBOURS = (3, 10, 30)  # the same
QUICK_TRAIN_ROWS, QUICK_TEST_ROWS = 2_000, 500


@dataclass(frozen=True)
class Problem:
    """What a method may learn from."""

    table: Table
    train: np.ndarray  # indices of rows
    seed: int

    @property
    def X(self) -> np.ndarray:
        """The training rows."""
        return self.table.X[self.train]

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Training rows to learn from and others to choose on."""
        fit, validation = self.table.hold_out(
            self.train, VALIDATION_SHARE, self.seed + 1000
        )
        validation = sample(validation, 1000, self.seed)
        return self.table.X[fit], self.table.X[validation]


Fill = Callable[[np.ndarray], np.ndarray]  # rows with NaN to rows without
Method = Callable[[Problem], Fill]


class Errors(NamedTuple):
    """Of hidden cells: 0 is perfect, 1 what knowing only the column gives."""

    numeric: float
    categorical: float  # NaN without categorical columns


def sample(rows: np.ndarray, n_max: int | None, seed: int) -> np.ndarray:
    """At most `n_max` of the rows, in their order."""
    if n_max is None or len(rows) <= n_max:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n_max, replace=False))


def hide(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with hidden cells as NaN, and which of the observed cells are hidden."""
    draw = np.random.default_rng([seed, 1]).random(X.shape)
    hidden = (draw < HIDDEN_SHARE) & ~np.isnan(X)
    return np.where(hidden, np.nan, X), hidden


def disturb(
    X: np.ndarray, X_train: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows with an error on every cell, and which cells are observed."""
    draw = np.random.default_rng([seed, 2]).normal(size=X.shape)
    scale = NOISE_SCALE * np.nan_to_num(_quiet(np.nanstd, X_train))
    return X + scale * draw, ~np.isnan(X)


def errors(
    X_train: np.ndarray,
    X: np.ndarray,
    hidden: np.ndarray,
    X_filled: np.ndarray,
    categorical: tuple[int, ...],
    *,
    root: bool = False,
) -> Errors:
    """Squared errors over the training variance; wrong categories over majority's.

    With `root`, that of each column: its error in standard deviations.
    """
    numeric, wrong, majority_wrong = [], 0.0, 0.0
    for j in range(X.shape[1]):
        cells = hidden[:, j]
        known = X_train[~np.isnan(X_train[:, j]), j]
        if not cells.any() or not len(known) or known.min() == known.max():
            continue
        truth, filled = X[cells, j], X_filled[cells, j]
        if j in categorical:
            majority = np.bincount(known.astype(int)).argmax()
            wrong += np.mean(truth != filled)
            majority_wrong += np.mean(truth != majority)
        else:
            square = np.mean((truth - filled) ** 2) / known.var()
            numeric.append(np.sqrt(square) if root else square)
    return Errors(
        float(np.mean(numeric)) if numeric else np.nan,
        wrong / majority_wrong if majority_wrong else np.nan,
    )


# --- the rivals ----------------------------------------------------------------------


class Coding:
    """Rows in standard units, categories as one-hot groups of the same inertia."""

    def __init__(self, X: np.ndarray, categorical: tuple[int, ...]) -> None:
        self.categorical = categorical
        self.numeric = [j for j in range(X.shape[1]) if j not in categorical]
        numbers = X[:, self.numeric]
        self.mean = np.nan_to_num(_quiet(np.nanmean, numbers))
        self.scale = np.nan_to_num(_quiet(np.nanstd, numbers))
        self.scale[self.scale == 0] = 1
        self.low = _quiet(np.nanmin, numbers)
        self.high = _quiet(np.nanmax, numbers)
        self.shares = []
        for j in categorical:
            counts = np.bincount(X[~np.isnan(X[:, j]), j].astype(int))
            self.shares.append(np.maximum(counts, 1e-9) / max(counts.sum(), 1))

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Centred features, NaN where nothing is known."""
        parts = [(X[:, self.numeric] - self.mean) / self.scale]
        for j, share in zip(self.categorical, self.shares, strict=True):
            hot = (X[:, [j]] == np.arange(len(share))).astype(float)
            hot[np.isnan(X[:, j])] = np.nan
            parts.append((hot - share) / np.sqrt(share))
        return np.hstack(parts)

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Rows in their own units, within the range seen; the likeliest categories."""
        X = np.empty((len(Z), len(self.numeric) + len(self.categorical)))
        start = len(self.numeric)
        numbers = Z[:, :start] * self.scale + self.mean
        X[:, self.numeric] = np.clip(numbers, self.low, self.high)
        for j, share in zip(self.categorical, self.shares, strict=True):
            hot = Z[:, start : start + len(share)] * np.sqrt(share) + share
            X[:, j] = hot.argmax(axis=1)
            start += len(share)
        return X


def _quiet(function: Callable, X: np.ndarray) -> np.ndarray:
    """Of columns, silent about those without a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(X, axis=0)


def column_mean(problem: Problem) -> Fill:
    """The mean of a column, or its most frequent category."""
    coding = Coding(problem.X, problem.table.categorical)
    return lambda X: coding.decode(np.nan_to_num(coding.encode(X)))


def principal_axes(Z: np.ndarray, size: int | None = None) -> np.ndarray:
    """Axes of the training rows, missing cells filled by the axes themselves."""
    missing = np.isnan(Z)
    filled = np.nan_to_num(Z)
    rounds = 5 if missing.any() and size is not None else 1
    for _ in range(rounds):
        _, axes = np.linalg.eigh(filled.T @ filled)
        axes = axes[:, ::-1]  # (n_features, n_features), the largest first
        if rounds > 1:
            V = axes[:, :size]
            filled[missing] = (filled @ V @ V.T)[missing]
    return axes


def project(Z: np.ndarray, V: np.ndarray, rounds: int) -> np.ndarray:
    """Missing cells from the means first, then from the projection on `V`."""
    missing = np.isnan(Z)
    filled = np.nan_to_num(Z)
    for _ in range(rounds):
        filled[missing] = (filled @ V @ V.T)[missing]
    return filled


def pca(problem: Problem, *, size: int, rounds: int = 1) -> Fill:
    """Projection on the first `size` axes."""
    coding = Coding(problem.X, problem.table.categorical)
    V = principal_axes(coding.encode(problem.X), size)[:, :size]
    return lambda X: coding.decode(project(coding.encode(X), V, rounds))


def pca_best(problem: Problem) -> Fill:
    """Iterated projection on as many axes as serve validation rows best."""
    X_fit, X_validation = problem.halves()
    coding = Coding(X_fit, problem.table.categorical)
    X_shown, hidden = hide(X_validation, problem.seed)
    Z = coding.encode(X_shown)
    axes = principal_axes(coding.encode(X_fit))

    def error(size: int) -> float:
        filled = coding.decode(project(Z, axes[:, :size], PCA_ROUNDS))
        found = errors(X_fit, X_validation, hidden, filled, problem.table.categorical)
        return float(np.nansum(found))

    sizes = [k for k in PCA_SIZES if k < len(axes)]
    return pca(problem, size=min(sizes, key=error), rounds=PCA_ROUNDS)


def gaussian(problem: Problem) -> Fill:
    """Conditional mean of a normal distribution with a shrunk covariance."""
    coding = Coding(problem.X, problem.table.categorical)
    covariance = LedoitWolf(assume_centered=True).fit(
        np.nan_to_num(coding.encode(problem.X))
    )
    S = covariance.covariance_

    def fill(X: np.ndarray) -> np.ndarray:
        Z = coding.encode(X)
        for row in Z:
            gone = np.isnan(row)
            if gone.all():
                row[:] = 0
            elif gone.any():
                seen = ~gone
                row[gone] = S[np.ix_(gone, seen)] @ np.linalg.solve(
                    S[np.ix_(seen, seen)], row[seen]
                )
        return coding.decode(Z)

    return fill


def nearest_neighbours(problem: Problem) -> Fill:
    """Mean of the nearest rows that know the cell; k chosen on validation rows."""
    categorical = problem.table.categorical

    def fitted(X_train: np.ndarray, k: int) -> Fill:
        donors = X_train[sample(np.arange(len(X_train)), MAX_DONORS, problem.seed)]
        coding = Coding(donors, categorical)
        imputer = KNNImputer(n_neighbors=k, keep_empty_features=True)
        imputer.fit(coding.encode(donors))
        return lambda X: coding.decode(imputer.transform(coding.encode(X)))

    X_fit, X_validation = problem.halves()
    X_validation = X_validation[:300]
    X_shown, hidden = hide(X_validation, problem.seed)

    def error(k: int) -> float:
        filled = fitted(X_fit, k)(X_shown)
        return float(
            np.nansum(errors(X_fit, X_validation, hidden, filled, categorical))
        )

    return fitted(problem.X, min(NEIGHBOURS, key=error))


# --- the DAE -------------------------------------------------------------------------

DEFAULTS = GradualDAETransformer().get_params()
CODE_SIZE = DEFAULTS["hidden_layer_sizes"][-1]
REFERENCE = gradual(len(DEFAULTS["hidden_layer_sizes"]), DEFAULTS["max_iter"])


def fitted_dae(
    X: np.ndarray, categorical: tuple[int, ...], seed: int, **params: Any
) -> GradualDAETransformer:
    """The transformer on float32 rows, with its defaults but for `params`."""
    dae = GradualDAETransformer(
        categorical_features=list(categorical) or None, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
        return dae.set_params(**params).fit(X.astype(np.float32))


def dae(problem: Problem, **params: Any) -> Fill:
    """What the transformer rebuilds in one pass."""
    model = fitted_dae(problem.X, problem.table.categorical, problem.seed, **params)
    return lambda X: model.reconstruct(X.astype(np.float32)).astype(np.float64)


METHODS: dict[str, Method] = {
    "column mean": column_mean,
    f"PCA, {CODE_SIZE} axes": partial(pca, size=CODE_SIZE),
    f"PCA, {CODE_SIZE} axes, iterated": partial(pca, size=CODE_SIZE, rounds=PCA_ROUNDS),
    "PCA, best size, iterated": pca_best,
    "Gaussian": gaussian,
    "nearest neighbours": nearest_neighbours,
    "DAE gradual (defaults)": dae,
} | {
    f"DAE {name}": partial(dae, schedule=at_equal_updates(name, REFERENCE))
    for name in ("stacked", "hybrid", "frozen", "joint")
}

# --- errors of measurement: rivals --------------------------------------------------


def as_measured(problem: Problem) -> Fill:
    """Nothing is done but filling what is missing with the mean."""
    fill = column_mean(problem)
    return lambda X: np.where(np.isnan(X), fill(X), X)


def pca_denoising(problem: Problem) -> Fill:
    """Projection on as many axes as serve validation rows best."""

    def fitted(X: np.ndarray, size: int) -> Fill:
        coding = Coding(X, ())
        V = principal_axes(coding.encode(X), size)[:, :size]
        return lambda X: coding.decode(np.nan_to_num(coding.encode(X)) @ V @ V.T)

    X_fit, X_validation = problem.halves()
    X_noisy, observed = disturb(X_validation, X_fit, problem.seed)

    def error(size: int) -> float:
        rebuilt = fitted(X_fit, size)(X_noisy)
        return errors(X_fit, X_validation, observed, rebuilt, ()).numeric

    sizes = [k for k in PCA_SIZES if k < X_fit.shape[1]] + [X_fit.shape[1]]
    return fitted(problem.X, min(sizes, key=error))


def wiener(problem: Problem) -> Fill:
    """Best linear estimate, from a shrunk covariance and the known error."""
    coding = Coding(problem.X, ())
    Z = np.nan_to_num(coding.encode(problem.X))
    S = LedoitWolf(assume_centered=True).fit(Z).covariance_
    gain = np.linalg.solve(S + NOISE_SCALE**2 * np.eye(len(S)), S)
    return lambda X: coding.decode(np.nan_to_num(coding.encode(X)) @ gain)


NOISE_METHODS: dict[str, Method] = {
    "as measured": as_measured,
    "PCA, best size": pca_denoising,
    "Wiener filter": wiener,
    "DAE gradual (defaults)": dae,
    "DAE gradual, noise='gaussian', 0.5": partial(
        dae, noise="gaussian", noise_rate=NOISE_SCALE
    ),
}

# --- a code a quarter as wide as the table -------------------------------------------


def narrow_code(problem: Problem) -> int:
    """A quarter of the features, at most the default code size."""
    coding = Coding(problem.X, problem.table.categorical)
    n_features = coding.encode(problem.X[:1]).shape[1]
    return max(1, min(CODE_SIZE, n_features // 4))


def narrow_pca(problem: Problem, *, rounds: int = 1) -> Fill:
    """PCA of that code size."""
    return pca(problem, size=narrow_code(problem), rounds=rounds)


def narrow_dae(problem: Problem, **params: Any) -> Fill:
    """The transformer with that code size."""
    sizes = (*DEFAULTS["hidden_layer_sizes"][:-1], narrow_code(problem))
    return dae(problem, hidden_layer_sizes=sizes, **params)


NARROW_METHODS: dict[str, Method] = {
    "column mean": column_mean,
    "PCA": narrow_pca,
    "PCA, iterated": partial(narrow_pca, rounds=PCA_ROUNDS),
    "DAE gradual": narrow_dae,
    "DAE stacked": partial(narrow_dae, schedule=at_equal_updates("stacked", REFERENCE)),
    "DAE joint": partial(narrow_dae, schedule=at_equal_updates("joint", REFERENCE)),
}

TASKS = {"filling": METHODS, "noise": NOISE_METHODS, "narrow": NARROW_METHODS}

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
    "emphasis=(1, 0.25)": {"emphasis": (1, 0.25)},
    "emphasis=(1, 0)": {"emphasis": (1, 0)},
    "alpha=1e-3": {"alpha": 1e-3},
    "alpha=1e-2": {"alpha": 1e-2},
    "hidden_layer_sizes=(64, 32)": {"hidden_layer_sizes": (64, 32)},
    "hidden_layer_sizes=(256, 128)": {"hidden_layer_sizes": (256, 128)},
    "scaling='quantile'": {"scaling": "quantile"},
    "tied_weights=True": {"tied_weights": True},
    "epoch_allocation=(1, 3)": {"epoch_allocation": (1, 3)},
    "tuning_fraction=0.3": {"tuning_fraction": 0.3},
    "2e-3, (256, 128)": {
        "learning_rate_init": 2e-3,
        "hidden_layer_sizes": (256, 128),
    },
}

# --- running -------------------------------------------------------------------------


class Run(NamedTuple):
    """One method on one set with one seed."""

    set: str
    method: str
    seed: int
    errors: Errors
    seconds: float


def run_set(name: str, table: Table, seed: int, quick: bool, task: str) -> list[Run]:
    """All methods on the same test rows with the same cells hidden or disturbed."""
    if task == "noise":
        table = table.numeric()
    train, test = table.split(seed)
    train = sample(train, QUICK_TRAIN_ROWS if quick else None, seed)
    test = sample(test, QUICK_TEST_ROWS if quick else MAX_TEST_ROWS, seed)
    problem = Problem(table, train, seed)
    X = table.X[test]
    if task == "noise":
        X_shown, scored = disturb(X, problem.X, seed)
    else:
        X_shown, scored = hide(X, seed)
    runs = []
    for method, learn in TASKS[task].items():
        started = perf_counter()
        X_filled = learn(problem)(X_shown)
        seconds = perf_counter() - started
        found = errors(problem.X, X, scored, X_filled, table.categorical)
        runs.append(Run(name, method, seed, found, seconds))
    return runs


def run_candidates(
    name: str, table: Table, seed: int, quick: bool, wanted: list[str]
) -> list[Run]:
    """All candidates for the defaults, on a held-out part of the training rows."""
    train, _ = table.split(seed)
    train = sample(train, QUICK_TRAIN_ROWS if quick else None, seed)
    X_fit, X = Problem(table, train, seed).halves()
    X_shown, hidden = hide(X, seed)
    runs = []
    for candidate in wanted:
        started = perf_counter()
        model = fitted_dae(X_fit, table.categorical, seed, **CANDIDATES[candidate])
        seconds = perf_counter() - started
        X_filled = model.reconstruct(X_shown.astype(np.float32)).astype(np.float64)
        found = errors(X_fit, X, hidden, X_filled, table.categorical)
        runs.append(Run(name, candidate, seed, found, seconds))
    return runs


# --- tables --------------------------------------------------------------------------


def _by(runs: list[Run], set_name: str, method: str) -> np.ndarray:
    """Errors and seconds of the seeds, (n_seeds, 3)."""
    return np.array(
        [
            [*run.errors, run.seconds]
            for run in runs
            if run.set == set_name and run.method == method
        ]
    )


def _cells(values: np.ndarray) -> list[str]:
    """Mean and spread of each method; the best one is bold."""
    means, spreads = values.mean(axis=1), values.std(axis=1)
    best = np.nanmin(np.round(means, 3))
    texts = []
    for mean, spread in zip(means, spreads, strict=True):
        text = f"{mean:.3f}" if mean < 100 else f"{mean:.3g}"
        text = f"**{text}**" if round(mean, 3) == best else text
        texts.append(f"{text} ± {spread:.3f}" if values.shape[1] > 1 else text)
    return texts


def geometric(values: np.ndarray) -> np.ndarray:
    """Geometric mean over the sets."""
    return np.exp(np.log(np.maximum(values, 1e-12)).mean(axis=0))


TITLES = (
    "Numeric columns: squared error / variance",
    "Categorical columns: error rate / the majority's",
)


def report(
    runs: list[Run],
    titles: tuple[str, str] = TITLES,
    average: tuple[str, Callable] = ("geometric mean", geometric),
) -> str:
    """Errors by set and method, then average, ranks, wins and seconds."""
    sets, methods = unique(r.set for r in runs), unique(r.method for r in runs)
    values = np.array(
        [[_by(runs, name, method).T for method in methods] for name in sets]
    )  # (n_sets, n_methods, 3, n_seeds)
    parts = []
    for k, title in enumerate(titles):
        there = [i for i in range(len(sets)) if not np.isnan(values[i, :, k]).any()]
        if not there:
            continue
        parts.append(f"## {title}")
        rows = [[sets[i], *_cells(values[i, :, k])] for i in there]
        means = values[there][:, :, k].mean(axis=-1)
        placed = ranks(means)
        rows.append([average[0], *(f"{m:.3f}" for m in average[1](means))])
        rows.append(["average rank", *(f"{r:.1f}" for r in placed.mean(axis=0))])
        wins = (placed == placed.min(axis=1, keepdims=True)).sum(axis=0)
        rows.append([f"wins of {len(there)}", *(str(w) for w in wins)])
        parts.append(markdown(["set", *methods], rows))
    seconds = values[:, :, 2].mean(axis=(0, 2))
    parts.append("## Seconds, learning and filling, mean over the sets")
    parts.append(
        markdown(["", *methods], [["seconds", *(f"{s:.1f}" for s in seconds)]])
    )
    return "\n\n".join(parts) + "\n"


def report_candidates(runs: list[Run]) -> str:
    """Each candidate's error over that of the defaults, and its time."""
    sets, names = unique(r.set for r in runs), unique(r.method for r in runs)
    means = np.array(
        [[_by(runs, s, name).mean(axis=0) for name in names] for s in sets]
    )  # (n_sets, n_candidates, 3)
    ratios = means / means[:, :1]
    overall = np.exp(_quiet(np.nanmean, np.log(ratios)))  # (n_candidates, 3)
    better = (ratios[:, :, 0] < 0.995).sum(axis=0)
    worse = (ratios[:, :, 0] > 1.005).sum(axis=0)
    rows = [
        [
            name,
            f"{overall[i, 0]:.3f}",
            f"{overall[i, 1]:.3f}",
            f"{better[i]} / {worse[i]}",
            f"{ratios[:, i, 0].max():.2f}",
            f"{overall[i, 2]:.2f}",
        ]
        for i, name in enumerate(names)
    ]
    header = ["candidate", "numeric", "categorical", "sets better / worse"]
    summary = markdown([*header, "worst set", "time"], rows)
    detail = markdown(
        ["set", "error of the defaults", *names[1:]],
        [
            [s, f"{means[i, 0, 0]:.3f}", *(f"{r:.3f}" for r in ratios[i, 1:, 0])]
            for i, s in enumerate(sets)
        ],
    )
    return (
        "## Candidates: error on validation rows over that of the defaults\n\n"
        f"Geometric means over {len(sets)} sets.\n\n{summary}\n\n"
        f"## Numeric columns, by set\n\n{detail}\n"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with tabular/ and series/")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument(
        "--task",
        choices=list(TASKS),
        default="filling",
        help="rebuild hidden cells (default), cells measured with an error, or hidden "
        "cells through a code a quarter as wide as the table",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows, one seed")
    parser.add_argument(
        "--candidates",
        nargs="?",
        const=";".join(CANDIDATES),
        help="compare settings of the DAE on validation rows instead; names separated "
        "by ';' (default: all)",
    )
    parser.add_argument("--output", type=Path, help="also write the tables here")
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error(f"--seeds {args.seeds} must be at least 1")
    return args


def main() -> None:
    args = parse()
    try:
        loaders = available(args.data)
    except ValueError as error:
        sys.exit(f"error: {error}")
    names = args.sets.split(",") if args.sets else list(loaders)
    unknown = [name for name in names if name not in loaders]
    if unknown:
        sys.exit(f"error: --sets {unknown} must be among {', '.join(loaders)}.")
    wanted = [c for c in (args.candidates or "").split(";") if c]
    strange = [c for c in wanted if c not in CANDIDATES]
    if strange:
        sys.exit(f"error: --candidates {strange} must be among {list(CANDIDATES)}.")
    wanted = list(dict.fromkeys(["defaults", *wanted]))  # what the others compare with
    # torch is loaded by the first fit, and that is no method's time
    GradualDAETransformer(2, max_iter=1).fit(np.eye(2))
    runs: list[Run] = []
    for name in names:
        table = loaders[name]()
        for seed in range(1 if args.quick else args.seeds):
            started = perf_counter()
            if args.candidates:
                runs += run_candidates(name, table, seed, args.quick, wanted)
            else:
                runs += run_set(name, table, seed, args.quick, args.task)
            seconds = perf_counter() - started
            print(f"{name}, seed {seed}: {seconds:.0f} s", file=sys.stderr)
    text = report_candidates(runs) if args.candidates else report(runs)
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
