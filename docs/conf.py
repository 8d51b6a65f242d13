"""Sphinx configuration: the pages build offline, and a warning is an error."""

import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

from skdae._version import __version__
from skdae.poc import PoCReport

os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
REPORTS = Path(__file__).parent / "reports"  # numbers, of benchmarks/reports.py

project = "skdae"
author = "The skdae developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"

html_theme = "pydata_sphinx_theme"
html_title = "skdae"
html_theme_options = {
    "logo": {"text": "skdae"},
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
html_static_path = ["_static"]
html_css_files = ["skdae.css"]
html_math_renderer = "mathml"
toc_object_entries_show_parents = "hide"  # long names of methods do not fit
html_show_sourcelink = False

# Every name gets a page of its own (_templates/autosummary); numpydoc's lists of
# members would point to pages that do not exist.
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": [str(EXAMPLES)],
    "gallery_dirs": ["auto_examples"],
    # plot_*.py is run and shown; anything else in examples/ stays out of the gallery.
    "filename_pattern": r"[\\/]plot_",
    "ignore_pattern": r"(^|[\\/])(?!plot_)[^\\/]*\.py$",
    "download_all_examples": False,
    "remove_config_comments": True,
    "write_computation_times": False,
}


def skip_metadata_routing(
    app: Any, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leave out set_*_request: scikit-learn's text, with links into its own guide."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def write_reports(app: Any, error: Exception | None) -> None:
    """Write the pages of the proofs of concept, beside their numbers."""
    if error is None and app.builder.format == "html":
        for path in sorted(REPORTS.glob("*.json")):
            PoCReport.load(path).save(Path(app.outdir, "reports", f"{path.stem}.html"))


def read_changelog(app: Any, docname: str, source: list[str]) -> None:
    """Take the page of changes from CHANGELOG.md: headings, lists and links."""
    if docname != "changelog":
        return
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)
    for marks, line in (("#", "="), ("##", "-"), ("###", "~")):
        title = rf"^{marks} \[?(.+?)\]?$"
        text = re.sub(title, rf"\1\n{line * 79}", text, flags=re.M)
    source[0] = text


def write_math(writer: Any, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers set without a script."""
    is_block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=is_block)
    writer.body.append(f'<div class="formula">{formula}</div>' if is_block else formula)
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Connect the hooks."""
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
    app.connect("source-read", read_changelog)
    app.connect("autodoc-skip-member", skip_metadata_routing)
    app.connect("build-finished", write_reports)
