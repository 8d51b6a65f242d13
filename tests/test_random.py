"""Laws of the random streams and of the fast Bernoulli draws."""

import pickle
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdae._random import Streams, bernoulli, spawn_streams

GENERATORS = [field.name for field in fields(Streams)]
BIT_GENERATORS = [
    np.random.SFC64,
    np.random.PCG64,
    np.random.Philox,
    np.random.MT19937,
]


def draws(generator):
    """Return numbers that distinguish two generators."""
    return generator.integers(2**63, size=4).tolist()


def all_draws(streams):
    """Return the draws of each stream by name."""
    return {name: draws(getattr(streams, name)) for name in GENERATORS}


@pytest.mark.parametrize("seed", [0, 5, 2**40])
def test_streams_are_the_children_of_the_seed(seed):
    children = np.random.SeedSequence(seed).spawn(len(GENERATORS))
    expected = [draws(np.random.Generator(np.random.SFC64(c))) for c in children]
    assert list(all_draws(spawn_streams(seed)).values()) == expected


def test_draws_of_one_stream_do_not_affect_another():
    quiet, busy = spawn_streams(0), spawn_streams(0)
    busy.corruption.random(1000)
    assert draws(busy.shuffle) == draws(quiet.shuffle)


@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_a_generator_gives_its_next_32_bit_integer_as_the_seed(kind):
    state, copy = kind(3), kind(3)
    integers = getattr(copy, "integers", None) or copy.randint
    for _ in range(2):
        seed = int(integers(2**32, dtype=np.uint32))
        assert all_draws(spawn_streams(state)) == all_draws(spawn_streams(seed))


def test_numpy_integers_are_integers():
    assert all_draws(spawn_streams(np.int64(3))) == all_draws(spawn_streams(3))


def test_none_is_fresh():
    assert all_draws(spawn_streams()) != all_draws(spawn_streams(None))


def test_streams_survive_pickling():
    streams = spawn_streams(2)
    copy = pickle.loads(pickle.dumps(streams))
    assert all_draws(copy) == all_draws(streams)


def test_the_global_generator_is_neither_read_nor_written():
    np.random.seed(0)
    before = np.random.get_state()[1:3]
    first = all_draws(spawn_streams(None))
    bernoulli(spawn_streams(1).init, 0.5, (10, 10))
    after = np.random.get_state()[1:3]
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
    np.random.seed(0)
    assert first != all_draws(spawn_streams(None))


@pytest.mark.parametrize("wrong", [-1, 1.5, "0", True, np.random.random, [1]])
def test_a_wrong_random_state_is_named(wrong):
    with pytest.raises(ValueError, match=r"random_state=.* must be None, a non-neg"):
        spawn_streams(wrong)


def within_binomial_bounds(n_true, n, rate):
    """Return whether a count lies within six standard deviations."""
    return abs(n_true - n * rate) <= 6 * np.sqrt(n * rate * (1 - rate)) + 1e-9


@pytest.mark.parametrize("kind", BIT_GENERATORS)
@pytest.mark.parametrize("rate", [1e-4, 0.003, 0.01, 0.25, 0.5, 0.9, 0.999, 0.9999])
def test_the_share_of_true_is_the_rate(kind, rate):
    hit = bernoulli(np.random.Generator(kind(0)), rate, (2000, 200))
    assert hit.dtype == bool
    assert within_binomial_bounds(hit.sum(), hit.size, rate)


@pytest.mark.parametrize("rate", [2**-20, 1 - 2**-20])
def test_rates_near_zero_and_one_stay_true(rate):
    hit = bernoulli(np.random.Generator(np.random.SFC64(0)), rate, (2**24,))
    assert 0 < hit.sum() < hit.size
    assert within_binomial_bounds(hit.sum(), hit.size, rate)


def test_cells_of_one_draw_are_independent():
    hit = bernoulli(np.random.Generator(np.random.SFC64(0)), 0.3, (100_000, 4))
    correlation = np.corrcoef(hit.T)
    assert np.abs(correlation - np.eye(4)).max() < 6 / np.sqrt(len(hit))


@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.0, 1e-9, 0.5, 1.0]),
    st.integers(0, 99),
)
def test_zero_and_one_are_exact_beside_any_other_rate(n, width, sure, other, seed):
    rates = np.full(width + 1, other)
    rates[0] = sure
    hit = bernoulli(np.random.default_rng(seed), rates, (n, width + 1))
    assert hit.shape == (n, width + 1)
    assert (hit[:, 0] == bool(sure)).all()
    assert hit.flags.writeable


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_rates_differ_by_column_and_by_row(seed):
    rates = np.array([0.0, 0.002, 0.3, 0.7, 1.0])
    generator = np.random.default_rng(seed)
    by_column = bernoulli(generator, rates, (20_000, 5)).sum(axis=0)
    by_row = bernoulli(generator, rates[:, None], (5, 20_000)).sum(axis=1)
    for counts in (by_column, by_row):
        for count, rate in zip(counts, rates, strict=True):
            assert within_binomial_bounds(count, 20_000, rate)


@pytest.mark.parametrize("other", [0.5, 0.001])
def test_a_rate_of_one_has_no_exception_in_a_million_draws(other):
    """The largest word of 16 bits alone would leave 16 of them out."""
    hit = bernoulli(spawn_streams(0).init, [other, 1.0], (2**20, 2))
    assert hit[:, 1].all()
    assert within_binomial_bounds(hit[:, 0].sum(), 2**20, other)
