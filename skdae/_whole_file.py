"""Files that are written as a whole or not at all."""

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import IO

STALE_SECONDS = 3_600  # since the last write to a part, which a killed process has left

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # errors of a write to a full disk


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file that takes its name when all of it is written.

    A file that is replaced keeps its permissions, and a link goes on pointing at it.
    An error of a full disk names it.
    """
    target = Path(path).resolve()
    _remove_stale(target)
    # a name for each writer: threads may save to one name at the same time
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("wb") as file:
            yield file
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(part, target)
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = os.fspath(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def _remove_stale(target: Path) -> None:
    """Remove parts of a file that a process has not lived to finish."""
    for part in target.parent.glob(f".{escape(target.name)}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > STALE_SECONDS:
                part.unlink()
        except OSError:  # of another writer, who was faster
            continue
