"""Model files without pickle: reading one never runs code.

A model file is a safetensors file: the arrays are its tensors, and its metadata hold a
JSON manifest of everything else (:func:`read_manifest`). The objects of a file are
classes of this package, estimators of scikit-learn, and plain data; nothing else is
written or read.
"""

from skdae.persistence._files import (
    ModelFileError,
    is_model_file,
    load,
    read_manifest,
    save,
)

__all__ = ["ModelFileError", "is_model_file", "load", "read_manifest", "save"]
