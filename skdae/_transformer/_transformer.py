"""The estimator: a table in, codes out, trained by a schedule of phases."""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import InputTags, check_array, get_tags
from sklearn.utils.validation import check_is_fitted

from skdae._core.monitor import Monitor, PhaseRecord
from skdae._core.network import ACTIVATIONS, Network, Shape, chunks
from skdae._core.sources import TableSource
from skdae._random import Streams, spawn_streams
from skdae._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    callback_context,
    check_feature_names_in,
    fit_context,
    validate_params_of,
)
from skdae._table.encoder import TableEncoder
from skdae._table.frames import plain_cells, sample_rows
from skdae._table.scaling import SCALINGS
from skdae._table.schema import Schema
from skdae._transformer import _outputs
from skdae._transformer._auto import Choice, choose, open_settings, settled
from skdae._transformer._callbacks import CallbackMonitor, Monitors, monitors
from skdae._transformer._fitting import (
    FittedNetwork,
    LearnEncoder,
    Opening,
    open_fit,
    stream_source,
    train_rows,
)
from skdae._transformer._html import PhaseTableMixin
from skdae._transformer._mixture import Mixture
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._outputs import OUTPUTS
from skdae._transformer._parameters import (
    DEFAULT_NOISE_RATE,
    ResolvedParameters,
    check_batches,
    check_continues,
    check_nothing_held_out,
    check_output,
    check_stream,
    resolve_parameters,
    training_settings,
    warn_of_empty_columns,
)
from skdae._transformer._state import unchanged_on_failure
from skdae.noise import NOISES, Noise, make_noise
from skdae.schedules import SCHEDULES, Phase, Schedule, as_schedule, joint


def input_tags_of(estimator: Any) -> InputTags:
    """Return what an estimator with a transformer can read.

    A transformer that is no estimator counts as the default one, as None does: `fit`
    refuses it, but the tags are asked for by clones and pictures, which raise nothing.
    """
    transformer = estimator.transformer
    known = isinstance(transformer, BaseEstimator)
    tags = get_tags(transformer if known else GradualDAETransformer()).input_tags
    if names_own_categories(estimator):
        named = estimator.categorical_features
        tags.categorical = tags.string = not (named is None or isinstance(named, str))
    return tags


def names_own_categories(estimator: Any) -> bool:
    """Return whether an estimator says itself which columns are categorical."""
    named = estimator.categorical_features
    return not (isinstance(named, str) and named == "auto")


def categorical_features_of(estimator: Any, transformer: Any) -> Any:
    """Return the categorical columns by an estimator, or else by its transformer."""
    owner = estimator if names_own_categories(estimator) else transformer
    return owner.categorical_features


# of estimators with a transformer
CATEGORICAL_FEATURES: list[Any] = [
    "array-like",
    StrOptions({"auto", "from_dtype"}),
    None,
]


