"""How well anomalies are distinguished: the detector beside its baselines.

One-class: half of the normal rows are learned from, the rest and all anomalies are
scored. Contaminated: all rows are learned from and scored. Every method has its
defaults on all sets. See README.md.
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from _anomaly_sets import COLLECTIONS, AnomalySet, labelled_sets
from _detectors import DETECTORS, Fit, elliptic_envelope, forest, outlier_factor
from _faults import with_faults
from _metrics import false_alarms
from _ordered import ordered_sets, tennessee_eastman
from _runner import (
    Benchmark,
    Values,
    chosen,
    measure,
    parse,
    protocol,
    publish,
    timed,
)
from _tables import DIFFERENCE, Results, against, comparison_table, markdown, ranks
from scipy.stats import betabinom
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae._outlier._thresholds import conformal_threshold

SETTINGS = ("one-class", "contaminated")
SPLIT = "published split"
CONTAMINATION = 0.1  # given to every method in the contaminated setting, on every set
RATES = (0.01, 0.05)  # nominal false alarm rates
MANY_NORMAL = 5_000  # normal rows from which false alarms are counted
MAX_TRAIN_ROWS = 50_000  # of the published protocol of ADBench
QUICK_TRAIN_ROWS = 500
N_TEP_RUNS = 6  # of Tennessee Eastman: a normal one and five faults
OURS = "skdae detector"
TOLERANCE = 0.02  # of the area, behind which a method counts as worse on a set
# what plants have and what tables have: the detector is to be behind neither
STANDARD = ("PCA T² + SPE", "k-nearest neighbours")


@dataclass(frozen=True)
class Problem:
    """Rows to learn from and rows to score."""

    X: np.ndarray
    X_test: np.ndarray  # the same object in the contaminated setting
    seed: int

    @property
    def contaminated(self) -> bool:
        return self.X is self.X_test

    def map(self, transform: Callable[[np.ndarray], np.ndarray]) -> "Problem":
        """Both tables transformed."""
        X = transform(self.X)
        X_test = X if self.contaminated else transform(self.X_test)
        return Problem(X, X_test, self.seed)

    def scaled(self) -> "Problem":
        """Standardised columns."""
        return self.map(StandardScaler().fit(self.X).transform)


@dataclass(frozen=True)
class Found:
    """Anomaly scores of the test rows, and of training rows held out in turn."""

    scores: np.ndarray
    held_out: np.ndarray | None = None


Method = Callable[[Problem], Found]

# --- methods -------------------------------------------------------------------------


def detector(problem: Problem) -> Found:
    """Our detector, which scales for itself."""
    model = GradualDAEOutlierDetector(
        contamination=CONTAMINATION if problem.contaminated else "auto",
        random_state=problem.seed,
    ).fit(problem.X)
    return Found(-model.score_samples(problem.X_test), -model.calibration_scores_)


def baseline(problem: Problem, fit: Fit) -> Found:
    """A baseline on standardised columns."""
    scaled = problem.scaled()
    return Found(fit(scaled.X, scaled.seed)(scaled.X_test))


def on_codes(problem: Problem, fit: Fit) -> Found:
    """A baseline on codes and errors of the transformer, standardised."""
    dae = GradualDAETransformer(
        output="code_and_error", max_iter=50, random_state=problem.seed
    ).fit(problem.X)
    return baseline(problem.map(dae.transform), fit)


# the sum of squares beyond the axes of PCA; its table of today calls it PCA
_FITS: dict[str, Fit] = {
    "PCA" if n == "PCA SPE" else n: f for n, f in DETECTORS.items()
}
METHODS: dict[str, Method] = (
    {OURS: detector}
    | {name: partial(baseline, fit=fit) for name, fit in _FITS.items()}
    | {
        "codes + isolation forest": partial(on_codes, fit=forest),
        "codes + LOF": partial(on_codes, fit=outlier_factor),
        "codes + EllipticEnvelope": partial(on_codes, fit=elliptic_envelope),
    }
)


# --- running -------------------------------------------------------------------------


def prepare(
    name: str, seed: int, *, args: argparse.Namespace
) -> tuple[AnomalySet, int, int]:
    """The set, the seed and the most rows to train on."""
    n_max = QUICK_TRAIN_ROWS if args.quick else args.max_rows
    return sets_of(args)[name](), seed, n_max


def sets_of(args: argparse.Namespace) -> dict[str, Callable[[], AnomalySet]]:
    """Loaders by name; for rows with missing cells also a set in time order."""
    sets = labelled_sets(args.data, args.collection)
    if args.task == "missing" and args.data is not None:
        sets["tennessee_eastman"] = partial(_tennessee_eastman, args.data)
    return sets


def _tennessee_eastman(folder: Path) -> AnomalySet:
    """Trained on the normal run; the other normal run and some faults are scored."""
    process = tennessee_eastman(folder)
    train, test = process.runs.train, process.runs.test[:N_TEP_RUNS]
    X = np.vstack([train, *test])
    y = np.concatenate([np.zeros(len(train)), *process.truth[:N_TEP_RUNS]])
    return AnomalySet(X, y.astype(int), np.arange(len(X)) < len(train))


def evaluate(problem: tuple[AnomalySet, int, int], setting: str, method: str) -> Values:
    """Areas, seconds, and false alarms at the method's own thresholds."""
    labelled, seed, n_max = problem
    if setting == "contaminated":
        X = X_test = labelled.X
        truth = labelled.y == 1
    else:
        if setting == SPLIT:
            labelled = labelled.published(seed)
        train, test = labelled.one_class(seed, n_max)
        X, X_test = labelled.X[train], labelled.X[test]
        truth = labelled.y[test] == 1
    with warnings.catch_warnings():
        # some sets have fewer rows than a false alarm rate of 1 % needs
        warnings.filterwarnings("ignore", "false_alarm_rate")
        found, seconds = timed(lambda: METHODS[method](Problem(X, X_test, seed)))
    values = {
        "auroc": float(roc_auc_score(truth, found.scores)),
        "precision": float(average_precision_score(truth, found.scores)),
        "seconds": seconds,
        "test_ratio": len(X_test) / len(X),
    }
    is_large = (labelled.y == 0).sum() >= MANY_NORMAL
    if found.held_out is not None and setting == "one-class" and is_large:
        for rate in RATES:
            limit = conformal_threshold(found.held_out, rate)
            values[alarms_at(rate)] = false_alarms(found.scores, truth, limit)
    return values


