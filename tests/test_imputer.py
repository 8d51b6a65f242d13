"""The imputer: what is known stays, what is missing is filled from the row's rest."""

import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.impute import KNNImputer, MissingIndicator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdae import GradualDAEImputer, GradualDAETransformer
from skdae._gaussian import Gaussian, fit_gaussian
from skdae._imputer._masks import MaskedRows
from skdae._imputer._networks import fit_refinement
from skdae.schedules import Gradual


def small(*, n_refinements=1, n_trees=5, random_state=0, max_iter=4, **parameters):
    """Return an imputer that is fitted in a moment; parameters are the network's."""
    return GradualDAEImputer(
        GradualDAETransformer((8,), max_iter=max_iter, **parameters),
        n_refinements=n_refinements,
        n_trees=n_trees,
        random_state=random_state,
    )


def factors(n_rows, seed):
    """Six noisy sensors of two quantities, and the product of the two."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(2, 6))
    hidden = rng.normal(size=(n_rows, 2))
    X = hidden @ loadings + 0.1 * rng.normal(size=(n_rows, 6))
    return np.column_stack([X, hidden.prod(axis=1)]) * np.logspace(-2, 2, 7) + 5


def holes(X, rate=0.2, seed=0):
    return np.where(np.random.default_rng(seed).random(X.shape) < rate, np.nan, X)


FULL = factors(400, 0)
X = holes(FULL)
FITTED = small().fit(X)


def mixed(n_rows=200, seed=0):
    """Numbers, text and categories that determine each other."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n_rows)
    frame = pd.DataFrame(
        {
            "a": (kind + 0.1 * rng.normal(size=n_rows)).astype(np.float32),
            "text": np.array(["low", "mid", "high"])[kind],
            "b": kind.astype(np.int64) * 10,
            "grade": pd.Categorical(np.array(["x", "y", "z"])[kind]),
        }
    )
    gone = rng.random((n_rows, 4)) < 0.2
    gone[:, 2] = False
    return frame, frame.mask(gone)


FRAME, GAPS = mixed()
CATEGORIES = ["text", "grade"]


# --- what is known ------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    n_rows=st.integers(1, 12),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_only_missing_cells_change(seed, rate, n_rows, dtype):
    """Known cells to the bit, also outliers and negative zeros; X is not written on."""
    rng = np.random.default_rng(seed)
    table = (factors(n_rows, seed) * rng.choice([1, -1e6, -0.0], (n_rows, 7))).astype(
        dtype
    )
    table[rng.random(table.shape) < rate] = np.nan
    before = table.copy()
    filled = FITTED.transform(table)
    known = ~np.isnan(table)
    assert filled.dtype == dtype
    assert filled[known].tobytes() == table[known].tobytes()
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(table, before)
    assert not np.shares_memory(filled, table)


def test_a_frame_keeps_its_dtypes():
    """Only missing cells differ, columns without one are the same to the bit."""
    imputer = small(categorical_features=CATEGORIES).set_output(transform="pandas")
    gaps = GAPS.set_axis(np.arange(200) * 3 + 1)
    filled = imputer.fit_transform(gaps)
    assert (filled.dtypes == gaps.dtypes).all()
    assert filled.index.equals(gaps.index)
    assert not filled.isna().any().any()
    known = gaps.notna().to_numpy()
    same = filled.astype(object).to_numpy() == gaps.astype(object).to_numpy()
    assert same[known].all()


def test_nullable_and_integer_columns():
    """An integer column with gaps becomes one of floats, without them it stays."""
    frame = pd.DataFrame({"a": X[:, 0], "b": np.arange(400), "c": np.arange(400) * 2})
    frame["c"] = frame["c"].astype("Int64").mask(np.arange(400) % 5 == 0)
    filled = small().set_output(transform="pandas").fit_transform(frame)
    assert filled.dtypes.astype(str).tolist() == ["float64", "int64", "Float64"]
    assert not filled.isna().any().any()
    assert (filled["c"][1::5] == frame["c"][1::5]).all()


