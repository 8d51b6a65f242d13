"""Tables of a graph: the columns of the user, encoded, and decoded again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae._table.encoder import TableEncoder
from skdae._table.scaling import (
    END_LEVEL,
    SATURATION,
    AffineScaler,
    QuantileScaler,
    Scaler,
)
from skdae._table.schema import Schema
from skdae.export._graph import ML_DOMAIN, Graph, Tensor
from skdae.export._numeric import (
    count_at_most,
    log1p,
    lookup,
    normal_level,
    normal_quantile,
)

SNAP = 1e-14  # of a level: nearer ones are those of a quantile


class NotExportedError(ValueError):
    """An estimator, or a setting of it, that has no ONNX model."""


def categories_are_text(schema: Schema) -> bool:
    """Return whether some column holds text, so that each is an input of its own."""
    return any(isinstance(each, str) for found in schema.categories for each in found)


@dataclass(frozen=True)
class Rows:
    """The rows of a graph's input: a matrix of numbers, or one tensor per column."""

    graph: Graph
    dtype: np.dtype  # of numbers
    columns: Sequence[Tensor]  # the matrix, or tensors of shape (n, 1)

    @property
    def is_matrix(self) -> bool:
        """Whether all columns are numbers in one tensor."""
        return len(self.columns) == 1 and self.columns[0].dtype != np.dtype(object)

    def numbers(self, places: np.ndarray) -> Tensor:
        """Return numeric columns, (n, n_places), NaN where missing."""
        if self.is_matrix:
            return self.columns[0].take(places).cast(self.dtype)
        parts = [self.columns[int(place)].cast(self.dtype) for place in places]
        return self.graph.concatenated(parts)

    def column(self, place: int) -> Tensor:
        """Return a column, (n, 1): text, or numbers in their own dtype."""
        return self.columns[0].take([place]) if self.is_matrix else self.columns[place]

    def is_blank(self, place: int) -> Tensor:
        """Return where a cell is missing, (n, 1): NaN, or an empty text."""
        column = self.column(place)
        if column.dtype == np.dtype(object):
            return numbered(column, [""]).equals(0)
        return column.cast(np.float64).is_nan()

    def one_hot(self, place: int, categories: Sequence[Any]) -> Tensor:
        """Return which of some categories each row has, (n, n_categories) bool."""
        column = self.column(place)
        if column.dtype == np.dtype(object):
            return numbered(column, categories).equals(np.arange(len(categories)))
        return column.cast(np.float64).equals(np.array(categories, dtype=np.float64))

    def n_rows(self) -> Tensor:
        """Return the number of rows, a scalar."""
        return self.columns[0].length()


def numbered(column: Tensor, texts: Sequence[str]) -> Tensor:
    """Return the places of texts in a list, -1 for others."""
    return column.graph.add(
        "LabelEncoder",
        [column],
        np.int64,
        domain=ML_DOMAIN,
        keys_strings=list(texts),
        values_int64s=list(range(len(texts))),
        default_int64=-1,
    )


def check_categories(schema: Schema) -> None:
    """Refuse categories that no tensor holds."""
    names = np.array(schema.names)[schema.is_categorical]
    for name, found in zip(names, schema.categories, strict=True):
        kinds = {isinstance(each, str) for each in found}
        is_number = all(
            isinstance(each, (int, float, np.number, np.bool_)) for each in found
        )
        if kinds - {True} and not is_number:
            raise NotExportedError(
                f"The categories of column {name} are {type(found[0]).__name__} "
                "objects, and ONNX holds text and numbers; convert the column with "
                "astype(str) before fit."
            )


@dataclass(frozen=True)
class Encoded:
    """Encoded rows, 0 where missing, and which features are missing."""

    Z: Tensor  # (n, n_features)
    missing: Tensor  # (n, n_features) bool

    def inputs(self, encoder: TableEncoder) -> Tensor:
        """Return the features as the network of a transformer sees them."""
        low, high = encoder._limits
        limited = self.Z.clip(low, high)
        return self.Z.graph.where(self.missing, 0.0, limited)


