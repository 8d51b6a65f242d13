"""The command that makes a model of a table."""

import ast
import re
from enum import Enum
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from skdae._column_types import MAX_CATEGORIES, is_numeric, split_columns
from skdae._files import TableError, check_target, close_names, listed, read_sheet
from skdae._transformer._callbacks import observed_by
from skdae._transformer._defaults import default_transformer
from skdae.cli._models import (
    ESTIMATORS,
    LEFT_OUT,
    Column,
    Model,
    in_words,
    save,
)
from skdae.cli._notes import is_quiet, note, prints_on_stderr
from skdae.cli._options import (
    Csv,
    Data,
    Drop,
    Force,
    Groups,
    Seed,
    Target,
    Time,
    Use,
    as_typed,
    check_columns,
)
from skdae.cli._order import RowOrder, TimesOfRows
from skdae.cli._outputs import STDOUT, check_output
from skdae.cli._progress import EpochBar
from skdae.cli._scoring import MIN_ROWS as MIN_SCORED
from skdae.cli._scoring import score_in_words

MIN_ROWS = 20
WORD = re.compile(r"[A-Za-z_][\w-]*")
INNER = "transformer__"
CATEGORICAL = "categorical_features"
Kind = Enum("Kind", {name: name for name in ESTIMATORS}, type=str)  # type: ignore[misc]
SUPERVISED = ("classifier", "regressor")
ORDERED = ("imputer", "denoiser")  # take groups, and read rows in time order


def fit(
    data: Data,
    output: Annotated[str, "--output -o MODEL: The model file."],
    kind: Annotated[
        Kind,
        "--kind -k KIND: transformer: codes, denoising. detector: anomalies. imputer: "
        "missing cells. denoiser: measurement errors. classifier, regressor: predict "
        "--target.",
    ] = Kind.transformer,  # type: ignore[attr-defined]
    target: Target = None,
    drop: Drop = None,
    use: Use = None,
    time: Time = None,
    groups: Groups = None,
    settings: Annotated[
        list[str] | None,
        "--set NAME=VALUE: A parameter of the estimator, a Python literal; may be "
        "repeated.",
    ] = None,
    seed: Seed = 0,
    force: Force = False,
    *,
    csv: Csv,
) -> None:
    """Learn a model from a table, and write it to a file.

    Columns of numbers are learned from as they are, columns of text as categories. What
    --missing names counts as missing in the tables that the model is given later, too.

    Left out, with a note, are columns that are empty, hold dates, count or name the
    rows, or have more than 100 different texts. Where the target is missing, a
    classifier or a regressor learns from the row without it.

    A classifier and a regressor are fitted twice: first without a fifth of the rows,
    whose score is a note (not with --quiet), then on all rows. It is the last fifth
    where rows are in time order, else one drawn at random.

    With --time and --groups, tables are read whole, sorted, filled or denoised from the
    rows around of the same group, at their distance in time, and written in their own
    order.

    skdae.load(FILE) returns the estimator of a model file. Reading one runs no code.

    Examples
    --------
    skdae fit plant.csv --output plant.model --drop time
    skdae fit plant.csv -o alarm.model --kind detector --set false_alarm_rate=0.001
    skdae fit fleet.csv -o filler.model --kind imputer --time hour --groups truck
    skdae fit lab.csv -o grade.model --kind classifier --target grade
        --set transformer__hidden_layer_sizes=(64,16)
    """
    chosen: str = kind.value
    named = {
        "--target": target,
        "--drop": drop,
        "--use": use,
        "--time": time,
        "--groups": groups,
    }
    _check_request(chosen, output, named)
    check_output(output, force)
    given = parse_settings(settings or [])
    if time is not None:
        given = {"order": "time", **given}
    sheet = read_sheet(data, form=csv.form, least_rows=MIN_ROWS)
    note(*sheet.notes)
    check_columns(named, sheet.frame.columns)
    y = None
    if target is not None:
        labels = check_target(sheet.frame, target)
        y = _labels(labels, chosen) if chosen in SUPERVISED else None
    roles: dict[str | None, str] = {
        **dict.fromkeys(drop or [], "dropped"),
        target: "the target",
        time: "the time of the rows",
        groups: "the group of the rows",
    }
    left_out = _left_out(sheet.frame, roles, use or [])
    X = sheet.frame.drop(columns=list(left_out))
    _check_columns(X, left_out, data)
    columns = tuple(Column.of(name, values) for name, values in X.items())
    texts = [column.name for column in columns if not column.is_number]
    estimator = make_estimator(chosen, given, len(X), texts, seed, y)
    order = RowOrder.of(sheet.frame.__getitem__, len(X), time, groups, data)
    grouped = {} if groups is None else {"groups": order.groups}
    in_order = X if time is None else order.sort(X)
    seconds = _fit(estimator, in_order, y, chosen, seed, grouped)
    times = TimesOfRows.of(estimator, left_out, sheet.frame.columns, time, groups)
    times.see(lambda name: sheet.frame[name])
    note(*times.notes(data))
    model = Model(
        kind=chosen,
        estimator=estimator,
        columns=columns,
        n_rows=len(X),
        left_out=left_out,
        target=target,
        missing=tuple(sorted(csv.form.missing)),
        time=time,
        groups=groups,
    )
    save(model, output, force=force)
    done = f"{ESTIMATORS[chosen]} fitted on {len(X)} rows and {len(columns)} columns"
    note(f"{done} in {seconds:.1f} s, written to {output}.")


