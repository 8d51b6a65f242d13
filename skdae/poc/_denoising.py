"""Experiment 1: how well rows with a known trouble are rebuilt."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from skdae._transformer import GradualDAETransformer
from skdae.noise import Layout
from skdae.poc._costs import rows_per_second, timed
from skdae.poc._data import Data
from skdae.poc._rebuilders import REBUILDERS, Rebuilder
from skdae.poc._setting import Result, Setting, Unit
from skdae.poc._troubles import TROUBLES, spoil


@dataclass(frozen=True)
class NetworkRows:
    """A transformer as a rebuilder."""

    dae: GradualDAETransformer
    numeric: list[str]

    def rebuild(self, X: pd.DataFrame) -> np.ndarray:
        """Return the numeric columns."""
        rebuilt = pd.DataFrame(self.dae.reconstruct(X), columns=X.columns)
        return rebuilt[self.numeric].to_numpy(dtype=float)


def rebuild_errors(
    model: Rebuilder, setting: Setting, split: int, train: Data, test: Data
) -> dict[str, Result]:
    """Return the error under each trouble: over all, and of each column.

    The first is the mean over columns of the root mean squared error, in standard
    deviations of the training rows; the others are in the user's units.
    """
    numeric = list(train.numeric)
    layout = Layout.from_data(train.X[numeric].to_numpy())
    truth = test.X[numeric].to_numpy()
    found = {}
    for k, trouble in enumerate(TROUBLES):
        generator = np.random.default_rng([setting.seed, split, 2, k])
        spoiled = spoil(trouble, truth, layout, generator)
        shown = test.X.copy()
        shown[numeric] = spoiled.shown
        squares = np.where(spoiled.counted, (model.rebuild(shown) - truth) ** 2, 0.0)
        n_cells = spoiled.counted.sum(axis=0)
        roots = np.sqrt(squares.sum(axis=0) / np.maximum(n_cells, 1))
        counts = (n_cells > 0) & (layout.scale > 0)
        found[trouble] = {
            "error": float(np.mean(roots[counts] / layout.scale[counts])),
            "columns": [
                float(root) if n else None
                for root, n in zip(roots, n_cells, strict=True)
            ],
        }
    return found


def normal_rows(setting: Setting, test: Data) -> Data:
    """Return the test rows that are rebuilt: no known anomalies."""
    if setting.data.task != "anomaly":
        return test
    return test.take(np.flatnonzero(test.y != 1))


def run_rebuilder(setting: Setting, unit: Unit) -> Result:
    """A simple method of experiment 1."""
    train, test = setting.rows(unit.split)
    test = normal_rows(setting, test)
    model, costs = timed(partial(REBUILDERS[unit.method], train))
    costs["rows_per_second"] = rows_per_second(model.rebuild, test.X)
    errors = rebuild_errors(model, setting, unit.split, train, test)
    return {"rebuild": errors, "costs": costs}
