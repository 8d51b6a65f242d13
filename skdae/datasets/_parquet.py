"""Batches of rows of Parquet files, a few row groups at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas


class ParquetBatches:
    """Batches of rows of Parquet files, for tables that do not fit into memory.

    Each pass reads all row groups in a new random order and yields DataFrames, each of
    several row groups; the next one is read while the current one is used. Memory holds
    two of them at a time, however long the files are.

    Parameters
    ----------
    path : str, path-like or sequence of them
        Parquet files with the same columns, or a folder of ``*.parquet`` files.
    columns : sequence of str or None, default=None
        Columns to read, in this order; None for all.
    n_mixed : int, default=4
        Row groups in one batch. Files in time order should have small row groups, or
        this number should be large, so that a batch holds rows of many times.
    random_state : int or None, default=None
        Seed of the order. Passes differ from each other; :meth:`rewind`, which
        `fit_stream` calls, starts the sequence of passes again.

    Raises
    ------
    ValueError
        If no file is found, or a column is missing in a file.

    Examples
    --------
    >>> import pandas, tempfile, os
    >>> from skdae import GradualDAETransformer
    >>> from skdae.datasets import ParquetBatches, make_sensor_data
    >>> folder = tempfile.mkdtemp()
    >>> frame = make_sensor_data(1000, as_frame=True, random_state=0).data
    >>> frame.to_parquet(os.path.join(folder, "plant.parquet"), row_group_size=100)
    >>> batches = ParquetBatches(folder, random_state=0)
    >>> batches.n_rows
    1000
    >>> dae = GradualDAETransformer((16, 8), max_iter=4, random_state=0)
    >>> dae.fit_stream(batches).reconstruct(frame).shape == frame.shape
    True
    """

    def __init__(
        self,
        path: str | os.PathLike | Sequence[str | os.PathLike],
        *,
        columns: Sequence[str] | None = None,
        n_mixed: int = 4,
        random_state: int | None = None,
    ) -> None:
        parquet = _import_parquet()
        if not isinstance(n_mixed, int) or n_mixed < 1:
            raise ValueError(
                f"n_mixed={n_mixed!r} must be an int of at least 1, the row groups "
                "mixed at once."
            )
        self.paths = _files(path)
        columns = [columns] if isinstance(columns, str) else columns
        self.columns = None if columns is None else list(columns)
        self.n_mixed = n_mixed
        self.random_state = random_state
        self.rewind()
        self._groups: list[tuple[str, int]] = []  # file, row group
        self.n_rows = 0
        for file in self.paths:
            metadata = _metadata(parquet, file)
            names = metadata.schema.to_arrow_schema().names
            self.columns = names if self.columns is None else self.columns
            lacking = [name for name in self.columns if name not in names]
            if lacking:
                raise ValueError(
                    f"The columns {lacking} are not in {file!r}, which has "
                    f"{names}; name columns that every file has."
                )
            self.n_rows += metadata.num_rows
            self._groups += [(file, k) for k in range(metadata.num_row_groups)]

    def rewind(self) -> None:
        """Start again with the first pass, as after construction."""
        self._generator = np.random.default_rng(self.random_state)

    def __iter__(self) -> Iterator[pandas.DataFrame]:
        """One pass over all rows, in a new random order."""
        order = self._generator.permutation(len(self._groups))
        if len(order) == 0:
            return
        mixtures = np.split(order, range(self.n_mixed, len(order), self.n_mixed))
        with ThreadPoolExecutor(max_workers=1) as reader:
            following = reader.submit(self._read, mixtures[0])
            for ahead in [*mixtures[1:], None]:
                frame = following.result()
                if ahead is not None:
                    following = reader.submit(self._read, ahead)
                if len(frame):
                    yield frame

    def _read(self, mixture: np.ndarray) -> pandas.DataFrame:
        """Read some row groups as one frame."""
        import pyarrow

        parquet = _import_parquet()
        tables = []
        for place in mixture:
            path, group = self._groups[place]
            with parquet.ParquetFile(path) as file:
                tables.append(file.read_row_group(group, columns=self.columns))
        # a column of whole numbers in one file may have fractions in another
        table = pyarrow.concat_tables(tables, promote_options="permissive")
        return table.to_pandas()[self.columns]


def _import_parquet() -> Any:
    """Return pyarrow's Parquet module."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "ParquetBatches needs pyarrow; install it with pip install "
            "'skdae[parquet]'."
        ) from error
    return parquet


def _metadata(parquet: Any, file: str) -> Any:
    """Return the metadata of a file, which must be a Parquet file."""
    if not os.path.exists(file):
        raise ValueError(f"path={file!r} does not exist; name Parquet files.")
    try:
        return parquet.read_metadata(file)
    except Exception as error:
        raise ValueError(
            f"{file!r} is not a Parquet file ({error}); write it with to_parquet."
        ) from error


def _files(path: Any) -> list[str]:
    """Return the files of a path, a folder or a list of paths."""
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    files: list[str] = []
    for each in [os.fspath(path) for path in paths]:
        if os.path.isdir(each):
            names = sorted(os.listdir(each))
            files += [os.path.join(each, n) for n in names if n.endswith(".parquet")]
        else:
            files.append(each)
    if not files:
        raise ValueError(
            f"path={path!r} holds no Parquet file; name files, or a folder with "
            "*.parquet in it."
        )
    return files
