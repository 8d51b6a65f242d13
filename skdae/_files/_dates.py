"""Times of rows as people and loggers write them: one format for a whole column."""

import re
from typing import Any

import numpy as np
import pandas as pd

from skdae._files._errors import TableError, listed, shown

# minutes before UTC of what stands for a zone after a time
ZONES = {
    **{"Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 60, "BST": 60},
    **{"CET": 60, "CEST": 120, "MEZ": 60, "MESZ": 120, "EET": 120, "EEST": 180},
    **{"MSK": 180, "JST": 540, "KST": 540, "SGT": 480, "HKT": 480},
    **{"AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780},
    **{"EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360},
    **{"PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600},
}
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            *("jan", "feb fev", "mar mrz maer", "apr avr", "may mai", "jun juin"),
            *("jul juil", "aug aou", "sep", "oct okt", "nov", "dec dez"),
        ),
        start=1,
    )
    for name in names.split()
}
CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r"\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>[A-Z]{1,5}|(?:UTC|GMT)?[+-]\d{2}:?\d{2})?"
)
DAY = r"(?P<a>\d{1,4})(?:[-/.]|年)(?P<b>\d{1,2})(?:[-/.]|月)(?P<c>\d{1,4})日?"
NAMED_DAY = r"(?P<a>\d{1,2})[- ./]*(?P<name>[A-Za-z]{3,9})[- ./,]*(?P<c>\d{4}|\d{2})"
PATTERNS = tuple(
    re.compile(pattern)
    for day in (DAY, NAMED_DAY)
    for pattern in (rf"{day}(?:[T ]+{CLOCK})?", rf"{CLOCK}[ ,]+{day}")
)
COMPACT = re.compile(
    r"(?P<a>(?:19|20)\d{2})(?P<b>\d{2})(?P<c>\d{2})"
    r"(?:[T _]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?(?P<zone>Z)?)?"
)
# the orders of year, month and day among the numbers a, b and c
ORDERS = {"year first": "abc", "day first": "cba", "month first": "cab"}
HOUR = pd.Timedelta(hours=1)


def parse_times(values: Any, *, day_first: bool | None = None) -> pd.Series:
    """Return the times of rows as moments that can be ordered and subtracted.

    Parameters
    ----------
    values : array-like of shape (n_rows,)
        Numbers, durations, datetimes, periods, or texts. All texts of a column have one
        format, which is inferred from all of them.
    day_first : bool or None, default=None
        Whether the day stands before the month, for texts that can be read both ways.

    Returns
    -------
    Series of shape (n_rows,)
        Numbers and durations as they are; other times as datetime64 without a zone, in
        UTC where they name an offset or a zone. Local times in the order of the rows go
        on rising where they repeat the hour at the end of summer time.

    Raises
    ------
    TableError
        If an entry is not a time, if only some name a zone, or if day and month can be
        read in two ways; the message shows both.

    Examples
    --------
    >>> from skdae._files import parse_times
    >>> parse_times(["31.12.2023 23:00", "01.01.2024 00:00"]).dt.month.tolist()
    [12, 1]
    >>> parse_times(["01/02/2024", "02/02/2024"])
    Traceback (most recent call last):
    skdae._files._errors.TableError: time can be read in two ways: '01/02/2024' is
    1 February 2024 with the day first, or 2 January 2024 with the month first; say
    which by --day-first or --month-first.
    """
    series = pd.Series(values).reset_index(drop=True)
    _check_entries(series, series.isna())
    kinds = pd.api.types
    if kinds.is_datetime64_any_dtype(series):
        if series.dt.tz is not None:
            return series.dt.tz_convert("UTC").dt.tz_localize(None)
        return _without_repeated_hours(series)
    if kinds.is_numeric_dtype(series) or kinds.is_timedelta64_dtype(series):
        return series
    if isinstance(series.dtype, pd.PeriodDtype):
        return series.dt.to_timestamp()
    texts = series.astype(str).str.strip().str.replace(r"\[.*\]$", "", regex=True)
    texts = texts.replace({"[時分]": ":", "秒": ""}, regex=True).str.rstrip(":")
    parts = _parts(texts, series)
    moments = _dates(parts, texts, day_first) + _clocks(parts)
    zones = parts["zone"]
    if zones.notna().any():
        return moments - _offsets(zones, series)
    return _without_repeated_hours(moments)


def _check_entries(series: pd.Series, is_wrong: pd.Series) -> None:
    """Refuse entries that are not times."""
    n_wrong = int(is_wrong.sum())
    if n_wrong:
        first = series[is_wrong].tolist()[0]
        raise TableError(
            f"time has {n_wrong} entries that are no time (the first: "
            f"{shown(str(first))}); give numbers, dates such as 2024-05-01 13:45 in "
            "one format, or drop these rows."
        )


