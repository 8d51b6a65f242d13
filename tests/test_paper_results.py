"""The page "Does gradual training help?" shows what the committed results say."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks" / "paper"))

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


def test_the_interval_is_students():
    values = [1.0, 2.0, 4.0]
    found = summary.Interval.of(values)
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)
    assert found.half == pytest.approx(half)
    assert np.isnan(summary.Interval.of([1.0]).half)
