"""Choosing the settings of networks: scorers, searches and search spaces."""

from skdae.model_selection._scorers import DenoisingScorer, make_denoising_scorer

__all__ = ["DenoisingScorer", "make_denoising_scorer"]
