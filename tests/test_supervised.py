"""The classifier and the regressor: what they learn from, what they leave alone."""

import pickle
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdae import GradualDAEClassifier, GradualDAERegressor, GradualDAETransformer
from skdae._core.network import Head, Layer
from skdae._supervised._selection import (
    CANDIDATES,
    EXPANDED_CANDIDATES,
    FineTuning,
    held_out_loss,
)
from skdae._supervised._targets import fitting_temperature
from skdae._supervised._training import shared
from skdae.datasets import make_sensor_data

IRIS, SPECIES = load_iris(return_X_y=True)
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(150, 2)) @ GENERATOR.normal(size=(2, 6))
X += 0.1 * GENERATOR.normal(size=X.shape)
Y = np.column_stack([X[:, 0] * X[:, 1], X[:, 2]])
CLASSES = np.digitize(X[:, 0], np.quantile(X[:, 0], [0.3, 0.6]))
ESTIMATORS = {
    "classifier": (GradualDAEClassifier, CLASSES),
    "regressor": (GradualDAERegressor, Y[:, 0]),
    "two outputs": (GradualDAERegressor, Y),
}
BOTH = pytest.mark.parametrize(("make", "y"), ESTIMATORS.values(), ids=list(ESTIMATORS))


class Run(NamedTuple):
    """What a network of a classifier or regressor was trained on."""

    source: object
    plan: tuple
    noise: object
    settings: object


@pytest.fixture
def runs(monkeypatch):
    """Training runs of fine-tuning, in order; those of pretraining are not among them.

    They are distinguished by their rows, which have targets.
    """
    from skdae._core import training

    seen, train = [], training.train

    def recorded(source, plan, shape, **rest):
        if hasattr(source.rows, "target"):
            seen.append(Run(source, tuple(plan), rest["noise"], rest["settings"]))
        return train(source, plan, shape, **rest)

    monkeypatch.setattr(training, "train", recorded)
    return seen


# what is chosen by held-out labels otherwise
FIXED = {
    "dropout": 0.25,
    "encoder_rate": 1.0,
    "unfreezing": "gradual",
    "linear_path": False,
    "n_bins": 0,
}
OPEN = dict.fromkeys(FIXED, "auto")


def small(**parameters):
    defaults = {"hidden_layer_sizes": (8, 4), "max_iter": 4, "random_state": 0}
    return GradualDAETransformer(**(defaults | parameters))


def quick(make, transformer=None, **parameters):
    transformer = small() if transformer is None else transformer
    return make(
        transformer, **({"max_iter": 6, "random_state": 0} | FIXED | parameters)
    )


def outputs(model, X):
    """Probabilities, or numbers."""
    return getattr(model, "predict_proba", model.predict)(X)


def layers(network):
    return [array for layer in network.encoder for array in (layer.weight, layer.bias)]


# --- it learns ------------------------------------------------------------------------


def test_the_classifier_learns():
    """As well as a logistic regression on a table that one suits; mean of three halves.

    On one half alone a network may be chosen that has two or three errors more.
    """
    gains = []
    for seed in range(3):
        train, test = np.split(np.random.default_rng(seed).permutation(150), 2)
        model = GradualDAEClassifier(random_state=seed).fit(IRIS[train], SPECIES[train])
        linear = make_pipeline(StandardScaler(), LogisticRegression())
        linear.fit(IRIS[train], SPECIES[train])
        wanted = linear.score(IRIS[test], SPECIES[test])
        gains.append(model.score(IRIS[test], SPECIES[test]) - wanted)
    assert np.mean(gains) >= -0.02


def test_the_regressor_learns_what_a_linear_one_cannot():
    train, test = slice(0, 100), slice(100, 150)
    model = GradualDAERegressor(max_iter=200, random_state=0).fit(X[train], Y[train])
    linear = Ridge().fit(X[train], Y[train])
    assert model.score(X[test], Y[test]) > linear.score(X[test], Y[test]) + 0.1


def test_pretraining_helps_where_labels_are_few():
    """The reason for all of this; many seeds, so that it is no accident."""
    digits, y = load_digits(return_X_y=True)
    pretrained = GradualDAETransformer((128, 64), noise="swap", max_iter=60)
    untrained = GradualDAETransformer((128, 64), max_iter=2, learning_rate_init=1e-9)
    scores = np.empty((2, 4))
    order = np.random.default_rng(0).permutation(len(y))
    test, rest = order[:600], order[600:]
    for i, transformer in enumerate((pretrained, untrained)):
        transformer.set_params(random_state=0).fit(digits[rest])
        for seed in range(4):
            few = np.random.default_rng(seed).choice(rest, 60, replace=False)
            model = GradualDAEClassifier(
                FrozenEstimator(transformer),
                max_iter=60,
                random_state=seed,
                **(FIXED | {"dropout": 0.0, "unfreezing": "joint"}),
            )
            scores[i, seed] = model.fit(digits[few], y[few]).score(
                digits[test], y[test]
            )
    assert scores[0].mean() > scores[1].mean() + 0.02


# --- what is trained, and what stands still -------------------------------------------


