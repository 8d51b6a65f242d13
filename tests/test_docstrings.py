"""Class docstrings list what `fit` sets, with its type."""

import inspect
import re
import warnings

import pytest

from skdae import (
    GradualDAEClassifier,
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae.datasets import make_sensor_data
from skdae.timeseries import SlidingWindow, TimeContext

ROWS = make_sensor_data(150, n_sensors=4, as_frame=True, random_state=0)
NETWORK = GradualDAETransformer((8, 4), max_iter=2, random_state=0)
ESTIMATORS = [
    NETWORK,
    GradualDAEClassifier(NETWORK, max_iter=4, random_state=0),
    GradualDAERegressor(NETWORK, max_iter=4, random_state=0),
    GradualDAEOutlierDetector(NETWORK, false_alarm_rate=0.3, random_state=0),
    GradualDAEImputer(NETWORK, n_trees=1, random_state=0),
    GradualDAEDenoiser(NETWORK, random_state=0),
    SlidingWindow(2),
    TimeContext(),
]


def documented(cls):
    """Types of the attributes in the docstring, by name."""
    section = inspect.getdoc(cls).split("\nAttributes\n----------\n")[1]
    section = re.split(r"\n\n[^\n]+\n-{3,}\n", section)[0]
    entries = re.findall(r"^(\w+(?:, \w+)*) : (.+)$", section, flags=re.M)
    return {name: kind for names, kind in entries for name in names.split(", ")}


def fitted_attributes(estimator):
    """Names and values of public attributes that end in an underscore."""
    cls = type(estimator)
    computed = [
        name
        for name in dir(cls)
        if isinstance(inspect.getattr_static(cls, name), property)
    ]
    return {
        name: getattr(estimator, name)
        for name in {*vars(estimator), *computed}
        if re.fullmatch(r"[a-z]\w*[a-z]_", name)
    }


@pytest.fixture(scope="module", params=ESTIMATORS, ids=lambda each: type(each).__name__)
def fitted(request):
    with warnings.catch_warnings():  # of few rows
        warnings.simplefilter("ignore")
        return request.param.fit(ROWS.data, ROWS.target)


def test_each_fitted_attribute_is_documented_with_its_type(fitted):
    types = documented(type(fitted))
    found = fitted_attributes(fitted)
    assert {"n_features_in_", "feature_names_in_"} <= set(found)
    for name, value in found.items():
        assert name in types, f"{name} is not documented"
        kind = type(value).__name__
        if value is not None:
            assert re.search(rf"\b{kind}\b", types[name]), (name, kind, types[name])
        else:
            assert "None" in types[name], (name, types[name])
