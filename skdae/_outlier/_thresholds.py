"""Thresholds for a false alarm rate, from the scores of held-out rows.

Rows in any order: a conformal quantile. Rows in time order, whose neighbours are alike:
a prediction limit for as many independent rows as they are worth.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import stats

from skdae._table.validation import user_stacklevel
from skdae.timeseries import effective_sample_size

# Chosen on AR(1) processes of 12 sensors (coefficients 0 to 0.98, 300 and 1,000 rows,
# single rows and averages) and on Tennessee Eastman training rows: with 3 the limit
# varies, with 20 it misses the shape of the tail.
TAIL_ROWS = 5  # effective rows above the quantile that the limit is scaled from
MAX_TAIL = 0.2  # share of the rows that counts as the tail
MIN_EFFECTIVE = 2.0
CONFIDENCE = 0.9  # of the interval of the rate


@dataclass(frozen=True)
class CalibrationReport:
    """What the threshold of a detector rests on.

    Attributes
    ----------
    rate : float
        The rate asked for: `false_alarm_rate`, or `contamination`.
    promised_rate : float
        The lowest rate from the asked one on that the rows can support.
    interval : tuple of float
        In 90 % of repetitions the rate of new normal rows lies between these two.
    n_rows : int
        Held-out normal rows.
    n_effective : float
        Independent rows that they are worth; as many where rows are in no order.
    rule : {'conformal quantile', 'prediction limit', 'share of the training rows'}
        How the threshold was found.
    n_splits : int
        Parts of the rows that were held out in turn.
    lags : int
        Rows before a row that are scored with it.
    """

    rate: float
    promised_rate: float
    interval: tuple[float, float]
    n_rows: int
    n_effective: float
    rule: str
    n_splits: int
    lags: int


class Limit(Protocol):
    """Where scores of new normal rows lie, learned from held-out ones."""

    @property
    def rule(self) -> str:
        """Its name in the report."""
        ...

    @property
    def n_effective(self) -> float:
        """Independent rows that the held-out rows are worth."""
        ...

    def rows_needed(self, rate: float) -> int:
        """Return how many of these a rate needs."""
        ...

    def threshold(self, rate: float) -> float:
        """Return the score that new normal rows exceed at this rate."""
        ...

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return the rate at which new normal rows have scores as high, (n,)."""
        ...


# --- rows in no order ----------------------------------------------------------------


def rows_needed(false_alarm_rate: float) -> int:
    """Return how many held-out rows a false alarm rate needs.

    With fewer, even a threshold above all of them promises less than is asked.
    """
    return int(np.ceil(round(1 / false_alarm_rate, 9))) - 1


@dataclass(frozen=True)
class ConformalQuantile:
    """The ``ceil((n + 1) * (1 - rate))``-th smallest of n held-out scores.

    A new row exceeds it at the rate asked at most, where the rows could as well have
    come in any other order; the largest score where n is too small for the rate.
    """

    scores: np.ndarray  # ascending
    rule: str = "conformal quantile"

    @classmethod
    def learn(cls, scores: np.ndarray) -> "ConformalQuantile":
        """From the scores of held-out rows, (n,)."""
        return cls(np.sort(scores))

    @property
    def n_effective(self) -> float:
        """As many as there are rows."""
        return float(len(self.scores))

    def rows_needed(self, rate: float) -> int:
        """Return how many rows a rate needs."""
        return rows_needed(rate)

    def threshold(self, rate: float) -> float:
        """Return the score that new normal rows exceed at this rate."""
        n_rows = len(self.scores)
        rank = int(np.ceil(round((n_rows + 1) * (1 - rate), 9)))
        return float(self.scores[min(rank, n_rows) - 1])

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return the share of rows, the new one included, with scores as high."""
        below = np.searchsorted(self.scores, scores, side="left")
        return (1 + len(self.scores) - below) / (1 + len(self.scores))


def conformal_threshold(scores: np.ndarray, rate: float) -> float:
    """Return the anomaly score that a new row exceeds at most at the rate asked."""
    return ConformalQuantile.learn(scores).threshold(rate)


# --- rows in time order --------------------------------------------------------------


@dataclass(frozen=True)
class PredictionLimit:
    """A prediction limit of a normal distribution, stretched to the tail of the scores.

    n rows in time order are worth fewer independent ones, n_eff (Geyer 1992). With m
    the mean of the scores and u their quantile at 1 - p0, where p0 leaves `TAIL_ROWS`
    effective rows above it, the limit is

    ``m + (u - m) * t(1 - rate; (n_eff - 1) / 2) / z(1 - p0) * sqrt(1 + 1 / n_eff) *
    sqrt(n_eff / (n_eff - 1))``

    It is the quantile where rows are many, and a normal limit with the uncertainty of
    mean and spread where they are few. The spread of skewed, slow scores is known less
    well than their mean: the degrees of freedom are halved.
    """

    center: float
    tail: float  # the quantile
    tail_share: float
    n_effective: float
    scores: np.ndarray  # ascending
    rule: str = "prediction limit"

    @classmethod
    def learn(
        cls, scores: np.ndarray, rate: float, groups: Any = None
    ) -> "PredictionLimit":
        """From scores of held-out rows in time order, nearly normal, (n,)."""
        effective = max(effective_sample_size(scores, groups), MIN_EFFECTIVE)
        share = float(np.clip(TAIL_ROWS / effective, rate, MAX_TAIL))
        quantile = float(np.quantile(scores, 1 - share))
        return cls(
            float(scores.mean()), quantile, share, float(effective), np.sort(scores)
        )

    @property
    def _degrees(self) -> float:
        """Degrees of freedom.

        With all n_eff - 1, averages of Tennessee Eastman scores exceed a limit for 1 %
        at 1.6 %, with half of them at 0.6 %; rows of AR(1) processes 0.1 % less often.
        """
        return max(1.0, (self.n_effective - 1) / 2)

    @property
    def _unit(self) -> float:
        """What a quantile of the t distribution is multiplied by."""
        n = self.n_effective
        stretch = (self.tail - self.center) / stats.norm.ppf(1 - self.tail_share)
        return float(stretch * np.sqrt(n / (n - 1)) * np.sqrt(1 + 1 / n))

    def rows_needed(self, rate: float) -> int:
        """Return how many rows a rate needs: enough for the tail that is stretched."""
        return min(rows_needed(rate), int(TAIL_ROWS / MAX_TAIL))

    def threshold(self, rate: float) -> float:
        """Return the score that new normal rows exceed at this rate."""
        t = stats.t.ppf(1 - rate, self._degrees)
        return float(self.center + self._unit * t)

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return the rate of scores as high: their share, in the tail by the limit."""
        n_rows = len(self.scores)
        below = np.searchsorted(self.scores, scores, side="left")
        share = (1 + n_rows - below) / (1 + n_rows)
        t = (scores - self.center) / max(self._unit, np.finfo(float).tiny)
        beyond = stats.t.sf(t, self._degrees)
        return np.where(scores > self.tail, beyond, np.maximum(share, beyond))


