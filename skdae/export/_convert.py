"""Fitted estimators as ONNX models."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdae._version import __version__
from skdae.export._estimators import EXPORTS, outputs_of, schema_of
from skdae.export._graph import (
    IR_VERSION,
    ML_DOMAIN,
    ML_OPSET,
    OPSET,
    Graph,
    Tensor,
    onnx_package,
)
from skdae.export._table import (
    NotExportedError,
    Rows,
    categories_are_text,
    check_categories,
)

DTYPES: dict[str, np.dtype] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


def to_onnx(estimator: Any, X: Any = None, *, dtype: str = "float32") -> Any:
    """Return a fitted estimator as an ONNX model, for `onnxruntime` and others.

    The model takes rows in the user's units, NaN where nothing was measured, and
    returns what the estimator does: scaling, categories, networks, scores and
    thresholds are part of it. Results differ from those of the estimator by rounding,
    and by the rules in Notes.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a :class:`~sklearn.pipeline.Pipeline`
        with some in it, whose other steps skl2onnx converts.
    X : DataFrame or array-like, default=None
        Some rows, from which skl2onnx reads the inputs of a pipeline; only needed for
        pipelines of columns that are text or are named, and refused with an estimator
        of this package, which knows its inputs.
    dtype : {'float32', 'float64'}, default='float32'
        Dtype of the numbers that the model takes and returns; the model agrees with
        the estimator given rows of this dtype. Ignored for a pipeline with `X`, which
        says it.

    Returns
    -------
    onnx.ModelProto
        Save it with ``onnx.save(model, path)``. See Notes for inputs and outputs.

    Raises
    ------
    ValueError
        If a setting has no ONNX model, such as rows around a row that are read in
        time, smoothing and draws; the message names the setting to fit with. If `dtype`
        is none of these, or `X` is given with an estimator of this package.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ImportError
        If onnx, or skl2onnx for a pipeline, is not installed.

    See Also
    --------
    skdae.save : Files that this package reads again.

    Notes
    -----
    *Inputs.* One matrix ``X`` of shape (n, n_columns) if all columns are numbers; where
    categories are text, each column is an input of shape (n, 1) with its own name. An
    empty text is a missing category, and so is one that did not occur in `fit`.

    *Outputs.* ``transformed`` of a transformer; ``label`` (1 or -1),
    ``decision_function`` and ``score_samples``, (n, 1) each, and ``contributions`` (n,
    n_columns) of a detector; ``label`` and ``probabilities`` of a classifier;
    ``prediction`` of a regressor, (n, n_outputs); ``imputed`` of an imputer and
    ``denoised`` of a denoiser, which are one output per column (``imputed_name``) where
    categories are text.

    A detector scores all rows as new ones, and with `lags` rows in time order, the
    first one with copies of itself. Its contributions take memory for matrices of
    n_columns x n_columns for each row: pass long tables in parts. The model does not
    check its input: infinite values are not refused.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import skdae
    >>> X, _ = load_iris(return_X_y=True)
    >>> transformer = skdae.GradualDAETransformer((3,), max_iter=5).fit(X)
    >>> model = skdae.to_onnx(transformer)
    >>> [each.name for each in model.graph.output]
    ['transformed']
    """
    if dtype not in DTYPES:
        raise ValueError(
            f"dtype={dtype!r} must be one of {sorted(DTYPES)}; pass the one of the "
            "rows that the model will get."
        )
    check_is_fitted(estimator)
    if not isinstance(estimator, tuple(EXPORTS)):
        from skdae.export._sklearn import convert_pipeline

        return convert_pipeline(estimator, X, DTYPES[dtype])
    if X is not None:
        raise ValueError(
            f"X must be None for {type(estimator).__name__}, which knows its inputs, "
            f"got {type(X).__name__}; leave X out, and set dtype to that of the rows."
        )
    graph = Graph("v")
    rows = read_rows(graph, estimator, DTYPES[dtype])
    return _model(graph, rows, outputs_of(estimator, rows), type(estimator).__name__)


def read_rows(graph: Graph, estimator: Any, dtype: np.dtype) -> Rows:
    """Return the inputs of an estimator's model."""
    schema = schema_of(estimator)
    check_categories(schema)
    if not categories_are_text(schema):
        return Rows(graph, dtype, [Tensor(graph, "X", dtype)])
    kinds = dict(
        zip(np.flatnonzero(schema.is_categorical), schema.categories, strict=True)
    )
    is_text = {k: any(isinstance(each, str) for each in v) for k, v in kinds.items()}
    columns = [
        Tensor(graph, name, np.dtype(object) if is_text.get(place) else dtype)
        for place, name in enumerate(schema.names)
    ]
    return Rows(graph, dtype, columns)


def _model(graph: Graph, rows: Rows, outputs: dict[str, Tensor], name: str) -> Any:
    """Return a model of a graph."""
    helper = onnx_package().helper
    taken = {each.name for each in rows.columns} & set(outputs)
    if taken:
        raise NotExportedError(
            f"The columns {sorted(taken)} have names of outputs; rename them before "
            "fit."
        )
    for output, value in outputs.items():
        node = helper.make_node("Identity", [value.name], [output])
        graph.nodes.append(node)
    renamed = [Tensor(graph, key, each.dtype) for key, each in outputs.items()]
    width = None if rows.is_matrix else 1
    proto = helper.make_graph(
        graph.nodes,
        name,
        [each.value_info([None, width]) for each in rows.columns],
        [each.value_info() for each in renamed],
        graph.initializers,
    )
    return helper.make_model(
        proto,
        producer_name="skdae",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid(ML_DOMAIN, ML_OPSET),
        ],
    )
