"""The regime map on tables: what gradual training gains by rows, depth, width, noise.

Around the defaults on 2,000 rows, each quantity is changed by itself; hidden cells of
held-out rows are rebuilt by the network alone. `--part check` measures the rule that
was derived from it on other tables. See README.md for the rule.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _anomaly_sets import labelled_sets
from _data import Table, available, npz, repeats
from _metrics import cell_errors
from _reconstruction import DEFAULTS, Problem, dae, hide, sample
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import RATIO, Results, comparison_row, error_table, markdown
from denoising import NETWORKS

from skdae.schedules import at_equal_updates, gradual

OURS, OTHERS = "gradual, copy", ("stacked", "joint")
N_TEST = 500
SETS = (
    "air_quality",
    "gas_turbine",
    "hydraulic_ts",
    "occupancy",
    "satimage",
    "wall_robot",
)


class Change(NamedTuple):
    """What differs from the defaults on 2,000 rows."""

    n_train: int = 2_000
    hidden_layer_sizes: tuple[int, ...] = DEFAULTS["hidden_layer_sizes"]
    max_iter: int = DEFAULTS["max_iter"]
    noise_rate: float = DEFAULTS["noise_rate"]


CHANGES = {
    "defaults, 2,000 rows": Change(),
    "250 rows": Change(n_train=250),
    "500 rows": Change(n_train=500),
    "1,000 rows": Change(n_train=1_000),
    "4,000 rows": Change(n_train=4_000),
    "three layers": Change(hidden_layer_sizes=(128, 64, 32)),
    "32 and 16 units": Change(hidden_layer_sizes=(32, 16)),
    "256 and 128 units": Change(hidden_layer_sizes=(256, 128)),
    "a quarter of the epochs": Change(max_iter=50),
    "four times the epochs": Change(max_iter=800),
    "noise 0.1": Change(noise_rate=0.1),
    "noise 0.5": Change(noise_rate=0.5),
}
CHECKED = ("defaults, 2,000 rows", "250 rows", "three layers")


# --- tables that the rule was not derived from ---------------------------------------


def _normal(load: Callable) -> Table:
    found = load()
    X = found.X[found.y == 0]
    return Table(X, repeats(X))


def _engines(folder: Path) -> Table:
    """Cycles of 100 engines; no engine is in both parts."""
    data = npz(folder / "series" / "cmapss_fd001.npz")
    return Table(data["X_train"].astype(float), data["unit_train"])


OTHER_SETS = {
    "anomaly": ("2_annthyroid", "7_Cardiotocography", "12_fault", "19_landsat")
    + ("27_PageBlocks", "41_Waveform", "44_Wilt", "6_cardio"),
    "oddbench": ("DistillationProcess", "IndustrialEquipment", "WindmillAnomaly")
    + ("QualityControlMetrics", "SensorimotorAdaption", "ShuttleAnomaly")
    + ("VehicleNetworkTraffic", "RacingMotion"),
}


def other_tables(folder: Path) -> dict[str, Callable[[], Table]]:
    """Normal rows of sets with labelled anomalies, and engines."""
    loaders: dict[str, Callable[[], Table]] = {"engines": partial(_engines, folder)}
    for collection, names in OTHER_SETS.items():
        known = labelled_sets(folder, collection)
        loaders |= {name: partial(_normal, known[name]) for name in names}
    return loaders


# --- running -------------------------------------------------------------------------


def prepare(
    name: str, seed: int, *, tables: dict[str, Callable[[], Table]]
) -> tuple[Problem, np.ndarray]:
    """All rows to learn from, and rows that are rebuilt."""
    table = tables[name]().numeric()
    train, test = table.split(seed)
    return Problem(table, train, seed), table.X[sample(test, N_TEST, seed)]


def applies(problem: tuple[Problem, np.ndarray], condition: str, method: str) -> bool:
    """Whether there are as many rows as a condition wants, the first one aside."""
    n_train = CHANGES[condition].n_train
    return n_train == Change().n_train or len(problem[0].train) >= n_train


def evaluate(
    problem: tuple[Problem, np.ndarray], condition: str, method: str
) -> Values:
    """The squared error of hidden cells over the variance of their column."""
    (whole, X), change = problem, CHANGES[condition]
    seed = whole.seed
    known = replace(whole, train=sample(whole.train, change.n_train, seed))
    params = change._asdict()
    del params["n_train"]
    reference = gradual(len(change.hidden_layer_sizes), change.max_iter)
    params["schedule"] = at_equal_updates(NETWORKS[method], reference)
    X_shown, hidden = hide(X, seed)
    network = partial(dae, known, validation_fraction=None, **params)
    X_filled, seconds = timed(lambda: network()(X_shown))
    error = cell_errors(known.X, X, hidden, X_filled).numeric
    return {"error": error, "seconds": seconds, "test_ratio": 0.0}


def report(cells: list, conditions: list[str]) -> list[str]:
    """Ratios of errors by condition, and all errors."""
    rows = []
    for name in conditions:
        results = Results([cell for cell in cells if cell.condition == name])
        for other in OTHERS:
            row = comparison_row(results, OURS, other, "error", RATIO, [])
            rows += [[name, *row[:4]]] if row else []
    header = ["", "errors", "ratio", "won", "95 % interval"]
    errors = error_table(Results(cells), "error")
    return ["## Ratios", markdown(header, rows), "## By set", errors]


PARTS = {
    "choices": ["map", "check"],
    "default": "map",
    "help": "the map (default), or the tables that its rule is checked on",
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=1, needs_data=True, extra={"--part": PARTS})
    is_map = args.part == "map"
    tables = available(args.data) if is_map else other_tables(args.data)
    conditions = list(CHANGES) if is_map else list(CHECKED)
    benchmark = Benchmark(
        protocol("regime", args.part, args),
        partial(prepare, tables=tables),
        evaluate,
        applies,
    )
    cells = measure(
        benchmark,
        args,
        sets=SETS if is_map else tables,
        methods=[OURS, *OTHERS],
        conditions=conditions,
    )
    publish(report(cells, conditions), args)


if __name__ == "__main__":
    main()
