"""Grading of sensors: every injected defect is found, and none on clean columns."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.signal import lfilter

import skdae
from skdae.datasets import make_sensor_data

N_ROWS = 4000


def autoregression(rng, coefficient, n_rows=N_ROWS):
    """A stationary AR(1) process of unit variance."""
    shocks = rng.normal(size=n_rows + 500) * np.sqrt(1 - coefficient**2)
    return lfilter([1.0], [1.0, -coefficient], shocks)[500:]


def clean_columns(seed):
    """Healthy sensors of many kinds."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6) + np.arange(N_ROWS) / rng.uniform(20, 300)
    columns = {
        "white": rng.normal(size=N_ROWS),
        "uniform": rng.uniform(size=N_ROWS),
        "exponential": rng.exponential(size=N_ROWS),
        "lognormal": rng.lognormal(size=N_ROWS),
        "slow": autoregression(rng, 0.9),
        "slower": 300 + 5 * autoregression(rng, 0.98),
        "bursts": np.exp(autoregression(rng, 0.9)),
        "oscillation": np.sin(phase) + 0.1 * rng.normal(size=N_ROWS),
        "smooth oscillation": np.sin(phase),
        "resolution of 0.1": autoregression(rng, 0.9).round(1),
        "gaps": np.where(rng.random(N_ROWS) < 0.02, np.nan, rng.normal(size=N_ROWS)),
    }
    plant = make_sensor_data(N_ROWS, n_sensors=12, faults=(), random_state=seed)
    columns |= dict(zip(plant.feature_names, plant.data.T, strict=True))
    return pd.DataFrame(columns)


@pytest.mark.parametrize("seed", range(20))
def test_clean_columns_have_no_defects(seed):
    """Whatever their distribution and their autocorrelation."""
    sensors = skdae.grade(clean_columns(seed)).sensors
    assert sensors["reason"][sensors["reason"] != ""].to_dict() == {}
    assert (sensors["verdict"] == "keep").all()


def _missing(x, rng):
    x[rng.random(N_ROWS) < 0.2] = np.nan


def _dead(x, rng):
    x[rng.random(N_ROWS) < 0.7] = np.nan


def _constant(x, rng):
    x[:] = 3.0


def _marker(x, rng):
    x -= np.nanmin(x)
    x[rng.choice(N_ROWS, 30, replace=False)] = -0.2 * x.max()


def _stuck(x, rng):
    start = rng.integers(N_ROWS - 30)
    x[start : start + 30] = x[start]


def _spikes(x, rng):
    rows = rng.choice(N_ROWS, 10, replace=False)
    x[rows] += rng.choice([-1, 1], 10) * rng.uniform(10, 15, size=10) * x.std()


def _monotonic(x, rng):
    x[:] = np.cumsum(np.abs(x - x.min()) + 0.1)


def _reset_counter(x, rng):
    x[:] = np.cumsum(np.abs(x - x.min()) + 0.1) % 500


def _drift(x, rng):
    x += np.linspace(0, 4, N_ROWS) * x.std()


def _quantised(x, rng):
    x[:] = np.round(x / x.std()) * x.std()


