"""The proof of concept: fair splits, honest verdicts, nothing lost when killed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from poc_contents import SHARE, make_content
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from skdae import GradualDAETransformer, grade, poc
from skdae._transformer._defaults import default_transformer
from skdae.noise import Layout
from skdae.poc import _downstream
from skdae.poc._data import prepare
from skdae.poc._denoising import (
    CORRUPTIONS,
    FAULTS,
    GAPS,
    RESTORERS,
    TIME_RESTORERS,
    corrupt,
    denoiser,
    learn,
    restorers,
)
from skdae.poc._downstream import labelled_rows
from skdae.poc._page import summary
from skdae.poc._plan import (
    LABEL_COUNTS,
    Pilot,
    Setting,
    Unit,
    full_plan,
    plan_for,
    smaller_plans,
)
from skdae.poc._resources import rows_per_second
from skdae.poc._results import (
    CONFIDENCE,
    N_REPLICATES,
    OVERALL,
    compare,
    comparisons,
    holm,
    interval,
    jackknife,
    mean_errors,
    row_folds,
)
from skdae.poc._run import DEFAULT_SCHEDULES, KINDS, run_unit, units_of
from skdae.poc._splits import in_running_order, make_splits, sample_rows
from skdae.poc._verdict import MARGIN, decide

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
    """What does not depend on how fast the machine was."""
    kept = {k: v for k, v in content.items() if k not in ("made", "resources")}
    results = pd.DataFrame(content["results"])
    results = results[results["experiment"] != "resources"]
    kept["results"] = results.sort_values(list(results.columns[:5])).to_json()
    kept["verdict"] = [a for a in content["verdict"] if a["question"] != "cost"]
    return json.dumps(kept, sort_keys=True)


# --- statistics -----------------------------------------------------------------------


def scores(values, replicates=None):
    """One row for each split; without replicates test rows make no difference."""
    values = np.asarray(values, dtype=float)[:, None]
    replicates = np.tile(values, N_REPLICATES) if replicates is None else replicates
    return np.hstack([values, replicates])


def test_comparison_is_antisymmetric():
    draw = np.random.default_rng(0)
    a, b = (scores(draw.uniform(1, 2, 8), draw.uniform(1, 2, (8, 10))) for _ in "ab")
    one, other = compare(a, b, 0.25), compare(b, a, 0.25)
    assert one["ratio"] == pytest.approx(1 / other["ratio"])
    assert one["low"] == pytest.approx(1 / other["high"])
    assert one["p_value"] == pytest.approx(other["p_value"])


def test_comparison_of_equals_finds_nothing():
    result = compare(scores([1.0, 2.0, 3.0]), scores([1.0, 2.0, 3.0]), 0.25)
    assert [result[k] for k in ("ratio", "low", "high", "p_value")] == [1, 1, 1, 1]
    assert not result["better"]
    assert not result["worse"]


def test_one_split_has_no_interval():
    result = compare(scores([1.0]), scores([2.0]), 0.25)
    assert result["ratio"] == pytest.approx(0.5)
    assert result["low"] is result["high"] is result["p_value"] is None
    assert not result["better"]
    assert interval(scores([3.0]), 0.25)["low"] is None


def test_shared_training_rows_widen_the_interval():
    values = scores([1.0, 1.2, 0.9, 1.1])
    assert interval(values, 0.5)["high"] > interval(values, 0.0)["high"]


def test_intervals_of_errors_stay_within_possible_errors():
    values = np.array([0.01, 0.02, 0.9, 0.1])
    found, tenfold = interval(scores(values), 0.25), interval(scores(10 * values), 0.25)
    mean, low, high = (found[k] for k in ("mean", "low", "high"))
    assert 0 < low < mean < high
    assert mean == values.mean()
    assert tenfold["low"] == pytest.approx(10 * low)
    assert tenfold["high"] == pytest.approx(10 * high)
    assert mean / low == pytest.approx(high / mean)
    assert interval(scores(values), 0.25, most=1.0)["high"] == 1 < high
    assert set(interval(scores([0.0, 0.0]), 0.25).values()) == {0.0}


def test_errors_below_the_floor_are_alike():
    small = scores([1e-6, 1e-5])
    assert compare(scores([0, 0]), small, 0.25, floor=1e-3)["ratio"] == 1


def test_jackknife_gives_the_standard_error_of_a_mean():
    """Over many samples, its variance is that of the mean."""
    draw = np.random.default_rng(0)
    data = prepare(draw.normal(size=(1000, 2)))
    folds = row_folds(data)
    variances = []
    for _ in range(300):
        rows = draw.normal(size=1000)
        value, replicates = jackknife(lambda keep, rows=rows: rows[keep].mean(), folds)
        assert value == rows.mean()
        moved = np.array(replicates) - np.mean(replicates)
        variances.append(0.9 * (moved**2).sum())
    assert np.mean(variances) == pytest.approx(1 / 1000, rel=0.1)


def test_the_interval_is_never_narrower_than_test_rows_alone_make_it():
    """Splits that agree by chance do not hide that a few rows decide."""
    draw = np.random.default_rng(0)
    replicates = np.exp(0.1 * draw.normal(size=(4, 10)))
    a, b = scores([0.5] * 4, 0.5 * replicates), scores([1.0] * 4, np.ones((4, 10)))
    logs = np.log(0.5 * replicates)
    moved = logs - logs.mean(axis=1, keepdims=True)
    rows = (0.9 * (moved**2).sum(axis=1)).mean()
    reach = student.ppf((1 + CONFIDENCE) / 2, 3) * np.sqrt((1 / 4 + 0.25) * rows)
    found = compare(a, b, 0.25)
    assert np.log(found["high"] / found["ratio"]) == pytest.approx(reach)
    assert compare(scores(a[:, 0]), scores(b[:, 0]), 0.25)["high"] == 0.5


def test_equal_methods_differ_significantly_in_one_of_twenty_runs():
    """Where differences are correlated as splits that share training rows make them."""
    draw = np.random.default_rng(0)
    n_runs, n_splits, share = 4000, 10, 0.25
    shared = np.sqrt(share / (1 + share)) * draw.normal(size=(n_runs, 1))
    own = np.sqrt(1 / (1 + share)) * draw.normal(size=(n_runs, n_splits))
    equal = scores(np.ones(n_splits))
    found = [compare(scores(np.exp(d)), equal, share) for d in shared + own]
    significant = np.mean([c["better"] or c["worse"] for c in found])
    assert significant == pytest.approx(0.05, abs=0.01)


def test_differences_of_rows_are_paired():
    """What both methods owe to the same rows is no uncertainty of their difference."""
    draw = np.random.default_rng(0)
    shared = np.exp(draw.normal(size=(4, 10)))
    a, b = scores([0.5] * 4, 0.5 * shared), scores([1.0] * 4, shared)
    found = compare(a, b, 0.25)
    assert found["low"] == pytest.approx(found["high"]) == pytest.approx(0.5)


@pytest.mark.parametrize("p_values", [[0.01], [0.04, 0.01, 0.03], [0.5, 1.0, 0.2]])
def test_holm_rejects_as_its_definition_says(p_values):
    adjusted = holm(p_values)
    for alpha in (0.01, 0.03, 0.05, 0.12, 0.6):
        rejected = set()
        for rank, i in enumerate(np.argsort(p_values)):
            if p_values[i] > alpha / (len(p_values) - rank):
                break
            rejected.add(i)
        assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected


def test_measures_are_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    y = draw.permutation(np.arange(60) % 3).astype(float)
    p = draw.dirichlet(np.ones(3), 60)
    classes = np.array([2.0, 0.0, 1.0])
    in_order = p[:, [1, 2, 0]]
    assert _downstream.log_loss(y, p, classes) == pytest.approx(log_loss(y, in_order))
    auc = roc_auc_score(y, in_order, multi_class="ovr")
    assert _downstream.one_minus_auroc(y, p, classes) == pytest.approx(1 - auc)
    wrong = np.mean(in_order.argmax(axis=1) != y)
    assert _downstream.MEASURES["share_wrong"](y, p, classes) == wrong


def test_statistics_are_views_of_the_result_table():
    content = make_content()
    table = pd.DataFrame(content["results"])
    for row in content["errors"]:
        cell = (
            table[["experiment", "condition", "measure", "method"]]
            == [row[k] for k in ("experiment", "condition", "measure", "method")]
        ).all(axis=1)
        assert row["mean"] == pytest.approx(
            table.loc[cell, "value"].astype(float).mean()
        )
    again = json.loads(json.dumps(mean_errors(table, SHARE)))
    assert [r["method"] for r in again] == [r["method"] for r in content["errors"]]
    ours = ["gradual", "imputer", "linear_codes", "untrained"]
    for row, stored in zip(
        comparisons(table, ours, SHARE), content["comparisons"], strict=True
    ):
        # replicates are rounded in the report
        assert row["ratio"] == pytest.approx(stored["ratio"])
        assert row["low"] == pytest.approx(stored["low"], rel=1e-4)


def test_columns_are_used_on_request():
    """Counters, clocks and many categories; not what is no column or has a role."""
    X, y = table()
    X = X.assign(row=range(len(X)), code=[f"c{i % 150}" for i in range(len(X))])
    X["stamp"] = 1.7e9 + 60 * np.arange(len(X))
    without = prepare(X, y)
    assert not {"row", "code", "stamp"} & set(without.X.columns)
    data = prepare(X, y, use=["row", "code", "stamp"])
    assert {"row", "stamp"} <= set(data.numeric)
    assert "code" in data.categorical
    for name in ("rows", "stamp"):
        with pytest.raises(ValueError, match=f"use='{name}' must be a column"):
            prepare(X, y, time="stamp", use=[name])


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


def test_rows_that_follow_each_other_are_held_out_in_blocks():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(1000, 4)), axis=0)
    data = prepare(walk, np.arange(1000) // 500)  # sorted by class, too
    assert data.in_order
    for split in make_splits(data, 5, 0):
        assert not set(split.train) & set(split.test)
        assert (np.diff(split.test) == 1).mean() > 0.9
        assert set(data.y[split.train]) == set(data.y[split.test]) == {0, 1}
    sample = data.take(sample_rows(data, 300, 0))
    assert len(sample.X) == 300
    assert sample.y.mean() == 0.5
    assert len(set(sample.runs)) <= 12  # blocks of 25 rows


def test_runs_are_consecutive_rows_of_a_group():
    X, _ = table(60)
    data = prepare(X, groups=np.arange(60) % 3)
    rows = data.take(np.r_[0:30, 45:60])
    for run in set(rows.runs):
        places = np.r_[0:30, 45:60][rows.runs == run]
        assert set(np.diff(places)) == {3}
    assert len(set(rows.runs)) == 6


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
        shown = prepare(X, y).take(splits[0].test)
        every = (*RESTORERS, *TIME_RESTORERS)
        found.append([learn(name, train)(shown) for name in every])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


# --- corruptions ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_keeps_what_it_does_not_touch(name):
    draw = np.random.default_rng(0)
    X = draw.normal([5.0, -200.0, 0.1, 7.0], [1.0, 50.0, 0.01, 3.0], (400, 4))
    X[draw.random(X.shape) < 0.1] = np.nan
    before = X.copy()
    layout, draw = Layout.from_data(X), np.random.default_rng(1)
    found, scored = corrupt(name, X, layout, draw)
    np.testing.assert_array_equal(X, before)
    assert not scored[np.isnan(X)].any()
    if name in GAPS:
        assert np.isnan(found[scored]).all()
        assert 0.1 < scored.mean() < 0.4
        np.testing.assert_array_equal(found[~scored], X[~scored])
    else:
        seen = ~np.isnan(X)
        np.testing.assert_array_equal(scored, seen)
        np.testing.assert_array_equal(np.isnan(found), ~seen)
        moved = np.abs(found - X)[seen] > 1e-9 * np.abs(X[seen])
        assert moved.any() == (name != "clean")


def errors_of(result):
    """The errors of a unit of experiment 1 by corruption."""
    records = [r for r in result["records"] if r.experiment == "denoising"]
    return {r.condition: r.value for r in records}


def small_setting(data, **changes):
    """Two splits and one schedule, by a small network."""
    found = Setting(
        *(data, make_splits(data, 2, 0), SMALL, {"gradual": "gradual"}, 8, (0,), 99, 0)
    )
    return replace(found, **changes)


def test_errors_do_not_depend_on_units():
    X, y = table()
    scaled = X.copy()
    scaled[list("abcde")] = X[list("abcde")] * 1000.0 + 5.0
    errors = []
    for frame in (X, scaled):
        data = prepare(frame, y)
        setting = small_setting(data)
        result = run_unit("", Unit("restorer", "pca", 0), setting)
        errors.append(list(errors_of(result).values()))
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6)


def test_column_mean_has_an_error_of_one_deviation():
    draw = np.random.default_rng(0)
    data = prepare(draw.normal(size=(4000, 3)))
    setting = small_setting(data, max_test_rows=2000)
    result = run_unit("", Unit("restorer", "column_mean", 0), setting)
    assert set(errors_of(result)) == {*CORRUPTIONS, OVERALL}
    for error in errors_of(result).values():
        assert error == pytest.approx(1, abs=0.05)


def test_overall_error_is_the_geometric_mean_of_the_corruptions():
    data = prepare(*table())
    setting = small_setting(data)
    found = errors_of(run_unit("", Unit("restorer", "pca", 0), setting))
    logs = [np.log(found[name]) for name in FAULTS]
    assert found[OVERALL] == pytest.approx(np.exp(np.mean(logs)))


def test_methods_for_rows_in_time_order():
    """Each is right where its assumption holds, and only there."""
    draw = np.random.default_rng(0)
    line = np.arange(60.0)[:, None] * [1.0, -2.0]
    data = prepare(line + 1e-9 * draw.normal(size=line.shape))
    X = data.X.to_numpy()
    gaps = X.copy()
    gaps[[7, 20, 21], 0] = np.nan
    shown = replace(data, X=pd.DataFrame(gaps, columns=data.X.columns))
    found = {name: learn(name, data)(shown) for name in TIME_RESTORERS}
    np.testing.assert_allclose(found["interpolation"], X, atol=1e-6)
    np.testing.assert_allclose(found["last_value"][[7, 21], 0], X[[6, 19], 0])
    np.testing.assert_allclose(found["moving_average_3"][30], X[30], atol=1e-6)
    np.testing.assert_allclose(found["moving_average_9"][40], X[40], atol=1e-6)
    walk = prepare(np.cumsum(draw.normal(size=(400, 3)), axis=0))
    ours = {"imputer", "denoiser"}
    assert set(restorers(walk)) == {*RESTORERS, *TIME_RESTORERS, *ours}
    assert set(restorers(prepare(*table()))) == {*RESTORERS, "imputer"}


def test_the_denoiser_reads_the_rows_around_and_no_other_run():
    """Of slow sensors with errors, rows in time order say more than a row by itself."""
    draw = np.random.default_rng(0)
    t = np.arange(600)[:, None] / 40
    data = prepare(np.sin(t + np.arange(3)) + 1e-3 * draw.normal(size=(600, 3)))
    network = clone(SMALL).set_params(noise="gaussian", noise_rate=0.5)
    setting = small_setting(data, transformer=network)
    train, test = setting.rows(0)
    restore = denoiser(setting, train, 0)
    wrong = test.X + 0.5 * draw.normal(size=test.X.shape)
    noisy = replace(test, X=wrong)
    by_time = np.abs(restore(noisy) - test.X).to_numpy().mean()
    in_pieces = replace(noisy, places=3 * np.arange(len(test.X)))  # no row has another
    by_row = np.abs(restore(in_pieces) - test.X).to_numpy().mean()
    assert by_time < 0.8 * by_row


def test_methods_in_time_do_not_reach_into_another_run():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(100, 3)), axis=0)
    data = prepare(walk)
    apart = data.take(np.r_[0:10, 50:60])
    for name in TIME_RESTORERS:
        restore = learn(name, data)
        both = restore(apart)
        first = restore(data.take(np.arange(10)))
        np.testing.assert_allclose(both[:10], first, err_msg=name)


def test_the_linear_denoiser_knows_how_much_to_shrink():
    """On columns that have nothing in common it is the best linear filter."""
    draw = np.random.default_rng(0)
    data = prepare(draw.normal(size=(6000, 3)))
    restore = learn("linear_denoiser", data)
    slope = restore(data.take(np.arange(2000))) / data.X.to_numpy()[:2000]
    # noise of 0.75 times a uniform factor: its variance is a third of 0.75 ** 2
    assert np.median(slope) == pytest.approx(1 / (1 + 0.75**2 / 3), abs=0.03)


def test_values_out_of_range_are_replaced_by_the_range_check():
    data = prepare(np.random.default_rng(0).normal(size=(200, 3)))
    X = data.X.to_numpy().copy()
    X[5, 1] = 100.0
    shown = replace(data, X=pd.DataFrame(X, columns=data.X.columns))
    found = learn("range_check", data)(shown)
    assert found[5, 1] == pytest.approx(data.X.iloc[:, 1].mean())
    X[5, 1] = found[5, 1]
    np.testing.assert_allclose(found, X)


def test_rows_per_second_are_those_of_many_rows(monkeypatch):
    calls, now = [], [0.0]

    def act(rows):
        calls.append(len(rows.X))
        now[0] += 0.01 + 1e-6 * len(rows.X)

    monkeypatch.setattr("skdae.poc._resources.perf_counter", lambda: now[0])
    rate = rows_per_second(act, prepare(*table()))
    assert calls[-1] > 50_000
    assert rate == pytest.approx(calls[-1] / (0.01 + 1e-6 * calls[-1]))


# --- the plan -------------------------------------------------------------------------


def plan_of(data, max_iter=9, label_budget=None):
    """All schedules on all rows."""
    asked = {"schedules": DEFAULT_SCHEDULES, "n_splits": 10, "max_rows": 20_000}
    return full_plan(data, max_iter, asked | {"label_budget": label_budget})


def test_smaller_plans_shrink_and_say_so():
    X, y = table()
    plan = plan_of(prepare(X, y), max_iter=200)
    plan = replace(plan, n_rows=50_000)
    plans = smaller_plans(plan)
    assert plans[0] is plan
    sizes = [p.n_rows * p.max_iter * len(p.schedules) for p in plans]
    assert sizes == sorted(sizes, reverse=True)
    assert plans[-1].schedules == ("gradual", "stacked")
    left_out = {what: (asked, run) for what, asked, run in plans[-1].left_out}
    assert left_out["rows"] == (50_000, 1_000)
    assert left_out["max_iter"] == (200, 25)
    assert left_out["schedules"] == (DEFAULT_SCHEDULES, ("gradual", "stacked"))


@pytest.mark.parametrize("what", ["epoch", "task", "imputer"])
def test_a_plan_that_takes_longer_is_not_larger(what):
    """Whatever takes longer: networks, the task, or the imputer."""
    plan = plan_of(prepare(*table(1000)), max_iter=64)
    free = Pilot(0.0, 0.0, 0.0)
    pilots = [free._replace(**{what: s}) for s in (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)]
    found = [plan_for(plan, lambda n, p=p: p, 60.0, 1) for p in pilots]
    sizes = [p.max_iter * len(p.schedules) * len(p.label_counts) for p in found]
    assert found[0] == plan
    assert sizes == sorted(sizes, reverse=True)
    assert found[-1] == smaller_plans(plan)[-1]


def test_label_counts_end_with_all_or_the_budget():
    X, y = table(1000)
    data = prepare(X, y)
    assert plan_of(data).label_counts == (100, 300, 0)
    assert plan_of(data, label_budget=150).label_counts == (100, 150)
    assert plan_of(prepare(X)).label_counts == ()
    assert tuple(sorted(LABEL_COUNTS)) == LABEL_COUNTS


def test_sample_keeps_order_and_shares():
    X, y = table(600)
    data = prepare(X, y)
    sample = data.take(sample_rows(data, 200, 0))
    assert len(sample.X) == 200
    assert sample.y.mean() == pytest.approx(y.mean(), abs=0.01)
    places = [X.index[X["a"] == value][0] for value in sample.X["a"]]
    assert places == sorted(places)


def test_samples_have_rows_of_every_class():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(2000, 3)), axis=0)
    y = np.zeros(2000, dtype=int)
    y[300:350] = 1
    data = prepare(walk, y)
    for seed in range(20):
        assert set(data.y[sample_rows(data, 400, seed)]) == {0, 1}


def test_all_schedules_make_as_many_updates():
    data = prepare(table()[0])
    schedules = {name: name for name in DEFAULT_SCHEDULES}
    setting = small_setting(data, schedules=schedules, max_iter=12)
    records = [
        record
        for name in DEFAULT_SCHEDULES
        for record in run_unit("", Unit("network", name, 0), setting)["records"]
    ]
    updates = {r.method: r.value for r in records if r.measure == "weight_updates"}
    assert set(updates) == set(DEFAULT_SCHEDULES)
    assert len(set(updates.values())) == 1, updates


def test_units_of_a_split_differ():
    data = prepare(*table())
    setting = small_setting(data)
    units = units_of(setting, 0)
    assert len(set(units)) == len(units)
    assert {u.kind for u in units} == {"memory", "network", "restorer", "predictor"}
    assert not any(u.kind == "memory" for u in units_of(setting, 1))


# --- whole runs -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression", "anomaly", None])
def test_all_experiments_run(task):
    X, y = table()
    target = {"regression": X["a"] + X["b"], "anomaly": (y == 1) & (X["a"] > 0)}
    y = None if task is None else target.get(task, y)
    report = poc.run(X, y, task=task or "auto", schedules=TWO, **CHEAP)
    content = report.content
    assert report.finished
    assert content["warnings"] == []
    errors = pd.DataFrame(content["errors"])
    of_rows = errors[errors["experiment"] == "denoising"]
    assert set(of_rows["method"]) == {*TWO, *RESTORERS, "imputer"}
    assert set(of_rows.loc[of_rows["method"] == "imputer", "condition"]) == set(GAPS)
    assert (content["task"] is None) == (task is None)
    for row in content["errors"]:
        assert row["low"] <= row["mean"] <= row["high"]
    roles = {m["name"]: m["role"] for m in content["methods"]}
    for row in content["comparisons"]:
        assert roles[row["method"]] in ("main", "candidate")
        assert row["low"] <= row["ratio"] <= row["high"]
    questions = [answer["question"] for answer in report.verdict]
    wanted = ["overall", "structure", "schedule", "denoising", "downstream", "cost"]
    assert questions == [q for q in wanted if task is not None or q != "downstream"]
    jobs = [job for answer in report.verdict for job in answer.get("jobs", ())]
    assert [job["condition"] for job in jobs] == [*FAULTS, *(["all"] if task else [])]
    for lang in ("en", "ja"):
        assert report.to_html(lang)
    json.dumps(content, allow_nan=False)


@pytest.mark.slow
def test_same_seed_same_numbers():
    X, _ = table()
    one, other = (poc.run(X, schedules=TWO, **CHEAP).content for _ in range(2))
    assert without_times(one) == without_times(other)


class Observer:
    """Counts the units that were done when a run began."""

    n_done = None

    def planned(self, plan, n_units, n_done):
        self.n_done = n_done if self.n_done is None else self.n_done

    def done(self, unit, result):
        pass


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


@pytest.mark.slow
@pytest.mark.parametrize(("after", "labelled"), [(1, False), (12, True)])
def test_resumed_run_ends_with_the_same_numbers(tmp_path, after, labelled):
    X, y = table()
    y = y if labelled else None
    options = {"schedules": ["gradual"], "label_budget": 20, **CHEAP}
    whole = poc.run(X, y, **options)
    cache = tmp_path / "cache"
    with pytest.raises(Killed):
        poc.run(X, y, cache=cache, progress=Killer(after, Killed()), **options)
    observed = Observer()
    resumed = poc.run(X, y, cache=cache, resume=True, progress=observed, **options)
    assert without_times(resumed.content) == without_times(whole.content)
    assert observed.n_done == after


def test_a_label_budget_of_nearly_all_labels_is_run():
    setting = small_setting(prepare(*table()), label_counts=(30, 100, 110))
    found = labelled_rows(setting, 0, setting.rows(0)[0])
    assert [(n, len(known.X)) for n, known in found] == [("30", 30), ("110", 60)]


def test_interrupted_before_any_result_leaves_no_folder(tmp_path, monkeypatch):
    X, y = table()

    def interrupt(*_):
        raise KeyboardInterrupt

    options = {"cache": tmp_path / "cache", "schedules": TWO, **CHEAP}
    with monkeypatch.context() as patched:
        patched.setitem(KINDS, "network", interrupt)
        with pytest.raises(KeyboardInterrupt):
            poc.run(X, y, **options)
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
@pytest.mark.parametrize("n_units", [14, 15])
def test_interrupted_run_reports_whole_splits(n_units):
    X, y = table()
    options = CHEAP | {"schedules": TWO, "n_splits": 3}
    n_whole, rest = divmod(n_units, 15)  # units of a split
    killer = Killer(n_units, KeyboardInterrupt())
    if n_whole == 0:  # nothing can be compared yet
        with pytest.raises(KeyboardInterrupt):
            poc.run(X, y, progress=killer, **options)
        return
    report = poc.run(X, y, progress=killer, **options)
    assert not report.finished
    assert report.content["whole_splits"] == n_whole
    assert "1 of 3 splits complete" in report.summary()
    assert "3分割のうち1分割だけが完了" in report.summary("ja")
    assert report.verdict[0]["answer"] == "unsure"
    assert "Not decided yet" in report.to_html()


@pytest.mark.slow
def test_interrupted_run_knows_how_far_it_was_cut_down(monkeypatch):
    monkeypatch.setattr("skdae.poc._plan.splits_in", lambda *_: 2)
    X, _ = table()
    killer = Killer(12, KeyboardInterrupt())  # in the second split
    options = CHEAP | {"n_splits": 5, "minutes": 100.0}
    report = poc.run(X, schedules=TWO, progress=killer, **options)
    assert report.content["plan"]["n_splits"] == 2
    assert [what for what, *_ in report.content["plan"]["left_out"]] == ["splits"]


@pytest.mark.slow
def test_unfinished_cache_is_not_taken_by_mistake(tmp_path):
    X, y = table()
    options = {"cache": tmp_path, "schedules": TWO, **CHEAP}
    with pytest.raises(Killed):
        poc.run(X, y, progress=Killer(1, Killed()), **options)
    with pytest.raises(ValueError, match="resume=True"):
        poc.run(X, y, **options)
    with pytest.raises(ValueError, match="other data or other settings"):
        poc.run(X.assign(a=X["a"] * 2), y, resume=True, **options)


@pytest.mark.slow
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
    network = lambda setting, unit: inside.append(threads()) or {"records": []}  # noqa: E731
    monkeypatch.setitem(KINDS, "network", network)
    with threadpool_limits(2):
        before = threads()
        run_unit("", Unit("network", "gradual", 0), None)
        assert threads() == before
    assert set(inside[0].values()) == {1}


@pytest.mark.slow
def test_a_missed_time_budget_is_mentioned():
    content = poc.run(table()[0], **CHEAP | {"minutes": 1e-4}).content
    assert content["made"]["minutes"] > 2e-4
    assert "Time budget: 0.00010 minutes; the run took" in summary(content, "en")
    content["asked"]["minutes"] = 100.0
    assert "Time budget" not in summary(content, "en")


# --- the verdict ----------------------------------------------------------------------


def answers(report):
    return {a["question"]: a["answer"] for a in report.verdict}


def jobs_of(content):
    """The jobs of a verdict by condition."""
    return {j["condition"]: j for a in content["verdict"] for j in a.get("jobs", ())}


HONEST = {"memory": False, "minutes": None, "n_splits": 4, "schedules": ["gradual"]}


@pytest.mark.slow
def test_on_noise_nothing_is_gained():
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(400, 8)), draw.integers(0, 2, 400)
    network = default_transformer("proof_of_concept").set_params(max_iter=40)
    report = poc.run(X, y, transformer=network, label_budget=200, **HONEST)
    assert answers(report)["overall"] != "worth"
    assert answers(report)["structure"] in ("nothing_in_common", "unsure")
    for job in jobs_of(report.content).values():
        assert job["answer"] != "worth"
        assert job["recommended"] == job["best_baseline"]
    for name in GAPS:
        error = {
            row["method"]: row["mean"]
            for row in report.content["errors"]
            if row["condition"] == name
        }
        # no baseline does what cannot be done
        assert min(error[m] for m in RESTORERS) > 0.97


@pytest.mark.slow
def test_on_a_linear_model_linear_methods_are_enough():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(500, 3)) @ draw.normal(size=(3, 15))
    X += 0.1 * draw.normal(size=X.shape)
    network = default_transformer("proof_of_concept").set_params(
        max_iter=40,
        validation_fraction=None,  # alone: its linear estimate would be mixed in
    )
    report = poc.run(X, transformer=network, **HONEST)
    assert answers(report)["structure"] == "related"
    jobs = jobs_of(report.content)
    for name in ("sensor_noise", *GAPS):
        assert jobs[name]["answer"] in ("not_worth", "not_shown")
        assert jobs[name]["recommended"] in ("pca", "regressions", "linear_denoiser")


@pytest.mark.parametrize(
    ("ours", "baseline", "answer", "recommended"),
    [
        (0.5, {}, "worth", "gradual"),
        (0.5, {"pca": 0.4}, "not_worth", "pca"),
        (0.5, {"neighbors": 0.4}, "not_worth", "neighbors"),
        # a gain that is significant and smaller than the margin
        (0.595, {"pca": 0.6}, "not_worth", "pca"),
        (0.99, dict.fromkeys(RESTORERS, 1.0), "nothing_to_learn", "column_mean"),
    ],
)
def test_a_job_is_worth_it_only_ahead_of_every_baseline(
    ours, baseline, answer, recommended
):
    where = {"sensor_noise": baseline | {"column_mean": 0.999 if ours > 0.9 else 1.0}}
    content = make_content(None, ours=ours, by_corruption=where, spread=1e-4)
    job = jobs_of(content)["sensor_noise"]
    assert (job["answer"], job["recommended"]) == (answer, recommended)
    assert (job["recommended"] == job["candidate"]) == (answer == "worth")


def test_a_method_of_ours_without_pretraining_can_win():
    """It is a candidate, not a baseline to claim a gain over."""
    content = make_content(untrained=0.1)
    job = jobs_of(content)["all"]
    assert (job["answer"], job["recommended"]) == ("worth", "untrained")
    content = make_content(untrained=0.3, ours_downstream=0.26)
    assert jobs_of(content)["all"]["answer"] == "not_worth"  # though 13% below it


def test_the_imputer_can_win_the_gaps():
    content = make_content(imputer=0.3)
    jobs = jobs_of(content)
    assert {jobs[name]["recommended"] for name in GAPS} == {"imputer"}
    assert jobs["sensor_noise"]["recommended"] == "gradual"


def test_rows_around_are_no_evidence_that_columns_are_related():
    """The imputer reads them where rows are in time order, and only there."""
    for in_time, answer in ((False, "related"), (True, "nothing_in_common")):
        content = make_content(
            None, ours=1.02, imputer=0.3, simple=1.01, stacked=1.03, in_time=in_time
        )
        found = {a["question"]: a["answer"] for a in content["verdict"]}
        assert found["structure"] == answer


def test_the_verdict_is_for_the_labels_there_are():
    """A gain with fewer labels is a forecast, and does not make it worth it."""
    few = {"100": {"gradual": 0.1}}
    content = make_content(ours=0.7, imputer=0.7, ours_downstream=0.3, by_labels=few)
    assert content["verdict"][0]["answer"] == "not_worth"
    task = next(a for a in content["verdict"] if a["question"] == "downstream")
    assert task["jobs"][0]["condition"] == "all"
    assert [(f["condition"], f["answer"]) for f in task["forecast"]] == [
        ("100", "worth"),
        ("300", "not_worth"),
    ]


def test_claims_are_corrected_for_their_number():
    content = make_content(spread=0.02)
    claims = [c for job in jobs_of(content).values() for c in job["candidates"]]
    assert len(claims) == 5 + 2 + 1 + 2  # of the network, imputer, and on the target
    assert [c["p_holm"] for c in claims] == holm([c["p_claim"] for c in claims])
    assert all(c["p_claim"] >= c["p_value"] for c in claims if c["ratio"] < 1)


def test_a_claim_is_as_weak_as_against_the_baseline_that_is_hardest_to_beat():
    content = make_content(spread=0.05, ours=0.57)
    for name, job in jobs_of(content).items():
        if name not in FAULTS:
            continue
        rows = [
            row
            for row in content["comparisons"]
            if (row["condition"], row["method"]) == (name, "gradual")
            and row["baseline"] in RESTORERS
        ]
        claim = job["candidates"][0]
        assert claim["ratio"] == max(row["ratio"] for row in rows)
        p_values = [1.0 if r["ratio"] >= 1 else r["p_value"] for r in rows]
        assert claim["p_claim"] == max(p_values)


def test_a_gain_that_is_not_significant_is_not_decided():
    content = make_content(None, ours=0.45, imputer=0.45, spread=0.4)
    assert content["verdict"][0]["answer"] == "unsure"
    assert content["verdict"][0]["next"] == "more_splits"
    for job in jobs_of(content).values():
        assert job["answer"] in ("unsure", "not_shown")
        assert job["recommended"] == job["best_baseline"]


def test_few_test_rows_decide_nothing():
    """Splits agree, but each difference may be one of a few rows."""
    assert make_content(spread=0.001)["verdict"][0]["answer"] == "worth"
    content = make_content(spread=0.001, row_spread=0.5)
    assert content["verdict"][0]["answer"] == "unsure"


@pytest.mark.parametrize("ours", [0.2, 0.59, 0.6, 0.7, 1.0, 1.3])
def test_a_single_split_decides_nothing(ours):
    content = make_content(ours=ours, ours_downstream=ours, n_splits=1)
    assert content["verdict"][0]["answer"] == "unsure"
    assert content["verdict"][0]["next"] == "more_splits"
    assert {j["answer"] for j in jobs_of(content).values()} <= {"unsure", "not_shown"}


def test_one_baseline_that_is_as_good_decides():
    content = make_content(None, ours=0.6, imputer=0.6, simple=0.6, spread=0.3)
    assert jobs_of(content)["spikes"]["answer"] == "not_shown"
    table = pd.DataFrame(content["results"])
    better = table[table["method"] == "gradual"].copy()
    better["value"] = 0.95 * better["value"]
    better["replicates"] = [
        None if r is None else [0.95 * v for v in r] for r in better["replicates"]
    ]
    table = pd.concat([table[table["method"] != "pca"], better.assign(method="pca")])
    content["comparisons"] = comparisons(table, ["gradual", "imputer"], SHARE)
    content["errors"] = mean_errors(table, SHARE)
    content["verdict"] = decide(content)
    assert jobs_of(content)["spikes"]["answer"] == "not_worth"


def test_an_open_task_keeps_the_short_answer_open():
    content = make_content(
        ours=0.7, imputer=0.7, by_labels={"all": {"gradual": 0.2, "boosting": 0.2}}
    )
    found = jobs_of(content)
    assert found["spikes"]["answer"] == "not_worth"
    assert found["all"]["answer"] in ("not_shown", "not_worth")
    is_open = found["all"]["answer"] == "not_shown"
    assert (content["verdict"][0]["answer"] == "unsure") == is_open


def test_a_table_that_says_nothing_about_the_target():
    content = make_content(constant=0.15)
    job = jobs_of(content)["all"]
    assert (job["answer"], job["recommended"]) == ("nothing_to_learn", "constant")


@pytest.mark.parametrize(
    ("stacked", "answer"), [(0.6, "better"), (0.4, "worse"), (0.5, "no_difference")]
)
def test_schedules_are_compared(stacked, answer):
    content = make_content(None, ours=0.5, stacked=stacked)
    found = {a["question"]: a["answer"] for a in content["verdict"]}
    assert found["schedule"] == answer


def test_gains_below_the_margin_are_not_worth_it():
    ours = 0.6 * (1 - MARGIN / 2)
    content = make_content(None, ours=ours, imputer=ours, spread=1e-5)
    for job in jobs_of(content).values():
        assert max(c["p_holm"] for c in job["candidates"]) < 0.05
        assert job["answer"] == "not_worth"


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
    assert found["leaking_column"].columns == ("result",)
    assert found["infinite"].columns == ("a",)
    assert found["duplicate_rows"].numbers["rows"] == 10
    assert found["unlabelled_rows"].numbers["rows"] == 5
    assert "result" in data.X.columns
    assert not {"empty", "same", "id", "serial", "day"} & set(data.X.columns)


def test_sensors_with_defects_are_those_of_the_grading():
    X, _ = table(300)
    X.loc[100:160, "a"] = 1.0
    X["twin"] = X["b"] * 2.0
    graded = grade(X).sensors
    found = {sensor["name"]: sensor for sensor in prepare(X).sensors}
    assert list(found) == list(graded.index[graded["verdict"] != "keep"])
    assert {"a", "twin"} <= set(found)
    for name, sensor in found.items():
        assert sensor["verdict"] == graded.loc[name, "verdict"]
        assert sensor["defects"] == graded.loc[name, "defects"]
    assert found["twin"]["duplicate_of"] == "b"
    json.dumps(prepare(X).sensors, allow_nan=False)


def test_rows_that_follow_each_other_are_found():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(300, 4)), axis=0)
    frame = pd.DataFrame(walk, columns=list("abcd"))
    assert "rows_in_order" in {f.code for f in prepare(frame).findings}
    frame["when"] = np.arange(300)
    assert not prepare(frame, time="when").findings
    assert not prepare(
        frame.drop(columns="when").sample(frac=1, random_state=0)
    ).in_order


@pytest.mark.slow
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
