"""Model files: what is loaded equals what was saved, and a damaged file is refused."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
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
    noise,
    schedules,
)
from skdae._core.monitor import PhaseRecord
from skdae.persistence import (
    ModelFileError,
    _classes,
    _files,
    _packing,
    read_manifest,
)
from skdae.schedules import Frozen, Gradual, Hybrid, Stacked
from skdae.timeseries import EWMA, SlidingWindow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)) @ RNG.normal(size=(3, 5)) + 0.1 * RNG.normal(
    size=(120, 5)
)
Y = np.where(X[:, 0] > 0, "high", "low")
FRAME = pd.DataFrame(X, columns=list("abcde")).assign(
    mode=pd.Categorical(np.where(X[:, 1] > 0, "on", "off"))
)
GAPS = FRAME.copy()
GAPS.iloc[::7, 1] = np.nan
GAPS.iloc[::9, 5] = np.nan
RECORD = np.cumsum(RNG.normal(size=(240, 3)), axis=0)  # rows in time order
RECORD[::7, 1] = np.nan
SMALL = GradualDAETransformer((4, 2), max_iter=4, random_state=0)
METHODS = (
    "transform",
    "reconstruct",
    "score_samples",
    "decision_function",
    "predict",
    "predict_proba",
    "p_values",
)
# name: estimator, table, target
MODELS = {
    "transformer": (SMALL, GAPS, None),
    "quantile": (clone(SMALL).set_params(scaling="quantile"), X, None),
    "noise": (
        clone(SMALL).set_params(
            noise=noise.ComposedNoise(
                [("stuck", noise.StuckNoise()), ("spike", noise.SpikeNoise())]
            ),
            schedule=schedules.Hybrid(stacked_fraction=0.3),
            random_state=np.random.RandomState(3),
        ),
        X,
        None,
    ),
    "detector": (GradualDAEOutlierDetector(SMALL, random_state=0), GAPS, None),
    "distance": (
        GradualDAEOutlierDetector(
            scores="distance", contamination=0.1, smoothing=EWMA(0.2), random_state=0
        ),
        X,
        None,
    ),
    "imputer": (
        GradualDAEImputer(SMALL, n_trees=3, random_state=0),
        GAPS,
        None,
    ),
    "imputer in time": (
        GradualDAEImputer(SMALL, n_trees=2, order="time", random_state=0),
        RECORD,
        None,
    ),
    "denoiser in time": (
        GradualDAEDenoiser(
            clone(SMALL).set_params(noise="gaussian"), order="time", random_state=0
        ),
        RECORD,
        None,
    ),
    "classifier": (
        GradualDAEClassifier(SMALL, max_iter=4, random_state=0),
        FRAME,
        Y,
    ),
    "regressor": (
        GradualDAERegressor(SMALL, max_iter=4, random_state=0),
        FRAME,
        X[:, :2],
    ),
    "pipeline": (
        make_pipeline(SMALL, IsolationForest(n_estimators=3, random_state=0)),
        FRAME,
        None,
    ),
    "columns": (
        make_pipeline(
            ColumnTransformer([("a", SMALL, ["a", "b"]), ("b", "passthrough", ["c"])]),
            StandardScaler(),
            LogisticRegression(),
        ),
        FRAME,
        Y,
    ),
    "windows": (make_pipeline(SlidingWindow(3), SMALL), X, None),
    "boosting": (
        make_pipeline(SMALL, HistGradientBoostingClassifier(max_iter=3)),
        FRAME,
        Y,
    ),
    "forest": (
        make_pipeline(SMALL, RandomForestRegressor(3, random_state=0)),
        FRAME,
        X[:, 0],
    ),
    "neighbours": (make_pipeline(SMALL, KNeighborsClassifier(3)), FRAME, Y),
}


def results(estimator, table):
    return {
        name: np.asarray(getattr(estimator, name)(table), dtype=object)
        for name in METHODS
        if hasattr(estimator, name)
    }


def without_addresses(estimator):
    return re.sub(r" at 0x\w+", "", repr(estimator))


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        pd.testing.assert_frame_equal(
            pd.DataFrame(first[name]), pd.DataFrame(second[name]), check_exact=True
        )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each model, fitted once, and its file."""
    folder = tmp_path_factory.mktemp("models")

    def fit_and_save(name):
        if name == "boosting" and np.lib.NumpyVersion(np.__version__) < "1.25.0":
            pytest.skip("skops reads the seed of a generator, which numpy 1.25 brought")
        path = folder / f"{name}.skdae"
        if name not in done:
            estimator, table, y = copy.deepcopy(MODELS[name])
            done[name] = estimator.fit(table, y), table
            skdae.save(done[name][0], path)
        return *done[name], path

    done = {}
    return fit_and_save


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_gives_the_same_results_to_the_bit(saved, name):
    estimator, table, path = saved(name)
    loaded = skdae.load(path)
    assert_same(results(estimator, table), results(loaded, table))
    assert without_addresses(loaded) == without_addresses(estimator)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("imputer in time", "time_model_"), ("denoiser in time", "time_denoiser_")],
)
def test_models_of_the_rows_around_are_saved_too(saved, name, attribute):
    estimator, _, path = saved(name)
    assert getattr(estimator, attribute) is not None
    assert type(getattr(skdae.load(path), attribute)) is type(
        getattr(estimator, attribute)
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_fitted_again_alike(saved, name):
    estimator, table, path = saved(name)
    y = MODELS[name][2]
    again = clone(estimator).fit(table, y)
    loaded = clone(skdae.load(path)).fit(table, y)
    assert_same(results(again, table), results(loaded, table))


def test_an_estimator_that_is_not_fitted_is_saved_too(tmp_path):
    skdae.save(SMALL, tmp_path / "m")
    assert repr(skdae.load(tmp_path / "m")) == repr(SMALL)
    assert not hasattr(skdae.load(tmp_path / "m"), "network_")


@pytest.mark.parametrize(
    "estimator",
    [clone(SMALL), GradualDAEClassifier(SMALL, max_iter=3, random_state=0)],
)
def test_training_goes_on_after_loading_as_if_nothing_had_happened(tmp_path, estimator):
    is_classifier = isinstance(estimator, GradualDAEClassifier)
    first = {"classes": ["high", "low"]} if is_classifier else {}
    estimator.partial_fit(X, Y, **first)
    skdae.save(estimator, tmp_path / "m")
    loaded = skdae.load(tmp_path / "m")
    for _ in range(2):
        estimator.partial_fit(X, Y)
        loaded.partial_fit(X, Y)
    assert_same(results(estimator, X), results(loaded, X))


def test_a_frozen_transformer_stays_the_one_of_its_classifier(tmp_path):
    frozen = FrozenEstimator(clone(SMALL).fit(X))
    classifier = GradualDAEClassifier(frozen, max_iter=3, random_state=0).fit(X, Y)
    skdae.save(classifier, tmp_path / "m")
    assert_same(results(classifier, X), results(skdae.load(tmp_path / "m"), X))


def test_an_array_in_two_places_is_written_once_and_stays_one(tmp_path):
    rows = np.arange(20_000.0)
    pipeline = make_pipeline(StandardScaler(), clone(SMALL))
    pipeline.first = pipeline.second = rows
    skdae.save(pipeline, tmp_path / "m")
    loaded = skdae.load(tmp_path / "m")
    assert loaded.first is loaded.second
    assert (loaded.first == rows).all()
    assert (tmp_path / "m").stat().st_size < 1.5 * rows.nbytes


@pytest.mark.parametrize(
    "value",
    [
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([], dtype=np.float32),
        np.zeros((2, 0, 3)),
        np.array([1.5, -2], dtype=np.float16),
        np.array([True, False]),
        np.arange(3, dtype=np.uint8),
        np.array(3.5),
        np.array(["a", None, 2, np.nan, (1, "b")], dtype=object),
        np.array(["2026-01-01", "NaT"], dtype="datetime64[ns]"),
        np.array(["é", "long text"]),
        np.float32("nan"),
        np.int16(-3),
        -np.inf,
        2**200,
        (1, [2, (3,)], {"a": {4: slice(1, None, 2)}}),
        pd.NA,
        pd.Timestamp("2026-03-29 01:30", tz="UTC"),
        np.dtype("<f4"),
        np.float64,
        {"b"},
        schedules.Gradual(lower_layer_rate=0.5),
        PhaseRecord("joint", 2, (1.0,), "input", 3, 4, 0.5, 0.1, None),
    ],
    ids=repr,
)
def test_values_keep_their_type(tmp_path, value):
    estimator = clone(SMALL)
    estimator.value_ = value
    skdae.save(estimator, tmp_path / "m")
    loaded = skdae.load(tmp_path / "m").value_
    assert type(loaded) is type(value)
    if isinstance(value, np.ndarray):
        assert loaded.dtype == value.dtype
        assert loaded.flags.c_contiguous == value.flags.c_contiguous
        assert loaded.shape == value.shape
        assert loaded.flags.writeable
        assert repr(loaded.tolist()) == repr(value.tolist())
    else:
        assert loaded is value or repr(loaded) == repr(value)


@pytest.mark.parametrize("value", [print, lambda: 0, object(), {"a": open}])
def test_what_is_no_data_is_refused_by_name_and_nothing_is_written(tmp_path, value):
    estimator = clone(SMALL)
    estimator.value_ = value
    with pytest.raises(TypeError, match=r"GradualDAETransformer\.value_"):
        skdae.save(estimator, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_other_objects_are_refused(tmp_path):
    with pytest.raises(TypeError, match="estimator must be an estimator of skdae"):
        skdae.save({"a": 1}, tmp_path / "m")
    with pytest.raises(TypeError, match="metadata must be a JSON value"):
        skdae.save(SMALL, tmp_path / "m", metadata={"a": object()})


def test_the_manifest_says_what_the_file_is(saved, tmp_path):
    skdae.save(SMALL, tmp_path / "m", metadata={"line": 3})
    manifest = read_manifest(tmp_path / "m")
    assert manifest["class"].endswith(":GradualDAETransformer")
    assert manifest["metadata"] == {"line": 3}
    assert manifest["versions"]["skdae"] == skdae.__version__
    assert "estimator" not in manifest


def test_another_process_loads_without_torch(saved, tmp_path):
    estimator, table, path = saved("transformer")
    table.to_pickle(tmp_path / "table")
    np.save(tmp_path / "codes", estimator.transform(table))
    script = (
        "import sys, skdae, numpy as np, pandas as pd\n"
        f"table = pd.read_pickle({str(tmp_path / 'table')!r})\n"
        f"codes = skdae.load({str(path)!r}).transform(table)\n"
        f"assert (codes == np.load({str(tmp_path / 'codes.npy')!r})).all()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_everything_but_extras_works_without_them(saved, tmp_path):
    """An installation of the package alone: no optional package can be imported."""
    script = (
        "import importlib, pkgutil, re, sys\n"
        "from importlib.metadata import requires\n"
        "users = 'extra == .(plot|cli|poc|data|parquet|onnx|optuna|ray|skops)\\W'\n"
        "lines = [line for line in requires('skdae') if re.search(users, line)]\n"
        "extras = {re.match(r'[\\w.-]+', line)[0] for line in lines} - {'skdae'}\n"
        "assert {'pyarrow', 'matplotlib', 'skops', 'onnx'} <= extras\n"
        "sys.modules.update(dict.fromkeys(extras))\n"
        "import skdae\n"
        "for name in skdae.__all__: getattr(skdae, name)\n"
        "needing = {'__main__', 'cli', 'poc'}\n"
        "for module in pkgutil.iter_modules(skdae.__path__):\n"
        "    if not (module.name.startswith('_') or module.name in needing):\n"
        "        importlib.import_module(f'skdae.{module.name}')\n"
        "model = skdae.load(sys.argv[1])\n"
        "skdae.save(model.fit([[0.0, 1.0], [1.0, 0.0]] * 20), sys.argv[2])\n"
        "assert 'torch' in sys.modules\n"
        "def message(call):\n"
        "    try: call()\n"
        "    except ImportError as error: return str(error)\n"
        "assert 'skdae[onnx]' in message(lambda: skdae.to_onnx(model))\n"
        "assert 'skdae[poc]' in message(lambda: importlib.import_module('skdae.poc'))\n"
    )
    paths = (str(saved("transformer")[2]), str(tmp_path / "again.skdae"))
    subprocess.run([sys.executable, "-c", script, *paths], check=True)


# ----------------------------------------------------------------- damaged and hostile


@pytest.mark.parametrize("name", ["transformer", "pipeline"])
def test_a_flipped_bit_is_noticed(saved, tmp_path, name):
    content = bytearray(saved(name)[2].read_bytes())
    rng, damaged = np.random.default_rng(1), tmp_path / "m"
    for place in rng.integers(0, 8 * len(content), 300):
        content[place // 8] ^= 1 << place % 8
        damaged.write_bytes(content)
        content[place // 8] ^= 1 << place % 8
        with pytest.raises(ModelFileError):
            skdae.load(damaged)


def test_any_flipped_bit_of_the_length_and_the_header_is_noticed(tmp_path):
    skdae.save(SMALL, tmp_path / "m", metadata={"温度": 1.25})  # without an array
    content = bytearray((tmp_path / "m").read_bytes())
    for place in range(0, 8 * len(content), 3):
        content[place // 8] ^= 1 << place % 8
        (tmp_path / "m").write_bytes(content)
        content[place // 8] ^= 1 << place % 8
        with pytest.raises(ModelFileError):
            skdae.load(tmp_path / "m")


def test_a_file_that_ends_too_soon_is_refused(saved, tmp_path):
    content = saved("transformer")[2].read_bytes()
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        (tmp_path / "m").write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            skdae.load(tmp_path / "m")


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04K\x01.", b"a,b\n1,2\n", b"\xff" * 100]
)
def test_other_files_are_no_models(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelFileError, match="is not a model file"):
        skdae.load(tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        skdae.load(tmp_path / "other")


def forged(tmp_path, estimator):
    """A file with a right checksum that holds whatever its author wants."""
    manifest = {
        "format": 1,
        "class": "x",
        "versions": {"skdae": "9"},
        "metadata": None,
        "estimator": estimator,
    }
    chunks = _files._chunks(manifest, {"0": np.zeros(3)})
    (tmp_path / "m").write_bytes(b"".join(chunks))
    return tmp_path / "m"


def named(name, **state):
    return {"object": {"number": 0, "class": name, "state": state}}


@pytest.mark.parametrize(
    "packed",
    [
        named("os:system"),
        named("builtins:eval"),
        named("subprocess:Popen", args="x"),
        named("skdae.cli:main"),
        named("skdae.persistence._files:Path"),
        named("skdae._core.network:expit"),
        named("skdae._core.network:Network.codes"),
        named("sklearn.base:clone"),
        named("sklearn.utils:Bunch"),
        named("skdae.no_such_module:X"),
        {"sklearn": {"number": 0, "skops": {"array": {"number": 1, "tensor": "0"}}}},
        {"pickle": "gASVAAAAAAAAAA=="},
        {"unpack_state": {"state": {}}},
        {"ref": 7},
        {"array": {"number": 0, "tensor": "other"}},
        {"array": {"number": 0, "dtype": "O", "shape": [10**9], "items": []}},
        {"array": {"number": 0, "dtype": "<U400000000", "shape": [1], "items": ["a"]}},
        {"array": {"number": 0, "dtype": "V1600000000", "shape": [1], "items": [0]}},
        {"scalar": ["O", 1]},
        {"generator": {"dict": [["bit_generator", "system"]]}},
        {"two": 1, "kinds": 2},
        {},
    ],
    ids=lambda packed: json.dumps(packed)[:60],
)
def test_a_forged_file_is_refused(tmp_path, packed):
    with pytest.raises(ModelFileError, match="holds what skdae"):
        skdae.load(forged(tmp_path, packed))


def test_copies_of_an_array_are_counted(tmp_path):
    estimator = clone(SMALL)
    estimator.table_ = pd.DataFrame(np.zeros((9, 3)), columns=["a", "b", "c"])
    skdae.save(estimator, tmp_path / "m")
    assert skdae.load(tmp_path / "m").table_.shape == (9, 3)
    array = {"array": {"number": 1, "dtype": "<U9000", "shape": [1], "items": ["a"]}}
    names = {"index": [0], "columns": []}
    with pytest.raises(ModelFileError, match="many times larger"):
        skdae.load(
            forged(
                tmp_path, {"frame": names | {"data": [array, *[{"ref": 1}] * 9_000]}}
            )
        )


def test_arrays_that_share_bytes_are_refused(tmp_path, saved):
    content = saved("transformer")[2].read_bytes()
    (length,) = _files.LENGTH.unpack_from(content)
    header = json.loads(content[8 : 8 + length])
    last = max(
        set(header) - {"__metadata__"}, key=lambda key: header[key]["data_offsets"]
    )
    for changed in (
        {"other": header[last]},
        {last: header[last] | {"data_offsets": [0, 8]}},
        {last: header[last] | {"shape": [2**62, 2**62]}},
        {last: header[last] | {"dtype": "F8"}},
        {last: 3},
    ):
        text = json.dumps(header | changed, separators=(",", ":")).encode()
        start = _files.LENGTH.pack(len(text)) + text
        (tmp_path / "m").write_bytes(start + content[8 + length :])
        with pytest.raises(ModelFileError, match="damaged"):
            skdae.load(tmp_path / "m")


def test_a_model_file_is_a_safetensors_file(saved):
    from safetensors.numpy import load_file

    _, _, path = saved("imputer")
    _, tensors = _files._read(path)
    found = load_file(path)
    assert found.keys() == tensors.keys()
    assert all((found[name] == tensors[name]).all() for name in found)


def test_endless_nesting_is_refused(tmp_path):
    packed = 0
    for _ in range(400):
        packed = {"tuple": [packed]}
    text = json.dumps(packed)
    for _ in range(8):
        text = text.replace("0", json.dumps(packed))
    from safetensors.numpy import save

    content = save({}, metadata={"skdae": text})
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        skdae.load(tmp_path / "m")


def test_a_tree_that_points_outside_of_itself_is_refused(tmp_path):
    pipeline = make_pipeline(SMALL, IsolationForest(n_estimators=2)).fit(FRAME)
    tree = pipeline[-1].estimators_[1].tree_
    tree.children_left[0] = 10**6
    skdae.save(pipeline, tmp_path / "m")
    with pytest.raises(ModelFileError, match="points outside of itself"):
        skdae.load(tmp_path / "m")


def test_a_later_format_names_the_version_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "FORMAT", 2)
    skdae.save(SMALL, tmp_path / "m")
    monkeypatch.undo()
    with pytest.raises(
        ModelFileError, match="has format 2, and skdae .* reads up to 1"
    ):
        skdae.load(tmp_path / "m")


def test_attributes_that_came_later_get_their_defaults(tmp_path, monkeypatch):
    old = clone(SMALL)
    del old.scaling
    skdae.save(old, tmp_path / "m")
    assert skdae.load(tmp_path / "m").scaling == GradualDAETransformer().scaling


@pytest.mark.parametrize("schedule", [Gradual, Hybrid, Frozen, Stacked])
def test_schedules_of_files_from_before_copies_begin_at_random(
    tmp_path, monkeypatch, schedule
):
    state = _packing._state
    monkeypatch.setattr(
        _packing,
        "_state",
        lambda value: {k: v for k, v in state(value).items() if k != "start"},
    )
    skdae.save(clone(SMALL).set_params(schedule=schedule()), tmp_path / "m")
    assert skdae.load(tmp_path / "m").schedule == schedule(start="random")


def test_a_class_that_has_moved_is_found_by_its_old_name(tmp_path, monkeypatch):
    name = _classes.name_of(GradualDAETransformer)
    monkeypatch.setattr(_packing, "name_of", lambda cls: "skdae._old:Transformer")
    skdae.save(SMALL, tmp_path / "m")
    with pytest.raises(ModelFileError, match="skdae._old:Transformer is not known"):
        skdae.load(tmp_path / "m")
    monkeypatch.setitem(_classes.MOVED, "skdae._old:Transformer", name)
    assert repr(skdae.load(tmp_path / "m")) == repr(SMALL)


def test_scores_that_have_another_name_now_are_found(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(300, 4))
    names = ["weighted_distance", "whitened_error"]
    detector = GradualDAEOutlierDetector(SMALL, scores=names, random_state=0).fit(rows)
    old = {new: old for old, new in _classes.RENAMED.items()}
    pack = _packing.Packer.pack

    def packed(self, value, path):
        return pack(
            self, old.get(value, value) if isinstance(value, str) else value, path
        )

    with monkeypatch.context() as earlier:
        earlier.setattr(_packing.Packer, "pack", packed)
        skdae.save(detector, tmp_path / "m")
    assert b"balance_distance" in (tmp_path / "m").read_bytes()
    loaded = skdae.load(tmp_path / "m")
    assert loaded.scores == names
    np.testing.assert_array_equal(loaded.predict(rows), detector.predict(rows))


def test_a_failed_save_leaves_the_old_file(tmp_path):
    skdae.save(SMALL, tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    bad = clone(SMALL).set_params(random_state=object())
    with pytest.raises(TypeError, match="random_state"):
        skdae.save(bad, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_parts_of_killed_processes_are_removed_after_an_hour(tmp_path):
    old, new = tmp_path / ".m.1f.part", tmp_path / ".m.2f.part"
    for part in (old, new):
        part.touch()
    os.utime(old, (0, 0))
    skdae.save(SMALL, tmp_path / "m")
    assert not old.exists()
    assert new.exists()


KEPT = sorted((Path(__file__).parent / "model_files").glob("*.skdae"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_files_of_every_format_load_and_give_their_results(path):
    """Written by the release of the format; its rows and results are in the file."""
    metadata = read_manifest(path)["metadata"]
    rows = pd.DataFrame(metadata["columns"])
    if "mode" in rows:
        rows["mode"] = rows["mode"].astype("category")
    found = getattr(skdae.load(path), metadata["method"])(rows)
    expected = np.array(metadata["results"], dtype=float)
    # to the bit on the machine that wrote it; products round differently elsewhere
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-4, atol=1e-5)


def test_there_is_a_file_of_every_estimator():
    names = {read_manifest(path)["class"].split(":")[1] for path in KEPT}
    estimators = {name for name in skdae.__all__ if name.startswith("Gradual")}
    assert names == estimators | {"Pipeline"}
