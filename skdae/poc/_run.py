"""Run the three experiments of a proof of concept."""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import pandas as pd
from joblib import Memory, Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from skdae._sklearn_compat import Interval, StrOptions, validate_params
from skdae._transformer import GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae._version import __version__
from skdae.poc._data import TASKS, Data, prepare
from skdae.poc._denoising import IMPUTER, restorers, run_restorer
from skdae.poc._downstream import (
    DETECTORS,
    OUR_DETECTOR,
    PREDICTORS,
    UNTRAINED,
    detector_epochs,
    fine_tuned,
    run_detector,
    run_network,
    run_our_detector,
    run_predictor,
    run_untrained,
)
from skdae.poc._plan import (
    MAX_ROWS,
    MAX_SPLITS,
    MAX_TEST_ROWS,
    Plan,
    Setting,
    Unit,
    full_plan,
    plan_for,
    splits_in,
)
from skdae.poc._report import PoCReport, assemble
from skdae.poc._resources import run_memory, timed
from skdae.poc._splits import in_running_order, make_splits, sample_rows
from skdae.schedules import SCHEDULES

DEFAULT_SCHEDULES = ("gradual", "stacked", "hybrid", "frozen", "joint")
#: Whose memory is measured, beside the first schedule: the heaviest of the others.
MEASURED = ("neighbors", "boosting", "isolation_forest", IMPUTER)
HEAD = "run.json"  # facts about the run as a whole, in the cache

Result = dict[str, Any]


class Progress(Protocol):
    """Observer of a run."""

    def planned(self, plan: Plan, n_units: int, n_done: int) -> None:
        """The plan is made, or changed; so many of its units are done already."""

    def done(self, unit: Unit, result: Result) -> None:
        """A unit is done."""


class NullProgress:
    """Observes nothing."""

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
    use=(),
    label_budget=None,
    minutes=10.0,
    n_splits=MAX_SPLITS,
    max_rows=MAX_ROWS,
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
    labels; and what it costs. Networks of all schedules make the same number of weight
    updates. Differences are paired, with intervals that count splits, the training
    rows they share [1]_ and test rows. The verdict is corrected for the number of
    tests [2]_, holds for the labels there are, and recommends for each job whichever
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
        with Gaussian errors and missing cells as noise, more in some rows than in
        others.
    time : str, array-like of shape (n_samples,) or None, default=None
        Times of the rows, or the name of their column. Methods are then trained on the
        past and tested on what comes after. None: where neighbouring rows resemble each
        other, whole blocks of them are held out.
    groups : str, array-like of shape (n_samples,) or None, default=None
        Units (machines, batches, files) of which whole ones are held out.
    use : sequence of str, default=()
        Columns to use that would be left out, because they seem to count the rows or
        to be dates in numbers, or have many categories.
    label_budget : int or None, default=None
        The most labels that are used; None uses all.
    minutes : float or None, default=10
        Time budget: schedules, epochs, rows and splits are cut down until it is about
        met, and the report says what was left out. None runs everything.
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
    schedules = check_schedules(schedules)
    data = prepare(X, y, task=task, time=time, groups=groups, use=use)
    network = transformer or default_transformer("proof_of_concept")
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
    store = Store.open(cache, fingerprint(data, asked), resume)
    plan = store.plan
    if plan is None:
        plan = full_plan(
            data, tuple(schedules), network.max_iter, n_splits, max_rows, label_budget
        )
        if minutes is not None:
            whole = make_setting(data, plan, network, asked)
            with threadpool_limits(1):  # as in a unit
                pilot = partial(measure_pilot, whole)
                plan = plan_for(plan, pilot, 60 * minutes, asked["n_jobs"])
        store.note(plan=plan.to_dict())
    setting = make_setting(data, plan, network, asked)
    execution = Execution(
        setting, store, n_jobs, NullProgress() if progress is None else progress
    )
    finished = True
    try:
        plan = execution.run(plan, minutes)
    except KeyboardInterrupt:
        plan = store.plan or plan  # as it was cut down on the way
        if not execution.whole_splits(plan):
            if not execution.found:
                store.remove()
            raise
        finished = False
    whole_splits = execution.whole_splits(plan)
    content = assemble(setting, plan, execution.found, asked, whole_splits, finished)
    seconds = perf_counter() - started + execution.earlier_seconds
    content["made"]["minutes"] = seconds / 60
    return PoCReport(content, cache)


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
    used = data.take(sample_rows(data, plan.n_rows, seed))
    # as many as there may be, so that fewer of them are the first of the same
    splits = make_splits(used, max(plan.n_splits, 2), seed)
    return Setting(
        used,
        tuple(in_running_order(splits, used.in_time)),
        network,
        {name: schedules[name] for name in plan.schedules},
        plan.max_iter,
        plan.label_counts,
        MAX_TEST_ROWS,
        seed,
        asked["memory"],
    )


def measure_pilot(setting: Setting, n_rows: int) -> tuple[float, float]:
    """Return the seconds of an epoch of a network, and of a downstream task."""
    data = setting.data.take(sample_rows(setting.data, n_rows, setting.seed))
    train = data.take(np.arange(max(2, int(0.8 * len(data.X)))))
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    network = setting.network("gradual", train, 0, depth)
    network, costs = timed(lambda: network.fit(train.X))
    epoch = costs["fit_seconds"] / depth
    if data.task is None:
        return epoch, 0.0
    if data.task == "anomaly":
        return epoch, epoch * detector_epochs(len(train.X))
    labelled = train.take(np.flatnonzero(train.known))  # the most there will be
    _, costs = timed(lambda: fine_tuned(setting, network, labelled, 0))
    return epoch, costs["fit_seconds"]


# --- units ----------------------------------------------------------------------------

