"""Which weights a phase ends with, and when it stops early."""

import numpy as np
import torch

from skdae._core.monitor import Epoch

Tensor = torch.Tensor

# of what a phase has gained so far; measured by benchmarks/allocation.py
LITTLE_GAIN = 0.1


class BestWeights:
    """The weights of the lowest validation loss, and the rule that stops the phase.

    A phase stops after `patience` epochs in a row whose validation loss is not more
    than `tol` below the lowest one before. Where the weights at its start have a
    validation loss, they are kept unless a later one is lower. With a `window` it also
    stops when that many epochs have gained at most `LITTLE_GAIN` of the phase's gain.
    """

    def __init__(
        self,
        flat: Tensor,
        patience: int,
        tol: float,
        loss: float | None = None,
        window: int = 0,
    ) -> None:
        self._flat, self._patience, self._tol = flat, patience, tol
        self._best = None if loss is None else flat.clone()
        self.loss = np.inf if loss is None else loss
        self._mark, self._waited = np.inf, 0
        self._window, self._lowest = window, [self.loss] if loss is not None else []

    @property
    def can_restore(self) -> bool:
        """Whether there are weights to go back to."""
        return self._best is not None

    def update(self, epoch: Epoch) -> bool:
        """Whether to stop after this epoch."""
        loss = np.inf if epoch.validation_loss is None else epoch.validation_loss
        if loss < self.loss:
            self.loss, self._best = loss, self._flat.clone()
        if loss < self._mark - self._tol:
            self._mark, self._waited = loss, 0
        else:
            self._waited += 1
        self._lowest.append(self.loss)
        return self._waited >= self._patience or self._gains_little()

    def _gains_little(self) -> bool:
        """Whether the last epochs, as many as the window has, have gained little."""
        if not self._window or len(self._lowest) <= self._window:
            return False
        gain = self._lowest[-1 - self._window] - self.loss
        return gain <= LITTLE_GAIN * (self._lowest[0] - self.loss)

    def restore(self) -> None:
        """Put the best weights back."""
        if self._best is not None:
            self._flat.copy_(self._best)


class AveragedWeights:
    """The mean of the weights after the last epochs, for a share of all of them.

    Nothing stops early; a share of 0 leaves the weights of the last epoch.
    """

    loss: float | None = None
    can_restore = False

    def __init__(self, flat: Tensor, n_epochs: int, share: float) -> None:
        self._flat, self._mean = flat, torch.zeros_like(flat)
        self._first, self._count = n_epochs - round(n_epochs * share), 0

    def update(self, epoch: Epoch) -> bool:
        """Whether to stop after this epoch."""
        if epoch.epoch >= self._first:
            self._count += 1
            self._mean.lerp_(self._flat, 1 / self._count)
        return False

    def restore(self) -> None:
        """Put the mean in the place of the weights."""
        if self._count:
            self._flat.copy_(self._mean)
