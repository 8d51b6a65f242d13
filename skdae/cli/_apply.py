"""Commands that put a table through a model: transform, reconstruct, impute, score."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from skdae._files import STDIN, Chunk, Format, TableError, open_chunks
from skdae.cli import _options as options
from skdae.cli._episodes import as_episodes
from skdae.cli._models import ESTIMATORS, Model, check_columns, load
from skdae.cli._notes import notes, prints_on_stderr, progress
from skdae.cli._order import TimesOfRows, rows_around, with_rows_around
from skdae.cli._outputs import (
    STDOUT,
    check_format,
    check_output,
    is_parquet_name,
    open_output,
)
from skdae.cli._scoring import score_in_words

CHUNK_ROWS = 10_000


@dataclass(frozen=True)
class Part:
    """Some rows of a table on their way through a model."""

    chunk: Chunk
    X: pd.DataFrame  # the columns of the model, in its order
    typed: bool  # whether the output knows types, as Parquet does
    around: pd.DataFrame  # X with the rows before and after that are read with it
    place: int  # of the first row of X there

    def made_by(self, make: Callable[[pd.DataFrame], Any]) -> Any:
        """Return what is made of X, which may read the rows around."""
        return make(self.around)[self.place : self.place + len(self.X)]


Result = Callable[[Model, Part], pd.DataFrame]


# --- what is written -----------------------------------------------------------------


def codes(model: Model, part: Part) -> pd.DataFrame:
    """The codes of the rows."""
    return _frame(
        model.estimator.transform(part.X), model.estimator.get_feature_names_out()
    )


def rebuilt(model: Model, part: Part) -> pd.DataFrame:
    """The columns of the model, denoised."""
    estimator = model.estimator
    is_denoiser = model.kind == "denoiser"
    denoise = estimator.transform if is_denoiser else estimator.reconstruct
    return _frame(denoise(part.X), model.names)


def filled(
    model: Model, part: Part, fill: Callable[[Any], Any], whole: frozenset[str]
) -> pd.DataFrame:
    """All columns of the table, the missing cells of the model's columns filled.

    The columns `whole` have nothing to be filled and are written as integers.
    """
    guess = _frame(part.made_by(fill), [*model.names])[model.names]
    columns: dict[str, pd.Series] = {}
    for name in part.chunk.names:
        exact = part.chunk.whole_numbers(name) if name in whole else None
        if exact is not None:
            columns[name] = exact
        elif name in guess:
            columns[name] = _filled_column(part, name, guess[name])
        else:
            columns[name] = part.chunk.written(name)
    return pd.DataFrame(columns)


def _filled_column(part: Part, name: str, guess: pd.Series) -> pd.Series:
    """Return a column whose missing cells are filled, the others as they are."""
    known = part.X[name]
    gaps = known.isna() & guess.notna()
    is_number = pd.api.types.is_numeric_dtype(known)
    if part.typed:
        cells = known.astype(object).mask(gaps, guess.astype(object))
        return cells.astype(np.float64) if is_number else cells
    cells = part.chunk.written(name)
    texts = guess[gaps].astype(object)
    if is_number:
        texts = texts.map(lambda number: part.chunk.spelled(number))
    return cells.astype(object).mask(gaps, texts)


def filler(model: Model) -> Callable[[Any], Any]:
    """Return what fills rows; where it draws, chunk after chunk goes on drawing."""
    if model.kind == "transformer":
        return model.estimator.reconstruct
    if not model.estimator.sample_posterior:
        return model.estimator.transform
    # `transform` would draw the same again for each chunk
    generator = np.random.default_rng(model.estimator._seed)
    return partial(model.estimator._filled, groups=None, generator=generator)


def whole_columns(model: Model, job: "Job") -> frozenset[str]:
    """Return the model's columns that hold whole numbers and no gap in all the table.

    Only an output with types asks for them, before its first row is written; standard
    input cannot be read beforehand.
    """
    if job.data == STDIN or not is_parquet_name(job.output):
        return frozenset()
    found = set(model.names)
    with open_chunks(job.data, job.chunk_rows, job.form) as table:
        for chunk in table:
            found = {each for each in found if chunk.whole_numbers(each) is not None}
            if not found:
                break
    return frozenset(found)


def alarms(model: Model, part: Part, top: int) -> pd.DataFrame:
    """Anomaly score, threshold, alarm, and the columns that add most to the score."""
    threshold = -model.estimator.offset_
    parts = part.made_by(model.estimator.contributions)
    scores = parts.sum(axis=1)  # `score_samples` would look for neighbours once more
    columns: dict[str, Any] = {
        "anomaly_score": scores,
        "threshold": np.full(len(scores), threshold),
        "alarm": (scores > threshold).astype(np.int64),
    }
    parts = np.maximum(parts, 0)
    total = parts.sum(axis=1)
    order = np.argsort(-parts, axis=1, kind="stable")
    names = np.array(model.names, dtype=object)
    for place in range(min(top, len(names))):
        chosen = order[:, place]
        size = parts[np.arange(len(parts)), chosen]
        named = pd.Series(names[chosen], dtype=object)
        columns[f"sensor_{place + 1}"] = named.where(size > 0, None)
        columns[f"share_{place + 1}"] = size / np.where(total > 0, total, 1)
    return pd.DataFrame(columns)


def predictions(model: Model, part: Part) -> pd.DataFrame:
    """Predictions, and of a classifier the probabilities of the classes."""
    predicted = model.estimator.predict(part.X)
    columns: dict[str, Any] = {"prediction": predicted}
    if model.kind == "classifier":
        shares = model.estimator.predict_proba(part.X)
        for place, name in enumerate(model.estimator.classes_):
            columns[f"probability_{name}"] = shares[:, place]
    return pd.DataFrame(columns)


def row_errors(model: Model, part: Part) -> pd.DataFrame:
    """The mean squared residual of each row, in robust standard deviations."""
    errors = -model.estimator.score_samples(part.X)
    return pd.DataFrame({"reconstruction_error": errors})


# what each command makes of each kind of model
RESULTS: dict[str, dict[str, Any]] = {
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


def _frame(values: Any, names: Iterable[str]) -> pd.DataFrame:
    """Return a table under names, its rows counted from 0."""
    if isinstance(values, pd.DataFrame):
        return values.reset_index(drop=True)
    return pd.DataFrame(values, columns=list(names))


# --- commands ------------------------------------------------------------------------


def transform(
    model: options.Model,
    data: options.Data,
    output: options.Output = "-",
    keep: options.Keep = False,
    chunk_rows: options.ChunkRows = CHUNK_ROWS,
    force: options.Force = False,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    missing: options.Missing = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write the codes of a table's rows, features for another model.

    For models of the kinds transformer, classifier and regressor.
    """
    form = options.make_format(delimiter, decimal, encoding, header, missing)
    job = Job(data, output, form, keep, chunk_rows, force, quiet)
    _run(model, "transform", job)


