"""Simulated faults choose the scores of rows in time order."""

import numpy as np
import pytest

from skdae import GradualDAEOutlierDetector
from skdae._outlier._scores import COMBINATION_IN_ORDER, LINEAR_IN_ORDER
from skdae._outlier._simulated_faults import SimulatedFaults, _units

RNG = np.random.default_rng(0)


def process(n_rows, n_columns, map_, noise, seed=0):
    """Sensors that follow four slow factors."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_rows, 4))
    for row in range(1, n_rows):
        factors[row] = 0.5 * factors[row - 1] + 0.87 * factors[row]
    signal = map_(factors @ rng.normal(size=(4, n_columns)))
    return signal + noise * rng.normal(size=signal.shape)


@pytest.mark.parametrize(
    ("X", "names"),
    [
        (process(1000, 12, np.tanh, 0.2), COMBINATION_IN_ORDER),
        (process(400, 40, lambda values: values, 0.1), LINEAR_IN_ORDER),
    ],
    ids=["curved", "linear"],
)
def test_the_network_takes_part_where_it_finds_more(X, names):
    detector = GradualDAEOutlierDetector(
        calibration="blocked", false_alarm_rate=0.1, random_state=0
    ).fit(X)
    assert detector.score_names_ == names
    assert all(len(member.models) == len(names) for member in detector.members_)
    assert np.isfinite(detector.score_samples(X[:5])).all()


def test_scores_that_see_faults_find_all_and_those_that_do_not_find_none():
    normal = np.exp(RNG.normal(size=(1000, 2)))
    faulty = [
        np.exp(RNG.normal(size=(10, 2)) + np.array([8.0, 0.0])) for _ in range(50)
    ]
    faults = SimulatedFaults(normal, faulty)
    assert faults.detected([0]) == 1
    assert faults.detected([1]) < 0.1


def test_nothing_is_found_out_from_few_rows_or_without_faults():
    scores = np.exp(RNG.normal(size=(60, 1)))
    assert np.isnan(SimulatedFaults(scores, [scores]).detected([0]))
    many = np.exp(RNG.normal(size=(600, 1)))
    assert np.isnan(SimulatedFaults(many, []).detected([0]))


def test_the_unit_of_a_fault_is_what_the_others_leave_open():
    x, noise = RNG.normal(size=(2, 2000))
    table = np.column_stack([x, 100 * (x + 0.1 * noise), np.ones(2000), noise > 0])
    columns, units = _units(table, np.array([True, True, True, False]))
    np.testing.assert_array_equal(columns, [0, 1])
    np.testing.assert_allclose(units, [0.0995, 10], rtol=0.05)
    assert len(_units(table, np.zeros(4, dtype=bool))[0]) == 0
