"""What the codes of the layers are like, and what can be read from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target

from skdae._transformer._checks import check_transformer
from skdae._transformer._outputs import Fitted

# codes in the outer twentieth of an activation's range, where its slope is below a
# fifth of the largest
SATURATED = {
    "logistic": lambda H: (H < 0.05) | (H > 0.95),
    "tanh": lambda H: np.abs(H) > 0.9,
}
PENALTIES = np.logspace(-3, 4, 8)  # of the probe, chosen by generalised validation


def codes_of(estimator: Any, X: Any) -> list[np.ndarray]:
    """Return the inputs of the network, then the codes of each layer."""
    fitted = Fitted.of(estimator)
    Z = fitted.inputs(estimator.table_encoder_.read(estimator, X))
    return [Z, *fitted.network.codes(Z)]


def _matrix(H: Any, name: str) -> np.ndarray:
    """Return codes as a table of at least two rows, centred."""
    H = check_array(H, dtype=np.float64, ensure_min_samples=2, input_name=name)
    return H - H.mean(axis=0)


def _spectrum(H: Any) -> np.ndarray:
    """Return the singular values of centred codes."""
    return np.linalg.svd(_matrix(H, "H"), compute_uv=False)


def linear_cka(H, H_other):
    """Similarity of two sets of codes of the same rows, whatever their axes.

    Centred kernel alignment with linear kernels: 1 where one is a rotation and scaling
    of the other, near 0 where they have nothing in common. It is only comparable
    between codes of the same rows, which should be many more than the units.

    Parameters
    ----------
    H : array-like of shape (n_samples, n_units)
        Codes.
    H_other : array-like of shape (n_samples, n_other_units)
        Other codes of the same rows.

    Returns
    -------
    float
        Between 0 and 1; 0 where one of them is constant.

    References
    ----------
    S. Kornblith, M. Norouzi, H. Lee and G. Hinton, "Similarity of neural network
    representations revisited", 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.inspection import linear_cka
    >>> H = np.random.default_rng(0).normal(size=(50, 2))
    >>> round(linear_cka(H, 3 * H[:, ::-1]), 6)
    1.0
    """
    A, B = _matrix(H, "H"), _matrix(H_other, "H_other")
    if len(A) != len(B):
        raise ValueError(
            f"H_other holds {len(B)} rows and must hold one for each of the {len(A)} "
            "rows of H; pass codes of the same rows."
        )
    norms = np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B)
    return float(np.linalg.norm(A.T @ B) ** 2 / norms) if norms > 0 else 0.0


def layer_cka(estimator, X, *, other=None):
    """Similarity of the layers' codes, within a network or between two.

    Parameters
    ----------
    estimator : GradualDAETransformer
        A fitted transformer; its layers are the rows.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows whose codes are compared.
    other : GradualDAETransformer, default=None
        Another one, of another seed or schedule; its layers are the columns. None
        compares the layers of `estimator` with each other.

    Returns
    -------
    ndarray of shape (n_layers, n_other_layers)
        :func:`linear_cka` of each pair.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAETransformer
    >>> from skdae.inspection import layer_cka
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> dae = GradualDAETransformer((6, 3), max_iter=4, random_state=0).fit(X)
    >>> layer_cka(dae, X).shape
    (2, 2)
    """
    check_transformer(estimator, "layer_cka", "call linear_cka on its codes")
    codes = codes_of(estimator, X)[1:]
    others = codes
    if other is not None:
        check_transformer(other, "layer_cka", "call linear_cka on its codes")
        others = codes_of(other, X)[1:]
    return np.array([[linear_cka(H, G) for G in others] for H in codes])


def effective_rank(H):
    """Number of dimensions that codes spread over: the entropy of their spectrum.

    Parameters
    ----------
    H : array-like of shape (n_samples, n_units)
        Codes.

    Returns
    -------
    float
        Exponential of the entropy of the singular values, as shares of their sum,
        after centring; 0 for constant codes, at most their number of units.

    References
    ----------
    O. Roy and M. Vetterli, "The effective rank: a measure of effective
    dimensionality", 2007.

    Examples
    --------
    >>> from skdae.inspection import effective_rank
    >>> round(effective_rank([[1, 0], [-1, 0], [0, 1], [0, -1]]), 6)
    2.0
    """
    values = _spectrum(H)
    shares = values[values > 0] / max(values.sum(), np.finfo(float).tiny)
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def participation_ratio(H):
    """Number of dimensions that carry the variance of codes.

    Parameters
    ----------
    H : array-like of shape (n_samples, n_units)
        Codes.

    Returns
    -------
    float
        Squared sum of the eigenvalues of the covariance over the sum of their squares;
        0 for constant codes, at most their number of units. Large directions weigh more
        than in :func:`effective_rank`.

    References
    ----------
    P. Gao et al., "A theory of multineuronal dimensionality, dynamics and
    measurement", 2017.

    Examples
    --------
    >>> from skdae.inspection import participation_ratio
    >>> round(participation_ratio([[1, 0], [-1, 0], [0, 1], [0, -1]]), 6)
    2.0
    """
    values = _spectrum(H) ** 2
    total = (values**2).sum()
    return float(values.sum() ** 2 / total) if total > 0 else 0.0


@dataclass(frozen=True)
class LayerCodes:
    """What the codes of one layer are like.

    Attributes
    ----------
    n_units : int
        Width of the layer.
    effective_rank : float
        See :func:`effective_rank`.
    participation_ratio : float
        See :func:`participation_ratio`.
    dead : float
        Share of the units whose code is the same for all rows.
    saturated : float
        Share of the codes of logistic and tanh units in the outer twentieth of their
        range, where gradients vanish; 0 for other units.
    """

    n_units: int
    effective_rank: float
    participation_ratio: float
    dead: float
    saturated: float


def layer_codes(estimator, X):
    """Dimension, dead and saturated units of each layer.

    Parameters
    ----------
    estimator : GradualDAETransformer
        A fitted transformer.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows whose codes are looked at, at least two.

    Returns
    -------
    list of LayerCodes
        One for each layer, from the bottom up.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAETransformer
    >>> from skdae.inspection import layer_codes
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> dae = GradualDAETransformer((6, 3), max_iter=4, random_state=0).fit(X)
    >>> [layer.n_units for layer in layer_codes(dae, X)]
    [6, 3]
    """
    check_transformer(estimator, "layer_codes", "call effective_rank on its codes")
    codes = codes_of(estimator, X)[1:]
    is_saturated = SATURATED.get(estimator.network_.activation, np.zeros_like)
    return [
        LayerCodes(
            H.shape[1],
            effective_rank(H),
            participation_ratio(H),
            float((np.ptp(H, axis=0) == 0).mean()),
            float(is_saturated(H).mean()),
        )
        for H in codes
    ]


def probe_scores(estimator, X, y, *, cv=5):
    """What a linear model reads from the inputs and from each layer.

    Parameters
    ----------
    estimator : GradualDAETransformer
        A fitted transformer, best of rows that are not in X.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Labelled rows.
    y : array-like of shape (n_samples,)
        Classes or numbers.
    cv : int or splitter, default=5
        Folds of the cross-validation.

    Returns
    -------
    ndarray of shape (n_layers + 1, n_folds)
        Accuracy for classes, R² for numbers, of a ridge model whose penalty is chosen
        within each fold. The first line is for the encoded inputs, the others for the
        layers from the bottom up.

    References
    ----------
    G. Alain and Y. Bengio, "Understanding intermediate layers using linear classifier
    probes", 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdae import GradualDAETransformer
    >>> from skdae.inspection import probe_scores
    >>> X, y = load_iris(return_X_y=True)
    >>> dae = GradualDAETransformer((6, 3), max_iter=4, random_state=0).fit(X)
    >>> probe_scores(dae, X, y).shape
    (3, 5)
    """
    check_transformer(estimator, "probe_scores", "score a linear model on its codes")
    is_regression = type_of_target(y).startswith("continuous")
    ridge = (RidgeCV if is_regression else RidgeClassifierCV)(alphas=PENALTIES)
    probe = make_pipeline(StandardScaler(), ridge)
    return np.array(
        [cross_val_score(clone(probe), H, y, cv=cv) for H in codes_of(estimator, X)]
    )
