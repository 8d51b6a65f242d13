"""Plot of anomaly scores over time, with contributions of sensors."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdae.plotting._axes import (
    BLACK,
    BLUE,
    ORANGE,
    VERMILION,
    legend_above,
    panels,
    pyplot,
)
from skdae.plotting._inputs import check_count, check_log, column, labels, numbers
from skdae.plotting._residual_heatmap import draw_map
from skdae.plotting._timeline import index_time, timeline_of

QUANTILE = 0.9  # of the largest contributions of alarms, at which colours saturate
LOG_FACTOR = 30.0  # largest over median score, above which the axis is logarithmic


@dataclass(eq=False, repr=False)
class AnomalyTimelineDisplay:
    """Anomaly scores over time with their threshold, and contributions of sensors.

    A row is an alarm if its score exceeds the threshold. The panel below shows the
    sensors that contribute most to the alarms.

    Parameters
    ----------
    anomaly_scores : ndarray of shape (n_samples,)
        Anomaly score of each row: minus `score_samples`. NaN where there is none.
    threshold : float, default=None
        The score above which a row is an alarm: minus `offset_`. None draws none.
    contributions : ndarray of shape (n_samples, n_features), default=None
        Contribution of each sensor to the score of the row.
    y : ndarray of bool of shape (n_samples,), default=None
        Rows known to be faulty, which are shaded.
    time : ndarray of shape (n_samples,), default=None
        Time of each row, numbers or dates, never decreasing; None counts the rows.
    time_label : str, default=None
        Label of the time axis; None takes it from `time`.
    feature_names : sequence of str, default=None
        Names of the sensors; None numbers them.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (1,) or (2,)
        Scores and, with contributions, sensors.
    figure_ : matplotlib Figure
        Their figure.
    line_ : matplotlib Line2D
        The scores.
    threshold_line_ : matplotlib Line2D or None
        The threshold.
    alarms_ : ndarray of bool of shape (n_samples,)
        Rows above the threshold.
    alarm_marks_ : matplotlib Line2D or None
        Their marks.
    features_ : list of int
        Sensors drawn, the one that contributes most first.
    mesh_ : matplotlib QuadMesh or None
        Their contributions.

    See Also
    --------
    skdae.timeseries.EWMA : Smooths scores; calibrate the threshold on smoothed ones.

    Notes
    -----
    Contributions of more rows than `max_blocks` are joined into blocks of neighbours,
    each of which shows its contribution of the largest size. Lines are broken where
    time jumps by more than 20 of its median steps.

    Examples
    --------
    >>> from skdae.plotting import AnomalyTimelineDisplay
    >>> display = AnomalyTimelineDisplay([0.5, 0.7, 3.1, 0.6], threshold=1.5).plot()
    >>> display.alarms_.tolist()
    [False, False, True, False]
    """

    anomaly_scores: Any
    _: KW_ONLY
    threshold: Any = None
    contributions: Any = None
    y: Any = None
    time: Any = None
    time_label: Any = None
    feature_names: Any = None

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        time=None,
        max_features=6,
        log_scale="auto",
        max_blocks=1000,
        ax=None,
    ):
        """Score rows by a fitted detector and draw the scores.

        Parameters
        ----------
        estimator : GradualDAEOutlierDetector or other outlier detector
            A fitted detector with `score_samples` and `offset_`. The sensors are
            drawn where it has `contributions`.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order, with the columns seen in `fit`.
        y : array-like of shape (n_samples,), default=None
            Rows known to be faulty (True or not 0), which are shaded.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X if it holds
            numbers or dates, else the row number.
        max_features : int, default=6
            Maximum number of sensors.
        log_scale : bool or 'auto', default='auto'
            Whether the score axis is logarithmic. With 'auto' it is, if all scores are
            positive and the largest exceeds 30 times the median.
        max_blocks : int, default=1000
            Maximum number of blocks of rows in the panel of contributions.
        ax : matplotlib Axes or sequence of them, default=None
            One Axes per panel, or one to be divided; None makes a new figure.

        Returns
        -------
        display : AnomalyTimelineDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no scores or no threshold.

        Examples
        --------
        >>> from skdae import GradualDAEOutlierDetector, GradualDAETransformer
        >>> from skdae.datasets import make_sensor_data
        >>> from skdae.plotting import AnomalyTimelineDisplay
        >>> plant = make_sensor_data(400, n_sensors=6, random_state=0)
        >>> detector = GradualDAEOutlierDetector(
        ...     GradualDAETransformer((8, 4), max_iter=6),
        ...     calibration="blocked",
        ...     contamination=0.05,
        ...     random_state=0,
        ... ).fit(plant.data)
        >>> display = AnomalyTimelineDisplay.from_estimator(detector, plant.data)
        >>> bool(display.threshold == -detector.offset_)
        True
        """
        pyplot(f"{cls.__name__}.from_estimator")
        _check_detector(estimator)
        scores = estimator.score_samples(X)
        smoothing = getattr(estimator, "smoothing", None)
        if smoothing is not None:  # as its threshold is
            scores = smoothing.smooth(scores)
        explains = hasattr(estimator, "contributions")
        return cls.from_predictions(
            np.asarray(scores),
            y,
            offset=estimator.offset_,
            contributions=estimator.contributions(X) if explains else None,
            time=index_time(time, X),
            feature_names=getattr(estimator, "feature_names_in_", None),
            max_features=max_features,
            log_scale=log_scale,
            max_blocks=max_blocks,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        score_samples,
        y=None,
        *,
        offset=None,
        contributions=None,
        time=None,
        feature_names=None,
        max_features=6,
        log_scale="auto",
        max_blocks=1000,
        ax=None,
    ):
        """Draw the scores of any detector, for example smoothed scores.

        Parameters
        ----------
        score_samples : array-like of shape (n_samples,)
            Score of each row in time order, as `score_samples` returns it: lower is
            more anomalous. NaN where there is none.
        y : array-like of shape (n_samples,), default=None
            Rows known to be faulty (True or not 0), which are shaded.
        offset : float, default=None
            The score below which a row is an alarm, as in `offset_`; None draws none.
        contributions : array-like or DataFrame of shape (n_samples, n_features), \
