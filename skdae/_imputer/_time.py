"""Imputation of rows in time order: from the rows around a cell.

There are three candidates: the line between the known values before and after, a vector
autoregression of all columns, and trees that correct the latter from the line, its
ends and the other columns. Each class of gap lengths has shares of its own. Everything
but the autoregression is learned and measured on known cells that are hidden in gaps
like those of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skdae._imputer._blocks import AnyAutoregression, fit_in_blocks
from skdae._imputer._examples import hide_gaps
from skdae._imputer._ordered_rows import (
    OrderedRows,
    first_estimate,
    in_steps,
    usual_step,
)
from skdae._imputer._time_columns import ImputedColumn, fit_column
from skdae.timeseries._neighbours import TimeAxis


@dataclass(frozen=True)
class TimeModel:
    """Estimates from the rows around."""

    autoregression: AnyAutoregression
    columns: tuple[ImputedColumn, ...]
    low: np.ndarray  # (n_features,) seen in training
    high: np.ndarray
    step: float | None  # usual step of time in seconds, None without dates

    def order(
        self,
        Z: np.ndarray,
        missing: np.ndarray,
        axis: TimeAxis,
        seconds: np.ndarray | None,
    ) -> OrderedRows:
        """Return the rows of a table, for the other methods."""
        cells = np.where(missing, np.nan, Z)[axis.rows]
        return OrderedRows.from_cells(cells, in_steps(axis, seconds, self.step))

    def impute(self, rows: OrderedRows) -> np.ndarray:
        """Return the filled rows in the order of the table.

        Their values stay in the range of training, or between that and the line from
        known value to known value where it has left the range.
        """
        low, high = np.fmin(self.low, rows.line), np.fmax(self.high, rows.line)
        base = np.clip(rows.filled(self.autoregression), low, high)
        filled = rows.cells.copy()
        for column in self.columns:
            own = column.column
            places = np.flatnonzero(np.isnan(rows.cells[:, own.start]))
            estimates = column.candidates(rows, base, places)
            mean = column.mean(estimates, rows.gap[places, own.start])
            limits = low[places, own], high[places, own]
            filled[places, own] = np.clip(mean, *limits)
        return rows.axis.to_rows(filled)

    def deviations(
        self, rows: OrderedRows, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw how far missing cells lie from their estimates, 0 elsewhere.

        Those of the autoregression, which are correlated in time and between columns,
        and some independent ones, scaled by column and class of gaps. In the order of
        the table.
        """
        drawn = rows.filled(self.autoregression, generator)
        drawn -= rows.filled(self.autoregression)
        for column in self.columns:
            own = column.column
            places = np.flatnonzero(np.isnan(rows.cells[:, own.start]))
            gap = rows.gap[places, own.start]
            if column.floor is not None:
                white = generator.standard_normal((len(places), own.stop - own.start))
                drawn[places, own] += column.floor[gap] * white
            drawn[places, own] *= column.scale[gap]
        return rows.axis.to_rows(drawn)


def fit_time_model(
    Z: np.ndarray,
    missing: np.ndarray,
    columns: Sequence[slice],
    limits: tuple[np.ndarray, np.ndarray],
    axis: TimeAxis,
    seconds: np.ndarray | None,
    generator: np.random.Generator,
) -> TimeModel:
    """Learn to impute encoded rows from those around.

    `columns` are the features of each column of the table, `limits` the lowest and
    highest values that are imputed, `seconds` the time of the rows, if known.
    """
    step = usual_step(axis, seconds)
    cells = np.where(missing, np.nan, Z)[axis.rows]
    rows = OrderedRows.from_cells(cells, in_steps(axis, seconds, step))
    model = fit_in_blocks(*first_estimate(rows), generator)
    examples = list(hide_gaps(model, rows, columns, limits, generator))
    related = model.related()
    fitted = [fit_column(column, related, examples, generator) for column in columns]
    return TimeModel(model, tuple(fitted), *limits, step)
