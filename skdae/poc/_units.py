"""The units of a proof of concept: one method on one split each.

A unit learns from training rows alone and returns plain numbers, so that it can be run
anywhere, kept in a file and left out.
"""

import warnings
from collections.abc import Callable
from time import perf_counter

from threadpoolctl import threadpool_limits

from skdae.poc._costs import network_costs, rows_per_second, timed
from skdae.poc._denoising import (
    NetworkRows,
    normal_rows,
    rebuild_errors,
    run_rebuilder,
)
from skdae.poc._downstream import (
    known_rows,
    network_predictions,
    run_detector,
    run_our_detector,
    run_predictor,
    run_untrained,
)
from skdae.poc._memory import run_memory
from skdae.poc._predictors import DETECTORS, PREDICTORS
from skdae.poc._rebuilders import REBUILDERS
from skdae.poc._setting import Result, Setting, Unit

UNTRAINED = "untrained"


def run_network(setting: Setting, unit: Unit) -> Result:
    """A schedule: rebuilt rows, and the downstream task from the pretrained weights."""
    train, test = setting.rows(unit.split)
    seed = setting.seed_of(unit)
    name = unit.method
    dae, costs = timed(
        lambda: setting.network(
            setting.schedules[name], train, seed, setting.max_iter
        ).fit(train.X)
    )
    costs |= network_costs(dae)
    rows = normal_rows(setting, test)
    model = NetworkRows(dae, list(train.numeric))
    costs["rows_per_second"] = rows_per_second(model.rebuild, rows.X)
    result: Result = {
        "rebuild": rebuild_errors(model, setting, unit.split, train, rows),
        "costs": costs,
    }
    first = name == next(iter(setting.schedules))
    if setting.data.task in ("classification", "regression"):
        result["predict"] = network_predictions(
            setting, unit, dae, train, known_rows(test), with_codes=first
        )
    return result


#: What runs a unit, by its kind.
KINDS: dict[str, Callable[[Setting, Unit], Result]] = {
    "network": run_network,
    "rebuilder": run_rebuilder,
    "predictor": run_predictor,
    "untrained": run_untrained,
    "detector": run_detector,
    "our_detector": run_our_detector,
    "memory": run_memory,
}
#: Whose memory is measured, beside the first schedule: the heaviest of the others.
MEASURED = ("neighbors", "boosting", "isolation_forest")


def units_of(setting: Setting, split: int) -> list[Unit]:
    """Return all units of a split, the longest first."""
    task = setting.data.task
    found = [("network", name) for name in setting.schedules]
    if task == "anomaly":
        found += [("our_detector", f"detector_{name}") for name in setting.schedules]
        found += [("detector", name) for name in DETECTORS]
    elif task is not None:
        found.append(("untrained", UNTRAINED))
        found += [("predictor", name) for name in PREDICTORS]
    found += [("rebuilder", name) for name in REBUILDERS]
    if setting.memory and split == 0:  # memory is no matter of chance
        first = next(iter(setting.schedules))
        ours = (first, f"detector_{first}")
        found += [
            ("memory", f"{kind}:{name}")
            for kind, name in found
            if name in (*ours, *MEASURED)
        ]
    return [Unit(kind, method, split) for kind, method in found]


def run_unit(setting: Setting, unit: Unit) -> Result:
    """Return what a unit finds with one thread, and what it was warned of."""
    # one thread each: those of gradient boosting wait for each other on busy cores
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        started = perf_counter()
        result = KINDS[unit.kind](setting, unit)
    messages = {str(warning.message) for warning in caught}
    return result | {
        "seconds": perf_counter() - started,
        "warnings": sorted(messages),
    }
