"""The base class of all corruption models."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array

from skdae._random import RandomState, spawn_streams
from skdae.noise._layout import Layout
from skdae.noise._rules import RULES, Rule

Corrupted = tuple[NDArray[np.floating], NDArray[np.bool_]]


class Noise(BaseEstimator):
    """Base class of all corruption models: it validates, subclasses write `apply`.

    To add a model, derive from this class, store the parameters in ``__init__``, list
    the rules of new ones in ``_rules`` and write :meth:`apply`; then give it a name in
    :data:`NOISES`. As an estimator without ``fit`` a noise can be cloned, printed and
    searched over (``noise__rate``).

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.noise import MaskingNoise
    >>> X_corrupted, mask = MaskingNoise(0.5).corrupt(np.ones((4, 3)), random_state=0)
    >>> bool((X_corrupted == ~mask).all())
    True
    """

    #: Weights of corrupted and of untouched cells in the loss; None weighs all alike.
    emphasis: ClassVar[tuple[float, float] | None] = None

    _rules: ClassVar[dict[str, Rule]] = {}

    def check(self, n_columns: int | None = None) -> None:
        """Raise if a parameter is out of its range.

        Called once before :meth:`apply` is called many times.

        Parameters
        ----------
        n_columns : int or None, default=None
            Number of columns to be corrupted; None leaves the lengths of per-column
            parameters unchecked.

        Raises
        ------
        ValueError
            Names the parameter, its value, the rule and the remedy.
        """
        for name in self.get_params(deep=False):
            self._check_parameter(name, n_columns)

    def _check_parameter(self, name: str, n_entries: int | None) -> None:
        """Raise ValueError if a parameter breaks its rule."""
        rule = (RULES | self._rules).get(name)
        value = getattr(self, name)
        problem = None if rule is None else rule(value, n_entries)
        if problem is not None:
            raise ValueError(f"{name}={value!r} of {type(self).__name__} {problem}")

    def corrupt(
        self,
        X: ArrayLike,
        *,
        random_state: RandomState = None,
        layout: Layout | None = None,
    ) -> Corrupted:
        """Return a corrupted copy of X, and where it was corrupted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data, never modified. Float32 and float64 are kept, other numbers become
            float64. A NaN cell stays NaN. A cell that would receive NaN from a
            donor row keeps its value.
        random_state : int, RandomState, Generator or None, default=None
            An int gives the same corruption at every call; see
            :func:`skdae._random.spawn_streams`.
        layout : Layout or None, default=None
            Layout of the features; None takes it from X, all numeric.

        Returns
        -------
        X_corrupted : ndarray of shape (n_samples, n_features)
            The corrupted copy.
        mask : ndarray of bool of shape (n_samples, n_features)
            True where the noise acted; elsewhere X_corrupted equals X bit for bit.

        Raises
        ------
        ValueError
            If X is not a numeric matrix, holds infinities, does not fit the layout,
            or a parameter is out of its range.
        """
        clean: NDArray[np.floating] = check_array(
            X,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            input_name="X",
        )
        if layout is None:
            layout = Layout.from_data(clean)
        if layout.n_features != clean.shape[1]:
            raise ValueError(
                f"layout describes {layout.n_features} features, but X has "
                f"{clean.shape[1]}; build it from data with the columns of X."
            )
        self.check(layout.n_columns)
        generator = spawn_streams(random_state).corruption
        X_corrupted, mask = self.apply(clean, generator, layout)
        missing = np.isnan(clean) | np.isnan(X_corrupted)
        if missing.any():
            np.copyto(X_corrupted, clean, where=missing)
            mask &= ~missing
        return X_corrupted, mask

    def apply(
        self,
        Z: NDArray[np.floating],
        generator: np.random.Generator,
        layout: Layout,
        intensity: NDArray[np.floating] | None = None,
    ) -> Corrupted:
        """Return a corrupted copy of a batch, without checks; called by the core.

        Parameters
        ----------
        Z : ndarray of shape (n, n_features), float32 or float64
            Scaled rows without NaN; never modified.
        generator : numpy.random.Generator
            Source of all draws.
        layout : Layout
            Layout of the features.
        intensity : ndarray of shape (n, 1) or None, default=None
            Factor in [0, 1] per row on the rate of the noise, or on the scale of a
            noise that has a scale only (Gaussian, drift).

        Returns
        -------
        Z_corrupted : ndarray of shape (n, n_features)
            A new array of the type of Z.
        mask : ndarray of bool of shape (n, n_features)
            True where the noise acted.
        """
        raise NotImplementedError(f"{type(self).__name__} must define apply().")

    def for_codes(self) -> Noise:
        """Return the same noise for hidden codes, whose width is not the input's.

        Stacked training corrupts codes, for which values per column have no meaning:
        per-column rates and scales are replaced by their mean, and lists of columns
        by the same number of contiguous groups.

        Returns
        -------
        Noise
            A new object.
        """
        values = self.get_params(deep=False).items()
        return clone(self).set_params(**{n: _for_codes(n, v) for n, v in values})


def _for_codes(name: str, value: Any) -> Any:
    """Return the value of a parameter for hidden codes."""
    if isinstance(value, Noise):
        return value.for_codes()
    if name in ("rate", "scale") and np.ndim(value):
        return float(np.mean(value))
    if name == "groups" and isinstance(value, (list, tuple)):
        return len(value)
    return value


def scaled_rate(rate: ArrayLike, intensity: NDArray | None) -> NDArray[np.floating]:
    """Return the rates of a batch: (), (n_columns,), (n, 1) or (n, n_columns)."""
    rates = np.asarray(rate, dtype=np.float64)
    return rates if intensity is None else rates * intensity
