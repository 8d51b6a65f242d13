"""Measures: errors of rebuilt cells, detection and its delay, calibration."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ECE_BINS = 15


# --- rebuilt cells -------------------------------------------------------------------


class Errors(NamedTuple):
    """Of hidden cells: 0 is perfect, 1 is about what the column's mean gives."""

    numeric: float
    categorical: float  # NaN without categorical columns


def cell_errors(
    X_train: np.ndarray,
    X: np.ndarray,
    hidden: np.ndarray,
    X_filled: np.ndarray,
    categorical: tuple[int, ...] = (),
    *,
    root: bool = False,
) -> Errors:
    """Squared errors over the training variance; error rates over the majority's.

    With `root` the error of a column is in standard deviations. Columns that are
    constant in the training rows are not scored.
    """
    numeric, wrong, majority_wrong = [], 0.0, 0.0
    for j in range(X.shape[1]):
        cells = hidden[:, j]
        known = X_train[~np.isnan(X_train[:, j]), j]
        if not cells.any() or not len(known) or known.min() == known.max():
            continue
        truth, filled = X[cells, j], X_filled[cells, j]
        if j in categorical:
            majority = np.bincount(known.astype(int)).argmax()
            wrong += np.mean(truth != filled)
            majority_wrong += np.mean(truth != majority)
        else:
            square = np.mean((truth - filled) ** 2) / known.var()
            numeric.append(np.sqrt(square) if root else square)
    return Errors(
        float(np.mean(numeric)) if numeric else np.nan,
        wrong / majority_wrong if majority_wrong else np.nan,
    )


def pooled_rmse(
    X_train: np.ndarray, X: np.ndarray, hidden: np.ndarray, X_filled: np.ndarray
) -> float:
    """Root mean squared error of all cells, in standard deviations of their columns.

    Columns that are constant in the training rows are not scored.
    """
    known = ~np.isnan(X_train).all(axis=0)
    deviation = np.full(X.shape[1], np.nan)
    deviation[known] = np.nanstd(X_train[:, known], axis=0)
    scored = hidden & (deviation > 0)
    errors = ((X_filled - X) / np.where(deviation > 0, deviation, 1))[scored]
    return float(np.sqrt(np.mean(errors**2)))


N_DRAWS, N_OUTSIDE = 39, 2  # of 39 draws two lie on each side of a 90 % interval


def coverage(X: np.ndarray, hidden: np.ndarray, draws: Sequence[np.ndarray]) -> float:
    """Share of hidden cells between the second and the 38th of 39 draws: 0.9 is due."""
    below = np.sum([(draw < X) + 0.5 * (draw == X) for draw in draws], axis=0)
    inside = (below >= N_OUTSIDE) & (below <= len(draws) - N_OUTSIDE)
    return float(inside[hidden].mean())


# --- detection -----------------------------------------------------------------------


def limit_at(normal: np.ndarray, rate: float) -> float:
    """The threshold that the share `rate` of normal scores exceeds: a true rate."""
    return float(np.quantile(normal, 1 - rate))


def detection(scores: np.ndarray, truth: np.ndarray, limit: float) -> float:
    """Share of the anomalous rows above a threshold."""
    return float((scores[truth] > limit).mean())


def false_alarms(scores: np.ndarray, truth: np.ndarray, limit: float) -> float:
    """Share of the normal rows above a threshold."""
    return float((scores[~truth] > limit).mean())


def delay(scores: np.ndarray, truth: np.ndarray, limit: float) -> float:
    """Rows from the first anomalous row to the first alarm; inf without an alarm."""
    start = int(np.argmax(truth))
    alarms = np.flatnonzero(scores[start:] > limit)
    return float(alarms[0]) if len(alarms) else np.inf


# --- alarms by row --------------------------------------------------------------------


class Counts(NamedTuple):
    """Rows with an alarm or without, anomalous or normal."""

    hits: int
    misses: int
    false_alarms: int
    quiet: int

    @property
    def f1(self) -> float:
        return 2 * self.hits / (2 * self.hits + self.misses + self.false_alarms)

    @property
    def false_alarm_rate(self) -> float:
        """In percent of the normal rows."""
        return 100 * self.false_alarms / (self.false_alarms + self.quiet)

    @property
    def missing_alarm_rate(self) -> float:
        """In percent of the anomalous rows."""
        return 100 * self.misses / (self.hits + self.misses)


def count(truth: np.ndarray, alarms: np.ndarray) -> Counts:
    """Count rows."""
    pairs = (alarms & truth, ~alarms & truth, alarms & ~truth, ~alarms & ~truth)
    return Counts(*(int(pair.sum()) for pair in pairs))


# --- probabilities -------------------------------------------------------------------


def calibration_error(p: np.ndarray, classes: np.ndarray) -> float:
    """Expected calibration error of the predicted class, in equal bins."""
    top, right = p.max(axis=1), p.argmax(axis=1) == classes
    bins = np.minimum((top * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs((top[bins == b] - right[bins == b]).sum()) for b in range(ECE_BINS)]
    return float(np.sum(gaps) / len(p))
