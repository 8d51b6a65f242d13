"""The report: what was found, as plain data, with its verdict."""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skdae._version import __version__
from skdae._whole_file import whole_file
from skdae.poc._data import Data
from skdae.poc._denoising import CORRUPTIONS, DENOISER, IMPUTER
from skdae.poc._downstream import (
    CODES,
    OUR_DETECTOR,
    UNTRAINED,
    condition,
    task_measures,
)
from skdae.poc._page import catalogue, page, summary
from skdae.poc._plan import Plan, Setting, Unit
from skdae.poc._results import (
    COLUMNS,
    RESOURCES,
    Record,
    column_errors,
    comparisons,
    mean_costs,
    mean_errors,
    result_table,
    to_columns,
)
from skdae.poc._splits import repeated_rows
from skdae.poc._verdict import BASELINE, CANDIDATE, MAIN, SCHEDULE, decide

SCHEMA = 2
PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")


class PoCReport:
    """Results of a proof of concept, as :func:`skdae.poc.run` returns them.

    Parameters
    ----------
    content : dict
        Everything that was found, as plain data: what :meth:`save` writes as JSON and
        what each number of the page comes from.
    cache : path or None, default=None
        Folder with the results of finished units; :meth:`save` removes it, and then
        it is None.
    """

    def __init__(
        self, content: dict[str, Any], cache: str | os.PathLike | None = None
    ) -> None:
        self.content = content
        self.cache = cache

    def __repr__(self) -> str:
        rows, splits = self.content["data"]["rows"], self.content["plan"]["n_splits"]
        name, answer = self.content["asked"]["name"], self.verdict[0]["answer"]
        headline = catalogue("en")[f"headline.{answer}"]
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

    @property
    def results(self) -> pd.DataFrame:
        """All that was measured, in long form.

        Columns: experiment, method, condition (corruption, number of labels, or kind
        of unit), split, measure, value, and replicates, the value with each tenth of
        the test rows left out.
        """
        return pd.DataFrame(self.content["results"])

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
            If the file was written by another version, or is not a report.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content.get("schema") != SCHEMA:
            raise ValueError(
                f"path={str(path)!r} has the schema {content.get('schema')!r} and must "
                f"have {SCHEMA}: it was written by another version or is not a "
                "report; run the proof of concept again."
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
        ImportError, ValueError
            If a package of the extra ``poc`` is missing, or the language unknown.
        """
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
        ImportError, ValueError
            If a package of the extra ``poc`` is missing, or the language unknown.
        """
        return page(self.content, lang)

    def save(self, path: str | os.PathLike, lang: str = "en") -> Path:
        """Write the page, and the data beside it as JSON, each whole or not at all.

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
        ImportError, ValueError
            If a package of the extra ``poc`` is missing, or the language unknown.
        """
        page = Path(path)
        html = self.to_html(lang)
        page.parent.mkdir(parents=True, exist_ok=True)
        content = {page.with_suffix(".json"): to_json(self.content), page: html}
        for name, text in content.items():
            with whole_file(name) as file:
                file.write(text.encode())
        if self.finished and self.cache is not None:
            shutil.rmtree(self.cache)
            self.cache = None
        return page


def to_json(content: dict[str, Any]) -> str:
    """Return the report as JSON, a line for each fact or row of a table."""
    dump = partial(json.dumps, ensure_ascii=False, allow_nan=False)

    def lines(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n  " + ",\n  ".join(map(dump, value)) + "\n ]"
        return dump(value)

    facts = (f" {dump(key)}: {lines(value)}" for key, value in content.items())
    return "{\n" + ",\n".join(facts) + "\n}\n"


def assemble(
    setting: Setting, plan: Plan, found: Mapping[Unit, dict[str, Any]]
) -> dict[str, Any]:
    """Return all that was found, with the verdict."""
    data, splits = setting.data, setting.splits[: plan.n_splits]
    used = {unit: result for unit, result in found.items() if unit.split < len(splits)}
    records = [Record(*r) for result in used.values() for r in result["records"]]
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "data": describe(data, splits[0].train),
        "plan": asdict(plan),
        "splits": [
            {
                "train": len(s.train),
                "test": min(len(s.test), setting.max_test_rows),
                "repeated": repeated_rows(data, s),
            }
            for s in splits
        ],
        "schedules": list(setting.schedules),
        "corruptions": list(CORRUPTIONS),
        "task": data.task
        and {
            "kind": data.task,
            "measures": task_measures(data),
            "labels": [condition(n) for n in setting.label_counts or (0,)],
        },
        "warnings": sorted({w for result in used.values() for w in result["warnings"]}),
        "pictures": pictures(used),
    }
    test_ratio = float(np.mean([len(s.test) / len(s.train) for s in splits]))
    content |= views(records, content, test_ratio)
    return content | {"verdict": decide(content)}


