"""The experiments of the demonstration; each returns a Comparison."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from _demo_baselines import (
    PCARebuilder,
    column_means,
    mahalanobis,
    nearest_rows,
    neighbours,
    pca_residual,
    regressions,
    standardise,
)
from _demo_data import Detection, Settings, Source, Split
from _demo_report import OURS, Comparison
from joblib import Parallel, delayed
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAETransformer
from skdae.schedules import at_equal_updates, gradual, make_schedule, total_cost

WIDTHS = (128, 16)
CODE = WIDTHS[-1]
LOST = 0.25  # share of the cells that are lost
ERROR = 0.5  # error of a noisy sensor, in its standard deviations
PCA_SIZES = (2, 4, 8, 16, 32)

STACKED = "skdae, stacked"
BEST_PCA = "PCA, its best size in hindsight"
SAME_PCA = f"PCA, {CODE} components"

Values = dict[str, float]


def dae(schedule: str = "gradual", *, epochs: int, **options: Any) -> Any:
    """The transformer, with as many weight updates whatever the schedule."""
    widths = options.pop("hidden_layer_sizes", WIDTHS)
    plan = at_equal_updates(schedule, gradual(len(widths), max(epochs, len(widths))))
    return GradualDAETransformer(widths, schedule=plan, **options)


def repeat(
    run: Callable[[Any, int], Values],
    tasks: Sequence[tuple[str, Any]],
    seeds: Sequence[int],
    n_jobs: int,
) -> dict[str, dict[str, list[float]]]:
    """Values by method and table, one per seed."""
    jobs = [(name, task, seed) for name, task in tasks for seed in seeds]
    found = Parallel(n_jobs=n_jobs)(delayed(run)(task, seed) for _, task, seed in jobs)
    values: dict[str, dict[str, list[float]]] = {}
    for (name, _, _), result in zip(jobs, found, strict=True):
        for method, value in result.items():
            values.setdefault(method, {}).setdefault(name, []).append(value)
    return values


# --- rebuilding cells ---------------------------------------------------------


def lose(X: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The table with a share of its cells lost."""
    return np.where(generator.random(X.shape) < LOST, np.nan, X)


def rebuild_error(
    model: Any, seen: Split, truth: np.ndarray, deviation: np.ndarray
) -> float:
    """Root mean square error of lost cells, or of all where none is lost."""
    rebuilt = np.asarray(model.fit(seen.train).reconstruct(seen.test))
    errors = (rebuilt - truth) / deviation
    lost = np.isnan(seen.test)
    return float(np.sqrt(np.mean(errors[lost if lost.any() else ...] ** 2)))


def pca_errors(
    measure: Callable[[Any], float], n_columns: int, turns: Sequence[int]
) -> Values:
    """PCA of the code's size, and of the size that turns out best on the test rows."""
    sizes = [size for size in PCA_SIZES if size < n_columns]
    found = {
        (size, n): measure(PCARebuilder(size, n_turns=n))
        for size in sizes
        for n in turns
    }
    same = min(found[CODE, n] for n in turns)
    return {SAME_PCA: same, BEST_PCA: min(found.values())}


def fill_once(settings: Settings, source: Source, seed: int) -> Values:
    """Errors of all methods at cells that were lost, in the past rows as well."""
    split, generator = source.split(seed), np.random.default_rng([seed, 1])
    seen = Split(lose(split.train, generator), lose(split.test, generator))
    measure = partial(
        rebuild_error, seen=seen, truth=split.test, deviation=split.train.std(axis=0)
    )
    train = partial(dae, epochs=settings.epochs, random_state=seed)
    return {
        "column mean": measure(column_means()),
        **pca_errors(measure, split.train.shape[1], settings.turns),
        "5 nearest rows": measure(neighbours()),
        "linear regressions": measure(regressions(settings.rounds)),
        STACKED: measure(train("stacked")),
        OURS: measure(train()),
    }


