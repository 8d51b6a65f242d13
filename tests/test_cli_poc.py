"""`skdae poc`: what it writes, what it refuses, and what a kill does not lose."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("typer")
pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from skdae.cli import main

QUICK = ["--minutes", "0.02", "--schedules", "gradual,stacked", "--no-memory"]
QUICK.append("--quiet")


def plant(n_rows=120, seed=0):
    """Four sensors that two causes move, and a class."""
    draw = np.random.default_rng(seed)
    causes = draw.normal(size=(n_rows, 2))
    X = causes @ draw.normal(size=(2, 4)) + 0.1 * draw.normal(size=(n_rows, 4))
    table = pd.DataFrame(X, columns=["flow", "level", "heat", "load"])
    return table.assign(state=np.where(causes[:, 0] > 0, "run", "idle"))


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "plant.csv"
    plant().to_csv(path, index=False)
    return path


def numbers(page):
    """What a report says, without what depends on the machine's speed."""
    content = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    verdict = [a for a in content["verdict"] if a["question"] != "cost"]
    return content["errors"], content["comparisons"], content["splits"], verdict


def finished_units(work):
    """The results of units in the cache of a run."""
    return list(work.rglob("output.pkl"))


def test_report_is_written_and_its_path_printed_last(csv, tmp_path, capsys):
    page = tmp_path / "out" / "report.html"
    words = ["poc", str(csv), "--target", "state", "-o", str(page), *QUICK]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == str(page)
    assert printed.err == ""
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert not page.with_suffix(".work").exists()
    assert main(words) == 1  # what is there is not overwritten
    assert "--force" in capsys.readouterr().err


def test_japanese_page(csv, tmp_path, capsys):
    page = tmp_path / "report.html"
    words = ["poc", str(csv), "-o", str(page), "--lang", "ja", *QUICK]
    assert main(words) == 0
    assert 'lang="ja"' in page.read_text(encoding="utf-8")
    assert "列" in capsys.readouterr().out


