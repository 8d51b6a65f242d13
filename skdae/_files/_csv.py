"""Tables of text: how a CSV file begins, and its rows as Arrow tables of strings."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any

import numpy as np
import pyarrow
from pyarrow import compute
from pyarrow import csv as arrow_csv

from skdae._files._bytes import (
    SAMPLE,
    count_lines,
    find_encoding,
    refuse_binary,
    to_utf8,
    whole_lines,
)
from skdae._files._cells import MISSING, PLAIN
from skdae._files._chunk import LINE, OpenTable
from skdae._files._dialect import (
    NAMES_OF_DELIMITERS,
    Decimals,
    Delimiter,
    Dialect,
    Format,
)
from skdae._files._errors import TableError, counted
from skdae._files._header import (
    check_units,
    count_comments,
    find_names,
    has_names,
)

SAMPLE_LINES = 100  # by which delimiter and header are recognised
VOTING_ROWS = 5_000  # by which the mark of decimals is found
MAX_VOTES = 12  # different cells of a column among these
BLOCKS = (1 << 16, 1 << 24)  # bytes that are parsed at a time, at least and at most
SLOW_ROWS = 10_000  # that are parsed at a time where cells have several lines
SPREADSHEET_MARK = re.compile(r"sep=(.)\r?\n?")


def open_text(
    file: IO[bytes],
    label: str,
    form: Format,
    encoding: str | None,
    n_rows: int | None = None,
) -> OpenTable:
    """Recognise how a text is written, from its beginning, and check its first line.

    With `n_rows`, about so many rows are read at a time.
    """
    block = next(whole_lines(file, label, SAMPLE if n_rows else BLOCKS[1]), b"")
    refuse_binary(block, label)
    encoding = form.named_encoding or encoding or find_encoding(iter([block]), label)
    if encoding == "utf-8" and block.startswith(codecs.BOM_UTF8):
        encoding = form.named_encoding or "utf-8-sig"
    block = to_utf8(block, encoding, label, 1).removeprefix(codecs.BOM_UTF8)
    head = block[: block.find(b"\n", SAMPLE) + 1] or block
    top = _Top.of(head.decode(), form, label)

    line_bytes = len(head) // max(count_lines(head), 1) + 1
    size = int(np.clip(n_rows * line_bytes, *BLOCKS)) if n_rows else BLOCKS[1]
    rest = _recoded(whole_lines(file, label, size), label, encoding, block)
    nulls = [""] if n_rows else [*top.missing]  # if cells are not to be written again
    lexer = _Lexer(label, top.delimiter, top.n_cells, top.first_line, nulls)
    tables = lexer.tables(chain([block], rest), top.n_lines)
    first = next(tables, None)
    columns: list[list[str]] = [[] for _ in top.places]
    if first is None:
        first = lexer.empty()
    elif top.delimiter == ";" or (b'"' if top.delimiter == "," else b",") in block:
        columns = [_marked(first.column(j), form.missing) for j in top.places]
    decimals = Decimals.of(top.names, columns, top.delimiter)
    if form.decimal:
        decimals = Decimals(form.decimal, (form.decimal,) * len(top.names))
    notes = [*top.notes, *decimals.notes]
    if encoding in ("cp1252", "cp932") and form.named_encoding is None:
        notes.append(f"read as text in {encoding}, as it is not UTF-8.")
    chosen = [str(j) for j in top.places] + [LINE]
    return OpenTable(
        label=label,
        names=top.names,
        tables=(
            table.select(chosen).rename_columns([*top.names, LINE])
            for table in chain([first], tables)
        ),
        markers=form.markers,
        stack=ExitStack(),
        dialect=Dialect(top.delimiter, decimals.mark, encoding),
        decimals=decimals.of_columns,
        notes=tuple(f"{label}: {each}" for each in notes),
    )


@dataclass(frozen=True)
class _Top:
    """How a table begins."""

    names: tuple[str, ...]
    places: tuple[int, ...]  # of the columns among the cells
    delimiter: str
    n_cells: int
    first_line: int  # of the table
    n_lines: int  # above the rows
    missing: frozenset[str]  # markers of missing values that occur
    notes: tuple[str, ...]

    @classmethod
    def of(cls, text: str, form: Format, label: str) -> "_Top":
        """Recognise it in the beginning of a text."""
        if not SPREADSHEET_MARK.sub("", text, count=1).strip():
            raise TableError(f"{label} is empty; the first line must name the columns.")
        lines = [f"{line}\n" for line in text.split("\n", SAMPLE_LINES)[:-1]]
        mark = SPREADSHEET_MARK.fullmatch(lines[0])
        given = form.delimiter or (mark[1] if mark else None)
        n_before = 1 if mark else 0
        while not lines[n_before].strip("\r\n"):
            n_before += 1
        n_comments = count_comments(lines[n_before:], given)
        n_before += n_comments
        lines = lines[n_before:]
        delimiter = Delimiter(lines, given)
        found = list(rows_of(iter(lines), delimiter.mark, label, n_before))
        sample = [(line, cells) for line, cells, _ in found]
        if not sample:
            raise TableError(
                f"{label} begins with nothing but comments and empty lines; the first "
                "line after comments must name the columns."
            )
        line, cells = sample[0]
        delimiter.check(cells[0], line, form.delimiter is not None, label)
        is_named = has_names(sample, form.header, label)
        names, places, notes = find_names(sample, is_named, label)
        if is_named and form.header is None:
            check_units(sample, label)
        n_lines = n_before + (len(found[0][2]) if is_named else 0)
        notes = (*_of_comments(n_comments, n_before), *delimiter.notes(), *notes)
        missing = MISSING.intersection(chain.from_iterable(row for _, row in sample))
        shape = delimiter.mark, len(cells), line, n_lines
        return cls(names, places, *shape, missing | {""}, notes)


def _of_comments(n: int, last: int) -> Iterator[str]:
    """Yield the note on so many lines of comments."""
    if n == 1:
        yield f"line {last} begins with # and is left out, as the names follow it."
    elif n:
        yield (
            f"the lines {last - n + 1} to {last} begin with # and are left out, as the "
            "names follow them."
        )


def _recoded(
    blocks: Iterator[bytes], label: str, encoding: str, last: bytes
) -> Iterator[bytes]:
    """Yield the blocks of lines after one, in UTF-8."""
    n_before = 0
    for block in blocks:
        n_before += count_lines(last)
        yield to_utf8(block, encoding, label, n_before + 1)
        last = block


def _marked(cells: Any, missing: frozenset[str]) -> list[str]:
    """Return the first different cells with a comma or a point."""
    found: list[str] = []
    for n_rows in (2 * MAX_VOTES, VOTING_ROWS):
        if len(found) < MAX_VOTES:
            some = compute.utf8_trim_whitespace(cells[:n_rows])
            has_mark = compute.match_substring_regex(some, "[.,]")
            found = compute.unique(some.filter(has_mark))[:MAX_VOTES].to_pylist()
    return [each for each in found if each not in missing]


# --- rows ----------------------------------------------------------------------------


def rows_of(
    lines: Iterator[str], delimiter: str, label: str, n_before: int
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield first line, cells and lines of each row; empty lines are passed over."""
    read: list[str] = []

    def kept() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    reader = csv.reader(kept(), delimiter=delimiter)
    end = n_before
    try:
        for cells in reader:
            if cells:
                yield end + 1, cells, read.copy()
            end = n_before + reader.line_num
            read.clear()
    except csv.Error as error:
        raise TableError(
            f"{label}, line {end + 1}: cannot be read as CSV ({error}); look for a "
            "double quote that is not closed."
        ) from None


