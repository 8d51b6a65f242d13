"""Encoded rows of a table or of a stream of batches, for the training core."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from skdae._core.network import Network
from skdae._core.sources import Block, HeldOut
from skdae._table.encoder import TableEncoder
from skdae._table.scaling import QuantileScaler
from skdae.noise import Layout


@dataclass(frozen=True)
class TableRows:
    """Rows of a raw table, encoded as they are asked for, or once where that is slow.

    Quantile scaling takes ten times the time of a training step.
    """

    encoder: TableEncoder
    raw: np.ndarray
    index: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.index)

    @property
    def layout(self) -> Layout:
        """Columns of the encoded features."""
        return self.encoder.layout

    def take(self, index: np.ndarray) -> Block:
        """Encoded rows, float32."""
        if isinstance(self.encoder.scaler, QuantileScaler):
            return self._all.part(index)
        return encoded_block(self.encoder, self.raw.take(self.index[index], axis=0))

    @cached_property
    def _all(self) -> Block:
        return encoded_block(self.encoder, self.raw.take(self.index, axis=0))


@dataclass(frozen=True)
class TargetRows:
    """Rows with a target that is to be predicted from them."""

    rows: TableRows
    target: np.ndarray  # (n_rows, n_outputs) float32
    weight: np.ndarray | None = None  # (n_rows,) float32, in the loss

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.n_rows

    @property
    def layout(self) -> Layout:
        """Columns of the encoded features."""
        return self.rows.layout

    def take(self, index: np.ndarray) -> Block:
        """Copies of the rows at `index`, with their targets."""
        weight = None if self.weight is None else self.weight[index]
        return self.rows.take(index)._replace(target=self.target[index], weight=weight)


def encoded_block(encoder: TableEncoder, raw: np.ndarray) -> Block:
    """Raw rows as the network sees them."""
    Z, observed = encoder.encode(raw)
    return Block(Z.astype(np.float32, copy=False), observed)


@dataclass(frozen=True)
class StreamSource:
    """Batches of raw rows that are read again in each epoch and never kept."""

    read: Callable[[], Iterable[np.ndarray]]  # one pass over the raw batches
    encoder: TableEncoder
    sample: Block  # rows that stand for all where statistics are needed
    network: Network | None = None  # whose codes the rows are

    @property
    def layout(self) -> Layout:
        """What the noise knows of the features."""
        if self.network is None:
            return self.encoder.layout
        return Layout.from_data(self._through(self.sample).values)

    @property
    def held_out(self) -> HeldOut | None:
        """A stream holds nothing out."""
        return None

    def _through(self, block: Block) -> Block:
        """The codes of a block, when the source is one of codes."""
        if self.network is None:
            return block
        return Block(self.network.encode(block.values), None)

    def epoch(
        self, generator: np.random.Generator, size: int, number: int = 0
    ) -> Iterator[Block]:
        """All rows, in random order within each batch, in blocks of one size."""
        rest = None
        for batch in self.read():
            raw = batch[~np.isnan(batch).all(axis=1)]  # as in a table
            rows = raw.take(generator.permutation(len(raw)), axis=0)
            rows = rows if rest is None else np.concatenate([rest, rows])
            whole = len(rows) // size * size
            for a in range(0, whole, size):
                yield self._through(encoded_block(self.encoder, rows[a : a + size]))
            rest = rows[whole:]
        if rest is not None and len(rest):
            yield self._through(encoded_block(self.encoder, rest))

    def some_rows(self, generator: np.random.Generator, size: int) -> Block:
        """At most `size` rows of the sample, in random order, without a pass."""
        order = generator.permutation(len(self.sample.values))
        return self._through(self.sample.part(order[:size]))

    def encoded(self, encoder: Network) -> "StreamSource":
        """The codes of the rows, computed as they come."""
        return replace(self, network=encoder)
