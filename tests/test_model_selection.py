"""Scorers and searches: laws that hold whatever the candidates."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skdae import GradualDAEClassifier, GradualDAETransformer
from skdae.model_selection import make_denoising_scorer, suggest_params
from skdae.noise import make_noise

RATES = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def low_rank(n_rows=200, n_columns=12, rank=3, seed=0):
    generator = np.random.default_rng(seed)
    codes = generator.standard_normal((n_rows, rank))
    return codes @ generator.standard_normal((rank, n_columns))


@pytest.fixture(scope="module")
def X():
    return low_rank()


@pytest.fixture(scope="module")
def fitted(X):
    return small().fit(X)


def small(**parameters):
    settings = {"noise": "swap", "max_iter": 10, "random_state": 0} | parameters
    return GradualDAETransformer((8,), **settings)


class Returns:
    """A model that returns one table, whatever it is shown."""

    def __init__(self, table):
        self.table = table

    def reconstruct(self, X):
        self.seen = X
        return X if self.table is None else self.table


# --- the denoising scorer -------------------------------------------------------------


def test_the_search_finds_the_rate_where_a_candidates_own_loss_wants_none():
    X, _ = make_noise("salt_and_pepper", 0.3).corrupt(low_rank(400), random_state=1)
    dae = GradualDAETransformer(
        (32,), noise="salt_and_pepper", max_iter=60, random_state=0
    )
    scorer = make_denoising_scorer("salt_and_pepper", 0.3)
    search = GridSearchCV(dae, {"noise_rate": RATES}, cv=2, scoring=scorer).fit(X)
    assert 0.2 <= search.best_params_["noise_rate"] <= 0.4

    def own_loss(estimator, X, y=None):
        return -estimator.loss_curve_[-1]

    search.set_params(scoring=own_loss, refit=False).fit(X)
    assert search.best_params_["noise_rate"] == 0


def test_the_truth_scores_one_and_the_corrupted_rows_score_zero(X):
    scorer = make_denoising_scorer("gaussian", 0.5)
    assert scorer(Returns(X), X) == 1
    assert scorer(Returns(None), X) == pytest.approx(0, abs=1e-6)
    assert scorer(Returns(X + 10), X) < 0


def test_missing_cells_are_at_the_mean_before(X):
    scorer = make_denoising_scorer("masking", 0.5)
    shown = Returns(X)
    assert scorer(shown, X) == 1
    is_hidden = np.isnan(shown.seen)
    assert 0.4 < is_hidden.mean() < 0.6
    np.testing.assert_array_equal(shown.seen[~is_hidden], X[~is_hidden])
    at_mean = np.where(is_hidden, X.mean(axis=0), X)
    assert scorer(Returns(at_mean), X) == pytest.approx(0, abs=1e-6)


def test_every_candidate_meets_the_same_corruption(X, fitted):
    scorer = make_denoising_scorer("swap", 0.3, random_state=5)
    shown = [Returns(X), Returns(X)]
    for model in shown:
        scorer(model, X)
    np.testing.assert_array_equal(shown[0].seen, shown[1].seen)
    again = make_denoising_scorer("swap", 0.3, random_state=5)
    assert scorer(fitted, X) == again(fitted, X)
    assert pickle.loads(pickle.dumps(scorer))(fitted, X) == scorer(fitted, X)
    other = make_denoising_scorer("swap", 0.3, random_state=6)
    assert other(fitted, X) != scorer(fitted, X)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_columns_count_alike_in_any_unit(X, factor):
    units = np.ones(X.shape[1])
    units[0] = factor
    wrong = X.copy()
    wrong[:, 0] += X[:, 0].std()
    scorer = make_denoising_scorer("swap", 0.3)
    expected = scorer(Returns(wrong), X)
    assert scorer(Returns(wrong * units), X * units) == pytest.approx(expected)


def test_cells_without_a_truth_do_not_count(X):
    gappy = X.copy()
    gappy[::3, 1] = np.nan
    scorer = make_denoising_scorer("swap", 0.3)
    filled = np.where(np.isnan(gappy), 1e3, gappy)
    assert scorer(Returns(filled), gappy) == 1
    assert np.isfinite(scorer(small().fit(gappy), gappy))


def test_a_pipeline_is_scored_in_the_units_of_its_input(X):
    scorer = make_denoising_scorer("swap", 0.3)
    pipeline = make_pipeline(StandardScaler(), small()).fit(X)
    scaled = StandardScaler().fit(X)
    bare = small().fit(scaled.transform(X))
    assert scorer(pipeline, X) == pytest.approx(scorer(bare, scaled.transform(X)))
    alone = Pipeline([("dae", small())]).fit(X)
    assert scorer(alone, X) == scorer(small().fit(X), X)


def test_categories_are_corrupted_and_compared_as_such(X):
    kind = np.where(X[:, 0] > 0, "up", "down")
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    frame["kind"] = pd.Categorical(kind)
    scorer = make_denoising_scorer("swap", 0.5)
    shown = Returns(frame)
    assert scorer(shown, frame) == 1
    differs = np.asarray(shown.seen["kind"]) != kind
    assert 0.05 < differs.mean() < 0.5
    assert scorer(small().fit(frame), frame) < 1


def test_errors_of_the_scorer_name_the_remedy(X):
    def score(estimator, table=X, **options):
        return make_denoising_scorer("swap", **options)(estimator, table)

    with pytest.raises(ValueError, match="raise its rate"):
        score(Returns(None), noise_rate=0)
    with pytest.raises(ValueError, match="score more rows"):
        score(Returns(None), np.ones((20, 3)))
    with pytest.raises(
        ValueError, match=r"steps \['normalizer'\] .* inverse_transform"
    ):
        score(make_pipeline(Normalizer(), small()).fit(X))
    with pytest.raises(ValueError, match="LogisticRegression returns no table"):
        score(make_pipeline(PCA(2), LogisticRegression()).fit(X, X[:, 0] > 0))
    with pytest.raises(ValueError, match="returns no table"):
        score(Returns(X[:3]))
    with pytest.raises(ValueError, match="rate=2"):
        make_denoising_scorer("swap", 2)
    with pytest.raises(ValueError, match="noise='blur'"):
        make_denoising_scorer("blur")


def test_a_classifier_has_nothing_to_denoise(X):
    classifier = GradualDAEClassifier(small(), max_iter=2, random_state=0)
    classifier.fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="pipeline that ends in one"):
        make_denoising_scorer()(classifier, X)


# --- the search space of Optuna -------------------------------------------------------


def test_optuna_draws_parameters_that_can_be_set(X):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        drawn = suggest_params(study.ask(), prefix="dae__")
        pipeline = Pipeline([("dae", GradualDAETransformer())]).set_params(**drawn)
        network = pipeline["dae"]
        assert 0.05 <= network.noise_rate <= 0.6
        assert 3e-4 <= network.learning_rate_init <= 3e-3
        network.set_params(max_iter=len(network.hidden_layer_sizes)).fit(X[:20])


def test_a_fixed_trial_gives_its_parameters_again():
    optuna = pytest.importorskip("optuna")
    values = {
        "hidden_layer_sizes": "64-32",
        "noise_rate": 0.3,
        "learning_rate_init": 1e-3,
    }
    expected = values | {"hidden_layer_sizes": (64, 32)}
    assert suggest_params(optuna.trial.FixedTrial(values)) == expected
