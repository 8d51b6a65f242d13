"""The result table in long form, and the statistics that are views of it.

A row is one value of one measure, by one method under one condition (a corruption or a
number of labels) on one split. Beside it stand its jackknife replicates: the same
measure with each tenth of the test rows left out. They hold, for every pair of methods,
how much a difference depends on the test rows at hand.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skdae._statistics import SplitMean
from skdae.poc._data import Data

DENOISING, DOWNSTREAM, RESOURCES, COLUMNS = (
    "denoising",
    "downstream",
    "resources",
    "columns",
)
OVERALL = "overall"  # condition: the geometric mean of the errors over all corruptions
N_REPLICATES = 10
CONFIDENCE = 0.95
TINY = 1e-12
DIGITS = 6  # of a replicate in the report
KEYS = ["experiment", "condition", "measure", "method"]


class Record(NamedTuple):
    """A row of the result table."""

    experiment: str
    method: str
    condition: str
    split: int
    measure: str
    value: float | None
    replicates: tuple[float, ...] | None = None


def result_table(records: Iterable[Record]) -> pd.DataFrame:
    """Return the long-form table, one row per record."""
    return pd.DataFrame(list(records), columns=list(Record._fields))


def to_columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the table as plain data, one list per column."""
    stored = {str(name): table[name].tolist() for name in table.columns}
    stored["replicates"] = [
        None if r is None else [float(f"{v:.{DIGITS}g}") for v in r]
        for r in stored["replicates"]
    ]
    return stored


# --- test rows ------------------------------------------------------------------------


def row_folds(rows: Data) -> np.ndarray:
    """Return the tenth of the test rows that each belongs to.

    Neighbours stay together where they resemble each other.
    """
    places = np.arange(len(rows.X))
    if rows.in_order:
        return places * N_REPLICATES // max(len(places), 1)
    return places % N_REPLICATES


def jackknife(
    measure: Callable[[np.ndarray], float], folds: np.ndarray
) -> tuple[float, tuple[float, ...]]:
    """Return a measure of a mask of rows: over all, and with each fold left out."""
    every = np.ones(len(folds), dtype=bool)
    return measure(every), tuple(measure(folds != k) for k in range(N_REPLICATES))


def _row_variance(replicates: np.ndarray) -> float:
    """Return the variance of values by their replicates (n_splits, B)."""
    n = replicates.shape[1]
    moved = replicates - replicates.mean(axis=1, keepdims=True)
    return float(((n - 1) / n * (moved**2).sum(axis=1)).mean())


# --- intervals ------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, which a single split does not have."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """The error of a over the error of b, on the same splits and rows."""

    ratio: float  # geometric mean; below 1: a is better
    low: float | None
    high: float | None
    p_value: float | None
    n_splits: int

    @property
    def is_better(self) -> bool:
        """Whether a is significantly better, this comparison taken alone."""
        return self.high is not None and self.high < 1

    @property
    def is_worse(self) -> bool:
        """Whether a is significantly worse, this comparison taken alone."""
        return self.low is not None and self.low > 1


@dataclass(frozen=True)
class Scores:
    """One measure of one method: values (n_splits,), replicates (n_splits, B)."""

    values: np.ndarray
    replicates: np.ndarray | None = None

    def logs(self, floor: float) -> "Scores":
        """Return logarithms; values below the floor count as the floor."""
        replicates = self.replicates
        if replicates is not None:
            replicates = np.log(np.maximum(replicates, floor))
        return Scores(np.log(np.maximum(self.values, floor)), replicates)

    def minus(self, other: "Scores") -> "Scores":
        """Return the paired differences."""
        replicates = None
        if self.replicates is not None and other.replicates is not None:
            replicates = self.replicates - other.replicates
        return Scores(self.values - other.values, replicates)


def mean_over_splits(scores: Scores, test_ratio: float) -> SplitMean:
    """Return the mean with the standard error that splits and test rows give it.

    The t-test of Nadeau and Bengio (2003) corrects the variance between splits for
    training rows that they share. That variance holds the one of the test rows, so it
    is never taken below it: few splits, or errors that move in steps of one row, can
    agree by chance.
    """
    n = len(scores.values)
    variance = scores.values.var(ddof=1) if n > 1 else np.nan
    if n > 1 and scores.replicates is not None:
        variance = max(variance, _row_variance(scores.replicates))
    error = float(np.sqrt((1 / n + test_ratio) * variance))
    return SplitMean(float(scores.values.mean()), error, n)


