"""What each column adds to the anomaly score of a row, as a graph."""

from dataclasses import dataclass, replace

import numpy as np

from skdae._outlier._explain import MAX_OVERLAP, MIN_GAIN, N_LEADERS, TINY, Explainer
from skdae.export._detector import Window
from skdae.export._graph import Tensor
from skdae.export._numeric import marginal_precisions, solved
from skdae.export._table import Reader, Rows


def shares(explainer: Explainer, rows: Rows, window: Window) -> Tensor:
    """Return `Explainer.shares`, (n, n_columns) float64."""
    observed = Reader(explainer.encoder, rows).observed().cast(np.float64)
    seen = _summed(observed, window) > 0.5
    is_empty = seen.cast(np.float64).sum() < 0.5
    counts = (seen | is_empty).cast(np.float64)
    of_windows = _summed(_distances(explainer, rows), window) + counts * TINY
    return of_windows / of_windows.sum()


def _summed(values: Tensor, window: Window) -> Tensor:
    """Return sums over rows and those before them."""
    first, *others = [values.take(places, axis=0) for places in window]
    return sum(others, first)


def _distances(explainer: Explainer, rows: Rows) -> Tensor:
    """Return the distances of `Explainer.deviations`, (n, n_columns).

    Rows are encoded in double precision, as there.
    """
    encoder, gaussian = explainer.encoder, explainer.gaussian
    encoded = Reader(encoder, replace(rows, dtype=np.dtype(np.float64))).encode()
    centred = rows.graph.where(encoded.missing, 0.0, encoded.Z - gaussian.mean)
    precision = marginal_precisions(encoded.missing, gaussian.precision)
    gradient = _row_times(centred, precision)
    belongs = encoder.column_of[:, None] == np.arange(encoder.n_columns)
    belongs = belongs.astype(np.float64)  # (n_features, n_columns)
    gaps = encoded.missing.cast(np.float64).expanded(2) * np.eye(len(belongs))
    system = precision * (belongs @ belongs.T) + gaps
    if len(encoder.categorical):
        width = rows.graph.constant(len(belongs), np.int64)
        shape = (len(belongs), 1)
        shifts = solved(system, gradient.expanded(2), shape, width).take(0, axis=2)
    else:
        shifts = gradient / system.sum(2, keepdims=False)
    products = shifts.expanded(2) * precision * shifts.expanded(1)
    between = rows.graph.constant(belongs.T[None]) @ products @ belongs
    alone = (shifts * gradient) @ belongs
    pair = _Pair.find(alone, between, encoder.n_columns)
    return pair.distances(alone, between, (gradient * centred).sum())


def _row_times(row: Tensor, matrix: Tensor) -> Tensor:
    """Return the product of the row and the matrix of each row, (n, width)."""
    return (row.expanded(1) @ matrix).sum(1, keepdims=False)


def _chosen(places: Tensor, n: int, axis: int = 1) -> Tensor:
    """Return 1 at places and 0 elsewhere, (..., n)."""
    return places.expanded(axis).equals(np.arange(n)).cast(np.float64)


@dataclass(frozen=True)
class _Pair:
    """`skdae._outlier._explain.Suspects`, with ones and zeros instead of places."""

    first: Tensor  # (n, n_columns) 1 at the first suspect
    second: Tensor  # (n, n_columns) 1 at the second one, 0 if there is none
    fall: Tensor  # (n, 1)
    mask_each_other: Tensor  # (n, 1) bool

    @classmethod
    def find(cls, alone: Tensor, between: Tensor, n_columns: int) -> "_Pair":
        """Return `Suspects.find`; `between` is (n, n_columns, n_columns)."""
        where, n_leaders = alone.graph.where, min(N_LEADERS, n_columns)
        leaders = _chosen((-alone).smallest(n_leaders)[1], n_columns, axis=2)
        own = (leaders * alone.expanded(1)).sum(2)
        shared = leaders @ between  # (n, n_leaders, n_columns)
        product = own * alone.expanded(1)
        has_both = product > TINY
        overlap = shared.square() / where(has_both, product, 1.0)
        is_distinct = (overlap < MAX_OVERLAP) & has_both & (leaders < 0.5)
        falls = own + alone.expanded(1) - shared * 2.0
        falls = falls / where(is_distinct, 1.0 - overlap, 1.0)
        falls = where(is_distinct, falls, 0.0).reshaped(0, n_leaders * n_columns)
        greedy = falls.take(np.arange(n_columns)).argmax()
        best = falls.argmax()
        fall_greedy, fall_best = (
            (falls * _chosen(each, n_leaders * n_columns)).sum()
            for each in (greedy, best)
        )
        is_masked = fall_best - fall_greedy > MIN_GAIN
        chosen = where(
            is_masked,
            _chosen(best, n_leaders * n_columns),
            _chosen(greedy, n_leaders * n_columns),
        )
        fall = (falls * chosen).sum()
        chosen = chosen.reshaped(0, n_leaders, n_columns)
        first = (chosen.sum(2) * leaders).sum(1, keepdims=False)
        fall_first = (first * alone).sum()
        has_second = fall - fall_first > MIN_GAIN
        second = chosen.sum(1, keepdims=False) * has_second.cast(np.float64)
        fall = where(has_second, fall, fall_first)
        return cls(first, second, fall, is_masked & has_second)

    def distances(self, alone: Tensor, between: Tensor, total: Tensor) -> Tensor:
        """Return `Suspects.distances`, (n, n_columns); `total` is (n, 1)."""
        where = alone.graph.where
        of_first, of_second = (
            (each * alone).sum() for each in (self.first, self.second)
        )
        by_turns = (self.fall + of_first - of_second) * 0.5
        of_first = where(self.mask_each_other, by_turns, of_first)
        suspects = self.first * of_first + self.second * (self.fall - of_first)
        parts = self._others(alone, between) * (1.0 - self.first) * (1.0 - self.second)
        sums = parts.sum()
        rest = (total - self.fall).maximum(0.0)
        return suspects + parts * (rest / where(sums > 0.0, sums, 1.0))

    def _others(self, alone: Tensor, between: Tensor) -> Tensor:
        """Return the gains of `Suspects.others` for all but the suspects."""
        where = alone.graph.where
        row_a, row_b = (_row_times(each, between) for each in (self.first, self.second))
        m = (row_a * self.second).sum()
        a = (self.first * alone).sum()
        b = (self.second * alone).sum() + 1.0 - self.second.sum()
        determinant = (a * b - m.square()).maximum(TINY)
        explained = row_a.square() * b - row_a * row_b * m * 2.0 + row_b.square() * a
        size = alone - explained / determinant
        factor_a, factor_b = b * (a - m) / determinant, a * (b - m) / determinant
        rest = alone - factor_a * row_a - factor_b * row_b
        is_distinct = size > alone * (1 - MAX_OVERLAP)
        gains = rest.square() / where(is_distinct, size, 1.0)
        return where(is_distinct, gains, 0.0)
