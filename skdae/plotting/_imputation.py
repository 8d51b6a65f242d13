"""Plot of a column with its imputed cells and the band of their draws."""

from copy import copy
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdae._imputer import GradualDAEImputer
from skdae.plotting._axes import BLUE, VERMILION, legend_above, one_axes, pyplot
from skdae.plotting._inputs import check_count, column, labels, numbers, positions
from skdae.plotting._timeline import index_time, timeline_of

LEVEL = 0.9  # of the band


@dataclass(eq=False, repr=False)
class ImputationDisplay:
    """Measured and imputed values of one column, with a band around the imputed ones.

    Nine in ten draws of an imputed cell lie in the band.

    Parameters
    ----------
    measured : ndarray of shape (n_samples,)
        Values of the column, NaN where missing.
    imputed : ndarray of shape (n_samples,)
        The same with its missing cells filled.
    draws : ndarray of shape (n_draws, n_samples)
        The same filled with draws.
    time : ndarray of shape (n_samples,), default=None
        Time of each row, numbers or dates, never decreasing; None counts the rows.
    time_label : str, default=None
        Label of the time axis; None takes it from `time`.
    name : str, default=None
        Name of the column.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        Their figure.
    line_ : matplotlib Line2D
        Measured values.
    imputed_marks_ : matplotlib Line2D
        Imputed values.
    band_ : matplotlib PolyCollection
        The band.
    low_, high_ : ndarray of shape (n_samples,)
        Its ends: 5 % and 95 % quantiles of the draws, the value itself where measured.

    Examples
    --------
    >>> from skdae.plotting import ImputationDisplay
    >>> nan = float("nan")
    >>> display = ImputationDisplay(
    ...     [1.0, nan, 3.0], [1.0, 2.1, 3.0], [[1.0, 1.9, 3.0], [1.0, 2.3, 3.0]]
    ... ).plot()
    >>> display.high_.round(2).tolist()
    [1.0, 2.28, 3.0]
    """

    measured: Any
    imputed: Any
    draws: Any
    _: KW_ONLY
    time: Any = None
    time_label: Any = None
    name: Any = None

    @classmethod
    def from_estimator(
        cls, estimator, X, feature, *, groups=None, time=None, n_draws=40, ax=None
    ):
        """Impute a table and draw one column.

        Parameters
        ----------
        estimator : GradualDAEImputer
            A fitted imputer.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`; more rows around the gaps to show make
            their estimates better.
        feature : int or str
            The numeric column to show, by index or name.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, as in `GradualDAEImputer.transform`.
        time : array-like of shape (n_samples,), default=None
            Time of each row, numbers or dates; None is the index of X if it holds
            numbers or dates, else the row number.
        n_draws : int, default=40
            Number of draws, of which the band covers nine in ten.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : ImputationDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is not an imputer.
        NotFittedError
            If it is not fitted.
        ValueError
            If `feature` is not one column of X, X has other columns than in `fit`, or
            `n_draws` is not a positive integer.

        Examples
        --------
        >>> from skdae import GradualDAEImputer
        >>> from skdae.datasets import make_sensor_data
        >>> from skdae.plotting import ImputationDisplay
        >>> plant = make_sensor_data(400, n_sensors=6, as_frame=True, random_state=0)
        >>> table = plant.data.copy()
        >>> table.iloc[100:120, 0] = float("nan")
        >>> imputer = GradualDAEImputer(n_refinements=0, random_state=0).fit(table)
        >>> display = ImputationDisplay.from_estimator(imputer, table, "temperature_01")
        >>> bool((display.low_ <= display.high_).all())
        True
        """
        pyplot(f"{cls.__name__}.from_estimator")
        if not isinstance(estimator, GradualDAEImputer):
            raise TypeError(
                f"estimator={type(estimator).__name__} of "
                f"{cls.__name__}.from_estimator must be a GradualDAEImputer; of other "
                f"imputers, pass the filled column and draws to {cls.__name__}."
            )
        check_is_fitted(estimator)
        check_count(n_draws, "n_draws")
        drawing = copy(estimator).set_params(n_imputations=n_draws)
        drawing.sample_posterior = False
        cells, seen = numbers(X, "X")
        names = labels(None, cells.shape[1], seen)
        (j,) = positions(feature, names)
        filled = numbers(drawing.transform(X, groups), "X")[0][:, j]
        tables = drawing.sample_imputations(X, groups)
        return cls(
            cells[:, j],
            filled,
            np.array([numbers(each, "X")[0][:, j] for each in tables]),
            time=index_time(time, X),
            name=names[j],
        ).plot(ax)

    def plot(self, ax=None):
        """Draw the column.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        self : ImputationDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays do not have the same rows.
        """
        measured = column(self.measured, "measured")
        imputed = column(self.imputed, "imputed", len(measured))
        draws, _ = numbers(self.draws, "draws")
        if draws.shape[1] != len(measured):
            raise ValueError(
                f"draws has the shape {draws.shape} and must be (n_draws, "
                f"{len(measured)}): one value for each row of `measured` in each draw; "
                "pass one column of each imputed table."
            )
        ax = one_axes(ax, f"{type(self).__name__}.plot", (9, 3.2))
        timeline = timeline_of(self, len(measured))
        missing = np.isnan(measured)
        ends = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        self.low_, self.high_ = np.where(missing, ends, measured)
        self.band_ = ax.fill_between(
            timeline.x,
            timeline.spread(self.low_),
            timeline.spread(self.high_),
            color=VERMILION,
            alpha=0.3,
            lw=0,
            label=f"{LEVEL:.0%} of draws",
        )
        (self.line_,) = ax.plot(
            timeline.x, timeline.spread(measured), color=BLUE, lw=1.1, label="measured"
        )
        style = {"color": VERMILION, "markersize": 2.4, "label": "imputed"}
        self.imputed_marks_ = timeline.mark(ax, imputed, missing, **style)
        if self.name is not None:
            ax.set_ylabel(str(self.name))
        legend_above(ax, [self.line_, self.imputed_marks_, self.band_])
        timeline.finish([ax])
        self.ax_, self.figure_ = ax, ax.figure
        return self
