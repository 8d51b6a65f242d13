"""CUDA graphs, bfloat16 and threads that share a batch: the same gradient, faster.

Nothing here is needed to understand a training step: `make_backprop` returns a plain
`Backprop`, or one that is used alike.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, starmap
from typing import Protocol

import numpy as np
import torch

from skdae._core.backprop import Backprop, Loss, PhaseNetwork, StepGraph
from skdae._core.kernels import Array, Call
from skdae._core.network import LayerKey
from skdae._core.parameters import LayerViews, Parameters
from skdae._core.settings import Settings
from skdae._core.sources import Batch
from skdae._core.threads import limited_threads, workers

Tensor = torch.Tensor
# Smaller gradients are summed after the backward pass: a message takes gloo 0.2 ms.
OVERLAP_BYTES = 2**21
DTYPES = {"float32": None, "bfloat16": torch.bfloat16}  # None: that of the weights


class Reduction(Protocol):
    """The part that other processes have in each step of a training."""

    def n_total(self) -> int:
        """Rows of the next batch, those of all processes."""

    def start_all_reduce(self, values: Tensor) -> Call:
        """Start to sum values over the processes in place; return what waits for it."""
        ...


class Sums:
    """Gradients that are summed over the processes while others are computed."""

    def __init__(self, others: Reduction, grad: Tensor) -> None:
        self._others, self._grad = others, grad
        self._waits: list[Call] = []

    def start(self, layer: LayerViews) -> None:
        """Start to sum the gradient of a layer."""
        self._waits.append(self._others.start_all_reduce(self._grad[layer.span]))

    def finish(self, spans: Sequence[slice]) -> None:
        """Wait for all sums; of the spans, if no layer was started."""
        starts = [] if self._waits else spans
        self._waits += [self._others.start_all_reduce(self._grad[s]) for s in starts]
        for wait in self._waits:
            wait()
        self._waits.clear()


@dataclass(frozen=True)
class Execution:
    """Where and how the products of a training run are made."""

    device: str = "cpu"
    dtype: str = "float32"  # of the products
    workers: tuple[Executor, ...] = ()  # threads that share a batch with this one
    others: Reduction | None = None  # processes that share a batch with this one

    def move(self, batch: Batch) -> Batch:
        """The rows where the network is: arrays on the CPU, else tensors."""
        if self.device == "cpu":
            return batch
        return Batch(
            *(
                None if rows is None else torch.from_numpy(rows).to(self.device)
                for rows in batch
            )
        )


def total(losses: Sequence[Loss]) -> float:
    """Sum of the losses of steps, which waits for the device only once."""
    if losses and isinstance(losses[0], Tensor) and losses[0].is_cuda:
        return float(torch.stack(list(losses)).sum(dtype=torch.float64))
    return sum(map(float, losses))


@contextmanager
def execution(
    settings: Settings, others: Reduction | None = None
) -> Iterator[Execution]:
    """The execution that settings ask for; global state is as before afterwards.

    Overflows are found in the loss and the weights, so numpy does not warn of them.
    """
    device = _resolve_device(settings.device)
    n_threads = 1 if settings.n_threads is None else settings.n_threads
    with (
        limited_threads(1),
        workers(n_threads - 1 if device == "cpu" else 0) as threads,
        torch.inference_mode(),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        yield Execution(device, settings.dtype, threads, others)


def _resolve_device(device: str) -> str:
    """The device to train on; 'auto' takes CUDA where torch finds it."""
    if device == "cpu":
        return device
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError(
            "device='cuda' needs a CUDA device and a build of torch that supports it; "
            "torch finds none. Use device='cpu', or 'auto' to take what is there."
        )
    return "cuda" if available else "cpu"


def make_backprop(
    parameters: Parameters,
    network: PhaseNetwork,
    *,
    beta: float,
    dropout: float,
    execution: Execution,
) -> "Backprop | SharedBackprop":
    """Backpropagation to the gradient of `parameters`."""
    exact = parameters.flat.dtype
    weights = parameters.flat.to(DTYPES[execution.dtype] or exact)
    graph_class = StepGraph if execution.device == "cpu" else CudaStepGraph

    def make(
        layers: dict[LayerKey, LayerViews],
        beta: float = 0.0,
        on_gradient: Callable[[LayerViews], None] | None = None,
    ) -> Backprop:
        return Backprop(
            [layers[key] for key in network.keys],
            network,
            beta=beta,
            dropout=dropout,
            exact=exact,
            graph_class=graph_class,
            on_gradient=on_gradient,
        )

    shares = execution.workers or execution.others is not None
    if weights is parameters.flat and not shares:
        return make(parameters.layers, beta)
    n_parts = 1 + len(execution.workers)
    grads = [torch.zeros_like(weights) for _ in range(n_parts)]
    if weights is parameters.flat and n_parts == 1 and beta == 0:
        grads = [parameters.grad]  # nothing is added, so that nothing is copied
    spans = parameters.spans(network.learning_keys)
    sums = None if execution.others is None else Sums(execution.others, grads[0])
    on_gradient = None
    if sums is not None and _overlap_pays(execution, grads[0], spans):
        on_gradient = sums.start
    views = [parameters.views(weights, grad) for grad in grads]
    parts = [make(each, on_gradient=on_gradient) for each in views]
    return SharedBackprop(
        parameters,
        weights,
        grads,
        parts,
        spans,
        beta,
        execution.workers,
        execution.others,
        sums,
    )


def _overlap_pays(execution: Execution, grad: Tensor, spans: Sequence[slice]) -> bool:
    """Whether to sum gradients layer by layer: large ones, of one part, on the CPU."""
    n_bytes = sum(grad[span].nbytes for span in spans)
    is_one = not execution.workers and execution.device == "cpu"
    return is_one and n_bytes >= OVERLAP_BYTES


# --- a copy of the weights, parts of a batch ----------------------------------------


def _in_worker(call: Call) -> object:
    """What a call returns, in a thread of its own."""
    with torch.inference_mode(), np.errstate(over="ignore", invalid="ignore"):
        return call()


@dataclass(frozen=True)
class SharedBackprop:
    """Backpropagation from a copy of the weights, by several threads or processes.

    Each thread takes a part of the batch, with memory and a gradient of its own; each
    process has a batch of its own, a part of that of all. With
    bfloat16 the products are made in that type, and the weights stay in full precision.
    """

    parameters: Parameters
    weights: Tensor  # the copy, or the weights themselves
    grads: list[Tensor]  # of each part
    parts: list[Backprop]
    spans: list[slice]  # of the weights that learn
    beta: float
    workers: Sequence[Executor]  # for all parts but the first
    others: Reduction | None = None
    sums: Sums | None = None

    def loss(self, batch: Batch) -> Loss:
        """Summed loss of a batch, without a gradient."""
        self._copy_weights()
        return self.parts[0].loss(batch)

    def gradient(self, batch: Batch, kept: Sequence[Array] = ()) -> Loss:
        """Summed loss; the gradient of its mean goes to the parameters.

        The mean is that over the rows of all processes.
        """
        self._copy_weights()
        n_rows, n_parts = batch.n_rows, len(self.parts)
        n_total = n_rows if self.others is None else self.others.n_total()
        ends = [n_rows * i // n_parts for i in range(n_parts + 1)]
        calls = [
            partial(
                backprop.gradient,
                batch.part(rows),
                [mask[rows] for mask in kept],
                n_total,
            )
            for backprop, rows in zip(
                self.parts, starmap(slice, pairwise(ends)), strict=True
            )
        ]
        others = [
            worker.submit(_in_worker, call)
            for worker, call in zip(self.workers, calls[1:], strict=True)
        ]
        losses = [calls[0](), *(other.result() for other in others)]
        self._add_to_first()
        for span in self.spans:
            self._add_gradients(span)
        return losses[0] if n_parts == 1 else total(losses)

    def _copy_weights(self) -> None:
        """Follow the updates that the optimisers have made."""
        if self.weights is not self.parameters.flat:
            for span in self.spans:
                self.weights[span].copy_(self.parameters.flat[span])

    def _add_to_first(self) -> None:
        """Add the gradients of all parts and processes to that of the first part."""
        if self.sums is None:
            return
        for span in self.spans:
            for part in self.grads[1:]:
                self.grads[0][span].add_(part[span])
        self.sums.finish(self.spans)

    def _add_gradients(self, span: slice) -> None:
        """Add the parts' gradients to `beta` times the last one."""
        grad = self.parameters.grad[span]
        first, *parts = (part[span] for part in self.grads)
        if self.sums is not None:
            parts = []
        if first.data_ptr() == grad.data_ptr():  # the part's gradient is this one
            return
        if self.beta == 0:
            grad.copy_(first)
        else:
            grad.mul_(self.beta).add_(first)
        for part in parts:
            grad.add_(part)


# --- CUDA graphs --------------------------------------------------------------------


class CudaStepGraph(StepGraph):
    """A step that is launched call by call once, and then as one CUDA graph."""

    _replay: Call | None = None
    _loss: Tensor | None = None  # where the graph leaves its loss
    _is_warm = False
    _captures = True

    def run(self) -> Loss:
        """The summed loss; its gradient goes to the layers."""
        if self._is_warm and self._captures and self._replay is None:
            self._capture()
        if self._replay is not None and self._loss is not None:
            self._replay()
            return self._loss.clone()  # the next replay writes on it
        self._is_warm = True
        return super().run()

    def _capture(self) -> None:
        """Turn the calls, which have run before, into one graph where that works."""
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._loss = super().run()
        except RuntimeError as error:
            self._captures = False
            warnings.warn(
                f"The training step could not be captured as a CUDA graph ({error}); "
                "its operations are launched one by one, which takes longer.",
                UserWarning,
                stacklevel=2,
            )
            return
        self._replay = graph.replay
