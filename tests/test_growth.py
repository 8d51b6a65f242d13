"""Layers that begin as copies: the network goes on from what it has learned."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_training import SETTINGS, make_rows, run, same
from torch.nn.functional import softplus

from skdae import GradualDAETransformer
from skdae._core.acceleration import execution
from skdae._core.growth import best_predictors, fixed_ridge
from skdae._core.memory import PhaseMemory, SharedRun
from skdae._core.monitor import Monitor
from skdae._core.network import ACTIVATIONS, Head, Shape
from skdae._core.sources import ArrayRows, TableSource
from skdae._core.training import make_trainer, train, train_on_batch
from skdae._random import spawn_streams
from skdae.noise import Layout, MaskingNoise
from skdae.schedules import SCHEDULES, Gradual, Hybrid, Joint, Phase, Stacked

GROWING = [name for name in SCHEDULES if name != "joint"]


def table(n_rows=300, n_features=8):
    """Correlated columns in [0, 1]."""
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(n_rows, 3)) @ generator.normal(size=(3, n_features))
    return (1 / (1 + np.exp(-latent))).astype(np.float32)


def loss_before_and_after(activation, decoder, start, corrupt, width=8):
    """Loss of one layer, and of two before any step trains the second."""
    loss = "cross_entropy" if activation == "logistic" else "squared_error"
    output = "logistic" if activation == "logistic" else "identity"
    head = Head(8, (), loss, output)
    shape = Shape((8, 8, width), decoder, False, activation, head)
    X = table()
    source = TableSource(ArrayRows(X, Layout.from_data(X)), np.arange(len(X)))
    first = Phase(1, 60, (1.0,))
    rates = (0.0, 1.0) if corrupt == "code" else (1.0, 1.0)
    second = Phase(2, 1, rates, corrupt=corrupt, start=start)
    # a step size of nothing: the weights of the second phase are those it begins with
    still = replace(SETTINGS, learning_rate_init=1e-30)
    plan, noise = (first, second), MaskingNoise(0.1)
    with execution(SETTINGS) as found:
        trainer = make_trainer(shape, plan, noise, spawn_streams(0), SETTINGS, found)
        before = trainer.run_phase(0, first, source, Monitor())[0].loss
        trainer.settings = still
        trainer.run_phase(1, second, source, Monitor())
        network = trainer.trained_network(2)
    Z = torch.tensor(network.raw_outputs(network.encode(X)))
    T = torch.tensor(X)
    cells = softplus(Z) - T * Z if activation == "logistic" else (Z - T) ** 2 / 2
    return before, float(cells.sum(dim=1).mean())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("decoder", ["mirror", "direct"])
def test_a_copy_goes_on_from_the_loss_that_was_reached(activation, decoder):
    before, copied = loss_before_and_after(activation, decoder, "copy", "input")
    _, random = loss_before_and_after(activation, decoder, "random", "input")
    assert copied < before + 0.2 * (random - before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_copy_that_is_trained_on_codes_begins_alike(activation):
    before, copied = loss_before_and_after(activation, "mirror", "copy", "code")
    _, random = loss_before_and_after(activation, "mirror", "random", "code")
    assert copied < before + 0.2 * (random - before)


def test_the_first_output_on_a_stacked_layer_goes_on_too():
    """A direct decoder stands on layer 1, then on layer 2 after a phase on codes."""
    plans = [
        Stacked(tuning_fraction=0.1, start=s).plan(2, 60) for s in ("copy", "random")
    ]
    copied, random = map(first_loss_of_the_last_phase, plans)
    assert copied < random


def first_loss_of_the_last_phase(plan):
    """Under a direct decoder."""
    X = table()
    shape = Shape((8, 8, 8), "direct", False, "relu", Head(8))
    source = TableSource(ArrayRows(X, Layout.from_data(X)), np.arange(len(X)))
    with execution(SETTINGS) as found:
        trainer = make_trainer(
            shape, plan, MaskingNoise(0.1), spawn_streams(0), SETTINGS, found
        )
        for number, phase in enumerate(plan):
            if phase is plan[-1]:
                trainer.settings = replace(SETTINGS, learning_rate_init=1e-30)
            _, epochs = trainer.run_phase(number, phase, source, Monitor())
    return epochs[0].loss


@pytest.mark.parametrize("name", GROWING)
def test_one_layer_is_never_a_copy(name):
    plans = [SCHEDULES[name](start=s).plan(1, 5) for s in ("copy", "random")]
    assert same(*(run(plan).network for plan in plans))


def test_layers_on_nothing_are_random():
    """A network that begins with all its layers has nothing to copy."""
    plan = Joint().plan(2, 4)
    copied = tuple(replace(phase, start="copy") for phase in plan)
    assert same(run(plan).network, run(copied).network)


@pytest.mark.parametrize("name", GROWING)
def test_a_copy_is_another_network_on_the_same_first_layer(name):
    plans = [SCHEDULES[name](start=s).plan(2, 6) for s in ("copy", "random")]
    one, other = (run(plan) for plan in plans)
    n = plans[0][0].epochs
    assert one.loss_curve[:n] == other.loss_curve[:n]
    assert one.loss_curve[n] != other.loss_curve[n]


@pytest.mark.parametrize("name", GROWING)
def test_passes_over_the_same_batch_are_the_epochs_of_a_fit(name):
    plan = SCHEDULES[name](start="copy", tuning_fraction=0.25).plan(2, 8)
    rows, state = make_rows(40), None
    result = run(plan, rows=rows)
    shape = Shape((5, 4, 3), "mirror", False, "tanh", Head(5))
    for _ in range(8):
        network, _, state = train_on_batch(
            TableSource(rows, np.arange(rows.n_rows)),
            plan,
            shape,
            state,
            noise=MaskingNoise(0.25),
            streams=spawn_streams(0),
            settings=SETTINGS,
        )
    assert same(network, result.network)


@pytest.mark.parametrize("name", GROWING)
def test_a_shared_run_grows_as_one_alone(name):
    """What another run has grown and trained is taken over, and not grown again."""
    rows, shape = make_rows(40), Shape((5, 4, 3), "mirror", False, "tanh", Head(5))
    source = TableSource(rows, np.arange(rows.n_rows))
    shared = SharedRun(PhaseMemory(), "the same rows")
    schedule = SCHEDULES[name](start="copy", epoch_allocation=(1, 3))
    for max_iter in (4, 12, 8):
        plan = schedule.plan(2, max_iter)
        options = {"noise": MaskingNoise(0.25), "settings": SETTINGS}
        alone, other = (
            train(source, plan, shape, streams=spawn_streams(0), shared=each, **options)
            for each in (None, shared)
        )
        assert same(alone.network, other.network)


def test_units_that_repeat_others_or_are_constant_come_last():
    H = np.random.default_rng(0).normal(size=(200, 3))
    H = np.column_stack([np.ones(200), H[:, 0], H[:, 0], H[:, 1], 3 * H[:, 1], H[:, 2]])
    groups = np.array([0, 1, 1, 2, 2, 3])
    assert set(groups[best_predictors(H, 3)]) == {1, 2, 3}
    found = best_predictors(H, 5)
    assert len(set(found)) == 5
    assert 0 in best_predictors(H, 6)


def test_a_linear_relation_is_found():
    generator = np.random.default_rng(0)
    H, W = generator.normal(size=(500, 4)), generator.normal(size=(4, 3))
    weight, bias = fixed_ridge(H, H @ W + [1, 2, 3])
    np.testing.assert_allclose(weight, W, atol=0.01)
    np.testing.assert_allclose(bias, [1, 2, 3], atol=0.01)


@pytest.mark.parametrize("n_rows", [2, 3])
def test_few_rows_and_dead_units_grow(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 4))
    X[:, 0] = 1
    dae = GradualDAETransformer(
        (6, 9, 3), schedule=Gradual(start="copy"), max_iter=6, random_state=0
    ).fit(X)
    assert np.isfinite(dae.transform(X)).all()


@pytest.mark.parametrize("decoder", ["mirror", "tied", "direct"])
def test_rows_in_any_order_grow_the_same_model(decoder):
    X = table(60).astype(np.float64)
    X[::7, 2] = np.nan
    dae = GradualDAETransformer(
        (6, 4), schedule=Hybrid(start="copy"), max_iter=9, decoder=decoder,
        random_state=0,
    )  # fmt: skip
    one = dae.fit(X).coefs_
    other = dae.fit(X[::-1]).coefs_
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_start_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="start='identity'.*must be one of"):
        Phase(2, 1, (1.0, 1.0), start="identity")


def test_a_stream_grows_from_its_sample():
    """Batches are passed over for the sample and once an epoch, and no more often."""
    reads = []

    class Batches:
        def __iter__(self):
            for half in np.array_split(table(120), 2):
                reads.append(len(half))
                yield half

    dae = GradualDAETransformer(
        (6, 4), schedule=Gradual(start="copy"), max_iter=4, random_state=0
    ).fit_stream(Batches())
    assert len(reads) == 2 * (1 + 4)
    assert np.isfinite(dae.transform(table())).all()
