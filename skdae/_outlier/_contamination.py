"""Whether rows that count as normal hold anomalies: rows far from all others.

No statistic of held-out scores separates every contaminated table from a clean one with
heavy tails or small groups; rows this far are rare in clean tables.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from skdae._outlier._cross_fit import Training, fingerprints
from skdae._outlier._models import TINY
from skdae._outlier._scores import SCORES
from skdae._table.validation import user_stacklevel

#: Scores whose logarithm is about normal for normal rows.
DISTANCES = ("distance", "weighted_distance", "whitened_error")
FAR = 4.0  # robust standard deviations of the logarithm above the median
NORMAL_QUARTILES = 1.349  # distance of the quartiles of a normal distribution
# Clean halves of 21 ADBench sets have 1.23 % at most, records of sensors 0.5 %,
# processes with steps, modes, drift and stops 0 %; benchmarks/anomaly.py --task
# contamination prints which contaminated ones have more.
MAX_SHARE = 0.0125
MIN_ROWS = 5  # that are far; a row with more copies is far from none


def contamination_scores(
    training: Training, names: Sequence[str], held_out: np.ndarray
) -> np.ndarray:
    """Return distances of the rows that count as normal, (n, n_scores).

    Of rows in time order the distance of a row by itself, among all rows: rows after a
    step are far from the rows before, and a held-out operating point from all others,
    though both are normal; as a part of all rows neither is. Of other rows those of
    the scores `names` of held-out rows, (n_rows, n_scores) or NaN, that are distances;
    NaN for rows with many copies, such as rows of the same categories.
    """
    inliers = training.inliers
    if training.is_ordered:
        rows = training.encoder.encode(training.batch.raw[inliers])[0]
        rows = rows.astype(np.float64)
        return SCORES["distance"].learn(rows, 0).score(rows)[:, None]
    places = [place for place, name in enumerate(names) if name in DISTANCES]
    scores = held_out[inliers]
    kept = ~np.isnan(scores).any(axis=1)
    copies = _copies(training.batch.raw[inliers][kept])
    return np.where((copies > MIN_ROWS)[:, None], np.nan, scores[kept][:, places])


def _copies(raw: np.ndarray) -> np.ndarray:
    """Return how often each row is in a table, (n,)."""
    _, place, counts = np.unique(
        fingerprints(raw), return_inverse=True, return_counts=True
    )
    return counts[place]


def far_rows(scores: np.ndarray) -> np.ndarray:
    """Return which rows are far from all others, by the distance that finds most.

    `scores` are distances, (n, n_scores), NaN for rows that do not count; without any
    of them, none is far.
    """
    is_counted = ~np.isnan(scores).any(axis=1)
    if not scores[is_counted].size:
        return np.zeros(len(scores), dtype=bool)
    logs = np.log(scores + TINY)
    low, middle, high = np.quantile(logs[is_counted], [0.25, 0.5, 0.75], axis=0)
    limits = middle + FAR * (high - low) / NORMAL_QUARTILES
    is_far = logs > limits
    return is_far[:, is_far.sum(axis=0).argmax()]


def warn_of_contamination(scores: np.ndarray) -> None:
    """Warn where many rows that count as normal are far from all others.

    To be called by a step of `fit`, so that the warning points at the caller of `fit`.
    """
    is_far = far_rows(scores)
    if is_far.sum() < MIN_ROWS or is_far.mean() <= MAX_SHARE:
        return
    share = float(is_far.mean())
    warnings.warn(
        f"{100 * share:.2g} % of the rows of X are far from all others, and all count "
        "as normal: rows like them will hardly be alarms. If they are anomalies, set "
        f"contamination to the share of anomalies in X, {share:.2g} or more, or leave "
        "them out.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )
