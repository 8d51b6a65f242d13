"""Anomaly scores by name, and several of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._outlier import _models
from skdae._outlier._models import MIN_SPREAD, TINY, Learn

SHARPNESS = 3.0  # of the bend above which a score counts in a combination
HIGH_QUANTILE = 0.9  # of the normal rows: the unit of a score's scale
# Below nearly all normal rows, so that the combination is nearly normal, as the
# prediction limit needs: bent at the median, the rate on Tennessee Eastman is doubled.
BEND_IN_ORDER = -4.0


@dataclass(frozen=True)
class Score:
    """A view of the rows, and how a model of its normal rows is learned."""

    view: str  # of IS_RESIDUAL
    learn: Learn


SCORES = {
    "squared_error": Score("residuals", _models.mean_of_squares),
    "scaled_error": Score("residuals", _models.scaled_squares),
    "whitened_error": Score("residuals", _models.mahalanobis),
    "error_neighbors": Score("residuals", _models.nearest_whitened_rows),
    "hidden_error": Score("hidden", _models.scaled_squares),
    "whitened_hidden_error": Score("hidden", _models.mahalanobis),
    "code_distance": Score("code", _models.mahalanobis),
    "code_neighbors": Score("code", _models.nearest_rows),
    "distance": Score("window", _models.mahalanobis),
    "weighted_distance": Score("window", _models.weighted_mahalanobis),
    "neighbors": Score("inputs", _models.nearest_rows),
    "rank_neighbors": Score("inputs", _models.nearest_ranks),
}

#: What 'auto' stands for where rows are in no order: first of the combinations tried
#: on the open sets of benchmarks/anomaly.py.
COMBINATION = ("whitened_error", "error_neighbors", "neighbors", "rank_neighbors")
#: And where they are in time order: records come from processes, which a Mahalanobis
#: distance with lags detects best; every combination that neighbours take part in
#: detects less of Tennessee Eastman at a true 1 %. 'whitened_error' sees what is not
#: linear, and counts where it helps to find simulated faults (`_simulated_faults`):
#: without it 0.85 on Tennessee Eastman, with it 0.83; on 12 sensors that are not linear
#: 0.71 to 0.79 without and 0.85 to 0.88 with it.
COMBINATION_IN_ORDER = ("weighted_distance", "whitened_error")
LINEAR_IN_ORDER = COMBINATION_IN_ORDER[:1]
#: Where these are not near a normal distribution (`_normality`), neighbours take part:
#: on normal rows of ADBench in their stored order 0.906 against 0.871, on faults added
#: to single sensors of gas turbines, rooms and a city's air 0.76 against 0.78.
COMBINATION_OF_GROUPS = (*COMBINATION_IN_ORDER, "rank_neighbors")


def check_scores(scores: Any) -> tuple[str, ...]:
    """Return the names of the scores that were asked for by name."""
    names = (scores,) if isinstance(scores, str) else tuple(scores)
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"scores={scores!r} must be 'auto', one of {sorted(SCORES)}, or several "
            "different ones of them in a tuple; correct the names."
        )
    return names


# --- several scores as one -----------------------------------------------------------


@dataclass(frozen=True)
class Combination:
    """Several scores as one, by where those of normal rows lie on a logarithmic scale.

    A score adds its excess over `bend`; below, it adds nothing. A single score stays in
    its own units.
    """

    low: np.ndarray  # (n_scores,) the median
    width: np.ndarray  # (n_scores,) from there to `HIGH_QUANTILE`
    is_ordered: bool  # rows are in time order

    @classmethod
    def learn(cls, scores: np.ndarray, is_ordered: bool) -> "Combination":
        """From the scores of normal rows, (n, n_scores)."""
        low, high = np.quantile(
            np.log(scores + TINY), [0.5, HIGH_QUANTILE], axis=0
        )  # each (n_scores,)
        return cls(low, np.maximum(high - low, MIN_SPREAD), is_ordered)

    @property
    def is_single(self) -> bool:
        """Whether there is one score, in its own units."""
        return len(self.low) == 1

    @property
    def bend(self) -> float:
        """Where a score begins to count, in units of the scale: 0 is the median."""
        return BEND_IN_ORDER if self.is_ordered else 0.0

    def combine(self, scores: np.ndarray) -> np.ndarray:
        """Return one score of several, (n,): the mean excess."""
        if self.is_single:
            return scores[:, 0]
        return self.excess(scores).mean(axis=1)

    def standardize(self, scores: np.ndarray) -> np.ndarray:
        """Return scores in units of the scale: 0 at the median, 1 at the quantile."""
        return (np.log(scores + TINY) - self.low) / self.width

    def excess(self, scores: np.ndarray) -> np.ndarray:
        """Return standardized scores, bent to 0 below the bend, (n, n_scores)."""
        above = self.standardize(scores) - self.bend
        return np.logaddexp(0, SHARPNESS * above) / SHARPNESS

    def to_log(self, score: np.ndarray) -> np.ndarray:
        """Return combined scores on a logarithmic scale, where they are not yet."""
        return np.log(score + TINY) if self.is_single else score

    def from_log(self, log_score: np.ndarray) -> np.ndarray:
        """Return combined scores from a logarithmic scale, above 0."""
        score = np.exp(log_score) - TINY if self.is_single else log_score
        return np.maximum(score, TINY)


def to_mean_scale(scores: np.ndarray, is_ordered: bool) -> np.ndarray:
    """Return scores on the scale on which those of several members are averaged.

    The logarithm for rows in time order: an arithmetic mean of members has a higher
    logarithm on average than the score of the one member that held a row out, and
    smoothed scores would exceed a limit from held-out rows too often.
    """
    return np.log(scores + TINY) if is_ordered else scores


def from_mean_scale(scores: np.ndarray, is_ordered: bool) -> np.ndarray:
    """Return averaged scores in their own units."""
    return np.exp(scores) - TINY if is_ordered else scores


def mean_scores(scores: Sequence[np.ndarray], is_ordered: bool) -> np.ndarray:
    """Return the average of scores of several members, in their own units."""
    parts = [to_mean_scale(each, is_ordered) / len(scores) for each in scores]
    return from_mean_scale(np.sum(parts, axis=0), is_ordered)


def views_of(names: Sequence[str]) -> set[str]:
    """Return the views that the scores look at."""
    return {SCORES[name].view for name in names}
