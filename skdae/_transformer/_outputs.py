"""What a fitted network returns for rows: codes, errors, reconstructions and scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._core.network import Network, chunks
from skdae._table.encoder import TableEncoder
from skdae._transformer._mixture import Mixture

HIDDEN_PARTS = 4  # each cell is hidden in one of so many passes
HIDDEN_SEED = 0  # which one is the same for every model
HIDDEN_REPEATS = 2  # partitions of the columns


@dataclass(frozen=True)
class Fitted:
    """A trained network, the encoding of its tables, and what it is joined with."""

    encoder: TableEncoder
    network: Network
    mixture: Mixture | None = None  # None: rows are rebuilt by the network alone
    code_scale: float | None = None  # beside inputs; None: in files of earlier releases

    @classmethod
    def of(cls, transformer: Any) -> "Fitted":
        """Take what a fitted transformer has learned."""
        return cls(
            transformer.table_encoder_,
            transformer.network_,
            transformer.mixture_,
            getattr(transformer, "code_scale_", None),
        )

    @property
    def known_code_scale(self) -> float:
        """The scale of codes beside inputs."""
        if self.code_scale is None:
            raise ValueError(
                "output='inputs_and_code' needs a transformer of this release, and "
                "this one is of an earlier one; fit it again, or set output='code'."
            )
        return self.code_scale

    def inputs(self, raw: np.ndarray) -> np.ndarray:
        """Return encoded rows as the network sees them, within limits."""
        return self.encoder.limited(*self.encoder.encode(raw))


Values = Callable[[Fitted, np.ndarray], np.ndarray]


def code(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return the top code, (n, width)."""
    return fitted.network.encode(fitted.inputs(raw))


