"""The user's own table: read, judged column by column, and written back filled."""

import csv
import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _demo_report import say

LEAST_ROWS = 20
MOST_ROWS = 20_000
MOST_CATEGORIES = 50  # a text column with more different values is left out
SAMPLE = 65_536  # bytes or letters by which a file is recognised
GZIP = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# How a file starts, what it then is, and what to do.
NOT_TEXT = {
    b"PK\x03\x04": (
        "a zip archive or a spreadsheet",
        "unpack it, or save the spreadsheet as 'CSV UTF-8'",
    ),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "save it as 'CSV UTF-8'"),
    b"BZh": ("compressed with bzip2", "unpack it, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it, or compress it with gzip"),
    b"\x28\xb5\x2f\xfd": (
        "compressed with zstd",
        "unpack it, or compress it with gzip",
    ),
    b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it, or compress it with gzip"),
    GZIP: ("compressed twice", "unpack it"),
    b"PAR1": ("a Parquet file", "write it as CSV"),
    b"\xff\xfe": ("text in UTF-16, not UTF-8", "save it as 'CSV UTF-8'"),
    b"\xfe\xff": ("text in UTF-16, not UTF-8", "save it as 'CSV UTF-8'"),
}
TIME = r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}:\d\d)"


class TableError(Exception):
    """What is wrong with the user's table, and what to do."""


@dataclass(frozen=True)
class Format:
    """How the user's file is written."""

    separator: str
    decimal: str
    encoding: str  # 'utf-8-sig' where the file starts with a byte order mark
    compression: str | None


@dataclass(frozen=True)
class Sheet:
    """The user's file: every cell as it is written, and what it means."""

    cells: np.ndarray  # (1 + n_rows, n_columns) of str; the first row has the names
    frame: pd.DataFrame  # (n_rows, n_columns)
    format: Format


@dataclass(frozen=True)
class Table:
    """The usable part of the user's table."""

    whole: pd.DataFrame  # numbers as float64, texts as str, missing: NaN and None
    rows: np.ndarray  # places of the rows to learn from and to test on
    numbers: list[str]
    texts: list[str]
    target: pd.Series | None  # of these rows

    @property
    def frame(self) -> pd.DataFrame:
        """The rows to learn from and to test on."""
        return self.whole.iloc[self.rows]


# --- reading ------------------------------------------------------------------


def read_sheet(path: Path) -> Sheet:
    """The file as a table; gzip, separator and a decimal comma are recognised."""
    if path.is_dir():
        raise TableError(f"{path} is a folder; name one CSV file in it.")
    if not path.exists():
        raise TableError(f"there is no file {path}; check the name and the folder.")
    try:
        return parse_sheet(path)
    except UnicodeDecodeError:
        raise TableError(
            f"{path} is not text in UTF-8; save it as 'CSV UTF-8' (a spreadsheet has "
            "that among its formats)."
        ) from None
    except pd.errors.EmptyDataError:
        raise TableError(
            f"{path} is empty; the first line must name the columns."
        ) from None
    except pd.errors.ParserError as error:
        raise ragged(path, str(error).strip()) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise TableError(
            f"{path} is compressed with gzip and damaged or cut off; get it again."
        ) from None
    except OSError as error:
        raise TableError(f"{path} cannot be opened ({error.strerror}).") from None


def ragged(path: Path, reason: str) -> TableError:
    """The lines are not equally long."""
    return TableError(
        f"{path} cannot be read as a table ({reason}); every line must have as many "
        "cells as the first, which names the columns."
    )


def parse_sheet(path: Path) -> Sheet:
    """The file's cells, as they are written and as numbers and texts."""
    with path.open("rb") as raw:
        compression = "gzip" if raw.read(2) == GZIP else None
    unpack: Callable = gzip.open if compression else open
    with unpack(path, "rb") as file:
        start = file.read(SAMPLE)
    refuse_binary(path, start)
    with unpack(path, "rt", encoding="utf-8-sig", newline="") as file:
        separator = find_separator(file.read(SAMPLE))

    def read(**options) -> pd.DataFrame:
        return pd.read_csv(
            path,
            sep=separator,
            encoding="utf-8-sig",
            compression=compression,
            low_memory=False,
            **options,
        )

    frame, decimal = read(), "."
    if separator != ",":
        other = read(decimal=",")
        if n_numbers(other) > n_numbers(frame):
            frame, decimal = other, ","
    if not isinstance(frame.index, pd.RangeIndex):
        raise ragged(path, "the rows have more cells than the first line")
    cells = read(header=None, dtype=str, na_filter=False).to_numpy(dtype=object)
    encoding = "utf-8-sig" if start.startswith(BYTE_ORDER_MARK) else "utf-8"
    return Sheet(cells, frame, Format(separator, decimal, encoding, compression))


def n_numbers(frame: pd.DataFrame) -> int:
    """How many columns are numbers."""
    return frame.select_dtypes("number").shape[1]


