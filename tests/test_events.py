"""Episodes of alarms against a state machine, and laws of the scores by events."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from skdae.timeseries import event_scores, events

SEEDS = range(30)


def draw_alarms(seed, n_rows=200):
    """Runs of alarms of various lengths."""
    rng = np.random.default_rng(seed)
    return rng.random(n_rows) < np.repeat(rng.random(n_rows // 10), 10)


def state_machine(alarms, time, on_delay, off_delay):
    """Return (start, stop) of the episodes, row by row as an alarm system does."""
    found, start, run_start, last_alarm = [], None, None, None
    for i, alarm in enumerate(alarms):
        if start is not None and time[i] - time[last_alarm + 1] > off_delay and alarm:
            found.append((start, last_alarm + 1))
            start = None
        if alarm:
            run_start = i if run_start is None else run_start
            last_alarm = i
            if start is None and time[i] - time[run_start] >= on_delay:
                start = i
        else:
            run_start = None
    if start is not None:
        found.append((start, last_alarm + 1))
    return found


def pairs(frame):
    """Return (start, stop) of each episode."""
    return list(zip(frame["start"], frame["stop"], strict=True))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("has_time", [False, True])
def test_episodes_are_those_of_a_state_machine(seed, has_time):
    """On-delay and off-delay, in rows and in irregular time."""
    rng = np.random.default_rng(seed)
    alarms = draw_alarms(seed)
    time = rng.exponential(size=200).cumsum() if has_time else None
    clock = np.arange(200.0) if time is None else time
    on_delay, off_delay = rng.integers(0, 6, size=2)
    found = events(alarms, time=time, on_delay=on_delay, off_delay=off_delay)
    expected = state_machine(alarms, np.append(clock, np.inf), on_delay, off_delay)
    assert pairs(found) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_without_delays_the_rows_of_episodes_are_the_alarms(seed):
    """Nothing is added or omitted, and no two episodes touch."""
    alarms = draw_alarms(seed)
    found = events(alarms)
    rows = np.zeros(len(alarms), dtype=bool)
    for start, stop in pairs(found):
        rows[start:stop] = True
    np.testing.assert_array_equal(rows, alarms)
    assert (found["start"].to_numpy()[1:] > found["stop"].to_numpy()[:-1]).all()
    assert (found["length"] == found["stop"] - found["start"]).all()
    assert found["is_open"].sum() == alarms[-1]


@pytest.mark.parametrize("min_length", [1, 3, 8])
def test_min_length_omits_exactly_the_shorter_episodes(min_length):
    """What is left are the rows of the full table."""
    every = events(draw_alarms(0), off_delay=1)
    found = events(draw_alarms(0), off_delay=1, min_length=min_length)
    kept = every[every["length"] >= min_length].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, kept)


@pytest.mark.parametrize("seed", range(5))
def test_interleaved_groups_have_the_episodes_of_each_group(seed):
    """Each group by itself, with its rows translated to those of the table."""
    rng = np.random.default_rng(seed)
    alarms, groups = draw_alarms(seed), rng.choice(["a", "b", "c"], 200)
    scores = rng.normal(size=200)
    options = {"clear_above": 0.5, "on_delay": 1, "off_delay": 2}
    found = events(alarms, scores=scores, groups=groups, **options)
    for name in "abc":
        rows = np.flatnonzero(groups == name)
        alone = events(alarms[rows], scores=scores[rows], **options)
        mine = found[found["group"] == name]
        assert mine["start"].tolist() == rows[alone["start"]].tolist()
        assert (mine["stop"] - 1).tolist() == rows[alone["stop"] - 1].tolist()
        for column in ("length", "is_open", "lowest_score"):
            assert mine[column].tolist() == alone[column].tolist()
    assert len(found) == sum((found["group"] == name).sum() for name in "abc")
    assert found["start"].is_monotonic_increasing


@pytest.mark.parametrize("seed", range(10))
def test_the_deadband_holds_an_alarm_until_its_score(seed):
    """As a loop does it; NaN keeps the state."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=200)
    scores[rng.random(200) < 0.1] = np.nan
    alarms, held, is_on = scores < -1, [], False
    for score, alarm in zip(scores, alarms, strict=True):
        is_on = bool(alarm or (is_on and not score >= 0.5))
        held.append(is_on)
    found = events(alarms, scores=scores, clear_above=0.5)
    assert pairs(found) == pairs(events(held))
    lowest = [np.nanmin(scores[a:b]) for a, b in pairs(found)]
    assert found["lowest_score"].tolist() == lowest
    # at the threshold itself there is no deadband
    whole = np.nan_to_num(scores)
    same = events(whole < -1, scores=whole, clear_above=-1)
    assert pairs(same) == pairs(events(whole < -1))


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_dates_and_seconds_give_the_same_episodes(zone):
    """A duration as text is the same as its seconds."""
    alarms = draw_alarms(1)
    dates = pd.date_range("2024-03-01", periods=200, freq="10min", tz=zone)
    seconds = np.arange(200) * 600.0
    by_date = events(alarms, time=dates, on_delay="20min", off_delay="1h")
    by_number = events(alarms, time=seconds, on_delay=1200, off_delay=3600)
    by_row = events(alarms, on_delay=2, off_delay=6)
    assert pairs(by_date) == pairs(by_number) == pairs(by_row)
    assert by_date["start_time"].tolist() == dates[by_date["start"]].tolist()
    assert by_date["end_time"].tolist() == dates[by_date["stop"] - 1].tolist()


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_without_alarms_there_is_no_episode(n_rows):
    """The columns are there, and no row."""
    found = events(np.zeros(n_rows, dtype=bool))
    assert found.columns.tolist() == ["start", "stop", "length", "is_open"]
    assert len(found) == 0


