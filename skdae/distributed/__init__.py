"""Estimators on Ray datasets: one network by many workers, or a model for each group.

Needs the extra ``ray``. What is fitted is an ordinary estimator, usable without Ray.
"""

from skdae.distributed._apply import predict, score_samples, transform
from skdae.distributed._fit import fit
from skdae.distributed._groups import fit_groups

__all__ = ["fit", "fit_groups", "predict", "score_samples", "transform"]
