"""Imputation of rows in time order: from the rows around a cell.

There are three candidates: the line between the known values before and after; the
other cells of the row, by the imputation model; and linear regressions on the line and
on how far the other columns have moved off theirs. Each class of gap lengths has a
regression and shares of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae._imputer._errors import DEVIATIONS, LEVEL, ErrorSize, error_shares
from skdae._imputer._model import ImputationModel
from skdae._ridge import ridge
from skdae.timeseries import draw_gaps
from skdae.timeseries._context import AlignedContext, aligned_context
from skdae.timeseries._neighbours import (
    TimeAxis,
    find_neighbours,
    interpolated,
    time_axis,
)

# On eight ordered sets (gas turbine, occupancy, air quality, wall robot, SKAB,
# Tennessee Eastman, hydraulic, C-MAPSS) regressions by class of gaps did as well as
# trees on the same inputs for single cells, and better in outages.
GAP_ENDS = (1.5, 3.5, 11.5)  # missing cells in a row that end a class of gaps
GAP_CLASSES = ("1", "2 to 3", "4 to 11", "12 or more")
N_ROUNDS = 2  # over the columns
MAX_CELLS = 4_000  # known cells of a column that are learned from
MIN_CELLS = 30  # of a class, below which it learns from all classes
MAX_OTHERS = 40  # columns that are read beside the own one
OTHER_GAPS = 0.25  # share of the training gaps that are not those of the table
MAX_OTHER_GAP = 48  # rows
MAX_CALIBRATION_ROWS = 4_000  # consecutive rows whose hidden cells are scored
FEW_GAPS = 0.02  # share of missing cells, below which single ones are hidden as well
SINGLE_CELLS = 0.1  # share of these


@dataclass(frozen=True)
class OrderedRows:
    """Encoded rows group by group in time order, and what the row model makes of them.

    All arrays are (n, n_features) and in the order of the axis.
    """

    cells: np.ndarray  # NaN where missing
    from_row: np.ndarray  # missing cells imputed from the other cells of their row
    row_error: np.ndarray  # expected root mean square of these, 0 where known
    axis: TimeAxis
    line: np.ndarray  # between the known values around, NaN where there is none
    gap: np.ndarray  # class of the gap that a cell is or would be in

    @classmethod
    def from_table(
        cls, model: ImputationModel, Z: np.ndarray, missing: np.ndarray, groups: Any
    ) -> "OrderedRows":
        """Order the rows of a table, which are in time order within their groups."""
        from_row, row_error = Z.copy(), np.zeros(Z.shape)
        index = np.flatnonzero(missing.any(axis=1))
        if len(index):
            from_row[index] = model.means(Z[index], missing[index])
            row_error[index] = model.expected_errors(missing[index])
        axis = time_axis(len(Z), groups)
        cells = np.where(missing, np.nan, Z)[axis.rows]
        around = find_neighbours(~np.isnan(cells), axis)
        back, ahead = around.distances(axis)
        one_sided = np.isinf(back) | np.isinf(ahead)
        span = np.where(one_sided, 2 * np.minimum(back, ahead), back + ahead)
        line = interpolated(cells, axis, around)
        by_row = from_row[axis.rows], row_error[axis.rows]
        return cls(cells, *by_row, axis, line, gap_class(span))

    def places(self, feature: int) -> np.ndarray:
        """Return the missing cells of a feature with a known value on some side."""
        return np.flatnonzero(
            np.isnan(self.cells[:, feature]) & ~np.isnan(self.line[:, feature])
        )


@dataclass(frozen=True)
class TimeColumn:
    """How one feature is imputed from the rows around."""

    feature: int
    inputs: np.ndarray  # features that are read, the own one among them, ascending
    coefficients: tuple[np.ndarray, ...]  # of each round, (n_classes, n_inputs)
    intercepts: tuple[np.ndarray, ...]  # of each round, (n_classes,)
    row_error: float  # expected where no other cell of the row is missing
    errors: ErrorSize  # (n_classes, 2) of line and regressions

    def context(
        self,
        rows: OrderedRows,
        filled: np.ndarray,
        places: np.ndarray,
        back: np.ndarray | int = 1,
        ahead: np.ndarray | int = 1,
    ) -> AlignedContext:
        """Return what the regressions read at some cells."""
        own = int(np.searchsorted(self.inputs, self.feature))
        cells, others = rows.cells[:, self.inputs], filled[:, self.inputs]
        return aligned_context(cells, others, rows.axis, own, places, back, ahead)

    def predict(self, context: AlignedContext, number: int) -> np.ndarray:
        """Return the estimates of one round, (n,)."""
        gap = gap_class(context.span)
        slopes = self.coefficients[number][gap]
        steps = np.einsum("ij,ij->i", slopes, context.inputs)
        return context.line + steps + self.intercepts[number][gap]

    def mean(
        self,
        rows: OrderedRows,
        places: np.ndarray,
        regressed: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted mean of the candidates for some cells, and its error.

        The regressions read the other cells of the row as the imputation model does:
        where some of these are missing, both are expected to be worse.
        """
        j = self.feature
        sizes = self.errors.rms[rows.gap[places, j]]
        row_error = rows.row_error[places, j]
        estimates = [rows.line[places, j], rows.from_row[places, j]]
        errors = [sizes[:, 0], row_error]
        if regressed is not None:
            estimates.append(regressed)
            errors.append(sizes[:, 1] * np.maximum(row_error / self.row_error, 1))
        table = np.column_stack(errors)
        share = error_shares(table)
        return (share * np.column_stack(estimates)).sum(axis=1), (share * table).sum(
            axis=1
        )


