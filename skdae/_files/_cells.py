"""Cells as they are written, as numbers or as text.

The cells of a column are an Arrow array of strings, and a rule is a few operations on
all of them. What is not written plainly is looked at once for each different cell.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute

from skdae._files._errors import listed

# What stands for a cell without a value, in a column of any kind.
MARKERS = (
    "na n/a n.a. nan null none nil <na> -nan - -- --- ? . #n/a #na #value! #div/0! "
    "#ref! #num! #null! #name? 1.#ind -1.#ind 1.#qnan -1.#qnan 1.#snan nan(ind) "
    "1.#inf -1.#inf"
)
MISSING = frozenset(
    form
    for marker in ("", "#n/a n/a", *MARKERS.split())
    for form in (marker, marker.upper(), marker.capitalize(), marker.title())
) | {"NaN", "-NaN"}

# States that data loggers and plant historians write in place of a number; in a column
# of text each is a text. In lower case. The first are digital states of the PI System,
# the last in Japanese: not measured, lost, out of order, no connection, no data, under
# inspection, under maintenance, cannot be measured.
STATES = (
    "bad, bad input, bad output, bad data, bad quality, bad total, set to bad, sample "
    "bad, no data, nodata, no sample, no result, no lab data, no output, no alarm, "
    "i/o timeout, timeout, comm fail, comm error, calc failed, calc off, calc crash, "
    "calc overflow, calc error, equip fail, dcs failed, failed, fail, configure, pt "
    "created, point created, scan off, scan on, scan timeout, shutdown, intf shut, "
    "interface shutdown, unit down, arc off-line, arc offline, archive offline, "
    "snapfix, filtered, not connect, not connected, out of serv, out of service, "
    "offline, over range, under range, over range stat, inp outrange, out of range, "
    "overrange, underrange, overflow, underflow, +over, -over, doubtful, questionable, "
    "uncertain, invalid, invalid data, invalid float, substituted, access denied, "
    "unauthorized, data loss, trace, dig state, act below, open tc, tc open, open "
    "circuit, short circuit, sensor fail, sensor failure, sensor fault, stale, "
    "disconnected, not available, unavailable, unknown, undefined, n.d., n.m., nd, "
    "n/d, not measured, error, err, fault, missing, *, **, ***, /, //, ///, x, \u00d7, "
    "----, -----, \u6b20\u6e2c, \u6b20\u640d, \u7570\u5e38, "
    "\u901a\u4fe1\u7570\u5e38, \u30c7\u30fc\u30bf\u306a\u3057, \u70b9\u691c\u4e2d, "
    "\u4fdd\u5b88\u4e2d, \u6e2c\u5b9a\u4e0d\u80fd"
)
NOT_MEASURED = frozenset(STATES.split(", "))
MISSING_SET, NOT_MEASURED_SET = map(pyarrow.array, map(sorted, (MISSING, NOT_MEASURED)))

MAX_WHOLE = 2**53  # up to which a float holds every whole number
MINUS = "\u2212"  # the typographer's
WIDE_MARKS = "\uff0e\uff0c"  # as in Japanese texts
WIDE = str.maketrans("\uff0b\uff0d" + WIDE_MARKS, "+-.,")
SIGN = f"[+{MINUS}\uff0b\uff0d-]?"
SPACES = "'\u2019 \u00a0\u202f"  # that part groups of digits
OTHER = {".": ",", ",": "."}  # mark of decimals
PROBED = 32  # cells by which a column is known, as a cast that fails is slow
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FRACTION = re.compile(rf"{SIGN}\d*[.,]\d+([eE][+-]?\d+)?")
# what may be a number that is not written plainly: groups of digits, other digits
MAYBE = rf"^{SIGN}[\p{{Nd}}.,{WIDE_MARKS}{SPACES}]+([eE]{SIGN}\p{{Nd}}+)?$"
# a number without groups of digits, as it is cast, by the mark of decimals
CAST = {
    mark: rf"^[+-]?([0-9]+[{mark}]?[0-9]*|[{mark}][0-9]+|(?i:inf(inity)?))"
    "([eE][+-]?[0-9]+)?$"
    for mark in OTHER
}
# groups of three digits, the first of which is not 0, and perhaps decimals
GROUPED = {
    mark: re.compile(
        rf"{SIGN}[1-9]\d{{0,2}}(?:([{other}{SPACES}])\d{{3}})(?:\1\d{{3}})*"
        rf"({re.escape(mark)}\d+)?"
    )
    for mark, other in OTHER.items()
}
DOUBTFUL = re.compile(rf"{SIGN}[1-9]\d{{0,2}}[.,]\d{{3}}")  # 1,234 or 1.234
GROUP_MARKS = {mark: str.maketrans("", "", OTHER[mark] + SPACES) for mark in OTHER}
# a number with a sign of a unit or of a currency before or behind it
AFFIXED = re.compile(
    rf"(?P<before>[$\u20ac\xa3\xa5]?) ?{SIGN}\d[\d.,{SPACES}]*(?P<behind>[^\d\s]*)"
)
MIN_AFFIXED = 6  # different cells, by which it is seen
SWAPPED = bytes.maketrans(b".,", b",.")


def parse_number(cell: str, decimal: str) -> float | None:
    """Return the number that a stripped cell spells, None where it is none."""
    cell = cell.replace(MINUS, "-").translate(WIDE)
    if GROUPED[decimal].fullmatch(cell):
        cell = cell.translate(GROUP_MARKS[decimal])
    elif decimal == "," and "." in cell:
        return None
    if decimal == ",":
        cell = cell.replace(",", ".")
    return float(cell) if PLAIN.fullmatch(cell) else None


def shared_affix(words: list[str]) -> bool:
    """Return whether words are numbers with the same sign before or behind all."""
    found = [AFFIXED.fullmatch(word) for word in words]
    affixes = {each.group("before", "behind") for each in found if each}
    is_one = all(found) and len(affixes) == 1 and affixes != {("", "")}
    return is_one and len(words) >= MIN_AFFIXED


@dataclass(frozen=True)
class Markers:
    """Markers of missing values that the user names, and which of them were met."""

    texts: frozenset[str]
    numbers: tuple[tuple[str, float], ...]  # those that are numbers
    met: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Markers":
        """Return markers with the numbers that they spell."""
        texts = frozenset(text.strip() for text in texts)
        spelled = ((text, parse_number(text, mark)) for text in texts for mark in OTHER)
        return cls(texts, tuple({(t, n) for t, n in spelled if n is not None}))

    def in_numbers(self, values: np.ndarray) -> np.ndarray:
        """Return which numbers are markers, (n,)."""
        is_marker = np.zeros(len(values), dtype=bool)
        for text, number in self.numbers:
            is_it = _equals(values, number)
            if is_it.any():
                self.met.add(text)
                is_marker |= is_it
        return is_marker

    def in_texts(self, texts: Any) -> Any:
        """Return which texts are markers, both as Arrow arrays."""
        markers = pyarrow.array(sorted(self.texts), texts.type)
        is_marker = compute.is_in(texts, value_set=markers)
        self.met.update(compute.unique(texts.filter(is_marker)).to_pylist())
        return is_marker

    def unused(
        self, label: str, asked: frozenset[str] | None = None
    ) -> tuple[str, ...]:
        """Return the note on markers, or those asked for, that have not been met."""
        asked = self.texts if asked is None else asked
        unused = sorted({text.strip() for text in asked} - self.met)
        if not unused:
            return ()
        return (f"{label}: --missing {listed(unused)} does not occur in what is read.",)


def _equals(values: np.ndarray, marker: float) -> np.ndarray:
    """Return which numbers are a marker, as it is or rounded to single precision.

    A whole marker is met exactly; a fraction may have gone through float32, and so may
    a number so large that not even a float64 holds every whole one.
    """
    if values.dtype == np.float32 or marker % 1 or abs(marker) >= MAX_WHOLE:
        with np.errstate(over="ignore"):
            return values.astype(np.float32) == np.float32(marker)
    return values == marker


@dataclass(frozen=True)
class Cells:
    """The cells of a column of text, and what they spell."""

    array: Any  # Arrow strings, as they are written
    decimal: str
    markers: Markers

    @cached_property
    def _integers(self) -> np.ndarray | None:
        """The cells as whole numbers where all are written plainly so, else None."""
        first = self.array[:1].to_pylist() or [None]
        is_whole = first[0] is not None and first[0].lstrip("-").isdecimal()
        if not is_whole or not self._is_of_digits:
            return None  # where 0x1F is 31
        return _cast(self.array, pyarrow.int64())

    @cached_property
    def _is_of_digits(self) -> bool:
        """Whether no cell has what comes after digits, such as letters.

        It is seen at once in the bytes, and saves looking for what is missing.
        """
        letters = np.frombuffer(self.array.buffers()[2] or b"", np.uint8)
        return bool(letters.max(initial=0) <= ord("9"))

    @cached_property
    def _plain(self) -> np.ndarray | None:
        """The numbers where every cell spells one plainly or is missing, else None."""
        if self._integers is not None:
            return self._integers.astype(np.float64)
        cells = self.array
        if not self._is_of_digits:
            is_missing = compute.is_in(cells, MISSING_SET)
            if compute.any(is_missing).as_py():
                cells = _null_where(cells, is_missing)
        return _cast(_with_points(cells, self.decimal), pyarrow.float64())

    @cached_property
    def _texts(self) -> Any:
        """The cells without white space around them, null where one is missing."""
        texts = compute.utf8_trim_whitespace(self.array)
        texts = _null_where(texts, compute.is_in(texts, MISSING_SET))
        if not self.markers.texts:
            return texts
        return _null_where(texts, self.markers.in_texts(texts))

    @cached_property
    def _is_cast(self) -> Any:
        return compute.match_substring_regex(self._texts, CAST[self.decimal])

    @cached_property
    def _unusual(self) -> list[str]:
        """The different cells that may be numbers and are not written plainly."""
        if self._plain is not None:
            return []
        is_maybe = compute.match_substring_regex(self._texts, MAYBE)
        is_maybe = compute.and_not(is_maybe, self._is_cast)
        return compute.unique(self._texts.filter(is_maybe)).to_pylist()

    @cached_property
    def _numbers(self) -> np.ndarray:
        """The numbers that cells spell, NaN where one spells none."""
        if self._plain is not None:
            return self._plain
        texts = self._texts
        plain = _null_where(texts, compute.invert(self._is_cast))
        plain = _with_points(plain, self.decimal).cast(pyarrow.float64())
        values = plain.to_numpy(zero_copy_only=False)
        if not self._unusual:
            return values
        different = pyarrow.array(self._unusual, texts.type)
        spelled = [parse_number(each, self.decimal) for each in self._unusual]
        place = compute.fill_null(compute.index_in(texts, value_set=different), -1)
        found = np.array([*spelled, None], dtype=np.float64)[place.to_numpy()]
        return np.where(np.isnan(found), values, found)

    @cached_property
    def values(self) -> np.ndarray:
        """The numbers, NaN where a cell spells none or is missing, (n,)."""
        numbers = self._numbers
        is_marker = self.markers.in_numbers(numbers)
        return np.where(is_marker, np.nan, numbers) if is_marker.any() else numbers

    @cached_property
    def is_known(self) -> np.ndarray:
        """Which cells are not missing, (n,)."""
        if self._plain is not None:
            return ~np.isnan(self.values)
        is_marker = np.isnan(self.values) & ~np.isnan(self._numbers)
        return _mask(self._texts.is_valid()) & ~is_marker

    @cached_property
    def _is_no_number(self) -> np.ndarray:
        if self._plain is not None:
            return np.zeros(len(self.array), dtype=bool)
        return self.is_known & np.isnan(self.values)

    @cached_property
    def is_word(self) -> np.ndarray:
        """Which cells are what data loggers write in place of a number, (n,)."""
        is_no_number = self._is_no_number
        if not is_no_number.any():
            return is_no_number
        lower = compute.utf8_lower(self._texts)
        return _mask(compute.is_in(lower, NOT_MEASURED_SET)) & is_no_number

    @cached_property
    def is_text(self) -> np.ndarray:
        """Which cells are neither missing nor a number nor such a word, (n,)."""
        return self._is_no_number & ~self.is_word

    @property
    def doubtful_group(self) -> str | None:
        """The first cell whose only mark may part a group or be one of decimals.

        In a column with decimals and with no group that is certain.
        """
        groups = [e for e in self._unusual if GROUPED[self.decimal].fullmatch(e)]
        if not groups or not all(map(DOUBTFUL.fullmatch, groups)):
            return None
        plain = self._texts.filter(self._is_cast)
        has_decimals = compute.any(compute.match_substring(plain, self.decimal))
        return groups[0] if has_decimals.as_py() else None

    def different(self, chosen: np.ndarray, most: int | None = None) -> list[str]:
        """Return the different texts of some cells, in their order."""
        texts = self._texts.filter(pyarrow.array(chosen))
        return compute.unique(texts)[:most].to_pylist()

    def texts(self) -> np.ndarray:
        """Return the cells as objects, stripped, NaN where missing, (n,)."""
        texts = self._texts.to_numpy(zero_copy_only=False).copy()
        texts[~self.is_known] = np.nan
        return texts

    def whole_numbers(self) -> np.ndarray | None:
        """Return the cells as int64, exactly; None where one is anything else."""
        some = self.values[:PROBED]
        if (some != np.rint(some)).any() or np.isnan(self.values).any():
            return None
        if self._integers is not None:
            return self._integers
        # white space or a sign; else decimals or groups, or too large
        return _cast(compute.utf8_trim(self.array, " \u00a0+"), pyarrow.int64())


def _cast(cells: Any, kind: Any) -> np.ndarray | None:
    """Return texts as numbers, NaN where null, or None where one is not a number."""
    some = compute.drop_null(cells[: 2 * PROBED])
    try:
        some[:PROBED].cast(kind)
        return cells.cast(kind).to_numpy(zero_copy_only=False)
    except pyarrow.ArrowInvalid:
        return None


def _with_points(cells: Any, decimal: str) -> Any:
    """Return texts with decimal points; what had a point has a comma, and no number."""
    valid, offsets, data = cells.buffers()
    if decimal == "." or data is None:
        return cells
    buffers = [valid, offsets, pyarrow.py_buffer(data.to_pybytes().translate(SWAPPED))]
    return pyarrow.Array.from_buffers(
        cells.type, len(cells), buffers, offset=cells.offset
    )


def _null_where(cells: Any, is_null: Any) -> Any:
    return compute.if_else(is_null, pyarrow.scalar(None, cells.type), cells)


def _mask(array: Any) -> np.ndarray:
    """Return truth values as numpy has them, False where there is none."""
    return compute.fill_null(array, False).to_numpy(zero_copy_only=False)
