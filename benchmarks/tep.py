"""Detection of the 21 faults of the Tennessee Eastman process, false alarms counted.

All methods learn from the 500 normal training rows, and their thresholds come from
these rows alone. See README.md.
"""

import argparse
from functools import partial

import numpy as np
from _metrics import delay, detection, false_alarms, limit_at
from _monitoring import METHODS as MONITORS
from _monitoring import RATE, VARIANTS, Method, Monitored, applies, detector
from _ordered import Process, Runs, tennessee_eastman
from _runner import Benchmark, Values, measure, parse, protocol, publish
from _tables import Results, markdown

from skdae import GradualDAETransformer

QUICK_RUNS = 4  # the normal one and three faults
# few training rows: a network narrower than the table, each row with its own rate
NARROW = GradualDAETransformer((40, 20), noise="random_masking", noise_rate=1.0)

OURS, *BASELINES = MONITORS
METHODS: dict[str, Method] = {
    OURS: MONITORS[OURS],
    "skdae, narrow, whitened": partial(
        detector, transformer=NARROW, scores="whitened_error"
    ),
    # no network: the rows' own covariance, each of its axes shrunk by itself
    "skdae, distance": partial(detector, scores="distance"),
    **{name: MONITORS[name] for name in BASELINES},
}


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Monitored:
    """The process with its methods."""
    process = tennessee_eastman(args.data)
    if args.quick:
        runs = Runs(process.runs.train, process.runs.test[:QUICK_RUNS])
        process = Process(runs, process.truth[:QUICK_RUNS])
    return Monitored(process, seed, METHODS)


def evaluate(problem: Monitored, variant: str, method: str) -> Values:
    """False alarms, detection by fault, and both at a true rate of false alarms."""
    scores = problem.scores(variant, method)
    runs = list(zip(scores.test, problem.process.truth, strict=True))
    (normal, normal_truth), *faulty = runs
    own = scores.limit()
    true = limit_at(normal, RATE)
    by_fault = [detection(*run, own) for run in faulty]
    return {
        "false alarms": false_alarms(normal, normal_truth, own),
        "mean detection": float(np.mean(by_fault)),
        "the same at a true 1 %": float(
            np.mean([detection(*run, true) for run in faulty])
        ),
        "median delay at a true 1 %, rows": float(
            np.median([delay(*run, true) for run in faulty])
        ),
        **{f"fault {k}": share for k, share in enumerate(by_fault, 1)},
    }


def text(measure: str, value: float) -> str:
    """Rows as they are, shares in percent."""
    if measure.endswith("rows"):
        return f"{value:.0f}"
    digits = 2 if measure == "false alarms" else 1
    return f"{100 * value:.{digits}f}"


def report(results: Results) -> list[str]:
    """A table for each variant."""
    parts = []
    for variant in results.conditions:
        found = results.only(variant)
        measures = list(found.cells[0].values)
        rows = [
            [name, *(text(name, value) for value in found.means(name)[0])]
            for name in measures
        ]
        header = ["", *found.methods]
        parts += [f"## {variant.capitalize()}, in %", markdown(header, rows)]
    return parts


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3, needs_data=True)
    benchmark = Benchmark(
        protocol("tep", "", args), partial(prepare, args=args), evaluate, applies
    )
    cells = measure(
        benchmark,
        args,
        sets=["tennessee_eastman"],
        methods=METHODS,
        conditions=VARIANTS,
    )
    publish(report(Results(cells)), args)


if __name__ == "__main__":
    main()
