"""Measured beside rebuilt, sensor by sensor over time."""

from typing import Any

import numpy as np

from skdae._transformer import _outputs
from skdae.plotting._axes import (
    BLUE,
    GREEN,
    SMALL,
    VERMILION,
    legend_above,
    panels,
    pyplot,
)
from skdae.plotting._inputs import (
    check_count,
    check_fitted_transformer,
    labels,
    numbers,
    positions,
    same_shape,
)
from skdae.plotting._timeline import Timeline, read_time


def _deviation(measured: np.ndarray, rebuilt: np.ndarray, scale: Any) -> np.ndarray:
    """Root of the mean squared residual of each column, over its measured cells."""
    residuals = (measured - rebuilt) / scale
    known = ~np.isnan(residuals)
    total = np.where(known, residuals**2, 0).sum(axis=0)
    return np.sqrt(total / np.maximum(known.sum(axis=0), 1))


def _scale_of(scale: Any, measured: np.ndarray) -> np.ndarray:
    """Standard deviation of each column: those given, or those of the rows."""
    n_columns = measured.shape[1]
    if scale is None:
        known = ~np.isnan(measured)
        n_known = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, measured, 0).sum(axis=0) / n_known
        variance = np.where(known, measured - mean, 0) ** 2
        found = np.sqrt(variance.sum(axis=0) / n_known)
        return np.where(found > 0, found, 1.0)
    found = np.asarray(scale, dtype=float)
    if found.shape != (n_columns,) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(
            f"scale must hold one standard deviation above 0 for each of the "
            f"{n_columns} columns with numbers, and has the shape {found.shape}; pass "
            "None for that of the rows."
        )
    return found