def command(csv, page, *more):
    """A run without a time budget, which ends with the same numbers anywhere."""
    return [
        *(sys.executable, "-m", "skdae", "poc", str(csv), "--output", str(page)),
        *("--minutes", "0", "--splits", "3", "--schedules", "gradual,stacked"),
        *("--no-memory", "--quiet", *more),
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_killed_run_goes_on_where_it_was(tmp_path):
    csv = tmp_path / "plant.csv"
    plant(60).drop(columns="state").to_csv(csv, index=False)
    whole, page = tmp_path / "whole.html", tmp_path / "killed.html"
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    subprocess.run(command(csv, whole), check=True, env=environment)

    process = subprocess.Popen(command(csv, page), env=environment)
    work = page.with_suffix(".work")
    deadline = time.monotonic() + 60
    while len(finished_units(work)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not page.exists()
    kept = len(finished_units(work))
    assert kept >= 2

    refused = subprocess.run(
        command(csv, page), capture_output=True, text=True, env=environment
    )
    assert refused.returncode == 1
    assert "--resume" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(finished_units(work)) == kept

    subprocess.run(command(csv, page, "--resume"), check=True, env=environment)
    assert numbers(page) == numbers(whole)
    assert not work.exists()


def test_interrupted_run_writes_what_is_finished(csv, tmp_path, monkeypatch, capsys):
    from skdae.cli._progress import Bar

    done = Bar.done

    def interrupt(self, unit, result):
        done(self, unit, result)
        if (unit.method, unit.split) == ("linear_denoiser", 0):  # the last one
            raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "done", interrupt)
    page = tmp_path / "report.html"
    assert main(["poc", str(csv), "-o", str(page), *QUICK]) == 130
    printed = capsys.readouterr()
    assert "--resume" in printed.err
    assert printed.out.splitlines()[-1] == str(page)
    content = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert not content["finished"]
    monkeypatch.undo()
    assert main(["poc", str(csv), "-o", str(page), "--resume", *QUICK]) == 0
    content = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert content["finished"]


def test_interrupted_early_there_is_no_page_but_a_way_on(
    csv, tmp_path, monkeypatch, capsys
):
    from skdae.cli._progress import Bar

    def interrupt(self, unit, result):
        raise KeyboardInterrupt

    page = tmp_path / "report.html"
    with monkeypatch.context() as patched:
        patched.setattr(Bar, "done", interrupt)
        assert main(["poc", str(csv), "-o", str(page), *QUICK]) == 130
    said = capsys.readouterr().err
    assert "before a split was whole: go on with --resume" in said
    assert "no file was written" not in said
    assert not page.exists()
    assert main(["poc", str(csv), "-o", str(page), "--resume", *QUICK]) == 0


def test_interrupted_before_any_result_there_is_nothing_to_go_on_with(
    csv, tmp_path, monkeypatch, capsys
):
    from skdae.poc import _run

    def interrupt(setting, unit):
        raise KeyboardInterrupt

    monkeypatch.setitem(_run.KINDS, "network", interrupt)
    page = tmp_path / "report.html"
    assert main(["poc", str(csv), "-o", str(page), *QUICK]) == 130
    assert "no file was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [csv]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="interrupts by signal")
def test_a_second_ctrl_c_leaves_the_page_and_the_exit_code(csv, tmp_path):
    page = tmp_path / "report.html"
    words = [*command(csv, page, "--jobs", "2"), "--splits", "10"]
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        work = page.with_suffix(".work")
        deadline = time.monotonic() + 120
        while len(finished_units(work)) < 40 and time.monotonic() < deadline:
            time.sleep(0.02)  # until a split is whole
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert b"--resume" in said
    assert page.exists()


PLANT = plant().to_csv(index=False)
TABLES = {
    "ten rows": (plant(10).to_csv(index=False), [], "has 10 rows"),
    "one class": (
        plant().assign(state="run").to_csv(index=False),
        ["--target", "state"],
        "one value only",
    ),
    "no such target": (PLANT, ["--target", "stat"], "'state'"),
    "no numbers": (
        plant()[["state"]].assign(mode="a").replace({"run": "b"}).to_csv(index=False),
        [],
        "no numeric column",
    ),
    "ragged": (PLANT + "1,2\n", [], "line 122"),
    "empty": ("", [], "empty"),
    "no page": (PLANT, ["--output", "report.pdf"], ".html"),
    "no schedule": (PLANT, ["--schedules", "spiral"], "--schedules 'spiral' must"),
    "no group": (PLANT, ["--group", "unit"], "no such column"),
    "few groups": (PLANT, ["--group", "state"], "--group must have at least 3"),
    "no times": (PLANT, ["--time", "state"], "--time has 120 entries"),
    "two roles": (
        PLANT,
        ["--group", "state", "--target", "state"],
        "--target and --group must name different columns, and both name 'state'",
    ),
    "target is dropped": (
        PLANT,
        ["--drop", "state", "--target", "state"],
        "--target and --drop must name different columns",
    ),
    "text as numbers": (
        PLANT,
        ["--target", "state", "--task", "regression"],
        "--task regression needs numbers; set --task classification",
    ),
    "no target": (PLANT, ["--task", "anomaly"], "--task anomaly needs a target"),
    "one number": (
        plant().assign(state=3).to_csv(index=False),
        ["--target", "state"],
        "one value only (3)",
    ),
    "nothing to go on with": (PLANT, ["--resume"], "no unfinished run in report.work"),
}


@pytest.mark.parametrize("case", TABLES)
def test_what_cannot_be_used_is_said_in_words(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, words, said = TABLES[case]
    (tmp_path / "table.csv").write_text(text)
    assert main(["poc", "table.csv", *QUICK, *words]) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert not (tmp_path / "report.html").exists()


VALUES = {
    "--minutes": ("-1", "-1.0 must be at least 0; 0 runs everything"),
    "--label-budget": ("3", "3 must be at least 20; omit it"),
    "--splits": ("0", "0 must be at least 1"),
    "--jobs": ("0", "0 must be at least 1, or -1"),
    "--seed": ("-1", "-1 must be from 0"),
}


@pytest.mark.parametrize("option", VALUES)
def test_numbers_that_cannot_be_are_refused_by_the_option(option, csv, capsys):
    value, said = VALUES[option]
    assert main(["poc", str(csv), *QUICK, option, value]) == 2
    printed = " ".join(capsys.readouterr().err.replace("\u2502", " ").split())
    assert option in printed
    assert said in printed


def test_options_are_those_of_the_run():
    """They are written out in the command, which starts without importing it."""
    from skdae.cli import _poc
    from skdae.poc import _data, _page, _run

    assert _poc.MIN_ROWS == _data.MIN_ROWS
    assert [each.value for each in _poc.Task] == ["auto", *_data.TASKS]
    assert [each.value for each in _poc.Language] == list(_page.LANGUAGES)
    assert _poc.SCHEDULE_NAMES.split(",") == list(_run.DEFAULT_SCHEDULES)


def test_what_brings_the_command_line_brings_parquet():
    tomllib = pytest.importorskip("tomllib")
    path = Path(__file__).parent.parent / "pyproject.toml"
    extras = tomllib.loads(path.read_text())["project"]["optional-dependencies"]
    assert "pyarrow" in extras["cli"]
    assert "skdae[cli,plot]" in extras["poc"]


def test_columns_that_would_be_left_out_can_be_used(tmp_path, capsys):
    """As in fit: numbers that count, and no dates."""
    table = plant().assign(count=range(120), day="2024-05-01")
    table.to_csv(tmp_path / "plant.csv", index=False)
    page = tmp_path / "report.html"
    words = ["poc", str(tmp_path / "plant.csv"), "-o", str(page), *QUICK]
    assert main([*words, "--use", "day"]) == 1
    assert "--use 'day' must name numbers or categories" in capsys.readouterr().err
    assert main([*words, "--use", "count", "--drop", "count"]) == 1
    assert "--drop and --use must name different columns" in capsys.readouterr().err
    assert main([*words, "--use", "count"]) == 0
    content = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    names = [column["name"] for column in content["data"]["columns"]]
    assert "count" in names
    left_out = {tuple(found["columns"]) for found in content["data"]["findings"]}
    assert ("day",) in left_out
    assert ("count",) not in left_out
