"""The command that describes a model or a table."""

import json
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skdae._column_types import ColumnKinds, is_numeric, split_columns
from skdae._files import (
    NAMES_OF_DELIMITERS,
    Dialect,
    TableError,
    listed,
    parse_times,
    read_sheet,
    shortened,
)
from skdae._grading import TimeGrading, grade
from skdae.cli._models import (
    ESTIMATORS,
    Model,
    has_table,
    in_words,
    is_model,
    load,
    read,
)
from skdae.cli._notes import note, printable
from skdae.cli._options import Csv

MAX_COLUMNS = 200  # that are listed
MAX_CELL = 2_000  # characters that are shown
MAX_ROWS = 1_000_000  # that are looked at


def info(
    path: Annotated[str, "MODEL|DATA: A model file or a table."], *, csv: Csv
) -> None:
    """Describe a model file or a table.

    Of a model: estimator, phases of training, columns, sizes and versions. Of a table:
    rows, columns by kind, missing cells, columns that are constant, count or name the
    rows, or hold times, and a verdict on each sensor: keep, check or drop, and why. Of
    a table of more than a million rows, the first million. A model file that was
    changed since it was written is refused.

    Examples
    --------
    skdae info plant.csv
    skdae info plant.model
    """
    console = Console()
    if is_model(path):
        manifest, estimator = read(path)
        if has_table(manifest):
            describe_model(load(path), path, console)
        else:
            describe_estimator(manifest, estimator, path, console)
        return
    sheet = read_sheet(path, form=csv.form, least_rows=0, max_rows=MAX_ROWS)
    note(*sheet.notes)
    describe_table(sheet.frame, path, sheet.dialect, console)


# --- models --------------------------------------------------------------------------


def describe_model(model: Model, path: str, console: Console) -> None:
    """Print what a model is."""
    facts = _facts(f"Model {Path(path).name}")
    numbers = sum(column.is_number for column in model.columns)
    rows: list[tuple[str, Any]] = [
        ("estimator", f"{ESTIMATORS[model.kind]} ({model.kind})"),
        ("fitted on", f"{model.n_rows} rows"),
        ("columns", f"{numbers} of numbers, {len(model.columns) - numbers} of text"),
        ("target", model.target),
        *_sizes(model),
        ("changed", ", ".join(_changed(model.estimator)) or "nothing"),
        ("left out", in_words(model.left_out)),
        ("missing", listed(model.missing) if model.missing else None),
        *_file(path, model.versions),
    ]
    _print_facts(facts, rows, console)
    _print_phases(getattr(model.transformer, "phases_", ()), console)
    columns = Table("column", "read as", "in the file it was fitted on")
    columns.title, columns.title_justify = "Columns", "left"
    for column in model.columns[:MAX_COLUMNS]:
        kind = "number" if column.is_number else "text"
        columns.add_row(_cell(column.name), kind, column.dtype)
    console.print(columns)
    _say_rest(len(model.columns), console)


def describe_estimator(
    manifest: dict[str, Any], estimator: Any, path: str, console: Console
) -> None:
    """Print what an estimator is that `skdae.save` has written."""
    facts = _facts(f"Model {Path(path).name}")
    names = getattr(estimator, "feature_names_in_", None)
    if names is None and hasattr(estimator, "n_features_in_"):
        names = range(estimator.n_features_in_)
    metadata = manifest["metadata"]
    rows = [
        ("estimator", type(estimator).__name__),
        (
            "columns",
            None if names is None else f"{len(names)}: {listed([*map(str, names)])}",
        ),
        ("changed", ", ".join(_changed(estimator)) or "nothing"),
        ("metadata", None if metadata is None else json.dumps(metadata)),
        *_file(path, manifest["versions"]),
    ]
    _print_facts(facts, rows, console)
    fitted = getattr(estimator, "transformer_", estimator)
    _print_phases(getattr(fitted, "phases_", ()), console)


def _file(path: str, versions: dict[str, str]) -> list[tuple[str, str]]:
    """Return the size of a model file, and what has written it."""
    return [
        ("file", f"{Path(path).stat().st_size:,} bytes"),
        ("versions", ", ".join(f"{n} {v}" for n, v in versions.items())),
    ]


def _print_facts(
    facts: Table, rows: Sequence[tuple[str, Any]], console: Console
) -> None:
    """Print the facts that there are."""
    for name, value in rows:
        if value:
            facts.add_row(name, _cell(value))
    console.print(facts)


def _print_phases(phases: Sequence[Any], console: Console) -> None:
    """Print the course of a training, where there is one."""
    if not phases:
        return
    table = Table("phase", "layers", "epochs", "updates", "seconds", "loss")
    table.title, table.title_justify = "Phases", "left"
    for record in phases:
        table.add_row(
            record.kind,
            str(record.depth),
            str(record.epochs),
            f"{record.weight_updates:,}",
            f"{record.seconds:.1f}",
            f"{record.loss:.4g}",
        )
    console.print(table)


def _sizes(model: Model) -> list[tuple[str, Any]]:
    """Widths of the network, and what else there is to count."""
    found: list[tuple[str, Any]] = []
    transformer = model.transformer
    if transformer is not None:
        network = transformer.network_
        widths = [len(layer.bias) for layer in network.encoder]
        n_inputs = network.encoder[0].weight.shape[0]
        n_weights = sum(
            layer.weight.size + layer.bias.size
            for layer in (*network.encoder, *network.decoder)
        )
        layers = " - ".join(map(str, [n_inputs, *widths]))
        found.append(("network", f"{layers} ({n_weights:,} weights)"))
    if model.kind == "detector":
        detector = model.estimator
        found.append(("networks", len(detector.members_)))
        found.append(("scores", ", ".join(detector.score_names_)))
        found.append(("threshold", f"{-detector.offset_:.4g}"))
    if model.kind == "imputer":
        imputation = model.estimator.imputation_model_
        found.append(("refinements", len(imputation.refinements)))
        found.append(("forests", len(imputation.forests.members)))
    if model.kind == "classifier":
        found.append(("classes", ", ".join(map(str, model.estimator.classes_))))
    return found


