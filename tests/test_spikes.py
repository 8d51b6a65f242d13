"""Spikes are found up to a tenth of the cells, and what lasts or recurs is none."""

import numpy as np
import pytest
from scipy.signal import lfilter

from skdae._denoiser._spikes import spike_limits, without_spikes
from skdae.timeseries._neighbours import time_axis

N_ROWS = 1200


def noise(seed=0, n_rows=N_ROWS):
    return np.random.default_rng(seed).normal(size=n_rows)


def pulses(length, height=6.0):
    """Noise with a pulse of so many rows every hundred."""
    return noise() + height * (np.arange(N_ROWS) % 100 < length)


def rain():
    """Amounts of single rows, zero in between."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(N_ROWS) < 0.1, rng.exponential(size=N_ROWS), 0.0)


def amounts(shape, share=0.05):
    """Amounts of single rows with another distribution."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(N_ROWS) < share, rng.gamma(shape, size=N_ROWS), 0.0)


def passing(seed=0):
    """A distance, and things nearer for some rows."""
    rng, values = np.random.default_rng(seed), 3 + np.sin(np.arange(N_ROWS) / 60) / 2
    for row in np.flatnonzero(rng.random(N_ROWS) < 0.05):
        values[row : row + rng.geometric(0.2)] = rng.uniform(0.5, 3)
    return values


def holds(mean, value, seed=0):
    """Values that hold for so many rows on average, many for one to three."""
    rng, parts = np.random.default_rng(seed), []
    while len(parts) < N_ROWS:
        parts += [value(rng)] * rng.geometric(1 / mean)
    return np.array(parts[:N_ROWS])


def distance(seed=0):
    """A distance that drifts, and a farther one for one to some rows."""
    is_far = holds(4, lambda rng: rng.random() < 0.2, seed)
    return np.where(is_far, 5.0, 1.5 + np.sin(np.arange(N_ROWS) / 50))


