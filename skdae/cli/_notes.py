"""What is said beside the results, on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

HEARTBEAT_SECONDS = 30.0
_is_quiet = False  # of the command that runs, in all its threads


@contextmanager
def quiet(asked: bool) -> Iterator[None]:
    """Say nothing beside the results where that is asked for."""
    global _is_quiet
    before, _is_quiet = _is_quiet, asked
    try:
        yield
    finally:
        _is_quiet = before


def is_quiet() -> bool:
    """Return whether nothing is to be said beside the results."""
    return _is_quiet


def printable(text: str) -> str:
    """Return a text whose control characters a terminal shows and does not obey."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1]
        for letter in text
    )


def note(*messages: str) -> None:
    """Say something on standard error."""
    for message in messages:
        if not _is_quiet:
            typer.echo(f"note: {printable(message)}", err=True)


class Heartbeat:
    """A line every now and then, where there is no terminal to draw a bar on."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, words: str) -> None:
        """Print the words, unless others were printed shortly before."""
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            self._last = time.monotonic()
            note(words)


@contextmanager
def progress(text: str, *, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Show that something goes on; what is yielded changes the words.

    Off a terminal, a line every now and then.
    """
    if _is_quiet or not shown:
        yield lambda words: None
        return
    if not sys.stderr.isatty():
        yield Heartbeat().show
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
