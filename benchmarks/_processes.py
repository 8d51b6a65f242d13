"""Simulated processes without a fault: sensors of slow factors, in several regimes.

Training rows and fresh rows are two runs of the same plant. What comes back in a run
(levels of a list, modes, stops) is in both; new levels are not.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.signal import lfilter

N_SENSORS, N_FACTORS = 12, 4
NOISE = 0.2
Plant = dict[str, np.ndarray]  # what its runs share
Run = Callable[[Plant, np.random.Generator, int], np.ndarray]  # (plant, draw, n_rows)


def plant(draw: np.random.Generator) -> Plant:
    """How sensors follow the factors and the operating point, and modes."""
    return {
        "factors": draw.normal(size=(N_FACTORS, N_SENSORS)) / 2,
        "levels": draw.normal(size=(2, N_SENSORS)),
        "modes": 2 * draw.normal(size=(3, N_SENSORS)),
    }


# --- signals -------------------------------------------------------------------------


def autoregressive(
    draw: np.random.Generator, n_rows: int, width: int, phi: float
) -> np.ndarray:
    """Of the first order, with a standard deviation of 1."""
    noise = draw.normal(size=(n_rows, width))
    noise[1:] *= np.sqrt(1 - phi**2)
    return lfilter([1], [1, -phi], noise, axis=0)


def delayed(signal: np.ndarray, n_rows: float) -> np.ndarray:
    """The response of the first order, with a time constant of some rows."""
    keep = np.exp(-1 / n_rows)
    start = [keep * signal[0]]
    return lfilter([1 - keep], [1, -keep], signal, axis=0, zi=start)[0]


def staircase(
    draw: np.random.Generator,
    n_rows: int,
    mean_length: float,
    level: Callable[[], np.ndarray],
) -> np.ndarray:
    """Levels that hold for 5 rows at least."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < n_rows:
        length = max(5, int(draw.exponential(mean_length)))
        parts.append(np.repeat(np.atleast_1d(level())[None], length, axis=0))
    return np.concatenate(parts)[:n_rows]


def turns(draw: np.random.Generator, n_rows: int, lengths: list[float]) -> np.ndarray:
    """Which of several phases a row is in: they take turns, (n_rows,)."""
    parts: list[int] = []
    while len(parts) < n_rows:
        for phase, mean in enumerate(lengths):
            parts += [phase] * max(5, int(draw.exponential(mean)))
    return np.array(parts[:n_rows])


def linear(plant: Plant, draw: np.random.Generator, factors: np.ndarray) -> np.ndarray:
    """Sensors that follow the factors, with noise."""
    signal = factors @ plant["factors"]
    return signal + NOISE * draw.normal(size=signal.shape)


# --- processes -----------------------------------------------------------------------


def curved(
    plant: Plant, draw: np.random.Generator, n_rows: int, phi: float
) -> np.ndarray:
    """Slow factors through a hyperbolic tangent."""
    signal = np.tanh(
        2 * autoregressive(draw, n_rows, N_FACTORS, phi) @ plant["factors"]
    )
    return signal + NOISE * draw.normal(size=signal.shape)


def steps(
    plant: Plant,
    draw: np.random.Generator,
    n_rows: int,
    mean_length: float,
    levels: tuple[float, ...] = (),
    response: float = 0.0,
) -> np.ndarray:
    """Setpoints of a list, or new ones each time, reached at once or slowly."""
    width = 1 if levels else 2

    def level() -> np.ndarray:
        if levels:
            return draw.choice(levels, size=width)
        return 1.5 * draw.normal(size=width)

    setpoint = staircase(draw, n_rows, mean_length, level)
    setpoint = delayed(setpoint, response) if response else setpoint
    factors = autoregressive(draw, n_rows, N_FACTORS, 0.5)
    return linear(plant, draw, factors) + setpoint @ plant["levels"][:width]


def modes(
    plant: Plant,
    draw: np.random.Generator,
    n_rows: int,
    lengths: list[float],
    gains: tuple[float, ...] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Modes with levels and sizes of their own, which take turns."""
    mode = turns(draw, n_rows, lengths)
    factors = autoregressive(draw, n_rows, N_FACTORS, 0.5)
    factors *= np.array(gains)[mode][:, None]
    return linear(plant, draw, factors) + plant["modes"][mode]


def drift(plant: Plant, draw: np.random.Generator, n_rows: int) -> np.ndarray:
    """Two levels that wander for hundreds of rows."""
    factors = autoregressive(draw, n_rows, N_FACTORS, 0.5)
    level = autoregressive(draw, n_rows, 2, 0.995)
    return linear(plant, draw, factors) + level @ plant["levels"]


def cycle(plant: Plant, draw: np.random.Generator, n_rows: int) -> np.ndarray:
    """Days of 144 rows."""
    angle = 2 * np.pi * (np.arange(n_rows) + draw.integers(144)) / 144
    factors = autoregressive(draw, n_rows, N_FACTORS, 0.5)
    day = np.column_stack([np.sin(angle), np.cos(angle)])
    return linear(plant, draw, factors) + day @ plant["levels"]


def stops(plant: Plant, draw: np.random.Generator, n_rows: int) -> np.ndarray:
    """A unit that stops and starts again."""
    is_on = turns(draw, n_rows, [90, 15])[:, None] == 0
    load = delayed(is_on.astype(float), 4)
    factors = autoregressive(draw, n_rows, N_FACTORS, 0.5)
    running = factors @ plant["factors"] + 3 * plant["modes"][0]
    return load * running + NOISE * draw.normal(size=running.shape)


def batches(plant: Plant, draw: np.random.Generator, n_rows: int) -> np.ndarray:
    """Batches of 100 rows: a ramp, and a second phase."""
    age = np.arange(n_rows) % 100 / 100
    factors = autoregressive(draw, n_rows, N_FACTORS, 0.5)
    level = np.column_stack([3 * age, 2.0 * (age > 0.5)])
    return linear(plant, draw, factors) + level @ plant["levels"]


PROCESSES: dict[str, Run] = {
    **{f"AR(1) {phi:g}": partial(curved, phi=phi) for phi in (0, 0.5, 0.9, 0.98)},
    "steps in a list of levels": partial(
        steps, mean_length=50, levels=(-2.0, -0.7, 0.7, 2.0)
    ),
    "slow steps": partial(
        steps, mean_length=50, levels=(-2.0, -0.7, 0.7, 2.0), response=10.0
    ),
    "steps to new levels": partial(steps, mean_length=50),
    "modes": partial(modes, lengths=[60, 60, 60]),
    "modes of three sizes": partial(modes, lengths=[60, 60, 60], gains=(0.5, 1.0, 2.0)),
    "a rare mode": partial(modes, lengths=[110, 15]),
    "slow drift": drift,
    "days": cycle,
    "starts and stops": stops,
    "batches": batches,
}


def runs(
    name: str, seed: int, n_train: int, n_fresh: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and fresh rows of the same plant."""
    draw = np.random.default_rng([2_026, list(PROCESSES).index(name), seed])
    shared = plant(draw)
    train, fresh = (PROCESSES[name](shared, draw, n) for n in (n_train, n_fresh))
    return train, fresh
