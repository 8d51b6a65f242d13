"""Stretches of rows between steps of the level."""

import numpy as np
import pytest

from skdae.timeseries._stretches import WINDOW, stretches

STARTS = [100, 180, 300, 450]  # of the stretches after the first


def stepped(seed=0, n_rows=600):
    """Noise of two sensors; one of them and a setpoint have steps."""
    rng = np.random.default_rng(seed)
    level = np.zeros(n_rows)
    for number, start in enumerate(STARTS):
        level[start:] = 3 * (-1) ** number
    return np.column_stack(
        [0.5 * rng.normal(size=n_rows) + level, rng.normal(size=n_rows), level]
    )


def starts(X):
    return np.flatnonzero(np.diff(stretches(X))) + 1


@pytest.mark.parametrize("columns", [[0], [2], [0, 1], [0, 1, 2]])
@pytest.mark.parametrize("seed", range(4))
def test_steps_of_any_column_begin_a_stretch(columns, seed):
    np.testing.assert_allclose(starts(stepped(seed)[:, columns]), STARTS, atol=3)


def test_units_and_the_order_of_columns_do_not_matter():
    X = stepped()
    other = X[:, ::-1] * [-1e-6, 1e3, 7] + [1e-3, -5, 4]
    np.testing.assert_array_equal(stretches(other), stretches(X))


def test_missing_cells_and_single_spikes_do_not_matter():
    X, rng = stepped(), np.random.default_rng(1)
    X[rng.random(len(X)) < 0.2, 0] = np.nan
    X[50, 0] = 1e3
    np.testing.assert_allclose(starts(X[:, :1]), STARTS, atol=5)


@pytest.mark.parametrize("seed", range(4))
def test_noise_drift_and_few_rows_are_one_stretch(seed):
    noise = np.random.default_rng(seed).normal(size=(1000, 3))
    ramp = noise + np.linspace(0, 5, 1000)[:, None]
    days = noise + 3 * np.sin(np.arange(1000) / 30)[:, None]
    for X in (noise, ramp, days, stepped()[: 2 * WINDOW], np.ones((100, 2))):
        assert stretches(X)[-1] == 0
    assert stretches(np.full((100, 2), np.nan))[-1] == 0
