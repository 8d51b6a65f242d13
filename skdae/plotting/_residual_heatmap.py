"""Heat map of residuals over time."""

from numbers import Real
from typing import Any

import numpy as np

from skdae._transformer import _outputs
from skdae._transformer._checks import check_transformer
from skdae.plotting._axes import PALE, SMALL, legend_above, panels, pyplot
from skdae.plotting._inputs import (
    check_count,
    labels,
    numbers,
    positions,
)
from skdae.plotting._timeline import Timeline, index_time, timeline_of

QUANTILE = 0.995  # of the absolute residuals, at which colours saturate
MIN_LIMIT = 2.0  # standard deviations; noise alone is drawn in pale colours


class ResidualHeatmapDisplay:
    """Residuals of each sensor over time, in standard deviations of the sensor.

    Red: the measured value is above its prediction from the other sensors; blue: below.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples, n_features)
        Measured minus reconstructed, in standard deviations of the sensor; NaN in
        missing cells.
    time : ndarray of shape (n_samples,), default=None
        Time of each row, numbers or dates, never decreasing; None counts the rows.
    time_label : str, default=None
        Label of the time axis; None takes it from `time`.
    feature_names : sequence of str, default=None
        Names of the sensors; None numbers them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    mesh_ : matplotlib QuadMesh
        The colours, (n_features, n_blocks), first sensor at the top.
    colorbar_ : matplotlib Colorbar
        Their scale.
    features_ : list of int
        Column of each line, from the top down.

    See Also
    --------
    ReconstructionDisplay : A few sensors in the user's units.

    Notes
    -----
    More rows than `max_blocks` are joined into blocks of neighbours, and a block shows
    its residual of largest magnitude, so that short faults stay visible. There is a gap
    where time jumps by more than 20 of its median steps.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.plotting import ResidualHeatmapDisplay
    >>> display = ResidualHeatmapDisplay(np.random.default_rng(0).normal(size=(50, 3)))
    >>> display.plot().mesh_.get_array().shape
    (3, 50)
    """

    def __init__(self, residuals, *, time=None, time_label=None, feature_names=None):
        self.residuals = residuals
        self.time = time
        self.time_label = time_label
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        time=None,
        features=None,
        limit=None,
        max_blocks=1000,
        ax=None,
    ):
        """Draw the residuals of a fitted transformer.

        They are those of ``output='error'``, with missing cells marked.

        Parameters
        ----------
        estimator : GradualDAETransformer
            The fitted transformer.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order, with the columns seen in `fit`.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X if it holds
            numbers or dates, else the row number.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is all.
        limit : float, default=None
            Residual at which colours saturate, in standard deviations. None is the
            value that 0.5 % of the residuals exceed, and at least 2.
        max_blocks : int, default=1000
            Maximum number of blocks of rows.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : ResidualHeatmapDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is not a GradualDAETransformer.

        Examples
        --------
        >>> from skdae import GradualDAETransformer
        >>> from skdae.datasets import make_sensor_data
        >>> from skdae.plotting import ResidualHeatmapDisplay
        >>> X = make_sensor_data(300, n_sensors=6, as_frame=True, random_state=0).data
        >>> dae = GradualDAETransformer((8, 4), max_iter=6, random_state=0).fit(X)
        >>> display = ResidualHeatmapDisplay.from_estimator(dae, X)
        >>> display.ax_.get_yticklabels()[0].get_text()
        'temperature_01'
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        check_transformer(estimator, caller, "call from_predictions")
        raw = estimator.table_encoder_.read(estimator, X)
        return cls.from_predictions(
            _outputs.outputs_of(estimator, _outputs.residuals, raw),
            time=index_time(time, X),
            feature_names=getattr(estimator, "feature_names_in_", None),
            features=features,
            limit=limit,
            max_blocks=max_blocks,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        residuals,
        *,
        time=None,
        feature_names=None,
        features=None,
        limit=None,
        max_blocks=1000,
        ax=None,
    ):
        """Draw the residuals of any model.

        Parameters
        ----------
        residuals : array-like or DataFrame of shape (n_samples, n_features)
            Measured minus reconstructed, in standard deviations of the sensor, as
            ``output='error'`` returns them; NaN in missing cells.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of the residuals
            if it holds numbers or dates, else the row number.
        feature_names : sequence of str, default=None
            Names of the sensors; None is those of the residuals.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is all.
        limit : float, default=None
            Residual at which colours saturate, in standard deviations. None is the
            value that 0.5 % of the residuals exceed, and at least 2.
        max_blocks : int, default=1000
            Maximum number of blocks of rows.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : ResidualHeatmapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the residuals are not a numeric table, or their time decreases.
        """
        values, names = numbers(residuals, "residuals")
        display = cls(
            values,
            time=index_time(time, residuals),
            feature_names=labels(feature_names, values.shape[1], names),
        )
        return display.plot(ax, features=features, limit=limit, max_blocks=max_blocks)

    def plot(self, ax=None, *, features=None, limit=None, max_blocks=1000):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.
        features : str, int or sequence of them, default=None
            Sensors to draw, by name or index, from the top down; None is all.
        limit : float, default=None
            Residual at which colours saturate, in standard deviations. None is the
            value that 0.5 % of the residuals exceed, and at least 2.
        max_blocks : int, default=1000
            Maximum number of blocks of rows.

        Returns
        -------
        self : ResidualHeatmapDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the residuals.
        """
        values, _ = numbers(self.residuals, "residuals")
        names = labels(self.feature_names, values.shape[1])
        chosen = positions(range(len(names)) if features is None else features, names)
        check_count(max_blocks, "max_blocks")
        limit = _limit(limit, values[:, chosen])
        caller = f"{type(self).__name__}.plot"
        pyplot(caller)
        timeline = timeline_of(self, len(values))
        size = (9, float(np.clip(1.6 + 0.2 * len(chosen), 2.8, 9)))
        (ax,) = panels(ax, caller, size, [1.0])
        self.mesh_, self.colorbar_ = draw_map(
            ax,
            timeline,
            values[:, chosen],
            [names[j] for j in chosen],
            max_blocks,
            label="residual (standard deviations of the sensor)",
            bar={"extend": "both", "aspect": 30},
            colors={"cmap": "RdBu_r", "vmin": -limit, "vmax": limit},
        )
        if np.ma.is_masked(self.mesh_.get_array()):
            from matplotlib.patches import Patch

            legend_above(ax, [Patch(facecolor=PALE, label="missing")])
        timeline.finish([ax])
        self.features_, self.ax_, self.figure_ = chosen, ax, ax.figure
        return self


