"""Tables from Parquet files."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import ArrowInvalid, parquet

from skdae._column_types import is_numeric
from skdae._files._cells import Markers
from skdae._files._errors import TableError


def parquet_table(
    path: str | os.PathLike, max_rows: int | None = None
) -> tuple[pd.DataFrame, bool]:
    """Return the whole table, or its first rows, and whether more rows follow.

    Text is objects, NaN where it is missing.
    """
    with open_parquet(path) as file:
        is_sample = max_rows is not None and file.metadata.num_rows > max_rows
        if is_sample:
            table = pyarrow.Table.from_batches([next(file.iter_batches(max_rows))])
        else:
            table = file.read()
    frame = table.to_pandas(ignore_metadata=True)
    columns = {name: _plain_column(values, path) for name, values in frame.items()}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame))), is_sample


def open_parquet(path: str | os.PathLike) -> Any:
    """Open a Parquet file."""
    if not Path(path).exists():
        raise TableError(f"{path} does not exist; check the name and the folder.")
    try:
        file = parquet.ParquetFile(path)
    except (ArrowInvalid, OSError) as error:
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


def typed_numbers(column: Any) -> tuple[np.ndarray, tuple[int, list[str]] | None]:
    """Return an Arrow column as finite numbers, float32 where it holds such.

    Returns also the first cell that is not a number, and what it is.
    """
    cells = column.to_pandas(types_mapper=pd.ArrowDtype)
    wrong = None
    if is_numeric(cells):
        is_short = pyarrow.types.is_float32(column.type)
        dtype = np.float32 if is_short else np.float64
        values = cells.to_numpy(dtype=dtype, na_value=np.nan)
    else:
        values = np.full(len(cells), np.nan)
        for place, cell in enumerate(cells):
            try:
                values[place] = float(cell) if pd.notna(cell) else np.nan
            except (TypeError, ValueError):
                wrong = wrong or (place, [str(cell).strip()])
    return np.where(np.isfinite(values), values, np.nan).astype(values.dtype), wrong


def without_markers(values: pd.Series, markers: Markers, met: set[str]) -> pd.Series:
    """Return a column in which markers are missing; those that occur join `met`."""
    if not markers.texts:
        return values
    if is_numeric(values):
        dtype = np.float32 if values.dtype == np.float32 else np.float64
        numbers = values.to_numpy(dtype=dtype, na_value=np.nan)
        met.update(markers.used_among(numbers))
        is_marker = markers.marks(numbers)
        return (
            pd.Series(np.where(is_marker, np.nan, numbers))
            if is_marker.any()
            else values
        )
    if values.dtype != object:
        return values
    is_marker = values.isin(markers.texts)
    met.update(values[is_marker])
    return values.mask(is_marker, np.nan)


def _plain_column(values: pd.Series, path: str | os.PathLike) -> pd.Series:
    """Return numbers and dates as they are, anything else as text."""
    kinds = pd.api.types
    if is_numeric(values):
        if not kinds.is_float_dtype(values):
            return values
        numbers = values.astype(np.float64 if values.dtype == np.float16 else None)
        return numbers.where(np.isfinite(numbers))
    if kinds.is_datetime64_any_dtype(values) or kinds.is_timedelta64_dtype(values):
        return values
    cells = values.astype(object)
    known = cells[cells.notna()]
    if len(known) and known.map(lambda cell: isinstance(cell, Decimal)).all():
        return cells.astype(np.float64)
    if known.map(lambda cell: isinstance(cell, (list, dict, np.ndarray))).any():
        raise TableError(
            f"{path}: the column {values.name!r} holds lists or records, and cells "
            "must be numbers or text; spread it over several columns, or drop it."
        )
    text = np.full(len(cells), np.nan, dtype=object)
    text[cells.notna().to_numpy()] = [str(cell) for cell in known]
    return pd.Series(text, dtype=object)
