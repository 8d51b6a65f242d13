"""Networks, mixtures and trees as graphs."""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import block_diag

from skdae._core.network import Head, Layer, Network
from skdae._imputer._forests import Forests
from skdae._imputer._model import ImputationModel
from skdae._imputer._networks import Refinement
from skdae._imputer._trees import Trees
from skdae._supervised._expansion import Expansion
from skdae._transformer._mixture import Mixture
from skdae.export._graph import Graph, Tensor
from skdae.export._numeric import conditional_fill
from skdae.export._table import Encoded

# name of an activation: the operator
ACTIVATIONS = {"relu": "Relu", "logistic": "Sigmoid", "tanh": "Tanh"}


def activated(A: Tensor, name: str) -> Tensor:
    """Return an activation by its name."""
    if name == "identity":
        return A
    return A.graph.add(ACTIVATIONS[name], [A], A.dtype)


def affine(layer: Layer, X: Tensor) -> Tensor:
    """Return an affine map."""
    return X @ layer.weight + layer.bias


def expanded(expansion: Expansion, Z: Tensor) -> Tensor:
    """Return `Expansion.__call__`."""
    low, width = expansion.low.astype(Z.dtype), expansion.width.astype(Z.dtype)
    shares = ((Z.take(expansion.feature) - low) / width).clip(0.0, 1.0)
    of_missing = expansion.of_missing.astype(Z.dtype)
    return Z.graph.concatenated([Z, shares - of_missing])


def codes(network: Network, Z: Tensor) -> list[Tensor]:
    """Return `Network.codes`."""
    found = []
    for layer in network.encoder:
        Z = activated(affine(layer, Z), network.activation)
        found.append(Z)
    return found


def raw_outputs(network: Network, H: Tensor) -> Tensor:
    """Return `Network.raw_outputs`."""
    for layer in network.decoder[:-1]:
        H = activated(affine(layer, H), network.activation)
    return affine(network.decoder[-1], H)


def decoded(network: Network, H: Tensor) -> Tensor:
    """Return `Network.decode`."""
    outputs = raw_outputs(network, H)
    head: Head = network.head
    if head.activation == "identity" and not head.groups:
        return outputs
    parts = []
    if head.n_numeric:
        numbers = outputs.take(np.arange(head.n_numeric))
        parts.append(activated(numbers, head.activation))
    parts += [softmax(outputs.take(np.arange(g.start, g.stop))) for g in head.groups]
    return H.graph.concatenated(parts)


def softmax(logits: Tensor) -> Tensor:
    """Return shares that add up to 1 in each row."""
    return logits.graph.add("Softmax", [logits], logits.dtype, axis=1)


def rebuilt(network: Network, Z: Tensor) -> Tensor:
    """Return encoded rows as the network rebuilds them."""
    return decoded(network, codes(network, Z)[-1])


# --- reconstruction -------------------------------------------------------------------


def mixed(mixture: Mixture, encoded: Encoded, network_rows: Tensor) -> Tensor:
    """Return `Mixture.__call__`, float64."""
    graph, missing = encoded.Z.graph, encoded.missing
    own = encoded.Z.cast(np.float64)
    network, linear = (
        graph.where(missing, graph.constant(hidden), visible)
        for hidden, visible in zip(mixture.hidden, mixture.visible, strict=True)
    )
    share = 1.0 - network - linear
    estimate = network_rows.cast(np.float64)
    return share * own + network * estimate + linear * _linear(mixture, own, missing)


def _linear(mixture: Mixture, Z: Tensor, missing: Tensor) -> Tensor:
    """Return `Mixture.linear`."""
    precision, mean = mixture.gaussian.precision, mixture.gaussian.mean
    deviation = Z.graph.where(missing, 0.0, Z - mean)
    filled = conditional_fill(deviation, missing, precision)
    n_numeric = mixture.groups[0].start if mixture.groups else len(mean)
    blocks = [np.diag(1 / np.diag(precision)[:n_numeric])]
    blocks += [np.linalg.inv(precision[group, group]) for group in mixture.groups]
    own = filled - filled @ (precision @ block_diag(*blocks))
    return (own + mean).clip(mixture.low, mixture.high)


