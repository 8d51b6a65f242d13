"""What the columns of a data frame are, and the limits that decide it."""

import re
from collections.abc import Collection
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

MAX_CATEGORIES = 100  # different texts; a column of more is left out
MAX_INTEGER_CLASSES = 20  # whole numbers of more different values are a quantity
MIN_NAMES = 20  # different texts that a column of names of rows must have
MIN_NAME_SHARE = 0.9  # of the rows that must have a name of their own
MIN_ROWS_PER_CLASS = 2  # on average, for text to be classes
MIN_RISING = 20  # rows by which a column that only rises is a clock or a counter
MIN_SAME_STEPS = 0.75  # of the steps of a clock, where rows may be missing
MIN_COUNTER_SHARE = 0.3  # of different values among the rows of a counter
# dates, times of day, and both
_DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
    "|\\d{4}\u5e74\\d{1,2}\u6708\\d{1,2}\u65e5)"  # year, month, day in Japanese
)
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?"
DATE_TIME = re.compile(rf"{_DATE}([T ]+{_CLOCK})?|{_CLOCK}")
# a date within a text, such as the name of a file
DATED = re.compile(
    r"(?<!\d)(19|20)\d{2}([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d{1,3}(?!\d))"
)
ID_NAME = re.compile(
    r"(^|[^a-z])(id|ids|uuid|guid|index|key|no|nr|serial|row|number)$", re.IGNORECASE
)
# what pandas calls an index that it has written, and what the reader calls it
INDEX_NAME = re.compile(r"__index_level_\d+__|unnamed[:_ ]+\d+|level_\d+|index", re.I)
TIME_NAME = re.compile(
    r"(^|[^a-z])(time|times|timestamp|datetime|date|ts|t|epoch|clock|unixtime|elapsed|"
    r"seconds|sec|zeit|zeitstempel|datum|uhrzeit|sekunden)([^a-z]|$)"
    "|\u6642\u523b|\u65e5\u6642|\u65e5\u4ed8|\u5e74\u6708\u65e5",  # in Japanese
    re.IGNORECASE,
)
COUNTER_NAME = re.compile(
    r"(^|[^a-z])(counter|count|total|cumulative|hours|runtime|odometer|zaehler|z\u00e4hler)"
    "([^a-z]|$)|\u7a4d\u7b97|\u7d2f\u7a4d",  # in Japanese
    re.IGNORECASE,
)
# seconds, milliseconds, microseconds and nanoseconds from 1970, of the years 2000 to
# 2100; days from 1900 and 1 of spreadsheets and Matlab; Julian days
EPOCHS = tuple((946_684_800 * k, 4_102_444_800 * k) for k in (1, 10**3, 10**6, 10**9))
SERIAL_DAYS = ((36_526, 73_050), (730_486, 767_010), (2_451_544, 2_488_070))


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


def split_columns(table: pd.DataFrame, use: Collection[str] = ()) -> ColumnKinds:
    """Return what each column of a table holds.

    Text and truth values are text. Numbers that count or name the rows, counters that
    only rise, and text that hardly ever repeats, are `id_like`. Dates, and clocks in
    numbers, are `date_time`, also where all rows are of one day. Columns named in `use`
    are neither, but numbers or text; dates, which are no numbers, cannot be used.
    """
    found: dict[str, list[str]] = {field.name: [] for field in fields(ColumnKinds)}
    for name, values in table.items():
        kind = kind_of_column(str(name), values)
        if name in use and kind in ("date_time", "id_like"):
            kind = _kind_used(str(name), values, kind)
        found[kind].append(name)
    return ColumnKinds(**{kind: tuple(names) for kind, names in found.items()})


def _kind_used(name: str, values: pd.Series, kind: str) -> str:
    """Return what a column is used as that would be left out."""
    if is_numeric(values):
        return "numeric"
    if kind == "date_time":
        raise ValueError(
            f"use={name!r} must name numbers or categories, and these are dates or "
            "times; make numbers of them, such as the hour, or omit it."
        )
    return "text"


