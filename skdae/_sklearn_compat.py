"""The private names of scikit-learn that the package uses, in one place.

Each has a stand-in for versions without it, but for the types of parameter constraints:
`BaseEstimator` checks them itself, so that they stay or go together with its checks.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)

try:
    from sklearn.base import _fit_context as fit_context
except ImportError:

    def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[..., Any]:
        """Return a decorator of fits that checks the parameters first."""

        def decorator(fit: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(fit)
            def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
                validate_params_of(self)
                return fit(self, *args, **kwargs)

            return checked

        return decorator


try:
    from sklearn.utils import _safe_indexing as safe_indexing
except ImportError:

    def safe_indexing(X: Any, indices: Any, *, axis: int = 0) -> Any:
        """Return rows or columns of an array or a data frame, or items of a list."""
        if isinstance(X, list):
            return [X[i] for i in indices]
        if hasattr(X, "iloc"):
            return X.iloc[indices] if axis == 0 else X.iloc[:, indices]
        return X[indices] if axis == 0 else X[:, indices]


try:
    from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
except ImportError:

    class BaseComposition(BaseEstimator):  # type: ignore[no-redef]
        """Parameters of objects in a list of names and objects."""

        def _get_params(self, attr: str, deep: bool = True) -> dict[str, Any]:
            params = BaseEstimator.get_params(self, deep=False)
            if deep:
                for name, each in getattr(self, attr):
                    params[name] = each
                    inner = each.get_params(deep=True)
                    params |= {f"{name}__{key}": inner[key] for key in inner}
            return params

        def _set_params(self, attr: str, **params: Any) -> Any:
            named = params.pop(attr, getattr(self, attr))
            replaced = [(name, params.pop(name, each)) for name, each in named]
            setattr(self, attr, replaced)
            return BaseEstimator.set_params(self, **params)


try:
    from sklearn.utils.validation import (
        _check_feature_names_in as check_feature_names_in,
    )
except ImportError:

    def check_feature_names_in(estimator: Any, input_features: Any = None) -> Any:
        """Return the names of the columns that an estimator was fitted on."""
        names = getattr(estimator, "feature_names_in_", None)
        n_features = estimator.n_features_in_
        if input_features is None:
            if names is not None:
                return names
            return np.array([f"x{j}" for j in range(n_features)], dtype=object)
        given = np.asarray(input_features, dtype=object)
        if names is not None and not np.array_equal(names, given):
            raise ValueError("input_features is not equal to feature_names_in_")
        if len(given) != n_features:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({n_features}), got {len(given)}"
            )
        return given


try:
    from sklearn.utils.validation import _check_sample_weight as check_sample_weight
except ImportError:

    def check_sample_weight(
        sample_weight: Any, X: Any, *, dtype: Any, ensure_non_negative: bool
    ) -> np.ndarray:
        """Return the weights of the rows of X as an array."""
        weights = check_array(
            sample_weight, ensure_2d=False, dtype=dtype, input_name="sample_weight"
        )
        n_rows = np.shape(X)[0]
        if weights.shape != (n_rows,):
            raise ValueError(
                f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!"
            )
        if ensure_non_negative and (weights < 0).any():
            raise ValueError(
                "Negative values in data passed to `sample_weight`; omit those rows."
            )
        return weights


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
    "has_callbacks",
    "intercept_fits",
    "output_container",
    "safe_indexing",
    "validate_params",
    "validate_params_of",
]


def output_container(estimator: Any) -> str:
    """Return what `set_output` asks for: 'default', 'pandas' or 'polars'."""
    config = getattr(estimator, "_sklearn_output_config", {})
    return config.get("transform", get_config()["transform_output"])


def validate_params_of(estimator: Any) -> None:
    """Check the parameters of an estimator against its constraints."""
    estimator._validate_params()


def callback_context(estimator: Any, max_subtasks: int | None) -> Any | None:
    """Return the root task of a fit for its callbacks, None without support."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    return estimator._init_callback_context(max_subtasks=max_subtasks)


def has_callbacks(estimator: Any) -> bool:
    """Return whether callbacks observe the fits of an estimator."""
    return bool(getattr(estimator, "_skl_callbacks", ()))


PARALLEL = "parallel"  # variable of scikit-learn's searches


def intercept_fits(
    evaluate_candidates: Callable[..., Any],
    run: Callable[[Callable[[Any], list[Any]], list[Any]], list[Any]],
) -> bool:
    """Have `run` make the fits that a search evaluates candidates by, where it can.

    It is called with the search's joblib.Parallel and its tasks, each of them a
    function with its arguments, and returns their results in the same order. All of
    scikit-learn's searches reach the Parallel as a variable of this closure; without
    one of its name nothing is changed, and the result is False.
    """
    names = evaluate_candidates.__code__.co_freevars
    cells = dict(zip(names, evaluate_candidates.__closure__ or (), strict=True))
    if PARALLEL not in cells:
        return False
    parallel = cells[PARALLEL].cell_contents
    cells[PARALLEL].cell_contents = lambda tasks: run(parallel, list(tasks))
    return True