def denoise_once(settings: Settings, source: Source, seed: int) -> Values:
    """Errors of all cells after denoising; the past rows are noisy as well."""
    split, generator = source.split(seed), np.random.default_rng([seed, 2])
    deviation = split.train.std(axis=0)

    def disturb(X: np.ndarray) -> np.ndarray:
        return X + ERROR * deviation * generator.standard_normal(X.shape)

    seen = Split(disturb(split.train), disturb(split.test))
    measure = partial(rebuild_error, seen=seen, truth=split.test, deviation=deviation)
    train = partial(
        dae,
        epochs=settings.epochs,
        noise="gaussian",
        noise_rate=ERROR,
        random_state=seed,
    )
    as_measured = (seen.test - split.test) / deviation
    return {
        "as measured": float(np.sqrt(np.mean(as_measured**2))),
        **pca_errors(measure, split.train.shape[1], settings.turns[:1]),
        STACKED: measure(train("stacked")),
        OURS: measure(train()),
    }


def rebuild_experiment(
    once: Callable[[Settings, Source, int], Values],
    title: str,
    measure: str,
    sources: Sequence[Source],
    settings: Settings,
) -> Comparison:
    """Filling or denoising on all tables."""
    values = repeat(
        partial(once, settings),
        [(source.name, source) for source in sources],
        range(settings.repeats),
        settings.n_jobs,
    )
    return Comparison(title, measure, False, values, variants=(STACKED,))


# --- schedules ----------------------------------------------------------------

SCHEDULE_NAMES = {
    "gradual": OURS,
    "stacked": STACKED,
    "frozen": "skdae, frozen (the control)",
    "joint": "skdae, joint from the start",
}
SCHEDULE_WIDTHS = (128, 64, 16)
TUNING = 0.25


