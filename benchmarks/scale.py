"""How do time and memory of a fit grow with the table, and past the memory?

**memory**: peak of the process during `fit` over the peak before, as a share of the
table, one process per table. **rows, columns, layers**: seconds of `fit` and the slope
of their logarithms (1: twice as much takes twice as long). **parquet**: rows trained
per second and peak memory of `fit_stream` over Parquet files of many sizes, beside the
rate of `fit` on a table in memory. A round is a seed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from _runner import Benchmark, Values, measure, parse, protocol, publish, wall
from _tables import Results, markdown

from skdae import GradualDAETransformer
from skdae.datasets import ParquetBatches

MEBI = 2**20
N_FEATURES, HIDDEN, BATCH = 50, (128, 64, 32), 256
ROWS_AT_ONCE = 250_000


def rows(n_rows: int, n_features: int = N_FEATURES, seed: int = 0) -> np.ndarray:
    """Correlated float32 rows."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(1).standard_normal((8, n_features))
    X = np.empty((n_rows, n_features), np.float32)
    for a in range(0, n_rows, ROWS_AT_ONCE):
        part = X[a : a + ROWS_AT_ONCE]
        part[:] = generator.standard_normal((len(part), 8)) @ mixing
        part += 0.3 * generator.standard_normal(part.shape)
    return X


def transformer(hidden: tuple[int, ...] = HIDDEN, epochs: int = 1):
    """The network of work S, trained jointly."""
    return GradualDAETransformer(
        hidden,
        schedule="joint",
        batch_size=BATCH,
        max_iter=epochs,
        random_state=0,
        n_threads=1,
    )


def peak(*, restart: bool = False) -> float:
    """Largest resident memory of this process, MiB; since now with `restart`. Linux."""
    if restart:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def in_a_process(task: str, *arguments: object) -> list[float]:
    """Numbers that a task prints in a process of its own, whose peak is its own."""
    command = [sys.executable, __file__, "--inner", task, *map(str, arguments)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(number) for number in printed.split()]


# --- memory -------------------------------------------------------------------------


def fit_in_memory(n_rows: str) -> None:
    """Print the size of a table, the peak before `fit`, the one after, and seconds."""
    transformer().fit(rows(5_000))  # libraries and their memory
    X = rows(int(n_rows))
    before = peak(restart=True)
    took = wall(lambda: transformer().fit(X))
    print(X.nbytes / MEBI, before, peak(), took)


def memory(n_rows: int) -> Values:
    """Extra memory of `fit` beside the table."""
    size, before, after, took = in_a_process("memory", n_rows)
    return {"table": size, "extra": after - before, "seconds": took}


# --- exponents ----------------------------------------------------------------------


def slope(sizes: list[int], times: list[float]) -> float:
    """Of the logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


table_of = cache(rows)


def fit_seconds(n_rows: int, n_features: int, hidden: tuple[int, ...]) -> Values:
    """Seconds of one epoch."""
    X = table_of(n_rows, n_features)
    return {"seconds": wall(lambda: transformer(hidden).fit(X))}


# --- Parquet ------------------------------------------------------------------------


def write(folder: str, n_rows: int) -> str:
    """Files of a million rows each, in row groups of 50,000."""
    import pyarrow
    from pyarrow import parquet

    target = os.path.join(folder, str(n_rows))
    os.makedirs(target)
    names = [f"sensor_{j}" for j in range(N_FEATURES)]
    for number, a in enumerate(range(0, n_rows, 1_000_000)):
        X = rows(min(1_000_000, n_rows - a), seed=number)
        table = pyarrow.table(dict(zip(names, X.T, strict=True)))
        path = os.path.join(target, f"part_{number:03d}.parquet")
        parquet.write_table(table, path, row_group_size=50_000)
    return target


def fit_a_stream(folder: str) -> None:
    """Print rows, the peak before `fit_stream`, the one after, and seconds."""
    batches = ParquetBatches(folder, random_state=0)
    transformer().fit(rows(5_000))
    before = peak(restart=True)
    took = wall(lambda: transformer(epochs=2).fit_stream(batches))
    print(batches.n_rows, before, peak(), took)


def parquet(n_rows: int) -> Values:
    """Rate and memory of a stream, beside the rate of a fit in memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, n_rows)
        _, before, after, took = in_a_process("stream", path)
    _, _, _, reference = in_a_process("memory", REFERENCE_ROWS)
    return {
        "peak": after,
        "extra": after - before,
        "rate": 2 * n_rows / took,
        "in memory": REFERENCE_ROWS / reference,
        "seconds": took,
    }


# --- the grid: what is measured at which sizes --------------------------------------

