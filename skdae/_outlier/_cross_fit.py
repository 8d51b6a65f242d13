"""Networks trained on parts of the rows in turn, and scores of what they left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone

from skdae._outlier._scores import (
    SCORES,
    VIEWS,
    Model,
    Score,
    column_parts,
    parts_by_witness,
    views_needed,
)
from skdae._outlier._thresholds import Folds
from skdae._table.encoder import TableEncoder
from skdae._transformer import GradualDAETransformer
from skdae._transformer._outputs import outputs_of
from skdae._transformer._transformer import fit_matrix

FINGERPRINT_SEED = 0
TRIM_ROUNDS = 3  # times that the centre is found anew without the strangest rows


def views_of(
    transformer: GradualDAETransformer, views: set[str], raw: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what a fitted network shows of rows."""
    return {name: outputs_of(transformer, VIEWS[name].values, raw) for name in views}


def fingerprints(raw: np.ndarray) -> np.ndarray:
    """Return a number per row that equal rows share and others do not, (n_rows,)."""
    generator = np.random.default_rng(FINGERPRINT_SEED)
    odd = generator.integers(2**63, size=raw.shape[1], dtype=np.uint64) * 2 + 1
    words = (raw.astype(np.float64) + 0.0).view(np.uint64)  # + 0.0: no negative zeros
    words ^= words >> 29
    return ((words * odd) ^ (words >> 32)).sum(axis=1, dtype=np.uint64)


def copies(raw: np.ndarray, n_splits: int) -> np.ndarray | None:
    """Return a group per row that its copies share, None where there are none.

    Held out apart from them, a row would not be a fresh one.
    """
    distinct, groups = np.unique(fingerprints(raw), return_inverse=True)
    is_worth = n_splits <= len(distinct) < len(raw)
    return groups if is_worth else None


@dataclass(frozen=True)
class Member:
    """A network and what each score has learned from its rows."""

    transformer: GradualDAETransformer
    models: tuple[Model, ...]  # in the order of the scores
    seen: np.ndarray  # fingerprints of the rows that it was trained on
    witnesses: np.ndarray  # inputs of the rows that codes are compared with

    def strangeness(self, names: Sequence[str], raw: np.ndarray) -> np.ndarray:
        """Return the scores of rows, (n, n_scores)."""
        shown = views_of(self.transformer, views_needed(names), raw)
        scores = [
            model.strangeness(shown[SCORES[name].view])
            for name, model in zip(names, self.models, strict=True)
        ]
        return np.column_stack(scores)

    def parts(self, names: Sequence[str], raw: np.ndarray) -> np.ndarray:
        """Return what each column adds to each score, (n_scores, n, n_columns)."""
        shown = views_of(self.transformer, views_needed(names) | {"inputs"}, raw)
        encoder = self.transformer.table_encoder_
        found = []
        for name, model in zip(names, self.models, strict=True):
            view = SCORES[name].view
            if view == "code":
                parts = parts_by_witness(
                    model, shown["code"], shown["inputs"], self.witnesses
                )
                view = "inputs"
            else:
                parts = model.parts(shown[view])
            found.append(column_parts(parts, view, encoder))
        return np.stack(found)


@dataclass(frozen=True)
class CrossFit:
    """A network per fold, and what all of them show of rows they have not seen."""

    transformers: list[GradualDAETransformer]
    trained_on: list[dict[str, np.ndarray]]  # views of each network's own rows
    held_out: list[dict[str, np.ndarray]]  # views of the rows that each left out
    fold_of: np.ndarray  # (n_rows,) -1 where never held out
    seen: list[np.ndarray]  # fingerprints of each network's own rows

    def joined(self, view: str) -> np.ndarray:
        """Return a view of all rows by the network that left each out, or NaN."""
        width = self.held_out[0][view].shape[1]
        values = np.full((len(self.fold_of), width), np.nan)
        for number, shown in enumerate(self.held_out):
            values[self.fold_of == number] = shown[view]
        return values


