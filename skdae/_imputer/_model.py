"""The imputation model: how missing cells of encoded rows are estimated.

A linear estimate, networks that correct it, and forests that start from there. The last
two are averaged, each column by its error on held-out rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdae._gaussian import Gaussian, fit_gaussian
from skdae._imputer._errors import DEVIATIONS, HeldOutErrors, conformal_level
from skdae._imputer._forests import Forests, fit_forests
from skdae._imputer._masks import IncompleteRows, MaskedRows, hide_cells, hold_out
from skdae._imputer._networks import Refinement, fit_refinement
from skdae._random import Streams
from skdae._ridge import ridge
from skdae._table.encoder import TableEncoder
from skdae._transformer._parameters import check_noise, refuse_auto
from skdae.noise import Noise, make_noise

N_MASKS = 10  # different sets of hidden cells that a network is trained on
MAX_PASS_ROWS = 4_000  # that share a set of hidden cells; further rows have others
MAX_HELD_OUT = 2_000  # held-out rows that are scored
MIN_SCORED = 1_000  # fewer held-out rows are scored several times, by other masks
MAX_LINEAR_ROWS = 5_000  # that the covariance is estimated from
MIN_ROWS = 20  # fewer are not worth a network
MIN_SHARE = 0.2  # of the forests in a column, below which none is grown
MIN_ODDS = 30  # hidden and missing cells of a column, for the odds of the latter
ODDS_SHARES = (0.05, 0.95)  # of hidden ones, by which a cell counts 19 times at most
MAX_ODDS_INPUTS = 20  # features that these read: the most related ones
SCORED_TREES = 5  # of the forests whose share is measured, in one round


@dataclass(frozen=True)
class ImputationModel:
    """Estimates of the missing cells of encoded rows, and their uncertainty."""

    gaussian: Gaussian
    refinements: tuple[Refinement, ...]
    forests: Forests
    forest_share: np.ndarray  # (n_features,) weight of the forests in the mean
    spread: np.ndarray  # (n_features,) error over what `gaussian` expects
    low: np.ndarray  # (n_features,) seen in training
    high: np.ndarray
    errors: HeldOutErrors

    def means(self, Z: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the rows, float64, with their missing cells filled."""
        refined = self.refined(Z, missing)
        if not self.forests.members:
            return refined
        filled = self.forests(refined, missing)
        return refined + self.forest_share * (filled - refined)

    def refined(self, Z: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return rows filled by the linear estimate and the networks alone."""
        filled = self.clipped(self.gaussian.fill(Z, missing), missing)
        for refinement in self.refinements:
            filled = self.clipped(refinement(filled, missing), missing)
        return filled

    def deviations(
        self, missing: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw how far missing cells lie from their means, 0 elsewhere."""
        return self.spread * self.gaussian.deviations(missing, generator)

    def clipped(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return filled rows with missing cells limited to the range seen."""
        return np.where(missing, np.clip(filled, self.low, self.high), filled)


@dataclass(frozen=True)
class _Rows:
    """The rows of a fit, and what they are for."""

    all: IncompleteRows
    train: IncompleteRows  # not held out
    held_out: MaskedRows


def fit_imputation_model(
    transformer: Any,
    n_refinements: int,
    n_trees: int,
    encoder: TableEncoder,
    rows: IncompleteRows,
    streams: Streams,
) -> ImputationModel:
    """Learn how to fill; held-out rows decide how much each part counts."""
    refuse_auto(transformer, "hidden_layer_sizes", "noise_rate")
    noise = make_noise(transformer.noise, transformer.noise_rate)
    check_noise(transformer, noise, encoder)
    model = _linear_model(encoder, rows, streams)
    parts = _split(transformer, noise, encoder, rows, streams)
    if len(rows) < MIN_ROWS:
        n_refinements = n_trees = 0
    if n_refinements:
        passes = [
            hide_cells(part, noise, encoder.layout, streams.corruption)
            for part in _passes(parts.train, streams.corruption)
        ]
        for _ in range(n_refinements):
            model = _refined(model, transformer, passes, parts.held_out, streams)
    held_out = parts.held_out
    refined = model.refined(held_out.values, held_out.missing)
    if n_trees:
        return _with_forests(
            model, n_trees, refined, feature_columns(encoder), parts, streams
        )
    return _with_errors(model, held_out, refined, None)


def _linear_model(
    encoder: TableEncoder, rows: IncompleteRows, streams: Streams
) -> ImputationModel:
    """Return the linear estimate alone."""
    chosen = streams.init.permutation(len(rows))[:MAX_LINEAR_ROWS]
    n_features = rows.values.shape[1]
    return ImputationModel(
        gaussian=fit_gaussian(rows.values[chosen], ~rows.observed[chosen]),
        refinements=(),
        forests=Forests(()),
        forest_share=np.zeros(n_features),
        spread=np.ones(n_features),
        low=encoder.layout.low,
        high=encoder.layout.high,
        errors=HeldOutErrors(*[np.full(n_features, np.nan)] * 5),
    )


def _split(
    transformer: Any,
    noise: Noise,
    encoder: TableEncoder,
    rows: IncompleteRows,
    streams: Streams,
) -> _Rows:
    """Hold rows out and hide some of their cells."""
    train, held_out = hold_out(rows, streams.split)
    few = np.arange(0, len(held_out), 1 + len(held_out) // MAX_HELD_OUT)
    scored = held_out.take(few).repeated(MIN_SCORED)
    masked = hide_cells(scored, noise, encoder.layout, streams.corruption)
    _, acted = noise.apply(scored.values, np.random.default_rng(0), encoder.layout)
    if acted.shape[1] > 1 and acted.size and acted.all():
        raise ValueError(
            f"noise={transformer.noise!r} of the transformer hides whole rows, and "
            "cells are filled from others; set one that leaves some cells as they are, "
            "'random_masking' for example."
        )
    return _Rows(rows, train, masked)


def _passes(
    rows: IncompleteRows, generator: np.random.Generator
) -> list[IncompleteRows]:
    """Return the rows that get each of `N_MASKS` sets of hidden cells.

    All of them each time, or of a large table parts that together are all.
    """
    if len(rows) <= MAX_PASS_ROWS:
        return [rows] * N_MASKS
    n_parts = -(-len(rows) // MAX_PASS_ROWS)
    parts = np.array_split(generator.permutation(len(rows)), n_parts)
    return [rows.take(parts[k % n_parts]) for k in range(max(N_MASKS, n_parts))]


def _refined(
    model: ImputationModel,
    transformer: Any,
    passes: list[MaskedRows],
    held_out: MaskedRows,
    streams: Streams,
) -> ImputationModel:
    """Return the model with one more network, which corrects those before it."""
    refinement = fit_refinement(
        transformer,
        passes,
        [model.refined(part.values, part.missing) for part in passes],
        held_out,
        model.refined(held_out.values, held_out.missing),
        int(streams.init.integers(2**31)),
    )
    return replace(model, refinements=(*model.refinements, refinement))


def _with_forests(
    model: ImputationModel,
    n_trees: int,
    refined: np.ndarray,
    columns: list[slice],
    rows: _Rows,
    streams: Streams,
) -> ImputationModel:
    """Return the model with forests, and their share by column.

    The share is measured with small forests of the rows that are not held out; those
    that fill are grown on all rows, in the columns where they count.
    """
    held_out = rows.held_out

    def grown(
        rows: IncompleteRows, columns: list[slice], n_trees: int, n_rounds: int | None
    ) -> Forests:
        return fit_forests(
            rows,
            model.refined(rows.values, ~rows.observed),
            columns,
            model.gaussian.precision,
            n_trees=n_trees,
            n_rounds=n_rounds,
            generator=streams.init,
        )

    small = grown(rows.train, columns, min(n_trees, SCORED_TREES), 1)
    filled = small(refined, held_out.missing)
    share = _share(held_out, refined, filled, columns)
    share[share < MIN_SHARE] = 0
    model = replace(model, forest_share=share)
    model = _with_errors(model, held_out, refined, filled)
    worth = [column for column in columns if share[column.start] > 0]
    forests = grown(rows.all, worth, n_trees, None)
    return replace(model, forests=forests)


def _share(
    held_out: MaskedRows, first: np.ndarray, second: np.ndarray, columns: list[slice]
) -> np.ndarray:
    """Return the weight of the second of two estimates in their mean, by feature.

    Each is weighted by the inverse of its squared error on held-out rows, column by
    column: near equals are averaged, and one that is far behind hardly counts.
    """
    squares = [(held_out.errors(each) ** 2).sum(axis=0) for each in (first, second)]
    share = np.empty(len(squares[0]))
    for column in columns:
        one, other = (square[column].sum() for square in squares)
        share[column] = one / (one + other) if one + other > 0 else 0.5
    return share


def _with_errors(
    model: ImputationModel,
    held_out: MaskedRows,
    refined: np.ndarray,
    filled: np.ndarray | None,
) -> ImputationModel:
    """Return the model with the errors of held-out rows and what follows from them.

    `refined` is the estimate of the networks, `filled` the one of the forests.
    """
    n_hidden = held_out.hidden.sum(axis=0)

    def rms(estimate: np.ndarray) -> np.ndarray:
        squares = (held_out.errors(estimate) ** 2).sum(axis=0)
        total = np.where(n_hidden, squares, np.nan)
        return np.sqrt(total / np.maximum(n_hidden, 1))

    imputed = refined
    if filled is not None:
        imputed = refined + model.forest_share * (filled - refined)
    linear = model.gaussian.fill(held_out.values, held_out.missing)
    variances = model.gaussian.variances(held_out.missing)
    errors = HeldOutErrors(
        mean=rms(np.broadcast_to(model.gaussian.mean, refined.shape)),
        linear=rms(model.clipped(linear, held_out.missing)),
        networks=rms(refined) if model.refinements else None,
        forests=None if filled is None else rms(filled),
        imputed=rms(imputed),
    )
    spread = _spread(held_out, imputed, np.sqrt(variances))
    return replace(model, errors=errors, spread=spread)


def _spread(
    held_out: MaskedRows, filled: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """Return the spread of the errors over the one that the linear estimate expects.

    By column, so that intervals of draws cover `LEVEL` of the cells hidden in held-out
    rows, or one more where there are few. Each counts as often as cells like it are
    missing (Tibshirani et al. 2019).
    """
    size = np.abs(held_out.errors(filled))
    spread = np.ones(size.shape[1])
    for j, hidden in enumerate(held_out.hidden.T):
        if hidden.any():
            weights = _missing_odds(held_out, filled, j)
            ratio = size[hidden, j] / expected[hidden, j]
            n_effective = round(weights.sum() ** 2 / (weights**2).sum())
            level = conformal_level(n_effective)
            spread[j] = _quantile(ratio, weights, level) / DEVIATIONS
    return spread


def _missing_odds(held_out: MaskedRows, filled: np.ndarray, feature: int) -> np.ndarray:
    """Return the odds that hidden cells of a feature are missing ones, (n_hidden,).

    By a regression on the filled rows, in which both are estimates: high values can be
    missing more often, and have larger errors. 1 where few are missing.
    """
    rows = held_out.missing[:, feature]
    hidden = held_out.hidden[rows, feature]
    if min(hidden.sum(), (~hidden).sum()) < MIN_ODDS:
        return np.ones(hidden.sum())
    inputs, target = filled[rows], hidden.astype(np.float64)
    spread = np.maximum(inputs.std(axis=0), 1e-12)
    related = np.abs((target - target.mean()) @ (inputs - inputs.mean(axis=0)) / spread)
    few = np.sort(np.argsort(-related, kind="stable")[:MAX_ODDS_INPUTS])
    _, _, errors = ridge(inputs[:, few], target)
    share = np.clip(hidden - errors, *ODDS_SHARES)[hidden]  # without the row itself
    return 1 / share - 1


def _quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """Return the quantile of weighted values, as `numpy.quantile` of equal weights."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order]
    return float(np.interp(level, below / max(below[-1], 1e-12), values[order]))


def feature_columns(encoder: TableEncoder) -> list[slice]:
    """Return the features of each column."""
    numeric = [slice(j, j + 1) for j in range(len(encoder.numeric))]
    return [*numeric, *encoder.groups]
