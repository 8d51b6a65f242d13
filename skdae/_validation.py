"""Checks of what users pass in, and the table as a float matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _check_sample_weight, validate_data


def is_dataframe(X: Any) -> bool:
    """Whether X is a pandas or polars DataFrame."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def _dtypes(X: Any) -> list[str]:
    return [str(dtype).lower() for dtype in X.dtypes]


def categorical_mask(
    X: Any, categorical_features: Any, feature_names: np.ndarray | None
) -> np.ndarray:
    """Which columns are categorical, (n_features,) bool."""
    n_features = X.shape[1]
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is None:
        return mask
    if isinstance(categorical_features, str):  # 'from_dtype'
        if is_dataframe(X):
            mask[:] = [d.startswith(("category", "categorical", "enum"))
                       for d in _dtypes(X)]  # fmt: skip
        return mask
    chosen = np.asarray(categorical_features)
    if chosen.size == 0:
        return mask
    if chosen.ndim != 1:
        raise ValueError(
            f"categorical_features={categorical_features!r} must be one-dimensional: a "
            "mask, indices, or names of columns."
        )
    if chosen.dtype == bool:
        if len(chosen) != n_features:
            raise ValueError(
                f"categorical_features is a mask of length {len(chosen)} and must "
                f"have one entry per column of X ({n_features}); or name the columns."
            )
        return chosen.copy()
    if chosen.dtype.kind in "iu":
        if chosen.min() < 0 or chosen.max() >= n_features:
            raise ValueError(
                f"categorical_features={categorical_features!r} must be indices in "
                f"[0, {n_features - 1}], the columns of X."
            )
        mask[chosen] = True
        return mask
    if chosen.dtype.kind in "UO" and all(isinstance(c, str) for c in chosen):
        if feature_names is None:
            raise ValueError(
                f"categorical_features={categorical_features!r} names columns, but X "
                "has no column names; pass a DataFrame or use indices."
            )
        unknown = [name for name in chosen if name not in feature_names]
        if unknown:
            raise ValueError(
                f"categorical_features names {unknown}, not among the columns of X "
                f"({list(feature_names)}); correct the names."
            )
        mask[np.isin(feature_names, chosen)] = True
        return mask
    raise ValueError(
        f"categorical_features={categorical_features!r} must be None, 'from_dtype', a "
        "bool mask, or indices or names of columns."
    )


def _explain_text(error: ValueError, X: Any) -> ValueError:
    """Add the remedy to scikit-learn's message about text in a numeric table."""
    if "could not convert string" not in str(error).lower():
        return error
    columns = ""
    if is_dataframe(X):
        text = [
            str(name)
            for name, dtype in zip(X.columns, _dtypes(X), strict=True)
            if not any(kind in dtype for kind in ("int", "float", "bool", "decimal"))
        ]
        columns = f" Columns that are not numbers: {text}."
    return ValueError(
        f"X holds text: {error}.{columns} Name such columns in categorical_features "
        "(names, indices or 'from_dtype'), or drop them."
    )


def _numbers(X: Any, allow_nan: bool, estimator: Any) -> np.ndarray:
    """A float matrix of numeric columns; infinity is an error."""
    try:
        return check_array(
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if allow_nan else True,
            ensure_min_features=0,
            ensure_min_samples=0,
            estimator=estimator,
            input_name="X",
        )
    except ValueError as error:
        raise _explain_text(error, X) from error


def numeric_table(
    estimator: Any, X: Any, *, reset: bool, allow_nan: bool, min_rows: int
) -> np.ndarray:
    """Validated float table of X; float32 is not copied."""
    try:
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if allow_nan else True,
            ensure_min_samples=min_rows,
        )
    except ValueError as error:
        raise _explain_text(error, X) from error


def check_container(X: Any, min_rows: int) -> Any:
    """A table that can be indexed by column; lists become arrays."""
    if is_dataframe(X) and len(X) >= min_rows:
        return X
    return check_array(
        X,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_samples=min_rows,
        input_name="X",
    )


