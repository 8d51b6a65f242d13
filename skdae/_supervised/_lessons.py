"""Which rows are told what: those with a label, and others with pseudo-labels."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from skdae._network import Layer, Network, Shape
from skdae._sources import TableRows, TableSource, TargetRows
from skdae._supervised._targets import Target
from skdae._transformer import GradualDAETransformer
from skdae._validation import check_weights, training_rows


class Labels(NamedTuple):
    """Which rows have a label, and what it is."""

    y: np.ndarray  # (n_labelled,) or (n_labelled, n_outputs), checked
    known: np.ndarray  # (n_labelled,) rows of X that have one
    missing: np.ndarray  # (n_unlabelled,) the other rows


class Unlabelled(NamedTuple):
    """Rows without a label."""

    rows: TableRows
    weights: np.ndarray | None  # how often each row is drawn


@dataclass(frozen=True)
class Lesson:
    """Rows with their targets, in an order that the order of X has no part in."""

    transformer: GradualDAETransformer  # pretrained
    rows: TargetRows
    target: Target
    weights: np.ndarray | None  # how often each row is drawn
    groups: np.ndarray  # rows that are alike share a number

    @property
    def shape(self) -> Shape:
        """The encoder's shape with an output layer for the target."""
        network = self.transformer.network_
        widths = self.transformer._fitted_shape.widths[: len(network.encoder) + 1]
        return Shape(widths, "direct", False, network.activation, self.target.head)

    @property
    def start(self) -> Network:
        """The pretrained encoder under an output layer of zeros.

        What it says at first is the mean, or that all classes are equally likely, so
        that no random layer pulls the encoder away from what it has learned.
        """
        network = self.transformer.network_
        size = len(network.encoder[-1].bias), self.target.head.n_features
        output = Layer(np.zeros(size, np.float32), np.zeros(size[1], np.float32))
        return replace(network, decoder=(output,))


def without_held_out(source: TableSource) -> TableSource:
    """Return the rows to train on alone."""
    return replace(source, held_out_index=None, held_out_rows=None)


def unlabelled_rows(
    transformer: GradualDAETransformer,
    raw: np.ndarray,
    labels: Labels,
    sample_weight: Any,
) -> Unlabelled:
    """Return the rows without a label."""
    weights = check_weights(sample_weight, raw)
    rows = training_rows(
        raw[labels.missing], None if weights is None else weights[labels.missing]
    )
    table = TableRows(transformer.columns_, raw, labels.missing[rows.index])
    return Unlabelled(table, rows.weights)


def _joined(
    first: np.ndarray | None, n: int, second: np.ndarray | None, m: int
) -> np.ndarray | None:
    """Return the weights of n and of m rows in one array; None: 1 everywhere."""
    if first is None and second is None:
        return None
    return np.append(
        np.ones(n) if first is None else first, np.ones(m) if second is None else second
    )


def beside(
    source: TableSource,
    labelled: TargetRows,
    others: Unlabelled,
    pseudo: np.ndarray,
    weight: float,
) -> TableSource:
    """Return labelled rows and others with pseudo-labels of a weight as one source."""
    n, m = labelled.n_rows, others.rows.n_rows
    shares = None if weight == 1 else np.full(m, np.float32(weight))
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
    lesson: Lesson,
    fraction: float,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> np.ndarray:
    """Return which rows to hold out, (n_rows,) bool: a share of each stratum.

    Rows that are alike stay on one side.
    """
    found, first, group = np.unique(
        lesson.groups, return_index=True, return_inverse=True
    )
    if len(found) < 2:
        raise ValueError(
            f"validation_fraction={fraction} of {len(found)} different row with a "
            "label leaves none to train on; add rows, pass X_val and y_val, or hold "
            "nothing out."
        )
    order = generator.permutation(len(found))
    stratum = strata[first][order]
    place = np.empty(len(order))  # within the stratum, as a share of it
    for each in np.unique(stratum):
        own = np.flatnonzero(stratum == each)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    n_held_out = min(max(1, round(fraction * len(found))), len(found) - 1)
    held_out = np.zeros(len(found), dtype=bool)
    held_out[order[np.argsort(place, kind="stable")[:n_held_out]]] = True
    return held_out[group]
