"""The training of a network on a matrix that has been read from a table.

What the transformer does in its own fits, and what other estimators do with the
parameters of a transformer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from skdae._core.monitor import Monitor
from skdae._core.network import Network, Shape
from skdae._core.sources import TableSource
from skdae._random import spawn_streams
from skdae._table.encoder import TableEncoder
from skdae._table.rows import TrainingRows, training_rows
from skdae._table.sources import StreamSource, TableRows, encoded_block
from skdae._transformer._code_scale import code_scale
from skdae._transformer._mixture import (
    MAX_HELD_OUT,
    MAX_LINEAR_ROWS,
    MIN_HELD_OUT,
    Mixture,
    learn_mixture,
    learn_small_mixture,
)
from skdae._transformer._parameters import (
    ResolvedParameters,
    check_held_out,
    check_rows,
    network_shape,
    training_settings,
)
from skdae._transformer._sharing import shared_run
from skdae.schedules import Phase

# Of fewer rows than two hundred, where a tenth does not rank estimates by column.
N_FOLDS = 5
MIN_FEW_HELD_OUT = 4  # rows of a fold: fewer do not rank a network even in all columns

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

    @cached_property
    def encoded(self) -> TableRows:
        """The training rows as the network sees them."""
        return TableRows(self.encoder, self.raw, self.rows.index)

    @property
    def n_repeated(self) -> int:
        """Training rows, each as often as its weight says."""
        return len(self.rows.repeated[0])

    def code_scale(self, network: Network) -> float:
        """Return the scale of a network's codes beside the inputs."""
        return code_scale(network, self.encoded, self.rows)


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

    opening: Opening
    training: Any  # Training of the core
    mixture: Mixture | None = None  # None: the network alone

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
    mixes: bool = False,
) -> FittedNetwork:
    """Train a network on the rows of a table.

    With `mixes`, rows are held out to learn what is rebuilt from network and linear
    estimate, where there are enough.
    """
    from skdae._core.training import train

    streams = spawn_streams(transformer.random_state)
    stops_early = transformer.early_stopping
    is_watched = stops_early or any(phase.passes_on for phase in plan)
    holds_out = is_watched or (mixes and _can_hold_out(transformer, opening.rows))
    fraction = transformer.validation_fraction if holds_out else None
    source = training_source(opening, fraction, streams.split)
    trained = source if is_watched else replace(source, held_out_index=None)
    settings = training_settings(transformer, opening.n_repeated)
    noise = opening.parameters.noise
    training = train(
        trained,
        plan,
        opening.shape,
        noise=noise,
        streams=streams,
        settings=replace(settings, stops_early=stops_early),
        initial=initial,
        monitor=monitor,
        shared=shared_run(transformer, trained, noise, streams, initial),
    )
    mixture, train_index, held_out = None, source.index, source.held_out_index
    if mixes and held_out is not None and _enough(len(held_out), len(train_index)):
        mixture = _mixture(
            opening, train_index, held_out, training.network, streams.split
        )
    elif mixes and transformer.validation_fraction is not None:
        mixture = _small_mixture(
            transformer, opening, plan, source, training.network, streams.split
        )
    return FittedNetwork(opening, training, mixture)


def _small_mixture(
    transformer: Any,
    opening: Opening,
    plan: tuple[Phase, ...],
    source: TableSource,
    network: Network,
    generator: np.random.Generator,
) -> Mixture | None:
    """Return what a network is mixed with that has learned from few rows.

    Rows that it has not seen decide, or one that has not seen a fifth of the rows
    stands for it. Of very few rows the linear estimate and the cells are mixed alone.
    None of fewer rows than folds.
    """
    groups = opening.rows.groups
    different = generator.permutation(np.unique(groups))
    if len(different) < N_FOLDS:
        return None
    folds = [np.isin(groups, part) for part in np.array_split(different, N_FOLDS)]
    stand_in: Network | None = None
    held_out = source.held_out_index
    if held_out is not None and len(held_out) >= MIN_FEW_HELD_OUT:
        stand_in, folds = network, [np.isin(np.arange(len(groups)), held_out)]
    elif held_out is None and folds[0].sum() >= MIN_FEW_HELD_OUT:
        folds = folds[:1]
        part = replace(source, index=np.flatnonzero(~folds[0]))
        stand_in = _stand_in(transformer, opening, plan, part, generator)
    rows = source.rows.take(np.arange(len(groups)))
    noise = opening.parameters.noise
    return learn_small_mixture(opening.encoder, stand_in, noise, rows, folds, generator)


def _stand_in(
    transformer: Any,
    opening: Opening,
    plan: tuple[Phase, ...],
    source: TableSource,
    generator: np.random.Generator,
) -> Network:
    """Return a network trained like another one, on some of its rows."""
    from skdae._core.training import train

    streams = spawn_streams(int(generator.integers(2**32)))
    noise = opening.parameters.noise
    training = train(
        source,
        plan,
        opening.shape,
        noise=noise,
        streams=streams,
        settings=training_settings(transformer, opening.n_repeated),
        shared=shared_run(transformer, source, noise, streams, None),
    )
    return training.network


def _can_hold_out(transformer: Any, rows: TrainingRows) -> bool:
    """Return whether there are enough rows to hold some out for the mixture."""
    fraction = transformer.validation_fraction
    if fraction is None or hasattr(fraction, "get_n_splits"):
        return fraction is not None
    n_different = len(np.unique(rows.groups))
    held_out = round(fraction * n_different)
    return _enough(held_out, n_different - held_out)


def _enough(n_held_out: int, n_train: int) -> bool:
    """Return whether there are enough rows to learn a mixture from."""
    return min(n_held_out, n_train) >= MIN_HELD_OUT


def stream_source(
    opening: Opening, read: Callable[[], Iterable[np.ndarray]]
) -> StreamSource:
    """Return rows that are read again in each epoch, by one pass over raw batches."""
    sample = encoded_block(opening.encoder, opening.raw[opening.rows.index])
    return StreamSource(read, opening.encoder, sample)


def training_source(
    opening: Opening, fraction: Any, generator: np.random.Generator
) -> TableSource:
    """Return the rows to train on, and those that are held out."""
    rows = opening.rows
    if not hasattr(fraction, "get_n_splits"):
        return TableSource.split(
            opening.encoded, rows.weights, fraction, generator, rows.groups
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


def _mixture(
    opening: Opening,
    train: np.ndarray,
    held_out: np.ndarray,
    network: Network,
    generator: np.random.Generator,
) -> Mixture:
    """Return what a network is mixed with, by rows that it has not seen."""
    if len(train) > MAX_LINEAR_ROWS:
        train = np.sort(generator.choice(train, MAX_LINEAR_ROWS, replace=False))
    if len(held_out) > MAX_HELD_OUT:
        held_out = np.sort(generator.choice(held_out, MAX_HELD_OUT, replace=False))
    rows = opening.encoded
    return learn_mixture(
        opening.encoder,
        network,
        opening.parameters.noise,
        rows.take(train),
        rows.take(held_out),
        generator,
    )
