"""Short pulses of the process and spikes of the sensors, in short and long records.

Simulated records in time order, the truth known: a level, a sine, a drift with steps or
an autoregression, on which pulses of one to three rows recur that belong to it, or
single cells are spikes that do not. All cells have normal errors. Averages and medians
have the width that is best by the truth. See README.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from _runner import Benchmark, Cell, Values, measure, parse, protocol, publish, timed
from _tables import Results, geometric, markdown
from scipy.signal import lfilter

from skdae import GradualDAEDenoiser
from skdae.timeseries import moving_average, moving_median

ROWS = (40, 80, 200, 1_000, 5_000)  # of a record
STREAM = 16  # of draws; others have decided what a pulse is
WIDTHS = (3, 5, 9, 17)
ERROR = 1.0  # standard deviation of the errors of measurement
HEIGHTS = (8, 16)  # of pulses and steps, in such errors
SPIKES = (6, 30)  # of spikes
OURS = "denoiser, order='time'"


@dataclass(frozen=True)
class Record:
    """A record without errors, as it was measured, and where it has pulses."""

    truth: np.ndarray  # (n, n_features)
    measured: np.ndarray
    is_pulse: np.ndarray  # (n, n_features) bool


# --- signals and what is added to them -----------------------------------------------

Signal = Callable[[int, np.random.Generator], np.ndarray]


def level(n: int, rng: np.random.Generator) -> np.ndarray:
    """A value that never changes."""
    return np.full(n, rng.normal(0, 10))


def sine(n: int, rng: np.random.Generator) -> np.ndarray:
    """A slow wave of four errors."""
    return 4 * np.sin(np.arange(n) / 12 + rng.uniform(0, 6))


def steps(n: int, rng: np.random.Generator) -> np.ndarray:
    """A drift, and levels of thirty rows on average, twenty at least."""
    drift = np.linspace(0, rng.normal(0, 5), n)
    lengths = 20 + rng.geometric(1 / 10, size=n)
    heights = np.cumsum(rng.choice([-1, 1], n) * rng.uniform(*HEIGHTS, n))
    return drift + np.repeat(heights, lengths)[:n]


def autoregression(n: int, rng: np.random.Generator) -> np.ndarray:
    """An AR(1) process of 0.9, of two errors."""
    draw = rng.normal(0, 2 * np.sqrt(1 - 0.81), n + 100)
    return lfilter([1], [1, -0.9], draw)[100:]


SIGNALS: dict[str, Signal] = {
    "level": level,
    "sine": sine,
    "steps": steps,
    "AR(1)": autoregression,
}


def periodic(n: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses of equal length and height, every 10 to 20 rows."""
    period, length = rng.integers(10, 21), rng.integers(1, 4)
    phase = (np.arange(n) + rng.integers(period)) % period
    return rng.choice([-1, 1]) * rng.uniform(*HEIGHTS) * (phase < length)


