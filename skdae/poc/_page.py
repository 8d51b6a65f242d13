"""The report in words, tables and charts: templates filled from its content.

Templates hold the structure and catalogues the texts, one for each language. A number
gets onto the page only through `Translator.number`, which marks where in the content it
stands.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from shlex import quote
from typing import Any

import numpy as np

from skdae.poc._downstream import OUR_DETECTOR
from skdae.poc._verdict import ALPHA, MARGIN, SCHEDULE

LANGUAGES = ("en", "ja")
LARGE = 1000.0  # times; larger ratios are alike
ROUNDING = 1e-9  # standard deviations; a smaller error is one of rounding
FAR = 4  # times the median: errors beyond are drawn as an arrow at the edge


def page(content: dict[str, Any], lang: str = "en") -> str:
    """Return the page of a report: HTML that fetches nothing."""
    return render("report.html.j2", Translator(content, lang, is_html=True))


def summary(content: dict[str, Any], lang: str = "en") -> str:
    """Return the verdict in some sentences, one answer a line."""
    return render("summary.txt.j2", Translator(content, lang, is_html=False))


def render(template: str, t: "Translator") -> str:
    """Return a template filled in."""
    found = environment(t.is_html).get_template(template)
    return found.render(t=t, c=t.content)


@cache
def environment(is_html: bool) -> Any:
    """Return the templates, which escape texts of HTML."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            f"The report needs {error.name}, which is not installed; "
            "install it with: pip install 'skdae[poc]'"
        ) from error
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("skdae.poc"),
        autoescape=is_html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    used = (limit, direction, quote, repr, Axis)
    found.globals |= {each.__name__: each for each in used}
    found.globals |= {"LARGE": LARGE}
    return found


@cache
def catalogue(lang: str) -> dict[str, str]:
    """Return the texts of a language by key."""
    if lang not in LANGUAGES:
        raise ValueError(
            f"lang={lang!r} must be one of {list(LANGUAGES)}; choose one of them."
        )
    path = files("skdae.poc").joinpath("templates", f"{lang}.json")
    return json.loads(path.read_text(encoding="utf-8"))


# --- numbers --------------------------------------------------------------------------


def digits(value: float, n: int) -> str:
    """Return a number with n significant digits, and no decimals from 1000 on."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = n - 1 - math.floor(math.log10(abs(value)))
    if decimals > 7:
        return f"{value:.{n - 1}e}"
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def percent(value: float) -> str:
    """Return a number of percents."""
    text = digits(value, 2) if value < 10 else f"{value:,.0f}"
    return f"{text.removesuffix('.0')}%"


def change(ratio: float) -> str:
    """Return by how much an error is lower or higher, or how many times as high."""
    if ratio < 1 / LARGE:
        return f"> {100 - 100 / LARGE:g}%"
    if ratio > LARGE:
        return f"> {LARGE:,.0f}"
    return digits(ratio, 2) if ratio >= 2 else percent(abs(100 * ratio - 100))


def direction(ratio: float) -> str:
    """Return which word goes with `change`."""
    if ratio == 1:
        return "equal"
    return "lower" if ratio < 1 else "higher" if ratio < 2 else "times"


#: How a value is written, by the name of the style.
STYLES: dict[str, Callable[[Any], str]] = {
    "count": lambda v: f"{v:,.0f}",
    "error": lambda v: digits(v, 3),
    "deviations": lambda v: digits(v if abs(v) > ROUNDING else 0.0, 3),
    "seconds": lambda v: digits(v, 2),
    "minutes": lambda v: digits(v, 2).removesuffix(".0"),
    "megabytes": lambda v: digits(v / 1e6, 3),
    "kilobytes": lambda v: digits(v / 1e3, 3),
    "rate": lambda v: digits(v, 2),
    "share": lambda v: percent(100 * v),
    "change": change,
    "p": lambda v: "< 0.001" if v < 0.001 else f"{v:.3f}",
    "score": lambda v: f"{v:.3f}",
    "signed": lambda v: f"{v:+.1f}",
    "text": str,
}


def at(content: Any, path: str) -> Any:
    """Return what stands at a path such as ``errors[3].mean``.

    ``.length`` is how many entries a list has, as in JavaScript.
    """
    found = content
    for name, place in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if place:
            found = found[int(place)]
        elif name == "length" and isinstance(found, (list, tuple)):
            found = len(found)
        else:
            found = found[name]
    return found


# --- charts ---------------------------------------------------------------------------

Mark = dict[str, Any]  # a row of mean errors, with its path and the role of its method


@dataclass(frozen=True)
class Axis:
    """A scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> "Axis":
        """Return a scale that covers values, with a margin."""
        low, high = min(values), max(values)
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        return cls(low - margin, high + margin, start, end)

    def at(self, value: float) -> float:
        """Return the pixel of a value; beyond the ends, that of the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (
            self.high - self.low
        )
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return about five round values: their pixels and texts."""
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 3))
        step *= next(f for f in (5, 2, 1) if f * step <= (self.high - self.low) / 3)
        first = math.ceil(self.low / step - 1e-9)
        n = math.floor(self.high / step + 1e-9) - first + 1
        return [
            (self.at((first + k) * step), f"{(first + k) * step:.12g}")
            for k in range(n)
        ]


