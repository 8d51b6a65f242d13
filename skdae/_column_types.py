"""What the columns of a data frame are, and the limits that decide it."""

import re
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

MAX_CATEGORIES = 100  # different texts; a column of more is left out
MAX_INTEGER_CLASSES = 20  # whole numbers of more different values are a quantity
MIN_NAMES = 20  # different texts that a column of names of rows must have
MIN_NAME_SHARE = 0.9  # of the rows that must have a name of their own
MIN_ROWS_PER_CLASS = 2  # on average, for text to be classes
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
    """Return what each column of a table holds.

    Text and truth values are text; numbers that count the rows (1, 2, 3, ...) or have
    a name like an id and never repeat, and text that hardly ever does, are `id_like`.
    """
    found: dict[str, list[str]] = {field.name: [] for field in fields(ColumnKinds)}
    for name, values in table.items():
        found[kind_of_column(str(name), values)].append(name)
    return ColumnKinds(**{kind: tuple(names) for kind, names in found.items()})


def is_numeric(values: pd.Series) -> bool:
    """Return whether a column holds numbers; truth values are none."""
    kinds = pd.api.types
    return kinds.is_numeric_dtype(values) and not kinds.is_bool_dtype(values)


def kind_of_column(name: str, values: pd.Series) -> str:
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
    many = n_different >= MIN_NAMES and n_different > MIN_NAME_SHARE * len(known)
    return "id_like" if many else "text"


def _counts(name: str, known: pd.Series, n_different: int) -> bool:
    """Return whether numbers count the rows, or are ids by their name."""
    numbers = known.to_numpy(dtype=np.float64)
    if n_different < len(numbers) or len(numbers) < 3 or (numbers % 1 != 0).any():
        return False
    return bool((np.diff(numbers) == 1).all()) or ID_NAME.search(name) is not None
