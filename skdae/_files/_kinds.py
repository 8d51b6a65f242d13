"""What the columns of a table are, and whether one can be a target."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from skdae._files._errors import TableError, close_names

LEAST_DIFFERENT = 20  # values that a text must have to look like names of rows
ID_SHARE = 0.9  # of the rows, at least, have a name of their own
MOST_CLASSES = 100
LEAST_PER_CLASS = 2  # rows, on average, for text to be classes
# dates, times of day, and both
_DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
    "|\\d{4}\u5e74\\d{1,2}\u6708\\d{1,2}\u65e5)"  # year, month, day in Japanese
)
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?"
DATE_TIME = re.compile(rf"{_DATE}([T ]+{_CLOCK})?|{_CLOCK}")
ID_NAME = re.compile(
    r"(^|[^a-z])(id|ids|uuid|guid|index|key|no|nr|serial|row|number)$", re.IGNORECASE
)


@dataclass(frozen=True)
class ColumnKinds:
    """The names of a table's columns by what they hold, each under one kind."""

    numeric: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()  # one value, and perhaps missing cells
    empty: tuple[str, ...] = ()  # no value
    date_time: tuple[str, ...] = ()
    id_like: tuple[str, ...] = ()  # counts or names the rows

    def kind_of(self, name: str) -> str:
        """Return the kind of a column."""
        for field in fields(self):
            if name in getattr(self, field.name):
                return field.name
        raise KeyError(name)


def split_columns(table: pd.DataFrame) -> ColumnKinds:
    """Tell what each column of a table holds.

    Text and truth values are text; numbers that count the rows (1, 2, 3, ...) or have
    a name like an id and never repeat, and text that hardly ever does, are `id_like`.
    """
    found: dict[str, list[str]] = {field.name: [] for field in fields(ColumnKinds)}
    for name, values in table.items():
        found[_kind(str(name), values)].append(name)
    return ColumnKinds(**{kind: tuple(names) for kind, names in found.items()})


def is_numeric(values: pd.Series) -> bool:
    """Tell whether a column holds numbers; truth values are none."""
    kinds = pd.api.types
    return kinds.is_numeric_dtype(values) and not kinds.is_bool_dtype(values)


def _kind(name: str, values: pd.Series) -> str:
    """Return what a column holds."""
    known = values.dropna()
    if known.empty:
        return "empty"
    n_different = known.nunique()
    if n_different == 1:
        return "constant"
    kinds = pd.api.types
    if kinds.is_datetime64_any_dtype(values) or kinds.is_timedelta64_dtype(values):
        return "date_time"
    if is_numeric(values):
        return "id_like" if _counts(name, known, n_different) else "numeric"
    text = known.astype(str)
    if text.map(DATE_TIME.fullmatch).notna().all():
        return "date_time"
    many = n_different >= LEAST_DIFFERENT and n_different > ID_SHARE * len(known)
    return "id_like" if many else "text"


def _counts(name: str, known: pd.Series, n_different: int) -> bool:
    """Tell whether numbers count the rows, or are ids by their name."""
    numbers = known.to_numpy(dtype=np.float64)
    if n_different < len(numbers) or len(numbers) < 3 or (numbers % 1 != 0).any():
        return False
    return bool((np.diff(numbers) == 1).all()) or ID_NAME.search(name) is not None


def check_target(table: pd.DataFrame, target: str) -> pd.Series:
    """Return the column to be predicted, or say why it cannot be.

    Parameters
    ----------
    table : DataFrame
        A table as `read_table` returns it.
    target : str
        Name of the column.

    Returns
    -------
    Series
        The column, with its missing values.

    Raises
    ------
    TableError
        If there is no such column or no other, if nothing is known of it, if all its
        values are the same, or if it holds dates or a text for each row.

    Examples
    --------
    >>> import pandas
    >>> from skdae._files import check_target
    >>> check_target(pandas.DataFrame({"speed": [1, 2], "wear": [3, 3]}), "waer")
    Traceback (most recent call last):
    skdae._files._errors.TableError: The table has no column 'waer' to be the
    target; did you mean 'wear'?
    """
    if target not in table.columns:
        raise TableError(
            f"The table has no column {target!r} to be the target; "
            f"{close_names(target, table.columns)}"
        )
    values = table[target]
    if table.shape[1] == 1:
        raise TableError(
            f"The table has no column but the target {target!r}; add the columns to "
            "predict it from."
        )
    known = values.dropna()
    if known.empty:
        raise TableError(
            f"The target {target!r} has only missing values; name a column with values."
        )
    if known.nunique() == 1:
        what = "value" if is_numeric(values) else "class"
        raise TableError(
            f"The target {target!r} has one {what}, {known.tolist()[0]!r}, and needs "
            "at least two; name another column, or add rows of another."
        )
    if is_numeric(values):
        return values
    kind, n_different = _kind(target, values), known.nunique()
    if kind == "date_time":
        raise TableError(
            f"The target {target!r} holds dates or times ({known.iloc[0]}); turn them "
            "into numbers, or name another column."
        )
    if n_different > MOST_CLASSES or n_different * LEAST_PER_CLASS > len(known):
        raise TableError(
            f"The target {target!r} has {n_different} different texts in "
            f"{len(known)} rows, too many to be classes; name a column of numbers or "
            "of fewer classes."
        )
    return values


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names as a part of a sentence."""
    every = [repr(str(name)) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
