"""What the README and the pages promise runs and exists."""

import doctest
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
PAGES = tuple(
    path.relative_to(DOCS).with_suffix("").as_posix()
    for path in sorted([*DOCS.glob("*.rst"), *DOCS.glob("ja/*.rst")])
    if ".. code-block:: python" in path.read_text(encoding="utf-8")
    # these have tests of their own, the last in test_distributed
    and path.stem not in ("tuning", "inspection", "more_than_one_machine")
)


def markdown_blocks(text):
    """Fenced Python blocks."""
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)


def rst_blocks(text):
    """Python blocks of a page, without their indentation."""
    found = re.findall(
        r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text, flags=re.M
    )
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


def run(blocks):
    """Run blocks one after the other, and return the names that they define."""
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, "<block>", "exec"), names)
    return names


@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_of_a_page_run_one_after_the_other(page):
    run(rst_blocks((DOCS / f"{page}.rst").read_text(encoding="utf-8")))


def test_code_blocks_of_the_page_of_tuning_run():
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn.callback")  # of scikit-learn 1.9, for pruning
    names = run(rst_blocks((ROOT / "docs" / "tuning.rst").read_text(encoding="utf-8")))
    assert names["search"].best_params_["noise_rate"] in (0.1, 0.3)
    assert len(names["study"].trials) == 4


def test_code_blocks_of_the_page_of_inspection_run():
    pytest.importorskip("sklearn.callback")  # of scikit-learn 1.9, for the drift
    names = run(rst_blocks((DOCS / "inspection.rst").read_text(encoding="utf-8")))
    first, last = names["drift"].drift_[-1]
    assert first > 0  # it learned on in the phase of the last layer
    assert np.isnan(last)
    sensitivity = names["sensitivity"]
    assert np.median(sensitivity.along) > np.median(sensitivity.across)


def test_the_readme_imputes_better_than_the_obvious_alternatives():
    names = run(markdown_blocks(README))
    truth, table, is_hidden = (names[name] for name in ("truth", "table", "is_hidden"))
    errors = {
        name: (((filled - truth) / truth.std()).to_numpy()[is_hidden] ** 2).mean()
        for name, filled in names["filled"].items()
    }
    assert min(errors, key=errors.get) == "GradualDAEImputer"
    filled = names["filled"]["GradualDAEImputer"]
    assert filled.notna().all().all()
    assert filled.where(table.notna()).equals(table)  # other cells are as they were


def test_the_blocks_of_the_readme_are_short():
    for block in markdown_blocks(README):
        assert len([line for line in block.splitlines() if line]) <= 15


def test_the_page_of_the_method_is_right():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = doctest.testfile(str(DOCS / "method.rst"), module_relative=False)
    assert result.attempted >= 3
    assert result.failed == 0


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, flags=re.M), command


def test_figures_stand_beside_the_script_and_the_table_they_come_from():
    page = (DOCS / "comparison.rst").read_text(encoding="utf-8")
    sources = re.findall(r"`(benchmarks/[\w/]+\.(?:py|md))[ `]", page)
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