@pytest.mark.parametrize("ordered", [False, True])
def test_numbers_of_a_categorical_dtype_become_floats(ordered):
    """Where the dtype is not read: a mean is none of the categories."""
    frame = pd.DataFrame({"a": FULL[:, 0], "b": np.round(FULL[:, 0] * 50)})
    frame["b"] = pd.Categorical(frame["b"].mask(frame.index % 5 == 0), ordered=ordered)
    imputer = small(categorical_features=None).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    assert filled["b"].dtype == np.float64
    assert not filled.isna().any().any()
    known = frame["b"].notna()
    assert (filled["b"][known] == frame["b"][known].astype(float)).all()


@pytest.mark.parametrize("ordered", [False, True])
def test_a_categorical_dtype_learns_the_categories_that_it_lacks(ordered):
    """A later batch in which one of them was not recorded."""
    imputer = small(categorical_features=["grade"]).set_output(transform="pandas")
    frame = GAPS[["a", "b", "grade"]]
    imputer.fit(frame)
    batch = frame[:40].copy()
    batch["a"], batch["b"] = 2.0, 20  # goes with 'z'
    batch["grade"] = pd.Categorical([None, *["x"] * 39], ["x"], ordered=ordered)
    filled = imputer.transform(batch)["grade"]
    assert filled.iloc[0] == "z"
    assert filled.dtype == pd.CategoricalDtype(["x", "z"], ordered)
    assert (filled[1:] == "x").all()


@pytest.mark.parametrize("dtype", ["boolean", "Int64", "bool[pyarrow]", "object"])
def test_categorical_columns_keep_their_dtype(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    state = pd.Series(FULL[:, 0] > np.median(FULL[:, 0]))
    values = state.astype(int) if dtype == "Int64" else state
    values = values.astype(dtype).mask(np.arange(400) % 7 == 0)
    frame = pd.DataFrame(FULL).set_axis(list("abcdefg"), axis=1).assign(k=values)
    imputer = small(categorical_features=["k"]).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)["k"]
    assert filled.dtype == bool if dtype == "object" else filled.dtype == values.dtype
    assert (filled.astype(bool) == state).mean() > 0.95
    assert (filled[values.notna()] == values[values.notna()]).all()


def test_decimals_are_filled_with_decimals():
    """Of the places that the column has, so that sums work."""
    cells = pd.Series([Decimal(f"{x:.2f}") for x in FULL[:, 3]], dtype=object)
    frame = pd.DataFrame({"a": FULL[:, 0], "k": cells.mask(np.arange(400) % 5 == 0)})
    filled = small().set_output(transform="pandas").fit_transform(frame)["k"]
    assert {type(cell) for cell in filled} == {Decimal}
    assert {cell.as_tuple().exponent for cell in filled} == {-2}
    assert np.isfinite(float(filled.sum()))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_whole_numbers_that_no_float_holds_are_kept(container):
    first = 2**53 + 1
    numbers = [None if i % 5 == 0 else first + 2 * i for i in range(100)]
    if container == "pandas":
        frame = pd.DataFrame({"a": X[:100, 0], "k": pd.array(numbers, dtype="Int64")})
    else:
        polars = pytest.importorskip("polars")
        frame = polars.DataFrame({"a": X[:100, 0], "k": numbers})
    filled = small().set_output(transform=container).fit_transform(frame)["k"]
    assert filled.dtype == frame["k"].dtype
    for i, cell in enumerate(filled.to_list()):
        assert cell == numbers[i] if i % 5 else first <= cell <= first + 200


def test_arrays_of_whole_numbers_are_kept_or_a_warning_names_them():
    numbers = np.arange(200).reshape(100, 2) + 2**60
    kept = small().fit_transform(numbers)
    np.testing.assert_array_equal(kept, numbers)
    assert kept.dtype == numbers.dtype
    frame = pd.DataFrame({"a": X[:100, 0], "k": numbers[:, 1]})
    with pytest.warns(UserWarning, match=r"columns \['k'\].*set_output"):
        small().fit_transform(frame)


