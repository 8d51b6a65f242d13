"""The runner of all benchmarks: options, finished cells, the loop over them.

A *cell* is one method on one set, under one condition (a setting, a pattern of missing
cells, a number of labels), with one seed. Finished cells are kept as JSON lines, and a
later call computes only those that are missing.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple, TypeVar

import numpy as np
from joblib import Parallel, delayed

from skdae import GradualDAETransformer

Key = tuple[str, str, str, int]
Values = dict[str, float]
Result = TypeVar("Result")


class Cell(NamedTuple):
    """The measured values of one method on one set."""

    set: str
    condition: str
    method: str
    seed: int
    values: Values

    @property
    def key(self) -> Key:
        """All but the values."""
        return self[:4]


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark measures.

    `prepare` makes the problem of a set and a seed, once for all of its methods;
    `evaluate` measures a method on it; `applies` says which methods are run there.
    Among the values, `seconds` and `test_ratio` (test rows over training rows, 0 where
    the splits share no rows) are read by the tables.
    """

    protocol: str  # cells of another protocol are not compared with these
    prepare: Callable[[str, int], Any]  # (set, seed)
    evaluate: Callable[[Any, str, str], Values]  # (problem, condition, method)
    applies: Callable[[Any, str, str], bool] = lambda problem, condition, method: True


class Grid(NamedTuple):
    """Which cells are asked for."""

    sets: list[str]
    conditions: list[str]
    methods: list[str]
    n_seeds: int


# --- finished cells ------------------------------------------------------------------


class Store:
    """Finished cells of one protocol, one JSON line each; in memory without a file."""

    def __init__(self, path: Path | None, protocol: str) -> None:
        self.path = path
        self.protocol = protocol
        self.cells: dict[Key, Cell] = {}
        if path is not None and path.is_file():
            self._read(path)

    def _read(self, path: Path) -> None:
        """Read all whole lines; what an interrupted write left behind is cut off."""
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            os.truncate(path, end)
        for line in content[:end].decode("utf-8").splitlines():
            protocol, *cell = json.loads(line)
            if protocol == self.protocol:
                self.add(Cell(*cell))

    def add(self, cell: Cell) -> None:
        """Remember a cell."""
        self.cells[cell.key] = cell

    def append(self, cell: Cell) -> None:
        """Remember a cell, in the file as well; processes may share the file."""
        self.add(cell)
        if self.path is None:
            return
        line = json.dumps([self.protocol, *cell]) + "\n"
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode("utf-8"))


# --- the loop ------------------------------------------------------------------------


@cache
def load_torch() -> None:
    """Fit once: torch is loaded by the first fit, and that is no method's time."""
    GradualDAETransformer(2, max_iter=1).fit(np.eye(2))


