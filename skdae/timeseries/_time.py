"""Time stamps of rows as numbers, and durations in the same unit."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np


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


def row_times(time: Any, n_rows: int) -> RowTimes:
    """Return the time stamps of rows; rows are counted where `time` is None."""
    import pandas

    stamps = pandas.Index(np.arange(n_rows) if time is None else time)
    if stamps.shape != (n_rows,):
        raise ValueError(
            f"time has the shape {stamps.shape} and must hold one value for each of "
            f"the {n_rows} rows."
        )
    kind = pandas.api.types.infer_dtype(stamps)
    if kind in ("date", "datetime", "datetime64"):
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
