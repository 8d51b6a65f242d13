"""Thresholds by a false alarm rate: rows held out in turn, and their quantiles."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

# --- which rows are held out together ------------------------------------------------

Folds = list[tuple[np.ndarray, np.ndarray]]  # rows to train on, rows held out


def _random(
    n_rows: int, n_splits: int, groups: np.ndarray | None, seed: int
) -> Sequence[Any]:
    if groups is None:
        splitter = KFold(n_splits, shuffle=True, random_state=seed)
        return list(splitter.split(np.zeros((n_rows, 1))))
    by_group = GroupKFold(n_splits, shuffle=True, random_state=seed)
    return list(by_group.split(np.zeros((n_rows, 1)), groups=groups))


def _blocked(
    n_rows: int, n_splits: int, groups: np.ndarray | None, seed: int
) -> Sequence[Any]:
    if groups is None:
        return list(KFold(n_splits).split(np.zeros((n_rows, 1))))
    raise ValueError(
        "calibration='blocked' cuts rows in their order and takes no groups; set "
        "calibration='random', which holds whole groups out, or omit groups."
    )


#: name: the folds from the number of rows, of splits, the groups of rows and a seed
CALIBRATIONS: dict[str, Callable[..., Sequence[Any]]] = {
    "random": _random,
    "blocked": _blocked,
}


def make_folds(
    calibration: Any, n_rows: int, n_splits: int, groups: Any, seed: int
) -> Folds:
    """Return the folds that a name or a splitter of scikit-learn stands for.

    A row is held out at most once; rows that a splitter never holds out only train.
    """
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (n_rows,):
            raise ValueError(
                f"groups has the shape {groups.shape} and must have one entry per row "
                f"of X ({n_rows}); pass them in the order of the rows."
            )
    if isinstance(calibration, str) and calibration not in CALIBRATIONS:
        raise ValueError(
            f"calibration={calibration!r} must be one of {sorted(CALIBRATIONS)} or a "
            "splitter of scikit-learn; correct the name."
        )
    if not isinstance(calibration, str):
        rows = np.zeros((n_rows, 1))
        return _checked(list(calibration.split(rows, None, groups)), n_rows)
    n_units = n_rows if groups is None else len(np.unique(groups))
    if n_splits > n_units:
        what = "rows" if groups is None else "groups"
        raise ValueError(
            f"n_splits={n_splits} must be at most the number of {what}, and n_samples "
            f"leaves {n_units}; lower n_splits or add {what}."
        )
    return _checked(CALIBRATIONS[calibration](n_rows, n_splits, groups, seed), n_rows)


def _checked(folds: Sequence[Any], n_rows: int) -> Folds:
    """Folds whose held-out rows are held out once, with rows left to train on."""
    times = np.zeros(n_rows, dtype=int)
    for train, held_out in folds:
        times[held_out] += 1
        if len(train) < 2:
            raise ValueError(
                f"X has n_samples={n_rows}, and calibration leaves {len(train)} of "
                "them to train on where at least 2 are needed; add rows."
            )
    if not folds or times.max() != 1:
        raise ValueError(
            f"calibration holds a row out {times.max()} times and must do so once; "
            "use a splitter such as KFold or GroupKFold."
        )
    return list(folds)


# --- from held-out rows to a threshold -----------------------------------------------


def rows_needed(false_alarm_rate: float) -> int:
    """Return how many held-out rows a false alarm rate needs.

    With fewer, even a threshold above all of them promises less than is asked.
    """
    return int(np.ceil(round(1 / false_alarm_rate, 9))) - 1


def conformal_threshold(scores: np.ndarray, false_alarm_rate: float) -> float:
    """Return the anomaly score that a new row exceeds at most at the rate asked.

    It is the ``ceil((n + 1) * (1 - rate))``-th smallest of the n held-out rows. With
    too few of them for the rate a warning says how many are needed, and it is the
    largest.
    """
    n_rows = len(scores)
    needed = rows_needed(false_alarm_rate)
    if n_rows < needed:
        warnings.warn(
            f"false_alarm_rate={false_alarm_rate:g} needs at least {needed} rows to "
            f"calibrate on and there are {n_rows}; the threshold is their largest "
            f"score. Give {needed} rows, or raise false_alarm_rate to "
            f"{1 / (n_rows + 1):.3g}.",
            UserWarning,
            stacklevel=3,
        )
    rank = int(np.ceil(round((n_rows + 1) * (1 - false_alarm_rate), 9)))
    return float(np.sort(scores)[min(rank, n_rows) - 1])
