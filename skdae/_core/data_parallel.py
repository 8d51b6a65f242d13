"""Training by several processes, each of which has a shard of the rows.

Every process holds all weights and computes the gradient of its part of a batch. The
sum of these is the gradient of the whole batch, with which all make the same update.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from time import perf_counter
from typing import Protocol

import numpy as np
import torch
import torch.distributed

from skdae._core.acceleration import execution
from skdae._core.kernels import Call
from skdae._core.monitor import Epoch, PhaseRecord, SolverState
from skdae._core.network import Network, Shape
from skdae._core.settings import Settings
from skdae._core.sources import Batch, Source
from skdae._core.training import PhaseRun, Trainer, Training, make_trainer
from skdae._random import Streams
from skdae.noise import Noise
from skdae.schedules import Phase

Tensor = torch.Tensor
Store = torch.distributed.Store


class Group(Protocol):
    """Processes that train one network; all of them make each call, in one order."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def size(self) -> int:
        """Number of processes."""

    def start_all_reduce(self, values: Tensor) -> Call:
        """Start to sum values over the processes in place; return what waits for it."""
        ...

    def broadcast(self, values: Tensor) -> None:
        """Replace values by those of the first process."""


@dataclass(frozen=True)
class TorchGroup:
    """The processes that have joined by `joined`."""

    rank: int
    size: int

    def start_all_reduce(self, values: Tensor) -> Call:
        """Start to sum values over the processes in place; return what waits for it."""
        return torch.distributed.all_reduce(values, async_op=True).wait

    def broadcast(self, values: Tensor) -> None:
        """Replace values by those of the first process."""
        torch.distributed.broadcast(values, 0)


def listen(host: str) -> tuple[Store, str]:
    """Open a store for a group, on a free port, and return it with its address."""
    store = torch.distributed.TCPStore(host, 0, is_master=True, wait_for_workers=False)
    return store, f"{host}:{store.port}"


def connect(address: str) -> Store:
    """Return the store at an address."""
    host, _, port = address.rpartition(":")
    return torch.distributed.TCPStore(host, int(port), is_master=False)


@contextmanager
def joined(store: Store, rank: int, size: int, device: str) -> Iterator[TorchGroup]:
    """Join the processes that train one network."""
    backend = "gloo" if device == "cpu" else "nccl"
    torch.distributed.init_process_group(
        backend, store=store, rank=rank, world_size=size
    )
    try:
        yield TorchGroup(rank, size)
    finally:
        torch.distributed.destroy_process_group()


