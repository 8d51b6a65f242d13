"""Whether a column of a table can be a target."""

import pandas as pd

from skdae._column_types import (
    MAX_CATEGORIES,
    MIN_ROWS_PER_CLASS,
    is_numeric,
    kind_of_column,
)
from skdae._files._errors import TableError, close_names, shown


def check_target(table: pd.DataFrame, target: str) -> pd.Series:
    """Return the column to be predicted, or say why it cannot be.

    Parameters
    ----------
    table : DataFrame
        A table as `read_table` returns it.
    target : str
        Name of the column.

    Returns
    -------
    Series
        The column, with its missing values.

    Raises
    ------
    TableError
        If there is no such column or no other, if nothing is known of it, if all its
        values are the same, or if it holds dates or a text for each row.

    Examples
    --------
    >>> import pandas
    >>> from skdae._files import check_target
    >>> check_target(pandas.DataFrame({"speed": [1, 2], "wear": [3, 3]}), "waer")
    Traceback (most recent call last):
    skdae._files._errors.TableError: The table has no column 'waer' to be the
    target; did you mean 'wear'?
    """
    if target not in table.columns:
        raise TableError(
            f"The table has no column {target!r} to be the target; "
            f"{close_names(target, table.columns)}"
        )
    values = table[target]
    if table.shape[1] == 1:
        raise TableError(
            f"The table has no column but the target {target!r}; add the columns to "
            "predict it from."
        )
    known = values.dropna()
    if known.empty:
        raise TableError(
            f"The target {target!r} has only missing values; name a column with values."
        )
    if known.nunique() == 1:
        what = "value" if is_numeric(values) else "class"
        raise TableError(
            f"The target {target!r} has one {what}, {_cell(known)}, and needs "
            "at least two; name another column, or add rows of another."
        )
    if is_numeric(values):
        return values
    kind, n_different = kind_of_column(target, values), known.nunique()
    if kind == "date_time":
        raise TableError(
            f"The target {target!r} holds dates or times ({_cell(known)}); turn them "
            "into numbers, or name another column."
        )
    if n_different > MAX_CATEGORIES or n_different * MIN_ROWS_PER_CLASS > len(known):
        raise TableError(
            f"The target {target!r} has {n_different} different texts in "
            f"{len(known)} rows, too many to be classes; name a column of numbers or "
            "of fewer classes."
        )
    return values


def _cell(known: pd.Series) -> str:
    """Return the first value as a message shows it."""
    first = known.tolist()[0]
    return shown(first) if isinstance(first, str) else repr(first)
