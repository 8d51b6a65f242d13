"""The transformer as users meet it: parameters, outputs, scores, streams, types."""

import ast
import importlib
import inspect
import io
import pickle
import re
import subprocess
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import is_dataclass, replace

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skdae import GradualDAETransformer
from skdae._core.network import Layer
from skdae._table.encoder import TableEncoder
from skdae._table.sources import TableRows
from skdae._transformer._outputs import HIDDEN_PARTS
from skdae.noise import EmphasizedNoise, GaussianNoise, MaskingNoise, PerRowNoise
from skdae.schedules import SCHEDULES, Gradual, Hybrid, Joint, Phase, Stacked

WIDTHS = (6, 3)
OUTPUT_WIDTHS = {
    "code": 3,
    "inputs_and_code": 8,
    "layers": 9,
    "code_and_error": 4,
    "reconstruction": 5,
    "error": 5,
}
WITH_CODE = ["code", "inputs_and_code", "layers", "code_and_error"]


def small(
    hidden_layer_sizes=WIDTHS,
    *,
    max_iter=4,
    random_state=0,
    output="code",
    **parameters,
):
    """A transformer that is fitted in milliseconds."""
    return GradualDAETransformer(
        hidden_layer_sizes,
        max_iter=max_iter,
        random_state=random_state,
        output=output,
        **parameters,
    )


