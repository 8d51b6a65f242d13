"""The choice of how far a network is fitted to the labels, by held-out labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import log_softmax
from scipy.stats import gmean

from skdae._core.network import Head, Layer
from skdae._core.sources import HeldOut, TableSource
from skdae._random import Streams, spawn_streams
from skdae._supervised._folds import folds_of, hold_out
from skdae._supervised._linear import fit_path
from skdae._supervised._rows import LabelledRows
from skdae._supervised._targets import fitting_temperature
from skdae._supervised._training import (
    Configuration,
    Predictor,
    fine_tune,
    quiet,
)

# Few labels or noisy ones want dropout and a slow encoder, many clean ones neither;
# the linear path is averaged with the first and part of the second. A choice among both
# with and without it erred more often on validation rows (three sets of numbers, 300
# labels: 1.11 times the error of the first alone instead of 1.00, by random folds).
CANDIDATES = (
    Configuration(0.25, 0.3, "gradual", False),
    Configuration(0.0, 1.0, "joint", True),
)
# Where intervals may be read as well: targets with steps are found through them by the
# first and the last, smooth ones without errors still by the second (errors of the
# choice on validation rows of nine sets, 300 and 1,000 labels: 0.92 times those of the
# two above, and on eleven simulated tables 0.96)
EXPANDED_CANDIDATES = (
    Configuration(0.25, 0.3, "gradual", False, 8),
    Configuration(0.0, 1.0, "joint", True, 0),
    Configuration(0.25, 1.0, "joint", True, 8),
)
# Numeric columns up to which 300 labels are learned in twice the time of pretraining:
# 128 took five times the time of none, and for more errors (gas_drift, .037 for .027)
MAX_EXPANDED = 64
SHARES = tuple(np.linspace(1, 0, 21).tolist())  # of the network, for numbers
CLASS_SHARES = (1.0, 0.0)  # averages of classes err more often than the better one
PATH_ALONE = (0.0, 1.0)  # shares of network and path
TINY = float(np.finfo(float).tiny)
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
        The chosen `dropout`, `encoder_rate`, `unfreezing`, `linear_path` and `n_bins`.
    network_share, path_share : float
        Factors of the outputs of the network and of a linear model of the encoded
        inputs. A network that was trained beside the linear model counts in part, and
        the linear model fully; of others the two shares make one.
    held_out_losses : tuple of (Configuration, float)
        Mean loss of held-out labels of each candidate, the geometric mean where rows
        were held out in two ways; empty where nothing was chosen.
    """

    configuration: Configuration
    network_share: float = 1.0
    path_share: float = 0.0
    held_out_losses: tuple[tuple[Configuration, float], ...] = ()

    @property
    def of_student(self) -> "FineTuning":
        """The same for a student, whose teachers' predictions are averages already."""
        only = alone(self.configuration)
        return replace(self, network_share=1.0, path_share=only.path_share)


