"""Training schedules as data: what is trained when, and what it costs.

A schedule is a tuple of :class:`Phase`. Nothing here trains anything: a plan can be
printed, tested and costed before the first weight moves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any

import numpy as np

__all__ = [
    "SCHEDULES",
    "Frozen",
    "Gradual",
    "Hybrid",
    "Joint",
    "Phase",
    "Schedule",
    "Stacked",
    "as_schedule",
    "at_equal_updates",
    "describe",
    "fine_tuning",
    "frozen",
    "gradual",
    "hybrid",
    "joint",
    "stacked",
    "total_cost",
    "total_epochs",
]


STARTS = ("random", "copy")


def _is_count(value: object) -> bool:
    """Whether a value is an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return bool(value >= 1)


def _is_share(value: object) -> bool:
    """Whether a value is a number in [0, 1]."""
    return isinstance(value, Real) and 0 <= float(value) <= 1


@dataclass(frozen=True)
class Phase:
    """One step of a schedule: which layers learn, from what, and for how long.

    Parameters
    ----------
    depth : int
        Number of encoder layers in use, counted from the input; at least 1.
    epochs : int
        Passes over the training rows; at least 1.
    rates : tuple of float, length `depth`
        Learning-rate factor of each layer (the encoder layer with its part of the
        decoder), from the bottom up. 0 freezes a layer, 1 is the full rate.
    corrupt : {'input', 'code'}, default='input'
        Where the noise goes in and what is rebuilt: the input row, or the code of
        the layer below the top one. With 'code' only the top layer learns.
    output_rate : float or None, default=None
        Learning-rate factor of an output layer that stands on the top code alone (a
        'direct' decoder, or what predicts a target); None is the top layer's.
    kind : str, default='custom'
        A label for people ('gradual', 'stacked', 'tuning', ...); it changes nothing.
    start : {'random', 'copy'}, default='random'
        First weights of layers that no earlier phase has trained. 'copy': an added
        layer repeats the units below from which the others are best predicted, and its
        decoder is the regression of the codes below on them, so that the network goes
        on from what it has learned.
    passes_on : bool, default=False
        Whether the phase ends as soon as further epochs would gain little on held-out
        rows, and passes on what is left of its epochs to the next phase.

    References
    ----------
    T. Chen, I. Goodfellow and J. Shlens, "Net2Net: Accelerating learning via
    knowledge transfer", 2016 (growth that preserves the function of the network).

    Examples
    --------
    >>> from skdae.schedules import Phase
    >>> phase = Phase(depth=2, epochs=30, rates=(1.0, 1.0))
    >>> phase.cost
    60
    """

    depth: int
    epochs: int
    rates: tuple[float, ...]
    corrupt: str = "input"
    output_rate: float | None = None
    kind: str = field(default="custom", compare=False)
    start: str = "random"
    passes_on: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", tuple(self.rates))
        for name, is_wrong, rule in self._rules():
            if is_wrong:
                value = f"{name}={getattr(self, name)!r}"
                raise ValueError(f"{value} of a Phase {rule}")

    def _rules(self) -> Iterator[tuple[str, bool, str]]:
        """Yield parameters, whether they are wrong, and rules that rely on the last."""
        n, rates, output_rate = self.depth, self.rates, self.output_rate
        text = "must be an int of at least 1; leave a phase of no length out."
        yield "depth", not _is_count(n), text
        yield "epochs", not _is_count(self.epochs), text
        text = f"must hold one factor per layer (depth={n}); give {n} of them."
        yield "rates", len(rates) != n, text
        text = "must lie in [0, 1]; scale learning_rate_init to train faster."
        yield "rates", not all(map(_is_share, rates)), text
        has_output_rate = output_rate is not None
        is_wrong = has_output_rate and not _is_share(output_rate)
        yield "output_rate", is_wrong, f"must be None or {text[5:]}"
        is_on_code = self.corrupt == "code"
        text = "needs corrupt='input': codes have no output layer; leave it out."
        yield "output_rate", has_output_rate and is_on_code, text
        text = "train nothing; give at least one layer a factor above 0."
        yield "rates", not any(rates) and not output_rate, text
        is_known = self.corrupt in ("input", "code")
        yield "corrupt", not is_known, "must be 'input' or 'code'."
        yield "start", self.start not in STARTS, f"must be one of {list(STARTS)}."
        text = "needs depth to be at least 2: below it is the input; use 'input'."
        yield "corrupt", is_on_code and n == 1, text
        text = "must be 0 below the top layer for corrupt='code', which is frozen."
        yield "rates", is_on_code and any(rates[:-1]), text

    def rate_of(self, role: str, depth: int) -> float:
        """Learning-rate factor of a layer of the network.

        Parameters
        ----------
        role : {'encoder', 'decoder', 'output'}
            What the layer does. A decoder layer learns as its encoder layer does.
        depth : int
            Number of the encoder layer that it is, undoes, or stands on.

        Returns
        -------
        float
            0 for a frozen layer.
        """
        if role == "output" and self.output_rate is not None:
            return self.output_rate
        return self.rates[depth - 1]

    @property
    def n_updated(self) -> int:
        """Number of layers whose weights change.

        An encoder layer counts with its decoder, an output layer with a rate of its
        own by itself.
        """
        return sum(rate > 0 for rate in (*self.rates, self.output_rate or 0))

    @property
    def cost(self) -> int:
        """Weight updates in layer-epochs: epochs times the layers updated."""
        return self.epochs * self.n_updated


