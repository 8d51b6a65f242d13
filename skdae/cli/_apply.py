"""Commands that put a table through a model: transform, reconstruct, impute, score."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd

from skdae._files import (
    STDIN,
    Chunk,
    Format,
    OpenTable,
    TableError,
    listed,
    open_chunks,
)
from skdae.cli._episodes import as_episodes
from skdae.cli._models import ESTIMATORS, Model, check_columns, load
from skdae.cli._notes import note, prints_on_stderr, progress
from skdae.cli._options import Csv, Data, Force
from skdae.cli._order import RowOrder, TimesOfRows, with_rows_around
from skdae.cli._outputs import (
    STDOUT,
    check_format,
    check_output,
    is_parquet_name,
    open_output,
)
from skdae.cli._scoring import score_in_words
from skdae.timeseries._around import rows_around

CHUNK_ROWS = 10_000
ALL_ROWS = 10**9  # of tables that are sorted
TRUTHS = {"True": True, "False": False}  # as a model reads them, and in Parquet


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is read and written, and how."""

    model: Annotated[str, "MODEL: A file made by skdae fit."]
    data: Data
    output: Annotated[
        str,
        "--output -o OUT: Where to write: .csv, .csv.gz, .parquet, or - for stdout.",
    ] = STDOUT
    chunk_rows: Annotated[
        int,
        "--chunk-rows: Rows in memory at a time; tables may be larger than memory.",
        (lambda n: n >= 1, "be at least 1, such as 10000"),
    ] = CHUNK_ROWS
    force: Force = False
    csv: Csv

    @property
    def keeps(self) -> bool:
        """Whether columns that the model does not know are written too."""
        return True

    @property
    def is_typed(self) -> bool:
        """Whether the output knows types, as Parquet does."""
        return is_parquet_name(self.output)


@dataclass(frozen=True, kw_only=True)
class KeepJob(Job):
    """A job that leaves out the columns that the model does not know, if not asked."""

    keep: Annotated[
        bool, "--keep: Write columns that the model does not know too, unchanged."
    ] = False

    @property
    def keeps(self) -> bool:
        """Whether columns that the model does not know are written too."""
        return self.keep


# --- commands ------------------------------------------------------------------------


def transform(job: KeepJob) -> None:
    """Write the codes of a table's rows, features for another model.

    For models of the kinds transformer, classifier and regressor.

    Examples
    --------
    skdae transform plant.model new.csv --output codes.parquet --keep
    cat new.csv | skdae transform plant.model - > codes.csv
    """
    _run("transform", job)


def reconstruct(job: KeepJob) -> None:
    """Write the denoised table, missing cells filled, in the units of the table.

    For models of the kinds transformer and denoiser. To change missing cells only, see
    impute. A transformer removes the noise that it was fitted with: only gaps, unless
    it was fitted with another one, such as --set "noise='gaussian'".

    Examples
    --------
    skdae reconstruct plant.model new.csv --output denoised.csv --keep
    """
    _run("reconstruct", job)


def impute(job: Job) -> None:
    """Fill missing cells; other cells and other columns stay as they are written.

    For models of the kinds imputer and transformer. Numbers that are infinite count
    as missing.

    In Parquet a column of whole numbers stays one where it has no gap. With gaps it
    becomes one of floats, as what is filled in may be a fraction; so does every column
    of numbers of standard input, whose gaps are not known beforehand.

    Examples
    --------
    skdae impute filler.model gaps.csv --output filled.csv
    skdae impute filler.model gaps.csv --missing -999 -o filled.csv
    """
    _run("impute", job)


def score(
    job: KeepJob,
    top: Annotated[
        int,
        "--top: Sensors that are named for each row.",
        (lambda n: n >= 0, "be at least 0, such as 3"),
    ] = 3,
    events: Annotated[
        bool, "--events: Write episodes of alarms instead of rows (detector)."
    ] = False,
) -> None:
    """Write the scores or predictions of a model for each row.

    Of a detector: the anomaly score (higher is more anomalous), the threshold, the
    alarm (1 where the score is above it), and the sensors that add most to the score
    with their shares. With --events, one line per episode, consecutive rows with an
    alarm, whose rows are counted from 1 without the header; --keep adds other columns
    of its first and its last row, such as the time. Of
    a classifier or a regressor: predictions; where the table has the target, a note
    reports how good they are. Of a transformer: the mean squared residual, in robust
    standard deviations.

    Examples
    --------
    skdae score alarm.model new.csv --keep --output scores.csv
    skdae score grade.model new.parquet --output grades.csv
    """
    _run("score", job, top, events)


