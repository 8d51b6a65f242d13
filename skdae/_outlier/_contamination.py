"""Whether rows that count as normal hold anomalies: rows far from all others.

No statistic of held-out scores separates every contaminated table from a clean one with
heavy tails or small groups; rows this far are rare in clean tables.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from skdae._outlier._models import TINY
from skdae._table.validation import user_stacklevel

#: Scores whose logarithm is about normal for normal rows.
DISTANCES = ("distance", "balance_distance", "whitened_error")
FAR = 4.0  # robust standard deviations of the logarithm above the median
NORMAL_QUARTILES = 1.349  # distance of the quartiles of a normal distribution
# Clean halves of 21 ADBench sets have 1.23 % at most, records of sensors 0.6 %;
# benchmarks/anomaly.py --task contamination prints which contaminated ones have more.
MAX_SHARE = 0.0125
MIN_ROWS = 5  # that are far


def far_rows(names: Sequence[str], held_out: np.ndarray) -> np.ndarray:
    """Return which rows are far from all others, by the distance that finds most.

    Of those that have been held out. `held_out` are scores by name, (n_rows, n_scores),
    NaN for the others. Without any of `DISTANCES`, none is far.
    """
    places = [place for place, name in enumerate(names) if name in DISTANCES]
    scores = held_out[~np.isnan(held_out).any(axis=1)][:, places]
    if not scores.size:
        return np.zeros(len(scores), dtype=bool)
    logs = np.log(scores + TINY)
    low, middle, high = np.quantile(logs, [0.25, 0.5, 0.75], axis=0)
    limits = middle + FAR * (high - low) / NORMAL_QUARTILES
    is_far = logs > limits
    return is_far[:, is_far.sum(axis=0).argmax()]


def warn_of_contamination(names: Sequence[str], held_out: np.ndarray) -> None:
    """Warn where many rows that count as normal are far from all others.

    To be called by a step of `fit`, so that the warning points at the caller of `fit`.
    """
    is_far = far_rows(names, held_out)
    if is_far.sum() < MIN_ROWS or is_far.mean() <= MAX_SHARE:
        return
    share = float(is_far.mean())
    warnings.warn(
        f"{100 * share:.2g} % of the rows of X are far from all others, and all count "
        "as normal: rows like them will hardly be alarms. If they are anomalies, and "
        "not steps between operating points, set contamination to the share of "
        f"anomalies in X, {share:.2g} or more, or leave them out.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )
