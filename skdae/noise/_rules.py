"""Rules of the noise parameters: each returns what is wrong with a value, or None."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np


def _is_integer(value: Any) -> bool:
    """Return whether a value is an integer of Python or numpy; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _numbers_rule(value: Any, n_entries: int | None, per: str) -> str | None:
    """Return what is wrong with a number or a list of one number per `per`."""
    entries = np.asarray(value)
    if isinstance(value, bool) or entries.dtype.kind not in "iuf" or entries.ndim > 1:
        return f"must be a number or a one-dimensional array of numbers, one per {per}."
    if entries.ndim and n_entries is not None and len(entries) != n_entries:
        return (
            f"has {len(entries)} entries, but there are {n_entries} {per}s; pass one "
            f"number for all, or one per {per}."
        )
    return None


def _share_rule(
    value: Any, n_columns: int | None = None, per: str = "column"
) -> str | None:
    """Return what is wrong with a share of cells."""
    problem = _numbers_rule(value, n_columns, per)
    entries = np.asarray(value)
    if problem is None and not ((entries >= 0) & (entries <= 1)).all():
        return "must lie in [0, 1], as a share of cells; write 25 % as 0.25."
    return problem


def _scale_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with an amplitude in standard deviations."""
    problem = _numbers_rule(value, n_columns, "column")
    entries = np.asarray(value)
    if problem is None and not ((entries >= 0) & np.isfinite(entries)).all():
        return (
            "must be finite and at least 0, in standard deviations of the column; "
            "0.25 is a mild noise."
        )
    return problem


def _weight_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with the weight of a cell in the loss."""
    if np.ndim(value) or _scale_rule(value) is not None:
        return (
            "must be one finite number of at least 0, the weight of a cell; 1 is full."
        )
    return None


def _length_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with a number of rows."""
    if not _is_integer(value) or value < 1:
        return "must be an integer of at least 1, a number of rows; 10 is a start."
    return None


def _minimum_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with the lower end of a factor."""
    if np.ndim(value) or _share_rule(value) is not None:
        return (
            "must be one number in [0, 1], the lowest factor of a row; 0 lets rows "
            "be clean."
        )
    return None


def _groups_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with groups of columns."""
    if _is_integer(value):
        return None if value >= 1 else "must be at least 1; 4 makes four groups."
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return "must be a number of groups or a list of lists of column indices."
    for group in value:
        columns = np.asarray(group)
        if columns.ndim != 1 or len(columns) == 0 or columns.dtype.kind not in "iu":
            return f"must hold lists of column indices, but one group is {group!r}."
        if columns.min() < 0 or (n_columns is not None and columns.max() >= n_columns):
            last = "" if n_columns is None else f" to {n_columns - 1}"
            return f"names a column outside 0{last} in the group {group!r}; drop it."
    return None
