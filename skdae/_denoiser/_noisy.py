"""Denoising learned from rows with errors: no cell is predicted from itself.

The error of a cell is independent of the cells around. So a regression on these alone
that comes closest to the noisy cells comes closest to their true values, too. How much
of a cell is kept beside this prediction depends on the variance of the errors, which is
stated or estimated from how cells differ from their neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from skdae._core.network import Network, chunks
from skdae._core.sources import Block
from skdae._denoiser._held_out import GAP, N_BLOCKS
from skdae._denoiser._regression import Regression, related_features
from skdae._denoiser._spikes import SpikeLimits, departing, may_jump, spike_limits
from skdae._ridge import ridge
from skdae._simplex import simplex_shares
from skdae._table.encoder import TableEncoder
from skdae._transformer._mixture import Mixture
from skdae.timeseries import BlockSplit, moving_average
from skdae.timeseries._neighbours import (
    TimeAxis,
    find_neighbours,
    interpolated,
    time_axis,
)

# Chosen on parts of seven records that no table of the benchmarks reports.
N_LAGS = 4  # known cells before and after that are read one by one
AVERAGE_WIDTHS = (5, 9, 17, 33)
N_PLAIN = len(AVERAGE_WIDTHS) + 2  # averages and medians, candidates of their own
RELATED_WIDTHS = (5, 17)  # of the averages of related columns
MAX_ROWS = 5_000  # consecutive ones that are learned from
MIN_CELLS = 8  # known ones to learn a column from
MIN_BLOCK_CELLS = 30  # known ones beside a block that is held out
KEPT = np.linspace(0, 1, 11)  # shares of a cell beside its prediction
WINDOWS = (9, 33)  # rows by which the share follows the changes of a column
LIMITS = (1.5, 3.0, np.inf)  # of what is taken off a cell, in standard errors
WORSE = 2.0  # times the residual variance of fit: later rows that change in another way
# Variance of differences over k rows grows by k**power: of a random walk by 1, of a
# smooth curve by 2.
POWERS = np.linspace(1, 2, 101)
HEAVY = 2.0  # times the typical variance, that of errors with heavy tails
MAX_ERROR_SHARE = 0.25  # of a column's variance: larger errors must be stated
EXPLAINED = (0.25, 0.75)  # share of the variance, from which errors are seen, and fully


@dataclass(frozen=True)
class RowsAround:
    """Encoded rows in time order, and for each cell what is known around it."""

    cells: np.ndarray  # (n, n_features) float64, NaN where missing
    axis: TimeAxis
    lags: np.ndarray  # (2 * N_LAGS, n, n_features) nearest first, without the cell
    pulses: np.ndarray  # (n, n_features) values that only other columns read, or NaN

    @classmethod
    def of(
        cls, cells: np.ndarray, groups: np.ndarray, pulses: np.ndarray | None = None
    ) -> "RowsAround":
        """Take rows group by group in time order, NaN where missing."""
        axis, known = time_axis(len(cells), groups), ~np.isnan(cells)
        lags = []
        for k in range(1, N_LAGS + 1):
            before, after = find_neighbours(known, axis, k, k).values(cells)
            lags += [np.where(np.isnan(before), after, before)]
            lags += [np.where(np.isnan(after), before, after)]
        if pulses is None:
            pulses = np.full(cells.shape, np.nan)
        return cls(cells, axis, np.nan_to_num(lags), pulses)

    @property
    def known(self) -> np.ndarray:
        """Where a cell has a value, (n, n_features)."""
        return ~np.isnan(self.cells)

    def line(self) -> np.ndarray:
        """Return the line between the known cells beside each cell."""
        neighbours = find_neighbours(self.known, self.axis)
        return np.nan_to_num(interpolated(self.cells, self.axis, neighbours))

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of the two known cells before and the two after."""
        return self.lags[:4].min(axis=0), self.lags[:4].max(axis=0)

    def own_inputs(self) -> np.ndarray:
        """Return what is read of a cell's column, (n_inputs, n, n_features)."""
        line = self.line()
        averages = [self._average(width, line) for width in AVERAGE_WIDTHS]
        medians = [np.median(self.lags[:n], axis=0) for n in (4, 2 * N_LAGS)]
        return np.stack([*self.lags[:6], *averages, *medians])

    def related_inputs(self) -> np.ndarray:
        """Return what is read of other columns, the cells of the row included."""
        shown = np.where(self.known, self.cells, self.pulses)
        filled = np.where(np.isnan(shown), self.line(), shown)
        smooth = [moving_average(filled, w, self.axis.first) for w in RELATED_WIDTHS]
        return np.stack([filled, *smooth])

    def _average(self, width: int, otherwise: np.ndarray) -> np.ndarray:
        """Return the mean of the known cells around a cell, without itself."""
        total = windowed(np.nan_to_num(self.cells), width, self.axis)
        count = windowed(self.known.astype(np.float64), width, self.axis)
        return np.where(count > 0, total / np.maximum(count, 1), otherwise)