# --- rows with missing cells ---------------------------------------------------------

#: Condition: the share of the cells of test rows that are missing; None: one of a row.
MISSING: dict[str, float | None] = {
    "complete": 0.0,
    "one sensor": None,
    "1 % missing": 0.01,
    "3 % missing": 0.03,
    "30 % missing": 0.3,
}


def hidden(rows: np.ndarray, share: float | None) -> np.ndarray:
    """Rows that miss cells drawn at random, but not all of a row."""
    draw = np.random.default_rng(0)
    n_rows, n_columns = rows.shape
    one = np.arange(n_columns) == draw.integers(n_columns, size=(n_rows, 1))
    missing = one if share is None else (draw.random(rows.shape) < share)
    return np.where(missing & ~missing.all(axis=1, keepdims=True), np.nan, rows)


def evaluate_missing(
    problem: tuple[AnomalySet, int, int], condition: str, method: str
) -> Values:
    """False alarms at 1 % and areas of a detector that was trained on complete rows."""
    labelled, seed, n_max = problem
    train, test = labelled.one_class(seed, n_max)
    truth = labelled.y[test] == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "false_alarm_rate")
        model = _fitted(labelled.X[train].tobytes(), labelled.X.shape[1], seed)
    scores = -model.score_samples(hidden(labelled.X[test], MISSING[condition]))
    return {
        "auroc": float(roc_auc_score(truth, scores)),
        "false alarms": false_alarms(scores, truth, -model.offset_),
        "normal rows": float((~truth).sum()),
        "calibration rows": model.calibration_report_.n_effective,
    }


