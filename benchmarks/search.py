"""How fast are searches? Wall seconds of two grids by two processes.

*rates*: 5 noise rates x 2 step sizes x 4 folds. *sizes*: 3 sizes of which each begins
like the next x 4 noise rates x 3 folds. All train networks of the same widths for the
same epochs in batches of 64. The methods of other packages (those of speed.py) train
plain auto-encoders, so they neither corrupt nor score. The processes are started, and
libraries loaded, before the clock is. A round is a seed; rounds take the methods in
turn.
"""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from _runner import Benchmark, Values, measure, parse, protocol, publish, wall
from _tables import Results, markdown
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from speed import METHODS, Work

from skdae import GradualDAETransformer
from skdae.model_selection import GradualDAESearchCV

WORK = Work(4_000, 50, (64, 32), 64, 50)
QUICK_ROWS, QUICK_EPOCHS = 300, 4
GRIDS: dict[str, tuple[dict[str, list[Any]], int]] = {
    "rates": (
        {
            "noise_rate": [0.05, 0.1, 0.2, 0.3, 0.5],
            "learning_rate_init": [1e-3, 2e-3],
        },
        4,
    ),
    "sizes": (
        {
            "hidden_layer_sizes": [(64,), (64, 32), (64, 32, 16)],
            "noise_rate": [0.1, 0.2, 0.3, 0.5],
        },
        3,
    ),
}
OURS, PLAIN = "GradualDAESearchCV", "GridSearchCV"
PEERS = {
    f"GridSearchCV, {name}": name
    for name in ("sklearn MLP", "tutorial torch", "skorch")
}


class Peer(BaseEstimator):
    """A method of speed.py as an estimator that a search can fit."""

    def __init__(
        self,
        method: str,
        epochs: int,
        hidden_layer_sizes: tuple[int, ...] = WORK.hidden,
        noise_rate: float = 0.0,
        learning_rate_init: float = 1e-3,
    ) -> None:
        self.method = method
        self.epochs = epochs
        self.hidden_layer_sizes = hidden_layer_sizes
        self.noise_rate = noise_rate
        self.learning_rate_init = learning_rate_init

    def fit(self, X: np.ndarray, y: None = None) -> "Peer":
        """Train a network; rate and step size change nothing in the work."""
        hidden = tuple(self.hidden_layer_sizes)
        work = replace(WORK, n_rows=len(X), hidden=hidden, epochs=self.epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            METHODS[self.method](work, X)
        return self

    def score(self, X: np.ndarray, y: None = None) -> float:
        """Cost nothing."""
        return 0.0


def search_of(method: str, grid: dict[str, list[Any]], cv: int, epochs: int) -> Any:
    """An unfitted search by two processes."""
    options: dict[str, Any] = {"cv": cv, "n_jobs": 2, "refit": False}
    if method in PEERS:
        return GridSearchCV(Peer(PEERS[method], epochs), grid, **options)
    make = GradualDAESearchCV if method == OURS else GridSearchCV
    dae = GradualDAETransformer(
        WORK.hidden, batch_size=WORK.batch_size, max_iter=epochs, random_state=0
    )
    return make(dae, grid, **options)


def evaluate(name: str, condition: str, method: str, *, quick: bool) -> Values:
    """Seconds of a search, and a number that equal scores share."""
    grid, cv = GRIDS[name]
    epochs = QUICK_EPOCHS if quick else WORK.epochs
    X = replace(WORK, n_rows=QUICK_ROWS).rows() if quick else WORK.rows()
    first = {key: values[:1] for key, values in grid.items()}
    search_of(method, first, cv, 3).fit(X[:200])  # processes and libraries
    search = search_of(method, grid, cv, epochs)
    seconds = wall(lambda: search.fit(X))
    scores = search.cv_results_["mean_test_score"]
    weights = np.arange(1, len(scores) + 1)
    return {"seconds": seconds, "scores": float(weights @ scores)}


def report(results: Results) -> str:
    """Seconds, and ratios within the rounds."""
    rows = []
    for row in results.rows:
        ours = results.values(row, OURS, "seconds")
        for method in results.methods:
            seconds = results.values(row, method, "seconds")
            ratios = seconds / ours
            rows.append(
                [
                    row[0],
                    method,
                    f"{seconds.mean():.1f}",
                    f"{np.exp(np.log(ratios).mean()):.2f}",
                    " ".join(f"{ratio:.2f}" for ratio in ratios),
                ]
            )
    header = ["grid", "search", "seconds", f"over {OURS}", "rounds"]
    return markdown(header, rows)


def same_scores(results: Results) -> str:
    """Whether both searches over our estimator have equal scores."""
    equal = all(
        np.array_equal(*results.paired(row, OURS, PLAIN, "scores"))
        for row in results.rows
    )
    return f"Scores of {OURS} and {PLAIN} are {'equal' if equal else 'NOT equal'}."


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=2, is_timing=True)
    benchmark = Benchmark(
        protocol("search", f"{WORK.n_rows} x {WORK.n_features}", args),
        lambda name, seed: name,
        partial(evaluate, quick=args.quick),
    )
    methods = [OURS, PLAIN, *PEERS]
    cells = measure(benchmark, args, sets=GRIDS, methods=methods)
    results = Results(cells)
    title = f"## {WORK.n_rows:,} x {WORK.n_features}, {WORK.epochs} epochs"
    parts = [title, report(results)]
    if {OURS, PLAIN} <= set(results.methods):
        parts.append(same_scores(results))
    publish(parts, args)


if __name__ == "__main__":
    main()
