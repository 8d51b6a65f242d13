"""Detection of the 21 faults of the Tennessee Eastman process, false alarms counted.

All methods learn from the 500 fault-free training rows, and their thresholds come from
these rows alone. See README.md.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from denoising import markdown
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._calibration import conformal_threshold
from skdae.timeseries import EWMA, SlidingWindow

RATE = 0.01  # nominal share of false alarms
FAULT_START = 160  # row from which the fault of a test run is present
WIDTH = 5  # rows of a window
WEIGHT = 0.2  # of the newest score in a smoothed one
N_BLOCKS = 5  # of consecutive training rows, each scored by what has not seen it


class Runs(NamedTuple):
    """Fault-free training rows, and test runs: fault-free first, then 21 faults."""

    train: np.ndarray
    test: list[np.ndarray]

    def windows(self) -> "Runs":
        """Rows side by side with the four before them."""
        window = SlidingWindow(WIDTH).fit(self.train)
        return Runs(
            window.transform(self.train), [window.transform(run) for run in self.test]
        )


class Scores(NamedTuple):
    """Strangeness of held-out training rows and of the rows of test runs."""

    held_out: np.ndarray
    test: list[np.ndarray]

    def smoothed(self) -> "Scores":
        smooth = EWMA(WEIGHT).smooth
        return Scores(smooth(self.held_out), [smooth(run) for run in self.test])


Fit = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]


def load(folder: Path) -> Runs:
    with np.load(folder / "series" / "tep.npz", allow_pickle=False) as archive:
        train = archive["train_normal"].astype(np.float64)
        return Runs(train, list(archive["test"].astype(np.float64)))


# --- rivals --------------------------------------------------------------------------


def mahalanobis(X: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    scaler = StandardScaler().fit(X)
    model = LedoitWolf().fit(scaler.transform(X))
    return lambda rows: model.mahalanobis(scaler.transform(rows))


def pca(X: np.ndarray, statistic: str) -> Callable[[np.ndarray], np.ndarray]:
    """Hotelling's T² or the squared prediction error, with 90 % of the variance."""
    scaler = StandardScaler().fit(X)
    model = PCA(0.9, svd_solver="full").fit(scaler.transform(X))

    def score(rows: np.ndarray) -> np.ndarray:
        Z = scaler.transform(rows)
        T = model.transform(Z)
        if statistic == "T2":
            return (T**2 / model.explained_variance_).sum(axis=1)
        return ((Z - model.inverse_transform(T)) ** 2).sum(axis=1)

    return score


def neighbors(X: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    scaler = StandardScaler().fit(X)
    search = NearestNeighbors(n_neighbors=5).fit(scaler.transform(X))
    return lambda rows: search.kneighbors(scaler.transform(rows))[0][:, -1]


def held_out_scores(runs: Runs, fit: Fit) -> Scores:
    """Training rows by models of the other blocks, test rows by one of all rows."""
    held_out = np.empty(len(runs.train))
    for train, rows in KFold(N_BLOCKS).split(runs.train):
        held_out[rows] = fit(runs.train[train])(runs.train[rows])
    score = fit(runs.train)
    return Scores(held_out, [score(run) for run in runs.test])


# --- the detector --------------------------------------------------------------------


def detector(
    runs: Runs, seed: int, transformer: GradualDAETransformer | None, scores: str
) -> Scores:
    model = GradualDAEOutlierDetector(
        transformer,
        scores=scores,
        calibration="blocked",
        n_splits=N_BLOCKS,
        random_state=seed,
    ).fit(runs.train)
    return Scores(
        -model.calibration_scores_, [-model.score_samples(run) for run in runs.test]
    )


# few training rows: a network narrower than the table, each row spoiled to its own rate
NARROW = GradualDAETransformer((40, 20), noise="random_masking", noise_rate=1.0)

METHODS: dict[str, Callable[[Runs, int], Scores]] = {
    "skdae detector": partial(detector, transformer=None, scores="auto"),
    "skdae, narrow, whitened": partial(
        detector, transformer=NARROW, scores="whitened_error"
    ),
    "Mahalanobis": lambda runs, seed: held_out_scores(runs, mahalanobis),
    "PCA T²": lambda runs, seed: held_out_scores(runs, partial(pca, statistic="T2")),
    "PCA SPE": lambda runs, seed: held_out_scores(runs, partial(pca, statistic="Q")),
    "k-nearest neighbours": lambda runs, seed: held_out_scores(runs, neighbors),
}


# --- tables --------------------------------------------------------------------------


def rates(scores: Scores) -> np.ndarray:
    """Alarms in the fault-free test run, then alarms while each fault is present."""
    limit = conformal_threshold(scores.held_out, RATE)
    free, *faulty = scores.test
    found = [(run[FAULT_START:] > limit).mean() for run in faulty]
    return 100 * np.array([(free > limit).mean(), *found])


def at_true_rate(scores: Scores) -> float:
    """Mean detection with the threshold that alarms 1 % of the fault-free test run."""
    free, *faulty = scores.test
    limit = np.quantile(free, 1 - RATE)
    return 100 * float(np.mean([(run[FAULT_START:] > limit).mean() for run in faulty]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with series/")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--output", type=Path, help="also write the tables here")
    args = parser.parse_args()
    # 500 rows are enough for 1 %; a window at the edge repeats its first row
    warnings.filterwarnings("error")
    runs = load(args.data)
    variants = {
        "rows": (runs, False),
        "rows, smoothed": (runs, True),
        f"windows of {WIDTH}": (runs.windows(), False),
        f"windows of {WIDTH}, smoothed": (runs.windows(), True),
    }
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in variants}
    for table in {id(table): table for table, _ in variants.values()}.values():
        for method, score in METHODS.items():
            seeds = range(args.seeds if method.startswith("skdae") else 1)
            by_seed = [score(table, seed) for seed in seeds]
            for variant, (other, smooth) in variants.items():
                if other.train.shape == table.train.shape:
                    scores = [s.smoothed() if smooth else s for s in by_seed]
                    found[variant][method] = np.mean(
                        [[*rates(s), at_true_rate(s)] for s in scores], axis=0
                    )
    parts = []
    for variant, values in found.items():
        methods = list(values)
        rows = [
            ["false alarms", *(f"{values[m][0]:.2f}" for m in methods)],
            ["mean detection", *(f"{values[m][1:-1].mean():.1f}" for m in methods)],
            ["the same at a true 1 %", *(f"{values[m][-1]:.1f}" for m in methods)],
            *(
                [f"fault {k}", *(f"{values[m][k]:.1f}" for m in methods)]
                for k in range(1, len(runs.test))
            ),
        ]
        parts += [f"## {variant.capitalize()}, in %", markdown(["", *methods], rows)]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
