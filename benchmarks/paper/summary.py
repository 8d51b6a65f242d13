"""Figures and tables of the page "Does gradual training help?", from the result files.

Writes docs/paper_results.inc, which the page includes: substitutions for the figures in
its text, and the tables. A test compares the file with what this script writes.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "paper"
PAGE = ROOT / "docs" / "paper_results.inc"
RATE_SEED = 1_000  # of run.py
REFERENCE = "stacked"

SETTINGS = ("mnist-small", "mnist-middle", "cifar10-small")

# what the lower layers that adapt are worth: pairs that differ in nothing else
CONTROLS = (("gradual", "frozen"), ("gradual, copy", "frozen, copy"))

# test cross-entropy after full tuning in Kalmanovich and Chechik, 2014
PAPERS = {"mnist": (10.38, 9.61), "cifar10": (57.26, 55.47)}  # stacked, gradual


class Interval(NamedTuple):
    """A mean, and half the width of its 95 % interval."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Student's interval; no width for one value."""
        n = len(values)
        if n < 2:
            return cls(float(np.mean(values)), float("nan"))
        deviation = np.std(values, ddof=1) / np.sqrt(n)
        return cls(float(np.mean(values)), float(t.ppf(0.975, n - 1) * deviation))

    def percent(self) -> str:
        """As a change in percent."""
        text = f"{100 * self.mean:+.1f}".replace("-", "−")
        return f"{text} ± {100 * self.half:.1f} %" if self.half >= 0 else f"{text} %"

    def plain(self) -> str:
        """As a number."""
        text = f"{self.mean:.2f}"
        return f"{text} ± {self.half:.2f}" if self.half >= 0 else text


# --- images --------------------------------------------------------------------------


class Method(NamedTuple):
    """The cells of one method in one setting."""

    learning_rate: float  # chosen on validation rows
    cells: dict[int, dict[str, Any]]  # values, by seed


def read(name: str, results: Path = RESULTS) -> dict[str, Method]:
    """The methods of a setting, in the order in which they were run first."""
    tried: dict[str, dict[float, float]] = defaultdict(dict)
    cells: dict[str, dict[tuple[float, int], dict]] = defaultdict(dict)
    for line in (results / f"{name}.jsonl").read_text("utf-8").splitlines():
        found = json.loads(line)
        config, values = found["config"], found["values"]
        method, rate, seed = (
            config[key] for key in ("method", "learning_rate", "seed")
        )
        if seed == RATE_SEED:
            tried[method][rate] = values["tuned"]["validation_corrupted"]
        else:
            cells[method][rate, seed] = values
    methods = {}
    for method, losses in tried.items():
        best = min(losses, key=losses.__getitem__)
        chosen = {s: v for (rate, s), v in cells[method].items() if rate == best}
        if chosen:
            methods[method] = Method(best, dict(sorted(chosen.items())))
    return methods


def losses(method: Method, stage: str, kind: str) -> dict[int, float]:
    """Excess cross-entropy of test images, by seed."""
    cells = method.cells.items()
    return {s: v[stage][f"test_{kind}"] for s, v in cells if stage in v}


def change(
    method: Method, reference: Method, stage: str = "tuned", kind: str = "corrupted"
) -> Interval:
    """Relative change from the reference, paired by seeds."""
    one, other = losses(method, stage, kind), losses(reference, stage, kind)
    seeds = sorted(set(one) & set(other))
    return Interval.of([one[s] / other[s] - 1 for s in seeds])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A list-table of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        lines += [f"   {'* -' if i == 0 else '  -'} {v}" for i, v in enumerate(row)]
    return "\n".join(lines)


def _mean(values: Iterable[float], form: str = "{:.2f}") -> str:
    values = list(values)
    return form.format(np.mean(values)) if values else "–"


