"""The check of functions that look into a transformer."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from skdae._transformer._transformer import GradualDAETransformer


def check_transformer(
    estimator: Any, caller: str, instead: str, *, is_fitted: bool = True
) -> None:
    """Raise unless it is a (fitted) GradualDAETransformer; `instead` is the remedy."""
    if not isinstance(estimator, GradualDAETransformer):
        raise TypeError(
            f"estimator={type(estimator).__name__} of {caller} must be a "
            "GradualDAETransformer; pass the one that it holds (the last step of a "
            f"pipeline, `transformer_`), or {instead}."
        )
    if is_fitted:
        check_is_fitted(estimator)
