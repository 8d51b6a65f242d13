"""Files of text as rows of cells: compression, encoding, delimiter and header."""

import codecs
import csv
import gzip
import io
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, cast

from skdae._reading._errors import TableError
from skdae._reading._numbers import GROUPED, MISSING, PLAIN

SAMPLE = 262_144  # bytes by which delimiter and decimals are recognised
SAMPLE_LINES = 200
DELIMITERS = ",;\t|"
NAMES_OF_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
STDIN = "-"
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
    codecs.BOM_UTF16_LE: ("text in UTF-16", "save it as 'CSV UTF-8'"),
    codecs.BOM_UTF16_BE: ("text in UTF-16", "save it as 'CSV UTF-8'"),
}
BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
FRACTION = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Format:
    """How a CSV file is written; None is found out."""

    delimiter: str | None = None
    decimal: str | None = None  # '.' or ','
    encoding: str | None = None
    header: bool | None = None  # whether the first line names the columns
    missing: frozenset[str] = frozenset()  # further markers of missing values


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Block:
    """Some rows of a text, column by column."""

    columns: list[tuple[str, ...]]
    lines: list[int]  # on which each row ends, from 1


@dataclass(frozen=True)
class Text:
    """An open CSV file whose first rows have been looked at."""

    label: str  # what to call it in a message
    names: tuple[str, ...]
    dialect: Dialect
    places: tuple[int, ...]  # of the columns among the cells of a row
    n_cells: int  # in a row
    notes: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]  # the line and the cells of each row

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """Yield the rows, so many at a time."""
        while rows := list(islice(self.rows, n_rows)):
            for line, cells in rows:
                if len(cells) != self.n_cells:
                    raise self._ragged(line, cells)
            columns = list(zip(*(cells for _, cells in rows), strict=True))
            yield Block([columns[j] for j in self.places], [line for line, _ in rows])

    def _ragged(self, line: int, cells: list[str]) -> TableError:
        """A line that is not as long as the first."""
        mark = NAMES_OF_DELIMITERS.get(self.dialect.delimiter, self.dialect.delimiter)
        return TableError(
            f"{self.label}, line {line}: has {_cells(len(cells))} and must have "
            f"{self.n_cells}, as line 1, which names the columns. The cells are "
            f"parted by {mark}; a text that holds one must stand in double quotes."
        )


def name_of(path: str | os.PathLike) -> str:
    """Return what to call a file in a message."""
    return "standard input" if os.fspath(path) == STDIN else str(path)


def open_bytes(path: str | os.PathLike) -> IO[bytes]:
    """Open a file, or standard input, and unpack what gzip has packed."""
    label = name_of(path)
    if os.fspath(path) == STDIN:
        packed: Any = io.BufferedReader(_StandardInput())
        is_packed = packed.peek(2)[:2] == GZIP
        return cast(IO[bytes], gzip.open(packed) if is_packed else packed)
    file = Path(path)
    if file.is_dir():
        raise TableError(f"{label} is a folder; name one file in it.")
    if not file.exists():
        raise TableError(f"{label} does not exist{_siblings(file)}")
    try:
        with file.open("rb") as raw:
            is_packed = raw.read(2) == GZIP
        unpack: Any = gzip.open if is_packed else open
        return unpack(file, "rb")
    except OSError as error:
        raise TableError(
            f"{label} cannot be opened ({error.strerror}); check its permissions."
        ) from None


