"""The imputer: fills missing cells, and leaves the others as they are."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdae._imputer._error_table import error_table
from skdae._imputer._masks import IncompleteRows
from skdae._imputer._model import (
    ImputationModel,
    feature_columns,
    fit_imputation_model,
)
from skdae._imputer._time import TimeModel, fit_time_model
from skdae._random import spawn_streams
from skdae._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from skdae._table.encoder import TableEncoder
from skdae._table.frames import missing_cells
from skdae._table.rows import training_rows
from skdae._table.schema import Schema
from skdae._transformer._callbacks import observed_networks
from skdae._transformer._defaults import default_transformer
from skdae._transformer._html import PhaseTable, PhaseTableMixin, phase_tables
from skdae._transformer._nested import NestedParametersMixin
from skdae._transformer._ordered import OrderedTableMixin
from skdae._transformer._parameters import warn_of_empty_columns
from skdae._transformer._state import unchanged_on_failure
from skdae._transformer._transformer import (
    CATEGORICAL_FEATURES,
    GradualDAETransformer,
    categorical_features_of,
)
from skdae.timeseries._groups import group_codes
from skdae.timeseries._neighbours import time_axis
from skdae.timeseries._order import numeric_order
from skdae.timeseries._time import check_index, index_fault, index_seconds

MIN_SHARE = 1e-6  # of a category that is drawn
CERTAIN = 1e6  # outweighs the deviations drawn for single features of a category


class GradualDAEImputer(
    CallbackSupportMixin, PhaseTableMixin, OrderedTableMixin, NestedParametersMixin
):
    """Impute missing cells from the other cells of their row.

    A first estimate is linear: the conditional mean of a normal distribution, learned
    from incomplete rows. Denoising networks then learn its errors from cells hidden on
    purpose. Starting from their estimate, forests fill one column after the other from
    the others. The imputed value is the weighted mean of the networks' and the forests'
    estimates; the weights, one per column, are the inverse squared errors on held-out
    rows. Only missing cells change.

    Where rows are in time order, a cell is imputed from the rows around it instead: by
    the line between the known values before and after, by a vector autoregression of
    all columns, and by trees that correct the latter. The imputed value is the mean of
    the three with the least error on cells hidden in gaps of its length.

    Parameters
    ----------
    transformer : GradualDAETransformer or None, default=None
        Its parameters are those of each refinement's network. Its `noise` chooses the
        cells that are hidden in training ('dropout' for groups of sensors that fail
        together) and must leave some of a row; `scaling` and
        `categorical_features` are those of the table. `loss`, `output`,
        `early_stopping` and `warm_start` are not used, and 'tied' is no decoder of an
        imputer; ``epoch_allocation='auto'`` of the schedule is refused. Phases that
        train on codes ('stacked', 'hybrid') have no noise there.
        Missingness patterns of the table are resampled: as many rows as have missing
        cells in `fit`, but at most half of them, get those of another row.
        None: widths of 128 and 64, 100 epochs in batches of 64 rows at a rate of
        0.002, and a random share of each row hidden, up to 60 % of it.
    categorical_features : array-like of bool, int or str, 'auto', 'from_dtype' or \
