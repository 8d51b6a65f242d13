"""The learned encoding of columns, without any network."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skdae._table.encoder import TableEncoder
from skdae._table.scaling import SCALINGS
from skdae._table.schema import Schema

ALL = pytest.mark.parametrize("scaling", SCALINGS)


def fitted(X, scaling="standard", *, weights=None, index=None):
    """Columns learned from all rows of a numeric table."""
    schema = Schema(
        np.zeros(X.shape[1], dtype=bool), None, tuple(map(str, range(X.shape[1])))
    )
    index = np.arange(len(X)) if index is None else index
    return TableEncoder.fit(schema, X, index, weights, scaling=scaling)


def heavy_tailed(dtype=np.float64):
    """Tame, Cauchy, one outlier, half zeros, log-normal and far-off columns."""
    rng = np.random.default_rng(0)
    n = 400
    outlier = rng.normal(size=n)
    outlier[17] = 1e9
    return np.column_stack(
        [
            rng.normal(size=n),
            rng.standard_cauchy(n),
            outlier,
            np.where(rng.random(n) < 0.5, 0, rng.exponential(size=n)),
            rng.lognormal(0, 3, n),
            rng.normal(-1e6, 1e-2, n),
        ]
    ).astype(dtype)


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_heavy_tails_are_encoded_finitely_and_come_back(scaling, dtype):
    """Cauchy values and an outlier of 1e9 survive the round trip."""
    X = heavy_tailed(dtype)
    before = X.copy()
    columns = fitted(X, scaling)
    Z, observed = columns.encode(X)
    assert observed is None
    assert Z.dtype == dtype
    assert np.isfinite(Z).all()
    back = columns.decode(Z)
    assert back.dtype == np.float64
    if dtype == np.float64:
        np.testing.assert_allclose(back, X, rtol=1e-9, atol=1e-6)
    # float32 has too few steps for 1e9 beside 1, but no value loses its place
    again, _ = columns.encode(back)
    np.testing.assert_allclose(again, Z, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_outliers_do_not_squeeze_the_rest(scaling):
    """The bulk of every column keeps a spread of about one, the outlier stays small."""
    Z, _ = fitted(heavy_tailed(), scaling).encode(heavy_tailed())
    inner = np.percentile(Z, [10, 90], axis=0)
    spread = inner[1] - inner[0]
    assert (spread[[0, 2, 5]] > 1.5).all()  # 2.56 for a normal column
    assert np.abs(Z).max() < 40


def test_standard_scaling_is_that_of_the_mean_and_deviation():
    """Where no value lies far out, in any number of blocks, with NaN left out."""
    rng = np.random.default_rng(0)
    X = rng.normal([5, -3], [2, 0.1], size=(10_000, 2))
    X[::5, 1] = np.nan
    Z, observed = fitted(X).encode(X)
    np.testing.assert_allclose(Z[:, 0], (X[:, 0] - X[:, 0].mean()) / X[:, 0].std())
    np.testing.assert_array_equal(observed, ~np.isnan(X))
    assert (Z[::5, 1] == 0).all()
    known = Z[~np.isnan(X[:, 1]), 1]
    assert known.mean() == pytest.approx(0, abs=1e-9)
    assert known.std() == pytest.approx(1)


def test_tails_are_monotone_and_continuous():
    """Order is kept across the point from where the tails are compressed."""
    rng = np.random.default_rng(0)
    columns = fitted(rng.normal(size=(1000, 1)))
    X = np.linspace(-50, 50, 20_001)[:, None]
    Z = columns.encode(X)[0]
    steps = np.diff(Z[:, 0])
    assert (steps > 0).all()
    assert steps.max() < 1.5 * (X[1, 0] - X[0, 0])
    assert steps[0] < steps.max() / 10


@ALL
def test_minmax_is_the_unit_interval_and_others_keep_order(scaling):
    """Every scaling is monotone; minmax ends at 0 and 1; None changes nothing."""
    X = heavy_tailed()
    Z, _ = fitted(X, scaling).encode(X)
    for column in range(X.shape[1]):
        order = np.argsort(X[:, column], kind="stable")
        assert (np.diff(Z[order, column]) >= 0).all()
    if scaling == "minmax":
        np.testing.assert_allclose(Z.min(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(Z.max(axis=0), 1)
    if scaling is None:
        np.testing.assert_array_equal(Z, X)


@ALL
@pytest.mark.parametrize("value", [0.0, 3.25, -1e6, 1e-30, 0.1])
def test_constant_columns_are_centred_only(scaling, value):
    """They are known as constant, encode to finite numbers and come back exactly."""
    X = np.column_stack([np.full(50, value), np.arange(50.0)])
    columns = fitted(X, scaling)
    np.testing.assert_array_equal(columns.is_constant, [True, False])
    Z, _ = columns.encode(X)
    if scaling is not None:
        np.testing.assert_allclose(Z[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(columns.decode(Z)[:, 0], value, rtol=1e-12)
    # a value that was not there in fit is seen, in the user's units
    other = columns.encode(X + [2, 0])[0]
    assert np.isfinite(other).all()
    assert (other[:, 0] > Z[:, 0]).all()


@ALL
def test_timestamps_keep_their_seconds(scaling):
    """Neither a large offset nor its square costs the digits that matter."""
    rng = np.random.default_rng(0)
    stamps = 1.7e9 + np.sort(rng.integers(0, 86_400, 500))
    X = np.column_stack([stamps, rng.normal(size=500)]).astype(np.float64)
    columns = fitted(X, scaling)
    assert not columns.is_constant.any()
    Z, _ = columns.encode(X)
    np.testing.assert_allclose(columns.decode(Z)[:, 0], stamps, atol=0.01, rtol=0)
    if scaling == "standard":
        assert Z[:, 0].std() == pytest.approx(1, rel=1e-6)


@ALL
def test_columns_without_a_value_stay_unknown(scaling):
    """They encode to 0 and unobserved, whatever later rows hold, and decode to NaN."""
    X = np.column_stack([np.full(30, np.nan), np.arange(30.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        columns = fitted(X, scaling)
    np.testing.assert_array_equal(columns.has_values, [False, True])
    Z, observed = columns.encode(X)
    assert (Z[:, 0] == 0).all()
    assert not observed[:, 0].any()
    assert np.isnan(columns.decode(Z)[:, 0]).all()
    later = X.copy()
    later[:, 0] = 7.0
    Z_later, observed_later = columns.encode(later)
    np.testing.assert_array_equal(Z_later, Z)
    assert observed_later is not None
    assert not observed_later[:, 0].any()


@ALL
def test_only_the_given_rows_are_learned_from(scaling):
    """Rows outside the index change nothing."""
    X = np.random.default_rng(0).normal(size=(200, 3))
    wild = X.copy()
    wild[150:] = 1e6
    index = np.arange(150)
    a, b = (fitted(table, scaling, index=index) for table in (X, wild))
    np.testing.assert_array_equal(a.encode(X)[0], b.encode(X)[0])
    np.testing.assert_array_equal(a.layout.high, b.layout.high)


def test_weights_count_in_the_scale():
    """A weight of three is the row three times."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    weights = 1.0 + np.arange(60) % 3
    weighted = fitted(X, weights=weights).encode(X)[0]
    index = np.repeat(np.arange(60), weights.astype(int))
    np.testing.assert_allclose(weighted, fitted(X, index=index).encode(X)[0])


