"""The first lines of a text: the names of the columns, or what else they may be."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise, takewhile

from skdae._column_types import DATE_TIME
from skdae._files._cells import FRACTION, MISSING, NOT_MEASURED, PLAIN
from skdae._files._dialect import DELIMITERS
from skdae._files._errors import TableError, shortened, shown

Rows = list[tuple[int, list[str]]]  # first line and cells of each
MAX_UNIT_ROWS = 20  # by which the columns of numbers are known
MAX_UNITS = 3  # lines of units and descriptions
MIN_SCALE = 8  # numbers in the first line that may be names


def has_names(sample: Rows, header: bool | None, label: str) -> bool:
    """Return whether the first row names the columns; refuse one that holds data."""
    if header is not None:
        return header
    cells = [cell.strip() for cell in sample[0][1]]
    named = [cell for cell in cells if cell not in MISSING]
    numbers = [cell for cell in named if PLAIN.fullmatch(cell.replace(",", "."))]
    fractions = [cell for cell in numbers if FRACTION.fullmatch(cell)]
    is_scale = len(numbers) >= MIN_SCALE and _is_scale(numbers)
    if not named or ((len(numbers) == len(named) or fractions) and not is_scale):
        first = ", ".join(map(shortened, cells[:4]))
        first += ", ..." if len(cells) > 4 else ""
        raise TableError(
            f"{label}, line {sample[0][0]}: seems to have no header: the first line "
            f"must name the columns and holds numbers ({first}); add a line of names, "
            "or say whether the first line is a header."
        )
    return True


def _is_scale(numbers: list[str]) -> bool:
    """Return whether numbers rise or fall throughout, as names of wavelengths do."""
    values = [float(number.replace(",", ".")) for number in numbers]
    steps = {a < b for a, b in pairwise(values)}
    return len(steps) == 1 and len(set(values)) == len(values)


def find_names(
    sample: Rows, is_named: bool, label: str
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Return the names of the columns, their places, and notes on nameless ones."""
    cells = [cell.strip() for cell in sample[0][1]]
    if not is_named:
        names = tuple(f"x{j}" for j in range(1, len(cells) + 1))
        said = f"its columns are called {names[0]}, ..., {names[-1]}."
        return names, tuple(range(len(cells))), (said,)
    places, notes = list(range(len(cells))), []
    for j, name in enumerate(cells):
        if name:
            continue
        rows = [row for _, row in sample[1:] if len(row) == len(cells)]
        if j == len(cells) - 1 and not any(row[j].strip() for row in rows):
            places.remove(j)
            notes.append(
                "the lines end with a delimiter; what follows it has no name and no "
                "value, and is left out."
            )
        else:
            cells[j] = f"unnamed_{j + 1}"
            notes.append(f"column {j + 1} has no name; it is {cells[j]!r}.")
    doubled = [name for name, count in Counter(cells).items() if count > 1]
    if doubled:
        which = [j + 1 for j, name in enumerate(cells) if name == doubled[0]]
        raise TableError(
            f"{label}, line {sample[0][0]}: the name {shown(doubled[0])} stands over "
            f"the columns {', '.join(map(str, which[:8]))}, and names must differ; "
            "rename them."
        )
    return tuple(cells[j] for j in places), tuple(places), tuple(notes)


def count_comments(lines: list[str], delimiter: str | None) -> int:
    """Return how many lines of comments stand above the names.

    Where the first line after them holds data, the last of them is the names.
    """
    n = sum(1 for _ in takewhile(lambda line: line.lstrip().startswith("#"), lines))
    if n == 0 or n == len(lines):
        return 0
    cells = re.split(f"[{re.escape(delimiter or DELIMITERS)}]", lines[n])
    has_numbers = any(_is_number(cell.strip().strip('"')) for cell in cells)
    return n - 1 if has_numbers else n


def check_units(sample: Rows, label: str) -> None:
    """Refuse lines of units or descriptions below the names.

    They would make numbers into text, and the unit 1 into a measurement.
    """
    rows = [cells for _, cells in sample[1:MAX_UNIT_ROWS]]
    if len(rows) < 4 or len(rows[0]) < 2 or all(map(_is_number, rows[0])):
        return
    below = zip(*rows[min(MAX_UNITS, len(rows) - 3) :], strict=False)
    fits = {
        j: rule
        for j, known in enumerate(map(_measured, below))
        for rule in (_is_number, DATE_TIME.fullmatch)
        if known and all(map(rule, known))
    }

    def words(row: list[str]) -> list[str]:
        """Return what cannot be data in a row, nothing where it has a measurement."""
        cells = {j: row[j].strip() for j in fits if j < len(row)}
        numbers = [cells[j] for j in cells if _is_number(cells[j])]
        if any(number != "1" for number in numbers):
            return []
        return [c for j, c in cells.items() if _measured([c]) and not fits[j](c)]

    found = list(takewhile(bool, map(words, rows[:MAX_UNITS])))
    if not found:
        return
    first, last = sample[1][0], sample[len(found)][0]
    shown = ", ".join(shortened(word, 20) for word in found[0][:4])
    where, that = f"line {first}: seems", "that line"
    if last > first:
        where, that = f"lines {first} to {last}: seem", "these lines"
    raise TableError(
        f"{label}, {where} to hold units ({shown}) between the names and the numbers; "
        f"delete {that}."
    )


def _is_number(cell: str) -> bool:
    return PLAIN.fullmatch(cell.strip().replace(",", ".")) is not None


def _measured(cells: Iterable[str]) -> list[str]:
    """Return the cells that hold a value."""
    stripped = (cell.strip() for cell in cells)
    return [c for c in stripped if c not in MISSING and c.lower() not in NOT_MEASURED]