def total_epochs(phases: Sequence[Phase]) -> int:
    """Epochs of a whole schedule, over all its phases.

    Parameters
    ----------
    phases : sequence of Phase
        The schedule.

    Returns
    -------
    int
        Passes over the training rows.
    """
    return sum(phase.epochs for phase in phases)


def total_cost(phases: Sequence[Phase]) -> int:
    """Weight updates of a whole schedule, in layer-epochs.

    The papers compare schedules at equal weight updates: n epochs that update two
    layers cost as much as 2n epochs that update one.

    Parameters
    ----------
    phases : sequence of Phase
        The schedule.

    Returns
    -------
    int
        Sum of epochs times updated layers.
    """
    return sum(phase.cost for phase in phases)


def _shares(epoch_allocation: str | Sequence[float], n_stages: int) -> np.ndarray:
    """Shares of the budget per stage, summing to one; of 'auto' the largest ones."""
    if isinstance(epoch_allocation, str):
        if epoch_allocation not in ("equal", "auto"):
            raise ValueError(
                f"epoch_allocation={epoch_allocation!r} must be 'equal', 'auto' or a "
                f"sequence of {n_stages} shares, one per layer that is added."
            )
        return np.full(n_stages, 1 / n_stages)
    try:
        shares = np.asarray(epoch_allocation, dtype=float)
    except (TypeError, ValueError):
        shares = np.zeros(0)
    if shares.shape != (n_stages,) or not np.all(np.isfinite(shares) & (shares > 0)):
        raise ValueError(
            f"epoch_allocation={epoch_allocation!r} must hold {n_stages} shares above "
            "0, one per layer that is added; use 'equal' to split evenly."
        )
    return shares / shares.sum()


def _allocate(n_epochs: int, shares: np.ndarray) -> list[int]:
    """Whole epochs per stage: at least one each, the rest by largest remainder."""
    spare = n_epochs - len(shares)
    wanted = np.maximum(shares * n_epochs - 1, 0)
    wanted = wanted * (spare / wanted.sum()) if wanted.sum() > 0 else wanted
    whole = np.floor(wanted + 1e-9).astype(int)
    short = spare - int(whole.sum())
    largest = np.argsort(-(wanted - whole), kind="stable")
    whole[largest[:short]] += 1
    return [int(epochs) + 1 for epochs in whole]


def _budget(
    n_layers: int, max_iter: int, n_stages: int, tuning_fraction: float
) -> tuple[int, int]:
    """Epochs for the stages and for the tuning phase, checked."""
    for name, value in (("n_layers", n_layers), ("max_iter", max_iter)):
        if not _is_count(value):
            raise ValueError(f"{name}={value!r} must be an int of at least 1.")
    if not 0 <= tuning_fraction < 1:
        raise ValueError(
            f"tuning_fraction={tuning_fraction!r} must lie in [0, 1); it is the share "
            "of max_iter spent on a last phase that trains all layers."
        )
    tuning = round(max_iter * tuning_fraction)
    if tuning_fraction > 0:
        tuning = max(tuning, 1)
    if max_iter - tuning < n_stages:
        stages = "hidden layers" if n_stages == n_layers else "phases"
        beside = f" plus {tuning} for tuning" if tuning else ""
        raise ValueError(
            f"max_iter={max_iter} must be at least the number of {stages} "
            f"({n_stages}){beside}; raise max_iter or drop a layer."
        )
    return max_iter - tuning, tuning


