"""Proof of concept: does it pay on this table? Three experiments and a verdict."""

from skdae.poc._report import PoCReport
from skdae.poc._run import run

__all__ = ["PoCReport", "run"]
