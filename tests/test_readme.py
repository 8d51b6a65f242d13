"""What the README and the pages promise runs and exists."""

import doctest
import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("quickstart", "saving")


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
    run(rst_blocks((ROOT / "docs" / f"{page}.rst").read_text(encoding="utf-8")))


def test_code_blocks_of_the_readme_run_one_after_the_other(capsys):
    names = run(markdown_blocks(README))
    filled = names["filled"]
    assert filled.notna().all().all()
    assert list(filled.columns) == list(names["plant"].data.columns)


def test_the_pipeline_is_short():
    # the pipeline itself; what follows the blank line is the second half of the block
    lines = markdown_blocks(README)[0].splitlines()
    assert len([line for line in lines if line]) <= 15


def test_the_page_of_the_method_is_right():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = doctest.testfile(
            str(ROOT / "docs" / "method.rst"), module_relative=False
        )
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


def test_figures_stand_beside_the_command_that_prints_them():
    figures = README.split("## Figures")[1].split("\n## ")[0]
    scripts = re.findall(r"`(?:python )?(\w+/\w+\.py)", figures)
    assert scripts
    for script in scripts:
        assert (ROOT / script).exists(), script
