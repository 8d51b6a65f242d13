"""Faults simulated on held-out rows in time order, to choose between scores.

No labels are needed: a sensor that is off by some standard deviations of what the
others leave open is a fault, and the better scores are those that find more of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skdae._gaussian import fit_gaussian
from skdae._outlier._cross_fit import Round, Training
from skdae._outlier._folds import Batch
from skdae._outlier._scores import LINEAR_IN_ORDER, Combination

SIZE = 3.0  # standard deviations of a sensor given the others
N_ROWS = 10  # that a fault is averaged over: lasting faults are those that can be found
N_FAULTS = 100
MIN_SEGMENTS = 10  # of normal rows, whose spread says what can be found
Z_LIMIT = 2.33  # standard deviations of normal averages: 1 % are above
MAX_ROWS = 2_000  # that the sensors' relations are learned from
SEED = 0  # the same faults for every model


@dataclass(frozen=True)
class SimulatedFaults:
    """Scores of normal segments of held-out rows, and of segments with a fault."""

    normal: np.ndarray  # (n_rows, n_scores), NaN for rows that do not count
    faulty: list[np.ndarray]  # (n, n_scores) each

    @classmethod
    def simulate(
        cls,
        fits: Round,
        training: Training,
        is_numeric: np.ndarray,
    ) -> "SimulatedFaults":
        """Shift a numeric sensor of segments of rows, scored by who held them out."""
        batch, fold_of = training.batch, fits.fold_of
        usable = training.inliers & ~np.isnan(fits.scores).any(axis=1)
        normal = np.where(usable[:, None], fits.scores, np.nan)
        sensors, units = _units(batch.rows[usable], is_numeric)
        if not len(sensors):
            return cls(normal, [])
        generator = np.random.default_rng(SEED)
        faulty = []
        starts = np.linspace(0, len(batch) - N_ROWS, N_FAULTS).astype(int)
        for number, start in enumerate(np.maximum(starts, 0)):
            rows = np.arange(start, min(start + N_ROWS, len(batch)))
            fold = fold_of[rows[len(rows) // 2]]
            rows = rows[usable[rows] & (fold_of[rows] == fold)]
            if fold < 0 or not len(rows):
                continue
            sensor = sensors[number % len(sensors)]
            part = batch.take(rows)
            raw = part.raw.copy()
            size = SIZE * generator.choice([-1, 1])
            raw[:, sensor] += size * units[number % len(sensors)]
            shifted = Batch(raw, part.window)
            faulty.append(fits.members[fold].score(training.names, shifted))
        return cls(normal, faulty)

    def detected(self, columns: Sequence[int]) -> float:
        """Return the share of the faults that some of the scores find together."""
        scores = self.normal[:, columns]
        kept = scores[~np.isnan(scores).any(axis=1)]
        n_segments = len(kept) // N_ROWS
        if n_segments < MIN_SEGMENTS or not self.faulty:
            return np.nan
        combination = Combination.learn(kept, is_ordered=True)

        def log_score(rows: np.ndarray) -> np.ndarray:
            return combination.to_log(combination.combine(rows))

        segments = log_score(kept)[: n_segments * N_ROWS].reshape(n_segments, N_ROWS)
        means = segments.mean(axis=1)
        limit = means.mean() + Z_LIMIT * means.std()
        found = [log_score(rows[:, columns]).mean() > limit for rows in self.faulty]
        return float(np.mean(found))


def columns_that_find_more(
    rounds: Sequence[Round], training: Training, is_numeric: np.ndarray
) -> list[int]:
    """Return the scores that find more simulated faults: all, or the linear ones."""
    every = list(range(len(training.names)))
    linear = [training.names.index(name) for name in LINEAR_IN_ORDER]
    faults = [SimulatedFaults.simulate(each, training, is_numeric) for each in rounds]
    found = [
        np.mean([each.detected(some) for each in faults]) for some in (linear, every)
    ]
    return linear if found[0] > found[1] else every


def _units(raw: np.ndarray, is_numeric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numeric columns that vary, and their spreads given the others, (n,)."""
    rows = raw[np.linspace(0, len(raw) - 1, min(len(raw), MAX_ROWS)).astype(int)]
    varies = [len(np.unique(column[~np.isnan(column)])) > 1 for column in rows.T]
    columns = np.flatnonzero(is_numeric & varies)
    table = rows[:, columns]
    precision = fit_gaussian(table, np.isnan(table)).precision
    return columns, 1 / np.sqrt(np.diag(precision))
