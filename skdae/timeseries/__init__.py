"""Rows in time order: windows, smoothed scores, scores row by row, events."""

from skdae.timeseries._events import EventScores, event_scores, events
from skdae.timeseries._smoothing import EWMA, KOfN, Smoothing
from skdae.timeseries._stream import StreamScorer
from skdae.timeseries._window import SlidingWindow

__all__ = [
    "EWMA",
    "EventScores",
    "KOfN",
    "SlidingWindow",
    "Smoothing",
    "StreamScorer",
    "event_scores",
    "events",
]
