"""Every weight of a network in one flat vector.

Ordered by layer, so the weights that a phase trains are a few contiguous slices of it
and an optimiser is a handful of vector operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
import torch

from skdae._core.network import ROLES, Layer, LayerKey, Network, Shape

Tensor = torch.Tensor


@dataclass(frozen=True)
class LayerViews:
    """One layer in the flat vectors: views on its weights and on their gradients."""

    weight: Tensor  # (n_inputs, n_outputs)
    bias: Tensor
    weight_grad: Tensor
    bias_grad: Tensor
    span: slice  # of the flat vector; a tied weight is in its encoder's span
    is_tied: bool = False  # a decoder layer that is its encoder layer transposed
    # an encoder layer that adds its gradient to that of the decoder tied to it
    adds_gradient: bool = False


class Parameters:
    """Every weight of a network in one flat vector, ordered by layer."""

    def __init__(
        self,
        shape: Shape,
        keys: Sequence[LayerKey],
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.shape = shape
        self.keys = sorted(set(keys), key=lambda k: (k.depth, ROLES.index(k.role)))
        sizes = [self._n_values(key) for key in self.keys]
        self._ends = np.cumsum(sizes).tolist()
        self.flat = torch.zeros(self._ends[-1], dtype=dtype, device=device)
        self.grad = torch.zeros_like(self.flat)
        self.layers = self.views(self.flat, self.grad)

    def views(self, flat: Tensor, grad: Tensor) -> dict[LayerKey, LayerViews]:
        """The layers in a vector of weights and one of gradients."""
        views: dict[LayerKey, LayerViews] = {}
        starts = [0, *self._ends[:-1]]
        for key, start, end in zip(self.keys, starts, self._ends, strict=True):
            n_in, n_out = self.shape.size(key)
            bias, bias_grad = flat[end - n_out : end], grad[end - n_out : end]
            if self._is_tied(key):
                encoder = views[LayerKey("encoder", key.depth)]
                weight, weight_grad = encoder.weight.t(), encoder.weight_grad.t()
            else:
                weight = flat[start : end - n_out].view(n_in, n_out)
                weight_grad = grad[start : end - n_out].view(n_in, n_out)
            views[key] = LayerViews(
                weight,
                bias,
                weight_grad,
                bias_grad,
                slice(start, end),
                is_tied=self._is_tied(key),
                adds_gradient=self.shape.tied and key.role == "encoder",
            )
        return views

    def _is_tied(self, key: LayerKey) -> bool:
        return self.shape.tied and key.role == "decoder"

    def _n_values(self, key: LayerKey) -> int:
        n_in, n_out = self.shape.size(key)
        return n_out if self._is_tied(key) else (n_in + 1) * n_out

    def initialise(self, generators: dict[LayerKey, np.random.Generator]) -> None:
        """Glorot-uniform weights as scikit-learn's MLP draws them; zero biases."""
        gain = 2.0 if self.shape.activation == "logistic" else 6.0
        for key, layer in self.layers.items():
            if layer.is_tied:
                continue
            n_in, n_out = self.shape.size(key)
            bound = (gain / (n_in + n_out)) ** 0.5
            drawn = generators[key].uniform(-bound, bound, (n_in, n_out))
            layer.weight.copy_(torch.from_numpy(drawn))

    def load(self, network: Network) -> None:
        """Take over the weights of a fitted network."""
        depth = len(network.encoder)
        keys = self.shape.encoder_keys(depth) + self.shape.decoder_keys(depth)
        layers = (*network.encoder, *network.decoder)
        for key, layer in zip(keys, layers, strict=True):
            if key not in self.layers:  # the output layer of fewer layers
                continue
            views = self.layers[key]
            # copies first: torch warns of arrays that it may not write on
            if not views.is_tied:
                views.weight.copy_(torch.tensor(layer.weight))
            views.bias.copy_(torch.tensor(layer.bias))

    def network(self, depth: int) -> Network | None:
        """The network up to `depth` as numpy arrays; None while it has no decoder."""
        decoder = self.shape.decoder_keys(depth)
        if not all(key in self.layers for key in decoder):
            return None
        layers = tuple(self._layer(key) for key in decoder)
        return replace(self.encoder(depth), decoder=layers)

    def encoder(self, depth: int) -> Network:
        """The encoder alone up to `depth`, as numpy arrays."""
        layers = tuple(self._layer(key) for key in self.shape.encoder_keys(depth))
        return Network(layers, (), self.shape.activation, self.shape.head)

    def _layer(self, key: LayerKey) -> Layer:
        views = self.layers[key]
        weight = views.weight.cpu().numpy().copy(order="C")
        return Layer(weight, views.bias.cpu().numpy().copy())

    def n_weights(self, depth: int) -> int:
        """Values of the layers up to a depth, which come first in the flat vector."""
        ends = (
            e
            for key, e in zip(self.keys, self._ends, strict=True)
            if key.depth <= depth
        )
        return max(ends, default=0)

    def spans(self, keys: Sequence[LayerKey]) -> list[slice]:
        """Slices of the flat vector that hold the layers, neighbours merged."""
        merged: list[slice] = []
        for span in sorted(
            (self.layers[key].span for key in keys), key=attrgetter("start")
        ):
            if merged and merged[-1].stop == span.start:
                merged[-1] = slice(merged[-1].start, span.stop)
            else:
                merged.append(span)
        return merged
