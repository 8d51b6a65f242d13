"""CSV as Arrow tables of text, block by block, each row with its line in the file."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any

import numpy as np
import pyarrow
from pyarrow import compute
from pyarrow import csv as arrow_csv

from skdae._files._bytes import (
    SAMPLE,
    check_known,
    find_encoding,
    refuse_binary,
    to_utf8,
    whole_lines,
)
from skdae._files._cells import PLAIN
from skdae._files._dialect import (
    NAMES_OF_DELIMITERS,
    Dialect,
    Format,
    Rows,
    Votes,
    ambiguous_delimiter,
    check_delimiter,
    find_decimal,
    find_delimiter,
)
from skdae._files._errors import TableError, counted, listed
from skdae._files._header import check_units, count_comments, find_names, has_names

SAMPLE_LINES = 100  # by which delimiter and header are recognised
MAX_VOTES = 30  # different cells of a column by which the mark of decimals is found
BLOCKS = (1 << 16, 1 << 24)  # bytes that are parsed at a time, at least and at most
LINE = "\0line"  # the column with the line of each row in the file
SPREADSHEET_MARK = re.compile(r"sep=(.)\r?\n?")


@dataclass(frozen=True)
class Text:
    """An open CSV file whose first rows have been looked at."""

    label: str  # what to call it in a message
    names: tuple[str, ...]
    dialect: Dialect
    decimals: tuple[str, ...]  # the mark of each column
    notes: tuple[str, ...]
    tables: Iterator[Any]  # Arrow tables of text under the names, and `LINE`


@dataclass(frozen=True)
class _Lexer:
    """Parts lines into cells, and says where they are not as many as the first has."""

    label: str
    delimiter: str
    n_cells: int
    first_line: int  # where the table begins

    def tables(self, blocks: Iterable[bytes], n_before: int) -> Iterator[Any]:
        """Yield the rows of blocks of lines, of which so many have gone before."""
        rest = b""  # a row whose quoted cell goes on in the next block
        for block in blocks:
            block = rest + (block if block.endswith(b"\n") else block + b"\n")
            n_lines = block.count(b"\n")
            table = None if _has_long_line(block) else self._parse(block)
            rest = b""
            if table is not None and table.num_rows == n_lines:
                yield _numbered(table, n_before + 1 + np.arange(n_lines))
            else:
                rest = yield from self._parse_slowly(block, n_before)
            n_before += n_lines - rest.count(b"\n")
        if rest:
            raise self._unclosed(n_before + 1)

    def empty(self) -> Any:
        """Return a table without rows."""
        cells = {
            str(j): pyarrow.array([], pyarrow.string()) for j in range(self.n_cells)
        }
        return _numbered(pyarrow.table(cells), np.zeros(0))

    def _parse(self, block: bytes) -> Any:
        """Return a block as a table, None where it takes a closer look."""
        names = [str(j) for j in range(self.n_cells)]
        try:
            table = arrow_csv.read_csv(
                pyarrow.py_buffer(block),
                read_options=arrow_csv.ReadOptions(
                    column_names=names, block_size=len(block) + 1, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pyarrow.string()),
                    strings_can_be_null=False,
                ),
            )
        except pyarrow.ArrowInvalid:
            return None
        if b'"' in block and table.num_rows:
            last = table.column(self.n_cells - 1)[-1].as_py()
            if "\n" in last:  # a quote is open
                return None
        return table

    def _parse_slowly(self, block: bytes, n_before: int) -> Any:
        """Yield the rows of a block with cells over several lines, or with faults.

        Returns the bytes of a last row that is not whole.
        """
        lines = list(io.StringIO(block.decode(), newline="\n"))
        good: Rows = []
        fault, rest = None, b""
        for line, cells, raw in rows_of(lines, self.delimiter, self.label, n_before):
            is_last = line - n_before + len(raw) > len(lines)
            if is_last and _is_open(raw, self.delimiter):
                rest = "".join(raw).encode()
                break
            fault = self._fault(line, cells, raw)
            if fault is not None:
                break
            good.append((line, cells))
        if good:
            columns = zip(*(cells for _, cells in good), strict=True)
            arrays = {str(j): pyarrow.array(cells) for j, cells in enumerate(columns)}
            yield _numbered(pyarrow.table(arrays), np.array([line for line, _ in good]))
        if fault is not None:
            raise fault
        return rest

    def _fault(self, line: int, cells: list[str], raw: list[str]) -> TableError | None:
        """Return what is wrong with a row, None where nothing is."""
        if len(raw) > 1 and self._is_swallowed(cells, raw):
            return self._unclosed(line)
        if len(cells) == self.n_cells:
            return None
        mark = NAMES_OF_DELIMITERS.get(self.delimiter, self.delimiter)
        return TableError(
            f"{self.label}, line {line}: has {counted(len(cells), 'cell')} and must "
            f"have {self.n_cells}, as line {self.first_line} has. Cells are separated "
            f"by {mark}; a text that holds one must stand in double quotes."
        )

    def _is_swallowed(self, cells: list[str], raw: list[str]) -> bool:
        """Return whether rows stand in the quoted cells of a row of several lines."""
        within = [line for cell in cells if "\n" in cell for line in cell.split("\n")]
        return any(map(self._is_row, within)) or all(map(self._is_row, raw))

    def _is_row(self, line: str) -> bool:
        """Return whether a line has the cells of a row, a number among them."""
        cells = line.replace('"', "").split(self.delimiter)
        plain = (cell.strip().replace(",", ".") for cell in cells)
        return len(cells) == self.n_cells and any(map(PLAIN.fullmatch, plain))

    def _unclosed(self, line: int) -> TableError:
        return TableError(
            f"{self.label}, line {line}: a double quote begins a cell that takes in "
            "the lines below; close the quote, or delete it."
        )


def rows_of(
    lines: list[str], delimiter: str, label: str, n_before: int
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield first line, cells and lines of each row; empty lines are passed over."""
    reader = csv.reader(lines, delimiter=delimiter)
    end = 0
    try:
        for cells in reader:
            if cells:
                yield n_before + end + 1, cells, lines[end : reader.line_num]
            end = reader.line_num
    except csv.Error as error:
        raise TableError(
            f"{label}, line {n_before + end + 1}: cannot be read as CSV ({error}); "
            "look for a double quote that is not closed."
        ) from None


