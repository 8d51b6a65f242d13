"""The command line: what it writes is what the estimators say, and how it fails."""

import gzip
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdae
from skdae._core.monitor import Epoch
from skdae._files import read_table
from skdae.cli import main
from skdae.cli._app import COMMANDS, examples_of
from skdae.cli._apply import Part
from skdae.cli._fit import parse_settings
from skdae.cli._models import load, save
from skdae.cli._order import with_rows_around
from skdae.cli._progress import EpochBar, _EpochMonitor
from skdae.schedules import gradual
from skdae.timeseries import EWMA

N_ROWS = 90
SMALL = ("--set", "hidden_layer_sizes=(8, 4)", "--set", "max_iter=2")
INNER = ("--set", "transformer__hidden_layer_sizes=(8, 4)")
INNER += ("--set", "transformer__max_iter=2")


def plant():
    """A table with a time, a text, gaps and numbers as people write them."""
    generator = np.random.default_rng(0)
    load = generator.normal(size=N_ROWS)
    table = pd.DataFrame(
        {
            "time": [f"2024-05-01 {i // 60:02d}:{i % 60:02d}" for i in range(N_ROWS)],
            "flow": (10 + load).round(3),
            "pressure": (100 + 3 * load + generator.normal(size=N_ROWS)).round(2),
            "speed": (1000 + 20 * load).round().astype(int),
            "unit": np.where(load > 0, "pump A", "pump B"),
            "grade": np.where(load > 0.5, "good", "poor"),
            "yield": (50 + 5 * load).round(1),
        }
    )
    table.loc[::7, "pressure"] = np.nan
    table.loc[::11, "unit"] = None
    return table


