"""The proof of concept: fair splits, honest verdicts, nothing lost when killed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skdae import GradualDAETransformer, poc
from skdae.noise import Layout
from skdae.poc._costs import rows_per_second
from skdae.poc._data import prepare
from skdae.poc._downstream import labelled_rows
from skdae.poc._plan import (
    LABEL_COUNTS,
    Plan,
    full_plan,
    in_running_order,
    sample_rows,
    smaller_plans,
)
from skdae.poc._rebuilders import REBUILDERS
from skdae.poc._report import differences, rows_of
from skdae.poc._run import DEFAULT_SCHEDULES, default_network
from skdae.poc._setting import Setting, Unit
from skdae.poc._splits import make_splits
from skdae.poc._statistics import TINY, Interval, compare, interval
from skdae.poc._troubles import TROUBLES, spoil
from skdae.poc._units import KINDS, run_unit, units_of
from skdae.poc._verdict import judge
from skdae.poc._words import summary

SMALL = GradualDAETransformer((8, 4), max_iter=8)
CHEAP = {"minutes": None, "n_splits": 2, "memory": False, "transformer": SMALL}
TWO = ("gradual", "stacked")


def table(n_rows=120, seed=0):
    """Five sensors that two causes move, a text column and a class."""
    draw = np.random.default_rng(seed)
    causes = draw.normal(size=(n_rows, 2))
    X = causes @ draw.normal(size=(2, 5)) + 0.1 * draw.normal(size=(n_rows, 5))
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["mode"] = np.where(causes[:, 0] > 0.5, "high", "low")
    y = (causes[:, 1] > 0).astype(int)
    return frame, y


def without_times(content):
    """What does not hang on how fast the machine was."""
    kept = {k: v for k, v in content.items() if k not in ("made", "resources")}
    kept["verdict"] = [a for a in content["verdict"] if a["question"] != "cost"]
    return json.dumps(kept, sort_keys=True)


# --- statistics -----------------------------------------------------------------------


def test_comparison_is_antisymmetric():
    draw = np.random.default_rng(0)
    a, b = draw.uniform(1, 2, 8), draw.uniform(1, 2, 8)
    one, other = compare(a, b, 0.25), compare(b, a, 0.25)
    assert one.ratio == pytest.approx(1 / other.ratio)
    assert one.low == pytest.approx(1 / other.high)
    assert one.p_value == pytest.approx(other.p_value)


def test_comparison_of_equals_finds_nothing():
    result = compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.25)
    assert (result.ratio, result.low, result.high, result.p_value) == (1, 1, 1, 1)
    assert not result.is_better
    assert not result.is_worse


def test_one_split_has_no_interval():
    result = compare([1.0], [2.0], 0.25)
    assert result.ratio == pytest.approx(0.5)
    assert result.low is result.high is result.p_value is None
    assert not result.is_better
    assert interval([3.0], 0.25).low is None


def test_shared_training_rows_widen_the_interval():
    values = [1.0, 1.2, 0.9, 1.1]
    assert interval(values, 0.5).high > interval(values, 0.0).high


def test_intervals_of_errors_hold_no_error_that_cannot_be():
    values = np.array([0.01, 0.02, 0.9, 0.1])
    found, tenfold = interval(values, 0.25), interval(10 * values, 0.25)
    assert 0 < found.low < found.mean < found.high
    assert found.mean == values.mean()
    assert (tenfold.low, tenfold.high) == pytest.approx(
        (10 * found.low, 10 * found.high)
    )
    assert found.mean / found.low == pytest.approx(found.high / found.mean)
    assert interval(values, 0.25, most=1.0).high == 1 < found.high
    assert interval([0.0, 0.0], 0.25) == Interval(0.0, 0.0, 0.0)


def test_errors_below_the_floor_are_alike():
    assert compare([0.0, 0.0], [1e-6, 1e-5], 0.25, floor=1e-3).ratio == 1


# --- splits ---------------------------------------------------------------------------


def test_groups_are_held_out_whole():
    X, y = table()
    groups = np.arange(len(X)) % 7
    data = prepare(X, y, groups=groups)
    for split in make_splits(data, 6, 0):
        assert not set(data.groups[split.train]) & set(data.groups[split.test])


def test_what_is_held_out_comes_later():
    X, y = table()
    X["when"] = np.random.default_rng(0).permutation(len(X))
    data = prepare(X, y, time="when")
    order = np.argsort(X["when"].to_numpy())
    assert data.X["a"].tolist() == X["a"].to_numpy()[order].tolist()
    for split in make_splits(data, 5, 0):
        assert split.train.max() < split.test.min()


def test_every_row_is_held_out_once_per_repetition():
    data = prepare(*table())
    splits = make_splits(data, 10, 0)
    counts = np.bincount(np.concatenate([s.test for s in splits]))
    assert set(counts) == {2}
    for split in splits:
        assert not set(split.train) & set(split.test)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_running_order_is_a_permutation_with_the_last_first(n):
    splits = [(k, k) for k in range(n)]
    ordered = in_running_order(splits, True)
    assert sorted(ordered) == splits
    assert ordered[0] == splits[-1]
    assert in_running_order(splits, False) == splits


def test_no_method_learns_from_test_rows():
    X, y = table()
    splits = make_splits(prepare(X, y), 5, 0)
    changed = X.copy()
    changed.loc[splits[0].test, list("abcde")] *= 3.0  # rows that are only tested on
    found = []
    for frame in (X, changed):
        data = prepare(frame, y)
        train = data.take(splits[0].train)
        shown = prepare(X, y).take(splits[0].test).X
        found.append([make(train).rebuild(shown) for make in REBUILDERS.values()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


# --- troubles -------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_keeps_what_it_does_not_touch(trouble):
    draw = np.random.default_rng(0)
    X = draw.normal([5.0, -200.0, 0.1, 7.0], [1.0, 50.0, 0.01, 3.0], (400, 4))
    X[draw.random(X.shape) < 0.1] = np.nan
    before = X.copy()
    spoiled = spoil(trouble, X, Layout.from_data(X), np.random.default_rng(1))
    np.testing.assert_array_equal(X, before)
    assert not spoiled.counted[np.isnan(X)].any()
    if TROUBLES[trouble].is_gap:
        assert np.isnan(spoiled.shown[spoiled.counted]).all()
        assert 0.1 < spoiled.counted.mean() < 0.4
        kept = ~spoiled.counted
        np.testing.assert_array_equal(spoiled.shown[kept], X[kept])
    else:
        seen = ~np.isnan(X)
        np.testing.assert_array_equal(spoiled.counted, seen)
        np.testing.assert_array_equal(np.isnan(spoiled.shown), ~seen)
        moved = np.abs(spoiled.shown - X)[seen] > 1e-9 * np.abs(X[seen])
        assert moved.any() == (trouble != "clean")


def test_errors_do_not_hang_on_units():
    X, y = table()
    scaled = X.copy()
    scaled[list("abcde")] = X[list("abcde")] * 1000.0 + 5.0
    errors = []
    for frame in (X, scaled):
        data = prepare(frame, y)
        setting = Setting(
            data, make_splits(data, 2, 0), SMALL, {"gradual": "gradual"}, 8, (0,), 99, 0
        )
        result = run_unit(setting, Unit("rebuilder", "pca", 0))
        errors.append([result["rebuild"][t]["error"] for t in TROUBLES])
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6)


def test_column_mean_has_an_error_of_one_deviation():
    draw = np.random.default_rng(0)
    data = prepare(draw.normal(size=(4000, 3)))
    setting = Setting(
        data, make_splits(data, 2, 0), SMALL, {"gradual": "gradual"}, 8, (0,), 2000, 0
    )
    result = run_unit(setting, Unit("rebuilder", "column_mean", 0))
    for trouble in TROUBLES:
        assert result["rebuild"][trouble]["error"] == pytest.approx(1, abs=0.05)


def test_rows_per_second_are_those_of_many_rows(monkeypatch):
    calls, now = [], [0.0]

    def act(rows):
        calls.append(len(rows))
        now[0] += 0.01 + 1e-6 * len(rows)

    monkeypatch.setattr("skdae.poc._costs.perf_counter", lambda: now[0])
    rate = rows_per_second(act, pd.DataFrame({"a": range(100)}))
    assert calls[-1] > 50_000
    assert rate == pytest.approx(calls[-1] / (0.01 + 1e-6 * calls[-1]))


# --- the plan -------------------------------------------------------------------------


def test_smaller_plans_shrink_and_say_so():
    X, y = table()
    plan = replace(
        full_plan(prepare(X, y), DEFAULT_SCHEDULES, 200, 10, 20_000, None),
        n_rows=50_000,
    )
    plans = smaller_plans(plan)
    assert plans[0] is plan
    sizes = [p.n_rows * p.max_iter * len(p.schedules) for p in plans]
    assert sizes == sorted(sizes, reverse=True)
    assert plans[-1].schedules == ("gradual", "stacked")
    left_out = {what: (asked, run) for what, asked, run in plans[-1].left_out}
    assert left_out["rows"] == (50_000, 1_000)
    assert left_out["max_iter"] == (200, 25)
    assert left_out["schedules"] == (DEFAULT_SCHEDULES, ("gradual", "stacked"))


def test_plan_survives_json():
    plan = Plan(10, 5, TWO, 3, (100, 0)).without("rows", 20, 10)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_label_counts_end_with_all_or_the_budget():
    X, y = table(1000)
    data = prepare(X, y)
    assert full_plan(data, TWO, 9, 2, 10**6, None).label_counts == (100, 300, 0)
    assert full_plan(data, TWO, 9, 2, 10**6, 150).label_counts == (100, 150)
    assert full_plan(prepare(X), TWO, 9, 2, 10**6, None).label_counts == ()
    assert tuple(sorted(LABEL_COUNTS)) == LABEL_COUNTS


def test_sample_keeps_order_and_shares():
    X, y = table(600)
    sample = sample_rows(prepare(X, y), 200, 0)
    assert len(sample.X) == 200
    assert sample.y.mean() == pytest.approx(y.mean(), abs=0.01)
    places = [X.index[X["a"] == value][0] for value in sample.X["a"]]
    assert places == sorted(places)


def test_all_schedules_make_as_many_updates():
    data = prepare(*table())
    setting = Setting(
        data,
        make_splits(data, 2, 0),
        SMALL,
        {name: name for name in DEFAULT_SCHEDULES},
        12,
        (0,),
        99,
        0,
    )
    updates = {
        name: run_unit(setting, Unit("network", name, 0))["costs"]["weight_updates"]
        for name in DEFAULT_SCHEDULES
    }
    assert len(set(updates.values())) == 1, updates


def test_units_of_a_split_differ():
    data = prepare(*table())
    setting = Setting(
        data, make_splits(data, 2, 0), SMALL, {"g": "gradual"}, 8, (0,), 9, 0
    )
    units = units_of(setting, 0)
    assert len(set(units)) == len(units)
    assert {u.kind for u in units} > {"memory", "network", "rebuilder", "predictor"}
    assert not any(u.kind == "memory" for u in units_of(setting, 1))


# --- whole runs -----------------------------------------------------------------------


@pytest.mark.parametrize("task", ["classification", "regression", "anomaly", None])
def test_all_experiments_run(task):
    X, y = table()
    target = {"regression": X["a"] + X["b"], "anomaly": (y == 1) & (X["a"] > 0)}
    y = None if task is None else target.get(task, y)
    report = poc.run(X, y, task=task or "auto", schedules=TWO, **CHEAP)
    content = report.content
    assert report.finished
    assert content["warnings"] == []
    methods = {row["method"] for row in content["denoising"]["errors"]}
    assert methods == {*TWO, *REBUILDERS}
    assert (content["downstream"] is None) == (task is None)
    for row in content["denoising"]["errors"]:
        assert row["mean"] == pytest.approx(np.mean(row["by_split"]))
        assert row["low"] <= row["mean"] <= row["high"]
    for part in (content["denoising"], content["downstream"]):
        for row in [] if part is None else part["differences"]:
            assert row["method"] == part["judged"]
            assert row["low"] <= row["ratio"] <= row["high"]
    questions = [answer["question"] for answer in report.verdict]
    wanted = ["overall", "structure", "schedule", "denoising", "downstream", "cost"]
    assert questions == [q for q in wanted if task is not None or q != "downstream"]
    json.dumps(content, allow_nan=False)


def test_same_seed_same_numbers():
    X, _ = table()
    one, other = (poc.run(X, schedules=TWO, **CHEAP).content for _ in range(2))
    assert without_times(one) == without_times(other)


class Killed(Exception):
    pass


class Killer:
    """Kills the run after some units."""

    def __init__(self, n_units, error):
        self.left, self.error = n_units, error

    def planned(self, plan, n_units, n_done):
        pass

    def done(self, unit, result):
        self.left -= 1
        if self.left == 0:
            raise self.error


@pytest.mark.parametrize(("after", "labelled"), [(1, False), (7, True), (10, False)])
def test_resumed_run_ends_with_the_same_numbers(tmp_path, after, labelled):
    X, y = table()
    y = y if labelled else None
    options = {"schedules": TWO, "label_budget": 20, **CHEAP}
    whole = poc.run(X, y, **options)
    cache = tmp_path / "cache"
    with pytest.raises(Killed):
        poc.run(X, y, cache=cache, progress=Killer(after, Killed()), **options)
    (cache / "unit-99999.part").write_text("{half a file")
    resumed = poc.run(X, y, cache=cache, resume=True, **options)
    assert without_times(resumed.content) == without_times(whole.content)


def test_a_label_budget_of_nearly_all_labels_is_run():
    data = prepare(*table())
    splits = make_splits(data, 2, 0)
    schedules = {"gradual": "gradual"}
    setting = Setting(data, splits, SMALL, schedules, 8, (30, 100, 110), 99, 0)
    found = labelled_rows(setting, 0, setting.rows(0)[0])
    assert [(n, len(known.X)) for n, known in found] == [(30, 30), (110, 60)]


def test_interrupted_before_any_result_leaves_no_folder(tmp_path, monkeypatch):
    X, y = table()

    def interrupt(*_):
        raise KeyboardInterrupt

    options = {"cache": tmp_path / "cache", "schedules": TWO, **CHEAP}
    with monkeypatch.context() as patched:
        patched.setattr("skdae.poc._run.run_unit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            poc.run(X, y, **options)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("n_units", [11, 12, 15])
def test_interrupted_run_reports_whole_splits(n_units):
    X, y = table()
    options = CHEAP | {"schedules": TWO, "n_splits": 3}
    n_whole, rest = divmod(n_units, 12)  # units of a split
    killer = Killer(n_units, KeyboardInterrupt())
    if n_whole == 0:  # nothing can be compared yet
        with pytest.raises(KeyboardInterrupt):
            poc.run(X, y, progress=killer, **options)
        return
    report = poc.run(X, y, progress=killer, **options)
    assert not report.finished
    assert report.content["whole_splits"] == n_whole
    assert "1 of 3 splits whole" in report.summary()
    assert "3分割のうち1分割だけが完了" in report.summary("ja")
    assert report.verdict[0]["answer"] == "unsure"
    assert "Not decided yet" in report.to_html()


def test_interrupted_run_knows_how_far_it_was_cut_down(monkeypatch):
    monkeypatch.setattr("skdae.poc._run.splits_in", lambda *_: 2)
    X, _ = table()
    killer = Killer(8, KeyboardInterrupt())  # in the second split
    options = CHEAP | {"n_splits": 5, "minutes": 100.0}
    report = poc.run(X, schedules=TWO, progress=killer, **options)
    assert report.content["plan"]["n_splits"] == 2
    assert [what for what, *_ in report.content["plan"]["left_out"]] == ["splits"]


def test_unfinished_cache_is_not_taken_by_mistake(tmp_path):
    X, y = table()
    options = {"cache": tmp_path, "schedules": TWO, **CHEAP}
    with pytest.raises(Killed):
        poc.run(X, y, progress=Killer(1, Killed()), **options)
    with pytest.raises(ValueError, match="resume=True"):
        poc.run(X, y, **options)
    with pytest.raises(ValueError, match="other data or other settings"):
        poc.run(X.assign(a=X["a"] * 2), y, resume=True, **options)


def test_time_budget_cuts_down_and_says_so():
    X, y = table(400)
    network = clone(SMALL).set_params(max_iter=400)
    report = poc.run(X, y, minutes=0.02, memory=False, transformer=network)
    left_out = {what for what, *_ in report.content["plan"]["left_out"]}
    assert {"schedules", "max_iter"} <= left_out


def test_units_run_with_one_thread_and_give_the_others_back(monkeypatch):
    from threadpoolctl import threadpool_info

    def threads():
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

    inside = []
    network = lambda setting, unit: inside.append(threads()) or {}  # noqa: E731
    monkeypatch.setitem(KINDS, "network", network)
    with threadpool_limits(2):
        before = threads()
        run_unit(None, Unit("network", "gradual", 0))
        assert threads() == before
    assert set(inside[0].values()) == {1}


def test_a_missed_time_budget_is_said():
    content = poc.run(table()[0], **CHEAP | {"minutes": 1e-4}).content
    assert content["made"]["minutes"] > 2e-4
    assert "Time budget: 0.00010 minutes; it took" in summary(content, "en")
    content["asked"]["minutes"] = 100.0
    assert "Time budget" not in summary(content, "en")


# --- the verdict ----------------------------------------------------------------------


def answers(report):
    return {a["question"]: a["answer"] for a in report.verdict}


HONEST = {"memory": False, "minutes": None, "n_splits": 3, "schedules": TWO}


def test_on_noise_nothing_is_gained():
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(400, 8)), draw.integers(0, 2, 400)
    network = default_network().set_params(max_iter=40)
    report = poc.run(X, y, transformer=network, label_budget=200, **HONEST)
    found = answers(report)
    assert found["overall"] == "not_worth"
    assert found["structure"] == "nothing_in_common"
    assert found["denoising"] == "not_worth"
    assert found["downstream"] == "nothing_to_learn"
    assert report.verdict[0]["next"] == "other_data"


def test_on_a_linear_model_pca_is_enough():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(500, 3)) @ draw.normal(size=(3, 15))
    X += 0.1 * draw.normal(size=X.shape)
    network = default_network().set_params(max_iter=40)
    report = poc.run(X, transformer=network, **HONEST)
    found = answers(report)
    assert found["structure"] == "related"
    assert found["denoising"] == "linear_enough"
    assert found["overall"] == "not_worth"
    assert report.verdict[0]["next"] == "use_linear"


def judged(errors, by_labels=None):
    """The verdict on errors of each method per split, alike under all troubles."""
    troubles = (*TROUBLES, "overall")
    denoising = {
        "judged": "gradual",
        "schedules": [name for name in TWO if name in errors],
        "troubles": list(TROUBLES),
        "errors": [row for t in troubles for row in rows_of(errors, 0.25, trouble=t)],
        "differences": [
            row
            for t in troubles
            for row in differences(errors, "gradual", 0.25, TINY, trouble=t)
        ],
    }
    task = None
    if by_labels is not None:
        task = {
            "task": "classification",
            "judged": "gradual",
            "labels": list(by_labels),
            "differences": [
                row
                for n, found in by_labels.items()
                for row in differences(found, "gradual", 0.25, TINY, labels=n)
            ],
        }
    content = {"denoising": denoising, "downstream": task, "resources": []}
    return {a["question"]: a for a in judge(content)}


def around(mean, seed=0, n=5):
    """One error per split, around a mean."""
    return list(mean + 0.001 * np.random.default_rng(seed).normal(size=n))


RIVALS = {
    "as_measured": 0.9,
    "column_mean": 1.0,
    "pca": 0.6,
    "neighbors": 0.6,
    "regressions": 0.6,
}


@pytest.mark.parametrize(
    ("ours", "rivals", "answer", "step"),
    [
        (0.5, {}, "worth", "deploy"),
        (0.5, {"pca": 0.4}, "linear_enough", "use_linear"),
        (0.5, {"neighbors": 0.4}, "simple_enough", "use_simple"),
        # a gain that is sure and does not count
        (0.596, {}, "linear_enough", "use_linear"),
        (0.99, dict.fromkeys(RIVALS, 1.0), "not_worth", "other_data"),
    ],
)
def test_denoising_is_worth_it_only_ahead_of_everything(ours, rivals, answer, step):
    errors = {"gradual": around(ours)}
    for k, (name, mean) in enumerate((RIVALS | rivals).items()):
        errors[name] = around(mean, k + 1)
    found = judged(errors)
    assert found["denoising"]["answer"] == answer
    assert found["overall"]["next"] == step
    assert (found["overall"]["answer"] == "worth") == (answer == "worth")


def test_a_gain_that_is_not_sure_is_called_so():
    errors = {"gradual": [0.4, 0.7, 0.5]} | {n: [0.6] * 3 for n in RIVALS}
    errors["column_mean"] = [1.0] * 3
    found = judged(errors)
    assert found["denoising"]["answer"] == "unsure"
    assert found["overall"]["next"] == "more_splits"


def wide(mean, seed=0, n=5):
    """Errors that differ so much from split to split that nothing is shown."""
    return list(mean * np.exp(0.5 * np.random.default_rng(seed).normal(size=n)))


TASK = ("constant", "linear_raw", "linear_pca", "boosting", "untrained")


@pytest.mark.parametrize("ours", [0.2, 0.59, 0.6, 0.7, 1.0, 1.3])
def test_a_single_split_decides_nothing(ours):
    errors = {"gradual": [ours]} | {name: [mean] for name, mean in RIVALS.items()}
    task = {"gradual": [ours]} | dict.fromkeys(TASK, [0.6]) | {"constant": [1.0]}
    for rebuilt in (errors, errors | dict.fromkeys(RIVALS, [1.0])):
        for by_labels in (None, {"all": task}):
            found = judged(rebuilt, by_labels)
            assert found["overall"]["answer"] == "unsure"
            assert found["overall"]["next"] == "more_splits"
            assert found["structure"]["answer"] in ("related", "unsure")


def test_wide_intervals_decide_nothing():
    errors = {"gradual": wide(0.7)}
    errors |= {name: wide(mean, k + 1) for k, (name, mean) in enumerate(RIVALS.items())}
    task = {"gradual": wide(0.7)}
    task |= {name: wide(0.6, k + 1) for k, name in enumerate(TASK)}
    task["constant"] = [5.0] * 5
    found = judged(errors, {"all": task})
    assert found["denoising"]["answer"] == found["downstream"]["answer"] == "not_shown"
    assert found["overall"]["answer"] == "unsure"
    assert found["overall"]["where"] == ["denoising", "downstream"]


def test_one_simple_method_that_is_surely_as_good_decides():
    errors = {"gradual": wide(0.7)}
    errors |= {name: wide(mean, k + 1) for k, (name, mean) in enumerate(RIVALS.items())}
    errors["regressions"] = [0.95 * error for error in errors["gradual"]]
    found = judged(errors)
    assert found["denoising"]["answer"] == "linear_enough"
    assert found["denoising"]["rival"] == "regressions"
    assert found["overall"]["answer"] == "not_worth"


def test_an_open_task_keeps_the_short_answer_open():
    errors = {"gradual": around(0.7)} | {n: around(m, 2) for n, m in RIVALS.items()}
    task = {"gradual": wide(0.7)} | {name: wide(0.6, 3) for name in TASK}
    task["constant"] = [5.0] * 5
    found = judged(errors, {"all": task})
    assert found["denoising"]["answer"] == "linear_enough"
    assert found["overall"]["answer"] == "unsure"
    assert found["overall"]["where"] == ["downstream"]


def test_what_is_shown_with_some_labels_decides_where_others_show_nothing():
    errors = {"gradual": around(0.7)} | {n: around(m, 2) for n, m in RIVALS.items()}
    few = {"gradual": wide(0.7)} | {name: wide(0.6, 3) for name in TASK}
    every = {"gradual": around(0.7)} | {name: around(0.6, 3) for name in TASK}
    for task in (few, every):
        task["constant"] = [5.0] * 5
    found = judged(errors, {"100": few, "all": every})
    by_labels = [entry["answer"] for entry in found["downstream"]["by_labels"]]
    assert by_labels == ["not_shown", "not_worth"]
    assert found["downstream"]["labels"] == "all"
    assert found["overall"]["answer"] == "not_worth"


def test_as_bad_as_chance_is_only_said_where_it_is_known():
    errors = {"gradual": around(0.7)} | {n: around(m, 2) for n, m in RIVALS.items()}
    for chance, answer in (
        (around(0.5, 1), "nothing_to_learn"),
        ([0.1, 0.5, 2.0, 0.2, 1.5], "not_shown"),
    ):
        task = dict.fromkeys(TASK, chance) | {"gradual": around(0.5)}
        assert judged(errors, {"all": task})["downstream"]["answer"] == answer


@pytest.mark.parametrize(
    ("stacked", "answer"), [(0.6, "better"), (0.4, "worse"), (0.5, "no_difference")]
)
def test_schedules_are_compared(stacked, answer):
    errors = {"gradual": around(0.5), "stacked": around(stacked, 9)}
    errors |= {name: around(mean, 3) for name, mean in RIVALS.items()}
    assert judged(errors)["schedule"]["answer"] == answer


def test_regime_of_labels_is_named():
    simple = {"gradual": around(0.6)} | {n: around(0.5, 2) for n in RIVALS}
    names = ("constant", "linear_raw", "linear_pca", "boosting", "untrained")
    few = {name: around(0.3, 1) for name in names}
    many = {name: around(0.1, 1) for name in names}
    for errors in (few, many):
        errors |= {"gradual": around(0.2), "constant": around(0.5)}
    found = judged(simple, {"100": few, "all": many})["downstream"]
    assert found["answer"] == "worth"
    assert found["labels"] == "100"
    assert found["pretraining_pays"] == ["100"]
    assert [entry["answer"] for entry in found["by_labels"]] == ["worth", "not_worth"]


@pytest.mark.slow
def test_equal_schedules_are_found_equal():
    same = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        X = draw.normal(size=(80, 2)) @ draw.normal(size=(2, 5))
        X += 0.3 * draw.normal(size=X.shape)
        report = poc.run(
            X,
            schedules={"gradual": "gradual", "stacked": "gradual"},
            random_state=seed,
            **CHEAP | {"n_splits": 5},
        )
        same += answers(report)["schedule"] == "no_difference"
    assert same >= 93


# --- bad tables -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: {"X": X[:10], "y": y[:10]}, "10 rows and .* at least 50"),
        (lambda X, y: {"X": X, "y": np.zeros(len(X))}, "one value only"),
        (lambda X, y: {"X": X, "y": np.full(len(X), np.nan)}, "no value at all"),
        (lambda X, y: {"X": X, "y": "aa"}, "did you mean"),
        (lambda X, y: {"X": X, "y": y[:5]}, "one entry per row"),
        (lambda X, y: {"X": X[["mode"]], "y": y}, "no numeric column that varies"),
        (lambda X, y: {"X": X, "y": y, "task": "cluster"}, "'task' parameter"),
        (lambda X, y: {"X": X, "task": "anomaly"}, "there is none"),
        (lambda X, y: {"X": X, "y": X["a"], "task": "anomaly"}, "needs two"),
        (lambda X, y: {"X": X, "y": X["mode"], "task": "regression"}, "needs numbers"),
        (lambda X, y: {"X": X, "y": y, "schedules": ["spiral"]}, "spiral"),
        (lambda X, y: {"X": X, "y": y, "groups": y}, "at least 3"),
        (lambda X, y: {"X": X, "y": y, "time": X["mode"]}, "no time"),
        (
            lambda X, y: {"X": X, "y": np.r_[np.full(3, 2), y[3:]]},
            "3 rows of '2' and needs at least 10",
        ),
        (
            lambda X, y: {"X": pd.concat([X, X[["a"]]], axis=1), "y": y},
            "columns of the same name",
        ),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        poc.run(**change(*table()))


def test_findings_name_what_is_odd():
    X, y = table(200)
    X["empty"], X["same"] = np.nan, 1.0
    X["day"] = pd.date_range("2026-01-01", periods=len(X))
    X["result"] = y * 2.5
    X.loc[3, "a"] = np.inf
    X = pd.concat([X[:190], X[:10]], ignore_index=True)
    X["id"], X["serial"] = np.arange(len(X)), [f"s{k}" for k in range(len(X))]
    y = np.r_[y[:190], y[:10]].astype(float)
    y[:5] = np.nan
    data = prepare(X, y)
    found = {f.code: f for f in data.findings}
    assert found["empty"].columns == ("empty",)
    assert found["constant"].columns == ("same",)
    assert found["id_like"].columns == ("id", "serial")
    assert found["date_time"].columns == ("day",)
    assert found["telling_column"].columns == ("result",)
    assert found["infinite"].columns == ("a",)
    assert found["duplicate_rows"].numbers["rows"] == 10
    assert found["unlabelled_rows"].numbers["rows"] == 5
    assert "result" in data.X.columns
    assert not {"empty", "same", "id", "serial", "day"} & set(data.X.columns)


def test_rows_that_follow_each_other_are_found():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(300, 4)), axis=0)
    frame = pd.DataFrame(walk, columns=list("abcd"))
    assert "rows_in_order" in {f.code for f in prepare(frame).findings}
    frame["when"] = np.arange(300)
    assert not prepare(frame, time="when").findings


def test_report_survives_its_file(tmp_path):
    X, y = table()
    report = poc.run(X, y, cache=tmp_path / "cache", schedules=TWO, **CHEAP)
    page = report.save(tmp_path / "report.html")
    assert not (tmp_path / "cache").exists()
    again = poc.PoCReport.load(page.with_suffix(".json"))
    assert again.content == json.loads(json.dumps(report.content))
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="schema"):
        poc.PoCReport.load(tmp_path / "other.json")
