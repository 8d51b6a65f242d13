"""Runs a schedule: rows through noise into steps, phase after phase.

Knows nothing of estimators. The core returns what it has trained; nothing is written
anywhere else.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import NamedTuple, TypeGuard

import numpy as np
import torch

from skdae._core.backprop import Rows, Stepper
from skdae._core.monitor import Epoch, Monitor, PhaseRecord, StreamState
from skdae._core.network import ROLES, Head, Network, Place, Shape
from skdae._core.parameters import Parameters
from skdae._core.sources import Block, HeldOut, Source
from skdae._core.threads import limited_threads, workers
from skdae._random import Streams
from skdae.noise import Layout, Noise
from skdae.schedules import Phase

BLOCK_CELLS = 65_536  # cells gathered, encoded and corrupted at a time
WIDE_LAYER, WORKER_ROWS = 256, 50  # from where a second thread pays


@dataclass(frozen=True)
class Settings:
    """How to optimise; the names are those of the estimator's parameters."""

    solver: str
    learning_rate_init: float
    momentum: float
    alpha: float
    batch_size: int
    emphasis: tuple[float, float] | None
    n_iter_no_change: int
    tol: float
    device: str
    n_threads: int | None
    dropout: float = 0.0
    averaging: float = 0.0  # share of a phase's last epochs whose weights are averaged
    dtype: str = "float32"  # of the products
    workers: tuple[Executor, ...] = ()  # threads that share a batch with this one


@dataclass(frozen=True)
class Training:
    """What training returns."""

    network: Network
    loss_curve: list[float]
    validation_loss_curve: list[float] | None
    phases: tuple[PhaseRecord, ...]


class Batch(NamedTuple):
    """Rows of one step, or of several."""

    corrupted: Rows  # (m, n_features)
    target: Rows  # (m, n_outputs): the clean rows, or what is predicted
    weight: Rows | None  # of each target cell in the loss; None: 1 everywhere

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.corrupted)

    def split(self, size: int) -> Iterator["Batch"]:
        """Consecutive parts of at most `size` rows; the last may be shorter."""
        for a in range(0, self.n_rows, size):
            part = slice(a, a + size)
            weight = None if self.weight is None else self.weight[part]
            yield Batch(self.corrupted[part], self.target[part], weight)

    def to(self, device: str) -> "Batch":
        """The rows where the network is: arrays on the CPU, else tensors."""
        if device == "cpu":
            return self
        moved = (
            None if rows is None else torch.from_numpy(rows).to(device) for rows in self
        )
        return Batch(*moved)


def _cell_weights(
    mask: np.ndarray,
    observed: np.ndarray | None,
    emphasis: tuple[float, float] | None,
) -> np.ndarray | None:
    """Weight of each cell in the loss: emphasis, and nothing where nothing is known."""
    if emphasis is None or emphasis == (1, 1):
        return None if observed is None else observed.astype(np.float32)
    weight = np.where(mask, np.float32(emphasis[0]), np.float32(emphasis[1]))
    return weight if observed is None else weight * observed


