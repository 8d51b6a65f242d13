"""Smoothing of scores over time."""

from collections.abc import Hashable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array

from skdae._sklearn_compat import Interval, validate_params_of
from skdae._table.frames import unmasked
from skdae.timeseries._groups import group_codes
from skdae.timeseries._time import check_index


class Smoothing(BaseEstimator):
    """Base class of smoothings of scores: one step per score.

    A lasting fault affects many rows and noise single ones: a smoothed score finds the
    same faults with fewer false alarms. A threshold must be calibrated on
    scores that were smoothed the same way, because smoothing narrows their spread.

    To add a smoothing, derive from this class, store the parameters in ``__init__``
    and write :meth:`step`. As an estimator without ``fit`` it can be cloned, printed
    and searched over (``smoothing__weight``).

    Examples
    --------
    >>> from skdae.timeseries import EWMA, Smoothing
    >>> isinstance(EWMA(0.5), Smoothing)
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {}

    def check(self) -> None:
        """Raise if a parameter is out of its range.

        Raises
        ------
        ValueError
            Names the parameter, its value and the rule.
        """
        validate_params_of(self)

    def step(self, score: float, state: Any = None) -> tuple[float, Any]:
        """Return the smoothed score of the next row, and the state after it.

        Parameters
        ----------
        score : float
            Score of the row, not NaN.
        state : object, default=None
            What the last call returned; None at the first row of a group.

        Returns
        -------
        smoothed : float
            The smoothed score.
        state : object
            State for the next call; never changed in place.
        """
        raise NotImplementedError

    def smooth(
        self, scores: ArrayLike, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Return the smoothed scores of rows in time order.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Score of each row. At NaN the last smoothed score is repeated (NaN before
            the first score of a group).
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, file, run), smoothed separately; None is one
            group.

        Returns
        -------
        ndarray of float64 of shape (n_samples,)
            Smoothed scores, with the sign of the scores.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a score is infinite, or the index of
            the scores holds dates that decrease.
        """
        self.check()
        values = check_array(
            unmasked(scores),
            dtype=np.float64,
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
            input_name="scores",
        )
        if values.ndim != 1:
            raise ValueError(
                f"scores has the shape {values.shape} and must be one score per row; "
                "pass what score_samples returns."
            )
        check_index(scores, groups, "scores")
        states: dict[Hashable, tuple[float, Any]] = {}
        smoothed = np.empty(len(values))
        codes = group_codes(groups, len(values)).tolist()
        for i, (score, group) in enumerate(zip(values.tolist(), codes, strict=True)):
            states[group] = self.advance(score, states.get(group))
            smoothed[i] = states[group][0]
        return smoothed

    def advance(
        self, score: float, last: tuple[float, Any] | None
    ) -> tuple[float, Any]:
        """Return `step` of a score that may be NaN.

        Parameters
        ----------
        score : float
            Score of the next row, NaN where there is none.
        last : tuple of (float, object) or None
            What the last call returned; None at the first row of a group.

        Returns
        -------
        smoothed : float
            The smoothed score.
        state : object
            The state after the row.
        """
        last = (np.nan, None) if last is None else last
        return last if score != score else self.step(score, last[1])


class EWMA(Smoothing):
    """Exponentially weighted moving average of the scores.

    The newest score has the weight `weight`, and each earlier one 1 - `weight` times
    that of its successor; at the start the weights are scaled to a sum of 1.

    Parameters
    ----------
    weight : float in (0, 1], default=0.2
        Weight of the newest score. A small weight detects smaller lasting changes, with
        a longer delay; 1 does not smooth. About ``2 / weight - 1`` rows are averaged.

    Examples
    --------
    >>> from skdae.timeseries import EWMA
    >>> EWMA(0.5).smooth([0.0, 3.0, 0.0, 0.0, 0.0]).round(2).tolist()
    [0.0, 2.0, 0.86, 0.4, 0.19]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "weight": [Interval(Real, 0, 1, closed="right")]
    }

    def __init__(self, weight=0.2):
        self.weight = weight

    def step(self, score, state=None):
        """Return the average after the next score, and the state after it.

        Parameters
        ----------
        score : float
            Score of the next row, not NaN.
        state : tuple of (float, float) or None, default=None
            The average so far and the sum of its weights.

        Returns
        -------
        smoothed : float
            The average.
        state : tuple of (float, float)
            For the next call.
        """
        if np.isinf(score):  # beyond any average, and must not stay in it
            return score, state
        average, total = (score, 0.0) if state is None else state
        total = (1 - self.weight) * total + self.weight
        average += (self.weight / total) * (score - average)
        return average, (average, total)


class KOfN(Smoothing):
    """The k-th lowest of the last n scores: below a threshold when k of n rows are.

    This is the rule "an alarm if at least k of the last n rows are alarms" as a score,
    so that its threshold can be calibrated like any other. As in scikit-learn, lower
    scores are more anomalous.

    Parameters
    ----------
    k : int, default=3
        Number of rows that must be alarms.
    n : int, default=5
        Number of last rows considered, `k` or more. At the start of a group there are
        fewer; then k of these, or all if there are fewer than k.

    Examples
    --------
    >>> from skdae.timeseries import KOfN
    >>> KOfN(2, n=3).smooth([9, 0, 9, 9, 0, 0, 9]).tolist()
    [9.0, 9.0, 9.0, 9.0, 9.0, 0.0, 0.0]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "k": [Interval(Integral, 1, None, closed="left")],
        "n": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, k=3, *, n=5):
        self.k = k
        self.n = n

    def check(self):
        """Raise if a parameter is out of its range.

        Raises
        ------
        ValueError
            Names the parameter, its value, the rule and the remedy.
        """
        super().check()
        if self.k > self.n:
            raise ValueError(
                f"k={self.k} of KOfN must be at most n={self.n}, the number of rows "
                "considered; lower k or raise n."
            )

    def step(self, score, state=None):
        """Return the k-th lowest of the last scores, and the state after it.

        Parameters
        ----------
        score : float
            Score of the next row, not NaN.
        state : tuple of float or None, default=None
            The last scores, at most `n`, the oldest first.

        Returns
        -------
        smoothed : float
            The k-th lowest, or the highest of fewer than k.
        state : tuple of float
            For the next call.
        """
        last = (*(state or ()), score)[-self.n :]
        return sorted(last)[min(self.k, len(last)) - 1], last
