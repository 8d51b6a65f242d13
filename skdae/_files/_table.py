"""Tables from files: some rows at a time as they are written, or whole and typed."""

import io
import os
import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
from skdae._files._cells import MAX_WHOLE, Cells
from skdae._files._csv import LINE, Text, open_text
from skdae._files._dialect import Dialect, Format
from skdae._files._errors import TableError, counted, listed, shortened, shown
from skdae._files._parquet import open_parquet, parquet_table, typed_numbers

DEFAULT_FORMAT = Format()
BLOCK_ROWS = 100_000  # of a whole table that are parsed at a time


# --- in chunks -----------------------------------------------------------------------


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table, and how to read their cells."""

    label: str  # what to call the file in a message
    table: Any  # Arrow: text from CSV, typed from Parquet
    dialect: Dialect | None  # None for Parquet
    decimals: dict[str, str]  # the mark of each column of text; empty for Parquet
    form: Format

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name in self.table.column_names if name != LINE]

    def __len__(self) -> int:
        return self.table.num_rows

    def written(self, name: str) -> pd.Series:
        """Return a column as in the file: text from CSV, typed from Parquet."""
        column = self.table.column(name)
        if name in self.decimals:
            return pd.Series(column.to_pylist(), name=name, dtype=object)
        return column.to_pandas(types_mapper=pd.ArrowDtype).rename(name)

    def spelled(self, number: float) -> str:
        """Return a number as the table writes its numbers, to the last digit."""
        mark = self.dialect.decimal if self.dialect is not None else "."
        return repr(float(number)).replace(".", mark)

    def numbers(self, name: str) -> pd.Series:
        """Return a column that must hold numbers, as float64."""
        if name not in self.decimals:
            values, wrong = typed_numbers(self.table.column(name))
            if wrong is not None:
                raise self._not_number(name, *wrong)
            return pd.Series(values, name=name)
        cells = self._cells(name)
        if cells.is_text.any():
            first = int(cells.is_text.argmax())
            raise self._not_number(name, first, cells.different(cells.is_text)[0])
        if cells.is_word.any():
            word = cells.different(cells.is_word)[0]
            warnings.warn(_words_are_missing(self.label, name, word), stacklevel=2)
        values = cells.values
        return pd.Series(np.where(np.isfinite(values), values, np.nan), name=name)

    def whole_numbers(self, name: str) -> pd.Series | None:
        """Return a column of whole numbers exactly, None where it has any other cell.

        In the integers of a Parquet file, as int64 from CSV.
        """
        if name in self.decimals:
            values = self._cells(name).whole_numbers()
            return None if values is None else pd.Series(values, name=name)
        column = self.table.column(name)
        is_whole = pyarrow.types.is_integer(column.type) and not column.null_count
        return self.written(name) if is_whole else None

    def texts(self, name: str) -> pd.Series:
        """Return a column as text, NaN where it is missing."""
        if name in self.decimals:
            return pd.Series(self._cells(name).texts(), name=name, dtype=object)
        cells = self.written(name)
        plain = [str(cell) if pd.notna(cell) else np.nan for cell in cells]
        return pd.Series(plain, name=name, dtype=object)

    def _cells(self, name: str) -> Cells:
        return Cells(self.table.column(name), self.decimals[name], self.form.markers)

    def _not_number(self, name: str, row: int, cell: str) -> TableError:
        where, remedy = "", "correct it, or leave it empty"
        if name in self.decimals:
            where = f", line {self.table.column(LINE)[row]}"
            remedy += f", or name it by --missing {shlex.quote(shortened(cell))}"
        return TableError(
            f"{self.label}{where}: the column {name!r} must hold numbers, and "
            f"{shown(cell)} is none; {remedy}."
        )


@dataclass(frozen=True)
class Chunks:
    """A table that is read some rows at a time, and closed at the end of a `with`."""

    label: str
    names: tuple[str, ...]
    dialect: Dialect | None  # None for Parquet
    notes: tuple[str, ...]
    chunks: Iterator[Chunk]  # can be read once
    stack: ExitStack  # closes the file

    def __enter__(self) -> "Chunks":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def __iter__(self) -> Iterator[Chunk]:
        return self.chunks


def open_chunks(path: str | os.PathLike, n_rows: int, form: Format) -> Chunks:
    """Open a table that need not fit into memory; ``'-'`` is standard input.

    Of a file the encoding is found from all of it, of standard input from its
    beginning.
    """
    with ExitStack() as stack:
        chunks = _open(path, n_rows, form, stack)
        return replace(chunks, stack=stack.pop_all())


def _open(
    path: str | os.PathLike, n_rows: int, form: Format, stack: ExitStack
) -> Chunks:
    """Open a table, to be closed by a stack."""
    label = name_of(path)
    if is_parquet(path):
        opened = stack.enter_context(open_parquet(path))
        names = tuple(opened.schema_arrow.names)
        parts = (
            Chunk(label, pyarrow.Table.from_batches([batch]), None, {}, form)
            for batch in opened.iter_batches(batch_size=n_rows)
        )
        return Chunks(label, names, None, (), parts, stack)
    encoding = form.named_encoding
    if encoding is None and os.fspath(path) != STDIN:
        with ExitStack() as first:
            encoding = _encoding_of(open_bytes(path, first), label)
    text = open_text(open_bytes(path, stack), label, form, encoding, n_rows)
    decimals = dict(zip(text.names, text.decimals, strict=True))
    parts = (
        Chunk(label, table, text.dialect, decimals, form)
        for table in _rows_at_a_time(text, n_rows)
    )
    return Chunks(label, text.names, text.dialect, text.notes, parts, stack)


def _encoding_of(file: Any, label: str) -> str:
    """Find the encoding of a text from all of it."""
    blocks = whole_lines(file, label, SAMPLE)

    def checked() -> Iterator[bytes]:
        head = next(blocks, b"")
        refuse_binary(head, label)
        yield head
        yield from blocks

    return find_encoding(checked(), label)


def _rows_at_a_time(text: Text, n_rows: int) -> Iterator[Any]:
    """Yield the rows of a text so many at a time, under the names of the columns."""
    held: list[Any] = []
    names = [*text.names, LINE]
    for table in text.tables:
        held.append(table.rename_columns(names))
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
    path: str | os.PathLike, *, form: Format = DEFAULT_FORMAT, least_rows: int = 1
) -> Sheet:
    """Read a table like `read_table`, with its dialect and with notes."""
    if is_parquet(path):
        frame = parquet_table(path)
        empty = [name for name in frame if frame[name].isna().all()]
        sheet = Sheet(frame, _said_of_empty(empty, str(path)), None)
    else:
        sheet = _read_text(path, form)
    label, n_rows = name_of(path), len(sheet.frame)
    if n_rows < least_rows:
        below = " below its header" if sheet.dialect is not None else ""
        raise TableError(
            f"{label}: has {counted(n_rows, 'row')}{below}, and at least {least_rows} "
            "are needed; give a longer table."
        )
    return sheet


def _read_text(path: str | os.PathLike, form: Format) -> Sheet:
    """Read CSV whole, column by column."""
    label = name_of(path)
    with ExitStack() as stack, damage_named(label):
        content = open_bytes(path, stack).read()
    encoding = form.named_encoding
    if encoding is None and not content.isascii():
        encoding = _encoding_of(io.BytesIO(content), label)
    text = open_text(io.BytesIO(content), label, form, encoding, BLOCK_ROWS)
    tables = list(text.tables)
    notes = list(text.notes)
    columns: dict[str, Any] = {}
    empty = []
    for j, (name, decimal) in enumerate(zip(text.names, text.decimals, strict=True)):
        columns[name] = np.zeros(0)
        if tables:
            column = pyarrow.chunked_array(
                [chunk for table in tables for chunk in table.column(j).chunks]
            )
            cells = Cells(column, decimal, form.markers)
            columns[name], said = _typed(cells, name, label, tables)
            notes += said
            empty += [name] if pd.isna(columns[name]).all() else []
    notes += _said_of_empty(empty, label)
    return Sheet(pd.DataFrame(columns, copy=False), tuple(notes), text.dialect)


def _said_of_empty(names: list[str], label: str) -> tuple[str, ...]:
    """Return the note on columns without a value."""
    if not names:
        return ()
    return (f"{label}: no value stands in the columns {listed(names)}.",)


def _typed(
    cells: Cells, name: str, label: str, tables: list[Any]
) -> tuple[Any, list[str]]:
    """Return a column as numbers where all cells are, else as text, and notes.

    A column in which nothing is known is one of numbers. Infinite numbers are missing
    values. What data loggers write in place of a number counts as missing only beside
    numbers.
    """
    values = cells.values
    is_number = ~np.isnan(values)
    n_known, n_numbers = int(cells.is_known.sum()), int(is_number.sum())
    if cells.is_text.any() or (n_known and not n_numbers):
        texts = pd.Series(cells.texts(), dtype=object)
        if not cells.is_text.any() or 2 * n_numbers <= n_known:
            return texts, []
        place = int(cells.is_text.argmax())
        line = pyarrow.concat_tables([t.select([LINE]) for t in tables])[LINE]
        cell = texts[place]
        return texts, [
            f"{label}, line {line[place]}: the column {name!r} is taken as text, as "
            f"{shown(cell)} is no number; if that means missing, say so by "
            f"--missing {shlex.quote(shortened(cell))}."
        ]
    notes = []
    infinite = np.isinf(values)
    if infinite.any():
        values = np.where(infinite, np.nan, values)
        notes.append(
            f"{label}: {infinite.sum()} infinite values in the column {name!r} count "
            "as missing."
        )
    if cells.is_word.any():
        notes.append(_words_are_missing(label, name, cells.different(cells.is_word)[0]))
    return _whole(values, cells), notes


def _whole(values: np.ndarray, cells: Cells) -> np.ndarray:
    """Return whole numbers as int64 where all cells are known and written so."""
    if not len(values) or not (np.abs(values) < MAX_WHOLE).all():
        return values
    if values[0] % 1:  # most columns need no closer look
        return values
    whole = cells.whole_numbers()
    return values if whole is None else whole


def _words_are_missing(label: str, name: str, word: str) -> str:
    """Return the note that words stand in place of numbers."""
    return (
        f"{label}: cells of the column {name!r} such as {word!r} are no numbers and "
        "count as missing."
    )
