"""Code of a user, which `make check` gives to mypy: the package's types hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import skdae
from skdae import noise, schedules
from skdae.persistence import is_model_file, read_manifest
from skdae.timeseries import EWMA, Smoothing

if TYPE_CHECKING:
    from typing_extensions import assert_type


def train(rows: np.ndarray, folder: Path) -> None:
    """Fit, save, load and describe a model."""
    plan = schedules.gradual(2, 60)
    assert_type(plan, tuple[schedules.Phase, ...])
    assert_type(schedules.total_cost(plan), int)
    corruption: noise.Noise = noise.make_noise("gaussian", 0.2)
    smoothing: Smoothing = EWMA(0.2)
    detector = skdae.GradualDAEOutlierDetector(
        skdae.GradualDAETransformer((8, 4), noise=corruption),
        smoothing=smoothing,
    )
    detector.fit(rows)
    skdae.save(detector, folder / "m.skdae", metadata={"line": 3})
    assert_type(is_model_file(folder / "m.skdae"), bool)
    manifest: Mapping[str, object] = read_manifest(folder / "m.skdae")
    print(manifest["class"], skdae.load(folder / "m.skdae"))
