"""Groups of rows: units, files, runs."""

from typing import Any

import numpy as np

from skdae._table.frames import unmasked


def group_codes(groups: Any, n_rows: int) -> np.ndarray:
    """Return the group number of each row; 0 without groups."""
    if groups is None:
        return np.zeros(n_rows, dtype=np.intp)
    import pandas

    labels = np.asarray(unmasked(groups))
    if labels.shape != (n_rows,):
        raise ValueError(
            f"groups has the shape {labels.shape} and must have one entry for each "
            f"of the {n_rows} rows; pass None for rows of a single group."
        )
    codes, _ = pandas.factorize(labels)
    if (codes < 0).any():
        raise ValueError(
            f"groups must name the group of every row, and {int((codes < 0).sum())} "
            "entries are missing; give these rows a group of their own."
        )
    return codes


def group_starts(sorted_codes: np.ndarray) -> np.ndarray:
    """Return for each position of sorted codes where its group begins."""
    position = np.arange(len(sorted_codes))
    is_first = np.ones(len(sorted_codes), dtype=bool)
    is_first[1:] = sorted_codes[1:] != sorted_codes[:-1]
    return np.maximum.accumulate(np.where(is_first, position, 0))
