"""Targets: encoding for the network, and decoding of its outputs."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from skdae._core.network import Head

RESOLUTION = 1e-6  # of the spread of a target; that of float32 is 1e-7
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
        low, middle, high = np.quantile(y, [0.25, 0.5, 0.75], axis=0)
        is_blurred = (high > low) & (high - low < RESOLUTION * scale)
        if is_blurred.any():
            column = int(is_blurred.argmax())
            far = y[np.abs(y[:, column] - middle[column]).argmax(), column]
            raise ValueError(
                f"y holds {far:g}, and half of its values lie between {low[column]:g} "
                f"and {high[column]:g}, too close to each other for a network that "
                "learns both; mark what stands for a missing value by unlabeled, or "
                "learn the logarithm of y."
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


def looks_like_marker(classes: np.ndarray) -> bool:
    """Return whether -1 stands beside classes numbered from 0, as unlabelled rows do.

    Of two classes -1 is as likely a class of its own.
    """
    if classes.dtype.kind not in "if" or len(classes) < 3:
        return False
    return bool(classes[0] == -1 and classes[1] == 0)


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
