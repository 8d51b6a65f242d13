"""A simulated plant with known ground truth: sensors, faults and missing cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from sklearn.utils import Bunch

from skdae._random import RandomState, spawn_streams
from skdae._sklearn_compat import Interval

Floats = NDArray[np.float64]

NORMAL = "normal"
ROWS_PER_REGIME = 200  # mean stay in an operating mode
SENSORS_PER_GROUP = 5  # sensors that share one acquisition module
REGIME_SPREAD = 1.5  # set points against the unit spread of the states


@dataclass(frozen=True)
class FaultEvent:
    """One fault or gap in simulated data, to score a detector by events.

    Parameters
    ----------
    kind : str
        Name of the fault, one of those that :func:`make_sensor_data` lists.
    start : int
        First row affected.
    stop : int
        First row after the event.
    sensors : tuple of int
        Columns affected, ascending.
    size : float
        Signed size in standard deviations of the sensor's clean signal; 0 for kinds
        that have none ('stuck', 'dropout', 'missing').

    Examples
    --------
    >>> from skdae.datasets import FaultEvent
    >>> FaultEvent(kind="bias", start=10, stop=50, sensors=(3,), size=2.5)
    FaultEvent(kind='bias', start=10, stop=50, sensors=(3,), size=2.5)
    """

    kind: str
    start: int
    stop: int
    sensors: tuple[int, ...]
    size: float


# --- plant: states, set points, sensor responses


@dataclass(frozen=True)
class _SensorKind:
    """A typical reading in SI units and the response to two drives z, v of std 1."""

    typical: float
    response: Callable[[Floats, Floats], Floats]


_SENSOR_KINDS: dict[str, _SensorKind] = {
    "temperature": _SensorKind(350.0, lambda z, v: np.tanh(1.5 * z)),  # saturates
    "pressure": _SensorKind(5e5, lambda z, v: np.exp(0.7 * z)),
    "flow": _SensorKind(0.02, lambda z, v: z * v),  # pump times valve
    "level": _SensorKind(50.0, lambda z, v: np.abs(z) + 0.5 * v),
    "vibration": _SensorKind(2e-4, lambda z, v: np.square(z)),
    "speed": _SensorKind(1500.0, lambda z, v: np.sin(1.5 * z)),
}


@dataclass(frozen=True)
class _Plant:
    """Ground truth of the simulation."""

    clean: Floats  # (n_samples, n_sensors)
    spread: Floats  # (n_sensors,), standard deviation of clean
    regime: NDArray[np.int64]  # (n_samples,)


def _standardise(values: Floats) -> Floats:
    """Columns with mean 0 and standard deviation 1; a constant column becomes 0."""
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _draw_regime(
    n_samples: int, n_regimes: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Operating mode of each row: geometric stays, then any of the other modes."""
    switches = generator.random(n_samples) < 1 / ROWS_PER_REGIME
    steps = generator.integers(1, max(2, n_regimes), size=n_samples)
    first = generator.integers(n_regimes)
    return (first + np.cumsum(switches * steps)) % n_regimes


def _draw_states(
    set_points: Floats, autocorrelation: float, generator: np.random.Generator
) -> Floats:
    """AR(1) states of unit variance that lag behind their set points."""
    shocks = generator.standard_normal(set_points.shape)
    drive = (1 - autocorrelation) * set_points
    drive += np.sqrt(1 - autocorrelation**2) * shocks
    drive[0] = set_points[0] + shocks[0]  # start in the stationary state
    return lfilter([1.0], [1.0, -autocorrelation], drive, axis=0)


def _draw_loadings(
    n_latent: int, n_sensors: int, generator: np.random.Generator
) -> Floats:
    """One unit vector per sensor: its weights of the states."""
    loadings = generator.standard_normal((n_latent, n_sensors))
    return loadings / np.linalg.norm(loadings, axis=0)


