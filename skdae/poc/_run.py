"""Run the three experiments of a proof of concept."""

import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from joblib import Memory, Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from skdae._outlier._folds import number_of_folds
from skdae._sklearn_compat import Interval, StrOptions, validate_params
from skdae._transformer import GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae._version import __version__
from skdae._whole_file import whole_file
from skdae.poc import _denoising, _downstream, _plan, _splits
from skdae.poc._data import TASKS, Data, prepare
from skdae.poc._plan import Plan, Setting, Unit
from skdae.poc._report import PoCReport, assemble, made
from skdae.poc._resources import run_memory, timed
from skdae.schedules import SCHEDULES

DEFAULT_SCHEDULES = ("gradual", "stacked", "hybrid", "frozen", "joint")
#: Whose memory is measured, beside the first schedule: the heaviest of the others.
MEASURED = ("neighbors", "boosting", "isolation_forest", "imputer", "denoiser")
RUN_ID = "run_id"  # file in the cache
# rows on which the imputer is timed: its forests take about as long for each row
IMPUTER_PILOT = 2_000

Result = dict[str, Any]


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
    use=(),
    label_budget=None,
    minutes=10.0,
    n_splits=_plan.MAX_SPLITS,
    max_rows=_plan.MAX_ROWS,
    memory=True,
    cache=None,
    resume=False,
    n_jobs=None,
    random_state=0,
    progress=None,
    name="table",
):
    """Find out on your own table whether gradual denoising autoencoders pay.

    Three experiments on the same splits for all methods: how well corrupted rows are
    restored; the downstream task, where there is a target, for several numbers of
    labels; and what it costs. Intervals of the paired differences count splits, the
    training rows they share [1]_ and test rows. The verdict is corrected for the number
    of tests [2]_, holds for the labels there are, and recommends for each job whichever
    method wins. No test row takes part in a choice.

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
        (or the rarer one) marks anomalies; only other rows are trained on.
    schedules : sequence of str or dict of str to str
        Schedules to compare; the verdict is about the first. A dict gives them names of
        its own. Default: 'gradual', 'stacked', 'hybrid', 'frozen', 'joint'.
    transformer : GradualDAETransformer or None, default=None
        The network; its schedule, categories and seed are replaced. None: its defaults,
        with Gaussian errors and missing cells as noise, in some rows more than others.
    time : str, array-like of shape (n_samples,) or None, default=None
        Times of the rows, or the name of their column: methods are trained on the past
        and tested on what comes after. None: where neighbours are alike, whole blocks
        of rows are held out.
    groups : str, array-like of shape (n_samples,) or None, default=None
        Units (machines, batches, files) of which whole ones are held out.
    use : sequence of str, default=()
        Columns to use that would be left out, because they seem to count the rows or
        to be dates in numbers, or have many categories.
    label_budget : int or None, default=None
        The most labels that are used; None uses all.
    minutes : float or None, default=10
        Time budget: schedules, epochs, rows and splits are cut until it is about met,
        and the report says what was left out. None runs everything.
    n_splits : int, default=10
        The most splits: repeated 5-fold cross-validation, or blocks of time.
    max_rows : int, default=20_000
        The most rows; of more a random part is used, in blocks where rows are in time
        order.
    memory : bool, default=True
        Whether to measure peak memory, each in a process of its own: some seconds.
    cache : path or None, default=None
        Folder in which `joblib.Memory` keeps the results of finished units, so that a
        killed run goes on. It is removed by :meth:`PoCReport.save`.
    resume : bool, default=False
        Whether to go on with the run in `cache`.
    n_jobs : int or None, default=None
        Processes; see joblib.
    random_state : int, default=0
        Seed of splits, corruptions and networks.
    progress : object or None, default=None
        Its methods ``planned(plan, n_units, n_done)`` and ``done(unit, result)`` are
        called as the run goes on.
    name : str, default='table'
        Name of the table in the report.

    Returns
    -------
    PoCReport
        Results, verdict and page; of a run that is interrupted (Ctrl-C) after the first
        split, what is finished.

    Raises
    ------
    ValueError
        If the table or a parameter cannot be used.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", 2003.
    .. [2] S. Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Examples
    --------
    >>> from skdae import poc
    >>> from skdae.datasets import make_sensor_data
    >>> plant = make_sensor_data(200, n_sensors=6, as_frame=True, random_state=0)
    >>> options = {"minutes": 0.01, "memory": False}
    >>> report = poc.run(plant.data, schedules=["gradual"], **options)
    >>> report.finished
    True
    """
    started = perf_counter()
    data = prepare(X, y, task=task, time=time, groups=groups, use=use)
    network = transformer or default_transformer("proof_of_concept")
    asked = {
        "task": task,
        "schedules": check_schedules(schedules),
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
        "use": list(use),
    }
    run_id = fingerprint(data, asked)
    cache = _opened(cache, run_id, resume)
    memory = Memory(cache, verbose=0)
    plan = memory.cache(make_plan, ignore=["data", "network", "asked"])(
        run_id, data, network, asked
    )
    setting = make_setting(data, plan, network, asked)
    execution = Execution(run_id, setting, plan, memory, progress)
    finished = execution.run(minutes, asked["n_jobs"])
    seconds = perf_counter() - started + execution.earlier_seconds
    facts = {
        "finished": finished,
        "whole_splits": execution.whole_splits,
        "made": made() | {"minutes": seconds / 60},
        "asked": asked,
    }
    content = facts | assemble(setting, execution.plan, execution.found)
    return PoCReport(content, cache)


