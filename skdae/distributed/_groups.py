"""One model for each group of rows."""

import pickle
from functools import partial
from typing import Any

from sklearn.base import clone

from skdae.distributed._ray import check_columns, check_dataset, n_processors

PARTITIONS = 4  # per processor, so that those that are done first find more


def fit_groups(
    estimator: Any,
    dataset: Any,
    *,
    by: str,
    order_by: str | None = None,
    num_partitions: int | None = None,
) -> dict[Any, Any]:
    """Fit a clone of an estimator to each group of rows, such as each machine.

    Groups are fitted in parallel, each by one process and as a whole. With an int as
    `random_state` each model is that of `fit` on the rows of its group, bit for bit.

    Parameters
    ----------
    estimator : estimator object
        An unfitted estimator that learns without labels.
    dataset : ray.data.Dataset
        The rows of all groups, in any order.
    by : str
        Name of the column that says which group a row belongs to.
    order_by : str, default=None
        Name of the column by which the rows of a group are sorted, such as a time.
        None leaves them in an order that Ray chooses: right where the order of rows
        means nothing.
    num_partitions : int, default=None
        Parts into which the rows are sorted by their groups; one part must fit into
        the memory of a worker. None takes four per processor of the cluster.

    Returns
    -------
    dict
        The fitted estimators by group, in the order of the groups' names. They have
        seen all columns but `by` and `order_by`, as a DataFrame.

    Raises
    ------
    ValueError
        If a column is missing, or the rows of a group cannot be fitted; the message
        names the group.

    Examples
    --------
    >>> from skdae.distributed import fit_groups
    >>> rows = ray.data.read_parquet("plant/")  # doctest: +SKIP
    >>> models = fit_groups(dae, rows, by="machine", order_by="time")  # doctest: +SKIP
    """
    columns = check_dataset(dataset)
    check_columns(columns, [by], "by")
    check_columns(columns, [] if order_by is None else [order_by], "order_by")
    features = [name for name in columns if name not in (by, order_by)]
    fit = partial(_fit_group, estimator, by, order_by, features)
    if num_partitions is None:
        # Ray's own number, 200, took 15 s for three groups of 500 rows, 8 took 0.4 s
        num_partitions = PARTITIONS * n_processors()
    groups = dataset.groupby(by, num_partitions=num_partitions)
    rows = groups.map_groups(fit, batch_format="pandas").take_all()
    failed = [row for row in rows if row["error"]]
    if failed:
        first = failed[0]
        raise ValueError(
            f"{len(failed)} of {len(rows)} groups cannot be fitted; the group "
            f"{first['group']!r}: {first['error']}"
        )
    return dict(sorted((row["group"], pickle.loads(row["model"])) for row in rows))


def _fit_group(
    estimator: Any, by: str, order_by: str | None, features: list[str], group: Any
) -> dict[str, list[Any]]:
    """Return the name of a group and its model, as bytes, or why it has none."""
    import pandas as pd

    name, model, error = group[by].iloc[0], b"", ""
    if pd.isna(name):
        error = f"the column {by!r} names none; complete it, or drop these rows."
    elif order_by is not None and group[order_by].isna().any():
        n_missing = int(group[order_by].isna().sum())
        error = (
            f"order_by={order_by!r} has {n_missing} missing values, and rows without "
            "one have no place; complete the column, or drop these rows."
        )
    if error:
        return {"group": [name], "model": [model], "error": [error]}
    if order_by is not None:
        group = group.sort_values(order_by, kind="stable")
    try:
        fitted = clone(estimator).fit(group[features].reset_index(drop=True))
        model = pickle.dumps(fitted)
    except ValueError as raised:
        error = str(raised)
    return {"group": [name], "model": [model], "error": [error]}
