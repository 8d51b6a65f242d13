"""Training that goes on: after a fit, from batch to batch, from state that is kept."""

import copy
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest

from skdae import GradualDAETransformer
from skdae.noise import SwapNoise
from skdae.schedules import SCHEDULES

GENERATOR = np.random.default_rng(0)
X = (GENERATOR.normal(size=(120, 2)) @ GENERATOR.normal(size=(2, 5))).astype(np.float64)
UNIT = (X - X.min(axis=0)) / np.ptp(X, axis=0)


def small(**parameters):
    defaults = {"hidden_layer_sizes": (6, 3), "max_iter": 6, "random_state": 0}
    defaults["output"] = "code"
    return GradualDAETransformer(**(defaults | parameters))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("tuning_fraction", [0.0, 0.3])
def test_batches_go_on_after_fit_of_any_schedule(schedule, tuning_fraction):
    """In its last phase: layers that are frozen there stay, bit for bit."""
    model = small(schedule=SCHEDULES[schedule](tuning_fraction=tuning_fraction)).fit(X)
    before, last = deepcopy(model.network_), model.phases_[-1]
    streamed = deepcopy(model)
    for _ in range(3):
        streamed.partial_fit(X)
    for rate, old, new in zip(
        last.rates, before.encoder, streamed.network_.encoder, strict=True
    ):
        assert np.array_equal(old.weight, new.weight) == (rate == 0)
    if all(rate == 1 for rate in last.rates):  # what a warm start trains
        longer = model.set_params(warm_start=True, max_iter=3).fit(X)
        np.testing.assert_array_equal(streamed.transform(X), longer.transform(X))


def test_a_stream_is_pickled_without_torch():
    saved = pickle.dumps(small().partial_fit(X).partial_fit(X))
    code = (
        "import pickle, sys\n"
        "model = pickle.loads(sys.stdin.buffer.read())\n"
        "model.transform([[0.0] * 5])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=saved, check=True)
    again = pickle.loads(saved)
    one = small().partial_fit(X).partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(again.partial_fit(X).transform(X), one.transform(X))


def test_a_shallow_copy_of_a_stream_does_not_share_its_draws():
    model = small().partial_fit(X)
    copied = copy.copy(model)
    copied.partial_fit(X)
    other = small().partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(model.partial_fit(X).transform(X), other.transform(X))


def test_another_solver_in_a_stream_is_refused():
    model = small().partial_fit(X)
    with pytest.raises(ValueError, match="solver must stay"):
        model.set_params(solver="sgd").partial_fit(X)
    with pytest.raises(ValueError, match="solver"):
        model.set_params(solver="foo").partial_fit(X)


def test_plain_descent_keeps_nothing_that_a_stream_must_go_on_with():
    """Neither a momentum set later nor threads that share a batch are refused."""
    plain = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e-3}
    for changed in ({"momentum": 0.5}, {"n_threads": 2}):
        model = small(**plain).partial_fit(X).set_params(**changed)
        model.partial_fit(X).set_params(**plain, n_threads=1).partial_fit(X)
        assert model.n_iter_ == 3
        assert np.isfinite(model.transform(X)).all()
    model = small(**plain).partial_fit(X)
    with pytest.raises(ValueError, match="solver must stay"):
        model.set_params(solver="adam").partial_fit(X)


@pytest.mark.parametrize("parameter", ["activation", "decoder", "scaling"])
def test_what_must_stay_is_refused_by_name(parameter):
    changed = {"activation": "tanh", "decoder": "tied", "scaling": "minmax"}
    model = small(warm_start=True).fit(X)
    model.set_params(**{parameter: changed[parameter]})
    with pytest.raises(ValueError, match=f"{parameter}=.* must stay"):
        model.fit(X)
    with pytest.raises(ValueError, match=f"{parameter}=.* must stay"):
        model.partial_fit(X)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_rows_out_of_range_of_a_cross_entropy_are_refused_later_too(way):
    model = small(activation="logistic", scaling=None, warm_start=True).fit(UNIT)
    assert model.network_.head.loss == "cross_entropy"
    with pytest.raises(ValueError, match="cross_entropy.*squared_error"):
        getattr(model, way)(UNIT + 1)


