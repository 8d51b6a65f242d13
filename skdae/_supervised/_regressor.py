"""The regressor: numbers predicted from the pretrained code, the whole trained."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, column_or_1d

from skdae._supervised._fine_tuning import FineTuned
from skdae._supervised._targets import NumberTarget


class GradualDAERegressor(RegressorMixin, FineTuned):
    """Regressor started from the encoder of a gradually trained autoencoder.

    Labels are dear and rows are cheap. The encoder of a
    :class:`GradualDAETransformer` is trained on all rows; then an output layer is put
    on its code, and the whole network is trained on the rows that have a label [1]_.
    The targets are scaled to mean 0 and standard deviation 1 inside, and the loss is
    half the squared error, summed over the outputs.

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
        Whether to add the outputs of a ridge regression on the encoded inputs to
        those of the network, which learns what it leaves. Its penalty is chosen by
        held-out labels. 'auto': see the notes.
    n_bins : int or 'auto', default='auto'
        Intervals of each numeric column, between quantiles of its distinct values, that
        the network reads beside it: how much of each interval lies below the cell [3]_.
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
    unlabeled : object, default=None
        Value of `y` that marks a row without a label, such as NaN. None: every
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
    GradualDAEClassifier : The same for classes.
    GradualDAETransformer : The pretraining alone, as a transformer.

    Notes
    -----
    The output layer starts at zero, so that it pulls the encoder nowhere before it
    has learned something itself.

    `dropout`, `encoder_rate`, `unfreezing` and `linear_path` are chosen together where
    they are 'auto'. The candidates are 0.25, 0.3 and 'gradual', averaged with a linear
    path, and 0, 1 and 'joint' beside one, each with shares of the network between 0 and
    1: that of 0 is the linear path alone. They share the pretrained encoder. The lowest
    mean loss on held-out labels decides: on the rows for early stopping, or on thirds
    of the labelled rows in turn (above 3,000 of them on one third).

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
    .. [3] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical
       features in tabular deep learning", 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdae import GradualDAERegressor, GradualDAETransformer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> dae = GradualDAETransformer((32, 16), noise="swap", max_iter=20)
    >>> model = GradualDAERegressor(dae, random_state=0).fit(X[:300], y[:300])
    >>> model.score(X[300:], y[300:]) > 0.3
    True
    """

    _target: NumberTarget

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

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination, averaged over the outputs.

        Rows that `unlabeled` marks do not count.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The true numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 is perfect, 0 as good as the mean.
        """
        return super().score(*self._with_labels(X, y, sample_weight))

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

    # --- targets ---------------------------------------------------------------------

    def _check_y(self, y: np.ndarray) -> np.ndarray:
        """Numbers, float64; a single column becomes one dimension."""
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _learn_target(self, y: np.ndarray, weights: np.ndarray | None) -> NumberTarget:
        """Mean and spread of the numbers."""
        return NumberTarget.learn(y, weights)
