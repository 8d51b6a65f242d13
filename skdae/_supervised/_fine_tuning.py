"""Fine-tuning of a pretrained encoder: base class of classifier and regressor."""

from abc import abstractmethod
from copy import copy
from dataclasses import replace
from math import ceil
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skdae._core.monitor import PhaseRecord
from skdae._core.network import Network, chunks
from skdae._core.sources import HeldOut, TableSource
from skdae._random import Streams, spawn_streams
from skdae._sklearn_compat import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    safe_indexing,
    validate_params_of,
)
from skdae._supervised._pseudo_labels import (
    LabelledRows,
    Labels,
    Unlabelled,
    beside,
    stratified,
    unlabelled_rows,
    without_held_out,
)
from skdae._supervised._targets import Target, read_labels, sort_keys
from skdae._table.rows import check_weights, training_rows
from skdae._table.sources import TableRows, TargetRows, encoded_block
from skdae._transformer import _outputs
from skdae._transformer._callbacks import Monitors, monitors
from skdae._transformer._html import PhaseTable, PhaseTableMixin, phase_tables
from skdae._transformer._parameters import (
    batch_rows,
    check_noise,
    check_widths,
    training_settings,
)
from skdae._transformer._transformer import (
    GradualDAETransformer,
    input_tags_of,
)
from skdae.noise import NOISES, Noise, SwapNoise, make_noise
from skdae.schedules import UNFREEZINGS, Phase, fine_tuning

# used for transformer=None; features of swap noise classify better
DEFAULT_TRANSFORMER: dict[str, Any] = {
    "hidden_layer_sizes": (256, 128),
    "noise": "swap",
}

DEFAULT_FINE_NOISE = 0.1  # rate of a noise given by name
AUTO_STEPS, MIN_EPOCHS = 2_000, 20  # steps and epochs of max_iter='auto'
STUDENT_NOISE = SwapNoise(0.1)  # noise='auto' with unlabelled rows


