"""Estimators on Ray datasets: a model for each group, and rows scored in batches.

Needs the extra ``ray``. What is fitted is an ordinary estimator, usable without Ray.
"""

from skdae.distributed._apply import predict, score_samples, transform
from skdae.distributed._groups import fit_groups

__all__ = ["fit_groups", "predict", "score_samples", "transform"]
