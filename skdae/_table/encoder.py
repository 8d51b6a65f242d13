"""How a table becomes the network's input, and back.

A raw table is a float matrix: numbers in the user's units, categorical columns as
ordinal codes, NaN where nothing is known. Encoded, the scaled numbers come first, then
one one-hot group per categorical column; a missing cell is filled with 0.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from skdae._core.network import Head
from skdae.noise import Layout

TAIL_START = 5.0  # standard deviations from where the tails are compressed
FENCE_SHARE = 0.005  # of the values at either end that may be left out of the scale
FENCE_ROWS = 5_000  # rows that the fences are read from, about
STATISTICS_CELLS = 1_000_000  # cells that moments are computed from at a time


class Scaler(Protocol):
    """A learned, monotone map of numeric columns."""

    @property
    def tail_start(self) -> float:
        """Scaled size from where values are compressed; infinite for nowhere."""
        ...

    def forward(self, X: np.ndarray) -> np.ndarray:
        """From the user's units to the network's, as a new array of X's dtype."""
        ...

    def inverse(self, Z: np.ndarray) -> np.ndarray:
        """Back to the user's units."""
        ...

    def spread(self, moments: "Moments") -> np.ndarray:
        """Standard deviation of the scaled columns, outliers left out."""
        ...


@dataclass(frozen=True)
class AffineScaler:
    """Centre and scale; logarithmic tails beyond `tail_start` scaled units."""

    center: np.ndarray  # (n_numeric,)
    scale: np.ndarray  # (n_numeric,)
    tail_start: float = np.inf

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Scaled values; beyond the tail start t they are ``t + log(1 + z - t)``."""
        Z = X - self.center.astype(X.dtype, copy=False)
        Z /= self.scale.astype(X.dtype, copy=False)
        limit = self.tail_start
        # False where a value is missing, too
        if Z.size and not (-limit <= Z.min() and Z.max() <= limit):
            far = np.abs(Z) > limit
            beyond = np.log1p(np.abs(Z[far]) - limit)
            Z[far] = np.copysign(limit + beyond, Z[far])
        return Z

    def inverse(self, Z: np.ndarray) -> np.ndarray:
        """Values in the user's units, float64."""
        X = Z.astype(np.float64)
        size = np.abs(X)
        far = size > self.tail_start
        if far.any():
            beyond = np.expm1(size[far] - self.tail_start)
            X[far] = np.copysign(self.tail_start + beyond, X[far])
        X *= self.scale
        X += self.center
        return X

    def spread(self, moments: "Moments") -> np.ndarray:
        """Standard deviation of the scaled columns, outliers left out."""
        return moments.std / self.scale


@dataclass(frozen=True)
class QuantileScaler:
    """Normal scores of the ranks, standardised; constant columns are only centred.

    Ties at an end of the range get the score of that end, 5.2, so that the scores of
    a column with many ties are far from standard before.
    """

    transformer: QuantileTransformer
    mean: np.ndarray  # of the scores, (n_numeric,)
    std: np.ndarray
    affine: AffineScaler
    constant: np.ndarray  # (n_numeric,) bool
    tail_start: float = np.inf

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Standardised normal scores."""
        Z = (self.transformer.transform(X) - self.mean) / self.std
        Z[:, self.constant] = self.affine.forward(X)[:, self.constant]
        return Z.astype(X.dtype, copy=False)

    def inverse(self, Z: np.ndarray) -> np.ndarray:
        """Values in the user's units, within the range seen in fit."""
        X = self.transformer.inverse_transform(
            Z.astype(np.float64) * self.std + self.mean
        )
        X[:, self.constant] = self.affine.inverse(Z)[:, self.constant]
        return X

    def spread(self, moments: "Moments") -> np.ndarray:
        """That of standardised scores: 1."""
        return np.ones_like(moments.std)


@dataclass(frozen=True)
class Moments:
    """What scaling needs to know of each numeric column."""

    mean: np.ndarray
    std: np.ndarray  # the size of the value for constant columns
    low: np.ndarray
    high: np.ndarray
    known: np.ndarray  # bool: some value was observed
    constant: np.ndarray  # bool


