"""Experiment 1: corrupted rows, and how well each method restores them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdae._denoiser import GradualDAEDenoiser
from skdae._gaussian import fit_gaussian
from skdae._imputer import GradualDAEImputer
from skdae._transformer._defaults import default_transformer
from skdae.noise import (
    DropoutNoise,
    GaussianNoise,
    Layout,
    MaskingNoise,
    Noise,
    SpikeNoise,
    StuckNoise,
)
from skdae.poc._data import Data
from skdae.poc._plan import Setting, Unit
from skdae.poc._resources import cost_records, rows_per_second, timed
from skdae.poc._results import (
    COLUMNS,
    DENOISING,
    OVERALL,
    TINY,
    Record,
    jackknife,
    row_folds,
)
from skdae.timeseries import (
    interpolate,
    last_known_value,
    moving_average,
    moving_median,
)

IMPUTER, DENOISER = "imputer", "denoiser"
ERROR = "error"  # mean over columns of the RMSE in standard deviations
TRACE_ROWS = 60
N_NEIGHBORS = 5
MAX_DONORS = 5_000  # training rows of nearest neighbours, and of the linear denoiser
NOISY_COPIES, RIDGE_PENALTY = 4, 1e-3  # of the linear denoiser
PCA_ASIDE, PCA_HIDDEN = 0.2, 0.25  # shares of rows, and of their cells
PCA_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
PCA_ITERATIONS = 20

#: What happens to measured numbers; in 'missing_blocks' whole groups of columns.
CORRUPTIONS: dict[str, Noise | None] = {
    "clean": None,
    "sensor_noise": GaussianNoise(0.5),
    "spikes": SpikeNoise(0.05, scale=5.0),
    "stuck": StuckNoise(0.25, length=10),
    "dropout": MaskingNoise(0.25),
    "missing_blocks": DropoutNoise(0.25, groups=4),
}
FAULTS = tuple(name for name in CORRUPTIONS if name != "clean")
GAPS = ("dropout", "missing_blocks")  # cells are missing, and the error is theirs


def corrupt(
    name: str, X: np.ndarray, layout: Layout, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with a corruption, and the cells that count, (n, n_numeric) each.

    `X` is in the user's units; NaN is where nothing is measured.
    """
    known = ~np.isnan(X)
    noise = CORRUPTIONS[name]
    if noise is None:
        return X, known
    filled = np.where(known, X, (layout.low + layout.high) / 2)
    corrupted, cells = noise.apply(filled, generator, layout)
    if name in GAPS:
        missing = cells & known
        return np.where(missing, np.nan, X), missing
    return np.where(known, corrupted, np.nan), known


# --- methods --------------------------------------------------------------------------

Restore = Callable[[Data], np.ndarray]  # of rows: their numbers, (n, n_numeric)
#: Restores features (n, n_features), NaN where missing, of runs of rows (n,); it
#: returns NaN for the mean.
RestoreFeatures = Callable[[np.ndarray, np.ndarray], np.ndarray]


def features(data: Data, *, fill: bool) -> Any:
    """Standardised numbers and then one-hot text; gaps are filled or stay NaN."""
    numeric, categorical = list(data.numeric), list(data.categorical)
    scale: Any = StandardScaler()
    if fill:
        scale = make_pipeline(SimpleImputer(keep_empty_features=True), scale)
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    if not categorical:
        return make_column_transformer((scale, numeric))
    return make_column_transformer((scale, numeric), (hot, categorical))


def learn(name: str, data: Data) -> Restore:
    """Return a simple method that has learned from training rows."""
    encode = features(data, fill=False).fit(data.X)
    scaler, n = encode.transformers_[0][1], len(data.numeric)
    mean, scale = np.nan_to_num(scaler.mean_), scaler.scale_
    Z = encode.transform(data.X)
    center = np.nan_to_num(np.nanmean(Z, axis=0))
    act = (RESTORERS | TIME_RESTORERS)[name](Z - center, n)

    def restore(rows: Data) -> np.ndarray:
        Z = act(encode.transform(rows.X) - center, rows.runs)
        return (np.nan_to_num(Z) + center)[:, :n] * scale + mean

    return restore


