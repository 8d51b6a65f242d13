"""Objects <-> JSON and arrays.

Numbers, text, None and lists are themselves in JSON; everything else is a dict with one
item, ``{kind: content}``. An object that stands in several places is packed once.
"""

import math
from collections import UserList
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors

from skdae.persistence import _sklearn_blob
from skdae.persistence._classes import (
    EARLIER,
    class_of,
    holds_own,
    is_own,
    is_sklearn,
    name_of,
    renamed,
)

NATIVE = "biuf"  # kinds of arrays that a tensor holds
MAX_ITEM = 8  # bytes of a number: longer ones differ between machines
ITEMS = ("O", "U", "M", "m")  # and of those whose values are packed one by one
SCALARS = (np.bool_, np.integer, np.floating)
GENERATORS = {
    name: getattr(np.random, name)
    for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
}
# Bytes that objects may take beside the arrays of a file, and by its size: copies of an
# array, and text of fixed width, can be larger than the file that asks for them.
MAX_COPIES, MAX_COPIES_BY_SIZE = 2**26, 50


class NotPackedError(TypeError):
    """An object that a model file cannot hold."""


class Packer:
    """Packs objects, and collects the arrays of them.

    Attributes
    ----------
    tensors : dict of str to ndarray
        The arrays that the JSON refers to, C-contiguous.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self._numbers: dict[int, int] = {}  # id of an object: its number
        # by number; while an object is kept, no other one gets its id
        self._kept: list[Any] = []

    def pack(self, value: Any, path: str) -> Any:
        """Return the JSON of an object that stands at `path` of the estimator."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if isinstance(value, UserList):  # a list of scikit-learn that warns when read
            value = value.data
        if type(value) is list:
            return [self.pack(item, f"{path}[{k}]") for k, item in enumerate(value)]
        if id(value) in self._numbers:
            return {"ref": self._numbers[id(value)]}
        for kind in KINDS:
            if kind.holds(value):
                return {kind.name: kind.pack(self, value, path)}
        raise NotPackedError(
            f"{path} is {_described(value)}, which a model file does not hold: it "
            "holds data, and estimators of skdae and scikit-learn. Set it to a value "
            "that is data, or save without it."
        )

    def _number(self, value: Any) -> int:
        """Return the number by which further places refer to an object."""
        self._numbers[id(value)] = len(self._kept)
        self._kept.append(value)
        return len(self._kept) - 1

    def _items(self, value: Any, path: str) -> list[Any]:
        return self.pack(list(value), path)

    def _dict(self, value: dict, path: str) -> list[Any]:
        return [
            [self.pack(key, f"a key of {path}"), self.pack(item, f"{path}[{key!r}]")]
            for key, item in value.items()
        ]

    def _slice(self, value: slice, path: str) -> list[Any]:
        return self._items([value.start, value.stop, value.step], path)

    def _array(self, value: np.ndarray, path: str) -> dict[str, Any]:
        """Pack numbers as a tensor, other values one by one."""
        content: dict[str, Any] = {"number": self._number(value)}
        if value.dtype.kind not in NATIVE or value.dtype.itemsize > MAX_ITEM:
            if value.dtype.kind not in ITEMS:
                raise NotPackedError(
                    f"{path} is an array of dtype {value.dtype}, and a model file "
                    "holds numbers, text, dates and objects; convert it with astype."
                )
            as_text = value.astype("i8") if value.dtype.kind in "Mm" else value
            items = self.pack(as_text.ravel().tolist(), path)
            return content | {
                "dtype": value.dtype.str,
                "shape": list(value.shape),
                "items": items,
            }
        is_fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        name = f"{len(self.tensors)}:{path}"
        tensor = np.asarray(value.T if is_fortran else value, order="C")
        self.tensors[name] = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        return content | {"tensor": name} | ({"fortran": True} if is_fortran else {})

    def _object(self, value: Any, path: str) -> dict[str, Any]:
        return self._stateful(value, _state(value), path)

    def _stateful(self, value: Any, state: dict[str, Any], path: str) -> dict[str, Any]:
        return {
            "number": self._number(value),
            "class": name_of(type(value)),
            "state": {k: self.pack(v, f"{path}.{k}") for k, v in state.items()},
        }

    def _neighbors(self, value: NearestNeighbors, path: str) -> dict[str, Any]:
        """Pack the parameters and the rows: the tree is built again."""
        packed = self._stateful(value, value.get_params(deep=False), path)
        return packed | {"rows": self.pack(value._fit_X, f"{path} rows")}

    def _sklearn(self, value: BaseEstimator, path: str) -> dict[str, Any]:
        """Pack attribute by attribute; what has no plain attributes is up to skops."""
        before = (dict(self.tensors), dict(self._numbers), list(self._kept))
        try:
            return self._stateful(value, vars(value), path)
        except NotPackedError:
            if holds_own(value):
                raise
            self.tensors, self._numbers, self._kept = before
        blob = np.frombuffer(_sklearn_blob.dumps(value, path), np.uint8)
        return {"number": self._number(value), "skops": self.pack(blob, path)}

    def _frame(self, value: pd.DataFrame, path: str) -> dict[str, Any]:
        return {
            name: self.pack([*index], f"{path}.{name}")
            for name, index in (("index", value.index), ("columns", value.columns))
        } | {"data": [self.pack(np.asarray(value[c]), f"{path}[{c}]") for c in value]}

    def _generator(self, value: np.random.Generator, path: str) -> Any:
        return self.pack(value.bit_generator.state, path)

    def _legacy(self, value: np.random.RandomState, path: str) -> Any:
        return self.pack(value.get_state(legacy=False), path)


