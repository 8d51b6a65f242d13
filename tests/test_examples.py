"""The demonstration runs and says what it should; baselines and reports are right."""

import gzip
import importlib
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

matplotlib = pytest.importorskip("matplotlib")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.syspath_prepend(str(EXAMPLES))


def load(name):
    """A module of the demonstration."""
    return importlib.import_module(name)


def run_demo(*arguments):
    """Exit status of a quick run."""
    return load("demo").main(["--quick", *map(str, arguments)])


# --- the tour -----------------------------------------------------------------


def test_tour_runs_and_ends_with_its_picture(tmp_path, capsys, monkeypatch):
    # an empty data folder: nothing of the machine's own is found
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "none"))
    assert run_demo("--out", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    picture = Path(lines[-1])
    assert picture == tmp_path / "demo.png"
    assert picture.read_bytes().startswith(PNG)
    text = "\n".join(lines)
    for expected in (
        "column mean",
        "linear regressions",
        "skdae, frozen (the control)",
        "Mahalanobis distance",
        "noise_rate",
        "Eastman process is left out",
        "In all, against the best of the others",
    ):
        assert expected in text
    assert not any(line.endswith("nan") or " nan" in line for line in lines)


def test_target_needs_a_table(capsys):
    with pytest.raises(SystemExit, match="2"):
        run_demo("--target", "fault")
    assert "--csv" in capsys.readouterr().err


# --- the user's own table -----------------------------------------------------


@pytest.fixture
def table():
    """Numbers, texts, gaps, and columns that are of no use."""
    generator = np.random.default_rng(0)
    n = 90
    level = generator.normal(size=n)
    flow = 2 * level + 0.1 * generator.normal(size=n)
    frame = pd.DataFrame(
        {
            "tag": [f"row {i}" for i in range(n)],
            "level": level,
            "flow": flow,
            "valve": np.where(level > 0, "open", "shut"),
            "constant": 7,
            "empty": np.nan,
            "state": np.where(flow > 0, "run", "idle"),
        }
    )
    frame.loc[3:12, "flow"] = np.nan
    frame.loc[5:8, "valve"] = None
    frame.loc[40, "level"] = np.inf
    return frame


def test_own_table(tmp_path, table, capsys):
    path = tmp_path / "plant.csv"
    table.to_csv(path, index=False)
    out = tmp_path / "out"
    assert run_demo("--csv", path, "--target", "state", "--out", out) == 0
    text = capsys.readouterr().out
    picture = Path(text.splitlines()[-1])
    assert picture.parent == out
    assert picture.name != "demo.png"  # the tour's
    assert picture.read_bytes().startswith(PNG)
    for left_out in ("tag (text with 90", "constant (always", "empty (empty)"):
        assert left_out in " ".join(text.split())
    assert "Predicting state" in text

    filled = pd.read_csv(out / "filled.csv")
    assert list(filled.columns) == list(table.columns)
    assert filled[["level", "flow", "valve"]].notna().all().all()
    assert np.isfinite(filled["level"]).all()
    assert filled["empty"].isna().all()
    assert set(filled["valve"]) == {"open", "shut"}


def raw_cells(path, separator):
    """The cells of a file as they are written."""
    return [line.split(separator) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("separator", "decimal"), [(";", ","), (",", "."), ("\t", ".")]
)
def test_only_gaps_of_the_modelled_columns_are_filled(
    tmp_path, table, monkeypatch, separator, decimal
):
    # fewer rows are trained on than there are, and some have no target
    monkeypatch.setattr(load("_demo_table"), "MOST_ROWS", 60)
    table.insert(0, "time", pd.date_range("2024-01-01", periods=len(table), freq="h"))
    table["time"] = table["time"].dt.strftime("%d.%m.%Y")  # few different texts
    table.loc[2, "time"] = None
    table.loc[:9, "state"] = None
    table["level"] = [f"{x:.3f}0".replace(".", decimal) for x in table["level"]]
    table.loc[7, "level"], table.loc[40, "level"] = None, "inf"
    path = tmp_path / "plant.csv"
    table.to_csv(path, index=False, sep=separator, decimal=decimal)
    out = tmp_path / "out"
    assert run_demo("--csv", path, "--target", "state", "--out", out) == 0
    before, after = raw_cells(path, separator), raw_cells(out / "filled.csv", separator)
    assert after[0] == before[0]
    assert len(after) == len(before)
    changed = 0
    for old, new in zip(before[1:], after[1:], strict=True):
        for name, was, now in zip(before[0], old, new, strict=True):
            is_gap = was in ("", "inf")
            if name in ("level", "flow", "valve") and is_gap:
                changed += 1
                if name == "valve":
                    assert now in ("open", "shut")
                else:
                    assert now.count(decimal) == 1
                    assert np.isfinite(float(now.replace(decimal, ".")))
            else:
                assert now == was
    assert changed == 10 + 4 + 2


def test_filled_texts_are_spelled_as_in_the_file(tmp_path):
    frame = pd.DataFrame({"a": np.arange(40) % 7, "on": ["TRUE", "FALSE"] * 20})
    frame.loc[3, "on"] = None
    path = tmp_path / "plant.csv"
    frame.to_csv(path, index=False)
    assert run_demo("--csv", path, "--out", tmp_path) == 0
    assert {row[1] for row in raw_cells(tmp_path / "filled.csv", ",")[1:]} == {
        "TRUE",
        "FALSE",
    }


def test_the_users_file_is_not_overwritten(tmp_path, table, capsys):
    path = tmp_path / "filled.csv"
    table.to_csv(path, index=False)
    content = path.read_bytes()
    assert run_demo("--csv", path, "--out", tmp_path) == 2
    assert "--out" in capsys.readouterr().err
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["plant.csv.gz", "plant.csv"])
def test_gzip_is_read_whatever_its_name(tmp_path, table, name):
    path = tmp_path / name
    table.to_csv(path, index=False, sep=";", decimal=",", compression="gzip")
    sheet = load("_demo_table").read_sheet(path)
    assert list(sheet.frame.columns) == list(table.columns)
    np.testing.assert_allclose(sheet.frame["level"], table["level"])