def table_restorer(data: Data, act: Callable[[Data], Any]) -> Restore:
    """Return a method of ours, which takes and returns whole tables."""

    def restore(rows: Data) -> np.ndarray:
        rebuilt = pd.DataFrame(act(rows), columns=rows.X.columns)
        return rebuilt[list(data.numeric)].to_numpy(dtype=float)

    return restore


def imputer(data: Data, seed: int) -> Restore:
    """Return our imputer with its defaults: fills gaps and leaves measured cells."""
    text = list(data.categorical) or None
    model = GradualDAEImputer(categorical_features=text, random_state=seed)
    model.fit(data.X, groups=data.runs)
    return table_restorer(data, lambda rows: model.transform(rows.X, rows.runs))


def denoiser(setting: Setting, train: Data, seed: int) -> Restore:
    """Return our denoiser, which reads the rows around, with the network of a run."""
    network = setting.network("gradual", train, seed, setting.max_iter)
    model = GradualDAEDenoiser(
        network, order="time", noisy_rows=False, random_state=seed
    )
    model.fit(train.X, groups=train.runs)
    return table_restorer(train, lambda rows: model.transform(rows.X, rows.runs))


def range_check(Z: np.ndarray, n_numeric: int) -> RestoreFeatures:
    """What is measured, and the mean in gaps and outside the range of training."""
    filled = np.nan_to_num(Z)
    low, high = filled.min(axis=0), filled.max(axis=0)
    return lambda rows, runs: np.where((low > rows) | (high < rows), np.nan, rows)


