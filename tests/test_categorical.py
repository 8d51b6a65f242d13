"""Categorical columns: how they are named, read, learned and given back."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skdae import (
    GradualDAEClassifier,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)


def small(hidden_layer_sizes=(6, 3), *, max_iter=4, **parameters):
    return GradualDAETransformer(
        hidden_layer_sizes,
        max_iter=max_iter,
        random_state=0,
        **({"output": "code"} | parameters),
    )


N = 90
RNG = np.random.default_rng(0)
COLOURS = np.array(["red", "green", "blue"])[RNG.integers(0, 3, N)]
NUMBERS = RNG.normal(size=(N, 2))


def frame(values, dtype=None):
    """A number, a category and a number."""
    column = pd.Series(values, dtype=dtype)
    return pd.DataFrame({"x": NUMBERS[:, 0], "c": column, "y": NUMBERS[:, 1]})


FRAME = frame(COLOURS, "category")


# --- which columns are categorical ----------------------------------------------------


@pytest.mark.parametrize(
    "features",
    [
        [False, True, False],
        np.array([False, True, False]),
        [1],
        (1,),
        np.array([1]),
        ["c"],
        np.array(["c"], dtype=object),
        pd.Index(["c"]),
        "from_dtype",
    ],
    ids=repr,
)
def test_all_ways_to_name_columns_are_the_same(features):
    """Mask, indices, names and the dtype give the same model."""
    fitted = small(categorical_features=features).fit(FRAME)
    np.testing.assert_array_equal(
        fitted.table_encoder_.schema.is_categorical, [False, True, False]
    )
    expected = small(categorical_features=[1]).fit(FRAME).transform(FRAME)
    np.testing.assert_array_equal(fitted.transform(FRAME), expected)


@pytest.mark.parametrize("features", [[], [False, False, False], "from_dtype", None])
def test_no_categorical_columns(features):
    """Where none is named or typed so, the table is numbers."""
    table = pd.DataFrame(NUMBERS, columns=["x", "y"]).assign(z=1.0)
    fitted = small(categorical_features=features).fit(table)
    assert not fitted.table_encoder_.schema.is_categorical.any()
    np.testing.assert_array_equal(
        fitted.transform(table), small().fit(table).transform(table)
    )


def test_names_must_be_columns():
    """The unknown name and the known ones stand in the message."""
    with pytest.raises(ValueError, match=r"categorical_features.*'q'.*'x', 'c', 'y'"):
        small(categorical_features=["q"]).fit(FRAME)
    with pytest.raises(ValueError, match="no column names"):
        small(categorical_features=["x"]).fit(NUMBERS)


@pytest.mark.parametrize("kind", ["pandas", "polars", "Arrow"])
def test_columns_of_a_categorical_dtype_are_recognised(kind):
    """Without a parameter; numbers beside them are not."""
    table = frame(COLOURS, "category")
    if kind == "polars":
        table = pytest.importorskip("polars").from_pandas(table)
    if kind == "Arrow":
        pyarrow = pytest.importorskip("pyarrow")
        words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        table["c"] = table["c"].astype(str).astype(pd.ArrowDtype(words))
    fitted = small().fit(table)
    np.testing.assert_array_equal(fitted.table_encoder_.categorical, [1])
    named = small(categorical_features=["c"]).fit(table)
    np.testing.assert_array_equal(fitted.transform(table), named.transform(table))
    numbers = frame(np.arange(N), "category")
    as_numbers = small(categorical_features=None).fit(numbers)
    assert not len(as_numbers.table_encoder_.categorical)


@pytest.mark.parametrize("features", [None, ["x"], "from_dtype"])
@pytest.mark.parametrize("dtype", ["category", object, "string"])
def test_text_that_is_not_named_categorical(features, dtype):
    """The error names the columns of text and the remedy."""
    table = frame(COLOURS, dtype)
    if (features, dtype) == ("from_dtype", "category"):
        table["c"] = table["c"].astype(object)
    with pytest.raises(ValueError, match="text") as info:
        small(categorical_features=features).fit(table)
    assert "['c']" in str(info.value)
    assert "categorical_features" in str(info.value)
    assert "drop" in str(info.value)


def test_dates_are_refused_by_name():
    """A column of dates is named, not only its dtype."""
    table = FRAME[["x"]].assign(when=pd.date_range("2020-01-01", periods=N))
    with pytest.raises((ValueError, TypeError), match="when"):
        small().fit(table)


def test_text_in_an_array_names_the_remedy():
    """Also without column names."""
    table = np.column_stack([NUMBERS.astype(object), COLOURS])
    with pytest.raises(ValueError, match=r"text.*categorical_features"):
        small().fit(table)
    assert small(categorical_features=[2]).fit(table).n_features_in_ == 3


# --- which values are categories ------------------------------------------------------

HOLES = np.arange(N) % 5 == 0
KINDS = {
    "str": (COLOURS, None, ["blue", "green", "red"]),
    "object": (COLOURS, object, ["blue", "green", "red"]),
    "category": (COLOURS, "category", ["blue", "green", "red"]),
    "integers": (np.arange(N) % 3 + 5, None, [5, 6, 7]),
    "floats": (np.arange(N) % 3 + 0.5, None, [0.5, 1.5, 2.5]),
    "booleans": (np.arange(N) % 3 == 0, None, [False, True]),
    "constant": (["a"] * N, object, ["a"]),
    "floats with NaN": (
        np.where(HOLES, np.nan, np.arange(N) % 3),
        None,
        [0.0, 1.0, 2.0],
    ),
    "None": (np.where(HOLES, None, COLOURS), object, ["blue", "green", "red"]),
    "NaN": (
        np.where(HOLES, np.nan, COLOURS.astype(object)),
        object,
        ["blue", "green", "red"],
    ),
    "None and NaN": (
        [None if i % 5 == 0 else np.nan if i % 7 == 0 else c
         for i, c in enumerate(COLOURS)],
        object,
        ["blue", "green", "red"],
    ),
    "category with missing": (
        np.where(HOLES, None, COLOURS),
        "category",
        ["blue", "green", "red"],
    ),
    "string with missing": (
        np.where(HOLES, None, COLOURS),
        "string",
        ["blue", "green", "red"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", ["pandas", "array", "polars"])
def test_reconstruct_returns_categories(kind, container):
    """Every rebuilt value is one that was seen, and missing ones are filled."""
    values, dtype, categories = KINDS[kind]
    table = frame(values, dtype)
    if container == "array":
        table = table.astype(object).to_numpy()
    if container == "polars":
        polars = pytest.importorskip("polars")
        columns = {
            name: [None if pd.isna(cell) else cell for cell in table[name].tolist()]
            for name in table
        }
        table = polars.DataFrame(columns)
    fitted = small(categorical_features=[1]).fit(table)
    codes = fitted.transform(table)
    assert codes.shape == (N, 3)
    assert np.isfinite(codes).all()
    rebuilt = fitted.reconstruct(table)
    assert rebuilt.shape == (N, 3)
    assert set(rebuilt[:, 1]) <= set(categories)
    assert np.isfinite(rebuilt[:, [0, 2]].astype(float)).all()
    inverted = fitted.inverse_transform(codes)
    fitted.mixture_ = None  # so that it is the network that rebuilds
    assert (inverted == fitted.reconstruct(table)).all()
    assert np.isfinite(fitted.score(table))
    # a one-hot group has one feature per category, and none for the missing
    assert fitted.coefs_[0].shape[0] == 2 + len(categories)


def test_the_same_categories_in_any_container():
    """Strings, pandas and polars categories, objects: one model."""
    expected = small(categorical_features=[1]).fit(FRAME).transform(FRAME)
    polars = pytest.importorskip("polars")
    columns = {"x": NUMBERS[:, 0], "c": COLOURS.tolist(), "y": NUMBERS[:, 1]}
    levels = ["red", "green", "blue"]
    for dtype in (polars.String, polars.Categorical, polars.Enum(levels)):
        table = polars.DataFrame(columns, schema_overrides={"c": dtype})
        features = [1] if dtype is polars.String else "from_dtype"
        fitted = small(categorical_features=features).fit(table)
        np.testing.assert_array_equal(
            fitted.table_encoder_.schema.is_categorical, [False, True, False]
        )
        np.testing.assert_allclose(fitted.transform(table), expected)
    for table in (frame(COLOURS, object), frame(COLOURS), FRAME.to_numpy()):
        fitted = small(categorical_features=[1]).fit(table)
        np.testing.assert_allclose(fitted.transform(table), expected)
    as_list = FRAME.astype(object).to_numpy().tolist()
    fitted = small(categorical_features=[1]).fit(as_list)
    np.testing.assert_allclose(fitted.transform(as_list), expected)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames_come_back_when_asked_for(container):
    """With names, categories as values, numbers as floats; pandas with its index."""
    pytest.importorskip(container)
    table = FRAME.set_index(np.arange(N) + 1000)
    fitted = small(categorical_features="from_dtype").set_output(transform=container)
    fitted.fit(table)
    for rebuilt in (
        fitted.reconstruct(table),
        fitted.inverse_transform(fitted.transform(table)),
    ):
        assert type(rebuilt).__module__.startswith(container)
        assert list(rebuilt.columns) == ["x", "c", "y"]
        assert set(rebuilt["c"]) <= set(COLOURS)
        assert rebuilt["x"].dtype in ("float64", "Float64") or container == "polars"
        if container == "pandas":
            pd.testing.assert_index_equal(rebuilt.index, table.index)
    fitted.set_params(output="reconstruction")
    again = fitted.transform(table)
    assert list(again.columns) == ["x", "c", "y"]
    assert set(again["c"]) <= set(COLOURS)


def test_a_column_of_nothing_but_missing_categories():
    """A warning names it, it takes no part, and it stays missing."""
    table = frame([None] * N, object)
    fitted = small(categorical_features=["c"])
    with pytest.warns(UserWarning, match=r"\['c'\]"):
        fitted.fit(table)
    rebuilt = fitted.reconstruct(table)
    assert pd.isna(rebuilt[:, 1]).all()
    assert np.isfinite(rebuilt[:, [0, 2]].astype(float)).all()


def test_only_categorical_columns():
    """A table without a single number."""
    table = FRAME[["c"]]
    gaps = table.where(np.arange(N)[:, None] % 7 > 0)
    for rows in (table, gaps):
        fitted = small(categorical_features="from_dtype").fit(rows)
        rebuilt = fitted.reconstruct(rows)
        assert rebuilt.shape == (N, 1)
        assert set(rebuilt[:, 0]) <= set(COLOURS)
        assert np.isfinite(fitted.score(rows))


# --- rules ----------------------------------------------------------------------------


def test_an_unknown_category_counts_as_missing():
    """New categories and missing ones give the same code; both are filled."""
    fitted = small(categorical_features=["c"]).fit(frame(COLOURS, object))
    rows = frame(COLOURS, object)[:3]
    unknown, missing = rows.assign(c=["violet", "red", "x"]), rows.assign(c=None)
    missing.loc[1, "c"] = "red"
    codes = fitted.transform(unknown)
    np.testing.assert_array_equal(codes, fitted.transform(missing))
    np.testing.assert_array_equal(
        codes, fitted.transform(missing.assign(c=[np.nan, "red", np.nan]))
    )
    assert not np.array_equal(codes, fitted.transform(rows))
    assert set(fitted.reconstruct(unknown)[:, 1]) <= set(COLOURS)
    np.testing.assert_array_equal(
        fitted.score_samples(unknown), fitted.score_samples(missing)
    )


MACHINES = RNG.integers(1, 4, N)


def test_an_error_names_the_columns_of_text_only_beside_floats_of_arrow():
    pytest.importorskip("pyarrow")
    X = pd.DataFrame({"a": [1.0, 2.0], "s": ["x", "y"]})
    X = X.astype({"a": "double[pyarrow]"})
    with pytest.raises(ValueError, match=r"text or dates in the columns \['s'\]"):
        GradualDAETransformer(max_iter=2).fit(X)
    with pytest.raises(ValueError, match="minimum of 2 is required") as raised:
        GradualDAETransformer(max_iter=2).fit(X[["a"]][:1])
    assert "text" not in str(raised.value)


SAME = [float, "int32", object, "Int64", "category", "int64[pyarrow]", "float32"]
OTHERS = {
    "text": lambda column: column.astype(str),
    "categories of text": lambda column: column.astype(str).astype("category"),
    "text of floats": lambda column: column.astype(float).astype(str),
    "booleans": lambda column: column > 1,
    "new values": lambda column: column + 10,
    "text beside nothing": lambda column: column.astype(str).where(column > 1),
}


@pytest.mark.parametrize("dtype", SAME, ids=str)
def test_numbers_of_any_dtype_are_the_same_categories(dtype):
    """Nor is anything warned about."""
    table = frame(MACHINES)
    fitted = small(categorical_features=["c"]).fit(table)
    same = table.astype({"c": dtype})
    np.testing.assert_array_equal(fitted.transform(same), fitted.transform(table))
    one = same[:1]
    np.testing.assert_array_equal(fitted.transform(one), fitted.transform(table[:1]))


@pytest.mark.parametrize("n_rows", [1, N])
@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_column_of_other_values_than_in_fit_is_warned_of(change, n_rows):
    """Silently, its values would count as missing, or as others."""
    table = frame(MACHINES)
    table = table[table["c"] > 1].reset_index(drop=True)
    fitted = small(categorical_features=["c"]).fit(table)
    other = table.assign(c=change(table["c"]))[:n_rows]
    for method in (fitted.transform, fitted.score_samples, fitted.reconstruct):
        with pytest.warns(UserWarning, match="categorical column c of X holds"):
            method(other)


def test_numbers_where_fit_had_text_are_warned_of():
    table = frame(MACHINES)
    fitted = small(categorical_features=["c"]).fit(table.astype({"c": str}))
    with pytest.warns(UserWarning, match="numbers, and held text in fit"):
        codes = fitted.transform(table)
    missing = table.astype({"c": object}).assign(c=None)
    np.testing.assert_array_equal(codes, fitted.transform(missing))


def test_arrays_are_warned_of_by_the_number_of_the_column():
    table = np.column_stack([NUMBERS, MACHINES])
    fitted = small(categorical_features=[2]).fit(table)
    with pytest.warns(UserWarning, match="categorical column 2 of X holds no value"):
        fitted.transform(table + 10)


def test_infinity_beside_categories_is_refused():
    """The numbers of a mixed table are checked as those of any."""
    with pytest.raises(ValueError, match="infinity"):
        small(categorical_features=["c"]).fit(FRAME.assign(x=np.inf))


def test_text_in_a_numeric_column_beside_categories():
    """The error names that column only."""
    with pytest.raises(ValueError, match=r"text.*\['y'\].*categorical_features"):
        small(categorical_features=["c"]).fit(FRAME.assign(y="tall"))


def test_categories_are_learned_from_the_numbers_and_the_reverse():
    """A column that decides another one fills it where it is missing."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 400)
    number = 10.0 * kind + rng.normal(size=400)
    table = pd.DataFrame({"n": number, "c": np.array(["a", "b", "c"])[kind]})
    fitted = small(
        (16, 4), max_iter=150, categorical_features=["c"], learning_rate_init=0.01
    ).fit(table)
    hidden = fitted.reconstruct(table.assign(c=None))
    assert np.mean(hidden[:, 1] == table["c"]) > 0.9
    blank = fitted.reconstruct(table.assign(n=np.nan))
    assert np.corrcoef(blank[:, 0].astype(float), number)[0, 1] > 0.9
    assert fitted.score(table) > 0.5
    swapped = table.assign(c=np.roll(table["c"], 1))
    wrong = (swapped["c"] != table["c"]).to_numpy()
    lower = fitted.score_samples(swapped) < fitted.score_samples(table)
    assert lower[wrong].mean() > 0.95


