"""Time order: noticed by column, not in random order, and not in sorted tables."""

import itertools

import numpy as np
import pandas
import polars
import pytest
from scipy.signal import lfilter

from skdae.timeseries import effective_sample_size, time_order
from skdae.timeseries._order import _variance


def autoregressive(generator, n_rows, n_columns, phi):
    """Stationary AR(1) columns of variance 1."""
    noise = generator.normal(size=(n_rows, n_columns)) * np.sqrt(1 - phi**2)
    noise[0] /= np.sqrt(1 - phi**2)
    return lfilter([1], [1, -phi], noise, axis=0)


def switch(generator, n_rows):
    """0 and 1 in turn, each for 20 rows on average."""
    return (generator.random(n_rows) < 0.05).cumsum() % 2


def missing(generator, X, share=0.45):
    """The table with some of its cells missing at random."""
    return np.where(generator.random(X.shape) < share, np.nan, X)


RANDOM_TABLES = {
    "normal": lambda g: g.normal(size=(300, 10)),
    "heavy tails": lambda g: g.standard_cauchy(size=(300, 10)),
    "binary": lambda g: g.random((300, 10)) < 0.5,
    "rare": lambda g: g.random((300, 10)) < 0.03,
    "ties": lambda g: g.poisson(1, (300, 10)),
    "missing": lambda g: missing(g, g.normal(size=(300, 10))),
    "duplicated columns": lambda g: g.normal(size=(300, 1)) * np.ones(10),
}


@pytest.mark.parametrize("kind", RANDOM_TABLES)
def test_random_order_is_hardly_ever_noticed(kind):
    """At most 1 % of tables in random order: of 50, two with probability 0.99."""
    generator = np.random.default_rng(0)
    tables = (RANDOM_TABLES[kind](generator) for _ in range(50))
    assert sum(time_order(table).is_ordered for table in tables) <= 2


@pytest.mark.parametrize("phi", [0.7, 0.9, 0.98, 0.999])
def test_nine_slow_columns_beside_eleven_white_ones(phi):
    """They are found with 45 % of the cells missing, and lost with the order."""
    generator = np.random.default_rng(1)
    slow = autoregressive(generator, 600, 9, phi)
    X = missing(generator, np.hstack([slow, generator.normal(size=(600, 11))]))
    order = time_order(X)
    assert order.is_ordered
    assert order.is_slow[:9].all()
    assert not order.is_slow[9:].any()
    assert not time_order(generator.permutation(X)).is_ordered


def test_one_slow_column_among_fifty():
    """A column is not averaged away by the others."""
    generator = np.random.default_rng(2)
    X = generator.normal(size=(400, 50))
    X[:, 7] = autoregressive(generator, 400, 1, 0.9)[:, 0]
    assert np.flatnonzero(time_order(X).is_slow).tolist() == [7]


def test_slow_process_under_noise():
    """Long runs notice what short ones do not."""
    generator = np.random.default_rng(3)
    X = autoregressive(generator, 6000, 3, 0.99) + generator.normal(size=(6000, 3))
    assert time_order(X).is_slow.all()


def test_binary_and_stuck_sensors():
    """Switches that stay, and a value held for many rows, are slow."""
    generator = np.random.default_rng(4)
    held = generator.normal(size=50).repeat(20)
    X = np.column_stack([switch(generator, 1000), held])
    assert time_order(X).is_slow.all()


def test_constant_columns_and_empty_ones_are_no_evidence():
    """Neither for nor against: the other columns are found as without them."""
    generator = np.random.default_rng(5)
    X = autoregressive(generator, 300, 3, 0.9)
    constant = np.full((300, 1), 5.0)
    order = time_order(np.hstack([X, constant, constant * np.nan]))
    np.testing.assert_array_equal(order.correlation[:3], time_order(X).correlation)
    assert order.is_slow.tolist() == [True, True, True, False, False]
    assert np.isnan(order.correlation[3:]).all()
    assert order.n_effective[3:].tolist() == [300, 0]
    assert not time_order(constant).is_ordered


def test_sorted_table_is_no_record():
    """The key is monotonic; what goes along with it is not slow within a run."""
    generator = np.random.default_rng(6)
    key = generator.normal(size=1000)
    others = 0.8 * key[:, None] + 0.6 * generator.normal(size=(1000, 4))
    X = np.column_stack([key, others])[np.argsort(key)]
    order = time_order(X)
    assert not order.is_ordered
    assert order.is_monotonic.tolist() == [True, False, False, False, False]
    assert not time_order(X[::-1]).is_ordered
    assert not time_order(X[:, 1:]).is_ordered  # sorted by the target


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_classes_in_blocks_are_no_record(n_classes):
    """Levels that change from class to class, in random order within each."""
    generator = np.random.default_rng(7)
    y = np.repeat(np.arange(n_classes), 300)
    X = 4 * generator.normal(size=(n_classes, 5))[y] + generator.normal(
        size=(len(y), 5)
    )
    assert not time_order(X).is_ordered


