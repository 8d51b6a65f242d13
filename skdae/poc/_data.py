"""The table of a proof of concept: the part that is used, and findings about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import LabelEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdae._column_types import (
    MAX_CATEGORIES,
    MAX_INTEGER_CLASSES,
    is_numeric,
    split_columns,
)
from skdae._files import close_names, parse_times
from skdae.timeseries import time_order

#: Kinds of columns that are not used.
LEFT_OUT = ("empty", "constant", "date_time", "id_like")
TASKS = ("classification", "regression", "anomaly")
MIN_ROWS = 50
MIN_PER_CLASS = 10
LEAK_SCORE = 0.98  # held-out score of one column alone that suggests a leak
LEAK_ROWS = 2_000  # rows on which single columns are tried


@dataclass(frozen=True)
class Finding:
    """Something about the table that its owner should know."""

    code: str
    columns: tuple[str, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """The rows and columns that are used, in time order where there is one."""

    X: pd.DataFrame  # numeric columns as float, the others as text or missing
    numeric: tuple[str, ...]
    task: str | None
    y: np.ndarray | None  # classes as whole numbers, or float; anomalies are 1
    classes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    in_time: bool = False  # times were given, and the rows are sorted by them
    in_order: bool = False  # neighbouring rows follow each other in time
    places: np.ndarray | None = None  # of a row in its group, in the whole table
    target: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def categorical(self) -> tuple[str, ...]:
        """The columns of text."""
        return tuple(c for c in self.X.columns if c not in self.numeric)

    @property
    def known(self) -> np.ndarray:
        """Which rows have a target, (n_rows,)."""
        if self.y is None:
            return np.zeros(len(self.X), dtype=bool)
        return ~np.isnan(self.y)

    @property
    def runs(self) -> np.ndarray:
        """Return for each row the run of consecutive rows it belongs to, (n_rows,)."""
        n_rows = len(self.X)
        groups = np.zeros(n_rows, dtype=int) if self.groups is None else self.groups
        places = np.arange(n_rows) if self.places is None else self.places
        order = np.lexsort((places, groups))
        breaks = (np.diff(groups[order]) != 0) | (np.diff(places[order]) != 1)
        runs = np.empty(n_rows, dtype=int)
        runs[order] = np.concatenate([[0], np.cumsum(breaks)])
        return runs

    @property
    def strata(self) -> np.ndarray:
        """The classes as whole numbers, -1 where they are not known, (n_rows,)."""
        every = np.arange(len(self.X))
        return np.nan_to_num(self.target_of(every), nan=-1).astype(int)

    @property
    def class_counts(self) -> np.ndarray:
        """How many rows of each class are known, (n_classes,)."""
        return np.bincount(self.target_of(self.known).astype(int))

    def target_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the target of some rows."""
        if self.y is None:
            raise ValueError("the table has no target; this is a bug in skdae.poc.")
        return self.y[rows]

    def take(self, rows: np.ndarray) -> "Data":
        """Return some of the rows, in the order given."""
        return replace(
            self,
            X=self.X.iloc[rows].reset_index(drop=True),
            y=None if self.y is None else self.y[rows],
            groups=None if self.groups is None else self.groups[rows],
            places=None if self.places is None else self.places[rows],
        )


def prepare(
    X: Any,
    y: Any = None,
    *,
    task: str = "auto",
    time: Any = None,
    groups: Any = None,
    use: Sequence[str] = (),
) -> Data:
    """Return the usable part of a table, with findings about the rest.

    `y`, `time` and `groups` are arrays with one entry per row, or names of columns.
    Columns named in `use` are used although they seem to count the rows, to be dates
    in numbers or to have too many categories.
    """
    table = _as_frame(X)
    y_given, time_given, groups_given = y, time, groups
    target_name, y = _column(table, y, "y")
    _, time = _column(table, time, "time")
    _, groups = _column(table, groups, "groups")
    taken = [v for v in (y_given, time_given, groups_given) if isinstance(v, str)]
    table = table.drop(columns=list(set(taken)))
    if len(table) < MIN_ROWS:
        raise ValueError(
            f"X has {len(table)} rows and a proof of concept needs at least "
            f"{MIN_ROWS}: fewer cannot show a difference; add rows."
        )
    findings: list[Finding] = []
    if time is not None:
        order = _time_order(time)
        table = table.iloc[order].reset_index(drop=True)
        y = None if y is None else y[order]
        groups = None if groups is None else groups[order]
    columns, numeric = _usable(table, use, findings)
    if not numeric:
        raise ValueError(
            f"X has no numeric column that varies (columns: {list(table.columns)[:10]}"
            "); a proof of concept measures how well numbers are rebuilt: add sensors, "
            "or check the delimiter and the decimal sign of the file."
        )
    task_found, y, classes = _target(y, task, target_name)
    if groups is not None:
        groups = pd.factorize(groups, use_na_sentinel=False)[0]
        n_groups = groups.max() + 1
        if n_groups < 3:
            raise ValueError(
                "groups must have at least 3 different values, so that whole ones can "
                f"be held out, and has {n_groups}; name other groups, or none."
            )
    data = Data(
        columns,
        tuple(numeric),
        task_found,
        y,
        classes,
        groups,
        in_time=time is not None,
        places=_places(groups, len(columns)),
        target=target_name,
    )
    numbers = columns[numeric].to_numpy(dtype=float)
    is_ordered = data.in_time or time_order(numbers, groups).is_ordered
    data = replace(data, in_order=is_ordered)
    findings += leaks(data)
    return replace(data, findings=tuple(findings))