def test_masked_cells_are_missing():
    masked = np.ma.masked_array(np.where(np.isnan(X), -999.0, X), np.isnan(X))
    np.testing.assert_array_equal(small().fit_transform(masked), FITTED.transform(X))


def test_polars_frames():
    polars = pytest.importorskip("polars")
    gaps = polars.from_pandas(GAPS.astype({"grade": object}))
    imputer = small(categorical_features=CATEGORIES).set_output(transform="polars")
    filled = imputer.fit_transform(gaps)
    assert filled.schema == gaps.schema
    assert sum(filled.null_count().row(0)) == 0
    known = GAPS.notna().to_numpy()
    before, after = (np.array(t.rows(), dtype=object) for t in (gaps, filled))
    assert (before[known] == after[known]).all()


def test_types_of_polars_columns_are_kept_where_they_hold_all():
    """Categories keep their type; whole numbers become floats beside imputed ones."""
    polars = pytest.importorskip("polars")
    rows = range(len(FRAME))
    modes = [None if i % 7 == 0 else "on" if i % 2 else "off" for i in rows]
    columns = {
        "a": FRAME.iloc[:, 0].to_numpy(),
        "mode": polars.Series(modes, dtype=polars.Enum(["off", "on", "idle"])),
        "is_open": [None if i % 5 == 0 else i % 2 == 0 for i in rows],
        "count": [None if i % 3 == 0 else i % 4 for i in rows],
    }
    table = polars.DataFrame(columns)
    imputer = small(categorical_features=["mode", "is_open"])
    filled = imputer.set_output(transform="polars").fit_transform(table)
    wanted = {**table.schema, "count": polars.Float64()}
    assert dict(filled.schema) == wanted
    assert sum(filled.null_count().row(0)) == 0
    for name in table.columns:
        known = table[name].is_not_null()
        assert (
            filled[name].filter(known).to_list() == table[name].drop_nulls().to_list()
        )


def test_an_unknown_category_is_kept():
    """It is not missing: nothing is put in its place."""
    imputer = small(categorical_features=CATEGORIES).fit(GAPS)
    rows = FRAME[:3].astype({"grade": object})
    rows.loc[0, "text"] = "unheard of"
    rows.loc[1, "grade"] = None
    filled = imputer.transform(rows)
    assert filled[0, 1] == "unheard of"
    assert filled[1, 3] in {"x", "y", "z"}


# --- what is filled -----------------------------------------------------------------


def error(imputer, rate=0.25):
    """Return mean squared errors of fresh rows, in variances, by column."""
    test = factors(500, 1)
    gaps = holes(test, rate, seed=2)
    filled = imputer.transform(gaps)
    squares = np.where(np.isnan(gaps), (filled - test) ** 2, np.nan)
    return np.nanmean(squares, axis=0) / FULL.var(axis=0)


def test_a_refinement_finds_what_is_not_linear():
    """The product of two quantities, which no covariance knows; and nothing is lost."""
    linear = error(small(n_refinements=0, n_trees=0).fit(X))
    network = small(n_trees=0, max_iter=150, learning_rate_init=5e-3)
    refined = error(network.fit(X))
    assert linear[-1] > 0.9
    assert refined[-1] < 0.7 * linear[-1]
    assert (linear[:-1] < 0.3).all()
    assert (refined < 1.05 * linear + 0.01).all()


def test_four_refinements_do_not_diverge():
    """What a network does not improve on held-out rows is left as it is."""
    steps = small(n_refinements=4, max_iter=20).fit(X)
    assert len(steps.imputation_model_.refinements) == 4
    assert (error(steps) < 1.1 * error(small(n_refinements=0).fit(X)) + 0.02).all()
    for refinement in steps.imputation_model_.refinements:
        assert ((refinement.step >= 0) & (refinement.step <= 1)).all()