def layers(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return the codes of all layers side by side, from the bottom up."""
    return np.hstack(fitted.network.codes(fitted.inputs(raw)))


def network_reconstruction(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return the raw table that the network rebuilds, float64."""
    return fitted.encoder.decode(fitted.network.decode(code(fitted, raw)))


def reconstruction(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return the denoised raw table, float64.

    An observed cell outside of the range of `fit` is a limit instead of that range, and
    no observed cell is moved by more than the noise has moved one.
    """
    mixed, cells = _mixed(fitted, raw)
    values = fitted.encoder.decode(mixed, beside=cells)
    if fitted.mixture is None or fitted.mixture.largest is None:
        return values
    largest = fitted.mixture.largest
    limited = np.clip(values, raw - largest, raw + largest)
    return np.where(np.isnan(raw), values, limited)


def _mixed(fitted: Fitted, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the encoded features of denoised rows, and those of the rows."""
    Z, observed = fitted.encoder.encode(raw)
    inputs = fitted.encoder.limited(Z, observed)
    rebuilt = fitted.network.decode(fitted.network.encode(inputs))
    if fitted.mixture is None:
        return rebuilt, inputs
    missing = np.zeros(Z.shape, dtype=bool) if observed is None else ~observed
    return fitted.mixture(Z, missing, rebuilt), np.where(missing, 0, Z)


def residuals(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return observed minus rebuilt in robust standard units, NaN where missing."""
    return fitted.encoder.residuals(raw, fitted.network.decode(code(fitted, raw)))


def row_errors(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return the mean squared residual of the observed cells; 1 for a row of none."""
    return _mean_squares(residuals(fitted, raw))


def _mean_squares(errors: np.ndarray) -> np.ndarray:
    seen = ~np.isnan(errors)
    total = np.where(seen, errors**2, 0).sum(axis=1)
    n_seen = seen.sum(axis=1)
    return np.where(n_seen > 0, total / np.maximum(n_seen, 1), 1.0)


def _error(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    return np.nan_to_num(residuals(fitted, raw), nan=0.0)


def _inputs_and_code(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    Z = fitted.inputs(raw)
    scale = np.asarray(fitted.known_code_scale, dtype=Z.dtype)
    return np.hstack([Z, scale * fitted.network.encode(Z)])


def _code_and_error(fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    H = code(fitted, raw)
    errors = fitted.encoder.residuals(raw, fitted.network.decode(H))
    return np.column_stack([H, _mean_squares(errors)])


def by_chunk(values: Values, fitted: Fitted, raw: np.ndarray) -> np.ndarray:
    """Return the values of all rows, computed a cache-sized chunk at a time."""
    parts = [values(fitted, raw[rows]) for rows in chunks(len(raw))]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def outputs_of(transformer: Any, values: Values, raw: np.ndarray) -> np.ndarray:
    """Return values of rows by a fitted transformer."""
    return by_chunk(values, Fitted.of(transformer), raw)


def hidden_cell_score(fitted: Fitted, raw: np.ndarray) -> float:
    """Return one minus the mean squared residual of hidden cells.

    Each cell is hidden in one of `HIDDEN_PARTS` passes and rebuilt from what the pass
    leaves. Columns weigh alike; constant ones do not count where others do.
    """
    encoder = fitted.encoder
    generator = np.random.default_rng(HIDDEN_SEED)
    total, n_cells = np.zeros(raw.shape[1]), np.zeros(raw.shape[1])
    for rows in chunks(len(raw)):
        seen = encoder.observed_cells(raw[rows])
        part_of = generator.integers(HIDDEN_PARTS, size=seen.shape, dtype=np.int8)
        for part in range(HIDDEN_PARTS):
            hidden = part_of == part
            shown = raw[rows].copy()
            shown[hidden] = np.nan
            squares = encoder.residuals(raw[rows], _mixed(fitted, shown)[0]) ** 2
            counted = hidden & seen
            total += np.where(counted, squares, 0).sum(axis=0)
            n_cells += counted.sum(axis=0)
    scored = n_cells > 0
    if (scored & ~encoder.is_constant).any():
        scored &= ~encoder.is_constant
    if not scored.any():
        return 0.0
    return float(1 - np.mean(total[scored] / n_cells[scored]))


def hidden_cell_residuals(
    encoder: TableEncoder, network: Network, raw: np.ndarray, Z: np.ndarray
) -> np.ndarray:
    """Return the residuals of cells hidden from the network, NaN where missing.

    `Z` are the encoded rows. The columns are divided among `HIDDEN_PARTS` passes,
    each of which hides its columns and rebuilds them from the others; averaged over
    `HIDDEN_REPEATS` such partitions, which are the same for all rows and models.
    """
    total = np.zeros(raw.shape)
    column_of = encoder.column_of
    for part_of in hidden_partitions(raw.shape[1]):
        for part in np.unique(part_of):
            hidden = part_of == part
            rebuilt = network.decode(network.encode(np.where(hidden[column_of], 0, Z)))
            total[:, hidden] += encoder.residuals(raw, rebuilt)[:, hidden]
    return total / HIDDEN_REPEATS


def hidden_partitions(n_columns: int) -> list[np.ndarray]:
    """Return the pass that hides each column, in each of the partitions."""
    generator = np.random.default_rng(HIDDEN_SEED)
    return [
        generator.permutation(n_columns) % HIDDEN_PARTS for _ in range(HIDDEN_REPEATS)
    ]


# --- the outputs of transform -------------------------------------------------------


def _code_names(prefix: str, fitted: Fitted, inputs: Sequence[str]) -> list[str]:
    return [f"{prefix}{i}" for i in range(len(fitted.network.encoder[-1].bias))]


def _layer_names(prefix: str, fitted: Fitted, inputs: Sequence[str]) -> list[str]:
    return [
        f"{prefix}_layer{k}_{i}"
        for k, layer in enumerate(fitted.network.encoder, 1)
        for i in range(len(layer.bias))
    ]


def _code_and_error_names(
    prefix: str, fitted: Fitted, inputs: Sequence[str]
) -> list[str]:
    return [*_code_names(prefix, fitted, inputs), f"{prefix}_error"]


def _inputs_and_code_names(
    prefix: str, fitted: Fitted, inputs: Sequence[str]
) -> list[str]:
    encoder = fitted.encoder
    names = [f"{prefix}_input_{inputs[column]}" for column in encoder.numeric]
    for column, codes in zip(encoder.categorical, encoder.codes, strict=True):
        names += [f"{prefix}_input_{inputs[column]}={k}" for k in range(len(codes))]
    return [*names, *_code_names(prefix, fitted, inputs)]


def _input_names(prefix: str, fitted: Fitted, inputs: Sequence[str]) -> list[str]:
    return list(inputs)


def _first(fitted: Fitted, H: np.ndarray) -> np.ndarray:
    return H[:, : len(fitted.network.encoder[-1].bias)]


def _last(fitted: Fitted, H: np.ndarray) -> np.ndarray:
    return H[:, -len(fitted.network.encoder[-1].bias) :]


def _of_inputs(fitted: Fitted, H: np.ndarray) -> np.ndarray:
    return fitted.network.encode(H[:, : len(fitted.encoder.column_of)])


@dataclass(frozen=True)
class Output:
    """A kind of output: its values, its names, and the top code behind it."""

    values: Values
    names: Callable[[str, Fitted, Sequence[str]], list[str]]
    # from rows of the output; None where there is no code to invert
    code: Values | None


OUTPUTS = {
    "code": Output(code, _code_names, _first),
    "inputs_and_code": Output(_inputs_and_code, _inputs_and_code_names, _of_inputs),
    "layers": Output(layers, _layer_names, _last),
    "code_and_error": Output(_code_and_error, _code_and_error_names, _first),
    "reconstruction": Output(reconstruction, _input_names, None),
    "error": Output(_error, _input_names, None),
}
