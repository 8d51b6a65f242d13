"""Tables from files: what is read, and what is said of what cannot be."""

import bz2
import gzip
import io
import lzma
import shlex
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdae._column_types import ColumnKinds, kind_of_column, split_columns
from skdae._files import (
    Format,
    TableError,
    check_target,
    close_names,
    open_chunks,
    parse_times,
    read_sheet,
    read_table,
)

PLAIN = "speed,unit,bar\n1,A,0.5\n2,B,1.5\n3,A,2.5\n"
EXPECTED = pd.DataFrame(
    {
        "speed": [1, 2, 3],
        "unit": np.array(["A", "B", "A"], dtype=object),
        "bar": [0.5, 1.5, 2.5],
    }
)
EXPECTED["unit"] = EXPECTED["unit"].astype(object)


def write(folder, content, name="plant.csv"):
    """A file of text or bytes."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zstd(content):
    """Bytes as zstd packs them."""
    return pyarrow.compress(content, codec="zstd", asbytes=True)


def zipped(content, *names):
    """A zip archive that holds the same bytes under some names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names or ["plant.csv"]:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


class Stdin:
    """Standard input that holds some bytes."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)


# --- what is read --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        'speed,unit,bar\n1,A,"0,5"\n2,B,"1,5"\n3,A,"2,5"\n',
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\n\n"),  # empty lines
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r"),  # as on old Macs
        "sep=;\n" + PLAIN.replace(",", ";"),  # as spreadsheets say it
        PLAIN.replace(",", " , "),
        PLAIN.replace("\n", ",\n"),  # a delimiter at the end of each line
        PLAIN.replace("A", '"A"').replace("0.5", '"0.5"'),
        "\ufeff" + PLAIN,
        pytest.param(gzip.compress(PLAIN.encode(), mtime=0), id="gzip"),
        PLAIN.encode("utf-16"),
        ("\ufeff" + PLAIN).encode("utf-16-be"),
        PLAIN.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
        pytest.param(gzip.compress(PLAIN.encode("utf-16"), mtime=0), id="gzip, UTF-16"),
        pytest.param(bz2.compress(PLAIN.encode()), id="bzip2"),
        pytest.param(lzma.compress(PLAIN.encode()), id="xz"),
        pytest.param(zstd(PLAIN.encode()), id="zstd"),
        pytest.param(zipped(PLAIN.encode()), id="zip"),
    ],
)
def test_ways_to_write_the_same_table(tmp_path, content):
    pd.testing.assert_frame_equal(read_table(write(tmp_path, content)), EXPECTED)


def test_standard_input(monkeypatch):
    texts = [PLAIN.encode(), PLAIN.encode("utf-16")]
    for content in (*texts, *map(gzip.compress, texts), *map(zstd, texts)):
        monkeypatch.setattr(sys, "stdin", Stdin(content))
        pd.testing.assert_frame_equal(read_table("-"), EXPECTED)


def test_parquet_reads_as_csv_does(tmp_path):
    EXPECTED.to_parquet(tmp_path / "plant.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "plant.parquet"), EXPECTED)


def test_parquet_of_many_kinds(tmp_path):
    table = pd.DataFrame(
        {
            "half": np.array([1, np.inf, 3], dtype=np.float32),
            "flag": [True, False, True],
            "kind": pd.Categorical(["a", None, "b"]),
            "when": pd.date_range("2024-01-01", periods=3),
        }
    )
    table.to_parquet(tmp_path / "mixed.parquet")
    read = read_table(tmp_path / "mixed.parquet")
    assert np.isnan(read["half"][1])  # no number to learn from
    assert read["flag"].tolist() == ["True", "False", "True"]
    assert read["kind"].isna().tolist() == [False, True, False]
    assert split_columns(read).date_time == ("when",)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "shift_jis"]
)
def test_encodings(tmp_path, encoding):
    name = "\u6e29\u5ea6" if encoding == "shift_jis" else "T (\u00b0C)"
    text = f"time,{name}\n1,20.5\n2,21.5\n"
    table = read_table(write(tmp_path, text.encode(encoding)))
    assert list(table.columns) == ["time", name]


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        ("Temp\u00e9rature,D\u00e9bit,Pression \u00e0 l'\u00e9tage", "cp1252"),
        ("Gr\u00f6\u00dfe,Gef\u00e4lle,Stra\u00dfe", "cp1252"),
        ("m\u00b2,\u00b5m,\u00b0C", "cp1252"),
        ("\u30dd\u30f3\u30d7,\u5727\u529b,\u6d41\u91cf", "shift_jis"),
        (
            "\uff75\uff9d\uff84\uff9e,\uff98\uff6d\uff73\uff98\uff6e\uff73,n",
            "shift_jis",
        ),
    ],
)
def test_shift_jis_and_cp1252_are_distinguished(tmp_path, names, encoding):
    sheet = read_sheet(write(tmp_path, f"{names}\n1,2,3\n".encode(encoding)))
    assert list(sheet.frame.columns) == names.split(",")
    assert any("not UTF-8" in note for note in sheet.notes)


@pytest.mark.parametrize(
    "marker", ["", "NA", "n/a", "NaN", "nan", "NULL", "None", "-", "?", "#N/A", "Bad"]
)
def test_markers_of_missing_values(tmp_path, marker):
    table = read_table(write(tmp_path, f"a,b\n1,x\n{marker},y\n3,z\n"))
    assert table["a"].isna().tolist() == [False, True, False]


def test_what_loggers_write_is_a_text_among_texts(tmp_path):
    path = write(tmp_path, "state,a\nShutdown,1\nRunning,2\nBad,3\n")
    assert read_table(path)["state"].tolist() == ["Shutdown", "Running", "Bad"]


def test_markers_of_the_user(tmp_path):
    form = Format(missing=frozenset({"-999", "off"}))
    table = read_table(write(tmp_path, "a,b\n1,x\n-999,off\n3,y\n"), form=form)
    assert table.isna().to_numpy().tolist() == [[False] * 2, [True] * 2, [False] * 2]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1 234", "12", "1 234 567"], [1234, 12, 1234567]),
        (["1,234.5", "0.5", "12.0"], [1234.5, 0.5, 12]),
        (["1'234.5", "7.1", "2"], [1234.5, 7.1, 2]),
        (["\u22121.5", "+2", ".5"], [-1.5, 2, 0.5]),
        (["1e-3", "2E5", "3."], [0.001, 2e5, 3]),
        ([" 1 ", "\u00a02", "3"], [1, 2, 3]),
    ],
)
def test_numbers_stored_as_text(tmp_path, cells, numbers):
    rows = "".join(f'"{cell}",x\n' for cell in cells)
    assert read_table(write(tmp_path, "a,b\n" + rows))["a"].tolist() == numbers


def test_grouped_numbers_with_a_decimal_comma(tmp_path):
    table = read_table(write(tmp_path, "a;b\n1.234,5;0,5\n12,25;1\n"))
    assert table["a"].tolist() == [1234.5, 12.25]
    assert table["b"].tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ("content", "number", "said"),
    [
        ("a;b\n1,234;1\n", 1.234, "1,234 is read as 1.234"),
        ("a\tb\n1,234\t1\n", 1234, "1,234 is read as 1234"),
        ('a,b\n"1,234",1\n', 1234, "1,234 is read as 1234"),
        ("a\tb\n1,234\t0,5\n", 1.234, None),
        ("a\tb\n1,234\t0,500\n", 1.234, None),
        ("a;b\n1,234;0.5\n", 1234, None),
        ("a;b\n1,234,567;1\n", 1234567, None),
    ],
)
def test_three_digits_after_a_comma(tmp_path, content, number, said):
    sheet = read_sheet(write(tmp_path, content))
    assert sheet.frame["a"].tolist() == [number]
    assert len(sheet.notes) == (said is not None)
    assert said is None or said in sheet.notes[0]


def test_decimals_that_come_late(tmp_path):
    content = "a;b\n" + "1;2\n" * 1000 + "1,5;2\n"
    assert read_table(write(tmp_path, content))["a"].iloc[-1] == 1.5


@pytest.mark.parametrize(
    "cells", [["2024_01", "2024_02"], ["1.2.3", "1"], ["A1", "2"], ["12", "0x1F"]]
)
def test_what_is_no_number_stays_text(tmp_path, cells):
    rows = "".join(f"{cell},1\n" for cell in cells)
    assert read_table(write(tmp_path, "a,b\n" + rows))["a"].tolist() == cells


def test_whole_numbers_are_whole(tmp_path):
    table = read_table(write(tmp_path, "a,b,c,d\n1,1.0,1,9007199254740993\n2,2,,1\n"))
    assert [str(dtype) for dtype in table.dtypes] == ["int64"] + ["float64"] * 3


def test_a_column_that_turns_to_text_late(tmp_path, monkeypatch):
    monkeypatch.setattr("skdae._files._csv.BLOCKS", (50, 50))
    monkeypatch.setattr("skdae._files._csv.SAMPLE", 50)
    rows = "".join(f"00{i},{i}\n" for i in range(25)) + "end,25\n"
    sheet = read_sheet(write(tmp_path, "code,n\n" + rows))
    assert sheet.frame["code"].tolist() == [f"00{i}" for i in range(25)] + ["end"]
    assert "line 27" in sheet.notes[0]
    assert "'end'" in sheet.notes[0]
    assert sheet.frame["n"].tolist() == list(range(26))


def test_notes(tmp_path):
    content = ",a,empty,c,\n" + "".join(f"{i},{i / 2},,inf,\n" for i in range(30))
    sheet = read_sheet(write(tmp_path, content))
    assert list(sheet.frame.columns) == ["unnamed_1", "a", "empty", "c"]
    said = " ".join(sheet.notes)
    for words in ("'unnamed_1'", "left out", "'empty'", "30 infinite"):
        assert words in said
    assert read_sheet(write(tmp_path, PLAIN)).notes == ()


def test_a_table_without_names(tmp_path):
    path = write(tmp_path, "1,2\n3,4\n")
    assert read_table(path, form=Format(header=False)).shape == (2, 2)
    named = read_table(path, form=Format(header=True))
    assert list(named.columns) == ["1", "2"]


def test_numbers_that_are_names(tmp_path):
    names = ["y"] + [f"{900 + i / 2}" for i in range(9)]
    path = write(tmp_path, ",".join(names) + "\n" + ",".join("1" * 10) + "\n")
    assert list(read_table(path).columns) == names


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False, width=64),
            st.sampled_from(["pump", 'a "b"', "x;y", "line\nbreak", "\u00e9t\u00e9"]),
        ),
        min_size=1,
        max_size=20,
    ),
    way=st.sampled_from([(",", "."), (";", ","), ("\t", ".")]),
)
def test_what_is_written_is_read(tmp_path_factory, values, way):
    table = pd.DataFrame(values, columns=["number", "text"]).astype({"text": object})
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    table.to_csv(path, sep=way[0], decimal=way[1], index=False)
    form = Format(delimiter=way[0], decimal=way[1])
    read = read_table(path, form=form)
    np.testing.assert_array_equal(read["number"], table["number"])
    assert read["text"].tolist() == table["text"].tolist()


# --- markers of missing values, decimal marks, states --------------------------------


@pytest.mark.parametrize("cell", ["-999", "-999.0", "-9.99E+02", " -999.00 ", "-999."])
def test_a_marker_that_is_a_number_is_met_however_it_is_written(tmp_path, cell):
    form = Format(missing=frozenset({"-999"}))
    path = write(tmp_path, f"a,b\n1,x\n{cell},y\n-998.5,z\n")
    sheet = read_sheet(path, form=form)
    assert sheet.frame["a"].isna().tolist() == [False, True, False]
    assert sheet.notes == ()
    path = write(tmp_path, f"a;b\n1,5;x\n{cell.replace('.', ',')};y\n-998,5;z\n")
    assert read_table(path, form=form)["a"].isna().tolist() == [False, True, False]
    with open_chunks(path, 2, form) as chunks:
        values = pd.concat([chunk.numbers("a") for chunk in chunks])
        assert values.isna().tolist() == [False, True, False]
        assert chunks.unused_markers() == ()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "str"])
def test_markers_in_parquet(tmp_path, dtype):
    marker = "-999" if dtype in ("int16", "str") else "-999.9"
    table = pd.DataFrame({"a": [1.0, float(marker), 3.0]}).astype(dtype)
    if dtype == "str":
        table["a"] = ["1", "-999", "3"]
    table.to_parquet(tmp_path / "t.parquet")
    form = Format(missing=frozenset({marker}))
    sheet = read_sheet(tmp_path / "t.parquet", form=form)
    assert sheet.frame["a"].isna().tolist() == [False, True, False]
    assert sheet.notes == ()
    with open_chunks(tmp_path / "t.parquet", 2, form) as chunks:
        values = pd.concat([chunk.texts("a") for chunk in chunks])
        if dtype != "str":
            with open_chunks(tmp_path / "t.parquet", 2, form) as again:
                values = pd.concat([chunk.numbers("a") for chunk in again])
    assert values.isna().tolist() == [False, True, False]


def test_a_measurement_near_a_whole_marker_stays(tmp_path):
    form = Format(missing=frozenset({"99999999"}))
    table = read_table(write(tmp_path, "a,b\n99999999,1\n100000000,2\n"), form=form)
    assert table["a"].isna().tolist() == [True, False]


def test_a_marker_that_does_not_occur_is_noted(tmp_path):
    form = Format(missing=frozenset({"-99", "off"}))
    path = write(tmp_path, "a,b\n1,off\n-999,on\n")
    (said,) = read_sheet(path, form=form).notes
    assert "'-99' does not occur" in said
    pd.DataFrame({"a": [1.5]}).to_parquet(tmp_path / "t.parquet")
    (said,) = read_sheet(tmp_path / "t.parquet", form=form).notes
    assert "'-99', 'off' does not occur" in said


@pytest.mark.parametrize("sign", ["", "-"])
def test_each_column_has_its_own_decimal_mark(tmp_path, sign):
    rows = "".join(f"{i},25;{sign}0.{i}73;{i},5\n" for i in range(1, 10))
    sheet = read_sheet(write(tmp_path, "a;b;c\n" + rows))
    assert sheet.frame["a"].tolist() == [i + 0.25 for i in range(1, 10)]
    assert sheet.frame["b"].tolist() == [float(f"{sign}0.{i}73") for i in range(1, 10)]
    assert "'b' have decimal points and the others commas" in sheet.notes[0]


def test_a_single_cell_with_another_decimal_mark_is_never_another_number(tmp_path):
    rows = "".join(f"{i},25;0,{i}73\n" for i in range(1, 10))
    sheet = read_sheet(write(tmp_path, "a;b\n" + rows + "1,5;0.873\n"))
    assert sheet.frame["b"].iloc[-1] == "0.873"
    assert "line 11" in sheet.notes[0]
    assert "another decimal mark" in sheet.notes[0]
    sheet = read_sheet(write(tmp_path, "a;b\n1,5;20,12\n2,5;12.500\n"))
    assert "12.500 in the column 'b' is read as 12500" in sheet.notes[0]


def test_what_can_be_read_in_two_ways_is_noted(tmp_path):
    (said,) = read_sheet(write(tmp_path, "pump 0;a,b 1\n;0,0\n")).notes[:1]
    assert "read as separated by comma, and semicolon separates it too" in said
    form = Format(missing=frozenset({"-999.0"}))
    path = write(tmp_path, 'a,b\nx,-999.0\ny,"0,5"\n')
    assert read_table(path, form=form)["b"].tolist()[1] == 0.5
    (said,) = read_sheet(write(tmp_path, "a;b\n0.5;x\n0,5;y\nu;z\n")).notes
    assert "another decimal mark" in said


STATES = ["Bad Input", "Scan Off", "I/O Timeout", "No Data", "Shutdown", "Set to Bad"]
STATES += ["Calc Overflow", "Doubtful", "N.D.", "1.#QNAN", "-1.#IND", "\u6b20\u6e2c"]


@pytest.mark.parametrize("state", STATES)
def test_states_of_plant_historians_are_missing_numbers(tmp_path, state):
    table = read_table(write(tmp_path, f"a,b\n1.5,1\n{state},2\n3.5,3\n"))
    assert table["a"].isna().tolist() == [False, True, False]


def test_all_unknown_words_of_a_column_are_named_at_once(tmp_path):
    words = ["purging", "it's on", "stand by"]
    rows = "".join(f"{i}.5,1\n" for i in range(9)) + "".join(f"{w},1\n" for w in words)
    path = write(tmp_path, "a,b\n" + rows)
    (said,) = read_sheet(path).notes
    options = shlex.split(said.partition("say so by ")[2].rstrip("."))
    assert options == [each for word in words for each in ("--missing", word)]
    form = Format(missing=frozenset(options[1::2]))
    assert read_table(path, form=form)["a"].isna().sum() == 3
    with (
        open_chunks(path, 100, Format()) as chunks,
        pytest.raises(TableError, match="'purging' is none") as caught,
    ):
        next(iter(chunks)).numbers("a")
    for word in words:
        assert shlex.quote(word) in str(caught.value)


# --- lines above and below the names -------------------------------------------------


@pytest.mark.parametrize("top", ["# station 7", "# a, b, c", "# a, b", "#x\n# a, b, c"])
def test_comments_above_the_names_are_left_out(tmp_path, top):
    sheet = read_sheet(write(tmp_path, f"{top}\nT,P,S\n1,2,3\n4,5,6\n"))
    assert list(sheet.frame.columns) == ["T", "P", "S"]
    assert sheet.frame["P"].tolist() == [2, 5]
    assert "begin" in sheet.notes[0]
    (said,) = read_sheet(write(tmp_path, "#T,P\n1,2\n")).notes or ("",)
    assert said == ""  # the names themselves


UNITS = {
    "a unit 1": ["UTC,degC,1,1"],
    "one unit 1": ["-,degC,kPa,1"],
    "units and descriptions": [",degC,kPa,%", ",inlet,outlet,valve"],
    "descriptions first": ["when,inlet,outlet,valve", "TS,degC,kPa,%"],
    "a unit of the date only": ["UTC,1,1,1"],
}


@pytest.mark.parametrize("case", UNITS)
@pytest.mark.parametrize("missing", [frozenset(), frozenset({"degC", "kPa"})])
def test_lines_of_units_are_refused_with_their_lines(tmp_path, case, missing):
    rows = [f"2024-06-07 10:0{i}:00,{i}.5,{100 + i},0.{i}" for i in range(9)]
    path = write(tmp_path, "\n".join(["time,T,P,S", *UNITS[case], *rows]))
    lines = "line 2:" if len(UNITS[case]) == 1 else "lines 2 to 3:"
    with pytest.raises(TableError, match=f"{lines} .* units .*; delete th"):
        read_table(path, form=Format(missing=missing))
    with pytest.raises(TableError, match="units"):
        open_chunks(path, 5, Format())
    first = "2024-06-07 09:59:00,1,1,1"  # data
    path = write(tmp_path, "\n".join(["time,T,P,S", first, *rows]))
    assert len(read_table(path)) == 10


# --- quotes --------------------------------------------------------------------------


def swallowed(first, last, changes):
    """Rows with a quote in the first or the last cell of some of them."""
    rows = []
    for i in range(60):
        cell = changes.get(i, "")
        rows.append(f"{first * (cell + ',')}{i}.25,{i},{i}.5{last * (',' + cell)}")
    return rows


SWALLOWED = {
    "never closed": swallowed(0, 1, {20: '"a'}),
    "never closed in front": swallowed(1, 0, {20: '"a'}),
    "two far apart": swallowed(1, 0, {20: '"a', 50: '"b'}),
    "two on adjacent lines": swallowed(1, 0, {20: '"a', 21: '"b'}),
    "closed far below": swallowed(0, 1, {20: '"a', 50: 'b"'}),
    "closed far below an empty line": [
        row + "\n" * row.startswith("30.25")
        for row in swallowed(0, 1, {20: '"a', 50: 'b"'})
    ],
    "closed on the next line": swallowed(0, 1, {20: '"a', 21: 'b"'}),
    "before a number": [
        row.replace("20.5", '"20.5') for row in swallowed(0, 1, {50: '"'})
    ],
}


@pytest.mark.parametrize("case", SWALLOWED)
@pytest.mark.parametrize("size", [200, 1 << 18])
def test_a_quote_that_swallows_rows_is_an_error_with_its_line(
    tmp_path, case, size, monkeypatch
):
    monkeypatch.setattr("skdae._files._csv.BLOCKS", (size, size))
    monkeypatch.setattr("skdae._files._csv.SAMPLE", size)
    path = write(tmp_path, "\n".join(["a,b,c,d", *SWALLOWED[case]]) + "\n")
    with pytest.raises(TableError, match="line 22: a double quote") as caught:
        read_table(path)
    assert len(str(caught.value)) < 400


def test_lines_within_quoted_cells_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("skdae._files._csv.BLOCKS", (64, 64))
    monkeypatch.setattr("skdae._files._csv.SAMPLE", 64)
    note = "valve stuck,\nreplaced, see\n\nthe log of May"
    rows = "".join(f'{i},"{note}",{i / 2}\n' for i in range(40))
    table = read_table(write(tmp_path, "a,note,b\n" + rows + "1,x,broken\n"))
    assert set(table["note"]) == {note, "x"}
    assert table["a"].tolist() == [*range(40), 1]
    with (
        open_chunks(tmp_path / "plant.csv", 100, Format()) as chunks,
        pytest.raises(TableError, match="line 162: the column 'b'"),
    ):
        next(iter(chunks)).numbers("b")


def test_a_message_shows_little_of_a_file(tmp_path):
    long = "x" * 5000
    for content in (
        f"a,b\n{long},1\n" + "1.5,2\n" * 9,
        f"{long}\n1\n",
        f"a,b,a{long},a{long}\n1,2,3,4\n",
        f"{long},b\n1\n",
    ):
        path = write(tmp_path, content)
        try:
            said = " ".join(read_sheet(path).notes)
        except TableError as error:
            said = str(error)
        assert 0 < len(said) < 600


# --- what is refused -----------------------------------------------------------------

BODY = "".join(f"{i},{i / 2},{i % 3}\n" for i in range(1, 11))
MIXED = "a,b\nTemp\u00e9rature,1\n".encode() + "D\u00e9bit,2\n".encode("cp1252")
BROKEN = {
    "empty": ("", ["is empty", "first line must name"]),
    "only a mark": ("sep=;\n", ["is empty"]),
    "blank lines": ("\n \n", ["is empty"]),
    "a comment of blank lines": ("\n#.\n\n", ["nothing but comments", "must name"]),
    "only a header": ("a,b\n", ["0 rows", "at least 1"]),
    "no header": ("1,2,3\n4,5,6\n", ["line 1", "no header", "1, 2, 3"]),
    "no header, texts": ("5.1,3.5,setosa\n4.9,3.0,setosa\n", ["no header"]),
    "wrong delimiter": ("a:b:c\n1:2:3\n", ["one column", "a:b:c", "delimiter"]),
    "one column": ("a\n1\n2\n", ["one column"]),
    "a longer line": ("a,b,c\n" + BODY + "1,2,3,4\n", ["line 12", "4 cells", "3"]),
    "a shorter line": ("a,b,c\n" + BODY + "1,2\n" + BODY, ["line 12", "2 cells"]),
    "a shorter line, quoted breaks": ('a,b\n"x\ny",1\n2\n', ["line 4", "1 cell "]),
    "lines before the names": ("Export of May\na,b,c\n" + BODY, ["1 cell", "delete"]),
    "mixed encodings": (MIXED, ["mixes encodings", "line 2", "line 3", "UTF-8"]),
    "unknown encoding": (b"a,b\n\x81\x81\x8d\xff,1\n", ["line 2", "none of UTF-8"]),
    "UTF-16, cut off": (PLAIN.encode("utf-16")[:-1], ["UTF-16", "damaged or cut off"]),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), ["binary"]),
    "a spreadsheet": (b"PK\x03\x04rest", ["spreadsheet", "save"]),
    "binary": (b"a,b\n\0\1\2", ["binary"]),
    "cut off": (gzip.compress(PLAIN.encode())[:-12], ["damaged or cut off"]),
    "xz, cut off": (lzma.compress(PLAIN.encode())[:-12], ["damaged or cut off"]),
    "zstd, cut off": (zstd(PLAIN.encode())[:-3], ["damaged or cut off"]),
    "two in a zip": (zipped(b"a,b", "a.csv", "b.csv"), ["2 files", "unpack"]),
    "a workbook": (zipped(b"", "[Content_Types].xml", "x"), ["spreadsheet", "save"]),
    "names twice": ("a,b,a\n1,2,3\n", ["'a'", "columns 1, 3", "rename"]),
    "units": ("t,p\ns,bar\n" + "1,2\n" * 5, ["line 2", "units", "s, bar", "delete"]),
    "a spreadsheet's mark": ("sep=;\na;b\n1;2\n3\n", ["line 4", "1 cell "]),
    "a huge cell": ("a,b\n" + "x" * 200_000 + ",1\n", ["line 2", "quote"]),
    "an open quote": ('a,b\n"1,2\n3,4\n', ["line 2", "double quote", "close"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_table_is_refused_with_the_remedy(tmp_path, case):
    content, words = BROKEN[case]
    path = write(tmp_path, content)
    with pytest.raises(TableError) as caught:
        read_table(path)
    for word in ["plant.csv", *words]:
        assert word in str(caught.value)


PIECES = [*'ab10.,;|\t"\r\n -', "NA", "inf", "1,5", "\u00e9", "\u6e29", "\ufeff"]


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=40),
    encoding=st.sampled_from(["utf-8", "cp1252", "cp932", "utf-16"]),
    header=st.sampled_from([None, True, False]),
)
def test_any_text_is_a_table_or_a_clear_error(
    tmp_path_factory, pieces, encoding, header
):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes("".join(pieces).encode(encoding, "ignore"))
    try:
        table = read_table(path, form=Format(header=header))
    except TableError as error:
        said, table = str(error), None
    if table is None:
        assert "any.csv" in said
    else:
        assert len(table) >= 1
        split_columns(table)


def test_no_file_and_no_table(tmp_path):
    write(tmp_path, PLAIN)
    for path, word in (
        (tmp_path / "plnat.csv", "did you mean 'plant.csv'?"),
        (tmp_path / "no" / "plant.csv", "no folder"),
        (tmp_path / "other.parquet", "does not exist"),
        (tmp_path, "is a folder"),
        (write(tmp_path, b"PAR1 no", "bad.parquet"), "no Parquet file"),
        (write(tmp_path, PLAIN, "text.parquet"), "no Parquet file, .* if it is CSV"),
        (write(tmp_path, b"\x80\x04model", "m.csv"), "m.csv is a model or another"),
        (write(tmp_path, "a:b\n1:2\n3:4\n", "colon.csv"), "--delimiter ':'"),
        (write(tmp_path, "a b\n1 2\n3 4\n", "space.csv"), "--delimiter ' '"),
        (write(tmp_path, "a\n1\n3\n", "one.csv"), "name the delimiter by --delimiter"),
    ):
        with pytest.raises(TableError, match=word):
            read_table(path)


def test_a_delimiter_that_is_named_and_wrong_is_met_by_the_likely_one(tmp_path):
    path = write(tmp_path, "a;b\n1;2\n3;4\n")
    with pytest.raises(
        TableError, match="separated by comma; .* --delimiter semicolon"
    ):
        read_table(path, form=Format(delimiter=","))
    path = write(tmp_path, "full name\nAnn Lee\nBob Ray\n")
    assert read_table(path, form=Format(delimiter=",")).shape == (2, 1)


def test_words_in_place_of_numbers_are_noted(tmp_path):
    path = write(tmp_path, "a,b\n1,2\nerror,3\n4,n/a\n")
    (said,) = read_sheet(path).notes
    assert "column 'a' such as 'error' are not numbers and count as missing" in said
    with open_chunks(path, 10, Format()) as chunks:
        (chunk,) = chunks
        with pytest.warns(UserWarning, match="column 'a' such as 'error'"):
            assert chunk.numbers("a").isna().tolist() == [False, True, False]
        assert chunk.numbers("b").isna().tolist() == [False, False, True]


# --- other digits, units beside numbers, archives -------------------------------------


def test_wide_digits_and_marks_are_numbers(tmp_path):
    """As they are typed in Japanese."""
    rows = "\n".join(f"\uff0d\uff11\uff12\uff0e{i},\uff13" for i in range(5))
    frame = read_table(write(tmp_path, f"a,b\n{rows}\n"))
    assert frame["a"].tolist() == [-12.0, -12.1, -12.2, -12.3, -12.4]
    assert frame["b"].tolist() == [3.0] * 5


@pytest.mark.parametrize("form", ["{}.5%", "{} \u00b0C", "\u20ac{}", "{}.5-", "{}kg"])
def test_numbers_beside_a_unit_are_text_with_a_note(tmp_path, form):
    """They would be learned as categories without a word."""
    rows = "\n".join(f"{form.format(i)},{i}" for i in range(9))
    sheet = read_sheet(write(tmp_path, f"a,b\n{rows}\n"))
    assert sheet.frame["a"].dtype == object
    assert f"'{form.format(0)}' is more than a number" in sheet.notes[0]


@pytest.mark.parametrize("form", ["pump {}", "B{}", "2024-{}", "{0} of {0}"])
def test_names_with_numbers_are_no_numbers_beside_a_unit(tmp_path, form):
    rows = "\n".join(f"{form.format(i)},{i}" for i in range(9))
    assert read_sheet(write(tmp_path, f"a,b\n{rows}\n")).notes == ()


@pytest.mark.parametrize(
    ("other", "number"), [("7", 2.1), ("{0},5;{0},25", 2100.0), ("0.5", 2.1)]
)
def test_points_that_may_part_groups_are_noted(tmp_path, other, number):
    """Beside semicolons, unless a column has other decimals too."""
    names = "a;b;c"[: 2 * other.count(";") + 3]
    rows = "\n".join(f"{i}.100;{other.format(i)}" for i in range(2, 9))
    sheet = read_sheet(write(tmp_path, f"{names}\n{rows}\n"))
    assert sheet.frame["a"][0] == number
    assert f"2.100 in the column 'a' is read as {number:g}" in " ".join(sheet.notes)
    certain = read_sheet(write(tmp_path, f"{names}\n0.25;{other.format(1)}\n{rows}\n"))
    assert "read as 2.1;" not in " ".join(certain.notes)


def test_a_large_marker_that_went_through_float32_is_met(tmp_path):
    """1e20 in single precision is written with other digits."""
    content = "a,b\n1.00000002004e+20,1\n2.5,2\n99999999,3\n100000000,4\n"
    form = Format(missing=frozenset({"1e20", "99999999"}))
    frame = read_sheet(write(tmp_path, content), form=form).frame
    np.testing.assert_array_equal(frame["a"], [np.nan, 2.5, np.nan, 1e8])


def test_what_macos_adds_to_an_archive_is_no_table(tmp_path):
    content = zipped(b"a,b\n1,2\n", "plant.csv", "__MACOSX/._plant.csv")
    assert read_table(write(tmp_path, content, "plant.zip")).shape == (1, 2)


def test_text_that_parquet_holds_as_bytes_is_text(tmp_path):
    table = pyarrow.table({"a": [b"on", b"off", None], "b": [1.0, 2.0, 3.0]})
    pyarrow.parquet.write_table(table, tmp_path / "plant.parquet")
    frame = read_table(tmp_path / "plant.parquet")
    assert frame["a"].tolist()[:2] == ["on", "off"]
    assert frame["a"].isna().tolist() == [False, False, True]


def test_parquet_of_lists(tmp_path):
    pd.DataFrame({"a": [[1], [2]]}).to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(TableError, match="'a' holds lists"):
        read_table(tmp_path / "lists.parquet")


def test_too_few_rows(tmp_path):
    path = write(tmp_path, "a,b\n1,2\n" * 1)
    with pytest.raises(TableError, match=r"has 1 row below its header, .* 10 are"):
        read_table(path, least_rows=10)


def test_an_encoding_that_does_not_fit(tmp_path):
    path = write(tmp_path, MIXED)
    with pytest.raises(TableError, match="line 3: holds the byte 0xe9"):
        read_table(path, form=Format(encoding="utf-8"))
    with pytest.raises(TableError, match="--encoding klingon is not known"):
        read_table(path, form=Format(encoding="klingon"))


# --- in chunks -----------------------------------------------------------------------


@pytest.mark.parametrize("named", [None, "utf-16", "UTF16"])
def test_a_long_text_in_utf_16(tmp_path, named):
    signs = ["\u6e29\u5ea6", "\U0001f321", "\u00b0C"]  # of 3, 4 and 2 bytes in UTF-8
    names = [signs[i % 3] * (i % 5) for i in range(20_000)]
    table = pd.DataFrame({"n": np.arange(20_000), "name": names})
    path = write(tmp_path, table.to_csv(index=False).encode("utf-16"))
    form = Format(encoding=named)
    read = read_table(path, form=form)
    assert read["n"].tolist() == table["n"].tolist()
    assert read["name"].fillna("").tolist() == names
    with open_chunks(path, 7_000, form) as opened:
        texts = [text for chunk in opened for text in chunk.texts("name").fillna("")]
        assert opened.dialect.encoding == "utf-8"
    assert texts == names


@pytest.mark.parametrize("n_rows", [1, 7, 1000])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_chunks_put_together_are_the_table(tmp_path, n_rows, kind):
    path = tmp_path / f"t.{kind}"
    values = np.random.default_rng(0).normal(size=30)
    table = pd.DataFrame({"a": values, "b": ["x", "y", None] * 10})
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    with open_chunks(path, n_rows, Format()) as opened:
        chunks = list(opened)
    assert opened.names == ("a", "b")
    assert sum(len(chunk) for chunk in chunks) == 30
    whole = read_table(path)
    np.testing.assert_array_equal(
        pd.concat([chunk.numbers("a") for chunk in chunks]), whole["a"]
    )
    texts = pd.concat([chunk.texts("b") for chunk in chunks])
    assert texts.fillna("").tolist() == whole["b"].fillna("").tolist()


def test_a_text_among_the_numbers_of_a_chunk(tmp_path):
    path = write(tmp_path, "a,b\n1,2\n3,4\nbroken,6\n")
    with open_chunks(path, 2, Format()) as opened:
        chunks = list(opened)
    assert chunks[0].numbers("a").tolist() == [1, 3]
    with pytest.raises(TableError, match=r"line 4: the column 'a' .* 'broken' is none"):
        chunks[1].numbers("a")


def test_a_ragged_line_in_a_later_chunk(tmp_path):
    path = write(tmp_path, "a,b\n" + "1,2\n" * 500 + "1\n")
    with open_chunks(path, 100, Format()) as opened:
        for _ in range(5):
            next(iter(opened))
        with pytest.raises(TableError, match="line 502"):
            next(iter(opened))


def test_standard_input_may_turn_out_to_be_in_another_encoding(monkeypatch):
    later = b"a,b\n" + b"x,1\n" * 100_000 + "\u00e9,2\n".encode("cp1252")
    monkeypatch.setattr(sys, "stdin", Stdin(later))
    with pytest.raises(TableError, match=r"line 100002.*name the encoding"):
        list(open_chunks("-", 50_000, Format()))


# --- times of rows -------------------------------------------------------------------

HOURS = pd.date_range("2023-12-20", periods=24 * 60, freq="h")
BERLIN = pd.date_range("2024-10-25", periods=100, freq="h", tz="Europe/Berlin")
FORMATS = [
    *("%Y-%m-%d %H:%M", "%Y/%m/%dT%H:%M:%S.%f", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M"),
    *("%m/%d/%Y %I:%M %p", "%d-%m-%Y %H:%M", "%H:%M %d.%m.%Y", "%d %b %Y %H:%M:%S"),
    *("%d-%b-%y %I:%M:%S %p", "%m/%d/%y %H:%M", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ"),
    *("%Y\u5e74%m\u6708%d\u65e5 %H:%M", "%Y\u5e74%m\u6708%d\u65e5 %H\u6642%M\u5206"),
]


@pytest.mark.parametrize("form", FORMATS)
def test_times_in_one_format(form):
    np.testing.assert_array_equal(parse_times(HOURS.strftime(form)), HOURS)


@pytest.mark.parametrize(
    "times",
    [
        [t.isoformat() for t in BERLIN],
        [t.isoformat() + "[Europe/Berlin]" for t in BERLIN],
        [
            (t.tz_convert("UTC") if i % 2 else t).isoformat()
            for i, t in enumerate(BERLIN)
        ],
        BERLIN.strftime("%Y-%m-%d %H:%M %Z"),
        BERLIN.strftime("%d.%m.%Y %H:%M:%S %z"),
        BERLIN,
    ],
)
def test_times_with_zones_are_moments(times):
    np.testing.assert_array_equal(
        parse_times(times), BERLIN.tz_convert("UTC").tz_localize(None)
    )


@pytest.mark.parametrize("freq", ["1min", "10min", "30min"])
@pytest.mark.parametrize("as_text", [True, False])
def test_local_times_go_on_over_the_end_of_summer_time(freq, as_text):
    berlin = pd.date_range(
        "2024-10-26 20:00", periods=700, freq=freq, tz="Europe/Berlin"
    )
    local = berlin.tz_localize(None)
    read = parse_times(local.strftime("%d.%m.%Y %H:%M") if as_text else local)
    late = read.diff().dropna()
    assert (late >= pd.Timedelta(0)).all()
    if freq != "30min":
        assert (late == pd.Timedelta(freq)).all()
    shuffled = local[np.random.default_rng(0).permutation(700)]
    np.testing.assert_array_equal(parse_times(shuffled), shuffled)


def test_periods_and_durations_are_times():
    periods = HOURS.to_period("h")
    np.testing.assert_array_equal(parse_times(periods), periods.to_timestamp())
    durations = HOURS - HOURS[0]
    np.testing.assert_array_equal(parse_times(durations), durations)


def test_day_and_month_that_can_change_places_need_an_option():
    dates = ["01/02/2024", "02/03/2024"]
    with pytest.raises(TableError) as caught:
        parse_times(dates)
    for words in ("1 February 2024", "2 January 2024", "--day-first or --month-first"):
        assert words in str(caught.value)
    assert parse_times(dates, day_first=True).dt.month.tolist() == [2, 3]
    assert parse_times(dates, day_first=False).dt.month.tolist() == [1, 2]
    assert parse_times([*dates, "13/03/2024"]).dt.month.tolist() == [2, 3, 3]
    same = ["01/01/2024", "05/05/2024"]
    assert parse_times(same).dt.month.tolist() == [1, 5]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["a", "2024-01-01"], "1 entries that are no time .*'a'"),
        (["2024-02-30"], "'2024-02-30'"),
        ([None, "2024-01-01"], "1 entries"),
        (["31/01/2024", "01/31/2024"], "in one format"),
        (["2024-01-01 10:00 XYZ"], "zones that are not known .'XYZ'"),
        (["2024-01-01 10:00Z", "2024-01-01 10:00"], "names a zone in some entries"),
    ],
)
def test_what_is_not_a_time_is_refused(times, said):
    with pytest.raises(TableError, match=said):
        parse_times(times)


def test_numbers_are_times_as_they_are():
    assert parse_times([3, 1, 2]).tolist() == [3, 1, 2]


# --- columns and targets -------------------------------------------------------------


def test_kinds_of_columns():
    n = 40
    table = pd.DataFrame(
        {
            "flow": np.linspace(0, 1, n) ** 2,
            "level": [1, 2] * (n // 2),
            "unit": ["A", "B"] * (n // 2),
            "open": [True, False] * (n // 2),
            "same": 3,
            "nothing": np.nan,
            "when": [f"2024-05-{day:02d} 10:00:00" for day in range(1, 21)] * 2,
            "clock": ["10:15"] * 39 + ["9:30"],
            "row": np.arange(n),
            "pump_id": np.random.default_rng(0).permutation(n),
            "name": [f"sample {i}" for i in range(n)],
        }
    )
    assert split_columns(table) == ColumnKinds(
        numeric=("flow", "level"),
        text=("unit", "open"),
        constant=("same",),
        empty=("nothing",),
        date_time=("when", "clock"),
        id_like=("row", "pump_id", "name"),
    )
    assert split_columns(table).kind_of("same") == "constant"
    with pytest.raises(KeyError):
        split_columns(table).kind_of("other")


@pytest.mark.parametrize(
    "cell",
    [
        *("2024-01-31", "31.01.2024", "1/31/24", "2024-01-31T10:00:00Z", "10:15:30.5"),
        *("31-Jan-2024 10:00", "2024/1/31 9:05 PM", "2024\u5e741\u670831\u65e5"),
    ],
)
def test_dates(cell):
    table = pd.DataFrame({"t": [cell, cell.replace("1", "2", 1)]})
    assert split_columns(table).date_time == ("t",)


N = 60
RISING = np.sort(np.random.default_rng(0).choice(5000, N, replace=False))
STAMPS = pd.date_range("2024-01-01", periods=N, freq="10min")
SECONDS = 1704067200 + 600 * np.arange(N)
CLOCKS = {
    "timestamp": SECONDS,
    "ts": SECONDS * 1000,
    "us": SECONDS * 10**6,
    "ns": SECONDS * 10**9,
    "seconds as floats": SECONDS + 0.5,
    "Timestamp": STAMPS.strftime("%Y%m%d%H%M%S").astype(np.int64),
    "days of a spreadsheet": 45292 + np.arange(N) / 144,
    "equal steps": np.arange(N) * 0.1,
    "elapsed time": np.sort(np.random.default_rng(0).uniform(size=N)),
    "one day": [20240115] * N,
    "one day as text": ["15/01/2024"] * N,
    "a file a day": ["log_20240115.csv"] * N,
    "datetimes": STAMPS,
    "one datetime": [STAMPS[0]] * N,
}
COUNTERS = {
    "__index_level_0__": RISING[::-1],
    "unnamed_1": RISING,
    "Unnamed: 0": RISING[::-1],
    "whole and rising": RISING,
    "kWh total": np.repeat(RISING[::2] / 7, 2)[np.arange(N) * 9 // 10],
    "serial": RISING[::-1],
}
SENSORS = {
    "time": np.tile([3.5, 4.5, 3.7], N // 3),
    "squares": np.arange(N) ** 2 / 7,
    "a sorted class": np.arange(N) // 20,
    "cycle time": np.random.default_rng(0).normal(size=N),
    "large": 1e9 + np.random.default_rng(0).normal(size=N) * 1e8,
    "version": ["pump 1.2.3"] * (N // 2) + ["pump 2"] * (N // 2),
    "part": ["P-12024011", "Q-99"] * (N // 2),
    "count": np.random.default_rng(0).permutation(N // 2).repeat(2),
}


@pytest.mark.parametrize(
    ("columns", "kinds"),
    [(CLOCKS, {"date_time"}), (COUNTERS, {"id_like"}), (SENSORS, {"numeric", "text"})],
    ids=["clocks", "counters", "sensors"],
)
def test_clocks_and_counters_are_not_sensors(columns, kinds):
    found = split_columns(pd.DataFrame(columns))
    assert {
        name: found.kind_of(name)
        for name in columns
        if found.kind_of(name) not in kinds
    } == {}


def test_a_column_keeps_its_kind_with_missing_cells_and_in_any_number():
    for columns, kind in ((CLOCKS, "date_time"), (COUNTERS, "id_like")):
        for name, values in columns.items():
            gappy = pd.Series(values).mask(np.arange(N) % 7 == 3)
            assert kind_of_column(name, gappy) == kind, name


TARGETS = {
    "waer": ["no column 'waer'", "did you mean 'wear'?"],
    "zzz": ["no column 'zzz'", "there are: wear, same"],
    "same": ["one value, 1"],
    "class": ["one class, 'a'"],
    "nothing": ["only missing values"],
    "when": ["dates or times"],
    "name": ["40 different texts in 40 rows"],
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_cannot_be_predicted(target):
    table = pd.DataFrame(
        {
            "wear": np.arange(40) % 3,
            "same": 1,
            "class": "a",
            "nothing": np.nan,
            "when": [f"{i % 12}:00" for i in range(40)],
            "name": [f"n{i}" for i in range(40)],
        }
    )
    with pytest.raises(TableError) as caught:
        check_target(table, target)
    for words in TARGETS[target]:
        assert words in str(caught.value)


def test_targets_that_can_be_predicted():
    table = pd.DataFrame(
        {"number": [1.5, np.nan, 3], "kind": ["a", None, "a"], "x": [1, 2, 3]}
    )
    assert check_target(table, "number") is not None
    with pytest.raises(TableError, match="one class"):
        check_target(table, "kind")
    with pytest.raises(TableError, match="no column but the target"):
        check_target(table[["x"]], "x")


def test_names_that_are_near():
    assert "'Temp'" in close_names("temp", ["Temp", "Press"])
    assert close_names("q", [f"c{i}" for i in range(20)]).endswith("c11, ....")