class _StandardInput(io.RawIOBase):
    """Standard input, which stays open when this is closed."""

    def readable(self) -> bool:
        """True: it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what is there."""
        stream: Any = sys.stdin.buffer
        found = stream.read1(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def is_parquet(path: str | os.PathLike) -> bool:
    """Tell whether a file is Parquet, by how it begins or else by its name."""
    if os.fspath(path) == STDIN:
        return False
    file = Path(path)
    if not file.is_file():
        return file.suffix == ".parquet"
    try:
        with file.open("rb") as opened:
            return opened.read(len(PARQUET)) == PARQUET
    except OSError:
        return False


def open_text(file: IO[bytes], label: str, form: Format, encoding: str | None) -> Text:
    """Recognise how a text is written, from its beginning, and check its first line."""
    head = _unpacked(file, label)
    _refuse_binary(head, label)
    encoding = form.encoding or encoding or find_encoding(head, label)
    lines = _decoded(chain(io.BytesIO(head), file), encoding, label)
    first = list(islice(lines, SAMPLE_LINES))
    if not any(line.strip() for line in first):
        raise TableError(f"{label} is empty; the first line must name the columns.")
    delimiter = form.delimiter or _find_delimiter(first)
    rows = _rows(chain(first, lines), delimiter, label)
    sample = list(islice(rows, SAMPLE_LINES // 2))
    dialect = Dialect(delimiter, form.decimal or _find_decimal(sample), encoding)
    if form.delimiter is None:
        _check_delimiter(sample, label)
    has_names = _has_names(sample, form.header, label)
    cells = sample[0][1]
    names, places, notes = _names(sample, has_names, label)
    if not has_names:
        notes = (f"{label}: its columns are called {names[0]}, ..., {names[-1]}.",)
    elif form.header is None:
        _check_units(sample, dialect.decimal, label)
    if encoding in ("cp1252", "cp932") and form.encoding is None:
        notes += (f"{label}: read as text in {encoding}, as it is not UTF-8.",)
    return Text(
        label=label,
        names=names,
        dialect=dialect,
        places=places,
        n_cells=len(cells),
        notes=notes,
        rows=chain(sample[1:] if has_names else sample, rows),
    )


# --- bytes ---------------------------------------------------------------------------


def _unpacked(file: IO[bytes], label: str) -> bytes:
    """Read the beginning of a file, whole lines of it."""
    with reading(label):
        head = file.read(SAMPLE)
        return head + file.readline() if len(head) == SAMPLE else head


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Say what is wrong with a file whose bytes cannot be read."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise TableError(
            f"{label} is compressed with gzip and damaged or cut off; get it again."
        ) from None


def _refuse_binary(head: bytes, label: str) -> None:
    """Name what the file is when it is not text."""
    for sign, (what, remedy) in NOT_TEXT.items():
        if head.startswith(sign):
            raise TableError(f"{label} is {what} and not CSV; {remedy}.")
    if head.startswith(PARQUET):
        raise TableError(f"{label} holds Parquet; save it and give the file's name.")
    if b"\0" in head:
        raise TableError(f"{label} is a binary file and not text; write it as CSV.")


def find_encoding(lines: bytes | Iterable[bytes], label: str) -> str:
    """Return the encoding of a text: UTF-8, or what it may be when it is not.

    Lines of UTF-8 among lines of something else are refused.
    """
    utf8 = other = None  # the first line that is, and that is not
    foreign: list[bytes] = []
    has_mark = False
    for number, line in enumerate(
        io.BytesIO(lines) if isinstance(lines, bytes) else lines, start=1
    ):
        if number == 1:
            has_mark = line.startswith(codecs.BOM_UTF8)
        if line.isascii():
            continue
        try:
            line.removeprefix(codecs.BOM_UTF8).decode("utf-8")
            if not line.removeprefix(codecs.BOM_UTF8).isascii():
                utf8 = utf8 or number
        except UnicodeDecodeError:
            other = other or number
            if len(foreign) < SAMPLE_LINES:
                foreign.append(line)
    if other is None:
        return "utf-8-sig" if has_mark else "utf-8"
    if utf8 is not None or has_mark:
        raise TableError(
            f"{label} mixes encodings: line {utf8 or 1} is UTF-8 and line {other} is "
            "not; write all of it as 'CSV UTF-8', or name the encoding."
        )
    encoding = _not_utf8(foreign)
    if encoding is None:
        raise TableError(
            f"{label}, line {other}: is text in none of UTF-8, cp1252 and Shift JIS; "
            "save the file as 'CSV UTF-8', or name the encoding."
        )
    return encoding


def _not_utf8(lines: list[bytes]) -> str | None:
    """Tell Shift JIS from the letters with accents of cp1252."""
    runs = [run for line in lines for run in BEYOND_ASCII.findall(line)]
    leads = sum(0x81 <= byte <= 0x9F for run in runs for byte in run)
    # kana and common kanji begin with bytes that are rare marks in cp1252; half-width
    # kana come in runs, and letters with an accent do not
    together = sum(map(len, runs)) >= 3 * len(runs)
    if (leads >= len(runs) or together) and _decodes(lines, "cp932"):
        return "cp932"
    return "cp1252" if _decodes(lines, "cp1252") else None


def _decodes(lines: list[bytes], encoding: str) -> bool:
    try:
        b"".join(lines).decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(lines: Iterable[bytes], encoding: str, label: str) -> Iterator[str]:
    """Decode line by line, so that an error knows its line."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise TableError(
            f"encoding={encoding!r} is not known; name one like 'utf-8', 'cp1252' or "
            "'shift_jis'."
        ) from None
    first = encoding
    later = "utf-8" if encoding == "utf-8-sig" else encoding
    number = 0
    try:
        for number, line in enumerate(_unbroken(lines, label), start=1):
            text = line.decode(first if number == 1 else later)
            if "\0" in text:
                raise TableError(
                    f"{label}, line {number}: holds a zero byte, which no text has; "
                    "write the file as CSV again."
                )
            yield text
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex()
        raise TableError(
            f"{label}, line {number}: holds the byte 0x{found}, which is not "
            f"{encoding}; save the file as 'CSV UTF-8', or name the encoding."
        ) from None


def _unbroken(lines: Iterable[bytes], label: str) -> Iterator[bytes]:
    """Hand lines on, and say what is wrong where they cannot be read."""
    with reading(label):
        yield from lines


# --- rows ----------------------------------------------------------------------------


def _rows(
    lines: Iterable[str], delimiter: str, label: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row; empty lines are passed over."""
    reader = csv.reader(lines, delimiter=delimiter, strict=False)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise TableError(
            f"{label}, line {reader.line_num}: cannot be read as CSV ({error}); look "
            "for a double quote that is not closed, or ends of lines of another kind."
        ) from None


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """Number of cells of each line."""
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _find_delimiter(lines: list[str]) -> str:
    """Return what parts the first line into as many cells as most lines have."""

    def fit(delimiter: str) -> tuple[float, int]:
        widths = _widths(lines, delimiter)
        if not widths or max(widths) == 1:
            return 0.0, 0
        like_first = [width == widths[0] for width in widths]
        if widths[0] == 1:  # something stands before the names
            return 0.0, Counter(widths).most_common(1)[0][0]
        return sum(like_first) / len(widths), widths[0]

    return max(DELIMITERS, key=fit)


def _check_delimiter(sample: list[tuple[int, list[str]]], label: str) -> None:
    """Refuse a table of one column, and lines before the names."""
    widths = [len(cells) for _, cells in sample]
    if widths[0] > 1:
        return
    usual = Counter(widths).most_common(1)[0][0]
    if usual > 1:
        line = sample[0][0]
        raise TableError(
            f"{label}, line {line}: has 1 cell ({_shown(sample[0][1][0])}), and most "
            f"lines have {usual}; the names of the columns must stand in the first "
            "line, so delete what is before them."
        )
    raise TableError(
        f"{label} has one column, {_shown(sample[0][1][0])}, when parted at comma, "
        "semicolon, tab or bar; write it with one of these, or name the delimiter."
    )


def _find_decimal(sample: list[tuple[int, list[str]]]) -> str:
    """Return the mark of decimals: what stands in more of the numbers."""
    certain = {".": 0, ",": 0}
    maybe = 0  # 1,234 may be grouped or have decimals
    for _, cells in sample[1:]:
        for cell in map(str.strip, cells):
            has_comma, has_point = "," in cell, "." in cell
            if not (has_comma or has_point):
                continue
            if GROUPED["."].fullmatch(cell) and not (has_comma and has_point):
                maybe += has_comma and cell.lstrip("+-")[0] != "0"
                certain[","] += has_comma and cell.lstrip("+-")[0] == "0"
            elif GROUPED["."].fullmatch(cell):
                certain["."] += 1
            elif GROUPED[","].fullmatch(cell) and has_comma:
                certain[","] += 1
            elif FRACTION.fullmatch(cell):
                certain["," if has_comma else "."] += 1
    return "," if certain[","] > certain["."] else "."


def _has_names(
    sample: list[tuple[int, list[str]]], header: bool | None, label: str
) -> bool:
    """Tell whether the first row names the columns; refuse one that holds data."""
    if header is not None:
        return header
    cells = [cell.strip() for cell in sample[0][1]]
    named = [cell for cell in cells if cell not in MISSING]
    numbers = [cell for cell in named if PLAIN.fullmatch(cell.replace(",", "."))]
    fractions = [cell for cell in numbers if FRACTION.fullmatch(cell)]
    if not named or len(numbers) == len(named) or fractions:
        shown = ", ".join(cells[:4]) + (", ..." if len(cells) > 4 else "")
        raise TableError(
            f"{label}, line {sample[0][0]}: seems to have no header: the first line "
            f"must name the columns and holds numbers ({shown}); add a line of names, "
            "or say whether the first line is a header."
        )
    return True


def _names(
    sample: list[tuple[int, list[str]]], has_names: bool, label: str
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Return the names of the columns, their places, and notes on nameless ones."""
    cells = [cell.strip() for cell in sample[0][1]]
    if not has_names:
        return (
            tuple(f"x{j}" for j in range(1, len(cells) + 1)),
            tuple(range(len(cells))),
            (),
        )
    places, notes = list(range(len(cells))), []
    for j, name in enumerate(cells):
        if name:
            continue
        rows = [row for _, row in sample[1:] if len(row) == len(cells)]
        if j == len(cells) - 1 and not any(row[j].strip() for row in rows):
            places.remove(j)
            notes.append(
                f"{label}: the lines end with a delimiter; what follows it has no name "
                "and no value, and is left out."
            )
        else:
            cells[j] = f"unnamed_{j + 1}"
            notes.append(f"{label}: column {j + 1} has no name; it is {cells[j]!r}.")
    doubled = [name for name, count in Counter(cells).items() if count > 1]
    if doubled:
        which = [j + 1 for j, name in enumerate(cells) if name == doubled[0]]
        raise TableError(
            f"{label}, line {sample[0][0]}: the name {doubled[0]!r} stands over the "
            f"columns {', '.join(map(str, which))}, and names must differ; rename "
            "them."
        )
    return tuple(cells[j] for j in places), tuple(places), tuple(notes)


def _check_units(sample: list[tuple[int, list[str]]], decimal: str, label: str) -> None:
    """Refuse a second line of units, which would make numbers into text."""
    rows = [cells for _, cells in sample[1:]]
    if len(rows) < 4 or len(rows[0]) < 2:
        return

    def is_number(cell: str) -> bool:
        plain = cell.strip().replace(decimal, ".")
        return PLAIN.fullmatch(plain) is not None

    def columns_of_numbers() -> Iterator[int]:
        for j in range(len(rows[0])):
            below = [row[j] for row in rows[1:] if j < len(row)]
            known = [cell for cell in below if cell.strip() not in MISSING]
            if known and all(map(is_number, known)):
                yield j

    places = list(columns_of_numbers())
    units = [j for j in places if not is_number(rows[0][j])]
    words = [rows[0][j].strip() for j in units if rows[0][j].strip() not in MISSING]
    if words and len(units) == len(places):
        raise TableError(
            f"{label}, line {sample[1][0]}: seems to hold units ({', '.join(words[:4])}"
            ") between the names and the numbers; delete that line."
        )


# --- words ---------------------------------------------------------------------------


def _cells(n: int) -> str:
    return "1 cell" if n == 1 else f"{n} cells"


def _shown(text: str) -> str:
    """A cell, cut to what fits into a message."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _siblings(file: Path) -> str:
    """The end of a message about a file that is not there."""
    from difflib import get_close_matches

    folder = file.parent
    if not folder.is_dir():
        return f": there is no folder {folder}; check the path."
    names = [each.name for each in islice(folder.iterdir(), 1000)]
    near = get_close_matches(file.name, names, n=1, cutoff=0.8)
    if near:
        return f"; did you mean {near[0]!r}?"
    return "; check the name and the folder."