None, default='auto'
        Categorical columns: a mask, indices or names, 'from_dtype' for those of a
        DataFrame that have a categorical dtype, None for none. 'auto': those of the
        `transformer`, which are those of a categorical dtype by default.
    n_refinements : int, default=1
        Networks, each of which corrects the errors of the estimate before it. 0 is the
        linear estimate, which is ahead where relations change after `fit`. A further
        one helps little; where it does not help on held-out rows, its step is 0.
    n_trees : int, default=10
        Trees of a forest. A column has two forests, the second of which starts from
        the estimates of the first ones, one above 60 encoded columns, and none where
        its weight would be small. They make up most of the fitted imputer's size, up
        to about 0.3 MB per column; 0 omits all of them.
    order : {'auto', 'time'} or None, default='auto'
        Whether rows are in time order, in `fit` and later. 'auto': if some numeric
        column depends on its values in the rows around, by
        `skdae.timeseries.time_order`; later tables that are long enough for a test must
        be in order too, or are imputed row by row with a warning. None: every row is
        imputed by itself.
    n_imputations : int, default=1
        Tables that `sample_imputations` returns.
    add_indicator : bool, default=False
        Whether `transform` appends a column of 0 and 1 for each column that had
        missing cells in `fit`, 1 where a cell was missing.
    sample_posterior : bool, default=False
        Whether `transform` draws imputed values from their distribution instead of
        returning the mean (for categories, the most probable one).
    random_state : int, RandomState, Generator or None, default=None
        Seed of hidden cells, held-out rows, trees and draws, and of a `transformer`
        without a seed of its own. None draws a new seed each time, which
        ``np.random.seed`` does not set.
    verbose : bool or int, default=False
        Whether to print the progress of the networks; above 1 for every epoch.

    Attributes
    ----------
    imputation_model_ : ImputationModel
        Model of the encoded rows: `gaussian`, mean and inverse covariance;
        `refinements`, networks and the share of their correction that is made, by
        feature; `forests` and their weight, `forest_share`; `spread` of the errors on
        held-out rows, over the one that `gaussian` expects.
    time_model_ : TimeModel or None
        What is read from the rows around: `autoregression`, and `columns` with their
        trees, and the shares and errors of the candidates for each class of gap
        lengths. None where rows are not in time order.
    error_ : DataFrame
        Errors of cells that were hidden in held-out rows: by ``column``, length of the
        ``gap`` in rows and ``candidate``, the root mean square ``error`` in units of
        the scaling (standard deviations by default; the root of the Brier score for
        categories) and the ``share`` of the candidate. 'mean' and 'linear' are
        baselines, 'imputed' what the imputer does.
    table_encoder_ : TableEncoder
        Learned encoding of the table.
    indicator_features_ : ndarray of int
        Columns that had missing cells in `fit`.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Their names, when X has names.

    Notes
    -----
    Imputed values lie within the range of the column in `fit`; drawn ones may lie
    beyond it. A column without a single value in `fit` stays missing. An unknown
    category is kept, and treated as missing when other cells are filled.

    Filled columns of a data frame have one type. A numeric column of integers, booleans
    or a categorical dtype becomes one of floats where cells are missing; with whole
    numbers above 2**53, which floats do not hold, it stays one of integers, and imputed
    values are rounded. Decimals are filled with decimals of as many places. Categorical
    columns keep their dtype, which learns the categories that it lacks.

    In time order the autoregression has three lags. All missing cells are estimated
    together from all known ones, before and after them (the mean of their joint normal
    distribution); it is learned by stochastic expectation maximisation [5]_. Trees,
    shares and errors come from known cells that are hidden in the gaps of the table,
    moved in time, and in gaps of all lengths up to 48 rows. Gaps of 1, 2 to 3, 4 to 11
    and 12 or more rows have shares and errors of their own. More is missing there than
    in the table itself. A column without a known value in a group is imputed row by
    row.

    Above 60 encoded columns the autoregression is made of blocks of up to 24 related
    ones, each of which reads twelve factors of the others: principal components,
    estimated from the known cells of a row. The time grows with the number of columns.

    Rows are equally far apart, unless an index of dates (of a pandas DataFrame) says
    otherwise, in `fit` and later: then lines, gaps and the autoregression follow the
    time, and up to 100 usual steps without a row count as rows without a value.

    The covariance is shrunk where there are fewer than ten rows per encoded column.

    Draws have the covariance of the linear estimate, in time order that of the
    autoregression, scaled by column (and class of gaps) so that their 90 % intervals
    cover nine in ten of the cells hidden in held-out rows. Row by row, each of these
    counts the more, the more often cells in rows like its own are missing (Tibshirani
    et al. 2019), by a regression on the filled rows. The parameters of the model are
    not drawn, so that errors in rows from another time than those of `fit` may be
    larger than the draws suggest.

    Fewer than 20 rows train neither networks nor forests. Of large tables the
    covariance is learned from 5,000 rows drawn at random and forests from 12,000;
    networks see all.

    Held-out rows are blocks of neighbours, so that rows in time order are scored on
    another time.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from
       incomplete data via the EM algorithm", JRSS B 39, 1977.
    .. [2] D. B. Rubin, "Multiple imputation for nonresponse in surveys", 1987.
    .. [3] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", J. Multivariate Analysis 88(2), 2004.
    .. [4] D. J. Stekhoven and P. Bühlmann, "MissForest: non-parametric missing value
       imputation for mixed-type data", Bioinformatics 28(1), 2012.
    .. [5] G. Celeux and J. Diebolt, "The SEM algorithm: a probabilistic teacher
       algorithm derived from the EM algorithm for the mixture problem", Computational
       Statistics Quarterly 2, 1985.
    .. [6] R. J. Tibshirani, R. Foygel Barber, E. J. Candes and A. Ramdas, "Conformal
       prediction under covariate shift", NeurIPS, 2019.

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
        "transformer": [GradualDAETransformer, None],
        "categorical_features": CATEGORICAL_FEATURES,
        "n_refinements": [Interval(Integral, 0, None, closed="left")],
        "n_trees": [Interval(Integral, 0, None, closed="left")],
        "order": [StrOptions({"auto", "time"}), None],
        "n_imputations": [Interval(Integral, 1, None, closed="left")],
        "add_indicator": ["boolean"],
        "sample_posterior": ["boolean"],
        "random_state": ["random_state", HasMethods("integers")],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        transformer=None,
        *,
        categorical_features="auto",
        n_refinements=1,
        n_trees=10,
        order="auto",
        n_imputations=1,
        add_indicator=False,
        sample_posterior=False,
        random_state=None,
        verbose=False,
    ):
        self.transformer = transformer
        self.categorical_features = categorical_features
        self.n_refinements = n_refinements
        self.n_trees = n_trees
        self.order = order
        self.n_imputations = n_imputations
        self.add_indicator = add_indicator
        self.sample_posterior = sample_posterior
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, groups=None):
        """Learn the imputation model.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training table; NaN where nothing was measured.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, file, run); nothing is read across groups. In a
            pipeline it comes by metadata routing, after
            ``set_fit_request(groups=True)``.

        Returns
        -------
        self : GradualDAEImputer
            The fitted imputer.

        Raises
        ------
        ValueError
            If a parameter is out of its range or does not fit the data, or if the index
            of X has dates that decrease with ``order='time'``.
        """
        with observed_networks(self, self.n_refinements, X):
            self._fit(X, groups)
        return self

    def transform(self, X, groups=None):
        """Return the table with its missing cells filled.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`; in time order they bring those around
            them along, and a row by itself is imputed without.
        groups : array-like of shape (n_samples,), default=None
            Group of each row (unit, file, run); nothing is read across groups. In a
            pipeline it comes by metadata routing, after
            ``set_transform_request(groups=True)``.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features or more)
            The table, known cells to the bit; with categorical columns an object
            array or a DataFrame. A DataFrame, with the dtypes of X, when `set_output`
            asks for one; numeric columns of integers with missing cells become floats,
            see Notes. With `add_indicator` the indicators follow.
        """
        check_is_fitted(self)
        generator = np.random.default_rng(self._seed) if self.sample_posterior else None
        return self._filled(X, groups, generator)

    def sample_imputations(self, X, groups=None):
        """Return several filled tables, drawn from what missing cells may be.

        Results computed from each table can be averaged; their spread over the tables
        is the uncertainty due to missing cells (Rubin, 1987).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns seen in `fit`.
        groups : array-like of shape (n_samples,), default=None
            As in `transform`.

        Returns
        -------
        list of ndarray or DataFrame
            `n_imputations` tables as `transform` returns them. The first is the one
            that `transform` draws with `sample_posterior=True`.
        """
        check_is_fitted(self)
        generator = np.random.default_rng(self._seed)
        return [self._filled(X, groups, generator) for _ in range(self.n_imputations)]

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
        names = list(check_feature_names_in(self, input_features))
        if self.add_indicator:
            names += [f"missingindicator_{names[j]}" for j in self.indicator_features_]
        return np.asarray(names, dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "imputation_model_")

    def _phase_tables(self):
        transformer = self.transformer or default_transformer("imputer")
        if not hasattr(self, "imputation_model_"):
            return phase_tables(transformer, "each refinement")
        rate = float(transformer.learning_rate_init)
        return [
            PhaseTable(f"Phases of refinement {number}, as trained", each.phases, rate)
            for number, each in enumerate(self.imputation_model_.refinements, 1)
        ]

    def _object_for(self, name, value):
        none = name == "transformer" and value is None
        return default_transformer("imputer") if none else None

    def _fit(self, X: Any, groups: Any) -> None:
        """Set the fitted attributes."""
        transformer = self.transformer or default_transformer("imputer")
        schema, raw = Schema.fit(
            self, X, categorical_features=categorical_features_of(self, transformer)
        )
        index = training_rows(raw, None).index
        if not len(index):
            raise ValueError(
                "X must hold some value to learn from, and all cells of its "
                f"{len(raw)} rows are missing; add rows with values."
            )
        encoder = TableEncoder.fit(schema, raw, index, scaling=transformer.scaling)
        warn_of_empty_columns(self, encoder)
        streams = spawn_streams(self.random_state)
        Z, observed = _encoded(encoder, raw)
        rows = IncompleteRows(Z[index], observed[index], index.argsort().argsort())
        model = fit_imputation_model(
            transformer, self.n_refinements, self.n_trees, encoder, rows, streams
        )
        self._seed = int(streams.shuffle.integers(2**32))
        group_codes(groups, len(raw))  # refused if they do not fit, read or not
        self.time_model_: TimeModel | None = None
        if self._is_ordered(X, raw, groups, schema):
            self.time_model_ = fit_time_model(
                Z,
                ~observed,
                feature_columns(encoder),
                (model.low, model.high),
                time_axis(len(Z), groups),
                index_seconds(X),
                streams.shuffle,
            )
        self.imputation_model_ = model
        self.table_encoder_ = encoder
        names = check_feature_names_in(self)
        self.error_ = error_table(names, encoder, model, self.time_model_)
        self.indicator_features_ = np.flatnonzero(missing_cells(X).any(axis=0))
        self._range = np.fmin.reduce(raw[index]), np.fmax.reduce(raw[index])

    def _is_ordered(self, X: Any, raw: np.ndarray, groups: Any, schema: Schema) -> bool:
        """Return whether the rows of `fit` are in time order."""
        if self.order == "auto":
            return numeric_order(raw, schema.is_categorical, groups).is_ordered
        if self.order == "time":
            check_index(X, groups)
        return self.order == "time"

    def _reads_around(self, X: Any, raw: np.ndarray, groups: Any) -> bool:
        """Return whether rows are imputed from those around them."""
        if self.time_model_ is None or len(raw) == 1:
            return False
        if self.order == "time":
            check_index(X, groups)
            return True
        is_categorical = self.table_encoder_.schema.is_categorical
        found = numeric_order(raw, is_categorical, groups)
        is_shuffled = not found.is_ordered and not np.isnan(found.correlation).any()
        is_shuffled |= index_fault(X, groups) is not None
        if is_shuffled:
            warnings.warn(
                "Rows were in time order in fit, and those of X are not; their cells "
                "are imputed row by row. Pass them in order, with order='time' if they "
                "are, or set order=None.",
                UserWarning,
                stacklevel=4,
            )
        return not is_shuffled

    def _filled(
        self, X: Any, groups: Any, generator: np.random.Generator | None
    ) -> Any:
        """Return the table filled with means, or with draws from a generator."""
        encoder, model = self.table_encoder_, self.imputation_model_
        raw = encoder.read(self, X)
        group_codes(groups, len(raw))
        values, observed = _encoded(encoder, raw)
        rows = np.flatnonzero(~observed.all(axis=1))
        around = None
        if len(rows) and self.time_model_ and self._reads_around(X, raw, groups):
            axis = time_axis(len(values), groups)
            around = self.time_model_.order(values, ~observed, axis, index_seconds(X))
        filled, missing = values[rows], ~observed[rows]
        left, deviations = missing, np.zeros(filled.shape)  # to impute by row alone
        line = np.zeros(filled.shape)
        if self.time_model_ and around is not None:
            line = around.axis.to_rows(around.line)[rows]
            left, line = missing & np.isnan(line), np.nan_to_num(line)
            filled = np.where(left, filled, self.time_model_.impute(around)[rows])
            if generator is not None:
                deviations = self.time_model_.deviations(around, generator)[rows]
        _impute_alone(model, filled, missing, left, deviations, generator)
        if generator is not None:
            filled = deviations + _drawn_categories(encoder, filled, missing, generator)
        imputed = raw.astype(np.float64)
        if len(rows):
            imputed[rows] = encoder.decode(filled, beside=line)
            if generator is None:  # the way back from the encoding rounds
                low, high = self._range
                known = encoder.decode(line, beside=line)
                limits = np.fmin(low, known), np.fmax(high, known)
                imputed[rows] = np.clip(imputed[rows], *limits)
        indicators = None
        if self.add_indicator:
            indicators = missing_cells(X)[:, self.indicator_features_]
        return encoder.fill(self, X, raw, imputed, indicators)


