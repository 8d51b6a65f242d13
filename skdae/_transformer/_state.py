"""What a fit that fails or is interrupted leaves behind: nothing."""

from collections.abc import Callable
from functools import wraps
from typing import Any


def unchanged_on_failure(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method leave its estimator as it was where it fails or is interrupted.

    The outermost decorator of a fit, since scikit-learn's own clears up what it has
    set on the estimator for callbacks.
    """

    @wraps(fit)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return method
