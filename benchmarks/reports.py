"""Proofs of concept on five kinds of tables, kept as pages in the docs.

The Tennessee Eastman process (anomalies), a mixed table of a machine, a table with
real gaps in time order, engines grouped by unit, and one of more than 30,000 rows.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skdae import poc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from demo import process  # the table of the demonstration

MINUTES = 4.0
LONG_LIFE = 125  # cycles


class Case(NamedTuple):
    """A table and what is asked of it."""

    table: pd.DataFrame
    options: dict[str, Any]


def tennessee_eastman(folder: Path) -> Case:
    """Training on normal operation; 21 faults are to be detected."""
    table = process(folder)
    if table is None:
        sys.exit(f"error: --data {folder} holds no tep.npz, nor series/tep.npz.")
    return Case(table, {"y": "fault", "task": "anomaly", "groups": "block"})


def ai4i(folder: Path) -> Case:
    """Numbers and text: will the machine fail? The kinds of failure leak the target."""
    table = pd.read_csv(folder / "tabular" / "ai4i2020.csv.gz")
    leaks = ["twf", "hdf", "pwf", "osf", "rnf", "udi", "product_id"]
    return Case(table.drop(columns=leaks), {"y": "machine_failure"})


def air_quality(folder: Path) -> Case:
    """Real gaps, in time order: nitrogen dioxide from the cheap sensors."""
    table = pd.read_csv(folder / "tabular" / "air_quality.csv.gz")
    others = [c for c in table if c.endswith("(GT)") and c != "NO2(GT)"]
    table = table.drop(columns=others)
    return Case(table, {"y": "NO2(GT)", "time": "datetime"})


def engines(folder: Path) -> Case:
    """Whole engines are held out: how many cycles are left?"""
    with np.load(folder / "series" / "cmapss_fd001.npz", allow_pickle=False) as data:
        X, unit, cycle = data["X_train"], data["unit_train"], data["cycle_train"]
        names = [str(name) for name in data["features"]]
    table = pd.DataFrame(X.astype(float), columns=names)
    last = pd.Series(cycle).groupby(unit).transform("max").to_numpy()
    # long horizons cannot be predicted
    left = np.minimum(last - cycle, LONG_LIFE).astype(float)
    table = table.assign(cycle=cycle, engine=unit, cycles_left=left)
    return Case(table, {"y": "cycles_left", "task": "regression", "groups": "engine"})


def gas_turbine(folder: Path) -> Case:
    """Five years of hours, in time order: nitrogen oxides."""
    with np.load(folder / "tabular" / "gas_turbine.npz", allow_pickle=False) as data:
        table = pd.DataFrame(
            data["X"].astype(float), columns=[str(name) for name in data["features"]]
        )
        table = table.assign(NOX=data["y"][:, 1].astype(float), hour=range(len(table)))
    return Case(table, {"y": "NOX", "time": "hour"})


CASES: dict[str, Callable[[Path], Case]] = {
    "tennessee_eastman": tennessee_eastman,
    "ai4i": ai4i,
    "air_quality": air_quality,
    "engines": engines,
    "gas_turbine": gas_turbine,
}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each table")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--lang", default="en")
    parser.add_argument("--output", type=Path, help="folder of the pages")
    return parser.parse_args()


def main() -> None:
    """Run the reports and print their verdicts."""
    args = parse()
    names = args.sets.split(",") if args.sets else list(CASES)
    if unknown := [name for name in names if name not in CASES]:
        sys.exit(f"error: --sets {unknown} must be among {list(CASES)}.")
    for name in names:
        case = CASES[name](args.data)
        started = perf_counter()
        report = poc.run(
            case.table,
            minutes=args.minutes,
            n_jobs=args.jobs,
            name=name,
            **case.options,
        )
        print(f"## {name} ({perf_counter() - started:.0f} s)\n")
        print(report.summary(args.lang), "\n", flush=True)
        if args.output is not None:
            report.save(args.output / f"{name}.html", args.lang)


if __name__ == "__main__":
    main()
