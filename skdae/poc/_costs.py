"""Experiment 3: what a method takes."""

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

from skdae._transformer import GradualDAETransformer

LEAST_SECONDS = 0.05  # over which rows per second are measured


def timed(act: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what an act returns, and the seconds that it took."""
    wall, cpu = perf_counter(), process_time()
    found = act()
    return found, {
        "fit_seconds": perf_counter() - wall,
        "cpu_seconds": process_time() - cpu,
    }


def rows_per_second(act: Callable[[], Any], n_rows: int) -> float:
    """Return how many rows an act takes in a second."""
    started, turns = perf_counter(), 0
    while turns == 0 or perf_counter() - started < LEAST_SECONDS:
        act()
        turns += 1
    return turns * n_rows / (perf_counter() - started)


def network_costs(dae: GradualDAETransformer) -> dict[str, float]:
    """Return what a trained network has cost and weighs."""
    parameters = sum(a.size for a in (*dae.coefs_, *dae.intercepts_))
    return {
        "weight_updates": float(sum(phase.weight_updates for phase in dae.phases_)),
        "parameters": float(parameters),
        "size_bytes": float(sum(a.nbytes for a in (*dae.coefs_, *dae.intercepts_))),
    }