def _limit(limit: Any, values: np.ndarray) -> float:
    """Return the residual at which colours saturate."""
    if limit is None:
        sizes = np.abs(values[np.isfinite(values)])
        return max(MIN_LIMIT, float(np.quantile(sizes, QUANTILE)) if len(sizes) else 0)
    if not isinstance(limit, Real) or not 0 < float(limit) < np.inf:
        raise ValueError(
            f"limit={limit!r} must be a number above 0, in standard deviations; pass "
            "None to take it from the residuals."
        )
    return float(limit)


def draw_map(
    ax: Any,
    timeline: Timeline,
    values: np.ndarray,
    names: list[str],
    max_blocks: int,
    *,
    label: str,
    bar: dict[str, Any],
    colors: dict[str, Any],
) -> tuple[Any, Any]:
    """Return the mesh of blocks of rows, the first feature at the top, and its bar."""
    edges, blocks, n_joined = timeline.blocks(values, max_blocks)
    cells, lines = np.ma.masked_invalid(blocks.T), np.arange(len(names) + 1) - 0.5
    mesh = ax.pcolormesh(edges, lines, cells, rasterized=True, **colors)
    ax.set_facecolor(PALE)  # visible in cells without a value
    height = ax.get_window_extent().height / ax.figure.dpi * 72  # points
    step = -(-len(names) // max(1, int(height / SMALL)))  # as many names as fit
    ax.set_yticks(range(0, len(names), step), names[::step], fontsize=SMALL - 1)
    ax.set_ylim(len(names) - 0.5, -0.5)
    colorbar = ax.figure.colorbar(mesh, ax=ax, pad=0.015, **bar)
    if n_joined > 1:
        label += f",\nthe largest of {n_joined} rows"
    colorbar.set_label(label, fontsize=SMALL)
    return mesh, colorbar
