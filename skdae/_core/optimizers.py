"""Optimisers, each in place on one slice of the flat vector."""

from functools import partial

import torch

from skdae._core.torch_compat import fused_adam

Tensor = torch.Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba, 2015), with the decay rates of the paper."""

    def __init__(self, weights: Tensor, grad: Tensor, rate: float) -> None:
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self._count = torch.zeros((), dtype=torch.float32, device=weights.device)
        self._one = torch.ones_like(self._count)
        self._update = partial(
            fused_adam,
            [weights],
            [grad],
            [self.mean],
            [self.square],
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

    @property
    def n_steps(self) -> int:
        """Steps made."""
        return int(self._count.item())

    @n_steps.setter
    def n_steps(self, value: int) -> None:
        self._count.fill_(value)

    @property
    def moments(self) -> list[Tensor]:
        """The state of a stream, beside the number of steps."""
        return [self.mean, self.square]


class SGD:
    """Gradient descent along a velocity: backpropagation adds the momentum itself."""

    def __init__(self, weights: Tensor, grad: Tensor, rate: float) -> None:
        self.grad = grad
        self.n_steps = 0
        self._update = partial(weights.add_, grad, alpha=-rate)
        grad.zero_()

    def step(self) -> None:
        """Move the weights along the velocity."""
        self.n_steps += 1
        self._update()

    @property
    def moments(self) -> list[Tensor]:
        """The state of a stream: the velocity."""
        return [self.grad]


SOLVERS: dict[str, type[Adam] | type[SGD]] = {"adam": Adam, "sgd": SGD}
