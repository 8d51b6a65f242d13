"""The training loop: order of rows, batches, phases, stopping, streams of batches."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from skdae._core.acceleration import Execution
from skdae._core.corruption import held_out_batch
from skdae._core.early_stopping import BestWeights
from skdae._core.monitor import Epoch, Monitor
from skdae._core.network import Head, Shape
from skdae._core.parameters import Parameters
from skdae._core.sources import ArrayRows, Block, HeldOut, TableSource, epoch_order
from skdae._core.training import (
    Settings,
    make_trainer,
    train,
    train_on_batch,
)
from skdae._random import spawn_streams
from skdae.noise import Layout, MaskingNoise, Noise
from skdae.schedules import SCHEDULES, Phase, as_schedule, gradual, stacked

SETTINGS = Settings(
    solver="adam",
    learning_rate_init=0.01,
    momentum=0.9,
    alpha=0.0,
    batch_size=16,
    emphasis=None,
    n_iter_no_change=3,
    tol=0.0,
    device="cpu",
    n_threads=1,
)
N_FEATURES = 5


class RecordingNoise(Noise):
    """Masks half of the cells and remembers all that passes through."""

    def __init__(self, log=None):
        self.log = log

    def apply(self, Z, generator, layout, intensity=None):
        Z_corrupted, mask = MaskingNoise(0.5).apply(Z, generator, layout)
        self.log.append((Z.copy(), Z_corrupted.copy(), mask.copy()))
        return Z_corrupted, mask

    def for_codes(self):
        return self


class RecordingMonitor(Monitor):
    """Records its notifications; stops the epochs or the phases where it is asked."""

    def __init__(self, stop_epoch=None, stop_phase=None):
        self.stop_epoch, self.stop_phase = stop_epoch, stop_phase
        self.phases, self.epochs, self.records, self.networks = [], [], [], []
        self.n_begun = 0

    def phase_begin(self, number, phase):
        self.phases.append((number, phase))

    def epoch_begin(self):
        self.n_begun += 1

    def epoch_end(self, epoch, network):
        self.epochs.append(epoch)
        self.networks.append(network())
        return (epoch.phase, epoch.epoch) == self.stop_epoch

    def phase_end(self, record, network):
        self.records.append(record)
        return len(self.records) - 1 == self.stop_phase


def make_rows(n_rows=50, *, missing=0.0):
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(n_rows, 2))
    values = latent @ generator.normal(size=(2, N_FEATURES))
    values = (values + 0.1 * generator.normal(size=values.shape)).astype(np.float32)
    observed = None
    if missing:
        observed = generator.random(values.shape) >= missing
        values[~observed] = 0
    return ArrayRows(values, Layout.from_data(values), observed)


def make_shape(widths=(4, 3), *, activation="tanh", decoder="mirror"):
    return Shape((N_FEATURES, *widths), decoder, False, activation, Head(N_FEATURES))


def run(plan, *, rows=None, noise=None, seed=0, monitor=None, **options):
    """Train with settings changed by name."""
    streams = spawn_streams(seed)
    source = TableSource.split(
        make_rows() if rows is None else rows,
        options.pop("weights", None),
        options.pop("validation_fraction", None),
        streams.split,
    )
    return train(
        source,
        plan,
        make_shape((4, 3)[: plan[-1].depth]),
        noise=MaskingNoise(0.25) if noise is None else noise,
        streams=streams,
        initial=options.pop("initial", None),
        settings=replace(SETTINGS, **options),
        monitor=monitor,
    )


def layers(network):
    return (*network.encoder, *network.decoder)


def same(one, other):
    """Whether two networks agree bit for bit."""
    return len(layers(one)) == len(layers(other)) and all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        for a, b in zip(layers(one), layers(other), strict=True)
    )


# --- order of rows ------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_an_epoch_holds_each_row_once(seed, n_rows):
    index = np.arange(n_rows) * 3 + 1
    order = epoch_order(np.random.default_rng(seed), index, None)
    np.testing.assert_array_equal(np.sort(order), index)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_whole_weights_are_repetitions(seed, weights):
    index = np.arange(len(weights)) + 10
    weighted = epoch_order(np.random.default_rng(seed), index, np.array(weights, float))
    repeated = epoch_order(np.random.default_rng(seed), np.repeat(index, weights), None)
    np.testing.assert_array_equal(weighted, repeated)


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.floats(0, 3), min_size=1, max_size=30),
)
def test_other_weights_are_rounded_up_or_down(seed, weights):
    index = np.arange(len(weights))
    order = epoch_order(np.random.default_rng(seed), index, np.array(weights))
    counts = np.bincount(order, minlength=len(weights))
    assert (counts >= np.floor(weights)).all()
    assert (counts <= np.ceil(weights)).all()


def test_rows_come_as_often_as_their_weight_says_on_average():
    weights = np.array([0.1, 0.5, 1.0, 1.75, 3.2])
    generator = np.random.default_rng(0)
    n_epochs = 4000
    counts = sum(
        np.bincount(epoch_order(generator, np.arange(5), weights), minlength=5)
        for _ in range(n_epochs)
    )
    # five standard errors of a coin
    np.testing.assert_allclose(counts / n_epochs, weights, atol=5 * 0.5 / n_epochs**0.5)


def test_every_epoch_has_an_order_of_its_own():
    generator = np.random.default_rng(0)
    orders = {tuple(epoch_order(generator, np.arange(20), None)) for _ in range(10)}
    assert len(orders) == 10


# --- rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_rows_taken_are_copies(missing):
    rows = make_rows(missing=missing)
    index = np.array([3, 3, 0])
    values, observed, *_ = rows.take(index)
    np.testing.assert_array_equal(values, rows.values[index])
    assert rows.n_rows == 50
    assert (observed is None) == (missing == 0)
    values += 1
    assert not np.array_equal(values, rows.values[index])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_training_leaves_the_rows_as_they_are(missing):
    rows = make_rows(missing=missing)
    values = rows.values.copy()
    run(stacked(2, 4), rows=rows)
    np.testing.assert_array_equal(rows.values, values)


# --- against a plain loop -----------------------------------------------------------


def plain_loop(plan, rows, *, n_epochs, batch_size, rate, seed):
    """Gradient descent on clean rows by autograd: a plain autoencoder."""
    shape = make_shape((4, 3)[: plan[-1].depth])
    smaller = replace(SETTINGS, batch_size=batch_size)
    streams = spawn_streams(seed)
    trainer = make_trainer(shape, plan, MaskingNoise(0), streams, smaller, Execution())
    network = trainer.parameters.network(plan[-1].depth)
    tensors = [
        torch.tensor(part, dtype=torch.float64).requires_grad_()
        for layer in layers(network)
        for part in (layer.weight, layer.bias)
    ]
    Z = torch.from_numpy(rows.values).double()
    shuffle = spawn_streams(seed).shuffle
    for _ in range(n_epochs):
        order = shuffle.permutation(np.arange(rows.n_rows))
        for a in range(0, len(order), batch_size):
            batch = Z[order[a : a + batch_size]]
            H = batch
            for i in range(0, len(tensors), 2):
                H = H @ tensors[i] + tensors[i + 1]
                H = torch.tanh(H) if i < len(tensors) - 2 else H
            loss = ((H - batch) ** 2).sum() / 2 / len(batch)
            for tensor, g in zip(
                tensors, torch.autograd.grad(loss, tensors), strict=True
            ):
                tensor.data -= rate * g
    return [tensor.detach().numpy() for tensor in tensors]


@pytest.mark.parametrize("n_rows", [32, 33, 7])
@pytest.mark.parametrize("depth", [1, 2])
def test_without_noise_training_is_a_plain_autoencoder(depth, n_rows):
    """Also that a last batch of a single row, and one short batch, are trained on."""
    rows = make_rows(n_rows)
    plan = (Phase(depth, 3, (1.0,) * depth),)
    changes = {"batch_size": 32, "learning_rate_init": 0.2, "momentum": 0.0}
    result = run(
        plan, rows=rows, noise=MaskingNoise(0), solver="sgd", seed=3, **changes
    )
    wanted = plain_loop(plan, rows, n_epochs=3, batch_size=32, rate=0.2, seed=3)
    found = [part for layer in layers(result.network)
             for part in (layer.weight, layer.bias)]  # fmt: skip
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert result.phases[0].weight_updates == 3 * -(-n_rows // 32) * depth


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows():
    """With steps too small to matter it is the loss of the network as it stands."""
    rows = make_rows(33)
    result = run(
        gradual(1, 1), rows=rows, noise=MaskingNoise(0), learning_rate_init=1e-9
    )
    network = result.network
    errors = network.decode(network.encode(rows.values)) - rows.values
    wanted = (errors**2).sum() / 2 / 33
    assert result.loss_curve == pytest.approx([wanted], rel=1e-5)


def test_missing_cells_are_not_counted():
    """A loss that is 0 where nothing is observed, whatever stands there."""
    rows = make_rows(33, missing=0.4)
    other = replace(rows, values=np.where(rows.observed, rows.values, 7).astype("f4"))
    networks = [run(gradual(2, 4), rows=each).network for each in (rows, other)]
    assert same(*networks)
    seen = replace(other, observed=None)
    assert not same(networks[0], run(gradual(2, 4), rows=seen).network)


@pytest.mark.parametrize("emphasis", [(1.0, 1.0), (1, 1)])
def test_an_emphasis_of_one_is_none(emphasis):
    plain = run(gradual(2, 4)).network
    assert same(run(gradual(2, 4), emphasis=emphasis).network, plain)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("emphasis", [(1, 0), (0, 1), (1, 0.3), (2, 0.5)])
def test_emphasis_weighs_corrupted_and_untouched_cells(emphasis, missing):
    """With steps too small to matter, against the loss of the network returned."""
    log = []
    rows = make_rows(33, missing=missing)
    result = run(
        gradual(1, 1),
        rows=rows,
        noise=RecordingNoise(log),
        emphasis=emphasis,
        learning_rate_init=1e-9,
    )
    Z, corrupted, mask = (np.concatenate(part) for part in zip(*log, strict=True))
    weight = np.where(mask, *emphasis) * ~np.isnan(Z)
    network = result.network
    rebuilt = network.decode(network.encode(np.nan_to_num(corrupted)))
    wanted = (weight * (rebuilt - np.nan_to_num(Z)) ** 2).sum() / 2 / 33
    assert result.loss_curve == pytest.approx([wanted], rel=1e-5)


def test_emphasis_on_all_cells_is_a_loss_without_it():
    everything = run(gradual(1, 2), noise=MaskingNoise(1.0), emphasis=(1, 0))
    assert same(everything.network, run(gradual(1, 2), noise=MaskingNoise(1.0)).network)
    nothing = run(gradual(1, 2), noise=MaskingNoise(0), emphasis=(1, 0))
    assert nothing.loss_curve == [0, 0]


# --- corruption ---------------------------------------------------------------------


def test_every_epoch_draws_fresh_corruption():
    """Neither a row nor a place in the epoch has a corruption of its own."""
    log = []
    rows = make_rows(24)
    run(gradual(1, 5), rows=rows, noise=RecordingNoise(log))
    n_calls = len(log) // 5
    by_place, by_row = [], []
    for start in range(0, len(log), n_calls):
        parts = log[start : start + n_calls]
        Z, _, mask = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.lexsort(Z.T)
        np.testing.assert_array_equal(Z[order], rows.values[np.lexsort(rows.values.T)])
        by_place.append(mask)
        by_row.append(mask[order])
    for masks in (by_place, by_row):
        assert len(masks) == 5
        for i in range(5):
            for j in range(i):
                assert 0.3 < (masks[i] == masks[j]).mean() < 0.7  # of 120 coins


def test_batches_of_an_epoch_are_corrupted_differently():
    log = []
    run(gradual(1, 1), rows=make_rows(48), noise=RecordingNoise(log))
    mask = np.concatenate([mask for _, _, mask in log])
    parts = [mask[a : a + 16] for a in (0, 16, 32)]
    assert not any(np.array_equal(parts[i], parts[i - 1]) for i in range(3))


@pytest.mark.parametrize("n_rows", [30, 1500])
def test_code_phases_rebuild_the_codes_of_clean_rows(n_rows):
    """Codes of the frozen layers below, from rows without noise, each row once."""
    log = []
    rows = make_rows(n_rows)
    result = run(stacked(2, 2), rows=rows, noise=RecordingNoise(log), batch_size=256)
    seen = [Z for Z, _, _ in log if Z.shape[1] == 4]
    Z = np.concatenate(seen)
    codes = result.network.codes(rows.values, 1)[0]
    assert len(Z) == n_rows
    order, wanted = np.lexsort(Z.T), np.lexsort(codes.T)
    np.testing.assert_allclose(Z[order], codes[wanted], atol=1e-6)
    inputs = np.concatenate([Z for Z, _, _ in log if Z.shape[1] == N_FEATURES])
    assert len(inputs) == n_rows


def test_code_phases_take_the_noise_for_codes():
    """Five rates, one per column of the input, do not fit a code of four units."""
    noise = MaskingNoise(np.array([0.0, 0.1, 0.2, 0.3, 0.4]))
    whole = run(stacked(2, 4), noise=noise).network
    first = run(stacked(2, 4)[:1], noise=noise).network
    np.testing.assert_array_equal(whole.encoder[0].weight, first.encoder[0].weight)


# --- monitors -----------------------------------------------------------------------


def test_a_monitor_is_notified_of_everything_in_order():
    monitor = RecordingMonitor()
    plan = gradual(2, 5)
    result = run(plan, monitor=monitor, validation_fraction=0.2, n_iter_no_change=99)
    assert monitor.phases == list(enumerate(plan))
    assert monitor.n_begun == 5
    assert [(e.phase, e.epoch) for e in monitor.epochs] == [
        (number, epoch)
        for number, phase in enumerate(plan)
        for epoch in range(phase.epochs)
    ]
    assert [e.loss for e in monitor.epochs] == result.loss_curve
    assert [e.validation_loss for e in monitor.epochs] == result.validation_loss_curve
    assert tuple(monitor.records) == result.phases
    assert [len(net.encoder) for net in monitor.networks] == [
        phase.depth for phase in plan for _ in range(phase.epochs)
    ]


def test_a_monitor_changes_nothing():
    assert same(
        run(gradual(2, 6), monitor=RecordingMonitor()).network,
        run(gradual(2, 6)).network,
    )


@pytest.mark.parametrize("at", [(0, 0), (0, 2), (1, 1), (1, 3)])
def test_true_after_an_epoch_ends_its_phase(at):
    phase, epoch = at
    monitor = RecordingMonitor(stop_epoch=at)
    result = run(gradual(2, 8), monitor=monitor)
    wanted = [4, 4]
    wanted[phase] = epoch + 1
    assert [record.epochs for record in result.phases] == wanted
    assert len(result.loss_curve) == sum(wanted)
    shortened = tuple(
        replace(one, epochs=n) for one, n in zip(gradual(2, 8), wanted, strict=True)
    )
    assert same(result.network, run(shortened).network)


@pytest.mark.parametrize("name", ["gradual", "stacked", "frozen"])
def test_true_after_a_phase_ends_the_training(name):
    plan = as_schedule(name).plan(2, 8)
    result = run(plan, monitor=RecordingMonitor(stop_phase=0))
    assert len(result.phases) == 1
    assert len(result.network.encoder) == 1
    assert same(result.network, run(plan[:1]).network)


# --- early stopping -----------------------------------------------------------------


def stopped_at(curve, patience, tol, planned):
    """Epochs that a phase with this validation loss may run, by a plain count."""
    mark, waited = np.inf, 0
    for n, loss in enumerate(curve, 1):
        if loss < mark - tol:
            mark, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return n
    return planned


@pytest.mark.parametrize("tol", [0.0, 0.5])
def test_a_loss_lower_by_exactly_tol_is_no_improvement(tol):
    rule = BestWeights(torch.zeros(1), patience=2, tol=tol)
    losses = [4.0, 4.0 - tol, 4.0 - tol, 0.0]
    stops = [rule.update(Epoch(0, i, 0.0, loss)) for i, loss in enumerate(losses)]
    assert stops == [False, False, True, False]
    assert rule.loss == 0


def test_a_phase_passes_on_the_epochs_that_would_gain_little():
    options = {"validation_fraction": 0.2, "n_iter_no_change": 99}
    monitor, plan = RecordingMonitor(), gradual(2, 60)
    run(plan, monitor=monitor, **options)
    curve = [epoch.validation_loss for epoch in monitor.epochs if epoch.phase == 0]
    lowest, window = np.minimum.accumulate(curve), 3  # a twentieth of the epochs
    n = next(
        n
        for n in range(window + 1, 31)
        if lowest[n - 1 - window] - lowest[n - 1] <= 0.1 * (lowest[0] - lowest[n - 1])
    )
    assert n < 30
    result = run(gradual(2, 60, epoch_allocation="auto"), **options)
    assert [phase.epochs for phase in result.phases] == [n, 60 - n]
    shares = [replace(a, epochs=b) for a, b in zip(plan, (n, 60 - n), strict=True)]
    assert same(result.network, run(shares, **options).network)
    # without early stopping the last phase runs to its end, and keeps its last weights
    options |= {"stops_early": False}
    monitor = RecordingMonitor()
    result = run(
        gradual(2, 60, epoch_allocation="auto"), monitor=monitor, tol=1e9, **options
    )
    assert [phase.epochs for phase in result.phases] == [n, 60 - n]
    assert same(result.network, monitor.networks[-1])


def test_epochs_are_passed_on_by_held_out_rows_and_to_a_later_phase():
    plan = gradual(2, 8, epoch_allocation="auto")
    with pytest.raises(ValueError, match="give shares of the epochs"):
        run(plan)
    with pytest.raises(ValueError, match="no phase follows"):
        run(plan[:1], validation_fraction=0.2)


def test_a_phase_on_rows_is_not_measured_by_a_loss_on_codes():
    """Nor does it go back to the weights of a phase with another loss."""
    plan = (Phase(2, 30, (0.0, 1.0), "code"), Phase(2, 3, (1.0, 1.0)))
    monitor = RecordingMonitor()
    result = run(plan, validation_fraction=0.2, monitor=monitor, n_iter_no_change=99)
    own = [e.validation_loss for e in monitor.epochs if e.phase == 1]
    assert result.phases[0].validation_loss < min(own)  # or nothing could go wrong
    assert result.phases[1].validation_loss == min(own)
    best = monitor.networks[len(monitor.networks) - 3 + int(np.argmin(own))]
    assert same(result.network, best)


def test_held_out_rows_with_a_target_are_not_corrupted():
    """A target is predicted from rows as they are."""
    rows = make_rows(20)
    block = Block(rows.values, None, rows.values[:, :2])
    held_out = HeldOut(block, np.ones(20))
    batch = held_out_batch(held_out, rows.layout, MaskingNoise(1.0), 0, None)
    np.testing.assert_array_equal(batch.corrupted, rows.values)
    np.testing.assert_array_equal(batch.target, rows.values[:, :2])
    rebuilt = held_out._replace(block=Block(rows.values, None))
    masked = held_out_batch(rebuilt, rows.layout, MaskingNoise(1.0), 0, None)
    assert not masked.corrupted.any()


# a loss that goes up and down, and one that goes down in ever smaller steps
@pytest.mark.parametrize(("rate", "tol"), [(0.2, 0.0), (0.2, 0.05), (0.01, 0.3)])
@pytest.mark.parametrize("patience", [1, 2, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_phase_stops_after_exactly_the_epochs_without_improvement(
    patience, rate, tol, seed
):
    plan = gradual(2, 80)
    result = run(
        plan,
        validation_fraction=0.2,
        learning_rate_init=rate,
        n_iter_no_change=patience,
        tol=tol,
        seed=seed,
    )
    curve = np.split(result.validation_loss_curve, [result.phases[0].epochs])
    stopped = 0
    for losses, record, phase in zip(curve, result.phases, plan, strict=True):
        assert len(losses) == record.epochs
        assert record.epochs == stopped_at(losses, patience, tol, phase.epochs)
        stopped += record.epochs < phase.epochs
    assert stopped > 0


@pytest.mark.parametrize("name", ["gradual", "stacked"])
def test_the_best_weights_are_restored(name):
    monitor = RecordingMonitor()
    result = run(
        as_schedule(name).plan(2, 60),
        validation_fraction=0.2,
        learning_rate_init=0.3,
        n_iter_no_change=4,
        monitor=monitor,
    )
    last = len(result.phases) - 1
    epochs = [i for i, e in enumerate(monitor.epochs) if e.phase == last]
    losses = [monitor.epochs[i].validation_loss for i in epochs]
    best = epochs[int(np.argmin(losses))]
    assert best != epochs[-1]  # or nothing would have to be restored
    assert same(result.network, monitor.networks[best])
    assert not same(result.network, monitor.networks[epochs[-1]])
    assert result.phases[-1].validation_loss == min(losses)


@pytest.mark.parametrize(("averaging", "n_averaged"), [(0.0, 1), (0.5, 4), (1.0, 8)])
def test_the_weights_of_the_last_epochs_are_averaged(averaging, n_averaged):
    monitor = RecordingMonitor()
    result = run(gradual(2, 16)[-1:], averaging=averaging, monitor=monitor)
    assert len(monitor.networks) == 8
    for i, layer in enumerate(layers(result.network)):
        ends = [layers(network)[i].weight for network in monitor.networks]
        mean = np.mean(ends[-n_averaged:], axis=0)
        np.testing.assert_allclose(layer.weight, mean, rtol=1e-5, atol=1e-6)
        if n_averaged > 1:
            assert not np.array_equal(layer.weight, ends[-1])


def test_a_phase_on_the_same_network_does_not_end_worse_than_it_began():
    """At this rate the second phase only harms; the first one's weights stay."""
    plan = (Phase(2, 40, (1.0, 1.0)), Phase(2, 1, (1.0, 1.0)))
    monitor = RecordingMonitor()
    result = run(plan, validation_fraction=0.2, learning_rate_init=0.1, monitor=monitor)
    first, second = result.phases
    losses = [e.validation_loss for e in monitor.epochs if e.phase == 1]
    assert min(losses) > first.validation_loss  # or it would have something to keep
    assert second.validation_loss == first.validation_loss
    best = int(np.argmin([e.validation_loss for e in monitor.epochs]))
    assert same(result.network, monitor.networks[best])


