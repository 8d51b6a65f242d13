"""Processes that are killed at any moment leave whole files, and are gone on with."""

import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from _estimators import KINDS, SMALL, X, Y, count, in_child, results
from sklearn.base import clone

import skdae
from skdae import poc
from skdae.poc._run import _opened

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # of newer Pythons, where pytest or torch has left a thread
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]
N_KILLS = count("KILLS", 20)
FEW = 8  # kills of the tests that are not slow


def killed(act, rng, longest):
    """Whether a process was killed, at a random moment, before it had acted."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    time.sleep(rng.uniform(0, longest))
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def seconds_of(act):
    """How long a process takes that is not killed."""
    started = time.perf_counter()
    assert in_child(act) == 0
    return time.perf_counter() - started


# --- training with checkpoints --------------------------------------------------------


N_BATCHES = 12


def train(kind, path):
    """Go on from a checkpoint, or begin, and write one after each batch."""
    estimator = skdae.load(path) if path.exists() else clone(KINDS[kind])
    first = {"classes": ["high", "low"]} if kind == "classifier" else {}
    target = Y if kind == "classifier" else None
    for k in range(getattr(estimator, "n_iter_", 0), N_BATCHES):
        rows = np.arange(k, len(X), 3)
        estimator.partial_fit(
            X[rows], None if target is None else target[rows], **first
        )
        skdae.save(estimator, path)


def check_training(folder, kind, n_kills):
    whole = folder / "whole"
    longest = 0.7 * seconds_of(lambda: train(kind, whole))
    expected = results(skdae.load(whole))
    rng, n_killed, n_finished = np.random.default_rng(0), 0, 0
    while n_killed < n_kills:
        path = folder / f"{kind}{n_finished}.skdae"
        if killed(lambda path=path: train(kind, path), rng, longest):
            n_killed += 1
            continue
        assert results(skdae.load(path)) == expected
        n_finished += 1
    train(kind, path)
    assert results(skdae.load(path)) == expected
    print(
        f"{kind}: {n_killed} kills while training, {n_finished + 1} trained to the end"
    )


@pytest.mark.parametrize("kind", ["transformer", "classifier"])
def test_training_goes_on_from_its_checkpoint(tmp_path, kind):
    check_training(tmp_path, kind, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transformer", "classifier"])
def test_training_goes_on_from_its_checkpoint_after_many_kills(tmp_path, kind):
    check_training(tmp_path, kind, N_KILLS)


# --- saving ---------------------------------------------------------------------------


def check_saving(folder, n_kills):
    """The file is always one of those that were saved, whole."""
    path, rng = folder / "m.skdae", np.random.default_rng(0)
    estimator = clone(SMALL)
    estimator.big_ = np.zeros(300_000)
    skdae.save(estimator, path)

    def save_again_and_again():
        while True:
            estimator.big_ += 1
            skdae.save(estimator, path)

    for _ in range(n_kills):
        assert killed(save_again_and_again, rng, 0.1)
        found = skdae.load(path).big_
        assert (found == found[0]).all()
    left = [each for each in folder.iterdir() if each != path]
    for each in left:
        os.utime(each, (0, 0))
    skdae.save(estimator, path)
    print(f"{n_kills} kills while saving, {len(left)} parts left by them, then removed")
    assert len(list(folder.iterdir())) == 1


def test_a_file_is_whole_after_a_kill(tmp_path):
    check_saving(tmp_path, FEW)


@pytest.mark.slow
def test_a_file_is_whole_after_many_kills(tmp_path):
    check_saving(tmp_path, N_KILLS)


# --- a proof of concept ---------------------------------------------------------------


def content_of(report):
    """What does not depend on how fast the machine was."""
    kept = {k: v for k, v in report.content.items() if k not in ("made", "resources")}
    found = pd.DataFrame(report.content["results"])
    found = found[found["experiment"] != "resources"]
    kept["results"] = found.sort_values(list(found.columns[:5])).to_json()
    kept["verdict"] = [a for a in kept["verdict"] if a["question"] != "cost"]
    return json.dumps(kept, sort_keys=True)


def test_a_run_that_is_killed_as_it_begins_can_be_resumed(tmp_path):
    def begin_again_and_again():
        while True:
            _opened(tmp_path, "the run", resume=True)

    rng = np.random.default_rng(0)
    for _ in range(FEW):
        assert killed(begin_again_and_again, rng, 0.1)
        assert _opened(tmp_path, "the run", resume=True) == tmp_path


@pytest.mark.slow
# of joblib, where a busy disk is slow
@pytest.mark.filterwarnings("ignore:Persisting input arguments:UserWarning")
def test_a_proof_of_concept_is_resumed_after_many_kills(tmp_path):
    table = pd.DataFrame(np.nan_to_num(X), columns=list("abcde"))
    options = {
        "minutes": None,
        "n_splits": 2,
        "memory": False,
        "transformer": SMALL,
        "schedules": ["gradual"],
        "label_budget": 20,
    }

    def run(cache):
        return poc.run(table, Y, cache=cache, resume=cache.exists(), **options)

    seconds = seconds_of(lambda: run(tmp_path / "first"))
    expected = content_of(run(tmp_path / "first"))
    rng, n_killed, n_finished = np.random.default_rng(0), 0, 0
    while n_killed < N_KILLS:
        cache = tmp_path / f"run{n_finished}"
        if killed(lambda cache=cache: run(cache), rng, seconds / 3):
            n_killed += 1
            continue
        assert content_of(run(cache)) == expected
        n_finished += 1
    assert content_of(run(cache)) == expected
    print(f"{n_killed} kills of proofs of concept, {n_finished + 1} ended alike")
