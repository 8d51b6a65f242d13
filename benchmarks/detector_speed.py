"""Processor time of the outlier detector: fit, one row, and a batch of rows.

Beside two detectors that it is compared with elsewhere. See README.md.
"""

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
from _detectors import DETECTORS, Score
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import Results, markdown

from skdae import GradualDAEOutlierDetector

SIZES = {"2,000 x 20": (2_000, 20), "20,000 x 40": (20_000, 40)}
N_FACTORS = 6
NOISE = 0.2
N_BATCH = 1_000
N_CALLS = 100  # with a single row each
MILLI = 1e3

METHODS: dict[str, Callable[[np.ndarray], Score]] = {
    "skdae detector": lambda X: (
        GradualDAEOutlierDetector(random_state=0).fit(X).score_samples
    ),
    "k-nearest neighbours": lambda X: DETECTORS["k-nearest neighbours"](X, 0),
    "isolation forest": lambda X: DETECTORS["isolation forest"](X, 0),
}


@cache
def rows(n_rows: int, n_columns: int) -> np.ndarray:
    """Sensors that follow a few factors, not linearly, in no order."""
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(n_rows + N_BATCH, N_FACTORS))
    signal = np.tanh(factors @ generator.normal(size=(N_FACTORS, n_columns)))
    return signal + NOISE * generator.normal(size=signal.shape)


def evaluate(X: np.ndarray, condition: str, method: str) -> Values:
    """Seconds of a fit, milliseconds of one new row and of a batch of new rows."""
    new = X[-N_BATCH:]
    score, fitting = timed(lambda: METHODS[method](X[:-N_BATCH]))
    score(new)  # what is loaded by the first call
    single = new[:1]
    _, one = timed(lambda: [score(single) for _ in range(N_CALLS)])
    _, batch = timed(lambda: score(new))
    return {
        "fit, s": fitting,
        "one row, ms": MILLI * one / N_CALLS,
        "1,000 rows, ms": MILLI * batch,
    }


def report(results: Results) -> list[str]:
    """A table for each size, medians over the rounds."""
    parts = []
    for row in results.rows:
        measures = list(results.cells[0].values)
        lines = [
            [
                method,
                *(
                    f"{np.median(results.values(row, method, name)):.2f}"
                    for name in measures
                ),
            ]
            for method in results.methods
        ]
        parts += [f"## {row[0]}", markdown(["", *measures], lines)]
    return parts


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3, is_timing=True)
    warnings.simplefilter("ignore")
    benchmark = Benchmark(
        protocol("detector speed", "", args),
        lambda name, seed: rows(*SIZES[name]),
        evaluate,
    )
    sizes = list(SIZES)[:1] if args.quick else SIZES
    cells = measure(benchmark, args, sets=sizes, methods=METHODS)
    publish(report(Results(cells)), args)


if __name__ == "__main__":
    main()
