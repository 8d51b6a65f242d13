"""The networks that estimators take where `transformer` is None."""

from collections.abc import Callable

import numpy as np

from skdae._transformer._transformer import GradualDAETransformer
from skdae.noise import ComposedNoise, GaussianNoise, MaskingNoise, Noise, PerRowNoise

# Of training, about. With 4,000 the area on six sets of ADBench is 0.912, with 2,500
# 0.910, in two thirds of the time.
DETECTOR_STEPS = 2_500
DETECTOR_EPOCHS = (20, 100)
LABEL_STEPS = 20_000  # the 200 epochs of up to 25,000 rows, for which they were chosen
LABEL_EPOCHS = (20, 200)
TYPICAL_ROWS = 10_000  # of a table whose length is not known yet


def _for_labels(n_rows: int) -> GradualDAETransformer:
    # features of swap noise classify better
    epochs = _epochs(n_rows, LABEL_STEPS, LABEL_EPOCHS)
    return GradualDAETransformer((256, 128), noise="swap", max_iter=epochs)


def _for_anomalies(n_rows: int) -> GradualDAETransformer:
    epochs = _epochs(n_rows, DETECTOR_STEPS, DETECTOR_EPOCHS)
    noise = _by_row(masking=MaskingNoise(0.9), gaussian=GaussianNoise(0.5))
    return GradualDAETransformer(noise=noise, max_iter=epochs)


def _for_missing_cells(n_rows: int) -> GradualDAETransformer:
    return GradualDAETransformer(
        noise="random_masking",
        noise_rate=0.6,
        learning_rate_init=2e-3,
        batch_size=64,
        max_iter=100,
    )


def _for_denoising(n_rows: int) -> GradualDAETransformer:
    noise = _by_row(errors=GaussianNoise(0.75), gaps=MaskingNoise(0.5))
    return GradualDAETransformer(noise=noise)


def _for_measurement_errors(n_rows: int) -> GradualDAETransformer:
    return GradualDAETransformer(noise="gaussian", noise_rate=0.25)


def _epochs(n_rows: int, n_steps: int, limits: tuple[int, int]) -> int:
    """Return the epochs of about so many steps with batch_size='auto'."""
    steps_per_epoch = n_rows / np.clip(n_rows / 64, 32, 256)
    return int(np.clip(n_steps / steps_per_epoch, *limits))


def _by_row(**noises: Noise) -> ComposedNoise:
    """Return noises in sequence, each of which corrupts some rows more than others."""
    return ComposedNoise([(name, PerRowNoise(each)) for name, each in noises.items()])


DEFAULTS: dict[str, Callable[[int], GradualDAETransformer]] = {
    "classifier": _for_labels,
    "regressor": _for_labels,
    "detector": _for_anomalies,
    "denoiser": _for_measurement_errors,
    "imputer": _for_missing_cells,
    "proof_of_concept": _for_denoising,
}


def default_transformer(user: str, n_rows: int = TYPICAL_ROWS) -> GradualDAETransformer:
    """Return a new, unfitted network for a user of `DEFAULTS` and a number of rows.

    The epochs of the detector's are those of about `DETECTOR_STEPS` steps; those of the
    classifier's and the regressor's are 200, of large tables about `LABEL_STEPS` steps.
    """
    return DEFAULTS[user](n_rows)
