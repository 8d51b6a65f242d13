"""How missing cells of encoded rows are filled, learned from rows with gaps.

A linear estimate, networks that correct it, and forests that start from there. The last
two are averaged, each column by what held-out rows say of either.
"""

from dataclasses import dataclass, replace

import numpy as np

from skdae._imputer._forests import Forests, grow
from skdae._imputer._gaussian import Normal, fit_normal
from skdae._imputer._masks import Gaps, Rows, hide, hold_out
from skdae._imputer._networks import Refinement, refine
from skdae._random import Streams
from skdae._table.encoder import TableEncoder
from skdae._transformer import GradualDAETransformer
from skdae._transformer._parameters import check_noise
from skdae.noise import make_noise

N_MASKS = 10  # different sets of hidden cells that a network is trained on
PASS_ROWS = 4_000  # at most with the same cells hidden; the next ones have others
MOST_HELD_OUT = 2_000  # rows that judge
JUDGED_ROWS = 1_000  # fewer held-out rows judge several times, with other cells hidden
MOST_LINEAR_ROWS = 5_000  # that the covariance is estimated from
LEAST_ROWS = 20  # fewer are not worth a network
LEAST_SHARE = 0.2  # of the forests in a column, below which none is grown
JUDGED_TREES = 5  # of the forests that are judged, one round of them
COVERED = 0.9  # share of held-out errors that draws are scaled to cover
COVERED_DEVIATIONS = 1.6449  # half the width of the normal interval of that share