def sensors(n_rows=120, n_columns=5, n_factors=2, seed=0):
    """Correlated columns in units of their own."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_rows, n_factors))
    X = factors @ np.random.default_rng(1).normal(size=(n_factors, n_columns))
    X += 0.1 * rng.normal(size=X.shape)
    return X * np.logspace(-2, 3, n_columns) + 10.0 * np.arange(n_columns)


X = sensors()


# --- parameters -----------------------------------------------------------------------

# parameter, value, and what of the rule the message must say
BAD_VALUES = [
    ("hidden_layer_sizes", (), "at least 1"),
    ("hidden_layer_sizes", 0, "1"),
    ("hidden_layer_sizes", (4, 0), "at least 1"),
    ("hidden_layer_sizes", (3.5,), "ints"),
    ("hidden_layer_sizes", ("a",), "ints"),
    ("hidden_layer_sizes", [[3, 2]], "ints"),
    ("hidden_layer_sizes", True, "ints"),
    ("schedule", "greedy", "gradual"),
    ("schedule", (), "Phase"),
    ("schedule", ("gradual",), "Phase"),
    ("noise", "rain", "masking"),
    ("noise_rate", -0.1, "[0.0"),
    ("noise_rate", float("nan"), "[0.0"),
    ("noise_rate", 1.5, "[0, 1]"),
    ("noise_rate", [0.1, 0.2], "5 columns"),
    ("noise_rate", ["a"] * 5, "number"),
    ("decoder", "deep", "mirror"),
    ("activation", "sigmoid", "logistic"),
    ("loss", "mse", "squared_error"),
    ("scaling", "robust", "quantile"),
    ("categorical_features", "sex", "from_dtype"),
    ("categorical_features", [9], "[0, 4]"),
    ("categorical_features", [-1], "[0, 4]"),
    ("categorical_features", [True, False], "length 2"),
    ("categorical_features", [0.5], "indices"),
    ("categorical_features", [[0]], "mask"),
    ("categorical_features", ["a"], "no column names"),
    ("output", "latent", "code_and_error"),
    ("solver", "lbfgs", "adam"),
    ("learning_rate_init", 0, "(0.0"),
    ("momentum", 1, "1.0)"),
    ("alpha", -1, "[0.0"),
    ("batch_size", 0, "[1"),
    ("batch_size", 2.5, "int"),
    ("max_iter", 0, "[1"),
    ("max_iter", 1, "number of hidden layers (2)"),
    ("early_stopping", 3, "bool"),
    ("validation_fraction", 1.0, "1.0)"),
    ("validation_fraction", "blocks", "split"),
    ("n_iter_no_change", 0, "[1"),
    ("tol", -1e-4, "[0.0"),
    ("warm_start", "no", "bool"),
    ("random_state", "lucky", "int"),
    ("device", "tpu", "cuda"),
    ("n_threads", 0, "[1"),
    ("dtype", "float16", "bfloat16"),
    ("verbose", -1, "[0"),
]


@pytest.mark.parametrize(("name", "value", "rule"), BAD_VALUES)
def test_bad_value_names_parameter_value_and_rule(name, value, rule):
    """Every parameter out of its range is refused in words that lead on."""
    estimator = small().set_params(**{name: value})
    with pytest.raises(ValueError, match=re.escape(name)) as info:
        estimator.fit(X)
    shown = str(value) if isinstance(value, str) else repr(value)
    message = str(info.value)
    assert rule in message
    if name != "categorical_features":  # a long mask is not printed
        assert shown in message


BAD_SCHEDULES = [
    (Hybrid(stacked_fraction=1.5), "stacked_fraction=1.5", "[0, 1]"),
    (Gradual(lower_layer_rate=-0.1), "lower_layer_rate=-0.1", "[0, 1]"),
    (Gradual(epoch_allocation="most"), "epoch_allocation='most'", "equal"),
    (Gradual(epoch_allocation=(1,)), "epoch_allocation=(1,)", "2 shares"),
    (Gradual(epoch_allocation=(1, -1)), "epoch_allocation=(1, -1)", "above 0"),
    (Stacked(epoch_allocation=("a", "b")), "epoch_allocation=('a', 'b')", "2 shares"),
    (Joint(tuning_fraction=1), "tuning_fraction=1", "[0, 1)"),
]


@pytest.mark.parametrize(("schedule", "shown", "rule"), BAD_SCHEDULES)
def test_bad_parameters_of_a_schedule_are_named(schedule, shown, rule):
    with pytest.raises(ValueError, match=re.escape(shown)) as info:
        small(schedule=schedule).fit(X)
    assert rule in str(info.value)


def test_every_parameter_is_in_the_table_of_bad_values():
    """A new parameter does not slip past the table above."""
    assert {name for name, _, _ in BAD_VALUES} == set(
        GradualDAETransformer().get_params(deep=False)
    )


CONFLICTS = {
    "direct and stacked": (
        {"decoder": "direct", "schedule": "stacked"},
        ["decoder='direct'", "schedule='stacked'", "tuning_fraction > 0"],
    ),
    "direct and wholly stacked hybrid": (
        {"decoder": "direct", "schedule": Hybrid(stacked_fraction=1.0)},
        ["decoder='direct'", "schedule=Hybrid(", "tuning_fraction > 0"],
    ),
    "an emphasis that leaves nothing": (
        {"noise": EmphasizedNoise(MaskingNoise(), corrupted=0, untouched=0)},
        ["corrupted=0", "untouched=0", "above 0"],
    ),
    "an emphasis below 0": (
        {"noise": EmphasizedNoise(MaskingNoise(), untouched=-1)},
        ["untouched=-1", "EmphasizedNoise", "at least 0"],
    ),
    "an emphasis inside another noise": (
        {"noise": PerRowNoise(EmphasizedNoise(MaskingNoise()))},
        ["EmphasizedNoise", "wrap the whole noise"],
    ),
    "cross-entropy and standard scaling": (
        {"loss": "cross_entropy"},
        ["loss='cross_entropy'", "[0, 1]", "scaling='standard'", "scaling='minmax'"],
    ),
    "cross-entropy and unbounded data": (
        {"loss": "cross_entropy", "scaling": None},
        ["loss='cross_entropy'", "[0, 1]", "column 0", "scaling='minmax'"],
    ),
    "noise object and noise_rate": (
        {"noise": MaskingNoise(0.2), "noise_rate": 0.1},
        ["noise_rate=0.1", "MaskingNoise", "noise__rate"],
    ),
    "noise object out of range": (
        {"noise": MaskingNoise(2)},
        ["rate=2", "MaskingNoise", "[0, 1]"],
    ),
    "too few epochs for tuning": (
        {"max_iter": 2, "schedule": Gradual(tuning_fraction=0.5)},
        ["max_iter=2", "(2)", "1 for tuning", "raise max_iter"],
    ),
    "schedule of other depth": (
        {"schedule": (Phase(1, 1, (1.0,)),)},
        ["schedule", "[1]", "end with 2", "hidden_layer_sizes"],
    ),
    "schedule that goes deeper": (
        {"schedule": (Phase(3, 1, (1.0,) * 3), Phase(2, 1, (1.0, 1.0)))},
        ["schedule", "[3, 2]", "end with 2"],
    ),
    # the layer below a code phase must have been trained by some phase
    "schedule without its first layer": (
        {"schedule": (Phase(2, 1, (0.0, 1.0), corrupt="code"),)},
        ["schedule", "depth"],
    ),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicting_parameters_name_the_remedy(case):
    """Values that do not go together are refused before anything is trained."""
    parameters, wanted = CONFLICTS[case]
    with pytest.raises(ValueError, match=".") as info:
        small(**parameters).fit(X)
    for part in wanted:
        assert part in str(info.value)


def test_what_resolves_a_conflict_is_accepted():
    """The remedies that the messages above name do work."""
    for parameters in (
        {"decoder": "direct", "schedule": Stacked(tuning_fraction=0.5)},
        {"loss": "cross_entropy", "scaling": "minmax"},
        {"noise": MaskingNoise(0.2)},
        {"hidden_layer_sizes": 3, "max_iter": 1},
        {"hidden_layer_sizes": np.array([6, 3])},
        {"schedule": [Phase(1, 1, (1.0,)), Phase(2, 1, (0.5, 1.0))]},
        {"noise_rate": [0.1, 0.2, 0.3, 0.4, 0.5]},
    ):
        assert np.isfinite(small(**parameters).fit_transform(X)).all()


def test_init_stores_and_does_nothing():
    """Nonsense is refused by fit, not by the constructor."""
    estimator = GradualDAETransformer("?", noise_rate=-3, random_state="x")
    assert estimator.hidden_layer_sizes == "?"
    assert estimator.get_params()["noise_rate"] == -3
    assert not hasattr(clone(estimator), "network_")


def test_a_schedule_object_is_run_as_it_stands():
    """max_iter and the shaping parameters do not touch a given plan."""
    plan = (Phase(1, 3, (1.0,)), Phase(2, 2, (0.0, 1.0)))
    fitted = small(schedule=plan, max_iter=50).fit(X)
    assert [(p.depth, p.epochs, p.rates) for p in fitted.phases_] == [
        (p.depth, p.epochs, p.rates) for p in plan
    ]
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 5


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("decoder", ["mirror", "direct"])
@pytest.mark.parametrize("activation", ["relu", "logistic", "tanh", "identity"])
def test_every_schedule_trains_with_every_decoder(schedule, decoder, activation):
    """The loss goes down, the attributes have the shapes they document."""
    fitted = small(
        schedule=SCHEDULES[schedule](tuning_fraction=0.4),
        decoder=decoder,
        activation=activation,
        max_iter=30,
        learning_rate_init=0.01,
        noise_rate=0.1,
    ).fit(X)
    tuning = fitted.phases_[-1].epochs
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[-tuning]
    assert sum(phase.epochs for phase in fitted.phases_) == fitted.n_iter_ == 30
    shapes = [W.shape for W in fitted.coefs_]
    assert shapes[:2] == [(5, 6), (6, 3)]
    assert shapes[2:] == ([(3, 6), (6, 5)] if decoder == "mirror" else [(3, 5)])
    assert [b.shape for b in fitted.intercepts_] == [(s[1],) for s in shapes]
    assert fitted.n_features_in_ == 5
    assert fitted.validation_loss_curve_ is None


def test_tied_weights_are_tied():
    """The mirrored decoder is the encoder, transposed."""
    fitted = small(decoder="tied").fit(X)
    one, two, three, four = fitted.coefs_
    np.testing.assert_array_equal(three, two.T)
    np.testing.assert_array_equal(four, one.T)
    assert not np.array_equal(small().fit(X).coefs_[3], small().fit(X).coefs_[0].T)


@pytest.mark.parametrize("name", ["gradual", "hybrid", "stacked", "frozen"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_automatic_shares_are_decided_by_the_rows_held_out(name, early_stopping):
    """All epochs are used; only early stopping ends the last phase before."""
    rows = np.random.default_rng(0).standard_normal((300, 2)) @ np.ones((2, 4))
    schedule = SCHEDULES[name](epoch_allocation="auto")
    dae = small(schedule=schedule, max_iter=40, early_stopping=early_stopping)
    if early_stopping:
        dae.set_params(n_iter_no_change=3, tol=1e9)
    fitted = dae.fit(rows)
    *phases, last = fitted.phases_
    planned = SCHEDULES[name]().plan(len(dae.hidden_layer_sizes), 40)
    assert phases[0].epochs < planned[0].epochs
    lower = [phase for phase in phases if phase.depth < last.depth]
    assert all(phase.validation_loss is not None for phase in lower)
    assert (last.validation_loss is None) == (not early_stopping)
    total = sum(phase.epochs for phase in fitted.phases_)
    assert total < 40 if early_stopping else total == 40
    assert fitted.mixture_ is not None
    with pytest.raises(ValueError, match="validation_fraction=None .* needs some"):
        dae.set_params(validation_fraction=None).fit(rows)


def test_early_stopping_stops_each_phase_after_its_patience():
    """With a tolerance that nothing meets, a phase lasts its patience and one epoch."""
    fitted = small(early_stopping=True, max_iter=40, n_iter_no_change=3, tol=1e9).fit(X)
    assert [phase.epochs for phase in fitted.phases_] == [4, 4]
    assert len(fitted.validation_loss_curve_) == fitted.n_iter_ == 8


# --- input that cannot be used --------------------------------------------------------


BAD_TABLES = {
    "empty": (np.empty((0, 5)), ["0 sample", "(0, 5)", "minimum of 2"]),
    "no columns": (np.empty((5, 0)), ["0 feature", "minimum of 1"]),
    "one row": (X[:1], ["1 sample", "minimum of 2"]),
    "one-dimensional": (X[0], ["Expected 2D array", "reshape"]),
    "three-dimensional": (X[None], ["dim 3"]),
    "complex": (X + 1j, ["Complex data not supported"]),
    "text": ([["a", "b"], ["c", "d"]], ["text", "categorical_features", "drop"]),
    "nothing but missing": (np.full((5, 2), np.nan), ["n_samples=0", "at least 2"]),
    "one row with values": (
        np.vstack([X[:1], np.full((4, 5), np.nan)]),
        ["n_samples=1", "at least 2", "add rows"],
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_tables_that_cannot_be_learned_from(case):
    """Each is refused with its shape, the rule or the remedy."""
    table, wanted = BAD_TABLES[case]
    with pytest.raises(ValueError, match=".") as info:
        small().fit(table)
    for part in wanted:
        assert part in str(info.value)


@pytest.mark.parametrize(
    "method",
    ["transform", "reconstruct", "score", "score_samples", "partial_fit"],
)
def test_tables_unlike_the_fitted_one(method):
    """Wrong widths, no rows, one dimension, infinity: refused by every method."""
    call = getattr(small().fit(X), method)
    infinite = X.copy()
    infinite[3, 2] = np.inf
    for table, wanted in (
        (X[:, :3], "3 features"),
        (X[:0], "0 sample"),
        (X[0], "Expected 2D"),
        (infinite, "infinity"),
    ):
        with pytest.raises(ValueError, match=wanted):
            call(table)


def test_infinity_is_refused_by_fit():
    """An infinite reading is not a missing one."""
    for value in (np.inf, -np.inf):
        table = X.copy()
        table[3, 2] = value
        with pytest.raises(ValueError, match="X contains infinity"):
            small().fit(table)


@pytest.mark.parametrize("categorical_features", [None, [0]])
@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.coo_array])
def test_sparse_is_refused_with_the_remedy(make, categorical_features):
    """The message says how to make the table dense."""
    estimator = small(categorical_features=categorical_features)
    with pytest.raises(TypeError, match=r"\.toarray\(\)"):
        estimator.fit(make(X))
    fitted = small().fit(X)
    for call in (fitted.transform, fitted.reconstruct, fitted.score):
        with pytest.raises(TypeError, match=r"\.toarray\(\)"):
            call(make(X))


def test_unfitted_methods_say_so():
    """Nothing answers before fit."""
    estimator = small()
    for method in (
        estimator.transform,
        estimator.inverse_transform,
        estimator.reconstruct,
        estimator.score,
        estimator.score_samples,
    ):
        with pytest.raises(NotFittedError):
            method(X)
    with pytest.raises(NotFittedError):
        next(estimator.staged_transform(X))
    with pytest.raises(NotFittedError):
        estimator.get_feature_names_out()


def test_validation_fraction_must_leave_rows():
    """Holding out all rows is refused with the number of rows."""
    with pytest.raises(ValueError, match="validation_fraction=0.9 of 2 different rows"):
        small(early_stopping=True, validation_fraction=0.9).fit(X[:2])


def test_cuda_without_a_device_is_refused():
    """device='cuda' does not quietly become the CPU."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ValueError, match="device='cuda'"):
        small(device="cuda").fit(X)
    assert small(device="auto").fit(X).n_iter_ == 4


