"""Corruption models: what is done to the input that the network learns to undo.

A noise acts on arrays in scaled space, where the features of a numeric column are
the column itself and those of a categorical column a one-hot group. It corrupts
*cells*, one per row and column. Additive noises act on numeric columns only; the
others take a categorical cell as a whole, and either zero its group or exchange it
for the group of another row, so that no half categories arise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array
from sklearn.utils.metaestimators import _BaseComposition

from skdae._random import RandomState, bernoulli, spawn_streams

__all__ = [
    "NOISES",
    "ComposedNoise",
    "DriftNoise",
    "DropoutNoise",
    "GaussianNoise",
    "Layout",
    "MaskingNoise",
    "Noise",
    "PerRowNoise",
    "SaltAndPepperNoise",
    "SpikeNoise",
    "StuckNoise",
    "SwapNoise",
    "make_noise",
]

_BLOCK_CELLS = 2**20

Corrupted = tuple[NDArray[np.floating], NDArray[np.bool_]]

# --------------------------------------------------------------------------- layout


@dataclass(frozen=True, eq=False)
class Layout:
    """What a noise knows of the features: their columns, kinds, spreads and ranges.

    These facts come from the training data, so that a corruption of one batch, or of
    one row, is the same as in the whole.

    Parameters
    ----------
    numeric : ndarray of bool of shape (n_features,)
        Whether the feature is a numeric column; False for members of a one-hot group.
    scale : ndarray of shape (n_features,)
        Standard deviation in the training data, in scaled units.
    low, high : ndarray of shape (n_features,)
        Smallest and largest value in the training data, in scaled units.
    column_of : ndarray of int of shape (n_features,) or None, default=None
        Index of the column that a feature belongs to, covering 0 to n_columns - 1.
        None: each feature is a column of its own.

    Raises
    ------
    ValueError
        If the shapes differ, column indices leave gaps, or a numeric column has
        several features.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout.from_data([[0.0, 1.0], [2.0, np.nan]])
    >>> layout.scale.tolist(), layout.high.tolist()
    ([1.0, 0.0], [2.0, 1.0])
    """

    numeric: NDArray[np.bool_]
    scale: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]
    column_of: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        for name in ("scale", "low", "high", "column_of"):
            value = getattr(self, name)
            if value is not None and np.shape(value) != self.numeric.shape:
                raise ValueError(
                    f"{name} of shape {np.shape(value)} must have one entry per "
                    f"feature, as numeric has ({len(self.numeric)}); pass arrays of "
                    "the same length."
                )
        if self.column_of is None:
            return
        if not np.array_equal(np.unique(self.column_of), np.arange(self.n_columns)):
            raise ValueError(
                f"column_of={self.column_of!r} must use every index from 0 to "
                f"{self.n_columns - 1}; number the columns without gaps."
            )
        n_parts = np.bincount(self.column_of, minlength=self.n_columns)
        if (n_parts[self.column_of[self.numeric]] > 1).any():
            raise ValueError(
                f"column_of={self.column_of!r} must give each numeric feature a "
                "column of its own; only one-hot groups share one."
            )

    @classmethod
    def from_data(cls, X: ArrayLike) -> Layout:
        """Return the layout of numeric data, each feature a column of its own.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data; NaN cells are left out, and a feature of NaN alone gets
            scale, low and high 0.

        Returns
        -------
        Layout
            Scale, low and high of each feature, float64.
        """
        X = np.asarray(X)
        n, n_features = X.shape
        facts = np.empty((3, n_features))
        width = max(1, _BLOCK_CELLS // max(n, 1))
        for first in range(0, n_features, width):  # bounds the memory of the copies
            part = slice(first, first + width)
            facts[:, part] = _spread(np.asarray(X[:, part], dtype=np.float64))
        scale, low, high = facts
        return cls(np.ones(n_features, dtype=bool), scale, low, high)

    @property
    def n_features(self) -> int:
        """Number of features, one-hot members counted one by one."""
        return len(self.numeric)

    @cached_property
    def n_columns(self) -> int:
        """Number of columns, a one-hot group counted once."""
        if self.column_of is None:
            return self.n_features
        return int(self.column_of.max()) + 1

    @cached_property
    def numeric_columns(self) -> NDArray[np.bool_]:
        """Whether each column is numeric, of shape (n_columns,)."""
        if self._is_plain:
            return self.numeric
        numeric = np.zeros(self.n_columns, dtype=bool)
        numeric[self.column_of] = self.numeric
        return numeric

    @cached_property
    def _is_plain(self) -> bool:
        """Whether features and columns are the same things in the same order."""
        return self.column_of is None or np.array_equal(
            self.column_of, np.arange(self.n_features)
        )

    def to_features(self, values: NDArray) -> NDArray:
        """Give each feature the value of its column.

        Parameters
        ----------
        values : ndarray of shape (..., n_columns), or one that does not vary by column
            Values per column; a scalar or a last axis of length 1 stays as it is.

        Returns
        -------
        ndarray of shape (..., n_features)
            The input itself where there is nothing to spread.
        """
        is_same = self._is_plain or np.ndim(values) == 0 or values.shape[-1] == 1
        if self.column_of is None or is_same:
            return values
        return np.take(values, self.column_of, axis=-1)


def _spread(X: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
    """Return standard deviation, minimum and maximum per column, 0 if all NaN."""
    seen = ~np.isnan(X)
    some = seen.any(axis=0)
    n_seen = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, X, 0.0).sum(axis=0) / n_seen
    variance = (np.where(seen, X - mean, 0.0) ** 2).sum(axis=0) / n_seen
    low = np.where(some, np.where(seen, X, np.inf).min(axis=0), 0.0)
    high = np.where(some, np.where(seen, X, -np.inf).max(axis=0), 0.0)
    # A constant column has exactly no spread, whatever the mean was rounded to.
    return np.where(low < high, np.sqrt(variance), 0.0), low, high


# ------------------------------------------------------- rules: what is wrong, or None


def _is_integer(value: Any) -> bool:
    """Tell integers, also those of numpy, from bools and the rest."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _numbers_rule(value: Any, n_entries: int | None, per: str) -> str | None:
    """Say what is wrong with a number or a list of one number per `per`."""
    entries = np.asarray(value)
    if isinstance(value, bool) or entries.dtype.kind not in "iuf" or entries.ndim > 1:
        return f"must be a number or a one-dimensional array of numbers, one per {per}."
    if entries.ndim and n_entries is not None and len(entries) != n_entries:
        return (
            f"has {len(entries)} entries, but there are {n_entries} {per}s; pass one "
            f"number for all, or one per {per}."
        )
    return None


