"""Which cells of a table are hidden: single cells, blocks, outages, real gaps.

By Rubin's names cells are missing at random (MAR) where that depends on observed cells
alone, and not at random (MNAR) where it depends on their own value.
"""

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


def ranks(X: np.ndarray) -> np.ndarray:
    """The rank of a cell among the known ones of its column, 0 to 1; 0.5 for NaN."""
    known = ~np.isnan(X)
    places = np.where(known, X, np.inf).argsort(axis=0).argsort(axis=0)
    return np.where(known, (places + 0.5) / np.maximum(known.sum(axis=0), 1), 0.5)


def by_another_column(
    X: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """MAR: half of the columns stay known, and each other one depends on one of them.

    The more often, the higher its value: up to twice the share.
    """
    columns = generator.permutation(X.shape[1])
    known, hidden = np.array_split(columns, 2)
    probability = np.zeros(X.shape)
    drivers = generator.choice(known, len(hidden))
    probability[:, hidden] = 2 * share * ranks(X)[:, drivers]
    return generator.random(X.shape) < probability


def by_own_value(
    X: np.ndarray, generator: np.random.Generator, share: float
) -> np.ndarray:
    """MNAR: the higher a value, the more often it is missing, up to twice the share."""
    return generator.random(X.shape) < 2 * share * ranks(X)


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
    "MAR 30 %": partial(by_another_column, share=0.3),
    "MNAR 30 %": partial(by_own_value, share=0.3),
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