class GradualDAETransformer(
    CallbackSupportMixin,
    NestedParametersMixin,
    PhaseTableMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Denoising autoencoder trained gradually, as a transformer.

    Sensor tables are noisy, partly missing and strongly correlated. This transformer
    corrupts rows, learns to rebuild them, and returns the scaled table beside its code
    (or codes alone, the denoised table, or the residuals). Layers are added one by one,
    each as a copy of units below it; in the default 'gradual' schedule the layers below
    keep learning while they are.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int or 'auto', default=(128, 64)
        Widths of the encoder's layers from the input up. A layer may be wider than
        the table. 'auto' lets `fit` choose among (256, 128), (128, 64) and (64, 32),
        see `auto_settings_`.
    schedule : {'gradual', 'hybrid', 'frozen', 'stacked', 'joint'}, Schedule or tuple \
of Phase, default='gradual'
        What is trained when. 'gradual': all layers learn, on corrupted input.
        'stacked': only the new layer learns, on corrupted codes. 'hybrid': first the
        one, then the other. 'frozen': only the new layer learns, on corrupted input
        (the control). 'joint': all layers from the start. An object of
        :mod:`skdae.schedules` has parameters, such as
        ``Hybrid(stacked_fraction=0.3)``, searched as ``schedule__stacked_fraction``. A
        tuple of :class:`skdae.schedules.Phase` is run as it stands, without `max_iter`.
    noise : str or Noise, default='masking'
        The corruption: a name of :data:`skdae.noise.NOISES` or an object of
        :mod:`skdae.noise`, whose parameters are searched as ``noise__rate``; a name
        becomes an object when one of them is set. Choose
        it for the job, since `reconstruct` removes what it stands for: with masking
        it imputes and leaves observed cells as they are, with 'gaussian' and the
        scale of the measurement errors it denoises every cell.
    noise_rate : float, array-like of shape (n_features,) or 'auto', default=0.25
        Share of the cells that a noise given by name corrupts, for all columns or for
        each; for the Gaussian ones the scale in standard deviations. 'auto' lets `fit`
        choose among 0.4, 0.25, 0.1 and 0.6; it knows no scale of errors.
    decoder : {'mirror', 'tied', 'direct'}, default='mirror'
        Mirrored decoder, one with the encoder's weights transposed, or the papers'
        single layer from the top code to the input. A 'direct' decoder must be trained
        by the last phase: ``Stacked`` needs a `tuning_fraction` with it.
    activation : {'relu', 'logistic', 'tanh', 'identity'}, default='relu'
        Activation of the hidden layers.
    loss : {'auto', 'squared_error', 'cross_entropy'}, default='auto'
        Loss of a row, summed over its observed cells: half the squared error, or
        ``-x log(p) - (1 - x) log(1 - p)`` with a logistic output for scaled data in
        [0, 1]. 'auto' is the cross-entropy for logistic units and data in [0, 1]
        (by `scaling='minmax'` or as given) and the squared error otherwise.
        Categorical columns always add the cross-entropy of a softmax. The objective
        is the mean over rows plus ``alpha / 2 * sum(W ** 2)``.
    scaling : {'standard', 'minmax', 'quantile'} or None, default='standard'
        Scaling of the numeric columns, undone by `inverse_transform` and
        `reconstruct`. 'standard': mean 0 and standard deviation 1, where outliers (at
        most 1 % of a column, more than one inner 99 % range outside of it) do not
        count, and logarithmic tails beyond 5 standard deviations; what is rebuilt in
        a tail stays within the range seen in `fit`. 'minmax': [0, 1].
        'quantile': normal scores of the ranks, limited to the range seen in `fit`.
        Constant columns are centred only.
    categorical_features : array-like of bool, int or str, 'from_dtype' or None, \
default='from_dtype'
        Categorical columns: a mask, indices, names, or those of a DataFrame that have
        a categorical dtype; None for none. They are encoded as one-hot groups. An
        unknown category counts as missing, with a warning if a column has no other or
        its values are of another type than in `fit`.
    output : {'code', 'inputs_and_code', 'layers', 'code_and_error', \
'reconstruction', 'error'}, default='inputs_and_code'
        What `transform` returns: the top code; the encoded inputs beside the code,
        whose total variance is a tenth of theirs, for a linear model without a scaler
        between; the codes of all layers side by side; the top code and the row's error
        (minus `score_samples`); the denoised table (`reconstruct`); or the residual
        that the network leaves in each column, in robust standard deviations and 0
        where nothing was observed.
    solver : {'adam', 'sgd'}, default='adam'
        Optimiser; its memory is cleared between phases.
    learning_rate_init : float, default=1e-3
        Step size.
    momentum : float in [0, 1), default=0.9
        Momentum of 'sgd'.
    alpha : float, default=0.0
        L2 penalty on the weights, see `loss`.
    batch_size : int or 'auto', default='auto'
        Rows per step. 'auto' is the power of two nearest to n_samples / 64, between 32
        and 256. A last, shorter batch is trained on too.
    max_iter : int, default=200
        Epochs in total, over all phases.
    early_stopping : bool, default=False
        Whether to hold rows out and end a phase when their loss, under one fixed
        corruption, no longer improves; the best weights are restored.
    validation_fraction : float in (0, 1), splitter or None, default=0.1
        Share of the rows that `fit` holds out, at random, for early stopping and for
        `mixture_`, or a splitter of scikit-learn whose first split is used. For rows
        in time order, whose neighbours are nearly copies,
        :class:`skdae.timeseries.BlockSplit` holds out blocks. None: all rows are
        trained on, and `reconstruct` returns what the network rebuilds. A share of
        fewer than 20 different rows is held out for early stopping alone; without that,
        a second network, which does not see a fifth of the rows, decides the weights of
        `mixture_`, the same in all columns, and of fewer than 20 rows the network has
        none.
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` after which a phase is ended.
    tol : float, default=1e-4
        The least improvement of the validation loss that counts.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the weights and the scaling of the last
        one, training all layers for `max_iter` epochs.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initial weights, order of rows, corruption and validation split. With
        the same seed, the same rows in any order give the same model. None draws a new
        seed each time, which ``np.random.seed`` does not set.
    device : {'cpu', 'cuda', 'auto'}, default='cpu'
        Where to train. 'auto' takes CUDA where torch sees it.
    n_threads : int or None, default=None
        Threads that share each batch during `fit`; None is one. More of them pay from
        layers of 256 units on, with 50 rows or more for each thread. They change the
        order of sums, so their number belongs to the seed: with another number,
        `random_state` gives another model.
    dtype : {'float32', 'bfloat16'}, default='float32'
        Precision of the matrix products of `fit`. 'bfloat16' takes two thirds of the
        time with layers of about 1,000 units, on processors that have it (AVX-512
        BF16, AMX, CUDA), and is slower below 128 units. Weights stay in float32.
    verbose : bool or int, default=False
        Whether to print phase, epoch, loss and time left; above 1 for every epoch.

    Attributes
    ----------
    network_ : Network
        Weights and forward pass in numpy.
    table_encoder_ : TableEncoder
        Learned way from a table to the network's input and back: scaling, categories.
    coefs_, intercepts_ : list of ndarray
        Weights of shape (n_inputs, n_outputs) and biases of the layers, encoder first.
    mixture_ : Mixture or None
        What `reconstruct` returns, by encoded feature: shares of the network and of a
        linear estimate in cells that are missing (`hidden`) and observed (`visible`);
        the rest of 1 is the share of the cell itself. None: the network alone, after
        `fit_stream`, `partial_fit` and with ``validation_fraction=None``.
    code_scale_ : float
        Factor of the code in ``output='inputs_and_code'``. After `partial_fit` that of
        the batch with which the present top layer came.
    auto_settings_ : Choice
        Only where a setting is 'auto': the chosen `settings` and the `trials`, which
        have 5 % of the epochs and at most 1,000 of the rows. Rates are tried first,
        then sizes with the chosen rate; a rate of 0.4 and sizes of (256, 128) are taken
        unless the `score` of others is more than 0.01 higher: that of :meth:`score` on
        rows that the trials do not learn from (random ones, of rows in time order the
        last ones, or those of a splitter in `validation_fraction`). With fewer than 20
        rows to learn from or to rank by, about 80 in all, `fit` warns and takes the
        defaults, and `trials` is empty.
    phases_ : tuple of PhaseRecord
        The plan as it was run: depth, epochs, weight updates, seconds, losses. Passes
        of `partial_fit` are not among them.
    loss_curve_ : list of float
        Mean training loss of each epoch, over all phases.
    validation_loss_curve_ : list of float or None
        Loss of the held-out rows after each epoch; None without early stopping.
    n_iter_ : int
        Epochs that were run.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    Notes
    -----
    The network sees the numbers of a column within the range that they had in `fit`,
    widened by a tenth at either end: codes of rows beyond are those of the nearest
    values within it, and a linear model on codes stays bounded on drifting data.
    Residuals are those of the values as they are.

    A missing cell (NaN, None, pandas.NA) enters as a corrupted one, and its loss is not
    counted. A column that is missing throughout stays missing, and a row without a
    single value is not trained on.

    On scikit-learn 1.9 and newer, callbacks are notified of the fit, its phases and
    their epochs. One that asks to stop at the end of an epoch ends the phase, at the
    end of a phase the fit; the network then has the layers that were trained. Ctrl-C
    leaves the estimator as it was before `fit`.

    References
    ----------
    .. [1] A. Kalmanovich and G. Chechik, "Gradual training of deep denoising auto
       encoders", 2014.
    .. [2] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked
       denoising autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdae import GradualDAETransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> dae = GradualDAETransformer((64, 32), max_iter=20, random_state=0)
    >>> pipeline = make_pipeline(dae, LogisticRegression(max_iter=1000)).fit(X, y)
    >>> dae.transform(X[:5]).shape
    (5, 96)
    """

    network_: Network
    table_encoder_: TableEncoder
    loss_curve_: list[float]
    phases_: tuple[PhaseRecord, ...]
    mixture_: Mixture | None
    code_scale_: float
    auto_settings_: Choice
    _shape: Shape
    _stream: Any

    _parameter_constraints: dict[str, list[Any]] = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "schedule": [StrOptions(set(SCHEDULES)), Schedule, tuple, list],
        "noise": [StrOptions(set(NOISES)), Noise],
        "noise_rate": [
            Interval(Real, 0, None, closed="left"),
            "array-like",
            StrOptions({"auto"}),
        ],
        "decoder": [StrOptions({"mirror", "tied", "direct"})],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "loss": [StrOptions({"auto", "squared_error", "cross_entropy"})],
        "scaling": [StrOptions({name for name in SCALINGS if name}), None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "output": [StrOptions(set(OUTPUTS))],
        "solver": [StrOptions({"adam", "sgd"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [
            Interval(Real, 0, 1, closed="neither"),
            HasMethods(["split", "get_n_splits"]),
            None,
        ],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state", HasMethods("integers")],
        "device": [StrOptions({"cpu", "cuda", "auto"})],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "dtype": [StrOptions({"float32", "bfloat16"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        schedule="gradual",
        noise="masking",
        noise_rate=DEFAULT_NOISE_RATE,
        decoder="mirror",
        activation="relu",
        loss="auto",
        scaling="standard",
        categorical_features="from_dtype",
        output="inputs_and_code",
        solver="adam",
        learning_rate_init=1e-3,
        momentum=0.9,
        alpha=0.0,
        batch_size="auto",
        max_iter=200,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        device="cpu",
        n_threads=None,
        dtype="float32",
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.schedule = schedule
        self.noise = noise
        self.noise_rate = noise_rate
        self.decoder = decoder
        self.activation = activation
        self.loss = loss
        self.scaling = scaling
        self.categorical_features = categorical_features
        self.output = output
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.n_threads = n_threads
        self.dtype = dtype
        self.verbose = verbose

    def _object_for(self, name, value):
        if name == "noise" and isinstance(value, str) and value in NOISES:
            return make_noise(value, self.noise_rate)
        if name == "schedule" and isinstance(value, str) and value in SCHEDULES:
            return as_schedule(value)
        return None

    def _replaced(self, name):
        # the rate is the object's own from here on
        return {"noise_rate": DEFAULT_NOISE_RATE} if name == "noise" else {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        named = self.categorical_features
        # 'from_dtype' finds categories in data frames; arrays stay numeric
        has_categories = not (named is None or isinstance(named, str))
        tags.input_tags.categorical = tags.input_tags.string = has_categories
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- fit -------------------------------------------------------------------------

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the columns' scaling and train the network through its phases.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training table, in the user's units; NaN where nothing was measured.
            float32 is used as it is, without a copy.
        y : None
            Ignored, there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Whole weights of at most 10 on average count as repetitions of the row,
            the work included; others are scaled to a mean of one and say how often a
            row is drawn.

        Returns
        -------
        self : GradualDAETransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the data; the message
            names the parameter, the rule, the value and the remedy.
        """
        going_on = self.warm_start and hasattr(self, "network_")
        choice = getattr(self, "auto_settings_", None) if going_on else None
        if open_settings(self) and not going_on:
            choice = choose(self, *self._read_training(X, sample_weight), sample_weight)
        transformer = settled(self, choice)
        parameters = resolve_parameters(transformer)
        if going_on:
            raw = self.table_encoder_.read(self, X)
            learn_encoder, plan = (
                self._keep_encoder,
                joint(len(parameters.widths), self.max_iter),
            )
        else:
            raw, learn_encoder = self._read_training(X, sample_weight)
            plan = parameters.plan
        opening = open_fit(
            transformer, parameters, raw, learn_encoder, sample_weight, holds_out=True
        )
        if going_on:
            check_continues(self, self._shape, opening.shape)
        else:
            warn_of_empty_columns(self, opening.encoder)
        monitor = self._monitor(plan, opening, {"X": X, "y": y})
        initial = self.network_ if going_on else None
        fitted = train_rows(
            transformer, opening, plan, monitor, initial=initial, mixes=True
        )
        self._assign(fitted, choice)
        monitor.fit_end(fitted.network)
        return self

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    def fit_stream(self, batches, *, sample_size=100_000):
        """Train on a table that is read batch by batch, several times over.

        The phases are those of `fit`, and so is the result but for the order of rows:
        they are shuffled within a batch, so a batch should hold rows of many times
        (:class:`skdae.datasets.ParquetBatches` mixes them). Memory holds a batch and
        the sample, whatever the length of the table.

        Parameters
        ----------
        batches : iterable of array-like or DataFrame of shape (n_rows, n_features)
            Gives the whole table, in batches, each time it is iterated over: a list,
            or an object whose ``__iter__`` starts again; not a generator. It is passed
            over once for the sample and once per epoch.
        sample_size : int, default=100_000
            Rows that scaling and categories are learned from, drawn from all rows.

        Returns
        -------
        self : GradualDAETransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If `batches` can be iterated over only once, or `early_stopping` is set: a
            stream holds nothing out.
        """
        from skdae._core.training import train

        parameters = resolve_parameters(self)
        check_batches(self, batches, sample_size)
        streams = spawn_streams(self.random_state)
        sample, n_rows = sample_rows(batches, sample_size, streams.split)
        opening = self._open_sample(parameters, sample)
        encoder = opening.encoder
        monitor = self._monitor(parameters.plan, opening, {})
        training = train(
            stream_source(
                opening,
                lambda: (encoder.read(self, batch) for batch in batches if len(batch)),
            ),
            parameters.plan,
            opening.shape,
            noise=parameters.noise,
            streams=streams,
            settings=training_settings(self, n_rows),
            monitor=monitor,
        )
        self._assign(FittedNetwork(opening, training), None)
        monitor.fit_end(training.network)
        return self

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from one batch of a stream.

        A call makes one pass over its rows and counts as one epoch of the schedule:
        the network grows through the same phases as in `fit`, and the last phase goes
        on for as long as batches come. Until the schedule has reached its top layer,
        the code is that of the layers trained so far. Scaling, categories and
        schedule are those of the first batch, which should have some hundred typical
        rows. Callbacks are not called. After `fit`, batches go on training in
        the last phase. Nothing is held out, whatever `early_stopping` says, and
        ``epoch_allocation='auto'`` gives equal shares.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows of the stream; the first batch needs at least 2.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : GradualDAETransformer
            The transformer after this batch.
        """
        from skdae._core.training import train_on_batch

        first = not hasattr(self, "network_")
        validate_params_of(self)  # scikit-learn checks them in the first call alone
        parameters = resolve_parameters(self)
        check_stream(self, parameters, None if first else self._stream)
        if first:
            raw, learn_encoder = self._read_training(X, sample_weight)
        else:
            raw, learn_encoder = self.table_encoder_.read(self, X), self._keep_encoder
        opening = open_fit(
            self,
            parameters,
            raw,
            learn_encoder,
            sample_weight,
            at_least=2 if first else 1,
        )
        if first:
            warn_of_empty_columns(self, opening.encoder)
        else:
            check_continues(self, self._shape, opening.shape)
        streams = spawn_streams(self.random_state)
        # a network that fit has finished stays in its last phase
        finished = not first and self._stream is None
        network, loss, state = train_on_batch(
            TableSource.split(
                opening.encoded, opening.rows.weights, None, streams.split
            ),
            parameters.plan[-1:] if finished else parameters.plan,
            opening.shape,
            None if first else self._stream,
            noise=parameters.noise,
            streams=streams,
            settings=training_settings(self, opening.n_repeated),
            initial=self.network_ if finished else None,
        )
        if self.verbose:
            print(f"batch {len(self.loss_curve_) + 1 if not first else 1}: {loss:.5f}")
        if first:
            self.table_encoder_, self._shape = opening.encoder, opening.shape
            self.validation_loss_curve_, self.phases_ = None, ()
            self.mixture_ = None
        grown = first or len(network.encoder) != len(self.network_.encoder)
        if grown:  # its scale stays that of this batch until there is another top layer
            self.code_scale_ = opening.code_scale(network)
        self.network_, self._stream = network, state
        self.loss_curve_ = [loss] if first else [*self.loss_curve_, loss]
        self.n_iter_ = len(self.loss_curve_)
        return self

    # --- transform -------------------------------------------------------------------

    def transform(self, X):
        """Return the codes of the rows, or what `output` names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`, in the user's units.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features_out)
            In the dtype of X; see `output` for what it holds.
        """
        check_is_fitted(self)
        output = check_output(self)
        raw = self.table_encoder_.read(self, X)
        values = _outputs.outputs_of(self, output.values, raw)
        if self.output == "reconstruction":
            return self.table_encoder_.restore(self, values, X, raw.dtype)
        return values.astype(raw.dtype, copy=False)

    def staged_transform(self, X):
        """Yield the codes after each layer, from the bottom up.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Yields
        ------
        ndarray of shape (n_samples, hidden_layer_sizes[k])
            Codes of layer k, in the dtype of X.
        """
        check_is_fitted(self)
        all_codes = _outputs.outputs_of(
            self, _outputs.layers, self.table_encoder_.read(self, X)
        )
        stop = 0
        for layer in self.network_.encoder:
            start, stop = stop, stop + len(layer.bias)
            yield all_codes[:, start:stop]

    def inverse_transform(self, X):
        """Return the table that the decoder makes of codes.

        It is the network's alone, without the linear estimate of `reconstruct`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features_out)
            What `transform` returned with `output` 'code', 'inputs_and_code' (whose
            inputs give the code), 'layers' or 'code_and_error'.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, `n_features_in_`)
            Rows in the user's units; a DataFrame when `set_output` asks for one. With
            categorical columns an object array or a DataFrame.

        Raises
        ------
        ValueError
            If `output` keeps no code, or X does not have its width.
        """
        check_is_fitted(self)
        code = check_output(self).code
        if code is None:
            raise ValueError(
                f"output={self.output!r} holds no code and cannot be inverted; set "
                "output to 'code' or another one with a code, or call reconstruct."
            )
        H = check_array(plain_cells(X), dtype=[np.float64, np.float32], input_name="X")
        n_out = len(self.get_feature_names_out())
        if H.shape[1] != n_out:
            raise ValueError(
                f"X has {H.shape[1]} columns and must have {n_out}, the output of "
                f"transform with output={self.output!r}; pass what transform returned."
            )
        fitted = _outputs.Fitted.of(self)
        rebuilt = np.empty((len(H), self.n_features_in_))
        for part in chunks(len(H)):
            rebuilt[part] = self.table_encoder_.decode(
                self.network_.decode(code(fitted, H[part]))
            )
        return self.table_encoder_.restore(self, rebuilt, X, H.dtype)

    def reconstruct(self, X):
        """Return the denoised rows, missing cells filled, in the user's units.

        Each cell is a weighted mean of what the network rebuilds, of the best linear
        estimate from the other cells of the row, and of the cell itself. The weights,
        one set per column for missing and one for observed cells, have the least
        squared error on held-out rows that the noise has corrupted (`mixture_`). So
        `noise` says what is removed: masking alone leaves observed cells as they are.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`; NaN where nothing was measured.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            A DataFrame when `set_output` asks for one.
        """
        check_is_fitted(self)
        raw = self.table_encoder_.read(self, X)
        rebuilt = _outputs.outputs_of(self, _outputs.reconstruction, raw)
        return self.table_encoder_.restore(self, rebuilt, X, raw.dtype)

    def score_samples(self, X):
        """Return how normal each row is: minus its mean squared residual.

        Residuals of the network are in robust standard deviations of their column
        (`output='error'`) and averaged over the observed cells. A row without any has
        the score -1, that of a row about which nothing but the columns is known.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is more normal; at most 0.
        """
        check_is_fitted(self)
        return -_outputs.outputs_of(
            self, _outputs.row_errors, self.table_encoder_.read(self, X)
        )

    def score(self, X, y=None):
        """Return how well hidden cells are predicted from the others.

        Each observed cell is hidden in one of four passes, chosen once and for all by
        its place in X, and rebuilt from what the pass leaves, as by `reconstruct`. The
        score is

        ``1 - mean over columns of (mean over cells of residual ** 2)``

        with residuals in robust standard deviations of the training rows (for
        categories: the Brier score over the Gini impurity); constant columns do not
        count. It does not depend on the candidate's noise, loss or scaling, so it can
        be searched over all of them. 1 is perfect, 0 as good as the columns' means.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows the network has not been trained on, best.
        y : None
            Ignored.

        Returns
        -------
        float
            The score; higher is better.
        """
        check_is_fitted(self)
        raw = self.table_encoder_.read(self, X)
        return _outputs.hidden_cell_score(_outputs.Fitted.of(self), raw)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None takes those seen in `fit`.

        Returns
        -------
        ndarray of str objects
            Numbered codes with the class name as prefix, or the names of the input
            for the outputs with its columns.
        """
        check_is_fitted(self)
        inputs = check_feature_names_in(self, input_features)
        prefix = type(self).__name__.lower()
        names = check_output(self).names(prefix, _outputs.Fitted.of(self), inputs)
        return np.asarray(names, dtype=object)

    @property
    def coefs_(self):
        """Weights of the layers, encoder first, each (n_inputs, n_outputs)."""
        check_is_fitted(self)
        network = self.network_
        return [layer.weight for layer in (*network.encoder, *network.decoder)]

    @property
    def intercepts_(self):
        """Biases of the layers, encoder first."""
        check_is_fitted(self)
        network = self.network_
        return [layer.bias for layer in (*network.encoder, *network.decoder)]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    # --- parts of fit ----------------------------------------------------------------

    def _read_training(
        self, X: Any, sample_weight: Any
    ) -> tuple[np.ndarray, LearnEncoder]:
        """Return the table of a first fit, and what learns its encoding."""
        schema, raw = Schema.fit(
            self,
            X,
            categorical_features=self.categorical_features,
            sample_weight=sample_weight,
        )
        return raw, partial(TableEncoder.fit, schema, scaling=self.scaling)

    def _open_sample(self, parameters: ResolvedParameters, sample: Any) -> Opening:
        """Return what a fit starts from whose rows are read later."""
        opening = open_fit(self, parameters, *self._read_training(sample, None))
        warn_of_empty_columns(self, opening.encoder)
        return opening

    def _keep_encoder(self, *training_rows: Any) -> TableEncoder:
        """Return the encoder that was learned before, whatever the rows."""
        return self.table_encoder_

    def _monitor(
        self, plan: Sequence[Phase], opening: Opening, data: dict[str, Any]
    ) -> Monitor:
        """Return what observes the training."""
        observers = monitors(plan, int(self.verbose))
        context = callback_context(self, len(plan))
        if context is not None:

            def learned(network: Network) -> dict[str, Any]:
                return {
                    "table_encoder_": opening.encoder,
                    "mixture_": None,
                    "code_scale_": opening.code_scale(network),
                    "_shape": opening.shape,
                    "network_": network,
                }

            observers.append(CallbackMonitor(self, context, learned, data))
        return Monitors(observers)

    def _assign(self, fitted: FittedNetwork, choice: Choice | None) -> None:
        """Set the fitted attributes."""
        self.__dict__.pop("auto_settings_", None)
        if choice is not None:
            self.auto_settings_ = choice
        training, opening = fitted.training, fitted.opening
        self.table_encoder_, self._shape = opening.encoder, opening.shape
        self.mixture_ = fitted.mixture
        self.code_scale_ = opening.code_scale(fitted.network)
        self.network_, self.phases_ = training.network, training.phases
        self.loss_curve_ = training.loss_curve
        self.validation_loss_curve_ = training.validation_loss_curve
        self.n_iter_ = len(training.loss_curve)
        self._stream = None


@fit_context(prefer_skip_nested_validation=True)
def fit_matrix(
    transformer: GradualDAETransformer,
    owner: Any,
    source: Schema | TableEncoder,
    raw: np.ndarray,
    sample_weight: Any = None,
    *,
    mixes: bool = False,
) -> GradualDAETransformer:
    """Fit a transformer on a table that another estimator, its owner, has read.

    The network is the one that ``transformer.fit`` gives for these rows, bit for bit,
    where it `mixes`. Else it learns no `mixture_`, and no rows are held out but for
    early stopping. Its encoding is learned from them: with an encoder of more rows, as
    by its `refit`; one of several networks that share such an encoder chooses no
    settings.
    Afterwards the transformer reads tables as its owner does.
    """
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(owner, name):
            setattr(transformer, name, getattr(owner, name))
    learn_encoder = (
        source.refit
        if isinstance(source, TableEncoder)
        else partial(TableEncoder.fit, source, scaling=transformer.scaling)
    )
    choice = None
    if open_settings(transformer) and isinstance(source, Schema):
        choice = choose(transformer, raw, learn_encoder, sample_weight)
    chosen = settled(transformer, choice)
    parameters = resolve_parameters(chosen)
    opening = open_fit(
        chosen, parameters, raw, learn_encoder, sample_weight, holds_out=True
    )
    warn_of_empty_columns(transformer, opening.encoder)
    has_categories = opening.encoder.schema.ordinal_encoder is not None
    data = {} if has_categories else {"X": raw, "y": None}
    monitor = transformer._monitor(parameters.plan, opening, data)
    fitted = train_rows(chosen, opening, parameters.plan, monitor, mixes=mixes)
    transformer._assign(fitted, choice)
    monitor.fit_end(fitted.network)
    return transformer


@fit_context(prefer_skip_nested_validation=True)
def fit_elsewhere(
    transformer: GradualDAETransformer,
    sample: Callable[[Streams], Any],
    train: Callable[[Opening, Streams], Any],
) -> GradualDAETransformer:
    """Fit a transformer by a training that reads the rows itself, as `fit_stream` does.

    Encoding and shape are learned from what `sample` draws; `train` returns the
    `Training` of the core.
    """
    parameters = resolve_parameters(transformer)
    check_nothing_held_out(transformer)
    streams = spawn_streams(transformer.random_state)
    opening = transformer._open_sample(parameters, sample(streams))
    training = train(opening, streams)
    transformer._assign(FittedNetwork(opening, training), None)
    return transformer
