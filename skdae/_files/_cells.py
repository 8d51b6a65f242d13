"""Cells as they are written, as numbers or as text.

The cells of a column are an Arrow array of strings, and a rule is a few operations on
all of them. What is not written plainly is looked at once for each different cell.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute

# What stands for a cell without a value, in a column of any kind.
MISSING = frozenset(
    form
    for marker in (
        *("", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "<na>", "-nan"),
        *("-", "--", "---", "?", ".", "#n/a", "#na", "#n/a n/a", "#value!"),
        *("#div/0!", "#ref!", "#num!", "#null!", "#name?"),
    )
    for form in (marker, marker.upper(), marker.capitalize(), marker.title())
) | {"NaN", "-NaN"}

# What data loggers write in place of a number; in a column of text it is a text.
NOT_MEASURED = frozenset(
    (
        *("bad", "bad input", "no data", "i/o timeout", "calc failed", "comm fail"),
        *("configure", "pt created", "scan off", "scan timeout", "shutdown"),
        *("not connected", "out of serv", "over range", "under range", "error", "err"),
        *("missing", "*", "**", "***", "/", "//", "///", "x", "\u00d7"),
        *("\u6b20\u6e2c", "\u6b20\u640d"),  # "not measured", "lost" in Japanese
    )
)

MINUS = "\u2212"  # the typographer's
INFINITE = frozenset(("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"))
MAX_WHOLE = 2**53  # up to which a float holds every whole number
PROBED = 64  # cells by which a column of text is known
WHOLE = r"^-?\p{Nd}+$"
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FRACTION = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?")
# what may be a number that is not written plainly: groups of digits, other digits
MAYBE = f"^[+{MINUS}-]?[\\p{{Nd}}.,'\u2019 \u00a0\u202f]+([eE][+{MINUS}-]?\\p{{Nd}}+)?$"
# by the mark of decimals: groups of three digits, the first of which is not 0, and
# perhaps decimals
GROUPED = {
    mark: re.compile(
        rf"[+{MINUS}-]?[1-9]\d{{0,2}}(?:([{other}'\u2019 \u00a0\u202f])\d{{3}})"
        rf"(?:\1\d{{3}})*({re.escape(mark)}\d+)?"
    )
    for mark, other in ((".", ","), (",", "."))
}
GROUP_MARKS = {
    mark: str.maketrans("", "", other + "'\u2019 \u00a0\u202f")
    for mark, other in ((".", ","), (",", "."))
}


def parse_number(cell: str, decimal: str) -> float | None:
    """Return the number that a stripped cell spells, None where it is none."""
    cell = cell.replace(MINUS, "-")
    if GROUPED[decimal].fullmatch(cell):
        cell = cell.translate(GROUP_MARKS[decimal])
    elif decimal == "," and "." in cell:
        return None
    if decimal == ",":
        cell = cell.replace(",", ".")
    return float(cell) if PLAIN.fullmatch(cell) else None


@dataclass(frozen=True)
class Markers:
    """Markers of missing values that the user names."""

    texts: frozenset[str] = frozenset()
    numbers: tuple[float, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Markers":
        """Return markers by what they mean: those that are numbers, and the rest."""
        texts = frozenset(text.strip() for text in texts)
        numbers = [parse_number(text, mark) for text in texts for mark in ".,"]
        return cls(texts, tuple({n for n in numbers if n is not None}))

    def marks(self, values: np.ndarray) -> np.ndarray:
        """Tell which numbers are markers, as they are or rounded to single precision.

        A whole marker is met exactly; a fraction may have gone through float32.
        """
        is_marker = np.zeros(len(values), dtype=bool)
        for number in self.numbers:
            is_marker |= values == number
            if number % 1 or values.dtype == np.float32:
                with np.errstate(over="ignore"):
                    is_marker |= values.astype(np.float32) == np.float32(number)
        return is_marker


@dataclass(frozen=True)
class Cells:
    """The cells of a column of text, and what they spell."""

    array: Any  # Arrow strings, as they are written
    decimal: str
    markers: Markers

    @cached_property
    def _plain(self) -> np.ndarray | None:
        """The numbers where every cell spells one plainly or is empty, else None."""
        for part in (self.array[:PROBED], self.array):  # a cast that fails is slow
            values = _as_float(part, self.decimal)
            if values is None:
                is_empty = compute.equal(part, "")
                values = _as_float(_null_where(part, is_empty), self.decimal)
            if values is None:
                return None
        return values

    @cached_property
    def _texts(self) -> Any:
        """The cells without white space around them, null where one is missing."""
        array = compute.utf8_trim_whitespace(self.array)
        missing = pyarrow.array([*MISSING, *self.markers.texts], self.array.type)
        return _null_where(array, compute.is_in(array, value_set=missing))

    @cached_property
    def _spelled(self) -> np.ndarray:
        """The numbers that cells spell, markers among them, NaN where one spells none.

        Cells that are written plainly are cast all at once, the rest are looked at once
        for each that is different.
        """
        if self._plain is not None:
            return self._plain
        texts, mark = self._texts, re.escape(self.decimal)
        plain = rf"^[+-]?([0-9]+{mark}?[0-9]*|{mark}[0-9]+)([eE][+-]?[0-9]+)?$"
        is_plain = _matches(texts, plain)
        numbers = _null_where(texts, compute.invert(is_plain))
        numbers = compute.replace_substring(numbers, self.decimal, ".")
        values = np.array(numbers.cast(pyarrow.float64()).to_numpy())
        rest = _null_where(texts, is_plain)
        rest = _null_where(rest, compute.invert(_matches(rest, MAYBE)))
        different = compute.unique(rest.drop_null())
        if len(different):
            spelled = [
                parse_number(each, self.decimal) for each in different.to_pylist()
            ]
            place = compute.fill_null(compute.index_in(rest, value_set=different), -1)
            found = np.array([*spelled, None], dtype=np.float64)[place.to_numpy()]
            values = np.where(np.isnan(found), values, found)
        infinite = pyarrow.array(sorted(INFINITE), self.array.type)
        is_infinite = compute.is_in(compute.utf8_lower(texts), value_set=infinite)
        return np.where(_mask(is_infinite), np.inf, values)

    @cached_property
    def _is_marked(self) -> np.ndarray:
        """Which cells are numbers that the user calls missing, (n,)."""
        return self.markers.marks(self._spelled)

    @cached_property
    def values(self) -> np.ndarray:
        """The numbers, NaN where a cell spells none or is missing, (n,)."""
        if not self.markers.numbers:
            return self._spelled
        return np.where(self._is_marked, np.nan, self._spelled)

    @cached_property
    def is_known(self) -> np.ndarray:
        """Which cells are not missing, (n,)."""
        if self._plain is not None:
            return ~np.isnan(self.values)
        return _mask(self._texts.is_valid()) & ~self._is_marked

    @cached_property
    def _is_not_number(self) -> np.ndarray:
        return self.is_known & np.isnan(self.values)

    @cached_property
    def is_word(self) -> np.ndarray:
        """Which cells are what data loggers write in place of a number, (n,)."""
        if not self._is_not_number.any():
            return self._is_not_number
        words = pyarrow.array(sorted(NOT_MEASURED), self.array.type)
        lower = compute.utf8_lower(self._texts)
        return _mask(compute.is_in(lower, value_set=words)) & self._is_not_number

    @cached_property
    def is_text(self) -> np.ndarray:
        """Which cells are neither missing nor a number nor such a word, (n,)."""
        return self._is_not_number & ~self.is_word

    def different(self, chosen: np.ndarray) -> list[str]:
        """Return the different texts of some cells, in their order."""
        picked = compute.filter(self._texts, pyarrow.array(chosen))
        return compute.unique(picked).to_pylist()

    def texts(self) -> np.ndarray:
        """Return the cells as objects, stripped, NaN where missing, (n,)."""
        texts = self._texts.to_numpy().copy()
        texts[~self.is_known] = np.nan
        return texts

    def whole_numbers(self) -> np.ndarray | None:
        """Return the cells as int64, exactly; None where one is anything else."""
        if np.isnan(self.values).any():
            return None
        try:
            return self.array.cast(pyarrow.int64()).to_numpy()
        except pyarrow.ArrowInvalid:  # a sign, white space, other digits
            texts = compute.utf8_ltrim(self._texts, "+")
            is_whole = compute.all(_matches(texts, WHOLE)).as_py()
            return _exact(texts.to_pylist()) if is_whole else None


def _exact(texts: list[str]) -> np.ndarray | None:
    """Return whole numbers as int64, None where one is too large."""
    try:
        return np.array(list(map(int, texts)), dtype=np.int64)
    except OverflowError:
        return None


def _as_float(array: Any, decimal: str) -> np.ndarray | None:
    """Return texts as numbers, NaN where null, or None where one is not a number."""
    try:
        chunks = [_with_points(each) for each in array.chunks] if decimal == "," else ()
        points = pyarrow.chunked_array(chunks, array.type) if chunks else array
        return points.cast(pyarrow.float64()).to_numpy()
    except pyarrow.ArrowInvalid:
        return None


def _with_points(array: Any) -> Any:
    """Return texts with points for commas; one that has a point is not a number."""
    valid, offsets, data = array.buffers()
    if not data:
        return array
    letters = np.frombuffer(data, dtype=np.uint8)
    if (letters == ord(".")).any():
        raise pyarrow.ArrowInvalid("a point beside decimal commas")
    points = np.where(letters == ord(","), np.uint8(ord(".")), letters)
    buffers = [valid, offsets, pyarrow.py_buffer(points)]
    return pyarrow.Array.from_buffers(
        array.type, len(array), buffers, array.null_count, array.offset
    )


def _null_where(array: Any, is_null: Any) -> Any:
    return compute.if_else(is_null, pyarrow.scalar(None, array.type), array)


def _matches(array: Any, pattern: str) -> Any:
    return compute.match_substring_regex(array, pattern)


def _mask(array: Any) -> np.ndarray:
    """Return truth values as numpy has them, False where there is none."""
    return compute.fill_null(array, False).to_numpy().astype(bool)
