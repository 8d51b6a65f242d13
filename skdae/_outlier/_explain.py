"""Which sensors make a row anomalous, and what was expected of them.

A cell is compared with its expectation given the others, under a normal distribution of
the encoded rows. A sensor contributes as much as the squared Mahalanobis distance of
the row falls when its cell counts as missing. In contrast to residuals and to parts of
a score, a fault of one sensor is not smeared over related sensors: without noise its
own contribution is the largest, whatever the covariance.

The networks of the detector take no part: on five sets of sensors the linear
expectation had the smaller error for most hidden cells, by a factor of up to 13.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._gaussian import Gaussian, fit_gaussian
from skdae._outlier._folds import Batch
from skdae._table.encoder import TableEncoder

MAX_ROWS = 10_000  # that the distribution is learned from; more are thinned evenly
N_LEADERS = 8  # sensors, one of which is in each pair; trying all finds no more
MIN_GAIN = 4.0  # of distance by another sensor: 95 % of a chi-square variable is 3.84
MAX_OVERLAP = 1 - 1e-6  # squared cosine; above, two sensors measure the same
BROKEN = 3.0  # standard deviations from which a relation of two sensors is broken
LARGE = 0.5  # share of the largest distance of a sensor in the rows of a window
BLOCK_CELLS = 4_000_000  # of the matrices of rows at a time
TINY = 1e-12


@dataclass(frozen=True)
class Deviations:
    """How rows deviate from what is expected of each cell given the others.

    Attributes
    ----------
    distances : ndarray of shape (n, n_columns)
        The squared distance of each row by column: its contributions add up to it.
    shifts : ndarray of shape (n, n_features)
        Encoded cells minus their expectations.
    sizes : ndarray of shape (n, n_columns)
        The same in standard deviations of the expectation; of categories its size.
    """

    distances: np.ndarray
    shifts: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Explainer:
    """The distribution of normal rows that cells are compared by."""

    encoder: TableEncoder
    gaussian: Gaussian

    @classmethod
    def learn(cls, encoder: TableEncoder, raw: np.ndarray) -> "Explainer":
        """Learn the distribution of normal rows, (n_rows, n_columns)."""
        n_rows = min(len(raw), MAX_ROWS)
        rows = np.linspace(0, len(raw) - 1, n_rows).astype(int)
        Z, missing = _encoded(encoder, raw[rows])
        return cls(encoder, fit_gaussian(Z, missing))

    def shares(self, batch: Batch, distances: np.ndarray) -> np.ndarray:
        """Return what each column adds to the distance, as a share, (n, n_columns).

        `distances`, (n_raw, n_columns), are those of all rows of the batch, summed over
        the lags of each row. Missing cells add nothing; in a row without any value all
        columns have the same share.
        """
        of_windows = distances[batch.window].sum(axis=1)
        seen = self.encoder.observed_cells(batch.raw)[batch.window].any(axis=1)
        seen[~seen.any(axis=1)] = True
        of_windows = of_windows + TINY * seen
        return of_windows / of_windows.sum(axis=1, keepdims=True)

    def deviations(self, raw: np.ndarray) -> Deviations:
        """Return how rows, (n, n_columns), deviate from their expectations."""
        Z, missing = _encoded(self.encoder, raw)
        centred = np.where(missing, 0, Z - self.gaussian.mean)
        n_rows, n_columns = len(raw), self.encoder.n_columns
        found = Deviations(
            np.empty((n_rows, n_columns)),
            np.empty(centred.shape),
            np.empty((n_rows, n_columns)),
        )
        for rows, precision in self._precisions(missing):
            part = self._compare(centred[rows], precision)
            found.distances[rows] = part.distances
            found.shifts[rows] = part.shifts
            found.sizes[rows] = part.sizes
        return found

    def _precisions(
        self, missing: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows, (n,), and the inverse covariance of their observed cells.

        It is one matrix for complete rows, else one for each row.
        """
        width = missing.shape[1]
        has_gaps = missing.any(axis=1)
        complete, incomplete = np.flatnonzero(~has_gaps), np.flatnonzero(has_gaps)
        step = max(1, BLOCK_CELLS // (width * N_LEADERS))
        for a in range(0, len(complete), step):
            yield complete[a : a + step], self.gaussian.precision
        step = max(1, BLOCK_CELLS // width**2)
        for a in range(0, len(incomplete), step):
            rows = incomplete[a : a + step]
            yield rows, self.gaussian.marginal_precisions(missing[rows])

    def _compare(self, centred: np.ndarray, precision: np.ndarray) -> Deviations:
        """Compare rows, (n, n_features) and 0 where a cell is missing.

        With d the row, P the precision and s_j the shift of column j that fits the
        others best, ``s_j @ P @ d = s_j @ P @ s_j`` is what the distance falls by when
        the column counts as missing.
        """
        gradient = (centred[:, None] @ precision)[:, 0]  # P @ d
        shifts = self._shifts(gradient, precision)
        alone = self._by_column(shifts * gradient)
        leaders = np.argsort(-alone, axis=1, kind="stable")[:, :N_LEADERS]
        shared = self._shared(shifts, leaders, precision)
        suspects = Suspects.find(alone, leaders, shared)
        last = self._shared(shifts, suspects.second[:, None], precision)[:, 0]
        others = suspects.others(alone, last)
        distances = suspects.distances(others, (gradient * centred).sum(axis=1))
        factors = others.factors[:, self.encoder.column_of]
        return Deviations(distances, factors * shifts, self._sizes(others, shifts))

    def _shifts(self, gradient: np.ndarray, precision: np.ndarray) -> np.ndarray:
        """Return the shift of each column by itself, (n, n_features)."""
        diagonal = np.diagonal(precision, axis1=-2, axis2=-1)
        shifts = gradient / np.where(diagonal > 0, diagonal, 1)
        for group in self.encoder.groups:
            block = precision[..., group, group]
            gaps = np.where(diagonal[..., group] > 0, 0, 1)
            block = block + gaps[..., None] * np.eye(group.stop - group.start)
            solution = np.linalg.solve(block, gradient[:, group, None])
            shifts[:, group] = solution[:, :, 0]
        return shifts

    def _shared(
        self, shifts: np.ndarray, columns: np.ndarray, precision: np.ndarray
    ) -> np.ndarray:
        """Return ``s_j @ P @ s_k`` of some columns j and all k, (n, n_j, n_columns)."""
        own = self.encoder.column_of == columns[:, :, None]
        return self._by_column(((own * shifts[:, None]) @ precision) * shifts[:, None])

    def _by_column(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of features over the columns of the table."""
        if not len(self.encoder.categorical):
            return values
        return values @ (
            self.encoder.column_of[:, None] == np.arange(self.encoder.n_columns)
        )

    def _sizes(self, others: "Others", shifts: np.ndarray) -> np.ndarray:
        """Return deviations in standard deviations, signed where there is a sign."""
        sizes = np.sqrt(others.gains)
        numeric = self.encoder.numeric
        sign = np.sign(others.factors[:, numeric] * shifts[:, : len(numeric)])
        sizes[:, numeric] *= sign
        return sizes

    def expected(self, raw: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Return what was expected of the cells, (n, n_columns), in their units."""
        Z, _ = _encoded(self.encoder, raw)
        return self.encoder.decode(Z - shifts)

    def cells(self, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return values of columns, (n,), with the categories that codes stand for."""
        schema = self.encoder.schema
        if not schema.is_categorical.any():
            return values
        cells = values.astype(object)
        places = np.flatnonzero(schema.is_categorical)
        for place, categories in zip(places, schema.categories, strict=True):
            own = columns == place
            cells[own] = categories[values[own].astype(np.intp)]
        return cells

    def broken_relations(self, raw: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the column whose relation with a given one broke most, (n,), or -1.

        A relation of two numeric columns is broken if each deviates from its
        expectation given the other one. The smaller of both deviations counts, so that
        a value that is extreme in itself does not break relations with columns that
        hardly depend on it.
        """
        numeric = self.encoder.numeric
        if not len(numeric):
            return np.full(len(raw), -1)
        Z, missing = _encoded(self.encoder, raw)
        covariance = np.linalg.inv(self.gaussian.precision)
        spread = np.sqrt(np.diag(covariance))
        among = slice(0, len(numeric))
        z = ((Z - self.gaussian.mean) / spread)[:, among]
        place = np.searchsorted(numeric, columns).clip(max=len(numeric) - 1)
        own = np.take_along_axis(z, place[:, None], axis=1)
        correlation = (covariance / np.outer(spread, spread))[among, among][place]
        squares = np.minimum((own - correlation * z) ** 2, (z - correlation * own) ** 2)
        strain = squares / np.maximum(1 - correlation**2, 1 - MAX_OVERLAP)
        strain[missing[:, among]] = 0
        strain[np.arange(len(z)), place] = 0
        strain[numeric[place] != columns] = 0  # of a category
        worst = strain.argmax(axis=1)
        return np.where(strain.max(axis=1) > BROKEN**2, numeric[worst], -1)


def _encoded(encoder: TableEncoder, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows as float64, and which features are missing."""
    return encoder.encode_with_missing(raw.astype(np.float64))


# --- one or two sensors that explain a row -------------------------------------------


@dataclass(frozen=True)
class Others:
    """How much the columns deviate when the suspects count as missing."""

    factors: np.ndarray  # (n, n_columns) of the shift of each column by itself
    gains: np.ndarray  # (n, n_columns) that the distance falls by with one more column


@dataclass(frozen=True)
class Suspects:
    """The column, or the two columns, whose absence lowers the distance most."""

    first: np.ndarray  # (n,)
    second: np.ndarray  # (n,)
    has_second: np.ndarray  # (n,) whether the second one lowers it further
    fall: np.ndarray  # (n,) of the distance without both, or without the first
    alone: np.ndarray  # (n, 2) without either, alone
    between: np.ndarray  # (n,) s_j @ P @ s_k of both
    row_of_first: np.ndarray  # (n, n_columns) s_j @ P @ s_k of the first and all others
    mask_each_other: np.ndarray  # (n,) whether neither explains the row by itself

    @classmethod
    def find(
        cls, alone: np.ndarray, leaders: np.ndarray, shared: np.ndarray
    ) -> "Suspects":
        """Compare pairs of a leader and any column.

        The second of a pair is the column that lowers the distance most after the
        first, unless another pair lowers it further by more than chance: two faults can
        mask each other.
        """
        rows, every = np.arange(len(alone)), np.arange(leaders.shape[1])
        own = np.take_along_axis(alone, leaders, axis=1)[:, :, None]
        product = own * alone[:, None]
        overlap = shared**2 / np.where(product > TINY, product, 1)
        overlap[product <= TINY] = 1
        overlap[rows[:, None], every, leaders] = 1
        is_distinct = overlap < MAX_OVERLAP
        falls = (own + alone[:, None] - 2 * shared) / np.where(
            is_distinct, 1 - overlap, 1
        )
        falls = np.where(is_distinct, falls, 0)  # (n, n_leaders, n_columns)
        greedy = falls[:, 0].argmax(axis=1)
        leader, best = np.divmod(
            falls.reshape(len(rows), -1).argmax(axis=1), alone.shape[1]
        )
        gain = falls[rows, leader, best] - falls[rows, 0, greedy]
        is_masked = gain > MIN_GAIN
        leader = np.where(is_masked, leader, 0)
        second = np.where(is_masked, best, greedy)
        first = leaders[rows, leader]
        alone_both = np.column_stack([alone[rows, first], alone[rows, second]])
        fall = falls[rows, leader, second]
        has_second = fall - alone_both[:, 0] > MIN_GAIN
        return cls(
            first,
            second,
            has_second,
            np.where(has_second, fall, alone_both[:, 0]),
            alone_both,
            shared[rows, leader, second],
            shared[rows, leader],
            is_masked & has_second,
        )

    def others(self, alone: np.ndarray, row_of_second: np.ndarray) -> Others:
        """Compare all columns without the suspects; each of these without the other."""
        rows, has = np.arange(len(alone)), self.has_second
        a, b = self.alone[:, 0], np.where(has, self.alone[:, 1], 1)
        m = np.where(has, self.between, 0)
        row_a, row_b = self.row_of_first, row_of_second * has[:, None]
        determinant = np.maximum(a * b - m**2, TINY)
        factor_a, factor_b = b * (a - m) / determinant, a * (b - m) / determinant
        rest = alone - factor_a[:, None] * row_a - factor_b[:, None] * row_b
        explained = b[:, None] * row_a**2 - 2 * m[:, None] * row_a * row_b
        explained += a[:, None] * row_b**2
        size = alone - explained / determinant[:, None]
        is_distinct = size > (1 - MAX_OVERLAP) * alone
        factors = np.where(is_distinct, rest / np.where(is_distinct, size, 1), 0)
        gains = np.where(is_distinct, factors * rest, 0)
        factors[rows, self.first] = factor_a
        gains[rows, self.first] = np.where(has, self.fall - self.alone[:, 1], a)
        second, pair = self.second[has], rows[has]
        factors[pair, second] = factor_b[has]
        gains[pair, second] = (self.fall - self.alone[:, 0])[has]
        return Others(factors, np.maximum(gains, 0))

    def distances(self, others: Others, total: np.ndarray) -> np.ndarray:
        """Return the squared distances of rows, (n,), by column.

        The first suspect gets the fall of the distance without it, the second the
        further fall without both. Of two that mask each other, each gets the mean of
        its fall as the first and as the second. The others share the rest.
        """
        rows, has = np.arange(len(total)), self.has_second
        alone, second = self.alone[:, 0], self.fall - self.alone[:, 0]
        by_turns = (self.fall + self.alone[:, 0] - self.alone[:, 1]) / 2
        alone = np.where(self.mask_each_other, by_turns, alone)
        second = np.where(self.mask_each_other, self.fall - by_turns, second)
        parts = others.gains.copy()
        parts[rows, self.first] = 0
        parts[rows[has], self.second[has]] = 0
        sums = parts.sum(axis=1)
        rest = np.maximum(total - self.fall, 0)
        parts *= (rest / np.where(sums > 0, sums, 1))[:, None]
        parts[rows, self.first] = alone
        parts[rows[has], self.second[has]] = second[has]
        return parts


# --- explanations as a table ---------------------------------------------------------


def row_numbers(rows: Any, n_rows: int) -> np.ndarray:
    """Return the rows that numbers or a mask stand for, all of them for None."""
    if rows is None:
        return np.arange(n_rows)
    asked = np.asarray(rows)
    if asked.dtype == bool and asked.shape == (n_rows,):
        return np.flatnonzero(asked)
    is_number = asked.ndim == 1 and (asked.dtype.kind in "iu" or asked.size == 0)
    if not is_number or ((asked < 0) | (asked >= n_rows)).any():
        raise ValueError(
            f"rows={rows!r} must hold numbers from 0 to {n_rows - 1}, or one truth "
            f"value for each of the {n_rows} rows of X; pass predict(X) == -1."
        )
    return asked.astype(np.intp)


def explanation(
    explainer: Explainer, batch: Batch, scores: np.ndarray, n_sensors: int
) -> dict[str, np.ndarray]:
    """Return the columns of the table of explanations, sensors by their number.

    At most `n_sensors` lines per row, none for a sensor that contributes nothing. Of a
    row that is scored with those before it, a sensor's line is about the latest row in
    which it deviates about as much as in any.
    """
    found = explainer.deviations(batch.raw)
    shares = explainer.shares(batch, found.distances)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :n_sensors]
    by_lag = found.distances[batch.window[:, None], order[:, :, None]]
    row, rank = np.nonzero(by_lag.sum(axis=2) > TINY)
    column = order[row, rank]
    by_lag = by_lag[row, rank]  # (n_lines, 1 + lags)
    is_large = by_lag >= LARGE * by_lag.max(axis=1, keepdims=True)
    lag = is_large.argmax(axis=1)
    place = batch.window[row, lag]
    raw, lines = batch.raw[place], np.arange(len(row))
    expected = explainer.expected(raw, found.shifts[place])
    return {
        "row": row,
        "rank": rank + 1,
        "sensor": column,
        "contribution": shares[row, column] * scores[row],
        "share": shares[row, column],
        "lag": lag,
        "measured": explainer.cells(raw[lines, column], column),
        "expected": explainer.cells(expected[lines, column], column),
        "deviation": found.sizes[place, column],
        "broken_with": explainer.broken_relations(raw, column),
    }
