"""Splits of rows in time order."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

from skdae.timeseries import BlockSplit


def rows(n):
    return np.zeros((n, 1))


@settings(deadline=None, max_examples=200)
@given(
    n_rows=st.integers(12, 120),
    n_splits=st.integers(2, 5),
    more=st.integers(0, 6),
    gap=st.integers(0, 2),
)
def test_each_row_is_held_out_once_apart_from_its_neighbours(
    n_rows, n_splits, more, gap
):
    """No row that is trained on lies within the gap of a row held out."""
    n_blocks = n_splits + more
    assume(n_rows > n_blocks * (2 * gap + 2))  # a gap does not reach across a block
    splitter = BlockSplit(n_splits, n_blocks=n_blocks, gap=gap)
    splits = list(splitter.split(rows(n_rows)))
    assert len(splits) == splitter.get_n_splits() == n_splits
    together = np.concatenate([held_out for _, held_out in splits])
    np.testing.assert_array_equal(np.sort(together), np.arange(n_rows))
    for train, held_out in splits:
        distance = np.abs(train[:, None] - held_out).min(axis=1)
        assert (distance > gap).all()
        left_out = np.setdiff1d(np.arange(n_rows), np.append(train, held_out))
        assert (np.abs(left_out[:, None] - held_out).min(axis=1) <= gap).all()


def test_without_a_gap_one_block_each_is_a_kfold_in_order():
    held_out = [h.tolist() for _, h in BlockSplit(3).split(rows(9))]
    assert held_out == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_several_blocks_of_a_split_are_spread_over_the_rows():
    _, held_out = next(BlockSplit(2, n_blocks=4).split(rows(8)))
    assert held_out.tolist() == [0, 1, 4, 5]


@pytest.mark.parametrize("as_text", [False, True])
def test_no_split_divides_a_group(as_text):
    groups = np.repeat([7, 3, 5, 1, 9], [4, 6, 2, 5, 3])
    groups = groups.astype(str) if as_text else groups
    for train, held_out in BlockSplit(3).split(rows(20), groups=groups):
        assert not set(groups[train]) & set(groups[held_out])


def test_it_is_a_splitter_of_scikit_learn():
    X = np.arange(40.0)[:, None]
    scores = cross_val_score(LinearRegression(), X, X[:, 0], cv=BlockSplit(4, gap=1))
    np.testing.assert_allclose(scores, 1)


@pytest.mark.parametrize(
    ("splitter", "n_rows", "groups", "message"),
    [
        (BlockSplit(1), 9, None, "'n_splits' parameter"),
        (BlockSplit(2, gap=-1), 9, None, "'gap' parameter"),
        (BlockSplit(5, n_blocks=3), 9, None, "n_blocks=3 must be at least"),
        (BlockSplit(5), 3, None, "lower n_splits"),
        (BlockSplit(3), 9, np.zeros(9), "lower n_splits"),
        (BlockSplit(2), 9, np.zeros(8), "must have one entry"),
        (BlockSplit(2, gap=9), 9, None, "lower gap"),
    ],
)
def test_what_cannot_be_split_is_refused(splitter, n_rows, groups, message):
    with pytest.raises(ValueError, match=message):
        list(splitter.split(rows(n_rows), groups=groups))
