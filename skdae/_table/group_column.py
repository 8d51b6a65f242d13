"""A table of numbers with one column of groups beside them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._sklearn_compat import safe_indexing
from skdae._table.categories import categorical_mask
from skdae._table.frames import as_table
from skdae._table.validation import (
    as_numbers,
    check_container,
    read_numeric,
    refuse_non_tables,
)


@dataclass(frozen=True)
class Beside:
    """A table of numbers and one column that stands beside them."""

    cells: np.ndarray  # (n_samples, n_features or one less), float32 or float64
    column: Any  # (n_samples,), as it came; None without one
    place: int | None  # its index


def read_beside(
    estimator: Any, X: Any, chosen: int | str | None, *, parameter: str, reset: bool
) -> Beside:
    """Read a table of numbers, NaN allowed, in which one column may be anything."""
    X = as_table(X)
    refuse_non_tables(X)
    if chosen is None:
        cells = read_numeric(estimator, X, reset=reset, min_rows=1)
        return Beside(cells, None, None)
    X = check_container(estimator, X, reset=reset, min_rows=1)
    names = getattr(estimator, "feature_names_in_", None)
    mask = categorical_mask(X, [chosen], names, parameter)
    if mask.all():
        raise ValueError(
            f"{parameter}={chosen!r} is the only column of X; add the measurements."
        )
    part = safe_indexing(X, np.flatnonzero(~mask), axis=1)
    place = int(np.flatnonzero(mask)[0])
    column = safe_indexing(X, place, axis=1)
    return Beside(as_numbers(estimator, part, part, 1), column, place)
