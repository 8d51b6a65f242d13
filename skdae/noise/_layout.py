"""Layout of the features that a noise corrupts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK_CELLS = 2**20


@dataclass(frozen=True, eq=False)
class Layout:
    """Columns, kinds, standard deviations and ranges of the features.

    They come from the training data, so that one batch or one row is corrupted by the
    same amount as the whole table.

    Parameters
    ----------
    numeric : ndarray of bool of shape (n_features,)
        Whether the feature is a numeric column; False for members of a one-hot group.
    scale : ndarray of shape (n_features,)
        Standard deviation in the training data, in scaled units.
    low, high : ndarray of shape (n_features,)
        Smallest and largest value in the training data, in scaled units.
    column_of : ndarray of int of shape (n_features,) or None, default=None
        Index of the column that a feature belongs to; every index from 0 to
        n_columns - 1 occurs. None: each feature is a column of its own.

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
            Training data; NaN cells are ignored, and a feature with NaN only gets
            scale, low and high 0.

        Returns
        -------
        Layout
            Scale, low and high of each feature, float64.
        """
        X = np.asarray(X)
        n, n_features = X.shape
        spread = np.empty((3, n_features))
        width = max(1, _BLOCK_CELLS // max(n, 1))
        for first in range(0, n_features, width):  # bounds the memory of the copies
            part = slice(first, first + width)
            spread[:, part] = _spread(np.asarray(X[:, part], dtype=np.float64))
        scale, low, high = spread
        return cls(np.ones(n_features, dtype=bool), scale, low, high)

    @property
    def n_features(self) -> int:
        """Number of features; each member of a one-hot group counts."""
        return len(self.numeric)

    @property
    def n_columns(self) -> int:
        """Number of columns; a one-hot group counts once."""
        if self.column_of is None:
            return self.n_features
        return int(self.column_of.max()) + 1

    @property
    def numeric_columns(self) -> NDArray[np.bool_]:
        """Whether each column is numeric, of shape (n_columns,)."""
        if self._is_one_to_one:
            return self.numeric
        numeric = np.zeros(self.n_columns, dtype=bool)
        numeric[self.column_of] = self.numeric
        return numeric

    @property
    def _is_one_to_one(self) -> bool:
        """Whether feature j is column j, for all j."""
        return self.column_of is None or np.array_equal(
            self.column_of, np.arange(self.n_features)
        )

    def to_features(self, values: NDArray) -> NDArray:
        """Return for each feature the value of its column.

        Parameters
        ----------
        values : ndarray of shape (..., n_columns), or one that does not vary by column
            Values per column; a scalar or a last axis of length 1 is returned
            unchanged.

        Returns
        -------
        ndarray of shape (..., n_features)
            The input itself where no value has to be repeated.
        """
        width = np.shape(values)[-1:]
        is_common = width == () or (width == (1,) and self.n_columns > 1)
        if is_common or self.column_of is None or self._is_one_to_one:
            return values
        return np.take(values, self.column_of, axis=-1)


def _spread(X: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
    """Return standard deviation, minimum and maximum per column, 0 if all NaN."""
    has_value = ~np.isnan(X)
    is_observed = has_value.any(axis=0)
    n_values = np.maximum(has_value.sum(axis=0), 1)
    mean = np.where(has_value, X, 0.0).sum(axis=0) / n_values
    variance = (np.where(has_value, X - mean, 0.0) ** 2).sum(axis=0) / n_values
    low = np.where(is_observed, np.where(has_value, X, np.inf).min(axis=0), 0.0)
    high = np.where(is_observed, np.where(has_value, X, -np.inf).max(axis=0), 0.0)
    # A constant column has a scale of exactly 0, however its mean was rounded.
    return np.where(low < high, np.sqrt(variance), 0.0), low, high
