"""The anomaly scores of a detector as a graph."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skdae._outlier import _missing_cells
from skdae._outlier._cross_fit import Member
from skdae._outlier._ensemble import Ensemble
from skdae._outlier._models import (
    TINY,
    Diagonal,
    Model,
    Neighbors,
    Quadratic,
    RankNeighbors,
    WhitenedNeighbors,
)
from skdae._outlier._ranks import NormalScores
from skdae._outlier._scores import SCORES, SHARPNESS, Combination
from skdae._outlier._views import FILL_PASSES
from skdae._transformer._outputs import HIDDEN_REPEATS, hidden_partitions
from skdae.export._graph import Tensor
from skdae.export._network import codes, decoded, rebuilt
from skdae.export._numeric import conditional_fill, count_at_most, lookup, softplus
from skdae.export._table import Encoded, Reader, Rows

Window = list[Tensor]  # places of the rows, and of those before them


def anomaly_scores(ensemble: Ensemble, rows: Rows, window: Window) -> Tensor:
    """Return `Ensemble.score` of rows that no member was trained on, (n, 1)."""
    combination = ensemble.combination
    total: Any = 0.0
    for member in ensemble.members:
        views = Views(member, rows, window)
        found = rows.graph.concatenated(
            [
                views.score(SCORES[name].view, model)
                for name, model in zip(ensemble.names, member.models, strict=True)
            ]
        )
        total = total + ((found + TINY).log() if combination.is_ordered else found)
    mean = total / float(len(ensemble.members))
    if combination.is_ordered:
        mean = mean.exp() - TINY
    return _corrected(ensemble, _combined(combination, mean), rows, window)


def window_of(rows: Rows, lags: int) -> Window:
    """Return the places of rows of a record in time order, and of those before them."""
    graph = rows.graph
    limits = [graph.constant(0), rows.n_rows(), graph.constant(1)]
    places = graph.add("Range", limits, np.int64)
    return [(places - lag).maximum(0) for lag in range(1 + lags)]


# --- views ----------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """What a score looks at, (n, width) float64, and which features are missing."""

    values: Tensor
    missing: Tensor | None = None


@dataclass(frozen=True)
class Views:
    """The views of rows by the network of a member, `skdae._outlier._views.Views`."""

    member: Member
    rows: Rows
    window: Window

    def score(self, view: str, model: Model) -> Tensor:
        """Return the scores of a view by a model, (n, 1)."""
        return MODELS[type(model)](model, VIEWS[view](self))

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.member.encoder, self.rows)

    @cached_property
    def _filled(self) -> Encoded:
        encoder, graph = self.member.encoder, self.rows.graph
        encoded = self._reader.encode()
        gaps = encoded.missing & encoder.has_values[encoder.column_of]
        Z = encoded.Z
        for _ in range(FILL_PASSES):
            Z = graph.where(gaps, rebuilt(self.member.network, Z), Z)
        return Encoded(Z, gaps)

    @cached_property
    def _code(self) -> Tensor:
        return codes(self.member.network, self._filled.Z)[-1]

    def inputs(self) -> View:
        """Encoded rows."""
        return View(self._filled.Z.cast(np.float64), self._filled.missing)

    def windows(self) -> View:
        """Encoded rows beside those before them."""
        Z, gaps = self._filled.Z.cast(np.float64), self._filled.missing
        if len(self.window) == 1:
            return View(Z, gaps)
        return View(
            *(
                self.rows.graph.concatenated(
                    [part.take(p, axis=0) for p in self.window]
                )
                for part in (Z, gaps)
            )
        )

    def code(self) -> View:
        """Top codes."""
        return View(self._code.cast(np.float64))

    def residuals(self) -> View:
        """Observed minus rebuilt cells."""
        return self._errors(
            self._reader.residuals(decoded(self.member.network, self._code))[0]
        )

    def hidden(self) -> View:
        """Residuals of cells hidden from the network."""
        encoder, Z = self.member.encoder, self._filled.Z
        total: Any = 0.0
        for part_of in hidden_partitions(encoder.n_columns):
            for part in np.unique(part_of):
                hidden = part_of == part
                shown = Z * np.where(hidden[encoder.column_of], 0.0, 1.0)
                found = self._reader.residuals(rebuilt(self.member.network, shown))[0]
                total = found * hidden + total
        return self._errors(total / float(HIDDEN_REPEATS))

    def _errors(self, errors: Tensor) -> View:
        """Return residuals, 0 where missing, the others scaled up to make good."""
        observed = self._reader.observed()
        n_columns = self.member.encoder.n_columns
        share = observed.cast(np.float64).sum() / float(n_columns)
        scaled = errors / share.maximum(1 / n_columns).sqrt()
        return View(scaled, ~observed & self.member.encoder.has_values)


# name of a view in `skdae._outlier._views.IS_RESIDUAL`
VIEWS: dict[str, Callable[[Views], View]] = {
    "inputs": Views.inputs,
    "window": Views.windows,
    "code": Views.code,
    "residuals": Views.residuals,
    "hidden": Views.hidden,
}


# --- models of normal rows ------------------------------------------------------------


def _diagonal(model: Diagonal, view: View) -> Tensor:
    return (view.values.square() * model.weights).sum()


def _quadratic(model: Quadratic, view: View) -> Tensor:
    deviation = view.values - model.center
    if view.missing is not None:
        known = deviation.graph.where(view.missing, 0.0, deviation)
        deviation = conditional_fill(known, view.missing, model.precision)
    return (deviation * (deviation @ model.precision)).sum().maximum(0.0)


def _neighbors(model: Neighbors, view: View) -> Tensor:
    """Return the mean square of the nearest distances, that to itself left out."""
    V, k = view.values, model.n_neighbors
    reference = model.reference.astype(np.float64)
    ranking = (V @ (-2 * reference.T)) + model.squares.astype(np.float64)
    rows = V.graph.constant(reference).take(ranking.smallest(k + 1)[1], axis=0)
    squares = (rows - V.expanded(1)).square().sum(2, keepdims=False)
    squares = squares.smallest(k + 1)[0]  # (n, k + 1) ascending
    nearest, farthest = squares.take([0]), squares.take([k])
    itself = nearest <= (V.square().sum() + 1.0) * TINY
    left_out = V.graph.where(itself, nearest, farthest)
    return (squares.sum() - left_out) / float(k)


def _whitened_neighbors(model: WhitenedNeighbors, view: View) -> Tensor:
    axes = model.axes
    white = (view.values - axes.center) @ (axes.directions / np.sqrt(axes.variances))
    return _neighbors(model.near, View(white)) / float(len(axes.center))


def _rank_neighbors(model: RankNeighbors, view: View) -> Tensor:
    return _neighbors(model.near, View(_normal_scores(model.ranks, view.values)))


def _normal_scores(ranks: NormalScores, V: Tensor) -> Tensor:
    """Return `NormalScores.forward`."""
    graph, n_knots = V.graph, ranks.values.shape[1]
    within = V.clip(ranks.values[:, 0], ranks.values[:, -1])
    place = count_at_most(within, ranks.values).minimum(n_knots - 1)
    before = (place - 1).maximum(0)
    low, high = (lookup(graph, ranks.values, each) for each in (before, place))
    start, end = (lookup(graph, ranks.scores, each) for each in (before, place))
    slope = (end - start) / (high - low).maximum(np.finfo(float).tiny)
    return start + (within - low) * slope + (V - within)


MODELS: dict[type, Callable[[Any, View], Tensor]] = {
    Diagonal: _diagonal,
    Quadratic: _quadratic,
    Neighbors: _neighbors,
    WhitenedNeighbors: _whitened_neighbors,
    RankNeighbors: _rank_neighbors,
}


# --- one score of several -------------------------------------------------------------


def _combined(combination: Combination, scores: Tensor) -> Tensor:
    """Return `Combination.combine`, (n, 1)."""
    if combination.is_single:
        return scores
    standard = ((scores + TINY).log() - combination.low) / combination.width
    excess = softplus((standard - combination.bend) * SHARPNESS) / SHARPNESS
    return excess.sum() / float(len(combination.low))


def _corrected(
    ensemble: Ensemble, combined: Tensor, rows: Rows, window: Window
) -> Tensor:
    """Return `Ensemble.combine` of combined scores: corrected for missing cells."""
    graph, encoder = rows.graph, ensemble.encoder
    correction, is_single = ensemble.correction, ensemble.combination.is_single
    observed = Reader(encoder, rows).observed() & encoder.has_values
    missing = (~observed & encoder.has_values).cast(np.float64)
    by_lag = [missing.take(places, axis=0) for places in window]
    F = _features(by_lag, correction.column_scale)
    factor = (F @ correction.log_spread.reshape(-1, 1)).exp()
    factor = factor.clip(_missing_cells.MIN_FACTOR, _missing_cells.MAX_FACTOR)
    scores = (combined + TINY).log() if is_single else combined
    deviation = scores - correction.center - F @ correction.location.reshape(-1, 1)
    within = deviation.minimum(factor * correction.reach)
    corrected = within / factor + (deviation - within) + correction.center
    is_empty = observed.cast(np.float64).sum() < 0.5
    corrected = graph.where(is_empty, correction.center, corrected)
    if is_single:
        corrected = corrected.exp() - TINY
    has_gaps = sum(by_lag[1:], by_lag[0]).sum() > 0.5
    return graph.where(has_gaps, corrected.maximum(TINY), combined)


def _features(by_lag: list[Tensor], column_scale: float) -> Tensor:
    """Return `skdae._outlier._missing_cells._features`."""
    by_column = sum(by_lag[1:], by_lag[0]) / float(len(by_lag))
    share = _mean(by_column)
    parts = [by_column * column_scale, *_terms(share)]
    if len(by_lag) > 1:
        own = _mean(by_lag[0])
        parts += [share, own, *_terms(own)]
    return by_column.graph.concatenated(parts)


def _mean(cells: Tensor) -> Tensor:
    """Return the mean of each row, (n, 1)."""
    return cells.sum() / (cells * 0.0 + 1.0).sum()


def _terms(share: Tensor) -> tuple[Tensor, Tensor]:
    least = _missing_cells.TINY ** (1 / 2)
    return (1.0 - share).maximum(least).log(), share.square()
