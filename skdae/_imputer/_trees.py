"""Regression trees as small arrays, an eleventh of the size of scikit-learn's."""

from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS_AT_ONCE = 20_000  # of a prediction


@dataclass(frozen=True)
class Trees:
    """The trees of a forest, one after the other, each from its root depth first.

    The left child of a node is the next one. A row goes left where its feature is at
    most the threshold, and its prediction is the mean of the leaves that it reaches.
    """

    roots: np.ndarray  # (n_trees,) first node of each
    right: np.ndarray  # (n_nodes,) nodes from a node to its right child, 0 for a leaf
    feature: np.ndarray  # (n_nodes - n_leaves,) of the inner nodes
    threshold: np.ndarray  # (n_nodes - n_leaves,) float32
    values: np.ndarray  # (n_leaves, n_outputs) float32

    @classmethod
    def of(cls, forest: Any) -> "Trees":
        """Return the trees of a fitted forest of scikit-learn."""
        trees = [each.tree_ for each in forest.estimators_]
        left = np.concatenate([tree.children_left for tree in trees])
        is_leaf = left < 0
        place = np.concatenate([np.arange(tree.node_count) for tree in trees])
        right = np.concatenate([tree.children_right for tree in trees]) - place
        right[is_leaf] = 0
        feature = np.concatenate([tree.feature for tree in trees])[~is_leaf]
        threshold = np.concatenate([tree.threshold for tree in trees])[~is_leaf]
        values = np.concatenate([tree.value[:, :, 0] for tree in trees])[is_leaf]
        counts = [tree.node_count for tree in trees]
        return cls(
            roots=np.cumsum([0, *counts[:-1]]),
            right=right.astype(np.min_scalar_type(right.max(initial=0))),
            feature=feature.astype(np.min_scalar_type(feature.max(initial=0))),
            threshold=_below(threshold),
            values=values.astype(np.float32),
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the predictions, (n, n_outputs) float64."""
        is_leaf = self.right == 0
        feature = np.zeros(len(is_leaf), dtype=np.intp)
        threshold = np.zeros(len(is_leaf), dtype=np.float32)
        feature[~is_leaf], threshold[~is_leaf] = self.feature, self.threshold
        leaf = np.cumsum(is_leaf) - 1
        right = self.right.astype(np.intp)
        predicted = np.empty((len(X), self.values.shape[1]))
        for begin in range(0, len(X), ROWS_AT_ONCE):
            cells = X[begin : begin + ROWS_AT_ONCE].astype(np.float32)
            node = np.tile(self.roots, len(cells))  # row by row, a place for each tree
            row = np.repeat(np.arange(len(cells)), len(self.roots))
            inner = np.flatnonzero(~is_leaf[node])
            while len(inner):
                at = node[inner]
                goes_left = cells[row[inner], feature[at]] <= threshold[at]
                node[inner] = at + np.where(goes_left, 1, right[at])
                inner = inner[~is_leaf[node[inner]]]
            reached = self.values[leaf[node]].astype(np.float64)
            by_tree = reached.reshape(len(cells), len(self.roots), -1)
            predicted[begin : begin + len(cells)] = by_tree.mean(axis=1)
        return predicted


def _below(threshold: np.ndarray) -> np.ndarray:
    """Return the largest float32 numbers that are at most these.

    Cells are compared as float32, so that no cell changes sides.
    """
    rounded = threshold.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > threshold, lower, rounded)
