"""A full disk, a folder that is read-only, too little memory: an error, and no harm."""

import os
import re
import resource
import signal
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from _estimators import SMALL, X, count, fitted, in_child, results
from sklearn.base import clone

import skdae
from skdae.cli import main

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # of newer Pythons, where pytest or torch has left a thread
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]
NOBODY = 65534
REACHED = 3  # exit status
N_LIMITS = count("LIMITS", 12)


def with_file_limit(n_bytes, act):
    """Act where no file can be larger, as on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
    act()


def fails(act, error, match=None):
    """Act, and be sure that the error is raised."""
    with pytest.raises(error, match=match):
        act()


def test_a_full_disk_leaves_the_old_model(tmp_path):
    path = tmp_path / "m.skdae"
    skdae.save(clone(SMALL), path)
    before = path.read_bytes()
    large = fitted("detector")
    skdae.save(large, tmp_path / "whole")
    size = (tmp_path / "whole").stat().st_size
    limits = np.linspace(0, size - 1, N_LIMITS).astype(int).tolist()
    refused = partial(
        fails, partial(skdae.save, large, path), OSError, match=re.escape(str(path))
    )
    for limit in limits:
        assert in_child(partial(with_file_limit, limit, refused)) == 0
        assert path.read_bytes() == before
    print(f"{len(limits)} sizes of a full disk")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.skdae", "whole"]


@pytest.mark.parametrize("name", ["scored.csv", "scored.csv.gz", "scored.parquet"])
def test_a_full_disk_leaves_the_old_output_of_a_command(tmp_path, name):
    """The error names the file, and nothing is left beside it."""
    table, model, output = (tmp_path / each for each in ("t.csv", "m.skdae", name))
    pd.DataFrame(X, columns=list("abcde")).to_csv(table, index=False)
    settings = ("transformer__hidden_layer_sizes=(4, 2)", "transformer__max_iter=2")
    options = [each for setting in settings for each in ("--set", setting)]
    fit = ["fit", str(table), "-o", str(model), "--kind", "detector", "--quiet"]
    assert main(fit + options) == 0
    output.write_text("of last night")
    score = ["score", str(model), str(table), "-o", str(output), "--force"]

    def refused():
        with redirect_stderr(StringIO()) as err:  # a file of pytest's is limited, too
            assert main(score) == 1
        assert f"{output}: File too large" in err.getvalue()

    for limit in np.linspace(0, 1_000, N_LIMITS // 3).astype(int).tolist():
        assert in_child(partial(with_file_limit, limit, refused)) == 0, limit
        assert output.read_text() == "of last night"
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == sorted([table.name, model.name, name])
    assert main(score) == 0
    assert output.stat().st_size > 1_000


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root"
)
def test_a_read_only_folder_as_another_user():
    large = fitted("transformer")
    with TemporaryDirectory() as name:  # that others may enter, unlike tmp_path
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "m.skdae"
        skdae.save(clone(SMALL), path)
        before = path.read_bytes()

        def save():
            os.setuid(NOBODY)
            fails(lambda: skdae.save(large, path), PermissionError)
            assert skdae.load(path).max_iter == SMALL.max_iter

        assert in_child(save) == 0
        assert path.read_bytes() == before
        assert list(folder.iterdir()) == [path]


def with_memory_limit(n_more, act):
    """Act where only some more bytes can be had, beside what is in use."""
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + n_more, -1))
    act()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_too_little_memory_is_an_error_and_no_harm(tmp_path):
    """An estimator, and the model files, stay what they were."""
    estimator = fitted("transformer")
    rows = np.tile(X, (8_000, 1))  # 51 MB: memory that is not in use is not enough
    before, path = results(estimator), tmp_path / "m.skdae"
    large = clone(SMALL)
    large.rows_ = rows
    skdae.save(large, path)
    acts = {
        "reconstruct": lambda: estimator.reconstruct(rows),
        "fit": lambda: estimator.set_params(max_iter=2).fit(rows[:, ::-1]),
        "load": lambda: skdae.load(path),
        "save": lambda: skdae.save(large, path),
    }
    n_limits, n_reached = 0, 0
    for name, act in acts.items():
        for n_more in np.linspace(0, 45e6, N_LIMITS // 3).astype(int).tolist():

            def limited(act=act, n_more=n_more):
                try:
                    with_memory_limit(n_more, act)
                except (MemoryError, RuntimeError, skdae.persistence.ModelFileError):
                    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
                    estimator.set_params(max_iter=SMALL.max_iter)
                    assert results(estimator) == before
                    os._exit(REACHED)

            status = in_child(limited)
            assert status in (0, REACHED), (name, n_more)
            n_limits, n_reached = n_limits + 1, n_reached + (status == REACHED)
    print(f"{n_limits} limits of memory, {n_reached} reached")
    assert n_reached > 0
    assert (skdae.load(path).rows_[-5:] == rows[-5:])[~np.isnan(rows[-5:])].all()
    assert list(tmp_path.iterdir()) == [path]
