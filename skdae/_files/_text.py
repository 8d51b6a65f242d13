"""Text as rows of cells: delimiter, decimals and lines of unequal length."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO

from skdae._files._bytes import decoded, find_encoding, read_head, refuse_binary
from skdae._files._errors import TableError, shown
from skdae._files._header import Rows, check_units, find_names, has_names
from skdae._files._numbers import FRACTION, GROUPED

SAMPLE_LINES = 2_000
DELIMITERS = ",;\t|"
LIKELY = " :#^~&"  # what a user may have to name
NAMES_OF_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SPREADSHEET_MARK = re.compile(r"sep=(.)[\r\n]*")


@dataclass(frozen=True)
class Format:
    """How a CSV file is written; None is found out."""

    delimiter: str | None = None
    decimal: str | None = None  # '.' or ','
    encoding: str | None = None
    header: bool | None = None  # whether the first line names the columns
    missing: frozenset[str] = frozenset()  # further markers of missing values

    @property
    def named_encoding(self) -> str | None:
        """The encoding of the bytes that are read; UTF-16 is told by its mark."""
        is_utf16 = re.fullmatch("utf[-_]?16", self.encoding or "", re.IGNORECASE)
        return None if is_utf16 else self.encoding


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
    first_line: int  # where the table begins
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
            f"{self.label}, line {line}: has {_counted(len(cells))} and must have "
            f"{self.n_cells}, as line {self.first_line} has. The cells are parted by "
            f"{mark}; a text that holds one must stand in double quotes."
        )


def open_text(file: IO[bytes], label: str, form: Format, encoding: str | None) -> Text:
    """Recognise how a text is written, from its beginning, and check its first line."""
    head = read_head(file, label)
    refuse_binary(head, label)
    encoding = form.named_encoding or encoding or find_encoding(head, label)
    lines = decoded(chain(io.BytesIO(head), file), encoding, label)
    first = list(islice(lines, SAMPLE_LINES))
    named = SPREADSHEET_MARK.fullmatch(first[0]) if first else None
    first = first[1:] if named else first  # which said how the rest is parted
    if not any(line.strip() for line in first):
        raise TableError(f"{label} is empty; the first line must name the columns.")
    delimiter = form.delimiter or (named and named[1]) or _find_delimiter(first)
    rows = _rows(chain(first, lines), delimiter, label, n_before=1 if named else 0)
    sample = list(islice(rows, SAMPLE_LINES))
    found, said = _find_decimal(sample, delimiter)
    dialect = Dialect(delimiter, form.decimal or found, encoding)
    _check_delimiter(sample, first, delimiter, form.delimiter is not None, label)
    named_by_first = has_names(sample, form.header, label)
    cells = sample[0][1]
    names, places, notes = find_names(sample, named_by_first, label)
    if not named_by_first:
        notes = (f"{label}: its columns are called {names[0]}, ..., {names[-1]}.",)
    elif form.header is None:
        check_units(sample, dialect.decimal, label)
    if said and form.decimal is None:
        notes += (f"{label}: {said}",)
    if encoding in ("cp1252", "cp932") and form.named_encoding is None:
        notes += (f"{label}: read as text in {encoding}, as it is not UTF-8.",)
    return Text(
        label=label,
        names=names,
        dialect=dialect,
        places=places,
        n_cells=len(cells),
        first_line=sample[0][0],
        notes=notes,
        rows=chain(sample[1:] if named_by_first else sample, rows),
    )


# --- rows ----------------------------------------------------------------------------


def _rows(
    lines: Iterable[str], delimiter: str, label: str, n_before: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row; empty lines are passed over."""
    reader = csv.reader(lines, delimiter=delimiter, strict=False)
    try:
        for cells in reader:
            if cells:
                yield n_before + reader.line_num, cells
    except csv.Error as error:
        raise TableError(
            f"{label}, line {n_before + reader.line_num}: cannot be read as CSV "
            f"({error}); look for a double quote that is not closed."
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


def _check_delimiter(
    sample: Rows, lines: list[str], delimiter: str, is_named: bool, label: str
) -> None:
    """Refuse lines before the names, and a table of one column.

    Where the delimiter is named, one column is refused only if another makes more.
    """
    widths = [len(cells) for _, cells in sample]
    if widths[0] > 1:
        return
    usual = Counter(widths).most_common(1)[0][0]
    if usual > 1 and not is_named:
        line = sample[0][0]
        raise TableError(
            f"{label}, line {line}: has 1 cell ({shown(sample[0][1][0])}), and most "
            f"lines have {usual}; the names of the columns must stand in the first "
            "line, so delete what is before them."
        )
    marks = DELIMITERS if is_named else LIKELY
    likely = [mark for mark in marks if _parts_alike(lines, mark)]
    if usual > 1 or (is_named and not likely):
        return
    tried = "comma, semicolon, tab or bar"
    if is_named:
        tried = NAMES_OF_DELIMITERS.get(delimiter, repr(delimiter))
    remedy = "write it with one of these, or name the delimiter by --delimiter"
    if likely:
        name = NAMES_OF_DELIMITERS.get(likely[0], f"'{likely[0]}'")
        remedy = f"it is likely parted by another: --delimiter {name}"
    raise TableError(
        f"{label} has one column, {shown(sample[0][1][0])}, when parted at {tried}; "
        f"{remedy}."
    )


def _parts_alike(lines: list[str], delimiter: str) -> bool:
    """Tell whether all lines have the same number of cells, more than one."""
    widths = set(_widths(lines, delimiter))
    return len(widths) == 1 and widths != {1}


def _find_decimal(sample: Rows, delimiter: str) -> tuple[str, str | None]:
    """Return the mark of decimals, and a note where it is a guess.

    The mark is what stands in more of the numbers. Where there are none but like
    1,234, it is a comma beside semicolons, and parts groups of digits otherwise.
    """
    certain = {".": 0, ",": 0}
    guess = None
    for _, cells in sample[1:]:
        for cell in map(str.strip, cells):
            has_comma, has_point = "," in cell, "." in cell
            if not (has_comma or has_point):
                continue
            if has_comma and not has_point and GROUPED["."].fullmatch(cell):
                if cell.lstrip("+-").startswith("0,"):
                    certain[","] += 1
                elif cell.count(",") > 1:
                    certain["."] += 1
                else:
                    guess = guess or cell
            elif GROUPED["."].fullmatch(cell):
                certain["."] += 1
            elif has_comma and GROUPED[","].fullmatch(cell):
                certain[","] += 1
            elif FRACTION.fullmatch(cell):
                certain["," if has_comma else "."] += 1
    if guess is None or certain["."] != certain[","]:
        return "," if certain[","] > certain["."] else ".", None
    mark = "," if delimiter == ";" else "."
    meant = guess.replace(",", "." if mark == "," else "")
    return mark, f"{guess} is read as {meant}; name the mark by --decimal if it is not."


def _counted(n: int) -> str:
    return "1 cell" if n == 1 else f"{n} cells"
