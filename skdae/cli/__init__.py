"""The command line: models from tables and tables from models, in files and pipes."""

import os
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
    if sys.stderr is None:  # closed by who started the process
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        print("error: standard output is closed; open it.", file=sys.stderr)
        return 1
    try:
        from skdae.cli._app import app

        app(args=None if arguments is None else list(arguments), prog_name="skdae")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in NEEDED:
            raise
        message = (
            f"error: the command line needs {package}; install what it needs with: "
            f"pip install {' '.join(NEEDED)}"
        )
        print(message, file=sys.stderr)
        return 1
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:  # before a command has begun
        print("interrupted: no file was written.", file=sys.stderr)
        code = INTERRUPTED
    else:
        code = 0
    if code == INTERRUPTED and arguments is None:
        # the process ends: another Ctrl-C is not to kill it on the way
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code
