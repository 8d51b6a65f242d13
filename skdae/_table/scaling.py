"""Scalers of numeric columns, and the moments that they are learned from."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

TAIL_START = 5.0  # standard deviations from where the tails are compressed
OUTLIER_SHARE = 0.005  # of the values at either end that may be left out of the scale
OUTLIER_ROWS = 5_000  # rows that the outlier limits are estimated from, about
SATURATION = 1e15  # largest scaled size: its square, summed over units, fits float32
MAX_SHIFT = 1e-4  # of a scaled value by rounding the centre to float32
MAX_QUANTILES = 1_000  # of a column
END_LEVEL = 1e-7  # of the ends of the range; its normal score is -5.2
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

    @cached_property
    def needs_float64(self) -> bool:
        """Whether float32 cannot hold centre and scale well enough."""
        tiny, huge = np.finfo(np.float32).tiny, np.finfo(np.float32).max
        if not ((self.scale > tiny) & (self.scale < huge)).all():
            return True
        if not (np.abs(self.center) < huge).all():
            return True
        shift = np.abs(self.center - self.center.astype(np.float32))
        return bool((shift > MAX_SHIFT * self.scale).any())

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Scaled values; beyond the tail start t they are ``t + log(1 + z - t)``.

        They are computed in X's dtype unless that overflows or rounds too coarsely.
        """
        if X.dtype == np.float32 and self.needs_float64:
            return self._saturated(X)
        with np.errstate(over="ignore"):
            Z = X - self.center.astype(X.dtype, copy=False)
            Z /= self.scale.astype(X.dtype, copy=False)
        limit = min(self.tail_start, SATURATION)
        # False where a value is missing, too
        if Z.size and not (-limit <= Z.min() and Z.max() <= limit):
            if np.isinf(Z).any():
                return self._saturated(X)
            self._compress(Z)
        return Z

    def _saturated(self, X: np.ndarray) -> np.ndarray:
        """Scaled values by way of float64, limited to what the network can square."""
        with np.errstate(over="ignore"):
            Z = (X.astype(np.float64) - self.center) / self.scale
        largest = np.finfo(np.float64).max
        Z = np.clip(Z, -largest, largest)
        self._compress(Z)
        return Z.astype(X.dtype, copy=False)

    def _compress(self, Z: np.ndarray) -> None:
        """Bend the tails of scaled values, in place; without tails, limit them."""
        limit = self.tail_start
        if limit > SATURATION:
            np.clip(Z, -SATURATION, SATURATION, out=Z)
            return
        far = np.abs(Z) > limit
        beyond = np.log1p(np.abs(Z[far]) - limit)
        Z[far] = np.copysign(limit + beyond, Z[far])

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

    def part(self, chosen: np.ndarray) -> "AffineScaler":
        """The scaler of some of the columns."""
        return replace(self, center=self.center[chosen], scale=self.scale[chosen])


@dataclass(frozen=True)
class QuantileScaler:
    """Normal scores of the ranks, standardised; constant columns are only centred.

    Ties at an end of the range get the score of that end, 5.2, so that the scores of
    a column with many ties are far from standard before. scikit-learn's
    QuantileTransformer takes what lies within 1e-7 of an end for that end, which ruins
    columns in small units.
    """

    quantiles: np.ndarray  # (n_quantiles, n_numeric), ascending
    mean: np.ndarray  # of the scores, (n_numeric,)
    std: np.ndarray
    affine: AffineScaler
    is_constant: np.ndarray  # (n_numeric,) bool
    tail_start: float = np.inf

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Standardised normal scores."""
        Z = (normal_scores(X, self.quantiles) - self.mean) / self.std
        constant = self.is_constant
        Z[:, constant] = self.affine.part(constant).forward(X[:, constant])
        return Z.astype(X.dtype, copy=False)

    def inverse(self, Z: np.ndarray) -> np.ndarray:
        """Values in the user's units, within the range seen in fit."""
        levels = ndtr(Z.astype(np.float64) * self.std + self.mean)
        levels = (levels - END_LEVEL) / (1 - 2 * END_LEVEL)
        known = np.linspace(0, 1, len(self.quantiles))
        # next to an outlier the quantiles are so steep that rounding would be seen
        nearest = np.rint(np.nan_to_num(levels) * (len(known) - 1)).astype(np.intp)
        nearest = known[np.clip(nearest, 0, len(known) - 1)]
        levels = np.where(np.abs(levels - nearest) < 1e-14, nearest, levels)
        X = np.empty(Z.shape)
        for j, quantiles in enumerate(self.quantiles.T):
            X[:, j] = np.interp(levels[:, j], known, quantiles)
        constant = self.is_constant
        X[:, constant] = self.affine.part(constant).inverse(Z[:, constant])
        return X

    def spread(self, moments: "Moments") -> np.ndarray:
        """That of standardised scores: 1."""
        return np.ones_like(moments.std)


def quantiles_of(X: np.ndarray, n_quantiles: int) -> np.ndarray:
    """Return evenly spaced quantiles of each column, NaN left out."""
    levels = np.linspace(0, 1, n_quantiles)
    quantiles = np.empty((n_quantiles, X.shape[1]))
    for j, column in enumerate(X.T):
        values = np.sort(column[~np.isnan(column)])
        quantiles[:, j] = np.interp(levels, np.linspace(0, 1, len(values)), values)
    return quantiles


