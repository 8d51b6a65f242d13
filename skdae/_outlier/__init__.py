"""The outlier detector: scores of rows, and calibrated thresholds."""

from skdae._outlier._detector import GradualDAEOutlierDetector

__all__ = ["GradualDAEOutlierDetector"]
