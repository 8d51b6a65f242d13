"""The demonstration on the user's own table."""

from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _demo_data import TEST_SHARE, Settings
from _demo_experiments import LOST, dae
from _demo_report import TIE, heading, say, standing
from _demo_table import (
    MOST_CATEGORIES,
    Table,
    TableError,
    fill_cells,
    read_sheet,
    usable,
    write_cells,
)
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MOST_CLASSES = 20  # a whole-number target with more different values is a quantity
N_STRANGE = 5
N_REASONS = 2  # cells shown of a strange row
PICTURE = "your_table.png"  # the tour's is another
FILLED = "filled.csv"


# --- experiments --------------------------------------------------------------


def transformer(table: Table, settings: Settings, **options):
    """The network for this table."""
    return dae(
        epochs=settings.epochs,
        categorical_features=table.texts or None,
        random_state=0,
        **options,
    ).set_output(transform="pandas")


def hide(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The table with a share of its known cells hidden, and which they are."""
    drawn = np.random.default_rng(seed).random(frame.shape) < LOST
    hidden = drawn & frame.notna().to_numpy()
    return frame.mask(hidden), hidden


@dataclass(frozen=True)
class Filled:
    """How well the hidden cells of a column are filled."""

    column: str
    is_text: bool
    ours: float  # numbers: error in standard deviations; texts: share right
    simple: float  # the mean, or the most frequent text


def fill_test(
    table: Table, train: pd.DataFrame, test: pd.DataFrame, settings: Settings
) -> list[Filled]:
    """Hidden cells of the test rows, rebuilt."""
    seen, _ = hide(train, 1)
    shown, hidden = hide(test, 2)
    rebuilt = transformer(table, settings).fit(known(seen)).reconstruct(shown)
    results = []
    for j, name in enumerate(test.columns):
        rows = hidden[:, j]
        truth, guess = test[name][rows], rebuilt[name][rows]
        if not rows.any():
            continue
        if name in table.texts:
            common = seen[name].mode().iloc[0] if seen[name].notna().any() else None
            ours = float((guess.astype(object) == truth).mean())
            results.append(Filled(name, True, ours, float((truth == common).mean())))
            continue
        spread = train[name].std(ddof=0)
        if not spread > 0:
            continue
        ours = float(np.sqrt(((guess - truth) ** 2).mean()) / spread)
        simple = float(np.sqrt(((seen[name].mean() - truth) ** 2).mean()) / spread)
        results.append(Filled(name, False, ours, simple))
    return results


def known(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with at least one known cell."""
    return frame[frame.notna().any(axis=1)]


def print_filled(results: list[Filled]) -> None:
    """One line per column."""
    wide = max(len("column"), *(len(str(result.column)) for result in results)) + 2
    for is_text, label, simple in (
        (False, "error in standard deviations, less is better", "mean"),
        (True, "share of hidden texts right, more is better", "most frequent"),
    ):
        rows = [result for result in results if result.is_text == is_text]
        if not rows:
            continue
        print(f"\n{'column':{wide}s}{simple:>14s}{'skdae':>9s}   ({label})")
        sign = 1 if is_text else -1
        for row in sorted(rows, key=lambda r: sign * (r.simple - r.ours)):
            note = "" if sign * (row.ours - row.simple) > 0 else "   no gain"
            print(f"{row.column!s:{wide}s}{row.simple:14.3f}{row.ours:9.3f}{note}")


def print_strange(model, test: pd.DataFrame) -> None:
    """The strangest test rows, and what is strange about them."""
    score = -model.score_samples(test)
    rebuilt = model.reconstruct(test)
    residual = error_model(model).transform(test).to_numpy()
    typical = float(np.median(score))
    print()
    printed = 0
    for i in np.argsort(-score, kind="stable"):
        reasons = strange_cells(test.iloc[i], rebuilt.iloc[i], residual[i])
        if not reasons:
            continue
        line = int(test.index[i]) + 2  # the header is line 1
        times = f"{score[i] / typical:.1f}" if typical > 0 else "many"
        print(f"line {line}: {times} times the typical distance")
        for name, recorded, expected in reasons:
            print(
                f"    {name}: recorded {recorded}, "
                f"from the others one expects {expected}"
            )
        printed += 1
        if printed == N_STRANGE:
            return
    if not printed:
        say("None: every recorded value is what one expects.")


def error_model(model):
    """The same fitted network, giving residuals."""
    return copy(model).set_params(output="error")


def strange_cells(
    row: pd.Series, rebuilt: pd.Series, residual: np.ndarray
) -> list[tuple[str, str, str]]:
    """Column, recorded and expected of the worst cells that differ as they are shown.

    A text can have a residual and be the likeliest one all the same.
    """
    found = []
    for j in np.argsort(-np.abs(residual), kind="stable"):
        recorded, expected = show(row.iloc[j]), show(rebuilt.iloc[j])
        if residual[j] and pd.notna(row.iloc[j]) and recorded != expected:
            found.append((str(row.index[j]), recorded, expected))
    return found[:N_REASONS]


def show(value: object) -> str:
    """A cell for people."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)


def predictors(table: Table, settings: Settings, model) -> dict[str, Pipeline]:
    """The same small model on raw columns and on codes."""
    numbers = make_pipeline(StandardScaler(), SimpleImputer(keep_empty_features=True))
    texts = OneHotEncoder(handle_unknown="ignore")  # a missing text is a category
    raw = make_column_transformer((numbers, table.numbers), (texts, table.texts))
    codes = transformer(table, settings, output="layers")
    return {
        "raw columns": make_pipeline(raw, model),
        "skdae codes": make_pipeline(codes, StandardScaler(), model),
    }


@dataclass(frozen=True)
class Task:
    """What is predicted, with which model, and what its score must exceed."""

    labels: pd.Series
    model: object
    measure: str
    simple: str  # what knows nothing of the other columns
    chance: float  # its score
    is_class: bool


def make_task(labels: pd.Series) -> Task:
    """Classes or a quantity."""
    is_number = pd.api.types.is_numeric_dtype(labels)
    whole = is_number and (labels.astype(float) % 1 == 0).all()
    if is_number and not (whole and labels.nunique() <= MOST_CLASSES):
        labels = labels.astype(float)
        measure = "share of the variance explained"
        return Task(labels, Ridge(), measure, "the mean", 0.0, False)
    labels = labels.astype(str)
    if labels.nunique() < 2 or labels.value_counts().min() < 2:
        raise TableError(
            f"the target {labels.name!r} must have at least 2 different values "
            f"with 2 rows each, and has {labels.value_counts().to_dict()}."
        )
    if labels.nunique() > MOST_CATEGORIES:
        raise TableError(
            f"the target {labels.name!r} has {labels.nunique()} different texts, "
            f"and at most {MOST_CATEGORIES} are taken as classes."
        )
    model = LogisticRegression(max_iter=2000)
    chance = float(labels.value_counts(normalize=True).max())
    return Task(labels, model, "share right", "the most frequent class", chance, True)


def predict(table: Table, settings: Settings) -> None:
    """The target from raw columns and from codes."""
    task = make_task(table.target)
    heading(f"Predicting {task.labels.name}")
    scores: dict[str, list[float]] = {}
    for seed in range(settings.repeats):
        train, test = train_test_split(
            np.arange(len(task.labels)),
            test_size=TEST_SHARE,
            stratify=task.labels if task.is_class else None,
            random_state=seed,
        )
        for name, pipeline in predictors(table, settings, task.model).items():
            pipeline.fit(table.frame.iloc[train], task.labels.iloc[train])
            score = pipeline.score(table.frame.iloc[test], task.labels.iloc[test])
            scores.setdefault(name, []).append(score)
    print()
    print(f"{task.simple:24s}{task.chance:8.3f}")
    for name, found in scores.items():
        spread = f"   +- {np.std(found, ddof=1):.3f}" if len(found) > 1 else ""
        print(f"{name:24s}{np.mean(found):8.3f}{spread}")
    print(f"({task.measure}; number of random splits: {settings.repeats})")
    say(features_verdict(scores, task.simple, task.chance))


def features_verdict(scores: dict[str, list[float]], simple: str, chance: float) -> str:
    """Which features are better, if the splits can tell."""
    first, second = scores
    if all(standing(np.subtract(s, chance)) != "ahead of" for s in scores.values()):
        return f"Nothing here beats {simple} by more than chance."
    where = standing(np.subtract(scores[first], scores[second]))
    if where == "level with":
        return (
            f"Here {first} and {second} are level: they differ by no more than the "
            f"spread of the splits, or {TIE:g}."
        )
    return (
        f"Here the better features are the {first if where == 'ahead of' else second}."
    )


def draw(path: Path, results: list[Filled], title: str) -> None:
    """What the mean misses and what skdae misses, a line per column."""
    import matplotlib.pyplot as plt
    from _demo_picture import BLUE, DARK, GREY, LIGHT, STYLE

    def miss(value: float, is_text: bool) -> float:
        return 1 - value if is_text else value

    rows = sorted(results, key=lambda r: miss(r.ours, r.is_text))[:30]
    with plt.rc_context(STYLE):
        height = 1.6 + 0.28 * len(rows)
        figure, ax = plt.subplots(figsize=(9, height), layout="constrained")
        for y, row in enumerate(rows):
            ours, simple = miss(row.ours, row.is_text), miss(row.simple, row.is_text)
            ax.plot([ours, simple], [y, y], color=LIGHT, lw=3, zorder=1)
            ax.plot(simple, y, "o", color=GREY, zorder=2)
            ax.plot(ours, y, "o", color=BLUE, zorder=3)
        ax.plot([], [], "o", color=GREY, label="the mean, or the most frequent text")
        ax.plot([], [], "o", color=BLUE, label="skdae")
        names = [f"{r.column}{' (text)' if r.is_text else ''}" for r in rows]
        ax.set_yticks(range(len(rows)), names, color=DARK)
        ax.invert_yaxis()
        ax.set_xlim(left=0)
        ax.set_xlabel(
            "error at hidden cells: standard deviations; for texts the share wrong"
        )
        ax.set_title(title)
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, facecolor="white")
        plt.close(figure)


def run_csv(path: Path, target: str | None, out: Path, settings: Settings) -> Path:
    """All of it on one file; the path of the picture."""
    heading(f"Your table: {path.name}")
    sheet = read_sheet(path)
    if (out / FILLED).resolve() == path.resolve():
        raise TableError(
            f"{path} is where the filled table would go; name another folder with "
            "--out, or rename your file."
        )
    table = usable(sheet.frame, target)
    frame = table.frame
    gaps = frame.isna().to_numpy().mean()
    say(
        f"{len(frame)} rows; {len(table.numbers)} columns of numbers, "
        f"{len(table.texts)} of texts; {gaps:.1%} of the cells are missing. "
        f"{TEST_SHARE:.0%} of the rows, drawn at random, are kept for testing. If "
        "your rows are in time, that makes filling easier than it is on new data."
    )
    train, test = train_test_split(frame, test_size=TEST_SHARE, random_state=0)
    heading("Cells that were lost")
    say(f"{LOST:.0%} of the known cells are hidden and filled from the others.")
    results = fill_test(table, train, test, settings)
    if not results:
        raise TableError(
            "no column has enough known cells to hide some; give fuller columns."
        )
    print_filled(results)
    heading("The strangest of the test rows")
    say("Line 1 of your file names the columns.")
    model = transformer(table, settings).fit(known(train))
    print_strange(model, test)
    if table.target is not None:
        predict(table, settings)
    filled = fill_cells(sheet, table, model.reconstruct)
    write_cells(out / FILLED, filled, sheet.format)
    print(f"\nYour whole table with its gaps filled: {out / FILLED}")
    picture = out / PICTURE
    draw(picture, results, f"Filling hidden cells of {path.name}")
    return picture
