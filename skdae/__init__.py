"""Gradual denoising autoencoders for scikit-learn."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from skdae._version import __version__

if TYPE_CHECKING:
    from skdae._denoiser import GradualDAEDenoiser
    from skdae._grading import grade
    from skdae._imputer import GradualDAEImputer
    from skdae._outlier import GradualDAEOutlierDetector
    from skdae._supervised import GradualDAEClassifier, GradualDAERegressor
    from skdae._transformer import GradualDAETransformer
    from skdae.export import to_onnx
    from skdae.persistence import load, save

__all__ = [
    "GradualDAEClassifier",
    "GradualDAEDenoiser",
    "GradualDAEImputer",
    "GradualDAEOutlierDetector",
    "GradualDAERegressor",
    "GradualDAETransformer",
    "__version__",
    "grade",
    "load",
    "save",
    "to_onnx",
]

# public name: the module it lives in, imported when the name is asked for
_HOMES = {
    "GradualDAEClassifier": "skdae._supervised",
    "GradualDAEDenoiser": "skdae._denoiser",
    "GradualDAEImputer": "skdae._imputer",
    "GradualDAEOutlierDetector": "skdae._outlier",
    "GradualDAERegressor": "skdae._supervised",
    "GradualDAETransformer": "skdae._transformer",
    "grade": "skdae._grading",
    "load": "skdae.persistence",
    "save": "skdae.persistence",
    "to_onnx": "skdae.export",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import skdae` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'skdae' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
