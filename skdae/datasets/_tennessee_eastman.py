"""The Tennessee Eastman process: find, fetch, check and read its 44 files."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

FOLDER = "tennessee_eastman"
ARCHIVE = "tep.npz"
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
_TRANSPOSED = frozenset({"d00.dat"})  # published with one row per variable

# SHA-256 of the files as published at that commit.
_SHA256 = {
    "d00.dat": "4c3c0b11eefacf93e5d2529e2866d7a625e37aa9153d0f95fae17a6c9e560deb",
    "d00_te.dat": "57d56da4199e3d73582855d810be1d13d931386fd728bf1694798c7b0a03678c",
    "d01.dat": "b0da22ac7561d82b0ba0b48bf87d2b3a8655cb23a3dc37330dd03cdd126c387c",
    "d01_te.dat": "e7e6992fb39664e739fccbc001a1c5d5f7cb21829544f734ca3f282c26f680e5",
    "d02.dat": "af1a46ba3a5482be3e7b143606f22ae509138544af2a2d0eb7389459257f8179",
    "d02_te.dat": "a34bd9c3693fa96bd3ee533fb7fbe29a9d226a4e3250b585ef1308e1136dbfb0",
    "d03.dat": "df39c57bdac7ea476ee236c289e0f59b0cbf868adfbbbaf213f692d8cd96e52a",
    "d03_te.dat": "b7bf6f2ed7cff0a5577898b009edd252b9bdf6ee9ff7dbeacf9af9aa4c6abace",
    "d04.dat": "346702fce33d9707f0b4ec5b8f533ccb08be60313607d5156d7e237b80a87b3f",
    "d04_te.dat": "1ccb488dd5feac11aad54623451168abef066229e685872597897800363916f9",
    "d05.dat": "3a47bfce4010ce0c634ae828409cce657ecd03bf0c4d59f8dd4a3d4f792f493f",
    "d05_te.dat": "1def7258a2865aeead699d52c8cf926fbf34c1467aaf298121987ab858fd0888",
    "d06.dat": "ff0882a44bb74f5d2d1a864425ac7e5ae82420391c7060232cefc08ad5bf7331",
    "d06_te.dat": "8a3adc7121eaa9b9300c27f9c57a8ab356315401cb964310a4a8244dd34bf79d",
    "d07.dat": "e3fd272ed53f899ab0c8278c7eede55418b01a2339b5fcff14a87fefaa3d181d",
    "d07_te.dat": "e01b7c81daf9fccc4495cbde5658296918276b3c078044893f6e945dd91d3446",
    "d08.dat": "4817735e339449bec909d1cbe77e421acc79c7357b8c6b5bb82c6e5788b72449",
    "d08_te.dat": "c0637f02f23b79890b43cfee9604818ad6d7f81532223d76acf1da0d6e2a2cc1",
    "d09.dat": "cb9146da760cdd52cad575d745413a5cfb4b447af2db9fb6a424cf6881ff0fcd",
    "d09_te.dat": "513df6c3a4fd48e0eaddb0002cd8cdab3a78a5c83c47883bb52d2dc6c2472428",
    "d10.dat": "e08697b5d074aea2345434bc4d26296f5dbdbb7efbf37a1bbee292b2ce765e8f",
    "d10_te.dat": "3a278be79d8d111fc60be3cfb4f961c28e2dc632f17eb519886aa0f95864ffc6",
    "d11.dat": "8294734d6f6e8f6b8643b9dc72f38ce40afd868d30dee9368a0d26b963a0af9f",
    "d11_te.dat": "6d60a4c932d918e1ab26ae5d16320936a665f3aad3f05482d23f5c4550b9f29a",
    "d12.dat": "62fcb3c71c0eda8eaaaf707f35296e60b17baaf9a9aef588687532cf4c560d38",
    "d12_te.dat": "2180fcecb01d1b110b429ba2969d6b18dcc625599e3640e54f69afa32dccbe50",
    "d13.dat": "f755d4ab6dc1d30e36c2e4604eeb0baff4b91032f487398b97fb1220eda861dd",
    "d13_te.dat": "2e34e0c427d6e41d77d6cae76550b7e95004f9f13bc093278ecf5c282a1c9f03",
    "d14.dat": "29fda7d5cae58cb7240e569e2d2d436371d077d282187d9205c7dc01df8755af",
    "d14_te.dat": "e8976d056c0769cebbcec3bcba89d2468040ccae7acbea55ebc3b2e56b217396",
    "d15.dat": "4c82fe0864cce2521e91a2c3e59d8630627c5e633cffe83f5e34ebc9901b5bca",
    "d15_te.dat": "a7242b956837bec8ca7f224d01805247f2aea6ea868eaa064e068b5c0761b1e5",
    "d16.dat": "ca1dfc5e31292052e83dcf6b4f60a73da197eb8a47e65d908ed7ac3cbcccb007",
    "d16_te.dat": "8381d7371aac49b498e7bf93149b77a0a6bbeffe73520881dcbe8ae96277244d",
    "d17.dat": "596aad6421a64d257bfa098cd5c4664d46dc49d88d1bad86cbc9518e6cd69e42",
    "d17_te.dat": "27d2d72052064e3cbb7a45df8073f15bb83b77403f532616e73c8869b043e7c9",
    "d18.dat": "b4d182c070036104cf150bc33f7aa879805f19943eb298bc05bdc8647dc70291",
    "d18_te.dat": "1db5b93a7daa58ed1b641845b58ad818546ced7f3de866c086da18a7ebef5041",
    "d19.dat": "ee3d2a50285cb3ba5e52ec05ea7cb39dc2b574bec592af9d44c192be132aeea6",
    "d19_te.dat": "c24dd77f787f89347273addc8a453d79f0b99edd64d43be11a5e0907bd515c5f",
    "d20.dat": "acdfe6c256fa6de74a811d6c7df1b710a9f0ed60f48242be92f3fa30db3df6b3",
    "d20_te.dat": "e54035eda95311f13dd095f87607d97a89b7541afa2a3f68af098f33a5e2e6e5",
    "d21.dat": "f34a9fefffef04ef1f49b3fb74e3def0010cda27a8577d814dd50604e2f8dc09",
    "d21_te.dat": "b6823aa09638cd59cb168bc24f991b6d4d557d8aea62b0b2a87ee67c21ba5a83",
}

_ANALYSES = (  # stream, components
    ("reactor feed, stream 6", "ABCDEF"),
    ("purge gas, stream 9", "ABCDEFGH"),
    ("product, stream 11", "DEFGH"),
)
_CONTINUOUS = (
    "A feed, stream 1 (kscmh)",
    "D feed, stream 2 (kg/h)",
    "E feed, stream 3 (kg/h)",
    "A and C feed, stream 4 (kscmh)",
    "recycle flow, stream 8 (kscmh)",
    "reactor feed rate, stream 6 (kscmh)",
    "reactor pressure (kPa gauge)",
    "reactor level (%)",
    "reactor temperature (deg C)",
    "purge rate, stream 9 (kscmh)",
    "separator temperature (deg C)",
    "separator level (%)",
    "separator pressure (kPa gauge)",
    "separator underflow, stream 10 (m3/h)",
    "stripper level (%)",
    "stripper pressure (kPa gauge)",
    "stripper underflow, stream 11 (m3/h)",
    "stripper temperature (deg C)",
    "stripper steam flow (kg/h)",
    "compressor work (kW)",
    "reactor cooling water outlet temperature (deg C)",
    "separator cooling water outlet temperature (deg C)",
)
_MANIPULATED = (
    "D feed flow, stream 2 (%)",
    "E feed flow, stream 3 (%)",
    "A feed flow, stream 1 (%)",
    "A and C feed flow, stream 4 (%)",
    "compressor recycle valve (%)",
    "purge valve, stream 9 (%)",
    "separator liquid flow, stream 10 (%)",
    "stripper product flow, stream 11 (%)",
    "stripper steam valve (%)",
    "reactor cooling water flow (%)",
    "condenser cooling water flow (%)",
)
_FAULT_NAMES = (
    "normal",
    "A/C feed ratio, B composition constant, stream 4 (step)",
    "B composition, A/C ratio constant, stream 4 (step)",
    "D feed temperature, stream 2 (step)",
    "reactor cooling water inlet temperature (step)",
    "condenser cooling water inlet temperature (step)",
    "A feed loss, stream 1 (step)",
    "C header pressure loss, stream 4 (step)",
    "A, B, C feed composition, stream 4 (random variation)",
    "D feed temperature, stream 2 (random variation)",
    "C feed temperature, stream 4 (random variation)",
    "reactor cooling water inlet temperature (random variation)",
    "condenser cooling water inlet temperature (random variation)",
    "reaction kinetics (slow drift)",
    "reactor cooling water valve (sticking)",
    "condenser cooling water valve (sticking)",
    *("unknown",) * 5,
    "valve of stream 4 fixed at its steady-state position (constant)",
)

_DESCR = f"""\
Tennessee Eastman process
-------------------------