def _spoil(
    block: Block, layout: Layout, noise: Noise, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Corrupted rows and where; a missing cell enters as a masked one."""
    if block.observed is None:
        return noise.apply(block.values, generator, layout)
    # a donor with nothing in the column has nothing to give
    known = np.where(block.observed, block.values, np.nan)
    corrupted, mask = noise.apply(known, generator, layout)
    empty = np.isnan(corrupted)
    corrupted[empty] = block.values[empty]
    mask &= ~empty
    corrupted[~block.observed] = 0
    return corrupted, mask


def _corrupt(
    block: Block,
    layout: Layout,
    noise: Noise | None,
    generator: np.random.Generator,
    settings: Settings,
) -> Batch:
    """Corrupted rows (clean ones without a noise) and what the network must say."""
    corrupted, mask = block.values, np.zeros(block.values.shape, dtype=bool)
    if noise is not None:
        corrupted, mask = _spoil(block, layout, noise, generator)
    if block.target is None:
        target = block.values
        weight = _cell_weights(mask, block.observed, settings.emphasis)
    else:
        target, weight = block.target, block.weight
        if weight is not None:
            weight = np.repeat(weight[:, None], target.shape[1], axis=1)
    return Batch(corrupted, target, weight)


def _weighted(batch: Batch, weights: np.ndarray) -> Batch:
    """The batch with a weight for each row."""
    if np.all(weights == 1):
        return batch
    cells = np.ones_like(batch.target) if batch.weight is None else batch.weight
    return batch._replace(weight=cells * weights.astype(np.float32)[:, None])


def _check_range(block: Block, head: Head) -> None:
    """Numbers that a cross-entropy can rebuild."""
    numbers = block.values[:, : head.n_numeric]
    if numbers.size and (numbers.min() < -1e-6 or numbers.max() > 1 + 1e-6):
        raise ValueError(
            "loss='cross_entropy' needs data in [0, 1], and rows have scaled values in "
            f"[{numbers.min():g}, {numbers.max():g}]; use loss='squared_error', or fit "
            "anew on rows of the whole range with scaling='minmax'."
        )


@dataclass
class _Stopper:
    """Counts the epochs without improvement."""

    patience: int
    tol: float
    best: float = np.inf
    mark: float = np.inf
    waited: int = 0

    def update(self, loss: float) -> tuple[bool, bool]:
        """Whether this epoch is the best so far, and whether to stop."""
        is_best = loss < self.best
        self.best = min(self.best, loss)
        if loss < self.mark - self.tol:
            self.mark, self.waited = loss, 0
        else:
            self.waited += 1
        return is_best, self.waited >= self.patience


@dataclass
class Trainer:
    """The state of a training run: weights, random streams and settings."""

    parameters: Parameters
    noise: Noise | None
    streams: Streams
    settings: Settings
    validation_seed: int = 0

    def stepper(self, phase: Phase) -> Stepper:
        """A fresh optimiser over the layers that `phase` trains."""
        settings = self.settings
        return Stepper(
            self.parameters,
            phase,
            batch_size=settings.batch_size,
            solver=settings.solver,
            learning_rate_init=settings.learning_rate_init,
            momentum=settings.momentum,
            alpha=settings.alpha,
            dropout=settings.dropout,
            generator=self.streams.dropout,
            dtype=settings.dtype,
            workers=settings.workers,
        )

    def trained_network(self, depth: int) -> Network:
        """The network up to `depth`, which must have got a decoder by now."""
        network = self.parameters.network(depth)
        if network is None:
            raise RuntimeError(
                "Training was stopped before the direct decoder was trained; let the "
                "schedule run to its last phase or use decoder='mirror'."
            )
        return network

    def phase_source(self, source: Source, phase: Phase) -> tuple[Source, Noise | None]:
        """What a phase rebuilds: the rows, or their codes below its top layer."""
        if phase.corrupt == "input" or self.noise is None:
            return source, self.noise
        below = self.parameters.encoder(phase.depth - 1)
        return source.encoded(below), self.noise.for_codes()

    def epoch(
        self, stepper: Stepper, source: Source, noise: Noise | None, layout: Layout
    ) -> tuple[float, int]:
        """One pass over the rows: the mean loss and the steps made."""
        size = self.settings.batch_size
        block_rows = size * max(1, BLOCK_CELLS // (size * layout.n_features))
        loss: float | torch.Tensor = 0.0
        if self.settings.device != "cpu":
            loss = torch.zeros((), dtype=torch.float64, device=self.settings.device)
        n_rows = n_steps = 0
        for block in source.epoch(self.streams.shuffle, block_rows):
            corrupted = _corrupt(
                block, layout, noise, self.streams.corruption, self.settings
            )
            n_rows += len(block.values)
            if stepper.head.loss == "cross_entropy":
                _check_range(block, stepper.head)
            for batch in corrupted.to(self.settings.device).split(size):
                loss += stepper.step(*batch)
                n_steps += 1
        return float(loss) / max(n_rows, 1), n_steps

    def validation_loss(self, stepper: Stepper, batch: Batch, n_rows: float) -> float:
        """Mean loss of held-out rows, weighted as `n_rows` of weight one."""
        parts = batch.split(stepper.part_rows)
        return sum(float(stepper.loss(*part)) for part in parts) / n_rows

    def validation_batch(
        self, held_out: HeldOut, layout: Layout, noise: Noise | None
    ) -> Batch:
        """The held-out rows, corrupted the same way in every phase."""
        fixed = np.random.default_rng(self.validation_seed)
        # a target is predicted from rows as they are
        spoil = noise if held_out.block.target is None else None
        batch = _corrupt(held_out.block, layout, spoil, fixed, self.settings)
        return _weighted(batch, held_out.weights).to(self.settings.device)

    def check_finite(self, loss: float) -> None:
        """Refuse to go on with weights that are lost."""
        if not np.isfinite(loss):
            raise ValueError(
                f"Training diverged: the loss is {loss}. Lower "
                f"learning_rate_init={self.settings.learning_rate_init:g}, use "
                "solver='adam', or scale the data."
            )

    def run_phase(
        self,
        number: int,
        phase: Phase,
        source: Source,
        monitor: Monitor,
        before: PhaseRecord | None = None,
    ) -> tuple[PhaseRecord, list[float], list[float]]:
        """Train one phase to its end or until it stops improving.

        Where it goes on with the network of the phase `before`, it does not end with
        weights that are worse on the rows held out than those it began with.
        """
        started = perf_counter()
        settings, flat = self.settings, self.parameters.flat
        stepper = self.stepper(phase)
        source, noise = self.phase_source(source, phase)
        layout, held_out = source.layout, source.held_out
        if held_out is not None:
            validation = self.validation_batch(held_out, layout, noise)
        stopper = _Stopper(settings.n_iter_no_change, settings.tol)
        snapshot = partial(self.parameters.network, phase.depth)
        curve: list[float] = []
        validation_curve: list[float] = []
        steps = 0
        best = stop = None
        if _goes_on(before, phase) and before.validation_loss is not None:
            stopper.best, best = before.validation_loss, flat.clone()
        mean, n_averaged = torch.zeros_like(flat), 0
        first_averaged = phase.epochs - round(phase.epochs * settings.averaging)
        for epoch in range(phase.epochs):
            monitor.epoch_begin()
            loss, n_steps = self.epoch(stepper, source, noise, layout)
            if best is None:  # nothing to go back to
                self.check_finite(loss)
            curve.append(loss)
            steps += n_steps
            if epoch >= first_averaged:
                n_averaged += 1
                mean.lerp_(flat, 1 / n_averaged)
            if held_out is not None:
                validation_curve.append(
                    self.validation_loss(stepper, validation, held_out.weights.sum())
                )
                is_best, stop = stopper.update(validation_curve[-1])
                best = flat.clone() if is_best else best
            news = Epoch(number, epoch, loss, *validation_curve[-1:])
            if monitor.epoch_end(news, snapshot) or stop:
                break
        if best is not None:
            flat.copy_(best)
        elif n_averaged:
            flat.copy_(mean)
        if held_out is not None:
            self.check_finite(stopper.best)
        elif not torch.isfinite(flat).all():  # lost by the last step
            self.check_finite(np.nan)
        record = PhaseRecord(
            kind=phase.kind,
            depth=phase.depth,
            rates=phase.rates,
            corrupt=phase.corrupt,
            epochs=len(curve),
            weight_updates=steps * phase.n_updated,
            seconds=perf_counter() - started,
            loss=curve[-1],
            validation_loss=stopper.best if held_out is not None else None,
        )
        return record, curve, validation_curve


def _goes_on(before: PhaseRecord | None, phase: Phase) -> TypeGuard[PhaseRecord]:
    """Whether a phase trains the network of the one before, on the same rows."""
    return before is not None and (
        (before.depth, before.corrupt) == (phase.depth, phase.corrupt)
    )


def _resolve_device(device: str) -> str:
    """The device to train on; 'auto' takes CUDA where torch sees it."""
    if device == "cpu":
        return device
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError(
            "device='cuda' needs a CUDA device and a build of torch that supports it; "
            "torch sees none. Use device='cpu', or 'auto' to take what is there."
        )
    return "cuda" if available else "cpu"


def _n_workers(n_threads: int | None, shape: Shape, batch_size: int) -> int:
    """Threads that share a batch: one, unless the matrices are large enough."""
    if n_threads is not None:
        return n_threads
    if max(shape.widths[1:]) < WIDE_LAYER:
        return 1
    return max(1, min(torch.get_num_threads(), batch_size // WORKER_ROWS))


@contextmanager
def _torch_state(shape: Shape, settings: Settings) -> Iterator[Settings]:
    """Settings with device and workers resolved; global state is as before afterwards.

    A loss that is lost says so itself, without numpy's warnings.
    """
    n_workers = _n_workers(settings.n_threads, shape, settings.batch_size)
    device = _resolve_device(settings.device)
    with (
        limited_threads(1),
        workers(n_workers - 1 if device == "cpu" else 0) as others,
        torch.inference_mode(),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        yield replace(settings, device=device, workers=others)


def make_trainer(
    shape: Shape,
    plan: Sequence[Phase],
    noise: Noise | None,
    streams: Streams,
    settings: Settings,
    *,
    initial: Network | None = None,
    dtype: torch.dtype = torch.float32,
) -> Trainer:
    """Random weights for every layer of the network, or those of `initial`."""
    places = set(shape.chain_places(shape.n_layers, "input"))
    for phase in plan:
        places.update(shape.chain_places(phase.depth, phase.corrupt))
    parameters = Parameters(shape, sorted(places), dtype=dtype, device=settings.device)
    parameters.initialise(_layer_generators(streams, parameters.places))
    if initial is not None:
        parameters.load(initial)
    return Trainer(parameters, noise, streams, settings)


def _layer_generators(
    streams: Streams, places: Sequence[Place]
) -> dict[Place, np.random.Generator]:
    """A generator per layer, so that what it starts from hangs on no other layer."""
    seed = int(streams.init.integers(2**63))
    return {
        (role, depth): np.random.default_rng([seed, ROLES.index(role), depth])
        for role, depth in places
    }


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
) -> Training:
    """Run a schedule on the rows and return the trained network."""
    monitor = Monitor() if monitor is None else monitor
    with _torch_state(shape, settings) as settings:
        trainer = make_trainer(shape, plan, noise, streams, settings, initial=initial)
        trainer.validation_seed = int(streams.split.integers(2**63))
        records: list[PhaseRecord] = []
        curve: list[float] = []
        validation_curve: list[float] = []
        for number, phase in enumerate(plan):
            monitor.phase_begin(number, phase)
            record, losses, validation_losses = trainer.run_phase(
                number, phase, source, monitor, records[-1] if records else None
            )
            records.append(record)
            curve += losses
            validation_curve += validation_losses
            snapshot = partial(trainer.parameters.network, record.depth)
            if monitor.phase_end(record, snapshot):
                break
        network = trainer.trained_network(records[-1].depth)
    return Training(network, curve, validation_curve or None, tuple(records))


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
    with _torch_state(shape, settings) as settings:
        trainer = make_trainer(shape, plan, noise, streams, settings, initial=initial)
        number, epoch = (0, 0) if state is None else (state.phase, state.epoch)
        if state is not None:
            trainer.parameters.flat.copy_(torch.from_numpy(state.flat))
            trainer.streams = deepcopy(state.streams)
        phase = plan[number]
        stepper = trainer.stepper(phase)
        if state is not None and state.solver is not None:
            stepper.restore(state.solver)
        source, level_noise = trainer.phase_source(source, phase)
        loss, _ = trainer.epoch(stepper, source, level_noise, source.layout)
        trainer.check_finite(loss)
        ended = epoch + 1 >= phase.epochs and number + 1 < len(plan)
        later = StreamState(
            plan,
            trainer.parameters.flat.cpu().numpy().copy(),
            number + 1 if ended else number,
            0 if ended else epoch + 1,
            None if ended else stepper.state(),
            trainer.streams,
        )
        return trainer.trained_network(phase.depth), loss, later
