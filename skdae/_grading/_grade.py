"""The verdict on each sensor."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skdae._grading._checks import CHECKS, Finding
from skdae._grading._clock import TimeGrading, grade_clock
from skdae._grading._column import Column, columns_of, evenly
from skdae.timeseries._time import row_times

if TYPE_CHECKING:
    import pandas

MIN_DUPLICATE_CORRELATION = 0.999  # two sensors with 3 % noise each are below
VERDICTS = ("keep", "check", "drop")  # from mild to severe


@dataclass(frozen=True)
class Grading:
    """Verdict on each sensor, and on the time stamps.

    Attributes
    ----------
    sensors : DataFrame
        One row per column of the table, with the columns

        verdict : str
            'keep', 'check' (look at it before training) or 'drop'.
        defects : tuple of str
            Names of the defects found, see :func:`grade`.
        reason : str
            The defects in words.
        missing_share : float
            Share of the cells without a value.
        n_markers, longest_run, n_spikes, n_levels, n_modes : float
            Numbers of cells, rows, values, levels and groups of values.
        one_way_share : float
            Share of the changes in the more frequent direction.
        drift : float
            Last quarter minus first, in standard deviations within blocks of rows.

        A measure is NaN where it does not apply.
        duplicate_of : str
            The first column that it duplicates, empty for none.
    time : TimeGrading or None
        Defects of the time stamps; None without `time`.
    n_rows : int
        Number of rows.
    """

    sensors: "pandas.DataFrame"
    time: TimeGrading | None
    n_rows: int


def grade(X, time=None) -> Grading:
    """Return which sensors of a table are fit for training, and why others are not.

    ===========  =======  ===========================================================
    defect       verdict  found where
    ===========  =======  ===========================================================
    missing      check    more than 5 % of the cells are missing; 'drop' above 50 %
    constant     drop     all values are the same, or there is none
    duplicate    drop     absolute correlation with an earlier column of 0.999 or more
    marker       check    an extreme value repeats, far from the others
    stuck        check    a run of equal values is too long to be chance
    spikes       check    single values jump away and back, farther than others
    monotonic    check    99 % of the changes have one direction: a counter
    drift        check    the last quarter lies elsewhere than the first
    quantised    keep     the resolution is coarser than a quarter of the spread
    modes        keep     the values lie in groups: operating modes
    ===========  =======  ===========================================================

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows in time order. Of columns without numbers only 'missing' and 'constant'
        are examined. Infinite cells count as missing.
    time : array-like of shape (n_samples,), default=None
        Time of each row, dates or numbers. Rows are sorted by it first.

    Returns
    -------
    Grading
        ``sensors``, a DataFrame with a verdict and a reason for each column, and
        ``time``, the defects of the time stamps.

    Raises
    ------
    ValueError
        If X is not a table of two dimensions, or `time` does not hold a number or date
        for each row.

    Notes
    -----
    'stuck', 'spikes', 'monotonic' and 'drift' need rows in time order and at least 50
    values. A drift is compared with the standard error of block means, so that slow
    processes are not reported; neither is a sensor whose quarters differ by less than
    its standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> import skdae
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> X[:, 1] = 5.0
    >>> X[300:350, 2] = X[300, 2]
    >>> skdae.grade(X).sensors[["verdict", "reason"]]
       verdict                                reason
    x0    keep
    x1    drop                              constant
    x2   check  stuck: the same value for 50 rows
    """
    import pandas

    columns = list(columns_of(X))
    n_rows = len(columns[0].values) if columns else 0
    time_grading = None
    if time is not None:
        numbers = row_times(time, n_rows).numbers
        time_grading = grade_clock(numbers)
        order = np.argsort(numbers, kind="stable")
        if (np.diff(order) < 0).any():
            columns = [replace(each, values=each.values[order]) for each in columns]
    duplicates = find_duplicates(columns)
    records = [_record(*pair) for pair in zip(columns, duplicates, strict=True)]
    sensors = pandas.DataFrame(records, index=[column.name for column in columns])
    return Grading(sensors, time_grading, n_rows)


def _record(column: Column, duplicate_of: str) -> dict[str, Any]:
    """Return the row of one column in the table of sensors."""
    found = {name: each.of(column) for name, each in CHECKS.items()}
    if column.is_constant:
        found["constant"] = Finding(np.nan, "constant", "drop")
    if duplicate_of:
        found["duplicate"] = Finding(np.nan, f"duplicate of {duplicate_of}", "drop")
    defects = {name: each for name, each in found.items() if each.reason}
    verdicts = [each.verdict for each in defects.values()]
    return {
        "verdict": max(verdicts, key=VERDICTS.index, default="keep"),
        "defects": tuple(defects),
        "reason": "; ".join(each.reason or "" for each in defects.values()),
        **{each.measure: found[name].measure for name, each in CHECKS.items()},
        "duplicate_of": duplicate_of,
    }


def find_duplicates(columns: list[Column]) -> list[str]:
    """Return for each column the first one that it duplicates, empty for none."""
    varying = [j for j, each in enumerate(columns) if each.has_course]
    found = [""] * len(columns)
    if len(varying) < 2:
        return found
    sample = np.column_stack([evenly(columns[j].values) for j in varying])
    has_value = np.isfinite(sample)
    counts = np.maximum(has_value.sum(axis=0), 1)
    sample = np.where(has_value, sample, 0.0)
    centred = np.where(has_value, sample - sample.sum(axis=0) / counts, 0.0)
    scale = np.abs(centred).max(axis=0)
    centred /= np.where(scale > 0, scale, 1.0)
    # Sums over the rows in which both columns have a value: gaps count as 0.
    squares = (centred**2).T @ has_value.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (centred.T @ centred) / np.sqrt(squares * squares.T)
    is_same = np.triu(np.abs(correlation) >= MIN_DUPLICATE_CORRELATION, k=1)
    for column, j in enumerate(varying):
        earlier = np.flatnonzero(is_same[:, column])
        if len(earlier):
            found[j] = columns[varying[earlier[0]]].name
    return found