def is_numeric(values: pd.Series) -> bool:
    """Return whether a column holds numbers; truth values are none."""
    kinds = pd.api.types
    return kinds.is_numeric_dtype(values) and not kinds.is_bool_dtype(values)


def kind_of_column(name: str, values: pd.Series) -> str:
    """Return what a column holds."""
    known = values.dropna()
    if known.empty:
        return "empty"
    kinds = pd.api.types
    if kinds.is_datetime64_any_dtype(values) or kinds.is_timedelta64_dtype(values):
        return "date_time"
    n_different = known.nunique()
    if is_numeric(values):
        numbers = known.to_numpy(dtype=np.float64)
        return _kind_of_numbers(name, numbers, n_different)
    different = pd.Series(known.unique()).astype(str)
    if different.map(DATE_TIME.fullmatch).notna().all():
        return "date_time"
    if different.map(DATED.search).notna().all():
        return "date_time"
    if n_different == 1:
        return "constant"
    many = n_different >= MIN_NAMES and n_different > MIN_NAME_SHARE * len(known)
    return "id_like" if many else "text"


@np.errstate(over="ignore", invalid="ignore")  # steps between numbers of any size
def _kind_of_numbers(name: str, numbers: np.ndarray, n_different: int) -> str:
    """Return what a column of numbers holds; clocks are dates, counters like ids."""
    if not np.isfinite(numbers).all():
        return "numeric"
    is_whole = bool((numbers % 1 == 0).all())
    if is_whole and _are_written_dates(numbers):
        return "date_time"
    if n_different == 1:
        return "constant"
    steps = np.diff(numbers)
    if _is_clock(name, numbers, steps):
        return "date_time"
    is_unique = n_different == len(numbers)
    if is_whole and is_unique and _counts(name, steps):
        return "id_like"
    is_long = len(numbers) >= MIN_RISING
    many = n_different >= MIN_COUNTER_SHARE * len(numbers)
    is_counter = many and COUNTER_NAME.search(name) and (steps >= 0).all()
    return "id_like" if is_long and is_counter else "numeric"


def _counts(name: str, steps: np.ndarray) -> bool:
    """Return whether whole numbers that never repeat count or name the rows."""
    if len(steps) < 2:
        return False
    if ID_NAME.search(name) or INDEX_NAME.fullmatch(name) or (steps == 1).all():
        return True
    return len(steps) >= MIN_RISING - 1 and bool((steps > 0).all())


def _is_clock(name: str, numbers: np.ndarray, steps: np.ndarray) -> bool:
    """Return whether numbers are moments: they never fall, and are known for a time.

    By their name, by the range of their unit, or because all their steps are equal.
    """
    if (steps < 0).any():
        return False
    low, high = numbers.min(), numbers.max()
    if any(start <= low and high <= end for start, end in EPOCHS):
        return True
    if len(numbers) < MIN_RISING:
        return False
    is_fraction = bool((numbers % 1 != 0).any())
    in_days = any(start <= low and high <= end for start, end in SERIAL_DAYS)
    is_same = np.isclose(steps, np.median(steps), rtol=1e-6, atol=0)
    same_steps = steps.max() > 0 and is_same.mean() >= MIN_SAME_STEPS
    return bool(TIME_NAME.search(name) or (is_fraction and (in_days or same_steps)))


def _are_written_dates(numbers: np.ndarray) -> bool:
    """Return whether whole numbers spell dates: YYYYMMDD, perhaps with a time."""
    digits = np.floor(np.log10(np.maximum(np.abs(numbers), 1))) + 1
    if not np.isin(digits, (8, 12, 14)).all() or np.ptp(digits) or numbers.min() < 0:
        return False
    days = (numbers // 10 ** (digits - 8)).astype(np.int64)
    years, months, day = days // 10_000, days // 100 % 100, days % 100
    is_date = (years >= 1900) & (years < 2100) & (months >= 1) & (months <= 12)
    return bool((is_date & (day >= 1) & (day <= 31)).all())
