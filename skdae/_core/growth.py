"""How an added layer begins: at random, or as a copy of the units below.

With random weights on top, what the layers below have learned is lost to the output
until the new ones have learned to pass it on. A layer that begins as a copy keeps the
function of the network (Net2Net: Chen, Goodfellow and Shlens, 2016): its units repeat
those below from which the others are best predicted, and its decoder is the ridge
regression of the codes below on the new ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solve
from scipy.special import logit

from skdae._core.corruption import corrupt
from skdae._core.network import ROLES, LayerKey, Network
from skdae._core.parameters import LayerViews, Parameters
from skdae._core.sources import Source
from skdae.noise import Noise

Matrix = np.ndarray

MAX_ROWS = 4_096  # that codes are compared on
PENALTY = 1e-3  # of the regression, in mean variances of the new codes


@dataclass(frozen=True)
class Copy:
    """How a unit of one activation repeats a unit below, and which value gives it.

    A pre-activation of ``slope * (h - centre)`` stays where the activation is nearly
    linear; `inverse` leads from a code to the pre-activation of the unit that has it.
    """

    slope: float
    centre: float
    inverse: Callable[[Matrix], Matrix]


# Codes within 0.1 of the ends of the range count as 0.1 from them: pre-activations of
# saturated units would dominate the regression. With 0.01 it is worse on MNIST (small
# setting of benchmarks/paper, step size 1e-3: 28.0 against 27.0 on validation rows).
def _logit(H: Matrix) -> Matrix:
    return logit(np.clip(H, 0.1, 0.9))


def _arctanh(H: Matrix) -> Matrix:
    return np.arctanh(np.clip(H, -0.8, 0.8))


COPIES = {
    "relu": Copy(1.0, 0.0, np.asarray),
    "identity": Copy(1.0, 0.0, np.asarray),
    "tanh": Copy(1.0, 0.0, _arctanh),
    "logistic": Copy(5.0, 0.5, _logit),
}


def grow(
    parameters: Parameters,
    new: set[LayerKey],
    trained: set[LayerKey],
    rows: Callable[[], Matrix],
) -> None:
    """Let new layers on top of trained ones begin as copies; others stay random."""
    depths = {role: [k.depth for k in trained if k.role == role] for role in ROLES}
    added = sorted(k.depth for k in new if k.role == "encoder" and k.depth > 1)
    outputs = [k.depth for k in new if k.role == "output"]
    has_copies = bool(added) and added[0] - 1 in depths["encoder"]
    has_output = bool(outputs) and bool(depths["output"])
    if not (has_copies or has_output):
        return
    X = rows()
    for depth in added if has_copies else []:
        copy_units(parameters, depth, X)
    if has_output:
        keep_output(parameters, outputs[0], max(depths["output"]), X)


def sample_rows(
    source: Source, noise: Noise | None, generator: np.random.Generator
) -> Matrix:
    """Some rows as the layers below see them in training: corrupted by the noise."""
    block = source.some_rows(generator, MAX_ROWS)
    if noise is None:
        return block.values
    return corrupt(block, source.layout, noise, generator)[0]


def best_predictors(H: Matrix, size: int) -> np.ndarray:
    """At most `size` units from which the others are best predicted, best first."""
    n = H.shape[1]
    if size >= n:
        return np.arange(n)
    C = H - H.mean(axis=0)
    C = C.T @ C
    least = 1e-9 * max(np.trace(C), 1e-300)  # what counts as constant
    found: list[int] = []
    for _ in range(size):
        left = np.diag(C)
        explained = (C * C).sum(axis=0) / np.maximum(left, least)
        explained[found] = -1
        best = int(explained.argmax())
        found.append(best)
        if left[best] > least:
            C = C - np.outer(C[:, best], C[best]) / left[best]
    return np.array(found)


def fixed_ridge(H: Matrix, T: Matrix) -> tuple[Matrix, Matrix]:
    """Weights and intercepts that predict T from H."""
    H_mean, T_mean = H.mean(axis=0), T.mean(axis=0)
    C, n = H - H_mean, H.shape[1]
    gram = C.T @ C
    gram.flat[:: n + 1] += PENALTY * max(np.trace(gram) / n, 1e-12)
    weight = solve(gram, C.T @ (T - T_mean), assume_a="pos")
    return weight, T_mean - H_mean @ weight


def copy_units(parameters: Parameters, depth: int, X: Matrix) -> None:
    """Let an encoder layer begin as a copy of the units below, and its decoder too."""
    layers, shape = parameters.layers, parameters.shape
    copy = COPIES[shape.activation]
    below = _code(parameters.encoder(depth - 1), X)
    layer = layers[LayerKey("encoder", depth)]
    kept = best_predictors(below, layer.weight.shape[1])
    units = torch.arange(len(kept))
    layer.weight[:, units] = 0
    layer.weight[torch.from_numpy(kept), units] = copy.slope
    layer.bias[units] = -copy.slope * copy.centre
    code = _code(parameters.encoder(depth), X)
    decoder = layers.get(LayerKey("decoder", depth))
    if decoder is not None:
        _assign(decoder, *fixed_ridge(code, copy.inverse(below)))


def keep_output(parameters: Parameters, depth: int, last: int, X: Matrix) -> None:
    """Let the output layer of `depth` begin with what that of `last` gives."""
    before = parameters.layers[LayerKey("output", last)]
    code = _code(parameters.encoder(depth), X)
    weight, bias = fixed_ridge(code, _code(parameters.encoder(last), X))
    V = before.weight.cpu().numpy().astype(np.float64)
    output = parameters.layers[LayerKey("output", depth)]
    _assign(output, weight @ V, bias @ V + before.bias.cpu().numpy())


def _code(encoder: Network, X: Matrix) -> Matrix:
    """The code of the rows, in double precision for the equations."""
    return encoder.encode(X).astype(np.float64)


def _assign(layer: LayerViews, weight: Matrix, bias: Matrix) -> None:
    """Set a layer; a tied weight belongs to its encoder layer and stays."""
    if not layer.is_tied:
        layer.weight.copy_(torch.from_numpy(weight))
    layer.bias.copy_(torch.from_numpy(bias))
