"""The bytes of files: compression and encoding, and what is not text."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow

from skdae._files._errors import TableError

SAMPLE = 262_144  # bytes by which a text is recognised
MAX_LINE = 1 << 24  # bytes; a file of one longer line is not a table
MAX_FOREIGN = 200  # lines by which an encoding is found
MAGIC = 8  # bytes by which the kind of a file is known
PARQUET = b"PAR1"
STDIN = "-"
# How a file starts, what it then is, and what to do.
NOT_TEXT = {
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "save it as 'CSV UTF-8'"),
    b"\x80\x04": ("a model or another pickle of Python", "name a table"),
    b"SKDAE": ("a model", "name a table"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it, or compress it with gzip"),
    b"\x1f\x8b": ("compressed twice", "unpack it"),
    PARQUET: ("Parquet", "save it and give the file's name"),
}
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
LONE_CR = re.compile(rb"\r(?!\n)")


# --- files ---------------------------------------------------------------------------


def name_of(path: str | os.PathLike) -> str:
    """Return what to call a file in a message."""
    return "standard input" if os.fspath(path) == STDIN else str(path)


def open_bytes(path: str | os.PathLike, stack: ExitStack) -> IO[bytes]:
    """Open a file, or standard input, as bytes of text, to be closed by a stack.

    Compressed files are unpacked, and text in UTF-16 with its mark becomes UTF-8.
    """
    label = name_of(path)
    is_stdin = os.fspath(path) == STDIN
    opened = stack.enter_context(_open_stdin() if is_stdin else _open_file(Path(path)))
    with damage_named(label):
        magic = opened.peek(MAGIC)[:MAGIC]
        for sign, unpack in COMPRESSIONS.items():
            if magic.startswith(sign):
                opened = stack.enter_context(unpack(opened, label))
                break
        is_utf16 = opened.peek(2)[:2] in UTF16_MARKS
    if not is_utf16:
        return opened
    source = pyarrow.PythonFile(opened, mode="r")
    recoded = pyarrow.transcoding_input_stream(source, "utf-16", "utf-8")
    return stack.enter_context(io.BufferedReader(recoded))


def _open_file(file: Path) -> Any:
    """Open a file, or say why that cannot be."""
    if file.is_dir():
        raise TableError(f"{file} is a folder; name one file in it.")
    if not file.exists():
        raise TableError(f"{file} does not exist{_siblings(file)}")
    try:
        return file.open("rb")
    except OSError as error:
        raise TableError(
            f"{file} cannot be opened ({error.strerror}); check its permissions."
        ) from None


def _siblings(file: Path) -> str:
    """The end of a message about a file that is not there."""
    folder = file.parent
    if not folder.is_dir():
        return f": there is no folder {folder}; check the path."
    names = [each.name for each in islice(folder.iterdir(), 1000)]
    near = get_close_matches(file.name, names, n=1, cutoff=0.8)
    return (
        f"; did you mean {near[0]!r}?" if near else "; check the name and the folder."
    )


class _StandardInput(io.BufferedReader):
    """Standard input, which stays open when this is closed."""

    def close(self) -> None:
        """Do nothing."""


def _open_stdin() -> Any:
    """Open standard input."""
    if sys.stdin is None:
        raise TableError("standard input is closed; name a file, or pipe a table in.")
    return _StandardInput(sys.stdin.buffer)  # type: ignore[arg-type]


def _unzip(raw: Any, label: str) -> Any:
    """Open the only file of a zip archive."""
    if not raw.seekable():
        raise TableError(f"{label} is a zip archive; unpack it before the pipe.")
    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile:
        raise TableError(
            f"{label} is a zip archive or a spreadsheet, and damaged; get it again, or "
            "save the spreadsheet as 'CSV UTF-8'."
        ) from None
    names = [  # without folders, and what macOS adds
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/")
    ]
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise TableError(f"{label} is a spreadsheet; save it as 'CSV UTF-8'.")
    if len(names) != 1:
        raise TableError(
            f"{label} is a zip archive of {len(names)} files and must hold one; unpack "
            "it and name one of its files."
        )
    return io.BufferedReader(archive.open(names[0]))


def _unzstd(raw: Any, label: str) -> Any:
    """Open a file that zstd has packed."""
    source = pyarrow.PythonFile(raw, mode="r")
    return io.BufferedReader(pyarrow.CompressedInputStream(source, "zstd"))


# how a compressed file begins, and what opens it
COMPRESSIONS: dict[bytes, Callable[[Any, str], Any]] = {
    b"\x1f\x8b": lambda raw, _: gzip.GzipFile(fileobj=raw),
    b"BZh": lambda raw, _: bz2.BZ2File(raw),
    b"\xfd7zXZ\0": lambda raw, _: lzma.LZMAFile(raw),  # noqa: SIM115
    b"\x28\xb5\x2f\xfd": _unzstd,
    b"PK\x03\x04": _unzip,
}


def is_parquet(path: str | os.PathLike) -> bool:
    """Return whether a file is Parquet, by its name or by how it begins."""
    if os.fspath(path) == STDIN:
        return False
    file = Path(path)
    if file.suffix.lower() in (".parquet", ".pq") and not file.is_dir():
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(len(PARQUET)) == PARQUET
    except OSError:
        return False


# --- blocks of lines -----------------------------------------------------------------


@contextmanager
def damage_named(label: str) -> Iterator[None]:
    """Say what is wrong with a file whose bytes cannot be read."""
    try:
        yield
    except UnicodeDecodeError:
        raise TableError(
            f"{label} is text in UTF-16 and damaged or cut off; get it again, or save "
            "it as 'CSV UTF-8'."
        ) from None
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the compression
        raise TableError(
            f"{label} is compressed and damaged or cut off; get it again."
        ) from None


def whole_lines(file: IO[bytes], label: str, size: int) -> Iterator[bytes]:
    """Yield a file in blocks of about `size` bytes that end with a line end."""
    with damage_named(label):
        while block := file.read(size):
            rest = file.readline(MAX_LINE)
            if len(rest) == MAX_LINE:
                raise TableError(
                    f"{label} has a line of more than {MAX_LINE:,} characters and is "
                    "not a table; write it as CSV."
                )
            block += rest
            block = LONE_CR.sub(b"\n", block) if b"\r" in block else block
            yield block if block.endswith(b"\n") else block + b"\n"


def count_lines(block: bytes) -> int:
    """Return the number of line ends; `bytes.count` takes three times as long."""
    letters = np.frombuffer(block, np.uint8)
    parts = (letters[i : i + SAMPLE] for i in range(0, len(letters), SAMPLE))
    return sum(int(np.count_nonzero(part == ord("\n"))) for part in parts)


def refuse_binary(head: bytes, label: str) -> None:
    """Name what the file is when it is not text."""
    for sign, (what, remedy) in NOT_TEXT.items():
        if head.startswith(sign):
            raise TableError(f"{label} is {what} and not CSV; {remedy}.")
    if b"\0" in head:
        raise TableError(f"{label} is a binary file and not text; write it as CSV.")


# --- encodings -----------------------------------------------------------------------


def find_encoding(blocks: Iterator[bytes], label: str) -> str:
    """Return the encoding of a text: UTF-8, or what it may be when it is not.

    Lines of UTF-8 among lines of something else are refused.
    """
    first: dict[bool, int] = {}  # line beyond ASCII that is UTF-8, and that is not
    foreign: list[bytes] = []
    n_before = 0
    for block in blocks:
        lines = [] if block.isascii() else block.split(b"\n")
        for number, line in enumerate(lines, start=n_before + 1):
            if not line.isascii():
                is_utf8 = _decodes(line, "utf-8")
                first.setdefault(is_utf8, number)
                foreign += [] if is_utf8 else [line]
        n_before += count_lines(block)
        del foreign[MAX_FOREIGN:]
    if False not in first:
        return "utf-8"
    if True in first:
        raise TableError(
            f"{label} mixes encodings: line {first[True]} is UTF-8 and line "
            f"{first[False]} is not; write all of it as 'CSV UTF-8', or name the "
            "encoding by --encoding."
        )
    encoding = _not_utf8(foreign)
    if encoding is None:
        raise TableError(
            f"{label}, line {first[False]}: is text in none of UTF-8, cp1252 and Shift "
            "JIS; save the file as 'CSV UTF-8', or name the encoding by --encoding."
        )
    return encoding


def _not_utf8(lines: list[bytes]) -> str | None:
    """Distinguish Shift JIS from the letters with accents of cp1252."""
    runs = [run for line in lines for run in BEYOND_ASCII.findall(line)]
    leads = sum(0x81 <= byte <= 0x9F for run in runs for byte in run)
    # kana and common kanji begin with bytes that are rare marks in cp1252; half-width
    # kana come in runs, and letters with an accent do not
    is_run = sum(map(len, runs)) >= 3 * len(runs)
    text = b"\n".join(lines)
    if (leads >= len(runs) or is_run) and _decodes(text, "cp932"):
        return "cp932"
    return "cp1252" if _decodes(text, "cp1252") else None


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def to_utf8(block: bytes, encoding: str, label: str, first_line: int) -> bytes:
    """Return lines in UTF-8; an error names the line, of which the first is given."""
    has_zero = b"\0" in block
    if block.isascii() and not has_zero and encoding in ("utf-8", "utf-8-sig"):
        return block

    def where(place: int) -> str:
        return f"{label}, line {first_line + count_lines(block[:place])}"

    if has_zero:
        raise TableError(
            f"{where(block.index(0))}: holds a zero byte, which no text has; write the "
            "file as CSV again."
        )
    try:
        return block.decode(encoding).encode()
    except LookupError:
        raise TableError(
            f"--encoding {encoding} is not known; name one like utf-8, cp1252 or "
            "shift_jis."
        ) from None
    except UnicodeDecodeError as error:
        found = block[error.start : error.start + 1].hex()
        raise TableError(
            f"{where(error.start)}: holds the byte 0x{found}, which is not {encoding}; "
            "save the file as 'CSV UTF-8', or name the encoding by --encoding."
        ) from None
