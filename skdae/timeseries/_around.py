"""Which fitted estimators read a row together with the rows around it."""

from typing import Any

from skdae.timeseries._rows import RowsTransformer

GAP_ROWS = 500  # around a part of a table, by which its gaps are filled
# Fitted attributes of estimators that read the rows around, None where they do not.
READING_AROUND = ("time_model_", "time_denoiser_")


def rows_around(estimator: Any) -> tuple[int, int]:
    """Return how many rows before and after a row an estimator reads with it."""
    fitted = vars(estimator)
    if any(fitted.get(name) is not None for name in READING_AROUND):
        return GAP_ROWS, GAP_ROWS
    return fitted.get("lags_", 0), 0


def reads_rows_around(estimator: Any) -> bool:
    """Return whether the output for a row depends on other rows of the table."""
    is_smoothed = getattr(estimator, "smoothing", None) is not None
    windows = isinstance(estimator, RowsTransformer)
    return windows or is_smoothed or any(rows_around(estimator))