def _share_rule(
    value: Any, n_columns: int | None = None, per: str = "column"
) -> str | None:
    """Say what is wrong with a share of cells."""
    complaint = _numbers_rule(value, n_columns, per)
    entries = np.asarray(value)
    if complaint is None and not ((entries >= 0) & (entries <= 1)).all():
        return "must lie in [0, 1], as a share of cells; write 25 % as 0.25."
    return complaint


def _scale_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Say what is wrong with an amplitude in standard deviations."""
    complaint = _numbers_rule(value, n_columns, "column")
    entries = np.asarray(value)
    if complaint is None and not ((entries >= 0) & np.isfinite(entries)).all():
        return (
            "must be finite and at least 0, in standard deviations of the column; "
            "0.25 is a mild noise."
        )
    return complaint


def _length_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Say what is wrong with a number of rows."""
    if not _is_integer(value) or value < 1:
        return "must be an integer of at least 1, a number of rows; 10 is a start."
    return None


def _minimum_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Say what is wrong with the lower end of a factor."""
    if np.ndim(value) or _share_rule(value) is not None:
        return (
            "must be one number in [0, 1], the lowest factor of a row; 0 lets rows "
            "be clean."
        )
    return None


def _groups_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Say what is wrong with groups of columns."""
    if _is_integer(value):
        return None if value >= 1 else "must be at least 1; 4 makes four groups."
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return "must be a number of groups or a list of lists of column indices."
    for group in value:
        columns = np.asarray(group)
        if columns.ndim != 1 or len(columns) == 0 or columns.dtype.kind not in "iu":
            return f"must hold lists of column indices, but one group is {group!r}."
        if columns.min() < 0 or (n_columns is not None and columns.max() >= n_columns):
            last = "" if n_columns is None else f" to {n_columns - 1}"
            return f"names a column outside 0{last} in the group {group!r}; drop it."
    return None


