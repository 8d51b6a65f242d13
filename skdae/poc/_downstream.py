"""Experiment 2: the downstream task, from pretrained weights, codes and raw columns."""

import warnings
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae._outlier._detector import GradualDAEOutlierDetector, default_transformer
from skdae._supervised import GradualDAEClassifier, GradualDAERegressor
from skdae._transformer import GradualDAETransformer
from skdae.poc._costs import rows_per_second, timed
from skdae.poc._data import Data
from skdae.poc._predictors import (
    DETECTORS,
    PREDICTORS,
    anomaly_errors,
    error_name,
    linear_model,
    prediction_error,
)
from skdae.poc._setting import Result, Setting, Unit

PER_CLASS = 2  # labelled rows of each class, whatever the number of labels
# what suits a random encoder best: all of it learns at the full rate from the start
FROM_SCRATCH: dict[str, Any] = {"encoder_rate": 1.0, "unfreezing": "joint"}


def labelled_rows(setting: Setting, split: int, train: Data) -> list[tuple[int, Data]]:
    """Return rows with a label for each count; the smaller sets are in the larger.

    The count 0 stands for all of them. The first ones have `PER_CLASS` rows of each
    class, the others come at random.
    """
    rows = np.flatnonzero(train.known)
    draw = np.random.default_rng([setting.seed, split, 3])
    rows = draw.permutation(rows)
    if train.task == "classification":
        place = pd.Series(train.y[rows]).groupby(train.y[rows]).cumcount()  # type: ignore[index]
        rows = rows[np.argsort(place.to_numpy() >= PER_CLASS, kind="stable")]
    most = setting.label_counts[-1]  # as many as there are, where the split has fewer
    counts = [n for n in setting.label_counts if n < len(rows) or n == most]
    return [(n, train.take(np.sort(rows[: n or None]))) for n in counts]


def known_rows(test: Data) -> Data:
    """Return the test rows with a target."""
    return test.take(np.flatnonzero(test.known))


def fine_tuned(
    setting: Setting, dae: Any, known: Data, seed: int, **params: Any
) -> Any:
    """Return our estimator on the rows with a label."""
    kind: Any = (
        GradualDAERegressor
        if setting.data.task == "regression"
        else GradualDAEClassifier
    )
    model = kind(FrozenEstimator(dae), random_state=seed, **params)
    return model.fit(known.X, known.y)


def on_codes(setting: Setting, dae: GradualDAETransformer, known: Data) -> Any:
    """Return a linear model on the codes of all layers, side by side."""
    codes = GradualDAETransformer(**dae.get_params(deep=False))
    codes.__dict__.update(dae.__dict__ | {"output": "layers"})
    model = make_pipeline(
        FrozenEstimator(codes), StandardScaler(), linear_model(setting.data)
    )
    return model.fit(known.X, known.y)


def _fitted(model: Any, known: Data) -> Any:
    return model.fit(known.X, known.y)


def run_predictor(setting: Setting, unit: Unit) -> Result:
    """A rival of experiment 2, for each number of labels."""
    train, test = setting.rows(unit.split)
    test, error = known_rows(test), error_name(setting.data)
    found: dict[str, float] = {}
    costs: dict[str, float] = {}
    for n, known in labelled_rows(setting, unit.split, train):
        model, costs = timed(
            partial(_fitted, PREDICTORS[unit.method](train, known), known)
        )
        found[str(n)] = prediction_error(setting.data, error, model, test)
    costs["rows_per_second"] = rows_per_second(model.predict, test.X)
    return {"predict": {unit.method: found}, "costs": costs}


def run_detector(setting: Setting, unit: Unit) -> Result:
    """A rival of experiment 2 where anomalies are sought."""
    train, test = setting.rows(unit.split)
    test = known_rows(test)
    learn = partial(DETECTORS[unit.method], train, setting.seed_of(unit))
    strangeness, costs = timed(learn)
    costs["rows_per_second"] = rows_per_second(strangeness, test.X)
    return {
        "detect": {unit.method: anomaly_errors(strangeness(test.X), test)},
        "costs": costs,
    }


def detector_epochs(n_rows: int) -> int:
    """Return the epochs over all rows that a detector with its defaults takes."""
    n_folds = GradualDAEOutlierDetector().n_splits
    return default_transformer(n_rows).max_iter * (n_folds - 1)


def run_our_detector(setting: Setting, unit: Unit) -> Result:
    """Our detector, whose networks are trained by a schedule."""
    train, test = setting.rows(unit.split)
    test = known_rows(test)
    name = unit.method.removeprefix("detector_")
    seed = setting.seed_of(unit)
    epochs = default_transformer(len(train.X)).max_iter
    network = setting.network(setting.schedules[name], train, seed, epochs)
    # ranks are judged and no threshold: a rate that few rows can promise, in any order
    model = GradualDAEOutlierDetector(network, false_alarm_rate=0.5, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Neighbouring rows", UserWarning)
        model, costs = timed(partial(model.fit, train.X))
    costs["rows_per_second"] = rows_per_second(model.score_samples, test.X)
    return {
        "detect": {
            unit.method: anomaly_errors(-model.score_samples(test.X), test),
        },
        "costs": costs,
    }


def network_predictions(
    setting: Setting,
    unit: Unit,
    dae: GradualDAETransformer,
    train: Data,
    test: Data,
    *,
    with_codes: bool,
) -> dict[str, dict[str, float]]:
    """Return errors by method and number of labels."""
    error, seed = error_name(setting.data), setting.seed_of(unit)
    found: dict[str, dict[str, float]] = {unit.method: {}}
    if with_codes:
        found["linear_codes"] = {}
    for n, known in labelled_rows(setting, unit.split, train):
        model = fine_tuned(setting, dae, known, seed)
        found[unit.method][str(n)] = prediction_error(setting.data, error, model, test)
        if with_codes:
            model = on_codes(setting, dae, known)
            found["linear_codes"][str(n)] = prediction_error(
                setting.data, error, model, test
            )
    return found


def run_untrained(setting: Setting, unit: Unit) -> Result:
    """The same network as it was drawn, with that scaling, trained on labels alone."""
    train, test = setting.rows(unit.split)
    seed = setting.seed_of(unit)
    depth = len(np.atleast_1d(setting.transformer.hidden_layer_sizes))
    dae = setting.network("gradual", train, seed, depth)
    dae.set_params(learning_rate_init=1e-12).fit(train.X)
    test, error = known_rows(test), error_name(setting.data)
    found: dict[str, float] = {}
    costs: dict[str, float] = {}
    for n, known in labelled_rows(setting, unit.split, train):
        model, costs = timed(
            partial(fine_tuned, setting, dae, known, seed, **FROM_SCRATCH)
        )
        found[str(n)] = prediction_error(setting.data, error, model, test)
    costs["rows_per_second"] = rows_per_second(model.predict, test.X)
    return {"predict": {unit.method: found}, "costs": costs}
