"""The fitted ensemble: one anomaly score of several networks and scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skdae._outlier._cross_fit import Member, SeenRows
from skdae._outlier._disagreement import NO_DISAGREEMENT, Disagreement
from skdae._outlier._folds import Batch
from skdae._outlier._missing_cells import (
    MAX_ROWS,
    MIN_ROWS,
    MissingCellCorrection,
    hide_cells,
)
from skdae._outlier._scores import (
    Combination,
    from_mean_scale,
    to_mean_scale,
    views_of,
)
from skdae._outlier._slowness import SlowMovement
from skdae._outlier._views import IS_RESIDUAL
from skdae._table.encoder import TableEncoder
from skdae.timeseries import effective_sample_size

HIDING_SEED = 0  # which cells are hidden is the same for every model
MAX_COPIES = 10  # of a row with other cells hidden


@dataclass(frozen=True)
class Ensemble:
    """Networks and scores, and how they make one anomaly score."""

    encoder: TableEncoder
    names: Sequence[str]
    members: list[Member]
    training_rows: SeenRows
    combination: Combination
    correction: MissingCellCorrection
    disagreement: Disagreement = NO_DISAGREEMENT
    slow: SlowMovement | None = None  # of rows in time order without groups

    @classmethod
    def learn(
        cls,
        encoder: TableEncoder,
        names: Sequence[str],
        members: list[Member],
        held_out: np.ndarray,
        inliers: np.ndarray,
        batch: Batch,
        is_ordered: bool,
    ) -> "Ensemble":
        """Learn to combine the scores of all rows by networks that held each out.

        `held_out` is (n_rows, n_scores), NaN for rows that were never held out. The
        combination is learned from `inliers`, (n_rows,) bool, the correction for
        missing cells from all held-out rows.
        """
        is_held_out = ~np.isnan(held_out).any(axis=1)
        n_lags = batch.window.shape[1] - 1
        plain = cls(
            encoder,
            names,
            members,
            SeenRows.of(members),
            Combination.learn(held_out[inliers & is_held_out], is_ordered),
            MissingCellCorrection.none(encoder.n_columns, n_lags),
        )
        return plain._with_correction(batch, np.flatnonzero(is_held_out), held_out)

    def weights(self, batch: Batch) -> np.ndarray:
        """Return the weight of each member in the score of each row."""
        return self.training_rows.weights_of(batch.rows)

    def observed(self, raw: np.ndarray) -> np.ndarray:
        """Return which cells hold a value, of columns that had one in training."""
        return self.encoder.observed_cells(raw) & self.encoder.has_values

    def missing(self, batch: Batch) -> np.ndarray:
        """Return which cells are missing, (n, 1 + lags, n_columns).

        Of rows and of those before them that they are scored with.
        """
        missing = ~self.observed(batch.raw) & self.encoder.has_values
        return missing[batch.window]

    def score(self, batch: Batch) -> np.ndarray:
        """Return the anomaly scores of rows, (n,), at least 0."""
        return self.combine(self._scores(batch, self.weights(batch)), batch)

    def _scores(self, batch: Batch, weights: np.ndarray) -> np.ndarray:
        """Return each score of rows, averaged over members, (n, n_scores)."""
        is_ordered = self.combination.is_ordered
        scores = np.zeros((len(batch), len(self.names)))
        for member, weight in zip(self.members, weights.T, strict=True):
            rows = np.flatnonzero(weight)
            if len(rows):
                part = batch if len(rows) == len(batch) else batch.take(rows)
                found = member.score(self.names, part)
                scores[rows] += to_mean_scale(found, is_ordered) * weight[rows, None]
        return from_mean_scale(scores, is_ordered)

    def combine(self, scores: np.ndarray, batch: Batch) -> np.ndarray:
        """Return one score of several, (n,), corrected for missing cells."""
        combined = self.combination.combine(scores)
        missing = self.missing(batch)
        rows = np.flatnonzero(missing.any(axis=(1, 2)))
        if len(rows):
            corrected = self.correction.apply(
                self.combination.to_log(combined[rows]),
                missing[rows],
                np.logical_not(self.observed(batch.rows[rows]).any(axis=1)),
            )
            combined[rows] = self.combination.from_log(corrected)
        return combined

    def combine_held_out(self, scores: np.ndarray, batch: Batch) -> np.ndarray:
        """Return one score of several for held-out rows, NaN for the others, (n,)."""
        combined = np.full(len(scores), np.nan)
        places = np.flatnonzero(~np.isnan(scores).any(axis=1))
        combined[places] = self.combine(scores[places], batch.take(places))
        return combined

    def with_disagreement(
        self, fold_of: np.ndarray, gap: int, held_out: np.ndarray, batch: Batch
    ) -> "Ensemble":
        """Learn by how much members differ on rows that neither of them has seen.

        `fold_of` is the block of consecutive rows that each row is held out with,
        `held_out` are the scores of the rows, (n_rows, n_scores).
        """
        if any(IS_RESIDUAL[view] for view in views_of(self.names)):
            return self
        own = self._log_scores(held_out)
        fold = np.arange(len(self.members)) % (fold_of.max() + 1)

        def score_by(block: int, rows: np.ndarray) -> np.ndarray:
            scores = own[rows]
            others = np.flatnonzero(fold_of[rows] != block)
            weights = (fold == block) / (fold == block).sum()
            part = batch.take(rows[others])
            weights = np.broadcast_to(weights, (len(others), len(weights)))
            scores[others] = self._log_scores(self._scores(part, weights))
            return scores

        return replace(self, disagreement=Disagreement.learn(fold_of, gap, score_by))

    def with_slow_movement(self, batch: Batch, gap: int) -> "Ensemble":
        """Learn how long the movement of the rows takes, which follow each other."""
        Z = self.encoder.encode(batch.rows)[0].astype(np.float64)
        n_features = Z.shape[1] * batch.window.shape[1]
        return replace(self, slow=SlowMovement.of(Z, gap, n_features))

    def _with_correction(
        self, batch: Batch, rows: np.ndarray, scores: np.ndarray
    ) -> "Ensemble":
        """Learn the correction for missing cells from held-out rows of a table.

        `scores` are those of all rows, (n_rows, n_scores), by networks that held each
        out.
        """
        rows = rows[self.observed(batch.raw[rows]).any(axis=1)]
        if len(rows) < MIN_ROWS or self.encoder.n_columns < 2:
            return self
        n_effective = None
        if batch.window.shape[1] > 1:  # rows in time order
            n_effective = effective_sample_size(self._log_scores(scores[rows]))
        chosen = np.linspace(
            0, len(rows) - 1, min(MAX_ROWS, MAX_COPIES * len(rows))
        ).astype(int)
        rows = rows[chosen]
        log_scores = self._log_scores(scores[rows])
        return replace(
            self,
            correction=self._learn_correction(batch, rows, log_scores, n_effective),
        )

    def _log_scores(self, scores: np.ndarray) -> np.ndarray:
        """Return one score of several on the logarithmic scale, not corrected."""
        return self.combination.to_log(self.combination.combine(scores))

    def _learn_correction(
        self,
        batch: Batch,
        rows: np.ndarray,
        log_scores: np.ndarray,
        n_effective: float | None,
    ) -> MissingCellCorrection:
        """Score rows after cells are hidden, and compare with the scores before."""
        generator = np.random.default_rng(HIDING_SEED)
        before = batch.take(rows)
        cells = batch.raw[batch.window[rows]]  # (n, 1 + lags, n_columns)
        hidden = hide_cells(self.observed(cells[:, 0]), generator)
        lasts = generator.random(len(rows)) < 0.5  # missing in the rows before as well
        cells[:, 0][hidden] = np.nan
        for lag in range(1, cells.shape[1]):
            cells[:, lag][hidden & lasts[:, None]] = np.nan
        places = np.arange(cells.shape[0] * cells.shape[1])
        after = Batch(
            cells.reshape(-1, cells.shape[2]), places.reshape(cells.shape[:2])
        )
        after_scores = self._scores(after, self.weights(before))
        return MissingCellCorrection.learn(
            log_scores,
            self.missing(before),
            self._log_scores(after_scores),
            self.missing(after),
            n_effective,
        )
