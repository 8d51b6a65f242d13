"""The tables of the demonstration: real ones that scikit-learn bundles, and plants."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from skdae.datasets import fetch_tennessee_eastman, make_sensor_data

TEST_SHARE = 0.3
LEAST_MOVES = 0.05  # a sensor that moves in fewer of the rows is left out


@dataclass(frozen=True)
class Settings:
    """How much of everything; the quick ones only show that it runs."""

    epochs: int = 150  # below the default: the demo is to take about a minute
    repeats: int = 3
    plants: int = 4
    plant_rows: int = 3000
    n_jobs: int = 2
    sizes: tuple[tuple[int, ...], ...] = ((64, 32), (128, 32))
    noise_rates: tuple[float, ...] = (0.1, 0.25, 0.4)
    search_epochs: int = 40
    turns: tuple[int, ...] = (1, 20)  # of PCA's filling
    rounds: int = 5  # of the linear regressions
    trees: int = 200
    digits: int | None = None  # rows to use; None for all


QUICK = Settings(
    epochs=8,
    repeats=1,
    plants=1,
    plant_rows=800,
    n_jobs=1,
    sizes=((32, 16),),
    noise_rates=(0.1, 0.25),
    search_epochs=4,
    turns=(2,),
    rounds=1,
    trees=50,
    digits=400,
)


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to test on."""

    train: np.ndarray  # (n_train, n_sensors)
    test: np.ndarray  # (n_test, n_sensors)
    train_target: np.ndarray | None = None
    test_target: np.ndarray | None = None


@dataclass(frozen=True)
class Source:
    """A table that can be split again and again."""

    name: str
    about: str
    data: np.ndarray  # complete: the truth that the rebuilt cells are held against
    target: np.ndarray | None = None
    in_time: bool = False
    n_train: int | None = None  # rows before it are for training, of a source in time

    def split(self, seed: int) -> Split:
        """The last rows for testing when the order is time, and random ones if not."""
        if self.in_time:
            cut = self.n_train or round((1 - TEST_SHARE) * len(self.data))
            return Split(self.data[:cut], self.data[cut:])
        train, test = train_test_split(
            np.arange(len(self.data)),
            test_size=TEST_SHARE,
            stratify=self.target,
            random_state=seed,
        )
        target = self.target
        return Split(self.data[train], self.data[test], target[train], target[test])


@dataclass(frozen=True)
class Detection:
    """Rows to learn from, later rows, and which of those are faulty."""

    train: np.ndarray
    test: np.ndarray
    is_fault: np.ndarray


def moving(data: np.ndarray) -> np.ndarray:
    """Which columns differ from their median in enough of the rows."""
    return (data != np.median(data, axis=0)).mean(axis=0) >= LEAST_MOVES


def digits(n_rows: int | None) -> Source:
    """Handwritten digits as a panel of 64 sensors."""
    data, target = (table[:n_rows] for table in load_digits(return_X_y=True))
    used = moving(data)
    about = (
        f"{len(data)} images of handwritten digits; each of 64 pixels is a sensor, "
        f"{used.sum()} of them move"
    )
    return Source("digits", about, data[:, used], target)


def breast_cancer() -> Source:
    """Measurements of cell nuclei, benign or malignant."""
    bunch = load_breast_cancer()
    n_rows, n_columns = bunch.data.shape
    about = f"{n_rows} tissue samples, {n_columns} measurements of their cell nuclei"
    return Source("breast cancer", about, bunch.data, bunch.target)


def plant(n_rows: int) -> Source:
    """The true signal of a simulated plant."""
    bunch = make_sensor_data(n_rows, random_state=10)
    about = (
        f"{n_rows} rows in time of a simulated plant, {bunch.data.shape[1]} sensors; "
        "tested on its last 30 %"
    )
    return Source("plant", about, bunch.clean, in_time=True)


def sources(settings: Settings, process: dict | None) -> list[Source]:
    """All tables with known true values."""
    found = [digits(settings.digits), breast_cancer(), plant(settings.plant_rows)]
    if process is not None:
        normal = process["train_normal"]
        data = np.vstack([normal, process["test"][0]]).astype(float)
        about = (
            f"{len(normal)} rows of normal operation of the Tennessee Eastman process, "
            f"{data.shape[1]} variables; tested on another run"
        )
        found.append(Source("Eastman process", about, data, None, True, len(normal)))
    return found


def find_process(folder: str | None) -> dict | None:
    """The Tennessee Eastman process where it lies, or None; never downloads."""
    homes = [None] if folder is None else [Path(folder), Path(folder) / "series"]
    for home in homes:
        try:
            return fetch_tennessee_eastman(home, download_if_missing=False)
        except OSError:
            continue
    return None


def plant_history(n_rows: int, seed: int) -> Detection:
    """A plant as its historian recorded it: faults and gaps in the past as well."""
    bunch = make_sensor_data(n_rows, random_state=seed)
    cut = round(0.6 * n_rows)
    return Detection(bunch.data[:cut], bunch.data[cut:], bunch.target[cut:] == 1)


def process_history(process: dict) -> Detection:
    """Normal operation to learn from; test runs with 21 faults and one without."""
    runs, start = process["test"], process["fault_start"]
    faulty: Sequence[np.ndarray] = [run[start:] for run in runs[1:]]
    test = np.vstack([runs[0], *faulty]).astype(float)
    is_fault = np.arange(len(test)) >= len(runs[0])
    return Detection(process["train_normal"].astype(float), test, is_fault)
