"""Experiment 1: corrupted rows, and how well each method restores them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdae._gaussian import Gaussian, fit_gaussian
from skdae._imputer import GradualDAEImputer
from skdae._transformer import GradualDAETransformer
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

IMPUTER = "imputer"
ERROR = "error"  # mean over columns of the RMSE in standard deviations
TRACE_ROWS = 60


# --- corruptions ----------------------------------------------------------------------


@dataclass(frozen=True)
class Corruption:
    """What happens to the measured numbers."""

    noise: Callable[[], Noise] | None
    is_gap: bool  # cells are missing, not wrong: the error is that of these cells


#: Cells of whole groups of columns are missing together in 'missing_blocks'.
CORRUPTIONS: dict[str, Corruption] = {
    "clean": Corruption(None, is_gap=False),
    "sensor_noise": Corruption(lambda: GaussianNoise(0.5), is_gap=False),
    "spikes": Corruption(lambda: SpikeNoise(0.05, scale=5.0), is_gap=False),
    "stuck": Corruption(lambda: StuckNoise(0.25, length=10), is_gap=False),
    "dropout": Corruption(lambda: MaskingNoise(0.25), is_gap=True),
    "missing_blocks": Corruption(lambda: DropoutNoise(0.25, groups=4), is_gap=True),
}
FAULTS = tuple(name for name in CORRUPTIONS if name != "clean")
GAPS = tuple(name for name, found in CORRUPTIONS.items() if found.is_gap)


@dataclass(frozen=True)
class Corrupted:
    """Rows as they arrive, and the cells in which the error is measured."""

    values: np.ndarray  # (n, n_numeric), NaN where nothing is measured
    scored: np.ndarray  # (n, n_numeric), of bool


def corrupt(
    name: str, X: np.ndarray, layout: Layout, generator: np.random.Generator
) -> Corrupted:
    """Return rows, (n, n_numeric) in the user's units, with a corruption."""
    known = ~np.isnan(X)
    corruption = CORRUPTIONS[name]
    if corruption.noise is None:
        return Corrupted(X, known)
    scale = np.where(layout.scale > 0, layout.scale, 1.0)
    center = (layout.low + layout.high) / 2
    scaled = Layout(
        layout.numeric,
        layout.scale / scale,
        (layout.low - center) / scale,
        (layout.high - center) / scale,
    )
    Z = np.where(known, (X - center) / scale, 0.0)
    corrupted, cells = corruption.noise().apply(Z, generator, scaled)
    if corruption.is_gap:
        missing = cells & known
        return Corrupted(np.where(missing, np.nan, X), missing)
    return Corrupted(np.where(known, corrupted * scale + center, np.nan), known)


# --- methods: rows in, their numeric columns restored, (n, n_numeric), out ------------


class Restorer(Protocol):
    """A method that restores rows."""

    def restore(self, rows: Data) -> np.ndarray: ...


@dataclass(frozen=True)
class NetworkRestorer:
    """A denoising transformer."""

    dae: GradualDAETransformer

    def restore(self, rows: Data) -> np.ndarray:
        """Return the reconstruction."""
        rebuilt = pd.DataFrame(self.dae.reconstruct(rows.X), columns=rows.X.columns)
        return rebuilt[list(rows.numeric)].to_numpy(dtype=float)


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


class EncodedRestorer:
    """Base of the simple methods: rows as centred features, the numeric ones first."""

    def __init__(self, data: Data) -> None:
        self.features = features(data, fill=False).fit(data.X)
        scaler = self.features.transformers_[0][1]
        self.mean, self.scale = np.nan_to_num(scaler.mean_), scaler.scale_
        Z = self.features.transform(data.X)
        self.center = np.nan_to_num(np.nanmean(Z, axis=0))
        self.fit(Z - self.center)

    def fit(self, Z: np.ndarray) -> None:
        """Learn from training rows, (n, n_features), NaN where nothing is known."""

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        """Return the features restored; NaN stands for their mean."""
        raise NotImplementedError

    def restore(self, rows: Data) -> np.ndarray:
        """Return the numeric columns."""
        Z = self.features.transform(rows.X) - self.center
        Z = np.nan_to_num(self.restored(Z, rows.runs)) + self.center
        return Z[:, : len(self.mean)] * self.scale + self.mean


