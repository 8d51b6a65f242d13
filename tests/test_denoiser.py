"""The denoiser: cells with measurement errors, estimated from the rows around."""

from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from skdae import GradualDAEDenoiser, GradualDAETransformer
from skdae._denoiser._noisy import Inputs, RowsAround
from skdae._denoiser._order import is_ordered
from skdae.timeseries import moving_average, moving_median

SCALE = 0.4  # of the errors, in standard deviations


def small(order="auto", **parameters):
    """Return a denoiser that is fitted in a moment."""
    network = {"noise": "gaussian", "noise_rate": SCALE, "max_iter": 8} | parameters
    network = GradualDAETransformer((12, 6), random_state=3, **network)
    return GradualDAEDenoiser(network, order=order, random_state=0)


def record(n_rows=900, seed=0):
    """Five sensors of two slow quantities, with small errors."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=(n_rows, 2)), axis=0)
    slow = moving_average(walk, 9)
    loadings = np.random.default_rng(99).normal(size=(2, 5))
    return slow @ loadings + 0.01 * rng.normal(size=(n_rows, 5))


def with_errors(X, seed=1):
    draws = np.random.default_rng(seed).normal(size=X.shape)
    return X + SCALE * CLEAN.std(axis=0) * draws


def error(denoised, truth):
    return float(np.sqrt(np.mean(((denoised - truth) / CLEAN.std(axis=0)) ** 2)))


CLEAN = record()
NOISY = with_errors(CLEAN)
FITTED, BY_ROW = small().fit(CLEAN), small(order=None).fit(CLEAN)


def test_rows_around_are_worth_more_than_the_row_and_than_an_average():
    ours = error(FITTED.transform(NOISY), CLEAN)
    assert ours < 0.7 * error(BY_ROW.transform(NOISY), CLEAN)
    averages = [moving_average(NOISY, width) for width in (3, 5, 9, 15)]
    assert ours < 0.9 * min(error(each, CLEAN) for each in averages)


def test_rows_in_time_order_that_jump_are_not_smeared():
    """Where neighbours predict little, the row itself decides."""
    rng = np.random.default_rng(0)
    states = rng.integers(3, size=(900, 1)) + np.array([0.0, 1, 2])
    jumps = np.hstack([states, 0.05 * np.cumsum(rng.normal(size=(900, 1)), axis=0)])
    noisy = jumps + SCALE * jumps.std(axis=0) * rng.normal(size=jumps.shape)
    found = small(order="time").fit(jumps).transform(noisy)
    by_row = small(order=None).fit(jumps).transform(noisy)
    assert ((found - jumps) ** 2).mean() < 1.05 * ((by_row - jumps) ** 2).mean()


def test_rows_without_order_are_denoised_as_by_the_transformer():
    """To the bit, and so is a row by itself."""
    shuffled = np.random.default_rng(0).permutation(CLEAN)
    fitted = small().fit(shuffled)
    assert fitted.time_denoiser_ is None
    expected = small().transformer.fit(shuffled).reconstruct(NOISY)
    np.testing.assert_array_equal(fitted.transform(NOISY), expected)
    alone = FITTED.transform(NOISY[:1])
    np.testing.assert_array_equal(alone, FITTED.transformer_.reconstruct(NOISY[:1]))


@pytest.mark.parametrize("n_rows", [20, 50, 99])
@pytest.mark.parametrize("rows", ["clean", "noisy", "white"])
def test_few_rows_are_denoised_no_worse_than_by_nothing(n_rows, rows):
    """In time order, with the size stated or not, from rows with errors or without."""
    truth = CLEAN[:n_rows]
    if rows == "white":
        truth = np.random.default_rng(4).normal(size=(n_rows, 5))
    spread = truth.std(axis=0)
    noise = np.random.default_rng(5).normal(size=truth.shape)
    measured = truth + SCALE * spread * noise
    seen = truth if rows == "clean" else measured
    for denoiser in small(order="time"), GradualDAEDenoiser(order="time"):
        fitted = denoiser.set_params(random_state=0).fit(seen)
        left = (fitted.transform(measured) - truth) / spread
        assert np.sqrt((left**2).mean()) < 1.02 * SCALE
    assert fitted.time_denoiser_ is not None


def test_very_few_rows_are_denoised_one_by_one():
    fitted = small(order="time").fit(CLEAN[:7])
    assert fitted.time_denoiser_ is None
    rows = NOISY[:7]
    np.testing.assert_array_equal(
        fitted.transform(rows), fitted.transformer_.reconstruct(rows)
    )


def test_groups_may_be_interleaved_and_are_not_read_across():
    groups = np.repeat([3, 1, 2], 300)
    mixed = np.argsort(np.tile(np.arange(300), 3), kind="stable")
    fitted = small(order="time").fit(CLEAN, groups=groups)
    found = fitted.transform(NOISY, groups=groups)
    interleaved = fitted.transform(NOISY[mixed], groups=groups[mixed])
    np.testing.assert_allclose(interleaved, found[mixed], rtol=1e-6, atol=1e-6)
    changed = NOISY.copy()
    changed[300:600] = -changed[300:600]
    others = fitted.transform(changed, groups=groups)
    kept = np.r_[:300, 600:900]
    np.testing.assert_allclose(others[kept], found[kept], rtol=1e-6, atol=1e-6)


def test_groups_come_by_metadata_routing():
    groups = np.repeat([0, 1], 450)
    expected = small(order="time").fit(CLEAN, groups=groups)
    with config_context(enable_metadata_routing=True):
        denoiser = small(order="time").set_fit_request(groups=True)
        denoiser.set_transform_request(groups=True)
        pipeline = make_pipeline(denoiser, Ridge())
        pipeline.fit(CLEAN, CLEAN[:, 0], groups=groups)
        found = pipeline[0].transform(NOISY, groups=groups)
    np.testing.assert_array_equal(found, expected.transform(NOISY, groups=groups))


def test_missing_cells_are_filled_from_the_rows_around():
    gone = np.random.default_rng(2).random(NOISY.shape) < 0.1
    found = FITTED.transform(np.where(gone, np.nan, NOISY))
    assert np.isfinite(found).all()
    assert error(found[gone.any(axis=1)], CLEAN[gone.any(axis=1)]) < 0.5 * SCALE


def test_shares_add_up_to_one():
    for column in FITTED.time_denoiser_.columns:
        for shares in (column.hidden, column.visible):
            assert (shares >= 0).all()
            assert shares.sum() == pytest.approx(1)


def test_data_frames_with_categories_stay_what_they_are():
    frame = pd.DataFrame(CLEAN, columns=[*"abcde"])
    frame["state"] = pd.Categorical(np.where(CLEAN[:, 0] > 0, "on", "off"))
    denoiser = small().set_output(transform="pandas").fit(frame)
    noisy = frame.assign(**dict(zip("abcde", NOISY.T, strict=True)))
    found = denoiser.transform(noisy)
    assert list(found.columns) == list(frame.columns)
    assert (found["state"] == frame["state"]).mean() > 0.9
    assert error(found[[*"abcde"]].to_numpy(), CLEAN) < 0.5 * SCALE


def test_the_noise_of_the_default_network_can_be_set():
    denoiser = GradualDAEDenoiser().set_params(transformer__noise__scale=0.5)
    assert denoiser.transformer.noise.scale == 0.5


def test_dates_of_an_index_must_not_decrease():
    """Rows are denoised with those around them, in their order."""
    hours = pd.date_range("2024-05-01", periods=len(CLEAN), freq="h")
    table = pd.DataFrame(CLEAN, index=hours)
    fitted = small(order="time").fit(table)
    for call in (fitted.transform, small(order="time").fit):
        with pytest.raises(ValueError, match="must not decrease, and do after row 0"):
            call(table[::-1])


@pytest.mark.parametrize("at_rest", [np.nan, 3.0])
def test_rows_of_a_plant_at_rest_are_not_held_out(at_rest):
    X = CLEAN.copy()
    X[:400] = at_rest
    first = small().fit(X).time_denoiser_.columns[0]
    assert first.visible[3:].sum() > 0.5  # of what the rows around say


def test_rows_of_which_few_are_known_are_denoised_from_those():
    is_known = np.arange(len(CLEAN))[:, None] >= 850
    rows = np.where(is_known, NOISY, np.nan)
    found = small(order="time").fit(rows).transform(rows)
    assert np.isfinite(found).all()
    assert error(found[850:], CLEAN[850:]) < error(NOISY[850:], CLEAN[850:])


@pytest.mark.parametrize("order", ["auto", "time", None])
def test_groups_have_one_entry_for_each_row(order):
    with pytest.raises(ValueError, match="groups has the shape"):
        small(order=order).fit(CLEAN, groups=np.arange(5))
    with pytest.raises(ValueError, match="groups has the shape"):
        (BY_ROW if order is None else FITTED).transform(NOISY[:1], groups=[1, 2])


# --- rows of fit with errors ---------------------------------------------------------

LEARNED = GradualDAEDenoiser(random_state=0).fit(NOISY)


def test_errors_are_removed_that_the_rows_of_fit_have_themselves():
    """Without their size, and better than by the best moving average."""
    again = with_errors(CLEAN, seed=5)
    averages = [moving_average(again, width) for width in (3, 5, 9, 15)]
    ours = error(LEARNED.transform(again), CLEAN)
    assert ours < 0.9 * min(error(each, CLEAN) for each in averages)
    in_fit = SCALE / np.sqrt(1 + SCALE**2)  # of the columns with errors
    np.testing.assert_allclose(LEARNED.error_scale_, in_fit, rtol=0.25)


def test_rows_of_fit_are_found_to_have_the_stated_errors_or_not():
    assert FITTED.error_scale_ is None
    stated = small(noise_rate=0.37).fit(NOISY)
    np.testing.assert_allclose(stated.error_scale_, 0.37, rtol=0.1)
    found = error(stated.transform(NOISY), CLEAN)
    assert found == pytest.approx(error(LEARNED.transform(NOISY), CLEAN), rel=0.1)


def test_columns_without_errors_come_back_as_they_are():
    """Smooth ones nearly, and those without structure, whose errors are not seen."""
    white = np.random.default_rng(0).normal(size=(len(CLEAN), 2))
    X = np.hstack([CLEAN, white])
    found = GradualDAEDenoiser(order="time", random_state=0).fit(X).transform(X)
    assert error(found[:, :5], X[:, :5]) < 0.05
    np.testing.assert_allclose(found[:, 5:], white, atol=1e-6)


@pytest.mark.parametrize("fitted", [FITTED, LEARNED], ids=["clean", "noisy"])
def test_a_spike_does_not_spread(fitted):
    before = fitted.transform(NOISY)
    spiked = NOISY.copy()
    spiked[450, 2] += 30 * CLEAN.std(axis=0)[2]
    after = fitted.transform(spiked)
    change = np.abs(after - before) / CLEAN.std(axis=0)
    assert change[450, 2] < 2 * SCALE
    change[450, 2] = 0
    assert change.max() < SCALE


@pytest.mark.parametrize("noisy_rows", [True, False])
def test_pulses_that_recur_and_the_last_rows_are_kept_and_do_not_spread(noisy_rows):
    """Cells of the pulses keep the error of their measurement."""
    size, rows = 6 * CLEAN.std(axis=0)[2], np.arange(7, 900, 30)
    truth, noisy = CLEAN.copy(), NOISY.copy()
    for table in (truth, noisy):
        table[rows, 2] += size
        table[-1, 3] -= 6 * CLEAN.std(axis=0)[3]
        table[-2:, 4] -= 6 * CLEAN.std(axis=0)[4]
    denoiser = small(order="time").set_params(noisy_rows=noisy_rows)
    denoised = denoiser.fit(noisy).transform(noisy)
    np.testing.assert_allclose(denoised[rows, 2], noisy[rows, 2])
    np.testing.assert_allclose(denoised[-1, 3], noisy[-1, 3])
    change = denoised[-2:, 4] - CLEAN[-2:, 4]
    assert (change < -3 * CLEAN.std(axis=0)[4]).all()
    others = np.delete(np.arange(898), rows)
    assert error(denoised[others], CLEAN[others]) < error(NOISY[others], CLEAN[others])


@pytest.mark.parametrize("fitted", [FITTED, LEARNED], ids=["clean", "noisy"])
def test_denoisers_from_older_files_remove_what_departs_at_the_ends(fitted):
    """They know of no pulses."""
    spiked, size = NOISY.copy(), 30 * CLEAN.std(axis=0)[2]
    spiked[-1, 2] += size
    older = copy(fitted)
    older.time_denoiser_ = replace(
        fitted.time_denoiser_, heights=None, at_ends=None, ranges=None
    )
    assert older.transform(spiked)[-1, 2] < CLEAN[-1, 2] + 0.1 * size
    assert fitted.transform(spiked)[-1, 2] == pytest.approx(spiked[-1, 2])


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_spikes_of_fit_and_of_later_rows_are_removed(share):
    """Better than by the best moving median, and without their size."""
    rng = np.random.default_rng(7)
    signs = rng.choice([-1, 1], CLEAN.shape) * (rng.random(CLEAN.shape) < share)
    spiked = NOISY + 8 * CLEAN.std(axis=0) * signs
    found = GradualDAEDenoiser(order="time", random_state=0).fit(spiked)
    medians = [moving_median(spiked, width) for width in (3, 5, 9, 15)]
    ours = error(found.transform(spiked), CLEAN)
    assert ours < 0.8 * min(error(each, CLEAN) for each in medians)
    assert ours < 1.3 * error(LEARNED.transform(NOISY), CLEAN)


def test_the_size_of_errors_with_heavy_tails_is_estimated():
    """Of Student's with three degrees of freedom, as of normal ones of that size."""
    t = np.arange(2000)[:, None] / np.array([30.0, 50, 80])
    errors = np.random.default_rng(8).standard_t(3, size=t.shape) / 3**0.5
    rows = 2**0.5 * np.sin(t) + SCALE * errors
    denoiser = GradualDAEDenoiser(order="time", random_state=0).fit(rows)
    in_fit = SCALE / np.sqrt(1 + SCALE**2)
    np.testing.assert_allclose(denoiser.error_scale_, in_fit, rtol=0.18)


