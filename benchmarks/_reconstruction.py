"""Baselines that rebuild missing or noisy cells, and the transformer beside them.

A `Method` learns from the training rows of a problem and returns a function that takes
rows with NaN to rows without. All see standardised numbers and one-hot groups of equal
inertia, and what they fill stays in the range of the training cells: without that a
linear baseline can lose a table to a single odd row.
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
from _data import VALIDATION_SHARE, Table
from _masks import at_random
from _metrics import cell_errors
from scipy.signal import savgol_filter
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import BayesianRidge

from skdae import GradualDAEDenoiser, GradualDAETransformer
from skdae.schedules import gradual

HIDDEN_SHARE = 0.25
NOISE_SCALE = 0.5  # of the errors of measurement, in standard deviations
MAX_DONORS = 5_000  # training rows that nearest neighbours are searched in
PCA_ROUNDS = 30  # of filling and projecting
# the best on validation rows is taken
PCA_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
NEIGHBOURS = (3, 10, 30)
WIDE = 60  # encoded columns from which the iterative baselines are capped

Fill = Callable[[np.ndarray], np.ndarray]


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

    def halves(self, n_max: int | None = 1000) -> tuple["Problem", np.ndarray]:
        """The problem with fewer training rows, and other rows to choose on."""
        fit, validation = self.table.hold_out(
            self.train, VALIDATION_SHARE, self.seed + 1000
        )
        validation = sample(validation, n_max, self.seed)
        return replace(self, train=fit), self.table.X[validation]


Method = Callable[[Problem], Fill]


def sample(rows: np.ndarray, n_max: int | None, seed: int) -> np.ndarray:
    """At most `n_max` of the rows, in their order."""
    if n_max is None or len(rows) <= n_max:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n_max, replace=False))


def hide(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with hidden cells as NaN, and which of the known cells are hidden."""
    generator = np.random.default_rng([seed, 1])
    hidden = at_random(X, generator, HIDDEN_SHARE) & ~np.isnan(X)
    return np.where(hidden, np.nan, X), hidden


def add_noise(
    X: np.ndarray, X_train: np.ndarray, seed: int, scale: float = NOISE_SCALE
) -> tuple[np.ndarray, np.ndarray]:
    """Rows with normal noise on every cell, and which cells are known."""
    draw = np.random.default_rng([seed, 2]).normal(size=X.shape)
    deviation = np.nan_to_num(quiet(np.nanstd, X_train))
    return X + scale * deviation * draw, ~np.isnan(X)


def quiet(function: Callable, X: np.ndarray) -> np.ndarray:
    """A statistic of the columns, without a warning for those without a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(X, axis=0)


def add_errors(
    X: np.ndarray, X_train: np.ndarray, seed: int, scale: float, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows with errors on every cell, and which cells are known.

    'student' has three degrees of freedom; of 'spikes' a quarter of the variance is
    normal, the rest in one of fifty cells.
    """
    generator = np.random.default_rng([seed, 3])
    draw = generator.normal(size=X.shape)
    if kind == "student":
        draw = generator.standard_t(3, size=X.shape) / np.sqrt(3)
    if kind == "spikes":
        is_spike = generator.random(X.shape) < 0.02
        draw = 0.5 * draw + is_spike * generator.normal(0, 37.5**0.5, X.shape)
    deviation = np.nan_to_num(quiet(np.nanstd, X_train))
    return X + scale * deviation * draw, ~np.isnan(X)


class Coding:
    """Standardised numbers, and categories as one-hot groups of the same inertia."""

    def __init__(self, X: np.ndarray, categorical: tuple[int, ...] = ()) -> None:
        self.categorical = categorical
        self.numeric = [j for j in range(X.shape[1]) if j not in categorical]
        numbers = X[:, self.numeric]
        self.mean = np.nan_to_num(quiet(np.nanmean, numbers))
        self.scale = np.nan_to_num(quiet(np.nanstd, numbers))
        self.scale[self.scale == 0] = 1
        self.low = quiet(np.nanmin, numbers)
        self.high = quiet(np.nanmax, numbers)
        self.shares = []
        for j in categorical:
            counts = np.bincount(X[~np.isnan(X[:, j]), j].astype(int))
            self.shares.append(np.maximum(counts, 1e-9) / max(counts.sum(), 1))

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Centred features, NaN where missing."""
        parts = [(X[:, self.numeric] - self.mean) / self.scale]
        for j, share in zip(self.categorical, self.shares, strict=True):
            hot = (X[:, [j]] == np.arange(len(share))).astype(float)
            hot[np.isnan(X[:, j])] = np.nan
            parts.append((hot - share) / np.sqrt(share))
        return np.hstack(parts)

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Rows in their own units and range; the likeliest categories."""
        X = np.empty((len(Z), len(self.numeric) + len(self.categorical)))
        start = len(self.numeric)
        numbers = Z[:, :start] * self.scale + self.mean
        X[:, self.numeric] = np.clip(numbers, self.low, self.high)
        for j, share in zip(self.categorical, self.shares, strict=True):
            hot = Z[:, start : start + len(share)] * np.sqrt(share) + share
            X[:, j] = hot.argmax(axis=1)
            start += len(share)
        return X

    def around(self, fill: Fill) -> Fill:
        """A function of encoded rows as one of rows."""
        return lambda X: self.decode(fill(self.encode(X)))