# --- outputs --------------------------------------------------------------------------


@pytest.mark.parametrize("output", OUTPUT_WIDTHS)
def test_outputs_have_their_shape_and_names(output):
    """One distinct name per column; those of the input where it has its columns."""
    fitted = small(output=output).fit(X)
    values = fitted.transform(X)
    names = fitted.get_feature_names_out()
    assert values.shape == (len(X), OUTPUT_WIDTHS[output])
    assert np.isfinite(values).all()
    assert len(set(names)) == values.shape[1]
    np.testing.assert_allclose(fitted.fit_transform(X), values)
    if output in ("reconstruction", "error"):
        assert list(names) == [f"x{i}" for i in range(5)]
        given = list("abcde")
        assert list(fitted.get_feature_names_out(given)) == given
    else:
        assert all(name.startswith("gradualdaetransformer") for name in names)


def test_outputs_agree_with_each_other():
    """Each kind of output is what its documentation says of the others."""
    fitted = small(validation_fraction=None).fit(X)
    by_output = {
        output: fitted.set_params(output=output).transform(X)
        for output in OUTPUT_WIDTHS
    }
    stages = list(fitted.staged_transform(X))
    code, errors = by_output["code"], by_output["error"]
    np.testing.assert_allclose(stages[-1], code)
    np.testing.assert_allclose(np.hstack(stages), by_output["layers"])
    np.testing.assert_allclose(by_output["code_and_error"][:, :-1], code)
    np.testing.assert_allclose(
        by_output["code_and_error"][:, -1], -fitted.score_samples(X)
    )
    np.testing.assert_allclose((errors**2).mean(axis=1), -fitted.score_samples(X))
    np.testing.assert_allclose(by_output["reconstruction"], fitted.reconstruct(X))
    # no column of X has values far out, so the robust deviation is the plain one
    np.testing.assert_allclose(
        errors * X.std(axis=0), X - by_output["reconstruction"], rtol=1e-6
    )


def test_inputs_and_code_share_the_variance():
    """The inputs are as encoded, and the code has a tenth of their total variance."""
    fitted = small(output="inputs_and_code").fit(X)
    values = fitted.transform(X)
    np.testing.assert_array_equal(values[:, :5], fitted.table_encoder_.encode(X)[0])
    code = values[:, 5:]
    np.testing.assert_allclose(
        code.var(axis=0).sum(), 0.1 * values[:, :5].var(axis=0).sum(), rtol=1e-5
    )
    fitted.set_params(output="code")
    np.testing.assert_allclose(code, fitted.code_scale_ * fitted.transform(X))


def test_the_scale_of_the_code_follows_weights_and_batches():
    """A weight counts as copies; batches keep the scale of their top layer."""
    weights = np.arange(len(X)) % 3
    weighted = small().fit(X, sample_weight=weights)
    assert (
        weighted.code_scale_ == small().fit(np.repeat(X, weights, axis=0)).code_scale_
    )
    streamed, scales = small(max_iter=6), []
    for _ in range(8):
        streamed.partial_fit(X)
        scales.append(streamed.code_scale_)
    assert len(set(scales)) == len(streamed.network_.encoder)
    constant = small(output="inputs_and_code").fit(np.ones((40, 3)))
    assert np.isfinite(constant.transform(np.ones((2, 3)))).all()
    del streamed.code_scale_  # as in a file of an earlier release
    with pytest.raises(ValueError, match="fit it again"):
        streamed.set_params(output="inputs_and_code").transform(X)