def _noise_rule(value: Any, n_columns: int | None = None) -> str | None:
    """Say what is wrong with an object that should be a noise."""
    if isinstance(value, Noise):
        return None
    return "must be a noise object, such as MaskingNoise(0.25)."


# --------------------------------------------------------------------- the base class


class Noise(BaseEstimator):
    """Base of all corruption models: validation outside, one core method inside.

    To add a model, derive from this class, store the parameters in ``__init__``, list
    their rules in ``_rules`` and write :meth:`apply`; then give it a name in
    :data:`NOISES`. As an estimator without ``fit`` a noise can be cloned, printed and
    searched over (``noise__rate``).

    Examples
    --------
    >>> import numpy as np
    >>> X_corrupted, mask = MaskingNoise(0.5).corrupt(np.ones((4, 3)), random_state=0)
    >>> bool((X_corrupted == ~mask).all())
    True
    """

    _rules: ClassVar[dict[str, Callable[[Any, int | None], str | None]]] = {}

    @property
    def ordered(self) -> bool:
        """Whether the noise reads the order of the rows, as faults in time do."""
        return False

    def check(self, n_columns: int | None = None) -> None:
        """Raise if a parameter is out of its range.

        Called once before :meth:`apply` is called many times.

        Parameters
        ----------
        n_columns : int or None, default=None
            Number of columns to be corrupted; None leaves the lengths of per-column
            parameters unchecked.

        Raises
        ------
        ValueError
            Names the parameter, its value, the rule and the remedy.
        """
        for name, rule in self._rules.items():
            self._raise(name, rule(getattr(self, name), n_columns))

    def _raise(self, name: str, complaint: str | None) -> None:
        """Raise a complaint about one parameter, if there is any."""
        if complaint is not None:
            value = getattr(self, name)
            raise ValueError(f"{name}={value!r} of {type(self).__name__} {complaint}")

    def corrupt(
        self,
        X: ArrayLike,
        *,
        random_state: RandomState = None,
        layout: Layout | None = None,
    ) -> Corrupted:
        """Return a corrupted copy of X, and where it was corrupted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data, never modified. Float32 and float64 are kept, other numbers become
            float64. A NaN cell stays NaN. A cell that would take over a NaN (from
            a donor row) is left as it was.
        random_state : int, RandomState, Generator or None, default=None
            An int gives the same corruption at every call; see
            :func:`skdae._random.spawn_streams`.
        layout : Layout or None, default=None
            Facts about the features; None takes them from X, all numeric.

        Returns
        -------
        X_corrupted : ndarray of shape (n_samples, n_features)
            The corrupted copy.
        mask : ndarray of bool of shape (n_samples, n_features)
            True where the noise acted; elsewhere X_corrupted equals X bit for bit.

        Raises
        ------
        ValueError
            If X is not a numeric matrix, holds infinities, does not fit the layout,
            or a parameter is out of its range.
        """
        clean: NDArray[np.floating] = check_array(
            X,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            input_name="X",
        )
        if layout is None:
            layout = Layout.from_data(clean)
        if layout.n_features != clean.shape[1]:
            raise ValueError(
                f"layout describes {layout.n_features} features, but X has "
                f"{clean.shape[1]}; build it from data with the columns of X."
            )
        self.check(layout.n_columns)
        generator = spawn_streams(random_state).corruption
        X_corrupted, mask = self.apply(clean, generator, layout)
        missing = np.isnan(clean) | np.isnan(X_corrupted)
        if missing.any():
            np.copyto(X_corrupted, clean, where=missing)
            mask &= ~missing
        return X_corrupted, mask

    def apply(
        self,
        Z: NDArray[np.floating],
        generator: np.random.Generator,
        layout: Layout,
        intensity: NDArray[np.floating] | None = None,
    ) -> Corrupted:
        """Return a corrupted copy of a batch, without checks: the core's entry.

        Parameters
        ----------
        Z : ndarray of shape (n, n_features), float32 or float64
            Scaled rows without NaN; never modified.
        generator : numpy.random.Generator
            Source of all draws.
        layout : Layout
            Facts about the features.
        intensity : ndarray of shape (n, 1) or None, default=None
            Factor in [0, 1] per row on the rate of the noise, or on the scale of a
            noise that is scale alone (Gaussian, drift).

        Returns
        -------
        Z_corrupted : ndarray of shape (n, n_features)
            A new array of the type of Z.
        mask : ndarray of bool of shape (n, n_features)
            True where the noise acted.
        """
        raise NotImplementedError(f"{type(self).__name__} must define apply().")

    def for_codes(self) -> Noise:
        """Return the same noise for hidden codes, whose width is not the input's.

        Stacked training corrupts codes. What is given per column then has no
        meaning: per-column rates and scales turn into their mean, and lists of
        columns into as many contiguous groups.

        Returns
        -------
        Noise
            A new object.
        """
        means = {
            name: float(np.mean(value))
            for name, value in self.get_params(deep=False).items()
            if name in ("rate", "scale") and np.ndim(value)
        }
        return clone(self).set_params(**means)


