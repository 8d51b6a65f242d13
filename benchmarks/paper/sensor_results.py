"""What the finished cells of sensor tables say: errors of hidden cells by schedule."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from image_results import COPY, JOINT, REFERENCE
from intervals import Interval, as_change, table
from run import RESULTS

TABLES = "tables"
SCHEDULES = ("gradual, copy", "gradual", "joint", "frozen, copy", "frozen", "stacked")
AROUND_TABLES = "tables-regime"
AROUND_SCHEDULES = ("gradual, copy", "stacked", "joint")
Errors = dict[str, dict[tuple[str, int], float]]  # by method, set and seed


def errors_of(lines: Iterable[list], schedules: Sequence[str], measure: str) -> Errors:
    """Squared error of hidden cells, where all schedules were run."""
    errors: Errors = {method: {} for method in schedules}
    for _, name, _, method, seed, values in lines:
        cells = errors.get(method.removeprefix("network alone, "))
        if cells is not None:
            cells[name, seed] = values[measure]
    common = set.intersection(*(set(cells) for cells in errors.values()))
    return {m: {k: cells[k] for k in sorted(common)} for m, cells in errors.items()}


def cells_of_tables(name: str, results: Path = RESULTS) -> list[list]:
    """The finished cells of a benchmark of tables."""
    text = (results / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def table_errors(results: Path = RESULTS) -> Errors:
    """Those of all schedules with the defaults."""
    return errors_of(cells_of_tables(TABLES, results), SCHEDULES, "numeric")


def regimes_of_tables(part: str, results: Path = RESULTS) -> dict[str, Errors]:
    """Errors by what is changed of the defaults; part 'map' or 'check'."""
    by_condition: dict[str, list[list]] = defaultdict(list)
    for line in cells_of_tables(AROUND_TABLES, results):
        if line[0] == f"regime {part}":
            by_condition[line[2]].append(line)
    return {
        condition: errors_of(lines, AROUND_SCHEDULES, "error")
        for condition, lines in by_condition.items()
    }


def regime_table_of_tables(conditions: dict[str, Errors]) -> str:
    """One line per change: the change of the error from stacked and joint."""
    rows = []
    for name, errors in conditions.items():
        n_sets = len({set_name for set_name, _ in errors[COPY]})
        row = [name, str(n_sets)]
        for other in (REFERENCE, JOINT):
            by_set = ratios_by_set(errors, COPY, other)
            row += [as_change(Interval.of(by_set)), str(sum(r < 0 for r in by_set))]
        rows.append(row)
    header = ("what is changed", "tables", "change from stacked", "better on")
    return table(header + ("change from joint", "better on"), rows)


def ratios_by_set(errors: Errors, method: str, reference: str) -> list[float]:
    """Logarithms of the ratio of errors, means over the seeds of each set."""
    by_set = defaultdict(list)
    for key, error in errors[method].items():
        by_set[key[0]].append(np.log(error / errors[reference][key]))
    return [float(np.mean(logs)) for logs in by_set.values()]


def table_ratio(errors: Errors, method: str, reference: str) -> Interval:
    """Logarithm of the ratio of errors: mean over seeds, then over sets."""
    return Interval.of(ratios_by_set(errors, method, reference))


def sensor_table(errors: Errors) -> str:
    """One line per schedule, best first."""
    names = sorted({name for name, _ in errors["gradual"]})
    means = {
        method: [
            np.mean([e for (n, _), e in cells.items() if n == name]) for name in names
        ]
        for method, cells in errors.items()
    }
    ranks = dict(zip(means, _ranks(np.array(list(means.values()))), strict=True))
    rows = []
    for method, values in means.items():
        geometric = float(np.exp(np.mean(np.log(values))))
        changed = as_change(table_ratio(errors, method, COPY)) if method != COPY else ""
        row = (method, f"{geometric:.3f}", f"{ranks[method]:.1f}", changed)
        rows.append((geometric, row))
    header = ("schedule", "geometric mean", "mean rank", f"change from {COPY}")
    return table(header, (row for _, row in sorted(rows)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Mean rank of each line over the columns; 1 is the least."""
    return (values.argsort(axis=0).argsort(axis=0) + 1).mean(axis=1)
