"""One cell of the papers' experiment: a network grown by a schedule, then tuned.

Images in [0, 1], logistic units, cross-entropy, masking noise. All schedules of a seed
begin with the same weights, the same rows in the same order and the same corruption, so
their first phase is computed once.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier

from skdae._core.acceleration import Execution, execution
from skdae._core.monitor import Monitor
from skdae._core.network import Head, LayerKey, Network, Shape, chunks
from skdae._core.parameters import Parameters
from skdae._core.settings import Settings
from skdae._core.sources import ArrayRows, TableSource
from skdae._core.training import Trainer, make_trainer
from skdae._random import Streams, spawn_streams
from skdae.noise import Layout, MaskingNoise
from skdae.schedules import (
    Frozen,
    Gradual,
    Hybrid,
    Joint,
    Phase,
    Schedule,
    Stacked,
    at_equal_updates,
)

N_VALIDATION = 2_000
CORRUPTION_SEED = 20_141_219  # of validation and test rows, the same for all cells
# the control: a network that does not grow, whose upper pairs of layers begin near the
# identity instead of at random
IDENTITY = ", identity start"
# slope of the pre-activations of such a pair: two logistic units in a row with it are
# within 0.11 of their input on [0, 1]
IDENTITY_SLOPE = 5.0

# added layers begin at random, as the papers' do, or as copies
_RANDOM: dict[str, Schedule] = {
    "stacked": Stacked(start="random"),
    "gradual": Gradual(start="random"),
    "hybrid 0.1": Hybrid(0.1, start="random"),
    "hybrid 0.25": Hybrid(0.25, start="random"),
    "hybrid 0.5": Hybrid(0.5, start="random"),
    "hybrid 0.75": Hybrid(0.75, start="random"),
    "lower rate 0.1": Gradual(lower_layer_rate=0.1, start="random"),
    "lower rate 0.3": Gradual(lower_layer_rate=0.3, start="random"),
    "frozen": Frozen(start="random"),
}
_COPIED = {
    f"{name}, copy": schedule.set_params(start="copy")
    for name, schedule in deepcopy(_RANDOM).items()
}
SCHEDULES = _RANDOM | {"joint": Joint()} | _COPIED
METHODS = [*SCHEDULES, "joint" + IDENTITY]


@dataclass(frozen=True)
class Setting:
    """What all schedules of a comparison share."""

    data: str
    n_train: int
    widths: tuple[int, ...]
    batch_size: int
    epochs: tuple[int, ...]  # of each phase of gradual training
    tuning: int  # epochs that train all layers afterwards
    decoder: str = "mirror"
    solver: str = "adam"
    noise_rate: float = 0.15


@dataclass(frozen=True)
class Cell:
    """One network: everything that its figures depend on."""

    setting: Setting
    method: str  # of METHODS
    learning_rate: float
    seed: int

    def config(self) -> dict[str, Any]:
        """The cell as JSON holds it."""
        own = {k: v for k, v in asdict(self).items() if k != "setting"}
        lists = {
            k: list(v) if isinstance(v, tuple) else v
            for k, v in asdict(self.setting).items()
        }
        return lists | own


# --- images --------------------------------------------------------------------------


class Images(NamedTuple):
    """Images as rows of pixels, and their classes."""

    X: np.ndarray  # (n, n_pixels) float32 in [0, 1]
    y: np.ndarray


class Rows(NamedTuple):
    """What a cell learns from, is chosen by, and is measured on."""

    train: Images
    validation: Images
    test: Images


def _decoded(streams: np.ndarray, offsets: np.ndarray, index: np.ndarray) -> np.ndarray:
    """JPEG streams as rows of pixels."""
    from PIL import Image

    images = [
        np.asarray(Image.open(BytesIO(streams[offsets[i] : offsets[i + 1]].tobytes())))
        for i in index
    ]
    return np.stack(images)


def _pixels(content: Any, data: str, part: str, index: np.ndarray) -> Images:
    """The images of a part of a file at `index`."""
    if data == "mnist":
        raw = content[f"X_{part}"][index]
    else:
        raw = _decoded(content[f"jpeg_{part}"], content[f"offsets_{part}"], index)
    X = raw.reshape(len(raw), -1).astype(np.float32) / np.float32(255)
    return Images(X, content[f"y_{part}"][index])


FILES = {"mnist": "mnist.npz", "cifar10": "cifar10_jpeg.npz"}
N_PIXELS = {"mnist": 784, "cifar10": 3_072}


@cache
def load_rows(folder: Path, data: str, n_train: int, seed: int) -> Rows:
    """Training and validation rows drawn by the seed; all test rows."""
    with np.load(folder / "images" / FILES[data]) as content:
        n_known, n_test = len(content["y_train"]), len(content["y_test"])
        order = np.random.default_rng([seed, n_train]).permutation(n_known)
        parts = ("train", order[:n_train]), ("train", order[-N_VALIDATION:])
        return Rows(
            *(_pixels(content, data, *part) for part in parts),
            _pixels(content, data, "test", np.arange(n_test)),
        )


# --- measures ------------------------------------------------------------------------


def _softplus(A: np.ndarray) -> np.ndarray:
    return np.maximum(A, 0) + np.log1p(np.exp(-np.abs(A)))


def entropy(X: np.ndarray) -> float:
    """Mean over rows of the summed entropy of pixels in [0, 1], in nats."""
    X = X.astype(np.float64)
    inner = np.clip(X, 1e-12, 1 - 1e-12)
    return float(-(X * np.log(inner) + (1 - X) * np.log1p(-inner)).sum(axis=1).mean())


def cross_entropy(network: Network, Z: np.ndarray, X: np.ndarray) -> float:
    """Mean over rows of the summed cross-entropy of X, rebuilt from Z."""
    total = 0.0
    for part in chunks(len(Z)):
        A = network.raw_outputs(network.encode(Z[part]))
        total += float((_softplus(A) - X[part] * A).sum(dtype=np.float64))
    return total / len(Z)


def masked(X: np.ndarray, rate: float) -> np.ndarray:
    """The rows with one fixed masking noise."""
    kept = np.random.default_rng(CORRUPTION_SEED).random(X.shape, np.float32) >= rate
    return X * kept


def measure(network: Network, rows: Rows, rate: float) -> dict[str, float]:
    """Excess cross-entropy, nats per image, and what the codes are like."""
    values = {}
    for name, X in (("validation", rows.validation.X), ("test", rows.test.X)):
        floor = entropy(X)
        values[f"{name}_clean"] = cross_entropy(network, X, X) - floor
        values[f"{name}_corrupted"] = cross_entropy(network, masked(X, rate), X) - floor
    H = network.encode(rows.train.X)
    probe = RidgeClassifier(alpha=1.0).fit(H, rows.train.y)
    values["probe_error"] = 1 - probe.score(network.encode(rows.test.X), rows.test.y)
    values["saturated"] = float(((H < 0.05) | (H > 0.95)).mean())
    spectrum = np.linalg.svd(H - H.mean(axis=0), compute_uv=False) ** 2
    share = spectrum / spectrum.sum()
    values["effective_rank"] = float(np.exp(-(share * np.log(share + 1e-30)).sum()))
    return {name: round(value, 5) for name, value in values.items()}


# --- training ------------------------------------------------------------------------


def plan_of(setting: Setting, method: str) -> tuple[Phase, ...]:
    """The phases of a schedule with as many weight updates as gradual training."""
    n_layers = len(setting.widths)
    reference = tuple(
        Phase(depth, n, (1.0,) * depth, kind="gradual")
        for depth, n in enumerate(setting.epochs, 1)
    ) + (Phase(n_layers, setting.tuning, (1.0,) * n_layers, kind="tuning"),)
    return at_equal_updates(SCHEDULES[method.removesuffix(IDENTITY)], reference)


def _settings(cell: Cell) -> Settings:
    """How the core optimises: nothing stops early, no weights are averaged."""
    return Settings(
        solver=cell.setting.solver,
        learning_rate_init=cell.learning_rate,
        momentum=0.9,
        alpha=0.0,
        batch_size=cell.setting.batch_size,
        emphasis=None,
        n_iter_no_change=1,
        tol=0.0,
        device="cpu",
        n_threads=None,
    )


def _shape(setting: Setting, n_pixels: int) -> Shape:
    """Logistic units, and a logistic output for the cross-entropy."""
    head = Head(n_pixels, (), "cross_entropy", "logistic")
    return Shape((n_pixels, *setting.widths), setting.decoder, False, "logistic", head)


StartKey = tuple[Setting, float, int]


class Start(NamedTuple):
    """A network after its first phase, which all growing schedules share."""

    layers: dict[LayerKey, tuple[Any, Any]]
    streams: Streams
    losses: list[float]


class Growth:
    """A network under way through its phases, and what was recorded of each."""

    starts: ClassVar[dict[StartKey, Start]] = {}  # of all cells of this process

    def __init__(self, cell: Cell, trainer: Trainer, source: TableSource) -> None:
        self.cell, self.trainer, self.source = cell, trainer, source
        self.losses: list[list[float]] = []  # by phase and epoch
        self.first_layers: list[np.ndarray] = []  # weights after each phase

    def run(self, phase: Phase) -> None:
        """Run a phase."""
        key = (self.cell.setting, self.cell.learning_rate, self.cell.seed)
        is_start = not self.losses and phase.depth == 1
        if is_start and key in Growth.starts:
            self._take_over(Growth.starts[key])
        else:
            number = len(self.losses)
            run = self.trainer.run_phase(number, phase, self.source, Monitor())
            self.losses.append([round(epoch.loss, 3) for epoch in run[1]])
            if is_start:
                Growth.starts[key] = self._start()
        self.first_layers.append(self.trainer.parameters.encoder(1).encoder[0].weight)

    def _start(self) -> Start:
        """What the first phase came to."""
        parameters = self.trainer.parameters
        names = parameters.shape.phase_keys(1, "input")
        layers = {name: parameters.layers[name] for name in names}
        copies = {k: (v.weight.clone(), v.bias.clone()) for k, v in layers.items()}
        return Start(copies, deepcopy(self.trainer.streams), self.losses[0])

    def _take_over(self, start: Start) -> None:
        """Go on from the first phase of another schedule."""
        for name, (weight, bias) in start.layers.items():
            layer = self.trainer.parameters.layers[name]
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        self.trainer.streams = deepcopy(start.streams)
        self.trainer.trained.update(start.layers)
        self.losses.append(start.losses)

    @property
    def drift(self) -> list[float]:
        """Change of the first layer since its own phase, relative to its norm."""
        first, *later = self.first_layers
        norm = np.linalg.norm(first)
        return [round(float(np.linalg.norm(W - first) / norm), 5) for W in later]


def _start_as_identity(parameters: Parameters) -> None:
    """Let upper pairs begin near the identity, with their random weights on top."""
    for key, layer in parameters.layers.items():
        if key.depth > 1:
            layer.weight.add_(IDENTITY_SLOPE * torch.eye(*layer.weight.shape))
            layer.bias.fill_(-IDENTITY_SLOPE / 2)


def _has_output(setting: Setting, phases: Sequence[Phase]) -> bool:
    """Whether the layers from the top code to the pixels have been trained."""
    return setting.decoder != "direct" or phases[-1].corrupt == "input"


class Trained(NamedTuple):
    """A network after growing, if it has an output then, and after tuning."""

    grown: Network | None
    tuned: Network
    growth: Growth


def make_network(cell: Cell, plan: Sequence[Phase], found: Execution) -> Trainer:
    """The weights and streams that a cell begins with."""
    setting = cell.setting
    return make_trainer(
        _shape(setting, N_PIXELS[setting.data]),
        plan,
        MaskingNoise(setting.noise_rate),
        spawn_streams(cell.seed),
        _settings(cell),
        found,
    )


@lru_cache(maxsize=1)  # a classifier begins with the network that was just measured
def train(cell: Cell, folder: Path) -> Trained:
    """Run the phases of a cell."""
    X = load_rows(folder, cell.setting.data, cell.setting.n_train, cell.seed).train.X
    plan, grown = plan_of(cell.setting, cell.method), None
    source = TableSource(ArrayRows(X, Layout.from_data(X)), np.arange(len(X)))
    with execution(_settings(cell)) as found:
        trainer = make_network(cell, plan, found)
        if cell.method.endswith(IDENTITY):
            _start_as_identity(trainer.parameters)
        growth = Growth(cell, trainer, source)
        for number, phase in enumerate(plan):
            if phase.kind == "tuning" and _has_output(cell.setting, plan[:number]):
                grown = trainer.trained_network(phase.depth)
            growth.run(phase)
        return Trained(grown, trainer.trained_network(plan[-1].depth), growth)


def untrained(cell: Cell) -> Network:
    """The network of a cell before any phase."""
    plan = plan_of(cell.setting, "joint")
    with execution(_settings(cell)) as found:
        trainer = make_network(cell, plan, found)
        return trainer.trained_network(len(cell.setting.widths))


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Train and measure, after growing and after tuning."""
    setting = cell.setting
    rows = load_rows(folder, setting.data, setting.n_train, cell.seed)
    started = process_time()
    grown, tuned, growth = train(cell, folder)
    values: dict[str, Any] = {}
    if grown is not None:
        values["grown"] = measure(grown, rows, setting.noise_rate)
    values["tuned"] = measure(tuned, rows, setting.noise_rate)
    seconds = round(process_time() - started, 1)
    plan = plan_of(setting, cell.method)
    phases = [[p.kind, p.depth, p.epochs, p.corrupt] for p in plan]
    return values | {
        "phases": phases,
        "losses": growth.losses,
        "drift": growth.drift,
        "seconds": seconds,
    }
