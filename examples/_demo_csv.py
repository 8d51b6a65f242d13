"""The demonstration on the user's own table."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _demo_data import TEST_SHARE, Settings
from _demo_experiments import LOST, dae
from _demo_report import heading, say
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LEAST_ROWS = 20
MOST_ROWS = 20_000
MOST_CATEGORIES = 50  # a text column with more different values is left out
MOST_CLASSES = 20  # a whole-number target with more different values is a quantity
N_STRANGE = 5


class TableError(Exception):
    """What is wrong with the user's table, and what to do."""


@dataclass(frozen=True)
class Table:
    """The usable part of the user's table."""

    frame: pd.DataFrame  # numbers as float64, texts as str, None where missing
    numbers: list[str]
    texts: list[str]
    target: pd.Series | None


# --- reading ------------------------------------------------------------------


def read_frame(path: Path) -> pd.DataFrame:
    """The file as a table; the separator and a decimal comma are recognised."""
    if path.is_dir():
        raise TableError(f"{path} is a folder; name one CSV file in it.")
    if not path.exists():
        raise TableError(f"there is no file {path}; check the name and the folder.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(65536)
        separator = find_separator(sample)
        frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig")
        if separator != ",":
            other = pd.read_csv(path, sep=separator, decimal=",", encoding="utf-8-sig")
            frame = max(frame, other, key=lambda f: f.select_dtypes("number").shape[1])
    except UnicodeDecodeError:
        raise TableError(
            f"{path} is not text in UTF-8; save it as 'CSV UTF-8' (a spreadsheet has "
            "that among its formats)."
        ) from None
    except pd.errors.EmptyDataError:
        raise TableError(
            f"{path} is empty; the first line must name the columns."
        ) from None
    except pd.errors.ParserError as error:
        raise TableError(
            f"{path} cannot be read as a table ({str(error).strip()}); every line must "
            "have as many cells as the first, which names the columns."
        ) from None
    except OSError as error:
        raise TableError(f"{path} cannot be opened ({error.strerror}).") from None
    return frame


def find_separator(sample: str) -> str:
    """Comma, semicolon, tab or bar."""
    try:
        return csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
    except csv.Error:  # one column
        return ","


def usable(frame: pd.DataFrame, target: str | None) -> Table:
    """Columns the network can learn from; says what is left out, and why."""
    if len(frame) < LEAST_ROWS:
        raise TableError(
            f"the table has {len(frame)} rows, and at least {LEAST_ROWS} are needed "
            "to learn from some and test on others."
        )
    labels = None
    if target is not None:
        if target not in frame.columns:
            known = ", ".join(map(str, frame.columns[:12]))
            raise TableError(f"there is no column {target!r}; there are: {known}.")
        frame = frame[frame[target].notna()]
        if len(frame) < LEAST_ROWS:
            raise TableError(
                f"only {len(frame)} rows have a value in {target!r}, and at least "
                f"{LEAST_ROWS} are needed; choose another target."
            )
        labels = frame[target]
        frame = frame.drop(columns=target)
    if len(frame) > MOST_ROWS:
        say(f"{len(frame)} rows are many for a demo: {MOST_ROWS} are drawn at random.")
        frame = frame.sample(MOST_ROWS, random_state=0).sort_index()
        labels = None if labels is None else labels.loc[frame.index]
    return convert(frame, labels)


def convert(frame: pd.DataFrame, labels: pd.Series | None) -> Table:
    """Numbers to float, texts to categories; the rest is named and left out."""
    columns: dict[str, pd.Series] = {}
    numbers, texts, left_out = [], [], []
    for name, values in frame.items():
        is_number = pd.api.types.is_numeric_dtype(values)
        if values.isna().all():
            left_out.append(f"{name} (empty)")
        elif values.nunique() == 1:
            left_out.append(f"{name} (always the same)")
        elif is_number and not pd.api.types.is_bool_dtype(values):
            number = values.astype(float)
            columns[name] = number.where(np.isfinite(number))
            numbers.append(name)
        elif values.nunique() <= MOST_CATEGORIES:
            text = values.astype(object).where(values.notna(), None)
            columns[name] = text.map(str, na_action="ignore").astype(object)
            texts.append(name)
        else:
            left_out.append(f"{name} (text with {values.nunique()} different values)")
    if left_out:
        say(f"Left out: {', '.join(map(str, left_out))}.")
    if not columns:
        raise TableError(
            "no column is left to learn from; the table needs numbers, or texts of at "
            f"most {MOST_CATEGORIES} different values."
        )
    if len(columns) < 2:
        raise TableError(
            f"only the column {next(iter(columns))!r} is left, and one sensor cannot "
            "be rebuilt from others; give a table with more columns."
        )
    return Table(pd.DataFrame(columns), numbers, texts, labels)


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


def print_strange(
    table: Table, train: pd.DataFrame, test: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """The strangest test rows and what is strange; returns the filled table."""
    model = transformer(table, settings).fit(known(train))
    score = -model.score_samples(test)
    rebuilt = model.reconstruct(test)
    residual = model.set_params(output="error").transform(test)
    limit = -np.sort(-score)[min(N_STRANGE, len(score)) - 1]
    typical = float(np.median(score))
    print()
    for i in np.flatnonzero(score >= limit)[np.argsort(-score[score >= limit])]:
        line = int(test.index[i]) + 2  # the header is line 1
        times = score[i] / typical if typical > 0 else np.inf
        print(f"line {line}: {times:.1f} times the typical distance")
        worst = np.argsort(-np.abs(residual.to_numpy()[i]))[:2]
        for j in worst:
            name = test.columns[j]
            print(
                f"    {name}: recorded {show(test.iloc[i, j])}, "
                f"from the others one expects {show(rebuilt.iloc[i, j])}"
            )
    whole = model.set_params(output="code").reconstruct(table.frame)
    return table.frame.where(table.frame.notna(), whole)


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


def predict(table: Table, settings: Settings) -> None:
    """The target from raw columns and from codes."""
    labels = table.target
    heading(f"Predicting {labels.name}")
    is_number = pd.api.types.is_numeric_dtype(labels)
    whole = is_number and (labels.astype(float) % 1 == 0).all()
    if is_number and not (whole and labels.nunique() <= MOST_CLASSES):
        model, measure, stratify = Ridge(), "share of the variance explained", None
        labels = labels.astype(float)
    else:
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
        share = labels.value_counts(normalize=True).max()
        measure = f"share right; always the most frequent one: {share:.3f}"
        stratify = labels
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=stratify, random_state=0
    )
    scores = {}
    for name, pipeline in predictors(table, settings, model).items():
        pipeline.fit(table.frame.iloc[train], labels.iloc[train])
        scores[name] = pipeline.score(table.frame.iloc[test], labels.iloc[test])
    print()
    for name, score in scores.items():
        print(f"{name:14s}{score:8.3f}")
    print(f"({measure})")
    say(f"Here the better features are the {max(scores, key=scores.get)}.")


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
    table = usable(read_frame(path), target)
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
    filled = print_strange(table, train, test, settings)
    if table.target is not None:
        predict(table, settings)
    out.mkdir(parents=True, exist_ok=True)
    filled.to_csv(out / "filled.csv", index=False)
    print(f"\nYour table with its gaps filled: {out / 'filled.csv'}")
    picture = out / "demo.png"
    draw(picture, results, f"Filling hidden cells of {path.name}")
    return picture
