"""Records that are too short for the movement of their rows."""

import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._slowness import (
    MIN_INDEPENDENT,
    NEXT_ROWS,
    SlowMovement,
    covered_twice,
    independent_rows,
    moves_together,
    principal_axes,
    slow_directions,
)
from skdae._outlier._thresholds import PredictionLimit, number_averaged, promised_rate
from skdae.timeseries import EWMA, time_order

NETWORK = GradualDAETransformer((8, 4), max_iter=10)


def record(n_rows, phi, seed, noise=0.2):
    """Sensors of four AR(1) factors."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n_rows + 500, 4)) * np.sqrt(1 - phi**2)
    hidden = lfilter([1], [1, -phi], steps, axis=0)[500:]
    loadings = np.random.default_rng(98).normal(size=(4, 12)) / 2
    return hidden @ loadings + noise * rng.normal(size=(n_rows, 12))


def worth(n_rows, phi, seed):
    return independent_rows(slow_directions(record(n_rows, phi, seed), 6)).min()


def test_axes_are_uncorrelated_and_leave_out_rounding():
    rows = record(300, 0.5, 0)
    rows = np.column_stack([rows, rows[:, 0] + 1e-9, np.ones(300)])
    axes = principal_axes(rows, 20)
    assert axes.shape == (300, 12)
    np.testing.assert_allclose(axes.T @ axes / 300, np.eye(12), atol=1e-6)


def test_the_slowest_direction_is_found_under_faster_ones():
    """A tenth of the variance of any sensor."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(600) / 50)
    fast = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 8)) / 3
    rows = fast + 0.3 * np.outer(wave, rng.normal(size=8))
    rows += 0.1 * rng.normal(size=rows.shape)
    found = slow_directions(rows, 5)
    correlation = np.abs(np.corrcoef(found.T, wave)[-1, :-1])
    assert correlation.max() > 0.9


@pytest.mark.parametrize("gap", [0, 1, 4, 9])
def test_any_gap_has_directions(gap):
    assert slow_directions(record(5, 0.5, 0), gap).shape == (5, 1)


@pytest.mark.parametrize("n_rows", [200, 1_000])
def test_a_random_walk_has_no_independent_rows(n_rows):
    walks = np.random.default_rng(0).normal(size=(40, n_rows, 1)).cumsum(axis=1)
    found = [independent_rows(slow_directions(walk, 5)).min() for walk in walks]
    assert np.mean(np.array(found) == MIN_INDEPENDENT) > 0.6


@pytest.mark.parametrize("phi", [0.5, 0.9, 0.98])
def test_longer_records_are_worth_more_rows(phi):
    found = [
        np.mean([worth(n_rows, phi, seed) for seed in range(8)])
        for n_rows in (300, 1_000, 4_000)
    ]
    assert found == sorted(found)
    true = 4_000 * (1 - phi) / (1 + phi)
    assert true / 3 < found[-1] < 1.5 * true


def test_levels_that_come_back_are_covered_twice_and_new_ones_are_not():
    time = np.arange(600)
    cycle, square = np.sin(time / 24), np.sign(np.sin(time / 40))
    step, ramp = (time > 400).astype(float), time / 600
    wave = np.sin(time / 300)  # a third of a period
    rows = np.column_stack([cycle, square, step, ramp, wave])
    rows += np.random.default_rng(0).normal(size=rows.shape) / 20
    assert covered_twice(rows).tolist() == [True, True, False, False, False]
    assert covered_twice(rows[::-1]).tolist() == covered_twice(rows).tolist()


def test_what_both_halves_have_covered_stretches_nothing():
    """Seven days, however few independent rows they are worth."""
    angle = 2 * np.pi * np.arange(1_000) / 144
    day = np.column_stack([np.sin(angle), np.cos(angle)])
    rng = np.random.default_rng(0)
    rows = day @ rng.normal(size=(2, 8)) + 0.2 * rng.normal(size=(1_000, 8))
    assert independent_rows(slow_directions(rows, 6)).min() < 20
    slow = SlowMovement.of(rows, 6, 40)
    assert slow.n_independent.size == 0
    reach, n_promised = slow.reach(0.01, 1.0)
    seen = slow.distances(1.0)[0]
    assert reach == seen[int(0.99 * len(seen))]
    assert n_promised == np.inf