def _simulate_plant(settings: _Settings, generator: np.random.Generator) -> _Plant:
    """Run the plant and read its sensors without noise or faults."""
    n_sensors, n_latent = settings.n_sensors, settings.n_latent
    modes = generator.standard_normal((settings.n_regimes, n_latent)) * REGIME_SPREAD
    kinds = [list(_SENSOR_KINDS.values())[j] for j in _turns(n_sensors)]
    typical = np.array([kind.typical for kind in kinds])
    offset = typical * generator.lognormal(0.0, 0.3, size=n_sensors)
    scale = offset / generator.uniform(4.0, 8.0, size=n_sensors)
    first = _draw_loadings(n_latent, n_sensors, generator)
    second = _draw_loadings(n_latent, n_sensors, generator)

    regime = _draw_regime(settings.n_samples, settings.n_regimes, generator)
    states = _draw_states(modes[regime], settings.autocorrelation, generator)
    z = _standardise(states @ first)  # (n_samples, n_sensors)
    v = _standardise(states @ second)
    curved = np.column_stack(
        [kind.response(z[:, j], v[:, j]) for j, kind in enumerate(kinds)]
    )
    share = settings.nonlinearity
    response = (1 - share) * z + share * _standardise(curved)
    clean = offset + scale * _standardise(response)
    return _Plant(clean=clean, spread=clean.std(axis=0), regime=regime)


def _turns(n_sensors: int) -> list[int]:
    """Number of each sensor's kind: the kinds take turns."""
    return [j % len(_SENSOR_KINDS) for j in range(n_sensors)]


def _name_sensors(n_sensors: int) -> list[str]:
    """Kind and running number: 'temperature_01', 'pressure_02'."""
    kinds, width = list(_SENSOR_KINDS), max(2, len(str(n_sensors)))
    return [f"{kinds[k]}_{j:0{width}d}" for j, k in enumerate(_turns(n_sensors), 1)]


# --- faults: name and effect on a block of readings


@dataclass(frozen=True)
class _Block:
    """The readings an event acts on."""

    readings: Floats  # (rows, sensors), healthy, with measurement noise
    before: Floats  # (sensors,), healthy reading of the row ahead of the event
    shift: Floats  # (sensors,), signed size in the sensors' units


def _ramp(block: _Block) -> Floats:
    """From 0 up to 1 in the last row, (rows, 1)."""
    n_rows = len(block.readings)
    return np.arange(1, n_rows + 1)[:, None] / n_rows


@dataclass(frozen=True)
class _Fault:
    """Effect of a fault, its typical length in rows, and the sensors it affects."""

    act: Callable[[_Block], Any]  # broadcast to the readings
    rows: int
    hits: str  # a key of _HITS
    size: float = 0.0  # multiple of `fault_size`
    labelled: bool = True  # False: a gap, not a fault


_FAULTS: dict[str, _Fault] = {
    "bias": _Fault(lambda block: block.readings + block.shift, 40, "one", size=1.0),
    "drift": _Fault(
        lambda block: block.readings + _ramp(block) * block.shift, 80, "one", size=1.0
    ),
    # frozen at the last healthy reading
    "stuck": _Fault(lambda block: block.before, 40, "one"),
    "spike": _Fault(lambda block: block.readings + block.shift, 1, "one", size=2.0),
    # the transmitter reads the bottom of its range
    "dropout": _Fault(lambda block: 0.0, 15, "group"),
    "missing": _Fault(lambda block: np.nan, 25, "some", labelled=False),
}