@lru_cache(maxsize=1)  # the conditions of a set follow one another
def _fitted(rows: bytes, n_columns: int, seed: int) -> GradualDAEOutlierDetector:
    X = np.frombuffer(rows).reshape(-1, n_columns)
    return GradualDAEOutlierDetector(random_state=seed).fit(X)


def by_chance(n_calibration: float, n_rows: float) -> tuple[float, float]:
    """The range of 19 in 20 shares of alarms, if the rate holds on average.

    The threshold exceeds a share of the calibration rows, so that the true rate of a
    set has a beta distribution, and the alarms among its test rows a beta-binomial one.
    """
    n_alarms = max(1.0, np.floor(RATES[0] * (n_calibration + 1)))
    alarms = betabinom(int(n_rows), n_alarms, n_calibration + 1 - n_alarms)
    low, high = alarms.ppf([0.025, 0.975]) / n_rows
    return float(low), float(high)


def report_missing(results: Results) -> list[str]:
    """False alarms and areas by set and share of missing cells."""
    found = [results.only(each) for each in results.conditions]
    sets = [each for each, _ in found[0].rows]

    def table(name: str) -> np.ndarray:
        return np.column_stack([each.means(name)[:, 0] for each in found])

    alarms, rows = table("false alarms"), table("normal rows")[:, 0]
    ranges = np.array(
        [
            by_chance(*each)
            for each in zip(table("calibration rows")[:, 0], rows, strict=True)
        ]
    )
    is_off = (alarms < ranges[:, :1]) | (alarms > ranges[:, 1:])
    lines = [
        [
            name,
            f"{n:.0f}",
            f"{100 * low:.1f} to {100 * high:.1f}",
            *(
                f"{100 * v:.1f}{' !' if off else ''}"
                for v, off in zip(values, offs, strict=True)
            ),
        ]
        for name, n, (low, high), values, offs in zip(
            sets, rows, ranges, alarms, is_off, strict=True
        )
    ]
    mean = [f"{100 * value:.2f}" for value in alarms.mean(axis=0)]
    n_off = [f"{each} of {len(sets)}" for each in is_off.sum(axis=0)]
    lines += [["mean", "", "", *mean], ["outside by more than chance", "", "", *n_off]]
    areas = 100 * table("auroc")
    area_lines = [
        [name, *(f"{value:.1f}" for value in values)]
        for name, values in zip(
            [*sets, "mean"], [*areas, areas.mean(axis=0)], strict=True
        )
    ]
    return [
        "## False alarms at 1 %, in %",
        "Of normal test rows. *by chance*: where 19 of 20 sets of as many calibration "
        "and test rows lie if the rate holds on average; *!* lies outside.",
        markdown(["set", "normal rows", "by chance", *results.conditions], lines),
        "## AUROC, in %",
        markdown(["set", *results.conditions], area_lines),
    ]


# --- anomalies that nobody mentioned -------------------------------------------------

MIXED = 0.07  # share of anomalies among the training rows
CLEAN, CONTAMINATED = "clean", f"{100 * MIXED:g} % anomalies"
N_SENSOR_ROWS = 2_000  # in time order, at most

Mixed = dict[str, tuple[np.ndarray, np.ndarray]]  # rows and truth by condition


def mixed_rows(labelled: AnomalySet, seed: int) -> Mixed:
    """Half of the normal rows, and the same with anomalies among them."""
    normal, _ = labelled.one_class(seed)
    draw = np.random.default_rng(seed)
    anomalies = draw.permutation(np.flatnonzero(labelled.y == 1))
    some = anomalies[: round(len(normal) * MIXED / (1 - MIXED))]
    both = draw.permutation(np.concatenate([normal, some]))
    return {
        condition: (labelled.X[rows], labelled.y[rows] == 1)
        for condition, rows in ((CLEAN, normal), (CONTAMINATED, both))
    }