def normal_scores(X: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the normal scores of values among quantiles, float64; NaN stays NaN.

    A value that several quantiles share gets their mean level, but one at an end of
    the range the level of that end.
    """
    levels = np.linspace(0, 1, len(quantiles))
    found = np.empty(X.shape)
    for j, known in enumerate(quantiles.T):
        values = _unrounded(X[:, j], known)
        from_below = np.interp(values, known, levels)
        from_above = np.interp(-values, -known[::-1], levels)
        level = (from_below + 1 - from_above) / 2
        level[values <= known[0]] = 0
        level[values >= known[-1]] = 1
        found[:, j] = level
    return ndtri(END_LEVEL + (1 - 2 * END_LEVEL) * found)


def _unrounded(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return values as float64, roundings of a quantile to float32 as the quantile.

    Else a value that is tied in training would lie beside the tie, and get the level of
    its neighbours, when it is served in float32.
    """
    if values.dtype != np.float32:
        return values.astype(np.float64)
    rounded = quantiles.astype(np.float32)
    place = np.minimum(np.searchsorted(rounded, values), len(rounded) - 1)
    return np.where(rounded[place] == values, quantiles[place], values)


@dataclass(frozen=True)
class Moments:
    """What scaling needs to know of each numeric column."""

    mean: np.ndarray
    std: np.ndarray  # the size of the value for constant columns
    low: np.ndarray
    high: np.ndarray
    has_values: np.ndarray  # bool: some value was observed
    is_constant: np.ndarray  # bool


TakeAll = Callable[[], np.ndarray]


def _standard(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    return metric


def _minmax(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    width = np.where(moments.is_constant, 1.0, moments.high - moments.low)
    return AffineScaler(moments.low, width)


def _quantile(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    constant = moments.is_constant | ~moments.has_values
    if constant.all():
        return metric
    X = take()
    X[:, constant] = 0
    quantiles = quantiles_of(X, min(MAX_QUANTILES, len(X)))
    scores = normal_scores(X, quantiles)
    mean, std = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0)
    std[constant | (std == 0)] = 1
    return QuantileScaler(quantiles, mean, std, metric, constant)


def _unscaled(metric: AffineScaler, moments: Moments, take: TakeAll) -> Scaler:
    return AffineScaler(np.zeros_like(moments.mean), np.ones_like(moments.mean))


# name: the scaler from the one that measures errors, the moments and the numbers
SCALINGS: dict[str | None, Callable[[AffineScaler, Moments, TakeAll], Scaler]] = {
    "standard": _standard,
    "minmax": _minmax,
    "quantile": _quantile,
    None: _unscaled,
}


def _outlier_limits(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits beyond which a value does not count in mean and spread.

    They lie one inner range outside of it, and the inner range holds all but
    `OUTLIER_SHARE` of the values at either end: 7.7 standard deviations from the mean
    of a Gaussian. At most two `OUTLIER_SHARE` of the values fall outside.
    """
    quantile = np.nanquantile if np.isnan(X).any() else np.quantile
    low, high = quantile(X, [OUTLIER_SHARE, 1 - OUTLIER_SHARE], axis=1)
    width = np.where(high > low, high - low, np.inf)
    return low - width, high + width


@np.errstate(over="ignore", invalid="ignore")  # a variance that is not finite says so
def _block_moments(X: np.ndarray, weights: np.ndarray | None) -> Moments:
    """Moments of some columns, NaN left out, and outliers from mean and spread.

    `X` is (n_columns, n_rows) float64 and is overwritten. Values that are too large
    to be squared, or to be subtracted, make a standard deviation that is not finite.
    """
    low, high = X.min(axis=1), X.max(axis=1)  # NaN where one is missing
    has_values = ~np.isnan(low)
    complete = has_values.all()
    if not complete:
        has_values = ~np.isnan(X).all(axis=1)
        X[~has_values] = 0
        low, high = np.nanmin(X, axis=1), np.nanmax(X, axis=1)
    step = -(-X.shape[1] // OUTLIER_ROWS)
    sample = X[:, ::step]
    if np.isnan(sample).all(axis=1).any():
        sample = X
    low_limit, high_limit = _outlier_limits(sample)
    share = None if weights is None else weights[None, :]
    if not complete or (low < low_limit).any() or (high > high_limit).any():
        # False for NaN
        counted = (low_limit[:, None] <= X) & (high_limit[:, None] >= X)
        X[~counted] = 0
        share = counted if share is None else counted * share

    def mean_of(values: np.ndarray) -> np.ndarray:
        if share is None:
            return values.mean(axis=1)
        return (values * share).sum(axis=1) / share.sum(axis=1)

    mean = mean_of(X)
    X -= mean[:, None]
    variance = mean_of(np.square(X, out=X))
    variance[~np.isfinite(high - low)] = np.inf
    # no more spread than rounding makes of a constant
    rounding = (10 * np.finfo(np.float64).eps * np.abs(mean)) ** 2
    constant = (low == high) | (variance <= rounding)
    # a constant is measured by its own size, whatever its unit
    size = np.where(mean == 0, 1.0, np.abs(mean))
    std = np.where(constant, size, np.sqrt(np.where(constant, 1.0, variance)))
    std[~np.isfinite(variance)] = np.inf
    return Moments(mean, std, low, high, has_values, constant)


def moments_of(
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
