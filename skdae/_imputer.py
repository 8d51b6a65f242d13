"""The imputer: a linear estimate of what is missing, refined by denoising networks."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skdae._columns import Columns
from skdae._design import DEFAULT_NOISE_RATE, check_noise, learn_columns
from skdae._html import PhaseTableMixin, phase_tables
from skdae._normal import Normal, fit_normal
from skdae._random import Streams, spawn_streams
from skdae._tables import (
    fill_cells,
    missing_cells,
    read,
    read_training,
)
from skdae._transformer import GradualDAETransformer
from skdae._validation import training_rows
from skdae.noise import Layout, MaskingNoise, Noise, make_noise

N_BLOCKS = 20  # of neighbouring rows, of which some are held out
HELD_OUT = 0.2  # of the blocks, on which each refinement is judged
MOST_HELD_OUT = 2_000
N_MASKS = 10  # different sets of hidden cells that a network is trained on
MASK_CELLS = 20_000_000  # of all of them; large tables have fewer
MOST_LINEAR_ROWS = 5_000  # that the covariance is estimated from
LEAST_SHARE = 1e-6  # of a category that is drawn
CERTAIN = 1e6  # outweighs what is drawn for single features of a category
LEAST_ROWS = 20  # fewer are not worth a network


@dataclass(frozen=True)
class Refinement:
    """A network that says how far filled cells are from the truth.

    Its table has three parts, each as wide as the encoded table: the error of the
    filled cells (unknown, which is what it learns to rebuild), the filled cells, and
    which of them are missing.
    """

    transformer: GradualDAETransformer
    scale: np.ndarray  # (n_features,) spread of the errors in training
    step: np.ndarray  # (n_features,) share of the correction that is made, 0 to 1

    def __call__(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return the filled rows with their missing cells corrected."""
        return filled + self.step * missing * self.correction(filled, missing)

    def correction(self, filled: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return what the network would add to each cell."""
        table = np.hstack([np.full(filled.shape, np.nan), filled, missing])
        rebuilt = self.transformer.reconstruct(table.astype(np.float32))
        return self.scale * np.asarray(rebuilt)[:, : filled.shape[1]]


class _HiddenErrors(Noise):
    """Hides the first third of a table, the errors; where they are not 0 they count."""

    def apply(self, Z, generator, layout, intensity=None):
        n_errors = Z.shape[1] // 3
        mask = np.zeros(Z.shape, dtype=bool)
        mask[:, :n_errors] = Z[:, :n_errors] != 0
        hidden = Z.copy()
        hidden[:, :n_errors] = 0
        return hidden, mask

    def for_codes(self):
        return MaskingNoise()


@dataclass(frozen=True)
class _Rows:
    """Encoded rows."""

    truth: np.ndarray  # (n, n_features), 0 where unknown
    known: np.ndarray  # (n, n_features) bool
    time: np.ndarray  # (n,) their order in the table


@dataclass(frozen=True)
class _Gaps:
    """Encoded rows with cells hidden, and the cells that are known all the same."""

    truth: np.ndarray  # (n, n_features), 0 where unknown
    known: np.ndarray  # (n, n_features) bool
    missing: np.ndarray  # (n, n_features) bool: hidden or unknown

    @property
    def scored(self) -> np.ndarray:
        """Hidden and known."""
        return self.missing & self.known


class _Passes:
    """The training table of a refinement; each pass over it has other cells hidden."""

    def __init__(
        self, parts: list[_Gaps], filled: list[np.ndarray], scale: np.ndarray
    ) -> None:
        self.parts, self.filled, self.scale = parts, filled, scale
        self.n_passes = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        turn = self.n_passes % len(self.parts)
        self.n_passes += 1
        part, filled = self.parts[turn], self.filled[turn]
        errors = np.where(part.missing, part.truth - filled, 0) / self.scale
        errors[~part.known] = np.nan
        yield np.hstack([errors, filled, part.missing]).astype(np.float32)


class GradualDAEImputer(PhaseTableMixin, TransformerMixin, BaseEstimator):
    """Fill missing cells by what the other cells of their row say.

    A first estimate is linear: the conditional mean of a normal distribution, learned
    from rows with gaps. Denoising networks then learn, from cells hidden on
    purpose, what it gets wrong, and each of them corrects a column only as far as that
    helped on held-out rows. Only missing cells change.

    Parameters
    ----------
    transformer : GradualDAETransformer or None, default=None
        The network, cloned for each refinement. Its `noise` says which cells are
        hidden in training ('dropout' for groups of sensors that fall silent
        together), its `scaling` and `categorical_features` how the table is read;
        `loss`, `emphasis`, `missing_values`, `output`, `early_stopping` and
        `warm_start` are set here.
        None: widths of 128 and 64, 100 epochs, and a random share of each row hidden,
        up to 60 % of it.
    n_refinements : int, default=1
        Networks that correct what is filled, each what the one before it left. 0 is
        the linear estimate. A further one costs its time and helps little, but does
        no harm: where it does not help on held-out rows, its step is 0.
    n_imputations : int, default=1
        Tables that `sample_imputations` returns.
    add_indicator : bool, default=False
        Whether `transform` appends a column of 0 and 1 for each column that had
        missing cells in `fit`, 1 where a cell was missing.
    sample_posterior : bool, default=False
        Whether `transform` draws what it fills from its distribution, not its mean
        (for categories, the likeliest one).
    random_state : int, RandomState, Generator or None, default=None
        Seed of hidden cells, held-out rows and what is drawn, and of a `transformer`
        without a seed of its own.

    Attributes
    ----------
    normal_ : Normal
        Mean and inverse covariance of the encoded columns.
    refinements_ : tuple of Refinement
        Networks and the share of their correction that is made, by feature.
    columns_ : Columns
        Learned encoding of the table.
    residual_scale_ : ndarray of shape (n_features_encoded,)
        Spread of the errors that are left on held-out rows, over the one that the
        linear estimate expects.
    is_categorical_ : ndarray of bool of shape (`n_features_in_`,)
        Which columns are categorical.
    category_encoder_ : OrdinalEncoder or None
        Categories of the categorical columns.
    indicator_features_ : ndarray of int
        Columns that had missing cells in `fit`.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    Notes
    -----
    A column without a single value in `fit` stays missing. An unknown category is no
    missing cell: it is kept, and read as if nothing were known.

    What is drawn has the covariance of the linear estimate, scaled by column to the
    spread of the errors on held-out rows. Parameters of the model are not drawn, so
    the spread between imputations is somewhat small for tables of few rows.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from
       incomplete data via the EM algorithm", JRSS B 39, 1977.
    .. [2] D. B. Rubin, "Multiple imputation for nonresponse in surveys", 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAEImputer
    >>> t = np.linspace(0, 60, 300)
    >>> X = np.column_stack([np.sin(t), np.cos(t), np.sin(t) * np.cos(t)])
    >>> X[::7, 2] = np.nan
    >>> filled = GradualDAEImputer(random_state=0).fit_transform(X)
    >>> bool(np.abs(filled[::7, 2] - np.sin(t)[::7] * np.cos(t)[::7]).mean() < 0.1)
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "transformer": [HasMethods(["fit_stream", "reconstruct"]), None],
        "n_refinements": [Interval(Integral, 0, None, closed="left")],
        "n_imputations": [Interval(Integral, 1, None, closed="left")],
        "add_indicator": ["boolean"],
        "sample_posterior": ["boolean"],
        "random_state": ["random_state", HasMethods("integers")],
    }

    def __init__(
        self,
        transformer=None,
        *,
        n_refinements=1,
        n_imputations=1,
        add_indicator=False,
        sample_posterior=False,
        random_state=None,
    ):
        self.transformer = transformer
        self.n_refinements = n_refinements
        self.n_imputations = n_imputations
        self.add_indicator = add_indicator
        self.sample_posterior = sample_posterior
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        named = getattr(self.transformer, "categorical_features", None) is not None
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = named
        tags.input_tags.string = named
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn the linear estimate and the networks that refine it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training table; NaN where nothing was measured.
        y : None
            Ignored, there for pipelines.

        Returns
        -------
        self : GradualDAEImputer
            The fitted imputer.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the data.
        """
        transformer = self._transformer()
        table = read_training(
            self,
            X,
            categorical_features=transformer.categorical_features,
            sample_weight=None,
            allow_nan=True,
        )
        index = training_rows(table.raw, None).index
        columns = learn_columns(self, table, index, None, transformer.scaling)
        streams = spawn_streams(self.random_state)
        rows = _Rows(*_encoded(columns, table.raw[index]), index.argsort().argsort())
        normal = _linear(rows, streams)
        learned = _refine(
            transformer, self.n_refinements, columns, normal, rows, streams
        )
        self.refinements_, self.residual_scale_ = learned
        self.normal_, self.columns_ = normal, columns
        self.is_categorical_ = table.categorical
        self.category_encoder_ = table.encoder
        self.indicator_features_ = np.flatnonzero(missing_cells(X).any(axis=0))
        self._seed = int(streams.shuffle.integers(2**32))
        return self

    def transform(self, X):
        """Return the table with its missing cells filled.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features or more)
            The table, known cells to the bit; with categorical columns an object
            array or a DataFrame. A DataFrame, with the dtypes of X, when `set_output`
            asks for one; only a column of integers with missing cells becomes one of
            floats. With `add_indicator` the indicators follow.
        """
        check_is_fitted(self)
        generator = np.random.default_rng(self._seed) if self.sample_posterior else None
        return self._filled(X, generator)

    def sample_imputations(self, X):
        """Return several filled tables, drawn from what missing cells may be.

        What is computed of each table can be averaged, and its spread over the tables
        says what is uncertain because cells are missing (Rubin, 1987).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.

        Returns
        -------
        list of ndarray or DataFrame
            `n_imputations` tables as `transform` returns them. The first is the one
            that `transform` draws with `sample_posterior=True`.
        """
        check_is_fitted(self)
        generator = np.random.default_rng(self._seed)
        return [self._filled(X, generator) for _ in range(self.n_imputations)]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None takes those seen in `fit`.

        Returns
        -------
        ndarray of str objects
            Those of the table, then ``missingindicator_<name>``.
        """
        check_is_fitted(self)
        names = list(_check_feature_names_in(self, input_features))
        if self.add_indicator:
            names += [f"missingindicator_{names[j]}" for j in self.indicator_features_]
        return np.asarray(names, dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "normal_")

    def _phase_tables(self):
        if hasattr(self, "refinements_"):
            return [
                table
                for number, refinement in enumerate(self.refinements_, 1)
                for table in phase_tables(
                    refinement.transformer, f"refinement {number}"
                )
            ]
        return phase_tables(self._transformer(), "each refinement")

    def _transformer(self) -> GradualDAETransformer:
        """Return the network to be cloned."""
        if self.transformer is not None:
            return self.transformer
        return GradualDAETransformer(
            (128, 64), noise="random_masking", noise_rate=0.6, max_iter=100
        )

    def _filled(self, X: Any, generator: np.random.Generator | None) -> Any:
        """Return the table filled with means, or with draws from a generator."""
        raw = read(
            self,
            X,
            categorical=self.is_categorical_,
            encoder=self.category_encoder_,
            allow_nan=True,
        ).raw
        truth, known = _encoded(self.columns_, raw)
        rows = np.flatnonzero(~known.all(axis=1))
        filled, missing = truth[rows], ~known[rows]
        if len(rows):
            filled = self.normal_.fill(filled, missing)
            for refinement in self.refinements_:
                filled = refinement(filled, missing)
        if generator is not None:
            drawn = self.normal_.deviations(missing, generator)
            shares = _drawn_categories(self.columns_, filled, missing, generator)
            filled = shares + self.residual_scale_ * drawn
        values = raw.astype(np.float64)
        values[rows] = self.columns_.decode(filled)
        indicators = None
        if self.add_indicator:
            indicators = missing_cells(X)[:, self.indicator_features_]
        return fill_cells(
            self,
            X,
            raw,
            values,
            encoder=self.category_encoder_,
            categorical=self.is_categorical_,
            indicators=indicators,
        )