def candidates_of(
    estimator: Any,
    n_layers: int,
    candidates: Sequence[Configuration] = CANDIDATES,
) -> list[Configuration]:
    """Return the configurations that the parameters leave open, the default first."""
    found = dict.fromkeys(each.fixed_by(estimator) for each in candidates)
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
    anyway, or else thirds of the labelled rows in turn, see `folds_of`; of two groups
    each.
    """
    n_layers = labelled.pretrained.n_layers
    default = alone(candidates_of(estimator, n_layers)[0])
    wanted = EXPANDED_CANDIDATES if _is_expanded(estimator, labelled) else CANDIDATES
    candidates = candidates_of(estimator, n_layers, wanted)
    n_different = len(np.unique(labelled.copies[source.index]))
    if len(candidates) == 1 or n_different < MIN_ROWS:
        return default
    seed = int(streams.init.integers(2**32))
    has_path = bool(estimator.linear_path)  # 'auto' or True
    ways = [
        [_Fold.of(part, labelled, seed if has_path else None) for part in parts]
        for parts in _ways(labelled, source, strata, streams.split)
    ]
    if not all(fold.weights(labelled).any() for folds in ways for fold in folds):
        return default  # of groups of one class each
    trials = []
    for candidate in candidates:
        outputs = [
            [fold.outputs(estimator, labelled, candidate, seed) for fold in folds]
            for folds in ways
        ]
        held_out = [
            _HeldOutRows.of(parts, folds, labelled)
            for parts, folds in zip(outputs, ways, strict=True)
        ]
        trials.append((*_best_shares(candidate, has_path, held_out), held_out))
    losses = [loss for loss, *_ in trials]
    best = int(np.argmin(losses))
    _, shares, held_out = trials[best]
    if has_path and not _is_ahead_of_path(shares, held_out):
        shares = PATH_ALONE
    ranked = tuple(zip(candidates, losses, strict=True))
    return FineTuning(candidates[best], *shares, ranked)


def _is_expanded(estimator: Any, labelled: LabelledRows) -> bool:
    """Return whether intervals are among the candidates."""
    if estimator.n_bins != "auto":
        return bool(estimator.n_bins)
    if np.count_nonzero(labelled.rows.layout.numeric) > MAX_EXPANDED:
        return False
    return labelled.expansion(EXPANDED_CANDIDATES[0].n_bins) is not None


def alone(configuration: Configuration) -> FineTuning:
    """Return what is taken without a choice: no average with the linear path."""
    return FineTuning(configuration, path_share=float(configuration.linear_path))


@dataclass(frozen=True)
class _Fold:
    """Rows to train a candidate on, and held-out rows to compare them by."""

    source: TableSource
    held_out: HeldOut
    path: Layer | None  # of the rows to train on

    @classmethod
    def of(
        cls, source: TableSource, labelled: LabelledRows, path_seed: int | None
    ) -> "_Fold":
        """A fold whose rows are trained on and held out by a source.

        It has a linear path unless the seed of one is None.
        """
        path = None
        if path_seed is not None:
            path = fit_path(source, labelled.target.head, path_seed)
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
        """Outputs of the linear path, 0 without one, and of a network."""
        training = fine_tune(
            estimator,
            labelled,
            self.source,
            spawn_streams(seed),
            candidate,
            quiet,
            path=self.path if candidate.linear_path else None,
        )
        expansion = labelled.expansion(candidate.n_bins)
        predictor = Predictor(training.network, self.path, expansion)
        return predictor.parts(self.held_out.block.values)

    def weights(self, labelled: LabelledRows) -> np.ndarray:
        """Weights of the held-out rows in the comparison.

        A class that no row to train on has says nothing.
        """
        target, weight = np.asarray(self.held_out.block.target), self.held_out.weights
        if self.held_out.block.weight is not None:
            weight = weight * self.held_out.block.weight
        if labelled.target.head.groups:
            learned = np.asarray(labelled.rows.target)[self.source.index].argmax(axis=1)
            weight = weight * np.isin(target.argmax(axis=1), learned)
        return weight


def _ways(
    labelled: LabelledRows,
    source: TableSource,
    strata: np.ndarray,
    generator: np.random.Generator,
) -> list[list[TableSource]]:
    """Return the source with other rows held out each time, in one or two ways.

    Of many rows, only the last part is held out.
    """
    if source.held_out is not None:
        return [[source]]
    is_long = labelled.rows.n_rows > MAX_FOLDED_ROWS
    n_folds = min(N_FOLDS, len(np.unique(labelled.together)))
    ways = []
    for number in folds_of(labelled, n_folds, generator, strata):
        parts = [
            hold_out(source, number == k)
            for k in range(n_folds - 1 if is_long else 0, n_folds)
        ]
        kept = [np.sort(generator.permutation(p.index)[:MAX_ROWS]) for p in parts]
        ways.append(
            [replace(p, index=index) for p, index in zip(parts, kept, strict=True)]
        )
    return ways


@dataclass(frozen=True)
class _HeldOutRows:
    """All rows that are held out in one way, and a candidate's outputs for them."""

    path: np.ndarray  # (n, n_outputs), 0 without one
    network: np.ndarray  # (n, n_outputs)
    target: np.ndarray
    weights: np.ndarray  # (n,)
    head: Head

    @classmethod
    def of(
        cls,
        outputs: Sequence[tuple[np.ndarray, np.ndarray]],
        folds: Sequence[_Fold],
        labelled: LabelledRows,
    ) -> "_HeldOutRows":
        """The rows of all folds."""
        path, network = (np.concatenate(each) for each in zip(*outputs, strict=True))
        T = np.concatenate([np.asarray(fold.held_out.block.target) for fold in folds])
        weights = np.concatenate([fold.weights(labelled) for fold in folds])
        return cls(path, network, T, weights, labelled.target.head)

    def losses(self, shares: tuple[float, float]) -> np.ndarray:
        """The loss of each row with shares of network and path, (n,)."""
        outputs = shares[0] * self.network + shares[1] * self.path
        return row_losses(outputs, self.target, self.weights, self.head)

    def mean(self, values: np.ndarray) -> float:
        """The mean over the rows."""
        return float(self.weights @ values / self.weights.sum())