def _described(value: Any) -> str:
    """Return an object in words, with its name where it has one."""
    kind = type(value)
    name = getattr(value, "__qualname__", None)
    return (
        f"the {kind.__name__} {name}"
        if name
        else f"a {kind.__module__}.{kind.__name__}"
    )


def _is(*types: type) -> Callable[[Any], bool]:
    """Return a test for objects of some types."""
    return lambda value: isinstance(value, types)


def _as(make: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an unpacker that makes an object of its content."""
    return lambda unpacker, content: make(content)


def _is_number_type(value: Any) -> bool:
    """Return whether an object is a numpy type, such as ``np.float64``."""
    return isinstance(value, type) and issubclass(value, (*SCALARS, np.object_))


def _scalar(packer: Packer, value: np.generic, path: str) -> list[Any]:
    """Pack a numpy number with its type; JSON has no NaN."""
    number = value.item()
    is_special = isinstance(number, float) and not math.isfinite(number)
    return [value.dtype.str, repr(number) if is_special else number]


def _state(value: Any) -> dict[str, Any]:
    """Return what makes an object up: fields, or all that an estimator holds."""
    if isinstance(value, tuple):
        return value._asdict()  # type: ignore[attr-defined]
    if isinstance(value, BaseEstimator):
        return vars(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


class Unpacker:
    """Makes objects of JSON and tensors again."""

    def __init__(self, tensors: dict[str, np.ndarray], file_size: int) -> None:
        self.tensors = tensors
        self._objects: dict[int, Any] = {}  # by number
        self._bytes_left = MAX_COPIES + MAX_COPIES_BY_SIZE * file_size

    def _take(self, n_bytes: int) -> None:
        """Count bytes that an object takes beside the arrays of the file."""
        self._bytes_left -= n_bytes
        if self._bytes_left < 0:
            raise ValueError("what it asks for is many times larger than the file")

    def unpack(self, packed: Any) -> Any:
        """Return the object of a JSON value."""
        if isinstance(packed, list):
            return [self.unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        ((kind, content),) = packed.items()
        if kind not in UNPACK:
            raise ValueError(f"{kind!r} is not a kind of object")
        return UNPACK[kind](self, content)

    def _ref(self, content: int) -> Any:
        return self._objects[content]

    def _tuple(self, content: list) -> tuple:
        return tuple(self.unpack(content))

    def _dict(self, content: list) -> dict:
        return {self.unpack(key): self.unpack(item) for key, item in content}

    def _slice(self, content: list) -> slice:
        return slice(*self.unpack(content))

    def _scalar(self, content: list) -> Any:
        dtype, number = content
        if np.dtype(dtype).kind not in NATIVE:
            raise ValueError(f"{dtype} is not the type of a number")
        return np.dtype(dtype).type(number)

    def _array(self, content: dict) -> np.ndarray:
        if "tensor" in content:
            array = self.tensors[content["tensor"]]
            array = array.T if content.get("fortran") else array
        else:
            dtype, items = np.dtype(content["dtype"]), content["items"]
            if dtype.kind not in ITEMS:
                raise ValueError(f"{dtype} is not the type of single values")
            self._take(dtype.itemsize * len(items))
            array = _array_of_items(self.unpack(items), dtype, content["shape"])
        self._objects[content["number"]] = array
        return array

    def _object(self, content: dict) -> Any:
        cls = class_of(content["class"])
        if issubclass(cls, tuple):
            named = cls(**self.unpack_state(content))
            self._objects[content["number"]] = named
            return named
        value: Any = object.__new__(cls)
        self._objects[content["number"]] = value
        for name, item in (_defaults(cls) | self.unpack_state(content)).items():
            object.__setattr__(value, name, renamed(cls, name, item))
        return value

    def unpack_state(self, content: dict) -> dict[str, Any]:
        """Return the attributes of an object."""
        return {name: self.unpack(item) for name, item in content["state"].items()}

    def _neighbors(self, content: dict) -> NearestNeighbors:
        value = NearestNeighbors(**self.unpack_state(content))
        self._objects[content["number"]] = value
        rows = self.unpack(content["rows"])
        self._take(rows.nbytes)
        return value.fit(rows)

    def _sklearn(self, content: dict) -> BaseEstimator:
        if "skops" not in content:
            return self._object(content)
        blob = self.unpack(content["skops"])
        value = _sklearn_blob.loads(blob.tobytes())
        self._objects[content["number"]] = value
        return value

    def _frame(self, content: dict) -> pd.DataFrame:
        index, columns = self.unpack(content["index"]), self.unpack(content["columns"])
        data = dict(enumerate(self.unpack(content["data"])))
        self._take(sum(column.nbytes for column in data.values()))
        frame = pd.DataFrame(data, index=index)
        frame.columns = pd.Index(columns)
        return frame

    def _generator(self, content: dict) -> np.random.Generator:
        state = self.unpack(content)
        bits = GENERATORS[state["bit_generator"]]()
        bits.state = state
        return np.random.Generator(bits)

    def _random(self, content: dict) -> np.random.RandomState:
        value = np.random.RandomState()
        value.set_state(self.unpack(content))
        return value


def _array_of_items(items: list, dtype: np.dtype, shape: list[int]) -> np.ndarray:
    """Return an array of values that were packed one by one."""
    is_time = dtype.kind in "Mm"
    array = np.empty(len(items), "i8" if is_time else dtype)
    for k, item in enumerate(items):  # at once, tuples would become axes
        array[k] = item
    return array.view(dtype).reshape(shape) if is_time else array.reshape(shape)


def _defaults(cls: type) -> dict[str, Any]:
    """Return the values of attributes that a file of an earlier release may lack."""
    if is_dataclass(cls):
        return {
            f.name: EARLIER.get((cls.__module__, f.name), f.default)
            for f in fields(cls)
            if f.default is not MISSING
        }
    return {
        p.name: p.default
        for p in signature(cls).parameters.values()
        if p.default is not p.empty
    }


# --- the kinds of objects ------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of objects: which they are, and the way into a file and back."""

    name: str  # in a file
    holds: Callable[[Any], bool]
    pack: Callable[[Packer, Any, str], Any]
    unpack: Callable[[Unpacker, Any], Any]


#: The first that holds an object packs it.
KINDS = (
    Kind("float", lambda v: type(v) is float, lambda p, v, _: repr(v), _as(float)),
    Kind("array", _is(np.ndarray), Packer._array, Unpacker._array),
    Kind("object", lambda v: is_own(type(v)), Packer._object, Unpacker._object),
    Kind("neighbors", _is(NearestNeighbors), Packer._neighbors, Unpacker._neighbors),
    Kind("sklearn", lambda v: is_sklearn(type(v)), Packer._sklearn, Unpacker._sklearn),
    Kind("tuple", lambda v: type(v) is tuple, Packer._items, Unpacker._tuple),
    Kind("dict", lambda v: type(v) is dict, Packer._dict, Unpacker._dict),
    Kind("set", _is(set, frozenset), lambda p, v, _: sorted(v), _as(set)),
    Kind("slice", _is(slice), Packer._slice, Unpacker._slice),
    Kind("scalar", _is(*SCALARS), _scalar, Unpacker._scalar),
    Kind("dtype", _is(np.dtype), lambda p, v, _: v.str, _as(np.dtype)),
    Kind(
        "type",
        _is_number_type,
        lambda p, v, _: np.dtype(v).name,
        lambda u, content: np.dtype(content).type,
    ),
    Kind("frame", _is(pd.DataFrame), Packer._frame, Unpacker._frame),
    Kind(
        "missing",
        lambda v: v is pd.NA or v is pd.NaT,
        lambda p, v, _: repr(v).strip("<>"),
        lambda u, content: {"NA": pd.NA, "NaT": pd.NaT}[content],
    ),
    Kind("time", _is(pd.Timestamp), lambda p, v, _: v.isoformat(), _as(pd.Timestamp)),
    Kind("generator", _is(np.random.Generator), Packer._generator, Unpacker._generator),
    Kind("random", _is(np.random.RandomState), Packer._legacy, Unpacker._random),
)
UNPACK = {kind.name: kind.unpack for kind in KINDS} | {"ref": Unpacker._ref}