# --- what is written -----------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Some rows of a table on their way through a model."""

    chunk: Chunk
    X: pd.DataFrame  # the columns of the model, in its order; of rows around it, too
    rows: slice  # those of the chunk in X

    def own(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the chunk from a table with the rows of X."""
        return frame.iloc[self.rows].reset_index(drop=True)


@dataclass(frozen=True)
class Task:
    """A model, and what it is to do."""

    model: Model
    job: Job
    form: Format
    top: int

    def frame(self, values: Any, names: Iterable[str] | None = None) -> pd.DataFrame:
        """Return what an estimator returns as a table, its rows counted from 0."""
        if isinstance(values, pd.DataFrame):
            return values.reset_index(drop=True)
        return pd.DataFrame(values, columns=list(names or self.model.names))


Result = Callable[[Part], pd.DataFrame]


def codes(task: Task) -> Result:
    """Return what writes the codes of rows."""
    estimator = task.model.estimator
    names = estimator.get_feature_names_out()
    return lambda part: task.frame(estimator.transform(part.X), names)


def rebuilt(task: Task) -> Result:
    """Return what writes the columns of the model, denoised."""
    estimator = task.model.estimator
    is_denoiser = task.model.kind == "denoiser"
    denoise = estimator.transform if is_denoiser else estimator.reconstruct
    if not is_denoiser:
        return lambda part: part.own(task.frame(denoise(part.X)))
    return lambda part: part.own(_in_order(task, part, denoise))


def filled(task: Task) -> Result:
    """Return what writes all columns, missing cells of the model's columns filled.

    Columns that have nothing to be filled are written as integers where they are.
    """
    fill, whole = _filler(task.model), _whole_columns(task)

    def column(part: Part, name: str, guess: pd.DataFrame) -> Any:
        exact = part.chunk.whole_numbers(name) if name in whole else None
        if exact is not None:
            return exact
        if name not in guess:
            return part.chunk.written(name)
        return _filled_column(task, part, name, guess[name])

    def result(part: Part) -> pd.DataFrame:
        guess = part.own(_in_order(task, part, fill)[task.model.names])
        names = part.chunk.names
        return pd.DataFrame({name: column(part, name, guess) for name in names})

    return result


def _in_order(
    task: Task, part: Part, change: Callable[[pd.DataFrame, Any], Any]
) -> pd.DataFrame:
    """Return changed rows, read in time order and by group where columns name them."""
    model, chunk = task.model, part.chunk
    if not model.is_sorted:
        return task.frame(change(part.X, None))

    def column(name: str) -> pd.Series:
        """Return the groups with NaN where they are missing, the times as written."""
        return chunk.texts(name) if name == model.groups else chunk.written(name)

    order = RowOrder.of(column, len(chunk), model.time, model.groups, chunk.label)
    X = part.X if model.time is None else order.sort(part.X)
    return order.unsort(task.frame(change(X, order.groups)))


def _filled_column(task: Task, part: Part, name: str, guess: pd.Series) -> pd.Series:
    """Return a column whose missing cells are filled, the others as they are."""
    known = part.own(part.X)[name]
    gaps = known.isna() & guess.notna()
    is_number = pd.api.types.is_numeric_dtype(known)
    if task.job.is_typed:
        cells = known.astype(object).mask(gaps, guess.astype(object))
        is_truth = pd.api.types.is_bool_dtype(part.chunk.written(name).dtype)
        if is_truth and cells.dropna().isin(list(TRUTHS)).all():
            return cells.map(TRUTHS).astype("boolean")
        return cells.astype(np.float64) if is_number else cells
    texts = guess[gaps].astype(object)
    if is_number:
        texts = texts.map(part.chunk.spelled)
    return part.chunk.written(name).astype(object).mask(gaps, texts)


def _filler(model: Model) -> Callable[[Any, Any], Any]:
    """Return what fills rows; where it draws, chunk after chunk goes on drawing."""
    estimator = model.estimator
    if model.kind == "transformer":
        return lambda X, groups: estimator.reconstruct(X)
    # `transform` would draw the same again for each chunk
    draws = estimator.sample_posterior
    generator = np.random.default_rng(estimator._seed) if draws else None
    return lambda X, groups: estimator._filled(X, groups, generator)


def _whole_columns(task: Task) -> set[str]:
    """Return the model's columns that hold whole numbers and no gap in all the table.

    Only an output with types asks for them, before its first row is written; standard
    input cannot be read beforehand.
    """
    job, found = task.job, set(task.model.names)
    if job.data == STDIN or not job.is_typed:
        return set()
    with open_chunks(job.data, job.chunk_rows, task.form) as table:
        for chunk in table:
            found = {each for each in found if chunk.whole_numbers(each) is not None}
            if not found:
                break
    return found


def alarms(task: Task) -> Result:
    """Return what writes scores, alarms, and the columns that add most to a score.

    Scores are smoothed as those of the detector are, from chunk to chunk.
    """
    detector, threshold = task.model.estimator, -task.model.estimator.offset_
    names, last = np.array(task.model.names, dtype=object), None

    def smoothed(scores: np.ndarray) -> np.ndarray:
        nonlocal last
        if detector.smoothing is None:
            return scores
        found = []
        for score in -scores:
            last = detector.smoothing.advance(score, last)
            found.append(-last[0])
        return np.array(found)

    def result(part: Part) -> pd.DataFrame:
        shares = detector.contributions(part.X)[part.rows]
        # `score_samples` would look for neighbours once more
        scores = smoothed(shares.sum(axis=1))
        shares = np.maximum(shares, 0)
        total = shares.sum(axis=1)
        columns: dict[str, Any] = {
            "anomaly_score": scores,
            "threshold": np.full(len(scores), threshold),
            "alarm": (scores > threshold).astype(np.int64),
        }
        order = np.argsort(-shares, axis=1, kind="stable")[:, : task.top]
        for place, chosen in enumerate(order.T, 1):
            size = shares[np.arange(len(shares)), chosen]
            named = pd.Series(names[chosen], dtype=object)
            columns[f"sensor_{place}"] = named.where(size > 0, None)
            columns[f"share_{place}"] = size / np.where(total > 0, total, 1)
        return pd.DataFrame(columns)

    return result


def predictions(task: Task) -> Result:
    """Return what writes predictions, and of a classifier probabilities of classes."""
    estimator = task.model.estimator

    def result(part: Part) -> pd.DataFrame:
        columns = {"prediction": estimator.predict(part.X)}
        if task.model.kind == "classifier":
            shares = estimator.predict_proba(part.X).T
            for name, share in zip(estimator.classes_, shares, strict=True):
                columns[f"probability_{name}"] = share
        return pd.DataFrame(columns)

    return result


def row_errors(task: Task) -> Result:
    """Return what writes the mean squared residual, in robust standard deviations."""
    score = task.model.estimator.score_samples
    return lambda part: pd.DataFrame({"reconstruction_error": -score(part.X)})


# what each command makes of each kind of model
RESULTS: dict[str, dict[str, Callable[[Task], Result]]] = {
    "transform": dict.fromkeys(("transformer", "classifier", "regressor"), codes),
    "reconstruct": dict.fromkeys(("transformer", "denoiser"), rebuilt),
    "impute": dict.fromkeys(("imputer", "transformer"), filled),
    "score": {
        "detector": alarms,
        "classifier": predictions,
        "regressor": predictions,
        "transformer": row_errors,
    },
}


# --- parts of a command --------------------------------------------------------------


def _run(command: str, job: Job, top: int = 0, events: bool = False) -> None:
    """Put a table through a model, chunk by chunk."""
    check_format(job.output)
    check_output(job.output, job.force)
    model = load(job.model)
    make, around = _result_of(model, command), rows_around(model.estimator)
    if events and make is not alarms:
        raise TableError(
            f"--events needs alarms, and a model of the kind {model.kind!r} has none; "
            "fit a detector, or omit --events."
        )
    asked = job.csv.form.missing
    form = replace(job.csv.form, missing=asked | frozenset(model.missing))
    to_file = job.output != STDOUT
    if model.is_sorted:
        around = 0, 0
    n_rows = ALL_ROWS if model.is_sorted else max(job.chunk_rows, *around)
    with open_chunks(job.data, n_rows, form) as table:
        note(*table.notes)
        check_columns(model, table.names, table.label)
        result = make(Task(model, job, form, top))
        summary = Summary.of(model, table, is_scored=make is predictions)
        with (
            open_output(job.output, table.dialect, job.force) as output,
            (as_episodes if events else nullcontext)(output) as write,
            progress(command, shown=to_file) as report,
        ):
            parts = (_part(model, chunk) for chunk in table)
            for part in with_rows_around(parts, *around):
                with prints_on_stderr():
                    found = result(part)
                summary.add(part, found)
                write(
                    _beside(model, part.chunk, found, command) if job.keeps else found
                )
                report(f"{command}: {summary.n_rows:,} rows")
            if summary.n_rows == 0:
                raise TableError(f"{table.label}: has no rows; give a table with some.")
        note(*table.unused_markers(asked), *summary.notes(table.label))
    if to_file:
        what = "Episodes of alarms in " if events else ""
        note(f"{what}{summary.n_rows} rows written to {job.output}.")


@dataclass
class Summary:
    """What notes report of a table once all of its rows went through a model."""

    model: Model
    times: TimesOfRows
    is_scored: bool  # whether predictions can be compared with the target
    empty: set[str]  # columns of the model without a value so far
    n_rows: int = 0
    labelled: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    @classmethod
    def of(cls, model: Model, table: OpenTable, *, is_scored: bool) -> "Summary":
        """Start before the first row; `is_scored` holds where the target is there."""
        times = TimesOfRows.of(
            model.estimator, model.left_out, table.names, model.time, model.groups
        )
        has_target = model.target in table.names
        return cls(model, times, is_scored and has_target, set(model.names))

    def add(self, part: Part, found: pd.DataFrame) -> None:
        """Take the next rows and what the model made of them."""
        self.times.see(part.chunk.written)
        self.empty = {name for name in self.empty if part.X[name].isna().all()}
        if self.is_scored:
            labels = _labels(self.model, part.chunk)
            self.labelled.append((labels, found["prediction"].to_numpy()))
        self.n_rows += len(found)

    def notes(self, label: str) -> Iterator[str]:
        """Yield the notes."""
        yield from self.times.notes(label)
        names = [name for name in self.model.names if name in self.empty]
        if names:
            yield (
                f"{label}: no value stands in the columns {listed(names)}, which the "
                "model was fitted on; all of their cells count as missing."
            )
        if self.labelled:
            labels, predicted = map(np.concatenate, zip(*self.labelled, strict=True))
            score = score_in_words(self.model.kind, labels, predicted)
            if score:
                yield f"{score} with {self.model.target!r} in the table."


def _result_of(model: Model, command: str) -> Callable[[Task], Result]:
    """Return what a command makes of a kind of model."""
    results = RESULTS[command]
    if model.kind not in results:
        able = [name for name, kinds in RESULTS.items() if model.kind in kinds]
        raise TableError(
            f"a model of the kind {model.kind!r} ({ESTIMATORS[model.kind]}) cannot "
            f"{command}; it can {' and '.join(able)}. Fit one of the kind "
            f"{' or '.join(results)}."
        )
    return results[model.kind]


def _part(model: Model, chunk: Chunk) -> Part:
    """Return some rows with the columns of the model, as numbers and text."""
    columns = {
        column.name: chunk.numbers(column.name)
        if column.is_number
        else chunk.texts(column.name)
        for column in model.columns
    }
    return Part(chunk, pd.DataFrame(columns), slice(0, len(chunk)))


def _labels(model: Model, chunk: Chunk) -> np.ndarray:
    """Return the target of a table that has it."""
    target = str(model.target)
    classes = getattr(model.estimator, "classes_", np.zeros(0))
    if classes.dtype.kind in "OUS":
        return chunk.texts(target).to_numpy(dtype=object)
    numbers = chunk.numbers(target).to_numpy()
    if model.kind == "regressor":
        return numbers
    known = ~np.isnan(numbers)
    labels = np.full(len(numbers), np.nan, dtype=object)
    labels[known] = numbers[known].astype(classes.dtype).tolist()
    return labels


def _beside(
    model: Model, chunk: Chunk, found: pd.DataFrame, command: str
) -> pd.DataFrame:
    """Return results with the columns that the model does not know.

    Columns that the results replace stand where they stood; others come after.
    """
    known = set(model.names)
    columns: dict[str, pd.Series] = {}
    for name in chunk.names:
        if name in found and (name in known or command == "impute"):
            columns[name] = found[name]
        elif name in found:
            raise TableError(
                f"{chunk.label}: the column {name!r} has the name of a result of "
                f"{command}; rename it, or omit --keep."
            )
        elif name not in known:
            columns[name] = chunk.written(name)
    columns |= {name: found[name] for name in found if name not in columns}
    return pd.DataFrame(columns)