def windowed(values: np.ndarray, width: int, axis: TimeAxis) -> np.ndarray:
    """Return sums over the rows around, without the row itself, (n, n_features)."""
    place, half = np.arange(len(values)), width // 2
    total = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    stop = np.minimum(place + half, axis.last) + 1
    start = np.maximum(place - half, axis.first)
    return total[stop] - total[start] - values


def error_variances(rows: RowsAround, jumps: np.ndarray) -> np.ndarray:
    """Return the variance of the errors by feature, from differences of near cells.

    It is the lesser of two estimates: differences over one to three rows, extrapolated
    to none; and the median size of fourth differences, which sees no rare jumps. As it
    sees no rare large errors either, columns that do not jump, by `jumps` (n_features,)
    bool, have at least the extrapolation along a line, which lasting steps leave as is,
    up to twice that size.
    """
    sizes = [_mean_squares(_steps(rows, k)) / 2 for k in (1, 2, 3)]
    growth = np.maximum(sizes[1] - sizes[0], 0)
    extrapolated = sizes[0] - growth / (2 ** _power(*sizes) - 1)
    fourth = rows.cells
    for k in range(1, 5):
        fourth = np.diff(fourth, axis=0)
        fourth[rows.axis.first[k:] != rows.axis.first[:-k]] = np.nan
    typical = np.array([_typical_size(each) for each in fourth.T]) ** 2 / 70
    along_line = np.where(jumps, 0, 2 * sizes[0] - sizes[1])
    typical = np.maximum(typical, np.minimum(along_line, HEAVY * typical))
    return np.maximum(np.minimum(extrapolated, typical), 0)


def _power(one: np.ndarray, two: np.ndarray, three: np.ndarray) -> np.ndarray:
    """Return the power of k by which the variance of differences over k rows grows.

    Three rows show it unless the growth is over by then. As the variance of errors is
    not negative, it is at least log2(two / one): a power of more than 1 in which the
    errors have no part yet, and so it is taken twice as far from 1.
    """
    growth = two - one
    ratios = (3**POWERS - 1) / (2**POWERS - 1)  # rising with the power
    seen = (three - one) / np.where(growth > 0, growth, 1)
    power = np.where(growth > 0, np.interp(seen, ratios, POWERS), POWERS[-1])
    least = np.log2(
        two / np.where(one > 0, one, 1), where=two > 0, out=np.ones_like(two)
    )
    return np.maximum(power, np.clip(1 + 2 * (least - 1), POWERS[0], POWERS[-1]))


def _steps(rows: RowsAround, k: int) -> np.ndarray:
    """Return differences of cells that are k rows apart, NaN where there is none."""
    steps = rows.cells[k:] - rows.cells[:-k]
    steps[rows.axis.first[k:] != rows.axis.first[:-k]] = np.nan
    return steps


