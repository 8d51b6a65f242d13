"""The bytes of files: compression and encoding, and what is no text."""

import codecs
import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from skdae._files._errors import TableError

SAMPLE = 262_144  # bytes by which a text is recognised
MOST_FOREIGN = 200  # lines by which an encoding is told
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
STDIN = "-"
# How a file starts, what it then is, and what to do.
NOT_TEXT = {
    b"PK\x03\x04": (
        "a zip archive or a spreadsheet",
        "unpack it, or save the spreadsheet as 'CSV UTF-8'",
    ),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "save it as 'CSV UTF-8'"),
    b"BZh": ("compressed with bzip2", "unpack it, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it, or compress it with gzip"),
    b"\x28\xb5\x2f\xfd": (
        "compressed with zstd",
        "unpack it, or compress it with gzip",
    ),
    b"\x80\x04": ("a model or another pickle of Python", "name a table"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it, or compress it with gzip"),
    GZIP: ("compressed twice", "unpack it"),
}
MARKS_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")


# --- files ---------------------------------------------------------------------------


def name_of(path: str | os.PathLike) -> str:
    """Return what to call a file in a message."""
    return "standard input" if os.fspath(path) == STDIN else str(path)


def open_bytes(path: str | os.PathLike) -> IO[bytes]:
    """Open a file, or standard input, as bytes that `open_text` can read.

    What gzip has packed is unpacked, and text in UTF-16 with its mark becomes UTF-8.
    """
    label = name_of(path)
    file = _unpacked(path, label)
    try:
        with reading(label):
            is_utf16 = file.peek(2)[:2] in MARKS_UTF16
    except BaseException:
        file.close()
        raise
    return cast(IO[bytes], io.BufferedReader(_UTF16(file, label)) if is_utf16 else file)


def _unpacked(path: str | os.PathLike, label: str) -> Any:
    """Open a file, or standard input, and unpack what gzip has packed."""
    if os.fspath(path) == STDIN:
        packed: Any = io.BufferedReader(_StandardInput())
        is_packed = packed.peek(2)[:2] == GZIP
        return gzip.open(packed) if is_packed else packed
    file = Path(path)
    if file.is_dir():
        raise TableError(f"{label} is a folder; name one file in it.")
    if not file.exists():
        raise TableError(f"{label} does not exist{_siblings(file)}")
    try:
        with file.open("rb") as raw:
            is_packed = raw.read(2) == GZIP
        unpack: Any = gzip.open if is_packed else open
        return unpack(file, "rb")
    except OSError as error:
        raise TableError(
            f"{label} cannot be opened ({error.strerror}); check its permissions."
        ) from None


class _StandardInput(io.RawIOBase):
    """Standard input, which stays open when this is closed."""

    def readable(self) -> bool:
        """True: it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what is there."""
        stream: Any = sys.stdin.buffer
        found = stream.read1(len(buffer))
        buffer[: len(found)] = found
        return len(found)


