"""Covariances from few rows, whose small variances are not drowned by large ones.

Where measurements obey a balance, deviations from it are tiny and a fault shows in them
first. Shrinking a covariance towards a multiple of the identity, as Ledoit and Wolf did
in 2004, lifts just these variances; here each has a shrinkage of its own.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.isotonic import isotonic_regression

MIN_ROWS = 13  # below, the shape of a spectrum cannot be estimated
MIN_SHARE = 1e-13  # of the largest variance: less is rounding
FAR = 50.0  # bandwidths from which a transform is that of a point
ROOT_5 = np.sqrt(5.0)  # half the width of the kernel


@dataclass(frozen=True)
class Axes:
    """A covariance by its principal axes."""

    center: np.ndarray  # (width,)
    directions: np.ndarray  # (width, width), an axis per column
    variances: np.ndarray  # (width,)

    @property
    def precision(self) -> np.ndarray:
        """The inverse covariance, (width, width)."""
        return (self.directions / self.variances) @ self.directions.T

    def whitened(self, V: np.ndarray) -> np.ndarray:
        """Return rows along the axes, in units of their spread, (n, width)."""
        return (V - self.center) @ (self.directions / np.sqrt(self.variances))


def shrunk_covariance(V: np.ndarray, min_variance: float) -> Axes:
    """Return a covariance of rows (n, width) with shrunk variances of its axes.

    No axis has less than `min_variance`. By the analytical formula of O. Ledoit and
    M. Wolf, "Analytical nonlinear shrinkage of large-dimensional covariance matrices",
    Annals of Statistics 48(5), 2020.
    """
    n_rows, width = V.shape
    center = V.mean(axis=0)
    if n_rows < MIN_ROWS:
        some = V if n_rows > 1 else np.repeat(V, 2, axis=0)  # one row has no spread
        variances, directions = np.linalg.eigh(LedoitWolf().fit(some).covariance_)
        return Axes(center, directions, np.maximum(variances, min_variance))
    covariance = np.cov(V, rowvar=False).reshape(width, width)
    found, directions = np.linalg.eigh(covariance)  # ascending
    seen = found > MIN_SHARE * max(found[-1], min_variance)
    variances = np.zeros(width)
    if seen.any():
        n_free = n_rows - 1
        n_seen = int(seen.sum())
        # with as many axes as rows allow the others are unseen, else they are constant
        n_unseen = width - n_seen if n_seen >= n_free else 0
        variances[seen], unseen = _shrunk(found[seen], n_free, n_unseen)
        if n_unseen:
            variances[~seen] = unseen
    variances = isotonic_regression(variances)  # what was larger stays so
    return Axes(center, directions, np.maximum(variances, min_variance))


def _shrunk(found: np.ndarray, n_free: int, n_unseen: int) -> tuple[np.ndarray, float]:
    """Return shrunk variances of the axes seen, and the one of the others."""
    n_axes = len(found) + n_unseen
    bandwidth = n_free ** (-1 / 3)
    widths = bandwidth * found  # of the kernels, one per variance found
    x = (found[:, None] - found) / widths  # (n_seen, n_seen)
    density = (np.maximum(1 - x**2 / 5, 0) * 3 / (4 * ROOT_5) / widths).mean(axis=1)
    transform = (_hilbert(x) / widths).mean(axis=1)
    if n_unseen == 0:
        ratio = n_axes / n_free
        across = np.pi * ratio * found * density
        along = 1 - ratio - np.pi * ratio * found * transform
        return found / (across**2 + along**2), 0.0
    squares = np.pi**2 * found**2 * (density**2 + transform**2)
    h = bandwidth
    at_zero = (
        (
            3 / (10 * h**2)
            + 3
            / (4 * ROOT_5 * h)
            * (1 - 1 / (5 * h**2))
            * np.log((1 + ROOT_5 * h) / (1 - ROOT_5 * h))
        )
        * np.mean(1 / found)
        / np.pi
    )
    unseen = n_free / (np.pi * (n_axes - n_free) * at_zero)
    return found / squares, float(unseen)


def _hilbert(x: np.ndarray) -> np.ndarray:
    """Return the Hilbert transform of Epanechnikov's kernel."""
    near = np.where(np.abs(x) < FAR, x, 0)
    with np.errstate(divide="ignore"):
        ratio = np.log(np.abs((ROOT_5 - near) / (ROOT_5 + near)))
    edge = np.abs(np.abs(near) - ROOT_5) < 1e-9
    curved = np.where(edge, 0, (1 - near**2 / 5) * np.where(edge, 0, ratio))
    close = (-3 * near / 10 + 3 / (4 * ROOT_5) * curved) / np.pi
    return np.where(np.abs(x) < FAR, close, -1 / (np.pi * np.where(x == 0, 1, x)))
