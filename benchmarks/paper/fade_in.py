"""A remedy for the jump of the loss: a new pair of layers that is faded in.

In the first part of its phase the output layer reads a mixture of the code below and
the one rebuilt through the new, random pair, whose share rises from 0 to 1. The first
setting of regime.py, trained with torch's gradients and optimiser; rules of run.py.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from experiment import Images, entropy, load_rows, masked
from regime import BASE
from run import RATE_SEED, Store, best_rate, common_options
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

NAME = "mnist-fade-in"
METHODS = {"no fade-in": 0.0, "a third": 1 / 3}  # of the phase


class Autoencoder:
    """Two logistic layers and their mirror, of which the upper pair may be faded in."""

    def __init__(self, n_pixels: int, widths: tuple[int, ...], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.layers = []
        for n_inputs, n_units in zip((n_pixels, *widths), widths, strict=False):
            for shape in ((n_inputs, n_units), (n_units, n_inputs)):
                bound = (6 / sum(shape)) ** 0.5
                weight = (2 * torch.rand(shape, generator=generator) - 1) * bound
                self.layers.append((weight, torch.zeros(shape[1])))

    def logits(self, X: torch.Tensor, share: float) -> torch.Tensor:
        """Pixels as rebuilt by both pairs; with share 0 by the lower one alone."""
        encoder, output, upper, back = self.layers
        H = torch.sigmoid(torch.addmm(encoder[1], X, encoder[0]))
        if share > 0:
            code = torch.sigmoid(torch.addmm(upper[1], H, upper[0]))
            rebuilt = torch.sigmoid(torch.addmm(back[1], code, back[0]))
            H = rebuilt if share == 1 else (1 - share) * H + share * rebuilt
        return torch.addmm(output[1], H, output[0])

    def train(
        self,
        X: torch.Tensor,
        epochs: int,
        rate: float,
        share: Callable[[float], float],
        generator: torch.Generator,
    ) -> None:
        """A phase; the share of the upper pair depends on the part that is done."""
        n_trained = 4 if share(1.0) > 0 else 2
        weights = [each for layer in self.layers[:n_trained] for each in layer]
        for weight in weights:
            weight.requires_grad_(True)
        solver, step = torch.optim.Adam(weights, rate), 0
        n_steps = epochs * -(-len(X) // BASE.batch_size)
        for _ in range(epochs):
            order = torch.randperm(len(X), generator=generator)
            for batch in order.split(BASE.batch_size):
                target = X[batch]
                kept = torch.rand(target.shape, generator=generator) >= BASE.noise_rate
                logits = self.logits(target * kept, share(step / n_steps))
                loss = cross_entropy(logits, target, reduction="sum") / len(batch)
                solver.zero_grad()
                loss.backward()
                solver.step()
                step += 1

    @torch.no_grad()
    def excess(self, images: Images) -> float:
        """Cross-entropy above the entropy, nats per corrupted image."""
        X = torch.from_numpy(images.X)
        corrupted = torch.from_numpy(masked(images.X, BASE.noise_rate))
        total = cross_entropy(self.logits(corrupted, 1.0), X, reduction="sum")
        return round(float(total) / len(X) - entropy(images.X), 5)


def faded(part: float, fade: float) -> float:
    """The share of the upper pair after a part of its phase."""
    return 1.0 if part >= fade else max(part / fade, 1e-6)


def run_cell(fade: float, rate: float, seed: int, folder: Path) -> dict[str, Any]:
    """Grow, tune and measure."""
    rows = load_rows(folder, BASE.data, BASE.n_train, seed)
    X = torch.from_numpy(rows.train.X)
    network = Autoencoder(X.shape[1], BASE.widths, seed)
    generator = torch.Generator().manual_seed(seed)
    shares = (lambda part: 0.0), partial(faded, fade=fade), (lambda part: 1.0)
    for epochs, share in zip((*BASE.epochs, BASE.tuning), shares, strict=True):
        network.train(X, epochs, rate, share, generator)
    parts = {"validation": rows.validation, "test": rows.test}
    return {f"{n}_corrupted": network.excess(part) for n, part in parts.items()}


def main() -> None:
    """Run what is missing."""
    args = common_options(__doc__, n_seeds=3).parse_args()
    store = Store(args.results / f"{NAME}.jsonl")

    def loss(method: str, rate: float, seed: int = RATE_SEED) -> float:
        config = {"method": method, "learning_rate": rate, "seed": seed}
        cell = partial(run_cell, METHODS[method], rate, seed, args.data)
        return store.get(config, lambda: {"tuned": cell()})["tuned"][
            "validation_corrupted"
        ]

    rates = {m: best_rate(BASE.solver, partial(loss, m)) for m in METHODS}
    for seed in range(args.seeds):
        for method, rate in rates.items():
            loss(method, rate, seed)


if __name__ == "__main__":
    main()
