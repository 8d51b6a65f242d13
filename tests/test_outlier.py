"""The outlier detector: thresholds, held-out rows, scores and contributions."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._covariance import shrunk_covariance
from skdae._outlier import _models
from skdae._outlier._cross_fit import SeenRows, fingerprints
from skdae._outlier._folds import Batch, Partition
from skdae._outlier._missing_cells import MissingCellCorrection
from skdae._outlier._models import MIN_SPREAD, Quadratic
from skdae._outlier._scores import (
    COMBINATION,
    SCORES,
    Combination,
)
from skdae._outlier._thresholds import (
    ConformalQuantile,
    PredictionLimit,
    conformal_threshold,
    promised_rate,
    rows_needed,
    share_threshold,
    warn_of_few_rows,
)
from skdae._outlier._views import Views
from skdae._random import spawn_streams
from skdae._table.encoder import TableEncoder
from skdae._table.schema import Schema
from skdae.timeseries import EWMA, KOfN, SlidingWindow

NETWORK = GradualDAETransformer((12, 3), noise_rate=0.3, max_iter=15)


def factors(n_rows, seed, n_columns=8):
    """Noisy sensors that see two hidden quantities, in units of their own."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(2, n_columns))
    X = rng.normal(size=(n_rows, 2)) @ loadings
    X += 0.2 * rng.normal(size=X.shape)
    return X * np.logspace(-2, 2, n_columns) + 5


def small(transformer=NETWORK, *, random_state=0, n_splits=3, **parameters):
    return GradualDAEOutlierDetector(
        transformer, random_state=random_state, n_splits=n_splits, **parameters
    )


X = factors(200, 0)
FRESH = factors(300, 1)
SCALE = X.std(axis=0)


def broken(rows, column):
    """Rows with one sensor far from its value given the others."""
    rows = rows.copy()
    rows[:, column] += 8 * SCALE[column]
    return rows


def squared_errors(member, rows):
    """Mean squared residual of each row by a network."""
    views = Views(member.encoder, member.network, Batch.of(rows, 0))
    return (views.residuals**2).mean(axis=1)


FITTED = small().fit(X)


# --- thresholds -----------------------------------------------------------------------


def test_false_alarms_on_fresh_rows_are_those_asked_for():
    """Of each network; of their average, from below.

    Also where a network fits its own rows so well that their residuals mislead. Three
    tables: the average alarms on 1.2 to 4 % of the rows of one where 5 % are asked for.
    """
    wide = GradualDAETransformer((64, 32), noise="gaussian", noise_rate=0.1)
    of_one, of_all = [], []
    for seed in range(3):
        rows, fresh = factors(300, 10 * seed + 2, 20), factors(4000, 10 * seed + 3, 20)
        detector = GradualDAEOutlierDetector(
            wide, scores="whitened_error", false_alarm_rate=0.05, random_state=seed
        ).fit(rows)
        names, batch = detector.score_names_, Batch.of(fresh, 0)
        scores = [member.score(names, batch)[:, 0] for member in detector.members_]
        of_one.append((np.array(scores) > -detector.offset_).mean())
        of_all.append((detector.predict(fresh) == -1).mean())
        training, new = (squared_errors(detector.members_[0], X) for X in (rows, fresh))
        assert (new > np.quantile(training, 0.95)).mean() > 0.08
    assert 0.03 < np.mean(of_one) < 0.07
    assert 0.01 < min(of_all) < max(of_all) < 0.05


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 99), (0.05, 19), (0.3, 3)])
def test_too_few_rows_for_a_rate_are_counted(rate, needed):
    """The number in the warning is the least that gives none."""
    assert rows_needed(rate) == needed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_few_rows(rate, ConformalQuantile.learn(np.arange(needed)))
    too_few = ConformalQuantile.learn(np.arange(needed - 1.0))
    with pytest.warns(UserWarning, match=f"at least {needed} rows .* there are"):
        warn_of_few_rows(rate, too_few)
    assert too_few.threshold(rate) == needed - 2
    assert promised_rate(rate, too_few) > rate
    assert promised_rate(rate, ConformalQuantile.learn(np.arange(needed))) == rate
    with pytest.warns(UserWarning, match="raise false_alarm_rate to 0.0477"):
        small(false_alarm_rate=0.01).fit(X[:20])


@pytest.mark.parametrize("n_effective", [3.2, 18.9, 19.0, 23.5])
def test_the_rate_that_a_warning_advises_gives_none(n_effective):
    limit = PredictionLimit(0.0, 1.0, 0.1, n_effective, np.arange(5.0))
    with pytest.warns(UserWarning, match="a longer record") as said:
        warn_of_few_rows(0.001, limit)
    advised = float(str(said[0].message).split()[-1].rstrip("."))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_few_rows(advised, limit)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.25])
@pytest.mark.parametrize("n_rows", [99, 100, 137])
def test_a_conformal_threshold_keeps_its_promise(rate, n_rows):
    """Of n + 1 rows that could as well come in any order, the last one is alarmed
    at most as often as asked, and no rarer than one part in n + 1 below that."""
    values = np.random.default_rng(0).normal(size=n_rows + 1)
    alarmed = [
        values[i] > conformal_threshold(np.delete(values, i), rate)
        for i in range(n_rows + 1)
    ]
    assert rate - 1 / (n_rows + 1) < np.mean(alarmed) <= rate


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_a_number_is_the_share_of_outliers_in_training(share):
    detector = small(contamination=share)
    assert (detector.fit_predict(X) == -1).mean() == share
    np.testing.assert_array_equal(
        detector.predict(X), np.where(detector.decision_function(X) < 0, -1, 1)
    )
    np.testing.assert_allclose(
        detector.decision_function(FRESH),
        detector.score_samples(FRESH) - detector.offset_,
    )


