"""Missing values: natural in sensor tables, filled by what the others say."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skdae import (
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAETransformer,
)


def small(hidden_layer_sizes=(6, 3), *, max_iter=4, **parameters):
    return GradualDAETransformer(
        hidden_layer_sizes, max_iter=max_iter, random_state=0, **parameters
    )


def factors(n_rows, seed):
    """Eight noisy sensors that see two hidden quantities, in units of their own."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(2, 8))
    X = rng.normal(size=(n_rows, 2)) @ loadings
    return (X + 0.1 * rng.normal(size=X.shape)) * np.logspace(-2, 2, 8) + 5


def holes(X, rate=0.2, seed=0):
    return np.where(np.random.default_rng(seed).random(X.shape) < rate, np.nan, X)


FULL = factors(300, 0)
X = holes(FULL)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("schedule", ["gradual", "stacked", "hybrid"])
def test_every_cell_is_filled(scaling, schedule):
    """reconstruct and inverse_transform(transform(X)) hold no NaN."""
    fitted = small(scaling=scaling, schedule=schedule).fit(X)
    assert np.isfinite(fitted.transform(X)).all()
    rebuilt = fitted.reconstruct(X)
    assert np.isfinite(rebuilt).all()
    assert np.isfinite(fitted.inverse_transform(fitted.transform(X))).all()
    assert np.isfinite(fitted.loss_curve_).all()
    assert np.isfinite(fitted.score(X))


def test_filling_beats_the_mean_on_new_rows():
    """Hidden cells of rows never seen are known from the other sensors."""
    fitted = small((16, 2), max_iter=200, learning_rate_init=0.01).fit(X)
    test = factors(200, 1)
    hidden = np.isnan(holes(test, seed=2))
    filled = fitted.reconstruct(np.where(hidden, np.nan, test))
    scale = FULL.std(axis=0)
    by_model = (((filled - test) / scale) ** 2)[hidden].mean()
    by_mean = (((np.nanmean(X, axis=0) - test) / scale) ** 2)[hidden].mean()
    assert by_model < 0.5 * by_mean


def test_a_missing_cell_enters_as_the_centre_of_its_column():
    """As a masked one does: NaN and the scaling's zero give the same code."""
    fitted = small().fit(X)
    centre = fitted.table_encoder_.decode(np.zeros((1, 8)))[0]
    np.testing.assert_allclose(centre, np.nanmean(X, axis=0))
    at_centre = np.where(np.isnan(X), centre, X)
    np.testing.assert_allclose(fitted.transform(X), fitted.transform(at_centre))


def test_missing_cells_have_no_error():
    """The residual is 0 there, and the row's score is over its other cells."""
    fitted = small(output="error").fit(X)
    errors = fitted.transform(X)
    missing = np.isnan(X)
    assert (errors[missing] == 0).all()
    assert (errors[~missing] != 0).mean() > 0.99
    by_hand = -(errors**2).sum(axis=1) / (~missing).sum(axis=1)
    np.testing.assert_allclose(fitted.score_samples(X), by_hand)


def test_a_row_without_values_is_not_trained_on():
    """Adding such rows changes nothing; their code is that of the centres."""
    empty = np.full((5, 8), np.nan)
    fitted = small().fit(np.vstack([empty[:2], FULL, empty]))
    np.testing.assert_array_equal(
        fitted.transform(FULL), small().fit(FULL).transform(FULL)
    )
    codes = fitted.transform(empty)
    assert np.isfinite(codes).all()
    assert (codes == codes[0]).all()
    np.testing.assert_array_equal(fitted.score_samples(empty), -1)
    assert np.isfinite(fitted.reconstruct(empty)).all()


def test_a_column_without_values_takes_no_part():
    """A warning names it; it stays missing, and what comes in it later is not read."""
    dead = FULL.copy()
    dead[:, 2] = np.nan
    fitted = small(output="error")
    with pytest.warns(UserWarning, match=r"Columns \['2'\].*Drop them"):
        fitted.fit(dead)
    rebuilt = fitted.reconstruct(dead)
    assert np.isnan(rebuilt[:, 2]).all()
    assert np.isfinite(np.delete(rebuilt, 2, axis=1)).all()
    fitted.set_params(output="code")
    later = dead.copy()
    later[:, 2] = 1e6
    np.testing.assert_array_equal(fitted.transform(later), fitted.transform(dead))
    np.testing.assert_array_equal(
        fitted.score_samples(later), fitted.score_samples(dead)
    )
    assert fitted.score(later) == fitted.score(dead)


@pytest.mark.parametrize(
    "make",
    [
        GradualDAETransformer,
        GradualDAEImputer,
        lambda: GradualDAEOutlierDetector(false_alarm_rate=0.1),
    ],
    ids=["transformer", "imputer", "detector"],
)
def test_the_warning_points_at_the_code_of_the_user(make):
    """Through whatever layers it comes."""
    model = make()
    inner = {"max_iter": 2, "hidden_layer_sizes": 4}
    prefix = "" if isinstance(model, GradualDAETransformer) else "transformer__"
    model.set_params(**{prefix + name: value for name, value in inner.items()})
    table = FULL.copy()
    table[:, 3] = np.nan
    with pytest.warns(UserWarning, match="hold no value") as caught:
        model.fit(table)
    assert {each.filename for each in caught} == {__file__}