def _some(group: NDArray[np.int64], generator: np.random.Generator) -> NDArray:
    """Up to a quarter of the sensors, wherever they are."""
    count = generator.integers(1, max(1, len(group) // 4) + 1)
    return np.sort(generator.choice(len(group), size=count, replace=False))


# the sensors that an event hits, from the acquisition module of each sensor
_HITS: dict[str, Callable[[NDArray[np.int64], np.random.Generator], NDArray]] = {
    "one": lambda group, generator: generator.integers(len(group), size=1),
    "some": _some,
    "group": lambda group, generator: np.flatnonzero(
        group == generator.integers(group.max() + 1)
    ),
}


def _rows_per_kind(
    n_samples: int, faults: Sequence[str], fault_rate: float
) -> dict[str, int]:
    """Whole rows for each kind: the labelled ones share the rate, a gap gets a share.

    The labelled kinds add up to `fault_rate * n_samples`, rounded.
    """
    labelled = [kind for kind in faults if _FAULTS[kind].labelled]
    gaps = [kind for kind in faults if not _FAULTS[kind].labelled]
    total = round(fault_rate * n_samples)
    shares = max(1, len(labelled))
    cuts = np.rint(np.linspace(0, total, shares + 1)).astype(int)
    rows = dict(zip(labelled, np.diff(cuts).tolist(), strict=False))
    free = n_samples - sum(rows.values())
    return rows | {kind: min(free, round(total / shares)) for kind in gaps}


def _draw_lengths(rows: int, typical: int, generator: np.random.Generator) -> list[int]:
    """Lengths of half to one and a half times the typical one that add up to `rows`."""
    lengths: list[int] = []
    while rows > 0:
        drawn = generator.integers(max(1, typical // 2), typical * 3 // 2 + 1)
        lengths.append(min(int(drawn), rows))
        rows -= lengths[-1]
    return lengths


def _draw_events(
    settings: _Settings,
    group: NDArray[np.int64],
    faults: Sequence[str],
    generator: np.random.Generator,
) -> tuple[FaultEvent, ...]:
    """Events in the order of their rows; no two share a row."""
    rows_per_kind = _rows_per_kind(settings.n_samples, faults, settings.fault_rate)
    planned = [
        (kind, length)
        for kind, rows in rows_per_kind.items()
        for length in _draw_lengths(rows, _FAULTS[kind].rows, generator)
    ]
    planned = [planned[i] for i in generator.permutation(len(planned))]
    lengths = np.array([length for _, length in planned], dtype=np.int64)
    healthy = settings.n_samples - int(lengths.sum())
    gaps = np.sort(generator.integers(0, healthy + 1, size=len(planned)))
    starts = gaps + np.cumsum(lengths) - lengths

    events = []
    for (kind, length), start in zip(planned, starts.tolist(), strict=True):
        fault = _FAULTS[kind]
        sensors = _HITS[fault.hits](group, generator)
        sign = generator.choice((-1.0, 1.0))
        size = sign * fault.size * settings.fault_size * generator.uniform(0.75, 1.25)
        size = float(size) if fault.size else 0.0
        hit = tuple(sensors.tolist())
        events.append(FaultEvent(kind, start, start + length, hit, size))
    return tuple(events)


def _record(healthy: Floats, spread: Floats, events: Sequence[FaultEvent]) -> Bunch:
    """The recorded data with its mask and labels: events act on healthy readings."""
    data = healthy.copy()
    mask = np.zeros(healthy.shape, dtype=bool)
    target = np.zeros(len(healthy), dtype=np.int64)
    fault_kind = np.full(len(healthy), NORMAL, dtype=f"<U{max(map(len, _FAULTS))}")
    for event in events:
        rows, sensors = slice(event.start, event.stop), list(event.sensors)
        fault = _FAULTS[event.kind]
        block = _Block(
            readings=healthy[rows, sensors],
            before=healthy[max(event.start - 1, 0), sensors],
            shift=event.size * spread[sensors],
        )
        data[rows, sensors] = fault.act(block)
        mask[rows, sensors] = True
        target[rows] = int(fault.labelled)
        fault_kind[rows] = event.kind
    return Bunch(data=data, mask=mask, target=target, fault_kind=fault_kind)


# --- the arguments


# range of each number, and a value to start from
_RANGES = {
    "n_samples": (Interval(Integral, 2, None, closed="left"), "2000"),
    "n_sensors": (Interval(Integral, 1, None, closed="left"), "20"),
    "n_latent": (Interval(Integral, 1, None, closed="left"), "4"),
    "n_regimes": (Interval(Integral, 1, None, closed="left"), "3"),
    "autocorrelation": (Interval(Real, 0, 1, closed="left"), "0.98, or 0 for none"),
    "nonlinearity": (Interval(Real, 0, 1, closed="both"), "0.5, or 0 for linear"),
    "noise": (Interval(Real, 0, np.inf, closed="left"), "0.1, or 0 for none"),
    "fault_rate": (Interval(Real, 0, 0.5, closed="both"), "0.05, or 0 for none"),
    "fault_size": (Interval(Real, 0, np.inf, closed="neither"), "3.0"),
}


@dataclass(frozen=True)
class _Settings:
    """The numbers that `make_sensor_data` takes, checked."""

    n_samples: int
    n_sensors: int
    n_latent: int
    n_regimes: int
    autocorrelation: float
    nonlinearity: float
    noise: float
    fault_rate: float
    fault_size: float

    def __post_init__(self) -> None:
        for name, (interval, remedy) in _RANGES.items():
            value = getattr(self, name)
            is_number = isinstance(value, interval.type) and not isinstance(value, bool)
            if not is_number or not interval.is_satisfied_by(value):
                error = ValueError if is_number else TypeError
                raise error(f"{name}={value!r} must be {interval}; pass {remedy}.")


def _check_faults(faults: Sequence[str]) -> tuple[str, ...]:
    """Names of the fault table, each once."""
    if isinstance(faults, str):
        raise TypeError(
            f"faults={faults!r} must be a sequence of names; pass ({faults!r},)."
        )
    names = tuple(faults)
    unknown = [name for name in names if name not in _FAULTS]
    if unknown or len(set(names)) < len(names):
        raise ValueError(
            f"faults={names!r} must hold each kind at most once and only kinds of "
            f"{tuple(_FAULTS)}; drop the unknown or repeated ones."
        )
    return names


def _spawn(random_state: RandomState) -> list[np.random.Generator]:
    """Independent generators for the plant, the noise and the faults.

    One of them can then change its parameters and leave the others' draws alone. They
    have seeds of their own, so that a model with the same `random_state` does not
    repeat their draws.
    """
    seeder = spawn_streams(random_state).init
    seeds = seeder.integers(2**32, size=(3, 4), dtype=np.uint32)
    return [np.random.default_rng(seed) for seed in seeds]


_DESCR = """\
Simulated plant
---------------

{n_latent} hidden states follow first-order autoregressions (coefficient
{autocorrelation}) around the set points of {n_regimes} operating mode(s).
{n_sensors} sensors read mixtures of the states through responses that are
{nonlinearity:.0%} nonlinear, in units that differ by orders of magnitude. Measurement
noise has {noise:.0%} of each sensor's standard deviation. Rows are equally spaced in
time and in order. Injected kinds: {kinds}; {n_events} event(s).
"""


def make_sensor_data(
    n_samples: int = 2000,
    *,
    n_sensors: int = 20,
    n_latent: int = 4,
    n_regimes: int = 3,
    autocorrelation: float = 0.98,
    nonlinearity: float = 0.5,
    noise: float = 0.1,
    faults: Sequence[str] = ("bias", "drift", "stuck", "spike", "dropout", "missing"),
    fault_rate: float = 0.05,
    fault_size: float = 3.0,
    as_frame: bool = False,
    random_state: RandomState = None,
) -> Bunch:
    """Simulate the sensors of a plant, with known faults.

    Real plant data has no ground truth: the correct value of a faulty sensor is not
    known. Here the clean signal, the corrupted cells and the faulty rows are returned,
    so that denoising, imputation and detection can be scored exactly.

    A few hidden states follow autoregressive processes around the set points of
    operating modes, which change every 200 rows on average. Each sensor reads two
    mixtures of the states through a nonlinear response of its kind, so the sensors are
    correlated but no linear map explains them fully. Plant, noise and faults draw from
    separate streams: with the same `random_state`, other faults do not change the clean
    signal.

    Parameters
    ----------
    n_samples : int, default=2000
        Rows, in the order of time; at least 2.
    n_sensors : int, default=20
        Columns. Kinds take turns (temperature, pressure, flow, level, vibration,
        speed), and five neighbours share an acquisition module, that is, a group.
    n_latent : int, default=4
        Hidden states that drive all the sensors.
    n_regimes : int, default=3
        Operating modes, each with its own set points.
    autocorrelation : float, default=0.98
        Correlation of a state with itself one row later, in [0, 1).
    nonlinearity : float, default=0.5
        Share of the curved part in a sensor's response, in [0, 1]. With 0 the clean
        data has rank `n_latent`.
    noise : float, default=0.1
        Standard deviation of the measurement noise, as a share of the standard
        deviation of the sensor's clean signal.
    faults : sequence of str, default=('bias', 'drift', 'stuck', 'spike', 'dropout', \
'missing')
        Kinds to inject; an empty sequence for none:

        - 'bias': one sensor is off by a constant, about 40 rows;
        - 'drift': one sensor goes off along a ramp, about 80 rows;
        - 'stuck': one sensor repeats its last healthy reading, about 40 rows (an event
          that opens the series repeats the reading of the first row);
        - 'spike': one sensor jumps for one row, by twice the size;
        - 'dropout': all sensors of a group read 0, about 15 rows;
        - 'missing': up to a quarter of the sensors show NaN, about 25 rows. A gap is
          not a fault: `target` stays 0.
    fault_rate : float, default=0.05
        Share of the rows with a fault, in [0, 0.5]: `target` sums to
        ``round(fault_rate * n_samples)``. The kinds share these rows evenly (the last
        event of a kind is cut to fit); 'missing' gets as many rows as one kind, on top
        (all of that number when it is the only kind). No two events share a row.
    fault_size : float, default=3.0
        Typical size of a bias, a drift's end and half a spike, in standard deviations
        of the sensor's clean signal; an event has 75 % to 125 % of it, either sign.
    as_frame : bool, default=False
        Whether tables are pandas DataFrames and columns of labels pandas Series.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all draws: an int gives the same plant at every call, None another one
        each time. The global random state is never touched.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        data : ndarray or DataFrame of shape (n_samples, n_sensors), float64
            Recorded data, with noise, faults and NaN.
        clean : ndarray or DataFrame of shape (n_samples, n_sensors), float64
            The true signal, without noise, faults or gaps.
        mask : ndarray or DataFrame of shape (n_samples, n_sensors), bool
            True where an event acts on the cell, gaps included. Elsewhere `data` is
            `clean` plus noise.
        missing : ndarray or DataFrame of shape (n_samples, n_sensors), bool
            True where `data` is NaN; a part of `mask`.
        target : ndarray or Series of shape (n_samples,), int64
            1 where a fault is present, 0 elsewhere and at gaps.
        fault_kind : ndarray or Series of shape (n_samples,), str
            Kind of the event in the row, 'missing' included, or 'normal'.
        events : tuple of FaultEvent
            The events in the order of their rows.
        regime : ndarray or Series of shape (n_samples,), int64
            Operating mode of the row, from 0.
        sensor_group : ndarray of shape (n_sensors,), int64
            Acquisition module of the sensor, from 0.
        feature_names : list of str
            Names of the sensors, such as 'temperature_01'.
        frame : DataFrame of shape (n_samples, n_sensors + 1) or None
            `data` and `target`; None unless `as_frame`.
        DESCR : str
            What was simulated.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If a number lies outside its range, a kind of fault is unknown or repeated, or
        `random_state` is none of the above.

    See Also
    --------
    fetch_tennessee_eastman : A simulated chemical plant known from the literature.

    Examples
    --------
    >>> from skdae.datasets import make_sensor_data
    >>> plant = make_sensor_data(1000, n_sensors=6, random_state=0)
    >>> plant.data.shape, plant.feature_names[:2]
    ((1000, 6), ['temperature_01', 'pressure_02'])
    >>> int(plant.target.sum())
    50
    >>> sorted({event.kind for event in plant.events})
    ['bias', 'drift', 'dropout', 'missing', 'spike', 'stuck']
    """
    settings = _Settings(
        n_samples,
        n_sensors,
        n_latent,
        n_regimes,
        autocorrelation,
        nonlinearity,
        noise,
        fault_rate,
        fault_size,
    )
    faults = _check_faults(faults)
    for_plant, for_noise, for_faults = _spawn(random_state)
    plant = _simulate_plant(settings, for_plant)
    shocks = for_noise.standard_normal(plant.clean.shape)
    healthy = plant.clean + noise * plant.spread * shocks
    sensor_group = np.arange(n_sensors) // SENSORS_PER_GROUP
    events = _draw_events(settings, sensor_group, faults, for_faults)
    record = _record(healthy, plant.spread, events)
    kinds = ", ".join(faults) or "none"
    bunch = Bunch(
        **record,
        clean=plant.clean,
        missing=np.isnan(record.data),
        events=events,
        regime=plant.regime,
        sensor_group=sensor_group,
        feature_names=_name_sensors(n_sensors),
        frame=None,
        DESCR=_DESCR.format(**vars(settings), kinds=kinds, n_events=len(events)),
    )
    return _to_frames(bunch) if as_frame else bunch


def _to_frames(bunch: Bunch) -> Bunch:
    """The same bunch with pandas tables and columns, and the joined `frame`."""
    import pandas as pd

    tables = {
        name: pd.DataFrame(bunch[name], columns=bunch.feature_names)
        for name in ("data", "clean", "mask", "missing")
    }
    columns = {
        name: pd.Series(bunch[name], name=name)
        for name in ("target", "fault_kind", "regime")
    }
    frame = pd.concat([tables["data"], columns["target"]], axis=1)
    return Bunch(**(bunch | tables | columns | {"frame": frame}))
