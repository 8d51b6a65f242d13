"""Monitoring of a process: scores of its rows, thresholds from normal rows alone."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from _detectors import DETECTORS, Fit, Score, forest
from _ordered import Process, Runs
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._thresholds import conformal_threshold
from skdae.timeseries import EWMA, SlidingWindow

RATE = 0.01  # nominal share of false alarms
N_BLOCKS = 5  # of consecutive training rows, each scored by a model of the others
OURS = "skdae detector"


class Scores(NamedTuple):
    """Anomaly scores of held-out training rows and of the rows of test runs."""

    held_out: np.ndarray
    test: list[np.ndarray]
    own_limit: float | None = None  # a threshold that comes with the method
    smoothed_limit: float | None = None  # and one of its smoothed scores

    def map(self, transform: Score) -> "Scores":
        """Each run transformed by itself, by the smoothing that the method knows of."""
        return Scores(
            transform(self.held_out),
            [transform(run) for run in self.test],
            self.smoothed_limit,
        )

    def limit(self) -> float:
        """The threshold of an alarm, from training rows alone."""
        if self.own_limit is not None:
            return self.own_limit
        return conformal_threshold(self.held_out, RATE)


Method = Callable[[Runs, int], Scores]  # (runs, seed)


def windows(runs: Runs, width: int = SlidingWindow().width) -> Runs:
    """Rows side by side with those before them."""
    return runs.map(SlidingWindow(width).fit(runs.train).transform)


# --- methods -------------------------------------------------------------------------


def baseline(runs: Runs, seed: int, fit: Fit, own_limit: float | None = None) -> Scores:
    """Training rows by models of the other blocks, test rows by one of all rows."""

    def fitted(train: np.ndarray) -> Score:
        scaler = StandardScaler().fit(train)
        model = fit(scaler.transform(train), seed)
        return lambda rows: model(scaler.transform(rows))

    held_out = np.empty(len(runs.train))
    for train, rows in KFold(N_BLOCKS).split(runs.train):
        held_out[rows] = fitted(runs.train[train])(runs.train[rows])
    of_all = fitted(runs.train)
    return Scores(held_out, [of_all(run) for run in runs.test], own_limit)


def lagged(runs: Runs, seed: int, fit: Fit, n_lags: int, weight: float) -> Scores:
    """Rows beside the rows before them; the logarithm of the score is smoothed."""
    scores = baseline(windows(runs, 1 + n_lags), seed, fit)
    return scores.map(lambda values: EWMA(weight).smooth(np.log(values)))


def detector(
    runs: Runs,
    seed: int,
    transformer: GradualDAETransformer | None = None,
    scores: str = "auto",
) -> Scores:
    """With its defaults, thresholds included."""
    with warnings.catch_warnings():
        # windows and smoothed scores of some hundred rows are worth few; levels differ
        messages = "false_alarm_rate|.* are far from all others"
        warnings.filterwarnings("ignore", messages, UserWarning)
        model = GradualDAEOutlierDetector(
            transformer, scores=scores, false_alarm_rate=RATE, random_state=seed
        ).fit(runs.train)
    return Scores(
        -model.calibration_scores_,
        [-model.score_samples(run) for run in runs.test],
        -model.offset_,
        -model.smoothed_offset(EWMA()),
    )


_FITS: dict[str, Fit] = {
    name: DETECTORS[name]
    for name in (
        "Mahalanobis",
        "Mahalanobis, plain",
        "PCA T²",
        "PCA SPE",
        "PCA T² + SPE",
        "k-nearest neighbours",
        "LOF",
        "PyOD AutoEncoder",
        "score matching, noise by kurtosis",
    )
} | {"isolation forest": partial(forest, n_trees=100)}

BASELINES: dict[str, Method] = {
    name: partial(baseline, fit=fit) for name, fit in _FITS.items()
} | {
    "PCA T² + SPE, training limits": partial(
        baseline, fit=DETECTORS["PCA T² + SPE"], own_limit=1.0
    ),
    "Mahalanobis, 2 lags, EWMA of log": partial(
        lagged, fit=DETECTORS["Mahalanobis, plain"], n_lags=2, weight=0.1
    ),
}
METHODS: dict[str, Method] = {OURS: detector} | BASELINES

# --- variants: rows or windows, their scores as they are or smoothed -----------------


def single_rows(runs: Runs) -> Runs:
    """The runs as they are."""
    return runs


VARIANTS: dict[str, tuple[Callable[[Runs], Runs], bool]] = {
    "rows": (single_rows, False),
    "rows, smoothed": (single_rows, True),
    "windows": (windows, False),
    "windows, smoothed": (windows, True),
}


@dataclass
class Monitored:
    """The scores of a process; each method is fitted once on rows and on windows."""

    process: Process
    seed: int
    methods: dict[str, Method]
    _scores: dict[tuple, Scores] = field(default_factory=dict)

    def scores(self, variant: str, method: str) -> Scores:
        """Scores under a variant."""
        prepare, is_smoothed = VARIANTS[variant]
        key = prepare, method
        if key not in self._scores:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # there are rows enough for 1 %
                runs = prepare(self.process.runs)
                self._scores[key] = self.methods[method](runs, self.seed)
        scores = self._scores[key]
        return scores.map(EWMA().smooth) if is_smoothed else scores


def applies(problem: Monitored, variant: str, method: str) -> bool:
    """Whether a method is run: baselines once; lags and limits only on rows."""
    is_ours = method.startswith("skdae")
    is_variant = "limits" in method or "lags" in method
    return (is_ours or problem.seed == 0) and (not is_variant or variant == "rows")
