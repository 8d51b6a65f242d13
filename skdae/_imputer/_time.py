"""Imputation of rows in time order: from the rows around a cell.

There are three candidates: the line between the known values before and after, a vector
autoregression of all columns, and trees that correct the latter from the line, its
ends and the other columns. Each class of gap lengths has shares of its own. Everything
but the autoregression is learned and measured on known cells that are hidden in gaps
like those of the table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t
from sklearn.ensemble import ExtraTreesRegressor

from skdae._imputer._autoregression import (
    N_DRAWS,
    Autoregression,
    fit_autoregression,
)
from skdae._imputer._errors import LEVEL
from skdae._imputer._trees import Trees
from skdae._simplex import simplex_shares
from skdae.timeseries._groups import group_starts
from skdae.timeseries._neighbours import (
    TimeAxis,
    find_neighbours,
    interpolated,
    time_axis,
)

GAP_ENDS = (1.5, 3.5, 11.5)  # missing cells in a row that end a class of gaps
GAP_CLASSES = ("1", "2 to 3", "4 to 11", "12 or more")
CANDIDATES = ("interpolation", "autoregression", "trees")
N_MASKS = 6  # sets of hidden cells
MAX_MASK_ROWS = 4_000  # consecutive rows that a set hides cells of
HIDDEN_SHARE = 0.1  # of the known cells, at least, in a set
MAX_COPIES = 8  # of the gaps of the table in a set, moved by as many times
OTHER_GAPS = 0.25  # share of the hidden cells that are in gaps of all lengths
MAX_OTHER_GAP = 48  # rows
REFINED_ROUNDS = 2  # in which an autoregression is learned again without hidden cells
MIN_CELLS = 30  # hidden ones of a class, below which it takes the shares of all classes
N_TREES = 10  # of a column
N_SCORED_TREES = 5  # of the forests whose errors are measured
MIN_LEAF = 5  # hidden cells
MAX_LEAVES = 300  # of a tree, roughly: leaves hold that share of the cells or more
MAX_CELLS = 4_000  # hidden cells of a column that trees are grown on
MAX_OTHERS = 12  # columns that they read beside the own one
N_BLOCKS = 10  # of time, of which every other is not seen by a scored forest
HORIZON = 1_000  # steps, beyond which distances are alike to trees
MAX_INSERTED = 100  # rows that stand for a gap in the record
TINY = 1e-9  # spread below which a cell counts as certain
EVEN = 0.02  # of the mean squared error, added to each: near candidates share alike


@dataclass(frozen=True)
class OrderedRows:
    """Encoded rows group by group in time order, and what is known around each cell.

    All arrays of cells are (n, n_features), in the order of the axis.
    """

    cells: np.ndarray  # NaN where missing
    axis: TimeAxis
    slot: (
        np.ndarray
    )  # (n,) place on a grid of equal steps; gaps in the record are empty
    ends: tuple[np.ndarray, np.ndarray]  # known values before and after, NaN if none
    distances: tuple[np.ndarray, np.ndarray]  # steps to these, infinite if none
    line: np.ndarray  # between them
    gap: np.ndarray  # class of the gap that a cell is or would be in

    @classmethod
    def from_cells(cls, cells: np.ndarray, axis: TimeAxis) -> "OrderedRows":
        """Read what is around the cells; the usual step of the axis is 1."""
        around = find_neighbours(~np.isnan(cells), axis)
        back, ahead = around.distances(axis)
        one_sided = np.isinf(back) | np.isinf(ahead)
        span = np.where(one_sided, 2 * np.minimum(back, ahead), back + ahead)
        return cls(
            cells,
            axis,
            _slots(axis),
            around.values(cells),
            (back, ahead),
            interpolated(cells, axis, around),
            np.digitize(span - 1, GAP_ENDS),
        )

    def filled(
        self, model: Autoregression, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """Return the cells with missing ones filled by the autoregression.

        With their means, or with draws from a generator.
        """
        return self.off_grid(model.fill(*self.on_grid(self.cells), generator))

    def on_grid(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return cells on the grid, NaN in empty slots, and where groups start."""
        grid = np.full((self.slot[-1] + 1, cells.shape[1]), np.nan)
        grid[self.slot] = cells
        start = np.zeros(len(grid), dtype=np.intp)
        start[self.slot] = self.slot[self.axis.first]
        return grid, np.maximum.accumulate(start)

    def off_grid(self, grid: np.ndarray) -> np.ndarray:
        """Return the cells of the rows."""
        return grid[self.slot]


