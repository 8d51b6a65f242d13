"""Runs a schedule: rows through noise into steps, phase after phase.

Knows nothing of estimators. The core returns what it has trained; nothing is written
anywhere else.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from skdae._core.acceleration import Execution, execution, total
from skdae._core.corruption import check_range, corrupted_batch, held_out_batch
from skdae._core.early_stopping import AveragedWeights, BestWeights
from skdae._core.growth import grow, sample_rows
from skdae._core.memory import KnownPhase, PhaseEnd, SharedRun
from skdae._core.monitor import Epoch, Monitor, PhaseRecord, StreamState
from skdae._core.network import ROLES, LayerKey, Network, Shape
from skdae._core.parameters import Parameters
from skdae._core.settings import Settings
from skdae._core.sources import Batch, Source
from skdae._core.step import TrainingStep
from skdae._random import Streams
from skdae.noise import Noise
from skdae.schedules import Phase, total_epochs

# cells gathered, encoded and corrupted at a time: stays in the cache
# (benchmarks/speed.py)
BLOCK_CELLS = 65_536
# of all epochs: the last ones of a phase, whose gain decides whether it passes on the
# rest (benchmarks/allocation.py)
WINDOW = 0.05


@dataclass(frozen=True)
class Training:
    """A trained network and the course of its training."""

    network: Network
    loss_curve: list[float]
    validation_loss_curve: list[float] | None
    phases: tuple[PhaseRecord, ...]


class Validation(NamedTuple):
    """Held-out rows as a phase sees them, and the sum of their weights."""

    batch: Batch
    n_rows: float


@dataclass(frozen=True)
class PhaseRun:
    """A phase under way: its step, the rows it rebuilds, and its epochs so far."""

    phase: Phase
    step: TrainingStep
    source: Source
    noise: Noise | None
    validation: Validation | None
    epochs: list[Epoch] = field(default_factory=list)


@dataclass
class Trainer:
    """The state of a training run: weights, random streams and settings."""

    parameters: Parameters
    noise: Noise | None
    streams: Streams
    settings: Settings
    execution: Execution
    validation_seed: int = 0
    n_epochs: int = 0  # of the plan
    trained: set[LayerKey] = field(default_factory=set)  # of the phases so far

    def begin(self, phase: Phase, source: Source) -> PhaseRun:
        """A phase with fresh optimisers over the layers that it trains.

        It rebuilds the rows, or their codes below its top layer.
        """
        noise = self.noise
        if phase.corrupt == "code":
            source = source.encoded(self.parameters.encoder(phase.depth - 1))
            noise = None if noise is None else noise.for_codes()
        step = TrainingStep(
            self.parameters,
            phase,
            self.settings,
            self.streams.dropout,
            self.execution,
        )
        validation = self._validation(source, noise)
        return PhaseRun(phase, step, source, noise, validation)

    def grow(self, phase: Phase, source: Source) -> None:
        """Set the first weights of the layers that no earlier phase has trained."""
        if phase.start != "copy":
            return
        new = self.keys(phase) - self.trained
        # as the phase sees them: codes are those of clean rows
        noise = None if phase.corrupt == "code" else self.noise
        rows = partial(sample_rows, source, noise, self.streams.growth)
        grow(self.parameters, new, self.trained, rows)

    def keys(self, phase: Phase) -> set[LayerKey]:
        """The layers that a phase passes through."""
        return set(self.parameters.shape.phase_keys(phase.depth, phase.corrupt))

    def _validation(self, source: Source, noise: Noise | None) -> Validation | None:
        """The held-out rows, corrupted the same way in every phase."""
        held_out = source.held_out
        if held_out is None:
            return None
        seed, emphasis = self.validation_seed, self.settings.emphasis
        batch = held_out_batch(held_out, source.layout, noise, seed, emphasis)
        return Validation(self.execution.move(batch), held_out.weights.sum())

    def run_epoch(self, run: PhaseRun, number: int) -> tuple[float, int]:
        """One pass over the rows: the mean loss and the number of steps.

        `number` counts the epochs of a phase from 0.
        """
        size, layout = self.settings.batch_size, run.source.layout
        block_rows = size * max(1, BLOCK_CELLS // (size * layout.n_features))
        losses, n_rows = [], 0
        for block in run.source.epoch(self.streams.shuffle, block_rows, number):
            corrupted = corrupted_batch(
                block,
                layout,
                run.noise,
                self.streams.corruption,
                self.settings.emphasis,
            )
            check_range(block, run.step.network.head)
            for batch in self.execution.move(corrupted).split(size):
                losses.append(run.step(batch))
            n_rows += len(block.values)
        return total(losses) / max(n_rows, 1), len(losses)

    def validation_loss(self, run: PhaseRun) -> float | None:
        """Mean loss of the held-out rows, None without any."""
        if run.validation is None:
            return None
        batch, n_rows = run.validation
        parts = batch.split(self.settings.batch_size)
        return total([run.step.backprop.loss(part) for part in parts]) / n_rows

    def run_phase(
        self,
        number: int,
        phase: Phase,
        source: Source,
        monitor: Monitor,
        before: PhaseRecord | None = None,
        known: KnownPhase | None = None,
    ) -> tuple[PhaseRecord, list[Epoch]]:
        """Train one phase to its end or until it stops improving.

        Where it continues the network of the phase `before`, it does not end with
        weights that have a higher validation loss than those it began with. What is
        `known` of it is not trained again.
        """
        started = perf_counter()
        begun, is_over = (None, False) if known is None else known.find()
        if begun is None:
            self.grow(phase, source)
        else:
            self._go_to(begun)
        self.trained |= self.keys(phase)
        if begun is not None and is_over:
            return replace(begun.record, kind=phase.kind), list(begun.epochs)
        run = self.begin(phase, source)
        n_updates = 0
        if begun is not None:
            run.step.restore(begun.solver)
            run.epochs.extend(begun.epochs)
            n_updates = begun.record.weight_updates
        weights = self._selection(run, before)
        n_steps = self._run_epochs(run, number, weights, monitor)
        weights.restore()
        self.check_finite(weights.loss)
        record = PhaseRecord(
            kind=phase.kind,
            depth=phase.depth,
            rates=phase.rates,
            corrupt=phase.corrupt,
            epochs=len(run.epochs),
            weight_updates=n_updates + n_steps * phase.n_updated,
            seconds=perf_counter() - started,
            loss=run.epochs[-1].loss,
            validation_loss=weights.loss,
        )
        if known is not None:
            known.keep(self._end(run, record, known.depth))
        return record, run.epochs

    @property
    def _generators(self) -> tuple[np.random.Generator, ...]:
        """The random streams that training draws from."""
        streams = self.streams
        return streams.shuffle, streams.corruption, streams.dropout, streams.growth

    def _end(self, run: PhaseRun, record: PhaseRecord, depth: int) -> PhaseEnd:
        """Where the run stands, for others that begin like it."""
        return PhaseEnd(
            self.parameters.flat[: self.parameters.n_weights(depth)].clone(),
            run.step.state(),
            tuple(each.bit_generator.state for each in self._generators),
            tuple(run.epochs),
            record,
        )

    def _go_to(self, end: PhaseEnd) -> None:
        """Take over weights and random streams; deeper layers stay as they are."""
        self.parameters.flat[: len(end.weights)] = end.weights
        for generator, state in zip(self._generators, end.generators, strict=True):
            generator.bit_generator.state = state

    def _run_epochs(
        self,
        run: PhaseRun,
        number: int,
        weights: BestWeights | AveragedWeights,
        monitor: Monitor,
    ) -> int:
        """Epochs until the plan, the stopping rule or the monitor ends them; steps."""
        snapshot = partial(self.parameters.network, run.phase.depth)
        n_steps = 0
        for i in range(len(run.epochs), run.phase.epochs):
            monitor.epoch_begin()
            loss, n_new = self.run_epoch(run, i)
            n_steps += n_new
            if not weights.can_restore:
                self.check_finite(loss)
            epoch = Epoch(number, i, loss, self.validation_loss(run))
            run.epochs.append(epoch)
            is_last = weights.update(epoch)
            if monitor.epoch_end(epoch, snapshot) or is_last:
                break
        return n_steps

    def _selection(
        self, run: PhaseRun, before: PhaseRecord | None
    ) -> BestWeights | AveragedWeights:
        """The rule for the weights that a phase ends with."""
        phase, settings, flat = run.phase, self.settings, self.parameters.flat
        is_watched = settings.stops_early or phase.passes_on
        if run.validation is None or not is_watched:
            return AveragedWeights(flat, phase.epochs, settings.averaging)
        continues = before is not None and (
            (before.depth, before.corrupt) == (phase.depth, phase.corrupt)
        )
        loss = before.validation_loss if before is not None and continues else None
        window = max(1, round(WINDOW * self.n_epochs)) if phase.passes_on else 0
        return BestWeights(flat, settings.n_iter_no_change, settings.tol, loss, window)

    def check_finite(self, loss: float | None = None) -> None:
        """Refuse a non-finite loss and non-finite weights."""
        if loss is not None and not np.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")
        if not torch.isfinite(self.parameters.flat).all():
            raise self._diverged("weights are not finite")

    def _diverged(self, why: str) -> ValueError:
        remedy = "" if self.settings.solver == "adam" else "use solver='adam', "
        return ValueError(
            f"Training diverged: {why}. Lower "
            f"learning_rate_init={self.settings.learning_rate_init:g}, {remedy}or "
            "scale the data."
        )

    def trained_network(self, depth: int) -> Network:
        """The network up to `depth`, whose decoder must be trained by now."""
        network = self.parameters.network(depth)
        if network is None:
            raise RuntimeError(
                "Training was stopped before the direct decoder was trained; let the "
                "schedule run to its last phase or use decoder='mirror'."
            )
        return network


def make_trainer(
    shape: Shape,
    plan: Sequence[Phase],
    noise: Noise | None,
    streams: Streams,
    settings: Settings,
    execution: Execution,
    *,
    initial: Network | None = None,
) -> Trainer:
    """Random weights for every layer of the network, or those of `initial`."""
    settings.check()
    keys = set(shape.phase_keys(shape.n_layers, "input"))
    for phase in plan:
        keys.update(shape.phase_keys(phase.depth, phase.corrupt))
    parameters = Parameters(shape, sorted(keys), device=execution.device)
    parameters.initialise(_layer_generators(streams, parameters.keys))
    trainer = Trainer(parameters, noise, streams, settings, execution)
    if initial is not None:
        parameters.load(initial)
        depth = len(initial.encoder)
        trainer.trained = set(shape.phase_keys(depth, "input"))
    return trainer


def _layer_generators(
    streams: Streams, keys: Sequence[LayerKey]
) -> dict[LayerKey, np.random.Generator]:
    """A generator per layer, so that its first weights depend on no other layer."""
    seed = int(streams.init.integers(2**63))
    return {
        key: np.random.default_rng([seed, ROLES.index(key.role), key.depth])
        for key in keys
    }


def _check_plan(plan: Sequence[Phase], source: Source) -> None:
    """Refuse phases that pass epochs on without held-out rows or a next phase."""
    if any(phase.passes_on for phase in plan) and source.held_out is None:
        raise ValueError(
            "epoch_allocation='auto' needs rows that are held out, and none are; hold "
            "some out or give shares of the epochs."
        )
    if plan[-1].passes_on:
        raise ValueError(
            f"The last phase, {plan[-1]}, has passes_on=True and no phase follows; "
            "omit it there."
        )


def train(
    source: Source,
    plan: Sequence[Phase],
    shape: Shape,
    *,
    noise: Noise | None,
    streams: Streams,
    settings: Settings,
    initial: Network | None = None,
    monitor: Monitor | None = None,
    shared: SharedRun | None = None,
) -> Training:
    """Run a schedule on the rows and return the trained network.

    What is known of other runs is not trained again; their monitors were notified of
    it.
    """
    monitor = Monitor() if monitor is None else monitor
    plan = list(plan)
    _check_plan(plan, source)
    records: list[PhaseRecord] = []
    epochs: list[Epoch] = []
    with execution(settings) as found:
        trainer = make_trainer(
            shape, plan, noise, streams, settings, found, initial=initial
        )
        trainer.validation_seed = int(streams.split.integers(2**63))
        trainer.n_epochs = total_epochs(plan)
        for number in range(len(plan)):
            phase = plan[number]
            monitor.phase_begin(number, phase)
            before = records[-1] if records else None
            known = None
            if shared is not None:
                holds_out = source.held_out is not None
                known = shared.phase(
                    trainer.parameters, plan, number, settings, holds_out=holds_out
                )
            record, new = trainer.run_phase(
                number, phase, source, monitor, before, known
            )
            records.append(record)
            epochs += new
            if phase.passes_on:
                later, rest = plan[number + 1], phase.epochs - record.epochs
                plan[number + 1] = replace(later, epochs=later.epochs + rest)
            snapshot = partial(trainer.parameters.network, record.depth)
            if monitor.phase_end(record, snapshot):
                break
        network = trainer.trained_network(records[-1].depth)
    losses = [epoch.loss for epoch in epochs]
    held_out = [e.validation_loss for e in epochs if e.validation_loss is not None]
    return Training(network, losses, held_out or None, tuple(records))


# --- batch by batch -----------------------------------------------------------------


def train_on_batch(
    source: Source,
    plan: Sequence[Phase],
    shape: Shape,
    state: StreamState | None,
    *,
    noise: Noise | None,
    streams: Streams,
    settings: Settings,
    initial: Network | None = None,
) -> tuple[Network, float, StreamState]:
    """One pass over a batch of a stream, counted as one epoch of the plan.

    The plan is that of the first batch; after its last epoch its last phase goes on.
    """
    plan = tuple(plan) if state is None else state.plan
    with execution(settings) as found:
        trainer = make_trainer(
            shape, plan, noise, streams, settings, found, initial=initial
        )
        number, epoch = (0, 0) if state is None else (state.phase, state.epoch)
        if state is not None:
            trainer.parameters.flat.copy_(torch.tensor(state.flat))
            trainer.streams = deepcopy(state.streams)
        for each in plan[:number]:
            trainer.trained.update(shape.phase_keys(each.depth, each.corrupt))
        phase = plan[number]
        if epoch == 0:
            trainer.grow(phase, source)
        run = trainer.begin(phase, source)
        if state is not None and state.solver is not None:
            run.step.restore(state.solver)
        loss, _ = trainer.run_epoch(run, epoch)
        trainer.check_finite(loss)
        ended = epoch + 1 >= phase.epochs and number + 1 < len(plan)
        later = StreamState(
            plan,
            trainer.parameters.flat.cpu().numpy().copy(),
            number + 1 if ended else number,
            0 if ended else epoch + 1,
            None if ended else run.step.state(),
            trainer.streams,
        )
        return trainer.trained_network(phase.depth), loss, later