def coding_of(problem: Problem) -> Coding:
    """The coding of the training rows."""
    return Coding(problem.X, problem.table.categorical)


# --- linear baselines ----------------------------------------------------------------


def column_mean(problem: Problem) -> Fill:
    """The mean of a column, or its most frequent category."""
    return coding_of(problem).around(np.nan_to_num)


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
    """Projection of the missing cells on the first `size` axes."""
    coding = coding_of(problem)
    V = principal_axes(coding.encode(problem.X), size)[:, :size]
    return coding.around(lambda Z: project(Z, V, rounds))


def pca_best(problem: Problem) -> Fill:
    """Iterated projection on the number of axes that is best on validation rows."""
    fit, X_validation = problem.halves()
    coding = coding_of(fit)
    X_shown, hidden = hide(X_validation, problem.seed)
    Z = coding.encode(X_shown)
    axes = principal_axes(coding.encode(fit.X))

    def error(size: int) -> float:
        filled = coding.decode(project(Z, axes[:, :size], PCA_ROUNDS))
        found = cell_errors(fit.X, X_validation, hidden, filled, coding.categorical)
        return float(np.nansum(found))

    sizes = [k for k in PCA_SIZES if k < len(axes)]
    return pca(problem, size=min(sizes, key=error), rounds=PCA_ROUNDS)


def gaussian(problem: Problem) -> Fill:
    """Conditional mean of a normal distribution with a shrunk covariance."""
    coding = coding_of(problem)
    covariance = LedoitWolf(assume_centered=True)
    S = covariance.fit(np.nan_to_num(coding.encode(problem.X))).covariance_

    def fill(Z: np.ndarray) -> np.ndarray:
        for row in Z:
            missing = np.isnan(row)
            if missing.all():
                row[:] = 0
            elif missing.any():
                known = ~missing
                row[missing] = S[np.ix_(missing, known)] @ np.linalg.solve(
                    S[np.ix_(known, known)], row[known]
                )
        return Z

    return coding.around(fill)


# --- denoising of single rows --------------------------------------------------------


def as_measured(problem: Problem) -> Fill:
    """The rows as they are; missing cells are the mean."""
    fill = column_mean(problem)
    return lambda X: np.where(np.isnan(X), fill(X), X)


def pca_denoising(problem: Problem, scale: float = NOISE_SCALE) -> Fill:
    """Projection on the number of axes that is best on validation rows."""

    def fitted(X: np.ndarray, size: int) -> Fill:
        coding = Coding(X)
        V = principal_axes(coding.encode(X), size)[:, :size]
        return coding.around(lambda Z: np.nan_to_num(Z) @ V @ V.T)

    fit, X_validation = problem.halves()
    X_noisy, known = add_noise(X_validation, fit.X, problem.seed, scale)

    def error(size: int) -> float:
        rebuilt = fitted(fit.X, size)(X_noisy)
        return cell_errors(fit.X, X_validation, known, rebuilt).numeric

    sizes = [k for k in PCA_SIZES if k < fit.X.shape[1]] + [fit.X.shape[1]]
    return fitted(problem.X, min(sizes, key=error))


def wiener(problem: Problem, scale: float = NOISE_SCALE) -> Fill:
    """Best linear estimate, from a shrunk covariance and the known noise."""
    coding = Coding(problem.X)
    Z = np.nan_to_num(coding.encode(problem.X))
    S = LedoitWolf(assume_centered=True).fit(Z).covariance_
    gain = np.linalg.solve(S + scale**2 * np.eye(len(S)), S)
    return coding.around(lambda Z: np.nan_to_num(Z) @ gain)