@BOTH
def test_an_encoder_rate_of_0_leaves_the_encoder_as_it_was(make, y):
    model = quick(make, encoder_rate=0.0).fit(X, y)
    for before, after in zip(
        layers(model.transformer_.network_), layers(model.network_), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    *_, codes = model.transformer_.staged_transform(X)
    np.testing.assert_allclose(model.transform(X), codes, rtol=1e-5, atol=1e-6)


@BOTH
def test_the_whole_network_learns_by_default(make, y):
    model = quick(make).fit(X, y)
    for before, after in zip(
        layers(model.transformer_.network_), layers(model.network_), strict=True
    ):
        assert not np.array_equal(before, after)


@BOTH
def test_the_transformer_given_is_not_touched(make, y):
    transformer = small()
    model = quick(make, transformer).fit(X, y)
    assert not hasattr(transformer, "network_")
    assert model.transformer_ is not transformer
    for before, after in zip(
        layers(small().fit(X).network_),
        layers(model.transformer_.network_),
        strict=True,
    ):
        np.testing.assert_array_equal(before, after)


@BOTH
def test_a_frozen_transformer_is_used_as_it_is(make, y):
    frozen = small().fit(X[::2])
    before = pickle.dumps(frozen.network_)
    model = quick(make, FrozenEstimator(frozen)).fit(X, y)
    assert model.transformer_.network_ is frozen.network_
    assert pickle.dumps(frozen.network_) == before
    said = outputs(model, X)
    frozen.fit(X * 3 + 1)  # a later fit of it does not reach the model
    np.testing.assert_array_equal(outputs(model, X), said)


def test_gradual_unfreezing_goes_from_the_top_down():
    model = quick(GradualDAEClassifier, encoder_rate=0.5).fit(X, CLASSES)
    assert [phase.rates for phase in model.phases_] == [(0, 0), (0, 0.5), (0.5, 0.5)]
    assert [phase.epochs for phase in model.phases_] == [2, 2, 2]
    assert model.n_iter_ == len(model.loss_curve_) == 6


# --- rows without a label -------------------------------------------------------------

MARKERS = {
    "classifier, -1": (GradualDAEClassifier, CLASSES, -1),
    "classifier, text": (GradualDAEClassifier, CLASSES.astype(str), "unknown"),
    "classifier, NaN": (GradualDAEClassifier, CLASSES.astype(float), np.nan),
    "classifier, text among objects": (
        GradualDAEClassifier,
        np.array(["low", "mid", "high"], dtype=object)[CLASSES],
        "?",
    ),
    "regressor, NaN": (GradualDAERegressor, Y[:, 0], np.nan),
    "two outputs, NaN": (GradualDAERegressor, Y, np.nan),
    "regressor, a number": (GradualDAERegressor, Y[:, 0], -999.0),
}
MARKED = pytest.mark.parametrize(
    ("make", "y", "marker"), MARKERS.values(), ids=list(MARKERS)
)


def hidden(y, marker):
    """Labels with every second one replaced by the marker."""
    y = y.astype(object) if isinstance(marker, str) else y.copy()
    y[1::2] = marker
    return y


@MARKED
def test_rows_without_a_label_are_only_pretrained_on(make, y, marker):
    frozen = FrozenEstimator(small().fit(X))
    model = quick(make, frozen, unlabeled=marker).fit(X, hidden(y, marker))
    alone = quick(make, frozen).fit(X[::2], y[::2])
    np.testing.assert_array_equal(outputs(model, X), outputs(alone, X))
    # and the pretraining sees them all
    model = quick(make, unlabeled=marker).fit(X, hidden(y, marker))
    for before, after in zip(
        layers(small().fit(X).network_),
        layers(model.transformer_.network_),
        strict=True,
    ):
        np.testing.assert_array_equal(before, after)


@MARKED
def test_rows_without_a_label_take_part_when_asked(make, y, marker):
    frozen = FrozenEstimator(small().fit(X))
    parameters = {"unlabeled": marker, "noise": None, "n_teachers": 2}
    without = quick(make, frozen, **parameters).fit(X, hidden(y, marker))
    model = quick(make, frozen, unlabeled_weight=1.0, **parameters)
    model.fit(X, hidden(y, marker))
    assert not np.array_equal(outputs(model, X), outputs(without, X))
    # with every label known there is nothing for it to do
    np.testing.assert_array_equal(
        outputs(model.fit(X, y), X), outputs(without.fit(X, y), X)
    )


@pytest.mark.parametrize("marker", [np.nan, pd.NA, None, -1, "?"])
@pytest.mark.parametrize("kind", ["list", "object", "Series"])
def test_every_kind_of_missing_label_is_seen(marker, kind):
    text = np.array(["low", "mid", "high"], dtype=object)[CLASSES]
    text[1::2] = marker
    y = {"list": text.tolist(), "object": text, "Series": pd.Series(text)}[kind]
    named = np.nan if marker is None else marker  # None is: no marker
    frozen = FrozenEstimator(small().fit(X))
    model = quick(GradualDAEClassifier, frozen, unlabeled=named).fit(X, y)
    assert model.classes_.tolist() == ["high", "low", "mid"]
    assert model.score(X, y) == model.score(X[::2], text[::2].tolist())


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "string"])
def test_nullable_columns_are_labels(dtype):
    values = {"Int64": CLASSES, "boolean": CLASSES > 0, "string": CLASSES.astype(str)}
    y = pd.Series(values[dtype], dtype=dtype)
    y[1::2] = pd.NA
    frozen = FrozenEstimator(small().fit(X))
    model = quick(GradualDAEClassifier, frozen, unlabeled=np.nan).fit(X, y)
    alone = quick(GradualDAEClassifier, frozen).fit(X[::2], values[dtype][::2])
    np.testing.assert_array_equal(model.classes_, alone.classes_)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))


@pytest.mark.parametrize(
    ("change", "n_trained"),
    [({}, 3), ({"n_teachers": 4}, 5), ({"unlabeled_weight": 0.0}, 1)],
)
def test_so_many_teachers_and_one_student_are_trained(change, n_trained, runs):
    parameters = {"unlabeled_weight": 0.5, "n_teachers": 2} | change
    quick(GradualDAEClassifier, unlabeled=-1, **parameters).fit(X, hidden(CLASSES, -1))
    assert len(runs) == n_trained
    for run in runs[:-1]:  # clean rows that have a label
        assert (len(run.plan), run.noise, len(run.source.index)) == (3, None, 75)
    if n_trained > 1:  # all layers at once, corrupted rows, the unlabelled ones too
        student = runs[-1]
        assert (len(student.plan), len(student.source.index)) == (1, 150)
        assert student.noise is not None


@pytest.mark.parametrize(("make", "y"), [(GradualDAERegressor, Y[:, 0])])
def test_unlabelled_rows_weigh_what_is_asked(make, y):
    """A small weight is close to none, and a weight of rows is one in the loss."""
    frozen = FrozenEstimator(small().fit(X))
    parameters = {"unlabeled": np.nan, "noise": None, "n_teachers": 1, "dropout": 0.0}
    y = hidden(y, np.nan)

    def student(weight, sample_weight=None):
        model = quick(make, frozen, unlabeled_weight=weight, **parameters)
        return model.fit(X, y, sample_weight=sample_weight).predict(X)

    assert not np.allclose(student(1.0), student(0.1))
    fractions = np.where(np.isnan(y), 0.5, 1.5)
    assert not np.allclose(student(1.0, fractions), student(1.0, 1.5 + 0 * fractions))
    none = np.where(np.isnan(y), 0.0, 1.0)  # no unlabelled row is left
    np.testing.assert_array_equal(
        student(1.0, none), quick(make, frozen, **parameters).fit(X, y).predict(X)
    )


def test_scores_leave_out_rows_without_a_label():
    y = hidden(CLASSES, -1)
    model = quick(GradualDAEClassifier, unlabeled=-1).fit(X, y)
    assert model.score(X, y) == model.score(X[::2], CLASSES[::2])
    weights = np.arange(len(X)) + 1.0
    assert model.score(X, y, weights) == pytest.approx(
        np.average(model.predict(X[::2]) == CLASSES[::2], weights=weights[::2])
    )


def test_a_marker_is_a_label_unless_it_is_named():
    y = np.where(CLASSES == 0, -1, 1)
    assert quick(GradualDAEClassifier).fit(X, y).classes_.tolist() == [-1, 1]