@pytest.mark.parametrize("seed", range(3))
def test_a_distance_that_jumps_without_errors_comes_back_as_it_is(seed):
    """Farther for one to some rows, at times to the end of its range."""
    rng, near = np.random.default_rng(seed), np.sin(np.arange(1000) / 50) + 1.5
    is_far = np.zeros((1000, 3), dtype=bool)
    for row, j in np.argwhere(rng.random(is_far.shape) < 0.05):
        is_far[row : row + rng.geometric(0.25), j] = True
    rows = np.where(is_far, 5.0, near[:, None] * [1, 1.1, 0.9])
    denoiser = GradualDAEDenoiser(order="time", random_state=0).fit(rows)
    left = (denoiser.transform(rows) - rows) / rows.std(axis=0)
    assert np.sqrt((left**2).mean()) < 0.05


@pytest.mark.parametrize("row", [0, 99, 110, 449, 450, 899])
def test_no_cell_is_predicted_from_itself(row):
    """Beside gaps, at the ends of groups, and within them."""
    groups = np.repeat([0, 1], 450)
    cells = NOISY.copy()
    cells[100:110, 1] = np.nan
    changed = cells.copy()
    changed[row, 1] = 70.0
    first, second = (
        Inputs.of(RowsAround.of(each, groups)) for each in (cells, changed)
    )
    np.testing.assert_allclose(first.own[:, row, 1], second.own[:, row, 1])
    np.testing.assert_array_equal(first.line[row, 1], second.line[row, 1])
    others = [0, 2, 3, 4]
    np.testing.assert_array_equal(
        first.related[:, row, others], second.related[:, row, others]
    )


