"""Plot of the similarity of layers."""

import numpy as np

from skdae.inspection import layer_cka
from skdae.plotting._axes import SMALL, one_axes
from skdae.plotting._inputs import numbers

DARK = 0.5  # similarity from which text is white


class CKADisplay:
    """Similarity of the codes of layers, within a network or between two.

    Parameters
    ----------
    similarity : array-like of shape (n_layers, n_other_layers)
        Centred kernel alignment of each pair of layers, from 0 to 1.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    image_ : matplotlib AxesImage
        The matrix.

    See Also
    --------
    skdae.inspection.layer_cka : Computes it.

    Examples
    --------
    >>> from skdae.plotting import CKADisplay
    >>> CKADisplay([[1.0, 0.4], [0.4, 1.0]]).plot().image_.get_array().shape
    (2, 2)
    """

    def __init__(self, similarity):
        self.similarity = similarity

    @classmethod
    def from_estimator(cls, estimator, X, *, other=None, ax=None):
        """Draw the similarity of the layers of fitted transformers.

        Parameters
        ----------
        estimator : GradualDAETransformer
            A fitted transformer; its layers are the rows.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows whose codes are compared.
        other : GradualDAETransformer, default=None
            Another one; its layers are the columns. None: `estimator` itself.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : CKADisplay
            The display, drawn.
        """
        return cls(layer_cka(estimator, X, other=other)).plot(ax)

    def plot(self, ax=None):
        """Draw the matrix with its numbers.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        self : CKADisplay
            The display, with `ax_` and `figure_`.
        """
        values, _ = numbers(self.similarity, "similarity")
        ax = one_axes(ax, f"{type(self).__name__}.plot", (4.6, 4.2))
        self.image_ = ax.imshow(values, vmin=0, vmax=1, cmap="Blues", origin="lower")
        for (i, j), value in np.ndenumerate(values):
            color = "white" if value > DARK else "black"
            ax.text(
                j, i, f"{value:.2f}", ha="center", va="center", color=color,
                fontsize=SMALL,
            )  # fmt: skip
        rows, columns = (np.arange(n) for n in values.shape)
        ax.set_yticks(rows, rows + 1)
        ax.set_xticks(columns, columns + 1)
        ax.set(xlabel="layer", ylabel="layer")
        ax.figure.colorbar(self.image_, ax=ax, label="similarity (linear CKA)")
        self.ax_, self.figure_ = ax, ax.figure
        return self
