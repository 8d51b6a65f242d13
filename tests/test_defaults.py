"""Networks that estimators take by default, and parameters of what None stands for."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV

from skdae import (
    GradualDAEClassifier,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae._transformer._defaults import DEFAULTS, default_transformer
from skdae.noise import MaskingNoise

X = np.random.default_rng(0).normal(size=(120, 5))
Y = (X[:, 0] > 0).astype(int)
MAKERS = {
    "detector": lambda **k: GradualDAEOutlierDetector(
        false_alarm_rate=0.1, random_state=0, **k
    ),
    "classifier": lambda **k: GradualDAEClassifier(max_iter=2, random_state=0, **k),
    "regressor": lambda **k: GradualDAERegressor(max_iter=2, random_state=0, **k),
    "imputer": lambda **k: GradualDAEImputer(n_trees=1, random_state=0, **k),
}


def score(model, X, y=None):
    """A score that any estimator can be searched by."""
    return model.get_params()["transformer__max_iter"]


@pytest.fixture(params=list(MAKERS))
def user(request):
    """Name of an estimator with a parameter `transformer`."""
    return request.param


def test_defaults_are_new_objects_with_valid_parameters():
    for name in DEFAULTS:
        network = default_transformer(name)
        assert network is not default_transformer(name)
        network.set_params(max_iter=2, hidden_layer_sizes=4).fit(X)


def test_large_tables_are_pretrained_in_fewer_epochs():
    few, many, most = (
        default_transformer("classifier", n).max_iter for n in (25_000, 100_000, 10**7)
    )
    assert few == GradualDAETransformer().max_iter
    assert many * 100_000 / 256 == pytest.approx(20_000, rel=0.02)
    assert most == 20


def test_none_is_the_default_network(user):
    """Its parameters are listed while `transformer` is None, and clones keep None."""
    model = MAKERS[user]()
    inner = default_transformer(user).get_params()
    listed = model.get_params()
    outer = {name for name in listed if name.startswith("transformer__")}
    assert outer == {f"transformer__{name}" for name in inner}
    assert listed["transformer__max_iter"] == inner["max_iter"]
    assert clone(model).transformer is None
    assert model.get_params(deep=False)["transformer"] is None


def test_a_parameter_of_none_makes_the_default_network(user):
    model = MAKERS[user]().set_params(
        transformer__max_iter=3, transformer__categorical_features=[4]
    )
    asked = {"max_iter": 3, "categorical_features": [4]}
    wanted = default_transformer(user).set_params(**asked)
    assert repr(model.transformer) == repr(wanted)
    again = clone(model).set_params(transformer__max_iter=4)
    assert (model.transformer.max_iter, again.transformer.max_iter) == (3, 4)
    given = MAKERS[user](transformer=GradualDAETransformer(alpha=0.5))
    assert given.set_params(transformer__max_iter=3).transformer.alpha == 0.5
    assert given.set_params(transformer=None).transformer is None


def test_parameters_of_a_named_noise_are_reached_through_the_estimator(user):
    model = MAKERS[user](transformer=GradualDAETransformer(noise="masking"))
    model.set_params(transformer__noise__rate=0.1)
    assert repr(model.transformer.noise) == repr(MaskingNoise(0.1))


def test_an_unknown_parameter_of_none_is_refused(user):
    with pytest.raises(ValueError, match="depth"):
        MAKERS[user]().set_params(transformer__depth=3)


def test_epochs_are_a_resource_of_a_search(user):
    """As for an estimator whose network is given."""
    model = MAKERS[user]().set_params(transformer__hidden_layer_sizes=(4,))
    for each in (MAKERS[user](), model):
        search = HalvingGridSearchCV(
            each,
            {"transformer__hidden_layer_sizes": [(4,), (3,)]},
            resource="transformer__max_iter",
            min_resources=2,
            max_resources=4,
            factor=2,
            scoring=score,
            refit=False,
            cv=2,
        ).fit(X, Y)
        assert list(np.unique(search.cv_results_["n_resources"])) == [2, 4]


def test_a_grid_over_the_default_network_is_that_over_the_network_given(user):
    grid = {"transformer__max_iter": [2, 3]}
    asked = {"hidden_layer_sizes": (4,), "alpha": 0.1}
    named = {f"transformer__{name}": [value] for name, value in asked.items()}
    given = MAKERS[user](transformer=default_transformer(user).set_params(**asked))
    searches = [
        GridSearchCV(model, {**grid, **more}, cv=2, scoring=score).fit(X, Y)
        for model, more in ((MAKERS[user](), named), (given, {}))
    ]
    found = [repr(search.best_estimator_) for search in searches]
    assert found[0] == found[1]


class InterruptingNoise(MaskingNoise):
    """Interrupts the training as Ctrl-C does."""

    def apply(self, Z, generator, layout, intensity=None):
        raise KeyboardInterrupt


def test_a_refit_that_is_interrupted_changes_nothing(user):
    small = {"transformer__hidden_layer_sizes": (4,), "transformer__max_iter": 2}
    model = MAKERS[user]().set_params(**small).fit(X, Y)
    before = dict(vars(model))
    model.transformer.set_params(noise=InterruptingNoise(0.2), noise_rate=0.25)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :3], Y)
    assert vars(model) == before
    fresh = clone(model)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, Y)
    assert set(vars(fresh)) == set(fresh.get_params(deep=False))
