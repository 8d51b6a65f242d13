"""Training rows of fine-tuning: labelled ones, unlabelled ones, and those held out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae._core.network import Layer, Network, Shape
from skdae._core.sources import Block, EncodedRows, TableSource
from skdae._supervised._labels import Labels
from skdae._supervised._pretraining import Pretrained
from skdae._supervised._targets import Target
from skdae._table.rows import TrainingRows, check_weights, training_rows
from skdae._table.sources import TableRows, TargetRows
from skdae.noise import Layout


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
    groups: np.ndarray  # identical rows share a number
    class_weights: np.ndarray | None  # (n_classes,) in the loss; None: all 1

    @property
    def source(self) -> TableSource:
        """All of the rows, to train on."""
        return TableSource(self.rows, np.arange(self.rows.n_rows), self.weights)

    @property
    def shape(self) -> Shape:
        """The encoder's shape with an output layer for the target."""
        layers = self.pretrained.network.encoder
        widths = (len(layers[0].weight), *(len(layer.bias) for layer in layers))
        activation = self.pretrained.network.activation
        return Shape(widths, "direct", False, activation, self.target.head)

    @property
    def start(self) -> Network:
        """The pretrained encoder under an output layer of zeros.

        Its first outputs are the mean, or equal probabilities of all classes, so that
        no random layer disturbs the pretrained encoder.
        """
        network = self.pretrained.network
        size = len(network.encoder[-1].bias), self.target.head.n_features
        output = Layer(np.zeros(size, np.float32), np.zeros(size[1], np.float32))
        return replace(network, decoder=(output,))


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


# --- held-out rows -------------------------------------------------------------------


def hold_out(source: TableSource, is_held_out: np.ndarray) -> TableSource:
    """Return a source with some of its rows held out, (n_rows,) bool."""
    index = np.arange(source.rows.n_rows)
    return replace(source, index=index[~is_held_out], held_out_index=index[is_held_out])


def fold_numbers(
    labelled: LabelledRows,
    n_folds: int,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> np.ndarray:
    """Return the fold of each row, (n_rows,): equal shares of each stratum in each.

    Identical rows are in one fold.
    """
    found, first, group = np.unique(
        labelled.groups, return_index=True, return_inverse=True
    )
    order = generator.permutation(len(found))
    by_stratum = order[np.argsort(strata[first][order], kind="stable")]
    fold = np.empty(len(found), dtype=int)
    fold[by_stratum] = np.arange(len(found)) % n_folds
    return fold[group]


def without_held_out(source: TableSource) -> TableSource:
    """Return the rows to train on alone."""
    return replace(source, held_out_index=None, held_out_rows=None)


def stratified(
    labelled: LabelledRows,
    fraction: float,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> np.ndarray:
    """Return which rows to hold out, (n_rows,) bool: a share of each stratum.

    Identical rows stay on one side.
    """
    found, first, group = np.unique(
        labelled.groups, return_index=True, return_inverse=True
    )
    order = generator.permutation(len(found))
    stratum = strata[first][order]
    place = np.empty(len(order))  # within the stratum, as a share of it
    for each in np.unique(stratum):
        own = np.flatnonzero(stratum == each)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
        place[own[-1]] = np.inf  # one of each is trained on
    n_can_be = np.isfinite(place).sum()
    if n_can_be == 0:
        raise ValueError(
            f"validation_fraction={fraction} of {len(found)} different rows with a "
            "label cannot be held out and leave one of each class to train on; add "
            "rows, pass X_val and y_val, or hold nothing out."
        )
    n_held_out = min(max(1, round(fraction * len(found))), n_can_be)
    held_out = np.zeros(len(found), dtype=bool)
    held_out[order[np.argsort(place, kind="stable")[:n_held_out]]] = True
    return held_out[group]