def mixed_records(X: np.ndarray, seed: int) -> Mixed:
    """Sensors in time order, and the same with faults of single sensors."""
    X = X[:, np.isnan(X).mean(axis=0) < 0.5]
    faulty = with_faults(X, MIXED, np.random.default_rng(seed))
    return {CLEAN: (X, np.zeros(len(X), dtype=bool)), CONTAMINATED: faulty}


def prepare_contamination(
    name: str, seed: int, *, args: argparse.Namespace
) -> tuple[Mixed, int]:
    """Rows to learn from, and the seed."""
    records = ordered_sets(args.data)
    if name in records:
        return mixed_records(records[name]().parts(N_SENSOR_ROWS, 1)[0], seed), seed
    return mixed_rows(labelled_sets(args.data)[name](), seed), seed


def evaluate_contamination(
    problem: tuple[Mixed, int], condition: str, method: str
) -> Values:
    """Whether the detector warns, and which anomalies among its rows it finds."""
    mixed, seed = problem
    X, truth = mixed[condition]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = GradualDAEOutlierDetector(random_state=seed).fit(X)
    is_warned = any("far from all others" in str(each.message) for each in caught)
    found = model.predict(X)[truth] == -1
    return {
        "warned": float(is_warned),
        "anomalies": float(truth.mean()),
        "found": float(found.mean()) if truth.any() else 0.0,
    }


def report_contamination(results: Results, args: argparse.Namespace) -> list[str]:
    """Warnings by set, and anomalies that the default finds without a warning."""
    records = ordered_sets(args.data)
    parts = []
    for title, kind in (("ADBench", False), ("Sensors in time order", True)):
        cells = [cell for cell in results.cells if (cell.set in records) == kind]
        if not cells:
            continue
        found = Results(cells)
        clean, dirty = (found.only(each) for each in (CLEAN, CONTAMINATED))
        columns = np.column_stack(
            [
                clean.means("warned")[:, 0],
                dirty.means("warned")[:, 0],
                dirty.means("anomalies")[:, 0],
                dirty.means("found")[:, 0],
            ]
        )
        names = [name for name, _ in clean.rows]
        lines = [
            [name, *(f"{100 * value:.0f}" for value in values)]
            for name, values in zip(
                [*names, "mean"], [*columns, columns.mean(axis=0)], strict=True
            )
        ]
        header = ["set", "warned, clean", "warned, contaminated"]
        header += ["anomalies", "of these found"]
        parts += [f"## {title}, in %", markdown(header, lines)]
    return parts


def alarms_at(rate: float) -> str:
    """The name of the false alarms at a nominal rate."""
    return f"nominal {100 * rate:g} %"


# --- tables --------------------------------------------------------------------------


def summary(results: Results) -> str:
    """Means over the sets, ranks and firsts."""
    complete = results.complete("auroc")
    auroc, precision, seconds = (
        results.means(measure, complete)
        for measure in ("auroc", "precision", "seconds")
    )
    placed = ranks(-auroc)
    first = (placed == placed.min(axis=1, keepdims=True)).sum(axis=0)
    rows = [
        [
            method,
            f"{auroc[:, j].mean():.3f}",
            f"{precision[:, j].mean():.3f}",
            f"{placed[:, j].mean():.1f}",
            str(first[j]),
            f"{seconds[:, j].mean():.1f}",
        ]
        for j, method in enumerate(results.methods)
    ]
    header = ["method", "AUROC", "AP", "average rank", "first on", "seconds"]
    return markdown(header, rows)


def behind(results: Results) -> list[str]:
    """On how many sets the detector is clearly behind the best baseline."""
    areas = dict(zip(results.methods, results.means("auroc").T, strict=True))
    ours = areas.pop(OURS, None)
    if ours is None or not areas:
        return []
    of_all = "the best of all other methods"
    rows = []
    for title, names in {of_all: areas, " and ".join(STANDARD): STANDARD}.items():
        found = [areas[name] for name in names if name in areas]
        if found:
            n_behind = np.sum(ours < np.nanmax(found, axis=0) - TOLERANCE)
            rows.append([title, f"{n_behind} of {len(ours)}"])
    return [markdown([f"area more than {TOLERANCE} below", "sets"], rows)]