def pca(Z: np.ndarray, n_numeric: int) -> RestoreFeatures:
    """Projection on principal axes; gaps are filled by it, iteration by iteration.

    How many axes is chosen on training rows that were set aside, some of their cells
    hidden, before the axes are learned from all.
    """
    n_aside = max(1, int(PCA_ASIDE * len(Z)))
    draw = np.random.default_rng(0)
    rows = draw.permutation(len(Z))
    aside, axes = Z[rows[:n_aside]], _axes(Z[rows[n_aside:]])
    hidden = (draw.random(aside.shape) < PCA_HIDDEN) & ~np.isnan(aside)
    shown = np.where(hidden, np.nan, aside)

    def error(size: int) -> float:
        missed = _project(shown, axes[:, :size]) - aside
        return float((missed[hidden] ** 2).sum())

    sizes = [size for size in PCA_SIZES if size < Z.shape[1]] or [1]
    best = _axes(Z)[:, : min(sizes, key=error)]

    def restore(Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        filled = np.where(np.isnan(Z), _project(Z, best), Z)
        return filled @ best @ best.T

    return restore


def _axes(Z: np.ndarray) -> np.ndarray:
    """Return all principal axes, the largest first."""
    filled = np.nan_to_num(Z)
    return np.linalg.eigh(filled.T @ filled)[1][:, ::-1]


def _project(Z: np.ndarray, axes: np.ndarray) -> np.ndarray:
    missing = np.isnan(Z)
    filled = np.nan_to_num(Z)
    projected = filled @ axes @ axes.T
    for _ in range(PCA_ITERATIONS if missing.any() else 0):
        filled[missing] = projected[missing]
        projected = filled @ axes @ axes.T
    return projected


def neighbors(Z: np.ndarray, n_numeric: int) -> RestoreFeatures:
    """The mean of the nearest training rows."""
    rows = np.random.default_rng(0).permutation(len(Z))[:MAX_DONORS]
    donors = Z[np.sort(rows)]
    k = min(N_NEIGHBORS, len(donors))
    fill = KNNImputer(n_neighbors=k, keep_empty_features=True).fit(donors)
    donors = fill.transform(donors)
    search = NearestNeighbors(n_neighbors=k).fit(donors)

    def restore(Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        filled = fill.transform(Z)
        nearest = search.kneighbors(filled, return_distance=False)
        return np.where(np.isnan(Z), filled, donors[nearest].mean(axis=1))

    return restore


def regressions(Z: np.ndarray, n_numeric: int) -> RestoreFeatures:
    """Each cell by a linear regression on the other cells of its row."""
    normal = fit_gaussian(np.nan_to_num(Z), np.isnan(Z))

    def restore(Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        filled = normal.fill(np.nan_to_num(Z), np.isnan(Z))
        pull = (filled - normal.mean) @ normal.precision
        others = filled - pull / np.diag(normal.precision)
        return np.where(np.isnan(Z), filled, others)

    return restore


def linear_denoiser(Z: np.ndarray, n_numeric: int) -> RestoreFeatures:
    """A ridge regression from corrupted rows to clean ones.

    It is trained with the noise that networks are trained with: what a network gains
    over it is owed to its being nonlinear.
    """
    normal = fit_gaussian(np.nan_to_num(Z), np.isnan(Z))
    draw = np.random.default_rng(0)
    Z = Z[np.sort(draw.permutation(len(Z))[:MAX_DONORS])]
    clean = np.tile(normal.fill(np.nan_to_num(Z), np.isnan(Z)), (NOISY_COPIES, 1))
    numbers = clean[:, :n_numeric]
    layout = Layout.from_data(numbers)
    noises = dict(default_transformer("proof_of_concept").noise.noises)
    wrong, _ = noises["errors"].apply(numbers, draw, layout)
    _, gaps = noises["gaps"].apply(numbers, draw, layout)
    corrupted = clean.copy()
    corrupted[:, :n_numeric] = np.where(gaps, np.nan, wrong)

    def inputs(Z: np.ndarray) -> np.ndarray:  # values, 0 in gaps, and where gaps are
        return np.hstack([np.nan_to_num(Z), np.isnan(Z[:, :n_numeric])])

    ridge = Ridge(RIDGE_PENALTY * len(clean)).fit(inputs(corrupted), clean)
    return lambda rows, runs: ridge.predict(inputs(rows))


def in_time(function: Callable[..., np.ndarray], **options: Any) -> Any:
    """Return a method that is a function of rows in time order and their groups."""
    return lambda Z, n_numeric: (
        lambda rows, runs: function(rows, groups=runs, **options)
    )


#: The simple methods: they learn from training rows as centred features, the numeric
#: ones first.
RESTORERS: dict[str, Callable[[np.ndarray, int], RestoreFeatures]] = {
    "as_measured": lambda Z, n_numeric: lambda rows, runs: rows,
    "column_mean": lambda Z, n_numeric: lambda rows, runs: np.zeros_like(rows),
    "range_check": range_check,
    "pca": pca,
    "neighbors": neighbors,
    "regressions": regressions,
    "linear_denoiser": linear_denoiser,
}
#: Those that need rows in time order.
TIME_RESTORERS: dict[str, Callable[[np.ndarray, int], RestoreFeatures]] = {
    "moving_average_3": in_time(moving_average, width=3),
    "moving_average_9": in_time(moving_average, width=9),
    "moving_median": in_time(moving_median, width=5),
    "interpolation": in_time(interpolate),
    "last_value": in_time(last_known_value),
}


def restorers(data: Data) -> list[str]:
    """Return the methods that suit a table, ours first."""
    if data.in_order:
        return [IMPUTER, DENOISER, *RESTORERS, *TIME_RESTORERS]
    return [IMPUTER, *RESTORERS]


# --- errors ---------------------------------------------------------------------------


def restore_results(
    restore: Restore, setting: Setting, unit: Unit, train: Data, test: Data
) -> dict[str, Any]:
    """Return the errors under each corruption, and traces of the first split.

    The error is the mean over columns of the root mean squared error, in standard
    deviations of the training rows; those of columns are in the user's units.
    """
    if setting.data.task == "anomaly":  # no known anomalies are restored
        test = test.take(np.flatnonzero(test.y != 1))
    numeric = list(train.numeric)
    layout = Layout.from_data(train.X[numeric].to_numpy())
    truth = test.X[numeric].to_numpy()
    folds, column = row_folds(test), _traced_column(train)
    errors, of_columns, traces = [], [], {}
    for k, name in enumerate(CORRUPTIONS):
        if unit.method == IMPUTER and name not in GAPS:
            continue  # it leaves measured cells as they are
        generator = np.random.default_rng([setting.seed, unit.split, 2, k])
        corrupted, scored = corrupt(name, truth, layout, generator)
        shown = test.X.copy()
        shown[numeric] = corrupted
        restored = restore(replace(test, X=shown))
        squares = np.where(scored, (restored - truth) ** 2, np.nan)
        error = partial(_error, squares, layout.scale)
        where = (unit.method, name, unit.split)
        errors.append(Record(DENOISING, *where, ERROR, *jackknife(error, folds)))
        roots = _column_roots(squares).tolist()
        of_columns += [
            Record(COLUMNS, *where, c, None if np.isnan(root) else root)
            for c, root in zip(numeric, roots, strict=True)
        ]
        if unit.split == 0 and name != "clean":
            every = {"true": truth, "corrupted": corrupted, "restored": restored}
            cut = {n: _trace(a[:TRACE_ROWS, column]) for n, a in every.items()}
            traces[name] = cut | {"column": numeric[column]}
    records = [*errors, *_overall(errors), *of_columns]
    return {"records": records, "traces": traces}


def _column_roots(squares: np.ndarray) -> np.ndarray:
    """Return the root of the mean of each column, NaN of one without a cell."""
    n_cells = (~np.isnan(squares)).sum(axis=0)
    means = np.nansum(squares, axis=0) / np.maximum(n_cells, 1)
    return np.where(n_cells > 0, np.sqrt(means), np.nan)


def _error(squares: np.ndarray, scale: np.ndarray, keep: np.ndarray) -> float:
    """Return the error of some of the rows."""
    roots = _column_roots(squares[keep])
    used = ~np.isnan(roots) & (scale > 0)
    return float(np.mean(roots[used] / scale[used])) if used.any() else 0.0


def _overall(errors: list[Record]) -> list[Record]:
    """Return the geometric mean over all corruptions, where all were measured."""
    faults = [r for r in errors if r.condition in FAULTS]
    if len(faults) < len(FAULTS):
        return []
    every = np.array([[r.value, *(r.replicates or ())] for r in faults], dtype=float)
    value, *replicates = np.exp(np.log(np.maximum(every, TINY)).mean(axis=0)).tolist()
    overall = {"value": value, "replicates": tuple(replicates)}
    return [faults[0]._replace(condition=OVERALL, **overall)]


def _traced_column(train: Data) -> int:
    """Return the numeric column that is correlated the most with the others."""
    X = train.X[list(train.numeric)]
    related = X.corr().abs().fillna(0.0).to_numpy().sum(axis=0)
    return int(related.argmax())


def _trace(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else float(f"{v:.5g}") for v in values]


def run_restorer(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a simple method, the imputer or the denoiser."""
    train, test = setting.rows(unit.split)
    seed = setting.seed_of(unit)
    ours: dict[str, Callable[[], Restore]] = {
        IMPUTER: partial(imputer, train, seed),
        DENOISER: partial(denoiser, setting, train, seed),
    }
    restore, costs = timed(ours.get(unit.method, partial(learn, unit.method, train)))
    found = restore_results(restore, setting, unit, train, test)
    costs["rows_per_second"] = rows_per_second(restore, test)
    found["records"] += cost_records(unit, costs)
    return found