WITHOUT = {
    "white": noise(),
    "autoregression": lfilter([1], [1, -0.9], noise(1)),
    "walk": np.cumsum(noise(2)),
    "sine": np.sin(np.arange(N_ROWS) / 7),
    "steps": np.repeat(noise(3), 30)[:N_ROWS] + 0.02 * noise(4),
    "setpoints": np.repeat(noise(3), 9)[:N_ROWS],
    "rounded": np.round(2 * np.sin(np.arange(N_ROWS) / 20) + 0.4 * noise(5)),
    "switch": (np.arange(N_ROWS) // 7 % 2).astype(float),
    "switch with errors": (lfilter([1], [1, -0.8], noise(8)) > 0) + 0.1 * noise(9),
    "rain": rain(),
    "rain with errors": rain() + 0.02 * noise(10),
    "amounts": amounts(3),
    "amounts with errors": amounts(1) + 0.05 * noise(11),
    "passing": passing(),
    "passing with errors": passing() + 0.1 * noise(11),
    "counts": np.random.default_rng(2).poisson(0.05, N_ROWS).astype(float),
    "valve": holds(6, lambda rng: rng.choice([0, 0.5, 1])) + 0.02 * noise(10),
    "setpoints of all lengths": holds(8, lambda rng: rng.normal()) + 0.02 * noise(10),
    "distance": distance(),
    "distance with errors": distance() + 0.3 * noise(10),
    "long pulses": pulses(6),
    "volatile": np.cumsum(noise(6) * np.exp(np.sin(np.arange(N_ROWS) / 40))),
    "decays": 5 * np.exp(-(np.arange(N_ROWS) % 60) / 8) + 0.02 * noise(7),
    "saw": np.arange(N_ROWS) % 25 / 25,
}
UNDER = ["autoregression", "walk", "sine", "steps", "volatile"]


def found(values, groups=None):
    """Return which cells of a column are spikes by its own limit."""
    cells = np.asarray(values)[:, None]
    axis = time_axis(len(cells), groups)
    return np.isnan(without_spikes(cells, axis, spike_limits(cells, axis)))[:, 0]


def spiked(values, share, size, length=1, *, one_sided=False, seed=0):
    """Return values with spikes of a size in standard deviations, and where they are.

    At least one row lies between two of them.
    """
    rng = np.random.default_rng(seed)
    is_spike, changed = np.zeros(len(values), dtype=bool), values.copy()
    while is_spike.mean() < share:
        n = int(rng.integers(1, length + 1))
        start = int(rng.integers(4, len(values) - n - 4))
        rows = slice(start, start + n)
        if is_spike[start - 1 : start + n + 1].any():
            continue
        sign = 1 if one_sided else rng.choice([-1, 1])
        changed[rows] += sign * size * values.std() * rng.uniform(0.8, 1.2)
        is_spike[rows] = True
    return changed, is_spike


@pytest.mark.parametrize("name", WITHOUT)
def test_a_signal_without_spikes_is_left_alone(name):
    assert found(WITHOUT[name]).sum() <= 1


@pytest.mark.parametrize("name", UNDER)
@pytest.mark.parametrize(
    ("share", "size", "length", "one_sided"),
    [(0.01, 6, 1, False), (0.05, 6, 1, True), (0.1, 10, 3, False), (0.1, 50, 1, True)],
)
def test_spikes_are_found_and_little_else(name, share, size, length, one_sided):
    changed, is_spike = spiked(WITHOUT[name], share, size, length, one_sided=one_sided)
    is_found = found(changed)
    assert is_found[is_spike].mean() > 0.9
    assert is_found[~is_spike].mean() < 0.003


@pytest.mark.parametrize("name", ["distance", "distance with errors", "steps"])
def test_a_column_that_jumps_has_spikes_beyond_its_range_alone(name):
    """Within it, a spike is a jump as any other."""
    changed, is_spike = spiked(WITHOUT[name], 0.02, 20)
    is_found = found(changed)
    assert is_found[is_spike].mean() > 0.9
    assert not is_found[~is_spike].any()


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize(("length", "one_sided"), [(1, False), (3, True)])
def test_spikes_on_constant_levels_are_found(levels, length, one_sided):
    values = np.repeat(np.arange(levels) ** 2.0, N_ROWS // levels) + 3
    beside = values + 10 * noise() * (levels == 1)  # a size for the spikes
    changed, is_spike = spiked(beside, 0.03, 6, length, one_sided=one_sided)
    changed += values - beside
    np.testing.assert_array_equal(found(changed), is_spike)


@pytest.mark.parametrize("n_changes", [12, 20])
def test_changes_that_another_column_shares_are_no_spikes(n_changes):
    """It changes less beside its noise, so that it shows no spikes itself."""
    cells = np.column_stack([noise(1), noise(2), noise(3), noise(4)])
    alone, rng = cells.copy(), np.random.default_rng(5)
    rows = 30 + np.sort(rng.choice(280, n_changes, replace=False)) * 4
    changes = rng.choice([-1, 1], n_changes) * rng.uniform(8, 20, n_changes)
    alone[rows, 0] += changes
    together = alone.copy()
    together[rows, 2] -= 0.2 * changes
    axis = time_axis(N_ROWS)
    for each, is_kept in ((alone, False), (together, True)):
        kept = without_spikes(each, axis, spike_limits(each, axis))
        assert np.isnan(kept[rows, 0]).all() != is_kept
        assert np.isnan(kept).sum() == (0 if is_kept else n_changes)


@pytest.mark.parametrize(("length", "is_kept"), [(1, False), (3, False), (4, True)])
def test_a_pulse_of_more_than_three_rows_is_no_spike(length, is_kept):
    values = noise()
    values[600 : 600 + length] += 40
    assert found(values).sum() == (0 if is_kept else length)


def recurring(n_rows, length, *, heights, every=13, jitter=5, seed=0):
    """Return noise with pulses of some rows and heights, and where they are."""
    rng = np.random.default_rng(seed)
    starts = np.arange(every // 2, n_rows - length, every + length)
    starts += rng.integers(0, jitter + 1, len(starts))
    is_pulse, values = np.zeros(n_rows, dtype=bool), noise(seed, n_rows)
    for start in starts:
        rows = slice(start, start + length)
        values[rows] += rng.uniform(*heights)
        is_pulse[rows] = True
    return values, is_pulse


@pytest.mark.parametrize("n_rows", [40, 80, 200, N_ROWS])
@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_pulses_that_recur_with_their_height_are_no_spikes(n_rows, length, sign):
    values, _ = recurring(n_rows, length, heights=(14, 15), seed=length)
    assert not found(sign * values).any()


def test_pulses_that_recur_with_their_period_are_no_spikes():
    """Where their heights have all sizes; without a period, and to both sides, are."""
    values, is_pulse = recurring(N_ROWS, 1, heights=(10, 14), every=30, jitter=0)
    assert not found(values).any()
    signs = np.random.default_rng(1).choice([-1, 1], N_ROWS)
    np.testing.assert_array_equal(found(values * signs), is_pulse)


@pytest.mark.parametrize("n_spikes", [3, 30])
def test_spikes_of_one_size_and_either_sign_are_found(n_spikes):
    values, rng = noise(), np.random.default_rng(2)
    rows = 5 * np.sort(rng.choice(np.arange(1, 239), n_spikes, replace=False))
    values[rows] += 12 * np.where(np.arange(n_spikes) % 3, 1, -1)
    np.testing.assert_array_equal(np.flatnonzero(found(values)), rows)


def test_the_code_of_a_fault_is_a_spike():
    """One value, far more often than any other: no process repeats it so."""
    values, is_pulse = recurring(N_ROWS, 1, heights=(14, 15))
    np.testing.assert_array_equal(found(np.where(is_pulse, -999, values)), is_pulse)
    assert not found(np.where(is_pulse, values - 999, values)).any()


def test_a_spike_among_pulses_is_found():
    values, is_pulse = recurring(N_ROWS, 1, heights=(14, 15))
    rows = np.flatnonzero(is_pulse)[[20, 40]] + 5
    values[rows] = -30, 60
    np.testing.assert_array_equal(np.flatnonzero(found(values)), rows)


@pytest.mark.parametrize("name", UNDER)
def test_a_change_at_an_end_is_a_spike_where_spikes_are_frequent(name):
    """Else, or where steps are as frequent, or of more than a row, it may be a step."""
    changed, is_spike = spiked(WITHOUT[name], 0.02, 20)
    few, change = WITHOUT[name].copy(), 20 * WITHOUT[name].std()
    for each in (few, changed):
        each[0] -= change
        each[-1] += change
    is_spike[[0, -1]] = name != "steps"
    assert not found(few).any()
    np.testing.assert_array_equal(found(changed)[[0, -1]], is_spike[[0, -1]])
    changed[[1, -2]] = changed[[0, -1]]
    assert not found(changed)[[0, 1, -2, -1]].any()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_an_overshoot_is_no_spike(length):
    """It comes with a step, while a spike returns to where the values were."""
    values = noise()
    values[600:] += 40
    values[600 : 600 + length] += 20
    assert not found(values).any()
    values[600 : 600 + length] += 100
    assert found(values).sum() == length


@pytest.mark.parametrize("name", UNDER)
@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("n_outside", [1, 2, 3])
def test_spikes_near_the_ends_are_found_and_the_cells_outside_kept(
    name, length, n_outside
):
    """One cell before a spike is enough."""
    values = WITHOUT[name].copy()
    rows = np.arange(n_outside, n_outside + length)
    rows = np.concatenate([rows, N_ROWS - 1 - rows])
    values[rows] += 20 * values.std()
    np.testing.assert_array_equal(np.flatnonzero(found(values)), np.sort(rows))


def test_units_signs_and_the_direction_of_time_do_not_count():
    values, is_spike = spiked(WITHOUT["walk"], 0.05, 6)
    expected = found(values)
    np.testing.assert_array_equal(found(1e6 - 1e-3 * values), expected)
    cells = values[:, None]
    axis = time_axis(len(cells))
    limits = spike_limits(cells, axis)
    backward = without_spikes(cells[::-1], axis, limits)[::-1]
    np.testing.assert_array_equal(np.isnan(backward)[:, 0], expected)


def test_groups_are_records_of_their_own():
    """A jump between two of them is none, and neighbours are those of the group."""
    values, is_spike = spiked(WITHOUT["autoregression"], 0.05, 8)
    groups = np.repeat([0, 1], N_ROWS // 2)
    halves = values.reshape(2, -1)
    cells = values[:, None]
    limits = spike_limits(cells, time_axis(N_ROWS, groups))
    whole = without_spikes(cells, time_axis(N_ROWS, groups), limits)[:, 0]
    alone = [
        without_spikes(half[:, None], time_axis(len(half)), limits)[:, 0]
        for half in halves
    ]
    np.testing.assert_array_equal(whole, np.concatenate(alone))
    two_levels = noise() + 50 * groups
    assert not found(two_levels, groups).any()


def test_gaps_are_passed_over():
    """The same cells are spikes as if the missing ones were not there."""
    values, _ = spiked(WITHOUT["walk"], 0.05, 6)
    gone = np.random.default_rng(3).random(N_ROWS) < 0.2
    with_gaps = np.where(gone, np.nan, values)
    np.testing.assert_array_equal(found(with_gaps)[~gone], found(values[~gone]))


@pytest.mark.parametrize("values", [np.full(50, np.nan), np.ones(50), np.arange(4.0)])
def test_columns_of_which_nothing_is_known_have_no_spikes(values):
    axis = time_axis(len(values))
    assert spike_limits(values[:, None], axis)[0].tolist() == [np.inf]
    np.testing.assert_array_equal(found(values), np.isnan(values))


def test_many_rows_beyond_the_limit_are_no_spikes():
    """But another kind of rows than those of fit."""
    values = WITHOUT["walk"][:, None]
    axis = time_axis(N_ROWS)
    limits = spike_limits(values, axis)
    changed = values + 500 * (np.arange(N_ROWS)[:, None] % 5 == 0)
    np.testing.assert_array_equal(without_spikes(changed, axis, limits), changed)
