"""What is said beside the results, on standard error."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner


def printable(text: str) -> str:
    """Return a text whose control characters a terminal shows and does not obey."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1]
        for letter in text
    )


def note(message: str) -> None:
    """Say something on standard error."""
    typer.echo(f"note: {printable(message)}", err=True)


def notes(messages: Iterable[str], quiet: bool) -> None:
    """Say several things, or nothing."""
    if not quiet:
        for message in messages:
            note(message)


@contextmanager
def progress(text: str, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that something goes on; what is yielded changes the words."""
    if quiet or not sys.stderr.isatty():
        yield lambda words: None
        return
    spinner = Spinner("dots", text)
    with Live(
        spinner,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield lambda words: spinner.update(text=words)


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """Keep standard output clean of what estimators print."""
    with redirect_stdout(sys.stderr):
        yield