@pytest.mark.parametrize("n_averaged", [1.0, 8.0])
def test_many_rows_stretch_nothing_and_few_promise_little(n_averaged):
    many, few = (SlowMovement(np.repeat(n, 4), 60) for n in (5_000.0, 2.0))
    seen = many.distances(n_averaged)[0]
    reach, n_promised = many.reach(0.01, n_averaged)
    assert reach == pytest.approx(np.quantile(seen, 0.99), rel=0.02)
    assert n_promised == np.inf
    farther, fewer = few.reach(0.01, n_averaged)
    assert farther > 2 * reach
    assert fewer < 10


def test_the_next_rows_of_a_random_walk_are_as_near_as_of_four_independent_ones():
    """However few it is worth; a promise counts these."""
    walks = np.random.default_rng(0).normal(size=(2_000, 600)).cumsum(axis=1)
    seen, following = walks[:, :300], walks[:, 300:]
    away = (following - seen.mean(axis=1)[:, None]) / seen.std(axis=1)[:, None]
    of_four = stats.t.ppf(1 - 0.01 / 2, NEXT_ROWS - 1) * np.sqrt(5 / 3)
    assert np.quantile(np.abs(away), 0.99) == pytest.approx(of_four, rel=0.15)

    walk, four = (SlowMovement(np.repeat(n, 2), 30) for n in (2.0, 4.0))
    assert walk.reach(0.05, 1)[0] == four.reach(0.05, 1)[0]
    assert walk.reach(0.05, 1)[1] < four.reach(0.05, 1)[1]


def test_few_independent_rows_count_less_among_many_features():
    reaches = [SlowMovement(np.array([8.0]), n).reach(0.01, 1)[0] for n in (2, 20, 200)]
    assert reaches == sorted(reaches, reverse=True)


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.05])
def test_the_rate_that_is_promised_can_be_asked_for(rate):
    """It is not raised again."""
    for n in (2.0, 4.0, 8.0, 30.0):
        slow = SlowMovement(np.array([n, 2 * n]), 40)
        n_promised = slow.reach(rate, 1)[1]
        promised = max(rate, 1 / (1 + n_promised))
        assert slow.reach(promised, 1)[1] in (np.inf, pytest.approx(n_promised))


def test_a_limit_is_never_nearer_for_a_short_record():
    scores = np.random.default_rng(0).normal(size=400)
    plain = PredictionLimit.learn(scores, 0.01)
    for n in (2.0, 10.0, 1_000.0):
        slow = SlowMovement(np.array([n]), 60)
        limit = plain.extrapolated(scores, 0.01, slow, 1.0)
        assert limit.threshold(0.01) >= plain.threshold(0.01)
        assert limit.n_effective <= plain.n_effective
        assert promised_rate(0.01, limit) >= 0.01
        at = limit.threshold(0.01) + np.array([-1e-9, 1e-9])
        assert limit.p_values(at)[1] <= 0.01 <= limit.p_values(at)[0] + 1e-6


def test_smoothed_scores_are_means_of_several():
    scores = np.random.default_rng(0).normal(size=4_000)
    assert number_averaged(scores, scores) == 1
    expected = (2 - 0.2) / 0.2  # of the variance of an EWMA of independent values
    assert number_averaged(scores, EWMA(0.2).smooth(scores)) == pytest.approx(
        expected, rel=0.2
    )


def test_axes_show_an_order_that_single_columns_hide():
    """And rows in random order have none."""
    by_column, by_axis = 0, 0
    for seed in range(20):
        rows = record(300, 0.98, seed, noise=0.6)
        by_column += time_order(rows).is_ordered
        by_axis += moves_together(rows)
        assert not moves_together(np.random.default_rng(seed).permutation(rows))
    assert by_axis > by_column


def test_columns_without_a_value_or_of_any_size_show_no_order():
    rows = np.random.default_rng(0).normal(size=(300, 4))
    rows[:, 0] = np.nan
    rows[:, 1] = 3.0
    rows[5, 2], rows[:, 3] = np.nan, rows[:, 3] * 1e300
    assert not moves_together(rows)
    assert not moves_together(np.empty((300, 0)))


def test_a_short_record_of_a_slow_process_promises_less_and_says_so():
    short, long = record(300, 0.99, 1), record(3_000, 0.8, 1)
    with pytest.warns(UserWarning, match="independent rows .* raise false_alarm_rate"):
        of_short = GradualDAEOutlierDetector(NETWORK, random_state=0).fit(short)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_long = GradualDAEOutlierDetector(NETWORK, random_state=0).fit(long)
    report = of_short.calibration_report_
    assert report.promised_rate > 0.04
    assert report.interval[1] > report.promised_rate
    assert of_long.calibration_report_.promised_rate == 0.01
    later = record(3_000, 0.99, 1)[300:]
    assert (of_short.predict(later) == -1).mean() < report.promised_rate
