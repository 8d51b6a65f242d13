"""Normal scores of ranks."""

import numpy as np

from skdae._outlier._ranks import NormalScores


def test_any_rising_function_of_a_column_has_the_same_scores():
    V = np.random.default_rng(0).normal(size=(300, 2))
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