REFERENCE_ROWS = 1_000_000
TASKS: dict[str, Callable[[int], Values]] = {
    "memory": memory,
    "rows": lambda n: fit_seconds(n, N_FEATURES, HIDDEN),
    "columns": lambda n: fit_seconds(20_000, n, HIDDEN),
    "layers": lambda n: fit_seconds(20_000, N_FEATURES, (64,) * n),
    "parquet": parquet,
}
SIZES: dict[str, list[int]] = {
    "memory": [100_000, 400_000, 1_600_000],
    "rows": [5_000, 20_000, 80_000, 320_000],
    "columns": [25, 50, 100, 200, 400],
    "layers": [1, 2, 4, 8],
    "parquet": [],  # a tenth of --rows, and all of them
}
GROWTH = {
    "rows": "rows (50 columns, 128-64-32)",
    "columns": "columns (20,000 rows, 128-64-32)",
    "layers": "layers of 64 (20,000 rows, 50 columns)",
}
N_QUICK = 2  # sizes


def evaluate(problem: tuple[str, int], size: str, method: str) -> Values:
    """Measure a task at a size."""
    return TASKS[problem[0]](int(size))


# --- tables --------------------------------------------------------------------------


def memory_table(found: dict[int, Values]) -> list[str]:
    """Extra memory as a share of the table."""
    cells = [
        [f"{n:,}", f"{v['table']:.0f}", f"{v['extra']:.0f}"]
        + [f"{v['extra'] / v['table']:.1%}"]
        for n, v in found.items()
    ]
    header = ["rows", "table, MiB", "extra, MiB", "share of the table"]
    return ["### Extra memory of fit", markdown(header, cells)]


def parquet_table(found: dict[int, Values]) -> list[str]:
    """Rate and memory over the length of the table."""
    cells = [
        [f"{n:,}", f"{v['peak']:.0f}", f"{v['extra']:.0f}", f"{v['rate']:,.0f}"]
        + [f"{v['rate'] / v['in memory']:.0%}"]
        for n, v in found.items()
    ]
    header = ["rows", "peak, MiB", "extra, MiB", "rows/s", "of the rate in memory"]
    title = "### Parquet, two epochs and the pass for the sample"
    return [title, markdown(header, cells)]


def growth_table(results: Results, sizes: dict[str, list[int]]) -> list[str]:
    """Medians over the rounds, and the exponent."""
    cells = []
    for name in (name for name in GROWTH if sizes[name]):
        found = [results.values((name, str(n)), "fit", "seconds") for n in sizes[name]]
        medians = [float(np.median(each)) for each in found]
        shown = ", ".join(f"{value:.3f}" for value in medians)
        exponent = f"{slope(sizes[name], medians):.2f}"
        cells.append(
            [GROWTH[name], ", ".join(f"{n:,}" for n in sizes[name]), shown, exponent]
        )
    header = ["over", "sizes", "seconds", "exponent"]
    return ["### Time of one epoch", markdown(header, cells)] if cells else []


def report(results: Results) -> list[str]:
    """A table for each task."""
    sizes: dict[str, list[int]] = {name: [] for name in TASKS}
    for name, size in results.rows:
        sizes[name].append(int(size))
    values = {(c.set, int(c.condition)): c.values for c in results.cells}
    parts = []
    if sizes["memory"]:
        parts += memory_table({n: values["memory", n] for n in sizes["memory"]})
    parts += growth_table(results, sizes)
    if sizes["parquet"]:
        parts += parquet_table({n: values["parquet", n] for n in sizes["parquet"]})
    return parts


EXTRA: dict[str, dict[str, Any]] = {
    "--rows": {"type": int, "default": 10_000_000, "help": "of Parquet files"},
    "--inner": {"nargs": "+", "help": argparse.SUPPRESS},  # a process of this script
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=5, extra=EXTRA, is_timing=True)
    if args.inner:
        task, *arguments = args.inner
        {"memory": fit_in_memory, "stream": fit_a_stream}[task](*arguments)
        return
    sizes = SIZES | {"parquet": [args.rows // 10, args.rows]}
    sizes = {
        name: found[: N_QUICK if args.quick else None] for name, found in sizes.items()
    }
    asked = {str(n) for found in sizes.values() for n in found}

    def applies(problem: tuple[str, int], size: str, method: str) -> bool:
        name, seed = problem
        return int(size) in sizes[name] and (name in GROWTH or seed == 0)

    benchmark = Benchmark(
        protocol("scale", "", args), lambda name, seed: (name, seed), evaluate, applies
    )
    cells = measure(
        benchmark, args, sets=TASKS, methods=["fit"], conditions=sorted(asked, key=int)
    )
    publish(report(Results(cells)), args)


if __name__ == "__main__":
    main()
