"""Scorers that rank candidates whatever noise each of them was trained with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from skdae._random import RandomState, spawn_streams
from skdae._sklearn_compat import output_container
from skdae._table.encoder import TableEncoder
from skdae._table.frames import data_frame, is_dataframe
from skdae._table.schema import Schema
from skdae._table.sources import encoded_block
from skdae._transformer import GradualDAETransformer
from skdae._transformer._mixture import Corruptions
from skdae.noise import Noise, make_noise


def make_denoising_scorer(
    noise: str | Noise = "masking",
    noise_rate: ArrayLike = 0.25,
    *,
    random_state: RandomState = 0,
) -> "DenoisingScorer":
    """Make a scorer of how much of one fixed corruption a candidate removes.

    The loss of a candidate is measured under the candidate's own noise, and is the
    lowest without any: a search by it always chooses the least noise. This scorer
    corrupts the held-out rows itself, the same cells in the same way for every
    candidate, and compares what `reconstruct` makes of them with the rows as they were.

    Parameters
    ----------
    noise : str or Noise, default='masking'
        The corruption to remove: a name of :data:`skdae.noise.NOISES` or an object.
        Cells that it sets to 0 are shown as missing ones (NaN).
    noise_rate : float or array-like of shape (n_features,), default=0.25
        Rate of a noise given by name, for Gaussian ones the scale in standard
        deviations: what is expected of the data that the model is for.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the corruption. It is drawn once, here, so that every candidate meets
        the same one.

    Returns
    -------
    DenoisingScorer
        A callable ``scorer(estimator, X, y=None)`` for ``scoring=`` of scikit-learn;
        higher is better.

    See Also
    --------
    GradualDAETransformer.score : The same question for hidden cells alone, without a
        noise to choose.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAETransformer
    >>> from skdae.model_selection import make_denoising_scorer
    >>> generator = np.random.default_rng(0)
    >>> X = generator.standard_normal((200, 2)) @ generator.standard_normal((2, 8))
    >>> dae = GradualDAETransformer((16,), max_iter=30, random_state=0).fit(X)
    >>> scorer = make_denoising_scorer("masking", 0.3)
    >>> bool(0.5 < scorer(dae, X) < 1)
    True
    """
    noise = make_noise(noise, noise_rate)
    noise.check()
    seed = int(spawn_streams(random_state).corruption.integers(2**32))
    return DenoisingScorer(noise, seed)


@dataclass(frozen=True)
class DenoisingScorer:
    """Share of the error of one fixed corruption that a model removes.

    ``1 - mean(error after) / mean(error before)``, means over the columns of mean
    squared errors over their observed cells, corrupted or not. Before: the corrupted
    rows as they are, missing cells at the mean of their column. Errors are in robust
    standard deviations of the column in the rows that are scored (for categories:
    the Brier score over the Gini impurity), so that columns count alike, whatever
    their units and whatever scaling a candidate has; constant columns do not count.
    1 is perfect, 0 as good as doing nothing, below 0 worse.

    Made by :func:`make_denoising_scorer`.

    Attributes
    ----------
    noise : Noise
        The corruption.
    seed : int
        Of its draws.
    """

    noise: Noise
    seed: int

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Return the score of a fitted estimator for rows with few errors.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``reconstruct``, or whose ``transform`` returns the
            denoised table; or a pipeline that ends in one and whose other steps can be
            inverted.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows that the estimator was not fitted on; NaN where nothing was measured.
        y : None
            Ignored.

        Returns
        -------
        float
            At most 1; higher is better.
        """
        rows = _Rows.read(X, _categorical_features(estimator))
        self.noise.check(rows.encoder.n_columns)
        generator = np.random.default_rng(self.seed)
        block = encoded_block(rows.encoder, rows.raw)
        drawn = Corruptions.draw(block, rows.encoder, self.noise, generator)
        before = rows.error(np.where(drawn.missing, 0, drawn.shown))
        if not (drawn.hidden | (drawn.visible & (drawn.shown != drawn.truth))).any():
            raise ValueError(
                f"noise={self.noise!r} changes no cell of the rows to be scored, so "
                "that there is no error to remove; raise its rate, or score more rows."
            )
        rebuilt = rows.encoded(_denoised(estimator, rows.table(drawn)))
        return float(1 - rows.error(rebuilt) / before)


