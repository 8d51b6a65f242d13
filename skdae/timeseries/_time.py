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


def row_times(time: Any, n_rows: int) -> RowTimes:
    """Return the time stamps of rows; rows are counted where `time` is None."""
    import pandas

    if time is None:
        time = np.arange(n_rows)
    stamps = pandas.Index(time)
    if stamps.shape != (n_rows,):
        raise ValueError(
            f"time has the shape {stamps.shape} and must hold one value for each of "
            f"the {n_rows} rows."
        )
    if pandas.api.types.is_datetime64_any_dtype(stamps.dtype):
        since = stamps - stamps.min()  # small numbers, for exact seconds
        return RowTimes(stamps, np.asarray(since.total_seconds(), dtype=float), True)
    if pandas.api.types.is_numeric_dtype(stamps.dtype):
        numbers = stamps.to_numpy(dtype=float, na_value=np.nan)
        return RowTimes(stamps, numbers, False)
    raise ValueError(
        f"time holds values of type {stamps.dtype} and must hold numbers or dates; "
        "convert it with pandas.to_datetime."
    )
