"""What a record is too short for: directions of its rows that move slowly.

A process that wanders for hundreds of rows has been at a few places in a record of
that length, and later rows are where it has not been. Held-out blocks do not show that:
there are training rows before and after each.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae.timeseries import effective_sample_size, time_order

ROWS_PER_AXIS = 25  # with fewer, noise has directions that look slow
MAX_AXES = 20
N_LEADING = 3  # axes that show whether rows are in time order
MIN_VARIANCE = 1e-6  # of an axis, of the largest: less is rounding
# Effective rows of a random walk, which has no independent ones: 4.7 is the median at
# 200, 300 and 1,000 rows alike. With both numbers, three quarters of AR(1) records that
# are worth 1 to 40 rows are taken to be worth that many at most.
RANDOM_WALK_ROWS = 4.5
CAUTION = 0.8
MIN_INDEPENDENT = 2.0  # of a direction, so that it has a spread
# From what a random walk has been at, the next as many rows are as far away as from 4
# independent values: 99 % within 8.2 standard deviations, against 7.5.
NEXT_ROWS = 4.0
# Of the distance of a limit, at most: from there on the rate is not promised. Of 2 and
# 3, on processes like those of benchmarks/false_alarms.py with other seeds.
MAX_STRETCH = 3.0
MAX_RATE = 0.2  # of limits in the tail; those of higher rates stay as they are
RATE_STEP = 1.1  # between the rates that are tried as the one that can be promised
N_DRAWS = 20_000
SEED = 0  # the same draws for every model
N_PARTS = 10  # of consecutive rows, within which the spread of scores is measured
UNIT_QUANTILE = 0.9
BULK = (0.05, 0.95)  # quantiles of half a record, between which it mostly is


@dataclass(frozen=True)
class SlowMovement:
    """How far later rows lie from the rows of a record that has few independent ones.

    By a model of normal rows: their squared distance is a sum of squares, and the part
    of a direction that is worth n independent rows has the distribution of a new value
    over the spread of n others: ``(n + 1) / (n - 1) * t^2`` with ``n - 1`` degrees of
    freedom.
    """

    n_independent: np.ndarray  # (n_directions,) of those whose range is not known
    n_features: int  # of the distance, these directions among them

    @classmethod
    def of(cls, Z: np.ndarray, gap: int, n_features: int) -> "SlowMovement":
        """Learn from encoded rows of a record, (n, width), by steps of `gap` rows."""
        directions = slow_directions(Z, gap)
        n_independent = independent_rows(directions)[~covered_twice(directions)]
        return cls(n_independent, max(n_features, directions.shape[1]))

    def distances(self, n_averaged: float) -> tuple[np.ndarray, np.ndarray]:
        """Return log distances of rows like those seen and of later ones, ascending.

        From the median of the former, in units of its distance to their 90 % quantile.
        `n_averaged` is how many independent rows smoothed scores are a mean of: what
        is slow is the same in all of them.
        """
        draw, n = np.random.default_rng(SEED), self.n_independent
        n_fast = max(1, self.n_features - len(n)) * n_averaged
        fast = draw.chisquare(n_fast, N_DRAWS) / n_averaged
        normal = draw.standard_normal((N_DRAWS, len(n))) ** 2
        spread = draw.chisquare(n - 1, (N_DRAWS, len(n))) / (n - 1)
        later = normal / np.maximum(spread, np.finfo(float).tiny) * (n + 1) / (n - 1)
        logs = np.log(np.stack([fast + each.sum(axis=1) for each in (normal, later)]))
        center, unit = np.quantile(logs[0], [0.5, UNIT_QUANTILE])
        seen, new = np.sort((logs - center) / (unit - center), axis=1)
        return seen, new

    def reach(self, rate: float, n_averaged: float) -> tuple[float, float]:
        """Return the limit of later rows for a rate, and how many rows promise a rate.

        The limit is in the units of `distances`. It is that of rows like those seen,
        stretched by `MAX_STRETCH` at most, where scores are smoothed as for single
        rows, and no farther than the next as many rows of a random walk need. The
        lowest rate that the largest stretch reaches, 1 / (1 + n), is what n rows can
        promise; n is infinite where that is the rate itself.
        """
        seen, new = self.distances(n_averaged)
        n_next = np.maximum(self.n_independent, NEXT_ROWS)
        _, following = replace(self, n_independent=n_next).distances(n_averaged)
        stretch = MAX_STRETCH * np.sqrt(n_averaged)
        n_steps = int(np.log(0.5 / rate) / np.log(RATE_STEP)) if rate < 0.5 else 0
        rates = np.append(rate * RATE_STEP ** np.arange(n_steps + 1), 0.5)
        places = (N_DRAWS * (1 - rates)).astype(int)
        is_reached = new[places] <= np.maximum(stretch * seen[places], 0)
        first = is_reached.argmax() if is_reached.any() else len(rates) - 1
        n_promised = 1 / float(rates[first]) - 1 if first else np.inf
        limit = seen[places[0]]
        reached = float(np.clip(following[places[0]], limit, stretch * limit))
        return reached, n_promised


def moves_together(X: np.ndarray, groups: Any = None) -> bool:
    """Return whether rows, (n, n_columns) numeric, are in time order by their axes.

    The axes of the largest variance average the noise of single columns, which hides
    that 300 rows of an AR(1) process of 0.98 follow each other.
    """
    sizes = np.nanmax(np.abs(X), axis=0, initial=0.0)
    X = X[:, sizes > 0] / sizes[sizes > 0]
    Z = X - np.nanmean(X, axis=0)
    spread = np.sqrt(np.nanmean(Z**2, axis=0))
    Z = np.nan_to_num(Z[:, spread > 0] / spread[spread > 0])
    if not Z.shape[1]:
        return False
    return time_order(principal_axes(Z, N_LEADING), groups).is_ordered


def principal_axes(Z: np.ndarray, n_axes: int) -> np.ndarray:
    """Return rows (n, width) along their axes of the largest variance, (n, k)."""
    deviations = Z - Z.mean(axis=0)
    variances, axes = np.linalg.eigh(deviations.T @ deviations / len(Z))  # ascending
    kept = variances > MIN_VARIANCE * max(variances[-1], np.finfo(float).tiny)
    axes = (axes / np.sqrt(np.where(kept, variances, 1)))[:, kept]
    return deviations @ axes[:, -n_axes:]


def slow_directions(Z: np.ndarray, gap: int) -> np.ndarray:
    """Return rows along directions that change least over a gap, (n, k).

    Among the directions of large variance, in units of their spread: the slowest ones
    are those that few of the rows say anything about (P. Switzer and A. A. Green,
    "Min/max autocorrelation factors for multivariate spatial imagery", 1984).
    """
    axes = principal_axes(Z, max(1, min(MAX_AXES, len(Z) // ROWS_PER_AXIS)))
    gap = min(max(gap, 1), len(Z) - 1)
    steps = axes[gap:] - axes[:-gap]
    return axes @ np.linalg.eigh(steps.T @ steps)[1]


def covered_twice(directions: np.ndarray) -> np.ndarray:
    """Return which directions have one range in both halves of a record, (k,).

    The bulk of each half lies within the other: levels that come back, and cycles.
    """
    first, last = np.array_split(directions, 2)
    is_covered = np.ones(directions.shape[1], bool)
    for half, other in ((first, last), (last, first)):
        low, high = np.quantile(half, BULK, axis=0)
        is_covered &= (other.min(axis=0) <= low) & (high <= other.max(axis=0))
    return is_covered


def independent_rows(directions: np.ndarray) -> np.ndarray:
    """Return how many independent rows directions, (n, k), are taken to be worth."""
    found = CAUTION * effective_sample_size(directions)
    return np.maximum(found - RANDOM_WALK_ROWS, MIN_INDEPENDENT)


def spread_within(scores: np.ndarray) -> tuple[float, float]:
    """Return how scores, (n,) in time order, spread in short parts of the record.

    The distance of the 90 % quantile from the median, and the variance.
    """
    parts = np.array_split(scores, min(N_PARTS, len(scores)))
    quantiles = [np.quantile(part, [0.5, UNIT_QUANTILE]) for part in parts]
    unit = np.median(np.diff(quantiles, axis=1))
    return float(unit), float(np.median([part.var() for part in parts]))
