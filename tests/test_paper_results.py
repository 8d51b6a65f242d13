"""The page "Does gradual training help?" shows what the committed results say."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks" / "paper"))

import fade_in
import image_results
import label_results
import run
import sensor_results
import summary

PAGE = summary.ROOT / "docs" / "does_gradual_training_help.rst"


def test_the_figures_of_the_page_are_those_of_the_results():
    assert summary.PAGE.read_text("utf-8") == summary.fragment(), (
        "run python benchmarks/paper/summary.py"
    )


def test_every_figure_that_the_page_names_is_there():
    text, fragment = PAGE.read_text("utf-8"), summary.fragment()
    names = re.findall(r"\|([^|\n]+)\|", text)
    assert names
    for name in names:
        assert f".. |{name}| replace::" in fragment
    for block in re.findall(r":start-after: (.*)", text):
        assert block in fragment.splitlines()


def test_the_page_states_no_change_of_its_own():
    """Percentages come from the results; the interval's level is the exception."""
    text = PAGE.read_text("utf-8").replace("95 %", "")
    assert "%" not in text


def cells(values):
    return {seed: {"tuned": {"test_corrupted": v}} for seed, v in enumerate(values)}


def test_changes_are_paired_by_seed():
    one = summary.Method(1e-3, cells([9.0, 18.0, 90.0]))
    reference = summary.Method(1e-3, cells([10.0, 20.0, 100.0]))
    found = summary.change(one, reference)
    assert found.mean == pytest.approx(-0.1)
    assert found.half == pytest.approx(0)
    del reference.cells[0]
    assert summary.change(one, reference).mean == pytest.approx(-0.1)


def test_a_search_takes_the_lowest_loss_and_is_replayed_from_its_cells():
    rates, first = run.RATES["adam"]
    for best in range(1, len(rates) - 1):
        looked_at = {}

        def loss(rate, best=best, looked_at=looked_at):
            looked_at[rate] = abs(rates.index(rate) - best)
            return looked_at[rate]

        assert run.best_rate("adam", loss) == rates[best]
        assert image_results.rate_found("adam", looked_at) == rates[best]
        del looked_at[rates[best]]
        assert image_results.rate_found("adam", looked_at) is None


@pytest.mark.parametrize("name", summary.SETTINGS)
def test_step_sizes_of_schedules_lie_within_their_grid(name):
    methods = image_results.read(name)
    assert methods
    rates, _ = run.RATES[run.SETTINGS[name].solver]
    for found in methods.values():
        assert rates[0] < found.choice < rates[-1]


def test_step_sizes_of_the_map_lie_within_their_grid():
    for name, methods in image_results.regimes().items():
        rates, _ = run.RATES[image_results.SETTINGS_AROUND[name].solver]
        for found in methods.values():
            assert rates[0] < found.choice < rates[-1]


@pytest.mark.parametrize("name", summary.LABELLED)
def test_step_sizes_of_classifiers_lie_within_their_grid(name):
    rates, _ = run.RATES["fine-tuning"]
    searches = label_results.fine_rates(name).values()
    assert searches
    for tried in searches:
        errors = {rate: values["validation_error"] for rate, values in tried.items()}
        best = image_results.rate_found("fine-tuning", errors)
        assert best is None or rates[0] < best < rates[-1]


def test_step_sizes_of_classifiers_are_chosen_by_validation_images_alone(tmp_path):
    tried = {0.004: (0.2, 0.1), 0.008: (0.1, 0.3), 0.016: (0.2, 0.1)}
    lines = [
        {
            "config": {"n_labels": 5, "method": "m", "seed": 0, "fine_rate": rate},
            "values": {"validation_error": validation, "test_error": test},
        }
        for rate, (validation, test) in tried.items()
    ]
    path = tmp_path / "name-labels.jsonl"
    for n_lines, expected in [(3, {5: {"m": {0: 0.3}}}), (2, {})]:
        path.write_text("\n".join(map(json.dumps, lines[:n_lines])), "utf-8")
        assert label_results.label_errors("name", tmp_path) == expected


def test_errors_are_averaged_over_the_seeds_of_all_numbers_of_labels():
    errors = {1: {"a": {0: 0.1, 1: 0.2}, "b": {0: 0.3}}, 2: {"a": {1: 0.8, 2: 1.0}}}
    assert label_results.mean_errors(errors) == {"a": {1: pytest.approx(0.4)}}


def test_the_interval_is_students():
    values = [1.0, 2.0, 4.0]
    found = summary.Interval.of(values)
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)
    assert found.half == pytest.approx(half)
    assert np.isnan(summary.Interval.of([1.0]).half)


def test_tables_are_compared_where_all_schedules_were_run():
    lines = [
        ["protocol", name, "", f"network alone, {method}", 0, {"numeric": value}]
        for name, method, value in [
            ("a", "gradual", 1.0),
            ("a", "joint", 2.0),
            ("b", "gradual", 1.0),
        ]
    ]
    errors = sensor_results.errors_of(lines, ("gradual", "joint"), "numeric")
    assert errors == {"gradual": {("a", 0): 1.0}, "joint": {("a", 0): 2.0}}
    assert sensor_results.ratios_by_set(errors, "gradual", "joint") == [np.log(0.5)]


def test_settings_are_chosen_by_validation_rows_alone(tmp_path):
    cells = [(0.1, 1_000, 0.01), (0.2, 1_000, 0.02), (0.1, 0, 0.05), (0.2, 0, 0.01)]
    lines = [
        {"config": {"start": "s", "dropout": d, "seed": seed}, "values": {"error": e}}
        for d, seed, e in cells
    ]
    path = tmp_path / f"{label_results.ALL_LABELS}.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert label_results.all_label_errors(tmp_path)["s"].mean == pytest.approx(5)


def test_a_layer_is_faded_in_by_the_end_of_its_part():
    shares = [fade_in.faded(part, 0.25) for part in np.linspace(0, 1, 21)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1e-3
    assert shares[5:] == [1.0] * 16
    assert fade_in.faded(0.0, 0.0) == 1.0
