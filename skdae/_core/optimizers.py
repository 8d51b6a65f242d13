"""Optimisers, each in place on one slice of the flat vector."""

from functools import partial

import torch

from skdae._core.torch_compat import fused_adam

Tensor = torch.Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba, 2015), with the decay rates of the paper."""

    def __init__(self, weights: Tensor, grad: Tensor, rate: float) -> None:
        mean, square = torch.zeros_like(weights), torch.zeros_like(weights)
        self._count = torch.zeros((), dtype=torch.float32, device=weights.device)
        self._one = torch.ones_like(self._count)
        self.state = [mean, square, self._count]  # which a stream goes on with
        self._update = partial(
            fused_adam,
            [weights],
            [grad],
            [mean],
            [square],
            [],
            [self._count],
            lr=rate,
            beta1=BETA_1,
            beta2=BETA_2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def step(self) -> None:
        """Move the weights against the gradient."""
        self._count.add_(self._one)
        self._update()


class SGD:
    """Gradient descent along a velocity: backpropagation adds the momentum itself."""

    def __init__(self, weights: Tensor, grad: Tensor, rate: float) -> None:
        self.state = [grad.zero_()]  # the velocity, which a stream goes on with
        self._update = partial(weights.add_, grad, alpha=-rate)

    def step(self) -> None:
        """Move the weights along the velocity."""
        self._update()


SOLVERS: dict[str, type[Adam] | type[SGD]] = {"adam": Adam, "sgd": SGD}
