"""Checks of parameters against each other, against held-out rows and streams."""

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from skdae._core.monitor import StreamState
from skdae.schedules import Phase

DEFAULT_NOISE_RATE = 0.1  # of a noise given by name


def check_parameters(estimator: Any) -> None:
    """Raise where a parameter has no meaning without another one."""
    if estimator.unlabeled_weight > 0 and estimator.unlabeled is None:
        raise ValueError(
            f"unlabeled_weight={estimator.unlabeled_weight} needs unlabeled, the value "
            "of y that marks rows without a label, such as -1 or NaN."
        )
    by_name = isinstance(estimator.noise, str) and estimator.noise != "auto"
    if not by_name and not np.array_equal(estimator.noise_rate, DEFAULT_NOISE_RATE):
        raise ValueError(
            f"noise_rate={estimator.noise_rate!r} is for a noise given by name, and "
            f"noise is {estimator.noise!r}; name one, or set the object's own rate."
        )


def check_validation(X_val: Any, y_val: Any, *, is_used: bool) -> None:
    """Raise if held-out rows are incomplete or not used."""
    if (X_val is None) != (y_val is None):
        given, other = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
        raise ValueError(f"{given} is given without {other}; pass both or none.")
    if X_val is None:
        return
    if not is_used:
        raise ValueError(
            "X_val and y_val are given, but not used; set "
            "early_stopping=True, or omit them."
        )
    check_consistent_length(X_val, y_val)


def check_stream(
    estimator: Any, plan: tuple[Phase, ...], state: StreamState | None
) -> None:
    """Raise if the phases of a stream changed after its first batch."""
    if state is None:
        return
    before, asked = ([phase.rates for phase in each] for each in (state.plan, plan))
    if before not in (asked, asked[-1:]):
        raise ValueError(
            f"encoder_rate={estimator.encoder_rate!r} and unfreezing="
            f"{estimator.unfreezing!r} must stay what they were at the first batch; "
            "use a fresh estimator for others."
        )
