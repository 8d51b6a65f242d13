"""The private names of scikit-learn that the package uses, in one place."""

from typing import Any

from sklearn import get_config
from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import (
    _check_feature_names_in as check_feature_names_in,
)
from sklearn.utils.validation import (
    _check_sample_weight as check_sample_weight,
)

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in where scikit-learn has no callbacks."""


__all__ = [
    "BaseComposition",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "callback_context",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
    "output_container",
    "safe_indexing",
    "validate_params_of",
]


def output_container(estimator: Any) -> str:
    """Return what `set_output` asks for: 'default', 'pandas' or 'polars'."""
    config = getattr(estimator, "_sklearn_output_config", {})
    return config.get("transform", get_config()["transform_output"])


def validate_params_of(estimator: Any) -> None:
    """Check the parameters of an estimator against its constraints."""
    estimator._validate_params()


def callback_context(estimator: Any, max_subtasks: int) -> Any | None:
    """Return the root task of a fit for its callbacks, None without support."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    return estimator._init_callback_context(max_subtasks=max_subtasks)
