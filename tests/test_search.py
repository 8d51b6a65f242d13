"""The search that shares work is GridSearchCV, bit for bit, with fewer epochs."""

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import parametrize_with_checks

import skdae
from skdae import GradualDAEClassifier, GradualDAERegressor, GradualDAETransformer
from skdae._core.training import Trainer
from skdae.model_selection import GradualDAESearchCV, make_denoising_scorer
from skdae.model_selection._search import _takes_entropy
from skdae.noise import MaskingNoise
from skdae.timeseries import BlockSplit

SIZES = {"hidden_layer_sizes": [(6,), (6, 4), (6, 4, 2), (5, 4)]}
RATES = {"noise_rate": [0.1, 0.4]}


def small(**parameters):
    """Return a network that is trained once a fit, without another for a mixture."""
    settings = {"max_iter": 9, "random_state": 0, "validation_fraction": None}
    settings |= parameters
    return GradualDAETransformer((6,), **settings)


@pytest.fixture(scope="module")
def X():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((90, 3)) @ generator.standard_normal((3, 8))
    X += 0.2 * generator.standard_normal(X.shape)
    X[::7, 2] = np.nan
    return X


@pytest.fixture(scope="module")
def y(X):
    return (X[:, 0] > 0).astype(int)


@pytest.fixture
def epochs(monkeypatch):
    """Count the epochs that are trained in this process."""
    run, counted = Trainer.run_epoch, []

    def run_epoch(self, run_of_phase, number):
        counted.append(run_of_phase.phase)
        return run(self, run_of_phase, number)

    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    return counted


def untimed(search):
    """The results without the seconds."""
    results = search.cv_results_.items()
    return {name: values for name, values in results if not name.endswith("_time")}


def assert_equal_to_grid_search(estimator, grid, X, y=None, fit_params=None, **options):
    """Both searches give the same results and the same best model."""
    options = {"cv": 2, "return_train_score": True} | options
    fit_params = fit_params or {}
    expected = GridSearchCV(clone(estimator), grid, **options).fit(X, y, **fit_params)
    search = GradualDAESearchCV(estimator, grid, **options).fit(X, y, **fit_params)
    np.testing.assert_equal(untimed(search), untimed(expected))
    if options.get("refit", True):
        assert search.best_params_ == expected.best_params_
        assert search.best_index_ == expected.best_index_
    return search


# --- equal to the bit -----------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"schedule": "stacked", "alpha": 0.1},
        {"schedule": "hybrid", "decoder": "tied", "solver": "sgd"},
        {"schedule": "joint"},
        {"decoder": "direct", "activation": "logistic", "scaling": "minmax"},
        {
            "early_stopping": True,
            "n_iter_no_change": 1,
            "validation_fraction": 0.1,
        },
        {"validation_fraction": BlockSplit(4), "noise": "swap"},
        {"scaling": "quantile", "validation_fraction": None, "random_state": None},
    ],
    ids=lambda parameters: str(parameters.get("schedule", list(parameters))),
)
def test_transformers_of_other_depths_epochs_and_noise(X, parameters):
    if "random_state" in parameters:
        parameters = parameters | {"random_state": np.random.RandomState(3)}
    grid = [SIZES | RATES, {"max_iter": [3, 6], "hidden_layer_sizes": [(6,), (6, 4)]}]
    assert_equal_to_grid_search(small(**parameters), grid, X)


@pytest.mark.parametrize("owner", [GradualDAEClassifier, GradualDAERegressor])
@pytest.mark.parametrize("transformer", [small(), None])
def test_classifier_and_regressor(X, y, owner, transformer, monkeypatch):
    monkeypatch.setattr("skdae._transformer._defaults.LABEL_EPOCHS", (2, 2))
    grid = {"alpha": [0.0, 1.0]}
    if transformer is not None:
        grid |= {"transformer__max_iter": [2, 4]}
    estimator = owner(
        transformer, max_iter=2, linear_path=False, dropout=0.1, random_state=0
    )
    assert_equal_to_grid_search(estimator, grid, X, y)


