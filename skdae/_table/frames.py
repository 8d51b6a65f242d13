"""Users' tables as float matrices, and back: containers, names and categories."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, validate_data

from skdae._table.rows import check_weights


@dataclass(frozen=True)
class Table:
    """A user's table as numbers.

    Categorical columns hold ordinal codes; NaN is what is missing or unknown.
    """

    raw: np.ndarray  # (n_samples, n_features), float32 or float64
    categorical: np.ndarray  # (n_features,) bool
    encoder: OrdinalEncoder | None  # of the categorical columns


def read_training(
    estimator: Any,
    X: Any,
    *,
    categorical_features: Any,
    sample_weight: Any,
    allow_nan: bool,
) -> Table:
    """Read the table of a first fit: names, number of columns and categories.

    The categories are those of the rows with a weight.
    """
    _refuse(X)
    if is_dataframe(X) and len(set(X.columns)) < len(X.columns):
        doubled = sorted({str(c) for c in X.columns if list(X.columns).count(c) > 1})
        raise ValueError(
            f"X has several columns of the same name: {doubled}; rename them."
        )
    if categorical_features is not None:
        X = _container(estimator, X, reset=True, min_rows=2)
        names = getattr(estimator, "feature_names_in_", None)
        mask = categorical_mask(X, categorical_features, names)
        if mask.any():
            weights = check_weights(sample_weight, X)
            counted = X
            if weights is not None and (weights > 0).any():
                counted = _safe_indexing(X, np.flatnonzero(weights > 0))
            encoder = _fit_categories(counted, np.flatnonzero(mask))
            return _mixed(estimator, X, mask, encoder, allow_nan)
    raw = _numeric(estimator, X, reset=True, allow_nan=allow_nan, min_rows=2)
    return Table(raw, np.zeros(raw.shape[1], dtype=bool), None)


def read(
    estimator: Any,
    X: Any,
    *,
    categorical: np.ndarray,
    encoder: OrdinalEncoder | None,
    allow_nan: bool,
) -> Table:
    """Read a table with the columns and the categories of the fitted one."""
    _refuse(X)
    if encoder is not None:
        X = _container(estimator, X, reset=False, min_rows=1)
        return _mixed(estimator, X, categorical, encoder, allow_nan)
    raw = _numeric(estimator, X, reset=False, allow_nan=allow_nan, min_rows=1)
    return Table(raw, categorical, None)


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
    _refuse(X)
    if chosen is None:
        cells = _numeric(estimator, X, reset=reset, allow_nan=True, min_rows=1)
        return Beside(cells, None, None)
    X = _container(estimator, X, reset=reset, min_rows=1)
    names = getattr(estimator, "feature_names_in_", None)
    mask = categorical_mask(X, [chosen], names, parameter)
    if mask.all():
        raise ValueError(
            f"{parameter}={chosen!r} is the only column of X; add the measurements."
        )
    part = _safe_indexing(X, np.flatnonzero(~mask), axis=1)
    place = int(np.flatnonzero(mask)[0])
    column = _safe_indexing(X, place, axis=1)
    return Beside(_numbers(estimator, part, part, True, 1), column, place)


def category_lists(encoder: OrdinalEncoder) -> list[np.ndarray]:
    """Return the categories of each column without the missing value."""
    return [
        np.array([c for c in found if c is not None and c == c], dtype=found.dtype)
        for found in encoder.categories_
    ]


def as_container(
    estimator: Any,
    rebuilt: np.ndarray,
    X: Any,
    *,
    dtype: np.dtype,
    encoder: OrdinalEncoder | None,
    categorical: np.ndarray,
) -> Any:
    """Return rebuilt rows in the user's categories and the container they asked for."""
    container = _get_output_config("transform", estimator)["dense"]
    numbers = rebuilt.astype(dtype, copy=False)
    if encoder is None and container == "default":
        return numbers
    columns = _columns_of(numbers, encoder, categorical)
    if container == "default":
        return np.column_stack([column.astype(object) for column in columns])
    names = _check_feature_names_in(estimator)
    return data_frame(container, names, columns, index_of(X))


def _columns_of(
    numbers: np.ndarray, encoder: OrdinalEncoder | None, categorical: np.ndarray
) -> list[np.ndarray]:
    """Return the columns of a table of numbers, ordinal codes as categories again."""
    columns = list(numbers.T)
    if encoder is None:
        return columns
    places = np.flatnonzero(categorical)
    for place, found in zip(places, category_lists(encoder), strict=True):
        values = np.full(len(numbers), np.nan, dtype=object)
        seen = ~np.isnan(numbers[:, place])
        values[seen] = found[numbers[seen, place].astype(np.intp)]
        columns[place] = values
    return columns