def test_where_nothing_can_be_known_the_mean_is_hardly_lost():
    """Columns of pure noise: a network must not add its own."""
    rng = np.random.default_rng(0)
    fitted = small(n_refinements=2, max_iter=30).fit(holes(rng.normal(size=(600, 4))))
    test = rng.normal(size=(600, 4))
    gone = np.isnan(holes(test, seed=1))
    filled = fitted.transform(np.where(gone, np.nan, test))
    assert np.mean((filled - test)[gone] ** 2) < 1.1 * np.mean(test[gone] ** 2)


def test_forests_find_what_a_small_network_does_not():
    """The product of two quantities again; they cost little on the other columns."""
    without = error(small(n_trees=0).fit(X))
    assert without[-1] > 0.8
    found = error(FITTED)
    assert found[-1] < 0.6 * without[-1]
    assert (found < without + 0.03).all()  # deviations


def test_forests_count_for_little_where_others_are_exact():
    """Linear columns use the linear model, steps the forests; chosen per column."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(800, 2))
    lines = hidden @ rng.normal(size=(2, 10))
    table = np.column_stack([lines, np.abs(lines[:, 0])])
    filling = small().fit(holes(table, 0.1)).imputation_model_
    assert (filling.forest_share[:10] == 0).all()
    assert filling.forest_share[10] > 0.5
    assert {forest.column.start for forest in filling.forests.members} == {10}


def test_a_category_has_one_share():
    """Its features are trusted together."""
    filling = small(categorical_features=CATEGORIES).fit(GAPS).imputation_model_
    assert ((filling.forest_share >= 0) & (filling.forest_share <= 1)).all()
    for group in (slice(2, 5), slice(5, 8)):
        assert len(np.unique(filling.forest_share[group])) == 1


@pytest.mark.parametrize("n_trees", [0, 3])
def test_what_is_filled_lies_in_the_range_seen(n_trees):
    """However far away the other cells of a row are."""
    far = holes(50 * factors(100, 1), 0.5)
    filled = small(n_trees=n_trees).fit(X).transform(far)
    gone = np.isnan(far)
    low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    assert ((filled >= low) & (filled <= high))[gone].all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_rounding_does_not_leave_the_range(scaling):
    """What is never negative has a root, and a valve opens to 100 % at most."""
    turn = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    flow = np.maximum(np.sin(turn), 0) * 12.3
    valve = np.clip(50 + 80 * np.sin(turn), 0, 100)
    table = np.column_stack([flow, valve, np.sin(turn), np.cos(turn)])
    gaps = table.copy()
    gaps[::4, 0] = gaps[1::4, 1] = np.nan
    filled = small(scaling=scaling).fit_transform(gaps)
    assert (filled >= table.min(axis=0)).all()
    assert (filled <= table.max(axis=0)).all()


@pytest.mark.parametrize(("n_rows", "n_columns"), [(30, 60), (60, 100), (30, 100)])
def test_wide_tables_are_filled_better_than_by_neighbours(n_rows, n_columns):
    """Fewer rows than columns: the covariance is shrunk."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, n_columns))
    table += 0.1 * rng.normal(size=table.shape)
    gaps = holes(table)
    gone = np.isnan(gaps)

    def rms(imputer):
        return np.sqrt(np.mean((imputer.fit_transform(gaps) - table)[gone] ** 2))

    assert rms(small(n_refinements=0, n_trees=0)) < rms(KNNImputer())
    assert rms(small()) < rms(KNNImputer())


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e3, 1e9])
def test_without_scaling_the_unit_of_a_column_does_not_matter(unit):
    """To the linear estimate."""

    def filled(table):
        linear = small(n_refinements=0, n_trees=0, scaling=None)
        return linear.fit_transform(table)

    in_units = X * np.array([unit, *[1] * 6])
    np.testing.assert_allclose(
        filled(in_units)[:, 0], filled(X)[:, 0] * unit, rtol=0.02
    )


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_a_huge_cell_does_not_stop_the_fit(scaling):
    table = X.copy()
    table[3, 0] = 1e30
    assert np.isfinite(small(scaling=scaling).fit_transform(table)).all()


