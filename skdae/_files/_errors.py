"""The error that says what is wrong with a table, and what is near a wrong name."""

from collections.abc import Iterable
from difflib import get_close_matches


class TableError(ValueError):
    """A table that cannot be used: which file and place, the rule, and the remedy."""


def close_names(name: str, known: Iterable[str], most: int = 12) -> str:
    """Return the names that are near a wrong one, or else the first of all, as text."""
    names = [str(each) for each in known]
    lower = {each.lower(): each for each in reversed(names)}
    near = get_close_matches(name.lower(), list(lower), n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(lower[each]) for each in near) + "?"
    more = ", ..." if len(names) > most else ""
    return "there are: " + ", ".join(names[:most]) + more + "."


def shown(text: str, most: int = 40) -> str:
    """Return a cell in quotes, cut to what fits into a message."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")