def _modes(x, rng):
    x += 12 * x.std() * (np.arange(N_ROWS) // 500 % 2)


# defect: (how it is injected, its verdict)
DEFECTS = {
    "missing": (_missing, "check"),
    "missing above a half": (_dead, "drop"),
    "constant": (_constant, "drop"),
    "marker": (_marker, "check"),
    "stuck": (_stuck, "check"),
    "spikes": (_spikes, "check"),
    "monotonic": (_monotonic, "check"),
    "monotonic with resets": (_reset_counter, "check"),
    "drift": (_drift, "check"),
    "quantised": (_quantised, "keep"),
    "modes": (_modes, "keep"),
}


def test_states_and_zeros_are_no_markers():
    """A direction of -1, 0 or 1, a pump that is off, and a few extreme values."""
    rng = np.random.default_rng(0)
    flow = 50 + rng.normal(size=N_ROWS)
    few = flow.copy()
    flow[::7] = 0
    few[[5, 50, 500]] = -200
    table = {"direction": rng.integers(-1, 2, N_ROWS), "flow": flow, "few": few}
    defects = skdae.grade(pd.DataFrame(table)).sensors["defects"]
    assert not any("marker" in each for each in defects)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("coefficient", [0.5, 0.9])
@pytest.mark.parametrize("name", DEFECTS)
def test_injected_defects_are_found(name, coefficient, seed):
    """In their column, and in no other one."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([autoregression(rng, coefficient) for _ in range(4)])
    inject, verdict = DEFECTS[name]
    inject(table[:, 2], rng)
    sensors = skdae.grade(table).sensors
    assert name.split()[0] in sensors.loc["x2", "defects"]
    assert name.split()[0] in sensors.loc["x2", "reason"]
    assert sensors.loc["x2", "verdict"] == verdict
    assert sensors["defects"].drop("x2").tolist() == [(), (), ()]


@pytest.mark.parametrize("name", ["stuck", "spikes"])
@pytest.mark.parametrize("seed", range(6))
def test_defects_of_a_sensor_that_holds_its_values(name, seed):
    """An analyser with a new value every five rows: most values repeat, few jumps."""
    rng = np.random.default_rng(seed)
    table = np.repeat(rng.uniform(-3, 3, size=(N_ROWS // 5, 2)), 5, axis=0)
    rows = rng.choice(N_ROWS, 3, replace=False)
    if name == "stuck":
        table[rows[0] : rows[0] + 40, 1] = table[rows[0], 1]
    else:
        table[rows, 1] = rng.choice([-20, 20], 3)
    defects = skdae.grade(table).sensors["defects"]
    assert defects.tolist() == [(), (name,)]


@pytest.mark.parametrize("seed", range(6))
def test_duplicates_name_the_first_column(seed):
    """Copies, other units, turned signs, a little noise, and gaps of their own."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([autoregression(rng, 0.9) for _ in range(6)])
    table[:, 2] = 32 + 1.8 * table[:, 1]
    table[:, 3] = -table[:, 1] + 0.01 * rng.normal(size=N_ROWS)
    table[rng.random(N_ROWS) < 0.04, 3] = np.nan
    sensors = skdae.grade(table).sensors
    assert sensors["duplicate_of"].tolist() == ["", "", "x1", "x1", "", ""]
    assert (sensors["verdict"] == "drop").tolist() == [j in (2, 3) for j in range(6)]


@pytest.mark.parametrize("is_irregular", [False, True])
@pytest.mark.parametrize("is_dates", [False, True])
def test_defects_of_time_stamps_are_counted(is_irregular, is_dates):
    """As many as were injected; a clean clock has none."""
    rng = np.random.default_rng(0)
    steps = rng.exponential(600, N_ROWS) if is_irregular else np.full(N_ROWS, 600.0)
    seconds = steps.cumsum()

    def graded(seconds):
        dates = pd.Timestamp("2024-03-01") + pd.to_timedelta(seconds, unit="s")
        time = dates if is_dates else seconds
        return skdae.grade(rng.normal(size=(len(seconds), 1)), time).time

    clean = graded(seconds)
    assert clean.is_regular != is_irregular
    assert clean.median_step == pytest.approx(np.median(steps), rel=0.01)
    counts = ("n_gaps", "longest_gap", "n_duplicates", "n_backward", "n_missing")
    assert [getattr(clean, name) for name in counts] == [0] * 5
    faulty = seconds.copy()
    faulty[1000:] += 60_000
    faulty[3000:] += 80_000
    faulty = np.insert(faulty, [50, 70], faulty[[50, 70]])
    found = graded(faulty)
    assert (found.n_gaps, found.n_duplicates, found.n_backward) == (2, 2, 0)
    assert found.longest_gap == pytest.approx(steps[3000] + 80_000)
    faulty[[200, 201]] = faulty[[201, 200]]
    assert graded(faulty).n_backward == 1
    faulty[300] = np.nan
    if not is_dates:
        assert graded(faulty).n_missing == 1


def test_rows_are_sorted_by_time():
    """A shuffled table with its time is graded as the table in order."""
    rng = np.random.default_rng(0)
    table = np.column_stack([autoregression(rng, 0.9) for _ in range(3)])
    _stuck(table[:, 0], rng)
    _drift(table[:, 1], rng)
    shuffled = rng.permutation(N_ROWS)
    expected = skdae.grade(table).sensors
    found = skdae.grade(table[shuffled], time=shuffled).sensors
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("factor", [1e-6, -3.0, 1e6])
def test_units_do_not_matter(factor):
    """A column in other units has the same defects, and drifts by as much."""
    rng = np.random.default_rng(0)
    table = clean_columns(0).to_numpy()[:, :6].copy()
    for j, name in enumerate(("stuck", "spikes", "drift", "quantised", "modes")):
        DEFECTS[name][0](table[:, j], rng)
    one = skdae.grade(table).sensors
    other = skdae.grade(7 * abs(factor) + factor * table).sensors
    assert one["defects"].tolist() == other["defects"].tolist()
    np.testing.assert_allclose(abs(one["drift"]), abs(other["drift"]), rtol=1e-6)


def test_frames_of_mixed_columns():
    """Text, categories and truth values; pandas and polars; names are kept."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "speed": rng.normal(size=200),
            "shift": rng.choice(["day", "night"], 200),
            "plant": "A",
            "open": rng.random(200) < 0.5,
            "operator": [None] * 150 + ["x", "y"] * 25,
        }
    )
    expected = ["keep", "keep", "drop", "keep", "drop"]
    for table in (frame, frame.astype({"shift": "category"}), pl.from_pandas(frame)):
        sensors = skdae.grade(table).sensors
        assert sensors.index.tolist() == frame.columns.tolist()
        assert sensors["verdict"].tolist() == expected
        assert sensors.loc["plant", "defects"] == ("constant",)
        assert sensors.loc["operator", "missing_share"] == 0.75


@pytest.mark.parametrize("n_rows", [0, 1, 2, 49])
def test_few_rows_are_graded_without_warnings(n_rows):
    """What needs a course is not examined."""
    table = np.random.default_rng(0).normal(size=(n_rows, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sensors = skdae.grade(table, time=np.arange(n_rows)).sensors
    expected = "drop" if n_rows < 2 else "keep"  # constant
    assert (sensors["verdict"] == expected).all()


def test_infinite_cells_count_as_missing():
    """As no value of the sensor."""
    table = np.random.default_rng(0).normal(size=(100, 1))
    table[:10] = np.inf
    assert skdae.grade(table).sensors.loc["x0", "missing_share"] == pytest.approx(0.1)


def test_x_must_be_a_table():
    """The message has the shape and the remedy."""
    with pytest.raises(ValueError, match=r"X has the shape \(3,\) .*reshape"):
        skdae.grade([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="time has the shape"):
        skdae.grade([[1.0], [2.0]], time=[1])


def test_a_huge_value_is_a_spike_and_infinite_ones_are_no_run():
    values = np.random.default_rng(0).normal(size=1000)
    expected = skdae.grade(values[:, None]).sensors.loc["x0"]
    for size in (1e12, 1e200, np.finfo(float).max):
        found = skdae.grade(np.where(np.arange(1000) == 500, size, values)[:, None])
        assert found.sensors.loc["x0", "defects"] == ("spikes",)
        assert found.sensors.loc["x0", "n_levels"] == expected["n_levels"]
    silent = np.where(np.arange(1000) < 20, np.inf, values)
    assert skdae.grade(silent[:, None]).sensors.loc["x0", "verdict"] == "keep"