def cross_fit(
    owner: Any,
    network: tuple[GradualDAETransformer, TableEncoder],
    views: set[str],
    raw: np.ndarray,
    usual: np.ndarray,
    folds: Folds,
    seeds: np.ndarray,
) -> CrossFit:
    """Train a network per fold on the usual rows outside of it."""
    transformer, encoder = network
    own = {name for name in views if not VIEWS[name].held_out}
    own |= {"inputs"} if "code" in views else set()
    result = CrossFit([], [], [], np.full(len(raw), -1), [])
    for number, ((train, held_out), seed) in enumerate(zip(folds, seeds, strict=True)):
        rows = raw[train[usual[train]]]
        member = clone(transformer).set_params(random_state=int(seed))
        fit_matrix(member, owner, encoder, rows)
        result.transformers.append(member)
        result.trained_on.append(views_of(member, own, rows))
        result.seen.append(fingerprints(rows))
        result.fold_of[held_out] = number
        result.held_out.append(views_of(member, views, raw[result.fold_of == number]))
    return result


def judge(
    fits: CrossFit, names: Sequence[str], usual: np.ndarray, n_neighbors: int
) -> tuple[np.ndarray, list[Member]]:
    """Return the scores of the held-out rows, (n_rows, n_scores), and the members."""
    judged = [_judge_one(fits, SCORES[name], usual, n_neighbors) for name in names]
    members = []
    for number, transformer in enumerate(fits.transformers):
        models = tuple(models[number] for _, models in judged)
        witnesses = fits.trained_on[number].get("inputs", np.empty((0, 0)))
        members.append(Member(transformer, models, fits.seen[number], witnesses))
    return np.column_stack([scores for scores, _ in judged]), members


def _judge_one(
    fits: CrossFit, score: Score, usual: np.ndarray, n_neighbors: int
) -> tuple[np.ndarray, list[Model]]:
    """Return one score of the held-out rows, and its model for each network.

    What residuals are usual is learned from held-out rows, never from residuals of
    training rows; the rows of a network's own fold are left out of it.
    """
    known = usual & (fits.fold_of >= 0)
    scores = np.full(len(usual), np.nan)
    models: list[Model] = []
    # other views have features of their own: a category may be in some folds only
    joined = fits.joined(score.view) if VIEWS[score.view].held_out else None
    for number, own in enumerate(fits.trained_on):
        rows = fits.fold_of == number
        if joined is not None:
            others = known & ~rows if (known & ~rows).sum() > 1 else known
            model = score.learn(joined[others], n_neighbors)
        else:
            model = score.learn(own[score.view], n_neighbors)
        scores[rows] = model.strangeness(fits.held_out[number][score.view])
        models.append(model)
    return scores, models


def say(members: Sequence[Member], raw: np.ndarray) -> np.ndarray:
    """Return the weight of each member for each row, (n_rows, n_members).

    A row is judged by the networks that were not trained on it, alike; by all of them
    where there is none.
    """
    prints = fingerprints(raw)
    unseen = np.column_stack([~np.isin(prints, member.seen) for member in members])
    unseen[~unseen.any(axis=1)] = True
    return unseen / unseen.sum(axis=1, keepdims=True)


def usual_rows(
    encoder: TableEncoder, raw: np.ndarray, share: float, n_neighbors: int
) -> np.ndarray:
    """Return which rows are left when the strangest `share` of them is left out.

    By their distance from the centre, measured anew without the strangest, and that
    from their neighbours: the sum of the ranks. No network is trained for it.
    """
    kept = np.ones(len(raw), dtype=bool)
    if share == 0:
        return kept
    inputs = encoder.encode(raw)[0].astype(np.float64)
    for _ in range(TRIM_ROUNDS):
        distances = SCORES["distance"].learn(inputs[kept], 0).strangeness(inputs)
        kept = distances <= np.quantile(distances, 1 - share)
    near = SCORES["neighbors"].learn(inputs, n_neighbors).strangeness(inputs)
    ranks = rankdata(distances) + rankdata(near)
    return ranks <= np.quantile(ranks, 1 - share)
