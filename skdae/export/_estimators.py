"""What each estimator computes, as named outputs of a graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from skdae._denoiser import GradualDAEDenoiser
from skdae._imputer import GradualDAEImputer
from skdae._outlier import GradualDAEOutlierDetector
from skdae._supervised import GradualDAEClassifier, GradualDAERegressor
from skdae._table.schema import Schema
from skdae._transformer import GradualDAETransformer
from skdae._transformer._outputs import Fitted
from skdae.export import _network
from skdae.export._contributions import shares
from skdae.export._detector import anomaly_scores, window_of
from skdae.export._graph import Tensor
from skdae.export._table import Decoded, NotExportedError, Reader, Rows

Outputs = dict[str, Tensor]


def schema_of(estimator: Any) -> Schema:
    """Return how a fitted estimator reads its table."""
    source = getattr(estimator, "transformer_", estimator)
    return source.table_encoder_.schema


def outputs_of(estimator: Any, rows: Rows) -> Outputs:
    """Return the outputs of an estimator of this package, by name."""
    for cls, outputs in EXPORTS.items():
        if isinstance(estimator, cls):
            return outputs(estimator, rows)
    raise NotExportedError(
        f"estimator must be a fitted estimator of skdae or a pipeline that ends in "
        f"one of scikit-learn, got {type(estimator).__name__}."
    )


def class_values(classes: np.ndarray) -> np.ndarray:
    """Return classes as ONNX holds them: text, or whole numbers."""
    if all(isinstance(each, str) for each in classes.tolist()):
        return classes.astype(object)
    return classes.astype(np.int64)


# --- the transformer ------------------------------------------------------------------


def _code(reader: Reader, fitted: Fitted) -> list[Tensor]:
    return [_codes(reader, fitted)[-1]]


def _layers(reader: Reader, fitted: Fitted) -> list[Tensor]:
    return [reader.rows.graph.concatenated(_codes(reader, fitted))]


def _inputs_and_code(reader: Reader, fitted: Fitted) -> list[Tensor]:
    inputs = reader.encode().inputs(reader.encoder)
    code = _network.codes(fitted.network, inputs)[-1]
    return [code.graph.concatenated([inputs, code * fitted.known_code_scale])]


def _code_and_error(reader: Reader, fitted: Fitted) -> list[Tensor]:
    (code,), (errors,) = _code(reader, fitted), _error(reader, fitted)
    n_seen = reader.observed().cast(errors.dtype).sum()
    mean = errors.square().sum() / n_seen.maximum(1.0)
    mean = code.graph.where(n_seen > 0.5, mean, 1.0).cast(code.dtype)
    return [code.graph.concatenated([code, mean])]


def _error(reader: Reader, fitted: Fitted) -> list[Tensor]:
    found = _network.decoded(fitted.network, _codes(reader, fitted)[-1])
    return [reader.residuals(found)[0]]


def _reconstruction(reader: Reader, fitted: Fitted) -> list[Tensor]:
    encoder, encoded = reader.encoder, reader.encode()
    inputs = encoded.inputs(encoder)
    found = _network.rebuilt(fitted.network, inputs)
    if fitted.mixture is None:
        decoded = reader.decode(found.cast(np.float64), inputs.cast(np.float64))
    else:
        mixed = _network.mixed(fitted.mixture, encoded, found)
        decoded = reader.decode(mixed, encoded.Z.cast(np.float64))
        if fitted.mixture.largest is not None:
            decoded = decoded.moved_at_most(fitted.mixture.largest)
    return decoded.table(keeps=False)


def _codes(reader: Reader, fitted: Fitted) -> list[Tensor]:
    inputs = reader.encode().inputs(reader.encoder)
    return _network.codes(fitted.network, inputs)


TRANSFORMS: dict[str, Callable[[Reader, Fitted], list[Tensor]]] = {
    "code": _code,
    "inputs_and_code": _inputs_and_code,
    "layers": _layers,
    "code_and_error": _code_and_error,
    "reconstruction": _reconstruction,
    "error": _error,
}


def _transformer(estimator: GradualDAETransformer, rows: Rows) -> Outputs:
    fitted = Fitted.of(estimator)
    values = TRANSFORMS[estimator.output](Reader(fitted.encoder, rows), fitted)
    return _table("transformed", estimator, values, rows)


def _denoiser(estimator: GradualDAEDenoiser, rows: Rows) -> Outputs:
    if estimator.time_denoiser_ is not None:
        raise NotExportedError(
            "The denoiser reads the rows around a row, and an ONNX model rows one by "
            "one; fit it with order=None."
        )
    fitted = Fitted.of(estimator.transformer_)
    values = _reconstruction(Reader(fitted.encoder, rows), fitted)
    return _table("denoised", estimator, values, rows)


def _imputer(estimator: GradualDAEImputer, rows: Rows) -> Outputs:
    refused = {
        "reads the rows around a row, and an ONNX model rows one by one; fit it with "
        "order=None": estimator.time_model_ is not None,
        "draws what it imputes; set sample_posterior=False": estimator.sample_posterior,
    }
    for what, holds in refused.items():
        if holds:
            raise NotExportedError(f"The imputer {what}.")
    reader = Reader(estimator.table_encoder_, rows)
    encoded = reader.encode()
    Z = encoded.Z.cast(np.float64)
    filled = _network.imputed(estimator.imputation_model_, Z, encoded.missing)
    decoded = reader.decode(filled, Z * 0.0)
    values = _limited(estimator, decoded).table(keeps=True)
    outputs = _table("imputed", estimator, values, rows)
    if estimator.add_indicator:
        marks = [rows.is_blank(int(place)) for place in estimator.indicator_features_]
        if marks:
            outputs["indicators"] = rows.graph.concatenated(marks).cast(rows.dtype)
        if marks and rows.is_matrix:
            (name, table), (_, indicators) = outputs.items()
            return {name: rows.graph.concatenated([table, indicators])}
    return outputs


def _limited(estimator: GradualDAEImputer, decoded: Decoded) -> Decoded:
    """Return numbers within the range of fit, as `transform` limits them."""
    encoder, (low, high) = estimator.table_encoder_, estimator._range
    line = np.zeros((1, encoder.layout.n_features))
    (known,) = encoder.decode(line, beside=line)
    return decoded.clipped(np.fmin(low, known), np.fmax(high, known))


def _table(name: str, estimator: Any, values: list[Tensor], rows: Rows) -> Outputs:
    """Return a matrix as one output, and columns under their names."""
    if len(values) == 1:
        return {name: values[0].cast(rows.dtype)}
    names = schema_of(estimator).names
    return {f"{name}_{n}": value for n, value in zip(names, values, strict=True)}


# --- detector, classifier, regressor --------------------------------------------------


def _detector(estimator: GradualDAEOutlierDetector, rows: Rows) -> Outputs:
    if estimator.smoothing is not None:
        raise NotExportedError(
            f"smoothing={estimator.smoothing!r} carries a state from row to row, and "
            "an ONNX model has none; fit with smoothing=None, and smooth score_samples "
            "where the model is served."
        )
    window = window_of(rows, estimator.lags_)
    anomaly = anomaly_scores(estimator._ensemble, rows, window)
    contributions = shares(estimator._explainer, rows, window) * anomaly
    scores = -anomaly
    decision = scores - float(estimator.offset_)
    minus, plus = rows.graph.constant([[-1]]), rows.graph.constant([[1]])
    label = rows.graph.where(decision < 0.0, minus, plus)
    return {
        "label": label,
        "decision_function": decision.cast(rows.dtype),
        "score_samples": scores.cast(rows.dtype),
        "contributions": contributions.cast(rows.dtype),
    }


def _raw_outputs(estimator: Any, rows: Rows) -> Tensor:
    """Return the outputs before the head's activation, (n, n_outputs) float64."""
    Z = Reader(estimator.transformer_.table_encoder_, rows).encode().Z
    network, expansion = estimator.network_, estimator.expansion_
    inputs = Z if expansion is None else _network.expanded(expansion, Z)
    outputs = _network.raw_outputs(network, _network.codes(network, inputs)[-1])
    if estimator.linear_path_ is not None:
        outputs = outputs + _network.affine(estimator.linear_path_, Z)
    return outputs.cast(np.float64)


def _classifier(estimator: GradualDAEClassifier, rows: Rows) -> Outputs:
    logits = _raw_outputs(estimator, rows)
    shares = _network.softmax(logits / float(estimator.temperature_))
    classes = rows.graph.constant(class_values(estimator.classes_))
    return {
        "label": classes.take(logits.argmax(), axis=0),
        "probabilities": shares.cast(rows.dtype),
    }


def _regressor(estimator: GradualDAERegressor, rows: Rows) -> Outputs:
    target = estimator._target
    predicted = _raw_outputs(estimator, rows) * target.scale + target.mean
    return {"prediction": predicted.cast(rows.dtype)}


EXPORTS: dict[type, Callable[[Any, Rows], Outputs]] = {
    GradualDAETransformer: _transformer,
    GradualDAEDenoiser: _denoiser,
    GradualDAEImputer: _imputer,
    GradualDAEOutlierDetector: _detector,
    GradualDAEClassifier: _classifier,
    GradualDAERegressor: _regressor,
}
