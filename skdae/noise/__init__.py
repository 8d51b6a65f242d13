"""Corruption models: how the input is corrupted in training.

A noise acts on arrays in scaled space, where the features of a numeric column are
the column itself and those of a categorical column a one-hot group. It corrupts
*cells*, one per row and column. Additive noises act on numeric columns only; the
others treat a categorical cell as a whole: they either set its group to 0 or replace
it by the group of another row, so that a group never mixes two categories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from skdae.noise._base import Noise
from skdae.noise._composed import ComposedNoise, EmphasizedNoise, PerRowNoise
from skdae.noise._layout import Layout
from skdae.noise._models import (
    DriftNoise,
    DropoutNoise,
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SpikeNoise,
    StuckNoise,
    SwapNoise,
)

__all__ = [
    "NOISES",
    "ComposedNoise",
    "DriftNoise",
    "DropoutNoise",
    "EmphasizedNoise",
    "GaussianNoise",
    "Layout",
    "MaskingNoise",
    "Noise",
    "PerRowNoise",
    "SaltAndPepperNoise",
    "SpikeNoise",
    "StuckNoise",
    "SwapNoise",
    "make_noise",
]


#: Constructor of each named noise. Its only argument is the rate, or the scale of
#: Gaussian errors.
NOISES: dict[str, Callable[[Any], Noise]] = {
    "masking": MaskingNoise,
    "gaussian": GaussianNoise,
    "salt_and_pepper": SaltAndPepperNoise,
    "swap": SwapNoise,
    "stuck": StuckNoise,
    "spike": SpikeNoise,
    "drift": DriftNoise,
    "dropout": DropoutNoise,
    "random_masking": lambda rate: PerRowNoise(MaskingNoise(rate)),
    "random_gaussian": lambda rate: PerRowNoise(GaussianNoise(rate)),
}


def make_noise(noise: str | Noise, rate: ArrayLike) -> Noise:
    """Return the noise for a name and a rate.

    A name is enough for most searches; an object sets all other parameters.

    Parameters
    ----------
    noise : str or Noise
        One of the names in :data:`NOISES`, or a noise object, which is returned as
        given: it has its own rate.
    rate : float or array-like of shape (n_columns,)
        Share of cells for a name; for Gaussian errors their scale, in standard
        deviations of the column; for dropped groups their probability.

    Returns
    -------
    Noise
        The noise; its parameters are not checked yet (:meth:`Noise.check`).

    Raises
    ------
    ValueError
        If the name is unknown, or the object is not a noise.

    Examples
    --------
    >>> make_noise("swap", 0.1)
    SwapNoise(rate=0.1)
    """
    if isinstance(noise, Noise):
        return noise
    if isinstance(noise, str) and noise in NOISES:
        return NOISES[noise](rate)
    raise ValueError(
        f"noise={noise!r} must be one of {sorted(NOISES)} or a noise object, such as "
        "MaskingNoise(0.25); choose a name from the list or pass an object."
    )
