"""Estimators of scikit-learn that are more than attributes, through skops."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

# What skops does not trust by itself although it is data: trees, and their distances.
TREE = "sklearn.tree._tree.Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
NEIGHBOR_TREES = tuple(
    f"sklearn.neighbors._{module}.{name}{bits}"
    for module, name in (("ball_tree", "BallTree"), ("kd_tree", "KDTree"))
    for bits in ("", "64")
)
TRUSTED = (
    TREE,
    PREDICTOR,
    "sklearn.metrics._dist_metrics.EuclideanDistance32",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    *NEIGHBOR_TREES,
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
    if name in NEIGHBOR_TREES:
        is_whole = _is_whole(part)
    elif name == TREE:
        inner = part.children_left != -1
        children = (part.children_left, part.children_right)
        is_whole = _is_forward(inner, children, part.feature, part.n_features)
    elif name == PREDICTOR:
        nodes = part.nodes
        children = (nodes["left"], nodes["right"])
        is_whole = _is_forward(
            nodes["is_leaf"] == 0, children, nodes["feature_idx"], np.inf
        )
    else:
        return
    if not is_whole:
        raise ValueError("a tree in it points outside of itself")


def _is_forward(
    inner: np.ndarray,
    children: tuple[np.ndarray, np.ndarray],
    feature: np.ndarray,
    n_features: float,
) -> bool:
    """Return whether the children of inner nodes come later, and features exist."""
    n_nodes = len(inner)
    own = np.arange(n_nodes)[inner]
    is_inside = (feature[inner] >= 0) & (feature[inner] < n_features)
    return bool(is_inside.all()) and all(
        ((own < each[inner]) & (each[inner] < n_nodes)).all() for each in children
    )


def _is_whole(tree: Any) -> bool:
    """Return whether a tree of neighbours holds each row once, within its nodes."""
    data, index, nodes, bounds, *counts = tree.__getstate__()[:7]
    _, n_levels, n_nodes = counts
    n_rows = len(data)
    ends = nodes["idx_start"], nodes["idx_end"]
    return bool(
        n_nodes == len(nodes) == bounds.shape[1] == 2**n_levels - 1
        and bounds.shape[2] == data.shape[1]
        and len(index) == n_rows
        and (np.sort(index) == np.arange(n_rows)).all()
        and (ends[0] >= 0).all()
        and (ends[0] <= ends[1]).all()
        and (ends[1] <= n_rows).all()
        and (nodes["is_leaf"][n_nodes // 2 :] == 1).all()
    )
