"""How many threads the libraries below us use while a network is trained."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from threading import Lock

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

_lock = Lock()
_torch_before: list[int] = []  # what the first of the fits under way has found
_blas: list[threadpool_limits] = []  # numpy's limit, lifted by the last of them


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """The thread pools of the process; looking for them takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Run with so many threads of torch and numpy's BLAS, then with as many as before.

    torch's setting belongs to the thread and to the process, so each fit restores what
    the first of those that overlap has found, in its own thread. That of the BLAS
    belongs to the process: the first fit sets it, the last one restores it.
    """
    with _lock:
        before = _torch_before[0] if _torch_before else torch.get_num_threads()
        if not _torch_before:
            _blas.append(_libraries().limit(limits=n_threads, user_api="blas"))
        _torch_before.append(before)
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        with _lock:
            torch.set_num_threads(_torch_before.pop())
            if not _torch_before:
                _blas.pop().restore_original_limits()


@contextmanager
def workers(n_workers: int) -> Iterator[tuple[ThreadPoolExecutor, ...]]:
    """Threads that share the work of this one, each with one thread of torch.

    Two such threads do not get into each other's way as those of OpenMP do, which wait
    for each other in a loop: where another process wants the cores, or numpy's threads
    and torch's take turns, these can make a step a hundred times slower.
    """
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))
            )
            for _ in range(n_workers)
        )
