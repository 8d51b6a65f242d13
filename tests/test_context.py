"""Known values before and after each cell, and the columns made of them."""

import numpy as np
import pandas
import pytest

from skdae.timeseries import (
    Gaps,
    TimeContext,
    draw_gaps,
    interpolate,
    last_known_value,
    moving_average,
    moving_median,
    time_context,
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


def windows(X, back, ahead):
    """Return the rows around each row, cut off at the ends."""
    return [X[max(0, i - back) : i + ahead + 1] for i in range(len(X))]


@pytest.mark.filterwarnings("ignore:All-NaN|Mean of empty:RuntimeWarning")
def test_fills_and_smooths_by_definition():
    """Lines of pandas, and the means and medians of each window."""
    X = table()
    frame = pandas.DataFrame(X)
    around, before = windows(X, 2, 2), windows(X, 3, 0)
    expected = {
        "interpolate": frame.interpolate(limit_direction="both"),
        "last_known_value": frame.ffill(),
        "moving_average": [np.nanmean(window, axis=0) for window in around],
        "moving_median": [np.nanmedian(window, axis=0) for window in around],
        "causal average": [np.nanmean(window, axis=0) for window in before],
        "causal median": [np.nanmedian(window, axis=0) for window in before],
    }
    for name, function in FUNCTIONS.items():
        np.testing.assert_allclose(
            function(X), expected[name], atol=1e-12, err_msg=name
        )


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
        (np.arange(3.0), r"time has the shape \(3,\)"),
        (np.full(200, NAN), "time is missing in 200 rows"),
        (pandas.DatetimeIndex([None] * 200), "time is missing in 200 rows"),
    ],
)
def test_time_must_be_known_for_every_row(time, message):
    """What is refused, and why."""
    with pytest.raises(ValueError, match=message):
        interpolate(table(), time=time)


# --- context -------------------------------------------------------------------------


def neighbours_one_by_one(x, row, back, ahead):
    """The known rows at least so far before and after a row, by looking at each."""
    before = [i for i in range(row - back, -1, -1) if not np.isnan(x[i])]
    after = [i for i in range(row + ahead, len(x)) if not np.isnan(x[i])]
    return (before or [None])[0], (after or [None])[0]


@pytest.mark.parametrize("seed", range(3))
def test_context_as_looked_up_one_by_one(seed):
    """Values, distances and the line between them, at any distance asked."""
    X = table(seed, n_rows=30, n_columns=2, share=0.6)
    generator = np.random.default_rng(seed)
    gaps = Gaps(*generator.integers(1, 6, size=(2, *X.shape)))
    for asked in (gaps, None):
        context = time_context(X, gaps=asked)
        for row, j in np.ndindex(X.shape):
            reach = (1, 1) if asked is None else (gaps.back[row, j], gaps.ahead[row, j])
            before, after = neighbours_one_by_one(X[:, j], row, *reach)
            last = NAN if before is None else X[before, j]
            following = NAN if after is None else X[after, j]
            ends = [i for i in (before, after) if i is not None]
            line = np.interp(row, ends, X[ends, j]) if ends else NAN
            np.testing.assert_allclose(
                [part[row, j] for part in vars(context).values()],
                [
                    last,
                    following,
                    line,
                    np.inf if before is None else row - before,
                    np.inf if after is None else after - row,
                ],
            )


def test_context_leaves_the_cell_itself_out():
    """Whatever a cell holds, its own context is the same."""
    X = table()
    changed = X.copy()
    changed[50] = NAN
    changed[50, :2] = 1e6
    context, other = time_context(X), time_context(changed)
    for part, same in zip(vars(context).values(), vars(other).values(), strict=True):
        np.testing.assert_array_equal(part[50], same[50])


def test_context_of_missing_cells_is_their_interpolation():
    """The line at a missing cell is what interpolation fills."""
    X = table()
    missing = np.isnan(X)
    context = time_context(X, groups=np.arange(200) % 3, time=np.arange(200) ** 1.5)
    filled = interpolate(X, groups=np.arange(200) % 3, time=np.arange(200) ** 1.5)
    np.testing.assert_array_equal(context.interpolation[missing], filled[missing])


def test_drawn_gaps_are_those_of_missing_cells():
    """Back and ahead of one missing cell of the column; its own for a missing cell."""
    X = np.arange(300.0).reshape(-1, 1) * np.ones(3)
    X[np.arange(5, 300, 10), 0] = NAN  # single cells
    X[np.arange(300) % 30 < 3, 1] = NAN  # gaps of three rows, the first one open
    gaps = draw_gaps(X, np.random.default_rng(0))
    missing = np.isnan(X)
    assert (gaps.back[missing] == 1).all()
    assert (gaps.ahead[missing] == 1).all()

    def drawn(j):
        known = ~missing[:, j]
        return set(zip(gaps.back[known, j], gaps.ahead[known, j], strict=True))

    assert drawn(0) == {(1, 1)}
    open_gap = {(300, 3), (300, 2), (300, 1)}
    assert drawn(1) == {(1, 3), (2, 2), (3, 1)} | open_gap
    assert drawn(2) == drawn(0) | drawn(1)  # without gaps of its own: those of all


