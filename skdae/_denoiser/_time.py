"""Denoising of rows in time order: from the noisy rows around a cell.

Candidates for a cell are what the network rebuilds from its row, the linear estimate
from the other cells of the row, the cell itself (where it is missing, the line between
its neighbours), and two ridge regressions on the rows around: on those of the own
column, and on those of related columns as well. Their shares have the least error on
held-out rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skdae._core.network import Network, chunks
from skdae._core.sources import Block
from skdae._denoiser._regression import Regression, related_features
from skdae._denoiser._spikes import SpikeLimits, departing, spike_limits
from skdae._simplex import simplex_shares
from skdae._table.encoder import TableEncoder
from skdae._transformer._mixture import (
    Corruptions,
    Mixture,
    draw_corruptions,
    with_hidden_cells,
)
from skdae.noise import Noise
from skdae.timeseries import moving_average, moving_median
from skdae.timeseries._neighbours import (
    TimeAxis,
    find_neighbours,
    interpolated,
    time_axis,
)

# The windows of a trial on eight ordered sets, whose test rows decided nothing here.
MAX_LAG = 3  # rows before and after that are read one by one
AVERAGE_WIDTHS = (3, 5, 9, 17, 33)
MEDIAN_WIDTHS = (5, 9)
RELATED_WIDTHS = (5, 17)  # of the averages of related columns
N_COPIES = 2  # of the training rows, with other errors
MAX_ROWS = 8_000  # consecutive ones that regressions learn from
MAX_SCORED = 4_000  # consecutive held-out rows
MIN_CELLS = 30  # known ones of a column, below which its rows are denoised one by one
N_CANDIDATES = 5  # network, linear estimate, the cell, and two regressions


@dataclass(frozen=True)
class NoisyRows:
    """Encoded rows with errors, group by group in time order."""

    shown: np.ndarray  # (n, n_features), 0 where missing
    missing: np.ndarray  # (n, n_features) bool
    filled: np.ndarray  # (n, n_features) missing cells on the line between neighbours
    axis: TimeAxis

    @classmethod
    def of(
        cls, shown: np.ndarray, missing: np.ndarray, groups: np.ndarray
    ) -> "NoisyRows":
        """Take rows in the order of the axis, with the groups in their order."""
        axis = time_axis(len(shown), groups)
        cells = np.where(missing, np.nan, shown.astype(np.float64))
        line = interpolated(cells, axis, find_neighbours(~missing, axis))
        filled = np.where(missing, np.nan_to_num(line), cells)
        return cls(shown, missing, filled, axis)

    def around(self, feature: int) -> np.ndarray:
        """Return the inputs of a regression from the rows around, (n, n_inputs)."""
        values, groups = self.filled[:, [feature]], self.axis.first
        place = np.arange(len(values))
        lags = [
            values[np.clip(place + k, self.axis.first, self.axis.last)]
            for k in range(-MAX_LAG, MAX_LAG + 1)
        ]
        averages = [moving_average(values, width, groups) for width in AVERAGE_WIDTHS]
        medians = [moving_median(values, width, groups) for width in MEDIAN_WIDTHS]
        return np.hstack([*lags, *averages, *medians])

    def averages(self) -> list[np.ndarray]:
        """Return all features and their averages, each (n, n_features)."""
        groups = self.axis.first
        smooth = [
            moving_average(self.filled, width, groups) for width in RELATED_WIDTHS
        ]
        return [self.filled, *smooth]


@dataclass(frozen=True)
class TimeColumn:
    """How one numeric feature is denoised."""

    feature: int
    related: np.ndarray  # other features that are read
    own: Regression  # on the rows around of the feature
    joint: Regression  # and of the related ones
    hidden: np.ndarray  # (N_CANDIDATES,) shares in missing cells
    visible: np.ndarray  # (N_CANDIDATES,) in observed ones

    def estimates(
        self, rows: NoisyRows, averages: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both regressions' estimates, (n,) each, within the values around."""
        own = rows.around(self.feature)
        joint = [own, *(each[:, self.related] for each in averages)]
        limits = own.min(axis=1), own.max(axis=1)
        return (
            np.clip(self.own(own), *limits),
            np.clip(self.joint(np.hstack(joint)), *limits),
        )


