"""How much codes change with the inputs, along the data and across them."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skdae._core.network import Network
from skdae._transformer._checks import check_transformer
from skdae.inspection._codes import codes_of

# slope of an activation, from its value
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda H: (H > 0).astype(H.dtype),
    "logistic": lambda H: H * (1 - H),
    "tanh": lambda H: 1 - H**2,
    "identity": np.ones_like,
}


@dataclass(frozen=True)
class NoiseSensitivity:
    """Root mean squared derivative of the code in directions of the inputs.

    Attributes
    ----------
    along : ndarray of shape (n_samples,)
        In the directions in which neighbouring rows differ.
    across : ndarray of shape (n_samples,)
        In the directions orthogonal to them, in which rows differ by noise; NaN where
        there are none.
    n_directions : ndarray of int of shape (n_samples,)
        Number of the directions along the data.
    """

    along: np.ndarray
    across: np.ndarray
    n_directions: np.ndarray


def jacobian(network: Network, z: np.ndarray) -> np.ndarray:
    """Return the derivative of the top code at one row, (n_features, n_units)."""
    slope = SLOPES[network.activation]
    J = np.eye(len(z))
    for layer, H in zip(network.encoder, network.codes(z[None]), strict=True):
        J = J @ layer.weight * slope(H)
    return J


def _check_settings(n_neighbors: Any, explained: Any, n_samples: int) -> None:
    """Raise if a setting is out of its range."""
    is_count = isinstance(n_neighbors, Integral) and not isinstance(n_neighbors, bool)
    if not is_count or not 1 <= n_neighbors < n_samples:
        raise ValueError(
            f"n_neighbors={n_neighbors!r} must be an int from 1 to {n_samples - 1}, "
            "the other rows of X; pass more rows or lower it."
        )
    if not isinstance(explained, Real) or not 0 < float(explained) < 1:
        raise ValueError(
            f"explained={explained!r} must lie in (0, 1); it is the share of the "
            "variance among neighbours that counts as along the data."
        )


def noise_sensitivity(estimator, X, *, n_neighbors=20, explained=0.9):
    """How much the code changes along the data and across them.

    A denoising network should be sensitive where rows differ from each other, and not
    in the other directions, in which the noise lies. The directions along the data are
    the principal ones of a row's neighbours; derivatives are exact.

    Parameters
    ----------
    estimator : GradualDAETransformer
        A fitted transformer.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows; the time grows with the square of the encoded features, so that some
        hundreds are a good number.
    n_neighbors : int, default=20
        Nearest rows of X that show the directions along the data.
    explained : float in (0, 1), default=0.9
        Share of the neighbours' variance in these directions.

    Returns
    -------
    NoiseSensitivity
        Both sensitivities of each row, in code per scaled input.

    References
    ----------
    S. Rifai, P. Vincent, X. Muller, X. Glorot and Y. Bengio, "Contractive
    auto-encoders: explicit invariance during feature extraction", 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAETransformer
    >>> from skdae.inspection import noise_sensitivity
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> dae = GradualDAETransformer((6, 3), max_iter=4, random_state=0).fit(X)
    >>> noise_sensitivity(dae, X).along.shape
    (60,)
    """
    check_transformer(estimator, "noise_sensitivity", "fit one on the table")
    Z = codes_of(estimator, X)[0].astype(np.float64)
    _check_settings(n_neighbors, explained, len(Z))
    neighbours = NearestNeighbors(n_neighbors=n_neighbors).fit(Z)
    nearest = neighbours.kneighbors(return_distance=False)  # without the row itself
    rows = [
        _row_sensitivity(estimator.network_, z, Z[index] - z, explained)
        for z, index in zip(Z, nearest, strict=True)
    ]
    along, across, n_directions = map(np.array, zip(*rows, strict=True))
    return NoiseSensitivity(along, across, n_directions)


def _row_sensitivity(
    network: Network, z: np.ndarray, differences: np.ndarray, explained: float
) -> tuple[float, float, int]:
    """Return the sensitivities of one row, and the number of directions along."""
    _, values, V = np.linalg.svd(differences, full_matrices=True)
    shares = np.cumsum(values**2) / max((values**2).sum(), np.finfo(float).tiny)
    n = int(np.searchsorted(shares, explained) + 1)
    n = min(n, len(values))
    squares = ((V @ jacobian(network, z)) ** 2).sum(axis=1)  # by direction
    across = np.sqrt(squares[n:].mean()) if n < len(V) else np.nan
    return float(np.sqrt(squares[:n].mean())), float(across), n
