"""Autoregressions of blocks of related features, for wide tables.

One autoregression of all features takes the cube of their number; blocks take as much
time for each feature in tables of any width. Beside its own features a block reads the
factors of the other ones, estimated from the known cells of a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skdae._imputer._autoregression import (
    N_ROUNDS,
    Autoregression,
    fit_autoregression,
)

WIDE = 60  # features above which a table is cut into blocks
BLOCK_SIZE = 24  # features of a block, at most
N_FACTORS = 12
N_ROUNDS_WIDE = 4  # of drawing missing cells and learning
MAX_ROWS = 5_000  # evenly spread, that factors are learned from


@dataclass(frozen=True)
class Factors:
    """Principal components of rows, estimated from their known cells.

    The cells are normal with as many factors and errors of one variance.
    """

    mean: np.ndarray  # (n_features,)
    scale: np.ndarray  # (n_features,)
    axes: np.ndarray  # (n_features, n_factors), of factors of variance 1
    noise: float  # variance of the errors

    @classmethod
    def fit(cls, rows: np.ndarray) -> "Factors":
        """Learn from complete rows, (n, n_features)."""
        rows = rows[:: -(-len(rows) // MAX_ROWS)]
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        scale[scale <= 1e-9 * np.abs(rows).max(axis=0)] = np.inf
        scaled = (rows - mean) / scale
        values, vectors = np.linalg.eigh(scaled.T @ scaled / len(rows))
        noise = max(float(values[:-N_FACTORS].mean()), 1e-6)
        size = np.sqrt(np.maximum(values[-N_FACTORS:] - noise, 0))
        return cls(mean, scale, vectors[:, -N_FACTORS:] * size, noise)

    def beside(self, cells: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return own features of rows, then the factors by all other features.

        Factors that had seen the errors of the own features would seem to explain them.
        """
        others = cells.copy()
        others[:, own] = np.nan
        return np.hstack([cells[:, own], self.scores(others)])

    def scores(self, cells: np.ndarray) -> np.ndarray:
        """Return the expected factors of rows, (n, n_factors), by their known cells."""
        n_factors = self.axes.shape[1]
        known = (~np.isnan(cells)).astype(np.float64)
        scaled = np.nan_to_num((cells - self.mean) / self.scale)
        products = self.axes[:, :, None] * self.axes[:, None, :]
        system = (known @ products.reshape(len(products), -1)).reshape(
            len(cells), n_factors, n_factors
        )
        system += self.noise * np.eye(n_factors)
        return np.linalg.solve(system, (scaled @ self.axes)[:, :, None])[:, :, 0]


@dataclass(frozen=True)
class Block:
    """Features that one autoregression estimates together with the factors."""

    own: np.ndarray
    model: Autoregression  # of the features, then the factors


@dataclass(frozen=True)
class BlockAutoregression:
    """An autoregression for each block of features.

    Draws are correlated in time and within a block.
    """

    factors: Factors
    blocks: tuple[Block, ...]

    def fill(
        self,
        cells: np.ndarray,
        start: np.ndarray,
        generator: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Return rows with the means of their missing cells, or with draws.

        As `Autoregression.fill`, and so are the methods below.
        """
        filled = np.empty(cells.shape)
        for block in self.blocks:
            part = self.factors.beside(cells, block.own)
            found = block.model.fill(part, start, generator)
            filled[:, block.own] = found[:, : len(block.own)]
        return filled

    def fill_with_spread(
        self, cells: np.ndarray, start: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows filled with means, and the root mean squares of draws around."""
        both = np.empty((2, *cells.shape))
        for block in self.blocks:
            part = self.factors.beside(cells, block.own)
            found = np.stack(block.model.fill_with_spread(part, start, generator))
            both[:, :, block.own] = found[:, :, : len(block.own)]
        return both[0], both[1]

    def related(self) -> np.ndarray:
        """Return how much each feature depends on each other one, (n_features, same).

        0 for those of other blocks.
        """
        n_features = len(self.factors.mean)
        related = np.zeros((n_features, n_features))
        for block in self.blocks:
            n_own = len(block.own)
            part = block.model.related()[:n_own, :n_own]
            related[np.ix_(block.own, block.own)] = part
        return related


AnyAutoregression = Autoregression | BlockAutoregression


def fit_in_blocks(
    cells: np.ndarray,
    start: np.ndarray,
    filled: np.ndarray,
    generator: np.random.Generator,
    n_rounds: int = N_ROUNDS,
) -> AnyAutoregression:
    """Learn from rows in time order as `fit_autoregression`, in blocks if many."""
    if cells.shape[1] <= WIDE:
        return fit_autoregression(cells, start, filled, generator, n_rounds)
    factors = Factors.fit(filled)
    n_rounds = min(n_rounds, N_ROUNDS_WIDE)
    blocks = []
    for own in _blocks(filled):
        part = factors.beside(cells, own)
        first = np.hstack([filled[:, own], part[:, len(own) :]])
        model = fit_autoregression(part, start, first, generator, n_rounds)
        blocks.append(Block(own, model))
    return BlockAutoregression(factors, tuple(blocks))


def _blocks(filled: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the features of each block.

    The first feature left and those left that correlate with it the most.
    """
    squares = _squared_correlations(filled[:: -(-len(filled) // MAX_ROWS)])
    n_blocks = -(-len(squares) // BLOCK_SIZE)
    left = np.arange(len(squares))
    for n_left in range(n_blocks, 0, -1):
        order = np.argsort(-squares[left[0], left], kind="stable")
        own = np.sort(left[order[: -(-len(left) // n_left)]])
        left = np.setdiff1d(left, own)
        yield own


def _squared_correlations(rows: np.ndarray) -> np.ndarray:
    """Return the squared correlations of features; 0 for constant ones, 1 with self."""
    centred = rows - rows.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    centred = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    squares = (centred.T @ centred) ** 2
    np.fill_diagonal(squares, 1)
    return squares
