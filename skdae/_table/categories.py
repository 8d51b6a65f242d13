"""Which columns are categorical, and their categories as ordinal codes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.preprocessing import OrdinalEncoder

from skdae._sklearn_compat import safe_indexing
from skdae._table.frames import column_name, dtype_names, is_dataframe

#: From the type of a value to what a message calls such values.
KINDS: dict[type, str] = {
    str: "text",
    np.str_: "text",
    bool: "booleans",
    np.bool_: "booleans",
}


def may_be_categorical(X: Any, categorical_features: Any) -> bool:
    """Return whether a parameter names columns of X, as far as is seen at once."""
    if not isinstance(categorical_features, str):
        return categorical_features is not None
    return is_dataframe(X) and any(_of_categorical_dtype(X))


def _of_categorical_dtype(X: Any) -> list[bool]:
    kinds = ("category", "categorical", "enum", "dictionary")  # the last of Arrow
    return [dtype.startswith(kinds) for dtype in dtype_names(X)]


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
            mask[:] = _of_categorical_dtype(X)
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


def category_cells(X: Any, columns: np.ndarray) -> np.ndarray:
    """Return categorical columns as objects, every kind of missing value as NaN."""
    import pandas

    cells = np.empty((X.shape[0], len(columns)), dtype=object)
    for place, column in enumerate(columns):
        values = np.array(safe_indexing(X, int(column), axis=1), dtype=object)
        values[pandas.isna(values)] = np.nan
        cells[:, place] = values
    return cells


def unknown_values(
    column: np.ndarray, known: np.ndarray, codes: np.ndarray
) -> str | None:
    """Return what is wrong with the values of a categorical column, None for nothing.

    `column` holds them as objects and `codes` their ordinal codes, NaN for unknown
    ones.
    """
    given = next((value for value in column if value == value), None)
    if given is None or not len(known):
        return None
    kind, learned = (KINDS.get(type(each), "numbers") for each in (given, known[0]))
    if kind != learned:
        return f"{kind}, and held {learned} in fit; convert it to {learned}"
    if np.isnan(codes).all():
        return f"no value that occurred in fit, but {given!r} and the like"
    return None


def fit_categories(X: Any, columns: np.ndarray) -> OrdinalEncoder:
    """Learn the categories of columns; missing and unknown ones become NaN."""
    cells = category_cells(X, columns)
    for place, column in enumerate(columns):
        seen = cells[:, place][cells[:, place] == cells[:, place]]
        if len({isinstance(value, str) for value in seen}) > 1:
            raise ValueError(
                f"The categorical column {column_name(X, column)} of X mixes text "
                "with other values; turn it into one type, as by astype(str)."
            )
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    return encoder.fit(cells)


def category_lists(encoder: OrdinalEncoder) -> list[np.ndarray]:
    """Return the categories of each column without the missing value."""
    return [
        np.array([c for c in found if c is not None and c == c], dtype=found.dtype)
        for found in encoder.categories_
    ]
