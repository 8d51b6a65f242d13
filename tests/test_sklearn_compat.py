"""Stand-ins for private names of scikit-learn that a version may lack."""

import importlib.util
import sys
from numbers import Integral

import numpy as np
import pandas as pd
import pytest
import sklearn.base
import sklearn.utils
import sklearn.utils.metaestimators
import sklearn.utils.validation

import skdae._sklearn_compat as present
from skdae.noise import ComposedNoise, GaussianNoise, SwapNoise

PRIVATE = [
    (sklearn.base, "_fit_context"),
    (sklearn.utils, "_safe_indexing"),
    (sklearn.utils.metaestimators, "_BaseComposition"),
    (sklearn.utils.validation, "_check_feature_names_in"),
    (sklearn.utils.validation, "_check_sample_weight"),
]


@pytest.fixture
def absent(monkeypatch):
    """The module as it is imported where scikit-learn has none of the names."""
    for module, name in PRIVATE:
        monkeypatch.delattr(module, name)
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("stand_ins", present.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Checked(sklearn.base.BaseEstimator):
    """An estimator with one parameter."""

    _parameter_constraints = {"k": [present.Interval(Integral, 1, None, closed="left")]}

    def __init__(self, k=1):
        self.k = k


X = np.arange(12.0).reshape(4, 3)
FRAME = pd.DataFrame(X, columns=list("abc"))


def test_the_names_are_stand_ins(absent):
    for _, name in PRIVATE:
        own = getattr(absent, name.lstrip("_"))
        assert own.__module__ == "stand_ins"
    assert absent.CallbackSupportMixin.__module__ == "stand_ins"
    assert set(absent.__all__) == set(present.__all__)


def test_fits_check_parameters(absent):
    @absent.fit_context(prefer_skip_nested_validation=True)
    def fit(self, X):
        return X

    assert fit(Checked(), 3) == 3
    with pytest.raises(ValueError, match="'k' parameter"):
        fit(Checked(0), 3)


@pytest.mark.parametrize("indices", [[2, 0], 1, np.array([True, False, True])], ids=str)
@pytest.mark.parametrize("kind", ["array", "pandas", "polars"])
def test_rows_and_columns_are_those_of_scikit_learn(absent, kind, indices):
    table = {"array": X[:3], "pandas": FRAME[:3]}.get(kind)
    if table is None:
        table = pytest.importorskip("polars").DataFrame(X[:3], schema=list("abc"))
        indices = [0, 2] if isinstance(indices, np.ndarray) else indices
    for axis in (1,) if isinstance(indices, int) else (0, 1):  # one row is not read
        wanted = present.safe_indexing(table, indices, axis=axis)
        found = absent.safe_indexing(table, indices, axis=axis)
        assert type(found) is type(wanted)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_items_of_lists(absent):
    assert absent.safe_indexing(["a", "b", "c"], [2, 0]) == ["c", "a"]


@pytest.mark.parametrize("names", [None, list("abc"), list("abx"), list("ab")])
@pytest.mark.parametrize("named", [True, False])
def test_names_are_those_of_scikit_learn(absent, names, named):
    model = Checked()
    model.n_features_in_ = 3
    if named:
        model.feature_names_in_ = np.array(list("abc"), dtype=object)
    results = []
    for module in (present, absent):
        try:
            results.append(list(module.check_feature_names_in(model, names)))
        except ValueError as error:
            results.append(str(error))
    assert results[0] == results[1]


@pytest.mark.parametrize("weights", [[1, 2, 0, 1], [1, 2], [1, -1, 1, 1], [[1]] * 4])
def test_weights_are_those_of_scikit_learn(absent, weights):
    results = []
    for module in (present, absent):
        try:
            found = module.check_sample_weight(
                weights, X, dtype=np.float64, ensure_non_negative=True
            )
            results.append((found.dtype, found.tolist()))
        except ValueError:
            results.append(ValueError)
    assert results[0] == results[1]


def test_parameters_of_compositions_are_those_of_scikit_learn(absent):
    def composed(base):
        class Noises(base):
            get_params = ComposedNoise.get_params
            set_params = ComposedNoise.set_params

            def __init__(self, noises):
                self.noises = noises

        return Noises([("swap", SwapNoise(0.1)), ("error", GaussianNoise(0.5))])

    both = [composed(module.BaseComposition) for module in (present, absent)]
    for changes in (
        {},
        {"swap__rate": 0.3},
        {"error": SwapNoise(0.2), "error__rate": 0.4},
        {"noises": [("one", SwapNoise(0.7))], "one__rate": 0.6},
    ):
        params = [each.set_params(**changes).get_params() for each in both]
        texts = [repr(sorted(each.items())) for each in params]
        assert texts[0] == texts[1]
        shallow = [repr(each.get_params(deep=False)) for each in both]
        assert shallow[0] == shallow[1]
    for each in both:
        with pytest.raises(ValueError, match="other"):
            each.set_params(other=1)
