"""Settings chosen from the rows, against the grid that they are chosen from.

Each candidate of the grid is fitted with all epochs; the *oracle* is the one with the
best score on the test rows, which nothing that learns from training rows can know.
Scores are those of hidden cells (`GradualDAETransformer.score`). See README.md.
"""

import argparse
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from _data import available
from _reconstruction import fitted_dae, sample
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import Results, markdown

from skdae._transformer._auto import CANDIDATES
from skdae.schedules import Gradual

MAX_ROWS, QUICK_ROWS = 1_000, 200
OMITTED = ("gas_drift_ppm",)  # a set twice


class Problem(NamedTuple):
    """Rows to learn from, and others."""

    train: np.ndarray
    test: np.ndarray
    categorical: tuple[int, ...]
    seed: int


GRID = {
    f"rate {rate}, {sizes[0]}-{sizes[1]}": {
        "noise_rate": rate,
        "hidden_layer_sizes": sizes,
    }
    for rate, sizes in product(*CANDIDATES.values())
}
AUTO = {
    "auto rate": {"noise_rate": "auto"},
    "auto sizes": {"hidden_layer_sizes": "auto"},
    "auto allocation": {"schedule": Gradual(epoch_allocation="auto")},
    "auto": {"noise_rate": "auto", "hidden_layer_sizes": "auto"},
}
DEFAULTS = "rate 0.25, 128-64"
METHODS: dict[str, dict[str, Any]] = GRID | AUTO


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Problem:
    """Some rows of either side."""
    table = available(args.data)[name]()
    n_rows = QUICK_ROWS if args.quick else MAX_ROWS
    train, test = (sample(rows, n_rows, seed) for rows in table.split(seed))
    return Problem(table.X[train], table.X[test], table.categorical, seed)


def evaluate(problem: Problem, condition: str, method: str, *, quick: bool) -> Values:
    """Score on the test rows, and seconds of the fit."""
    settings = METHODS[method] | ({"max_iter": 20} if quick else {})
    fit = partial(
        fitted_dae, problem.train, problem.categorical, problem.seed, **settings
    )
    dae, seconds = timed(fit)
    score = dae.score(problem.test.astype(np.float32))
    return {"score": score, "seconds": seconds}


def report(results: Results) -> str:
    """A line per set: scores, and seconds over those of the grid."""
    names = [name for name in AUTO if name in results.methods]
    rows, lines = [], []
    for row in results.rows:
        scores = {m: results.mean(row, m, "score") for m in results.methods}
        seconds = {m: results.mean(row, m, "seconds") for m in results.methods}
        of_grid = {name: scores[name] for name in GRID}
        oracle = max(of_grid, key=of_grid.__getitem__)
        total = sum(seconds[name] for name in GRID)
        values = [scores[DEFAULTS], *(scores[name] for name in names), scores[oracle]]
        rows.append([*values, seconds[names[-1]] / total])
        cells = [f"{value:.4f}" for value in values]
        lines.append([row[0], *cells, oracle, f"{rows[-1][-1]:.2f}"])
    mean = np.mean(rows, axis=0)
    means = [*(f"{value:.4f}" for value in mean[:-1]), "", f"{mean[-1]:.2f}"]
    below = mean[-2] - mean[:-2]  # a ratio means nothing where scores are about 0
    gaps = [*(f"{value:.4f}" for value in below), "0", "", ""]
    header = ["set", "defaults", *names, "oracle", "which", "time of auto / grid"]
    lines += [["mean", *means], ["mean below the oracle", *gaps]]
    return markdown(header, lines)


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=1)
    benchmark = Benchmark(
        protocol("auto", "settings", args),
        partial(prepare, args=args),
        partial(evaluate, quick=args.quick),
    )
    sets = [name for name in available(args.data) if name not in OMITTED]
    results = Results(measure(benchmark, args, sets=sets, methods=[*GRID, *AUTO]))
    publish(["## Score on test rows", report(results)], args)


if __name__ == "__main__":
    main()
