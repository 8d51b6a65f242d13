"""Means with their 95 % intervals, and tables of them in reStructuredText."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t


class Interval(NamedTuple):
    """A mean, and half the width of its 95 % interval."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Student's interval; no width for one value."""
        n = len(values)
        if n < 2:
            return cls(float(np.mean(values)), float("nan"))
        deviation = np.std(values, ddof=1) / np.sqrt(n)
        return cls(float(np.mean(values)), float(t.ppf(0.975, n - 1) * deviation))

    def percent(self) -> str:
        """As a change in percent."""
        text = f"{100 * self.mean:+.1f}".replace("-", "−")
        return f"{text} ± {100 * self.half:.1f} %" if self.half >= 0 else f"{text} %"

    def plain(self) -> str:
        """As a number."""
        text = f"{self.mean:.2f}"
        return f"{text} ± {self.half:.2f}" if self.half >= 0 else text


def as_change(ratio: Interval) -> str:
    """A logarithm with its interval, as a change in percent."""
    low, mid, high = (
        100 * np.expm1(ratio.mean + sign * ratio.half) for sign in (-1, 0, 1)
    )
    return f"{mid:+.1f} % ({low:+.1f} to {high:+.1f})".replace("-", "−")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A list-table of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        lines += [f"   {'* -' if i == 0 else '  -'} {v}" for i, v in enumerate(row)]
    return "\n".join(lines)


def mean_text(values: Iterable[float], form: str = "{:.2f}") -> str:
    """The mean as a number, a dash without values."""
    values = list(values)
    return form.format(np.mean(values)) if values else "–"