def _opened(cache: str | os.PathLike | None, run_id: str, resume: bool) -> Path | None:
    """Return the folder of a new run, or of an earlier one that is resumed."""
    if cache is None:
        return None
    folder, label = Path(cache), Path(cache) / RUN_ID
    if label.exists():
        if not resume:
            raise ValueError(
                f"cache={str(cache)!r} holds the results of an unfinished run; "
                "set resume=True to go on with it, or remove the folder to start over."
            )
        if label.read_text(encoding="ascii") != run_id:
            raise ValueError(
                f"cache={str(cache)!r} holds a run of other data or other "
                "settings; resume with those it was started with, or remove the "
                "folder to start over."
            )
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(label) as file:  # one cut off by a kill would be of another run
        file.write(run_id.encode("ascii"))
    return folder


def fingerprint(data: Data, asked: dict[str, Any]) -> str:
    """Return a text that is the same for the same data and settings alone."""
    settings = {k: v for k, v in asked.items() if k != "n_jobs"}
    columns = [(name, data.X[name].to_numpy()) for name in data.X]
    return joblib.hash([__version__, columns, data.y, data.groups, settings])


def check_schedules(schedules: Any) -> dict[str, str]:
    """Return the schedules by name."""
    if isinstance(schedules, Mapping):
        named = dict(schedules)
    else:
        names = [schedules] if isinstance(schedules, str) else schedules
        named = {str(s): s for s in names}
    unknown = [s for s in named.values() if s not in SCHEDULES]
    if unknown or not named:
        raise ValueError(
            f"schedules={schedules!r} must name at least one of "
            f"{', '.join(DEFAULT_SCHEDULES)}; correct the names."
        )
    return named


def make_setting(
    data: Data, plan: Plan, network: GradualDAETransformer, asked: dict[str, Any]
) -> Setting:
    """Return what all units share."""
    seed, schedules = asked["random_state"], asked["schedules"]
    used = data.take(_splits.sample_rows(data, plan.n_rows, seed))
    # as many as there may be, so that fewer of them are the first of the same
    splits = _splits.make_splits(used, max(plan.n_splits, 2), seed)
    return Setting(
        used,
        tuple(_splits.in_running_order(splits, used.in_time)),
        network,
        {name: schedules[name] for name in plan.schedules},
        plan.max_iter,
        plan.label_counts,
        _plan.MAX_TEST_ROWS,
        seed,
        asked["memory"],
    )


def make_plan(
    run_id: str, data: Data, network: GradualDAETransformer, asked: dict[str, Any]
) -> Plan:
    """Return the plan that fits into the time budget; it is kept for `run_id`."""
    plan = _plan.full_plan(data, network.max_iter, asked)
    if asked["minutes"] is None:
        return plan
    setting = make_setting(data, plan, network, asked)
    few = setting.data.take(np.arange(min(len(setting.data.X), IMPUTER_PILOT)))
    with threadpool_limits(1):  # as in a unit
        _, costs = timed(lambda: _denoising.imputer(few, 0))
        pilot = partial(measure_pilot, setting, costs["fit_seconds"] / len(few.X))
        return _plan.plan_for(plan, pilot, 60 * asked["minutes"], asked["n_jobs"])


def measure_pilot(setting: Setting, imputer_seconds: float, n_rows: int) -> _plan.Pilot:
    """Return the seconds that so many rows take; the imputer's are given by row."""
    data = setting.data.take(_splits.sample_rows(setting.data, n_rows, setting.seed))
    train = data.take(np.arange(max(2, int(0.8 * len(data.X)))))
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    network = setting.network("gradual", train, 0, depth)
    network, costs = timed(lambda: network.fit(train.X))
    epoch = costs["fit_seconds"] / depth
    task = 0.0
    if data.task == "anomaly":
        n_folds = number_of_folds("auto", "random", len(train.X), None)
        epochs = default_transformer("detector", len(train.X)).max_iter
        task = epoch * epochs * (n_folds - 1)
    elif data.task is not None:
        labelled = train.take(np.flatnonzero(train.known))  # the most there will be
        _, costs = timed(lambda: _downstream.fine_tuned(setting, network, labelled, 0))
        task = costs["fit_seconds"]
    seconds = imputer_seconds * len(train.X)
    return _plan.Pilot(epoch, task, seconds, has_denoiser=data.in_order)


