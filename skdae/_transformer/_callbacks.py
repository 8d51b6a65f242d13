"""Training monitors: progress output, scikit-learn's callbacks, and observers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from itertools import count
from time import perf_counter
from typing import Any

from skdae._core.monitor import Epoch, Monitor, PhaseRecord, Snapshot
from skdae._core.network import Network
from skdae._sklearn_compat import callback_context, validate_params_of
from skdae.schedules import Phase

#: Makes a monitor from the plan of each fit in this context; None makes none.
_OBSERVER: ContextVar[Callable[[Sequence[Phase]], Monitor] | None] = ContextVar(
    "observer", default=None
)


@contextmanager
def observed_networks(estimator: Any, n_networks: int | None, X: Any) -> Iterator[None]:
    """Observe the networks that an estimator trains within the context, by number.

    With `verbose`, its own or its transformer's, their progress is printed. Each is a
    task of the estimator's callbacks, above its phases. A callback that asks to stop
    ends a phase, or the training of that network; those after it are trained.
    """
    verbose = int(estimator.verbose)
    if estimator.transformer is not None:
        validate_params_of(estimator.transformer)  # skipped within another fit
        verbose = max(verbose, int(estimator.transformer.verbose))
    context = callback_context(estimator, n_networks)
    outer, numbers = _OBSERVER.get(), count(1)

    def observe(plan: Sequence[Phase]) -> Monitor:
        name = f"network {next(numbers)}"
        observers = [outer(plan)] if outer else []
        if verbose:
            observers.append(PrintMonitor(plan, verbose, f"{name}  "))
        if context is not None:
            task = context.subcontext(task_name=name, max_subtasks=len(plan))
            observers.append(CallbackMonitor(estimator, task, None, {}))
        return Monitors(observers)

    if context is not None:
        context.call_on_fit_task_begin(estimator=estimator, X=X, y=None)
    with observed_by(observe):
        yield
    if context is not None:
        context.call_on_fit_task_end(
            estimator=estimator, X=X, y=None, reconstruction_attributes={}
        )


@contextmanager
def observed_by(observer: Callable[[Sequence[Phase]], Monitor]) -> Iterator[None]:
    """Observe every fit within the context with a monitor made from its plan.

    This follows estimators that train several networks without changing their
    parameters.
    """
    token = _OBSERVER.set(observer)
    try:
        yield
    finally:
        _OBSERVER.reset(token)


def is_observed() -> bool:
    """Return whether an observer follows the fits of this context."""
    return _OBSERVER.get() is not None


def monitors(plan: Sequence[Phase], verbose: int) -> list[Monitor]:
    """Return the monitors of a fit: printing from verbose=1, and the observer."""
    observer = _OBSERVER.get()
    printed: list[Monitor] = [PrintMonitor(plan, verbose)] if verbose else []
    return printed if observer is None else [*printed, observer(plan)]


class PrintMonitor(Monitor):
    """Prints a line per phase, per epoch from verbose=2, with the time left."""

    def __init__(self, plan: Sequence[Phase], verbose: int, prefix: str = "") -> None:
        self.plan, self.verbose, self.prefix = list(plan), verbose, prefix
        self.started = perf_counter()
        self.number = 0

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Store the phase, which may have epochs of the one before."""
        self.number = number
        self.plan[number] = phase

    def phase_end(self, record: PhaseRecord, network: Snapshot) -> bool:
        """Store how long the phase was."""
        phase = self.plan[self.number]
        self.plan[self.number] = replace(phase, epochs=record.epochs)
        return False

    def _seconds_left(self, epochs_done: int) -> float:
        """Estimate from the layers passed through so far and those to come."""
        total = sum(phase.depth * phase.epochs for phase in self.plan)
        done = sum(phase.depth * phase.epochs for phase in self.plan[: self.number])
        done += self.plan[self.number].depth * epochs_done
        return (perf_counter() - self.started) * (total - done) / max(done, 1)

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Print each epoch, or about ten epochs of a phase."""
        phase = self.plan[self.number]
        every = 1 if self.verbose > 1 else max(1, phase.epochs // 10)
        if (epoch.epoch + 1) % every == 0 or epoch.epoch + 1 == phase.epochs:
            validation = (
                ""
                if epoch.validation_loss is None
                else f"  validation {epoch.validation_loss:.5f}"
            )
            print(
                f"{self.prefix}phase {self.number + 1}/{len(self.plan)} ({phase.kind}, "
                f"{phase.depth} layers)  epoch {epoch.epoch + 1}/{phase.epochs}  "
                f"loss {epoch.loss:.5f}{validation}  "
                f"{self._seconds_left(epoch.epoch + 1):.0f} s left"
            )
        return False


class CallbackMonitor(Monitor):
    """Passes phases and epochs on to scikit-learn's callbacks as nested tasks.

    `learned` returns the attributes that a network makes a fitted estimator with, None
    where a network alone makes none.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        learned: Callable[[Network], dict[str, Any]] | None,
        data: dict[str, Any],
    ) -> None:
        self.estimator, self.learned, self.data = estimator, learned, data
        self.context = self._begin(context)
        self.phase_context: Any = None
        self.epoch_context: Any = None

    def _begin(self, context: Any) -> Any:
        """Notify the callbacks that a task begins."""
        return context.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def _end(self, context: Any, network: Snapshot) -> bool:
        """Notify the callbacks that a task has ended; True when one asks to stop."""

        def fitted() -> dict[str, Any] | None:
            if self.learned is None or (current := network()) is None:
                return None
            return self.learned(current)

        return context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=fitted, **self.data
        )

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Open the phase's task."""
        name = f"phase {number + 1}: {phase.kind}"
        self.phase_context = self._begin(
            self.context.subcontext(task_name=name, max_subtasks=phase.epochs)
        )

    def epoch_begin(self) -> None:
        """Open the epoch's task."""
        self.epoch_context = self._begin(
            self.phase_context.subcontext(task_name="epoch")
        )

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Close the epoch's task."""
        return self._end(self.epoch_context, network)

    def phase_end(self, record: PhaseRecord, network: Snapshot) -> bool:
        """Close the phase's task."""
        return self._end(self.phase_context, network)

    def fit_end(self, network: Network) -> None:
        """Close the task of the fit."""
        self._end(self.context, lambda: network)


class Monitors(Monitor):
    """Several monitors as one."""

    def __init__(self, monitors: Sequence[Monitor]) -> None:
        self.monitors = monitors

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Notify all monitors."""
        for monitor in self.monitors:
            monitor.phase_begin(number, phase)

    def epoch_begin(self) -> None:
        """Notify all monitors."""
        for monitor in self.monitors:
            monitor.epoch_begin()

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Notify all monitors; stop if any of them asks to."""
        asked = [monitor.epoch_end(epoch, network) for monitor in self.monitors]
        return any(asked)

    def phase_end(self, record: PhaseRecord, network: Snapshot) -> bool:
        """Notify all monitors; stop if any of them asks to."""
        asked = [monitor.phase_end(record, network) for monitor in self.monitors]
        return any(asked)

    def fit_end(self, network: Network) -> None:
        """Notify all monitors."""
        for monitor in self.monitors:
            monitor.fit_end(network)
