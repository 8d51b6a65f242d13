"""Converters for skl2onnx, so that whole pipelines of scikit-learn are exported."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skdae.export._estimators import EXPORTS, class_values, outputs_of, schema_of
from skdae.export._graph import ML_DOMAIN, ML_OPSET, OPSET, Graph, Tensor
from skdae.export._table import NotExportedError, Rows, check_categories


def _skl2onnx() -> Any:
    try:
        import skl2onnx
    except ImportError:
        raise ImportError(
            "ONNX models of pipelines need the package skl2onnx; install it with: "
            "pip install 'skdae[onnx]'"
        ) from None
    return skl2onnx


def register_converters() -> None:
    """Teach skl2onnx the estimators of this package.

    :func:`to_onnx` does so by itself; call it before functions of skl2onnx.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    """
    update = _skl2onnx().update_registered_converter
    for cls in EXPORTS:
        options = {"zipmap": [True, False, "columns"]}
        update(
            cls,
            f"Skdae{cls.__name__}",
            _set_types,
            _convert,
            options=options if hasattr(cls, "predict_proba") else None,
        )


def convert_pipeline(estimator: Any, X: Any, dtype: np.dtype) -> Any:
    """Return an estimator of scikit-learn that holds some of ours as a model."""
    skl2onnx = _skl2onnx()
    register_converters()
    options = {"zipmap": False} if is_classifier(estimator) else None
    opset = {"": OPSET, ML_DOMAIN: ML_OPSET}
    if X is not None:
        return skl2onnx.to_onnx(estimator, X[:1], options=options, target_opset=opset)
    types = skl2onnx.common.data_types
    kind = types.DoubleTensorType if dtype == np.float64 else types.FloatTensorType
    width = getattr(estimator, "n_features_in_", None)
    if width is None:
        raise NotExportedError(
            f"{type(estimator).__name__} does not keep the number of its columns; pass "
            "some rows of its table as X."
        )
    inputs = [("X", kind([None, width]))]
    return skl2onnx.convert_sklearn(
        estimator, initial_types=inputs, options=options, target_opset=opset
    )


def _dtype_of(variable: Any) -> np.dtype:
    """Return the dtype of a variable of skl2onnx."""
    from skl2onnx.common import data_types

    kinds = {
        data_types.FloatTensorType: np.float32,
        data_types.DoubleTensorType: np.float64,
        data_types.StringTensorType: object,
        data_types.Int64TensorType: np.int64,
        data_types.BooleanTensorType: bool,
    }
    for kind, dtype in kinds.items():
        if isinstance(variable.type, kind):
            return np.dtype(dtype)
    raise NotExportedError(
        f"The input {variable.raw_name} is {variable.type}, and estimators of skdae "
        "take numbers and text; convert it before."
    )


def _rows(operator: Any, graph: Graph) -> Rows:
    """Return the inputs of an operator as rows."""
    schema = schema_of(operator.raw_operator)
    check_categories(schema)
    inputs = [Tensor(graph, v.full_name, _dtype_of(v)) for v in operator.inputs]
    is_double = any(each.dtype == np.float64 for each in inputs)
    dtype = np.dtype(np.float64 if is_double else np.float32)
    widths = [variable.type.shape[1] for variable in operator.inputs]
    if len(inputs) == 1 and inputs[0].dtype != np.dtype(object):
        return Rows(graph, dtype, [inputs[0].cast(dtype)])
    if any(width is None for width in widths) or sum(widths) != schema.n_columns:
        raise NotExportedError(
            f"{type(operator.raw_operator).__name__} has {schema.n_columns} columns, "
            f"and its inputs have the widths {widths}; pass some rows of the table as "
            "X."
        )
    columns = [
        tensor if width == 1 else tensor.take([place])
        for tensor, width in zip(inputs, widths, strict=True)
        for place in range(width)
    ]
    if all(each.dtype != np.dtype(object) for each in columns):
        cells = [each.cast(dtype) for each in columns]
        return Rows(graph, dtype, [graph.concatenated(cells)])
    return Rows(graph, dtype, columns)


def _outputs(operator: Any, graph: Graph) -> list[Tensor]:
    """Return the outputs that skl2onnx has for a kind of estimator."""
    estimator = operator.raw_operator
    found = list(outputs_of(estimator, _rows(operator, graph)).items())
    n_wanted = len(operator.outputs)
    is_table = n_wanted == 1 and len(found) > 1
    if is_table:
        raise NotExportedError(
            f"{type(estimator).__name__} returns columns of text, and a pipeline of "
            "ONNX carries one table of numbers; encode categories before it, or export "
            "it by itself."
        )
    return [tensor for _, tensor in found[:n_wanted]]


def _set_types(operator: Any) -> None:
    """Set the types of the outputs of an operator."""
    from skl2onnx.common import data_types

    is_double = any(_dtype_of(v) == np.float64 for v in operator.inputs)
    numbers = data_types.DoubleTensorType if is_double else data_types.FloatTensorType
    estimator = operator.raw_operator
    for variable in operator.outputs:
        kind: Any = numbers
        if variable.raw_name == "label":
            kind = data_types.Int64TensorType
            if hasattr(estimator, "classes_"):
                is_text = class_values(estimator.classes_).dtype == object
                kind = data_types.StringTensorType if is_text else kind
        width = None
        if variable.raw_name == "probabilities":
            width = len(estimator.classes_)
        elif hasattr(estimator, "get_feature_names_out"):
            width = len(estimator.get_feature_names_out())
        variable.type = kind([None, width])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of an operator to the one of a pipeline."""
    graph = Graph(scope.get_unique_variable_name("skdae") + "_")
    outputs = _outputs(operator, graph)
    graph.keep(outputs)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.initializers)
    versions = {("", OPSET), (ML_DOMAIN, ML_OPSET)}
    container.node_domain_version_pair_sets.update(versions)
    for tensor, variable in zip(outputs, operator.outputs, strict=True):
        container.add_node("Identity", [tensor.name], [variable.full_name])
