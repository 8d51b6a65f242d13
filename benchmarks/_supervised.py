"""Our estimators and their baselines where some of the training rows have a label."""

import sys
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from _labelled import Labelled
from _runner import timed
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skdae import GradualDAEClassifier, GradualDAERegressor, GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae.schedules import at_equal_updates, gradual

WIDTHS = default_transformer("classifier").hidden_layer_sizes
REFERENCE = gradual(len(WIDTHS), GradualDAETransformer().max_iter)
SCHEDULES = ("gradual", "stacked", "frozen", "joint")
SCRATCH = "no pretraining"
# what suits a random encoder best: all of it learns at the full rate from the start
UNTRAINED: dict[str, Any] = {"encoder_rate": 1.0, "unfreezing": "joint"}


@dataclass(frozen=True)
class Case:
    """A split of a table, and the rows whose label is known.

    The cases of one split share the transformers that are pretrained on it.
    """

    data: Labelled
    train: np.ndarray  # rows that may be pretrained on
    test: np.ndarray
    known: np.ndarray  # rows of `train` with a label
    seed: int
    pretrained: dict[str, GradualDAETransformer] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # of pretraining

    @property
    def X(self) -> np.ndarray:
        return self.data.table.X

    @property
    def y(self) -> np.ndarray:
        return self.data.y

    @property
    def is_classification(self) -> bool:
        return self.data.task == "classification"

    @property
    def categorical(self) -> list[int]:
        return list(self.data.table.categorical)

    def transformer(self, schedule: str) -> GradualDAETransformer:
        """The transformer of a schedule, fitted when it is first asked for."""
        if schedule not in self.pretrained:
            fitted, seconds = timed(lambda: pretrain(self, schedule))
            self.pretrained[schedule], self.seconds[schedule] = fitted, seconds
        return self.pretrained[schedule]


def pretrain(case: Case, schedule: str) -> GradualDAETransformer:
    """Fit a transformer on all training rows."""
    transformer = default_transformer("classifier").set_params(
        categorical_features=case.categorical or None, random_state=case.seed
    )
    if schedule == SCRATCH:  # the same scaling and network, its weights as drawn
        transformer.set_params(max_iter=len(WIDTHS), learning_rate_init=1e-12)
    else:
        transformer.set_params(schedule=at_equal_updates(schedule, REFERENCE))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
        return transformer.fit(case.X[case.train])


# --- our estimators ------------------------------------------------------------------

Method = Callable[[Case], Any]  # a fitted estimator


def ours(case: Case, schedule: str, **parameters: Any) -> Any:
    """Our estimator on the known rows, or on all with most labels unknown."""
    make = GradualDAEClassifier if case.is_classification else GradualDAERegressor
    transformer = FrozenEstimator(case.transformer(schedule))
    model = make(transformer, random_state=case.seed, **parameters)
    if not parameters.get("unlabeled_weight"):
        return model.fit(case.X[case.known], case.y[case.known])
    y = np.asarray(case.y, dtype=float).copy()
    y[np.setdiff1d(np.arange(len(y)), case.known)] = np.nan
    model.set_params(unlabeled=np.nan)
    return model.fit(case.X[case.train], y[case.train])


# --- features and baselines ----------------------------------------------------------


def numbers(case: Case) -> Any:
    """Standardised numbers and one-hot categories."""
    numeric = [j for j in range(case.X.shape[1]) if j not in case.categorical]
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    hot = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer((scaled, numeric), (hot, case.categorical))


def codes(case: Case) -> Pipeline:
    """All hidden layers side by side, standardised: their scale means nothing."""
    transformer = copy(case.transformer("gradual")).set_params(output="layers")
    return make_pipeline(FrozenEstimator(transformer), StandardScaler())


def axes(case: Case) -> FrozenEstimator:
    """As many axes as all hidden layers have units, or as there are.

    Their scale is left as it is: to give the last axes the spread of the first would
    only blow noise up.
    """
    n_features = numbers(case).fit_transform(case.X[case.train]).shape[1]
    pca = PCA(min(sum(WIDTHS), n_features), random_state=case.seed)
    fitted = make_pipeline(numbers(case), pca).fit(case.X[case.train])
    return FrozenEstimator(fitted)


def baseline(case: Case, features: Any, classifier: Any, regressor: Any) -> Any:
    """A baseline on features, fitted on the known rows."""
    last = classifier if case.is_classification else regressor
    return make_pipeline(features, last).fit(case.X[case.known], case.y[case.known])


def linear(case: Case, features: Any) -> Any:
    return baseline(case, features, LogisticRegression(max_iter=1000), Ridge())


def neighbours(case: Case, features: Any) -> Any:
    return baseline(case, features, KNeighborsClassifier(), KNeighborsRegressor())


def mlp(case: Case) -> Any:
    parameters = {"hidden_layer_sizes": WIDTHS, "random_state": case.seed}
    regressor = TransformedTargetRegressor(
        MLPRegressor(**parameters), transformer=StandardScaler()
    )
    return baseline(case, numbers(case), MLPClassifier(**parameters), regressor)


def boosting(case: Case) -> Any:
    parameters = {
        "categorical_features": case.categorical or None,
        "random_state": case.seed,
    }
    classifier = HistGradientBoostingClassifier(**parameters)
    regressor = HistGradientBoostingRegressor(**parameters)
    if case.y.ndim == 2:
        regressor = MultiOutputRegressor(regressor)
    return baseline(case, "passthrough", classifier, regressor)


def pytabkit(case: Case, name: str) -> Any:
    """A network of pytabkit with its tuned defaults, on a fifth held out to stop by."""
    from pytabkit import models

    kind = "Classifier" if case.is_classification else "Regressor"
    model = getattr(models.sklearn.sklearn_interfaces, f"{name}_{kind}")(
        device="cpu", n_threads=1, random_state=case.seed, verbosity=0
    )
    if case.y.ndim == 2:
        model = MultiOutputRegressor(model)
    features = make_pipeline(numbers(case), FunctionTransformer(np.float32))
    return baseline(case, features, model, model)


NEURAL: dict[str, Method] = {
    **{f"DAE {name}": partial(ours, schedule=name) for name in SCHEDULES},
    SCRATCH: partial(ours, schedule=SCRATCH, **UNTRAINED),
    "sklearn MLP": mlp,
}
STUDENTS: dict[str, Method] = {
    f"{name} + unlabelled": partial(NEURAL[name], unlabeled_weight=1.0)
    for name in ("DAE gradual", SCRATCH)
}
OTHERS: dict[str, Method] = {
    "linear, raw": lambda case: linear(case, numbers(case)),
    "linear, PCA": lambda case: linear(case, axes(case)),
    "linear, our codes": lambda case: linear(case, codes(case)),
    "neighbours, raw": lambda case: neighbours(case, numbers(case)),
    "neighbours, our codes": lambda case: neighbours(case, codes(case)),
    "gradient boosting": boosting,
}
PUBLISHED: dict[str, Method] = {
    "RealMLP": partial(pytabkit, name="RealMLP_TD"),
    "TabM": partial(pytabkit, name="TabM_D"),
}
METHODS = NEURAL | STUDENTS | OTHERS | PUBLISHED


def runnable(methods: dict[str, Method]) -> dict[str, Method]:
    """The methods, without those of pytabkit where it is missing; that is printed."""
    if find_spec("pytabkit"):
        return methods
    print("RealMLP and TabM are left out: pip install pytabkit.", file=sys.stderr)
    return {name: m for name, m in methods.items() if name not in PUBLISHED}