def test_a_table_without_gaps_is_returned():
    for scaling in ("standard", "quantile"):
        fitted = small(scaling=scaling).fit(FULL)
        np.testing.assert_array_equal(fitted.transform(FULL), FULL)


def test_a_silent_block_of_sensors_is_filled():
    """Half of the sensors are gone for all rows asked for, and were at times before."""
    history = FULL.copy()
    history[100:140, :3] = np.nan
    fitted = small(noise="dropout").fit(history)
    test = factors(200, 1)
    silent = test.copy()
    silent[:, :3] = np.nan
    squares = (fitted.transform(silent)[:, :3] - test[:, :3]) ** 2
    assert (squares.mean(axis=0) / FULL.var(axis=0)[:3] < 0.2).all()


def test_categories_are_filled_by_what_goes_with_them():
    fitted = small(categorical_features=CATEGORIES, max_iter=30).fit(GAPS)
    truth, gaps = mixed(seed=1)
    filled = fitted.transform(gaps)
    for j, name in enumerate(truth):
        if name in CATEGORIES:
            gone = gaps[name].isna().to_numpy()
            assert gone.any()
            assert (filled[gone, j] == truth[name][gone]).mean() > 0.9


def test_rows_are_filled_by_themselves():
    """Whatever other rows come along."""
    gaps = holes(factors(30, 3), 0.4, seed=4)
    together = FITTED.transform(gaps)
    alone = np.vstack([FITTED.transform(row[None]) for row in gaps])
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-9)
    backwards = FITTED.transform(gaps[::-1])[::-1]
    np.testing.assert_allclose(backwards, together, rtol=1e-12)


def test_a_network_that_only_knows_its_time_is_not_trusted():
    """Held out are blocks of rows: what drifts apart is left to the linear estimate."""
    rng = np.random.default_rng(0)
    time = np.repeat(np.arange(20.0), 50)
    mark = np.sin(7 * time)  # determines the block, and no other column
    table = np.column_stack([time, mark, rng.permutation(20)[time.astype(int)]])
    fitted = small(max_iter=60, learning_rate_init=5e-3).fit(holes(table))
    assert fitted.imputation_model_.refinements[0].step[2] < 0.3


def test_empty_rows_and_columns():
    """A row without a value gets the typical ones, a column without one stays empty."""
    empty = FITTED.transform(np.full((1, 7), np.nan))[0]
    assert (np.abs(empty - FULL.mean(axis=0)) < FULL.std(axis=0)).all()
    dead = X.copy()
    dead[:, 2] = np.nan
    with pytest.warns(UserWarning, match=r"Columns \['2'\].*stay missing.*Drop them"):
        filled = small().fit_transform(dead)
    assert np.isnan(filled[:, 2]).all()
    assert np.isfinite(np.delete(filled, 2, axis=1)).all()


def test_constant_columns_and_few_rows():
    table = np.column_stack([X, np.where(np.arange(400) % 3, 7.0, np.nan)])
    assert (small().fit_transform(table)[:, -1] == 7).all()
    few = small(n_refinements=2).fit(X[:5])
    assert few.imputation_model_.refinements == ()
    assert np.isfinite(few.transform(X)).all()


# --- draws --------------------------------------------------------------------------


def test_draws_have_the_spread_of_the_errors():
    """The truth lies among many draws as one of them, column by column."""
    test = factors(300, 5)
    gaps = holes(test, 0.3, seed=6)
    gone = np.isnan(gaps)
    coverage = []
    for seed in range(3):
        fitted = small(max_iter=100, random_state=seed).fit(X)
        tables = fitted.set_params(n_imputations=19).sample_imputations(gaps)
        assert len(tables) == 19
        for table in tables:
            np.testing.assert_array_equal(table[~gone], gaps[~gone])
        below = np.mean([table < test for table in tables], axis=0)
        inside = (below > 0.04) & (below < 0.96)  # 0.9 of a truth drawn like them
        coverage.append([inside[gone[:, j], j].mean() for j in range(7)])
    assert 0.87 < np.mean(coverage) < 0.93
    by_column = np.mean(coverage, axis=0)
    assert ((by_column > 0.8) & (by_column < 0.98)).all()


