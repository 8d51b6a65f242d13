"""Piecewise-linear inputs of classifier and regressor."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skdae import GradualDAEClassifier, GradualDAERegressor, GradualDAETransformer
from skdae._core.corruption import corrupt
from skdae._core.sources import ArrayRows
from skdae._supervised._expansion import ExpandedNoise, ExpandedRows, Expansion
from skdae._supervised._selection import MAX_EXPANDED
from skdae.noise import NOISES, Layout, make_noise
from skdae.persistence import load, save

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(120, 3))
X[GENERATOR.random(X.shape) < 0.1] = np.nan
Y = np.nan_to_num(X[:, 0]) + (np.nan_to_num(X[:, 1]) > 0.5)
# what is chosen by held-out labels otherwise
FIXED = {
    "dropout": 0.0,
    "encoder_rate": 1.0,
    "unfreezing": "joint",
    "linear_path": False,
    "max_iter": 5,
    "random_state": 0,
}
TARGETS = [(GradualDAERegressor, Y), (GradualDAEClassifier, (Y > 0.5).astype(int))]
BOTH = pytest.mark.parametrize(("make", "y"), TARGETS, ids=["regressor", "classifier"])


def small():
    return GradualDAETransformer((8, 4), max_iter=4, random_state=0)


def outputs(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


def rows_of(values, layout=None):
    values = np.asarray(values, dtype=np.float32)
    return ArrayRows(values, layout or Layout.from_data(values))


def positions(expansion, column):
    """Intervals of a column of one feature that lie below its cells."""
    cells = np.asarray(column, dtype=np.float32)[:, None]
    return (expansion.shares(cells) + expansion.of_missing).sum(axis=1)


numbers = st.floats(-100, 100, width=32).map(lambda each: round(each, 2))


@settings(deadline=None)
@given(st.lists(numbers, min_size=3, max_size=40), st.integers(1, 9))
def test_a_cell_is_expanded_to_its_position_among_the_edges(column, n_bins):
    expansion = Expansion.fit(rows_of(np.reshape(column, (-1, 1))), n_bins)
    if len(np.unique(np.float32(column))) <= 2:  # a line says all of it
        assert expansion is None
        return
    assert 1 <= expansion.n_intervals <= n_bins
    # counted from one edge to the next, and level outside
    edges = np.append(expansion.low, expansion.low[-1] + expansion.width[-1])
    np.testing.assert_allclose(
        positions(expansion, edges), np.arange(len(edges)), atol=1e-3
    )
    middle = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(
        positions(expansion, middle), np.arange(len(middle)) + 0.5, atol=1e-3
    )
    np.testing.assert_allclose(
        positions(expansion, [-1e30, 1e30]), [0, len(middle)], atol=1e-3
    )


def test_intervals_may_be_as_narrow_as_their_numbers():
    narrow = np.array([0, 1e-42, 1e-41, 1e38], np.float32)
    expansion = Expansion.fit(rows_of(narrow[:, None]), 8)
    np.testing.assert_allclose(positions(expansion, narrow), np.arange(4), atol=1e-6)
    np.testing.assert_array_equal(positions(expansion, [-1e38, 3e38]), [0, 3])


@settings(deadline=None)
@given(st.lists(numbers, min_size=3, max_size=40))
def test_intervals_are_passed_one_after_another(column):
    values = np.sort(np.float32(column))[:, None]
    expansion = Expansion.fit(rows_of(values), 4)
    if expansion is None:
        return
    shares = expansion.shares(values) + expansion.of_missing
    assert ((shares >= -1e-6) & (shares <= 1 + 1e-6)).all()
    assert (np.diff(shares, axis=0) >= 0).all()
    entered = shares[:, 1:] > 1e-6
    assert (shares[:, :-1][entered] > 1 - 1e-5).all()


def test_constant_and_binary_columns_and_categories_have_no_intervals():
    values = np.column_stack([np.full(9, 2.0), np.arange(9) % 2, np.arange(9)])
    values = np.hstack([values, np.eye(3)[np.arange(9) % 3]])
    spread = [np.ones(6), np.zeros(6), np.ones(6)]
    layout = Layout(np.arange(6) < 3, *spread, np.array([0, 1, 2, 3, 3, 3]))
    expansion = Expansion.fit(rows_of(values, layout), 4)
    assert set(expansion.feature) == {2}
    assert Expansion.fit(rows_of(values[:, :2]), 4) is None


def test_few_levels_are_edges_and_repeated_rows_change_none():
    levels = np.array([0.0, 0, 0, 0, 1, 5, 7])[:, None]
    expansion = Expansion.fit(rows_of(levels), 8)
    np.testing.assert_array_equal(expansion.low, [0, 1, 5])
    repeated = Expansion.fit(rows_of(np.repeat(levels, [9, 1, 1, 1, 1, 5, 1], 0)), 8)
    np.testing.assert_array_equal(repeated.low, expansion.low)
    np.testing.assert_array_equal(repeated.width, expansion.width)


@BOTH
def test_missing_cells_have_shares_of_zero(make, y):
    model = make(small(), n_bins=4, **FIXED).fit(X, y)
    Z, observed = model.transformer_.table_encoder_.encode(X)
    expansion = model.expansion_
    shares = expansion(Z)[:, Z.shape[1] :]
    missing = ~observed[:, expansion.feature]
    assert missing.any()
    np.testing.assert_allclose(shares[missing], 0, atol=1e-6)
    assert (shares[~missing] != 0).any()


@BOTH
def test_intervals_have_no_weight_at_first(make, y):
    """So a tiny step leaves the outputs those of the network without them."""
    still = FIXED | {"learning_rate_init": 1e-12, "linear_path": True}
    plain = make(small(), n_bins=0, **still).fit(X, y)
    expanded = make(small(), n_bins=4, **still).fit(X, y)
    np.testing.assert_allclose(outputs(expanded, X), outputs(plain, X), atol=1e-6)
    np.testing.assert_allclose(expanded.transform(X), plain.transform(X), atol=1e-6)


@BOTH
def test_outputs_of_rows_far_outside_stay_those_of_a_line(make, y):
    """The shares are level there: what is left is what the plain column does."""
    model = make(small(), n_bins=4, **FIXED).fit(X, y)
    far = np.array([[50.0, -50.0, 50.0], [500.0, -500.0, 500.0]])
    Z = model.transformer_.table_encoder_.encode(far)[0]
    shares = model.expansion_.shares(Z)
    np.testing.assert_array_equal(shares[0], shares[1])
    assert np.isfinite(outputs(model, far)).all()


@BOTH
def test_files_and_pickles_keep_the_intervals(make, y, tmp_path):
    model = make(small(), n_bins=4, **FIXED).fit(X, y)
    save(model, tmp_path / "model.skdae")
    for other in (load(tmp_path / "model.skdae"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(outputs(other, X), outputs(model, X))
        np.testing.assert_array_equal(other.transform(X), model.transform(X))


@BOTH
def test_a_stream_keeps_the_intervals_of_its_first_batch(make, y):
    classes = {"classes": np.unique(y)} if make is GradualDAEClassifier else {}
    model = make(small(), n_bins=4, **FIXED).partial_fit(X[:60], y[:60], **classes)
    first = model.expansion_
    before = outputs(model, X)
    model.partial_fit(X[60:] * 3, y[60:])
    assert model.expansion_ is first
    assert not np.array_equal(outputs(model, X), before)


@BOTH
def test_a_student_learns_beside_intervals(make, y):
    labels = np.asarray(y, dtype=float).copy()
    labels[::3] = np.nan
    model = make(
        small(), n_bins=4, unlabeled=np.nan, unlabeled_weight=1.0, n_teachers=1, **FIXED
    )
    model.fit(X, labels)
    assert len(model.network_.encoder[0].weight) == 3 + model.expansion_.n_intervals


@pytest.mark.parametrize("name", NOISES)
def test_noise_corrupts_cells_before_they_are_expanded(name):
    values = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    observed = np.random.default_rng(2).random(values.shape) < 0.8
    rows = ArrayRows(np.where(observed, values, 0), Layout.from_data(values), observed)
    expansion = Expansion.fit(rows, 4)
    expanded = ExpandedRows(rows, expansion)
    noise = ExpandedNoise(make_noise(name, 0.5), expansion, rows.layout)
    block = expanded.take(np.arange(40))
    corrupted, mask = corrupt(block, expanded.layout, noise, np.random.default_rng(0))
    np.testing.assert_allclose(corrupted, expansion(corrupted[:, :3]), atol=1e-6)
    np.testing.assert_array_equal(mask[:, 3:], mask[:, :3][:, expansion.feature])
    assert mask.any()


# --- the choice -----------------------------------------------------------------------


def encoded_tables():
    """A table, and targets that a tree or a line explains."""
    generator = np.random.default_rng(0)
    table = generator.normal(size=(700, 4))
    steps = np.floor(2 * table[:, 0]) % 2 + np.floor(2 * table[:, 1]) % 2
    line = table @ np.arange(1, 5)
    return table, steps, line


def test_intervals_are_chosen_for_steps_and_help_there():
    table, steps, _ = encoded_tables()
    model = GradualDAERegressor(small(), random_state=0)
    model.fit(table[:300], steps[:300])
    plain = clone(model).set_params(n_bins=0).fit(table[:300], steps[:300])
    assert model.fine_tuning_.configuration.n_bins > 0
    assert plain.expansion_ is None
    score = model.score(table[300:], steps[300:])
    assert score > plain.score(table[300:], steps[300:]) + 0.05


def test_a_line_is_left_to_the_linear_path():
    table, _, line = encoded_tables()
    model = GradualDAERegressor(small(), random_state=0).fit(table[:300], line[:300])
    assert model.fine_tuning_.path_share > 0.9
    assert model.score(table[300:], line[300:]) > 0.999


def test_intervals_of_wide_tables_are_not_tried():
    wide = np.random.default_rng(0).normal(size=(40, MAX_EXPANDED + 1))
    for width, tried in ((MAX_EXPANDED, {0, 8}), (MAX_EXPANDED + 1, {0})):
        model = GradualDAERegressor(small(), max_iter=4, random_state=0)
        model.fit(wide[:, :width], wide[:, 0])
        losses = dict(model.fine_tuning_.held_out_losses)
        assert {each.n_bins for each in losses} == tried


@pytest.mark.parametrize("n_bins", [0, 3])
def test_bins_that_are_given_are_not_chosen(n_bins):
    model = GradualDAERegressor(small(), n_bins=n_bins, max_iter=5, random_state=0)
    model.fit(X, Y)
    losses = dict(model.fine_tuning_.held_out_losses)
    assert {each.n_bins for each in losses} == {n_bins}
