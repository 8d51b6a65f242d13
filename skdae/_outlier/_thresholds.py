"""Thresholds for a false alarm rate, from the scores of held-out rows.

Rows in any order: a conformal quantile. Rows in time order, whose neighbours are alike:
a prediction limit for as many independent rows as they are worth.
"""

import math
import warnings
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import stats

from skdae._outlier._slowness import MAX_RATE, SlowMovement, spread_within
from skdae._table.validation import user_stacklevel
from skdae.timeseries import effective_sample_size

# Chosen on AR(1) processes and on processes with steps, modes, drift, stops and batches
# (those of benchmarks/false_alarms.py with other seeds, 400 and 1,000 rows): with 5 the
# rates are the same, with 10 smoothed scores have half as many alarms.
TAIL_ROWS = 4.0  # effective rows above the quantile that the tail begins at, at least
TAIL_STEP = 1.25  # between the shares of the rows that are tried as the tail
MAX_TAIL = 0.2  # share of the rows that counts as the tail
MIN_EFFECTIVE = 2.0
MIN_INDEPENDENT = 25  # rows, with which a tail can promise a rate
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
        In 90 % of repetitions the rate of new normal rows lies between these two. The
        upper one is that of the promised rate.
    n_rows : int
        Held-out normal rows.
    n_effective : float
        Independent rows that they are worth: all of them where rows are in no order;
        where a short record has slow movement, as many as promise what it can promise.
    rule : {'conformal quantile', 'prediction limit', 'share of the training rows'}
        How the threshold was found.
    n_splits : int
        Parts of the rows that were held out in turn.
    lags : int
        Rows before a row that are scored with it.
    n_stretches : int
        Stretches of rows between steps of the level, as between operating points; 1
        where rows are in no order. From 5 on whole ones are held out; with fewer, the
        rate is that of rows at these operating points.
    """

    rate: float
    promised_rate: float
    interval: tuple[float, float]
    n_rows: int
    n_effective: float
    rule: str
    n_splits: int
    lags: int
    n_stretches: int = 1


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
    """A prediction limit for scores with an exponential tail.

    With u the quantile of the scores at 1 - p0, e the mean excess of those above it and
    k the independent rows that these are worth, a new one exceeds

    ``u + k * e * ((p0 / rate)^(1 / k) - 1)``

    at the rate: the prediction limit of an exponential distribution whose scale is
    known from k values, and not below their conformal quantile. Between 5 and 1 % the
    tail of a normal distribution is nearly exponential.
    High scores come in clusters, as after a step between operating points; p0 is the
    smallest share that leaves k at `TAIL_ROWS`. Where all scores are worth few
    independent rows, n_eff (Geyer 1992), the distance of the limit from their mean is
    stretched as that of a normal prediction limit is:

    ``t(1 - rate; n_eff - 1) / z(1 - rate) * sqrt((n_eff + 1) / (n_eff - 1))``
    """

    center: float
    tail: float  # the quantile
    tail_share: float
    n_effective: float
    scores: np.ndarray  # ascending
    n_tail: float = TAIL_ROWS  # independent rows above the quantile
    stretch: float = 1.0
    rule: str = "prediction limit"

    @classmethod
    def learn(cls, scores: np.ndarray, rate: float) -> "PredictionLimit":
        """From scores of held-out rows in time order on a logarithmic scale, (n,)."""
        effective = max(float(effective_sample_size(scores)), MIN_EFFECTIVE)
        share, n_tail = _tail(scores, rate)
        return cls(
            float(scores.mean()),
            conformal_threshold(scores, share),
            share,
            min(effective, max(n_tail / share, MIN_EFFECTIVE)),
            np.sort(scores),
            n_tail,
            _stretch(effective, rate),
        )

    def extrapolated(
        self, scores: np.ndarray, rate: float, slow: SlowMovement, n_averaged: float
    ) -> "PredictionLimit":
        """Return the limit of rows later than those of a short record.

        Its scores, (n,) in time order, are means of `n_averaged` independent ones
        where they are smoothed. The limit moves to where the movement of the process
        suggests, in units of the spread of the scores within short parts.
        """
        if rate > MAX_RATE:
            return self
        reach, n_promised = slow.reach(rate, n_averaged)
        unit, _ = spread_within(scores)
        limit = self.threshold(rate)
        later = max(limit, float(np.median(scores)) + unit * reach)
        stretch = self.stretch
        if limit > self.center:
            stretch *= (later - self.center) / (limit - self.center)
        n_effective = max(min(self.n_effective, n_promised), 1.0)
        return replace(self, stretch=stretch, n_effective=n_effective)

    @property
    def _excess(self) -> float:
        """Mean excess of the scores above the quantile."""
        above = self.scores[self.scores > self.tail]
        return float(above.mean() - self.tail) if len(above) else 0.0

    def rows_needed(self, rate: float) -> int:
        """Return how many rows a rate needs: enough for the tail that is stretched."""
        return min(rows_needed(rate), MIN_INDEPENDENT)

    def threshold(self, rate: float) -> float:
        """Return the score that new normal rows exceed at this rate."""
        limit = ConformalQuantile(self.scores).threshold(rate)
        if rate < self.tail_share:
            growth = (self.tail_share / rate) ** (1 / self.n_tail) - 1
            limit = max(limit, self.tail + self.n_tail * self._excess * growth)
        return float(self.center + (limit - self.center) * self.stretch)

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return the rate of scores as high: their share, in the tail by the limit."""
        scores = self.center + (scores - self.center) / self.stretch
        share = ConformalQuantile(self.scores).p_values(scores)
        tiny = np.finfo(float).tiny  # without an excess, as of tied scores
        scale = max(self.n_tail * self._excess, tiny)
        with np.errstate(over="ignore"):
            above = np.maximum(scores - self.tail, 0) / scale
        beyond = np.maximum(self.tail_share * (1 + above) ** -self.n_tail, tiny)
        return np.where(scores > self.scores[-1], beyond, np.maximum(share, beyond))


