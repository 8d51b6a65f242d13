"""How well anomalies are told from normal rows: the detector beside its rivals.

One-class: half of the normal rows are learned from, the others and all anomalies are
scored. Contaminated: all rows are learned from and scored. Everything has its defaults
on all sets. See README.md.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from _report import markdown, ranks, unique
from sklearn.covariance import EllipticEnvelope, LedoitWolf, MinCovDet
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._thresholds import conformal_threshold
from skdae.datasets import make_sensor_data

SETTINGS = ("one-class", "contaminated")
CONTAMINATION = 0.1  # told to every method in the contaminated setting, on every set
RATES = (0.01, 0.05)  # nominal false alarm rates
MANY_NORMAL = 5_000  # normal rows from which false alarms are counted
SVM_ROWS = 5_000  # training rows of the one-class SVM, whose cost is quadratic
KNN = 5
OURS = "skdae detector"


class Problem(NamedTuple):
    """Rows to learn from and rows to score, scaled for the rivals."""

    X: np.ndarray
    X_test: np.ndarray
    contaminated: bool  # then X and X_test are the same rows
    seed: int

    def scaled(self) -> "Problem":
        """Standardised columns, which all rivals see."""
        scaler = StandardScaler().fit(self.X)
        return self._replace(
            X=scaler.transform(self.X), X_test=scaler.transform(self.X_test)
        )


Method = Callable[[Problem], np.ndarray]  # strangeness of the test rows


class Found(NamedTuple):
    """What a method says of the test rows, and of rows it has held out."""

    strangeness: np.ndarray
    calibration: np.ndarray | None = None


# --- methods -------------------------------------------------------------------------


def neighbors(problem: Problem, average: bool) -> np.ndarray:
    """Distance to the fifth neighbour, or the mean of five; not to the row itself."""
    search = NearestNeighbors(n_neighbors=KNN).fit(problem.X)
    rows = None if problem.contaminated else problem.X_test
    distances, _ = search.kneighbors(rows)
    return distances.mean(axis=1) if average else distances[:, -1]


def outlier_factor(problem: Problem) -> np.ndarray:
    if problem.contaminated:
        return -LocalOutlierFactor().fit(problem.X).negative_outlier_factor_
    return (
        -LocalOutlierFactor(novelty=True).fit(problem.X).score_samples(problem.X_test)
    )


def forest(problem: Problem) -> np.ndarray:
    model = IsolationForest(n_estimators=200, random_state=problem.seed)
    return -model.fit(problem.X).score_samples(problem.X_test)


def svm(problem: Problem) -> np.ndarray:
    draw = np.random.default_rng(problem.seed)
    rows = draw.permutation(len(problem.X))[:SVM_ROWS]
    return -OneClassSVM().fit(problem.X[rows]).score_samples(problem.X_test)


def pca(problem: Problem) -> np.ndarray:
    """Squared distance from the plane that holds 90 % of the variance."""
    model = PCA(0.9, svd_solver="full").fit(problem.X)
    plane = model.inverse_transform(model.transform(problem.X_test))
    return ((problem.X_test - plane) ** 2).sum(axis=1)


def mahalanobis(problem: Problem) -> np.ndarray:
    return LedoitWolf().fit(problem.X).mahalanobis(problem.X_test)


def robust_mahalanobis(problem: Problem) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant columns, determinants
        model = MinCovDet(random_state=problem.seed).fit(problem.X)
    return model.mahalanobis(problem.X_test)


def pyod(problem: Problem, name: str, module: str, **parameters: Any) -> np.ndarray:
    from importlib import import_module

    kind = getattr(import_module(f"pyod.models.{module}"), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(**parameters).fit(problem.X)
        return np.nan_to_num(model.decision_function(problem.X_test))


def autoencoder(problem: Problem) -> np.ndarray:
    return pyod(
        problem, "AutoEncoder", "auto_encoder", random_state=problem.seed, verbose=0
    )


def detector(problem: Problem) -> Found:
    model = GradualDAEOutlierDetector(
        contamination=CONTAMINATION if problem.contaminated else "auto",
        random_state=problem.seed,
    ).fit(problem.X)
    return Found(-model.score_samples(problem.X_test), -model.calibration_scores_)


def before(problem: Problem, method: Method) -> np.ndarray:
    """Codes and errors of the transformer, standardised, ahead of a detector."""
    dae = GradualDAETransformer(output="code_and_error", random_state=problem.seed)
    codes = dae.set_params(max_iter=50).fit(problem.X)
    return method(
        problem._replace(
            X=codes.transform(problem.X), X_test=codes.transform(problem.X_test)
        ).scaled()
    )


def envelope(problem: Problem) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dead units make a singular covariance
        model = EllipticEnvelope(random_state=problem.seed).fit(problem.X)
        return -model.score_samples(problem.X_test)


RIVALS: dict[str, Method] = {
    "k-nearest neighbours": partial(neighbors, average=False),
    "kNN (mean distance)": partial(neighbors, average=True),
    "LOF": outlier_factor,
    "isolation forest": forest,
    "one-class SVM": svm,
    "PCA": pca,
    "Mahalanobis": mahalanobis,
    "robust Mahalanobis": robust_mahalanobis,
    "ECOD": partial(pyod, name="ECOD", module="ecod"),
    "PyOD AutoEncoder": autoencoder,
}
PIPELINES: dict[str, Method] = {
    "codes + isolation forest": partial(before, method=forest),
    "codes + LOF": partial(before, method=outlier_factor),
    "codes + EllipticEnvelope": partial(before, method=envelope),
}
# the detector and the transformer scale for themselves
METHODS: dict[str, Callable[[Problem], Found]] = {
    OURS: detector,
    **{
        name: lambda problem, method=method: Found(method(problem.scaled()))
        for name, method in RIVALS.items()
    },
    **{
        name: lambda problem, method=method: Found(method(problem))
        for name, method in PIPELINES.items()
    },
}


# --- sets ----------------------------------------------------------------------------


def _plant() -> tuple[np.ndarray, np.ndarray]:
    faults = ("bias", "drift", "stuck", "spike", "dropout")
    plant = make_sensor_data(3000, faults=faults, random_state=0)
    return plant.data, plant.target


def _breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    data = load_breast_cancer()
    return data.data, 1 - data.target


Load = Callable[[], tuple[np.ndarray, np.ndarray]]
BUNDLED: dict[str, Load] = {"breast_cancer": _breast_cancer, "plant": _plant}


def _stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return archive["X"].astype(np.float64), archive["y"].astype(int)


def available(folder: Path | None) -> dict[str, Load]:
    """Loaders by name: the sets of a folder, or those that come along."""
    if folder is None:
        return BUNDLED
    paths = list((folder / "anomaly").glob("*.npz"))
    if not paths:
        sys.exit(
            f"error: --data {folder} holds no anomaly/*.npz; give the folder that "
            "holds anomaly/, or leave --data out to run on the bundled sets."
        )
    paths.sort(key=lambda path: int(path.stem.split("_")[0]))
    return {path.stem: partial(_stored, path) for path in paths}


def one_class(
    X: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half of the normal rows, all other rows, and which of those are anomalies."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train = normal[: len(normal) // 2]
    test = np.concatenate([normal[len(normal) // 2 :], np.flatnonzero(y == 1)])
    return X[train], X[test], y[test]


# --- runs ----------------------------------------------------------------------------


class Run(NamedTuple):
    """One method on one set."""

    setting: str
    set: str
    method: str
    seed: int
    auroc: float
    precision: float  # average precision
    seconds: float
    # shares of fresh normal rows above the thresholds of `RATES`
    alarms: tuple[float, ...] | None = None


def run(name: str, load: Load, setting: str, seed: int, method: str) -> Run:
    X, y = load()
    contaminated = setting == "contaminated"
    X_train, X_test, truth = (X, X, y) if contaminated else one_class(X, y, seed)
    started = perf_counter()
    found = METHODS[method](Problem(X_train, X_test, contaminated, seed))
    seconds = perf_counter() - started
    alarms = None
    if found.calibration is not None and not contaminated:
        fresh = found.strangeness[truth == 0]
        thresholds = [conformal_threshold(found.calibration, rate) for rate in RATES]
        if (y == 0).sum() >= MANY_NORMAL:
            alarms = tuple(float((fresh > limit).mean()) for limit in thresholds)
    auroc = float(roc_auc_score(truth, found.strangeness))
    precision = float(average_precision_score(truth, found.strangeness))
    return Run(setting, name, method, seed, auroc, precision, seconds, alarms)


# --- tables --------------------------------------------------------------------------


def means(runs: list[Run], setting: str) -> tuple[list[str], list[str], np.ndarray]:
    """Sets, methods and (n_sets, n_methods, 3): AUROC, AP and seconds over seeds."""
    runs = [run for run in runs if run.setting == setting]
    sets, methods = unique(r.set for r in runs), unique(r.method for r in runs)
    values = np.full((len(sets), len(methods), 3), np.nan)
    for i, name in enumerate(sets):
        for j, method in enumerate(methods):
            found = [r[4:7] for r in runs if r.set == name and r.method == method]
            values[i, j] = np.mean(found, axis=0)
    return sets, methods, values


def report(runs: list[Run]) -> str:
    parts = []
    for setting in unique(run.setting for run in runs):
        sets, methods, values = means(runs, setting)
        places = ranks(-values[:, :, 0])
        wins = (places == places.min(axis=1, keepdims=True)).sum(axis=0)
        seeds = len({run.seed for run in runs})
        parts.append(f"## {setting.capitalize()}: {len(sets)} sets, {seeds} seed(s)")
        rows = [
            [
                method,
                f"{values[:, j, 0].mean():.3f}",
                f"{values[:, j, 1].mean():.3f}",
                f"{places[:, j].mean():.1f}",
                str(wins[j]),
                f"{values[:, j, 2].mean():.1f}",
            ]
            for j, method in enumerate(methods)
        ]
        header = ["method", "AUROC", "AP", "average rank", "first on", "seconds"]
        if len(methods) == 1:  # nobody to be ranked with
            rows, header = [rows[0][:3] + rows[0][5:]], header[:3] + header[5:]
        parts.append(markdown(header, rows))
        for k, measure in enumerate(("AUROC", "Average precision")):
            parts.append(f"### {setting.capitalize()}: {measure} by set")
            rows = [
                [name, *(f"{value:.3f}" for value in values[i, :, k])]
                for i, name in enumerate(sets)
            ]
            parts.append(markdown(["set", *methods], rows))
    found = [run for run in runs if run.alarms is not None]
    if found:
        parts.append("## False alarms on fresh normal rows")
        rows = []
        for name in [*unique(run.set for run in found), "mean"]:
            rates = [run.alarms for run in found if name in (run.set, "mean")]
            rows.append([name, *(f"{100 * r:.2f} %" for r in np.mean(rates, axis=0))])
        header = ["set", *(f"nominal {100 * rate:g} %" for rate in RATES)]
        parts.append(markdown(header, rows))
    return "\n\n".join(parts) + "\n"


# --- command line --------------------------------------------------------------------


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with anomaly/")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument("--methods", help="names, separated by commas (default: all)")
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--store", type=Path, help="file that keeps runs to go on from")
    parser.add_argument("--output", type=Path, help="also write the tables here")
    return parser.parse_args()


def restore(path: Path | None) -> list[Run]:
    """Runs of an earlier call."""
    if path is None or not path.is_file():
        return []
    return [Run(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def main() -> None:
    args = parse()
    loaders = available(args.data)
    chosen = args.sets.split(",") if args.sets else list(loaders)
    methods = args.methods.split(",") if args.methods else list(METHODS)
    settings = args.settings.split(",")
    for option, names, known in (
        ("--sets", chosen, loaders),
        ("--methods", methods, METHODS),
        ("--settings", settings, SETTINGS),
    ):
        if unknown := [name for name in names if name not in known]:
            sys.exit(f"error: {option} {unknown} must be among {list(known)}.")
    # torch is loaded by the first fit, and that is no method's time
    GradualDAETransformer(2, max_iter=1).fit(np.eye(2))
    # some sets have fewer rows than a false alarm rate of 1 % needs
    warnings.filterwarnings("ignore", "false_alarm_rate")
    runs = restore(args.store)
    done = {r[:4] for r in runs}
    for seed, setting, name in product(range(args.seeds), settings, chosen):
        started = perf_counter()
        for method in methods:
            if (setting, name, method, seed) not in done:
                runs.append(run(name, loaders[name], setting, seed, method))
        if args.store is not None:
            args.store.write_text(json.dumps(runs), encoding="utf-8")
        seconds = perf_counter() - started
        print(f"{setting}, {name}, seed {seed}: {seconds:.0f} s", file=sys.stderr)
    places = {method: place for place, method in enumerate(METHODS)}
    runs.sort(key=lambda r: (SETTINGS.index(r.setting), r.seed, places[r.method]))
    text = report(runs)
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
