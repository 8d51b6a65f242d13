"""Figures and tables of the page "Does gradual training help?", from the result files.

Writes docs/paper_results.inc, which the page includes: substitutions for the figures in
its text, and the tables. A test compares the file with what this script writes.
"""

import argparse
from pathlib import Path

import numpy as np
from image_results import (
    COPY,
    FADE_IN,
    JOINT,
    NO_FADE_IN,
    REFERENCE,
    Method,
    at_rate,
    change,
    image_table,
    jump_table,
    lines_of,
    read,
    regime_table,
    regimes,
)
from intervals import Interval, as_change
from label_results import all_label_errors, label_changes, label_errors, label_table
from run import RESULTS
from sensor_results import (
    TABLES,
    regime_table_of_tables,
    regimes_of_tables,
    sensor_table,
    table_errors,
    table_ratio,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "paper_results.inc"

SETTINGS = (
    "mnist-small",
    "mnist-middle",
    "mnist-10k",
    "cifar10-small",
    "cifar10-middle",
)
LABELLED = ("mnist-small", "mnist-10k")  # of which classifiers begin with the networks

# what the lower layers that adapt are worth: pairs that differ in nothing else; and the
# network that does not grow
CONTROLS = (
    ("gradual", "frozen"),
    (COPY, "frozen, copy"),
    (COPY, "joint, identity start"),
)

# the control once more where the two step sizes differ, at the smaller one for both
SAME_RATE = ("cifar10-small", 0.001)

# what the default is compared with on the map, beside stacked training
COMPARED = (JOINT, "joint, identity start", "frozen, copy", "gradual")

VINCENT = "1.28 %"  # test error of three layers with all labels, Vincent et al., 2010
# test cross-entropy after full tuning in Kalmanovich and Chechik, 2014
PAPERS = {"mnist": (10.38, 9.61), "cifar10": (57.26, 55.47)}  # stacked, gradual


def figures(settings: dict[str, dict[str, Method]]) -> dict[str, str]:
    """The figures of the page's text, by the name of their substitution."""
    found = {}
    for name, methods in settings.items():
        for method in methods:
            if method != REFERENCE:
                key = f"{name}: {method}"
                found[key] = change(methods[method], methods[REFERENCE]).percent()
    return found | control_figures(settings)


def control_figures(settings: dict[str, dict[str, Method]]) -> dict[str, str]:
    """Changes from the controls."""
    return {
        f"{name}: {one} / {other}": change(methods[one], methods[other]).percent()
        for name, methods in settings.items()
        for one, other in CONTROLS
        if one in methods and other in methods
    }


def label_figures(results: Path) -> dict[str, str]:
    """Those of classifiers."""
    found = {}
    for name in LABELLED:
        for key, changed in label_changes(label_errors(name, results)).items():
            found[f"{name}, {key}"] = changed.percent()
    for start, error in all_label_errors(results).items():
        found[f"all labels: {start}"] = f"{error.plain()} %"
    return found | {"papers: three layers, all labels": VINCENT}


def table_figures(results: Path) -> dict[str, str]:
    """Those of tables of sensors."""
    errors, found = table_errors(results), {}
    for method in errors:
        for reference in sorted({COPY, "gradual", "joint"} - {method}):
            ratio = table_ratio(errors, method, reference)
            found[f"{TABLES}: {method} / {reference}"] = as_change(ratio)
    ratio = table_ratio(errors, COPY, "frozen, copy")
    found[f"{TABLES}: {COPY} / frozen, copy"] = as_change(ratio)
    for part in ("map", "check"):
        for condition, cells in regimes_of_tables(part, results).items():
            for other in (REFERENCE, JOINT):
                ratio = table_ratio(cells, COPY, other)
                found[f"{part}: {condition} / {other}"] = as_change(ratio)
    return found


def regime_figures(
    around: dict[str, dict[str, Method]], fades: dict[str, Method]
) -> dict[str, str]:
    """Those of the map on images, and of the faded-in layer."""
    found = {}
    for name, methods in around.items():
        for method in methods:
            if method != REFERENCE:
                changed = change(methods[method], methods[REFERENCE]).percent()
                found[f"{name}: {method}"] = changed
        for other in COMPARED:
            if other in methods:
                changed = change(methods[COPY], methods[other]).percent()
                found[f"{name}: {COPY} / {other}"] = changed
    for name in fades:
        if name != NO_FADE_IN:
            changed = change(fades[name], fades[NO_FADE_IN]).percent()
            found[f"fade-in: {name}"] = changed
    return found


def fragment(results: Path = RESULTS) -> str:
    """The file that the page includes."""
    settings = {n: read(n, results) for n in SETTINGS}
    around = regimes(results)
    name, rate = SAME_RATE
    same_rate = {f"{name} at {rate:g}": at_rate(lines_of(name, results), rate)}
    named = figures(settings) | table_figures(results) | label_figures(results)
    named |= control_figures(same_rate)
    named |= regime_figures(around, read(FADE_IN, results))
    for data, (stacked, gradual) in PAPERS.items():
        named[f"papers: {data}"] = Interval(gradual / stacked - 1, np.nan).percent()
    lines = [".. Written by benchmarks/paper/summary.py; do not edit.", ""]
    lines += [f".. |{name}| replace:: {text}" for name, text in named.items()]
    lines += ["", ".. figures end", ""]
    blocks = {name: image_table(methods) for name, methods in settings.items()}
    blocks["base"] = image_table(around["base"])
    blocks["jump"] = jump_table(settings[SETTINGS[0]])
    blocks[TABLES] = sensor_table(table_errors(results))
    for name in LABELLED:
        blocks[f"{name} labels"] = label_table(label_errors(name, results))
    blocks["image map"] = regime_table(around)
    for part in ("map", "check"):
        conditions = regimes_of_tables(part, results)
        blocks[f"table {part}"] = regime_table_of_tables(conditions)
    for name, block in blocks.items():
        lines += [f".. begin {name}", "", block, "", f".. end {name}", ""]
    return "\n".join(lines)


def main() -> None:
    """Write the file, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=PAGE)
    args = parser.parse_args()
    text = fragment(args.results)
    args.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
