"""The Tennessee Eastman process: find, fetch, check and read its 44 files."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

FOLDER = "tennessee_eastman"
ARCHIVE = "tep.npz"
ABOUT = "tennessee_eastman.json"
N_FAULTS = 21
N_FEATURES = 52
FAULT_START = 160

_COMMIT = "0643318858ce7c87292bd59820b459e12a13d009"
_BASE_URL = (
    "https://raw.githubusercontent.com/camaramm/tennessee-eastman-profBraatz/"
    f"{_COMMIT}/"
)
_SHAPES = {
    "train_normal": (500, N_FEATURES),
    "train_fault": (N_FAULTS, 480, N_FEATURES),
    "test": (N_FAULTS + 1, 960, N_FEATURES),
}

# Texts, and the SHA-256 of the files as published at that commit.
_ABOUT = json.loads(resources.files("skdae.datasets").joinpath(ABOUT).read_text())
_SHA256: dict[str, str] = _ABOUT["sha256"]


def fetch_tennessee_eastman(
    data_home: str | os.PathLike[str] | None = None,
    *,
    download_if_missing: bool = True,
) -> Bunch:
    """Load the Tennessee Eastman process, the standard benchmark of fault detection.

    Most published detectors of process faults are compared on this data set. Data
    that lies in `data_home` is used without any network: the archive ``tep.npz``, or
    the raw files ``d00.dat`` to ``d21_te.dat`` (44, about 27 MB), which may also lie in
    its folder ``tennessee_eastman``. Raw files that lie in neither are downloaded into
    that folder, each one checked and kept as it arrives, so that an interrupted
    download goes on where it stopped.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the data; None for scikit-learn's
        (:func:`sklearn.datasets.get_data_home`).
    download_if_missing : bool, default=True
        Whether files that are not there are downloaded; False raises instead.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        train_normal : ndarray of shape (500, 52), float32
            Normal operation.
        train_fault : ndarray of shape (21, 480, 52), float32
            ``train_fault[k - 1]`` is a run with fault k, present in all its rows.
        test : ndarray of shape (22, 960, 52), float32
            ``test[k]`` is a run with fault k from row `fault_start` on; ``test[0]`` is
            normal throughout.
        fault_start : int
            First row of a test run with the fault, 160.
        feature_names : list of str
            'XMEAS(1)' to 'XMEAS(41)', then 'XMV(1)' to 'XMV(11)'.
        feature_descriptions : list of str
            What each variable is, with its unit.
        fault_names : list of str
            What each fault is; entry 0 is 'normal'.
        DESCR : str
            Source, reference and licence.

    Raises
    ------
    ImportError
        If files have to be downloaded and pooch is not installed.
    OSError
        If files are missing and may not or cannot be downloaded, or if a file is not
        the published one.

    References
    ----------
    .. [1] J. J. Downs and E. F. Vogel, "A plant-wide industrial process control
       problem", Computers and Chemical Engineering 17:245-255, 1993.
    .. [2] E. L. Russell, L. H. Chiang and R. D. Braatz, "Data-driven Techniques for
       Fault Detection and Diagnosis in Chemical Processes", Springer, London, 2000.

    Examples
    --------
    >>> from skdae.datasets import fetch_tennessee_eastman
    >>> process = fetch_tennessee_eastman()  # doctest: +SKIP
    >>> process.test[4, process.fault_start :].shape  # doctest: +SKIP
    (800, 52)
    """
    # get_data_home creates the folder; one that the user names may be read-only.
    home = Path(get_data_home() if data_home is None else data_home).expanduser()
    folders = (home, home / FOLDER)
    archive = next((f / ARCHIVE for f in folders if (f / ARCHIVE).is_file()), None)
    if archive is not None:
        arrays = _read_archive(archive)
    else:
        paths = _find(folders)
        missing = [name for name in _SHA256 if name not in paths]
        if missing and not download_if_missing:
            raise OSError(
                f"{_lacks(home, missing)} and download_if_missing=False; pass "
                f"download_if_missing=True, or put them or {ARCHIVE} there."
            )
        _verify(paths)
        arrays = _read_raw(paths | _download(missing, home))
    return Bunch(
        **arrays,
        fault_start=FAULT_START,
        feature_names=[f"XMEAS({i + 1})" for i in range(41)]
        + [f"XMV({i + 1})" for i in range(11)],
        feature_descriptions=list(_ABOUT["feature_descriptions"]),
        fault_names=list(_ABOUT["fault_names"]),
        DESCR="\n".join(_ABOUT["descr"]),
    )


def _lacks(home: Path, missing: Sequence[str]) -> str:
    """Opening of an error: the folder and the files it lacks."""
    listed = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return (
        f"data_home={str(home)!r} lacks {len(missing)} of the {len(_SHA256)} files of "
        f"the Tennessee Eastman process ({listed})"
    )


def _find(folders: Sequence[Path]) -> dict[str, Path]:
    """Raw files that are there, each in the first folder that has it."""
    return {
        name: folder / name
        for folder in reversed(folders)
        for name in _SHA256
        if (folder / name).is_file()
    }


def _verify(paths: dict[str, Path]) -> None:
    """Raise if a file is not the published one. The user's file is never deleted."""
    for name, path in paths.items():
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != _SHA256[name]:
            raise OSError(
                f"{str(path)!r} must have the SHA-256 {_SHA256[name]} but has {found}: "
                "it is damaged or another file; delete it to have it downloaded again."
            )


def _download(names: Sequence[str], home: Path) -> dict[str, Path]:
    """Fetch raw files one by one; pooch keeps a file only if its checksum is right."""
    if not names:
        return {}
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{_lacks(home, names)}, and downloading them needs the package pooch; "
            "install it with: pip install 'skdae[data]'"
        ) from error

    folder = home / FOLDER
    paths = {}
    for i, name in enumerate(names):
        url = _BASE_URL + name
        try:
            path = pooch.retrieve(
                url, known_hash=_SHA256[name], fname=name, path=folder
            )
        except (OSError, ValueError) as error:  # ValueError: the checksum differs
            raise OSError(
                f"{_lacks(home, names[i:])} and downloading {url} into "
                f"{str(folder)!r} failed ({error}); check the connection and call "
                f"again (files that arrived are kept), or put {ARCHIVE} or the raw "
                "files there by hand."
            ) from error
        paths[name] = Path(path)
    return paths


def _read_raw(paths: dict[str, Path]) -> dict[str, NDArray[np.float32]]:
    """The raw files as three arrays; rows are copied, so each array is contiguous."""
    tables = {name: np.loadtxt(path, dtype=np.float32) for name, path in paths.items()}
    normal = tables["d00.dat"].T  # published with one row per variable
    faults = range(1, N_FAULTS + 1)
    return {
        "train_normal": np.ascontiguousarray(normal),
        "train_fault": np.stack([tables[f"d{k:02d}.dat"] for k in faults]),
        "test": np.stack([tables[f"d{k:02d}_te.dat"] for k in (0, *faults)]),
    }


def _read_archive(path: Path) -> dict[str, NDArray[np.float32]]:
    """The three arrays of the archive, which must have the shapes of the raw files."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _SHAPES if name in archive}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise OSError(
            f"{str(path)!r} must be an archive of numpy arrays but cannot be read "
            f"({error}); move it away to have the raw files used instead."
        ) from error
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != _SHAPES:
        raise OSError(
            f"{str(path)!r} must hold the arrays {_SHAPES} but holds {shapes}; move it "
            "away to have the raw files used instead."
        )
    return {
        name: array.astype(np.float32, copy=False) for name, array in arrays.items()
    }
