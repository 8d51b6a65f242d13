"""Runs a schedule: rows through noise into steps, phase after phase.

Knows nothing of estimators. The core returns what it has trained; nothing is written
anywhere else.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np
import torch

from skdae._kernels import (
    Parameters,
    SolverState,
    Stepper,
    torch_threads,
)
from skdae._network import ROLES, Network, Place, Shape, chunks
from skdae._progress import Epoch, Monitor, PhaseRecord
from skdae._random import Streams, bernoulli
from skdae.noise import Layout, Noise
from skdae.schedules import Phase

BLOCK_CELLS = 65_536  # cells gathered, encoded and corrupted at a time
WIDE_LAYER, WIDE_BATCH = 256, 100  # from where a second thread pays


class Rows(Protocol):
    """Training rows as the network sees them."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def layout(self) -> Layout:
        """What the noise knows of the features."""
        ...

    def take(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Features (m, n_features) float32 and what is observed (None: everything)."""
        ...


@dataclass(frozen=True)
class ArrayRows:
    """Rows held in memory: codes of frozen layers, or an encoded table."""

    values: np.ndarray  # (n_rows, n_features)
    layout: Layout
    observed: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.values)

    def take(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Copies of the rows at `index`."""
        observed = None if self.observed is None else self.observed[index]
        return self.values[index], observed


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


@dataclass(frozen=True)
class Training:
    """What training returns."""

    network: Network
    loss_curve: list[float]
    validation_loss_curve: list[float] | None
    phases: tuple[PhaseRecord, ...]


class Batch(NamedTuple):
    """Rows of one step, each of shape (m, n_features)."""

    corrupted: torch.Tensor
    clean: torch.Tensor
    weight: torch.Tensor | None  # of each cell in the loss; None: 1 everywhere


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


def _corrupt(
    rows: Rows,
    index: np.ndarray,
    noise: Noise,
    generator: np.random.Generator,
    settings: Settings,
) -> Batch:
    """Gather rows and corrupt them; a missing cell enters as a masked one."""
    clean, observed = rows.take(index)
    corrupted, mask = noise.apply(clean, generator, rows.layout)
    if observed is not None:
        corrupted[~observed] = 0
    weight = _cell_weights(mask, observed, settings.emphasis)
    device = settings.device
    return Batch(
        torch.from_numpy(corrupted).to(device),
        torch.from_numpy(clean).to(device),
        None if weight is None else torch.from_numpy(weight).to(device),
    )


def _split(batch: Batch, size: int) -> Iterator[Batch]:
    """Consecutive parts of at most `size` rows; the last may be shorter."""
    for a in range(0, len(batch.clean), size):
        part = slice(a, a + size)
        weight = None if batch.weight is None else batch.weight[part]
        yield Batch(batch.corrupted[part], batch.clean[part], weight)


def epoch_order(
    generator: np.random.Generator, index: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """Rows of one epoch in random order.

    A row of weight w comes floor(w) times, and once more with the probability of the
    rest, so whole weights are exactly repetitions.
    """
    if weights is not None:
        counts = np.floor(weights)
        counts += bernoulli(generator, weights - counts, weights.shape)
        index = np.repeat(index, counts.astype(np.intp))
    return generator.permutation(index)


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
    noise: Noise
    streams: Streams
    settings: Settings
    validation_seed: int = 0

    def stepper(self, phase: Phase) -> Stepper:
        """A fresh optimiser over the layers that `phase` trains."""
        settings = self.settings
        return Stepper(
            self.parameters,
            depth=phase.depth,
            corrupt=phase.corrupt,
            rates=phase.rates,
            batch_size=settings.batch_size,
            solver=settings.solver,
            learning_rate_init=settings.learning_rate_init,
            momentum=settings.momentum,
            alpha=settings.alpha,
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

    def phase_rows(self, rows: Rows, phase: Phase) -> tuple[Rows, Noise]:
        """What a phase rebuilds: the rows, or their codes below its top layer."""
        if phase.corrupt == "input":
            return rows, self.noise
        below = phase.depth - 1
        encoder = self.parameters.encoder(below)
        codes = np.empty((rows.n_rows, self.parameters.shape.widths[below]), np.float32)
        everything = np.arange(rows.n_rows)
        for part in chunks(rows.n_rows):
            codes[part] = encoder.encode(rows.take(everything[part])[0])
        return ArrayRows(codes, Layout.from_data(codes)), self.noise.for_codes()

    def epoch(
        self, stepper: Stepper, rows: Rows, noise: Noise, order: np.ndarray
    ) -> tuple[float, int]:
        """One pass over the rows in `order`: the mean loss and the steps made."""
        size = self.settings.batch_size
        n_features = stepper.chain.head.n_features
        block = size * max(1, BLOCK_CELLS // (size * n_features))
        loss = torch.zeros((), dtype=torch.float64, device=self.settings.device)
        n_steps = 0
        for a in range(0, len(order), block):
            index = order[a : a + block]
            corrupted = _corrupt(
                rows, index, noise, self.streams.corruption, self.settings
            )
            for batch in _split(corrupted, size):
                loss += stepper.step(*batch)
                n_steps += 1
        return loss.item() / max(len(order), 1), n_steps

    def validation_loss(self, stepper: Stepper, batch: Batch) -> float:
        """Mean loss of held-out rows."""
        parts = _split(batch, self.settings.batch_size)
        return sum(stepper.chain.loss(*part).item() for part in parts) / len(
            batch.clean
        )

    def run_phase(
        self,
        number: int,
        phase: Phase,
        rows: Rows,
        train: np.ndarray,
        weights: np.ndarray | None,
        held_out: np.ndarray | None,
        monitor: Monitor,
    ) -> tuple[PhaseRecord, list[float], list[float]]:
        """Train one phase to its end or until it stops improving."""
        started = perf_counter()
        settings = self.settings
        stepper = self.stepper(phase)
        source, noise = self.phase_rows(rows, phase)
        stopper = _Stopper(settings.n_iter_no_change, settings.tol)
        flat, best = self.parameters.flat, None
        batch = None
        if held_out is not None:
            # the same seed in every phase: one corruption, drawn once
            fixed = np.random.default_rng(self.validation_seed)
            batch = _corrupt(source, held_out, noise, fixed, settings)
        curve: list[float] = []
        validation_curve: list[float] = []
        steps = 0
        for epoch in range(phase.epochs):
            monitor.epoch_begin()
            order = epoch_order(self.streams.shuffle, train, weights)
            loss, n_steps = self.epoch(stepper, source, noise, order)
            curve.append(loss)
            steps += n_steps
            validation = None
            stop = False
            if batch is not None:
                validation = self.validation_loss(stepper, batch)
                validation_curve.append(validation)
                is_best, stop = stopper.update(validation)
                if is_best:
                    best = flat.clone()
            news = Epoch(number, epoch, loss, validation)
            snapshot = partial(self.parameters.network, phase.depth)
            asked = monitor.epoch_end(news, snapshot)
            if stop or asked:
                break
        if best is not None:
            flat.copy_(best)
        record = PhaseRecord(
            kind=phase.kind,
            depth=phase.depth,
            rates=phase.rates,
            corrupt=phase.corrupt,
            epochs=len(curve),
            weight_updates=steps * phase.n_updated,
            seconds=perf_counter() - started,
            loss=curve[-1],
            validation_loss=stopper.best if batch is not None else None,
        )
        return record, curve, validation_curve


def _resolve_device(device: str) -> str:
    """The device to train on; 'auto' takes CUDA where torch sees it."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError(
            "device='cuda' needs a CUDA device and a build of torch that supports it; "
            "torch sees none. Use device='cpu', or 'auto' to take what is there."
        )
    return "cuda" if device != "cpu" and available else "cpu"


def _resolve_threads(n_threads: int | None, shape: Shape, batch_size: int) -> int:
    """One thread, unless the matrices are large enough to share."""
    if n_threads is not None:
        return n_threads
    wide = max(shape.widths[1:]) >= WIDE_LAYER and batch_size >= WIDE_BATCH
    return torch.get_num_threads() if wide else 1


@contextmanager
def _torch_state(shape: Shape, settings: Settings) -> Iterator[Settings]:
    """Settings with the device resolved; torch's threads are as before afterwards."""
    threads = _resolve_threads(settings.n_threads, shape, settings.batch_size)
    resolved = replace(settings, device=_resolve_device(settings.device))
    with torch_threads(threads), torch.inference_mode():
        yield resolved


def make_trainer(
    shape: Shape,
    plan: Sequence[Phase],
    noise: Noise,
    streams: Streams,
    settings: Settings,
    *,
    initial: Network | None = None,
    dtype: torch.dtype = torch.float32,
) -> Trainer:
    """Random weights for every layer of the plan, or those of `initial`."""
    places = {
        place
        for phase in plan
        for place in shape.chain_places(phase.depth, phase.corrupt)
    }
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
    rows: Rows,
    plan: Sequence[Phase],
    shape: Shape,
    *,
    noise: Noise,
    streams: Streams,
    settings: Settings,
    weights: np.ndarray | None = None,
    validation_fraction: float | None = None,
    initial: Network | None = None,
    monitor: Monitor | None = None,
) -> Training:
    """Run a schedule on the rows and return the trained network.

    Rows that `weights` gives nothing are left out; `validation_fraction` of the rest
    is held out for early stopping when it is given.
    """
    monitor = Monitor() if monitor is None else monitor
    index = np.arange(rows.n_rows)
    held_out = None
    if validation_fraction is not None:
        order = streams.split.permutation(index)
        n_held_out = max(1, round(validation_fraction * rows.n_rows))
        held_out, index = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
        weights = None if weights is None else weights[index]
    with _torch_state(shape, settings) as settings:
        trainer = make_trainer(shape, plan, noise, streams, settings, initial=initial)
        trainer.validation_seed = int(streams.split.integers(2**63))
        records: list[PhaseRecord] = []
        curve: list[float] = []
        validation_curve: list[float] = []
        for number, phase in enumerate(plan):
            monitor.phase_begin(number, phase)
            record, losses, validation_losses = trainer.run_phase(
                number, phase, rows, index, weights, held_out, monitor
            )
            records.append(record)
            curve += losses
            validation_curve += validation_losses
            snapshot = partial(trainer.parameters.network, record.depth)
            if monitor.phase_end(record, snapshot):
                break
        network = trainer.trained_network(records[-1].depth)
    return Training(
        network,
        curve,
        validation_curve if held_out is not None else None,
        tuple(records),
    )


# --- streams ------------------------------------------------------------------------


@dataclass(frozen=True)
class StreamState:
    """Where a stream of batches stands, in numpy alone."""

    plan: tuple[Phase, ...]
    flat: np.ndarray
    phase: int
    epoch: int
    solver: SolverState | None
    streams: Streams


def train_on_batch(
    rows: Rows,
    plan: Sequence[Phase],
    shape: Shape,
    state: StreamState | None,
    *,
    noise: Noise,
    streams: Streams,
    settings: Settings,
    weights: np.ndarray | None = None,
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
            trainer.streams = state.streams
        phase = plan[number]
        stepper = trainer.stepper(phase)
        if state is not None and state.solver is not None:
            stepper.restore(state.solver)
        source, level_noise = trainer.phase_rows(rows, phase)
        order = epoch_order(trainer.streams.shuffle, np.arange(rows.n_rows), weights)
        loss, _ = trainer.epoch(stepper, source, level_noise, order)
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
