"""Training rows of fine-tuning: labelled rows, and others with pseudo-labels."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from skdae._core.network import Layer, Network, Shape
from skdae._core.sources import TableSource
from skdae._supervised._targets import Target
from skdae._table.rows import check_weights, training_rows
from skdae._table.sources import TableRows, TargetRows
from skdae._transformer import GradualDAETransformer


class Labels(NamedTuple):
    """Labels, and which rows have one."""

    y: np.ndarray  # (n_labelled,) or (n_labelled, n_outputs), checked
    known: np.ndarray  # (n_labelled,) rows of X with a label
    missing: np.ndarray  # (n_unlabelled,) the other rows


class Unlabelled(NamedTuple):
    """Rows without a label."""

    rows: TableRows
    weights: np.ndarray | None  # how often each row is drawn
    unit: float  # divisor of the weights that were passed


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows with their targets, in an order independent of that of X."""

    transformer: GradualDAETransformer  # pretrained
    rows: TargetRows
    target: Target
    weights: np.ndarray | None  # how often each row is drawn
    unit: float  # divisor of the weights that were passed
    groups: np.ndarray  # identical rows share a number
    class_weights: np.ndarray | None  # (n_classes,) in the loss; None: all 1

    def loss_weights(self, T: np.ndarray) -> np.ndarray | None:
        """Return the loss weight of each row; None: 1 everywhere."""
        if self.class_weights is None:
            return None
        return (T @ self.class_weights).astype(np.float32)

    @property
    def shape(self) -> Shape:
        """The encoder's shape with an output layer for the target."""
        network = self.transformer.network_
        widths = self.transformer._shape.widths[: len(network.encoder) + 1]
        return Shape(widths, "direct", False, network.activation, self.target.head)

    @property
    def start(self) -> Network:
        """The pretrained encoder under an output layer of zeros.

        Its first outputs are the mean, or equal probabilities of all classes, so that
        no random layer disturbs the pretrained encoder.
        """
        network = self.transformer.network_
        size = len(network.encoder[-1].bias), self.target.head.n_features
        output = Layer(np.zeros(size, np.float32), np.zeros(size[1], np.float32))
        return replace(network, decoder=(output,))


def without_held_out(source: TableSource) -> TableSource:
    """Return the source without its held-out rows."""
    return replace(source, held_out_index=None, held_out_rows=None)


def unlabelled_rows(
    transformer: GradualDAETransformer,
    raw: np.ndarray,
    labels: Labels,
    sample_weight: Any,
) -> Unlabelled | None:
    """Return the unlabelled rows with a value and a weight, None without any."""
    weights = check_weights(sample_weight, raw)
    index = labels.missing
    if weights is not None:
        index = index[weights[index] > 0]
    index = index[~np.isnan(raw[index]).all(axis=1)]
    if len(index) == 0:
        return None
    rows = training_rows(raw[index], None if weights is None else weights[index])
    table = TableRows(transformer.table_encoder_, raw, index[rows.index])
    return Unlabelled(table, rows.weights, rows.unit)


def _joined(
    first: np.ndarray | None, n: int, second: np.ndarray | None, m: int
) -> np.ndarray | None:
    """Return the weights of n and of m rows in one array; None: 1 everywhere."""
    if first is None and second is None:
        return None
    parts = (first, n), (second, m)
    return np.concatenate(
        [np.ones(k, np.float32) if part is None else part for part, k in parts]
    )


def beside(
    source: TableSource,
    labelled: TargetRows,
    others: Unlabelled,
    pseudo: np.ndarray,
    weight: float,
) -> TableSource:
    """Return labelled and pseudo-labelled rows as one source."""
    n, m = labelled.n_rows, others.rows.n_rows
    shares = None if weight == 1 else np.full(m, weight, np.float32)
    table = replace(
        labelled.rows, index=np.append(labelled.rows.index, others.rows.index)
    )
    rows = TargetRows(
        table,
        np.vstack([labelled.target, pseudo]),
        _joined(labelled.weight, n, shares, m),
    )
    return replace(
        source,
        rows=rows,
        index=np.append(source.index, np.arange(n, n + m)),
        weights=_joined(source.weights, n, others.weights, m),
    )


def stratified(
    labelled: LabelledRows,
    fraction: float,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> np.ndarray:
    """Return which rows to hold out, (n_rows,) bool: a share of each stratum.

    Identical rows are all held out or all trained on.
    """
    found, first, group = np.unique(
        labelled.groups, return_index=True, return_inverse=True
    )
    order = generator.permutation(len(found))
    stratum = strata[first][order]
    rank = np.empty(len(order))  # within the stratum, as a share of it
    for each in np.unique(stratum):
        own = np.flatnonzero(stratum == each)
        rank[own] = (np.arange(len(own)) + 0.5) / len(own)
        rank[own[-1]] = np.inf  # one row of each stratum is trained on
    n_eligible = np.isfinite(rank).sum()
    if n_eligible == 0:
        raise ValueError(
            f"validation_fraction={fraction} of {len(found)} different rows with a "
            "label cannot be held out and leave one of each class to train on; add "
            "rows, pass X_val and y_val, or hold nothing out."
        )
    n_held_out = min(max(1, round(fraction * len(found))), n_eligible)
    held_out = np.zeros(len(found), dtype=bool)
    held_out[order[np.argsort(rank, kind="stable")[:n_held_out]]] = True
    return held_out[group]
