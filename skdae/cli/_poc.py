"""The command that finds out whether it pays on a table."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from skdae._files import TableError, parse_times, read_sheet
from skdae.cli._notes import note, printable
from skdae.cli._options import (
    Csv,
    Data,
    Drop,
    Force,
    Seed,
    Target,
    Use,
    as_typed,
    check_columns,
)
from skdae.cli._outputs import check_folder
from skdae.cli._progress import Bar

PACKAGES = ("jinja2", "matplotlib")  # of the report
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
    data: Data,
    output: Annotated[Path, "--output -o PAGE: The page, HTML."] = Path("report.html"),
    target: Target = None,
    task: Annotated[
        Task,
        "--task TASK: What the target is: auto, classification, regression, or "
        "anomaly, where 1 marks anomalies.",
    ] = Task.auto,  # type: ignore[attr-defined]
    time: Annotated[
        str | None, "--time COL: Times of the rows: test on what comes later."
    ] = None,
    day_first: Annotated[
        bool | None,
        "--day-first/--month-first: What stands first in times that can be read both "
        "ways.",
    ] = None,
    group: Annotated[
        str | None, "--group COL: Machines, batches, ...: hold whole ones out."
    ] = None,
    drop: Drop = None,
    use: Use = None,
    label_budget: Annotated[
        int | None,
        "--label-budget N: The most labels to use.",
        (lambda n: n >= 20, "be at least 20; omit it to use all labels"),
    ] = None,
    minutes: Annotated[
        float,
        "--minutes: Time budget; 0 runs everything, however long.",
        (lambda n: 0 <= n < np.inf, "be at least 0; 0 runs everything"),
    ] = 10.0,
    schedules: Annotated[
        str | None,
        "--schedules NAMES: Which to compare, the verdict is on the first one; all of "
        f"{SCHEDULE_NAMES.replace(',', ', ')} if omitted.",
    ] = None,
    splits: Annotated[
        int,
        "--splits: The most splits.",
        (lambda n: n >= 1, "be at least 1, such as 10"),
    ] = 10,
    jobs: Annotated[
        int,
        "--jobs -j: Processes; -1: one on each core.",
        (lambda n: n != 0, "be at least 1, or -1 for one on each core"),
    ] = 1,
    seed: Seed = 0,
    memory: Annotated[
        bool, "--memory/--no-memory: Measure peak memory, which takes seconds."
    ] = True,
    lang: Annotated[Language, "--lang: Language of the page."] = Language.en,  # type: ignore[attr-defined]
    resume: Annotated[bool, "--resume: Go on with a run that was killed."] = False,
    force: Force = False,
    *,
    csv: Csv,
) -> None:
    """Find out in three experiments whether it pays on a table, and write a page.

    How well corrupted rows are reconstructed, the task that --target names, and what it
    costs; against simple methods, on the same splits. "Not worth it" is a possible
    answer. The page is one file; the numbers stand beside it as JSON.

    What is found is kept in PAGE's folder as it comes (PAGE with .work for .html), so
    that --resume goes on after a crash. Ctrl-C writes the page of what is finished,
    once a split is whole.

    Examples
    --------
    skdae poc plant.csv --target quality --minutes 10 --output report.html
    skdae poc log.parquet --target alarm --task anomaly --time when --lang ja
    """
    _check_packages()
    from skdae import poc as experiments

    _check_output(output, resume, force)
    sheet = read_sheet(data, form=csv.form, least_rows=MIN_ROWS)
    note(*sheet.notes)
    table = sheet.frame
    named = {"--target": target, "--time": time, "--group": group}
    check_columns({**named, "--drop": drop, "--use": use}, table.columns)
    chosen = SCHEDULE_NAMES if schedules is None else schedules
    work = output.with_suffix(".work")
    output.parent.mkdir(parents=True, exist_ok=True)
    check_folder(output.parent)
    with Bar() as bar, _going_on(work), as_typed(TYPED):
        if time is not None:
            table[time] = parse_times(table[time], day_first=day_first).to_numpy()
        report = experiments.run(
            table.drop(columns=list(drop or ())),
            target,
            task=task.value,
            schedules=[name.strip() for name in chosen.split(",") if name.strip()],
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
    _finish(report, output, lang.value)


def _check_packages() -> None:
    """Refuse to begin where a package for the report is not installed."""
    lacking = [name for name in PACKAGES if find_spec(name) is None]
    if lacking:
        raise TableError(
            f"skdae poc needs {' and '.join(lacking)}; install with: "
            f"pip install {' '.join(lacking)}"
        )


def _finish(report: Any, output: Path, lang: str) -> None:
    """Write and summarise a report, and end with the code of its run."""
    page = report.save(output, lang)
    note(*report.content["warnings"])
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
