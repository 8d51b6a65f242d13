"""What estimators share that fill or denoise tables whose rows may be in time order."""

from sklearn.base import TransformerMixin

from skdae._transformer._transformer import input_tags_of


class OrderedTableMixin(TransformerMixin):
    """A transformer from tables to tables, with an `order` and `groups` of rows."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = input_tags_of(self)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        # the tag by which scikit-learn's checks leave the order of rows alone
        tags.non_deterministic = self.order == "time"
        return tags

    def fit_transform(self, X, y=None, groups=None):
        """Fit, and return the transformed table.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training table.
        y : None
            Ignored, there for pipelines.
        groups : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_features or more)
            As in `transform`.
        """
        return self.fit(X, y, groups).transform(X, groups)
