"""Columns of users' tables with their missing cells replaced by imputed values."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

MAX_EXACT = 2**53  # whole numbers up to here are float64 numbers


def impute_column(
    column: Any, missing: np.ndarray, values: np.ndarray, *, is_category: bool
) -> Any:
    """Return a column with missing cells replaced, in its dtype where that holds all.

    Categories keep the dtype of the column, which learns those it lacks. Numbers have
    one type: Decimal where the known ones are, and float otherwise, unless whole
    numbers above 2**53 are known, which no float holds: imputed ones are rounded then.
    """
    # polars makes floats of integers beside missing ones
    listed = column.to_list() if hasattr(column, "to_list") else column
    cells = np.array(listed, dtype=object)
    cells[missing] = values[missing]
    if not is_category:
        cells = _of_one_type(cells, missing)
    if not hasattr(column, "dtype"):
        return cells
    if hasattr(column, "array"):
        return _pandas_column(column, cells, is_category)
    if hasattr(column, "to_frame"):
        return _polars_column(column, cells, is_category)
    return cells if column.dtype == object else cells.astype(column.dtype)


def _of_one_type(cells: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return numbers of which some are imputed as objects of one type."""
    known: list[Any] = cells[~missing].tolist()
    imputed = cells[missing].astype(np.float64)
    if np.isnan(imputed).any():  # a column without a value in fit
        return cells
    if known and all(isinstance(cell, Decimal) for cell in known):
        finest = min(int(cell.as_tuple().exponent) for cell in known)
        step = Decimal(1).scaleb(finest)
        cells[missing] = [Decimal(float(value)).quantize(step) for value in imputed]
        return cells
    if any(
        isinstance(cell, int | np.integer) and abs(int(cell)) > MAX_EXACT
        for cell in known
    ):
        cells[missing] = [round(float(value)) for value in imputed]
        return cells
    return cells.astype(np.float64).astype(object)


def _pandas_column(column: Any, cells: np.ndarray, is_category: bool) -> Any:
    import pandas

    dtype = column.dtype
    kind = str(dtype).lower()
    if isinstance(dtype, pandas.CategoricalDtype):
        if not is_category:
            return pandas.Series(cells, index=column.index).astype(np.float64)
        known = dtype.categories
        added = pandas.Index(cells).dropna().unique().difference(known, sort=False)
        dtype = pandas.CategoricalDtype(known.append(added), dtype.ordered)
    elif kind.startswith(("int", "uint", "bool")):
        if is_category:
            cells = _as(bool if kind.startswith("bool") else int, cells)
        elif any(isinstance(cell, float) for cell in cells):
            dtype = "Float64"
    return pandas.Series(cells, index=column.index).astype(dtype)


def _polars_column(column: Any, cells: np.ndarray, is_category: bool) -> Any:
    import polars

    dtype = column.dtype
    if isinstance(dtype, polars.Enum) and is_category:
        known = dtype.categories.to_list()
        added = [cell for cell in dict.fromkeys(cells) if isinstance(cell, str)]
        dtype = polars.Enum([*known, *(cell for cell in added if cell not in known)])
    elif dtype.is_integer() or dtype == polars.Boolean:
        if is_category:
            cells = _as(bool if dtype == polars.Boolean else int, cells)
        elif any(isinstance(cell, float) for cell in cells):
            dtype = polars.Float64()
    return polars.Series(column.name, cells.tolist(), dtype=dtype, strict=False)


def _as(kind: Callable[[Any], Any], cells: np.ndarray) -> np.ndarray:
    """Return cells as objects of one type, None where nothing was imputed."""
    import pandas

    return np.array([None if pandas.isna(c) else kind(c) for c in cells], dtype=object)
