"""The outlier detector: anomaly scores, and thresholds from held-out rows."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from skdae._outlier._contamination import contamination_scores, warn_of_contamination
from skdae._outlier._cross_fit import (
    Round,
    Training,
    duplicate_groups,
    find_inliers,
    fit_round,
)
from skdae._outlier._ensemble import Ensemble
from skdae._outlier._explain import Explainer, explanation, row_numbers
from skdae._outlier._folds import (
    CALIBRATIONS,
    Batch,
    Partition,
    number_of_folds,
)
from skdae._outlier._normality import is_nearly_normal
from skdae._outlier._scores import (
    COMBINATION,
    COMBINATION_IN_ORDER,
    COMBINATION_OF_GROUPS,
    SCORES,
    check_scores,
    mean_scores,
    views_of,
)
from skdae._outlier._simulated_faults import columns_that_find_more
from skdae._outlier._slowness import moves_together
from skdae._outlier._thresholds import (
    CalibrationReport,
    ConformalQuantile,
    Limit,
    PredictionLimit,
    number_averaged,
    promised_rate,
    rate_interval,
    share_threshold,
    warn_of_few_rows,
)
from skdae._random import spawn_streams
from skdae._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skdae._table.encoder import TableEncoder
from skdae._table.frames import index_of
from skdae._table.rows import empty_rows, training_rows
from skdae._table.schema import Schema
from skdae._table.validation import user_stacklevel
from skdae._transformer._callbacks import observed_networks
from skdae._transformer._defaults import default_transformer
from skdae._transformer._html import PhaseTable, PhaseTableMixin, phase_tables
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._parameters import check_rows
from skdae._transformer._state import unchanged_on_failure
from skdae._transformer._transformer import (
    CATEGORICAL_FEATURES,
    GradualDAETransformer,
    categorical_features_of,
    input_tags_of,
)
from skdae.timeseries import Smoothing
from skdae.timeseries._order import numeric_order
from skdae.timeseries._stretches import stretches
from skdae.timeseries._time import index_fault, index_seconds
from skdae.timeseries._window import holds_windows

NEIGHBORS = 2
ROBUST_NEIGHBORS = 50  # so that outliers that are alike do not mask each other
ROUNDING = 1e-5  # of a score, between batches
TRIM = 0.35  # share of the training rows, where some of them are outliers
# Rows before a row: Tennessee Eastman 0.823 with 2, 0.834 with 4; records of other
# sensors the same with either. Fewer where the covariance would have few rows.
LAGS, FEW_LAGS = 4, 2
MAX_WINDOW = 400  # features of a row with those before it
MIN_ROWS_PER_FEATURE = 1.8


class GradualDAEOutlierDetector(
    CallbackSupportMixin, PhaseTableMixin, OutlierMixin, NestedParametersMixin
):
    """Outlier detector by denoising autoencoders, with calibrated thresholds.

    A fault is often a value that is common in itself and does not go with the others.
    Denoising autoencoders learn what goes together; this detector measures how far a
    row is from what they rebuild and from the rows it resembles. Each network is
    trained without a part of the rows, and thresholds come from those parts alone:
    a network has smaller errors on its training rows than on new ones.

    Parameters
    ----------
    transformer : GradualDAETransformer or None, default=None
        The network to train, cloned for every fold; its parameters are searched as
        ``transformer__noise_rate``, and it decides which columns are categorical. Its
        `output` is not used and its `random_state` is replaced. None is one with its
        defaults but for noise and epochs: missing cells and Gaussian errors, with a
        rate and a scale of its own for each row, and 20 to 100 epochs, fewer where
        there are many rows. Setting a parameter of None makes it the one of 10,000
        rows, with 39 epochs.
    categorical_features : array-like of bool, int or str, 'auto', 'from_dtype' or \
