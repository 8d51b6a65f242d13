"""Detection of the 21 faults of the Tennessee Eastman process, false alarms counted.

All methods learn from the 500 fault-free training rows, and their thresholds come from
these rows alone. See README.md.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _monitoring import RATE, RIVALS, Runs, Scores, detector_scores, rival_scores
from _report import markdown

from skdae import GradualDAETransformer

FAULT_START = 160  # row from which the fault of a test run is present


def load(folder: Path) -> Runs:
    with np.load(folder / "series" / "tep.npz", allow_pickle=False) as archive:
        train = archive["train_normal"].astype(np.float64)
        return Runs(train, list(archive["test"].astype(np.float64)))


# few training rows: a network narrower than the table, each row spoiled to its own rate
NARROW = GradualDAETransformer((40, 20), noise="random_masking", noise_rate=1.0)

METHODS: dict[str, Callable[[Runs, int], Scores]] = {
    "skdae detector": detector_scores,
    "skdae, narrow, whitened": partial(
        detector_scores, transformer=NARROW, scores="whitened_error"
    ),
    # no network: the rows' own covariance, each of its axes shrunk by itself
    "skdae, distance": partial(detector_scores, scores="distance"),
    **{
        name: lambda runs, seed, fit=fit: rival_scores(runs, fit)
        for name, fit in RIVALS.items()
    },
}


# --- tables --------------------------------------------------------------------------


def rates(scores: Scores) -> np.ndarray:
    """Alarms in the fault-free test run, then alarms while each fault is present."""
    limit = scores.limit()
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
        "windows": (runs.windows(), False),
        "windows, smoothed": (runs.windows(), True),
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
