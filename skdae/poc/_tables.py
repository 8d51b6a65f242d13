"""Tables of the page: each cell a number that knows its path, or words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from skdae.poc._speech import (
    NOTHING,
    OUR_DETECTOR,
    Number,
    Part,
    Speaker,
    at,
    certainty,
)
from skdae.poc._words import place

MOST_CELLS = 6_000  # of the tables of columns; beyond, two methods are shown


class Cell(NamedTuple):
    """What a cell shows, and what stands small below it."""

    main: Part
    more: Part = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its head."""

    key: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    judged: frozenset[int] = frozenset()  # rows that are set off
    code: bool = False  # heads of rows are names of the user

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds numbers, which are flush right."""
        every = zip(*self.rows, strict=True)
        return [any(not isinstance(cell.main, str) for cell in c) for c in every]


def kind_of(content: dict[str, Any], method: str) -> str:
    """Return whether a method is the judged one, another network of ours or none."""
    judged = content["denoising"]["judged"]
    if method in (judged, OUR_DETECTOR + judged):
        return "judged"
    schedules = content["asked"]["schedules"]
    own = {*schedules, *(OUR_DETECTOR + name for name in schedules)}
    return "ours" if method in {*own, "untrained", "linear_codes"} else "other"


def _heads(speaker: Speaker, *names: str) -> list[str]:
    return [speaker.text(f"column.{name}") for name in names]


def _judged(content: dict[str, Any], methods: Sequence[str]) -> frozenset[int]:
    return frozenset(
        i for i, name in enumerate(methods) if kind_of(content, name) == "judged"
    )


def _measured(speaker: Speaker, path: str, row: dict[str, Any]) -> Cell:
    """Return a mean and its interval."""
    style = "deviations" if path.startswith("denoising") else "error"
    mean = speaker.number(f"{path}.mean", style)
    if row["low"] is None:
        return Cell(mean)
    low, high = (speaker.number(f"{path}.{end}", style) for end in ("low", "high"))
    return Cell(mean, speaker.say("range", low=low, high=high))


def errors(speaker: Speaker, part: str, over: str, levels: Sequence[str]) -> Table:
    """Return the errors of an experiment: methods by troubles, or by labels."""
    rows = speaker.content[part]["errors"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    places = {(row["method"], row[over]): i for i, row in enumerate(rows)}
    none = Cell(speaker.text("none"))

    def cell(method: str, level: str) -> Cell:
        i = places.get((method, level))
        if i is None:
            return none
        return _measured(speaker, f"{part}.errors[{i}]", rows[i])

    def head(level: str) -> str:
        if over == "trouble":
            return speaker.text(f"trouble.{level}")
        if level == "all":
            return speaker.text("labels.all")
        return str(speaker.say("labels.count", n=level))

    return Table(
        f"{part}-errors",
        speaker.text(f"{part}.table"),
        [*_heads(speaker, "method"), *map(head, levels)],
        [
            [Cell(speaker.method(name)), *(cell(name, level) for level in levels)]
            for name in methods
        ],
        _judged(speaker.content, methods),
    )


def differences(speaker: Speaker, part: str, over: str) -> Table:
    """Return all paired differences of an experiment."""
    rows = []
    for i, row in enumerate(speaker.content[part]["differences"]):
        path = f"{part}.differences[{i}]"
        how = certainty(row)
        if how == "sure":
            how = "better" if row["better"] else "worse"
        elif how == "wide":
            how = "open"
        interval: Part = speaker.text("none")
        if row["low"] is not None:
            interval = speaker.interval(path)
        what = (
            speaker.text(f"trouble.{row[over]}")
            if over == "trouble"
            else speaker.labels(f"{path}.{over}")
        )
        rows.append(
            [
                Cell(speaker.method(row["rival"])),
                Cell(what),
                Cell(speaker.change(f"{path}.ratio")),
                Cell(interval),
                Cell(speaker.number(f"{path}.p_value", "p")),
                Cell(speaker.text(f"is.{how}")),
            ]
        )
    return Table(
        f"{part}-differences",
        speaker.text(f"differences.{part}"),
        _heads(speaker, "rival", over, "difference", "interval", "p", "code"),
        rows,
    )


def by_labels(speaker: Speaker) -> Table | None:
    """Return the answer at each number of labels."""
    found = place(speaker.content, "downstream")
    if found is None or len(found[1]["by_labels"]) < 2:
        return None
    rows = []
    for i, row in enumerate(found[1]["by_labels"]):
        path = f"{found[0]}.by_labels[{i}]"
        cells = [
            Cell(speaker.labels(f"{path}.labels")),
            Cell(speaker.text(f"downstream.{row['answer']}")),
            Cell(speaker.method(row["rival"])),
            _difference(speaker, path, row),
        ]
        if "pretraining" in row:
            path = f"{path}.pretraining"
            cells.append(_difference(speaker, path, row["pretraining"]))
        else:
            cells.append(Cell(speaker.text("none")))
        rows.append(cells)
    names = ("labels", "answer", "rival", "difference", "pretraining")
    caption = speaker.text("downstream.regime.table")
    return Table("regime", caption, _heads(speaker, *names), rows)


def _difference(speaker: Speaker, path: str, row: dict[str, Any]) -> Cell:
    change = speaker.change(f"{path}.ratio")
    return Cell(change, speaker.interval(path) if row["low"] is not None else "")


#: Columns of experiment 3: the head, the fact and its style.
COSTS = (
    ("seconds", "fit_seconds", "seconds"),
    ("cpu", "cpu_seconds", "seconds"),
    ("peak", "peak_bytes", "megabytes"),
    ("updates", "weight_updates", "count"),
    ("parameters", "parameters", "count"),
    ("size", "size_bytes", "kilobytes"),
    ("rate", "rows_per_second", "rate"),
)


def resources(speaker: Speaker) -> Table:
    """Return what each method takes."""
    rows = speaker.content["resources"]

    def fact(i: int, name: str, style: str) -> Cell:
        if rows[i].get(name) is None:
            return Cell(speaker.text("none"))
        return Cell(speaker.number(f"resources[{i}].{name}", style))

    return Table(
        "resources-table",
        speaker.text("resources.table"),
        _heads(speaker, "method", "use", *(head for head, _, _ in COSTS)),
        [
            [
                Cell(speaker.method(row["method"])),
                Cell(speaker.text(f"kind.{row['kind']}")),
                *(fact(i, name, style) for _, name, style in COSTS),
            ]
            for i, row in enumerate(rows)
        ],
        _judged(speaker.content, [row["method"] for row in rows]),
    )


def column_errors(speaker: Speaker) -> tuple[list[Table], bool]:
    """Return one table per trouble, columns in their units; and whether it is cut."""
    part = speaker.content["denoising"]
    if not part["columns"]:
        return [], False
    names = part["columns"][0]["names"]
    methods = list(dict.fromkeys(row["method"] for row in part["columns"][1:]))
    is_cut = len(names) * len(methods) * len(part["troubles"]) > MOST_CELLS
    if is_cut:
        found = place(speaker.content, "denoising")
        rival = None if found is None else found[1]["rival"]
        methods = [name for name in methods if name in (part["judged"], rival)]
    places = {
        (row.get("trouble"), row.get("method")): f"denoising.columns[{i}].errors"
        for i, row in enumerate(part["columns"])
    }
    tables = []
    for trouble in part["troubles"]:
        paths = {m: places[trouble, m] for m in methods if (trouble, m) in places}
        tables.append(_columns_under(speaker, trouble, names, paths))
    return tables, is_cut


def _columns_under(
    speaker: Speaker, trouble: str, names: Sequence[str], paths: dict[str, str]
) -> Table:
    """Return the errors of each column under a trouble; the paths are by method."""
    deviations = {
        column["name"]: f"data.columns[{i}].deviation"
        for i, column in enumerate(speaker.content["data"]["columns"])
    }

    def cells(j: int, name: str) -> list[Cell]:
        deviation = deviations[name]
        return [
            Cell(name),
            Cell(speaker.number(deviation, "error")),
            *(
                _column_error(speaker, f"{path}[{j}]", deviation)
                for path in paths.values()
            ),
        ]

    return Table(
        f"columns-{trouble}",
        speaker.text(f"trouble.{trouble}"),
        [*_heads(speaker, "name", "deviation"), *map(speaker.method, paths)],
        [cells(j, name) for j, name in enumerate(names)],
        code=True,
    )


def _column_error(speaker: Speaker, path: str, deviation: str) -> Cell:
    """Return an error in units of the column; that of rounding is nothing."""
    error = speaker.number(path, "error")
    scale = at(speaker.content, deviation) or 0.0
    if error.value is not None and error.value < NOTHING * scale:
        error = replace(error, text="0")
    return Cell(error)


def data_columns(speaker: Speaker) -> Table:
    """Return the columns that are used."""
    rows = []
    for i, column in enumerate(speaker.content["data"]["columns"]):
        path = f"data.columns[{i}]"
        rows.append(
            [
                Cell(column["name"]),
                Cell(speaker.text(f"kind.{column['kind']}")),
                Cell(speaker.number(f"{path}.missing", "share")),
                Cell(speaker.number(f"{path}.mean", "error")),
                Cell(speaker.number(f"{path}.deviation", "error")),
            ]
        )
    names = ("name", "kind", "missing", "mean", "deviation")
    caption = speaker.text("data.columns")
    return Table("data-columns", caption, _heads(speaker, *names), rows, code=True)


def splits(speaker: Speaker) -> Table:
    """Return the sizes of the splits."""
    rows = [
        [
            Cell(str(i + 1)),
            *(
                Cell(speaker.number(f"splits[{i}].{name}", "count"))
                for name in ("train", "test", "repeated")
            ),
        ]
        for i in range(len(speaker.content["splits"]))
    ]
    names = ("split", "train", "test", "repeated")
    caption = speaker.text("method.splits.table")
    return Table("splits", caption, _heads(speaker, *names), rows)


def methods(speaker: Speaker) -> Table:
    """Return what each method is."""
    content = speaker.content
    used = [row["method"] for row in content["resources"]]
    if content["downstream"] is not None:
        used += [row["method"] for row in content["downstream"]["errors"]]
    names = list(dict.fromkeys(used))
    asked = content["asked"]["schedules"]

    def about(name: str) -> str:
        if name.removeprefix(OUR_DETECTOR) in asked and name not in asked:
            return speaker.text("about.our_detector")
        return speaker.texts.get(f"about.{asked.get(name, name)}", "")

    rows = [[Cell(speaker.method(name)), Cell(about(name))] for name in names]
    caption = speaker.text("method.methods")
    return Table("methods", caption, _heads(speaker, "method", "meaning"), rows)


def troubles(speaker: Speaker) -> Table:
    """Return what each trouble is."""
    names = [*speaker.content["denoising"]["troubles"], "overall"]
    rows = [
        [Cell(speaker.text(f"trouble.{name}")), Cell(speaker.text(f"about.{name}"))]
        for name in names
    ]
    caption = speaker.text("method.troubles")
    return Table("troubles", caption, _heads(speaker, "trouble", "meaning"), rows)


def versions(speaker: Speaker) -> Table:
    """Return what it ran with."""
    found: dict[str, Number] = {
        name: speaker.number(f"made.versions.{name}", "text")
        for name in speaker.content["made"]["versions"]
    }
    rows = [[Cell(name), Cell(number)] for name, number in found.items()]
    caption = speaker.text("reproduce.versions")
    return Table("versions", caption, _heads(speaker, "package", "version"), rows)