@dataclass(frozen=True)
class _Lexer:
    """Parts lines into cells, and says where they are not as many as the first has."""

    label: str
    delimiter: str
    n_cells: int
    first_line: int  # where the table begins
    nulls: list[str]  # cells that become null

    def tables(self, blocks: Iterator[bytes], n_above: int) -> Iterator[Any]:
        """Yield the rows of blocks of lines, so many of which stand above the rows.

        From a block with cells over several lines or with faults on, row by row.
        """
        n_before = 0
        for block in blocks:
            table = None if _has_long_line(block) else self._parse(block, n_above)
            if table is None:
                yield from self._row_by_row(chain([block], blocks), n_before, n_above)
                return
            n_before += n_above
            lines = np.arange(n_before + 1, n_before + table.num_rows + 1)
            yield table.append_column(LINE, pyarrow.array(lines))
            n_before, n_above = n_before + table.num_rows, 0

    def empty(self) -> Any:
        """Return a table without rows."""
        return self._table([[]] * self.n_cells, [])

    def _parse(self, block: bytes, n_above: int) -> Any:
        """Return a block as a table, None where it takes a closer look."""
        names = [str(j) for j in range(self.n_cells)]
        try:
            table = arrow_csv.read_csv(
                pyarrow.py_buffer(block),
                read_options=arrow_csv.ReadOptions(
                    column_names=names,
                    skip_rows=n_above,
                    block_size=len(block) + 1,
                    use_threads=False,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pyarrow.string()),
                    null_values=self.nulls,
                    strings_can_be_null=True,
                ),
            )
        except pyarrow.ArrowInvalid:
            return None
        end = block[-1000:]
        n_blank = count_lines(end) - count_lines(end.rstrip(b"\r\n")) - 1
        n_rows = count_lines(block) - n_above - n_blank
        if not n_rows or table.num_rows != n_rows:
            return None
        # a quote that is open at the end takes in the last line end
        last = table.column(self.n_cells - 1)[-1].as_py()
        return None if last is not None and "\n" in last else table

    def _row_by_row(
        self, blocks: Iterator[bytes], n_before: int, n_above: int
    ) -> Iterator[Any]:
        """Yield rows that the csv module parts into cells, and raise at a fault."""
        texts = (io.StringIO(block.decode(), newline="\n") for block in blocks)
        lines = islice(chain.from_iterable(texts), n_above, None)
        rows = rows_of(lines, self.delimiter, self.label, n_before + n_above)
        fault = None
        while fault is None and (some := list(islice(rows, SLOW_ROWS))):
            good = []
            for line, cells, raw in some:
                fault = self._fault(line, cells, raw)
                if fault is not None:
                    break
                good.append((line, cells))
            if good:
                columns = zip(*(cells for _, cells in good), strict=True)
                yield self._table(columns, [line for line, _ in good])
        if fault is not None:
            raise fault

    def _table(self, columns: Iterable[Any], lines: list[int]) -> Any:
        arrays = {
            str(j): pyarrow.array([cell or None for cell in cells], pyarrow.string())
            for j, cells in enumerate(columns)
        }
        return pyarrow.table({**arrays, LINE: pyarrow.array(lines, pyarrow.int64())})

    def _fault(self, line: int, cells: list[str], raw: list[str]) -> TableError | None:
        """Return what is wrong with a row, None where nothing is."""
        if self._is_swallowed(cells, raw):
            return TableError(
                f"{self.label}, line {line}: a double quote begins a cell that takes "
                "in the lines below; close the quote, or delete it."
            )
        if len(cells) == self.n_cells:
            return None
        mark = NAMES_OF_DELIMITERS.get(self.delimiter, self.delimiter)
        return TableError(
            f"{self.label}, line {line}: has {counted(len(cells), 'cell')} and must "
            f"have {self.n_cells}, as line {self.first_line} has. Cells are separated "
            f"by {mark}; a text that holds one must stand in double quotes."
        )

    def _is_swallowed(self, cells: list[str], raw: list[str]) -> bool:
        """Return whether a quote is open at the end of a row, or takes in rows."""
        if cells[-1].endswith("\n"):
            further = csv.reader([*raw, "x"], delimiter=self.delimiter)
            if len(list(further)) == 1:
                return True
        within = [line for cell in cells if "\n" in cell for line in cell.split("\n")]
        if any(map(self._is_row, within)):
            return True
        return len(raw) > 1 and all(map(self._is_row, raw))

    def _is_row(self, line: str) -> bool:
        """Return whether a line has the cells of a row, a number among them."""
        cells = line.replace('"', "").split(self.delimiter)
        plain = (cell.strip().replace(",", ".") for cell in cells)
        return len(cells) == self.n_cells and any(map(PLAIN.fullmatch, plain))


def _has_long_line(block: bytes) -> bool:
    """Return whether a line may be too long for a cell of the csv module."""
    size = csv.field_size_limit() // 2  # a longer line has a window without an end
    return any(
        block.find(b"\n", start, start + size) < 0
        for start in range(0, len(block) - size, size)
    )
