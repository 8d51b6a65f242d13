"""What rows are rebuilt as: a mixture of the network, a linear estimate and the cells.

The linear estimate of a cell is its conditional mean given the other cells of the row,
under a normal distribution of the corrupted rows. Held-out rows, corrupted by the
transformer's noise, decide how much each of the three counts in a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skdae._core.corruption import corrupt
from skdae._core.network import Network, chunks
from skdae._core.sources import Block
from skdae._covariance import shrunk_covariance
from skdae._gaussian import Gaussian, fit_gaussian
from skdae._simplex import simplex_shares
from skdae._table.encoder import TableEncoder
from skdae.noise import Noise

MAX_LINEAR_ROWS = 5_000  # that the covariance is estimated from
RIDGE = 1e-4  # least variance of an axis of scaled columns
MIN_HELD_OUT = 20  # different rows: fewer do not rank the candidates
MAX_HELD_OUT = 1_000  # that are scored
MIN_SCORED = 1_000  # fewer rows are scored several times, with other corruptions
FEW_HIDDEN = 0.02  # share of cells; noise that hides fewer does not show such errors
HIDDEN_SHARE = 0.25  # of the cells are hidden then


@dataclass(frozen=True)
class Mixture:
    """Shares of the estimates of a cell, by encoded feature.

    Attributes
    ----------
    gaussian : Gaussian
        Of corrupted rows.
    groups : tuple of slice
        One-hot features of each categorical column.
    low, high : ndarray of shape (n_features,)
        Range seen in training, which linear estimates do not leave.
    hidden : ndarray of shape (2, n_features)
        Shares of network and linear estimate in a missing cell; they add up to 1.
    visible : ndarray of shape (2, n_features)
        The same in an observed cell. What is left of 1 is the share of the cell.
    largest : ndarray of shape (n_columns,) or None
        Largest error that the noise made in an observed cell, in the column's units:
        no cell is moved farther. Infinite where it made none; None in older files.
    """

    gaussian: Gaussian
    groups: tuple[slice, ...]
    low: np.ndarray
    high: np.ndarray
    hidden: np.ndarray
    visible: np.ndarray
    largest: np.ndarray | None = None

    def linear(self, Z: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return each cell as the other cells of the row predict it, (n, n_features).

        Missing ones by the observed cells, observed ones by all others.
        """
        precision = self.gaussian.precision
        filled = self.gaussian.fill(Z, missing)
        pull = (filled - self.gaussian.mean) @ precision  # 0 where missing
        deviation = pull / np.diag(precision)
        for group in self.groups:  # no feature of a column predicts another one
            inverse = np.linalg.inv(precision[group, group])
            deviation[:, group] = pull[:, group] @ inverse
        return np.clip(filled - deviation, self.low, self.high)

    def __call__(
        self, Z: np.ndarray, missing: np.ndarray, rebuilt: np.ndarray
    ) -> np.ndarray:
        """Return the mixed rows, float64, from encoded and rebuilt ones."""
        network, linear = np.where(
            missing[None], self.hidden[:, None], self.visible[:, None]
        )
        own = np.where(missing, 0, Z)
        mixed = (1 - network - linear) * own + network * rebuilt
        return mixed + linear * self.linear(Z, missing)


@dataclass(frozen=True)
class Corruptions:
    """Encoded rows with noise, as they are shown to the candidates."""

    truth: np.ndarray  # (n, n_features)
    observed: np.ndarray  # bool: cells with a truth
    shown: np.ndarray  # 0 where missing
    missing: np.ndarray  # bool: not observed, or hidden by the noise

    @classmethod
    def draw(
        cls,
        block: Block,
        encoder: TableEncoder,
        noise: Noise,
        generator: np.random.Generator,
    ) -> "Corruptions":
        """Corrupt rows; cells that the noise sets to 0 are missing, as in a table."""
        observed = block.observed
        if observed is None:
            observed = np.ones(block.values.shape, dtype=bool)
        shown, mask = corrupt(block, encoder.layout, noise, generator)
        hidden = mask & (shown == 0)
        for group in encoder.groups:
            hidden[:, group] = hidden[:, group].all(axis=1, keepdims=True)
        return cls(block.values, observed, shown, hidden | ~observed)

    def with_hidden(
        self, encoder: TableEncoder, generator: np.random.Generator
    ) -> "Corruptions":
        """Hide a share of the cells at random."""
        cells = generator.random((len(self.shown), encoder.n_columns)) < HIDDEN_SHARE
        missing = self.missing | cells[:, encoder.column_of]
        shown = np.where(missing, 0, self.shown)
        return Corruptions(self.truth, self.observed, shown, missing)

    @property
    def hidden(self) -> np.ndarray:
        """Cells with a truth that are not shown."""
        return self.missing & self.observed

    @property
    def visible(self) -> np.ndarray:
        """Cells with a truth that are shown."""
        return ~self.missing & self.observed


