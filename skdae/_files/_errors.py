"""The error that says what is wrong with a table, and what is near a wrong name."""

from collections.abc import Iterable
from difflib import get_close_matches


class TableError(ValueError):
    """A table that cannot be used: which file and place, the rule, and the remedy."""


MAX_NAMES = 12  # that a message about a wrong name lists


def close_names(name: str, known: Iterable[str]) -> str:
    """Return the names that are near a wrong one, or else the first of all, as text."""
    names = [str(each) for each in known]
    lower = {each.lower(): each for each in reversed(names)}
    near = get_close_matches(name.lower(), list(lower), n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(lower[each]) for each in near) + "?"
    more = ", ..." if len(names) > MAX_NAMES else ""
    return "there are: " + ", ".join(map(shortened, names[:MAX_NAMES])) + more + "."


def shortened(text: str, length: int = 40) -> str:
    """Return a text cut to what fits into a message."""
    return text if len(text) <= length else text[: length - 3] + "..."


def shown(text: str) -> str:
    """Return a cell in quotes, cut to what fits into a message."""
    return repr(shortened(text))


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names as a part of a sentence."""
    every = [shown(str(name)) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not one."""
    return f"1 {noun}" if n == 1 else f"{n} {noun}s"
