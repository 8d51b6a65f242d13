"""Explanations of alarms: is the faulty sensor named, or is it another mode?

Faults of one and two sensors are injected into rows that were not learned from; another
operating mode is a cluster of rows that was left out of training. See README.md.
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product

import numpy as np
from _data import blocks
from _faults import SHAPES, Fault, make_faults
from _ordered import PART_ROWS, ordered_sets
from _runner import Benchmark, Cell, Values, measure, parse, protocol, publish
from _tables import Results, markdown
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score

from skdae import GradualDAEOutlierDetector
from skdae._gaussian import fit_gaussian

MIN_SENSORS, MAX_SENSORS = 6, 100
TEST_SHARE = 0.3  # of 20 blocks of consecutive rows
N_FAULTS, QUICK_FAULTS = 60, 5  # by shape and number of faulty sensors
N_MODES = 5  # clusters, of which the farthest of at least 5 % of the rows is left out
MIN_MODE_SHARE = 0.05
VARIANCE = 0.9  # that the axes of PCA keep
OURS = "skdae detector"
MODE = "another mode"
FAULTS = [f"{n}, {shape}" for n, shape in product((1, 2), SHAPES)]
MEASURES = {
    "first": "A faulty sensor is first",
    "three": "All faulty sensors are among the first three",
}

Explain = Callable[[np.ndarray], np.ndarray]  # consecutive rows to contributions


# --- methods: contributions of each sensor, (n, n_columns) ---------------------------


def detector_of(train: np.ndarray, seed: int) -> GradualDAEOutlierDetector:
    """The detector with its defaults."""
    with warnings.catch_warnings():  # of the threshold; explanations need none
        warnings.filterwarnings("ignore", "false_alarm_rate", UserWarning)
        return GradualDAEOutlierDetector(random_state=seed).fit(train)


def _standardized(train: np.ndarray) -> Explain:
    mean = np.nanmean(train, axis=0)
    spread = np.nanstd(train, axis=0)
    spread[spread == 0] = 1
    return lambda rows: np.nan_to_num((rows - mean) / spread)


def largest_deviations(train: np.ndarray) -> Explain:
    """Squared deviations from the mean, in standard deviations."""
    scale = _standardized(train)
    return lambda rows: scale(rows) ** 2


def spe_parts(train: np.ndarray) -> Explain:
    """Squared residuals of PCA."""
    scale = _standardized(train)
    _, spread, axes = np.linalg.svd(scale(train), full_matrices=False)
    share = np.cumsum(spread**2) / (spread**2).sum()
    axes = axes[: np.searchsorted(share, VARIANCE) + 1]

    def explain(rows: np.ndarray) -> np.ndarray:
        Z = scale(rows)
        return (Z - Z @ axes.T @ axes) ** 2

    return explain


def distance_parts(train: np.ndarray) -> Explain:
    """The parts of a squared Mahalanobis distance, which add up to it."""
    scale = _standardized(train)
    Z = scale(train)
    precision = fit_gaussian(Z, np.zeros(Z.shape, dtype=bool)).precision
    return lambda rows: scale(rows) * (scale(rows) @ precision)


def residuals(train: np.ndarray) -> Explain:
    """Squared residuals given all other sensors, in standard deviations of each."""
    scale = _standardized(train)
    Z = scale(train)
    precision = fit_gaussian(Z, np.zeros(Z.shape, dtype=bool)).precision
    return lambda rows: (scale(rows) @ precision / np.diag(precision)) ** 2


BASELINES: dict[str, Callable[[np.ndarray], Explain]] = {
    "largest deviation": largest_deviations,
    "PCA SPE": spe_parts,
    "parts of the Mahalanobis distance": distance_parts,
    "residual given the others": residuals,
}
METHODS = [OURS, *BASELINES]


# --- problems ------------------------------------------------------------------------


@dataclass
class Rows:
    """Rows to learn from, and runs of consecutive rows that are not learned from."""

    train: np.ndarray
    test: list[np.ndarray]
    seed: int
    _fitted: dict[str, Explain] = field(default_factory=dict)

    @cached_property
    def detector(self) -> GradualDAEOutlierDetector:
        return detector_of(self.train, self.seed)

    def explain(self, method: str) -> Explain:
        """Contributions by a method, which is fitted once."""
        if method == OURS:
            return self.detector.contributions
        if method not in self._fitted:
            self._fitted[method] = BASELINES[method](self.train)
        return self._fitted[method]


def split(X: np.ndarray, seed: int) -> Rows:
    """Blocks of consecutive rows that are learned from, and the others."""
    groups = blocks(len(X))
    n_groups = groups.max() + 1
    order = np.random.default_rng(seed).permutation(n_groups)
    is_test = np.isin(np.arange(n_groups), order[: round(TEST_SHARE * n_groups)])
    test = [X[groups == number] for number in np.flatnonzero(is_test)]
    return Rows(X[~is_test[groups]], test, seed)


@dataclass
class Problem:
    """A part of a set, all of it or without the rows of a mode."""

    X: np.ndarray
    seed: int
    n_faults: int

    @cached_property
    def all_modes(self) -> Rows:
        return split(self.X, self.seed)

    @cached_property
    def is_other_mode(self) -> np.ndarray:
        """Rows of the cluster whose centre is farthest from the other rows."""
        Z = _standardized(self.X)(self.X)
        labels = KMeans(N_MODES, n_init=3, random_state=self.seed).fit_predict(Z)
        far = np.zeros(N_MODES)
        for label in np.flatnonzero(np.bincount(labels) >= MIN_MODE_SHARE * len(Z)):
            own = labels == label
            far[label] = np.linalg.norm(Z[own].mean(axis=0) - Z[~own].mean(axis=0))
        return labels == far.argmax()

    @cached_property
    def one_mode_less(self) -> Rows:
        return split(self.X[~self.is_other_mode], self.seed)

    def faults(self, rows: Rows, condition: str, n_missing: int) -> list[Fault]:
        """The same ones for every method."""
        n_sensors, shape = condition.split(", ")
        rng = np.random.default_rng([self.seed, FAULTS.index(condition)])
        return make_faults(
            rows.train, rows.test, shape, int(n_sensors), n_missing, self.n_faults, rng
        )


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Problem:
    """The part with the number of the seed; of a short set, all of it."""
    X = ordered_sets(args.data)[name]().X
    start = seed % max(1, len(X) // PART_ROWS) * PART_ROWS
    n_faults = QUICK_FAULTS if args.quick else N_FAULTS
    return Problem(X[start : start + PART_ROWS], seed, n_faults)


def names_of(args: argparse.Namespace) -> list[str]:
    """Sets of as many sensors as an operator looks at."""
    loaders = ordered_sets(args.data)
    widths = {name: load().X.shape[1] for name, load in loaders.items()}
    return [name for name, p in widths.items() if MIN_SENSORS <= p <= MAX_SENSORS]


# --- measures ------------------------------------------------------------------------


def named(faults: list[Fault], explain: Explain) -> Values:
    """Shares of the rows in which the faulty sensors are first; NaN without faults."""
    first, three = [], []
    for fault in faults:
        order = np.argsort(-explain(fault.rows), axis=1)[fault.is_found, :3]
        is_faulty = np.isin(order, fault.sensors)
        first.append(is_faulty[:, 0].mean())
        three.append((is_faulty.sum(axis=1) == len(fault.sensors)).mean())
    if not faults:
        return {"first": np.nan, "three": np.nan}
    return {"first": float(np.mean(first)), "three": float(np.mean(three))}


def first_shares(contributions: np.ndarray) -> np.ndarray:
    """Share of the largest contribution of each row."""
    sizes = np.abs(contributions)
    return sizes.max(axis=1) / np.maximum(sizes.sum(axis=1), 1e-12)


def distinguished(problem: Problem, method: str) -> float:
    """AUROC of the first share: alarms of faults of one sensor against another mode."""
    rows = problem.one_mode_less
    explain, detector = rows.explain(method), rows.detector
    shares: list[list[np.ndarray]] = [[], []]
    for condition in FAULTS[: len(SHAPES)]:
        for fault in problem.faults(rows, condition, 1):
            is_alarm = (detector.predict(fault.rows) == -1) & fault.is_found
            shares[0].append(first_shares(explain(fault.rows))[is_alarm])
    other = problem.X[problem.is_other_mode]
    is_alarm = detector.predict(other) == -1
    shares[1].append(first_shares(explain(other))[is_alarm])
    one, many = map(np.concatenate, shares)
    if len(one) == 0 or len(many) == 0:
        return np.nan
    labels = np.repeat([1, 0], [len(one), len(many)])
    return float(roc_auc_score(labels, np.concatenate([one, many])))


def evaluate(problem: Problem, condition: str, method: str) -> Values:
    """How often the faulty sensors are named, by both units, or the AUROC."""
    if condition == MODE:
        return {"auroc": distinguished(problem, method)}
    rows, n_sensors = problem.all_modes, int(condition[0])
    explain = rows.explain(method)
    found = {}
    for unit, n_missing in (("", 2 * n_sensors - 1), ("_plain", 0)):
        faults = problem.faults(rows, condition, n_missing)
        found |= {f"{n}{unit}": v for n, v in named(faults, explain).items()}
        found[f"faults{unit}"] = float(len(faults))
    return found


# --- tables --------------------------------------------------------------------------


def _mean(cells: list, measure: str) -> str:
    """The mean over faults; a cell has the mean of its own."""
    values = np.array([cell.values[measure] for cell in cells])
    weights = np.array([_n_faults(cell, measure) for cell in cells])
    known = weights > 0
    if not known.any():
        return ""
    return f"{np.average(values[known], weights=weights[known]):.3f}"


def _n_faults(cell: Cell, measure: str) -> float:
    """How many faults a value is the mean of; 1 for an AUROC, 0 for a missing one."""
    if np.isnan(cell.values[measure]):
        return 0.0
    unit = "_plain" if measure.endswith("_plain") else ""
    return cell.values.get(f"faults{unit}", 1.0)


def table(
    results: Results, conditions: list[str], measure: str, by: str, names: list[str]
) -> str:
    """A measure by method and `by`, a field of the cells, with the number of faults."""
    rows = []
    for method in results.methods:
        cells = [
            cell
            for cell in results.cells
            if cell.method == method and cell.condition in conditions
        ]
        parts = [[c for c in cells if getattr(c, by) == name] for name in names]
        parts.append(cells)
        rows.append([method, *(_mean(part, measure) for part in parts)])
    counts = [sum(_n_faults(cell, measure) for cell in part) for part in parts]
    if conditions != [MODE]:
        rows.append(["faults", *(f"{count:.0f}" for count in counts)])
    heads = [name.removeprefix("1, ").removeprefix("2, ") for name in names]
    return markdown(["", *heads, "all"], rows)


def report(results: Results) -> list[str]:
    """Tables by set and by shape, for both units, and of the modes."""
    sets = list(dict.fromkeys(cell.set for cell in results.cells))
    parts = []
    for n_sensors, word in ((1, "one sensor"), (2, "two sensors")):
        conditions = [name for name in FAULTS if name.startswith(str(n_sensors))]
        for name, title in MEASURES.items():
            parts += [
                f"## Faults of {word}: {title[0].lower()}{title[1:]}",
                table(results, conditions, name, "set", sets),
                table(results, conditions, name, "condition", conditions),
                "The same with the unit of a fault not enlarged, so that some faults "
                "cannot be assigned:",
                table(results, conditions, f"{name}_plain", "set", sets),
            ]
    parts.append("## Faults of one sensor against another mode: AUROC")
    parts.append(table(results, [MODE], "auroc", "set", sets))
    return parts


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3)
    cells = measure(
        Benchmark(protocol("explain", "", args), partial(prepare, args=args), evaluate),
        args,
        sets=names_of(args),
        methods=METHODS,
        conditions=[*FAULTS, MODE],
    )
    publish(report(Results(cells)), args)


if __name__ == "__main__":
    main()