def test_a_student_learns_from_rows_of_no_label():
    digits, y = load_digits(return_X_y=True)
    test, rest = np.arange(0, len(y), 3), np.arange(1, len(y), 3)
    dae = GradualDAETransformer((64, 32), noise="swap", max_iter=30, random_state=0)
    frozen = FrozenEstimator(dae.fit(digits[rest]))
    scores = np.empty((2, 3))
    for seed in range(3):
        known = np.random.default_rng(seed).permutation(rest)[:60]
        labels = np.full(len(y), -1)
        labels[known] = y[known]
        for i, weight in enumerate((0.0, 1.0)):
            model = GradualDAEClassifier(
                frozen,
                max_iter=60,
                unlabeled=-1,
                unlabeled_weight=weight,
                random_state=seed,
                **FIXED,
            )
            model.fit(digits[rest], labels[rest])
            scores[i, seed] = model.score(digits[test], y[test])
    assert scores[1].mean() > scores[0].mean() + 0.005


# --- how far the network is fitted to the labels --------------------------------------


def plain(rows, seed=0, table=1):
    """A table of few factors, a linear target and one that is not, without noise."""
    generator = np.random.default_rng(seed)
    loadings = np.random.default_rng(table).normal(size=(3, 12))
    F = generator.normal(size=(rows, 3))
    return F @ loadings, F[:, 0] - 2 * F[:, 1], F[:, 0] * F[:, 1] + F[:, 2] ** 2


def noisy_tables(n_tables):
    """Rows and noisy linear targets of some tables, and fresh rows without noise."""
    for number in range(0, 10 * n_tables, 10):
        rows, y, _ = plain(150, number, number + 1)
        noise = np.random.default_rng(number + 2).normal(size=len(y))
        test, truth, _ = plain(1000, number + 3, number + 1)
        yield rows, y + y.std() * noise, test, truth


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2)) / y.std()


def test_a_linear_target_is_left_to_the_linear_path():
    """In its prediction on each table; the error of one may be half as large again."""
    ratios = []
    for seed, (rows, noisy, test, truth) in enumerate(noisy_tables(5)):
        encoder = small(max_iter=20, random_state=seed)
        model = GradualDAERegressor(encoder, random_state=seed).fit(rows, noisy)
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 5, 17)))
        ridge.fit(rows, noisy)
        ratios.append(rmse(model, test, truth) / rmse(ridge, test, truth))
        assert model.fine_tuning_.path_share > 0.8
    assert np.median(ratios) < 1.1
    assert max(ratios) < 1.5


def test_clean_labels_are_fitted_without_dropout():
    rows, _, y = plain(200)
    test, _, truth = plain(500, seed=3)
    encoder = FrozenEstimator(small(hidden_layer_sizes=(64, 32), max_iter=40).fit(rows))
    model = GradualDAERegressor(encoder, random_state=0).fit(rows, y)
    assert model.fine_tuning_.configuration.dropout == 0
    fixed = clone(model).set_params(**FIXED).fit(rows, y)
    assert rmse(model, test, truth) < 0.8 * rmse(fixed, test, truth)


def test_classes_that_a_line_divides_are_predicted_as_by_a_logistic_regression():
    gains = []
    for seed, (rows, noisy, test, truth) in enumerate(noisy_tables(5)):
        encoder = small(max_iter=20, random_state=seed)
        model = GradualDAEClassifier(encoder, random_state=seed).fit(rows, noisy > 0)
        linear = make_pipeline(StandardScaler(), LogisticRegression())
        linear.fit(rows, noisy > 0)
        gains.append(model.score(test, truth > 0) - linear.score(test, truth > 0))
    assert np.mean(gains) > -0.03
    assert min(gains) > -0.1


@BOTH
def test_the_candidate_of_the_lowest_held_out_loss_is_taken(make, y):
    model = quick(make, **OPEN).fit(X, y)
    chosen = model.fine_tuning_
    losses = dict(chosen.held_out_losses)
    assert set(losses) == set(EXPANDED_CANDIDATES)
    assert losses[chosen.configuration] == min(losses.values())
    # as if it had been asked for
    asked = quick(make, **vars(chosen.configuration)).fit(X, y)
    assert asked.fine_tuning_.configuration == chosen.configuration
    assert [p.rates for p in asked.phases_] == [p.rates for p in model.phases_]
    shares = chosen.network_share, chosen.path_share
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1) or shares[1] == 1


@BOTH
@pytest.mark.parametrize("parameter", FIXED)
def test_a_parameter_that_is_given_is_not_chosen(make, y, parameter):
    model = quick(make, **(OPEN | {parameter: FIXED[parameter]})).fit(X, y)
    candidates = [candidate for candidate, _ in model.fine_tuning_.held_out_losses]
    assert {getattr(each, parameter) for each in candidates} == {FIXED[parameter]}
    assert len(set(candidates)) == len(candidates) >= 2


@BOTH
def test_the_choice_does_not_depend_on_the_order_of_rows(make, y):
    order = np.random.default_rng(1).permutation(len(X))
    one = quick(make, **OPEN).fit(X, y)
    other = quick(make, **OPEN).fit(X[order], y[order])
    assert one.fine_tuning_ == other.fine_tuning_
    np.testing.assert_array_equal(outputs(one, X), outputs(other, X))


@BOTH
def test_outputs_are_those_of_the_network_and_the_linear_path(make, y):
    model = quick(make, linear_path=True).fit(X, y)
    encoder, network = model.transformer_.table_encoder_, model.network_
    Z = encoder.encode(X)[0]
    raw = network.raw_outputs(network.encode(Z)) + model.linear_path_(Z)
    if make is GradualDAEClassifier:
        np.testing.assert_allclose(model.predict_proba(X), softmax(raw, axis=1))
    else:
        wanted = raw * np.std(y, axis=0) + np.mean(y, axis=0)
        np.testing.assert_allclose(model.predict(X), wanted.reshape(y.shape))


@BOTH
def test_a_network_beside_a_linear_path_begins_with_its_loss(make, y):
    """The output layer is zero at first, and a tiny step leaves it so."""
    options = {"early_stopping": True, "learning_rate_init": 1e-12}
    model = quick(make, linear_path=True, **options)
    model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    network = model.network_
    np.testing.assert_allclose(network.decoder[-1].weight, 0, atol=1e-9)
    if make is GradualDAEClassifier:
        wanted = log_loss(y[100:], model.predict_proba(X[100:]))
    else:
        scaled_error = (model.predict(X[100:]) - y[100:]) / np.std(y[:100], axis=0)
        wanted = (scaled_error.reshape(50, -1) ** 2).sum(axis=1).mean() / 2
    assert model.validation_loss_curve_[0] == pytest.approx(wanted, rel=1e-4)


