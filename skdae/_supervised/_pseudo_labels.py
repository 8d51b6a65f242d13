"""Pseudo-labels: outputs of teachers that a student learns beside the labels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skdae._core.network import chunks
from skdae._core.sources import TableSource
from skdae._supervised._rows import LabelledRows, Unlabelled
from skdae._supervised._training import Predictor
from skdae._table.sources import TargetRows


def pseudo_labels(others: Unlabelled, teachers: Sequence[Predictor]) -> np.ndarray:
    """Return the mean of the teachers' outputs on the clean rows, float32.

    Like training, it is done by one thread: the number of threads changes sums.
    """
    from skdae._core.threads import limited_threads

    n_rows = others.rows.n_rows
    labels = np.zeros((n_rows, teachers[0].network.head.n_features), np.float32)
    with limited_threads(1):
        for part in chunks(n_rows):
            Z = others.rows.take(np.arange(n_rows)[part]).values
            for teacher in teachers:
                labels[part] += teacher.decode(Z) / len(teachers)
    return labels


def with_pseudo_labels(
    source: TableSource,
    labelled: LabelledRows,
    others: Unlabelled,
    pseudo: np.ndarray,
    unlabeled_weight: float,
) -> TableSource:
    """Return labelled rows and others with pseudo-labels as one source."""
    # labelled and unlabelled weights may have different units
    weight = unlabeled_weight * others.unit / labelled.unit
    own, n, m = labelled.rows, labelled.rows.n_rows, others.rows.n_rows
    shares = None if weight == 1 else np.full(m, weight, np.float32)
    index = np.append(own.rows.index, others.rows.index)
    rows = TargetRows(
        replace(own.rows, index=index),
        np.vstack([own.target, pseudo]),
        _joined(own.weight, n, shares, m),
    )
    return replace(
        source,
        rows=rows,
        index=np.append(source.index, np.arange(n, n + m)),
        weights=_joined(source.weights, n, others.weights, m),
    )


def _joined(
    first: np.ndarray | None, n: int, second: np.ndarray | None, m: int
) -> np.ndarray | None:
    """Return the weights of n and of m rows in one array; None: 1 everywhere."""
    if first is None and second is None:
        return None
    parts = (first, n), (second, m)
    return np.concatenate(
        [np.ones(k, np.float32) if part is None else part for part, k in parts]
    )
