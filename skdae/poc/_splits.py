"""Which rows are learned from and which are held out: the same for all methods."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    TimeSeriesSplit,
)

from skdae.poc._data import Data

N_FOLDS = 5


class Split(NamedTuple):
    """Indices of rows."""

    train: np.ndarray
    test: np.ndarray


def make_splits(data: Data, n_splits: int, seed: int) -> list[Split]:
    """Return splits that respect time and groups.

    In time order, what is held out comes after what is learned from; of groups, whole
    ones are held out; of time and groups, whole groups, since each has its own time.
    """
    if data.groups is not None:
        return _grouped(data.groups, n_splits, seed)
    if data.in_time:
        # the later half of the rows is held out block by block
        size = len(data.X) // (2 * n_splits)
        splitter = TimeSeriesSplit(n_splits, test_size=size)
        return [Split(*rows) for rows in splitter.split(data.X)]
    n_folds = min(N_FOLDS, n_splits)
    n_repeats = -(-n_splits // n_folds)
    if data.task in ("classification", "anomaly"):
        strata = data.strata
        stratified = RepeatedStratifiedKFold(
            n_splits=n_folds, n_repeats=n_repeats, random_state=seed
        )
        found = stratified.split(data.X, strata)
    else:
        plain = RepeatedKFold(n_splits=n_folds, n_repeats=n_repeats, random_state=seed)
        found = plain.split(data.X)
    return [Split(*rows) for rows in found][:n_splits]


def _grouped(groups: np.ndarray, n_splits: int, seed: int) -> list[Split]:
    n_folds = min(N_FOLDS, n_splits, len(np.unique(groups)))
    splits: list[Split] = []
    while len(splits) < n_splits:
        shuffled = GroupKFold(
            n_folds, shuffle=True, random_state=seed + len(splits)
        ).split(groups, groups=groups)
        splits += [Split(*rows) for rows in shuffled]
    return splits[:n_splits]


def repeated_rows(data: Data, split: Split) -> int:
    """Return how many test rows are also among the training rows."""
    keys = pd.util.hash_pandas_object(data.X, index=False).to_numpy()
    return int(np.isin(keys[split.test], keys[split.train]).sum())