class FineTuned(
    PhaseTableMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Base of the estimators that train a pretrained encoder on labels."""

    transformer_: GradualDAETransformer
    network_: Network
    loss_curve_: list[float]
    phases_: tuple[PhaseRecord, ...]
    _target: Target
    _stream: Any

    _parameter_constraints: dict[str, Any] = {
        "transformer": [GradualDAETransformer, FrozenEstimator, None],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "encoder_rate": [Interval(Real, 0, 1, closed="both")],
        "unfreezing": [StrOptions(set(UNFREEZINGS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "noise": [StrOptions({"auto", *NOISES}), Noise, None],
        "noise_rate": [Interval(Real, 0, None, closed="left"), "array-like"],
        "average": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "unlabeled": "no_validation",
        "unlabeled_weight": [Interval(Real, 0, None, closed="left")],
        "n_teachers": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state", HasMethods("integers")],
        "verbose": ["verbose"],
    }

    # --- targets, defined by subclasses ----------------------------------------------

    @abstractmethod
    def _check_y(self, y: np.ndarray) -> np.ndarray:
        """Return the checked labels."""

    @abstractmethod
    def _learn_target(self, y: np.ndarray, weights: np.ndarray | None) -> Target:
        """What the labels of the rows ask the network to say."""

    def _trained_on(self, T: np.ndarray) -> np.ndarray:
        """Targets as the loss sees them."""
        return T

    def _class_weights(
        self, target: Any, T: np.ndarray, weights: np.ndarray | None
    ) -> np.ndarray | None:
        """Weight of each class in the loss; None for equal ones."""
        return None

    def _holds_out(self) -> bool:
        """Whether some rows are not trained on."""
        return self.early_stopping

    # --- scikit-learn's conventions --------------------------------------------------

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = input_tags_of(self.transformer)
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def _phase_tables(self):
        transformer = getattr(self, "transformer_", self.transformer)
        transformer = getattr(transformer, "estimator", transformer)  # if frozen
        transformer = _default() if transformer is None else transformer
        tables = phase_tables(transformer, "pretraining")
        if getattr(self, "phases_", ()):
            title = "Phases of fine-tuning, in which the output layer learns too"
            rate = self.learning_rate_init
            tables.append(PhaseTable(title, self.phases_, rate))
        return tables

    def set_params(self, **params):
        """Set parameters, also those of the transformer.

        Parameters
        ----------
        **params : dict
            Values by name. ``transformer__noise_rate`` reaches into the transformer;
            where that is None it becomes the default one first.

        Returns
        -------
        self : object
            This estimator.
        """
        inside = any(name.startswith("transformer__") for name in params)
        if inside and params.get("transformer", self.transformer) is None:
            params["transformer"] = _default()
        return super().set_params(**params)

    @property
    def _n_features_out(self):
        """Width of the code."""
        return len(self.network_.encoder[-1].bias)

    # --- fit -------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Pretrain the encoder on X, then train it and an output layer on y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training table, in the user's units; NaN where nothing was measured.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What is to be predicted; `unlabeled` marks rows where it is not known.
        sample_weight : array-like of shape (n_samples,), default=None
            Whole weights of at most 10 on average count as repetitions of the row;
            others are scaled to a mean of one and are the rate at which a row is drawn.
        X_val : array-like or DataFrame of shape (n_val, n_features), default=None
            Held-out rows for early stopping or for the temperature, instead of a share
            of X. Pipelines pass them by metadata routing, with
            ``set_fit_request(X_val=True, y_val=True)``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their labels.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the data; the message
            names the parameter, the rule, the value and the remedy.
        """
        streams = spawn_streams(self.random_state)
        labels = self._read_labels(X, y)
        self._check_early(labels, X_val, y_val)
        transformer = self._pretrained(X, sample_weight, streams)
        raw = transformer.table_encoder_.read(transformer, X)
        labelled = self._labelled_rows(transformer, raw, labels, sample_weight)
        source = self._source(labelled, X_val, y_val, streams)
        others = None
        if self.unlabeled_weight > 0:
            others = unlabelled_rows(transformer, raw, labels, sample_weight)
        if others is None:
            result = self._train(labelled, source, streams)
        else:
            result = self._train_student(labelled, source, others, streams)
        self.__dict__.update(
            self._learned(labelled)
            | _training_results(result)
            | self._calibrated(labelled.target, result.network, source)
        )
        return self

    def _learn_batch(self, X: Any, y: Any, sample_weight: Any, target: Target | None):
        """Train on one batch of a stream, pretraining on it when it is the first."""
        from skdae._core.training import train_on_batch

        first = not hasattr(self, "network_")
        validate_params_of(self)  # scikit-learn checks them in the first call alone
        streams = spawn_streams(self.random_state)
        labels = self._read_labels(X, y, at_least=1 if first else 0)
        if first:
            self._check_early(labels, None, None, target)
        transformer = (
            self._pretrained(X, sample_weight, streams) if first else self.transformer_
        )
        raw = transformer.table_encoder_.read(transformer, X)
        if len(labels.known) == 0:
            return self
        labelled = self._labelled_rows(transformer, raw, labels, sample_weight, target)
        source = TableSource(
            labelled.rows, np.arange(labelled.rows.n_rows), labelled.weights
        )
        plan = self._plan(transformer, source.n_drawn)
        self._check_stream(plan)
        finished = not first and self._stream is None  # continues after fit
        network, loss, state = train_on_batch(
            source,
            plan[-1:] if finished else plan,
            labelled.shape,
            None if first else self._stream,
            noise=self._noise(transformer),
            streams=streams,
            settings=self._settings(transformer, source.n_drawn),
            initial=self.network_ if finished else labelled.start,
        )
        if first:
            self.__dict__.update(
                self._learned(labelled)
                | self._calibrated(labelled.target, network, None)
            )
            self.validation_loss_curve_, self.phases_ = None, ()
        self.network_, self._stream = network, state
        self.loss_curve_ = [loss] if first else [*self.loss_curve_, loss]
        self.n_iter_ = len(self.loss_curve_)
        return self

    def _calibrated(
        self, target: Any, network: Network, source: TableSource | None
    ) -> dict[str, Any]:
        """Return further fitted attributes, from the held-out rows."""
        return {}

    def _learned(self, labelled: LabelledRows) -> dict[str, Any]:
        """Return the fitted attributes that describe table and target."""
        transformer = labelled.transformer
        names = ("n_features_in_", "feature_names_in_")
        seen = {n: getattr(transformer, n) for n in names if hasattr(transformer, n)}
        return seen | {"transformer_": transformer, "_target": labelled.target}

    # --- predictions -----------------------------------------------------------------

    def transform(self, X):
        """Return the codes of the rows after fine-tuning.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`, in the user's units.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_codes)
            The top code, in the dtype of X.
        """
        check_is_fitted(self)
        raw = self._read(X)
        codes = self._values(_outputs.code, raw)
        return codes.astype(raw.dtype, copy=False)

    def _read(self, X: Any) -> np.ndarray:
        """Return a table as the raw matrix that the network was trained on."""
        return self.transformer_.table_encoder_.read(self.transformer_, X)

    def _values(self, values: _outputs.Values, raw: np.ndarray) -> np.ndarray:
        """Return outputs of the fine-tuned network."""
        return _outputs.by_chunk(
            values, self.transformer_.table_encoder_, self.network_, raw
        )

    def _raw_outputs(self, X: Any) -> np.ndarray:
        """Return the outputs before the head's activation, (n, n_outputs) float64."""
        check_is_fitted(self)
        raw = self._read(X)
        return self._values(_outputs.raw_outputs, raw).astype(np.float64)

    def _with_labels(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
        """Return the labelled rows, for scoring."""
        if self.unlabeled is None:
            return X, y, sample_weight
        check_consistent_length(X, y, sample_weight)
        known, missing = read_labels(y, self.unlabeled)
        index = np.flatnonzero(~missing)
        if sample_weight is not None:
            sample_weight = safe_indexing(sample_weight, index)
        return safe_indexing(X, index), known, sample_weight

    # --- training --------------------------------------------------------------------

    def _train(
        self,
        labelled: LabelledRows,
        source: TableSource,
        streams: Streams,
        *,
        is_student: bool = False,
    ) -> Any:
        """Return a network trained from the pretrained encoder on the rows."""
        from skdae._core.training import train

        plan = self._plan(labelled.transformer, source.n_drawn, is_student)
        return train(
            source if self.early_stopping else without_held_out(source),
            plan,
            labelled.shape,
            noise=self._noise(labelled.transformer, is_student),
            streams=streams,
            settings=self._settings(labelled.transformer, source.n_drawn),
            initial=labelled.start,
            monitor=Monitors(monitors(plan, int(self.verbose))),
        )

    def _train_student(
        self,
        labelled: LabelledRows,
        source: TableSource,
        others: Unlabelled,
        streams: Streams,
    ) -> Any:
        """Return a student network trained on labels and pseudo-labels.

        The teachers are trained on labels alone, from the same encoder. The
        pseudo-label of an unlabelled row is the mean of their outputs on the clean row;
        the student predicts it from the corrupted row.
        """
        seeds = streams.init.integers(2**32, size=(self.n_teachers,))
        teachers = [
            self._train(labelled, source, spawn_streams(seed)).network
            for seed in seeds.tolist()
        ]
        n_others = others.rows.n_rows
        pseudo = np.zeros((n_others, labelled.target.head.n_features), np.float32)
        for part in chunks(n_others):
            Z = others.rows.take(np.arange(n_others)[part]).values
            for teacher in teachers:
                pseudo[part] += teacher.decode(teacher.encode(Z)) / len(teachers)
        # labelled and unlabelled weights may have different units
        weight = self.unlabeled_weight * others.unit / labelled.unit
        both = beside(source, labelled.rows, others, pseudo, weight)
        return self._train(labelled, both, streams, is_student=True)

    # --- parts of fit ----------------------------------------------------------------

    def _read_labels(self, X: Any, y: Any, at_least: int = 1) -> Labels:
        """Return the labels and which rows have them."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None; pass the labels, with unlabeled=... for rows without one."
            )
        check_consistent_length(X, y)
        labels, missing = read_labels(y, self.unlabeled)
        known = np.flatnonzero(~missing)
        if len(missing) == 0:
            raise ValueError(
                "Found array with 0 sample(s) in y, and training needs at least 2; "
                "pass some rows."
            )
        if len(known) < at_least:
            raise ValueError(
                f"unlabeled={self.unlabeled!r} marks every row of y; give some of them "
                "a label."
            )
        if len(known):
            labels = self._checked(labels)
        return Labels(labels, known, np.flatnonzero(missing))

    def _checked(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """Return the checked labels, none of which may be missing."""
        from pandas import isna

        empty = np.count_nonzero(isna(y)) if y.dtype.kind in "Of" else 0
        if empty:
            raise ValueError(
                f"Input {name} contains NaN, in {empty} cells; leave these rows out, "
                "or set unlabeled=np.nan to pretrain on rows of X without a label."
            )
        return self._check_y(y)

    def _check_early(
        self, labels: Labels, X_val: Any, y_val: Any, target: Any = None
    ) -> None:
        """Raise errors that can be found before the pretraining."""
        if self.unlabeled_weight > 0 and self.unlabeled is None:
            raise ValueError(
                f"unlabeled_weight={self.unlabeled_weight} needs unlabeled, the value "
                "of y that marks rows without a label, such as -1 or NaN."
            )
        by_name = isinstance(self.noise, str) and self.noise != "auto"
        if not by_name and not np.array_equal(self.noise_rate, DEFAULT_FINE_NOISE):
            raise ValueError(
                f"noise_rate={self.noise_rate!r} is for a noise given by name, and "
                f"noise is {self.noise!r}; name one, or set the object's own rate."
            )
        if isinstance(self.transformer, FrozenEstimator):
            network = getattr(self.transformer.estimator, "network_", None)
            n_layers = len(network.encoder) if network is not None else 1
        else:
            sizes = (self.transformer or _default()).hidden_layer_sizes
            n_layers = len(check_widths(sizes))
        self._phases(n_layers, 10**6 if self.max_iter == "auto" else self.max_iter)
        if target is None:
            target = self._learn_target(labels.y, None)
        self._class_weights(target, target.encode(labels.y), None)
        self._check_validation(X_val, y_val)
        if y_val is not None:
            known, _ = read_labels(y_val, self.unlabeled)
            target.encode(self._checked(known, "y_val"), "y_val")

    def _check_stream(self, plan: tuple[Phase, ...]) -> None:
        """Raise if the phases of a stream changed after its first batch."""
        state = getattr(self, "_stream", None)
        if state is None:
            return
        before, asked = ([phase.rates for phase in each] for each in (state.plan, plan))
        if before not in (asked, asked[-1:]):
            raise ValueError(
                f"encoder_rate={self.encoder_rate!r} and unfreezing="
                f"{self.unfreezing!r} must stay what they were at the first batch; use "
                "a fresh estimator for others."
            )

    def _check_validation(self, X_val: Any, y_val: Any) -> None:
        """Raise if held-out rows are incomplete or not used."""
        if (X_val is None) != (y_val is None):
            given, other = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"{given} is given without {other}; pass both or none.")
        if X_val is not None and not self._holds_out():
            raise ValueError(
                "X_val and y_val are given, but not used; set "
                "early_stopping=True, or omit them."
            )
        if X_val is not None:
            check_consistent_length(X_val, y_val)

    def _pretrained(
        self, X: Any, sample_weight: Any, streams: Streams
    ) -> GradualDAETransformer:
        """Return the transformer fitted on all rows, or the frozen one unchanged."""
        if isinstance(self.transformer, FrozenEstimator):
            frozen = self.transformer.estimator
            if not isinstance(frozen, GradualDAETransformer):
                raise ValueError(
                    f"transformer={self.transformer!r} must freeze a fitted "
                    "GradualDAETransformer; pass FrozenEstimator(dae.fit(X)), or the "
                    "transformer itself to have it fitted."
                )
            check_is_fitted(frozen)
            return copy(frozen)  # a later fit of it must not reach this model
        transformer = (
            _default() if self.transformer is None else clone(self.transformer)
        )
        if transformer.random_state is None:
            transformer.set_params(random_state=int(streams.init.integers(2**32)))
        validate_params_of(transformer)  # which scikit-learn skips within another fit
        return transformer.fit(X, sample_weight=sample_weight)

    def _plan(
        self, transformer: GradualDAETransformer, n_rows: int, is_student: bool = False
    ) -> tuple[Phase, ...]:
        """Return the phases of fine-tuning.

        A student has many rows: its layers are trained at the full rate from the start,
        unless they are frozen.
        """
        max_iter = self.max_iter
        if max_iter == "auto":
            n_steps = ceil(n_rows / batch_rows(self.batch_size, n_rows))
            max_iter = max(MIN_EPOCHS, round(AUTO_STEPS / n_steps))
        n_layers = len(transformer.network_.encoder)
        if is_student and self.encoder_rate > 0:
            return fine_tuning(n_layers, max_iter)
        return self._phases(n_layers, max_iter)

    def _phases(self, n_layers: int, max_iter: int) -> tuple[Phase, ...]:
        """Return the phases of `max_iter` epochs."""
        return fine_tuning(
            n_layers,
            max_iter,
            encoder_rate=self.encoder_rate,
            unfreezing=self.unfreezing,
        )

    def _noise(
        self, transformer: GradualDAETransformer, is_student: bool = False
    ) -> Noise | None:
        """Return the noise on the input while fine-tuning, checked."""
        if self.noise is None:
            return None
        if self.noise == "auto":
            return STUDENT_NOISE if is_student else None
        noise = make_noise(self.noise, self.noise_rate)
        check_noise(self, noise, transformer.table_encoder_)
        return noise

    def _settings(self, transformer: GradualDAETransformer, n_rows: int) -> Any:
        """Return the training settings, with the device of the transformer."""
        return replace(
            training_settings(transformer, n_rows),
            solver="adam",
            learning_rate_init=self.learning_rate_init,
            alpha=self.alpha,
            batch_size=batch_rows(self.batch_size, n_rows),
            emphasis=None,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            dropout=self.dropout,
            averaging=self.average,
        )

    def _labelled_rows(
        self,
        transformer: GradualDAETransformer,
        raw: np.ndarray,
        labels: Labels,
        sample_weight: Any,
        target: Target | None = None,
    ) -> LabelledRows:
        """Return the labelled rows with their encoded targets.

        The target is learned from them unless it is given.
        """
        weights = check_weights(sample_weight, raw)
        if weights is not None:
            weights = weights[labels.known]
        labelled_raw = raw[labels.known] if len(labels.missing) else raw
        rows = training_rows(labelled_raw, weights, sort_keys(labels.y))
        if target is None:
            repeated, shares = rows.repeated
            target = self._learn_target(labels.y[repeated], shares)
        T = target.encode(labels.y[rows.index])
        class_weights = self._class_weights(target, T, rows.weights)
        labelled = LabelledRows(
            transformer,
            TargetRows(
                TableRows(transformer.table_encoder_, raw, labels.known[rows.index]),
                self._trained_on(T),
            ),
            target,
            rows.weights,
            rows.unit,
            rows.groups,
            class_weights,
        )
        weighted = replace(labelled.rows, weight=labelled.loss_weights(T))
        return replace(labelled, rows=weighted)

    def _source(
        self, labelled: LabelledRows, X_val: Any, y_val: Any, streams: Streams
    ) -> TableSource:
        """Return the training rows and the held-out rows."""
        everything = np.arange(labelled.rows.n_rows)
        source = TableSource(labelled.rows, everything, labelled.weights)
        if X_val is not None:
            return replace(source, held_out_rows=self._given(labelled, X_val, y_val))
        if not self._holds_out():
            return source
        held_out = stratified(
            labelled, self.validation_fraction, streams.split, self._strata(labelled)
        )
        return replace(
            source, index=everything[~held_out], held_out_index=everything[held_out]
        )

    def _strata(self, labelled: LabelledRows) -> np.ndarray:
        """Return the stratum of each row; equal shares of strata are held out."""
        return np.zeros(labelled.rows.n_rows, dtype=int)

    def _given(self, labelled: LabelledRows, X_val: Any, y_val: Any) -> HeldOut:
        """Return the held-out rows that the user passed."""
        X_val, y_val, _ = self._with_labels(X_val, y_val, None)
        y_val = self._checked(np.asarray(y_val), "y_val")
        T = labelled.target.encode(y_val, "y_val")
        transformer = labelled.transformer
        encoder = transformer.table_encoder_
        block = encoded_block(encoder, encoder.read(transformer, X_val))
        block = block._replace(
            target=self._trained_on(T), weight=labelled.loss_weights(T)
        )
        return HeldOut(block, np.ones(len(T)))


def _training_results(training: Any) -> dict[str, Any]:
    """Return the fitted attributes of a training run."""
    return {
        "network_": training.network,
        "loss_curve_": training.loss_curve,
        "validation_loss_curve_": training.validation_loss_curve,
        "phases_": training.phases,
        "n_iter_": len(training.loss_curve),
        "_stream": None,
    }


def _default() -> GradualDAETransformer:
    """Return what transformer=None stands for."""
    return GradualDAETransformer(**DEFAULT_TRANSFORMER)
