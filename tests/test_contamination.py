"""The warning of anomalies among training rows that count as normal."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._contamination import far_rows

# with five epochs the residuals of normal rows spread as widely as those of faults
NETWORK = GradualDAETransformer((16, 4), max_iter=20)


def rows(n_rows, far, seed=0):
    """Sensors that see two factors, in some rows with a fault of one of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 2)) @ np.random.default_rng(9).normal(size=(2, 8))
    X += 0.2 * rng.normal(size=X.shape)
    sizes = rng.choice([-1, 1], far) * rng.uniform(5, 30, far)
    X[np.arange(far), rng.integers(8, size=far)] += sizes
    return X[rng.permutation(n_rows)]


def fitted(X, **parameters):
    detector = GradualDAEOutlierDetector(NETWORK, random_state=0, **parameters)
    return detector.fit(X)


def test_far_rows_that_count_as_normal_give_a_warning_with_their_share():
    with pytest.warns(
        UserWarning, match=r"% of the rows of X are far.*set contamination to"
    ):
        fitted(rows(500, 20))


@pytest.mark.parametrize(
    ("far", "parameters"),
    [(0, {}), (5, {}), (20, {"contamination": 0.05})],
    ids=["clean", "few", "mentioned"],
)
def test_clean_rows_few_far_rows_and_a_given_share_give_none(far, parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(rows(500, far), **parameters)


def regimes(kind, rng, n_rows=600):
    """Normal rows in time order: between setpoints, in two modes, with stops."""
    noise = rows(n_rows, 0, seed=int(rng.integers(1000)))
    direction = np.random.default_rng(3).normal(size=8)
    stretch = np.repeat(np.arange(n_rows // 30), 30)
    level = {
        "setpoints": rng.choice([-2.0, 0.0, 2.0], len(stretch))[stretch],
        "modes": 4.0 * (stretch % 2),
        "stops": 5.0 * (np.arange(n_rows) % 100 < 90),
        "drift": np.cumsum(rng.normal(size=n_rows)) / 5,
    }
    return noise + level[kind][:, None] * direction


@pytest.mark.parametrize("kind", ["setpoints", "modes", "stops", "drift"])
def test_regimes_of_rows_in_time_order_are_no_anomalies(kind):
    """Scattered errors among them are."""
    X = regimes(kind, np.random.default_rng(5))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*far from all others")
        warnings.filterwarnings("ignore", "false_alarm_rate")
        fitted(X, false_alarm_rate=0.05, calibration="blocked")
    far = np.arange(0, len(X), 20)
    X[far, far // 20 % 8] += np.where(far % 40, 30, -30)
    with pytest.warns(UserWarning, match="far from all others"):
        fitted(X, false_alarm_rate=0.05, calibration="blocked")


@pytest.mark.parametrize("n_columns", [1, 2])
@pytest.mark.parametrize("rarest", [0.02, 0.1])
def test_rare_categories_are_far_from_none(n_columns, rarest):
    """Rows of the same categories are copies of each other."""
    draw = np.random.default_rng(0).choice
    kinds = draw(list("pqr"), (600, n_columns), p=[0.9 - rarest, 0.1, rarest])
    table = pd.DataFrame(kinds).rename(columns=str).astype("category")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(table, false_alarm_rate=0.05)


def test_rows_that_do_not_count_change_nothing():
    scores = np.exp(np.random.default_rng(0).normal(size=(500, 2)))
    scores[:20] *= 1e9
    kept = np.arange(500) % 3 > 0
    some = np.where(kept[:, None], scores, np.nan)
    np.testing.assert_array_equal(far_rows(some)[kept], far_rows(scores[kept]))
    assert not far_rows(some)[~kept].any()
    assert not far_rows(np.full((3, 2), np.nan)).any()


def test_the_share_is_that_beyond_the_bulk_whatever_the_units():
    logs = np.random.default_rng(0).normal(size=(1000, 2))
    logs[:70, 1] = 20
    logs[990:] = np.nan
    scores = np.exp(logs)
    scores = scores[:990]
    assert far_rows(scores).mean() == pytest.approx(70 / 990)
    assert far_rows(1e3 * scores).mean() == pytest.approx(70 / 990)
    assert far_rows(scores[:, :0]).sum() == 0
