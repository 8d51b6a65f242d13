"""Base of the transformers of rows in time order, which read groups of rows."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdae._sklearn_compat import check_feature_names_in, validate_params_of
from skdae._table.group_column import Beside, read_beside


class RowsTransformer(TransformerMixin, BaseEstimator):
    """Transformer of rows in time order, whose groups stand in X or beside it."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        # with this tag scikit-learn's checks keep the order of rows
        tags.non_deterministic = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "group_column_")

    def _read_first(self, X: Any) -> Beside:
        """Return the table that `fit` is given, and the group column."""
        return read_beside(
            self, X, self.group_column, parameter="group_column", reset=True
        )

    def _read(self, X: Any, groups: Any) -> tuple[np.ndarray, Any]:
        """Return the cells without the group column, and the groups of the rows."""
        check_is_fitted(self)
        validate_params_of(self)
        table = read_beside(
            self, X, self.group_column_, parameter="group_column", reset=False
        )
        return table.cells, self._groups(table, groups)

    def _groups(self, table: Beside, groups: Any) -> Any:
        """Return the groups of the rows, from the table or beside it."""
        if table.column is None:
            return groups
        if groups is not None:
            raise ValueError(
                f"groups must be None where group_column={self.group_column!r} names "
                "them; pass one of the two."
            )
        return table.column

    def _names(self, input_features: Any) -> list[str]:
        """Return the names of the columns beside the group column."""
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        return [n for j, n in enumerate(names) if j != self.group_column_]
