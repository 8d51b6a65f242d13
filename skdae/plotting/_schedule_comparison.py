"""Plot that compares schedules on the same splits."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from skdae._random import spawn_streams
from skdae._statistics import split_mean
from skdae._transformer._checks import check_transformer
from skdae._transformer._parameters import resolve_parameters
from skdae.plotting._axes import BLACK, CYCLE, GREY, legend_above, one_axes, pyplot
from skdae.plotting._inputs import check_count, numbers
from skdae.schedules import SCHEDULES, Schedule, at_equal_updates


@dataclass(eq=False, repr=False)
class ScheduleComparisonDisplay:
    """Scores of schedules on the same splits, with means and confidence intervals.

    Splits differ more than schedules do. The scores of a split are therefore joined by
    a line, and with a `reference` the paired differences from it are drawn: a
    difference is significant if its interval excludes zero.

    Parameters
    ----------
    scores : ndarray of shape (n_splits, n_schedules)
        Score of each schedule on each split; a row is one split.
    schedules : sequence of str
        Names of the schedules.
    reference : str, default=None
        Schedule that the others are compared with; None draws the scores.
    confidence : float in (0, 1), default=0.95
        Level of the intervals.
    test_ratio : float, default=0.0
        Test rows over training rows of a split, for splits whose training rows
        overlap (cross-validation): intervals are corrected for the overlap [1]_. 0
        for repetitions that are independent.
    score_name : str, default='score'
        Name of the scores, with their unit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    means_ : ndarray of shape (n_schedules,)
        Mean of the drawn values over the splits.
    half_widths_ : ndarray of shape (n_schedules,)
        Half widths of the intervals; NaN for a single split.
    points_ : list of matplotlib Line2D
        The splits of each schedule.
    bars_ : list of matplotlib ErrorbarContainer
        Mean and interval of each schedule.
    split_lines_ : list of matplotlib Line2D
        Lines that join the scores of a split.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine
       Learning 52, 2003.

    Examples
    --------
    >>> from skdae.plotting import ScheduleComparisonDisplay
    >>> scores = [[0.61, 0.58], [0.72, 0.70], [0.55, 0.53]]
    >>> display = ScheduleComparisonDisplay.from_predictions(
    ...     scores, ["gradual", "stacked"], reference="stacked"
    ... )
    >>> display.means_.round(3).tolist()
    [0.023, 0.0]
    """

    scores: Any
    _: KW_ONLY
    schedules: Any
    reference: Any = None
    confidence: Any = 0.95
    test_ratio: Any = 0.0
    score_name: Any = "score"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        X_test,
        *,
        schedules=("gradual", "stacked", "hybrid", "frozen", "joint"),
        n_repeats=5,
        reference=None,
        confidence=0.95,
        random_state=None,
        ax=None,
    ):
        """Train with each schedule at the same number of weight updates, and score.

        The budget is that of the estimator's schedule. In each repetition all schedules
        have the same seed. The intervals are for other seeds, not for other rows: for
        those, use the scores of a cross-validation and call `from_predictions`.

        Parameters
        ----------
        estimator : GradualDAETransformer
            Cloned for each training; it need not be fitted. The score is its
            `score`: how well hidden cells are predicted.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        X_test : array-like or DataFrame of shape (n_test, n_features)
            Held-out rows for the scores of all networks.
        schedules : sequence of str, \