def missing_cells(X: Any) -> np.ndarray:
    """Return which cells of a user's table are missing, (n_samples, n_features) bool.

    NaN, None, pandas.NA and polars' null, in columns of any kind.
    """
    import pandas

    if not is_dataframe(X):
        return np.asarray(pandas.isna(np.asarray(X)))
    columns = (_safe_indexing(X, j, axis=1) for j in range(X.shape[1]))
    return np.column_stack(
        [pandas.isna(np.asarray(column, dtype=object)) for column in columns]
    )


def fill_cells(
    estimator: Any,
    X: Any,
    raw: np.ndarray,
    values: np.ndarray,
    *,
    encoder: OrdinalEncoder | None,
    categorical: np.ndarray,
    indicators: np.ndarray | None,
) -> Any:
    """Return X with its missing cells taken from a table of values.

    `raw` is X as `read` returns it. Known cells stay as they are, to the bit, and a
    DataFrame keeps its dtypes. Indicators, one column each, follow in X's dtype.
    """
    container = _get_output_config("transform", estimator)["dense"]
    if not is_dataframe(X):
        X = np.asarray(X, dtype=None if encoder is None else object)
    missing = missing_cells(X)
    names = list(estimator.get_feature_names_out())
    if container == "default" and encoder is None:
        filled = np.where(missing, values, raw).astype(raw.dtype, copy=False)
        return filled if indicators is None else np.hstack([filled, indicators])
    of_categories = _columns_of(values, encoder, categorical)
    columns = []
    for j in range(missing.shape[1]):
        column = _safe_indexing(X, j, axis=1)
        if missing[:, j].any():
            column = _filled_column(column, missing[:, j], of_categories[j])
        columns.append(column)
    if indicators is not None:
        columns += list(indicators.astype(raw.dtype).T)
    if container == "default":
        return np.column_stack([np.asarray(c).astype(object) for c in columns])
    return data_frame(container, names, columns, index_of(X))


def _filled_column(column: Any, missing: np.ndarray, values: np.ndarray) -> Any:
    """Return a column with missing cells filled, in its dtype where that can hold."""
    cells = np.array(column, dtype=object)
    cells[missing] = values[missing]
    if not hasattr(column, "dtype"):
        return cells
    kind = str(column.dtype).lower()
    if hasattr(column, "to_frame") and not hasattr(column, "iloc"):  # polars
        import polars

        dtype = None if kind.startswith(("int", "uint")) else column.dtype
        return polars.Series(column.name, cells.tolist(), dtype=dtype, strict=False)
    if hasattr(column, "array"):
        import pandas

        dtype = "Float64" if kind.startswith(("int", "uint", "bool")) else column.dtype
        return pandas.Series(cells, index=column.index).astype(dtype)
    return cells if kind == "object" else cells.astype(column.dtype)


def sample_rows(
    batches: Iterable[Any], n_rows: int, generator: np.random.Generator
) -> tuple[Any, int]:
    """Return a random sample of all rows, each as likely as any, and how many rows.

    A row is kept while its random key is among the `n_rows` smallest so far.
    """
    kept: list[tuple[Any, np.ndarray]] = []
    limit, total, n_columns = np.inf, 0, None
    for batch in batches:
        if isinstance(batch, tuple):
            raise ValueError(
                "batches must hold tables, and one is a tuple; leave the targets out."
            )
        batch = batch if hasattr(batch, "shape") else np.asarray(batch)
        if len(batch.shape) != 2:
            raise ValueError(
                f"batches must hold tables of rows and columns, and one has the shape "
                f"{batch.shape}; reshape it."
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
            kept.append((_safe_indexing(batch, chosen), keys[chosen]))
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
        (_safe_indexing(rows, np.flatnonzero(keys < limit)), keys[keys < limit])
        for rows, keys in kept
        if (keys < limit).any()
    ]


def concatenate(parts: list[Any]) -> Any:
    """Return tables of one kind as one table."""
    if not is_dataframe(parts[0]):
        return np.concatenate(parts)
    if hasattr(parts[0], "iloc"):
        import pandas

        return pandas.concat(parts, ignore_index=True)
    import polars

    return polars.concat(parts)


# --- reading ------------------------------------------------------------------------


def index_of(X: Any) -> Any:
    """Return the index of a DataFrame, None where there is none."""
    return getattr(X, "index", None) if is_dataframe(X) else None