def _mean_squares(values: np.ndarray) -> np.ndarray:
    """Return the mean squares of known values by column, (n_features,); 0 of none."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.nansum(values**2, axis=0) / np.maximum(count, 1)


def _typical_size(values: np.ndarray) -> float:
    """Return the standard deviation of normal values with this median size."""
    known = values[~np.isnan(values)]
    return float(np.median(np.abs(known)) / 0.6745) if len(known) else 0.0


# --- how much of a cell is kept ------------------------------------------------------


@dataclass(frozen=True)
class Keeping:
    """How far a noisy cell is moved to its prediction.

    A cell that the two rows before and after support, lying within their range, is
    moved by `limit` at most: a jump is no error.
    """

    error_variance: float
    share: float  # of the cell, where `window` is 0
    window: int  # rows whose residuals decide the share instead
    limit: float
    residual_variance: float  # of the predictions of held-out rows of `fit`

    def __call__(
        self, series: "Series", axis: TimeAxis
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the denoised cells, and their derivatives by the noisy ones."""
        share = self._shares(series, axis)
        moved = share * series.cells + (1 - share) * series.predicted
        supported = np.clip(series.cells, series.low, series.high)
        is_inside = supported == series.cells
        found = np.clip(moved, supported - self.limit, supported + self.limit)
        return found, np.where(found == moved, share, is_inside)

    def risk(self, series: "Series", axis: TimeAxis) -> float:
        """Return by how much more the mean squared error is than that of the cells.

        Unbiased for independent normal errors (Stein 1981), and a standard error more:
        few rows must show a gain clearly.
        """
        found, derivative = self(series, axis)
        known = ~np.isnan(series.cells)
        risks = (found[known] - series.cells[known]) ** 2
        risks += 2 * self.error_variance * (derivative[known] - 1)
        return float(risks.mean() + risks.std() / np.sqrt(len(risks)))

    def _shares(self, series: "Series", axis: TimeAxis) -> np.ndarray:
        residuals = (series.cells - series.predicted)[:, None]
        typical = _mean_squares(residuals)
        if not self.window:
            return np.full(len(residuals), self._share_of_all(float(typical[0])))
        total = windowed(np.nan_to_num(residuals**2), self.window, axis)
        known = (~np.isnan(residuals)).astype(np.float64)
        count = windowed(known, self.window, axis)
        variance = np.where(count > 0, total / np.maximum(count, 1), typical)[:, 0]
        return 1 - self.error_variance / np.maximum(variance, self.error_variance)

    def _share_of_all(self, residual_variance: float) -> float:
        """Return the share of the cells, more of rows that are predicted worse."""
        if residual_variance <= WORSE * self.residual_variance:
            return self.share
        return max(self.share, 1 - self.error_variance / residual_variance)


@dataclass(frozen=True)
class Series:
    """The cells of a column with errors, NaN where missing, and what is around."""

    cells: np.ndarray  # (n,) as are all
    predicted: np.ndarray
    low: np.ndarray  # range of the two cells before and after
    high: np.ndarray


def choose_keeping(series: Series, axis: TimeAxis, error_variance: float) -> Keeping:
    """Return what has the least estimated risk; all of a cell without errors."""
    residuals = float(np.nanmean((series.cells - series.predicted) ** 2))
    if not error_variance > 0:
        return Keeping(0.0, 1.0, 0, np.inf, residuals)
    scale = np.sqrt(error_variance)
    shares = [(share, 0) for share in KEPT] + [(0.0, window) for window in WINDOWS]
    candidates = [
        Keeping(error_variance, share, window, limit * scale, residuals)
        for limit in reversed(LIMITS)
        for share, window in shares
    ]
    return min(candidates, key=lambda each: each.risk(series, axis))


# --- the model -----------------------------------------------------------------------


@dataclass(frozen=True)
class NoisyColumn:
    """How one numeric feature is denoised."""

    feature: int
    related: np.ndarray  # other features that are read
    own: Regression  # on the cells around of the feature
    joint: Regression  # and those of the related ones
    shares: np.ndarray  # (3,) of the line between the neighbours and both regressions
    keeping: Keeping
    plain: np.ndarray | None = None  # (N_PLAIN,) of averages; None in older files

    def predicted(self, inputs: "Inputs", estimates: list[np.ndarray]) -> np.ndarray:
        """Return the mixed prediction of each cell from those around it, (n,)."""
        found = inputs.candidates(self.feature, estimates)
        if self.plain is None:
            return found[:, :3] @ self.shares
        return found @ np.concatenate([self.shares, self.plain])