def irregular(n: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses of similar heights and one length, 5 to 35 rows apart."""
    pulses, place, length = np.zeros(n), rng.integers(2, 15), rng.integers(1, 4)
    height = rng.choice([-1, 1]) * rng.uniform(*HEIGHTS)
    while place < n:
        pulses[place : place + length] = height * rng.uniform(0.97, 1.03)
        place += length + rng.integers(5, 36)
    return pulses


def overshoot(n: int, rng: np.random.Generator) -> np.ndarray:
    """Set points, each overshot by half of the step in the first two rows."""
    values = steps(n, rng)
    change = np.diff(values, prepend=values[0])
    change[np.abs(change) < HEIGHTS[0] / 2] = 0
    return 0.5 * (change + np.roll(change, 1))


def spikes(n: int, rng: np.random.Generator, *, share: float) -> np.ndarray:
    """Single cells of all sizes and both signs."""
    sizes = rng.choice([-1, 1], n) * rng.uniform(*SPIKES, n)
    return sizes * (rng.random(n) < share)


def one_sided(n: int, rng: np.random.Generator, *, share: float) -> np.ndarray:
    """Single cells of all sizes and one sign."""
    return np.abs(spikes(n, rng, share=share))


# --- the records ---------------------------------------------------------------------


def record(
    n: int,
    rng: np.random.Generator,
    *,
    signal: Signal,
    pulses: Callable[[int, np.random.Generator], np.ndarray] | None = None,
    faults: Callable[[int, np.random.Generator], np.ndarray] | None = None,
    n_shared: int = 1,
    last_step: int = 0,
) -> Record:
    """Columns with pulses, the first with faults, beside a sine that has neither."""
    truth = np.column_stack([*(signal(n, rng) for _ in range(n_shared)), sine(n, rng)])
    added = np.zeros(truth.shape)
    if pulses is not None:
        factors = rng.choice([-1, 1], n_shared) * rng.uniform(0.7, 1.3, n_shared)
        added[:, :-1] = pulses(n, rng)[:, None] * factors
    if last_step:
        added[n - last_step :, 0] = rng.choice([-1, 1]) * rng.uniform(*HEIGHTS)
    truth = truth + added
    measured = truth + ERROR * rng.normal(size=truth.shape)
    if faults is not None:
        measured[:, 0] += faults(n, rng)
    return Record(truth, measured, added != 0)


def set_points(n: int, rng: np.random.Generator) -> Record:
    """Set points that overshoot."""
    seed = int(rng.integers(2**32))
    truth = steps(n, np.random.default_rng(seed))
    over = overshoot(n, np.random.default_rng(seed))
    truth = np.column_stack([truth + over, sine(n, rng)])
    is_pulse = np.column_stack([over != 0, np.zeros(n, dtype=bool)])
    return Record(truth, truth + ERROR * rng.normal(size=truth.shape), is_pulse)


def _records() -> dict[str, Callable[[int, np.random.Generator], Record]]:
    """Each kind of record by its name."""
    found: dict[str, Callable[[int, np.random.Generator], Record]] = {}
    for name, signal in SIGNALS.items():
        of = partial(record, signal=signal)
        found[name] = of
        found[f"{name}: periodic pulses"] = partial(of, pulses=periodic)
        found[f"{name}: irregular pulses"] = partial(of, pulses=irregular)
        found[f"{name}: step in the last row"] = partial(of, last_step=1)
        found[f"{name}: step in the last two rows"] = partial(of, last_step=2)
        for share in (0.005, 0.02, 0.05):
            faults = partial(spikes, share=share)
            found[f"{name}: {share:.1%} spikes"] = partial(of, faults=faults)
        faults = partial(one_sided, share=0.02)
        found[f"{name}: 2.0% spikes of one sign"] = partial(of, faults=faults)
        faults = partial(spikes, share=0.01)
        both = partial(of, pulses=periodic, faults=faults)
        found[f"{name}: periodic pulses and 1.0% spikes"] = both
    for name in ("level", "AR(1)"):
        of = partial(record, signal=SIGNALS[name], pulses=irregular, n_shared=3)
        found[f"{name}: pulses of three columns"] = of
    found["set points that overshoot"] = set_points
    return found


RECORDS = _records()


# --- methods -------------------------------------------------------------------------


def best(X: Record, smooth: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """The width with the least error, which no user knows."""
    tables = [smooth(X.measured, width) for width in WIDTHS]
    return min(tables, key=lambda table: float(((table - X.truth)[:, :-1] ** 2).mean()))


def ours(X: Record) -> np.ndarray:
    """The denoiser, learned from the same rows."""
    return GradualDAEDenoiser(order="time", random_state=0).fit_transform(X.measured)


METHODS: dict[str, Callable[[Record], np.ndarray]] = {
    "as measured": lambda X: X.measured,
    "best moving average": partial(best, smooth=moving_average),
    "best moving median": partial(best, smooth=moving_median),
    OURS: ours,
}


def prepare(name: str, seed: int) -> list[Record]:
    """A record of each length."""
    keys = STREAM, seed, list(RECORDS).index(name)
    return [RECORDS[name](n, np.random.default_rng([*keys, n])) for n in ROWS]


def evaluate(records: list[Record], condition: str, method: str) -> Values:
    """The error over that of the measurement, and the share of pulses that stay."""
    record = next(each for each in records if condition == title_of(len(each.truth)))
    found, seconds = timed(lambda: METHODS[method](record))
    errors = (found - record.truth)[:, :-1]  # the last column is there to be read
    is_pulse = record.is_pulse[:, :-1]
    kept = np.abs(errors[is_pulse]) < HEIGHTS[0] / 2
    return {
        "rmse": float(np.sqrt((errors**2).mean())) / ERROR,
        "kept": float(kept.mean()) if len(kept) else np.nan,
        "seconds": seconds,
        "test_ratio": 0.0,
    }


def title_of(n_rows: int) -> str:
    """A length as a condition."""
    return f"{n_rows:,} rows"


CONDITIONS = [title_of(n) for n in ROWS]


def report(cells: list[Cell]) -> list[str]:
    """Ratios of the errors, geometric means over seeds, and shares of pulses kept."""
    results = Results(cells)
    names = list(dict.fromkeys(cell.set for cell in cells))
    ratios: dict[tuple[str, str], float] = {}
    rows = []
    for name in names:
        row = [name]
        for condition in CONDITIONS:
            own = results.by_seed((name, condition), OURS, "rmse")
            others = [
                results.by_seed((name, condition), method, "rmse")
                for method in METHODS
                if method != OURS
            ]
            ratio = geometric(
                own[seed] / min(each[seed] for each in others) for seed in own
            )
            ratios[name, condition] = ratio
            kept = results.mean((name, condition), OURS, "kept")
            row.append(f"{ratio:.2f}" + ("" if np.isnan(kept) else f" ({kept:.0%})"))
        rows.append(row)
    means = [geometric(ratios[name, each] for name in names) for each in CONDITIONS]
    rows.append(["geometric mean", *(f"{mean:.2f}" for mean in means)])
    return [
        "## Error over the least of nothing, average and median (pulses kept)",
        markdown(["record", *CONDITIONS], rows),
    ]


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3)
    benchmark = Benchmark(protocol("pulses", "", args), prepare, evaluate)
    cells = measure(
        benchmark, args, sets=RECORDS, methods=METHODS, conditions=CONDITIONS
    )
    publish(report(cells), args)


if __name__ == "__main__":
    main()
