"""Normal scores of ranks."""

import numpy as np
from scipy.special import ndtri

from skdae._outlier._ranks import FEW_ROWS, MAX_KNOTS, NormalScores


def test_any_rising_function_of_a_column_has_the_same_scores():
    V = np.random.default_rng(0).normal(size=(200, 2))
    plain = NormalScores.learn(V).forward(V)
    np.testing.assert_allclose(NormalScores.learn(np.exp(V)).forward(np.exp(V)), plain)
    np.testing.assert_allclose(plain.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(plain.std(axis=0), 1)
    assert np.corrcoef(plain[:, 0], V[:, 0])[0, 1] > 0.99


def test_ties_share_a_score_and_constants_have_0():
    V = np.column_stack([[0.0, 0, 0, 1], np.full(4, 7.0)])
    Z = NormalScores.learn(V).forward(V)
    assert Z[0, 0] == Z[1, 0] == Z[2, 0] < 0 < Z[3, 0]
    np.testing.assert_array_equal(Z[:, 1], 0)


def test_beyond_what_was_seen_scores_go_on():
    V = np.linspace(-1, 1, 50)[:, None]
    ranks = NormalScores.learn(V)
    low, high, higher = ranks.forward(np.array([[-3.0], [1.0], [4.0]]))[:, 0]
    np.testing.assert_allclose(higher - high, 3)
    np.testing.assert_allclose(low - ranks.forward(V[:1])[0, 0], -2)


def test_few_rows_have_the_scores_that_many_have():
    generator = np.random.default_rng(0)
    V = np.column_stack(
        [generator.normal(size=1000), generator.integers(0, 5, 1000), np.zeros(1000)]
    )
    ranks = NormalScores.learn(V)
    new = np.vstack([V[::50], 2 * V[::50], V[::50] + 0.3])
    few = [ranks.forward(new[i : i + FEW_ROWS]) for i in range(0, len(new), FEW_ROWS)]
    np.testing.assert_allclose(np.vstack(few), ranks.forward(new), atol=1e-12)


def test_many_values_are_scored_as_if_all_were_kept():
    V = np.sort(np.random.default_rng(0).standard_t(3, size=(16_000, 1)), axis=0)
    exact = ndtri((np.arange(len(V)) + 0.5) / len(V))
    ranks = NormalScores.learn(V)
    assert ranks.values.shape[1] <= MAX_KNOTS
    np.testing.assert_allclose(ranks.forward(V)[:, 0], exact / exact.std(), atol=0.02)
