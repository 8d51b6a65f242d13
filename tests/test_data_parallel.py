"""Processes that share batches make the updates of one; threads stand for them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from skdae._core import acceleration
from skdae._core.acceleration import OVERLAP_BYTES
from skdae._core.data_parallel import train_shard
from skdae._core.network import Head, Shape
from skdae._core.settings import Settings
from skdae._core.sources import ArrayRows, TableSource
from skdae._core.training import train
from skdae._random import spawn_streams
from skdae.noise import Layout, MaskingNoise
from skdae.schedules import SCHEDULES

N, WIDTHS = 64, (6, 5, 3)
SHAPE = Shape(WIDTHS, "mirror", False, "relu", Head(6))
SETTINGS = Settings(
    solver="adam",
    learning_rate_init=1e-2,
    momentum=0.9,
    alpha=0.01,
    batch_size=100,
    emphasis=None,
    n_iter_no_change=10,
    tol=1e-4,
    device="cpu",
    n_threads=None,
)


class Threads:
    """Threads of this process as a group."""

    def __init__(self, rank, given):
        self.rank, self.size = rank, len(given)
        self._given, self._barrier = given, given.barrier

    def _meet(self, values, choose):
        self._given[self.rank] = values.clone()
        self._barrier.wait(60)
        values.copy_(choose(list(self._given)))
        self._barrier.wait(60)

    def start_all_reduce(self, values):
        self._meet(values, sum)
        return lambda: None

    def broadcast(self, values):
        self._meet(values, lambda all_: all_[0])


class Given(list):
    """What the threads of a group have given."""

    def __init__(self, size):
        super().__init__([None] * size)
        self.barrier = Barrier(size)


def rows_of(X):
    rows = ArrayRows(X, Layout.from_data(X if len(X) else np.zeros((1, 6))))
    return TableSource(rows, np.arange(len(X)))


def train_in_threads(shards, plan, settings, noise=None, shape=SHAPE, **options):
    """Checkpoints of each thread."""
    given = Given(len(shards))

    def work(rank):
        source = rows_of(shards[rank])
        return list(
            train_shard(
                source,
                len(shards[rank]),
                plan,
                shape,
                noise=noise,
                streams=spawn_streams(0),
                settings=settings,
                group=Threads(rank, given),
                **options,
            )
        )

    with ThreadPoolExecutor(len(shards)) as threads:
        return list(threads.map(work, range(len(shards))))


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((N, 6)).astype(np.float32)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("n_threads", [None, 2])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("overlap_bytes", [0, OVERLAP_BYTES])
def test_updates_are_those_of_the_whole_batch(
    X, monkeypatch, schedule, solver, n_threads, tied, overlap_bytes
):
    """From random layers: which units are copied depends on the rows of a shard.

    Gradients are added layer by layer, or all at once.
    """
    monkeypatch.setattr(acceleration, "OVERLAP_BYTES", overlap_bytes)
    shape = replace(SHAPE, tied=tied)
    settings = replace(SETTINGS, solver=solver, n_threads=n_threads)
    plan = SCHEDULES[schedule]().plan(2, 8)
    plan = tuple(replace(phase, start="random") for phase in plan)
    given = {"noise": None, "streams": spawn_streams(0), "settings": settings}
    expected = train(rows_of(X), plan, shape, **given)
    found = train_in_threads([X[:40], X[40:]], plan, settings, shape=shape)
    for checkpoints in found:
        training = checkpoints[-1].training
        np.testing.assert_allclose(
            training.network.encode(X), expected.network.encode(X), atol=2e-5
        )
        np.testing.assert_allclose(training.loss_curve, expected.loss_curve, rtol=1e-4)
        updates = [phase.weight_updates for phase in training.phases]
        assert updates == [phase.weight_updates for phase in expected.phases]


def test_shards_of_different_lengths_end_together_and_alike(X):
    plan = SCHEDULES["gradual"]().plan(2, 4)
    noise = MaskingNoise(0.3)
    settings = replace(SETTINGS, batch_size=20)
    first, second = train_in_threads([X[:50], X[50:]], plan, settings, noise)
    np.testing.assert_array_equal(first[-1].flat, second[-1].flat)
    assert first[-1].training.loss_curve == second[-1].training.loss_curve
    assert first[-1].records[0].weight_updates == 5 * 2 * plan[0].n_updated


def test_a_shard_without_rows_makes_the_updates_of_the_others(X):
    plan = SCHEDULES["gradual"](start="random").plan(2, 4)
    settings = replace(SETTINGS, batch_size=20)
    alone = replace(settings, batch_size=10)  # of each batch, the part of one of two
    full, empty = train_in_threads([X, X[:0]], plan, settings)
    np.testing.assert_array_equal(full[-1].flat, empty[-1].flat)
    (single,) = train_in_threads([X], plan, alone)
    np.testing.assert_array_equal(full[-1].flat, single[-1].flat)


def test_dropout_is_refused(X):
    settings = replace(SETTINGS, dropout=0.5)
    with pytest.raises(ValueError, match=r"dropout=0.5 must be 0"):
        train_in_threads([X], SCHEDULES["gradual"]().plan(2, 4), settings)


@pytest.mark.parametrize("schedule", ["gradual", "stacked"])
def test_a_training_goes_on_from_any_checkpoint_to_the_same_end(X, schedule):
    plan = SCHEDULES[schedule](start="copy").plan(2, 6)
    shards, noise = [X[:40], X[40:]], MaskingNoise(0.3)
    whole = train_in_threads(shards, plan, SETTINGS, noise, seconds=0)[0]
    assert [(each.phase, each.epoch) for each in whole] == [
        (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0),
    ]  # fmt: skip
    for checkpoint in whole[:-1]:
        again = train_in_threads(shards, plan, SETTINGS, noise, checkpoint=checkpoint)
        np.testing.assert_array_equal(again[0][-1].flat, whole[-1].flat)
        assert again[0][-1].epochs == whole[-1].epochs