@pytest.mark.parametrize("noise", ["masking", "swap", "gaussian", "salt_and_pepper"])
@pytest.mark.parametrize("schedule", ["gradual", "stacked"])
def test_mixed_tables_train_under_every_kind_of_noise(noise, schedule):
    """The loss goes down with one-hot groups in the input."""
    fitted = small(
        max_iter=40,
        noise=noise,
        schedule=schedule,
        categorical_features=["c"],
        learning_rate_init=0.01,
    ).fit(FRAME)
    assert fitted.loss_curve_[19] < fitted.loss_curve_[0]


def test_noise_rates_are_per_column_not_per_category():
    """One rate for each column of X, however many categories one has."""
    small(categorical_features=["c"], noise_rate=[0.1, 0.2, 0.3]).fit(FRAME)
    with pytest.raises(ValueError, match="3 columns"):
        small(categorical_features=["c"], noise_rate=[0.1] * 5).fit(FRAME)


def test_a_mixed_table_streams_and_pickles():
    """Categories of the first batch are kept."""
    import pickle

    stream = small(categorical_features=["c"], max_iter=2)
    for start in range(0, N, 30):
        stream.partial_fit(frame(COLOURS, object)[start : start + 30])
    stream.partial_fit(frame(COLOURS, object)[:5].assign(c=["violet", *"rrr", "red"]))
    saved = pickle.loads(pickle.dumps(stream))
    np.testing.assert_array_equal(saved.transform(FRAME), stream.transform(FRAME))
    assert list(stream.table_encoder_.schema.ordinal_encoder.categories_[0]) == [
        "blue",
        "green",
        "red",
    ]


