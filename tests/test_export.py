"""ONNX models give what the estimators give, on rows with missing cells."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdae
from skdae import (
    GradualDAEClassifier,
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae._outlier._scores import SCORES
from skdae._transformer._outputs import OUTPUTS
from skdae.datasets import make_sensor_data
from skdae.export import NotExportedError, register_converters
from skdae.timeseries import EWMA

pytest.importorskip("onnx", reason="needs onnx, of the extra 'onnx'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("skl2onnx", reason="needs skl2onnx, of the extra 'onnx'")

TOLERANCE = 1e-5  # of the spread of a column
SMALL = GradualDAETransformer((6, 3), max_iter=4, random_state=0)
DTYPES = ("float32", "float64")

wine = load_wine()
RNG = np.random.default_rng(0)


def _with_gaps(table, rate):
    table = table.copy()
    table[RNG.random(table.shape) < rate] = np.nan
    return table


ORDER = RNG.permutation(len(wine.data))
TABLE = _with_gaps(wine.data[ORDER], 0.05)
TABLE[:, 4] = np.rint(TABLE[:, 4] / 20)  # ties
CLASSES = np.array(["low", "mid", "high"])[wine.target[ORDER]]
FIT, NEW = slice(0, 120), slice(120, None)
FAR = TABLE[NEW].copy()  # beyond the range of fit, where tails are compressed
FAR[::3] *= 30
FAR[5] = np.nan


def frame(table):
    """The table with a column of text between its numbers."""
    modes = np.array(["on", "off", "idle", np.nan], dtype=object)
    columns = pd.DataFrame(table, columns=[f"c{j}" for j in range(table.shape[1])])
    numbers = np.nan_to_num(table[:, 0]).astype(int) % 4
    columns.insert(2, "mode", pd.Categorical(modes[numbers]))
    return columns.assign(kind=columns["mode"].map({"on": 2.0, "off": 7.0}))


def feeds(model, X):
    """Rows as the inputs of a model."""
    inputs = model.get_inputs()
    if isinstance(X, pd.DataFrame):
        X = X.astype({name: object for name in X if X[name].dtype == "category"})
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    if len(inputs) == 1:
        return {inputs[0].name: np.asarray(X, dtype=kinds[inputs[0].type])}
    return {
        each.name: X[[each.name]].fillna("").to_numpy(object)
        if each.type == "tensor(string)"
        else X[[each.name]].to_numpy(kinds[each.type])
        for each in inputs
    }


def run(estimator, X, example=None, **options):
    """Return the outputs of the exported model of an estimator."""
    proto = skdae.to_onnx(estimator, example, **options)
    model = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values = model.run(None, feeds(model, X))
    names = [each.name for each in model.get_outputs()]
    return dict(zip(names, values, strict=True))


def assert_close(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    expected = expected.reshape(found.shape)
    if expected.dtype.kind not in "fc":
        assert (found == expected).all()
        return
    assert (np.isnan(found) == np.isnan(expected)).all()
    spread = np.nanstd(expected, axis=0) + 1e-3 * np.nanmax(np.abs(expected), axis=0)
    difference = np.nan_to_num(np.abs(found - expected))
    assert (difference <= TOLERANCE * np.where(spread > 0, spread, 1)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_a_transformer_gives_the_same(scaling, dtype):
    estimator = clone(SMALL).set_params(scaling=scaling, activation="tanh")
    estimator.fit(TABLE[FIT])
    X = FAR.astype(dtype)
    for output in OUTPUTS:
        estimator.set_params(output=output)
        found = run(estimator, X, dtype=dtype)["transformed"]
        assert found.dtype == dtype
        assert_close(found, estimator.transform(X))


@pytest.mark.parametrize("activation", ["relu", "logistic", "identity"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_activations_and_losses_give_the_same(activation, loss):
    estimator = clone(SMALL).set_params(
        output="reconstruction", activation=activation, loss=loss, scaling="minmax"
    )
    estimator.fit(TABLE[FIT])
    found = run(estimator, FAR, dtype="float64")["transformed"]
    assert_close(found, estimator.transform(FAR))


@pytest.mark.parametrize("output", ["code", "error"])
def test_text_columns_are_inputs_of_their_own(output):
    estimator = clone(SMALL).set_params(output=output)
    estimator.set_params(categorical_features=["mode", "kind"])
    estimator.fit(frame(TABLE[FIT]))
    X = frame(FAR)
    X["mode"] = X["mode"].astype(object)
    X.loc[2, "mode"] = "unknown"
    found = run(estimator, X, dtype="float64")["transformed"]
    assert_close(found, estimator.transform(X))


def test_categories_that_are_numbers_are_part_of_the_matrix():
    X = np.column_stack([TABLE, np.nan_to_num(TABLE[:, 0]).astype(int) % 3])
    estimator = clone(SMALL).set_params(
        output="reconstruction", categorical_features=[X.shape[1] - 1]
    )
    estimator.fit(X[FIT])
    found = run(estimator, X[NEW], dtype="float64")["transformed"]
    assert_close(found, estimator.transform(X[NEW]).astype(float))


@pytest.mark.parametrize(
    ("scores", "calibration", "dtype"),
    [
        ("auto", "random", "float32"),
        ("auto", "blocked", "float64"),
        ("hidden_error", "random", "float64"),
        (tuple(sorted(SCORES)), "random", "float64"),
        (tuple(sorted(SCORES)), "blocked", "float32"),
    ],
)
def test_a_detector_gives_the_same(scores, calibration, dtype):
    estimator = GradualDAEOutlierDetector(
        SMALL,
        scores=scores,
        calibration=calibration,
        n_splits=2,
        random_state=0,
        false_alarm_rate=0.2,  # blocks are worth as few as seven rows
    ).fit(TABLE[FIT])
    X = np.delete(FAR, 5, axis=0).astype(dtype)
    found = run(estimator, X, dtype=dtype)
    assert_close(found["score_samples"], estimator.score_samples(X))
    assert_close(found["decision_function"], estimator.decision_function(X))
    assert_close(found["label"], estimator.predict(X))
    assert_close(found["contributions"], estimator.contributions(X))


@pytest.mark.filterwarnings("ignore:1 of the rows of X:UserWarning")
def test_a_detector_of_text_and_of_empty_rows_gives_the_same():
    estimator = GradualDAEOutlierDetector(
        SMALL, n_splits=2, random_state=0, false_alarm_rate=0.1
    ).fit(frame(TABLE[FIT]))
    X = frame(FAR)
    X.iloc[5] = np.nan
    found = run(estimator, X, dtype="float64")
    assert_close(found["score_samples"], estimator.score_samples(X))
    assert_close(found["contributions"], estimator.contributions(X))


def test_a_detector_with_smoothing_is_refused():
    estimator = GradualDAEOutlierDetector(
        SMALL, n_splits=2, random_state=0, smoothing=EWMA(0.2), contamination=0.1
    ).fit(TABLE[FIT])
    with pytest.raises(NotExportedError, match="smoothing=None"):
        skdae.to_onnx(estimator)


@pytest.mark.parametrize("n_bins", [0, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_classifier_gives_the_same(dtype, n_bins):
    estimator = GradualDAEClassifier(
        SMALL, n_bins=n_bins, max_iter=4, temperature_scaling=True, random_state=0
    ).fit(TABLE[FIT], CLASSES[FIT])
    X = FAR.astype(dtype)
    found = run(estimator, X, dtype=dtype)
    assert_close(found["label"], estimator.predict(X))
    assert_close(found["probabilities"], estimator.predict_proba(X))


@pytest.mark.parametrize(("n_outputs", "n_bins"), [(1, 0), (2, 0), (2, 4)])
def test_a_regressor_gives_the_same(n_outputs, n_bins):
    y = np.nan_to_num(TABLE[:, :n_outputs], nan=13.0)
    y = y[:, 0] if n_outputs == 1 else y
    estimator = GradualDAERegressor(SMALL, n_bins=n_bins, max_iter=4, random_state=0)
    estimator.fit(TABLE[FIT, 2:], y[FIT])
    X = FAR[:, 2:]
    found = run(estimator, X, dtype="float64")["prediction"]
    assert_close(found, estimator.predict(X))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("parameters", [{}, {"n_trees": 0}, {"add_indicator": True}])
def test_an_imputer_gives_the_same(parameters, dtype):
    estimator = GradualDAEImputer(SMALL, n_trees=3, order=None, random_state=0)
    estimator.set_params(**parameters).fit(TABLE[FIT])
    X = FAR.astype(dtype)
    found = run(estimator, X, dtype=dtype)["imputed"]
    expected = estimator.transform(X)
    assert_close(found, expected)
    known = ~np.isnan(X)
    assert (found[:, : X.shape[1]][known] == X[known]).all()


def test_an_imputer_fills_text():
    estimator = GradualDAEImputer(SMALL, n_trees=3, order=None, random_state=0)
    estimator.set_output(transform="pandas").fit(frame(TABLE[FIT]))
    X = frame(TABLE[NEW])
    found = run(estimator, X, dtype="float64")
    expected = estimator.transform(X)
    assert list(found) == [f"imputed_{name}" for name in X]
    for name in X:
        assert_close(found[f"imputed_{name}"], expected[[name]].to_numpy())


def test_a_denoiser_gives_the_same():
    estimator = GradualDAEDenoiser(
        clone(SMALL).set_params(noise="gaussian"), order=None, random_state=0
    ).fit(TABLE[FIT])
    found = run(estimator, FAR, dtype="float64")["denoised"]
    assert_close(found, estimator.transform(FAR))


@pytest.mark.parametrize("has_text", [False, True])
def test_a_mixture_of_the_network_with_the_linear_estimate_gives_the_same(has_text):
    """Tables of some hundred rows have one, which the denoiser applies."""
    plant = make_sensor_data(400, random_state=0)
    table = _with_gaps(plant.data, 0.05)
    table = frame(table) if has_text else table
    dae = clone(SMALL).set_params(noise="gaussian")
    estimator = GradualDAEDenoiser(dae, order=None, random_state=0).fit(table[:300])
    assert estimator.transformer_.mixture_ is not None
    found = run(estimator, table[300:], dtype="float64")
    expected = np.asarray(estimator.transform(table[300:]), dtype=object)
    for j, values in enumerate(found.values() if has_text else found["denoised"].T):
        numbers = values.dtype != object
        assert_close(
            values, expected[:, j].astype(float) if numbers else expected[:, j]
        )


RECORD = np.cumsum(RNG.normal(size=(240, 3)), axis=0)


@pytest.mark.parametrize(
    "estimator",
    [
        GradualDAEImputer(SMALL, n_trees=0, order="time", random_state=0),
        GradualDAEDenoiser(
            clone(SMALL).set_params(noise="gaussian"), order="time", random_state=0
        ),
    ],
)
def test_estimators_that_read_the_rows_around_are_refused(estimator):
    with pytest.raises(NotExportedError, match="order=None"):
        skdae.to_onnx(estimator.fit(RECORD))


def test_a_pipeline_is_one_model():
    pipeline = make_pipeline(
        GradualDAEImputer(SMALL, n_trees=2, order=None, random_state=0),
        StandardScaler(),
        clone(SMALL),
        LogisticRegression(),
    ).fit(TABLE[FIT], CLASSES[FIT])
    X = TABLE[NEW].astype(np.float32)
    found = run(pipeline, X)
    assert_close(found["label"], pipeline.predict(X))
    assert np.abs(found["probabilities"] - pipeline.predict_proba(X)).max() < 1e-5


def test_a_pipeline_may_end_in_an_estimator_of_this_package():
    classifier = GradualDAEClassifier(SMALL, max_iter=4, random_state=0)
    pipeline = make_pipeline(StandardScaler(), classifier)
    pipeline.fit(TABLE[FIT], CLASSES[FIT])
    found = run(pipeline, TABLE[NEW], dtype="float64")
    assert_close(found["label"], pipeline.predict(TABLE[NEW]))
    assert_close(found["probabilities"], pipeline.predict_proba(TABLE[NEW]))


def test_a_pipeline_may_end_in_a_detector():
    detector = GradualDAEOutlierDetector(
        SMALL, n_splits=2, random_state=0, false_alarm_rate=0.1
    )
    pipeline = make_pipeline(StandardScaler(), detector).fit(TABLE[FIT])
    found = run(pipeline, TABLE[NEW], dtype="float64")
    assert_close(found["label"], pipeline.predict(TABLE[NEW]))
    assert_close(found["scores"], pipeline.decision_function(TABLE[NEW]))
    nodes = [len(skdae.to_onnx(each).graph.node) for each in (pipeline, detector)]
    assert nodes[0] < nodes[1]  # without what only contributions need


def test_a_pipeline_of_named_columns_takes_them_from_rows():
    fitted, X = frame(TABLE[FIT]), frame(TABLE[NEW])
    columns = ColumnTransformer(
        [("some", SMALL, ["c0", "mode", "c3"]), ("others", SMALL, ["c1", "c2"])]
    )
    pipeline = make_pipeline(columns, LogisticRegression()).fit(fitted, CLASSES[FIT])
    found = run(pipeline, X, example=fitted)
    assert np.abs(found["probabilities"] - pipeline.predict_proba(X)).max() < 1e-5


def test_an_unfitted_estimator_and_a_wrong_dtype_are_refused():
    with pytest.raises(NotFittedError):
        skdae.to_onnx(SMALL)
    with pytest.raises(ValueError, match="dtype='int8' must be one of"):
        skdae.to_onnx(clone(SMALL).fit(TABLE[FIT]), dtype="int8")


def test_rows_are_refused_with_an_estimator_that_knows_its_inputs():
    with pytest.raises(ValueError, match="X must be None .* got ndarray; leave X out"):
        skdae.to_onnx(clone(SMALL).fit(TABLE[FIT]), TABLE[FIT])


def test_converters_can_be_registered_twice():
    register_converters()
    register_converters()
