"""Detection of the faults of the Skoltech testbed (SKAB), by its public protocol.

Of each of the 34 files the first 400 rows are learned from, and the threshold comes
from these rows alone. See README.md.
"""

import argparse
from functools import partial
from itertools import product

import numpy as np
from _metrics import Counts, count
from _monitoring import METHODS, VARIANTS, Monitored, applies
from _ordered import skab
from _runner import Benchmark, Values, chosen, measure, parse, protocol, publish
from _tables import Results, markdown

from skdae.timeseries import event_scores

N_TRAIN = 400  # rows at the start of a file that are learned from
PARTS = {"Rows after the first 400": N_TRAIN, "All rows": 0}
EVENTS = ("n_events", "n_found", "median_delay", "n_false_episodes")
QUICK_FILES = 2


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Monitored:
    """A file with the methods."""
    return Monitored(skab(args.data, N_TRAIN)[name], seed, METHODS)


def counts(truth: np.ndarray, alarms: np.ndarray) -> Values:
    """Rows and events of both parts of a file."""
    values: Values = {}
    for part, start in PARTS.items():
        found = count(truth[start:], alarms[start:])._asdict()
        events = event_scores(truth[start:], alarms[start:])
        found |= {name: getattr(events, name) for name in EVENTS}
        values |= {f"{part}: {name}": value for name, value in found.items()}
    return values


def evaluate(problem: Monitored, variant: str, method: str) -> Values:
    """Rows and events with an alarm."""
    scores = problem.scores(variant, method)
    (truth,) = problem.process.truth
    return counts(truth, scores.test[0] > scores.limit())


# --- tables --------------------------------------------------------------------------


def totals(cells: list[Values], part: str) -> list[float]:
    """F1 and both rates over the rows of all files, events found, false episodes."""

    def total(name: str) -> float:
        return sum(values[f"{part}: {name}"] for values in cells)

    rows = Counts(*(int(total(name)) for name in Counts._fields))
    delays = np.array([values[f"{part}: median_delay"] for values in cells])
    found = delays[~np.isnan(delays)]
    return [
        rows.f1,
        rows.false_alarm_rate,
        rows.missing_alarm_rate,
        total("n_found") / total("n_events"),
        float(np.median(found)) if len(found) else np.nan,
        total("n_false_episodes"),
    ]


def texts(by_seed: list[list[float]]) -> list[str]:
    """Means over the seeds."""
    f1, alarms, misses, found, delay, false = np.mean(by_seed, axis=0)
    shares = [f"{f1:.3f}", f"{alarms:.2f}", f"{misses:.2f}", f"{100 * found:.0f}"]
    return [*shares, f"{delay:.0f}", f"{false:.0f}"]


def report(results: Results, everywhere: list[Values]) -> list[str]:
    """A table for each part of the files."""
    header = ["", "F1", "FAR, %", "MAR, %", "events found, %", "median delay, rows"]
    header.append("false episodes")
    parts = []
    for part in PARTS:
        rows = []
        for variant, method in product(results.conditions, results.methods):
            cells = [c for c in results.cells if c[1:3] == (variant, method)]
            by_seed = [
                totals([cell.values for cell in cells if cell.seed == seed], part)
                for seed in sorted({cell.seed for cell in cells})
            ]
            if by_seed:
                rows.append([f"{variant}: {method}", *texts(by_seed)])
        rows.append(["an alarm in every row", *texts([totals(everywhere, part)])])
        parts += [f"## {part}", markdown(header, rows)]
    return parts


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3, needs_data=True)
    files = skab(args.data, N_TRAIN)
    names = list(files)[: QUICK_FILES if args.quick else None]
    benchmark = Benchmark(
        protocol("skab", "", args), partial(prepare, args=args), evaluate, applies
    )
    cells = measure(benchmark, args, sets=names, methods=METHODS, conditions=VARIANTS)
    truths = [files[name].truth[0] for name in chosen(args.sets, names, "--sets")]
    everywhere = [counts(truth, np.ones_like(truth)) for truth in truths]
    publish(report(Results(cells), everywhere), args)


if __name__ == "__main__":
    main()
