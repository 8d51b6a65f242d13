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
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "1.#snan", "nan(ind)"),
    )
    for form in (marker, marker.upper(), marker.capitalize(), marker.title())
) | {"NaN", "-NaN"}

# States that data loggers and plant historians write in place of a number; in a column
# of text each is a text. In lower case.
NOT_MEASURED = frozenset(
    (
        # digital states of the PI System, and of other historians
        *("bad", "bad input", "bad output", "bad data", "bad quality", "bad total"),
        *("set to bad", "sample bad", "no data", "nodata", "no sample", "no result"),
        *("no lab data", "no output", "no alarm", "i/o timeout", "timeout"),
        *("comm fail", "comm error", "calc failed", "calc off", "calc crash"),
        *("calc overflow", "calc error", "equip fail", "dcs failed", "failed", "fail"),
        *("configure", "pt created", "point created", "scan off", "scan on"),
        *("scan timeout", "shutdown", "intf shut", "interface shutdown", "unit down"),
        *("arc off-line", "arc offline", "archive offline", "snapfix", "filtered"),
        *("not connect", "not connected", "out of serv", "out of service", "offline"),
        *(
            "over range",
            "under range",
            "over range stat",
            "inp outrange",
            "out of range",
        ),
        *("overrange", "underrange", "overflow", "underflow", "+over", "-over"),
        *("doubtful", "questionable", "uncertain", "invalid", "invalid data"),
        *("invalid float", "substituted", "access denied", "unauthorized", "data loss"),
        *("trace", "dig state", "act below", "open tc", "tc open", "open circuit"),
        *("short circuit", "sensor fail", "sensor failure", "sensor fault", "stale"),
        *("disconnected", "not available", "unavailable", "unknown", "undefined"),
        *("n.d.", "n.m.", "nd", "n/d", "not measured", "error", "err", "fault"),
        *(
            "missing",
            "*",
            "**",
            "***",
            "/",
            "//",
            "///",
            "x",
            "\u00d7",
            "----",
            "-----",
        ),
        # in Japanese: not measured, lost, out of order, no data, under maintenance
        *("\u6b20\u6e2c", "\u6b20\u640d", "\u7570\u5e38", "\u901a\u4fe1\u7570\u5e38"),
        *(
            "\u30c7\u30fc\u30bf\u306a\u3057",
            "\u70b9\u691c\u4e2d",
            "\u4fdd\u5b88\u4e2d",
            "\u6e2c\u5b9a\u4e0d\u80fd",
        ),
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
DOUBTFUL = re.compile(rf"[+{MINUS}-]?\d{{1,3}}[.,]\d{{3}}")  # 1,234 or 1.234
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
    numbers: tuple[tuple[str, float], ...] = ()  # those that are numbers

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Markers":
        """Return markers with the numbers that they spell."""
        texts = frozenset(text.strip() for text in texts)
        spelled = ((text, parse_number(text, mark)) for text in texts for mark in ".,")
        return cls(texts, tuple({(t, n) for t, n in spelled if n is not None}))

    def marks(self, values: np.ndarray) -> np.ndarray:
        """Return which numbers are markers, (n,)."""
        is_marker = np.zeros(len(values), dtype=bool)
        for _, number in self.numbers:
            is_marker |= _equals(values, number)
        return is_marker

    def used_among(self, values: np.ndarray) -> set[str]:
        """Return the markers that occur among numbers."""
        return {text for text, n in self.numbers if _equals(values, n).any()}


def _equals(values: np.ndarray, marker: float) -> np.ndarray:
    """Return which numbers are a marker, as it is or rounded to single precision.

    A whole marker is met exactly; a fraction may have gone through float32.
    """
    if values.dtype == np.float32 or marker % 1:
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
        texts = self._texts
        numbers = _null_where(texts, compute.invert(self._is_plain))
        numbers = compute.replace_substring(numbers, self.decimal, ".")
        values = np.array(numbers.cast(pyarrow.float64()).to_numpy())
        if self._unplain:
            different = pyarrow.array(self._unplain, texts.type)
            spelled = [parse_number(each, self.decimal) for each in self._unplain]
            place = compute.fill_null(compute.index_in(texts, value_set=different), -1)
            found = np.array([*spelled, None], dtype=np.float64)[place.to_numpy()]
            values = np.where(np.isnan(found), values, found)
        infinite = pyarrow.array(sorted(INFINITE), self.array.type)
        is_infinite = compute.is_in(compute.utf8_lower(texts), value_set=infinite)
        return np.where(_mask(is_infinite), np.inf, values)

    @cached_property
    def _is_plain(self) -> Any:
        """Which cells are a number without groups of digits."""
        mark = re.escape(self.decimal)
        plain = rf"^[+-]?([0-9]+{mark}?[0-9]*|{mark}[0-9]+)([eE][+-]?[0-9]+)?$"
        return _matches(self._texts, plain)

    @cached_property
    def _unplain(self) -> list[str]:
        """The different cells that may be numbers and are not written plainly."""
        if self._plain is not None:
            return []
        is_maybe = compute.and_not(_matches(self._texts, MAYBE), self._is_plain)
        return compute.unique(self._texts.filter(is_maybe)).to_pylist()

    @property
    def doubtful_group(self) -> str | None:
        """The first cell whose only mark may part a group or be one of decimals.

        In a column with decimals and with no group that is certain.
        """
        groups = [
            each for each in self._unplain if GROUPED[self.decimal].fullmatch(each)
        ]
        doubtful = [each for each in groups if DOUBTFUL.fullmatch(each)]
        if not doubtful or len(doubtful) < len(groups):
            return None
        plain = self._texts.filter(self._is_plain)
        has_decimals = compute.any(compute.match_substring(plain, self.decimal))
        return doubtful[0] if has_decimals.as_py() else None

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

    @property
    def used_markers(self) -> set[str]:
        """The markers of the user that stand in the column."""
        if not self.markers.texts:
            return set()
        trimmed = compute.utf8_trim_whitespace(self.array)
        used = {
            text
            for text in self.markers.texts
            if compute.any(compute.equal(trimmed, text)).as_py()
        }
        return used | self.markers.used_among(self._spelled)

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
