"""Training and test rows, the same for all methods, and samples of large tables."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
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
    if data.groups is not None:
        return _grouped(data, data.groups, n_splits, seed)
    if data.in_time:
        # the later half of the rows is held out block by block
        size = len(data.X) // (2 * n_splits)
        splitter = TimeSeriesSplit(n_splits, test_size=size)
        return [Split(*rows) for rows in splitter.split(data.X)]
    if data.in_order:
        return _grouped(data, blocks(len(data.X)), n_splits, seed)
    n_folds = min(N_FOLDS, n_splits)
    n_repeats = -(-n_splits // n_folds)
    if data.task in ("classification", "anomaly"):
        stratified = RepeatedStratifiedKFold(
            n_splits=n_folds, n_repeats=n_repeats, random_state=seed
        )
        found = stratified.split(data.X, data.strata)
    else:
        plain = RepeatedKFold(n_splits=n_folds, n_repeats=n_repeats, random_state=seed)
        found = plain.split(data.X)
    return [Split(*rows) for rows in found][:n_splits]


def blocks(n_rows: int) -> np.ndarray:
    """Return the block of consecutive rows that each row belongs to."""
    return np.arange(n_rows) // max(1, min(BLOCK_ROWS, n_rows // MIN_BLOCKS))


def _grouped(data: Data, groups: np.ndarray, n_splits: int, seed: int) -> list[Split]:
    n_folds = min(N_FOLDS, n_splits, len(np.unique(groups)))
    is_stratified = data.task in ("classification", "anomaly")
    kind = StratifiedGroupKFold if is_stratified else GroupKFold
    strata = data.strata if is_stratified else None
    splits: list[Split] = []
    while len(splits) < n_splits:
        splitter = kind(n_folds, shuffle=True, random_state=seed + len(splits))
        with warnings.catch_warnings():  # of classes with fewer rows than folds
            warnings.simplefilter("ignore", UserWarning)
            found = [Split(*rows) for rows in splitter.split(data.X, strata, groups)]
        splits += found
    return splits[:n_splits]


def in_running_order(splits: Sequence[Split], in_time: bool) -> list[Split]:
    """Return the splits such that the first few represent all of them.

    In time order the last split comes first, and the others spread over the rest.
    """
    if not in_time:
        return list(splits)
    n = len(splits)
    places = sorted(range(n), key=lambda i: _van_der_corput(n - 1 - i))
    return [splits[i] for i in places]


def _van_der_corput(number: int) -> float:
    """Return the sequence that spreads 0, 1, 2, ... over [0, 1)."""
    value, share = 0.0, 0.5
    while number:
        value += share * (number % 2)
        number, share = number // 2, share / 2
    return value


def sample_rows(data: Data, n_rows: int, seed: int | Sequence[int]) -> np.ndarray:
    """Return some of the rows in their order, classes in their shares.

    Where rows are in time order these are blocks of neighbours.
    """
    every = np.arange(len(data.X))
    if n_rows >= len(every):
        return every
    block = blocks(len(every)) if data.in_order else every
    strata = np.zeros(len(every), dtype=int)
    if data.task in ("classification", "anomaly"):
        strata = data.strata
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
