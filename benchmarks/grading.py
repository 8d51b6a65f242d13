"""Grading of sensors: are injected defects found, and none where there are none?

Eleven kinds of defects are injected, one at a time, into a column without defects. See
README.md.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from _ordered import PART_ROWS, ordered_sets
from _runner import Benchmark, Values, measure, parse, protocol, publish
from _tables import Results, markdown
from scipy.signal import lfilter

from skdae import grade
from skdae.datasets import make_sensor_data

SIMULATED = "simulated"
MAX_SENSORS = 100


# --- tables --------------------------------------------------------------------------


def _autoregression(rng: np.random.Generator, coefficient: float) -> np.ndarray:
    """A stationary process of unit variance."""
    shocks = rng.normal(size=PART_ROWS + 500) * np.sqrt(1 - coefficient**2)
    return lfilter([1.0], [1.0, -coefficient], shocks)[500:]


def simulated(seed: int) -> np.ndarray:
    """Healthy sensors of many kinds."""
    rng = np.random.default_rng(seed)
    n = PART_ROWS
    phase = rng.uniform(0, 6) + np.arange(n) / rng.uniform(20, 300)
    columns = [
        rng.normal(size=n),
        rng.uniform(size=n),
        rng.exponential(size=n),
        rng.lognormal(size=n),
        _autoregression(rng, 0.5),
        _autoregression(rng, 0.9),
        300 + 5 * _autoregression(rng, 0.98),
        np.exp(_autoregression(rng, 0.9)),
        np.sin(phase) + 0.1 * rng.normal(size=n),
        _autoregression(rng, 0.9).round(1),
        np.where(rng.random(n) < 0.02, np.nan, rng.normal(size=n)),
    ]
    plant = make_sensor_data(n, n_sensors=12, faults=(), random_state=seed).data
    return np.column_stack([*columns, plant])


def real(X: np.ndarray, run: np.ndarray, seed: int) -> np.ndarray:
    """Consecutive rows of one run, from a random place."""
    rng = np.random.default_rng(seed)
    rows = X[run == rng.choice(np.unique(run))]
    start = rng.integers(max(1, len(rows) - PART_ROWS + 1))
    return rows[start : start + PART_ROWS]


# --- defects -------------------------------------------------------------------------

Defect = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _missing(x, rng):
    return np.where(rng.random(len(x)) < 0.2, np.nan, x)


def _marker(x, rng):
    """Thirty cells with a value that no other is near."""
    found = x.copy()
    found[rng.choice(len(x), 30, replace=False)] = np.nanmin(x) - 20 * np.nanstd(x)
    return found


def _stuck(x, rng):
    start = rng.integers(len(x) - 30)
    return np.concatenate([x[:start], np.full(30, x[start]), x[start + 30 :]])


def _spikes(x, rng):
    """Ten single values, farther from the range of the others than this is wide."""
    found, low, high = x.copy(), np.nanmin(x), np.nanmax(x)
    rows = rng.choice(len(x), 10, replace=False)
    size = rng.uniform(1, 2, 10) * (high - low)
    found[rows] = np.where(rng.random(10) < 0.5, high + size, low - size)
    return found


def _drift(x, rng):
    return x + rng.choice([-1, 1]) * np.linspace(0, 10, len(x)) * np.nanstd(x)


def _modes(x, rng):
    return x + 12 * np.nanstd(x) * (np.arange(len(x)) * 8 // len(x) % 2)


DEFECTS: dict[str, Defect] = {
    "missing": _missing,
    "constant": lambda x, rng: np.full(len(x), x[0]),
    "marker": _marker,
    "stuck": _stuck,
    "spikes": _spikes,
    "monotonic": lambda x, rng: np.nancumsum(np.abs(x - np.nanmin(x)) + np.nanstd(x)),
    "drift": _drift,
    "quantised": lambda x, rng: np.round(x / np.nanstd(x)) * np.nanstd(x),
    "modes": _modes,
    "duplicate": lambda x, rng: 32 + 1.8 * x,
}
CLOCK = "clock"  # gaps and repeated time stamps
CLEAN = "as it is"


def _clock(n_rows: int, rng: np.random.Generator) -> bool:
    """Whether two gaps and two repeated stamps are counted, and none without them."""
    time = np.arange(float(n_rows))
    rows = np.zeros((n_rows, 1))
    clean = grade(rows, time).time
    time[rng.integers(10, n_rows // 2) :] += 50
    time[rng.integers(n_rows // 2, n_rows - 10) :] += 70
    time = np.insert(time, [5, 8], time[[5, 8]])
    found = grade(np.zeros((len(time), 1)), time).time
    is_counted = (found.n_gaps, found.n_duplicates) == (2, 2)
    return is_counted and (clean.n_gaps, clean.n_duplicates) == (0, 0)


# --- measures ------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A table and what is found in it as it is."""

    X: np.ndarray
    defects: list[tuple[str, ...]]
    seed: int


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Problem:
    """A table of its own for each seed."""
    if name == SIMULATED:
        X = simulated(seed)
    else:
        table = ordered_sets(args.data)[name]()
        X = real(table.X, table.run, seed)
    return Problem(X, grade(X).sensors["defects"].tolist(), seed)


def evaluate(problem: Problem, condition: str, method: str) -> Values:
    """Whether a defect is found; of a table as it is, the share of columns with one."""
    X, rng = problem.X, np.random.default_rng(problem.seed)
    clean = [j for j, defects in enumerate(problem.defects) if not defects]
    if condition == CLEAN:
        return {"found": 1 - len(clean) / X.shape[1]}
    if condition == CLOCK:
        return {"found": float(_clock(len(X), rng))}
    if not clean:
        return {"found": np.nan}
    column = rng.choice(clean)
    injected = DEFECTS[condition](X[:, column], rng)
    found = grade(
        np.column_stack([X, injected])
        if condition == "duplicate"
        else (np.column_stack([np.delete(X, column, axis=1), injected]))
    )
    return {"found": float(condition in found.sensors["defects"].iloc[-1])}


def report(results: Results) -> list[str]:
    """Shares by set, and what is found in the sets as they are."""
    sets = list(dict.fromkeys(cell.set for cell in results.cells))
    rows = []
    for condition in results.conditions:
        texts = []
        for name in sets:
            found = [
                cell.values["found"]
                for cell in results.cells
                if (cell.set, cell.condition) == (name, condition)
                and not np.isnan(cell.values["found"])
            ]
            texts.append(f"{np.mean(found):.3f}" if found else "")
        rows.append([condition, *texts])
    return [
        "## Share of the injected defects that are found",
        markdown(["", *sets], [row for row in rows if row[0] != CLEAN]),
        "## Share of the columns with a defect in tables as they are",
        markdown(["", *sets], [row for row in rows if row[0] == CLEAN]),
    ]


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=20)
    loaders = ordered_sets(args.data)
    names = [name for name in loaders if loaders[name]().X.shape[1] <= MAX_SENSORS]
    cells = measure(
        Benchmark(protocol("grading", "", args), partial(prepare, args=args), evaluate),
        args,
        sets=[SIMULATED, *names],
        methods=["grade"],
        conditions=[*DEFECTS, CLOCK, CLEAN],
    )
    publish(report(Results(cells)), args)


if __name__ == "__main__":
    main()