def interval(scores: Scores, test_ratio: float, most: float = np.inf) -> Interval:
    """Return the mean error with its interval.

    The interval is that of the logarithm of the mean, as differences are those of
    logarithms: an error is never below 0, nor beyond `most`, the largest possible one.
    """
    found = mean_over_splits(scores, test_ratio)
    if found.n_splits < 2:
        return Interval(found.mean, None, None)
    if found.mean == 0:
        return Interval(0.0, 0.0, 0.0)
    # by the delta method, the standard error of the logarithm is the relative one
    factor = float(np.exp(min(found.half_width(CONFIDENCE) / found.mean, 500.0)))
    return Interval(found.mean, found.mean / factor, min(found.mean * factor, most))


def compare(a: Scores, b: Scores, test_ratio: float, floor: float = TINY) -> Comparison:
    """Compare the errors of two methods by their ratio.

    `test_ratio` is test rows over training rows. Errors below `floor` are alike: the
    measure does not resolve them.
    """
    found = mean_over_splits(a.logs(floor).minus(b.logs(floor)), test_ratio)
    ratio, n = float(np.exp(found.mean)), found.n_splits
    if n < 2:
        return Comparison(ratio, None, None, None, n)
    reach = found.half_width(CONFIDENCE)
    ends = np.clip([found.mean - reach, found.mean + reach], -500.0, 500.0)
    low, high = np.exp(ends)
    return Comparison(ratio, float(low), float(high), found.p_value, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's method."""
    n = len(p_values)
    adjusted, largest = [1.0] * n, 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (n - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


# --- views of the table ---------------------------------------------------------------


BySplit = dict[int, tuple[float, Any]]  # value and replicates of each split


def _cells(table: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, BySplit]]:
    """Return what was measured: condition and measure of an experiment, method."""
    found: dict[tuple[str, str, str], dict[str, BySplit]] = {}
    rows = table[table["experiment"].isin([DENOISING, DOWNSTREAM])]
    for r in rows.itertuples(index=False):
        methods = found.setdefault((r.experiment, r.condition, r.measure), {})
        methods.setdefault(r.method, {})[r.split] = (r.value, r.replicates)
    return found


def _scores(by_split: BySplit, splits: Iterable[int]) -> Scores:
    values, replicates = zip(*(by_split[k] for k in splits), strict=True)
    if any(r is None for r in replicates):
        return Scores(np.array(values, dtype=float))
    return Scores(np.array(values, dtype=float), np.array(replicates, dtype=float))


def mean_errors(table: pd.DataFrame, test_ratio: float) -> list[dict[str, Any]]:
    """Return the mean of each method in each cell, with its interval."""
    return [
        dict(zip(KEYS, (*cell, method), strict=True))
        | asdict(interval(_scores(rows, rows), test_ratio, _limits(cell[2])[1]))
        for cell, methods in _cells(table).items()
        for method, rows in methods.items()
    ]


def comparisons(
    table: pd.DataFrame, candidates: Sequence[str], test_ratio: float
) -> list[dict[str, Any]]:
    """Return the paired comparisons of our candidates with every other method."""
    found = []
    for cell, methods in _cells(table).items():
        floor = _limits(cell[2])[0]
        for ours in (name for name in candidates if name in methods):
            for other, rows in methods.items():
                splits = [k for k in methods[ours] if k in rows]
                if other == ours or not splits:
                    continue
                a, b = _scores(methods[ours], splits), _scores(rows, splits)
                result = compare(a, b, test_ratio, floor)
                facts = dict(zip(KEYS, (*cell, ours), strict=True))
                signs = {"better": result.is_better, "worse": result.is_worse}
                found.append(facts | {"baseline": other} | asdict(result) | signs)
    return found


#: Measures that are shares: the smallest difference they resolve, and their maximum.
SHARES = ("share_wrong", "one_minus_average_precision", "one_minus_auroc")
MIN_SHARE = 1 / 2_000  # about one of the most test rows there are


def _limits(measure: str) -> tuple[float, float]:
    return (MIN_SHARE, 1.0) if measure in SHARES else (TINY, np.inf)


def column_errors(table: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the error of each column in its own units, a mean over splits."""
    rows = table[table["experiment"] == COLUMNS]
    if rows.empty:
        return []
    rows = rows.assign(value=rows["value"].astype(float))
    means = rows.groupby(["method", "condition", "measure"], sort=False)["value"].mean()
    found = []
    for (method, condition), part in means.groupby(
        level=["method", "condition"], sort=False
    ):
        errors = part.droplevel(["method", "condition"]).reindex(names)
        values = [None if np.isnan(v) else float(v) for v in errors]
        found.append({"method": method, "condition": condition, "errors": values})
    return found


def mean_costs(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the costs of each method, means over splits; its condition is its use."""
    rows = table[table["experiment"] == RESOURCES]
    found = []
    for (kind, method), part in rows.groupby(["condition", "method"], sort=False):
        costs = part.groupby("measure", sort=False)["value"].mean()
        found.append({"kind": kind, "method": method} | costs.to_dict())
    return found
