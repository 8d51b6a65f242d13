"""Estimators of scikit-learn that are more than attributes, through skops."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

# What skops does not trust by itself although it is data: trees, and their distances.
TREE = "sklearn.tree._tree.Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
TRUSTED = (
    TREE,
    PREDICTOR,
    "sklearn.metrics._dist_metrics.EuclideanDistance32",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
)


def _skops_io(path: str) -> Any:
    """Return the module that reads and writes what is at `path` of an estimator."""
    try:
        import skops.io
    except ImportError:
        raise ImportError(
            f"{path} is an estimator of scikit-learn that a model file holds by skops; "
            "install it with: pip install 'skdae[skops]'"
        ) from None
    return skops.io


def dumps(estimator: Any, path: str) -> bytes:
    """Return an estimator as bytes."""
    return _skops_io(path).dumps(estimator)


def loads(blob: bytes) -> Any:
    """Return the estimator of bytes, if it is made of trusted types alone."""
    io_ = _skops_io("A part of the file")
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        if sum(info.file_size for info in archive.infolist()) > len(blob):
            raise ValueError("its unpacked parts are larger than the archive")
    unknown = sorted(set(io_.get_untrusted_types(data=blob)) - set(TRUSTED))
    if unknown:
        raise ValueError(f"it names types that are not trusted: {', '.join(unknown)}")
    estimator = io_.loads(blob, trusted=list(TRUSTED))
    for part in _parts(estimator):
        _check_tree(part)
    return estimator


def _parts(value: Any) -> Iterator[Any]:
    """Yield the objects of scikit-learn in an object."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        yield from _parts(value.ravel().tolist())
    elif isinstance(value, dict):
        yield from _parts(list(value.values()))
    elif type(value).__module__.startswith("sklearn."):
        yield value
        yield from _parts(list(getattr(value, "__dict__", {}).values()))


def _check_tree(part: Any) -> None:
    """Refuse a tree whose nodes point outside of it: they are followed unchecked."""
    name = f"{type(part).__module__}.{type(part).__qualname__}"
    if name == TREE:
        n, inner = part.node_count, part.children_left != -1
        children = (part.children_left, part.children_right)
        feature, n_features = part.feature, part.n_features
    elif name == PREDICTOR:
        n, inner = len(part.nodes), part.nodes["is_leaf"] == 0
        children = (part.nodes["left"], part.nodes["right"])
        feature, n_features = part.nodes["feature_idx"], np.inf
    else:
        return
    own = np.arange(n)[inner]
    forward = all(((own < c[inner]) & (c[inner] < n)).all() for c in children)
    if not forward or not ((feature[inner] >= 0) & (feature[inner] < n_features)).all():
        raise ValueError("a tree in it points outside of itself")
