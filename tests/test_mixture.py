"""Network, linear estimate and cell: what `reconstruct` mixes, and by which shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdae import GradualDAETransformer
from skdae._gaussian import Gaussian
from skdae._simplex import simplex_shares
from skdae._transformer._mixture import Mixture
from skdae.noise import MaskingNoise
from skdae.timeseries import BlockSplit


def small(**parameters):
    parameters = {"max_iter": 30, "random_state": 0, **parameters}
    return GradualDAETransformer((16, 8), **parameters)


def linear_table(n_rows=900, seed=0):
    """Twelve sensors of three quantities, with little noise."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(9).normal(size=(3, 12))
    return rng.normal(size=(n_rows, 3)) @ loadings + 0.2 * rng.normal(size=(n_rows, 12))


def curved_table(n_rows=900, seed=0):
    rng = np.random.default_rng(seed)
    t = rng.uniform(-3, 3, size=(n_rows, 1))
    waves = np.sin(t * np.arange(1, 5) + np.arange(4))
    return np.hstack([t, waves]) + 0.02 * rng.normal(size=(n_rows, 5))


def gaps_in(X, share=0.25, seed=1):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def errors(fitted, X, shown):
    """Mean squared errors of reconstruction and network in changed cells."""
    changed = ~(shown == X)
    both = fitted.reconstruct(shown), fitted.inverse_transform(fitted.transform(shown))
    return [((each - X)[changed] ** 2).mean() for each in both]


def unmixed(covariance, groups=()):
    """Return a mixture whose linear estimate is that of a covariance."""
    n = len(covariance)
    far, none = np.full(n, 1e9), np.zeros((2, n))
    gaussian = Gaussian(np.arange(n) * 1.0, np.linalg.inv(covariance))
    return Mixture(gaussian, groups, -far, far, none, none)


def test_no_observed_cell_is_moved_farther_than_the_noise_moves_one():
    """Not even far beyond the range of fit, where network and line know nothing."""
    X = linear_table()
    fitted = small(noise="gaussian", noise_rate=0.3).fit(X)
    far = X + np.where(np.arange(12) % 3, 0, 40) * X.std(axis=0)
    moved = np.abs(fitted.reconstruct(far) - far) / X.std(axis=0)
    assert 0.3 < moved.max() < 5 * 0.3
    gone = np.where(np.arange(12) == 4, np.nan, far)
    assert np.isfinite(fitted.reconstruct(gone)).all()


# --- shares -------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_shares_have_the_least_error(seed, n):
    """No shares of a fine grid are better; two candidates may be equal."""
    rng = np.random.default_rng(seed)
    E = rng.normal(size=(20, n)) @ rng.normal(size=(n, n)) + rng.normal(size=(20, 1))
    E[:, -1] = E[:, 0] if seed % 5 == 0 else E[:, -1]
    products = E.T @ E
    shares = simplex_shares(products)
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1)
    others = rng.dirichlet(np.full(n, 0.3), size=500)
    least = np.einsum("in,nk,ik->i", others, products, others).min()
    assert shares @ products @ shares <= least * (1 + 1e-6)


def test_a_candidate_without_error_has_the_whole_share():
    np.testing.assert_allclose(simplex_shares(np.diag([2.0, 0.0, 1.0])), [0, 1, 0])
    np.testing.assert_array_equal(simplex_shares(np.zeros((3, 3))), [1, 0, 0])


# --- the linear estimate ------------------------------------------------------------