def in_steps(
    axis: TimeAxis, seconds: np.ndarray | None, step: float | None
) -> TimeAxis:
    """Return the axis with its time in usual steps, or without dates in rows.

    `seconds`, (n,), are in the order of the table. Times that fall, as in the hour that
    ends summer time, count as equal.
    """
    if seconds is None or step is None:
        return axis
    return replace(axis, time=np.append(0, _steps(axis, seconds) / step).cumsum())


def usual_step(axis: TimeAxis, seconds: np.ndarray | None) -> float | None:
    """Return the median step of time in seconds, None without dates."""
    if seconds is None:
        return None
    steps = _steps(axis, seconds)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else None


def _steps(axis: TimeAxis, seconds: np.ndarray) -> np.ndarray:
    """Return the seconds between rows, (n - 1,), 0 between groups."""
    steps = np.maximum(np.diff(seconds[axis.rows]), 0)
    return np.where(axis.first[1:] == axis.first[:-1], steps, 0)


def _slots(axis: TimeAxis) -> np.ndarray:
    """Return the slot of each row on a grid of equal steps.

    Each row has one of its own; a longer step leaves up to `MAX_INSERTED` empty ones.
    """
    steps = np.clip(np.rint(np.diff(axis.time)), 1, 1 + MAX_INSERTED)
    return np.append(0, steps.astype(np.intp)).cumsum()