@ALL
def test_layout_says_the_spread_and_range_of_the_encoded_columns(scaling):
    """What noises read of the training data is what it is."""
    X = np.random.default_rng(0).normal([0, 100], [1, 7], size=(300, 2))
    columns = fitted(X, scaling)
    Z, _ = columns.encode(X)
    layout = columns.layout
    # of normal scores it is 1, whatever the end points of few rows make of it
    rtol = 0.1 if scaling == "quantile" else 1e-7
    np.testing.assert_allclose(layout.scale, Z.std(axis=0), rtol=rtol)
    np.testing.assert_allclose(layout.low, Z.min(axis=0))
    np.testing.assert_allclose(layout.high, Z.max(axis=0))
    assert layout.numeric.all()


@ALL
def test_layout_of_constant_and_unknown_columns_has_no_spread(scaling):
    """So that a noise scaled by it leaves them alone."""
    X = np.column_stack([np.full(40, 3.0), np.full(40, np.nan), np.arange(40.0)])
    scale = fitted(X, scaling).layout.scale
    np.testing.assert_array_equal(scale > 0, [False, False, True])


@ALL
def test_residuals_are_in_standard_deviations(scaling):
    """Whatever the scaling: one deviation off is a residual of one."""
    X = np.random.default_rng(0).normal([0, 100], [1, 7], size=(300, 2))
    columns = fitted(X, scaling)
    rebuilt = columns.encode(X)[0]
    shifted = X + 0.5 * X.std(axis=0)
    missing = shifted.copy()
    missing[4, 1] = np.nan
    residuals = columns.residuals(missing, rebuilt)
    assert np.isnan(residuals[4, 1])
    assert np.isnan(residuals).sum() == 1
    np.testing.assert_allclose(np.delete(residuals, 4, axis=0), 0.5, rtol=0.05)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    X=st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
            elements=st.one_of(
                st.floats(-1e3, 1e3, width=32),
                st.floats(-(2.0**40), 2.0**40, width=32),
                st.just(np.nan),
            ),
        )
    ),
    scaling=st.sampled_from(list(SCALINGS)),
)
def test_any_table_makes_the_round_trip(X, scaling):
    """Observed values come back; missing ones are finite; types are kept."""
    columns = fitted(X, scaling)
    Z, observed = columns.encode(X)
    assert Z.dtype == X.dtype
    assert np.isfinite(Z).all()
    seen = ~np.isnan(X)
    np.testing.assert_array_equal(seen, True if observed is None else observed)
    back = columns.decode(Z)
    assert np.isfinite(back[:, columns.has_values]).all()
    assert np.isnan(back[:, ~columns.has_values]).all()
    # to the steps that the type has at the largest value of the column
    widest = np.nan_to_num(np.abs(X)).max(axis=0)
    step = 1e-5 if X.dtype == np.float32 else 1e-9
    assert np.all((np.abs(back - X) <= step * widest + 1e-7)[seen])


