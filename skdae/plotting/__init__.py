"""Plots of training, residuals, imputed cells, alarms and codes with matplotlib.

Each class holds the data of one plot and draws it with `plot`; its class methods take
the data from an estimator or from arrays. matplotlib comes with
``pip install 'skdae[plot]'``.
"""

from skdae.plotting._anomaly_timeline import AnomalyTimelineDisplay
from skdae.plotting._cka import CKADisplay
from skdae.plotting._code_map import CodeMapDisplay
from skdae.plotting._field import ReconstructionFieldDisplay
from skdae.plotting._grading import GradingDisplay
from skdae.plotting._imputation import ImputationDisplay
from skdae.plotting._reconstruction import ReconstructionDisplay
from skdae.plotting._residual_heatmap import ResidualHeatmapDisplay
from skdae.plotting._schedule_comparison import ScheduleComparisonDisplay
from skdae.plotting._training_curve import TrainingCurveDisplay
from skdae.plotting._weight_drift import WeightDriftDisplay

__all__ = [
    "AnomalyTimelineDisplay",
    "CKADisplay",
    "CodeMapDisplay",
    "GradingDisplay",
    "ImputationDisplay",
    "ReconstructionDisplay",
    "ReconstructionFieldDisplay",
    "ResidualHeatmapDisplay",
    "ScheduleComparisonDisplay",
    "TrainingCurveDisplay",
    "WeightDriftDisplay",
]
