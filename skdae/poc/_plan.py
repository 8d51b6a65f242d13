"""The size of a run: everything, or what fits into the time budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
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
OUR_SHARE = 0.6  # of the time of a split, roughly: the rest is for the baselines


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
    left_out: tuple[tuple[str, Any, Any], ...] = ()

    def shrunk(self, **most: Any) -> "Plan":
        """Return it with at most so much of something, and a note of what is left out.

        Of schedules and numbers of labels those given are kept: one at least.
        """
        smaller = self
        for name, value in most.items():
            old = getattr(self, name)
            if name == "schedules":
                value = tuple(s for s in old if s in value) or old[:1]
            elif name == "label_counts":
                value = tuple(n for n in old if n in value or n == old[-1])
            else:
                value = min(old, value)
            if value == old:
                continue
            what = name.removeprefix("n_")
            noted = {item[0]: item for item in smaller.left_out}
            asked = noted.pop(what, (what, old))[1]
            left_out = (*noted.values(), (what, asked, value))
            smaller = replace(smaller, **{name: value}, left_out=left_out)
        return smaller


class Pilot(NamedTuple):
    """Seconds that some number of rows takes."""

    epoch: float  # of a network
    task: float  # the downstream task, with the labels there are
    imputer: float
    has_denoiser: bool = False  # which trains a network of its own


def full_plan(data: Data, max_iter: int, asked: Mapping[str, Any]) -> Plan:
    """Return the plan without a time budget, for the parameters of a run."""
    n_labels, budget = int(data.known.sum()), asked["label_budget"]
    counts: tuple[int, ...] = ()
    if data.task in ("classification", "regression"):
        is_all = budget is None or budget >= n_labels
        most, last = (n_labels / 2, 0) if is_all else (budget, budget)
        counts = (*(n for n in LABEL_COUNTS if n < most), last)
    schedules, n_splits = tuple(asked["schedules"]), asked["n_splits"]
    plan = Plan(len(data.X), max_iter, schedules, n_splits, counts)
    return plan.shrunk(n_rows=asked["max_rows"])


def smaller_plans(plan: Plan) -> list[Plan]:
    """Return ever smaller plans, the first the one given."""
    epochs = plan.max_iter
    some = tuple(s for s in plan.schedules if s not in DISPENSABLE[:2])
    few = tuple(s for s in plan.schedules if s not in DISPENSABLE)
    steps: tuple[dict[str, Any], ...] = (
        {"schedules": some, "label_counts": (100, 1_000)},
        {"max_iter": max(1, epochs // 2)},
        {"n_rows": 10_000},
        {"schedules": few, "label_counts": (100,)},
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


def plan_for(
    plan: Plan, pilot: Callable[[int], Pilot], seconds: float, n_jobs: int
) -> Plan:
    """Return the largest plan of which a few splits fit into the time.

    `pilot` is called with numbers of rows.
    """
    pilot = cache(pilot)
    for candidate in smaller_plans(plan):
        found = pilot(candidate.n_rows)
        n_networks = len(candidate.schedules)
        # the task once per schedule, and for the network that is not pretrained
        n_tasks = max(len(candidate.label_counts), 1) * (n_networks + 1)
        ours = found.epoch * candidate.max_iter * (n_networks + found.has_denoiser)
        ours += found.task * n_tasks + found.imputer
        if PILOT_SPLITS * ours / OUR_SHARE / n_jobs <= seconds:
            break
    return candidate


def splits_in(seconds: float, first_split: float, most: int) -> int:
    """Return how many splits fit when one has taken so long; at least one."""
    return int(np.clip(seconds / max(first_split, 1e-9), 1, most))
