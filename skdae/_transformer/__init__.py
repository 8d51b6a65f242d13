"""The transformer: a table in, codes out."""

from skdae._transformer._transformer import GradualDAETransformer

__all__ = ["GradualDAETransformer"]