@pytest.mark.parametrize("output", WITH_CODE)
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_outputs_with_a_code_are_inverted(output, scaling):
    """From any of them, the table comes back as reconstruct gives it."""
    table = X / X.std(axis=0)
    fitted = small(output=output, scaling=scaling, validation_fraction=None)
    rebuilt = fitted.inverse_transform(fitted.fit_transform(table))
    np.testing.assert_allclose(rebuilt, fitted.reconstruct(table), rtol=1e-6)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("output", ["code", "layers"])
def test_codes_beyond_the_range_of_fit_are_those_of_its_end(scaling, output):
    """A tenth of the range beyond its ends; rows of fit and gaps are as they were."""
    fitted = small(scaling=scaling, output=output).fit(X + 50)
    low, high = (X + 50).min(axis=0), (X + 50).max(axis=0)
    ends = [fitted.transform(each[None]) for each in (2 * low - high, 2 * high - low)]
    far = [fitted.transform(each[None]) for each in (low - 1e6, high + 1e6)]
    np.testing.assert_allclose(far, ends, rtol=1e-6)
    codes = fitted.network_.codes(fitted.table_encoder_.encode(X + 50)[0])
    expected = np.hstack(codes) if output == "layers" else codes[-1]
    np.testing.assert_array_equal(fitted.transform(X + 50), expected)
    gone = np.full((1, X.shape[1]), np.nan)
    nothing = fitted.network_.codes(np.zeros((1, X.shape[1])))
    expected = np.hstack(nothing) if output == "layers" else nothing[-1]
    np.testing.assert_allclose(fitted.transform(gone), expected)


@pytest.mark.parametrize("output", ["reconstruction", "error"])
def test_outputs_without_a_code_are_not_inverted(output):
    """The message names the output and what to call instead."""
    fitted = small(output=output).fit(X)
    with pytest.raises(ValueError, match=f"output='{output}'.*call reconstruct"):
        fitted.inverse_transform(fitted.transform(X))


@pytest.mark.parametrize("output", WITH_CODE)
def test_inverse_transform_refuses_other_widths(output):
    """A table of the wrong width is named with the right one."""
    fitted = small(output=output).fit(X)
    width = OUTPUT_WIDTHS[output]
    codes = fitted.transform(X)
    with pytest.raises(ValueError, match=f"has {width - 1} columns.*have {width}"):
        fitted.inverse_transform(codes[:, :-1])
    with pytest.raises(TypeError, match="toarray"):
        fitted.inverse_transform(scipy.sparse.csr_array(codes))


def test_a_trained_model_rebuilds_in_the_units_of_the_user():
    """Columns whose units differ by 10^5 all come back better than by their mean."""
    train, test = sensors(seed=0), sensors(seed=2)
    fitted = small((16, 2), max_iter=200, learning_rate_init=0.01).fit(train)
    rebuilt = fitted.inverse_transform(fitted.transform(test))
    error = ((rebuilt - test) ** 2).mean(axis=0)
    assert (error < 0.3 * test.var(axis=0)).all()


def test_a_layer_may_be_wider_than_the_table():
    """Over-complete codes are allowed."""
    assert small((40, 30)).fit_transform(X).shape == (len(X), 30)


# --- scores ---------------------------------------------------------------------------


def silenced(fitted, row):
    """A copy whose network says the same row whatever it sees."""
    copied = deepcopy(fitted)
    *decoder, last = (
        Layer(np.zeros_like(layer.weight), np.zeros_like(layer.bias))
        for layer in copied.network_.decoder
    )
    said = replace(last, bias=copied.table_encoder_.encode(np.atleast_2d(row))[0][0])
    copied.network_ = replace(copied.network_, decoder=(*decoder, said))
    return copied


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_score_is_in_one_unit_whatever_the_scaling(scaling):
    """The columns' means score 0, one standard deviation beside them scores -1."""
    means, stds = X.mean(axis=0), X.std(axis=0)
    fitted = small(scaling=scaling, activation="relu", validation_fraction=None).fit(X)
    tolerance = 0.05 if scaling == "quantile" else 1e-6  # its steps are coarse
    at_means = silenced(fitted, means)
    assert at_means.score(X) == pytest.approx(0, abs=tolerance)
    assert at_means.score_samples(X).mean() == pytest.approx(-1, abs=tolerance)
    beside = silenced(fitted, means + stds)
    assert beside.score(X) == pytest.approx(-1, abs=tolerance)


