"""Pictures of training, residuals, alarms, codes and schedules, by matplotlib.

Each class holds the data of one picture and draws it with `plot`; its class methods
get the data from an estimator or from arrays. matplotlib comes with
``pip install 'skdae[plot]'``.
"""

from skdae.plotting._anomaly_timeline import AnomalyTimelineDisplay
from skdae.plotting._code_map import CodeMapDisplay
from skdae.plotting._reconstruction import ReconstructionDisplay
from skdae.plotting._residual_heatmap import ResidualHeatmapDisplay
from skdae.plotting._schedule_comparison import ScheduleComparisonDisplay
from skdae.plotting._training_curve import TrainingCurveDisplay

__all__ = [
    "AnomalyTimelineDisplay",
    "CodeMapDisplay",
    "ReconstructionDisplay",
    "ResidualHeatmapDisplay",
    "ScheduleComparisonDisplay",
    "TrainingCurveDisplay",
]
