"""Means over splits: a plain t-test where splits share nothing, wider otherwise."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from skdae._statistics import split_mean

VALUES = np.random.default_rng(0).normal(0.3, size=6)


def test_independent_splits_give_the_plain_t_test():
    found, expected = split_mean(VALUES, 0.0), ttest_1samp(VALUES, 0.0)
    low, high = expected.confidence_interval(0.9)
    assert found.mean - found.half_width(0.9) == pytest.approx(low)
    assert found.mean + found.half_width(0.9) == pytest.approx(high)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_shared_rows_widen_the_interval_and_move_nothing():
    plain, corrected = split_mean(VALUES, 0.0), split_mean(VALUES, 0.25)
    assert corrected.mean == plain.mean
    assert corrected.half_width(0.95) / plain.half_width(0.95) == pytest.approx(
        np.sqrt((1 / 6 + 0.25) / (1 / 6))
    )
    assert corrected.p_value > plain.p_value


def test_intervals_of_independent_repetitions_hold_their_level():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        found = split_mean(generator.normal(3, 2, size=5), 0.0)
        hits += abs(found.mean - 3) <= found.half_width(0.9)
    assert 0.88 < hits / 2000 < 0.92


def test_one_split_says_nothing():
    found = split_mean(VALUES[:1], 0.25)
    assert found.mean == VALUES[0]
    assert np.isnan([found.error, found.half_width(0.95), found.p_value]).all()


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.1, 0.0)])
def test_splits_that_are_all_alike(value, p):
    found = split_mean(np.full(4, value), 0.25)
    assert found.half_width(0.95) == 0
    assert found.p_value == p
