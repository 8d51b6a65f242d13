"""Detection of the faults of the Skoltech testbed (SKAB), by its public protocol.

Of each of the 34 files the first 400 rows are learned from, and the threshold comes
from these rows alone. See README.md.
"""

import argparse
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _monitoring import RIVALS, Runs, Scores, detector_scores, rival_scores
from _report import markdown

N_TRAIN = 400  # rows at the start of a file that are learned from
OURS = "skdae detector"


class File(NamedTuple):
    """One experiment: rows in the order of time, and which of them are anomalous."""

    X: np.ndarray
    truth: np.ndarray

    def runs(self) -> Runs:
        return Runs(self.X[:N_TRAIN], [self.X])


class Counts(NamedTuple):
    """Rows of all files together, alarmed or not, anomalous or not."""

    hits: int
    misses: int
    false_alarms: int
    quiet: int

    @property
    def f1(self) -> float:
        return 2 * self.hits / (2 * self.hits + self.misses + self.false_alarms)

    @property
    def false_alarm_rate(self) -> float:
        return 100 * self.false_alarms / (self.false_alarms + self.quiet)

    @property
    def missing_alarm_rate(self) -> float:
        return 100 * self.misses / (self.hits + self.misses)


def load(folder: Path) -> list[File]:
    with np.load(folder / "series" / "skab.npz", allow_pickle=False) as archive:
        X, truth = archive["X"].astype(np.float64), archive["anomaly"] == 1
        file_id = archive["file_id"]
    return [File(X[file_id == i], truth[file_id == i]) for i in np.unique(file_id)]


def alarms(scores: Scores) -> np.ndarray:
    return scores.test[0] > scores.limit()


def count(files: list[File], alarmed: list[np.ndarray], start: int) -> Counts:
    """Counts over the rows from `start` on."""
    truth = np.concatenate([file.truth[start:] for file in files])
    found = np.concatenate([rows[start:] for rows in alarmed])
    pairs = (found & truth, ~found & truth, found & ~truth, ~found & ~truth)
    return Counts(*(int(pair.sum()) for pair in pairs))


Alarmed = dict[str, list[np.ndarray]]  # by file, for each variant


def watch(files: list[File], method: str, seed: int) -> Alarmed:
    """Alarms in all rows of all files, for each variant."""
    found: Alarmed = {}
    for file in files:
        for name, runs in (("rows", file.runs()), ("windows", file.runs().windows())):
            if method == OURS:
                scores = detector_scores(runs, seed)
            else:
                scores = rival_scores(runs, RIVALS[method])
            found.setdefault(name, []).append(alarms(scores))
            smooth = alarms(scores.smoothed())
            found.setdefault(f"{name}, smoothed", []).append(smooth)
    return found


def means(counts: list[Counts]) -> list[str]:
    f1, alarms, misses = np.mean(
        [[c.f1, c.false_alarm_rate, c.missing_alarm_rate] for c in counts], axis=0
    )
    return [f"{f1:.3f}", f"{alarms:.2f}", f"{misses:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with series/")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--output", type=Path, help="also write the tables here")
    args = parser.parse_args()
    warnings.filterwarnings("error")  # 400 rows are enough for 1 %
    files = load(args.data)
    by_method = {
        method: [
            watch(files, method, seed)
            for seed in range(args.seeds if method == OURS else 1)
        ]
        for method in (OURS, *RIVALS)
    }
    parts = []
    for start, title in ((N_TRAIN, "Rows after the first 400"), (0, "All rows")):
        rows = []
        for variant in by_method[OURS][0]:
            for method, found in by_method.items():
                counts = [count(files, one[variant], start) for one in found]
                rows.append([f"{variant}: {method}", *means(counts)])
        everything = [np.ones(len(file.X), dtype=bool) for file in files]
        counts = [count(files, everything, start)]
        rows.append(["an alarm in every row", *means(counts)])
        header = ["", "F1", "FAR, %", "MAR, %"]
        parts += [f"## {title}", markdown(header, rows)]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
