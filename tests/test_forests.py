"""Forests: what they fill, from what, and in which order."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from skdae._imputer import _forests
from skdae._imputer._forests import fit_forests
from skdae._imputer._masks import IncompleteRows
from skdae._imputer._trees import Trees


def table(n_rows=600, n_columns=5, seed=0):
    """A quantity, its steps, and noise; a fifth of the cells is unknown."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n_rows, n_columns))
    truth[:, 1] = np.sign(truth[:, 0]) * (np.abs(truth[:, 0]) > 1)
    known = rng.random(truth.shape) > 0.2
    return truth, known


def grown(truth, known, columns=None, precision=None, **options):
    n_columns = truth.shape[1]
    if columns is None:
        columns = [slice(j, j + 1) for j in range(n_columns)]
    precision = np.ones((n_columns, n_columns)) if precision is None else precision
    rows = IncompleteRows(np.where(known, truth, 0), known, np.arange(len(truth)))
    options = {"n_trees": 5, "generator": np.random.default_rng(0), **options}
    return fit_forests(rows, rows.values, columns, precision, **options)


TRUTH, KNOWN = table()
FORESTS = grown(TRUTH, KNOWN)


def test_only_missing_cells_are_filled_and_nothing_is_written_on():
    truth, known = table(seed=1)
    before = truth.copy()
    filled = FORESTS(truth, ~known)
    np.testing.assert_array_equal(truth, before)
    np.testing.assert_array_equal(filled[known], truth[known])
    assert (filled[~known] != truth[~known]).any()


def test_steps_are_found():
    """No linear model predicts them; imputed values lie within the observed range."""
    truth, known = table(seed=2)
    gone = ~known & known[:, [0]]  # the quantity itself is there
    filled = FORESTS(np.where(gone, 0, truth), gone)
    wrong = np.mean((filled - truth)[gone[:, 1], 1] ** 2)
    assert wrong < 0.1 * TRUTH[:, 1].var()
    assert np.abs(filled[:, 1]).max() <= 1


def test_each_column_has_a_forest_a_round_and_the_fullest_come_first():
    order = [forest.column.start for forest in FORESTS.members]
    assert order[:5] == list(np.argsort(-KNOWN.sum(axis=0)))
    assert order == order[:5] * _forests.N_ROUNDS


def test_a_column_is_filled_from_what_it_is_most_related_to(monkeypatch):
    """Never from itself; of a category, all features are one column."""
    monkeypatch.setattr(_forests, "MAX_INPUTS", 1)
    precision = np.eye(5)
    precision[0, 3] = precision[3, 0] = -0.5
    precision[1, 4] = precision[4, 1] = 0.5
    columns = [slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 5)]
    forests = grown(TRUTH, KNOWN, columns, precision, n_rounds=1)
    inputs = {forest.column.start: list(forest.inputs) for forest in forests.members}
    assert inputs[0] == [3]
    assert inputs[1] == [4]
    assert inputs[2] == [0]
    assert inputs[4] == [1]


def test_a_wide_table_has_one_round(monkeypatch):
    monkeypatch.setattr(_forests, "WIDE", 4)
    assert len(grown(TRUTH, KNOWN).members) == 5


def test_many_rows_make_larger_leaves(monkeypatch):
    """The size of a tree is bounded."""
    monkeypatch.setattr(_forests, "MAX_LEAVES", 20)
    for forest in grown(TRUTH, KNOWN).members:
        assert len(forest.trees.values) <= 20 * len(forest.trees.roots)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_where_there_is_nothing_to_learn_from(n_columns):
    """A single column, or one without a known cell, has no forest."""
    known = KNOWN[:, :n_columns].copy()
    known[:, -1] = False
    forests = grown(TRUTH[:, :n_columns], known)
    columns = {forest.column.start for forest in forests.members}
    assert columns == set(range(n_columns - 1))
    assert np.isfinite(forests(TRUTH[:, :n_columns], ~known)).all()


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_rows", [1, 2, 300, 20_001])
def test_small_trees_predict_what_those_of_scikit_learn_do(n_outputs, n_rows):
    """But for the rounding of the leaves to float32; ties at thresholds included."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).round(1)
    target = rng.normal(size=(300, n_outputs)) + X[:, [0]]
    reference = ExtraTreesRegressor(7, min_samples_leaf=2, random_state=0)
    reference.fit(X, target if n_outputs > 1 else target[:, 0])
    asked = rng.normal(size=(n_rows, 4)).round(1)
    predicted = Trees.of(reference).predict(asked)
    assert predicted.shape == (n_rows, n_outputs)
    expected = reference.predict(asked).reshape(n_rows, n_outputs)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)


def test_trees_without_a_split():
    reference = ExtraTreesRegressor(2, random_state=0).fit(np.ones((5, 1)), np.ones(5))
    np.testing.assert_array_equal(Trees.of(reference).predict(np.zeros((3, 1))), 1)
