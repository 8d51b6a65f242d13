"""Rows in time order: windows, splits, smoothed scores, scores row by row, events."""

from skdae.timeseries._context import (
    Context,
    Gaps,
    TimeContext,
    draw_gaps,
    time_context,
)
from skdae.timeseries._events import EventScores, event_scores, events
from skdae.timeseries._neighbours import (
    interpolate,
    last_known_value,
    moving_average,
    moving_median,
)
from skdae.timeseries._order import TimeOrder, effective_sample_size, time_order
from skdae.timeseries._smoothing import EWMA, KOfN, Smoothing
from skdae.timeseries._stream import StreamScorer
from skdae.timeseries._window import SlidingWindow
from skdae.timeseries.folds import BlockSplit

__all__ = [
    "BlockSplit",
    "Context",
    "EWMA",
    "EventScores",
    "Gaps",
    "KOfN",
    "SlidingWindow",
    "Smoothing",
    "StreamScorer",
    "TimeContext",
    "TimeOrder",
    "draw_gaps",
    "effective_sample_size",
    "event_scores",
    "events",
    "interpolate",
    "last_known_value",
    "moving_average",
    "moving_median",
    "time_context",
    "time_order",
]
