"""Scores of rows with missing cells, made comparable with those of complete rows.

Missing cells are filled with what the network rebuilds (`_views`), so that a row with
gaps seems more normal, or less where the network rebuilds badly. How much is learned
from held-out rows with cells hidden: location and spread of the logarithm of the score
by which cells are missing.
"""

from dataclasses import dataclass

import numpy as np

MAX_ROWS = 3_000  # with hidden cells that the correction is learned from
MIN_ROWS = 10  # held-out rows with a value
ONE_CELL = 0.4  # share of those rows that miss one cell; the others a random share
FEW_CELLS = 0.8  # share of them that miss up to half of their cells
RIDGE = 1.0  # penalty of the regressions, in rows
MIN_FACTOR, MAX_FACTOR = 0.2, 5.0  # of a spread
TINY = 1e-6


def hide_cells(observed: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return which observed cells of rows to hide, (n, n_columns), not all of a row.

    In some rows a single one, each column about as often; in others a random share.
    """
    n_rows, n_columns = observed.shape
    kind = generator.random(n_rows)
    rate = np.where(
        kind < FEW_CELLS,
        generator.uniform(0, 0.5, n_rows),
        generator.uniform(0.5, 0.95, n_rows),
    )
    order = generator.random(observed.shape)
    hidden = order < rate[:, None]
    single = kind < ONE_CELL
    hidden[single] = False
    hidden[single, generator.permutation(n_rows)[single] % n_columns] = True
    hidden &= observed
    # a row keeps the cell that comes last in the order
    is_empty = (observed & ~hidden).sum(axis=1) == 0
    last = np.where(observed, order, -1.0).argmax(axis=1)
    hidden[is_empty, last[is_empty]] = False
    return hidden


def _features(missing: np.ndarray, column_scale: float = 1.0) -> np.ndarray:
    """Return what a score is regressed on, (n, n_features): 0 for complete rows.

    `missing` is which cells of a row and of those before it are missing, (n, 1 +
    lags, n_columns). Cells that the row itself lacks count for more than those that the
    rows before lack too: they have terms of their own.
    """
    by_column = missing.mean(axis=1)
    share = by_column.mean(axis=1, keepdims=True)
    parts = [column_scale * by_column, *_terms(share)]
    if missing.shape[1] > 1:
        own = missing[:, 0].mean(axis=1, keepdims=True)
        parts += [share, own, *_terms(own)]
    return np.hstack(parts)


def _terms(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return terms of a share of missing cells beside the linear one."""
    return np.log(np.maximum(1 - share, TINY ** (1 / 2))), share**2


def _ridge(F: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the coefficients of y on F, without an intercept."""
    return np.linalg.solve(F.T @ F + RIDGE * np.eye(F.shape[1]), F.T @ y)


@dataclass(frozen=True)
class MissingCellCorrection:
    """Location and spread of a score on a logarithmic scale, by missing cells."""

    center: float  # of complete rows
    reach: float  # from there to the highest of them
    location: np.ndarray  # (n_features,) shift of the location
    log_spread: np.ndarray  # (n_features,) logarithm of the factor of the spread
    column_scale: float = 1.0  # of the terms of single columns; less is penalised more

    @classmethod
    def none(cls, n_columns: int, n_lags: int) -> "MissingCellCorrection":
        """No correction, where nothing can be learned."""
        zeros = np.zeros(_features(np.zeros((1, 1 + n_lags, n_columns))).shape[1])
        return cls(0.0, 0.0, zeros, zeros)

    @classmethod
    def learn(
        cls,
        before: np.ndarray,
        missing_before: np.ndarray,
        after: np.ndarray,
        missing_after: np.ndarray,
        n_effective: float | None = None,
    ) -> "MissingCellCorrection":
        """From scores of the same rows before and after cells were hidden, (n,).

        Rows in time order are worth `n_effective` independent ones. Of Tennessee
        Eastman's 500, which are worth 50, the terms of 52 columns cannot be learned:
        they are penalised by one independent row for each column.
        """
        column_scale = 1.0
        if n_effective is not None:
            n_copies, n_columns = len(before) / n_effective, missing_after.shape[2]
            column_scale = 1 / np.sqrt(max(1.0, n_copies * n_columns))
        F = _features(missing_before, column_scale)
        G = _features(missing_after, column_scale)
        location = _ridge(G - F, after - before)
        plain = before - F @ location
        center = float(np.mean(plain))
        deviations = np.concatenate([plain, after - G @ location]) - center
        # the spread of the upper half, where thresholds are; no logarithm of 0
        is_above = deviations > 0
        size = np.log(deviations[is_above] + 0.1 * deviations.std() + TINY)
        H = np.vstack([F, G])[is_above]
        H = np.hstack([H, np.full((len(H), 1), np.sqrt(len(H)))])  # hardly shrunk
        reach = float(np.max(plain - center))
        return cls(center, reach, location, _ridge(H, size)[:-1], column_scale)

    def apply(
        self, scores: np.ndarray, missing: np.ndarray, is_empty: np.ndarray
    ) -> np.ndarray:
        """Return scores of rows as if they were complete, (n,).

        Beyond all normal rows the distance from them stays what it is. A row without a
        value has the score of a typical row.
        """
        F = _features(missing, self.column_scale)
        factor = np.clip(np.exp(F @ self.log_spread), MIN_FACTOR, MAX_FACTOR)
        deviations = scores - self.center - F @ self.location
        within = np.minimum(deviations, factor * self.reach)
        corrected = self.center + within / factor + (deviations - within)
        return np.where(is_empty, self.center, corrected)
