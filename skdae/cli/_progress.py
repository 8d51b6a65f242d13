"""How far a proof of concept or a fit is, in the terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from skdae._core.monitor import Epoch, Monitor, Snapshot
from skdae.cli._notes import Heartbeat, is_quiet
from skdae.schedules import Phase

SHOWN = ("pca", "neighbors", "regressions")  # beside the first schedule


class Bar:
    """Units that are done, the time left, and the errors found so far.

    On standard error; where that is no terminal, a line for each split.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, quiet=is_quiet())
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=is_quiet() or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("preparing", total=None)
        self._errors: dict[str, list[float]] = {}
        self._split = -1
        self._plan: Any = None

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()

    def planned(self, plan: Any, n_units: int, n_done: int) -> None:
        """Show the plan."""
        self._bar.update(self._task, total=n_units, completed=n_done)
        if plan == self._plan:
            return
        self._plan = plan
        left_out = ", ".join(
            f"{what} {_short(asked)} → {_short(run)}"
            for what, asked, run in plan.left_out
        )
        text = f"{plan.n_splits} splits, {plan.n_rows} rows, {plan.max_iter} epochs"
        self._console.print(
            f"plan: {text}" + (f" (to save time: {left_out})" if left_out else ""),
            highlight=False,
            soft_wrap=True,
        )

    def done(self, unit: Any, result: dict[str, Any]) -> None:
        """Show what a unit has found."""
        errors = [r.value for r in result["records"] if r.experiment == "denoising"]
        if errors:
            self._errors.setdefault(unit.method, []).append(float(np.mean(errors)))
        so_far = ", ".join(
            f"{method} {np.mean(values):.3f}"
            for method, values in self._errors.items()
            if unit.kind != "memory" and (method in SHOWN or values is self._first)
        )
        shown = f"split {unit.split + 1}" + (f": error {so_far}" if so_far else "")
        self._bar.update(self._task, advance=1, description=shown)
        if unit.split != self._split and not self._console.is_terminal:
            self._console.print(f"split {unit.split + 1} begun", highlight=False)
        self._split = unit.split

    @property
    def _first(self) -> list[float]:
        return next(iter(self._errors.values()))


class EpochBar:
    """Epochs that are done of the network in training, its phase and its loss.

    On standard error; where that is not a terminal, a line every now and then.
    """

    def __init__(self, words: str, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),  # all of it fits into 80 letters
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=is_quiet() or not console.is_terminal,
        )
        self._task = self._bar.add_task(words, total=None)
        self._n_networks = 0
        self._heartbeat = None if console.is_terminal else Heartbeat()

    def __enter__(self) -> "EpochBar":
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()

    def listen(self, plan: Sequence[Phase]) -> Monitor:
        """Return the monitor of the next network."""
        self._n_networks += 1
        self._bar.reset(self._task, total=sum(phase.epochs for phase in plan))
        return _EpochMonitor(self, plan, f"network {self._n_networks}")

    def show(self, words: str, n_epochs: int) -> None:
        """Show where the training is."""
        self._bar.update(self._task, description=words, completed=n_epochs)
        if self._heartbeat is not None:
            self._heartbeat.show(words)


class _EpochMonitor(Monitor):
    """Updates a progress bar after each epoch."""

    def __init__(self, bar: EpochBar, plan: Sequence[Phase], words: str) -> None:
        self.bar, self.plan, self.words = bar, plan, words

    def _show(self, number: int, n_epochs: int, more: str = "") -> None:
        before = sum(phase.epochs for phase in self.plan[:number])
        phase = f"phase {number + 1}/{len(self.plan)} ({self.plan[number].kind})"
        self.bar.show(f"{self.words}, {phase}{more}", before + n_epochs)

    def phase_begin(self, number: int, phase: Phase) -> None:
        """Show the phase; what an early stop has left out of those before counts."""
        self._show(number, 0)

    def epoch_end(self, epoch: Epoch, network: Snapshot) -> bool:
        """Show the epoch."""
        self._show(epoch.phase, epoch.epoch + 1, f", loss {epoch.loss:.4g}")
        return False


def _short(value: Any) -> str:
    """Return a number, or how many names there are."""
    return str(len(value)) if isinstance(value, (tuple, list)) else str(value)