None, default='auto'
        Categorical columns: a mask, indices or names, 'from_dtype' for those of a
        DataFrame that have a categorical dtype, None for none. 'auto': those of the
        `transformer`, which are those of a categorical dtype by default.
    scores : str or sequence of str, default='auto'
        The anomaly scores. On the residuals of a row: 'squared_error', their mean
        square; 'scaled_error', each over its spread on rows not trained on;
        'whitened_error', their Mahalanobis distance under a shrunk covariance;
        'error_neighbors', the distance to the nearest residuals of other rows in the
        units of that covariance. On residuals of cells hidden from the network:
        'hidden_error' and 'whitened_hidden_error'. On codes: 'code_distance'
        (Mahalanobis) and 'code_neighbors'. On the table itself: 'distance'
        (Mahalanobis), 'weighted_distance', which gives the axes of small variance more
        weight, 'neighbors' and 'rank_neighbors', the latter among normal scores of the
        ranks.
        Several names are combined: their mean on a logarithmic scale, above the median
        of the normal rows where these are in no order. 'auto' is ('whitened_error',
        'error_neighbors', 'neighbors', 'rank_neighbors'). For rows in time order it is
        ('weighted_distance', 'whitened_error'): with 'rank_neighbors' where the
        distances of held-out rows spread more than twice as much as in a normal
        distribution, and else without 'whitened_error' where that finds more of the
        faults that are simulated on held-out rows.
    contamination : 'auto' or float in (0, 0.5], default='auto'
        'auto': the training rows count as normal, and the threshold meets
        `false_alarm_rate`. A number: the share of outliers among the training rows;
        training leaves anomalous rows out (`trim`), and the threshold is such that
        this share of the training rows is called outliers.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of new normal rows that may be called outliers, with
        ``contamination='auto'``. The threshold is a conformal quantile of the held-out
        rows: n of them promise a rate of ``1 / (n + 1)`` at best. Of rows in time order
        it is a prediction limit for the number of independent rows they are worth, and
        farther away where the record is short for its slowest movement. What can be
        promised stands in `calibration_report_`.
    n_estimators : int, default=1
        How often the folds are drawn and networks trained; their scores are averaged.
    calibration : {'auto', 'random', 'blocked'} or splitter, default='auto'
        Which rows are held out together. 'random': any, or whole groups when `fit` is
        given `groups`. 'blocked': consecutive rows, with a gap to the rows that are
        trained on, for rows in time order; whole stretches between steps of the level,
        as between operating points, where there are five or more. 'auto': 'blocked'
        where rows are in time order (by their dates in the index or their values,
        :func:`~skdae.timeseries.time_order`), no groups are given and the threshold
        meets `false_alarm_rate`, else 'random'. A splitter of scikit-learn must hold
        each row out at most once.
    n_splits : int or 'auto', default='auto'
        Number of parts, each left out by one network. 'auto' is 5, or 10 for blocks of
        fewer than 3,000 rows. Not used with a splitter.
    lags : int or 'auto', default='auto'
        Rows before a row that 'distance' and 'weighted_distance' measure together with
        it. 'auto' is 4 where rows are in time order, 2 for wide tables or few rows, and
        else 0; also 0 for windows of rows (:class:`~skdae.timeseries.SlidingWindow`),
        which hold them already. Where there is no row before, the first one is
        repeated.
    smoothing : Smoothing or None, default=None
        Smoothing of the scores of rows in time order, :class:`~skdae.timeseries.EWMA`
        for instance: `decision_function` and `predict` smooth the scores of the rows
        they are given, in their order, and the threshold comes from smoothed held-out
        scores. Call them once for each unit or run.
    n_neighbors : int or 'auto', default='auto'
        Rows that the scores of neighbours look at. 'auto' is 2 where the training rows
        count as normal and otherwise 50, or an eighth of the rows.
    trim : float in [0, 1) or 'auto', default='auto'
        Share of the training rows that is left out of training and calibration as the
        most anomalous, by the distance from a robust centre and from neighbours.
        'auto' is 0 where the training rows count as normal and otherwise 0.35.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the folds and of the networks. None draws a new seed each time, which
        ``np.random.seed`` does not set.
    verbose : bool or int, default=False
        Whether to print the progress of the networks; above 1 for every epoch.

    Attributes
    ----------
    members_ : list of Member
        The networks, as `network` and `encoder`, with what each score has learned.
    table_encoder_ : TableEncoder
        How tables are read.
    score_names_ : tuple of str
        Names of the scores that are used.
    offset_ : float
        The threshold: rows whose (smoothed) `score_samples` are below it are outliers.
    calibration_report_ : CalibrationReport
        What the threshold rests on: the rate asked for, the rate that can be promised
        and its interval, held-out rows and the independent rows they are worth.
    is_ordered_ : bool
        Whether rows are taken to be in time order.
    lags_ : int
        Rows before a row that are scored with it.
    calibration_scores_ : ndarray of shape (n_samples,)
        Score of each training row by the networks not trained on it; NaN for rows
        that a splitter never holds out.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    See Also
    --------
    GradualDAETransformer : Codes and residuals for detectors of your own.
    skdae.timeseries.EWMA : Smooths scores; `smoothed_offset` is their threshold.

    Notes
    -----
    Missing cells are filled with what the network rebuilds, and scores are corrected
    for which cells are missing: how that shifts and spreads them is learned from
    held-out rows with cells hidden. So the false alarm rate holds for incomplete rows,
    and a row without a single value counts as normal, with a warning.

    New rows are scored by all networks, held-out rows by the one that left them out; an
    average is a little less extreme, so that the rate of false alarms is met from
    below. For blocks of rows in time order this is corrected, by the rows next to a
    border of two blocks, which two networks have not seen. Training rows are
    recognised by their values in float32 and scored as held-out ones; rows rounded to
    fewer digits are new ones. For a linear network without noise, 'code_distance' and
    'squared_error' are the two statistics of a PCA monitor, Hotelling's T² and the
    squared prediction error.

    References
    ----------
    R. Foygel Barber, E. Candès, A. Ramdas and R. Tibshirani, "Predictive inference
    with the jackknife+", Annals of Statistics 49(1), 2021.

    C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7(4), 1992.

    Examples
    --------
    >>> from skdae import GradualDAEOutlierDetector, GradualDAETransformer
    >>> from skdae.datasets import make_sensor_data
    >>> plant = make_sensor_data(3000, faults=(), random_state=0)
    >>> detector = GradualDAEOutlierDetector(
    ...     GradualDAETransformer((32, 8), max_iter=10),
    ...     false_alarm_rate=0.1,
    ...     random_state=0,
    ... ).fit(plant.data)
    >>> detector.is_ordered_
    True
    >>> bool((detector.predict(plant.data) == -1).mean() < 0.1)
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "transformer": [GradualDAETransformer, None],
        "categorical_features": CATEGORICAL_FEATURES,
        "scores": [StrOptions({"auto", *SCORES}), tuple, list],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "calibration": [StrOptions({"auto", *CALIBRATIONS}), HasMethods("split")],
        "n_splits": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "lags": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "smoothing": [Smoothing, None],
        "n_neighbors": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "trim": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state", HasMethods("integers")],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        transformer=None,
        *,
        categorical_features="auto",
        scores="auto",
        contamination="auto",
        false_alarm_rate=0.01,
        n_estimators=1,
        calibration="auto",
        n_splits="auto",
        lags="auto",
        smoothing=None,
        n_neighbors="auto",
        trim="auto",
        random_state=None,
        verbose=False,
    ):
        self.transformer = transformer
        self.categorical_features = categorical_features
        self.scores = scores
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.n_estimators = n_estimators
        self.calibration = calibration
        self.n_splits = n_splits
        self.lags = lags
        self.smoothing = smoothing
        self.n_neighbors = n_neighbors
        self.trim = trim
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = input_tags_of(self)
        return tags

    # --- fit -------------------------------------------------------------------------

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, groups=None):
        """Train networks on parts of the rows and calibrate on what they left out.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training table, in the user's units; NaN where nothing was measured.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, run, day); a group is held out as a whole, and its
            rows are in time order. None: where the threshold meets `false_alarm_rate`
            and rows are held out at random, copies of a row are a group.

        Returns
        -------
        self : GradualDAEOutlierDetector
            The fitted detector.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the data.

        Warns
        -----
        UserWarning
            If there are too few rows for `false_alarm_rate`, or a record is too short
            for its movement; it names the number that they are worth. If
            more than 1.25 % of rows that count as normal are far from all others: they
            may be anomalies, and `contamination` their share. Of rows in time order
            this is the distance of each row by itself; of others it is seen by
            'distance', 'weighted_distance' and 'whitened_error' alone, and never with
            `scores` that have none of these. If rows in time order are held out at
            random. If scores are tied where `contamination` cuts them.
        """
        with observed_networks(self, None, X):
            self._fit(X, groups)
        return self

    # --- scores ----------------------------------------------------------------------

    def score_samples(self, X):
        """Return how normal each row is.

        A training row is scored by the networks that were not trained on it, so that
        training rows and new ones compare.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is more normal; at most 0.

        Warns
        -----
        UserWarning
            If rows have no value at all: they count as normal.
        """
        check_is_fitted(self)
        return -self._ensemble.score(self._read(X))

    def decision_function(self, X):
        """Return `score_samples` minus `offset_`: below 0 for outliers.

        With `smoothing`, the smoothed scores of the rows in their order.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is more normal.
        """
        return self._smoothed(self.score_samples(X)) - self.offset_

    def predict(self, X):
        """Return -1 for outliers and 1 for the others.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of int of shape (n_samples,)
            -1 or 1.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X):
        """Return the rate at which new normal rows have scores as high.

        Rows with a p-value of `false_alarm_rate` or less are outliers with
        ``contamination='auto'``. Of n normal rows about ``n * p`` are at p or below.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`; in time order with `smoothing`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Above 0, at most 1; lower is more anomalous.
        """
        scores = -self._smoothed(self.score_samples(X))
        # a calibration row has its own score in whatever batch it comes
        scores = scores - ROUNDING * np.abs(scores)
        return self._fitted_limit.p_values(self._ensemble.combination.to_log(scores))

    def contributions(self, X, as_frame=False):
        """Return what each column adds to the anomaly score of each row.

        The rows add up to minus `score_samples`. The score is shared among the columns
        as the squared Mahalanobis distance of the row is: a column has what the
        distance falls by when its cell counts as missing. So a fault of one sensor is
        not smeared over the sensors related to it; see :meth:`explain`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame with the names of the columns, and
            the index of X where it has one.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            Contributions of at least 0, in the units of the score; 0 of missing cells.

        Warns
        -----
        UserWarning
            If rows have no value at all: they count as normal.
        """
        check_is_fitted(self)
        batch = self._read(X)
        distances = self._explainer.deviations(batch.raw).distances
        shares = self._explainer.shares(batch, distances)
        contributions = shares * self._ensemble.score(batch)[:, None]
        if not as_frame:
            return contributions
        import pandas

        columns = check_feature_names_in(self)
        return pandas.DataFrame(contributions, columns=columns, index=index_of(X))

    def explain(self, X, *, rows=None, n_sensors=3):
        """Return the sensors that make each row anomalous, and their expected values.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`; in time order with lags.
        rows : array-like, default=None
            The rows to explain, by number from 0 or as a mask such as
            ``detector.predict(X) == -1``. None: all of them.
        n_sensors : int, default=3
            Sensors per row, at most.

        Returns
        -------
        DataFrame
            One line per row and sensor, under the index of X where it has one, with
            the columns

            row : int
                Number of the row in X.
            rank : int
                1 for the sensor that contributes most.
            sensor : str
                Name of the column.
            contribution : float
                What it adds to the anomaly score; see :meth:`contributions`.
            share : float
                The same as a share of the score, in [0, 1]. A first share near 1 is
                the fault of one sensor, two that nearly add up to 1 are a fault of
                two; in a change of operating mode the shares are spread.
            lag : int
                How many rows before `row` the values are from: 0 without lags, and
                where the sensor deviates in the row itself.
            measured, expected : float or category
                Measured value, and the one expected from the other sensors without the
                suspects (see Notes), in the units of X.
            deviation : float
                Measured minus expected, in standard deviations of what is expected.
            broken_with : str
                The sensor whose relation with this one broke most: given the value of
                either, the other is more than 3 standard deviations off. Missing where
                no relation broke.

        Raises
        ------
        ValueError
            If `rows` are not rows of X, or `n_sensors` is below 1.

        Warns
        -----
        UserWarning
            If rows have no value at all: they have no line.

        Notes
        -----
        Expectations are linear in the encoded cells, with mean and covariance of the
        training rows. The suspects are the one sensor, or the two whose faults mask
        each other, whose absence lowers the distance most (reconstruction-based
        contributions). Two sensors that measure the same cannot be distinguished:
        either may be named.

        References
        ----------
        C. F. Alcala and S. J. Qin, "Reconstruction-based contribution for process
        monitoring", Automatica 45(7), 2009.
        """
        check_is_fitted(self)
        import pandas

        batch = self._read(X)
        chosen = row_numbers(rows, len(batch))
        if not isinstance(n_sensors, Integral) or n_sensors < 1:
            raise ValueError(
                f"n_sensors={n_sensors!r} must be an int of at least 1; pass 3 for the "
                "three sensors that contribute most."
            )
        batch = batch.take(chosen)
        scores = self._ensemble.score(batch)
        columns = explanation(self._explainer, batch, scores, int(n_sensors))
        names = np.array([*check_feature_names_in(self), None], dtype=object)
        for name in ("sensor", "broken_with"):
            columns[name] = names[columns[name]]
        columns["row"] = chosen[columns["row"]]
        index = index_of(X)
        index = None if index is None else index[columns["row"]]
        return pandas.DataFrame(columns, index=index).infer_objects()

    def smoothed_offset(self, smoothing, *, groups=None):
        """Return the threshold for scores that are smoothed over time.

        What `offset_` is for single rows, for ``smoothing.smooth(score_samples(X))``:
        the same rule on `calibration_scores_` after smoothing. Smoothing narrows the
        spread of scores, and `offset_` would hardly ever be exceeded.

        Parameters
        ----------
        smoothing : Smoothing
            How scores are smoothed, :class:`~skdae.timeseries.EWMA` for instance.
        groups : array-like of shape (n_samples,), default=None
            Group of each row of `fit` (unit, run), each smoothed by itself. None: the
            groups of `fit`, or else one.

        Returns
        -------
        float
            Threshold; a smoothed score below it is an alarm.

        Warns
        -----
        UserWarning
            If there are too few rows for `false_alarm_rate`; it names the number.

        Notes
        -----
        The rows of `fit` must have been in time order. Smoothed scores of neighbours
        are alike and count for fewer independent rows, so that strong smoothing makes
        the rate less certain. With `smoothing` as a parameter of the detector this is
        its `offset_`.
        """
        check_is_fitted(self)
        groups = self._blocks if groups is None else groups
        smoothed = smoothing.smooth(self.calibration_scores_, groups=groups)
        if self.contamination != "auto":
            return share_threshold(smoothed[~np.isnan(smoothed)], self.contamination)
        limit = self._limit(-smoothed[self._calibrated], smoothing)
        return self._offset(limit)

    def _object_for(self, name, value):
        none = name == "transformer" and value is None
        return default_transformer("detector") if none else None

    def __sklearn_is_fitted__(self):
        return hasattr(self, "offset_")

    def _phase_tables(self):
        members = getattr(self, "members_", [])
        if members:
            title = f"Phases of the first of {len(members)} networks, as trained"
            transformer = self.transformer or GradualDAETransformer()
            rate = float(transformer.learning_rate_init)
            return [PhaseTable(title, members[0].phases, rate)]
        if self.transformer is None:  # the number of rows decides
            return []
        return phase_tables(self.transformer, "each network")

    # --- steps of fit ----------------------------------------------------------------

    def _fit(self, X: Any, groups: Any) -> None:
        """Set the fitted attributes."""
        transformer = self.transformer or GradualDAETransformer()
        schema, raw = Schema.fit(
            self,
            X,
            categorical_features=categorical_features_of(self, transformer),
        )
        if self.smoothing is not None:
            self.smoothing.check()
        is_ordered = self._is_ordered(X, raw, schema, groups)
        if is_ordered:
            _warn_of_index(X, groups)
        calibration = self._calibration(is_ordered, groups)
        training = self._training(schema, raw, is_ordered, groups)
        partition = self._partition(schema, raw, calibration, groups, training)
        rounds = self._rounds(training, partition)
        columns = list(range(len(training.names)))
        if self._is_choice(training.names):
            columns = columns_that_find_more(rounds, training, ~schema.is_categorical)
        ensemble, held_out = self._ensemble_of(rounds, training, columns)
        if calibration == "blocked":
            ensemble = ensemble.with_disagreement(
                rounds[0].fold_of, partition.gap, held_out, training.batch
            ).with_slow_movement(training.batch, partition.gap)
        scores = -ensemble.combine_held_out(held_out, training.batch)
        inliers = training.inliers
        self.table_encoder_, self._ensemble = training.encoder, ensemble
        self._explainer = Explainer.learn(
            training.encoder, raw[inliers & ~empty_rows(raw)]
        )
        self.score_names_, self.members_ = ensemble.names, ensemble.members
        self.lags_, self.is_ordered_ = training.lags, is_ordered
        self.calibration_scores_ = scores
        self._calibrated = inliers & ~np.isnan(scores)
        self._blocks = groups  # smoothed by themselves; named so in model files
        self._calibrate(training.batch, len(rounds[-1].members), partition)

    def _training(
        self, schema: Schema, raw: np.ndarray, is_ordered: bool, groups: Any
    ) -> Training:
        """Return the rows to learn from, and which scores learn from them."""
        transformer = self.transformer or default_transformer("detector", len(raw))
        rows = training_rows(raw, None)
        check_rows(rows, at_least=2)
        encoder = TableEncoder.fit(schema, raw, rows.index, scaling=transformer.scaling)
        trim, n_neighbors = self._robustness(len(raw))
        inliers = find_inliers(encoder, raw, trim, n_neighbors)
        names = self._scores(is_ordered, encoder, raw, inliers, groups)
        lags = self._lags(names, is_ordered, raw, len(encoder.column_of))
        batch = Batch.of(raw, lags, groups)
        return Training(
            transformer, encoder, batch, inliers, names, n_neighbors, lags, is_ordered
        )

    def _partition(
        self,
        schema: Schema,
        raw: np.ndarray,
        calibration: Any,
        groups: Any,
        training: Training,
    ) -> Partition:
        """Return which rows are held out together."""
        stretch = None
        if calibration == "blocked":
            stretch = stretches(raw[:, ~schema.is_categorical])
        elif self.contamination == "auto" and calibration == "random":
            groups = duplicate_groups(raw, 2) if groups is None else groups
        n_splits = number_of_folds(self.n_splits, calibration, len(raw), groups)
        return Partition(
            calibration, len(raw), n_splits, groups, training.lags, stretch
        )

    def _rounds(self, training: Training, partition: Partition) -> list[Round]:
        """Train networks for all folds, as often as there are `n_estimators`."""
        streams = spawn_streams(self.random_state)
        rounds = []
        for _ in range(self.n_estimators):
            folds = partition.folds(int(streams.split.integers(2**31)))
            seeds = streams.init.integers(2**31, size=len(folds))
            rounds.append(fit_round(self, training, folds, seeds))
        return rounds

    def _ensemble_of(
        self, rounds: list[Round], training: Training, columns: list[int]
    ) -> tuple[Ensemble, np.ndarray]:
        """Return the networks with some of their scores, and these of held-out rows."""
        names = tuple(training.names[column] for column in columns)
        held_out = mean_scores([each.scores for each in rounds], training.is_ordered)
        held_out = held_out[:, columns]
        if self.contamination == "auto":
            warn_of_contamination(contamination_scores(training, names, held_out))
        members = [
            member
            if len(columns) == len(training.names)
            else member.with_scores(columns)
            for each in rounds
            for member in each.members
        ]
        ensemble = Ensemble.learn(
            training.encoder,
            names,
            members,
            held_out,
            training.inliers,
            training.batch,
            training.is_ordered,
        )
        return ensemble, held_out

    def _is_ordered(self, X: Any, raw: np.ndarray, schema: Schema, groups: Any) -> bool:
        """Return whether rows are in time order, by parameters, the index or values."""
        if isinstance(self.calibration, str) and self.calibration == "blocked":
            return True
        if index_seconds(X) is not None and index_fault(X, groups) is None:
            return True
        order = numeric_order(raw, schema.is_categorical, groups)
        return order.is_ordered or moves_together(
            raw[:, ~schema.is_categorical], groups
        )

    def _scores(
        self,
        is_ordered: bool,
        encoder: TableEncoder,
        raw: np.ndarray,
        inliers: np.ndarray,
        groups: Any,
    ) -> tuple[str, ...]:
        """Return the names of the scores; 'auto' depends on the rows."""
        if not (isinstance(self.scores, str) and self.scores == "auto"):
            return check_scores(self.scores)
        if not is_ordered:
            return COMBINATION
        is_normal = is_nearly_normal(encoder.encode(raw)[0], inliers, groups)
        return COMBINATION_IN_ORDER if is_normal else COMBINATION_OF_GROUPS

    def _calibration(self, is_ordered: bool, groups: Any) -> Any:
        """Return which rows are held out together; warn where that promises nothing."""
        if not isinstance(self.calibration, str):
            return self.calibration
        if self.calibration == "auto":
            # no rate is to be promised, and blocks would leave out whole groups
            is_share = self.contamination != "auto"
            is_blocked = is_ordered and groups is None and not is_share
            return "blocked" if is_blocked else "random"
        is_leaking = self.calibration == "random" and is_ordered and groups is None
        if is_leaking and self.contamination == "auto":
            warnings.warn(
                "The rows of X are in time order: with calibration='random' the "
                f"false_alarm_rate of {self.false_alarm_rate:g} holds for rows between "
                "those of X and not for later ones. Set calibration='auto' or "
                "'blocked', or pass groups.",
                UserWarning,
                stacklevel=user_stacklevel(),
            )
        return self.calibration

    def _is_choice(self, names: tuple[str, ...]) -> bool:
        """Return whether simulated faults decide on the scores."""
        return names == COMBINATION_IN_ORDER and isinstance(self.scores, str)

    def _lags(
        self,
        names: tuple[str, ...],
        is_ordered: bool,
        raw: np.ndarray,
        n_features: int,
    ) -> int:
        """Return how many rows before a row are scored with it."""
        if "window" not in views_of(names):
            return 0
        if self.lags != "auto":
            return int(self.lags)
        if not is_ordered or holds_windows(raw):
            return 0
        width = (1 + LAGS) * n_features
        is_narrow = width <= min(MAX_WINDOW, len(raw) / MIN_ROWS_PER_FEATURE)
        return LAGS if is_narrow else FEW_LAGS

    def _robustness(self, n_rows: int) -> tuple[float, int]:
        """Return the share of rows that is left out, and the number of neighbours."""
        trim, n_neighbors = self.trim, self.n_neighbors
        is_clean = self.contamination == "auto"
        if trim == "auto":
            trim = 0.0 if is_clean else TRIM
        if n_neighbors == "auto":
            several = max(NEIGHBORS, min(ROBUST_NEIGHBORS, n_rows // 8))
            n_neighbors = NEIGHBORS if is_clean else several
        return float(trim), int(n_neighbors)

    def _calibrate(self, batch: Batch, n_splits: int, partition: Partition) -> None:
        """Set the threshold, and what it rests on."""
        scores = self._smoothed(self.calibration_scores_, self._blocks)
        limit = self._limit(-scores[self._calibrated], self.smoothing)
        if self.contamination == "auto":
            rate, rule = self.false_alarm_rate, limit.rule
            warn_of_few_rows(rate, limit)
            self.offset_ = self._offset(limit)
        else:
            rate, rule = self.contamination, "share of the training rows"
            scores = self._smoothed(-self._ensemble.score(batch), self._blocks)
            self.offset_ = share_threshold(scores, rate)
        self._fitted_limit = limit
        self.calibration_report_ = CalibrationReport(
            rate=rate,
            promised_rate=promised_rate(rate, limit),
            interval=rate_interval(rate, limit),
            n_rows=int(self._calibrated.sum()),
            n_effective=limit.n_effective,
            rule=rule,
            n_splits=n_splits,
            lags=self.lags_,
            n_stretches=partition.n_stretches,
        )

    def _limit(self, scores: np.ndarray, smoothing: Smoothing | None) -> Limit:
        """Return where anomaly scores of new normal rows lie, (n,) in time order."""
        to_log, rate = self._ensemble.combination.to_log, self.false_alarm_rate
        found = to_log(scores)
        if not self.is_ordered_:
            return ConformalQuantile.learn(found)
        spread = self._ensemble.disagreement.spread_like_new(
            found, None if smoothing is None else smoothing.smooth
        )
        limit = PredictionLimit.learn(spread, rate)
        slow = self._ensemble.slow
        if slow is None:
            return limit
        single = to_log(-self.calibration_scores_[self._calibrated])
        n_averaged = number_averaged(single, found)
        return limit.extrapolated(spread, rate, slow, n_averaged)

    def _offset(self, limit: Limit) -> float:
        """Return the score below which a row is an outlier."""
        log_threshold = np.array([limit.threshold(self.false_alarm_rate)])
        threshold = float(self._ensemble.combination.from_log(log_threshold)[0])
        # the training row that it is has no alarm, in whatever batch it comes
        return -threshold - ROUNDING * abs(threshold)

    def _smoothed(self, scores: np.ndarray, groups: Any = None) -> np.ndarray:
        """Return scores of rows in time order, smoothed where that is asked for."""
        if self.smoothing is None:
            return scores
        return self.smoothing.smooth(scores, groups=groups)

    def _read(self, X: Any) -> Batch:
        """Return rows to be scored; warn of those that cannot be."""
        batch = Batch.of(self.table_encoder_.read(self, X), self.lags_)
        if self.lags_ or self.smoothing is not None:
            _warn_of_index(X, None)
        n_empty = int(empty_rows(batch.raw).sum())
        if n_empty:
            warnings.warn(
                f"{n_empty} of the rows of X have no value at all and count as normal; "
                "count missing cells to find silent sensors.",
                UserWarning,
                stacklevel=user_stacklevel(),
            )
        return batch


def _warn_of_index(X: Any, groups: Any) -> None:
    """Warn of rows whose dates contradict their order, in which they are scored."""
    row = index_fault(X, groups)
    if row is not None:
        warnings.warn(
            f"The dates in the index of X decrease after row {row}, and rows are "
            "scored with those before them; pass the rows of one unit at a time, "
            "sorted by time.",
            UserWarning,
            stacklevel=user_stacklevel(),
        )
