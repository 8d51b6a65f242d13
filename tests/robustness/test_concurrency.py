"""One fitted estimator in many threads and processes gives the same to the bit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from _estimators import KINDS, SMALL, count, fit, fitted, hash_of, in_child, results
from joblib import Parallel, delayed
from sklearn.base import clone

import skdae

N_THREADS, N_CALLS = 8, count("CALLS", 24)
N_FORKS, N_FRESH = 16, count("FRESH", 3)
HERE = Path(__file__).parent
# of newer Pythons, where pytest or torch has left a thread
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.parametrize("kind", KINDS)
def test_threads_share_an_estimator(kind):
    estimator, expected = fitted(kind), results(fitted(kind))
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(lambda _: results(estimator), range(N_CALLS)))
    print(f"{kind}: {N_CALLS} calls from {N_THREADS} threads")
    assert set(found) == {expected}


@needs_fork
@pytest.mark.parametrize("kind", KINDS)
def test_forked_processes_share_an_estimator(kind):
    estimator, expected = fitted(kind), results(fitted(kind))

    def check():
        assert results(estimator) == expected

    statuses = [in_child(check) for _ in range(N_FORKS)]
    print(f"{kind}: {N_FORKS} forked processes")
    assert statuses == [0] * N_FORKS


@needs_fork
def test_a_forked_process_fits_alike():
    for kind in KINDS:
        expected = results(fitted(kind))

        def check(kind=kind, expected=expected):
            assert results(fit(kind)) == expected

        assert in_child(check) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_fits_in_threads_are_those_in_a_row(kind):
    found = Parallel(4, "threading")(delayed(fit)(kind) for _ in range(4))
    assert {results(each) for each in found} == {results(fitted(kind))}


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import _estimators, skdae
for kind in _estimators.KINDS:
    loaded = skdae.load(f"{folder}/{{kind}}.skdae")
    refit = _estimators.fit(kind)
    for estimator in (loaded, refit):
        print(kind, _estimators.hash_of(estimator))
"""


def fresh_process(folder, n_threads):
    """What a new process gives, by what it has loaded and what it has fitted."""
    script = SCRIPT.format(here=str(HERE), folder=folder)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(n_threads))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def check_fresh_processes(folder, n_processes):
    """New processes with 1, 2, 4 threads load and fit to the same bits."""
    for kind in KINDS:
        skdae.save(fitted(kind), folder / f"{kind}.skdae")
    found = {fresh_process(folder, 2 ** (k % 3)) for k in range(n_processes)}
    expected = "".join(f"{k} {hash_of(fitted(k))}\n" * 2 for k in KINDS)
    print(f"{n_processes} new processes, {len(KINDS)} estimators, loaded and refitted")
    assert found == {expected}


def test_a_new_process_gives_the_same(tmp_path):
    check_fresh_processes(tmp_path, 1)


@pytest.mark.slow
def test_new_processes_with_other_threads_give_the_same(tmp_path):
    check_fresh_processes(tmp_path, N_FRESH)


def test_threads_save_to_one_name(tmp_path):
    path = tmp_path / "m.skdae"
    estimators = [clone(SMALL).set_params(max_iter=k + 1) for k in range(N_THREADS)]

    def save_and_load(estimator):
        skdae.save(estimator, path)
        return skdae.load(path).max_iter

    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(save_and_load, estimators * 6))
    assert set(found) <= {each.max_iter for each in estimators}
    assert list(tmp_path.iterdir()) == [path]
