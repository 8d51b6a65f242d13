"""The transformer inside scikit-learn: pipelines, searches, processes, frames."""

import pickle
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdae import GradualDAETransformer
from skdae.noise import ComposedNoise, GaussianNoise, MaskingNoise
from skdae.schedules import gradual, stacked

NAMES = ["flow", "level", "pressure", "heat", "speed"]
PREFIX = "gradualdaetransformer"


def small(
    hidden_layer_sizes=(6, 3),
    *,
    max_iter=4,
    random_state=0,
    output="code",
    **parameters,
):
    return GradualDAETransformer(
        hidden_layer_sizes,
        max_iter=max_iter,
        random_state=random_state,
        output=output,
        **parameters,
    )


def sensors(n_rows=100, n_columns=5, seed=0):
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(7).normal(size=(2, n_columns))
    hidden = rng.normal(size=(n_rows, 2))
    return hidden @ loadings + 0.1 * rng.normal(size=(n_rows, n_columns)), hidden


X, HIDDEN = sensors()
Y = (HIDDEN[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=NAMES, index=[f"row{i}" for i in range(len(X))])


# --- copies ---------------------------------------------------------------------------


def test_clone_copies_parameters_and_nothing_else():
    """Also those inside a noise object."""
    noise = ComposedNoise([("mask", MaskingNoise(0.1)), ("gauss", GaussianNoise(0.2))])
    fitted = small(noise=noise, schedule=stacked(2, 6)).fit(X)
    copy = clone(fitted)
    assert not hasattr(copy, "network_")
    assert copy.noise is not noise
    assert repr(copy.get_params()) == repr(fitted.get_params())
    np.testing.assert_array_equal(copy.fit(X).transform(X), fitted.transform(X))


@pytest.mark.parametrize(
    "copied",
    [
        deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    ],
    ids=["deepcopy", "pickle", "pickle protocol 2"],
)
@pytest.mark.parametrize("output", ["code", "code_and_error", "reconstruction"])
def test_copies_of_a_fitted_model_are_the_same_model(copied, output):
    """Codes, scores, attributes; and they can be trained on without the original."""
    fitted = small(output=output, early_stopping=True).fit(FRAME)
    before = fitted.transform(FRAME)
    other = copied(fitted)
    np.testing.assert_array_equal(other.transform(FRAME), before)
    assert other.score(FRAME) == fitted.score(FRAME)
    assert other.phases_ == fitted.phases_
    assert other.loss_curve_ == fitted.loss_curve_
    assert list(other.feature_names_in_) == NAMES
    other.partial_fit(FRAME)
    # few rows: a reconstruction may be the observed cells themselves
    assert not np.array_equal(other.coefs_[0], fitted.coefs_[0])
    np.testing.assert_array_equal(fitted.transform(FRAME), before)


def test_joblib_files(tmp_path):
    """joblib.dump and load, also memory-mapped, where weights are read-only."""
    fitted = small().fit(X)
    joblib.dump(fitted, tmp_path / "model.joblib")
    for mode in (None, "r"):
        loaded = joblib.load(tmp_path / "model.joblib", mmap_mode=mode)
        np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))


def test_set_params_reaches_everything():
    """Each parameter, and those of a noise object."""
    estimator = small(noise=GaussianNoise(0.1))
    estimator.set_params(noise__scale=0.7, hidden_layer_sizes=(4,), schedule="joint")
    assert estimator.noise.scale == 0.7
    assert estimator.fit(X).transform(X).shape == (len(X), 4)
    assert estimator.phases_[0].kind == "joint"


# --- processes ------------------------------------------------------------------------


def fit_and_encode(seed):
    """Codes of a model that is fitted where this runs."""
    return small(random_state=seed, max_iter=6).fit(X).transform(X)


