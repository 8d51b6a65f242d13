"""Checks of the arguments of displays: numeric tables, names, choices."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from skdae._table.frames import is_dataframe


def numbers(X: Any, name: str) -> tuple[np.ndarray, list[str] | None]:
    """Return a table as floats, and its names; other columns of a frame are dropped."""
    names = None
    if is_dataframe(X):
        X = _numeric_part(X)
        names = [str(column) for column in X.columns]
    try:
        options = {"na_value": np.nan} if hasattr(X, "iloc") else {}
        values = X.to_numpy(dtype=float, **options) if options else np.asarray(X, float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold numbers only, and holds other cells ({error}); pass the "
            "columns with numbers, or a DataFrame, of which they are taken."
        ) from error
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"{name} has the shape {values.shape} and must be a table of rows and "
            "columns with numbers, neither of them empty."
        )
    return values, names


def _numeric_part(X: Any) -> Any:
    """Return the numeric and boolean columns of a frame."""
    if hasattr(X, "iloc"):
        return X.select_dtypes(["number", "bool"])
    from polars import selectors

    return X.select(selectors.numeric() | selectors.boolean())


def column(values: Any, name: str, n_rows: int | None = None) -> np.ndarray:
    """Return one float per row, NaN allowed."""
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold numbers ({error}); pass one for each row."
        ) from error
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(
            f"{name} has the shape {found.shape} and must be one number per row; pass "
            "an array of one dimension."
        )
    if n_rows is not None and len(found) != n_rows:
        raise ValueError(
            f"{name} holds {len(found)} values and must hold one for each of the "
            f"{n_rows} rows."
        )
    return found


def labels(
    given: Any, n_columns: int, seen: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the names of columns: those given, those of the table, or x0, x1, ..."""
    if given is None:
        given = seen
    if given is None:
        return tuple(f"x{j}" for j in range(n_columns))
    names = tuple(str(name) for name in given)
    if len(names) != n_columns:
        raise ValueError(
            f"feature_names holds {len(names)} names and must hold one for each of the "
            f"{n_columns} columns."
        )
    return names


def positions(features: Any, names: Sequence[str]) -> list[int]:
    """Return the positions of features that are given by name or index."""
    if isinstance(features, str | Integral):
        features = [features]
    found = [_position(feature, list(names)) for feature in features]
    if not found:
        raise ValueError(
            f"features={features!r} must name at least one column; pass None for all."
        )
    return found


def _position(feature: Any, names: list[str]) -> int:
    """Return the position of one feature, given by name or index."""
    if isinstance(feature, int | np.integer) and not isinstance(feature, bool):
        if -len(names) <= feature < len(names):
            return int(feature) % len(names)
        raise ValueError(
            f"features holds the index {feature}, and there are {len(names)} columns "
            "with numbers; correct the index."
        )
    if str(feature) not in names:
        raise ValueError(
            f"features holds {feature!r}, not among the columns with numbers "
            f"({names}); correct the name."
        )
    return names.index(str(feature))


def check_choice(value: Any, name: str, allowed: Sequence[Any]) -> None:
    """Raise unless the value is one of those allowed."""
    if not any(value is each or value == each for each in allowed):
        raise ValueError(f"{name}={value!r} must be one of {list(allowed)}.")


def check_count(value: Any, name: str) -> None:
    """Raise unless the value is an int of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r} must be an int of at least 1.")


def check_log(log_scale: Any, values: np.ndarray, low: float, factor: float) -> bool:
    """Return whether to draw values on a logarithmic axis.

    With 'auto' it is, if all are positive and the largest exceeds `factor * low`.
    """
    check_choice(log_scale, "log_scale", ("auto", True, False))
    finite = values[np.isfinite(values)]
    is_positive = len(finite) > 0 and bool((finite > 0).all())
    if log_scale == "auto":
        return is_positive and bool(finite.max() > factor * low)
    if log_scale and not is_positive:
        raise ValueError(
            "log_scale=True needs values above 0, and some are not; set it to False."
        )
    return bool(log_scale)