def _check_request(kind: str, output: str, named: dict[str, Any]) -> None:
    """Refuse options that do not belong to the kind of the model."""
    if kind in SUPERVISED and named["--target"] is None:
        raise typer.BadParameter(
            f"a {kind} predicts a column; name it.", param_hint="--target"
        )
    for option in ("--time", "--groups"):
        if named[option] is not None and kind not in ORDERED:
            raise typer.BadParameter(
                f"a {kind} takes none; omit it, or fit one of the kind "
                f"{' or '.join(ORDERED)}.",
                param_hint=option,
            )
    if output == STDOUT:
        raise typer.BadParameter("a model goes to a file.", param_hint="--output")


def _fit(
    estimator: Any,
    X: pd.DataFrame,
    y: np.ndarray | None,
    kind: str,
    seed: int,
    grouped: dict[str, Any],
) -> float:
    """Fit an estimator, note a score on rows held out, and return the seconds."""
    score = ""
    bar = EpochBar(f"fitting on {len(X)} rows")
    with bar, prints_on_stderr(), observed_by(bar.listen):
        if y is not None and not is_quiet():
            score = _held_out_score(estimator, X, y, kind, seed)
        begin = perf_counter()
        estimator.fit(X, y, **grouped)
        seconds = perf_counter() - begin
    note(*([score] if score else []))
    return seconds


def _held_out_score(
    estimator: Any, X: pd.DataFrame, y: np.ndarray, kind: str, seed: int
) -> str:
    """Return the score on a fifth of the rows that the estimator is fitted without.

    The last ones where rows are in time order, whose neighbours are alike.
    """
    from sklearn.base import clone

    known = np.flatnonzero(~pd.isna(y))
    n_held_out = len(known) // 5
    if n_held_out < MIN_SCORED:
        return f"{len(known)} labelled rows are too few to hold some out for a score."
    is_last = _are_last_rows_apart(X, y[known[:-n_held_out]], kind)
    held_out = known[-n_held_out:] if is_last else _drawn(known, y, kind, seed)
    rest = np.setdiff1d(np.arange(len(X)), held_out)
    trial = clone(estimator).fit(X.iloc[rest].reset_index(drop=True), y[rest])
    predicted = trial.predict(X.iloc[held_out].reset_index(drop=True))
    score = score_in_words(kind, y[held_out], np.asarray(predicted))
    which = ", the last ones, as rows are in time order" if is_last else ""
    return f"held out: {score}, fitted without them{which}."


def _are_last_rows_apart(X: pd.DataFrame, others: np.ndarray, kind: str) -> bool:
    """Return whether rows are in time order, and the others have all that is fitted."""
    from skdae.timeseries import time_order

    if kind == "classifier" and len(pd.unique(others)) < 2:
        return False
    numbers = X.select_dtypes("number")
    return numbers.shape[1] > 0 and time_order(numbers).is_ordered