def test_the_linear_estimate_is_the_conditional_mean_of_each_cell():
    root = np.random.default_rng(0).normal(size=(5, 5))
    S, mean = root @ root.T + np.eye(5), np.arange(5.0)
    Z = np.random.default_rng(1).normal(size=(4, 5))
    missing = np.zeros(Z.shape, dtype=bool)
    missing[1:, 2], missing[2:, 0] = True, True
    found = unmixed(S).linear(np.where(missing, 0, Z), missing)
    for z, gone, row in zip(Z, missing, found, strict=True):
        for j in np.flatnonzero(gone) if gone.any() else range(5):
            known = np.flatnonzero(~gone & (np.arange(5) != j))
            weights = np.linalg.solve(S[np.ix_(known, known)], S[known, j])
            expected = mean[j] + weights @ (z - mean)[known]
            assert row[j] == pytest.approx(expected)


def test_no_category_predicts_itself():
    """An estimate does not depend on the features of its own column."""
    root = np.random.default_rng(0).normal(size=(5, 5))
    mixture = unmixed(root @ root.T + np.eye(5), (slice(2, 5),))
    Z = np.random.default_rng(1).normal(size=(2, 5))
    Z[1] = np.where(np.arange(5) < 2, Z[0], Z[1])
    first, second = mixture.linear(Z, np.zeros(Z.shape, dtype=bool))
    np.testing.assert_allclose(first[2:], second[2:])
    assert not np.allclose(first[:2], second[:2])


# --- reconstruct --------------------------------------------------------------------