def test_the_next_phase_starts_from_the_best_weights():
    monitor = RecordingMonitor()
    result = run(
        as_schedule("stacked").plan(2, 60),
        validation_fraction=0.2,
        learning_rate_init=0.3,
        n_iter_no_change=4,
        monitor=monitor,
    )
    losses = [e.validation_loss for e in monitor.epochs if e.phase == 0]
    best = int(np.argmin(losses))
    assert best != len(losses) - 1
    np.testing.assert_array_equal(
        result.network.encoder[0].weight, monitor.networks[best].encoder[0].weight
    )


def test_the_validation_loss_is_that_of_the_held_out_rows_under_one_corruption():
    log = []
    result = run(
        gradual(1, 3), noise=RecordingNoise(log), validation_fraction=0.2,
        n_iter_no_change=99,
    )  # fmt: skip
    held_out, corrupted, _ = log[0]
    assert len(held_out) == 10
    network = result.network
    errors = network.decode(network.encode(corrupted)) - held_out
    wanted = (errors**2).sum() / 2 / len(held_out)
    assert result.phases[0].validation_loss == pytest.approx(wanted, rel=1e-5)
    # drawn once, and its rows are never trained on
    trained = np.concatenate([Z for Z, _, _ in log[1:]])
    assert len(trained) == 3 * 40
    assert not (trained[:, None] == held_out[None]).all(axis=2).any()


