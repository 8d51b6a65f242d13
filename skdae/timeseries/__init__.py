"""Rows in time order: windows, smoothed scores, scores row by row."""

from skdae.timeseries._smoothing import EWMA, KOfN, Smoothing
from skdae.timeseries._stream import StreamScorer
from skdae.timeseries._window import SlidingWindow

__all__ = ["EWMA", "KOfN", "SlidingWindow", "Smoothing", "StreamScorer"]
