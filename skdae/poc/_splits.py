"""Training and test rows, the same for all methods, and samples of large tables."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from skdae.poc._data import Data

N_FOLDS = 5
# Rows in time order are sampled and held out in blocks of this many, so that methods
# that use the rows around find them.
BLOCK_ROWS = 25
MIN_BLOCKS = 20  # of a table: shorter blocks where it is small


class Split(NamedTuple):
    """Indices of rows."""

    train: np.ndarray
    test: np.ndarray


def make_splits(data: Data, n_splits: int, seed: int) -> list[Split]:
    """Return splits that respect time and groups.

    Whole groups are held out, also where times are given, since each group has its own
    time. Of rows sorted by time, those held out come after those trained on. Of rows
    that only look like a time series, whole blocks are held out.
    """
    groups = data.groups
    if groups is None and data.in_time:
        # the later half of the rows is held out block by block
        size = len(data.X) // (2 * n_splits)
        in_time = TimeSeriesSplit(n_splits, test_size=size)
        return [Split(*rows) for rows in in_time.split(data.X)]
    if groups is None and data.in_order:
        groups = blocks(len(data.X))
    n_folds = min(N_FOLDS, n_splits)
    if groups is not None:
        n_folds = min(n_folds, len(np.unique(groups)))
    found: list[Split] = []
    while len(found) < n_splits:
        splitter = _folds(data, groups, n_folds, seed + len(found))
        with warnings.catch_warnings():  # of classes with fewer rows than folds
            warnings.simplefilter("ignore", UserWarning)
            rows = list(splitter.split(data.X, data.strata, groups))
        found += [Split(*each) for each in rows]
    return found[:n_splits]


def _folds(data: Data, groups: np.ndarray | None, n_folds: int, seed: int) -> Any:
    """Return the splitter of one repetition."""
    if data.strata is None:
        kind = KFold if groups is None else GroupKFold
    else:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(n_folds, shuffle=True, random_state=seed)


def blocks(n_rows: int) -> np.ndarray:
    """Return the block of consecutive rows that each row belongs to."""
    return np.arange(n_rows) // max(1, min(BLOCK_ROWS, n_rows // MIN_BLOCKS))


def in_running_order(splits: Sequence[Split], in_time: bool) -> list[Split]:
    """Return the splits such that the first few represent all of them.

    In time order the last split comes first, and the others spread over the rest.
    """
    if not in_time:
        return list(splits)
    # van der Corput's sequence: the mirrored bits of numbers spread over all of them
    n = len(splits)
    places = sorted(range(n), key=lambda i: f"{n - 1 - i:032b}"[::-1])
    return [splits[i] for i in places]


def sample_rows(data: Data, n_rows: int, seed: int | Sequence[int]) -> np.ndarray:
    """Return some of the rows in their order, classes in their shares.

    Where rows are in time order these are blocks of neighbours.
    """
    every = np.arange(len(data.X))
    if n_rows >= len(every):
        return every
    block = blocks(len(every)) if data.in_order else every
    strata = np.zeros(len(every), dtype=int) if data.strata is None else data.strata
    first = np.unique(block, return_index=True)[1]  # whose class is that of the block
    order = np.random.default_rng(seed).permutation(len(first))
    by_class = pd.Series(order).groupby(strata[first[order]])
    # the place of a block in its class, as a share: the first of each class come first
    shares = by_class.cumcount() / by_class.transform("size")
    n_blocks = max(1, n_rows // int((block == 0).sum()))
    taken = order[np.argsort(shares.to_numpy(), kind="stable")[:n_blocks]]
    return every[np.isin(block, taken)]


def repeated_rows(data: Data, split: Split) -> int:
    """Return how many test rows are also among the training rows."""
    keys = pd.util.hash_pandas_object(data.X, index=False).to_numpy()
    return int(np.isin(keys[split.test], keys[split.train]).sum())
