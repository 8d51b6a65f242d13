"""Results, and how they are printed for people."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH = 88
CELL = 10  # width of a column in a table
OURS = "skdae, gradual"
STANDINGS = ("ahead of", "level with", "behind")
TIE = 0.01  # a smaller difference between two scores is none


@dataclass(frozen=True)
class Comparison:
    """Values of one measure: method, then table, then one value per repeat."""

    title: str
    measure: str
    higher_is_better: bool
    values: Mapping[str, Mapping[str, Sequence[float]]]
    ours: str = OURS
    # the same method in another guise: shown, and no rival of `ours`
    variants: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The tables, in the order of their first value."""
        names: dict[str, None] = {}
        for row in self.values.values():
            names.update(dict.fromkeys(row))
        return list(names)

    def mean(self, method: str, column: str) -> float:
        """Mean over repeats, NaN where the method was not run."""
        found = self.values[method].get(column)
        return float("nan") if found is None else float(np.mean(found))

    def best(self, column: str, methods: Sequence[str] | None = None) -> str:
        """The method with the best mean."""
        methods = list(self.values if methods is None else methods)
        methods = [method for method in methods if column in self.values[method]]
        sign = 1 if self.higher_is_better else -1
        return max(methods, key=lambda method: sign * self.mean(method, column))

    def verdict(self, column: str) -> tuple[str, str]:
        """'ahead', 'level' or 'behind' of the best rival, and who that is.

        It is level when the repeats do not agree.
        """
        rivals = [m for m in self.values if m != self.ours and m not in self.variants]
        rival = self.best(column, rivals)
        return self.against(rival, column), rival

    def against(self, rival: str, column: str) -> str:
        """Where `ours` stands against one other method."""
        gain = np.subtract(self.values[self.ours][column], self.values[rival][column])
        gain = gain if self.higher_is_better else -gain
        if (gain > 0).all():
            return "ahead of"
        return "behind" if (gain < 0).all() else "level with"


def standing(gain: Sequence[float]) -> str:
    """Where one score stands beside another, by its gain in each split.

    It is level when the mean gain is within the spread of the gains, or a tie.
    """
    spread = float(np.std(gain, ddof=1)) if len(gain) > 1 else 0.0
    mean = float(np.mean(gain))
    if abs(mean) <= max(TIE, spread):
        return "level with"
    return "ahead of" if mean > 0 else "behind"


def heading(text: str) -> None:
    """A line that opens a section."""
    print(f"\n{text}\n{'-' * len(text)}")


def say(text: str) -> None:
    """A paragraph, wrapped."""
    print(textwrap.fill(text, WIDTH))


def print_comparison(result: Comparison) -> None:
    """The table, a star at the best of each column."""
    columns = result.columns
    first = max(len(method) for method in result.values) + 1
    heads = [textwrap.wrap(column, CELL - 1) for column in columns]
    tallest = max(map(len, heads))
    print()
    for line in zip(*([""] * (tallest - len(h)) + h for h in heads), strict=True):
        print(" " * first + "".join(f"{part:>{CELL}s} " for part in line))
    best = {column: result.best(column) for column in columns}
    for method in result.values:
        cells = []
        for column in columns:
            value = result.mean(method, column)
            star = "*" if best[column] == method else " "
            text = "-" if np.isnan(value) else f"{value:.3f}"
            cells.append(f"{text:>{CELL}s}{star}")
        print(f"{method:{first}s}" + "".join(cells))
    direction = "higher" if result.higher_is_better else "lower"
    print(f"({result.measure}; {direction} is better, * is the best)")


def print_verdicts(results: Sequence[Comparison]) -> None:
    """Where skdae is ahead and where it is not, in one line each."""
    lines: dict[str, list[str]] = {name: [] for name in STANDINGS}
    for result in results:
        for column in result.columns:
            where, rival = result.verdict(column)
            ours = result.mean(result.ours, column)
            theirs = result.mean(rival, column)
            lines[where].append(
                f"  {where:10s} {rival} ({theirs:.3f} beside {ours:.3f}) in "
                f"{result.title}, {column}"
            )
    for where in STANDINGS:
        for line in lines[where]:
            print(line)
    counts = tally(where for where, found in lines.items() for _ in found)
    print(f"In all, against the best of the others: {counts}.")


def tally(standings: Iterable[str]) -> str:
    """How often each standing occurs."""
    count = Counter(standings)
    return ", ".join(f"{where.split()[0]} {count[where]}" for where in STANDINGS)


def print_duel(results: Sequence[Comparison], rival: str) -> None:
    """How often `ours` is ahead of one method, over all results that have both."""
    standings = [
        result.against(rival, column)
        for result in results
        if rival in result.values
        for column in result.columns
    ]
    print(f"{OURS} against {rival}, at equal weight updates: {tally(standings)}.")
