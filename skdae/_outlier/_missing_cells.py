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


def _features(missing: np.ndarray) -> np.ndarray:
    """Return what a score is regressed on, (n, n_columns + 2): 0 for complete rows.

    `missing` is 1 for a missing cell, or its share over the rows of a window.
    """
    share = missing.mean(axis=1, keepdims=True)
    return np.hstack(
        [missing, np.log(np.maximum(1 - share, TINY ** (1 / 2))), share**2]
    )


def _ridge(F: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the coefficients of y on F, without an intercept."""
    return np.linalg.solve(F.T @ F + RIDGE * np.eye(F.shape[1]), F.T @ y)


@dataclass(frozen=True)
class MissingCellCorrection:
    """Location and spread of a score on a logarithmic scale, by missing cells."""

    center: float  # of complete rows
    reach: float  # from there to the highest of them
    location: np.ndarray  # (n_columns + 2,) shift of the location
    log_spread: np.ndarray  # (n_columns + 2,) logarithm of the factor of the spread

    @classmethod
    def none(cls, n_columns: int) -> "MissingCellCorrection":
        """No correction, where nothing can be learned."""
        zeros = np.zeros(n_columns + 2)
        return cls(0.0, 0.0, zeros, zeros)

    @classmethod
    def learn(
        cls,
        before: np.ndarray,
        missing_before: np.ndarray,
        after: np.ndarray,
        missing_after: np.ndarray,
    ) -> "MissingCellCorrection":
        """From scores of the same rows before and after cells were hidden, (n,)."""
        F, G = _features(missing_before), _features(missing_after)
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
        return cls(center, reach, location, _ridge(H, size)[:-1])

    def apply(
        self, scores: np.ndarray, missing: np.ndarray, is_empty: np.ndarray
    ) -> np.ndarray:
        """Return scores of rows as if they were complete, (n,).

        Beyond all normal rows the distance from them stays what it is. A row without a
        value has the score of a typical row.
        """
        F = _features(missing)
        factor = np.clip(np.exp(F @ self.log_spread), MIN_FACTOR, MAX_FACTOR)
        deviations = scores - self.center - F @ self.location
        within = np.minimum(deviations, factor * self.reach)
        corrected = self.center + within / factor + (deviations - within)
        return np.where(is_empty, self.center, corrected)
