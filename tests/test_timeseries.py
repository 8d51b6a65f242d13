"""Windows, smoothed scores and streams: what must hold for any table in time."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAETransformer
from skdae.timeseries import (
    EWMA,
    BlockSplit,
    KOfN,
    SlidingWindow,
    Smoothing,
    StreamScorer,
    TimeContext,
    effective_sample_size,
    event_scores,
    events,
    interpolate,
    last_known_value,
    moving_average,
    time_context,
)
from skdae.timeseries._window import holds_windows

SMOOTHINGS = [EWMA(0.3), EWMA(1.0), KOfN(2, n=4), KOfN(1, n=1)]
every_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=repr)


@st.composite
def tables(draw):
    """Draw rows in time with NaN cells, in one dtype, and their interleaved groups."""
    n, width = draw(st.integers(1, 25)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, width))
    X[rng.random(X.shape) < draw(st.sampled_from([0, 0.3]))] = np.nan
    groups = rng.integers(draw(st.integers(1, 4)), size=n)
    return X.astype(draw(st.sampled_from([np.float32, np.float64]))), groups


def by_hand(X, groups, width, edges):
    """Windows of all rows, one after the other."""
    rows = []
    for i, group in enumerate(groups):
        past = [j for j in range(i + 1) if groups[j] == group][-width:]
        n_before = width - len(past)
        before = np.full((n_before, X.shape[1]), np.nan, X.dtype)
        if edges == "repeat":
            before[:] = X[past[0]]
        rows.append(np.vstack([before, X[past]]).ravel())
    return np.array(rows)


# --- windows -------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    table=tables(),
    width=st.integers(1, 6),
    edges=st.sampled_from(["repeat", "missing"]),
)
def test_one_output_row_for_each_input_row(table, width, edges):
    """Each holds its row and those before it in the group, to the bit."""
    X, groups = table
    before = X.copy()
    window = SlidingWindow(width, edges=edges).fit(X)
    windows = window.transform(X, groups)
    np.testing.assert_array_equal(windows, by_hand(X, groups, width, edges))
    assert windows.dtype == X.dtype
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(window.end_rows(X, groups), np.arange(len(X)))
    np.testing.assert_array_equal(window.fit_transform(X, groups=groups), windows)


@settings(max_examples=100, deadline=None)
@given(
    table=tables(),
    width=st.integers(1, 6),
    step=st.integers(1, 6),
    edges=st.sampled_from(["repeat", "missing", "drop"]),
)
def test_windows_of_a_step_are_some_of_all_windows(table, width, step, edges):
    """Ends lie a step apart and at the last row of each group."""
    X, groups = table
    whole = edges == "drop"
    longest = np.bincount(groups).max()
    window = SlidingWindow(width, step=step, edges=edges).fit(X)
    if whole and longest < width:
        with pytest.raises(ValueError, match=r"width=.* longest group"):
            window.transform(X, groups)
        return
    ends = window.end_rows(X, groups)
    every = by_hand(X, groups, width, edges)
    np.testing.assert_array_equal(window.transform(X, groups), every[ends])
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if whole and len(members) < width:
            assert not np.isin(members, ends).any()
            continue
        ages = np.flatnonzero(np.isin(members, ends))
        assert ages[0] == (width - 1 if whole else min(step, len(members)) - 1)
        assert ages[-1] == len(members) - 1
        assert (np.diff(ages)[:-1] == step).all()
        assert np.diff(ages)[-1:].max(initial=0) <= step


@settings(max_examples=100, deadline=None)
@given(
    table=tables(),
    width=st.integers(1, 6),
    step=st.integers(1, 6),
    edges=st.sampled_from(["repeat", "missing", "drop"]),
)
def test_there_and_back(table, width, step, edges):
    """inverse_transform gives the rows that some window holds, NaN for the others."""
    X, groups = table
    window = SlidingWindow(width, step=step, edges=edges).fit(X)
    try:
        windows = window.transform(X, groups)
    except ValueError:
        return
    rows = window.inverse_transform(windows, groups)
    ends = window.end_rows(X, groups)
    held = np.zeros(len(X), dtype=bool)
    for end in ends:
        members = np.flatnonzero(groups == groups[end])
        held[members[members <= end][-width:]] = True
    tolerance = 1e-5 if X.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(rows[held], X[held], atol=tolerance)
    assert np.isnan(rows[~held]).all()
    assert rows.dtype == X.dtype
    if step <= width and edges != "drop":
        assert held.all()


def test_without_groups_the_number_of_rows_is_known():
    """From the number of windows, as long as the last step is a whole one."""
    X = np.random.default_rng(0).normal(size=(12, 2))
    for parameters in ({}, {"step": 3}, {"edges": "drop"}, {"step": 4, "width": 2}):
        window = SlidingWindow(**{"width": 4, **parameters}).fit(X)
        assert window.inverse_transform(window.transform(X)).shape == X.shape


def test_overlaps_are_averaged():
    """What three windows say of a row counts a third each, the padding nothing."""
    window = SlidingWindow(2).fit([[0.0], [0.0]])
    rows = window.inverse_transform([[100.0, 1.0], [3.0, 5.0], [7.0, 9.0]])
    np.testing.assert_array_equal(rows, [[2.0], [6.0], [9.0]])
    rows = window.inverse_transform([[100.0, 1.0], [np.nan, 5.0], [7.0, np.nan]])
    np.testing.assert_array_equal(rows, [[1.0], [6.0], [np.nan]])


def test_names_say_how_long_ago():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    window = SlidingWindow(2).fit(X)
    expected = ["a_lag1", "b_lag1", "a_lag0", "b_lag0"]
    assert window.get_feature_names_out().tolist() == expected
    named = SlidingWindow(2).fit(X.to_numpy()).get_feature_names_out(["c", "d"])
    assert named.tolist() == ["c_lag1", "d_lag1", "c_lag0", "d_lag0"]


@pytest.mark.parametrize("edges", ["repeat", "drop"])
def test_frames_keep_the_index_of_the_rows(edges):
    index = pd.date_range("2026-01-01", periods=6, freq="h")
    X = pd.DataFrame({"a": np.arange(6.0), "b": np.arange(6.0) ** 2}, index=index)
    window = SlidingWindow(3, step=2, edges=edges).set_output(transform="pandas").fit(X)
    windows = window.transform(X)
    assert list(windows.columns) == list(window.get_feature_names_out())
    assert windows.index.equals(index[window.end_rows(X)])
    np.testing.assert_array_equal(windows["a_lag0"], X["a"].loc[windows.index])
    back = window.inverse_transform(windows, np.zeros(6))
    np.testing.assert_allclose(back[["a", "b"]], X)


def test_polars_frames():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame({"a": [1.0, 2.0, None], "unit": ["x", "x", "y"]})
    window = SlidingWindow(2, group_column="unit").set_output(transform="polars")
    windows = window.fit_transform(X)
    assert windows.columns == ["a_lag1", "a_lag0"]
    np.testing.assert_array_equal(
        windows.to_numpy(), [[1, 1], [1, 2], [np.nan, np.nan]]
    )


# --- the dates of an index -----------------------------------------------------------

HOURS = pd.date_range("2026-01-01", periods=40, freq="h")
READERS = {
    "SlidingWindow": lambda X, **g: SlidingWindow(2).fit_transform(X, **g),
    "TimeContext": lambda X, **g: TimeContext().fit_transform(X, **g),
    "time_context": lambda X, **g: time_context(X, **g),
    "interpolate": lambda X, **g: interpolate(X, **g),
    "last_known_value": lambda X, **g: last_known_value(X, **g),
    "moving_average": lambda X, **g: moving_average(X, 3, **g),
    "effective_sample_size": lambda X, **g: effective_sample_size(X["a"], **g),
    "EWMA": lambda X, **g: EWMA().smooth(X["a"], **g),
    "events": lambda X, **g: events(X["a"] > 1, **g),
    "event_scores": lambda X, **g: event_scores(X["a"] > 1, X["a"] > 2, **g),
    "BlockSplit": lambda X, **g: list(BlockSplit(2).split(X, **g)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "index",
    [
        HOURS,
        HOURS.tz_localize("UTC"),
        HOURS.to_period(),
        HOURS - HOURS[0],
        pd.Index(HOURS.to_pydatetime(), dtype=object),
        pd.Index((HOURS[0] + pd.to_timedelta(range(40), unit="D")).date, dtype=object),
        HOURS.tz_localize("UTC").astype("timestamp[us, tz=UTC][pyarrow]"),
    ],
    ids=["dates", "zoned", "periods", "durations", "objects", "days", "arrow"],
)
def test_dates_of_an_index_must_not_decrease(read, index):
    """What reads rows in their order refuses an order that their dates deny."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"], index=index)
    read(X)
    shuffled = X.iloc[rng.permutation(40)]
    with pytest.raises(ValueError, match="must not decrease, and do after row"):
        read(shuffled)
    with pytest.raises(ValueError, match=r"must not decrease, and do after row 0:"):
        read(X[::-1])
    read(shuffled.reset_index(drop=True))
    # one unit after the other, each in order
    read(pd.concat([X, X]), groups=np.repeat(["x", "y"], 40))


