"""Denoising networks that correct what is filled."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone

from skdae._imputer._masks import Gaps
from skdae._transformer import GradualDAETransformer
from skdae._transformer._parameters import DEFAULT_NOISE_RATE
from skdae.noise import EmphasizedNoise, MaskingNoise, Noise


@dataclass(frozen=True)
class Refinement:
    """A network that says how far filled cells are from the truth.

    Its table has three parts, each as wide as the encoded table: the error of the
    filled cells (unknown, which is what it learns to rebuild), the filled cells, and
    which of them are missing.
    """

    transformer: GradualDAETransformer
    scale: np.ndarray  # (n_features,) spread of the errors in training
    step: np.ndarray  # (n_features,) share of the correction that is made, 0 to 1

    def __call__(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the filled rows with their missing cells corrected."""
        return filled + self.step * missing * self.correction(filled, missing)

    def correction(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return what the network would add to each cell."""
        # in float64: rounding that hangs on the number of rows would be seen by trees
        table = np.hstack([np.full(filled.shape, np.nan), filled, missing])
        rebuilt = self.transformer.reconstruct(table)
        return self.scale * np.asarray(rebuilt)[:, : filled.shape[1]]


class _HiddenErrors(Noise):
    """Hides the first third of a table, the errors; where they are not 0 they count."""

    def apply(self, Z, generator, layout, intensity=None):
        n_errors = Z.shape[1] // 3
        mask = np.zeros(Z.shape, dtype=bool)
        mask[:, :n_errors] = Z[:, :n_errors] != 0
        hidden = Z.copy()
        hidden[:, :n_errors] = 0
        return hidden, mask

    def for_codes(self):
        return MaskingNoise()


class _Passes:
    """The training table of a refinement; each pass over it has other cells hidden."""

    def __init__(
        self, parts: list[Gaps], filled: list[np.ndarray], scale: np.ndarray
    ) -> None:
        self.parts, self.filled, self.scale = parts, filled, scale
        self.n_passes = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        turn = self.n_passes % len(self.parts)
        self.n_passes += 1
        part, filled = self.parts[turn], self.filled[turn]
        errors = np.where(part.missing, part.truth - filled, 0) / self.scale
        errors[~part.known] = np.nan
        yield np.hstack([errors, filled, part.missing]).astype(np.float32)


def refine(
    transformer: GradualDAETransformer,
    parts: list[Gaps],
    filled: list[np.ndarray],
    judged: Gaps,
    judged_filled: np.ndarray,
    seed: int,
) -> Refinement:
    """Train a network on what is wrong with filled rows; held-out rows judge it."""
    refinement = _train(_network(transformer, seed), parts, filled)
    correction = refinement.correction(judged_filled, judged.missing)
    return replace(refinement, step=_step(judged, judged_filled, correction))


def _network(transformer: GradualDAETransformer, seed: int) -> GradualDAETransformer:
    """Return a network for the table of a refinement."""
    network = clone(transformer).set_params(
        noise=EmphasizedNoise(_HiddenErrors(), untouched=0),
        noise_rate=DEFAULT_NOISE_RATE,
        loss="squared_error",
        scaling=None,
        categorical_features=None,
        output="code",
        early_stopping=False,
        warm_start=False,
    )
    if network.random_state is None:
        network.set_params(random_state=seed)
    return network


def _train(
    network: GradualDAETransformer, parts: list[Gaps], filled: list[np.ndarray]
) -> Refinement:
    """Train a network on what is wrong with the filled rows."""
    n_scored, squares = np.zeros((2, filled[0].shape[1]))
    for part, each in zip(parts, filled, strict=True):
        n_scored += part.scored.sum(axis=0)
        squares += (part.errors(each) ** 2).sum(axis=0)
    scale = np.sqrt(squares / np.maximum(n_scored, 1))
    scale[scale == 0] = 1
    with warnings.catch_warnings():  # of a column without a value we warn ourselves
        warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
        network.fit_stream(_Passes(parts, filled, scale))
    return Refinement(network, scale, np.ones(len(scale)))


def _step(judged: Gaps, filled: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """Return the share of a correction that leaves the least error, by feature."""
    correction = np.where(judged.scored, correction, 0)
    size = (correction**2).sum(axis=0)
    product = (judged.errors(filled) * correction).sum(axis=0)
    return np.clip(product / np.where(size > 0, size, 1), 0, 1)
