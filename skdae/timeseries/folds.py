"""Splits of rows in time order into contiguous blocks, with a gap around them."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skdae._sklearn_compat import Interval, validate_params_of
from skdae.timeseries._groups import group_codes
from skdae.timeseries._time import check_index


class BlockSplit(BaseEstimator):
    """Splitter of scikit-learn that holds out contiguous blocks of rows.

    Rows in time order resemble their neighbours. Held out at random, a row has near
    copies of itself in training, and every score is too good. This splitter holds out
    whole blocks, and on request leaves the rows next to them out of training as well.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits. Each row is held out in one of them.
    n_blocks : int or None, default=None
        Blocks of about equal length that the rows are cut into; split k holds out the
        blocks k, k + n_splits, and so on. None is `n_splits`, one block for each.
    gap : int, default=0
        Rows on either side of a block that are neither trained on nor held out.

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : Trains on the past alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.timeseries import BlockSplit
    >>> train, held_out = next(BlockSplit(3, gap=1).split(np.zeros((9, 2))))
    >>> train.tolist(), held_out.tolist()
    ([4, 5, 6, 7, 8], [0, 1, 2])
    """

    _parameter_constraints = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "n_blocks": [Interval(Integral, 2, None, closed="left"), None],
        "gap": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, n_splits=5, *, n_blocks=None, gap=0):
        self.n_splits = n_splits
        self.n_blocks = n_blocks
        self.gap = gap

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored, there for scikit-learn.

        Returns
        -------
        int
            `n_splits`.
        """
        return self.n_splits

    def split(self, X, y=None, groups=None):
        """Yield the rows to train on and the rows held out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in time order.
        y : object, default=None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, run, day), which no split divides: a block is then
            made of groups that follow each other.

        Yields
        ------
        train, held_out : ndarray of int
            Indices of rows, ascending.

        Raises
        ------
        ValueError
            If there are too few rows or groups, the gap leaves none to train on, or
            the index of X holds dates that decrease.
        """
        validate_params_of(self)
        n_rows = len(X) if hasattr(X, "__len__") else X.shape[0]
        check_index(X, groups)
        block = self._blocks(n_rows, groups)
        for number in range(self.n_splits):
            is_held_out = block % self.n_splits == number
            train = np.flatnonzero(~widened(is_held_out, self.gap))
            if not len(train):
                raise ValueError(
                    f"gap={self.gap} around the blocks held out leaves none of the "
                    f"{n_rows} rows to train on; lower gap or n_blocks."
                )
            yield train, np.flatnonzero(is_held_out)

    def _blocks(self, n_rows: int, groups: Any) -> np.ndarray:
        """Return the number of each row's block, without gaps from 0."""
        starts = np.arange(n_rows)
        if groups is not None:
            starts = _group_starts(groups, n_rows)
        n_blocks = self.n_splits if self.n_blocks is None else self.n_blocks
        if n_blocks < self.n_splits:
            raise ValueError(
                f"n_blocks={n_blocks} must be at least n_splits={self.n_splits}; raise "
                "it, or lower n_splits."
            )
        found, block = np.unique(starts * n_blocks // n_rows, return_inverse=True)
        if len(found) < self.n_splits:
            what = "rows" if groups is None else "groups, which blocks do not divide,"
            raise ValueError(
                f"n_splits={self.n_splits} needs as many blocks, and the {what} of X "
                f"(n_samples={n_rows}) make {len(found)}; lower n_splits."
            )
        return block


def _group_starts(groups: Any, n_rows: int) -> np.ndarray:
    """Return, for each row, the number of rows in the groups before its own."""
    codes = group_codes(groups, n_rows)  # in the order of appearance
    counts = np.bincount(codes)
    return (np.cumsum(counts) - counts)[codes]


def widened(mask: np.ndarray, gap: int) -> np.ndarray:
    """Return where a row is marked, or has a marked one at most `gap` rows away."""
    marked, rows = np.flatnonzero(mask), np.arange(len(mask))
    following = np.searchsorted(marked, rows)  # the first marked row from here on
    after = marked[np.minimum(following, len(marked) - 1)] - rows
    before = rows - marked[np.maximum(following - 1, 0)]
    return mask | (np.minimum(np.abs(after), np.abs(before)) <= gap)