def test_masking_leaves_observed_cells_alone():
    X, new = linear_table(), gaps_in(linear_table(50, seed=3))
    rebuilt = small().fit(X).reconstruct(new)
    known = ~np.isnan(new)
    np.testing.assert_allclose(rebuilt[known], new[known], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("table", [linear_table, curved_table])
@pytest.mark.parametrize("noise", ["masking", "gaussian"])
def test_never_worse_than_network_line_or_nothing(table, noise):
    X, new = table(), table(2000, seed=3)
    fitted = small(noise=noise, max_iter=60, noise_rate=0.4).fit(X)
    shown = gaps_in(new)
    if noise == "gaussian":
        draws = np.random.default_rng(4).normal(size=new.shape)
        shown = new + 0.4 * X.std(axis=0) * draws
        nothing = ((shown - new) ** 2).mean()
    mixed, network = errors(fitted, new, shown)
    assert mixed < 1.02 * network
    if noise == "gaussian":
        assert mixed < nothing
    scale, mean = X.std(axis=0), X.mean(axis=0)
    S = np.corrcoef(X, rowvar=False)
    if noise == "gaussian":
        gain = np.linalg.solve(S + 0.16 * np.eye(len(S)), S)
        linear = (shown - mean) / scale @ gain * scale + mean
    else:
        Z, missing = np.nan_to_num((shown - mean) / scale), np.isnan(shown)
        plain = Gaussian(np.zeros(len(S)), np.linalg.inv(S))
        linear = plain.fill(Z, missing) * scale + mean
    changed = ~(shown == new)
    assert mixed < 1.03 * ((linear - new)[changed] ** 2).mean()


@pytest.mark.parametrize("n_rows", [20, 60, 150])
@pytest.mark.parametrize("table", [linear_table, curved_table])
def test_few_rows_are_rebuilt_no_worse_than_by_nothing_mean_or_network(table, n_rows):
    X, new = table(n_rows, seed=1), table(800, seed=3)
    fitted = small(noise="gaussian", noise_rate=0.4).fit(X)
    shown = new + 0.4 * X.std(axis=0) * np.random.default_rng(4).normal(size=new.shape)
    mixed, network = errors(fitted, new, shown)
    assert mixed < min(((shown - new) ** 2).mean(), 1.05 * network)
    shown = gaps_in(new)
    mixed, network = errors(small().fit(X), new, shown)
    mean = ((new - X.mean(axis=0))[np.isnan(shown)] ** 2).mean()
    assert mixed < min(mean, 1.05 * network)


@pytest.mark.parametrize("n_rows", [5, 19, 40, 120])
def test_masking_leaves_observed_cells_of_few_rows_alone(n_rows):
    """Far ones, too, and with a stopped training and other splits."""
    X = linear_table(n_rows)
    far = gaps_in(10 * X)
    fits = [small(), small(early_stopping=True), small(validation_fraction=0.3)]
    for fitted in fits + [small(validation_fraction=BlockSplit(3))] * (n_rows > 15):
        rebuilt = fitted.fit(X).reconstruct(far)
        known = ~np.isnan(far)
        np.testing.assert_allclose(rebuilt[known], far[known], rtol=1e-5, atol=1e-5)
        assert np.isfinite(rebuilt).all()


def test_the_network_of_few_rows_is_that_without_a_mixture():
    X = linear_table(80)
    mixed, alone = small().fit(X), small(validation_fraction=None).fit(X)
    np.testing.assert_array_equal(mixed.transform(X), alone.transform(X))
    assert np.unique(mixed.mixture_.hidden, axis=1).shape == (2, 1)


def test_where_no_rows_are_held_out_it_is_the_network_alone():
    X = linear_table(300)
    for fitted in (
        small(validation_fraction=None).fit(X),
        small().fit_stream([X]),
        small(max_iter=2).partial_fit(X),
        small().fit(X[:4]),
    ):
        assert fitted.mixture_ is None
        network = fitted.inverse_transform(fitted.transform(X))
        np.testing.assert_allclose(fitted.reconstruct(X), network, rtol=1e-6)


def test_held_out_rows_are_not_trained_on():
    """The network is that of the other rows."""
    X = linear_table(400)
    mixed = small(validation_fraction=BlockSplit(8), max_iter=6).fit(X)
    training = mixed.table_encoder_.encode(X[50:])[0]
    alone = small(validation_fraction=None, max_iter=6, scaling=None).fit(training)
    np.testing.assert_allclose(alone.loss_curve_, mixed.loss_curve_, rtol=1e-4)


def test_independent_columns_keep_their_cells():
    """Small errors in independent columns cannot be distinguished from the columns."""
    X = np.random.default_rng(0).normal(size=(1000, 6))
    fitted = small(noise="gaussian", noise_rate=0.05).fit(X)
    assert fitted.mixture_.visible.sum(axis=0).max() < 0.1
    assert ((fitted.reconstruct(X) - X) ** 2).mean() < 0.05**2


def test_a_noise_without_gaps_still_learns_to_impute():
    X, new = linear_table(), linear_table(500, seed=3)
    fitted = small(noise="gaussian", noise_rate=0.2).fit(X)
    shown = gaps_in(new)
    filled = fitted.reconstruct(shown)
    gone = np.isnan(shown)
    assert ((filled - new)[gone] ** 2).mean() < 0.1 * new.var()
    np.testing.assert_allclose(fitted.mixture_.hidden.sum(axis=0), 1)


def test_categories_are_mixed_by_column():
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=600)
    X = np.column_stack([kind + 0.1 * rng.normal(size=600), kind, rng.normal(size=600)])
    fitted = small(categorical_features=[1], noise=MaskingNoise(0.3)).fit(X)
    group = fitted.table_encoder_.groups[0]
    assert np.ptp(fitted.mixture_.hidden[:, group], axis=1).max() == 0
    shown = X[:100].astype(object)
    shown[:, 1] = None
    assert (fitted.reconstruct(shown)[:, 1] == kind[:100]).mean() > 0.9


def test_early_stopping_needs_rows_held_out():
    with pytest.raises(ValueError, match="validation_fraction=None.*early_stopping"):
        small(early_stopping=True, validation_fraction=None).fit(linear_table(100))


def test_observed_cells_beyond_the_range_of_fit_stay_as_they_are():
    X = np.random.default_rng(0).normal(size=(400, 3))
    fitted = GradualDAETransformer((4,), max_iter=3, random_state=0).fit(X)
    beyond = X[:20] + np.array([50.0, 0, -1000])
    np.testing.assert_allclose(fitted.reconstruct(beyond), beyond, rtol=1e-9)
