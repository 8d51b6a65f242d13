"""What is said beside the results, on standard error."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout

import typer


def note(message: str) -> None:
    """Say something on standard error."""
    typer.echo(f"note: {message}", err=True)


def notes(messages: Iterable[str], quiet: bool) -> None:
    """Say several things, or nothing."""
    if not quiet:
        for message in messages:
            note(message)


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """Keep standard output clean of what estimators print."""
    with redirect_stdout(sys.stderr):
        yield