def _is_open(raw: list[str], delimiter: str) -> bool:
    """Return whether the quote of a row's last cell is still open at its end."""
    return len(list(csv.reader([*raw, "x"], delimiter=delimiter))) == 1


def _has_long_line(block: bytes) -> bool:
    """Return whether a line may be too long for a cell of the csv module."""
    size = csv.field_size_limit() // 2  # a longer line has a window without an end
    return any(
        block.find(b"\n", start, start + size) < 0
        for start in range(0, len(block) - size, size)
    )


def _numbered(table: Any, lines: np.ndarray) -> Any:
    return table.append_column(LINE, pyarrow.array(lines, pyarrow.int64()))


def open_text(
    file: IO[bytes], label: str, form: Format, encoding: str | None, n_rows: int
) -> Text:
    """Recognise how a text is written, from its beginning, and check its first line."""
    head = next(whole_lines(file, label, SAMPLE), b"")
    refuse_binary(head, label)
    encoding = form.named_encoding or encoding or find_encoding(iter([head]), label)
    check_known(encoding)
    text = to_utf8(head, encoding, label, 1).decode().removeprefix("\ufeff")
    start = _Start.of(text, form, label)
    delimiter = start.delimiter or find_delimiter(start.lines)
    found = list(rows_of(start.lines, delimiter, label, start.n_before))
    sample = [(line, cells) for line, cells, _ in found]
    check_delimiter(sample, start.lines, delimiter, form.delimiter is not None, label)
    is_named = has_names(sample, form.header, label)
    names, places, notes = find_names(sample, is_named, label)

    n_skipped = start.n_before + (len(found[0][2]) if is_named else 0)
    body = _without_lines(text.encode(), n_skipped)
    rest = _recoded(file, label, encoding, _block_size(head, n_rows), head.count(b"\n"))
    lexer = _Lexer(label, delimiter, len(sample[0][1]), sample[0][0])
    tables = lexer.tables(chain([body] if body else [], rest), n_skipped)
    first = next(tables, lexer.empty())

    has_commas = (b'"' if delimiter == "," else b",") in body
    votes = (
        _votes(first, places, form.missing) if has_commas else [Votes() for _ in places]
    )
    marks = _Marks.of(votes, delimiter, form.decimal)
    if is_named and form.header is None:
        check_units(sample, label)
    dialect = Dialect(delimiter, marks.decimal, encoding)
    said = (
        *start.notes(delimiter),
        *marks.notes(names),
        *_encoding_notes(form, encoding),
    )
    chosen = [str(j) for j in places] + [LINE]
    return Text(
        label=label,
        names=names,
        dialect=dialect,
        decimals=marks.decimals,
        notes=(*notes, *(f"{label}: {each}" for each in said)),
        tables=(
            table.select(chosen).rename_columns([*names, LINE])
            for table in chain([first], tables)
        ),
    )