def _joint_phase(n_layers: int, epochs: int, kind: str) -> tuple[Phase, ...]:
    """All layers together, or no phase at all for no epochs."""
    return (Phase(n_layers, epochs, (1.0,) * n_layers, kind=kind),) if epochs else ()


def _gradual_phase(depth: int, epochs: int, lower_layer_rate: float) -> Phase:
    """The newest layer at the full rate, those below at their share of it."""
    rates = (float(lower_layer_rate),) * (depth - 1) + (1.0,)
    return Phase(depth, epochs, rates, kind="gradual")


def _frozen_phase(depth: int, epochs: int) -> Phase:
    """The newest layer alone, with noise and loss on the input."""
    return replace(_gradual_phase(depth, epochs, 0.0), kind="frozen")


def _stacked_phase(depth: int, epochs: int) -> Phase:
    """The newest layer alone, with noise and loss on the code it is given."""
    corrupt = "input" if depth == 1 else "code"
    return replace(_frozen_phase(depth, epochs), corrupt=corrupt, kind="stacked")


def _starting(phases: tuple[Phase, ...], start: str) -> tuple[Phase, ...]:
    """The phases with the first weights of the layers that they add."""
    return tuple(replace(p, start=start) if p.depth > 1 else p for p in phases)


def gradual(
    n_layers: int,
    max_iter: int,
    *,
    epoch_allocation: str | Sequence[float] = "equal",
    lower_layer_rate: float = 1.0,
    tuning_fraction: float = 0.0,
) -> tuple[Phase, ...]:
    """Add layers one by one while the layers below keep learning.

    Parameters
    ----------
    n_layers : int
        Number of hidden layers.
    max_iter : int
        Epochs in total, over all phases.
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    lower_layer_rate : float in [0, 1], default=1.0
        Learning-rate factor of the layers below the newest.
    tuning_fraction : float in [0, 1), default=0.0
        Share of `max_iter` for a last phase that trains all layers.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    References
    ----------
    A. Kalmanovich and G. Chechik, "Gradual training of deep denoising auto
    encoders", 2014.

    Examples
    --------
    >>> from skdae.schedules import describe, gradual
    >>> print(describe(gradual(2, 60)))
    phase  kind      depth  epochs  rates    noise on  updates
        1  gradual       1      30  1        input          30
        2  gradual       2      30  1 1      input          60
    total                       60                          90
    """
    return Gradual(lower_layer_rate, epoch_allocation, tuning_fraction).plan(
        n_layers, max_iter
    )


def stacked(
    n_layers: int,
    max_iter: int,
    *,
    epoch_allocation: str | Sequence[float] = "equal",
    tuning_fraction: float = 0.0,
) -> tuple[Phase, ...]:
    """Train each layer on the corrupted codes of the frozen layers below.

    Parameters
    ----------
    n_layers : int
        Number of hidden layers.
    max_iter : int
        Epochs in total, over all phases.
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    tuning_fraction : float in [0, 1), default=0.0
        Share of `max_iter` for a last phase that trains all layers.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    References
    ----------
    P. Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> from skdae.schedules import stacked
    >>> [phase.corrupt for phase in stacked(2, 60)]
    ['input', 'code']
    """
    return Stacked(epoch_allocation, tuning_fraction).plan(n_layers, max_iter)