def test_a_process_pool_gives_what_this_process_gives():
    """Fits and uses of models in loky workers are bit-identical."""
    serial = [fit_and_encode(seed) for seed in range(3)]
    pool = Parallel(n_jobs=2, backend="loky")
    for one, other in zip(
        serial, pool(delayed(fit_and_encode)(s) for s in range(3)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    fitted = small(random_state=0, max_iter=6).fit(X)
    for codes in pool(delayed(fitted.transform)(X) for _ in range(2)):
        np.testing.assert_array_equal(codes, serial[0])


# --- compositions ---------------------------------------------------------------------


def test_before_a_classifier():
    """In a pipeline, with labels along, weights routed and codes of use."""
    pipeline = make_pipeline(
        StandardScaler(),
        small((16, 8), max_iter=60, learning_rate_init=0.01),
        LogisticRegression(),
    )
    weights = np.ones(len(X))
    pipeline.fit(X, Y, gradualdaetransformer__sample_weight=weights)
    test, hidden = sensors(seed=1)
    assert pipeline.score(test, hidden[:, 0] > 0) > 0.8
    assert pipeline[:-1].transform(test).shape == (100, 8)
    assert cross_val_score(pipeline, X, Y, cv=2).mean() > 0.7


def test_before_an_isolation_forest():
    """Codes with the row's error, named, in a frame."""
    dae = small(output="code_and_error").set_output(transform="pandas")
    pipeline = Pipeline([("dae", dae), ("forest", IsolationForest(random_state=0))])
    assert pipeline.fit(FRAME).decision_function(FRAME).shape == (len(X),)
    assert list(pipeline["forest"].feature_names_in_) == [
        f"{PREFIX}0", f"{PREFIX}1", f"{PREFIX}2", f"{PREFIX}_error",
    ]  # fmt: skip


def test_a_pipeline_is_inverted():
    """Back through the codes and the steps before."""
    dae = small((8, 5)).set_params(validation_fraction=None)  # the network rebuilds
    pipeline = make_pipeline(StandardScaler(), dae).fit(X)
    back = pipeline.inverse_transform(pipeline.transform(X))
    step = pipeline[0]
    expected = step.inverse_transform(pipeline[1].reconstruct(step.transform(X)))
    np.testing.assert_allclose(back, expected)


def test_in_a_feature_union():
    """Beside others, with names of its own."""
    union = FeatureUnion(
        [
            ("code", small()),
            ("raw", FunctionTransformer(feature_names_out="one-to-one")),
        ]
    )
    values = union.fit_transform(FRAME)
    assert values.shape == (len(X), 3 + 5)
    assert list(union.get_feature_names_out())[2:4] == [
        f"code__{PREFIX}2",
        "raw__flow",
    ]


def test_in_a_column_transformer():
    """On some columns of a frame, out in pandas with the index kept."""
    columns = ColumnTransformer(
        [("dae", small(output="layers"), NAMES[:3]), ("raw", "passthrough", NAMES[3:])],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    table = columns.fit_transform(FRAME)
    assert table.shape == (len(X), 9 + 2)
    pd.testing.assert_index_equal(table.index, FRAME.index)
    assert list(table.columns[-2:]) == NAMES[3:]
    assert table.columns[0] == f"{PREFIX}_layer1_0"
    assert list(columns.named_transformers_["dae"].feature_names_in_) == NAMES[:3]


# --- searches -------------------------------------------------------------------------


def test_grid_search_in_two_processes():
    """Over noise rate, widths and schedule, without labels; serial gives the same."""
    grid = {
        "noise_rate": [0.1, 0.4],
        "hidden_layer_sizes": [(4,), (6, 3)],
        "schedule": ["gradual", "stacked"],
    }
    search = GridSearchCV(small(max_iter=20), grid, cv=2, n_jobs=2).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) == 6  # with one layer both schedules are the same
    assert search.best_score_ == scores.max()
    serial = GridSearchCV(small(max_iter=20), grid, cv=2).fit(X)
    np.testing.assert_array_equal(serial.cv_results_["mean_test_score"], scores)
    assert search.transform(X).shape[1] == search.best_params_["hidden_layer_sizes"][-1]


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (small(noise=MaskingNoise()), {"noise__rate": [0.0, 0.3]}),
        (small(noise=GaussianNoise()), {"noise__scale": [0.0, 1.0]}),
        (
            small(noise=ComposedNoise([("mask", MaskingNoise(0.1))])),
            {"noise__mask__rate": [0.0, 0.5]},
        ),
        (small(), {"noise": [MaskingNoise(0.2), GaussianNoise(0.3)]}),
        (small(), {"schedule": [gradual(2, 4), stacked(2, 4)]}),
    ],
    ids=lambda value: str(list(value)) if isinstance(value, dict) else "",
)
def test_searches_reach_objects(estimator, grid):
    """The parameters of noise objects, and schedules as data; candidates differ."""
    search = GridSearchCV(estimator.set_params(max_iter=10), grid, cv=2).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 2