@pytest.mark.parametrize("noisy_rows", [True, np.True_])
@pytest.mark.parametrize(
    ("rows", "order", "failed"),
    [
        (NOISY, None, "rows in time order, and with order=None those of X"),
        (NOISY[:7], "time", "needs 8 rows .*, and X has 7"),
        (np.repeat(NOISY[:4], 40, axis=0), "time", "needs five different rows"),
    ],
)
def test_noisy_rows_are_learned_from_in_time_order_alone(
    noisy_rows, rows, order, failed
):
    with pytest.raises(ValueError, match=failed):
        GradualDAEDenoiser(order=order, noisy_rows=noisy_rows).fit(rows)


def test_progress_is_printed(capsys):
    GradualDAEDenoiser(small(max_iter=4).transformer, verbose=1).fit(CLEAN)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith("network 1  phase") for line in lines)


def slow(n_rows=1000):
    """Levels that hold for 190 rows, with errors from row to row."""
    level = 1.0 - 2 * (np.arange(n_rows)[:, None] // 190 % 2)
    return level + 0.5 * np.random.default_rng(3).normal(size=(n_rows, 3))


def test_rows_that_resemble_their_neighbours_are_denoised_one_by_one_with_a_warning():
    said = "order='auto' finds no .* set order='time' if they are in time order"
    with pytest.warns(UserWarning, match=said) as caught:
        assert small().fit(slow()).time_denoiser_ is None
    assert [each.filename for each in caught] == [__file__]


NUMERIC = np.zeros(3, dtype=bool)  # none of three columns is categorical


def walk(generator, n_rows):
    """A random walk, averaged over five rows, of variance 1."""
    steps = lfilter([0.2] * 5, [1], generator.normal(size=n_rows + 4))[4:].cumsum()
    return (steps - steps.mean()) / steps.std()


def wave(period):
    """Sine of variance 1 from a random phase on."""
    return lambda generator, n_rows: (
        2**0.5 * np.sin(2 * np.pi * (np.arange(n_rows) / period + generator.random()))
    )


@pytest.mark.parametrize("slow", [walk, wave(50), wave(100), wave(200), wave(400)])
def test_the_order_of_slow_signals_is_noticed_under_noise_of_half_their_size(slow):
    """1,000 rows of three sensors are enough."""
    for seed in range(5):
        generator = np.random.default_rng(seed)
        X = np.column_stack([slow(generator, 1000) for _ in range(3)])
        noisy = X + 0.5 * generator.normal(size=X.shape)
        assert is_ordered(noisy, noisy, NUMERIC, None)
        shuffled = generator.permutation(noisy)
        assert not is_ordered(shuffled, shuffled, NUMERIC, None)


@pytest.mark.parametrize("n_rows", [40, 50, 60, 79])
def test_the_order_of_few_rows_of_smooth_signals_is_noticed(n_rows):
    """Runs of four to seven values suffice, and random order is not noticed."""
    generator = np.random.default_rng(6)
    smooth = [wave(15)(generator, n_rows), wave(30)(generator, n_rows)]
    X = np.column_stack(smooth) + 0.02 * generator.normal(size=(n_rows, 2))
    assert is_ordered(X, X, NUMERIC[:2], None)
    assert not is_ordered(X[:39], X[:39], NUMERIC[:2], None)
    tables = (generator.normal(size=(n_rows, 10)) for _ in range(50))
    found = (is_ordered(each, each, np.zeros(10, dtype=bool), None) for each in tables)
    assert sum(found) <= 2


def test_an_index_of_dates_says_that_rows_are_in_time_order():
    hours = pd.date_range("2024-05-01", periods=1000, freq="h")
    assert small().fit(pd.DataFrame(slow(), index=hours)).time_denoiser_ is not None


def test_rows_in_another_order_than_those_of_fit_are_hardly_changed():
    """Neighbours predict them worse, so that more of the cell is kept."""
    shuffled = np.random.default_rng(0).permutation(len(CLEAN))
    found = LEARNED.transform(NOISY[shuffled])
    assert error(found, CLEAN[shuffled]) < 1.3 * error(NOISY, CLEAN)


def test_a_sensor_that_is_off_is_filled_from_the_others():
    off = NOISY.copy()
    off[:, 3] = np.nan
    found = LEARNED.transform(off)
    assert np.isfinite(found).all()
    others = [0, 1, 2, 4]
    spread = CLEAN.std(axis=0)[others]
    errors = (found - CLEAN)[:, others] / spread
    assert np.sqrt((errors**2).mean()) < SCALE


@pytest.mark.parametrize("n_spikes", [3, 7, 15])
def test_spikes_on_a_level_that_never_changes_are_removed(n_spikes):
    """No regression is learned of it."""
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(300, 2)), axis=0) + rng.normal(size=(300, 2))
    X[:, 0] = 50.0
    rows = np.linspace(10, 290, n_spikes).astype(int)
    X[rows, 0] += rng.choice([-1, 1], n_spikes) * rng.uniform(10, 40, n_spikes)
    denoised = small("time", noise="masking", noise_rate=0.25).fit_transform(X)
    np.testing.assert_allclose(denoised[:, 0], 50.0)


