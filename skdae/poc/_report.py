"""What was found, as plain data: means, intervals and paired differences."""

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from skdae._version import __version__
from skdae.poc._cache import Cache
from skdae.poc._plan import Plan
from skdae.poc._predictors import error_name
from skdae.poc._setting import Result, Setting, Unit
from skdae.poc._splits import repeated_rows
from skdae.poc._statistics import TINY, compare, interval
from skdae.poc._troubles import TROUBLES
from skdae.poc._units import units_of
from skdae.poc._verdict import judge
from skdae.poc._words_en import TEXTS

SCHEMA = 1
PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")
OVERALL = "overall"  # the geometric mean of the errors under all troubles
BySplit = dict[str, list[float | None]]  # method: one error per split


class PoCReport:
    """Results of a proof of concept, as :func:`skdae.poc.run` returns them.

    Parameters
    ----------
    content : dict
        Everything that was found, as plain data: what :meth:`save` writes as JSON and
        what each number of the page comes from.
    cache : Cache or None, default=None
        Where the results lay during the run; :meth:`save` removes it.

    Attributes
    ----------
    content : dict
        The content given.
    """

    def __init__(self, content: dict[str, Any], cache: Cache | None = None) -> None:
        self.content = content
        self._cache = cache

    def __repr__(self) -> str:
        """Return the short answer, and how much it rests on."""
        rows, splits = self.content["data"]["rows"], self.content["plan"]["n_splits"]
        name, answer = self.content["asked"]["name"], self.verdict[0]["answer"]
        headline = TEXTS[f"headline.{answer}"]
        return f"<PoCReport of {name!r}: {headline} ({rows} rows, {splits} splits)>"

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        first, *lines = map(escape, self.summary().splitlines())
        rest = "".join(f"<li>{line}</li>" for line in lines)
        return f"<p><strong>{first}</strong></p><ul>{rest}</ul>"

    @property
    def finished(self) -> bool:
        """Whether everything that was planned has been run."""
        return self.content["finished"]

    @property
    def verdict(self) -> list[dict[str, Any]]:
        """Answers to the questions of the proof of concept, with their numbers."""
        return self.content["verdict"]

    @classmethod
    def load(cls, path: str | os.PathLike) -> "PoCReport":
        """Return the report of a JSON file that `save` has written.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        PoCReport
            The same report.

        Raises
        ------
        ValueError
            If the file was written by another version, or is no report.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content.get("schema") != SCHEMA:
            raise ValueError(
                f"path={str(path)!r} has the schema {content.get('schema')!r} and must "
                f"have {SCHEMA}: it was written by another version or is no report; "
                "run the proof of concept again."
            )
        return cls(content)

    def summary(self, lang: str = "en") -> str:
        """Return the verdict in plain words.

        Parameters
        ----------
        lang : {'en', 'ja'}, default='en'
            The language.

        Returns
        -------
        str
            A few sentences, one answer a line.

        Raises
        ------
        ValueError
            If the language is unknown.
        """
        from skdae.poc._words import summary

        return summary(self.content, lang)

    def to_html(self, lang: str = "en") -> str:
        """Return the page, whole in itself: nothing is fetched from anywhere.

        Parameters
        ----------
        lang : {'en', 'ja'}, default='en'
            The language.

        Returns
        -------
        str
            HTML.

        Raises
        ------
        ImportError
            If a package of the extra ``poc`` is missing.
        ValueError
            If the language is unknown.
        """
        from skdae.poc._page import page

        return page(self.content, lang)

    def save(self, path: str | os.PathLike, lang: str = "en") -> Path:
        """Write the page, and the data beside it as JSON.

        The cache of a run that is finished is removed: all of it is in these files.

        Parameters
        ----------
        path : path
            Of the page; the JSON has the same name with another suffix.
        lang : {'en', 'ja'}, default='en'
            The language of the page.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        ImportError
            If a package of the extra ``poc`` is missing.
        ValueError
            If the language is unknown.
        """
        page = Path(path)
        html = self.to_html(lang)
        page.parent.mkdir(parents=True, exist_ok=True)
        data = page.with_suffix(".json")
        text = json.dumps(self.content, indent=1, ensure_ascii=False, allow_nan=False)
        data.write_text(text, encoding="utf-8")
        page.write_text(html, encoding="utf-8")
        if self.finished and self._cache is not None:
            self._cache.remove()
            self._cache = None
        return page


def assemble(
    setting: Setting,
    plan: Plan,
    found: Mapping[Unit, Result],
    asked: dict[str, Any],
    finished: bool,
) -> dict[str, Any]:
    """Return all that was found, with the verdict."""
    splits = setting.splits[: plan.n_splits]
    test_ratio = float(np.mean([len(s.test) / len(s.train) for s in splits]))
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "finished": finished,
        "made": made(),
        "asked": asked,
        "data": describe(setting),
        "plan": plan.to_dict(),
        "whole_splits": whole_splits(setting, plan, found),
        "splits": [
            {
                "train": len(s.train),
                "test": min(len(s.test), setting.most_test_rows),
                "repeated": repeated_rows(setting.data, s),
            }
            for s in splits
        ],
        "denoising": denoising(setting, plan, found, test_ratio),
        "downstream": downstream(setting, plan, found, test_ratio),
        "resources": resources(setting, found),
        "warnings": sorted({w for r in found.values() for w in r["warnings"]}),
    }
    return content | {"verdict": judge(content)}


def whole_splits(setting: Setting, plan: Plan, found: Mapping[Unit, Result]) -> int:
    """Return the number of splits on which all methods have been run."""
    return sum(
        all(u in found for u in units_of(setting, split) if u.kind != "memory")
        for split in range(plan.n_splits)
    )


def made() -> dict[str, Any]:
    """Return what reproduces the report."""
    versions = {"skdae": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"when": when, "system": platform.system(), "versions": versions}


def describe(setting: Setting) -> dict[str, Any]:
    """Return what the table is."""
    data = setting.data
    X = data.X
    first = setting.splits[0]
    train = X.iloc[first.train]
    columns = [
        {
            "name": name,
            "kind": "numeric" if name in data.numeric else "text",
            "missing": float(X[name].isna().mean()),
            "mean": _number(train[name].mean()) if name in data.numeric else None,
            "deviation": (
                _number(train[name].std(ddof=0)) if name in data.numeric else None
            ),
        }
        for name in X.columns
    ]
    target: dict[str, Any] | None = None
    if data.y is not None:
        counts = None
        if data.task != "regression":
            counts = np.bincount(data.y[data.known].astype(int)).tolist()
        target = {
            "name": data.target,
            "task": data.task,
            "classes": list(data.classes),
            "counts": counts,
            "known": int(data.known.sum()),
        }
    return {
        "rows": len(X),
        "columns": columns,
        "missing": float(X.isna().to_numpy().mean()),
        "target": target,
        "in_time": data.in_time,
        "groups": None if data.groups is None else len(np.unique(data.groups)),
        "findings": [asdict(f) | {"columns": list(f.columns)} for f in data.findings],
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


# --- experiments ----------------------------------------------------------------------


def by_split(
    plan: Plan,
    found: Mapping[Unit, Result],
    pick: Callable[[Unit, Result], Mapping[str, float]],
) -> BySplit:
    """Return one value of each method per split, None where it was not run."""
    values: BySplit = {}
    for unit, result in found.items():
        if unit.kind == "memory" or unit.split >= plan.n_splits:
            continue
        for method, value in pick(unit, result).items():
            values.setdefault(method, [None] * plan.n_splits)[unit.split] = value
    return values


def rows_of(
    values: BySplit, test_ratio: float, most: float = np.inf, **facts: Any
) -> list[dict[str, Any]]:
    """Return the mean of each method with its interval."""
    return [
        {"method": method}
        | facts
        | asdict(interval([v for v in errors if v is not None], test_ratio, most))
        | {"by_split": errors}
        for method, errors in values.items()
    ]


def differences(
    values: BySplit, ours: str, test_ratio: float, floor: float, **facts: Any
) -> list[dict[str, Any]]:
    """Return how our method compares with every other method."""
    found = []
    for rival in values:
        if ours not in values or ours == rival:
            continue
        pairs = [
            (a, b)
            for a, b in zip(values[ours], values[rival], strict=True)
            if a is not None and b is not None
        ]
        if pairs:
            a, b = zip(*pairs, strict=True)
            result = compare(a, b, test_ratio, floor)
            row = {"method": ours, "rival": rival} | facts | asdict(result)
            row |= {"better": result.is_better, "worse": result.is_worse}
            found.append(row)
    return found


def denoising(
    setting: Setting, plan: Plan, found: Mapping[Unit, Result], test_ratio: float
) -> dict[str, Any]:
    """Return experiment 1."""
    judged = next(iter(setting.schedules))
    errors, compared = [], []
    for trouble in (*TROUBLES, OVERALL):
        values = by_split(plan, found, partial(rebuild_error, trouble))
        errors += rows_of(values, test_ratio, trouble=trouble)
        compared += differences(values, judged, test_ratio, TINY, trouble=trouble)
    return {
        "judged": judged,
        "schedules": list(setting.schedules),
        "troubles": list(TROUBLES),
        "errors": errors,
        "differences": compared,
        "columns": column_errors(setting, found),
    }


def rebuild_error(trouble: str, unit: Unit, result: Result) -> Mapping[str, float]:
    """Return the error of a unit under a trouble, or over all but the clean rows."""
    if "rebuild" not in result:
        return {}
    errors = {name: row["error"] for name, row in result["rebuild"].items()}
    if trouble != OVERALL:
        return {unit.method: errors[trouble]}
    logs = [np.log(max(e, TINY)) for name, e in errors.items() if name != "clean"]
    return {unit.method: float(np.exp(np.mean(logs)))}


def column_errors(setting: Setting, found: Mapping[Unit, Result]) -> list[dict]:
    """Return the error of each column in the user's units, a mean over splits."""
    numeric = setting.data.numeric
    sums: dict[tuple[str, str], list[list[float | None]]] = {}
    for unit, result in found.items():
        for trouble, values in result.get("rebuild", {}).items():
            sums.setdefault((unit.method, trouble), []).append(values["columns"])
    rows = []
    for (method, trouble), splits in sums.items():
        array = np.array(splits, dtype=float)  # (n_splits, n_numeric), None is NaN
        counts = (~np.isnan(array)).sum(axis=0)
        means = np.nansum(array, axis=0) / np.maximum(counts, 1)
        errors = [float(m) if n else None for m, n in zip(means, counts, strict=True)]
        rows.append({"method": method, "trouble": trouble, "errors": errors})
    return [{"names": list(numeric)}, *rows] if rows else []


