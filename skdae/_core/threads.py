"""Thread limits of torch and the BLAS while a network is trained."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from threading import RLock

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """The thread pools of the process; looking for them takes milliseconds."""
    return ThreadpoolController()


class _Limits:
    """The limits of the process, set by the first of the fits that overlap.

    torch's setting belongs to the thread and to the process, so each fit restores what
    the first one has found, in its own thread. That of the BLAS belongs to the process:
    the first fit sets it, the last one restores it.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self._n_fits = 0
        self._torch_before = 1
        self._blas: threadpool_limits | None = None

    def enter(self, n_threads: int) -> None:
        """Limit the threads for one more fit."""
        with self.lock:
            if self._blas is None:
                self._torch_before = torch.get_num_threads()
                _take_control()
                self._blas = _libraries().limit(limits=n_threads, user_api="blas")
            self._n_fits += 1
            torch.set_num_threads(n_threads)

    def leave(self) -> None:
        """Restore what this fit has changed."""
        with self.lock:
            torch.set_num_threads(self._torch_before)
            self._n_fits = max(0, self._n_fits - 1)  # 0: it began before a fork
            if self._n_fits == 0 and self._blas is not None:
                _take_control()
                self._blas.restore_original_limits()
                self._blas = None
                _take_control()

    def renew(self) -> None:
        """Forget the fits of the threads that a fork has left behind.

        The limits that they set are still there; the next fit here restores them.
        """
        self.lock = RLock()
        self._n_fits = 0


def _take_control() -> None:
    """Let this thread set the limits of OpenBLAS, and the next one after it.

    threadpoolctl (3.8) lets only the thread that set a limit first set another one, and
    ignores the others without a word: fits in threads would train with other sums.
    """
    for library in _libraries().lib_controllers:
        clear = getattr(library, "clear_controlling_thread", None)
        if clear is not None:
            clear(force=True)


_limits = _Limits()
if hasattr(os, "register_at_fork"):  # not on Windows
    # a child must not begin with the lock of a thread that it does not have
    os.register_at_fork(
        before=lambda: _limits.lock.acquire(),
        after_in_parent=lambda: _limits.lock.release(),
        after_in_child=_limits.renew,
    )


@contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Limit the threads of torch and numpy's BLAS, and restore their number."""
    _limits.enter(n_threads)
    try:
        yield
    finally:
        _limits.leave()


@contextmanager
def workers(n_workers: int) -> Iterator[tuple[ThreadPoolExecutor, ...]]:
    """Threads that share the work of this one, each with one thread of torch.

    They do not block each other as those of OpenMP do, which wait in a loop: where
    another process wants the cores, or numpy's threads and torch's take turns, these
    can make a step a hundred times slower.
    """
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))
            )
            for _ in range(n_workers)
        )
