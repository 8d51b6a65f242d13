"""The training step in torch: forward, loss, backward and update, written by hand.

All weights lie in one flat vector, so the weights that a phase trains are a few
contiguous slices of it and an optimiser is a handful of vector operations. The
gradients are checked against torch's autograd in the tests.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from skdae._network import ROLES, Head, Layer, Network, Place, Shape
from skdae._progress import SolverState
from skdae._random import bernoulli
from skdae.schedules import Phase

Tensor = torch.Tensor


# --- activations: in place, and the delta in front of them, in place ----------------


# each of these is one pass over memory; `delta * (H > 0)` would take ten times as long
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_logistic_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def _tanh(A: Tensor) -> None:
    # torch.tanh takes several times as long as the sigmoid on a CPU
    A.mul_(2).sigmoid_().mul_(2).sub_(1)


def _relu_delta(delta: Tensor, H: Tensor) -> None:
    _relu_backward(delta, H, 0, grad_input=delta)


def _logistic_delta(delta: Tensor, H: Tensor) -> None:
    _logistic_backward(delta, H, grad_input=delta)


def _tanh_delta(delta: Tensor, H: Tensor) -> None:
    _tanh_backward(delta, H, grad_input=delta)


def _nothing(*tensors: Tensor) -> None:
    pass


@dataclass(frozen=True)
class Activation:
    """An activation and its derivative as a function of its own output."""

    forward: Callable[[Tensor], object]
    backward: Callable[[Tensor, Tensor], None]


ACTIVATIONS = {
    "relu": Activation(torch.Tensor.relu_, _relu_delta),
    "logistic": Activation(torch.Tensor.sigmoid_, _logistic_delta),
    "tanh": Activation(_tanh, _tanh_delta),
    "identity": Activation(_nothing, _nothing),
}


# --- losses: sum over the batch, and the delta at the output's pre-activation -------


def _squared_error(
    A: Tensor, T: Tensor, weight: Tensor | None, activation: str, delta: Tensor
) -> Tensor:
    """``sum(weight * (f(A) - T)**2) / 2``; the delta is written to `delta`."""
    ACTIVATIONS[activation].forward(A)
    torch.sub(A, T, out=delta)
    error = delta if weight is None else delta.clone()
    if weight is not None:
        delta.mul_(weight)
    loss = torch.dot(delta.reshape(-1), error.reshape(-1)) / 2
    ACTIVATIONS[activation].backward(delta, A)
    return loss


def _cross_entropy(
    A: Tensor, T: Tensor, weight: Tensor | None, activation: str, delta: Tensor
) -> Tensor:
    """``-sum(weight * (T log p + (1 - T) log(1 - p)))`` with ``p = sigmoid(A)``."""
    losses = F.softplus(A).sub_(T * A)
    A.sigmoid_()
    torch.sub(A, T, out=delta)
    if weight is not None:
        losses.mul_(weight)
        delta.mul_(weight)
    return losses.sum()


def _softmax_cross_entropy(
    A: Tensor, T: Tensor, weight: Tensor | None, delta: Tensor
) -> Tensor:
    """``-sum(weight * T log softmax(A))`` over the categories of one column."""
    log_p = torch.log_softmax(A, dim=1)
    losses = -(T * log_p)
    # where nothing is observed T is all zero and weight is 0: no pull either way
    torch.sub(torch.exp(log_p), T, out=delta)
    if weight is not None:
        losses.mul_(weight)
        delta.mul_(weight)
    return losses.sum()


LOSSES = {"squared_error": _squared_error, "cross_entropy": _cross_entropy}


def output_delta(
    head: Head, A: Tensor, T: Tensor, weight: Tensor | None, delta: Tensor
) -> Tensor:
    """Loss of outputs with pre-activation `A`, which is overwritten by the outputs."""
    end = head.n_numeric
    part = None if weight is None else weight[:, :end]
    loss = LOSSES[head.loss](
        A[:, :end], T[:, :end], part, head.activation, delta[:, :end]
    )
    for group in head.groups:
        part = None if weight is None else weight[:, group]
        loss = loss + _softmax_cross_entropy(
            A[:, group], T[:, group], part, delta[:, group]
        )
    return loss


# --- weights ------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """One layer's place in the flat vectors: views on weights and on gradients."""

    weight: Tensor  # (n_inputs, n_outputs)
    bias: Tensor
    weight_grad: Tensor
    bias_grad: Tensor
    span: tuple[int, int]  # of the flat vector; a tied weight is in its encoder's span
    tied: bool = False  # a decoder layer that is its encoder layer transposed
    shared: bool = False  # an encoder layer whose gradient its decoder began


