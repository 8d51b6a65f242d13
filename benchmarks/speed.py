"""How fast is training? Seconds per fit as a multiple of the bare matrix products.

Every contestant trains the same auto-encoder (the same rows, widths, batch size, epochs
and optimiser) in turn, round after round, in one process with one thread. Each time is
divided by that of the *floor* of the same round: a loop of nothing but the matrix
products of one training step, written into buffers. With SGD, PyOD keeps Adam and
skorch has no momentum. Ours also corrupts its input and learns its scaling; the others
do neither.

    python benchmarks/speed.py [--work S,tiny,M,M-sgd] [--rounds 5] [--peers "a;b"]
                               [--workers] [--inference]

`--workers` also times four fits by two processes, `--inference` a trained network on
many rows and on one, beside scikit-learn. "2 threads", "bfloat16" and "CUDA" are
settings of ours that serve wide networks; name them with `--peers`.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from skdae import GradualDAETransformer


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
    """The same network trained jointly, unless `options` say otherwise."""
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


def ours(work: Work, X: np.ndarray) -> None:
    """GradualDAETransformer, the same network trained jointly."""
    transformer(work).fit(X)


def ours_gradual(work: Work, X: np.ndarray) -> None:
    """The full gradual fit at the same number of epochs."""
    transformer(work, schedule="gradual").fit(X)


def ours_shared(work: Work, X: np.ndarray) -> None:
    """Two threads, each with half of a batch."""
    transformer(work, n_threads=2).fit(X)


def ours_bfloat16(work: Work, X: np.ndarray) -> None:
    """Products in bfloat16."""
    transformer(work, dtype="bfloat16").fit(X)


def ours_cuda(work: Work, X: np.ndarray) -> None:
    """The same on a GPU, the step captured as a graph; the weights come back."""
    transformer(work, device="cuda").fit(X)


def ours_cuda_bfloat16(work: Work, X: np.ndarray) -> None:
    """The same in bfloat16."""
    transformer(work, device="cuda", dtype="bfloat16").fit(X)


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
    from sklearn.neural_network import MLPRegressor

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


CONTESTANTS: dict[str, Fit] = {
    "floor": floor,
    "skdae": ours,
    "skdae gradual": ours_gradual,
    "skdae, 2 threads": ours_shared,
    "skdae, bfloat16": ours_bfloat16,
    "skdae, CUDA": ours_cuda,
    "skdae, CUDA, bfloat16": ours_cuda_bfloat16,
    "expert torch": expert_torch,
    "tutorial torch": tutorial_torch,
    "sklearn MLP": sklearn_mlp,
    "skorch": skorch,
    "PyOD": pyod,
}


def timed(fit: Fit, work: Work, X: np.ndarray) -> float:
    """Wall seconds of one run."""
    started = time.perf_counter()
    fit(work, X)
    return time.perf_counter() - started


def compare(work: Work, names: list[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, one after the other."""
    X = work.rows()
    small = replace(work, n_rows=2 * work.batch_size)
    for name in names:  # warm-up
        CONTESTANTS[name](small, X[: small.n_rows])
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            seconds[name].append(timed(CONTESTANTS[name], work, X))
    return seconds


def report(name: str, work: Work, seconds: dict[str, list[float]]) -> None:
    """A Markdown table of ratios, each within its round."""
    print(
        f"\n### {name}: {work.n_rows:,} x {work.n_features}, "
        f"{'-'.join(map(str, work.hidden))} {work.activation}, batch "
        f"{work.batch_size}, {work.solver}, {work.epochs} epochs\n"
    )
    print("| | x floor (median) | min - max | x skdae | seconds |")
    print("|---|---:|---:|---:|---:|")
    for contestant, times in seconds.items():
        pairs = zip(times, seconds["floor"], strict=True)
        ratios = [t / base for t, base in pairs]
        pairs = zip(times, seconds["skdae"], strict=True)
        mine = statistics.median(t / base for t, base in pairs)
        print(
            f"| {contestant} | {statistics.median(ratios):.2f} | "
            f"{min(ratios):.2f} - {max(ratios):.2f} | {mine:.2f} | "
            f"{statistics.median(times):.3f} |"
        )


def workers(rounds: int) -> None:
    """Four fits one after the other, and by two processes: half the time is ideal."""
    from joblib import Parallel, delayed

    work = replace(WORKS["S"], n_rows=5_000, epochs=30)
    X = work.rows()
    ratios = []
    with Parallel(n_jobs=2) as parallel:
        parallel(delayed(ours)(work, X) for _ in range(2))  # warm-up
        for _ in range(rounds):
            started = time.perf_counter()
            for _ in range(4):
                ours(work, X)
            middle = time.perf_counter()
            parallel(delayed(ours)(work, X) for _ in range(4))
            ratios.append((time.perf_counter() - middle) / (middle - started))
    print(
        "\n### Four fits by two workers, time over that of one: "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
    )


def inference(rounds: int) -> None:
    """A trained network of work S, as a multiple of PCA's time of the same round."""
    from sklearn.decomposition import PCA
    from sklearn.neural_network import MLPRegressor

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

    calls = {
        "PCA.transform": pca.transform,
        "skdae transform": dae.transform,
        "sklearn MLP predict": mlp.predict,
        "its three products alone": products,
    }
    for rows, repeats in ((X, 5), (X[:1], 500)):
        print(f"\n### Inference, {len(rows):,} rows\n")
        print("| | x PCA (median) | min - max | microseconds |")
        print("|---|---:|---:|---:|")
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(4 * rounds):
            for name, call in calls.items():
                started = time.perf_counter()
                for _ in range(repeats):
                    call(rows)
                times[name].append((time.perf_counter() - started) / repeats)
        for name, taken in times.items():
            ratios = [
                t / base for t, base in zip(taken, times["PCA.transform"], strict=True)
            ]
            print(
                f"| {name} | {statistics.median(ratios):.2f} | "
                f"{min(ratios):.2f} - {max(ratios):.2f} | "
                f"{1e6 * statistics.median(taken):,.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", default="S,tiny", help="of " + ",".join(WORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", action="store_true", help="two processes, too")
    parser.add_argument("--inference", action="store_true", help="trained ones, too")
    parser.add_argument(
        "--peers", help="some, parted by ;, of " + "; ".join(CONTESTANTS)
    )
    options = parser.parse_args()
    names = [name for name in CONTESTANTS if not name.startswith("skdae, ")]
    if options.peers:
        names = options.peers.split(";")
    names = ["floor", "skdae", *(n for n in names if n not in ("floor", "skdae"))]
    torch.set_num_threads(1)
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(f"torch {torch.__version__}, numpy {np.__version__}, {options.rounds} rounds")
    if options.workers:
        workers(options.rounds)
    if options.inference:
        inference(options.rounds)
    for name in options.work.split(","):
        report(name, WORKS[name], compare(WORKS[name], names, options.rounds))


if __name__ == "__main__":
    main()