#: What runs a unit, by its kind.
KINDS: dict[str, Callable[[Setting, Unit], Result]] = {
    "network": run_network,
    "restorer": run_restorer,
    "predictor": run_predictor,
    "untrained": run_untrained,
    "detector": run_detector,
    "our_detector": run_our_detector,
    "memory": lambda setting, unit: {"records": run_memory(setting, unit)},
}


def units_of(setting: Setting, split: int) -> list[Unit]:
    """Return all units of a split, the longest first."""
    task = setting.data.task
    found = [("network", name) for name in setting.schedules]
    if task == "anomaly":
        found += [("our_detector", OUR_DETECTOR + name) for name in setting.schedules]
        found += [("detector", name) for name in DETECTORS]
    elif task is not None:
        found.append(("untrained", UNTRAINED))
        found += [("predictor", name) for name in PREDICTORS]
    found += [("restorer", name) for name in (IMPUTER, *restorers(setting.data))]
    if setting.memory and split == 0:  # it does not depend on the split
        first = next(iter(setting.schedules))
        measured = (first, OUR_DETECTOR + first, *MEASURED)
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


def fingerprint(data: Data, asked: dict[str, Any]) -> str:
    """Return a text that is the same for the same data and settings alone."""
    digest = hashlib.sha256()
    digest.update(pd.util.hash_pandas_object(data.X, index=False).to_numpy().tobytes())
    for array in (data.y, data.groups):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    settings = {k: v for k, v in asked.items() if k != "n_jobs"}
    digest.update(repr((__version__, list(data.X.columns), settings)).encode())
    return digest.hexdigest()


@dataclass
class Store:
    """The cache of a run: the results of units, and the plan."""

    folder: Path | None
    head: dict[str, Any]

    @classmethod
    def open(
        cls, cache: str | os.PathLike | None, run_id: str, resume: bool
    ) -> "Store":
        """Return the store of a new run, or of an earlier one that is resumed."""
        if cache is None:
            return cls(None, {"run_id": run_id})
        folder, head = Path(cache), Path(cache) / HEAD
        if not head.exists():
            store = cls(folder, {"run_id": run_id})
            store.note()
            return store
        if not resume:
            raise ValueError(
                f"cache={str(folder)!r} holds the results of an unfinished run; "
                "set resume=True to go on with it, or remove the folder to start over."
            )
        store = cls(folder, json.loads(head.read_text(encoding="utf-8")))
        if store.head["run_id"] != run_id:
            raise ValueError(
                f"cache={str(folder)!r} holds a run of other data or other "
                "settings; resume with those it was started with, or remove the "
                "folder to start over."
            )
        return store

    @property
    def plan(self) -> Plan | None:
        """The plan of the run, None before it is made."""
        stored = self.head.get("plan")
        return None if stored is None else Plan.from_dict(stored)

    def note(self, **facts: Any) -> None:
        """Keep facts about the run as a whole."""
        self.head |= facts
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = (self.folder / HEAD).with_suffix(".part")
            part.write_text(json.dumps(self.head), encoding="utf-8")
            os.replace(part, self.folder / HEAD)  # whole or not at all

    def remove(self) -> None:
        """Delete the folder."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class Execution:
    """The units of a run, those that are done and those to do.

    Parameters
    ----------
    setting : Setting
        What all units share.
    store : Store
        Cache of the run.
    n_jobs : int or None
        Processes; see joblib.
    progress : Progress
        Observer.
    """

    def __init__(
        self, setting: Setting, store: Store, n_jobs: int | None, progress: Progress
    ) -> None:
        self.setting, self.store = setting, store
        self.n_jobs, self.progress = n_jobs, progress
        self.found: dict[Unit, Result] = {}
        self.earlier_seconds = 0.0  # of units that an earlier run has finished
        memory = Memory(store.folder, verbose=0)
        self.cached = memory.cache(run_unit, ignore=["setting"])

    def run(self, plan: Plan, minutes: float | None) -> Plan:
        """Run the first split, then as many more as there is time for."""
        self._run_splits(plan, range(1))
        if minutes is not None and not self.store.head.get("counted"):
            memory = sum(
                r["seconds"] for u, r in self.found.items() if u[0] == "memory"
            )
            every = sum(r["seconds"] for r in self.found.values())
            n_jobs = effective_n_jobs(self.n_jobs)
            left = (60 * minutes * n_jobs - memory) / n_jobs
            plan = plan.shrunk(
                n_splits=splits_in(left, (every - memory) / n_jobs, plan.n_splits)
            )
            self.store.note(plan=plan.to_dict(), counted=True)
        self._run_splits(plan, range(1, plan.n_splits))
        return plan

    def whole_splits(self, plan: Plan) -> int:
        """Return the number of splits on which all methods have been run."""
        return sum(
            all(u in self.found for u in self._units(s) if u.kind != "memory")
            for s in range(plan.n_splits)
        )

    def _units(self, split: int) -> list[Unit]:
        return units_of(self.setting, split)

    def _run_splits(self, plan: Plan, splits: Sequence[int]) -> None:
        run_id = self.store.head["run_id"]
        every = [u for s in range(plan.n_splits) for u in self._units(s)]
        todo = [u for u in every if u.split in splits and u not in self.found]
        done = {
            unit
            for unit in every
            if self.cached.check_call_in_cache(run_id, unit, self.setting)
        }
        n_done = len(done | set(self.found))
        self.progress.planned(plan, len(every), n_done)
        results = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(self.cached)(run_id, unit, self.setting) for unit in todo
        )
        for unit, result in zip(todo, results, strict=True):
            self.found[unit] = result
            if unit in done:
                self.earlier_seconds += result["seconds"] / effective_n_jobs(
                    self.n_jobs
                )
            else:
                self.progress.done(unit, result)
