"""How much less the scores of new rows spread than those of held-out ones."""

import numpy as np
import pytest

from skdae._outlier._disagreement import NO_DISAGREEMENT, Disagreement
from skdae.timeseries import EWMA

N_FOLDS, N_ROWS, GAP = 5, 4_000, 50
FOLD_OF = np.arange(N_ROWS) * N_FOLDS // N_ROWS


def scored(own_spread, seed=0):
    """A part of all scores that networks agree on, and one of each network."""
    rng = np.random.default_rng(seed)
    own = own_spread * rng.normal(size=(N_FOLDS, N_ROWS))
    return rng.normal(size=N_ROWS) + own


def learned(scores):
    return Disagreement.learn(FOLD_OF, GAP, lambda fold, rows: scores[fold, rows])


@pytest.mark.parametrize("own_spread", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("smoothing", [None, EWMA(0.3)])
def test_held_out_scores_spread_as_averages_do(own_spread, smoothing):
    scores = scored(own_spread)
    smooth = None if smoothing is None else smoothing.smooth
    held_out, new = scores[FOLD_OF, np.arange(N_ROWS)], scores.mean(axis=0)
    if smooth is not None:
        held_out, new = smooth(held_out, groups=FOLD_OF), smooth(new)
    found = learned(scores).spread_like_new(held_out, smooth)
    assert found.std() == pytest.approx(new.std(), rel=0.05)
    assert found.mean() == pytest.approx(held_out.mean())


def test_networks_that_agree_change_nothing():
    held_out = scored(0.0)[0]
    np.testing.assert_allclose(learned(scored(0.0)).spread_like_new(held_out), held_out)
    np.testing.assert_array_equal(NO_DISAGREEMENT.spread_like_new(held_out), held_out)


def test_only_rows_that_two_networks_have_not_seen_are_compared():
    asked = []

    def score_by(fold, rows):
        asked.append((fold, rows))
        return np.zeros(len(rows))

    found = Disagreement.learn(FOLD_OF, GAP, score_by)
    assert len(found.differences) == (N_FOLDS - 1) * 2 * GAP
    for fold, rows in asked:
        held_out = np.flatnonzero(fold == FOLD_OF)
        assert rows.min() >= held_out[0] - GAP
        assert rows.max() <= held_out[-1] + GAP
