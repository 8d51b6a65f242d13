"""Laws of training, seen from the estimator: what must hold for any network."""

import os
import random
import subprocess
import sys
import warnings
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_info

from skdae import GradualDAETransformer
from skdae._core.network import ACTIVATIONS
from skdae.noise import NOISES, MaskingNoise, Noise
from skdae.schedules import (
    SCHEDULES,
    Gradual,
    Hybrid,
    as_schedule,
    at_equal_updates,
    gradual,
    total_cost,
)

WIRINGS = [
    {"decoder": "mirror"},
    {"decoder": "tied"},
    {"decoder": "direct"},
]
SOLVERS = [{"solver": "adam"}, {"solver": "sgd", "momentum": 0.5}]


class RecordingNoise(Noise):
    """Masks half of the cells and counts the rows that pass through."""

    def __init__(self, log=None):
        self.log = log

    def apply(self, Z, generator, layout, intensity=None):
        self.log.append(Z.copy())
        return MaskingNoise(0.5).apply(Z, generator, layout)

    def for_codes(self):
        return self


class BrokenNoise(Noise):
    """Fails when it is used."""

    def apply(self, Z, generator, layout, intensity=None):
        raise RuntimeError("this noise is broken")


def make_table(n_rows=70, *, seed=0, missing=0.0):
    """Six correlated columns in units of their own."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(n_rows, 3))
    X = latent @ generator.normal(size=(3, 6))
    X += 0.2 * generator.normal(size=X.shape)
    X = X * [1, 10, 0.1, 3, 1, 5] + [0, 50, 1, -4, 2, 0]
    X[generator.random(X.shape) < missing] = np.nan
    return X


def make(hidden_layer_sizes=(5, 4), **options):
    defaults = {"max_iter": 12, "batch_size": 16, "random_state": 0,
                "learning_rate_init": 0.01}  # fmt: skip
    return GradualDAETransformer(hidden_layer_sizes, **(defaults | options))


def weights(dae):
    return [*dae.coefs_, *dae.intercepts_]


def same(one, other):
    """Whether two fitted transformers agree bit for bit."""
    pairs = zip(weights(one), weights(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def digest(dae):
    return sha256(b"".join(part.tobytes() for part in weights(dae))).hexdigest()


def test_networks_that_differ_are_not_equal():
    """The comparison that most laws rest on can fail."""
    X = make_table()
    assert not same(make().fit(X), make(random_state=1).fit(X))
    assert digest(make().fit(X)) != digest(make(random_state=1).fit(X))


# --- schedules ----------------------------------------------------------------------


@pytest.mark.parametrize("tuning_fraction", [0.0, 0.25])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_with_one_hidden_layer_all_schedules_agree(wiring, tuning_fraction):
    X = make_table()
    first, *others = [
        make((4,), schedule=kind(tuning_fraction=tuning_fraction), **wiring).fit(X)
        for kind in SCHEDULES.values()
    ]
    assert all(same(first, other) for other in others)
    assert all(first.loss_curve_ == other.loss_curve_ for other in others)


@pytest.mark.parametrize("options", SOLVERS + [{"alpha": 0.1}, {"decoder": "tied"}])
@pytest.mark.parametrize("name", ["stacked", "frozen"])
def test_lower_layers_are_frozen_while_the_next_is_trained(name, options):
    """Against the same plan without its last phase, and so for each layer."""
    X, widths = make_table(), (6, 5, 4)
    plan = as_schedule(name).plan(3, 12)
    for depth in (2, 3):
        below = make(widths[: depth - 1], schedule=plan[: depth - 1], **options).fit(X)
        whole = make(widths[:depth], schedule=plan[:depth], **options).fit(X)
        for k in range(depth - 1):
            encoder, wanted = whole.network_.encoder[k], below.network_.encoder[k]
            np.testing.assert_array_equal(encoder.weight, wanted.weight)
            np.testing.assert_array_equal(encoder.bias, wanted.bias)
            decoder = whole.network_.decoder[-1 - k]  # the mirrored half
            wanted = below.network_.decoder[-1 - k]
            np.testing.assert_array_equal(decoder.weight, wanted.weight)
            np.testing.assert_array_equal(decoder.bias, wanted.bias)


def test_lower_layers_are_frozen_under_a_direct_decoder():
    X, plan = make_table(), as_schedule("frozen").plan(2, 12)
    below = make((5,), schedule=plan[:1], decoder="direct").fit(X)
    whole = make((5, 4), schedule=plan, decoder="direct").fit(X)
    np.testing.assert_array_equal(whole.coefs_[0], below.coefs_[0])


@pytest.mark.parametrize("options", WIRINGS + SOLVERS)
def test_gradual_keeps_lower_layers_adapting(options):
    X, plan = make_table(), as_schedule("gradual").plan(2, 12)
    below = make((5,), schedule=plan[:1], **options).fit(X)
    whole = make((5, 4), schedule=plan, **options).fit(X)
    assert not (whole.coefs_[0] == below.coefs_[0]).any()
    # and it goes on from there: the way back is much shorter than from the start
    start = make((5,), learning_rate_init=1e-12, **options).fit(X)
    moved = np.abs(whole.coefs_[0] - below.coefs_[0]).mean()
    assert moved < np.abs(whole.coefs_[0] - start.coefs_[0]).mean()


@pytest.mark.parametrize("options", SOLVERS + WIRINGS[:2])
def test_the_ends_of_hybrid(options):
    X = make_table()
    for fraction, name in ((0, "gradual"), (1, "stacked")):
        mixed = make(schedule=Hybrid(stacked_fraction=fraction), **options).fit(X)
        assert same(mixed, make(schedule=name, **options).fit(X))
    between = make(schedule=Hybrid(stacked_fraction=0.5), **options).fit(X)
    for name in ("gradual", "stacked"):
        assert not same(between, make(schedule=name, **options).fit(X))


@pytest.mark.parametrize("options", WIRINGS + SOLVERS)
def test_the_ends_of_lower_layer_rate(options):
    X = make_table()
    frozen = make(schedule=Gradual(lower_layer_rate=0), **options).fit(X)
    assert same(frozen, make(schedule="frozen", **options).fit(X))
    full = make(schedule=Gradual(lower_layer_rate=1), **options).fit(X)
    assert same(full, make(**options).fit(X))
    between = make(schedule=Gradual(lower_layer_rate=0.5), **options).fit(X)
    assert not same(between, frozen)
    assert not same(between, full)


@pytest.mark.parametrize("tuning_fraction", [0.0, 0.3])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_spends_exactly_its_budget(name, tuning_fraction):
    schedule = SCHEDULES[name](tuning_fraction=tuning_fraction)
    dae = make((5, 4, 3), schedule=schedule, max_iter=17).fit(make_table())
    assert dae.n_iter_ == 17 == sum(record.epochs for record in dae.phases_)
    assert len(dae.loss_curve_) == 17
    steps = -(-70 // 16)
    plan = schedule.plan(3, 17)
    assert [record.weight_updates for record in dae.phases_] == [
        phase.cost * steps for phase in plan
    ]


def test_schedules_at_equal_updates_make_as_many():
    X, reference = make_table(), gradual(3, 18)
    steps = -(-70 // 16)
    for name in SCHEDULES:
        plan = at_equal_updates(name, reference)
        dae = make((5, 4, 3), schedule=plan).fit(X)
        made = sum(record.weight_updates for record in dae.phases_)
        if name == "hybrid":  # whole epochs cannot always match exactly
            assert abs(made - steps * total_cost(reference)) <= steps * (1 + 2 + 3)
        else:
            assert made == steps * total_cost(reference)


# --- noise --------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["gradual", "stacked"])
def test_without_noise_every_noise_is_a_plain_autoencoder(schedule):
    """That this is what a plain loop trains is shown in test_training."""
    X = make_table(missing=0.05)
    fits = {
        name: make(noise=name, noise_rate=0.0, schedule=schedule).fit(X)
        for name in NOISES
    }
    plain = fits.pop("masking")
    assert [name for name, fit in fits.items() if not same(fit, plain)] == []


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_is_used(name):
    """The loss is that of rebuilding clean rows, or codes, from corrupted ones.

    With steps too small to matter, against the network that is returned.
    """
    X, log = make_table(), []

    class Observed(RecordingNoise):
        def apply(self, Z, generator, layout, intensity=None):
            corrupted, mask = NOISES[name](0.5).apply(Z, generator, layout)
            self.log.append((Z.copy(), corrupted.copy()))
            return corrupted, mask

    options = {"schedule": "stacked", "max_iter": 2, "learning_rate_init": 1e-9}
    options["validation_fraction"] = None  # no second network, for the mixture
    dae = make(noise=Observed(log), **options).fit(X)
    named = make(noise=name, noise_rate=0.5, **options).fit(X)
    assert named.loss_curve_ == dae.loss_curve_
    network, activate = dae.network_, ACTIVATIONS[dae.activation]
    encoder, decoder = network.encoder, network.decoder[::-1]
    for width, layer, back, loss in zip(
        (6, 5), encoder, decoder, dae.loss_curve_, strict=True
    ):
        seen = [entry for entry in log if entry[0].shape[1] == width]
        Z, corrupted = (np.concatenate(part) for part in zip(*seen, strict=True))
        assert (corrupted != Z).any()
        rebuilt = back(activate(layer(corrupted)))
        rebuilt = rebuilt if width == 6 else activate(rebuilt)
        assert loss == pytest.approx(((rebuilt - Z) ** 2).sum() / 2 / 70, rel=1e-4)


def test_every_row_is_corrupted_once_an_epoch():
    log = []
    dae = make((4,), noise=RecordingNoise(log), max_iter=3, validation_fraction=None)
    dae.fit(make_table())
    assert sum(len(Z) for Z in log) == 3 * 70


def test_inference_is_without_noise():
    X, log = make_table(), []
    dae = make(noise=RecordingNoise(log), output="code").fit(X)
    n_calls = len(log)
    before = [part.copy() for part in weights(dae)]
    calls = (dae.transform, dae.reconstruct, dae.score_samples, dae.score)
    answers = [call(X) for call in calls]
    for answer, call in zip(answers, calls, strict=True):
        np.testing.assert_array_equal(answer, call(X))
    assert len(log) == n_calls
    codes = dae.network_.encode(dae.table_encoder_.encode(X)[0])
    np.testing.assert_array_equal(answers[0], codes)
    for part, kept in zip(weights(dae), before, strict=True):
        np.testing.assert_array_equal(part, kept)
    alone = np.concatenate([dae.transform(X[i : i + 1]) for i in range(len(X))])
    np.testing.assert_allclose(alone, answers[0], rtol=1e-9, atol=1e-12)


# --- what a linear network learns ---------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_layer_sizes": (2,)},
        {"hidden_layer_sizes": (2,), "decoder": "tied"},
        {"hidden_layer_sizes": (4, 2)},
        {"hidden_layer_sizes": (4, 2), "decoder": "direct"},
    ],
)
def test_a_linear_network_without_noise_reaches_the_pca_subspace(options):
    generator = np.random.default_rng(0)
    directions = np.linalg.qr(generator.normal(size=(6, 2)))[0]
    X = 2 * generator.normal(size=(200, 2)) @ directions.T
    X += 0.7 * generator.normal(size=X.shape)  # small directions are learned slowly
    X -= X.mean(axis=0)
    dae = make(
        **options,
        activation="identity",
        noise_rate=0.0,
        scaling=None,
        max_iter=1000,
        batch_size=200,
        validation_fraction=None,
    ).fit(X)
    pca = PCA(2).fit(X)
    error = ((dae.reconstruct(X) - X) ** 2).mean()
    best = ((pca.inverse_transform(pca.transform(X)) - X) ** 2).mean()
    assert best * (1 - 1e-6) < error < 1.001 * best
    decoder = np.linalg.multi_dot(
        [np.eye(2), *dae.coefs_[-len(dae.network_.decoder) :]]
    )
    assert np.degrees(subspace_angles(decoder.T, pca.components_.T)).max() < 1
    encoder = dae.network_.encode(X) - dae.network_.encode(0 * X)
    angles = subspace_angles(
        np.linalg.lstsq(X, encoder, rcond=None)[0], pca.components_.T
    )
    assert np.degrees(angles).max() < 1


# --- one seed, one model ------------------------------------------------------------

VARIANTS = [
    {},
    {"schedule": "hybrid", "noise": "swap", "early_stopping": True},
    {"solver": "sgd", "decoder": "direct", "noise": "random_masking"},
]


@pytest.mark.parametrize("options", VARIANTS)
def test_a_refit_is_bit_identical(options):
    X = make_table(missing=0.1)
    dae = make(**options).fit(X)
    first, curve = digest(dae), dae.loss_curve_
    assert digest(dae.fit(X)) == first
    assert dae.loss_curve_ == curve
    assert digest(make(**options).fit(X)) == first
    # a fit of something else in between leaves no trace
    assert digest(dae.fit(make_table(seed=1)).fit(X)) == first


def test_a_seed_set_later_counts():
    X = make_table()
    assert same(make(random_state=3).set_params(random_state=0).fit(X), make().fit(X))


SCRIPT = """
from test_laws import VARIANTS, digest, make, make_table
print([digest(make(**options).fit(make_table(missing=0.1))) for options in VARIANTS])
"""


def test_another_process_trains_the_same_model():
    here = os.path.dirname(__file__)
    path = os.pathsep.join([here, *(part or os.getcwd() for part in sys.path)])
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    X = make_table(missing=0.1)
    wanted = [digest(make(**options).fit(X)) for options in VARIANTS]
    assert ran.stdout.strip() == str(wanted)


def global_state():
    """What a fit could leave behind: generators and settings of the process."""
    name, keys, position, *gauss = np.random.get_state()
    return {
        "numpy": (name, keys.tobytes(), position, gauss),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "python": random.getstate(),
        "threads": torch.get_num_threads(),
        "pools": threadpool_info(),
        "dtype": torch.get_default_dtype(),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "errors": np.geterr(),
        "warnings": list(warnings.filters),
    }


@pytest.mark.parametrize(
    "options", VARIANTS + [{"n_threads": 3}, {"dtype": "bfloat16"}]
)
def test_nothing_global_is_read_or_written(options):
    X = make_table()
    np.random.seed(1)
    torch.manual_seed(1)
    random.seed(1)
    before = global_state()
    dae = make(**options).fit(X)
    dae.score(X)
    dae.transform(X)
    assert global_state() == before
    np.random.random(3)
    torch.rand(3)
    random.random()
    assert global_state() != before
    assert same(make(**options).fit(X), dae)


def test_state_is_restored_when_fit_fails():
    before = global_state()
    dae = make(noise=BrokenNoise(), n_threads=before["threads"] + 2)
    with pytest.raises(RuntimeError, match="broken"):
        dae.fit(make_table())
    assert global_state() == before
    assert not hasattr(dae, "network_")


def test_a_fit_that_fails_leaves_the_last_one():
    X = make_table()
    dae = make().fit(X)
    kept = digest(dae)
    dae.noise = BrokenNoise()
    with pytest.raises(RuntimeError, match="broken"):
        dae.fit(make_table(seed=1))
    assert digest(dae) == kept


# --- rows and their weights ---------------------------------------------------------


def mixed_table(n_rows=70):
    """Numbers, categories and missing cells, some rows alike, one without a value."""
    generator = np.random.default_rng(0)
    table = pd.DataFrame(make_table(n_rows, missing=0.05)).add_prefix("x")
    table["x0"] = table["x0"].round()
    table["kind"] = generator.choice(["a", "b", "c"], n_rows)
    table.loc[5:9] = table.loc[4].to_list()
    table.loc[11] = [np.nan] * 7
    return table


TABLES = {
    "numbers": (make_table(), {}),
    "missing": (make_table(missing=0.1), {"early_stopping": True}),
    "float32": (make_table().astype(np.float32), {"scaling": "quantile"}),
    "rounded": (make_table().round(), {"scaling": "minmax"}),
    "mixed": (mixed_table(), {"categorical_features": ["kind"]}),
}


def take(table, index):
    if isinstance(table, pd.DataFrame):
        return table.iloc[index].reset_index(drop=True)
    return table[index]


@pytest.mark.parametrize("schedule", ["gradual", "stacked"])
@pytest.mark.parametrize("kind", TABLES)
def test_rows_in_any_order_give_the_same_model(kind, schedule):
    table, options = TABLES[kind]
    dae = make(schedule=schedule, **options).fit(table)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(table))
        other = make(schedule=schedule, **options).fit(take(table, order))
        assert same(dae, other)
        assert dae.loss_curve_ == other.loss_curve_


def test_weights_move_with_their_rows():
    """Other weights than whole ones too, in any order of the rows."""
    X = make_table()
    weight = np.random.default_rng(1).uniform(0, 3, len(X))
    order = np.random.default_rng(2).permutation(len(X))
    dae = make().fit(X, sample_weight=weight)
    assert same(dae, make().fit(X[order], sample_weight=weight[order]))
    assert not same(dae, make().fit(X[order], sample_weight=weight))


def test_weights_move_with_their_rows_also_where_rows_are_alike():
    X = np.repeat(make_table(20), 3, axis=0)
    weight = np.random.default_rng(1).uniform(0, 3, len(X))
    order = np.random.default_rng(2).permutation(len(X))
    dae = make().fit(X, sample_weight=weight)
    assert same(dae, make().fit(X[order], sample_weight=weight[order]))


@pytest.mark.parametrize("kind", TABLES)
def test_whole_weights_are_repetitions(kind):
    table, options = TABLES[kind]
    generator = np.random.default_rng(3)
    weight = generator.integers(1, 4, len(table))
    weighted = make(**options).fit(table, sample_weight=weight)
    index = generator.permutation(np.repeat(np.arange(len(table)), weight))
    repeated = make(**options).fit(take(table, index))
    assert same(weighted, repeated)
    assert not same(weighted, make(**options).fit(table))


@pytest.mark.parametrize("kind", TABLES)
def test_no_weight_is_removal(kind):
    """Also of the one row that would stretch every scale."""
    table, options = TABLES[kind]
    table = table.copy()
    if isinstance(table, pd.DataFrame):
        table.loc[2, "x1"] = 1e6
    else:
        table[2] = 1e6
    weight = np.random.default_rng(4).integers(0, 2, len(table))
    weight[2] = 0
    weighted = make(**options).fit(table, sample_weight=weight)
    removed = make(**options).fit(take(table, np.flatnonzero(weight)))
    assert same(weighted, removed)
    np.testing.assert_array_equal(weighted.transform(table), removed.transform(table))


def test_no_weight_is_removal_among_fractions_too():
    X = make_table()
    X[2] = 1e6
    weight = np.random.default_rng(5).uniform(0, 3, len(X))
    weight[[2, 8, 40]] = 0
    options = {"scaling": "minmax", "early_stopping": True}
    weighted = make(**options).fit(X, sample_weight=weight)
    kept = weight > 0
    removed = make(**options).fit(X[kept], sample_weight=weight[kept])
    assert same(weighted, removed)


def test_no_weight_is_removal_of_a_category_too():
    """A category that only rows of no weight have is one that was never seen."""
    table = mixed_table()
    table.loc[3, "kind"] = "rare"
    weight = np.ones(len(table))
    weight[3] = 0
    weighted = make(categorical_features=["kind"]).fit(table, sample_weight=weight)
    removed = make(categorical_features=["kind"]).fit(table.drop(index=3))
    assert [part.shape for part in weights(weighted)] == [
        part.shape for part in weights(removed)
    ]
    assert same(weighted, removed)


def test_rows_without_a_value_are_not_trained_on():
    X = make_table()
    empty = np.insert(X, [0, 30, 70], np.nan, axis=0)
    assert same(make().fit(empty), make().fit(X))


@pytest.mark.parametrize("n_rows", [33, 32, 31, 5, 2])
def test_the_last_short_batch_is_trained_on(n_rows):
    """Every row counts, however many there are and whichever comes last."""
    X = make_table(n_rows)
    options = {"batch_size": 32, "max_iter": 1, "scaling": None, "noise_rate": 0.0,
               "learning_rate_init": 1e-4, "solver": "sgd"}  # fmt: skip
    dae = make((4,), **options).fit(X)
    assert dae.phases_[0].weight_updates == -(-n_rows // 32)
    for row in range(n_rows):
        other = X.copy()
        other[row] *= 1 + 1e-3  # in place: the order of the rows stays
        assert not same(make((4,), **options).fit(other), dae)


# --- curves and early stopping ------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
def test_curves_have_a_value_per_epoch(early_stopping):
    dae = make(
        early_stopping=early_stopping, n_iter_no_change=2, max_iter=60,
        learning_rate_init=0.2,
    ).fit(make_table())  # fmt: skip
    assert len(dae.loss_curve_) == dae.n_iter_
    assert dae.n_iter_ == sum(record.epochs for record in dae.phases_)
    assert np.isfinite(dae.loss_curve_).all()
    if early_stopping:
        assert dae.n_iter_ < 60
        assert len(dae.validation_loss_curve_) == dae.n_iter_
    else:
        assert dae.n_iter_ == 60
        assert dae.validation_loss_curve_ is None


@pytest.mark.parametrize("schedule", ["gradual", "stacked", "joint"])
@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_stops_and_restores(schedule, patience):
    """After exactly `n_iter_no_change` epochs, with the best weights of the phase."""
    log = []
    dae = make(
        schedule=schedule,
        noise=RecordingNoise(log),
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=patience,
        tol=0.0,
        max_iter=120,
        learning_rate_init=0.3,
    ).fit(make_table())
    start = 0
    for record in dae.phases_:
        losses = dae.validation_loss_curve_[start : start + record.epochs]
        best = int(np.argmin(losses))
        assert len(losses) == best + 1 + patience
        assert record.validation_loss == losses[best]
        start += record.epochs
    assert start == dae.n_iter_ < 120


@pytest.mark.parametrize("name", ["gradual", "joint"])
def test_the_weights_kept_have_the_validation_loss_reported(name):
    """Read off the held-out rows, which pass through the noise first in a phase."""

    log = []

    class Remembering(RecordingNoise):
        def apply(self, Z, generator, layout, intensity=None):
            corrupted, mask = super().apply(Z, generator, layout)
            log.append((Z, corrupted))
            return corrupted, mask

    dae = make(
        schedule=name,
        noise=Remembering([]),
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=3,
        max_iter=120,
        learning_rate_init=0.3,
    ).fit(make_table())
    clean, corrupted = [entry for entry in log if len(entry[0]) == 14][-1]
    rebuilt = dae.network_.decode(dae.network_.encode(corrupted))
    wanted = ((rebuilt - clean) ** 2).sum() / 2 / len(clean)
    record = dae.phases_[-1]
    assert record.validation_loss == pytest.approx(wanted, rel=1e-5)
    assert record.validation_loss == min(dae.validation_loss_curve_[-record.epochs :])
    assert dae.validation_loss_curve_[-1] > record.validation_loss
