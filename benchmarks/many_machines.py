"""What changes with more than one machine? A simulation, and what a machine can show.

**traffic**: simulated seconds of a step by W workers: the slowest of them computes its
part of the batch (log-normal times), then a ring adds the gradients of the layers that
the phase trains. Rows per second of one worker are measured here, in CPU time.
**batches**: loss of held-out rows after equal numbers of passes with larger batches, by
the rule for the step size. **groups**: seconds per model of `fit_groups`, two workers.
**workers**: wall seconds of `fit` by one worker and by two, by batch size, which mean
something on idle cores only. **memory**: largest private memory of the calling process
and of a worker, and seconds, of a pass for each of two layers over Parquet files of 50
columns; Linux only. **quality**: score on other rows of networks by one process and by
two workers, paired by seeds. These need Ray.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd
from _tables import markdown as table

from skdae import GradualDAETransformer
from skdae._statistics import split_mean
from skdae.datasets import make_sensor_data

NETWORKS = {  # columns, widths
    "50, 128-64": (50, (128, 64)),
    "784, 1000-1000-1000": (784, (1_000, 1_000, 1_000)),
}
LINKS = {"10 Gbit/s": 10e9 / 8, "100 Gbit/s": 100e9 / 8}  # bytes per second
LATENCY = 30e-6  # seconds of a message
SPREAD = 0.1  # of the logarithm of a worker's time for a step
BATCHES = (256, 2_048, 16_384)
WORKERS = (2, 8, 32)
N_STEPS = 2_000  # that are simulated
EPOCHS = 10  # of the comparison of batch sizes
WORKER_BATCHES = (256, 1_024, 4_096)
MEMORY_ROWS, FILE_ROWS = (1_000_000, 5_000_000, 10_000_000), 500_000


def markdown(header: list[str], lines: list[list[object]]) -> str:
    """A table of cells of any type."""
    return table(header, [[str(cell) for cell in line] for line in lines])


def gradient_bytes(n_columns: int, widths: tuple[int, ...]) -> list[int]:
    """Bytes of the gradient of each gradual phase: all layers so far, float32."""
    sizes = [n_columns, *widths]
    layers = [
        2 * a * b + a + b for a, b in zip(sizes[:-1], sizes[1:], strict=True)
    ]  # encoder and decoder
    return [4 * total for total in np.cumsum(layers)]


def row_seconds(n_columns: int, widths: tuple[int, ...]) -> list[float]:
    """CPU seconds of a row in each phase, by one thread."""
    X = np.random.default_rng(0).standard_normal((4_096, n_columns), dtype=np.float32)
    seconds = []
    for depth in range(1, len(widths) + 1):
        dae = GradualDAETransformer(
            widths[:depth],
            schedule="joint",
            batch_size=256,
            max_iter=2,
            validation_fraction=None,
            random_state=0,
        )
        dae.fit(X[:512])
        start = time.process_time()
        dae.fit(X)
        seconds.append((time.process_time() - start) / (2 * len(X)))
    return seconds


def step_seconds(computing: float, n_bytes: int, n_workers: int, speed: float) -> float:
    """Mean seconds of a step."""
    generator = np.random.default_rng(0)
    drawn = generator.lognormal(0, SPREAD, (N_STEPS, n_workers)) * computing
    # each of 2 (W - 1) messages of a ring holds a W-th of the gradient
    n_messages = 2 * (n_workers - 1)
    sending = n_messages * (LATENCY + n_bytes / n_workers / speed)
    return float(drawn.max(axis=1).mean()) + sending


def traffic() -> str:
    """Efficiency and traffic of the last phase, the largest."""
    lines = []
    for name, (n_columns, widths) in NETWORKS.items():
        n_bytes = gradient_bytes(n_columns, widths)
        seconds = row_seconds(n_columns, widths)
        for batch in BATCHES:
            for n_workers in WORKERS:
                computing = batch / n_workers * seconds[-1]
                cells = []
                for speed in LINKS.values():
                    step = step_seconds(computing, n_bytes[-1], n_workers, speed)
                    cells.append(f"{batch * seconds[-1] / step:.1f}")
                sent = 2 * (n_workers - 1) / n_workers * n_bytes[-1]
                per_pass = sent * 1e9 / batch
                lines.append(
                    [
                        name,
                        f"{batch:,}",
                        n_workers,
                        *cells,
                        f"{sent / 1e6:.2f}",
                        f"{per_pass / 1e12:.2f}",
                    ]
                )
    header = [
        "columns, layers",
        "batch",
        "workers",
        *(f"times as fast, {link}" for link in LINKS),
        "MB a step and worker",
        "TB a pass over 10^9 rows",
    ]
    return markdown(header, lines)


def batches() -> str:
    """Loss after equal passes with larger batches, by rule of the step size."""
    X = make_sensor_data(25_000, n_sensors=50, random_state=0).data
    rules = {"as it is": 0.0, "times root of the ratio": 0.5, "times the ratio": 1.0}
    lines = []
    for batch in BATCHES:
        row = [f"{batch:,}", -(-len(X) * 4 // 5 // batch) * EPOCHS]
        for power in rules.values():
            dae = GradualDAETransformer(
                max_iter=EPOCHS,
                early_stopping=True,  # for the loss: nothing stops within the epochs
                n_iter_no_change=EPOCHS,
                validation_fraction=0.2,
                batch_size=batch,
                learning_rate_init=1e-3 * (batch / BATCHES[0]) ** power,
                random_state=0,
            )
            row.append(f"{dae.fit(X).validation_loss_curve_[-1]:.3f}")
        lines.append(row)
    return markdown(["batch", "steps", *rules], lines)


def start_ray():
    """Start a cluster of two workers, that wait for no other processes."""
    import ray
    import ray.data

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=2_000_000_000,
        _system_config={"worker_niceness": 0},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray.data


def groups() -> str:
    """Seconds per model."""
    from skdae.distributed import fit_groups

    data, n_groups, n_rows = start_ray(), 100, 5_000
    X = make_sensor_data(n_groups * n_rows, n_sensors=20, random_state=0).data
    frame = pd.DataFrame(X, columns=[f"s{j}" for j in range(20)])
    frame["machine"] = np.arange(len(X)) % n_groups
    rows = data.from_pandas(frame)
    dae = GradualDAETransformer(max_iter=50, random_state=0)
    fit_groups(dae, data.from_pandas(frame[:2_000]), by="machine")  # libraries
    start = time.perf_counter()
    models = fit_groups(dae, rows, by="machine")
    seconds = time.perf_counter() - start
    dae.fit(X[:200])  # libraries
    start = time.process_time()
    dae.fit(X[:n_rows])
    alone = time.process_time() - start
    lines = [
        [len(models), f"{seconds:.1f}", f"{seconds / len(models):.2f}", f"{alone:.2f}"]
    ]
    return markdown(["models", "seconds", "per model", "CPU s of one fit"], lines)


def workers() -> str:
    """Seconds of a fit by one worker and by two."""
    from skdae.distributed import fit

    data = start_ray()
    n_columns, widths = NETWORKS["784, 1000-1000-1000"]
    X = np.random.default_rng(0).standard_normal((50_000, 16), dtype=np.float32)
    X = X @ np.random.default_rng(1).standard_normal((16, n_columns), dtype=np.float32)
    rows = data.from_pandas(
        pd.DataFrame(X, columns=[f"s{j}" for j in range(n_columns)])
    )
    lines = []
    for batch in WORKER_BATCHES:
        dae = GradualDAETransformer(
            widths, max_iter=3, batch_size=batch, random_state=0
        )
        for n_workers in (1, 2):
            fitted = fit(dae, rows, num_workers=n_workers)
            seconds = [phase.seconds for phase in fitted.phases_]
            cells = [f"{each:.1f}" for each in [*seconds, sum(seconds)]]
            lines.append([f"{batch:,}", n_workers, *cells])
    header = ["batch", "workers", "phase 1", "phase 2", "phase 3", "seconds"]
    return markdown(header, lines)


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """The largest private MB of this process and of a Ray worker, while in use."""
    most = {"caller": 0.0, "worker": 0.0}
    ended = Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    status = (folder / "status").read_text()
                    command = (folder / "cmdline").read_text()
                except OSError:  # it has ended
                    continue
                is_own = folder.name == str(os.getpid())
                if is_own or command.startswith("ray::"):
                    size = int(status.partition("RssAnon:")[2].split()[0]) / 1_000
                    name = "caller" if is_own else "worker"
                    most[name] = max(most[name], size)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def memory() -> str:
    """Memory and seconds by the number of rows."""
    from skdae.distributed import fit

    data = start_ray()
    mixing = np.random.default_rng(0).standard_normal((8, 50), dtype=np.float32)
    dae = GradualDAETransformer(batch_size=1_024, max_iter=2, random_state=0)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(MEMORY_ROWS[-1] // FILE_ROWS):
            draw = np.random.default_rng([1, number])
            X = draw.standard_normal((FILE_ROWS, 8), dtype=np.float32) @ mixing
            frame = pd.DataFrame(X, columns=[f"s{j}" for j in range(50)])
            frame.to_parquet(f"{folder}/{number:03d}.parquet")
        files = sorted(Path(folder).glob("*.parquet"))
        for n_rows in MEMORY_ROWS:
            # a folder: threads of Ray that each look at a file fail on their imports
            part = Path(folder, str(n_rows))
            part.mkdir()
            for file in files[: n_rows // FILE_ROWS]:
                os.link(file, part / file.name)
            rows = data.read_parquet(str(part))
            start = time.perf_counter()
            with watched() as most:
                fitted = fit(dae, rows, num_workers=2)
            seconds = time.perf_counter() - start
            steps = fitted.phases_[0].weight_updates
            sizes = [f"{most[name]:.0f}" for name in most]
            lines.append([f"{n_rows:,}", *sizes, f"{seconds:.0f}", f"{steps:,}"])
    header = [
        "rows",
        "MB of the caller",
        "MB of a worker",
        "seconds",
        "steps of a pass",
    ]
    return markdown(header, lines)


def quality() -> str:
    """Scores by seed."""
    from skdae.distributed import fit

    data = start_ray()
    lines, differences = [], []
    for seed in range(5):
        X = make_sensor_data(6_000, n_sensors=20, random_state=seed).data
        frame = pd.DataFrame(X, columns=[f"s{j}" for j in range(20)])
        train, test = frame[:4_000], frame[4_000:]
        dae = GradualDAETransformer(
            max_iter=40, validation_fraction=None, random_state=seed
        )
        whole = dae.fit(train).score(test)
        shared = fit(dae, data.from_pandas(train), num_workers=2).score(test)
        differences.append(shared - whole)
        lines.append([seed, f"{whole:.4f}", f"{shared:.4f}", f"{shared - whole:+.4f}"])
    found = split_mean(np.array(differences), 0.0)
    half = found.half_width(0.95)
    lines.append(["mean, 95 %", "", "", f"{found.mean:+.4f} +- {half:.4f}"])
    return markdown(["seed", "one process", "two workers", "difference"], lines)


TASKS = {f.__name__: f for f in (traffic, batches, groups, workers, memory, quality)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="traffic,batches", help=", ".join(TASKS))
    parser.add_argument("--output", type=argparse.FileType("w"), default=sys.stdout)
    args = parser.parse_args()
    parts = [f"## {name}\n\n{TASKS[name]()}" for name in args.tasks.split(",")]
    args.output.write("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