def test_draws_cover_the_truth_where_large_errors_are_missing_more_often():
    """Errors grow with another column, with which more cells are missing."""

    def tables(seed, n_rows=1500):
        rng = np.random.default_rng(seed)
        table = rng.normal(size=(n_rows, 1)) + 0.3 * rng.normal(size=(n_rows, 3))
        table[:, 0] += 0.3 * np.exp(table[:, 1]) * rng.normal(size=n_rows)
        gaps = table.copy()
        share_missing = 1 / (1 + np.exp(1 - 1.5 * table[:, 1]))
        gaps[rng.random(n_rows) < share_missing, 0] = np.nan
        return table, gaps

    truth, gaps = tables(1)
    fitted = small().set_params(n_imputations=39).fit(tables(0)[1])
    below = np.mean([t < truth for t in fitted.sample_imputations(gaps)], axis=0)[:, 0]
    inside = (below > 0.04) & (below < 0.96)
    coverage = inside[np.isnan(gaps[:, 0])].mean()
    assert 0.86 < coverage < 0.94, coverage


def test_draws_cover_the_truth_where_errors_are_not_normal():
    """Heavy tails and skewed errors, at 10 and at 50 % of the cells."""

    def table(n_rows, seed):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=(n_rows, 1))
        tails = common + 0.5 * rng.standard_t(3, size=(n_rows, 3))
        skewed = common + rng.exponential(size=(n_rows, 2))
        return np.hstack([tails, skewed])

    for rate in (0.1, 0.5):
        fitted = small(max_iter=20).fit(holes(table(1000, 0), rate))
        test = table(1000, 1)
        gaps = holes(test, rate, seed=2)
        tables = fitted.set_params(n_imputations=39).sample_imputations(gaps)
        below = np.mean([each < test for each in tables], axis=0)
        inside = (below > 0.04) & (below < 0.96)  # 0.9 of a truth drawn like them
        assert 0.86 < inside[np.isnan(gaps)].mean() < 0.94


def test_draws_differ_and_repeat():
    """Between tables, and not between calls; transform draws the first."""
    gaps = holes(factors(20, 7), 0.4)
    fitted = small().set_params(n_imputations=2).fit(X)
    first, second = fitted.sample_imputations(gaps)
    gone = np.isnan(gaps)
    assert (first[gone] != second[gone]).all()
    np.testing.assert_array_equal(fitted.sample_imputations(gaps)[1], second)
    drawing = clone(fitted).set_params(sample_posterior=True).fit(X)
    np.testing.assert_array_equal(drawing.transform(gaps), first)
    assert (drawing.transform(gaps)[gone] != fitted.transform(gaps)[gone]).all()


