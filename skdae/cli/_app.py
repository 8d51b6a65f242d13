"""The table of commands, and how one ends."""

import inspect
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape

from skdae._version import __version__
from skdae.cli import _apply, _fit, _info, _poc
from skdae.cli._notes import note, printable, quiet
from skdae.cli._options import bundled, parameters

FAILED, INTERRUPTED, TERMINATED = 1, 130, 143


@contextmanager
def signals() -> Iterator[None]:
    """Let the first Ctrl-C, or SIGTERM, end a command so that it tidies up.

    A second Ctrl-C does not disturb the ending, the third ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where no handler can be set
        return
    n_interrupts = 0

    def interrupt(number: int, frame: Any) -> None:
        nonlocal n_interrupts
        n_interrupts += 1
        if n_interrupts == 1:
            raise KeyboardInterrupt
        if n_interrupts > 2:
            os._exit(INTERRUPTED)
        typer.echo("it is ending; once more stops it at once.", err=True)

    def terminate(number: int, frame: Any) -> None:
        raise SystemExit(TERMINATED)

    before = {
        number: signal.signal(number, handler)
        for number, handler in (
            (signal.SIGINT, interrupt),
            (signal.SIGTERM, terminate),
        )
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending(debug: bool) -> Iterator[None]:
    """Turn what a command raises into a message and an exit code.

    Nothing but `debug` shows a traceback; warnings become notes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: note(str(message))
            yield
    except KeyboardInterrupt:
        typer.echo("interrupted: no file was written.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # who reads our output has seen enough
        _discard_stdout()
        raise typer.Exit(FAILED) from None
    except Exception as error:
        if type(error).__module__.startswith(("typer", "click")):  # theirs to end
            raise
        if debug:
            traceback.print_exc()
        typer.echo(f"error: {printable(_said(error))}", err=True)
        raise typer.Exit(FAILED) from None


def _said(error: Exception) -> str:
    """An error in words."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}."
    if isinstance(error, (ValueError, TypeError, ImportError, OSError)):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; give fewer rows, or smaller --chunk-rows."
    return f"{type(error).__name__}: {error} (--debug shows where)"


def _discard_stdout() -> None:
    """Keep Python from flushing into a pipe that is closed."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no pipe of the system's
        return


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function for typer that ends as a command does, in `quiet` or not."""

    def run(**options: Any) -> None:
        debug, is_quiet = options.pop("debug"), options.pop("quiet")
        with signals(), quiet(is_quiet), ending(debug):
            function(**bundled(function, options))

    run.__name__ = function.__name__
    run.__signature__ = inspect.Signature(parameters(function))  # type: ignore
    return run


@dataclass(frozen=True)
class Command:
    """A command: a function, and examples that end its help.

    The signature says what it takes, beside `quiet` and `debug`, and the docstring is
    its help. It raises what is wrong, a ValueError that names the remedy, and prints
    notes on standard error only.
    """

    function: Callable[..., None]
    examples: tuple[str, ...]


COMMANDS = (
    Command(
        _poc.poc,
        (
            "skdae poc plant.csv --target quality --minutes 10 --output report.html",
            "skdae poc log.parquet --target alarm --task anomaly --time when --lang ja",
        ),
    ),
    Command(
        _fit.fit,
        (
            "skdae fit plant.csv --output plant.model --drop time",
            "skdae fit plant.csv -o alarm.model --kind detector "
            "--set false_alarm_rate=0.001",
            "skdae fit lab.csv -o grade.model --kind classifier --target grade "
            "--set transformer__hidden_layer_sizes=(64,16)",
        ),
    ),
    Command(
        _apply.transform,
        (
            "skdae transform plant.model new.csv --output codes.parquet --keep",
            "cat new.csv | skdae transform plant.model - > codes.csv",
        ),
    ),
    Command(
        _apply.reconstruct,
        ("skdae reconstruct plant.model new.csv --output denoised.csv --keep",),
    ),
    Command(
        _apply.impute,
        (
            "skdae impute filler.model gaps.csv --output filled.csv",
            "skdae impute filler.model gaps.csv --missing -999 -o filled.csv",
        ),
    ),
    Command(
        _apply.score,
        (
            "skdae score alarm.model new.csv --keep --output scores.csv",
            "skdae score grade.model new.parquet --output grades.csv",
        ),
    ),
    Command(_info.info, ("skdae info plant.csv", "skdae info plant.model")),
)


def epilog(examples: tuple[str, ...]) -> str:
    """Return examples as the end of a help text, one a paragraph."""
    return "\n\n".join(("Examples:", *(escape(f"  {each}") for each in examples)))


def unwrapped(function: Callable[..., Any]) -> str:
    """Return a docstring as a help text, whose lines the terminal breaks."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(escape(each.replace("\n", " ")) for each in paragraphs)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in COMMANDS:
    app.command(help=unwrapped(each.function), epilog=epilog(each.examples))(
        command(each.function)
    )


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"skdae {__version__}")
        raise typer.Exit


def skdae(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say which it is."
        ),
    ] = False,
) -> None:
    """Denoising autoencoders for tables of sensor data.

    A table is a CSV file, also compressed, or a Parquet file; - is standard input or
    output, as CSV. Delimiter, decimal comma, encoding and missing values of CSV are
    recognised, and results are written the same way.

    Notes and errors go to standard error. Exit codes: 0 done, 1 the data or a value
    cannot be used, 2 wrong usage, 130 Ctrl-C.
    """


app.callback(
    help=unwrapped(skdae),
    epilog=epilog(
        (
            "skdae info plant.csv",
            "skdae fit plant.csv --output plant.model",
            "skdae reconstruct plant.model new.csv --output denoised.csv",
        )
    ),
)(skdae)
