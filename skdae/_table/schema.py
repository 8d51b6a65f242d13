"""How a user's table is read as a matrix, and a matrix written as such a table."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdae._sklearn_compat import (
    check_feature_names_in,
    output_container,
    safe_indexing,
)
from skdae._table.categories import (
    categorical_mask,
    category_cells,
    category_lists,
    fit_categories,
    may_be_categorical,
    unknown_values,
)
from skdae._table.frames import (
    as_table,
    column_name,
    data_frame,
    index_of,
    is_dataframe,
    missing_cells,
)
from skdae._table.imputed import MAX_EXACT, impute_column
from skdae._table.rows import check_weights
from skdae._table.validation import (
    as_numbers,
    check_container,
    check_names,
    column_names,
    is_valid,
    read_numeric,
    refuse_non_tables,
    user_stacklevel,
)


@dataclass(frozen=True)
class Schema:
    """Which columns of a table are categorical, and their categories.

    Read by a schema, a table is a float matrix: numbers in the user's units, ordinal
    codes in categorical columns, NaN where a value is missing or its category unknown.
    """

    is_categorical: np.ndarray  # (n_columns,) bool
    ordinal_encoder: Any  # OrdinalEncoder of the categorical columns, None without
    names: tuple[str, ...]  # of the columns, in messages

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return len(self.is_categorical)

    @property
    def categories(self) -> list[np.ndarray]:
        """The categories of each categorical column."""
        if self.ordinal_encoder is None:
            return []
        return category_lists(self.ordinal_encoder)

    @classmethod
    def fit(
        cls,
        estimator: Any,
        X: Any,
        *,
        categorical_features: Any,
        sample_weight: Any = None,
    ) -> tuple["Schema", np.ndarray]:
        """Return the schema of a training table, and the table as a matrix.

        The categories are those of the rows with a weight. Names and number of columns
        become the estimator's.
        """
        X = as_table(X)
        refuse_non_tables(X)
        check_names(X)
        if may_be_categorical(X, categorical_features):
            X = check_container(estimator, X, reset=True, min_rows=2)
            names = getattr(estimator, "feature_names_in_", None)
            mask = categorical_mask(X, categorical_features, names)
            if mask.any():
                weights = check_weights(sample_weight, X)
                counted = X
                if weights is not None and (weights > 0).any():
                    counted = safe_indexing(X, np.flatnonzero(weights > 0))
                encoder = fit_categories(counted, np.flatnonzero(mask))
                schema = cls(mask, encoder, column_names(estimator))
                return schema, schema._mixed(estimator, X)[0]
        raw = read_numeric(estimator, X, reset=True, min_rows=2)
        is_categorical = np.zeros(raw.shape[1], dtype=bool)
        return cls(is_categorical, None, column_names(estimator)), raw

    def read(self, estimator: Any, X: Any) -> np.ndarray:
        """Return a later table as a matrix, (n, n_columns) float32 or float64."""
        if self.ordinal_encoder is None and is_valid(estimator, X):
            return X
        X = as_table(X)
        refuse_non_tables(X)
        if self.ordinal_encoder is not None:
            X = check_container(estimator, X, reset=False, min_rows=1)
            raw, cells = self._mixed(estimator, X)
            self._warn_of_unknown(cells, raw)
            return raw
        return read_numeric(estimator, X, reset=False, min_rows=1)

    def _mixed(self, estimator: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a float64 matrix of numbers and ordinal codes, and the categories.

        These are objects, (n, n_categorical), NaN where missing.
        """
        raw = np.empty((X.shape[0], self.n_columns))
        numeric = np.flatnonzero(~self.is_categorical)
        categorical = np.flatnonzero(self.is_categorical)
        if len(numeric):
            part = safe_indexing(X, numeric, axis=1)
            raw[:, numeric] = as_numbers(estimator, part, part, 1)
        cells = category_cells(X, categorical)
        raw[:, categorical] = self.ordinal_encoder.transform(cells)
        return raw, cells

    def _warn_of_unknown(self, cells: np.ndarray, raw: np.ndarray) -> None:
        """Warn of categorical columns whose values are of another type or all unknown.

        Such a column counts as missing, which nobody may have meant.
        """
        places = np.flatnonzero(self.is_categorical)
        for place, column, known in zip(places, cells.T, self.categories, strict=True):
            why = unknown_values(column, known, raw[:, place])
            if why is not None:
                warnings.warn(
                    f"The categorical column {self.names[place]} of X holds {why}. "
                    "Values that did not occur in fit count as missing.",
                    UserWarning,
                    stacklevel=user_stacklevel(),
                )

    # --- back to the user's table ----------------------------------------------------

    def restore(
        self, estimator: Any, values: np.ndarray, X: Any, dtype: np.dtype
    ) -> Any:
        """Return a matrix as a table in the user's categories and container."""
        container = output_container(estimator)
        limits = np.finfo(dtype)
        numbers = np.clip(values, limits.min, limits.max).astype(dtype, copy=False)
        if self.ordinal_encoder is None and container == "default":
            return numbers
        columns = self._columns(numbers)
        if container == "default":
            return np.column_stack([column.astype(object) for column in columns])
        names = check_feature_names_in(estimator)
        return data_frame(container, names, columns, index_of(X))

    def fill(
        self,
        estimator: Any,
        X: Any,
        raw: np.ndarray,
        values: np.ndarray,
        indicators: np.ndarray | None = None,
    ) -> Any:
        """Return X with its missing cells taken from a matrix of values.

        `raw` is X as `read` returns it. Known cells stay as they are, to the bit, and
        a DataFrame keeps its dtypes. Indicators, one column each, follow in X's dtype.
        An array of integers, which has no missing cells, is returned as one; where
        numbers are returned as floats that do not hold them, a warning names them.
        """
        container = output_container(estimator)
        X = as_table(X)
        if not is_dataframe(X):
            X = np.asarray(X, dtype=None if self.ordinal_encoder is None else object)
        missing = missing_cells(X)
        names = list(estimator.get_feature_names_out())
        if container == "default" and self.ordinal_encoder is None:
            if getattr(X, "dtype", None) is not None and X.dtype.kind in "iu":
                filled = X.copy()
            else:
                filled = np.where(missing, values, raw).astype(raw.dtype, copy=False)
                _warn_of_rounding(X, raw)
            return filled if indicators is None else np.hstack([filled, indicators])
        fillers = self._columns(values)
        columns = []
        for j in range(missing.shape[1]):
            column = safe_indexing(X, j, axis=1)
            if missing[:, j].any():
                column = impute_column(
                    column,
                    missing[:, j],
                    fillers[j],
                    is_category=bool(self.is_categorical[j]),
                )
            columns.append(column)
        if indicators is not None:
            columns += list(indicators.astype(raw.dtype).T)
        if container == "default":
            return np.column_stack([np.asarray(c).astype(object) for c in columns])
        return data_frame(container, names, columns, index_of(X))

    def _columns(self, numbers: np.ndarray) -> list[np.ndarray]:
        """Return the columns of a matrix, ordinal codes as categories again."""
        columns = list(numbers.T)
        places = np.flatnonzero(self.is_categorical)
        for place, categories in zip(places, self.categories, strict=True):
            values = np.full(len(numbers), np.nan, dtype=object)
            seen = ~np.isnan(numbers[:, place])
            values[seen] = categories[numbers[seen, place].astype(np.intp)]
            columns[place] = values
        return columns


def _warn_of_rounding(X: Any, raw: np.ndarray) -> None:
    """Warn of whole numbers that are larger than those a float64 array holds."""
    if not raw.size or np.nanmax(np.abs(raw), initial=0) < MAX_EXACT:
        return
    columns = (safe_indexing(X, j, axis=1) for j in range(raw.shape[1]))
    rounded = [
        column_name(X, j)
        for j, column in enumerate(columns)
        if any(
            isinstance(cell, int | np.integer) and int(float(cell)) != cell
            for cell in np.asarray(column, dtype=object)
        )
    ]
    if rounded:
        warnings.warn(
            f"The columns {rounded} hold whole numbers above 2**53, which the array of "
            "floats that is returned rounds; pass a DataFrame and call "
            "set_output(transform='pandas') to keep them.",
            UserWarning,
            stacklevel=2,
        )
