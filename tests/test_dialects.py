"""Random tables in many dialects are read back equal, or refused with a line.

A difference must never be silent: where a cell is not what was written, a note names
the column, or how the text was read. ``SKDAE_DIALECTS=20000`` tries as many tables.
"""

import gzip
import os
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skdae._files import Format, TableError, open_chunks, read_sheet

N_TABLES = int(os.environ.get("SKDAE_DIALECTS", "300"))
WORDS = {
    "utf-8": ["pump", 'say "on"', "x;y", "a,b", "t\tb", "two\nlines", "\u6e29\u5ea6"],
    "utf-16": ["pump", "\u00b0C", "\u6e29\u5ea6", "a|b", "line,\r\nbreak"],
    "cp1252": ["pump", "d\u00e9bit", "\u00b0C", "stra\u00dfe", 'a "b"', "x,y"],
    "shift_jis": [
        "pump",
        "\u6e29\u5ea6",
        "\u5727\u529b",
        "a,b",
        'a"b',
        "\u30dd\u30f3\u30d7",
    ],
}
WORDS["utf-8-sig"] = WORDS["utf-8"]
MISSING = ["", "NA", "n/a", "NaN", "-", "?", "null", "\u2014off"]
DATES = ["2024-01-31 10:00", "2024-02-01 00:00", "2024-12-24 18:30"]


@dataclass(frozen=True)
class Case:
    """A table and the bytes that it is written in."""

    names: tuple[str, ...]
    columns: tuple[tuple, ...]  # numbers, texts, None where missing
    content: bytes
    form: Format
    is_refusable: bool  # whether it has lines of units


@st.composite
def numbers(draw):
    """A column of numbers, and how one is written."""
    digits = draw(st.integers(0, 6))
    width = draw(st.sampled_from([1, 30, 3000, 4_000_000]))
    cells = st.one_of(
        st.none(), st.floats(-width, width).map(lambda x: round(x, digits))
    )
    style = draw(st.sampled_from(["plain", "plain", "grouped", "exponent", "integer"]))
    values = draw(st.lists(cells, min_size=12, max_size=12))
    if style == "integer":
        values = [None if value is None else float(int(value)) for value in values]
    return values, style


def spelled(value, style, decimal, group):
    """A number as it is written."""
    if style == "integer":
        return str(int(value))
    if style == "exponent":
        text = f"{value:.17e}"
    elif style == "grouped":
        text = f"{value:,.6f}".replace(",", "\0")
    else:
        text = repr(value)
    return text.replace(".", decimal).replace("\0", group)


@st.composite
def cases(draw):
    """A table in some dialect."""
    encoding = draw(st.sampled_from(sorted(WORDS)))
    delimiter = draw(st.sampled_from(",;\t|"))
    decimal = draw(st.sampled_from(".,"))
    group = draw(st.sampled_from([" ", "'", "," if decimal == "." else "."]))
    marker = draw(st.sampled_from([*MISSING, "-999", "-999.0"]))
    if encoding != "utf-8" and not marker.isascii():
        marker = "NA"
    words = [word for word in WORDS[encoding] if word.strip()]
    n_rows = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from("nnnwd"), min_size=2, max_size=6))
    columns, cells = [], []
    for kind in kinds:
        if kind == "n":
            values, style = draw(numbers())
            texts = [
                v if v is None else spelled(v, style, decimal, group) for v in values
            ]
            values = [
                v if v is None else float(t)
                for v, t in zip(
                    values,
                    (v if v is None else spelled(v, style, ".", "") for v in values),
                    strict=True,
                )
            ]
        else:
            source = words if kind == "w" else DATES
            values = draw(
                st.lists(st.sampled_from([*source, None]), min_size=12, max_size=12)
            )
            texts = values
        columns.append(tuple(values[:n_rows]))
        cells.append(texts[:n_rows])
    names = [f"{draw(st.sampled_from(words))} {j}" for j in range(len(kinds))]
    quote_all = draw(st.booleans())

    def quoted(text):
        must = quote_all or any(c in text for c in delimiter + '"\r\n')
        return '"' + text.replace('"', '""') + '"' if must else text

    rows = [
        [marker if c is None else c for c in row] for row in zip(*cells, strict=True)
    ]
    units = draw(st.sampled_from([None, None, None, "bar"]))
    lines = [names, *([[units] * len(names)] if units else []), *rows]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = "".join(delimiter.join(map(quoted, line)) + end for line in lines)
    if draw(st.booleans()) and not quote_all:
        text = f"# station 7{delimiter} line 3{end}" + text
    content = text.encode(encoding)
    content = gzip.compress(content) if draw(st.booleans()) else content
    is_named = marker in MISSING and marker != "\u2014off"
    form = Format(missing=frozenset() if is_named else frozenset({marker}))
    return Case(tuple(names), tuple(columns), content, form, units is not None)


def attempt(read, *arguments, **options):
    """What a function returns, and what it says where it refuses."""
    try:
        return read(*arguments, **options), ""
    except TableError as error:
        return None, str(error)


def chunks_of(path, n_rows, form):
    """The names and the chunks of a table."""
    with open_chunks(path, n_rows, form) as chunks:
        return chunks.names, list(chunks)


def is_same(found, expected):
    """Whether a column is what was written."""
    missing = [value is None for value in expected]
    if found.isna().tolist() != missing:
        return False
    known = [value for value in expected if value is not None]
    return found.dropna().tolist() == known


@settings(max_examples=N_TABLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_tables_in_many_dialects_are_read_equal_or_with_a_word(tmp_path_factory, case):
    path = tmp_path_factory.getbasetemp() / "dialect.csv"
    path.write_bytes(case.content)
    sheet, refused = attempt(read_sheet, path, form=case.form)
    if sheet is None:
        assert "dialect.csv" in refused
        assert len(refused) < 900
        return
    said = " ".join(sheet.notes)
    is_whole = "as text in" in said or "decimal" in said or "is read as" in said
    if len(sheet.frame) != len(case.columns[0]) and not case.is_refusable:
        pytest.fail(f"{len(sheet.frame)} rows of {len(case.columns[0])}")
    names = tuple(name.strip() for name in case.names)
    assert tuple(sheet.frame.columns) == names or is_whole
    if len(names) != sheet.frame.shape[1]:  # another delimiter, which is noted
        return
    if case.is_refusable:  # too few numbers to recognise units by: they are a row
        return
    for name, expected in zip(sheet.frame, case.columns, strict=True):
        values = tuple(v.strip() if isinstance(v, str) else v for v in expected)
        if not is_same(sheet.frame[name], values):
            assert is_whole or repr(name)[1:-1] in said, (name, sheet.frame[name], said)


@settings(
    max_examples=N_TABLES // 3, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(case=cases(), n_rows=st.integers(1, 15))
def test_chunks_of_any_dialect_are_the_table(tmp_path_factory, case, n_rows):
    path = tmp_path_factory.getbasetemp() / "chunks.csv"
    path.write_bytes(case.content)
    sheet, refused = attempt(read_sheet, path, form=case.form)
    found, again = attempt(chunks_of, path, n_rows, case.form)
    if found is None:
        assert again == refused
        return
    names, parts = found
    whole = sheet.frame
    assert [len(part) for part in parts[:-1]] == [n_rows] * (len(parts) - 1)
    for name in names:
        texts = [text for part in parts for text in part.texts(name)]
        if whole[name].dtype == object:
            assert [t for t in texts if t == t] == whole[name].dropna().tolist()
        else:
            numbers = np.concatenate([part.numbers(name) for part in parts])
            np.testing.assert_array_equal(numbers, whole[name])