def test_the_warning_names_columns_of_a_frame():
    """By name where there are names."""
    frame = pd.DataFrame(FULL, columns=[f"s{i}" for i in range(8)]).assign(s4=np.nan)
    with pytest.warns(UserWarning, match=r"\['s4'\]"):
        small().fit(frame)


def test_columns_with_a_single_value_are_learned():
    """One observed cell is enough not to be warned about."""
    sparse = FULL.copy()
    sparse[1:, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rebuilt = small().fit(sparse).reconstruct(sparse)
    assert np.isfinite(rebuilt).all()


def test_missing_values_of_any_container():
    """NaN, None, pandas.NA and polars null are the same."""
    expected = small().fit(X).transform(X)
    objects = np.where(np.isnan(X), None, X)
    tables = [objects, objects.tolist()]
    tables.append(pd.DataFrame(X, columns=list("abcdefgh")).astype("Float64"))
    assert tables[-1].isna().to_numpy().any()
    for table in tables:
        fitted = small().fit(table)
        np.testing.assert_allclose(fitted.transform(table), expected)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(objects.tolist(), schema=list("abcdefgh"), orient="row")
    np.testing.assert_allclose(small().fit(frame).transform(frame), expected)


def test_missing_in_later_rows_only():
    """A table without holes in fit may have them in use, and the reverse."""
    fitted = small().fit(FULL)
    assert np.isfinite(fitted.transform(X)).all()
    assert np.isfinite(small().fit(X).transform(FULL)).all()


def test_a_stream_may_have_holes():
    """Also a batch of which nothing is known is no error after the first."""
    stream = small(max_iter=2)
    for batch in np.array_split(X, 6):
        stream.partial_fit(batch)
    assert np.isfinite(stream.transform(X)).all()
    assert stream.n_iter_ == 6


@pytest.mark.parametrize("dtype", [np.float32, np.float64, int, object])
def test_masked_cells_are_missing(dtype):
    """Whatever stands behind the mask."""
    table = np.round(np.nan_to_num(X) * 10)
    mask = np.isnan(X)
    masked = np.ma.masked_array(np.where(mask, 999, table).astype(dtype), mask=mask)
    expected = np.where(mask, np.nan, table)
    if dtype == np.float32:
        expected = expected.astype(dtype)
    fitted = small().fit(expected)
    codes = fitted.transform(expected)
    np.testing.assert_array_equal(fitted.transform(masked), codes)
    np.testing.assert_array_equal(small().fit(masked).transform(expected), codes)


def test_masked_weights_are_missing_ones():
    """Not the weights that stand behind the mask."""
    weights = np.ma.masked_array(np.ones(len(X)), mask=np.arange(len(X)) == 3)
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        small().fit(X, sample_weight=weights)
    plain = small().fit(X, sample_weight=np.ones(len(X)))
    unmasked = small().fit(X, sample_weight=weights.filled(1.0).view(np.ma.MaskedArray))
    np.testing.assert_array_equal(unmasked.transform(X), plain.transform(X))


def test_pandas_na_among_objects_is_missing():
    import pandas as pd

    objects = pd.DataFrame(np.where(np.isnan(X), pd.NA, X.astype(object)))
    before = objects.copy()
    plain = pd.DataFrame(X, columns=objects.columns)
    fitted = small().fit(plain)
    np.testing.assert_array_equal(fitted.transform(objects), fitted.transform(plain))
    pd.testing.assert_frame_equal(objects, before)
    for table in (objects.to_numpy(), objects.to_numpy().tolist()):
        codes = small().fit(table).transform(table)
        np.testing.assert_array_equal(codes, small().fit(X).transform(X))


def test_decimals_of_arrow_with_gaps_are_numbers():
    from decimal import Decimal

    arrow = pytest.importorskip("pyarrow")
    cells = [Decimal("1.5"), None, Decimal("-2.25")] * 100
    dtype = pd.ArrowDtype(arrow.decimal128(5, 2))
    table = pd.DataFrame(FULL).assign(d=pd.Series(cells, dtype=dtype))
    table.columns = table.columns.astype(str)
    plain = table.assign(d=[np.nan if cell is None else float(cell) for cell in cells])
    fitted = small().fit(table)
    np.testing.assert_array_equal(fitted.transform(table), fitted.transform(plain))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_series_is_not_a_table(library):
    series = pytest.importorskip(library).Series(FULL[:, 0])
    for model in (small(), small(categorical_features=[0])):
        with pytest.raises(ValueError, match=r"X is a Series.*to_frame"):
            model.fit(series)
    small().fit(series.to_frame("a"))


def test_tensors_are_tables():
    """A tensor, and batches of a data loader, are read as arrays are."""
    import torch

    fitted = small().fit(torch.tensor(X))
    codes = small().fit(X).transform(X)
    np.testing.assert_array_equal(fitted.transform(torch.tensor(X)), codes)
    loader = torch.utils.data.DataLoader(torch.tensor(X), batch_size=len(X))
    streamed = small().fit_stream(loader)
    of_arrays = small().fit_stream([X])
    np.testing.assert_array_equal(streamed.transform(X), of_arrays.transform(X))
