"""Episodes of row alarms, and how well they find events."""

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from skdae._table.frames import unmasked
from skdae.timeseries._groups import group_codes, group_starts
from skdae.timeseries._time import RowTimes, check_index, row_times

if TYPE_CHECKING:
    import pandas

SECONDS_PER_DAY = 86_400


def events(
    alarms,
    *,
    scores=None,
    clear_above=None,
    time=None,
    on_delay=0,
    off_delay=0,
    min_length=1,
    groups=None,
) -> "pandas.DataFrame":
    """Return the episodes of row alarms.

    A plant operator acts on episodes, not on rows. Delays and a deadband, as in
    alarm management standards, suppress alarms that come and go ("chattering").

    Parameters
    ----------
    alarms : array-like of bool of shape (n_samples,)
        Whether each row is an alarm, in time order: ``detector.predict(X) == -1``.
    scores : array-like of shape (n_samples,), default=None
        Scores of the rows, lower is more anomalous, for the deadband.
    clear_above : float, default=None
        Score of the deadband: an alarm lasts until a score is at least this high, so
        it should lie above the threshold (`offset_`) of the alarms. At NaN the state is
        kept. None: an alarm lasts as long as its rows are alarms.
    time : array-like of shape (n_samples,), default=None
        Time of each row, dates or numbers, not decreasing within a group. None counts
        rows.
    on_delay : int, float, str or Timedelta, default=0
        An episode starts once rows have been alarms without interruption for this
        long: in rows without `time`, in its unit if it holds numbers, and a duration
        such as ``'10min'`` if it holds dates.
    off_delay : int, float, str or Timedelta, default=0
        An episode ends once no row has been an alarm for longer than this.
    min_length : int, default=1
        Number of rows of an episode at least; shorter ones are omitted.
    groups : array-like of shape (n_samples,), default=None
        Group of each row (unit, file, run), whose rows may be interleaved; no episode
        spans two groups. None is one group.

    Returns
    -------
    DataFrame
        One row per episode, ordered by its start, with the columns

        start : int
            First row of the episode.
        stop : int
            Row after its last alarm.
        length : int
            Rows of its group from `start` to `stop`.
        is_open : bool
            Whether it lasts to the end of its group.
        group
            Its group, with `groups`.
        start_time, end_time
            Time of its first row and of its last alarm, with `time`.
        lowest_score : float
            Its most anomalous score, with `scores`.

    Raises
    ------
    ValueError
        If the arrays do not have one value per row, `time` decreases or a parameter
        is out of its range.

    See Also
    --------
    event_scores : How many events are found, how late, and how many false episodes.

    Examples
    --------
    >>> from skdae.timeseries import events
    >>> alarms = [0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0]
    >>> events(alarms)[["start", "stop"]].to_numpy().tolist()
    [[1, 3], [4, 7], [10, 11]]
    >>> events(alarms, off_delay=1, min_length=2)[["start", "stop"]].to_numpy().tolist()
    [[1, 7]]
    """
    import pandas

    is_alarm = _row_flags(alarms, "alarms")
    if time is None:
        check_index(alarms, groups, "alarms")
    rows = _Rows.of(len(is_alarm), time, groups)
    is_alarm = is_alarm[rows.order]
    found_scores = None
    if scores is not None or clear_above is not None:
        found_scores = _row_scores(scores, clear_above, len(is_alarm))[rows.order]
        is_alarm = _with_deadband(is_alarm, found_scores, clear_above, rows.first)
    on_delay = rows.times.duration(on_delay, "on_delay")
    off_delay = rows.times.duration(off_delay, "off_delay")
    start, stop = _episodes(is_alarm, rows, on_delay, off_delay)
    if not isinstance(min_length, Integral) or min_length < 1:
        raise ValueError(
            f"min_length={min_length!r} must be an int of at least 1, a number of "
            "rows; pass 1 to keep all episodes."
        )
    is_kept = stop - start >= min_length
    start, stop = start[is_kept], stop[is_kept]
    first_row, last_row = rows.order[start], rows.order[stop - 1]
    columns: dict[str, Any] = {
        "start": first_row,
        "stop": last_row + 1,
        "length": stop - start,
        "is_open": rows.is_last[stop - 1],
    }
    if groups is not None:
        columns["group"] = np.asarray(groups)[last_row]
    if time is not None:
        columns["start_time"] = rows.times.stamps[first_row]
        columns["end_time"] = rows.times.stamps[last_row]
    if found_scores is not None:
        columns["lowest_score"] = [
            np.fmin.reduce(found_scores[a:b]) for a, b in zip(start, stop, strict=True)
        ]
    frame = pandas.DataFrame(columns)
    return frame.sort_values("start", kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Rows:
    """Rows by group, in time order within each group."""

    order: np.ndarray  # (n,) the row at each position
    first: np.ndarray  # (n,) the position at which the group begins
    times: RowTimes  # of the rows in their own order
    numbers: np.ndarray  # (n,) time at each position

    @classmethod
    def of(cls, n_rows: int, time: Any, groups: Any) -> "_Rows":
        """Order the rows; time must not decrease within a group."""
        codes = group_codes(groups, n_rows)
        order = np.argsort(codes, kind="stable")
        first = group_starts(codes[order])
        times = row_times(time, n_rows)
        times.check_order(order, codes)
        if time is None:  # rows of the group are counted
            return cls(order, first, times, np.arange(n_rows) - first.astype(float))
        return cls(order, first, times, times.numbers[order])

    @property
    def is_last(self) -> np.ndarray:
        """Whether each position is the last of its group."""
        return np.append(self.first, -1)[1:] != self.first

    def runs(self, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return start and stop of the runs of True positions, none in two groups."""
        is_first = self.first == np.arange(len(self.first))
        before = np.append(False, flags)[:-1] & ~is_first
        after = np.append(flags, False)[1:] & ~self.is_last
        return np.flatnonzero(flags & ~before), np.flatnonzero(flags & ~after) + 1


def _row_flags(values: Any, name: str) -> np.ndarray:
    """Return a bool per row."""
    flags = np.asarray(values)
    if flags.ndim != 1 or not np.isin(flags, (0, 1)).all():
        raise ValueError(
            f"{name} must hold True or False (or 1 and 0) for each row and has the "
            f"shape {flags.shape}, type {flags.dtype}; pass predict(X) == -1 of an "
            "outlier detector."
        )
    return flags.astype(bool)


def _row_scores(scores: Any, clear_above: Any, n_rows: int) -> np.ndarray:
    """Return a score per row, NaN allowed; there must be a `clear_above` with them."""
    if scores is None or clear_above is None:
        raise ValueError(
            "scores and clear_above must be given together: the deadband is a score; "
            "pass both or neither."
        )
    values = np.asarray(unmasked(scores), dtype=float)
    if values.shape != (n_rows,):
        raise ValueError(
            f"scores has the shape {values.shape} and must hold one value for each of "
            f"the {n_rows} rows."
        )
    return values


def _with_deadband(
    is_alarm: np.ndarray, scores: np.ndarray, clear_above: float, first: np.ndarray
) -> np.ndarray:
    """Return alarms that last until a score is at least `clear_above`."""
    is_decided = is_alarm | (scores >= clear_above)
    last = np.maximum.accumulate(np.where(is_decided, np.arange(len(is_alarm)), -1))
    return np.where(last >= first, is_alarm[last], False)


def _episodes(
    is_alarm: np.ndarray, rows: _Rows, on_delay: float, off_delay: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return start and stop positions of the episodes.

    A run of alarms turns an episode on after `on_delay`; from then on every run
    prolongs it, until the gap before the next run is longer than `off_delay`.
    """
    start, stop = rows.runs(is_alarm)
    if len(start) == 0:
        return start, stop
    first, numbers = rows.first, rows.numbers
    # A gap lasts from the first row without an alarm to the next alarm.
    gap = numbers[start[1:]] - numbers[stop[:-1]]
    is_far = (gap > off_delay) | (first[start[1:]] != first[start[:-1]])
    is_new = np.append(True, is_far)
    episode = np.cumsum(is_new) - 1  # (n_runs,)
    last_run = np.append(np.flatnonzero(is_new)[1:], len(start)) - 1  # of each episode
    # (n_runs,) first position at which the run is older than on_delay, else its stop
    on = np.array(
        [
            a + np.searchsorted(numbers[a:b], numbers[a] + on_delay)
            for a, b in zip(start, stop, strict=True)
        ]
    )
    turns_on = np.flatnonzero(on < stop)
    found, first_on = np.unique(episode[turns_on], return_index=True)
    return on[turns_on[first_on]], stop[last_run[found]]


@dataclass(frozen=True)
class EventScores:
    """How well episodes of alarms find events.

    Attributes
    ----------
    n_events : int
        Events.
    n_found : int
        Events in which an episode starts.
    event_recall : float
        `n_found` over `n_events`; NaN without events.
    median_delay : float
        Median time from the start of a found event to its first episode, in rows,
        seconds (where time holds dates) or the unit of time; NaN if none is found.
    n_episodes : int
        Episodes of alarms.
    n_false_episodes : int
        Episodes that start outside of every event.
    event_precision : float
        Share of the episodes that start in an event; NaN without episodes.
    false_episodes_per_day : float
        False episodes per day of rows outside of events; NaN where time holds no dates.
    false_episodes_per_1000_rows : float
        False episodes per 1,000 rows outside of events.
    row_precision : float
        Share of alarm rows within events; NaN without alarms.
    row_recall : float
        Share of event rows that are alarms; NaN without events.
    event_share : float
        Share of rows within events: the row precision of an alarm in every row.
    """

    n_events: int
    n_found: int
    event_recall: float
    median_delay: float
    n_episodes: int
    n_false_episodes: int
    event_precision: float
    false_episodes_per_day: float
    false_episodes_per_1000_rows: float
    row_precision: float
    row_recall: float
    event_share: float


def event_scores(y_true, y_pred, *, time=None, tolerance=0, groups=None) -> EventScores:
    """Score alarms by the events that they find, beside precision and recall of rows.

    Row scores reward long alarms: an alarm in every row has a recall of 1. Here an
    event is found if an episode of alarms *starts* in it, and an episode is false if
    it starts outside of every event. An alarm in every row finds nothing, unless the
    first row belongs to an event.

    Parameters
    ----------
    y_true : array-like of bool of shape (n_samples,)
        Whether each row belongs to an event (a fault), in time order. Events are
        unbroken runs of such rows.
    y_pred : array-like of bool of shape (n_samples,), or DataFrame
        Whether each row is an alarm, or the episodes that :func:`events` returns for
        the same rows and groups.
    time : array-like of shape (n_samples,), default=None
        Time of each row, dates or numbers, not decreasing within a group. None counts
        rows.
    tolerance : int, float, str or Timedelta, default=0
        An episode that starts this long before an event finds it, with a delay of 0,
        and one that starts this long after its last row is not false. In the unit of
        `on_delay` of :func:`events`.
    groups : array-like of shape (n_samples,), default=None
        Group of each row (unit, file, run). None is one group.

    Returns
    -------
    EventScores
        Events found, their delay, false episodes, precision and recall by rows.

    Raises
    ------
    ValueError
        If the arrays do not have one value per row or `time` decreases.

    Examples
    --------
    >>> from skdae.timeseries import event_scores
    >>> y_true = [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    >>> found = event_scores(y_true, [0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0])
    >>> found.n_found, found.median_delay, found.n_false_episodes
    (1, 1.0, 1)
    >>> event_scores(y_true, [1] * 12).n_found
    0
    """
    is_event = _row_flags(y_true, "y_true")
    if time is None:
        check_index(y_true, groups, "y_true")
    rows = _Rows.of(len(is_event), time, groups)
    is_event = is_event[rows.order]
    is_alarm, episode_start = _alarm_rows(y_pred, rows)
    tolerance = rows.times.duration(tolerance, "tolerance")
    start, stop = rows.runs(is_event)
    episode_time, episode_group = rows.numbers[episode_start], rows.first[episode_start]
    is_false = np.ones(len(episode_start), dtype=bool)
    delays = []
    for a, b in zip(start, stop, strict=True):
        begin, end = rows.numbers[a], rows.numbers[b - 1]
        since = episode_time - begin
        is_near = (since >= -tolerance) & (episode_time <= end + tolerance)
        is_near &= episode_group == rows.first[a]
        is_false &= ~is_near
        is_hit = is_near & (episode_time <= end)
        if is_hit.any():
            delays.append(max(0.0, float(since[is_hit].min())))
    n_false, n_episodes = int(is_false.sum()), len(episode_start)
    n_normal, n_found = int((~is_event).sum()), int((is_alarm & is_event).sum())
    return EventScores(
        n_events=len(start),
        n_found=len(delays),
        event_recall=_ratio(len(delays), len(start)),
        median_delay=float(np.median(delays)) if delays else np.nan,
        n_episodes=n_episodes,
        n_false_episodes=n_false,
        event_precision=_ratio(n_episodes - n_false, n_episodes),
        false_episodes_per_day=_ratio(n_false, _days(rows, n_normal)),
        false_episodes_per_1000_rows=_ratio(1000 * n_false, n_normal),
        row_precision=_ratio(n_found, int(is_alarm.sum())),
        row_recall=_ratio(n_found, int(is_event.sum())),
        event_share=_ratio(int(is_event.sum()), len(is_event)),
    )


def _alarm_rows(y_pred: Any, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return which positions are alarms, and the positions at which episodes start."""
    n_rows = len(rows.order)
    if hasattr(y_pred, "columns"):
        position = np.argsort(rows.order)
        starts = position[y_pred["start"].to_numpy(dtype=np.intp)]
        lengths = y_pred["length"].to_numpy(dtype=np.intp)
        change = np.zeros(n_rows + 1, dtype=int)
        np.add.at(change, starts, 1)
        np.add.at(change, starts + lengths, -1)
        is_alarm = change[:-1].cumsum() > 0
        return is_alarm, starts
    flags = _row_flags(y_pred, "y_pred")
    if len(flags) != n_rows:
        raise ValueError(
            f"y_pred holds {len(flags)} values and must hold one for each of the "
            f"{n_rows} rows of y_true."
        )
    is_alarm = flags[rows.order]
    return is_alarm, rows.runs(is_alarm)[0]


def _days(rows: _Rows, n_rows: int) -> float:
    """Return how many days `n_rows` last, by the median step; NaN without dates."""
    steps = np.diff(rows.numbers)[rows.first[1:] == rows.first[:-1]]
    if not rows.times.is_dates or len(steps) == 0:
        return np.nan
    return n_rows * float(np.median(steps)) / SECONDS_PER_DAY


def _ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN for a whole of 0."""
    return part / whole if whole else np.nan
