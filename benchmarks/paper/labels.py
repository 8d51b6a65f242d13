"""The papers' experiment with labels: classifiers that begin as encoders, or at random.

All images of a cell of run.py are pretrained on; the first of them have labels.
Step size and epoch of fine-tuning are chosen for each classifier by its error on
validation images. Finished cells are kept as JSON lines in --results. See README.md.
"""

from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiment import Cell, Images, load_rows, train, untrained
from run import SETTINGS, Store, best_rate, chosen_rates, common_options
from torch.nn.functional import cross_entropy

from skdae._core.network import Network

RANDOM = "random weights"
METHODS = (RANDOM, "stacked", "gradual", "gradual, copy")
N_LABELS = (1_000, 2_500, 5_000, 10_000)  # as far as there are images
N_CLASSES, EPOCHS, BATCH_SIZE = 10, 50, 50
NO_RATE = 5e-4  # of a network that is not pretrained; it changes nothing


def encoder_of(cell: Cell, folder: Path) -> Network:
    """The tuned network of a cell; without a method, before all training."""
    return untrained(cell) if cell.method == RANDOM else train(cell, folder).tuned


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
    name: str,
    methods: list[str],
    counts: Iterable[int],
    seeds: Iterable[int],
    folder: Path,
    results: Path,
) -> None:
    """Pretrain with the step size of each method, then search that of fine-tuning."""
    setting, store = SETTINGS[name], Store(results / f"{name}-labels.jsonl")
    networks = Store(results / f"{name}.jsonl")
    pretrained = [m for m in methods if m != RANDOM]
    rates = chosen_rates(networks, setting, pretrained, folder)

    def validation_error(cell: Cell, n_labels: int, rate: float) -> float:
        config = cell.config() | {"n_labels": n_labels, "fine_rate": rate}
        compute = partial(fine_tune, cell, n_labels, rate, folder)
        return store.get(config, compute)["validation_error"]

    for seed, method in product(seeds, methods):
        cell = Cell(setting, method, rates.get(method, NO_RATE), seed)
        if method in pretrained:
            networks.values(cell, folder)
        for n_labels in counts:
            if n_labels <= setting.n_train:
                best_rate("fine-tuning", partial(validation_error, cell, n_labels))


def main() -> None:
    """Run what is missing."""
    parser = common_options(__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=N_LABELS)
    parser.add_argument("--setting", choices=SETTINGS, default="mnist-small")
    parser.add_argument("--methods", help="separated by ';' (default: all)")
    args = parser.parse_args()
    methods = args.methods.split(";") if args.methods else list(METHODS)
    seeds = range(args.seeds)
    run(args.setting, methods, args.labels, seeds, args.data, args.results)


if __name__ == "__main__":
    main()
