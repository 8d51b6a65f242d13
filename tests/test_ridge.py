"""Ridge regression with a penalty chosen by leave-one-out errors."""

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV

from skdae._ridge import ridge


def test_left_out_errors_are_those_of_models_without_the_row():
    """And the slopes are those of scikit-learn, which chooses the same penalty."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.normal(size=60)
    slopes, intercept, left_out = ridge(X, y)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    reference = RidgeCV(60 * np.logspace(-6, 1, 8)).fit(scaled, y)
    np.testing.assert_allclose(slopes * X.std(axis=0), reference.coef_)
    fitted = X @ slopes + intercept
    np.testing.assert_allclose(fitted, reference.predict(scaled))
    without = [
        y[i]
        - Ridge(reference.alpha_)
        .fit(np.delete(scaled, i, axis=0), np.delete(y, i))
        .predict(scaled[[i]])[0]
        for i in range(60)
    ]
    np.testing.assert_allclose(left_out, without)
