"""Faults injected into rows of sensors, of a size that can be found by a rule.

The unit of a fault is the standard deviation of the sensor given the others, when as
many of these are missing as could be mistaken for it: with k faulty sensors, the
``2 k - 1`` most related ones. Two sensors that measure the same are an example: a
difference between them does not show which of both is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skdae._gaussian import Gaussian, fit_gaussian

SIZE = 6.0  # units, at least, of a fault that counts; twice a limit of three sigma
N_ROWS = 20  # that a fault lasts
N_BEFORE = 5  # rows without a fault before them

# (true values, unit, values of the training rows, another sensor in the same scale)
Shape = Callable[
    [np.ndarray, float, np.ndarray, np.ndarray, np.random.Generator], np.ndarray
]


def _sign(rng: np.random.Generator, size: int | None = None) -> np.ndarray | int:
    return rng.choice([-1, 1], size)


def _spikes(x, unit, known, other, rng):
    found = x.copy()
    found[::5] += _sign(rng, len(found[::5])) * SIZE * unit
    return found


SHAPES: dict[str, Shape] = {
    "bias": lambda x, u, known, o, rng: x + _sign(rng) * SIZE * u,
    "drift": lambda x, u, known, o, rng: (
        x + _sign(rng) * 2 * SIZE * u * np.linspace(0, 1, len(x))
    ),
    "stuck": lambda x, u, known, o, rng: np.full(len(x), rng.choice(known)),
    "spikes": _spikes,
    "scale": lambda x, u, known, o, rng: 2 * x - known.mean(),
    "noise": lambda x, u, known, o, rng: x + rng.normal(size=len(x)) * SIZE * u,
    "swapped": lambda x, u, known, o, rng: o,
    "broken correlation": lambda x, u, known, o, rng: rng.choice(known, len(x)),
}


@dataclass(frozen=True)
class Fault:
    """Consecutive rows, with a fault in the later ones."""

    rows: np.ndarray  # (N_BEFORE + N_ROWS, n_columns)
    sensors: np.ndarray  # the faulty ones
    is_found: np.ndarray  # (n,) rows in which each of them is far from its true value


def units(model: Gaussian, n_missing: int) -> np.ndarray:
    """Standard deviation of each column given the others but the most related ones."""
    found = np.empty(len(model.mean))
    for column in range(len(found)):
        precision = model.precision.copy()
        for _ in range(min(n_missing, len(found) - 1)):
            diagonal = np.maximum(np.diag(precision), 1e-300)
            related = precision[column] ** 2 / diagonal
            related[column] = -1
            worst = related.argmax()
            row = precision[worst].copy()
            precision -= np.outer(row, row) / row[worst]
            precision[worst] = precision[:, worst] = 0
        found[column] = 1 / np.sqrt(precision[column, column])
    return found


def make_faults(
    train: np.ndarray,
    test: list[np.ndarray],
    shape: str,
    n_sensors: int,
    n_missing: int,
    n_faults: int,
    rng: np.random.Generator,
) -> list[Fault]:
    """Faults of random sensors in random places of the test runs, those large enough.

    A sensor that is swapped shows another one's signal in its own scale.
    """
    mean, spread = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
    unit = units(fit_gaussian(train, np.isnan(train)), n_missing)
    varying = np.flatnonzero(spread > 0)
    length = N_BEFORE + N_ROWS
    runs = [run for run in test if len(run) >= length]
    found = []
    for _ in range(n_faults):
        run = runs[rng.integers(len(runs))]
        start = rng.integers(len(run) - length + 1)
        clean = run[start : start + length]
        rows, pair = clean.copy(), rng.permutation(varying)[:2]
        for sensor, other in zip(pair[:n_sensors], pair[::-1], strict=False):
            known = train[~np.isnan(train[:, sensor]), sensor]
            signal = (clean[N_BEFORE:, other] - mean[other]) / spread[other]
            rows[N_BEFORE:, sensor] = SHAPES[shape](
                clean[N_BEFORE:, sensor],
                unit[sensor],
                known,
                mean[sensor] + spread[sensor] * signal,
                rng,
            )
        rows[np.isnan(clean)] = np.nan
        sensors = pair[:n_sensors]
        size = np.abs(rows - clean)[:, sensors] / unit[sensors]
        is_found = (size >= SIZE * (1 - 1e-9)).all(axis=1)
        if is_found.any():
            found.append(Fault(rows, sensors, is_found))
    return found


def with_faults(
    X: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows with evenly spread faults of single sensors, and which rows have one.

    Up to `share` of them: small faults do not count.
    """
    rows, is_faulty = X.copy(), np.zeros(len(X), dtype=bool)
    length = N_BEFORE + N_ROWS
    shapes = list(SHAPES)
    for start in np.linspace(0, len(X) - length, round(share * len(X) / N_ROWS)):
        place = slice(int(start), int(start) + length)
        shape = shapes[rng.integers(len(shapes))]
        for fault in make_faults(X, [X[place]], shape, 1, 1, 1, rng):
            rows[place], is_faulty[place] = fault.rows, fault.is_found
    return rows, is_faulty