def test_broken_rows_are_found():
    """And in the order of scikit-learn's signs."""
    for column in (0, 3, 7):
        assert (FITTED.predict(broken(FRESH, column)) == -1).mean() > 0.9
    assert (FITTED.predict(FRESH) == 1).mean() > 0.95


# --- rows not seen --------------------------------------------------------------------


def test_training_rows_are_scored_by_networks_not_trained_on_them():
    """Their scores are those of calibration."""
    np.testing.assert_allclose(FITTED.score_samples(X), FITTED.calibration_scores_)
    weights = SeenRows.of(FITTED.members_).weights_of(np.vstack([X, FRESH]))
    assert ((weights[: len(X)] > 0).sum(axis=1) == 1).all()
    np.testing.assert_allclose(weights[len(X) :], 1 / 3)


def test_fingerprints_distinguish_rows():
    table = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [np.nan, 1], [0, 1 + 1e-6]])
    prints = fingerprints(table)
    assert prints[0] == prints[1]
    assert len(set(prints.tolist())) == 4
    np.testing.assert_array_equal(fingerprints(table.astype(np.float32)), prints)
    big = np.random.default_rng(0).integers(0, 3, (5000, 12)).astype(float)
    assert len(np.unique(fingerprints(big))) == len(np.unique(big, axis=0))
    np.testing.assert_array_equal(
        fingerprints(np.asfortranarray(big)), fingerprints(big)
    )


def test_groups_are_held_out_as_a_whole():
    groups = np.repeat(np.arange(10), 20)
    detector = small().fit(X, groups=groups)
    prints = fingerprints(X)
    for member in detector.members_:
        trained = np.isin(prints, member.trained_on).reshape(10, 20)
        assert (trained.all(axis=1) | ~trained.any(axis=1)).all()
    with pytest.raises(ValueError, match="groups has the shape"):
        small().fit(X, groups=groups[:-1])
    with pytest.raises(ValueError, match="takes no groups; set calibration='auto'"):
        small(calibration="blocked").fit(X, groups=groups)
    with pytest.raises(ValueError, match="number of groups, and n_samples leaves 2"):
        small().fit(X, groups=np.repeat([0, 1], 100))


@pytest.mark.parametrize("lags", [0, 7])
def test_blocks_are_consecutive_rows_with_a_gap_around(lags):
    folds = Partition("blocked", 200, 5, lags=lags).folds(0)
    for train, held_out in folds:
        assert (np.diff(held_out) == 1).all()
        distance = np.abs(train[:, None] - held_out).min()
        assert distance > max(lags, 200 // 5 // 5 - 1)
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(200))


def test_windows_hold_the_rows_before_of_the_same_group():
    raw = np.arange(6.0)[:, None]
    groups = [0, 1, 0, 1, 0, 0]
    batch = Batch.of(raw, 2, groups)
    expected = [[0, 0, 0], [1, 1, 1], [2, 0, 0], [3, 1, 1], [4, 2, 0], [5, 4, 2]]
    np.testing.assert_array_equal(batch.raw[batch.window][:, :, 0], expected)
    taken = batch.take(np.array([4, 1]))
    np.testing.assert_array_equal(
        taken.raw[taken.window][:, :, 0], [expected[4], expected[1]]
    )
    np.testing.assert_array_equal(taken.rows, [[4], [1]])


@pytest.mark.parametrize("smoothing", [EWMA(0.3), KOfN(2, n=3)])
def test_smoothed_scores_have_a_threshold_of_their_own(smoothing):
    """Calibrated after smoothing: the mean rate is met on fresh smoothed scores."""
    rates = []
    for seed in (30, 20, 10, 0):
        train, fresh = factors(600, seed), factors(3000, seed + 2)
        detector = small(calibration="blocked", false_alarm_rate=0.05).fit(train)
        offset = detector.smoothed_offset(smoothing)
        assert offset > detector.offset_
        alarms = smoothing.smooth(detector.score_samples(fresh)) < offset
        rates.append(alarms.mean())
    assert 0.025 < np.mean(rates) < 0.08  # 1.5 standard errors: single ones have 0.04
    assert np.min(rates) > 0.01
    assert np.max(rates) < 0.12
    unsmoothed = detector.smoothed_offset(EWMA(1.0))
    assert unsmoothed == pytest.approx(detector.offset_)
    groups = np.arange(600) % 300  # of two rows each: hardly smoothed
    assert detector.smoothed_offset(smoothing, groups=groups) < offset


def test_smoothed_threshold_of_a_contaminated_table_is_at_its_share():
    detector = small(contamination=0.1).fit(X)
    smoothed = EWMA().smooth(detector.calibration_scores_)
    assert (smoothed < detector.smoothed_offset(EWMA())).mean() == 0.1


