"""Where training rows come from, epoch by epoch: a table, or a stream of batches."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from skdae._core.network import Network, chunks
from skdae._random import bernoulli
from skdae.noise import Layout


class Block(NamedTuple):
    """Some rows as the network sees them."""

    values: np.ndarray  # (m, n_features) float32, 0 where nothing is observed
    observed: np.ndarray | None  # (m, n_features) bool; None: everything
    target: np.ndarray | None = None  # (m, n_outputs) float32; None: the values
    weight: np.ndarray | None = None  # (m,) or (m, n_outputs) in the loss; None: 1
    offset: np.ndarray | None = None  # (m, n_outputs) added to the outputs; None: 0

    def part(self, rows: Any) -> "Block":
        """Rows of the block."""
        others = (None if part is None else part[rows] for part in self[1:])
        return Block(self.values[rows], *others)


class Batch(NamedTuple):
    """Rows of one step, or of several: arrays, or tensors on another device."""

    corrupted: Any  # (m, n_features)
    target: Any  # (m, n_outputs): the clean rows, or what is predicted
    weight: Any = None  # (m, n_outputs) of each target cell in the loss; None: 1
    offset: Any = None  # (m, n_outputs) added to the outputs; None: 0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.corrupted)

    def part(self, rows: slice) -> "Batch":
        """Rows of the batch."""
        return Batch(*(None if part is None else part[rows] for part in self))

    def split(self, size: int) -> "Iterator[Batch]":
        """Consecutive parts of at most `size` rows; the last may be shorter."""
        for a in range(0, self.n_rows, size):
            yield self.part(slice(a, a + size))


class HeldOut(NamedTuple):
    """Rows that are not trained on, and what each of them weighs."""

    block: Block
    weights: np.ndarray


class Source(Protocol):
    """Training rows, drawn again in each epoch."""

    @property
    def layout(self) -> Layout:
        """What the noise knows of the features."""

    @property
    def held_out(self) -> HeldOut | None:
        """Rows that are not trained on, for early stopping."""

    def epoch(
        self, generator: np.random.Generator, size: int, number: int = 0
    ) -> Iterator[Block]:
        """The rows in random order, in blocks of `size`; the last may be shorter.

        `number` counts the epochs of a phase from 0.
        """
        ...

    def some_rows(self, generator: np.random.Generator, size: int) -> Block:
        """At most `size` of the rows, in random order."""
        ...

    def encoded(self, encoder: Network) -> "Source":
        """The same rows as codes of a frozen encoder."""
        ...


# --- tables -------------------------------------------------------------------------


class EncodedRows(Protocol):
    """A table that hands out encoded rows."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def layout(self) -> Layout:
        """What the noise knows of the features."""

    def take(self, index: np.ndarray) -> Block:
        """Copies of the rows at `index`."""
        ...


@dataclass(frozen=True)
class ArrayRows:
    """Rows held in memory as the network sees them."""

    values: np.ndarray  # (n_rows, n_features)
    layout: Layout
    observed: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.values)

    def take(self, index: np.ndarray) -> Block:
        """Copies of the rows at `index`."""
        return Block(self.values, self.observed).part(index)


def epoch_order(
    generator: np.random.Generator, index: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """Rows of one epoch in random order.

    A row of weight w comes floor(w) times, and once more with the probability of the
    rest, so whole weights are exactly repetitions.
    """
    if weights is not None:
        counts = np.floor(weights)
        counts += bernoulli(generator, weights - counts, weights.shape)
        index = np.repeat(index, counts.astype(np.intp))
    return generator.permutation(index)


@dataclass(frozen=True)
class TableSource:
    """Rows of a table, with weights, and some of them held out."""

    rows: EncodedRows
    index: np.ndarray  # rows to train on
    weights: np.ndarray | None = None  # of all rows
    held_out_index: np.ndarray | None = None
    held_out_rows: HeldOut | None = None  # given beside the table
    parts: tuple[np.ndarray, ...] = ()  # rows of each epoch, in turn; (): all

    @classmethod
    def split(
        cls,
        rows: EncodedRows,
        weights: np.ndarray | None,
        fraction: float | None,
        generator: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> "TableSource":
        """Hold a random `fraction` of the rows out, or none.

        Rows of one group (those that are alike) stay on one side.
        """
        index = np.arange(rows.n_rows)
        if fraction is None:
            return cls(rows, index, weights)
        labels = index if groups is None else np.unique(groups, return_inverse=True)[1]
        order = generator.permutation(labels.max() + 1)
        n_held_out = max(1, round(fraction * len(order)))
        is_held_out = np.isin(labels, order[:n_held_out])
        return cls(rows, index[~is_held_out], weights, index[is_held_out])

    @property
    def n_drawn(self) -> int:
        """Rows of an epoch, on average."""
        if self.weights is None:
            return len(self.index)
        return round(self.weights[self.index].sum())

    @property
    def layout(self) -> Layout:
        """What the noise knows of the features."""
        return self.rows.layout

    @property
    def held_out(self) -> HeldOut | None:
        """Rows that are not trained on, repeated by whole weights."""
        index = self.held_out_index
        if index is None:
            return self.held_out_rows
        if self.weights is None:
            return HeldOut(self.rows.take(index), np.ones(len(index)))
        weights = self.weights[index]
        if np.all(weights == np.floor(weights)):
            index = np.repeat(index, weights.astype(np.intp))
            weights = np.ones(len(index))
        return HeldOut(self.rows.take(index), weights)

    def epoch(
        self, generator: np.random.Generator, size: int, number: int = 0
    ) -> Iterator[Block]:
        """All rows, or those of the part whose turn it is, in random order."""
        index = self.parts[number % len(self.parts)] if self.parts else self.index
        weights = None if self.weights is None else self.weights[index]
        order = epoch_order(generator, index, weights)
        for a in range(0, len(order), size):
            yield self.rows.take(order[a : a + size])

    def some_rows(self, generator: np.random.Generator, size: int) -> Block:
        """At most `size` of the rows, in random order."""
        return next(self.epoch(generator, size))

    def encoded(self, encoder: Network) -> "TableSource":
        """The codes of all rows, computed once and kept."""
        n_rows = self.rows.n_rows
        codes = np.empty((n_rows, len(encoder.encoder[-1].bias)), np.float32)
        everything = np.arange(n_rows)
        for part in chunks(n_rows):
            codes[part] = encoder.encode(self.rows.take(everything[part]).values)
        counted = codes
        if self.weights is not None and np.all(self.weights == np.floor(self.weights)):
            counted = np.repeat(codes, self.weights.astype(np.intp), axis=0)
        return replace(self, rows=ArrayRows(codes, Layout.from_data(counted)))