def image_table(methods: dict[str, Method]) -> str:
    """One line per method, best first."""
    reference = methods[REFERENCE]
    rows = []
    for name, method in methods.items():
        tuned = losses(method, "tuned", "corrupted")
        cells = method.cells.values()
        row = (
            name,
            f"{method.learning_rate:g}",
            str(len(method.cells)),
            _mean(losses(method, "grown", "corrupted").values()),
            Interval.of(list(tuned.values())).plain(),
            _mean(losses(method, "tuned", "clean").values()),
            "" if name == REFERENCE else change(method, reference).percent(),
            _mean(v["drift"][-2] for v in cells if len(v["drift"]) > 1),
            _mean((100 * v["tuned"]["probe_error"] for v in cells), "{:.1f}"),
        )
        rows.append((float(np.mean(list(tuned.values()))), row))
    header = (
        "schedule",
        "step size",
        "seeds",
        "before tuning",
        "after tuning",
        "after, clean input",
        f"change from {REFERENCE}",
        "drift of layer 1",
        "probe error, %",
    )
    return table(header, (row for _, row in sorted(rows)))


def jump_table(methods: dict[str, Method]) -> str:
    """What adding a layer does to the loss of the training images."""
    rows = []
    for name in ("gradual", "gradual, copy"):
        cells = [v["losses"] for v in methods[name].cells.values()]
        epochs = ((0, -1), (1, 0), (1, 1), (1, -1))
        rows.append((name, *(_mean(v[i][j] for v in cells) for i, j in epochs)))
    header = (
        "schedule",
        "last epoch with one layer",
        "first with two",
        "second with two",
        "last with two",
    )
    return table(header, rows)


# --- labels --------------------------------------------------------------------------

LABELS = "mnist-small-labels"
LabelErrors = dict[int, dict[str, dict[int, float]]]  # by labels, method and seed


def label_errors(results: Path = RESULTS) -> LabelErrors:
    """Test errors at the step size of the least validation error."""
    tried: dict[tuple[int, str], dict[float, float]] = defaultdict(dict)
    cells = []
    for line in (results / f"{LABELS}.jsonl").read_text("utf-8").splitlines():
        config, values = json.loads(line).values()
        key, rate = (config["n_labels"], config["method"]), config["fine_rate"]
        if config["seed"] == RATE_SEED:
            tried[key][rate] = values["validation_error"]
        else:
            cells.append((key, rate, config["seed"], values["test_error"]))
    errors: LabelErrors = defaultdict(lambda: defaultdict(dict))
    for (n_labels, method), rate, seed, error in cells:
        losses = tried[n_labels, method]
        if rate == min(losses, key=losses.__getitem__):
            errors[n_labels][method][seed] = error
    return errors


def label_change(errors: dict[str, dict[int, float]], one: str, other: str) -> Interval:
    """Relative change of the error, paired by seeds."""
    seeds = sorted(set(errors[one]) & set(errors[other]))
    return Interval.of([errors[one][s] / errors[other][s] - 1 for s in seeds])


def label_table(errors: LabelErrors) -> str:
    """One line per number of labels and start, best first."""
    rows = []
    for n_labels, methods in sorted(errors.items()):
        means = {m: float(np.mean(list(e.values()))) for m, e in methods.items()}
        for method in sorted(means, key=means.__getitem__):
            percent = [100 * error for error in methods[method].values()]
            changes = [
                "" if method == other else label_change(methods, method, other)
                for other in (REFERENCE, "random weights")
            ]
            shown = [each and each.percent() for each in changes]
            error = Interval.of(percent).plain()
            rows.append((str(n_labels), method, str(len(percent)), error, *shown))
    header = ("labels", "start", "seeds", "test error, %")
    header += (f"change from {REFERENCE}", "change from random weights")
    return table(header, rows)


# --- tables of sensors ---------------------------------------------------------------

TABLES = "tables"
SCHEDULES = ("gradual, copy", "gradual", "joint", "frozen", "stacked")
Errors = dict[str, dict[tuple[str, int], float]]  # by method, set and seed


