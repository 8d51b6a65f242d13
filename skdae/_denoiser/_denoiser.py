"""The denoiser: a table in, the same table without its errors out."""

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin, clone
from sklearn.utils.validation import check_is_fitted

from skdae._core.network import Network
from skdae._denoiser._errors import (
    Errors,
    have_errors,
    stated_errors,
    with_errors,
)
from skdae._denoiser._held_out import HeldOutBlock
from skdae._denoiser._noisy import NoisyTimeDenoiser, fit_noisy_time_denoiser
from skdae._denoiser._order import is_ordered
from skdae._denoiser._time import TimeDenoiser, fit_time_denoiser
from skdae._random import Streams, spawn_streams
from skdae._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    StrOptions,
    fit_context,
)
from skdae._table.encoder import TableEncoder
from skdae._table.schema import Schema
from skdae._table.sources import encoded_block
from skdae._transformer._callbacks import observed_networks
from skdae._transformer._defaults import default_transformer
from skdae._transformer._html import PhaseTableMixin, phase_tables
from skdae._transformer._mixture import Mixture
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._ordered import OrderedTableMixin
from skdae._transformer._outputs import outputs_of, reconstruction
from skdae._transformer._parameters import DEFAULT_NOISE_RATE, refuse_auto
from skdae._transformer._state import unchanged_on_failure
from skdae._transformer._transformer import (
    CATEGORICAL_FEATURES,
    GradualDAETransformer,
    categorical_features_of,
    fit_matrix,
)
from skdae.noise import Noise, make_noise
from skdae.timeseries._groups import group_codes
from skdae.timeseries._neighbours import TimeAxis, time_axis
from skdae.timeseries._time import check_index

SMALL_FRACTION = 0.1  # held out of rows too few for a block
MIN_ORDERED = 8  # rows, below which nothing is learned from the rows around