class Parameters:
    """Every weight of a network in one flat vector, ordered by layer."""

    def __init__(
        self,
        shape: Shape,
        places: Sequence[Place],
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.shape = shape
        self.places = sorted(set(places), key=lambda p: (p[1], ROLES.index(p[0])))
        sizes = [self._n_values(place) for place in self.places]
        ends = np.cumsum(sizes)
        self.flat = torch.zeros(int(ends[-1]), dtype=dtype, device=device)
        self.grad = torch.zeros_like(self.flat)
        self.blocks: dict[Place, Block] = {}
        for place, size, end in zip(self.places, sizes, ends, strict=True):
            self.blocks[place] = self._block(place, int(end - size), int(end))

    def _is_tied(self, place: Place) -> bool:
        return self.shape.tied and place[0] == "decoder"

    def _n_values(self, place: Place) -> int:
        n_in, n_out = self.shape.size(place)
        return n_out if self._is_tied(place) else (n_in + 1) * n_out

    def _block(self, place: Place, start: int, end: int) -> Block:
        n_in, n_out = self.shape.size(place)
        bias, bias_grad = self.flat[end - n_out : end], self.grad[end - n_out : end]
        if self._is_tied(place):
            encoder = self.blocks["encoder", place[1]]
            weight, weight_grad = encoder.weight.t(), encoder.weight_grad.t()
            return Block(weight, bias, weight_grad, bias_grad, (start, end), tied=True)
        weight = self.flat[start : end - n_out].view(n_in, n_out)
        weight_grad = self.grad[start : end - n_out].view(n_in, n_out)
        shared = self.shape.tied and place[0] == "encoder"
        span = (start, end)
        return Block(weight, bias, weight_grad, bias_grad, span, shared=shared)

    def initialise(self, generators: dict[Place, np.random.Generator]) -> None:
        """Glorot-uniform weights as scikit-learn's MLP draws them; zero biases."""
        gain = 2.0 if self.shape.activation == "logistic" else 6.0
        for place, block in self.blocks.items():
            if block.tied:
                continue
            n_in, n_out = self.shape.size(place)
            bound = (gain / (n_in + n_out)) ** 0.5
            drawn = generators[place].uniform(-bound, bound, (n_in, n_out))
            block.weight.copy_(torch.from_numpy(drawn))

    def load(self, network: Network) -> None:
        """Take over the weights of a fitted network."""
        depth = len(network.encoder)
        places = [("encoder", k) for k in range(1, depth + 1)]
        places += self.shape.decoder_places(depth)
        layers = (*network.encoder, *network.decoder)
        for place, layer in zip(places, layers, strict=True):
            if place not in self.blocks:  # the output layer of fewer layers
                continue
            block = self.blocks[place]
            if not block.tied:
                block.weight.copy_(torch.from_numpy(layer.weight))
            block.bias.copy_(torch.from_numpy(layer.bias))

    def network(self, depth: int) -> Network | None:
        """The network up to `depth` as numpy arrays; None while it has no decoder."""
        decoder = self.shape.decoder_places(depth)
        if not all(place in self.blocks for place in decoder):
            return None
        layers = tuple(self._layer(place) for place in decoder)
        return replace(self.encoder(depth), decoder=layers)

    def encoder(self, depth: int) -> Network:
        """The encoder alone up to `depth`, as numpy arrays."""
        layers = tuple(self._layer(("encoder", k)) for k in range(1, depth + 1))
        return Network(layers, (), self.shape.activation, self.shape.head)

    def _layer(self, place: Place) -> Layer:
        block = self.blocks[place]
        weight = block.weight.cpu().numpy().copy(order="C")
        return Layer(weight, block.bias.cpu().numpy().copy())

    def spans(self, places: Sequence[Place]) -> list[tuple[int, int]]:
        """The places' slices of the flat vector, neighbours merged."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted(self.blocks[place].span for place in places):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((start, end))
        return merged


# --- one step -----------------------------------------------------------------------


class Buffers:
    """What a batch of m rows passes through: views that are made once."""

    def __init__(self, outputs: list[Tensor], deltas: list[Tensor], m: int) -> None:
        self.outputs = [buffer[:m] for buffer in outputs]  # each (m, width)
        self.deltas = [buffer[:m] for buffer in deltas]
        self.outputs_t = [view.t() for view in self.outputs]
        self.deltas_t = [view.t() for view in self.deltas]
        self.mean = torch.full_like(self.deltas[0][:, 0], 1 / m)  # (m,) for averages
        self.share = 1 / m


class Dropped(NamedTuple):
    """Hidden units left out in one step (dropout)."""

    kept: list[Tensor]  # of each hidden layer, (m, width) bool
    gain: float  # what the units kept are multiplied by


class Chain:
    """The layers of one phase as a single net, with its buffers.

    The input and the target have the same rows; layers that stand still get no
    gradient, and nothing is propagated below the lowest layer that learns.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        activation: str,
        head: Head,
        learns: Sequence[bool],
        batch_size: int,
    ) -> None:
        self.blocks = list(blocks)
        self.activation = ACTIVATIONS[activation]
        self.head = head
        self.learns = list(learns)
        self.lowest = self.learns.index(True)
        widths = [block.bias.shape[0] for block in self.blocks]
        like = self.blocks[0].bias
        self._outputs = [like.new_empty(batch_size, width) for width in widths]
        self._deltas = [like.new_empty(batch_size, width) for width in widths]
        self._weights_t = [block.weight.t() for block in self.blocks]
        self._buffers: dict[int, Buffers] = {}

    def buffers(self, m: int) -> Buffers:
        """Views for batches of m rows."""
        if m not in self._buffers:
            self._buffers[m] = Buffers(self._outputs, self._deltas, m)
        return self._buffers[m]

    def _forward(
        self, X: Tensor, outputs: list[Tensor], dropped: Dropped | None = None
    ) -> None:
        """Fill the outputs of all layers; the last one before its activation."""
        H, gain = X, 1.0  # (m, n_inputs)
        for i, (block, A) in enumerate(zip(self.blocks, outputs, strict=True)):
            if i:
                self.activation.forward(H)
                if dropped is not None:
                    # the units kept stand for all of them by the gain of the product,
                    # so that H stays what the derivative is a function of
                    H.mul_(dropped.kept[i - 1])
                    gain = dropped.gain
            torch.addmm(block.bias, H, block.weight, alpha=gain, out=A)
            H = A

    def loss(
        self,
        X: Tensor,
        T: Tensor,
        weight: Tensor | None,
        dropped: Dropped | None = None,
    ) -> Tensor:
        """Summed loss of rebuilding `T` from `X`, without a gradient."""
        views = self.buffers(X.shape[0])
        self._forward(X, views.outputs, dropped)
        return output_delta(self.head, views.outputs[-1], T, weight, views.deltas[-1])

    def loss_and_gradient(
        self,
        X: Tensor,
        T: Tensor,
        weight: Tensor | None,
        keep: float = 0.0,
        dropped: Dropped | None = None,
    ) -> Tensor:
        """Summed loss; the gradient of its mean over rows goes to the blocks.

        `keep` times what a block's gradient held before is added to it: the momentum,
        so that the gradient buffer is the velocity and costs no pass of its own.
        """
        loss = self.loss(X, T, weight, dropped)
        views = self.buffers(X.shape[0])
        gain = 1.0 if dropped is None else dropped.gain
        deltas, outputs = views.deltas, views.outputs  # deltas of the sum, not the mean
        for i in range(len(self.blocks) - 1, self.lowest - 1, -1):
            block, delta = self.blocks[i], deltas[i]
            if self.learns[i]:
                below_t = views.outputs_t[i - 1] if i else X.t()
                # the decoder comes first on the way back; an encoder that shares its
                # weights adds to what the decoder wrote
                beta = 1.0 if block.shared else keep
                share = views.share * gain if i else views.share
                block.weight_grad.addmm_(below_t, delta, beta=beta, alpha=share)
                block.bias_grad.addmv_(views.deltas_t[i], views.mean, beta=keep)
            if i > self.lowest:
                below = deltas[i - 1]
                torch.addmm(
                    below, delta, self._weights_t[i], beta=0, alpha=gain, out=below
                )
                if dropped is not None:
                    below.mul_(dropped.kept[i - 1])
                self.activation.backward(deltas[i - 1], outputs[i - 1])
        return loss