@dataclass(frozen=True)
class TimeModel:
    """Estimates from the rows around, for the features that it has columns of."""

    columns: tuple[TimeColumn, ...]  # in the order in which they are imputed
    low: np.ndarray  # (n_features,) seen in training
    high: np.ndarray
    scale: np.ndarray  # (n_features,) of the errors of hidden cells over the expected
    rms: np.ndarray  # (n_classes, n_features) of these errors, NaN where none

    def impute(self, rows: OrderedRows) -> tuple[np.ndarray, np.ndarray]:
        """Return imputed rows and the spread of their errors, NaN without neighbours.

        Both are (n, n_features) and in the order of the table.
        """
        filled, errors, _ = _rounds(rows, self.columns, (self.low, self.high))
        return rows.axis.to_rows(filled), rows.axis.to_rows(errors * self.scale)


def gap_class(span: np.ndarray) -> np.ndarray:
    """Return the class of gaps by their rows from known to known value."""
    return np.digitize(span - 1, GAP_ENDS)


def _rounds(
    rows: OrderedRows,
    columns: Sequence[TimeColumn],
    limits: tuple[np.ndarray, np.ndarray],
    learn: Callable[[TimeColumn, np.ndarray, int], TimeColumn] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[TimeColumn]]:
    """Impute column after column; the regressions may be learned meanwhile.

    The start is the weighted mean of line and row estimate. Returns the rows, the
    expected errors, NaN without neighbours, and the columns.
    """
    filled, columns = rows.from_row.copy(), list(columns)
    errors = np.full(filled.shape, np.nan)
    places = [rows.places(column.feature) for column in columns]
    for column, cells in zip(columns, places, strict=True):
        filled[cells, column.feature], _ = column.mean(rows, cells, None)
    for number in range(N_ROUNDS):
        for k, cells in enumerate(places):
            if learn is not None:
                columns[k] = learn(columns[k], filled, number)
            j = columns[k].feature
            regressed = columns[k].predict(
                columns[k].context(rows, filled, cells), number
            )
            regressed = np.clip(regressed, limits[0][j], limits[1][j])
            filled[cells, j], errors[cells, j] = columns[k].mean(rows, cells, regressed)
    return filled, errors, columns


# --- fitting -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Examples:
    """Known cells of a feature, read as if they were inside gaps."""

    places: np.ndarray  # (n,)
    back: np.ndarray  # (n,) rows to the known cell before
    ahead: np.ndarray


def fit_time_model(
    model: ImputationModel,
    Z: np.ndarray,
    missing: np.ndarray,
    columns: list[slice],
    groups: Any,
    generator: np.random.Generator,
) -> TimeModel:
    """Learn to impute encoded rows from those around, beside a model of single rows.

    `columns` are the features of each column of the table.
    """
    rows = OrderedRows.from_table(model, Z, missing, groups)
    precision = model.gaussian.precision
    related = np.abs(precision) / np.sqrt(np.diag(precision))  # to compare in a row
    alone = model.error_ratio / np.sqrt(np.diag(precision))
    examples, started = {}, []
    for j, each in _draw_examples(rows, generator).items():
        column = _unlearned(j, related[j], alone[j])
        context = column.context(rows, rows.from_row, *_where(each))
        has_line = np.isfinite(context.span)
        if has_line.sum() < MIN_CELLS:
            continue
        examples[j] = _Examples(*(part[has_line] for part in _where(each)))
        errors = rows.cells[examples[j].places, j] - context.line[has_line]
        gaps = gap_class(context.span[has_line])
        started.append(_with_errors(column, 0, errors, gaps))

    def learn(column: TimeColumn, filled: np.ndarray, number: int) -> TimeColumn:
        each = examples[column.feature]
        context = column.context(rows, filled, *_where(each))
        return _learned(column, context, rows.cells[each.places, column.feature])

    _, _, learned = _rounds(rows, started, (model.low, model.high), learn)
    nothing = np.full((len(GAP_CLASSES), Z.shape[1]), np.nan)
    fitted = TimeModel(
        tuple(learned), model.low, model.high, np.ones(Z.shape[1]), nothing
    )
    return _calibrated(fitted, model, rows, columns, generator)


