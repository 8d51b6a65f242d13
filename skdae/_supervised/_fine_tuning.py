"""Fine-tuning of a pretrained encoder: base class of classifier and regressor."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skdae._core.monitor import Monitor, PhaseRecord
from skdae._core.network import Layer, Network
from skdae._core.sources import HeldOut, TableSource
from skdae._random import Streams, spawn_streams
from skdae._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    callback_context,
    fit_context,
    validate_params_of,
)
from skdae._supervised._checks import (
    DEFAULT_NOISE_RATE,
    check_parameters,
    check_stream,
    check_validation,
)
from skdae._supervised._expansion import Expansion
from skdae._supervised._folds import hold_out, stratified
from skdae._supervised._labels import (
    Labels,
    labelled_part,
    read_labels,
    refuse_missing,
    refuse_sparse,
)
from skdae._supervised._linear import fit_path
from skdae._supervised._pretraining import (
    Pretrained,
    default_encoder,
    n_layers_of,
    pretrain,
)
from skdae._supervised._pseudo_labels import pseudo_labels, with_pseudo_labels
from skdae._supervised._rows import (
    LabelledRows,
    Unlabelled,
    group_numbers,
    loss_weights,
    training_part,
    unlabelled_rows,
)
from skdae._supervised._selection import FineTuning, alone, candidates_of, select
from skdae._supervised._targets import Target
from skdae._supervised._training import (
    Predictor,
    fine_tune,
    inputs_of,
    noise_of,
    phases_of,
    settings_of,
    shape_of,
    shared,
)
from skdae._table.sources import TableRows, TargetRows, encoded_block
from skdae._transformer import _outputs
from skdae._transformer._callbacks import CallbackMonitor, Monitors, monitors
from skdae._transformer._html import PhaseTable, PhaseTableMixin, phase_tables
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._transformer import (
    CATEGORICAL_FEATURES,
    GradualDAETransformer,
    input_tags_of,
)
from skdae.noise import NOISES, Noise, make_noise
from skdae.schedules import UNFREEZINGS, Phase

PATH_SEED = 0  # of the folds that the penalty of the linear path is chosen by


class FineTuned(
    CallbackSupportMixin,
    PhaseTableMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    NestedParametersMixin,
):
    """Base of the estimators that train a pretrained encoder on labels."""

    transformer_: GradualDAETransformer
    network_: Network
    linear_path_: Layer | None
    expansion_: Expansion | None = None  # of models from before it came
    fine_tuning_: FineTuning
    loss_curve_: list[float]
    phases_: tuple[PhaseRecord, ...]
    _target: Target
    _stream: Any

    _parameter_constraints: dict[str, Any] = {
        "transformer": [GradualDAETransformer, FrozenEstimator, None],
        "categorical_features": CATEGORICAL_FEATURES,
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "encoder_rate": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "unfreezing": [StrOptions({"auto", *UNFREEZINGS})],
        "linear_path": ["boolean", StrOptions({"auto"})],
        "n_bins": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
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
        """Return the encoding of the labels, learned from those of the rows."""

    def _check_target(self, target: Any) -> None:
        """Raise or warn where parameters do not suit the labels."""

    def _smoothed(self, T: np.ndarray) -> np.ndarray:
        """Return targets as the loss sees them."""
        return T

    def _class_weights(
        self, target: Any, T: np.ndarray, weights: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weight of each class in the loss; None for equal ones."""
        return None

    def _strata(self, labelled: LabelledRows) -> np.ndarray:
        """Return the stratum of each row; equal shares of strata are held out."""
        return np.zeros(labelled.rows.n_rows, dtype=int)

    def _holds_out(self) -> bool:
        """Return whether some rows are not trained on."""
        return self.early_stopping

    def _assign_target(
        self, target: Any, predictor: Predictor, source: TableSource | None
    ) -> None:
        """Set the fitted attributes that describe the target."""
        self._target = target

    # --- scikit-learn's conventions --------------------------------------------------

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = input_tags_of(self)
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def _phase_tables(self):
        transformer = getattr(self, "transformer_", self.transformer)
        transformer = getattr(transformer, "estimator", transformer)  # if frozen
        transformer = transformer or default_encoder()
        tables = phase_tables(transformer, "pretraining")
        if getattr(self, "phases_", ()):
            title = "Phases of fine-tuning, in which the output layer learns too"
            rate = self.learning_rate_init
            tables.append(PhaseTable(title, self.phases_, rate))
        return tables

    def _object_for(self, name, value):
        if name == "noise" and isinstance(value, str) and value in NOISES:
            return make_noise(value, self.noise_rate)
        # None is the default transformer, whose parameters can be set and searched
        is_default = name == "transformer" and value is None
        return default_encoder() if is_default else None

    def _replaced(self, name):
        # the rate is the object's own from here on
        return {"noise_rate": DEFAULT_NOISE_RATE} if name == "noise" else {}

    @property
    def _n_features_out(self):
        """Width of the code."""
        return len(self.network_.encoder[-1].bias)

    # --- fit -------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, groups=None):
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
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, user, run), which no held-out part divides. In a
            pipeline it comes by metadata routing, after
            ``set_fit_request(groups=True)``.

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
        numbers = group_numbers(groups, labels)
        pretrained = pretrain(self, X, sample_weight, streams)
        labelled = self._labelled_rows(
            pretrained, labels, sample_weight, groups=numbers
        )
        source = self._source(labelled, X_val, y_val, streams)
        others = None
        if self.unlabeled_weight > 0:
            others = unlabelled_rows(pretrained, labels, sample_weight)
        chosen = select(self, labelled, source, self._strata(labelled), streams)
        path = None
        if chosen.path_share > 0:
            path = fit_path(source, labelled.target.head, PATH_SEED)
        training = self._train(labelled, source, others, chosen, path, streams)
        if others is not None:
            chosen = chosen.of_student
        expansion = labelled.expansion(chosen.configuration.n_bins)
        predictor = shared(training.network, path, chosen, expansion)
        self._assign_target(labelled.target, predictor, source)
        self._assign_table(pretrained)
        self.fine_tuning_, self.linear_path_ = chosen, predictor.path
        self.network_, self.expansion_ = predictor.network, expansion
        self.phases_ = training.phases
        self.loss_curve_ = training.loss_curve
        self.validation_loss_curve_ = training.validation_loss_curve
        self.n_iter_ = len(training.loss_curve)
        self._stream = None
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
            pretrained = pretrain(self, X, sample_weight, streams)
        else:
            pretrained = Pretrained(self.transformer_, self._read(X))
        if len(labels.known) == 0:
            return self
        labelled = self._labelled_rows(pretrained, labels, sample_weight, target)
        source, n_rows = labelled.source, labelled.source.n_drawn
        chosen, path, expansion = self._followed(labelled, first)
        configuration = chosen.configuration.fixed_by(self)
        plan = phases_of(self, configuration, pretrained.n_layers, n_rows)
        if not first:
            check_stream(self, plan, self._stream)
        finished = not first and self._stream is None  # continues after fit
        start = labelled.start(expansion)
        network, loss, state = train_on_batch(
            inputs_of(source, path, expansion),
            plan[-1:] if finished else plan,
            shape_of(start),
            None if first else self._stream,
            noise=noise_of(self, pretrained, expansion),
            streams=streams,
            settings=settings_of(self, configuration, pretrained, n_rows),
            initial=self.network_ if finished else start,
        )
        if first:
            predictor = Predictor(network, path, expansion)
            self._assign_target(labelled.target, predictor, None)
            self._assign_table(pretrained)
            self.fine_tuning_, self.linear_path_ = chosen, path
            self.expansion_ = expansion
            self.validation_loss_curve_, self.phases_ = None, ()
        self.network_, self._stream = network, state
        self.loss_curve_ = [loss] if first else [*self.loss_curve_, loss]
        self.n_iter_ = len(self.loss_curve_)
        return self

    def _followed(
        self, labelled: LabelledRows, first: bool
    ) -> tuple[FineTuning, Layer | None, Expansion | None]:
        """Return what a stream keeps from its first batch: all but the network."""
        if not first:
            return self.fine_tuning_, self.linear_path_, self.expansion_
        chosen = alone(candidates_of(self, labelled.pretrained.n_layers)[0])
        path = None
        if chosen.configuration.linear_path:
            path = fit_path(labelled.source, labelled.target.head, PATH_SEED)
        return chosen, path, labelled.expansion(chosen.configuration.n_bins)

    def _assign_table(self, pretrained: Pretrained) -> None:
        """Set the fitted attributes that describe the table."""
        transformer = pretrained.transformer
        self.transformer_ = transformer
        self.n_features_in_ = transformer.n_features_in_
        if hasattr(transformer, "feature_names_in_"):
            self.feature_names_in_ = transformer.feature_names_in_
        elif hasattr(self, "feature_names_in_"):  # of a fit before this one
            del self.feature_names_in_

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
        codes = self._values(
            lambda fitted, rows: self._predictor.code(fitted.inputs(rows)), raw
        )
        return codes.astype(raw.dtype, copy=False)

    def _read(self, X: Any) -> np.ndarray:
        """Return a table as the raw matrix that the network was trained on."""
        return self.transformer_.table_encoder_.read(self.transformer_, X)

    @property
    def _predictor(self) -> Predictor:
        """Network and linear path."""
        return Predictor(self.network_, self.linear_path_, self.expansion_)

    def _values(self, values: _outputs.Values, raw: np.ndarray) -> np.ndarray:
        """Return outputs of the fine-tuned network."""
        fitted = _outputs.Fitted(self.transformer_.table_encoder_, self.network_)
        return _outputs.by_chunk(values, fitted, raw)

    def _raw_outputs(self, X: Any) -> np.ndarray:
        """Return the outputs before the head's activation, (n, n_outputs) float64."""
        check_is_fitted(self)
        outputs = self._values(
            lambda fitted, raw: self._predictor.raw_outputs(
                fitted.encoder.encode(raw)[0]
            ),
            self._read(X),
        )
        return outputs.astype(np.float64)

    def _with_labels(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
        """Return the labelled rows, for scoring."""
        return labelled_part(X, y, sample_weight, self.unlabeled)

    # --- training --------------------------------------------------------------------

    def _train(
        self,
        labelled: LabelledRows,
        source: TableSource,
        others: Unlabelled | None,
        chosen: FineTuning,
        path: Layer | None,
        streams: Streams,
    ) -> Any:
        """Train a network on labels, or a student on labels and pseudo-labels.

        The teachers are trained on labels alone, from the same encoder; the student
        predicts their mean output on the clean row from the corrupted row.
        """
        configuration = chosen.configuration
        beside_path = path if configuration.linear_path else None
        expansion = labelled.expansion(configuration.n_bins)
        tune = partial(fine_tune, self, labelled, path=beside_path)
        observers = partial(self._monitor, labelled, beside_path, expansion)
        if others is None:
            training = tune(source, streams, configuration, observers)
        else:
            seeds = streams.init.integers(2**32, size=(self.n_teachers,))
            trained = [
                tune(source, spawn_streams(seed), configuration, self._printer)
                for seed in seeds.tolist()
            ]
            teachers = [
                shared(each.network, path, chosen, expansion) for each in trained
            ]
            both = with_pseudo_labels(
                source,
                labelled,
                others,
                pseudo_labels(others, teachers),
                self.unlabeled_weight,
            )
            student = configuration.of_student
            training = tune(both, streams, student, observers, is_student=True)
        return training

    def _printer(self, plan: Sequence[Phase]) -> Monitor:
        """Return what prints the progress."""
        return Monitors(monitors(plan, int(self.verbose)))

    def _monitor(
        self,
        labelled: LabelledRows,
        path: Layer | None,
        expansion: Expansion | None,
        plan: Sequence[Phase],
    ) -> Monitor:
        """Return what observes the training of the final network."""
        observers = monitors(plan, int(self.verbose))
        context = callback_context(self, len(plan))
        if context is not None:
            beside = {"linear_path_": path, "expansion_": expansion}

            def learned(network: Network) -> dict[str, Any]:
                return self._learned(labelled) | beside | {"network_": network}

            observers.append(CallbackMonitor(self, context, learned, {}))
        return Monitors(observers)

    def _learned(self, labelled: LabelledRows) -> dict[str, Any]:
        """Return what a callback needs beside the network to make predictions."""
        transformer = labelled.pretrained.transformer
        return {"transformer_": transformer, "_target": labelled.target}

    # --- parts of fit ----------------------------------------------------------------

    def _read_labels(self, X: Any, y: Any, at_least: int = 1) -> Labels:
        """Return the labels and which rows have them."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None; pass the labels, with unlabeled=... for rows without one."
            )
        refuse_sparse(y)
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
        refuse_missing(y, name)
        return self._check_y(y)

    def _check_early(
        self, labels: Labels, X_val: Any, y_val: Any, target: Any = None
    ) -> None:
        """Raise errors that can be found before the pretraining."""
        check_parameters(self)
        max_iter = 10**6 if self.max_iter == "auto" else self.max_iter
        n_layers = n_layers_of(self.transformer)
        candidates_of(self, n_layers)[0].phases(n_layers, max_iter)
        if target is None:
            target = self._learn_target(labels.y, None)
        self._check_target(target)
        self._class_weights(target, target.encode(labels.y), None)
        check_validation(X_val, y_val, is_used=self._holds_out())
        if y_val is not None:
            known, _ = read_labels(y_val, self.unlabeled)
            target.encode(self._checked(known, "y_val"), "y_val")

    def _labelled_rows(
        self,
        pretrained: Pretrained,
        labels: Labels,
        sample_weight: Any,
        target: Target | None = None,
        groups: np.ndarray | None = None,
    ) -> LabelledRows:
        """Return the labelled rows with their encoded targets.

        The target is learned from them unless it is given.
        """
        rows = training_part(pretrained, labels, sample_weight)
        if target is None:
            repeated, shares = rows.repeated
            target = self._learn_target(labels.y[repeated], shares)
        T = target.encode(labels.y[rows.index])
        class_weights = self._class_weights(target, T, rows.weights)
        index = labels.known[rows.index]
        table = TableRows(pretrained.encoder, pretrained.raw, index)
        return LabelledRows(
            pretrained,
            TargetRows(table, self._smoothed(T), loss_weights(T, class_weights)),
            target,
            rows.weights,
            rows.unit,
            rows.groups,
            None if groups is None else groups[rows.index],
            class_weights,
        )

    def _source(
        self, labelled: LabelledRows, X_val: Any, y_val: Any, streams: Streams
    ) -> TableSource:
        """Return the training rows and the held-out rows."""
        source = labelled.source
        if X_val is not None:
            return replace(source, held_out_rows=self._given(labelled, X_val, y_val))
        if not self._holds_out():
            return source
        strata = self._strata(labelled)
        return hold_out(
            source,
            stratified(labelled, self.validation_fraction, streams.split, strata),
        )

    def _given(self, labelled: LabelledRows, X_val: Any, y_val: Any) -> HeldOut:
        """Return the held-out rows that the user passed."""
        X_val, y_val, _ = self._with_labels(X_val, y_val, None)
        T = labelled.target.encode(self._checked(y_val, "y_val"), "y_val")
        transformer, encoder = (
            labelled.pretrained.transformer,
            labelled.pretrained.encoder,
        )
        block = encoded_block(encoder, encoder.read(transformer, X_val))
        weight = loss_weights(T, labelled.class_weights)
        block = block._replace(target=self._smoothed(T), weight=weight)
        return HeldOut(block, np.ones(len(T)))