def frozen(
    n_layers: int,
    max_iter: int,
    *,
    epoch_allocation: str | Sequence[float] = "equal",
    tuning_fraction: float = 0.0,
) -> tuple[Phase, ...]:
    """Train each layer on the corrupted input with the layers below frozen.

    The control of the gradual papers: it differs from :func:`gradual` in nothing but
    the frozen layers, so it shows what keeping them adapting is worth.

    Parameters
    ----------
    n_layers : int
        Number of hidden layers.
    max_iter : int
        Epochs in total, over all phases.
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    tuning_fraction : float in [0, 1), default=0.0
        Share of `max_iter` for a last phase that trains all layers.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    Examples
    --------
    >>> from skdae.schedules import frozen
    >>> [phase.rates for phase in frozen(2, 60)]
    [(1.0,), (0.0, 1.0)]
    """
    return Frozen(epoch_allocation, tuning_fraction).plan(n_layers, max_iter)


def hybrid(
    n_layers: int,
    max_iter: int,
    *,
    stacked_fraction: float = 0.5,
    epoch_allocation: str | Sequence[float] = "equal",
    lower_layer_rate: float = 1.0,
    tuning_fraction: float = 0.0,
) -> tuple[Phase, ...]:
    """Train each new layer stacked-style first, then gradually.

    Parameters
    ----------
    n_layers : int
        Number of hidden layers.
    max_iter : int
        Epochs in total, over all phases.
    stacked_fraction : float in [0, 1], default=0.5
        Share of the weight updates of a new layer's stage that are stacked-style, to
        the nearest whole epoch. 0 is :func:`gradual`, 1 is :func:`stacked`.
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    lower_layer_rate : float in [0, 1], default=1.0
        Learning-rate factor of the layers below the newest in the gradual part.
    tuning_fraction : float in [0, 1), default=0.0
        Share of `max_iter` for a last phase that trains all layers.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    Examples
    --------
    >>> from skdae.schedules import hybrid
    >>> [(phase.kind, phase.cost) for phase in hybrid(2, 60, stacked_fraction=0.5)]
    [('gradual', 30), ('stacked', 20), ('gradual', 20)]
    """
    return Hybrid(
        stacked_fraction, lower_layer_rate, epoch_allocation, tuning_fraction
    ).plan(n_layers, max_iter)


def joint(
    n_layers: int, max_iter: int, *, tuning_fraction: float = 0.0
) -> tuple[Phase, ...]:
    """Train all layers together from a random start, without growing.

    Parameters
    ----------
    n_layers : int
        Number of hidden layers.
    max_iter : int
        Epochs in total, over all phases.
    tuning_fraction : float in [0, 1), default=0.0
        Share of `max_iter` for a last phase on all layers, with a fresh optimiser.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    Examples
    --------
    >>> from skdae.schedules import joint
    >>> joint(2, 45)[0].cost
    90
    """
    return Joint(tuning_fraction).plan(n_layers, max_iter)


UNFREEZINGS = ("gradual", "joint")


def fine_tuning(
    n_layers: int,
    max_iter: int,
    *,
    encoder_rate: float = 1.0,
    unfreezing: str = "joint",
) -> tuple[Phase, ...]:
    """Train a new output layer on labels, and the pretrained encoder with it.

    Parameters
    ----------
    n_layers : int
        Number of hidden layers.
    max_iter : int
        Epochs in total, over all phases.
    encoder_rate : float in [0, 1], default=1.0
        Learning-rate factor of the encoder's layers. 0 leaves them as they are: the
        output layer is a linear model of the code.
    unfreezing : {'joint', 'gradual'}, default='joint'
        'joint': all layers learn from the start. 'gradual', the mirror of gradual
        training: first the output layer alone, then the layers below join it one by
        one from the top down, each for an equal share of the epochs.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    References
    ----------
    J. Howard and S. Ruder, "Universal language model fine-tuning for text
    classification", 2018 (gradual unfreezing).

    Examples
    --------
    >>> from skdae.schedules import fine_tuning
    >>> [phase.rates for phase in fine_tuning(2, 60, unfreezing="gradual")]
    [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    """
    if not _is_share(encoder_rate):
        raise ValueError(
            f"encoder_rate={encoder_rate!r} must be a number in [0, 1]; 0 leaves the "
            "encoder as it is, 1 trains it like the output layer."
        )
    if unfreezing not in UNFREEZINGS:
        raise ValueError(
            f"unfreezing={unfreezing!r} must be one of {list(UNFREEZINGS)}; 'joint' "
            "trains all layers from the start."
        )
    stages = [  # from the top down
        (0.0,) * (n_layers - n_free) + (float(encoder_rate),) * n_free
        for n_free in range(n_layers + 1)
    ]
    if unfreezing == "joint" or encoder_rate == 0:
        stages = stages[-1:]
    _budget(n_layers, max_iter, len(stages), 0)
    epochs = _allocate(max_iter, _shares("equal", len(stages)))
    return tuple(
        Phase(n_layers, n, rates, output_rate=1.0, kind="fine-tuning")
        for n, rates in zip(epochs, stages, strict=True)
    )