def test_counters_are_monotonic():
    """Row numbers, time stamps and sawtooths rise in nearly every row."""
    number = np.arange(500)
    dates = pandas.date_range("2024-01-01", periods=500, freq="h")
    X = pandas.DataFrame({"number": number, "date": dates, "tooth": number % 40})
    order = time_order(X)
    assert order.is_monotonic.all()
    assert not order.is_ordered


def test_scale_sign_and_order_of_the_columns_do_not_matter():
    """A column is compared with itself."""
    generator = np.random.default_rng(8)
    X = missing(generator, autoregressive(generator, 400, 5, 0.7))
    order = time_order(X)
    other = time_order((X * [-1, 1e200, 1e-200, -3, 2])[:, ::-1])
    np.testing.assert_allclose(other.correlation[::-1], order.correlation, rtol=1e-9)
    np.testing.assert_allclose(other.p_value[::-1], order.p_value, rtol=1e-6)
    np.testing.assert_allclose(other.n_effective[::-1], order.n_effective, rtol=1e-9)
    moved = time_order(X + 1000)
    np.testing.assert_allclose(moved.correlation, order.correlation, rtol=1e-6)


def test_interleaved_groups_and_time_stamps():
    """Rows are read group by group, and in the order of their time stamps."""
    generator = np.random.default_rng(9)
    X = autoregressive(generator, 600, 4, 0.9)
    groups = np.repeat([0, 1, 2], 200)
    mixed = generator.permutation(600)
    time = pandas.date_range("2024-01-01", periods=600, freq="min")
    order = time_order(X, groups=groups)
    again = time_order(X[mixed], groups=groups[mixed], time=time[mixed])
    np.testing.assert_allclose(again.correlation, order.correlation)
    np.testing.assert_allclose(again.n_effective, order.n_effective)
    assert not time_order(X[mixed]).is_ordered


def test_no_pair_across_groups():
    """Groups of one row have no neighbours."""
    X = autoregressive(np.random.default_rng(10), 600, 2, 0.9)
    order = time_order(X, groups=np.arange(600))
    assert not order.is_ordered
    np.testing.assert_allclose(order.n_effective, 600)


def test_data_frames_of_any_kind():
    """Text counts by first appearance; pandas and polars read alike."""
    generator = np.random.default_rng(11)
    state = np.array(["low", "high"])[switch(generator, 500)]
    columns = {"a": generator.normal(size=500), "state": state}
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        assert time_order(frame).is_slow.tolist() == [False, True]


def test_x_must_be_a_table():
    """One column alone is no table."""
    with pytest.raises(ValueError, match="X has 1 dimensions"):
        time_order(np.arange(10))


@pytest.mark.parametrize("n", [5, 6, 7])
def test_variance_over_all_orders(n):
    """The formula is the variance over all permutations of the values."""
    x = np.random.default_rng(n).exponential(size=n)
    x -= x.mean()
    orders = np.array(list(itertools.permutations(x)))
    correlation = (orders[:, 1:] * orders[:, :-1]).sum(axis=1) / (x**2).sum()
    fourth = (x**4).sum() / (x**2).sum() ** 2
    np.testing.assert_allclose(correlation.mean(), -1 / n)
    np.testing.assert_allclose(correlation.var(), _variance(fourth, n))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_effective_rows_of_an_autoregressive_process(phi):
    """On average n (1 - φ) / (1 + φ), within a tenth."""
    X = autoregressive(np.random.default_rng(12), 20_000, 10, phi)
    expected = 20_000 * (1 - phi) / (1 + phi)
    np.testing.assert_allclose(effective_sample_size(X).mean(), expected, rtol=0.1)


def test_effective_rows_of_repeated_values():
    """Each value four times is as good as each once."""
    x = np.random.default_rng(13).normal(size=5000)
    np.testing.assert_allclose(effective_sample_size(x.repeat(4)), 5000, rtol=0.1)


def test_effective_rows_with_gaps():
    """Gaps push values apart: what is missing at random takes little information."""
    generator = np.random.default_rng(14)
    X = autoregressive(generator, 20_000, 10, 0.9)
    full = effective_sample_size(X).mean()
    assert (
        0.9 * full < effective_sample_size(missing(generator, X)).mean() < 1.05 * full
    )


def test_effective_rows_backwards_and_by_group():
    """Time may run backwards; groups count like parts of one record set apart."""
    X = autoregressive(np.random.default_rng(15), 1000, 3, 0.8)
    np.testing.assert_allclose(effective_sample_size(X[::-1]), effective_sample_size(X))
    groups = np.tile([0, 1], 500)
    by_group = np.argsort(groups, kind="stable")
    np.testing.assert_allclose(
        effective_sample_size(X, groups=groups),
        effective_sample_size(X[by_group], groups=groups[by_group]),
    )
    assert effective_sample_size(X[:, 0]) == effective_sample_size(X)[0]


@pytest.mark.parametrize("size", [1e100, 1e200, np.finfo(float).max])
def test_a_huge_value_does_not_hide_the_order(size):
    X = autoregressive(np.random.default_rng(0), 600, 1, 0.9)
    X[5] = size
    assert time_order(X).is_slow.all()
