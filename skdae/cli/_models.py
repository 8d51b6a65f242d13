"""Model files: a fitted estimator, and what its table looked like."""

import hashlib
import io
import platform
import struct
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from skdae._files import TableError, listed
from skdae.cli._outputs import replacing

MAGIC = b"SKDAE\0"  # how a model file begins; no text does
FORMAT = 2  # of what follows: two bytes, a checksum, and what joblib has written
HEADER = struct.Struct(f">{len(MAGIC)}sH32s")
PACKAGES = ("skdae", "numpy", "scikit-learn", "torch")
# what each kind of model is
ESTIMATORS = {
    "transformer": "GradualDAETransformer",
    "detector": "GradualDAEOutlierDetector",
    "imputer": "GradualDAEImputer",
    "denoiser": "GradualDAEDenoiser",
    "classifier": "GradualDAEClassifier",
    "regressor": "GradualDAERegressor",
}


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

    @property
    def names(self) -> list[str]:
        """Names of the columns, in the order of the estimator."""
        return [column.name for column in self.columns]

    @property
    def transformer(self) -> Any:
        """A fitted transformer of the estimator, None where it has none of its own."""
        if self.kind == "transformer":
            return self.estimator
        return getattr(self.estimator, "transformer_", None)


def versions_now() -> dict[str, str]:
    """Return the versions that a model depends on."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def save(model: Model, path: str, *, force: bool) -> None:
    """Write a model file, whole or not at all."""
    import joblib

    content = {f: getattr(model, f) for f in model.__dataclass_fields__}
    content["columns"] = [asdict(column) for column in model.columns]
    buffer = io.BytesIO()
    joblib.dump(content, buffer)
    checksum = hashlib.sha256(buffer.getbuffer()).digest()
    with replacing(path, force) as file:
        file.write(HEADER.pack(MAGIC, FORMAT, checksum))
        file.write(buffer.getbuffer())


def is_model(path: str) -> bool:
    """Return whether a file is a model, by how it begins."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def load(path: str) -> tuple[Model, tuple[str, ...]]:
    """Read a model file, and return notes on it too."""
    import joblib

    payload = _verified(path)
    try:
        content = joblib.load(io.BytesIO(payload))
    except Exception as error:
        raise TableError(
            f"{path} cannot be opened as a model ({type(error).__name__}: {error}); "
            "open it with the versions that wrote it, or fit it again."
        ) from error
    content["columns"] = tuple(Column(**column) for column in content["columns"])
    model = Model(**content)
    now = versions_now()
    other = [
        f"{name} {then} (here {now.get(name)})"
        for name, then in model.versions.items()
        if then != now.get(name) and name != "python"
    ]
    said = (f"{path} was made with {', '.join(other)}.",) if other else ()
    return model, said


def _verified(path: str) -> bytes:
    """Return what a model file holds, once its header and its checksum are right."""
    if not Path(path).exists():
        raise TableError(
            f"{path} does not exist; make a model with skdae fit DATA --output {path}."
        )
    if not is_model(path):
        raise TableError(f"{path} is no model of skdae; make one with skdae fit.")
    content = Path(path).read_bytes()
    if len(content) >= HEADER.size:
        _, version, checksum = HEADER.unpack_from(content)
        payload = content[HEADER.size :]
        if version == FORMAT and hashlib.sha256(payload).digest() == checksum:
            return payload
        if version != FORMAT and hashlib.sha256(payload).digest() == checksum:
            raise TableError(
                f"{path} is a model in format {version}, and this version reads "
                f"{FORMAT}; fit it again."
            )
    raise TableError(f"{path} is damaged: its checksum differs; copy it again.")


def check_columns(model: Model, names: tuple[str, ...], label: str) -> None:
    """Refuse a table that lacks columns of the model."""
    lacking = [name for name in model.names if name not in names]
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