# --- parts of fit --------------------------------------------------------------------


def _encoded(encoder: TableEncoder, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows as float64, and which of their cells are observed."""
    Z, missing = encoder.encode_with_missing(raw)
    return Z.astype(np.float64), ~missing


# --- parts of transform --------------------------------------------------------------


def _impute_alone(
    model: ImputationModel,
    filled: np.ndarray,
    missing: np.ndarray,
    left: np.ndarray,
    deviations: np.ndarray,
    generator: np.random.Generator | None,
) -> None:
    """Impute the cells that are `left` from their row alone, and draw deviations."""
    rows = np.flatnonzero(left.any(axis=1))
    if not len(rows):
        return
    cells = left[rows]
    means = model.means(filled[rows], missing[rows])
    filled[rows] = np.where(cells, means, filled[rows])
    if generator is not None:
        drawn = model.deviations(missing[rows], generator)
        deviations[rows] = np.where(cells, drawn, deviations[rows])


def _drawn_categories(
    encoder: TableEncoder,
    filled: np.ndarray,
    missing: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return rows in which missing categories are drawn by their estimated shares."""
    drawn = filled.copy()
    for group in encoder.groups:
        rows = np.flatnonzero(missing[:, group.start])
        shares = np.maximum(filled[rows, group], MIN_SHARE).cumsum(axis=1)
        limit = generator.random(len(rows)) * shares[:, -1]
        chosen = (shares > limit[:, None]).argmax(axis=1)
        drawn[rows, group] = CERTAIN * np.eye(shares.shape[1])[chosen]
    return drawn