# --- neighbours and chained equations ------------------------------------------------


def nearest_neighbours(problem: Problem) -> Fill:
    """Mean of the nearest rows that know the cell; k chosen on validation rows."""
    categorical = problem.table.categorical

    def fitted(X_train: np.ndarray, k: int) -> Fill:
        donors = X_train[sample(np.arange(len(X_train)), MAX_DONORS, problem.seed)]
        coding = Coding(donors, categorical)
        imputer = KNNImputer(n_neighbors=k, keep_empty_features=True)
        imputer.fit(coding.encode(donors))
        return coding.around(imputer.transform)

    fit, X_validation = problem.halves()
    X_validation = X_validation[:300]
    X_shown, hidden = hide(X_validation, problem.seed)

    def error(k: int) -> float:
        filled = fitted(fit.X, k)(X_shown)
        found = cell_errors(fit.X, X_validation, hidden, filled, categorical)
        return float(np.nansum(found))

    return fitted(problem.X, min(NEIGHBOURS, key=error))


LEARNERS: dict[str, Callable[[int], Any]] = {
    "ridge": lambda seed: BayesianRidge(),
    "trees": lambda seed: ExtraTreesRegressor(
        n_estimators=10, min_samples_leaf=2, random_state=seed
    ),
    "boosting": lambda seed: HistGradientBoostingRegressor(
        max_iter=50, early_stopping=False, random_state=seed
    ),
}