def table_errors(results: Path = RESULTS) -> Errors:
    """Squared error of hidden cells, where all schedules were run."""
    errors: Errors = {method: {} for method in SCHEDULES}
    for line in (results / f"{TABLES}.jsonl").read_text("utf-8").splitlines():
        _, name, _, method, seed, values = json.loads(line)
        cells = errors.get(method.removeprefix("network alone, "))
        if cells is not None:
            cells[name, seed] = values["numeric"]
    common = set.intersection(*(set(cells) for cells in errors.values()))
    return {m: {k: cells[k] for k in sorted(common)} for m, cells in errors.items()}


def table_ratio(errors: Errors, method: str, reference: str) -> Interval:
    """Logarithm of the ratio of errors: mean over seeds, then over sets."""
    by_set = defaultdict(list)
    for key, error in errors[method].items():
        by_set[key[0]].append(np.log(error / errors[reference][key]))
    return Interval.of([float(np.mean(logs)) for logs in by_set.values()])


def as_change(ratio: Interval) -> str:
    """A logarithm with its interval, as a change in percent."""
    low, mid, high = (
        100 * np.expm1(ratio.mean + sign * ratio.half) for sign in (-1, 0, 1)
    )
    return f"{mid:+.1f} % ({low:+.1f} to {high:+.1f})".replace("-", "−")


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
        changed = as_change(table_ratio(errors, method, "gradual"))
        if method == "gradual":
            changed = ""
        row = (method, f"{geometric:.3f}", f"{ranks[method]:.1f}", changed)
        rows.append((geometric, row))
    header = ("schedule", "geometric mean", "mean rank", "change from gradual")
    return table(header, (row for _, row in sorted(rows)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Mean rank of each line over the columns; 1 is the least."""
    return (values.argsort(axis=0).argsort(axis=0) + 1).mean(axis=1)


# --- the file ------------------------------------------------------------------------


def figures(settings: dict[str, dict[str, Method]]) -> dict[str, str]:
    """The figures of the page's text, by the name of their substitution."""
    found = {}
    for name, methods in settings.items():
        for method in methods:
            if method != REFERENCE:
                key = f"{name}: {method}"
                found[key] = change(methods[method], methods[REFERENCE]).percent()
        for one, other in CONTROLS:
            if one in methods and other in methods:
                changed = change(methods[one], methods[other]).percent()
                found[f"{name}: {one} / {other}"] = changed
    return found


def fragment(results: Path = RESULTS) -> str:
    """The file that the page includes."""
    settings = {
        n: read(n, results) for n in SETTINGS if (results / f"{n}.jsonl").is_file()
    }
    errors = table_errors(results)
    named = figures(settings)
    for method in errors:
        for reference in sorted({"gradual", "joint"} - {method}):
            ratio = table_ratio(errors, method, reference)
            named[f"{TABLES}: {method} / {reference}"] = as_change(ratio)
    labels = label_errors(results)
    for n_labels, methods in labels.items():
        for method in methods:
            for other in sorted({REFERENCE, "random weights"} - {method}):
                changed = label_change(methods, method, other).percent()
                named[f"{n_labels} labels: {method} / {other}"] = changed
    for data, (stacked, gradual) in PAPERS.items():
        named[f"papers: {data}"] = Interval(gradual / stacked - 1, np.nan).percent()
    lines = [".. Written by benchmarks/paper/summary.py; do not edit.", ""]
    lines += [f".. |{name}| replace:: {text}" for name, text in named.items()]
    lines += ["", ".. figures end", ""]
    blocks = {name: image_table(methods) for name, methods in settings.items()}
    blocks["jump"] = jump_table(settings[SETTINGS[0]])
    blocks[TABLES] = sensor_table(errors)
    blocks["labels"] = label_table(labels)
    for name, block in blocks.items():
        lines += [f".. begin {name}", "", block, "", f".. end {name}", ""]
    return "\n".join(lines)


def main() -> None:
    """Write the file, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=PAGE)
    args = parser.parse_args()
    text = fragment(args.results)
    args.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
