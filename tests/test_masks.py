"""Cells hidden on purpose: which, and which rows are held out."""

import numpy as np
import pytest

from skdae._imputer._masks import (
    HELD_OUT_SHARE,
    MAX_RESAMPLED,
    N_BLOCKS,
    IncompleteRows,
    hide_cells,
    hold_out,
)
from skdae.noise import Layout, MaskingNoise

VALUES = np.random.default_rng(0).normal(size=(1000, 6))
LAYOUT = Layout.from_data(VALUES)


def rows(observed, position=None):
    position = np.arange(len(VALUES)) if position is None else position
    return IncompleteRows(np.where(observed, VALUES, 0), observed, position)


def test_held_out_rows_are_whole_blocks_of_the_table():
    """Whatever the order in which the rows stand."""
    position = np.random.default_rng(1).permutation(1000)
    complete = rows(np.ones(VALUES.shape, dtype=bool), position)
    train, held_out = hold_out(complete, np.random.default_rng(2))
    assert sorted([*train.position, *held_out.position]) == list(range(1000))
    blocks = np.unique(held_out.position * N_BLOCKS // 1000)
    assert len(blocks) == round(HELD_OUT_SHARE * N_BLOCKS)
    assert not np.isin(train.position * N_BLOCKS // 1000, blocks).any()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_missingness_patterns_are_resampled(share):
    """For as many rows as miss cells, up to a limit; the noise hides the others'."""
    observed = np.ones(VALUES.shape, dtype=bool)
    observed[: round(1000 * share), :3] = False  # one pattern
    generator = np.random.default_rng(0)
    masked = hide_cells(rows(observed), MaskingNoise(1.0), LAYOUT, generator)
    np.testing.assert_array_equal(masked.observed, observed)
    assert masked.missing[~observed].all()
    resampled = ~masked.missing[:, 3:].any(axis=1)  # the noise hides whole rows
    assert (masked.missing[:, 3:].all(axis=1) | resampled).all()
    assert abs(resampled.mean() - min(share, MAX_RESAMPLED)) < 0.05


def test_errors_count_in_hidden_cells_alone():
    observed = np.random.default_rng(0).random(VALUES.shape) < 0.7
    generator = np.random.default_rng(0)
    masked = hide_cells(rows(observed), MaskingNoise(0.5), LAYOUT, generator)
    np.testing.assert_array_equal(masked.hidden, masked.missing & observed)
    np.testing.assert_allclose(masked.errors(masked.values - 1), masked.hidden)
    assert 0.2 < masked.hidden.mean() < 0.5


@pytest.mark.parametrize(("n_rows", "times"), [(1, 1), (1499, 1), (2000, 2)])
def test_rows_are_repeated_as_often_as_asked(n_rows, times):
    repeated = rows(np.ones(VALUES.shape, dtype=bool)).repeated(n_rows)
    np.testing.assert_array_equal(repeated.values, np.tile(VALUES, (times, 1)))
