"""The classifier: a softmax on the pretrained code, and the whole trained on labels."""

from numbers import Real
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, column_or_1d, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets

from skdae._sources import HeldOut
from skdae._supervised._base import FineTuned, Lesson
from skdae._supervised._targets import ClassTarget, fitting_temperature


class GradualDAEClassifier(ClassifierMixin, FineTuned):
    """Classifier started from the encoder of a gradually trained autoencoder.

    X
    """

    classes_: np.ndarray
    temperature_: float

    _parameter_constraints: dict[str, Any] = {
        **FineTuned._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "temperature_scaling": ["boolean"],
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
        label_smoothing=0.0,
        batch_size="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        temperature_scaling=False,
        class_weight=None,
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
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.temperature_scaling = temperature_scaling
        self.class_weight = class_weight
        self.unlabeled = unlabeled
        self.unlabeled_weight = unlabeled_weight
        self.n_teachers = n_teachers
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn from one batch of a stream.

        The first batch pretrains the encoder (unless the transformer is frozen), so
        it should have some hundred typical rows, with or without labels. Each call
        then makes one pass over its labelled rows, and the phases of `fit` count
        passes as epochs; the last phase goes on for as long as batches come. After
        `fit`, batches go on training in its last phase. Nothing is held out, nothing
        averaged, and unlabelled rows are passed over.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows of the stream.
        y : array-like of shape (n_samples,)
            Their labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will come; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : GradualDAEClassifier
            The classifier after this batch.
        """
        target = getattr(self, "_target", None)
        if classes is not None:
            given = np.unique(classes)
            if target is not None and not np.array_equal(given, target.classes):
                raise ValueError(
                    f"classes={classes!r} must stay {target.classes.tolist()}, those "
                    "of the first call; use a fresh estimator for others."
                )
            target = ClassTarget(given)
        if target is None:
            raise ValueError(
                "classes must be passed in the first call of partial_fit, with every "
                "class that will come."
            )
        return self._learn_batch(X, y, sample_weight, target)

    # --- predictions -----------------------------------------------------------------

    def decision_function(self, X):
        """Return how strongly the network speaks for each class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits over the temperature; for two classes the second's minus the
            first's, positive where it is predicted.
        """
        logits = self._raw_outputs(X) / self.temperature_
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_log_proba(self, X):
        """Return the logarithms of the classes' probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return log_softmax(self._raw_outputs(X) / self.temperature_, axis=1)

    def predict_proba(self, X):
        """Return the classes' probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to 1.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes as they were given.
        """
        outputs = self._raw_outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    # --- what it is told -------------------------------------------------------------

    def _check_y(self, y: np.ndarray) -> np.ndarray:
        """Labels of one kind, (n,)."""
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _learn_target(self, y: np.ndarray, weights: np.ndarray | None) -> ClassTarget:
        """The classes that there are."""
        target = ClassTarget(np.unique(y))
        if len(target.classes) < 2:
            raise ValueError(
                f"y has one class, {target.classes[0]!r}, and must have at least two; "
                "add rows of another class."
            )
        return target

    def _trained_on(self, T: np.ndarray) -> np.ndarray:
        """One-hot rows, smoothed."""
        smoothing = np.float32(self.label_smoothing)
        return T * (1 - smoothing) + smoothing / T.shape[1]

    def _loss_weights(
        self, target: ClassTarget, T: np.ndarray, weights: np.ndarray | None
    ) -> np.ndarray | None:
        """The weight of each row's class, with a mean of one."""
        if self.class_weight is None:
            return None
        rows = np.ones(len(T)) if weights is None else weights
        totals = rows @ T  # (n_classes,)
        if self.class_weight == "balanced":
            of_class = totals.sum() / (len(totals) * np.maximum(totals, 1e-12))
        else:
            classes = target.classes
            of_class = compute_class_weight(
                self.class_weight, classes=classes, y=classes
            )
        return (T @ of_class / (totals @ of_class / totals.sum())).astype(np.float32)

    def _strata(self, lesson: Lesson) -> np.ndarray:
        """The classes."""
        return np.argmax(lesson.rows.target, axis=1)

    def _holds_out(self) -> bool:
        """The temperature needs rows that were not trained on, too."""
        return self.early_stopping or self.temperature_scaling

    def _finish(self, target: ClassTarget, held_out: HeldOut | None) -> None:
        """Keep the classes and learn the temperature."""
        self.classes_, self.temperature_ = target.classes, 1.0
        if not self.temperature_scaling or held_out is None:
            return
        values, T = held_out.block.values, np.asarray(held_out.block.target)
        network = self.network_
        logits = network.raw_outputs(network.encode(values)).astype(np.float64)
        self.temperature_ = fitting_temperature(
            logits, T.argmax(axis=1), held_out.weights
        )
