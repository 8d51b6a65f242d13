"""What the finished cells of classifiers say: errors by start and number of labels."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from image_results import (
    REFERENCE,
    Search,
    chosen,
    lines_of,
    paired,
    rate_found,
)
from intervals import Interval, table
from run import RATE_SEED, RESULTS

RANDOM = "random weights"
OTHERS = (REFERENCE, RANDOM)  # what each start is compared with
ALL_LABELS = "mnist-all-labels"
Errors = dict[int, dict[str, dict[int, float]]]  # by labels, method and seed

BY_SETTINGS = Search(
    group=lambda config: config["start"],
    choice=lambda config: json.dumps(
        {k: v for k, v in config.items() if k not in ("start", "seed")}
    ),
    loss=lambda values: values["error"],
    best=lambda losses: min(losses, key=losses.__getitem__),
)


def fine_rates(
    name: str, results: Path = RESULTS
) -> dict[tuple[int, str, int], dict[float, dict[str, float]]]:
    """Values of classifiers by number of labels, start and seed, and by step size."""
    found: dict[tuple[int, str, int], dict] = defaultdict(dict)
    for config, values in lines_of(f"{name}-labels", results):
        if config["seed"] != RATE_SEED:
            key = config["n_labels"], config["method"], config["seed"]
            found[key][config["fine_rate"]] = values
    return dict(sorted(found.items()))


def label_errors(name: str, results: Path = RESULTS) -> Errors:
    """Test errors, at the step size that the search of each has come to."""
    errors: Errors = defaultdict(lambda: defaultdict(dict))
    for (n_labels, method, seed), tried in fine_rates(name, results).items():
        losses = {rate: values["validation_error"] for rate, values in tried.items()}
        best = rate_found("fine-tuning", losses)
        if best is not None:
            errors[n_labels][method][seed] = tried[best]["test_error"]
    return errors


def label_changes(errors: Errors) -> dict[str, Interval]:
    """Relative changes of the error, paired by seeds, and of its geometric mean."""
    found = {}
    for n_labels, methods in [*errors.items(), ("all", mean_errors(errors))]:
        for method in methods:
            for other in OTHERS:
                if other in methods and other != method:
                    changed = paired(methods[method], methods[other])
                    found[f"{n_labels} labels: {method} / {other}"] = changed
    return found


def mean_errors(errors: Errors) -> dict[str, dict[int, float]]:
    """Geometric means over the numbers of labels, of seeds that have all of them."""
    by_method: dict[str, list[dict[int, float]]] = defaultdict(list)
    for methods in errors.values():
        for method, found in methods.items():
            by_method[method].append(found)
    return {
        method: {
            seed: float(np.exp(np.mean([np.log(each[seed]) for each in found])))
            for seed in set.intersection(*map(set, found))
        }
        for method, found in by_method.items()
        if len(found) == len(errors)
    }


def label_table(errors: Errors) -> str:
    """One line per number of labels and start, best first."""
    changes, rows = label_changes(errors), []
    for n_labels, methods in sorted(errors.items()):
        means = {m: float(np.mean(list(e.values()))) for m, e in methods.items()}
        for method in sorted(means, key=means.__getitem__):
            percent = [100 * error for error in methods[method].values()]
            keys = [f"{n_labels} labels: {method} / {other}" for other in OTHERS]
            texts = [changes[key].percent() if key in changes else "" for key in keys]
            error = Interval.of(percent).plain()
            rows.append((str(n_labels), method, str(len(percent)), error, *texts))
    header = ("labels", "start", "seeds", "test error, %")
    return table(header + tuple(f"change from {other}" for other in OTHERS), rows)


def all_label_errors(results: Path = RESULTS) -> dict[str, Interval]:
    """Test errors in percent by start, with the settings chosen on validation rows."""
    found: dict[str, Any] = chosen(lines_of(ALL_LABELS, results), BY_SETTINGS)
    return {
        start: Interval.of([100 * values["error"] for values in method.cells.values()])
        for start, method in found.items()
    }