def _parts(texts: pd.Series, series: pd.Series) -> pd.DataFrame:
    """Return the numbers that texts consist of, by the pattern that most have."""
    best = None
    for pattern in (COMPACT, *PATTERNS):
        found = texts.str.extract(f"^(?:{pattern.pattern})$")
        if best is None or found["a"].notna().sum() > best["a"].notna().sum():
            best = found
    assert best is not None
    _check_entries(series, best["a"].isna())
    for name in ("b", "hour", "minute", "second", "half", "zone", "name"):
        if name not in best:
            best[name] = np.nan
    return best


def _dates(parts: pd.DataFrame, texts: pd.Series, day_first: bool | None) -> pd.Series:
    """Return the days under the one order of year, month and day that fits all."""
    orders = ORDERS
    if parts["name"].notna().any():
        parts["m"] = parts["name"].str.lower().str[:3].map(MONTHS)
        orders = {"month named": "cma"}
    readings = {
        order: _days(*(parts[column] for column in columns))
        for order, columns in orders.items()
    }
    fitting = {order: days for order, days in readings.items() if days.notna().all()}
    if day_first is not None:
        order = "day first" if day_first else "month first"
        fitting = {order: fitting[order]} if order in fitting else fitting
    if not fitting:
        nearest = max(readings.values(), key=lambda days: days.notna().sum())
        _check_entries(texts, nearest.isna())
    (one, days), *others = fitting.items()
    for other, again in others:
        differs = (days != again).to_numpy()
        if differs.any():
            place = int(differs.argmax())
            remedy = "say which by --day-first or --month-first"
            if one == "year first":
                remedy += ", or write years with four digits"
            raise TableError(
                f"time can be read in two ways: {shown(texts[place])} is "
                f"{_in_words(days[place])} with the {one}, or "
                f"{_in_words(again[place])} with the {other}; {remedy}."
            )
    return days


def _days(year: pd.Series, month: pd.Series, day: pd.Series) -> pd.Series:
    """Return days, NaT where there is no such day, or no year of two or four digits."""
    lengths = year.str.len()
    years = year.astype(float).where(lengths == lengths.iloc[0])
    if lengths.iloc[0] == 2:
        years += np.where(years < 70, 2000, 1900)
    elif lengths.iloc[0] != 4:
        years[:] = np.nan
    columns = {"year": years, "month": month.astype(float), "day": day.astype(float)}
    return pd.to_datetime(pd.DataFrame(columns), errors="coerce")


def _in_words(day: pd.Timestamp) -> str:
    return f"{day.day} {day.month_name()} {day.year}"


def _clocks(parts: pd.DataFrame) -> pd.Series:
    """Return the times of day."""
    hours = parts["hour"].astype(float).fillna(0)
    half = parts["half"].str.lower() if parts["half"].notna().any() else parts["half"]
    hours = hours.where(half.isna(), hours % 12) + 12 * (half == "pm")
    seconds = parts["second"].astype(str).str.replace(",", ".").astype(float).fillna(0)
    minutes = parts["minute"].astype(float).fillna(0)
    return pd.to_timedelta((hours * 60 + minutes) * 60 + seconds, unit="s")


def _offsets(zones: pd.Series, series: pd.Series) -> pd.Series:
    """Return how far zones are ahead of UTC; all entries must name a known one."""
    minutes = zones.map(_minutes, na_action="ignore")
    unknown = sorted(set(zones[minutes.isna()].dropna()))
    if unknown:
        raise TableError(
            f"time names zones that are not known ({listed(unknown)}); write offsets "
            "such as +02:00."
        )
    if zones.isna().any():
        raise TableError(
            f"time names a zone in some entries and in {int(zones.isna().sum())} none "
            f"(the first: {shown(str(series[zones.isna()].iloc[0]))}); write one for "
            "all, or none."
        )
    return pd.to_timedelta(minutes, unit="min")


def _minutes(zone: str) -> int | None:
    """Return the minutes by which a zone is ahead of UTC, None where it is unknown."""
    offset = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})", zone)
    if offset is None:
        return ZONES.get(zone)
    return int(f"{offset[1]}1") * (60 * int(offset[2]) + int(offset[3]))


def _without_repeated_hours(times: pd.Series) -> pd.Series:
    """Return local times that go on rising over the end of summer time.

    An hour is repeated where the times, which rise otherwise, fall back by half an hour
    to one hour, at night and at most twice a year.
    """
    steps = times.diff()
    falls = steps < pd.Timedelta(0)
    n_falls = int(falls.sum())
    if n_falls == 0:
        return times
    years = (times.max() - times.min()) / pd.Timedelta(days=365) + 1
    is_end = (steps >= -HOUR) & (steps <= -HOUR / 2) & (times.dt.hour <= 4)
    if n_falls > 2 * years or not is_end[falls].all():
        return times
    return times + falls.cumsum() * HOUR