def data_frame(
    container: str, names: np.ndarray, columns: list[np.ndarray], X: Any
) -> Any:
    """A pandas or polars DataFrame of columns, with the index of X where it has one."""
    data = {name: column for name, column in zip(names, columns, strict=True)}
    if container == "polars":
        import polars

        return polars.DataFrame(
            {
                name: column.tolist() if column.dtype == object else column
                for name, column in data.items()
            },
            strict=False,
        )
    import pandas

    return pandas.DataFrame(data, index=getattr(X, "index", None))


def fit_categories(X: Any, columns: np.ndarray) -> OrdinalEncoder:
    """Learn the categories of columns, missing values set apart."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    return encoder.fit(_safe_indexing(X, columns, axis=1))


def category_lists(encoder: OrdinalEncoder) -> list[np.ndarray]:
    """Categories of each column without the missing value."""
    return [
        np.array([c for c in found if c is not None and c == c], dtype=found.dtype)
        for found in encoder.categories_
    ]


def mixed_table(
    estimator: Any, X: Any, mask: np.ndarray, encoder: OrdinalEncoder, allow_nan: bool
) -> np.ndarray:
    """Float64 table with ordinal codes in the categorical columns, NaN for unknown."""
    raw = np.empty((X.shape[0], len(mask)))
    numeric, categorical = np.flatnonzero(~mask), np.flatnonzero(mask)
    if len(numeric):
        part = _safe_indexing(X, numeric, axis=1)
        raw[:, numeric] = _numbers(part, allow_nan, estimator)
    raw[:, categorical] = encoder.transform(_safe_indexing(X, categorical, axis=1))
    return raw


def canonical_order(X: np.ndarray) -> np.ndarray:
    """Sort the rows by their values, column after column: the same rows in any order
    give the same sequence. Rows that are alike keep their order.
    """
    n_rows = len(X)
    order = np.arange(n_rows)
    group = np.zeros(n_rows, dtype=np.intp)  # rows that are alike so far
    tied = np.arange(n_rows)  # positions still to be sorted
    for column in range(X.shape[1]):
        if len(tied) == 0:
            break
        values = X[order[tied], column]
        ranks = np.lexsort((values, group[tied]))  # NaN comes last
        order[tied], values = order[tied][ranks], values[ranks]
        starts = np.ones(len(tied), dtype=bool)
        alike = (values[1:] == values[:-1]) | (
            np.isnan(values[1:]) & np.isnan(values[:-1])
        )
        starts[1:] = (group[tied][1:] != group[tied][:-1]) | ~alike
        group[tied] = tied[
            np.maximum.accumulate(np.where(starts, np.arange(len(tied)), 0))
        ]
        alone = starts & np.append(starts[1:], True)
        tied = tied[~alone]
    return order


def training_rows(
    X: np.ndarray, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """Indices of the rows to learn from in canonical order, and their weights.

    Whole weights are repetitions; others are scaled to a mean of one. Rows of weight
    0 and rows without a single value are left out.
    """
    order = canonical_order(X)
    empty = np.isnan(X).all(axis=1)
    order = order[~empty[order]]
    if sample_weight is None:
        return order, None
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )[order]
    if not (weights > 0).any():
        raise ValueError(
            "sample_weight must give at least one row with a value a weight above 0; "
            "pass None to weigh all rows alike."
        )
    order, weights = order[weights > 0], weights[weights > 0]
    if np.all(weights == np.floor(weights)):
        return np.repeat(order, weights.astype(np.intp)), None
    return order, weights / weights.mean()


def check_widths(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Hidden widths as a tuple of ints; one int is one layer."""
    sizes: Sequence[Any] = (
        [hidden_layer_sizes]
        if np.ndim(hidden_layer_sizes) == 0
        else list(hidden_layer_sizes)
    )
    whole = [
        isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1
        for size in sizes
    ]
    if not sizes or not all(whole):
        raise ValueError(
            f"hidden_layer_sizes={hidden_layer_sizes!r} must be ints of at least 1, one "
            "per hidden layer from the bottom up, for example (128, 64)."
        )
    return tuple(int(size) for size in sizes)