def test_pipelines(X, y):
    before = Pipeline(
        [("scale", StandardScaler()), ("dae", small()), ("end", LogisticRegression())]
    )
    grid = {
        "scale__with_mean": [True, False],
        "dae__hidden_layer_sizes": [(6,), (6, 4)],
        "end__C": [0.1, 1.0],
    }
    assert_equal_to_grid_search(before, grid, X, y)
    last = make_pipeline(StandardScaler(), small())
    grid = {f"gradualdaetransformer__{name}": values for name, values in SIZES.items()}
    assert_equal_to_grid_search(last, grid, X)
    replaced = {"dae": [small(), small(noise="swap"), "passthrough"]}
    last = Pipeline([("scale", StandardScaler()), ("dae", small())])
    assert_equal_to_grid_search(last, replaced, X, scoring=lambda model, X: 0.5)


@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight")
def test_options_of_the_search(X, y):
    several = {"hidden": None, "noise": make_denoising_scorer("swap", 0.3)}
    several["hidden"] = lambda model, X, y=None: model.score(X)
    assert_equal_to_grid_search(small(), SIZES, X, scoring=several, refit="noise")
    assert_equal_to_grid_search(small(), SIZES, X, refit=lambda results: 1)
    assert_equal_to_grid_search(
        small(), SIZES, X, cv=GroupKFold(2), fit_params={"groups": np.arange(90) // 9}
    )
    weights = {"sample_weight": np.arange(1, 91) % 3}
    assert_equal_to_grid_search(small(), SIZES, X, fit_params=weights)
    assert_equal_to_grid_search(LogisticRegression(), {"C": [0.1, 1]}, X[:, [0, 1]], y)


def test_more_processes(X):
    assert_equal_to_grid_search(small(), SIZES | RATES, X, n_jobs=2, cv=3)


def test_metadata_is_routed(X):
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = small().set_fit_request(sample_weight=True)
        assert_equal_to_grid_search(
            estimator,
            SIZES,
            X,
            cv=GroupKFold(2),
            fit_params={
                "sample_weight": np.arange(1, 91) % 3,
                "groups": np.arange(90) // 9,
            },
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_fits_that_fail(X):
    grid = {"hidden_layer_sizes": [(6,), (6, 4), (6, 4, 2, 1)], "max_iter": [3]}
    search = assert_equal_to_grid_search(small(), grid, X, error_score=-1.0)
    assert (search.cv_results_["split0_test_score"] == -1).sum() == 1
    with pytest.raises(ValueError, match="max_iter=3 must be at least"):
        GradualDAESearchCV(small(), grid, cv=2, error_score="raise").fit(X)


# --- the work that is shared ----------------------------------------------------------


def test_first_phases_of_other_lengths_are_one(X, epochs):
    search = GradualDAESearchCV(small(), SIZES, cv=2, refit=False).fit(X)
    depths = [phase.depth for phase in epochs]
    # of (6,), (6, 4) and (6, 4, 2): 9 epochs, of which 4 and 3 are the first ones
    first, second, third = (depths.count(depth) for depth in (1, 2, 3))
    assert first == 2 * (9 + 5)  # and those of (5, 4)
    assert (second, third) == (2 * (4 + 3 + 4), 2 * 3)
    assert all(search.cv_results_["mean_fit_time"] > 0)


def test_equal_phases_are_trained_once(X, epochs):
    grid = [
        {"hidden_layer_sizes": [(6, 4, 2)[:n]], "max_iter": [3 * n]} for n in (1, 2, 3)
    ]
    assert_equal_to_grid_search(small(), grid, X, refit=False)
    assert len(epochs) == 2 * (3 + 6 + 9) + 2 * 9


def test_networks_that_decide_of_mixtures_are_shared_as_well(X, epochs):
    """One more for each fit of few rows, which sees four fifths of them."""
    estimator = small(validation_fraction=0.1)
    assert_equal_to_grid_search(estimator, SIZES, X, refit=False)
    by_each = 2 * 4 * 9
    shared = 2 * (9 + 5 + 4 + 3 + 4 + 3)  # as in the test of first phases
    assert len(epochs) == 2 * (by_each + shared)


def test_pretraining_is_shared(X, y, epochs):
    classifier = GradualDAEClassifier(
        small(), max_iter=1, linear_path=False, dropout=0.1, random_state=0
    ).set_params(encoder_rate=1.0, unfreezing="joint")
    grid = {"alpha": [0.0, 0.1, 1.0]}
    GradualDAESearchCV(classifier, grid, cv=2, refit=False).fit(X, y)
    pretraining = [phase for phase in epochs if phase.kind == "gradual"]
    assert len(pretraining) == 2 * 9


class Counted(TransformerMixin, BaseEstimator):
    """A step of a pipeline that counts its fits."""

    fits = 0

    def fit(self, X, y=None):
        type(self).fits += 1
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


def test_steps_before_are_fitted_once_per_fold(X, epochs):
    Counted.fits = 0
    pipeline = Pipeline([("step", Counted()), ("dae", small())])
    grid = {"dae__hidden_layer_sizes": [(6,), (6, 4)]}
    search = GradualDAESearchCV(pipeline, grid, cv=3, refit=False).fit(X)
    assert Counted.fits == 3
    assert pipeline.memory is None
    assert len(search.cv_results_["params"]) == 2


class Shuffled(Counted):
    """A step that draws from numpy's global generator."""

    def fit(self, X, y=None):
        self.order_ = check_random_state(None).permutation(X.shape[1])
        return super().fit(X)

    def transform(self, X):
        return X[:, self.order_]


def test_a_step_with_the_global_generator_is_not_shared(X):
    Shuffled.fits = 0
    pipeline = Pipeline([("step", Shuffled()), ("dae", small())])
    grid = {"dae__hidden_layer_sizes": [(6,), (6, 4)]}
    GradualDAESearchCV(pipeline, grid, cv=2, refit=False).fit(X)
    assert Shuffled.fits == 4


def test_a_network_without_a_seed_is_fitted_for_each_candidate(X, y, epochs):
    network = small(random_state=None)
    pipeline = Pipeline([("dae", network), ("end", LogisticRegression())])
    GradualDAESearchCV(pipeline, {"end__C": [0.1, 1.0]}, cv=2, refit=False).fit(X, y)
    assert len(epochs) == 2 * 2 * 9


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda network: ColumnTransformer([("dae", network, slice(0, 8))]),
        lambda network: FeatureUnion([("dae", Pipeline([("inner", network)]))]),
        SelectFromModel,
    ],
    ids=["columns", "union", "wrapper"],
)
@pytest.mark.parametrize("seed", [None, 0])
def test_parts_of_a_step_without_a_seed_take_entropy(wrapped, seed):
    assert _takes_entropy(wrapped(small(random_state=seed))) == (seed is None)
    owner = GradualDAEClassifier(small(random_state=None), random_state=seed)
    assert _takes_entropy(wrapped(owner)) == (seed is None)


