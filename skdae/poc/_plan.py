"""The size of a run: everything, or what fits into the time budget."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from sklearn.base import clone

from skdae._transformer import GradualDAETransformer
from skdae.poc._data import Data
from skdae.poc._splits import Split, sample_rows
from skdae.schedules import at_equal_updates, gradual

MAX_ROWS = 20_000
MAX_TEST_ROWS = 2_000
MAX_SPLITS = 10
LABEL_COUNTS = (100, 300, 1_000, 3_000)
DISPENSABLE = ("frozen", "hybrid", "joint")  # schedules, the first to go first
PILOT_SPLITS = 5  # a plan is chosen such that as many splits fit
NETWORK_SHARE = 0.6  # of the time of a split, roughly: the rest is for other methods


class Unit(NamedTuple):
    """One method on one split."""

    kind: str
    method: str
    split: int


@dataclass(frozen=True)
class Setting:
    """What all units share, and the rows that each of them sees."""

    data: Data
    splits: Sequence[Split]
    transformer: GradualDAETransformer
    schedules: dict[str, str]  # name: the schedule it stands for
    max_iter: int
    label_counts: tuple[int, ...]  # 0: all
    max_test_rows: int
    seed: int
    memory: bool = True  # whether peak memory is measured

    def rows(self, split: int) -> tuple[Data, Data]:
        """Return the training rows and the test rows of a split.

        Where the task is to detect anomalies, no known anomaly is trained on.
        """
        train, test = self.splits[split]
        if self.data.task == "anomaly":
            train = train[self.data.target_of(train) != 1]
        rows = self.data.take(test)
        used = sample_rows(rows, self.max_test_rows, [self.seed, split, 1])
        return self.data.take(train), rows.take(used)

    def seed_of(self, unit: Unit) -> int:
        """Return a seed of its own for each method and split."""
        words = [self.seed, unit.split, crc32(unit.method.encode())]
        return int(np.random.SeedSequence(words).generate_state(1)[0] >> 1)

    def network(
        self, schedule: str, data: Data, seed: int, max_iter: int
    ) -> GradualDAETransformer:
        """Return the transformer; all schedules have as many weight updates."""
        sizes = np.atleast_1d(self.transformer.hidden_layer_sizes)
        reference = gradual(len(sizes), max(max_iter, len(sizes)))
        return clone(self.transformer).set_params(
            schedule=at_equal_updates(schedule, reference),
            categorical_features=list(data.categorical) or None,
            random_state=seed,
        )


@dataclass(frozen=True)
class Plan:
    """The size of a run."""

    n_rows: int
    max_iter: int
    schedules: tuple[str, ...]
    n_splits: int
    label_counts: tuple[int, ...]
    # what was asked for and is not run: (what, how much was asked, how much is run)
    left_out: tuple[tuple[str, Any, Any], ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Plan":
        """Return what `to_dict` has returned, read from JSON."""
        found = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return cls(**found | {"left_out": tuple(map(tuple, stored["left_out"]))})

    def without(self, what: str, asked: Any, run: Any) -> "Plan":
        """Return it with a note of what is left out, one note for each thing."""
        kept = tuple(item for item in self.left_out if item[0] != what)
        first = next((item[1] for item in self.left_out if item[0] == what), asked)
        return replace(self, left_out=(*kept, (what, first, run)))

    def shrunk(self, **changes: Any) -> "Plan":
        """Return it with less of something; the same plan where nothing is less."""
        smaller = self
        for name, value in changes.items():
            old = getattr(self, name)
            if name == "schedules":
                value = tuple(s for s in old if s not in value) or old[:1]
            elif name == "label_counts":
                value = tuple(n for n in old if n in value or n == old[-1])
            else:
                value = min(old, value)
            if value != old:
                smaller = replace(smaller, **{name: value})
                smaller = smaller.without(name.removeprefix("n_"), old, value)
        return smaller


def full_plan(
    data: Data,
    schedules: Sequence[str],
    max_iter: int,
    n_splits: int,
    max_rows: int,
    label_budget: int | None,
) -> Plan:
    """Return the plan without a time budget."""
    n_labels = int(data.known.sum())
    counts: tuple[int, ...]
    if data.task not in ("classification", "regression"):
        counts = ()
    elif label_budget is None or label_budget >= n_labels:
        counts = (*(n for n in LABEL_COUNTS if n < n_labels / 2), 0)
    else:
        counts = (*(n for n in LABEL_COUNTS if n < label_budget), label_budget)
    n_rows = len(data.X)
    return Plan(n_rows, max_iter, tuple(schedules), n_splits, counts).shrunk(
        n_rows=max_rows
    )


def smaller_plans(plan: Plan) -> list[Plan]:
    """Return ever smaller plans, the first the one given."""
    epochs = plan.max_iter
    steps: tuple[dict[str, Any], ...] = (
        {"schedules": DISPENSABLE[:2], "label_counts": (100, 1_000)},
        {"max_iter": max(1, epochs // 2)},
        {"n_rows": 10_000},
        {"schedules": DISPENSABLE, "label_counts": (100,)},
        {"n_rows": 5_000},
        {"max_iter": max(1, epochs // 4)},
        {"n_rows": 2_000},
        {"n_rows": 1_000},
        {"max_iter": max(1, epochs // 8)},
    )
    plans = [plan]
    for step in steps:
        smaller = plans[-1].shrunk(**step)
        if smaller != plans[-1]:
            plans.append(smaller)
    return plans


def plan_for(plan: Plan, pilot: Any, seconds: float, n_jobs: int) -> Plan:
    """Return the largest plan of which a few splits fit into the time.

    `pilot` returns, for a number of rows, the seconds of an epoch of a network and of
    a downstream task.
    """
    per_row: dict[int, tuple[float, float]] = {}
    for candidate in smaller_plans(plan):
        n = candidate.n_rows
        if n not in per_row:
            per_row[n] = pilot(n)
        epoch, task = per_row[n]
        n_networks = len(candidate.schedules)
        ours = epoch * candidate.max_iter * n_networks
        # once per schedule, and for the network that is not pretrained
        ours += task * max(len(candidate.label_counts), 1) * (n_networks + 1)
        if PILOT_SPLITS * ours / NETWORK_SHARE / n_jobs <= seconds:
            break
    return candidate


def splits_in(seconds: float, first_split: float, most: int) -> int:
    """Return how many splits fit when one has taken so long; at least one."""
    return int(np.clip(seconds / max(first_split, 1e-9), 1, most))
