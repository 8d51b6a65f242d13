"""Model files: a fitted estimator, and what its table looked like."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from skdae._column_types import is_numeric
from skdae._files import TableError, listed
from skdae.cli._outputs import check_output

# what each kind of model is
ESTIMATORS = {
    "transformer": "GradualDAETransformer",
    "detector": "GradualDAEOutlierDetector",
    "imputer": "GradualDAEImputer",
    "denoiser": "GradualDAEDenoiser",
    "classifier": "GradualDAEClassifier",
    "regressor": "GradualDAERegressor",
}


# what a model file notes of the table, beside the columns
TABLE = ("kind", "n_rows", "left_out", "target", "missing")
ORDER = ("time", "groups")  # noted since, where they are given
# kinds of columns that are left out unless --use names them, and why
LEFT_OUT = {
    "empty": "empty",
    "date_time": "dates or times",
    "id_like": "counts or names the rows, or only rises",
}


@dataclass(frozen=True)
class Column:
    """A column that a model has learned from."""

    name: str
    is_number: bool  # or text
    dtype: str

    @classmethod
    def of(cls, name: Any, values: pd.Series) -> "Column":
        """Describe the values of a column."""
        return cls(str(name), is_numeric(values), str(values.dtype))


@dataclass(frozen=True)
class Model:
    """A fitted estimator, and the table it knows."""

    kind: str
    estimator: Any
    columns: tuple[Column, ...]
    n_rows: int
    left_out: dict[str, str] = field(default_factory=dict)  # column: why
    target: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # further markers of missing values in its table
    time: str | None = None  # column by which rows are sorted
    groups: str | None = None  # column of units, files or runs

    @property
    def names(self) -> list[str]:
        """Names of the columns, in the order of the estimator."""
        return [column.name for column in self.columns]

    @property
    def is_sorted(self) -> bool:
        """Whether rows are put in order by columns of the table."""
        return self.time is not None or self.groups is not None

    @property
    def transformer(self) -> Any:
        """A fitted transformer of the estimator, None where it has none of its own."""
        if self.kind == "transformer":
            return self.estimator
        return getattr(self.estimator, "transformer_", None)


def save(model: Model, path: str, *, force: bool) -> None:
    """Write a model file, whole or not at all."""
    import skdae

    check_output(path, force)
    table = {name: getattr(model, name) for name in (*TABLE, *ORDER)}
    skdae.save(model.estimator, path, metadata=table | {"columns": _columns(model)})


def _columns(model: Model) -> list[dict[str, Any]]:
    return [asdict(column) for column in model.columns]


def is_model(path: str) -> bool:
    """Return whether a file is a model, by how it begins."""
    from skdae.persistence import is_model_file

    return is_model_file(path)


def load(path: str) -> Model:
    """Read a model file of the command line."""
    manifest, estimator = read(path)
    table = manifest["metadata"]
    if not has_table(manifest):
        raise TableError(
            f"{path} holds an estimator, but not the columns of its table; make a "
            "model for the command line with skdae fit."
        )
    columns = tuple(Column(**column) for column in table.pop("columns"))
    table["missing"] = tuple(table["missing"])
    return Model(
        estimator=estimator, columns=columns, versions=manifest["versions"], **table
    )


def has_table(manifest: dict[str, Any]) -> bool:
    """Return whether a file notes the table of its model, as `save` does."""
    table = manifest["metadata"]
    return isinstance(table, dict) and {*TABLE, "columns"} <= table.keys()


def read(path: str) -> tuple[dict[str, Any], Any]:
    """Return the manifest and the estimator of a file of `skdae.save`."""
    import skdae
    from skdae.persistence import ModelFileError, read_manifest

    if not Path(path).exists():
        raise TableError(
            f"{path} does not exist; make a model with skdae fit DATA --output {path}."
        )
    if not is_model(path):
        raise TableError(f"{path} is not a model of skdae; make one with skdae fit.")
    try:
        return read_manifest(path), skdae.load(path)
    except ModelFileError as error:
        raise TableError(str(error)) from error


def check_columns(model: Model, names: tuple[str, ...], label: str) -> None:
    """Refuse a table that lacks columns of the model."""
    order = [name for name in (model.time, model.groups) if name is not None]
    lacking = [name for name in (*model.names, *order) if name not in names]
    if lacking:
        are = "column is" if len(lacking) == 1 else "columns are"
        raise TableError(
            f"{label}: {len(lacking)} {are} missing that the model was fitted on: "
            f"{listed(lacking)}; the table has {listed(names)}. Their order does not "
            "matter, their names do."
        )


def in_words(left_out: dict[str, str]) -> str:
    """Return columns and why they were left out, as a part of a sentence."""
    return ", ".join(f"{name} ({reason})" for name, reason in left_out.items())
