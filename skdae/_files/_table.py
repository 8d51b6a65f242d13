"""Tables from files: some rows at a time as they are written, or whole and typed."""

import io
import os
import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
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
from skdae._files._cells import MAX_WHOLE, Cells, Markers, parse_number
from skdae._files._csv import LINE, Text, open_text
from skdae._files._dialect import Dialect, Format
from skdae._files._errors import TableError, counted, listed, shortened, shown
from skdae._files._parquet import (
    open_parquet,
    parquet_table,
    typed_numbers,
    without_markers,
)

DEFAULT_FORMAT = Format()
BLOCK_ROWS = 100_000  # of a whole table that are parsed at a time
MAX_WORDS = 12  # of a column that a message names
SAMPLE_BYTES = 1 << 25  # of a file of which only a sample is wanted


# --- in chunks -----------------------------------------------------------------------


@dataclass(frozen=True)
class MarkerUse:
    """The user's markers of missing values, and which of them have been met."""

    markers: Markers
    met: set[str] = field(default_factory=set)

    def unused(
        self, label: str, asked: frozenset[str] | None = None
    ) -> tuple[str, ...]:
        """Return the note on markers, or those asked for, that have not been met."""
        asked = self.markers.texts if asked is None else asked
        unused = sorted({text.strip() for text in asked} - self.met)
        if not unused:
            return ()
        return (f"{label}: --missing {listed(unused)} does not occur in what is read.",)


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table, and how to read their cells."""

    label: str  # what to call the file in a message
    table: Any  # Arrow: text from CSV, typed from Parquet
    dialect: Dialect | None  # None for Parquet
    decimals: dict[str, str]  # the mark of each column of text; empty for Parquet
    use: MarkerUse

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
                raise self._not_numbers(name, *wrong)
            numbers = without_markers(pd.Series(values), self.use.markers, self.use.met)
            return numbers.astype(np.float64).rename(name)
        cells = self._cells(name)
        if cells.is_text.any():
            words = cells.different(cells.is_text)
            raise self._not_numbers(name, int(cells.is_text.argmax()), words)
        for said in _said_of_numbers(cells, name, self.label):
            warnings.warn(said, stacklevel=2)
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
        if not pyarrow.types.is_integer(column.type) or column.null_count:
            return None
        values = self.written(name)
        unmarked = without_markers(values, self.use.markers, self.use.met)
        return None if unmarked.isna().any() else values

    def texts(self, name: str) -> pd.Series:
        """Return a column as text, NaN where it is missing."""
        if name in self.decimals:
            return pd.Series(self._cells(name).texts(), name=name, dtype=object)
        cells = self.written(name)
        plain = [str(cell) if pd.notna(cell) else np.nan for cell in cells]
        texts = pd.Series(plain, name=name, dtype=object)
        return without_markers(texts, self.use.markers, self.use.met)

    def _cells(self, name: str) -> Cells:
        decimal = self.decimals[name]
        cells = Cells(self.table.column(name), decimal, self.use.markers)
        self.use.met.update(cells.used_markers)
        return cells

    def _not_numbers(self, name: str, row: int, words: list[str]) -> TableError:
        where, remedy = "", "correct it, or leave it empty"
        if name in self.decimals:
            where = f", line {self.table.column(LINE)[row]}"
            remedy += f", or name it by {_missing_options(words)}"
        return TableError(
            f"{self.label}{where}: the column {shown(name)} must hold numbers, and "
            f"{shown(words[0])} is none; {remedy}."
        )


@dataclass(frozen=True)
class Chunks:
    """A table that is read some rows at a time, and closed at the end of a `with`."""

    label: str
    names: tuple[str, ...]
    dialect: Dialect | None  # None for Parquet
    notes: tuple[str, ...]
    chunks: Iterator[Chunk]  # can be read once
    use: MarkerUse
    stack: ExitStack  # closes the file

    def __enter__(self) -> "Chunks":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def __iter__(self) -> Iterator[Chunk]:
        return self.chunks

    def unused_markers(self, asked: frozenset[str] | None = None) -> tuple[str, ...]:
        """Return the note on markers that were not met in the columns read so far."""
        return self.use.unused(self.label, asked)


def open_chunks(path: str | os.PathLike, n_rows: int, form: Format) -> Chunks:
    """Open a table that need not fit into memory; ``'-'`` is standard input.

    Of a file the encoding is found from all of it, of standard input from its
    beginning.
    """
    with ExitStack() as stack:
        opened = _open_parquet if is_parquet(path) else _open_csv
        chunks = opened(path, n_rows, form, stack)
        return replace(chunks, stack=stack.pop_all())


def _open_parquet(
    path: str | os.PathLike, n_rows: int, form: Format, stack: ExitStack
) -> Chunks:
    """Open Parquet, to be closed by a stack."""
    label, use = name_of(path), MarkerUse(form.markers)
    file = stack.enter_context(open_parquet(path))
    parts = (
        Chunk(label, pyarrow.Table.from_batches([batch]), None, {}, use)
        for batch in file.iter_batches(batch_size=n_rows)
    )
    names = tuple(file.schema_arrow.names)
    return Chunks(label, names, None, (), parts, use, stack)


def _open_csv(
    path: str | os.PathLike, n_rows: int, form: Format, stack: ExitStack
) -> Chunks:
    """Open CSV, to be closed by a stack."""
    label, use = name_of(path), MarkerUse(form.markers)
    encoding = form.named_encoding
    if encoding is None and os.fspath(path) != STDIN:
        with ExitStack() as first:
            encoding = _encoding_of(open_bytes(path, first), label)
    text = open_text(open_bytes(path, stack), label, form, encoding, n_rows)
    decimals = dict(zip(text.names, text.decimals, strict=True))
    parts = (
        Chunk(label, table, text.dialect, decimals, use)
        for table in _rows_at_a_time(text, n_rows)
    )
    return Chunks(label, text.names, text.dialect, text.notes, parts, use, stack)


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
    for table in text.tables:
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
    read = _read_parquet if is_parquet(path) else _read_text
    sheet = read(path, form, max_rows)
    label, n_rows = name_of(path), len(sheet.frame)
    if n_rows < least_rows:
        below = " below its header" if sheet.dialect is not None else ""
        raise TableError(
            f"{label}: has {counted(n_rows, 'row')}{below}, and at least {least_rows} "
            "are needed; give a longer table."
        )
    empty = [str(name) for name, values in sheet.frame.items() if _is_empty(values)]
    if empty:
        note = f"{label}: no value stands in the columns {listed(empty)}."
        sheet = replace(sheet, notes=(*sheet.notes, note))
    return sheet


def _is_empty(values: pd.Series) -> bool:
    """Return whether a column has no value; most have one in the first rows."""
    return bool(values[:100].isna().all() and values.isna().all())


def _said_of_sample(label: str, n_rows: int) -> str:
    return f"{label}: the first {n_rows:,} rows are looked at, and the file goes on."


def _read_parquet(path: str | os.PathLike, form: Format, max_rows: int | None) -> Sheet:
    """Read Parquet whole; numbers and texts that the user calls missing are so."""
    use = MarkerUse(form.markers)
    frame, is_sample = parquet_table(path, max_rows)
    if use.markers.texts:
        columns = {n: without_markers(frame[n], use.markers, use.met) for n in frame}
        frame = pd.DataFrame(columns, index=frame.index)
    notes = use.unused(name_of(path))
    if is_sample:
        notes = (_said_of_sample(name_of(path), len(frame)), *notes)
    return Sheet(frame, notes, None)


def _read_text(path: str | os.PathLike, form: Format, max_rows: int | None) -> Sheet:
    """Read CSV, column by column."""
    label, use = name_of(path), MarkerUse(form.markers)
    with ExitStack() as stack, damage_named(label):
        file = open_bytes(path, stack)
        content = file.read() if max_rows is None else file.read(SAMPLE_BYTES)
        is_sample = max_rows is not None and bool(file.read(1))
    if is_sample and b"\n" in content:
        content = content[: content.rindex(b"\n") + 1]
    encoding = form.named_encoding
    if encoding is None and not content.isascii():
        encoding = _encoding_of(io.BytesIO(content), label)
    text = open_text(io.BytesIO(content), label, form, encoding, BLOCK_ROWS)
    table = pyarrow.concat_tables(text.tables)
    if max_rows is not None and table.num_rows > max_rows:
        table, is_sample = table.slice(0, max_rows), True
    notes = list(text.notes)
    if is_sample:
        notes.append(_said_of_sample(label, table.num_rows))
    columns: dict[str, Any] = {}
    for name, decimal in zip(text.names, text.decimals, strict=True):
        cells = Cells(table.column(name), decimal, use.markers)
        columns[name], said = _typed(cells, name, label, table.column(LINE))
        notes += said
        use.met.update(cells.used_markers)
    notes += use.unused(label)
    return Sheet(pd.DataFrame(columns, copy=False), tuple(notes), text.dialect)


def _typed(cells: Cells, name: str, label: str, lines: Any) -> tuple[Any, list[str]]:
    """Return a column as numbers where all cells are, else as text, and notes.

    A column in which nothing is known is one of numbers. Infinite numbers are missing
    values. What data loggers write in place of a number counts as missing only beside
    numbers.
    """
    values = cells.values
    n_known, n_numbers = int(cells.is_known.sum()), int((~np.isnan(values)).sum())
    if cells.is_text.any() or (n_known and not n_numbers):
        texts = pd.Series(cells.texts(), dtype=object)
        words = cells.different(cells.is_text)
        if not (_other_mark(words, cells.decimal) or 2 * n_numbers > n_known > 0):
            return texts, []
        line = lines[int(cells.is_text.argmax())]
        return texts, [
            f"{label}, line {line}: the column {shown(name)} is taken as text, as "
            f"{_are_no_numbers(words, cells.decimal)}."
        ]
    notes = []
    infinite = np.isinf(values)
    if infinite.any():
        values = np.where(infinite, np.nan, values)
        notes.append(
            f"{label}: {infinite.sum()} infinite values in the column {shown(name)} "
            "count as missing."
        )
    return _whole(values, cells), notes + _said_of_numbers(cells, name, label)


def _whole(values: np.ndarray, cells: Cells) -> np.ndarray:
    """Return whole numbers as int64 where all cells are known and written so."""
    if not len(values) or not (np.abs(values) < MAX_WHOLE).all():
        return values
    if values[0] % 1:  # most columns need no closer look
        return values
    whole = cells.whole_numbers()
    return values if whole is None else whole


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


def _other_mark(words: list[str], decimal: str) -> list[str]:
    """Return the words that are numbers with the other decimal mark."""
    other = "," if decimal == "." else "."
    return [word for word in words[:1000] if parse_number(word, other) is not None]


def _are_no_numbers(words: list[str], decimal: str) -> str:
    """Return the words on cells that are not numbers, with the remedy."""
    other = _other_mark(words, decimal)
    if other:
        return f"{shown(other[0])} has another decimal mark than the rest; correct it"
    are = "is no number" if len(words) == 1 else "are no numbers"
    return (
        f"{listed(words, MAX_WORDS)} {are}; if that means missing, say so by "
        f"{_missing_options(words)}"
    )


def _missing_options(words: list[str]) -> str:
    """Return words as options of the command line, to be copied."""
    return " ".join(
        f"--missing {shlex.quote(shortened(word))}" for word in words[:MAX_WORDS]
    )
