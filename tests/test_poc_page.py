"""The page: one file that fetches nothing, says where its numbers come from, and can
be read by whoever reads it, with whatever names the table has."""

import json
import re
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from poc_contents import CONTENTS, make_content

from skdae.poc import PoCReport
from skdae.poc._page import LANGUAGES, Axis, apart, at, environment, page

# what differs by language is looked at where all parts of the page are shown
CASES = [(name, "en") for name in CONTENTS]
CASES += [(name, "ja") for name in ("worth", "anomaly", "no_target", "findings")]
REPORTS = Path(__file__).parent.parent / "docs" / "reports"
VOID = {"meta", "br", "link", "img", "input", "hr"}
NASTY = "<script>alert('x')</script>&\"@@0@@ {{ 7 * 7 }} #010101"


class Reader(HTMLParser):
    """All elements of a page: their tags, attributes and texts; they must nest."""

    def __init__(self, html):
        super().__init__()
        self.elements = []  # [tag, attributes, text, tags around]
        self.open = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        around = [element[0] for element in self.open]
        element = [tag, dict(attributes), "", around]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        around = [element[0] for element in self.open]
        self.elements.append([tag, dict(attributes), "", around])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, *tags):
        return [element for element in self.elements if element[0] in tags]


@pytest.fixture(scope="module")
def read():
    """Return a page and its elements, made once."""
    made = {}

    def found(name, lang):
        if (name, lang) not in made:
            html = page(CONTENTS[name], lang)
            made[name, lang] = html, Reader(html)
        return made[name, lang]

    return found


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_nothing_is_fetched(read, name, lang):
    html, reader = read(name, lang)
    assert not re.search(
        r"https?:|//\w|@import|url\(|\bsrc=|srcset|<link|<iframe", html
    )
    for _, attributes, _, _ in reader.elements:
        assert attributes.get("href", "#").startswith("#")
    policy = [a["content"] for _, a, _, _ in reader.all("meta") if "http-equiv" in a]
    assert policy[0].startswith("default-src 'none'")


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_every_number_is_where_it_says(read, name, lang):
    _, reader = read(name, lang)
    data = reader.all("data")
    assert len(data) > 200
    for _, attributes, text, _ in data:
        value = at(CONTENTS[name], attributes["data-path"])
        shown = value if isinstance(value, str) else json.dumps(value)
        assert attributes["value"] == shown
        assert text.strip()


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_cells_hold_no_number_of_unknown_origin(read, name, lang):
    html, _ = read(name, lang)
    cells = re.findall(r"<td.*?</td>", html, flags=re.DOTALL)
    assert len(cells) > 100
    for cell in cells:
        rest = re.sub(r"<data .*?</data>|<.*?>", "", cell, flags=re.DOTALL)
        words = re.sub("1(?=[つ分])", "", unescape(rest))
        assert not re.search(r"\d", words), cell


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_marks_of_plots_are_where_they_say(read, name, lang):
    _, reader = read(name, lang)
    paths = [
        a["data-path"]
        for _, a, _, s in reader.elements
        if "svg" in s and "data-path" in a
    ]
    assert len(paths) > 30
    for path in paths:
        assert isinstance(at(CONTENTS[name], path), (float, list))


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_page_is_accessible(read, name, lang):
    html, reader = read(name, lang)
    assert html.startswith("<!DOCTYPE html>")
    assert reader.all("html")[0][1]["lang"] == lang
    ids = [a["id"] for _, a, _, _ in reader.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes, _, _ in reader.elements:
        for place in attributes.get("aria-labelledby", "").split():
            assert place in ids
        target = attributes.get("href", "#")[1:]
        assert target == "" or target in ids
    levels = [int(tag[1]) for tag, _, _, _ in reader.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip([0, *levels], levels, strict=False))
    assert all(a["scope"] in ("col", "row") for _, a, _, _ in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table"))
    for _, attributes, _, _ in reader.all("svg"):
        assert attributes["role"] == "img"
        assert len(attributes["aria-labelledby"].split()) == 2


@pytest.mark.parametrize("lang", LANGUAGES)
def test_rows_are_as_long_as_their_heads(read, lang):
    html, _ = read("worth", lang)
    for table in re.findall(r"<table.*?</table>", html, flags=re.DOTALL):
        head, *rows = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)
        n = len(re.findall("<th ", head))
        assert rows
        assert all(len(re.findall("<t[hd][ >]", row)) == n for row in rows)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_names_of_the_user_are_only_text(lang):
    content = make_content(
        columns=(NASTY, "b", "c"),
        name=NASTY,
        target=NASTY,
        schedules={NASTY: "gradual", "b": "stacked"},
        findings=[{"code": "constant", "columns": [NASTY], "numbers": {}}],
    )
    content["data"]["target"]["classes"][0] = NASTY
    content["warnings"] = [NASTY]
    html = page(content, lang)
    reader = Reader(html)
    assert len(reader.all("script")) == 1
    assert "<script>alert" not in html
    assert NASTY in reader.all("h1")[0][2]
    assert NASTY in [text for tag, _, text, _ in reader.elements if tag == "span"]
    assert any(NASTY[:20] in t for _, _, t, s in reader.all("text") if "svg" in s)


def test_a_run_that_was_interrupted_says_so(read):
    for lang, said in (("en", "with 1 of 5 splits"), ("ja", "5分割のうち1分割")):
        start = re.split("<main", read("interrupted", lang)[0])[0]
        notes = [e for e in Reader(start + "</body></html>").all("p") if "role" in e[1]]
        assert said in notes[0][2]
        assert 'role="note"' not in read("worth", lang)[0]


def test_the_verdict_comes_first(read):
    _, reader = read("not_worth", "en")
    assert reader.all("h2")[0][2] == "Verdict"
    large = [e for e in reader.elements if e[1].get("class") == "large"]
    assert large[0][2] == "Not worth it on this data"
    assert len(reader.all("blockquote")) == 1


def test_many_columns_leave_a_usable_page():
    names = [f"column_{i}" for i in range(500)]
    html = page(make_content(columns=[*names, "unit"]), "en")
    assert len(html) < 4_000_000
    assert "only the first schedule and the best baseline are shown" in html
    assert html.count("column_499") >= 6
    plots = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert "column_4" not in plots


def test_the_call_runs_as_it_stands(read):
    from skdae import GradualDAETransformer
    from skdae.noise import GaussianNoise

    _, reader = read("anomaly", "en")
    code = reader.all("pre")[0][2]
    given = {}

    class Poc:
        @staticmethod
        def run(table, **parameters):
            given.update(parameters)
            return Poc

        @staticmethod
        def save(path):
            given["path"] = path

    code = code.replace("from skdae import GradualDAETransformer, poc", "")
    names = {"poc": Poc, "table": None, "GradualDAETransformer": GradualDAETransformer}
    exec(code, names)
    asked = CONTENTS["anomaly"]["asked"]
    assert given.pop("y") == asked["target"]
    assert given.pop("path") == "report.html"
    assert isinstance(given.pop("transformer").noise, GaussianNoise)
    assert given == {k: asked[k] for k in given}
    assert {"time", "minutes", "n_splits", "random_state", "name"} <= set(given)


def test_page_is_the_same_when_it_is_made_again():
    assert page(CONTENTS["worth"], "en") == page(CONTENTS["worth"], "en")


def test_report_saves_page_and_data(tmp_path):
    report = PoCReport(CONTENTS["worth"])
    path = report.save(tmp_path / "report.html", lang="ja")
    assert path.read_text(encoding="utf-8") == page(CONTENTS["worth"], "ja")
    assert PoCReport.load(tmp_path / "report.json").content == CONTENTS["worth"]
    assert report.summary().startswith("Worth it on this data.")


def test_a_report_shows_itself():
    content = make_content(name="<plant>")
    report = PoCReport(content)
    assert repr(report) == (
        "<PoCReport of '<plant>': Worth it on this data (1000 rows, 5 splits)>"
    )
    assert str(report) == report.summary()
    shown = report._repr_html_()
    assert "<strong>Worth it on this data." in shown
    assert "<plant>" not in shown
    Reader(shown)


def test_unknown_language_is_named():
    with pytest.raises(ValueError, match="lang='fr' must be one of"):
        page(CONTENTS["worth"], "fr")


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr("skdae.poc._page.environment", environment.__wrapped__)
    with pytest.raises(ImportError, match=r"jinja2.*skdae\[poc\]"):
        page(CONTENTS["worth"], "en")
    assert "Worth it" in repr(PoCReport(CONTENTS["worth"]))  # needs nothing


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*.json")), ids=lambda p: p.stem)
def test_committed_reports_are_built(path):
    """The documentation builds these pages from their numbers."""
    report = PoCReport.load(path)
    data = Reader(report.to_html()).all("data")
    assert len(data) > 200
    for _, attributes, _, _ in data:
        value = at(report.content, attributes["data-path"])
        shown = value if isinstance(value, str) else json.dumps(value)
        assert attributes["value"] == shown


# --- charts ---------------------------------------------------------------------------


def test_marks_of_a_chart_stand_where_their_numbers_are(read):
    """The pixels of the marks are an increasing line of the means they show."""
    _, reader = read("worth", "en")
    content = CONTENTS["worth"]
    marks = [
        (at(content, a["data-path"]), float(a["cx"]))
        for tag, a, _, around in reader.elements
        if tag == "circle"
        and "data-path" in a
        and "svg" in around
        and at(content, a["data-path"].removesuffix(".mean"))["condition"] == "clean"
    ]
    assert len(marks) >= 5
    means, pixels = zip(*sorted(marks), strict=True)
    assert list(pixels) == sorted(pixels)
    (m0, x0), (m1, x1) = marks[0], max(marks)
    for mean, pixel in marks:
        line = x0 + (mean - m0) * (x1 - x0) / (m1 - m0)
        assert pixel == pytest.approx(line, abs=0.2)


def test_an_axis_is_a_line_between_its_ends():
    axis = Axis(2.0, 4.0, 100, 300)
    assert [axis.at(v) for v in (2, 3, 4)] == [100, 200, 300]
    assert (axis.at(-5), axis.at(9)) == (100, 300)
    for low, high in ((0, 1), (0.37, 0.41), (-1200, 3500), (0, 1e-7)):
        ticks = Axis(low, high, 0, 100).ticks()
        assert 3 <= len(ticks) <= 8
        step = (high - low) / 100
        for pixel, text in ticks:
            assert float(text) == pytest.approx(low + pixel * step, abs=0.06 * step)


@pytest.mark.parametrize("n", [1, 3, 8, 14])
def test_labels_do_not_overlap_and_keep_their_order(n):
    places = [30 + 3.0 * ((7 * k) % n) for k in range(n)]
    moved = apart(places, 17, 280)
    order = sorted(range(n), key=lambda i: places[i])
    for i, j in zip(order, order[1:], strict=False):
        assert moved[j] - moved[i] >= 17 - 1e-9
    assert max(moved) <= 280 + 1e-9


def test_labels_that_are_apart_stay_where_they_are():
    assert apart([200.0, 50.0, 120.0], 17, 280) == [200.0, 50.0, 120.0]


def test_the_axis_of_the_learning_curve_covers_the_data(read):
    html, _ = read("worth", "en")
    curve = html[html.index('aria-labelledby="plot-downstream-title') :]
    curve = curve[: curve.index("</svg>")]
    ticks = [float(v) for v in re.findall(r'text-anchor="end">([\d.]+)<', curve)]
    assert min(ticks) > 0.1  # errors are 0.2 and more
    assert len(ticks) >= 3
