"""The parameters of a network, resolved and checked against each other and the data."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np

from skdae._core.monitor import StreamState
from skdae._core.network import Shape
from skdae._table.encoder import TableEncoder
from skdae._table.frames import is_dataframe
from skdae._table.rows import TrainingRows
from skdae._table.validation import user_stacklevel
from skdae._transformer._outputs import OUTPUTS, Output
from skdae.noise import Noise, make_noise
from skdae.schedules import SCHEDULES, Phase, Schedule, as_schedule

DEFAULT_NOISE_RATE = 0.25


@dataclass(frozen=True)
class ResolvedParameters:
    """What the parameters of a transformer come to before it sees data."""

    widths: tuple[int, ...]
    plan: tuple[Phase, ...]
    noise: Noise


def resolve_parameters(estimator: Any) -> ResolvedParameters:
    """Return widths, plan and noise, checked as far as no data is needed."""
    refuse_auto(estimator, "hidden_layer_sizes", "noise_rate")
    widths = check_widths(estimator.hidden_layer_sizes)
    plan = _plan(estimator, len(widths))
    if estimator.decoder == "direct" and plan[-1].corrupt == "code":
        raise ValueError(
            f"decoder='direct' with schedule={estimator.schedule!r} ends with a "
            "phase whose loss is on the code, so the layer from the code to X "
            "is never trained. Give the schedule a tuning_fraction > 0, as in "
            "Stacked(tuning_fraction=0.1), or set decoder='mirror'."
        )
    if isinstance(estimator.noise, Noise) and not np.array_equal(
        estimator.noise_rate, DEFAULT_NOISE_RATE
    ):
        raise ValueError(
            f"noise_rate={estimator.noise_rate!r} is for a noise given by name, and "
            f"noise is {estimator.noise!r}; set the object's own parameter, in a "
            "search as noise__rate."
        )
    return ResolvedParameters(
        widths, plan, make_noise(estimator.noise, estimator.noise_rate)
    )


def refuse_auto(estimator: Any, *names: str) -> None:
    """Raise where a parameter is 'auto' that only `fit` of a transformer chooses."""
    for name in names:
        value = getattr(estimator, name)
        if isinstance(value, str) and value == "auto":
            raise ValueError(
                f"{name}='auto' is chosen by the fit of a single network on a whole "
                "table; set a value here, such as what auto_settings_ of "
                "GradualDAETransformer holds after fit."
            )


def _plan(estimator: Any, n_layers: int) -> tuple[Phase, ...]:
    """The phases to run."""
    if isinstance(estimator.schedule, str | Schedule):
        return as_schedule(estimator.schedule).plan(n_layers, estimator.max_iter)
    plan = tuple(estimator.schedule)
    if not plan or not all(isinstance(phase, Phase) for phase in plan):
        raise ValueError(
            f"schedule={estimator.schedule!r} must be one of {sorted(SCHEDULES)}, a "
            "schedule or a tuple of Phase, both of skdae.schedules."
        )
    depths = [phase.depth for phase in plan]
    if depths[-1] != n_layers or max(depths) > n_layers:
        raise ValueError(
            f"schedule has phases of depth {depths} and must end with "
            f"{n_layers}, the number of hidden_layer_sizes; build it for them."
        )
    if estimator.decoder != "direct" and any(p.output_rate is not None for p in plan):
        raise ValueError(
            "schedule has a phase with an output_rate, and "
            f"decoder={estimator.decoder!r} has no output layer on the top "
            "code; leave it out or set decoder='direct'."
        )
    trained: set[int] = set()
    for number, phase in enumerate(plan, 1):
        trained |= {k for k, rate in enumerate(phase.rates, 1) if rate > 0}
        untrained = set(range(1, phase.depth + 1)) - trained
        if untrained:
            raise ValueError(
                f"schedule uses layers {sorted(untrained)} in phase {number} (of "
                f"depth={phase.depth}) that no phase has trained; add one that "
                "does before it."
            )
    return plan


def check_widths(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return hidden widths as a tuple of ints; one int is one layer."""
    sizes: Sequence[Any] = (
        [hidden_layer_sizes]
        if np.ndim(hidden_layer_sizes) == 0
        else list(hidden_layer_sizes)
    )
    whole = [
        isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1
        for size in sizes
    ]
    if not sizes or not all(whole):
        raise ValueError(
            f"hidden_layer_sizes={hidden_layer_sizes!r} must be ints of at least 1, "
            "one per hidden layer from the bottom up, for example (128, 64)."
        )
    return tuple(int(size) for size in sizes)


