"""Rows in time: windows of neighbouring rows, smoothed scores, rows one at a time."""

from skdae.timeseries._smoothing import EWMA, KOfN, Smoothing
from skdae.timeseries._stream import StreamScorer
from skdae.timeseries._window import SlidingWindow

__all__ = ["EWMA", "KOfN", "SlidingWindow", "Smoothing", "StreamScorer"]