def test_a_search_with_labels_in_a_pipeline():
    """The downstream task chooses the parameters of the transformer."""
    pipeline = Pipeline([("dae", small()), ("classify", LogisticRegression())])
    grid = {"dae__noise_rate": [0.1, 0.3], "dae__schedule": ["gradual", "joint"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)
    assert set(search.best_params_) == set(grid)


def test_a_search_over_the_noise_rate_does_not_choose_none():
    """Scored by the model's own loss, no noise would always win."""
    table, _ = sensors(300, 8)
    holes = np.random.default_rng(3).random(table.shape) < 0.15
    table = np.where(holes, np.nan, table)
    search = GridSearchCV(
        small((24,), max_iter=120, learning_rate_init=0.01, batch_size=32),
        {"noise_rate": [0.0, 0.15, 0.3]},
        cv=2,
    ).fit(table)
    assert search.best_params_["noise_rate"] > 0
    losses = [
        small((24,), max_iter=120, learning_rate_init=0.01, noise_rate=rate)
        .fit(table)
        .loss_curve_[-1]
        for rate in (0.0, 0.3)
    ]
    assert losses[0] < losses[1]  # the trap is there


# --- frames ---------------------------------------------------------------------------


def test_names_are_checked():
    """Another name, another order, no names: the error is scikit-learn's."""
    fitted = small().fit(FRAME)
    assert list(fitted.feature_names_in_) == NAMES
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- noise"):
        fitted.transform(FRAME.rename(columns={"flow": "noise"}))
    with pytest.raises(ValueError, match="same order"):
        fitted.transform(FRAME[NAMES[::-1]])
    with pytest.warns(UserWarning, match="valid feature names"):
        codes = fitted.transform(X)
    np.testing.assert_array_equal(codes, fitted.transform(FRAME))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize(
    "output",
    [
        "code",
        "inputs_and_code",
        "layers",
        "code_and_error",
        "reconstruction",
        "error",
    ],
)
def test_frames_in_and_out(kind, output):
    """set_output gives frames with the names of get_feature_names_out."""
    container = pytest.importorskip(kind)
    table = FRAME if kind == "pandas" else container.DataFrame(X, schema=NAMES)
    fitted = small(output=output).set_output(transform=kind).fit(table)
    plain = small(output=output).fit(X)
    values = fitted.transform(table)
    assert isinstance(values, container.DataFrame)
    assert list(values.columns) == list(fitted.get_feature_names_out())
    np.testing.assert_array_equal(values.to_numpy(), plain.transform(X))
    if kind == "pandas":
        pd.testing.assert_index_equal(values.index, FRAME.index)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tables_come_back_as_frames(kind, dtype):
    """inverse_transform and reconstruct: names, type, values; pandas' index."""
    container = pytest.importorskip(kind)
    table = FRAME.astype(dtype)
    if kind == "polars":
        table = container.DataFrame(X.astype(dtype), schema=NAMES)
    dae = small().set_params(validation_fraction=None)  # the network rebuilds
    expected = clone(dae).fit(X.astype(dtype)).reconstruct(X.astype(dtype))
    fitted = dae.set_output(transform=kind).fit(table)
    codes = fitted.transform(table)
    for rebuilt in (
        fitted.reconstruct(table),
        fitted.inverse_transform(codes),
        fitted.inverse_transform(codes.to_numpy()),
    ):
        assert isinstance(rebuilt, container.DataFrame)
        assert list(rebuilt.columns) == NAMES
        np.testing.assert_array_equal(rebuilt.to_numpy(), expected)
        assert rebuilt.to_numpy().dtype == dtype
    if kind == "pandas":
        for rebuilt in (fitted.reconstruct(table), fitted.inverse_transform(codes)):
            pd.testing.assert_index_equal(rebuilt.index, FRAME.index)


def test_frames_of_one_kind_in_and_another_out():
    """What comes out is what was asked for, not what came in."""
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(X, schema=NAMES)
    assert isinstance(small().fit(table).transform(table), np.ndarray)
    fitted = small().set_output(transform="pandas").fit(table)
    assert isinstance(fitted.reconstruct(table), pd.DataFrame)
    assert isinstance(fitted.transform(table), pd.DataFrame)
    np.testing.assert_array_equal(
        fitted.transform(FRAME).to_numpy(), small().fit(X).transform(X)
    )


def test_nullable_and_integer_frames():
    """pandas' own number types are numbers; their missing value is missing."""
    table = pd.DataFrame(
        {
            "a": pd.array([1, None, 3, 4] * 5, dtype="Int64"),
            "b": pd.array([1.5, 2.5, None, 0.5] * 5, dtype="Float64"),
            "c": [True, False] * 10,
            "d": np.arange(20),
        }
    )
    fitted = small().fit(table)
    rebuilt = fitted.reconstruct(table)
    assert rebuilt.dtype == np.float64
    assert np.isfinite(rebuilt).all()
