"""Settings that `fit` chooses: what they come to, and what they leave as it was."""

import numpy as np
import pytest
from sklearn.base import clone

import skdae
from skdae import (
    GradualDAEClassifier,
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAETransformer,
)
from skdae._transformer import _auto
from skdae.noise import MaskingNoise
from skdae.schedules import gradual
from skdae.timeseries import BlockSplit, time_order

AUTO = {"noise_rate": "auto", "hidden_layer_sizes": "auto"}


@pytest.fixture(autouse=True)
def narrow_candidates(monkeypatch):
    sizes = ((6, 4), (8, 4), (4, 2))
    monkeypatch.setitem(_auto.CANDIDATES, "hidden_layer_sizes", sizes)


@pytest.fixture(scope="module")
def X():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((160, 3)) @ generator.standard_normal((3, 8))
    return X + 0.2 * generator.standard_normal(X.shape)


def auto(**parameters):
    settings = {"max_iter": 20, "random_state": 0} | AUTO | parameters
    return GradualDAETransformer(**settings)


@pytest.mark.parametrize("names", [["noise_rate"], ["hidden_layer_sizes"], list(AUTO)])
def test_the_fit_is_that_of_the_chosen_settings(X, names):
    asked = dict.fromkeys(names, "auto")
    dae = auto(**({"noise_rate": 0.1, "hidden_layer_sizes": (6, 4)} | asked)).fit(X)
    settings = dae.auto_settings_.settings
    assert sorted(settings) == sorted(names)
    for name, value in settings.items():
        assert value in _auto.CANDIDATES[name]
        assert getattr(dae, name) == "auto"
    same = clone(dae).set_params(**settings).fit(X)
    for weight, expected in zip(dae.coefs_, same.coefs_, strict=True):
        np.testing.assert_array_equal(weight, expected)
    np.testing.assert_array_equal(dae.reconstruct(X), same.reconstruct(X))
    assert not hasattr(same, "auto_settings_")


@pytest.mark.parametrize(("gain", "is_clear"), [(0.5, False), (2.0, True)])
def test_the_best_of_the_trials_is_chosen_where_it_is_clearly_better(
    X, monkeypatch, gain, is_clear
):
    better = {"noise_rate": 0.1, "hidden_layer_sizes": (4, 2)}
    rates, sizes = _auto.CANDIDATES.values()

    def score(transformer, *args):
        values = {name: getattr(transformer, name) for name in better}
        n_better = sum(values[name] == better[name] for name in better)
        return 0.3 + gain * _auto.CLEAR_GAIN * n_better

    monkeypatch.setattr(_auto, "_score", score)
    choice = auto(max_iter=4).fit(X).auto_settings_
    first = {"noise_rate": rates[0], "hidden_layer_sizes": sizes[0]}
    assert choice.settings == (better if is_clear else first)
    assert len(choice.trials) == len(rates) + len(sizes) - 1
    assert {trial["noise_rate"] for trial in choice.trials} == set(rates)
    assert {trial["hidden_layer_sizes"] for trial in choice.trials} == set(sizes)


def test_a_seed_repeats_the_choice_for_rows_in_any_order(X):
    first, again = auto().fit(X), auto().fit(X[::-1])
    assert first.auto_settings_ == again.auto_settings_
    np.testing.assert_array_equal(first.transform(X), again.transform(X))


def test_rows_that_rank_candidates_are_not_learned_from(X, monkeypatch):
    seen, scored = [], []
    trained, score = _auto.train_rows, _auto.hidden_cell_score
    monkeypatch.setattr(
        _auto,
        "train_rows",
        lambda t, opening, *a, **k: (
            seen.append(opening.raw) or trained(t, opening, *a, **k)
        ),
    )
    monkeypatch.setattr(
        _auto,
        "hidden_cell_score",
        lambda fitted, raw: scored.append(raw) or score(fitted, raw),
    )
    numbered = X.copy()
    numbered[80:] = X[:80]  # each row twice
    auto(max_iter=8).fit(numbered)
    assert len(seen) == len(scored) == 6
    for learned, held_out in zip(seen, scored, strict=True):
        assert not set(map(tuple, learned)) & set(map(tuple, held_out))
        assert len(learned) + len(held_out) == len(X)


def test_a_splitter_decides_which_rows_rank(X, monkeypatch):
    scored = []
    score = _auto.hidden_cell_score
    monkeypatch.setattr(
        _auto,
        "hidden_cell_score",
        lambda fitted, raw: scored.append(raw) or score(fitted, raw),
    )
    splitter = BlockSplit(4)
    auto(max_iter=8, validation_fraction=splitter).fit(X)
    _, held_out = next(iter(splitter.split(X)))
    assert set(map(tuple, scored[0])) == set(map(tuple, X[held_out]))


