"""The runner of the benchmarks, its tables, measures, masks and baselines."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student
from sklearn.base import clone

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import _anomaly_sets
import _detectors
import _faults
import _masks
import _metrics
import _ordered
import _reconstruction
import _runner
import _tables
import denoising
import downstream
import imputation
import time_order

from skdae import GradualDAEClassifier, GradualDAETransformer
from skdae._gaussian import fit_gaussian

SETS, METHODS = ["a", "b", "c"], ["ours", "other"]
GRID = _runner.Grid(SETS, ["x", "y"], METHODS, 3)

# --- the runner ----------------------------------------------------------------------


class Counted:
    """A benchmark whose values follow from the cell, and the cells it computed."""

    def __init__(self) -> None:
        self.evaluated: list[tuple] = []
        self.prepared: list[tuple] = []

    def prepare(self, name: str, seed: int) -> tuple[str, int]:
        self.prepared.append((name, seed))
        return name, seed

    def evaluate(self, problem, condition, method) -> dict[str, float]:
        key = problem[0], condition, method, problem[1]
        self.evaluated.append(key)
        number = sum(map(ord, "".join(key[:3]))) + 10 * key[3]
        return {"error": 1 + number % 7 + key[3] / 8, "seconds": 1.0, "test_ratio": 0.5}

    def benchmark(self, protocol: str = "test") -> _runner.Benchmark:
        return _runner.Benchmark(protocol, self.prepare, self.evaluate)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cells.jsonl"


def test_store_resumes_where_a_run_was_interrupted(store):
    whole = Counted()
    expected = _runner.run(whole.benchmark(), GRID)

    class Interrupted(Counted):
        def evaluate(self, problem, condition, method):
            if len(self.evaluated) == 7:
                raise KeyboardInterrupt
            return super().evaluate(problem, condition, method)

    first, second, third = Interrupted(), Counted(), Counted()
    with pytest.raises(KeyboardInterrupt):
        _runner.run(first.benchmark(), GRID, store=store)
    assert _runner.run(second.benchmark(), GRID, store=store) == expected
    assert first.evaluated + second.evaluated == whole.evaluated
    assert _runner.run(third.benchmark(), GRID, store=store) == expected
    assert third.evaluated == third.prepared == []


def test_store_drops_a_line_that_was_not_finished(store):
    expected = _runner.run(Counted().benchmark(), GRID, store=store)
    content = store.read_bytes()
    last = content.rfind(b"\n", 0, -1) + 1
    store.write_bytes(content[: last + 10])
    again = Counted()
    assert _runner.run(again.benchmark(), GRID, store=store) == expected
    assert len(again.evaluated) == 1
    assert store.read_bytes() == content


def test_protocols_in_one_file_do_not_mix(store):
    _runner.run(Counted().benchmark("quick"), GRID, store=store)
    other = Counted()
    _runner.run(other.benchmark("full"), GRID, store=store)
    assert len(other.evaluated) == len(SETS) * 2 * len(METHODS) * 3


def test_cells_that_do_not_apply_are_not_computed():
    counted = Counted()
    benchmark = _runner.Benchmark(
        "test",
        counted.prepare,
        counted.evaluate,
        lambda problem, condition, method: condition == "x" or method == "ours",
    )
    cells = _runner.run(benchmark, GRID)
    assert [cell.key for cell in cells if cell.condition == "y"] == [
        (name, "y", "ours", seed) for name in SETS for seed in range(3)
    ]


@pytest.mark.slow
def test_processes_give_the_cells_of_one_process(store):
    expected = _runner.run(_runner.Benchmark("test", _name, _length), GRID)
    benchmark = _runner.Benchmark("test", _name, _length)
    assert _runner.run(benchmark, GRID, store=store, n_jobs=2) == expected
    kept = _runner.Store(store, "test").cells
    assert sorted(kept) == sorted(cell.key for cell in expected)


def _name(name: str, seed: int) -> str:
    return name * (seed + 1)


def _length(problem: str, condition: str, method: str) -> dict[str, float]:
    return {"error": float(len(problem + condition + method))}


def test_data_folder_of_the_environment(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    monkeypatch.setenv("SKDAE_DATA", "somewhere")
    assert _runner.parse("Doc.", seeds=3).data == Path("somewhere")
    monkeypatch.setattr(sys, "argv", ["benchmark", "--data", "elsewhere", "--quick"])
    args = _runner.parse("Doc.", seeds=3)
    assert (args.data, args.seeds) == (Path("elsewhere"), 1)


def test_unknown_names_are_an_error():
    with pytest.raises(SystemExit, match=r"--sets \['d'\] must be among"):
        _runner.chosen("a,d", SETS, "--sets")


# --- tables --------------------------------------------------------------------------


def results(values: np.ndarray, test_ratio: float = 0.5) -> _tables.Results:
    """Results of (n_sets, n_methods, n_seeds) errors."""
    return _tables.Results(
        [
            _runner.Cell(
                f"set {i}",
                "",
                METHODS[j],
                seed,
                {"error": float(error), "test_ratio": test_ratio},
            )
            for (i, j, seed), error in np.ndenumerate(values)
        ]
    )


def table_cells(table: str) -> list[str]:
    """The cells of the last line."""
    return [cell.strip() for cell in table.splitlines()[-1].split("|")[1:-1]]


errors = arrays(float, (5, 2, 4), elements=st.floats(0.1, 10.0))


@given(errors)
def test_interval_over_sets_is_that_of_the_t_distribution(values):
    logs = np.log(values.mean(axis=2))
    differences = logs[:, 0] - logs[:, 1]
    half = student.ppf(0.975, 4) * differences.std(ddof=1) / np.sqrt(5)
    low, high = np.exp(differences.mean() - half), np.exp(differences.mean() + half)
    cells = table_cells(
        _tables.comparison_table(results(values), [("ours", "other")], "error")
    )
    assert cells[1] == f"{np.exp(differences.mean()):.3f}"
    assert cells[2] == f"{(differences < -_tables.ROUNDING).sum()} of 5"
    assert cells[3] == f"{low:.3f} to {high:.3f}"


@given(errors, st.floats(0.0, 2.0))
def test_interval_of_one_set_is_that_of_its_splits(values, ratio):
    logs = np.log(values[0, 0] / values[0, 1])
    error = np.sqrt((1 / 4 + ratio) * logs.var(ddof=1))
    half = student.ppf(0.975, 3) * error
    low, high = np.exp(logs.mean() - half), np.exp(logs.mean() + half)
    found = results(values[:1], ratio)
    cells = table_cells(_tables.comparison_table(found, [("ours", "other")], "error"))
    assert cells[3] == f"{low:.3f} to {high:.3f}"


@given(errors, st.floats(0.0, 2.0))
def test_significant_sets_are_those_whose_corrected_interval_excludes_0(values, ratio):
    differences = values[:, 0] - values[:, 1]
    error = np.sqrt((1 / 4 + ratio) * differences.var(axis=1, ddof=1))
    half = student.ppf(0.975, 3) * error
    mean = differences.mean(axis=1)
    better, worse = (mean + half < 0).sum(), (mean - half > 0).sum()
    cells = table_cells(
        _tables.comparison_table(results(values, ratio), [("ours", "other")], "error")
    )
    assert cells[-1] == f"{better} / {worse}"


def test_candidates_start_with_the_defaults(monkeypatch):
    settings = {"defaults": {}, "a=1": {}, "b=2": {}}
    for option, expected in (
        ([], []),
        (["--candidates"], list(settings)),
        (["--candidates", "b=2"], ["defaults", "b=2"]),
    ):
        monkeypatch.setattr(sys, "argv", ["benchmark", *option])
        args = _runner.parse("Doc.", seeds=3, candidates=settings)
        assert args.candidates == expected


@given(errors)
def test_ratio_of_two_methods_is_the_inverse_of_the_other_way_round(values):
    found = results(values)
    there = _tables.compared(found, "ours", "other", "error", _tables.RATIO)
    back = _tables.compared(found, "other", "ours", "error", _tables.RATIO)
    assert {row: -value for row, value in there.items()} == pytest.approx(back)


def test_pairs_are_compared_on_the_seeds_that_both_have():
    values = np.arange(1.0, 25.0).reshape(3, 2, 4)
    found = results(values)
    kept = [cell for cell in found.cells if cell.method == "ours" or cell.seed < 2]
    pair = _tables.Results(kept).paired(("set 1", ""), "ours", "other", "error")
    np.testing.assert_array_equal(pair, values[1, :, :2])


@given(arrays(float, (4, 6), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])))
def test_ranks_average_ties(means):
    placed = _tables.ranks(means)
    below = (means[:, None, :] < means[:, :, None]).sum(axis=2)
    equal = (means[:, None, :] == means[:, :, None]).sum(axis=2)
    np.testing.assert_array_equal(placed, below + (equal + 1) / 2)


def test_error_table_marks_the_best_and_counts_shared_wins():
    values = np.array([[[1.0], [1.0]], [[1.0], [4.0]]])
    lines = _tables.error_table(results(values), "error").splitlines()
    assert lines[2] == "| set 0 | **1.000** | **1.000** |"
    assert lines[3] == "| set 1 | **1.000** | 4.000 |"
    assert lines[4] == "| geometric mean | 1.000 | 2.000 |"
    assert lines[5] == "| average rank | 1.2 | 1.8 |"
    assert lines[6] == "| wins of 2 | 2 | 1 |"


def test_candidates_are_compared_with_the_defaults():
    errors = {("a", "defaults"): 1.0, ("b", "defaults"): 2.0}
    errors |= {("a", "new"): 0.5, ("b", "new"): 4.0}
    cells = [
        _runner.Cell(name, "", method, 0, {"error": value, "seconds": value})
        for (name, method), value in errors.items()
    ]
    _, _, table, *_ = _tables.candidate_tables(
        _tables.Results(cells), {"error": "error"}
    )
    assert table_cells(table) == ["new", "1.000", "1 / 1", "2.00", "1.00"]


# --- measures ------------------------------------------------------------------------


def test_true_rate_delay_and_detection_of_a_step():
    normal = np.arange(1000.0)
    limit = _metrics.limit_at(normal, 0.01)
    truth = np.arange(100) >= 40
    scores = np.where(np.arange(100) >= 45, 1000.0, 0.0)
    scores[10] = 1000.0
    assert (normal > limit).mean() == 0.01
    assert _metrics.delay(scores, truth, limit) == 5
    assert _metrics.delay(np.zeros(100), truth, limit) == np.inf
    assert _metrics.detection(scores, truth, limit) == 55 / 60
    assert _metrics.false_alarms(scores, truth, limit) == 1 / 40


def test_the_column_mean_has_an_error_of_one_deviation():
    X = np.random.default_rng(0).normal(3.0, 2.0, (200, 4))
    X[:, 3] = 7.0  # constant: not scored
    hidden = np.ones_like(X, dtype=bool)
    filled = np.tile(X.mean(axis=0), (200, 1))
    assert _metrics.pooled_rmse(X, X, hidden, filled) == pytest.approx(1.0)
    assert _metrics.cell_errors(X, X, hidden, filled).numeric == pytest.approx(1.0)


# --- masks and rows in time order ----------------------------------------------------


def test_outages_last_as_long_as_they_say():
    X = np.zeros((2400, 5))
    mask = _masks.outages(X, np.random.default_rng(0))
    for sensor in mask.T:
        edges = np.flatnonzero(np.diff(sensor.astype(int)))
        assert len(edges)
        np.testing.assert_array_equal(np.diff(edges) % _masks.OUTAGE_ROWS, 0)
    # 500 outages by chance: within five standard errors
    assert abs(mask.mean() - _masks.OUTAGE_SHARE) < 5 * np.sqrt(0.2 * 0.8 / 500)


@pytest.mark.parametrize("pattern", ["MAR 30 %", "MNAR 30 %"])
def test_high_values_are_missing_more_often(pattern):
    """Of another column that stays known, or of the own one; 30 % on average."""
    X = np.random.default_rng(0).normal(size=(4000, 6))
    mask = _masks.PATTERNS[pattern](X, np.random.default_rng(1))
    is_hidden = mask.any(axis=0)
    np.testing.assert_allclose(mask[:, is_hidden].mean(axis=0), 0.3, atol=0.04)
    for column in mask.T[is_hidden]:
        steps = X[column].mean(axis=0) - X[~column].mean(axis=0)
        driver = int(np.abs(steps).argmax())
        assert steps[driver] > 0.5
        assert np.abs(np.delete(steps, driver)).max() < 0.2
        assert is_hidden[driver] == (pattern == "MNAR 30 %")
    assert is_hidden.sum() == (6 if pattern == "MNAR 30 %" else 3)


def test_real_gaps_keep_their_lengths():
    generator = np.random.default_rng(0)
    X = np.where(generator.random((100, 3)) < 0.2, np.nan, 1.0)
    mask = _masks.real_gaps(X, generator)
    np.testing.assert_array_equal(mask.sum(axis=0), np.isnan(X).sum(axis=0))
    assert _masks.applies("real gaps", X)
    assert not _masks.applies("real gaps", np.nan_to_num(X))


def test_parts_are_consecutive_rows_of_one_run():
    run = np.repeat([0, 1, 2], [25, 10, 4])
    X = np.column_stack([np.arange(39.0), run])
    parts = _ordered.Ordered(X, run).parts(10)
    assert [len(part) for part in parts] == [10, 10, 4, 10]
    for part in parts:
        assert len(np.unique(part[:, 1])) == 1
        np.testing.assert_array_equal(np.diff(part[:, 0]), 1)
    assert len({part[0, 0] for part in parts}) == len(parts)


def test_time_order_baselines_keep_known_cells_and_follow_a_line():
    X = np.column_stack([np.arange(50.0), 100 - 2 * np.arange(50.0)])
    hidden = np.zeros_like(X, dtype=bool)
    hidden[10:20, 0] = hidden[30:33, 1] = True
    shown = np.where(hidden, np.nan, X)
    problem = time_order.problem_of(shown, 0)
    filled = _reconstruction.interpolation(problem)(shown)
    np.testing.assert_allclose(filled, X)
    last = _reconstruction.forward_fill(problem)(shown)
    np.testing.assert_array_equal(last[~hidden], X[~hidden])
    np.testing.assert_array_equal(last[10:20, 0], X[9, 0])


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_moving_statistics_use_the_rows_around(statistic):
    X = np.random.default_rng(0).normal(size=(30, 2))
    problem = time_order.problem_of(X, 0)
    found = _reconstruction.moving(problem, width=5, statistic=statistic)(X)
    expected = getattr(np, statistic)(X[8:13], axis=0)
    np.testing.assert_allclose(found[10], expected)


# --- baselines of detection ----------------------------------------------------------


def test_neighbours_of_training_rows_leave_the_row_itself_out():
    Z = np.random.default_rng(0).normal(size=(40, 3))
    distances = np.sort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)
    n = _detectors.N_NEIGHBORS
    np.testing.assert_allclose(_detectors.neighbors(Z, 0)(Z), distances[:, n])
    fresh = _detectors.neighbors(Z, 0)(Z.copy())
    np.testing.assert_allclose(fresh, distances[:, n - 1])


def test_t2_and_spe_alarm_where_one_of_them_exceeds_its_limit():
    generator = np.random.default_rng(0)
    Z = generator.normal(size=(500, 3)) @ generator.normal(size=(3, 6))
    Z += 0.1 * generator.normal(size=Z.shape)
    statistics = _detectors.pca_statistics(Z)(Z)
    over = statistics > np.quantile(statistics, 0.99, axis=0)
    both = _detectors.pca_both(Z, 0)(Z)
    np.testing.assert_array_equal(both > 1, over.any(axis=1))
    np.testing.assert_array_equal(over.sum(axis=0), 5)


def test_noise_by_kurtosis_is_less_in_columns_with_heavy_tails():
    rng = np.random.default_rng(0)
    Z = np.column_stack([rng.normal(size=5000), rng.laplace(size=5000), np.ones(5000)])
    normal, heavy, constant = _detectors.kurtosis_noise(Z)
    assert normal == pytest.approx(_detectors.NOISE, rel=0.05)
    assert constant == _detectors.NOISE
    assert _detectors.NOISE / 2 <= heavy < 0.95 * normal


@pytest.mark.parametrize("by_kurtosis", [True, False])
def test_score_matching_scores_rows_far_from_a_cluster_higher(by_kurtosis):
    Z = np.random.default_rng(0).normal(size=(300, 2))
    score, same = (
        _detectors.score_matching(Z, 0, by_kurtosis, n_steps=100) for _ in range(2)
    )
    far = np.array([[6.0, -6.0], [-7.0, 7.0]])
    assert score(far).min() > np.quantile(score(Z), 0.99)
    np.testing.assert_array_equal(score(far), same(far))


# --- labelled anomalies --------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [400, 3_000, 60_000])
def test_the_published_split_learns_from_the_first_half_of_the_normal_rows(n_rows):
    y = (np.arange(n_rows) % 10 == 0).astype(int)
    split = _anomaly_sets.AnomalySet(np.arange(n_rows)[:, None], y).published(0)
    size = min(max(n_rows, _anomaly_sets.MIN_ROWS), _anomaly_sets.MAX_ROWS)
    assert len(split.X) == len(split.y) == len(split.train) == size
    normal = np.flatnonzero(split.y == 0)
    half = round(len(normal) / 2)
    np.testing.assert_array_equal(np.flatnonzero(split.train), normal[:half])
    np.testing.assert_array_equal(split.y, y[split.X[:, 0]])
    is_sorted = (np.diff(split.X[:, 0]) > 0).all()
    assert is_sorted == (size == n_rows)


# --- faults --------------------------------------------------------------------------


def test_the_unit_of_a_fault_is_its_deviation_without_the_most_related_sensor():
    """Whichever it is: of all sensors, the one whose absence costs most."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 6)) @ generator.normal(size=(6, 6))
    model = fit_gaussian(X, np.zeros(X.shape, dtype=bool))
    covariance = np.linalg.inv(model.precision)

    def deviation(column, others):
        known = covariance[np.ix_(others, others)]
        pull = np.linalg.solve(known, covariance[others, column])
        return np.sqrt(covariance[column, column] - pull @ covariance[others, column])

    for column in range(6):
        others = np.delete(np.arange(6), column)
        worst = max(deviation(column, np.delete(others, k)) for k in range(5))
        assert _faults.units(model, 0)[column] == pytest.approx(
            deviation(column, others)
        )
        assert _faults.units(model, 1)[column] == pytest.approx(worst)
        assert _faults.units(model, 9)[column] == pytest.approx(
            np.sqrt(covariance[column, column])
        )


