"""How fast is training? Seconds per fit as a multiple of the bare matrix products.

Every method trains the same auto-encoder (the same rows, widths, batch size, epochs and
optimiser) in turn, round after round, in one process with one thread. Each time is
divided by that of the *floor* of the same round: a loop of nothing but the matrix
products of one training step, written into buffers. With SGD, PyOD keeps Adam and
skorch has no momentum. Ours also corrupts its input and learns its scaling; the others
do neither. A round is a seed.

`--workers` also times four fits by two processes, `--inference` a trained network on
many rows and on one, beside scikit-learn. `--reading` times CSV files of 10,000 x 20
instead, in CPU seconds; pandas is given how they are written. "2 threads", "bfloat16"
and "CUDA" are settings of ours that serve wide networks; name them with `--methods`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from time import process_time

import numpy as np
import pandas as pd
import torch
from _runner import (
    Benchmark,
    Cell,
    Grid,
    Values,
    measure,
    parse,
    protocol,
    publish,
    run,
    wall,
)
from _tables import Results, markdown
from joblib import Parallel, delayed
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits
from torch import nn

from skdae import GradualDAETransformer
from skdae._files import read_table


@dataclass(frozen=True)
class Work:
    """What is trained."""

    n_rows: int
    n_features: int
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    solver: str = "adam"
    activation: str = "relu"
    cross_entropy: bool = False

    @property
    def widths(self) -> list[int]:
        """Widths of the whole auto-encoder."""
        down = [self.n_features, *self.hidden]
        return [*down, *down[-2::-1]]

    @property
    def n_steps(self) -> int:
        """Steps of one epoch."""
        return -(-self.n_rows // self.batch_size)

    def rows(self) -> np.ndarray:
        """Correlated rows; in [0, 1] for the cross-entropy."""
        generator = np.random.default_rng(0)
        latent = generator.standard_normal((self.n_rows, 8))
        X = latent @ generator.standard_normal((8, self.n_features))
        X += 0.3 * generator.standard_normal(X.shape)
        X = 1 / (1 + np.exp(-X)) if self.cross_entropy else X / X.std(axis=0)
        return X.astype(np.float32)


WORKS = {
    "S": Work(20_000, 50, (128, 64, 32), 256, 10),
    "tiny": Work(5_000, 20, (16, 8), 32, 10),
    # the rate does not depend on the number of rows: 5,000 stand for 50,000
    "M": Work(5_000, 784, (1000, 1000, 1000), 100, 3, "adam", "logistic", True),
    "M-sgd": Work(5_000, 784, (1000, 1000, 1000), 100, 3, "sgd", "logistic", True),
}

Fit = Callable[[Work, np.ndarray], object]


def floor(work: Work, X: np.ndarray) -> None:
    """Nothing but the matrix products of the steps."""
    pairs = list(zip(work.widths[:-1], work.widths[1:], strict=True))
    W = [torch.randn(pair) * 0.1 for pair in pairs]
    G = [torch.empty(pair) for pair in pairs]
    H = [torch.randn(work.batch_size, width) for width in work.widths]
    D = [torch.randn(work.batch_size, width) for width in work.widths]
    with torch.inference_mode():
        for _ in range(work.epochs * work.n_steps):
            for i, weight in enumerate(W):
                torch.mm(H[i], weight, out=H[i + 1])
            for i in reversed(range(len(W))):
                torch.mm(H[i].t(), D[i + 1], out=G[i])
                if i:
                    torch.mm(D[i + 1], W[i].t(), out=D[i])


def transformer(work: Work, **options: object) -> GradualDAETransformer:
    """The same network trained jointly with one thread, unless `options` differ."""
    settings = {"schedule": "joint", "n_threads": 1} | options
    return GradualDAETransformer(
        work.hidden,
        solver=work.solver,
        activation=work.activation,
        loss="cross_entropy" if work.cross_entropy else "squared_error",
        scaling="minmax" if work.cross_entropy else "standard",
        batch_size=work.batch_size,
        max_iter=work.epochs,
        random_state=0,
        **settings,
    )


def ours(work: Work, X: np.ndarray, **options: object) -> None:
    """GradualDAETransformer."""
    transformer(work, **options).fit(X)


def _module(work: Work) -> nn.Sequential:
    activations = {"relu": nn.ReLU, "logistic": nn.Sigmoid}
    layers: list[nn.Module] = []
    for a, b in zip(work.widths[:-1], work.widths[1:], strict=True):
        layers += [nn.Linear(a, b), activations[work.activation]()]
    return nn.Sequential(*layers[:-1])


def _torch_optimiser(
    work: Work, module: nn.Module, fused: bool
) -> torch.optim.Optimizer:
    if work.solver == "sgd":
        return torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)
    return torch.optim.Adam(module.parameters(), lr=1e-3, fused=fused or None)


def _torch_loss(work: Work) -> nn.Module:
    return nn.BCEWithLogitsLoss() if work.cross_entropy else nn.MSELoss()


def tutorial_torch(work: Work, X: np.ndarray) -> None:
    """The loop of the tutorials: DataLoader, autograd, Adam."""
    module, criterion = _module(work), _torch_loss(work)
    optimiser = _torch_optimiser(work, module, fused=False)
    data = torch.utils.data.TensorDataset(torch.from_numpy(X))
    loader = torch.utils.data.DataLoader(data, work.batch_size, shuffle=True)
    for _ in range(work.epochs):
        for (batch,) in loader:
            optimiser.zero_grad()
            loss = criterion(module(batch), batch)
            loss.backward()
            optimiser.step()


def expert_torch(work: Work, X: np.ndarray) -> None:
    """Autograd with a fused optimiser and no DataLoader."""
    module, criterion = _module(work), _torch_loss(work)
    optimiser = _torch_optimiser(work, module, fused=True)
    rows = torch.from_numpy(X)
    for _ in range(work.epochs):
        for batch in rows[torch.randperm(len(rows))].split(work.batch_size):
            optimiser.zero_grad(set_to_none=True)
            criterion(module(batch), batch).backward()
            optimiser.step()


def sklearn_mlp(work: Work, X: np.ndarray) -> None:
    """MLPRegressor from X to X (squared error: it has no cross-entropy for this)."""
    MLPRegressor(
        hidden_layer_sizes=tuple(work.widths[1:-1]),
        activation=work.activation,
        solver=work.solver,
        batch_size=work.batch_size,
        max_iter=work.epochs,
        n_iter_no_change=work.epochs + 1,
        alpha=0.0,
    ).fit(X, X)


def skorch(work: Work, X: np.ndarray) -> None:
    """NeuralNet of skorch with the same module."""
    from skorch import NeuralNet

    optimiser = torch.optim.Adam if work.solver == "adam" else torch.optim.SGD
    NeuralNet(
        _module(work),
        criterion=type(_torch_loss(work)),
        optimizer=optimiser,
        lr=1e-3,
        batch_size=work.batch_size,
        max_epochs=work.epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    ).fit(X, X)


def pyod(work: Work, X: np.ndarray) -> None:
    """AutoEncoder of PyOD without batch normalisation and dropout."""
    from pyod.models.auto_encoder import AutoEncoder

    AutoEncoder(
        hidden_neuron_list=list(work.hidden),
        hidden_activation_name="relu" if work.activation == "relu" else "sigmoid",
        batch_norm=False,
        dropout_rate=0.0,
        batch_size=work.batch_size,
        epoch_num=work.epochs,
        optimizer_name="adam",
        verbose=0,
    ).fit(X)


METHODS: dict[str, Fit] = {
    "floor": floor,
    "skdae": ours,
    "skdae gradual": partial(ours, schedule="gradual"),  # as many epochs
    "skdae, 2 threads": partial(ours, n_threads=2),  # each with half of a batch
    "skdae, bfloat16": partial(ours, dtype="bfloat16"),
    "skdae, CUDA": partial(ours, device="cuda"),  # the step captured as a graph
    "skdae, CUDA, bfloat16": partial(ours, device="cuda", dtype="bfloat16"),
    "expert torch": expert_torch,
    "tutorial torch": tutorial_torch,
    "sklearn MLP": sklearn_mlp,
    "skorch": skorch,
    "PyOD": pyod,
}
DEFAULT_METHODS = [name for name in METHODS if not name.startswith("skdae, ")]
DEFAULT_WORKS = "S,tiny"
QUICK_ROWS = 1_000

# --- training ------------------------------------------------------------------------


@cache
def warm_up(name: str, method: str) -> None:
    """Fit two batches: libraries load what they load once."""
    work = WORKS[name]
    small = replace(work, n_rows=2 * work.batch_size)
    METHODS[method](small, work.rows()[: small.n_rows])


def evaluate(name: str, condition: str, method: str, *, quick: bool) -> Values:
    """Seconds of one fit."""
    work = replace(WORKS[name], n_rows=QUICK_ROWS) if quick else WORKS[name]
    warm_up(name, method)
    X = work.rows()
    return {"seconds": wall(lambda: METHODS[method](work, X))}


def title(name: str) -> str:
    """A work in words."""
    work = WORKS[name]
    return (
        f"{name}: {work.n_rows:,} x {work.n_features}, "
        f"{'-'.join(map(str, work.hidden))} {work.activation}, batch "
        f"{work.batch_size}, {work.solver}, {work.epochs} epochs"
    )


# --- two processes, and trained networks ---------------------------------------------


def evaluate_workers(name: str, condition: str, method: str) -> Values:
    """Seconds of four fits, by one process or by two."""
    work = replace(WORKS["S"], n_rows=5_000, epochs=30)
    X = work.rows()
    with Parallel(n_jobs=int(method[0])) as parallel:
        small = replace(work, epochs=1)
        parallel(delayed(ours)(small, X) for _ in range(2))  # warm-up
        return {"seconds": wall(lambda: parallel([delayed(ours)(work, X)] * 4))}


INFERENCE = {"Inference, 20,000 rows": (20_000, 5), "Inference, one row": (1, 500)}


@cache
def trained() -> dict[str, Callable[[np.ndarray], object]]:
    """Calls of trained models of work S."""
    work = replace(WORKS["S"], epochs=1)
    X = work.rows()
    dae = transformer(work).fit(X)
    pca = PCA(work.hidden[-1]).fit(X)
    # the same three layers: two hidden ones and the outputs
    mlp = MLPRegressor(hidden_layer_sizes=work.hidden[:-1], max_iter=1)
    mlp.fit(X, X[:, : work.hidden[-1]])
    weights = [layer.weight for layer in dae.network_.encoder]

    def products(X: np.ndarray) -> None:
        for a in range(0, len(X), 1024):
            H = X[a : a + 1024]
            for weight in weights:
                H = H @ weight

    return {
        "PCA.transform": pca.transform,
        "skdae transform": dae.transform,
        "sklearn MLP predict": mlp.predict,
        "its three products alone": products,
    }


def evaluate_inference(X: np.ndarray, condition: str, method: str) -> Values:
    """Seconds of one call, mean over several."""
    n_rows, n_calls = INFERENCE[condition]
    call, rows = trained()[method], X[:n_rows]
    seconds = wall(lambda: [call(rows) for _ in range(n_calls)])
    return {"seconds": seconds / n_calls}


# --- reading -------------------------------------------------------------------------

#: How each file is written, and what pandas is given to read it.
FILES: dict[str, dict[str, str]] = {
    "Full-precision floats": {},
    "Decimal commas": {"sep": ";", "decimal": ","},
    "5 % missing, as n/a": {"na_rep": "n/a"},
    "Whole numbers": {"float_format": "%.0f"},
}
READERS: dict[str, Callable[..., object]] = {
    "pandas.read_csv": pd.read_csv,
    "skdae": lambda path, **_: read_table(path),
}


@cache
def written(condition: str) -> str:
    """The path of a file of 10,000 rows and 20 columns."""
    generator = np.random.default_rng(0)
    table = pd.DataFrame(100 * generator.normal(size=(10_000, 20)))
    if "missing" in condition:
        table = table.mask(generator.random(table.shape) < 0.05)
    table.columns = [f"sensor {j}" for j in table.columns]
    path = Path(mkdtemp()) / "table.csv"
    table.to_csv(path, index=False, **FILES[condition])
    return str(path)


def evaluate_reading(folder: str, condition: str, method: str) -> Values:
    """CPU seconds to read one file."""
    path, options = written(condition), FILES[condition]
    known = {name: options[name] for name in ("sep", "decimal") if name in options}
    start = process_time()
    READERS[method](path, **known)
    return {"seconds": process_time() - start}


# --- tables --------------------------------------------------------------------------


def tables(cells: list[Cell], bases: dict[str, str], titles: dict[str, str]) -> list:
    """Times over those of the bases in each round; the first one with its range."""
    results = Results(cells)
    first, *others = bases
    header = ["", f"x {bases[first]} (median)", "min - max"]
    header += [*(f"x {bases[other]}" for other in others), "seconds"]

    def ratios(row: tuple[str, str], method: str, base: str) -> np.ndarray:
        return np.divide(*results.paired(row, method, base, "seconds"))

    def line(row: tuple[str, str], method: str) -> list[str]:
        found = ratios(row, method, first)
        medians = [np.median(ratios(row, method, other)) for other in others]
        return [
            method,
            f"{np.median(found):.2f}",
            f"{found.min():.2f} - {found.max():.2f}",
            *(f"{median:.2f}" for median in medians),
            f"{np.median(results.values(row, method, 'seconds')):.3g}",
        ]

    parts = []
    for row in results.rows:
        table = markdown(header, [line(row, method) for method in results.methods])
        parts += [f"### {titles[row[1] or row[0]]}", table]
    return parts


EXTRA = {
    "--workers": {"action": "store_true", "help": "two processes, too"},
    "--inference": {"action": "store_true", "help": "trained networks, too"},
    "--reading": {"action": "store_true", "help": "nothing but CSV files"},
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=5, extra=EXTRA, is_timing=True)
    args.sets = args.sets or DEFAULT_WORKS
    names = args.methods.split(";") if args.methods else DEFAULT_METHODS
    args.methods = ";".join(dict.fromkeys(["floor", "skdae", *names]))
    torch.set_num_threads(1)
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    parts = [f"torch {torch.__version__}, numpy {np.__version__}, {args.seeds} rounds"]
    if args.workers:
        benchmark = Benchmark("", lambda name, seed: name, evaluate_workers)
        grid = Grid(["four"], [""], ["1 worker", "2 workers"], args.seeds)
        titles = {"four": "Four fits"}
        parts += tables(run(benchmark, grid), {"1 worker": "one worker"}, titles)
    if args.inference:
        X = WORKS["S"].rows()
        benchmark = Benchmark("", lambda name, seed: X, evaluate_inference)
        grid = Grid(["S"], list(INFERENCE), list(trained()), 4 * args.seeds)
        titles = {name: name for name in INFERENCE}
        parts += tables(run(benchmark, grid), {"PCA.transform": "PCA"}, titles)
    if args.reading:
        benchmark = Benchmark("", lambda name, seed: name, evaluate_reading)
        grid = Grid(["files"], list(FILES), list(READERS), 4 * args.seeds)
        titles = {name: name for name in FILES}
        parts += tables(run(benchmark, grid), {"pandas.read_csv": "pandas"}, titles)
        publish(parts, args)
        return
    benchmark = Benchmark(
        protocol("speed", "", args),
        lambda name, seed: name,
        partial(evaluate, quick=args.quick),
    )
    cells = measure(benchmark, args, sets=WORKS, methods=METHODS)
    bases = {"floor": "floor", "skdae": "skdae"}
    publish(parts + tables(cells, bases, {n: title(n) for n in WORKS}), args)


if __name__ == "__main__":
    main()
