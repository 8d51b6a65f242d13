"""Training phases shared by the fits of a search."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pickle import PicklingError
from typing import Any

import joblib

from skdae._core.network import Network
from skdae._core.sources import TableSource
from skdae._random import Streams
from skdae._sklearn_compat import has_callbacks
from skdae._transformer._callbacks import is_observed
from skdae.noise import Noise

#: PhaseMemory of the fits in this context; None: each fit trains all of its phases.
_MEMORY: ContextVar[Any] = ContextVar("memory", default=None)


@contextmanager
def shared_phases() -> Iterator[None]:
    """Let fits within the context go on from phases that an earlier one has trained.

    They give the same models, bit for bit, since a phase is taken over only from a fit
    with the same rows, noise, random streams and settings. This reaches estimators
    within others without changing their parameters.
    """
    from skdae._core.memory import PhaseMemory

    token = _MEMORY.set(PhaseMemory())
    try:
        yield
    finally:
        _MEMORY.reset(token)


def shared_run(
    transformer: Any,
    source: TableSource,
    noise: Noise | None,
    streams: Streams,
    initial: Network | None,
) -> Any:
    """Return what a fit shares with others, as `SharedRun` of the core; None: nothing.

    An observer sees every epoch and may stop a phase, so that its fit is its own.
    """
    memory = _MEMORY.get()
    if memory is None or is_observed() or has_callbacks(transformer):
        return None
    from skdae._core.memory import SharedRun

    states = [each.bit_generator.state for each in vars(streams).values()]
    origin = content_hash((source, noise, states, initial))
    return None if origin is None else SharedRun(memory, origin)


def content_hash(value: Any) -> str | None:
    """Return a hash of all that a value holds, None where it has no pickle."""
    try:
        return joblib.hash(value)
    except (AttributeError, PicklingError, TypeError):
        return None
