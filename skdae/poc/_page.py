"""The report as one page of HTML that fetches nothing."""

import json
import re
from typing import Any

from skdae.poc import _figures as figures
from skdae.poc import _tables as tables
from skdae.poc._figures import Mark
from skdae.poc._speech import Number, Part, Sentence, Speaker, joined
from skdae.poc._tables import kind_of
from skdae.poc._words import (
    answers,
    findings,
    late,
    left_out,
    margin,
    passage,
    place,
    regime,
    task,
    unfinished,
)

#: How an answer is set off, beside its words.
TONES = {
    "good": ("worth", "better", "related"),
    "open": ("unsure", "not_shown", "no_difference", "all_round"),
    "plain": ("seconds",),
}
PACKAGES = ("jinja2", "matplotlib")


def page(content: dict[str, Any], lang: str = "en") -> str:
    """Return the page of a report.

    Raises
    ------
    ImportError
        If a package of the extra ``poc`` is missing.
    ValueError
        If the language is unknown.
    """
    speaker = Speaker(content, lang)
    return environment().get_template("report.html.j2").render(**exhibits(speaker))


def environment() -> Any:
    """Return the templates, with the function that shows numbers."""
    try:
        import jinja2
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"The page of the report needs {error.name}, which is not installed; "
            "install it with: pip install 'skdae[poc]'"
        ) from error
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("skdae.poc"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["show"] = show
    return found


def show(part: Part) -> Any:
    """Return words and numbers as markup; the only way a number gets onto the page."""
    from markupsafe import Markup

    if isinstance(part, Sentence):
        return Markup("").join(show(piece) for piece in part.parts)
    if isinstance(part, Number) and part.value is not None:
        value = part.value if isinstance(part.value, str) else json.dumps(part.value)
        return Markup('<data value="{}" data-path="{}">{}</data>').format(
            value, part.path, part.text
        )
    return Markup.escape(part.text if isinstance(part, Number) else part)


def tone(code: str) -> str:
    """Return whether an answer is good news, open or bad news."""
    return next((name for name, codes in TONES.items() if code in codes), "bad")


# --- what the page shows --------------------------------------------------------------


def exhibits(speaker: Speaker) -> dict[str, Any]:
    """Return all that the template needs."""
    content = speaker.content
    first, *others = answers(speaker)
    column_tables, is_cut = tables.column_errors(speaker)
    troubles = ("overall", *content["denoising"]["troubles"])
    return {
        "lang": speaker.lang,
        "t": speaker.text,
        "say": speaker.say,
        "tone": tone,
        "unfinished": None if content["finished"] else unfinished(speaker),
        "title": speaker.say("title", name=content["asked"]["name"]),
        "made": speaker.say(
            "made",
            when=speaker.number("made.when", "text"),
            version=speaker.number("made.versions.skdae", "text"),
        ),
        "late": late(speaker),
        "overall": first,
        "answers": others,
        "passage": passage(speaker),
        "facts": facts(speaker),
        "findings": list(findings(speaker)),
        "data_columns": tables.data_columns(speaker),
        "dots": [trouble_plot(speaker, name) for name in troubles],
        "denoising_errors": tables.errors(speaker, "denoising", "trouble", troubles),
        "column_tables": column_tables,
        "columns_are_cut": is_cut,
        "downstream": downstream(speaker),
        "resources": tables.resources(speaker),
        "ours": speaker.method(content["denoising"]["judged"]),
        "differences": differences(speaker),
        "left_out": left_out(speaker),
        "margin": margin(),
        "splits_by": splits_by(content),
        "methods": tables.methods(speaker),
        "troubles": tables.troubles(speaker),
        "splits": tables.splits(speaker),
        "warnings": content["warnings"],
        "call": call(speaker),
        "versions": tables.versions(speaker),
    }


def splits_by(content: dict[str, Any]) -> str:
    """Return what splits respect."""
    if content["data"]["groups"] is not None:
        return "groups"
    return "time" if content["data"]["in_time"] else "random"


def facts(speaker: Speaker) -> list[tuple[str, Part]]:
    """Return facts about the table, each with its name."""
    data = speaker.content["data"]
    found: dict[str, Part] = {
        "rows": speaker.number("data.rows", "count"),
        "columns": speaker.number("data.columns.length", "count"),
        "missing": speaker.number("data.missing", "share"),
        "order": speaker.text(f"order.{splits_by(speaker.content)}"),
    }
    if data["groups"] is not None:
        found["groups"] = speaker.number("data.groups", "count")
    target = data["target"]
    kind = "none" if target is None else target["task"]
    found["task"] = speaker.text(f"task.{kind}")
    if target is not None:
        found["target"] = target["name"] or speaker.text("the_target")
        found["known"] = speaker.number("data.target.known", "count")
        if target["counts"] is not None:
            found["classes"] = class_counts(speaker, target)
    return [(speaker.text(f"fact.{name}"), part) for name, part in found.items()]


def class_counts(speaker: Speaker, target: dict[str, Any]) -> Sentence:
    """Return how many rows there are of each class."""
    names = target["classes"]
    if target["task"] == "anomaly":  # counted as normal and anomaly
        names = [speaker.text("class.normal"), speaker.text("class.anomaly")]
    return speaker.listed(
        speaker.say(
            "class.count",
            name=name,
            n=speaker.number(f"data.target.counts[{i}]", "count"),
        )
        for i, name in enumerate(names)
    )


def differences(speaker: Speaker) -> list[tables.Table]:
    """Return the tables of all differences."""
    found = [tables.differences(speaker, "denoising", "trouble")]
    if speaker.content["downstream"] is not None:
        found.append(tables.differences(speaker, "downstream", "labels"))
    return found


def downstream(speaker: Speaker) -> dict[str, Any] | None:
    """Return experiment 2, None without a target."""
    part = speaker.content["downstream"]
    if part is None:
        return None
    measure = speaker.text(f"measure.{part['measure']}")
    found = place(speaker.content, "downstream")
    several = found is not None and len(found[1]["by_labels"]) > 1
    return {
        "where": task(speaker),
        "measure": measure,
        "about": speaker.text(f"about.{part['measure']}"),
        "plot": label_plot(speaker, measure),
        "several": len({row["labels"] for row in part["errors"]}) > 1,
        "errors": tables.errors(speaker, "downstream", "labels", part["labels"]),
        "regime": regime(speaker, *found) if found is not None and several else [],
        "by_labels": tables.by_labels(speaker),
    }


# --- plots ----------------------------------------------------------------------------


def marks(speaker: Speaker, part: str, **level: str) -> list[Mark]:
    """Return the errors of all methods at a trouble or a number of labels."""
    return [
        Mark(
            speaker.method(row["method"]),
            kind_of(speaker.content, row["method"]),
            f"{part}.errors[{i}].mean",
            row["mean"],
            row["low"],
            row["high"],
        )
        for i, row in enumerate(speaker.content[part]["errors"])
        if all(row[name] == value for name, value in level.items())
    ]


def _lowest(found: list[Mark]) -> str:
    return min(found, key=lambda mark: mark.mean).name


def trouble_plot(speaker: Speaker, trouble: str) -> tuple[str, str]:
    """Return the caption and the plot of a trouble."""
    found = marks(speaker, "denoising", trouble=trouble)
    name = speaker.text(f"trouble.{trouble}")
    about = speaker.say("plot.denoising.about", trouble=name, best=_lowest(found))
    axis = speaker.text("plot.axis.denoising")
    return name, figures.dots(found, axis, f"plot-{trouble}", name, str(about))


def label_plot(speaker: Speaker, measure: str) -> str:
    """Return the learning curve, or a plot of all methods where there is one count."""
    part = speaker.content["downstream"]
    # splits with few rows may lack a number of labels
    every = {c: marks(speaker, "downstream", labels=c) for c in part["labels"]}
    labels = [c for c, found in every.items() if found]
    by_count = [every[c] for c in labels]
    about = speaker.say(
        "plot.downstream.about", measure=measure, best=_lowest(by_count[-1])
    )
    if len(by_count) == 1:
        title = speaker.text("downstream.plot.one")
        return figures.dots(by_count[0], measure, "plot-downstream", title, str(about))
    names = list(dict.fromkeys(mark.name for found in by_count for mark in found))
    lines = [
        [next((m for m in found if m.name == name), None) for found in by_count]
        for name in names
    ]
    counts = [speaker.text("labels.all") if c == "all" else c for c in labels]
    title = speaker.text("downstream.plot")
    axes = (speaker.text("plot.axis.labels"), measure)
    return figures.curves(lines, counts, axes, "plot-downstream", title, str(about))


# --- how to run it again --------------------------------------------------------------


def call(speaker: Speaker) -> Sentence:
    """Return the Python call that makes this report, numbers included."""
    asked = speaker.content["asked"]
    parts: list[Part] = ["from skdae import GradualDAETransformer, poc\n"]
    noises = sorted(set(re.findall(r"\b\w+Noise\b", asked["transformer"])))
    if noises:
        parts.append(f"from skdae.noise import {', '.join(noises)}\n")
    parts.append("\nreport = poc.run(\n    table,\n")
    given: list[tuple[str, Part]] = []
    if speaker.content["data"]["target"] is not None:
        given.append(("y", "y" if asked["target"] is None else repr(asked["target"])))
    for name in ("time", "groups"):
        if asked[name] is not False:
            value = asked[name] if isinstance(asked[name], str) else None
            given.append((name, name if value is None else repr(value)))
    transformer = re.sub(r"\n\s*", " ", asked["transformer"])
    given += [
        ("task", repr(asked["task"])),
        ("schedules", repr(asked["schedules"])),
        ("transformer", transformer),
    ]
    for name in ("label_budget", "minutes", "n_splits", "max_rows", "random_state"):
        number = speaker.number(f"asked.{name}", "text")
        given.append((name, "None" if number.value is None else number))
    given.append(("n_jobs", speaker.number("asked.n_jobs", "text")))
    given.append(("memory", repr(asked["memory"])))
    given.append(("name", repr(asked["name"])))
    for name, part in given:
        parts += [f"    {name}=", part, ",\n"]
    parts.append(")\n")
    if speaker.lang == "en":
        parts.append('report.save("report.html")')
    else:
        parts.append(f'report.save("report.html", lang="{speaker.lang}")')
    return joined(parts)