@dataclass(frozen=True)
class Reader:
    """What an encoder makes of the rows of a graph."""

    encoder: TableEncoder
    rows: Rows

    def encode(self) -> Encoded:
        """Return `TableEncoder.encode`."""
        graph, encoder = self.rows.graph, self.encoder
        Z, missing = [], []
        if len(encoder.numeric):
            values = self.rows.numbers(encoder.numeric)
            gaps = values.is_nan()
            scaled = scaled_forward(encoder.scaler, graph.where(gaps, 0.0, values))
            Z, missing = [scaled], [gaps]
        for j, column in enumerate(encoder.categorical):
            hot = self._hot(j, int(column))
            known = hot.cast(self.rows.dtype).sum() > 0.5
            gaps = ~known | np.zeros(len(encoder.codes[j]), dtype=bool)
            Z, missing = [*Z, hot.cast(self.rows.dtype)], [*missing, gaps]
        gaps = graph.concatenated(missing)
        if not encoder.has_values.all():
            gaps = gaps | ~encoder.has_values[encoder.column_of]
        return Encoded(graph.where(gaps, 0.0, graph.concatenated(Z)), gaps)

    def observed(self) -> Tensor:
        """Return `TableEncoder.observed_cells`, (n, n_columns) bool."""
        encoder, graph = self.encoder, self.rows.graph
        parts = []
        if len(encoder.numeric):
            parts.append(~self.rows.numbers(encoder.numeric).is_nan())
        for j, column in enumerate(encoder.categorical):
            parts.append(self._hot(j, int(column)).cast(np.float64).sum() > 0.5)
        cells = self._in_order(graph.concatenated(parts))
        return cells & encoder.has_values

    def residuals(self, rebuilt: Tensor) -> tuple[Tensor, Tensor]:
        """Return `TableEncoder.residuals`, 0 where missing, and which are observed."""
        encoder, graph = self.encoder, self.rows.graph
        parts = []
        if len(encoder.numeric):
            parts.append(self._number_residuals(rebuilt).cast(np.float64))
        for j, column in enumerate(encoder.categorical):
            hot = self._hot(j, int(column)).cast(rebuilt.dtype)
            places = np.arange(encoder.groups[j].start, encoder.groups[j].stop)
            brier = (hot - rebuilt.take(places)).square().sum()
            parts.append((brier.cast(np.float64) / encoder.impurity[j]).sqrt())
        errors = self._in_order(graph.concatenated(parts))
        observed = self.observed()
        return graph.where(observed, errors, 0.0), observed

    def _number_residuals(self, rebuilt: Tensor) -> Tensor:
        encoder, graph = self.encoder, self.rows.graph
        values = self.rows.numbers(encoder.numeric)
        numbers = graph.where(values.is_nan(), 0.0, values)
        found = rebuilt.take(np.arange(len(encoder.numeric)))
        measured = scaled_forward(encoder.metric, numbers)
        if encoder.scaler is not encoder.metric:
            found = scaled_forward(
                encoder.metric, scaled_inverse(encoder.scaler, found.cast(np.float64))
            )
            measured = measured.cast(np.float64)
        constant = graph.constant(encoder.is_constant[encoder.numeric])
        return measured - graph.where(constant, 0.0, found)

    def decode(self, Z: Tensor, beside: Tensor) -> "Decoded":
        """Return `TableEncoder.decode` of features, float64."""
        encoder, graph = self.encoder, self.rows.graph
        numbers, categories = None, []
        if len(encoder.numeric):
            n, tail = len(encoder.numeric), encoder.scaler.tail_start
            places = np.arange(n)
            low = np.minimum(encoder.layout.low[:n], -tail)
            high = np.maximum(encoder.layout.high[:n], tail)
            own = beside.take(places)
            limited = (
                Z.take(places).maximum(own.minimum(low)).minimum(own.maximum(high))
            )
            numbers = scaled_inverse(encoder.scaler, limited)
            constant = graph.constant(encoder.is_constant[encoder.numeric])
            numbers = graph.where(constant, encoder.metric.center, numbers)
            unknown = graph.constant(~encoder.has_values[encoder.numeric])
            numbers = graph.where(unknown, np.nan, numbers)
        for codes, group in zip(encoder.codes, encoder.groups, strict=True):
            place = Z.take(np.arange(group.start, group.stop)).argmax()
            categories.append(graph.constant(codes, np.int64).take(place, axis=0))
        return Decoded(self, numbers, categories)

    def _hot(self, j: int, column: int) -> Tensor:
        """Return which category of its features a cell has, (n, n_categories) bool."""
        found = self.encoder.schema.categories[j]
        codes = self.encoder.codes[j]
        known = [found[int(code)] for code in codes if code < len(found)]
        if known:
            return self.rows.one_hot(column, known)
        return self.rows.is_blank(column) & False

    def _in_order(self, cells: Tensor) -> Tensor:
        """Return columns, numbers before categories, in the order of the table."""
        order = np.concatenate([self.encoder.numeric, self.encoder.categorical])
        if (order == np.arange(len(order))).all():
            return cells
        return cells.take(np.argsort(order))


