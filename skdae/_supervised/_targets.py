"""What is predicted, as the network sees it, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from skdae._network import Head

LOG_TEMPERATURES = (-4.0, 4.0)  # where a temperature is looked for


@dataclass(frozen=True)
class ClassTarget:
    """One of several classes: a softmax over them."""

    classes: np.ndarray  # (n_classes,) sorted

    @property
    def head(self) -> Head:
        """The network's output."""
        return Head(0, (slice(0, len(self.classes)),))

    def encode(self, y: np.ndarray) -> np.ndarray:
        """One-hot rows, (n, n_classes) float32."""
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"y holds {unknown.tolist()}, not among the classes "
                f"{self.classes.tolist()}; fit on rows of all classes, or pass them "
                "as classes in the first call of partial_fit."
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
        mean = np.average(y, axis=0, weights=weights)
        with np.errstate(over="ignore"):
            scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
        if not np.isfinite(scale).all():
            raise ValueError(
                f"y holds values up to {np.abs(y).max():g}, too large to be squared; "
                "divide them by a constant."
            )
        # no more spread than rounding makes of a constant
        constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, scale), flat)

    @property
    def head(self) -> Head:
        """The network's output."""
        return Head(len(self.mean))

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Scaled rows, (n, n_outputs) float32."""
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(self.mean):
            raise ValueError(
                f"y has {y.shape[1]} outputs and must have {len(self.mean)}, as in the "
                "first fit."
            )
        return ((y - self.mean) / self.scale).astype(np.float32)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Rows in the user's units, float64."""
        return outputs.astype(np.float64) * self.scale + self.mean


Target = ClassTarget | NumberTarget


def is_unlabeled(y: np.ndarray, marker: Any) -> np.ndarray:
    """Which rows carry the marker of a missing label, (n,) bool."""
    if marker is None:
        return np.zeros(len(y), dtype=bool)
    is_marker = np.asarray(y != y if marker != marker else y == marker, dtype=bool)
    if is_marker.shape != y.shape:  # a number among texts, say
        return np.zeros(len(y), dtype=bool)
    return np.all(is_marker, axis=1) if y.ndim == 2 else is_marker


def sort_keys(y: np.ndarray) -> np.ndarray:
    """Numbers that order rows by their labels, (n, n_keys)."""
    if y.ndim == 2:
        return y
    return np.unique(y, return_inverse=True)[1].reshape(-1, 1)


def fitting_temperature(
    logits: np.ndarray, classes: np.ndarray, weights: np.ndarray
) -> float:
    """The temperature that makes the log-loss of the rows smallest.

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
    networks", 2017.
    """
    n_rows, n_classes = logits.shape
    # a little of every class, as one more row would bring: few rows, all of them
    # right, must not make the network sure of everything
    spread = 1 / (n_rows + 1)
    T = np.full(logits.shape, spread / n_classes)
    T[np.arange(n_rows), classes] += 1 - spread

    def log_loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float((weights[:, None] * T * log_p).sum())

    found = minimize_scalar(log_loss, bounds=LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))