@BOTH
def test_few_labels_choose_nothing(make, y):
    model = quick(make, **OPEN).fit(X[:18], y[:18])
    assert model.fine_tuning_.held_out_losses == ()
    assert model.fine_tuning_.configuration == CANDIDATES[0]


@BOTH
def test_a_stream_goes_on_beside_its_linear_path(make, y):
    classes = {"classes": np.unique(y)} if make is GradualDAEClassifier else {}
    model = quick(make, linear_path=True).partial_fit(X, y, **classes)
    path = model.linear_path_
    model.partial_fit(X, y)
    assert model.linear_path_ is path
    fitted = quick(make, **OPEN).fit(X, y)
    chosen = fitted.fine_tuning_
    assert fitted.partial_fit(X, y).fine_tuning_ is chosen


def held_out_places(runs):
    """Places in the table of the rows held out, in those runs that hold rows out."""
    places = [run.source.rows.rows.index for run in runs]
    return [
        np.sort(np.setdiff1d(place, place[run.source.index]))
        for place, run in zip(places, runs, strict=True)
    ]


@BOTH
def test_blocks_of_rows_in_time_order_are_held_out_as_well(runs, make, y):
    drifting = X + np.random.default_rng(0).normal(size=X.shape).cumsum(axis=0)
    for rows, n_blocks in ((drifting, 3), (X, 0)):
        runs.clear()
        quick(make, dropout="auto").fit(rows, y)
        held_out = held_out_places(runs)
        is_block = [len(each) > 0 and (np.diff(each) == 1).all() for each in held_out]
        of_candidate = [False] * 3 + [True] * n_blocks
        assert is_block == [*of_candidate, *of_candidate, False]


def test_a_table_sorted_by_class_is_not_cut_into_blocks(runs):
    drifting = X + np.random.default_rng(0).normal(size=X.shape).cumsum(axis=0)
    quick(GradualDAEClassifier, dropout="auto").fit(drifting, np.sort(CLASSES))
    assert len(runs) == 2 * 3 + 1


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
def test_groups_are_held_out_as_a_whole(runs, make, y, early_stopping):
    groups = np.arange(len(X)) % 10
    model = quick(make, early_stopping=early_stopping, **OPEN)
    model.fit(X, y, groups=groups)
    n_folds = 1 if early_stopping else 3
    for held_out in held_out_places(runs[:n_folds]):
        assert len(held_out) == 15 * len(np.unique(groups[held_out])) > 0


@BOTH
def test_two_groups_are_held_out_in_turn(runs, make, y):
    groups = np.arange(len(X)) % 2
    model = quick(make, **(OPEN | {"n_bins": 0})).fit(X, y, groups=groups)
    first = [set(groups[each].tolist()) for each in held_out_places(runs[:2])]
    assert first in ([{0}, {1}], [{1}, {0}])
    assert len(model.fine_tuning_.held_out_losses) == 2


def test_one_group_is_held_out_by_rows_with_a_warning():
    y = X @ np.arange(6)
    with pytest.warns(UserWarning, match="groups names one group"):
        one = quick(GradualDAERegressor, **OPEN).fit(X, y, groups=np.ones(len(X)))
    without = quick(GradualDAERegressor, **OPEN).fit(X, y)
    np.testing.assert_array_equal(one.predict(X), without.predict(X))


@pytest.mark.parametrize("n_groups", [2, 3])
def test_few_groups_find_what_a_line_explains(n_groups):
    y = X @ np.arange(6)
    rows = np.arange(len(X))
    train, test = rows[rows % 5 > 0], rows[rows % 5 == 0]
    model = quick(GradualDAERegressor, **OPEN)
    model.fit(X[train], y[train], groups=train % n_groups)
    assert model.score(X[test], y[test]) > 0.999


def test_groups_of_one_class_each_choose_nothing():
    y = (CLASSES > 0).astype(int)
    model = quick(GradualDAEClassifier, **OPEN).fit(X, y, groups=y)
    assert model.fine_tuning_.held_out_losses == ()


@BOTH
def test_groups_have_one_entry_for_each_row(make, y):
    with pytest.raises(ValueError, match="groups has the shape"):
        quick(make).fit(X, y, groups=np.arange(5))


@BOTH
def test_shares_of_a_network_and_a_linear_path_are_those_of_the_outputs(make, y):
    network = quick(make).fit(X, y).network_
    path = Layer(np.ones((X.shape[1], network.head.n_features)), np.zeros(1))
    Z = np.random.default_rng(0).normal(size=(5, X.shape[1]))
    chosen = FineTuning(CANDIDATES[0], network_share=0.25, path_share=0.75)
    outputs = network.raw_outputs(network.encode(Z))
    np.testing.assert_allclose(
        shared(network, path, chosen).raw_outputs(Z), outputs / 4 + path(Z) * 3 / 4
    )


@BOTH
def test_a_student_is_not_averaged_again(make, y):
    labels = np.asarray(y, dtype=float).copy()
    labels[::3] = np.nan
    options = {"unlabeled": np.nan, "unlabeled_weight": 1.0, "n_teachers": 1}
    chosen = quick(make, **(OPEN | options)).fit(X, labels).fine_tuning_
    is_beside = chosen.configuration.linear_path
    assert (chosen.network_share, chosen.path_share) == (1, is_beside)


def test_the_held_out_loss_of_classes_does_not_depend_on_their_scale():
    generator = np.random.default_rng(0)
    T = np.eye(3)[generator.integers(3, size=200)]
    logits = T + generator.normal(size=(200, 3))
    head, weights = Head(0, (slice(0, 3),)), np.ones(200)
    loss = held_out_loss(logits, T, weights, head)
    assert held_out_loss(logits * 5, T, weights, head) == pytest.approx(loss, rel=1e-4)


def test_folds_have_equal_shares_of_classes_and_keep_identical_rows_together(runs):
    doubled, labels = np.concatenate([X, X]), np.concatenate([CLASSES, CLASSES])
    quick(GradualDAEClassifier, **OPEN).fit(doubled, labels)
    folds = [run.source for run in runs[:3]]
    rows = [each.rows.take(each.index) for each in folds]
    counts = [block.target.sum(axis=0) for block in rows]
    shares = np.bincount(labels) * 2 / 3
    assert all(np.abs(count - shares).max() <= 2 for count in counts)
    for block in rows:
        _, times = np.unique(block.values, axis=0, return_counts=True)
        assert set(times) == {2}


# --- a fit is a function of its rows --------------------------------------------------


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_order_of_rows_does_not_matter(make, y, early_stopping):
    repeated = np.concatenate([X, X[:20]])  # rows alike, with other labels
    labels = np.concatenate([y, y[20:40]])
    order = np.random.default_rng(1).permutation(len(repeated))
    model = quick(make, early_stopping=early_stopping)
    one = outputs(model.fit(repeated, labels), X)
    other = outputs(clone(model).fit(repeated[order], labels[order]), X)
    np.testing.assert_array_equal(one, other)