# --- parts of fit --------------------------------------------------------------------


def _encoded(columns: Columns, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows as float64, and which of their cells are known."""
    Z, observed = columns.encode(raw)
    known = np.ones(Z.shape, dtype=bool) if observed is None else observed
    return Z.astype(np.float64), known


def _linear(rows: _Rows, streams: Streams) -> Normal:
    """Learn the normal distribution from at most `MOST_LINEAR_ROWS`."""
    chosen = streams.init.permutation(len(rows.truth))[:MOST_LINEAR_ROWS]
    return fit_normal(rows.truth[chosen], ~rows.known[chosen])


def _hidden_parts(
    noise: Noise, layout: Layout, rows: _Rows, streams: Streams
) -> tuple[_Gaps, list[_Gaps]]:
    """Return held-out rows and, several times over, the others, with cells hidden.

    Held out are blocks of rows that are neighbours in time, their order in the table:
    a network may seem to know a row that it has only seen the neighbours of.
    """
    block = rows.time * N_BLOCKS // len(rows.time)
    chosen = streams.split.permutation(N_BLOCKS)[: round(HELD_OUT * N_BLOCKS)]
    is_held_out = np.isin(block, chosen)

    def hide(index: np.ndarray) -> _Gaps:
        truth, known = rows.truth[index], rows.known[index]
        _, acted = noise.apply(truth, streams.corruption, layout)
        return _Gaps(truth, known, acted | ~known)

    n_masks = max(2, min(N_MASKS, MASK_CELLS // rows.truth.size))
    held_out, train = np.flatnonzero(is_held_out), np.flatnonzero(~is_held_out)
    held_out = held_out[:: 1 + len(held_out) // MOST_HELD_OUT]
    return hide(held_out), [hide(train) for _ in range(n_masks)]


def _refine(
    transformer: GradualDAETransformer,
    n_refinements: int,
    columns: Columns,
    normal: Normal,
    rows: _Rows,
    streams: Streams,
) -> tuple[tuple[Refinement, ...], np.ndarray]:
    """Train the networks one after the other; return them and what they leave."""
    noise = make_noise(transformer.noise, transformer.noise_rate)
    check_noise(transformer, noise, columns)
    judged, parts = _hidden_parts(noise, columns.layout, rows, streams)
    filled = normal.fill(judged.truth, judged.missing)
    if n_refinements == 0 or len(rows.truth) < LEAST_ROWS:
        return (), _left(judged, filled, normal)
    filled_parts = [normal.fill(part.truth, part.missing) for part in parts]
    refinements = []
    for _ in range(n_refinements):
        network = _network(transformer, int(streams.init.integers(2**31)))
        refinement = _train(network, parts, filled_parts)
        step = _step(judged, filled, refinement.correction(filled, judged.missing))
        refinement = replace(refinement, step=step)
        refinements.append(refinement)
        filled = refinement(filled, judged.missing)
        filled_parts = [
            refinement(each, part.missing)
            for each, part in zip(filled_parts, parts, strict=True)
        ]
    return tuple(refinements), _left(judged, filled, normal)


def _network(transformer: GradualDAETransformer, seed: int) -> GradualDAETransformer:
    """Return a network for the table of a refinement."""
    network = clone(transformer).set_params(
        noise=_HiddenErrors(),
        noise_rate=DEFAULT_NOISE_RATE,
        emphasis=(1, 0),
        loss="squared_error",
        scaling=None,
        categorical_features=None,
        missing_values="allow",
        output="code",
        early_stopping=False,
        warm_start=False,
    )
    if network.random_state is None:
        network.set_params(random_state=seed)
    return network


def _train(
    network: GradualDAETransformer, parts: list[_Gaps], filled: list[np.ndarray]
) -> Refinement:
    """Train a network on what is wrong with the filled rows."""
    n_scored, squares = np.zeros((2, filled[0].shape[1]))
    for part, each in zip(parts, filled, strict=True):
        n_scored += part.scored.sum(axis=0)
        squares += np.where(part.scored, (part.truth - each) ** 2, 0).sum(axis=0)
    scale = np.sqrt(squares / np.maximum(n_scored, 1))
    scale[scale == 0] = 1
    with warnings.catch_warnings():  # of a column without a value we warn ourselves
        warnings.filterwarnings("ignore", "Columns .* hold no value", UserWarning)
        network.fit_stream(_Passes(parts, filled, scale))
    return Refinement(network, scale, np.ones(len(scale)))


def _step(judged: _Gaps, filled: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """Return the share of a correction that leaves the least error, by feature."""
    error = np.where(judged.scored, judged.truth - filled, 0)
    correction = np.where(judged.scored, correction, 0)
    size = (correction**2).sum(axis=0)
    best = (error * correction).sum(axis=0) / np.where(size > 0, size, 1)
    return np.clip(best, 0, 1)


def _left(judged: _Gaps, filled: np.ndarray, normal: Normal) -> np.ndarray:
    """Return the spread of the errors over the one that the linear estimate expects."""
    found = np.where(judged.scored, (judged.truth - filled) ** 2, 0).sum(axis=0)
    expected = np.where(judged.scored, normal.variances(judged.missing), 0).sum(axis=0)
    ratio = found / np.where(expected > 0, expected, 1)
    return np.sqrt(np.where(expected > 0, ratio, 1))


# --- parts of transform --------------------------------------------------------------


def _drawn_categories(
    columns: Columns,
    filled: np.ndarray,
    missing: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return rows in which missing categories are drawn by their estimated shares."""
    drawn = filled.copy()
    for group in columns.groups:
        rows = np.flatnonzero(missing[:, group.start])
        shares = np.maximum(filled[rows, group], LEAST_SHARE).cumsum(axis=1)
        limit = generator.random(len(rows)) * shares[:, -1]
        chosen = (shares > limit[:, None]).argmax(axis=1)
        drawn[rows, group] = CERTAIN * np.eye(shares.shape[1])[chosen]
    return drawn
