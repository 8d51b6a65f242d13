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


def share_of_far_rows(names: Sequence[str], held_out: np.ndarray) -> float:
    """Return the share of rows far from all others, by the distance that finds most.

    `held_out` are scores by name, (n_rows, n_scores), NaN for rows never held out.
    """
    places = [place for place, name in enumerate(names) if name in DISTANCES]
    scores = held_out[~np.isnan(held_out).any(axis=1)][:, places]
    if not scores.size:
        return 0.0
    logs = np.log(scores + TINY)
    low, middle, high = np.quantile(logs, [0.25, 0.5, 0.75], axis=0)
    limits = middle + FAR * (high - low) / NORMAL_QUARTILES
    return float((logs > limits).mean(axis=0).max())


def warn_of_contamination(names: Sequence[str], held_out: np.ndarray) -> None:
    """Warn where many rows that count as normal are far from all others.

    To be called by a step of `fit`, so that the warning points at the caller of `fit`.
    """
    share = share_of_far_rows(names, held_out)
    if share <= MAX_SHARE or share * len(held_out) < MIN_ROWS:
        return
    warnings.warn(
        f"{100 * share:.2g} % of the rows of X are far from all others, and all count "
        "as normal: rows like them will hardly be alarms. If they are anomalies, set "
        f"contamination to the share of anomalies in X, {share:.2g} or more, or leave "
        "them out.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )
