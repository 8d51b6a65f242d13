"""What the finished cells of images say: losses of schedules."""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from experiment import Setting
from intervals import Interval, mean_text, table
from regime import METHODS
from regime import SETTINGS as SETTINGS_AROUND
from run import RATE_SEED, RESULTS, best_rate

REFERENCE = "stacked"


class Method(NamedTuple):
    """The cells of one method, with what was chosen for it on validation rows."""

    choice: Any  # a step size, or settings
    cells: dict[int, dict[str, Any]]  # values, by seed


Line = tuple[dict[str, Any], dict[str, Any]]  # configuration and values


class Search(NamedTuple):
    """How a choice was made, by the configuration and the values of its cells."""

    group: Callable[[dict], Hashable]  # for what it was made
    choice: Callable[[dict], Hashable]
    loss: Callable[[dict], float]  # on validation rows
    best: Callable[[dict[Any, float]], Any]  # None: not finished


def lines_of(name: str, results: Path = RESULTS) -> list[Line]:
    """The finished cells of a file; none if there is no file."""
    path = results / f"{name}.jsonl"
    text = path.read_text("utf-8") if path.is_file() else ""
    found = map(json.loads, text.splitlines())
    return [(each["config"], each["values"]) for each in found]


def rate_found(grid: str, losses: dict[float, float]) -> float | None:
    """The step size that a search has come to; None while it goes on."""
    try:
        return best_rate(grid, losses.__getitem__)
    except KeyError:
        return None


def by_rate(solver: str) -> Search:
    """The search for the step size of each method."""
    return Search(
        group=lambda config: config["method"],
        choice=lambda config: config["learning_rate"],
        loss=lambda values: values["tuned"]["validation_corrupted"],
        best=partial(rate_found, solver),
    )


def chosen(lines: Iterable[Line], search: Search) -> dict[Any, Method]:
    """The cells at the choice that was made, in the order of the searches."""
    tried: dict[Any, dict[Any, float]] = defaultdict(dict)
    cells: dict[Any, dict[Any, dict]] = defaultdict(lambda: defaultdict(dict))
    for config, values in lines:
        key, choice = search.group(config), search.choice(config)
        if config["seed"] == RATE_SEED:
            tried[key][choice] = search.loss(values)
        else:
            cells[key][choice][config["seed"]] = values
    found = {}
    for key, tested in tried.items():
        best = search.best(tested)
        if best in cells[key]:
            found[key] = Method(best, dict(sorted(cells[key][best].items())))
    return found


def read(name: str, results: Path = RESULTS) -> dict[str, Method]:
    """The methods of a setting, in the order in which they were run first."""
    return methods_of(lines_of(name, results))


def methods_of(lines: Sequence[Line]) -> dict[str, Method]:
    """The methods of cells of one setting, at the step size of each."""
    solver = lines[0][0].get("solver", "adam") if lines else "adam"
    return chosen(lines, by_rate(solver))


def at_rate(lines: Iterable[Line], rate: float) -> dict[str, Method]:
    """The cells of one step size, whatever was chosen."""
    cells: dict[str, dict[int, dict]] = defaultdict(dict)
    for config, values in lines:
        if config["learning_rate"] == rate and config["seed"] != RATE_SEED:
            cells[config["method"]][config["seed"]] = values
    return {method: Method(rate, found) for method, found in cells.items()}


def losses(method: Method, stage: str, kind: str) -> dict[int, float]:
    """Excess cross-entropy of test images, by seed."""
    cells = method.cells.items()
    return {s: v[stage][f"test_{kind}"] for s, v in cells if stage in v}


def change(
    method: Method, reference: Method, stage: str = "tuned", kind: str = "corrupted"
) -> Interval:
    """Relative change from the reference, paired by seeds."""
    one, other = losses(method, stage, kind), losses(reference, stage, kind)
    return paired(one, other)


def paired(one: dict[int, float], other: dict[int, float]) -> Interval:
    """Relative change from the other values, by seed."""
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
            f"{method.choice:g}",
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
