"""The training step of a phase: forward, loss, backward, penalty, update.

Start here to read the core; `backprop` has the passes and `optimizers` the updates.
"""

import numpy as np
import torch

from skdae._core.acceleration import Execution, make_backprop
from skdae._core.backprop import Loss, PhaseNetwork
from skdae._core.monitor import SolverState
from skdae._core.optimizers import SGD, SOLVERS, Adam
from skdae._core.parameters import Parameters
from skdae._core.settings import Settings
from skdae._core.sources import Batch
from skdae._random import bernoulli
from skdae.schedules import Phase


class TrainingStep:
    """The weights of one phase and the optimisers that train them, from fresh."""

    def __init__(
        self,
        parameters: Parameters,
        phase: Phase,
        settings: Settings,
        generator: np.random.Generator,
        execution: Execution,
    ) -> None:
        self.network = PhaseNetwork.of(parameters.shape, phase)
        self.backprop = make_backprop(
            parameters,
            self.network,
            beta=settings.momentum if settings.solver == "sgd" else 0.0,
            dropout=settings.dropout,
            execution=execution,
        )
        self.optimizers = _make_optimizers(parameters, self.network, settings)
        self._alpha = settings.alpha
        learning = [parameters.layers[key] for key in self.network.learning_keys]
        self._penalised = [  # a tied pair once
            layer for layer in learning if self._alpha > 0 and not layer.is_tied
        ]
        self._dropout, self._generator = settings.dropout, generator
        sizes = [parameters.shape.size(key) for key in self.network.keys]
        self._hidden_widths = [n_outputs for _, n_outputs in sizes[:-1]]

    def __call__(self, batch: Batch) -> Loss:
        """Learn to rebuild the target by one update; the summed loss before it."""
        loss = self.backprop.gradient(batch, self._draw_kept(batch.n_rows))
        for layer in self._penalised:
            layer.weight_grad.add_(layer.weight, alpha=self._alpha)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def _draw_kept(self, m: int) -> list[np.ndarray]:
        """Which units of each hidden layer are not dropped, drawn for each row."""
        if self._dropout == 0:
            return []
        return [
            bernoulli(self._generator, 1 - self._dropout, (m, width))
            for width in self._hidden_widths
        ]

    def state(self) -> SolverState:
        """The optimisers' memory as numpy arrays."""
        return [
            [part.cpu().numpy().copy() for part in optimizer.state]
            for optimizer in self.optimizers
        ]

    def restore(self, state: SolverState) -> None:
        """Go on where `state` was taken."""
        if list(map(len, state)) != [len(each.state) for each in self.optimizers]:
            raise ValueError(
                "solver must stay what it was while a stream goes on; use a fresh "
                "estimator for another one."
            )
        for optimizer, saved in zip(self.optimizers, state, strict=True):
            for part, values in zip(optimizer.state, saved, strict=True):
                part.copy_(torch.tensor(values))


def _make_optimizers(
    parameters: Parameters, network: PhaseNetwork, settings: Settings
) -> list[Adam | SGD]:
    """One for each slice of weights that learns at a rate of its own."""
    optimizers = []
    layers = list(zip(network.keys, network.rates, strict=True))
    for rate in sorted(set(network.rates) - {0}):
        for span in parameters.spans([key for key, own in layers if own == rate]):
            weights, grad = parameters.flat[span], parameters.grad[span]
            step_size = rate * settings.learning_rate_init
            optimizers.append(SOLVERS[settings.solver](weights, grad, step_size))
    return optimizers
