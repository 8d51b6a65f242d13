"""Rules of the noise parameters: each returns what is wrong with a value, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Rule = Callable[[Any, "int | None"], "str | None"]  # of a value and a number of columns


@dataclass(frozen=True)
class NumberRule:
    """A number in a range, or several of them: one per column or group."""

    holds: Callable[[np.ndarray], Any]
    text: str  # the rule and the remedy
    per: str | None = "column"  # None: a single number

    def __call__(self, value: Any, n_entries: int | None = None) -> str | None:
        """Return what is wrong with a value, of `n_entries` entries if it has some."""
        entries = np.asarray(value)
        is_number = entries.dtype.kind in "iuf"
        if self.per is None:
            is_valid = is_number and entries.ndim == 0 and self.holds(entries)
            return None if is_valid else self.text
        if not is_number or entries.ndim > 1:
            what = "must be a number or a one-dimensional array of numbers, one per"
            return f"{what} {self.per}."
        if entries.ndim and n_entries is not None and len(entries) != n_entries:
            return (
                f"has {len(entries)} entries, but there are {n_entries} {self.per}s; "
                f"pass one number for all, or one per {self.per}."
            )
        return None if np.all(self.holds(entries)) else self.text


def _groups_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with groups of columns."""
    if not isinstance(value, (list, tuple)):
        number = np.asarray(value)
        if number.dtype.kind not in "iu" or number.ndim:
            return "must be a number of groups or a list of lists of column indices."
        return None if number >= 1 else "must be at least 1; 4 makes four groups."
    if len(value) == 0:
        return "must be a number of groups or a list of lists of column indices."
    for group in value:
        columns = np.asarray(group)
        if columns.ndim != 1 or len(columns) == 0 or columns.dtype.kind not in "iu":
            return f"must hold lists of column indices, but one group is {group!r}."
        if columns.min() < 0 or (n_columns is not None and columns.max() >= n_columns):
            last = "" if n_columns is None else f" to {n_columns - 1}"
            return f"names a column outside 0{last} in the group {group!r}; drop it."
    return None


SHARE = NumberRule(
    lambda x: (x >= 0) & (x <= 1),
    "must lie in [0, 1], as a share of cells; write 25 % as 0.25.",
)
SHARE_OF_GROUPS = replace(SHARE, per="group")
_WEIGHT = NumberRule(
    lambda x: (x >= 0) & np.isfinite(x),
    "must be one finite number of at least 0, the weight of a cell; 1 is full.",
    per=None,
)

#: Rule of each parameter by its name, the same for all noises; a noise with another
#: parameter, or another meaning, has the rule in its `_rules`.
RULES: dict[str, Rule] = {
    "rate": SHARE,
    "scale": replace(
        _WEIGHT,
        text="must be finite and at least 0, in standard deviations of the column; "
        "0.25 is a mild noise.",
        per="column",
    ),
    "length": NumberRule(
        lambda x: x.dtype.kind in "iu" and x >= 1,
        "must be an integer of at least 1, a number of rows; 10 is a start.",
        per=None,
    ),
    "minimum": replace(
        SHARE,
        text="must be one number in [0, 1], the lowest factor of a row; 0 lets rows be "
        "clean.",
        per=None,
    ),
    "corrupted": _WEIGHT,
    "untouched": _WEIGHT,
    "groups": _groups_rule,
}
