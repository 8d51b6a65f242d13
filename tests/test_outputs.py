"""Files that commands write and read back: whole, safe, never over a wrong thing."""

import gzip
import os
import signal
import stat
import subprocess
import sys
import time

import joblib
import numpy as np
import pandas as pd
import pytest

import skdae

pytest.importorskip("typer")

from skdae import GradualDAETransformer
from skdae._files import TableError
from skdae.cli import _outputs, main
from skdae.cli._models import Column, Model, is_model, load, save
from skdae.cli._notes import printable
from skdae.cli._outputs import check_output, replacing


@pytest.fixture
def model(tmp_path):
    """A model file; its estimator need not be fitted here."""
    path = tmp_path / "plant.model"
    column = Column("flow", True, "float64")
    estimator = GradualDAETransformer((3,))
    save(Model("transformer", estimator, (column,), 9), str(path), force=False)
    return path


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_what_is_saved_is_loaded(model):
    found = load(str(model))
    assert found.estimator.hidden_layer_sizes == (3,)
    assert found.names == ["flow"]
    assert (found.kind, found.n_rows, found.missing) == ("transformer", 9, ())
    assert found.versions["skdae"] == skdae.__version__


def test_a_model_without_its_table_is_for_python_alone(tmp_path):
    skdae.save(GradualDAETransformer(), tmp_path / "m")
    with pytest.raises(TableError, match="not the columns of its table"):
        load(str(tmp_path / "m"))


def test_any_flipped_bit_is_an_error(model):
    content = model.read_bytes()
    for place in np.random.default_rng(0).integers(8 * len(content), size=200):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        model.write_bytes(changed)
        with pytest.raises(TableError, match="is damaged|is not a model"):
            load(str(model))


@pytest.mark.parametrize("n_bytes", [0, 3, 6, 20, 60])
def test_a_model_cut_off_is_an_error(model, n_bytes):
    model.write_bytes(model.read_bytes()[:n_bytes])
    with pytest.raises(TableError, match="is damaged|is not a model"):
        load(str(model))


@pytest.mark.parametrize("name", ["trap.model", "trap.csv", "trap.parquet"])
def test_no_foreign_pickle_is_opened(tmp_path, capsys, name):
    sprung = tmp_path / "sprung"
    joblib.dump(Trap(sprung), tmp_path / name)
    assert not is_model(str(tmp_path / name))
    for command in (["info"], ["score", str(tmp_path / name)], ["transform"]):
        assert main([*command, str(tmp_path / name)]) != 0
    assert not sprung.exists()
    assert "Traceback" not in capsys.readouterr().err


# --- what is replaced ----------------------------------------------------------------


def written(path, content=b"new"):
    """Write a file as commands do, replacing what is there."""
    with replacing(str(path), force=True) as file:
        file.write(content)


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    written(path)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_bytes(b"old")
    link.symlink_to(target)
    written(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_is_read_only_or_no_regular_file_is_not_replaced(tmp_path):
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(TableError, match="read-only"):
        check_output(str(path), force=True)
    os.mkfifo(tmp_path / "pipe")
    for device in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(TableError, match="not a regular file"):
            check_output(str(device), force=True)


def test_a_folder_without_room_is_noticed_before_anything_is_computed(
    tmp_path, monkeypatch, capsys
):
    table = tmp_path / "plant.csv"
    pd.DataFrame({"a": range(30)}).to_csv(table, index=False)
    words = ["fit", str(table), "-o", str(tmp_path / "m")]
    monkeypatch.setattr(_outputs, "MIN_FREE", 1 << 62)
    assert main(words) == 1
    assert "the disk is full" in capsys.readouterr().err
    monkeypatch.undo()

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_outputs.tempfile, "NamedTemporaryFile", refused)
    assert main(words) == 1
    assert "no file can be written there (Permission denied)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")
def test_sigterm_leaves_no_part_of_a_file(tmp_path):
    script = (
        "import sys, time\n"
        "from skdae.cli import _app, _outputs\n"
        "def wait():\n"
        f"    with _outputs.replacing({str(tmp_path / 'o.csv')!r}, True) as file:\n"
        "        file.write(b'x'); file.flush(); time.sleep(60)\n"
        "_app.command(wait)(debug=False, quiet=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".o.csv*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.glob(".o.csv*"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert list(tmp_path.iterdir()) == []


# --- terminals -----------------------------------------------------------------------


def test_control_characters_are_shown_and_not_obeyed(tmp_path, capsys):
    assert printable("a\x1b[2Jb\u0085\u200e\n\u6e29\u00e9") == (
        "a\\x1b[2Jb\\x85\\u200e\n\u6e29\u00e9"
    )
    path = tmp_path / "odd.csv"
    path.write_text("a,b\x1b]0;x\x07\n" + "\x1b[31mred,1\n\u202ename,2\n" * 3)
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr()
    for letter in "\x1b\x07\u202e":
        assert letter not in printed.out + printed.err
    assert "\\x1b[31mred" in printed.out


@pytest.mark.skipif(sys.platform == "win32", reason="closes by shell")
@pytest.mark.parametrize("closing", [">&-", "<&-", "2>&-", "<&- >&-"])
def test_closed_streams_give_a_line_and_no_traceback(tmp_path, closing):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    table = "-" if "<" in closing else "t.csv"
    done = subprocess.run(
        f"{sys.executable} -m skdae info {table} {closing}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    if closing != "2>&-":
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "closed" in done.stderr


def test_ctrl_c_during_imports_is_a_line(monkeypatch, capsys):
    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == "skdae.cli._app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "skdae.cli._app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    assert main(["--help"]) == 130
    assert capsys.readouterr().err == "interrupted: no file was written.\n"


def test_info_of_a_long_table_looks_at_its_first_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skdae.cli._info.MAX_ROWS", 1000)
    monkeypatch.setattr("skdae._files._table.SAMPLE_BYTES", 50_000)
    table = pd.DataFrame({"a": np.arange(20_000) % 7, "b": 0.5})
    with gzip.open(tmp_path / "long.csv.gz", "wb") as file:
        file.write(table.to_csv(index=False).encode())
    table.to_parquet(tmp_path / "long.parquet")
    for name in ("long.csv.gz", "long.parquet"):
        assert main(["info", str(tmp_path / name)]) == 0
        printed = capsys.readouterr()
        assert "the first 1,000 rows are looked at" in printed.err
        assert "1,000" in printed.out


def test_a_package_that_lacks_is_named_before_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skdae.cli._poc.find_spec", lambda name: None)
    assert main(["poc", str(tmp_path / "none.csv")]) == 1
    assert "pip install jinja2 matplotlib" in capsys.readouterr().err
