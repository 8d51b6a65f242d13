"""Views of rows: what the scores of a detector look at, each computed once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skdae._core.network import Network, chunks
from skdae._outlier._folds import Batch
from skdae._table.encoder import TableEncoder
from skdae._transformer._outputs import hidden_cell_residuals

FILL_PASSES = 2  # of the network over rows with missing cells

#: Whether the columns of a view are those of the table (residuals), and what is normal
#: is learned from held-out rows; else from the rows that the network was trained on.
IS_RESIDUAL = {
    "inputs": False,  # the encoded row
    "window": False,  # the encoded row and the rows before it
    "code": False,  # its top code
    "residuals": True,  # observed minus rebuilt
    "hidden": True,  # the same for cells hidden from the network
}


@dataclass(frozen=True)
class Views:
    """What a fitted network makes of a batch of rows.

    The rows are encoded once, and each view is computed when it is first asked for.
    Missing cells are filled with what the network rebuilds from the others.
    """

    encoder: TableEncoder
    network: Network
    batch: Batch

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a view by its name in `IS_RESIDUAL`, (n, width) float64."""
        return {
            "inputs": lambda: self.inputs,
            "window": lambda: self.window,
            "code": lambda: self._code.astype(np.float64),
            "residuals": lambda: self.residuals,
            "hidden": lambda: self.hidden,
        }[name]()

    def missing(self, name: str) -> np.ndarray | None:
        """Return which features of a view are missing, (n, width), None without one."""
        missing = self._filled_and_missing[1]
        if missing is None or name == "code":
            return None
        if IS_RESIDUAL[name]:
            cells = ~self.encoder.observed_cells(self.batch.rows)
            return cells & self.encoder.has_values
        if name == "inputs":
            return missing[self.batch.window[:, 0]]
        return missing[self.batch.window].reshape(len(self.batch), -1)

    @cached_property
    def _filled(self) -> np.ndarray:
        """The encoded rows of the batch without gaps, (m, n_features)."""
        return self._filled_and_missing[0]

    @cached_property
    def _filled_and_missing(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The encoded rows of the batch, filled, and which features were missing."""
        Z, observed = self.encoder.encode(self.batch.raw)
        if observed is None:
            return Z, None
        missing = ~observed & self.encoder.has_values[self.encoder.column_of]
        rows = np.flatnonzero(missing.any(axis=1))
        for part in chunks(len(rows)):
            gaps, filled = missing[rows[part]], Z[rows[part]]
            for _ in range(FILL_PASSES):
                rebuilt = self.network.decode(self.network.encode(filled))
                filled = np.where(gaps, rebuilt, filled)
            Z[rows[part]] = filled
        return Z, missing

    @cached_property
    def _encoded(self) -> np.ndarray:
        """The rows to be scored as the network sees them, (n, n_features)."""
        return self._filled[self.batch.window[:, 0]]

    @cached_property
    def inputs(self) -> np.ndarray:
        """Encoded rows, (n, n_features)."""
        return self._encoded.astype(np.float64)

    @cached_property
    def window(self) -> np.ndarray:
        """Encoded rows, the row itself first, (n, (1 + lags) * n_features)."""
        Z = self._filled[self.batch.window]  # (n, 1 + lags, n_features)
        return Z.reshape(len(Z), -1).astype(np.float64)

    @cached_property
    def _code(self) -> np.ndarray:
        """Top codes, (n, width), in the dtype of the rows."""
        Z = self._encoded
        return np.concatenate([self.network.encode(Z[k]) for k in chunks(len(Z))])

    @cached_property
    def residuals(self) -> np.ndarray:
        """Observed minus rebuilt cells, (n, n_columns)."""
        raw = self.batch.rows
        return np.concatenate(
            [
                _without_gaps(
                    self.encoder.residuals(raw[k], self.network.decode(self._code[k]))
                )
                for k in chunks(len(raw))
            ]
        )

    @cached_property
    def hidden(self) -> np.ndarray:
        """Residuals of cells hidden from the network, (n, n_columns)."""
        raw, Z = self.batch.rows, self._encoded
        return np.concatenate(
            [
                _without_gaps(
                    hidden_cell_residuals(self.encoder, self.network, raw[k], Z[k])
                )
                for k in chunks(len(raw))
            ]
        )


def _without_gaps(errors: np.ndarray) -> np.ndarray:
    """Return residuals with 0 for missing cells, the others scaled up to make good."""
    observed = ~np.isnan(errors)
    if observed.all():
        return errors
    share = np.maximum(observed.mean(axis=1, keepdims=True), 1 / errors.shape[1])
    return np.where(observed, errors, 0) / np.sqrt(share)