def _tail(scores: np.ndarray, rate: float) -> tuple[float, float]:
    """Return the share of scores that counts as the tail, and what these are worth."""
    shares = [rate]
    while shares[-1] < MAX_TAIL:
        shares.append(min(MAX_TAIL, shares[-1] * TAIL_STEP))
    for share in shares:
        is_above = scores > conformal_threshold(scores, share)
        n_tail = share * float(effective_sample_size(is_above))
        if n_tail >= TAIL_ROWS:
            break
    return share, max(n_tail, 1.0)


def _stretch(n: float, rate: float) -> float:
    """Return by how much a limit from n independent values is farther from the mean."""
    rate = min(rate, MAX_TAIL)
    ratio = stats.t.ppf(1 - rate, n - 1) / stats.norm.ppf(1 - rate)
    return float(ratio * np.sqrt((n + 1) / (n - 1)))


# --- what can be promised ------------------------------------------------------------


def promised_rate(rate: float, limit: Limit) -> float:
    """Return the lowest rate from the asked one on that the rows support."""
    if limit.n_effective >= limit.rows_needed(rate):
        return rate
    return max(rate, 1 / (math.floor(limit.n_effective) + 1))


def rate_interval(rate: float, limit: Limit) -> tuple[float, float]:
    """Return where the rate of a threshold lies, up to what can be promised.

    The rate of an order statistic of n independent rows has a beta distribution.
    """
    n_ranks = limit.n_effective + 1  # that a new row can have among the others
    asked, promised = (
        stats.beta.interval(CONFIDENCE, each * n_ranks, (1 - each) * n_ranks)
        for each in (rate, promised_rate(rate, limit))
    )
    return float(asked[0]), float(promised[1])


def number_averaged(single: np.ndarray, smoothed: np.ndarray) -> float:
    """Return how many independent scores smoothed ones are means of.

    Both (n,) in time order; by their variances in short parts of the record.
    """
    (_, before), (_, after) = spread_within(single), spread_within(smoothed)
    return max(1.0, before / after) if after > 0 else 1.0


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