def iterative(problem: Problem, *, model: str) -> Fill:
    """One column after the other from all others, several times over."""
    coding = coding_of(problem)
    Z = coding.encode(problem.X)
    is_wide = Z.shape[1] > WIDE
    n_nearest, n_rounds = 20 if is_wide else None, 2 if is_wide else 5
    if model == "ridge":
        n_nearest, n_rounds = None, 4 if is_wide else 10
    imputer = IterativeImputer(
        LEARNERS[model](problem.seed),
        max_iter=n_rounds,
        n_nearest_features=n_nearest,
        keep_empty_features=True,
        random_state=problem.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        imputer.fit(Z)
    return coding.around(imputer.transform)


MICE_ROUNDS = 5  # of miceforest, over the columns


def miceforest(problem: Problem) -> Fill:
    """Chained equations with LightGBM, which fill predictions instead of draws."""
    from miceforest import ImputationKernel

    coding = coding_of(problem)
    Z = pd.DataFrame(coding.encode(problem.X)).rename(columns=str)
    is_known = Z.notna().any()
    names = list(Z.columns[is_known])
    kernel = ImputationKernel(
        Z[names].copy(),
        variable_schema=names,  # of all columns, as later rows may miss others
        mean_match_candidates=0,
        random_state=problem.seed,
    )
    kernel.mice(MICE_ROUNDS, num_threads=1)

    def fill(Z: np.ndarray) -> np.ndarray:
        rows = pd.DataFrame(Z[:, is_known]).set_axis(names, axis=1)
        imputed = kernel.impute_new_data(rows, random_state=problem.seed)
        filled = np.zeros(Z.shape)
        # without the number it returns the random values that it starts from
        filled[:, is_known] = imputed.complete_data(iteration=MICE_ROUNDS)
        return filled

    return coding.around(fill)


def runnable(methods: dict[str, Method]) -> dict[str, Method]:
    """The methods, without miceforest where it does not run; the reason is printed."""
    reason = _fault_of_miceforest()
    if reason:
        print(f"miceforest is left out: {reason}", file=sys.stderr)
    return {n: m for n, m in methods.items() if not (reason and m is miceforest)}


def _fault_of_miceforest() -> str:
    """Why miceforest does not run here; empty where it does."""
    try:
        metadata.version("miceforest")
        lightgbm = metadata.version("lightgbm")
    except metadata.PackageNotFoundError as error:
        return f"{error}; pip install miceforest 'lightgbm<4.7'."
    if tuple(map(int, lightgbm.split(".")[:2])) < (4, 7):
        return ""
    return (
        f"it calls private methods of LightGBM below 4.7, and {lightgbm} is installed."
    )


# --- rows in time order --------------------------------------------------------------


def _in_time(problem: Problem, fill: Callable[[pd.DataFrame], pd.DataFrame]) -> Fill:
    """A function of rows in time order; what it leaves missing is the column mean."""
    mean = column_mean(problem)

    def filled(X: np.ndarray) -> np.ndarray:
        rebuilt = fill(pd.DataFrame(X)).to_numpy()
        return np.where(np.isnan(rebuilt), mean(X), rebuilt)

    return filled


def interpolation(problem: Problem) -> Fill:
    """Linear between the known rows around; the nearest one at the ends."""
    return _in_time(problem, lambda X: X.interpolate(limit_direction="both"))


def forward_fill(problem: Problem) -> Fill:
    """The last known value; at the start the next one."""
    return _in_time(problem, lambda X: X.ffill().bfill())


def moving(problem: Problem, *, width: int, statistic: str) -> Fill:
    """Moving 'mean' or 'median' of `width` rows around each row."""

    def fill(X: pd.DataFrame) -> pd.DataFrame:
        return X.rolling(width, min_periods=1, center=True).agg(statistic)

    return _in_time(problem, fill)


MOVING_WIDTHS = (3, 5, 9, 15)


def moving_best(
    problem: Problem, *, statistic: str, scale: float = NOISE_SCALE
) -> Fill:
    """The same, with the width that denoises the training rows best."""
    X = problem.X
    X_noisy, known = add_noise(X, X, problem.seed, scale)

    def error(width: int) -> float:
        rebuilt = moving(problem, width=width, statistic=statistic)(X_noisy)
        return cell_errors(X, X, known, rebuilt).numeric

    return moving(problem, width=min(MOVING_WIDTHS, key=error), statistic=statistic)


# --- learned from noisy rows ---------------------------------------------------------

WIDTHS = (3, 5, 9, 15, 31)


@dataclass(frozen=True)
class WithTruth(Problem):
    """A problem whose later rows are known without their errors."""

    truth: np.ndarray


def by_truth(
    problem: WithTruth, *, make: Callable[[Problem, int], Fill], sizes: tuple[int, ...]
) -> Fill:
    """The size with the least error on the rows to denoise, which no user knows."""
    known = ~np.isnan(problem.truth)
    fills = [make(problem, size) for size in sizes]

    def best(X: np.ndarray) -> np.ndarray:
        rebuilt = [fill(X) for fill in fills]
        return min(
            rebuilt,
            key=lambda rows: cell_errors(problem.X, problem.truth, known, rows).numeric,
        )

    return best


def averaging(problem: Problem, width: int) -> Fill:
    """Moving average."""
    return moving(problem, width=width, statistic="mean")


def medians(problem: Problem, width: int) -> Fill:
    """Moving median."""
    return moving(problem, width=width, statistic="median")


def savitzky_golay(problem: Problem, width: int) -> Fill:
    """Moving parabola; gaps are interpolated first."""

    def smooth(X: pd.DataFrame) -> pd.DataFrame:
        filled = X.interpolate(limit_direction="both").fillna(0)
        values = savgol_filter(filled, width, 2 if width > 3 else 1, axis=0)
        return pd.DataFrame(values)

    return _in_time(problem, smooth)


def pca_of_size(problem: Problem, size: int) -> Fill:
    """Projection on so many axes, at most all."""
    coding = Coding(problem.X)
    V = principal_axes(coding.encode(problem.X), size)[:, :size]
    return coding.around(lambda Z: np.nan_to_num(Z) @ V @ V.T)


def moving_by_rule(problem: Problem) -> Fill:
    """Moving average of the width that predicts noisy cells best without themselves."""
    X = pd.DataFrame(problem.X)
    scale = quiet(np.nanstd, problem.X)

    def error(width: int) -> float:
        window = X.rolling(width, min_periods=1, center=True)
        others = (window.sum() - X) / (window.count() - 1)
        return float(np.nanmean(((others - X) / np.where(scale > 0, scale, 1)) ** 2))

    return moving(problem, width=min(WIDTHS, key=error), statistic="mean")


# --- the transformer -----------------------------------------------------------------

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
    """The reconstruction of the transformer, in one pass."""
    model = fitted_dae(problem.X, problem.table.categorical, problem.seed, **params)
    return lambda X: model.reconstruct(X.astype(np.float32)).astype(np.float64)


def denoiser(
    problem: Problem, scale: float | None = NOISE_SCALE, **params: Any
) -> Fill:
    """The denoiser, for errors of a scale; None is for it to find out."""
    network = None
    if scale is not None:
        network = GradualDAETransformer(noise="gaussian", noise_rate=scale)
    model = GradualDAEDenoiser(network, random_state=problem.seed, **params)
    return model.fit(problem.X).transform
