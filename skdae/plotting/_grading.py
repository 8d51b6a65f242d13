"""Plot of the defects of each sensor."""

import numpy as np

from skdae._grading import CHECKS, VERDICTS, grade
from skdae.plotting._axes import ORANGE, PALE, SKY, SMALL, VERMILION, one_axes

DEFECTS = ("missing", "constant", "duplicate", *[n for n in CHECKS if n != "missing"])
NONE = "none"  # of a defect that a sensor does not have
COLORS = {NONE: PALE, "keep": SKY, "check": ORANGE, "drop": VERMILION}
INCHES = 0.24  # height of a sensor


class GradingDisplay:
    """Which defects each sensor has, in the colour of its verdict.

    Parameters
    ----------
    grading : Grading
        What :func:`skdae.grade` returned.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    image_ : matplotlib AxesImage
        The matrix: a row per sensor, a column per defect; 0 where it was not found,
        else 1 plus the place of the verdict among 'keep', 'check' and 'drop'.

    See Also
    --------
    skdae.grade : Finds the defects.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae.plotting import GradingDisplay
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> X[:, 1] = 7
    >>> display = GradingDisplay.from_table(X)
    >>> display.image_.get_array().max(axis=1).tolist()
    [0, 3]
    """

    def __init__(self, grading):
        self.grading = grading

    @classmethod
    def from_table(cls, X, *, time=None, ax=None):
        """Grade the sensors of a table and draw what was found.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order.
        time : array-like of shape (n_samples,), default=None
            Time of each row, to sort the rows by.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : GradingDisplay
            The display, drawn.
        """
        return cls(grade(X, time)).plot(ax)

    def plot(self, ax=None):
        """Draw the matrix of sensors and defects.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        self : GradingDisplay
            The display, with `ax_` and `figure_`.
        """
        sensors = self.grading.sensors
        size = (7.2, 1.6 + INCHES * len(sensors))
        ax = one_axes(ax, f"{type(self).__name__}.plot", size)
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch

        level = [1 + VERDICTS.index(verdict) for verdict in sensors["verdict"]]
        is_found = [[name in found for name in DEFECTS] for found in sensors["defects"]]
        values = np.array(is_found, dtype=int) * np.reshape(level, (-1, 1))
        self.image_ = ax.imshow(
            values,
            vmin=0,
            vmax=len(VERDICTS),
            cmap=ListedColormap(list(COLORS.values())),
            aspect="auto",
        )
        ax.set_xticks(np.arange(len(DEFECTS)), DEFECTS, rotation=45, ha="right")
        ax.set_yticks(np.arange(len(sensors)), sensors.index, fontsize=SMALL)
        ax.set(ylabel="sensor")
        patches = [Patch(color=COLORS[name], label=name) for name in VERDICTS]
        ax.legend(
            handles=patches, title="verdict", loc="upper left", bbox_to_anchor=(1, 1)
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self