def _changed(estimator: Any) -> list[str]:
    """Parameters that are not at their defaults."""
    defaults = {
        p.name: p.default for p in signature(type(estimator)).parameters.values()
    }
    return [
        f"{name}={value}"
        for name, value in estimator.get_params(deep=False).items()
        if repr(value) != repr(defaults[name])
    ]


# --- tables --------------------------------------------------------------------------


def describe_table(
    frame: pd.DataFrame, path: str, dialect: Dialect | None, console: Console
) -> None:
    """Print what a table is."""
    kinds = split_columns(frame)
    facts = _facts(f"Table {Path(path).name if path != '-' else 'of standard input'}")
    facts.add_row("rows", f"{len(frame):,}")
    facts.add_row("columns", f"{frame.shape[1]:,}")
    for label, names in (
        ("numbers", kinds.numeric),
        ("text", kinds.text),
        ("dates or times", kinds.date_time),
        ("like an id", kinds.id_like),
        ("constant", kinds.constant),
        ("empty", kinds.empty),
    ):
        if names:
            facts.add_row(f"  {label}", str(len(names)))
    gaps = frame.isna().to_numpy()
    share = gaps.mean() if gaps.size else 0.0
    facts.add_row("missing cells", f"{share:.1%}")
    if len(frame):
        facts.add_row("complete rows", f"{(~gaps.any(axis=1)).mean():.1%}")
        facts.add_row("repeated rows", f"{frame.duplicated().mean():.1%}")
    written = "Parquet"
    if dialect is not None:
        mark = NAMES_OF_DELIMITERS.get(dialect.delimiter, dialect.delimiter)
        decimal = "decimal comma" if dialect.decimal == "," else "decimal point"
        written = f"CSV, separated by {mark}, {decimal}, {dialect.encoding}"
    facts.add_row("written as", written)
    verdicts, clock = _graded(frame, kinds)
    if clock:
        facts.add_row("time stamps", clock)
    console.print(facts)
    columns = Table("column", "kind", "missing", "different", "values", "verdict")
    for name in frame.columns[:MAX_COLUMNS]:
        values = frame[name]
        columns.add_row(
            _cell(name),
            kinds.kind_of(name).replace("_", " "),
            f"{values.isna().mean():.1%}" if len(values) else "",
            f"{values.nunique():,}",
            _cell(_values(values)),
            verdicts.get(name, ""),
        )
    console.print(columns)
    _say_rest(frame.shape[1], console)


def _graded(frame: pd.DataFrame, kinds: ColumnKinds) -> tuple[dict[str, str], str]:
    """Return verdicts on the columns of numbers and text, and one on the time stamps.

    Rows are graded in the order of the first column of dates or of a clock.
    """
    names = [*kinds.numeric, *kinds.text, *kinds.constant, *kinds.empty]
    if not names or frame.empty:
        return {}, ""
    time = frame[kinds.date_time[0]] if kinds.date_time else None
    unit = "" if time is None or is_numeric(time) else " s"
    clock = ""
    if time is not None and not is_numeric(time):
        time, clock = _moments(time)
    found = grade(frame[names], time)
    sensors = found.sensors
    texts = sensors["verdict"] + np.where(sensors["reason"] == "", "", ": ")
    if found.time is not None:
        clock = _clock(found.time, unit)
    return dict(zip(names, texts + sensors["reason"], strict=True)), clock


def _moments(time: pd.Series) -> tuple[pd.Series | None, str]:
    """Return a column of dates as moments, or None and why it cannot be read."""
    known = time.dropna()
    try:
        moments = parse_times(known).set_axis(known.index)
    except TableError as error:
        return None, f"not graded: {error}"
    return moments.reindex(time.index), ""


def _clock(time: TimeGrading, unit: str) -> str:
    """Return the rhythm of time stamps and their defects in words."""
    defects = (
        ("too long", time.n_gaps),
        ("repeated", time.n_duplicates),
        ("backward", time.n_backward),
        ("missing", time.n_missing),
    )
    counts = [f"{number:,} {word}" for word, number in defects if number]
    rhythm = "regular" if time.is_regular else "irregular"
    return ", ".join([f"{rhythm} steps of {time.median_step:g}{unit}", *counts])


def _values(values: pd.Series) -> str:
    """The range of numbers, or the most frequent texts."""
    known = values.dropna()
    if known.empty:
        return ""
    if known.dtype == object:
        common = known.value_counts().head(3)
        return ", ".join(
            f"{text if len(text) <= 20 else text[:17] + '...'} ({count})"
            for text, count in common.items()
        )
    low, high = known.min(), known.max()
    if isinstance(low, (int, float, np.number)):
        return f"{low:.6g} to {high:.6g}"
    return f"{low} to {high}"


# --- words ---------------------------------------------------------------------------


def _cell(value: Any) -> str:
    """Return a value as a cell of a table shows it, as it is written."""
    return escape(printable(shortened(str(value), MAX_CELL)).replace("\n", "\\n"))


def _facts(title: str) -> Table:
    """A table of names and values."""
    table = Table("", "", show_header=False)
    table.title, table.title_justify = _cell(title), "left"
    return table


def _say_rest(n_columns: int, console: Console) -> None:
    """Print how many columns are not listed."""
    if n_columns > MAX_COLUMNS:
        console.print(f"... and {n_columns - MAX_COLUMNS} more columns")
