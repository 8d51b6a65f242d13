"""The table of a proof of concept: the part that is used, and findings about it."""

from collections.abc import Iterator, Sequence
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
from skdae._files._errors import counted
from skdae._grading import grade
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
    sensors: tuple[dict[str, Any], ...] = ()  # columns with defects, as graded
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
    def strata(self) -> np.ndarray | None:
        """Classes as whole numbers, -1 where unknown, (n_rows,); None without any."""
        if self.y is None or self.task == "regression":
            return None
        return np.nan_to_num(self.y, nan=-1).astype(int)

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
    named = {"y": y, "time": time, "groups": groups}
    columns = [_column(table, value, name) for name, value in named.items()]
    table = table.drop(columns=[v for v in named.values() if isinstance(v, str)])
    if len(table) < MIN_ROWS:
        raise ValueError(
            f"X has {len(table)} rows and a proof of concept needs at least "
            f"{MIN_ROWS}: fewer cannot show a difference; add rows."
        )
    (target, y), (_, time), (_, groups) = columns
    if time is not None:  # equal times stay in the order they have
        order = np.argsort(parse_times(time).to_numpy(), kind="stable")
        table = table.iloc[order].reset_index(drop=True)
        y, groups = (v if v is None else v[order] for v in (y, groups))
    used, numeric, findings = _usable(table, use)
    if groups is not None:
        groups = _whole_groups(groups)
    places = pd.Series(np.zeros(len(used)) if groups is None else groups)
    data = Data(
        used,
        numeric,
        *_target(y, task, target),
        groups,
        in_time=time is not None,
        places=places.groupby(places).cumcount().to_numpy(),
        target=target,
        sensors=_defective(used),
    )
    numbers = used[list(numeric)].to_numpy(dtype=float)
    is_ordered = data.in_time or time_order(numbers, groups).is_ordered
    data = replace(data, in_order=is_ordered)
    return replace(data, findings=(*findings, *leaks(data)))


def _whole_groups(groups: np.ndarray) -> np.ndarray:
    """Return groups as whole numbers."""
    codes, names = pd.factorize(groups, use_na_sentinel=False)
    if len(names) < 3:
        raise ValueError(
            "groups must have at least 3 different values, so that whole ones can "
            f"be held out, and has {len(names)}; name other groups, or none."
        )
    return codes


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
        names = [f"x{j}" for j in range(array.shape[1])]
        table = pd.DataFrame(array, columns=names).infer_objects()
    table.columns = table.columns.map(str)
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


def _usable(
    table: pd.DataFrame, use: Sequence[str]
) -> tuple[pd.DataFrame, tuple[str, ...], list[Finding]]:
    """Return the columns that are used, which of them are numeric, and findings."""
    for name in use:
        if name not in table.columns:
            raise ValueError(
                f"use={name!r} must be a column of the table that has no other role; "
                f"{close_names(name, table.columns)}"
            )
    kinds = split_columns(table, use)
    numbers = table[list(kinds.numeric)].astype(float)
    if numbers.empty:
        raise ValueError(
            f"X has no numeric column that varies (columns: {list(table.columns)[:10]}"
            "); a proof of concept measures how well numbers are rebuilt: add sensors, "
            "or check the delimiter and the decimal sign of the file."
        )
    unused = [c for c in kinds.text if c not in use]
    many = [c for c in unused if table[c].nunique() > MAX_CATEGORIES]
    text = table[[c for c in kinds.text if c not in many]]
    text = text.astype(str).astype(object).where(text.notna(), None)
    found = {code: list(getattr(kinds, code)) for code in LEFT_OUT}
    found["many_categories"] = many
    found["infinite"] = list(numbers.columns[np.isinf(numbers).any()])
    findings = [Finding(code, tuple(names)) for code, names in found.items() if names]
    columns = pd.concat([numbers.replace([np.inf, -np.inf], np.nan), text], axis=1)
    order = [c for c in table.columns if c in columns]
    return columns[order], kinds.numeric, findings


