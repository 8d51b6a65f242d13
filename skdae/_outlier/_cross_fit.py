"""Networks trained on parts of the rows in turn, and scores of held-out rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone

from skdae._core.monitor import PhaseRecord
from skdae._core.network import Network
from skdae._outlier._folds import Batch, Folds
from skdae._outlier._models import Model, completed
from skdae._outlier._scores import (
    SCORES,
    Score,
    views_of,
)
from skdae._outlier._views import IS_RESIDUAL, Views
from skdae._table.encoder import TableEncoder
from skdae._transformer import GradualDAETransformer
from skdae._transformer._transformer import fit_matrix

FINGERPRINT_SEED = 0
TRIM_ROUNDS = 3  # times that the centre is estimated again without the most anomalous


# --- which rows are known, which are copies, which are normal -------------------------


def fingerprints(raw: np.ndarray) -> np.ndarray:
    """Return a number per row that equal rows share and others do not, (n_rows,).

    Rows are equal when they are in float32, so that copies in it are recognised.
    """
    with np.errstate(over="ignore"):  # beyond float32 all are equal
        single = raw.astype(np.float32) + np.float32(0)  # no negative zeros
    single[np.isnan(single)] = np.nan  # of one kind
    words = single.astype(np.float64).view(np.uint64)
    words ^= words >> 29
    products = words * _odd_numbers(raw.shape[1])
    return (products ^ (words >> 32)).sum(axis=1, dtype=np.uint64)


@lru_cache(maxsize=16)  # drawn once for the calls with single rows
def _odd_numbers(n_columns: int) -> np.ndarray:
    generator = np.random.default_rng(FINGERPRINT_SEED)
    return generator.integers(2**63, size=n_columns, dtype=np.uint64) * 2 + 1


def duplicate_groups(raw: np.ndarray, n_splits: int) -> np.ndarray | None:
    """Return a group per row that its copies share, None where there are none.

    A row whose copy was trained on is not a new one.
    """
    distinct, groups = np.unique(fingerprints(raw), return_inverse=True)
    can_be_split = n_splits <= len(distinct) < len(raw)
    return groups if can_be_split else None


def find_inliers(
    encoder: TableEncoder, raw: np.ndarray, trim: float, n_neighbors: int
) -> np.ndarray:
    """Return which rows are left without the share `trim` of the most anomalous ones.

    By the sum of the ranks of two distances: from the centre, estimated again without
    the most anomalous rows, and from the nearest rows. No network is trained for it.
    """
    inliers = np.ones(len(raw), dtype=bool)
    if trim == 0:
        return inliers
    inputs = encoder.encode(raw)[0].astype(np.float64)
    for _ in range(TRIM_ROUNDS):
        distances = SCORES["distance"].learn(inputs[inliers], 0).score(inputs)
        inliers = distances <= np.quantile(distances, 1 - trim)
    near = SCORES["neighbors"].learn(inputs, n_neighbors).score(inputs)
    ranks = rankdata(distances) + rankdata(near)
    return ranks <= np.quantile(ranks, 1 - trim)


# --- a member of the ensemble --------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """A network of the ensemble, and what each score has learned for it.

    Attributes
    ----------
    encoder : TableEncoder
        From the table to the network's input.
    network : Network
        The network.
    phases : tuple of PhaseRecord
        Its training.
    loss_curve : list of float
        Its training loss by epoch.
    models : tuple of Model
        By score, in the order of the detector's `score_names_`.
    trained_on : ndarray
        Fingerprints of its training rows.
    """

    encoder: TableEncoder
    network: Network
    phases: tuple[PhaseRecord, ...]
    loss_curve: list[float]
    models: tuple[Model, ...]
    trained_on: np.ndarray

    def score(self, names: Sequence[str], batch: Batch) -> np.ndarray:
        """Return the anomaly scores of rows, (n, n_scores)."""
        views = Views(self.encoder, self.network, batch)
        return np.column_stack(
            [
                model.score(self._seen(SCORES[name].view, model, views))
                for name, model in zip(names, self.models, strict=True)
            ]
        )

    def with_scores(self, places: Sequence[int]) -> "Member":
        """Return the member with the scores at some places only."""
        return replace(self, models=tuple(self.models[place] for place in places))

    @staticmethod
    def _seen(view: str, model: Model, views: Views) -> np.ndarray:
        """Return a view of rows as a model takes it."""
        return completed(model, views[view], views.missing(view))


@dataclass(frozen=True)
class SeenRows:
    """The rows that some members were trained on, to be recognised.

    A row is scored by the members that were not trained on it, with equal weights; by
    all of them where there is none.
    """

    prints: np.ndarray  # (n_known,) fingerprints, ascending
    weights: np.ndarray  # (n_known + 1, n_members); the last row: of rows not known

    @classmethod
    def of(cls, members: Sequence[Member]) -> "SeenRows":
        """Those of some members."""
        prints = np.unique(np.concatenate([member.trained_on for member in members]))
        is_new = np.ones((len(prints) + 1, len(members)), dtype=bool)
        for number, member in enumerate(members):
            is_new[np.searchsorted(prints, member.trained_on), number] = False
        is_new[~is_new.any(axis=1)] = True
        return cls(prints, is_new / is_new.sum(axis=1, keepdims=True))

    def weights_of(self, raw: np.ndarray) -> np.ndarray:
        """Return the weight of each member in the score of rows, (n, n_members)."""
        prints = fingerprints(raw)
        place = np.searchsorted(self.prints, prints)
        is_known = self.prints[np.minimum(place, len(self.prints) - 1)] == prints
        return self.weights[np.where(is_known, place, -1)]


# --- networks of all folds -----------------------------------------------------------


@dataclass(frozen=True)
class FoldFit:
    """The network of one fold, with the views that its scores learn from."""

    transformer: GradualDAETransformer  # fitted
    training: dict[str, np.ndarray]  # views of its training rows
    held_out: dict[str, np.ndarray]  # views of its held-out rows
    missing: dict[str, np.ndarray | None]  # which features of these are missing
    trained_on: np.ndarray  # fingerprints of its training rows

    def member(self, models: tuple[Model, ...]) -> Member:
        """Return what is kept of it."""
        return Member(
            self.transformer.table_encoder_,
            self.transformer.network_,
            self.transformer.phases_,
            self.transformer.loss_curve_,
            models,
            self.trained_on,
        )


@dataclass(frozen=True)
class CrossFit:
    """The networks of all folds."""

    folds: list[FoldFit]
    fold_of: np.ndarray  # (n_rows,) the fold that holds a row out, -1 for none

    def held_out(self, view: str) -> np.ndarray:
        """Return a view of all rows by the network that held each out, or NaN."""
        width = self.folds[0].held_out[view].shape[1]
        values = np.full((len(self.fold_of), width), np.nan)
        for number, fold in enumerate(self.folds):
            values[self.fold_of == number] = fold.held_out[view]
        return values

    def score(
        self, names: Sequence[str], inliers: np.ndarray, n_neighbors: int
    ) -> tuple[np.ndarray, list[Member]]:
        """Return the scores out of fold, (n_rows, n_scores), and the members."""
        found = [self._score(SCORES[name], inliers, n_neighbors) for name in names]
        members = [
            fold.member(tuple(models[number] for _, models in found))
            for number, fold in enumerate(self.folds)
        ]
        return np.column_stack([scores for scores, _ in found]), members

    def _score(
        self, score: Score, inliers: np.ndarray, n_neighbors: int
    ) -> tuple[np.ndarray, list[Model]]:
        """Return one score of the held-out rows, and its model for each fold.

        Normal residuals are learned from held-out rows, never from those of training
        rows; the held-out rows of the fold itself are left out.
        """
        usable = inliers & (self.fold_of >= 0)
        scores = np.full(len(inliers), np.nan)
        models: list[Model] = []
        # other views have features of their own: a category may be in some folds only
        pooled = self.held_out(score.view) if IS_RESIDUAL[score.view] else None
        for number, fold in enumerate(self.folds):
            rows = self.fold_of == number
            if pooled is not None:
                others = usable & ~rows if (usable & ~rows).sum() > 1 else usable
                reference = pooled[others]
            else:
                reference = fold.training[score.view]
            models.append(score.learn(reference, n_neighbors))
            seen = completed(
                models[-1], fold.held_out[score.view], fold.missing[score.view]
            )
            scores[rows] = models[-1].score(seen)
        return scores, models


@dataclass(frozen=True)
class Training:
    """Rows to learn from, and the scores that learn from them."""

    transformer: GradualDAETransformer  # to be cloned
    encoder: TableEncoder
    batch: Batch  # all rows of the table
    inliers: np.ndarray  # (n_rows,) bool: those that count as normal
    names: tuple[str, ...]  # of the scores
    n_neighbors: int
    lags: int
    is_ordered: bool


@dataclass(frozen=True)
class Round:
    """The networks of one partition, and the scores of the rows each held out."""

    fold_of: np.ndarray  # (n_rows,), -1 for rows that are never held out
    scores: np.ndarray  # (n_rows, n_scores), NaN for these
    members: list[Member]  # one for each fold


def fit_round(owner: Any, training: Training, folds: Folds, seeds: np.ndarray) -> Round:
    """Train a network per fold, and score the rows that it has not seen."""
    fits = cross_fit(owner, training, folds, seeds)
    scores, members = fits.score(training.names, training.inliers, training.n_neighbors)
    return Round(fits.fold_of, scores, members)


def cross_fit(
    owner: Any, training: Training, folds: Folds, seeds: np.ndarray
) -> CrossFit:
    """Train a network per fold on the inliers of a whole table outside of it."""
    batch, encoder = training.batch, training.encoder
    transformer, inliers = training.transformer, training.inliers
    views = views_of(training.names)
    own = {name for name in views if not IS_RESIDUAL[name]}
    raw = batch.raw
    fits, fold_of = [], np.full(len(raw), -1)
    for number, ((train, held_out), seed) in enumerate(zip(folds, seeds, strict=True)):
        rows = train[inliers[train]]
        fitted = clone(transformer).set_params(random_state=int(seed), verbose=False)
        fit_matrix(fitted, owner, encoder, raw[rows])
        fold_of[held_out] = number
        of_training, of_held_out = (
            Views(fitted.table_encoder_, fitted.network_, batch.take(places))
            for places in (rows, np.flatnonzero(fold_of == number))
        )
        fits.append(
            FoldFit(
                fitted,
                {name: of_training[name] for name in own},
                {name: of_held_out[name] for name in views},
                {name: of_held_out.missing(name) for name in views},
                fingerprints(raw[rows]),
            )
        )
    return CrossFit(fits, fold_of)
