"""Plots of the report as SVG that takes its colours and its font from the page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

import numpy as np

#: Colours of matplotlib, each of which stands for one of the page.
COLOURS = {
    "ink": "#010101",
    "muted": "#020202",
    "line": "#030303",
    "judged": "#040404",
    "ours": "#050505",
    "other": "#060606",
    "bg": "#070707",
}
#: Marks of the kinds of methods: matplotlib's symbol, and whether it is filled.
MARKS = {"judged": ("D", True), "ours": ("s", False), "other": ("o", False)}
DASHES = {"judged": "-", "ours": "--", "other": ":"}
FONT = 11  # pixels
MOST_LETTERS = 22  # of a name in a plot
FAR = 4  # times the median: errors beyond are drawn as an arrow at the edge


@dataclass(frozen=True)
class Mark:
    """A mean with its interval, and where it stands in the report."""

    name: str
    kind: str
    path: str
    mean: float
    low: float | None
    high: float | None


class Drawing:
    """A figure of matplotlib whose texts are put in last.

    So letters that matplotlib's font lacks do no harm, and names need no escaping
    until they are part of the page.
    """

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72))
        self.figure.patch.set_visible(False)
        self.texts: list[str] = []

    def axes(self, left: int, right: int, top: int, bottom: int) -> Any:
        """Return axes with these margins, in pixels."""
        w, h = self.width, self.height
        box = (left / w, bottom / h, (w - left - right) / w, (h - top - bottom) / h)
        axes = self.figure.add_axes(box)
        axes.patch.set_visible(False)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(COLOURS["muted"])
        axes.tick_params(
            labelsize=FONT, colors=COLOURS["muted"], labelcolor=COLOURS["muted"]
        )
        return axes

    def text(self, text: str) -> str:
        """Return what stands for a text until the end."""
        self.texts.append(text)
        return f"@@{len(self.texts) - 1}@@"

    def svg(self, key: str, title: str, about: str) -> str:
        """Return the plot as part of a page in which the key is its own."""
        from matplotlib import rc_context

        for artist in self.figure.findobj():
            artist.set_clip_on(False)
        file = StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": key}):
            self.figure.savefig(file, format="svg", metadata=nothing)
        drawn = file.getvalue()
        body = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
        for name, colour in COLOURS.items():
            body = body.replace(colour, f"var(--{name})")
        for pattern, by in (
            (r"<!--.*?-->", ""),
            (r"<metadata>.*?</metadata>", ""),
            (r"<style.*?</style>", ""),
            (r"xlink:href", "href"),
            (r'id="path:([^"]*)"', r'data-path="\1"'),
            (r'\bid="', f'id="{key}-'),
            (r'href="#', f'href="#{key}-'),
            (r"font-family: [^;\"]*;? ?", ""),
            (r"font: (?:(bold) )?([\d.]+px) [^;\"]*", _font),
            (r"@@(\d+)@@", lambda m: escape(self.texts[int(m[1])])),
        ):
            body = re.sub(pattern, by, body, flags=re.DOTALL)
        return (
            f'<svg role="img" aria-labelledby="{key}-title {key}-about" '
            f'viewBox="0 0 {self.width} {self.height}">'
            f'<title id="{key}-title">{escape(title)}</title>'
            f'<desc id="{key}-about">{escape(about)}</desc>{body}'
        )


def _font(found: re.Match[str]) -> str:
    """Return the size and the weight; the rest is that of the page."""
    return f"font-size: {found[2]}" + ("; font-weight: bold" if found[1] else "")


def short(name: str) -> str:
    """Return a name that fits into a plot."""
    return name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"


def limit(marks: Sequence[Mark]) -> float:
    """Return the largest error that a plot shows; few may lie beyond."""
    means = np.array([mark.mean for mark in marks])
    near = means[means <= FAR * np.median(means)]
    return float(1.25 * near.max()) or 1.0


def draw(axes: Any, x: Any, y: Any, mark: Mark, size: float = 7) -> None:
    """Draw a mark."""
    symbol, is_filled = MARKS[mark.kind]
    colour = COLOURS[mark.kind]
    (line,) = axes.plot(
        x,
        y,
        symbol,
        color=colour,
        markersize=size,
        markerfacecolor=colour if is_filled else COLOURS["bg"],
        markeredgewidth=1.6,
        zorder=3,
    )
    line.set_gid(f"path:{mark.path}")


def dots(marks: Sequence[Mark], axis: str, key: str, title: str, about: str) -> str:
    """Return one row per method: its error with the interval."""
    drawing = Drawing(340, 24 * len(marks) + 50)
    axes = drawing.axes(left=148, right=14, top=6, bottom=44)
    top = limit(marks)
    for place, mark in enumerate(marks):
        if mark.low is not None and mark.high is not None and mark.low < top:
            ends = np.clip([mark.low, mark.high], 0, top)
            axes.plot(ends, [place] * 2, color=COLOURS[mark.kind], lw=2)
        if mark.mean <= top:
            draw(axes, [mark.mean], [place], mark)
        else:
            axes.plot([top], [place], ">", color=COLOURS[mark.kind])
    names = [drawing.text(short(mark.name)) for mark in marks]
    axes.set_yticks(range(len(marks)), names)
    axes.tick_params(axis="y", length=0, pad=9, labelcolor=COLOURS["ink"])
    axes.set_ylim(len(marks) - 0.4, -0.6)
    axes.set_xlim(0, top)
    axes.xaxis.set_major_locator(_ticks())
    axes.grid(axis="x", color=COLOURS["line"], lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(drawing.text(axis), fontsize=FONT, color=COLOURS["muted"])
    return drawing.svg(key, title, about)


def curves(
    lines: Sequence[Sequence[Mark | None]],
    counts: Sequence[str],
    axes_names: tuple[str, str],
    key: str,
    title: str,
    about: str,
) -> str:
    """Return the error of each method over numbers of labels, named at its right end.

    A line has one mark per count, or None.
    """
    drawing = Drawing(410, max(300, 26 * len(lines) + 70))
    axes = drawing.axes(left=40, right=138, top=26, bottom=44)
    known = [[mark for mark in line if mark is not None] for line in lines]
    top = limit([mark for line in known for mark in line])
    ends = []
    for number, line in enumerate(lines):
        marks = known[number]
        kind = marks[0].kind
        # side by side, so that intervals can be told apart
        shift = 0.012 * (number - (len(lines) - 1) / 2) * max(len(counts) - 1, 1)
        places = [k + shift for k, mark in enumerate(line) if mark is not None]
        heights = np.minimum([mark.mean for mark in marks], top)
        style = {"color": COLOURS[kind]}
        wide = 2.4 if kind == "judged" else 1.4
        axes.plot(places, heights, DASHES[kind], lw=wide, **style)
        for x, mark in zip(places, marks, strict=True):
            if mark.low is not None and mark.high is not None and mark.low < top:
                bar = np.clip([mark.low, mark.high], 0, top)
                axes.plot([x, x], bar, lw=0.9, alpha=0.55, **style)
            if mark.mean <= top:
                draw(axes, [x], [mark.mean], mark, 6)
        ends.append((heights[-1], places[-1], marks[-1]))
    _name_ends(drawing, axes, ends, top, len(counts))
    axes.set_xlim(-0.2, len(counts) - 0.85)
    axes.set_ylim(0, top)
    axes.set_xticks(range(len(counts)), [drawing.text(count) for count in counts])
    axes.yaxis.set_major_locator(_ticks())
    axes.grid(axis="y", color=COLOURS["line"], lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(drawing.text(axes_names[0]), fontsize=FONT, color=COLOURS["muted"])
    drawing.figure.text(
        0.01,
        1 - 15 / drawing.height,
        drawing.text(axes_names[1]),
        fontsize=FONT,
        color=COLOURS["muted"],
    )
    return drawing.svg(key, title, about)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5, min_n_ticks=3)


def _name_ends(
    drawing: Drawing, axes: Any, ends: list[Any], top: float, n_counts: int
) -> None:
    """Write names beside the ends of lines, none over another."""
    ends = sorted(ends, key=lambda end: end[0])
    room = 17 / (drawing.height - 70) * top  # of a line of text
    heights = np.array([end[0] for end in ends])
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + room)
    heights -= max(0.0, heights[-1] - top)
    for k in range(len(heights) - 2, -1, -1):
        heights[k] = min(heights[k], heights[k + 1] - room)
    x = n_counts - 0.8
    for (height, place, mark), at in zip(ends, heights, strict=True):
        colour = COLOURS[mark.kind]
        axes.plot([place, x - 0.03], [height, at], color=colour, lw=0.6)
        name = drawing.text(short(mark.name))
        weight = "bold" if mark.kind == "judged" else "normal"
        axes.text(
            x, at, name, va="center", fontsize=FONT, color=colour, fontweight=weight
        )
