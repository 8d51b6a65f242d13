"""Where results go: CSV and Parquet, chunk by chunk, whole or not at all."""

import codecs
import gzip
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from skdae._files import Dialect, TableError
from skdae._whole_file import whole_file

STDOUT = "-"
MIN_FREE = 1_000_000  # bytes on the disk
# what other programs would not open if it were CSV
OTHERS = (
    *(".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".json", ".feather", ".arrow"),
    *(".npy", ".npz", ".h5", ".hdf5", ".mat", ".html", ".zip", ".bz2", ".xz"),
)
Write = Callable[[pd.DataFrame], None]


def is_parquet_name(path: str) -> bool:
    """Return whether an output is to be Parquet."""
    return path.lower().endswith((".parquet", ".pq"))


def check_format(path: str) -> None:
    """Refuse names that promise a table that is not written."""
    if path.lower().endswith(OTHERS):
        raise TableError(
            f"--output {path} must be CSV or Parquet, as nothing else is written; name "
            "it .csv, .csv.gz or .parquet."
        )


def check_output(path: str, force: bool) -> None:
    """Refuse an output that cannot be written, before anything is computed."""
    if path == STDOUT:
        return
    file = Path(path)
    if file.is_dir():
        raise TableError(f"{path} is a folder; name a file in it.")
    if not file.parent.is_dir():
        raise TableError(f"{path}: there is no folder {file.parent}; make it first.")
    if file.exists() and not force:
        raise TableError(
            f"{path} exists and is not overwritten; name another file, or add --force."
        )
    target = file.resolve()  # what a link points at is replaced, not the link
    if target.exists() and not target.is_file():
        raise TableError(f"{path} is not a regular file; name another.")
    if target.exists() and not target.stat().st_mode & stat.S_IWUSR:
        raise TableError(
            f"{path} is read-only; name another file, or make it writable."
        )
    check_folder(target.parent)


def check_folder(folder: Path) -> None:
    """Refuse a folder in which no file can be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".skdae", suffix=".part"):
            n_free = shutil.disk_usage(folder).free
    except OSError as error:
        raise TableError(
            f"{folder}: no file can be written there ({error.strerror}); name another "
            "folder."
        ) from None
    if n_free < MIN_FREE:
        raise TableError(f"{folder}: the disk is full; make room, or name another.")


@contextmanager
def replacing(path: str, force: bool) -> Iterator[IO[bytes]]:
    """Check an output, and open a file that takes its name when it is whole."""
    check_output(path, force)
    with whole_file(path) as file:
        yield file


@contextmanager
def open_output(path: str, dialect: Dialect | None, force: bool) -> Iterator[Write]:
    """Open an output; what is yielded writes a part of the table."""
    if path == STDOUT:
        yield _csv_writer(sys.stdout.buffer, dialect or Dialect())
        sys.stdout.buffer.flush()
        return
    with replacing(path, force) as file:
        if is_parquet_name(path):
            with _parquet_writer(file) as write:
                yield write
        elif path.lower().endswith(".gz"):
            # no time in the header: the same table gives the same bytes
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield _csv_writer(packed, dialect or Dialect())
        else:
            yield _csv_writer(file, dialect or Dialect())


# --- CSV -----------------------------------------------------------------------------


def _csv_writer(file: IO[bytes] | Any, dialect: Dialect) -> Write:
    """Return what writes frames as CSV; the first brings the header."""
    encoder = codecs.getincrementalencoder(dialect.encoding)()
    is_first = True

    def write(frame: pd.DataFrame) -> None:
        nonlocal is_first
        short = [name for name in frame if frame[name].dtype == np.float32]
        text = frame.astype(dict.fromkeys(short, np.float64)).to_csv(
            sep=dialect.delimiter,
            decimal=dialect.decimal,
            header=is_first,
            index=False,
            lineterminator="\n",
        )
        is_first = False
        try:
            file.write(encoder.encode(text))
        except UnicodeEncodeError as error:
            raise TableError(
                f"{error.object[error.start]!r} cannot be written in "
                f"{dialect.encoding}, the encoding of the table; save the table as "
                "'CSV UTF-8' first."
            ) from None

    return write


# --- Parquet -------------------------------------------------------------------------


@contextmanager
def _parquet_writer(file: IO[bytes]) -> Iterator[Write]:
    """Yield what writes frames as Parquet; the first says the types."""
    writer = None

    def array(column: pd.Series) -> Any:
        if column.dtype == object:
            return pyarrow.array(column, type=pyarrow.string(), from_pandas=True)
        return pyarrow.array(column, from_pandas=True)

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        table = pyarrow.table({name: array(frame[name]) for name in frame})
        if writer is None:
            writer = parquet.ParquetWriter(file, table.schema)
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