# --- what can be promised ------------------------------------------------------------


def promised_rate(rate: float, limit: Limit) -> float:
    """Return the lowest rate from the asked one on that the rows support."""
    if limit.n_effective >= limit.rows_needed(rate):
        return rate
    return max(rate, 1 / (math.floor(limit.n_effective) + 1))


def rate_interval(rate: float, n_effective: float) -> tuple[float, float]:
    """Return where the rate of a threshold lies that rests on so many rows.

    The rate of an order statistic of n independent rows has a beta distribution.
    """
    alarms = rate * (n_effective + 1)
    low, high = stats.beta.interval(CONFIDENCE, alarms, n_effective + 1 - alarms)
    return float(low), float(high)


def warn_of_few_rows(rate: float, limit: Limit) -> None:
    """Warn where a rate cannot be promised.

    To be called by a step of `fit`, so that the warning points at the caller of `fit`.
    """
    needed = limit.rows_needed(rate)
    if limit.n_effective >= needed:
        return
    if isinstance(limit, ConformalQuantile):
        found, end = f"there are {limit.n_effective:.0f}", "their largest score"
        remedy = "Give more rows"
    else:
        found = f"those of X are worth {int(limit.n_effective)}"
        end = "uncertain"
        remedy = "Rows close in time are alike: give a longer record"
    of_what = "rows" if isinstance(limit, ConformalQuantile) else "independent rows"
    warnings.warn(
        f"false_alarm_rate={rate:g} needs at least {needed} {of_what} to calibrate on "
        f"and {found}; the threshold is {end}. {remedy}, or raise false_alarm_rate to "
        f"{math.ceil(1e4 * promised_rate(rate, limit)) / 1e4:g}.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )


def share_threshold(scores: np.ndarray, share: float) -> float:
    """Return the score below which the given share of the rows lies.

    Where rows are tied there, the share that comes closest, and a warning.
    """
    threshold = float(np.percentile(scores, 100 * share))
    flagged = int((scores < threshold).sum())
    if abs(flagged - share * len(scores)) <= 1:
        return threshold
    values, counts = np.unique(scores, return_counts=True)
    flagged_up_to = np.cumsum(counts)  # from the lowest value to each
    nearest = int(np.abs(flagged_up_to - share * len(scores)).argmin())
    nearest = min(nearest, max(0, len(values) - 2))  # not all of the rows
    warnings.warn(
        f"contamination={share:g} cannot be met: {counts[nearest]} rows of X have the "
        f"same score there; {flagged_up_to[nearest] / len(scores):.3g} of the rows are "
        "called outliers. Set contamination to that share, or leave out copies of "
        "rows.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )
    if len(values) == 1:
        return float(values[0])
    return float((values[nearest] + values[nearest + 1]) / 2)