class _UTF16(io.RawIOBase):
    """Text in UTF-16 as bytes of UTF-8, whose lines can be told before decoding."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        self._file, self._label = file, label
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._rest = b""

    def readable(self) -> bool:
        """True: it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what is there."""
        is_over = False
        while not self._rest and not is_over:
            found = self._file.read(len(buffer))
            is_over = not found
            try:
                self._rest = self._decoder.decode(found, is_over).encode()
            except UnicodeDecodeError:
                raise TableError(
                    f"{self._label} is text in UTF-16 and damaged or cut off; get it "
                    "again, or save it as 'CSV UTF-8'."
                ) from None
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()


def is_parquet(path: str | os.PathLike) -> bool:
    """Tell whether a file is Parquet, by its name or by how it begins."""
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


def _siblings(file: Path) -> str:
    """The end of a message about a file that is not there."""
    folder = file.parent
    if not folder.is_dir():
        return f": there is no folder {folder}; check the path."
    names = [each.name for each in islice(folder.iterdir(), 1000)]
    near = get_close_matches(file.name, names, n=1, cutoff=0.8)
    if near:
        return f"; did you mean {near[0]!r}?"
    return "; check the name and the folder."


# --- encodings -----------------------------------------------------------------------


def read_head(file: IO[bytes], label: str) -> bytes:
    """Read the beginning of a file, whole lines of it."""
    with reading(label):
        head = file.read(SAMPLE)
        return head + file.readline() if len(head) == SAMPLE else head


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Say what is wrong with a file whose bytes cannot be read."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise TableError(
            f"{label} is compressed with gzip and damaged or cut off; get it again."
        ) from None


def refuse_binary(head: bytes, label: str) -> None:
    """Name what the file is when it is not text."""
    for sign, (what, remedy) in NOT_TEXT.items():
        if head.startswith(sign):
            raise TableError(f"{label} is {what} and not CSV; {remedy}.")
    if head.startswith(PARQUET):
        raise TableError(f"{label} holds Parquet; save it and give the file's name.")
    if b"\0" in head:
        raise TableError(f"{label} is a binary file and not text; write it as CSV.")


def find_encoding(lines: bytes | Iterable[bytes], label: str) -> str:
    """Return the encoding of a text: UTF-8, or what it may be when it is not.

    Lines of UTF-8 among lines of something else are refused.
    """
    utf8 = other = None  # the first line that is, and that is not
    foreign: list[bytes] = []
    has_mark = False
    for number, line in enumerate(
        io.BytesIO(lines) if isinstance(lines, bytes) else lines, start=1
    ):
        if number == 1:
            has_mark = line.startswith(codecs.BOM_UTF8)
        if line.isascii():
            continue
        try:
            line.removeprefix(codecs.BOM_UTF8).decode("utf-8")
            if not line.removeprefix(codecs.BOM_UTF8).isascii():
                utf8 = utf8 or number
        except UnicodeDecodeError:
            other = other or number
            if len(foreign) < MOST_FOREIGN:
                foreign.append(line)
    if other is None:
        return "utf-8-sig" if has_mark else "utf-8"
    if utf8 is not None or has_mark:
        raise TableError(
            f"{label} mixes encodings: line {utf8 or 1} is UTF-8 and line {other} is "
            "not; write all of it as 'CSV UTF-8', or name the encoding by --encoding."
        )
    encoding = _not_utf8(foreign)
    if encoding is None:
        raise TableError(
            f"{label}, line {other}: is text in none of UTF-8, cp1252 and Shift JIS; "
            "save the file as 'CSV UTF-8', or name the encoding by --encoding."
        )
    return encoding


def _not_utf8(lines: list[bytes]) -> str | None:
    """Tell Shift JIS from the letters with accents of cp1252."""
    runs = [run for line in lines for run in BEYOND_ASCII.findall(line)]
    leads = sum(0x81 <= byte <= 0x9F for run in runs for byte in run)
    # kana and common kanji begin with bytes that are rare marks in cp1252; half-width
    # kana come in runs, and letters with an accent do not
    together = sum(map(len, runs)) >= 3 * len(runs)
    if (leads >= len(runs) or together) and _decodes(lines, "cp932"):
        return "cp932"
    return "cp1252" if _decodes(lines, "cp1252") else None


def _decodes(lines: list[bytes], encoding: str) -> bool:
    try:
        b"".join(lines).decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def decoded(lines: Iterable[bytes], encoding: str, label: str) -> Iterator[str]:
    """Decode line by line, so that an error knows its line."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise TableError(
            f"--encoding {encoding} is not known; name one like utf-8, cp1252 or "
            "shift_jis."
        ) from None
    first = encoding
    later = "utf-8" if encoding == "utf-8-sig" else encoding
    number = 0
    try:
        for number, line in enumerate(_unbroken(lines, label), start=1):
            text = line.decode(first if number == 1 else later)
            if "\0" in text:
                raise TableError(
                    f"{label}, line {number}: holds a zero byte, which no text has; "
                    "write the file as CSV again."
                )
            if "\r" in text.rstrip("\r\n"):  # lines that end as on old Macs
                yield from io.StringIO(text, newline=None)
            else:
                yield text
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex()
        raise TableError(
            f"{label}, line {number}: holds the byte 0x{found}, which is not "
            f"{encoding}; save the file as 'CSV UTF-8', or name the encoding by "
            "--encoding."
        ) from None


def _unbroken(lines: Iterable[bytes], label: str) -> Iterator[bytes]:
    """Hand lines on, and say what is wrong where they cannot be read."""
    with reading(label):
        yield from lines
