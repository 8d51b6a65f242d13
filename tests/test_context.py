"""Known values before and after each cell, and the columns made of them."""

import numpy as np
import pandas
import pytest

from skdae.timeseries import (
    interpolate,
    last_known_value,
    moving_average,
    moving_median,
)

NAN = np.nan


def table(seed=0, n_rows=200, n_columns=4, share=0.4):
    """Random walks with cells missing at random."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, n_columns)).cumsum(axis=0)
    X[generator.random(X.shape) < share] = NAN
    return X


# each with the table alone, groups and time where it takes them
FUNCTIONS = {
    "interpolate": interpolate,
    "last_known_value": last_known_value,
    "moving_average": lambda X, groups=None: moving_average(X, 5, groups),
    "moving_median": lambda X, groups=None: moving_median(X, 5, groups),
    "causal average": lambda X, groups=None: moving_average(X, 4, groups, causal=True),
    "causal median": lambda X, groups=None: moving_median(X, 4, groups, causal=True),
}
CAUSAL = ["last_known_value", "causal average", "causal median"]


# --- plain functions -----------------------------------------------------------------


def test_as_pandas_fills_and_smooths():
    """The oracle, where it has the function."""
    X = table()
    frame = pandas.DataFrame(X)
    expected = {
        "interpolate": frame.interpolate(limit_direction="both"),
        "last_known_value": frame.ffill(),
        "moving_average": frame.rolling(5, center=True, min_periods=1).mean(),
        "moving_median": frame.rolling(5, center=True, min_periods=1).median(),
        "causal average": frame.rolling(4, min_periods=1).mean(),
        "causal median": frame.rolling(4, min_periods=1).median(),
    }
    for name, function in FUNCTIONS.items():
        np.testing.assert_allclose(function(X), expected[name], err_msg=name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_groups_are_records_of_their_own(name):
    """Interleaved groups give what each gives by itself."""
    X = table()
    groups = np.random.default_rng(1).integers(5, size=len(X))
    together = FUNCTIONS[name](X, groups)
    for group in range(5):
        rows = groups == group
        alone = FUNCTIONS[name](X[rows])
        np.testing.assert_allclose(together[rows], alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_columns_by_themselves(name):
    """A column gives the same alone, and the table is left as it is."""
    X = table()
    kept = X.copy()
    together = FUNCTIONS[name](X)
    np.testing.assert_allclose(together[:, [2]], FUNCTIONS[name](X[:, [2]]))
    np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_functions_use_the_past_alone(name):
    """Rows to come change nothing."""
    X = table()
    np.testing.assert_allclose(FUNCTIONS[name](X)[:90], FUNCTIONS[name](X[:90]))


@pytest.mark.parametrize("name", ["interpolate", "moving_average", "moving_median"])
def test_two_sided_functions_run_backwards(name):
    """Time reversed gives the result reversed."""
    X = table()
    np.testing.assert_allclose(FUNCTIONS[name](X[::-1])[::-1], FUNCTIONS[name](X))


def test_interpolation_of_a_line_with_time_stamps():
    """What is linear in time is found exactly, whatever the order of the rows."""
    generator = np.random.default_rng(2)
    time = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(
        np.sort(generator.choice(100_000, 60, replace=False)), unit="s"
    )
    seconds = (time - time[0]).total_seconds().to_numpy()
    line = np.column_stack([3 + 2e-4 * seconds, -1e-3 * seconds])
    X = line.copy()
    X[1:-1][generator.random((58, 2)) < 0.5] = NAN
    mixed = generator.permutation(60)
    filled = interpolate(X[mixed], time=time[mixed])
    np.testing.assert_allclose(filled, line[mixed], atol=1e-9)


def test_rows_of_the_same_time_share_the_mean():
    """Between two values of one time there is no line, but their mean."""
    X = [[0.0], [1.0], [NAN], [3.0]]
    assert interpolate(X, time=[0, 1, 1, 1]).ravel().tolist() == [0, 1, 2, 3]


def test_known_values_stay_to_the_bit():
    """Only missing cells change."""
    X = table()
    known = ~np.isnan(X)
    for function in (interpolate, last_known_value):
        np.testing.assert_array_equal(function(X)[known], X[known])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_column_without_values_stays_empty(name):
    """There is nothing to fill it with."""
    X = table()
    X[:, 1] = NAN
    assert np.isnan(FUNCTIONS[name](X)[:, 1]).all()


def test_constant_level_of_any_size():
    """Sums that run over a long column lose no digits to its level."""
    X = 1e9 + np.random.default_rng(3).normal(size=(5000, 1))
    expected = pandas.DataFrame(X - 1e9).rolling(3, center=True, min_periods=1).mean()
    np.testing.assert_allclose(moving_average(X, 3) - 1e9, expected, atol=1e-5)


def test_long_tables_are_sorted_in_parts(monkeypatch):
    """The medians are the same however many windows are sorted at once."""
    X = table()
    whole = moving_median(X, 7)
    monkeypatch.setattr("skdae.timeseries._neighbours.MAX_WINDOW_CELLS", 100)
    np.testing.assert_array_equal(moving_median(X, 7), whole)


@pytest.mark.parametrize(
    ("width", "causal", "message"),
    [
        (0, False, "width=0 must be a whole number"),
        (2.5, True, r"width=2\.5 must be a whole number"),
        (4, False, "width=4 must be odd"),
    ],
)
def test_widths(width, causal, message):
    """A centred window has a middle row."""
    for function in (moving_average, moving_median):
        with pytest.raises(ValueError, match=message):
            function(table(), width, causal=causal)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (np.arange(3.0), "time has 3 entries"),
        (np.full(200, NAN), "200 entries are missing"),
        (pandas.DatetimeIndex([None] * 200), "200 entries are missing"),
    ],
)
def test_time_must_be_known_for_every_row(time, message):
    """What is refused, and why."""
    with pytest.raises(ValueError, match=message):
        interpolate(table(), time=time)
