"""Colours, axes and legends of the displays, and the import of matplotlib."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Okabe and Ito's colours, which colour-blind readers can distinguish
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, ORANGE, YELLOW, BLACK = "#56b4e9", "#e69f00", "#f0e442", "#000000"
GREY, PALE = "#767676", "#d9d9d9"  # background elements; cells without a value
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)

SMALL = 9  # points; font size within and above the axes
LEGEND_LINES = 1.9  # distance of a legend from its axes in font heights, for a title


def pyplot(caller: str) -> Any:
    """Return matplotlib.pyplot; raise an error with the remedy if it is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed; install it with "
            "pip install 'skdae[plot]'."
        ) from error
    return plt


def one_axes(ax: Any, caller: str, size: tuple[float, float]) -> Any:
    """Return the axes to draw in; None makes new ones."""
    plt = pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    elif not hasattr(ax, "plot"):
        raise TypeError(
            f"ax={ax!r} of {caller} must be one matplotlib Axes; pass one of them, or "
            "None for a new figure."
        )
    return ax


def panels(
    ax: Any, caller: str, size: tuple[float, float], heights: Sequence[float]
) -> np.ndarray:
    """Return panels one below the other, (n,): new, given, or in place of one Axes.

    New panels share their x axis.
    """
    plt = pyplot(caller)
    n_panels = len(heights)
    if ax is None:
        figure = plt.figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(n_panels, 1, height_ratios=heights)
    elif hasattr(ax, "plot"):
        cell = ax.get_subplotspec()
        if n_panels == 1:
            return np.array([ax], dtype=object)
        if cell is None:
            raise ValueError(
                f"ax of {caller} is not part of a grid and cannot be divided into "
                f"{n_panels} panels; pass one from plt.subplots, or {n_panels} Axes."
            )
        figure = ax.figure
        grid = cell.subgridspec(n_panels, 1, height_ratios=heights)
        ax.remove()
    else:
        found = np.asarray(ax, dtype=object).ravel()
        if len(found) != n_panels or not all(hasattr(each, "plot") for each in found):
            raise ValueError(
                f"ax of {caller} holds {len(found)} Axes and must hold {n_panels}, one "
                "for each panel; pass as many, one Axes to be divided, or None."
            )
        return found
    axes: list[Any] = []
    for cell in grid:
        axes.append(figure.add_subplot(cell, sharex=axes[0] if axes else None))
    return np.array(axes, dtype=object)


def legend_above(ax: Any, handles: Sequence[Any]) -> Any:
    """Place the legend above the axes and their title, where it covers no data."""
    available = ax.get_window_extent().width
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "frameon": False}
    space = {"borderaxespad": LEGEND_LINES, "borderpad": 0, "handlelength": 1.6}
    style = place | space | {"fontsize": SMALL, "columnspacing": 1.4}
    for n_lines in range(1, len(handles) + 1):
        n_columns = -(-len(handles) // n_lines)
        legend = ax.legend(handles=list(handles), ncols=n_columns, **style)
        if legend.get_window_extent().width <= available:
            break
    return legend


def legend_beside(ax: Any, **options: Any) -> Any:
    """Place the legend to the right of the axes, where it covers no data."""
    place = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    return ax.legend(**place, fontsize=SMALL, frameon=False, **options)
