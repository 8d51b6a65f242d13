"""Run the three experiments of a proof of concept."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from threadpoolctl import threadpool_limits

from skdae._transformer import GradualDAETransformer
from skdae._version import __version__
from skdae.noise import (
    ComposedNoise,
    GaussianNoise,
    MaskingNoise,
    PerRowNoise,
)
from skdae.poc._cache import Cache
from skdae.poc._data import TASKS, Data, prepare
from skdae.poc._plan import (
    MOST_ROWS,
    MOST_SPLITS,
    MOST_TEST_ROWS,
    Plan,
    full_plan,
    in_running_order,
    plan_for,
    sample_rows,
    splits_in,
)
from skdae.poc._report import PoCReport, assemble, whole_splits
from skdae.poc._setting import Result, Setting, Unit
from skdae.poc._splits import make_splits
from skdae.poc._units import run_unit, units_of
from skdae.schedules import SCHEDULES

DEFAULT_SCHEDULES = ("gradual", "stacked", "hybrid", "frozen", "joint")


class Progress(Protocol):
    """Who hears how far a run is."""

    def planned(self, plan: Plan, n_units: int, n_done: int) -> None:
        """The plan is made, or changed; so many of its units are done already."""

    def done(self, unit: Unit, result: Result) -> None:
        """A unit is done."""


class Silence:
    """Nobody hears."""

    def planned(self, plan: Plan, n_units: int, n_done: int) -> None: ...

    def done(self, unit: Unit, result: Result) -> None: ...


@validate_params(
    {
        "task": [StrOptions({"auto", *TASKS})],
        "schedules": ["array-like", dict],
        "transformer": [GradualDAETransformer, None],
        "label_budget": [Interval(Integral, 20, None, closed="left"), None],
        "minutes": [Interval(Real, 0, None, closed="neither"), None],
        "n_splits": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 50, None, closed="left")],
        "cache": [str, os.PathLike, None],
        "resume": ["boolean"],
        "memory": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "name": [str],
    },
    prefer_skip_nested_validation=True,
)
def run(
    X,
    y=None,
    *,
    task="auto",
    schedules=DEFAULT_SCHEDULES,
    transformer=None,
    time=None,
    groups=None,
    label_budget=None,
    minutes=10.0,
    n_splits=MOST_SPLITS,
    max_rows=MOST_ROWS,
    memory=True,
    cache=None,
    resume=False,
    n_jobs=None,
    random_state=0,
    progress=None,
    name="table",
):
    """Find out on a team's own table whether gradual denoising autoencoders pay.

    Three experiments on the same splits for all methods: how well rows with the
    troubles of a plant are rebuilt; the downstream task, where there is a target, for
    several numbers of labels; and what it costs. Networks of all schedules make
    the same number of weight updates. Differences are paired, with intervals
    corrected for the rows that splits share [1]_; no test row takes part in a choice.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        The table. Text columns are categories. Columns that are empty, constant,
        dates or identifiers are left out, which the report says.
    y : str, array-like of shape (n_samples,) or None, default=None
        The target, or the name of its column in X; a missing value is a row without
        a label. None: no downstream task.
    task : {'auto', 'classification', 'regression', 'anomaly'}, default='auto'
        What the target is. 'auto': classes where it is text or has at most 20
        different whole numbers, numbers elsewhere. 'anomaly': two values, of which 1
        (or the rarer one) marks anomalies; only other rows are learned from.
    schedules : sequence of str or dict of str to str
        Schedules to compare; the first is the one that is judged. A dict gives them
        names of its own. Default: 'gradual', 'stacked', 'hybrid', 'frozen', 'joint'.
    transformer : GradualDAETransformer or None, default=None
        The network; its schedule, categories and seed are replaced. None: its defaults,
        with Gaussian errors and lost cells as noise, more in some rows than in others.
    time : str, array-like of shape (n_samples,) or None, default=None
        Times of the rows, or the name of their column. Rows are then learned from the
        past and tested on what comes after.
    groups : str, array-like of shape (n_samples,) or None, default=None
        Units (machines, batches, files) of which whole ones are held out.
    label_budget : int or None, default=None
        The most labels that are used; None uses all.
    minutes : float or None, default=10
        Time budget: schedules, epochs, rows and splits are cut down until it is about
        met, and the report says what was left out. None runs everything.
    n_splits : int, default=10
        The most splits: repeated 5-fold cross-validation, or blocks of time.
    max_rows : int, default=20_000
        The most rows; of more a random part is used.
    memory : bool, default=True
        Whether to measure peak memory, each in a process of its own: some seconds.
    cache : path or None, default=None
        Folder for the results of each method and split as they come, so that a killed
        run goes on. It is removed by :meth:`PoCReport.save`.
    resume : bool, default=False
        Whether to go on with the run in `cache`.
    n_jobs : int or None, default=None
        Processes; see joblib.
    random_state : int, default=0
        Seed of splits, troubles and networks.
    progress : object or None, default=None
        Its methods ``planned(plan, n_units, n_done)`` and ``done(unit, result)`` are
        called as the run goes on.
    name : str, default='table'
        What the table is called in the report.

    Returns
    -------
    PoCReport
        Results, verdict and page. When the run is interrupted (Ctrl-C) after the first
        split, the report of what is finished, with ``finished`` False; before, the
        KeyboardInterrupt goes on.

    Raises
    ------
    ValueError
        If the table or a parameter cannot be used; the message names the parameter,
        the rule, the value and the remedy.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", 2003.

    Examples
    --------
    >>> from skdae import poc
    >>> from skdae.datasets import make_sensor_data
    >>> plant = make_sensor_data(200, n_sensors=6, as_frame=True, random_state=0)
    >>> report = poc.run(
    ...     plant.data, schedules=("gradual", "stacked"), minutes=0.05, memory=False
    ... )
    >>> report.finished
    True
    """
    started = perf_counter()
    schedules = check_schedules(schedules)
    progress = Silence() if progress is None else progress
    data = prepare(X, y, task=task, time=time, groups=groups)
    network = default_network() if transformer is None else transformer
    asked = {
        "task": task,
        "schedules": schedules,
        "transformer": BaseEstimator.__repr__(network, N_CHAR_MAX=10**6),
        "label_budget": label_budget,
        "minutes": minutes,
        "n_splits": n_splits,
        "max_rows": max_rows,
        "memory": memory,
        "random_state": random_state,
        "n_jobs": effective_n_jobs(n_jobs),
        "name": name,
        "time": time if isinstance(time, str) else time is not None,
        "groups": groups if isinstance(groups, str) else groups is not None,
        "target": data.target,
    }
    kept = Cache.open(cache, fingerprint(data, asked), resume)
    plan = full_plan(
        data, tuple(schedules), network.max_iter, n_splits, max_rows, label_budget
    )
    if "plan" in kept.head:
        plan = Plan.from_dict(kept.head["plan"])
    elif minutes is not None:
        setting = make_setting(data, plan, network, asked)
        with threadpool_limits(1):  # as in a unit
            plan = plan_for(plan, setting, 60 * minutes, asked["n_jobs"])
    setting = make_setting(data, plan, network, asked)
    kept.note(plan=plan.to_dict())
    started -= seconds_of(kept.found, asked["n_jobs"])  # by an earlier run
    finished = True
    try:
        _run_all(setting, plan, kept, minutes, n_jobs, progress)
    except KeyboardInterrupt:
        if not whole_splits(setting, plan, kept.found):
            raise
        finished = False
    plan = Plan.from_dict(kept.head["plan"])  # as it was cut down on the way
    content = assemble(setting, plan, kept.found, asked, finished)
    content["made"]["minutes"] = (perf_counter() - started) / 60
    return PoCReport(content, kept)


def default_network() -> GradualDAETransformer:
    """Return the network that `transformer=None` stands for."""
    # cells that are wrong and cells that are lost, to different degrees in different
    # rows; not the very troubles of the experiment, which the simple methods do not
    # know either
    troubles = {
        "errors": PerRowNoise(GaussianNoise(0.75)),
        "gaps": PerRowNoise(MaskingNoise(0.5)),
    }
    return GradualDAETransformer(noise=ComposedNoise(list(troubles.items())))


def check_schedules(schedules: Any) -> dict[str, str]:
    """Return the schedules by name."""
    named = (
        dict(schedules)
        if isinstance(schedules, Mapping)
        else {
            str(s): s
            for s in ([schedules] if isinstance(schedules, str) else schedules)
        }
    )
    unknown = [s for s in named.values() if s not in SCHEDULES]
    if unknown or not named:
        raise ValueError(
            f"schedules={schedules!r} must name at least one of "
            f"{', '.join(DEFAULT_SCHEDULES)}; correct the names."
        )
    return named


def fingerprint(data: Data, asked: dict[str, Any]) -> str:
    """Return a text that is the same for the same data and settings alone."""
    digest = hashlib.sha256()
    digest.update(pd.util.hash_pandas_object(data.X, index=False).to_numpy().tobytes())
    for array in (data.y, data.groups):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    settings = {k: v for k, v in asked.items() if k != "n_jobs"}
    digest.update(repr((__version__, list(data.X.columns), settings)).encode())
    return digest.hexdigest()


def make_setting(
    data: Data,
    plan: Plan,
    network: GradualDAETransformer,
    asked: dict[str, Any],
) -> Setting:
    """Return what all units share."""
    seed, schedules = asked["random_state"], asked["schedules"]
    used = sample_rows(data, plan.n_rows, seed)
    # as many as there may be, so that fewer of them are the first of the same
    splits = in_running_order(
        make_splits(used, max(plan.n_splits, 2), seed), used.in_time
    )
    return Setting(
        used,
        tuple(splits),
        network,
        {name: schedules[name] for name in plan.schedules},
        plan.max_iter,
        plan.label_counts,
        MOST_TEST_ROWS,
        seed,
        asked["memory"],
    )


def seconds_of(found: Mapping[Unit, Result], n_jobs: int) -> float:
    """Return about how long units have taken."""
    return sum(result["seconds"] for result in found.values()) / n_jobs


def _run_all(
    setting: Setting,
    plan: Plan,
    kept: Cache,
    minutes: float | None,
    n_jobs: int | None,
    progress: Progress,
) -> None:
    """Run the first split, then as many more as there is time for."""
    _run_units(setting, plan, range(1), kept, n_jobs, progress)
    if minutes is not None and not kept.head.get("counted"):
        again = {u: r for u, r in kept.found.items() if u.kind != "memory"}
        every = seconds_of(kept.found, effective_n_jobs(n_jobs))
        seconds = seconds_of(again, effective_n_jobs(n_jobs))
        left = 60 * minutes - (every - seconds)
        n_splits = splits_in(left, seconds, plan.n_splits)
        if n_splits < plan.n_splits:
            plan = replace(plan, n_splits=n_splits).without(
                "splits", plan.n_splits, n_splits
            )
        kept.note(plan=plan.to_dict(), counted=True)
    _run_units(setting, plan, range(1, plan.n_splits), kept, n_jobs, progress)


def _run_units(
    setting: Setting,
    plan: Plan,
    splits: Sequence[int],
    kept: Cache,
    n_jobs: int | None,
    progress: Progress,
) -> None:
    every = [u for s in range(plan.n_splits) for u in units_of(setting, s)]
    progress.planned(plan, len(every), sum(u in kept.found for u in every))
    todo = [u for u in every if u.split in splits and u not in kept.found]
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(run_unit)(setting, unit) for unit in todo
    )
    for unit, result in zip(todo, results, strict=True):
        kept.put(unit, result)
        progress.done(unit, result)
