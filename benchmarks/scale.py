"""How do time and memory of a fit grow with the table, and past the memory?

    python benchmarks/scale.py [--tasks memory,exponents,parquet] [--rows 10000000]

**memory**: peak of the process during `fit` over the peak before, as a share of the
table, one process per table. **exponents**: seconds of `fit` over rows, columns and
layers; the slope of their logarithms (1: twice as much takes twice as long).
**parquet**: rows trained per second and peak memory of `fit_stream` over Parquet files
of many sizes, beside the rate of `fit` on a table in memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

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


def seconds(call: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def peak(*, anew: bool = False) -> float:
    """Largest resident memory of this process, MiB; from now on with `anew`. Linux."""
    if anew:
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
    before = peak(anew=True)
    took = seconds(lambda: transformer().fit(X))
    print(X.nbytes / MEBI, before, peak(), took)


def memory() -> None:
    """Extra memory of `fit` as a share of the table."""
    print("\n### Extra memory of fit\n")
    print("| rows | table, MiB | extra, MiB | share of the table |")
    print("|---:|---:|---:|---:|")
    for n_rows in (100_000, 400_000, 1_600_000):
        size, before, after, _ = in_a_process("memory", n_rows)
        extra = after - before
        print(f"| {n_rows:,} | {size:.0f} | {extra:.0f} | {extra / size:.1%} |")


# --- exponents ----------------------------------------------------------------------


def slope(sizes: list[int], times: list[float]) -> float:
    """Of the logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def exponents(rounds: int) -> None:
    """Seconds over rows, columns and layers."""
    works: dict[str, dict[int, tuple[np.ndarray, tuple[int, ...]]]] = {
        "rows (50 columns, 128-64-32)": {
            n: (rows(n), HIDDEN) for n in (5_000, 20_000, 80_000, 320_000)
        },
        "columns (20,000 rows, 128-64-32)": {
            d: (rows(20_000, d), HIDDEN) for d in (25, 50, 100, 200, 400)
        },
        "layers of 64 (20,000 rows, 50 columns)": {
            k: (rows(20_000), (64,) * k) for k in (1, 2, 4, 8)
        },
    }
    print("\n### Time of one epoch\n")
    print("| over | sizes | seconds | exponent |")
    print("|---|---|---|---:|")
    for name, work in works.items():
        taken: dict[int, list[float]] = {size: [] for size in work}
        for _ in range(rounds):
            for size, (X, hidden) in work.items():
                taken[size].append(seconds(lambda X=X, h=hidden: transformer(h).fit(X)))
        medians = [statistics.median(times) for times in taken.values()]
        sizes = ", ".join(f"{size:,}" for size in work)
        shown = ", ".join(f"{value:.3f}" for value in medians)
        print(f"| {name} | {sizes} | {shown} | {slope(list(work), medians):.2f} |")


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
    before = peak(anew=True)
    took = seconds(lambda: transformer(epochs=2).fit_stream(batches))
    print(batches.n_rows, before, peak(), took)


def parquet(n_rows: int) -> None:
    """Rate and memory over the length of the table, beside a fit in memory."""
    print("\n### Parquet, two epochs and the pass for the sample\n")
    print("| rows | peak, MiB | extra, MiB | rows/s | of the rate in memory |")
    print("|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for n in (n_rows // 10, n_rows):
            path = write(folder, n)
            _, before, after, took = in_a_process("stream", path)
            _, _, _, reference = in_a_process("memory", 1_000_000)
            rate, usual = 2 * n / took, 1_000_000 / reference
            print(
                f"| {n:,} | {after:.0f} | {after - before:.0f} | {rate:,.0f} | "
                f"{rate / usual:.0%} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="memory,exponents,parquet")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of Parquet files")
    parser.add_argument("--inner", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        task, *arguments = options.inner
        {"memory": fit_in_memory, "stream": fit_a_stream}[task](*arguments)
        return
    tasks = options.tasks.split(",")
    if "memory" in tasks:
        memory()
    if "exponents" in tasks:
        exponents(options.rounds)
    if "parquet" in tasks:
        parquet(options.rows)


if __name__ == "__main__":
    main()