def test_what_is_strange_differs_from_what_is_expected():
    strange_cells = load("_demo_csv").strange_cells
    names = ["valve", "flow", "level", "heat"]
    row = pd.Series(["open", 1.23449, np.nan, 5.0], index=names, dtype=object)
    expected = pd.Series(["open", 1.23451, 2.0, 4.0], index=names, dtype=object)
    # flow is 1.234 beside 1.235; nobody can see what is strange about valve and level
    found = strange_cells(row, expected, np.array([9.0, -3.0, 8.0, 1.0]))
    assert found == [("flow", "1.234", "1.235"), ("heat", "5", "4")]
    expected["flow"] = 1.2341
    found = strange_cells(row, expected, np.array([9.0, -3.0, 8.0, 1.0]))
    assert found == [("heat", "5", "4")]
    assert not strange_cells(row, expected, np.zeros(4))


@pytest.mark.parametrize(
    ("raw", "codes", "chance", "expected"),
    [
        ([0.9, 0.91, 0.9], [0.8, 0.81, 0.8], 0.5, "the raw"),
        ([0.8, 0.81, 0.8], [0.9, 0.91, 0.9], 0.5, "the codes"),
        ([0.9], [0.9], 0.5, "level"),
        ([0.9], [0.909], 0.5, "level"),  # a tie
        ([0.8, 0.9, 0.7], [0.7, 0.7, 0.9], 0.5, "level"),  # the splits disagree
        ([0.9, 0.9], [0.1, 0.1], 0.95, "Nothing"),
        ([0.505], [0.3], 0.5, "Nothing"),
        ([-0.2, -0.1], [-3.0, -2.9], 0.0, "Nothing"),
    ],
)
def test_better_features_are_named_only_where_they_are(raw, codes, chance, expected):
    scores = {"raw": raw, "codes": codes}
    verdict = load("_demo_csv").features_verdict(scores, "the mean", chance)
    assert expected in verdict
    assert ("better" in verdict) == expected.startswith("the ")


@pytest.mark.parametrize(
    "options", [{"sep": ";", "decimal": ","}, {"sep": "\t"}, {"sep": ";"}]
)
def test_other_ways_to_write_a_table(tmp_path, table, options):
    path = tmp_path / "plant.csv"
    table.to_csv(path, index=False, **options)
    frame = load("_demo_table").read_sheet(path).frame
    assert list(frame.columns) == list(table.columns)
    np.testing.assert_allclose(frame["level"], table["level"])


def test_a_number_as_target_is_a_regression(tmp_path, table, capsys):
    path = tmp_path / "plant.csv"
    table.assign(level=table["level"].clip(-9, 9)).to_csv(path, index=False)
    assert run_demo("--csv", path, "--target", "level", "--out", tmp_path) == 0
    assert "share of the variance explained" in capsys.readouterr().out