def schedule_plans(epochs: int) -> dict[str, dict[str, Any]]:
    """Plans of equal cost by schedule, as grown and with the same tuning after."""
    n_layers = len(SCHEDULE_WIDTHS)
    epochs = max(epochs // 2, 2 * n_layers)  # 24 fits a table: half the budget
    references = {
        "grown": gradual(n_layers, epochs),
        "then tuned": make_schedule(
            "gradual", n_layers, epochs, tuning_fraction=TUNING
        ),
    }
    return {
        ending: {name: at_equal_updates(name, plan) for name in SCHEDULE_NAMES}
        for ending, plan in references.items()
    }


def schedule_once(settings: Settings, source: Source, seed: int) -> Values:
    """Held-out score of every schedule and ending, as 'ending: schedule'."""
    split = source.split(seed)
    return {
        f"{ending}: {label}": GradualDAETransformer(
            SCHEDULE_WIDTHS, schedule=plans[name], random_state=seed
        )
        .fit(split.train)
        .score(split.test)
        for ending, plans in schedule_plans(settings.epochs).items()
        for name, label in SCHEDULE_NAMES.items()
    }


def schedule_experiment(sources: Sequence[Source], settings: Settings) -> Comparison:
    """Gradual beside stacked, frozen and joint at equal weight updates."""
    found = repeat(
        partial(schedule_once, settings),
        [(source.name, source) for source in sources],
        range(settings.repeats),
        settings.n_jobs,
    )
    values: dict[str, dict[str, list[float]]] = {}
    for key, row in found.items():
        ending, label = key.split(": ")
        for name, repeats in row.items():
            values.setdefault(label, {})[f"{name}, {ending}"] = repeats
    return Comparison("schedules", "score on fresh rows", True, values)


def updates(epochs: int) -> dict[str, set[int]]:
    """Weight updates (layer-epochs) of the plans of each ending."""
    return {
        ending: {total_cost(plan) for plan in plans.values()}
        for ending, plans in schedule_plans(epochs).items()
    }


# --- before a classifier ------------------------------------------------------


def classifier() -> LogisticRegression:
    """The same small classifier behind all features."""
    return LogisticRegression(max_iter=2000)


def feature_makers(settings: Settings, seed: int) -> dict[str, Pipeline]:
    """Ways to turn a table with gaps into features."""
    ours = partial(dae, epochs=settings.epochs, output="layers", random_state=seed)
    fill = KNNImputer(keep_empty_features=True)
    return {
        "raw, gaps at the mean": standardise(),
        "raw, gaps from 5 nearest rows": make_pipeline(StandardScaler(), fill),
        SAME_PCA: make_pipeline(standardise(), PCA(CODE)),
        STACKED: make_pipeline(ours("stacked"), StandardScaler()),
        OURS: make_pipeline(ours(), StandardScaler()),
    }


def classify_once(
    settings: Settings, task: tuple[Source, bool, int | None], seed: int
) -> Values:
    """Share of test rows named right; features learn from rows without labels."""
    source, with_gaps, n_labels = task
    split, generator = source.split(seed), np.random.default_rng([seed, 3])
    train, test = split.train, split.test
    if with_gaps:
        train, test = lose(train, generator), lose(test, generator)
    labelled = slice(n_labels)
    found = {}
    for name, maker in feature_makers(settings, seed).items():
        maker.fit(train)
        model = classifier().fit(
            maker.transform(train[labelled]), split.train_target[labelled]
        )
        found[name] = model.score(maker.transform(test), split.test_target)
    return found


def classify_experiment(sources: Sequence[Source], settings: Settings) -> Comparison:
    """Features for a classifier, from complete rows and from rows with gaps."""
    tasks: list[tuple[str, tuple[Source, bool, int | None]]] = []
    for source in sources:
        if source.target is not None:
            tasks.append((source.name, (source, False, None)))
            tasks.append((f"{source.name}, gaps", (source, True, None)))
    tasks.insert(0, (f"{sources[0].name}, 100 labels", (sources[0], False, 100)))
    values = repeat(
        partial(classify_once, settings),
        tasks,
        range(settings.repeats),
        settings.n_jobs,
    )
    return Comparison(
        "classifier", "share of fresh rows right", True, values, variants=(STACKED,)
    )


# --- faults -------------------------------------------------------------------

FOREST = "isolation forest on "
OUR_FOREST = FOREST + "skdae residuals"
OUR_CODES = FOREST + "skdae codes + error"
OUR_SCORE = "skdae residual alone"


def forest(train: np.ndarray, test: np.ndarray, trees: int, seed: int) -> np.ndarray:
    """Strangeness by an isolation forest."""
    model = IsolationForest(n_estimators=trees, random_state=seed).fit(train)
    return -model.score_samples(test)


def detect_once(settings: Settings, task: tuple[str, Any], seed: int) -> Values:
    """Area under the ROC curve of every score of rows."""
    rows: Detection = task(seed)
    train, test = rows.train, rows.test
    model = dae(epochs=settings.epochs, random_state=seed).fit(train)
    prepare = standardise().fit(train)
    components = make_pipeline(standardise(), PCA(CODE)).fit(train)
    grow = partial(forest, trees=settings.trees, seed=seed)
    scores = {
        FOREST + "raw": grow(prepare.transform(train), prepare.transform(test)),
        FOREST + SAME_PCA: grow(
            components.transform(train), components.transform(test)
        ),
        "Mahalanobis distance": mahalanobis(train, test),
        "distance to 5 nearest rows": nearest_rows(train, test),
        "PCA residual, 8 components": pca_residual(8, train, test),
        OUR_SCORE: -model.score_samples(test),
    }
    for name, output in ((OUR_CODES, "code_and_error"), (OUR_FOREST, "error")):
        model.set_params(output=output)
        scores[name] = grow(model.transform(train), model.transform(test))
    return {name: roc_auc_score(rows.is_fault, score) for name, score in scores.items()}


def detect_experiment(
    histories: Sequence[tuple[str, Callable[[int], Detection]]], settings: Settings
) -> Comparison:
    """Scores of rows: the higher, the more likely a fault."""
    values = repeat(
        partial(detect_once, settings),
        histories,
        range(100, 100 + settings.plants),
        settings.n_jobs,
    )
    return Comparison(
        "faults",
        "chance that a faulty row scores above a normal one, ROC AUC",
        True,
        values,
        ours=OUR_FOREST,
        variants=(OUR_SCORE, OUR_CODES),
    )


# --- grid search --------------------------------------------------------------


def grid_search(source: Source, settings: Settings) -> tuple[GridSearchCV, float]:
    """Noise rate and widths searched with the classifier behind them; test score."""
    split = source.split(0)
    pipeline = Pipeline(
        [
            (
                "dae",
                GradualDAETransformer(
                    max_iter=settings.search_epochs, output="layers", random_state=0
                ),
            ),
            ("scale", StandardScaler()),
            ("classify", classifier()),
        ]
    )
    grid = {
        "dae__noise_rate": list(settings.noise_rates),
        "dae__hidden_layer_sizes": list(settings.sizes),
    }
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=settings.n_jobs)
    search.fit(split.train, split.train_target)
    return search, search.score(split.test, split.test_target)