# --- units ----------------------------------------------------------------------------

#: What runs a unit, by its kind.
KINDS: dict[str, Callable[[Setting, Unit], Result]] = {
    "network": _downstream.run_network,
    "restorer": _denoising.run_restorer,
    "predictor": _downstream.run_predictor,
    "detector": _downstream.run_detector,
    "memory": run_memory,
}


def units_of(setting: Setting, split: int) -> list[Unit]:
    """Return all units of a split, the longest first."""
    task, schedules = setting.data.task, list(setting.schedules)
    names: dict[str, list[str]] = {
        "network": schedules,
        "detector": [],
        "predictor": [],
    }
    names["restorer"] = _denoising.restorers(setting.data)
    if task == "anomaly":
        ours = [_downstream.OUR_DETECTOR + name for name in schedules]
        names["detector"] = [*ours, *_downstream.DETECTORS]
    elif task is not None:
        names["predictor"] = [_downstream.UNTRAINED, *_downstream.PREDICTORS]
    found = [(kind, name) for kind, every in names.items() for name in every]
    if setting.memory and split == 0:  # it does not depend on the split
        measured = (schedules[0], _downstream.OUR_DETECTOR + schedules[0], *MEASURED)
        found += [("memory", f"{k}:{name}") for k, name in found if name in measured]
    return [Unit(kind, method, split) for kind, method in found]


def run_unit(run_id: str, unit: Unit, setting: Setting) -> Result:
    """Return what a unit finds with one thread, and what it was warned of.

    `run_id` stands for the setting where finished units are looked up.
    """
    # one thread each: those of gradient boosting wait for each other on busy cores
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        started = perf_counter()
        result = KINDS[unit.kind](setting, unit)
    messages = {str(warning.message) for warning in caught}
    seconds = perf_counter() - started
    return result | {"seconds": seconds, "warnings": sorted(messages)}


class Execution:
    """The units of a run, those that are done and those to do."""

    def __init__(
        self,
        run_id: str,
        setting: Setting,
        plan: Plan,
        memory: Memory,
        progress: Any,
    ) -> None:
        self.run_id, self.setting, self.plan = run_id, setting, plan
        self.folder, self.progress = memory.location, progress
        self.found: dict[Unit, Result] = {}
        self.earlier_seconds = 0.0  # of units that an earlier run has finished
        self.cached = memory.cache(run_unit, ignore=["setting"])

    def run(self, minutes: float | None, n_jobs: int) -> bool:
        """Run the first split, then as many more as there is time for.

        Returns whether that is done: an interrupt after the first split ends it early.
        """
        try:
            self._run_splits(range(1), n_jobs)
            if minutes is not None:
                self._count_splits(60 * minutes * n_jobs)
            self._run_splits(range(1, self.plan.n_splits), n_jobs)
        except KeyboardInterrupt:
            if self.whole_splits:
                return False
            if not self.found and self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return True

    @property
    def whole_splits(self) -> int:
        """The number of splits on which all methods have been run."""
        return sum(
            all(unit in self.found for unit in units if unit.kind != "memory")
            for units in self._units()
        )

    def _units(self) -> list[list[Unit]]:
        return [units_of(self.setting, split) for split in range(self.plan.n_splits)]

    def _count_splits(self, seconds: float) -> None:
        """Cut the plan down to the splits that there is time for after the first."""
        took = {True: 0.0, False: 0.0}  # by units that measure memory, and by others
        for unit, result in self.found.items():
            took[unit.kind == "memory"] += result["seconds"]
        left = seconds - took[True]
        n_splits = _plan.splits_in(left, took[False], self.plan.n_splits)
        self.plan = self.plan.shrunk(n_splits=n_splits)

    def _run_splits(self, splits: range, n_jobs: int) -> None:
        every = [unit for units in self._units() for unit in units]
        todo = [u for u in every if u.split in splits and u not in self.found]
        done = {
            unit
            for unit in every
            if self.cached.check_call_in_cache(self.run_id, unit, self.setting)
        }
        if self.progress is not None:
            n_done = len(done | set(self.found))
            self.progress.planned(self.plan, len(every), n_done)
        results = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(self.cached)(self.run_id, unit, self.setting) for unit in todo
        )
        for unit, result in zip(todo, results, strict=True):
            self.found[unit] = result
            if unit in done:
                self.earlier_seconds += result["seconds"] / n_jobs
            elif self.progress is not None:
                self.progress.done(unit, result)
