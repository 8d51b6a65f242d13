"""scikit-learn's own checks, with no expected failure."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdae import (
    GradualDAEClassifier,
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae.timeseries import SlidingWindow, TimeContext

SMALL = GradualDAETransformer((8, 4), max_iter=4)


@parametrize_with_checks(
    [
        GradualDAETransformer(),
        GradualDAETransformer((8,), output="code_and_error", scaling="quantile"),
        GradualDAETransformer((8,), output="inputs_and_code"),
        GradualDAETransformer((6, 4), activation="logistic", scaling="minmax"),
        GradualDAETransformer(
            (6, 4), decoder="direct", early_stopping=True, solver="sgd"
        ),
        GradualDAEClassifier(GradualDAETransformer((16, 8), max_iter=20), max_iter=60),
        GradualDAEClassifier(
            SMALL, early_stopping=True, temperature_scaling=True, unfreezing="joint"
        ),
        GradualDAERegressor(GradualDAETransformer((16, 8), max_iter=20), max_iter=60),
        GradualDAERegressor(SMALL, encoder_rate=1.0, unfreezing="joint", max_iter=200),
        GradualDAEImputer(),
        GradualDAEImputer(SMALL, add_indicator=True, sample_posterior=True),
        GradualDAEDenoiser(SMALL),
        GradualDAEDenoiser(
            GradualDAETransformer((8, 4), max_iter=4, noise="gaussian"), order="time"
        ),
        SlidingWindow(),
        SlidingWindow(1),  # every row by itself: all checks apply
        TimeContext(),
        TimeContext(causal=True, horizon=5),
    ]
)
def test_scikit_learn_checks(estimator, check):
    """The estimator behaves as scikit-learn asks of every estimator."""
    check(estimator)


# the checks have too few rows for a rate of 1 %, and that is warned of
@pytest.mark.filterwarnings("ignore:false_alarm_rate:UserWarning")
# checks round their tables, and copies of rows are tied
@pytest.mark.filterwarnings("ignore:contamination=0.2 cannot be met")
@parametrize_with_checks(
    [
        GradualDAEOutlierDetector(),
        GradualDAEOutlierDetector(SMALL, scores="whitened_error", n_estimators=2),
        GradualDAEOutlierDetector(
            SMALL, contamination=0.2, calibration="blocked", lags=0
        ),
    ]
)
def test_scikit_learn_checks_of_the_detector(estimator, check):
    """The detector behaves as scikit-learn asks of every outlier detector."""
    check(estimator)
