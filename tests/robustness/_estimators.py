"""One fitted estimator of each kind, and what it gives for rows, as bytes."""

import hashlib
import os
from functools import cache

import numpy as np
from sklearn.base import clone

from skdae import (
    GradualDAEClassifier,
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 3)) @ RNG.normal(size=(3, 5)) + RNG.normal(size=(160, 5)) / 9
X[::9, 1] = np.nan
Y = np.where(X[:, 0] > 0, "high", "low")
SMALL = GradualDAETransformer((4, 2), max_iter=4, random_state=0)
NOISY = clone(SMALL).set_params(noise="gaussian")
KINDS = {
    "transformer": SMALL,
    "detector": GradualDAEOutlierDetector(
        SMALL, n_splits=2, false_alarm_rate=0.1, random_state=0
    ),
    "imputer": GradualDAEImputer(SMALL, n_trees=2, order=None, random_state=0),
    "denoiser": GradualDAEDenoiser(NOISY, order=None, random_state=0),
    "classifier": GradualDAEClassifier(SMALL, max_iter=4, random_state=0),
    "regressor": GradualDAERegressor(SMALL, max_iter=4, random_state=0),
}
METHODS = ("transform", "reconstruct", "score_samples", "predict", "predict_proba")


def fit(kind):
    """Return a newly fitted estimator."""
    y = {"classifier": Y, "regressor": np.nan_to_num(X[:, 1])}.get(kind)
    return clone(KINDS[kind]).fit(X, y)


fitted = cache(fit)  # one for all tests of a process


def results(estimator, rows=X):
    """Return all that an estimator gives for rows, to be compared bit by bit."""
    found = [
        np.ascontiguousarray(getattr(estimator, name)(rows))
        for name in METHODS
        if hasattr(estimator, name)
    ]
    return b"".join(
        str(each.dtype).encode() + each.astype(each.dtype.newbyteorder("=")).tobytes()
        if each.dtype != object
        else repr(each.tolist()).encode()
        for each in found
    )


def hash_of(estimator):
    """Return a short sign of all that an estimator gives."""
    return hashlib.sha256(results(estimator)).hexdigest()[:16]


def count(name, default):
    """Return how often something is tried: SKDAE_<NAME>, or a default."""
    return int(os.environ.get(f"SKDAE_{name}", default))


def in_child(act):
    """Return what is left of a forked process: its exit status, 0 where `act` ended."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
