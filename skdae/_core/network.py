"""The fitted network as numpy arrays, and its forward pass without torch."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, softmax

# rows per pass: keeps the widest activations in the cache (benchmarks/speed.py
# --inference)
CHUNK_ROWS = 1024


def _relu(A: np.ndarray) -> np.ndarray:
    # numpy compares with a row of zeros in half the time that a single 0 takes
    return np.maximum(A, np.zeros(A.shape[1], A.dtype), out=A)


def _logistic(A: np.ndarray) -> np.ndarray:
    return expit(A, out=A)


def _tanh(A: np.ndarray) -> np.ndarray:
    return np.tanh(A, out=A)


def _identity(A: np.ndarray) -> np.ndarray:
    return A


# name: the activation, in place
ACTIVATIONS = {
    "relu": _relu,
    "logistic": _logistic,
    "tanh": _tanh,
    "identity": _identity,
}


@dataclass(frozen=True)
class Head:
    """What the last layer's outputs stand for.

    The first `n_numeric` features are numbers, scored by `loss` after `activation`;
    each slice of `groups` is one categorical column, a softmax over its categories.
    """

    n_numeric: int
    groups: tuple[slice, ...] = ()
    loss: str = "squared_error"
    activation: str = "identity"

    @property
    def n_features(self) -> int:
        """Width of the output."""
        return self.groups[-1].stop if self.groups else self.n_numeric


ROLES = ("encoder", "decoder", "output")  # in the order of the flat vector


class LayerKey(NamedTuple):
    """Names a layer: what it does, and the encoder layer that it is or stands on."""

    role: str  # of ROLES
    depth: int  # from 1


@dataclass(frozen=True)
class Shape:
    """Widths and wiring of a network.

    The head may be of any width: features to rebuild, or the targets of a classifier
    or regressor. Tied weights need one as wide as the input.
    """

    widths: tuple[int, ...]  # features, then hidden layers
    decoder: str
    tied: bool
    activation: str
    head: Head

    @property
    def n_layers(self) -> int:
        """Number of hidden layers."""
        return len(self.widths) - 1

    def size(self, key: LayerKey) -> tuple[int, int]:
        """Inputs and outputs of a layer."""
        role, depth = key
        below, width = self.widths[depth - 1], self.widths[depth]
        if role == "encoder":
            return below, width
        ends = role == "output" or depth == 1
        return width, (self.head.n_features if ends else below)

    def encoder_keys(self, depth: int) -> list[LayerKey]:
        """Encoder layers from the input to the code of `depth`, in order."""
        return [LayerKey("encoder", k) for k in range(1, depth + 1)]

    def decoder_keys(self, depth: int) -> list[LayerKey]:
        """Decoder layers from the code of `depth` to the input, in order."""
        if self.decoder == "direct":
            return [LayerKey("output", depth)]
        return [LayerKey("decoder", k) for k in range(depth, 0, -1)]

    def phase_keys(self, depth: int, corrupt: str) -> list[LayerKey]:
        """Layers that a phase passes through, in order."""
        if corrupt == "code":
            return [LayerKey("encoder", depth), LayerKey("decoder", depth)]
        return self.encoder_keys(depth) + self.decoder_keys(depth)

    def code_head(self, depth: int) -> Head:
        """The head of a layer that rebuilds the code below `depth`."""
        logistic = self.activation == "logistic" and self.head.loss == "cross_entropy"
        loss = "cross_entropy" if logistic else "squared_error"
        return Head(self.widths[depth - 1], (), loss, self.activation)


@dataclass(frozen=True)
class Layer:
    """An affine map: ``X @ weight + bias``."""

    weight: np.ndarray  # (n_inputs, n_outputs)
    bias: np.ndarray  # (n_outputs,)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        A = np.dot(X, self.weight.astype(X.dtype, copy=False))
        A += self.bias.astype(X.dtype, copy=False)
        return A


@dataclass(frozen=True)
class Network:
    """Encoder from the input up and decoder from the top code down.

    Inference is pure: rows in, rows out, in the dtype of the rows; nothing is drawn
    and nothing is written.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    activation: str
    head: Head

    def codes(self, Z: np.ndarray, depth: int | None = None) -> list[np.ndarray]:
        """Codes of all layers up to `depth`, from the bottom up."""
        activate = ACTIVATIONS[self.activation]
        codes = []
        H = Z
        for layer in self.encoder[:depth]:
            H = activate(layer(H))  # (n, width)
            codes.append(H)
        return codes

    def encode(self, Z: np.ndarray) -> np.ndarray:
        """The top code, (n, hidden[-1])."""
        return self.codes(Z)[-1]

    def raw_outputs(self, H: np.ndarray) -> np.ndarray:
        """From the top code to the outputs before their activation."""
        activate = ACTIVATIONS[self.activation]
        for layer in self.decoder[:-1]:
            H = activate(layer(H))
        return self.decoder[-1](H)

    def decode(self, H: np.ndarray) -> np.ndarray:
        """From the top code to the outputs, (n, n_features)."""
        Z = self.raw_outputs(H)
        numeric = Z[:, : self.head.n_numeric]
        numeric[:] = ACTIVATIONS[self.head.activation](numeric)
        for group in self.head.groups:
            Z[:, group] = softmax(Z[:, group], axis=1)
        return Z


def chunks(n_rows: int) -> list[slice]:
    """Slices of at most `CHUNK_ROWS` rows that cover all rows in order."""
    return [slice(a, a + CHUNK_ROWS) for a in range(0, n_rows, CHUNK_ROWS)]
