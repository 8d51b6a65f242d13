"""Piecewise-linear inputs: where the cells of a column lie between its quantiles."""

from dataclasses import dataclass, replace

import numpy as np

from skdae._core.network import Layer, Network
from skdae._core.sources import Block, EncodedRows, HeldOut, TableSource
from skdae.noise import Layout, Noise

MAX_ROWS = 2_000  # that quantiles are taken from


@dataclass(frozen=True, eq=False)
class Expansion:
    """Intervals between quantiles of the encoded numeric columns.

    A cell is expanded to the share of each interval of its column that lies below it: 1
    for intervals it has passed, 0 for those it has not reached. Shares are counted from
    those of 0, which stands for a missing cell, and stay what they are at the ends.

    Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in
    tabular deep learning", 2022.

    Attributes
    ----------
    feature : ndarray of int of shape (n_intervals,)
        The encoded feature that each interval belongs to.
    low, width : ndarray of float32 of shape (n_intervals,)
        Lower end and width of each interval.
    """

    feature: np.ndarray
    low: np.ndarray
    width: np.ndarray

    @classmethod
    def fit(cls, rows: EncodedRows, n_bins: int) -> "Expansion | None":
        """Learn at most `n_bins` intervals of each numeric column from its quantiles.

        They are those of the distinct values, so that neither weights nor a value that
        most rows share matter. A column of two values has no intervals, as a line says
        all of it. None: there are no intervals at all.
        """
        step = -(-rows.n_rows // MAX_ROWS)
        block = rows.take(np.arange(0, rows.n_rows, step))
        features = np.flatnonzero(rows.layout.numeric)
        edges = [_edges(block, int(feature), n_bins) for feature in features]
        n_intervals = [len(each) - 1 for each in edges]
        if not sum(n_intervals):
            return None
        return cls(
            np.repeat(features, n_intervals),
            np.concatenate([each[:-1] for each in edges]),
            np.concatenate([np.diff(each) for each in edges]),
        )

    @property
    def n_intervals(self) -> int:
        """Number of intervals of all columns."""
        return len(self.feature)

    @property
    def of_missing(self) -> np.ndarray:
        """The share of each interval below 0, (n_intervals,)."""
        return np.clip(-self.low / self.width, 0, 1)

    def shares(self, Z: np.ndarray) -> np.ndarray:
        """Share of each interval below the cells, less that below 0, in Z's dtype."""
        E = Z[:, self.feature]
        with np.errstate(over="ignore"):  # far outside of a very narrow interval
            E -= self.low.astype(Z.dtype, copy=False)
            E /= self.width.astype(Z.dtype, copy=False)
        np.clip(E, 0, 1, out=E)
        E -= self.of_missing.astype(Z.dtype, copy=False)
        return E

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Encoded rows and their shares, (n, n_features + n_intervals)."""
        return np.hstack([Z, self.shares(Z)])

    def of_block(self, block: Block) -> Block:
        """A block whose values are expanded."""
        observed = block.observed
        if observed is not None:
            observed = np.hstack([observed, observed[:, self.feature]])
        return block._replace(values=self(block.values), observed=observed)

    def of_layout(self, layout: Layout) -> Layout:
        """Columns of the encoded features, and those of the intervals behind them."""
        zeros, ones = np.zeros(self.n_intervals), np.ones(self.n_intervals)
        return Layout(
            np.append(layout.numeric, zeros.astype(bool)),
            np.append(layout.scale, ones),
            np.append(layout.low, -self.of_missing),
            np.append(layout.high, 1 - self.of_missing),
        )

    def of_network(self, network: Network) -> Network:
        """A network of the same outputs that also reads the shares, with weights 0."""
        first, *others = network.encoder
        zeros = np.zeros((self.n_intervals, len(first.bias)), first.weight.dtype)
        wider = Layer(np.vstack([first.weight, zeros]), first.bias)
        return replace(network, encoder=(wider, *others))

    def of_source(self, source: TableSource) -> TableSource:
        """A source whose rows are expanded."""
        given: HeldOut | None = source.held_out_rows
        if given is not None:
            given = given._replace(block=self.of_block(given.block))
        rows = ExpandedRows(source.rows, self)
        return replace(source, rows=rows, held_out_rows=given)


def _edges(block: Block, feature: int, n_bins: int) -> np.ndarray:
    """Return the ends of the intervals of a numeric feature, float32; one if none."""
    values = block.values[:, feature]
    if block.observed is not None:
        values = values[block.observed[:, feature]]
    distinct = np.unique(values)
    if len(distinct) <= 2:
        return np.zeros(1, np.float32)
    places = np.rint(np.linspace(0, len(distinct) - 1, n_bins + 1)).astype(int)
    return distinct[np.unique(places)]


@dataclass(frozen=True)
class ExpandedRows:
    """Rows with the shares of the intervals behind their features."""

    rows: EncodedRows
    expansion: Expansion

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.n_rows

    @property
    def layout(self) -> Layout:
        """Columns of the encoded features, and of the intervals."""
        return self.expansion.of_layout(self.rows.layout)

    def take(self, index: np.ndarray) -> Block:
        """Copies of the rows at `index`, expanded."""
        return self.expansion.of_block(self.rows.take(index))


class ExpandedNoise(Noise):
    """Corrupts the features of expanded rows, and expands them again."""

    def __init__(self, noise: Noise, expansion: Expansion, features: Layout) -> None:
        self.noise = noise
        self.expansion = expansion
        self.features = features

    def apply(
        self,
        Z: np.ndarray,
        generator: np.random.Generator,
        layout: Layout,
        intensity: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return corrupted rows, and where they are corrupted."""
        features = Z[:, : self.features.n_features]
        corrupted, mask = self.noise.apply(
            features, generator, self.features, intensity
        )
        return self.expansion(corrupted), np.hstack(
            [mask, mask[:, self.expansion.feature]]
        )
