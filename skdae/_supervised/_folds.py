"""Which labelled rows are held out: copies, groups and blocks in time stay together."""

from dataclasses import replace

import numpy as np

from skdae._core.sources import TableSource
from skdae._supervised._rows import LabelledRows
from skdae.timeseries import BlockSplit
from skdae.timeseries._order import numeric_order


def hold_out(source: TableSource, is_held_out: np.ndarray) -> TableSource:
    """Return a source with some of its rows held out, (n_rows,) bool."""
    index = np.arange(source.rows.n_rows)
    return replace(source, index=index[~is_held_out], held_out_index=index[is_held_out])


def without_held_out(source: TableSource) -> TableSource:
    """Return the rows to train on alone."""
    return replace(source, held_out_index=None, held_out_rows=None)


# --- a share of the rows --------------------------------------------------------------


def stratified(
    labelled: LabelledRows,
    fraction: float,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> np.ndarray:
    """Return which rows to hold out, (n_rows,) bool: a share of each stratum.

    Identical rows stay on one side, and so do groups, whose strata do not count.
    """
    if labelled.groups is not None:
        strata = np.zeros_like(strata)
    found, first, group = np.unique(
        labelled.together, return_index=True, return_inverse=True
    )
    order = generator.permutation(len(found))
    stratum = strata[first][order]
    place = np.empty(len(order))  # within the stratum, as a share of it
    for each in np.unique(stratum):
        own = np.flatnonzero(stratum == each)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
        place[own[-1]] = np.inf  # one of each is trained on
    n_can_be = np.isfinite(place).sum()
    if n_can_be == 0:
        raise ValueError(
            f"validation_fraction={fraction} of {len(found)} different rows with a "
            "label, or groups of them, cannot be held out and leave one of each class "
            "to train on; add rows, pass X_val and y_val, or hold nothing out."
        )
    n_held_out = min(max(1, round(fraction * len(found))), n_can_be)
    held_out = np.zeros(len(found), dtype=bool)
    held_out[order[np.argsort(place, kind="stable")[:n_held_out]]] = True
    return held_out[group]


# --- all rows in turn -----------------------------------------------------------------


def folds_of(
    labelled: LabelledRows,
    n_folds: int,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> list[np.ndarray]:
    """Return ways to hold all rows out in turn: folds numbered from 0, (n_rows,) each.

    Groups that were passed are in one fold each. Without them each fold has an equal
    share of each stratum, and identical rows are in one fold. Rows in time order are
    also cut into blocks: random folds cannot see drift, and not every ordered table
    drifts. A table is not cut where the block of most rows holds the larger part of
    their class, as one sorted by class.
    """
    if labelled.groups is not None:
        strata = np.zeros_like(strata)
    ways = [_random_folds(labelled, n_folds, generator, strata)]
    if labelled.groups is None and is_ordered(labelled):
        blocks = _block_folds(labelled, n_folds)
        counts = np.zeros((strata.max() + 1, n_folds), dtype=int)
        np.add.at(counts, (strata, blocks), 1)
        is_shared = 2 * counts <= counts.sum(axis=1, keepdims=True)
        n_shared = (counts * is_shared).sum(axis=0)
        if n_shared.all() and n_shared.sum() > len(strata) / 2:
            ways.append(blocks)
    return ways


def is_ordered(labelled: LabelledRows) -> bool:
    """Return whether the rows of the table that was passed are in time order."""
    pretrained = labelled.pretrained
    return numeric_order(
        pretrained.raw, pretrained.encoder.schema.is_categorical
    ).is_ordered


def _block_folds(labelled: LabelledRows, n_folds: int) -> np.ndarray:
    """Return the block of each row in the order of the table."""
    order = np.argsort(labelled.places)
    folds = np.empty(len(order), dtype=int)
    blocks = BlockSplit(n_folds).split(order[:, None])
    for number, (_, held_out) in enumerate(blocks):
        folds[order[held_out]] = number
    return folds


def _random_folds(
    labelled: LabelledRows,
    n_folds: int,
    generator: np.random.Generator,
    strata: np.ndarray,
) -> np.ndarray:
    """Return the fold of each row: equal shares of each stratum in each."""
    found, first, group = np.unique(
        labelled.together, return_index=True, return_inverse=True
    )
    order = generator.permutation(len(found))
    by_stratum = order[np.argsort(strata[first][order], kind="stable")]
    fold = np.empty(len(found), dtype=int)
    fold[by_stratum] = np.arange(len(found)) % n_folds
    return fold[group]
