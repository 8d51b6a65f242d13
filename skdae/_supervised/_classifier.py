"""The classifier: a softmax on the pretrained code, and the whole trained on labels."""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skdae._core.sources import TableSource
from skdae._sklearn_compat import Interval, StrOptions
from skdae._supervised._fine_tuning import FineTuned
from skdae._supervised._rows import LabelledRows
from skdae._supervised._targets import (
    ClassTarget,
    fitting_temperature,
    looks_like_marker,
)
from skdae._supervised._training import Predictor


class GradualDAEClassifier(ClassifierMixin, FineTuned):
    """Classifier started from the encoder of a gradually trained autoencoder.

    Labels are expensive; unlabelled rows are not. The encoder of a
    :class:`GradualDAETransformer` is trained on all rows; then an output layer is put
    on its code, and the whole network is trained on the rows that have a label [1]_.
    It pays most where labels are few.

    Parameters
    ----------
    transformer : GradualDAETransformer, FrozenEstimator or None, default=None
        Transformer that pretrains the encoder: it is cloned and fitted on all rows of
        X, or used without fitting inside scikit-learn's ``FrozenEstimator``. None is
        ``GradualDAETransformer((256, 128), noise='swap')``; tables of more than 25,000
        rows take fewer epochs (about 20,000 steps). Its parameters are searched
        as ``transformer__noise_rate``, also where it is None. It also defines how the
        table is read (categories, missing cells, scaling) and the hardware of the
        training (`device`, `n_threads`, `dtype`).
    categorical_features : array-like of bool, int or str, 'auto', 'from_dtype' or \
None, default='auto'
        Categorical columns: a mask, indices or names, 'from_dtype' for those of a
        DataFrame that have a categorical dtype, None for none. 'auto': those of the
        `transformer`, which are those of a categorical dtype by default.
    max_iter : int or 'auto', default='auto'
        Epochs of fine-tuning, over all its phases. 'auto' is 2,000 steps, and at least
        20 epochs.
    learning_rate_init : float, default=1e-3
        Step size of Adam at the output layer.
    encoder_rate : float in [0, 1] or 'auto', default='auto'
        Learning-rate factor of the pretrained layers. With 0 they are frozen, and the
        output layer is a linear model of the code. For any other value, a student (see
        `unlabeled_weight`) uses 1.
    unfreezing : {'gradual', 'joint', 'auto'}, default='auto'
        'gradual': first the output layer is trained alone, then the layers below are
        unfrozen one by one from the top down, each for an equal share of the epochs
        [2]_. 'joint': all layers are trained from the start, as those of a student
        always are.
    linear_path : bool or 'auto', default='auto'
        Whether to add the outputs of a logistic regression on the encoded inputs to
        those of the network, which learns what it leaves. Its penalty is chosen by
        held-out labels. 'auto': see the notes.
    n_bins : int or 'auto', default='auto'
        Intervals of each numeric column, between quantiles of its distinct values, that
        the network reads beside it: how much of each interval lies below the cell [4]_.
        0: none. 'auto': see the notes.
    alpha : float, default=0.0
        L2 penalty: ``alpha / 2 * sum(W ** 2)`` is added to the mean loss of a row.
    dropout : float in [0, 1) or 'auto', default='auto'
        Share of the units of each hidden layer that are dropped in a step, drawn for
        each row.
    noise : str, Noise, 'auto' or None, default='auto'
        Corruption of the input while fine-tuning: a name of
        :data:`skdae.noise.NOISES`, an object, or None for clean rows. 'auto' is
        swap noise of 0.1 if unlabelled rows are used, and None otherwise.
    noise_rate : float or array-like of shape (n_features,), default=0.1
        Rate of a noise that is given by name.
    average : float in [0, 1], default=0.5
        Share of the last epochs of a phase whose weights are averaged at its end. With
        `early_stopping` the best weights are kept instead.
    label_smoothing : float in [0, 1), default=0.0
        Share of a label that is distributed evenly over all classes.
    batch_size : int or 'auto', default='auto'
        Rows per step. 'auto' is the power of two nearest to n_labelled / 64, between
        32 and 256. A shorter last batch is used as well.
    early_stopping : bool, default=False
        Whether to hold labelled rows out and end a phase when their loss no longer
        improves; the best weights are restored.
    validation_fraction : float in (0, 1), default=0.1
        Share of the labelled rows held out, unless `fit` is given `X_val`.
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` after which a phase is ended.
    tol : float, default=1e-4
        Minimum improvement of the validation loss.
    temperature_scaling : bool, default=False
        Whether to divide the logits by a temperature that calibrates the probabilities
        on held-out rows [3]_. Rows are held out as for early stopping, or
        given as `X_val`. Predicted classes do not change.
    class_weight : dict, 'balanced' or None, default=None
        Weight of each class in the loss, scaled to a mean of one over the rows;
        'balanced' gives all classes the same total.
    unlabeled : object, default=None
        Value of `y` that marks a row without a label, such as -1 or NaN. None: every
        value is a label. Any missing value stands for all kinds of them. These rows
        are always used for pretraining; `score` omits them, but other metrics and
        splitters do not.
    unlabeled_weight : float, default=0.0
        Weight of a row without a label in fine-tuning, relative to one with a label.
        Above 0, `n_teachers` networks are trained on the labels first; the mean of
        their predictions are the pseudo-labels of the other rows, on which the final
        network, the student, is trained with corrupted rows.
    n_teachers : int, default=3
        Number of networks that predict the pseudo-labels.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all draws, and of the transformer if it has none. With the same seed,
        the same rows in any order give the same model, unless they are in time order.
        None draws a new seed each time, which ``np.random.seed`` does not set.
    verbose : bool or int, default=False
        Whether to print the progress of fine-tuning; above 1 for every epoch.

    Attributes
    ----------
    transformer_ : GradualDAETransformer
        The pretrained transformer, before fine-tuning.
    network_ : Network
        The fine-tuned encoder and the output layer, in numpy.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    temperature_ : float
        Divisor of the logits; 1 without `temperature_scaling`.
    fine_tuning_ : FineTuning
        The chosen `dropout`, `encoder_rate`, `unfreezing`, `linear_path` and `n_bins`,
        the shares of the network and the linear path, and the held-out losses of all
        candidates.
    linear_path_ : Layer or None
        Weights and biases of the linear path, times its share.
    expansion_ : Expansion or None
        The intervals that the network reads beside the encoded columns; None without
        any.
    phases_ : tuple of PhaseRecord
        Phases of fine-tuning that were run.
    loss_curve_ : list of float
        Mean training loss of each epoch of fine-tuning.
    validation_loss_curve_ : list of float or None
        Loss of the held-out rows; None without early stopping.
    n_iter_ : int
        Epochs of fine-tuning that were run.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    See Also
    --------
    GradualDAERegressor : Regression with the same method.
    GradualDAETransformer : The pretraining alone, as a transformer.

    Notes
    -----
    The output layer starts at zero, so that it pulls the encoder nowhere before it
    has learned something itself.

    `dropout`, `encoder_rate`, `unfreezing` and `linear_path` are chosen together where
    they are 'auto'. The candidates are 0.25, 0.3 and 'gradual' without a linear path,
    0, 1 and 'joint' beside one, and a linear path alone. They share the pretrained
    encoder. The lowest mean loss on held-out labels, at the best temperature of each,
    decides: on the rows for early stopping, or on thirds of the labelled rows in turn
    (above 3,000 of them on one third).

    With intervals the first layer begins with weights of 0 for them. They join the
    choice where `n_bins` is 'auto' and the table has at most 64 numeric columns, one
    with three values or more: the candidates are then the first with 8 intervals, the
    second without, and 0.25, 1 and 'joint' beside a linear path with 8.

    Held out are whole groups where `fit` is given `groups`, else random rows. Where the
    rows of X are in time order (:func:`skdae.timeseries.time_order`), blocks of
    neighbouring rows are held out as well, and the geometric mean of both losses
    decides. With fewer than 20 labelled rows, and in `partial_fit`, the first candidate
    is taken that the parameters leave, without intervals.

    A fit that fails or is interrupted (Ctrl-C) leaves the estimator as it was. To end a
    long fit and keep what is trained so far, pass a callback of scikit-learn 1.9 or
    newer to ``set_callbacks``: one that asks to stop at the end of an epoch ends the
    phase of fine-tuning, at the end of a phase the fit.

    References
    ----------
    .. [1] A. Kalmanovich and G. Chechik, "Gradual training of deep denoising auto
       encoders", 2014.
    .. [2] J. Howard and S. Ruder, "Universal language model fine-tuning for text
       classification", 2018.
    .. [3] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern
       neural networks", 2017.
    .. [4] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical
       features in tabular deep learning", 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skdae import GradualDAEClassifier, GradualDAETransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> known = np.where(np.arange(len(y)) % 10 == 0, y, -1)  # a tenth of the labels
    >>> dae = GradualDAETransformer((64, 32), noise="swap", max_iter=20)
    >>> model = GradualDAEClassifier(dae, unlabeled=-1, random_state=0).fit(X, known)
    >>> model.score(X, y) > 0.85
    True
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
        categorical_features="auto",
        max_iter="auto",
        learning_rate_init=1e-3,
        encoder_rate="auto",
        unfreezing="auto",
        linear_path="auto",
        n_bins="auto",
        alpha=0.0,
        dropout="auto",
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
        self.categorical_features = categorical_features
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.encoder_rate = encoder_rate
        self.unfreezing = unfreezing
        self.linear_path = linear_path
        self.n_bins = n_bins
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
        it should have some hundred typical rows, a few of them with a label. Each call
        then makes one pass over its labelled rows, and the phases of `fit` count
        passes as epochs; the last phase goes on for as long as batches come. After
        `fit`, batches go on training in its last phase. Nothing is held out, nothing
        averaged, the temperature stays as it is (1, or that of `fit`), and unlabelled
        rows are passed over.

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

    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose class is predicted right.

        Rows that `unlabeled` marks do not count.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The accuracy.
        """
        return super().score(*self._with_labels(X, y, sample_weight))

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
            Predicted classes.
        """
        outputs = self._raw_outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    # --- targets ---------------------------------------------------------------------

    def _check_y(self, y: np.ndarray) -> np.ndarray:
        """Return the checked classes, (n,)."""
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _learn_target(self, y: np.ndarray, weights: np.ndarray | None) -> ClassTarget:
        """Return the classes."""
        target = ClassTarget(np.unique(y))
        if len(target.classes) < 2:
            raise ValueError(
                f"y has one class, {target.classes.tolist()[0]!r}, and must have at "
                "least two; add rows of another class."
            )
        return target

    def _check_target(self, target: ClassTarget) -> None:
        """Warn of a marker that is learned as a class, and of weights without one."""
        classes = target.classes
        if self.unlabeled is None and looks_like_marker(classes):
            warnings.warn(
                f"y holds -1, which is learned as one of the classes "
                f"{classes.tolist()}; if it marks rows without a label, set "
                "unlabeled=-1.",
                UserWarning,
                stacklevel=5,
            )
        if isinstance(self.class_weight, dict):
            absent = [key for key in self.class_weight if key not in classes.tolist()]
            if absent and len(absent) < len(self.class_weight):
                warnings.warn(
                    f"class_weight names {absent}, not among the classes of y "
                    f"({classes.tolist()}); these weights are not used.",
                    UserWarning,
                    stacklevel=5,
                )

    def _smoothed(self, T: np.ndarray) -> np.ndarray:
        """Return smoothed one-hot rows."""
        smoothing = np.float32(self.label_smoothing)
        return T * (1 - smoothing) + smoothing / T.shape[1]

    def _class_weights(
        self, target: ClassTarget, T: np.ndarray, weights: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weights of classes, with a mean of one over the rows."""
        if self.class_weight is None:
            return None
        totals = (np.ones(len(T)) if weights is None else weights) @ T  # (n_classes,)
        if self.class_weight == "balanced":
            of_class = 1 / np.maximum(totals, 1e-12)
        else:
            of_class = _given_weights(self.class_weight, target.classes)
        return of_class / (totals @ of_class / totals.sum())

    def _learned(self, labelled: LabelledRows) -> dict[str, Any]:
        """Return what a callback needs beside the network to make predictions."""
        target: Any = labelled.target
        outputs = {"classes_": target.classes, "temperature_": 1.0}
        return super()._learned(labelled) | outputs

    def _strata(self, labelled: LabelledRows) -> np.ndarray:
        """Return the class of each row."""
        return np.argmax(labelled.rows.target, axis=1)

    def _holds_out(self) -> bool:
        """Return whether rows are held out; the temperature needs them as well."""
        return self.early_stopping or self.temperature_scaling

    def _assign_target(
        self, target: ClassTarget, predictor: Predictor, source: TableSource | None
    ) -> None:
        """Set the classes and the temperature."""
        temperature = 1.0
        held_out = source.held_out if source and self.temperature_scaling else None
        if held_out is not None:
            values, T = held_out.block.values, np.asarray(held_out.block.target)
            logits = predictor.raw_outputs(values).astype(np.float64)
            temperature = fitting_temperature(
                logits, T.argmax(axis=1), held_out.weights
            )
        self._target, self.classes_ = target, target.classes
        self.temperature_ = temperature


def _given_weights(class_weight: dict[Any, float], classes: np.ndarray) -> np.ndarray:
    """Return the weight of each class, 1 where none is given.

    Classes that do not occur are ignored, as a fold of a cross-validation may lack one.
    """
    known = [name for name in class_weight if name in classes.tolist()]
    given = np.array([class_weight.get(name, 1) for name in classes.tolist()], float)
    is_valid = np.isfinite(given).all() and (given >= 0).all() and given.any()
    if not is_valid or (class_weight and not known):
        raise ValueError(
            f"class_weight={class_weight!r} must give weights of at least 0, not all "
            f"0, to the classes of y ({classes.tolist()}); correct it, or use "
            "'balanced'."
        )
    return given
