"""Training rows of fine-tuning: labelled ones and unlabelled ones."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae._core.network import Layer, Network
from skdae._core.sources import Block, EncodedRows, TableSource
from skdae._supervised._expansion import Expansion
from skdae._supervised._labels import Labels
from skdae._supervised._pretraining import Pretrained
from skdae._supervised._targets import Target
from skdae._table.rows import TrainingRows, check_weights, training_rows
from skdae._table.sources import TableRows, TargetRows
from skdae.noise import Layout
from skdae.timeseries._groups import group_codes


@dataclass(frozen=True)
class Unlabelled:
    """Rows without a label."""

    rows: TableRows
    weights: np.ndarray | None  # how often each row is drawn
    unit: float  # divisor of the weights that were passed


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows with their targets, in an order independent of that of X."""

    pretrained: Pretrained
    rows: TargetRows
    target: Target
    weights: np.ndarray | None  # how often each row is drawn
    unit: float  # divisor of the weights that were passed
    copies: np.ndarray  # identical rows share a number
    groups: np.ndarray | None  # numbers of the groups that were passed
    class_weights: np.ndarray | None  # (n_classes,) in the loss; None: all 1

    @property
    def source(self) -> TableSource:
        """All of the rows, to train on."""
        return TableSource(self.rows, np.arange(self.rows.n_rows), self.weights)

    @property
    def together(self) -> np.ndarray:
        """A number that rows share which are held out together, (n_rows,)."""
        return self.copies if self.groups is None else self.groups

    @property
    def places(self) -> np.ndarray:
        """Place of each row in the table that was passed, (n_rows,)."""
        return self.rows.rows.index

    def expansion(self, n_bins: int) -> Expansion | None:
        """The intervals of their numeric columns; None for no bins or no intervals."""
        return Expansion.fit(self.rows, n_bins) if n_bins else None

    def start(self, expansion: Expansion | None) -> Network:
        """The pretrained encoder under an output layer of zeros.

        Its first outputs are the mean, or equal probabilities of all classes, so that
        no random layer disturbs the pretrained encoder.
        """
        network = self.pretrained.network
        size = len(network.encoder[-1].bias), self.target.head.n_features
        output = Layer(np.zeros(size, np.float32), np.zeros(size[1], np.float32))
        network = replace(network, decoder=(output,), head=self.target.head)
        return network if expansion is None else expansion.of_network(network)


@dataclass(frozen=True)
class OffsetRows:
    """Rows whose targets the network is to predict together with a linear path."""

    rows: EncodedRows  # with targets
    path: Layer

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.n_rows

    @property
    def layout(self) -> Layout:
        """Columns of the encoded features."""
        return self.rows.layout

    def take(self, index: np.ndarray) -> Block:
        """Copies of the rows at `index`, with the outputs of the linear path."""
        return with_offset(self.rows.take(index), self.path)


def with_offset(block: Block, path: Layer) -> Block:
    """Return rows with the outputs of the linear path."""
    return block._replace(offset=path(block.values))


def loss_weights(T: np.ndarray, class_weights: np.ndarray | None) -> np.ndarray | None:
    """Return the loss weight of rows by their one-hot targets; None: 1 everywhere."""
    return None if class_weights is None else (T @ class_weights).astype(np.float32)


def group_numbers(groups: Any, labels: Labels) -> np.ndarray | None:
    """Return the group of each labelled row, (n_labelled,).

    None without groups, and with a warning where all of them are of one.
    """
    if groups is None:
        return None
    codes = group_codes(groups, len(labels.known) + len(labels.missing))
    numbers = codes[labels.known]
    if len(np.unique(numbers)) > 1:
        return numbers
    warnings.warn(
        "groups names one group for all labelled rows, of which no part can be held "
        "out as a whole; rows are held out as without groups. Pass groups=None to ask "
        "for that.",
        UserWarning,
        stacklevel=3,
    )
    return None


def training_part(
    pretrained: Pretrained, labels: Labels, sample_weight: Any
) -> TrainingRows:
    """Return which of the labelled rows to learn from; indices count these alone."""
    raw = pretrained.raw
    weights = check_weights(sample_weight, raw)
    if weights is not None:
        weights = weights[labels.known]
    labelled = raw[labels.known] if len(labels.missing) else raw
    return training_rows(labelled, weights, labels.sort_keys)


def unlabelled_rows(
    pretrained: Pretrained, labels: Labels, sample_weight: Any
) -> Unlabelled | None:
    """Return the rows without a label that have a value and a weight, if any."""
    raw = pretrained.raw
    weights = check_weights(sample_weight, raw)
    index = labels.missing
    if weights is not None:
        index = index[weights[index] > 0]
    index = index[~np.isnan(raw[index]).all(axis=1)]
    if len(index) == 0:
        return None
    rows = training_rows(raw[index], None if weights is None else weights[index])
    table = TableRows(pretrained.encoder, raw, index[rows.index])
    return Unlabelled(table, rows.weights, rows.unit)
