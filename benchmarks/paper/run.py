"""The papers' experiment on images: schedules at equal weight updates, seeds paired.

Finished cells are kept as JSON lines in --results, one file per setting, and a later
call goes on where the last one stopped. See README.md for the protocol.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

from experiment import METHODS, Cell, Setting, run_cell

ADAM = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
# step sizes, and where the search for the best one begins; so many that no search has
# ended at an end
RATES = {
    "adam": (ADAM, 2),
    "sgd": ((0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), 3),
    "fine-tuning": (ADAM, 4),
}
RATE_SEED = 1_000  # rows and weights that step sizes are chosen with, and nothing else

SETTINGS = {
    "mnist-small": Setting("mnist", 4_000, (250, 250), 50, (15, 15), 20),
    "mnist-middle": Setting("mnist", 5_000, (300, 300), 20, (20, 20), 20),
    "mnist-large": Setting("mnist", 5_000, (300, 300), 20, (40, 40), 40),
    "mnist-10k": Setting("mnist", 10_000, (250, 250), 50, (15, 15), 20),
    "mnist-deep": Setting("mnist", 4_000, (250, 250, 250), 50, (15, 15, 15), 20),
    "mnist-small-direct": Setting(
        "mnist", 4_000, (250, 250), 50, (15, 15), 20, decoder="direct"
    ),
    "cifar10-small": Setting("cifar10", 3_000, (200, 200), 50, (15, 15), 20),
    "cifar10-middle": Setting("cifar10", 6_000, (200, 200), 50, (15, 15), 20),
    "quick": Setting("mnist", 1_000, (100, 100), 20, (10, 10), 10),
}


RESULTS = Path(__file__).parents[1] / "results" / "paper"


class Store:
    """Finished cells of one setting, by their configuration."""

    def __init__(self, path: Path) -> None:
        self.path, self.cells = path, {}
        if path.is_file():
            content = path.read_bytes()
            end = content.rfind(b"\n") + 1
            if end < len(content):  # what an interrupted write left behind
                os.truncate(path, end)
            for line in content[:end].decode().splitlines():
                found = json.loads(line)
                self.cells[json.dumps(found["config"])] = found["values"]

    def get(
        self, config: dict[str, Any], compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """The values of a configuration, computed if they are missing."""
        key = json.dumps(config)
        if key not in self.cells:
            started = process_time()
            self.cells[key] = compute()
            self.cells[key].setdefault("seconds", round(process_time() - started, 1))
            line = json.dumps({"config": config, "values": self.cells[key]}) + "\n"
            with self.path.open("ab", buffering=0) as file:
                file.write(line.encode())
            print(f"{self.path.stem}  {shown(config, self.cells[key])}", flush=True)
        return self.cells[key]

    def values(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """The values of a cell, computed if they are missing."""
        return self.get(cell.config(), lambda: run_cell(cell, folder))


def shown(config: dict[str, Any], values: dict[str, Any]) -> str:
    """One line of progress."""
    texts = [f"{k} {v}" for k, v in config.items()]
    tuned = values.get("tuned", values)
    numbers = [f"{k} {v}" for k, v in tuned.items() if isinstance(v, float)]
    return ", ".join(texts) + ": " + ", ".join(numbers)


def best_rate(grid: str, loss: Callable[[float], float]) -> float:
    """The step size of the lowest validation loss.

    The same rule for all methods: two neighbours on the grid, then on in the direction
    in which it falls, until it rises or the grid ends.
    """
    rates, first = RATES[grid]
    step = 1 if loss(rates[first + 1]) < loss(rates[first]) else -1
    best = max(first, first + step)
    while 0 <= best + step < len(rates) and loss(rates[best + step]) < loss(
        rates[best]
    ):
        best += step
    return rates[best]


def chosen_rates(
    store: Store, setting: Setting, methods: Iterable[str], folder: Path
) -> dict[str, float]:
    """The step size of each method, by the loss of validation images after tuning."""

    def loss(method: str, rate: float) -> float:
        values = store.values(Cell(setting, method, rate, RATE_SEED), folder)
        return values["tuned"]["validation_corrupted"]

    return {m: best_rate(setting.solver, partial(loss, m)) for m in methods}


def run(
    store: Store, setting: Setting, methods: list[str], n_seeds: int, folder: Path
) -> None:
    """Choose the step sizes of one setting, then run its cells, seed by seed."""
    rates = chosen_rates(store, setting, methods, folder)
    run_seeds(store, setting, rates, n_seeds, folder)


def run_seeds(
    store: Store, setting: Setting, rates: dict[str, float], n_seeds: int, folder: Path
) -> None:
    """Run the cells of methods with their step sizes, seed by seed."""
    for seed in range(n_seeds):
        for method, rate in rates.items():
            store.values(Cell(setting, method, rate, seed), folder)


def common_options(doc: str, n_seeds: int = 5) -> argparse.ArgumentParser:
    """What all scripts of the folder ask for."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    data = os.environ.get("SKDAE_DATA")
    parser.add_argument("--data", type=Path, default=data, required=data is None)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, default=n_seeds)
    return parser


def main() -> None:
    """Run what is missing of the settings that are asked for."""
    parser = common_options(__doc__)
    parser.add_argument("--settings", default="mnist-small,mnist-middle")
    parser.add_argument("--methods", help="separated by ';' (default: all)")
    parser.add_argument("--rate", type=float, help="of all (default: by the search)")
    parser.add_argument("--budget", choices=["quick", "full"], default="full")
    args = parser.parse_args()
    names, n_seeds = args.settings.split(","), args.seeds
    if args.budget == "quick":
        names, n_seeds = ["quick"], min(n_seeds, 3)
    methods = args.methods.split(";") if args.methods else METHODS
    for name in names:
        store = Store(args.results / f"{name}.jsonl")
        if args.rate is None:
            run(store, SETTINGS[name], methods, n_seeds, args.data)
        else:
            rates = dict.fromkeys(methods, args.rate)
            run_seeds(store, SETTINGS[name], rates, n_seeds, args.data)


if __name__ == "__main__":
    main()
