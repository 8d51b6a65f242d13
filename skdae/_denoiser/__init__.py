"""Denoising of tables, from the other cells of a row and from the rows around."""

from skdae._denoiser._denoiser import GradualDAEDenoiser

__all__ = ["GradualDAEDenoiser"]
