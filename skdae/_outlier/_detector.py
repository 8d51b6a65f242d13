"""The outlier detector: anomaly scores, and thresholds from held-out rows."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from skdae._outlier._cross_fit import (
    Member,
    cross_fit,
    duplicate_groups,
    find_inliers,
    member_weights,
)
from skdae._outlier._ranks import neighbour_correlation
from skdae._outlier._scores import SCORES, Combination, check_scores
from skdae._outlier._thresholds import CALIBRATIONS, conformal_threshold, make_folds
from skdae._random import spawn_streams
from skdae._sklearn_compat import (
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
from skdae._transformer._defaults import default_transformer
from skdae._transformer._html import PhaseTable, PhaseTableMixin, phase_tables
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._parameters import check_rows
from skdae._transformer._transformer import GradualDAETransformer, input_tags_of

NEIGHBORS = 2
ROBUST_NEIGHBORS = 50  # so that outliers that are alike do not mask each other
ROUNDING = 1e-5  # of a score, between batches
IN_ORDER = 0.5  # correlation of neighbouring rows, as in records over time
TRIM = 0.35  # share of the training rows, where some of them are outliers


class GradualDAEOutlierDetector(PhaseTableMixin, OutlierMixin, NestedParametersMixin):
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
        rows, with 62 epochs.
    scores : str or sequence of str, default='auto'
        The anomaly scores. On the residuals of a row: 'squared_error', their mean
        square; 'scaled_error', each over its spread on rows not trained on;
        'whitened_error', their Mahalanobis distance under a shrunk covariance;
        'error_neighbors', the distance to the nearest residuals of other rows in the
        units of that covariance. On residuals of cells hidden from the network:
        'hidden_error' and 'whitened_hidden_error'. On codes: 'code_distance'
        (Mahalanobis) and 'code_neighbors'. On the table itself: 'distance',
        'neighbors' and 'rank_neighbors', the latter among normal scores of the ranks.
        Several names are combined: the mean excess over the median of the normal rows,
        on a logarithmic scale. 'auto' is ('whitened_error', 'error_neighbors',
        'neighbors', 'rank_neighbors').
    contamination : 'auto' or float in (0, 0.5], default='auto'
        'auto': the training rows count as normal, and the threshold meets
        `false_alarm_rate`. A number: the share of outliers among the training rows;
        training leaves anomalous rows out (`trim`), and the threshold is such that
        this share of the training rows is called outliers.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of new normal rows that may be called outliers, with
        ``contamination='auto'``. The threshold is a conformal quantile of the held-out
        rows: n of them promise a rate of ``1 / (n + 1)`` at best.
    n_estimators : int, default=1
        How often the folds are drawn and networks trained; their scores are averaged.
    calibration : {'random', 'blocked'} or splitter, default='random'
        Which rows are held out together. 'random': any, or whole groups when `fit` is
        given `groups`. 'blocked': consecutive rows, for rows in the order of time,
        whose neighbours are nearly copies. A splitter of scikit-learn must hold each
        row out at most once.
    n_splits : int, default=5
        Number of parts, each left out by one network. Not used with a splitter.
    n_neighbors : int or 'auto', default='auto'
        Rows that the scores of neighbours look at. 'auto' is 2 where the training rows
        count as normal and otherwise 50, or an eighth of the rows.
    trim : float in [0, 1) or 'auto', default='auto'
        Share of the training rows that is left out of training and calibration as the
        most anomalous, by the distance from a robust centre and from neighbours.
        'auto' is 0 where the training rows count as normal and otherwise 0.35.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the folds and of the networks.

    Attributes
    ----------
    members_ : list of Member
        The networks, as `network` and `encoder`, with what each score has learned.
    table_encoder_ : TableEncoder
        How tables are read.
    score_names_ : tuple of str
        Names of the scores that are used.
    offset_ : float
        The threshold: rows whose `score_samples` are below it are outliers.
    calibration_scores_ : ndarray of shape (n_samples,)
        Score of each training row by the networks that have not seen it; NaN for rows
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
    A row without a single value counts as normal, with a warning. New rows are scored
    by all networks, held-out rows by the one that left them out; an average is a little
    less extreme, so that the rate of false alarms is met from below. For a linear
    network without noise, 'code_distance' and 'squared_error' are the two statistics of
    a PCA monitor, Hotelling's T² and the squared prediction error.

    References
    ----------
    R. Foygel Barber, E. Candès, A. Ramdas and R. Tibshirani, "Predictive inference
    with the jackknife+", Annals of Statistics 49(1), 2021.

    Examples
    --------
    >>> from skdae import GradualDAEOutlierDetector, GradualDAETransformer
    >>> from skdae.datasets import make_sensor_data
    >>> plant = make_sensor_data(600, faults=(), random_state=0)
    >>> detector = GradualDAEOutlierDetector(
    ...     GradualDAETransformer((32, 8), max_iter=10),
    ...     calibration="blocked",
    ...     random_state=0,
    ... ).fit(plant.data)
    >>> bool((detector.predict(plant.data) == -1).mean() < 0.02)
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "transformer": [GradualDAETransformer, None],
        "scores": [StrOptions({"auto", *SCORES}), tuple, list],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "calibration": [StrOptions(set(CALIBRATIONS)), HasMethods("split")],
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "n_neighbors": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "trim": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state", HasMethods("integers")],
    }

    def __init__(
        self,
        transformer=None,
        *,
        scores="auto",
        contamination="auto",
        false_alarm_rate=0.01,
        n_estimators=1,
        calibration="random",
        n_splits=5,
        n_neighbors="auto",
        trim="auto",
        random_state=None,
    ):
        self.transformer = transformer
        self.scores = scores
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.n_estimators = n_estimators
        self.calibration = calibration
        self.n_splits = n_splits
        self.n_neighbors = n_neighbors
        self.trim = trim
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = input_tags_of(self.transformer)
        return tags

    # --- fit -------------------------------------------------------------------------

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
            Group of each row (unit, run, day); a group is held out as a whole. None:
            where the threshold meets `false_alarm_rate` and calibration is 'random',
            copies of a row are a group.

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
            If there are too few rows for `false_alarm_rate`; it names the number. If
            rows held out at random have neighbours that resemble them.
        """
        names = check_scores(self.scores)
        transformer = self.transformer or GradualDAETransformer()
        schema, raw = Schema.fit(
            self,
            X,
            categorical_features=transformer.categorical_features,
        )
        streams = spawn_streams(self.random_state)
        is_rate = self.contamination == "auto"  # or a share of these rows themselves
        if is_rate and self.calibration == "random" and groups is None:
            self._warn_of_order(raw[:, ~schema.is_categorical])
            groups = duplicate_groups(raw, self.n_splits)
        transformer = self.transformer or default_transformer("detector", len(raw))
        rows = training_rows(raw, None)
        check_rows(rows, at_least=2)
        encoder = TableEncoder.fit(schema, raw, rows.index, scaling=transformer.scaling)
        trim, n_neighbors = self._robustness(len(raw))
        inliers = find_inliers(encoder, raw, trim, n_neighbors)
        members: list[Member] = []
        held_out = np.zeros((len(raw), len(names)))
        for _ in range(self.n_estimators):
            seed = int(streams.split.integers(2**31))
            folds = make_folds(self.calibration, len(raw), self.n_splits, groups, seed)
            seeds = streams.init.integers(2**31, size=len(folds))
            fits = cross_fit(
                self, transformer, encoder, names, raw, inliers, folds, seeds
            )
            scores, found = fits.score(names, inliers, n_neighbors)
            held_out += scores / self.n_estimators
            members += found
        is_held_out = ~np.isnan(held_out).any(axis=1)
        combination = Combination.learn(held_out[inliers & is_held_out])
        scores = np.full(len(raw), np.nan)
        scores[is_held_out] = -combination.combine(held_out[is_held_out])
        self.table_encoder_ = encoder
        self.score_names_, self.members_ = names, members
        self._combination = combination
        self.calibration_scores_, self._calibrated = scores, inliers & is_held_out
        every = scores if is_rate else self._scores(raw)
        self.offset_ = self._threshold(scores, every)
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
        raw = self.table_encoder_.read(self, X)
        n_empty = int(empty_rows(raw).sum())
        if n_empty:
            warnings.warn(
                f"{n_empty} of the rows of X have no value at all and count as normal; "
                "count missing cells to find silent sensors.",
                UserWarning,
                stacklevel=2,
            )
        return self._scores(raw)

    def decision_function(self, X):
        """Return `score_samples` minus `offset_`: below 0 for outliers.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is more normal.
        """
        return self.score_samples(X) - self.offset_

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

    def contributions(self, X, as_frame=False):
        """Return what each column adds to the anomaly score of each row.

        The rows add up to minus `score_samples`. A score of residuals or of the table
        is a sum over columns; contributions to a Mahalanobis distance can be negative.
        A score of codes is divided by how the row differs from the rows it is compared
        with, and a combination of scores by the excess of each.

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
            Contributions, in the units of the score.
        """
        check_is_fitted(self)
        raw, names = self.table_encoder_.read(self, X), self.score_names_
        by_score = np.zeros((len(names), *raw.shape))
        for member, weights in zip(
            self.members_, member_weights(self.members_, raw).T, strict=True
        ):
            by_score += member.contributions(names, raw) * weights[:, None]
        contributions = self._combination.contributions(by_score)
        if not as_frame:
            return contributions
        import pandas

        columns = check_feature_names_in(self)
        return pandas.DataFrame(contributions, columns=columns, index=index_of(X))

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
            Group of each row of `fit` (unit, run), each smoothed by itself; None is
            one group.

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
        The rows of `fit` must have been in time order, best with
        ``calibration='blocked'``. Smoothed scores of neighbours are alike and count for
        fewer independent rows, so that strong smoothing makes the rate less certain.
        """
        check_is_fitted(self)
        smoothed = smoothing.smooth(self.calibration_scores_, groups=groups)
        return self._threshold(smoothed, smoothed)

    def _object_for(self, name, value):
        none = (name, value) == ("transformer", None)
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

    def _warn_of_order(self, numbers: np.ndarray) -> None:
        """Warn where near copies of rows held out at random are trained on."""
        if not numbers.shape[1]:
            return
        correlation = neighbour_correlation(numbers)
        if correlation > max(IN_ORDER, 3 / np.sqrt(len(numbers))):
            warnings.warn(
                f"Neighbouring rows are alike (correlation {correlation:.2f}), as "
                "records over time do: with calibration='random' the false_alarm_rate "
                f"of {self.false_alarm_rate:g} holds for rows between those of X and "
                "not for later ones. Set calibration='blocked', or pass groups.",
                UserWarning,
                stacklevel=3,
            )

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

    def _threshold(self, held_out: np.ndarray, every: np.ndarray) -> float:
        """Return the score below which a row is an outlier."""
        if self.contamination == "auto":
            threshold = conformal_threshold(
                -held_out[self._calibrated], self.false_alarm_rate
            )
            # the training row that it is has no alarm, in whatever batch it comes
            return -threshold - ROUNDING * abs(threshold)
        return float(np.nanpercentile(every, 100 * self.contamination))

    # --- steps of score_samples ------------------------------------------------------

    def _scores(self, raw: np.ndarray) -> np.ndarray:
        """Return the scores of rows by the networks that were not trained on them."""
        names = self.score_names_
        scores = np.zeros((len(raw), len(names)))
        for member, weights in zip(
            self.members_, member_weights(self.members_, raw).T, strict=True
        ):
            rows = np.flatnonzero(weights)
            if len(rows):
                found = member.score(names, raw[rows])
                scores[rows] += found * weights[rows, None]
        return -self._combination.combine(scores)
