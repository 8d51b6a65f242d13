"""ONNX models of fitted estimators, to be served without Python.

:func:`to_onnx` writes what an estimator computes for the rows of a table as a graph of
ONNX operators; with skl2onnx, whole pipelines of scikit-learn are one graph.
"""

from skdae.export._convert import to_onnx
from skdae.export._sklearn import register_converters
from skdae.export._table import NotExportedError

__all__ = ["NotExportedError", "register_converters", "to_onnx"]