def test_score_is_one_less_what_is_left_of_the_variance():
    """On a table of one factor, hidden cells are nearly known from the others."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 1)) * np.arange(1.0, 7.0)
    fitted = small((12,), max_iter=150, learning_rate_init=0.01).fit(table)
    assert 0.9 < fitted.score(table[:100]) <= 1
    independent = rng.normal(size=(300, 6)) * np.arange(1.0, 7.0)
    assert fitted.score(independent) < 0


@pytest.mark.parametrize(
    "changed",
    [
        {"noise_rate": 0.0},
        {"noise_rate": 0.9},
        {"noise": "swap"},
        {"noise": GaussianNoise(2.0)},
        {"noise": EmphasizedNoise(MaskingNoise(0.25), untouched=0)},
        {"loss": "squared_error"},
    ],
)
def test_score_does_not_depend_on_the_candidates_noise(changed):
    """The same network scores alike whatever noise it was trained with."""
    fitted = small().fit(X)
    other = deepcopy(fitted).set_params(**changed)
    assert other.score(X) == fitted.score(X)
    np.testing.assert_array_equal(other.score_samples(X), fitted.score_samples(X))


def test_score_samples_is_lower_for_corrupted_rows():
    """Broken correlations and outliers make nearly every row less normal."""
    train, test = sensors(400, seed=0), sensors(200, seed=3)
    fitted = small((16, 2), max_iter=150, learning_rate_init=0.01).fit(train)
    clean = fitted.score_samples(test)
    assert clean.shape == (200,)
    assert (clean <= 0).all()
    shuffled = test.copy()
    shuffled[:, 2] = np.roll(test[:, 2], 1)
    assert np.mean(fitted.score_samples(shuffled) < clean) > 0.75
    spiked = test.copy()
    spiked[:, 1] += 5 * test[:, 1].std()
    assert np.mean(fitted.score_samples(spiked) < clean) > 0.95


# --- warm start and streams -----------------------------------------------------------


def test_warm_start_goes_on_from_the_weights():
    """A second fit starts near the loss where the first one ended."""
    first = small(max_iter=60, warm_start=True, learning_rate_init=0.01).fit(X)
    ended, columns = first.loss_curve_[-1], first.table_encoder_
    before = first.transform(X)
    again = first.set_params(max_iter=2, learning_rate_init=1e-9).fit(X)
    assert again.table_encoder_ is columns
    assert again.n_iter_ == 2
    np.testing.assert_allclose(again.transform(X), before, atol=1e-5)
    assert again.loss_curve_[0] < 1.5 * ended
    cold = small(max_iter=2, learning_rate_init=1e-9).fit(X)
    assert not np.allclose(cold.transform(X), before, atol=1e-2)


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden_layer_sizes": (6, 2)},
        {"hidden_layer_sizes": (6, 3, 2)},
        {"decoder": "direct"},
    ],
)
def test_warm_start_refuses_another_architecture(changed):
    """The message names the parameter that must not change."""
    fitted = small(warm_start=True, max_iter=6).fit(X)
    with pytest.raises(ValueError, match=next(iter(changed))):
        fitted.set_params(**changed).fit(X)


def test_warm_start_refuses_other_columns():
    """The scaling of the first fit is that of the second."""
    fitted = small(warm_start=True).fit(X)
    with pytest.raises(ValueError, match="3 features"):
        fitted.fit(X[:, :3])


@pytest.mark.parametrize("decoder", ["mirror", "direct"])
def test_warm_start_after_an_unfinished_stream(decoder):
    """A fit may follow a stream that has not reached the top layer."""
    estimator = small(warm_start=True, decoder=decoder).partial_fit(X)
    assert estimator.transform(X).shape == (len(X), WIDTHS[0])
    assert estimator.fit(X).transform(X).shape == (len(X), WIDTHS[1])


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("decoder", ["mirror", "direct"])
def test_partial_fit_grows_through_the_phases(schedule, decoder):
    """Each call is one epoch of the plan, and the model can be used after each."""
    widths = (6, 4, 3)
    tuned = SCHEDULES[schedule](tuning_fraction=0.25)
    estimator = small(widths, max_iter=8, schedule=tuned, decoder=decoder)
    plan = tuned.plan(3, 8)
    if decoder == "direct" and any(phase.corrupt == "code" for phase in plan):
        with pytest.raises(ValueError, match="decoder='mirror'"):
            estimator.partial_fit(X)
        return
    depths = [phase.depth for phase in plan for _ in range(phase.epochs)]
    for depth in [*depths, 3, 3]:  # the last phase goes on
        codes = estimator.partial_fit(X).transform(X)
        assert codes.shape == (len(X), widths[depth - 1])
        assert np.isfinite(estimator.reconstruct(X)).all()
        assert np.isfinite(estimator.score(X))
        assert len(estimator.get_feature_names_out()) == widths[depth - 1]
    assert len(estimator.loss_curve_) == estimator.n_iter_ == 10


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_a_stream_of_the_same_rows_equals_fit(schedule):
    """As many calls as the plan has epochs give the network that fit gives."""
    fitted = small(schedule=schedule, max_iter=6).fit(X)
    streamed = small(schedule=schedule, max_iter=6)
    for _ in range(6):
        streamed.partial_fit(X)
    np.testing.assert_allclose(streamed.loss_curve_, fitted.loss_curve_)
    np.testing.assert_array_equal(streamed.transform(X), fitted.transform(X))


def test_partial_fit_keeps_the_scaling_of_the_first_batch():
    """Later batches do not move what codes mean."""
    estimator = small().partial_fit(X)
    columns = estimator.table_encoder_
    estimator.partial_fit(X[:1] * 100)  # one row is enough later on
    assert estimator.table_encoder_ is columns
    with pytest.raises(ValueError, match="minimum of 2"):
        small().partial_fit(X[:1])


@pytest.mark.parametrize("decoder", ["mirror", "direct"])
def test_partial_fit_after_fit_goes_on_in_the_last_phase(decoder):
    """Batches that come later train the finished network, call after call."""
    fitted = small(max_iter=20, decoder=decoder).fit(X)
    before = fitted.transform(X)
    for n_calls in range(1, 4):
        fitted.partial_fit(X)
        assert fitted.transform(X).shape == before.shape
        assert fitted.n_iter_ == 20 + n_calls
    assert not np.array_equal(fitted.transform(X), before)


def test_a_stream_goes_on_after_pickling():
    """A saved stream and the one in memory end in the same network, bit by bit."""
    estimator = small(max_iter=6)
    for _ in range(4):
        estimator.partial_fit(X)
    saved = pickle.loads(pickle.dumps(estimator))
    for _ in range(4):
        estimator.partial_fit(X)
        saved.partial_fit(X)
    np.testing.assert_array_equal(saved.transform(X), estimator.transform(X))


# --- sample weights -------------------------------------------------------------------


def test_whole_weights_are_repetitions():
    """A row of weight 2 is the row twice, one of weight 0 is not there."""
    weights = np.arange(len(X)) % 3
    weighted = small().fit(X, sample_weight=weights)
    repeated = small().fit(np.repeat(X, weights, axis=0))
    np.testing.assert_array_equal(weighted.transform(X), repeated.transform(X))
    assert not np.array_equal(weighted.transform(X), small().fit_transform(X))


def test_rows_without_weight_leave_no_trace():
    """Not even in the scaling."""
    weights = np.r_[np.ones(100), np.zeros(20)]
    wild = X.copy()
    wild[100:] *= 1e6
    tame = small().fit(X, sample_weight=weights)
    np.testing.assert_array_equal(
        small().fit(wild, sample_weight=weights).transform(X), tame.transform(X)
    )


def test_the_scale_of_weights_does_not_matter():
    """Other than whole weights count relative to their mean."""
    weights = np.where(np.arange(len(X)) % 2, 1.5, 0.5)
    one = small().fit(X, sample_weight=weights).transform(X)
    quarter = small().fit(X, sample_weight=weights / 4).transform(X)
    np.testing.assert_array_equal(one, quarter)
    reverse = small().fit(X, sample_weight=weights[::-1]).transform(X)
    assert not np.array_equal(one, reverse)


def test_weights_move_what_is_learned():
    """Of two kinds of rows, the one that weighs more is rebuilt better."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=(200, 1))
    table = np.hstack([t, np.where(np.arange(200) < 100, 1, -1)[:, None] * t])
    scores = [
        small((1,), max_iter=100, activation="identity", learning_rate_init=0.02)
        .fit(table, sample_weight=np.where(np.arange(200) < 100, a, b) + 0.5)
        .score_samples(table)
        for a, b in ((10, 0), (0, 10))
    ]
    assert scores[0][:100].mean() > scores[0][100:].mean()
    assert scores[1][:100].mean() < scores[1][100:].mean()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), "sample_weight.shape"),
        (-np.ones(len(X)), "(?i)negative.*sample_weight"),
        (np.full(len(X), np.nan), "sample_weight contains NaN"),
        (np.zeros(len(X)), "(?i)sample.weight"),
    ],
)
def test_bad_weights(weights, message):
    """Each is refused by name."""
    with pytest.raises(ValueError, match=message):
        small().fit(X, sample_weight=weights)


# --- types, memory, shapes ------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", OUTPUT_WIDTHS)
def test_float_types_are_kept(dtype, output):
    """Codes, tables and residuals come in the type of X."""
    table = X.astype(dtype)
    fitted = small(output=output).fit(table)
    assert fitted.transform(table).dtype == dtype
    assert fitted.reconstruct(table).dtype == dtype
    if OUTPUT_WIDTHS[output] != 5:
        assert fitted.inverse_transform(fitted.transform(table)).dtype == dtype
    assert {codes.dtype for codes in fitted.staged_transform(table)} == {table.dtype}


