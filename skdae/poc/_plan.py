"""How much is run: all of it, or what fits into the time there is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from skdae.poc._costs import timed
from skdae.poc._data import Data
from skdae.poc._downstream import detector_epochs, fine_tuned
from skdae.poc._setting import Setting
from skdae.poc._splits import Split

MOST_ROWS = 20_000
MOST_TEST_ROWS = 2_000
MOST_SPLITS = 10
LABEL_COUNTS = (100, 300, 1_000, 3_000)
DISPENSABLE = ("frozen", "hybrid", "joint")  # schedules, the first to go first
PILOT_SPLITS = 5  # a plan is chosen such that as many splits fit
SHARE_OF_OURS = 0.7  # of the time of a split, roughly: the rest is for the others


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
        return cls(
            stored["n_rows"],
            stored["max_iter"],
            tuple(stored["schedules"]),
            stored["n_splits"],
            tuple(stored["label_counts"]),
            tuple(tuple(item) for item in stored["left_out"]),
        )

    def without(self, what: str, asked: Any, run: Any) -> "Plan":
        """Return it with a note of what is left out, of one thing only the last."""
        kept = tuple(item for item in self.left_out if item[0] != what)
        first = next((item[1] for item in self.left_out if item[0] == what), asked)
        return replace(self, left_out=(*kept, (what, first, run)))


def full_plan(
    data: Data,
    schedules: Sequence[str],
    max_iter: int,
    n_splits: int,
    max_rows: int,
    label_budget: int | None,
) -> Plan:
    """Return the plan without a limit of time."""
    n_labels = int(data.known.sum())
    if label_budget is None or label_budget >= n_labels:
        counts = (*(n for n in LABEL_COUNTS if n < n_labels / 2), 0)
    else:
        counts = (*(n for n in LABEL_COUNTS if n < label_budget), label_budget)
    if data.task not in ("classification", "regression"):
        counts = ()
    rows = min(len(data.X), max_rows)
    plan = Plan(rows, max_iter, tuple(schedules), n_splits, counts)
    if rows < len(data.X):
        plan = plan.without("rows", len(data.X), rows)
    return plan


def sample_rows(data: Data, n_rows: int, seed: int) -> Data:
    """Return some of the rows in their order, classes in their shares."""
    if n_rows >= len(data.X):
        return data
    strata = None
    if data.task in ("classification", "anomaly"):
        strata = data.strata
    rows, _ = train_test_split(
        np.arange(len(data.X)), train_size=n_rows, stratify=strata, random_state=seed
    )
    return data.take(np.sort(rows))


def smaller_plans(plan: Plan) -> list[Plan]:
    """Return ever smaller plans, the first the one given."""
    found = [plan]

    def shrink(**changes: Any) -> None:
        last, notes = found[-1], []
        smaller = {}
        for name, value in changes.items():
            old = getattr(last, name)
            if name == "schedules":
                value = tuple(s for s in old if s not in value) or old[:1]
            elif name == "label_counts":
                value = tuple(n for n in old if n in value or n == old[-1])
            else:
                value = min(old, value)
            if value != old:
                smaller[name] = value
                notes.append((name.removeprefix("n_"), old, value))
        if smaller:
            shrunk = replace(last, **smaller)
            for note in notes:
                shrunk = shrunk.without(*note)
            found.append(shrunk)

    epochs = plan.max_iter
    shrink(schedules=DISPENSABLE[:2], label_counts=(100, 1_000))
    shrink(max_iter=max(1, epochs // 2))
    shrink(n_rows=10_000)
    shrink(schedules=DISPENSABLE, label_counts=(100,))
    shrink(n_rows=5_000)
    shrink(max_iter=max(1, epochs // 4))
    shrink(n_rows=2_000)
    shrink(n_rows=1_000)
    shrink(max_iter=max(1, epochs // 8))
    return found


def plan_for(plan: Plan, setting: Setting, seconds: float, n_jobs: int) -> Plan:
    """Return the largest plan of which a few splits fit into the time."""
    per_row: dict[int, tuple[float, float]] = {}
    for candidate in smaller_plans(plan):
        n = candidate.n_rows
        if n not in per_row:
            per_row[n] = _pilot(setting, n)
        epoch, task = per_row[n]
        n_networks = len(candidate.schedules)
        ours = epoch * candidate.max_iter * n_networks
        # once per schedule, and for the network that was not pretrained
        ours += task * max(len(candidate.label_counts), 1) * (n_networks + 1)
        if PILOT_SPLITS * ours / SHARE_OF_OURS / n_jobs <= seconds:
            return candidate
    return candidate


def _pilot(setting: Setting, n_rows: int) -> tuple[float, float]:
    """Return the seconds of an epoch of a network, and of a downstream task."""
    data = sample_rows(setting.data, n_rows, setting.seed)
    train = data.take(np.arange(max(2, int(0.8 * len(data.X)))))
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    network = setting.network("gradual", train, 0, depth)
    network, costs = timed(lambda: network.fit(train.X))
    epoch = costs["fit_seconds"] / depth
    if data.task is None:
        return epoch, 0.0
    if data.task == "anomaly":
        return epoch, epoch * detector_epochs(len(train.X))
    labelled = train.take(np.flatnonzero(train.known))  # the most there will be
    _, costs = timed(lambda: fine_tuned(setting, network, labelled, 0))
    return epoch, costs["fit_seconds"]


def splits_in(seconds: float, first_split: float, most: int) -> int:
    """Return how many splits fit when one has taken so long; at least one."""
    return int(np.clip(seconds / max(first_split, 1e-9), 1, most))


def in_running_order(splits: Sequence[Split], in_time: bool) -> list[Split]:
    """Return the splits such that the first few are as telling as they can be.

    In time order the last is the first, and the others spread over the rest.
    """
    if not in_time:
        return list(splits)
    n = len(splits)
    places = sorted(range(n), key=lambda i: _reversed_bits(n - 1 - i))
    return [splits[i] for i in places]


def _reversed_bits(number: int) -> float:
    """Return the van der Corput number, which spreads 0, 1, 2, ... over [0, 1)."""
    value, share = 0.0, 0.5
    while number:
        value += share * (number % 2)
        number, share = number // 2, share / 2
    return value
