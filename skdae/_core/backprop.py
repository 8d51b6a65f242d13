"""The training step: forward, loss, backward and update, written by hand.

A step is a list of calls that is written down once for each phase and batch size; the
gradients are checked against torch's autograd in the tests.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, starmap
from typing import Any, NamedTuple

import numpy as np
import torch

from skdae._core.kernels import (
    ACTIVATIONS,
    Call,
    affine,
    column_sums,
    output_loss,
    product,
)
from skdae._core.monitor import SolverState
from skdae._core.network import Head
from skdae._core.optimizers import SGD, SOLVERS, Adam
from skdae._core.parameters import Block, Parameters
from skdae._random import bernoulli
from skdae.schedules import Phase

Tensor = torch.Tensor
Rows = Any  # (m, width): an array on the CPU, a tensor elsewhere


def _writable(memory: Tensor) -> Rows:
    """The memory as what rows are put in: numpy's call is the cheaper one."""
    if memory.device.type == "cpu" and memory.dtype != torch.bfloat16:
        return memory.numpy()
    return memory


def _put(place: Rows, rows: Rows) -> None:
    """Copy rows to their place."""
    if isinstance(place, np.ndarray):
        place[...] = rows
    else:
        place.copy_(torch.as_tensor(rows))


def _inferring(call: Call) -> Any:
    """What a call returns in a thread of its own."""
    with torch.inference_mode(), np.errstate(over="ignore", invalid="ignore"):
        return call()


@dataclass
class Program:
    """The calls of one step on a batch of m rows, and where the batch is put."""

    X: Rows  # (m, n_inputs)
    T: Rows  # (m, n_outputs)
    weight: Rows | None  # (m, n_outputs)
    kept: list[Rows]  # of each hidden layer, (m, width) bool; empty without dropout
    forward: list[Call]
    loss: Callable[[], Any]  # also turns the outputs into their delta
    backward: list[Call]
    replay: Call | None = None  # all of it as a CUDA graph
    value: Any = None  # the loss of the last run, None before the first

    def put(self, X: Rows, T: Rows, weight: Rows | None, kept: Sequence[Rows]) -> None:
        """Put a batch in its place."""
        _put(self.X, X)
        _put(self.T, T)
        if weight is not None:
            _put(self.weight, weight)
        for place, mask in zip(self.kept, kept, strict=True):
            _put(place, mask)

    def run_forward(self) -> Any:
        """Run up to the loss and return it."""
        for call in self.forward:
            call()
        return self.loss()

    def run(self) -> Any:
        """Run all of it and return the loss."""
        if self.replay is not None:
            self.replay()
            return self.value
        self.value = self.run_forward()
        for call in self.backward:
            call()
        return self.value

    def capture(self) -> None:
        """Make one CUDA graph of the calls, which must have run before."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.run()
        self.replay = graph.replay


class Descent(NamedTuple):
    """Plain gradient descent, in which the product that is the gradient is the step."""

    rates: list[float]  # of each layer
    alpha: float

    def left(self, i: int) -> float:
        """The share of a layer's weights that the penalty leaves."""
        return 1 - self.rates[i] * self.alpha