def by_set(results: Results, measure: str) -> str:
    """A measure of every method on every set."""
    rows = [
        [name, *(f"{value:.3f}" for value in means)]
        for (name, _), means in zip(results.rows, results.means(measure), strict=True)
    ]
    return markdown(["set", *results.methods], rows)


def alarms(results: Results) -> list[str]:
    """False alarms on fresh normal rows, of the methods that set thresholds."""
    names = [alarms_at(rate) for rate in RATES]
    cells = [cell for cell in results.cells if names[0] in cell.values]
    if not cells:
        return []
    kept = Results(cells)
    values = np.array(
        [[kept.mean(row, OURS, name) for name in names] for row in kept.rows]
    )
    rows = [
        [name, *(f"{100 * share:.2f} %" for share in shares)]
        for name, shares in zip(
            [*(row[0] for row in kept.rows), "mean"],
            [*values, values.mean(axis=0)],
            strict=True,
        )
    ]
    return [
        "## False alarms on fresh normal rows",
        markdown(["set", *names], rows),
    ]


def report(results: Results, n_seeds: int) -> list[str]:
    """A section for each setting."""
    parts = []
    for setting in results.conditions:
        found, title = results.only(setting), setting.capitalize()
        parts += [
            f"## {title}: {len(found.rows)} sets, {n_seeds} seed(s)",
            summary(found),
            *behind(found),
            comparison_table(found, against(found, OURS), "auroc", DIFFERENCE),
            f"### {title}: AUROC by set",
            by_set(found, "auroc"),
            f"### {title}: Average precision by set",
            by_set(found, "precision"),
        ]
    return parts + alarms(results)


EXTRA = {
    "--task": {
        "choices": ("detection", "split", "missing", "contamination"),
        "default": "detection",
        "help": "split: the split of ADBench's published tables; missing: false alarms "
        "of rows with missing cells (one-class); contamination: warnings of anomalies "
        "among the training rows",
    },
    "--settings": {"help": f"of {','.join(SETTINGS)}, separated by ',' (default: all)"},
    "--max-rows": {
        "type": int,
        "default": MAX_TRAIN_ROWS,
        "help": f"the most rows to train on (default {MAX_TRAIN_ROWS})",
    },
    "--collection": {
        "choices": COLLECTIONS,
        "default": COLLECTIONS[0],
        "help": "folder of the sets; oddbench is for a blind test, once (one-class)",
    },
}


def main() -> None:
    """Run and print."""
    args = parse(__doc__, seeds=3, extra=EXTRA)
    if args.task == "missing":
        cells = measure(
            Benchmark(
                protocol(f"anomaly, missing, {args.max_rows}", args.collection, args),
                partial(prepare, args=args),
                evaluate_missing,
            ),
            args,
            sets=sets_of(args),
            methods={OURS: detector},
            conditions=MISSING,
        )
        return publish(report_missing(Results(cells)), args)
    if args.task == "contamination":
        cells = measure(
            Benchmark(
                protocol("anomaly, contamination", "", args),
                partial(prepare_contamination, args=args),
                evaluate_contamination,
            ),
            args,
            sets=[*labelled_sets(args.data), *ordered_sets(args.data)],
            methods={OURS: detector},
            conditions=(CLEAN, CONTAMINATED),
        )
        return publish(report_contamination(Results(cells), args), args)
    settings = (SPLIT,) if args.task == "split" else SETTINGS
    if args.collection == "oddbench":
        settings = SETTINGS[:1]
    rows = "" if args.max_rows == MAX_TRAIN_ROWS else f", {args.max_rows} rows"
    name = protocol(f"anomaly{rows}", args.collection, args)
    cells = measure(
        Benchmark(name, partial(prepare, args=args), evaluate),
        args,
        sets=sets_of(args),
        methods=METHODS,
        conditions=chosen(args.settings, settings, "--settings"),
    )
    publish(report(Results(cells), args.seeds), args)


if __name__ == "__main__":
    main()
