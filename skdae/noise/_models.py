"""The corruption models, and the pieces they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdae._random import bernoulli
from skdae.noise._base import Corrupted, Noise, scaled_rate
from skdae.noise._layout import Layout
from skdae.noise._rules import SHARE_OF_GROUPS

Floats = NDArray[np.floating]
Cells = NDArray[np.bool_]
Draws = np.random.Generator


def _amplitude(scale: ArrayLike, layout: Layout) -> Floats:
    """Return the size of an additive noise per feature, 0 for categorical ones."""
    per_feature = layout.to_features(np.asarray(scale, dtype=np.float64))
    return per_feature * layout.scale * layout.numeric  # (n_features,)


def _draw_cells(rate, Z, generator, layout, intensity) -> Cells:
    """Return which cells to corrupt, (n, n_columns)."""
    shape = (len(Z), layout.n_columns)
    return bernoulli(generator, scaled_rate(rate, intensity), shape)


def _set_to_zero(Z: Floats, mask: Cells) -> Floats:
    """Return a copy of Z that is 0 where the mask is True."""
    # As integers: as fast as a product, but exact, and without negative zeros.
    bits = np.dtype(f"i{Z.itemsize}")
    kept = (~mask).astype(bits)
    return np.multiply(Z.view(bits), kept, out=kept).view(Z.dtype)


def _copy_cells(Z: Floats, cells: Cells, donors: NDArray, layout: Layout) -> Corrupted:
    """Return a copy of Z whose cells hold the values of their donor rows.

    `cells` is (n, n_columns); `donors` has one row index per True cell, row by row.
    """
    mask = layout.to_features(cells)
    hits = np.flatnonzero(mask)
    features = hits % layout.n_features
    if mask is not cells:  # a donor per feature instead of one per column
        donor_of = np.zeros(cells.shape, dtype=np.intp)
        donor_of[cells] = donors
        donors = layout.to_features(donor_of).ravel()[hits]
    Z_corrupted = Z.copy()
    Z_corrupted.reshape(-1)[hits] = Z.ravel()[donors * layout.n_features + features]
    return Z_corrupted, mask


def _swap_cells(Z: Floats, cells: Cells, generator: Draws, layout: Layout) -> Corrupted:
    """Return a copy of Z with each cell taken from another row, drawn for the cell."""
    n = len(Z)
    if n < 2:  # no other row to take from
        return Z.copy(), np.zeros(Z.shape, dtype=bool)
    rows = np.flatnonzero(cells) // layout.n_columns
    donors = generator.integers(n - 1, size=len(rows))
    donors += donors >= rows  # skips the own row; the others stay equally likely
    return _copy_cells(Z, cells, donors, layout)


def _fault_age(
    generator: Draws, rate: Floats, n: int, n_columns: int, length: int
) -> NDArray[np.integer]:
    """Return how many rows ago the last fault of a cell started: 1..length, or 0.

    Shape (n, n_columns). Faults start independently in each row and column, also in
    the `length` rows before the first one, so that the share of cells with a fault is
    `rate` from the first row on. Where `rate` varies by row, a fault has the rate of
    the row it starts in (of the first row, if it starts before it).
    """
    start_rate = 1 - (1 - rate) ** (1 / length)
    if start_rate.ndim == 2:  # by row: those before the first are like the first
        before = np.repeat(start_rate[:1], length, axis=0)
        start_rate = np.concatenate([before, start_rate[:-1]])
    starts = bernoulli(generator, start_rate, (n + length - 1, n_columns))
    row = np.arange(n + length - 1)[:, None]  # 0 is `length` rows before the first
    last = np.maximum.accumulate(np.where(starts, row, -1), axis=0)[length - 1 :]
    age = np.arange(length, n + length)[:, None] - last  # (n, n_columns)
    age[age > length] = 0  # the fault is over, or none has started (last is -1)
    return age


class MaskingNoise(Noise):
    """Set a share of the cells to 0, like missing readings.

    The network must predict these cells from the others. All features of a
    categorical cell are set to 0.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Share of cells in [0, 1], for all columns or per column.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol (2010), "Stacked
    denoising autoencoders", Journal of Machine Learning Research 11.

    Examples
    --------
    >>> import numpy as np
    >>> X_corrupted, mask = MaskingNoise(1.0).corrupt(np.ones((1, 3)))
    >>> X_corrupted.tolist()
    [[0.0, 0.0, 0.0]]
    """

    def __init__(self, rate: ArrayLike = 0.25) -> None:
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):
        cells = _draw_cells(self.rate, Z, generator, layout, intensity)
        mask = layout.to_features(cells)
        return _set_to_zero(Z, mask), mask


class GaussianNoise(Noise):
    """Add a normally distributed error, like an imprecise sensor.

    Acts on numeric columns only, and not on those that are constant.

    Parameters
    ----------
    scale : float or array-like of shape (n_columns,), default=0.25
        Standard deviation of the error, in standard deviations of the column.
    rate : float or array-like of shape (n_columns,), default=1.0
        Share of cells in [0, 1] that get an error.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol (2010), "Stacked
    denoising autoencoders", Journal of Machine Learning Research 11.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(1000.0).reshape(-1, 1)
    >>> X_corrupted, _ = GaussianNoise(0.1).corrupt(X, random_state=0)
    >>> round(float((X_corrupted - X).std() / X.std()), 1)
    0.1
    """

    def __init__(self, scale: ArrayLike = 0.25, *, rate: ArrayLike = 1.0) -> None:
        self.scale = scale
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):
        amplitude = _amplitude(self.scale, layout)  # (n_features,)
        rate = layout.to_features(scaled_rate(self.rate, None)) * (amplitude > 0)
        if intensity is not None:
            rate = rate * (intensity > 0)
        if (rate == 1).all():
            Z_corrupted = generator.standard_normal(Z.shape, dtype=Z.dtype)
            Z_corrupted *= amplitude.astype(Z.dtype)
            if intensity is not None:
                Z_corrupted *= intensity
            Z_corrupted += Z
            return Z_corrupted, np.ones(Z.shape, dtype=bool)
        mask = bernoulli(generator, rate, Z.shape)
        hits = np.flatnonzero(mask)
        rows, features = np.divmod(hits, layout.n_features)
        error = generator.standard_normal(len(hits), dtype=Z.dtype)
        error *= amplitude[features]
        if intensity is not None:
            error *= intensity[rows, 0]
        Z_corrupted = Z.copy()
        Z_corrupted.reshape(-1)[hits] += error
        return Z_corrupted, mask


class SaltAndPepperNoise(Noise):
    """Set a share of the cells to the lowest or highest value of their column.

    Both are equally likely, like a reading at the end of the sensor's range. A
    categorical cell takes the category of another row, since it has no extremes.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Share of cells in [0, 1], for all columns or per column.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol (2010), "Stacked
    denoising autoencoders", Journal of Machine Learning Research 11.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(100.0).reshape(-1, 1)
    >>> X_corrupted, _ = SaltAndPepperNoise(1.0).corrupt(X, random_state=0)
    >>> np.unique(X_corrupted).tolist()
    [0.0, 99.0]
    """

    def __init__(self, rate: ArrayLike = 0.25) -> None:
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):
        cells = _draw_cells(self.rate, Z, generator, layout, intensity)
        categorical = cells & ~layout.numeric_columns
        Z_corrupted, mask = _swap_cells(Z, categorical, generator, layout)
        numeric = layout.to_features(cells & layout.numeric_columns)
        hits = np.flatnonzero(numeric)
        features = hits % layout.n_features
        is_high = bernoulli(generator, 0.5, hits.shape)
        extremes = np.where(is_high, layout.high[features], layout.low[features])
        Z_corrupted.reshape(-1)[hits] = extremes
        return Z_corrupted, mask | numeric


class SwapNoise(Noise):
    """Replace a share of the cells by the value of the same column in another row.

    Each swapped value is plausible by itself and inconsistent with the rest of its row,
    so the network must learn how columns depend on each other. **Each cell has a donor
    row of its own**: one donor for all cells of a row would keep the donor's joint
    structure. A row is never its own donor; a table of one row is not changed.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Share of cells in [0, 1], for all columns or per column.

    References
    ----------
    D. Bahri, H. Jiang, Y. Tay, D. Metzler (2022), "SCARF: Self-supervised contrastive
    learning using random feature corruption", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0]])
    >>> SwapNoise(1.0).corrupt(X)[0].tolist()
    [[1.0], [0.0]]
    """

    def __init__(self, rate: ArrayLike = 0.25) -> None:
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):
        cells = _draw_cells(self.rate, Z, generator, layout, intensity)
        return _swap_cells(Z, cells, generator, layout)


class StuckNoise(Noise):
    """Repeat an earlier value for several rows, like a stuck sensor.

    Rows are taken in the order given. After a start row, the sensor repeats that row's
    value in the `length` rows that follow, or until the next start. A sensor that was
    stuck before the first row repeats the first row's value; the first row itself is
    never changed.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Expected share of stuck cells in [0, 1] (after the first row), for all columns
        or per column. At 1 every row is a start, and each row repeats the one before.
    length : int, default=10
        Number of rows that a value is held.

    Notes
    -----
    A start in each row with the probability ``1 - (1 - rate) ** (1 / length)`` leaves
    a cell unchanged with the probability ``1 - rate``.

    In training the rows come in random order: a stuck cell then has the sensor's
    value of some other time, the same for several rows of the batch.

    References
    ----------
    K. Ni et al. (2009), "Sensor network data fault types", ACM Transactions on Sensor
    Networks 5(3).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(4.0).reshape(-1, 1)
    >>> StuckNoise(1.0, length=2).corrupt(X)[0].ravel().tolist()
    [0.0, 0.0, 1.0, 2.0]
    """

    def __init__(self, rate: ArrayLike = 0.25, *, length: int = 10) -> None:
        self.rate = rate
        self.length = length

    def apply(self, Z, generator, layout, intensity=None):
        n = len(Z)
        rate = scaled_rate(self.rate, intensity)
        age = _fault_age(generator, rate, n, layout.n_columns, self.length)
        cells = age > 0
        cells[:1] = False
        start = np.maximum(np.arange(n)[:, None] - age, 0)
        return _copy_cells(Z, cells, start[cells], layout)


class SpikeNoise(Noise):
    """Add large errors of either sign to single cells, like electrical disturbances.

    Acts on numeric columns only, and not on those that are constant.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.05
        Share of cells in [0, 1], for all columns or per column.
    scale : float or array-like of shape (n_columns,), default=5.0
        Mean size of a spike, in standard deviations of the column; sizes are uniform
        between 0.5 and 1.5 times the mean.

    References
    ----------
    K. Ni et al. (2009), "Sensor network data fault types", ACM Transactions on Sensor
    Networks 5(3).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[-1.0], [1.0]])
    >>> X_corrupted, _ = SpikeNoise(1.0, scale=10).corrupt(X, random_state=0)
    >>> bool((abs(X_corrupted - X) >= 5).all())
    True
    """

    def __init__(self, rate: ArrayLike = 0.05, *, scale: ArrayLike = 5.0) -> None:
        self.rate = rate
        self.scale = scale

    def apply(self, Z, generator, layout, intensity=None):
        amplitude = _amplitude(self.scale, layout)  # (n_features,)
        rate = layout.to_features(scaled_rate(self.rate, intensity)) * (amplitude > 0)
        mask = bernoulli(generator, rate, Z.shape)
        hits = np.flatnonzero(mask)
        size = generator.uniform(0.5, 1.5, len(hits))
        sign = np.where(bernoulli(generator, 0.5, hits.shape), 1.0, -1.0)
        Z_corrupted = Z.copy()
        Z_corrupted.reshape(-1)[hits] += sign * size * amplitude[hits % Z.shape[1]]
        return Z_corrupted, mask


class DriftNoise(Noise):
    """Add errors that grow from row to row, like a sensor that loses its calibration.

    Rows are taken in the order given. After a start row, the error of a column grows
    linearly over the `length` rows that follow, up to the scale, with a random sign; a
    new start begins at 0 again. Acts on numeric columns only, and not on those that
    are constant.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Expected share of drifting cells in [0, 1], for all columns or per column.
        At 1 every row is a start, and no error grows beyond its first step.
    scale : float or array-like of shape (n_columns,), default=1.0
        Largest error of a drift, in standard deviations of the column.
    length : int, default=50
        Number of rows that a drift lasts.

    Notes
    -----
    In training the rows come in random order: a drifting cell then has an error of
    any size up to the scale, of one sign for several rows of the batch.

    References
    ----------
    K. Ni et al. (2009), "Sensor network data fault types", ACM Transactions on Sensor
    Networks 5(3).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1))
    >>> X_corrupted, _ = DriftNoise(0.5, scale=2.0).corrupt(X, random_state=0)
    >>> round(float(abs(X_corrupted - X).max() / X.std()), 6)
    2.0
    """

    def __init__(
        self, rate: ArrayLike = 0.25, *, scale: ArrayLike = 1.0, length: int = 50
    ) -> None:
        self.rate = rate
        self.scale = scale
        self.length = length

    def apply(self, Z, generator, layout, intensity=None):
        n, length = len(Z), self.length
        rate = scaled_rate(self.rate, None)
        age = _fault_age(generator, rate, n, layout.n_columns, length)
        # The sign belongs to the start of a drift, so it is drawn for every start row.
        is_up = bernoulli(generator, 0.5, (n + length, layout.n_columns))
        start = np.arange(length, n + length)[:, None] - age
        sign = np.where(np.take_along_axis(is_up, start, axis=0), 1.0, -1.0)
        ramp = sign * age / length  # (n, n_columns), within [-1, 1]
        if intensity is not None:
            ramp *= intensity
        amplitude = _amplitude(self.scale, layout)  # (n_features,)
        error = layout.to_features(ramp) * amplitude
        mask = error != 0
        return np.where(mask, Z + error.astype(Z.dtype), Z), mask


class DropoutNoise(Noise):
    """Set whole groups of columns to 0, like a failed connection or power supply.

    The network must predict a group from the other groups, not from the most similar
    columns.

    Parameters
    ----------
    rate : float or array-like of shape (n_groups,), default=0.25
        Probability in [0, 1] that a group is dropped in a row, for all groups or
        per group.
    groups : int or list of lists of int, default=4
        Number of contiguous groups of about equal size (with fewer columns than
        that, each column is a group), or the column indices of each group. A column
        in no list is never dropped; a column in several is dropped with any of them.

    Examples
    --------
    >>> import numpy as np
    >>> noise = DropoutNoise([1.0, 0.0], groups=[[0, 3], [1]])
    >>> noise.corrupt(np.ones((1, 4)))[0].tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """

    def __init__(
        self, rate: ArrayLike = 0.25, *, groups: int | list[list[int]] = 4
    ) -> None:
        self.rate = rate
        self.groups = groups

    _rules = {"rate": SHARE_OF_GROUPS}

    def check(self, n_columns: int | None = None) -> None:
        self._check_parameter("groups", n_columns)
        n_groups = None if n_columns is None else len(self._columns_of(n_columns))
        self._check_parameter("rate", n_groups)

    def _columns_of(self, n_columns: int) -> list[NDArray[np.integer]]:
        """Return the column indices of each group."""
        if isinstance(self.groups, (list, tuple)):
            return [np.asarray(group) for group in self.groups]
        return np.array_split(np.arange(n_columns), min(self.groups, n_columns))

    def apply(self, Z, generator, layout, intensity=None):
        groups = self._columns_of(layout.n_columns)
        rate = scaled_rate(self.rate, intensity)
        is_dropped = bernoulli(generator, rate, (len(Z), len(groups)))
        cells = np.zeros((len(Z), layout.n_columns), dtype=bool)
        for k, columns in enumerate(groups):
            cells[:, columns] |= is_dropped[:, k : k + 1]
        mask = layout.to_features(cells)
        return _set_to_zero(Z, mask), mask
