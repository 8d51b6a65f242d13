"""Grading of sensors before training: defects of columns and of time stamps."""

from skdae._grading._checks import CHECKS
from skdae._grading._clock import TimeGrading
from skdae._grading._grade import VERDICTS, Grading, grade

__all__ = ["CHECKS", "VERDICTS", "Grading", "TimeGrading", "grade"]
