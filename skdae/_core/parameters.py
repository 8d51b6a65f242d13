"""Every weight of a network in one flat vector.

Ordered by layer, so the weights that a phase trains are a few contiguous slices of it
and an optimiser is a handful of vector operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from skdae._core.network import ROLES, Layer, Network, Place, Shape

Tensor = torch.Tensor


@dataclass(frozen=True)
class Block:
    """One layer's place in the flat vectors: views on weights and on gradients."""

    weight: Tensor  # (n_inputs, n_outputs)
    bias: Tensor
    weight_grad: Tensor
    bias_grad: Tensor
    span: tuple[int, int]  # of the flat vector; a tied weight is in its encoder's span
    tied: bool = False  # a decoder layer that is its encoder layer transposed
    shared: bool = False  # an encoder layer whose gradient its decoder began


class Parameters:
    """Every weight of a network in one flat vector, ordered by layer."""

    def __init__(
        self,
        shape: Shape,
        places: Sequence[Place],
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.shape = shape
        self.places = sorted(set(places), key=lambda p: (p[1], ROLES.index(p[0])))
        sizes = [self._n_values(place) for place in self.places]
        self._ends = np.cumsum(sizes).tolist()
        self.flat = torch.zeros(self._ends[-1], dtype=dtype, device=device)
        self.grad = torch.zeros_like(self.flat)
        self.blocks = self.views(self.flat, self.grad)

    def views(self, flat: Tensor, grad: Tensor) -> dict[Place, Block]:
        """The layers in a vector of weights and one of gradients."""
        blocks: dict[Place, Block] = {}
        starts = [0, *self._ends[:-1]]
        for place, start, end in zip(self.places, starts, self._ends, strict=True):
            n_in, n_out = self.shape.size(place)
            bias, bias_grad = flat[end - n_out : end], grad[end - n_out : end]
            if self._is_tied(place):
                encoder = blocks["encoder", place[1]]
                weight, weight_grad = encoder.weight.t(), encoder.weight_grad.t()
            else:
                weight = flat[start : end - n_out].view(n_in, n_out)
                weight_grad = grad[start : end - n_out].view(n_in, n_out)
            blocks[place] = Block(
                weight,
                bias,
                weight_grad,
                bias_grad,
                (start, end),
                tied=self._is_tied(place),
                shared=self.shape.tied and place[0] == "encoder",
            )
        return blocks

    def _is_tied(self, place: Place) -> bool:
        return self.shape.tied and place[0] == "decoder"

    def _n_values(self, place: Place) -> int:
        n_in, n_out = self.shape.size(place)
        return n_out if self._is_tied(place) else (n_in + 1) * n_out

    def initialise(self, generators: dict[Place, np.random.Generator]) -> None:
        """Glorot-uniform weights as scikit-learn's MLP draws them; zero biases."""
        gain = 2.0 if self.shape.activation == "logistic" else 6.0
        for place, block in self.blocks.items():
            if block.tied:
                continue
            n_in, n_out = self.shape.size(place)
            bound = (gain / (n_in + n_out)) ** 0.5
            drawn = generators[place].uniform(-bound, bound, (n_in, n_out))
            block.weight.copy_(torch.from_numpy(drawn))

    def load(self, network: Network) -> None:
        """Take over the weights of a fitted network."""
        depth = len(network.encoder)
        places = [("encoder", k) for k in range(1, depth + 1)]
        places += self.shape.decoder_places(depth)
        layers = (*network.encoder, *network.decoder)
        for place, layer in zip(places, layers, strict=True):
            if place not in self.blocks:  # the output layer of fewer layers
                continue
            block = self.blocks[place]
            if not block.tied:
                block.weight.copy_(torch.from_numpy(layer.weight))
            block.bias.copy_(torch.from_numpy(layer.bias))

    def network(self, depth: int) -> Network | None:
        """The network up to `depth` as numpy arrays; None while it has no decoder."""
        decoder = self.shape.decoder_places(depth)
        if not all(place in self.blocks for place in decoder):
            return None
        layers = tuple(self._layer(place) for place in decoder)
        return replace(self.encoder(depth), decoder=layers)

    def encoder(self, depth: int) -> Network:
        """The encoder alone up to `depth`, as numpy arrays."""
        layers = tuple(self._layer(("encoder", k)) for k in range(1, depth + 1))
        return Network(layers, (), self.shape.activation, self.shape.head)

    def _layer(self, place: Place) -> Layer:
        block = self.blocks[place]
        weight = block.weight.cpu().numpy().copy(order="C")
        return Layer(weight, block.bias.cpu().numpy().copy())

    def spans(self, places: Sequence[Place]) -> list[tuple[int, int]]:
        """The places' slices of the flat vector, neighbours merged."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted(self.blocks[place].span for place in places):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((start, end))
        return merged
