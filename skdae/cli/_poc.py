"""The command that finds out whether it pays on a table."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from skdae._files import Format, TableError, parse_times, read_sheet
from skdae.cli import _options as options
from skdae.cli._notes import notes, printable
from skdae.cli._outputs import check_folder
from skdae.cli._packages import check_packages
from skdae.cli._progress import Bar

MIN_ROWS = 50
INTERRUPTED = 130
SCHEDULE_NAMES = "gradual,stacked,hybrid,frozen,joint"
# what messages of `poc.run` call by names of Python, as it is typed
TYPED = {
    r"^X\b": "the table",
    r"^time\b": "--time",
    r"^groups\b": "--group",
    r"^use=": "--use ",
    r"^schedules=\[(.*?)\]": r"--schedules \1",
    r"\btask='(\w+)'": r"--task \1",
    r"^cache='(.*?)'": r"\1",
}

Task = Enum(  # type: ignore[misc]
    "Task",
    {name: name for name in ("auto", "classification", "regression", "anomaly")},
    type=str,
)
Language = Enum("Language", {name: name for name in ("en", "ja")}, type=str)  # type: ignore[misc]


def poc(
    data: options.Data,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PAGE", help="The page, HTML."),
    ] = Path("report.html"),
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", metavar="COL", help="The column to predict."),
    ] = None,
    task: Annotated[
        Task,
        typer.Option(
            "--task",
            metavar="TASK",
            help="What the target is: auto, classification, regression, or anomaly, "
            "where 1 marks anomalies.",
        ),
    ] = Task.auto,  # type: ignore[attr-defined]
    time: Annotated[
        str | None,
        typer.Option(
            "--time", metavar="COL", help="Times of the rows: test on what comes later."
        ),
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first",
            help="What stands first in times that can be read both ways.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COL",
            help="Machines, batches, ...: hold whole ones out.",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop", metavar="COL", help="A column to leave out; may be repeated."
        ),
    ] = None,
    use: options.Use = None,
    label_budget: Annotated[
        int | None,
        typer.Option(
            "--label-budget",
            metavar="N",
            callback=options.must(
                lambda n: n >= 20, "be at least 20; omit it to use all labels"
            ),
            help="The most labels to use.",
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes",
            callback=options.must(
                lambda n: 0 <= n < np.inf, "be at least 0; 0 runs everything"
            ),
            help="Time budget; 0 runs everything, however long.",
        ),
    ] = 10.0,
    schedules: Annotated[
        str,
        typer.Option(
            "--schedules",
            metavar="NAMES",
            help="Which to compare, the verdict is on the first one: "
            f"{SCHEDULE_NAMES.replace(',', ', ')}.",
            show_default="all",
        ),
    ] = SCHEDULE_NAMES,
    splits: Annotated[
        int,
        typer.Option(
            "--splits",
            callback=options.must(lambda n: n >= 1, "be at least 1, such as 10"),
            help="The most splits.",
        ),
    ] = 10,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            callback=options.must(
                lambda n: n != 0, "be at least 1, or -1 for one on each core"
            ),
            help="Processes; -1: one on each core.",
        ),
    ] = 1,
    seed: options.Seed = 0,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory/--no-memory", help="Measure peak memory, which takes seconds."
        ),
    ] = True,
    lang: Annotated[
        Language, typer.Option("--lang", help="Language of the page.")
    ] = Language.en,  # type: ignore[attr-defined]
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was killed.")
    ] = False,
    force: options.Force = False,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    missing: options.Missing = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Find out in three experiments whether it pays on a table, and write a page.

    How well corrupted rows are reconstructed, the task that --target names, and what it
    costs; against simple methods, on the same splits. "Not worth it" is a possible
    answer. The page is one file; the numbers stand beside it as JSON.

    What is found is kept in PAGE's folder as it comes (PAGE with .work for .html), so
    that --resume goes on after a crash. Ctrl-C writes the page of what is finished,
    once a split is whole.
    """
    check_packages("skdae poc", ("jinja2", "matplotlib"))
    from skdae import poc as experiments

    _check_output(output, resume, force)
    form = options.make_format(delimiter, decimal, encoding, header, missing)
    named = [("--target", target), ("--time", time), ("--group", group)]
    named += [("--drop", name) for name in drop or ()]
    named += [("--use", name) for name in use or ()]
    table = _read(data, form, named, quiet)
    work = output.with_suffix(".work")
    output.parent.mkdir(parents=True, exist_ok=True)
    check_folder(output.parent)
    with Bar(quiet) as bar, _going_on(work), options.as_typed(TYPED):
        if time is not None:
            table[time] = parse_times(table[time], day_first=day_first).to_numpy()
        report = experiments.run(
            table.drop(columns=list(drop or ())),
            target,
            task=task.value,
            schedules=[name.strip() for name in schedules.split(",") if name.strip()],
            time=time,
            groups=group,
            use=use or (),
            label_budget=label_budget,
            minutes=minutes or None,
            n_splits=splits,
            memory=memory,
            cache=work,
            resume=resume,
            n_jobs=jobs,
            random_state=seed,
            progress=bar,
            name="stdin" if data == "-" else Path(data).name,
        )
    _finish(report, output, lang.value, quiet)


def _read(
    data: str, form: Format, named: list[tuple[str, str | None]], quiet: bool
) -> pd.DataFrame:
    """Read the table and check that it has the columns that options name."""
    sheet = read_sheet(data, form=form, least_rows=MIN_ROWS)
    notes(sheet.notes, quiet)
    options.check_columns(named, sheet.frame.columns)
    return sheet.frame


def _finish(report: Any, output: Path, lang: str, quiet: bool) -> None:
    """Write and summarise a report, and end with the code of its run."""
    page = report.save(output, lang)
    notes(report.content["warnings"], quiet)
    typer.echo(printable(report.summary(lang)))
    if not report.finished:
        work = output.with_suffix(".work")
        typer.echo(f"interrupted: the rest follows with --resume ({work}).", err=True)
    typer.echo(str(page))
    if not report.finished:
        sys.exit(INTERRUPTED)


@contextmanager
def _going_on(work: Path) -> Iterator[None]:
    """Say how to go on after a Ctrl-C that came before there was anything to report."""
    try:
        yield
    except KeyboardInterrupt:
        if not work.exists():  # nothing to go on with
            raise
        typer.echo(
            f"interrupted before a split was whole: go on with --resume ({work}).",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None


def _check_output(output: Path, resume: bool, force: bool) -> None:
    """Refuse to overwrite an unfinished run, or remove it on request."""
    if output.suffix not in (".html", ".htm"):
        raise TableError(f"--output {str(output)!r} must end in .html; it is a page.")
    work = output.with_suffix(".work")
    if resume:
        if not work.exists():
            raise TableError(
                f"--resume: there is no unfinished run in {work}; omit --resume "
                "to start one."
            )
        return
    if force:
        shutil.rmtree(work, ignore_errors=True)
        return
    if work.exists():
        raise TableError(
            f"{work} holds an unfinished run; continue it with --resume, or start "
            "again with --force."
        )
    for path in (output, output.with_suffix(".json")):
        if path.exists():
            raise TableError(f"{path} is there already; overwrite it by --force.")
