"""What inspection measures, by cases in which it is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skdae import GradualDAETransformer
from skdae._core.network import ACTIVATIONS
from skdae.inspection import (
    WeightDrift,
    effective_rank,
    layer_cka,
    layer_codes,
    linear_cka,
    noise_sensitivity,
    participation_ratio,
    probe_scores,
    reconstruction_field,
)
from skdae.inspection._sensitivity import jacobian
from skdae.schedules import Gradual, Stacked

RANKS = [effective_rank, participation_ratio]


def make_table(n_rows=120, n_columns=5):
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(n_rows, 2)) @ generator.normal(size=(2, n_columns))
    return latent + 0.1 * generator.normal(size=latent.shape)


def fitted(hidden_layer_sizes=(6, 4), **options):
    options = {"max_iter": 8, "random_state": 0, "learning_rate_init": 0.01} | options
    return GradualDAETransformer(hidden_layer_sizes, **options).fit(make_table())


def isotropic(d):
    """Codes with the same variance in every direction: exactly, not on average."""
    return np.vstack([np.eye(d), -np.eye(d)])


# --- codes ---------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(2, 6), st.floats(0.01, 100), st.integers(0, 1000))
def test_cka_of_a_rotation_and_scaling_is_one(d, scale, seed):
    H = np.random.default_rng(seed).normal(size=(40, d))
    Q = ortho_group.rvs(d, random_state=seed)
    assert linear_cka(H, scale * H @ Q + 5) == pytest.approx(1)


def test_cka_of_codes_without_a_correlation_is_zero():
    H = np.array([[1.0], [1], [-1], [-1]])
    G = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    assert linear_cka(H, G) == 0
    assert linear_cka(H, np.ones((4, 2))) == 0


def test_cka_is_symmetric_and_between_zero_and_one():
    generator = np.random.default_rng(0)
    H, G = generator.normal(size=(30, 3)), generator.normal(size=(30, 5))
    assert 0 < linear_cka(H, G) < 1
    assert linear_cka(H, G) == pytest.approx(linear_cka(G, H))


def test_cka_of_layers_is_that_of_their_codes():
    X, one, other = make_table(), fitted(), fitted((6, 4, 3), random_state=1)
    codes, others = list(one.staged_transform(X)), list(other.staged_transform(X))
    found = layer_cka(one, X, other=other)
    assert found.shape == (2, 3)
    assert found[1, 2] == pytest.approx(linear_cka(codes[1], others[2]), abs=1e-5)
    np.testing.assert_allclose(np.diag(layer_cka(one, X)), 1)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_rank_of_isotropic_codes_is_their_dimension(rank, d):
    H = isotropic(d)
    assert rank(H) == pytest.approx(d)
    wide = H @ np.linalg.qr(np.random.default_rng(0).normal(size=(7, d)))[0].T
    assert rank(3 * wide + 1) == pytest.approx(d)


@pytest.mark.parametrize("rank", RANKS)
def test_the_rank_falls_with_a_direction_that_fades(rank):
    H = isotropic(3)
    ranks = [rank(H * [1, 1, scale]) for scale in (1, 0.5, 0.1, 0)]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[-1] == pytest.approx(2)
    assert rank(np.ones((4, 3))) == 0


def test_dead_and_saturated_units_are_counted():
    dae = fitted(activation="relu")
    dae.network_.encoder[0].weight[:, :3] = 0  # three of six units are constant
    first, last = layer_codes(dae, make_table())
    assert (first.n_units, first.dead, first.saturated) == (6, 0.5, 0)
    dae = fitted(activation="logistic")
    dae.network_.encoder[0].bias[:2] = 50  # beyond what any row can undo
    first, last = layer_codes(dae, make_table())
    assert first.saturated >= 2 / 6
    assert last.n_units == 4
    assert last.effective_rank == pytest.approx(
        effective_rank(dae.set_params(output="code").transform(make_table())), rel=1e-4
    )


def test_a_probe_reads_what_is_linear_in_the_inputs():
    X = make_table()
    y = X[:, 0] + 2 * X[:, 1]
    dae = fitted()
    scores = probe_scores(dae, X, y, cv=3)
    assert scores.shape == (3, 3)
    assert (scores[0] > 0.999).all()
    classes = probe_scores(dae, X, np.where(y > 0, "high", "low"), cv=3)
    assert ((classes > 0.5) & (classes <= 1)).all()


# --- drift ---------------------------------------------------------------------------


def observed(**options):
    pytest.importorskip("sklearn.callback", reason="callbacks came with 1.9")
    drift = WeightDrift()
    dae = GradualDAETransformer((6, 4), max_iter=8, random_state=0, **options)
    dae.set_callbacks(drift).fit(make_table())
    return drift, dae


def test_drift_begins_after_the_phase_of_a_layer():
    drift, dae = observed(schedule=Gradual(tuning_fraction=0.25))
    assert drift.drift_.shape == (8, 2)
    assert drift.phases_.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert np.isnan(drift.drift_[:3]).all()
    assert np.isnan(drift.drift_[3:6, 1]).all()
    assert (drift.drift_[3:, 0] > 0).all()
    assert (drift.drift_[6:, 1] > 0).all()


def test_frozen_layers_do_not_drift():
    drift, _ = observed(schedule=Stacked(tuning_fraction=0.25))
    assert (drift.drift_[3:6, 0] == 0).all()
    assert (drift.drift_[6:] > 0).all()


def test_drift_is_the_distance_of_the_weights():
    drift, dae = observed()
    first = GradualDAETransformer((6, 4), random_state=0, schedule=dae.schedule)
    first.set_params(schedule=Gradual().plan(2, 8)[:1], hidden_layer_sizes=6)
    before = first.fit(make_table()).coefs_[0]
    expected = np.linalg.norm(dae.coefs_[0] - before) / np.linalg.norm(before)
    assert drift.drift_[-1, 0] == pytest.approx(expected, rel=1e-5)


def test_a_second_fit_starts_again():
    drift, dae = observed()
    one = drift.drift_
    dae.fit(make_table())
    np.testing.assert_array_equal(drift.drift_, one)


# --- sensitivity ---------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_jacobian_is_the_limit_of_differences(activation):
    network = fitted(activation=activation).network_
    z = np.random.default_rng(1).normal(size=5)
    step = 1e-6 * np.eye(5)
    upper, lower = network.encode(z + step), network.encode(z - step)
    np.testing.assert_allclose(jacobian(network, z), (upper - lower) / 2e-6, atol=1e-4)


def test_a_network_that_ignores_a_direction_is_not_sensitive_to_it():
    generator = np.random.default_rng(0)
    X = np.column_stack([generator.normal(size=100), np.zeros(100)])
    X[0, 1] = 1e-9  # not constant
    dae = GradualDAETransformer(
        3, scaling=None, activation="identity", max_iter=1, random_state=0
    ).fit(X)
    weight = dae.network_.encoder[0].weight
    weight[:] = [[1, 2, 2], [0, 0, 0]]
    found = noise_sensitivity(dae, X, n_neighbors=5)
    np.testing.assert_allclose(found.along, 3)
    np.testing.assert_allclose(found.across, 0, atol=1e-6)
    assert (found.n_directions == 1).all()


# --- field ---------------------------------------------------------------------------


def test_vectors_lead_to_what_the_network_rebuilds():
    dae, X = fitted(), make_table()
    field = reconstruction_field(dae, X, columns=(3, 1), n_grid=4)
    raw = np.full((16, 5), np.nan)
    raw[:, [3, 1]] = field.points
    rebuilt = dae.inverse_transform(dae.transform(raw))[:, [3, 1]]
    np.testing.assert_allclose(field.points + field.vectors, rebuilt, atol=1e-6)


def test_points_are_a_grid_over_the_range_and_a_tenth_beyond():
    X = make_table(n_columns=2)
    dae = GradualDAETransformer(3, max_iter=1, random_state=0).fit(X)
    points = reconstruction_field(dae, X, n_grid=3).points
    low, high = X.min(axis=0), X.max(axis=0)
    np.testing.assert_allclose(points[0], low - (high - low) / 10)
    np.testing.assert_allclose(points[-1], high + (high - low) / 10)
    assert len({tuple(point) for point in points}) == 9


def test_the_field_of_a_projection_is_orthogonal_to_its_line():
    X = make_table(n_columns=2)
    dae = GradualDAETransformer(
        1, scaling=None, activation="identity", max_iter=1, random_state=0
    ).fit(X)
    direction = np.array([0.6, 0.8])
    for layer, weight in zip(
        (dae.network_.encoder[0], dae.network_.decoder[0]),
        (direction[:, None], direction[None]),
        strict=True,
    ):
        layer.weight[:], layer.bias[:] = weight, 0
    inner = X[np.abs(X).max(axis=1) < 0.5 * np.abs(X).max()]
    field = reconstruction_field(dae, inner)
    np.testing.assert_allclose(field.vectors @ direction, 0, atol=1e-5)
    assert np.abs(field.vectors).max() > 0.1


# --- what is refused -----------------------------------------------------------------

LOOKS = [
    lambda dae: layer_cka(dae, make_table()),
    lambda dae: layer_codes(dae, make_table()),
    lambda dae: probe_scores(dae, make_table(), np.arange(120.0)),
    lambda dae: noise_sensitivity(dae, make_table()),
    lambda dae: reconstruction_field(dae, make_table()),
]


@pytest.mark.parametrize("look", LOOKS)
def test_only_a_fitted_transformer_is_looked_into(look):
    with pytest.raises(TypeError, match="must be a GradualDAETransformer"):
        look("dae")
    with pytest.raises(NotFittedError):
        look(clone(fitted()))


def test_settings_out_of_range_are_refused():
    dae, X = fitted(), make_table(30)
    with pytest.raises(ValueError, match="n_neighbors=30 must be an int from 1 to 29"):
        noise_sensitivity(dae, X, n_neighbors=30)
    with pytest.raises(ValueError, match=r"explained=1 must lie in \(0, 1\)"):
        noise_sensitivity(dae, X, explained=1)
    for columns in [(0, 5), (1, 1), (0, 1, 2)]:
        with pytest.raises(ValueError, match="must be the positions of two different"):
            reconstruction_field(dae, X, columns=columns)
    with pytest.raises(ValueError, match="n_grid=1 must be an int of at least 2"):
        reconstruction_field(dae, X, n_grid=1)
    X[:, 1] = np.nan
    with pytest.raises(ValueError, match="no observed cell in one of the columns"):
        reconstruction_field(dae, X)
    with pytest.raises(ValueError, match="H_other holds 3 rows and must hold one"):
        linear_cka(np.ones((4, 2)), np.ones((3, 2)))
