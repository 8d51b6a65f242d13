"""The command line: models from tables and tables from models, in files and pipes."""

import signal
import sys
from collections.abc import Sequence

__all__ = ["main"]

NEEDED = ("typer", "rich", "pyarrow")
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str or None, default=None
        The words after ``skdae``; None takes those of the process.

    Returns
    -------
    int
        0 when done, 1 when the data or what an argument says cannot be used, 2 when
        the command is not written as it must be, 130 after Ctrl-C.

    Examples
    --------
    >>> from skdae.cli import main
    >>> main(["--version"])
    skdae ...
    0
    """
    try:
        from skdae.cli._app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        message = (
            f"error: the command line needs {error.name}; install it with pip install "
            "'skdae[cli]'."
        )
        print(message, file=sys.stderr)
        return 1
    try:
        app(args=None if arguments is None else list(arguments), prog_name="skdae")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:  # before a command has begun
        code = INTERRUPTED
    else:
        code = 0
    if code == INTERRUPTED and arguments is None:
        # the process ends: another Ctrl-C is not to kill it on the way
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code
