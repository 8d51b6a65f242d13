"""False alarms of the detector on fresh normal rows of simulated processes.

With its defaults and thresholds for 1 %, from training rows alone. See README.md.
"""

import warnings
from functools import partial

import numpy as np
from _processes import PROCESSES, runs
from _runner import Benchmark, Values, measure, parse, protocol, publish
from _tables import Results, markdown

from skdae import GradualDAEOutlierDetector
from skdae.timeseries import EWMA

N_FRESH = 4_000
QUICK_ROWS = 300
ROWS, SMOOTHED = "rows", "smoothed"  # by EWMA
Runs = tuple[np.ndarray, np.ndarray]


def prepare(name: str, seed: int, *, n_rows: int) -> Runs:
    """Rows to learn from and fresh ones."""
    return runs(name, seed, n_rows, N_FRESH)


def evaluate(problem: Runs, condition: str, method: str) -> Values:
    """Shares of fresh rows with an alarm, what was promised, and the warnings."""
    train, fresh = problem
    smoothing = EWMA()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector = GradualDAEOutlierDetector(random_state=0).fit(train)
        smoothed_offset = detector.smoothed_offset(smoothing)
    messages = [str(each.message) for each in caught]
    scores = detector.score_samples(fresh)
    report = detector.calibration_report_
    return {
        ROWS: float((scores < detector.offset_).mean()),
        SMOOTHED: float((smoothing.smooth(scores) < smoothed_offset).mean()),
        "independent": report.n_effective,
        "stretches": float(report.n_stretches),
        "few": float(report.promised_rate > report.rate),
        "anomalies": float(any("far from all others" in each for each in messages)),
    }


def report(results: Results, n_rows: int, n_seeds: int) -> list[str]:
    """A line for each process: mean and highest rate, and the median of the others."""
    lines = []
    for name in dict.fromkeys(cell.set for cell in results.cells):
        cells = [cell.values for cell in results.cells if cell.set == name]

        def of(measure: str, cells: list[Values] = cells) -> np.ndarray:
            return np.array([values[measure] for values in cells])

        lines.append(
            [
                name,
                *(f"{100 * of(each).mean():.2f}" for each in (ROWS, SMOOTHED)),
                *(f"{100 * of(each).max():.1f}" for each in (ROWS, SMOOTHED)),
                f"{np.median(of('independent')):.0f}",
                f"{np.median(of('stretches')):.0f}",
                f"{of('few').sum():.0f}",
                f"{of('anomalies').sum():.0f}",
            ]
        )
    header = ["process", "rows", "smoothed", "highest, rows", "highest, smoothed"]
    header += ["independent rows", "stretches", "rate not promised"]
    header += ["warned of anomalies"]
    return [
        f"## False alarms at 1 %, in %: {n_rows} rows, {n_seeds} seed(s)",
        "Means over the seeds, the highest seed, medians of what the report says, and "
        "numbers of seeds.",
        markdown(header, lines),
    ]


def main() -> None:
    """Run and print."""
    extra = {"--rows": {"type": int, "default": 1_000, "help": "to learn from (1000)"}}
    args = parse(__doc__, seeds=20, extra=extra)
    n_rows = QUICK_ROWS if args.quick else args.rows

    cells = measure(
        Benchmark(
            protocol(f"false alarms, {n_rows}", "", args),
            partial(prepare, n_rows=n_rows),
            evaluate,
        ),
        args,
        sets=PROCESSES,
        methods=["skdae detector"],
    )
    publish(report(Results(cells), n_rows, args.seeds), args)


if __name__ == "__main__":
    main()
