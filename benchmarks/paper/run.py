"""The papers' experiment on images: schedules at equal weight updates, seeds paired.

Finished cells are kept as JSON lines in --results, one file per setting, and a later
call goes on where the last one stopped. See README.md for the protocol.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from experiment import METHODS, Cell, Setting, run_cell

# step sizes, and the place where the search for the best one begins
RATES = {
    "adam": ((2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2), 2),
    "sgd": ((0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), 3),
}
RATE_SEED = 1_000  # rows and weights that step sizes are chosen with, and nothing else

SETTINGS = {
    "mnist-small": Setting("mnist", 4_000, (250, 250), 50, (15, 15), 20),
    "mnist-middle": Setting("mnist", 5_000, (300, 300), 20, (20, 20), 20),
    "mnist-large": Setting("mnist", 5_000, (300, 300), 20, (40, 40), 40),
    "mnist-deep": Setting("mnist", 4_000, (250, 250, 250), 50, (15, 15, 15), 20),
    "mnist-small-direct": Setting(
        "mnist", 4_000, (250, 250), 50, (15, 15), 20, decoder="direct"
    ),
    "cifar10-small": Setting("cifar10", 3_000, (200, 200), 50, (15, 15), 20),
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

    def values(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """The values of a cell, computed if they are missing."""
        config = cell.config()
        key = json.dumps(config)
        if key not in self.cells:
            self.cells[key] = run_cell(cell, folder)
            line = json.dumps({"config": config, "values": self.cells[key]}) + "\n"
            with self.path.open("ab", buffering=0) as file:
                file.write(line.encode())
            corrupted = self.cells[key]["tuned"]["test_corrupted"]
            print(
                f"{self.path.stem}  {cell.method}  {cell.learning_rate:g}  seed "
                f"{cell.seed}: {corrupted:.2f}  {self.cells[key]['seconds']} s",
                file=sys.stderr,
                flush=True,
            )
        return self.cells[key]


def best_rate(store: Store, setting: Setting, method: str, folder: Path) -> float:
    """The step size of the lowest validation loss after tuning.

    The same rule for all methods: two neighbours on the grid, then on in the direction
    in which it falls, until it rises or the grid ends.
    """
    rates, first = RATES[setting.solver]

    def loss(i: int) -> float:
        cell = Cell(setting, method, rates[i], RATE_SEED)
        return store.values(cell, folder)["tuned"]["validation_corrupted"]

    step = 1 if loss(first + 1) < loss(first) else -1
    best = max(first, first + step)
    while 0 <= best + step < len(rates) and loss(best + step) < loss(best):
        best += step
    return rates[best]


def run(
    name: str, methods: list[str], n_seeds: int, folder: Path, results: Path
) -> None:
    """Choose the step sizes of one setting, then run its cells, seed by seed."""
    setting, store = SETTINGS[name], Store(results / f"{name}.jsonl")
    rates = {m: best_rate(store, setting, m, folder) for m in methods}
    for seed in range(n_seeds):
        for method, rate in rates.items():
            store.values(Cell(setting, method, rate, seed), folder)


def main() -> None:
    """Run what is missing of the settings that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("SKDAE_DATA"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--settings", default="mnist-small,mnist-middle")
    parser.add_argument("--methods", help="separated by ';' (default: all)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", choices=["quick", "full"], default="full")
    args = parser.parse_args()
    if args.data is None:
        parser.error("--data must name the folder of data sets; or set SKDAE_DATA.")
    names, n_seeds = args.settings.split(","), args.seeds
    if args.budget == "quick":
        names, n_seeds = ["quick"], min(n_seeds, 3)
    methods = args.methods.split(";") if args.methods else METHODS
    for name in names:
        run(name, methods, n_seeds, Path(args.data), args.results)


if __name__ == "__main__":
    main()