TakeAll = Callable[[], np.ndarray]


def _standard(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    return metric


def _minmax(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    width = np.where(moments.constant, 1.0, moments.high - moments.low)
    return AffineScaler(moments.low, width)


def _quantile(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    constant = moments.constant | ~moments.known
    if constant.all():
        return metric
    X = take()
    X[:, constant] = 0
    transformer = QuantileTransformer(
        n_quantiles=min(1000, len(X)), output_distribution="normal", subsample=None
    )
    scores = transformer.fit_transform(X)
    mean, std = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0)
    std[constant] = 1
    return QuantileScaler(transformer, mean, std, metric, constant)


def _unscaled(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    return AffineScaler(np.zeros_like(moments.mean), np.ones_like(moments.mean))


# name: the scaler from the one that measures errors, the moments and the numbers
SCALINGS: dict[str | None, Callable[[AffineScaler, Moments, TakeAll], Scaler]] = {
    "standard": _standard,
    "minmax": _minmax,
    "quantile": _quantile,
    None: _unscaled,
}


@dataclass(frozen=True)
class Columns:
    """The learned encoding of a table.

    Errors are measured in robust standard units whatever the scaling, so that
    networks with different scalings can be compared.
    """

    numeric: np.ndarray  # indices of numeric columns
    categorical: np.ndarray  # indices of categorical columns
    n_categories: tuple[int, ...]
    scaler: Scaler
    metric: AffineScaler
    impurity: np.ndarray  # (n_categorical,) Gini impurity of the training rows
    known: np.ndarray  # (n_columns,) bool: some value was observed in fit
    constant: np.ndarray  # (n_columns,) bool: nothing to predict
    layout: Layout
    scaling: str | None  # the name of the scaler

    @property
    def n_columns(self) -> int:
        """Columns of the raw table."""
        return len(self.numeric) + len(self.categorical)

    @property
    def groups(self) -> tuple[slice, ...]:
        """Encoded features of each categorical column."""
        return _groups(len(self.numeric), self.n_categories)

    def head(self, loss: str) -> Head:
        """The network's output for these columns under a loss for the numbers."""
        activation = "logistic" if loss == "cross_entropy" else "identity"
        return Head(len(self.numeric), self.groups, loss, activation)

    def _numbers(self, raw: np.ndarray) -> np.ndarray:
        return raw[:, self.numeric] if len(self.categorical) else raw

    def encode(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Features in raw's dtype, and which are observed (None: all of them)."""
        Z = self.scaler.forward(self._numbers(raw))
        missing = np.isnan(Z)
        if len(self.categorical):
            hot, unknown = self._one_hot(raw)
            Z, missing = np.hstack([Z, hot]), np.hstack([missing, unknown])
        if not self.known.all():
            missing |= ~self.known[self._column_of()]
        if not missing.any():
            return Z, None
        Z[missing] = 0
        return Z, ~missing

    def _column_of(self) -> np.ndarray:
        """The column that each feature belongs to."""
        layout = self.layout
        if layout.column_of is None:
            return np.arange(layout.n_features)
        return layout.column_of

    def _one_hot(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One-hot groups and where their column is missing."""
        hot = np.zeros((len(raw), sum(self.n_categories)), dtype=raw.dtype)
        unknown = np.zeros(hot.shape, dtype=bool)
        places = _groups(0, self.n_categories)
        for column, place in zip(self.categorical, places, strict=True):
            category = raw[:, column]
            seen = np.flatnonzero(~np.isnan(category))
            hot[seen, place.start + category[seen].astype(np.intp)] = 1
            unknown[np.isnan(category), place] = True
        return hot, unknown

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Raw float64 table of features; a column never observed stays NaN.

        A number in a tail is limited to the range seen in fit: the way back out of a
        tail is exponential, and a small error there would become a huge value. A
        column that was constant is rebuilt as that constant.
        """
        raw = np.empty((len(Z), self.n_columns))
        n_numeric, tail = len(self.numeric), self.scaler.tail_start
        low = np.minimum(self.layout.low[:n_numeric], -tail)
        high = np.maximum(self.layout.high[:n_numeric], tail)
        raw[:, self.numeric] = self.scaler.inverse(
            np.clip(Z[:, :n_numeric].astype(np.float64), low, high)
        )
        still = self.constant[self.numeric]
        raw[:, self.numeric[still]] = self.metric.center[still]
        for column, group in zip(self.categorical, self.groups, strict=True):
            raw[:, column] = Z[:, group].argmax(axis=1)
        raw[:, ~self.known] = np.nan
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
        rebuilt = np.where(self.constant[self.numeric], 0, rebuilt)
        errors[:, self.numeric] = self.metric.forward(numbers) - rebuilt
        if len(self.categorical):
            hot, _ = self._one_hot(raw)
            wrong = (hot - Z[:, len(self.numeric) :]) ** 2
        for j, (column, place) in enumerate(
            zip(self.categorical, _groups(0, self.n_categories), strict=True)
        ):
            brier = wrong[:, place].sum(axis=1)
            brier[np.isnan(raw[:, column])] = np.nan
            errors[:, column] = np.sqrt(brier / self.impurity[j])
        errors[:, ~self.known] = np.nan
        return errors


def _groups(n_numeric: int, n_categories: tuple[int, ...]) -> tuple[slice, ...]:
    """Consecutive one-hot groups behind the numbers."""
    ends = n_numeric + np.cumsum(n_categories, dtype=int)
    return tuple(
        slice(int(end) - n, int(end)) for n, end in zip(n_categories, ends, strict=True)
    )


def _fences(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits beyond which a value does not count in mean and spread.

    They lie one inner range outside of it, and the inner range holds all but
    `FENCE_SHARE` of the values at either end: 7.7 standard deviations from the mean of
    a Gaussian, and never more than two `FENCE_SHARE` of the values fall outside.
    """
    quantile = np.nanquantile if np.isnan(X).any() else np.quantile
    low, high = quantile(X, [FENCE_SHARE, 1 - FENCE_SHARE], axis=1)
    width = np.where(high > low, high - low, np.inf)
    return low - width, high + width


def _block_moments(X: np.ndarray, weights: np.ndarray | None) -> Moments:
    """Moments of some columns, NaN left out, and outliers from mean and spread.

    `X` is (n_columns, n_rows) float64 and is overwritten.
    """
    low, high = X.min(axis=1), X.max(axis=1)  # NaN where one is missing
    known = ~np.isnan(low)
    complete = known.all()
    if not complete:
        known = ~np.isnan(X).all(axis=1)
        X[~known] = 0
        low, high = np.nanmin(X, axis=1), np.nanmax(X, axis=1)
    step = -(-X.shape[1] // FENCE_ROWS)
    sample = X[:, ::step]
    if np.isnan(sample).all(axis=1).any():
        sample = X
    low_fence, high_fence = _fences(sample)
    share = None if weights is None else weights[None, :]
    if not complete or (low < low_fence).any() or (high > high_fence).any():
        # False for NaN
        counted = (low_fence[:, None] <= X) & (high_fence[:, None] >= X)
        X[~counted] = 0
        share = counted if share is None else counted * share

    def mean_of(values: np.ndarray) -> np.ndarray:
        if share is None:
            return values.mean(axis=1)
        return (values * share).sum(axis=1) / share.sum(axis=1)

    mean = mean_of(X)
    X -= mean[:, None]
    with np.errstate(over="ignore"):
        variance = mean_of(np.square(X, out=X))
    if not np.isfinite(variance).all():
        largest = np.fmax(np.abs(low), np.abs(high)).max()
        raise ValueError(
            f"X holds values up to {largest:g}, too large to be squared; "
            "divide them by a constant, or turn them into missing values."
        )
    # no more spread than rounding makes of a constant
    rounding = (10 * np.finfo(np.float64).eps * np.abs(mean)) ** 2
    constant = (low == high) | (variance <= rounding)
    # a constant is measured by its own size, whatever its unit
    size = np.where(mean == 0, 1.0, np.abs(mean))
    std = np.where(constant, size, np.sqrt(np.where(constant, 1.0, variance)))
    return Moments(mean, std, low, high, known, constant)


def _moments(
    raw: np.ndarray, numeric: np.ndarray, index: np.ndarray, weights: np.ndarray | None
) -> Moments:
    """Moments of the numeric columns over the rows, some columns at a time."""
    n_at_once = max(1, STATISTICS_CELLS // len(index))
    if len(index) * raw.shape[1] <= STATISTICS_CELLS:
        raw, index = raw.take(index, axis=0), np.arange(len(index))  # faster
    blocks = [
        _block_moments(
            raw[np.ix_(index, numeric[a : a + n_at_once])].T.astype(
                np.float64, order="C"
            ),
            weights,
        )
        for a in range(0, len(numeric), n_at_once)
    ]
    if not blocks:
        none = np.zeros(0)
        return Moments(none, none, none, none, none.astype(bool), none.astype(bool))
    return Moments(
        *(
            np.concatenate([getattr(block, each.name) for block in blocks])
            for each in fields(Moments)
        )
    )


def _category_shares(
    raw: np.ndarray,
    index: np.ndarray,
    weights: np.ndarray | None,
    column: int,
    n_categories: int,
) -> np.ndarray:
    """Share of each category among the observed cells of a column."""
    values = raw[index, column]
    seen = ~np.isnan(values)
    counts = np.bincount(
        values[seen].astype(np.intp),
        weights=None if weights is None else weights[seen],
        minlength=n_categories,
    )
    return counts / max(counts.sum(), 1)


def fit_columns(
    raw: np.ndarray,
    index: np.ndarray,
    weights: np.ndarray | None,
    *,
    categorical: np.ndarray,
    n_categories: tuple[int, ...],
    scaling: str | None,
) -> Columns:
    """Learn the encoding from the rows at `index`, block by block.

    `categorical` holds the indices of the columns with ordinal codes, `n_categories`
    how many categories each has (at least 1).
    """
    n_columns = raw.shape[1]
    numeric = np.setdiff1d(np.arange(n_columns), categorical)

    def take() -> np.ndarray:
        return raw[np.ix_(index, numeric)].astype(np.float64)

    moments = _moments(raw, numeric, index, weights)
    metric = AffineScaler(moments.mean, moments.std, TAIL_START)
    scaler = SCALINGS[scaling](metric, moments, take)
    known = np.ones(n_columns, dtype=bool)
    constant = np.zeros(n_columns, dtype=bool)
    known[numeric], constant[numeric] = moments.known, moments.constant

    shares = [
        _category_shares(raw, index, weights, column, n)
        for column, n in zip(categorical, n_categories, strict=True)
    ]
    impurity = np.array([1 - (share**2).sum() for share in shares])
    known[categorical] = [share.sum() > 0 for share in shares]
    constant[categorical] = impurity <= 0
    impurity[impurity <= 0] = 1

    low, high = scaler.forward(np.stack([moments.low, moments.high]))
    spread = np.where(moments.constant, 0.0, scaler.spread(moments))
    low = np.concatenate([low, *(np.zeros(n) for n in n_categories)])
    high = np.concatenate([high, *(np.ones(n) for n in n_categories)])
    scale = np.concatenate([spread, *(np.sqrt(p * (1 - p)) for p in shares)])
    layout = Layout(
        numeric=np.arange(len(low)) < len(numeric),
        scale=scale,
        low=low,
        high=high,
        column_of=(
            np.concatenate([numeric, np.repeat(categorical, n_categories)])
            if len(categorical)
            else None
        ),
    )
    return Columns(
        numeric=numeric,
        categorical=categorical,
        n_categories=n_categories,
        scaler=scaler,
        metric=metric,
        impurity=impurity,
        known=known,
        constant=constant,
        layout=layout,
        scaling=scaling,
    )