def views(
    records: list[Record], content: dict[str, Any], test_ratio: float
) -> dict[str, Any]:
    """Return the result table as plain data, and its statistics."""
    table = result_table(records)
    measured = table.loc[table["experiment"] != RESOURCES, "method"].drop_duplicates()
    methods = [
        {"name": name, "role": role_of(name, content["schedules"])} for name in measured
    ]
    numeric = [c["name"] for c in content["data"]["columns"] if c["kind"] == "numeric"]
    ours = [m["name"] for m in methods if m["role"] in (MAIN, CANDIDATE)]
    return {
        "main": content["schedules"][0],
        "methods": methods,
        "test_ratio": test_ratio,
        "results": to_columns(table[table["experiment"] != COLUMNS]),
        "errors": mean_errors(table, test_ratio),
        "comparisons": comparisons(table, ours, test_ratio),
        "columns": column_errors(table, numeric),
        "resources": mean_costs(table),
    }


def role_of(method: str, schedules: list[str]) -> str:
    """Return what a method is in the verdict."""
    if method in (IMPUTER, DENOISER, UNTRAINED, CODES):
        return CANDIDATE
    name = method.removeprefix(OUR_DETECTOR)
    if name not in schedules:
        return BASELINE
    return MAIN if name == schedules[0] else SCHEDULE


def pictures(found: Mapping[Unit, dict[str, Any]]) -> dict[str, Any]:
    """Return traces by corruption, and predictions, of each method."""
    traces: dict[str, Any] = {}
    predictions: list[dict[str, Any]] = []
    for unit, result in found.items():
        for name, trace in result.get("traces", {}).items():
            shared = {key: trace[key] for key in ("column", "true", "corrupted")}
            entry = traces.setdefault(name, shared | {"restored": []})
            one = {"method": unit.method, "values": trace["restored"]}
            entry["restored"].append(one)
        predictions += result.get("predictions", [])
    return {"traces": traces, "predictions": predictions}


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


def describe(data: Data, train: np.ndarray) -> dict[str, Any]:
    """Return the facts about the table; means are those of training rows."""
    target = data.task and {
        "name": data.target,
        "task": data.task,
        "classes": list(data.classes),
        "counts": None if data.task == "regression" else data.class_counts.tolist(),
        "known": int(data.known.sum()),
    }
    numbers = data.X[list(data.numeric)].iloc[train]
    columns = pd.DataFrame(
        {
            "name": data.X.columns,
            "kind": ["numeric" if c in numbers else "text" for c in data.X],
            "missing": data.X.isna().mean(),
            "mean": numbers.mean(),
            "deviation": numbers.std(ddof=0),
        },
        index=data.X.columns,
        dtype=object,
    )
    columns = columns.where(columns.notna(), None)
    return {
        "rows": len(data.X),
        "columns": columns.to_dict("records"),
        "sensors": [s | {"defects": list(s["defects"])} for s in data.sensors],
        "missing": float(data.X.isna().to_numpy().mean()),
        "target": target,
        "in_time": data.in_time,
        "in_order": data.in_order,
        "groups": None if data.groups is None else len(np.unique(data.groups)),
        "findings": [asdict(f) | {"columns": list(f.columns)} for f in data.findings],
    }
