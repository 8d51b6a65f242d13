"""The papers' experiment with labels: classifiers that begin as encoders, or at random.

All images of a cell of run.py are pretrained on; the first of them have labels.
Finished cells are kept as JSON lines in --results. See README.md for the protocol.
"""

import argparse
import os
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiment import Cell, Images, load_rows, train, untrained
from image_results import read
from run import RATE_SEED, RESULTS, SETTINGS, Store
from torch.nn.functional import cross_entropy

from skdae._core.network import Network

METHODS = ("random weights", "stacked", "gradual", "gradual, copy")
N_LABELS = (1_000, 2_500)
N_CLASSES, EPOCHS, BATCH_SIZE = 10, 50, 50
RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)


@cache
def encoder_of(cell: Cell, folder: Path) -> Network:
    """The tuned network of a cell; without a method, before all training."""
    if cell.method == METHODS[0]:
        return untrained(cell)
    rows = load_rows(folder, cell.setting.data, cell.setting.n_train, cell.seed)
    return train(cell, rows.train.X).tuned


class Classifier:
    """Logistic units that begin as an encoder, and a softmax layer that begins at 0."""

    def __init__(self, encoder: Network, rate: float) -> None:
        arrays = [a for layer in encoder.encoder for a in (layer.weight, layer.bias)]
        arrays += [np.zeros((arrays[-2].shape[1], N_CLASSES)), np.zeros(N_CLASSES)]
        self.weights = [
            torch.tensor(each, dtype=torch.float32, requires_grad=True)
            for each in arrays
        ]
        self.solver = torch.optim.Adam(self.weights, rate)

    def outputs(self, X: torch.Tensor) -> torch.Tensor:
        """Logits of the classes, (n, N_CLASSES)."""
        *pairs, last = zip(self.weights[::2], self.weights[1::2], strict=True)
        for weight, bias in pairs:
            X = torch.sigmoid(torch.addmm(bias, X, weight))
        return torch.addmm(last[1], X, last[0])

    def step(self, X: torch.Tensor, y: torch.Tensor) -> None:
        """One step on the cross-entropy."""
        self.solver.zero_grad()
        cross_entropy(self.outputs(X), y).backward()
        self.solver.step()

    @torch.no_grad()
    def error(self, images: Images) -> float:
        """Share of wrong classes."""
        found = self.outputs(torch.from_numpy(images.X)).argmax(dim=1).numpy()
        return float((found != images.y).mean())


def fine_tune(cell: Cell, n_labels: int, rate: float, folder: Path) -> dict[str, Any]:
    """Errors after the epoch of the least validation error."""
    rows = load_rows(folder, cell.setting.data, cell.setting.n_train, cell.seed)
    X = torch.from_numpy(rows.train.X[:n_labels])
    y = torch.from_numpy(rows.train.y[:n_labels].astype(np.int64))
    classifier = Classifier(encoder_of(cell, folder), rate)
    generator = torch.Generator().manual_seed(cell.seed)
    best: dict[str, Any] = {"validation_error": 1.0}
    for epoch in range(EPOCHS):
        for batch in torch.randperm(n_labels, generator=generator).split(BATCH_SIZE):
            classifier.step(X[batch], y[batch])
        error = classifier.error(rows.validation)
        if error < best["validation_error"]:
            best = {"validation_error": round(error, 5), "epoch": epoch + 1}
            best["test_error"] = round(classifier.error(rows.test), 5)
    return best


def run(
    name: str, methods: list[str], n_seeds: int, folder: Path, results: Path
) -> None:
    """Choose the step sizes of fine-tuning, then run the seeds."""
    setting, store = SETTINGS[name], Store(results / f"{name}-labels.jsonl")
    pretraining = {m: found.learning_rate for m, found in read(name).items()}

    def errors(method: str, n_labels: int, rate: float, seed: int) -> dict[str, Any]:
        cell = Cell(setting, method, pretraining.get(method, RATES[0]), seed)
        config = cell.config() | {"n_labels": n_labels, "fine_rate": rate}
        return store.get(config, lambda: fine_tune(cell, n_labels, rate, folder))

    def validation_error(method: str, n_labels: int, rate: float) -> float:
        return errors(method, n_labels, rate, RATE_SEED)["validation_error"]

    best = {
        (m, n): min(RATES, key=partial(validation_error, m, n))
        for m in methods
        for n in N_LABELS
    }
    for seed in range(n_seeds):
        for (method, n_labels), rate in best.items():
            errors(method, n_labels, rate, seed)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("SKDAE_DATA"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--setting", choices=SETTINGS, default="mnist-small")
    parser.add_argument("--methods", help="separated by ';' (default: all)")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    if args.data is None:
        parser.error("--data must name the folder of data sets; or set SKDAE_DATA.")
    methods = args.methods.split(";") if args.methods else list(METHODS)
    run(args.setting, methods, args.seeds, Path(args.data), args.results)


if __name__ == "__main__":
    main()