Simulated chemical plant under closed-loop control: 41 measured variables, XMEAS(1) to
XMEAS(41), and 11 manipulated ones, XMV(1) to XMV(11), recorded every 3 minutes. One
normal run and {N_FAULTS} runs with a fault for training; one normal run and {N_FAULTS}
runs with a fault for testing, in which the fault sets in after 8 hours (row
{FAULT_START}). Faults 3, 9 and 15 are known to be all but undetectable. Rows are in the
order of time.

Source: J. J. Downs and E. F. Vogel, "A plant-wide industrial process control problem",
Computers and Chemical Engineering 17 (1993) 245-255; simulations by E. L. Russell,
L. H. Chiang and R. D. Braatz, "Data-driven Techniques for Fault Detection and Diagnosis
in Chemical Processes", Springer, London, 2000.

Files: {_BASE_URL}
Licence: Copyright (c) 1998-2002 The Board of Trustees of the University of Illinois;
permissive, University of Illinois/NCSA type; text in the file LICENSE beside the data.
It asks users to cite the sources above.
"""


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
        feature_names=_feature_names(),
        feature_descriptions=_feature_descriptions(),
        fault_names=list(_FAULT_NAMES),
        DESCR=_DESCR,
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
        try:
            path = pooch.retrieve(
                _BASE_URL + name, known_hash=_SHA256[name], fname=name, path=folder
            )
        except ValueError as error:  # pooch: the checksum differs
            raise OSError(
                f"{_BASE_URL + name} must have the SHA-256 {_SHA256[name]}, but what "
                "arrived differs (a proxy's page or a broken transfer?) and was not "
                f"kept; try again, or put the file into {str(folder)!r} by hand."
            ) from error
        except OSError as error:  # requests' errors are OSErrors too
            raise OSError(
                f"{_lacks(home, names[i:])} and downloading {_BASE_URL + name} into "
                f"{str(folder)!r} failed ({error}); check the connection and call "
                f"again (files that arrived are kept), or put {ARCHIVE} or the raw "
                "files there by hand."
            ) from error
        paths[name] = Path(path)
    return paths


def _read_table(path: Path) -> NDArray[np.float32]:
    """One raw file as a table of shape (samples, 52)."""
    table = np.loadtxt(path)
    return (table.T if path.name in _TRANSPOSED else table).astype(np.float32)


def _read_raw(paths: dict[str, Path]) -> dict[str, NDArray[np.float32]]:
    """The raw files as three arrays; rows are copied, so each array is contiguous."""
    tables = {name: _read_table(path) for name, path in paths.items()}
    faults = range(1, N_FAULTS + 1)
    return {
        "train_normal": np.ascontiguousarray(tables["d00.dat"]),
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


def _feature_names() -> list[str]:
    """XMEAS(1) to XMEAS(41), then XMV(1) to XMV(11)."""
    n_manipulated = len(_MANIPULATED)
    measured = [f"XMEAS({i + 1})" for i in range(N_FEATURES - n_manipulated)]
    return measured + [f"XMV({i + 1})" for i in range(n_manipulated)]


def _feature_descriptions() -> list[str]:
    """Meaning and unit, in the order of the feature names."""
    sampled = [
        f"component {component}, {stream} (mol %)"
        for stream, components in _ANALYSES
        for component in components
    ]
    return [*_CONTINUOUS, *sampled, *_MANIPULATED]
