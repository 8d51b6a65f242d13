"""Laws of the corruption models: one table of cases, each law over every case."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skdae._random import spawn_streams
from skdae.noise import (
    NOISES,
    ComposedNoise,
    DriftNoise,
    DropoutNoise,
    GaussianNoise,
    Layout,
    MaskingNoise,
    Noise,
    PerRowNoise,
    SaltAndPepperNoise,
    SpikeNoise,
    StuckNoise,
    SwapNoise,
    make_noise,
)

# How each name behaves at a rate r: the expected share of numeric cells it acts on, and
# whether it takes categorical cells as well. Add a row here for a new noise.
TABLE = {
    "masking": (lambda r: r, True),
    "gaussian": (lambda r: float(r > 0), False),
    "salt_and_pepper": (lambda r: r, True),
    "swap": (lambda r: r, True),
    "stuck": (lambda r: r, True),
    "spike": (lambda r: r, False),
    "drift": (lambda r: r, False),
    "dropout": (lambda r: r, True),
    "random_masking": (lambda r: r / 2, True),
    "random_gaussian": (lambda r: float(r > 0), False),
}
every_name = pytest.mark.parametrize("name", sorted(TABLE))
seeds = st.integers(0, 2**32 - 1)
rates = st.sampled_from([0.0, 0.002, 0.1, 0.25, 0.7, 1.0])


@st.composite
def matrices(draw, min_rows=1):
    """Draw a matrix of normal values with negative zeros and a constant column."""
    n = draw(st.integers(min_rows, 40))
    width = draw(st.integers(1, 9))
    X = np.random.default_rng(draw(seeds)).standard_normal((n, width))
    X[draw(st.integers(0, n - 1))] = -0.0
    if draw(st.booleans()):
        X[:, 0] = 3.0
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    return np.asfortranarray(X) if draw(st.booleans()) else X


def mixed_data(n, seed=0):
    """Return rows of two numeric columns, groups of 3 and 2 members, and the layout.

    In the order of columns, the first group stands between the numeric columns.
    """
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((n, 2))
    groups = [np.eye(k)[generator.integers(k, size=n)] for k in (3, 2)]
    Z = np.hstack([numeric, *groups]).astype(np.float32)
    layout = Layout(
        numeric=np.arange(7) < 2,
        scale=Z.std(axis=0),
        low=Z.min(axis=0),
        high=Z.max(axis=0),
        column_of=np.array([0, 2, 1, 1, 1, 3, 3]),
    )
    return Z, layout


def same_bits(A, B):
    """Return whether two arrays agree to the bit, signs of zeros and NaN included."""
    return A.dtype == B.dtype and A.tobytes() == B.tobytes()


def assert_share(mask, share, n_draws=None):
    """Check a share of True cells to six standard deviations."""
    n = mask.size if n_draws is None else n_draws
    assert abs(mask.mean() - share) <= 6 * np.sqrt(share * (1 - share) / n) + 1e-12


# Faults of several rows, groups of columns and rates per row have fewer independent
# draws than cells.
CELLS_PER_DRAW = {"stuck": 20, "drift": 100, "dropout": 10, "random_masking": 40}


# ------------------------------------------------------------------ laws of every noise


def test_every_name_stands_in_the_table_of_laws():
    assert set(TABLE) == set(NOISES)


@every_name
@settings(max_examples=40)
@given(X=matrices(), rate=rates, seed=seeds)
def test_laws_of_every_noise(name, X, rate, seed):
    noise = make_noise(name, rate)
    before = X.copy(order="K")
    X_corrupted, mask = noise.corrupt(X, random_state=seed)
    assert same_bits(X, before)
    assert not np.shares_memory(X, X_corrupted)
    assert X_corrupted.shape == mask.shape == X.shape
    assert X_corrupted.dtype == X.dtype
    assert mask.dtype == bool
    assert np.isfinite(X_corrupted).all()
    assert same_bits(X_corrupted[~mask], X[~mask])
    if rate == 0:
        assert not mask.any()
    again, mask_again = noise.corrupt(X, random_state=seed)
    assert same_bits(again, X_corrupted)
    assert (mask_again == mask).all()
    assert mask.flags.writeable


@every_name
@pytest.mark.parametrize("rate", [0.01, 0.25, 0.8])
def test_the_share_of_corrupted_cells(name, rate):
    share, _ = TABLE[name]
    X = np.random.default_rng(0).standard_normal((4000, 40))
    _, mask = make_noise(name, rate).corrupt(X, random_state=1)
    assert_share(mask, share(rate), mask.size / CELLS_PER_DRAW.get(name, 1))


@every_name
def test_rate_one_acts_on_every_cell(name):
    X = np.random.default_rng(0).standard_normal((50, 6))
    _, mask = make_noise(name, 1.0).corrupt(X, random_state=0)
    if name == "stuck":  # the first row has no row before it
        assert not mask[0].any()
        assert mask[1:].all()
    elif name == "random_masking":
        assert 0 < mask.mean() < 1
    else:
        assert mask.all()


def assert_independent(name, X, first, second):
    """Check that two corruptions hit and change cells independently of each other."""
    (X_first, mask_first), (X_second, mask_second) = first, second
    if mask_first.all():  # every cell has an error, whose size and sign are drawn
        a, b = X_first - X, X_second - X
    else:
        a, b = mask_first.astype(float), mask_second.astype(float)
    correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert abs(correlation) <= 6 / np.sqrt(X.size / CELLS_PER_DRAW.get(name, 1))


@every_name
def test_seeds_and_consecutive_batches_are_independent(name):
    X = np.random.default_rng(0).standard_normal((4000, 10))
    noise, layout = make_noise(name, 0.5), Layout.from_data(X)
    by_seed = [noise.corrupt(X, random_state=seed) for seed in (0, 1)]
    generator = spawn_streams(0).corruption
    in_turn = [noise.apply(X, generator, layout) for _ in range(2)]
    assert_independent(name, X, *by_seed)
    assert_independent(name, X, *in_turn)


@every_name
def test_the_global_generator_is_left_alone(name):
    np.random.seed(0)
    before = np.random.get_state()[1]
    make_noise(name, 0.5).corrupt(np.eye(5))
    assert np.array_equal(before, np.random.get_state()[1])


@every_name
def test_one_hot_groups_stay_whole(name):
    _, takes_categories = TABLE[name]
    Z, layout = mixed_data(400)
    noise = make_noise(name, 0.5)
    Z_corrupted, mask = noise.apply(Z, spawn_streams(0).corruption, layout)
    for group in (slice(2, 5), slice(5, 7)):
        total = Z_corrupted[:, group].sum(axis=1)
        assert np.isin(Z_corrupted[:, group], [0, 1]).all()
        assert np.isin(total, [0, 1]).all()
        assert (mask[:, group] == mask[:, group][:, :1]).all()
        assert mask[:, group].any() == takes_categories
        may_be_empty = name in ("masking", "dropout", "random_masking")
        assert (total == 0).any() == may_be_empty
    assert mask[:, :2].any()
    assert same_bits(Z_corrupted[~mask], Z[~mask])


@every_name
def test_rates_by_column_follow_the_order_of_columns(name):
    Z, layout = mixed_data(300)
    if name == "dropout":
        noise = DropoutNoise([0.0, 1.0], groups=[[0, 1], [2, 3]])
    else:
        noise = make_noise(name, np.array([0.0, 0.0, 1.0, 1.0]))
    noise.check(layout.n_columns)
    _, mask = noise.apply(Z, spawn_streams(0).corruption, layout)
    # Features 0 and 2 to 4 are of the columns 0 and 1; 1 and 5, 6 of 2 and 3.
    assert not mask[:, [0, 2, 3, 4]].any()
    acted = mask[:, [1, 5, 6]].any(axis=0)
    assert acted.tolist() == [True, TABLE[name][1], TABLE[name][1]]


@every_name
def test_intensity_zero_switches_rows_off(name):
    Z, layout = mixed_data(200)
    intensity = np.repeat([0.0, 1.0], 100)[:, None]
    noise = make_noise(name, 0.9)
    _, mask = noise.apply(Z, spawn_streams(0).corruption, layout, intensity)
    assert not mask[:100].any()
    assert mask[101:, :2].mean() > 0.3


@every_name
def test_missing_cells_stay_missing_and_never_spread(name):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((200, 8))
    X[generator.random(X.shape) < 0.3] = np.nan
    X[:, 7] = np.nan
    X_corrupted, mask = make_noise(name, 0.5).corrupt(X, random_state=0)
    assert (np.isnan(X_corrupted) == np.isnan(X)).all()
    assert not mask[np.isnan(X)].any()
    assert mask.any()
    assert same_bits(X_corrupted[~mask], X[~mask])


@every_name
def test_noises_are_parameters_for_a_search(name):
    noise = make_noise(name, 0.3)
    copy = clone(noise)
    assert copy is not noise
    assert repr(copy) == repr(noise)
    assert set(noise.get_params()) == set(
        pickle.loads(pickle.dumps(noise)).get_params()
    )
    X = np.eye(20)
    drawn = noise.corrupt(X, random_state=0)[0]
    assert np.array_equal(copy.corrupt(X, random_state=0)[0], drawn)
    key = next(k for k in noise.get_params() if k.endswith(("rate", "scale")))
    assert copy.set_params(**{key: 0.0}).get_params()[key] == 0.0
    assert noise.get_params()[key] != 0.0


@every_name
def test_for_codes_fits_any_width(name):
    entries = 4 if name == "dropout" else 3
    noise = make_noise(name, np.linspace(0.2, 0.4, entries)).for_codes()
    codes = np.random.default_rng(0).standard_normal((50, 7))
    noise.check(7)
    assert noise.corrupt(codes, random_state=0)[1].any()
    numbers = [
        v for k, v in noise.get_params().items() if k.endswith(("rate", "scale"))
    ]
    assert 0.3 in [round(number, 12) for number in numbers]


@every_name
@pytest.mark.parametrize("rate", [-0.1, np.nan, "0.1", None, [[0.1]], True])
def test_a_wrong_rate_is_named(name, rate):
    with pytest.raises(ValueError, match=r"^(rate|scale)=.* of \w+Noise (must|has)"):
        make_noise(name, rate).corrupt(np.eye(3))


@every_name
def test_too_many_rates_are_named(name):
    with pytest.raises(ValueError, match="has 5 entries, but there are 3"):
        make_noise(name, np.full(5, 0.1)).corrupt(np.eye(3))


# ----------------------------------------------------------------- what each noise does


def test_masking_sets_zero_without_a_sign():
    X = -np.ones((100, 5), dtype=np.float32)
    X_corrupted, mask = MaskingNoise(0.5).corrupt(X, random_state=0)
    assert (X_corrupted[mask] == 0).all()
    assert not np.signbit(X_corrupted[mask]).any()


def test_gaussian_error_has_the_scale_of_its_column():
    X = np.random.default_rng(0).standard_normal((20_000, 3)) * [1, 100, 1e-3]
    error = GaussianNoise([0.1, 0.2, 0.3]).corrupt(X, random_state=0)[0] - X
    assert np.allclose(error.std(axis=0) / X.std(axis=0), [0.1, 0.2, 0.3], rtol=0.05)
    assert (abs(error.mean(axis=0)) < 6 * error.std(axis=0) / np.sqrt(len(X))).all()


def test_gaussian_rate_leaves_the_other_cells():
    X = np.random.default_rng(0).standard_normal((20_000, 3))
    noise = GaussianNoise(0.5, rate=[0.0, 0.1, 1.0])
    X_corrupted, mask = noise.corrupt(X, random_state=0)
    assert_share(mask[:, 1], 0.1)
    assert mask.mean(axis=0)[[0, 2]].tolist() == [0.0, 1.0]
    assert np.isclose((X_corrupted - X)[mask].std(), 0.5, rtol=0.05)


@pytest.mark.parametrize("name", ["gaussian", "spike", "drift"])
def test_additive_noises_leave_constant_columns(name):
    X = np.random.default_rng(0).standard_normal((100, 2))
    X[:, 0] = 0.1
    _, mask = make_noise(name, 0.9).corrupt(X, random_state=0)
    assert not mask[:, 0].any()
    assert mask[:, 1].any()


def test_salt_and_pepper_takes_both_extremes_alike():
    X = np.random.default_rng(0).standard_normal((10_000, 2)) + [0, 100]
    X_corrupted, mask = SaltAndPepperNoise(0.4).corrupt(X, random_state=0)
    for column in range(2):
        salted = X_corrupted[mask[:, column], column]
        is_high = salted == X[:, column].max()
        assert (is_high | (salted == X[:, column].min())).all()
        assert_share(is_high, 0.5)


def row_and_column_of(X_corrupted):
    """Read the origin of each cell back from values 1000 * row + column."""
    return np.divmod(X_corrupted.astype(int), 1000)


@settings(max_examples=30)
@given(n=st.integers(2, 50), width=st.integers(1, 8), rate=rates, seed=seeds)
def test_swap_takes_from_another_row_of_the_same_column(n, width, rate, seed):
    X = 1000.0 * np.arange(n)[:, None] + np.arange(width)
    X_corrupted, mask = SwapNoise(rate).corrupt(X, random_state=seed)
    rows, columns = row_and_column_of(X_corrupted)
    assert (columns == np.arange(width)).all()
    assert ((rows != np.arange(n)[:, None]) == mask).all()


def test_swap_has_a_donor_for_each_cell_and_so_breaks_the_joint_structure():
    n, width = 500, 10
    X = np.repeat(np.arange(float(n))[:, None], width, axis=1)
    X_corrupted, mask = SwapNoise(0.5).corrupt(X, random_state=0)
    # Two cells of a row share a donor by chance alone: once in n - 1 pairs.
    left, right = X_corrupted[:, :-1], X_corrupted[:, 1:]
    both = mask[:, :-1] & mask[:, 1:]
    assert both.sum() > 500
    assert_share((left == right)[both], 1 / (n - 1))


def test_swap_donors_are_equally_likely():
    X = np.repeat(np.arange(5.0)[:, None], 20_000, axis=1)
    X_corrupted, _ = SwapNoise(1.0).corrupt(X, random_state=0)
    for row in range(5):
        for donor in range(5):
            share = 0.0 if donor == row else 0.25
            assert_share(X_corrupted[row] == donor, share)


def test_swap_takes_whole_categories_from_one_donor_each():
    n = 300
    Z, layout = mixed_data(n)
    # Mark the members of a group with their row, to see where each came from.
    Z[:] = np.arange(n)[:, None]
    Z_corrupted, mask = SwapNoise(0.5).apply(Z, spawn_streams(0).corruption, layout)
    first, second = Z_corrupted[:, 2:5], Z_corrupted[:, 5:7]
    assert (first == first[:, :1]).all()
    assert (second == second[:, :1]).all()
    both = mask[:, 2] & mask[:, 5]
    assert both.sum() > 30
    assert (first[both, 0] == second[both, 0]).mean() < 0.1


def test_a_single_row_cannot_swap():
    X_corrupted, mask = SwapNoise(1.0).corrupt([[1.0, 2.0]], random_state=0)
    assert X_corrupted.tolist() == [[1.0, 2.0]]
    assert not mask.any()


@settings(max_examples=30)
@given(n=st.integers(1, 60), length=st.integers(1, 80), rate=rates, seed=seeds)
def test_stuck_holds_the_value_of_an_earlier_row(n, length, rate, seed):
    X = 1000.0 * np.arange(n)[:, None] + np.arange(3)
    X_corrupted, mask = StuckNoise(rate, length=length).corrupt(X, random_state=seed)
    rows, columns = row_and_column_of(X_corrupted)
    age = np.arange(n)[:, None] - rows
    assert (columns == np.arange(3)).all()
    assert ((age > 0) == mask).all()
    assert (age <= length).all()
    # A held value goes on until it has been held long enough, or a new one is held.
    for i, j in np.argwhere(mask[:-1] & ~mask[1:]):
        assert age[i, j] == length or rows[i, j] == 0


def test_stuck_runs_are_long():
    X = np.arange(5000.0)[:, None]
    _, mask = StuckNoise(0.1, length=20).corrupt(X, random_state=0)
    n_runs = (mask[1:] & ~mask[:-1]).sum()
    assert mask.sum() / n_runs >= 20


def test_stuck_keeps_its_share_in_short_batches():
    X = np.arange(8.0)[:, None].repeat(20_000, axis=1)
    _, mask = StuckNoise(0.3, length=10).corrupt(X, random_state=0)
    for i in range(1, 8):
        assert_share(mask[i], 0.3)


def test_spikes_are_large_and_of_both_signs():
    X = np.random.default_rng(0).standard_normal((5000, 2)) * [1, 50]
    X_corrupted, mask = SpikeNoise(0.2, scale=4).corrupt(X, random_state=0)
    spikes = ((X_corrupted - X) / X.std(axis=0))[mask]
    assert abs(spikes).min() >= 2 - 1e-9
    assert abs(spikes).max() <= 6 + 1e-9
    # uniform between half and one and a half of the scale
    quartiles = np.quantile(abs(spikes), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(quartiles, [2, 3, 4, 5, 6], rtol=0.05)
    assert_share(spikes > 0, 0.5)


def test_drift_grows_evenly_up_to_the_scale():
    X = np.random.default_rng(0).standard_normal((3000, 4))
    noise = DriftNoise(0.3, scale=2.0, length=25)
    X_corrupted, mask = noise.corrupt(X, random_state=0)
    error = (X_corrupted - X) / X.std(axis=0)
    assert np.isclose(abs(error).max(), 2.0)
    step = 2.0 / 25
    goes_on = mask[1:] & mask[:-1] & (abs(error[1:]) > abs(error[:-1]))
    assert np.allclose(abs(error[1:] - error[:-1])[goes_on], step)
    # Every drift starts at one step, and both signs occur in each column.
    begins = mask[1:] & ~goes_on
    assert np.allclose(abs(error[1:])[begins], step)
    assert (error > 0).any(axis=0).all()
    assert (error < 0).any(axis=0).all()


@settings(max_examples=30)
@given(width=st.integers(1, 12), n_groups=st.integers(1, 8), seed=seeds)
def test_dropout_loses_groups_whole(width, n_groups, seed):
    X = np.ones((30, width))
    X_corrupted, mask = DropoutNoise(0.5, groups=n_groups).corrupt(X, random_state=seed)
    assert (X_corrupted == ~mask).all()
    groups = np.array_split(np.arange(width), min(n_groups, width))
    for columns in groups:
        assert (mask[:, columns] == mask[:, columns[:1]]).all()


def test_dropout_groups_are_independent_of_each_other():
    _, mask = DropoutNoise(0.5, groups=2).corrupt(np.ones((10_000, 4)), random_state=0)
    assert_share(mask[:, 0] == mask[:, 3], 0.5)


def test_dropout_by_lists_counts_columns_and_may_overlap():
    Z, layout = mixed_data(1000)
    noise = DropoutNoise(0.5, groups=[[0, 1], [1]])
    noise.check(layout.n_columns)
    _, mask = noise.apply(Z, spawn_streams(0).corruption, layout)
    assert_share(mask[:, 0], 0.5)
    assert_share(mask[:, 2], 0.75)  # column 1 is the group of features 2 to 4
    assert not mask[:, [1, 5, 6]].any()
    assert noise.for_codes().get_params() == {"rate": 0.5, "groups": 2}


# ---------------------------------------------------------- noises made of other noises


def test_per_row_rates_vary_more_than_chance():
    X = np.ones((5000, 100))
    plain = MaskingNoise(0.5).corrupt(X, random_state=0)[1].mean(axis=1)
    by_row = PerRowNoise(MaskingNoise(0.5)).corrupt(X, random_state=0)[1].mean(axis=1)
    binomial = 0.25 / 100
    assert np.isclose(plain.var(), binomial, rtol=0.2)
    # A uniform rate on [0, 1/2] adds its own variance, 1/48.
    assert np.isclose(by_row.var(), 1 / 48, rtol=0.2)


def test_per_row_factor_scales_gaussian_errors():
    X = np.random.default_rng(0).standard_normal((5000, 200))
    noise = PerRowNoise(GaussianNoise(0.4), minimum=0.5)
    X_corrupted, mask = noise.corrupt(X, random_state=0)
    size = (X_corrupted - X).std(axis=1)
    assert mask.all()
    assert size.min() > 0.2 * 0.8
    assert size.max() < 0.4 * 1.2
    assert np.isclose(size.mean(), 0.3, rtol=0.03)


def test_per_row_factor_scales_gaussian_errors_of_some_cells():
    Z = np.random.default_rng(0).standard_normal((2000, 200))
    intensity = np.repeat([0.25, 1.0], 1000)[:, None]
    generator, layout = spawn_streams(0).corruption, Layout.from_data(Z)
    noise = GaussianNoise(0.4, rate=0.5)
    Z_corrupted, mask = noise.apply(Z, generator, layout, intensity)
    error = Z_corrupted - Z
    assert_share(mask, 0.5)
    assert np.isclose(error[:1000][mask[:1000]].std(), 0.1, rtol=0.05)
    assert np.isclose(error[1000:][mask[1000:]].std(), 0.4, rtol=0.05)


def test_per_row_of_one_is_the_noise_itself():
    X = np.ones((2000, 50))
    _, mask = PerRowNoise(MaskingNoise(0.3), minimum=1.0).corrupt(X, random_state=0)
    assert_share(mask, 0.3)


def composed():
    """Return a noise made of a swap and an error."""
    return ComposedNoise([("swap", SwapNoise(0.3)), ("hole", MaskingNoise(0.2))])


def test_composed_acts_in_order_and_marks_the_union():
    X = 1 + np.random.default_rng(0).random((3000, 20))
    X_corrupted, mask = composed().corrupt(X, random_state=0)
    assert_share(mask, 1 - 0.7 * 0.8)
    assert_share(X_corrupted == 0, 0.2)
    assert same_bits(X_corrupted[~mask], X[~mask])
    order = [("hole", MaskingNoise(1.0)), ("error", GaussianNoise(1.0))]
    error = ComposedNoise(order).corrupt(X, random_state=0)[0]
    assert (error != 0).all()
    assert abs(error.mean()) < 0.1  # of what was 0, no longer of 1.5
    assert (ComposedNoise(order[::-1]).corrupt(X, random_state=0)[0] == 0).all()


def test_composed_parts_do_not_share_their_draws():
    parts = [("a", MaskingNoise(0.5)), ("b", MaskingNoise(0.5))]
    _, mask = ComposedNoise(parts).corrupt(np.ones((2000, 10)), random_state=0)
    assert_share(mask, 0.75)


def test_parameters_reach_inside():
    noise = composed()
    copy = clone(noise).set_params(swap__rate=0.0, hole__rate=0.0)
    assert noise.get_params()["swap__rate"] == 0.3
    assert not copy.corrupt(np.eye(9), random_state=0)[1].any()
    copy.set_params(hole=MaskingNoise(1.0))
    assert copy.corrupt(np.eye(9), random_state=0)[1].all()
    by_row = PerRowNoise(composed()).set_params(noise__swap__rate=0.9)
    assert by_row.get_params()["noise__swap"].rate == 0.9
    with pytest.raises(ValueError, match="Invalid parameter 'rates'"):
        noise.set_params(swap__rates=0.1)


def test_composed_and_per_row_for_codes():
    noise = PerRowNoise(
        ComposedNoise([("hole", MaskingNoise([0.1, 0.3]))]), minimum=0.5
    )
    for_codes = noise.for_codes()
    assert for_codes.get_params()["noise__hole__rate"] == 0.2
    assert for_codes.minimum == 0.5
    assert noise.get_params()["noise__hole__rate"] == [0.1, 0.3]


def test_composed_noise_passes_the_intensity_to_each_noise():
    Z = np.random.default_rng(0).standard_normal((200, 5))
    intensity = np.repeat([0.0, 1.0], 100)[:, None]
    _, mask = composed().apply(
        Z, spawn_streams(0).corruption, Layout.from_data(Z), intensity
    )
    assert not mask[:100].any()
    assert mask[100:].any()


def test_row_order_noise_corrupts_less_where_intensity_is_low():
    Z = np.random.default_rng(0).standard_normal((4000, 20))
    layout = Layout.from_data(Z)
    intensity = np.repeat([0.2, 1.0], 2000)[:, None]
    noise = StuckNoise(0.5)
    _, mask = noise.apply(Z, spawn_streams(0).corruption, layout, intensity)
    assert_share(mask[:2000], 0.1, n_draws=2000)
    assert_share(mask[2010:], 0.5, n_draws=2000)


# ------------------------------------------------------------------------------- layout


def test_layout_from_data_ignores_missing_cells():
    X = np.random.default_rng(0).standard_normal((50, 4)) * 7
    X[::3, 1] = np.nan
    X[:, 2] = np.nan
    X[:, 3] = 0.1
    layout = Layout.from_data(X)
    assert np.allclose(layout.scale[:2], np.nanstd(X[:, :2], axis=0))
    assert np.array_equal(layout.low[:2], np.nanmin(X[:, :2], axis=0))
    assert np.array_equal(layout.high[:2], np.nanmax(X[:, :2], axis=0))
    assert layout.scale[2:].tolist() == [0.0, 0.0]
    assert (layout.low[2], layout.high[2]) == (0.0, 0.0)
    assert layout.n_columns == layout.n_features == 4


def test_layout_from_data_is_the_same_in_blocks(monkeypatch):
    X = np.random.default_rng(0).standard_normal((50, 7))
    whole = Layout.from_data(X)
    monkeypatch.setattr("skdae.noise._layout._BLOCK_CELLS", 110)
    blocks = Layout.from_data(X)
    for name in ("scale", "low", "high"):
        assert np.allclose(getattr(whole, name), getattr(blocks, name), rtol=1e-14)


def test_layout_spreads_columns_over_features():
    _, layout = mixed_data(10)
    assert layout.n_columns == 4
    assert layout.numeric_columns.tolist() == [True, False, True, False]
    spread = layout.to_features(np.arange(8).reshape(2, 4))
    assert spread.tolist() == [[0, 2, 1, 1, 1, 3, 3], [4, 6, 5, 5, 5, 7, 7]]
    assert layout.to_features(np.array([[5], [6]])).tolist() == [[5], [6]]


def test_explicit_identity_columns_change_nothing():
    X = np.random.default_rng(0).standard_normal((30, 5))
    plain = Layout.from_data(X)
    numbered = Layout(
        plain.numeric, plain.scale, plain.low, plain.high, column_of=np.arange(5)
    )
    for name in NOISES:
        noise = make_noise(name, 0.5)
        first, second = (
            noise.corrupt(X, random_state=0, layout=layout)[0]
            for layout in (plain, numbered)
        )
        assert same_bits(first, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": np.ones(2)}, r"scale of shape \(2,\) must have one entry per feat"),
        ({"column_of": np.array([0, 2, 2])}, "must use every index from 0 to 2"),
        ({"column_of": np.array([0, 0, 1])}, "numeric feature a column of its own"),
    ],
)
def test_layout_errors(change, message):
    facts = {name: np.ones(3) for name in ("scale", "low", "high")} | change
    with pytest.raises(ValueError, match=message):
        Layout(numeric=np.array([True, False, False]), **facts)


# ------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (MaskingNoise(1.5), r"rate=1.5 of MaskingNoise must lie in \[0, 1\]"),
        (GaussianNoise(np.inf), "scale=inf of GaussianNoise must be finite"),
        (GaussianNoise(0.1, rate=2), "rate=2 of GaussianNoise must lie"),
        (SpikeNoise(0.1, scale=-1), "scale=-1 of SpikeNoise must be finite and at"),
        (StuckNoise(0.1, length=0), "length=0 of StuckNoise must be an integer"),
        (DriftNoise(0.1, length=2.5), "length=2.5 of DriftNoise must be an integer"),
        (DropoutNoise(groups=0), "groups=0 of DropoutNoise must be at least 1"),
        (DropoutNoise(groups=[]), "must be a number of groups or a list of lists"),
        (DropoutNoise(groups=True), "must be a number of groups or a list of lists"),
        (DropoutNoise(groups=[0, 1]), "must hold lists of column indices"),
        (DropoutNoise(groups=[["a"]]), "must hold lists of column indices"),
        (DropoutNoise(groups=[[0, 3]]), "names a column outside 0 to 2"),
        (DropoutNoise([0.1, 0.2], groups=3), "but there are 3 groups"),
        (PerRowNoise("masking"), "noise='masking' of PerRowNoise must be a noise"),
        (PerRowNoise(MaskingNoise(2)), "rate=2 of MaskingNoise"),
        (PerRowNoise(MaskingNoise(), minimum=2), "minimum=2 of PerRowNoise must be"),
        (PerRowNoise(MaskingNoise(), minimum=[0]), "minimum=.* must be one number"),
        (ComposedNoise([]), "must be a list of .name, noise. tuples"),
        (ComposedNoise([MaskingNoise()]), "must hold .name, noise. tuples"),
        (ComposedNoise([("a", MaskingNoise)]), "must hold .name, noise. tuples"),
        (ComposedNoise([("a", MaskingNoise())] * 2), "must have different names"),
        (ComposedNoise([("a__b", MaskingNoise())]), "has reserved names"),
        (ComposedNoise([("a", MaskingNoise(-1))]), "rate=-1 of MaskingNoise"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Noise) else None,
)
def test_parameter_errors_say_what_to_do(noise, message):
    with pytest.raises(ValueError, match=message):
        noise.corrupt(np.eye(3))


def test_parameters_are_not_checked_at_construction():
    assert MaskingNoise(7).rate == 7
    MaskingNoise([0.1, 0.2]).check()


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match="noise='salt' must be one of.*'masking'"):
        make_noise("salt", 0.1)
    for wrong in (MaskingNoise, None, 0.3, ["swap"]):
        with pytest.raises(ValueError, match="or a noise object"):
            make_noise(wrong, 0.1)


def test_an_object_is_returned_as_given():
    noise = composed()
    assert make_noise(noise, 0.9) is noise


def test_data_errors():
    noise = MaskingNoise()
    with pytest.raises(ValueError, match="X contains infinity"):
        noise.corrupt([[np.inf, 1.0]])
    with pytest.raises(ValueError, match="Expected 2D array"):
        noise.corrupt([1.0, 2.0])
    with pytest.raises(ValueError, match="layout describes 2 features, but X has 3"):
        noise.corrupt(np.eye(3), layout=Layout.from_data(np.eye(2)))
    with pytest.raises(NotImplementedError, match="Noise must define apply"):
        Noise().corrupt(np.eye(3))


def test_other_numbers_become_float64_and_frames_arrays():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, np.nan, 6.0]})
    X_corrupted, mask = SwapNoise(1.0).corrupt(frame, random_state=0)
    assert X_corrupted.dtype == np.float64
    assert mask[:, 0].all()
    assert MaskingNoise().corrupt([[1, 2]])[0].dtype == np.float64