def test_of_rows_in_time_order_the_last_rank(monkeypatch):
    walk = np.cumsum(np.random.default_rng(0).standard_normal((400, 4)), axis=0)
    scored = []
    score = _auto.hidden_cell_score
    monkeypatch.setattr(
        _auto,
        "hidden_cell_score",
        lambda fitted, raw: scored.append(raw) or score(fitted, raw),
    )
    auto(max_iter=8).fit(walk)
    assert set(map(tuple, scored[0])) == set(map(tuple, walk[300:]))


def test_few_rows_get_the_defaults(X):
    with pytest.warns(
        UserWarning, match="='auto' .* 22 rows .* 8 to rank by: 20 of each"
    ):
        dae = auto().fit(X[:30])
    defaults = GradualDAETransformer()
    assert dae.auto_settings_.settings == {
        name: getattr(defaults, name) for name in AUTO
    }
    assert dae.auto_settings_.trials == []


def test_weights_go_along(X):
    def choice(X, weights=None):
        return auto(max_iter=8).fit(X, sample_weight=weights).auto_settings_

    expected = choice(X)
    assert choice(X, np.ones(len(X))) == expected
    weights = 1 + 2 * (np.arange(len(X)) % 2)
    assert choice(X, weights).trials != expected.trials
    half = weights > 1
    assert choice(X, half.astype(float)) == choice(X[half]) != expected


def test_categories_in_blocks_are_no_time_order(X, monkeypatch):
    scored = []
    score = _auto.hidden_cell_score
    monkeypatch.setattr(
        _auto,
        "hidden_cell_score",
        lambda fitted, raw: scored.append(raw) or score(fitted, raw),
    )
    kind = np.arange(len(X)) // 4 % 5
    assert time_order(np.column_stack([X, kind])).is_ordered
    auto(max_iter=8, categorical_features=[8]).fit(np.column_stack([X, kind]))
    assert set(map(tuple, scored[0][:, :8])) != set(map(tuple, X[120:]))


def test_other_fits_forget_the_choice(X):
    dae = auto().fit(X)
    dae.set_params(noise_rate=0.2, hidden_layer_sizes=(6, 4)).fit(X)
    assert not hasattr(dae, "auto_settings_")


def test_a_warm_start_keeps_the_choice(X):
    dae = auto(warm_start=True).fit(X)
    choice = dae.auto_settings_
    assert dae.fit(X).auto_settings_ == choice
    dae.set_params(hidden_layer_sizes=(5, 4))  # a choice does not outweigh a value
    with pytest.raises(ValueError, match="hidden_layer_sizes=.* must stay"):
        dae.fit(X)


def test_a_model_file_keeps_the_choice(X, tmp_path):
    dae = auto().fit(X)
    skdae.save(dae, tmp_path / "dae.skdae")
    loaded = skdae.load(tmp_path / "dae.skdae")
    assert loaded.auto_settings_ == dae.auto_settings_
    np.testing.assert_array_equal(loaded.transform(X), dae.transform(X))


def test_a_classifier_pretrains_with_chosen_settings(X):
    classifier = GradualDAEClassifier(auto(max_iter=8), max_iter=3, random_state=0)
    classifier.fit(X, X[:, 0] > 0)
    choice = classifier.transformer_.auto_settings_
    assert choice.trials
    width = choice.settings["hidden_layer_sizes"][-1]
    assert classifier.transform(X).shape == (len(X), width)


def test_errors_name_the_remedy(X):
    with pytest.raises(ValueError, match="set the scale of the measurement errors"):
        auto(noise="gaussian").fit(X)
    with pytest.raises(ValueError, match="search the object's parameters"):
        auto(noise=MaskingNoise(0.3), hidden_layer_sizes=(6, 4)).fit(X)
    with pytest.raises(ValueError, match="set schedule to a name"):
        auto(schedule=gradual(2, 10)).fit(X)
    for fit in (auto().partial_fit, lambda rows: auto().fit_stream([rows])):
        with pytest.raises(ValueError, match="fit of a single network"):
            fit(X)
    with pytest.raises(ValueError, match="fit of a single network"):
        GradualDAEOutlierDetector(auto(), random_state=0).fit(X)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        auto(hidden_layer_sizes="best").fit(X)


@pytest.mark.parametrize(
    "estimator",
    [GradualDAEImputer, GradualDAEOutlierDetector, GradualDAEDenoiser],
)
def test_estimators_that_do_not_choose_say_so(estimator):
    rows = np.sin(np.arange(400)[:, None] / [20, 31, 45])  # in time order
    with pytest.raises(ValueError, match="noise_rate='auto' is chosen by.*set a value"):
        estimator(GradualDAETransformer(noise_rate="auto", max_iter=4)).fit(rows)
