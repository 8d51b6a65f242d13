"""Open tables, and how to read the columns of some of their rows."""

import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow

from skdae._files._cells import (
    MAX_WHOLE,
    OTHER,
    Cells,
    Markers,
    parse_number,
    shared_affix,
)
from skdae._files._dialect import Dialect
from skdae._files._errors import TableError, listed, shortened, shown
from skdae._files._parquet import (
    has_numbers,
    number_column,
    text_column,
    typed_column,
)

MAX_OTHER = 100  # words of a column that may be numbers with the other decimal mark
MAX_WORDS = 12  # of a column that a message names
LINE = "\0line"  # the column with the line of each row in a file of text


@dataclass(frozen=True)
class OpenTable:
    """A table that is read some rows at a time, and closed at the end of a `with`."""

    label: str  # what to call it in a message
    names: tuple[str, ...]
    tables: Iterator[Any]  # Arrow tables under the names; of text also `LINE`
    markers: Markers
    stack: ExitStack  # closes the file
    dialect: Dialect | None = None  # None for Parquet
    decimals: tuple[str, ...] = ()  # the mark of each column of text
    notes: tuple[str, ...] = ()

    def __enter__(self) -> "OpenTable":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def __iter__(self) -> Iterator["Chunk"]:
        return map(self.chunk, self.tables)

    def chunk(self, table: Any) -> "Chunk":
        """Return some rows to be read column by column."""
        decimals = dict(zip(self.names, self.decimals, strict=False))
        return Chunk(self.label, table, self.dialect, decimals, self.markers)

    def unused_markers(self, asked: frozenset[str] | None = None) -> tuple[str, ...]:
        """Return the note on markers that were not met in the columns read so far."""
        return self.markers.unused(self.label, asked)


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table, and how to read their cells."""

    label: str  # what to call the file in a message
    table: Any  # Arrow: text from CSV, typed from Parquet
    dialect: Dialect | None  # None for Parquet
    decimals: dict[str, str]  # the mark of each column of text; empty for Parquet
    markers: Markers

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name in self.table.column_names if name != LINE]

    def __len__(self) -> int:
        return self.table.num_rows

    def written(self, name: str) -> pd.Series:
        """Return a column as in the file: text from CSV, typed from Parquet."""
        column = self.table.column(name)
        if self.decimals:
            cells = column.fill_null("").to_pylist()
            return pd.Series(cells, name=name, dtype=object)
        return column.to_pandas(types_mapper=pd.ArrowDtype).rename(name)

    def spelled(self, number: float) -> str:
        """Return a number as the table writes its numbers, to the last digit."""
        mark = self.dialect.decimal if self.dialect is not None else "."
        return repr(float(number)).replace(".", mark)

    def numbers(self, name: str) -> pd.Series:
        """Return a column that must hold numbers, as float64."""
        column = self.table.column(name)
        if has_numbers(column):
            values = number_column(column, self.markers).astype(np.float64)
            return pd.Series(values, name=name)
        cells = self.cells(name)
        if cells.is_text.any():
            raise self._not_numbers(name, cells)
        for note in _notes_on_numbers(cells, name, self.label):
            warnings.warn(note, stacklevel=2)
        values = cells.values
        return pd.Series(np.where(np.isfinite(values), values, np.nan), name=name)

    def whole_numbers(self, name: str) -> pd.Series | None:
        """Return a column of whole numbers exactly, None where it has any other cell.

        In the integers of a Parquet file, as int64 from CSV.
        """
        if self.decimals:
            values = self.cells(name).whole_numbers()
            return None if values is None else pd.Series(values, name=name)
        column = self.table.column(name)
        is_whole = pyarrow.types.is_integer(column.type)
        if not is_whole or np.isnan(number_column(column, self.markers)).any():
            return None
        return self.written(name)

    def texts(self, name: str) -> pd.Series:
        """Return a column as text, NaN where it is missing."""
        if self.decimals:
            return pd.Series(self.cells(name).texts(), name=name, dtype=object)
        return text_column(self.table.column(name), self.markers).rename(name)

    def cells(self, name: str) -> Cells:
        """Return the cells of a column of text."""
        array = self.table.column(name)
        if not self.decimals:
            array = pyarrow.chunked_array([list(map(str, array.to_pylist()))])
        decimal = self.decimals.get(name, ".")
        return Cells(array.combine_chunks(), decimal, self.markers)

    def typed(self, name: str) -> tuple[Any, list[str]]:
        """Return a column as numbers where all cells are, else as text, and notes.

        A column without any value is one of numbers. Infinite numbers are
        missing values. What data loggers write in place of a number counts as missing
        only beside numbers.
        """
        if not self.decimals:
            column = self.table.column(name)
            return typed_column(column, name, self.label, self.markers), []
        cells = self.cells(name)
        values = cells.values
        if cells.is_text.any() or (cells.is_word.any() and np.isnan(values).all()):
            return pd.Series(cells.texts(), dtype=object), self._notes_on_text(
                name, cells
            )
        notes = _notes_on_numbers(cells, name, self.label)
        is_infinite = np.isinf(values)
        if is_infinite.any():
            values = np.where(is_infinite, np.nan, values)
            notes.append(
                f"{self.label}: {is_infinite.sum()} infinite values in the column "
                f"{shown(name)} count as missing."
            )
        whole = cells.whole_numbers() if len(values) else None
        is_exact = whole is not None and (np.abs(values) < MAX_WHOLE).all()
        return whole if is_exact else values, notes

    def _notes_on_text(self, name: str, cells: Cells) -> list[str]:
        """Return notes, at most one, on text that may be meant as numbers."""
        some = cells.different(cells.is_text, MAX_OTHER)
        numbers = (parse_number(word, OTHER[cells.decimal]) for word in some)
        other = [
            w for w, number in zip(some, numbers, strict=True) if number is not None
        ]
        n_numbers = np.count_nonzero(~np.isnan(cells.values))
        has_affix = not n_numbers and shared_affix(some)
        if not has_affix and not other and 2 * n_numbers <= cells.is_known.sum():
            return []
        words = cells.different(cells.is_text)
        are = "is not a number" if len(words) == 1 else "are not numbers"
        why = (
            f"{listed(words, MAX_WORDS)} {are}; if that means missing, say so by "
            f"{_missing_options(words)}"
        )
        if other:
            why = (
                f"{shown(other[0])} has another decimal mark than the rest; correct it"
            )
        if has_affix:
            why = (
                f"{shown(some[0])} is more than a number; write the numbers alone, and "
                "the unit in the name"
            )
        where = f"{self.label}{self._line(cells)}"
        return [f"{where}: the column {shown(name)} is taken as text, as {why}."]

    def _not_numbers(self, name: str, cells: Cells) -> TableError:
        """Return the error of a column of numbers in which text was found."""
        words = cells.different(cells.is_text)
        remedy = f", or name it by {_missing_options(words)}" if self.decimals else ""
        return TableError(
            f"{self.label}{self._line(cells)}: the column {shown(name)} must hold "
            f"numbers, and {shown(words[0])} is none; correct it, or leave it empty"
            f"{remedy}."
        )

    def _line(self, cells: Cells) -> str:
        """Return the line of the first text of a column, nothing for Parquet."""
        if not self.decimals:
            return ""
        return f", line {self.table.column(LINE)[int(cells.is_text.argmax())]}"


def _notes_on_numbers(cells: Cells, name: str, label: str) -> list[str]:
    """Return notes on cells of a column of numbers that may be meant otherwise."""
    notes = []
    if cells.is_word.any():
        word = shown(cells.different(cells.is_word)[0])
        notes.append(
            f"{label}: cells of the column {shown(name)} such as {word} are not "
            "numbers and count as missing."
        )
    if cells.doubtful_group is not None:
        number = parse_number(cells.doubtful_group, cells.decimal)
        notes.append(
            f"{label}: {cells.doubtful_group} in the column {shown(name)} is read as "
            f"{number:g}; correct it if it is not."
        )
    return notes


def _missing_options(words: list[str]) -> str:
    """Return words as options of the command line, to be copied."""
    return " ".join(
        f"--missing {shlex.quote(shortened(word))}" for word in words[:MAX_WORDS]
    )