def reconstruct(
    model: options.Model,
    data: options.Data,
    output: options.Output = "-",
    keep: options.Keep = False,
    chunk_rows: options.ChunkRows = CHUNK_ROWS,
    force: options.Force = False,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    missing: options.Missing = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write the denoised table, missing cells filled, in the units of the table.

    For models of the kinds transformer and denoiser. To change missing cells only, see
    impute. A transformer removes the noise that it was fitted with: only gaps, unless
    --set "noise='gaussian'" said otherwise.
    """
    form = options.make_format(delimiter, decimal, encoding, header, missing)
    job = Job(data, output, form, keep, chunk_rows, force, quiet)
    _run(model, "reconstruct", job)


def impute(
    model: options.Model,
    data: options.Data,
    output: options.Output = "-",
    chunk_rows: options.ChunkRows = CHUNK_ROWS,
    force: options.Force = False,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    missing: options.Missing = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fill missing cells; other cells and other columns stay as they are written.

    For models of the kinds imputer and transformer. Numbers that are infinite count
    as missing.

    In Parquet a column of whole numbers stays one where it has no gap. With gaps it
    becomes one of floats, as what is filled in may be a fraction; so does every column
    of numbers of standard input, whose gaps are not known beforehand.
    """
    form = options.make_format(delimiter, decimal, encoding, header, missing)
    job = Job(data, output, form, True, chunk_rows, force, quiet)
    _run(model, "impute", job)


def score(
    model: options.Model,
    data: options.Data,
    output: options.Output = "-",
    top: Annotated[
        int,
        typer.Option(
            "--top",
            callback=options.must(lambda n: n >= 0, "be at least 0, such as 3"),
            help="Sensors that are named for each row.",
        ),
    ] = 3,
    events: Annotated[
        bool,
        typer.Option(
            "--events",
            help="Write episodes of alarms instead of rows (detector).",
        ),
    ] = False,
    keep: options.Keep = False,
    chunk_rows: options.ChunkRows = CHUNK_ROWS,
    force: options.Force = False,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    missing: options.Missing = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write what a model says of each row.

    Of a detector: the anomaly score (higher is more anomalous), the threshold, the
    alarm (1 where the score is above it), and the sensors that add most to the score
    with their shares; with --events one line per episode, consecutive rows with an
    alarm, and with --keep what the table says of its first and its last row, such as
    the time. Of a classifier or a regressor: predictions; where
    the table has the target, a note says how good they are. Of a transformer:
    the mean squared residual, in robust standard deviations.
    """
    form = options.make_format(delimiter, decimal, encoding, header, missing)
    job = Job(data, output, form, keep, chunk_rows, force, quiet, events)
    _run(model, "score", job, top)


# --- parts of a command --------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """What is read and written, and how."""

    data: str
    output: str
    form: Format
    keep: bool  # columns that the model does not know
    chunk_rows: int
    force: bool
    quiet: bool
    events: bool = False  # episodes of alarms instead of rows


def _run(path: str, command: str, job: Job, top: int = 0) -> None:
    """Put a table through a model, chunk by chunk."""
    check_format(job.output)
    check_output(job.output, job.force)
    model, said = load(path)
    notes(said, job.quiet)
    asked = job.form.missing
    form = replace(job.form, missing=asked | frozenset(model.missing))
    job = replace(job, form=form)
    result = _result(model, command)
    if job.events and model.kind != "detector":
        raise TableError(
            f"--events needs alarms, and a model of the kind {model.kind!r} has none; "
            "fit a detector, or omit --events."
        )
    with open_chunks(job.data, job.chunk_rows, job.form) as table:
        notes(table.notes, job.quiet)
        check_columns(model, table.names, table.label)
        result = _bound(result, model, job, top)
        is_scored = command == "score" and model.target in table.names
        labelled: list[tuple[np.ndarray, np.ndarray]] = []
        times = TimesOfRows.of(model.estimator, model.left_out, table.names)
        n_rows = 0
        to_file = job.output != STDOUT
        with (
            open_output(job.output, table.dialect, job.force) as output,
            (as_episodes if job.events else nullcontext)(output) as write,
            progress(command, job.quiet or not to_file) as say,
        ):
            for part in _parts(model, table, is_parquet_name(job.output)):
                chunk = part.chunk
                with prints_on_stderr():
                    found = result(model, part)
                times.see(chunk.written)
                if is_scored and "prediction" in found:
                    labels = _labels(model, chunk)
                    labelled.append((labels, found["prediction"].to_numpy()))
                write(_beside(model, chunk, found, command) if job.keep else found)
                n_rows += len(found)
                say(f"{command}: {n_rows:,} rows")
            if n_rows == 0:
                raise TableError(f"{table.label}: has no rows; give a table with some.")
        notes((*table.unused_markers(asked), *times.notes(table.label)), job.quiet)
    if labelled:
        notes(_scored(model, labelled), job.quiet)
    if to_file:
        what = "Episodes of alarms in " if job.events else ""
        notes((f"{what}{n_rows} rows written to {job.output}.",), job.quiet)


def _parts(model: Model, chunks: Iterable[Chunk], typed: bool) -> Iterator[Part]:
    """Yield the parts of a table, with the rows around that the model reads."""
    held: deque[tuple[Chunk, pd.DataFrame]] = deque()

    def tables() -> Iterator[pd.DataFrame]:
        for chunk in chunks:
            held.append((chunk, _model_columns(model, chunk)))
            yield held[-1][1]

    n_before, n_after = rows_around(model.estimator)
    if n_before or n_after:
        for around, place in with_rows_around(tables(), n_before, n_after):
            yield Part(*held.popleft(), typed, around, place)
        return
    for X in tables():
        yield Part(*held.popleft(), typed, X, 0)


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


def _scored(
    model: Model, labelled: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[str, ...]:
    """Return the note on the score of labelled rows, if they are enough."""
    labels, predicted = (np.concatenate(each) for each in zip(*labelled, strict=True))
    said = score_in_words(model.kind, labels, predicted)
    return (f"{said} with {model.target!r} in the table.",) if said else ()


def _result(model: Model, command: str) -> Callable[..., pd.DataFrame]:
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


def _bound(
    result: Callable[..., pd.DataFrame], model: Model, job: Job, top: int
) -> Result:
    """Return what is made of each part, which knows what it must of the whole."""
    if result is alarms:
        return partial(alarms, top=top)
    if result is filled:
        return partial(filled, fill=filler(model), whole=whole_columns(model, job))
    return result


def _model_columns(model: Model, chunk: Chunk) -> pd.DataFrame:
    """Return the columns of the model, in its order, as numbers and text."""
    columns = {
        column.name: chunk.numbers(column.name)
        if column.is_number
        else chunk.texts(column.name)
        for column in model.columns
    }
    return pd.DataFrame(columns)


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