def refuse_binary(path: Path, start: bytes) -> None:
    """Name what the file is when it is not text."""
    for sign, (what, remedy) in NOT_TEXT.items():
        if start.startswith(sign):
            raise TableError(f"{path} is {what}; {remedy}.")
    if b"\0" in start:
        raise TableError(
            f"{path} is a binary file and not text in UTF-8; write it as CSV."
        )


def find_separator(sample: str) -> str:
    """Comma, semicolon, tab or bar."""
    try:
        return csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
    except csv.Error:  # one column
        return ","


# --- judging ------------------------------------------------------------------


def usable(frame: pd.DataFrame, target: str | None) -> Table:
    """Rows and columns the network can learn from; says what is left out, and why."""
    rows = np.arange(len(frame))
    if len(rows) < LEAST_ROWS:
        raise TableError(
            f"the table has {len(rows)} rows, and at least {LEAST_ROWS} are needed "
            "to learn from some and test on others."
        )
    labels = None
    if target is not None:
        if target not in frame.columns:
            known = ", ".join(map(str, frame.columns[:12]))
            raise TableError(f"there is no column {target!r}; there are: {known}.")
        labels = frame[target]
        frame = frame.drop(columns=target)
        rows = np.flatnonzero(labels.notna())
        if len(rows) < LEAST_ROWS:
            raise TableError(
                f"only {len(rows)} rows have a value in {target!r}, and at least "
                f"{LEAST_ROWS} are needed; choose another target."
            )
    if len(rows) > MOST_ROWS:
        say(f"{len(rows)} rows are many for a demo: {MOST_ROWS} are drawn at random.")
        rows = np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False)
        rows = np.sort(rows)
    numbers, texts = choose_columns(frame.iloc[rows])
    columns = {
        name: as_numbers(values) if name in numbers else as_texts(values)
        for name, values in frame.items()
        if name in numbers or name in texts
    }
    labels = None if labels is None else labels.iloc[rows]
    return Table(pd.DataFrame(columns), rows, numbers, texts, labels)


def as_numbers(values: pd.Series) -> pd.Series:
    """Finite float64; an infinite one is a gap."""
    number = values.astype(float)
    return number.where(np.isfinite(number))


def as_texts(values: pd.Series) -> pd.Series:
    """Text as objects, None where it is missing."""
    text = values.astype(object).where(values.notna(), None)
    return text.map(str, na_action="ignore").astype(object)


def choose_columns(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The columns of numbers and those of texts; the rest is named and left out."""
    numbers: list[str] = []
    texts: list[str] = []
    left_out = []
    for name, values in frame.items():
        reason = why_not(values)
        if reason is not None:
            left_out.append(f"{name} ({reason})")
        else:
            (numbers if is_number(values) else texts).append(name)
    if left_out:
        say(f"Left out: {', '.join(left_out)}.")
    if not numbers + texts:
        raise TableError(
            "no column is left to learn from; the table needs numbers, or texts of at "
            f"most {MOST_CATEGORIES} different values."
        )
    if len(numbers + texts) < 2:
        raise TableError(
            f"only the column {(numbers + texts)[0]!r} is left, and one sensor cannot "
            "be rebuilt from others; give a table with more columns."
        )
    return numbers, texts


def is_number(values: pd.Series) -> bool:
    """Numbers, but not True and False."""
    kinds = pd.api.types
    return kinds.is_numeric_dtype(values) and not kinds.is_bool_dtype(values)


def why_not(values: pd.Series) -> str | None:
    """Why a column cannot be learned from, or None."""
    known = (as_numbers(values) if is_number(values) else as_texts(values)).dropna()
    if known.empty:
        return "empty"
    if known.nunique() == 1:
        return "always the same"
    if is_number(values):
        return None
    if known.str.match(TIME).all():
        return "time"
    if known.nunique() > MOST_CATEGORIES:
        return f"text with {known.nunique()} different values"
    return None


# --- writing ------------------------------------------------------------------


def fill_cells(
    sheet: Sheet, table: Table, reconstruct: Callable[[pd.DataFrame], pd.DataFrame]
) -> np.ndarray:
    """All cells as they were written; only gaps of the columns of `table` are filled.

    The cells are those of `sheet.cells`, with the row of names.
    """
    cells = sheet.cells.copy()
    gaps = table.whole.isna()
    rows = np.flatnonzero(gaps.any(axis=1))
    if not len(rows):
        return cells
    rebuilt = reconstruct(table.whole.iloc[rows])
    for name in table.whole.columns:
        place = sheet.frame.columns.get_loc(name)
        is_gap = gaps[name].to_numpy()
        guess = rebuilt[name].to_numpy(dtype=object)[is_gap[rows]]
        if name in table.numbers:
            written = [f"{x:.10g}".replace(".", sheet.format.decimal) for x in guess]
        else:
            known = table.whole[name][~is_gap]
            spelling = dict(zip(known, cells[1:, place][~is_gap], strict=True))
            written = [spelling[text] for text in guess]
        cells[1:, place][is_gap] = written
    return cells


def write_cells(path: Path, cells: np.ndarray, form: Format) -> None:
    """The table in the user's way of writing it, not compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(cells).to_csv(
        path, sep=form.separator, header=False, index=False, encoding=form.encoding
    )
