"""Cells as they are written, as numbers or as text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
WHOLE = re.compile(r"[+-]?[0-9]+")
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FRACTION = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?")
# by the mark of decimals: groups of three digits, then perhaps decimals
GROUPED = {
    ".": re.compile(
        r"[+-]?\d{1,3}(?:([,'\u2019 \u00a0\u202f])\d{3})(?:\1\d{3})*(\.\d+)?"
    ),
    ",": re.compile(
        r"[+-]?\d{1,3}(?:([.'\u2019 \u00a0\u202f])\d{3})(?:\1\d{3})*(,\d+)?"
    ),
}
GROUP_MARKS = {
    mark: str.maketrans("", "", other + "'\u2019 \u00a0\u202f")
    for mark, other in ((".", ","), (",", "."))
}


@dataclass(frozen=True)
class Values:
    """A column read: numbers or text, and what is to be said of it."""

    array: np.ndarray  # (n,) int64 or float64, or objects: str, NaN where missing
    odd: int | None = None  # a cell that is no number among many that are
    n_infinite: int = 0  # cells that were infinite, and are missing now
    word: str | None = None  # the first word in place of a number, missing now


def words_are_missing(label: str, name: str, word: str) -> str:
    """Say that words stand in place of numbers."""
    return (
        f"{label}: cells of the column {name!r} such as {word!r} are no numbers and "
        "count as missing."
    )


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


def _fast_numbers(cells: Sequence[str], decimal: str) -> np.ndarray | None:
    """Return numbers written plainly, None where some cell is anything else."""
    spelled = ["nan" if cell in MISSING else cell for cell in cells]
    joined = "".join(spelled)
    if "_" in joined or (decimal == "," and "." in joined):  # not for float to judge
        return None
    if decimal == ",":
        spelled = [cell.replace(",", ".") for cell in spelled]
    try:
        return np.array(list(map(float, spelled)), dtype=np.float64)
    except ValueError:
        return None


def _numbers(cells: Sequence[str], decimal: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of stripped cells, and where a cell is none."""
    fast = _fast_numbers(cells, decimal)
    if fast is not None:
        return fast, np.zeros(len(fast), dtype=bool)
    judged = {cell: _number_or_text(cell, decimal) for cell in set(cells)}
    return (
        np.array([judged[cell][0] for cell in cells], dtype=np.float64),
        np.array([judged[cell][1] for cell in cells], dtype=bool),
    )


def _number_or_text(cell: str, decimal: str) -> tuple[float, bool]:
    """Return what number a cell is, NaN for none, and whether it is text."""
    if cell in MISSING:
        return np.nan, False
    number = parse_number(cell, decimal)
    if number is not None:
        return number, False
    if cell.lower() in INFINITE:
        return np.inf, False
    return np.nan, cell.lower() not in NOT_MEASURED


def column_values(
    cells: Sequence[str], decimal: str, missing: frozenset[str] = frozenset()
) -> Values:
    """Read a column of cells: numbers where all of them are, and text otherwise.

    A column in which nothing is known is one of numbers. Infinite numbers are missing
    values. What data loggers write in place of a number counts as missing only beside
    numbers.
    """
    stripped = _stripped(cells, missing)
    values, is_text = _numbers(stripped, decimal)
    is_number = ~np.isnan(values)
    known = np.array([cell not in MISSING for cell in stripped], dtype=bool)
    if is_text.any() or (known.any() and not is_number.any()):
        n_numbers = int(is_number.sum())
        mostly = is_text.any() and 2 * n_numbers > int(known.sum())
        return Values(texts(stripped), int(is_text.argmax()) if mostly else None)
    infinite = np.isinf(values)
    word = _first_word(stripped, values)
    values[infinite] = np.nan
    return Values(_whole(stripped, values), None, int(infinite.sum()), word)


def strict_numbers(
    cells: Sequence[str], decimal: str, missing: frozenset[str] = frozenset()
) -> tuple[np.ndarray, int | None, str | None]:
    """Read a column that must hold numbers.

    Returns the place of the first cell that is none, and the first word that counts
    as missing.
    """
    stripped = _stripped(cells, missing)
    values, is_text = _numbers(stripped, decimal)
    word = _first_word(stripped, values)
    values[np.isinf(values)] = np.nan
    return values, int(is_text.argmax()) if is_text.any() else None, word


def _first_word(cells: list[str], values: np.ndarray) -> str | None:
    """Return the first cell without a number that is no marker of missing values."""
    empty = np.flatnonzero(np.isnan(values))
    return next((cells[j] for j in empty if cells[j] not in MISSING), None)


def whole_numbers(
    cells: Sequence[str], missing: frozenset[str] = frozenset()
) -> np.ndarray | None:
    """Read a column of whole numbers exactly, as int64; None where one cell is none."""
    stripped = _stripped(cells, missing)
    if not all(map(WHOLE.fullmatch, stripped)):
        return None
    try:
        return np.array(list(map(int, stripped)), dtype=np.int64)
    except OverflowError:
        return None


def texts(cells: Sequence[str], missing: frozenset[str] = frozenset()) -> np.ndarray:
    """Read a column of text: objects, stripped, NaN where missing."""
    values = np.empty(len(cells), dtype=object)
    values[:] = [
        np.nan if cell in MISSING else cell for cell in _stripped(cells, missing)
    ]
    return values


def _stripped(cells: Sequence[str], missing: frozenset[str]) -> list[str]:
    """Cells without white space around them, the user's markers empty."""
    stripped = [cell.strip() for cell in cells]
    if not missing:
        return stripped
    return ["" if cell in missing else cell for cell in stripped]


def _whole(cells: list[str], values: np.ndarray) -> np.ndarray:
    """Return whole numbers as int64 where all cells are known and written so."""
    if np.isnan(values).any() or (np.abs(values) >= 2**53).any():
        return values
    if not all(cell.lstrip("+-").isdigit() for cell in cells):
        return values
    return values.astype(np.int64)
