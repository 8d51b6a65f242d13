"""A whole table, typed."""

import io
import os
import shlex
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skdae._files._bytes import (
    SAMPLE,
    find_encoding,
    is_parquet,
    name_of,
    open_bytes,
    reading,
    refuse_binary,
)
from skdae._files._errors import TableError
from skdae._files._kinds import listed
from skdae._files._numbers import Values, column_values, words_are_missing
from skdae._files._parquet import parquet_table
from skdae._files._text import Dialect, Format, Text, open_text

DEFAULT_FORMAT = Format()
BLOCK = 20_000  # rows whose cells are held as text


@dataclass(frozen=True)
class Sheet:
    """A table, how its file is written, and what is to be said of it."""

    frame: pd.DataFrame  # numbers as int64 or float64, text as objects
    notes: tuple[str, ...]
    dialect: Dialect | None  # None for Parquet


def read_table(
    path: str | os.PathLike, *, form: Format = DEFAULT_FORMAT, least_rows: int = 1
) -> pd.DataFrame:
    r"""Read a table from CSV, gzipped or not, or from Parquet.

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
        sheet = Sheet(parquet_table(path), (), None)
    else:
        sheet = _read_text(path, form)
    label, n_rows = name_of(path), len(sheet.frame)
    if n_rows < least_rows:
        found = "1 row" if n_rows == 1 else f"{n_rows} rows"
        below = " below its header" if sheet.dialect is not None else ""
        raise TableError(
            f"{label}: has {found}{below}, and at least {least_rows} are needed; give "
            "a longer table."
        )
    empty = [str(name) for name, values in sheet.frame.items() if values.isna().all()]
    if empty:
        note = f"{label}: no value stands in the columns {listed(empty)}."
        sheet = Sheet(sheet.frame, (*sheet.notes, note), sheet.dialect)
    return sheet


def _read_text(path: str | os.PathLike, form: Format) -> Sheet:
    """Read CSV in blocks; a column that turns out to be mixed is read again."""
    label = name_of(path)
    content = _content(path)
    refuse_binary(content[:SAMPLE], label)
    encoding = form.named_encoding or find_encoding(content, label)

    def opened() -> Text:
        return open_text(io.BytesIO(content), label, form, encoding)

    text = opened()
    notes = list(text.notes)
    parts: list[list[Values]] = [[] for _ in text.names]
    lines: list[int] = []
    for block in text.blocks(BLOCK):
        lines += block.lines
        for part, cells in zip(parts, block.columns, strict=True):
            part.append(column_values(cells, text.dialect.decimal, form.missing))
    mixed = [j for j, part in enumerate(parts) if _is_mixed(part)]
    for j, whole in _whole_columns(opened(), mixed).items():
        parts[j] = [column_values(whole, text.dialect.decimal, form.missing)]
    columns = {}
    for name, part in zip(text.names, parts, strict=True):
        arrays = [values.array for values in part] or [np.zeros(0)]
        array = np.concatenate(arrays)
        columns[name] = pd.Series(array, dtype=array.dtype)
        n_infinite = sum(values.n_infinite for values in part)
        if n_infinite:
            notes.append(
                f"{label}: {n_infinite} infinite values in the column {name!r} count "
                "as missing."
            )
        words = [values.word for values in part if values.word is not None]
        if words:
            notes.append(words_are_missing(label, name, words[0]))
        odd = _odd(part)
        if odd is not None:
            notes.append(
                f"{label}, line {lines[odd]}: the column {name!r} is taken as text, as "
                f"{array[odd]!r} is no number; if that means missing, say so by "
                f"--missing {shlex.quote(array[odd])}."
            )
    return Sheet(pd.DataFrame(columns), tuple(notes), text.dialect)


def _content(path: str | os.PathLike) -> bytes:
    """Return all bytes of a file, unpacked."""
    label = name_of(path)
    with open_bytes(path) as file, reading(label):
        return file.read()


def _whole_columns(text: Text, places: list[int]) -> dict[int, list[str]]:
    """Return all cells of some columns."""
    found: dict[int, list[str]] = {j: [] for j in places}
    if places:
        for block in text.blocks(BLOCK):
            for j, cells in found.items():
                cells += block.columns[j]
    return found


def _is_mixed(part: list[Values]) -> bool:
    """Tell whether a column is text in one block and numbers in another."""
    return len({values.array.dtype == object for values in part}) > 1


def _odd(part: list[Values]) -> int | None:
    """Place of the first cell that is no number where most are."""
    start = 0
    for values in part:
        if values.odd is not None:
            return start + values.odd
        start += len(values.array)
    return None
