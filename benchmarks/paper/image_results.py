"""What the finished cells of images say: losses of schedules, errors with labels."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from experiment import Setting
from intervals import Interval, mean_text, table
from regime import METHODS
from regime import SETTINGS as SETTINGS_AROUND
from run import RATE_SEED, RESULTS

REFERENCE = "stacked"


class Method(NamedTuple):
    """The cells of one method in one setting."""

    learning_rate: float  # chosen on validation rows
    cells: dict[int, dict[str, Any]]  # values, by seed


Line = tuple[dict[str, Any], dict[str, Any]]  # configuration and values


def lines_of(name: str, results: Path = RESULTS) -> list[Line]:
    """The finished cells of a file."""
    text = (results / f"{name}.jsonl").read_text("utf-8")
    found = map(json.loads, text.splitlines())
    return [(each["config"], each["values"]) for each in found]


def read(name: str, results: Path = RESULTS) -> dict[str, Method]:
    """The methods of a setting, in the order in which they were run first."""
    return methods_of(lines_of(name, results))


def methods_of(lines: Iterable[Line]) -> dict[str, Method]:
    """The methods of cells of one setting, at the step size of each."""
    tried: dict[str, dict[float, float]] = defaultdict(dict)
    cells: dict[str, dict[tuple[float, int], dict]] = defaultdict(dict)
    for config, values in lines:
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
            mean_text(losses(method, "grown", "corrupted").values()),
            Interval.of(list(tuned.values())).plain(),
            mean_text(losses(method, "tuned", "clean").values()),
            "" if name == REFERENCE else change(method, reference).percent(),
            mean_text(v["drift"][-2] for v in cells if len(v["drift"]) > 1),
            mean_text((100 * v["tuned"]["probe_error"] for v in cells), "{:.1f}"),
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
        rows.append((name, *(mean_text(v[i][j] for v in cells) for i, j in epochs)))
    header = (
        "schedule",
        "last epoch with one layer",
        "first with two",
        "second with two",
        "last with two",
    )
    return table(header, rows)


# --- the regime map of images --------------------------------------------------------

REGIME = "mnist-regime"
COPY, JOINT = "gradual, copy", "joint"


def regimes(results: Path = RESULTS) -> dict[str, dict[str, Method]]:
    """The methods of each setting around the first one, by its name."""
    found: dict[str, list[Line]] = {name: [] for name in SETTINGS_AROUND}
    names = {_setting_key(asdict(each)): n for n, each in SETTINGS_AROUND.items()}
    for config, values in lines_of(REGIME, results):
        found[names[_setting_key(config)]].append((config, values))
    methods = {name: methods_of(lines) for name, lines in found.items()}
    return {n: each for n, each in methods.items() if each.keys() >= set(METHODS)}


def _setting_key(config: dict[str, Any]) -> str:
    """What identifies a setting, of its own fields or of a cell's."""
    own = {each.name for each in fields(Setting)}
    return json.dumps({k: v for k, v in config.items() if k in own})


def regime_table(settings: dict[str, dict[str, Method]]) -> str:
    """One line per setting: the loss, and the change from stacked and joint."""
    rows = []
    for name, methods in settings.items():
        ours = methods[COPY]
        loss = mean_text(losses(ours, "tuned", "corrupted").values())
        changes = [change(ours, methods[other]) for other in (REFERENCE, JOINT)]
        texts = [each.percent() for each in changes]
        rows.append((name, str(len(ours.cells)), loss, *texts))
    header = ("what is changed", "seeds", COPY, "change from stacked")
    return table(header + ("change from joint",), rows)


FADE_IN, NO_FADE_IN = "mnist-fade-in", "no fade-in"

# --- labels --------------------------------------------------------------------------

LABELS = "mnist-small-labels"
LabelErrors = dict[int, dict[str, dict[int, float]]]  # by labels, method and seed


def label_errors(results: Path = RESULTS) -> LabelErrors:
    """Test errors at the step size of the least validation error."""
    tried: dict[tuple[int, str], dict[float, float]] = defaultdict(dict)
    cells = []
    for config, values in lines_of(LABELS, results):
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


ALL_LABELS = "mnist-all-labels"


def all_label_errors(results: Path = RESULTS) -> dict[str, Interval]:
    """Test errors in percent by start, with the settings chosen on validation rows."""
    tried: dict[str, dict[str, float]] = defaultdict(dict)
    errors: dict[str, list[float]] = defaultdict(list)
    cells = []
    for config, values in lines_of(ALL_LABELS, results):
        start = config["start"]
        own = {k: v for k, v in config.items() if k not in ("start", "seed")}
        key = json.dumps(own)
        if config["seed"] == RATE_SEED:
            tried[start][key] = values["error"]
        else:
            cells.append((start, key, 100 * values["error"]))
    for start, key, error in cells:
        if key == min(tried[start], key=tried[start].__getitem__):
            errors[start].append(error)
    return {start: Interval.of(found) for start, found in errors.items()}
