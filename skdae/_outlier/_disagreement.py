"""By how much scores of new rows spread less than those of held-out ones.

A new row is scored by all networks, a held-out row by the one that has not seen it: the
average of several scores spreads less than a single one, the more so the fewer rows
there are for each feature. Rows next to a border of two blocks are unseen by the
networks of both, and the difference of their scores shows by how much. Not for scores
of residuals: their models have learned from the rows that other networks held out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MIN_SHARE = 0.5  # of the variance is left, at least


@dataclass(frozen=True)
class Disagreement:
    """Differences of two scores of the same row, by networks that have not seen it."""

    differences: np.ndarray  # (n,) of logarithmic scores
    borders: np.ndarray  # (n,) between which blocks each row lies
    n_folds: int

    @classmethod
    def learn(
        cls,
        fold_of: np.ndarray,
        gap: int,
        score_by: Callable[[int, np.ndarray], np.ndarray],
    ) -> "Disagreement":
        """From the rows within `gap` of a border of two blocks.

        `fold_of`, (n_rows,), is the block that each row is held out with;
        ``score_by(fold, rows)`` returns the logarithmic scores of rows by the networks
        without a block.
        """
        found: list[np.ndarray] = []
        borders = (np.flatnonzero(np.diff(fold_of)) + 1).tolist()
        for border in borders:
            before, after = fold_of[border - 1], fold_of[border]
            near = np.arange(max(0, border - gap), min(len(fold_of), border + gap))
            rows = near[np.isin(fold_of[near], (before, after))]
            found.append(score_by(before, rows) - score_by(after, rows))
        if not found:
            return NO_DISAGREEMENT
        sizes = [len(each) for each in found]
        return cls(
            np.concatenate(found), np.repeat(borders, sizes), int(fold_of.max()) + 1
        )

    def spread_like_new(
        self, scores: np.ndarray, smooth: Callable[..., np.ndarray] | None = None
    ) -> np.ndarray:
        """Return held-out scores, (n,), that spread around their mean as new ones do.

        `smooth` is what smoothed the scores, with groups.
        """
        variance = float(scores.var())
        if not len(self.differences) or variance == 0:
            return scores
        differences = self.differences
        if smooth is not None:
            differences = smooth(differences, groups=self.borders)
        # of the part of a score that depends on the network
        own = float((differences**2).mean()) / 2
        share = 1 - own * (1 - 1 / self.n_folds) / variance
        center = scores.mean()
        return center + (scores - center) * np.sqrt(max(share, MIN_SHARE))


#: where no row is unseen by two networks
NO_DISAGREEMENT = Disagreement(np.empty(0), np.empty(0, dtype=int), 1)