def test_draws_come_from_the_generator():
    """The same generator draws the same, and a table without gaps has none to draw."""
    X = table()
    first, second = (draw_gaps(X, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.back, second.back)
    np.testing.assert_array_equal(first.ahead, second.ahead)
    whole = draw_gaps(np.ones((9, 2)), np.random.default_rng(5))
    assert (whole.back == 1).all()
    assert (whole.ahead == 1).all()


# --- transformer ---------------------------------------------------------------------


def test_columns_and_names():
    """The table, then one column per sensor and kind, each under its name."""
    X = table()
    frame = pandas.DataFrame(X, columns=list("abcd"), index=np.arange(200) + 7)
    context = time_context(X)
    out = TimeContext().set_output(transform="pandas").fit_transform(frame)
    assert (out.index == frame.index).all()
    np.testing.assert_array_equal(out[list("abcd")], X)
    for j, name in enumerate("abcd"):
        for kind in ("last", "next", "interpolation"):
            np.testing.assert_array_equal(
                out[f"{name}_{kind}"], getattr(context, kind)[:, j]
            )
        distance = np.minimum(context.back[:, j], 1000)
        np.testing.assert_allclose(out[f"{name}_log_back"], np.log1p(distance))
    assert out.shape[1] == 24


def test_causal_context_uses_the_past_alone():
    """Rows to come change nothing, and its columns are those of the whole context."""
    X = table()
    causal = TimeContext(causal=True).set_output(transform="pandas")
    part = causal.fit_transform(X)
    np.testing.assert_array_equal(part[:90], causal.transform(X[:90]))
    whole = TimeContext().set_output(transform="pandas").fit_transform(X)
    pandas.testing.assert_frame_equal(part, whole[list(part.columns)])


def test_horizon_bounds_distances():
    """Nothing beyond it is distinguished, nor no value at all."""
    X = np.full((40, 1), NAN)
    X[5] = 1
    log_back = TimeContext(causal=True, horizon=10).fit_transform(X)[:, 2]
    np.testing.assert_allclose(log_back[[6, 15, 39, 0]], np.log([2, 11, 11, 11]))


def test_group_column_and_groups():
    """The group column says what groups say, and is left out."""
    X = table()
    groups = np.arange(200) % 3
    expected = TimeContext().fit_transform(X, groups=groups)
    beside = np.column_stack([X[:, :1], groups, X[:, 1:]])
    transformer = TimeContext(group_column=1)
    np.testing.assert_array_equal(transformer.fit_transform(beside), expected)
    assert "x1_last" not in transformer.get_feature_names_out()
    with pytest.raises(ValueError, match="groups must be None"):
        transformer.transform(beside, groups=groups)


def test_unit_of_time_does_not_matter():
    """Distances count usual steps: dates, seconds and hours give the same."""
    X = table()
    hours = np.sort(np.random.default_rng(8).choice(1000, 200, replace=False)) / 4
    dates = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(hours, unit="h")
    expected = TimeContext().fit_transform(X, time=hours)
    for time in (3600 * hours, dates):
        transformed = TimeContext().fit_transform(X, time=time)
        np.testing.assert_allclose(transformed, expected, rtol=1e-9)
    regular = TimeContext().fit_transform(X, time=np.arange(200) * 60)
    np.testing.assert_allclose(regular, TimeContext().fit_transform(X))


def test_time_in_fit_and_transform_or_in_none():
    """Distances have the unit that fit saw."""
    X = table()
    with pytest.raises(ValueError, match="time is missing and must be given"):
        TimeContext().fit(X, time=np.arange(200)).transform(X)
    with pytest.raises(ValueError, match="time is given and must be None"):
        TimeContext().fit(X).transform(X, time=np.arange(200))


def test_new_rows_bring_their_neighbours_along():
    """With enough rows around, a part of a table gives what the whole gives."""
    X = table(share=0.2)
    transformer = TimeContext().fit(X)
    whole = transformer.transform(X)[60:140]
    np.testing.assert_allclose(transformer.transform(X[30:170])[30:110], whole)


def test_dtype_is_kept():
    """Single precision in, single precision out."""
    assert TimeContext().fit_transform(table().astype(np.float32)).dtype == np.float32
