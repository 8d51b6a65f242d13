"""A table some rows at a time, its cells as they stand in the file."""

import io
import os
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from skdae._files._bytes import (
    STDIN,
    find_encoding,
    is_parquet,
    name_of,
    open_bytes,
    read_head,
    reading,
    refuse_binary,
)
from skdae._files._errors import TableError
from skdae._files._kinds import is_numeric
from skdae._files._numbers import (
    strict_numbers,
    texts,
    whole_numbers,
    words_are_missing,
)
from skdae._files._parquet import open_parquet, parquet_batches
from skdae._files._text import Dialect, Format, Text, open_text


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table, and how to read their cells."""

    label: str  # what to call the file in a message
    cells: pd.DataFrame  # as in the file: text from CSV, typed from Parquet
    lines: list[int] | None  # of the rows in the file; None for Parquet
    dialect: Dialect | None  # None for Parquet
    missing: frozenset[str] = frozenset()

    def numbers(self, name: str) -> pd.Series:
        """Return a column that must hold numbers, as float64."""
        cells = self.cells[name]
        word = None
        if self.dialect is not None:
            values, wrong, word = strict_numbers(
                cells.tolist(), self.dialect.decimal, self.missing
            )
        else:
            values, wrong = _typed_numbers(cells)
        if wrong is not None:
            cell = str(cells.iloc[wrong]).strip()
            where, remedy = "", "correct it, or leave it empty"
            if self.lines is not None:
                where = f", line {self.lines[wrong]}"
                remedy += f", or name it by --missing {shlex.quote(cell)}"
            raise TableError(
                f"{self.label}{where}: the column {name!r} must hold numbers, and "
                f"{cell!r} is none; {remedy}."
            )
        if word is not None:
            warnings.warn(words_are_missing(self.label, name, word), stacklevel=2)
        return pd.Series(values, index=cells.index, name=name)

    def whole_numbers(self, name: str) -> pd.Series | None:
        """Return a column of whole numbers exactly, None where it has any other cell.

        In the integers of a Parquet file, as int64 from CSV.
        """
        cells = self.cells[name]
        if self.dialect is None:
            is_whole = pd.api.types.is_integer_dtype(cells) and not cells.isna().any()
            return cells if is_whole else None
        values = whole_numbers(cells.tolist(), self.missing)
        return None if values is None else pd.Series(values, cells.index, name=name)

    def texts(self, name: str) -> pd.Series:
        """Return a column as text, NaN where it is missing."""
        cells = self.cells[name]
        if self.dialect is None:
            plain = [str(cell) if pd.notna(cell) else np.nan for cell in cells]
            return pd.Series(plain, index=cells.index, name=name, dtype=object)
        values = texts(cells.tolist(), self.missing)
        return pd.Series(values, index=cells.index, name=name, dtype=object)


def _typed_numbers(cells: pd.Series) -> tuple[np.ndarray, int | None]:
    """Return a typed column as finite numbers, and the first cell that is none."""
    wrong = None
    if is_numeric(cells):
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = np.full(len(cells), np.nan)
        for place, cell in enumerate(cells):
            try:
                values[place] = float(cell) if pd.notna(cell) else np.nan
            except (TypeError, ValueError):
                wrong = place if wrong is None else wrong
    return np.where(np.isfinite(values), values, np.nan), wrong


@dataclass(frozen=True)
class Chunks:
    """A table that is read some rows at a time, and closed at the end of a `with`."""

    label: str
    names: tuple[str, ...]
    dialect: Dialect | None  # None for Parquet
    notes: tuple[str, ...]
    chunks: Iterator[Chunk]  # to be gone through once
    file: Any

    def __enter__(self) -> "Chunks":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __iter__(self) -> Iterator[Chunk]:
        return self.chunks


def open_chunks(path: str | os.PathLike, n_rows: int, form: Format) -> Chunks:
    """Open a table that need not fit into memory; ``'-'`` is standard input.

    Of a file the encoding is found from all of it, of standard input from its
    beginning.
    """
    label = name_of(path)
    if is_parquet(path):
        opened = open_parquet(path)
        names = tuple(opened.schema_arrow.names)
        frames = parquet_batches(opened, n_rows)
        parts = (Chunk(label, frame, None, None) for frame in frames)
        return Chunks(label, names, None, (), parts, opened)
    encoding = form.named_encoding
    if encoding is None and os.fspath(path) != STDIN:
        with open_bytes(path) as file, reading(label):
            head = read_head(file, label)
            refuse_binary(head, label)
            encoding = find_encoding(chain(io.BytesIO(head), file), label)
    file = open_bytes(path)
    try:
        text = open_text(file, label, form, encoding)
    except BaseException:
        file.close()
        raise
    chunks = _text_chunks(text, n_rows, form)
    return Chunks(label, text.names, text.dialect, text.notes, chunks, file)


def _text_chunks(text: Text, n_rows: int, form: Format) -> Iterator[Chunk]:
    """Yield the rows of a text as frames of text."""
    for block in text.blocks(n_rows):
        columns = {
            name: pd.Series(list(cells), dtype=object)
            for name, cells in zip(text.names, block.columns, strict=True)
        }
        cells = pd.DataFrame(columns)
        yield Chunk(text.label, cells, block.lines, text.dialect, form.missing)
