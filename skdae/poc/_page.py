"""The report in words, tables and charts: templates filled from its content.

Templates hold the structure and catalogues the texts, one for each language. A number
gets onto the page only through `Translator.number`, which marks where in the content it
stands.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from shlex import quote
from typing import Any

import numpy as np

from skdae.poc._downstream import OUR_DETECTOR
from skdae.poc._results import OVERALL
from skdae.poc._verdict import ALPHA, BASELINE, CANDIDATE, MAIN, MARGIN, SCHEDULE

LANGUAGES = ("en", "ja")
LARGE = 1000.0  # times; larger ratios are alike
ROUNDING = 1e-9  # standard deviations; a smaller error is one of rounding
LATE = 1.1  # times the budget: a longer run is mentioned
MAX_NAMES = 8  # columns that a sentence names
MAX_LETTERS = 22  # of a name in a chart
MAX_CELLS = 6_000  # of the tables of columns; beyond, two methods are shown
FAR = 4  # times the median: errors beyond are drawn as an arrow at the edge
#: Findings that make results look better than they should be.
SERIOUS = ("leaking_column", "duplicate_rows", "rows_in_order")
TONES = {
    "good": ("worth", "better", "related"),
    "open": ("unsure", "not_shown", "no_difference", "perhaps"),
    "plain": ("seconds",),
}


def page(content: dict[str, Any], lang: str = "en") -> str:
    """Return the page of a report: HTML that fetches nothing."""
    return render("report.html.j2", Translator(content, lang, is_html=True))


def summary(content: dict[str, Any], lang: str = "en") -> str:
    """Return the verdict in some sentences, one answer a line."""
    return render("summary.txt.j2", Translator(content, lang, is_html=False))


def render(template: str, t: "Translator") -> str:
    """Return a template filled in."""
    found = environment(t.is_html).get_template(template)
    return found.render(t=t, c=t.content, charts=Charts(t))


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
    found.globals |= {"tone": tone, "short": short, "quoted": quote, "Axis": Axis}
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


# --- words ----------------------------------------------------------------------------


class Translator:
    """A report in a language: texts from the catalogue, numbers with their paths."""

    def __init__(self, content: dict[str, Any], lang: str, *, is_html: bool) -> None:
        self.content, self.lang, self.is_html = content, lang, is_html
        self.texts = catalogue(lang)
        self.margin, self.alpha = percent(100 * MARGIN), f"{ALPHA:g}"
        self._rows = {
            (row["experiment"], row["condition"], row["measure"], row["method"]): i
            for i, row in enumerate(content["errors"])
        }

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

    def listed(self, parts: Iterable[str]) -> str:
        """Return an enumeration."""
        return self("list.comma").join(parts)

    def numbers(self, path: str, style: str) -> str:
        """Return a list of numbers or names, or a single one."""
        value = at(self.content, path)
        if not isinstance(value, (list, tuple)):
            return self.number(path, style)
        return self.listed(
            self.number(f"{path}[{k}]", style) if v else self("labels.all")
            for k, v in enumerate(value)
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

    def about(self, name: str) -> str:
        """Return what a method is."""
        asked = self.content["asked"]["schedules"]
        if name.removeprefix(OUR_DETECTOR) in asked and name not in asked:
            return self("about.our_detector")
        return self(f"about.{asked.get(name, name)}")

    def condition(self, experiment: str, name: str) -> str:
        """Return the name of a corruption, or a number of labels."""
        if experiment == "denoising":
            return self(f"corruption.{name}")
        return self("labels.all") if name == "all" else name

    def columns(self, path: str) -> str:
        """Return names of columns, the first few of many."""
        names = at(self.content, path)
        shown = [*names[:MAX_NAMES]]
        if len(names) > MAX_NAMES:
            shown.append(self("finding.more", n=self.number(f"{path}.length", "count")))
        return self.listed(shown)

    # a row with ratio, low and high stands at the path

    def change(self, path: str) -> str:
        """Return a ratio of errors in words: '7% lower'."""
        key = f"change.{direction(at(self.content, path))}"
        return self(key, number=self.number(path, "change"))

    def interval(self, path: str) -> str:
        """Return the ends of the interval of a ratio."""
        row = at(self.content, path)
        if row["low"] is None:
            return self("none")
        if row["low"] < 1 / LARGE and row["high"] > LARGE:
            return self("interval.wide")
        ends = [f"{path}.low", f"{path}.high"]
        sides = {direction(row["low"]), direction(row["high"])}
        if sides == {"lower"}:
            ends.reverse()  # the smaller change first
        if sides in ({"lower"}, {"higher"}):
            near, far = (self.number(end, "change") for end in ends)
            return self(f"interval.{sides.pop()}", near=near, far=far)
        near, far = (self.change(end) for end in ends)
        return self("interval.apart", near=near, far=far)

    # --- where things stand in the content

    def row(self, experiment: str, condition: str, measure: str, method: str) -> Any:
        """Return the path of a mean error, None where there is none."""
        i = self._rows.get((experiment, condition, measure, method))
        return None if i is None else f"errors[{i}]"

    def methods(self, experiment: str, measure: str, *names: str) -> list[str]:
        """Return the methods with an error under any of the conditions named."""
        found = [
            m
            for e, c, s, m in self._rows
            if (e, s) == (experiment, measure) and c in names
        ]
        return list(dict.fromkeys(found))

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

    def findings(self) -> list[tuple[str, bool]]:
        """Return paths of findings about the table, and which ones affect results."""
        found = self.content["data"]["findings"]
        return [
            (f"data.findings[{i}]", f["code"] in SERIOUS) for i, f in enumerate(found)
        ]

    @property
    def is_late(self) -> bool:
        """Whether the run took longer than its budget."""
        budget = self.content["asked"]["minutes"]
        took = self.content["made"].get("minutes")
        return None not in (budget, took) and took > LATE * budget

    @property
    def splits_by(self) -> str:
        """What splits respect."""
        data = self.content["data"]
        if data["groups"] is not None:
            return "groups"
        return "time" if data["in_time"] else "blocks" if data["in_order"] else "random"

    def role(self, method: str) -> str:
        """Return how a method is set off: 'main', 'ours' or 'other'."""
        roles = {m["name"]: m["role"] for m in self.content["methods"]}
        return KINDS[roles.get(method, BASELINE)]

    def shown_in_columns(self) -> tuple[list[str], bool]:
        """Return the methods of the tables of columns, and whether these are cut."""
        names = list(dict.fromkeys(row["method"] for row in self.content["columns"]))
        n_cells = len(self.content["columns"]) * len(self.content["data"]["columns"])
        if n_cells <= MAX_CELLS:
            return names, False
        best = Charts(self).best_baseline("denoising", OVERALL, "error")
        return [n for n in names if n in (self.content["main"], best)], True

    def call(self) -> dict[str, str]:
        """Return the arguments of the call that makes this report, as code."""
        asked = self.content["asked"]
        given = {
            name: repr(asked[name]) for name in ("task", "schedules", "memory", "name")
        }
        given["transformer"] = re.sub(r"\n\s*", " ", asked["transformer"])
        if self.content["data"]["target"] is not None:
            given["y"] = "y" if asked["target"] is None else repr(asked["target"])
        for name in ("time", "groups"):
            if asked[name] is not False:
                given[name] = repr(asked[name]) if asked[name] is not True else name
        numbers = ("label_budget", "minutes", "n_splits", "max_rows", "random_state")
        for name in (*numbers, "n_jobs"):
            is_none = asked[name] is None
            given[name] = "None" if is_none else self.number(f"asked.{name}", "text")
        return given

    def noises(self) -> list[str]:
        """Return the classes of noise that the call needs."""
        return sorted(
            set(re.findall(r"\b\w+Noise\b", self.content["asked"]["transformer"]))
        )


KINDS = {MAIN: "main", CANDIDATE: "ours", SCHEDULE: "ours", BASELINE: "other"}


def tone(code: str) -> str:
    """Return whether an answer is good news, open or bad news."""
    return next((name for name, codes in TONES.items() if code in codes), "bad")


# --- charts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """A scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

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