# --- schedules as objects -------------------------------------------------------------


class Schedule:
    """Base class of the schedules: what is trained when, for any number of layers.

    A schedule can be cloned, compared and searched over as scikit-learn's estimators
    are (``schedule__lower_layer_rate``).
    """

    epoch_allocation: str | Sequence[float]
    tuning_fraction: float
    start: str

    def plan(self, n_layers: int, max_iter: int) -> tuple[Phase, ...]:
        """Return the phases for a network.

        Parameters
        ----------
        n_layers : int
            Number of hidden layers.
        max_iter : int
            Epochs in total, over all phases.

        Returns
        -------
        tuple of Phase
            The plan, in the order it is run.
        """
        self._check()
        shares, tuning_fraction = self.epoch_allocation, self.tuning_fraction
        growing, tuning = _budget(n_layers, max_iter, n_layers, tuning_fraction)
        epochs = _allocate(growing, _shares(shares, n_layers))
        phases: tuple[Phase, ...] = ()
        for depth, n_epochs in enumerate(epochs, 1):
            stage = self._stage(depth, n_epochs)
            passes_on = (
                isinstance(shares, str) and shares == "auto" and depth < n_layers
            )
            phases += tuple(replace(phase, passes_on=passes_on) for phase in stage)
        phases += _joint_phase(n_layers, tuning, "tuning")
        return _starting(phases, self.start)

    def _stage(self, depth: int, n_epochs: int) -> tuple[Phase, ...]:
        """Return the phases that add a layer."""
        raise NotImplementedError(f"{type(self).__name__} must define _stage().")

    def _check(self) -> None:
        """Raise if a share that shapes the stages is out of its range."""
        for name in ("stacked_fraction", "lower_layer_rate"):
            value = getattr(self, name, 1)
            if not _is_share(value):
                raise ValueError(f"{name}={value!r} must be a number in [0, 1].")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Ignored, there for scikit-learn: no parameter has parameters of its own.

        Returns
        -------
        dict
            Values by name.
        """
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]

    def set_params(self, **params: Any) -> "Schedule":
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        Schedule
            This object.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has "
                    f"{sorted(known)}."
                )
            setattr(self, name, value)
        return self


@dataclass
class Gradual(Schedule):
    """Layers are added one by one while the layers below keep learning.

    Parameters
    ----------
    lower_layer_rate : float in [0, 1], default=1.0
        Learning-rate factor of the layers below the newest. 1 is gradual training, 0
        the frozen control.
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    tuning_fraction : float in [0, 1), default=0.0
        Share of the epochs for a last phase that trains all layers ("full tuning").
    start : {'copy', 'random'}, default='copy'
        First weights of an added layer, see :class:`Phase`.

    Examples
    --------
    >>> from skdae.schedules import Gradual
    >>> [phase.rates for phase in Gradual(lower_layer_rate=0.5).plan(2, 60)]
    [(1.0,), (0.5, 1.0)]
    """

    lower_layer_rate: float = 1.0
    epoch_allocation: str | Sequence[float] = "equal"
    tuning_fraction: float = 0.0
    start: str = "copy"

    def _stage(self, depth: int, n_epochs: int) -> tuple[Phase, ...]:
        return (_gradual_phase(depth, n_epochs, self.lower_layer_rate),)


@dataclass
class Hybrid(Schedule):
    """Each new layer is trained stacked-style first, then gradually.

    Parameters
    ----------
    stacked_fraction : float in [0, 1], default=0.5
        Share of the weight updates of a new layer that are stacked-style. 0 equals
        :class:`Gradual`, 1 equals :class:`Stacked`, bit for bit.
    lower_layer_rate : float in [0, 1], default=1.0
        Learning-rate factor of the layers below the newest in the gradual part.
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    tuning_fraction : float in [0, 1), default=0.0
        Share of the epochs for a last phase that trains all layers.
    start : {'copy', 'random'}, default='copy'
        First weights of an added layer, see :class:`Phase`.
    """

    stacked_fraction: float = 0.5
    lower_layer_rate: float = 1.0
    epoch_allocation: str | Sequence[float] = "equal"
    tuning_fraction: float = 0.0
    start: str = "copy"

    def _stage(self, depth: int, n_epochs: int) -> tuple[Phase, ...]:
        last = _gradual_phase(depth, n_epochs, self.lower_layer_rate)
        if depth == 1:  # nothing lies below: both styles are the same
            return (last,)
        # s stacked and g gradual epochs make s and g * depth updates (fewer when the
        # lower layers are frozen): solve s / (s + g * n_updated) = stacked_fraction.
        weighted = self.stacked_fraction * last.n_updated
        n_stacked = round(n_epochs * weighted / (1 - self.stacked_fraction + weighted))
        if n_stacked == 0:
            return (last,)
        first = _stacked_phase(depth, n_stacked)
        if n_stacked == n_epochs:
            return (first,)
        return first, replace(last, epochs=n_epochs - n_stacked)


@dataclass
class Frozen(Schedule):
    """Only the newest layer learns, on corrupted input: the control of the papers.

    Parameters
    ----------
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    tuning_fraction : float in [0, 1), default=0.0
        Share of the epochs for a last phase that trains all layers.
    start : {'copy', 'random'}, default='copy'
        First weights of an added layer, see :class:`Phase`.
    """

    epoch_allocation: str | Sequence[float] = "equal"
    tuning_fraction: float = 0.0
    start: str = "copy"

    def _stage(self, depth: int, n_epochs: int) -> tuple[Phase, ...]:
        return (_frozen_phase(depth, n_epochs),)


@dataclass
class Stacked(Schedule):
    """Only the newest layer learns, on the corrupted codes of the layers below.

    Parameters
    ----------
    epoch_allocation : {'equal', 'auto'} or sequence of float, default='equal'
        Share of the epochs for each added layer, from the bottom up. 'auto': equal
        shares at most; a phase ends when its held-out loss stops paying, and passes on
        the rest of its epochs.
    tuning_fraction : float in [0, 1), default=0.0
        Share of the epochs for a last phase that trains all layers.
    start : {'copy', 'random'}, default='copy'
        First weights of an added layer, see :class:`Phase`.
    """

    epoch_allocation: str | Sequence[float] = "equal"
    tuning_fraction: float = 0.0
    start: str = "copy"

    def _stage(self, depth: int, n_epochs: int) -> tuple[Phase, ...]:
        return (_stacked_phase(depth, n_epochs),)


@dataclass
class Joint(Schedule):
    """All layers learn from the start.

    Parameters
    ----------
    tuning_fraction : float in [0, 1), default=0.0
        Share of the epochs for a last phase on all layers, with a fresh optimiser.
    """

    tuning_fraction: float = 0.0

    def plan(self, n_layers: int, max_iter: int) -> tuple[Phase, ...]:
        """Return the phases for a network.

        Parameters
        ----------
        n_layers : int
            Number of hidden layers.
        max_iter : int
            Epochs in total, over all phases.

        Returns
        -------
        tuple of Phase
            The plan, in the order it is run.
        """
        training, tuning = _budget(n_layers, max_iter, 1, self.tuning_fraction)
        return _joint_phase(n_layers, training, "joint") + _joint_phase(
            n_layers, tuning, "tuning"
        )


#: The schedule that a name stands for, with its defaults.
SCHEDULES: dict[str, type[Schedule]] = {
    "gradual": Gradual,
    "hybrid": Hybrid,
    "frozen": Frozen,
    "stacked": Stacked,
    "joint": Joint,
}


def as_schedule(schedule: str | Schedule) -> Schedule:
    """Return the schedule that a name stands for, or the object itself.

    Parameters
    ----------
    schedule : str or Schedule
        A name of :data:`SCHEDULES`, or an object.

    Returns
    -------
    Schedule
        The object.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if not isinstance(schedule, str) or schedule not in SCHEDULES:
        raise ValueError(
            f"schedule={schedule!r} must be one of {sorted(SCHEDULES)}, an object such "
            "as Gradual(lower_layer_rate=0.5), or a tuple of Phase."
        )
    return SCHEDULES[schedule]()