def _places(groups: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return the place of each row in its group."""
    if groups is None:
        return np.arange(n_rows)
    return pd.Series(groups).groupby(groups).cumcount().to_numpy()


# --- columns --------------------------------------------------------------------------


def _as_frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        table = X.copy(deep=False)
    elif hasattr(X, "to_pandas"):
        table = X.to_pandas()
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(
                f"X has {array.ndim} dimension(s) and must have 2, rows and columns; "
                "pass a DataFrame or a 2-D array."
            )
        table = pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
        table = table.infer_objects()
    table.columns = [str(name) for name in table.columns]
    if not table.columns.is_unique:
        twice = sorted(set(table.columns[table.columns.duplicated()]))
        raise ValueError(
            f"X has columns of the same name: {twice[:5]}; rename them, so that each "
            "result has its own name."
        )
    return table.reset_index(drop=True)


def _column(
    table: pd.DataFrame, value: Any, parameter: str
) -> tuple[str | None, np.ndarray | None]:
    """Return the name and the values."""
    if value is None:
        return None, None
    if isinstance(value, str):
        if value not in table.columns:
            raise ValueError(
                f"{parameter}={value!r} must be a column of the table; "
                f"{close_names(value, table.columns)}"
            )
        return value, table[value].to_numpy()
    array = np.asarray(value)
    if array.shape != (len(table),):
        raise ValueError(
            f"{parameter} has the shape {array.shape} and must have one entry per row "
            f"of X ({len(table)}); pass them in the order of the rows."
        )
    name = getattr(value, "name", None)
    return None if name is None else str(name), array


def _time_order(time: np.ndarray) -> np.ndarray:
    """Return the rows in time order; equal times stay in the order they have."""
    return np.argsort(parse_times(time).to_numpy(), kind="stable")


def _usable(
    table: pd.DataFrame, use: Sequence[str], findings: list[Finding]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that are used, and which of them are numeric."""
    unknown = [name for name in use if name not in table.columns]
    if unknown:
        raise ValueError(
            f"use={unknown[0]!r} must be a column of the table that has no other role; "
            f"{close_names(unknown[0], table.columns)}"
        )
    kinds = split_columns(table, use)
    unused = [c for c in kinds.text if c not in use]
    many = [c for c in unused if table[c].nunique() > MAX_CATEGORIES]
    left_out = {name: list(getattr(kinds, name)) for name in LEFT_OUT}
    left_out["many_categories"] = many
    infinite = [c for c in kinds.numeric if np.isinf(table[c].astype(float)).any()]
    for code, names in (*left_out.items(), ("infinite", infinite)):
        if names:
            findings.append(Finding(code, tuple(names)))
    used = [c for c in table.columns if c in (*kinds.numeric, *kinds.text)]
    columns = {}
    for name in used:
        if name in kinds.numeric:
            columns[name] = table[name].astype(float).replace([np.inf, -np.inf], np.nan)
        elif name not in many:
            known = table[name].notna()
            columns[name] = table[name].astype(str).astype(object).where(known, None)
    return pd.DataFrame(columns), list(kinds.numeric)


# --- the target -----------------------------------------------------------------------


def _target(
    y: np.ndarray | None, task: str, name: str | None
) -> tuple[str | None, np.ndarray | None, tuple[str, ...]]:
    """Return the task, the target as numbers with NaN where unknown, and classes."""
    if task not in ("auto", *TASKS):
        raise ValueError(
            f"task={task!r} must be 'auto' or one of {list(TASKS)}; choose one."
        )
    if y is None:
        if task != "auto":
            raise ValueError(
                f"task={task!r} needs a target and there is none; name its column, or "
                "set task='auto' to run without one."
            )
        return None, None, ()
    called = "y" if name is None else f"the target {name!r}"
    series = pd.Series(y)
    known = series.notna().to_numpy()
    if not known.any():
        raise ValueError(f"{called} has no value at all; choose another column.")
    values = series[known]
    if values.nunique() == 1:
        raise ValueError(
            f"{called} has one value only ({values.tolist()[0]!r}) and must have at "
            "least two; choose another column, or omit the target."
        )
    is_number = is_numeric(series)
    if task == "auto":
        whole = is_number and (values == np.round(values)).all()
        few = values.nunique() <= MAX_INTEGER_CLASSES
        task = "classification" if not is_number or (whole and few) else "regression"
    if task == "regression":
        if not is_number:
            raise ValueError(
                f"{called} holds text such as {values.iloc[0]!r} and task='regression' "
                "needs numbers; set task='classification' or mend the column."
            )
        return task, series.to_numpy(dtype=float, na_value=np.nan), ()
    encoder = LabelEncoder().fit(values.astype(str) if not is_number else values)
    codes = np.full(len(series), np.nan)
    codes[known] = encoder.transform(values.astype(str) if not is_number else values)
    classes = tuple(str(c) for c in encoder.classes_)
    if task == "anomaly":
        is_anomaly, normal_first = _anomalies(codes, classes, called)
        return task, is_anomaly, classes if normal_first else classes[::-1]
    counts = np.bincount(codes[known].astype(int))
    if counts.min() < MIN_PER_CLASS:
        raise ValueError(
            f"{called} has {_counted_rows(counts.min())} of "
            f"{classes[counts.argmin()]!r} and needs at least {MIN_PER_CLASS} of "
            "each class, so that every split has some; merge rare classes, or set "
            "task='regression' for quantities."
        )
    return task, codes, classes


def _counted_rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _anomalies(
    codes: np.ndarray, classes: Sequence[str], called: str
) -> tuple[np.ndarray, bool]:
    """Return 1 for anomalies, the rarer of two classes, and whether that is the second.

    Of 0 and 1, or False and True, it always is the second.
    """
    normal_first = True
    if len(classes) != 2:
        raise ValueError(
            f"{called} has {len(classes)} values and task='anomaly' needs two, normal "
            "and anomaly; map them to 0 and 1."
        )
    if classes not in (("0", "1"), ("0.0", "1.0"), ("False", "True")):
        counts = np.bincount(codes[~np.isnan(codes)].astype(int))
        if counts[1] > counts[0]:
            codes, normal_first = 1 - codes, False
    n_anomalies = int(np.nansum(codes))
    if n_anomalies < MIN_PER_CLASS:
        raise ValueError(
            f"{called} has {n_anomalies} anomalies and needs at least "
            f"{MIN_PER_CLASS} to be scored by; label more, or omit the target."
        )
    return codes, normal_first


# --- what would make the results optimistic -------------------------------------------


def leaks(data: Data) -> list[Finding]:
    """Return what makes results better than they will be in use."""
    findings = []
    if data.in_order and data.groups is None and not data.in_time:
        findings.append(Finding("rows_in_order"))
    repeated = int(data.X.duplicated().sum())
    if repeated:
        share = repeated / len(data.X)
        findings.append(
            Finding("duplicate_rows", numbers={"rows": repeated, "share": share})
        )
    if data.y is None:
        return findings
    leaking = _leaking_columns(data)
    if leaking:
        findings.append(
            Finding(
                "leaking_column", tuple(leaking), {"scores": list(leaking.values())}
            )
        )
    missing = int((~data.known).sum())
    if missing:
        findings.append(Finding("unlabelled_rows", numbers={"rows": missing}))
    return findings


def _leaking_columns(data: Data) -> dict[str, float]:
    """Return columns that predict the target alone, by a small tree, with its score."""
    rows = np.flatnonzero(data.known)
    rows = np.random.default_rng(0).permutation(rows)[:LEAK_ROWS]
    X, y = data.X.iloc[rows], data.target_of(rows)
    regression = data.task == "regression"
    if not regression and np.bincount(y.astype(int)).min() < 3:
        return {}
    tree: Any = (
        DecisionTreeRegressor(max_depth=6, min_samples_leaf=3, random_state=0)
        if regression
        else DecisionTreeClassifier(
            max_depth=4, class_weight="balanced", random_state=0
        )
    )
    scoring = "r2" if regression else "balanced_accuracy"
    found = {}
    for name in X.columns:
        column = X[name]
        if name not in data.numeric:
            column = pd.Series(pd.factorize(column)[0], dtype=float)
        values = column.fillna(column.median()).to_numpy().reshape(-1, 1)
        score = float(cross_val_score(tree, values, y, scoring=scoring, cv=3).mean())
        if score >= LEAK_SCORE:
            found[name] = score
    return found