def test_categories_are_drawn_by_their_shares():
    """Where nothing else is known, as often as they are."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"n": rng.normal(size=2000), "c": rng.choice(["x", "y"], 2000, p=[0.8, 0.2])}
    )
    fitted = small(n_refinements=0, categorical_features=["c"]).fit(frame)
    asked = frame.assign(c=None)
    drawn = fitted.sample_imputations(asked)[0][:, 1]
    assert abs((drawn == "y").mean() - (frame["c"] == "y").mean()) < 0.04
    assert (fitted.transform(asked)[:, 1] == "x").all()


# --- API ----------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["default", "pandas"])
def test_indicators_are_those_of_scikit_learn(container):
    gaps = pd.DataFrame(X, columns=list("abcdefg"))
    gaps["c"] = FULL[:, 2]
    imputer = small().set_params(add_indicator=True).set_output(transform=container)
    filled = imputer.fit_transform(gaps)
    names = KNNImputer(add_indicator=True).fit(gaps).get_feature_names_out()
    assert list(imputer.get_feature_names_out()) == list(names)
    expected = MissingIndicator().fit_transform(gaps)
    np.testing.assert_array_equal(np.asarray(filled)[:, 7:], expected)
    if container == "pandas":
        assert list(filled.columns) == list(names)


def test_the_transformer_is_composed_and_left_alone():
    network = GradualDAETransformer((5,), max_iter=2, activation="tanh")
    imputer = GradualDAEImputer(network, n_refinements=2, random_state=0).fit(X)
    assert not hasattr(network, "network_")
    assert network.noise == "masking"
    first, second = imputer.imputation_model_.refinements
    for refinement in (first, second):
        assert refinement.network.activation == "tanh"
        assert [layer.weight.shape for layer in refinement.network.encoder] == [(14, 5)]
        assert [layer.weight.shape for layer in refinement.network.decoder] == [(5, 7)]
        assert [phase.epochs for phase in refinement.phases] == [2]
    assert clone(imputer).get_params()["transformer__max_iter"] == 2


def test_a_tied_decoder_is_refused():
    network = GradualDAETransformer((5,), max_iter=2, decoder="tied")
    with pytest.raises(ValueError, match="set decoder='mirror' or 'direct'"):
        GradualDAEImputer(network).fit(X)


def test_epochs_that_held_out_rows_decide_are_refused():
    schedule = Gradual(epoch_allocation="auto")
    network = GradualDAETransformer((5, 3), max_iter=2, schedule=schedule)
    with pytest.raises(
        ValueError, match="an imputer's networks .* set epoch_allocation='equal'"
    ):
        GradualDAEImputer(network).fit(X)


def test_a_network_is_trained_on_hidden_cells_alone():
    """The loss of an epoch is the one of the returned weights' start: cells' mean."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(64, 3))
    observed = rng.random(values.shape) < 0.9
    missing = ~observed | (rng.random(values.shape) < 0.3)
    part = MaskedRows(np.where(observed, values, 0), observed, missing)
    network = GradualDAETransformer((4,), max_iter=1, learning_rate_init=1e-30)
    filled = np.where(missing, 0.0, part.values)
    refinement = fit_refinement(network, [part], [filled], part, filled, seed=0)
    predicted = refinement.correction(filled, missing) / refinement.scale
    errors = part.errors(filled) / refinement.scale
    expected = ((predicted - errors)[part.hidden] ** 2).sum() / 2 / len(values)
    assert refinement.phases[0].loss == pytest.approx(expected, rel=1e-5)


def test_a_search_reaches_the_network():
    pipeline = make_pipeline(small(), Ridge())
    grid = {
        "gradualdaeimputer__transformer__hidden_layer_sizes": [(4,), (8,)],
        "gradualdaeimputer__n_refinements": [0, 1],
    }
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(X[:, :6], FULL[:, 0])
    assert search.best_score_ > 0.5


@pytest.mark.parametrize(
    "schedule", ["gradual", "stacked", "hybrid", "frozen", "joint"]
)
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_every_schedule_and_scaling(schedule, scaling):
    network = GradualDAETransformer(
        (6, 4), max_iter=4, schedule=schedule, scaling=scaling
    )
    fitted = GradualDAEImputer(network, n_refinements=1, random_state=0).fit(X)
    assert np.isfinite(fitted.transform(X)).all()


def test_a_refit_is_the_same_to_the_bit():
    gaps = holes(factors(20, 8))
    imputer = small()
    first = imputer.fit(X).transform(gaps)
    np.testing.assert_array_equal(imputer.fit(X).transform(gaps), first)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(imputer)).transform(gaps), first
    )
    other = small(random_state=1).fit(X).transform(gaps)
    assert (other != first).any()


def test_the_default_network_fills():
    """transformer=None needs nothing to be set."""
    filled = GradualDAEImputer(random_state=0).fit_transform(X[:100])
    assert np.isfinite(filled).all()


