"""The result table in long form, and the statistics that are views of it.

A row is one value of one measure, by one method under one condition (a corruption or a
number of labels) on one split. Beside it stand its jackknife replicates: the same
measure with each tenth of the test rows left out. They hold, for every pair of methods,
how much a difference depends on the test rows at hand.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skdae._statistics import SplitMean, split_mean
from skdae.poc._data import Data

#: Experiments.
DENOISING, DOWNSTREAM = "denoising", "downstream"
RESOURCES, COLUMNS = "resources", "columns"
OVERALL = "overall"  # condition: the geometric mean of the errors over all corruptions
N_REPLICATES = 10
CONFIDENCE = 0.95
TINY = 1e-12
DIGITS = 6  # of a replicate in the report
CELL = ["experiment", "condition", "measure"]
#: Measures that are shares: the smallest difference they resolve, and their maximum.
SHARES = ("share_wrong", "one_minus_average_precision", "one_minus_auroc")
MIN_SHARE = 1 / 2_000  # about one of the most test rows there are


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


# --- intervals; scores of a method are (n_splits, 1 + B), values before replicates ----


def mean_over_splits(scores: np.ndarray, test_ratio: float) -> SplitMean:
    """Return the mean with the standard error that splits and test rows give it.

    The t-test of Nadeau and Bengio (2003) corrects the variance between splits for
    training rows that they share. That variance holds the one of the test rows, so it
    is never taken below it: few splits, or errors that move in steps of one row, can
    agree by chance.
    """
    found = split_mean(scores[:, 0], test_ratio)
    replicates = scores[:, 1:]
    moved = replicates - replicates.mean(axis=1, keepdims=True)
    of_rows = (1 - 1 / replicates.shape[1]) * (moved**2).sum(axis=1).mean()
    error = np.sqrt((1 / found.n_splits + test_ratio) * of_rows)
    # NaN, of a single split, stays
    return replace(found, error=float(np.maximum(found.error, error)))


def interval(
    scores: np.ndarray, test_ratio: float, most: float = np.inf
) -> dict[str, Any]:
    """Return the mean error with its interval, which a single split does not have.

    The interval is that of the logarithm of the mean, as differences are those of
    logarithms: an error is never below 0, nor beyond `most`, the largest possible one.
    """
    found = mean_over_splits(scores, test_ratio)
    if found.n_splits < 2:
        return {"mean": found.mean, "low": None, "high": None}
    if found.mean == 0:
        return {"mean": 0.0, "low": 0.0, "high": 0.0}
    # by the delta method, the standard error of the logarithm is the relative one
    factor = float(np.exp(min(found.half_width(CONFIDENCE) / found.mean, 500.0)))
    low, high = found.mean / factor, min(found.mean * factor, most)
    return {"mean": found.mean, "low": low, "high": high}


def compare(
    a: np.ndarray, b: np.ndarray, test_ratio: float, floor: float = TINY
) -> dict[str, Any]:
    """Return the error of a over the error of b, on the same splits and rows.

    `test_ratio` is test rows over training rows. Errors below `floor` are alike: the
    measure does not resolve them. The ratio is a geometric mean; below 1, a is better.
    Whether that is significant is said of this comparison taken alone.
    """
    logs = np.log(np.maximum(a, floor)) - np.log(np.maximum(b, floor))
    found = mean_over_splits(logs, test_ratio)
    low = high = p_value = None
    if found.n_splits > 1:
        reach = found.half_width(CONFIDENCE)
        ends = np.clip([found.mean - reach, found.mean + reach], -500.0, 500.0)
        (low, high), p_value = np.exp(ends).tolist(), found.p_value
    return {
        "ratio": float(np.exp(found.mean)),
        "low": low,
        "high": high,
        "p_value": p_value,
        "n_splits": found.n_splits,
        "better": high is not None and high < 1,
        "worse": low is not None and low > 1,
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's method."""
    n = len(p_values)
    adjusted, largest = [1.0] * n, 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (n - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


# --- views of the table ---------------------------------------------------------------

BySplit = dict[int, list[float]]  # value and replicates of each split


def _cells(table: pd.DataFrame) -> dict[tuple[str, ...], dict[str, BySplit]]:
    """Return what was measured: cell, method, split."""
    found: dict[tuple[str, ...], dict[str, BySplit]] = {}
    rows = table[table["experiment"].isin([DENOISING, DOWNSTREAM])]
    for r in rows.itertuples(index=False):
        methods = found.setdefault(tuple(getattr(r, key) for key in CELL), {})
        methods.setdefault(r.method, {})[r.split] = [r.value, *r.replicates]
    return found


def _scores(by_split: BySplit, splits: Iterable[int]) -> np.ndarray:
    return np.array([by_split[k] for k in splits], dtype=float)


def _limits(measure: str) -> tuple[float, float]:
    """Return the smallest error that a measure resolves, and the largest there is."""
    return (MIN_SHARE, 1.0) if measure in SHARES else (TINY, np.inf)


def mean_errors(table: pd.DataFrame, test_ratio: float) -> list[dict[str, Any]]:
    """Return the mean of each method in each cell, with its interval."""
    return [
        dict(zip(CELL, cell, strict=True))
        | {"method": method}
        | interval(_scores(rows, rows), test_ratio, _limits(cell[2])[1])
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
                pair = _scores(methods[ours], splits), _scores(rows, splits)
                facts = dict(zip(CELL, cell, strict=True))
                facts |= {"method": ours, "baseline": other}
                found.append(facts | compare(*pair, test_ratio, floor))
    return found


def column_errors(table: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the error of each column in its own units, a mean over splits."""
    rows = table[table["experiment"] == COLUMNS]
    found = []
    for (method, condition), part in rows.groupby(["method", "condition"], sort=False):
        means = part["value"].astype(float).groupby(part["measure"]).mean()
        values = [None if np.isnan(v) else float(v) for v in means.reindex(names)]
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
