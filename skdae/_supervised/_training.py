"""The training runs of fine-tuning: phases, noise and settings from parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from scipy.special import softmax

from skdae._core.monitor import Monitor
from skdae._core.network import Layer, Network, Shape
from skdae._core.sources import TableSource
from skdae._random import Streams
from skdae._supervised._expansion import ExpandedNoise, Expansion
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
    n_bins : int
        Intervals of each numeric column that the network reads beside it; 0 for none.
    """

    dropout: float
    encoder_rate: float
    unfreezing: str
    linear_path: bool
    n_bins: int = 0  # of models from before it came

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
    estimator: Any,
    pretrained: Pretrained,
    expansion: Expansion | None,
    is_student: bool = False,
) -> Noise | None:
    """Return the noise on the input while fine-tuning, checked."""
    noise = estimator.noise
    if noise == "auto":
        noise = STUDENT_NOISE if is_student else None
    elif noise is not None:
        noise = make_noise(noise, estimator.noise_rate)
        check_noise(estimator, noise, pretrained.encoder)
    if noise is None or expansion is None:
        return noise
    return ExpandedNoise(noise, expansion, pretrained.encoder.layout)


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
    """A fine-tuned network, the linear path beside it, and what expands its inputs."""

    network: Network
    path: Layer | None
    expansion: Expansion | None

    def code(self, Z: np.ndarray) -> np.ndarray:
        """The top code of encoded rows, (n, width)."""
        return self.network.encode(Z if self.expansion is None else self.expansion(Z))

    def parts(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outputs of path and network before the head's activation, (n, n_outputs)."""
        outputs = self.network.raw_outputs(self.code(Z))
        return (np.zeros_like(outputs) if self.path is None else self.path(Z)), outputs

    def raw_outputs(self, Z: np.ndarray) -> np.ndarray:
        """Their sum, (n, n_outputs)."""
        outputs = self.network.raw_outputs(self.code(Z))
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


def shared(
    network: Network,
    path: Layer | None,
    chosen: Any,
    expansion: Expansion | None = None,
) -> Predictor:
    """Return a network and a linear path, each scaled by its share of a choice."""
    *others, last = network.decoder
    network = replace(network, decoder=(*others, scaled(last, chosen.network_share)))
    if path is None or chosen.path_share == 0:
        return Predictor(network, None, expansion)
    return Predictor(network, scaled(path, chosen.path_share), expansion)


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
    expansion = labelled.expansion(configuration.n_bins)
    start = labelled.start(expansion)
    rows = source if estimator.early_stopping else without_held_out(source)
    training = train(
        inputs_of(rows, path, expansion),
        plan,
        shape_of(start),
        noise=noise_of(estimator, pretrained, expansion, is_student),
        streams=streams,
        settings=settings_of(estimator, configuration, pretrained, n_rows),
        initial=start,
        monitor=observer,
    )
    observer.fit_end(training.network)
    return training


def shape_of(network: Network) -> Shape:
    """Return the shape of an encoder with an output layer."""
    layers = network.encoder
    widths = (len(layers[0].weight), *(len(layer.bias) for layer in layers))
    return Shape(widths, "direct", False, network.activation, network.head)


def inputs_of(
    source: TableSource, path: Layer | None, expansion: Expansion | None
) -> TableSource:
    """Return expanded rows, with the outputs of a linear path that reads them plain."""
    if path is not None:
        given = source.held_out_rows
        if given is not None:
            given = given._replace(block=with_offset(given.block, path))
        rows = OffsetRows(source.rows, path)
        source = replace(source, rows=rows, held_out_rows=given)
    return source if expansion is None else expansion.of_source(source)