default=None
            Contribution of each sensor to the anomaly score of the row.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of the scores or of
            the contributions if it holds numbers or dates, else the row number.
        feature_names : sequence of str, default=None
            Names of the sensors; None is those of the contributions.
        max_features : int, default=6
            Maximum number of sensors.
        log_scale : bool or 'auto', default='auto'
            Whether the score axis is logarithmic. With 'auto' it is, if all scores are
            positive and the largest exceeds 30 times the median.
        max_blocks : int, default=1000
            Maximum number of blocks of rows in the panel of contributions.
        ax : matplotlib Axes or sequence of them, default=None
            One Axes per panel, or one to be divided; None makes a new figure.

        Returns
        -------
        display : AnomalyTimelineDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the arrays do not have the same rows.
        """
        scores = column(score_samples, "score_samples")
        time, names = index_time(time, score_samples), None
        if contributions is not None:
            time = index_time(time, contributions)
            contributions, names = numbers(contributions, "contributions")
        display = cls(
            -scores,
            threshold=None if offset is None else -float(offset),
            contributions=contributions,
            y=y,
            time=time,
            feature_names=names if feature_names is None else feature_names,
        )
        return display.plot(
            ax, max_features=max_features, log_scale=log_scale, max_blocks=max_blocks
        )

    def plot(self, ax=None, *, max_features=6, log_scale="auto", max_blocks=1000):
        """Draw the scores and the sensors.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One Axes per panel, or one to be divided; None makes a new figure.
        max_features : int, default=6
            Maximum number of sensors.
        log_scale : bool or 'auto', default='auto'
            Whether the score axis is logarithmic. With 'auto' it is, if all scores are
            positive and the largest exceeds 30 times the median.
        max_blocks : int, default=1000
            Maximum number of blocks of rows in the panel of contributions.

        Returns
        -------
        self : AnomalyTimelineDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays do not have the same rows or a parameter is out of its range.
        """
        scores = column(self.anomaly_scores, "anomaly_scores")
        n_rows = len(scores)
        check_count(max_features, "max_features")
        check_count(max_blocks, "max_blocks")
        contributions = self._checked_contributions(n_rows)
        faulty = _faulty(self.y, n_rows)
        finite = scores[np.isfinite(scores)]
        low = float(np.median(finite)) if len(finite) else 0.0
        is_log = check_log(log_scale, scores, low, LOG_FACTOR)
        caller = f"{type(self).__name__}.plot"
        pyplot(caller)
        timeline = timeline_of(self, n_rows)
        heights, height = [1.0], 3.0
        if contributions is not None:
            n_features = min(max_features, contributions.shape[1])
            lower = 0.5 + 0.23 * n_features
            heights, height = [2.3, lower], 3.0 + lower
        axes = panels(ax, caller, (9, height), heights)
        self._draw_scores(axes[0], timeline, scores, faulty, is_log)
        self.features_, self.mesh_ = [], None
        if contributions is not None:
            self._draw_contributions(
                axes[1], timeline, contributions, max_features, max_blocks
            )
        timeline.finish(axes)
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    def _checked_contributions(self, n_rows: int) -> np.ndarray | None:
        """Return the contributions, one row per score."""
        if self.contributions is None:
            return None
        contributions, _ = numbers(self.contributions, "contributions")
        if len(contributions) != n_rows:
            raise ValueError(
                f"contributions has {len(contributions)} rows and must have {n_rows}, "
                "one for each score; pass those of the same rows."
            )
        return contributions

    def _draw_scores(self, ax, timeline, scores, faulty, is_log) -> None:
        """Draw scores, threshold, alarms and known faults."""
        if is_log:
            ax.set_yscale("log")
        (self.line_,) = ax.plot(
            timeline.x, timeline.spread(scores), color=BLUE, lw=0.9, label="score"
        )
        handles = [self.line_]
        self.threshold_line_ = self.alarm_marks_ = None
        self.alarms_ = np.zeros(len(scores), dtype=bool)
        if self.threshold is not None:
            label = f"threshold {self.threshold:.3g}"
            style = {"color": BLACK, "lw": 1, "ls": "--"}
            self.threshold_line_ = ax.axhline(self.threshold, label=label, **style)
            self.alarms_ = scores > self.threshold
            label = f"alarm ({self.alarms_.sum():,} of {len(scores):,} rows)"
            style = {"color": VERMILION, "markersize": 2.6, "label": label}
            self.alarm_marks_ = timeline.mark(ax, scores, self.alarms_, **style)
            handles += [self.threshold_line_, self.alarm_marks_]
        if faulty is not None:
            # lines keep a single row of many visible
            style = {"color": ORANGE, "alpha": 0.35, "lw": 1, "label": "known fault"}
            spans = [ax.axvspan(*ends, **style) for ends in timeline.spans(faulty)]
            handles += spans[:1]
        ax.set_ylabel("anomaly score")
        legend_above(ax, handles)

    def _draw_contributions(
        self, ax, timeline, contributions, max_features, max_blocks
    ) -> None:
        """Draw the sensors that contribute most to alarms, or to all rows if none."""
        names = labels(self.feature_names, contributions.shape[1])
        selected = contributions[self.alarms_] if self.alarms_.any() else contributions
        selected = np.nan_to_num(selected, nan=0.0)
        order = np.argsort(-selected.sum(axis=0), kind="stable")
        self.features_ = order[:max_features].tolist()
        limit = float(np.quantile(selected.max(axis=1), QUANTILE))
        self.mesh_, _ = draw_map(
            ax,
            timeline,
            contributions[:, self.features_],
            [names[j] for j in self.features_],
            max_blocks,
            label="contribution",
            bar={"extend": "max", "aspect": 12},
            colors={"cmap": "Blues", "vmin": 0, "vmax": limit if limit > 0 else 1.0},
        )


def _check_detector(estimator: Any) -> None:
    """Raise unless it is a fitted estimator with scores and a threshold."""
    for needed in ("score_samples", "offset_"):
        if not hasattr(estimator, needed):
            check_is_fitted(estimator)
            raise TypeError(
                f"estimator={type(estimator).__name__} has no {needed}, which an "
                "outlier detector has; pass one, or call from_predictions with the "
                "scores and a threshold."
            )


def _faulty(y: Any, n_rows: int) -> np.ndarray | None:
    """Return which rows are known to be faulty."""
    if y is None:
        return None
    known = column(y, "y", n_rows)
    return (known != 0) & ~np.isnan(known)
