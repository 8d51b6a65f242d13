"""Time stamps of rows as numbers, and durations in the same unit."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from skdae._table.frames import unmasked
from skdae.timeseries._groups import group_codes

DATE_KINDS = ("date", "datetime", "datetime64")  # by pandas, of objects and Arrow
HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class RowTimes:
    """Time stamps of rows, as given and as numbers."""

    stamps: Any  # pandas Index (n,): dates or numbers
    numbers: np.ndarray  # (n,) float64: numbers, or seconds since the first date
    is_dates: bool

    def duration(self, value: Any, name: str) -> float:
        """Return a duration in the unit of `numbers`; `name` is that of the parameter.

        Dates take a pandas Timedelta or text such as '10min', numbers take numbers.
        """
        if self.is_dates and not (isinstance(value, Real) and value == 0):
            import pandas

            found = None
            if not isinstance(value, Real):
                found = pandas.to_timedelta(value, errors="coerce")
            if found is None or pandas.isna(found) or found.total_seconds() < 0:
                raise ValueError(
                    f"{name}={value!r} must be a duration of at least 0 where time "
                    "holds dates; pass a pandas.Timedelta or a text such as '10min'."
                )
            return found.total_seconds()
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number or not float(value) >= 0:
            raise ValueError(
                f"{name}={value!r} must be a number of at least 0, in rows or in the "
                "unit of time; pass 0 for none."
            )
        return float(value)

    def check_order(
        self, order: np.ndarray | None = None, codes: np.ndarray | None = None
    ) -> None:
        """Raise if a time is missing, or lies before that of the row above.

        With `order` rows are compared in this order, and only within their group.
        """
        is_missing = np.isnan(self.numbers)
        if is_missing.any():
            raise ValueError(
                f"time is missing in {int(is_missing.sum())} rows (first in row "
                f"{int(is_missing.argmax())}); drop these rows."
            )
        numbers = self.numbers if order is None else self.numbers[order]
        is_backward = numbers[1:] < numbers[:-1]
        if order is not None and codes is not None:
            is_backward &= codes[order][1:] == codes[order][:-1]
        if is_backward.any():
            position = int(is_backward.argmax())
            row = position if order is None else int(order[position])
            raise ValueError(
                f"time must not decrease, and does after row {row}; sort the rows "
                "(X.sort_index()), or pass time=range(len(X)) to count them."
            )


def check_index(X: Any, groups: Any = None, name: str = "X") -> None:
    """Raise if rows that must be in time order are not, by the dates of their index."""
    row = index_fault(X, groups)
    if row is not None:
        raise ValueError(
            f"The dates in the index of {name} must not decrease, and do after row "
            f"{row}: rows are read in their order. Sort them (sort_index()), pass the "
            "groups they belong to, or drop the index (reset_index(drop=True)) if they "
            "are in order."
        )


def index_fault(X: Any, groups: Any = None) -> int | None:
    """Return the row after which the dates in the index decrease, None without one.

    The hours that local times repeat at the end of summer time are no such case.
    """
    moments = _moments(X)
    if moments is None or not len(moments):
        return None
    codes = group_codes(groups, len(moments))
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    steps = np.diff(moments[order])
    is_fall = (steps < np.timedelta64(0)) & (codes[1:] == codes[:-1])
    is_local = getattr(X.index, "tz", None) is None
    if is_local and (steps[is_fall] >= -HOUR).all():
        years = 1 + np.ptp(moments) // np.timedelta64(365, "D")
        is_fall &= is_fall.sum() > years * (codes[-1] + 1)
    return int(order[is_fall.argmax()]) if is_fall.any() else None


def index_seconds(X: Any) -> np.ndarray | None:
    """Return the dates in the index of a pandas object as seconds since the first."""
    moments = _moments(X)
    if moments is None or not len(moments):
        return None
    return (moments - moments.min()) / np.timedelta64(1, "s")


def _moments(X: Any) -> np.ndarray | None:
    """Return the dates in the index of a pandas object, None without such."""
    if not hasattr(X, "iloc"):
        return None
    import pandas

    index = X.index
    if isinstance(index, pandas.PeriodIndex):
        index = index.to_timestamp()
    is_known = isinstance(index, pandas.DatetimeIndex | pandas.TimedeltaIndex)
    if not is_known and pandas.api.types.infer_dtype(index) in DATE_KINDS:
        index = pandas.DatetimeIndex(pandas.to_datetime(index, utc=True))
    if getattr(index, "tz", None) is not None:
        index = index.tz_convert(None)
    is_time = isinstance(index, pandas.DatetimeIndex | pandas.TimedeltaIndex)
    return index.to_numpy() if is_time and not index.hasnans else None


def row_times(time: Any, n_rows: int) -> RowTimes:
    """Return the time stamps of rows; rows are counted where `time` is None."""
    import pandas

    stamps = pandas.Index(np.arange(n_rows) if time is None else unmasked(time))
    if stamps.shape != (n_rows,):
        raise ValueError(
            f"time has the shape {stamps.shape} and must hold one value for each of "
            f"the {n_rows} rows."
        )
    kind = pandas.api.types.infer_dtype(stamps)
    if kind in DATE_KINDS:
        try:
            stamps = pandas.DatetimeIndex(stamps)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"time holds dates of several time zones, or some without ({error}); "
                "convert it with pandas.to_datetime(time, utc=True)."
            ) from error
        since = stamps - stamps.min()  # small numbers, for exact seconds
        return RowTimes(stamps, np.asarray(since.total_seconds(), dtype=float), True)
    if kind in ("integer", "floating", "mixed-integer-float") or n_rows == 0:
        numbers = stamps.to_numpy(dtype=float, na_value=np.nan)
        return RowTimes(stamps, numbers, False)
    raise ValueError(
        f"time holds values of type {kind} and must hold numbers or dates; convert it "
        "with pandas.to_datetime."
    )
