"""CUDA graphs, bfloat16 and threads that share a batch: the same gradient, faster.

Nothing here is needed to understand a training step: `make_backprop` returns a plain
`Backprop`, or one that is used alike.
"""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, starmap

import numpy as np
import torch

from skdae._core.backprop import Backprop, Loss, PhaseNetwork, StepGraph
from skdae._core.corruption import Batch
from skdae._core.kernels import Array, Call
from skdae._core.parameters import Parameters
from skdae._core.settings import Settings
from skdae._core.threads import limited_threads, workers

Tensor = torch.Tensor
DTYPES = {"float32": None, "bfloat16": torch.bfloat16}  # None: that of the weights


@dataclass(frozen=True)
class Execution:
    """Where and how the products of a training run are made."""

    device: str = "cpu"
    dtype: str = "float32"  # of the products
    workers: tuple[Executor, ...] = ()  # threads that share a batch with this one

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
def execution(settings: Settings) -> Iterator[Execution]:
    """The execution that settings ask for; global state is as before afterwards.

    Overflows are found in the loss and the weights, so numpy does not warn of them.
    """
    device = _resolve_device(settings.device)
    n_threads = 1 if settings.n_threads is None else settings.n_threads
    with (
        limited_threads(1),
        workers(n_threads - 1 if device == "cpu" else 0) as others,
        torch.inference_mode(),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        yield Execution(device, settings.dtype, others)


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
    batch_size: int,
    *,
    beta: float,
    dropout: float,
    execution: Execution,
) -> "Backprop | SharedBackprop":
    """Backpropagation to the gradient of `parameters`."""
    exact = parameters.flat.dtype
    dtype = DTYPES[execution.dtype] or exact
    make = partial(
        Backprop,
        network=network,
        dropout=dropout,
        exact=exact,
        graph_class=StepGraph if execution.device == "cpu" else CudaStepGraph,
    )
    if dtype == exact and not execution.workers:
        layers = [parameters.layers[key] for key in network.keys]
        return make(layers, batch_size=batch_size, beta=beta)
    return SharedBackprop(parameters, network, batch_size, make, beta, dtype, execution)


# --- a copy of the weights, parts of a batch ----------------------------------------


def _in_worker(call: Call) -> object:
    """What a call returns, in a thread of its own."""
    with torch.inference_mode(), np.errstate(over="ignore", invalid="ignore"):
        return call()


class SharedBackprop:
    """Backpropagation from a copy of the weights, by one thread or several.

    Each thread takes a part of the batch, with memory and a gradient of its own. With
    bfloat16 the products are made in that type, and the weights stay in full precision.
    """

    def __init__(
        self,
        parameters: Parameters,
        network: PhaseNetwork,
        batch_size: int,
        make: "partial[Backprop]",
        beta: float,
        dtype: torch.dtype,
        execution: Execution,
    ) -> None:
        self._parameters, self._beta = parameters, beta
        self._workers = execution.workers
        self._weights = parameters.flat.to(dtype)  # the weights themselves if alike
        n_parts = 1 + len(self._workers)
        self._grads = [torch.zeros_like(self._weights) for _ in range(n_parts)]
        views = [parameters.views(self._weights, grad) for grad in self._grads]
        self.max_rows = -(-batch_size // n_parts)
        self._parts = [
            make([part[key] for key in network.keys], batch_size=self.max_rows)
            for part in views
        ]
        learning = zip(network.keys, network.rates, strict=True)
        self._spans = parameters.spans([key for key, rate in learning if rate > 0])

    def loss(self, X: Array, T: Array, weight: Array | None) -> Loss:
        """Summed loss of at most `max_rows` rows."""
        self._copy_weights()
        return self._parts[0].loss(X, T, weight)

    def gradient(
        self, X: Array, T: Array, weight: Array | None, kept: Sequence[Array] = ()
    ) -> Loss:
        """Summed loss; the gradient of its mean goes to the parameters."""
        self._copy_weights()
        if len(self._parts) == 1:
            loss = self._parts[0].gradient(X, T, weight, kept)
        else:
            loss = self._in_parts(X, T, weight, kept)
        for span in self._spans:
            self._add_gradients(span)
        return loss

    def _copy_weights(self) -> None:
        """Follow the updates that the optimisers have made."""
        if self._weights is not self._parameters.flat:
            for span in self._spans:
                self._weights[span].copy_(self._parameters.flat[span])

    def _in_parts(
        self, X: Array, T: Array, weight: Array | None, kept: Sequence[Array]
    ) -> float:
        """Summed loss of the parts of a batch, each by a thread of its own."""
        m, n_parts = len(X), len(self._parts)
        ends = [m * i // n_parts for i in range(n_parts + 1)]
        calls = [
            partial(
                backprop.gradient,
                X[rows],
                T[rows],
                None if weight is None else weight[rows],
                [mask[rows] for mask in kept],
                m,
            )
            for backprop, rows in zip(
                self._parts, starmap(slice, pairwise(ends)), strict=True
            )
        ]
        others = [
            worker.submit(_in_worker, call)
            for worker, call in zip(self._workers, calls[1:], strict=True)
        ]
        return total([calls[0](), *(other.result() for other in others)])

    def _add_gradients(self, span: slice) -> None:
        """Add the parts' gradients to `beta` times the last one."""
        grad = self._parameters.grad[span]
        first, *others = (part[span] for part in self._grads)
        if self._beta == 0:
            grad.copy_(first)
        else:
            grad.mul_(self._beta).add_(first)
        for other in others:
            grad.add_(other)


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