@dataclass(frozen=True)
class Decoded:
    """Rows in the user's units."""

    reader: Reader
    numbers: Tensor | None  # (n, n_numeric) float64, NaN where nothing is known
    categories: list[Tensor]  # (n,) places among the categories of each column

    def clipped(self, low: np.ndarray, high: np.ndarray) -> "Decoded":
        """Return numbers limited to a range, NaN for none, (n_columns,)."""
        if self.numbers is None:
            return self
        numeric = self.reader.encoder.numeric
        low = np.where(np.isnan(low), -np.inf, low)[numeric]
        high = np.where(np.isnan(high), np.inf, high)[numeric]
        graph = self.reader.rows.graph
        unknown = graph.constant(~self.reader.encoder.has_values[numeric])
        limited = graph.where(unknown, np.nan, self.numbers.clip(low, high))
        return Decoded(self.reader, limited, self.categories)

    def moved_at_most(self, largest: np.ndarray) -> "Decoded":
        """Return numbers no farther from those of the rows, (n_columns,), if known."""
        if self.numbers is None:
            return self
        numeric = self.reader.encoder.numeric
        cells = self.reader.rows.numbers(numeric).cast(np.float64)
        low, high = cells - largest[numeric], cells + largest[numeric]
        limited = self.numbers.maximum(low).minimum(high)
        graph = self.reader.rows.graph
        unknown = graph.constant(~self.reader.encoder.has_values[numeric])
        limited = graph.where(unknown, np.nan, limited)
        return replace(self, numbers=graph.where(cells.is_nan(), self.numbers, limited))

    def table(self, *, keeps: bool) -> list[Tensor]:
        """Return the table: a matrix where the rows are one, or else a tensor a column.

        With `keeps`, cells that are not missing are those of the rows.
        """
        rows, encoder = self.reader.rows, self.reader.encoder
        columns: list[Tensor] = [rows.columns[0]] * encoder.n_columns
        for k, place in enumerate(encoder.numeric):
            assert self.numbers is not None
            columns[place] = self.numbers.take([k]).cast(rows.dtype)
        for j, place in enumerate(encoder.categorical):
            found = encoder.schema.categories[j]
            is_text = rows.column(int(place)).dtype == np.dtype(object)
            values = rows.graph.constant(
                [str(each) for each in found] or [""]
                if is_text
                else np.array([*found] or [np.nan], np.float64),
                object if is_text else rows.dtype,
            )
            columns[place] = values.take(self.categories[j], axis=0).expanded(1)
        if keeps:
            columns = [
                rows.graph.where(
                    rows.is_blank(place),
                    column,
                    rows.column(place)
                    if column.dtype == np.dtype(object)
                    else rows.column(place).cast(rows.dtype),
                )
                for place, column in enumerate(columns)
            ]
        return [rows.graph.concatenated(columns)] if rows.is_matrix else columns


# --- scalers --------------------------------------------------------------------------


def scaled_forward(scaler: Scaler, X: Tensor) -> Tensor:
    """Return `Scaler.forward` of numbers without gaps, in their dtype."""
    if isinstance(scaler, QuantileScaler):
        return _quantile_forward(scaler, X)
    assert isinstance(scaler, AffineScaler)
    wide = X.cast(np.float64) if scaler.needs_float64 else X
    Z = (wide - scaler.center) / scaler.scale
    limit = scaler.tail_start
    if limit > SATURATION:
        return Z.clip(-SATURATION, SATURATION).cast(X.dtype)
    size = abs(Z).minimum(np.finfo(Z.dtype).max)
    beyond = log1p((size - limit).maximum(0.0))
    return X.graph.where(size > limit, Z.sign() * (beyond + limit), Z).cast(X.dtype)


