"""How a CSV file is written: its delimiter and its decimal marks."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from skdae._files._cells import (
    DOUBTFUL,
    FRACTION,
    GROUPED,
    OTHER,
    Markers,
    parse_number,
)
from skdae._files._errors import TableError, listed, shown

DELIMITERS = ",;\t|"
LIKELY = " :#^~&"  # what a user may have to name
NAMES_OF_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
NAMES_OF_MARKS = {".": "points", ",": "commas"}


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


@dataclass(frozen=True)
class Delimiter:
    """What parts the first lines of a table into cells."""

    lines: list[str]
    given: str | None  # by the user or by the file

    @cached_property
    def mark(self) -> str:
        """What is given, or parts the first line into as many cells as most lines."""

        def fit(delimiter: str) -> tuple[float, int]:
            widths = self._widths[delimiter]
            if not widths or max(widths) == 1:
                return 0.0, 0
            if widths[0] == 1:  # something stands before the names
                return 0.0, Counter(widths).most_common(1)[0][0]
            return widths.count(widths[0]) / len(widths), widths[0]

        return self.given or max(DELIMITERS, key=fit)

    @cached_property
    def _widths(self) -> dict[str, list[int]]:
        return {mark: _widths(self.lines, mark) for mark in DELIMITERS}

    def notes(self) -> Iterator[str]:
        """Yield a note where another delimiter parts all lines alike."""
        others = [m for m in DELIMITERS if m != self.mark and _alike(self._widths[m])]
        if others and self.given is None:
            this, that = (NAMES_OF_DELIMITERS[m] for m in (self.mark, others[0]))
            yield (
                f"is read as separated by {this}, and {that} separates it too; name "
                "one by --delimiter."
            )

    def check(self, first: str, line: int, is_named: bool, label: str) -> None:
        """Refuse lines before the names, and a table of one column.

        `first` is the first cell. Where the user names the delimiter, one column is
        refused only if another makes more.
        """
        widths = self._widths.get(self.mark) or _widths(self.lines, self.mark)
        usual = Counter(widths).most_common(1)[0][0]
        if widths[0] > 1 or (usual > 1 and is_named):
            return
        if usual > 1:
            raise TableError(
                f"{label}, line {line}: has 1 cell ({shown(first)}), and most lines "
                f"have {usual}; the names of the columns must stand in the first line, "
                "so delete what is before them."
            )
        marks = DELIMITERS if is_named else LIKELY
        likely = [mark for mark in marks if _alike(_widths(self.lines, mark))]
        if is_named and not likely:
            return
        tried = "comma, semicolon, tab or bar"
        if is_named:
            tried = NAMES_OF_DELIMITERS.get(self.mark, repr(self.mark))
        remedy = "write it with one of these, or name the delimiter by --delimiter"
        if likely:
            name = NAMES_OF_DELIMITERS.get(likely[0], f"'{likely[0]}'")
            remedy = f"it is likely separated by another: --delimiter {name}"
        raise TableError(
            f"{label} has one column, {shown(first)}, when separated by {tried}; "
            f"{remedy}."
        )


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """Number of cells of each line."""
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _alike(widths: list[int]) -> bool:
    """Return whether all lines have the same number of cells, more than one."""
    return len(set(widths)) == 1 and widths[0] > 1


# --- decimal marks -------------------------------------------------------------------


@dataclass(frozen=True)
class Decimals:
    """The decimal mark of a table, those of its columns, and notes on them."""

    mark: str
    of_columns: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, names: Sequence[str], columns: Iterable[Iterable[str]], delimiter: str
    ) -> "Decimals":
        """Return what the cells with a comma or a point show.

        The mark is what stands in more of the numbers. Where there are none but like
        1,234, it is a comma beside semicolons, and parts groups of digits otherwise. A
        column in which one is certain has its own.
        """
        shown_by = [{cell: _shows(cell) for cell in cells} for cells in columns]
        votes = [Counter(shows.values()) for shows in shown_by]
        point = sum(each["."] + each["?."] for each in votes)
        comma = sum(each[","] for each in votes)
        doubtful = [
            c for shows in shown_by for c, show in shows.items() if show == "?,"
        ]
        mark, notes = "," if comma > point else ".", []
        if doubtful and point == comma:
            mark = "," if delimiter == ";" else "."
            meant = doubtful[0].replace(",", "." if mark == "," else "")
            notes.append(
                f"{doubtful[0]} is read as {meant}; name the mark by --decimal if it "
                "is not."
            )
        marks = tuple(
            mark if each["."] == each[","] else max(OTHER, key=each.__getitem__)
            for each in votes
        )
        deviating = [name for name, m in zip(names, marks, strict=True) if m != mark]
        if deviating:
            notes.append(
                f"the columns {listed(deviating)} have decimal "
                f"{NAMES_OF_MARKS[OTHER[mark]]} and the others {NAMES_OF_MARKS[mark]}; "
                "each is read as it is written."
            )
        if delimiter == ";" or comma:
            notes += _of_doubtful(names, shown_by, marks)
        return cls(mark, marks, tuple(notes))


def _of_doubtful(
    names: Sequence[str], shown_by: Sequence[dict[str, str]], marks: Sequence[str]
) -> Iterator[str]:
    """Yield a note on the first column of nothing but such as 1.234, and how read.

    Where commas may be the mark of decimals, points may part groups of digits.
    """
    for name, shows, mark in zip(names, shown_by, marks, strict=True):
        cells = [cell for cell, show in shows.items() if show == "?."]
        if cells and not {".", ",", "?,"} & set(shows.values()):
            meant = f"{parse_number(cells[0], mark):g}"
            yield (
                f"{cells[0]} in the column {shown(name)} is read as {meant}; name the "
                "mark by --decimal if it is not."
            )
            return


def _shows(cell: str) -> str:
    """Return the mark that a cell shows, after ``?`` where it may part a group."""
    if DOUBTFUL.fullmatch(cell):
        return "?," if "," in cell else "?."
    for mark, grouped in GROUPED.items():
        if grouped.fullmatch(cell) or (mark in cell and FRACTION.fullmatch(cell)):
            return mark
    return ""