def check_output(estimator: Any) -> Output:
    """The kind of output, which may have been set after the fit."""
    if estimator.output not in OUTPUTS:
        raise ValueError(
            f"output={estimator.output!r} must be one of {sorted(OUTPUTS)}; set it "
            "with set_params, no new fit is needed."
        )
    return OUTPUTS[estimator.output]


def batch_rows(batch_size: Any, n_rows: int) -> int:
    """Rows per step; 'auto' is the power of two nearest to n_rows / 64, in limits."""
    if batch_size == "auto":
        batch_size = np.clip(2 ** np.round(np.log2(n_rows / 64)), 32, 256)
    return int(min(batch_size, n_rows))


def check_rows(rows: TrainingRows, *, at_least: int) -> None:
    """Enough rows to learn from."""
    n_rows = len(rows.repeated[0])
    if n_rows < at_least:
        raise ValueError(
            f"X has n_samples={n_rows} with a value and a weight above 0, and "
            f"training needs at least {at_least}; add rows."
        )


def needs_held_out(estimator: Any) -> str:
    """Return the setting that needs held-out rows in `fit`, or an empty text."""
    if estimator.early_stopping:
        return "early_stopping=True"
    schedule = estimator.schedule
    phases = schedule if isinstance(schedule, list | tuple) else ()
    allocation = getattr(schedule, "epoch_allocation", None)
    passes_on = any(getattr(phase, "passes_on", False) for phase in phases)
    if passes_on or (isinstance(allocation, str) and allocation == "auto"):
        return "epoch_allocation='auto'"
    return ""


def check_held_out(estimator: Any, rows: TrainingRows) -> None:
    """Enough different rows to hold some out and train on others."""
    fraction, setting = estimator.validation_fraction, needs_held_out(estimator)
    if not setting or hasattr(fraction, "get_n_splits"):
        return
    if fraction is None:
        raise ValueError(
            f"validation_fraction=None holds no rows out, and {setting} needs "
            f"some; set a fraction such as 0.1, or omit {setting}."
        )
    n_different = len(np.unique(rows.groups))
    held_out = max(1, round(fraction * n_different))
    if held_out >= n_different:
        raise ValueError(
            f"validation_fraction={fraction} of {n_different} different rows leaves "
            f"none to train on; lower it or omit {setting}."
        )


def check_nothing_held_out(estimator: Any) -> None:
    """Refuse settings that need held-out rows in a fit that has none."""
    if setting := needs_held_out(estimator):
        raise ValueError(
            f"{setting} needs rows that are held out, and a stream holds none out; use "
            f"fit, or omit {setting}."
        )


def check_batches(estimator: Any, batches: Any, sample_size: Any) -> None:
    """A stream that can be read again, from its first batch on."""
    check_nothing_held_out(estimator)
    if not isinstance(sample_size, Integral) or sample_size < 2:
        raise ValueError(
            f"sample_size={sample_size!r} must be an int of at least 2, the rows "
            "that the scaling is learned from."
        )
    if is_dataframe(batches) or isinstance(batches, np.ndarray):
        raise ValueError(
            "batches must be an iterable of tables, and is one table; pass it to "
            "fit, or [X] for a stream of one batch."
        )
    if isinstance(batches, str | PathLike):
        raise ValueError(
            f"batches={batches!r} must be an iterable of tables, and is a path; pass "
            "skdae.datasets.ParquetBatches(path)."
        )
    if iter(batches) is batches:
        raise ValueError(
            "batches can be iterated over only once and must be read once per "
            "epoch; pass a list, skdae.datasets.ParquetBatches or an object whose "
            "__iter__ starts again."
        )
    if hasattr(batches, "rewind"):
        batches.rewind()


def check_stream(
    estimator: Any, parameters: ResolvedParameters, state: StreamState | None
) -> None:
    """A network that can be used after every batch, and the schedule it began with."""
    if state is not None and state.plan not in (parameters.plan, parameters.plan[-1:]):
        raise ValueError(
            f"schedule={estimator.schedule!r}, with max_iter and what else shapes it, "
            "must stay what it was at the first batch; use a fresh estimator for "
            "another one."
        )
    on_code = any(phase.corrupt == "code" for phase in parameters.plan)
    if estimator.decoder == "direct" and on_code:
        raise ValueError(
            f"decoder='direct' with schedule={estimator.schedule!r} has no decoder "
            "until its last phase and cannot be trained on a stream; use "
            "decoder='mirror', or fit."
        )


