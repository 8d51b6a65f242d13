"""The denoiser: a table in, the same table without its errors out."""

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from skdae._denoiser._held_out import HeldOutBlock
from skdae._denoiser._time import fit_time_denoiser
from skdae._random import spawn_streams
from skdae._sklearn_compat import (
    HasMethods,
    StrOptions,
    fit_context,
    validate_params_of,
)
from skdae._table.schema import Schema
from skdae._table.sources import encoded_block
from skdae._transformer._defaults import default_transformer
from skdae._transformer._html import PhaseTableMixin, phase_tables
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._outputs import outputs_of, reconstruction
from skdae._transformer._state import unchanged_on_failure
from skdae._transformer._transformer import (
    CATEGORICAL_FEATURES,
    GradualDAETransformer,
    categorical_features_of,
    fit_matrix,
    input_tags_of,
)
from skdae.noise import make_noise
from skdae.timeseries._groups import group_codes
from skdae.timeseries._neighbours import time_axis
from skdae.timeseries._order import numeric_order
from skdae.timeseries._time import check_index

MIN_ORDERED = 100  # rows, below which nothing is learned from the rows around


class GradualDAEDenoiser(
    PhaseTableMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    NestedParametersMixin,
):
    """Remove measurement errors from all cells of a table.

    The `noise` of the transformer describes the errors to remove: rows are corrupted by
    it, and the model that rebuilds them best removes such errors from new rows. A
    single row is denoised by the network and a linear estimate, as
    :meth:`GradualDAETransformer.reconstruct` does. Where rows are in time order, two
    ridge regressions read the rows around as well: the neighbours of a cell, their
    averages and medians over 3 to 33 rows, and those of related columns. Each column
    is the weighted mean of these estimates and of the cell itself, with the weights
    that have the least squared error on held-out rows.

    Parameters
    ----------
    transformer : GradualDAETransformer or None, default=None
        The network, with the noise to remove: ``noise='gaussian'`` with the standard
        deviation of the errors over that of the column as `noise_rate`, one for all
        columns or one for each, or an object of :mod:`skdae.noise`. None: normal
        errors of a quarter of a standard deviation. `output`, `warm_start` and, for
        rows in time order, `validation_fraction` are not used.
    order : {'auto', 'time'} or None, default='auto'
        Whether rows are in time order. 'auto': if some numeric column depends on its
        values in the rows around in `fit`, by `skdae.timeseries.time_order`; later
        tables must then be in order, too; this is not tested, since large errors hide
        the order. None: every row is denoised by itself.
    categorical_features : array-like of bool, int or str, 'auto', 'from_dtype' or \
None, default='auto'
        Categorical columns, as of :class:`GradualDAETransformer`; 'auto' takes those
        of `transformer`. They are denoised row by row.
    random_state : int, RandomState, Generator or None, default=None
        Seed of errors and held-out rows, and of a `transformer` without a seed of its
        own.

    Attributes
    ----------
    transformer_ : GradualDAETransformer
        The fitted network; its `mixture_` denoises single rows and categories.
    time_denoiser_ : TimeDenoiser or None
        What is read from the rows around, and the shares of the estimates by column.
        None where rows are denoised one by one.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    See Also
    --------
    GradualDAEImputer : Fills missing cells, and leaves the others as they are.

    Notes
    -----
    The rows of `fit` should have smaller errors than those that are to be removed, such
    as rows of a calibrated period, since they stand for the truth. Rows with errors of
    their own teach to remove further errors of that kind, and too little is removed.

    For rows in time order a fifth is held out for the weights, the first one with 20
    different rows; the network is trained on the others. Without such a fifth, and of
    fewer than 100 rows, nothing is read from the rows around. Missing cells are filled,
    too. Cells stay within 5 standard deviations, or the range of `fit` where that is
    wider: rows of an operating point farther out are pulled back to it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdae import GradualDAEDenoiser, GradualDAETransformer
    >>> t = np.linspace(0, 60, 600)
    >>> X = np.column_stack([np.sin(t), np.cos(t), np.sin(2 * t)])
    >>> noise = np.random.default_rng(0).normal(size=X.shape)
    >>> network = GradualDAETransformer((16, 8), max_iter=20, noise="gaussian")
    >>> denoiser = GradualDAEDenoiser(network, random_state=0).fit(X)
    >>> denoised = denoiser.transform(X + 0.25 * X.std(axis=0) * noise)
    >>> bool(((denoised - X) ** 2).mean() < 0.2 * 0.25**2 * X.var())
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "transformer": [GradualDAETransformer, None],
        "order": [StrOptions({"auto", "time"}), None],
        "categorical_features": CATEGORICAL_FEATURES,
        "random_state": ["random_state", HasMethods("integers")],
    }

    def __init__(
        self,
        transformer=None,
        *,
        order="auto",
        categorical_features="auto",
        random_state=None,
    ):
        self.transformer = transformer
        self.order = order
        self.categorical_features = categorical_features
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = input_tags_of(self)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        # the tag by which scikit-learn's checks leave the order of rows alone
        tags.non_deterministic = self.order == "time"
        return tags

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, groups=None):
        """Learn to remove the noise of the transformer.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with small errors; NaN where nothing was measured.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, file, run); nothing is read across groups. In a
            pipeline it comes by metadata routing, after
            ``set_fit_request(groups=True)``.

        Returns
        -------
        self : GradualDAEDenoiser
            The fitted denoiser.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the data, or if rows in
            time order have an index of dates that decrease.
        """
        fresh = clone(self.transformer or default_transformer("denoiser"))
        streams = spawn_streams(self.random_state)
        if fresh.random_state is None:
            fresh.set_params(random_state=int(streams.init.integers(2**32)))
        validate_params_of(fresh)  # which scikit-learn skips within another fit
        schema, raw = Schema.fit(
            self, X, categorical_features=categorical_features_of(self, fresh)
        )
        group_codes(groups, len(raw))  # refused if they do not fit, read or not
        self.time_denoiser_ = None
        if not self._is_ordered(raw, groups, schema):
            self.transformer_ = fit_matrix(fresh, self, schema, raw, mixes=True)
            return self
        check_index(X, groups)
        axis = time_axis(len(raw), groups)
        split = HeldOutBlock.of(raw[axis.rows])
        if split is None:
            self.transformer_ = fit_matrix(fresh, self, schema, raw, mixes=True)
            return self
        given = fresh.validation_fraction
        fresh.set_params(validation_fraction=split)
        fitted = fit_matrix(fresh, self, schema, raw[axis.rows], mixes=True)
        self.transformer_ = fitted.set_params(validation_fraction=given)
        block = encoded_block(fitted.table_encoder_, raw[axis.rows])
        train, held_out = (
            (block.part(rows), axis.first[rows]) for rows in next(split.split())
        )
        self.time_denoiser_ = fit_time_denoiser(
            fitted.table_encoder_,
            fitted.network_,
            fitted.mixture_,
            make_noise(fresh.noise, fresh.noise_rate),
            train,
            held_out,
            streams.corruption,
        )
        return self

    def fit_transform(self, X, y=None, groups=None):
        """Learn to remove the noise, and return the table without it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with small errors.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            As in `transform`.
        """
        return self.fit(X, y, groups).transform(X, groups)

    def transform(self, X, groups=None):
        """Return the table without its errors, missing cells filled.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`; in time order they bring those around
            them along, and a row by itself is denoised without.
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, file, run); nothing is read across groups. In a
            pipeline it comes by metadata routing, after
            ``set_transform_request(groups=True)``.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features)
            In the user's units and the dtype of X. A DataFrame when `set_output` asks
            for one.

        Raises
        ------
        ValueError
            If X does not have the columns seen in `fit`, or if rows are read in time
            order and the dates of its index decrease.
        """
        check_is_fitted(self)
        encoder = self.transformer_.table_encoder_
        raw = encoder.read(self, X)
        group_codes(groups, len(raw))
        denoise = self.time_denoiser_
        if denoise is not None and len(raw) > 1:
            check_index(X, groups)
            axis = time_axis(len(raw), groups)
            Z, missing = encoder.encode_with_missing(raw[axis.rows])
            denoised = denoise(Z, missing, axis.first)
            values = axis.to_rows(encoder.decode(denoised, np.where(missing, 0, Z)))
        else:
            values = outputs_of(self.transformer_, reconstruction, raw)
        return encoder.restore(self, values, X, raw.dtype)

    def _is_ordered(self, raw: np.ndarray, groups: Any, schema: Schema) -> bool:
        """Return whether the rows of `fit` are in time order, and enough."""
        if self.order is None or len(raw) < MIN_ORDERED:
            return False
        if self.order == "time":
            return True
        return numeric_order(raw, schema.is_categorical, groups).is_ordered

    def __sklearn_is_fitted__(self):
        return hasattr(self, "transformer_")

    def _phase_tables(self):
        fitted = getattr(self, "transformer_", None)
        return phase_tables(
            fitted or self.transformer or default_transformer("denoiser")
        )

    def _object_for(self, name, value):
        none = name == "transformer" and value is None
        return default_transformer("denoiser") if none else None
