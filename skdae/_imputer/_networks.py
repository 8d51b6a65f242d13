"""Denoising networks that correct an estimate of missing cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae._core.monitor import PhaseRecord
from skdae._core.network import Head, Network, Shape, chunks
from skdae._core.sources import Block, TableSource
from skdae._imputer._masks import MaskedRows
from skdae._random import spawn_streams
from skdae._transformer._callbacks import Monitors, monitors
from skdae._transformer._parameters import resolve_parameters, training_settings
from skdae.noise import Layout
from skdae.schedules import Phase

LAYOUT_ROWS = 1_000  # that the spread of the network's inputs is read from


@dataclass(frozen=True)
class Refinement:
    """A network that predicts the errors of an estimate, cell by cell.

    It reads the filled row and which of its cells are missing, side by side.
    """

    network: Network  # (n, 2 * n_features) to (n, n_features)
    phases: tuple[PhaseRecord, ...]
    scale: np.ndarray  # (n_features,) root mean square of the errors in training
    step: np.ndarray  # (n_features,) share of the correction that is made, in [0, 1]

    def __call__(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the filled rows with their missing cells corrected."""
        return filled + self.step * missing * self.correction(filled, missing)

    def correction(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the predicted error of each cell, (n, n_features)."""
        predicted = np.empty(filled.shape)
        for part in chunks(len(filled)):
            # in float64: rounding depends on the number of rows, and trees would see it
            inputs = np.hstack([filled[part], missing[part]], dtype=np.float64)
            predicted[part] = self.network.decode(self.network.encode(inputs))
        return self.scale * predicted


@dataclass(frozen=True)
class CorrectionRows:
    """Filled rows and the errors of their hidden cells, as the core takes them."""

    filled: np.ndarray  # (n_rows, n_features) float32
    missing: np.ndarray  # (n_rows, n_features) bool
    error: np.ndarray  # (n_rows, n_features) float32, in units of `scale`
    hidden: np.ndarray  # (n_rows, n_features) bool: cells whose error counts

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.filled)

    @property
    def layout(self) -> Layout:
        """The spread of the inputs."""
        return Layout.from_data(self.take(np.arange(min(self.n_rows, LAYOUT_ROWS)))[0])

    def take(self, index: np.ndarray) -> Block:
        """Copies of the rows at `index`."""
        filled, missing = self.filled[index], self.missing[index]
        return Block(
            np.hstack([filled, missing], dtype=np.float32),
            None,
            self.error[index],
            self.hidden[index].astype(np.float32),
        )


def fit_refinement(
    transformer: Any,
    passes: Sequence[MaskedRows],
    filled: Sequence[np.ndarray],
    held_out: MaskedRows,
    held_out_filled: np.ndarray,
    seed: int,
) -> Refinement:
    """Train a network on the errors of filled rows; held-out rows set its steps."""
    refinement = _train(transformer, passes, filled, seed)
    correction = refinement.correction(held_out_filled, held_out.missing)
    return replace(refinement, step=_step(held_out, held_out_filled, correction))


def _train(
    transformer: Any,
    passes: Sequence[MaskedRows],
    filled: Sequence[np.ndarray],
    seed: int,
) -> Refinement:
    """Train a network with the parameters of an unfitted transformer.

    The epochs take the passes in turn.
    """
    from skdae._core.training import train

    errors = [part.errors(each) for part, each in zip(passes, filled, strict=True)]
    scale = _error_scale(errors, passes)
    rows = CorrectionRows(
        np.concatenate(filled, dtype=np.float32, casting="same_kind"),
        np.concatenate([part.missing for part in passes]),
        np.concatenate([error / scale for error in errors]).astype(np.float32),
        np.concatenate([part.hidden for part in passes]),
    )
    parameters = resolve_parameters(transformer)
    n_features, ends = len(scale), np.cumsum([len(part) for part in passes])
    everything = np.arange(rows.n_rows)
    source = TableSource(rows, everything, parts=tuple(np.split(everything, ends[:-1])))
    given = transformer.random_state
    streams = spawn_streams(seed if given is None else given)
    monitor = Monitors(monitors(parameters.plan, 0))
    _check_plan(parameters.plan)
    training = train(
        source,
        parameters.plan,
        _shape(transformer, parameters.widths, n_features),
        noise=None,  # the hidden cells are the corruption
        streams=streams,
        settings=replace(training_settings(transformer, len(passes[0])), emphasis=None),
        monitor=monitor,
    )
    monitor.fit_end(training.network)
    return Refinement(training.network, training.phases, scale, np.ones(n_features))


def _check_plan(plan: Sequence[Phase]) -> None:
    """Refuse phases whose length held-out rows decide."""
    if any(phase.passes_on for phase in plan):
        raise ValueError(
            "epoch_allocation='auto' of the transformer's schedule needs held-out "
            "rows, and an imputer's networks are trained on all of theirs; set "
            "epoch_allocation='equal' or shares of the epochs."
        )


def _shape(transformer: Any, widths: tuple[int, ...], n_features: int) -> Shape:
    """Return the shape of a network from filled rows and masks to errors."""
    if transformer.decoder == "tied":
        raise ValueError(
            "decoder='tied' of the transformer needs outputs as wide as the inputs, "
            "and an imputer's network predicts one error from two inputs per feature; "
            "set decoder='mirror' or 'direct'."
        )
    return Shape(
        (2 * n_features, *widths),
        transformer.decoder,
        False,
        transformer.activation,
        Head(n_features),
    )


def _error_scale(
    errors: Sequence[np.ndarray], passes: Sequence[MaskedRows]
) -> np.ndarray:
    """Return the root mean square of the errors of hidden cells, by feature."""
    n_hidden, squares = np.zeros((2, errors[0].shape[1]))
    for error, part in zip(errors, passes, strict=True):
        n_hidden += part.hidden.sum(axis=0)
        squares += (error**2).sum(axis=0)
    scale = np.sqrt(squares / np.maximum(n_hidden, 1))
    scale[scale == 0] = 1
    return scale


def _step(
    held_out: MaskedRows, filled: np.ndarray, correction: np.ndarray
) -> np.ndarray:
    """Return the share of a correction with the least squared error, by feature."""
    correction = np.where(held_out.hidden, correction, 0)
    size = (correction**2).sum(axis=0)
    product = (held_out.errors(filled) * correction).sum(axis=0)
    return np.clip(product / np.where(size > 0, size, 1), 0, 1)
