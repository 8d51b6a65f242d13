"""Experiment 3: what a method takes."""

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd

from skdae._transformer import GradualDAETransformer

LEAST_SECONDS = 0.1  # that a call takes by which rows per second are measured
MOST_RATED = 500_000  # rows of such a call
WARM_UP = 20  # rows


def timed(act: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what an act returns, and the seconds that it took."""
    wall, cpu = perf_counter(), process_time()
    found = act()
    return found, {
        "fit_seconds": perf_counter() - wall,
        "cpu_seconds": process_time() - cpu,
    }


def rows_per_second(act: Callable[[pd.DataFrame], Any], rows: pd.DataFrame) -> float:
    """Return how many rows an act takes in a second.

    The rows are repeated until a call takes so long that calling is no part of it.
    """
    act(rows.iloc[:WARM_UP])
    n_rows = len(rows)
    while True:
        shown = rows.iloc[np.arange(n_rows) % len(rows)]
        started = perf_counter()
        act(shown)
        seconds = perf_counter() - started
        if seconds >= LEAST_SECONDS or n_rows >= MOST_RATED:
            return n_rows / seconds
        n_rows = min(4 * n_rows, MOST_RATED)


def network_costs(dae: GradualDAETransformer) -> dict[str, float]:
    """Return what a trained network has cost and weighs."""
    parameters = sum(a.size for a in (*dae.coefs_, *dae.intercepts_))
    return {
        "weight_updates": float(sum(phase.weight_updates for phase in dae.phases_)),
        "parameters": float(parameters),
        "size_bytes": float(sum(a.nbytes for a in (*dae.coefs_, *dae.intercepts_))),
    }
