"""What is known of the errors of a table: their size, and whether `fit` sees them."""

from dataclasses import dataclass

import numpy as np

from skdae._core.sources import Block
from skdae._denoiser._noisy import error_variances, usual_rows
from skdae._denoiser._spikes import may_jump
from skdae._table.encoder import TableEncoder
from skdae._transformer._mixture import (
    Corruptions,
    draw_corruptions,
    drawn_variances,
)
from skdae.noise import Noise

MAX_DRAWN = 1_000  # rows that a noise is measured on
# The rows of fit have the stated errors where those estimated from them have more than
# MIN_RATIO of the stated variance in all but FEW of the columns.
MIN_RATIO = 0.2
FEW = 0.1


@dataclass(frozen=True)
class Errors:
    """The errors to be removed."""

    in_fit: bool  # whether the rows of fit have them
    stated: np.ndarray | None  # (n_features,) variances; None: to be estimated


def stated_errors(
    block: Block, encoder: TableEncoder, noise: Noise, generator: np.random.Generator
) -> np.ndarray | None:
    """Return the variances of the errors that a noise makes, by encoded feature.

    None where it changes no observed cell, as masking.
    """
    drawn = draw_corruptions(block.part(slice(0, MAX_DRAWN)), encoder, noise, generator)
    variances = drawn_variances(drawn)
    return variances if (variances > 0).any() else None


def with_errors(
    block: Block, encoder: TableEncoder, noise: Noise, generator: np.random.Generator
) -> Block:
    """Return rows that a noise has corrupted; cells that it hides are missing."""
    drawn = Corruptions.draw(block, encoder, noise, generator)
    return Block(drawn.shown, ~drawn.missing)


def have_errors(
    block: Block, groups: np.ndarray, encoder: TableEncoder, stated: np.ndarray
) -> bool:
    """Return whether rows in time order have errors of the stated size already."""
    rows, limits = usual_rows(block, groups)
    numeric = slice(0, len(encoder.numeric))
    found = error_variances(rows, may_jump(limits))[numeric]
    expected = stated[numeric]
    varies = ~encoder.is_constant[encoder.numeric] & (expected > 0)
    small = found[varies] < MIN_RATIO * expected[varies]
    return bool(varies.any() and small.mean() <= FEW)
