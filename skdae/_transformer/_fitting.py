"""The training of a network on a matrix that has been read from a table.

What the transformer does in its own fits, and what other estimators do with the
parameters of a transformer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._core.monitor import Monitor
from skdae._core.network import Network, Shape
from skdae._core.sources import TableSource
from skdae._random import Streams, spawn_streams
from skdae._table.encoder import TableEncoder
from skdae._table.rows import TrainingRows, training_rows
from skdae._table.sources import TableRows
from skdae._transformer._parameters import (
    ResolvedParameters,
    check_held_out,
    check_rows,
    network_shape,
    training_settings,
)
from skdae.schedules import Phase

#: From a raw matrix, the indices of training rows and their weights.
LearnEncoder = Callable[[np.ndarray, np.ndarray, np.ndarray | None], TableEncoder]


@dataclass(frozen=True)
class Opening:
    """All that is known before the first training step."""

    parameters: ResolvedParameters
    raw: np.ndarray  # (n_samples, n_columns)
    rows: TrainingRows
    encoder: TableEncoder
    shape: Shape

    @property
    def encoded(self) -> TableRows:
        """The training rows as the network sees them."""
        return TableRows(self.encoder, self.raw, self.rows.index)

    @property
    def n_repeated(self) -> int:
        """Training rows, each as often as its weight says."""
        return len(self.rows.repeated[0])


def open_fit(
    transformer: Any,
    parameters: ResolvedParameters,
    raw: np.ndarray,
    learn_encoder: LearnEncoder,
    sample_weight: Any = None,
    *,
    at_least: int = 2,
    holds_out: bool = False,
) -> Opening:
    """Return what a fit starts from, for a table that has been read as a matrix."""
    rows = training_rows(raw, sample_weight)
    check_rows(rows, at_least=at_least)
    if holds_out:
        check_held_out(transformer, rows)
    encoder = learn_encoder(raw, *rows.repeated)
    shape = network_shape(transformer, parameters, encoder)
    return Opening(parameters, raw, rows, encoder, shape)


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network, and the encoding of the tables it is for."""

    encoder: TableEncoder
    shape: Shape
    training: Any  # Training of the core

    @property
    def network(self) -> Network:
        """The trained network."""
        return self.training.network


def train_rows(
    transformer: Any,
    opening: Opening,
    plan: tuple[Phase, ...],
    monitor: Monitor,
    *,
    initial: Network | None = None,
) -> FittedNetwork:
    """Train a network on the rows of a table."""
    from skdae._core.training import train

    streams = spawn_streams(transformer.random_state)
    source = _training_source(transformer, opening, streams)
    training = train(
        source,
        plan,
        opening.shape,
        noise=opening.parameters.noise,
        streams=streams,
        settings=training_settings(transformer, opening.n_repeated),
        initial=initial,
        monitor=monitor,
    )
    return FittedNetwork(opening.encoder, opening.shape, training)


def _training_source(
    transformer: Any, opening: Opening, streams: Streams
) -> TableSource:
    """Return the rows to train on, and those held out for early stopping."""
    rows, fraction = opening.rows, transformer.validation_fraction
    if not transformer.early_stopping:
        fraction = None
    if not hasattr(fraction, "get_n_splits"):
        return TableSource.split(
            opening.encoded, rows.weights, fraction, streams.split, rows.groups
        )
    train, held_out = next(iter(fraction.split(opening.raw)))
    is_trained, is_held_out = (
        np.flatnonzero(np.isin(rows.index, part)) for part in (train, held_out)
    )
    if not len(is_trained) or not len(is_held_out):
        raise ValueError(
            f"validation_fraction={fraction!r} leaves {len(is_trained)} rows with a "
            f"value to train on and {len(is_held_out)} held out; choose another "
            "splitter, or a fraction."
        )
    return TableSource(opening.encoded, is_trained, rows.weights, is_held_out)
