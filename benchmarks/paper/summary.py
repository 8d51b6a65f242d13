"""Figures and tables of the page "Does gradual training help?", from the result files.

Writes docs/paper_results.inc, which the page includes: substitutions for the figures in
its text, and the tables. A test compares the file with what this script writes.
"""

import argparse
from pathlib import Path

import numpy as np
from image_results import (
    REFERENCE,
    Method,
    change,
    image_table,
    jump_table,
    label_change,
    label_errors,
    label_table,
    read,
)
from intervals import Interval, as_change
from run import RESULTS
from sensor_results import (
    COPY,
    TABLES,
    sensor_table,
    table_errors,
    table_ratio,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "paper_results.inc"

SETTINGS = ("mnist-small", "mnist-middle", "cifar10-small")

# what the lower layers that adapt are worth: pairs that differ in nothing else
CONTROLS = (("gradual", "frozen"), ("gradual, copy", "frozen, copy"))

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
        for one, other in CONTROLS:
            if one in methods and other in methods:
                changed = change(methods[one], methods[other]).percent()
                found[f"{name}: {one} / {other}"] = changed
    return found


def fragment(results: Path = RESULTS) -> str:
    """The file that the page includes."""
    settings = {
        n: read(n, results) for n in SETTINGS if (results / f"{n}.jsonl").is_file()
    }
    errors = table_errors(results)
    named = figures(settings)
    for method in errors:
        for reference in sorted({COPY, "gradual", "joint"} - {method}):
            ratio = table_ratio(errors, method, reference)
            named[f"{TABLES}: {method} / {reference}"] = as_change(ratio)
    labels = label_errors(results)
    for n_labels, methods in labels.items():
        for method in methods:
            for other in sorted({REFERENCE, "random weights"} - {method}):
                changed = label_change(methods, method, other).percent()
                named[f"{n_labels} labels: {method} / {other}"] = changed
    for data, (stacked, gradual) in PAPERS.items():
        named[f"papers: {data}"] = Interval(gradual / stacked - 1, np.nan).percent()
    lines = [".. Written by benchmarks/paper/summary.py; do not edit.", ""]
    lines += [f".. |{name}| replace:: {text}" for name, text in named.items()]
    lines += ["", ".. figures end", ""]
    blocks = {name: image_table(methods) for name, methods in settings.items()}
    blocks["jump"] = jump_table(settings[SETTINGS[0]])
    blocks[TABLES] = sensor_table(errors)
    blocks["labels"] = label_table(labels)
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