class ColumnMean(EncodedRestorer):
    """The mean of the column, whatever is measured."""

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        return np.zeros_like(Z)


class AsMeasured(EncodedRestorer):
    """What is measured, and the mean in gaps."""

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        return Z


class RangeCheck(EncodedRestorer):
    """What is measured, and the mean in gaps and outside the range of training."""

    def fit(self, Z: np.ndarray) -> None:
        filled = np.nan_to_num(Z)
        self.low, self.high = filled.min(axis=0), filled.max(axis=0)

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        return np.where((self.low > Z) | (self.high < Z), np.nan, Z)


class PCARows(EncodedRestorer):
    """Projection on principal axes; gaps are filled by it, iteration by iteration.

    How many axes is chosen on training rows that were set aside, some of their cells
    hidden, before the axes are learned from all.
    """

    validation_share = 0.2
    hidden_share = 0.25
    sizes = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)

    def fit(self, Z: np.ndarray) -> None:
        n_aside = max(1, int(self.validation_share * len(Z)))
        draw = np.random.default_rng(0)
        rows = draw.permutation(len(Z))
        aside, axes = Z[rows[:n_aside]], _axes(Z[rows[n_aside:]])
        hidden = (draw.random(aside.shape) < self.hidden_share) & ~np.isnan(aside)
        shown = np.where(hidden, np.nan, aside)

        def error(size: int) -> float:
            missed = _project(shown, axes[:, :size]) - aside
            return float((missed[hidden] ** 2).sum())

        sizes = [size for size in self.sizes if size < Z.shape[1]] or [1]
        self.axes = _axes(Z)[:, : min(sizes, key=error)]

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        filled = np.where(np.isnan(Z), _project(Z, self.axes), Z)
        return filled @ self.axes @ self.axes.T


def _axes(Z: np.ndarray) -> np.ndarray:
    """Return all principal axes, the largest first."""
    filled = np.nan_to_num(Z)
    return np.linalg.eigh(filled.T @ filled)[1][:, ::-1]


def _project(Z: np.ndarray, axes: np.ndarray, n_iterations: int = 20) -> np.ndarray:
    missing = np.isnan(Z)
    filled = np.nan_to_num(Z)
    projected = filled @ axes @ axes.T
    for _ in range(n_iterations if missing.any() else 0):
        filled[missing] = projected[missing]
        projected = filled @ axes @ axes.T
    return projected


class Neighbours(EncodedRestorer):
    """The mean of the nearest training rows."""

    n_neighbors = 5
    max_donors = 5_000  # training rows that are searched

    def fit(self, Z: np.ndarray) -> None:
        rows = np.random.default_rng(0).permutation(len(Z))[: self.max_donors]
        donors = Z[np.sort(rows)]
        k = min(self.n_neighbors, len(donors))
        self.imputer = KNNImputer(n_neighbors=k, keep_empty_features=True).fit(donors)
        self.donors = self.imputer.transform(donors)
        self.search = NearestNeighbors(n_neighbors=k).fit(self.donors)

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        missing = np.isnan(Z)
        filled = self.imputer.transform(Z)
        nearest = self.search.kneighbors(filled, return_distance=False)
        return np.where(missing, filled, self.donors[nearest].mean(axis=1))


class Regressions(EncodedRestorer):
    """Each cell by a linear regression on the other cells of its row."""

    normal: Gaussian

    def fit(self, Z: np.ndarray) -> None:
        self.normal = fit_gaussian(np.nan_to_num(Z), np.isnan(Z))

    def filled(self, Z: np.ndarray) -> np.ndarray:
        """Return rows whose gaps are filled by their conditional mean."""
        return self.normal.fill(np.nan_to_num(Z), np.isnan(Z))

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        filled = self.filled(Z)
        pull = (filled - self.normal.mean) @ self.normal.precision
        others = filled - pull / np.diag(self.normal.precision)
        return np.where(np.isnan(Z), filled, others)