def test_errors_say_what_to_do():
    with pytest.raises(NotFittedError):
        small().transform(X)
    with pytest.raises(ValueError, match="'n_refinements' parameter"):
        small(n_refinements=-1).fit(X)
    with pytest.raises(ValueError, match="name categories in categorical_features"):
        small().fit(GAPS)
    with pytest.raises(ValueError, match="noise='gaussian' .* hides whole rows"):
        small(noise="gaussian").fit(X)
    with pytest.raises(ValueError, match="all cells of its 20 rows are missing"):
        small().fit(np.full((20, 3), np.nan))
    with pytest.raises(ValueError, match="noise_rate=2.0 does not suit"):
        small(noise_rate=2.0).fit(X)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_lists_of_rows(output):
    gaps = holes(X[:60], 0.2)
    fitted = small().set_output(transform=output).fit(gaps)
    np.testing.assert_array_equal(
        fitted.transform(gaps.tolist()), fitted.transform(gaps)
    )
    cells = [[*row, "a" if row[0] > 0 else "b"] for row in gaps.tolist()]
    mixed = small(categorical_features=[gaps.shape[1]]).set_output(transform=output)
    filled = np.asarray(mixed.fit(cells).transform(cells), dtype=object)
    known = ~np.isnan(gaps)
    assert (filled[:, :-1][known] == gaps[known]).all()


# --- the normal distribution --------------------------------------------------------


@pytest.mark.parametrize("n_columns", [5, 130])
def test_conditional_means_are_those_of_the_textbook(n_columns):
    """mean_m + S_mo inv(S_oo) (z_o - mean_o), and the Schur complement as variance."""
    rng = np.random.default_rng(0)
    S = np.cov(rng.normal(size=(n_columns, 4 * n_columns)))
    mean = rng.normal(size=n_columns)
    gaussian = Gaussian(mean, np.linalg.inv(S))
    Z = rng.normal(size=(40, n_columns))
    missing = rng.random(Z.shape) < 0.4
    filled, spread = gaussian.fill(Z, missing), gaussian.variances(missing)
    for z, m, f, s in zip(Z, missing, filled, spread, strict=True):
        gain = S[np.ix_(m, ~m)] @ np.linalg.inv(S[np.ix_(~m, ~m)])
        np.testing.assert_allclose(f[m], mean[m] + gain @ (z - mean)[~m])
        schur = S[np.ix_(m, m)] - gain @ S[np.ix_(~m, m)]
        np.testing.assert_allclose(s[m], np.diag(schur))
        np.testing.assert_array_equal(f[~m], z[~m])
        assert (s[~m] == 0).all()


def test_the_covariance_is_learned_from_rows_with_gaps():
    """Far closer than that of rows filled with the mean; without gaps it is theirs."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 4))
    Z = rng.normal(size=(20_000, 4)) @ A
    gone = rng.random(Z.shape) < 0.3
    found = np.linalg.inv(fit_gaussian(Z, gone).precision)
    naive = np.cov(np.where(gone, np.nanmean(Z, axis=0), Z).T)
    truth = A.T @ A
    assert np.abs(found - truth).max() < 0.25 * np.abs(naive - truth).max()
    complete = fit_gaussian(Z, np.zeros_like(gone))
    np.testing.assert_allclose(
        np.linalg.inv(complete.precision), np.cov(Z.T, bias=True), atol=5e-4
    )


def test_draws_have_the_conditional_covariance():
    rng = np.random.default_rng(0)
    S = np.cov(rng.normal(size=(4, 10)))
    gaussian = Gaussian(np.zeros(4), np.linalg.inv(S))
    missing = np.tile([True, False, True, True], (50_000, 1))
    drawn = gaussian.deviations(missing, rng)
    expected = np.linalg.inv(gaussian.precision[np.ix_([0, 2, 3], [0, 2, 3])])
    np.testing.assert_allclose(np.cov(drawn[:, [0, 2, 3]].T), expected, atol=0.05)
    assert (drawn[:, 1] == 0).all()


def test_a_table_is_read_and_encoded_once_per_call(table_calls):
    imputer = small().fit(X)
    assert table_calls == {"read": 1, "encode": 1}
    for call in (imputer.transform, imputer.sample_imputations):
        table_calls.clear()
        call(X)
        assert table_calls == {"read": 1, "encode": 1}