@BOTH
def test_a_refit_is_the_same_and_the_global_state_is_left_alone(make, y):
    np.random.seed(3)
    torch.manual_seed(3)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    threads = torch.get_num_threads()
    model = quick(make, dropout=0.5)
    first = outputs(model.fit(X, y), X)
    np.testing.assert_array_equal(outputs(model.fit(X, y), X), first)
    np.testing.assert_array_equal(outputs(model, X), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])
    assert torch.equal(torch.get_rng_state(), state[1])
    assert torch.get_num_threads() == threads
    other = quick(make, dropout=0.5, random_state=1)
    assert not np.array_equal(outputs(other.fit(X, y), X), first)


@BOTH
def test_one_row_is_predicted_as_in_a_batch(make, y):
    model = quick(make).fit(X, y)
    np.testing.assert_allclose(
        np.concatenate([outputs(model, X[i : i + 1]) for i in range(5)]),
        outputs(model, X)[:5],
        rtol=1e-6,
        atol=1e-9,
    )


@BOTH
def test_a_pickled_model_serves_without_torch(make, y):
    model = quick(make).fit(X, y)
    code = (
        "import pickle, sys\n"
        "model = pickle.loads(sys.stdin.buffer.read())\n"
        "model.predict([[0.0] * 6]); model.transform([[0.0] * 6])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(model), check=True)


# --- tables ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [GradualDAEClassifier, GradualDAERegressor])
def test_missing_cells_and_categories_work_as_in_the_transformer(make):
    plant = make_sensor_data(300, as_frame=True, random_state=0)
    frame = plant.data.assign(
        shift=pd.Categorical(np.array(["day", "night"])[np.arange(300) % 2])
    )
    frame.loc[::7, "shift"] = np.nan
    frame.iloc[5] = np.nan  # a row of nothing still has its label
    y = plant.regime if make is GradualDAEClassifier else np.arange(300.0)
    model = quick(make, small(categorical_features="from_dtype")).fit(frame, y)
    assert model.n_features_in_ == frame.shape[1]
    assert list(model.feature_names_in_) == list(frame.columns)
    assert np.isfinite(outputs(model, frame)).all()
    assert model.predict(frame).shape == (300,)
    codes = model.set_output(transform="pandas").transform(frame)
    assert list(codes.columns[:2]) == [f"{make.__name__.lower()}{i}" for i in (0, 1)]
    assert codes.shape == (300, 4)


@BOTH
def test_a_table_is_read_once_per_call(make, y, table_calls):
    model = quick(make)
    model.fit(X, y)
    assert table_calls["read"] == 1
    for call in (model.predict, model.transform, lambda X: model.score(X, y)):
        table_calls.clear()
        call(X)
        assert table_calls == {"read": 1, "encode": 1}
    table_calls.clear()
    model.partial_fit(X, y)
    assert table_calls["read"] == 1
    table_calls.clear()
    model.set_params(early_stopping=True).fit(X, y, X_val=X, y_val=y)
    assert table_calls["read"] == 2  # X and X_val


@BOTH
def test_quantiles_are_computed_once_a_fit(make, y, table_calls):
    """Of the pretraining and of the fine-tuning, however many epochs they take."""
    encodes = []
    for max_iter in (6, 60):
        table_calls.clear()
        quick(make, small(scaling="quantile"), max_iter=max_iter).fit(X, y)
        encodes.append(table_calls["encode"])
    assert encodes == [2, 2]


@BOTH
def test_tensors_are_tables_and_labels(make, y):
    model = quick(make)
    said = outputs(model.fit(X, y), X)
    model.fit(torch.tensor(X), torch.tensor(y))
    np.testing.assert_array_equal(outputs(model, torch.tensor(X)), said)


@BOTH
def test_a_failed_fit_leaves_the_model_as_it_was(make, y, monkeypatch):
    """Neither an error nor a keyboard interrupt leaves a mixture of two models."""
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = quick(make).fit(frame, y)
    said, names = outputs(model, frame), list(model.feature_names_in_)
    other = pd.DataFrame(X[:, :3] * 100, columns=list("xyz"))
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate_init=1e30).fit(other, y)
    np.testing.assert_array_equal(outputs(model, frame), said)
    assert list(model.feature_names_in_) == names

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdae._core.training.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(learning_rate_init=1e-3).fit(other, y)
    np.testing.assert_array_equal(outputs(model, frame), said)
    assert list(model.feature_names_in_) == names


def test_a_fit_without_names_forgets_those_of_the_fit_before():
    model = quick(GradualDAEClassifier).fit(
        pd.DataFrame(X, columns=list("abcdef")), CLASSES
    )
    assert not hasattr(model.fit(X, CLASSES), "feature_names_in_")


def test_pseudo_labels_do_not_depend_on_the_number_of_threads():
    """Sums of a product are split among the threads of the BLAS."""
    wide = np.random.default_rng(0).normal(size=(400, 300))
    y = hidden((wide[:, 0] > 0).astype(int), -1)
    frozen = FrozenEstimator(small(hidden_layer_sizes=(64, 32)).fit(wide))
    model = quick(GradualDAEClassifier, frozen, unlabeled=-1, unlabeled_weight=1.0)
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            model.fit(wide, y)
        with threadpool_limits(1):
            found.append(model.predict_proba(wide))
    np.testing.assert_array_equal(*found)


# --- labels ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [int, bool, float, str])
def test_labels_of_object_dtype_are_taken_everywhere(kind):
    plain = (X[:, 0] > 0).astype(int).astype(kind)
    y = plain.astype(object)
    model = quick(GradualDAEClassifier, early_stopping=True)
    model.fit(X, y, X_val=X, y_val=y)
    assert model.classes_.dtype.kind == plain.dtype.kind
    assert model.score(X, y) == model.score(X, plain)
    assert model.score(X, pd.Series(y)) == model.score(X, plain)
    scores = cross_val_score(quick(GradualDAEClassifier), X, y, cv=KFold(2))
    wanted = cross_val_score(quick(GradualDAEClassifier), X, plain, cv=KFold(2))
    np.testing.assert_array_equal(scores, wanted)


def test_numbers_of_object_dtype_are_taken_everywhere():
    y = Y.astype(object)
    model = quick(GradualDAERegressor, early_stopping=True)
    model.fit(X, y, X_val=X, y_val=y)
    assert model.score(X, y) == model.score(X, Y)