@pytest.mark.parametrize("order", ["time", None])
def test_new_values_of_a_column_that_was_constant_are_kept(order):
    """A set point has been changed; a missing cell is the constant."""
    X = record(300)
    X[:, 2] = 50.0
    denoiser = small(order=order).fit(X)
    X[100:, 2], X[5, 2] = 60.0, np.nan
    expected = np.where(np.isnan(X[:, 2]), 50.0, X[:, 2])
    np.testing.assert_array_equal(denoiser.transform(X)[:, 2], expected)


def test_a_few_cells_that_all_depart_are_no_spikes():
    """Of two rows far apart, or two known cells of a column, neither is the level."""
    t = np.arange(300)[:, None]
    rng = np.random.default_rng(0)
    X = np.sin(t / 15 + np.arange(3)) + 0.1 * rng.normal(size=(300, 3))
    denoiser = GradualDAEDenoiser(
        GradualDAETransformer((16, 4), max_iter=3), order="time", random_state=0
    ).fit(X)
    three, gaps = X[:3].copy(), X[:50].copy()
    three[:, 0] += [40, -40, 40]
    gaps[:, 0] = np.nan
    gaps[[10, 11], 0] = [0, 5]
    for few in (X[[0, 30]], three, gaps):
        assert np.isfinite(denoiser.transform(few)).all()
    moved = denoiser.transform(three)[:, 0] - three[:, 0]
    assert np.abs(moved).max() < 10  # none is taken to where the others are
