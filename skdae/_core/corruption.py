"""Corrupted batches: rows through the noise, and the weight of each target cell."""

import numpy as np

from skdae._core.network import Head
from skdae._core.sources import Batch, Block, HeldOut
from skdae.noise import Layout, Noise

Emphasis = tuple[float, float] | None  # weight of corrupted and of untouched cells


def corrupted_batch(
    block: Block,
    layout: Layout,
    noise: Noise | None,
    generator: np.random.Generator,
    emphasis: Emphasis,
) -> Batch:
    """The rows with noise (clean ones without) and what is to be predicted from them.

    Emphasis weighs cells that are rebuilt; a target of its own has weights of rows or
    of cells.
    """
    corrupted, mask = block.values, np.zeros(block.values.shape, dtype=bool)
    if noise is not None:
        corrupted, mask = corrupt(block, layout, noise, generator)
    if block.target is None:
        weight = _cell_weights(mask, block.observed, emphasis)
        return Batch(corrupted, block.values, weight)
    weight = block.weight
    if weight is not None and weight.ndim == 1:
        weight = np.repeat(weight[:, None], block.target.shape[1], axis=1)
    return Batch(corrupted, block.target, weight, block.offset)


def held_out_batch(
    held_out: HeldOut,
    layout: Layout,
    noise: Noise | None,
    seed: int,
    emphasis: Emphasis,
) -> Batch:
    """Held-out rows with their weights, corrupted alike for the same seed."""
    block = held_out.block
    if block.target is not None:  # predicted from rows as they are
        noise = None
    generator = np.random.default_rng(seed)
    batch = corrupted_batch(block, layout, noise, generator, emphasis)
    if np.all(held_out.weights == 1):
        return batch
    cells = np.ones_like(batch.target) if batch.weight is None else batch.weight
    weights = held_out.weights.astype(np.float32)[:, None]
    return batch._replace(weight=cells * weights)


def check_range(block: Block, head: Head) -> None:
    """Refuse numbers that a cross-entropy cannot rebuild."""
    if head.loss != "cross_entropy":
        return
    numbers = block.values[:, : head.n_numeric]
    if numbers.size and (numbers.min() < -1e-6 or numbers.max() > 1 + 1e-6):
        raise ValueError(
            "loss='cross_entropy' needs data in [0, 1], and rows have scaled values in "
            f"[{numbers.min():g}, {numbers.max():g}]; use loss='squared_error', or fit "
            "again on rows of the whole range with scaling='minmax'."
        )


def corrupt(
    block: Block, layout: Layout, noise: Noise, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Corrupted rows and where; a missing cell enters as a masked one."""
    if block.observed is None:
        return noise.apply(block.values, generator, layout)
    # a donor row that misses the cell leaves it as it was
    known = np.where(block.observed, block.values, np.nan)
    corrupted, mask = noise.apply(known, generator, layout)
    untouched = np.isnan(corrupted)
    corrupted[untouched] = block.values[untouched]
    mask &= ~untouched
    corrupted[~block.observed] = 0
    return corrupted, mask


def _cell_weights(
    mask: np.ndarray, observed: np.ndarray | None, emphasis: Emphasis
) -> np.ndarray | None:
    """Weight of each cell in the loss: its emphasis, and 0 where it is missing."""
    if emphasis is None or emphasis == (1, 1):
        return None if observed is None else observed.astype(np.float32)
    weight = np.where(mask, np.float32(emphasis[0]), np.float32(emphasis[1]))
    return weight if observed is None else weight * observed