def at_equal_updates(
    schedule: str | Schedule, reference: Sequence[Phase]
) -> tuple[Phase, ...]:
    """Build a schedule that makes as many weight updates as another one.

    Each added layer gets the updates that `reference` spends on it, in whole epochs
    (to the nearest). Updates of a reference that does not grow layer by layer are
    shared out as gradual training with equal epochs would spend them. Phases of kind
    'tuning' are kept as they are. This is how the papers compare schedules, and what
    a fair comparison in `schedule=` needs.

    Parameters
    ----------
    schedule : str or Schedule
        The schedule to build: a name of :data:`SCHEDULES` or an object, whose
        `epoch_allocation` and `tuning_fraction` are those of `reference` instead.
    reference : sequence of Phase
        The schedule whose weight updates are to be matched.

    Returns
    -------
    tuple of Phase
        The plan, in the order it is run.

    Examples
    --------
    >>> from skdae.schedules import at_equal_updates, gradual, total_cost
    >>> plan = gradual(2, 60)
    >>> other = at_equal_updates("stacked", plan)
    >>> [phase.epochs for phase in other], total_cost(other) == total_cost(plan)
    ([30, 60], True)
    """
    schedule = as_schedule(schedule)
    if not reference:
        raise ValueError("reference must hold at least one Phase; it is empty.")
    tuning = tuple(phase for phase in reference if phase.kind == "tuning")
    growing = [phase for phase in reference if phase.kind != "tuning"]
    n_layers = max(phase.depth for phase in reference)
    if isinstance(schedule, Joint):
        epochs = max(1, round(total_cost(growing) / n_layers))
        return _joint_phase(n_layers, epochs, "joint") + tuning
    schedule._check()
    costs = [
        sum(phase.cost for phase in growing if phase.depth == depth)
        for depth in range(1, n_layers + 1)
    ]
    if 0 in costs:  # it does not grow layer by layer: as gradual training would share
        shares = 2 * np.arange(1, n_layers + 1) / (n_layers * (n_layers + 1))
        costs = [round(share * total_cost(growing)) for share in shares]
    phases: tuple[Phase, ...] = ()
    for depth, updates in enumerate(costs, 1):
        # as many epochs as updates, then as many of those as the updates pay for
        stage = schedule._stage(depth, max(1, updates))
        share = updates / total_cost(stage)
        phases += tuple(
            replace(phase, epochs=max(1, round(phase.epochs * share)))
            for phase in stage
        )
    return _starting(phases, schedule.start) + tuning