@dataclass(frozen=True)
class TimeDenoiser:
    """Denoises encoded rows in time order."""

    encoder: TableEncoder
    network: Network
    mixture: Mixture  # of single rows: categories, and two of the candidates
    columns: tuple[TimeColumn, ...]
    limits: np.ndarray | None = None  # (n_features,) of spikes; None in older files
    ranges: np.ndarray | None = None  # (2, n_features) of jumps; None in older files
    heights: np.ndarray | None = None  # (2, n_features) of pulses; likewise
    at_ends: np.ndarray | None = None  # (n_features,) bool, spikes there; likewise

    def __call__(
        self, Z: np.ndarray, missing: np.ndarray, groups: np.ndarray
    ) -> np.ndarray:
        """Return denoised features of rows in the order of their axis."""
        cells, is_pulse = Z, np.zeros(Z.shape, dtype=bool)
        if self.limits is not None:
            limits = SpikeLimits.of(
                self.limits, self.ranges, self.heights, self.at_ends
            )
            missing, is_pulse = _departing(Z, missing, groups, limits)
            Z = np.where(missing, 0, Z)
        rows = NoisyRows.of(Z, missing, groups)
        by_row = self.by_row(Z, missing)
        denoised = np.empty(Z.shape)
        for part in chunks(len(Z)):
            rebuilt = by_row[0][part]
            denoised[part] = self.mixture(Z[part], missing[part], rebuilt)
        averages = rows.averages()
        for column in self.columns:
            j = column.feature
            candidates = self.candidates(column, rows, averages, by_row)
            shares = np.where(missing[:, [j]], column.hidden, column.visible)
            denoised[:, j] = (shares * candidates).sum(axis=1)
        return np.where(is_pulse, cells, denoised)

    def by_row(self, Z: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the estimates from single rows, (2, n, n_features).

        Those of the network, and the linear ones.
        """
        estimates = np.empty((2, *Z.shape))
        for part in chunks(len(Z)):
            inputs = self.encoder.limited(Z[part], ~missing[part])
            estimates[0, part] = self.network.decode(self.network.encode(inputs))
            estimates[1, part] = self.mixture.linear(Z[part], missing[part])
        return estimates

    def candidates(
        self,
        column: TimeColumn,
        rows: NoisyRows,
        averages: Sequence[np.ndarray],
        by_row: np.ndarray,
    ) -> np.ndarray:
        """Return the candidates for one feature, (n, N_CANDIDATES)."""
        j = column.feature
        regressed = column.estimates(rows, averages)
        return np.column_stack([*by_row[:, :, j], rows.filled[:, j], *regressed])


# --- fitting -------------------------------------------------------------------------


def fit_time_denoiser(
    encoder: TableEncoder,
    network: Network,
    mixture: Mixture,
    noise: Noise,
    train: tuple[Block, np.ndarray],
    held_out: tuple[Block, np.ndarray],
    generator: np.random.Generator,
) -> TimeDenoiser:
    """Learn regressions from training rows, and shares on held-out ones.

    Both are encoded rows in time order, with their groups; the network and the mixture
    have learned from the training rows.
    """
    rows, groups = _first(train, MAX_ROWS)
    copies = [
        Corruptions.draw(rows, encoder, noise, generator) for _ in range(N_COPIES)
    ]
    limits = _spike_limits(copies, groups)
    copies = _without_spikes(copies, groups, limits)
    columns = _regressions(encoder, mixture, copies, groups)
    denoiser = TimeDenoiser(encoder, network, mixture, columns, *limits)
    rows, groups = _first(held_out, MAX_SCORED)
    drawn = draw_corruptions(rows, encoder, noise, generator)
    drawn = _without_spikes(drawn, groups, limits)
    masked = with_hidden_cells(drawn, encoder, generator)
    visible = _products(denoiser, drawn, [each.visible for each in drawn], groups)
    hidden = _products(denoiser, masked, [each.hidden for each in masked], groups)
    shared = (
        replace(column, hidden=simplex_shares(h), visible=simplex_shares(v))
        for column, h, v in zip(columns, hidden, visible, strict=True)
    )
    return replace(denoiser, columns=tuple(shared))


def _spike_limits(copies: list[Corruptions], groups: np.ndarray) -> SpikeLimits:
    """Return what distinguishes spikes, the most cautious of all copies."""
    axis = time_axis(len(groups), groups)
    found = [spike_limits(_cells(each.shown, each.missing), axis) for each in copies]
    stacked = [np.stack(each) for each in zip(*found, strict=True)]
    distances, ranges, heights, at_ends = stacked
    agreed = np.logical_and.reduce(at_ends)
    return SpikeLimits(distances.max(axis=0), _widest(ranges), _widest(heights), agreed)


def _widest(ranges: np.ndarray) -> np.ndarray:
    """Return the range from the least to the largest end, (2, n_features)."""
    return np.stack([ranges[:, 0].min(axis=0), ranges[:, 1].max(axis=0)])


def _without_spikes(
    copies: list[Corruptions], groups: np.ndarray, limits: SpikeLimits
) -> list[Corruptions]:
    """Return corrupted rows whose spikes are missing, as they are in later rows."""
    found = []
    for each in copies:
        missing, _ = _departing(each.shown, each.missing, groups, limits)
        shown = np.where(missing, 0, each.shown)
        found.append(replace(each, shown=shown, missing=missing))
    return found


def _departing(
    shown: np.ndarray,
    missing: np.ndarray,
    groups: np.ndarray,
    limits: SpikeLimits,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells are missing, spikes or pulses, and which are pulses."""
    cells = _cells(shown, missing)
    axis = time_axis(len(cells), groups)
    is_spike, is_pulse = departing(cells, axis, limits)
    return missing | is_spike | is_pulse, is_pulse


def _cells(shown: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return cells as they are shown, NaN where missing."""
    return np.where(missing, np.nan, shown.astype(np.float64))


def _first(rows: tuple[Block, np.ndarray], n_max: int) -> tuple[Block, np.ndarray]:
    """Return at most so many consecutive rows, the last ones, and their groups."""
    block, groups = rows
    last = slice(max(0, len(groups) - n_max), None)
    return block.part(last), groups[last]


def _regressions(
    encoder: TableEncoder,
    mixture: Mixture,
    copies: list[Corruptions],
    groups: np.ndarray,
) -> tuple[TimeColumn, ...]:
    """Learn the clean cells of each numeric column from the errors around them."""
    ordered = [NoisyRows.of(each.shown, each.missing, groups) for each in copies]
    averages = [rows.averages() for rows in ordered]
    numeric = np.arange(len(encoder.numeric))
    unknown = np.zeros(N_CANDIDATES)  # the shares, which held-out rows decide
    learned = []
    for j in numeric[~encoder.is_constant[encoder.numeric]]:
        known = np.concatenate([each.observed[:, j] for each in copies])
        if known.sum() < MIN_CELLS:
            continue
        others = related_features(mixture.gaussian, len(numeric), j)
        own = np.vstack([rows.around(j) for rows in ordered])
        smooth = [np.hstack([each[:, others] for each in part]) for part in averages]
        joint = np.hstack([own, np.vstack(smooth)])
        truth = np.concatenate([each.truth[:, j] for each in copies])[known]
        truth = truth.astype(np.float64)
        by_own, by_joint = (Regression.fit(X[known], truth) for X in (own, joint))
        learned.append(TimeColumn(int(j), others, by_own, by_joint, unknown, unknown))
    return tuple(learned)


def _products(
    denoiser: TimeDenoiser,
    copies: Sequence[Corruptions],
    cells: Sequence[np.ndarray],
    groups: np.ndarray,
) -> np.ndarray:
    """Return the products of the candidates' errors by column.

    Summed over some cells of each copy, (n_columns, N_CANDIDATES, N_CANDIDATES).
    """
    products = np.zeros((len(denoiser.columns), N_CANDIDATES, N_CANDIDATES))
    for each, scored in zip(copies, cells, strict=True):
        rows = NoisyRows.of(each.shown, each.missing, groups)
        averages = rows.averages()
        by_row = denoiser.by_row(each.shown, each.missing)
        for k, column in enumerate(denoiser.columns):
            j = column.feature
            found = denoiser.candidates(column, rows, averages, by_row)
            errors = (found - each.truth[:, [j]])[scored[:, j]]
            products[k] += errors.T @ errors
    return products