WRONG_FILES = {
    "empty": (b"", "is empty"),
    "not text": (bytes(range(128, 256)), "UTF-8"),
    "ragged": (b"a,b\n1,2\n1,2,3\n", "as many cells"),
    "short": (b"a,b\n" + b"1,2\n2,3\n" * 3, "6 rows"),
    "zip": (b"PK\x03\x04" + b"a,b\n" * 9, "a zip archive or a spreadsheet; unpack it"),
    "bzip2": (b"BZh91AY" + bytes(9), "compressed with bzip2; unpack it"),
    "parquet": (b"PAR1" + bytes(9), "a Parquet file; write it as CSV"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "in UTF-16, not UTF-8; save it"),
    "binary": (b"a,b\n" + bytes(9), "a binary file"),
    "gzip of zip": (gzip.compress(b"PK\x03\x04"), "a zip archive"),
    "cut gzip": (gzip.compress(bytes(range(65, 91)) * 9)[:20], "damaged or cut off"),
    "longer rows": (b"a,b\n" + b"1,2,3\n" * 40, "as many cells"),
    "one column": (b"a\n" + b"1\n2\n" * 20, "more columns"),
    "all the same": (b"a,b\n" + b"1,2\n" * 40, "no column is left"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_bad_table_is_refused_with_the_remedy(tmp_path, capsys, case):
    content, expected = WRONG_FILES[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert run_demo("--csv", path, "--out", tmp_path) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("demo: ")
    assert expected in printed.err
    assert "Traceback" not in printed.err


def test_a_missing_file_a_folder_and_a_wrong_target(tmp_path, table, capsys):
    assert run_demo("--csv", tmp_path / "nothing.csv") == 2
    assert "there is no file" in capsys.readouterr().err
    assert run_demo("--csv", tmp_path) == 2
    assert "is a folder" in capsys.readouterr().err
    path = tmp_path / "plant.csv"
    table.to_csv(path, index=False)
    assert run_demo("--csv", path, "--target", "nothing") == 2
    assert "there is no column 'nothing'" in capsys.readouterr().err
    assert run_demo("--csv", path, "--target", "tag", "--out", tmp_path) == 2
    assert "2 rows each" in capsys.readouterr().err


# --- parts --------------------------------------------------------------------


def test_pca_rebuilder_finds_the_plane_behind_gaps():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(300, 2)) @ generator.normal(size=(2, 12))
    seen = np.where(generator.random(truth.shape) < 0.15, np.nan, truth)
    baselines = load("_demo_baselines")

    def error(n_turns):
        rebuilt = baselines.PCARebuilder(2, n_turns=n_turns).fit(seen).reconstruct(seen)
        return np.abs(rebuilt - truth)[np.isnan(seen)].mean()

    assert error(300) < 0.02 < error(1)


def test_column_means_fill_with_the_mean_of_the_training_rows():
    model = load("_demo_baselines").column_means().fit(np.array([[1.0, 2], [3, 4]]))
    rebuilt = model.reconstruct(np.array([[np.nan, 9.0]]))
    np.testing.assert_allclose(rebuilt, [[2, 9]])


def test_mahalanobis_does_not_depend_on_units():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 3)) @ generator.normal(size=(3, 3))
    units = np.array([1e-4, 1.0, 1e6])
    distance = load("_demo_baselines").mahalanobis
    np.testing.assert_allclose(distance(X, X[:5]), distance(X * units, X[:5] * units))


def test_test_rows_are_not_trained_on():
    data = load("_demo_data")
    for source in data.sources(data.QUICK, None):
        rows = np.arange(len(source.data))[:, None] * np.ones((1, 2))
        target = source.target
        split = data.Source("", "", rows, target, source.in_time).split(3)
        train, test = split.train[:, 0], split.test[:, 0]
        assert not set(train) & set(test)
        assert len(train) + len(test) == len(rows)
        if source.in_time:
            assert train.max() < test.min()


def test_schedules_are_compared_at_equal_updates():
    experiments, data = load("_demo_experiments"), load("_demo_data")
    for found in experiments.updates(data.Settings().epochs).values():
        assert max(found) - min(found) <= 0.01 * max(found)


@pytest.fixture
def comparison():
    values = {
        "skdae, gradual": {"a": [0.3, 0.2], "b": [0.3, 0.2], "c": [0.3, 0.2]},
        "twin": {"a": [0.0, 0.0], "b": [0.0, 0.0], "c": [0.0, 0.0]},
        "rival": {"a": [0.4, 0.3], "b": [0.4, 0.1], "c": [0.2, 0.1]},
        "poor": {"a": [0.9, 0.9], "b": [0.9, 0.9]},
    }
    report = load("_demo_report")
    return report.Comparison("t", "error", False, values, variants=("twin",))


def test_verdicts(comparison):
    standing = {column: comparison.verdict(column) for column in "abc"}
    assert standing == {
        "a": ("ahead of", "rival"),
        "b": ("level with", "rival"),
        "c": ("behind", "rival"),
    }


def test_the_star_stands_at_the_best(comparison, capsys):
    load("_demo_report").print_comparison(comparison)
    lines = capsys.readouterr().out.splitlines()
    starred = [line.split()[0] for line in lines[2:6] if "*" in line]
    assert starred == ["twin"]
    assert next(line for line in lines if line.startswith("poor")).endswith("- ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("plot_*.py")), ids=lambda p: p.name
)
def test_gallery(path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    runpy.run_path(str(path))
    assert plt.get_fignums()
    plt.close("all")