@pytest.mark.parametrize("emphasis", [None, (1.0, 0.3)])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("factor", [1.0, 0.37])
def test_the_validation_loss_is_a_weighted_mean_over_rows(factor, missing, emphasis):
    """Computed from the network returned; whole weights repeat a row instead."""
    log = []
    rows = make_rows(60, missing=missing)
    weights = factor * np.random.default_rng(4).integers(0, 4, 60)
    source = TableSource.split(rows, weights, 0.3, np.random.default_rng(5))
    result = train(
        source,
        gradual(1, 3),
        make_shape((4,)),
        noise=RecordingNoise(log),
        streams=spawn_streams(0),
        settings=replace(SETTINGS, emphasis=emphasis, n_iter_no_change=99),
    )
    values, observed, *_ = source.held_out.block
    _, corrupted, mask = log[0]
    corrupted = np.nan_to_num(corrupted)
    assert len(corrupted) == len(values)
    cells = np.where(mask, *(emphasis or (1, 1)))
    if observed is not None:
        corrupted[~observed] = 0
        cells = cells * observed
    index = source.held_out_index
    row_weights = weights[index]
    if factor == 1:
        index = np.repeat(index, row_weights.astype(int))
        row_weights = np.ones(len(index))
    np.testing.assert_array_equal(values, rows.values[index])
    network = result.network
    errors = network.decode(network.encode(corrupted)) - values
    of_rows = (cells * errors**2).sum(axis=1) / 2
    wanted = np.average(of_rows, weights=row_weights)
    assert result.phases[0].validation_loss == pytest.approx(wanted, rel=1e-5)


