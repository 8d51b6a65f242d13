"""The training runs of fine-tuning: phases, noise and settings from parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from scipy.special import softmax

from skdae._core.monitor import Monitor
from skdae._core.network import Layer, Network
from skdae._core.sources import TableSource
from skdae._random import Streams
from skdae._supervised._folds import without_held_out
from skdae._supervised._pretraining import Pretrained
from skdae._supervised._rows import LabelledRows, OffsetRows, with_offset
from skdae._transformer._callbacks import Monitors, monitors
from skdae._transformer._parameters import batch_rows, check_noise, training_settings
from skdae.noise import Noise, SwapNoise, make_noise
from skdae.schedules import Phase, fine_tuning

AUTO_STEPS, MIN_EPOCHS = 2_000, 20  # steps and epochs of max_iter='auto'
STUDENT_NOISE = SwapNoise(0.1)  # noise='auto' with unlabelled rows


@dataclass(frozen=True)
class Configuration:
    """Parameters that decide how far the network is fitted to the labels.

    Attributes
    ----------
    dropout : float
        Share of the units of each hidden layer that are dropped.
    encoder_rate : float
        Learning-rate factor of the pretrained layers.
    unfreezing : {'gradual', 'joint'}
        Order in which they join the training.
    linear_path : bool
        Whether the network is trained beside a linear model of the encoded inputs.
    """

    dropout: float
    encoder_rate: float
    unfreezing: str
    linear_path: bool

    def fixed_by(self, estimator: Any) -> "Configuration":
        """The configuration with those parameters that an estimator fixes."""
        asked = {name: getattr(estimator, name) for name in vars(self)}
        fixed = {name: value for name, value in asked.items() if value != "auto"}
        if fixed.get("encoder_rate") == 0 and "unfreezing" not in fixed:
            fixed["unfreezing"] = "joint"  # nothing is unfrozen
        return replace(self, **fixed)

    def phases(self, n_layers: int, max_iter: int) -> tuple[Phase, ...]:
        """The phases of `max_iter` epochs."""
        return fine_tuning(
            n_layers,
            max_iter,
            encoder_rate=self.encoder_rate,
            unfreezing=self.unfreezing,
        )

    @property
    def of_student(self) -> "Configuration":
        """The same for a student.

        It has many rows: its layers are trained at the full rate from the start, unless
        they are frozen.
        """
        if self.encoder_rate == 0:
            return self
        return replace(self, encoder_rate=1.0, unfreezing="joint")


def phases_of(
    estimator: Any, configuration: Configuration, n_layers: int, n_rows: int
) -> tuple[Phase, ...]:
    """Return the phases of fine-tuning on so many rows."""
    max_iter = estimator.max_iter
    if max_iter == "auto":
        n_steps = ceil(n_rows / batch_rows(estimator.batch_size, n_rows))
        max_iter = max(MIN_EPOCHS, round(AUTO_STEPS / n_steps))
    return configuration.phases(n_layers, max_iter)


def noise_of(
    estimator: Any, pretrained: Pretrained, is_student: bool = False
) -> Noise | None:
    """Return the noise on the input while fine-tuning, checked."""
    if estimator.noise is None:
        return None
    if estimator.noise == "auto":
        return STUDENT_NOISE if is_student else None
    noise = make_noise(estimator.noise, estimator.noise_rate)
    check_noise(estimator, noise, pretrained.encoder)
    return noise


def settings_of(
    estimator: Any, configuration: Configuration, pretrained: Pretrained, n_rows: int
) -> Any:
    """Return the training settings, with the device of the transformer."""
    return replace(
        training_settings(pretrained.transformer, n_rows),
        solver="adam",
        learning_rate_init=estimator.learning_rate_init,
        alpha=estimator.alpha,
        batch_size=batch_rows(estimator.batch_size, n_rows),
        emphasis=None,
        n_iter_no_change=estimator.n_iter_no_change,
        tol=estimator.tol,
        dropout=configuration.dropout,
        averaging=estimator.average,
    )


@dataclass(frozen=True)
class Predictor:
    """A fine-tuned network and the linear path beside it."""

    network: Network
    path: Layer | None

    def parts(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outputs of path and network before the head's activation, (n, n_outputs)."""
        outputs = self.network.raw_outputs(self.network.encode(Z))
        return (np.zeros_like(outputs) if self.path is None else self.path(Z)), outputs

    def raw_outputs(self, Z: np.ndarray) -> np.ndarray:
        """Their sum, (n, n_outputs)."""
        outputs = self.network.raw_outputs(self.network.encode(Z))
        return outputs if self.path is None else outputs + self.path(Z)

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Numbers, or probabilities of classes, (n, n_outputs)."""
        outputs = self.raw_outputs(Z)
        for group in self.network.head.groups:
            outputs[:, group] = softmax(outputs[:, group], axis=1)
        return outputs


def quiet(plan: tuple[Phase, ...]) -> Monitor:
    """Return the monitor of a run that is not the final one."""
    return Monitors(monitors(plan, 0))


def scaled(layer: Layer, share: float) -> Layer:
    """Return a layer with its outputs times a share."""
    factor = np.float32(share)
    return Layer(layer.weight * factor, layer.bias * factor)


def shared(network: Network, path: Layer | None, chosen: Any) -> Predictor:
    """Return a network and a linear path, each scaled by its share of a choice."""
    *others, last = network.decoder
    network = replace(network, decoder=(*others, scaled(last, chosen.network_share)))
    if path is None or chosen.path_share == 0:
        return Predictor(network, None)
    return Predictor(network, scaled(path, chosen.path_share))


def fine_tune(
    estimator: Any,
    labelled: LabelledRows,
    source: TableSource,
    streams: Streams,
    configuration: Configuration,
    make_monitor: Callable[[tuple[Phase, ...]], Monitor],
    *,
    path: Layer | None = None,
    is_student: bool = False,
) -> Any:
    """Train a network on the rows of a source, from the pretrained encoder.

    With a linear path it learns what the path leaves.
    """
    from skdae._core.training import train

    pretrained, n_rows = labelled.pretrained, source.n_drawn
    plan = phases_of(estimator, configuration, pretrained.n_layers, n_rows)
    observer = make_monitor(plan)
    training = train(
        beside(path, source if estimator.early_stopping else without_held_out(source)),
        plan,
        labelled.shape,
        noise=noise_of(estimator, pretrained, is_student),
        streams=streams,
        settings=settings_of(estimator, configuration, pretrained, n_rows),
        initial=labelled.start,
        monitor=observer,
    )
    observer.fit_end(training.network)
    return training


def beside(path: Layer | None, source: TableSource) -> TableSource:
    """Return the rows with the outputs of a linear path."""
    if path is None:
        return source
    given = source.held_out_rows
    if given is not None:
        given = given._replace(block=with_offset(given.block, path))
    return replace(source, rows=OffsetRows(source.rows, path), held_out_rows=given)
