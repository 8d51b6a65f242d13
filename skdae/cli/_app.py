"""The table of commands, and how one ends."""

import inspect
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


# A command is a function. Its signature says what it takes, beside `quiet` and `debug`;
# the docstring is its help, and ends with examples. It raises what is wrong, a
# ValueError that names the remedy, and prints notes on standard error only.
COMMANDS = (
    _poc.poc,
    _fit.fit,
    _apply.transform,
    _apply.reconstruct,
    _apply.impute,
    _apply.score,
    _info.info,
)
EXAMPLES = "\n\nExamples\n--------\n"  # begins the end of a docstring


def examples_of(function: Callable[..., Any]) -> list[str]:
    """Return the lines at the end of a docstring, those indented more joined."""
    lines = inspect.cleandoc(function.__doc__ or "").partition(EXAMPLES)[2]
    return re.sub(r"\n {4,}", " ", lines).split("\n")


def texts_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a docstring as a help text, whose lines the terminal breaks."""
    text = inspect.cleandoc(function.__doc__ or "").partition(EXAMPLES)[0]
    paragraphs = [each.replace("\n", " ") for each in text.split("\n\n")]
    examples = ["Examples:", *examples_of(function)]
    return {
        "help": "\n\n".join(map(escape, paragraphs)),
        "epilog": "\n\n".join(map(escape, examples)),
    }


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in COMMANDS:
    app.command(**texts_of(each))(command(each))


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

    Examples
    --------
    skdae info plant.csv
    skdae fit plant.csv --output plant.model
    skdae reconstruct plant.model new.csv --output denoised.csv
    """


app.callback(**texts_of(skdae))(skdae)
