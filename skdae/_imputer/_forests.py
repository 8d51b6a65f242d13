"""Forests that fill one column after the other from all others."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from skdae._imputer._masks import IncompleteRows
from skdae._imputer._trees import Trees

MAX_ROWS = 12_000  # that trees are grown on; 20,000 cost half as much time again
MAX_LEAVES = 1_500  # of a tree, about: more rows make larger leaves
MIN_LEAF = 2  # rows of a leaf
WIDE = 60  # features from which less is done for each
MAX_INPUTS, MAX_INPUTS_WIDE = 20, 10  # features that a forest looks at
N_ROUNDS, N_ROUNDS_WIDE = 2, 1  # over the columns


@dataclass(frozen=True)
class Forest:
    """The trees that fill one column."""

    column: slice  # its features
    inputs: np.ndarray  # (n_inputs,) features that it is filled from
    trees: Trees

    def fill(self, filled: np.ndarray, missing: np.ndarray) -> None:
        """Write the predictions of the trees into the missing cells of the column."""
        rows = np.flatnonzero(missing[:, self.column.start])
        if len(rows):
            filled[rows, self.column] = self.trees.predict(filled[rows][:, self.inputs])


@dataclass(frozen=True)
class Forests:
    """Forests in the order in which they fill."""

    members: tuple[Forest, ...]

    def __call__(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the rows with their missing cells imputed again."""
        filled = filled.copy()
        for forest in self.members:
            forest.fill(filled, missing)
        return filled


def fit_forests(
    rows: IncompleteRows,
    filled: np.ndarray,
    columns: list[slice],
    precision: np.ndarray,
    *,
    n_trees: int,
    n_rounds: int | None = None,
    generator: np.random.Generator,
) -> Forests:
    """Grow forests on rows whose missing cells are filled by other means, `filled`.

    A column is learned from its observed cells, then its missing ones are imputed again
    before the next one, as in `transform`. Columns with the fewest missing cells come
    first. It is learned from the features with the largest partial
    correlations, by `precision`, the inverse covariance of all.
    """
    chosen = np.sort(generator.permutation(len(rows))[:MAX_ROWS])
    rows, filled = rows.take(chosen), filled[chosen]
    wide = filled.shape[1] > WIDE
    n_inputs = MAX_INPUTS_WIDE if wide else MAX_INPUTS
    if n_rounds is None:
        n_rounds = N_ROUNDS_WIDE if wide else N_ROUNDS
    leaf = max(MIN_LEAF, len(rows) // MAX_LEAVES)
    related, missing = _relations(precision), ~rows.observed
    n_observed = np.array([rows.observed[:, column.start].sum() for column in columns])
    order = [j for j in np.argsort(-n_observed, kind="stable") if n_observed[j] > leaf]
    members = []
    for j in order * n_rounds:
        column = columns[j]
        inputs = _inputs(related[:, column].max(axis=1), column, n_inputs)
        if not len(inputs):
            continue
        observed = rows.observed[:, column.start]  # that of all its features
        trees = ExtraTreesRegressor(
            n_trees,
            min_samples_leaf=leaf,
            random_state=int(generator.integers(2**31)),
        )
        target = rows.values[observed, column]  # (n_observed, 1 or n_categories)
        if target.shape[1] == 1:
            target = target[:, 0]
        trees.fit(filled[:, inputs][observed], target)
        forest = Forest(column, inputs, Trees.of(trees))
        forest.fill(filled, missing)
        members.append(forest)
    return Forests(tuple(members))


def _relations(precision: np.ndarray) -> np.ndarray:
    """Return absolute partial correlations: what pairs share beyond the others."""
    spread = np.sqrt(np.diag(precision))
    return np.abs(precision) / np.outer(spread, spread)


def _inputs(related: np.ndarray, column: slice, n_inputs: int) -> np.ndarray:
    """Return the features that a column is filled from, in their order."""
    others = np.delete(np.arange(len(related)), column)
    most = np.argsort(-related[others], kind="stable")[:n_inputs]
    return np.sort(others[most])