def learn_mixture(
    encoder: TableEncoder,
    network: Network,
    noise: Noise,
    train: Block,
    held_out: Block,
    generator: np.random.Generator,
) -> Mixture:
    """Learn the linear estimate from training rows, and the shares on held-out ones."""
    drawn = draw_corruptions(held_out, encoder, noise, generator)
    unmixed = _unmixed(encoder, train, drawn, generator)
    masked = with_hidden_cells(drawn, encoder, generator)
    hidden = _products(unmixed, encoder, network, masked, "hidden")[:, :2, :2]
    visible = _products(unmixed, encoder, network, drawn, "visible")
    return replace(
        unmixed,
        hidden=_shares(unmixed, hidden),
        visible=_shares(unmixed, visible),
    )


def learn_small_mixture(
    encoder: TableEncoder,
    network: Network | None,
    noise: Noise,
    rows: Block,
    folds: Sequence[np.ndarray],
    generator: np.random.Generator,
) -> Mixture:
    """Learn a mixture from few rows: all columns have the same shares.

    The linear estimate of each fold, bool by row, is learned from the other rows. The
    network has not seen them either; None has no share.
    """
    hidden, visible, corrupted = np.zeros((2, 2)), np.zeros((3, 3)), []
    for fold in folds:
        drawn = draw_corruptions(rows.part(fold), encoder, noise, generator)
        unmixed = _unmixed(encoder, rows.part(~fold), drawn, generator)
        masked = with_hidden_cells(drawn, encoder, generator)
        products = _products(unmixed, encoder, network, masked, "hidden")
        hidden += products.sum(axis=0)[:2, :2]
        visible += _products(unmixed, encoder, network, drawn, "visible").sum(axis=0)
        corrupted += drawn
    mixture = _unmixed(encoder, rows, corrupted, generator)
    first = 0 if network is not None else 1  # of the candidates
    shares = np.zeros((2, 2))
    for share, products in zip(shares, (hidden, visible), strict=True):
        found = simplex_shares(products[first:, first:])
        share[first:] = found[: 2 - first]
    n_features = len(mixture.low)
    of_hidden, of_visible = (np.repeat(s[:, None], n_features, axis=1) for s in shares)
    return replace(mixture, hidden=of_hidden, visible=of_visible)


def _unmixed(
    encoder: TableEncoder,
    train: Block,
    drawn: list[Corruptions],
    generator: np.random.Generator,
) -> Mixture:
    """Return a mixture without shares, its linear estimate learned from rows."""
    layout = encoder.layout
    none = np.zeros((2, layout.n_features))
    return Mixture(
        _corrupted_gaussian(train, drawn_variances(drawn), generator),
        encoder.groups,
        layout.low,
        layout.high,
        none,
        none,
        _largest_errors(drawn, encoder),
    )


