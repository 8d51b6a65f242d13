"""Rows of tables that a model reads in their order: whether they are, and parts."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pandas as pd

from skdae._files import TableError, parse_times
from skdae.cli._models import LEFT_OUT

GAP_ROWS = 500  # around a part of a table, by which its gaps are filled


@dataclass
class TimesOfRows:
    """Follows columns of times through a table, to find rows that are not in order."""

    names: Iterable[str]
    last: dict[str, Any] = field(default_factory=dict)  # time of the row before
    falls: dict[str, int] = field(default_factory=dict)  # row before an earlier one
    n_rows: int = 0

    @classmethod
    def of(
        cls, estimator: Any, left_out: dict[str, str], names: Iterable[str]
    ) -> "TimesOfRows":
        """Return that of the columns left out as times; none if no order counts."""
        if not any(rows_around(estimator)):
            return cls([])
        return cls([n for n in names if left_out.get(n) == LEFT_OUT["date_time"]])

    def see(self, columns: Callable[[str], pd.Series]) -> None:
        """Look at the next rows, by what returns a column as it is written."""
        n_rows = 0
        for name in self.names:
            values = columns(name)
            n_rows = len(values)
            times = _times(values)
            if times is None or not n_rows:
                continue
            if name in self.last and type(self.last[name]) is type(times.iloc[0]):
                times = pd.concat([pd.Series([self.last[name]]), times])
            is_fall = (times.diff().iloc[1:] < times.iloc[0] - times.iloc[0]).to_numpy()
            if is_fall.any():
                row = self.n_rows + 1 + int(is_fall.argmax()) - (len(times) - n_rows)
                self.falls.setdefault(name, row)
            self.last[name] = times.iloc[-1]
        self.n_rows += n_rows

    def notes(self, label: str) -> tuple[str, ...]:
        """Return the note on columns in which some times are earlier than the last."""
        return tuple(
            f"{label}: the times in the column {name!r} decrease after row {row}, and "
            "the model reads rows in their order; sort them by time."
            for name, row in self.falls.items()
        )


def _times(values: pd.Series) -> pd.Series | None:
    """Return a column as times or numbers, None where it is neither.

    Where day and month can change places, by the reading that falls less often.
    """
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all():
        return numbers.astype(float)
    readings = []
    for day_first in (None, True, False):
        try:
            readings.append(parse_times(values, day_first=day_first))
        except TableError:  # some are missing, or it is not the way to read them
            continue
        if day_first is None:
            break
    falls = [int((times.diff() < pd.Timedelta(0)).sum()) for times in readings]
    return readings[int(np.argmin(falls))] if readings else None


def rows_around(estimator: Any) -> tuple[int, int]:
    """Return how many rows before and after a row an estimator reads with it."""
    if getattr(estimator, "time_model_", None) is not None:
        return GAP_ROWS, GAP_ROWS
    return getattr(estimator, "lags_", 0), 0


def with_rows_around(
    tables: Iterable[pd.DataFrame], n_before: int, n_after: int
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Yield parts of a table with the rows around them, and where the part begins.

    So that what is made of its rows does not depend on how the table is cut.
    """
    nothing = pd.DataFrame()
    before = nothing
    pairs: Iterable[tuple[pd.DataFrame, pd.DataFrame]]
    pairs = pairwise(chain(tables, [nothing]))
    if not n_after:  # not to wait for rows that may be long in coming
        pairs = ((table, nothing) for table in tables)
    for table, following in pairs:
        parts = [each for each in (before, table, following[:n_after]) if len(each)]
        around = pd.concat(parts, ignore_index=True)
        yield around, len(before)
        end = len(before) + len(table)
        before = around[max(0, end - n_before) : end]
