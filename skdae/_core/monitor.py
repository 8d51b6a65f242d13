"""Records of a training run, and the monitors that observe it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skdae._core.network import Network
from skdae._random import Streams
from skdae.schedules import Phase

# moments and steps, one entry per slice of weights that learns at its own rate
SolverState = list[list[np.ndarray]]


@dataclass(frozen=True)
class PhaseRecord:
    """A phase as it was run.

    Attributes
    ----------
    kind : str
        Label of the phase ('gradual', 'stacked', 'tuning', ...).
    depth : int
        Encoder layers in use.
    rates : tuple of float
        Learning-rate factor of each layer, from the bottom up.
    corrupt : {'input', 'code'}
        Where the noise went in.
    epochs : int
        Passes over the rows that were made; fewer than planned when stopped early.
    weight_updates : int
        Steps times the layers that each of them updated.
    seconds : float
        Wall time.
    loss : float
        Training loss of the last epoch.
    validation_loss : float or None
        Best validation loss, None without early stopping.
    """

    kind: str
    depth: int
    rates: tuple[float, ...]
    corrupt: str
    epochs: int
    weight_updates: int
    seconds: float
    loss: float
    validation_loss: float | None


class Epoch(NamedTuple):
    """What a monitor is notified of at the end of an epoch."""

    phase: int
    epoch: int
    loss: float
    validation_loss: float | None = None


Snapshot = Callable[[], Network | None]


class Monitor:
    """Observes phases and epochs, and may stop them.

    It returns True at the end of an epoch to end its phase, and at the end of a phase
    to end the training.
    """

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Called before a phase."""

    def epoch_begin(self) -> None:
        """Called before an epoch."""

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Called after an epoch; `network` gives the network as it stands."""
        return False

    def phase_end(self, record: PhaseRecord, network: Snapshot) -> bool:
        """Called after a phase."""
        return False

    def fit_end(self, network: Network) -> None:
        """Called when the training is over."""


@dataclass(frozen=True)
class StreamState:
    """Where a stream of batches stands, in numpy alone."""

    plan: tuple[Phase, ...]
    flat: np.ndarray  # all weights
    phase: int
    epoch: int
    solver: SolverState | None
    streams: Streams
