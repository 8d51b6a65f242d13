"""Rows that a model reads in time order: a check of the order, and the rows around."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from skdae._files import TableError, parse_times
from skdae.cli._models import LEFT_OUT
from skdae.timeseries._around import rows_around


@dataclass
class TimesOfRows:
    """Follows columns of times through a table, to find rows that are not in order."""

    names: Iterable[str]
    groups: str | None = None  # the column of groups, of tables that are read whole
    last: dict[str, Any] = field(default_factory=dict)  # time of the row before
    falls: dict[str, int] = field(default_factory=dict)  # row before an earlier one
    n_rows: int = 0

    @classmethod
    def of(
        cls,
        estimator: Any,
        left_out: dict[str, str],
        names: Iterable[str],
        time: str | None,
        groups: str | None,
    ) -> "TimesOfRows":
        """Return that of the columns left out as times.

        None if no order counts, or if rows are sorted by a column.
        """
        if time is not None or not any(rows_around(estimator)):
            return cls([])
        dates = [n for n in names if left_out.get(n) == LEFT_OUT["date_time"]]
        return cls(dates, groups)

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
            fall = _first_fall(times, self.groups and columns(self.groups))
            if fall is not None:
                row = self.n_rows + 1 + fall - (len(times) - n_rows)
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


@dataclass(frozen=True)
class RowOrder:
    """The rows of a table in time order, with their times and groups."""

    rows: np.ndarray  # (n,) of the table
    index: pd.Index  # (n,) times where they are known
    groups: np.ndarray | None  # (n,)

    @classmethod
    def of(
        cls,
        columns: Callable[[str], pd.Series],
        n_rows: int,
        time: str | None,
        groups: str | None,
        label: str,
    ) -> "RowOrder":
        """Read the columns that name time and group, by what returns one of them."""
        rows, index, labels = np.arange(n_rows), pd.RangeIndex(n_rows), None
        if groups is not None:
            labels = columns(groups).to_numpy(dtype=object)
            if pd.isna(labels).any():
                raise TableError(
                    f"{label}: the column {groups!r} must name the group of each row, "
                    f"and {int(pd.isna(labels).sum())} cells are missing; complete it, "
                    "or omit --groups."
                )
        if time is not None:
            times = _times(columns(time))
            if times is None:
                raise TableError(
                    f"{label}: the column {time!r} must hold numbers or times, one in "
                    "each row; complete it, or omit --time."
                )
            # rows of one time by their group, whatever their order in the table
            ties = rows if labels is None else labels.astype(str)
            rows = np.lexsort((ties, times.to_numpy()))
            times = times.iloc[rows]
            if not pd.api.types.is_datetime64_any_dtype(times):
                times = pd.to_timedelta(times - times.min(), unit="s")
            index = pd.Index(times)
        return cls(rows, index, None if labels is None else labels[rows])

    def sort(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return rows in time order."""
        return X.iloc[self.rows].set_axis(self.index)

    def unsort(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return rows in time order as they stand in the table."""
        return X.iloc[np.argsort(self.rows)].reset_index(drop=True)


def _first_fall(times: pd.Series, groups: Any) -> int | None:
    """Return the first row before an earlier one of its group, None without any."""
    codes = np.zeros(len(times), int) if groups is None else pd.factorize(groups)[0]
    order = np.argsort(codes, kind="stable")
    steps = times.iloc[order].diff().iloc[1:]
    is_fall = (steps < times.iloc[0] - times.iloc[0]).to_numpy()
    falls = order[:-1][is_fall & (np.diff(codes[order]) == 0)]
    return int(falls.min()) if len(falls) else None


def _times(values: pd.Series) -> pd.Series | None:
    """Return a column as times or numbers, None where it is neither.

    Where day and month can change places, by the reading that falls less often.
    """
    if not pd.api.types.is_datetime64_any_dtype(values):
        # of Arrow's texts it makes NaN that are not missing
        numbers = pd.to_numeric(values.astype(object), errors="coerce").astype(float)
        if numbers.notna().all():
            return numbers
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


def with_rows_around(
    parts: Iterable[Any], n_before: int, n_after: int
) -> Iterator[Any]:
    """Yield parts of a table with the rows around added to their `X`, where there are.

    So the results do not depend on how the table is cut. The rows of the part itself
    are `rows` of its `X`.
    """
    past: list[pd.DataFrame] = []
    waiting: deque[Any] = deque()
    for part in chain(parts, [None]):
        waiting.extend([part] if part is not None else [])
        n_waiting = sum(len(each.chunk) for each in waiting)
        while waiting and (
            part is None or n_waiting - len(waiting[0].chunk) >= n_after
        ):
            first = waiting.popleft()
            n_past, n = sum(map(len, past)), len(first.chunk)
            X = pd.concat([*past, first.X, *(each.X for each in waiting)])
            X = X[: n_past + n + n_after].reset_index(drop=True)
            yield replace(first, X=X, rows=slice(n_past, n_past + n))
            past = [X[max(n_past + n - n_before, 0) : n_past + n]]
            n_waiting -= n
