"""Noises that wrap others: a rate per row, weights in the loss, several in sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdae._sklearn_compat import BaseComposition
from skdae.noise._base import Noise, scaled_rate


def _noise_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with an object that should be a noise, and check a noise."""
    if isinstance(value, EmphasizedNoise):
        return "must not be an EmphasizedNoise; wrap the whole noise in that one."
    if not isinstance(value, Noise):
        return "must be a noise object, such as MaskingNoise(0.25)."
    value.check(n_columns)
    return None


class PerRowNoise(Noise):
    """Corrupt some rows more than others: scale another noise by a factor per row.

    Each row draws a factor between `minimum` and 1 that multiplies the rate of the
    inner noise, or the scale of a noise that has a scale only (Gaussian, drift). The
    network then trains on nearly clean rows as well as on heavily corrupted ones, so
    its error on clean rows stays meaningful, which anomaly scores need.

    Parameters
    ----------
    noise : Noise
        The noise at full strength.
    minimum : float, default=0.0
        Lowest factor in [0, 1]; 1 is the inner noise itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.noise import MaskingNoise, PerRowNoise
    >>> noise = PerRowNoise(MaskingNoise(1.0))
    >>> _, mask = noise.corrupt(np.ones((1000, 8)), random_state=0)
    >>> round(float(mask.mean()), 1)
    0.5
    """

    _rules = {"noise": _noise_rule}

    def __init__(self, noise: Noise, *, minimum: float = 0.0) -> None:
        self.noise = noise
        self.minimum = minimum

    def apply(self, Z, generator, layout, intensity=None):
        factor = generator.uniform(self.minimum, 1.0, (len(Z), 1))
        return self.noise.apply(Z, generator, layout, scaled_rate(factor, intensity))


class EmphasizedNoise(Noise):
    """Another noise, whose corrupted cells weigh otherwise in the loss than the rest.

    Rebuilding what was not corrupted is the easier task. With more weight on the
    corrupted cells the network learns more of how columns depend on each other.

    Parameters
    ----------
    noise : Noise
        What corrupts the rows.
    corrupted : float, default=1.0
        Weight of a corrupted cell in the loss.
    untouched : float, default=0.5
        Weight of the others; 0 leaves them out.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked
    denoising autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> from skdae.noise import EmphasizedNoise, SwapNoise
    >>> EmphasizedNoise(SwapNoise(0.2), untouched=0.25).emphasis
    (1.0, 0.25)
    """

    _rules = {"noise": _noise_rule}

    def __init__(
        self, noise: Noise, *, corrupted: float = 1.0, untouched: float = 0.5
    ) -> None:
        self.noise = noise
        self.corrupted = corrupted
        self.untouched = untouched

    @property
    def emphasis(self) -> tuple[float, float]:  # type: ignore[override]
        """Weights of corrupted and of untouched cells in the loss."""
        return float(self.corrupted), float(self.untouched)

    def check(self, n_columns: int | None = None) -> None:
        super().check(n_columns)
        if self.emphasis == (0, 0):
            raise ValueError(
                "corrupted=0 and untouched=0 of EmphasizedNoise leave no cell in the "
                "loss; give one of them a weight above 0."
            )

    def apply(self, Z, generator, layout, intensity=None):
        return self.noise.apply(Z, generator, layout, intensity)


def _noises_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Return what is wrong with a list of named noises, and check the noises."""
    remedy = "such as [('swap', SwapNoise(0.1)), ('error', GaussianNoise(0.1))]."
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return f"must be a list of (name, noise) tuples, {remedy}"
    for entry in value:
        is_named = isinstance(entry, (list, tuple)) and len(entry) == 2
        if (
            not is_named
            or not isinstance(entry[0], str)
            or _noise_rule(entry[1], n_columns) is not None
        ):
            return f"must hold (name, noise) tuples, but has {entry!r}; write {remedy}"
    names = [name for name, _ in value]
    if len(set(names)) < len(names):
        return f"must have different names, but has {names}; rename one."
    bad = [name for name in names if "__" in name or name == "noises" or not name]
    if bad:
        return (
            f"has reserved names: {bad}; rename them. A name must not be empty, be "
            "'noises' or contain '__'."
        )
    return None


class ComposedNoise(Noise, BaseComposition):
    """Apply several noises, one after the other.

    Real data contain several kinds of errors. Each noise acts on the output of the
    noise before it, and a cell counts as corrupted if any of them acted on it.

    Parameters
    ----------
    noises : list of (str, Noise) tuples
        Names and noises in the order of application. The names reach the parameters
        inside: ``set_params(swap__rate=0.1)``.

    Examples
    --------
    >>> from skdae.noise import ComposedNoise, GaussianNoise, SwapNoise
    >>> noise = ComposedNoise([("swap", SwapNoise(0.1)), ("error", GaussianNoise())])
    >>> noise.set_params(swap__rate=0.2).get_params()["swap__rate"]
    0.2
    """

    _rules = {"noises": _noises_rule}

    def __init__(self, noises: list[tuple[str, Noise]]) -> None:
        self.noises = noises

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with those of the noises inside.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the noises by name and their parameters.

        Returns
        -------
        dict
            Values by parameter name.
        """
        return self._get_params("noises", deep=deep)

    def set_params(self, **params: Any) -> ComposedNoise:
        """Set parameters, also of the noises inside.

        Parameters
        ----------
        **params : dict
            ``noises``, a name for another noise in its place, or ``name__parameter``.

        Returns
        -------
        ComposedNoise
            This object.
        """
        self._set_params("noises", **params)
        return self

    def apply(self, Z, generator, layout, intensity=None):
        Z_corrupted, mask = Z, np.zeros(Z.shape, dtype=bool)
        for _, noise in self.noises:
            Z_corrupted, is_hit = noise.apply(Z_corrupted, generator, layout, intensity)
            mask |= is_hit
        return Z_corrupted, mask

    def for_codes(self) -> Noise:
        return ComposedNoise([(name, noise.for_codes()) for name, noise in self.noises])
