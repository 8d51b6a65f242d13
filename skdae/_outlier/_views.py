"""Views of rows: what the scores of a detector look at, each computed once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skdae._core.network import Network, chunks
from skdae._table.encoder import TableEncoder
from skdae._transformer._outputs import hidden_cell_residuals

#: Whether the columns of a view are those of the table (residuals), and what is normal
#: is learned from held-out rows; else from the rows that the network was trained on.
IS_RESIDUAL = {"inputs": False, "code": False, "residuals": True, "hidden": True}


@dataclass(frozen=True)
class Views:
    """What a fitted network makes of a batch of rows.

    The rows are encoded once, and each view is computed when it is first asked for.
    """

    encoder: TableEncoder
    network: Network
    raw: np.ndarray  # (n, n_columns)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a view by its name in `IS_RESIDUAL`, (n, width) float64."""
        return {
            "inputs": lambda: self.inputs,
            "code": lambda: self._code.astype(np.float64),
            "residuals": lambda: self.residuals,
            "hidden": lambda: self.hidden,
        }[name]()

    @cached_property
    def _encoded(self) -> np.ndarray:
        """The rows as the network sees them, (n, n_features)."""
        return self.encoder.encode(self.raw)[0]

    @cached_property
    def inputs(self) -> np.ndarray:
        """Encoded rows, (n, n_features)."""
        return self._encoded.astype(np.float64)

    @cached_property
    def _code(self) -> np.ndarray:
        """Top codes, (n, width), in the dtype of the rows."""
        Z = self._encoded
        return np.concatenate([self.network.encode(Z[k]) for k in chunks(len(Z))])

    @cached_property
    def residuals(self) -> np.ndarray:
        """Observed minus rebuilt cells, (n, n_columns)."""
        return np.concatenate(
            [
                _without_gaps(
                    self.encoder.residuals(
                        self.raw[k], self.network.decode(self._code[k])
                    )
                )
                for k in chunks(len(self.raw))
            ]
        )

    @cached_property
    def hidden(self) -> np.ndarray:
        """Residuals of cells hidden from the network, (n, n_columns)."""
        return np.concatenate(
            [
                _without_gaps(
                    hidden_cell_residuals(
                        self.encoder, self.network, self.raw[k], self._encoded[k]
                    )
                )
                for k in chunks(len(self.raw))
            ]
        )


def _without_gaps(errors: np.ndarray) -> np.ndarray:
    """Return residuals with 0 for missing cells, the others scaled up to make good."""
    observed = ~np.isnan(errors)
    share = np.maximum(observed.mean(axis=1, keepdims=True), 1 / errors.shape[1])
    return np.where(observed, errors, 0) / np.sqrt(share)
