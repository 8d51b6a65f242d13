"""Pretraining of the encoder that a classifier or regressor starts from."""

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skdae._core.network import Network
from skdae._random import Streams
from skdae._sklearn_compat import validate_params_of
from skdae._table.encoder import TableEncoder
from skdae._table.schema import Schema
from skdae._transformer._auto import DEFAULT_SIZES
from skdae._transformer._defaults import TYPICAL_ROWS, default_transformer
from skdae._transformer._parameters import check_widths
from skdae._transformer._transformer import (
    GradualDAETransformer,
    categorical_features_of,
    fit_matrix,
    names_own_categories,
)


def default_encoder(n_rows: int = TYPICAL_ROWS) -> GradualDAETransformer:
    """Return what transformer=None stands for, with that many rows."""
    return default_transformer("classifier", n_rows)


class Pretrained(NamedTuple):
    """A fitted transformer, and the table as its raw matrix."""

    transformer: GradualDAETransformer
    raw: np.ndarray  # (n_samples, n_columns)

    @property
    def encoder(self) -> TableEncoder:
        """The encoding of tables."""
        return self.transformer.table_encoder_

    @property
    def network(self) -> Network:
        """The pretrained network."""
        return self.transformer.network_

    @property
    def n_layers(self) -> int:
        """Hidden layers of the encoder."""
        return len(self.network.encoder)


def n_layers_of(transformer: Any) -> int:
    """Return the hidden layers of a transformer before it is fitted."""
    if isinstance(transformer, FrozenEstimator):
        network = getattr(transformer.estimator, "network_", None)
        return len(network.encoder) if network is not None else 1
    sizes = (transformer or default_encoder()).hidden_layer_sizes
    if isinstance(sizes, str) and sizes == "auto":
        sizes = DEFAULT_SIZES  # all candidates have as many
    return len(check_widths(sizes))


def pretrain(
    estimator: Any, X: Any, sample_weight: Any, streams: Streams
) -> Pretrained:
    """Read a table, and fit an estimator's transformer on all rows.

    A frozen one is used as it is. The table is read once.
    """
    transformer = estimator.transformer
    if isinstance(transformer, FrozenEstimator):
        _check_frozen(estimator)
        fitted = _thawed(transformer)
        return Pretrained(fitted, fitted.table_encoder_.read(fitted, X))
    fresh = default_encoder(_n_rows(X)) if transformer is None else clone(transformer)
    if fresh.random_state is None:
        fresh.set_params(random_state=int(streams.init.integers(2**32)))
    validate_params_of(fresh)  # which scikit-learn skips within another fit
    schema, raw = Schema.fit(
        fresh,
        X,
        categorical_features=categorical_features_of(estimator, fresh),
        sample_weight=sample_weight,
    )
    return Pretrained(fit_matrix(fresh, fresh, schema, raw, sample_weight), raw)


def _n_rows(X: Any) -> int:
    """Return the rows of a table that is not read yet: an array, a frame or a list."""
    has_size = hasattr(X, "shape") or hasattr(X, "__len__")
    table = X if has_size else np.asarray(X)
    return table.shape[0] if hasattr(table, "shape") else len(table)


def _check_frozen(estimator: Any) -> None:
    """Raise where a parameter would read tables in another way than in training."""
    if names_own_categories(estimator):
        raise ValueError(
            f"categorical_features={estimator.categorical_features!r} must be 'auto' "
            "with a frozen transformer, which reads tables as in its own fit; name "
            "the columns in the transformer's categorical_features."
        )


def _thawed(transformer: FrozenEstimator) -> GradualDAETransformer:
    """Return a copy of a frozen transformer, which a later fit of it does not reach."""
    frozen = transformer.estimator
    if not isinstance(frozen, GradualDAETransformer):
        raise ValueError(
            f"transformer={transformer!r} must freeze a fitted "
            "GradualDAETransformer; pass FrozenEstimator(dae.fit(X)), or the "
            "transformer itself to have it fitted."
        )
    check_is_fitted(frozen)
    return copy(frozen)