@dataclass(frozen=True)
class _Start:
    """The first lines of a table, without what stands before it."""

    lines: list[str]
    n_before: int  # lines before the table
    n_comments: int  # the last of them, which begin with #
    delimiter: str | None  # that the user or the file names

    @classmethod
    def of(cls, text: str, form: Format, label: str) -> "_Start":
        """From the beginning of a text."""
        if not SPREADSHEET_MARK.sub("", text, count=1).strip():
            raise TableError(f"{label} is empty; the first line must name the columns.")
        lines = list(islice(io.StringIO(text, newline="\n"), SAMPLE_LINES))
        mark = SPREADSHEET_MARK.fullmatch(lines[0])
        delimiter = form.delimiter or (mark[1] if mark else None)
        n_before = 1 if mark else 0
        while not lines[n_before].strip("\r\n"):
            n_before += 1
        n_comments = count_comments(lines[n_before:], delimiter)
        n_before += n_comments
        return cls(lines[n_before:], n_before, n_comments, delimiter)

    def notes(self, delimiter: str) -> Iterator[str]:
        """Yield notes on the delimiter and on comments."""
        other = ambiguous_delimiter(self.lines, delimiter)
        if other and self.delimiter is None:
            yield (
                f"is read as separated by {NAMES_OF_DELIMITERS[delimiter]}, and "
                f"{NAMES_OF_DELIMITERS[other]} separates it too; name one by "
                "--delimiter."
            )
        if self.n_comments:
            yield _comments_skipped(self.n_comments, self.n_before)


@dataclass(frozen=True)
class _Marks:
    """The decimal mark of a table, and that of each column."""

    decimal: str
    decimals: tuple[str, ...]
    doubt: str | None  # a note where the cells do not decide

    @classmethod
    def of(cls, votes: list[Votes], delimiter: str, given: str | None) -> "_Marks":
        """From what the cells of each column show, and what the user says."""
        if given:
            return cls(given, (given,) * len(votes), None)
        decimal, doubt = find_decimal(votes, delimiter)
        return cls(decimal, tuple(vote.mark or decimal for vote in votes), doubt)

    def notes(self, names: tuple[str, ...]) -> Iterator[str]:
        """Yield notes on marks that are doubtful or differ."""
        if self.doubt:
            yield self.doubt
        deviating = [
            name
            for name, mark in zip(names, self.decimals, strict=True)
            if mark != self.decimal
        ]
        if deviating:
            words = ("commas", "points")
            this, that = words[::-1] if self.decimal == "," else words
            yield (
                f"the columns {listed(deviating)} have decimal {this} and the others "
                f"{that}; each is read as it is written."
            )


def _encoding_notes(form: Format, encoding: str) -> Iterator[str]:
    """Yield a note on an encoding that was guessed."""
    if encoding in ("cp1252", "cp932") and form.named_encoding is None:
        yield f"read as text in {encoding}, as it is not UTF-8."


def _without_lines(body: bytes, n_lines: int) -> bytes:
    """Return a text without its first lines."""
    for _ in range(n_lines):
        body = body[body.index(b"\n") + 1 :] if b"\n" in body else b""
    return body


def _block_size(head: bytes, n_rows: int) -> int:
    """Return the bytes of about `n_rows` lines, within `BLOCKS`."""
    line_bytes = len(head) // max(head.count(b"\n"), 1) + 1
    return int(np.clip(n_rows * line_bytes, *BLOCKS))


def _comments_skipped(n: int, last: int) -> str:
    """Return the words on lines of comments."""
    if n == 1:
        return f"line {last} begins with # and is left out, as the names follow it."
    return (
        f"the lines {last - n + 1} to {last} begin with # and are left out, as the "
        "names follow them."
    )


def _recoded(
    file: IO[bytes], label: str, encoding: str, size: int, n_before: int
) -> Iterator[bytes]:
    """Yield the rest of a file in UTF-8, in blocks of whole lines."""
    for block in whole_lines(file, label, size):
        yield to_utf8(block, encoding, label, n_before + 1)
        n_before += block.count(b"\n")


def _votes(table: Any, places: tuple[int, ...], missing: frozenset[str]) -> list[Votes]:
    """Return what the first cells of each column say of the mark of decimals."""
    columns = [table.column(j) for j in places]
    if not any(
        compute.any(compute.match_substring(cells, ",")).as_py() for cells in columns
    ):
        return [Votes() for _ in places]
    return [
        Votes.of(each for each in _marked(cells) if each not in missing)
        for cells in columns
    ]


def _marked(cells: Any) -> list[str]:
    """Return the first different cells with a comma or a point."""
    cells = compute.utf8_trim_whitespace(cells)
    cells = cells.filter(compute.match_substring_regex(cells, "[.,]"))
    return compute.unique(cells)[:MAX_VOTES].to_pylist()
