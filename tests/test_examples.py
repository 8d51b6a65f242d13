"""The demonstration runs and says what it should; baselines and reports are right."""

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
    assert text.splitlines()[-1] == str(out / "demo.png")
    assert (out / "demo.png").read_bytes().startswith(PNG)
    for left_out in ("tag (text with 90", "constant (always", "empty (empty)"):
        assert left_out in " ".join(text.split())
    assert "Predicting state" in text

    filled = pd.read_csv(out / "filled.csv")
    assert list(filled.columns) == ["level", "flow", "valve"]
    assert filled.notna().all().all()
    known = table["flow"].notna()
    np.testing.assert_allclose(filled["flow"][known], table["flow"][known])
    assert set(filled["valve"]) == {"open", "shut"}


@pytest.mark.parametrize(
    "options", [{"sep": ";", "decimal": ","}, {"sep": "\t"}, {"sep": ";"}]
)
def test_other_ways_to_write_a_table(tmp_path, table, options):
    path = tmp_path / "plant.csv"
    table.to_csv(path, index=False, **options)
    frame = load("_demo_csv").read_frame(path)
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
