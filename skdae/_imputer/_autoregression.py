"""A vector autoregression of rows with missing cells: estimates from the rows around.

Each row is a linear function of the rows before it plus a normal residual. Then all
missing cells are jointly normal given the known ones, before and after them, and their
means solve one banded system of equations. The coefficients are learned by stochastic
expectation maximisation: missing cells are drawn, and the regressions learned again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded, lapack

from skdae._ridge import standardised_ridges

# On gas turbine outages the RMSE was 0.31, 0.29 and 0.28 with 1, 2 and 3 lags; about
# equal for single cells, and on five other sets
N_LAGS = 3
N_ROUNDS = 8  # of drawing missing cells and learning
MAX_WORK = (
    40_000_000  # cells of the band in all rounds: wide tables get fewer, 2 at least
)
MAX_ROWS = 5_000  # consecutive ones that coefficients are learned from
PENALTIES = np.logspace(-4, 0, 5)  # over the variance of standardised inputs
MIN_VARIANCE = 1e-6  # of residuals, over that of the feature
MAX_BAND_CELLS = 25_000_000  # of the banded matrix that is solved at a time: 200 MB
N_DRAWS = 24  # that a spread is measured by
MARGIN = 100  # rows around a part that are solved along with it


@dataclass(frozen=True)
class Autoregression:
    """Coefficients of rows in time order, and the precision of their residuals."""

    mean: np.ndarray  # (n_features,)
    filters: np.ndarray  # (1 + N_LAGS, n_features, n_features): row to residual, by lag
    precision: np.ndarray  # inverse covariance of the residuals
    prior: np.ndarray  # inverse covariance of single rows: the first ones of a group

    def fill(
        self,
        cells: np.ndarray,
        start: np.ndarray,
        generator: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Return rows with the means of their missing cells, or with draws.

        `cells`, (n, n_features), are in time order and NaN where missing; `start` is
        the first row of the group of each, (n,).
        """
        filled, missing = cells - self.mean, np.isnan(cells)
        for system in self._systems(filled, missing, start):
            white = None
            if generator is not None:
                white = generator.standard_normal(system.n_cells)
            filled[system.inner] = system.within(system.filled(white))
        return np.where(missing, filled + self.mean, cells)

    def fill_with_spread(
        self, cells: np.ndarray, start: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows filled with means, and the root mean squares of draws around.

        The latter are 0 where cells are known.
        """
        filled, missing = cells - self.mean, np.isnan(cells)
        spread = np.zeros(cells.shape)
        for system in self._systems(filled, missing, start):
            filled[system.inner] = system.within(system.filled())
            spread[system.inner] = system.within(system.spread(generator))
        return np.where(missing, filled + self.mean, cells), spread

    def related(self) -> np.ndarray:
        """Return how much each feature depends on each other one, (n_features, same).

        Summed over the distances of two rows: the size of the precision between a row
        and the rows around, over the root of that of the other feature with itself.
        """
        sizes = [np.abs(np.sum(each, axis=0)) for each in self._products()]
        total = np.sum(sizes, axis=0)
        return (total + total.T) / np.sqrt(np.diag(total))

    def _systems(
        self, centred: np.ndarray, missing: np.ndarray, start: np.ndarray
    ) -> Iterator["_System"]:
        """Yield the equations of the missing cells, part by part."""
        for rows, inner in _parts(missing):
            if missing[inner].any():
                has_past = _has_past(start[rows] - rows.start)
                cells = np.where(missing[rows], 0, centred[rows])
                pull = self._gradient(cells, has_past)[missing[rows]]
                root = self._root(missing[rows], has_past)
                yield _System(rows, inner, cells, missing[rows], root, pull)

    def _products(self) -> list[list[np.ndarray]]:
        """Return the parts of the precision of two rows, by their distance.

        One part for each later row that depends on both, itself first.
        """
        weighted = self.precision @ self.filters
        n = len(self.filters)
        return [
            [self.filters[lag + d].T @ weighted[lag] for lag in range(n - d)]
            for d in range(n)
        ]

    def _root(self, missing: np.ndarray, has_past: np.ndarray) -> np.ndarray:
        """Return the Cholesky factor of the precision of the missing cells."""
        return cholesky_banded(self._band(missing, has_past), lower=True)

    def _gradient(self, cells: np.ndarray, has_past: np.ndarray) -> np.ndarray:
        """Return the precision of the rows times the rows, (n, n_features)."""
        residual = cells.copy()
        for lag in range(1, len(self.filters)):
            residual[lag:] += cells[:-lag] @ self.filters[lag].T
        weighted = np.where(has_past[:, None], residual @ self.precision, 0)
        total = np.where(has_past[:, None], 0, cells @ self.prior) + weighted
        for lag in range(1, len(self.filters)):
            total[:-lag] += weighted[lag:] @ self.filters[lag]
        return total

    def _band(self, missing: np.ndarray, has_past: np.ndarray) -> np.ndarray:
        """Return the precision of the missing cells as a lower band, row by row."""
        n_rows, n_lags = len(missing), len(self.filters) - 1
        ahead = np.append(has_past, np.zeros(n_lags, dtype=bool))
        windows = np.lib.stride_tricks.sliding_window_view(ahead, n_lags + 1)
        lacks = np.logical_not(windows)
        row, feature = np.nonzero(missing)
        count = missing.sum(axis=1)
        first = np.concatenate([[0], count.cumsum()])  # missing cell of each row
        band = np.zeros((_bandwidth(count), len(row)))
        for distance, products in enumerate(self._products()):
            one = np.flatnonzero(row + distance < n_rows)
            n_others = count[row[one] + distance]
            one = np.repeat(one, n_others)
            other = first[row[one] + distance] + _counted(n_others)
            if distance == 0:
                one, other = (each[other >= one] for each in (one, other))
            value = np.sum(products, axis=0)[feature[one], feature[other]]
            # less what later rows without a full past do not depend on
            edge = np.flatnonzero(lacks.any(axis=1)[row[other]])
            for lag, product in enumerate(products):
                k = edge[lacks[row[other[edge]], lag]]
                value[k] -= product[feature[one[k]], feature[other[k]]]
            if distance == 0:
                value += ~has_past[row[one]] * self.prior[feature[one], feature[other]]
            band[other - one, one] = value
        band[0] += MIN_VARIANCE
        return band


def fit_autoregression(
    cells: np.ndarray,
    start: np.ndarray,
    filled: np.ndarray,
    generator: np.random.Generator,
    n_rounds: int = N_ROUNDS,
) -> Autoregression:
    """Learn from rows in time order, (n, n_features).

    `cells` are NaN where missing, `filled` have a first estimate there, and `start` is
    the first row of the group of each.
    """
    begin = int(generator.integers(max(0, len(cells) - MAX_ROWS) + 1))
    part = slice(begin, begin + MAX_ROWS)
    cells, filled = cells[part], filled[part]
    start = np.maximum(start[part] - begin, 0)
    model = _regressed(filled, start)
    count = np.isnan(cells).sum(axis=1)
    affordable = MAX_WORK // max(1, int(count.sum()) * _bandwidth(count))
    for _ in range(min(n_rounds, max(affordable, 2)) if count.any() else 0):
        model = _regressed(model.fill(cells, start, generator), start)
    return model


def _regressed(rows: np.ndarray, start: np.ndarray) -> Autoregression:
    """Learn from complete rows, (n, n_features)."""
    n_features = rows.shape[1]
    mean = rows.mean(axis=0)
    centred = rows - mean
    variance = np.maximum((centred**2).mean(axis=0), MIN_VARIANCE)
    target = np.flatnonzero(np.arange(len(rows)) - start >= N_LAGS)
    scale = np.tile(np.sqrt(variance), N_LAGS)
    past = np.hstack([centred[target - lag] for lag in range(1, N_LAGS + 1)]) / scale
    slopes, errors = standardised_ridges(past, centred[target], PENALTIES)
    blocks = (slopes.T / scale).reshape(n_features, N_LAGS, n_features)
    filters = np.concatenate([np.eye(n_features)[None], -blocks.swapaxes(0, 1)])
    floor = np.diag(MIN_VARIANCE * variance)
    covariance = errors.T @ errors / max(len(target), 1) + floor
    marginal = centred.T @ centred / len(rows) + np.diag(1e-3 * variance)
    return Autoregression(
        mean, filters, np.linalg.inv(covariance), np.linalg.inv(marginal)
    )


# --- the banded system ---------------------------------------------------------------


@dataclass(frozen=True)
class _System:
    """The equations of the missing cells in consecutive rows.

    The rows have the precision ``F' P F``, F the filters of all rows with a full past
    and P the precision of residuals, plus the prior of the other rows.
    """

    rows: slice  # that are solved for
    inner: slice  # those of them whose solution is taken
    cells: np.ndarray  # centred, 0 where missing
    missing: np.ndarray
    root: np.ndarray  # Cholesky factor of the precision of the missing cells
    pull: np.ndarray  # the precision of missing and known cells times the latter

    @property
    def n_cells(self) -> int:
        """Number of missing cells."""
        return len(self.pull)

    def filled(self, white: np.ndarray | None = None) -> np.ndarray:
        """Return the rows with the means of missing cells, or a draw by white noise."""
        solution = cho_solve_banded((self.root, True), -self.pull)
        if white is not None:
            solution += _solve_transposed(self.root, white)
        return self._in_rows(solution, self.cells)

    def spread(self, generator: np.random.Generator) -> np.ndarray:
        """Return the root mean squares of draws around the means, 0 where known."""
        white = generator.standard_normal((self.n_cells, N_DRAWS))
        squares = _solve_transposed(self.root, white) ** 2
        return self._in_rows(np.sqrt(squares.mean(axis=1)), np.zeros(self.cells.shape))

    def within(self, values: np.ndarray) -> np.ndarray:
        """Return those of the inner rows."""
        begin = self.rows.start
        return values[self.inner.start - begin : self.inner.stop - begin]

    def _in_rows(self, solution: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the values with the solution in missing cells."""
        values = values.copy()
        values[self.missing] = solution
        return values


def _parts(missing: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yield rows to solve at a time, and those of them whose solution is taken."""
    count = missing.sum(axis=1)
    n_cells = int(count.sum()) * _bandwidth(count)
    size = -(-len(missing) // (1 + n_cells // MAX_BAND_CELLS))
    for begin in range(0, len(missing), max(size, MARGIN)):
        end = min(begin + max(size, MARGIN), len(missing))
        rows = slice(max(begin - MARGIN, 0), min(end + MARGIN, len(missing)))
        yield rows, slice(begin, end)


def _has_past(start: np.ndarray) -> np.ndarray:
    """Return which rows have enough rows of their group before them."""
    return np.arange(len(start)) - np.maximum(start, 0) >= N_LAGS


def _bandwidth(count: np.ndarray) -> int:
    """Return the most missing cells in consecutive rows that depend on each other."""
    total = np.concatenate([[0], count.cumsum()])
    ends = np.minimum(np.arange(len(count)) + N_LAGS + 1, len(count))
    return max(1, int((total[ends] - total[:-1]).max(initial=0)))


def _counted(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, ... for each of the counts, one after the other."""
    return np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)


def _solve_transposed(root: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Solve with the transpose of a lower band.

    Applied to white noise it draws with the inverse of the factored matrix as
    covariance.
    """
    solution, _ = lapack.dtbtrs(root, white, uplo="L", trans="T")
    return solution
