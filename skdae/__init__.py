"""Gradual denoising autoencoders for scikit-learn."""

from skdae._transformer import GradualDAETransformer
from skdae._version import __version__

__all__ = ["GradualDAETransformer", "__version__"]
