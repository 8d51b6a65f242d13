"""Anomaly scores by name, and several of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._outlier import _models
from skdae._outlier._models import MIN_SPREAD, TINY, Learn, Model, Neighbors
from skdae._outlier._views import IS_RESIDUAL
from skdae._table.encoder import TableEncoder

SHARPNESS = 3.0  # of the bend above which a score counts in a combination
HIGH_QUANTILE = 0.9  # of the normal rows: the unit of a score's scale


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
    "distance": Score("inputs", _models.mahalanobis),
    "neighbors": Score("inputs", _models.nearest_rows),
    "rank_neighbors": Score("inputs", _models.nearest_ranks),
}

#: The scores that 'auto' stands for.
COMBINATION = ("whitened_error", "error_neighbors", "neighbors", "rank_neighbors")


def check_scores(scores: Any) -> tuple[str, ...]:
    """Return the names of the scores."""
    names = COMBINATION if isinstance(scores, str) and scores == "auto" else scores
    names = (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"scores={scores!r} must be 'auto', one of {sorted(SCORES)}, or several "
            "different ones of them in a tuple; correct the names."
        )
    return names


# --- contributions by column of the table --------------------------------------------


def column_contributions(
    contributions: np.ndarray, view: str, encoder: TableEncoder
) -> np.ndarray:
    """Return contributions of a view's features as those of the table's columns."""
    if IS_RESIDUAL[view]:
        return contributions
    totals = np.zeros((len(contributions), encoder.n_columns))
    np.add.at(totals.T, encoder.column_of, contributions.T)
    return totals


def code_contributions(
    model: Model, code: np.ndarray, inputs: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Return a score of codes, shared among the inputs.

    By the squared differences between the row and the reference rows, (m, n_features),
    that its code is compared with: the rows of the nearest codes, or the mean of all.
    """
    if isinstance(model, Neighbors):
        nearest = reference[model.neighbors(code)]  # (n, k, n_features)
        squares = ((nearest - inputs[:, None]) ** 2).mean(axis=1)
    else:
        squares = (inputs - reference.mean(axis=0)) ** 2
    squares += TINY
    total = squares.sum(axis=1, keepdims=True)
    return squares / total * model.score(code)[:, None]


# --- several scores as one -----------------------------------------------------------


@dataclass(frozen=True)
class Combination:
    """Several scores as one, by where those of normal rows lie on a logarithmic scale.

    A single score stays in its own units.
    """

    low: np.ndarray  # (n_scores,) the median
    width: np.ndarray  # (n_scores,) from there to `HIGH_QUANTILE`

    @classmethod
    def learn(cls, scores: np.ndarray) -> "Combination":
        """From the scores of normal rows, (n, n_scores)."""
        low, high = np.quantile(
            np.log(scores + TINY), [0.5, HIGH_QUANTILE], axis=0
        )  # each (n_scores,)
        return cls(low, np.maximum(high - low, MIN_SPREAD))

    def combine(self, scores: np.ndarray) -> np.ndarray:
        """Return one score of several, (n,): the mean excess over the median."""
        if scores.shape[1] == 1:
            return scores[:, 0]
        return self.excess(scores).mean(axis=1)

    def standardize(self, scores: np.ndarray) -> np.ndarray:
        """Return scores in units of the scale: 0 at the median, 1 at the quantile."""
        return (np.log(scores + TINY) - self.low) / self.width

    def excess(self, scores: np.ndarray) -> np.ndarray:
        """Return standardized scores, bent to 0 below the median, (n, n_scores)."""
        return np.logaddexp(0, SHARPNESS * self.standardize(scores)) / SHARPNESS

    def contributions(self, contributions: np.ndarray) -> np.ndarray:
        """Return the contributions to the combination, (n, n_columns).

        From those to each score, (n_scores, n, n_columns). What a score adds to the
        combination is divided among the columns as the score is.
        """
        if len(contributions) == 1:
            return contributions[0]
        scores = contributions.sum(axis=2).T  # (n, n_scores)
        excess = self.excess(scores) / scores.shape[1]
        shares = contributions / np.maximum(scores, TINY).T[:, :, None]
        rest = 1 - shares.sum(axis=2, keepdims=True)  # 1 where nothing contributes
        shares += rest / contributions.shape[2]
        return np.einsum("is,sij->ij", excess, shares)


def views_of(names: Sequence[str]) -> set[str]:
    """Return the views that the scores look at."""
    return {SCORES[name].view for name in names}
