"""Classes that a model file may name."""

from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator

# Where a class of an earlier release has gone: a file keeps its old name.
MOVED: dict[str, str] = {
    "skdae._outlier._cross_fit:TrainingRows": "skdae._outlier._cross_fit:SeenRows",
    "skdae._imputer._time:TimeColumn": "skdae._imputer._time_columns:ImputedColumn",
}

# Attributes whose default has changed since they came: what files without them mean.
EARLIER: dict[tuple[str, str], Any] = {("skdae.schedules", "start"): "random"}

# Scores of the detector that have another name now, and the attributes that hold names.
RENAMED = {"balance_distance": "weighted_distance"}
OF_SCORES = ("scores", "score_names_", "names")


def renamed(cls: type, name: str, value: Any) -> Any:
    """Return the value of an attribute, scores under their present names."""
    if not cls.__module__.startswith("skdae._outlier") or name not in OF_SCORES:
        return value
    if isinstance(value, str):
        return RENAMED.get(value, value)
    if isinstance(value, (list, tuple)):
        return type(value)(RENAMED.get(each, each) for each in value)
    return value


def name_of(cls: type) -> str:
    """Return the name of a class in a file, by the public module where there is one."""
    module = cls.__module__
    if module.startswith("sklearn."):
        module = module.split("._")[0]
    return f"{module}:{cls.__qualname__}"


def is_own(cls: type) -> bool:
    """Return whether a class is one of this package that holds nothing but data."""
    return cls.__module__.startswith("skdae.") and (
        is_dataclass(cls)
        or issubclass(cls, BaseEstimator)
        or issubclass(cls, tuple)
        and hasattr(cls, "_fields")
    )


def is_sklearn(cls: type) -> bool:
    """Return whether a class is an estimator of scikit-learn."""
    return cls.__module__.startswith("sklearn.") and issubclass(cls, BaseEstimator)


def class_of(name: str) -> type:
    """Return the class of a name; others than `is_own` and `is_sklearn` are refused."""
    module, _, qualname = MOVED.get(name, name).partition(":")
    if module.split(".")[0] not in ("skdae", "sklearn") or "." in qualname:
        raise ValueError(f"{name} is not a class of skdae or scikit-learn")
    try:
        cls = getattr(import_module(module), qualname)
    except (ImportError, AttributeError):
        raise ValueError(f"{name} is not known here") from None
    if not isinstance(cls, type) or not (is_own(cls) or is_sklearn(cls)):
        raise ValueError(f"{name} is not a class that a model file may name")
    return cls


def holds_own(estimator: Any) -> bool:
    """Return whether one of scikit-learn's estimators holds one of ours."""
    return any(
        is_own(type(part))
        for value in vars(estimator).values()
        for part in _parts(value)
    )


def _parts(value: Any) -> list[Any]:
    """Return the objects in a container or in an estimator of scikit-learn."""
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in _parts(item)]
    if isinstance(value, dict):
        return _parts(list(value.values()))
    if isinstance(value, BaseEstimator) and not is_own(type(value)):
        return [value, *_parts(list(vars(value).values()))]
    return [value]