def test_a_fold_may_lack_a_class_that_has_a_weight():
    y = np.where(CLASSES == 0, "a", "b").astype(object)
    weights = {"a": 2, "b": 1}
    wanted = quick(GradualDAEClassifier, class_weight=weights).fit(X, y)
    model = quick(GradualDAEClassifier, class_weight=weights | {"rare": 20})
    with pytest.warns(UserWarning, match=r"class_weight names \['rare'\]"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), wanted.predict_proba(X))


def test_a_class_of_minus_one_beside_numbered_ones_is_asked_about():
    with pytest.warns(UserWarning, match="set unlabeled=-1"):
        quick(GradualDAEClassifier).fit(X, hidden(CLASSES, -1))


# --- callbacks ------------------------------------------------------------------------


@pytest.mark.skipif(
    not hasattr(GradualDAETransformer, "set_callbacks"), reason="before 1.9"
)
@BOTH
def test_callbacks_observe_fine_tuning_and_can_end_it(make, y):
    class Stop:
        """Ends the training at the end of its first phase."""

        def __init__(self):
            self.tasks, self.predicted = [], []

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.tasks.append(context.task_name)
            self.predicted.append(outputs(fitted_estimator, X))
            return context.task_name.startswith("phase")

        def teardown(self, estimator, context):
            pass

    callback = Stop()
    model = quick(make).set_callbacks(callback).fit(X, y)
    assert callback.tasks == ["epoch", "epoch", "phase 1: fine-tuning", "fit"]
    assert len(model.phases_) == 1
    np.testing.assert_array_equal(callback.predicted[-1], outputs(model, X))


# --- weights --------------------------------------------------------------------------


def test_class_weights_pull_towards_a_class():
    shares = [
        quick(GradualDAEClassifier, max_iter=20, class_weight={0: weight})
        .fit(X, CLASSES)
        .predict_proba(X)[:, 0]
        .mean()
        for weight in (0.1, 1.0, 10.0)
    ]
    assert shares[0] < shares[1] < shares[2]


def test_balanced_weights_are_those_of_scikit_learn():
    y = (np.arange(len(X)) % 5 == 0).astype(int)
    dictionary = {0: len(y) / (2 * (y == 0).sum()), 1: len(y) / (2 * (y == 1).sum())}
    one, other = (
        quick(GradualDAEClassifier, class_weight=given).fit(X, y).predict_proba(X)
        for given in ("balanced", dictionary)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4)


@BOTH
def test_a_weight_of_2_is_a_row_twice(make, y):
    weights = np.where(np.arange(len(X)) < 50, 2, 1)
    model = quick(make).fit(X, y, sample_weight=weights)
    repeated = np.repeat(np.arange(len(X)), weights)
    other = quick(make).fit(X[repeated], y[repeated])
    np.testing.assert_array_equal(outputs(model, X), outputs(other, X))


# --- early stopping, given rows, temperature ------------------------------------------


@BOTH
def test_early_stopping_keeps_the_best_weights(make, y):
    noisy = np.random.default_rng(0).permutation(y)  # nothing to learn but by heart
    model = quick(
        make,
        early_stopping=True,
        max_iter=300,
        learning_rate_init=0.01,
        validation_fraction=0.3,
    ).fit(X, noisy)
    curve = model.validation_loss_curve_
    assert model.n_iter_ == len(curve) < 300
    assert curve[-1] > min(curve)


def test_the_best_weights_are_those_of_the_model():
    noisy = np.random.default_rng(0).permutation(CLASSES)
    model = quick(
        GradualDAEClassifier,
        early_stopping=True,
        max_iter=300,
        learning_rate_init=0.01,
    ).fit(X[:100], noisy[:100], X_val=X[100:], y_val=noisy[100:])
    curve = model.validation_loss_curve_
    assert curve[-1] > min(curve)
    found = log_loss(noisy[100:], model.predict_proba(X[100:]))
    assert found == pytest.approx(min(curve), rel=1e-5)


def test_class_weights_count_in_a_given_validation_set_too():
    losses = [
        quick(
            GradualDAEClassifier,
            early_stopping=True,
            encoder_rate=0.0,
            learning_rate_init=1e-9,
            class_weight={0: weight},
        )
        .fit(X[:100], CLASSES[:100], X_val=X[100:], y_val=CLASSES[100:])
        .validation_loss_curve_[0]
        for weight in (1.0, 50.0)
    ]
    assert losses[0] == pytest.approx(np.log(3), rel=1e-3)  # all equally likely
    assert losses[1] != pytest.approx(np.log(3), rel=1e-3)


@pytest.mark.parametrize("n_rows", [2, 3])
def test_the_last_row_of_a_class_is_not_held_out(n_rows):
    y = np.array([0, 1, 0])[:n_rows]
    model = quick(GradualDAEClassifier, early_stopping=True, validation_fraction=0.6)
    if n_rows == 2:
        with pytest.raises(ValueError, match="leave one of each class to train on"):
            model.fit(X[:2], y)
    else:
        model.fit(X[:3], y)
        assert model.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("make", [GradualDAEClassifier, GradualDAERegressor])
def test_the_automatic_number_of_epochs_makes_its_steps(make):
    model = quick(make, max_iter="auto", encoder_rate=0.0).fit(X, CLASSES)
    assert model.n_iter_ == round(2_000 / np.ceil(150 / 32))
    assert model.phases_[0].weight_updates == model.n_iter_ * np.ceil(150 / 32)


@BOTH
def test_a_given_validation_set_takes_the_place_of_a_share(make, y):
    model = quick(make, early_stopping=True, max_iter=8)
    model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    # all of the 100 rows are trained on, as without early stopping
    alone = quick(make, max_iter=8, average=0).fit(X[:100], y[:100])
    np.testing.assert_allclose(model.loss_curve_, alone.loss_curve_, rtol=1e-6)
    assert len(model.validation_loss_curve_) == model.n_iter_
    assert alone.validation_loss_curve_ is None


def test_a_given_validation_set_comes_through_a_pipeline():
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        model = quick(GradualDAEClassifier, early_stopping=True)
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(X[:100], CLASSES[:100], X_val=X[100:], y_val=CLASSES[100:])
    scaled = StandardScaler().fit(X[:100]).transform(X)
    direct = quick(GradualDAEClassifier, early_stopping=True).fit(
        scaled[:100], CLASSES[:100], X_val=scaled[100:], y_val=CLASSES[100:]
    )
    np.testing.assert_allclose(
        pipeline[-1].validation_loss_curve_, direct.validation_loss_curve_
    )


def test_every_class_is_held_out_by_its_share(runs):
    """And rows that are alike stay on one side: their loss would be known."""
    y = (np.arange(150) % 10 == 0).astype(int)
    model = quick(GradualDAEClassifier, early_stopping=True, validation_fraction=0.2)
    model.fit(np.concatenate([X, X]), np.concatenate([y, y]))
    source = runs[-1].source
    held_out = source.rows.take(source.held_out_index)
    trained = source.rows.take(source.index)
    assert held_out.target.sum(axis=0).tolist() == [54, 6]
    assert trained.target.sum(axis=0).tolist() == [216, 24]
    seen = {row.tobytes() for row in trained.values}
    assert not seen & {row.tobytes() for row in held_out.values}


