"""Choosing the settings of networks: scorers, searches and search spaces."""

from skdae.model_selection._scorers import DenoisingScorer, make_denoising_scorer
from skdae.model_selection._search import GradualDAESearchCV
from skdae.model_selection._spaces import suggest_params

__all__ = [
    "DenoisingScorer",
    "GradualDAESearchCV",
    "make_denoising_scorer",
    "suggest_params",
]
