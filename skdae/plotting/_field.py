"""Plot of where a network moves the points of a plane."""

import numpy as np

from skdae.inspection import reconstruction_field
from skdae.plotting._axes import BLUE, GREY, legend_beside, one_axes
from skdae.plotting._inputs import labels, numbers

# Of an arrow, in steps of the grid: longer ones cover their neighbours.
MAX_LENGTH = 1.0


class ReconstructionFieldDisplay:
    """Arrows from the points of a plane towards what the network rebuilds of them.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Points of a regular grid.
    vectors : array-like of shape (n_points, 2)
        Reconstruction minus point. Arrows longer than a step of the grid are cut to it,
        so that they do not cover each other.
    rows : array-like of shape (n_samples, 2), default=None
        Rows of the table that are drawn below the arrows; None draws none.
    feature_names : sequence of two str, default=None
        Names of the columns; None: 'x0' and 'x1'.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    arrows_ : matplotlib Quiver
        The arrows.

    See Also
    --------
    skdae.inspection.reconstruction_field : Computes them.

    Examples
    --------
    >>> from skdae.plotting import ReconstructionFieldDisplay
    >>> points = [[0, 0], [1, 0], [0, 1], [1, 1]]
    >>> vectors = [[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]]
    >>> ReconstructionFieldDisplay(points, vectors).plot().arrows_.N
    4
    """

    def __init__(self, points, vectors, *, rows=None, feature_names=None):
        self.points = points
        self.vectors = vectors
        self.rows = rows
        self.feature_names = feature_names

    @classmethod
    def from_estimator(cls, estimator, X, *, columns=(0, 1), n_grid=20, ax=None):
        """Draw the field of a fitted transformer, and the rows.

        Parameters
        ----------
        estimator : GradualDAETransformer
            A fitted transformer.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, whose range is covered.
        columns : tuple of two ints, default=(0, 1)
            Positions of the two numeric columns; all others are missing.
        n_grid : int, default=20
            Number of points along each column.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : ReconstructionFieldDisplay
            The display, drawn.
        """
        field = reconstruction_field(estimator, X, columns=columns, n_grid=n_grid)
        rows = estimator.table_encoder_.read(estimator, X)[:, list(columns)]
        seen = getattr(estimator, "feature_names_in_", None)
        names = labels(None, estimator.n_features_in_, seen)
        return cls(
            field.points,
            field.vectors,
            rows=rows,
            feature_names=[names[j] for j in columns],
        ).plot(ax)

    def plot(self, ax=None):
        """Draw rows and arrows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        self : ReconstructionFieldDisplay
            The display, with `ax_` and `figure_`.
        """
        points, _ = numbers(self.points, "points")
        vectors, _ = numbers(self.vectors, "vectors")
        ax = one_axes(ax, f"{type(self).__name__}.plot", (7, 5))
        if self.rows is not None:
            rows, _ = numbers(self.rows, "rows")
            ax.plot(*rows.T, ".", color=GREY, ms=4, alpha=0.6, label="rows", zorder=1)
        self.arrows_ = ax.quiver(
            *points.T,
            *_cut(points, vectors).T,
            angles="xy",
            scale_units="xy",
            scale=1,
            color=BLUE,
            width=0.003,
            label="to the reconstruction",
        )
        names = labels(self.feature_names, 2)
        ax.set(xlabel=names[0], ylabel=names[1])
        legend_beside(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _cut(points: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return vectors of at most `MAX_LENGTH` steps of the grid, in their direction."""
    steps = [np.diff(np.unique(values)).min(initial=np.inf) for values in points.T]
    lengths = np.hypot(*(vectors / steps).T)
    return vectors * np.minimum(1, MAX_LENGTH / np.maximum(lengths, 1e-12))[:, None]