class LinearDenoiser(Regressions):
    """A ridge regression from corrupted rows to clean ones.

    It is trained with the noise that networks are trained with: what a network gains
    over it is owed to its being nonlinear.
    """

    n_copies = 4
    penalty = 1e-3
    max_rows = 5_000

    def fit(self, Z: np.ndarray) -> None:
        super().fit(Z)
        draw = np.random.default_rng(0)
        rows = np.sort(draw.permutation(len(Z))[: self.max_rows])
        clean = np.tile(self.filled(Z[rows]), (self.n_copies, 1))
        n_numeric = len(self.mean)
        numbers = clean[:, :n_numeric]
        layout = Layout.from_data(numbers)
        noises = dict(default_transformer("proof_of_concept").noise.noises)
        wrong, _ = noises["errors"].apply(numbers, draw, layout)
        _, gaps = noises["gaps"].apply(numbers, draw, layout)
        corrupted = clean.copy()
        corrupted[:, :n_numeric] = np.where(gaps, np.nan, wrong)
        inputs = self._inputs(corrupted)
        gram = inputs.T @ inputs + self.penalty * len(inputs) * np.eye(inputs.shape[1])
        self.weights = np.linalg.solve(gram, inputs.T @ clean)

    def _inputs(self, Z: np.ndarray) -> np.ndarray:
        """Return the values, 0 in gaps, and where the gaps are."""
        gaps = np.isnan(Z[:, : len(self.mean)])
        return np.hstack([np.nan_to_num(Z), gaps, np.ones((len(Z), 1))])

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        return self._inputs(Z) @ self.weights


class ImputerRows(EncodedRestorer):
    """Our imputer with its defaults: fills gaps and leaves measured cells."""

    def __init__(self, data: Data, seed: int) -> None:
        self.imputer = GradualDAEImputer(random_state=seed)
        super().__init__(data)

    def fit(self, Z: np.ndarray) -> None:
        self.imputer.fit(Z)

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        return self.imputer.transform(Z)


class FromNeighbours(EncodedRestorer):
    """A function of rows in time order and their groups."""

    def __init__(self, data: Data, function: Callable[..., np.ndarray]) -> None:
        self.function = function
        super().__init__(data)

    def restored(self, Z: np.ndarray, runs: np.ndarray) -> np.ndarray:
        return self.function(Z, groups=runs)


#: The simple methods, each learned from training rows.
RESTORERS: dict[str, Callable[[Data], Restorer]] = {
    "as_measured": AsMeasured,
    "column_mean": ColumnMean,
    "range_check": RangeCheck,
    "pca": PCARows,
    "neighbors": Neighbours,
    "regressions": Regressions,
    "linear_denoiser": LinearDenoiser,
}
#: Those that need rows in time order.
TIME_RESTORERS: dict[str, Callable[[Data], Restorer]] = {
    "moving_average_3": partial(
        FromNeighbours, function=partial(moving_average, width=3)
    ),
    "moving_average_9": partial(
        FromNeighbours, function=partial(moving_average, width=9)
    ),
    "moving_median": partial(FromNeighbours, function=partial(moving_median, width=5)),
    "interpolation": partial(FromNeighbours, function=interpolate),
    "last_value": partial(FromNeighbours, function=last_known_value),
}


def restorers(data: Data) -> dict[str, Callable[[Data], Restorer]]:
    """Return the simple methods that suit a table."""
    return RESTORERS | (TIME_RESTORERS if data.in_order else {})


# --- errors ---------------------------------------------------------------------------


