"""Autoregressions of blocks of features, for wide tables in time order."""

import numpy as np
import pytest

from skdae._imputer import _blocks
from skdae._imputer._autoregression import Autoregression, fit_autoregression
from skdae._imputer._blocks import BlockAutoregression, Factors, fit_in_blocks


def factor_record(n_rows, n_features, seed=0):
    """Sensors of four slow quantities, with errors of measurement."""
    rng = np.random.default_rng(seed)
    slow = np.zeros((n_rows, 4))
    for k in range(1, n_rows):
        slow[k] = 0.95 * slow[k - 1] + 0.3 * rng.normal(size=4)
    noise = 0.2 * rng.normal(size=(n_rows, n_features))
    return slow @ rng.normal(size=(4, n_features)) + noise


TRUTH = factor_record(600, 72)
HIDDEN = np.random.default_rng(1).random(TRUTH.shape) < 0.1
CELLS = np.where(HIDDEN, np.nan, TRUTH)
FIRST = np.where(HIDDEN, TRUTH.mean(axis=0), TRUTH)
START = np.zeros(len(TRUTH), dtype=np.intp)


def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def fitted():
    return fit_in_blocks(CELLS, START, FIRST, rng())


def rms(filled):
    return np.sqrt(((filled - TRUTH)[HIDDEN] ** 2).mean())


def test_narrow_tables_have_one_autoregression():
    part = [each[:, :6] for each in (CELLS, FIRST)]
    one = fit_in_blocks(part[0], START, part[1], rng())
    other = fit_autoregression(part[0], START, part[1], rng())
    assert isinstance(one, Autoregression)
    np.testing.assert_array_equal(one.filters, other.filters)


def test_each_feature_is_in_one_block(fitted):
    assert isinstance(fitted, BlockAutoregression)
    own = np.concatenate([block.own for block in fitted.blocks])
    assert sorted(own) == list(range(TRUTH.shape[1]))
    assert all(len(block.own) <= _blocks.BLOCK_SIZE for block in fitted.blocks)


def test_factors_are_the_principal_components_of_complete_rows():
    """Shrunk by the variance of the errors, and without a known cell their mean."""
    factors = Factors.fit(TRUTH)
    scaled = (TRUTH - TRUTH.mean(axis=0)) / TRUTH.std(axis=0)
    loadings = factors.axes
    system = loadings.T @ loadings + factors.noise * np.eye(loadings.shape[1])
    expected = np.linalg.solve(system, loadings.T @ scaled.T).T
    np.testing.assert_allclose(factors.scores(TRUTH), expected, atol=1e-8)
    assert (factors.scores(np.full((1, TRUTH.shape[1]), np.nan)) == 0).all()


def test_blocks_are_level_with_one_autoregression_of_all(fitted):
    whole = fit_autoregression(CELLS, START, FIRST, rng(), n_rounds=2)
    ours = fitted.fill(CELLS, START)
    np.testing.assert_array_equal(ours[~HIDDEN], CELLS[~HIDDEN])
    assert rms(ours) < 1.02 * rms(whole.fill(CELLS, START))


def test_draws_spread_as_far_as_the_errors(fitted):
    filled, spread = fitted.fill_with_spread(CELLS, START, rng())
    np.testing.assert_array_equal(filled, fitted.fill(CELLS, START))
    assert (spread[~HIDDEN] == 0).all()
    ratio = (filled - TRUTH)[HIDDEN] / spread[HIDDEN]
    assert 0.8 < ratio.std() < 1.25  # coefficients are uncertain as well
    drawn = fitted.fill(CELLS, START, rng())
    assert 0.85 < (drawn - filled)[HIDDEN].std() / spread[HIDDEN].mean() < 1.15


def test_constant_columns_are_kept():
    cells, first = CELLS.copy(), FIRST.copy()
    cells[:, 5] = np.where(HIDDEN[:, 5], np.nan, 3.0)
    first[:, 5] = 3.0
    filled = fit_in_blocks(cells, START, first, rng()).fill(cells, START)
    np.testing.assert_allclose(filled[:, 5], 3.0, atol=1e-2)
