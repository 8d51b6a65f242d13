"""Activations, losses and products of the training step, as calls on fixed memory.

A batch passes through the same memory step after step, so an operation of the step is
bound to its operands once and then called without arguments. Calls write in place and
allocate nothing where they can.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from skdae._core.network import Head
from skdae._core.torch_compat import (
    sigmoid_backward,
    tanh_backward,
    threshold_backward,
)

Tensor = torch.Tensor
Array = Any  # (m, width): numpy's on the CPU, a tensor elsewhere
Call = Callable[[], object]


# --- products -----------------------------------------------------------------------

# below, calling torch takes longer than multiplying (benchmarks/speed.py --work tiny)
MAX_SMALL_PRODUCT = 100_000


def _numpy_can(tensor: Tensor) -> bool:
    """Whether numpy may work on the memory of the tensor."""
    return tensor.device.type == "cpu" and tensor.dtype != torch.bfloat16


def _is_small(A: Tensor, B: Tensor) -> bool:
    return A.shape[0] * A.shape[1] * B.shape[1] < MAX_SMALL_PRODUCT


def loader(memory: Tensor | None) -> Callable[[Array], object]:
    """A call that copies rows into the memory: numpy's is the cheaper one."""
    if memory is None:
        return lambda rows: None
    if _numpy_can(memory):
        return partial(memory.numpy().__setitem__, ...)
    return lambda rows: memory.copy_(torch.as_tensor(rows))


def product(
    A: Tensor, B: Tensor, out: Tensor, *, scale: float = 1.0, beta: float = 0.0
) -> Call:
    """A call that leaves ``scale * A @ B + beta * out`` in `out`.

    numpy's call is the cheaper one and its BLAS the faster one on narrow matrices,
    but not where the second factor is a transposed view.
    """
    if scale != 1 or beta != 0:
        return partial(torch.addmm, out, A, B, beta=beta, alpha=scale, out=out)
    suits = B.is_contiguous() or _is_small(A, B)
    if suits and out.is_contiguous() and _numpy_can(out):
        return partial(np.dot, A.numpy(), B.numpy(), out.numpy())
    return partial(torch.mm, A, B, out=out)


def affine(
    H: Tensor, weight: Tensor, bias: Tensor, out: Tensor, *, scale: float = 1.0
) -> list[Call]:
    """Calls that leave ``scale * H @ weight + bias`` in `out`."""
    if scale == 1 and _is_small(H, weight) and _numpy_can(out):
        A, b = out.numpy(), bias.numpy()
        return [product(H, weight, out), partial(np.add, A, b, A)]
    return [partial(torch.addmm, bias, H, weight, alpha=scale, out=out)]


def column_sums(delta: Tensor, out: Tensor, *, beta: float = 0.0) -> Call:
    """A call that leaves ``delta.sum(axis=0) + beta * out`` in `out`."""
    ones = torch.ones_like(delta[:, 0])
    if beta == 0 and _numpy_can(out):
        return partial(np.dot, ones.numpy(), delta.numpy(), out.numpy())
    return partial(torch.addmv, out, delta.t(), ones, beta=beta, out=out)


# --- activations --------------------------------------------------------------------


def _tanh(A: Tensor) -> None:
    # torch.tanh takes several times as long as the sigmoid on a CPU
    A.mul_(2).sigmoid_().mul_(2).sub_(1)


@dataclass(frozen=True)
class Activation:
    """An activation in place, and its derivative as a function of its own output.

    `delta` makes a call that turns the output `H` into the gradient in front of the
    activation, from the `gradient` behind it: an output is not needed any more when
    its delta is known, and half the memory stays in the cache.
    """

    forward: Callable[[Tensor], object]
    delta: Callable[[Tensor, Tensor], Call]