class Chain:
    """The layers of one phase as a single net, with the memory that it works on.

    Layers that stand still get no gradient, and nothing is propagated below the lowest
    layer that learns. `keep` times what a gradient held before is added to it: the
    momentum, so that the gradient is the velocity and costs no pass of its own. With a
    `descent` the layers learn at once and no gradient is written at all.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        activation: str,
        head: Head,
        learns: Sequence[bool],
        batch_size: int,
        *,
        keep: float = 0.0,
        dropout: float = 0.0,
        exact: torch.dtype,
        descent: Descent | None = None,
    ) -> None:
        self.blocks = list(blocks)
        self.activation = ACTIVATIONS[activation]
        self.head = head
        self.learns = list(learns)
        self.lowest = self.learns.index(True)
        self.keep, self.descent = keep, descent
        self.on_cpu = self.blocks[0].bias.device.type == "cpu"
        self._captures = not self.on_cpu
        self.gain = 1 / (1 - dropout)  # the units kept stand for all of them
        widths = [block.bias.shape[0] for block in self.blocks]
        n_inputs, n_outputs = self.blocks[0].weight.shape[0], widths[-1]
        new = partial(self.blocks[0].bias.new_empty)
        self._X = new(batch_size, n_inputs)
        self._T = new(batch_size, n_outputs, dtype=exact)
        self._weight = new(batch_size, n_outputs, dtype=exact)
        self._spare = new(batch_size, n_outputs, dtype=exact)
        self._outputs = [new(batch_size, width) for width in widths]
        self._gradient = new(batch_size * max(widths))
        self._kept = [
            new(batch_size, width, dtype=torch.bool)
            for width in widths[:-1]
            if dropout > 0
        ]
        self._programs: dict[tuple[int, int, bool, bool], Program] = {}

    def _program(self, m: int, of: int, weighted: bool, dropping: bool) -> Program:
        """Write the step down for m rows of a batch of so many."""
        X, T, spare = self._X[:m], self._T[:m], self._spare[:m]
        weight = self._weight[:m] if weighted else None
        outputs = [memory[:m] for memory in self._outputs]
        kept = [memory[:m] for memory in self._kept if dropping]
        *hidden, last = outputs
        inputs = [X, *hidden]  # of each layer
        gains = [1.0] + [self.gain if dropping else 1.0] * len(hidden)

        forward: list[Call] = []
        for i, (block, H, A) in enumerate(
            zip(self.blocks, inputs, outputs, strict=True)
        ):
            forward += affine(H, block.weight, block.bias, A, gain=gains[i])
            if A is not last:
                forward.append(partial(self.activation.forward, A))
                # by the gain of the product instead of here, so that the output stays
                # what the derivative is a function of
                forward += [partial(A.mul_, mask) for mask in kept[i : i + 1]]

        loss = output_loss(self.head, last, T, weight, spare, share=1 / of)

        backward: list[Call] = []
        for i in range(len(self.blocks) - 1, self.lowest - 1, -1):
            block, H, delta = self.blocks[i], inputs[i], outputs[i]
            if self.learns[i]:
                learning = self._learning(i, H.t(), delta, gains[i])
            else:
                learning = []
            if i == self.lowest:
                backward += learning
                continue
            gradient = self._gradient[: H.numel()].view(H.shape)
            # through the weights as they were, and before the output gives way
            backward.append(product(delta, block.weight.t(), gradient, gain=gains[i]))
            backward += learning
            backward += [partial(gradient.mul_, mask) for mask in kept[i - 1 : i]]
            backward.append(self.activation.delta(gradient, H))

        return Program(
            _writable(X),
            _writable(T),
            None if weight is None else _writable(weight),
            [_writable(mask) for mask in kept],
            forward,
            loss,
            backward,
        )

    def _learning(self, i: int, H_t: Tensor, delta: Tensor, gain: float) -> list[Call]:
        """What a layer learns from its inputs, transposed, and its delta."""
        block = self.blocks[i]
        if self.descent is None:
            # the decoder comes first on the way back; an encoder that shares its
            # weights adds to what the decoder wrote
            keep = 1.0 if block.shared else self.keep
            return [
                product(H_t, delta, block.weight_grad, gain=gain, keep=keep),
                column_sums(delta, block.bias_grad, keep=self.keep),
            ]
        rate, left = self.descent.rates[i], self.descent.left(i)
        return [
            product(H_t, delta, block.weight, gain=-rate * gain, keep=left),
            column_sums(delta, block.bias, gain=-rate, keep=1.0),
        ]

    def _program_for(
        self, X: Rows, T: Rows, weight: Rows | None, kept: Sequence[Rows], of: int
    ) -> Program:
        """The program for some rows of a batch, with the rows in their place."""
        key = (X.shape[0], of, weight is not None, len(kept) > 0)
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._program(*key)
        elif self._captures and program.value is not None and program.replay is None:
            self._capture(program)
        program.put(X, T, weight, kept)
        return program

    def _capture(self, program: Program) -> None:
        """Turn a program that has run before into a CUDA graph, where that works."""
        try:
            program.capture()
        except RuntimeError as error:
            self._captures = False
            warnings.warn(
                f"The training step could not be captured as a CUDA graph ({error}); "
                "its operations are launched one by one, which takes longer.",
                UserWarning,
                stacklevel=2,
            )

    def loss(self, X: Rows, T: Rows, weight: Rows | None) -> float | Tensor:
        """Summed loss of rebuilding `T` from `X`, without a gradient.

        A tensor where reading it would wait for the device.
        """
        program = self._program_for(X, T, weight, (), len(X))
        loss = program.run_forward()
        return loss.item() if self.on_cpu else loss.clone()

    def loss_and_gradient(
        self,
        X: Rows,
        T: Rows,
        weight: Rows | None,
        kept: Sequence[Rows] = (),
        of: int | None = None,
    ) -> float | Tensor:
        """Summed loss; its gradient over the `of` rows of the batch to the blocks.

        `kept` says for each hidden layer which units do not sit this step out. The
        loss is a tensor where reading it would wait for the device.
        """
        of = len(X) if of is None else of
        loss = self._program_for(X, T, weight, kept, of).run()
        return loss.item() if self.on_cpu else loss


class Stepper:
    """The weights of one phase, its chain, and an optimiser per learning rate.

    With several `workers` each takes a part of the batch, with memory of its own, and
    their gradients are added. With `dtype` 'bfloat16' products are made in that type,
    from a copy of the weights, which themselves stay in full precision.
    """

    def __init__(
        self,
        parameters: Parameters,
        phase: Phase,
        *,
        batch_size: int,
        solver: str,
        learning_rate_init: float,
        momentum: float,
        alpha: float,
        dropout: float = 0.0,
        generator: np.random.Generator | None = None,
        dtype: str = "float32",
        workers: Sequence[Executor] = (),
    ) -> None:
        shape = parameters.shape
        places = shape.chain_places(phase.depth, phase.corrupt)
        rates = {place: phase.rate_of(*place) for place in places}
        learns = [rates[place] > 0 for place in places]
        head = shape.head
        if phase.corrupt == "code":
            head = shape.code_head(phase.depth)
        self.alpha = alpha
        self.dropout, self.generator = dropout, generator
        self.keep = momentum if solver == "sgd" else 0.0
        self.parameters = parameters
        exact = weights = parameters.flat
        if dtype == "bfloat16":
            weights = exact.to(torch.bfloat16)
        n_chains = 1 + len(workers)
        self.workers, self._weights = workers, weights
        self._grads = [parameters.grad]  # what the chains write to
        if n_chains > 1 or weights is not exact:
            self._grads = [torch.zeros_like(weights) for _ in range(n_chains)]
        descent = None
        if solver == "sgd" and momentum == 0 and not shape.tied and not self._collects:
            steps = [rates[place] * learning_rate_init for place in places]
            descent = Descent(steps, alpha)
        self.part_rows = -(-batch_size // n_chains)  # that a chain can take
        self.chains = [
            Chain(
                [views[place] for place in places],
                shape.activation,
                head,
                learns,
                self.part_rows,
                keep=0.0 if self._collects else self.keep,
                dropout=dropout,
                exact=exact.dtype,
                descent=descent,
            )
            for views in (parameters.views(weights, grad) for grad in self._grads)
        ]
        self.decayed = [
            block
            for block, learn in zip(
                map(parameters.blocks.__getitem__, places), learns, strict=True
            )
            if learn and not block.tied and alpha > 0 and descent is None
        ]
        self.spans: list[slice] = []  # of the weights that learn
        self.updates: list[Adam | SGD] = []
        for rate in sorted(set(rates.values()) - {0}):
            equal = [place for place in places if rates[place] == rate]
            for start, end in parameters.spans(equal):
                span = slice(start, end)
                step_size = rate * learning_rate_init
                self.spans.append(span)
                if descent is not None:
                    continue
                self.updates.append(
                    SOLVERS[solver](exact[span], parameters.grad[span], step_size)
                )

    @property
    def head(self) -> Head:
        """What the phase rebuilds."""
        return self.chains[0].head

    @property
    def _collects(self) -> bool:
        """Whether the chains write to gradients of their own."""
        return self._grads[0] is not self.parameters.grad

    def step(self, X: Rows, T: Rows, weight: Rows | None) -> float | Tensor:
        """Learn to rebuild `T` from `X` by one update; the summed loss before it."""
        loss = self._gradient(X, T, weight, self._drop(len(X)))
        for block in self.decayed:
            block.weight_grad.add_(block.weight, alpha=self.alpha)
        for optimiser in self.updates:
            optimiser.step()
        if self._weights is not self.parameters.flat:
            for span in self.spans:
                self._weights[span].copy_(self.parameters.flat[span])
        return loss

    def loss(self, X: Rows, T: Rows, weight: Rows | None) -> float | Tensor:
        """Summed loss of at most `part_rows` rows, without learning."""
        return self.chains[0].loss(X, T, weight)

    def _gradient(
        self, X: Rows, T: Rows, weight: Rows | None, kept: list[np.ndarray]
    ) -> float | Tensor:
        """Summed loss; the gradient of its mean goes to the parameters."""
        if len(self.chains) == 1:
            loss = self.chains[0].loss_and_gradient(X, T, weight, kept)
        else:
            loss = self._shared_gradient(X, T, weight, kept)
        if self._collects:
            for span in self.spans:
                self._collect(span)
        return loss

    def _shared_gradient(
        self, X: Rows, T: Rows, weight: Rows | None, kept: list[np.ndarray]
    ) -> float | Tensor:
        """Summed loss of the parts of a batch; each chain has its part's gradient."""
        m, n_chains = len(X), len(self.chains)
        ends = [m * i // n_chains for i in range(n_chains + 1)]
        calls = [
            partial(
                chain.loss_and_gradient,
                X[part],
                T[part],
                None if weight is None else weight[part],
                [mask[part] for mask in kept],
                m,
            )
            for chain, part in zip(
                self.chains, starmap(slice, pairwise(ends)), strict=True
            )
        ]
        others = [
            worker.submit(_inferring, call)
            for worker, call in zip(self.workers, calls[1:], strict=True)
        ]
        return calls[0]() + sum(other.result() for other in others)

    def _collect(self, span: slice) -> None:
        """Add up what the chains have written; before it there was the velocity."""
        grad = self.parameters.grad[span]
        first, *others = (part[span] for part in self._grads)
        if self.keep == 0:
            grad.copy_(first)
        else:
            grad.mul_(self.keep).add_(first)
        for other in others:
            grad.add_(other)

    def _drop(self, m: int) -> list[np.ndarray]:
        """Draw the hidden units that do not sit this step out, each row its own."""
        if self.dropout == 0 or self.generator is None:
            return []
        widths = [block.bias.shape[0] for block in self.chains[0].blocks[:-1]]
        return [
            bernoulli(self.generator, 1 - self.dropout, (m, width)) for width in widths
        ]

    def state(self) -> SolverState:
        """The optimisers' memory as numpy arrays."""
        return [
            (
                optimiser.n_steps,
                [moment.cpu().numpy().copy() for moment in optimiser.moments],
            )
            for optimiser in self.updates
        ]

    def restore(self, state: SolverState) -> None:
        """Go on where `state` was taken."""
        kept = [len(saved) for _, saved in state]
        wanted = [len(optimiser.moments) for optimiser in self.updates]
        if {*kept, *wanted} <= {1} and not (kept and wanted):
            return  # descent within the product keeps no velocity
        if kept != wanted:
            raise ValueError(
                "solver must stay what it was while a stream goes on; use a fresh "
                "estimator for another one."
            )
        for optimiser, (n_steps, saved) in zip(self.updates, state, strict=True):
            optimiser.n_steps = n_steps
            for moment, values in zip(optimiser.moments, saved, strict=True):
                moment.copy_(torch.from_numpy(values))