def test_phases_on_the_input_share_the_held_out_rows_and_their_corruption():
    log = []
    run(
        gradual(2, 4), noise=RecordingNoise(log), validation_fraction=0.2,
        n_iter_no_change=99,
    )  # fmt: skip
    held_out = [entry for entry in log if len(entry[0]) == 10]
    assert len(held_out) == 2
    for one, other in zip(*held_out, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_that_diverges_stops_and_keeps_the_best_weights():
    """A loss that is not a number is no improvement."""

    class Poison(Monitor):
        def epoch_end(self, epoch, network):
            if epoch.epoch == 1:
                rows.values[:] = np.nan  # the rows, not the held-out copy
            return False

    rows = make_rows()
    monitor = Poison()
    result = run(
        gradual(1, 30), rows=rows, validation_fraction=0.2, monitor=monitor,
        n_iter_no_change=3,
    )  # fmt: skip
    assert result.phases[0].epochs == 5
    assert all(np.isfinite(layer.weight).all() for layer in layers(result.network))


# --- a stream of batches ------------------------------------------------------------


@pytest.mark.parametrize("name", ["gradual", "hybrid", "stacked", "frozen", "joint"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_passes_over_the_same_batch_are_the_epochs_of_a_fit(name, solver):
    """A stream of one batch again and again equals a fit to it, bit for bit."""
    plan = SCHEDULES[name](tuning_fraction=0.25).plan(2, 8)
    rows, shape = make_rows(40), make_shape()
    chosen = replace(SETTINGS, solver=solver)
    state, losses = None, []
    for _ in range(8):
        network, loss, state = train_on_batch(
            TableSource(rows, np.arange(rows.n_rows)),
            plan,
            shape,
            state,
            noise=MaskingNoise(0.25),
            streams=spawn_streams(0),
            settings=chosen,
        )
        losses.append(loss)
    result = run(plan, rows=rows, solver=solver)
    assert losses == result.loss_curve
    assert same(network, result.network)


def test_a_stream_goes_on_in_the_last_phase():
    """As if that phase had been planned to be longer."""
    plan = gradual(2, 2)
    rows, state, depths = make_rows(20), None, []
    for _ in range(5):
        network, _, state = train_on_batch(
            TableSource(rows, np.arange(20)),
            plan,
            make_shape(),
            state,
            noise=MaskingNoise(0.25),
            streams=spawn_streams(0),
            settings=SETTINGS,
        )
        depths.append(len(network.encoder))
    assert depths == [1, 2, 2, 2, 2]
    longer = (plan[0], replace(plan[1], epochs=4))
    assert same(network, run(longer, rows=rows).network)
    assert state.phase == 1


# --- settings -----------------------------------------------------------------------


def test_a_device_that_is_not_there_is_an_error():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ValueError, match=r"device='cuda' .*'auto'"):
        run(gradual(1, 1), device="cuda")
    assert same(run(gradual(1, 2), device="auto").network, run(gradual(1, 2)).network)


def blas_threads():
    return [
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    ]


@pytest.mark.parametrize("n_threads", [1, 3, None])
def test_threads_inside_and_after(n_threads):
    """Those that share a batch, each with one thread of the libraries."""
    inside = []

    class Ask(Monitor):
        def epoch_end(self, epoch, network):
            inside.append((torch.get_num_threads(), set(blas_threads()), n_running()))

    def n_running():
        return threading.active_count() - before[2]

    before = (torch.get_num_threads(), blas_threads(), threading.active_count())
    run(gradual(1, 2), n_threads=n_threads, monitor=Ask())
    assert inside == [(1, {1}, (n_threads or 1) - 1)] * 2
    assert (torch.get_num_threads(), blas_threads(), threading.active_count()) == before


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("fraction", [None, 0.2])
def test_threads_change_the_last_digits_only(solver, fraction):
    options = {"solver": solver, "validation_fraction": fraction, "dropout": 0.2}
    alone, shared = (run(gradual(2, 6), n_threads=n, **options) for n in (1, 3))
    assert not same(alone.network, shared.network)  # or it would not have been shared
    np.testing.assert_allclose(alone.loss_curve, shared.loss_curve, rtol=1e-4)
    for one, other in zip(layers(alone.network), layers(shared.network), strict=True):
        np.testing.assert_allclose(one.weight, other.weight, atol=1e-3)


def wide_case(monitor=None, n_threads=None):
    """A fit whose products are large enough for a BLAS of several threads."""
    values = make_rows(400).values.repeat(60, axis=1)
    return train(
        TableSource(ArrayRows(values, Layout.from_data(values)), np.arange(400)),
        gradual(1, 3),
        Shape((300, 256), "mirror", False, "tanh", Head(300)),
        noise=MaskingNoise(0.25),
        streams=spawn_streams(0),
        settings=replace(SETTINGS, n_threads=n_threads, batch_size=200),
        monitor=monitor,
    ).network


@pytest.mark.parametrize("n_cores", [1, 2, 3])
def test_threads_that_are_not_asked_for_do_not_share_a_batch(n_cores):
    """However wide the network and whatever the limits: one model per seed."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_cores)
    try:
        with threadpool_limits(n_cores):
            assert same(wide_case(), wide_case(n_threads=1))
    finally:
        torch.set_num_threads(before)


def test_fits_in_threads_are_limited_and_equal_to_serial_ones():
    """Whichever thread has set a limit of the BLAS first, and while fits overlap."""
    inside = []

    class Ask(Monitor):
        def epoch_end(self, epoch, network):
            inside.append((torch.get_num_threads(), *blas_threads()))

    with threadpool_limits(2):  # which makes this thread the first
        before = torch.get_num_threads(), blas_threads()
        assert set(blas_threads()) == {2}
        wanted = wide_case(Ask())
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(wide_case, [Ask() for _ in range(6)]))
        assert (torch.get_num_threads(), blas_threads()) == before
    assert {n for numbers in inside for n in numbers} == {1}
    assert all(same(network, wanted) for network in found)


FORK = """
import os, signal, sys, threading, time
import torch
sys.path.insert(0, {folder!r})
from test_training import blas_threads, gradual, run
from skdae._core import threads

before = torch.get_num_threads(), blas_threads()
entered = threading.Event()

def fit():
    with threads.limited_threads(1):
        entered.set()
        time.sleep(1)

def begin_a_fit():
    with threads._limits.lock:
        entered.set()
        time.sleep(1)

thread = threading.Thread(target={parent})
thread.start()
entered.wait()
child = os.fork()
if child == 0:
    signal.alarm(60)  # which ends a fit that blocks
    run(gradual(1, 2))
    os._exit(0 if blas_threads() == before[1] else 1)
status = os.waitpid(child, 0)[1]
thread.join()
print(status, (torch.get_num_threads(), blas_threads()) == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("parent", ["fit", "begin_a_fit"])
def test_a_forked_child_trains_while_a_thread_of_its_parent_does(parent):
    """And leaves as many threads as there were before the parent's fit."""
    script = FORK.format(folder=os.path.dirname(__file__), parent=parent)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.split() == ["0", "True"], ran.stderr


@pytest.mark.parametrize("name", ["learning_rate_init", "alpha"])
def test_step_sizes_beyond_float32_are_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"{name}=1e\+300 must be at most 3.4e\+38"):
        run(gradual(1, 1), **{name: 1e300})


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_weights_that_are_not_finite_are_an_error(rate, solver):
    """Also after a single step, whose loss is that of the weights before it."""
    rows, options = make_rows(16), {"learning_rate_init": rate, "solver": solver}
    with pytest.raises(ValueError, match="diverged.*Lower learning_rate_init"):
        run(gradual(1, 3), rows=rows, **options)

    def stream():
        state = None
        for _ in range(3):
            _, _, state = train_on_batch(
                TableSource(rows, np.arange(16)),
                gradual(1, 3),
                make_shape((4,)),
                state,
                noise=None,
                streams=spawn_streams(0),
                settings=replace(SETTINGS, **options),
            )
            assert np.isfinite(state.flat).all()

    with pytest.raises(ValueError, match="diverged.*Lower learning_rate_init"):
        stream()


def read_only(network):
    for layer in layers(network):
        layer.weight.flags.writeable = layer.bias.flags.writeable = False
    return network


def test_read_only_weights_are_copied_without_a_warning():
    """As joblib hands them over, memory-mapped; torch warns once per process."""
    first = run(gradual(2, 4)).network
    source = TableSource(make_rows(20), np.arange(20))
    options = {"noise": None, "streams": spawn_streams(0), "settings": SETTINGS}
    plan = gradual(2, 4)
    _, _, state = train_on_batch(source, plan, make_shape(), None, **options)
    for part in (state.flat, *(part for parts in state.solver for part in parts)):
        part.flags.writeable = False
    torch.set_warn_always(True)
    try:
        again = run(plan[-1:], initial=read_only(first)).network
        train_on_batch(source, plan, make_shape(), state, **options)
    finally:
        torch.set_warn_always(False)
    assert same(again, run(plan[-1:], initial=deepcopy(first)).network)


def test_optimiser_memory_is_cleared_between_phases():
    """A second phase of the same layers is a training of its own from there."""
    half = (Phase(1, 3, (1.0,)),)
    streams, source = spawn_streams(0), TableSource(make_rows(), np.arange(50))
    options = {"noise": MaskingNoise(0.25), "streams": streams, "settings": SETTINGS}
    shape = make_shape((4,))
    first = train(source, half, shape, **options).network
    second = train(source, half, shape, initial=first, **options).network
    assert same(run(half + half).network, second)
    plain = {"solver": "sgd", "momentum": 0.0}  # without memory nothing is cleared
    whole = (Phase(1, 6, (1.0,)),)
    assert same(run(half + half, **plain).network, run(whole, **plain).network)


def test_initial_weights_are_taken_over():
    first = run(gradual(2, 4)).network
    again = run((Phase(2, 1, (1.0, 1.0)),), initial=first, learning_rate_init=1e-12)
    for one, other in zip(layers(first), layers(again.network), strict=True):
        np.testing.assert_allclose(one.weight, other.weight, atol=1e-6)


def test_layers_of_the_network_and_of_the_plan_exist():
    streams = spawn_streams(0)
    shape = make_shape(decoder="direct")
    trainer = make_trainer(
        shape, stacked(2, 2), MaskingNoise(0), streams, SETTINGS, Execution()
    )
    assert isinstance(trainer.parameters, Parameters)
    assert set(trainer.parameters.keys) == {
        ("encoder", 1),
        ("output", 1),
        ("encoder", 2),
        ("decoder", 2),
        ("output", 2),
    }
