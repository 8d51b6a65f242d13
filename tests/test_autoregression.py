"""The vector autoregression that fills missing cells of rows in time order."""

import numpy as np
import pytest

from skdae._imputer import _autoregression
from skdae._imputer._autoregression import (
    N_LAGS,
    Autoregression,
    _regressed,
    fit_autoregression,
)

N_FEATURES = 3


def simulated(n_rows, seed=0):
    """Rows of a stable autoregression of order 1."""
    rng = np.random.default_rng(seed)
    A = np.array([[0.9, 0.2, 0.0], [0.0, 0.8, -0.3], [0.1, 0.0, 0.7]])
    rows = np.zeros((n_rows, N_FEATURES))
    for t in range(1, n_rows):
        rows[t] = A @ rows[t - 1] + rng.normal(size=N_FEATURES)
    return rows + [5, -3, 0], A


def with_gaps(rows, share=0.3, seed=1):
    return np.where(
        np.random.default_rng(seed).random(rows.shape) < share, np.nan, rows
    )


def dense_precision(model: Autoregression, start) -> np.ndarray:
    """The precision of all cells, residual by residual."""
    n_rows = len(start)
    total = np.zeros((n_rows * N_FEATURES,) * 2)
    for t in range(n_rows):
        here = slice(t * N_FEATURES, (t + 1) * N_FEATURES)
        if t - start[t] < N_LAGS:
            total[here, here] += model.prior
            continue
        F = np.zeros((N_FEATURES, len(total)))
        for lag, block in enumerate(model.filters):
            F[:, (t - lag) * N_FEATURES : (t - lag + 1) * N_FEATURES] = block
        total += F.T @ model.precision @ F
    return total


ROWS, A = simulated(2000)
ONE = np.zeros(2000, dtype=int)
MODEL = _regressed(ROWS, ONE)


@pytest.mark.parametrize("n_groups", [1, 3])
def test_means_are_those_of_the_joint_normal_distribution(n_groups):
    """By a dense solution, with groups of their own."""
    cells = with_gaps(ROWS[:60])
    cells[30:36] = np.nan  # whole rows
    start = np.repeat(np.arange(n_groups) * (60 // n_groups), 60 // n_groups)
    P = dense_precision(MODEL, start)
    centred = (cells - MODEL.mean).ravel()
    gone = np.isnan(centred)
    expected = -np.linalg.solve(
        P[np.ix_(gone, gone)], P[np.ix_(gone, ~gone)] @ centred[~gone]
    )
    found = (MODEL.fill(cells, start) - MODEL.mean).ravel()
    np.testing.assert_allclose(found[gone], expected, atol=1e-4)
    np.testing.assert_array_equal(
        MODEL.fill(cells, start)[~np.isnan(cells)], cells[~np.isnan(cells)]
    )


def test_draws_have_the_covariance_of_the_joint_normal_distribution():
    cells = ROWS[:12].copy()
    cells[5:8] = np.nan
    rng = np.random.default_rng(0)
    drawn = np.array(
        [MODEL.fill(cells, ONE[:12], rng)[5:8].ravel() for _ in range(4000)]
    )
    P = dense_precision(MODEL, ONE[:12])
    gone = np.isnan(cells).ravel()
    covariance = np.linalg.inv(P[np.ix_(gone, gone)])
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.25)
    mean = MODEL.fill(cells, ONE[:12])[5:8].ravel()
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.12)


def test_the_spread_is_that_of_the_conditional_variances():
    cells = with_gaps(ROWS[:40])
    P = dense_precision(MODEL, ONE[:40])
    gone = np.isnan(cells).ravel()
    expected = np.sqrt(np.diag(np.linalg.inv(P[np.ix_(gone, gone)])))
    filled, spread = MODEL.fill_with_spread(cells, ONE[:40], np.random.default_rng(0))
    np.testing.assert_array_equal(filled, MODEL.fill(cells, ONE[:40]))
    spread = spread.ravel()
    assert (spread[~gone] == 0).all()
    ratio = spread[gone] / expected
    assert abs(ratio.mean() - 1) < 0.06  # of 24 draws of each of some 36 cells
    assert ((ratio > 0.4) & (ratio < 1.7)).all()


def test_coefficients_are_found_from_incomplete_rows():
    cells = with_gaps(ROWS)
    first = np.where(np.isnan(cells), np.nanmean(cells, axis=0), cells)
    model = fit_autoregression(cells, ONE, first, np.random.default_rng(0))
    np.testing.assert_allclose(-model.filters[1], A, atol=0.12)
    assert np.abs(model.filters[2:]).max() < 0.15
    np.testing.assert_allclose(np.linalg.inv(model.precision), np.eye(3), atol=0.15)


def test_nothing_is_read_across_groups():
    start = np.repeat([0, 30], 30)
    cells = with_gaps(ROWS[:60])
    other = cells.copy()
    other[30:] = with_gaps(simulated(30, seed=9)[0])
    found, expected = (MODEL.fill(each, start)[:30] for each in (other, cells))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_parts_of_a_long_table_agree_with_the_whole(monkeypatch):
    cells = with_gaps(ROWS)
    whole = MODEL.fill(cells, ONE)
    monkeypatch.setattr(_autoregression, "MAX_BAND_CELLS", 3_000)
    np.testing.assert_allclose(MODEL.fill(cells, ONE), whole, atol=1e-5)
