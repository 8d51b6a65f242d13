"""The choice of how far a network is fitted to the labels, by held-out labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import log_softmax

from skdae._core.network import Head, Layer
from skdae._core.sources import HeldOut, TableSource
from skdae._random import Streams, spawn_streams
from skdae._supervised._linear import fit_path
from skdae._supervised._rows import LabelledRows, fold_numbers, hold_out
from skdae._supervised._targets import fitting_temperature
from skdae._supervised._training import (
    Configuration,
    Predictor,
    fine_tune,
    quiet,
)

# Few labels or noisy ones want dropout and a slow encoder, many clean ones neither, and
# nearly linear ones the linear path (benchmarks/downstream.py --candidates).
CANDIDATES = tuple(
    Configuration(dropout, encoder_rate, unfreezing, linear_path)
    for dropout, encoder_rate, unfreezing in (
        (0.25, 0.3, "gradual"),
        (0.0, 1.0, "joint"),
    )
    for linear_path in (False, True)
)
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the network beside a linear path
CLASS_SHARES = (1.0, 0.0)  # part of a network of classes errs more often than either
N_FOLDS = 3
MIN_ROWS = 20  # different labelled rows; fewer decide nothing
MAX_FOLDED_ROWS = 3_000  # labelled rows; of more, only one part is held out
MAX_ROWS = 10_000  # that a candidate is trained on


@dataclass(frozen=True)
class FineTuning:
    """How the network was fitted to the labels.

    Attributes
    ----------
    configuration : Configuration
        The chosen `dropout`, `encoder_rate`, `unfreezing` and `linear_path`.
    network_share : float
        Factor of the network's outputs beside those of the linear path; 0 is the linear
        path alone, and 1 without one.
    held_out_losses : tuple of (Configuration, float)
        Mean loss of held-out labels of each candidate; empty where nothing was chosen.
    """

    configuration: Configuration
    network_share: float = 1.0
    held_out_losses: tuple[tuple[Configuration, float], ...] = ()


def candidates_of(estimator: Any, n_layers: int) -> list[Configuration]:
    """Return the configurations that the parameters leave open, the default first."""
    found = dict.fromkeys(each.fixed_by(estimator) for each in CANDIDATES)
    max_iter = np.inf if estimator.max_iter == "auto" else estimator.max_iter
    fitting = [each for each in found if len(each.phases(n_layers, 10**6)) <= max_iter]
    return fitting or list(found)


def select(
    estimator: Any,
    labelled: LabelledRows,
    source: TableSource,
    strata: np.ndarray,
    streams: Streams,
) -> FineTuning:
    """Return the candidate of the lowest held-out loss.

    The candidates share the pretrained encoder. Held out are the rows that are held out
    anyway, or else thirds of the labelled rows in turn.
    """
    candidates = candidates_of(estimator, labelled.pretrained.n_layers)
    n_different = len(np.unique(labelled.groups[source.index]))
    if len(candidates) == 1 or n_different < MIN_ROWS:
        return FineTuning(candidates[0])
    seed = int(streams.init.integers(2**32))
    folds = [
        _Fold.of(part, labelled, candidates, seed)
        for part in _parts(labelled, source, strata, streams.split)
    ]
    trials = []
    for candidate in candidates:
        parts = [fold.outputs(estimator, labelled, candidate, seed) for fold in folds]
        trials.append(_best_share(candidate, parts, folds, labelled.target.head))
    losses = [loss for loss, _ in trials]
    best = int(np.argmin(losses))
    ranked = tuple(zip(candidates, losses, strict=True))
    return FineTuning(candidates[best], trials[best][1], ranked)


@dataclass(frozen=True)
class _Fold:
    """Rows to train a candidate on, and held-out rows to compare them by."""

    source: TableSource
    held_out: HeldOut
    path: Layer | None  # of the rows to train on

    @classmethod
    def of(
        cls,
        source: TableSource,
        labelled: LabelledRows,
        candidates: Sequence[Configuration],
        seed: int,
    ) -> "_Fold":
        """A fold whose rows are trained on and held out by a source."""
        path = None
        if any(candidate.linear_path for candidate in candidates):
            path = fit_path(source, labelled.target.head, seed)
        held_out = source.held_out
        if held_out is None:
            raise RuntimeError("A fold of the selection holds no rows out.")
        return cls(source, held_out, path)

    def outputs(
        self,
        estimator: Any,
        labelled: LabelledRows,
        candidate: Configuration,
        seed: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Outputs of the linear path and of a network trained beside it."""
        path = self.path if candidate.linear_path else None
        training = fine_tune(
            estimator,
            labelled,
            self.source,
            spawn_streams(seed),
            candidate,
            quiet,
            path=path,
        )
        return Predictor(training.network, path).parts(self.held_out.block.values)


def _parts(
    labelled: LabelledRows,
    source: TableSource,
    strata: np.ndarray,
    generator: np.random.Generator,
) -> list[TableSource]:
    """Return the source with other rows held out each time."""
    if source.held_out is not None:
        return [source]
    number = fold_numbers(labelled, N_FOLDS, generator, strata)
    parts = []
    for k in range(N_FOLDS if len(number) <= MAX_FOLDED_ROWS else 1):
        part = hold_out(source, number == k)
        kept = np.sort(generator.permutation(part.index)[:MAX_ROWS])
        parts.append(replace(part, index=kept))
    return parts


def _best_share(
    candidate: Configuration,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    folds: Sequence[_Fold],
    head: Head,
) -> tuple[float, float]:
    """Return the lowest mean held-out loss, and the network's share that has it."""
    linear, network = (np.concatenate(each) for each in zip(*parts, strict=True))
    blocks = [fold.held_out.block for fold in folds]
    T = np.concatenate([np.asarray(block.target) for block in blocks])
    weights = np.concatenate(
        [
            fold.held_out.weights
            * (1 if fold.held_out.block.weight is None else fold.held_out.block.weight)
            for fold in folds
        ]
    )
    shares: Sequence[float] = CLASS_SHARES if head.groups else SHARES
    shares = shares if candidate.linear_path else shares[:1]
    losses = [held_out_loss(linear + s * network, T, weights, head) for s in shares]
    best = int(np.argmin(losses))
    return losses[best], shares[best]


def held_out_loss(
    outputs: np.ndarray, T: np.ndarray, weights: np.ndarray, head: Head
) -> float:
    """Return the mean loss of outputs before the activation of the head.

    For classes, the log loss at the best temperature: a network without dropout is
    often right and too sure of it, which alone should not decide.
    """
    if not head.groups:
        losses = ((outputs - T) ** 2).sum(axis=1) / 2
    else:
        temperature = fitting_temperature(outputs, T.argmax(axis=1), weights)
        losses = -(T * log_softmax(outputs / temperature, axis=1)).sum(axis=1)
    return float(weights @ losses / weights.sum())