@dataclass(frozen=True)
class Filling:
    """How missing cells of encoded rows are filled."""

    normal: Normal
    refinements: tuple[Refinement, ...]
    forests: Forests
    forest_share: np.ndarray  # (n_features,) of the forests in what is filled
    spread: np.ndarray  # (n_features,) of the errors over what `normal` expects
    low: np.ndarray  # (n_features,) seen in training
    high: np.ndarray

    def means(self, Z: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the rows, float64, with their missing cells filled."""
        refined = self.refined(Z, missing)
        if not self.forests.members:
            return refined
        grown = self.forests(refined, missing)
        return refined + self.forest_share * (grown - refined)

    def refined(self, Z: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return what the linear estimate and the networks fill, without forests."""
        filled = self.within(self.normal.fill(Z, missing), missing)
        for refinement in self.refinements:
            filled = self.within(refinement(filled, missing), missing)
        return filled

    def deviations(
        self, missing: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw how far missing cells lie from their means, 0 elsewhere."""
        return self.spread * self.normal.deviations(missing, generator)

    def within(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return filled rows with missing cells limited to the range seen."""
        return np.where(missing, np.clip(filled, self.low, self.high), filled)


def learn_filling(
    transformer: GradualDAETransformer,
    n_refinements: int,
    n_trees: int,
    encoder: TableEncoder,
    rows: Rows,
    streams: Streams,
) -> Filling:
    """Learn a filling; held-out rows say how far each of its parts is trusted."""
    noise = make_noise(transformer.noise, transformer.noise_rate)
    check_noise(transformer, noise, encoder)
    chosen = streams.init.permutation(len(rows))[:MOST_LINEAR_ROWS]
    n_features = rows.truth.shape[1]
    filling = Filling(
        normal=fit_normal(rows.truth[chosen], ~rows.known[chosen]),
        refinements=(),
        forests=Forests(()),
        forest_share=np.zeros(n_features),
        spread=np.ones(n_features),
        low=encoder.layout.low,
        high=encoder.layout.high,
    )
    train, held_out = hold_out(rows, streams.split)
    few = np.arange(0, len(held_out), 1 + len(held_out) // MOST_HELD_OUT)
    judges = held_out.take(few).repeated(JUDGED_ROWS)
    judged = hide(judges, noise, encoder.layout, streams.corruption)
    _, acted = noise.apply(judges.truth, np.random.default_rng(0), encoder.layout)
    if n_features > 1 and acted.size and acted.all():
        raise ValueError(
            f"noise={transformer.noise!r} of the transformer hides whole rows, and "
            "cells are filled from others; set one that leaves some cells as they are, "
            "'random_masking' for example."
        )
    if len(rows) < LEAST_ROWS:
        n_refinements = n_trees = 0
    if n_refinements:
        parts = [
            hide(part, noise, encoder.layout, streams.corruption)
            for part in _passes(train, streams.corruption)
        ]
        filling = _with_networks(
            filling, transformer, n_refinements, parts, judged, streams
        )
    if n_trees:
        return _with_forests(
            filling, n_trees, _features(encoder), rows, train, judged, streams
        )
    return replace(filling, spread=_spread(judged, filling))


def _passes(rows: Rows, generator: np.random.Generator) -> list[Rows]:
    """Return the rows that a network sees in each of `N_MASKS` passes, in turn.

    All of them each time, or of a large table parts that together are all.
    """
    if len(rows) <= PASS_ROWS:
        return [rows] * N_MASKS
    n_parts = -(-len(rows) // PASS_ROWS)
    parts = np.array_split(generator.permutation(len(rows)), n_parts)
    return [rows.take(parts[k % n_parts]) for k in range(max(N_MASKS, n_parts))]


def _with_networks(
    filling: Filling,
    transformer: GradualDAETransformer,
    n_refinements: int,
    parts: list[Gaps],
    judged: Gaps,
    streams: Streams,
) -> Filling:
    """Return the filling with networks, each of which corrects the one before it."""
    for _ in range(n_refinements):
        refinement = refine(
            transformer,
            parts,
            [filling.refined(part.truth, part.missing) for part in parts],
            judged,
            filling.refined(judged.truth, judged.missing),
            int(streams.init.integers(2**31)),
        )
        filling = replace(filling, refinements=(*filling.refinements, refinement))
    return filling


def _with_forests(
    filling: Filling,
    n_trees: int,
    features: list[slice],
    rows: Rows,
    train: Rows,
    judged: Gaps,
    streams: Streams,
) -> Filling:
    """Return the filling with forests, and their share by column.

    The share is judged with small forests of the rows that are not held out; those
    that fill are grown on all rows, where they count.
    """
    refined = filling.refined(judged.truth, judged.missing)

    def grown(
        rows: Rows, features: list[slice], n_trees: int, n_rounds: int | None
    ) -> Forests:
        return grow(
            rows,
            filling.refined(rows.truth, ~rows.known),
            features,
            filling.normal.precision,
            n_trees=n_trees,
            n_rounds=n_rounds,
            generator=streams.init,
        )

    small = grown(train, features, min(n_trees, JUDGED_TREES), 1)
    share = _share(judged, refined, small(refined, judged.missing), features)
    share[share < LEAST_SHARE] = 0
    filling = replace(filling, forests=small, forest_share=share)
    spread = _spread(judged, filling)
    worth = [column for column in features if share[column.start] > 0]
    forests = grown(rows, worth, n_trees, None)
    return replace(filling, forests=forests, spread=spread)


def _share(
    judged: Gaps, first: np.ndarray, second: np.ndarray, features: list[slice]
) -> np.ndarray:
    """Return the share of the second of two estimates in their mean, by feature.

    Each weighs by the inverse of its squared error on held-out rows, column by column:
    near equals are averaged, and one that is far behind hardly counts.
    """
    squares = [(judged.errors(each) ** 2).sum(axis=0) for each in (first, second)]
    share = np.empty(len(squares[0]))
    for column in features:
        one, other = (square[column].sum() for square in squares)
        share[column] = one / (one + other) if one + other > 0 else 0.5
    return share


def _spread(judged: Gaps, filling: Filling) -> np.ndarray:
    """Return the spread of the errors over the one that the linear estimate expects.

    By column, so that intervals of draws cover `COVERED` of the cells hidden in
    held-out rows, or one more where there are few.
    """
    size = np.abs(judged.errors(filling.means(judged.truth, judged.missing)))
    expected = np.sqrt(filling.normal.variances(judged.missing))
    spread = np.ones(size.shape[1])
    for j, scored in enumerate(judged.scored.T):
        n_scored = scored.sum()
        if n_scored:
            ratio = size[scored, j] / expected[scored, j]
            level = min(1.0, np.ceil((n_scored + 1) * COVERED) / n_scored)
            spread[j] = np.quantile(ratio, level) / COVERED_DEVIATIONS
    return spread


def _features(encoder: TableEncoder) -> list[slice]:
    """Return the features of each column."""
    numeric = [slice(j, j + 1) for j in range(len(encoder.numeric))]
    return [*numeric, *encoder.groups]
