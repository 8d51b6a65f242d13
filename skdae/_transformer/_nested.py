"""Parameters of objects that a name or None stands for, such as noise__rate."""

from typing import Any

from sklearn.base import BaseEstimator


class NestedParametersMixin(BaseEstimator):
    """Reaches into parameters whose value is a name or None and stands for an object.

    ``set_params(noise__rate=0.1)`` turns ``noise='masking'`` into the object with that
    rate, and ``get_params`` lists what can be set so, as searches ask for it. An
    estimator says in `_object_for` what a value stands for.
    """

    def _object_for(self, name: str, value: Any) -> Any | None:
        """Return a new object that a value stands for, None where it is none."""
        return None

    def _replaced(self, name: str) -> dict[str, Any]:
        """Return other parameters to reset when an object replaces a name."""
        return {}

    def get_params(self, deep=True):
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of objects, also of those that a name or
            None stands for.

        Returns
        -------
        dict
            Values by name.
        """
        params = super().get_params(deep=deep)
        if not deep:
            return params
        for name, value in list(params.items()):
            made = None if "__" in name else self._object_for(name, value)
            if made is not None:
                for key, inner in made.get_params(deep=True).items():
                    params.setdefault(f"{name}__{key}", inner)
        return params

    def set_params(self, **params):
        """Set parameters, also those of objects.

        Parameters
        ----------
        **params : dict
            Values by name. ``noise__rate`` reaches into an object; a name or None
            becomes the object that it stands for first.

        Returns
        -------
        self : object
            This estimator.

        Raises
        ------
        ValueError
            If a name has no such parameter, or stands for no object.
        """
        for key in [key for key in params if "__" in key]:
            name, _, inner = key.partition("__")
            value = params.get(name, getattr(self, name, None))
            made = self._object_for(name, value)
            if made is not None:
                params = self._replaced(name) | params | {name: made}
            elif isinstance(value, str):
                raise ValueError(
                    f"{key} belongs to an object, and {name}={value!r} stands for "
                    f"none; set {name} to the object whose {inner} is meant first."
                )
        return super().set_params(**params)
