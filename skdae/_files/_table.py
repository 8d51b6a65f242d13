"""Tables from files: some rows at a time as they are written, or whole and typed."""

import io
import os
import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow

from skdae._files._bytes import (
    SAMPLE,
    STDIN,
    damage_named,
    find_encoding,
    is_parquet,
    name_of,
    open_bytes,
    refuse_binary,
    whole_lines,
)
from skdae._files._cells import MAX_WHOLE, OTHER, Cells, Markers, parse_number
from skdae._files._csv import LINE, Opened, open_text
from skdae._files._dialect import Dialect, Format
from skdae._files._errors import TableError, counted, listed, shortened, shown
from skdae._files._parquet import (
    has_numbers,
    number_column,
    open_parquet,
    text_column,
    typed_column,
)

DEFAULT_FORMAT = Format()
MAX_OTHER = 100  # words of a column that may be numbers with the other decimal mark
BATCH_ROWS = 100_000  # of a whole Parquet file that are read at a time
MAX_WORDS = 12  # of a column that a message names
SAMPLE_BYTES = 1 << 25  # of a file of which only a sample is wanted


# --- in chunks -----------------------------------------------------------------------


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
        for said in _said_of_numbers(cells, name, self.label):
            warnings.warn(said, stacklevel=2)
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

        A column in which nothing is known is one of numbers. Infinite numbers are
        missing values. What data loggers write in place of a number counts as missing
        only beside numbers.
        """
        if not self.decimals:
            column = self.table.column(name)
            return typed_column(column, name, self.label, self.markers), []
        cells = self.cells(name)
        values = cells.values
        if cells.is_text.any() or (cells.is_word.any() and np.isnan(values).all()):
            return pd.Series(cells.texts(), dtype=object), self._of_text(name, cells)
        notes = _said_of_numbers(cells, name, self.label)
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

    def _of_text(self, name: str, cells: Cells) -> list[str]:
        """Return the note on a column of text that may be meant as numbers."""
        some = cells.different(cells.is_text, MAX_OTHER)
        numbers = (parse_number(word, OTHER[cells.decimal]) for word in some)
        other = [
            w for w, number in zip(some, numbers, strict=True) if number is not None
        ]
        n_numbers = np.count_nonzero(~np.isnan(cells.values))
        if not other and 2 * n_numbers <= cells.is_known.sum():
            return []
        words = cells.different(cells.is_text)
        are = "is no number" if len(words) == 1 else "are no numbers"
        why = (
            f"{listed(words, MAX_WORDS)} {are}; if that means missing, say so by "
            f"{_missing_options(words)}"
        )
        if other:
            why = (
                f"{shown(other[0])} has another decimal mark than the rest; correct it"
            )
        where = f"{self.label}{self._line(cells)}"
        return [f"{where}: the column {shown(name)} is taken as text, as {why}."]

    def _not_numbers(self, name: str, cells: Cells) -> TableError:
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


def _said_of_numbers(cells: Cells, name: str, label: str) -> list[str]:
    """Return notes on cells of a column of numbers that may be meant otherwise."""
    notes = []
    if cells.is_word.any():
        word = shown(cells.different(cells.is_word)[0])
        notes.append(
            f"{label}: cells of the column {shown(name)} such as {word} are no numbers "
            "and count as missing."
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


@dataclass(frozen=True)
class Chunks:
    """A table that is read some rows at a time, and closed at the end of a `with`."""

    label: str
    names: tuple[str, ...]
    dialect: Dialect | None  # None for Parquet
    notes: tuple[str, ...]
    chunks: Iterator[Chunk]  # can be read once
    markers: Markers
    stack: ExitStack  # closes the file

    def __enter__(self) -> "Chunks":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def __iter__(self) -> Iterator[Chunk]:
        return self.chunks

    def unused_markers(self, asked: frozenset[str] | None = None) -> tuple[str, ...]:
        """Return the note on markers that were not met in the columns read so far."""
        return self.markers.unused(self.label, asked)


def open_chunks(path: str | os.PathLike, n_rows: int, form: Format) -> Chunks:
    """Open a table that need not fit into memory; ``'-'`` is standard input.

    Of a file the encoding is found from all of it, of standard input from its
    beginning.
    """
    encoding, label = None, name_of(path)
    with ExitStack() as stack:
        if is_parquet(path):
            opened = _open_parquet(path, n_rows, stack)
        else:
            if form.named_encoding is None and os.fspath(path) != STDIN:
                with ExitStack() as first:
                    encoding = _encoding_of(open_bytes(path, first), label)
            file = open_bytes(path, stack)
            opened = open_text(file, label, form, encoding, n_rows)
        markers = form.markers
        chunks = (
            _chunk(opened, table, markers)
            for table in _rows_at_a_time(opened.tables, n_rows)
        )
        known = opened.names, opened.dialect, opened.notes
        return Chunks(label, *known, chunks, markers, stack.pop_all())


def _chunk(opened: Opened, table: Any, markers: Markers) -> Chunk:
    """Return some rows of an open table."""
    decimals = dict(zip(opened.names, opened.decimals, strict=False))
    return Chunk(opened.label, table, opened.dialect, decimals, markers)


def _open_parquet(path: str | os.PathLike, n_rows: int, stack: ExitStack) -> Opened:
    """Open Parquet, to be closed by a stack."""
    file = stack.enter_context(open_parquet(path))
    batches = file.iter_batches(batch_size=n_rows)
    tables = (pyarrow.Table.from_batches([batch]) for batch in batches)
    none = file.schema_arrow.empty_table()
    return Opened(name_of(path), tuple(none.column_names), chain([none], tables))


def _encoding_of(file: Any, label: str) -> str:
    """Find the encoding of a text from all of it."""
    blocks = whole_lines(file, label, SAMPLE)
    head = next(blocks, b"")
    refuse_binary(head, label)
    return find_encoding(chain([head], blocks), label)


def _rows_at_a_time(tables: Iterator[Any], n_rows: int) -> Iterator[Any]:
    """Yield the rows of tables so many at a time."""
    held: list[Any] = []
    for table in tables:
        held += [table] if table.num_rows else []
        n_held = sum(map(len, held))
        if n_held >= n_rows:
            whole = pyarrow.concat_tables(held)
            end = n_held - n_held % n_rows
            for start in range(0, end, n_rows):
                yield whole.slice(start, n_rows)
            held = [whole.slice(end)] if end < n_held else []
    if held:
        yield pyarrow.concat_tables(held)


# --- whole ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Sheet:
    """A table, how its file is written, and notes on it."""

    frame: pd.DataFrame  # numbers as int64 or float64, text as objects
    notes: tuple[str, ...]
    dialect: Dialect | None  # None for Parquet


def read_table(
    path: str | os.PathLike, *, form: Format = DEFAULT_FORMAT, least_rows: int = 1
) -> pd.DataFrame:
    r"""Read a table from CSV, compressed or not, or from Parquet.

    Parameters
    ----------
    path : str or path-like
        The file; ``'-'`` is standard input, as CSV.
    form : Format, default=DEFAULT_FORMAT
        How a CSV file is written, where that is not to be found out: comma,
        semicolon, tab or bar; a decimal comma; UTF-8, UTF-16 with its mark, cp1252 or
        Shift JIS.
    least_rows : int, default=1
        Rows that the table must have.

    Returns
    -------
    DataFrame
        Whole numbers as int64 where all are known, other numbers as float64, text as
        objects; NaN is what is missing. Dates in CSV are text.

    Raises
    ------
    TableError
        If there is no such file, or it cannot be used as it is; the message names
        file, line, rule, what was found and the remedy.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdae._files import read_table
    >>> path = os.path.join(tempfile.mkdtemp(), "plant.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("t;unit;bar\n1;A;0,5\n2;B;n/a\n")
    >>> read_table(path)
       t unit  bar
    0  1    A  0.5
    1  2    B  NaN
    """
    return read_sheet(path, form=form, least_rows=least_rows).frame


def read_sheet(
    path: str | os.PathLike,
    *,
    form: Format = DEFAULT_FORMAT,
    least_rows: int = 1,
    max_rows: int | None = None,
) -> Sheet:
    """Read a table like `read_table`, with its dialect and with notes.

    With `max_rows`, of a longer table the first rows only.
    """
    with ExitStack() as stack:
        if is_parquet(path):
            opened, is_sample = _open_parquet(path, BATCH_ROWS, stack), False
        else:
            opened, is_sample = _open_whole_text(path, form, stack, max_rows)
        table, is_cut = _first_rows(opened.tables, max_rows)
    notes, markers = list(opened.notes), form.markers
    if is_sample or is_cut:
        notes.append(
            f"{opened.label}: the first {len(table):,} rows are looked at, and the "
            "file goes on."
        )
    chunk = _chunk(opened, table, markers)
    columns: dict[str, Any] = {}
    for name in opened.names:
        columns[name], said = chunk.typed(name)
        notes += said
    notes += markers.unused(opened.label)
    if len(table) < least_rows:
        below = " below its header" if opened.dialect is not None else ""
        raise TableError(
            f"{opened.label}: has {counted(len(table), 'row')}{below}, and at least "
            f"{least_rows} are needed; give a longer table."
        )
    frame = pd.DataFrame(columns, copy=False)
    empty = [str(name) for name, values in columns.items() if _is_empty(values)]
    if empty:
        notes.append(f"{opened.label}: no value stands in the columns {listed(empty)}.")
    return Sheet(frame, tuple(notes), opened.dialect)


def _open_whole_text(
    path: str | os.PathLike, form: Format, stack: ExitStack, max_rows: int | None
) -> tuple[Opened, bool]:
    """Open CSV, or the beginning of it; return also whether the file goes on."""
    label = name_of(path)
    with damage_named(label):
        file = open_bytes(path, stack)
        content = file.read(-1 if max_rows is None else SAMPLE_BYTES)
        is_sample = max_rows is not None and bool(file.read(1))
    if is_sample and b"\n" in content:
        content = content[: content.rindex(b"\n") + 1]
    encoding = "utf-8"
    if not content.isascii() and form.named_encoding is None:
        encoding = _encoding_of(io.BytesIO(content), label)
    opened = open_text(io.BytesIO(content), label, form, encoding)
    return opened, is_sample


def _first_rows(tables: Iterator[Any], max_rows: int | None) -> tuple[Any, bool]:
    """Return the rows of tables, or the first of them, and whether there are more."""
    if max_rows is None:
        return pyarrow.concat_tables(tables), False
    held: list[Any] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) > max_rows:
            return pyarrow.concat_tables(held).slice(0, max_rows), True
    return pyarrow.concat_tables(held), False


def _is_empty(values: Any) -> bool:
    """Return whether a column has no value; most have one in the first rows."""
    return bool(pd.isna(values[:100]).all() and pd.isna(values).all())