def limit(marks: Sequence[Mark]) -> float:
    """Return the largest error that a chart shows; a few may lie beyond."""
    means = np.array([mark["mean"] for mark in marks])
    near = means[means <= FAR * np.median(means)]
    return float(1.2 * near.max()) or 1.0


def apart(places: Sequence[float], gap: float, high: float) -> list[float]:
    """Return places moved so that each is at least a gap from the next."""
    steps = gap * np.arange(len(places))
    order = np.argsort(places, kind="stable")
    moved = np.maximum.accumulate(np.take(places, order) - steps) + steps
    found = np.empty(len(places))
    found[order] = np.minimum(moved, high - steps[::-1])
    return found.tolist()


# --- words ----------------------------------------------------------------------------


class Translator:
    """A report in a language: texts from the catalogue, numbers with their paths."""

    def __init__(self, content: dict[str, Any], lang: str, *, is_html: bool) -> None:
        self.content, self.lang, self.is_html = content, lang, is_html
        self.texts = catalogue(lang)
        self.margin, self.alpha = percent(100 * MARGIN), f"{ALPHA:g}"
        self.roles = {m["name"]: m["role"] for m in content["methods"]}
        self._errors: dict[tuple[str, str, str], dict[str, str]] = {}
        for i, row in enumerate(content["errors"]):
            cell = (row["experiment"], row["condition"], row["measure"])
            self._errors.setdefault(cell, {})[row["method"]] = f"errors[{i}]"

    def __call__(self, key: str, **parts: Any) -> str:
        """Return a text with its parts in place."""
        return self._safe(self.texts[key]).format(**parts)

    def __contains__(self, key: str) -> bool:
        return key in self.texts

    def _safe(self, text: str) -> str:
        if not self.is_html:
            return text
        from markupsafe import Markup

        return Markup(text)

    def number(self, path: str, style: str) -> str:
        """Return what stands at a path, written in a style."""
        value = at(self.content, path)
        if value is None:
            return self("none")
        text = STYLES[style](value)
        if not self.is_html:
            return text
        stored = value if isinstance(value, str) else json.dumps(value)
        return self._safe('<data value="{}" data-path="{}">{}</data>').format(
            stored, path, text
        )

    def method(self, name: str) -> str:
        """Return the name of a method; the user's own schedules keep theirs."""
        asked = self.content["asked"]["schedules"]
        if name.startswith(OUR_DETECTOR) and name.removeprefix(OUR_DETECTOR) in asked:
            schedule = self.method(name.removeprefix(OUR_DETECTOR))
            return self("method.our_detector", schedule=schedule)
        if name in asked and asked[name] != name:
            return name
        key = f"method.{name}"
        return self(key) if key in self else name

    # --- where things stand in the content

    def errors(self, experiment: str, condition: str, measure: str) -> dict[str, str]:
        """Return the paths of the mean errors in a cell, by method."""
        return self._errors.get((experiment, condition, measure), {})

    def answer(self, question: str) -> str | None:
        """Return the path of an answer, None where the question was not asked."""
        for i, found in enumerate(self.content["verdict"]):
            if found["question"] == question:
                return f"verdict[{i}]"
        return None

    def jobs(self) -> list[str]:
        """Return the paths of all jobs of the verdict."""
        return [
            f"verdict[{i}].jobs[{k}]"
            for i, found in enumerate(self.content["verdict"])
            for k in range(len(found.get("jobs", ())))
        ]

    def at(self, path: str) -> Any:
        """Return what stands at a path."""
        return at(self.content, path)

    # --- data of the charts that `chart.svg.j2` draws

    def marks(self, experiment: str, condition: str, measure: str) -> list[Mark]:
        """Return the mean errors of all methods, the lowest first."""
        found = [
            {**self.at(path), "path": f"{path}.mean", "role": self.roles[method]}
            for method, path in self.errors(experiment, condition, measure).items()
        ]
        return sorted(found, key=lambda mark: mark["mean"])

    def curve(self, labels: Sequence[str], measure: str) -> dict[str, Any]:
        """Return the learning curves of our networks and of the baselines.

        A line has a mark for each number of labels, its end, and where its name goes.
        """
        cells = [
            {m["method"]: m for m in self.marks("downstream", name, measure)}
            for name in labels
        ]
        top = limit([mark for cell in cells for mark in cell.values()])
        lines = [
            [cell[method] for cell in cells]
            for method, end in cells[-1].items()
            if end["role"] != SCHEDULE
            and end["mean"] <= top
            and all(method in cell for cell in cells)
        ]
        means = [m["mean"] for line in lines for m in line if m["mean"] <= top]
        axis = Axis.around(means, 280, 30)
        ends = [axis.at(line[-1]["mean"]) for line in lines]
        places = apart(ends, 17, 280)
        return {"axis": axis, "lines": list(zip(lines, ends, places, strict=True))}

    def trace(self, path: str, job: dict[str, Any]) -> dict[str, Any]:
        """Return a column of some test rows: true, corrupted and restored."""
        trace = self.at(path)
        lines = [("ink", f"{path}.true", trace["true"])]
        named = _by_method(trace["restored"], f"{path}.restored", job)
        for role, (place, row) in zip(("main", "candidate"), named, strict=False):
            lines.append((role, f"{place}.values", row["values"]))
        series = [trace["corrupted"], *(values for *_, values in lines)]
        return {
            "trace": trace,
            "methods": [row["method"] for _, row in named],
            "lines": lines,
            "x": Axis(0, max(len(trace["true"]) - 1, 1), 44, 446),
            "y": Axis.around([v for s in series for v in s if v is not None], 150, 10),
        }

    def predictions(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the predictions of the best of our methods and the best baseline."""
        rows = self.content["pictures"]["predictions"]
        named = _by_method(rows, "pictures.predictions", job)
        every = [v for _, row in named for n in ("actual", "predicted") for v in row[n]]
        return [
            {
                "path": path,
                "row": row,
                "x": Axis.around(every, 44, 300),
                "y": Axis.around(every, 266, 10),
            }
            for path, row in named
        ]


def _by_method(
    rows: list[dict[str, Any]], path: str, job: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Return our best method's row and the best baseline's, with their paths."""
    places = {row["method"]: i for i, row in enumerate(rows)}
    names = (job["candidate"], job["best_baseline"])
    return [(f"{path}[{places[n]}]", rows[places[n]]) for n in names if n in places]
