"""The imputer on rows in time order: cells estimated from the rows around."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

import skdae
from skdae import GradualDAEImputer, GradualDAETransformer
from skdae._imputer._ordered_rows import GAP_CLASSES
from skdae._imputer._time_columns import best_shares
from skdae.persistence import _classes, _packing
from skdae.timeseries import interpolate, time_order
from skdae.timeseries._neighbours import time_axis


def small(order="auto", **parameters):
    """Return an imputer that is fitted in a moment."""
    parameters = {"random_state": 0, "n_trees": 3, **parameters}
    network = GradualDAETransformer((8,), max_iter=4, noise="random_masking")
    return GradualDAEImputer(network, order=order, **parameters)


def record(n_rows=1200, seed=0):
    """Five slow sensors of two quantities, each with a drift of its own."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(size=(n_rows, 2)), axis=0)
    own = np.cumsum(0.3 * rng.normal(size=(n_rows, 5)), axis=0)
    loadings = np.random.default_rng(99).normal(size=(2, 5))
    return common @ loadings + own + 0.02 * rng.normal(size=(n_rows, 5))


def gaps_in(table, *, outages, seed=1):
    """Hide a tenth of the cells, or 24 rows of each sensor at a time."""
    rng = np.random.default_rng(seed)
    hidden = rng.random(table.shape) < (0 if outages else 0.1)
    for column in hidden.T if outages else []:
        for begin in rng.choice(len(table) // 24, 5, replace=False) * 24:
            column[begin : begin + 24] = True
    return np.where(hidden, np.nan, table)


TABLE = record()
SINGLE, OUTAGES = (gaps_in(TABLE, outages=each) for each in (False, True))
ROWS = small(order=None).fit(SINGLE)
FITTED = small().fit(SINGLE)


def rms(filled, gaps, table=TABLE):
    hidden = np.isnan(gaps)
    return np.sqrt(np.mean((filled - table)[hidden] ** 2))


@pytest.mark.parametrize("gaps", [SINGLE, OUTAGES], ids=["single", "outages"])
def test_rows_around_are_worth_more_than_the_row(gaps):
    """Better than the row alone and than interpolation."""
    ours = rms(small().fit_transform(gaps), gaps)
    assert ours < 0.6 * rms(small(order=None).fit_transform(gaps), gaps)
    assert ours < 0.9 * rms(interpolate(gaps), gaps)


@pytest.mark.parametrize("gaps", [SINGLE, OUTAGES], ids=["single", "outages"])
def test_draws_cover_the_truth(gaps):
    """Nine in ten cells lie between the second and the 38th of 39 draws."""
    fitted = small(n_imputations=39).fit(gaps)
    below = np.sum([each < TABLE for each in fitted.sample_imputations(gaps)], axis=0)
    inside = (below >= 2) & (below <= 37)
    assert 0.86 < inside[np.isnan(gaps)].mean() < 0.94


def test_draws_of_a_file_without_a_floor_are_scaled_ones(tmp_path, monkeypatch):
    """Written by an earlier release, in which a column was a `TimeColumn`."""
    former = {new: old for old, new in _classes.MOVED.items()}
    state_of, name_of = _packing._state, _packing.name_of
    monkeypatch.setattr(
        _packing, "name_of", lambda cls: former.get(name_of(cls), name_of(cls))
    )
    monkeypatch.setattr(
        _packing,
        "_state",
        lambda value: {k: v for k, v in state_of(value).items() if k != "floor"},
    )
    skdae.save(FITTED, tmp_path / "m")
    assert b"_time:TimeColumn" in (tmp_path / "m").read_bytes()
    monkeypatch.undo()
    old = skdae.load(tmp_path / "m")
    np.testing.assert_array_equal(old.transform(SINGLE), FITTED.transform(SINGLE))
    (table,) = old.sample_imputations(SINGLE)
    is_drawn = table != FITTED.transform(SINGLE)
    assert is_drawn[np.isnan(SINGLE)].mean() > 0.9
    model, generators = old.time_model_, [np.random.default_rng(0) for _ in "12"]
    Z, missing = old.table_encoder_.encode_with_missing(SINGLE)
    rows = model.order(Z, missing, time_axis(len(Z)), None)
    drawn = rows.filled(model.autoregression, generators[0])
    drawn -= rows.filled(model.autoregression)
    for column in model.columns:
        drawn[:, column.column] *= column.scale[rows.gap[:, column.column.start]]
    np.testing.assert_allclose(model.deviations(rows, generators[1]), drawn)


def test_draws_of_a_gap_are_correlated_in_time():
    """And those of cells that are far apart are not."""
    fitted = small(order="time", n_imputations=60).fit(OUTAGES)
    drawn = np.array(fitted.sample_imputations(OUTAGES))[:, :, 0]
    begin = int(np.isnan(OUTAGES[:, 0]).argmax())
    end = len(OUTAGES) - int(np.isnan(OUTAGES[::-1, 0]).argmax()) - 1
    middle = drawn[:, begin + 12]
    assert np.corrcoef(middle, drawn[:, begin + 13])[0, 1] > 0.5
    assert abs(np.corrcoef(middle, drawn[:, end - 12])[0, 1]) < 0.4


def test_only_missing_cells_change_and_stay_in_the_range():
    filled = FITTED.transform(SINGLE)
    known = ~np.isnan(SINGLE)
    np.testing.assert_array_equal(filled[known], SINGLE[known])
    assert (filled >= np.nanmin(SINGLE, axis=0)).all()
    assert (filled <= np.nanmax(SINGLE, axis=0)).all()


def test_rows_without_order_are_imputed_one_by_one():
    """To the bit as with order=None."""
    shuffled = np.random.default_rng(0).permutation(SINGLE)
    fitted = small().fit(shuffled)
    assert fitted.time_model_ is None
    expected = small(order=None).fit(shuffled).transform(shuffled)
    np.testing.assert_array_equal(fitted.transform(shuffled), expected)


def test_a_single_row_and_one_without_neighbours_are_imputed_alone():
    gone = np.flatnonzero(np.isnan(SINGLE).any(axis=1))[:20]
    for row in SINGLE[gone]:
        alone = FITTED.transform(row[None])
        np.testing.assert_array_equal(alone, ROWS.transform(row[None]))
    each_alone = FITTED.transform(SINGLE[gone], groups=np.arange(len(gone)))
    np.testing.assert_array_equal(each_alone, ROWS.transform(SINGLE[gone]))


def test_shuffled_rows_are_imputed_one_by_one_with_a_warning():
    shuffled = np.random.default_rng(0).permutation(SINGLE)
    with pytest.warns(UserWarning, match="those of X are not.*order='time'"):
        filled = FITTED.transform(shuffled)
    np.testing.assert_array_equal(filled, ROWS.transform(shuffled))


def test_groups_may_be_interleaved():
    """The rows of a unit are imputed alike wherever those of others stand."""
    groups = np.repeat([3, 1, 2], 400)
    mixed = np.argsort(np.tile(np.arange(400), 3), kind="stable")
    fitted = small(order="time").fit(SINGLE, groups=groups)
    filled = fitted.transform(SINGLE, groups=groups)
    interleaved = fitted.transform(SINGLE[mixed], groups=groups[mixed])
    np.testing.assert_allclose(interleaved, filled[mixed], rtol=1e-9, atol=1e-9)


def test_nothing_is_read_across_groups():
    groups = np.repeat([0, 1], 600)
    fitted = small(order="time").fit(SINGLE, groups=groups)
    other = SINGLE.copy()
    other[600:] = gaps_in(record(seed=5), outages=False)[600:]
    expected = fitted.transform(SINGLE, groups=groups)[:600]
    filled = fitted.transform(other, groups=groups)[:600]
    np.testing.assert_allclose(filled, expected, rtol=1e-9, atol=1e-9)


def test_groups_come_by_metadata_routing():
    groups = np.repeat([0, 1], 600)
    expected = small(order="time").fit(SINGLE, groups=groups)
    with config_context(enable_metadata_routing=True):
        imputer = small(order="time").set_fit_request(groups=True)
        imputer.set_transform_request(groups=True)
        pipeline = make_pipeline(imputer, Ridge())
        pipeline.fit(SINGLE, TABLE[:, 0], groups=groups)
        found = pipeline[0].transform(SINGLE, groups=groups)
    np.testing.assert_array_equal(found, expected.transform(SINGLE, groups=groups))


def test_groups_must_have_an_entry_for_each_row():
    with pytest.raises(ValueError, match="one entry for each of the 1200 rows"):
        small(order="time").fit(SINGLE, groups=[0, 1])


def test_twin_sensors_that_fail_together_are_interpolated():
    """A regression on the other one must not be trusted where it is missing too."""
    table = np.column_stack([TABLE[:, 0], TABLE[:, 0], TABLE[:, 3]])
    table[:, 1] += 1e-4 * np.random.default_rng(0).normal(size=len(table))
    gaps = table.copy()
    for begin in (100, 300, 500):
        gaps[begin : begin + 24, 0] = np.nan
        gaps[begin + 60 : begin + 84, 1] = np.nan
    gaps[700:724, :2] = np.nan
    together = np.zeros(table.shape, dtype=bool)
    together[700:724, :2] = True
    error = np.where(together, small().fit_transform(gaps) - table, 0)
    baseline = np.where(together, interpolate(gaps) - table, 0)
    assert np.sqrt((error**2).sum()) < 1.1 * np.sqrt((baseline**2).sum())


def test_categories_are_read_from_the_rows_around():
    """A state that lasts, and that no other column knows."""
    state = np.repeat(np.random.default_rng(0).choice(list("abc"), 40), 30)
    frame = pd.DataFrame({"x": TABLE[:, 0], "state": state})
    gone = np.random.default_rng(1).random(len(frame)) < 0.2
    gaps = frame.assign(state=frame["state"].mask(gone))
    network = GradualDAETransformer(
        (8,), max_iter=4, noise="random_masking", categorical_features=["state"]
    )
    imputer = GradualDAEImputer(network, n_trees=3, order="time", random_state=0)
    filled = imputer.set_output(transform="pandas").fit_transform(gaps)
    assert (filled["state"][gone] == state[gone]).mean() > 0.9


def test_classes_in_blocks_are_no_time_order():
    """By the rule of every estimator: numbers decide where there are some."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(1200, 2)), columns=["x", "y"])
    frame["class"] = pd.Categorical(np.repeat(rng.choice(list("abcd"), 60), 20))
    frame.loc[::7, "x"] = np.nan
    assert time_order(frame).is_ordered
    assert small().fit(frame).time_model_ is None
    assert small().fit(frame[["class"]]).time_model_ is not None


def test_shares_are_finite_where_a_column_is_hidden_whole():
    """Moved to the known half of a column, its gap leaves no value to learn from."""
    table = record(400)
    table[:210, 0] = np.nan
    error = small().fit(gaps_in(table, outages=True)).error_
    in_time = error[(error["column"] == "x0") & (error["gap"] != "row alone")]
    assert np.isfinite(in_time[["error", "share"]]).all(axis=None)


# --- errors -------------------------------------------------------------------------


@pytest.mark.parametrize("fitted", [ROWS, FITTED], ids=["rows", "time"])
def test_shares_of_the_candidates_add_up_to_one(fitted):
    table = fitted.error_
    gaps = {"row alone"} if fitted is ROWS else {"row alone", *GAP_CLASSES}
    assert set(table["gap"]) == gaps
    candidates = table[table["candidate"] != "imputed"]
    total = candidates.groupby(["column", "gap"])["share"].sum()
    np.testing.assert_allclose(total, 1)
    assert len(total) == 5 * len(gaps)


def test_the_error_table_says_how_large_errors_are():
    """Single cells, in standard deviations; more are missing where it is measured."""
    table = FITTED.error_
    is_stated = (table["gap"] == "1") & (table["candidate"] == "imputed")
    stated = table.loc[is_stated, "error"].to_numpy()
    filled = FITTED.transform(SINGLE)
    squares = np.where(np.isnan(SINGLE), (filled - TABLE) ** 2, np.nan)
    measured = np.sqrt(np.nanmean(squares, axis=0)) / TABLE.std(axis=0)
    assert (stated < 2 * measured).all()
    assert (stated > 0.8 * measured).all()


def test_shares_have_the_least_error_of_all_means():
    """Equal for independent errors of one size; none for an estimate that is worse."""
    errors = np.random.default_rng(0).normal(size=(3, 5000))
    np.testing.assert_allclose(best_shares(errors), 1 / 3, atol=0.03)
    worse = np.stack([errors[0], errors[0] + errors[1]])
    np.testing.assert_allclose(best_shares(worse), [1, 0], atol=0.05)
    weights = np.random.default_rng(1).dirichlet(np.ones(3), size=200)
    correlated = errors + np.array([[0.0], [0.5], [1.0]]) * errors[0]
    least = np.mean((best_shares(correlated) @ correlated) ** 2)
    assert least <= 1.02 * np.mean((weights @ correlated) ** 2, axis=1).min()


# --- dates --------------------------------------------------------------------------


def dated(table, step="min", keep=slice(None)):
    """The table as a frame with an index of dates, or some of its rows."""
    index = pd.date_range("2026-03-01", periods=len(table), freq=step)
    return pd.DataFrame(table, index=index, columns=list("abcde")).iloc[keep]


def filled_frame(frame, fitted):
    return np.asarray(fitted.transform(frame))


def test_equal_steps_are_rows_in_any_unit():
    """As without an index of dates, to rounding."""
    expected = small(order="time").fit_transform(SINGLE)
    for step in ("s", "h", "7min"):
        found = small(order="time").fit_transform(dated(SINGLE, step))
        np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6)


def test_a_gap_in_the_record_is_rows_without_a_value():
    """Rows that were never written are imputed around as those that are empty."""
    fitted = small(order="time").fit(dated(SINGLE))
    empty = SINGLE.copy()
    empty[500:540] = np.nan
    written = np.delete(np.arange(len(empty)), slice(500, 540))
    expected = filled_frame(dated(empty), fitted)[written]
    found = filled_frame(dated(empty, keep=written), fitted)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    as_rows = filled_frame(pd.DataFrame(empty[written], columns=list("abcde")), fitted)
    assert np.abs(as_rows - expected).max() > 0.1


def test_lines_follow_the_time():
    """A ramp with irregular dates is filled on the ramp."""
    rng = np.random.default_rng(0)
    minutes = np.cumsum(rng.integers(1, 5, size=600))
    index = pd.Timestamp("2026-03-01") + pd.to_timedelta(minutes, unit="min")
    ramp = np.abs((minutes + 100) % 400 - 200.0)
    gaps = np.where(rng.random(600) < 0.2, np.nan, ramp)
    frame = pd.DataFrame({"ramp": gaps, "noise": rng.normal(size=600)}, index=index)
    filled = np.asarray(small(order="time").fit_transform(frame))[:, 0]
    inside = np.isnan(gaps) & (ramp > 15) & (ramp < 185)
    assert np.abs(filled - ramp)[inside].mean() < 1


@pytest.mark.parametrize("order", ["auto", "time", None])
def test_groups_have_one_entry_for_each_row(order):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(ValueError, match="groups has the shape"):
        small(order=order).fit(rows, groups=np.arange(5))
    fitted = small(order=order).fit(rows)
    rows[0, 0] = np.nan
    with pytest.raises(ValueError, match="groups has the shape"):
        fitted.transform(rows, groups=np.arange(5))


def test_gaps_beyond_the_range_of_fit_are_no_worse_than_a_line():
    t, rng = np.arange(600), np.random.default_rng(0)
    X = np.c_[np.sin(t / 30), np.cos(t / 40)] + 0.01 * rng.normal(size=(600, 2))
    missing = rng.random(X.shape) < 0.1
    missing[[0, -1]] = False
    imputer = GradualDAEImputer(random_state=0).fit(np.where(missing, np.nan, X))
    later = X + np.array([4.0, 0])  # another season
    given = np.where(missing, np.nan, later)
    line = pd.DataFrame(given).interpolate().to_numpy()
    errors = [
        ((each - later)[missing[:, 0], 0] ** 2).mean()
        for each in (imputer.transform(given), line)
    ]
    assert errors[0] <= 1.05 * errors[1]
