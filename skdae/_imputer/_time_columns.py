"""Columns imputed from the rows around: candidates, their shares and errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t
from sklearn.ensemble import ExtraTreesRegressor

from skdae._imputer._autoregression import N_DRAWS
from skdae._imputer._errors import LEVEL, conformal_level
from skdae._imputer._examples import Example
from skdae._imputer._ordered_rows import GAP_CLASSES, OrderedRows
from skdae._imputer._trees import Trees
from skdae._simplex import simplex_shares

CANDIDATES = ("interpolation", "autoregression", "trees")
WITHOUT_TREES = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]])  # whose share goes where
MIN_CELLS = 30  # hidden ones of a class, below which it takes the shares of all classes
N_TREES = 10  # of a column
N_SCORED_TREES = 5  # of the forests whose errors are measured
MIN_LEAF = 5  # hidden cells
MAX_LEAVES = 300  # of a tree, roughly: leaves hold that share of the cells or more
MAX_CELLS = 4_000  # hidden cells of a column that trees are grown on
N_BLOCKS = 10  # of time, of which every other is not seen by a scored forest
MAX_OTHERS = 12  # columns that they read beside the own one
MIN_GAIN = 0.01  # of the error of some class, below which no trees are grown
HORIZON = 1_000  # steps, beyond which distances are alike to trees
# Of the root mean square error of a class, the least spread of its draws: a relation
# without noise is learned with errors that the autoregression does not expect
FLOOR = 0.25
TINY = 1e-9  # spread below which a cell counts as certain
EVEN = 0.02  # of the mean squared error, added to each: near candidates share alike


@dataclass(frozen=True)
class ImputedColumn:
    """How one column is imputed from the rows around."""

    column: slice  # its features
    others: np.ndarray  # features that trees read beside them
    trees: Trees | None  # None where too few cells are known
    size: np.ndarray  # (n_classes, n_features) of what they predict
    shares: np.ndarray  # (n_classes, n_candidates)
    errors: np.ndarray  # (n_classes, n_candidates + 1) root mean squares; of the mean
    scale: np.ndarray  # (n_classes, n_features) of the errors over the spread of draws
    # (n_classes, n_features) least spread of draws before the scale; None in files of
    # earlier releases
    floor: np.ndarray | None = None

    def inputs(
        self, rows: OrderedRows, filled: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return what the trees read: differences to what is filled, and the others."""
        own = filled[places, self.column]
        around = [
            np.nan_to_num(part[places, self.column] - own)
            for part in (rows.line, *rows.ends)
        ]
        distances = [
            np.log1p(np.minimum(part[places, self.column.start], HORIZON))
            for part in rows.distances
        ]
        return np.column_stack(
            [own, *around, *distances, filled[places][:, self.others]]
        )

    def candidates(
        self, rows: OrderedRows, filled: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return the estimates of some cells, (n_candidates, n, n_features)."""
        own = filled[places, self.column]
        line = rows.line[places, self.column]
        corrected = own
        if self.trees is not None and len(places):
            correction = self.trees.predict(self.inputs(rows, filled, places))
            gap = rows.gap[places, self.column.start]
            corrected = own + self.size[gap] * correction
        return np.stack([line, own, corrected])

    def mean(self, candidates: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the candidates, (n, n_features)."""
        return np.einsum("nc,cnf->nf", self.shares[gap], candidates)


def fit_column(
    column: slice,
    related: np.ndarray,
    examples: Sequence[Example],
    generator: np.random.Generator,
) -> ImputedColumn:
    """Grow the trees of a column, and measure all candidates on unseen cells."""
    others = np.setdiff1d(np.arange(len(related)), np.arange(column.start, column.stop))
    order = np.argsort(-related[column][:, others].max(axis=0), kind="stable")
    width, n_classes = column.stop - column.start, len(GAP_CLASSES)
    model = ImputedColumn(
        column,
        np.sort(others[order[:MAX_OTHERS]]),
        trees=None,
        size=np.ones((n_classes, width)),
        shares=np.tile([0.0, 1.0, 0.0], (n_classes, 1)),
        errors=np.full((n_classes, len(CANDIDATES) + 1), np.nan),
        scale=np.ones((n_classes, width)),
        floor=np.zeros((n_classes, width)),
    )
    places = [np.flatnonzero(each.is_scored(column.start)) for each in examples]
    parts = list(zip(examples, places, strict=True))
    truth = np.concatenate([each.cells[at, column] for each, at in parts])
    if len(truth) < MIN_CELLS:
        return model
    inputs = np.concatenate(
        [model.inputs(each.rows, each.filled, at) for each, at in parts]
    )
    estimates = np.concatenate(
        [model.candidates(each.rows, each.filled, at) for each, at in parts], axis=1
    )
    spread = np.concatenate([each.spread[at, column] for each, at in parts])
    gap = np.concatenate([each.rows.gap[at, column.start] for each, at in parts])
    place = np.concatenate([each.begin + at for each, at in parts])
    cells = truth, spread, gap, place
    residual = truth - estimates[1]
    size = np.array(
        [residual[_of_class(gap, k)].std(axis=0) for k in range(len(GAP_CLASSES))]
    )
    relative = np.divide(
        residual, size[gap], out=np.zeros_like(residual), where=size[gap] > 0
    )
    block = place * N_BLOCKS // examples[0].n_rows
    corrections = _scored(inputs, relative, block, generator)
    corrected = estimates.copy()
    corrected[2] += size[gap] * corrections
    with_trees = _measured(replace(model, size=size), corrected, *cells)
    linear = _measured(model, estimates, *cells)
    if (with_trees.errors[:, -1] > (1 - MIN_GAIN) * linear.errors[:, -1]).all():
        return replace(linear, shares=linear.shares @ WITHOUT_TREES)
    return replace(with_trees, trees=_forest(inputs, relative, N_TREES, generator))


def _scored(
    inputs: np.ndarray,
    target: np.ndarray,
    block: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return what small forests predict that have not seen the time of a cell.

    One of them is grown on the even and one on the odd blocks.
    """
    is_odd, predicted = block % 2 == 1, np.zeros(target.shape)
    if min(is_odd.sum(), (~is_odd).sum()) >= MIN_CELLS:
        for own in (is_odd, ~is_odd):
            trees = _forest(inputs[own], target[own], N_SCORED_TREES, generator)
            predicted[~own] = trees.predict(inputs[~own])
    return predicted


def _forest(
    inputs: np.ndarray,
    target: np.ndarray,
    n_trees: int,
    generator: np.random.Generator,
) -> Trees:
    """Grow trees on at most `MAX_CELLS` hidden cells."""
    if len(inputs) > MAX_CELLS:
        chosen = generator.choice(len(inputs), MAX_CELLS, replace=False)
        inputs, target = inputs[chosen], target[chosen]
    trees = ExtraTreesRegressor(
        n_trees,
        min_samples_leaf=max(MIN_LEAF, len(inputs) // MAX_LEAVES),
        random_state=int(generator.integers(2**31)),
    )
    return Trees.of(trees.fit(inputs, target[:, 0] if target.shape[1] == 1 else target))


def _of_class(gap: np.ndarray, k: int) -> np.ndarray:
    """Return which cells a class learns from: all where it has few of its own."""
    own = gap == k
    return own if own.sum() >= MIN_CELLS else np.ones(len(gap), dtype=bool)


def _measured(
    model: ImputedColumn,
    estimates: np.ndarray,
    truth: np.ndarray,
    spread: np.ndarray,
    gap: np.ndarray,
    place: np.ndarray,
) -> ImputedColumn:
    """Return the column with shares, errors and scales of each class of gaps.

    `estimates` are (n_candidates, n, n_features), `truth` and `spread` (n, n_features)
    `gap` and `place` (n,), of the hidden cells.
    """
    shares, sizes, scale = (
        part.copy() for part in (model.shares, model.errors, model.scale)
    )
    floor = np.zeros(scale.shape)
    for k in range(len(GAP_CLASSES)):
        own = _of_class(gap, k)
        errors = estimates[:, own] - truth[own]  # (n_candidates, n, n_features)
        shares[k] = best_shares(errors.reshape(len(errors), -1))
        mean = np.einsum("c,cnf->nf", shares[k], errors)
        total = [*(errors**2).mean(axis=1), (mean**2).mean(axis=0)]
        sizes[k] = np.sqrt(np.sum(total, axis=1))
        floor[k] = np.maximum(FLOOR * np.sqrt((mean**2).mean(axis=0)), TINY)
        ratio = np.abs(mean) / np.hypot(spread[own], floor[k])
        level = conformal_level(len(np.unique(place[own])))
        scale[k] = np.quantile(ratio, level, axis=0) / t.isf((1 - LEVEL) / 2, N_DRAWS)
    return replace(model, shares=shares, errors=sizes, floor=floor, scale=scale)


def best_shares(errors: np.ndarray) -> np.ndarray:
    """Return the shares with the least mean squared error, (n_candidates,).

    `errors` is (n_candidates, n). Candidates that are nearly equal get nearly equal
    shares.
    """
    n_candidates, n_errors = errors.shape
    products = errors @ errors.T / n_errors
    size = EVEN * np.diag(products).mean() + 1e-12  # without errors, shares are equal
    return simplex_shares(products + size * np.eye(n_candidates))