default=('gradual', 'stacked', 'hybrid', 'frozen', 'joint')
            Names of :data:`skdae.schedules.SCHEDULES`.
        n_repeats : int, default=5
            Trainings of each schedule, with other seeds.
        reference : str, default=None
            Schedule that the others are compared with; None draws the scores.
        confidence : float in (0, 1), default=0.95
            Level of the intervals.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the seeds.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : ScheduleComparisonDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If a schedule does not exist.

        Examples
        --------
        >>> from skdae import GradualDAETransformer
        >>> from skdae.datasets import make_sensor_data
        >>> from skdae.plotting import ScheduleComparisonDisplay
        >>> X = make_sensor_data(300, n_sensors=6, random_state=0).data
        >>> display = ScheduleComparisonDisplay.from_estimator(
        ...     GradualDAETransformer((8, 4), max_iter=6),
        ...     X[:200],
        ...     X[200:],
        ...     schedules=("gradual", "stacked"),
        ...     n_repeats=2,
        ...     random_state=0,
        ... )
        >>> display.scores.shape
        (2, 2)
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        instead = "call from_predictions with scores"
        check_transformer(estimator, caller, instead, is_fitted=False)
        check_count(n_repeats, "n_repeats")
        schedules = _names(schedules)
        unknown = [name for name in schedules if name not in SCHEDULES]
        if unknown:
            raise ValueError(
                f"schedules holds {unknown} and must hold names of {sorted(SCHEDULES)}."
            )
        own = resolve_parameters(estimator).plan
        plans = [
            at_equal_updates(_with_parameters_of(estimator.schedule, name), own)
            for name in schedules
        ]
        seeds = spawn_streams(random_state).init.integers(2**31, size=n_repeats)
        scores = [
            [
                clone(estimator)
                .set_params(schedule=plan, random_state=int(seed))
                .fit(X)
                .score(X_test)
                for plan in plans
            ]
            for seed in seeds
        ]
        return cls.from_predictions(
            scores,
            schedules,
            reference=reference,
            confidence=confidence,
            score_name="score of hidden cells (1 is perfect)",
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        scores,
        schedules=None,
        *,
        reference=None,
        confidence=0.95,
        test_ratio=0.0,
        score_name="score",
        ax=None,
    ):
        """Draw given scores.

        Parameters
        ----------
        scores : array-like or DataFrame of shape (n_splits, n_schedules)
            Score of each schedule on each split; a row is one split.
        schedules : sequence of str, default=None
            Names of the schedules; None is the columns of a DataFrame.
        reference : str, default=None
            Schedule that the others are compared with; None draws the scores.
        confidence : float in (0, 1), default=0.95
            Level of the intervals.
        test_ratio : float, default=0.0
            Test rows over training rows of a split, for splits whose training rows
            overlap (0.25 for cross-validation with 5 folds).
        score_name : str, default='score'
            Name of the scores, with their unit.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : ScheduleComparisonDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the scores and the names differ in number.
        """
        values, names = numbers(scores, "scores")
        schedules = names if schedules is None else schedules
        if schedules is None:
            raise ValueError(
                "schedules=None needs scores in a DataFrame, whose columns are the "
                "names; pass the names."
            )
        display = cls(
            values,
            schedules=_names(schedules),
            reference=reference,
            confidence=confidence,
            test_ratio=test_ratio,
            score_name=score_name,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw the results.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        self : ScheduleComparisonDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the scores and the names differ in number, or a parameter is out of
            its range.
        """
        names, drawn = self._drawn()
        n_splits, n_schedules = drawn.shape
        size = (7, 1.3 + 0.5 * n_schedules)
        ax = one_axes(ax, f"{type(self).__name__}.plot", size)
        found = [split_mean(values, self.test_ratio) for values in drawn.T]
        self.means_ = np.array([each.mean for each in found])
        widths = [each.half_width(self.confidence) for each in found]
        self.half_widths_ = np.array(widths)
        lines = np.arange(n_schedules)
        if self.reference is not None:
            ax.axvline(0, color=BLACK, lw=0.8, zorder=1)
        self.split_lines_ = [
            ax.plot(values, lines, color="#c8c8c8", lw=0.8, zorder=1)[0]
            for values in drawn
        ]
        self.points_, self.bars_ = [], []
        for line, values in enumerate(drawn.T):
            self._draw_schedule(ax, line, values)
        ax.set_yticks(lines, names)
        ax.set_ylim(n_schedules - 0.5, -0.6)
        label = self.score_name
        if self.reference is not None:
            label = f"{label}: difference from {self.reference}"
        ax.set_xlabel(label)
        ax.grid(axis="x", color="#e6e6e6", lw=0.8)
        ax.set_axisbelow(True)
        self._legend(ax, n_splits)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_schedule(self, ax: Any, line: int, values: np.ndarray) -> None:
        """Draw the splits of a schedule, and above them its mean and interval."""
        color, width = CYCLE[line % len(CYCLE)], self.half_widths_[line]
        places = np.full(len(values), line)
        style: dict[str, Any]
        style = {"markersize": 5, "markeredgewidth": 0, "alpha": 0.55, "zorder": 2}
        self.points_ += ax.plot(values, places, "o", color=color, **style)
        style = {"marker": "D", "markersize": 6, "capsize": 4, "lw": 1.8, "zorder": 3}
        self.bars_.append(
            ax.errorbar(
                self.means_[line],
                line - 0.22,
                xerr=None if np.isnan(width) else width,
                color=color,
                **style,
            )
        )

    def _drawn(self) -> tuple[list[str], np.ndarray]:
        """Return the names, and the checked scores or differences."""
        scores, _ = numbers(self.scores, "scores")
        names = _names(self.schedules)
        if len(names) != scores.shape[1]:
            raise ValueError(
                f"schedules holds {len(names)} names and scores {scores.shape[1]} "
                "columns; pass a name for each column."
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                "scores holds values that are missing or infinite, and paired scores "
                "need all schedules on each split; drop the splits that lack one."
            )
        if not 0 < self.confidence < 1:
            raise ValueError(
                f"confidence={self.confidence!r} must lie between 0 and 1; pass 0.95 "
                "for 95 %."
            )
        if not 0 <= self.test_ratio < np.inf:
            raise ValueError(
                f"test_ratio={self.test_ratio!r} must be at least 0: test rows over "
                "training rows of a split."
            )
        if self.reference is None:
            return names, scores
        if self.reference not in names:
            raise ValueError(
                f"reference={self.reference!r} must be one of the schedules {names}, "
                "or None."
            )
        return names, scores - scores[:, [names.index(self.reference)]]

    def _legend(self, ax: Any, n_splits: int) -> None:
        """Explain points and bars, in a neutral colour."""
        from matplotlib.lines import Line2D

        splits, mean = "1 score", "mean"
        if n_splits > 1:
            splits = f"{n_splits} paired scores, joined by lines"
            mean = f"mean and {self.confidence:.0%} interval"
        style: dict[str, Any] = {"color": GREY, "linestyle": "none"}
        points = Line2D([], [], marker="o", markersize=5, label=splits, **style)
        bars = Line2D([], [], marker="D", markersize=6, label=mean, **style)
        legend_above(ax, [points, bars])


def _with_parameters_of(schedule: Any, name: str) -> Schedule:
    """Return the named schedule, with what parameters it shares with another one."""
    given = schedule.get_params() if isinstance(schedule, Schedule) else {}
    own = SCHEDULES[name]().get_params()
    return SCHEDULES[name](**{key: given[key] for key in own if key in given})


def _names(schedules: Any) -> list[str]:
    """Return the names of schedules, which must be unique."""
    if isinstance(schedules, str):
        schedules = [schedules]
    names = [str(name) for name in schedules]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"schedules={names} must hold at least one name, and no name twice."
        )
    return names
