"""Plot of how far each layer moves after its own phase."""

import numpy as np

from skdae.plotting._axes import CYCLE, GREY, legend_beside, one_axes
from skdae.plotting._inputs import numbers


class WeightDriftDisplay:
    """Relative distance of each layer's weights from those after its own phase.

    Parameters
    ----------
    drift : array-like of shape (n_epochs, n_layers)
        Distance after each epoch, NaN while a layer is in its own phase.
    phases : array-like of shape (n_epochs,), default=None
        Number of the phase of each epoch; None marks no phases.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    lines_ : list of matplotlib Line2D
        One line per layer.
    boundaries_ : ndarray of shape (n_boundaries,)
        Boundaries between phases, midway between two epochs.

    See Also
    --------
    skdae.inspection.WeightDrift : Measures it during a fit.

    Examples
    --------
    >>> from skdae.plotting import WeightDriftDisplay
    >>> drift = [[float("nan")], [0.1], [0.2]]
    >>> WeightDriftDisplay(drift, phases=[0, 1, 1]).plot().boundaries_.tolist()
    [1.5]
    """

    def __init__(self, drift, *, phases=None):
        self.drift = drift
        self.phases = phases

    @classmethod
    def from_callback(cls, callback, *, ax=None):
        """Draw what a callback has observed.

        Parameters
        ----------
        callback : WeightDrift
            A callback that has observed a fit.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : WeightDriftDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the callback has observed none.
        """
        if not hasattr(callback, "drift_"):
            raise ValueError(
                f"callback={callback!r} has no drift_; pass a WeightDrift that has "
                "observed a fit."
            )
        return cls(callback.drift_, phases=callback.phases_).plot(ax)

    def plot(self, ax=None):
        """Draw one line per layer.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        self : WeightDriftDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the phases are not one per epoch.
        """
        drift, _ = numbers(self.drift, "drift")
        phases = np.zeros(len(drift)) if self.phases is None else np.ravel(self.phases)
        if len(phases) != len(drift):
            raise ValueError(
                f"phases holds {len(phases)} values and must hold one for each of the "
                f"{len(drift)} epochs of drift; pass those of the same fit."
            )
        ax = one_axes(ax, f"{type(self).__name__}.plot", (8, 4.2))
        epochs = np.arange(len(drift)) + 1
        self.lines_ = [
            ax.plot(
                epochs,
                values,
                color=CYCLE[k % len(CYCLE)],
                marker="o",
                markersize=3,
                label=f"layer {k + 1}",
            )[0]
            for k, values in enumerate(drift.T)
        ]
        self.boundaries_ = np.flatnonzero(np.diff(phases)) + 1.5
        for boundary in self.boundaries_:
            ax.axvline(boundary, color=GREY, lw=0.8, zorder=1)
        ax.set(xlim=(0.5, len(drift) + 0.5), xlabel="epoch")
        ax.set_ylabel("distance from the layer's own phase (relative)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        legend_beside(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