def test_masked_entries_are_missing_ones():
    """Cells, scores, groups and times, whatever stands behind the mask."""
    values = np.arange(12.0).reshape(6, 2) ** 2
    masked = np.ma.masked_array(values, mask=values == values[2, 0])
    holed = masked.filled(np.nan)
    for read in (interpolate, last_known_value, effective_sample_size):
        np.testing.assert_array_equal(read(masked), read(holed))
    np.testing.assert_array_equal(time_context(masked).last, time_context(holed).last)
    np.testing.assert_array_equal(
        EWMA().smooth(masked[:, 0]), EWMA().smooth(holed[:, 0])
    )
    hidden = np.ma.masked_array(np.arange(6), mask=np.arange(6) == 4)
    with pytest.raises(ValueError, match="1 entries are missing"):
        interpolate(values, groups=hidden)
    with pytest.raises(ValueError, match="time is missing in 1 rows"):
        interpolate(values, time=hidden)


def test_the_hour_that_summer_time_repeats_is_in_order():
    """Local times fall back once a year; a zone distinguishes the two."""
    local = pd.date_range("2026-10-24", periods=60, freq="h", tz="Europe/Berlin")
    X = pd.DataFrame({"a": np.arange(60.0)}, index=local.tz_localize(None))
    windows = SlidingWindow(2).fit_transform(X)
    np.testing.assert_array_equal(
        windows, SlidingWindow(2).fit_transform(X.set_axis(local))
    )
    often = X.index[[0, 1, 2, 1, 2, 1]]  # more often than once a year
    with pytest.raises(ValueError, match="after row"):
        SlidingWindow(2).fit_transform(X[:6].set_axis(often))