@pytest.mark.parametrize(
    "table",
    [
        (10 * X).astype(int),
        X > 5,
        X.tolist(),
        X.astype(np.float16),
        X.astype(object),
        np.asfortranarray(X),
        X[::2, ::-1],
    ],
    ids=["int", "bool", "list", "float16", "object", "fortran", "strided"],
)
def test_other_tables_of_numbers_become_float64(table):
    """What is numbers is taken, and gives the same as the plain array of it."""
    as_floats = np.array(table, dtype=np.float64, order="C")
    codes = small().fit_transform(table)
    assert codes.dtype == np.float64
    np.testing.assert_allclose(codes, small().fit_transform(as_floats))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_x_is_read_in_place_and_never_written(dtype, monkeypatch):
    """The rows that are trained on and encoded are views of the user's own array."""
    table = X.astype(dtype)
    table[5, 1] = np.nan
    table.setflags(write=False)  # as joblib hands large arrays to its workers
    before = table.copy()
    seen = []
    take, encode = TableRows.take, TableEncoder.encode

    def spy_take(self, index):
        seen.append(np.shares_memory(self.raw, table))
        return take(self, index)

    def spy_encode(self, raw):
        seen.append(np.shares_memory(raw, table))
        return encode(self, raw)

    fitted = small(early_stopping=True, schedule="hybrid", max_iter=6)
    with monkeypatch.context() as patched:
        patched.setattr(TableRows, "take", spy_take)
        fitted.fit(table)
    n_in_fit = len(seen)
    with monkeypatch.context() as patched:
        patched.setattr(TableEncoder, "encode", spy_encode)
        fitted.transform(table)
    assert n_in_fit > 0
    assert len(seen) > n_in_fit
    assert all(seen)
    fitted.reconstruct(table)
    fitted.score(table)
    np.testing.assert_array_equal(table, before)


@pytest.mark.parametrize("missing", [False, True])
def test_memory_grows_by_far_less_than_another_copy(missing):
    """80,000 rows more cost fit and transform less than half of what they hold."""
    rng = np.random.default_rng(0)
    table = rng.random((120_000, 60), dtype=np.float32)
    if missing:
        table[::7, 3] = np.nan
    estimator = small((4, 2), schedule="stacked", max_iter=2, batch_size=8192)
    estimator.fit(table[:100])  # what is imported and cached does not count
    for call in (estimator.fit, estimator.transform):
        peaks = []
        for rows in (table[:40_000], table):
            tracemalloc.start()
            call(rows)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] - peaks[0] < table[40_000:].nbytes / 2


tables = st.builds(
    lambda cells, holes: np.where(holes, np.nan, cells).astype(cells.dtype),
    *(
        (
            shape_and_type := st.shared(
                st.tuples(
                    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
                    st.sampled_from([np.float32, np.float64]),
                ),
                key="table",
            )
        ).flatmap(
            lambda drawn: hnp.arrays(
                drawn[1],
                drawn[0],
                elements=st.floats(-1e6, 1e6, width=32),
            )
        ),
        shape_and_type.flatmap(
            lambda drawn: hnp.arrays(bool, drawn[0], elements=st.booleans())
        ),
    ),
)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    table=tables,
    scaling=st.sampled_from(["standard", "minmax", "quantile", None]),
    schedule=st.sampled_from(sorted(SCHEDULES)),
    early_stopping=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:Columns .* hold no value:UserWarning")
def test_any_table_of_two_rows_with_values(table, scaling, schedule, early_stopping):
    """Finite codes from 2 rows and 1 column up, whatever is missing or constant."""
    # 1e6 unscaled is the user's own doing
    table = np.clip(table, -100, 100) if scaling is None else table
    estimator = small(
        (3, 2),
        scaling=scaling,
        schedule=schedule,
        early_stopping=early_stopping,
        validation_fraction=0.1,
    )
    n_used = (~np.isnan(table).all(axis=1)).sum()
    if n_used < 2:
        with pytest.raises(ValueError, match=r"n_samples|sample\(s\)"):
            estimator.fit(table)
        return
    codes = estimator.fit_transform(table)
    assert codes.shape == (len(table), 2)
    assert codes.dtype == table.dtype
    assert np.isfinite(codes).all()
    known = ~np.isnan(table).all(axis=0)
    rebuilt = estimator.reconstruct(table)
    assert np.isfinite(rebuilt[:, known]).all()
    assert np.isnan(rebuilt[:, ~known]).all()
    scores = estimator.score_samples(table)
    assert (scores <= 0).all()
    assert np.isfinite(scores).all()
    assert estimator.score(table) <= 1


# --- inference is pure ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", OUTPUT_WIDTHS)
def test_a_row_has_one_code_whatever_batch_it_comes_in(dtype, output):
    """Alone, among few or among thousands (several chunks)."""
    table = sensors(3000).astype(dtype)
    fitted = small((32, 3), output=output).fit(table[:200])
    whole = fitted.transform(table)
    tolerance = 2e-5 if dtype == np.float32 else 1e-10
    scale = np.abs(whole).max(axis=0)
    for rows in ([0], [2999], range(1000, 1050), range(0, 3000, 7)):
        part = fitted.transform(table[list(rows)])
        assert np.all(np.abs(part - whole[list(rows)]) <= tolerance * scale)
    np.testing.assert_array_equal(fitted.transform(table), whole)


def test_threads_give_what_one_gives():
    """A fitted transformer can be shared: nothing in it is written by use."""
    table = sensors(4000)
    fitted = small((32, 8)).fit(table[:200])
    parts = [table[a : a + 500] for a in range(0, 4000, 500)] * 4
    before = pickle.dumps(fitted)
    for method in (fitted.transform, fitted.reconstruct, fitted.score_samples):
        serial = [method(part) for part in parts]
        with ThreadPoolExecutor(8) as pool:
            for one, other in zip(serial, pool.map(method, parts), strict=True):
                np.testing.assert_array_equal(one, other)
    assert pickle.dumps(fitted) == before


def test_bfloat16_trains_a_model_of_its_own_that_is_as_good():
    single, half = (
        small((16, 8), dtype=dtype).fit(X) for dtype in ("float32", "bfloat16")
    )
    assert half.loss_curve_ != single.loss_curve_
    assert half.score(X) == pytest.approx(single.score(X), abs=0.05)
    assert half.network_.encoder[0].weight.dtype == np.float32


