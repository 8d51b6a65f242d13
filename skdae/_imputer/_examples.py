"""Examples to learn imputation in time from: known cells that are hidden in gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skdae._imputer._autoregression import N_LAGS
from skdae._imputer._blocks import (
    BLOCK_SIZE,
    N_FACTORS,
    WIDE,
    AnyAutoregression,
    fit_in_blocks,
)
from skdae._imputer._ordered_rows import OrderedRows, first_estimate

N_MASKS, N_MASKS_WIDE = 6, 3  # sets of hidden cells
MAX_MASK_ROWS = 4_000  # consecutive rows that a set hides cells of
HIDDEN_SHARE = 0.1  # of the known cells, at least, in a set
MAX_COPIES = 8  # of the gaps of the table in a set, moved by as many times
OTHER_GAPS = 0.25  # share of the hidden cells that are in gaps of all lengths
MAX_OTHER_GAP = 48  # rows
REFINED_ROUNDS = 2  # in which an autoregression is learned again without hidden cells
# Fewer rows for each input start from scratch: 90 % intervals of the 500 rows of 52
# columns of Tennessee Eastman covered 78 to 85 % of the cells without it
ROWS_PER_INPUT = 10


@dataclass(frozen=True)
class Example:
    """Rows in which known cells are hidden, and what is estimated for them."""

    rows: OrderedRows
    hidden: np.ndarray  # (n, n_features) bool
    cells: np.ndarray  # (n, n_features), the known ones
    filled: np.ndarray  # by an autoregression that has not seen the hidden cells
    spread: np.ndarray  # of its draws
    begin: int  # place of the first row among all
    n_rows: int  # of all

    def is_scored(self, feature: int) -> np.ndarray:
        """Return where a feature is hidden and some value of its group is not.

        Without any value in a group it is not imputed from the rows around.
        """
        return self.hidden[:, feature] & ~np.isnan(self.rows.line[:, feature])


def hide_gaps(
    model: AnyAutoregression,
    rows: OrderedRows,
    columns: Sequence[slice],
    limits: tuple[np.ndarray, np.ndarray],
    generator: np.random.Generator,
) -> Iterator[Example]:
    """Yield sets of hidden cells in consecutive rows.

    `model` was learned from all rows, `columns` are the features of each column of the
    table and `limits` the lowest and highest values that are imputed.
    """
    n_rows = min(len(rows.axis), MAX_MASK_ROWS)
    is_wide = rows.cells.shape[1] > WIDE
    for _ in range(N_MASKS_WIDE if is_wide else N_MASKS):
        begin = int(generator.integers(len(rows.axis) - n_rows + 1))
        part = slice(begin, begin + n_rows)
        cells = rows.cells[part]
        hidden = _hidden(np.isnan(cells), columns, generator)
        shown = rows.part(part, hidden)
        own = _learned_again(model, shown, generator)
        filled, spread = own.fill_with_spread(*shown.on_grid(), generator)
        yield Example(
            shown,
            hidden,
            cells,
            np.clip(shown.off_grid(filled), *limits),
            shown.off_grid(spread),
            begin,
            len(rows.axis),
        )


def _learned_again(
    model: AnyAutoregression, rows: OrderedRows, generator: np.random.Generator
) -> AnyAutoregression:
    """Return an autoregression that has not seen hidden cells.

    It starts from rows filled by the model that has, and forgets in a few rounds what
    single cells added to that; not where cells are few for its coefficients.
    """
    cells, start, filled = first_estimate(rows)
    n_features = cells.shape[1]
    n_inputs = N_LAGS * (n_features if n_features <= WIDE else BLOCK_SIZE + N_FACTORS)
    if len(cells) < ROWS_PER_INPUT * n_inputs:
        return fit_in_blocks(cells, start, filled, generator)
    filled = model.fill(cells, start, generator)
    return fit_in_blocks(cells, start, filled, generator, REFINED_ROUNDS)


def _hidden(
    missing: np.ndarray, columns: Sequence[slice], generator: np.random.Generator
) -> np.ndarray:
    """Return which known cells to hide: in the gaps of the table, moved, and others."""
    n_rows = len(missing)
    hidden = np.zeros_like(missing)
    for _ in range(MAX_COPIES if missing.any() else 0):
        hidden |= np.roll(missing, int(generator.integers(n_rows)), axis=0) & ~missing
        if hidden.mean() >= HIDDEN_SHARE:
            break
    share = max(OTHER_GAPS * hidden.mean(), HIDDEN_SHARE - hidden.mean())
    for column in columns:
        hidden[:, column] |= _other_gaps(n_rows, share, generator)[:, None]
    return hidden & ~missing


def _other_gaps(
    n_rows: int, share: float, generator: np.random.Generator
) -> np.ndarray:
    """Return gaps of all lengths that take a share of the rows, (n_rows,) bool.

    As many cells lie in gaps of 1 as of 48 rows, on a logarithmic scale.
    """
    longest = min(MAX_OTHER_GAP, max(1, n_rows // 10))
    hidden, n_left = np.zeros(n_rows, dtype=bool), generator.poisson(share * n_rows)
    while n_left > 0:
        length = int(np.exp(generator.random() * np.log(longest + 1)))
        count = max(1, min(longest, n_left) // length)
        for begin in generator.integers(n_rows, size=count):
            hidden[begin : begin + length] = True
        n_left -= count * length
    return hidden
