"""Containers of users' tables: numpy arrays, pandas and polars DataFrames."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from skdae._sklearn_compat import safe_indexing


def is_dataframe(X: Any) -> bool:
    """Return whether X is a pandas or polars DataFrame."""
    return (
        type(X).__name__ != "LazyFrame"
        and hasattr(X, "columns")
        and hasattr(X, "dtypes")
    )


def as_table(X: Any) -> Any:
    """Return X with its missing cells as NaN or None, and tensors as arrays.

    Masked cells are missing, and so is pandas.NA among objects. Arrays and data frames
    without either are returned as they are.
    """
    if type(X) is np.ndarray:  # at once: single rows are read so often
        return _without_na(X) if X.dtype == object else X
    if isinstance(X, list):
        cells = np.asarray(X)
        return _without_na(cells) if cells.dtype == object else X
    if isinstance(X, np.ma.MaskedArray):
        return unmasked(X)
    if type(X).__module__.startswith("torch"):
        return np.asarray(X)
    if is_dataframe(X) and hasattr(X, "iloc"):
        import pandas

        objects = [
            j
            for j, dtype in enumerate(X.dtypes)
            if str(dtype) == "object"
            and any(cell is pandas.NA for cell in X.iloc[:, j])
        ]
        if objects:
            X = X.copy()
            for j in objects:
                column = X.iloc[:, j]
                X.isetitem(j, column.where(column.notna(), np.nan))
    return X


def unmasked(values: Any) -> Any:
    """Return values with masked ones as NaN; what is no masked array as it is."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    kept = (np.float32, np.float64)
    dtype = values.dtype if values.dtype in kept else np.dtype(np.float64)
    if values.dtype.kind not in "biuf":
        dtype = np.dtype(object)
    return np.ma.filled(values.astype(dtype), np.nan)


def _without_na(cells: np.ndarray) -> np.ndarray:
    """Return objects with pandas.NA as NaN."""
    import pandas

    is_na = np.frompyfunc(lambda cell: cell is pandas.NA, 1, 1)(cells).astype(bool)
    return np.where(is_na, np.nan, cells) if is_na.any() else cells


def index_of(X: Any) -> Any:
    """Return the index of a DataFrame, None where there is none."""
    return getattr(X, "index", None) if is_dataframe(X) else None


def dtype_names(X: Any) -> list[str]:
    return [str(dtype).lower() for dtype in X.dtypes]


def column_name(X: Any, column: Any) -> str:
    """Return what to call a column in a message."""
    return str(X.columns[column]) if is_dataframe(X) else str(column)


def plain_cells(X: Any) -> Any:
    """Return X with dtypes that check_array reads as numbers.

    It does not see those of a polars frame, nor read decimals of Arrow with gaps.
    """
    if not is_dataframe(X):
        return X
    if not hasattr(X, "iloc"):
        return np.ascontiguousarray(X.to_numpy())
    decimals = [name for name in X if str(X[name].dtype).startswith("decimal")]
    return X.astype(dict.fromkeys(decimals, np.float64)) if decimals else X


def missing_cells(X: Any) -> np.ndarray:
    """Return which cells of a user's table are missing, (n_samples, n_features) bool.

    NaN, None, pandas.NA and polars' null, in columns of any kind.
    """
    import pandas

    X = as_table(X)
    if not is_dataframe(X):
        return np.asarray(pandas.isna(np.asarray(X)))
    columns = (safe_indexing(X, j, axis=1) for j in range(X.shape[1]))
    return np.column_stack(
        [pandas.isna(np.asarray(column, dtype=object)) for column in columns]
    )


def data_frame(
    container: str, names: Sequence[str], columns: list[np.ndarray], index: Any
) -> Any:
    """Return a pandas or polars DataFrame of columns."""
    if container == "polars":
        import polars

        lists = (c.tolist() if c.dtype == object else c for c in columns)
        return polars.DataFrame(dict(zip(names, lists, strict=True)), strict=False)
    import pandas

    frame = pandas.DataFrame(dict(zip(names, columns, strict=True)), index=index)
    return frame.infer_objects()


def concatenate(parts: list[Any]) -> Any:
    """Return tables of one kind as one table."""
    if not is_dataframe(parts[0]):
        return np.concatenate(parts)
    if hasattr(parts[0], "iloc"):
        import pandas

        return pandas.concat(parts, ignore_index=True)
    import polars

    return polars.concat(parts)


def sample_rows(
    batches: Iterable[Any], n_rows: int, generator: np.random.Generator
) -> tuple[Any, int]:
    """Return a random sample of all rows, each as likely as any, and how many rows.

    A row is kept while its random key is among the `n_rows` smallest so far.
    """
    kept: list[tuple[Any, np.ndarray]] = []
    kinds: set[str] = set()
    limit, total, n_columns = np.inf, 0, None
    for batch in batches:
        if isinstance(batch, tuple):
            raise ValueError(
                "batches must hold tables, and one is a tuple; leave the targets out."
            )
        batch = as_table(batch)
        batch = batch if hasattr(batch, "shape") else np.asarray(batch)
        if len(batch.shape) != 2:
            raise ValueError(
                f"batches must hold tables of rows and columns, and one has the shape "
                f"{batch.shape}; reshape it."
            )
        kinds.add(type(batch).__module__.partition(".")[0])
        if len(kinds) > 1:
            raise ValueError(
                "batches must hold tables of one kind, and have those of "
                f"{' and '.join(sorted(kinds))}; turn all of them into one."
            )
        n_columns = batch.shape[1] if n_columns is None else n_columns
        if batch.shape[1] != n_columns:
            raise ValueError(
                f"batches must hold tables of the same columns, and have {n_columns} "
                f"and {batch.shape[1]}; give each batch all columns."
            )
        keys = generator.random(batch.shape[0])
        total += len(keys)
        chosen = np.flatnonzero(keys < limit)
        if len(chosen):
            kept.append((safe_indexing(batch, chosen), keys[chosen]))
            known = np.concatenate([keys for _, keys in kept])
            if len(known) > n_rows:
                limit = np.partition(known, n_rows)[n_rows]
            if len(known) > 2 * n_rows:
                kept = _below(kept, limit)
    if total == 0:
        raise ValueError(
            "batches hold no rows (0 samples); an iterable that can be read only once "
            "is empty the second time."
        )
    return concatenate([rows for rows, _ in _below(kept, limit)]), total


def _below(
    kept: list[tuple[Any, np.ndarray]], limit: float
) -> list[tuple[Any, np.ndarray]]:
    """Return the rows whose keys are below the limit."""
    return [
        (safe_indexing(rows, np.flatnonzero(keys < limit)), keys[keys < limit])
        for rows, keys in kept
        if (keys < limit).any()
    ]
