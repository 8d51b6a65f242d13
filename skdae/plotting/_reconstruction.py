"""Plot of measured and reconstructed values over time."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from skdae._transformer import _outputs
from skdae._transformer._checks import check_transformer
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
    labels,
    numbers,
    positions,
)
from skdae.plotting._timeline import Timeline, index_time, timeline_of


def _deviation(residuals: np.ndarray) -> np.ndarray:
    """Return the root of the mean squared residual of each column, 0 without any."""
    import pandas

    return np.sqrt(pandas.DataFrame(residuals**2).mean().fillna(0).to_numpy())


def _scale_of(scale: Any, measured: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column: given, or that of the rows."""
    n_columns = measured.shape[1]
    if scale is None:
        import pandas

        found = pandas.DataFrame(measured).std(ddof=0).to_numpy()
        return np.where(found > 0, found, 1.0)
    found = np.asarray(scale, dtype=float)
    if found.shape != (n_columns,) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(
            f"scale must hold one standard deviation above 0 for each of the "
            f"{n_columns} columns with numbers, and has the shape {found.shape}; pass "
            "None for that of the rows."
        )
    return found


@dataclass(eq=False, repr=False)
class ReconstructionDisplay:
    """Measured and reconstructed values of each sensor over time.

    Sensors with the largest deviations come first. Imputed values of missing cells are
    marked.

    Parameters
    ----------
    measured : ndarray of shape (n_samples, n_features)
        Measured values, NaN where there are none.
    reconstructed : ndarray of shape (n_samples, n_features)
        Reconstructed values.
    scale : ndarray of shape (n_features,), default=None
        Standard deviation of each sensor, the unit of deviations; None is that of the
        measured rows.
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
        Panels, from the top down.
    figure_ : matplotlib Figure
        Their figure.
    features_ : list of int
        Column of each panel.
    deviations_ : ndarray of shape (n_features,)
        Root of the mean squared residual of each sensor, in its standard deviations.
    lines_ : list of (Line2D, Line2D)
        Measured and reconstructed line of each panel.
    missing_ : list of (Line2D or None)
        Marks of the imputed cells of each panel.

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

    measured: Any
    reconstructed: Any
    _: KW_ONLY
    scale: Any = None
    time: Any = None
    time_label: Any = None
    feature_names: Any = None
    units: Any = None

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
        """Reconstruct rows with the network of a fitted transformer and draw them.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The fitted transformer. Its categorical columns are left out.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order, with the columns seen in `fit`.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X if it holds
            numbers or dates, else the row number.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is those with the
            largest deviations.
        max_features : int, default=6
            Maximum number of sensors if `features` is None.
        units : mapping of str to str, default=None
            Unit of a sensor, by its name.
        ax : matplotlib Axes or sequence of them, default=None
            One Axes per panel, or one to be divided; None makes a new figure.

        Returns
        -------
        display : ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is not a GradualDAETransformer.

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
        check_transformer(estimator, caller, "call from_predictions")
        encoder = estimator.table_encoder_
        raw = encoder.read(estimator, X)
        reconstructed = _outputs.outputs_of(
            estimator, _outputs.network_reconstruction, raw
        )
        names = labels(getattr(estimator, "feature_names_in_", None), raw.shape[1])
        return cls.from_predictions(
            raw[:, encoder.numeric].astype(float),
            reconstructed[:, encoder.numeric],
            scale=encoder.metric.scale,
            time=index_time(time, X),
            feature_names=[names[j] for j in encoder.numeric],
            features=features,
            max_features=max_features,
            units=units,
            ax=ax,
        )

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
        """Draw rows and their reconstruction by any model.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Measured rows in time order; NaN in missing cells. Columns of a DataFrame
            that are not numeric are omitted.
        reconstructed : array-like or DataFrame of shape (n_samples, n_features)
            The reconstructed rows.
        scale : array-like of shape (n_features,), default=None
            Standard deviation of each sensor, the unit of deviations; None is that of
            the rows of X.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X if it holds
            numbers or dates, else the row number.
        feature_names : sequence of str, default=None
            Names of the sensors; None is those of X.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is those with the
            largest deviations.
        max_features : int, default=6
            Maximum number of sensors if `features` is None.
        units : mapping of str to str, default=None
            Unit of a sensor, by its name.
        ax : matplotlib Axes or sequence of them, default=None
            One Axes per panel, or one to be divided; None makes a new figure.

        Returns
        -------
        display : ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the tables differ in shape or are not numeric.
        """
        measured, names = numbers(X, "X")
        reconstructed, _ = numbers(reconstructed, "reconstructed")
        display = cls(
            measured,
            reconstructed,
            scale=scale,
            time=index_time(time, X),
            feature_names=labels(feature_names, measured.shape[1], names),
            units=units,
        )
        return display.plot(ax, features=features, max_features=max_features)

    def plot(self, ax=None, *, features=None, max_features=6):
        """Draw one panel per sensor.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One Axes per panel, or one to be divided; None makes a new figure.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is those with the
            largest deviations.
        max_features : int, default=6
            Maximum number of sensors if `features` is None.

        Returns
        -------
        self : ReconstructionDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the tables differ in shape, or a sensor does not exist.
        """
        measured, _ = numbers(self.measured, "measured")
        reconstructed, _ = numbers(self.reconstructed, "reconstructed")
        if measured.shape != reconstructed.shape:
            raise ValueError(
                f"measured has the shape {measured.shape} and reconstructed the shape "
                f"{reconstructed.shape}; pass tables of the same rows and columns."
            )
        check_count(max_features, "max_features")
        names = labels(self.feature_names, measured.shape[1])
        scale = _scale_of(self.scale, measured)
        deviations = _deviation((measured - reconstructed) / scale)
        if features is None:
            chosen = np.argsort(-deviations, kind="stable")[:max_features].tolist()
        else:
            chosen = positions(features, names)
        caller = f"{type(self).__name__}.plot"
        pyplot(caller)
        timeline = timeline_of(self, len(measured))
        size = (9, 0.9 + 1.15 * len(chosen))
        axes = panels(ax, caller, size, [1.0] * len(chosen))
        self.lines_, self.missing_ = [], []
        for panel, j in zip(axes, chosen, strict=True):
            columns = measured[:, j], reconstructed[:, j]
            lines, marks = self._draw(panel, timeline, *columns)
            self.lines_.append(lines)
            self.missing_.append(marks)
            unit = (self.units or {}).get(names[j])
            title = f"{names[j]} [{unit}]" if unit else names[j]
            title += f", off by {deviations[j]:.2g} standard deviations"
            panel.set_title(title, loc="left", fontsize=SMALL, pad=3)
            panel.margins(y=0.1)
            panel.tick_params(labelsize=SMALL - 1)
        timeline.finish(axes)
        marks = [found for found in self.missing_ if found is not None]
        legend_above(axes[0], [*self.lines_[0], *marks[:1]])
        self.features_, self.deviations_ = chosen, deviations
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    @staticmethod
    def _draw(ax: Any, timeline: Timeline, measured, reconstructed) -> tuple[Any, Any]:
        """Return the lines of measured and reconstructed values, and imputed marks."""
        lines = []
        for values, color, label in (
            (measured, BLUE, "measured"),
            (reconstructed, VERMILION, "reconstructed"),
        ):
            cells = timeline.spread(values)
            lines += ax.plot(timeline.x, cells, color=color, lw=1.1, label=label)
        missing = np.isnan(measured) & ~np.isnan(reconstructed)
        marks = None
        if missing.any():
            style = {"color": GREEN, "markersize": 3.2, "label": "imputed"}
            marks = timeline.mark(ax, reconstructed, missing, **style)
        return tuple(lines), marks