def _drawn(known: np.ndarray, y: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Draw a fifth of the rows with a label, of all classes where there are enough."""
    from sklearn.model_selection import train_test_split

    n_held_out = len(known) // 5
    counts = pd.Series(y[known]).value_counts()
    strata = None
    if kind == "classifier" and counts.min() >= 2 and n_held_out >= len(counts):
        strata = y[known].astype(str)
    _, drawn = train_test_split(
        known, test_size=n_held_out, random_state=seed, stratify=strata
    )
    return drawn


# --- columns -------------------------------------------------------------------------


def _left_out(
    table: pd.DataFrame, roles: dict[str | None, str], use: list[str]
) -> dict[str, str]:
    """Return the columns that are not learned from, and why.

    `roles` are those of columns that the user has named.
    """
    reasons = {name: role for name, role in roles.items() if name is not None}
    with as_typed({"^use=": "--use "}):
        kinds = split_columns(table, use)
    for name, values in table.items():
        kind = kinds.kind_of(str(name))
        if kind in LEFT_OUT and name not in use:
            reasons.setdefault(str(name), LEFT_OUT[kind])
        n_different = 0 if is_numeric(values) else values.nunique()
        if kind == "text" and n_different > MAX_CATEGORIES and name not in use:
            reasons.setdefault(str(name), f"{n_different} different texts")
    unasked = {n: r for n, r in reasons.items() if n not in roles}
    if unasked:
        note(f"left out: {in_words(unasked)}. --use takes one in.")
    return {str(name): reasons[name] for name in table.columns if name in reasons}


def _check_columns(X: pd.DataFrame, left_out: dict[str, str], data: str) -> None:
    """Refuse a table without a column that varies."""
    if X.shape[1] == 0:
        raise TableError(
            f"{data}: no column is left to learn from ({in_words(left_out)}); add "
            "columns of numbers, or name some with --use."
        )
    if X.nunique().max() <= 1:
        raise TableError(
            f"{data}: at least one column to learn from must vary, and in "
            f"{listed(X.columns)} all values are the same; add columns that vary."
        )


def _labels(values: pd.Series, kind: str) -> np.ndarray:
    """Return the targets, NaN where they are missing."""
    known = values.dropna()
    if kind == "regressor":
        if not is_numeric(values):
            raise TableError(
                f"The target {values.name!r} holds text ({known.iloc[0]!r}) and a "
                "regressor predicts numbers; use --kind classifier."
            )
        return values.to_numpy(dtype=np.float64)
    if is_numeric(values):
        whole = (known.to_numpy(dtype=np.float64) % 1 == 0).all()
        if not whole or known.nunique() > MAX_CATEGORIES:
            raise TableError(
                f"The target {values.name!r} has {known.nunique()} different numbers, "
                "a quantity and not classes; use --kind regressor."
            )
        labels = np.full(len(values), np.nan, dtype=object)
        labels[values.notna().to_numpy()] = known.astype(np.int64).tolist()
        return labels if values.isna().any() else labels.astype(np.int64)
    return values.astype(object).to_numpy()


# --- estimators ----------------------------------------------------------------------


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Return the parameters that ``NAME=VALUE`` name; a bare word is a text."""
    found = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not name:
            raise TableError(
                f"--set {setting!r} must be NAME=VALUE, such as max_iter=50."
            )
        try:
            found[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            if not WORD.fullmatch(text):
                raise TableError(
                    f"--set {setting!r}: {text!r} is no Python literal; write a "
                    "number, a word, True, None, (64, 16) or ['a', 'b']."
                ) from None
            found[name] = text
    return found


def make_estimator(
    kind: str,
    given: dict[str, Any],
    n_rows: int,
    texts: list[str],
    seed: int,
    y: np.ndarray | None,
) -> Any:
    """Return the estimator of a kind, with parameters and categories set.

    Columns of text are its categories, unless the parameters name others.
    """
    import skdae

    estimator = getattr(skdae, ESTIMATORS[kind])(random_state=seed)
    prefix = "" if kind == "transformer" else INNER
    inside = any(name.startswith(INNER) for name in given)
    if prefix and (texts or inside):
        estimator.set_params(transformer=default_transformer(kind, n_rows))
    _check_settings(estimator, kind, given)
    if texts:
        given = {prefix + CATEGORICAL: texts, **given}
    if y is not None and pd.isna(y).any():
        given = {"unlabeled": np.nan, **given}
    estimator.set_params(**given)
    if hasattr(estimator, "set_output"):
        estimator.set_output(transform="pandas")
    return estimator


def _check_settings(estimator: Any, kind: str, given: dict[str, Any]) -> None:
    """Refuse parameters that an estimator does not have."""
    from skdae import GradualDAETransformer

    known = set(estimator.get_params(deep=True))
    if kind != "transformer":
        known |= {INNER + name for name in GradualDAETransformer().get_params()}
    for name in given:
        if name in known:
            continue
        if INNER + name in known:
            near = f"did you mean {INNER + name!r}?"
        else:
            near = close_names(name, sorted(known))
        raise TableError(f"--set: {ESTIMATORS[kind]} has no parameter {name!r}; {near}")
