"""The training runs of fine-tuning: phases, noise and settings from parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from skdae._core.monitor import Monitor
from skdae._core.sources import TableSource
from skdae._random import Streams
from skdae._supervised._pretraining import Pretrained
from skdae._supervised._rows import LabelledRows, without_held_out
from skdae._transformer._parameters import batch_rows, check_noise, training_settings
from skdae.noise import Noise, SwapNoise, make_noise
from skdae.schedules import Phase, fine_tuning

AUTO_STEPS, MIN_EPOCHS = 2_000, 20  # steps and epochs of max_iter='auto'
STUDENT_NOISE = SwapNoise(0.1)  # noise='auto' with unlabelled rows


@dataclass(frozen=True)
class Configuration:
    """Parameters that decide how far the network is fitted to the labels."""

    dropout: float
    encoder_rate: float
    unfreezing: str

    @classmethod
    def of(cls, estimator: Any) -> "Configuration":
        """The configuration that the parameters of an estimator ask for."""
        return cls(estimator.dropout, estimator.encoder_rate, estimator.unfreezing)

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


def fine_tune(
    estimator: Any,
    labelled: LabelledRows,
    source: TableSource,
    streams: Streams,
    configuration: Configuration,
    make_monitor: Callable[[tuple[Phase, ...]], Monitor],
    *,
    is_student: bool = False,
) -> Any:
    """Train a network on the rows of a source, from the pretrained encoder."""
    from skdae._core.training import train

    pretrained, n_rows = labelled.pretrained, source.n_drawn
    plan = phases_of(estimator, configuration, pretrained.n_layers, n_rows)
    observer = make_monitor(plan)
    training = train(
        source if estimator.early_stopping else without_held_out(source),
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
