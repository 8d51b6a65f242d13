"""The imputer: fills missing cells, and leaves the others as they are."""

from skdae._imputer._imputer import GradualDAEImputer

__all__ = ["GradualDAEImputer"]
