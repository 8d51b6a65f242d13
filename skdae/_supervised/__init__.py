"""Classifier and regressor started from a pretrained encoder."""

from skdae._supervised._classifier import GradualDAEClassifier
from skdae._supervised._regressor import GradualDAERegressor

__all__ = ["GradualDAEClassifier", "GradualDAERegressor"]
