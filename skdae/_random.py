"""Random streams: one named generator per use, and fast Bernoulli draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RandomState = int | np.random.RandomState | np.random.Generator | None

# Below this rate (and above one minus it) 16 bits would distort a rate by more
# than 0.2 %, so twice the bits are drawn.
_FINE_RATE = 1 / 256


@dataclass(frozen=True, eq=False)
class Streams:
    """Independent generators of one fit, one per use, so that uses do not interact.

    With a stream of its own per use, a change in one place (for example, more noise
    draws) leaves the others (weights, order of rows, held-out rows) bit for bit the
    same.

    Parameters
    ----------
    init : numpy.random.Generator
        Draws the initial weights.
    shuffle : numpy.random.Generator
        Draws the order of the rows in each epoch.
    corruption : numpy.random.Generator
        Draws the noise on the input.
    split : numpy.random.Generator
        Draws which rows are held out for validation.
    dropout : numpy.random.Generator
        Draws which hidden units are dropped in a step.
    growth : numpy.random.Generator
        Draws the rows, and their noise, from which an added layer gets its first
        weights.
    """

    # The order decides which stream a seed gives: append new streams, never insert.
    init: np.random.Generator
    shuffle: np.random.Generator
    corruption: np.random.Generator
    split: np.random.Generator
    dropout: np.random.Generator
    growth: np.random.Generator


def spawn_streams(random_state: RandomState = None) -> Streams:
    """Return the named streams of a ``random_state``.

    The global generator of numpy is neither read nor written, so a fit does not depend
    on what else the program draws.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None, default=None
        An int gives the same streams at every call. From a ``RandomState`` or a
        ``Generator`` one 32-bit integer is drawn, so that a second call differs.
        None takes fresh entropy from the operating system.

    Returns
    -------
    Streams
        Generators over SFC64, the fastest bit generator of numpy.

    Raises
    ------
    ValueError
        If ``random_state`` is of another type, or a negative integer.

    Examples
    --------
    >>> first, again = spawn_streams(0), spawn_streams(0)
    >>> bool(first.init.random() == again.init.random())
    True
    >>> bool(first.init.random() == first.shuffle.random())
    False
    """
    sequence = np.random.SeedSequence(_entropy(random_state))
    children = sequence.spawn(len(fields(Streams)))
    return Streams(*(np.random.Generator(np.random.SFC64(child)) for child in children))


def _entropy(random_state: Any) -> int | None:
    """Return the integer seed of a ``random_state``, None for fresh entropy."""
    if random_state is None:
        return None
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**32, dtype=np.uint32))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    is_integer = isinstance(random_state, Integral)
    if is_integer and not isinstance(random_state, bool) and int(random_state) >= 0:
        return int(random_state)
    raise ValueError(
        f"random_state={random_state!r} must be None, a non-negative integer, a "
        "numpy.random.RandomState or a numpy.random.Generator; pass an integer such "
        "as 0 for results that repeat."
    )


def bernoulli(
    generator: np.random.Generator, rate: ArrayLike, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return an array that is True in each cell with the probability ``rate``.

    Four cells share one 64-bit draw, which makes this several times faster than
    comparing uniform floats: the corruption of a batch must cost little beside its
    training step.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of the draws, over any bit generator.
    rate : float or array-like of floats in [0, 1], broadcastable to `shape`
        Probability of True: scalar, per column (last axis) or per row (n, 1).
    shape : tuple of int
        Shape of the result.

    Returns
    -------
    ndarray of bool of shape `shape`
        A new array. All False where the rate is 0 and all True where it is 1,
        exactly.

    Notes
    -----
    Resolution: a rate is rounded to a multiple of 2**-16 (a relative error of at
    most 0.2 %). If any rate lies below 1/256 or above 255/256 (and is neither 0
    nor 1), all cells are drawn from 32 bits and rates are multiples of 2**-32.

    Examples
    --------
    >>> import numpy as np
    >>> hit = bernoulli(np.random.default_rng(0), [0.0, 0.5, 1.0], (1000, 3))
    >>> hit.mean(axis=0).round(1).tolist()
    [0.0, 0.5, 1.0]
    """
    rates = np.asarray(rate, dtype=np.float64)
    uncertain = (rates > 0) & (rates < 1)
    if not uncertain.any():
        return np.broadcast_to(rates == 1, shape).copy()
    fine = uncertain & ((rates < _FINE_RATE) | (rates > 1 - _FINE_RATE))
    word = np.dtype(np.uint32 if fine.any() else np.uint16)
    n_levels = 2 ** (8 * word.itemsize)
    # n_levels itself does not fit into a word; rates of 1 are set below.
    threshold = np.minimum(np.rint(rates * n_levels), n_levels - 1).astype(word)
    hit = _words(generator, shape, word) < threshold
    if not uncertain.all():
        hit |= rates == 1
    return hit


def _words(
    generator: np.random.Generator, shape: tuple[int, ...], word: np.dtype
) -> NDArray[np.unsignedinteger]:
    """Return uniform unsigned integers of type `word`, cut from 64-bit draws."""
    n_cells = math.prod(shape)
    n_draws = -(-n_cells * word.itemsize // 8)
    # Over its full range `integers` hands out raw 64-bit words of any bit generator.
    draws = generator.integers(2**64 - 1, size=n_draws, dtype=np.uint64, endpoint=True)
    return draws.view(word)[:n_cells].reshape(shape)
