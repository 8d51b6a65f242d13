"""Shrunk covariances: near the truth, in any units, from few rows."""

import numpy as np
import pytest
from scipy.integrate import quad
from sklearn.covariance import LedoitWolf

from skdae._covariance import FAR, _hilbert, shrunk_covariance


def rows_of(n_rows, width, seed=0):
    """Rows whose variances span five orders of magnitude, and these variances."""
    variances = np.logspace(-4, 1, width)
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(width, width)))
    return rng.normal(size=(n_rows, width)) * np.sqrt(variances) @ turn.T, (
        turn * variances @ turn.T
    )


def matrix(axes):
    return (axes.directions * axes.variances) @ axes.directions.T


def divergence(found, truth):
    """How much is lost by taking one covariance for the other, per feature."""
    ratio = np.linalg.solve(found, truth)
    return (np.trace(ratio) - np.linalg.slogdet(ratio)[1] - len(truth)) / len(truth)


@pytest.mark.parametrize(("n_rows", "width"), [(500, 50), (300, 200), (100, 200)])
def test_small_variances_are_not_drowned(n_rows, width):
    """Nearer to the truth than one shrinkage for all, and than none."""
    V, truth = rows_of(n_rows, width)
    lost = divergence(matrix(shrunk_covariance(V, 1e-9)), truth)
    assert lost < divergence(LedoitWolf().fit(V).covariance_, truth)
    if n_rows > width:
        assert lost < divergence(np.cov(V, rowvar=False), truth)


def test_units_do_not_matter_where_all_change():
    V, _ = rows_of(200, 30)
    axes, larger = shrunk_covariance(V, 1e-9), shrunk_covariance(1e3 * V, 1e-3)
    np.testing.assert_allclose(larger.variances, 1e6 * axes.variances, rtol=1e-6)
    assert (np.diff(axes.variances) >= 0).all()


def test_precision_and_whitening_go_with_the_covariance():
    V, _ = rows_of(200, 20)
    axes = shrunk_covariance(V, 1e-9)
    np.testing.assert_allclose(axes.precision @ matrix(axes), np.eye(20), atol=1e-6)
    white = axes.whitened(V)
    gaps = V - V.mean(axis=0)
    np.testing.assert_allclose(
        (white**2).sum(axis=1), ((gaps @ axes.precision) * gaps).sum(axis=1)
    )


@pytest.mark.parametrize("n_rows", [2, 12, 13, 40])
@pytest.mark.parametrize("width", [1, 5, 60])
def test_constant_columns_have_the_minimum_variance(n_rows, width):
    V, _ = rows_of(n_rows, width)
    V = np.column_stack([V, np.full(n_rows, 3.0)])
    axes = shrunk_covariance(V, 1e-6)
    assert np.isfinite(axes.variances).all()
    assert axes.variances.min() >= 1e-6
    same = shrunk_covariance(np.ones((n_rows, width)), 1e-6)
    np.testing.assert_allclose(same.variances, 1e-6)


def test_the_transform_is_that_of_the_kernel():
    def kernel(t):
        return 3 / (4 * np.sqrt(5)) * (1 - t**2 / 5)

    for x in (-7.0, 4.0, FAR - 1, FAR + 1):
        value, _ = quad(lambda t, x=x: kernel(t) / (t - x), -(5**0.5), 5**0.5)
        assert _hilbert(np.array([x]))[0] == pytest.approx(value / np.pi, rel=1e-3)
    assert np.isfinite(_hilbert(np.array([0, 5**0.5, -(5**0.5)]))).all()
