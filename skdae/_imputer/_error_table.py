"""The errors of an imputer by column, gap and candidate, as a table."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skdae._imputer._model import ImputationModel, feature_columns
from skdae._imputer._ordered_rows import GAP_CLASSES
from skdae._imputer._time import TimeModel
from skdae._imputer._time_columns import CANDIDATES
from skdae._table.encoder import TableEncoder

Row = tuple[str, str, float, float]  # gap, candidate, error, share


def error_table(
    names: Sequence[str],
    encoder: TableEncoder,
    model: ImputationModel,
    time_model: TimeModel | None,
) -> Any:
    """Return a DataFrame of the columns column, gap, candidate, error and share."""
    import pandas

    places = [*encoder.numeric, *encoder.categorical]
    rows = [
        (names[place], *row)
        for place, column in zip(places, feature_columns(encoder), strict=True)
        for row in _rows(column, model, time_model)
    ]
    return pandas.DataFrame(
        rows, columns=["column", "gap", "candidate", "error", "share"]
    )


def _rows(
    column: slice, model: ImputationModel, time_model: TimeModel | None
) -> Iterator[Row]:
    """Yield the candidates for a column: those of single rows, then those of gaps."""
    errors, forests = model.errors, float(model.forest_share[column.start])
    first = 0.0 if errors.networks is not None else 1 - forests
    candidates = {
        "mean": (errors.mean, 0.0),
        "linear": (errors.linear, first),
        "networks": (errors.networks, 1 - forests),
        "forests": (errors.forests, forests),
        "imputed": (errors.imputed, 1.0),
    }
    for name, (size, share) in candidates.items():
        if size is not None:
            yield "row alone", name, _total(size[column]), share
    if time_model is not None:
        yield from _time_rows(column, time_model)


def _time_rows(column: slice, time_model: TimeModel) -> Iterator[Row]:
    """Yield the candidates for each class of gaps."""
    (own,) = (each for each in time_model.columns if each.column == column)
    for k, name in enumerate(GAP_CLASSES):
        shares = (*own.shares[k], 1.0)
        for candidate, error, share in zip(
            (*CANDIDATES, "imputed"), own.errors[k], shares, strict=True
        ):
            yield name, candidate, float(error), float(share)


def _total(errors: np.ndarray) -> float:
    """Return the root of the sum of squares over the features of a column."""
    return float(np.sqrt((errors**2).sum()))