# --- groups --------------------------------------------------------------------------

UNITS = np.repeat(["x", "y", "z"], [7, 5, 8])
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(20, 2))
FRAME = pd.DataFrame(ROWS, columns=["a", "b"])
FRAME.insert(1, "unit", UNITS)


@pytest.mark.parametrize("column", ["unit", 1])
def test_a_column_of_groups_is_what_groups_are(column):
    window = SlidingWindow(3, group_column=column)
    windows = window.fit_transform(FRAME)
    np.testing.assert_array_equal(
        windows, SlidingWindow(3).fit_transform(ROWS, None, UNITS)
    )
    assert window.group_column_ == 1
    assert window.n_features_in_ == 3
    assert "unit_lag0" not in window.get_feature_names_out()
    back = window.inverse_transform(windows, groups=FRAME["unit"])
    np.testing.assert_allclose(back, ROWS)


def test_a_column_of_groups_in_an_array():
    numbers = np.column_stack([ROWS, np.unique(UNITS, return_inverse=True)[1]])
    windows = SlidingWindow(3, group_column=2).fit_transform(numbers)
    np.testing.assert_array_equal(
        windows, SlidingWindow(3).fit_transform(ROWS, None, UNITS)
    )


def test_a_column_of_groups_goes_through_a_search():
    """Groups reach transform in folds, without any routing."""
    y = np.arange(20) % 2
    pipeline = make_pipeline(
        SlidingWindow(group_column="unit"), StandardScaler(), LogisticRegression()
    )
    grid = {"slidingwindow__width": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(FRAME, y)
    assert search.predict(FRAME).shape == (20,)


class Recorder(TransformerMixin, BaseEstimator):
    """Keeps what it is given."""

    def fit(self, X, y=None):
        self.seen_ = X
        return self

    def transform(self, X):
        return X


def test_groups_are_routed_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        window = SlidingWindow(3).set_transform_request(groups=True)
        window.set_inverse_transform_request(groups=True)
        pipeline = make_pipeline(window, Recorder())
        expected = SlidingWindow(3).fit_transform(ROWS, groups=UNITS)
        windows = pipeline.fit_transform(ROWS, groups=UNITS)
        np.testing.assert_array_equal(pipeline[-1].seen_, expected)
        np.testing.assert_array_equal(windows, expected)
        np.testing.assert_array_equal(pipeline.transform(ROWS, groups=UNITS), expected)
        forest = make_pipeline(
            SlidingWindow(3).set_transform_request(groups=True),
            IsolationForest(random_state=0),
        ).fit(ROWS, groups=UNITS)
        np.testing.assert_array_equal(
            forest.decision_function(ROWS, groups=UNITS),
            IsolationForest(random_state=0).fit(expected).decision_function(expected),
        )


def test_missing_cells_reach_the_transformer():
    """Windows with NaN are filled by what stands after them, and come back as rows."""
    X = np.sin(np.arange(120.0) / 5)[:, None] * [1, 2, 3]
    holes = X.copy()
    holes[RNG.random(X.shape) < 0.2] = np.nan
    dae = GradualDAETransformer(
        (16,), output="reconstruction", max_iter=5, random_state=0
    )
    window = SlidingWindow(4, edges="missing")
    rebuilt = make_pipeline(window, dae).fit_transform(holes)
    assert np.isfinite(window.fit(holes).inverse_transform(rebuilt)).all()


@pytest.mark.parametrize(
    ("parameters", "groups", "message"),
    [
        ({}, [1, 2], r"groups has the shape \(2,\) and must have one entry.*20 rows"),
        ({}, [None] * 20, "20 entries are missing"),
        ({"group_column": "unit"}, UNITS, "pass one of the two"),
        ({"group_column": "units"}, None, r"group_column names \['units'\]"),
        ({"group_column": 9}, None, r"group_column=\[9\] must be indices in \[0, 2\]"),
        ({"width": 0}, None, "'width' parameter of SlidingWindow must be an int"),
        ({"edges": "wrap"}, None, "'edges' parameter of SlidingWindow must be a str"),
        ({}, None, r"text or dates in the columns \['unit'\]: encode categories"),
    ],
)
def test_errors_say_what_to_do(parameters, groups, message):
    X = FRAME if "group_column" in parameters or groups is None else ROWS
    with pytest.raises(ValueError, match=message):
        SlidingWindow(**parameters).fit_transform(X, groups=groups)


def test_errors_of_the_way_back():
    window = SlidingWindow(3).fit(ROWS)
    windows = window.transform(ROWS)
    with pytest.raises(ValueError, match=r"X has 4 columns and must have .* 3 \* 2"):
        window.inverse_transform(windows[:, :4])
    with pytest.raises(ValueError, match="X has 20 windows, and groups of 19 rows"):
        window.inverse_transform(windows, UNITS[:19])
    with pytest.raises(ValueError, match="only column of X"):
        SlidingWindow(group_column=0).fit(ROWS[:, :1])


# --- smoothing -----------------------------------------------------------------------

scores = st.lists(st.floats(-100, 100) | st.just(np.nan), min_size=1, max_size=30).map(
    np.array
)


@every_smoothing
@settings(max_examples=40, deadline=None)
@given(values=scores, seed=st.integers(0, 100))
def test_groups_are_smoothed_by_themselves(smoothing, values, seed):
    """Interleaved or not, and never with what comes later."""
    groups = np.random.default_rng(seed).integers(3, size=len(values))
    smoothed = smoothing.smooth(values, groups)
    for group in np.unique(groups):
        alone = smoothing.smooth(values[groups == group])
        np.testing.assert_array_equal(smoothed[groups == group], alone)
    half = len(values) // 2
    np.testing.assert_array_equal(
        smoothing.smooth(values[:half], groups[:half]), smoothed[:half]
    )


@every_smoothing
@settings(max_examples=40, deadline=None)
@given(values=scores)
def test_smoothed_scores_stay_in_the_range_so_far(smoothing, values):
    """NaN changes nothing, and is what comes before the first score."""
    smoothed = smoothing.smooth(values)
    for i, value in enumerate(smoothed):
        seen = values[: i + 1][~np.isnan(values[: i + 1])]
        if len(seen) == 0:
            assert np.isnan(value)
            continue
        assert seen.min() - 1e-9 <= value <= seen.max() + 1e-9
        if np.isnan(values[i]):
            assert value == smoothed[i - 1]
    known = values[~np.isnan(values)]
    np.testing.assert_array_equal(smoothing.smooth(known), smoothed[~np.isnan(values)])


@settings(max_examples=40, deadline=None)
@given(values=scores, weight=st.floats(0.01, 1))
def test_ewma_is_the_weighted_mean(values, weight):
    """Weights fall by 1 - weight from row to row and are scaled to a sum of 1."""
    smoothed = EWMA(weight).smooth(values)
    known = values[~np.isnan(values)]
    for i, value in enumerate(smoothed[~np.isnan(values)]):
        weights = (1 - weight) ** np.arange(i, -1, -1.0)
        mean = np.average(known[: i + 1], weights=weights)
        np.testing.assert_allclose(value, mean, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    values=scores,
    k=st.integers(1, 5),
    more=st.integers(0, 4),
    limit=st.floats(-100, 100),
)
def test_k_of_n_is_below_a_threshold_when_k_of_n_rows_are(values, k, more, limit):
    n = k + more
    known = values[~np.isnan(values)]
    smoothed = KOfN(k, n=n).smooth(known)
    for i, value in enumerate(smoothed):
        last = known[max(0, i + 1 - n) : i + 1]
        assert (value < limit) == ((last < limit).sum() >= min(k, len(last)))


def test_a_threshold_after_smoothing_is_met_and_finds_more():
    """At the same rate of false alarms, a small, lasting shift is found more often."""
    rng = np.random.default_rng(0)
    past, normal, shifted = rng.normal(size=(3, 20_000))
    shifted -= 1
    found = {}
    for name, smoothing in [
        ("none", EWMA(1.0)),
        ("ewma", EWMA(0.1)),
        ("k", KOfN(3, n=5)),
    ]:
        limit = np.quantile(smoothing.smooth(past), 0.01)
        false_alarms = (smoothing.smooth(normal) < limit).mean()
        assert abs(false_alarms - 0.01) < 0.004
        found[name] = (smoothing.smooth(shifted) < limit).mean()
    assert found["ewma"] > 0.9
    assert found["k"] > 2 * found["none"]


@every_smoothing
def test_smoothings_are_cloned_and_stored(smoothing):
    values = RNG.normal(size=30)
    again = pickle.loads(pickle.dumps(clone(smoothing)))
    np.testing.assert_array_equal(again.smooth(values), smoothing.smooth(values))
    assert again.get_params() == smoothing.get_params()


@pytest.mark.parametrize(
    ("smoothing", "values", "message"),
    [
        (EWMA(0), [1.0], "'weight' parameter of EWMA must be a float in the range"),
        (KOfN(0), [1.0], "'k' parameter of KOfN must be an int"),
        (KOfN(6, n=5), [1.0], "k=6 of KOfN must be at most n=5.*lower k or raise n"),
        (EWMA(), [[1.0]], r"scores has the shape \(1, 1\)"),
        (EWMA(), [np.inf], "scores contains infinity"),
    ],
)
def test_errors_of_smoothing(smoothing, values, message):
    with pytest.raises(ValueError, match=message):
        smoothing.smooth(values)


def test_the_base_has_no_step():
    with pytest.raises(NotImplementedError):
        Smoothing().smooth([1.0])


# --- streams -------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [None, *SMOOTHINGS], ids=repr)
@pytest.mark.parametrize("edges", ["repeat", "missing"])
def test_a_stream_gives_what_the_table_gives(smoothing, edges):
    """Row by row and group by group, with a state of a few rows."""
    X = RNG.normal(size=(30, 3))
    groups = RNG.integers(3, size=30).tolist()
    window = SlidingWindow(4, edges=edges).fit(X)

    def score(rows):
        return -np.nansum(window.transform(rows) ** 2 * np.arange(1, 13), axis=1)

    expected = np.empty(30)
    for group in set(groups):
        places = np.flatnonzero(np.array(groups) == group)
        expected[places] = score(X[places])
    if smoothing is not None:
        expected = smoothing.smooth(expected, groups)
    stream = StreamScorer(score, width=4, smoothing=smoothing)
    pushed = [stream.push(row, group) for row, group in zip(X, groups, strict=True)]
    np.testing.assert_allclose(pushed, expected, rtol=1e-12)
    assert max(len(rows) for rows, _ in stream.state.values()) == 4


def test_a_stream_goes_on_from_its_state():
    X = RNG.normal(size=(10, 2))

    def stream(state=None):
        return StreamScorer(lambda t: t.sum(axis=1), smoothing=EWMA(), state=state)

    whole = stream()
    expected = [whole.push(row) for row in X]
    first = stream()
    for row in X[:4]:
        first.push(row)
    second = stream(pickle.loads(pickle.dumps(first.state)))
    np.testing.assert_array_equal([second.push(row) for row in X[4:]], expected[4:])


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_a_stream_keeps_copies_of_its_rows(kind):
    """A buffer that is filled again does not change the past."""
    rows = np.random.default_rng(0).normal(size=(9, 2))
    buffer = np.empty((1, 2))
    window = SlidingWindow(3).fit(rows)
    stream = StreamScorer(lambda t: window.transform(np.asarray(t)).sum(axis=1), 3)
    scores = []
    for row in rows:
        buffer[0] = row
        table = {
            "array": lambda: buffer,
            "frame": lambda: pd.DataFrame(buffer, columns=["a", "b"], copy=False),
        }[kind]()
        scores.append(stream.push(table))
    np.testing.assert_allclose(scores, window.transform(rows).sum(axis=1))


def test_an_average_outlives_an_infinite_score():
    stream = StreamScorer(lambda t: np.asarray(t)[:, 0], smoothing=EWMA(0.5))
    scores = [stream.push([x]) for x in (1.0, -np.inf, 3.0)]
    assert scores[1] == -np.inf
    np.testing.assert_allclose([scores[0], scores[2]], EWMA(0.5).smooth([1.0, 3.0]))


def test_a_failed_score_leaves_the_stream_as_it_was():
    """A row that the model refuses can be pushed again, corrected."""
    window = SlidingWindow(2).fit([[0.0], [0.0]])
    stream = StreamScorer(lambda t: window.transform(t)[:, 0], width=2)
    stream.push([1.0])
    before = copy.deepcopy(stream.state)
    with pytest.raises(ValueError, match="infinity"):
        stream.push([np.inf])
    assert stream.state == before
    assert stream.push([5.0]) == 1.0


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_stream_of_frames(kind):
    X = FRAME
    if kind == "polars":
        X = pytest.importorskip("polars").DataFrame(FRAME.to_dict("list"))
    window = SlidingWindow(3, group_column="unit")
    forest = make_pipeline(window, IsolationForest(random_state=0)).fit(X)
    stream = StreamScorer(forest.score_samples, width=3)
    pushed = [stream.push(X[i : i + 1], UNITS[i]) for i in range(20)]
    np.testing.assert_allclose(pushed, forest.score_samples(X))


@pytest.mark.parametrize(
    "row_of", [FRAME.iloc.__getitem__, FRAME.to_dict("records").__getitem__]
)
def test_rows_with_names(row_of):
    """Series and mappings, without a warning that names are missing."""
    window = SlidingWindow(3, group_column="unit")
    forest = make_pipeline(window, IsolationForest(random_state=0)).fit(FRAME)
    stream = StreamScorer(forest.score_samples, width=3)
    pushed = [stream.push(row_of(i), UNITS[i]) for i in range(20)]
    np.testing.assert_allclose(pushed, forest.score_samples(FRAME))


def test_errors_of_streams():
    with pytest.raises(ValueError, match=r"row has the shape \(2, 1\) .* single row"):
        StreamScorer(len).push([[1.0], [2.0]])
    with pytest.raises(ValueError, match="width=0 must be an int of at least 1"):
        StreamScorer(len, width=0).push([1.0])
    with pytest.raises(ValueError, match="k=3 of KOfN"):
        StreamScorer(len, smoothing=KOfN(3, n=2)).push([1.0])
    with pytest.raises(ValueError, match="smoothing='ewma' must be a Smoothing"):
        StreamScorer(len, smoothing="ewma").push([1.0])
    with pytest.raises(ValueError, match="must be a function of a table; pass model"):
        StreamScorer(IsolationForest()).push([1.0])


# --- what is held out ----------------------------------------------------------------


def codes(rows, validation_fraction, **parameters):
    dae = GradualDAETransformer(
        (3,),
        max_iter=3,
        early_stopping=True,
        validation_fraction=validation_fraction,
        random_state=0,
        **parameters,
    )
    return dae.fit(rows).transform(rows)


def test_the_first_split_of_a_splitter_is_held_out():
    """Rows of its gap have no part in the network, nor rows held out in the weights."""
    X = RNG.normal(size=(60, 3))
    dae = GradualDAETransformer(
        (3,),
        max_iter=1,
        scaling=None,
        early_stopping=True,
        validation_fraction=BlockSplit(4, gap=5),
        random_state=0,
    )
    plain = clone(dae).fit(X)
    gap, held_out = X.copy(), X.copy()
    gap[15:20] = RNG.normal(size=(5, 3))
    held_out[:15] = RNG.normal(size=(15, 3))
    for changed in (gap, held_out):
        other = clone(dae).fit(changed)
        np.testing.assert_array_equal(other.coefs_[0], plain.coefs_[0])
        same_loss = other.validation_loss_curve_ == plain.validation_loss_curve_
        assert same_loss == (changed is gap)


def test_the_order_within_blocks_does_not_matter():
    """Nor does any order for rows that are held out at random."""
    X = RNG.normal(size=(60, 3))
    orders = {
        0.2: RNG.permutation(60),
        BlockSplit(5): np.concatenate(
            [RNG.permutation(part) for part in np.split(np.arange(60), 5)]
        ),
    }
    for held_out, order in orders.items():
        shuffled = codes(X[order], held_out)
        np.testing.assert_array_equal(codes(X, held_out)[order], shuffled)


def test_a_split_without_rows_is_refused():
    with pytest.raises(ValueError, match="groups"):
        codes(ROWS, GroupKFold(2))
    everything = PredefinedSplit(np.zeros(len(ROWS)))
    with pytest.raises(ValueError, match="leaves 0 rows .* choose another splitter"):
        codes(ROWS, everything)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("knows_names", [True, False])
def test_a_stream_goes_by_the_names_of_the_sensors(width, knows_names):
    """Every message alike: sensors in any order, and none of them left out."""
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(60, 3)), columns=[*"abc"]
    )
    forest = IsolationForest(n_estimators=5, random_state=0)
    model = make_pipeline(SlidingWindow(width), forest).fit(frame)
    score = model.score_samples if knows_names else (lambda X: model.score_samples(X))
    stream = StreamScorer(score, width=width)
    expected = model.score_samples(frame[:8])
    messages = [dict(row) for _, row in frame[:8].iterrows()]
    for i, message in enumerate(messages):
        if i:
            message = dict(reversed(message.items()))
            short = {name: message[name] for name in "ac"}
            with pytest.raises(ValueError, match=r"lacks \['b'\]\.\nPass every"):
                stream.push(short)
            with pytest.raises(ValueError, match=r"does not know \['d'\]"):
                stream.push({**message, "d": 0.0})
        assert stream.push(message) == pytest.approx(expected[i])


# --- tables that hold rows before already --------------------------------------------


@pytest.mark.parametrize("edges", ["repeat", "missing", "drop"])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_windows_are_recognised_by_their_shifted_columns(width, edges):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(300, 3)), np.ones(300)])
    X[rng.random(X.shape) < 0.05] = np.nan
    groups = np.repeat(np.arange(3), 100)
    found = SlidingWindow(width, edges=edges).fit_transform(X, groups=groups)
    assert holds_windows(found) == (width > 1)
    assert not holds_windows(rng.permutation(found))


@pytest.mark.parametrize("X", [np.ones((100, 3)), np.arange(8.0).reshape(2, 4)])
def test_constants_and_single_rows_are_no_windows(X):
    assert not holds_windows(X)
    assert not holds_windows(np.random.default_rng(0).normal(size=(500, 4)))