def test_fits_in_threads_give_what_serial_fits_give():
    """Two fits at a time do not share draws, buffers or settings."""
    seeds = range(6)

    def codes(seed):
        return small(random_state=seed, max_iter=10).fit(X).transform(X)

    serial = [codes(seed) for seed in seeds]
    with ThreadPoolExecutor(3) as pool:
        for one, other in zip(serial, pool.map(codes, seeds), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_order_of_the_rows_does_not_matter():
    """The same rows in another order give the same model."""
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(
        small().fit(X[order]).transform(X), small().fit(X).transform(X)
    )


# --- what is printed ------------------------------------------------------------------


def printed(**parameters):
    stream = io.StringIO()
    with redirect_stdout(stream):
        small(max_iter=40, **parameters).fit(X)
    return stream.getvalue().splitlines()


def test_verbose_prints_phase_epoch_loss_and_time_left():
    """Nothing by default, some ten lines a phase, or one per epoch."""
    assert printed() == []
    some, every = printed(verbose=True), printed(verbose=2)
    assert len(every) == 40
    assert 2 <= len(some) < 40
    first, last = every[0], every[-1]
    assert first.startswith("phase 1/2 (gradual, 1 layer")
    assert last.startswith("phase 2/2 (gradual, 2 layers)")
    assert "epoch 20/20" in last
    assert re.search(r"loss \d+\.\d+ .* s left$", last)
    assert "validation" not in last
    assert "validation" in printed(verbose=2, early_stopping=True)[0]


def test_verbose_counts_the_epochs_that_a_phase_has_passed_on():
    lines = printed(verbose=2, schedule=Gradual(epoch_allocation="auto"))
    assert len(lines) == 40
    second = [line for line in lines if line.startswith("phase 2/2")]
    assert len(second) > 20
    assert f"epoch {len(second)}/{len(second)} " in second[-1]
    assert second[-1].endswith(" 0 s left")


# --- import and documentation ---------------------------------------------------------


def test_import_is_light_and_a_saved_model_needs_no_torch(tmp_path):
    """Torch is for training; optional packages are for who uses them."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(small().fit(X)))
    code = (
        "import pickle, sys, sklearn.base\n"
        "try: import sklearn.callback\n"
        "except ImportError: pass\n"
        "before = set(sys.modules)\n"  # scikit-learn itself imports pandas if it can
        "import skdae, skdae.datasets, skdae.noise, skdae.schedules\n"
        "import skdae.plotting, skdae.timeseries\n"
        "heavy = {'torch', 'pandas', 'polars', 'matplotlib', 'pooch', 'rich'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
        "model = pickle.load(open(sys.argv[1], 'rb'))\n"
        "model.reconstruct([[0] * 5]); model.transform([[0] * 5])\n"
        "print('torch' in sys.modules)\n"
        "model.partial_fit([[0] * 5])\n"
        "print('torch' in sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["[]", "False", "True"]


PUBLIC_MODULES = [
    "skdae",
    "skdae.datasets",
    "skdae.noise",
    "skdae.plotting",
    "skdae.schedules",
    "skdae.timeseries",
]


def public_callables():
    """Public functions, classes and their methods, each with a label."""
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if not callable(thing):
                continue
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing):
                for method_name, method in vars(thing).items():
                    if inspect.isfunction(method) and method_name[0] != "_":
                        yield f"{module_name}.{name}.{method_name}", method


def documented_parameters(docstring, section="Parameters"):
    """Type line of each parameter of a numpydoc docstring."""
    lines = inspect.cleandoc(docstring).replace("\\\n", " ").splitlines()
    found, inside = {}, False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following and set(following) == {"-"}:
            inside = line == section
        elif inside and (match := re.match(r"\*{0,2}(\w+(?:, \w+)*) : (.*)", line)):
            found |= dict.fromkeys(match[1].split(", "), match[2])
    return found


def default_of(type_line):
    """The default that a type line states, or the signature's own 'empty'."""
    if type_line == "None":  # y, there for pipelines
        return None
    match = re.search(r"default=(.+?)\s*$", type_line)
    return inspect.Parameter.empty if match is None else ast.literal_eval(match[1])


PUBLIC = dict(public_callables())


@pytest.mark.parametrize("label", PUBLIC)
def test_documented_defaults_are_those_of_the_signature(label):
    """Each parameter is documented, in order, with the default that it has."""
    doc = inspect.getdoc(PUBLIC[label])  # that of the base where none is written
    assert doc, "no docstring"
    parameters = dict(inspect.signature(PUBLIC[label]).parameters)
    parameters.pop("self", None)
    # what is returned and never made by users is documented by its attributes
    is_result = is_dataclass(PUBLIC[label]) and "\nParameters\n" not in doc
    section = "Attributes" if is_result else "Parameters"
    documented = documented_parameters(doc, section)
    assert list(documented) == list(parameters)
    for name, parameter in parameters.items():
        assert default_of(documented[name]) == parameter.default, name


def test_the_parser_of_defaults_sees_a_wrong_one():
    """The test above can fail."""
    doc = "One line.\n\nParameters\n----------\na, b : int, default=3\n    Text.\n"
    assert documented_parameters(doc) == {
        "a": "int, default=3",
        "b": "int, default=3",
    }
    assert default_of("int, default=3") == 3
    assert default_of("{'a', 'b'} or None, default='a'") == "a"
    assert default_of("int") is inspect.Parameter.empty


def test_columns_of_the_same_name_are_refused():
    import pandas

    table = pandas.DataFrame(X[:, :2], columns=["a", "a"])
    with pytest.raises(ValueError, match=r"same name: \['a'\]; rename"):
        small().fit(table)


@pytest.mark.parametrize("constant", [5.0, 1e-6, 0.0, -3e5])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_a_constant_is_rebuilt_as_the_constant(constant, scaling):
    table = X.copy()
    table[:, 1] = constant
    fitted = small(scaling=scaling).fit(table)
    gaps = table.copy()
    gaps[::2, 1] = np.nan
    np.testing.assert_allclose(fitted.reconstruct(gaps)[:, 1], constant, rtol=1e-12)
    changed = table.copy()
    changed[:, 1] = 2 * constant if constant else 1.0
    errors = small(scaling=scaling, output="error").fit(table).transform(changed)
    np.testing.assert_allclose(np.abs(errors[:, 1]), 1)


def test_large_whole_weights_are_shares():
    """Amounts in kWh do not repeat a row a thousand times."""
    plain = small().fit(X)
    weighted = small().fit(X, sample_weight=np.full(len(X), 1e6))
    np.testing.assert_array_equal(plain.transform(X), weighted.transform(X))


@pytest.mark.parametrize("kind", ["pandas", "array", "polars"])
def test_dates_are_not_numbers(kind):
    pandas = pytest.importorskip("pandas")
    dates = pandas.date_range("2026-01-01", periods=len(X), freq="h")
    table = pandas.DataFrame({"when": dates, "also": dates})
    if kind == "polars":
        table = pytest.importorskip("polars").DataFrame(
            {"x": X[:, 0], "when": dates.to_numpy()}
        )
    if kind == "array":
        table = table.to_numpy()
    with pytest.raises(ValueError, match="dates or durations.*hours since"):
        small().fit(table)
    with pytest.raises(ValueError, match="dates or durations"):
        small().fit(X[:, :2]).transform(table)


def test_a_lazy_frame_is_to_be_collected():
    polars = pytest.importorskip("polars")
    with pytest.raises(ValueError, match=r"X\.collect\(\)"):
        small().fit(polars.LazyFrame(X))


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda table: table.to_dict("records"), "pandas.DataFrame"),
        (lambda table: table.to_dict("list"), "pandas.DataFrame"),
        (lambda table: table.to_records(index=False), "pandas.DataFrame"),
        (lambda table: table.astype("Sparse[float]"), "to_dense"),
    ],
    ids=["records", "dict", "fields", "sparse"],
)
def test_what_is_no_table_of_columns_is_refused_with_the_way_to_one(make, remedy):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X[:, :2], columns=["a", "b"])
    fitted = small().fit(table)
    for call in (fitted.transform, small().fit):
        with pytest.raises(ValueError, match=remedy):
            call(make(table))


