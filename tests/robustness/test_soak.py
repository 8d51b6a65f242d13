"""Long runs: memory, threads and open files do not grow."""

import gc
import os
import threading
from time import perf_counter

import pytest
from _estimators import SMALL, X, count, fitted
from sklearn.base import clone

ONES, FITS = count("SOAK_ROWS", 5_000), count("SOAK_FITS", 100)
GROWTH = 8.0  # MB: pages that Python and numpy keep


def memory():
    """Return the memory that this process holds now, in MB."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def usage():
    """Return memory, threads and open files."""
    return memory(), threading.active_count(), len(os.listdir("/proc/self/fd"))


def assert_no_growth(name, n, act):
    """Act n times; after a warm-up of a tenth nothing grows."""
    for k in range(n // 10):
        act(k)
    before, started = usage(), perf_counter()
    for k in range(n):
        act(k)
    after = usage()
    seconds = perf_counter() - started
    grown = after[0] - before[0]
    print(f"{name}: {n} in {seconds:.0f} s, memory {grown:+.1f} MB of {after[0]:.0f}")
    assert grown < GROWTH
    assert after[1:] == before[1:]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("kind", ["transformer", "detector"])
def test_scores_of_single_rows(kind):
    estimator = fitted(kind)
    rows = [X[k : k + 1] for k in range(len(X))]
    assert_no_growth(
        f"{kind}, one-row scores",
        ONES,
        lambda k: estimator.score_samples(rows[k % len(rows)]),
    )


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_fits_of_small_models():
    assert_no_growth(
        "fits", FITS, lambda k: clone(SMALL).set_params(random_state=k).fit(X)
    )
