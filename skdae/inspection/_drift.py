"""How far the weights of each layer move while later layers are added."""

from typing import Any

import numpy as np


class WeightDrift:
    """Callback that follows how far each layer moves after its own phase.

    Gradual training lets the layers below go on learning while new ones are added;
    this measures how much they do. A frozen layer has a drift of 0.

    Pass it to the `set_callbacks` of a transformer, on scikit-learn 1.9 and newer.

    Attributes
    ----------
    drift_ : ndarray of shape (n_epochs, n_layers)
        Distance of each layer's weights, after each epoch, from those at the end of
        the phase that trained it first, relative to their norm. NaN before that.
    phases_ : ndarray of shape (n_epochs,)
        Number of the phase of each epoch, from 0.

    See Also
    --------
    skdae.plotting.WeightDriftDisplay : Draws it.

    Notes
    -----
    Distance and norm are Frobenius norms of the weights without the biases.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAETransformer
    >>> from skdae.inspection import WeightDrift
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> drift = WeightDrift()
    >>> dae = GradualDAETransformer((6, 3), max_iter=4, random_state=0)
    >>> _ = dae.set_callbacks(drift).fit(X)  # doctest: +SKIP
    """

    def setup(self, estimator, context):
        """Forget an earlier fit.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The estimator that is fitted.
        context : CallbackContext
            Its task.
        """
        self._first: list[np.ndarray] = []  # weights after each layer's own phase
        self._epochs: list[np.ndarray] = []
        self._phases: list[int] = []

    def teardown(self, estimator, context):
        """Keep what was observed as arrays.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The estimator that was fitted.
        context : CallbackContext
            Its task.
        """
        n_layers = max(map(len, self._epochs), default=0)
        self.drift_ = np.full((len(self._epochs), n_layers), np.nan)
        for row, found in zip(self.drift_, self._epochs, strict=True):
            row[: len(found)] = found
        self.phases_ = np.array(self._phases, dtype=int)

    def on_fit_task_begin(self, estimator, context):
        """Do nothing.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The estimator that is fitted.
        context : CallbackContext
            A task of its fit.
        """

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Measure the weights after an epoch, and remember them after a phase.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The estimator that is fitted.
        context : CallbackContext
            A task of its fit.
        fitted_estimator : GradualDAETransformer, default=None
            The estimator as it stands; None while it has no decoder.
        """
        weights = _weights(fitted_estimator)
        if context.task_name == "epoch":
            n_known = len(self._first)
            drift = [
                np.linalg.norm(now - first) / np.linalg.norm(first)
                for first, now in zip(self._first, weights, strict=False)
            ]
            rest = [np.nan] * max(len(weights) - n_known, 0)
            self._epochs.append(np.array(drift + rest))
            self._phases.append(context.parent.task_id)
        elif context.task_name.startswith("phase"):
            self._first += weights[len(self._first) :]


def _weights(fitted_estimator: Any) -> list[np.ndarray]:
    """Return the weights of the encoder's layers."""
    if fitted_estimator is None:
        return []
    return [layer.weight for layer in fitted_estimator.network_.encoder]
