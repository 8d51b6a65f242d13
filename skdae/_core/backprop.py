"""Backpropagation: the summed loss of a batch, and its gradient to the layers.

The two passes are written down once per batch size, as lists of calls on fixed memory,
and then called step after step. The tests compare them with torch's autograd.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from skdae._core.kernels import (
    ACTIVATIONS,
    Array,
    Call,
    affine,
    column_sums,
    loader,
    output_loss,
    product,
)
from skdae._core.network import Head, LayerKey, Shape
from skdae._core.parameters import LayerViews
from skdae._core.sources import Batch
from skdae.schedules import Phase

Tensor = torch.Tensor
Loss = Any  # a number: numpy's or a 0-dimensional tensor


@dataclass(frozen=True)
class PhaseNetwork:
    """The layers that a phase passes through, and what it trains them for."""

    keys: tuple[LayerKey, ...]  # in the order of the forward pass
    rates: tuple[float, ...]  # learning-rate factor of each layer; 0: frozen
    activation: str
    head: Head

    @classmethod
    def of(cls, shape: Shape, phase: Phase) -> "PhaseNetwork":
        """The network of a phase."""
        keys = shape.phase_keys(phase.depth, phase.corrupt)
        rates = [phase.rate_of(*key) for key in keys]
        head = shape.code_head(phase.depth) if phase.corrupt == "code" else shape.head
        return cls(tuple(keys), tuple(rates), shape.activation, head)

    @property
    def learning_keys(self) -> list[LayerKey]:
        """The layers that are not frozen."""
        return [k for k, rate in zip(self.keys, self.rates, strict=True) if rate > 0]


@dataclass(frozen=True)
class Memory:
    """What a step works on; targets and their weights are of full precision."""

    X: Tensor  # (m, n_inputs)
    T: Tensor  # (m, n_outputs)
    weight: Tensor | None  # (m, n_outputs); None: every target cell counts as one
    offset: Tensor | None  # (m, n_outputs) added to the outputs; None: 0
    spare: Tensor  # (m, n_outputs)
    outputs: list[Tensor]  # (m, width) of each layer
    kept: list[Tensor]  # (m, width) bool of each hidden layer; empty without dropout
    gradient: Tensor  # as many values as the widest layer has outputs

    @classmethod
    def allocate(
        cls,
        layers: Sequence[LayerViews],
        m: int,
        exact: torch.dtype,
        weighted: bool,
        shifted: bool,
        dropping: bool,
    ) -> "Memory":
        """Memory for batches of m rows."""
        widths = [len(layer.bias) for layer in layers]
        new = partial(layers[0].bias.new_empty)
        return cls(
            X=new(m, layers[0].weight.shape[0]),
            T=new(m, widths[-1], dtype=exact),
            weight=new(m, widths[-1], dtype=exact) if weighted else None,
            offset=new(m, widths[-1], dtype=exact) if shifted else None,
            spare=new(m, widths[-1], dtype=exact),
            outputs=[new(m, width) for width in widths],
            kept=[new(m, w, dtype=torch.bool) for w in widths[:-1] if dropping],
            gradient=new(m * max(widths)),
        )

    @property
    def inputs(self) -> list[Tensor]:
        """Inputs of each layer."""
        return [self.X, *self.outputs[:-1]]


class StepGraph:
    """The calls of one step on a batch of m rows."""

    def __init__(
        self,
        memory: Memory,
        forward: Sequence[Call],
        loss: Callable[[], Loss],
        backward: Sequence[Call],
    ) -> None:
        parts = (memory.X, memory.T, memory.weight, memory.offset, *memory.kept)
        self._loaders = [loader(part) for part in parts]
        self.forward, self.backward = forward, backward
        self.loss = loss  # also turns the outputs into their gradient

    def load(self, batch: Batch, kept: Sequence[Array]) -> None:
        """Copy a batch, and which units are kept, to the memory."""
        for load, part in zip(self._loaders, (*batch, *kept), strict=True):
            load(part)

    def run_forward(self) -> Loss:
        """The summed loss."""
        for call in self.forward:
            call()
        return self.loss()

    def run(self) -> Loss:
        """The summed loss; its gradient goes to the layers."""
        loss = self.run_forward()
        for call in self.backward:
            call()
        return loss


class Backprop:
    """The layers of one phase as a single network, with the memory that it works on.

    Frozen layers get no gradient, and nothing is propagated below the lowest layer that
    learns. A new gradient is added to `beta` times the last one: with the momentum as
    `beta` the gradient is the velocity, which then needs no pass of its own.
    """

    def __init__(
        self,
        layers: Sequence[LayerViews],
        network: PhaseNetwork,
        *,
        beta: float = 0.0,
        dropout: float = 0.0,
        exact: torch.dtype = torch.float32,
        graph_class: type[StepGraph] = StepGraph,
        on_gradient: Callable[[LayerViews], None] | None = None,
    ) -> None:
        self._layers, self._network, self._beta = list(layers), network, beta
        self._on_gradient = on_gradient  # of each layer, as soon as it is computed
        self._activation = ACTIVATIONS[network.activation]
        self._lowest = next(i for i, rate in enumerate(network.rates) if rate > 0)
        self._dropout_scale = 1 / (1 - dropout)  # the units kept stand for all of them
        self._exact, self._graph_class = exact, graph_class
        self._graphs: dict[tuple[int, int, bool, bool, bool], StepGraph] = {}

    def loss(self, batch: Batch) -> Loss:
        """Summed loss of a batch, without a gradient."""
        return self._loaded(batch, (), batch.n_rows).run_forward()

    def gradient(
        self, batch: Batch, kept: Sequence[Array] = (), n_total: int | None = None
    ) -> Loss:
        """Summed loss; its gradient, over the number of rows, goes to the layers.

        `kept` holds for each hidden layer which units are not dropped. The rows may be
        a part of a batch of `n_total` rows.
        """
        return self._loaded(batch, kept, n_total or batch.n_rows).run()

    def _loaded(self, batch: Batch, kept: Sequence[Array], n_total: int) -> StepGraph:
        """The graph for batches like this one, which is loaded."""
        has_weight, has_offset = batch.weight is not None, batch.offset is not None
        key = (batch.n_rows, n_total, has_weight, has_offset, len(kept) > 0)
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = self._graph(*key)
        graph.load(batch, kept)
        return graph

    def _graph(
        self, m: int, n_total: int, weighted: bool, shifted: bool, dropping: bool
    ) -> StepGraph:
        """Write the step down for m rows of a batch of `n_total`."""
        memory = Memory.allocate(
            self._layers, m, self._exact, weighted, shifted, dropping
        )
        hidden_scale = self._dropout_scale if dropping else 1.0
        scales = [1.0] + [hidden_scale] * (len(self._layers) - 1)  # of the inputs
        loss = output_loss(
            self._network.head,
            memory.outputs[-1],
            memory.T,
            memory.weight,
            memory.spare,
            grad_scale=1 / n_total,
        )
        forward = self._forward(memory, scales)
        backward = self._backward(memory, scales)
        return self._graph_class(memory, forward, loss, backward)

    def _forward(self, memory: Memory, scales: Sequence[float]) -> list[Call]:
        """Calls from the inputs to the outputs before their activation."""
        calls: list[Call] = []
        last = len(self._layers) - 1
        for i, (layer, H, A) in enumerate(
            zip(self._layers, memory.inputs, memory.outputs, strict=True)
        ):
            calls += affine(H, layer.weight, layer.bias, A, scale=scales[i])
            if i < last:
                # the next product scales, so that the derivative remains a function
                # of the output
                calls.append(partial(self._activation.forward, A))
                calls += [partial(A.mul_, mask) for mask in memory.kept[i : i + 1]]
        if memory.offset is not None:
            calls.append(partial(memory.outputs[-1].add_, memory.offset))
        return calls

    def _backward(self, memory: Memory, scales: Sequence[float]) -> list[Call]:
        """Calls from the gradient of the outputs to that of every layer that learns."""
        calls: list[Call] = []
        for i in range(len(self._layers) - 1, self._lowest - 1, -1):
            H, delta = memory.inputs[i], memory.outputs[i]  # (m, n_in), (m, n_out)
            if self._network.rates[i] > 0:
                calls += self._layer_gradient(self._layers[i], H, delta, scales[i])
                if self._on_gradient is not None:
                    calls.append(partial(self._on_gradient, self._layers[i]))
            if i > self._lowest:
                gradient = memory.gradient[: H.numel()].view(H.shape)
                weight_t = self._layers[i].weight.t()
                calls.append(product(delta, weight_t, gradient, scale=scales[i]))
                calls += [partial(gradient.mul_, m) for m in memory.kept[i - 1 : i]]
                calls.append(self._activation.delta(gradient, H))
        return calls

    def _layer_gradient(
        self, layer: LayerViews, H: Tensor, delta: Tensor, scale: float
    ) -> list[Call]:
        """Calls that leave the gradient of a layer, from its inputs and its delta."""
        # the decoder comes first on the way back; a tied encoder adds to its gradient
        beta = 1.0 if layer.adds_gradient else self._beta
        return [
            product(H.t(), delta, layer.weight_grad, scale=scale, beta=beta),
            column_sums(delta, layer.bias_grad, beta=self._beta),
        ]
