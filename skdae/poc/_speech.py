"""Sentences of which each number still knows where in the report it stands."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import Formatter
from typing import Any, TypeAlias, Union

from skdae.poc import _words_en, _words_ja

LANGUAGES = {"en": _words_en.TEXTS, "ja": _words_ja.TEXTS}
LARGE = 1000.0  # times; more is not told apart
NOTHING = 1e-9  # standard deviations; an error below is one of rounding
OUR_DETECTOR = "detector_"  # before the name of a schedule


@dataclass(frozen=True)
class Number:
    """A number as it is shown, its value, and its path in the report."""

    path: str
    value: Any
    text: str


Part: TypeAlias = Union[str, Number, "Sentence"]


@dataclass(frozen=True)
class Sentence:
    """Text with numbers in it."""

    parts: tuple[str | Number, ...]

    def __str__(self) -> str:
        return "".join(p if isinstance(p, str) else p.text for p in self.parts)


def joined(parts: Iterable[Part], between: str = "") -> Sentence:
    """Return one sentence of several."""
    found: list[str | Number] = []
    for part in parts:
        if found and between:
            found.append(between)
        found += part.parts if isinstance(part, Sentence) else [part]
    return Sentence(tuple(found))


# --- numbers --------------------------------------------------------------------------


def digits(value: float, n: int) -> str:
    """Return a number with n digits that count, and no decimals from 1000 on."""
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
    "deviations": lambda v: digits(v if abs(v) > NOTHING else 0.0, 3),
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
    """Return what stands at a path such as ``denoising.errors[3].mean``.

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


def certainty(row: dict[str, Any]) -> str:
    """Return whether a difference is 'sure' or 'open', or a 'once' of one split."""
    if row["low"] is None:
        return "once"
    if row["high"] < 1 or row["low"] > 1:
        return "sure"
    is_wide = row["low"] < 1 / LARGE and row["high"] > LARGE
    return "wide" if is_wide else "open"


class Speaker:
    """Who tells a report in a language."""

    def __init__(self, content: dict[str, Any], lang: str) -> None:
        if lang not in LANGUAGES:
            raise ValueError(
                f"lang={lang!r} must be one of {sorted(LANGUAGES)}; choose one of them."
            )
        self.content = content
        self.lang = lang
        self.texts = LANGUAGES[lang]

    def text(self, key: str) -> str:
        """Return a text without numbers."""
        return self.texts[key]

    def say(self, key: str, **parts: Part) -> Sentence:
        """Return a sentence with its parts in place."""
        found: list[Part] = []
        for before, name, _, _ in Formatter().parse(self.texts[key]):
            found.append(before)
            if name is not None:
                found.append(parts[name])
        return joined(part for part in found if part != "")

    def listed(self, parts: Iterable[Part]) -> Sentence:
        """Return an enumeration."""
        return joined(parts, self.text("list.comma"))

    def number(self, path: str, style: str) -> Number:
        """Return what stands at a path, written in a style."""
        value = at(self.content, path)
        text = self.text("none") if value is None else STYLES[style](value)
        return Number(path, value, text)

    def method(self, name: str) -> str:
        """Return what a method is called; the user's own schedules keep their names."""
        asked = self.content["asked"]["schedules"]
        if name.startswith(OUR_DETECTOR) and name.removeprefix(OUR_DETECTOR) in asked:
            schedule = self.method(name.removeprefix(OUR_DETECTOR))
            return str(self.say("method.our_detector", schedule=schedule))
        if name in asked and asked[name] != name:
            return name
        return self.texts.get(f"method.{name}", name)

    def labels(self, path: str) -> Sentence:
        """Return a number of labels."""
        if at(self.content, path) == "all":
            return self.say("labels.all")
        return self.say("labels.count", n=self.number(path, "text"))

    # differences: a row with ratio, low, high and n_splits stands at the path

    def change(self, path: str) -> Sentence:
        """Return how a ratio of errors is told: '7 % lower'."""
        ratio = at(self.content, path)
        key = f"change.{direction(ratio)}"
        return self.say(key, number=self.number(path, "change"))

    def interval(self, path: str) -> Sentence:
        """Return from where to where a ratio goes."""
        low, high = (at(self.content, f"{path}.{end}") for end in ("low", "high"))
        ends = [f"{path}.low", f"{path}.high"]
        sides = {direction(low), direction(high)}
        if sides == {"lower"}:
            ends.reverse()  # the smaller change first
        if sides in ({"lower"}, {"higher"}):
            near, far = (self.number(end, "change") for end in ends)
            return self.say(f"interval.{sides.pop()}", near=near, far=far)
        near_end, far_end = (self.change(end) for end in ends)
        return self.say("interval.apart", near=near_end, far=far_end)

    def splits(self, path: str) -> Sentence:
        """Return how many splits."""
        key = "splits.one" if at(self.content, path) == 1 else "splits.many"
        return self.say(key, n=self.number(path, "count"))

    def compared(self, path: str, ours: str) -> Sentence:
        """Return how the judged method compares with a rival, and how sure that is."""
        row = at(self.content, path)
        facts: dict[str, Part] = {
            "ours": self.method(ours),
            "rival": self.method(row["rival"]),
            "change": self.change(f"{path}.ratio"),
        }
        if row["low"] is None:
            return self.say("compared.once", **facts)
        return self.say(
            f"compared.{certainty(row)}",
            **facts,
            interval=self.interval(path),
            splits=self.splits(f"{path}.n_splits"),
        )
