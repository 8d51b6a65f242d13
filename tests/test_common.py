"""scikit-learn's own checks, with no expected failure."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skdae import GradualDAEClassifier, GradualDAERegressor, GradualDAETransformer

SMALL = GradualDAETransformer((8,), max_iter=5)


@parametrize_with_checks(
    [
        GradualDAETransformer(),
        GradualDAETransformer((8,), output="code_and_error", scaling="quantile"),
        GradualDAETransformer((6, 4), activation="logistic", scaling="minmax"),
        GradualDAETransformer(
            (6, 4), decoder="direct", early_stopping=True, solver="sgd"
        ),
        GradualDAEClassifier(GradualDAETransformer((16, 8), max_iter=20)),
        GradualDAEClassifier(
            SMALL, early_stopping=True, temperature_scaling=True, unfreezing="joint"
        ),
        GradualDAERegressor(GradualDAETransformer((16, 8), max_iter=20)),
        GradualDAERegressor(SMALL, encoder_rate=1.0, unfreezing="joint", max_iter=200),
    ]
)
def test_scikit_learn_checks(estimator, check):
    """The estimator behaves as scikit-learn asks of every estimator."""
    check(estimator)
