"""Cells hidden on purpose: which, and which rows are held out."""

import numpy as np
import pytest

from skdae._imputer._masks import (
    HELD_OUT,
    MOST_BORROWED,
    N_BLOCKS,
    Rows,
    hide,
    hold_out,
)
from skdae.noise import Layout, MaskingNoise

TRUTH = np.random.default_rng(0).normal(size=(1000, 6))
LAYOUT = Layout.from_data(TRUTH)


def rows(known):
    return Rows(np.where(known, TRUTH, 0), known, np.arange(len(TRUTH)))


def test_held_out_are_whole_blocks_of_time():
    """Whatever the order in which the rows stand."""
    time = np.random.default_rng(1).permutation(1000)
    known = np.ones(TRUTH.shape, dtype=bool)
    train, held_out = hold_out(Rows(TRUTH, known, time), np.random.default_rng(2))
    assert sorted([*train.time, *held_out.time]) == list(range(1000))
    blocks = np.unique(held_out.time * N_BLOCKS // 1000)
    assert len(blocks) == round(HELD_OUT * N_BLOCKS)
    assert not np.isin(train.time * N_BLOCKS // 1000, blocks).any()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_rows_borrow_the_gaps_of_others(share):
    """As many as have gaps, up to half of them; the others are hidden by the noise."""
    known = np.ones(TRUTH.shape, dtype=bool)
    known[: round(1000 * share), :3] = False  # all gaps are alike
    gaps = hide(rows(known), MaskingNoise(1.0), LAYOUT, np.random.default_rng(0))
    np.testing.assert_array_equal(gaps.known, known)
    assert gaps.missing[~known].all()
    borrowed = ~gaps.missing[:, 3:].any(axis=1)  # noise hides all of a row
    assert (gaps.missing[:, 3:].all(axis=1) | borrowed).all()
    assert abs(borrowed.mean() - min(share, MOST_BORROWED)) < 0.05


def test_errors_count_where_the_truth_is_known_and_hidden():
    known = np.random.default_rng(0).random(TRUTH.shape) < 0.7
    gaps = hide(rows(known), MaskingNoise(0.5), LAYOUT, np.random.default_rng(0))
    errors = gaps.errors(gaps.truth - 1)
    np.testing.assert_allclose(errors, gaps.scored)
    assert 0.2 < gaps.scored.mean() < 0.5


@pytest.mark.parametrize(("n_rows", "times"), [(1, 1), (1499, 1), (2000, 2)])
def test_rows_are_repeated_as_often_as_asked(n_rows, times):
    known = np.ones(TRUTH.shape, dtype=bool)
    repeated = rows(known).repeated(n_rows)
    np.testing.assert_array_equal(repeated.truth, np.tile(TRUTH, (times, 1)))