@pytest.mark.parametrize("shape", _faults.SHAPES)
@pytest.mark.parametrize("n_sensors", [1, 2])
def test_faults_are_large_and_in_the_faulty_sensors_alone(shape, n_sensors):
    X = np.random.default_rng(0).normal(size=(300, 5))
    X[::50, 0] = np.nan
    faults = _faults.make_faults(
        X[:200], [X[200:]], shape, n_sensors, 0, 200, np.random.default_rng(1)
    )
    assert all(len(fault.sensors) == n_sensors for fault in faults)
    for fault in faults:
        starts = [
            start
            for start in range(200, 300 - len(fault.rows) + 1)
            if np.array_equal(
                X[start : start + _faults.N_BEFORE],
                fault.rows[: _faults.N_BEFORE],
                equal_nan=True,
            )
        ]
        clean = X[starts[0] : starts[0] + len(fault.rows)]
        is_changed = (fault.rows != clean) & ~np.isnan(clean)
        assert not np.delete(is_changed, fault.sensors, axis=1).any()
        assert is_changed[fault.is_found][:, fault.sensors].all()


# --- candidates ----------------------------------------------------------------------


@pytest.mark.parametrize("params", denoising.CANDIDATES.values(), ids=str)
def test_candidates_of_the_transformer_are_parameters(params):
    model = clone(GradualDAETransformer()).set_params(**params)
    assert {name: model.get_params()[name] for name in params} == params


@pytest.mark.parametrize("params", downstream.CANDIDATES.values(), ids=str)
def test_candidates_of_fine_tuning_are_parameters(params):
    model = clone(GradualDAEClassifier()).set_params(**params)
    assert {name: model.get_params()[name] for name in params} == params


def test_the_patterns_of_imputation_are_hidden_for_all_methods_alike():
    X = np.random.default_rng(0).normal(size=(60, 4))
    for pattern in ("10 %", "blocks"):
        first, second = (
            _masks.hide(X, pattern, imputation.PATTERNS, seed=3) for _ in range(2)
        )
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(np.isnan(first[0]), first[1])
        assert first[1].any()


def test_protocols_name_what_changes_the_figures():
    found = {
        _runner.protocol("tep", "", Namespace(quick=quick, candidates=candidates))
        for quick in (True, False)
        for candidates in ([], ["defaults"])
    }
    assert len(found) == 4
