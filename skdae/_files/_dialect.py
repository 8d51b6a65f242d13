"""How a CSV file is written: its delimiter and its decimal marks."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from skdae._files._cells import FRACTION, GROUPED, Markers
from skdae._files._errors import TableError, shown

DELIMITERS = ",;\t|"
LIKELY = " :#^~&"  # what a user may have to name
NAMES_OF_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
Rows = list[tuple[int, list[str]]]  # first line and cells of each


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
        """The encoding of the bytes that are read; UTF-16 is known by its mark."""
        is_utf16 = re.fullmatch("utf[-_]?16", self.encoding or "", re.IGNORECASE)
        return None if is_utf16 else self.encoding

    @property
    def markers(self) -> Markers:
        """The further markers of missing values, as text and as numbers."""
        return Markers.of(self.missing)


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"


# --- delimiter -----------------------------------------------------------------------


def find_delimiter(lines: list[str]) -> str:
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


def ambiguous_delimiter(lines: list[str], delimiter: str) -> str | None:
    """Return another delimiter that parts all lines alike, None where there is none."""
    others = (mark for mark in DELIMITERS if mark != delimiter)
    return next((mark for mark in others if _parts_alike(lines, mark)), None)


def check_delimiter(
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
        remedy = f"it is likely separated by another: --delimiter {name}"
    raise TableError(
        f"{label} has one column, {shown(sample[0][1][0])}, when separated by {tried}; "
        f"{remedy}."
    )


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """Number of cells of each line."""
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _parts_alike(lines: list[str], delimiter: str) -> bool:
    """Return whether all lines have the same number of cells, more than one."""
    widths = set(_widths(lines, delimiter))
    return len(widths) == 1 and widths != {1}


# --- decimal marks -------------------------------------------------------------------


@dataclass(frozen=True)
class Votes:
    """What the cells of a column say of the mark of decimals."""

    point: int = 0
    comma: int = 0
    point_or_group: int = 0  # such as 1.234
    guess: str | None = None  # the first cell such as 1,234

    @classmethod
    def of(cls, cells: Iterable[str]) -> "Votes":
        """Count the cells by what they show."""
        found: Counter[str] = Counter()
        guess = None
        for cell in cells:
            kind = _shows(cell)
            found[kind] += 1
            guess = guess or (cell if kind == "?," else None)
        return cls(found["."], found[","], found["?."], guess)

    @property
    def mark(self) -> str | None:
        """The mark that is certain in the column, None where there is none."""
        if self.point == self.comma:
            return None
        return "." if self.point > self.comma else ","


def _shows(cell: str) -> str:
    """Return the mark that a cell shows, after ``?`` where it may part a group."""
    has_comma, has_point = "," in cell, "." in cell
    if has_comma and not has_point and GROUPED["."].fullmatch(cell):
        return "." if cell.count(",") > 1 else "?,"
    if has_point and not has_comma and GROUPED[","].fullmatch(cell):
        return "," if cell.count(".") > 1 else "?."
    if GROUPED["."].fullmatch(cell):
        return "."
    if has_comma and GROUPED[","].fullmatch(cell):
        return ","
    if FRACTION.fullmatch(cell):
        return "," if has_comma else "."
    return ""


def find_decimal(votes: Iterable[Votes], delimiter: str) -> tuple[str, str | None]:
    """Return the mark of decimals of a file, and a note where it is a guess.

    The mark is what stands in more of the numbers. Where there are none but like
    1,234, it is a comma beside semicolons, and parts groups of digits otherwise.
    """
    every = list(votes)
    point = sum(each.point + each.point_or_group for each in every)
    comma = sum(each.comma for each in every)
    guess = next((each.guess for each in every if each.guess is not None), None)
    if guess is None or point != comma:
        return "," if comma > point else ".", None
    mark = "," if delimiter == ";" else "."
    meant = guess.replace(",", "." if mark == "," else "")
    return mark, f"{guess} is read as {meant}; name the mark by --decimal if it is not."
