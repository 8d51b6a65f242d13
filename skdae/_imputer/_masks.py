"""Incomplete rows, and cells hidden on purpose for training and scoring."""

from dataclasses import dataclass

import numpy as np

from skdae.noise import Layout, Noise

N_BLOCKS = 20  # of neighbouring rows, of which some are held out
HELD_OUT_SHARE = 0.2  # of the blocks
MAX_RESAMPLED = 0.5  # share of the rows that get the missing cells of another row


@dataclass(frozen=True)
class IncompleteRows:
    """Encoded rows of a table with missing cells."""

    values: np.ndarray  # (n, n_features), 0 where missing
    observed: np.ndarray  # (n, n_features) bool
    position: np.ndarray  # (n,) order of the rows in the table

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: np.ndarray) -> "IncompleteRows":
        """Return some of the rows."""
        return IncompleteRows(
            self.values[index], self.observed[index], self.position[index]
        )

    def repeated(self, n_rows: int) -> "IncompleteRows":
        """Return the rows over and over, so that there are about `n_rows` at least."""
        n_times = max(1, round(n_rows / max(len(self), 1)))
        return self.take(np.tile(np.arange(len(self)), n_times))


@dataclass(frozen=True)
class MaskedRows:
    """Encoded rows with cells hidden on purpose, whose values are known."""

    values: np.ndarray  # (n, n_features), 0 where not observed
    observed: np.ndarray  # (n, n_features) bool
    missing: np.ndarray  # (n, n_features) bool: hidden or not observed

    def __len__(self) -> int:
        return len(self.values)

    @property
    def hidden(self) -> np.ndarray:
        """Which cells are hidden on purpose, (n, n_features) bool."""
        return self.missing & self.observed

    def errors(self, filled: np.ndarray) -> np.ndarray:
        """Return value minus estimate in the hidden cells, 0 elsewhere."""
        return np.where(self.hidden, self.values - filled, 0)


def hold_out(
    rows: IncompleteRows, generator: np.random.Generator
) -> tuple[IncompleteRows, IncompleteRows]:
    """Return rows to learn from and rows that are held out.

    Held out are blocks of rows that are neighbours in the table: a model that has seen
    the neighbours of a row in time order would look better than it is.
    """
    block = rows.position * N_BLOCKS // len(rows)
    chosen = generator.permutation(N_BLOCKS)[: round(HELD_OUT_SHARE * N_BLOCKS)]
    is_held_out = np.isin(block, chosen)
    return rows.take(~is_held_out), rows.take(is_held_out)


def hide_cells(
    rows: IncompleteRows, noise: Noise, layout: Layout, generator: np.random.Generator
) -> MaskedRows:
    """Hide observed cells: those that the noise acts on, or those another row misses.

    As many rows take over the missing cells of another row as rows have any, up to
    `MAX_RESAMPLED` of all: the patterns of the table itself are the ones to be filled.
    """
    _, acted = noise.apply(rows.values, generator, layout)
    hidden = np.array(acted)
    donors = np.flatnonzero(~rows.observed.all(axis=1))
    rate = min(MAX_RESAMPLED, len(donors) / max(len(rows), 1))
    receivers = np.flatnonzero(generator.random(len(rows)) < rate)
    if len(receivers):
        drawn = generator.choice(donors, len(receivers))
        hidden[receivers] = ~rows.observed[drawn]
    return MaskedRows(rows.values, rows.observed, hidden | ~rows.observed)
