"""Shares of several estimates in their mean: the ones with the least squared error."""

import numpy as np
from scipy.optimize import nnls

SUM_WEIGHT = 1e4  # of the condition that shares add up to 1, against errors of about 1


def simplex_shares(products: np.ndarray) -> np.ndarray:
    """Return shares of candidates, at least 0 and 1 in sum, with the least error.

    `products`, (n, n), are the summed products of their errors. Without any error the
    first one has the whole share.
    """
    n = len(products)
    size = np.trace(products)
    if not size > 0:
        return np.eye(n)[0]
    values, vectors = np.linalg.eigh(products / size)
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    system = np.vstack([root, np.full((1, n), SUM_WEIGHT)])
    shares, _ = nnls(system, np.append(np.zeros(n), SUM_WEIGHT))
    return shares / shares.sum()