@dataclass(frozen=True)
class TimeColumn:
    """How one column is imputed from the rows around."""

    column: slice  # its features
    others: np.ndarray  # features that trees read beside them
    trees: Trees | None  # None where too few cells are known
    size: np.ndarray  # (n_classes, n_features) of what they predict
    shares: np.ndarray  # (n_classes, n_candidates)
    errors: np.ndarray  # (n_classes, n_candidates + 1) root mean squares; of the mean
    scale: np.ndarray  # (n_classes, n_features) of the errors over the spread of draws

    def inputs(
        self, rows: OrderedRows, filled: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return what the trees read: differences to what is filled, and the others."""
        own = filled[places, self.column]
        around = [
            np.nan_to_num(part[places, self.column] - own)
            for part in (rows.line, *rows.ends)
        ]
        distances = [
            np.log1p(np.minimum(part[places, self.column.start], HORIZON))
            for part in rows.distances
        ]
        return np.column_stack(
            [own, *around, *distances, filled[places][:, self.others]]
        )

    def candidates(
        self, rows: OrderedRows, filled: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return the estimates of some cells, (n_candidates, n, n_features)."""
        own = filled[places, self.column]
        line = rows.line[places, self.column]
        corrected = own
        if self.trees is not None and len(places):
            correction = self.trees.predict(self.inputs(rows, filled, places))
            gap = rows.gap[places, self.column.start]
            corrected = own + self.size[gap] * correction
        return np.stack([line, own, corrected])

    def mean(self, candidates: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the candidates, (n, n_features)."""
        return np.einsum("nc,cnf->nf", self.shares[gap], candidates)


@dataclass(frozen=True)
class TimeModel:
    """Estimates from the rows around."""

    autoregression: Autoregression
    columns: tuple[TimeColumn, ...]
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
        scaled by column and class of gaps. In the order of the table.
        """
        drawn = rows.filled(self.autoregression, generator)
        drawn -= rows.filled(self.autoregression)
        for column in self.columns:
            gap = rows.gap[:, column.column.start]
            drawn[:, column.column] *= column.scale[gap]
        return rows.axis.to_rows(drawn)


# --- fitting -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Example:
    """Rows in which known cells are hidden, and what is estimated for them."""

    rows: OrderedRows
    hidden: np.ndarray  # (n, n_features) bool
    cells: np.ndarray  # (n, n_features), the known ones
    filled: np.ndarray  # by an autoregression that has not seen the hidden cells
    spread: np.ndarray  # of its draws
    block: np.ndarray  # (n,) of time


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
    model = fit_autoregression(*_complete(rows), generator)
    examples = list(_examples(model, rows, columns, limits, generator))
    related = _related(model)
    fitted = [_fit_column(column, related, examples, generator) for column in columns]
    return TimeModel(model, tuple(fitted), *limits, step)


def _complete(rows: OrderedRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells on the grid, where groups start, and a first estimate of all cells.

    The line, or the mean of the feature; 0 without any value.
    """
    cells, start = rows.on_grid(rows.cells)
    grid_axis = replace(time_axis(len(cells)), first=start, last=_last(start))
    line = interpolated(cells, grid_axis, find_neighbours(~np.isnan(cells), grid_axis))
    known = ~np.isnan(rows.cells)
    mean = np.where(known, rows.cells, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled = np.where(np.isnan(cells), np.where(np.isnan(line), mean, line), cells)
    return cells, start, filled


def _last(start: np.ndarray) -> np.ndarray:
    """Return the last row of the group of each row, from the first ones."""
    return len(start) - 1 - group_starts(start[::-1])[::-1]


def _examples(
    model: Autoregression,
    rows: OrderedRows,
    columns: Sequence[slice],
    limits: tuple[np.ndarray, np.ndarray],
    generator: np.random.Generator,
) -> Iterator[_Example]:
    """Yield sets of hidden cells in consecutive rows."""
    n_rows = min(len(rows.axis), MAX_MASK_ROWS)
    for _ in range(N_MASKS):
        begin = int(generator.integers(len(rows.axis) - n_rows + 1))
        part = slice(begin, begin + n_rows)
        cells = rows.cells[part]
        axis = _part_of(rows.axis, part)
        hidden = _hidden(np.isnan(cells), columns, generator)
        shown = OrderedRows.from_cells(np.where(hidden, np.nan, cells), axis)
        grid, start = shown.on_grid(shown.cells)
        filled = model.fill(grid, start, generator)
        own = fit_autoregression(grid, start, filled, generator, REFINED_ROUNDS)
        yield _Example(
            shown,
            hidden,
            cells,
            np.clip(shown.filled(own), *limits),
            shown.off_grid(own.spread(grid, start, generator)),
            (np.arange(begin, begin + n_rows) * N_BLOCKS) // len(rows.axis),
        )


def _part_of(axis: TimeAxis, part: slice) -> TimeAxis:
    """Return some consecutive places as an axis of their own."""
    n_rows = part.stop - part.start
    return TimeAxis(
        np.arange(n_rows),
        np.maximum(axis.first[part] - part.start, 0),
        np.minimum(axis.last[part] - part.start, n_rows - 1),
        axis.time[part],
    )


def _hidden(
    missing: np.ndarray, columns: Sequence[slice], generator: np.random.Generator
) -> np.ndarray:
    """Return which known cells to hide: in the gaps of the table, moved, and others."""
    n_rows = len(missing)
    hidden = np.zeros_like(missing)
    for _ in range(MAX_COPIES if missing.any() else 0):
        hidden |= np.roll(missing, int(generator.integers(n_rows)), axis=0) & ~missing
        if hidden.mean() >= HIDDEN_SHARE:
            break
    share = max(OTHER_GAPS * hidden.mean(), HIDDEN_SHARE - hidden.mean())
    for column in columns:
        hidden[:, column] |= _other_gaps(n_rows, share, generator)[:, None]
    return hidden & ~missing


def _other_gaps(
    n_rows: int, share: float, generator: np.random.Generator
) -> np.ndarray:
    """Return gaps of all lengths that take a share of the rows, (n_rows,) bool.

    As many cells lie in gaps of 1 as of 48 rows, on a logarithmic scale.
    """
    longest = min(MAX_OTHER_GAP, max(1, n_rows // 10))
    hidden, n_left = np.zeros(n_rows, dtype=bool), generator.poisson(share * n_rows)
    while n_left > 0:
        length = int(np.exp(generator.random() * np.log(longest + 1)))
        count = max(1, min(longest, n_left) // length)
        for begin in generator.integers(n_rows, size=count):
            hidden[begin : begin + length] = True
        n_left -= count * length
    return hidden


def _related(model: Autoregression) -> np.ndarray:
    """Return how much each feature depends on each other one, (n_features, n_features).

    Summed over the distances of two rows: the size of the precision between a row and
    the rows around, over the root of that of the other feature with itself.
    """
    weighted = model.precision @ model.filters
    total = sum(
        np.abs(
            sum(
                model.filters[lag + distance].T @ weighted[lag]
                for lag in range(len(model.filters) - distance)
            )
        )
        for distance in range(len(model.filters))
    )
    return (total + total.T) / np.sqrt(np.diag(total))


def _fit_column(
    column: slice,
    related: np.ndarray,
    examples: Sequence[_Example],
    generator: np.random.Generator,
) -> TimeColumn:
    """Grow the trees of a column, and measure all candidates on unseen cells."""
    others = np.setdiff1d(np.arange(len(related)), np.arange(column.start, column.stop))
    order = np.argsort(-related[column][:, others].max(axis=0), kind="stable")
    width, n_classes = column.stop - column.start, len(GAP_CLASSES)
    model = TimeColumn(
        column,
        np.sort(others[order[:MAX_OTHERS]]),
        trees=None,
        size=np.ones((n_classes, width)),
        shares=np.tile([0.0, 1.0, 0.0], (n_classes, 1)),
        errors=np.full((n_classes, len(CANDIDATES) + 1), np.nan),
        scale=np.ones((n_classes, width)),
    )
    places = [np.flatnonzero(each.hidden[:, column.start]) for each in examples]
    parts = list(zip(examples, places, strict=True))
    truth = np.concatenate([each.cells[at, column] for each, at in parts])
    if len(truth) < MIN_CELLS:
        return model
    inputs = np.concatenate(
        [model.inputs(each.rows, each.filled, at) for each, at in parts]
    )
    estimates = np.concatenate(
        [model.candidates(each.rows, each.filled, at) for each, at in parts], axis=1
    )
    spread = np.concatenate([each.spread[at, column] for each, at in parts])
    gap = np.concatenate([each.rows.gap[at, column.start] for each, at in parts])
    block = np.concatenate([each.block[at] for each, at in parts])
    residual = truth - estimates[1]
    size = np.array(
        [residual[_of_class(gap, k)].std(axis=0) for k in range(len(GAP_CLASSES))]
    )
    relative = np.divide(
        residual, size[gap], out=np.zeros_like(residual), where=size[gap] > 0
    )
    trees, corrections = _grow(inputs, relative, block, generator)
    estimates[2] += size[gap] * corrections
    model = replace(model, trees=trees, size=size)
    return _measured(model, estimates, truth, spread, gap)


def _grow(
    inputs: np.ndarray,
    target: np.ndarray,
    block: np.ndarray,
    generator: np.random.Generator,
) -> tuple[Trees | None, np.ndarray]:
    """Grow a forest, and return what others predict that have not seen the time.

    One of these is grown on the even and one on the odd blocks.
    """
    is_odd, predicted = block % 2 == 1, np.zeros(target.shape)
    if min(is_odd.sum(), (~is_odd).sum()) < MIN_CELLS:
        return None, predicted
    for own in (is_odd, ~is_odd):
        trees = _forest(inputs[own], target[own], N_SCORED_TREES, generator)
        predicted[~own] = trees.predict(inputs[~own])
    return _forest(inputs, target, N_TREES, generator), predicted


def _forest(
    inputs: np.ndarray,
    target: np.ndarray,
    n_trees: int,
    generator: np.random.Generator,
) -> Trees:
    """Grow trees on at most `MAX_CELLS` hidden cells."""
    if len(inputs) > MAX_CELLS:
        chosen = generator.choice(len(inputs), MAX_CELLS, replace=False)
        inputs, target = inputs[chosen], target[chosen]
    trees = ExtraTreesRegressor(
        n_trees,
        min_samples_leaf=max(MIN_LEAF, len(inputs) // MAX_LEAVES),
        random_state=int(generator.integers(2**31)),
    )
    return Trees.of(trees.fit(inputs, target[:, 0] if target.shape[1] == 1 else target))


def _of_class(gap: np.ndarray, k: int) -> np.ndarray:
    """Return which cells a class learns from: all where it has few of its own."""
    own = gap == k
    return own if own.sum() >= MIN_CELLS else np.ones(len(gap), dtype=bool)


def _measured(
    model: TimeColumn,
    estimates: np.ndarray,
    truth: np.ndarray,
    spread: np.ndarray,
    gap: np.ndarray,
) -> TimeColumn:
    """Return the column with shares, errors and scales of each class of gaps.

    `estimates` are (n_candidates, n, n_features), `truth` and `spread` (n, n_features)
    and `gap` (n,), of the hidden cells.
    """
    shares, sizes, scale = (
        part.copy() for part in (model.shares, model.errors, model.scale)
    )
    for k in range(len(GAP_CLASSES)):
        own = _of_class(gap, k)
        errors = estimates[:, own] - truth[own]  # (n_candidates, n, n_features)
        shares[k] = best_shares(errors.reshape(len(errors), -1))
        mean = np.einsum("c,cnf->nf", shares[k], errors)
        total = [*(errors**2).mean(axis=1), (mean**2).mean(axis=0)]
        sizes[k] = np.sqrt(np.sum(total, axis=1))
        ratio = np.abs(mean) / np.maximum(spread[own], TINY)
        scale[k] = np.quantile(ratio, LEVEL, axis=0) / t.isf((1 - LEVEL) / 2, N_DRAWS)
    return replace(model, shares=shares, errors=sizes, scale=scale)


def best_shares(errors: np.ndarray) -> np.ndarray:
    """Return the shares with the least mean squared error, (n_candidates,).

    `errors` is (n_candidates, n). Candidates that are nearly equal get nearly equal
    shares.
    """
    n_candidates, n_errors = errors.shape
    products = errors @ errors.T / n_errors
    size = EVEN * np.diag(products).mean() + 1e-12  # without errors, shares are equal
    return simplex_shares(products + size * np.eye(n_candidates))
