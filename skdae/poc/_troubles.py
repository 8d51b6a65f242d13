"""The troubles of a plant that rows are held out with, each with its truth known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skdae.noise import (
    DropoutNoise,
    GaussianNoise,
    Layout,
    MaskingNoise,
    Noise,
    SpikeNoise,
    StuckNoise,
)


@dataclass(frozen=True)
class Trouble:
    """A corruption of the measured numbers, and whether one can see where it is."""

    noise: Callable[[], Noise] | None
    is_gap: bool  # cells are lost, not wrong: the error is that of the lost ones


#: Cells of whole groups of columns are lost together in 'missing_blocks'.
TROUBLES: dict[str, Trouble] = {
    "clean": Trouble(None, is_gap=False),
    "sensor_noise": Trouble(lambda: GaussianNoise(0.5), is_gap=False),
    "spikes": Trouble(lambda: SpikeNoise(0.05, scale=5.0), is_gap=False),
    "stuck": Trouble(lambda: StuckNoise(0.25, length=10), is_gap=False),
    "dropout": Trouble(lambda: MaskingNoise(0.25), is_gap=True),
    "missing_blocks": Trouble(lambda: DropoutNoise(0.25, groups=4), is_gap=True),
}


@dataclass(frozen=True)
class Spoiled:
    """Rows as they arrive, and the cells that count."""

    shown: np.ndarray  # (n, n_numeric), NaN where nothing is seen
    counted: np.ndarray  # (n, n_numeric), of bool


def spoil(
    trouble: str, X: np.ndarray, layout: Layout, generator: np.random.Generator
) -> Spoiled:
    """Return rows, (n, n_numeric) in the user's units, with a trouble."""
    seen = ~np.isnan(X)
    found = TROUBLES[trouble]
    if found.noise is None:
        return Spoiled(X, seen)
    scale = np.where(layout.scale > 0, layout.scale, 1.0)
    center = (layout.low + layout.high) / 2
    scaled = Layout(
        layout.numeric,
        layout.scale / scale,
        (layout.low - center) / scale,
        (layout.high - center) / scale,
    )
    Z = np.where(seen, (X - center) / scale, 0.0)
    spoiled, cells = found.noise().apply(Z, generator, scaled)
    if found.is_gap:
        lost = cells & seen
        return Spoiled(np.where(lost, np.nan, X), lost)
    return Spoiled(np.where(seen, spoiled * scale + center, np.nan), seen)