@dataclass(frozen=True)
class Inputs:
    """What columns are predicted from."""

    rows: RowsAround
    line: np.ndarray  # (n, n_features)
    own: np.ndarray  # (n_inputs, n, n_features)
    related: np.ndarray  # (n_inputs, n, n_features)

    @classmethod
    def of(cls, rows: RowsAround) -> "Inputs":
        """Compute them for all columns."""
        return cls(rows, rows.line(), rows.own_inputs(), rows.related_inputs())

    def designs(self, feature: int, related: np.ndarray) -> list[np.ndarray]:
        """Return the inputs of both regressions, (n, n_inputs) each."""
        own = self.own[:, :, feature].T
        return [own, np.hstack([own, *self.related[:, :, related]])]

    def candidates(self, feature: int, estimates: list[np.ndarray]) -> np.ndarray:
        """Return the line, both regressions' estimates and averages, (n, n_candidates).

        Regressions stay within three times the range of the cells around.
        """
        own = self.own[:, :, feature]
        low, high = own.min(axis=0), own.max(axis=0)
        width = high - low
        limited = [np.clip(each, low - width, high + width) for each in estimates]
        return np.column_stack([self.line[:, feature], *limited, *own[-N_PLAIN:]])

    def series(self, feature: int, predicted: np.ndarray) -> Series:
        """Return a column beside its prediction."""
        low, high = self.rows.edges()
        cells = self.rows.cells[:, feature]
        return Series(cells, predicted, low[:, feature], high[:, feature])


@dataclass(frozen=True)
class NoisyTimeDenoiser:
    """Denoises encoded rows in time order, learned from rows with such errors."""

    encoder: TableEncoder
    network: Network
    mixture: Mixture  # of categories, and of columns that are not learned
    columns: tuple[NoisyColumn, ...]
    limits: np.ndarray  # (n_features,) of spikes
    ranges: np.ndarray | None = None  # (2, n_features) of jumps; None in older files
    heights: np.ndarray | None = None  # (2, n_features) of pulses; likewise
    at_ends: np.ndarray | None = None  # (n_features,) bool, spikes there; likewise

    @property
    def error_scale(self) -> np.ndarray:
        """Standard deviation of the errors of each input column, (n_columns,).

        In standard deviations of the column; NaN where it is not denoised.
        """
        scale = np.full(self.encoder.n_columns, np.nan)
        for column in self.columns:
            error = np.sqrt(column.keeping.error_variance)
            scale[self.encoder.column_of[column.feature]] = error
        return scale

    def __call__(
        self, Z: np.ndarray, missing: np.ndarray, groups: np.ndarray
    ) -> np.ndarray:
        """Return denoised features of rows in the order of their axis."""
        denoised = np.empty(Z.shape)
        for part in chunks(len(Z)):
            limited = self.encoder.limited(Z[part], ~missing[part])
            rebuilt = self.network.decode(self.network.encode(limited))
            denoised[part] = self.mixture(Z[part], missing[part], rebuilt)
        cells = np.where(missing, np.nan, Z.astype(np.float64))
        axis = time_axis(len(cells), groups)
        limits = SpikeLimits.of(self.limits, self.ranges, self.heights, self.at_ends)
        is_spike, is_pulse = departing(cells, axis, limits)
        kept = np.where(is_spike | is_pulse, np.nan, cells)
        pulses = np.where(is_pulse, cells, np.nan)
        inputs = Inputs.of(RowsAround.of(kept, groups, pulses))
        # also of columns without a model, which are constant but for their spikes
        denoised = np.where(~np.isnan(cells) & np.isnan(kept), inputs.line, denoised)
        for column in self.columns:
            j = column.feature
            own, joint = inputs.designs(j, column.related)
            predicted = column.predicted(inputs, [column.own(own), column.joint(joint)])
            series = inputs.series(j, predicted)
            found, _ = column.keeping(series, axis)
            denoised[:, j] = np.where(np.isnan(found), predicted, found)
        return np.where(is_pulse, cells, denoised)