ACTIVATIONS = {
    "relu": Activation(
        torch.Tensor.relu_,
        lambda gradient, H: partial(threshold_backward, gradient, H, 0, grad_input=H),
    ),
    "logistic": Activation(
        torch.Tensor.sigmoid_,
        lambda gradient, H: partial(sigmoid_backward, gradient, H, grad_input=H),
    ),
    "tanh": Activation(
        _tanh, lambda gradient, H: partial(tanh_backward, gradient, H, grad_input=H)
    ),
    "identity": Activation(
        lambda A: None, lambda gradient, H: partial(H.copy_, gradient)
    ),
}


# --- losses: sum over the batch, and the delta in the place of the outputs -----------


def _squared_error(
    A: Tensor, T: Tensor, weight: Tensor | None, activation: str, spare: Tensor
) -> Tensor:
    """``sum(weight * (f(A) - T)**2) / 2``; `A` becomes the delta."""
    ACTIVATIONS[activation].forward(A)
    gradient = torch.sub(A, T, out=spare)
    error = gradient
    if weight is not None:
        error = gradient.clone()
        gradient.mul_(weight)
    loss = torch.dot(gradient.reshape(-1), error.reshape(-1)) / 2
    ACTIVATIONS[activation].delta(gradient, A)()
    return loss


def _cross_entropy(
    A: Tensor, T: Tensor, weight: Tensor | None, activation: str, spare: Tensor
) -> Tensor:
    """``-sum(weight * (T log p + (1 - T) log(1 - p)))`` with ``p = sigmoid(A)``."""
    losses = F.softplus(A).sub_(torch.mul(T, A, out=spare))
    A.sigmoid_().sub_(T)
    if weight is not None:
        losses.mul_(weight)
        A.mul_(weight)
    return losses.sum()


def _softmax_cross_entropy(A: Tensor, T: Tensor, weight: Tensor | None) -> Tensor:
    """``-sum(weight * T log softmax(A))`` over the categories of one column."""
    log_p = torch.log_softmax(A, dim=1)
    losses = -(T * log_p)
    # where nothing is observed T is all zero and weight is 0: no pull either way
    torch.sub(torch.exp(log_p), T, out=A)
    if weight is not None:
        losses.mul_(weight)
        A.mul_(weight)
    return losses.sum()


LOSSES = {"squared_error": _squared_error, "cross_entropy": _cross_entropy}


def _head_loss(
    head: Head, A: Tensor, T: Tensor, weight: Tensor | None, spare: Tensor
) -> Tensor:
    """Summed loss of outputs with pre-activation `A`, which becomes the delta."""
    end = head.n_numeric
    part = None if weight is None else weight[:, :end]
    loss = LOSSES[head.loss](
        A[:, :end], T[:, :end], part, head.activation, spare[:, :end]
    )
    for group in head.groups:
        part = None if weight is None else weight[:, group]
        loss = loss + _softmax_cross_entropy(A[:, group], T[:, group], part)
    return loss


def _plain_squared_error(A: Tensor, T: Tensor, grad_scale: float) -> Callable[[], Any]:
    """The most frequent case by numpy, whose calls cost less."""
    a, t = A.numpy(), T.numpy()
    error, factor = a.reshape(-1), a.dtype.type(grad_scale)

    def loss() -> Any:
        np.subtract(a, t, out=a)
        summed = np.dot(error, error) / 2
        np.multiply(a, factor, out=a)
        return summed

    return loss


def output_loss(
    head: Head,
    A: Tensor,
    T: Tensor,
    weight: Tensor | None,
    spare: Tensor,
    *,
    grad_scale: float,
) -> Callable[[], Any]:
    """A call that returns the summed loss and turns `A` into its gradient, scaled.

    `A` are the outputs before their activation; the target, the weights of its cells
    and `spare`, memory of the size of the target, are of full precision.
    """
    plain = head.loss == "squared_error" and head.activation == "identity"
    if plain and weight is None and not head.groups and _numpy_can(A):
        return _plain_squared_error(A, T, grad_scale)

    def loss() -> Tensor:
        exact = A.to(T.dtype)  # A itself where it is of full precision
        summed = _head_loss(head, exact, T, weight, spare)
        exact.mul_(grad_scale)
        if exact is not A:
            A.copy_(exact)
        return summed

    return loss
