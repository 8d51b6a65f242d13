"""How strange rows are, by what a fitted network shows of them.

A score looks at one view of the rows, learns what is usual in a reference, and is a
sum of parts, one per feature of the view. It is 0 at its lowest and has no upper end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skdae._core.network import Network, chunks
from skdae._outlier._covariance import Axes, shrunk_covariance
from skdae._outlier._ranks import NormalScores
from skdae._table.encoder import TableEncoder
from skdae._transformer import _outputs

LEAST_SPREAD = 1e-3  # of a feature: less is rounding, or a constant
SHARPNESS = 3.0  # of the bend above which a score counts in a combination
MOST_NEIGHBORS = (
    10_000  # rows that others are compared with; more are thinned out evenly
)
HIGH = 0.9  # share of the usual rows below the second mark of a score's scale
TINY = 1e-12


# --- views: what a score looks at ----------------------------------------------------


def _filled(errors: np.ndarray) -> np.ndarray:
    """Return residuals with 0 where nothing is observed, the others the larger."""
    seen = ~np.isnan(errors)
    share = np.maximum(seen.mean(axis=1, keepdims=True), 1 / errors.shape[1])
    return np.where(seen, errors, 0) / np.sqrt(share)


def _inputs(encoder: TableEncoder, network: Network, raw: np.ndarray) -> np.ndarray:
    return encoder.encode(raw)[0].astype(np.float64)


def _code(encoder: TableEncoder, network: Network, raw: np.ndarray) -> np.ndarray:
    return _outputs.code(encoder, network, raw).astype(np.float64)


def _residuals(encoder: TableEncoder, network: Network, raw: np.ndarray) -> np.ndarray:
    return _filled(_outputs.residuals(encoder, network, raw))


def _hidden(encoder: TableEncoder, network: Network, raw: np.ndarray) -> np.ndarray:
    return _filled(_outputs.hidden_residuals(encoder, network, raw))


@dataclass(frozen=True)
class View:
    """Values of rows, (n, width), and what they can be compared with."""

    values: _outputs.Values
    # Residuals of rows a network has not seen are alike for all networks of a fit, and
    # what is usual is learned from them; other views are compared with training rows.
    held_out: bool


VIEWS = {
    "inputs": View(_inputs, held_out=False),
    "code": View(_code, held_out=False),
    "residuals": View(_residuals, held_out=True),
    "hidden": View(_hidden, held_out=True),
}


# --- models: what is usual -----------------------------------------------------------


class Model(Protocol):
    """What a score has learned from its reference."""

    def strangeness(self, V: np.ndarray) -> np.ndarray:
        """Return how strange rows are, (n,), at least 0."""
        ...

    def parts(self, V: np.ndarray) -> np.ndarray:
        """Return what each feature adds to it, (n, width)."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """A weighted sum of squares."""

    weights: np.ndarray  # (width,)

    def strangeness(self, V: np.ndarray) -> np.ndarray:
        return V**2 @ self.weights

    def parts(self, V: np.ndarray) -> np.ndarray:
        return V**2 * self.weights


@dataclass(frozen=True)
class Quadratic:
    """The squared Mahalanobis distance from a centre, over the number of features."""

    center: np.ndarray  # (width,)
    precision: np.ndarray  # (width, width)

    def strangeness(self, V: np.ndarray) -> np.ndarray:
        return np.maximum(self.parts(V).sum(axis=1), 0)

    def parts(self, V: np.ndarray) -> np.ndarray:
        deviation = V - self.center
        return deviation * (deviation @ self.precision)


@dataclass(frozen=True)
class Neighbors:
    """The mean squared distance to the nearest rows other than the row itself."""

    search: NearestNeighbors
    reference: np.ndarray  # (n_reference, width)
    n_neighbors: int

    def strangeness(self, V: np.ndarray) -> np.ndarray:
        distances, nearest = self.search.kneighbors(V, self.n_neighbors + 1)
        gap = self.reference[nearest[:, 0]] - V
        itself = self._is_row(gap, V)
        distances **= 2
        near = np.where(itself[:, None], distances[:, 1:], distances[:, :-1])
        return near.mean(axis=1)

    def parts(self, V: np.ndarray) -> np.ndarray:
        return np.concatenate([self._parts(V[rows]) for rows in chunks(len(V))])

    def _parts(self, V: np.ndarray) -> np.ndarray:
        nearest = self.neighbors(V)
        squares = (self.reference[nearest] - V[:, None]) ** 2  # (n, k, width)
        return squares.mean(axis=1)

    def neighbors(self, V: np.ndarray) -> np.ndarray:
        """Return the indices of the nearest rows, (n, k)."""
        k = self.n_neighbors
        nearest = self.search.kneighbors(V, k + 1, return_distance=False)
        itself = self._is_row(self.reference[nearest[:, 0]] - V, V)
        return np.where(itself[:, None], nearest[:, 1:], nearest[:, :-1])

    @staticmethod
    def _is_row(gap: np.ndarray, V: np.ndarray) -> np.ndarray:
        return (gap**2).sum(axis=1) <= TINY * (1 + (V**2).sum(axis=1))


@dataclass(frozen=True)
class WhitenedNeighbors:
    """The same in the units of a covariance, over the number of features."""

    axes: Axes
    near: Neighbors  # among rows in these units

    def strangeness(self, V: np.ndarray) -> np.ndarray:
        return self.near.strangeness(self._whitened(V)) / V.shape[1]

    def parts(self, V: np.ndarray) -> np.ndarray:
        return np.concatenate([self._parts(V[rows]) for rows in chunks(len(V))])

    def _parts(self, V: np.ndarray) -> np.ndarray:
        white = self._whitened(V)
        gaps = self.near.reference[self.near.neighbors(white)] - white[:, None]
        root = self.axes.directions * np.sqrt(self.axes.variances)
        weights = self.axes.directions / np.sqrt(self.axes.variances)
        # a gap in the user's features, times what it is weighed by
        return ((gaps @ root.T) * (gaps @ weights.T)).mean(axis=1) / V.shape[1]

    def _whitened(self, V: np.ndarray) -> np.ndarray:
        return self.axes.whitened(V)


@dataclass(frozen=True)
class RankNeighbors:
    """The same among normal scores of the ranks, which have no long tails."""

    ranks: NormalScores
    near: Neighbors

    def strangeness(self, V: np.ndarray) -> np.ndarray:
        return self.near.strangeness(self.ranks.forward(V))

    def parts(self, V: np.ndarray) -> np.ndarray:
        return self.near.parts(self.ranks.forward(V))


def _mean_of_squares(V: np.ndarray, n_neighbors: int) -> Model:
    return Diagonal(np.full(V.shape[1], 1 / V.shape[1]))


def _spread(V: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt((V**2).mean(axis=0)), LEAST_SPREAD)


def _scaled(V: np.ndarray, n_neighbors: int) -> Model:
    return Diagonal(1 / (_spread(V) ** 2 * V.shape[1]))


def _shrunk(V: np.ndarray, n_neighbors: int) -> Model:
    covariance = shrunk_covariance(V, LEAST_SPREAD**2)
    return Quadratic(covariance.center, covariance.precision / V.shape[1])


def _neighbors(V: np.ndarray, n_neighbors: int) -> Neighbors:
    rows = np.linspace(0, len(V) - 1, min(len(V), MOST_NEIGHBORS)).astype(int)
    k = min(n_neighbors, len(rows) - 1)
    return Neighbors(NearestNeighbors(n_neighbors=k).fit(V[rows]), V[rows], k)


def _whitened_neighbors(V: np.ndarray, n_neighbors: int) -> Model:
    axes = shrunk_covariance(V, LEAST_SPREAD**2)
    return WhitenedNeighbors(axes, _neighbors(axes.whitened(V), n_neighbors))


def _rank_neighbors(V: np.ndarray, n_neighbors: int) -> Model:
    ranks = NormalScores.learn(V)
    return RankNeighbors(ranks, _neighbors(ranks.forward(V), n_neighbors))


@dataclass(frozen=True)
class Score:
    """What is looked at, and how what is usual is learned from a reference."""

    view: str
    learn: Callable[[np.ndarray, int], Model]  # from reference and n_neighbors


SCORES = {
    "squared_error": Score("residuals", _mean_of_squares),
    "scaled_error": Score("residuals", _scaled),
    "whitened_error": Score("residuals", _shrunk),
    "error_neighbors": Score("residuals", _whitened_neighbors),
    "hidden_error": Score("hidden", _scaled),
    "whitened_hidden_error": Score("hidden", _shrunk),
    "code_distance": Score("code", _shrunk),
    "code_neighbors": Score("code", _neighbors),
    "distance": Score("inputs", _shrunk),
    "neighbors": Score("inputs", _neighbors),
    "rank_neighbors": Score("inputs", _rank_neighbors),
}


#: The scores that 'auto' stands for.
COMBINATION = ("whitened_error", "error_neighbors", "neighbors", "rank_neighbors")


def check_scores(scores: Any) -> tuple[str, ...]:
    """Return the names of the scores that are asked for."""
    names = COMBINATION if isinstance(scores, str) and scores == "auto" else scores
    names = (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"scores={scores!r} must be 'auto', one of {sorted(SCORES)}, or several "
            "different ones of them in a tuple; correct the names."
        )
    return names


def views_needed(names: Sequence[str]) -> set[str]:
    """Return the views that the scores look at."""
    return {SCORES[name].view for name in names}


def column_parts(parts: np.ndarray, view: str, encoder: TableEncoder) -> np.ndarray:
    """Return parts per column of the table, where a view has encoded features."""
    column_of = encoder.layout.column_of
    if VIEWS[view].held_out or column_of is None:
        return parts
    totals = np.zeros((len(parts), encoder.n_columns))
    np.add.at(totals.T, column_of, parts.T)
    return totals


def parts_by_witness(
    model: Model, code: np.ndarray, inputs: np.ndarray, witnesses: np.ndarray
) -> np.ndarray:
    """Return a score of codes, shared among the inputs.

    By the squared differences between the row and those that its code is compared
    with: the rows of the nearest codes, or all of them.
    """
    if isinstance(model, Neighbors):
        nearest = witnesses[model.neighbors(code)]  # (n, k, n_features)
        squares = ((nearest - inputs[:, None]) ** 2).mean(axis=1)
    else:
        squares = (inputs - witnesses.mean(axis=0)) ** 2
    squares += TINY
    total = squares.sum(axis=1, keepdims=True)
    return squares / total * model.strangeness(code)[:, None]


# --- one score of several ------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """Where scores of usual rows lie, on a logarithmic scale."""

    low: np.ndarray  # (n_scores,) the median
    width: np.ndarray  # (n_scores,) from there to the quantile `HIGH`

    @classmethod
    def learn(cls, strangeness: np.ndarray) -> "Scale":
        """From the scores of usual rows, (n, n_scores)."""
        low, high = np.quantile(
            np.log(strangeness + TINY), [0.5, HIGH], axis=0
        )  # each (n_scores,)
        return cls(low, np.maximum(high - low, LEAST_SPREAD))

    def marks(self, strangeness: np.ndarray) -> np.ndarray:
        """Return the scores in units of the scale, 0 usual and 1 high."""
        return (np.log(strangeness + TINY) - self.low) / self.width

    def combined(self, strangeness: np.ndarray) -> np.ndarray:
        """Return the mean of what the scores have above what is usual, at least 0."""
        return self._above(strangeness).mean(axis=1)

    def _above(self, strangeness: np.ndarray) -> np.ndarray:
        """Return the marks, bent to 0 below the median, (n, n_scores)."""
        return np.logaddexp(0, SHARPNESS * self.marks(strangeness)) / SHARPNESS

    def joined(self, parts: np.ndarray) -> np.ndarray:
        """Return the parts of the combination, (n, n_columns).

        `parts` are those of each score, (n_scores, n, n_columns); what a score has in
        the combination is shared as the score is.
        """
        if len(parts) == 1:
            return parts[0]
        strangeness = parts.sum(axis=2).T  # (n, n_scores)
        above = self._above(strangeness) / strangeness.shape[1]
        shares = parts / np.maximum(strangeness, TINY).T[:, :, None]
        rest = 1 - shares.sum(axis=2, keepdims=True)  # 1 where there are no parts
        shares += rest / parts.shape[2]
        return np.einsum("is,sij->ij", above, shares)


def combine(scale: Scale, strangeness: np.ndarray) -> np.ndarray:
    """Return one score of several, (n,), or the only one in its own units."""
    return (
        strangeness[:, 0] if strangeness.shape[1] == 1 else scale.combined(strangeness)
    )