def test_a_network_without_a_seed_among_columns_is_fitted_again(X, y, epochs):
    columns = ColumnTransformer([("dae", small(random_state=None), slice(0, 8))])
    pipeline = Pipeline([("columns", columns), ("end", LogisticRegression())])
    GradualDAESearchCV(pipeline, {"end__C": [0.1, 1.0]}, cv=2, refit=False).fit(X, y)
    assert len(epochs) == 2 * 2 * 9


def test_a_search_of_another_scikit_learn_shares_nothing_with_a_warning(
    X, epochs, monkeypatch
):
    monkeypatch.setattr("skdae._sklearn_compat.PARALLEL", "renamed")
    with pytest.warns(UserWarning, match=f"scikit-learn {sklearn.__version__}") as seen:
        assert_equal_to_grid_search(small(max_iter=4), RATES, X, refit=False)
    assert [each.filename for each in seen] == [__file__]
    assert len(epochs) == 2 * 2 * 2 * 4


def test_a_schedule_that_differs_later_begins_alike(X, epochs):
    dae = small(max_iter=10, schedule="gradual").set_params(hidden_layer_sizes=(6, 4))
    grid = {"schedule__lower_layer_rate": [0.0, 0.5, 1.0]}
    assert_equal_to_grid_search(dae, grid, X, refit=False)
    assert len(epochs) == 2 * 3 * 10 + 2 * (5 + 3 * 5)


