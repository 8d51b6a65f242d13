"""MNIST with all labels: a fully connected network that the package pretrains.

Settings of fine-tuning are chosen once, by the error on 10,000 of the training images;
then all 60,000 are trained on and the test images are predicted. No augmentation.
Finished networks are kept as JSON lines in --results. See README.md for the protocol.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from experiment import Images
from run import RATE_SEED, Store, common_options
from sklearn.frozen import FrozenEstimator

from skdae import GradualDAEClassifier, GradualDAETransformer

NAME = "mnist-all-labels"
N_VALIDATION = 10_000
BATCH_SIZE = 250
# how the encoder is pretrained; without epochs its weights stay random
STARTS: dict[str, dict[str, Any]] = {
    "gradual, copy": {"schedule": "gradual", "max_iter": 12},
    "random weights": {"schedule": "joint", "max_iter": 1, "learning_rate_init": 1e-12},
}


@dataclass(frozen=True)
class Setting:
    """What a network is fine-tuned with."""

    widths: tuple[int, ...] = (1_000, 1_000)
    noise_rate: float = 0.25  # of masked pixels, while fine-tuning
    dropout: float = 0.25
    label_smoothing: float = 0.1
    epochs: int = 30


CANDIDATES = (Setting(), Setting(dropout=0.5))


@cache
def load_images(folder: Path) -> tuple[Images, Images]:
    """All images for training, and those for testing."""
    with np.load(folder / "images" / "mnist.npz") as content:
        return tuple(
            Images(
                content[f"X_{part}"].reshape(-1, 784).astype(np.float32) / 255,
                content[f"y_{part}"],
            )
            for part in ("train", "test")
        )


def parts(folder: Path, seed: int) -> tuple[Images, Images]:
    """Images to train on and to predict; with the seed of choices none for testing."""
    train, test = load_images(folder)
    if seed != RATE_SEED:
        return train, test
    order = np.random.default_rng(seed).permutation(len(train.X))
    kept, held_out = np.split(order, [-N_VALIDATION])
    return Images(train.X[kept], train.y[kept]), Images(
        train.X[held_out], train.y[held_out]
    )


@cache
def encoder(
    folder: Path, start: str, widths: tuple[int, ...], seed: int
) -> GradualDAETransformer:
    """The network before it sees a label."""
    return GradualDAETransformer(
        widths,
        noise="masking",
        noise_rate=0.25,
        scaling=None,
        loss="cross_entropy",
        batch_size=BATCH_SIZE,
        validation_fraction=None,
        dtype="bfloat16",
        random_state=seed,
        **STARTS[start],
    ).fit(parts(folder, seed)[0].X)


def error(folder: Path, start: str, setting: Setting, seed: int) -> dict[str, Any]:
    """Share of wrong classes among the images that are not trained on."""
    train, unseen = parts(folder, seed)
    classifier = GradualDAEClassifier(
        FrozenEstimator(encoder(folder, start, setting.widths, seed)),
        max_iter=setting.epochs,
        encoder_rate=1.0,
        unfreezing="joint",
        linear_path=False,
        dropout=setting.dropout,
        noise="masking",
        noise_rate=setting.noise_rate,
        label_smoothing=setting.label_smoothing,
        batch_size=BATCH_SIZE,
        random_state=seed,
    ).fit(train.X, train.y)
    return {"error": round(1 - classifier.score(unseen.X, unseen.y), 5)}


def run(starts: list[str], n_seeds: int, folder: Path, results: Path) -> None:
    """Choose the setting, then run the seeds with it."""
    store = Store(results / f"{NAME}.jsonl")

    def found(start: str, setting: Setting, seed: int) -> float:
        config = {"start": start} | asdict(setting)
        config |= {"widths": list(setting.widths), "seed": seed}
        return store.get(config, lambda: error(folder, start, setting, seed))["error"]

    chosen = {
        s: min(CANDIDATES, key=lambda c, s=s: found(s, c, RATE_SEED)) for s in starts
    }
    for seed in range(n_seeds):
        for start, setting in chosen.items():
            found(start, setting, seed)


def main() -> None:
    """Run what is missing."""
    parser = common_options(__doc__)
    parser.add_argument("--starts", help="separated by ';' (default: all)")
    args = parser.parse_args()
    starts = args.starts.split(";") if args.starts else list(STARTS)
    run(starts, args.seeds, args.data, args.results)


if __name__ == "__main__":
    main()