def _calibrated(
    fitted: TimeModel,
    model: ImputationModel,
    rows: OrderedRows,
    columns: list[slice],
    generator: np.random.Generator,
) -> TimeModel:
    """Return the model with the errors of cells hidden in some of its rows.

    The gaps of the table itself, moved in time, and single cells where there are few.
    """
    n_rows = min(len(rows.axis), MAX_CALIBRATION_ROWS)
    begin = int(generator.integers(len(rows.axis) - n_rows + 1))
    part = slice(begin, begin + n_rows)
    cells, missing = rows.cells[part], np.isnan(rows.cells[part])
    hidden = np.roll(missing, int(generator.integers(n_rows)), axis=0)
    if hidden.mean() < FEW_GAPS:
        for column in columns:
            hidden[generator.random(n_rows) < SINGLE_CELLS, column] = True
    hidden &= ~missing
    masked = missing | hidden
    shown = np.where(masked, 0, cells)
    ordered = OrderedRows.from_table(model, shown, masked, rows.axis.first[part])
    filled, expected = fitted.impute(ordered)
    errors = np.where(hidden & ~np.isnan(expected), filled - cells, np.nan)
    ratio = np.abs(errors) / np.where(expected > 0, expected, np.nan)
    scale, rms = fitted.scale.copy(), fitted.rms.copy()
    for j, column in enumerate(errors.T):
        sizes = ratio[~np.isnan(ratio[:, j]), j]
        if len(sizes) >= MIN_CELLS:
            scale[j] = np.quantile(sizes, LEVEL) / DEVIATIONS
        for gap in range(len(GAP_CLASSES)):
            own = column[(ordered.gap[:, j] == gap) & ~np.isnan(column)]
            if len(own):
                rms[gap, j] = np.sqrt((own**2).mean())
    return replace(fitted, scale=scale, rms=rms)


def _where(examples: _Examples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return examples.places, examples.back, examples.ahead


def _draw_examples(
    rows: OrderedRows, generator: np.random.Generator
) -> dict[int, _Examples]:
    """Draw known cells of each feature, and gaps around them.

    Most gaps are those of missing cells of the column, the others of all lengths.
    Features with the fewest missing cells come first.
    """
    known = ~np.isnan(rows.cells)
    gaps = draw_gaps(rows.cells, generator, rows.axis.first)
    length = np.exp(generator.random(known.shape) * np.log(MAX_OTHER_GAP + 1)).astype(
        int
    )
    back = 1 + (generator.random(known.shape) * length).astype(int)
    is_other = generator.random(known.shape) < (OTHER_GAPS if not known.all() else 1)
    back = np.where(is_other, back, gaps.back)
    ahead = np.where(is_other, length + 1 - back, gaps.ahead)
    drawn = {}
    for j in np.argsort(-known.sum(axis=0), kind="stable"):
        places = np.flatnonzero(known[:, j])
        if len(places) > MAX_CELLS:
            places = np.sort(generator.choice(places, MAX_CELLS, replace=False))
        drawn[int(j)] = _Examples(places, back[places, j], ahead[places, j])
    return drawn


def _unlearned(feature: int, related: np.ndarray, row_error: float) -> TimeColumn:
    """Return a column that knows what it will read."""
    order = np.argsort(-related, kind="stable")
    others = order[order != feature][:MAX_OTHERS]
    nothing = np.full((len(GAP_CLASSES), 2), np.nan)
    return TimeColumn(
        feature=feature,
        inputs=np.sort(np.append(others, feature)),
        coefficients=(),
        intercepts=(),
        row_error=float(row_error),
        errors=ErrorSize(nothing, nothing),
    )


def _with_errors(
    column: TimeColumn, candidate: int, errors: np.ndarray, gaps: np.ndarray
) -> TimeColumn:
    """Return the column with the errors of a candidate by class of gaps."""
    rms, spread = column.errors.rms.copy(), column.errors.spread.copy()
    for gap in range(len(GAP_CLASSES)):
        size = ErrorSize.of(errors[_of_class(gaps, gap)])
        rms[gap, candidate], spread[gap, candidate] = size.rms, size.spread
    return replace(column, errors=ErrorSize(rms, spread))


def _of_class(gaps: np.ndarray, gap: int) -> np.ndarray:
    """Return which examples a class learns from: all where it has few of its own."""
    own = gaps == gap
    return own if own.sum() >= MIN_CELLS else np.ones(len(gaps), dtype=bool)


def _learned(
    column: TimeColumn, context: AlignedContext, target: np.ndarray
) -> TimeColumn:
    """Return the column with regressions of one more round, and their errors."""
    gaps = gap_class(context.span)
    residual, errors = target - context.line, np.empty(len(target))
    coefficients, intercepts = [], []
    for gap in range(len(GAP_CLASSES)):
        chosen = _of_class(gaps, gap)
        slopes, intercept, left_out = ridge(context.inputs[chosen], residual[chosen])
        coefficients.append(slopes)
        intercepts.append(intercept)
        errors[gaps == gap] = left_out[gaps[chosen] == gap]
    column = replace(
        column,
        coefficients=(*column.coefficients, np.array(coefficients)),
        intercepts=(*column.intercepts, np.array(intercepts)),
    )
    return _with_errors(column, 1, errors, gaps)