def restore_results(
    model: Restorer, setting: Setting, unit: Unit, train: Data, test: Data
) -> dict[str, Any]:
    """Return the errors under each corruption, and traces of the first split.

    The error is the mean over columns of the root mean squared error, in standard
    deviations of the training rows; those of columns are in the user's units.
    """
    numeric = list(train.numeric)
    layout = Layout.from_data(train.X[numeric].to_numpy())
    truth = test.X[numeric].to_numpy()
    folds, column = row_folds(test), trace_column(train)
    records: list[Record] = []
    traces: dict[str, Any] = {}
    for k, name in enumerate(CORRUPTIONS):
        if unit.method == IMPUTER and name not in GAPS:
            continue  # it leaves measured cells as they are
        generator = np.random.default_rng([setting.seed, unit.split, 2, k])
        corrupted = corrupt(name, truth, layout, generator)
        shown = test.X.copy()
        shown[numeric] = corrupted.values
        restored = model.restore(replace(test, X=shown))
        squares = np.where(corrupted.scored, (restored - truth) ** 2, 0.0)
        error = partial(_error, squares, corrupted.scored, layout.scale)
        where = (unit.method, name, unit.split)
        records.append(Record(DENOISING, *where, ERROR, *jackknife(error, folds)))
        roots, n_cells = _column_roots(squares, corrupted.scored)
        records += [
            Record(COLUMNS, *where, c, float(root) if n else None)
            for c, root, n in zip(numeric, roots, n_cells, strict=True)
        ]
        if unit.split == 0 and name != "clean":
            every = (truth, corrupted.values, restored)
            names = ("true", "corrupted", "restored")
            traces[name] = {
                n: _trace(a[:TRACE_ROWS, column])
                for n, a in zip(names, every, strict=True)
            } | {"column": numeric[column]}
    return {"records": [*records, *_overall(records)], "traces": traces}


def _column_roots(
    squares: np.ndarray, scored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_cells = scored.sum(axis=0)
    return np.sqrt(squares.sum(axis=0) / np.maximum(n_cells, 1)), n_cells


def _error(
    squares: np.ndarray, scored: np.ndarray, scale: np.ndarray, keep: np.ndarray
) -> float:
    """Return the error of some of the rows."""
    roots, n_cells = _column_roots(squares[keep], scored[keep])
    used = (n_cells > 0) & (scale > 0)
    return float(np.mean(roots[used] / scale[used])) if used.any() else 0.0


def _overall(records: list[Record]) -> list[Record]:
    """Return the geometric mean over all corruptions, where all were measured."""
    faults = [r for r in records if r.experiment == DENOISING and r.condition in FAULTS]
    if len(faults) < len(FAULTS):
        return []
    every = np.array([[r.value, *(r.replicates or ())] for r in faults], dtype=float)
    value, *replicates = np.exp(np.log(np.maximum(every, TINY)).mean(axis=0)).tolist()
    first = faults[0]
    return [
        first._replace(condition=OVERALL, value=value, replicates=tuple(replicates))
    ]


def trace_column(train: Data) -> int:
    """Return the numeric column that is correlated the most with the others."""
    X = train.X[list(train.numeric)]
    related = X.corr().abs().fillna(0.0).to_numpy().sum(axis=0)
    return int(related.argmax())


def _trace(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else float(f"{v:.5g}") for v in values]


# --- units ----------------------------------------------------------------------------


def inliers(setting: Setting, test: Data) -> Data:
    """Return the test rows that are restored: no known anomalies."""
    if setting.data.task != "anomaly":
        return test
    return test.take(np.flatnonzero(test.y != 1))


def run_restorer(setting: Setting, unit: Unit) -> dict[str, Any]:
    """Run a simple method, or the imputer."""
    train, test = setting.rows(unit.split)
    test = inliers(setting, test)
    make: Callable[[Data], Restorer]
    if unit.method == IMPUTER:
        make = partial(ImputerRows, seed=setting.seed_of(unit))
    else:
        make = restorers(setting.data)[unit.method]
    model, costs = timed(lambda: make(train))
    costs["rows_per_second"] = rows_per_second(model.restore, test)
    found = restore_results(model, setting, unit, train, test)
    return found | {"records": found["records"] + cost_records(unit, costs)}
