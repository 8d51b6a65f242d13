"""Who hears of a fit: the terminal, scikit-learn's callbacks, and who listens in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from skdae._core.monitor import Epoch, Monitor, PhaseRecord, Snapshot
from skdae._core.network import Network
from skdae.schedules import Phase

#: What makes a monitor of the plan of each fit in this context, None for no one.
_LISTENER: ContextVar[Callable[[Sequence[Phase]], Monitor] | None] = ContextVar(
    "listener", default=None
)


@contextmanager
def heard_by(listener: Callable[[Sequence[Phase]], Monitor]) -> Iterator[None]:
    """Let a monitor, made from its plan, hear of each fit within, however deep.

    So one can follow estimators that train several networks, and leave no trace in
    the parameters of any.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def monitors(plan: Sequence[Phase], verbose: int) -> list[Monitor]:
    """Return who hears of any fit: the terminal from verbose=1, and who listens in."""
    listener = _LISTENER.get()
    printed: list[Monitor] = [PrintMonitor(plan, verbose)] if verbose else []
    return printed if listener is None else [*printed, listener(plan)]


class PrintMonitor(Monitor):
    """Prints a line per phase, per epoch from verbose=2, with the time left."""

    def __init__(self, plan: Sequence[Phase], verbose: int) -> None:
        self.plan, self.verbose = plan, verbose
        self.started = perf_counter()
        self.number = 0

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Remember where we are."""
        self.number = number

    def _seconds_left(self, epochs_done: int) -> float:
        """Estimate from the layers passed through so far and those to come."""
        total = sum(phase.depth * phase.epochs for phase in self.plan)
        done = sum(phase.depth * phase.epochs for phase in self.plan[: self.number])
        done += self.plan[self.number].depth * epochs_done
        return (perf_counter() - self.started) * (total - done) / max(done, 1)

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Print when it is time: each epoch, or about ten times a phase."""
        phase = self.plan[self.number]
        every = 1 if self.verbose > 1 else max(1, phase.epochs // 10)
        if (epoch.epoch + 1) % every == 0 or epoch.epoch + 1 == phase.epochs:
            validation = (
                ""
                if epoch.validation_loss is None
                else f"  validation {epoch.validation_loss:.5f}"
            )
            print(
                f"phase {self.number + 1}/{len(self.plan)} ({phase.kind}, "
                f"{phase.depth} layers)  epoch {epoch.epoch + 1}/{phase.epochs}  "
                f"loss {epoch.loss:.5f}{validation}  "
                f"{self._seconds_left(epoch.epoch + 1):.0f} s left"
            )
        return False


class CallbackMonitor(Monitor):
    """Passes phases and epochs on to scikit-learn's callbacks as nested tasks."""

    def __init__(
        self,
        estimator: Any,
        context: Any,
        learned: dict[str, Any],
        data: dict[str, Any],
    ) -> None:
        self.estimator, self.learned, self.data = estimator, learned, data
        self.context = self._begin(context)
        self.phase_context: Any = None
        self.epoch_context: Any = None

    def _begin(self, context: Any) -> Any:
        """Tell the callbacks that a task begins."""
        return context.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def _end(self, context: Any, network: Snapshot) -> bool:
        """Tell the callbacks that a task has ended; True when one asks to stop."""

        def fitted() -> dict[str, Any] | None:
            current = network()
            return None if current is None else self.learned | {"network_": current}

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
        """Tell all."""
        for monitor in self.monitors:
            monitor.phase_begin(number, phase)

    def epoch_begin(self) -> None:
        """Tell all."""
        for monitor in self.monitors:
            monitor.epoch_begin()

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Tell all; one that asks is enough to stop."""
        asked = [monitor.epoch_end(epoch, network) for monitor in self.monitors]
        return any(asked)

    def phase_end(self, record: PhaseRecord, network: Snapshot) -> bool:
        """Tell all; one that asks is enough to stop."""
        asked = [monitor.phase_end(record, network) for monitor in self.monitors]
        return any(asked)

    def fit_end(self, network: Network) -> None:
        """Tell all."""
        for monitor in self.monitors:
            monitor.fit_end(network)