def test_a_range_that_hides_the_values_is_refused():
    """One sentinel leaves nothing of a column that is scaled by its range."""
    spoilt = X.copy()
    spoilt[5, 1] = 3.4e38
    with pytest.raises(ValueError, match=r"3\.4e\+38 in row 5 of column 1"):
        small(scaling="minmax").fit(spoilt)
    spoilt[5, 1] = 100 * np.abs(X[:, 1]).max()
    small(scaling="minmax").fit(spoilt)


def test_values_too_large_to_be_squared_are_refused():
    with pytest.raises(ValueError, match="too large"):
        small().fit(X * 1e300)


def test_an_output_set_after_the_fit_is_checked():
    fitted = small().fit(X).set_params(output="layer")
    with pytest.raises(ValueError, match="output='layer' must be one of"):
        fitted.transform(X)


def test_weights_of_an_unfitted_network():
    assert not hasattr(small(), "coefs_")
    with pytest.raises(NotFittedError):
        small().coefs_  # noqa: B018


def test_another_schedule_in_a_stream_is_refused():
    streamed = small().partial_fit(X)
    with pytest.raises(ValueError, match="schedule='stacked'.* must stay"):
        streamed.set_params(schedule="stacked").partial_fit(X)


# --- reads and encodes ----------------------------------------------------------------


@pytest.mark.parametrize("categorical", [None, [1]])
def test_each_call_reads_its_table_once(table_calls, categorical):
    """Whatever is asked of the rows, and encodes them at most once a chunk."""
    table = X.copy()
    table[:, 1] = np.arange(len(X)) % 3
    fitted = small(categorical_features=categorical)
    for fit in (fitted.fit, fitted.partial_fit):
        table_calls.clear()
        fit(table)
        assert table_calls["read"] == 1
    for method in (fitted.transform, fitted.reconstruct, fitted.score_samples):
        table_calls.clear()
        method(table)
        assert table_calls == {"read": 1, "encode": 1}
    table_calls.clear()
    list(fitted.staged_transform(table))
    assert table_calls == {"read": 1, "encode": 1}
    table_calls.clear()
    fitted.score(table)  # a pass for each part of the cells that is hidden
    assert table_calls == {"read": 1, "encode": HIDDEN_PARTS}


def test_each_batch_of_a_stream_is_read_once_an_epoch(table_calls):
    fitted = small(max_iter=3).fit_stream([X[:40], X[40:]])
    assert fitted.n_iter_ == 3
    assert table_calls["read"] == 1 + 2 * 3  # the sample, and two batches an epoch


def test_quantiles_are_computed_once_a_fit(table_calls):
    """Not again in each epoch."""
    small(scaling="quantile", max_iter=4).fit(X)
    few = table_calls["encode"]
    table_calls.clear()
    small(scaling="quantile", max_iter=40).fit(X)
    assert table_calls["encode"] == few == 1


# --- parameters of what a name stands for ---------------------------------------------


def test_parameters_of_a_named_noise_and_schedule_are_set():
    """A name becomes its object, with the rate that the name had."""
    dae = small(noise_rate=0.4).set_params(
        noise__rate=0.1, schedule__lower_layer_rate=0.5
    )
    assert dae.noise.rate == 0.1
    assert dae.schedule == Gradual(lower_layer_rate=0.5)
    wanted = small(noise=MaskingNoise(0.1), schedule=Gradual(lower_layer_rate=0.5))
    np.testing.assert_array_equal(dae.fit_transform(X), wanted.fit_transform(X))
    kept = small(noise="random_masking", noise_rate=0.4).set_params(noise__minimum=0.2)
    assert (kept.noise.noise.rate, kept.noise.minimum) == (0.4, 0.2)


def test_what_can_be_set_is_listed():
    """And what is listed can be set back."""
    params = small(noise_rate=0.4).get_params()
    assert params["noise__rate"] == 0.4
    assert params["schedule__tuning_fraction"] == 0.0
    assert "noise__rate" not in small().get_params(deep=False)
    with pytest.raises(ValueError, match="schedule__rate|no parameter 'rate'"):
        small().set_params(schedule__rate=1)
    search = GridSearchCV(small(), {"noise__rate": [0.1, 0.3]}, cv=2).fit(X)
    assert search.best_estimator_.noise.rate == search.best_params_["noise__rate"]


# --- fits that fail -------------------------------------------------------------------


class InterruptingNoise(MaskingNoise):
    """Interrupts the training as Ctrl-C does, after some batches."""

    def apply(self, Z, generator, layout, intensity=None):
        raise KeyboardInterrupt


FAILURES = {
    "diverged": ({"solver": "sgd", "learning_rate_init": 1e12}, ValueError),
    "interrupted": ({"noise": InterruptingNoise(0.2)}, KeyboardInterrupt),
}
FITS = {
    "fit": lambda model, X: model.fit(X),
    "warm fit": lambda model, X: model.set_params(warm_start=True).fit(X),
    "fit_stream": lambda model, X: model.fit_stream([X]),
    "partial_fit": lambda model, X: model.partial_fit(X),
}


@pytest.mark.parametrize("failure", ["diverged", "interrupted"])
@pytest.mark.parametrize("refit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_a_fit_that_fails_changes_nothing(first, refit, failure):
    """The model is that of the last fit, and can be trained on as if nothing was."""
    parameters, error = FAILURES[failure]
    model, other = (FITS[first](small(), X) for _ in range(2))
    same_table = refit not in (FITS["fit"], FITS["fit_stream"])
    table = X if same_table else pandas_table(100 * X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(error):
            refit(model.set_params(**parameters), table)
    model.set_params(**other.get_params(deep=False))
    assert vars(model).keys() == vars(other).keys()
    np.testing.assert_array_equal(model.transform(X), other.transform(X))
    for each in (model, other):
        each.partial_fit(X[::-1])
    np.testing.assert_array_equal(model.transform(X), other.transform(X))


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_first_fit_that_fails_leaves_the_model_unfitted(fit):
    model = small(noise=InterruptingNoise(0.2))
    with pytest.raises(KeyboardInterrupt):
        fit(model, pandas_table(X))
    assert set(vars(model)) == set(model.get_params(deep=False))


def pandas_table(X):
    """The columns with names."""
    import pandas

    return pandas.DataFrame(X, columns=[f"s{j}" for j in range(X.shape[1])])
