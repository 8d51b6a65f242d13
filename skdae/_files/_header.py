"""The first lines of a text: the names of the columns, or what else they may be."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from skdae._files._cells import FRACTION, MISSING, PLAIN
from skdae._files._dialect import Rows
from skdae._files._errors import TableError, shortened, shown

MAX_UNIT_ROWS = 50  # by which the columns of numbers are known
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
        said = f"{label}: its columns are called {names[0]}, ..., {names[-1]}."
        return names, tuple(range(len(cells))), (said,)
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
            f"{label}, line {sample[0][0]}: the name {shown(doubled[0])} stands over "
            f"the columns {', '.join(map(str, which[:8]))}, and names must differ; "
            "rename them."
        )
    return tuple(cells[j] for j in places), tuple(places), tuple(notes)


def check_units(sample: Rows, decimal: str, label: str) -> None:
    """Refuse a second line of units, which would make numbers into text."""
    rows = [cells for _, cells in sample[1:MAX_UNIT_ROWS]]
    if len(rows) < 4 or len(rows[0]) < 2:
        return

    def is_number(cell: str) -> bool:
        plain = cell.strip().replace(decimal, ".")
        return PLAIN.fullmatch(plain) is not None

    if all(is_number(cell) for cell in rows[0]):
        return

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