def _defective(table: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Return the sensors that `skdae.grade` does not simply keep: name and measures."""
    found = grade(table).sensors.drop(columns="reason")
    found = found[found["verdict"] != "keep"].astype(object)
    found = found.where(found.notna(), None)
    return tuple({"name": name, **row} for name, row in found.to_dict("index").items())


# --- the target -----------------------------------------------------------------------


def _target(
    y: np.ndarray | None, task: str, name: str | None
) -> tuple[str | None, np.ndarray | None, tuple[str, ...]]:
    """Return the task, the target as numbers with NaN where unknown, and classes."""
    if y is None:
        if task != "auto":
            raise ValueError(
                f"task={task!r} needs a target and there is none; name its column, or "
                "set task='auto' to run without one."
            )
        return None, None, ()
    called = "y" if name is None else f"the target {name!r}"
    series = pd.Series(y)
    values = series.dropna()
    if values.empty:
        raise ValueError(f"{called} has no value at all; choose another column.")
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
    encoder = LabelEncoder()
    codes = np.full(len(series), np.nan)
    known = encoder.fit_transform(values if is_number else values.astype(str))
    codes[values.index] = known
    classes = tuple(str(c) for c in encoder.classes_)
    counts = np.bincount(known)
    if task == "anomaly":
        return task, *_anomalies(codes, classes, counts, called)
    if counts.min() < MIN_PER_CLASS:
        raise ValueError(
            f"{called} has {counted(counts.min(), 'row')} of "
            f"{classes[counts.argmin()]!r} and needs at least {MIN_PER_CLASS} of "
            "each class, so that every split has some; merge rare classes, or set "
            "task='regression' for quantities."
        )
    return task, codes, classes


def _anomalies(
    codes: np.ndarray, classes: tuple[str, ...], counts: np.ndarray, called: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return 1 for anomalies, the rarer of two classes, and the normal class first.

    Of 0 and 1, or False and True, the anomaly always is the second.
    """
    if len(classes) != 2:
        raise ValueError(
            f"{called} has {len(classes)} values and task='anomaly' needs two, normal "
            "and anomaly; map them to 0 and 1."
        )
    is_named = classes in (("0", "1"), ("0.0", "1.0"), ("False", "True"))
    if not is_named and counts[1] > counts[0]:
        codes, classes, counts = 1 - codes, classes[::-1], counts[::-1]
    if counts[1] < MIN_PER_CLASS:
        raise ValueError(
            f"{called} has {counts[1]} anomalies and needs at least "
            f"{MIN_PER_CLASS} to be scored by; label more, or omit the target."
        )
    return codes, classes


# --- what would make the results optimistic -------------------------------------------


def leaks(data: Data) -> Iterator[Finding]:
    """Yield what makes results better than they will be in use."""
    if data.in_order and data.groups is None and not data.in_time:
        yield Finding("rows_in_order")
    repeated = int(data.X.duplicated().sum())
    if repeated:
        share = repeated / len(data.X)
        yield Finding("duplicate_rows", numbers={"rows": repeated, "share": share})
    if data.y is None:
        return
    if leaking := _leaking_columns(data):
        scores = list(leaking.values())
        yield Finding("leaking_column", tuple(leaking), {"scores": scores})
    if missing := int((~data.known).sum()):
        yield Finding("unlabelled_rows", numbers={"rows": missing})


def _leaking_columns(data: Data) -> dict[str, float]:
    """Return columns that predict the target alone, by a small tree, with its score."""
    rows = np.flatnonzero(data.known)
    rows = np.random.default_rng(0).permutation(rows)[:LEAK_ROWS]
    X, y = data.X.iloc[rows], data.target_of(rows)
    tree: Any = DecisionTreeRegressor(max_depth=6, min_samples_leaf=3, random_state=0)
    scoring = "r2"
    if data.task != "regression":
        if np.bincount(y.astype(int)).min() < 3:
            return {}
        tree = DecisionTreeClassifier(
            max_depth=4, class_weight="balanced", random_state=0
        )
        scoring = "balanced_accuracy"
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
