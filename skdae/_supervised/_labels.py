"""Labels as the user passes them: which rows have one, and of which type they are."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_consistent_length

from skdae._sklearn_compat import safe_indexing


class Labels(NamedTuple):
    """Labels, and which rows have one."""

    y: np.ndarray  # (n_labelled,) or (n_labelled, n_outputs), checked
    known: np.ndarray  # (n_labelled,) rows of X with a label
    missing: np.ndarray  # (n_unlabelled,) the other rows

    @property
    def sort_keys(self) -> np.ndarray:
        """Numbers that order rows by their labels, (n_labelled, n_keys)."""
        if self.y.ndim == 2:
            return self.y
        return np.unique(self.y, return_inverse=True)[1].reshape(-1, 1)


def refuse_sparse(y: Any) -> None:
    """Raise if labels are a sparse matrix."""
    if issparse(y):
        raise ValueError(
            "y is a sparse matrix, and labels must be dense; pass "
            "y.toarray().ravel(), or y.toarray() for several outputs."
        )


def read_labels(y: Any, marker: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the known labels, and which rows have none, (n,) bool.

    With a marker that is itself a missing value (NaN, None, NA) every missing value
    marks a row.
    """
    from pandas import isna

    refuse_sparse(y)
    if np.ma.is_masked(y):  # with no masked label they stay what they are
        y = np.ma.filled(y.astype(object), np.nan)
    if not isinstance(y, np.ndarray):  # lists mix types, and so do pandas' columns
        y = _as_array(y)
    missing: Any = np.zeros(y.shape, dtype=bool)
    if marker is not None:
        absent = np.asarray(isna(y))
        missing = absent if isna(marker) else ~absent & _equal(y, marker)
    if y.dtype.kind in "US" and marker is not None and not isinstance(marker, str):
        raise ValueError(
            f"unlabeled={marker!r} cannot occur in y, an array of text; name a text, "
            "or pass y as a list or with dtype=object."
        )
    if y.ndim == 2:
        if (missing.any(axis=1) != missing.all(axis=1)).any():
            raise ValueError(
                f"unlabeled={marker!r} marks only some outputs of a row of y; mark "
                "whole rows, or fit a model for each output."
            )
        missing = missing.all(axis=1)
    known = y[~missing]
    return (_narrowed(known) if known.dtype == object else known), missing


def labelled_part(
    X: Any, y: Any, sample_weight: Any, marker: Any
) -> tuple[Any, np.ndarray, Any]:
    """Return the rows with a label, their labels and their weights."""
    refuse_sparse(y)
    check_consistent_length(X, y, sample_weight)
    known, missing = read_labels(y, marker)
    if not missing.any():
        return X, known, sample_weight
    index = np.flatnonzero(~missing)
    if sample_weight is not None:
        sample_weight = safe_indexing(sample_weight, index)
    return safe_indexing(X, index), known, sample_weight


def refuse_missing(y: np.ndarray, name: str) -> None:
    """Raise if some of the labels that are to be learned are missing."""
    from pandas import isna

    empty = np.count_nonzero(isna(y)) if y.dtype.kind in "Of" else 0
    if empty:
        raise ValueError(
            f"Input {name} contains NaN, in {empty} cells; leave these rows out, "
            "or set unlabeled=np.nan to pretrain on rows of X without a label."
        )


def _equal(y: np.ndarray, marker: Any) -> np.ndarray:
    """Return which cells equal the marker; NA equals nothing."""
    if y.dtype != object:
        return np.broadcast_to(np.asarray(y == marker), y.shape)
    same = [(cell == marker) is True for cell in y.ravel().tolist()]
    return np.array(same, dtype=bool).reshape(y.shape)


def _as_array(y: Any) -> np.ndarray:
    """Return a list or a column as an array whose cells keep their types."""
    plain = np.asarray(y)
    return plain if plain.dtype.kind in "biuf" else np.asarray(y, dtype=object)


def _narrowed(y: np.ndarray) -> np.ndarray:
    """Return objects of one kind as numbers, bools or text."""
    is_text = {isinstance(cell, str) for cell in np.ravel(y)}
    if len(is_text) != 1:  # mixed, which scikit-learn refuses, or empty
        return y
    return np.asarray(y.tolist())
