"""Plot of codes in two dimensions."""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from skdae._transformer import GradualDAETransformer, _outputs
from skdae.plotting._axes import (
    BLUE,
    CYCLE,
    GREY,
    legend_above,
    legend_beside,
    one_axes,
    pyplot,
)
from skdae.plotting._inputs import check_choice, column, numbers

MARKERS = ("o", "^", "s", "D", "v")  # the next one each time the colours repeat
MAX_CLASSES = len(CYCLE) * len(MARKERS)
MAX_INTEGER_CLASSES = 10  # distinct integers; more are a continuous target


def _is_missing(y: np.ndarray) -> np.ndarray:
    """Return where a target is NaN or None."""
    import pandas

    return np.asarray(pandas.isna(y))


def _kind(y: np.ndarray, y_kind: str) -> str:
    """Return 'classes' or 'continuous'."""
    check_choice(y_kind, "y_kind", ("auto", "classes", "continuous"))
    if y_kind != "auto":
        return y_kind
    if y.dtype.kind not in "iuf":
        return "classes"
    known = y[~_is_missing(y)]
    whole = bool((known == np.floor(known)).all())
    few = len(np.unique(known)) <= MAX_INTEGER_CLASSES
    return "classes" if whole and few else "continuous"


class CodeMapDisplay:
    """Codes of rows in two dimensions.

    A code with more than two units is projected on its first two principal components;
    a code with one unit is drawn over the row number. Points that are close in the map
    can differ in the other components; the axis labels state the explained variance.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Coordinates of each row.
    y : array-like of shape (n_samples,), default=None
        Class or number of each row, for its colour; NaN or None if unknown.
    axis_labels : pair of str, default=('code 1', 'code 2')
        Labels of the axes.
    y_label : str, default='y'
        Name of `y`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    collections_ : list of matplotlib PathCollection
        The points: rows with unknown `y` (if any), then one collection per class, or
        one for all.
    classes_ : ndarray
        The classes, in the order of the collections; empty for a continuous `y` and
        without `y`.
    colorbar_ : matplotlib Colorbar or None
        The scale of a continuous `y`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdae.plotting import CodeMapDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> CodeMapDisplay.from_predictions(X, y).classes_.tolist()
    [0, 1, 2]
    """

    def __init__(
        self, points, *, y=None, axis_labels=("code 1", "code 2"), y_label="y"
    ):
        self.points = points
        self.y = y
        self.axis_labels = axis_labels
        self.y_label = y_label

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, y_kind="auto", ax=None):
        """Draw the codes of rows by a fitted estimator.

        Parameters
        ----------
        estimator : GradualDAETransformer or other transformer
            A fitted estimator. Of a GradualDAETransformer the top code is drawn,
            whatever its `output`; of others, and of pipelines, the result of
            `transform`.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.
        y : array-like of shape (n_samples,), default=None
            Class or number of each row, for its colour; NaN or None if unknown.
        y_kind : {'auto', 'classes', 'continuous'}, default='auto'
            Type of `y`. With 'auto', text, booleans, and integers with at most 10
            distinct values are classes.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : CodeMapDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no `transform`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skdae import GradualDAETransformer
        >>> from skdae.plotting import CodeMapDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> dae = GradualDAETransformer((8, 2), max_iter=6, random_state=0).fit(X)
        >>> display = CodeMapDisplay.from_estimator(dae, X, y)
        >>> display.ax_.get_xlabel()
        'code 1'
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if isinstance(estimator, GradualDAETransformer):
            raw = estimator.table_encoder_.read(estimator, X)
            codes = _outputs.outputs_of(estimator, _outputs.code, raw)
        elif hasattr(estimator, "transform"):
            codes = estimator.transform(X)
        else:
            raise TypeError(
                f"estimator={type(estimator).__name__} has no transform; pass one that "
                "returns codes, or call from_predictions with codes."
            )
        return cls.from_predictions(codes, y, y_kind=y_kind, ax=ax)

    @classmethod
    def from_predictions(cls, codes, y=None, *, y_kind="auto", ax=None):
        """Draw given codes.

        Parameters
        ----------
        codes : array-like or DataFrame of shape (n_samples, n_codes)
            Codes, as `transform` returns them.
        y : array-like of shape (n_samples,), default=None
            Class or number of each row, for its colour; NaN or None if unknown.
        y_kind : {'auto', 'classes', 'continuous'}, default='auto'
            Type of `y`. With 'auto', text, booleans, and integers with at most 10
            distinct values are classes.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display : CodeMapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the codes hold missing values, or y does not have one value per row.
        """
        values, _ = numbers(codes, "codes")
        if not np.isfinite(values).all():
            raise ValueError(
                "codes holds values that are missing or infinite, and each row needs a "
                "place; drop these rows."
            )
        points, axis_labels = _project(values)
        name = getattr(y, "name", None)
        y_label = "y" if name is None else str(name)
        display = cls(points, y=y, axis_labels=axis_labels, y_label=y_label)
        return display.plot(ax, y_kind=y_kind)

    def plot(self, ax=None, *, y_kind="auto"):
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a new figure.
        y_kind : {'auto', 'classes', 'continuous'}, default='auto'
            Type of `y`. With 'auto', text, booleans, and integers with at most 10
            distinct values are classes.

        Returns
        -------
        self : CodeMapDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If there are more than 40 classes, or y does not have one value per row.
        """
        points, _ = numbers(self.points, "points")
        if points.shape[1] != 2:
            raise ValueError(
                f"points has {points.shape[1]} columns and must have 2; call "
                "from_predictions, which projects wider codes."
            )
        y = _target(self.y, len(points))
        known = np.ones(len(points), dtype=bool) if y is None else ~_is_missing(y)
        self.classes_ = np.array([])
        styles: list[tuple[np.ndarray, dict[str, Any]]] = []
        if not known.all():
            style = {"color": GREY, "marker": "x", "linewidths": 0.8, "alpha": 0.5}
            styles.append((~known, {**style, "label": "unknown"}))
        if y is None:
            styles.append((known, {"color": BLUE, "alpha": 0.6}))
        elif _kind(y, y_kind) == "continuous":
            colors = column(y[known], "y")
            styles.append((known, {"c": colors, "cmap": "viridis"}))
        else:
            self.classes_ = _classes(y[known])
            styles += _class_styles(y, known, self.classes_)
        ax = one_axes(ax, f"{type(self).__name__}.plot", (6.4, 4.8))
        size = float(np.clip(12_000 / len(points), 5, 30))
        common = {"s": size, "linewidths": 0, "rasterized": True}
        self.collections_ = [
            ax.scatter(*points[rows].T, **{**common, **style}) for rows, style in styles
        ]
        self.colorbar_ = None
        if "cmap" in styles[-1][1]:
            points, label = self.collections_[-1], self.y_label
            self.colorbar_ = ax.figure.colorbar(points, ax=ax, label=label)
        self._legend(ax)
        ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _legend(self, ax: Any) -> None:
        """Place the legend of classes beside the axes, of unknown rows above."""
        if self.colorbar_ is not None:
            if len(self.collections_) == 2:
                legend_above(ax, self.collections_[:1])
            return
        n_named = len(self.classes_)
        if n_named or len(self.collections_) == 2:
            legend = legend_beside(ax, title=self.y_label, ncols=1 + n_named // 20)
            for handle in legend.legend_handles:
                handle.set(alpha=1, sizes=[30])


def _project(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Return points in two dimensions and the axis labels."""
    if codes.shape[1] == 1:
        return np.column_stack([np.arange(len(codes)), codes]), ("row", "code 1")
    if codes.shape[1] == 2:
        return codes, ("code 1", "code 2")
    if len(codes) < 2:
        raise ValueError(
            f"codes has {len(codes)} row, too few to find the principal components of "
            f"{codes.shape[1]} columns; pass at least 2 rows."
        )
    # an exact solver, so that the same rows give the same plot
    pca = PCA(2, svd_solver="full")
    with np.errstate(invalid="ignore"):  # identical codes have no explained variance
        points = pca.fit_transform(codes)
    first, second = (
        f"component {k} of the code ({share:.0%} of its variance)"
        for k, share in enumerate(np.nan_to_num(pca.explained_variance_ratio_), 1)
    )
    return points, (first, second)


def _target(y: Any, n_rows: int) -> np.ndarray | None:
    """Return the target as an array, one per point."""
    if y is None:
        return None
    found = np.asarray(y)
    if found.shape != (n_rows,):
        raise ValueError(
            f"y has the shape {found.shape} and must hold one value for each of the "
            f"{n_rows} rows."
        )
    return found


def _classes(known: np.ndarray) -> np.ndarray:
    """Return the classes, sorted if they can be compared."""
    try:
        classes = np.unique(known)
    except TypeError:  # text beside numbers
        classes = np.array(sorted(set(known), key=str), dtype=object)
    if len(classes) > MAX_CLASSES:
        raise ValueError(
            f"y holds {len(classes)} classes, more than the {MAX_CLASSES} that can be "
            "distinguished; join some, or set y_kind='continuous' for numbers."
        )
    return classes


def _class_styles(
    y: np.ndarray, known: np.ndarray, classes: np.ndarray
) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """Return rows and style of each class; rare classes are drawn on top."""
    rows = [known & (y == name) for name in classes]
    counts = np.array([found.sum() for found in rows])
    above = np.argsort(np.argsort(-counts, kind="stable"))
    styles: list[dict[str, Any]] = [
        {
            "color": CYCLE[k % len(CYCLE)],
            "marker": MARKERS[k // len(CYCLE)],
            "alpha": 0.65,
            "label": str(name),
            "zorder": 2 + above[k] / 100,
        }
        for k, name in enumerate(classes)
    ]
    return list(zip(rows, styles, strict=True))
