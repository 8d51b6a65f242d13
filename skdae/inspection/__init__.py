"""What training does to the layers: similarity, dimension, drift, probes, sensitivity.

Functions look into a fitted :class:`~skdae.GradualDAETransformer`;
:class:`WeightDrift` is a callback that observes its fit.
"""

from skdae.inspection._codes import (
    LayerCodes,
    effective_rank,
    layer_cka,
    layer_codes,
    linear_cka,
    participation_ratio,
    probe_scores,
)
from skdae.inspection._drift import WeightDrift
from skdae.inspection._field import ReconstructionField, reconstruction_field
from skdae.inspection._sensitivity import NoiseSensitivity, noise_sensitivity

__all__ = [
    "LayerCodes",
    "NoiseSensitivity",
    "ReconstructionField",
    "WeightDrift",
    "effective_rank",
    "layer_cka",
    "layer_codes",
    "linear_cka",
    "noise_sensitivity",
    "participation_ratio",
    "probe_scores",
    "reconstruction_field",
]
