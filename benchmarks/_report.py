"""Tables of results and ranks, for all benchmarks."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import rankdata


def unique(values: Iterable) -> list:
    """Values in the order they came, each once."""
    return list(dict.fromkeys(values))


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table with numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def ranks(means: np.ndarray) -> np.ndarray:
    """Rank of each method in each row, ties averaged; (n_rows, n_methods)."""
    return rankdata(np.round(means, 4), axis=1)
