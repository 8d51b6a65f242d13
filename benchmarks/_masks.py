"""Which cells of a table are hidden: single cells, blocks, outages, real gaps."""

from collections.abc import Callable
from functools import partial

import numpy as np

BLOCK_ROWS = 20  # that a block of sensors is missing for
BLOCK_SHARE = 1 / 3  # of the columns
OUTAGE_ROWS = 24  # that one sensor is out for: a day of hours
OUTAGE_SHARE = 0.2  # of the rows of each sensor

Pattern = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def at_random(
    X: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """Each cell by itself."""
    return generator.random(X.shape) < share


def blocks_of_sensors(X: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """For some rows in a row, a third of the columns, neighbours, are missing."""
    n_rows, n_columns = X.shape
    n_missing = max(1, round(BLOCK_SHARE * n_columns))
    first = generator.integers(n_columns, size=-(-n_rows // BLOCK_ROWS))
    start = np.repeat(first, BLOCK_ROWS)[:n_rows, None]
    return (np.arange(n_columns) - start) % n_columns < n_missing


def outages(X: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """24 rows of a sensor at a time, each sensor by itself; a fifth of its rows."""
    n_rows, n_columns = X.shape
    n_days = -(-n_rows // OUTAGE_ROWS) + 1
    is_out = generator.random((n_days, n_columns)) < OUTAGE_SHARE
    hours = np.repeat(is_out, OUTAGE_ROWS, axis=0)
    starts = generator.integers(OUTAGE_ROWS, size=n_columns)
    rows = np.arange(n_rows)[:, None] + starts
    return hours[rows, np.arange(n_columns)]


def real_gaps(X: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The gaps of the table itself, moved in time."""
    return np.roll(np.isnan(X), generator.integers(len(X) // 4, len(X) // 2), axis=0)


PATTERNS: dict[str, Pattern] = {
    "10 %": partial(at_random, share=0.1),
    "30 %": partial(at_random, share=0.3),
    "50 %": partial(at_random, share=0.5),
    "blocks": blocks_of_sensors,
    "real gaps": real_gaps,
}
ORDERED_PATTERNS: dict[str, Pattern] = {
    "random cells": partial(at_random, share=OUTAGE_SHARE),
    "outages": outages,
    "real gaps": real_gaps,
}


def applies(pattern: str, X: np.ndarray) -> bool:
    """Real gaps need a table that has some: one cell in twenty."""
    return pattern != "real gaps" or bool(np.isnan(X).mean() >= 0.05)


def hide(
    X: np.ndarray, pattern: str, patterns: dict[str, Pattern], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows with hidden cells as NaN, and which of the known cells are hidden."""
    generator = np.random.default_rng([seed, list(patterns).index(pattern)])
    hidden = patterns[pattern](X, generator) & ~np.isnan(X)
    return np.where(hidden, np.nan, X), hidden