def test_a_temperature_makes_probabilities_honest_and_changes_no_prediction():
    digits, y = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    y = np.where(generator.random(len(y)) < 0.3, generator.integers(10, size=len(y)), y)
    train, test = np.arange(0, 1000), np.arange(1000, len(y))
    parameters = {"max_iter": 100, "dropout": 0.0, "average": 0.0}
    model = quick(
        GradualDAEClassifier,
        small(hidden_layer_sizes=(64,)),
        temperature_scaling=True,
        **parameters,
    )
    model.fit(digits[train], y[train])
    assert model.temperature_ > 1.2  # a network that has learned errors by heart
    calibrated = model.predict_proba(digits[test])
    predicted = model.predict(digits[test])
    model.temperature_ = 1.0
    assert log_loss(y[test], calibrated) < log_loss(
        y[test], model.predict_proba(digits[test])
    )
    np.testing.assert_array_equal(model.predict(digits[test]), predicted)


def test_the_temperature_found_is_the_one_that_was_put_in():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = (p.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)
    found = fitting_temperature(logits * 3, classes, np.ones(20_000))
    assert found == pytest.approx(3, rel=0.05)


def test_few_rows_that_are_all_right_do_not_make_sure_of_everything():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]] * 5)
    assert fitting_temperature(logits, np.array([0, 1] * 5), np.ones(10)) > 0.1


# --- outputs --------------------------------------------------------------------------


@pytest.mark.parametrize("y", [CLASSES, CLASSES > 0], ids=["three", "two"])
def test_what_is_said_of_classes_agrees(y):
    model = quick(GradualDAEClassifier).fit(X, y)
    p, decision = model.predict_proba(X), model.decision_function(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(p), model.predict_log_proba(X))
    best = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
    np.testing.assert_array_equal(model.classes_[best], model.predict(X))
    np.testing.assert_array_equal(p.argmax(axis=1), best)
    if decision.ndim == 1:
        np.testing.assert_allclose(decision, np.log(p[:, 1] / p[:, 0]))


def test_label_smoothing_makes_less_sure():
    sure = [
        quick(
            GradualDAEClassifier,
            max_iter=60,
            learning_rate_init=0.01,
            label_smoothing=smoothing,
        )
        .fit(X, CLASSES)
        .predict_proba(X)
        .max(axis=1)
        .mean()
        for smoothing in (0.0, 0.3)
    ]
    assert sure[1] < sure[0] - 0.05


def test_the_unit_of_the_target_does_not_matter():
    model = quick(GradualDAERegressor)
    plain = model.fit(X, Y).predict(X)
    scaled = clone(model).fit(X, Y * [1e6, 1e-6] + [5e6, 0]).predict(X)
    np.testing.assert_allclose(
        (scaled - [5e6, 0]) / [1e6, 1e-6], plain, rtol=1e-3, atol=1e-4
    )


def test_a_constant_target_is_predicted_as_it_is():
    y = np.full(len(X), 7.25)
    np.testing.assert_allclose(
        quick(GradualDAERegressor, max_iter=100).fit(X, y).predict(X), y, atol=0.1
    )


# --- batch by batch -------------------------------------------------------------------


@BOTH
def test_batches_learn(make, y):
    classes = {"classes": np.unique(y)} if make is GradualDAEClassifier else {}
    model = quick(make, max_iter=40, learning_rate_init=0.01, dropout=0.0)
    model.partial_fit(X, y, **classes)
    for _ in range(60):
        model.partial_fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 61
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]
    assert model.score(X, y) > 0.5


@BOTH
def test_batches_go_on_after_fit_and_after_a_pickle(make, y):
    model = quick(make).fit(X, y)
    before = outputs(model, X)
    saved = pickle.dumps(model.partial_fit(X, y))
    assert not np.array_equal(outputs(model, X), before)
    again = pickle.loads(saved).partial_fit(X, y)
    np.testing.assert_array_equal(
        outputs(again, X), outputs(model.partial_fit(X, y), X)
    )


def test_a_batch_without_a_label_changes_nothing_but_the_first_needs_one():
    unknown = np.full(len(X), np.nan)
    with pytest.raises(ValueError, match="unlabeled=nan marks every row"):
        quick(GradualDAERegressor, unlabeled=np.nan).partial_fit(X, unknown)
    model = quick(GradualDAERegressor, unlabeled=np.nan).partial_fit(X, Y[:, 0])
    before = model.predict(X)
    model.partial_fit(X, unknown)
    np.testing.assert_array_equal(model.predict(X), before)


def test_what_shapes_a_stream_stays_as_it_is():
    model = quick(GradualDAERegressor).partial_fit(X, Y)
    with pytest.raises(ValueError, match="must stay what they were at the first batch"):
        model.set_params(encoder_rate=0.0).partial_fit(X, Y)
    with pytest.raises(ValueError, match="3 features"):
        quick(GradualDAERegressor, unlabeled=np.nan).partial_fit(X, Y).partial_fit(
            X[:, :3], np.full((150, 2), np.nan)
        )


def test_the_classes_of_a_stream_are_given_at_its_start():
    model = quick(GradualDAEClassifier)
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, CLASSES)
    model.partial_fit(X, np.zeros(len(X), int), classes=[0, 1])  # one of them for now
    assert model.classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"y holds \[2\]"):
        model.partial_fit(X, CLASSES)
    with pytest.raises(ValueError, match="classes=.*must stay"):
        model.partial_fit(X, np.zeros(len(X), int), classes=[0, 1, 2])


# --- searches -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "y"), [(GradualDAEClassifier, CLASSES), (GradualDAERegressor, Y)]
)
def test_a_search_reaches_into_the_default_transformer(make, y):
    grid = {"transformer__noise_rate": [0.1, 0.4]}
    model = make(max_iter=2, random_state=0)
    model.set_params(transformer__max_iter=2, transformer__hidden_layer_sizes=(4,))
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    found = search.best_estimator_.transformer_
    assert found.noise_rate == search.best_params_["transformer__noise_rate"]
    fresh = make().set_params(transformer__noise_rate=0.3)
    assert fresh.transformer.noise_rate == 0.3
    assert fresh.transformer.noise == "swap"


