"""Checks of a user's table; an error says which columns it is about, and the remedy."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skdae._table.frames import dtype_names, is_dataframe, plain_cells


def user_stacklevel() -> int:
    """Return the stacklevel by which a warning points at the code of the user.

    For a function that calls `warnings.warn`.
    """
    frame, level = inspect.currentframe(), 0
    ours = ("skdae", "sklearn", "joblib")
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in ours:
        frame, level = frame.f_back, level + 1
    return level


def refuse_non_tables(X: Any) -> None:
    """Refuse dates, which would be read as numbers, and what is not a table yet."""
    if type(X).__name__ == "LazyFrame":
        raise ValueError("X is a LazyFrame of polars; pass X.collect().")
    if type(X).__name__ == "Series" and hasattr(X, "to_frame"):
        raise ValueError(
            "X is a Series, and must be a table of rows and columns; pass "
            "X.to_frame() for a table of one column."
        )
    if _holds_records(X):
        raise ValueError(
            "X holds records, and must be a table of rows and columns; pass "
            "pandas.DataFrame(X)."
        )
    if is_dataframe(X):
        sparse = [
            str(name)
            for name, dtype in zip(X.columns, dtype_names(X), strict=True)
            if dtype.startswith("sparse")
        ]
        if sparse:
            raise ValueError(
                f"X has the sparse columns {sparse}, and columns must be dense; pass "
                "X.sparse.to_dense()."
            )
    dates: list[Any] = []
    if is_dataframe(X):
        kinds = ("date", "time", "duration", "period")
        named = zip(X.columns, dtype_names(X), strict=True)
        dates = [str(name) for name, dtype in named if dtype.startswith(kinds)]
    elif getattr(getattr(X, "dtype", None), "kind", None) in ("m", "M"):
        dates = ["of " + str(X.dtype)] if hasattr(X, "dtype") else []
    if dates:
        raise ValueError(
            f"X holds dates or durations in the columns {dates}; turn them into "
            "numbers (hours since the start, hour of the day), or drop them."
        )


def _holds_records(X: Any) -> bool:
    """Return whether X is a mapping or holds some, or an array with named fields."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.size:
        return X.ndim == 1 and isinstance(X[0], Mapping)
    names = getattr(getattr(X, "dtype", None), "names", None)
    # scipy's dictionary of keys is a mapping as well
    return (isinstance(X, Mapping) and not issparse(X)) or names is not None


def is_valid(estimator: Any, X: Any) -> bool:
    """Return whether validation would return a later X as it is; True is never wrong.

    For one row at a time scikit-learn's validation takes longer than the network.
    """
    if (
        type(X) is not np.ndarray
        or X.ndim != 2
        or X.dtype not in (np.float64, np.float32)
        or hasattr(estimator, "feature_names_in_")
        or X.shape[1] != estimator.n_features_in_
        or not len(X)
    ):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))  # False where a value is missing, too


def read_numeric(estimator: Any, X: Any, *, reset: bool, min_rows: int) -> np.ndarray:
    """Return a validated float table; float32 is not copied."""
    cells = plain_cells(X)
    if cells is not X:  # the names first, then the numbers
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return as_numbers(estimator, cells, X, min_rows)
    with explained(estimator, X):
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=min_rows,
        )


def as_numbers(estimator: Any, cells: Any, X: Any, min_rows: int) -> np.ndarray:
    """Return cells as floats; errors speak of the columns of X."""
    with explained(estimator, X):
        return check_array(
            cells,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=min_rows,
            estimator=estimator,
            input_name="X",
        )


def check_container(estimator: Any, X: Any, *, reset: bool, min_rows: int) -> Any:
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


@contextmanager
def explained(estimator: Any, X: Any) -> Iterator[None]:
    """Add to an error of scikit-learn which columns of X it is about, and the remedy.

    A sum of large float32 numbers, by which it looks for infinite ones, may overflow.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (TypeError, ValueError) as error:
        remedy = _remedy(str(error), estimator, X)
        if remedy is None:
            raise
        raise ValueError(f"{error}\n{remedy}") from error


def _remedy(message: str, estimator: Any, X: Any) -> str | None:
    """Return what helps against an error about the cells of X, None if unknown."""
    if "contains infinity" in message:
        return "Replace infinite values by NaN, which counts as missing."
    kinds = ("int", "float", "double", "bool", "decimal")  # pandas and Arrow
    text = []
    if is_dataframe(X):
        text = [
            str(name)
            for name, dtype in zip(X.columns, dtype_names(X), strict=True)
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
                "name categories in categorical_features, or give the columns a "
                "categorical dtype (astype('category'))"
            )
        return (
            f"X holds text or dates{which}: {encode}, turn dates into numbers, or "
            "drop the columns."
        )
    return None


def column_names(estimator: Any) -> tuple[str, ...]:
    """Return the names of the columns that an estimator has read, or their numbers."""
    names = getattr(estimator, "feature_names_in_", range(estimator.n_features_in_))
    return tuple(str(name) for name in names)


def check_names(X: Any) -> None:
    """Refuse a data frame with several columns of one name."""
    if is_dataframe(X) and len(set(X.columns)) < len(X.columns):
        doubled = sorted({str(c) for c in X.columns if list(X.columns).count(c) > 1})
        raise ValueError(
            f"X has several columns of the same name: {doubled}; rename them."
        )