def test_the_network_of_a_pipeline_is_shared_by_what_follows(X, y, epochs):
    pipeline = Pipeline([("dae", small()), ("end", LogisticRegression())])
    grid = {"end__C": [0.1, 1.0, 10.0]}
    GradualDAESearchCV(pipeline, grid, cv=2, refit=False).fit(X, y)
    assert len(epochs) == 2 * 9


@pytest.mark.parametrize("random_state", [None, "generator"])
def test_fits_without_a_seed_are_their_own(X, epochs, random_state):
    dae = small(max_iter=4)
    if random_state is None:
        dae.set_params(random_state=None)
        GradualDAESearchCV(dae, RATES, cv=2, refit=False).fit(X)
    else:  # each candidate clones it where it stands
        dae.set_params(random_state=np.random.default_rng(0))
        assert_equal_to_grid_search(dae, RATES, X, refit=False)
        epochs[:] = epochs[: len(epochs) // 2]
    assert len(epochs) == 2 * 2 * 4


class Unpicklable(MaskingNoise):
    """A noise that cannot be compared by its pickle."""

    def __getstate__(self):
        raise TypeError("no pickle")


def test_what_has_no_pickle_is_not_shared(X, epochs):
    pipeline = Pipeline(
        [
            ("step", FunctionTransformer(lambda table: table)),
            ("dae", small(noise=Unpicklable(0.3))),
        ]
    )
    grid = {"dae__max_iter": [2, 4]}
    assert_equal_to_grid_search(pipeline, grid, X, refit=False)
    assert len(epochs) == 2 * 2 * (2 + 4)


def test_later_fits_share_nothing(X, epochs):
    dae = small()
    GradualDAESearchCV(dae, {"max_iter": [2]}, cv=2, refit=False).fit(X)
    n_before = len(epochs)
    dae.fit(X)
    assert len(epochs) == n_before + 9


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_every_process_has_work(n_jobs):
    from skdae.model_selection._search import _units

    folds, sizes = range(3), SIZES["hidden_layer_sizes"]
    tasks = [
        (print, (), {"parameters": {"hidden_layer_sizes": s}, "split_progress": (k, 3)})
        for s in sizes
        for k in folds
    ]
    units = _units(small(), tasks, n_jobs)
    assert sorted(sum(units, [])) == list(range(len(tasks)))
    whole = 3 - 3 % n_jobs
    assert [len(unit) for unit in units] == [4] * whole + [1] * 4 * (3 - whole)
    first = tasks[units[0][0]][2]["parameters"]["hidden_layer_sizes"]
    assert len(first) == 3  # of the shortest first phase


# --- an estimator of scikit-learn -----------------------------------------------------


# scikit-learn looks at y before it refuses an infinite one
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@parametrize_with_checks(
    [
        GradualDAESearchCV(
            LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, error_score="raise"
        ),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_the_search_is_cloned_and_printed():
    search = GradualDAESearchCV(small(), SIZES, cv=KFold(3), n_jobs=2)
    again = clone(search)
    assert repr(again) == repr(search)
    assert again.get_params()["estimator__max_iter"] == 9


def test_saving_a_search_names_what_to_save(tmp_path):
    X = np.random.default_rng(0).standard_normal((60, 4))
    dae = GradualDAETransformer((3,), max_iter=2, random_state=0)
    search = GradualDAESearchCV(dae, {"noise_rate": [0.1, 0.2]}, cv=2).fit(X)
    with pytest.raises(TypeError, match="Save the best_estimator_"):
        skdae.save(search, tmp_path / "search.skdae")
    skdae.save(search.best_estimator_, tmp_path / "best.skdae")
    loaded = skdae.load(tmp_path / "best.skdae")
    np.testing.assert_array_equal(loaded.transform(X), search.transform(X))
