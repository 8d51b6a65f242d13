"""The regressor: numbers predicted from the pretrained code, the whole trained."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, column_or_1d

from skdae._supervised._base import FineTuned
from skdae._supervised._targets import NumberTarget


class GradualDAERegressor(RegressorMixin, FineTuned):
    """Regressor started from the encoder of a gradually trained autoencoder.

    X
    """

    _target: NumberTarget

    _parameter_constraints: dict[str, Any] = {
        **FineTuned._parameter_constraints,
    }

    def __init__(
        self,
        transformer=None,
        *,
        max_iter="auto",
        learning_rate_init=1e-3,
        encoder_rate=0.3,
        unfreezing="gradual",
        alpha=0.0,
        dropout=0.25,
        noise="auto",
        noise_rate=0.1,
        average=0.5,
        batch_size="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        unlabeled=None,
        unlabeled_weight=0.0,
        n_teachers=3,
        random_state=None,
        verbose=False,
    ):
        self.transformer = transformer
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.encoder_rate = encoder_rate
        self.unfreezing = unfreezing
        self.alpha = alpha
        self.dropout = dropout
        self.noise = noise
        self.noise_rate = noise_rate
        self.average = average
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.unlabeled = unlabeled
        self.unlabeled_weight = unlabeled_weight
        self.n_teachers = n_teachers
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def partial_fit(self, X, y, sample_weight=None):
        """Learn from one batch of a stream.

        The first batch pretrains the encoder (unless the transformer is frozen) and
        sets the scale of y, so it should have some hundred typical rows. Each call
        then makes one pass over its labelled rows, and the phases of `fit` count
        passes as epochs; the last phase goes on for as long as batches come. After
        `fit`, batches go on training in its last phase. Nothing is held out, nothing
        averaged, and unlabelled rows are passed over.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows of the stream.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : GradualDAERegressor
            The regressor after this batch.
        """
        return self._learn_batch(X, y, sample_weight, getattr(self, "_target", None))

    def predict(self, X):
        """Return the predicted numbers of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units of y, float64; of the shape that y had in `fit`.
        """
        outputs = self._raw_outputs(X)
        predicted = self._target.decode(outputs)
        return predicted[:, 0] if self._target.flat else predicted

    # --- what it is told -------------------------------------------------------------

    def _check_y(self, y: np.ndarray) -> np.ndarray:
        """Numbers, float64; a single column becomes one dimension."""
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _learn_target(self, y: np.ndarray, weights: np.ndarray | None) -> NumberTarget:
        """Mean and spread of the numbers."""
        return NumberTarget.learn(y, weights)
