"""Which scores rows in time order get: those of a normal process, or of groups."""

import numpy as np
import pytest

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._normality import MAX_SPREAD, distance_spread
from skdae._outlier._scores import COMBINATION_IN_ORDER, COMBINATION_OF_GROUPS

N_ROWS, N_COLUMNS = 600, 6


def process(coefficient=0.9, seed=0):
    """A stationary normal process with correlated columns."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(N_ROWS, N_COLUMNS))
    Z = noise.copy()
    for t in range(1, N_ROWS):
        Z[t] = coefficient * Z[t - 1] + np.sqrt(1 - coefficient**2) * noise[t]
    return Z @ (np.eye(N_COLUMNS) + 0.3)


def groups(seed=0):
    """Kinds of rows one after the other, each with a level and a spread of its own."""
    generator = np.random.default_rng(seed)
    kind = np.arange(N_ROWS) // 12 % 10
    levels = generator.normal(size=(10, N_COLUMNS))
    spreads = np.geomspace(0.02, 0.5, 10)[kind, None]
    return levels[kind] + spreads * generator.normal(size=(N_ROWS, N_COLUMNS))


def spread(Z, inliers=None):
    everything = np.ones(len(Z), dtype=bool)
    return distance_spread(
        (Z - Z.mean(axis=0)) / Z.std(axis=0),
        everything if inliers is None else inliers,
    )


@pytest.mark.parametrize("coefficient", [0, 0.5, 0.9])
def test_distances_of_a_normal_process_spread_as_chi_square_says(coefficient):
    found = [spread(process(coefficient, seed)) for seed in range(5)]
    np.testing.assert_allclose(np.mean(found), 1, atol=0.35)
    assert max(found) < MAX_SPREAD


def test_distances_of_groups_spread_more():
    assert min(spread(groups(seed)) for seed in range(5)) > MAX_SPREAD


def test_a_linear_map_and_constant_columns_change_nothing():
    Z = process()
    mixed = Z @ np.random.default_rng(0).normal(size=(N_COLUMNS, N_COLUMNS))
    np.testing.assert_allclose(spread(mixed), spread(Z), rtol=0.1)
    everything = np.ones(N_ROWS, dtype=bool)
    wider = np.hstack([Z, np.zeros((N_ROWS, 3))])
    np.testing.assert_allclose(
        distance_spread(wider, everything), distance_spread(Z, everything)
    )


def test_outliers_that_are_left_out_do_not_widen_the_spread():
    Z = process(0.5)
    is_outlier = np.arange(N_ROWS) % 200 < 40
    Z[is_outlier] *= 8
    assert spread(Z) > MAX_SPREAD > spread(Z, ~is_outlier)


@pytest.mark.parametrize(
    ("X", "names"),
    [(process(), COMBINATION_IN_ORDER), (groups(), COMBINATION_OF_GROUPS)],
)
def test_auto_is_what_suits_the_rows(X, names):
    detector = GradualDAEOutlierDetector(
        GradualDAETransformer((8, 4), max_iter=2), false_alarm_rate=0.1, random_state=0
    ).fit(X)
    assert detector.is_ordered_
    assert detector.score_names_ == names
    assert detector.lags_ == 4


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_blocks_are_held_out_where_a_rate_is_promised(contamination):
    X = process()
    detector = GradualDAEOutlierDetector(
        GradualDAETransformer((8, 4), max_iter=2),
        contamination=contamination,
        false_alarm_rate=0.1,
        trim=0,
        random_state=0,
    ).fit(X)
    weights = detector._ensemble.training_rows.weights_of(X)
    held_out_with_next = (weights[1:] == weights[:-1]).all(axis=1).mean()
    assert (held_out_with_next > 0.9) == (contamination == "auto")