# --- estimators with a transformer ----------------------------------------------------

LABELS = np.arange(N) % 2
ESTIMATORS = {
    "classifier": (GradualDAEClassifier, {"max_iter": 4}, "predict_proba"),
    "regressor": (GradualDAERegressor, {"max_iter": 4}, "predict"),
    "detector": (
        GradualDAEOutlierDetector,
        {"n_splits": 2, "contamination": 0.1},
        "score_samples",
    ),
    "imputer": (GradualDAEImputer, {"n_trees": 0}, "transform"),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("features", [["c"], "from_dtype", None])
def test_every_estimator_names_categorical_columns(name, features):
    """The parameter is that of the transformer, which it replaces."""
    make, parameters, method = ESTIMATORS[name]
    codes = frame(np.unique(COLOURS, return_inverse=True)[1].astype(float))
    table = codes.astype({"c": "category"}) if features == "from_dtype" else codes
    noise = {"noise": "random_masking", "max_iter": 4}

    def results(own, of_transformer):
        transformer = small(categorical_features=of_transformer, **noise)
        made = make(transformer, categorical_features=own, random_state=0, **parameters)
        holed = table.assign(x=table.x.where(np.arange(N) % 3 > 0))
        made.fit(table, LABELS)
        return np.asarray(getattr(made, method)(holed), dtype=float)

    np.testing.assert_array_equal(results(features, [0]), results("auto", features))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_text_is_read_by_every_estimator(name):
    """Columns of text are named without making a transformer."""
    make, parameters, method = ESTIMATORS[name]
    made = make(categorical_features=["c"], transformer=None, **parameters)
    made.set_params(transformer__max_iter=2, transformer__hidden_layer_sizes=(4, 2))
    assert get_tags(made).input_tags.string
    made.fit(frame(COLOURS), LABELS)
    assert len(getattr(made, method)(frame(COLOURS))) == N


@pytest.mark.parametrize("make", [GradualDAEClassifier, GradualDAERegressor])
def test_a_frozen_transformer_knows_its_categories(make):
    """It reads tables as in its own fit, and nothing else can be asked for."""
    frozen = FrozenEstimator(small(categorical_features=["c"]).fit(frame(COLOURS)))
    make(frozen, max_iter=2).fit(frame(COLOURS), LABELS)
    with pytest.raises(ValueError, match="must be 'auto' with a frozen transformer"):
        make(frozen, categorical_features=["c"]).fit(frame(COLOURS), LABELS)


def test_inputs_of_categories_have_names_of_their_own():
    """Beside a numeric column whose name ends like the number of a category."""
    numbers = np.random.default_rng(0).normal(size=100)
    table = pd.DataFrame({"a_0": numbers, "a": pd.Categorical(["p", "q"] * 50)})
    fitted = small(output="inputs_and_code").set_output(transform="pandas").fit(table)
    assert fitted.transform(table).columns.is_unique
