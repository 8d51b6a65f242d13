"""Columns of Parquet files, as numbers or as text."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from skdae._files._cells import Markers
from skdae._files._errors import TableError


def open_parquet(path: str | os.PathLike) -> Any:
    """Open a Parquet file."""
    if not Path(path).exists():
        raise TableError(f"{path} does not exist; check the name and the folder.")
    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise TableError(
            f"{path} is no Parquet file, or is damaged ({reason}); write it again, or "
            "give it another name if it is CSV."
        ) from None
    names = file.schema_arrow.names
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        file.close()
        raise TableError(
            f"{path}: several columns are named {doubled[0]!r}, and names must "
            "differ; rename them."
        )
    return file


def typed_column(column: Any, name: str, label: str, markers: Markers) -> pd.Series:
    """Return an Arrow column as finite numbers, dates, or else text.

    NaN is what is missing, markers of the user among it.
    """
    types, kind = pyarrow.types, column.type
    if types.is_nested(kind):
        raise TableError(
            f"{label}: the column {name!r} holds lists or records, and cells must be "
            "numbers or text; spread it over several columns, or drop it."
        )
    if types.is_temporal(kind) and not types.is_date(kind) and not types.is_time(kind):
        return column.to_pandas()
    if not has_numbers(column) or types.is_boolean(kind):
        return text_column(column, markers)
    numbers = number_column(column, markers)
    if types.is_integer(kind) and not np.isnan(numbers).any():
        return column.to_pandas()  # exactly
    return pd.Series(numbers)


def has_numbers(column: Any) -> bool:
    """Return whether an Arrow column holds numbers or truth values."""
    kinds = ("integer", "floating", "decimal", "boolean")
    return any(getattr(pyarrow.types, f"is_{kind}")(column.type) for kind in kinds)


def number_column(column: Any, markers: Markers) -> np.ndarray:
    """Return the finite numbers of an Arrow column, float32 where it holds such."""
    is_short = pyarrow.types.is_float32(column.type)
    numbers = column.cast(pyarrow.float32() if is_short else pyarrow.float64(), False)
    values = numbers.to_numpy().copy()
    values[markers.in_numbers(values) | ~np.isfinite(values)] = np.nan
    return values


def _as_text(cell: Any) -> str:
    """Return a cell as text; many writers of Parquet leave text as bytes."""
    is_bytes = isinstance(cell, bytes)
    return cell.decode("utf-8", "replace") if is_bytes else str(cell)


def text_column(column: Any, markers: Markers) -> pd.Series:
    """Return an Arrow column of any kind as text, NaN where it is missing."""
    cells = column.to_pylist()
    is_known = [cell is not None and cell == cell for cell in cells]
    texts = [
        _as_text(c) if known else np.nan
        for c, known in zip(cells, is_known, strict=True)
    ]
    markers.met.update(markers.texts.intersection(texts))
    return pd.Series(texts, dtype=object).replace(list(markers.texts), np.nan)
