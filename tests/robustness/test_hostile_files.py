"""Model files with any damage are refused, within bounded memory and time."""

import os
import resource
from time import perf_counter

import numpy as np
import pytest
from _estimators import SMALL, X, count, fitted, in_child, results
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import skdae
from skdae.persistence import ModelFileError, _files

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # of newer Pythons, where pytest or torch has left a thread
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]
N_FILES = count("HOSTILE", 500)
FEW = 150
MEMORY = 300e6  # bytes beside those in use, whatever a file asks for
SECONDS = 5.0  # of a file


def contents():
    """Model files to damage: of an estimator alone, and of one with trees in it."""
    return [fitted("detector"), fitted("imputer"), make_pipeline(fitted("transformer"))]


def flipped(content, rng):
    """Some bits changed, most of them in the manifest."""
    (length,) = _files.LENGTH.unpack_from(content)
    end = len(content) if rng.random() < 0.3 else 8 + length
    damaged = bytearray(content)
    for place in np.unique(rng.integers(0, 8 * end, rng.integers(1, 4))):
        damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def truncated(content, rng):
    """An end that is missing, or too much of it."""
    if rng.random() < 0.5:
        return content[: rng.integers(len(content))]
    return content + rng.bytes(int(rng.integers(1, 100)))


def oversized(content, rng):
    """A header that says that it is as long as this."""
    lengths = (2**63 - 1, 2**64 - 1, 2**40, 10**9, len(content))
    length = lengths[rng.integers(len(lengths))]
    return _files.LENGTH.pack(length) + content[8:]


VALUES = (
    -1,
    2**31,
    2**63,
    1e308,
    "",
    "x" * 50,
    None,
    True,
    [],
    {},
    [10**9],
    "<U9999999",
)


def places(value, path=()):
    """All places in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from places(item, (*path, key))


def forged(content, rng):
    """Another value somewhere in the manifest, and a checksum that is right."""
    manifest, tensors = _files._read_content(memoryview(content))
    del manifest["checksum"]
    every = list(places(manifest["estimator"]))[1:]
    for _ in range(rng.integers(1, 3)):
        *path, last = every[rng.integers(len(every))]
        parent = manifest["estimator"]
        try:
            for key in path:
                parent = parent[key]
            parent[last] = VALUES[rng.integers(len(VALUES))]
        except (KeyError, IndexError, TypeError):
            continue  # it was inside of the other one
    return b"".join(_files._chunks(manifest, tensors))


DAMAGES = {f.__name__: f for f in (flipped, truncated, oversized, forged)}


def check(folder, damage, n_files):
    """Each file is refused, or is an estimator that fails or works like any other."""
    whole = []
    for number, estimator in enumerate(contents()):
        skdae.save(estimator, folder / f"{number}")
        whole.append((folder / f"{number}").read_bytes())
    rng, path = np.random.default_rng(0), folder / "m"

    def act():
        refused, slowest = 0, 0.0
        with open("/proc/self/statm") as file:
            held = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (int(held + MEMORY), -1))
        for k in range(n_files):
            path.write_bytes(DAMAGES[damage](whole[k % len(whole)], rng))
            started = perf_counter()
            try:
                skdae.load(path)
            except ModelFileError:
                refused += 1
            slowest = max(slowest, perf_counter() - started)
        print(f"{damage}: {n_files} files, {refused} refused, {slowest:.2f} s at most")
        assert slowest < SECONDS
        if damage == "forged":
            assert refused > 0.3 * n_files
        else:
            assert refused == n_files

    assert in_child(act) == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files(tmp_path, damage):
    check(tmp_path, damage, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_many_damaged_files(tmp_path, damage):
    check(tmp_path, damage, N_FILES)


@pytest.mark.parametrize("field", range(4))
def test_a_tree_of_neighbours_that_points_outside_of_itself(tmp_path, field):
    rows = np.nan_to_num(X)
    model = KNeighborsClassifier(3, algorithm="kd_tree").fit(rows, rows[:, 0] > 0)
    state = list(model._tree.__getstate__())
    if field == 0:
        state[1] = state[1] + 10**6
    elif field == 1:
        state[2] = state[2].copy()
        state[2]["idx_end"] = 10**6
    elif field == 2:
        state[3] = np.ascontiguousarray(state[3][:, :1])
    else:
        state[5] = 40
    model._tree.__setstate__(tuple(state))
    skdae.save(make_pipeline(clone(SMALL), model), tmp_path / "m")
    with pytest.raises(ModelFileError, match="points outside of itself"):
        skdae.load(tmp_path / "m")


def test_an_untouched_file_loads(tmp_path):
    skdae.save(fitted("imputer"), tmp_path / "m")
    assert results(skdae.load(tmp_path / "m")) == results(fitted("imputer"))