def fit_noisy_time_denoiser(
    encoder: TableEncoder,
    network: Network,
    mixture: Mixture,
    block: Block,
    groups: np.ndarray,
    stated: np.ndarray | None,
) -> NoisyTimeDenoiser:
    """Learn from encoded rows in time order, with their groups.

    `stated`, (n_features,), are the variances of the errors; None estimates them.
    """
    last = slice(max(0, len(groups) - MAX_ROWS), None)
    rows, limits = usual_rows(block.part(last), groups[last])
    inputs = Inputs.of(rows)
    variances = stated
    if variances is None:
        variances = error_variances(rows, may_jump(limits))
    columns = []
    for j in range(len(encoder.numeric)):
        if encoder.is_constant[encoder.numeric[j]]:
            continue
        related = related_features(mixture.gaussian, len(encoder.numeric), j)
        learned = _learned(inputs, j, related)
        if learned is not None:
            column, series = learned
            variance = float(variances[j])
            if stated is None:
                variance *= _trust(series, variance)
            keeping = choose_keeping(series, inputs.rows.axis, variance)
            columns.append(replace(column, keeping=keeping))
    return NoisyTimeDenoiser(encoder, network, mixture, tuple(columns), *limits)


def usual_rows(block: Block, groups: np.ndarray) -> tuple[RowsAround, SpikeLimits]:
    """Return rows without spikes and pulses, and what distinguishes both."""
    cells = block.values.astype(np.float64)
    if block.observed is not None:
        cells = np.where(block.observed, cells, np.nan)
    axis = time_axis(len(cells), groups)
    limits = spike_limits(cells, axis)
    is_spike, is_pulse = departing(cells, axis, limits)
    kept = np.where(is_spike | is_pulse, np.nan, cells)
    return RowsAround.of(kept, groups, np.where(is_pulse, cells, np.nan)), limits


def _trust(series: Series, error_variance: float) -> float:
    """Return the factor of an estimated error variance.

    What the cells around do not explain can be error or signal: of a column without
    structure nothing is removed, and at most a quarter of any column's variance, or
    what they do not explain.
    """
    total = np.nanvar(series.cells)
    residual = np.nanmean((series.cells - series.predicted) ** 2)
    least, full = EXPLAINED
    largest = min(MAX_ERROR_SHARE * total, residual)
    limit = min(1.0, largest / max(error_variance, 1e-12))
    return limit * float(np.clip((1 - residual / total - least) / (full - least), 0, 1))


def _learned(
    inputs: Inputs, j: int, related: np.ndarray
) -> tuple[NoisyColumn, Series] | None:
    """Return the model of a column, and its predictions on held-out blocks.

    None where too few cells are known.
    """
    known, y = inputs.rows.known[:, j], inputs.rows.cells[:, j]
    if known.sum() < MIN_CELLS or not np.nanvar(y) > 0:
        return None
    designs = inputs.designs(j, related)
    own, joint = (Regression.fit(X[known], y[known]) for X in designs)
    held_out = [_held_out(X, y, known) for X in designs]
    errors = (inputs.candidates(j, held_out) - y[:, None])[known]
    shares = simplex_shares(errors.T @ errors)
    unknown = Keeping(0.0, 1.0, 0, np.inf, np.inf)
    column = NoisyColumn(j, related, own, joint, shares[:3], unknown, shares[3:])
    return column, inputs.series(j, column.predicted(inputs, held_out))


def _held_out(X: np.ndarray, y: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return what a regression predicts of rows that it has not learned from, (n,).

    Of blocks of rows, or of single ones where the other blocks are too small.
    """
    splits = list(_splits(known))
    if splits and min(len(train) for train, _ in splits) >= MIN_BLOCK_CELLS:
        predicted = np.empty(len(y))
        for train, rows in splits:
            predicted[rows] = Regression.fit(X[train], y[train])(X[rows])
        return predicted
    slopes, intercept, errors = ridge(X[known], y[known])
    predicted = X @ slopes + intercept
    predicted[known] = y[known] - errors
    return predicted


def _splits(known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield known rows to learn from, and all rows of the block held out.

    None of few rows.
    """
    n_beside = len(known) * (N_BLOCKS - 1) // N_BLOCKS - 2 * GAP
    if n_beside < MIN_BLOCK_CELLS:
        return
    for train, rows in BlockSplit(N_BLOCKS, gap=GAP).split(known):
        yield train[known[train]], rows
