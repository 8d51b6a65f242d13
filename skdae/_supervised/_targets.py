"""Targets: encoding for the network, and decoding of its outputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from skdae._core.network import Head

LOG_TEMPERATURES = (-4.0, 4.0)  # range of the search


@dataclass(frozen=True)
class ClassTarget:
    """One of several classes: a softmax over them."""

    classes: np.ndarray  # (n_classes,) sorted

    @property
    def head(self) -> Head:
        """The network's output."""
        return Head(0, (slice(0, len(self.classes)),))

    def encode(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """One-hot rows, (n, n_classes) float32."""
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"{name} holds {unknown.tolist()}, not among the classes "
                f"{self.classes.tolist()}; omit these rows, or fit again with "
                "rows of all classes (in partial_fit, with classes=...)."
            )
        codes = np.searchsorted(self.classes, y)
        return np.eye(len(self.classes), dtype=np.float32)[codes]


@dataclass(frozen=True)
class NumberTarget:
    """Numbers, scaled to mean 0 and standard deviation 1."""

    mean: np.ndarray  # (n_outputs,)
    scale: np.ndarray
    flat: bool  # whether the rows came in one dimension

    @classmethod
    def learn(cls, y: np.ndarray, weights: np.ndarray | None) -> "NumberTarget":
        """Mean and standard deviation of the rows, (n,) or (n, n_outputs)."""
        flat, y = y.ndim == 1, y.reshape(len(y), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.average(y, axis=0, weights=weights)
            scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
        if not np.isfinite(scale).all():
            raise ValueError(
                f"y holds values up to {np.abs(y).max():g}, too large to be squared; "
                "divide them by a constant."
            )
        # a constant has no more spread than rounding
        constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, scale), flat)

    @property
    def head(self) -> Head:
        """The network's output."""
        return Head(len(self.mean))

    def encode(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """Scaled rows, (n, n_outputs) float32."""
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(self.mean):
            raise ValueError(
                f"{name} has {y.shape[1]} outputs and must have {len(self.mean)}, as "
                "the first y had; pass all of them."
            )
        return ((y - self.mean) / self.scale).astype(np.float32)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Rows in the user's units, float64."""
        return outputs.astype(np.float64) * self.scale + self.mean


Target = ClassTarget | NumberTarget


def read_labels(y: Any, marker: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of labelled rows, and which rows have none, (n,) bool.

    A marker that is a missing value (NaN, None, NA) stands for all of these.
    """
    from pandas import isna

    if not isinstance(y, np.ndarray):  # lists and pandas columns can mix types
        y = _as_array(y)
    missing: Any = np.zeros(y.shape, dtype=bool)
    if marker is not None:
        absent = np.asarray(isna(y))
        missing = absent if isna(marker) else ~absent & _equal(y, marker)
    if y.dtype.kind in "US" and marker is not None and not isinstance(marker, str):
        raise ValueError(
            f"unlabeled={marker!r} cannot stand in y, an array of text; name a text, "
            "or pass y as a list or with dtype=object."
        )
    if y.ndim == 2:
        if (missing.any(axis=1) != missing.all(axis=1)).any():
            raise ValueError(
                f"unlabeled={marker!r} marks only some outputs of a row of y; mark "
                "whole rows, or fit a model for each output."
            )
        missing = missing.all(axis=1)
    known = y[~missing]
    return (_narrowed(known) if known.dtype == object else known), missing


def _equal(y: np.ndarray, marker: Any) -> np.ndarray:
    """Return which cells equal the marker; NA equals nothing."""
    if y.dtype != object:
        return np.broadcast_to(np.asarray(y == marker), y.shape)
    same = [(cell == marker) is True for cell in y.ravel().tolist()]
    return np.array(same, dtype=bool).reshape(y.shape)


def _as_array(y: Any) -> np.ndarray:
    """Return a list or a column as an array that keeps the types of its cells."""
    plain = np.asarray(y)
    return plain if plain.dtype.kind in "biuf" else np.asarray(y, dtype=object)


def _narrowed(y: np.ndarray) -> np.ndarray:
    """Return objects as numbers, booleans or text, if they are of one kind."""
    is_text = {isinstance(cell, str) for cell in np.ravel(y)}
    if len(is_text) != 1:  # mixed, which scikit-learn rejects, or empty
        return y
    return np.asarray(y.tolist())


def sort_keys(y: np.ndarray) -> np.ndarray:
    """Return numbers that sort rows by their labels, (n, n_keys)."""
    if y.ndim == 2:
        return y
    return np.unique(y, return_inverse=True)[1].reshape(-1, 1)


def fitting_temperature(
    logits: np.ndarray, classes: np.ndarray, weights: np.ndarray
) -> float:
    """Return the temperature with the smallest log-loss of the rows.

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
    networks", 2017.
    """
    n_rows, n_classes = logits.shape
    # Smoothing by the weight of one row: a few rows, all of them correct, must not give
    # probabilities of 0 and 1.
    spread = 1 / (n_rows + 1)
    T = np.full(logits.shape, spread / n_classes)
    T[np.arange(n_rows), classes] += 1 - spread

    def log_loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float((weights[:, None] * T * log_p).sum())

    found = minimize_scalar(log_loss, bounds=LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))