class ReconstructionDisplay:
    """Measured and rebuilt values of each sensor over time.

    The sensors that deviate most come first. Where nothing was measured, what the
    network fills in is marked.

    Parameters
    ----------
    measured : ndarray of shape (n_samples, n_features)
        Measured values, NaN where there are none.
    reconstructed : ndarray of shape (n_samples, n_features)
        Rebuilt values.
    scale : ndarray of shape (n_features,), default=None
        Standard deviation of each sensor, which deviations are measured in; None is
        that of the measured rows.
    time : ndarray of shape (n_samples,), default=None
        Time of each row, numbers or dates, never decreasing; None counts the rows.
    time_label : str, default=None
        Label of the time axis; None takes it from `time`.
    feature_names : sequence of str, default=None
        Names of the sensors; None numbers them.
    units : mapping of str to str, default=None
        Unit of a sensor, by its name.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_panels,)
        Where it is drawn, from the top down.
    figure_ : matplotlib Figure
        Their figure.
    features_ : list of int
        Column of each panel.
    deviations_ : ndarray of shape (n_features,)
        Root of the mean squared residual of each sensor, in its standard deviations.
    lines_ : list of (Line2D, Line2D)
        Measured and rebuilt line of each panel.
    missing_ : list of (Line2D or None)
        Marks of the missing cells of each panel.

    See Also
    --------
    ResidualHeatmapDisplay : All sensors at a glance.

    Notes
    -----
    A line is broken where time jumps by more than 20 of its median steps.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.plotting import ReconstructionDisplay
    >>> measured = np.array([[1.0, 5.0], [2.0, np.nan], [3.0, 9.0]])
    >>> display = ReconstructionDisplay(measured, np.full((3, 2), 2.0)).plot()
    >>> display.features_
    [1, 0]
    """

    def __init__(
        self,
        measured,
        reconstructed,
        *,
        scale=None,
        time=None,
        time_label=None,
        feature_names=None,
        units=None,
    ):
        self.measured = measured
        self.reconstructed = reconstructed
        self.scale = scale
        self.time = time
        self.time_label = time_label
        self.feature_names = feature_names
        self.units = units

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        time=None,
        features=None,
        max_features=6,
        units=None,
        ax=None,
    ):
        """Rebuild rows by a fitted transformer and draw them.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The fitted transformer. Its categorical columns are left out.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order, with the columns seen in `fit`.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X where that
            holds either, else the number of the row.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is those that
            deviate most.
        max_features : int, default=6
            Number of sensors drawn where `features` is None.
        units : mapping of str to str, default=None
            Unit of a sensor, by its name.
        ax : matplotlib Axes or sequence of them, default=None
            One axes for each panel, or one to be divided; None makes a figure.

        Returns
        -------
        display : ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is no GradualDAETransformer.

        Examples
        --------
        >>> from skdae import GradualDAETransformer
        >>> from skdae.datasets import make_sensor_data
        >>> from skdae.plotting import ReconstructionDisplay
        >>> X = make_sensor_data(300, n_sensors=6, as_frame=True, random_state=0).data
        >>> dae = GradualDAETransformer((8, 4), max_iter=6, random_state=0).fit(X)
        >>> display = ReconstructionDisplay.from_estimator(dae, X, max_features=2)
        >>> len(display.ax_)
        2
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        check_fitted_transformer(estimator, caller)
        raw = estimator.table_encoder_.read(estimator, X)
        rebuilt = _outputs.outputs_of(estimator, _outputs.reconstruction, raw)
        kept = estimator.table_encoder_.numeric
        time, time_label = read_time(time, X, len(raw))
        names = labels(getattr(estimator, "feature_names_in_", None), raw.shape[1])
        display = cls(
            raw[:, kept].astype(float),
            rebuilt[:, kept],
            scale=estimator.table_encoder_.metric.scale,
            time=time,
            time_label=time_label,
            feature_names=tuple(names[j] for j in kept),
            units=units,
        )
        return display.plot(ax, features=features, max_features=max_features)

    @classmethod
    def from_predictions(
        cls,
        X,
        reconstructed,
        *,
        scale=None,
        time=None,
        feature_names=None,
        features=None,
        max_features=6,
        units=None,
        ax=None,
    ):
        """Draw rows and what any model has made of them.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Measured rows in time order; NaN where nothing was measured. Columns of a
            DataFrame that hold no numbers are left out.
        reconstructed : array-like or DataFrame of shape (n_samples, n_features)
            The rebuilt rows.
        scale : array-like of shape (n_features,), default=None
            Standard deviation of each sensor, which deviations are measured in; None
            is that of the rows of X.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X where that
            holds either, else the number of the row.
        feature_names : sequence of str, default=None
            Names of the sensors; None is those of X.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is those that
            deviate most.
        max_features : int, default=6
            Number of sensors drawn where `features` is None.
        units : mapping of str to str, default=None
            Unit of a sensor, by its name.
        ax : matplotlib Axes or sequence of them, default=None
            One axes for each panel, or one to be divided; None makes a figure.

        Returns
        -------
        display : ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the tables do not go together or hold no numbers.
        """
        measured, names = numbers(X, "X")
        rebuilt, _ = numbers(reconstructed, "reconstructed")
        time, time_label = read_time(time, X, len(measured))
        display = cls(
            measured,
            rebuilt,
            scale=scale,
            time=time,
            time_label=time_label,
            feature_names=labels(feature_names, measured.shape[1], names),
            units=units,
        )
        return display.plot(ax, features=features, max_features=max_features)

    def plot(self, ax=None, *, features=None, max_features=6):
        """Draw one panel per sensor.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One axes for each panel, or one to be divided; None makes a figure.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is those that
            deviate most.
        max_features : int, default=6
            Number of sensors drawn where `features` is None.

        Returns
        -------
        self : ReconstructionDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the tables do not go together, or there is no such sensor.
        """
        measured, _ = numbers(self.measured, "measured")
        rebuilt, _ = numbers(self.reconstructed, "reconstructed")
        same_shape(measured, rebuilt, ("measured", "reconstructed"))
        check_count(max_features, "max_features")
        names = labels(self.feature_names, measured.shape[1])
        deviations = _deviation(measured, rebuilt, _scale_of(self.scale, measured))
        if features is None:
            chosen = np.argsort(-deviations, kind="stable")[:max_features].tolist()
        else:
            chosen = positions(features, names)
        caller = f"{type(self).__name__}.plot"
        pyplot(caller)
        time, label = read_time(self.time, None, len(measured), self.time_label)
        timeline = Timeline.of(time)
        size = (9, 0.9 + 1.15 * len(chosen))
        axes = panels(ax, caller, size, [1.0] * len(chosen))
        self.lines_, self.missing_ = [], []
        for panel, j in zip(axes, chosen, strict=True):
            self._draw(panel, timeline, measured[:, j], rebuilt[:, j])
            unit = (self.units or {}).get(names[j])
            title = f"{names[j]} [{unit}]" if unit else names[j]
            panel.set_title(
                f"{title}, off by {deviations[j]:.2g} standard deviations",
                loc="left",
                fontsize=SMALL,
                pad=3,
            )
            panel.margins(y=0.1)
            panel.tick_params(labelsize=SMALL - 1)
        timeline.finish(axes, label)
        self._legend(axes[0])
        self.features_, self.deviations_ = chosen, deviations
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    def _draw(
        self, ax: Any, timeline: Timeline, measured: np.ndarray, rebuilt: np.ndarray
    ) -> None:
        """Draw a sensor: what was measured, what is rebuilt, and where it had to be."""
        (seen,) = ax.plot(
            timeline.x, timeline.spread(measured), color=BLUE, lw=1.1, label="measured"
        )
        (line,) = ax.plot(
            timeline.x,
            timeline.spread(rebuilt),
            color=VERMILION,
            lw=1.1,
            label="reconstructed",
        )
        marks = None
        missing = np.isnan(measured) & ~np.isnan(rebuilt)
        if missing.any():
            (marks,) = ax.plot(
                timeline.x[timeline.rows][missing],
                rebuilt[missing],
                color=GREEN,
                linestyle="none",
                marker="o",
                markersize=3.2,
                label="filled, not measured",
            )
        self.lines_.append((seen, line))
        self.missing_.append(marks)

    def _legend(self, ax: Any) -> None:
        """Put one legend above the first panel, for the marks of any panel."""
        marks = [found for found in self.missing_ if found is not None]
        legend_above(ax, [*self.lines_[0], *marks[:1]])
