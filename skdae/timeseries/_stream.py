"""Scores of rows that arrive one at a time, with a state of a few rows."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._table.frames import concatenate
from skdae.timeseries._smoothing import Smoothing


@dataclass
class StreamScorer:
    """Scores of rows that arrive one at a time.

    Of each group the last `width` rows and the state of the smoothing are kept; the
    scores equal those of the whole table.

    Parameters
    ----------
    score : callable
        Function that returns the scores of a table, such as
        ``pipeline.score_samples``. It is called with at most `width` rows; the score of
        the last one is used.
    width : int, default=1
        Number of rows that a score depends on: the `width` of a
        :class:`~skdae.timeseries.SlidingWindow` in front of the model, 1 without one.
    smoothing : Smoothing or None, default=None
        Smoothing of the scores.
    state : dict or None, default=None
        By group, the last rows and the state of the smoothing. It can be stored and
        passed to a new object to continue; None starts from the beginning.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdae.timeseries import EWMA, SlidingWindow, StreamScorer
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> window, forest = SlidingWindow(4), IsolationForest(random_state=0)
    >>> pipeline = make_pipeline(window, forest).fit(X)
    >>> stream = StreamScorer(pipeline.score_samples, width=4, smoothing=EWMA())
    >>> scores = [stream.push(row) for row in X[:20]]
    >>> bool(np.allclose(scores, EWMA().smooth(pipeline.score_samples(X[:20]))))
    True
    """

    score: Callable[[Any], Any]
    width: int = 1
    smoothing: Smoothing | None = None
    state: dict[Hashable, tuple[tuple[Any, ...], Any]] | None = None

    def push(self, row: Any, group: Hashable = None) -> float:
        """Return the score of the next row, and keep the row.

        Parameters
        ----------
        row : array-like of shape (n_features,), Series, mapping or table of one row
            The row. If the model was fitted on a DataFrame, it must have names: those
            of a Series, the keys of a mapping or the columns of a DataFrame, in any
            order. A sensor that is silent has its name and NaN.
        group : hashable, default=None
            The unit or the file that the row belongs to.

        Returns
        -------
        float
            The score, smoothed where `smoothing` is given.

        Raises
        ------
        ValueError
            If `row` is not a single row, its names are not those of the model (where
            `score` is no method of a model: of the rows before), or a parameter is out
            of its range.
        """
        self._check()
        table = _table(row)
        if len(table) != 1:
            raise ValueError(
                f"row has the shape {table.shape} and must be a single row; call push "
                "once for each."
            )
        self.state = {} if self.state is None else self.state
        table = self._in_order(table)
        rows, last = self.state.get(group, ((), None))
        rows = (*rows, table)[-self.width :]
        score = float(np.asarray(self.score(concatenate(list(rows))))[-1])
        if self.smoothing is not None:
            last = self.smoothing.advance(score, last)
            score = last[0]
        self.state[group] = rows, last
        return score

    def _in_order(self, table: Any) -> Any:
        """Return a named row with its columns in the order of the model."""
        names = self._names()
        if names is None or not hasattr(table, "columns"):
            return table
        lacking = [name for name in names if name not in table.columns]
        unknown = [name for name in table.columns if name not in names]
        if lacking or unknown:
            wrong = [f"It lacks {lacking}."] * bool(lacking)
            wrong += [f"The model does not know {unknown}."] * bool(unknown)
            raise ValueError(
                "row must have the names of the model's columns, in any order.\n"
                f"{' '.join(wrong)}\n"
                "Pass every sensor by its name, with NaN where it is silent."
            )
        return table[names]

    def _names(self) -> list[Any] | None:
        """Return the names of the model's columns, or of the rows before."""
        model = getattr(self.score, "__self__", None)
        fitted = getattr(model, "feature_names_in_", None)
        if fitted is not None:
            return list(fitted)
        kept = [rows[-1] for rows, _ in (self.state or {}).values() if rows]
        return list(kept[0].columns) if kept and hasattr(kept[0], "columns") else None

    def _check(self) -> None:
        """Check the parameters, which may be set at any time."""
        if not callable(self.score):
            raise ValueError(
                f"score={self.score!r} must be a function of a table; pass "
                "model.score_samples, for example."
            )
        if not isinstance(self.width, int | np.integer) or self.width < 1:
            raise ValueError(
                f"width={self.width!r} must be an int of at least 1; pass the width of "
                "the SlidingWindow, or 1 without one."
            )
        if self.smoothing is not None:
            if not isinstance(self.smoothing, Smoothing):
                raise ValueError(
                    f"smoothing={self.smoothing!r} must be a Smoothing or None; pass "
                    "EWMA(), for example."
                )
            self.smoothing.check()


def _table(row: Any) -> Any:
    """Return a copy of a row as a table, with its names where it has some.

    A copy, because callers reuse the buffer that they read a row into.
    """
    if hasattr(row, "columns"):
        return row.copy() if hasattr(row, "copy") else row  # polars' never change
    if hasattr(row, "keys"):  # a Series or a mapping
        import pandas

        return pandas.DataFrame([dict(row)])
    return np.atleast_2d(np.array(row))