@dataclass(frozen=True)
class _Rows:
    """Rows to be scored, in units of their own that no candidate has a say in."""

    X: Any
    raw: np.ndarray  # (n, n_columns)
    encoder: TableEncoder
    reader: GradualDAETransformer  # which knows the names of the columns

    @classmethod
    def read(cls, X: Any, categorical_features: Any) -> "_Rows":
        """Read a table and learn its units."""
        reader = GradualDAETransformer()
        if is_dataframe(X):
            kind = "pandas" if hasattr(X, "iloc") else "polars"
            reader.set_output(transform=kind)
        schema, raw = Schema.fit(reader, X, categorical_features=categorical_features)
        everything = np.arange(len(raw))
        encoder = TableEncoder.fit(schema, raw, everything, scaling="standard")
        return cls(X, raw, encoder, reader)

    def table(self, drawn: Corruptions) -> Any:
        """Return the corrupted rows in the container of X, untouched cells as in X."""
        changed, missing = np.zeros((2, *self.raw.shape), dtype=bool)
        for feature, column in enumerate(self.encoder.column_of):
            changed[:, column] |= drawn.shown[:, feature] != drawn.truth[:, feature]
            missing[:, column] |= drawn.missing[:, feature]
        corrupted = self.encoder.decode(drawn.shown, beside=drawn.shown)
        values = np.where(changed, corrupted, self.raw)
        values[missing] = np.nan
        return self.encoder.restore(self.reader, values, self.X, self.raw.dtype)

    def encoded(self, table: Any) -> np.ndarray:
        """Return a denoised table in the units of the rows, (n, n_features)."""
        if is_dataframe(self.X) and not is_dataframe(table):
            names = self.reader.feature_names_in_
            columns = list(np.asarray(table, dtype=object).T)
            table = data_frame(output_container(self.reader), names, columns, None)
        return self.encoder.encode(self.encoder.read(self.reader, table))[0]

    def error(self, Z: np.ndarray) -> float:
        """Return the mean over the columns of the mean squared error of their cells."""
        squares = self.encoder.residuals(self.raw, Z) ** 2
        counted = self.encoder.has_values & ~self.encoder.is_constant
        if not counted.any():
            raise ValueError(
                "All columns of the rows to be scored are constant or empty, so that "
                "there is nothing to denoise; score more rows."
            )
        return float(np.nanmean(squares[:, counted], axis=0).mean())


def _denoised(estimator: Any, X: Any) -> Any:
    """Return the denoised table of a fitted estimator or pipeline."""
    if isinstance(estimator, Pipeline):
        before, last = estimator[:-1], estimator[-1]
        if not len(before):
            return _denoised(last, X)
        if not hasattr(before, "inverse_transform"):
            raise ValueError(
                f"The steps {[name for name, _ in before.steps]} before the last one "
                "must have inverse_transform, since errors are measured in the units "
                "of X; take out those without it, or use the scaling of "
                "GradualDAETransformer."
            )
        return before.inverse_transform(_denoised(last, before.transform(X)))
    for name in ("reconstruct", "transform"):
        if hasattr(estimator, name):
            table = getattr(estimator, name)(X)
            if np.shape(table) == np.shape(X):
                return table
    raise ValueError(
        f"{type(estimator).__name__} returns no table of the shape {np.shape(X)} of "
        "the rows to be scored from reconstruct or transform; score a "
        "GradualDAETransformer, or a pipeline that ends in one."
    )


def _categorical_features(estimator: Any) -> Any:
    """Return the categorical columns as the estimator names them."""
    named = getattr(estimator, "categorical_features", "from_dtype")
    return "from_dtype" if isinstance(named, str) else named