def downstream(
    setting: Setting, plan: Plan, found: Mapping[Unit, Result], test_ratio: float
) -> dict[str, Any] | None:
    """Return experiment 2, None without a target."""
    data = setting.data
    if data.task is None:
        return None
    name = error_name(data)
    # of a unit's results: errors by method, and by the key that is looked up
    if data.task == "anomaly":
        ours = [f"detector_{schedule}" for schedule in setting.schedules]
        keys = {"all": ("detect", name)}
    else:
        ours = list(setting.schedules)
        counts = map(str, setting.label_counts)
        keys = {"all" if n == "0" else n: ("predict", n) for n in counts}
    # a share of rows is known to about one row, and ends at all of them
    floor, most = (
        (TINY, np.inf) if name == "rmse" else (1 / setting.most_test_rows, 1.0)
    )
    errors, compared = [], []
    for labels, (part, key) in keys.items():
        values = by_split(plan, found, partial(task_error, part, key))
        errors += rows_of(values, test_ratio, most, labels=labels)
        compared += differences(values, ours[0], test_ratio, floor, labels=labels)
    return {
        "task": data.task,
        "measure": name,
        "judged": ours[0],
        "schedules": ours,
        "labels": list(keys),
        "errors": errors,
        "differences": compared,
    }


def task_error(part: str, key: str, unit: Unit, result: Result) -> Mapping[str, float]:
    """Return what stands under a key in a part of a unit's results, by method."""
    methods = result.get(part, {}).items()
    return {method: errors[key] for method, errors in methods if key in errors}


def resources(setting: Setting, found: Mapping[Unit, Result]) -> list[dict[str, Any]]:
    """Return experiment 3: what each method takes, means over splits."""
    costs: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    peaks: dict[tuple[str, str], float | None] = {}
    for unit, result in found.items():
        if unit.kind == "memory":
            kind, method = unit.method.split(":")
            peaks[kind, method] = result["peak_bytes"]
        else:
            costs.setdefault((unit.kind, unit.method), []).append(result["costs"])
    rows = []
    for (kind, method), values in costs.items():
        row: dict[str, Any] = {"kind": kind, "method": method}
        row |= {name: float(np.mean([v[name] for v in values])) for name in values[0]}
        rows.append(row | {"peak_bytes": peaks.get((kind, method))})
    return rows