FEATURES = ["flow", "pressure", "speed", "unit"]
FITS = {
    "transformer": ("--drop", "grade", "--drop", "yield", *SMALL),
    "detector": ("--drop", "grade", "--drop", "yield", *INNER),
    "imputer": ("--drop", "grade", "--drop", "yield", *INNER),
    "denoiser": ("--drop", "grade", "--drop", "yield", *INNER),
    "classifier": ("--target", "grade", "--drop", "yield", "--set", "max_iter=4")
    + INNER,
    "regressor": ("--target", "yield", "--drop", "grade", "--set", "max_iter=4")
    + INNER,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table in several ways of writing it, and a model of each kind."""
    path = tmp_path_factory.mktemp("plant")
    table = plant()
    table.to_csv(path / "plant.csv", index=False)
    table.to_csv(path / "comma.csv", index=False, sep=";", decimal=",", na_rep="n/a")
    table.to_parquet(path / "plant.parquet")
    for kind, options in FITS.items():
        data, model = str(path / "plant.csv"), str(path / f"{kind}.model")
        code = main(["fit", data, "-o", model, "--kind", kind, *options, "--quiet"])
        assert code == 0, kind
    return path


@pytest.fixture
def run(folder, capfdbinary, monkeypatch):
    """Run a command in the folder; return exit code, output and messages."""
    monkeypatch.chdir(folder)

    def call(*words, stdin=b""):
        class Stdin:
            buffer = io.BytesIO(stdin)

        monkeypatch.setattr(sys, "stdin", Stdin)
        code = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        assert b"Traceback" not in err or "--debug" in words
        return code, out.decode(), err.decode()

    return call


def estimator(folder, kind):
    """The estimator in a model file."""
    return load(str(folder / f"{kind}.model")).estimator


def features():
    """The columns that the models know, as read from the CSV."""
    table = plant()[FEATURES]
    return table.astype({"speed": float, "unit": object})


def read_csv(text):
    """Written cells as numbers, exactly, or as text."""
    cells = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    columns = {}
    for name in cells:
        try:
            columns[name] = [float(cell or "nan") for cell in cells[name]]
        except ValueError:
            columns[name] = cells[name].astype(object)
    return pd.DataFrame(columns)


# --- results are those of the estimators ---------------------------------------------


@pytest.mark.parametrize("kind", ["transformer", "classifier", "regressor"])
def test_transform_is_the_estimators(run, folder, kind):
    code, out, err = run("transform", f"{kind}.model", "plant.csv")
    assert (code, err) == (0, "")
    expected = estimator(folder, kind).transform(features())
    pd.testing.assert_frame_equal(read_csv(out), expected)


@pytest.mark.parametrize("kind", ["transformer", "denoiser"])
def test_reconstruct_is_the_estimators(run, folder, kind):
    code, out, _ = run("reconstruct", f"{kind}.model", "plant.csv")
    model = estimator(folder, kind)
    denoise = model.reconstruct if kind == "transformer" else model.transform
    expected = denoise(features())
    assert code == 0
    pd.testing.assert_frame_equal(read_csv(out), expected, check_dtype=False)


def test_score_of_a_detector(run, folder):
    code, out, _ = run("score", "detector.model", "plant.csv", "--top", "2")
    detector, X = estimator(folder, "detector"), features()
    scores = read_csv(out)
    assert code == 0
    np.testing.assert_allclose(scores["anomaly_score"], -detector.score_samples(X))
    np.testing.assert_array_equal(scores["alarm"] == 1, detector.predict(X) == -1)
    assert (scores["threshold"] == -detector.offset_).all()
    parts = detector.contributions(X, as_frame=True)
    assert scores["sensor_1"].tolist() == parts.idxmax(axis=1).tolist()
    assert (scores["share_1"] >= scores["share_2"]).all()
    assert (scores["share_1"] + scores["share_2"]).max() <= 1 + 1e-9
    assert "sensor_3" not in scores


def test_episodes_of_alarms(run, folder):
    """Rows next to each other are one line, with time and sensor; in chunks as well."""
    table = plant()
    table.loc[10:14, "flow"] = 1e4
    table.loc[40:40, "pressure"] = -1e4
    table.to_csv(folder / "faulty.csv", index=False)
    _, rows, _ = run("score", "detector.model", "faulty.csv")
    alarms = read_csv(rows)["alarm"].to_numpy()
    options = ("--events", "--keep", "--chunk-rows")
    for size in (1000, 12):
        code, out, _ = run("score", "detector.model", "faulty.csv", *options, size)
        assert code == 0
        found = read_csv(out)
        spans = found[["first_row", "last_row"]].to_numpy(dtype=int) - [1, 0]
        covered = np.zeros(len(alarms), dtype=int)
        for a, b in spans:
            covered[a:b] = 1
        np.testing.assert_array_equal(covered, alarms)
        assert (found["rows"] == found["last_row"] - found["first_row"] + 1).all()
        first = table["time"][found["first_row"] - 1].tolist()
        assert found["first_time"].tolist() == first
        own = found[(found["first_row"] <= 11) & (found["last_row"] >= 15)]
        assert own["sensor"].tolist() == ["flow"]
    calm = table[60:70].to_csv(index=False).encode()
    _, out, _ = run("score", "detector.model", "-", "--events", stdin=calm)
    assert out.startswith("first_row,last_row,rows,highest_score,sensor")
    code, _, err = run("score", "transformer.model", "faulty.csv", "--events")
    assert code != 0
    assert "--events needs alarms" in err


def test_an_alarm_is_a_score_above_the_threshold(run):
    anomalous = plant().assign(flow=1e4).to_csv(index=False).encode()
    _, out, _ = run("score", "detector.model", "-", stdin=anomalous)
    scores = read_csv(out)
    assert scores["alarm"].all()
    assert (scores["anomaly_score"] > scores["threshold"]).all()
    assert (scores["sensor_1"] == "flow").all()


def test_score_of_the_others(run, folder):
    X = features()
    _, out, _ = run("score", "classifier.model", "plant.csv")
    model, found = estimator(folder, "classifier"), read_csv(out)
    assert found["prediction"].tolist() == model.predict(X).tolist()
    np.testing.assert_array_equal(
        found[["probability_good", "probability_poor"]], model.predict_proba(X)
    )
    _, out, _ = run("score", "regressor.model", "plant.csv")
    model = estimator(folder, "regressor")
    np.testing.assert_array_equal(read_csv(out)["prediction"], model.predict(X))
    _, out, _ = run("score", "transformer.model", "plant.csv")
    errors = -estimator(folder, "transformer").score_samples(X)
    np.testing.assert_array_equal(read_csv(out)["reconstruction_error"], errors)


@pytest.mark.parametrize("kind", ["imputer", "transformer"])
@pytest.mark.parametrize("name", ["plant.csv", "comma.csv"])
def test_impute_changes_nothing_but_missing_cells(run, folder, kind, name):
    code, out, _ = run("impute", f"{kind}.model", name)
    options = {"sep": ";"} if name == "comma.csv" else {}
    text = {"dtype": str, "keep_default_na": False, **options}
    before = pd.read_csv(folder / name, **text)
    after = pd.read_csv(io.StringIO(out), **text)
    gaps = plant().isna().to_numpy()
    assert code == 0
    assert list(after.columns) == list(before.columns)
    assert (after.to_numpy()[~gaps] == before.to_numpy()[~gaps]).all()
    model = estimator(folder, kind)
    fill = model.transform if kind == "imputer" else model.reconstruct
    expected = fill(features())
    for column in ("pressure", "unit"):
        gap = plant()[column].isna()
        found = after[column][gap].str.replace(",", ".")
        if column == "pressure":
            found = found.astype(float)
        assert found.tolist() == expected[column][gap].tolist()


# --- in pieces, in other orders, in other files --------------------------------------

APPLY = [
    ("transform", "transformer"),
    ("reconstruct", "transformer"),
    ("impute", "imputer"),
    ("score", "detector"),
    ("score", "classifier"),
]


def assert_alike(one, other):
    """The same table, up to the last digits."""
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("command", "kind"), APPLY)
def test_chunks_give_what_the_whole_gives(run, command, kind):
    _, whole, _ = run(command, f"{kind}.model", "plant.csv")
    for rows in (23, 1) if kind == "transformer" else (23,):
        code, out, _ = run(command, f"{kind}.model", "plant.csv", "--chunk-rows", rows)
        assert code == 0
        assert_alike(read_csv(out), read_csv(whole))


@pytest.mark.parametrize(("command", "kind"), APPLY)
def test_all_ways_in_and_out_give_the_same(run, folder, command, kind):
    _, out, _ = run(command, f"{kind}.model", "plant.csv")
    expected = read_csv(out)
    content = (folder / "plant.csv").read_bytes()
    _, piped, _ = run(command, f"{kind}.model", "-", stdin=content)
    assert piped == out
    for data, target in (
        ("plant.parquet", "out.csv"),
        ("plant.csv", "out.csv.gz"),
        ("plant.csv", "out.parquet"),
        ("plant.parquet", "out.parquet"),
    ):
        code, printed, err = run(
            *(command, f"{kind}.model", data, "-o", target, "-f", "--chunk-rows", 50)
        )
        assert (code, printed) == (0, "")
        assert f"{N_ROWS} rows written to {target}" in err
        found = read_table(target)
        assert list(found.columns) == list(expected.columns)
        for name in expected:
            if pd.api.types.is_numeric_dtype(expected[name]):
                np.testing.assert_allclose(
                    found[name].astype(float), expected[name], rtol=1e-5, atol=1e-6
                )
            else:
                assert found[name].fillna("").tolist() == expected[name].tolist()


def test_a_decimal_comma_comes_back(run):
    _, out, _ = run("transform", "transformer.model", "comma.csv")
    _, plain, _ = run("transform", "transformer.model", "plant.csv")
    assert out == plain.replace(",", ";").replace(".", ",")


def test_columns_are_found_by_name(run):
    _, expected, _ = run("transform", "transformer.model", "plant.csv")
    other = plant().iloc[:, ::-1].to_csv(index=False).encode()
    code, out, _ = run("transform", "transformer.model", "-", stdin=other)
    assert code == 0
    assert out == expected


def test_keep(run):
    _, out, _ = run("transform", "transformer.model", "plant.csv", "--keep")
    found = read_csv(out)
    assert list(found.columns[:3]) == ["time", "grade", "yield"]
    assert found["time"].tolist() == plant()["time"].tolist()
    _, out, _ = run("reconstruct", "transformer.model", "plant.csv", "--keep")
    assert list(read_csv(out).columns) == list(plant().columns)
    twice = plant().rename(columns={"yield": "alarm"}).to_csv(index=False).encode()
    code, _, err = run("score", "detector.model", "-", "--keep", stdin=twice)
    assert code == 1
    assert "'alarm' has the name of a result" in err


def test_parquet_keeps_its_types(run, folder):
    table = plant()
    table["open"] = [True, False, None] * 30
    table["count"] = pd.array([1, None, 3] * 30, dtype="Int64")
    table["when"] = pd.date_range("2024-01-01", periods=N_ROWS)
    table.to_parquet(folder / "typed.parquet")
    code, _, _ = run(
        *("impute", "imputer.model", "typed.parquet", "-o", "typed_out.parquet", "-f"),
        *("--chunk-rows", 40),
    )
    assert code == 0
    before = parquet.read_table(folder / "typed.parquet")
    after = parquet.read_table(folder / "typed_out.parquet")
    for name in ("open", "count", "when"):
        assert after[name].equals(before[name])
    found = after.to_pandas()
    assert found["flow"].tolist() == table["flow"].tolist()
    assert found[["pressure", "unit"]].notna().all().all()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_model_knows_the_markers_of_its_table(run, folder, kind):
    """What --missing names in fit counts as missing in later tables."""
    table = plant()[["flow", "pressure", "speed"]]
    table.to_csv(folder / "holes.csv", index=False)
    marked, name = table.fillna(-999), f"marked.{kind}"
    getattr(marked, f"to_{kind}")(folder / name, index=False)
    marked.to_csv(folder / "learned.csv", index=False)
    words = ("fit", "learned.csv", "-o", "marked.model", "-f", *SMALL)
    assert run(*words, "--missing", "-999")[0] == 0
    code, out, err = run("score", "marked.model", name)
    assert (code, err) == (0, "")
    assert out == run("score", "marked.model", "holes.csv")[1]
    assert "-999" in run("info", "marked.model")[1]
    _, _, err = run("score", "marked.model", name, "--missing", "-1")
    assert "--missing '-1' does not occur" in err
    assert "-999" not in err


def test_whole_numbers_stay_whole_where_nothing_is_missing(run, folder):
    table = plant().drop(columns=["time", "grade", "yield"])
    table["count"] = 2**53 + 1 + np.arange(N_ROWS)  # no float holds these
    table["short"] = pd.array(np.arange(N_ROWS) % 7, dtype="int16")
    table["stops"] = pd.array([1, 2, None] * 30, dtype="Int64")
    table.to_csv(folder / "whole.csv", index=False)
    table.to_parquet(folder / "whole.parquet")
    words = ("fit", "whole.csv", "-o", "whole.model", "-k", "imputer", "-f", *INNER)
    assert run(*words, "--use", "count")[0] == 0
    for data, types in (("whole.csv", "int64"), ("whole.parquet", "int16")):
        out = ("-o", "whole_out.parquet", "-f", "--chunk-rows", 40)
        assert run("impute", "whole.model", data, *out)[0] == 0
        found = parquet.read_table(folder / "whole_out.parquet")
        assert str(found["short"].type) == types
        assert str(found["speed"].type) == "int64"
        assert str(found["stops"].type) == "double"  # fills may be fractions
        for name in ("speed", "count", "short"):
            assert found[name].to_pylist() == table[name].tolist()
        filled = found["stops"].to_pandas()
        assert filled.notna().all()
        assert filled[table["stops"].notna()].tolist() == [1, 2] * 30
    for data in ("whole.csv", "whole.parquet"):
        code, out, _ = run("impute", "whole.model", data)
        cells = pd.read_csv(io.StringIO(out), dtype=str)
        for name in ("speed", "count", "short"):
            assert cells[name].tolist() == table[name].astype(str).tolist()
        assert cells["stops"][:2].tolist() == ["1", "2"]


def test_truth_values_stay_truth_values(run, folder):
    table = plant().drop(columns=["time", "grade", "yield"])
    table["open"] = [True, False, None] * 30
    table["on"] = [True, False] * 45
    table.to_parquet(folder / "truth.parquet")
    words = ("fit", "truth.parquet", "-o", "truth.model", "-k", "imputer", "-f", *INNER)
    assert run(*words)[0] == 0
    out = ("-o", "truth_out.parquet", "-f", "--chunk-rows", 40)
    assert run("impute", "truth.model", "truth.parquet", *out)[0] == 0
    found = parquet.read_table(folder / "truth_out.parquet")
    for name in ("open", "on"):
        assert str(found[name].type) == "bool"
        filled, before = found[name].to_pylist(), table[name].tolist()
        assert all(b is None or a is b for a, b in zip(filled, before, strict=True))
        assert None not in filled


def test_a_gap_in_a_late_chunk_is_seen_before_the_first_is_written(run, folder):
    table = plant().assign(speed=plant()["speed"].astype("Int64"))
    table.loc[N_ROWS - 1, "speed"] = pd.NA
    for data in ("late.csv", "late.parquet"):
        write = table.to_parquet if data.endswith("parquet") else table.to_csv
        write(folder / data, index=False)
        out = ("-o", "late_out.parquet", "-f", "--chunk-rows", 20)
        assert run("impute", "imputer.model", data, *out)[0] == 0
        found = parquet.read_table(folder / "late_out.parquet")["speed"]
        assert str(found.type) == "double"
        assert found.to_pylist()[:-1] == table["speed"].tolist()[:-1]


def test_draws_go_on_from_chunk_to_chunk(run, folder):
    table = plant()[["flow", "pressure", "speed"]]
    table = pd.concat([table.assign(pressure=np.nan)[:30]] * 3, ignore_index=True)
    table.loc[::2, "flow"] = plant()["flow"][::2].to_numpy()[: len(table.loc[::2])]
    table.to_csv(folder / "drawn.csv", index=False)
    plant()[["flow", "pressure", "speed"]].to_csv(folder / "known.csv", index=False)
    fit = ("fit", "known.csv", "-o", "drawn.model", "-k", "imputer", "-f", *INNER)
    assert run(*fit, "--set", "sample_posterior=True")[0] == 0
    _, whole, _ = run("impute", "drawn.model", "drawn.csv")
    expected = estimator(folder, "drawn").transform(read_csv(table.to_csv(index=False)))
    assert_alike(read_csv(whole), expected)
    again = read_csv(run("impute", "drawn.model", "drawn.csv")[1])
    assert again.equals(read_csv(whole))
    for rows in (30, 7):
        _, out, _ = run("impute", "drawn.model", "drawn.csv", "--chunk-rows", rows)
        assert_alike(read_csv(out), read_csv(whole))
    # the rows 1, 31 and 61 are the same and in three chunks
    same = read_csv(out)["pressure"][[1, 31, 61]]
    assert same.nunique() == 3


def test_a_column_without_a_value_is_noted(run, folder):
    """A sensor that is silent in all of a table, not in some of its chunks."""
    table = plant()
    table["flow"] = np.nan
    table.loc[5:, "pressure"] = np.nan
    table.to_csv(folder / "silent.csv", index=False)
    _, _, err = run("score", "detector.model", "silent.csv", "--chunk-rows", 30)
    (note,) = err.splitlines()
    assert "no value stands in the columns 'flow', which the model" in note


def in_time(n_rows=240):
    """Sensors that drift together, with outages of one of them."""
    generator = np.random.default_rng(0)
    drift = np.cumsum(generator.normal(size=(n_rows, 2)), axis=0)
    X = drift @ generator.normal(size=(2, 3)) + generator.normal(size=(n_rows, 3))
    return pd.DataFrame(X.round(4), columns=["a", "b", "c"])


@pytest.mark.parametrize("kind", ["detector", "imputer"])
def test_times_that_decrease_are_noticed(run, folder, kind):
    hours = pd.date_range("2024-05-01", periods=len(in_time()), freq="h")
    table = in_time().assign(hour=hours.strftime("%d.%m.%Y %H:%M"))
    table.to_csv(folder / "hours.csv", index=False)
    words = ("fit", "hours.csv", "-o", "hours.model", "-k", kind, "-f", *INNER)
    code, _, err = run(*words, "--set", "order=time" if kind == "imputer" else "lags=2")
    assert code == 0
    assert "decrease" not in err
    command = "impute" if kind == "imputer" else "score"
    assert run(command, "hours.model", "hours.csv")[2] == ""
    table[::-1].to_csv(folder / "newest.csv", index=False)
    for rows in (160, 50):
        _, _, err = run(command, "hours.model", "newest.csv", "--chunk-rows", rows)
        assert "'hour' decrease after row 1, and the model reads rows in" in err


def fleet():
    """Two units whose rows alternate, with times that leave out some, in no order."""
    hours = np.delete(np.arange(130), [40, 41, 42, 90])
    table = pd.concat([in_time(130).iloc[hours].assign(unit=u) for u in "xy"])
    table.loc[table["unit"] == "y", ["a", "b", "c"]] *= -1
    start = pd.Timestamp("2024-05-01")
    table["hour"] = [start + pd.Timedelta(hours=int(h)) for h in np.tile(hours, 2)]
    table = table.sort_values(["hour", "unit"]).reset_index(drop=True)
    table.loc[20:27, "a"] = table.loc[[60, 81, 82, 83], "b"] = np.nan
    return table.assign(hour=table["hour"].dt.strftime("%Y-%m-%d %H:%M"))


SORTED = {"imputer": "impute", "denoiser": "reconstruct"}


@pytest.mark.parametrize("kind", SORTED)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_are_sorted_by_time_and_kept_apart_by_group(run, folder, kind, suffix):
    """Whatever their order in the file, in which they are written."""
    table = fleet()
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    shuffled.to_csv(folder / "fleet.csv", index=False)
    shuffled.to_parquet(folder / "fleet.parquet")
    data, output = f"fleet.{suffix}", f"fleet_out.{suffix}"
    roles = ("--time", "hour", "--groups", "unit")
    fit = ("fit", data, "-o", "fleet.model", "-k", kind, "-f", *INNER, *roles)
    code, _, err = run(*fit)
    assert code == 0, err
    assert "decrease" not in err
    words = (SORTED[kind], "fleet.model", data, "-o", output, "-f", "--chunk-rows", 7)
    assert run(*words)[0] == 0
    found = pd.read_csv(folder / output) if suffix == "csv" else pd.read_parquet(output)
    model = load(str(folder / "fleet.model")).estimator
    assert model.order == "time"
    X = table[["a", "b", "c"]].set_axis(pd.to_datetime(table["hour"]), axis=0)
    fitted = clone(model).set_output(transform="pandas").fit(X, groups=table["unit"])
    expected = fitted.transform(X, groups=table["unit"]).reset_index(drop=True)
    places = table.reset_index().merge(shuffled[["hour", "unit"]], on=["hour", "unit"])
    order = shuffled.merge(places, on=["hour", "unit"])["index"].to_numpy()
    assert_alike(found[["a", "b", "c"]], expected.iloc[order].reset_index(drop=True))


@pytest.mark.parametrize("kind", SORTED)
def test_times_decrease_only_within_the_group_of_rows_in_their_order(run, folder, kind):
    """And not at all where rows are sorted by another column."""
    stacked = fleet().sort_values(["unit", "hour"])
    stacked.to_csv(folder / "fleet.csv", index=False)
    fit = ("fit", "fleet.csv", "-o", "fleet.model", "-k", kind, "-f", *INNER)
    code, _, err = run(*fit, "--groups", "unit", "--set", "order=time")
    assert code == 0, err
    assert "decrease" not in err
    words = (SORTED[kind], "fleet.model", "fleet.csv")
    assert run(*words)[2] == ""
    hours = stacked["hour"].tolist()
    hours[130], hours[131] = hours[131], hours[130]
    stacked.assign(hour=hours).to_csv(folder / "fleet.csv", index=False)
    assert "'hour' decrease after row 131" in run(*words)[2]
    stacked.assign(service=hours[::-1]).to_csv(folder / "fleet.csv", index=False)
    code, _, err = run(*fit, "--groups", "unit", "--time", "hour")
    assert code == 0, err
    assert "decrease" not in err
    assert run(*words)[2] == ""


@pytest.mark.parametrize("kind", SORTED)
def test_rows_without_a_group_are_refused_later_too(run, folder, kind):
    fleet().to_csv(folder / "fleet.csv", index=False)
    fit = ("fit", "fleet.csv", "-o", "fleet.model", "-k", kind, "-f", *INNER)
    assert run(*fit, "--groups", "unit", "--time", "hour")[0] == 0
    gone = fleet().assign(unit=[None, None, *fleet()["unit"][2:]])
    gone.to_csv(folder / "fleet.csv", index=False)
    code, _, err = run(SORTED[kind], "fleet.model", "fleet.csv")
    assert code == 1
    assert "group of each row, and 2 cells are missing" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-k", "detector", "--time", "hour"), "takes none; omit it"),
        (("-k", "imputer", "--time", "hours"), "--time 'hours': the table has no such"),
        (("-k", "imputer", "--time", "unit"), "'unit' must hold numbers or times"),
        (("-k", "imputer", "--groups", "a"), "'a' must name the group of each row"),
        (("-k", "imputer", "--groups", "a", "--drop", "a"), "must name different"),
    ],
)
def test_times_and_groups_that_cannot_be_read(run, folder, words, said):
    fleet().to_csv(folder / "fleet.csv", index=False)
    code, _, err = run("fit", "fleet.csv", "-o", "refused.model", *words)
    assert code in (1, 2)
    assert said in " ".join(err.replace("│", " ").split())


def test_a_table_without_the_column_of_times_is_refused(run, folder):
    fleet().to_csv(folder / "fleet.csv", index=False)
    fit = ("fit", "fleet.csv", "-o", "timed.model", "-k", "imputer", "-f", *INNER)
    assert run(*fit, "--time", "hour")[0] == 0
    fleet().drop(columns="hour").to_csv(folder / "untimed.csv", index=False)
    code, _, err = run("impute", "timed.model", "untimed.csv")
    assert code == 1
    assert "missing that the model was fitted on: 'hour'" in err


ORDERED = {
    "imputed from the rows around": ("impute", "imputer", "order='time'"),
    "denoised with the rows around": ("reconstruct", "denoiser", "order='time'"),
    "scored with the rows before": ("score", "detector", "lags=2"),
    "smoothed": ("score", "detector", "lags=1"),
}


@pytest.mark.parametrize("case", ORDERED)
def test_rows_in_time_order_do_not_depend_on_the_chunks(run, folder, case, monkeypatch):
    monkeypatch.setattr("skdae.timeseries._around.GAP_ROWS", 60)
    command, kind, *settings = ORDERED[case]
    in_time().to_csv(folder / "hours.csv", index=False)
    options = [word for each in settings for word in ("--set", each)]
    fit = ("fit", "hours.csv", "-o", "hours.model", "-k", kind, "-f", *INNER, *options)
    assert run(*fit)[0] == 0
    model = load(str(folder / "hours.model"))
    if case == "smoothed":
        smoothed = {"smoothing": EWMA(0.3), "false_alarm_rate": 0.2}
        model.estimator.set_params(**smoothed).fit(in_time())
        save(model, str(folder / "hours.model"), force=True)
    table = in_time()
    table.loc[57:62, "a"] = table.loc[[119, 120, 180], "b"] = np.nan
    table.to_csv(folder / "hours.csv", index=False)
    whole = read_csv(run(command, "hours.model", "hours.csv")[1])
    for rows in (1, 30):
        _, out, _ = run(command, "hours.model", "hours.csv", "--chunk-rows", rows)
        assert_alike(read_csv(out), whole)
    if command != "score":
        assert_alike(whole, model.estimator.transform(table))
    else:
        assert (whole["alarm"] == (model.estimator.predict(table) == -1)).all()


@pytest.mark.parametrize(
    ("before", "after"), [(0, 0), (3, 0), (0, 2), (5, 4), (99, 99)]
)
@pytest.mark.parametrize("sizes", [[1] * 9, [4, 3, 2], [9]])
def test_margins_are_the_rows_around(before, after, sizes):
    starts = np.cumsum([0, *sizes])
    chunks = [range(a, b) for a, b in pairwise(starts)]
    parts = (Part(c, pd.DataFrame({"row": c}), slice(len(c))) for c in chunks)
    found = list(with_rows_around(parts, before, after))
    assert [part.chunk for part in found] == chunks
    for part in found:
        first, last = part.chunk[0], part.chunk[-1]
        around = range(max(first - before, 0), min(last + after + 1, 9))
        assert part.X["row"].tolist() == list(around)
        assert part.X["row"][part.rows].tolist() == list(part.chunk)


# --- fit -----------------------------------------------------------------------------


def test_fit_is_the_estimators(folder):
    from skdae import GradualDAETransformer

    expected = GradualDAETransformer(
        (8, 4), max_iter=2, categorical_features=["unit"], random_state=0
    ).fit(features())
    found = estimator(folder, "transformer")
    for one, other in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same_model(run, folder):
    options = ("--drop", "grade", "--drop", "yield", *SMALL, "--seed", 3, "-f")
    first = None
    for _ in range(2):
        code, _, err = run("fit", "plant.csv", "-o", "again.model", *options)
        assert code == 0
        weights = estimator(folder, "again").coefs_[0]
        first = weights if first is None else first
        np.testing.assert_array_equal(weights, first)
    assert "left out: time (dates or times)" in err
    assert "again.model" in err
    assert (estimator(folder, "transformer").coefs_[0] != first).any()


def test_columns_that_are_left_out_and_taken_in(run, folder):
    table = plant().assign(row=range(N_ROWS), nothing=np.nan, same=1.0)
    table["name"] = [f"sample {i}" for i in range(N_ROWS)]
    table.to_csv(folder / "wide.csv", index=False)
    code, _, err = run("fit", "wide.csv", "-o", "wide.model", *SMALL, "-f")
    model = load(str(folder / "wide.model"))
    assert code == 0
    assert set(model.left_out) == {"time", "row", "nothing", "name"}
    for name in model.left_out:
        assert name in err
    run("fit", "wide.csv", "-o", "wide.model", *SMALL, "-f", "--use", "row")
    model = load(str(folder / "wide.model"))
    assert "row" in model.names


def test_rows_without_a_target_are_learned_from(run, folder):
    table = plant()
    table.loc[:60, "grade"] = None
    table["class"] = np.where(np.arange(N_ROWS) < 50, np.nan, np.arange(N_ROWS) % 3)
    table.to_csv(folder / "few.csv", index=False)
    for target, classes in (("grade", ["good", "poor"]), ("class", [0, 1, 2])):
        code, _, _ = run(
            *("fit", "few.csv", "-o", "few.model", "-k", "classifier", "-f"),
            *("--target", target, *INNER, "--set", "max_iter=4"),
        )
        assert code == 0
        assert estimator(folder, "few").classes_.tolist() == classes


def test_numbers_as_categories(run):
    code, _, _ = run(
        *("fit", "plant.csv", "-o", "codes.model", "-f", *SMALL, "--drop", "grade"),
        *("--set", "categorical_features=['unit', 'speed']"),
    )
    assert code == 0
    code, out, _ = run("reconstruct", "codes.model", "plant.csv")
    assert code == 0
    assert set(read_csv(out)["speed"]) <= set(plant()["speed"])


class Terminal(io.StringIO):
    """A terminal that remembers what was shown."""

    def isatty(self):
        return True


@pytest.mark.parametrize("kind", FITS)
def test_a_terminal_shows_the_epochs_of_each_phase(folder, kind, monkeypatch):
    shown = []
    show = EpochBar.show

    def spy(self, words, n_epochs):
        shown.append((words, n_epochs))
        show(self, words, n_epochs)

    monkeypatch.setattr(EpochBar, "show", spy)
    monkeypatch.setattr(sys, "stderr", Terminal())
    data, model = str(folder / "plant.csv"), str(folder / "shown.model")
    assert main(["fit", data, "-o", model, "-f", "-k", kind, *FITS[kind]]) == 0
    # the last state of the bar, whole in a terminal of 80 letters
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sys.stderr.getvalue())
    assert re.search(r"network \d+, phase 2/2 .* (\d+)/\1 epochs", text)
    first = [words for words, _ in shown if "network 1," in words]
    assert "network 1, phase 1/2 (gradual)" in first
    assert re.search(r"phase 2/2 \(\w+\), loss \d", first[-1])
    n_networks = {re.search(r"network \d+", words)[0] for words, _ in shown}
    for name in n_networks:
        counts = [n for words, n in shown if f"{name}," in words and "loss" in words]
        assert counts == list(range(1, len(counts) + 1))


def test_the_bar_counts_the_epochs_that_a_phase_has_passed_on():
    shown = []

    class Bar:
        def show(self, words, n_epochs):
            shown.append(n_epochs)

    plan = gradual(2, 20, epoch_allocation="auto")
    monitor = _EpochMonitor(Bar(), plan, "network 1")
    for number, n_epochs in enumerate((3, 17)):
        monitor.phase_begin(number, replace(plan[number], epochs=max(10, n_epochs)))
        for i in range(n_epochs):
            monitor.epoch_end(Epoch(number, i, 0.1), lambda: None)
    assert shown == [*range(4), *range(3, 21)]


def test_where_there_is_no_terminal_no_epochs_are_shown(run):
    words = ("fit", "plant.csv", "-o", "dumb.model", "-f", *FITS["transformer"])
    _, out, err = run(*words)
    assert out == ""
    assert "epochs" not in err
    assert err.count("\n") == 2  # what was left out, what was written


def test_settings():
    found = parse_settings(["a=1", "b=(64, 16)", "c=stacked", "d=None", "e='x=y'"])
    assert found == {"a": 1, "b": (64, 16), "c": "stacked", "d": None, "e": "x=y"}


# --- info ----------------------------------------------------------------------------


def test_info_of_models(run, folder):
    for kind in FITS:
        code, out, _ = run("info", f"{kind}.model")
        assert code == 0
        assert kind in out
        for word in (*FEATURES, f"{N_ROWS} rows", "scikit-learn", "bytes"):
            assert word in out
    _, out, _ = run("info", "transformer.model")
    for word in ("gradual", " - 8 - 4 (", "Phases", "max_iter=2"):
        assert word in out


def test_info_of_files_that_python_has_saved(run, folder):
    rows = pd.DataFrame(np.eye(9)[:, :3], columns=["temp", "flow", "level"])
    estimator = skdae.GradualDAETransformer((2,), max_iter=3, random_state=0).fit(rows)
    skdae.save(estimator, folder / "t.skdae", metadata={"line": 3})
    skdae.save(make_pipeline(StandardScaler(), estimator), folder / "p.skdae")
    code, out, _ = run("info", "t.skdae")
    assert code == 0
    shown = ("GradualDAETransformer", "'temp', 'flow'", "max_iter=3", '{"line": 3}')
    assert all(each in out for each in (*shown, "gradual"))
    code, out, _ = run("info", "p.skdae")
    assert code == 0
    assert "Pipeline" in out


def test_info_of_tables(run, folder):
    for name in ("plant.csv", "plant.parquet", "comma.csv"):
        code, out, _ = run("info", name)
        assert code == 0
        for word in (f"{N_ROWS}", "date time", "numeric", "pump B", "missing cells"):
            assert word in out
    _, out, _ = run("info", "comma.csv")
    assert "semicolon, decimal comma" in out
    _, out, err = run("info", "-", stdin=b"id,a,b\n1,,x\n2,,x\n3,,x\n")
    for word in ("like an id", "constant", "empty"):
        assert word in out
    assert "no value" in err


def test_info_grades_sensors(run, folder):
    """With verdict and reason, in the order of the time stamps."""
    table = plant()
    table.loc[50:80, "flow"] = 10.0
    table["copy"] = 2 * table["yield"] + 1
    time = pd.to_datetime(table["time"])
    time[40:] += pd.Timedelta("2h")
    table["time"] = time.dt.strftime("%Y-%m-%d %H:%M")
    for rows in (table, table.iloc[np.random.default_rng(0).permutation(len(table))]):
        rows.to_csv(folder / "graded.csv", index=False)
        _, out, _ = run("info", "graded.csv")
        words = " ".join(out.split())
        for word in ("verdict", "check: stuck", "duplicate of yield", "1 too long"):
            assert all(part in words for part in word.split()), word


# --- how it fails --------------------------------------------------------------------

T, P = "transformer.model", "plant.csv"
FAILURES = {
    "no table": (("info", "plnt.csv"), "did you mean 'plant.csv'?"),
    "no model": (("transform", "no.model", P), "make a model with skdae fit"),
    "a table as model": (("transform", P, P), "is not a model"),
    "another joblib file": (("transform", "other.model", P), "is not a model of skdae"),
    "a pickle as table": (("info", "other.model"), "another pickle"),
    "a broken model": (("transform", "broken.model", P), "is damaged: its checksum"),
    "a table is short": (("fit", "short.csv", "-o", "n"), "at least 20 are needed"),
    "ragged": (("info", "ragged.csv"), "line 3: has 1 cell and must have 2"),
    "columns lack": (("score", T, "short.csv"), "'flow', 'pressure', 'speed'"),
    "no rows": (("score", T, "header.csv"), "has no rows"),
    "text in numbers": (("score", T, "text.csv"), "line 12: the column 'flow'"),
    "cannot": (("transform", "detector.model", P), "it can score"),
    "cannot either": (("score", "imputer.model", P), "it can impute"),
    "output is there": (("transform", T, P, "-o", P), "--force"),
    "output is no CSV": (("score", T, P, "-o", "o.xlsx"), "must be CSV or Parquet"),
    "nothing varies": (("fit", "same.csv", "-o", "n"), "at least one column to learn"),
    "output in no folder": (("transform", T, P, "-o", "no/o.csv"), "no folder"),
    "output is a folder": (("transform", T, P, "-o", "."), "is a folder"),
    "a wrong parameter": (
        ("fit", P, "-o", "n", "--set", "max_itr=3"),
        "no parameter 'max_itr'; did you mean 'max_iter'",
    ),
    "a parameter inside": (
        ("fit", P, "-o", "n", "-k", "detector", "--set", "max_iter=3"),
        "did you mean 'transformer__max_iter'?",
    ),
    "a wrong value": (("fit", P, "-o", "n", "--set", "max_iter=-1"), "max_iter"),
    "no value": (("fit", P, "-o", "n", "--set", "max_iter"), "NAME=VALUE"),
    "no literal": (("fit", P, "-o", "n", "--set", "max_iter=(1"), "no Python literal"),
    "a wrong drop": (("fit", P, "-o", "n", "--drop", "tme"), "did you mean 'time'?"),
    "drop and use": (
        ("fit", P, "-o", "n", "--drop", "time", "--use", "time"),
        "--drop and --use must name different columns, and both name 'time'",
    ),
    "dates": (
        ("fit", P, "-o", "n", "--use", "time"),
        "--use 'time' must name numbers or categories, and these are dates",
    ),
    "target and drop": (
        ("fit", P, "-o", "n", "-k", "regressor", "-t", "flow", "--drop", "flow"),
        "--target and --drop must name different columns",
    ),
    "a wrong target": (
        ("fit", P, "-o", "n", "-k", "regressor", "-t", "yied"),
        "did you mean 'yield'?",
    ),
    "a number as class": (
        ("fit", P, "-o", "n", "-k", "classifier", "-t", "flow"),
        "use --kind regressor",
    ),
    "a text as number": (
        ("fit", P, "-o", "n", "-k", "regressor", "-t", "unit"),
        "use --kind classifier",
    ),
    "a delimiter": (("info", P, "--delimiter", "dot"), "one character"),
    "a decimal": (("info", P, "--decimal", ";"), "must be '.' or ','"),
}
USAGE = {
    "no such command": ("fitt",),
    "no such option": ("fit", P, "--otput", "x"),
    "no output": ("fit", P),
    "no such kind": ("fit", P, "-o", "n", "--kind", "forest"),
    "no target": ("fit", P, "-o", "n", "--kind", "classifier"),
    "a model to stdout": ("fit", P, "-o", "-"),
    "no rows at a time": ("score", T, P, "--chunk-rows", "0"),
    "fewer sensors than none": ("score", T, P, "--top", "-1"),
    "a seed below 0": ("fit", P, "-o", "n", "--seed", "-1"),
}


@pytest.fixture(scope="module")
def broken_files(folder):
    """Files that cannot be used."""
    (folder / "short.csv").write_text("unit,b\n" + "A,1\n" * 5)
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n4,5\n")
    (folder / "header.csv").write_text(",".join(FEATURES) + "\n")
    (folder / "same.csv").write_text("a,b\n" + "1,2\n" * 30)
    text = plant().astype({"flow": object})
    text.loc[10, "flow"] = "broken"
    text.to_csv(folder / "text.csv", index=False)
    joblib.dump({"a": 1}, folder / "other.model")
    content = (folder / "transformer.model").read_bytes()
    (folder / "broken.model").write_bytes(content[:-1])


@pytest.mark.usefixtures("broken_files")
@pytest.mark.parametrize("case", FAILURES)
def test_what_cannot_be_used_ends_with_1_and_the_remedy(run, folder, case):
    words, said = FAILURES[case]
    before = sorted(os.listdir(folder))
    code, out, err = run(*words)
    assert code == 1
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ") or err.count("error: ") == 1
    assert said in err
    assert sorted(os.listdir(folder)) == before  # nothing half written


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_ends_with_2(run, case):
    code, out, err = run(*USAGE[case])
    assert code == 2
    assert out == ""
    assert "Usage" in err


@pytest.mark.usefixtures("broken_files")
def test_debug_shows_where(run):
    _, _, err = run("info", "ragged.csv", "--debug")
    assert "Traceback" in err
    assert "skdae" in err.split("Traceback")[1]


def test_ctrl_c_ends_with_130(run, monkeypatch, folder):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdae.cli._fit.save", interrupted)
    code, _, err = run("fit", "plant.csv", "-o", "never.model", *SMALL)
    assert code == 130
    assert "interrupted" in err
    assert not (folder / "never.model").exists()


def test_a_fault_of_ours_is_a_line_too(run, monkeypatch):
    def failing(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("skdae.cli._info.describe_table", failing)
    code, _, err = run("info", "plant.csv")
    assert (code, err) == (1, "error: ZeroDivisionError: oh (--debug shows where)\n")


def test_an_output_that_fails_leaves_what_was_there(run, folder):
    out = folder / "kept.csv"
    out.write_text("before")
    bad = plant().astype({"flow": object})
    bad.loc[80, "flow"] = "broken"
    words = ("transform", "transformer.model", "-", "-o", "kept.csv")
    rows = bad.to_csv(index=False).encode()
    code, _, _ = run(*words, "--force", "--chunk-rows", 10, stdin=rows)
    assert code == 1
    assert out.read_text() == "before"
    code, _, _ = run(*words, "--force", stdin=plant().to_csv(index=False).encode())
    assert code == 0
    assert out.read_text() != "before"


def test_warnings_are_notes_and_quiet_silences_them(run, folder):
    table = pd.concat([plant()[["flow", "pressure"]]] * 2, ignore_index=True)
    table["unit"] = "A"
    table.to_csv(folder / "plain.csv", index=False)
    words = ("fit", "plain.csv", "-o", "plain.model", "-f", "-k", "detector", *INNER)
    code, _, err = run(*words, "--set", "false_alarm_rate=0.001")
    assert code == 0
    assert "note: " in err
    assert "false_alarm_rate" in err
    code, _, err = run(*words, "--set", "false_alarm_rate=0.001", "--quiet")
    assert (code, err) == (0, "")


# --- help ----------------------------------------------------------------------------


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.__name__)
def test_help_is_whole_at_80_columns(folder, each):
    done = process(folder, each.__name__, "--help", COLUMNS="80")
    text = done.stdout.decode()
    assert "\u2026" not in text
    for choices in re.findall("<[^>]*", text):
        assert "\n" not in choices


def test_every_command_teaches(run):
    code, out, _ = run("--help")
    assert code == 0
    for each in COMMANDS:
        name = each.__name__
        assert name in out
        assert "skdae" in examples_of(each)[0]
        code, text, _ = run(name, "--help")
        assert code == 0
        flat = re.sub(r"[\s\u2502]+", " ", text)
        for example in examples_of(each):
            assert example in flat
    _, text, _ = run("fit", "--help")
    assert "runs no code" in " ".join(text.split())


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.__name__)
def test_examples_name_options_that_exist(run, each):
    _, text, _ = run(each.__name__, "--help")
    for example in examples_of(each):
        for option in re.findall(r" (--?[a-z][\w-]*)", example.split(" > ")[0]):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), option


def test_without_typer_the_extra_is_named(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("skdae.cli._")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "typer", None)
    assert main(["--help"]) == 1
    assert "pip install typer rich pyarrow" in capsys.readouterr().err


# --- as a process --------------------------------------------------------------------


def process(folder, *words, input=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "skdae", *words],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        input=input,
    )


def test_as_a_process(run, folder):
    _, expected, _ = run("transform", "transformer.model", "plant.csv")
    packed = gzip.compress((folder / "plant.csv").read_bytes())
    done = process(folder, "transform", "transformer.model", "-", input=packed)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == expected


def test_a_failing_process(folder):
    done = process(folder, "info", "nothing.csv")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"error: nothing.csv does not exist")
    assert b"Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough(folder):
    words = [sys.executable, "-m", "skdae", "transform", "transformer.model"]
    big = pd.concat([plant()] * 40)
    big.to_csv(folder / "big.csv", index=False)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*words, "big.csv", "--chunk-rows", "90"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
    ) as running:
        assert running.stdout.readline().startswith(b"gradualdaetransformer_input_")
        running.stdout.close()
        err = running.stderr.read()
        running.wait(60)
    assert b"Traceback" not in err
    assert b"Exception" not in err


def test_the_page_names_commands_and_options_that_exist(run):
    page = (Path(__file__).parent.parent / "docs" / "commands.rst").read_text("utf-8")
    lines = re.sub(r"\\\n\s+", "", page).splitlines()
    examples = [line for line in lines if re.match(r"    .*\bskdae [a-z]+ ", line)]
    assert len(examples) >= 8
    for example in examples:
        name = re.search(r"skdae ([a-z]+) ", example).group(1)
        _, text, _ = run(name, "--help")
        for option in re.findall(r" (--?[a-z][\w-]*)", example):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), (name, option)


PARTS = {"max_iter": 2, "hidden_layer_sizes": (8, 4)}


def test_the_commands_of_the_page_run_in_their_order(tmp_path, monkeypatch):
    """As they are pasted, but for the time that a fit takes."""
    from skdae import GradualDAETransformer
    from skdae.cli import _fit

    page = (Path(__file__).parent.parent / "docs" / "commands.rst").read_text("utf-8")
    lines = re.sub(r"\\\n\s+", "", page).splitlines()
    commands = [
        line.strip() for line in lines if re.match(r"    .*\bskdae [a-z]+ ", line)
    ]
    commands = [line for line in commands if not line.startswith("$")]
    assert len(commands) >= 12
    table = plant().rename(columns={"yield": "batch"})
    table.drop(columns="grade").to_csv(tmp_path / "plant.csv", index=False)
    table.drop(columns="batch").to_csv(tmp_path / "lab.csv", index=False)
    new = table.drop(columns=["grade", "pressure"]).assign(pressure=table["pressure"])
    new.fillna({"pressure": -999}).to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.chdir(tmp_path)
    make = _fit.make_estimator

    def quick(*arguments):
        estimator = make(*arguments)
        own = estimator.get_params(deep=False)
        if own.get("transformer", 0) is None:
            estimator.set_params(transformer=GradualDAETransformer(**PARTS))
        elif "transformer" in own:
            estimator.set_params(transformer__max_iter=2)
        return estimator.set_params(max_iter=4) if "max_iter" in own else estimator

    monkeypatch.setattr(_fit, "make_estimator", quick)
    for command in commands:
        first, _, last = command.rpartition("| ")
        words = shlex.split(last)
        content = b""
        if first:
            name = first.split()[1]
            content = (tmp_path / name).read_bytes()
        stdin = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stdin)
        if ">" in words:
            words = words[: words.index(">")]
        assert main(words[1:]) == 0, command
    assert (tmp_path / "scores.parquet").exists()


def test_a_score_on_rows_held_out_and_on_a_labelled_file(run, folder):
    for kind, word in (("classifier", "accuracy"), ("regressor", "mean squared")):
        words = ("fit", "plant.csv", "-o", "scored.model", "-f", "-k", kind)
        code, _, err = run(*words, *FITS[kind])
        assert code == 0
        assert re.search(rf"held out: .*{word}.* on 1[78] rows, fitted without", err)
        model, quiet = estimator(folder, "scored"), estimator(folder, kind)
        for one, other in zip(
            model.transformer_.coefs_, quiet.transformer_.coefs_, strict=True
        ):
            np.testing.assert_array_equal(one, other)  # fitted on all rows
        code, out, err = run("score", "scored.model", "plant.csv", "--chunk-rows", 40)
        assert code == 0
        found = read_csv(out)["prediction"]
        if kind == "classifier":
            share = (found == plant()["grade"]).mean()
            assert f"accuracy {share:.3f}" in err
        else:
            error = np.sqrt(((found - plant()["yield"]) ** 2).mean())
            assert f"error {error:.4g}" in err


def test_off_a_terminal_a_line_comes_every_now_and_then(run, monkeypatch):
    monkeypatch.setattr("skdae.cli._notes.HEARTBEAT_SECONDS", 0)
    words = ("fit", "plant.csv", "-o", "alive.model", "-f", *FITS["transformer"])
    code, out, err = run(*words)
    assert (code, out) == (0, "")
    assert "note: network 1, phase 1/2 (gradual)" in err
    code, _, err = run("transform", "alive.model", "plant.csv", "-o", "o.csv", "-f")
    assert f"transform: {N_ROWS} rows" in err
    assert "network" not in run(*words, "--quiet")[2]


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M"])
def test_info_reads_dates_by_one_format_for_the_whole_column(run, folder, form):
    time = pd.date_range("2024-01-28", periods=100, freq="h").strftime(form)
    flow = np.random.default_rng(0).normal(size=100)
    pd.DataFrame({"time": time, "flow": flow}).to_csv(folder / "clock.csv", index=False)
    _, out, _ = run("info", "clock.csv")
    assert "regular steps of 3600 s" in " ".join(out.split())
