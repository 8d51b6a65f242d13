"""Fitted estimators applied to the rows of a dataset, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdae._core.network import CHUNK_ROWS
from skdae.distributed._ray import check_columns, check_dataset
from skdae.timeseries._around import reads_rows_around

#: Rows of a batch: whole chunks of those that estimators score at a time, so that each
#: product has the shape that it has without Ray.
BATCH_ROWS = 16 * CHUNK_ROWS


def transform(
    estimator: Any, dataset: Any, *, keep: Sequence[str] | None = None
) -> Any:
    """Transform the rows of a Ray dataset.

    Rows are read, transformed and passed on batch by batch, by whichever process has
    time for it; memory holds some batches, whatever the length of the dataset. Values
    are those of ``estimator.transform`` on all rows at once, bit for bit for the
    estimators of this package.

    Parameters
    ----------
    estimator : estimator object
        A fitted estimator with ``transform``, or a pipeline; one that reads rows
        together with those around is refused, since these may lie in another batch.
    dataset : ray.data.Dataset
        Rows with the columns seen in `fit`. It is set to keep the order of its rows.
    keep : sequence of str, default=None
        Columns to pass on as they are. None passes on those that the estimator does
        not read, such as the number of a row or the name of a machine.

    Returns
    -------
    ray.data.Dataset
        The kept columns, and those of ``get_feature_names_out``. Nothing is computed
        before its rows are asked for.

    Raises
    ------
    ValueError
        If the estimator lacks the method, was fitted on rows without names or reads
        the rows around each row, or the dataset lacks a column that it reads.

    Examples
    --------
    >>> from skdae.distributed import transform
    >>> rows = ray.data.read_parquet("plant/")  # doctest: +SKIP
    >>> transform(dae, rows).write_parquet("codes/")  # doctest: +SKIP
    """
    _check_estimator(estimator, "transform")
    names = [str(name) for name in estimator.get_feature_names_out()]
    return _map(estimator, dataset, "transform", names, keep)


def score_samples(
    estimator: Any, dataset: Any, *, keep: Sequence[str] | None = None
) -> Any:
    """Score the rows of a Ray dataset.

    Parameters
    ----------
    estimator : estimator object
        A fitted estimator with ``score_samples``, such as a detector, or a pipeline;
        refused as by :func:`transform`.
    dataset : ray.data.Dataset
        Rows with the columns seen in `fit`. It is set to keep the order of its rows.
    keep : sequence of str, default=None
        Columns to pass on as they are. None passes on those that the estimator does
        not read.

    Returns
    -------
    ray.data.Dataset
        The kept columns and a column `score`, higher for more normal rows.

    Raises
    ------
    ValueError
        As in :func:`transform`.

    Examples
    --------
    >>> from skdae.distributed import score_samples
    >>> rows = ray.data.read_parquet("plant/")  # doctest: +SKIP
    >>> score_samples(detector, rows).sort("score").take(10)  # doctest: +SKIP
    """
    return _map(estimator, dataset, "score_samples", ["score"], keep)


def predict(estimator: Any, dataset: Any, *, keep: Sequence[str] | None = None) -> Any:
    """Predict a value for each row of a Ray dataset.

    Parameters
    ----------
    estimator : estimator object
        A fitted estimator with ``predict`` of one value per row, or a pipeline; refused
        as by :func:`transform`.
    dataset : ray.data.Dataset
        Rows with the columns seen in `fit`. It is set to keep the order of its rows.
    keep : sequence of str, default=None
        Columns to pass on as they are. None passes on those that the estimator does
        not read.

    Returns
    -------
    ray.data.Dataset
        The kept columns and a column `prediction`: a class, a number, or +1 for
        inliers and -1 for outliers.

    Raises
    ------
    ValueError
        As in :func:`transform`.

    Examples
    --------
    >>> from skdae.distributed import predict
    >>> rows = ray.data.read_parquet("plant/")  # doctest: +SKIP
    >>> predict(classifier, rows).count()  # doctest: +SKIP
    """
    return _map(estimator, dataset, "predict", ["prediction"], keep)


def _map(
    estimator: Any,
    dataset: Any,
    method: str,
    names: list[str],
    keep: Sequence[str] | None,
) -> Any:
    """Return a dataset of what a method gives for the rows."""
    columns = check_dataset(dataset)
    _check_estimator(estimator, method)
    if isinstance(keep, str):
        raise ValueError(f"keep={keep!r} must be a sequence of names; pass [{keep!r}].")
    inputs = _input_names(estimator)
    check_columns(columns, inputs, "the estimator")
    kept = [n for n in columns if n not in inputs] if keep is None else list(keep)
    check_columns(columns, kept, "keep")
    taken = [name for name in kept if name in names]
    if taken:
        raise ValueError(
            f"keep={taken} are names of outputs too; rename these columns of dataset, "
            "or keep others."
        )
    _check_rows_stand_alone(estimator)
    dataset.context.execution_options.preserve_order = True
    batches = dataset.repartition(target_num_rows_per_block=BATCH_ROWS, strict=True)
    step = _Step(estimator, method, inputs, names, kept)
    return batches.map_batches(step, batch_format="pandas", batch_size=None)


def _check_estimator(estimator: Any, method: str) -> None:
    """Raise unless an estimator is fitted and has a method."""
    check_is_fitted(estimator)
    if not hasattr(estimator, method):
        raise ValueError(
            f"estimator must have the method {method}, and {type(estimator).__name__} "
            "has none; call another function of skdae.distributed."
        )


def _input_names(estimator: Any) -> list[str]:
    """Return the names of the columns that an estimator reads."""
    if not hasattr(estimator, "feature_names_in_"):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on rows without names, and the "
            "columns of a dataset have names; fit it on a DataFrame."
        )
    return list(estimator.feature_names_in_)


def _check_rows_stand_alone(estimator: Any) -> None:
    """Raise where the output for a row depends on the rows around."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    around = [step for _, step in steps if reads_rows_around(step)]
    if around:
        raise ValueError(
            f"{type(around[0]).__name__} reads the rows around each row, which may lie "
            "in another batch of the dataset; apply it to tables of whole runs, or fit "
            "it without lags, smoothing and order."
        )


@dataclass(frozen=True)
class _Step:
    """What is done with a batch, wherever it lies."""

    estimator: Any
    method: str
    inputs: list[str]
    names: list[str]
    kept: list[str]

    def __call__(self, batch: Any) -> Any:
        """Return the kept columns of a batch and the outputs."""
        import pandas as pd

        values = getattr(self.estimator, self.method)(batch[self.inputs])
        if hasattr(values, "iloc"):
            outputs = values.set_axis(self.names, axis=1)
        else:
            values = np.asarray(values).reshape(len(batch), len(self.names))
            outputs = pd.DataFrame(values, columns=self.names, index=batch.index)
        return pd.concat([batch[self.kept], outputs], axis=1)