@dataclass(frozen=True)
class Mark:
    """A mean with its interval, and where it stands in the report."""

    method: str
    kind: str
    path: str
    mean: float
    low: float | None
    high: float | None


class Charts:
    """The data of charts, which `chart.svg.j2` draws."""

    def __init__(self, t: Translator) -> None:
        self.t = t

    def marks(self, experiment: str, condition: str, measure: str) -> list[Mark]:
        """Return the mean errors of all methods, the lowest first."""
        found = []
        for method in self.t.methods(experiment, measure, condition):
            path = self.t.row(experiment, condition, measure, method)
            row = self.t.at(path)
            mean = row["mean"], row["low"], row["high"]
            found.append(Mark(method, self.t.role(method), f"{path}.mean", *mean))
        return sorted(found, key=lambda mark: mark.mean)

    def best_baseline(
        self, experiment: str, condition: str, measure: str
    ) -> str | None:
        """Return the baseline with the lowest error."""
        marks = self.marks(experiment, condition, measure)
        return next((m.method for m in marks if m.kind == "other"), None)

    def limit(self, marks: Sequence[Mark]) -> float:
        """Return the largest error that a chart shows; a few may lie beyond."""
        means = np.array([mark.mean for mark in marks])
        near = means[means <= FAR * np.median(means)]
        return float(1.2 * near.max()) or 1.0

    def curve(self, labels: Sequence[str], measure: str) -> dict[str, Any]:
        """Return the learning curves of our networks and of the baselines."""
        cells = {c: self.marks("downstream", c, measure) for c in labels}
        counts = [c for c in labels if cells[c]]
        roles = {m["name"]: m["role"] for m in self.t.content["methods"]}
        last = [m for m in cells[counts[-1]] if roles[m.method] != SCHEDULE]
        top = self.limit([m for c in counts for m in cells[c]])
        lines = [
            [
                next((m for m in cells[c] if m.method == end.method), None)
                for c in counts
            ]
            for end in last
            if end.mean <= top
        ]
        means = [
            m.mean for line in lines for m in line if m is not None and m.mean <= top
        ]
        spread = max(means) - min(means) or max(means) or 1.0
        axis = Axis(
            max(0.0, min(means) - 0.1 * spread), max(means) + 0.1 * spread, 280, 30
        )
        ends = [axis.at(line[-1].mean) for line in lines if line[-1] is not None]
        return {
            "counts": counts,
            "lines": list(zip(lines, ends, apart(ends, 17, 30, 280), strict=True)),
            "axis": axis,
        }

    def trace(self, corruption: str) -> dict[str, Any]:
        """Return a column of some test rows: true, corrupted and restored."""
        trace = self.t.content["pictures"]["traces"][corruption]
        best = self.best_baseline("denoising", corruption, "error")
        job = next(
            self.t.at(p)
            for p in self.t.jobs()
            if self.t.at(p)["condition"] == corruption
        )
        path = f"pictures.traces.{corruption}"
        restored = {
            row["method"]: (f"{path}.restored[{i}].values", row["values"])
            for i, row in enumerate(trace["restored"])
        }
        names = [n for n in (job["candidate"], best) if n in restored]
        lines = [("main", *restored[n]) for n in names[:1]]
        lines += [("ours", *restored[n]) for n in names[1:]]
        lines.insert(0, ("ink", f"{path}.true", trace["true"]))
        series = [trace["corrupted"], *(values for _, _, values in lines)]
        known = [v for s in series for v in s if v is not None]
        low, high = min(known), max(known)
        pad = 0.05 * (high - low) or 1.0
        return {
            "trace": trace,
            "path": path,
            "methods": names,
            "lines": lines,
            "x": Axis(0, max(len(trace["true"]) - 1, 1), 44, 446),
            "y": Axis(low - pad, high + pad, 150, 10),
        }

    def predictions(self) -> list[dict[str, Any]]:
        """Return the predictions of the best of our methods and the best baseline."""
        path = self.t.answer("downstream")
        if path is None:
            return []
        job = self.t.at(path)["jobs"][0]
        found = {
            row["method"]: (f"pictures.predictions[{i}]", row)
            for i, row in enumerate(self.t.content["pictures"]["predictions"])
        }
        shown = [
            found[job[n]] for n in ("candidate", "best_baseline") if job[n] in found
        ]
        every = [v for _, row in shown for n in ("actual", "predicted") for v in row[n]]
        if not every:
            return []
        ends = min(every), max(every)
        x, y = Axis(*ends, 44, 300), Axis(*ends, 266, 10)
        return [{"path": p, "row": row, "x": x, "y": y} for p, row in shown]


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places moved so that each is at least a gap from the next."""
    order = np.argsort(places, kind="stable")
    moved = np.array(places, dtype=float)[order]
    for k in range(1, len(moved)):
        moved[k] = max(moved[k], moved[k - 1] + gap)
    if len(moved):
        moved -= max(0.0, moved[-1] - high)
    for k in range(len(moved) - 2, -1, -1):
        moved[k] = min(moved[k], moved[k + 1] - gap)
    found = np.empty(len(moved))
    found[order] = moved
    return found.tolist()


def short(name: str) -> str:
    """Return a name that fits into a chart."""
    return name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…"
