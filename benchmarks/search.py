"""How fast are searches? Seconds of two grids: wall time of two processes, or CPU time.

*rates*: 5 noise rates x 2 step sizes x 4 folds. *sizes*: 3 sizes of which each begins
like the next x 4 noise rates x 3 folds. All train networks of the same widths for the
same epochs in batches of 64. The methods of other packages (those of speed.py) train
plain auto-encoders, so they neither corrupt nor score. The processes are started, and
libraries loaded, before the clock is. A round is a seed; rounds take the methods in
turn. With `--cpu` one process searches, and its CPU time counts: where other work keeps
the cores busy, wall time means nothing.

**products**: microseconds of the products of a training step for one candidate, as the
core makes them and as `torch.bmm` makes those of ten candidates at once.
"""

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import torch
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


def runnable(peers: dict[str, str]) -> list[str]:
    """The searches whose packages are installed; of others the reason is printed."""
    if find_spec("skorch") is not None:
        return list(peers)
    print(
        "skorch is left out: it is not installed; pip install skorch.", file=sys.stderr
    )
    return [name for name, method in peers.items() if method != "skorch"]


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


def search_of(
    method: str, grid: dict[str, list[Any]], cv: int, epochs: int, n_jobs: int
) -> Any:
    """An unfitted search by some processes."""
    options: dict[str, Any] = {"cv": cv, "n_jobs": n_jobs, "refit": False}
    if method in PEERS:
        return GridSearchCV(Peer(PEERS[method], epochs), grid, **options)
    make = GradualDAESearchCV if method == OURS else GridSearchCV
    dae = GradualDAETransformer(
        WORK.hidden, batch_size=WORK.batch_size, max_iter=epochs, random_state=0
    )
    return make(dae, grid, **options)


def cpu(call: Callable[[], object]) -> float:
    """CPU seconds of a call in this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def evaluate(
    name: str, condition: str, method: str, *, quick: bool, in_process: bool
) -> Values:
    """Seconds of a search, and a number that equal scores share."""
    grid, cv = GRIDS[name]
    epochs = QUICK_EPOCHS if quick else WORK.epochs
    X = replace(WORK, n_rows=QUICK_ROWS).rows() if quick else WORK.rows()
    first = {key: values[:1] for key, values in grid.items()}
    n_jobs, clock = (1, cpu) if in_process else (2, wall)
    search_of(method, first, cv, 3, n_jobs).fit(X[:200])  # processes and libraries
    search = search_of(method, grid, cv, epochs, n_jobs)
    seconds = clock(lambda: search.fit(X))
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


def products(n_candidates: int = 10) -> str:
    """Microseconds of the products of a step for a candidate: its own, and batched."""
    rows = []
    for n_inputs, hidden in ((50, (64, 32)), (50, (16, 8)), (20, (32, 16))):
        widths = [n_inputs, *hidden, *hidden[-2::-1], n_inputs]
        m = WORK.batch_size
        shapes = list(pairwise(widths))
        with torch.inference_mode():
            one = partial(_own_products, [_layer(m, *shape) for shape in shapes])
            many = [_layer(m, *shape, n_candidates) for shape in shapes]
            batched = partial(_batched_products, many)
            own, together = microseconds(one), microseconds(batched) / n_candidates
        rows.append([f"{n_inputs}, {hidden}", f"{own:.0f}", f"{together:.0f}"])
    return markdown(["columns, layers", "own products", "torch.bmm of ten"], rows)


def _layer(m: int, n_in: int, n_out: int, *batch: int) -> tuple[torch.Tensor, ...]:
    """Inputs, weights, deltas, and where gradients of weights and inputs go."""
    shapes = (m, n_in), (n_in, n_out), (m, n_out), (n_in, n_out), (m, n_in)
    return tuple(torch.zeros(*batch, *shape) for shape in shapes)


def _own_products(layers: list[tuple[torch.Tensor, ...]]) -> None:
    for H, W, D, _, _ in layers:
        np.dot(H.numpy(), W.numpy(), D.numpy())
    for H, W, D, gradient, below in layers:
        np.dot(H.numpy().T, D.numpy(), gradient.numpy())
        torch.mm(D, W.t(), out=below)


def _batched_products(layers: list[tuple[torch.Tensor, ...]]) -> None:
    for H, W, D, _, _ in layers:
        torch.bmm(H, W, out=D)
    for H, W, D, gradient, below in layers:
        torch.bmm(H.mT, D, out=gradient)
        torch.bmm(D, W.mT, out=below)


def microseconds(call: Callable[[], object], n: int = 50, rounds: int = 20) -> float:
    """The least mean of some rounds."""
    return 1e6 * min(cpu(lambda: [call() for _ in range(n)]) / n for _ in range(rounds))


def main() -> None:
    """Run and print."""
    in_process = {"--cpu": {"action": "store_true", "help": "CPU time of one process"}}
    args = parse(__doc__, seeds=2, is_timing=True, extra=in_process)
    torch.set_num_threads(1)
    benchmark = Benchmark(
        protocol(
            "search", f"{WORK.n_rows} x {WORK.n_features}{' cpu' * args.cpu}", args
        ),
        lambda name, seed: name,
        partial(evaluate, quick=args.quick, in_process=args.cpu),
    )
    methods = [OURS, PLAIN, *runnable(PEERS)]
    cells = measure(benchmark, args, sets=GRIDS, methods=methods)
    results = Results(cells)
    clock = (
        "CPU seconds of one process" if args.cpu else "wall seconds of two processes"
    )
    title = f"## {WORK.n_rows:,} x {WORK.n_features}, {WORK.epochs} epochs, {clock}"
    parts = [title, report(results)]
    if {OURS, PLAIN} <= set(results.methods):
        parts.append(same_scores(results))
    parts += ["## Products of a step, microseconds", products()]
    publish(parts, args)


if __name__ == "__main__":
    main()