def test_smoothed_threshold_without_the_rows_that_are_never_held_out():
    fold = np.repeat([0, -1, 1], [70, 60, 70])
    detector = small(calibration=PredefinedSplit(fold), false_alarm_rate=0.05).fit(X)
    held_out = np.delete(EWMA().smooth(detector.calibration_scores_), slice(70, 130))
    assert not detector.is_ordered_
    expected = -conformal_threshold(-held_out, 0.05)
    assert detector.smoothed_offset(EWMA()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_windows_and_smoothing_in_a_pipeline(seed):
    """On 400 rows: 200 are worth fewer than nine independent ones in some runs."""
    rows, fresh = factors(400, 10 * seed), factors(300, 10 * seed + 1)
    detector = small(calibration="blocked", false_alarm_rate=0.1, random_state=seed)
    pipeline = make_pipeline(SlidingWindow(3), detector).fit(rows)
    offset = pipeline[-1].smoothed_offset(EWMA())
    faulty, normal = (
        EWMA().smooth(pipeline.score_samples(X)) < offset
        for X in (broken(fresh, 2), fresh)
    )
    assert faulty[5:].all()
    assert normal.mean() < 0.2


def test_a_splitter_may_leave_rows_in_training():
    fold = np.repeat([-1, 0, 1], [60, 70, 70])
    detector = small(calibration=PredefinedSplit(fold), false_alarm_rate=0.05).fit(X)
    assert np.isnan(detector.calibration_scores_[:60]).all()
    assert np.isfinite(detector.calibration_scores_[60:]).all()
    assert np.isfinite(detector.score_samples(X)).all()
    with pytest.raises(ValueError, match="must do so once; use a splitter such as"):
        small(calibration=ShuffleSplit(5, random_state=0)).fit(X)
    with pytest.raises(ValueError, match="calibration=.x. must be .auto., one of"):
        small(calibration="x").fit(X)
    same = KFold(3, shuffle=True, random_state=2)
    detector = small(calibration=same).fit(X)
    for member, (train, _) in zip(detector.members_, same.split(X), strict=True):
        assert set(member.trained_on) == set(fingerprints(X[train]))


def ordered(n_rows, phi, seed):
    """Noisy sensors that see four hidden AR(1) processes."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n_rows + 300, 4)) * np.sqrt(1 - phi**2)
    hidden = lfilter([1], [1, -phi], steps, axis=0)[300:]
    loadings = np.random.default_rng(98).normal(size=(4, 12))
    return np.tanh(hidden @ loadings) + 0.1 * rng.normal(size=(n_rows, 12))


@pytest.mark.parametrize("smoothing", [None, EWMA(0.2)])
@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_false_alarms_of_rows_in_time_order_are_those_asked_for(phi, smoothing):
    """By default, with few rows; random folds raise 20 % and more."""
    detector = GradualDAEOutlierDetector(
        NETWORK, smoothing=smoothing, false_alarm_rate=0.05, random_state=0
    )
    rates = []
    for seed in range(3):
        detector.fit(ordered(800, phi, seed))
        assert detector.is_ordered_
        alarms = detector.predict(ordered(4000, phi, 100 + seed)) == -1
        rates.append(alarms.mean())
    assert 0.01 < np.mean(rates) < 0.08


def test_smoothed_scores_are_what_alarms_are_raised_on():
    train, fresh = ordered(400, 0.5, 0), ordered(300, 0.5, 1)
    plain = small(false_alarm_rate=0.1).fit(train)
    smoothing = EWMA(0.3)
    smooth = small(false_alarm_rate=0.1, smoothing=smoothing).fit(train)
    np.testing.assert_array_equal(
        smooth.score_samples(fresh), plain.score_samples(fresh)
    )
    np.testing.assert_allclose(
        smooth.decision_function(fresh),
        smoothing.smooth(plain.score_samples(fresh)) - smooth.offset_,
    )
    assert smooth.offset_ > plain.offset_  # smoothing narrows the spread
    assert (
        smooth.calibration_report_.n_effective < plain.calibration_report_.n_effective
    )


def test_a_row_alone_is_its_own_past():
    """A score with lags takes the row itself where none is before it."""
    detector = small(scores="distance", lags=2, false_alarm_rate=0.1).fit(X)
    repeated = np.repeat(FRESH[:1], 3, axis=0)
    np.testing.assert_allclose(
        detector.score_samples(FRESH[:1])[0], detector.score_samples(repeated)[2]
    )
    np.testing.assert_allclose(
        detector.score_samples(FRESH[:9])[2:], detector.score_samples(FRESH[:10])[2:9]
    )


def test_windows_are_not_scored_with_the_rows_before_again():
    rows = ordered(400, 0.9, 0)
    plain = small(scores="distance", false_alarm_rate=0.1).fit(rows)
    windows = SlidingWindow(3).fit_transform(rows)
    inside = small(scores="distance", false_alarm_rate=0.1).fit(windows)
    assert (plain.lags_, inside.lags_) == (4, 0)


def test_a_prediction_limit_of_many_rows_is_their_quantile():
    scores = np.random.default_rng(0).normal(size=50_000)
    limit = PredictionLimit.learn(scores, 0.01)
    assert limit.n_effective > 40_000
    assert limit.threshold(0.01) == pytest.approx(np.quantile(scores, 0.99), rel=0.01)


def test_scores_above_tied_ones_have_a_p_value():
    limit = PredictionLimit.learn(np.repeat([1.0, 2.0], [4, 8]), 0.1)
    new = np.linspace(0, 1e6, 50)
    p = limit.p_values(new)
    assert ((p > 0) & (p <= 1)).all()
    np.testing.assert_array_equal(p <= 0.1, new > limit.threshold(0.1))


@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_a_prediction_limit_extends_an_exponential_tail(rate):
    scores = np.random.default_rng(0).exponential(size=(200, 100))
    limits = [PredictionLimit.learn(each, rate).threshold(rate) for each in scores]
    assert rate / 2 < np.exp(-np.array(limits)).mean() < 2 * rate


def test_high_scores_in_clusters_are_worth_fewer_rows():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=1000)
    scores[rng.choice(1000, 12, replace=False)] += 10
    clustered = np.sort(scores)
    clustered[:988] = rng.permutation(clustered[:988])
    scattered, together = (
        PredictionLimit.learn(each, 0.01) for each in (scores, clustered)
    )
    assert together.n_effective < scattered.n_effective
    assert together.n_tail < scattered.n_tail
    assert together.threshold(0.01) > scattered.threshold(0.01)


@pytest.mark.parametrize("n_stretches", [1, 4, 6, 12])
def test_whole_stretches_are_held_out_where_there_are_many(n_stretches):
    rng = np.random.default_rng(n_stretches)
    cuts = np.sort(rng.choice(np.arange(20, 380), n_stretches - 1, replace=False))
    stretch = np.searchsorted(cuts, np.arange(400), side="right")
    partition = Partition("blocked", 400, 5, lags=2, stretches=stretch)
    folds = partition.folds(0)
    assert partition.n_stretches == n_stretches
    held_out = np.concatenate([rows for _, rows in folds])
    np.testing.assert_array_equal(np.sort(held_out), np.arange(400))
    if partition.whole_stretches() is None:
        assert {len(rows) for _, rows in folds} == {80}
    else:
        for train, rows in folds:
            assert not set(stretch[train]) & set(stretch[rows])
            assert len(rows) <= 200
    assert (n_stretches < 5) == (partition.whole_stretches() is None)


@pytest.mark.parametrize("n_rows", [10, 30, 100, 1000])
@pytest.mark.parametrize("learn", [ConformalQuantile.learn, PredictionLimit.learn])
def test_p_values_are_the_rates_of_thresholds(learn, n_rows):
    """A row is above the threshold of a rate where its p-value is not above it."""
    scores = np.random.default_rng(1).normal(size=n_rows)
    limit = learn(scores) if learn == ConformalQuantile.learn else learn(scores, 0.05)
    new = np.linspace(-3, 6, 200)
    p = limit.p_values(new)
    assert (np.diff(p) <= 0).all()
    assert ((p > 0) & (p <= 1)).all()
    if n_rows >= rows_needed(0.05):
        np.testing.assert_array_equal(p <= 0.05, new > limit.threshold(0.05))


def test_p_values_of_new_rows_go_with_predictions():
    detector = small(false_alarm_rate=0.05).fit(X)
    p = detector.p_values(FRESH)
    np.testing.assert_array_equal(p <= 0.05, detector.predict(FRESH) == -1)
    assert 0.4 < p.mean() < 0.6


def test_the_report_says_what_the_threshold_rests_on():
    report = small(false_alarm_rate=0.05).fit(X).calibration_report_
    assert report.rule == "conformal quantile"
    assert report.n_effective == report.n_rows == len(X)
    low, high = report.interval
    assert low < report.promised_rate == report.rate == 0.05 < high
    walk = np.cumsum(X, axis=0)
    with pytest.warns(UserWarning, match="independent rows"):
        slow = small(false_alarm_rate=0.05).fit(walk).calibration_report_
    assert slow.rule == "prediction limit"
    assert slow.n_effective < 19
    assert slow.promised_rate == 1 / (int(slow.n_effective) + 1)


def test_tied_scores_come_nearest_to_the_share():
    scores = np.repeat([-9.0, -1.0, 0.0], [10, 80, 110])
    with pytest.warns(UserWarning, match="contamination=0.02 cannot be met"):
        threshold = share_threshold(scores, 0.02)
    assert (scores < threshold).sum() == 10
    with pytest.warns(UserWarning, match="cannot be met"):
        assert (scores < share_threshold(scores, 0.4)).sum() == 90
    assert (scores < share_threshold(scores, 0.05)).sum() == 10


def test_a_failed_refit_leaves_the_detector_as_it_was():
    detector = small(clone(NETWORK)).fit(X)
    before = detector.predict(FRESH)
    detector.set_params(transformer__solver="sgd", transformer__learning_rate_init=1e6)
    with pytest.raises(ValueError, match="loss|weights"):
        detector.fit(X[:, :5] * 100)
    np.testing.assert_array_equal(detector.predict(FRESH), before)
    assert not hasattr(small(n_splits=150).set_params(scores="x"), "n_features_in_")


# --- missing cells --------------------------------------------------------------------


def hidden(rows, rate, seed):
    """Rows that miss a share of their cells, but not all."""
    missing = np.random.default_rng(seed).random(rows.shape) < rate
    missing[missing.all(axis=1), 0] = False
    return np.where(missing, np.nan, rows)


@pytest.mark.parametrize("contamination", ["auto", 0.05])
@pytest.mark.parametrize("scores", [*SCORES, "auto"])
def test_the_false_alarm_rate_holds_with_missing_cells(scores, contamination):
    """Whatever the score: trained on complete rows."""
    train, fresh = factors(400, 0), factors(1000, 1)
    detector = small(
        scores=scores, contamination=contamination, false_alarm_rate=0.05
    ).fit(train)
    for rate in (0.03, 0.3):
        alarms = detector.predict(hidden(fresh, rate, 0)) == -1
        assert 0.01 < alarms.mean() < 0.1


def test_a_silent_sensor_of_nearly_dependent_ones_is_no_alarm():
    """Rows in time order, whose sensors determine each other but for a little noise."""

    def record(n_rows, seed):
        table = ordered(n_rows, 0.8, seed)[:, :5]
        total = table.sum(axis=1, keepdims=True)
        return np.hstack([table, total + 1e-3 * ordered(n_rows, 0.8, seed + 50)[:, :1]])

    detector = small(false_alarm_rate=0.05).fit(record(800, 0))
    fresh = record(1500, 1)
    complete = (detector.predict(fresh) == -1).mean()
    for sensor in range(6):
        silent = np.where(np.arange(6) == sensor, np.nan, fresh)
        assert abs((detector.predict(silent) == -1).mean() - complete) < 0.06
    for share in (0.03, 0.3):
        alarms = detector.predict(hidden(fresh, share, 0)) == -1
        assert abs(alarms.mean() - complete) < 0.06


def test_a_distance_without_missing_features_is_that_of_the_others():
    rng = np.random.default_rng(0)
    V = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    center, covariance = V.mean(axis=0), np.cov(V, rowvar=False)
    model = Quadratic(center, np.linalg.inv(covariance))
    missing = rng.random(V.shape) < 0.4
    missing[0] = True
    found = model.score(model.completed(V, missing))
    for row, gaps, distance in zip(V, missing, found, strict=True):
        gap = (row - center)[~gaps]
        of_others = covariance[np.ix_(~gaps, ~gaps)]
        expected = gap @ np.linalg.solve(of_others, gap)
        np.testing.assert_allclose(distance, expected, atol=1e-9)


def test_broken_rows_with_missing_cells_are_found():
    detector = small(false_alarm_rate=0.05).fit(X)
    rows = hidden(broken(FRESH, 3), 0.2, 0)
    seen = ~np.isnan(rows[:, 3])
    assert (detector.predict(rows[seen]) == -1).mean() > 0.8


@pytest.mark.parametrize("scores", [*SCORES, "auto", ("distance", "neighbors")])
def test_nothing_is_due_to_a_missing_cell(scores):
    detector = small(scores=scores, false_alarm_rate=0.05).fit(X)
    rows = hidden(FRESH[:50], 0.3, 0)
    contributions = detector.contributions(rows)
    assert (contributions[np.isnan(rows)] == 0).all()
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(rows), rtol=1e-6
    )


def test_a_row_without_a_value_is_a_typical_one():
    """Also where a column had none in training."""
    table = np.column_stack([X, np.full(len(X), np.nan)])
    with pytest.warns(UserWarning, match="hold no value"):
        detector = small(false_alarm_rate=0.05).fit(table)
    with pytest.warns(UserWarning, match="no value at all"):
        score = detector.score_samples(np.full((1, 9), np.nan))[0]
    low, high = np.quantile(detector.calibration_scores_, [0.2, 0.8])
    assert low < score < high


# --- scores ---------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [*SCORES, "auto", ("squared_error", "neighbors")])
def test_contributions_add_up_to_the_score(scores):
    """And name the broken sensor."""
    detector = small(scores=scores, false_alarm_rate=0.05).fit(X)
    rows = broken(FRESH[:50], 4)
    parts = detector.contributions(rows)
    assert parts.shape == rows.shape
    np.testing.assert_allclose(parts.sum(axis=1), -detector.score_samples(rows))
    assert np.median(np.argmax(parts, axis=1)) == 4
    assert (detector.score_samples(rows) <= 0).all()


def test_contributions_have_names():
    names = [f"s{i}" for i in range(8)]
    frame = pd.DataFrame(FRESH, columns=names, index=np.arange(len(FRESH)) + 7)
    detector = small().fit(pd.DataFrame(X, columns=names))
    named = detector.contributions(frame, as_frame=True)
    assert list(named.columns) == names
    assert list(named.index) == list(frame.index)
    np.testing.assert_array_equal(named.to_numpy(), detector.contributions(frame))
    listed = FITTED.contributions(FRESH.tolist(), as_frame=True)
    np.testing.assert_array_equal(listed, FITTED.contributions(FRESH))


def test_a_member_is_the_network_of_the_transformer_on_its_rows():
    """And its mean squared residual the score of that transformer.

    Of rows in the range of its training rows: beyond, a transformer limits what its
    network sees, and the detector measures how far they are.
    """
    detector = small(scores="squared_error", calibration=KFold(3)).fit(X)
    parts = [X[train] for train, _ in KFold(3).split(X)]
    low = np.max([part.min(axis=0) for part in parts], axis=0)
    high = np.min([part.max(axis=0) for part in parts], axis=0)
    rows = FRESH[((low <= FRESH) & (high >= FRESH)).all(axis=1)]
    assert len(rows) > 200
    seeds = spawn_streams(0).init.integers(2**31, size=3)
    by_network = [
        clone(NETWORK).set_params(random_state=int(seed)).fit(part).score_samples(rows)
        for seed, part in zip(seeds, parts, strict=True)
    ]
    np.testing.assert_allclose(
        detector.score_samples(rows), np.mean(by_network, axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("view", ["code", "inputs"])
def test_distances_are_those_of_mahalanobis(view):
    """With the covariance of the rows that the network was trained on."""
    name = {"code": "code_distance", "inputs": "distance"}[view]
    detector = small(scores=name).fit(X)
    member = detector.members_[0]
    trained = X[np.isin(fingerprints(X), member.trained_on)]
    training, new = (
        Views(member.encoder, member.network, Batch.of(rows, 0))[view]
        for rows in (trained, FRESH)
    )
    axes = shrunk_covariance(training, MIN_SPREAD**2)
    gaps = new - axes.center
    expected = np.einsum("ij,jk,ik->i", gaps, axes.precision, gaps) / gaps.shape[1]
    np.testing.assert_allclose(
        member.score((name,), Batch.of(FRESH, 0))[:, 0], expected, rtol=1e-6
    )


def test_a_row_is_no_neighbour_of_itself():
    model = SCORES["neighbors"].learn(X, 2)
    distances = np.sqrt(((X[:, None] - X) ** 2).sum(axis=2))
    nearest = np.sort(distances, axis=1)
    np.testing.assert_allclose(model.score(X), (nearest[:, 1:3] ** 2).mean(axis=1))
    distances = ((FRESH[:, None] - X) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        model.score(FRESH), np.sort(distances, axis=1)[:, :2].mean(axis=1)
    )


def test_whitened_neighbours_are_near_by_the_covariance():
    """Not in the units of the features."""
    model = SCORES["error_neighbors"].learn(X, 2)
    axes = shrunk_covariance(X, MIN_SPREAD**2)
    gaps = FRESH[:, None] - X
    squares = np.einsum("ijk,kl,ijl->ij", gaps, axes.precision, gaps) / X.shape[1]
    expected = np.sort(squares, axis=1)[:, :2].mean(axis=1)
    np.testing.assert_allclose(model.score(FRESH), expected)
    scaled = SCORES["error_neighbors"].learn(X / SCALE, 2)
    assert np.corrcoef(scaled.score(FRESH / SCALE), expected)[0, 1] > 0.9


def test_rank_neighbours_do_not_see_the_units_of_a_column():
    """A column stretched by any rising function has the same ranks, and neighbours."""
    stretched = X / SCALE
    stretched[:, 2] = np.exp(stretched[:, 2])
    plain, same = (
        SCORES["rank_neighbors"].learn(rows, 2).score(rows)
        for rows in (X / SCALE, stretched)
    )
    np.testing.assert_allclose(plain, same)


def test_a_row_is_compared_with_at_most_so_many(monkeypatch):
    monkeypatch.setattr(_models, "MAX_REFERENCE_ROWS", 50)
    model = SCORES["neighbors"].learn(X, 2)
    assert len(model.reference) == 50
    np.testing.assert_array_equal(model.reference[[0, -1]], np.float32(X[[0, -1]]))


def test_a_combination_is_the_mean_excess_over_normal_scores():
    """No lower where one of its scores is higher; low ones count as normal."""
    rng = np.random.default_rng(0)
    combination = Combination.learn(np.exp(rng.normal(size=(500, 3))), False)
    normal = np.exp(rng.normal(size=(50, 3)))
    higher = normal * [1, 5, 1]
    assert (combination.combine(higher) > combination.combine(normal)).all()
    far = normal * [1, 1e9, 1]
    by_itself = combination.standardize(far)[:, 1] / 3
    others = combination.combine(far) - by_itself
    np.testing.assert_allclose(
        others, combination.combine(normal * [1, 1e-9, 1]), rtol=1e-6, atol=1e-9
    )
    lowest = combination.combine(np.full((1, 3), 1e-9))
    assert 0 <= lowest < 1e-6


def test_hidden_cells_are_rebuilt_without_themselves():
    """What a hidden cell is rebuilt as does not depend on the cell."""
    member = FITTED.members_[0]
    moved = broken(FRESH, 2)
    shift = moved[:, 2] - FRESH[:, 2]

    def rebuilt(rows):
        errors = Views(member.encoder, member.network, Batch.of(rows, 0)).hidden[:, 2]
        return member.encoder.metric.forward(rows)[:, 2] - errors

    np.testing.assert_allclose(rebuilt(moved), rebuilt(FRESH), atol=1e-5)
    assert (shift != 0).all()


@pytest.mark.parametrize(
    "scores", ["entropy", (), ("neighbors", "neighbors"), ("neighbors", "x")]
)
def test_unknown_scores_are_refused(scores):
    with pytest.raises(ValueError, match="scores"):
        small(scores=scores).fit(X)


# --- outliers in training -------------------------------------------------------------


def test_outliers_in_training_are_left_out():
    """The rows of a cluster of them do not mask each other."""
    jitter = np.random.default_rng(5).normal(size=(12, 8)) * 0.1 * SCALE
    cluster = broken(broken(X[:1], 2), 6) + jitter
    rows = np.vstack([X, cluster])
    truth = np.repeat([0, 1], [len(X), len(cluster)])
    found = {
        trim: roc_auc_score(
            truth,
            -small(contamination=0.05, trim=trim).fit(rows).score_samples(rows),
        )
        for trim in (0.0, "auto")
    }
    assert found["auto"] > found[0.0]
    assert found["auto"] > 0.95
    prints = fingerprints(cluster)
    for member in small(contamination=0.05).fit(rows).members_:
        assert np.isin(prints, member.trained_on).mean() < 0.1


# --- tables ---------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [tuple(SCORES), "auto"])
def test_a_table_is_read_once_and_encoded_once_per_network(monkeypatch, scores):
    calls = {"fit": 0, "read": 0, "encode": 0}

    def counted(owner, name):
        function = getattr(owner, name)

        def count(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    counted(Schema, "fit")
    counted(Schema, "read")
    counted(TableEncoder, "encode")
    detector = small(scores=scores).fit(X)
    assert (calls["fit"], calls["read"]) == (1, 0)
    n_members = len(detector.members_)
    for method, n_encoded in (
        (detector.score_samples, n_members),
        (detector.predict, n_members),
        (detector.contributions, n_members + 1),  # by the encoder of all rows as well
    ):
        calls.update(read=0, encode=0)
        method(FRESH)
        assert (calls["read"], calls["encode"]) == (1, n_encoded)


@pytest.mark.parametrize("scores", [*SCORES, "auto"])
def test_a_category_that_some_folds_lack(scores):
    """Networks of different widths; to some of them it is an unknown one."""
    table = pd.DataFrame(X[:, :3], columns=list("abc"))
    table["state"] = np.where(table["a"] > table["a"].mean(), "up", "down")
    table.loc[7, "state"] = "rare"
    network = clone(NETWORK).set_params(categorical_features=["state"], max_iter=3)
    detector = small(network, scores=scores, false_alarm_rate=0.05).fit(table)
    scored = detector.score_samples(table)
    np.testing.assert_allclose(scored, detector.calibration_scores_)
    np.testing.assert_allclose(detector.contributions(table).sum(axis=1), -scored)


def test_rows_in_time_order_are_held_out_in_blocks():
    walk = np.cumsum(factors(200, 0), axis=0)
    with pytest.warns(UserWarning, match="independent rows"):
        detector = small(false_alarm_rate=0.05).fit(walk)
    assert detector.is_ordered_
    assert detector.lags_ > 0
    detector = small(false_alarm_rate=0.1, calibration="random")
    with pytest.warns(UserWarning, match="in time order: with calibration='random'"):
        detector.fit(walk)
    small(contamination=0.1, calibration="random").fit(walk)
    shuffled = np.random.default_rng(0).permutation(walk)
    assert not small(false_alarm_rate=0.05).fit(shuffled).is_ordered_


@pytest.mark.parametrize("kind", ["slow", "constant", "missing"])
def test_time_order_is_noticed_by_column(kind):
    """Whatever the other columns are."""
    rng = np.random.default_rng(0)
    table = np.column_stack(
        [np.cumsum(rng.normal(size=(400, 3)), axis=0), rng.normal(size=(400, 7))]
    )
    if kind == "constant":
        table[:, 3:] = 1.0
    if kind == "missing":
        table[rng.random(table.shape) < 0.45] = np.nan
    detector = small(false_alarm_rate=0.05, contamination=0.1).fit(table)
    assert detector.is_ordered_


def test_copies_are_held_out_together():
    """A row is no fresh one for a network that has learned its copy."""
    rows = np.repeat(factors(150, 0), 5, axis=0)[
        np.random.default_rng(0).permutation(750)
    ]
    detector = small(false_alarm_rate=0.05).fit(rows)
    alarms = detector.predict(factors(2000, 3)) == -1
    assert alarms.mean() < 0.09
    np.testing.assert_allclose(
        detector.score_samples(rows), detector.calibration_scores_
    )


def test_rows_without_a_value_are_named():
    rows = FRESH[:5].copy()
    rows[2] = np.nan
    with pytest.warns(UserWarning, match="1 of the rows of X have no value at all"):
        assert FITTED.predict(rows)[2] == 1
    with pytest.warns(UserWarning, match="1 of the rows of X have no value at all"):
        FITTED.contributions(rows)


@pytest.mark.parametrize(
    ("n_factors", "n_features", "algorithm"),
    [(2, 12, "kd_tree"), (12, 12, "brute"), (2, 16, "brute"), (1, 1, "kd_tree")],
)
def test_either_search_finds_the_same_neighbours(n_factors, n_features, algorithm):
    """The one that is faster for the dimensions of the rows is chosen."""
    generator = np.random.default_rng(0)
    V = generator.normal(size=(300, n_factors)) @ generator.normal(
        size=(n_factors, n_features)
    )
    if n_factors == n_features:
        V = generator.normal(size=V.shape)
    assert _models.search_algorithm(V) == algorithm
    found = [
        _models.Neighbors(
            NearestNeighbors(algorithm=each).fit(V[:200]),
            V[:200],
            (V[:200] ** 2).sum(axis=1),
            n_neighbors=3,
        )
        for each in ("kd_tree", "brute")
    ]
    np.testing.assert_allclose(*[each.score(V) for each in found], rtol=1e-6)
    near = found[0]
    few = np.split(V, range(_models.FEW_ROWS, len(V), _models.FEW_ROWS))
    in_parts = np.concatenate([near.score(rows) for rows in few])
    np.testing.assert_allclose(in_parts, near.score(V), rtol=1e-9)


def test_missing_and_categorical_cells():
    """As in the transformer: nothing has to be filled or encoded before."""
    table = pd.DataFrame(X.copy(), columns=[f"s{i}" for i in range(8)])
    table["state"] = np.where(X[:, 0] > np.median(X[:, 0]), "run", "idle")
    table.iloc[::7, 1] = np.nan
    table.iloc[::11, 8] = None
    network = clone(NETWORK).set_params(categorical_features=["state"])
    detector = small(network, scores=tuple(SCORES)).fit(table)
    assert np.isfinite(detector.score_samples(table)).all()
    parts = detector.contributions(table)
    assert parts.shape == table.shape
    np.testing.assert_allclose(parts.sum(axis=1), -detector.score_samples(table))
    wrong = table.dropna().copy()
    right = detector.contributions(wrong)[:, 8].mean()
    wrong["state"] = wrong["state"].map({"run": "idle", "idle": "run"})
    assert detector.contributions(wrong)[:, 8].mean() > 2 * right
    unknown = table.assign(state="never seen")
    with pytest.warns(UserWarning, match="no value that occurred in fit"):
        assert np.isfinite(detector.score_samples(unknown)).all()


def test_a_row_has_the_same_score_in_any_batch():
    together = FITTED.score_samples(FRESH)
    alone = [FITTED.score_samples(row[None])[0] for row in FRESH[:20]]
    np.testing.assert_allclose(alone, together[:20], rtol=1e-5)
    order = np.random.default_rng(0).permutation(len(FRESH))
    np.testing.assert_allclose(
        FITTED.score_samples(FRESH[order]), together[order], rtol=1e-5
    )


# --- scikit-learn ---------------------------------------------------------------------


def test_a_refit_is_the_same_to_the_bit():
    first = FITTED.score_samples(FRESH)
    np.testing.assert_array_equal(small().fit(X).score_samples(FRESH), first)
    again = clone(FITTED).fit(X)
    np.testing.assert_array_equal(again.score_samples(FRESH), first)
    assert again.offset_ == FITTED.offset_
    other = clone(FITTED).set_params(random_state=1).fit(X)
    assert (other.score_samples(FRESH) != first).all()


def test_rounds_are_averaged():
    detector = small(n_estimators=2).fit(X)
    assert len(detector.members_) == 6
    seen = SeenRows.of(detector.members_).weights_of(X) > 0
    assert (seen.sum(axis=1) == 2).all()
    np.testing.assert_allclose(detector.score_samples(X), detector.calibration_scores_)


def test_a_pickled_detector_gives_the_same_scores():
    copy = pickle.loads(pickle.dumps(FITTED))
    np.testing.assert_array_equal(copy.predict(FRESH), FITTED.predict(FRESH))
    np.testing.assert_array_equal(
        copy.contributions(FRESH), FITTED.contributions(FRESH)
    )


def test_the_transformer_is_cloned_and_searched():
    network = clone(NETWORK)
    small(network).fit(X)
    assert not hasattr(network, "network_")
    assert network.random_state is None
    search = GridSearchCV(
        small(false_alarm_rate=0.05),
        {"transformer__hidden_layer_sizes": [(4,), (12, 3)]},
        scoring=lambda model, rows, y: roc_auc_score(y, -model.score_samples(rows)),
        cv=2,
    )
    rows = np.vstack([X, broken(X, 1)])
    order = np.random.default_rng(0).permutation(len(rows))
    truth = np.repeat([0, 1], len(X))
    search.fit(rows[order], truth[order])
    layers = search.best_estimator_.members_[0].network.encoder
    chosen = search.best_params_["transformer__hidden_layer_sizes"]
    assert tuple(len(layer.bias) for layer in layers) == chosen


def test_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), small()).fit(X)
    assert (pipeline.predict(broken(FRESH, 3)) == -1).mean() > 0.9


def test_the_default_network_trains_fewer_epochs_on_more_rows():
    from skdae._transformer._defaults import DETECTOR_EPOCHS, default_transformer

    epochs = [
        default_transformer("detector", n).max_iter for n in (50, 1000, 10_000, 100_000)
    ]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == DETECTOR_EPOCHS[1]
    assert epochs[-1] == DETECTOR_EPOCHS[0]
    assert small().fit(X).score_names_ == COMBINATION


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="names a single group.*Omit groups"):
        small(n_splits="auto").fit(X, groups=np.zeros(len(X)))
    with pytest.raises(ValueError, match="n_splits=3 must be at most"):
        small().fit(X[:2])
    with pytest.raises(ValueError, match="leaves 1 of them to train on"):
        small(n_splits=2).fit(X[:3])
    with pytest.raises(ValueError, match="leaves 1 of them to train on"):
        small(n_splits="auto").fit(X[:2])


# --- the correction for missing cells ------------------------------------------------


@pytest.mark.parametrize("n_effective", [None, 50.0])
def test_cells_that_a_row_lacks_count_apart_from_those_before_it(n_effective):
    """Scores are as if complete, whether the rows before lack the cells as well or not.

    With a term per column or, of few independent rows, without.
    """
    generator = np.random.default_rng(0)
    n_rows, n_columns = 3_000, 12
    missing = np.zeros((n_rows, 3, n_columns), dtype=bool)
    missing[:, 0] = generator.random((n_rows, n_columns)) < generator.random(
        (n_rows, 1)
    )
    is_alone = generator.random(n_rows) < 0.5
    missing[~is_alone, 1:] = missing[~is_alone, :1]
    before = generator.normal(size=n_rows)
    own, others = missing[:, 0].mean(axis=1), missing[:, 1:].mean(axis=(1, 2))
    after = before - 2 * own - 0.5 * others
    correction = MissingCellCorrection.learn(
        before, np.zeros_like(missing), after, missing, n_effective
    )
    shift = correction.apply(after, missing, np.zeros(n_rows, dtype=bool)) - before
    for rows in (is_alone, ~is_alone):
        for low in (0.0, 0.3, 0.6):
            chosen = rows & (own >= low) & (own < low + 0.3)
            assert abs(shift[chosen].mean()) < 0.05


def test_dates_in_the_index_are_an_order():
    """Where noise hides it from the values; not dates that decrease."""
    rows = np.random.default_rng(0).normal(size=(120, 6)).cumsum(axis=0) / 5
    rows += np.random.default_rng(1).normal(size=rows.shape)
    dates = pd.date_range("2024-01-01", periods=120, freq="min")
    detector = GradualDAEOutlierDetector(NETWORK, false_alarm_rate=0.1, random_state=0)
    dated = pd.DataFrame(rows, index=dates)
    for table, is_ordered in ((dated, True), (dated[::-1], False), (rows, False)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "false_alarm_rate=", UserWarning)
            assert clone(detector).fit(table).is_ordered_ == is_ordered
