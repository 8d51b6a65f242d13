"""Checks of a user's table; an error says which columns it is about, and the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skdae._table.frames import dtype_names, is_dataframe, plain_cells


def refuse_non_tables(X: Any) -> None:
    """Refuse dates, which would be read as numbers, and what is not a table yet."""
    if type(X).__name__ == "LazyFrame":
        raise ValueError("X is a LazyFrame of polars; pass X.collect().")
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


def _is_valid(estimator: Any, X: Any, min_rows: int) -> bool:
    """Return whether validation would return X as it is; True is never wrong.

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


def read_numeric(estimator: Any, X: Any, *, reset: bool, min_rows: int) -> np.ndarray:
    """Return a validated float table; float32 is not copied."""
    if not reset and _is_valid(estimator, X, min_rows):
        return X
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
    """Say of which columns of X an error of scikit-learn speaks, and the remedy."""
    try:
        yield
    except (TypeError, ValueError) as error:
        remedy = _remedy(str(error), estimator, X)
        if remedy is None:
            raise
        raise ValueError(f"{error}\n{remedy}") from error


def _remedy(message: str, estimator: Any, X: Any) -> str | None:
    """Return what helps against an error about the cells of X, None if unknown."""
    if "NAType" in message:
        return "X holds pandas.NA among objects; turn it into NaN with astype(float)."
    if "contains infinity" in message:
        return "Replace infinite values by NaN, which counts as missing."
    kinds = ("int", "float", "bool", "decimal")
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
                "name categories in categorical_features (names, indices, or "
                "'from_dtype' for columns of a categorical dtype)"
            )
        return (
            f"X holds text or dates{which}: {encode}, turn dates into numbers, or "
            "drop the columns."
        )
    return None


def check_names(X: Any) -> None:
    """Refuse a data frame with several columns of one name."""
    if is_dataframe(X) and len(set(X.columns)) < len(X.columns):
        doubled = sorted({str(c) for c in X.columns if list(X.columns).count(c) > 1})
        raise ValueError(
            f"X has several columns of the same name: {doubled}; rename them."
        )
