"""Where the network moves the points of a plane."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from skdae._transformer._checks import check_transformer
from skdae._transformer._outputs import network_reconstruction, outputs_of

MARGIN = 0.1  # of the range of each column, beyond both of its ends


@dataclass(frozen=True)
class ReconstructionField:
    """Points of a plane, and the way from each to what the network rebuilds of it.

    Attributes
    ----------
    points : ndarray of shape (n_grid ** 2, 2)
        In the user's units; the first column varies fastest.
    vectors : ndarray of shape (n_grid ** 2, 2)
        Reconstruction minus point.
    """

    points: np.ndarray
    vectors: np.ndarray


def reconstruction_field(estimator, X, *, columns=(0, 1), n_grid=20):
    """Where the network moves the points of the plane of two columns.

    A denoising network moves a point to where rows are denser: for small normal noise
    and the squared error, its reconstruction minus the point is the variance of the
    noise times the gradient of the logarithm of the density. So the vectors show what
    the network takes for the data, also in places without rows. It is the network
    alone, without the linear estimate of `reconstruct`.

    Parameters
    ----------
    estimator : GradualDAETransformer
        A fitted transformer.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, whose range is covered with a tenth beyond its ends.
    columns : tuple of two ints, default=(0, 1)
        Positions of the two numeric columns. All others are missing at the points, so
        that tables of two columns are shown best.
    n_grid : int, default=20
        Number of points along each column, at least 2.

    Returns
    -------
    ReconstructionField
        Points of a regular grid and their vectors.

    Raises
    ------
    ValueError
        If the columns are not two different numeric ones with values in X.

    See Also
    --------
    skdae.plotting.ReconstructionFieldDisplay : Draws it.

    References
    ----------
    G. Alain and Y. Bengio, "What regularized auto-encoders learn from the
    data-generating distribution", 2014.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skdae import GradualDAETransformer
    >>> from skdae.inspection import reconstruction_field
    >>> X, _ = make_moons(80, random_state=0)
    >>> dae = GradualDAETransformer(8, max_iter=4, random_state=0).fit(X)
    >>> reconstruction_field(dae, X, n_grid=5).vectors.shape
    (25, 2)
    """
    check_transformer(estimator, "reconstruction_field", "fit one on the table")
    places = _check_columns(columns, estimator.table_encoder_.numeric.tolist())
    if not isinstance(n_grid, Integral) or isinstance(n_grid, bool) or n_grid < 2:
        raise ValueError(f"n_grid={n_grid!r} must be an int of at least 2.")
    rows = estimator.table_encoder_.read(estimator, X)
    points = _grid(rows[:, places], int(n_grid))
    raw = np.full((len(points), rows.shape[1]), np.nan, dtype=rows.dtype)
    raw[:, places] = points
    rebuilt = outputs_of(estimator, network_reconstruction, raw)[:, places]
    return ReconstructionField(points, rebuilt - points)


def _check_columns(columns: Any, numeric: list[int]) -> list[int]:
    """Return the positions of two different numeric columns."""
    places = list(columns)
    if len(places) != 2 or len(set(places)) != 2 or not set(places) <= set(numeric):
        raise ValueError(
            f"columns={columns!r} must be the positions of two different numeric "
            f"columns, which are {numeric}; pass two of them."
        )
    return places


def _grid(rows: np.ndarray, n_grid: int) -> np.ndarray:
    """Return the points of a regular grid over the range of two columns."""
    if np.isnan(rows).all(axis=0).any():
        raise ValueError(
            "X has no observed cell in one of the columns, and so no range to cover; "
            "pass rows in which both are observed."
        )
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    ends = low - MARGIN * (high - low), high + MARGIN * (high - low)
    first, second = np.linspace(*ends, n_grid).T
    return np.column_stack([np.tile(first, n_grid), np.repeat(second, n_grid)])
