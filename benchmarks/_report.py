"""Tables of results, ranks and paired tests, for all benchmarks."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import rankdata, t


def unique(values: Iterable) -> list:
    """Values in the order they came, each once."""
    return list(dict.fromkeys(values))


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table with numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def ranks(means: np.ndarray) -> np.ndarray:
    """Rank of each method in each row, ties averaged; (n_rows, n_methods)."""
    return rankdata(np.round(means, 4), axis=1)


def corrected_t(differences: np.ndarray, n_train: float, n_test: float) -> float:
    """p-value of paired differences over repeated splits, two-sided.

    Their variance is corrected for the rows that splits share.
    C. Nadeau and Y. Bengio, "Inference for the generalization error", 2003.
    """
    n = len(differences)
    mean, variance = differences.mean(), differences.var(ddof=1)
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    statistic = mean / np.sqrt((1 / n + n_test / n_train) * variance)
    return float(2 * t.sf(abs(statistic), n - 1))