def _best_shares(
    candidate: Configuration, has_path: bool, held_out: Sequence[_HeldOutRows]
) -> tuple[float, tuple[float, float]]:
    """Return the lowest mean held-out loss, and the shares of network and path.

    The mean over rows, and the geometric mean over the ways to hold rows out: blocks in
    time, which are harder, would decide alone otherwise.
    """
    network_shares = CLASS_SHARES if held_out[0].head.groups else SHARES
    shares = [
        (share, 1.0 if candidate.linear_path else 1 - share)
        for share in (network_shares if has_path else SHARES[:1])
    ]
    losses = np.array(
        [[rows.mean(rows.losses(each)) for each in shares] for rows in held_out]
    )
    means = gmean(losses, axis=0)
    best = int(np.argmin(means))
    return float(means[best]), shares[best]


def _is_ahead_of_path(
    shares: tuple[float, float], held_out: Sequence[_HeldOutRows]
) -> bool:
    """Return whether held-out losses are lower than those of the linear path alone.

    By more than one standard error of the mean difference, as a share of the loss: of
    so many shares of several candidates some are lower by chance where a line explains
    all that can be explained.
    """
    gains, errors = [], []
    for rows in held_out:
        of_path = rows.losses(PATH_ALONE)
        gain = of_path - rows.losses(shares)
        mean, total = rows.mean(gain), max(rows.mean(of_path), TINY)
        squares = (rows.weights * (gain - mean)) ** 2
        gains.append(mean / total)
        errors.append(np.sqrt(squares.sum()) / rows.weights.sum() / total)
    return bool(np.mean(gains) > np.sqrt(np.mean(np.square(errors))))


def held_out_loss(
    outputs: np.ndarray, T: np.ndarray, weights: np.ndarray, head: Head
) -> float:
    """Return the mean loss of outputs before the activation of the head."""
    return float(weights @ row_losses(outputs, T, weights, head) / weights.sum())


def row_losses(
    outputs: np.ndarray, T: np.ndarray, weights: np.ndarray, head: Head
) -> np.ndarray:
    """Return the loss of each row, (n,), of outputs before the activation of the head.

    For classes, the log loss at the best temperature: a network without dropout is
    often right and too sure of it, which alone should not decide.
    """
    if not head.groups:
        return ((outputs - T) ** 2).sum(axis=1) / 2
    temperature = fitting_temperature(outputs, T.argmax(axis=1), weights)
    return -(T * log_softmax(outputs / temperature, axis=1)).sum(axis=1)