def is_dataframe(X: Any) -> bool:
    """Tell whether X is a pandas or polars DataFrame."""
    return (
        type(X).__name__ != "LazyFrame"
        and hasattr(X, "columns")
        and hasattr(X, "dtypes")
    )


def _refuse(X: Any) -> None:
    """Refuse what would be taken for numbers, or is no table yet."""
    if type(X).__name__ == "LazyFrame":
        raise ValueError("X is a LazyFrame of polars; pass X.collect().")
    dates: list[Any] = []
    if is_dataframe(X):
        kinds = ("date", "time", "duration", "period")
        named = zip(X.columns, _dtypes(X), strict=True)
        dates = [str(name) for name, dtype in named if dtype.startswith(kinds)]
    elif getattr(getattr(X, "dtype", None), "kind", "") in "mM":
        dates = ["of " + str(X.dtype)] if hasattr(X, "dtype") else []
    if dates:
        raise ValueError(
            f"X holds dates or durations in the columns {dates}; turn them into "
            "numbers (hours since the start, hour of the day), or drop them."
        )


def plain_cells(X: Any) -> Any:
    """Return the cells of a polars frame, whose dtype check_array would not see."""
    if is_dataframe(X) and not hasattr(X, "iloc"):
        return np.ascontiguousarray(X.to_numpy())
    return X


def _dtypes(X: Any) -> list[str]:
    return [str(dtype).lower() for dtype in X.dtypes]


def _is_valid(estimator: Any, X: Any, min_rows: int) -> bool:
    """Tell whether validation would return X as it is, which it says of any other.

    For one row at a time scikit-learn's validation takes longer than the network.
    """
    if (
        type(X) is not np.ndarray
        or X.ndim != 2
        or X.dtype not in (np.float64, np.float32)
        or hasattr(estimator, "feature_names_in_")
        or X.shape[1] != estimator.n_features_in_
        or len(X) < min_rows
    ):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))  # False where a value is missing, too


def _numeric(
    estimator: Any, X: Any, *, reset: bool, allow_nan: bool, min_rows: int
) -> np.ndarray:
    """Return a validated float table; float32 is not copied."""
    if not reset and _is_valid(estimator, X, min_rows):
        return X
    cells = plain_cells(X)
    if cells is not X:  # the names first, then the numbers
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return _numbers(estimator, cells, X, allow_nan, min_rows)
    with _explained(estimator, X, allow_nan):
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if allow_nan else True,
            ensure_min_samples=min_rows,
        )


def _numbers(
    estimator: Any, cells: Any, X: Any, allow_nan: bool, min_rows: int
) -> np.ndarray:
    """Return cells as floats; errors speak of the columns of X."""
    with _explained(estimator, X, allow_nan):
        return check_array(
            cells,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if allow_nan else True,
            ensure_min_samples=min_rows,
            estimator=estimator,
            input_name="X",
        )


def _container(estimator: Any, X: Any, *, reset: bool, min_rows: int) -> Any:
    """Return X with names and number of columns checked, its cells as they are."""
    if not is_dataframe(X) or len(X) < min_rows:
        X = check_array(
            X,
            dtype=None,
            ensure_all_finite=False,
            ensure_min_samples=min_rows,
            input_name="X",
        )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def _categories(X: Any, columns: np.ndarray) -> np.ndarray:
    """Return categorical columns as objects, every kind of missing value as NaN."""
    import pandas

    cells = np.empty((X.shape[0], len(columns)), dtype=object)
    for place, column in enumerate(columns):
        values = np.array(_safe_indexing(X, int(column), axis=1), dtype=object)
        values[pandas.isna(values)] = np.nan
        cells[:, place] = values
    return cells


def _fit_categories(X: Any, columns: np.ndarray) -> OrdinalEncoder:
    """Learn the categories of columns; missing and unknown ones become NaN."""
    cells = _categories(X, columns)
    for place, column in enumerate(columns):
        seen = cells[:, place][cells[:, place] == cells[:, place]]
        if len({isinstance(value, str) for value in seen}) > 1:
            raise ValueError(
                f"The categorical column {_name(X, column)} of X mixes text with other "
                "values; turn it into one type, for example with astype(str)."
            )
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    return encoder.fit(cells)