def check_noise(estimator: Any, noise: Noise, encoder: TableEncoder) -> None:
    """Parameters of the noise that fit the table."""
    try:
        noise.check(encoder.n_columns)
    except ValueError as error:
        if isinstance(estimator.noise, Noise):
            raise
        raise ValueError(
            f"noise_rate={estimator.noise_rate!r} does not suit "
            f"noise={estimator.noise!r}: {error}"
        ) from error


def warn_of_empty_columns(estimator: Any, encoder: TableEncoder) -> None:
    """Warn of columns without a value."""
    if encoder.has_values.all():
        return
    empty = np.flatnonzero(~encoder.has_values)
    names = getattr(estimator, "feature_names_in_", None)
    which = [str(name) for name in (empty if names is None else names[empty])]
    warnings.warn(
        f"Columns {which} of X hold no value in the training rows; they take "
        "no part and stay missing in what is rebuilt. Drop them to be rid of "
        "this warning.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )


def _decoder_name(shape: Shape) -> str:
    """Return the value of the parameter `decoder` that a shape comes from."""
    return "tied" if shape.tied else shape.decoder


def check_continues(estimator: Any, before: Shape, shape: Shape) -> None:
    """The network of the last fit is of the shape that is asked for."""
    asked = {
        "hidden_layer_sizes": (before.widths[1:], shape.widths[1:]),
        "decoder": (_decoder_name(before), _decoder_name(shape)),
        "activation": (before.activation, shape.activation),
        "loss": (before.head.loss, shape.head.loss),
        "scaling": (estimator.table_encoder_.scaling, estimator.scaling),
    }
    for name, (old, new) in asked.items():
        if old != new:
            raise ValueError(
                f"{name}={new!r} must stay {old!r} while the network of the last "
                "fit is trained on; use a fresh estimator, or call fit again with "
                "warm_start=False."
            )


def _loss_of(estimator: Any, encoder: TableEncoder) -> str:
    """The loss of the numeric columns, 'auto' resolved by the data's range."""
    n_numeric = len(encoder.numeric)
    low = encoder.layout.low[:n_numeric]
    high = encoder.layout.high[:n_numeric]
    outside = (low < -1e-6) | (high > 1 + 1e-6)
    in_range = estimator.scaling in ("minmax", None) and not outside.any()
    if estimator.loss == "auto":
        fits = in_range and estimator.activation == "logistic"
        return "cross_entropy" if fits else "squared_error"
    if estimator.loss == "cross_entropy" and not in_range:
        where = (
            f"scaling={estimator.scaling!r} does not give that"
            if estimator.scaling in ("standard", "quantile")
            else f"column {encoder.numeric[outside.argmax()]} has values in "
            f"[{low[outside.argmax()]:g}, {high[outside.argmax()]:g}]"
        )
        raise ValueError(
            f"loss='cross_entropy' needs data in [0, 1], and {where}; set "
            "scaling='minmax' or loss='squared_error'."
        )
    return estimator.loss


def network_shape(
    estimator: Any, parameters: ResolvedParameters, encoder: TableEncoder
) -> Shape:
    """Return widths and wiring of the network for these columns."""
    check_noise(estimator, parameters.noise, encoder)
    head = encoder.head(_loss_of(estimator, encoder))
    widths = (head.n_features, *parameters.widths)
    return Shape(
        widths,
        "direct" if estimator.decoder == "direct" else "mirror",
        estimator.decoder == "tied",
        estimator.activation,
        head,
    )


def training_settings(estimator: Any, n_rows: int) -> Any:
    """Return how to optimise a network on so many rows, as `Settings` of the core."""
    from skdae._core.training import Settings

    return Settings(
        solver=estimator.solver,
        learning_rate_init=estimator.learning_rate_init,
        momentum=estimator.momentum,
        alpha=estimator.alpha,
        batch_size=batch_rows(estimator.batch_size, n_rows),
        emphasis=make_noise(estimator.noise, estimator.noise_rate).emphasis,
        n_iter_no_change=estimator.n_iter_no_change,
        tol=estimator.tol,
        device=estimator.device,
        n_threads=estimator.n_threads,
        dtype=estimator.dtype,
    )
