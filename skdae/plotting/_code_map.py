"""Codes of rows as points of a plane."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from skdae._transformer import GradualDAETransformer, _outputs
from skdae.plotting._axes import BLUE, CYCLE, GREY, legend_beside, one_axes, pyplot
from skdae.plotting._inputs import check_choice, column, numbers

MARKERS = ("o", "^", "s", "D", "v")  # the next one each time the colours repeat
MOST_CLASSES = len(CYCLE) * len(MARKERS)
FEW_VALUES = 10  # whole numbers of at most so many values are classes


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
    few = len(np.unique(known)) <= FEW_VALUES
    return "classes" if whole and few else "continuous"


class CodeMapDisplay:
    """Codes of rows in two dimensions.

    A code wider than two is projected on its two principal components, and a code of
    one number is drawn over the number of the row. What lies near in the map may lie
    far apart in the components that are not drawn; the axes say what share they show.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Where each row stands.
    y : array-like of shape (n_samples,), default=None
        Class or number of each row, for its colour; NaN or None where not known.
    axis_labels : pair of str, default=('code 1', 'code 2')
        Labels of the axes.
    y_label : str, default='y'
        What `y` is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    collections_ : list of matplotlib PathCollection
        The points: those without a known `y` (if any), then one for each class, or
        one for all.
    classes_ : ndarray
        The classes, in the order of the collections; empty for numbers and without
        `y`.
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
            A fitted one. A GradualDAETransformer is asked for its top code, whatever
            its `output`; others, and pipelines, for what `transform` returns.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.
        y : array-like of shape (n_samples,), default=None
            Class or number of each row, for its colour; NaN or None where not known.
        y_kind : {'auto', 'classes', 'continuous'}, default='auto'
            What `y` holds. 'auto' takes text, truth values, and whole numbers of at
            most 10 values for classes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

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
        """Draw codes that are at hand.

        Parameters
        ----------
        codes : array-like or DataFrame of shape (n_samples, n_codes)
            Codes, as `transform` returns them.
        y : array-like of shape (n_samples,), default=None
            Class or number of each row, for its colour; NaN or None where not known.
        y_kind : {'auto', 'classes', 'continuous'}, default='auto'
            What `y` holds. 'auto' takes text, truth values, and whole numbers of at
            most 10 values for classes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : CodeMapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the codes hold missing values, or y does not go with them.
        """
        values, _ = numbers(codes, "codes")
        if not np.isfinite(values).all():
            raise ValueError(
                "codes holds values that are missing or infinite, and each row needs a "
                "place; drop these rows."
            )
        points, axis_labels = _project(values)
        name = getattr(y, "name", None)
        display = cls(
            points,
            y=y,
            axis_labels=axis_labels,
            y_label="y" if name is None else str(name),
        )
        return display.plot(ax, y_kind=y_kind)

    def plot(self, ax=None, *, y_kind="auto"):
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        y_kind : {'auto', 'classes', 'continuous'}, default='auto'
            What `y` holds. 'auto' takes text, truth values, and whole numbers of at
            most 10 values for classes.

        Returns
        -------
        self : CodeMapDisplay
            The display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If there are more than 40 classes, or y does not go with the points.
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
        looks: list[tuple[np.ndarray, dict[str, Any]]] = []
        if not known.all():
            look = {"color": GREY, "marker": "x", "linewidths": 0.8, "alpha": 0.5}
            looks.append((~known, {**look, "label": "not known"}))
        if y is None:
            looks.append((known, {"color": BLUE, "alpha": 0.6}))
        elif _kind(y, y_kind) == "continuous":
            colors = column(y[known], "y")
            looks.append((known, {"c": colors, "cmap": "viridis"}))
        else:
            self.classes_ = _classes(y[known])
            looks += _class_looks(y, known, self.classes_)
        ax = one_axes(ax, f"{type(self).__name__}.plot", (6.4, 4.8))
        size = float(np.clip(12_000 / len(points), 5, 30))
        usual = {"s": size, "linewidths": 0, "rasterized": True}
        self.collections_ = [
            ax.scatter(*points[rows].T, **{**usual, **look}) for rows, look in looks
        ]
        self.colorbar_ = None
        if "cmap" in looks[-1][1]:
            self.colorbar_ = ax.figure.colorbar(
                self.collections_[-1], ax=ax, label=self.y_label
            )
        self._legend(ax)
        ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _legend(self, ax: Any) -> None:
        """Name the classes beside the axes, the unknown ones below a scale."""
        if self.colorbar_ is not None:
            if len(self.collections_) == 2:
                ax.legend(
                    loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=9
                )
            return
        n_named = len(self.classes_)
        if n_named or len(self.collections_) == 2:
            legend = legend_beside(ax, title=self.y_label, ncols=1 + n_named // 20)
            for handle in legend.legend_handles:
                handle.set(alpha=1, sizes=[30])


def _project(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Return points of the plane and the labels of its axes."""
    if codes.shape[1] == 1:
        return np.column_stack([np.arange(len(codes)), codes]), ("row", "code 1")
    if codes.shape[1] == 2:
        return codes, ("code 1", "code 2")
    if len(codes) < 2:
        raise ValueError(
            f"codes has {len(codes)} row, too few to find the principal components of "
            f"{codes.shape[1]} columns; pass at least 2 rows."
        )
    # an exact solver: the same rows give the same picture
    pca = PCA(2, svd_solver="full")
    with np.errstate(invalid="ignore"):  # codes that are all alike have no shares
        points = pca.fit_transform(codes)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return points, _component_labels(shares)


def _component_labels(shares: Sequence[float]) -> tuple[str, str]:
    """Return the labels of two principal components."""
    first, second = (
        f"component {k} of the code ({share:.0%} of its variance)"
        for k, share in enumerate(shares, 1)
    )
    return first, second


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
    """Return the classes of rows that have one, sorted where they can be."""
    try:
        classes = np.unique(known)
    except TypeError:  # text beside numbers
        classes = np.array(sorted(set(known), key=str), dtype=object)
    if len(classes) > MOST_CLASSES:
        raise ValueError(
            f"y holds {len(classes)} classes, more than the {MOST_CLASSES} that can be "
            "distinguished; join some, or set y_kind='continuous' for numbers."
        )
    return classes


def _class_looks(
    y: np.ndarray, known: np.ndarray, classes: np.ndarray
) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """Return rows and look of each class; rare classes lie above frequent ones."""
    rows = [known & (y == name) for name in classes]
    counts = np.array([found.sum() for found in rows])
    above = np.argsort(np.argsort(-counts, kind="stable"))
    return [
        (
            found,
            {
                "color": CYCLE[k % len(CYCLE)],
                "marker": MARKERS[k // len(CYCLE)],
                "alpha": 0.65,
                "label": str(name),
                "zorder": 2 + above[k] / 100,
            },
        )
        for k, (name, found) in enumerate(zip(classes, rows, strict=True))
    ]