def scaled_inverse(scaler: Scaler, Z: Tensor) -> Tensor:
    """Return `Scaler.inverse` of float64 values."""
    if isinstance(scaler, QuantileScaler):
        return _quantile_inverse(scaler, Z)
    assert isinstance(scaler, AffineScaler)
    start = scaler.tail_start
    if np.isfinite(start):
        size = abs(Z)
        beyond = (size - start).maximum(0.0).exp() - 1.0
        Z = Z.graph.where(size > start, Z.sign() * (beyond + start), Z)
    return Z * scaler.scale + scaler.center


def _quantile_forward(scaler: QuantileScaler, X: Tensor) -> Tensor:
    """Return normal scores: between distinct quantiles their levels are on a line."""
    graph, knots = X.graph, _distinct(scaler.quantiles)
    values = X.cast(np.float64)
    if X.dtype == np.dtype(np.float32):
        values = _unrounded(scaler.quantiles, values)
    place = count_at_most(values, knots.values) - 1
    place = graph.where(place < 0, 0, place)
    known, first, last = (
        lookup(graph, each, place) for each in (knots.values, knots.first, knots.last)
    )
    between = last + (values - known) * lookup(graph, knots.slope, place)
    level = graph.where(values.equals(known), (first + last) * 0.5, between)
    level = graph.where(values <= scaler.quantiles[0], 0.0, level)
    level = graph.where(values >= scaler.quantiles[-1], 1.0, level)
    scores = normal_quantile(level * (1 - 2 * END_LEVEL) + END_LEVEL)
    Z = ((scores - scaler.mean) / scaler.std).cast(X.dtype)
    constant = graph.constant(scaler.is_constant)
    return graph.where(constant, scaled_forward(scaler.affine, X), Z)


@dataclass(frozen=True)
class _Distinct:
    """Distinct quantiles of each column, and the levels of the equal ones."""

    values: np.ndarray  # (width, m) ascending, infinite at the end
    first: np.ndarray
    last: np.ndarray
    slope: np.ndarray  # of the level up to the next value


def _distinct(quantiles: np.ndarray) -> _Distinct:
    levels = np.linspace(0, 1, len(quantiles))
    values = np.full(quantiles.T.shape, np.inf)
    first, last, slope = (np.zeros(values.shape) for _ in range(3))
    for j, known in enumerate(quantiles.T):
        each, start, times = np.unique(known, return_index=True, return_counts=True)
        n = len(each)
        values[j, :n] = each
        first[j, :n], last[j, :n] = levels[start], levels[start + times - 1]
        slope[j, : n - 1] = (first[j, 1:n] - last[j, : n - 1]) / np.diff(each)
    return _Distinct(values, first, last, slope)


def _unrounded(quantiles: np.ndarray, V: Tensor) -> Tensor:
    """Return values of float32, roundings of a quantile as the quantile."""
    rounded = quantiles.T.astype(np.float32).astype(np.float64)
    snapped = np.stack(
        [
            known[np.searchsorted(short, short)]
            for known, short in zip(quantiles.T, rounded, strict=True)
        ]
    )
    graph = V.graph
    place = count_at_most(V, rounded) - 1
    place = graph.where(place < 0, 0, place)
    is_rounded = lookup(graph, rounded, place).equals(V)
    return graph.where(is_rounded, lookup(graph, snapped, place), V)


def _quantile_inverse(scaler: QuantileScaler, Z: Tensor) -> Tensor:
    graph, n_steps = Z.graph, len(scaler.quantiles) - 1
    level = normal_level(Z * scaler.std + scaler.mean)
    level = ((level - END_LEVEL) / (1 - 2 * END_LEVEL)).clip(0.0, 1.0)
    steps = level * float(n_steps)
    nearest = graph.add("Round", [steps], np.float64)
    steps = graph.where(abs(steps - nearest) < SNAP * n_steps, nearest, steps)
    below = graph.add("Floor", [steps], np.float64).minimum(float(max(n_steps - 1, 0)))
    place, share = below.cast(np.int64), steps - below
    table = scaler.quantiles.T
    above = np.hstack([table[:, 1:], table[:, -1:]])
    low, high = (lookup(graph, each, place) for each in (table, above))
    X = low + (high - low) * share
    constant = graph.constant(scaler.is_constant)
    return graph.where(constant, scaled_inverse(scaler.affine, Z), X)
