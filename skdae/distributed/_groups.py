"""One model for each group of rows."""

import pickle
import warnings
from functools import partial
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning

from skdae._table.validation import user_stacklevel
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
    Groups that cannot be fitted are named in a warning, and the others have models.

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
        The fitted estimators by group, in the order of the groups' names, without
        groups that cannot be fitted. They have seen all columns but `by` and
        `order_by`, as a DataFrame.

    Raises
    ------
    ValueError
        If a column is missing, or no group can be fitted.

    Warns
    -----
    FitFailedWarning
        If some groups cannot be fitted; the message names them, and each reason with
        the first group that it is of.

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
    fitted = [row for row in rows if not row["error"]]
    failed = {row["group"]: row["error"] for row in rows if row["error"]}
    if failed:
        _report(failed, len(fitted))
    return dict(sorted((row["group"], pickle.loads(row["model"])) for row in fitted))


def _report(failed: dict[Any, str], n_fitted: int) -> None:
    """Warn of groups without a model, with each reason; raise if no group has one."""
    examples = {error: name for name, error in reversed(failed.items())}
    reasons = "; ".join(f"{name!r}: {error}" for error, name in examples.items())
    message = (
        f"{len(failed)} of {n_fitted + len(failed)} groups cannot be fitted and have "
        f"no model: {sorted(failed, key=str)}. {reasons}"
    )
    if not n_fitted:
        raise ValueError(message)
    warnings.warn(message, FitFailedWarning, stacklevel=user_stacklevel())


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
    except Exception as raised:  # whatever it is, the other groups have models
        error = f"{type(raised).__name__}: {raised}"
    return {"group": [name], "model": [model], "error": [error]}
