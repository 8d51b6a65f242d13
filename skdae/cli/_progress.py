"""How far a proof of concept or a fit is, in the terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from skdae._core.monitor import Epoch, Monitor, Snapshot
from skdae.cli._notes import Heartbeat, is_quiet
from skdae.schedules import Phase, total_epochs

SHOWN = ("pca", "neighbors", "regressions")  # beside the first schedule


class TaskBar(Progress):
    """The bar of one task on standard error, where that is a terminal."""

    def __init__(self, words: str, *columns: ProgressColumn, **options: Any) -> None:
        console = Console(stderr=True, quiet=is_quiet())
        self.is_drawn = console.is_terminal and not is_quiet()
        super().__init__(
            TextColumn("{task.description}"),
            *columns,
            TimeRemainingColumn(),
            console=console,
            disable=not self.is_drawn,
            **options,
        )
        self.task = self.add_task(words, total=None)


class Bar(TaskBar):
    """Units that are done, the time left, and the errors found so far.

    Where there is no terminal, a line for each split.
    """

    def __init__(self) -> None:
        super().__init__("preparing", BarColumn(), MofNCompleteColumn())
        self._errors: dict[str, list[float]] = {}
        self._split = -1
        self._plan: Any = None

    def planned(self, plan: Any, n_units: int, n_done: int) -> None:
        """Show the plan."""
        self.update(self.task, total=n_units, completed=n_done)
        if plan == self._plan:
            return
        self._plan = plan
        left_out = ", ".join(
            f"{what} {_short(asked)} → {_short(run)}"
            for what, asked, run in plan.left_out
        )
        text = f"{plan.n_splits} splits, {plan.n_rows} rows, {plan.max_iter} epochs"
        self.console.print(
            f"plan: {text}" + (f" (to save time: {left_out})" if left_out else ""),
            highlight=False,
            soft_wrap=True,
        )

    def done(self, unit: Any, result: dict[str, Any]) -> None:
        """Show what a unit has found."""
        errors = [r.value for r in result["records"] if r.experiment == "denoising"]
        if errors:
            self._errors.setdefault(unit.method, []).append(float(np.mean(errors)))
        first = next(iter(self._errors), None)
        so_far = ", ".join(
            f"{method} {np.mean(values):.3f}"
            for method, values in self._errors.items()
            if unit.kind != "memory" and method in (*SHOWN, first)
        )
        shown = f"split {unit.split + 1}" + (f": error {so_far}" if so_far else "")
        self.update(self.task, advance=1, description=shown)
        if unit.split != self._split and not self.console.is_terminal:
            self.console.print(f"split {unit.split + 1} begun", highlight=False)
        self._split = unit.split


class EpochBar(TaskBar):
    """Epochs that are done of the network in training, its phase and its loss.

    Where there is no terminal, a line every now and then.
    """

    def __init__(self, words: str) -> None:
        # all of it fits into 80 letters
        columns = BarColumn(bar_width=10), MofNCompleteColumn(), TextColumn("epochs")
        super().__init__(words, *columns, transient=True)
        self._n_networks = 0
        self._heartbeat = Heartbeat()

    def listen(self, plan: Sequence[Phase]) -> Monitor:
        """Return the monitor of the next network."""
        self._n_networks += 1
        self.reset(self.task, total=total_epochs(plan))
        return _EpochMonitor(self, plan, f"network {self._n_networks}")

    def show(self, words: str, n_epochs: int) -> None:
        """Show where the training is."""
        self.update(self.task, description=words, completed=n_epochs)
        if not self.is_drawn:
            self._heartbeat.show(words)


class _EpochMonitor(Monitor):
    """Updates a progress bar after each epoch."""

    def __init__(self, bar: EpochBar, plan: Sequence[Phase], words: str) -> None:
        self.bar, self.plan, self.words = bar, list(plan), words
        self.total = total_epochs(plan)

    def _show(self, number: int, n_epochs: int, more: str = "") -> None:
        before = self.total - total_epochs(self.plan[number:])
        phase = f"phase {number + 1}/{len(self.plan)} ({self.plan[number].kind})"
        self.bar.show(f"{self.words}, {phase}{more}", before + n_epochs)

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Show the phase; epochs that early stopping has left out before it count.

        Those that were passed on are part of the phase.
        """
        self.plan[number] = phase
        self._show(number, 0)

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Show the epoch."""
        self._show(epoch.phase, epoch.epoch + 1, f", loss {epoch.loss:.4g}")
        return False


def _short(value: Any) -> str:
    """Return a number, or how many names there are."""
    return str(len(value)) if isinstance(value, (tuple, list)) else str(value)
