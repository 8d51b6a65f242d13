"""The encoding of a table: the matrix that the network sees, and the way back.

A table is read as a raw matrix (see :class:`skdae._table.schema.Schema`). Encoded, the
scaled numbers come first, then one one-hot group per categorical column; a missing cell
is filled with 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._core.network import Head
from skdae._table.scaling import (
    SCALINGS,
    TAIL_START,
    AffineScaler,
    Moments,
    Scaler,
    moments_of,
)
from skdae._table.schema import Schema
from skdae.noise import Layout

RESOLUTION = 1e-36  # of the range of a column: less underflows in float32 (1e-38)
MARGIN = 0.1  # of the range of a column: how far beyond either end codes still vary


@dataclass(frozen=True)
class TableEncoder:
    """The learned way from a user's table to the network's input and back.

    Errors are measured in robust standard units whatever the scaling, so that
    networks with different scalings can be compared.

    Attributes
    ----------
    schema : Schema
        Which columns are categorical, and their categories.
    scaling : str or None
        Name of the scaling of the numeric columns.
    numeric, categorical : ndarray of int
        Indices of the numeric and of the categorical columns.
    codes : tuple of ndarray
        The ordinal codes of each categorical column that have a feature, ascending.
    scaler : Scaler
        From the user's units to the network's.
    metric : AffineScaler
        Robust standard units, in which residuals are measured.
    impurity : ndarray of shape (n_categorical,)
        Gini impurity of the categories in the training rows.
    has_values : ndarray of bool of shape (n_columns,)
        Whether some value was observed in the training rows.
    is_constant : ndarray of bool of shape (n_columns,)
        Whether there is nothing to predict.
    layout : Layout
        What the noise knows of the encoded features.
    """

    schema: Schema
    scaling: str | None
    numeric: np.ndarray
    categorical: np.ndarray
    codes: tuple[np.ndarray, ...]
    scaler: Scaler
    metric: AffineScaler
    impurity: np.ndarray
    has_values: np.ndarray
    is_constant: np.ndarray
    layout: Layout

    @classmethod
    def fit(
        cls,
        schema: Schema,
        raw: np.ndarray,
        index: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        scaling: str | None,
    ) -> "TableEncoder":
        """Learn the encoding from the rows of a raw matrix at `index`."""
        codes = tuple(
            np.arange(max(1, len(categories)), dtype=float)
            for categories in schema.categories
        )
        return _fit(schema, raw, index, weights, scaling, codes)

    def refit(
        self, raw: np.ndarray, index: np.ndarray, weights: np.ndarray | None = None
    ) -> "TableEncoder":
        """Learn the encoding of the same columns from other rows.

        A category that does not occur in them has no feature, and is unknown.
        """
        codes = tuple(_codes_in(raw[index, column]) for column in self.categorical)
        return _fit(self.schema, raw, index, weights, self.scaling, codes)

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return self.schema.n_columns

    @property
    def n_categories(self) -> tuple[int, ...]:
        """Features of each categorical column."""
        return tuple(len(codes) for codes in self.codes)

    @property
    def groups(self) -> tuple[slice, ...]:
        """Encoded features of each categorical column."""
        return _groups(len(self.numeric), self.n_categories)

    @property
    def column_of(self) -> np.ndarray:
        """The column of the table that each feature belongs to, (n_features,)."""
        layout = self.layout
        if layout.column_of is None:
            return np.arange(layout.n_features)
        return layout.column_of

    def head(self, loss: str) -> Head:
        """Return the network's head, with a loss for the numeric columns."""
        activation = "logistic" if loss == "cross_entropy" else "identity"
        return Head(len(self.numeric), self.groups, loss, activation)

    # --- the user's table ------------------------------------------------------------

    def read(self, estimator: Any, X: Any) -> np.ndarray:
        """Return a user's table as a raw matrix, (n, n_columns) float32 or float64."""
        return self.schema.read(estimator, X)

    def restore(
        self, estimator: Any, values: np.ndarray, X: Any, dtype: np.dtype
    ) -> Any:
        """Return a raw matrix as a table in the user's categories and container."""
        return self.schema.restore(estimator, values, X, dtype)

    def fill(
        self,
        estimator: Any,
        X: Any,
        raw: np.ndarray,
        values: np.ndarray,
        indicators: np.ndarray | None = None,
    ) -> Any:
        """Return X with its missing cells taken from a raw matrix of values."""
        return self.schema.fill(estimator, X, raw, values, indicators)

    # --- the encoded matrix ----------------------------------------------------------

    def _numbers(self, raw: np.ndarray) -> np.ndarray:
        return raw[:, self.numeric] if len(self.categorical) else raw

    def encode(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Features in raw's dtype, and which are observed (None: all of them)."""
        Z = self.scaler.forward(self._numbers(raw))
        missing = np.isnan(Z)
        if len(self.categorical):
            hot, unknown = self._one_hot(raw)
            Z, missing = np.hstack([Z, hot]), np.hstack([missing, unknown])
        if not self.has_values.all():
            missing |= ~self.has_values[self.column_of]
        if not missing.any():
            return Z, None
        Z[missing] = 0
        return Z, ~missing

    def encode_with_missing(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features in raw's dtype, and which are missing, (n, n_features) each."""
        Z, observed = self.encode(raw)
        return Z, np.zeros(Z.shape, dtype=bool) if observed is None else ~observed

    def limited(self, Z: np.ndarray, observed: np.ndarray | None) -> np.ndarray:
        """Return features limited to the range seen in fit, widened by `MARGIN`.

        A network has learned nothing of what lies farther out, and its codes would grow
        with the distance.
        """
        low, high = self._limits
        limited = np.clip(Z, low.astype(Z.dtype), high.astype(Z.dtype))
        return limited if observed is None else np.where(observed, limited, 0)

    @property
    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        margin = MARGIN * (self.layout.high - self.layout.low)
        return self.layout.low - margin, self.layout.high + margin

    def _one_hot(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One-hot groups and where their column is missing."""
        hot = np.zeros((len(raw), sum(self.n_categories)), dtype=raw.dtype)
        unknown = np.zeros(hot.shape, dtype=bool)
        places = _groups(0, self.n_categories)
        for column, codes, place in zip(
            self.categorical, self.codes, places, strict=True
        ):
            number, is_known = _positions(codes, raw[:, column])
            hot[is_known, place.start + number[is_known]] = 1
            unknown[~is_known, place] = True
        return hot, unknown

    def observed_cells(self, raw: np.ndarray) -> np.ndarray:
        """Return which cells hold a number or a known category, (n, n_columns)."""
        observed = self.has_values & ~np.isnan(raw)
        for column, codes in zip(self.categorical, self.codes, strict=True):
            observed[:, column] &= _positions(codes, raw[:, column])[1]
        return observed

    def decode(self, Z: np.ndarray, beside: np.ndarray | None = None) -> np.ndarray:
        """Raw float64 table of features; a column never observed stays NaN.

        A number in a tail is limited to the range seen in fit, or to the value that
        stands `beside` it, (n, n_features), where that is outside: the way back out of
        a tail is exponential, and a small error there would become a huge value. A
        column that was constant is rebuilt as that constant.
        """
        raw = np.empty((len(Z), self.n_columns))
        n_numeric, tail = len(self.numeric), self.scaler.tail_start
        low = np.minimum(self.layout.low[:n_numeric], -tail)
        high = np.maximum(self.layout.high[:n_numeric], tail)
        if beside is not None:
            low = np.minimum(low, beside[:, :n_numeric])
            high = np.maximum(high, beside[:, :n_numeric])
        raw[:, self.numeric] = self.scaler.inverse(
            np.clip(Z[:, :n_numeric].astype(np.float64), low, high)
        )
        is_constant = self.is_constant[self.numeric]
        raw[:, self.numeric[is_constant]] = self.metric.center[is_constant]
        for column, codes, group in zip(
            self.categorical, self.codes, self.groups, strict=True
        ):
            raw[:, column] = codes[Z[:, group].argmax(axis=1)]
        raw[:, ~self.has_values] = np.nan
        return raw

    def residuals(self, raw: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """Observed minus rebuilt, (n, n_columns), NaN where nothing is observed.

        Numbers in robust standard deviations of their column; for a category the
        root of the Brier score over the column's Gini impurity. Squared, either is
        about 1 for a rebuilt value that knows nothing but the column.
        """
        errors = np.empty((len(raw), self.n_columns))
        numbers = self._numbers(raw)
        rebuilt = Z[:, : len(self.numeric)]
        if self.scaler is not self.metric:
            rebuilt = self.metric.forward(self.scaler.inverse(rebuilt))
        # a constant is rebuilt as the constant, which is 0 here
        rebuilt = np.where(self.is_constant[self.numeric], 0, rebuilt)
        errors[:, self.numeric] = self.metric.forward(numbers) - rebuilt
        if len(self.categorical):
            hot, unknown = self._one_hot(raw)
            wrong = (hot - Z[:, len(self.numeric) :]) ** 2
        for j, (column, place) in enumerate(
            zip(self.categorical, _groups(0, self.n_categories), strict=True)
        ):
            brier = wrong[:, place].sum(axis=1)
            brier[unknown[:, place.start]] = np.nan
            errors[:, column] = np.sqrt(brier / self.impurity[j])
        errors[:, ~self.has_values] = np.nan
        return errors


def _groups(n_numeric: int, n_categories: tuple[int, ...]) -> tuple[slice, ...]:
    """Consecutive one-hot groups behind the numbers."""
    ends = n_numeric + np.cumsum(n_categories, dtype=int)
    return tuple(
        slice(int(end) - n, int(end)) for n, end in zip(n_categories, ends, strict=True)
    )


def _codes_in(values: np.ndarray) -> np.ndarray:
    """Return the ordinal codes that occur, ascending; NaN where there are none."""
    found = np.unique(values[~np.isnan(values)])
    return found if len(found) else np.array([np.nan])


def _positions(codes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where values stand among ascending codes, and which of them do at all."""
    number = np.minimum(np.searchsorted(codes, values), len(codes) - 1)
    return number, codes[number] == values


def _category_shares(
    values: np.ndarray, weights: np.ndarray | None, codes: np.ndarray
) -> np.ndarray:
    """Return the share of each category among the observed cells of a column."""
    number, is_known = _positions(codes, values)
    counts = np.bincount(
        number[is_known],
        weights=None if weights is None else weights[is_known],
        minlength=len(codes),
    )
    return counts / max(counts.sum(), 1)


def _refuse_large(
    schema: Schema, raw: np.ndarray, index: np.ndarray, columns: np.ndarray
) -> None:
    """Raise for the first of the columns that are too large to be squared."""
    if not len(columns):
        return
    column = columns[0]
    row = index[np.nanargmax(np.abs(raw[index, column]))]
    raise ValueError(
        f"X holds {raw[row, column]:g} in row {row} of column {schema.names[column]}, "
        "too large to compute with; divide the column by a constant, or replace what "
        "stands for a missing value by NaN."
    )


def _fit(
    schema: Schema,
    raw: np.ndarray,
    index: np.ndarray,
    weights: np.ndarray | None,
    scaling: str | None,
    codes: tuple[np.ndarray, ...],
) -> TableEncoder:
    """Learn the encoding from the rows at `index`, some columns at a time."""
    numeric = np.flatnonzero(~schema.is_categorical)
    categorical = np.flatnonzero(schema.is_categorical)

    def take() -> np.ndarray:
        return raw[np.ix_(index, numeric)].astype(np.float64)

    moments = moments_of(raw, numeric, index, weights)
    is_large = ~np.isfinite(moments.std)
    if scaling == "minmax":  # by the range, which outliers belong to
        width = np.where(moments.is_constant, 0.0, moments.high - moments.low)
        is_large |= moments.std < RESOLUTION * width
    _refuse_large(schema, raw, index, numeric[is_large])
    metric = AffineScaler(moments.mean, moments.std, TAIL_START)
    scaler = SCALINGS[scaling](metric, moments, take)
    has_values = np.ones(schema.n_columns, dtype=bool)
    is_constant = np.zeros(schema.n_columns, dtype=bool)
    has_values[numeric], is_constant[numeric] = moments.has_values, moments.is_constant

    shares = [
        _category_shares(raw[index, column], weights, each)
        for column, each in zip(categorical, codes, strict=True)
    ]
    impurity = np.array([1 - (share**2).sum() for share in shares])
    has_values[categorical] = [share.sum() > 0 for share in shares]
    is_constant[categorical] = impurity <= 0
    impurity[impurity <= 0] = 1

    layout = _layout(scaler, moments, numeric, categorical, shares)
    return TableEncoder(
        schema=schema,
        scaling=scaling,
        numeric=numeric,
        categorical=categorical,
        codes=codes,
        scaler=scaler,
        metric=metric,
        impurity=impurity,
        has_values=has_values,
        is_constant=is_constant,
        layout=layout,
    )


def _layout(
    scaler: Scaler,
    moments: Moments,
    numeric: np.ndarray,
    categorical: np.ndarray,
    shares: list[np.ndarray],
) -> Layout:
    """Return the encoded features: numeric columns, then a group for each category.

    `shares` are those of the categories of each categorical column.
    """
    n_categories = [len(each) for each in shares]
    low, high = scaler.forward(np.stack([moments.low, moments.high]))
    spread = np.where(moments.is_constant, 0.0, scaler.spread(moments))
    low = np.concatenate([low, *(np.zeros(n) for n in n_categories)])
    high = np.concatenate([high, *(np.ones(n) for n in n_categories)])
    column_of = None
    if len(categorical):
        column_of = np.concatenate([numeric, np.repeat(categorical, n_categories)])
    return Layout(
        numeric=np.arange(len(low)) < len(numeric),
        scale=np.concatenate([spread, *(np.sqrt(p * (1 - p)) for p in shares)]),
        low=low,
        high=high,
        column_of=column_of,
    )
