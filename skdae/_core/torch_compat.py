"""The private names of torch that the core uses, each with a public fallback.

A release that lacks a name trains the same networks, only more slowly; the tests
compare each fallback with the function that it stands for.
"""

from collections.abc import Callable
from typing import Any

import torch

Tensor = torch.Tensor


def find(path: str, fallback: Callable[..., Any]) -> Callable[..., Any]:
    """The function at a path below torch, or the fallback where there is none."""
    found: Any = torch
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            return fallback
    return found


def plain_threshold_backward(
    gradient: Tensor, H: Tensor, threshold: float, *, grad_input: Tensor
) -> None:
    """Gradient in front of relu from that behind it; `grad_input` may be `H`."""
    grad_input.copy_(torch.where(threshold >= H, 0, gradient))


def plain_sigmoid_backward(gradient: Tensor, H: Tensor, *, grad_input: Tensor) -> None:
    """Gradient in front of a sigmoid with the output `H`."""
    grad_input.copy_(gradient * (1 - H) * H)


def plain_tanh_backward(gradient: Tensor, H: Tensor, *, grad_input: Tensor) -> None:
    """Gradient in front of tanh with the output `H`."""
    grad_input.copy_(gradient * (1 - H * H))


def plain_adam(
    weights: list[Tensor],
    grads: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    _: list[Tensor],
    counts: list[Tensor],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    **constants: Any,
) -> None:
    """One Adam update of the first tensor of each list, without penalty."""
    w, g, mean, square = weights[0], grads[0], means[0], squares[0]
    n_steps = counts[0].item()
    mean.lerp_(g, 1 - beta1)
    square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    scale = square.sqrt().div_((1 - beta2**n_steps) ** 0.5).add_(eps)
    w.addcdiv_(mean, scale, value=-lr / (1 - beta1**n_steps))


# three times as fast as torch.optim.Adam(fused=True), by benchmarks/speed.py
fused_adam = find("_fused_adam_", plain_adam)
# each is one pass over memory; `gradient * (H > 0)` takes ten times as long
threshold_backward = find(
    "ops.aten.threshold_backward.grad_input", plain_threshold_backward
)
sigmoid_backward = find("ops.aten.sigmoid_backward.grad_input", plain_sigmoid_backward)
tanh_backward = find("ops.aten.tanh_backward.grad_input", plain_tanh_backward)
