"""Phases that were trained before, for runs that begin with the same ones."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from skdae._core.monitor import Epoch, PhaseRecord, SolverState
from skdae._core.parameters import Parameters
from skdae._core.settings import Settings
from skdae.schedules import Phase


@dataclass(frozen=True)
class PhaseEnd:
    """Where a run stands at the end of a phase."""

    weights: torch.Tensor  # flat, of the layers up to the deepest that was trained
    solver: SolverState
    generators: tuple[Mapping[str, Any], ...]  # states of the random streams
    epochs: tuple[Epoch, ...]
    record: PhaseRecord


class PhaseMemory:
    """Ends of phases, by all that they depend on and their number of epochs."""

    def __init__(self) -> None:
        self._ends: dict[Hashable, dict[int, PhaseEnd]] = {}

    def longest(self, key: Hashable, n_epochs: int) -> PhaseEnd | None:
        """The end after the most epochs, of at most so many; None without any."""
        ends = self._ends.get(key, {})
        numbers = [number for number in ends if number <= n_epochs]
        return ends[max(numbers)] if numbers else None

    def keep(self, key: Hashable, end: PhaseEnd) -> None:
        """Keep the end of a phase."""
        self._ends.setdefault(key, {})[len(end.epochs)] = end


class KnownPhase(NamedTuple):
    """A phase of a run, as a memory knows it."""

    memory: PhaseMemory
    key: Hashable
    phase: Phase
    depth: int  # of the deepest layer trained at its end
    is_whole: bool  # it depends on its number of epochs

    def find(self) -> tuple[PhaseEnd | None, bool]:
        """What was trained of the phase, and whether that is all of it."""
        end = self.memory.longest(self.key, self.phase.epochs)
        if end is None:
            return None, False
        return end, self.is_whole or len(end.epochs) == self.phase.epochs

    def keep(self, end: PhaseEnd) -> None:
        """Keep the end of the phase."""
        self.memory.keep(self.key, end)


class SharedRun(NamedTuple):
    """Where a run finds the phases of others, and what it starts from.

    The origin stands for rows, noise, random streams and whatever else the weights
    depend on beside widths, plan and settings: equal ones have equal origins.
    """

    memory: PhaseMemory
    origin: Hashable

    def phase(
        self,
        parameters: Parameters,
        plan: Sequence[Phase],
        number: int,
        settings: Settings,
        *,
        holds_out: bool,
    ) -> KnownPhase:
        """A phase of the plan.

        Where nothing stops it early and no weights are averaged, a phase begins like a
        shorter one, and goes on from where that ended.
        """
        phase, shape = plan[number], parameters.shape
        is_whole = holds_out or settings.averaging > 0
        deepest = max(each.depth for each in plan[: number + 1])
        key = (
            self.origin,
            settings,
            repr(replace(shape, widths=shape.widths[: deepest + 1])),
            tuple(each for each in parameters.keys if each.depth <= deepest),
            tuple(plan[:number]),
            phase if is_whole else replace(phase, epochs=1),
        )
        return KnownPhase(self.memory, key, phase, deepest, is_whole)
