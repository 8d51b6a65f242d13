"""Rows with gaps, and cells hidden on purpose: what filling is learned from."""

from dataclasses import dataclass

import numpy as np

from skdae.noise import Layout, Noise

N_BLOCKS = 20  # of neighbouring rows, of which some are held out
HELD_OUT = 0.2  # of the blocks
MOST_BORROWED = 0.5  # of the rows have the gaps of another one hidden


@dataclass(frozen=True)
class Rows:
    """Encoded rows."""

    truth: np.ndarray  # (n, n_features), 0 where unknown
    known: np.ndarray  # (n, n_features) bool
    time: np.ndarray  # (n,) their order in the table

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, index: np.ndarray) -> "Rows":
        """Return some of the rows."""
        return Rows(self.truth[index], self.known[index], self.time[index])

    def repeated(self, n_rows: int) -> "Rows":
        """Return the rows over and over, so that there are about `n_rows` at least."""
        n_times = max(1, round(n_rows / max(len(self), 1)))
        return self.take(np.tile(np.arange(len(self)), n_times))


@dataclass(frozen=True)
class Gaps:
    """Encoded rows with cells hidden, and the cells that are known all the same."""

    truth: np.ndarray  # (n, n_features), 0 where unknown
    known: np.ndarray  # (n, n_features) bool
    missing: np.ndarray  # (n, n_features) bool: hidden or unknown

    @property
    def scored(self) -> np.ndarray:
        """Hidden and known."""
        return self.missing & self.known

    def errors(self, filled: np.ndarray) -> np.ndarray:
        """Return truth minus filled where scored, 0 elsewhere."""
        return np.where(self.scored, self.truth - filled, 0)


def hold_out(rows: Rows, generator: np.random.Generator) -> tuple[Rows, Rows]:
    """Return rows to learn from and rows to judge by.

    Held out are blocks of rows that are neighbours in time, their order in the table:
    a model may seem to know a row that it has only seen the neighbours of.
    """
    block = rows.time * N_BLOCKS // len(rows)
    chosen = generator.permutation(N_BLOCKS)[: round(HELD_OUT * N_BLOCKS)]
    is_held_out = np.isin(block, chosen)
    return rows.take(~is_held_out), rows.take(is_held_out)


def hide(
    rows: Rows, noise: Noise, layout: Layout, generator: np.random.Generator
) -> Gaps:
    """Hide known cells: those that the noise acts on, or where another row has gaps.

    The more rows have gaps, the more tell where gaps will be: as many rows borrow those
    of another one, up to half of them.
    """
    _, acted = noise.apply(rows.truth, generator, layout)
    hidden = np.array(acted)
    donors = np.flatnonzero(~rows.known.all(axis=1))
    rate = min(MOST_BORROWED, len(donors) / max(len(rows), 1))
    borrows = np.flatnonzero(generator.random(len(rows)) < rate)
    if len(borrows):
        hidden[borrows] = ~rows.known[generator.choice(donors, len(borrows))]
    return Gaps(rows.truth, rows.known, hidden | ~rows.known)