def draw_corruptions(
    rows: Block, encoder: TableEncoder, noise: Noise, generator: np.random.Generator
) -> list[Corruptions]:
    """Corrupt rows: few rows several times, so that `MIN_SCORED` are scored."""
    n_times = -(-MIN_SCORED // len(rows.values))
    return [Corruptions.draw(rows, encoder, noise, generator) for _ in range(n_times)]


def with_hidden_cells(
    drawn: list[Corruptions], encoder: TableEncoder, generator: np.random.Generator
) -> list[Corruptions]:
    """Return corrupted rows with hidden cells to learn from: more if there are few."""
    n_hidden = sum(int(each.hidden.sum()) for each in drawn)
    n_observed = sum(int(each.observed.sum()) for each in drawn)
    if n_hidden >= FEW_HIDDEN * n_observed:
        return drawn
    return [each.with_hidden(encoder, generator) for each in drawn]


def drawn_variances(drawn: list[Corruptions]) -> np.ndarray:
    """Return the mean squared error that the noise makes in visible cells."""
    n_visible, squares = np.zeros((2, drawn[0].truth.shape[1]))
    for each in drawn:
        errors = np.where(each.visible, each.shown - each.truth, 0)
        squares += (errors.astype(np.float64) ** 2).sum(axis=0)
        n_visible += each.visible.sum(axis=0)
    return squares / np.maximum(n_visible, 1)


def _largest_errors(drawn: list[Corruptions], encoder: TableEncoder) -> np.ndarray:
    """Return the largest error in visible cells by column, infinite without any.

    In the user's units, of cells outside of the tails: there, an error of the scaled
    cell is a huge one.
    """
    n, start = len(encoder.numeric), encoder.scaler.tail_start
    largest = np.zeros(n)
    for each in drawn:
        shown, truth = each.shown[:, :n], each.truth[:, :n]
        counted = (
            each.visible[:, :n] & (np.abs(shown) < start) & (np.abs(truth) < start)
        )
        errors = encoder.scaler.inverse(shown) - encoder.scaler.inverse(truth)
        sizes = np.where(counted, np.abs(errors), 0).max(axis=0, initial=0)
        largest = np.maximum(largest, sizes)
    by_column = np.full(encoder.n_columns, np.inf)
    by_column[encoder.numeric] = np.where(largest > 0, largest, np.inf)
    return by_column


def _corrupted_gaussian(
    train: Block, error_variances: np.ndarray, generator: np.random.Generator
) -> Gaussian:
    """Return the normal distribution of rows with errors, taken as independent.

    Missing cells are drawn for its covariance, which is shrunk.
    """
    Z, missing = train.values.astype(np.float64), np.zeros(train.values.shape, bool)
    if train.observed is not None:
        missing = ~train.observed
    clean = fit_gaussian(Z, missing)
    if missing.any():
        Z = clean.fill(Z, missing) + clean.deviations(missing, generator)
    axes = shrunk_covariance(Z, RIDGE)
    covariance = (axes.directions * axes.variances) @ axes.directions.T
    covariance += np.diag(error_variances)
    return Gaussian(clean.mean, np.linalg.inv(covariance))


def _products(
    mixture: Mixture,
    encoder: TableEncoder,
    network: Network | None,
    drawn: list[Corruptions],
    cells: str,
) -> np.ndarray:
    """Return the summed products of the candidates' errors, (n_features, 3, 3).

    Candidates are network, linear estimate and the cell itself; without a network the
    mean stands in its place.
    """
    n_features = drawn[0].truth.shape[1]
    products = np.zeros((n_features, 3, 3))
    for each in drawn:
        for k in chunks(len(each.truth)):
            shown, missing = each.shown[k], each.missing[k]
            rebuilt = np.zeros_like(shown)
            if network is not None:
                inputs = encoder.limited(shown, ~missing)
                rebuilt = network.decode(network.encode(inputs))
            estimates = np.stack([rebuilt, mixture.linear(shown, missing), shown])
            errors = np.where(getattr(each, cells)[k], estimates - each.truth[k], 0)
            products += np.einsum("inj,knj->jik", errors, errors)
    return products


def _shares(mixture: Mixture, products: np.ndarray) -> np.ndarray:
    """Return the shares of network and linear estimate by feature, (2, n_features).

    The third candidate is the cell itself.
    """
    n_features = len(products)
    shares = np.empty((2, n_features))
    start = mixture.groups[0].start if mixture.groups else n_features
    for column in [*(slice(j, j + 1) for j in range(start)), *mixture.groups]:
        shares[:, column] = simplex_shares(products[column].sum(axis=0))[:2, None]
    return shares