# --- imputation -----------------------------------------------------------------------


def imputed(model: ImputationModel, Z: Tensor, missing: Tensor) -> Tensor:
    """Return `ImputationModel.means` of float64 rows."""
    graph, gaussian = Z.graph, model.gaussian
    deviation = graph.where(missing, 0.0, Z - gaussian.mean)
    filled = conditional_fill(deviation, missing, gaussian.precision) + gaussian.mean
    filled = _clipped(model, graph.where(missing, filled, Z), missing)
    for refinement in model.refinements:
        filled = _clipped(model, _corrected(refinement, filled, missing), missing)
    if not model.forests.members:
        return filled
    by_trees = _by_forests(model.forests, filled, missing, len(model.low))
    return filled + (by_trees - filled) * model.forest_share


def _clipped(model: ImputationModel, filled: Tensor, missing: Tensor) -> Tensor:
    return filled.graph.where(missing, filled.clip(model.low, model.high), filled)


def _corrected(refinement: Refinement, filled: Tensor, missing: Tensor) -> Tensor:
    gaps = missing.cast(np.float64)
    inputs = filled.graph.concatenated([filled, gaps])
    error = rebuilt(refinement.network, inputs) * refinement.scale
    return filled + error * gaps * refinement.step


def _by_forests(
    forests: Forests, filled: Tensor, missing: Tensor, n_features: int
) -> Tensor:
    """Return `Forests.__call__`, feature by feature."""
    graph = filled.graph
    features: dict[int, Tensor] = {}

    def feature(place: int) -> Tensor:
        return features.get(place) or features.setdefault(place, filled.take([place]))

    for forest in forests.members:
        cells = graph.concatenated([feature(int(place)) for place in forest.inputs])
        predicted = _trees(forest.trees, cells)
        for k, place in enumerate(range(forest.column.start, forest.column.stop)):
            features[place] = graph.where(
                missing.take([place]), predicted.take([k]), feature(place)
            )
    return graph.concatenated([feature(place) for place in range(n_features)])


def _trees(trees: Trees, cells: Tensor) -> Tensor:
    """Return `Trees.predict`: rows go down all trees at once, and stay at a leaf."""
    graph = cells.graph
    is_leaf = trees.right == 0
    feature, threshold = np.zeros((2, len(is_leaf)))
    feature[~is_leaf], threshold[~is_leaf] = trees.feature, trees.threshold
    left = graph.constant(np.where(is_leaf, 0, 1), np.int64)
    right = graph.constant(trees.right, np.int64)
    read, limit = graph.constant(feature, np.int64), graph.constant(threshold)
    n_trees = len(trees.roots)

    def descend(
        body: Graph, number: Tensor, state: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        node, values = state

        def at(table: Tensor) -> Tensor:
            return Tensor(body, table.name, table.dtype).take(node, axis=0)

        value = body.add("GatherElements", [values, at(read)], values.dtype, axis=1)
        step = body.where(value <= at(limit), at(left), at(right))
        return [node + step, body.add("Identity", [values], values.dtype)]

    roots = (cells.take([0]) * 0.0).cast(np.int64) + trees.roots.reshape(1, -1)
    depth = graph.constant(_depth(trees), np.int64)
    values = cells.cast(np.float32).cast(np.float64)
    node, _ = graph.loop(depth, [roots, values], descend)
    leaf = graph.constant(np.cumsum(is_leaf) - 1, np.int64).take(node, axis=0)
    reached = graph.constant(trees.values, np.float64).take(leaf, axis=0)
    return reached.sum(1, keepdims=False) / float(n_trees)  # (n, n_outputs)


def _depth(trees: Trees) -> int:
    """Return the number of steps to the deepest leaf."""
    depth, nodes = 0, trees.roots[trees.right[trees.roots] > 0]
    while len(nodes):
        depth += 1
        children = np.concatenate([nodes + 1, nodes + trees.right[nodes].astype(int)])
        nodes = children[trees.right[children] > 0]
    return depth