def describe(phases: Sequence[Phase]) -> str:
    """Lay a schedule out as a table for people.

    Parameters
    ----------
    phases : sequence of Phase
        The schedule.

    Returns
    -------
    str
        One line per phase and a total; updates are in layer-epochs. The rate of an
        output layer that has one of its own follows after a plus.

    Examples
    --------
    >>> from skdae.schedules import describe, stacked
    >>> print(describe(stacked(2, 10)))
    phase  kind      depth  epochs  rates    noise on  updates
        1  stacked       1       5  1        input           5
        2  stacked       2       5  0 1      code            5
    total                       10                          10
    """
    width = max([8, *(len(phase.kind) for phase in phases)])
    lines = [f"phase  {'kind':{width}}  depth  epochs  rates    noise on  updates"]
    for number, phase in enumerate(phases, 1):
        rates = " ".join(f"{rate:g}" for rate in phase.rates)
        if phase.output_rate is not None:
            rates += f" +{phase.output_rate:g}"
        lines.append(
            f"{number:5d}  {phase.kind:{width}}  {phase.depth:5d}  {phase.epochs:6d}  "
            f"{rates:7s}  {phase.corrupt:8s}  {phase.cost:7d}"
        )
    epochs = f"{total_epochs(phases):{width + 17}d}"
    lines.append(f"total{epochs}{total_cost(phases):28d}")
    return "\n".join(lines)