def _mixed(
    estimator: Any, X: Any, mask: np.ndarray, encoder: OrdinalEncoder, allow_nan: bool
) -> Table:
    """Return a float64 table of numeric columns and ordinal codes."""
    raw = np.empty((X.shape[0], len(mask)))
    numeric, categorical = np.flatnonzero(~mask), np.flatnonzero(mask)
    if len(numeric):
        part = _safe_indexing(X, numeric, axis=1)
        raw[:, numeric] = _numbers(estimator, part, part, allow_nan, 1)
    raw[:, categorical] = encoder.transform(_categories(X, categorical))
    if not allow_nan and np.isnan(raw).any():
        empty = np.flatnonzero(np.isnan(raw).any(axis=0))
        raise ValueError(
            f"Columns {[_name(X, column) for column in empty]} of X hold missing "
            "values or unknown categories, and missing_values='error' refuses them; "
            "fill them or set missing_values='allow'."
        )
    return Table(raw, mask, encoder)


def _name(X: Any, column: Any) -> str:
    """Return what to call a column in a message."""
    return str(X.columns[column]) if is_dataframe(X) else str(column)


@contextmanager
def _explained(estimator: Any, X: Any, allow_nan: bool) -> Iterator[None]:
    """Say of which columns of X an error of scikit-learn speaks, and the remedy."""
    try:
        yield
    except (TypeError, ValueError) as error:
        remedy = _remedy(str(error), estimator, X, allow_nan)
        if remedy is None:
            raise
        raise ValueError(f"{error}\n{remedy}") from error


def _remedy(message: str, estimator: Any, X: Any, allow_nan: bool) -> str | None:
    """Return what helps against an error about the cells of X, None if unknown."""
    if "contains NaN" in message and not allow_nan:
        return (
            "missing_values='error' refuses missing values; fill them or set "
            "missing_values='allow'."
        )
    if "NAType" in message:
        return "X holds pandas.NA among objects; turn it into NaN with astype(float)."
    if "contains infinity" in message:
        return "Replace infinite values by NaN, which counts as missing."
    kinds = ("int", "float", "bool", "decimal")
    text = []
    if is_dataframe(X):
        text = [
            str(name)
            for name, dtype in zip(X.columns, _dtypes(X), strict=True)
            if not any(kind in dtype for kind in kinds)
        ]
    if text or "could not convert string" in message:
        which = f" in the columns {text}" if text else ""
        encode = "encode categories"
        # an estimator's own parameter, or that of the transformer it is made of
        if hasattr(estimator, "categorical_features") or hasattr(
            estimator, "transformer"
        ):
            encode = (
                "name categories in categorical_features (names, indices, or "
                "'from_dtype' for columns of a categorical dtype)"
            )
        return (
            f"X holds text or dates{which}: {encode}, turn dates into numbers, or "
            "drop the columns."
        )
    return None


def categorical_mask(
    X: Any,
    categorical_features: Any,
    feature_names: np.ndarray | None,
    parameter: str = "categorical_features",
) -> np.ndarray:
    """Return which columns a parameter names, (n_features,) bool."""
    n_features = X.shape[1]
    mask = np.zeros(n_features, dtype=bool)
    if isinstance(categorical_features, str):  # 'from_dtype'
        if is_dataframe(X):
            kinds = ("category", "categorical", "enum")
            mask[:] = [dtype.startswith(kinds) for dtype in _dtypes(X)]
        return mask
    chosen = np.asarray(categorical_features)
    if chosen.size == 0:
        return mask
    if chosen.ndim == 1 and chosen.dtype == bool:
        if len(chosen) != n_features:
            raise ValueError(
                f"{parameter} is a mask of length {len(chosen)} and must "
                f"have one entry per column of X ({n_features}); or name the columns."
            )
        return chosen.copy()
    if chosen.ndim == 1 and chosen.dtype.kind in "iu":
        if chosen.min() < 0 or chosen.max() >= n_features:
            raise ValueError(
                f"{parameter}={categorical_features!r} must be indices in "
                f"[0, {n_features - 1}], the columns of X."
            )
        mask[chosen] = True
        return mask
    if chosen.ndim == 1 and all(isinstance(name, str) for name in chosen):
        mask[_positions(chosen, feature_names, parameter)] = True
        return mask
    raise ValueError(
        f"{parameter}={categorical_features!r} must be None, 'from_dtype', a "
        "bool mask, or indices or names of columns."
    )


def _positions(
    chosen: Iterable[str], feature_names: np.ndarray | None, parameter: str
) -> list[int]:
    """Return where the named columns stand."""
    if feature_names is None:
        raise ValueError(
            f"{parameter}={list(chosen)} names columns, but X has no column "
            "names; pass a DataFrame or use indices."
        )
    known = list(feature_names)
    unknown = [str(name) for name in chosen if name not in known]
    if unknown:
        raise ValueError(
            f"{parameter} names {unknown}, not among the columns of X "
            f"({known}); correct the names."
        )
    return [known.index(name) for name in chosen]


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