def _run_problem(
    benchmark: Benchmark, grid: Grid, store: Store, name: str, seed: int
) -> list[Cell]:
    """Run what is missing on one set with one seed."""
    missing = [
        (condition, method)
        for condition in grid.conditions
        for method in grid.methods
        if (name, condition, method, seed) not in store.cells
    ]
    if not missing:
        return []
    load_torch()
    started = perf_counter()
    problem = benchmark.prepare(name, seed)
    cells = []
    for condition, method in missing:
        if benchmark.applies(problem, condition, method):
            values = benchmark.evaluate(problem, condition, method)
            cells.append(Cell(name, condition, method, seed, values))
            store.append(cells[-1])
    seconds = perf_counter() - started
    print(f"{name}, seed {seed}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return cells


def run(
    benchmark: Benchmark, grid: Grid, *, store: Path | None = None, n_jobs: int = 1
) -> list[Cell]:
    """Return the cells of a grid in its order, computing those that are missing."""
    kept = Store(store, benchmark.protocol)
    computed = Parallel(n_jobs=n_jobs)(
        delayed(_run_problem)(benchmark, grid, kept, name, seed)
        for seed in range(grid.n_seeds)
        for name in grid.sets
    )
    for cells in computed:
        for cell in cells:
            kept.add(cell)
    keys = [
        (name, condition, method, seed)
        for name in grid.sets
        for condition in grid.conditions
        for method in grid.methods
        for seed in range(grid.n_seeds)
    ]
    return [kept.cells[key] for key in keys if key in kept.cells]


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """Return a result and the processor's seconds, whatever else the machine does."""
    started = process_time()
    result = call()
    return result, process_time() - started


def wall(call: Callable[[], object]) -> float:
    """Return the wall seconds of a call."""
    started = perf_counter()
    call()
    return perf_counter() - started


# --- the command line ----------------------------------------------------------------


def parse(
    doc: str,
    *,
    seeds: int,
    needs_data: bool = False,
    is_timing: bool = False,
    candidates: Iterable[str] = (),
    extra: dict[str, dict[str, Any]] | None = None,
) -> argparse.Namespace:
    """Read the options that all benchmarks share, and the `extra` ones of one.

    With `candidates`, names of settings, `args.candidates` lists those that are to be
    compared with the first one, the defaults; it is empty without the option.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder of data sets (default: $SKDAE_DATA)"
    )
    parser.add_argument("--sets", help="names, separated by ',' (default: all)")
    parser.add_argument("--methods", help="names, separated by ';' (default: all)")
    parser.add_argument("--seeds", type=int, help=f"repetitions (default {seeds})")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--quick", action="store_true", help="less of everything, one seed: a check"
    )
    parser.add_argument("--store", type=Path, help="file of finished cells to resume")
    parser.add_argument("--output", type=Path, help="also write the tables here")
    if candidates := list(candidates):
        help = "compare settings on validation rows instead; names separated by ';'"
        parser.add_argument("--candidates", nargs="?", const="", help=help)
    for name, settings in (extra or {}).items():
        parser.add_argument(name, **settings)
    args = parser.parse_args()
    asked = getattr(args, "candidates", None)
    args.candidates = []
    if asked is not None:
        names = chosen(asked or None, candidates, "--candidates", ";")
        args.candidates = list(dict.fromkeys([candidates[0], *names]))
    if args.seeds is None:
        args.seeds = 1 if args.quick else seeds
    if args.seeds < 1:
        parser.error(f"--seeds {args.seeds} must be at least 1.")
    if is_timing and args.jobs > 1:
        parser.error(f"--jobs {args.jobs} must be 1 where time is measured.")
    if args.data is None and os.environ.get("SKDAE_DATA"):
        args.data = Path(os.environ["SKDAE_DATA"])
    if needs_data and args.data is None:
        parser.error("--data must name the folder of data sets; or set SKDAE_DATA.")
    return args


def protocol(name: str, what: str, args: argparse.Namespace) -> str:
    """The name under which cells are kept."""
    parts = name, what, "candidates" * bool(args.candidates), "quick" * args.quick
    return " ".join(part for part in parts if part)


def chosen(
    names: str | None, known: Iterable[str], option: str, separator: str = ","
) -> list[str]:
    """Return the names that an option lists; all without it."""
    known = list(known)
    found = known if names is None else names.split(separator)
    if unknown := [name for name in found if name not in known]:
        sys.exit(f"error: {option} {unknown} must be among {known}.")
    return found


def measure(
    benchmark: Benchmark,
    args: argparse.Namespace,
    *,
    sets: Iterable[str],
    methods: Iterable[str],
    conditions: Iterable[str] = ("",),
) -> list[Cell]:
    """Run a benchmark as its command line asks."""
    grid = Grid(
        chosen(args.sets, sets, "--sets"),
        list(conditions),
        chosen(args.methods, methods, "--methods", ";"),
        args.seeds,
    )
    return run(benchmark, grid, store=args.store, n_jobs=args.jobs)


def publish(parts: list[str], args: argparse.Namespace) -> None:
    """Print the parts of a report, and write them where `--output` says."""
    text = "\n\n".join(part for part in parts if part) + "\n"
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")