def test_what_is_rebuilt_in_a_tail_stays_within_the_range_of_fit():
    """The way out of a tail is exponential: an overshoot must not become huge."""
    raw = np.concatenate([np.random.default_rng(0).normal(size=300), [40.0]])[:, None]
    columns = fitted(raw)
    top = columns.layout.high
    assert top[0] > columns.scaler.tail_start
    rebuilt = columns.decode(np.array([[top[0]], [top[0] + 3], [-30.0], [1.0]]))
    np.testing.assert_allclose(rebuilt[:2], 40)
    scaler = columns.scaler
    np.testing.assert_allclose(rebuilt[2], scaler.center - 5 * scaler.scale)
    np.testing.assert_allclose(rebuilt[3], scaler.center + scaler.scale)


def test_a_column_may_be_missing_throughout_many_rows_in_a_row():
    raw = np.random.default_rng(0).normal(size=(9000, 3))
    raw[5000:, 0] = np.nan
    columns = fitted(raw)
    np.testing.assert_allclose(columns.scaler.center[0], raw[:5000, 0].mean())
    np.testing.assert_allclose(columns.scaler.scale[0], raw[:5000, 0].std())


def test_a_column_of_ties_has_a_standard_deviation_of_one_after_quantile_scaling():
    rng = np.random.default_rng(0)
    half = np.where(rng.random(500) < 0.5, 0, rng.exponential(size=500))
    raw = np.column_stack([rng.random(500) < 0.3, half, rng.normal(size=500)])
    columns = fitted(raw.astype(float), "quantile")
    Z, _ = columns.encode(raw.astype(float))
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(Z.std(axis=0), columns.layout.scale)
    np.testing.assert_allclose(columns.decode(Z), raw, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e5])
def test_a_constant_column_is_measured_by_its_own_size(unit):
    """Whatever the unit, twice the value is off by one."""
    columns = fitted(np.full((50, 1), 3.0) * unit)
    residuals = columns.residuals(np.array([[6.0], [3.0]]) * unit, np.zeros((2, 1)))
    np.testing.assert_allclose(residuals, [[1], [0]], atol=1e-12)


# --- values near the limits of a type -------------------------------------------------


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_values_of_a_type_are_observed(scaling, dtype):
    """They are neither missing nor infinite, and the order of values is kept."""
    X = 0.5 + 0.01 * np.random.default_rng(0).normal(size=(200, 2))
    columns = fitted(X, scaling)
    largest = np.finfo(dtype).max
    rows = np.array([[0.5, v] for v in (-largest, 0.4, 0.6, largest)], dtype=dtype)
    Z, observed = columns.encode(rows)
    assert observed is None
    assert np.isfinite(Z).all()
    assert (np.diff(Z[:, 1]) >= 0).all()
    with np.errstate(over="raise", invalid="raise"):
        errors = columns.residuals(rows, Z)
    assert np.isfinite(errors).all()
    wide = columns.encode(rows.astype(np.float64))[0]
    np.testing.assert_allclose(Z, wide, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test_the_unit_of_a_column_does_not_matter(scaling, unit):
    """Picofarads are encoded as farads are."""
    X = np.random.default_rng(0).normal(size=(300, 2))
    one, small = fitted(X, scaling), fitted(X * unit, scaling)
    encoded = small.encode(X * unit)[0]
    np.testing.assert_allclose(encoded, one.encode(X)[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(small.decode(encoded), X * unit, rtol=1e-6)


def test_ties_of_float64_are_ties_in_float32():
    """A saturated sensor, fitted in float64 and served in float32."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            np.minimum(0.1 * rng.normal(size=300), 0.1),
            np.where(rng.random(300) < 0.5, 0.7, 2 / 3),
        ]
    )
    columns = fitted(X, "quantile")
    rounded = X.astype(np.float32)
    Z = columns.encode(rounded)[0]
    np.testing.assert_allclose(Z, columns.encode(X)[0], atol=1e-3)
    np.testing.assert_allclose(columns.decode(Z), X, atol=1e-3)


@pytest.mark.parametrize("value", [1e200, np.finfo(float).max, -np.finfo(float).max])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_an_error_names_the_cell_that_is_too_large(scaling, value):
    """Where more than outliers are, which the tails hold."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[7:14, 2] = value
    with pytest.raises(ValueError, match=r"in row \d+ of column 2") as info:
        fitted(X, scaling)
    row = int(str(info.value).split("in row ")[1].split()[0])
    assert X[row, 2] == value
    X[7:14, 2] = np.nan
    fitted(X, scaling)
