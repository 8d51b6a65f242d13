"""Model files: written whole or not at all, read with a checksum."""

import hashlib
import json
import os
import platform
import struct
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from skdae._version import __version__
from skdae._whole_file import whole_file
from skdae.persistence._classes import is_own, is_sklearn, name_of
from skdae.persistence._packing import NotPackedError, Packer, Unpacker

FORMAT = 1  # of the manifest
KEY = "skdae"  # of the manifest in the metadata
LENGTH = struct.Struct("<Q")  # of the header, at the start of a safetensors file
START = b'{"__metadata__":{"skdae":'  # how the header of a model file begins
# name of a dtype in a file: the dtype
DTYPES = {
    "BOOL": "?",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    **{f"I{8 * n}": f"<i{n}" for n in (1, 2, 4, 8)},
    **{f"U{8 * n}": f"<u{n}" for n in (1, 2, 4, 8)},
}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
ALIGNMENT = 8  # of the arrays: the header is filled up with spaces
PACKAGES = ("numpy", "pandas", "scikit-learn", "torch")


class ModelFileError(ValueError):
    """A file that is not a model of skdae, or is damaged."""


def save(estimator: Any, path: str | os.PathLike, *, metadata: Any = None) -> None:
    """Save an estimator, fitted or not, in a file that needs no pickle.

    Estimators of this package, and those of scikit-learn that hold them (a
    :class:`~sklearn.pipeline.Pipeline` for instance) or stand beside them. A file that
    exists is replaced when the new one is complete; if the process is stopped before,
    it stays as it was. Training that `partial_fit` has begun can go on after loading.

    Parameters
    ----------
    estimator : estimator
        What is saved.
    path : str or path-like
        Name of the file, by custom ``*.skdae``.
    metadata : JSON value, default=None
        Notes beside the estimator: None, numbers, text, lists and dicts.
        :func:`read_manifest` returns them.

    Raises
    ------
    TypeError
        If `estimator` is none of these, or holds something that is neither data nor
        an estimator, such as a function; the message names the attribute. If
        `metadata` is not a JSON value.
    ImportError
        If a tree model of scikit-learn is saved without the package skops.

    See Also
    --------
    load : Read the file.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> import skdae
    >>> X, _ = load_iris(return_X_y=True)
    >>> transformer = skdae.GradualDAETransformer((3,), max_iter=5).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "iris.skdae")
    ...     skdae.save(transformer, path)
    ...     loaded = skdae.load(path)
    >>> bool((loaded.transform(X) == transformer.transform(X)).all())
    True
    """
    if not (is_own(type(estimator)) or is_sklearn(type(estimator))):
        raise TypeError(
            f"estimator must be an estimator of skdae or scikit-learn, got "
            f"{type(estimator).__name__}."
        )
    packer = Packer()
    manifest = {
        "format": FORMAT,
        "class": name_of(type(estimator)),
        "versions": _versions(),
        "metadata": metadata,
        "estimator": _packed(packer, estimator),
    }
    with whole_file(path) as file:
        file.writelines(_chunks(manifest, packer.tensors))


def _packed(packer: Packer, estimator: Any) -> Any:
    """Return an estimator as JSON."""
    name = type(estimator).__name__
    try:
        return packer.pack(estimator, name)
    except NotPackedError as error:
        if not hasattr(estimator, "best_estimator_"):
            raise
        raise NotPackedError(
            f"A search is not saved: {error} Save the best_estimator_ of the {name}, "
            "and its cv_results_ as a table where they are needed."
        ) from error


def load(path: str | os.PathLike) -> Any:
    """Load an estimator from a file that :func:`save` has written.

    Nothing in a file is run: it holds data, and the names of classes of this package
    and of estimators of scikit-learn. The checksum is compared first.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    estimator : estimator
        As it was saved: on the same machine and versions its results are the same to
        the bit.

    Raises
    ------
    ModelFileError
        If the file is not a model of skdae, is damaged, or has a later format.
    ImportError
        If it holds a tree model of scikit-learn and skops is not installed.
    FileNotFoundError
        If there is no such file.
    """
    manifest, tensors = _read(path)
    try:
        size = Path(path).stat().st_size
        return Unpacker(tensors, size).unpack(manifest["estimator"])
    except ImportError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{path} was written by skdae {manifest['versions'].get('skdae')} and "
            f"holds what skdae {__version__} does not know ({error}); load it with "
            "that version, or fit it again."
        ) from error


