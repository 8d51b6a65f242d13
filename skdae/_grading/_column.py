"""One column of a table in time order."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skdae._sklearn_compat import safe_indexing
from skdae._table.frames import is_dataframe
from skdae.timeseries._order import numbers_or_codes

MIN_ROWS = 50  # values; fewer do not show the course of a sensor
MAX_SIZE = 1e100  # of values whose squares are summed
N_SAMPLED = 10_000  # rows, evenly spaced, for quantiles, levels and correlations


@dataclass(frozen=True)
class Column:
    """One column in time order."""

    name: str
    values: np.ndarray  # (n,) float64, NaN missing; codes where there are no numbers
    is_numeric: bool

    @cached_property
    def observed(self) -> np.ndarray:
        """Values that are not missing."""
        is_observed = np.isfinite(self.values)
        return self.values if is_observed.all() else self.values[is_observed]

    @cached_property
    def is_constant(self) -> bool:
        """Whether no two values differ."""
        found = self.observed
        return len(found) == 0 or bool((found == found[0]).all())

    @cached_property
    def sampled(self) -> np.ndarray:
        """Sorted values of evenly spaced rows."""
        return np.sort(evenly(self.observed))

    @property
    def has_course(self) -> bool:
        """Whether there are enough numbers, and they vary."""
        enough = len(self.observed) >= MIN_ROWS
        return self.is_numeric and enough and not self.is_constant


def evenly(values: np.ndarray) -> np.ndarray:
    """Return at most N_SAMPLED of the rows, evenly spaced."""
    return values[:: -(-len(values) // N_SAMPLED) or 1]


def columns_of(X: Any) -> Iterator[Column]:
    """Yield the columns of a table."""
    import pandas

    if not is_dataframe(X):
        table = np.asarray(X)
        if table.ndim != 2:
            raise ValueError(
                f"X has the shape {table.shape} and must be a table of rows and "
                "columns; reshape it with X.reshape(-1, 1) for a single sensor."
            )
        names = [f"x{j}" for j in range(table.shape[1])]
        X = pandas.DataFrame(table, columns=names).infer_objects()
    for j, name in enumerate(X.columns):
        values, is_numeric = numbers_or_codes(safe_indexing(X, j, axis=1))
        yield Column(str(name), _in_range(values), is_numeric)


def _in_range(values: np.ndarray) -> np.ndarray:
    """Return values without infinite ones, and small enough to be squared.

    No measure depends on their unit.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    largest = np.nanmax(np.abs(values), initial=0.0)
    return values / largest if largest > MAX_SIZE else values
