"""Explanations: which sensor deviates, from which value, together with which other."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._explain import Explainer

NETWORK = GradualDAETransformer((8, 3), max_iter=5, scaling="standard")


def plant(n_rows, seed, n_columns=8, noise=0.2):
    """Noisy sensors that see three hidden quantities."""
    loadings = np.random.default_rng(99).normal(size=(3, n_columns))
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 3)) @ loadings + noise * rng.normal(
        size=(n_rows, n_columns)
    )


def learn(X):
    """An explainer of normal rows, and the matrix that maps a row into its encoding."""
    encoder = NETWORK.__class__((2,), max_iter=1).fit(X).table_encoder_
    return Explainer.learn(encoder, X)


def detector_of(X, **parameters):
    parameters = {
        "n_splits": 3,
        "false_alarm_rate": 0.05,
        "random_state": 0,
    } | parameters
    return GradualDAEOutlierDetector(NETWORK, **parameters).fit(X)


X = plant(500, 0)
FRESH = plant(200, 1)
EXPLAINER = learn(X)
DETECTOR = detector_of(X)
DEVIATION = 1 / np.sqrt(np.diag(np.linalg.inv(np.cov(X.T))))  # given the others
NAMES = [f"s{j}" for j in range(8)]


def centred(explainer, rows):
    """Encoded rows minus their mean."""
    return explainer.encoder.encode(rows)[0] - explainer.gaussian.mean


def distance(explainer, rows, columns):
    """Squared Mahalanobis distance of some columns by themselves, the long way."""
    covariance = np.linalg.inv(explainer.gaussian.precision)[np.ix_(columns, columns)]
    d = centred(explainer, rows)[:, columns]
    return (d @ np.linalg.inv(covariance) * d).sum(axis=1)


def without(*columns):
    return np.delete(np.arange(8), columns)


# --- the model in closed form ---------------------------------------------------------


def test_the_distances_of_the_columns_add_up_to_the_mahalanobis_distance():
    found = EXPLAINER.deviations(FRESH).distances
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), distance(EXPLAINER, FRESH, without()))


@pytest.mark.parametrize("column", range(8))
def test_a_faulty_sensor_has_what_the_distance_falls_by_without_it(column):
    rows = FRESH.copy()
    rows[:, column] += 10 * DEVIATION[column]
    found = EXPLAINER.deviations(rows)
    is_first = found.distances.argmax(axis=1) == column
    assert is_first.mean() > 0.99
    fall = distance(EXPLAINER, rows, without()) - distance(
        EXPLAINER, rows, without(column)
    )
    own, fall = found.distances[is_first, column], fall[is_first]
    is_alone = np.isclose(own, fall)
    assert is_alone.mean() > 0.8  # in other rows another sensor deviates by chance
    assert (own[~is_alone] > 0.8 * fall[~is_alone]).all()


def test_expectations_are_conditional_means():
    """Given all others; in the units of the table."""
    rows = FRESH.copy()
    rows[:, 2] += 10 * DEVIATION[2]
    found = EXPLAINER.deviations(rows)
    others = without(2)
    mean, covariance = X.mean(axis=0), np.cov(X.T)
    weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, 2])
    conditional = mean[2] + (rows[:, others] - mean[others]) @ weights
    expected = EXPLAINER.expected(rows, found.shifts)[:, 2]
    error = expected - conditional
    assert np.median(np.abs(error)) < 0.02 * DEVIATION[2]
    size = (rows[:, 2] - expected) / DEVIATION[2]
    np.testing.assert_allclose(np.median(found.sizes[:, 2] / size), 1, rtol=0.02)


columns_of_faults = st.lists(st.integers(0, 7), min_size=1, max_size=2, unique=True)


@given(
    seed=st.integers(0, 1000),
    columns=columns_of_faults,
    sizes=st.tuples(*[st.floats(0.5, 3) | st.floats(-3, -0.5)] * 2),
)
@settings(max_examples=40, deadline=None)
def test_without_noise_nothing_is_smeared_over_other_sensors(seed, columns, sizes):
    """Whatever the covariance, faults of one or two sensors explain all of a row."""
    rng = np.random.default_rng(seed)
    explainer = learn(rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)))
    row = np.zeros((1, 8))
    row[0, columns] = 1000 * np.array(sizes[: len(columns)])
    found = explainer._compare(row, explainer.gaussian.precision)
    total = found.distances.sum()
    np.testing.assert_allclose(found.distances[0, columns].sum(), total, rtol=1e-5)
    np.testing.assert_allclose(found.shifts[0, columns], row[0, columns], rtol=1e-5)


def test_the_order_of_the_columns_does_not_matter():
    order = np.random.default_rng(0).permutation(8)
    found = EXPLAINER.deviations(FRESH)
    other = learn(X[:, order]).deviations(FRESH[:, order])
    np.testing.assert_allclose(other.distances, found.distances[:, order], rtol=1e-6)
    np.testing.assert_allclose(other.sizes, found.sizes[:, order], rtol=1e-5)


def test_units_do_not_matter():
    scale, shift = np.logspace(-3, 3, 8), np.linspace(-5, 5, 8)
    scaled = learn(X * scale + shift)
    rows = FRESH * scale + shift
    found, other = EXPLAINER.deviations(FRESH), scaled.deviations(rows)
    np.testing.assert_allclose(other.distances, found.distances, rtol=1e-5)
    expected = EXPLAINER.expected(FRESH, found.shifts)
    np.testing.assert_allclose(
        scaled.expected(rows, other.shifts), expected * scale + shift, rtol=1e-5
    )


def test_a_missing_cell_is_as_if_there_were_no_such_sensor():
    rows = FRESH[:100].copy()
    gaps = np.random.default_rng(0).random(rows.shape) < 0.3
    rows[gaps] = np.nan
    found = EXPLAINER.deviations(rows)
    assert (found.distances[gaps] == 0).all()
    for row, gap in enumerate(gaps):
        own = distance(EXPLAINER, FRESH[[row]], np.flatnonzero(~gap))
        np.testing.assert_allclose(found.distances[row].sum(), own[0], rtol=1e-6)


def test_gaps_in_the_training_rows_do_not_weaken_relations():
    """Means in their place would: a fault would seem to be smaller."""
    rows = X.copy()
    rows[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    precision = learn(rows).gaussian.precision
    complete = EXPLAINER.gaussian.precision
    np.testing.assert_allclose(np.diag(precision), np.diag(complete), rtol=0.35)


def test_rows_are_explained_alike_in_any_batch():
    rows = FRESH.copy()
    rows[::3, 1] = np.nan
    together = EXPLAINER.deviations(rows).distances
    one_by_one = [EXPLAINER.deviations(rows[[i]]).distances[0] for i in range(20)]
    np.testing.assert_allclose(together[:20], one_by_one, rtol=1e-8, atol=1e-10)


def test_a_single_column_explains_all():
    explainer = learn(X[:, :1])
    z = centred(explainer, FRESH[:, :1])
    expected = z**2 * explainer.gaussian.precision
    np.testing.assert_allclose(explainer.deviations(FRESH[:, :1]).distances, expected)


# --- the table of explanations --------------------------------------------------------


def test_explanations_are_the_ranked_contributions():
    found = DETECTOR.explain(FRESH, n_sensors=8)
    contributions = DETECTOR.contributions(FRESH)
    assert found["row"].tolist() == np.repeat(np.arange(200), 8).tolist()
    assert found["rank"].tolist() == list(range(1, 9)) * 200
    ordered = -np.sort(-contributions, axis=1)
    np.testing.assert_allclose(found["contribution"], ordered.ravel())
    assert (found["lag"] == 0).all()
    assert found["share"].between(0, 1).all()
    columns = found["sensor"].str[1:].astype(int)
    np.testing.assert_array_equal(found["measured"], FRESH[found["row"], columns])


def test_index_and_names_of_the_table_are_kept():
    frame = pd.DataFrame(
        FRESH, columns=NAMES, index=pd.date_range("2024-01-01", periods=200, name="at")
    )
    detector = detector_of(pd.DataFrame(X, columns=NAMES))
    found = detector.explain(frame, n_sensors=2)
    assert found.index.equals(frame.index.repeat(2))
    assert set(found["sensor"]) == set(NAMES)
    from_polars = detector.explain(pl.from_pandas(frame), n_sensors=2)
    pd.testing.assert_frame_equal(from_polars, found.reset_index(drop=True))


def test_some_rows_are_explained_as_among_all():
    mask = np.zeros(200, dtype=bool)
    mask[[3, 50, 51]] = True
    every = DETECTOR.explain(FRESH)
    expected = every[every["row"].isin([3, 50, 51])].reset_index(drop=True)
    for rows in (mask, [3, 50, 51]):
        pd.testing.assert_frame_equal(DETECTOR.explain(FRESH, rows=rows), expected)
    assert len(DETECTOR.explain(FRESH, rows=np.zeros(200, dtype=bool))) == 0


@pytest.mark.parametrize("rows", [[200], [-1], [0.5], [True, False], "all"])
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises(ValueError, match="must hold numbers from 0 to 199"):
        DETECTOR.explain(FRESH, rows=rows)


@pytest.mark.parametrize("n_sensors", [0, -1, 1.5])
def test_the_number_of_sensors_is_checked(n_sensors):
    with pytest.raises(ValueError, match="n_sensors=.* at least 1"):
        DETECTOR.explain(FRESH, n_sensors=n_sensors)


def test_missing_cells_are_never_named_and_empty_rows_have_no_line():
    rows = FRESH[:50].copy()
    rows[np.random.default_rng(0).random(rows.shape) < 0.5] = np.nan
    rows[7] = np.nan
    with pytest.warns(UserWarning, match="no value at all"):
        found = DETECTOR.explain(rows, n_sensors=8)
    assert 7 not in set(found["row"])
    assert found["measured"].notna().all()
    n_observed = (~np.isnan(rows)).sum(axis=1)
    assert (found.groupby("row").size() <= n_observed[n_observed > 0]).all()


def test_a_fault_of_the_past_is_found_where_it_was():
    """Rows that are scored with those before them: the lag says which row it is."""
    walk = plant(600, 3)
    detector = detector_of(walk[:500], scores="distance", calibration="blocked", lags=2)
    rows = walk[500:].copy()
    rows[40, 5] += 30 * DEVIATION[5]
    found = detector.explain(rows, rows=[40, 41, 42], n_sensors=1)
    assert found["sensor"].tolist() == ["x5"] * 3
    assert found["lag"].tolist() == [0, 1, 2]
    assert found["measured"].tolist() == [rows[40, 5]] * 3
    assert abs(found["expected"].iloc[0] - walk[540, 5]) < 5 * DEVIATION[5]


def test_categories_are_shown_as_they_are():
    table = pd.DataFrame(X, columns=NAMES)
    table["state"] = np.where(X[:, 0] > np.median(X[:, 0]), "run", "idle")
    network = NETWORK.__class__((8, 3), max_iter=5, categorical_features=["state"])
    detector = GradualDAEOutlierDetector(network, n_splits=3, random_state=0).fit(table)
    far = np.abs(X[:, 0] - np.median(X[:, 0])) > X[:, 0].std()
    wrong = table[far].copy()
    wrong["state"] = wrong["state"].map({"run": "idle", "idle": "run"})
    found = detector.explain(wrong, n_sensors=1)
    is_state = found["sensor"] == "state"
    assert is_state.mean() > 0.9
    assert (found["measured"][is_state] == wrong["state"][is_state.to_numpy()]).all()
    assert (found["expected"][is_state] != found["measured"][is_state]).all()
    assert found["broken_with"][is_state].isna().all()


def test_the_broken_relation_is_the_closest_one():
    """Two sensors that go together, until one of them does not."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(600, 5))
    table[:, 3] = 2 * table[:, 1] + 0.1 * rng.normal(size=600)
    detector = detector_of(table[:500])
    rows = table[500:].copy()
    assert detector.explain(rows, n_sensors=5)["broken_with"].notna().mean() < 0.01
    rows[:, 3] += 3
    found = detector.explain(rows, n_sensors=1)
    assert (found["sensor"].isin(["x1", "x3"])).all()
    partner = found["sensor"].map({"x1": "x3", "x3": "x1"})
    assert (found["broken_with"] == partner).all()


def test_a_fault_of_one_sensor_has_a_large_share_and_another_mode_has_not():
    faulty = FRESH.copy()
    columns = np.arange(200) % 8
    faulty[np.arange(200), columns] += 10 * DEVIATION[columns]
    moved = FRESH + 3 * np.random.default_rng(5).normal(size=8) * DEVIATION
    shares = [DETECTOR.explain(rows, n_sensors=1)["share"] for rows in (faulty, moved)]
    assert shares[0].median() > 0.8
    assert shares[1].median() < 0.6


def test_tables_of_categories_have_no_relations():
    kinds = np.random.default_rng(0).choice(list("pq"), (200, 2))
    table = pd.DataFrame(kinds, columns=["k", "m"]).astype("category")
    found = detector_of(table).explain(table, rows=[0])
    assert set(found["sensor"]) <= {"k", "m"}
    assert found["broken_with"].isna().all()