def is_of_group(error: Exception) -> bool:
    """Return whether an error can mean no more than that another process has left.

    Gloo raises a plain RuntimeError, NCCL one of torch.distributed.
    """
    of_torch = isinstance(error, torch.distributed.DistBackendError)
    return of_torch or type(error) is RuntimeError


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands after an epoch, in numpy alone."""

    flat: np.ndarray  # all weights
    phase: int
    epoch: int
    solver: SolverState | None
    epochs: tuple[Epoch, ...]
    records: tuple[PhaseRecord, ...]
    network: Network | None = None  # of the phase that has ended

    @property
    def training(self) -> Training:
        """The result, after the last phase."""
        if self.network is None:
            raise RuntimeError(
                "This checkpoint is from within a phase and has no network; go on to "
                "the end of the phase."
            )
        losses = [epoch.loss for epoch in self.epochs]
        return Training(self.network, losses, None, self.records)


class Steps:
    """The steps of an epoch, which all processes make together.

    A process whose rows are used up makes the updates of the others.
    """

    def __init__(self, group: Group, batch_size: int) -> None:
        self.group = group
        ends = [batch_size * i // group.size for i in range(group.size + 1)]
        self.sizes = np.diff(ends)  # rows of a batch, of each process

    @property
    def own_size(self) -> int:
        """Rows of a batch that this process takes."""
        return int(self.sizes[self.group.rank])

    def agree(self, n_rows: int, like: Tensor) -> None:
        """Learn how many rows all processes have, on the device of a tensor."""
        counts = like.new_zeros(self.group.size, dtype=torch.float64)
        counts[self.group.rank] = n_rows
        self.group.start_all_reduce(counts)()
        rest = counts.cpu().numpy().astype(int)
        totals = []
        while rest.any():
            taken = np.minimum(rest, self.sizes)
            totals.append(int(taken.sum()))
            rest -= taken
        self.n_steps, self._totals = len(totals), cycle(totals)

    def n_total(self) -> int:
        """Rows of the next batch, those of all processes."""
        return next(self._totals)

    def start_all_reduce(self, values: Tensor) -> Call:
        """Start to sum values over the processes in place; return what waits for it."""
        return self.group.start_all_reduce(values)


def train_shard(
    source: Source,
    n_rows: int,
    plan: Sequence[Phase],
    shape: Shape,
    *,
    noise: Noise | None,
    streams: Streams,
    settings: Settings,
    group: Group,
    checkpoint: Checkpoint | None = None,
    seconds: float = 300.0,
) -> Iterator[Checkpoint]:
    """Run a schedule on `n_rows` rows of this process; checkpoints on the way.

    There is one after every phase, and after the first epoch that ends `seconds` or
    more after the last one. A training that goes on from one ends with the weights of
    one that was never interrupted, bit for bit: settings with dropout, whose stream
    belongs to the phase, are refused.
    """
    if settings.dropout > 0:
        raise ValueError(
            f"dropout={settings.dropout:g} must be 0 in a training by several "
            "processes; omit it, or train by one process."
        )
    steps = Steps(group, settings.batch_size)
    own = replace(settings, batch_size=steps.own_size)
    seed = int(streams.shuffle.integers(2**63))
    with execution(own, steps) as found:
        trainer = make_trainer(shape, plan, noise, streams, own, found)
        steps.agree(n_rows, trainer.parameters.flat)
        shard = _Shard(trainer, source, n_rows, steps, seed, seconds)
        number, first, solver = 0, 0, None
        if checkpoint is not None:
            number, first, solver = shard.go_to(checkpoint)
        for phase in plan[:number]:
            trainer.trained |= trainer.keys(phase)
        for i, phase in enumerate(plan[number:], number):
            yield from shard.run_phase(i, phase, first, solver)
            first, solver = 0, None


@dataclass
class _Shard:
    """A training run of one of the processes."""

    trainer: Trainer
    source: Source
    n_rows: int
    steps: Steps
    seed: int  # that all processes share
    seconds: float  # between checkpoints
    epochs: list[Epoch] = field(default_factory=list)
    records: list[PhaseRecord] = field(default_factory=list)

    def go_to(self, checkpoint: Checkpoint) -> tuple[int, int, SolverState | None]:
        """Take over weights and records; the phase, epoch and solver to go on with."""
        self.trainer.parameters.flat.copy_(torch.tensor(checkpoint.flat))
        self.epochs, self.records = list(checkpoint.epochs), list(checkpoint.records)
        return checkpoint.phase, checkpoint.epoch, checkpoint.solver

    def run_phase(
        self, number: int, phase: Phase, first: int, solver: SolverState | None
    ) -> Iterator[Checkpoint]:
        """Train a phase from its epoch `first` on; checkpoints on the way."""
        trainer, flat = self.trainer, self.trainer.parameters.flat
        started = saved = perf_counter()
        trainer.streams = self._streams((number,))
        if first == 0 and self.steps.group.rank == 0:
            trainer.grow(phase, self.source)
        trainer.trained |= trainer.keys(phase)
        self.steps.group.broadcast(flat)
        run = trainer.begin(phase, self.source)
        if solver is not None:
            run.step.restore(solver)
        for i in range(first, phase.epochs):
            trainer.streams = self._streams((number, i + 1, self.steps.group.rank))
            loss = self._run_epoch(run, i)
            trainer.check_finite(loss)
            self.epochs.append(Epoch(number, i, loss))
            is_last = i + 1 == phase.epochs
            if not is_last and perf_counter() - saved >= self.seconds:
                yield self._checkpoint(number, i + 1, run.step.state())
                saved = perf_counter()
        trainer.check_finite()
        record = PhaseRecord(
            kind=phase.kind,
            depth=phase.depth,
            rates=phase.rates,
            corrupt=phase.corrupt,
            epochs=phase.epochs,
            weight_updates=phase.epochs * self.steps.n_steps * phase.n_updated,
            seconds=perf_counter() - started,
            loss=self.epochs[-1].loss,
            validation_loss=None,
        )
        self.records.append(record)
        network = trainer.parameters.network(phase.depth)
        yield self._checkpoint(number + 1, 0, network=network)

    def _checkpoint(
        self,
        phase: int,
        epoch: int,
        solver: SolverState | None = None,
        network: Network | None = None,
    ) -> Checkpoint:
        """Where the run stands before an epoch of a phase."""
        return Checkpoint(
            self.trainer.parameters.flat.cpu().numpy().copy(),
            phase,
            epoch,
            solver,
            tuple(self.epochs),
            tuple(self.records),
            network,
        )

    def _streams(self, key: tuple[int, ...]) -> Streams:
        """Streams of a phase or an epoch, whatever was drawn in those before.

        What all processes must draw alike has a key without their rank.
        """
        children = np.random.SeedSequence(self.seed, spawn_key=key).spawn(4)
        made = [np.random.Generator(np.random.SFC64(child)) for child in children]
        names = ("shuffle", "corruption", "dropout", "growth")
        return replace(self.trainer.streams, **dict(zip(names, made, strict=True)))

    def _run_epoch(self, run: PhaseRun, number: int) -> float:
        """One pass over the rows of all processes; the mean loss."""
        loss, n_own = self.trainer.run_epoch(run, number)
        nothing = np.empty((0, run.source.layout.n_features), np.float32)
        empty = self.trainer.execution.move(Batch(nothing, nothing))
        for _ in range(n_own, self.steps.n_steps):
            run.step(empty)
        flat = self.trainer.parameters.flat
        sums = flat.new_tensor([loss * self.n_rows, self.n_rows], dtype=torch.float64)
        self.steps.start_all_reduce(sums)()
        total, n_rows = sums.tolist()
        return total / n_rows
