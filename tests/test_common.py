"""scikit-learn's own checks, with no expected failure."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skdae import GradualDAEImputer, GradualDAETransformer
from skdae.timeseries import SlidingWindow


@parametrize_with_checks(
    [
        GradualDAETransformer(),
        GradualDAETransformer((8,), output="code_and_error", scaling="quantile"),
        GradualDAETransformer((6, 4), activation="logistic", scaling="minmax"),
        GradualDAETransformer(
            (6, 4), decoder="direct", early_stopping=True, solver="sgd"
        ),
        GradualDAEImputer(),
        GradualDAEImputer(
            GradualDAETransformer((6,), max_iter=4),
            n_refinements=1,
            add_indicator=True,
            sample_posterior=True,
        ),
        SlidingWindow(),
        SlidingWindow(1),  # every row by itself: all checks apply
    ]
)
def test_scikit_learn_checks(estimator, check):
    """The estimator behaves as scikit-learn asks of every estimator."""
    check(estimator)