def read_manifest(path: str | os.PathLike) -> dict[str, Any]:
    """Return the description in a model file, without making the estimator.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    manifest : dict
        ``format`` (int), ``class``, ``versions`` of the packages that wrote it,
        ``metadata`` as given to :func:`save`.

    Raises
    ------
    ModelFileError
        If the file is not a model of skdae, is damaged, or has a later format.
    FileNotFoundError
        If there is no such file.
    """
    manifest, _ = _read(path)
    return {k: v for k, v in manifest.items() if k not in ("estimator", "checksum")}


def is_model_file(path: str | os.PathLike) -> bool:
    """Return whether a file is a model, by how it begins.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    bool
        False also where there is no such file, or it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(LENGTH.size + len(START))[LENGTH.size :] == START
    except OSError:
        return False


def _chunks(
    manifest: dict[str, Any], tensors: dict[str, np.ndarray]
) -> list[bytes | memoryview]:
    """Return the content of a file: the header, then the arrays.

    Written and read here: the package safetensors ends the process where memory runs
    out.
    """
    signed = manifest | {"checksum": _checksum(manifest, tensors)}
    header: dict[str, Any] = {"__metadata__": {KEY: _dumped(signed)}}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": array.shape,
            "data_offsets": [start, end],
        }
    text = _header_text(header)
    text += b" " * (-len(text) % ALIGNMENT)
    data = [array.reshape(-1).view(np.uint8).data for array in tensors.values()]
    return [LENGTH.pack(len(text)) + text, *data]


def _header_text(header: dict[str, Any]) -> bytes:
    """Return the header of a file, as the package safetensors writes it, too."""
    return json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()


def _dumped(manifest: dict[str, Any]) -> str:
    """Return the manifest as JSON; only the `metadata` in it may fail."""
    try:
        return json.dumps(manifest, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise NotPackedError(f"metadata must be a JSON value ({error}).") from None


def _checksum(manifest: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 of the manifest and of the arrays: names, types, shapes and values."""
    digest = hashlib.sha256(_dumped(manifest).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the manifest and the arrays of a file whose checksum is right."""
    if not is_model_file(path):
        Path(path).stat()  # a file that does not exist is another error
        raise ModelFileError(
            f"{path} is not a model file; write one with skdae.save(estimator, path)."
        )
    try:
        manifest, tensors = _read_content(memoryview(Path(path).read_bytes()))
        checksum = manifest.pop("checksum")
        is_whole = _checksum(manifest, tensors) == checksum
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise ModelFileError(f"{path} is damaged: its checksum differs; copy it again.")
    if manifest["format"] > FORMAT:
        raise ModelFileError(
            f"{path} has format {manifest['format']}, and skdae {__version__} reads up "
            f"to {FORMAT}; load it with skdae {manifest['versions'].get('skdae')}."
        )
    return manifest, tensors


def _read_content(content: memoryview) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the manifest, with its checksum, and the arrays of a file."""
    (length,) = LENGTH.unpack_from(content)
    if length > len(content) - LENGTH.size:
        raise ValueError("the header is longer than the file")
    header_text = bytes(content[LENGTH.size : LENGTH.size + length])
    header = json.loads(header_text)
    is_as_written = _header_text(header) == header_text.rstrip(b" ")
    text = header.pop("__metadata__")[KEY]
    manifest = json.loads(text)
    # there may be another text of the same values, which no checksum notices
    if not is_as_written or _dumped(manifest) != text:
        raise ValueError("the header is not as it was written")
    return manifest, _tensors(header, content[LENGTH.size + length :])


def _tensors(header: dict[str, Any], content: memoryview) -> dict[str, np.ndarray]:
    """Return the arrays of a file: aligned copies, the user's to change.

    They lie one after the other, so that they cannot be larger than the file.
    """
    tensors, end = {}, 0
    by_place = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    for name, entry in by_place:
        start, stop = entry["data_offsets"]
        array = np.frombuffer(content[start:stop], DTYPES[entry["dtype"]])
        if start != end or stop < start or stop > len(content):
            raise ValueError(f"{name} does not begin where the array before it ends")
        tensors[name], end = array.reshape(entry["shape"]).copy(), stop
    if end != len(content):
        raise ValueError("something follows the last array")
    return tensors


def _versions() -> dict[str, str]:
    """Return the versions of this package, Python and `PACKAGES`."""
    found = {"skdae": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