# -------------------------------------------------------- pieces shared by the models


def _times(rate: ArrayLike, intensity: NDArray | None) -> NDArray[np.floating]:
    """Return the rates of a batch: (), (n_columns,), (n, 1) or (n, n_columns)."""
    rates = np.asarray(rate, dtype=np.float64)
    return rates if intensity is None else rates * intensity


def _amplitude(scale: ArrayLike, layout: Layout) -> NDArray[np.floating]:
    """Return the size of an additive noise per feature, 0 for categorical ones."""
    per_feature = layout.to_features(np.asarray(scale, dtype=np.float64))
    return per_feature * layout.scale * layout.numeric  # (n_features,)


def _zeroed(Z: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return a copy of Z that is 0 where the mask is True."""
    # As integers: as fast as a product, but exact, and without negative zeros.
    bits = np.dtype(f"i{Z.itemsize}")
    return (Z.view(bits) * ~mask).view(Z.dtype)


def _taken_over(
    Z: NDArray[np.floating],
    cells: NDArray[np.bool_],
    donors: NDArray[np.integer],
    layout: Layout,
) -> Corrupted:
    """Return a copy of Z whose cells hold what their donor rows hold there.

    `cells` is (n, n_columns); `donors` has one row index per True cell, row by row.
    """
    n_features = layout.n_features
    if layout._is_plain:
        mask = cells
        hits = np.flatnonzero(mask)
        features = hits % n_features
    else:
        donor_of = np.zeros(cells.shape, dtype=np.intp)
        donor_of[cells] = donors
        mask = layout.to_features(cells)
        hits = np.flatnonzero(mask)
        features = hits % n_features
        donors = layout.to_features(donor_of).ravel()[hits]
    Z_corrupted = Z.copy()
    Z_corrupted.reshape(-1)[hits] = Z.ravel()[donors * n_features + features]
    return Z_corrupted, mask


def _swapped(
    Z: NDArray[np.floating],
    cells: NDArray[np.bool_],
    generator: np.random.Generator,
    layout: Layout,
) -> Corrupted:
    """Return a copy of Z with each cell taken from another row of its own choice."""
    n = len(Z)
    if n < 2:  # no other row to take from
        return Z.copy(), np.zeros(Z.shape, dtype=bool)
    rows = np.flatnonzero(cells) // layout.n_columns
    donors = generator.integers(n - 1, size=len(rows))
    donors += donors >= rows  # skips the own row and keeps the others equally likely
    return _taken_over(Z, cells, donors, layout)


def _fault_age(
    generator: np.random.Generator,
    rate: NDArray[np.floating],
    n: int,
    n_columns: int,
    length: int,
) -> NDArray[np.integer]:
    """Return how many rows ago the last fault of a cell started: 1..length, or 0.

    Shape (n, n_columns). Faults start independently in each row and column, also in
    the `length` rows before the first one, so that the share of cells with a fault is
    `rate` from the first row on. `rate` may vary by row: that of the starting row
    counts (of the first row, before it).
    """
    start_rate = 1 - (1 - rate) ** (1 / length)
    if start_rate.ndim == 2:  # by row: those before the first are like the first
        before = np.repeat(start_rate[:1], length, axis=0)
        start_rate = np.concatenate([before, start_rate[:-1]])
    starts = bernoulli(generator, start_rate, (n + length - 1, n_columns))
    times = np.arange(n + length - 1)[:, None]  # 0 is `length` rows before the first
    last = np.maximum.accumulate(np.where(starts, times, -1), axis=0)[length - 1 :]
    age = np.arange(length, n + length)[:, None] - last  # (n, n_columns)
    age[age > length] = 0  # over, or no start so far (last is -1)
    return age


# --------------------------------------------------------------------------- models


class MaskingNoise(Noise):
    """Set a share of the cells to 0, as a lost reading does.

    The network must fill cells from the others. A categorical cell loses its group.

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

    _rules = {"rate": _share_rule}

    def __init__(self, rate: ArrayLike = 0.25) -> None:
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        shape = (len(Z), layout.n_columns)
        cells = bernoulli(generator, _times(self.rate, intensity), shape)
        mask = layout.to_features(cells)
        return _zeroed(Z, mask), mask


class GaussianNoise(Noise):
    """Add a normal error, as an imprecise sensor does.

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

    _rules = {"scale": _scale_rule, "rate": _share_rule}

    def __init__(self, scale: ArrayLike = 0.25, *, rate: ArrayLike = 1.0) -> None:
        self.scale = scale
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        amplitude = _amplitude(self.scale, layout)  # (n_features,)
        rate = layout.to_features(_times(self.rate, None)) * (amplitude > 0)
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

    Both are equally likely, as with a reading that hits a stop. A categorical cell
    takes the category of another row, since it has no extremes.

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

    _rules = {"rate": _share_rule}

    def __init__(self, rate: ArrayLike = 0.25) -> None:
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        shape = (len(Z), layout.n_columns)
        cells = bernoulli(generator, _times(self.rate, intensity), shape)
        categorical = cells & ~layout.numeric_columns
        Z_corrupted, mask = _swapped(Z, categorical, generator, layout)
        numeric = layout.to_features(cells & layout.numeric_columns)
        hits = np.flatnonzero(numeric)
        features = hits % layout.n_features
        is_high = bernoulli(generator, 0.5, hits.shape)
        extremes = np.where(is_high, layout.high[features], layout.low[features])
        Z_corrupted.reshape(-1)[hits] = extremes
        return Z_corrupted, mask | numeric


class SwapNoise(Noise):
    """Replace a share of the cells by the value of the same column in another row.

    Swapped values are plausible one by one and wrong together, so the network must
    learn how columns depend on each other. **Each cell has a donor row of its own**:
    one donor for all cells of a row would keep the donor's joint structure. A row
    is never its own donor; a single row has no donor and is left as it is.

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

    _rules = {"rate": _share_rule}

    def __init__(self, rate: ArrayLike = 0.25) -> None:
        self.rate = rate

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        shape = (len(Z), layout.n_columns)
        cells = bernoulli(generator, _times(self.rate, intensity), shape)
        return _swapped(Z, cells, generator, layout)


class StuckNoise(Noise):
    """Hold old values for a while, as a stuck sensor does.

    Rows count in the order given. From a start row on, the sensor shows that row's
    value during the `length` rows that follow, or until it sticks anew. A sensor that
    was stuck before the first row shows the first row's value; the first row itself
    is never changed.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Expected share of stuck cells in [0, 1] (after the first row), for all columns
        or per column. At 1 each row starts anew and shows the row before it.
    length : int, default=10
        Number of rows that a value is held.

    Notes
    -----
    A start in each row with the probability ``1 - (1 - rate) ** (1 / length)`` leaves
    a cell free with the probability ``1 - rate``.

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

    _rules = {"rate": _share_rule, "length": _length_rule}

    def __init__(self, rate: ArrayLike = 0.25, *, length: int = 10) -> None:
        self.rate = rate
        self.length = length

    @property
    def ordered(self) -> bool:
        """Whether the noise reads the order of the rows: it does."""
        return True

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        n = len(Z)
        rate = _times(self.rate, intensity)
        age = _fault_age(generator, rate, n, layout.n_columns, self.length)
        cells = age > 0
        cells[:1] = False
        start = np.maximum(np.arange(n)[:, None] - age, 0)
        return _taken_over(Z, cells, start[cells], layout)


class SpikeNoise(Noise):
    """Add large, lone errors of either sign, as electrical disturbances do.

    Acts on numeric columns only, and not on those that are constant.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.05
        Share of cells in [0, 1], for all columns or per column.
    scale : float or array-like of shape (n_columns,), default=5.0
        Mean size of a spike, in standard deviations of the column; sizes are uniform
        between half and one and a half of it.

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

    _rules = {"rate": _share_rule, "scale": _scale_rule}

    def __init__(self, rate: ArrayLike = 0.05, *, scale: ArrayLike = 5.0) -> None:
        self.rate = rate
        self.scale = scale

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        amplitude = _amplitude(self.scale, layout)  # (n_features,)
        rate = layout.to_features(_times(self.rate, intensity)) * (amplitude > 0)
        mask = bernoulli(generator, rate, Z.shape)
        hits = np.flatnonzero(mask)
        size = generator.uniform(0.5, 1.5, len(hits))
        sign = np.where(bernoulli(generator, 0.5, hits.shape), 1.0, -1.0)
        Z_corrupted = Z.copy()
        Z_corrupted.reshape(-1)[hits] += sign * size * amplitude[hits % Z.shape[1]]
        return Z_corrupted, mask


class DriftNoise(Noise):
    """Add errors that grow from row to row, as a sensor that loses its calibration.

    Rows count in the order given. After a start row, the error of a column grows
    evenly over the `length` rows that follow, up to the scale, with a random sign; a
    new start begins at 0 again. Acts on numeric columns only, and not on those that
    are constant.

    Parameters
    ----------
    rate : float or array-like of shape (n_columns,), default=0.25
        Expected share of drifting cells in [0, 1], for all columns or per column.
        At 1 each row starts anew, and no error grows past its first step.
    scale : float or array-like of shape (n_columns,), default=1.0
        Largest error of a drift, in standard deviations of the column.
    length : int, default=50
        Number of rows that a drift lasts.

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

    _rules = {"rate": _share_rule, "scale": _scale_rule, "length": _length_rule}

    def __init__(
        self, rate: ArrayLike = 0.25, *, scale: ArrayLike = 1.0, length: int = 50
    ) -> None:
        self.rate = rate
        self.scale = scale
        self.length = length

    @property
    def ordered(self) -> bool:
        """Whether the noise reads the order of the rows: it does."""
        return True

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        n, length = len(Z), self.length
        rate = _times(self.rate, None)
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
    """Set whole groups of columns to 0, as a lost connection or power supply does.

    The network must fill a group from the others, not from its closest neighbours.

    Parameters
    ----------
    rate : float or array-like of shape (n_groups,), default=0.25
        Probability in [0, 1] that a group is lost in a row, for all groups or per
        group.
    groups : int or list of lists of int, default=4
        Number of contiguous groups of about equal size (with fewer columns than
        that, each column is a group), or the column indices of each group. A column
        in no list is never lost; one in several is lost with any of them.

    Examples
    --------
    >>> import numpy as np
    >>> noise = DropoutNoise([1.0, 0.0], groups=[[0, 3], [1]])
    >>> noise.corrupt(np.ones((1, 4)))[0].tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """

    _rules = {"groups": _groups_rule}

    def __init__(
        self, rate: ArrayLike = 0.25, *, groups: int | list[list[int]] = 4
    ) -> None:
        self.rate = rate
        self.groups = groups

    def check(self, n_columns: int | None = None) -> None:  # noqa: D102
        super().check(n_columns)
        n_groups = None if n_columns is None else len(self._columns_of(n_columns))
        self._raise("rate", _share_rule(self.rate, n_groups, per="group"))

    def _columns_of(self, n_columns: int) -> list[NDArray[np.integer]]:
        """Return the column indices of each group."""
        if isinstance(self.groups, (list, tuple)):
            return [np.asarray(group) for group in self.groups]
        return np.array_split(np.arange(n_columns), min(self.groups, n_columns))

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        groups = self._columns_of(layout.n_columns)
        rate = _times(self.rate, intensity)
        lost = bernoulli(generator, rate, (len(Z), len(groups)))
        cells = np.zeros((len(Z), layout.n_columns), dtype=bool)
        for k, columns in enumerate(groups):
            cells[:, columns] |= lost[:, k : k + 1]
        mask = layout.to_features(cells)
        return _zeroed(Z, mask), mask

    def for_codes(self) -> Noise:  # noqa: D102
        noise = super().for_codes()
        if isinstance(self.groups, (list, tuple)):
            noise.set_params(groups=len(self.groups))
        return noise


class PerRowNoise(Noise):
    """Corrupt some rows more than others: a factor per row on another noise.

    Each row draws a factor between `minimum` and 1 that multiplies the rate of the
    inner noise, or the scale of one that is scale alone (Gaussian, drift). The
    network then meets nearly clean rows as well as bad ones, and its error on clean
    rows stays meaningful, which serves anomaly scores.

    Parameters
    ----------
    noise : Noise
        The noise at its strongest.
    minimum : float, default=0.0
        Lowest factor in [0, 1]; 1 is the inner noise itself.

    Examples
    --------
    >>> import numpy as np
    >>> noise = PerRowNoise(MaskingNoise(1.0))
    >>> _, mask = noise.corrupt(np.ones((1000, 8)), random_state=0)
    >>> round(float(mask.mean()), 1)
    0.5
    """

    _rules = {"noise": _noise_rule, "minimum": _minimum_rule}

    def __init__(self, noise: Noise, *, minimum: float = 0.0) -> None:
        self.noise = noise
        self.minimum = minimum

    @property
    def ordered(self) -> bool:
        """Whether the inner noise reads the order of the rows."""
        return self.noise.ordered

    def check(self, n_columns: int | None = None) -> None:  # noqa: D102
        super().check(n_columns)
        self.noise.check(n_columns)

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        factor = generator.uniform(self.minimum, 1.0, (len(Z), 1))
        return self.noise.apply(Z, generator, layout, _times(factor, intensity))

    def for_codes(self) -> Noise:  # noqa: D102
        return PerRowNoise(self.noise.for_codes(), minimum=self.minimum)


class ComposedNoise(Noise, _BaseComposition):
    """Apply several noises, one after the other.

    Real data are hit by more than one thing. Each noise acts on what the ones before
    it left, and a cell counts as corrupted if any of them acted on it.

    Parameters
    ----------
    noises : list of (str, Noise) tuples
        Names and noises in the order of application. The names reach the parameters
        inside: ``set_params(swap__rate=0.1)``.

    Examples
    --------
    >>> noise = ComposedNoise([("swap", SwapNoise(0.1)), ("error", GaussianNoise())])
    >>> noise.set_params(swap__rate=0.2).get_params()["swap__rate"]
    0.2
    """

    def __init__(self, noises: list[tuple[str, Noise]]) -> None:
        self.noises = noises

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with those of the noises inside.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the noises by name and their parameters.

        Returns
        -------
        dict
            Values by parameter name.
        """
        return self._get_params("noises", deep=deep)

    def set_params(self, **params: Any) -> ComposedNoise:
        """Set parameters, also of the noises inside.

        Parameters
        ----------
        **params : dict
            ``noises``, a name for another noise in its place, or ``name__parameter``.

        Returns
        -------
        ComposedNoise
            This object.
        """
        self._set_params("noises", **params)
        return self

    @property
    def ordered(self) -> bool:
        """Whether any of the noises reads the order of the rows."""
        return any(noise.ordered for _, noise in self.noises)

    def check(self, n_columns: int | None = None) -> None:  # noqa: D102
        self._raise("noises", _noises_rule(self.noises))
        for _, noise in self.noises:
            noise.check(n_columns)

    def apply(self, Z, generator, layout, intensity=None):  # noqa: D102
        Z_corrupted, mask = Z, np.zeros(Z.shape, dtype=bool)
        for _, noise in self.noises:
            Z_corrupted, acted = noise.apply(Z_corrupted, generator, layout, intensity)
            mask |= acted
        return Z_corrupted, mask

    def for_codes(self) -> Noise:  # noqa: D102
        return ComposedNoise([(name, noise.for_codes()) for name, noise in self.noises])


def _noises_rule(value: Any) -> str | None:
    """Say what is wrong with a list of named noises."""
    remedy = "such as [('swap', SwapNoise(0.1)), ('error', GaussianNoise(0.1))]."
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return f"must be a list of (name, noise) tuples, {remedy}"
    names = []
    for entry in value:
        if not (
            isinstance(entry, (list, tuple))
            and len(entry) == 2
            and isinstance(entry[0], str)
            and isinstance(entry[1], Noise)
        ):
            return f"must hold (name, noise) tuples, but has {entry!r}; write {remedy}"
        names.append(entry[0])
    if len(set(names)) < len(names):
        return f"must have different names, but has {names}; rename one."
    bad = [name for name in names if "__" in name or name == "noises" or not name]
    if bad:
        return f"has a name that parameters need for themselves: {bad}; rename it."
    return None


# ---------------------------------------------------------------------- names of them


def _random_masking(rate: ArrayLike) -> Noise:
    """Return masking with a rate per row between 0 and `rate`."""
    return PerRowNoise(MaskingNoise(rate))


def _random_gaussian(rate: ArrayLike) -> Noise:
    """Return a Gaussian error with a scale per row between 0 and `rate`."""
    return PerRowNoise(GaussianNoise(rate))


#: Names of the noises, with functions of the one number that a name leaves open: the
#: rate, or the scale of Gaussian errors.
NOISES: dict[str, Callable[[Any], Noise]] = {
    "masking": MaskingNoise,
    "gaussian": GaussianNoise,
    "salt_and_pepper": SaltAndPepperNoise,
    "swap": SwapNoise,
    "stuck": StuckNoise,
    "spike": SpikeNoise,
    "drift": DriftNoise,
    "dropout": DropoutNoise,
    "random_masking": _random_masking,
    "random_gaussian": _random_gaussian,
}


def make_noise(noise: str | Noise, rate: ArrayLike) -> Noise:
    """Return the noise that a name and a rate stand for.

    Names are enough for most searches; an object says everything else.

    Parameters
    ----------
    noise : str or Noise
        One of the names in :data:`NOISES`, or a noise object, which is returned as
        given: it has its own rate.
    rate : float or array-like of shape (n_columns,)
        Share of cells for a name; for Gaussian errors their scale, in standard
        deviations of the column; for dropped groups their probability.

    Returns
    -------
    Noise
        The noise; its parameters are not checked yet (:meth:`Noise.check`).

    Raises
    ------
    ValueError
        If the name is unknown, or the object is no noise.

    Examples
    --------
    >>> make_noise("swap", 0.1)
    SwapNoise(rate=0.1)
    """
    if isinstance(noise, Noise):
        return noise
    if isinstance(noise, str) and noise in NOISES:
        return NOISES[noise](rate)
    raise ValueError(
        f"noise={noise!r} must be one of {sorted(NOISES)} or a noise object, such as "
        "MaskingNoise(0.25); choose a name from the list or pass an object."
    )
