"""Which rows in time order are held out for the weights of the estimates."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._transformer._mixture import MIN_HELD_OUT
from skdae.timeseries import BlockSplit

N_BLOCKS = 5  # of rows in time order; one of them is held out
GAP = 16  # rows beside it that are not trained on: half of the widest average


@dataclass(frozen=True)
class HeldOutBlock:
    """A splitter that holds out one block."""

    train: np.ndarray
    held_out: np.ndarray

    @classmethod
    def of(cls, raw: np.ndarray) -> "HeldOutBlock | None":
        """Return the first block that can be held out, None without any.

        It and the other rows need different rows with a value: a plant that stands, or
        sensors that are not connected yet, rank no estimates.
        """
        if len(raw) < N_BLOCKS * MIN_HELD_OUT:
            return None
        for train, held_out in BlockSplit(N_BLOCKS, gap=GAP).split(raw):
            counts = (_n_different(raw[part]) for part in (train, held_out))
            if min(counts) >= MIN_HELD_OUT:
                return cls(train, held_out)
        return None

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, as splitters of scikit-learn do."""
        return 1

    def split(
        self, X: Any = None, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows to train on, and those held out."""
        yield self.train, self.held_out


def _n_different(raw: np.ndarray) -> int:
    """Return how many different rows have a value."""
    import pandas

    return len(pandas.DataFrame(raw).dropna(how="all").drop_duplicates())
