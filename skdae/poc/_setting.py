"""What all units of a proof of concept share, and the rows each of them sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from sklearn.base import clone

from skdae._transformer import GradualDAETransformer
from skdae.poc._data import Data
from skdae.poc._splits import Split
from skdae.schedules import at_equal_updates, gradual

Result = dict[str, Any]  # of a unit: plain numbers in lists and dicts


class Unit(NamedTuple):
    """One method on one split."""

    kind: str
    method: str
    split: int


@dataclass(frozen=True)
class Setting:
    """What all units share."""

    data: Data
    splits: Sequence[Split]
    transformer: GradualDAETransformer
    schedules: dict[str, str]  # name: the schedule it stands for
    max_iter: int
    label_counts: tuple[int, ...]  # 0: all
    most_test_rows: int
    seed: int
    memory: bool = True  # whether peak memory is measured

    def rows(self, split: int) -> tuple[Data, Data]:
        """Return the training rows and the test rows of a split.

        Where anomalies are sought, only rows that are not known to be anomalies are
        learned from.
        """
        train, test = self.splits[split]
        if self.data.task == "anomaly":
            train = train[self.data.target_of(train) != 1]
        if len(test) > self.most_test_rows:
            draw = np.random.default_rng([self.seed, split, 1])
            test = np.sort(draw.choice(test, self.most_test_rows, replace=False))
        return self.data.take(train), self.data.take(test)

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