@BOTH
def test_parameters_of_a_named_noise_are_set(make, y):
    """As those of the transformer's noise."""
    model = quick(make, noise="masking", noise_rate=0.3)
    assert model.get_params()["noise__rate"] == 0.3
    model.set_params(noise__rate=0.2).fit(X, y)
    assert (model.noise.rate, model.noise_rate) == (0.2, make().noise_rate)
    named = quick(make, noise="masking", noise_rate=0.2).fit(X, y)
    np.testing.assert_array_equal(outputs(model, X), outputs(named, X))


# --- errors ---------------------------------------------------------------------------

ERRORS = {
    "no y": (GradualDAEClassifier, {}, {"y": None}, "requires y"),
    "one class": (GradualDAEClassifier, {}, {"y": np.zeros(150)}, "y has one class"),
    "classes of numbers": (GradualDAEClassifier, {}, {"y": Y[:, 0]}, "Unknown label"),
    "all marked": (
        GradualDAEClassifier,
        {"unlabeled": -1},
        {"y": np.full(150, -1)},
        "unlabeled=-1 marks every row",
    ),
    "X_val alone": (
        GradualDAEClassifier,
        {"early_stopping": True},
        {"X_val": X},
        "X_val is given without y_val",
    ),
    "X_val for nothing": (
        GradualDAERegressor,
        {},
        {"X_val": X, "y_val": CLASSES},
        "but not used; set early_stopping=True",
    ),
    "y_val of other classes": (
        GradualDAEClassifier,
        {"early_stopping": True},
        {"X_val": X, "y_val": CLASSES + 1},
        r"y_val holds \[3\], not among the classes",
    ),
    "y_val of other outputs": (
        GradualDAERegressor,
        {"early_stopping": True},
        {"y": Y, "X_val": X, "y_val": Y[:, 0]},
        "y_val has 1 outputs and must have 2",
    ),
    "another transformer": (
        GradualDAEClassifier,
        {"transformer": FrozenEstimator(StandardScaler())},
        {},
        "must freeze a fitted GradualDAETransformer",
    ),
    "few epochs": (
        GradualDAEClassifier,
        {"unfreezing": "gradual", "max_iter": 2},
        {},
        "max_iter=2 must be at least the number of phases",
    ),
    "noise of another table": (
        GradualDAERegressor,
        {"noise": "masking", "noise_rate": [0.1, 0.2]},
        {},
        "noise_rate=.* does not suit noise='masking'",
    ),
    "missing labels": (
        GradualDAERegressor,
        {},
        {"y": np.where(Y[:, 0] > 0, np.nan, 1.0)},
        "Input y contains NaN, .* set unlabeled=np.nan",
    ),
    "one output missing": (
        GradualDAERegressor,
        {"unlabeled": np.nan},
        {"y": np.where(Y > 1, np.nan, Y)},
        "marks only some outputs",
    ),
    "a marker of another kind": (
        GradualDAEClassifier,
        {"unlabeled": np.nan},
        {"y": CLASSES.astype(str)},
        "cannot occur in y, an array of text",
    ),
    "a weight of nothing": (
        GradualDAEClassifier,
        {"unlabeled_weight": 1.0},
        {},
        "unlabeled_weight=1.0 needs unlabeled",
    ),
    "a rate of nothing": (
        GradualDAEClassifier,
        {"noise_rate": 0.3},
        {},
        "noise_rate=0.3 is for a noise given by name",
    ),
    "weights of other classes": (
        GradualDAEClassifier,
        {"class_weight": {7: 1.0}},
        {},
        "class_weight=.* to the classes of y",
    ),
    "weights of nothing": (
        GradualDAEClassifier,
        {"class_weight": dict.fromkeys(range(3), 0)},
        {},
        "class_weight=.* not all 0",
    ),
    "a sparse target": (
        GradualDAERegressor,
        {},
        {"y": csr_array(Y)},
        r"y is a sparse matrix, .* y\.toarray\(\)",
    ),
    "huge target": (
        GradualDAERegressor,
        {},
        {"y": np.linspace(0, 1e300, 150)},
        "too large to be squared",
    ),
    "a sentinel in the target": (
        GradualDAERegressor,
        {},
        {"y": np.where(np.arange(150) == 7, 3.4e38, X[:, 0])},
        r"y holds 3\.4e\+38, and half of its values lie between",
    ),
    "masked labels": (
        GradualDAEClassifier,
        {},
        {"y": np.ma.masked_array(np.arange(150) % 2, np.arange(150) < 5)},
        "y contains NaN, in 5 cells.*unlabeled=np.nan",
    ),
    "too large a rate": (
        GradualDAEClassifier,
        {"encoder_rate": 1.5},
        {},
        "'encoder_rate' parameter",
    ),
}


@pytest.mark.parametrize("make", [GradualDAEClassifier, GradualDAERegressor])
def test_masked_labels_are_unlabelled_rows(make):
    """As NaN is, whatever stands behind the mask."""
    mask = np.arange(150) % 3 == 0
    labels = np.arange(150) % 2
    masked = np.ma.masked_array(np.where(mask, 9, labels), mask=mask)
    model = quick(make, unlabeled=np.nan).fit(X, masked)
    expected = quick(make, unlabeled=np.nan).fit(X, np.where(mask, np.nan, labels))
    np.testing.assert_array_equal(outputs(model, X), outputs(expected, X))
    assert model.score(X, masked) == expected.score(X[~mask], labels[~mask])


AFTER_PRETRAINING = {"noise of another table", "another transformer"}


@pytest.mark.parametrize("case", sorted(set(ERRORS) - AFTER_PRETRAINING))
def test_errors_come_before_the_pretraining(case, monkeypatch):
    make, parameters, data, message = ERRORS[case]

    def refuse(*args, **kwargs):
        raise AssertionError("pretrained for nothing")

    monkeypatch.setattr("skdae._supervised._pretraining.fit_matrix", refuse)
    with pytest.raises(ValueError, match=message):
        quick(make, **parameters).fit(X, **({"y": CLASSES} | data))


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_is_wrong(case):
    make, parameters, data, message = ERRORS[case]
    arguments = {"y": CLASSES} | data
    with pytest.raises(ValueError, match=message):
        quick(make, **parameters).fit(X, **arguments)


@BOTH
@pytest.mark.parametrize(
    ("parameter", "value"), [("schedule", 3), ("learning_rate_init", "fast")]
)
def test_a_parameter_of_the_inner_transformer_is_named(make, y, parameter, value):
    model = make(small(**{parameter: value}))
    with pytest.raises(ValueError, match=f"'{parameter}' .* GradualDAETransformer"):
        model.fit(X, y)


def test_parameters_of_an_automatic_noise_are_refused_by_name():
    """'auto' is no object, whose rate could be set."""
    model = GradualDAEClassifier()
    with pytest.raises(ValueError, match="noise='auto' stands for none; set noise to"):
        model.set_params(noise__rate=0.1)
    assert model.get_params()["noise"] == "auto"
