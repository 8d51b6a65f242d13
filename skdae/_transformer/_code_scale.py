"""The scale of codes beside inputs, as features of linear models."""

from dataclasses import replace

import numpy as np

from skdae._core.network import Network
from skdae._table.rows import TrainingRows
from skdae._table.sources import TableRows

MAX_ROWS = 5_000  # that the scale is learned from
CODE_SHARE = 0.1  # variance of the code over that of the inputs, each in total


def code_scale(network: Network, encoded: TableRows, rows: TrainingRows) -> float:
    """Return the factor that gives the code its share of the variance of the inputs.

    A penalised linear model on both then fits few labels by the inputs first, as it
    does without a network, and more labels by the code as well.
    """
    places = np.arange(encoded.n_rows)
    index, weights = replace(rows, index=places).repeated
    if len(index) > MAX_ROWS:
        kept = np.linspace(0, len(index) - 1, MAX_ROWS).astype(np.intp)
        index, weights = index[kept], None if weights is None else weights[kept]
    block = encoded.take(index)
    Z = encoded.encoder.limited(block.values, block.observed)
    of_inputs = _total_variance(Z, weights)
    of_code = _total_variance(network.encode(Z), weights)
    return float(np.sqrt(CODE_SHARE * of_inputs / of_code)) if of_code > 0 else 0.0


def _total_variance(values: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the sum of the variances of all columns."""
    values = values.astype(np.float64)
    mean = np.average(values, axis=0, weights=weights)
    squares = (values - mean) ** 2
    return float(np.average(squares, axis=0, weights=weights).sum())
