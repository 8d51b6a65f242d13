"""Plot of the loss of each epoch, by phase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdae.plotting._axes import BLUE, SMALL, VERMILION, legend_beside, one_axes, pyplot
from skdae.plotting._inputs import check_log, column

BAND = "#f1f1f1"  # behind every other phase
LOG_FACTOR = 10.0  # largest over smallest loss, above which the axis is logarithmic
LETTER = 0.62  # mean width of a letter, in font sizes


@dataclass(frozen=True)
class _Segment:
    """Epochs of a phase, drawn as one line."""

    name: str
    start: int  # number of epochs before it
    stop: int
    is_on_code: bool  # whether the loss is that of codes


def _segments(n_epochs: int, phases: Sequence[Any]) -> list[_Segment]:
    """Return the phases as segments; epochs after them belong to `partial_fit`."""
    found, start = [], 0
    for phase in phases:
        name = f"{phase.kind}\ndepth {phase.depth}"
        stop = start + phase.epochs
        found.append(_Segment(name, start, stop, phase.corrupt == "code"))
        start = stop
    if start > n_epochs:
        raise ValueError(
            f"phases holds {start} epochs and loss_curve {n_epochs}; pass the phases "
            "of the same fit."
        )
    if start < n_epochs:
        name = "partial_fit" if phases else ""
        found.append(_Segment(name, start, n_epochs, False))
    return found


class TrainingCurveDisplay:
    """Loss of each epoch with the phases of the schedule.

    The loss of a phase that trains on corrupted codes (stacked) is not comparable with
    that of rows and is drawn dotted. Names that do not fit into a phase are omitted.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean training loss of each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Loss of the held-out rows after each epoch.
    phases : sequence of Phase or of PhaseRecord, default=()
        Phases of the epochs, in order. Epochs after the last phase are passes of
        `partial_fit`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    lines_ : list of matplotlib Line2D
        Training loss, one line per phase.
    validation_lines_ : list of matplotlib Line2D
        Validation loss, one line per phase.
    boundaries_ : ndarray of shape (n_boundaries,)
        Boundaries between phases, midway between two epochs.

    See Also
    --------
    ScheduleComparisonDisplay : Compares schedules.

    Examples
    --------
    >>> from skdae.plotting import TrainingCurveDisplay
    >>> from skdae.schedules import gradual
    >>> display = TrainingCurveDisplay([5, 4, 3, 2.5], phases=gradual(2, 4)).plot()
    >>> display.boundaries_.tolist()
    [2.5]
    """

    def __init__(self, loss_curve, *, validation_loss_curve=None, phases=()):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.phases = phases

    @classmethod
    def from_estimator(cls, estimator, *, log_scale="auto", ax=None):
        """Draw the loss of a fitted estimator.

        Parameters
        ----------
        estimator : GradualDAETransformer, GradualDAEClassifier or GradualDAERegressor
            A fitted estimator with a `loss_curve_`. For a network of a detector use
            ``TrainingCurveDisplay(detector.members_[0].loss_curve)``.
        log_scale : bool or 'auto', default='auto'
            Whether the loss axis is logarithmic. With 'auto' it is, if the largest loss
            exceeds ten times the smallest.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no loss curve.

        Examples
        --------
        >>> from skdae import GradualDAETransformer
        >>> from skdae.datasets import make_sensor_data
        >>> from skdae.plotting import TrainingCurveDisplay
        >>> X = make_sensor_data(300, n_sensors=6, random_state=0).data
        >>> dae = GradualDAETransformer((8, 4), max_iter=6, random_state=0).fit(X)
        >>> len(TrainingCurveDisplay.from_estimator(dae).lines_)
        2
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            raise TypeError(
                f"estimator={type(estimator).__name__} has no loss_curve_; pass the "
                "network that it holds, for example pipeline[-1], or draw "
                "TrainingCurveDisplay(detector.members_[0].loss_curve)."
            )
        display = cls(
            estimator.loss_curve_,
            validation_loss_curve=getattr(estimator, "validation_loss_curve_", None),
            phases=getattr(estimator, "phases_", ()),
        )
        return display.plot(ax, log_scale=log_scale)

    def plot(self, ax=None, *, log_scale="auto"):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.
        log_scale : bool or 'auto', default='auto'
            Whether the loss axis is logarithmic. With 'auto' it is, if the largest loss
            exceeds ten times the smallest.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the curves and the phases differ in length.
        """
        loss = column(self.loss_curve, "loss_curve")
        curves, name = [loss], "validation_loss_curve"
        if self.validation_loss_curve is not None:
            curves.append(column(self.validation_loss_curve, name, len(loss)))
        segments = _segments(len(loss), self.phases)
        every = np.concatenate(curves)
        is_log = check_log(log_scale, every, float(np.nanmin(every)), LOG_FACTOR)
        ax = one_axes(ax, f"{type(self).__name__}.plot", (8, 4.2))
        if is_log:
            ax.set_yscale("log")
        self.lines_ = self._draw(ax, loss, segments, BLUE, "training rows")
        self.validation_lines_ = []
        if len(curves) == 2:
            self.validation_lines_ = self._draw(
                ax, curves[1], segments, VERMILION, "held-out rows"
            )
        self.boundaries_ = np.array([each.start + 0.5 for each in segments[1:]])
        ax.set(xlim=(0.5, len(loss) + 0.5), xlabel="epoch")
        ax.set_ylabel("loss (mean over the rows)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        self._mark_phases(ax, segments)
        if len(curves) == 2 or any(each.is_on_code for each in segments):
            legend_beside(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @staticmethod
    def _draw(
        ax: Any, curve: np.ndarray, segments: list[_Segment], color: str, label: str
    ) -> list[Any]:
        """Return one line per phase; the first of each kind is in the legend."""
        lines, named = [], set()
        for each in segments:
            rows = slice(each.start, each.stop)
            epochs = np.arange(each.start, each.stop) + 1
            (line,) = ax.plot(
                epochs,
                curve[rows],
                color=color,
                linestyle=":" if each.is_on_code else "-",
                linewidth=1.6,
                # a line needs two epochs
                marker="o" if len(epochs) == 1 else None,
                markersize=3,
            )
            if each.is_on_code not in named:
                named.add(each.is_on_code)
                line.set_label(f"{label}, codes" if each.is_on_code else label)
            lines.append(line)
        return lines

    @staticmethod
    def _mark_phases(ax: Any, segments: list[_Segment]) -> None:
        """Shade every other phase and write their names above the axes."""
        for each in segments[1::2]:
            ax.axvspan(each.start + 0.5, each.stop + 0.5, color=BAND, zorder=0, lw=0)
        for each in segments[1:]:
            ax.axvline(each.start + 0.5, color="#9a9a9a", lw=0.8, zorder=1)
        if not any(each.name for each in segments):
            return
        n_epochs = segments[-1].stop
        width = ax.get_window_extent().width / ax.figure.dpi * 72  # points
        available = [(each.stop - each.start) / n_epochs * width for each in segments]
        letters = [max(map(len, each.name.split("\n"))) for each in segments]
        fits = all(
            n * LETTER * SMALL <= space
            for n, space in zip(letters, available, strict=True)
        )
        shown = list(zip(segments, available, strict=True))
        if not fits:  # rotated text, omitted where a phase is too short
            shown = [(each, space) for each, space in shown if space >= 1.3 * SMALL]
        top = ax.secondary_xaxis("top")
        top.set_xticks(
            [(each.start + each.stop + 1) / 2 for each, _ in shown],
            [each.name if fits else each.name.replace("\n", ", ") for each, _ in shown],
            fontsize=SMALL,
            rotation=0 if fits else 90,
        )
        top.tick_params(length=0)