ERRORS = {
    "alarms must hold True or False": ([1, -1], {}),
    "min_length=0 must be an int": ([0, 1], {"min_length": 0}),
    "given together": ([0, 1], {"clear_above": 1.0}),
    "scores has the shape": ([0, 1], {"scores": [1.0], "clear_above": 1.0}),
    "time has the shape": ([0, 1], {"time": [1]}),
    "time must not decrease": ([0, 1], {"time": [2, 1]}),
    "time holds values of type": ([0, 1], {"time": ["a", "b"]}),
    "on_delay=-1 must be a number": ([0, 1], {"on_delay": -1}),
    "off_delay=5 must be a duration": (
        [0, 1],
        {"off_delay": 5, "time": pd.date_range("2024", periods=2)},
    ),
    "off_delay='soon' must be a duration": (
        [0, 1],
        {"off_delay": "soon", "time": pd.date_range("2024", periods=2)},
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter(message):
    """And the rule."""
    alarms, options = ERRORS[message]
    with pytest.raises(ValueError, match=message):
        events(alarms, **options)


def faults(starts, length=10, n_rows=400):
    """Rows of events."""
    y = np.zeros(n_rows, dtype=bool)
    for start in starts:
        y[start : start + length] = True
    return y


def test_alarms_that_are_the_events_are_perfect():
    """All found at once, none false, all rows right."""
    y = faults([20, 100, 300])
    found = event_scores(y, y)
    assert (found.n_events, found.n_found, found.n_episodes) == (3, 3, 3)
    assert found.n_false_episodes == found.median_delay == 0
    assert found.event_recall == found.event_precision == 1
    assert found.row_precision == found.row_recall == 1


def test_an_alarm_in_every_row_finds_nothing():
    """It has the recall of 1 by rows, and the precision of chance."""
    y = faults([20, 100, 300])
    found = event_scores(y, np.ones(400))
    assert (found.n_found, found.n_false_episodes) == (0, 1)
    assert found.event_recall == found.event_precision == 0
    assert found.row_recall == 1
    assert found.row_precision == found.event_share == y.mean()


def test_an_alarm_in_every_other_row_is_punished_by_false_episodes():
    """Events are found, at the price of an episode in every other normal row."""
    y = faults([20, 100, 300])
    found = event_scores(y, np.arange(400) % 2 == 0)
    assert found.n_found == 3
    assert found.n_false_episodes == (400 - 30) / 2
    assert found.false_episodes_per_1000_rows == 500


@pytest.mark.parametrize("delay", [0, 3, 9])
def test_the_delay_is_that_of_the_first_alarm(delay):
    """In rows, in the unit of time and in seconds."""
    y, shifted = faults([20, 100, 300]), faults([s + delay for s in (20, 100, 300)])
    assert event_scores(y, shifted).median_delay == delay
    hours = np.arange(400) / 6
    by_hour = event_scores(y, shifted, time=hours).median_delay
    assert by_hour == pytest.approx(delay / 6)
    dates = pd.date_range("2024-03-01", periods=400, freq="10min")
    assert event_scores(y, shifted, time=dates).median_delay == delay * 600


def test_tolerance_counts_early_alarms_as_found_and_late_ones_as_not_false():
    """Three rows before and after, and not four."""
    y = faults([20])
    for early, n_found in ((17, 1), (16, 0)):
        found = event_scores(y, faults([early], length=1), tolerance=3)
        assert (found.n_found, found.n_false_episodes) == (n_found, 1 - n_found)
    for late, n_false in ((32, 0), (33, 1)):
        found = event_scores(y, faults([late], length=1), tolerance=3)
        assert (found.n_found, found.n_false_episodes) == (0, n_false)


def test_false_episodes_are_counted_per_day_of_normal_rows():
    """A gap in time adds no days."""
    y, alarms = faults([20]), faults([100, 200, 300], length=1)
    time = pd.date_range("2024-03-01", periods=400, freq="10min").to_series()
    time.iloc[250:] += pd.Timedelta("30D")
    found = event_scores(y, alarms, time=time.to_numpy())
    assert found.n_false_episodes == 3
    assert found.false_episodes_per_day == pytest.approx(3 / (390 / 144))
    assert np.isnan(event_scores(y, alarms).false_episodes_per_day)


@pytest.mark.parametrize("seed", range(5))
def test_episodes_as_a_table_score_as_their_rows(seed):
    """Also with interleaved groups."""
    rng = np.random.default_rng(seed)
    alarms, groups = draw_alarms(seed), rng.integers(3, size=200)
    y = draw_alarms(seed + 100)
    table = events(alarms, groups=groups)
    by_rows = event_scores(y, alarms, groups=groups)
    by_table = event_scores(y, table, groups=groups)
    np.testing.assert_equal(asdict(by_table), asdict(by_rows))


@pytest.mark.parametrize("seed", range(5))
def test_counts_of_groups_add_up(seed):
    """Events and episodes of each group by itself."""
    rng = np.random.default_rng(seed)
    alarms, y, groups = (
        draw_alarms(seed),
        draw_alarms(seed + 9),
        rng.integers(3, size=200),
    )
    together = event_scores(y, alarms, groups=groups)
    alone = [event_scores(y[groups == g], alarms[groups == g]) for g in range(3)]
    for name in ("n_events", "n_found", "n_episodes", "n_false_episodes"):
        assert getattr(together, name) == sum(getattr(each, name) for each in alone)


def test_ratios_without_events_or_alarms_are_nan():
    """Nothing to find, nothing found: no number is made up."""
    found = event_scores(np.zeros(9), np.zeros(9))
    assert np.isnan([found.event_recall, found.event_precision]).all()
    assert np.isnan([found.row_recall, found.row_precision, found.median_delay]).all()
    assert found.false_episodes_per_1000_rows == 0


def test_y_pred_must_fit_y_true():
    """The message has both lengths."""
    with pytest.raises(ValueError, match="y_pred holds 2 values and must hold one"):
        event_scores([0, 1, 0], [0, 1])


def test_dates_of_any_type_are_read():
    """Python's dates and datetimes, with and without a time zone."""
    y = [0, 1, 1, 0]
    days = pd.date_range("2024-03-01", periods=4)
    tokyo = days.tz_localize("Asia/Tokyo")
    for time in (list(days.date), days.to_pydatetime(), tokyo, list(tokyo)):
        found = events(y, time=time, on_delay="1D")
        assert pairs(found) == [(2, 3)]
        assert event_scores([1, 0, 0, 0], y, time=time).false_episodes_per_day == 1 / 3
    mixed = [*days[:2].to_pydatetime(), *tokyo[2:].to_pydatetime()]
    with pytest.raises(ValueError, match="several time zones, or some without"):
        events(y, time=mixed)


def test_time_that_is_missing_or_decreases_names_the_row():
    """Of the table, also with groups, across which time may decrease."""
    with pytest.raises(ValueError, match="missing in 1 rows .first in row 1"):
        events([0, 1, 1], time=[0, np.nan, 1])
    groups, time = ["a", "b", "a", "b"], [5.0, 1, 6, 0]
    with pytest.raises(ValueError, match="must not decrease, and does after row 1"):
        events([0, 1, 1, 0], time=time, groups=groups)
    assert len(events([0, 1, 1, 0], time=[5.0, 1, 6, 2], groups=groups)) == 2