class GradualDAEDenoiser(
    CallbackSupportMixin,
    PhaseTableMixin,
    OneToOneFeatureMixin,
    OrderedTableMixin,
    NestedParametersMixin,
):
    """Remove measurement errors from all cells of a table.

    Where rows are in time order, it learns from rows that have these errors themselves:
    their size is estimated column by column, and each cell is predicted from the rows
    around and from related columns, without itself. The smaller the errors of a column
    beside those of its prediction, the more of the cell is kept. With the size stated
    and rows of `fit` without errors, such errors are added to them instead, and the
    network, a linear estimate, the cell and two regressions on the rows around are
    mixed with the weights that have the least squared error on held-out rows.

    Rows without order are denoised one by one, as
    :meth:`GradualDAETransformer.reconstruct` does: rows of `fit` stand for the truth,
    and the `noise` of the transformer for the errors.

    Parameters
    ----------
    transformer : GradualDAETransformer or None, default=None
        The network, with the noise to remove: ``noise='gaussian'`` with the standard
        deviation of the errors over that of the column in `fit` as `noise_rate`, one
        for all columns or one for each, or an object of :mod:`skdae.noise`. None, or a
        noise that changes no observed cell: the size is estimated from rows in time
        order; without order, or with ``noisy_rows=False``, it is a quarter of a
        standard deviation. `output`, `warm_start` and, for rows in time order,
        `validation_fraction` are not used.
    order : {'auto', 'time'} or None, default='auto'
        Whether rows are in time order. 'auto': if X has an index of dates, or if some
        column depends on its values in the rows around in `fit`, by
        `skdae.timeseries.time_order` of the rows or of means of 4, 8 or 16; large
        errors can hide the order of slow columns, and a warning then asks for 'time'.
        Later tables must be in order, too, which is not tested. None: every row is
        denoised by itself.
    categorical_features : array-like of bool, int or str, 'auto', 'from_dtype' or \
None, default='auto'
        Categorical columns, as of :class:`GradualDAETransformer`; 'auto' takes those
        of `transformer`. They are denoised row by row.
    noisy_rows : bool or 'auto', default='auto'
        Whether rows of `fit` in time order have the errors that are to be removed.
        False: they stand for the truth, such as rows of a calibrated period. 'auto':
        if no size is stated; else if the size that is estimated from them is at least
        0.45 of the stated one in nine of ten columns.
    random_state : int, RandomState, Generator or None, default=None
        Seed of errors and held-out rows, and of a `transformer` without a seed of its
        own.
    verbose : bool or int, default=False
        Whether to print the progress of the network; above 1 for every epoch.

    Attributes
    ----------
    transformer_ : GradualDAETransformer
        The fitted network; its `mixture_` denoises single rows and categories.
    time_denoiser_ : TimeDenoiser, NoisyTimeDenoiser or None
        What is read from the rows around, and the shares of the estimates by column.
        None where rows are denoised one by one.
    error_scale_ : ndarray of float64 of shape (`n_features_in_`,) or None
        Standard deviation of the errors that are removed, over that of the column in
        `fit`; 0 where none are seen, NaN for categories and columns with too few cells.
        None where rows of `fit` stand for the truth.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    Warns
    -----
    UserWarning
        With ``order='auto'``, if no time order is found in rows of `fit` that resemble
        their neighbours. Only from 400 rows on, and not with `groups`.

    See Also
    --------
    GradualDAEImputer : Fills missing cells, and leaves the others as they are.

    Notes
    -----
    **Errors that are estimated** are what changes from row to row as white noise does,
    independently of the other columns. They cannot be distinguished from a signal that
    changes so. Therefore nothing is removed from a column of which the rows around and
    other columns explain less than a quarter of the variance, less than estimated where
    they explain less than three quarters, and at most half of a column's standard
    deviation; state the size where it is known. Columns without errors come back as
    they are.

    **Spikes** of up to three rows count as missing, and so do not spread: cells that
    lie outside of every stretch of four rows with them, by more than a limit. It comes
    from the bulk of the distances between the cells of a column and the rows around,
    so that up to 13 % of the cells may be spikes, and it is larger beside large steps.
    Steps, slopes and pulses of more than three rows are no spikes; shorter pulses are,
    unless they look like values of the process. Pulses are returned as measured where
    they recur to one side with one height or after the same time (a valve), three times
    or twice in fewer than 100 rows; where they come with a step to another level (an
    overshoot); and where other columns change in the same rows without a spike. They
    are kept where they go to one side and have all sizes (rain); within the range of a
    column that steps as far, not to long levels alone (set points, a distance sensor);
    and where a column that mostly repeats its values returns to one of them (a switch).
    Pulses with one and the same value, in a column that repeats no others, are codes of
    a fault, and spikes.

    **At the ends** of a record or group a change cannot be distinguished from a spike.
    The first and the last rows are kept where they depart, so that a step is seen in
    the row in which it comes, unless the column had spikes in `fit`: three, and three
    for each change that lasted or recurred.

    **Changes that last** are kept: a cell within the range of the two rows before and
    the two after is moved by 1.5 or 3 standard errors at most where that has the least
    estimated risk (Stein 1981).

    **Few rows.** Of fewer than 100 rows, or without a fifth that can be held out (the
    first with 20 different rows), rows of `fit` are learned from as noisy ones, to
    which errors are added where they stand for the truth. A cell is moved only where
    that has clearly the smaller estimated risk, by its standard error. Fewer than eight
    rows are denoised one by one. A row that comes
    by itself is denoised without them; learned from noisy rows, its observed cells are
    returned as they are. Missing cells are filled, too. Cells stay within 5 standard
    deviations, or the range of `fit` where that is wider: rows of an operating point
    farther out are pulled back to it.

    References
    ----------
    .. [1] C. Stein, "Estimation of the mean of a multivariate normal distribution",
       Annals of Statistics 9(6), 1981.
    .. [2] J. Batson and L. Royer, "Noise2Self: blind denoising by self-supervision",
       ICML, 2019.

    Examples
    --------
    Three curves with errors of a quarter of their standard deviation. Where their size
    is estimated, 0.17 of their squares stay; a moving average of 7 rows, the best width
    here, leaves 0.18, and the denoiser with the size stated 0.15.

    >>> import numpy as np
    >>> from skdae import GradualDAEDenoiser, GradualDAETransformer
    >>> from skdae.timeseries import moving_average
    >>> t = np.linspace(0, 60, 600)
    >>> X = np.column_stack([np.sin(t), np.cos(t), np.sin(2 * t)])
    >>> noise = np.random.default_rng(0).normal(size=X.shape)
    >>> measured = X + 0.25 * X.std(axis=0) * noise
    >>> denoiser = GradualDAEDenoiser(random_state=0).fit(measured)
    >>> denoiser.error_scale_.round(1).tolist()
    [0.2, 0.2, 0.2]
    >>> stated = GradualDAETransformer(noise="gaussian", noise_rate=0.25)
    >>> denoiser = GradualDAEDenoiser(stated, random_state=0).fit(measured)
    >>> tables = denoiser.transform(measured), moving_average(measured, 7)
    >>> left, average = (((table - X) ** 2).mean() for table in tables)
    >>> bool(left < 0.9 * average)
    True
    >>> bool(left < 0.16 * ((measured - X) ** 2).mean())
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "transformer": [GradualDAETransformer, None],
        "order": [StrOptions({"auto", "time"}), None],
        "categorical_features": CATEGORICAL_FEATURES,
        "noisy_rows": ["boolean", StrOptions({"auto"})],
        "random_state": ["random_state", HasMethods("integers")],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        transformer=None,
        *,
        order="auto",
        categorical_features="auto",
        noisy_rows="auto",
        random_state=None,
        verbose=False,
    ):
        self.transformer = transformer
        self.order = order
        self.categorical_features = categorical_features
        self.noisy_rows = noisy_rows
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, groups=None):
        """Learn to remove errors.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in time order with or without errors, see `noisy_rows`, or rows with
            small errors; NaN where nothing was measured.
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
            time order have an index of dates that decrease, or with
            ``noisy_rows=True`` if rows are not in time order.
        """
        with observed_networks(self, 1, X):
            self._fit(X, groups)
        return self

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
            In the user's units and the dtype of X; cells of a column that was constant
            in `fit` as they are. A DataFrame when `set_output` asks for one.

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
        # nothing is known of the errors of a column that was constant in fit
        is_kept = ~np.isnan(raw) & encoder.is_constant
        return encoder.restore(self, np.where(is_kept, raw, values), X, raw.dtype)

    def _fit(self, X: Any, groups: Any) -> None:
        """Set the fitted attributes."""
        fresh = clone(self._given_network)
        streams = spawn_streams(self.random_state)
        if fresh.random_state is None:
            fresh.set_params(random_state=int(streams.init.integers(2**32)))
        fresh.set_params(verbose=False)  # printed as the network of this estimator
        schema, raw = Schema.fit(
            self, X, categorical_features=categorical_features_of(self, fresh)
        )
        group_codes(groups, len(raw))  # refused if they do not fit, read or not
        self.time_denoiser_: TimeDenoiser | NoisyTimeDenoiser | None = None
        self.error_scale_: np.ndarray | None = None
        axis = self._time_axis(X, raw, schema, groups)
        if axis is None:
            self._refuse_unordered(len(raw))
            self.transformer_ = self._fitted(fresh, schema, raw)
        else:
            self._fit_in_order(fresh, schema, raw[axis.rows], axis.first, streams)

    def _fit_in_order(
        self,
        fresh: GradualDAETransformer,
        schema: Schema,
        rows: np.ndarray,
        groups: np.ndarray,
        streams: Streams,
    ) -> None:
        """Set the attributes fitted to rows in time order, group by group."""
        refuse_auto(fresh, "noise_rate")
        noise = make_noise(fresh.noise, fresh.noise_rate)
        split = HeldOutBlock.of(rows)
        errors = self._errors(schema, rows, groups, fresh.scaling, noise, streams)
        fresh.set_params(validation_fraction=SMALL_FRACTION if split is None else split)
        if errors.in_fit:
            fresh.set_params(noise="masking", noise_rate=DEFAULT_NOISE_RATE)
        self.transformer_ = self._fitted(fresh, schema, rows)
        mixture = self.transformer_.mixture_
        if mixture is None:
            self._refuse_few_different(errors)
            return
        learned = self.transformer_.table_encoder_, self.transformer_.network_, mixture
        self.time_denoiser_ = _time_denoiser(
            learned, rows, groups, split, errors, noise, streams
        )
        if isinstance(self.time_denoiser_, NoisyTimeDenoiser) and errors.in_fit:
            self.error_scale_ = self.time_denoiser_.error_scale

    @property
    def _given_network(self) -> GradualDAETransformer:
        """The parameter `transformer`, or the default that None stands for."""
        return self.transformer or default_transformer("denoiser")

    def _fitted(
        self, fresh: GradualDAETransformer, schema: Schema, rows: np.ndarray
    ) -> GradualDAETransformer:
        """Return the fitted network, with the parameters that it was given."""
        fitted = fit_matrix(fresh, self, schema, rows, mixes=True)
        given = self._given_network
        return fitted.set_params(
            validation_fraction=given.validation_fraction, verbose=given.verbose
        )

    def _errors(
        self,
        schema: Schema,
        rows: np.ndarray,
        groups: np.ndarray,
        scaling: str | None,
        noise: Noise,
        streams: Streams,
    ) -> Errors:
        """Return what is known of the errors, from rows of `fit` in time order."""
        encoder = TableEncoder.fit(schema, rows, np.arange(len(rows)), scaling=scaling)
        block = encoded_block(encoder, rows)
        stated = None
        if self.transformer is not None:
            stated = stated_errors(block, encoder, noise, streams.split)
        in_fit = self.noisy_rows
        if in_fit == "auto":
            in_fit = stated is None or have_errors(block, groups, encoder, stated)
        return Errors(bool(in_fit), stated)

    def _time_axis(
        self, X: Any, raw: np.ndarray, schema: Schema, groups: Any
    ) -> TimeAxis | None:
        """Return the order of the rows of `fit`; None without, or of too few."""
        if self.order is None or len(raw) < MIN_ORDERED:
            return None
        if self.order == "auto" and not is_ordered(
            X, raw, schema.is_categorical, groups
        ):
            return None
        check_index(X, groups)
        return time_axis(len(raw), groups)

    def _refuse_unordered(self, n_rows: int) -> None:
        """Raise an error where noisy rows cannot be learned from."""
        if self.noisy_rows == "auto" or not self.noisy_rows:
            return
        if n_rows < MIN_ORDERED:
            raise ValueError(
                f"noisy_rows=True needs {MIN_ORDERED} rows to distinguish errors from "
                f"values, and X has {n_rows}; fit on more, or on rows with small "
                "errors and noisy_rows=False."
            )
        raise ValueError(
            "noisy_rows=True needs rows in time order, and with "
            f"order={self.order!r} those of X are in none; set order='time' if "
            "they are, or fit on rows with small errors and noisy_rows=False."
        )

    def _refuse_few_different(self, errors: Errors) -> None:
        """Refuse `noisy_rows=True` for rows too few to show which values are errors."""
        if errors.in_fit and self.noisy_rows != "auto":
            raise ValueError(
                "noisy_rows=True needs five different rows to distinguish errors "
                "from values, and X has fewer; fit on rows that vary."
            )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "transformer_")

    def _phase_tables(self):
        fitted = getattr(self, "transformer_", None)
        return phase_tables(fitted or self._given_network)

    def _object_for(self, name, value):
        none = name == "transformer" and value is None
        return default_transformer("denoiser") if none else None


def _time_denoiser(
    learned: tuple[TableEncoder, Network, Mixture],
    rows: np.ndarray,
    groups: np.ndarray,
    split: HeldOutBlock | None,
    errors: Errors,
    noise: Noise,
    streams: Streams,
) -> TimeDenoiser | NoisyTimeDenoiser:
    """Fit to the rows around: to rows with errors as they are, to others corrupted."""
    block = encoded_block(learned[0], rows)
    if split is not None and not errors.in_fit:
        train, held_out = (
            (block.part(part), groups[part]) for part in next(split.split())
        )
        return fit_time_denoiser(*learned, noise, train, held_out, streams.corruption)
    if not errors.in_fit:  # too few rows to hold some out
        block = with_errors(block, learned[0], noise, streams.corruption)
    return fit_noisy_time_denoiser(*learned, block, groups, errors.stated)