# --- optimisers: in place on one slice of the flat vector ---------------------------


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def _plain_adam(weights, grads, means, squares, _, counts, *, lr, **constants):
    """One Adam update of the first of each list, for a torch without a fused one."""
    w, g, mean, square = weights[0], grads[0], means[0], squares[0]
    n_steps = counts[0].item()
    mean.lerp_(g, 1 - BETA_1)
    square.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
    scale = square.sqrt().div_((1 - BETA_2**n_steps) ** 0.5).add_(EPSILON)
    w.addcdiv_(mean, scale, value=-lr / (1 - BETA_1**n_steps))


# private in torch, and three times as fast as torch.optim.Adam(fused=True)
_adam = getattr(torch, "_fused_adam_", _plain_adam)


class Adam:
    """Adam (Kingma and Ba, 2015), with the decay rates of the paper."""

    def __init__(self, weights: Tensor, grad: Tensor, rate: float) -> None:
        self.weights, self.grad, self.rate = weights, grad, rate
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self.n_steps = 0
        self._count = torch.zeros((), dtype=torch.float32, device=weights.device)

    def step(self) -> None:
        """Move the weights against the gradient."""
        self.n_steps += 1
        self._count.fill_(self.n_steps)
        _adam(
            [self.weights],
            [self.grad],
            [self.mean],
            [self.square],
            [],
            [self._count],
            lr=self.rate,
            beta1=BETA_1,
            beta2=BETA_2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> tuple[int, list[Tensor]]:
        """What a later run needs to go on: steps made, and the moments."""
        return self.n_steps, [self.mean, self.square]


class SGD:
    """Gradient descent; the gradient it is given holds the momentum already."""

    def __init__(self, weights: Tensor, grad: Tensor, rate: float) -> None:
        self.weights, self.grad, self.rate = weights, grad, rate
        self.n_steps = 0
        grad.zero_()

    def step(self) -> None:
        """Move the weights along the velocity."""
        self.n_steps += 1
        self.weights.add_(self.grad, alpha=-self.rate)

    def state(self) -> tuple[int, list[Tensor]]:
        """What a later run needs to go on: steps made, and the velocity."""
        return self.n_steps, [self.grad]


SOLVERS: dict[str, type[Adam] | type[SGD]] = {"adam": Adam, "sgd": SGD}


class Stepper:
    """The weights of one phase, its chain, and an optimiser per learning rate."""

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
    ) -> None:
        shape = parameters.shape
        places = shape.chain_places(phase.depth, phase.corrupt)
        rates = {place: phase.rate_of(*place) for place in places}
        learns = [rates[place] > 0 for place in places]
        blocks = [parameters.blocks[place] for place in places]
        head = shape.head
        if phase.corrupt == "code":
            head = shape.code_head(phase.depth)
        self.chain = Chain(blocks, shape.activation, head, learns, batch_size)
        self.alpha = alpha
        self.dropout, self.generator = dropout, generator
        self.decayed = [
            block
            for block, learn in zip(blocks, learns, strict=True)
            if learn and not block.tied and alpha > 0
        ]
        self.keep = momentum if solver == "sgd" else 0.0
        self.updates: list[Adam | SGD] = []
        for rate in sorted(set(rates.values()) - {0}):
            equal = [place for place in places if rates[place] == rate]
            for start, end in parameters.spans(equal):
                weights, grad = parameters.flat[start:end], parameters.grad[start:end]
                step_size = rate * learning_rate_init
                self.updates.append(SOLVERS[solver](weights, grad, step_size))

    def step(self, X: Tensor, T: Tensor, weight: Tensor | None) -> Tensor:
        """Learn to rebuild `T` from `X` by one update; the summed loss before it."""
        dropped = self._drop(X)
        loss = self.chain.loss_and_gradient(X, T, weight, self.keep, dropped)
        for block in self.decayed:
            block.weight_grad.add_(block.weight, alpha=self.alpha)
        for optimiser in self.updates:
            optimiser.step()
        return loss

    def _drop(self, X: Tensor) -> Dropped | None:
        """Draw the hidden units that sit this step out, each row its own."""
        if self.dropout == 0 or self.generator is None:
            return None
        widths = [block.bias.shape[0] for block in self.chain.blocks[:-1]]
        kept = [
            bernoulli(self.generator, 1 - self.dropout, (X.shape[0], width))
            for width in widths
        ]
        return Dropped(
            [torch.from_numpy(mask).to(X.device) for mask in kept],
            1 / (1 - self.dropout),
        )

    def state(self) -> SolverState:
        """The optimisers' memory as numpy arrays."""
        return [
            (n_steps, [moment.cpu().numpy().copy() for moment in moments])
            for n_steps, moments in (optimiser.state() for optimiser in self.updates)
        ]

    def restore(self, state: SolverState) -> None:
        """Go on where `state` was taken."""
        for optimiser, (_, saved) in zip(self.updates, state, strict=True):
            if len(saved) != len(optimiser.state()[1]):
                raise ValueError(
                    "solver must stay what it was while a stream goes on; use a fresh "
                    "estimator for another one."
                )
        for optimiser, (n_steps, saved) in zip(self.updates, state, strict=True):
            optimiser.n_steps = n_steps
            for moment, values in zip(optimiser.state()[1], saved, strict=True):
                moment.copy_(torch.from_numpy(values))


_threads_lock = Lock()
_threads_before: list[int] = []  # what the first of the fits under way has found


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Run with so many torch threads, then with as many as before.

    The setting belongs to the thread and to the process, so each fit restores what
    the first of those that overlap has found, in its own thread.
    """
    with _threads_lock:
        before = _threads_before[0] if _threads_before else torch.get_num_threads()
        _threads_before.append(before)
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        with _threads_lock:
            torch.set_num_threads(_threads_before.pop())
