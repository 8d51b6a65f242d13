"""The network to read, examples/nano.py, trains as the estimator does."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from skdae import GradualDAETransformer
from skdae.datasets import make_sensor_data

PATH = Path(__file__).resolve().parent.parent / "examples" / "nano.py"
WIDTHS, N_EPOCHS, BATCH = (12, 6), 20, 25
SEEDS = range(6)
FAR = 4.0  # standard errors: two equal means differ by more in one of 2,000 runs


def load():
    spec = importlib.util.spec_from_file_location("nano", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


nano = load()
X = np.random.default_rng(0).permutation(
    make_sensor_data(900, faults=(), random_state=0).data
)
TRAIN, TEST = np.split((X - X[:600].mean(axis=0)) / X[:600].std(axis=0), [600])
IS_MASKED = np.random.default_rng(0).random(TEST.shape) < nano.NOISE_RATE


def error_of_nano(schedule, seed):
    layers = nano.fit(TRAIN, WIDTHS, schedule, N_EPOCHS, BATCH, seed)
    rebuilt = nano.reconstruct(*layers, np.where(IS_MASKED, 0, TEST))
    return np.mean((rebuilt - TEST) ** 2)


def error_of_the_estimator(schedule, seed):
    estimator = GradualDAETransformer(
        WIDTHS,
        schedule=schedule,
        noise_rate=nano.NOISE_RATE,
        max_iter=N_EPOCHS,
        batch_size=BATCH,
        validation_fraction=None,
        random_state=seed,
    ).fit(TRAIN)
    codes = estimator.transform(np.where(IS_MASKED, np.nan, TEST))
    return np.mean((estimator.inverse_transform(codes) - TEST) ** 2)


def standard_errors(one, other):
    """How far two means over seeds are apart, in standard errors."""
    spread = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / len(SEEDS))
    return abs(one.mean() - other.mean()) / spread


def test_its_error_is_that_of_the_estimator():
    errors = {
        (error, schedule): np.array([error(schedule, seed) for seed in SEEDS])
        for error in (error_of_nano, error_of_the_estimator)
        for schedule in ("gradual", "stacked")
    }
    gradual, stacked, gradual_of_estimator, stacked_of_estimator = errors.values()
    assert standard_errors(gradual, gradual_of_estimator) < FAR
    assert standard_errors(stacked, stacked_of_estimator) < FAR
    # the bound distinguishes what is not the same
    assert standard_errors(gradual, stacked_of_estimator) > FAR


@pytest.mark.parametrize("is_code", [False, True])
def test_its_gradients_are_those_of_differences(is_code):
    rng = np.random.default_rng(0)
    layers = [nano.new_layer(5, 4, rng), nano.new_layer(4, 5, rng)]
    rows, target = rng.normal(size=(2, 7, 5))
    _, gradients = nano.loss_and_gradients(layers, rows, target, is_code)
    step = 1e-6
    for layer, found in zip(layers, gradients, strict=True):
        for weight, gradient in zip(layer, found, strict=True):
            for place in np.ndindex(weight.shape):
                before, ends = weight[place], []
                for side in (step, -step):
                    weight[place] = before + side
                    ends.append(
                        nano.loss_and_gradients(layers, rows, target, is_code)[0]
                    )
                weight[place] = before
                slope = (ends[0] - ends[1]) / (2 * step)
                assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("schedule", ["gradual", "stacked"])
def test_only_gradual_training_moves_the_lower_layer(schedule):
    (one, _), (two, _) = (
        nano.fit(TRAIN, widths, schedule, len(widths) * 3, BATCH)
        for widths in (WIDTHS[:1], WIDTHS)
    )
    is_same = all((a == b).all() for a, b in zip(one[0], two[0], strict=True))
    assert is_same == (schedule == "stacked")


def test_it_is_short_and_runs(capsys):
    assert len(PATH.read_text(encoding="utf-8").splitlines()) < 150
    nano.main()
    assert "gradual: mean squared error" in capsys.readouterr().out
