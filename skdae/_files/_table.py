"""Tables from files: some rows at a time as they are written, or whole and typed."""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

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
from skdae._files._chunk import OpenTable
from skdae._files._csv import open_text
from skdae._files._dialect import Dialect, Format
from skdae._files._errors import TableError, counted, listed
from skdae._files._parquet import open_parquet

DEFAULT_FORMAT = Format()
BATCH_ROWS = 100_000  # of a whole Parquet file that are read at a time
SAMPLE_BYTES = 1 << 25  # of a file of which only a sample is wanted


def open_chunks(path: str | os.PathLike, n_rows: int, form: Format) -> OpenTable:
    """Open a table that need not fit into memory; ``'-'`` is standard input.

    Of a file the encoding is found from all of it, of standard input from its
    beginning.
    """
    encoding = None
    with ExitStack() as stack:
        if is_parquet(path):
            table = _open_parquet(path, form, stack, n_rows)
        else:
            if form.named_encoding is None and os.fspath(path) != STDIN:
                with ExitStack() as first:
                    encoding = _encoding_of(open_bytes(path, first), name_of(path))
            file = open_bytes(path, stack)
            table = open_text(file, name_of(path), form, encoding, n_rows)
        tables = _rows_at_a_time(table.tables, n_rows)
        return replace(table, tables=tables, stack=stack.pop_all())


def _open_parquet(
    path: str | os.PathLike, form: Format, stack: ExitStack, n_rows: int
) -> OpenTable:
    """Open Parquet, to be closed by a stack."""
    file = stack.enter_context(open_parquet(path))
    none = file.schema_arrow.empty_table()
    batches = file.iter_batches(batch_size=n_rows)
    tables = chain([none], (pyarrow.Table.from_batches([batch]) for batch in batches))
    names = tuple(none.column_names)
    return OpenTable(name_of(path), names, tables, form.markers, stack)


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
            table, goes_on = _open_parquet(path, form, stack, BATCH_ROWS), False
        else:
            table, goes_on = _open_whole_text(path, form, stack, max_rows)
        rows = pyarrow.concat_tables(_until(table.tables, max_rows))
    n_rows, label, notes = len(rows), table.label, list(table.notes)
    if max_rows is not None and (goes_on or n_rows > max_rows):
        rows = rows.slice(0, max_rows)
        notes.append(
            f"{label}: the first {len(rows):,} rows are looked at, and the file goes "
            "on."
        )
    if n_rows < least_rows:
        below = " below its header" if table.dialect is not None else ""
        raise TableError(
            f"{label}: has {counted(n_rows, 'row')}{below}, and at least {least_rows} "
            "are needed; give a longer table."
        )
    chunk, columns = table.chunk(rows), {}
    for name in table.names:
        columns[name], more = chunk.typed(name)
        notes += more
    notes += table.unused_markers()
    empty = [name for name, values in columns.items() if _is_empty(values)]
    if empty:
        notes.append(f"{label}: no value stands in the columns {listed(empty)}.")
    return Sheet(pd.DataFrame(columns, copy=False), tuple(notes), table.dialect)


def _open_whole_text(
    path: str | os.PathLike, form: Format, stack: ExitStack, max_rows: int | None
) -> tuple[OpenTable, bool]:
    """Open CSV, or the beginning of it; return also whether the file goes on."""
    label, encoding = name_of(path), "utf-8"
    with damage_named(label):
        file = open_bytes(path, stack)
        content = file.read(-1 if max_rows is None else SAMPLE_BYTES)
        goes_on = bool(file.read(1))
    if goes_on:
        content = content[: content.rfind(b"\n") + 1] or content
    if not content.isascii() and form.named_encoding is None:
        encoding = _encoding_of(io.BytesIO(content), label)
    return open_text(io.BytesIO(content), label, form, encoding), goes_on


def _until(tables: Iterator[Any], max_rows: int | None) -> Iterator[Any]:
    """Yield tables until there are more rows than so many."""
    n_rows = 0
    for table in tables:
        yield table
        n_rows += len(table)
        if max_rows is not None and n_rows > max_rows:
            return


def _is_empty(values: Any) -> bool:
    """Return whether a column has no value; most have one in the first rows."""
    return bool(pd.isna(values[:100]).all() and pd.isna(values).all())