def test_rows_out_of_range_in_a_stream_are_refused():
    batches = [UNIT] * 20 + [np.full((1, 5), 7.0)]
    with pytest.raises(ValueError, match="cross_entropy"):
        small(loss="cross_entropy", scaling=None).fit_stream(batches, sample_size=50)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_a_non_finite_loss_is_an_error_with_the_remedy(way):
    model = small(solver="sgd", learning_rate_init=1e6, max_iter=20)
    batches = [X] * (20 if way == "partial_fit" else 1)

    def train():
        for batch in batches:
            getattr(model, way)(batch)

    with pytest.raises(ValueError, match="diverged.*learning_rate_init"):
        train()


def test_non_finite_weights_after_the_only_epoch_are_an_error():
    model = small(solver="sgd", learning_rate_init=1e38, max_iter=2)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(early_stopping=True).fit(X)


def test_a_network_that_is_not_finite_has_no_score():
    model = small().fit(X)
    model.network_.encoder[0].weight[:] = np.nan
    assert np.isnan(model.score(X))


def test_rows_that_are_alike_are_not_held_out_and_trained_on(monkeypatch):
    from skdae._core.sources import TableSource

    seen = []
    split = TableSource.split.__func__

    def spy(cls, rows, weights, fraction, generator, groups=None):
        source = split(cls, rows, weights, fraction, generator, groups)
        seen.append((source, rows.raw, rows.index))
        return source

    monkeypatch.setattr(TableSource, "split", classmethod(spy))
    small(early_stopping=True).fit(np.repeat(X, 3, axis=0))
    small(early_stopping=True).fit(X, sample_weight=np.full(len(X), 3))
    for source, raw, index in seen:
        train = {tuple(row) for row in raw[index[source.index]]}
        held_out = {tuple(row) for row in raw[index[source.held_out_index]]}
        assert held_out
        assert not train & held_out


def test_a_donor_that_is_missing_gives_nothing():
    """Swapped cells of a column with gaps never become the fill of a gap."""
    from skdae._core.corruption import corrupted_batch
    from skdae._core.sources import Block
    from skdae.noise import Layout

    values = np.random.default_rng(0).uniform(1, 2, size=(400, 3)).astype(np.float32)
    observed = np.random.default_rng(1).random((400, 3)) < 0.5
    values[~observed] = 0
    layout = Layout.from_data(np.where(observed, values, np.nan))
    batch = corrupted_batch(
        Block(values, observed),
        layout,
        SwapNoise(0.8),
        np.random.default_rng(2),
        (1.0, 0.25),
    )
    corrupted = batch.corrupted
    assert (corrupted[observed] > 0).all()
    assert (corrupted[~observed] == 0).all()
    # emphasis on the cells that took another value, and none on those that kept theirs
    changed = corrupted != values
    np.testing.assert_array_equal(
        batch.weight, np.where(observed, np.where(changed, 1.0, 0.25), 0)
    )
    assert 0.2 < changed[observed].mean() < 0.6  # of 0.8, half of the donors have none


def test_global_state_is_restored_after_fits_in_threads():
    import torch

    before, filters = torch.get_num_threads(), list(warnings.filters)
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda seed: small(random_state=seed).fit(X), range(8)))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
        assert warnings.filters == filters
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
def test_cuda_trains_the_same_network(monkeypatch):
    """The same draws on another device: equal to float tolerance, step by graph."""
    import torch

    from skdae._core.acceleration import CudaStepGraph

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    here = small(max_iter=4).fit(X)
    replays = []
    capture = CudaStepGraph._capture

    def recorded(graph):
        capture(graph)
        replays.append(graph._replay)

    monkeypatch.setattr(CudaStepGraph, "_capture", recorded)
    there = small(max_iter=4, device="cuda").fit(X)
    assert replays
    assert all(replay is not None for replay in replays)
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(there.transform(X), here.transform(X), atol=1e-3)
    streamed = small(device="cuda").partial_fit(X).partial_fit(X)
    assert pickle.loads(pickle.dumps(streamed)).partial_fit(X).n_iter_ == 3


@pytest.mark.gpu
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_cuda_returns_the_same_losses_with_held_out_rows(solver):
    """A graph that trains and the validation loss share the memory of a batch."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    held = {"early_stopping": True, "validation_fraction": 0.5, "max_iter": 6}
    held |= {"batch_size": 8, "solver": solver, "learning_rate_init": 1e-3}
    here = small(**held).fit(X)
    there = small(device="cuda", **held).fit(X)
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-3)
    for ours, theirs in zip(there.phases_, here.phases_, strict=True):
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-3)


def test_a_stream_of_single_rows_needs_no_held_out_rows():
    model = small(early_stopping=True).partial_fit(X)
    assert model.partial_fit(X[:1]).n_iter_ == 2
