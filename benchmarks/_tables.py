"""Cells as tables: means over seeds, ranks, paired comparisons with 95 % intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from _runner import Cell, Values
from scipy.stats import rankdata, wilcoxon

from skdae._statistics import SplitMean, split_mean

CONFIDENCE = 0.95
MIN_SPLITS = 3  # of a set, from which its differences are tested
MIN_ERROR = 1e-4  # in ratios: below, errors count as equal
ROUNDING = 1e-12  # of means: less is no difference

Row = tuple[str, str]  # a set and a condition


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table with numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def unique(values: Iterable) -> list:
    """Values in the order they came, each once."""
    return list(dict.fromkeys(values))


def ranks(means: np.ndarray) -> np.ndarray:
    """Rank of each method in each row, ties averaged; (n_rows, n_methods)."""
    return rankdata(np.round(means, 4), axis=1)


def geometric(values: Iterable[float]) -> float:
    """Geometric mean."""
    return float(np.exp(np.mean(np.log(list(values)))))


def title(row: Row) -> str:
    """The set, and the condition if it has one."""
    return ", ".join(part for part in row if part)


@dataclass(frozen=True)
class Results:
    """Cells by row (a set under a condition), method and seed."""

    cells: list[Cell]

    @cached_property
    def rows(self) -> list[Row]:
        return unique((cell.set, cell.condition) for cell in self.cells)

    @cached_property
    def methods(self) -> list[str]:
        return unique(cell.method for cell in self.cells)

    @cached_property
    def conditions(self) -> list[str]:
        return unique(cell.condition for cell in self.cells)

    @cached_property
    def _by_key(self) -> dict[tuple[Row, str], dict[int, Values]]:
        found: dict[tuple[Row, str], dict[int, Values]] = {}
        for cell in self.cells:
            key = (cell.set, cell.condition), cell.method
            found.setdefault(key, {})[cell.seed] = cell.values
        return found

    def only(self, condition: str) -> "Results":
        """The cells of one condition."""
        return Results([cell for cell in self.cells if cell.condition == condition])

    def by_seed(self, row: Row, method: str, measure: str) -> dict[int, float]:
        """A measure by seed; empty where the method was not run."""
        cells = self._by_key.get((row, method), {})
        return {seed: values[measure] for seed, values in sorted(cells.items())}

    def values(self, row: Row, method: str, measure: str) -> np.ndarray:
        """A measure, (n_seeds,)."""
        return np.array(list(self.by_seed(row, method, measure).values()))

    def mean(self, row: Row, method: str, measure: str) -> float:
        """Mean over the seeds; NaN where the method was not run."""
        values = self.values(row, method, measure)
        return float(values.mean()) if len(values) else np.nan

    def means(self, measure: str, rows: list[Row] | None = None) -> np.ndarray:
        """Means over the seeds, (n_rows, n_methods)."""
        rows = self.rows if rows is None else rows
        return np.array(
            [[self.mean(row, m, measure) for m in self.methods] for row in rows]
        )

    def complete(self, measure: str) -> list[Row]:
        """Rows that have a value of the measure for every method."""
        has_nan = np.isnan(self.means(measure)).any(axis=1)
        return [row for row, gap in zip(self.rows, has_nan, strict=True) if not gap]

    def paired(self, row: Row, method: str, base: str, measure: str) -> np.ndarray:
        """A measure of two methods on the seeds that both have, (2, n_seeds)."""
        one, other = (self.by_seed(row, name, measure) for name in (method, base))
        both = sorted(one.keys() & other.keys())
        return np.array([[each[seed] for seed in both] for each in (one, other)])

    def difference(self, row: Row, method: str, base: str, measure: str) -> SplitMean:
        """The mean difference over the splits, which share rows (corrected t)."""
        one, other = self.paired(row, method, base, measure)
        ratio = next(iter(self.by_seed(row, method, "test_ratio").values()))
        return split_mean(one - other, ratio)


# --- one number for each row ---------------------------------------------------------


def interval(values: Sequence[float], test_ratio: float = 0.0) -> tuple[float, float]:
    """The 95 % interval of a mean: of sets, or of splits that share rows."""
    found = split_mean(np.asarray(values, dtype=float), test_ratio)
    half = found.half_width(CONFIDENCE)
    return found.mean - half, found.mean + half


def _ratio(pair: np.ndarray) -> float:
    error, reference = np.maximum(pair.mean(axis=1), MIN_ERROR)
    return float(np.log(error / reference))


@dataclass(frozen=True)
class Comparison:
    """How two methods are compared: on which scale, and which sign is a win."""

    name: str
    of_pair: Callable[[np.ndarray], float]  # (2, n_seeds) to a number, 0 if equal
    back: Callable[[float], float]  # to what is printed
    win: int


RATIO = Comparison("ratio", _ratio, lambda x: float(np.exp(x)), -1)  # of errors
DIFFERENCE = Comparison(  # of scores, higher is better
    "difference", lambda pair: float(pair[0].mean() - pair[1].mean()), float, 1
)


def compared(
    results: Results, method: str, base: str, measure: str, how: Comparison
) -> dict[Row, float]:
    """The comparison by row, where both methods have values."""
    found = {}
    for row in results.rows:
        pair = results.paired(row, method, base, measure)
        if pair.size and not np.isnan(pair).any():
            found[row] = how.of_pair(pair)
    return found


def significant(
    results: Results, method: str, base: str, measure: str, rows: Iterable[Row]
) -> list[int]:
    """Signs of the differences, of three splits or more; 0 if the interval holds 0."""
    found = [results.difference(row, method, base, measure) for row in rows]
    return [
        int(np.sign(each.mean)) if each.p_value < 1 - CONFIDENCE else 0
        for each in found
        if each.n_splits >= MIN_SPLITS
    ]


def over_sets(by_row: dict[Row, float]) -> list[float]:
    """The mean of each set."""
    return [
        float(np.mean([value for row, value in by_row.items() if row[0] == name]))
        for name in unique(row[0] for row in by_row)
    ]


def over_splits(
    results: Results, row: Row, pair: tuple[str, str], measure: str, how: Comparison
) -> tuple[list[float], float]:
    """The comparison on each split of a row, and its test ratio."""
    columns = results.paired(row, *pair, measure).T
    ratio = next(iter(results.by_seed(row, pair[0], "test_ratio").values()))
    return [how.of_pair(column[:, None]) for column in columns], ratio


def interval_text(
    results: Results,
    by_row: dict[Row, float],
    pair: tuple,
    measure: str,
    how: Comparison,
) -> list[str]:
    """The 95 % interval and Wilcoxon's p-value over the sets; of one, over splits."""
    values, ratio = over_sets(by_row), 0.0
    p_value = ""
    if len(values) > 1:
        unequal = [value for value in values if abs(value) > ROUNDING]
        p_value = f"{wilcoxon(unequal).pvalue if len(unequal) else 1.0:.3f}"
    elif len(by_row) == 1:
        values, ratio = over_splits(results, *by_row, pair, measure, how)
    if len(values) < 2:
        return ["", p_value]
    low, high = (how.back(end) for end in interval(values, ratio))
    return [f"{low:.3f} to {high:.3f}", p_value]


def comparison_row(
    results: Results,
    method: str,
    base: str,
    measure: str,
    how: Comparison,
    conditions: list[str],
) -> list[str]:
    """Means by condition, over all rows with an interval over sets, wins and tests."""
    by_row = compared(results, method, base, measure, how)
    if not by_row:
        return []
    texts = []
    for condition in conditions:
        found = [value for row, value in by_row.items() if row[1] == condition]
        texts.append(f"{how.back(np.mean(found)):.3f}" if found else "")
    signs = significant(results, method, base, measure, by_row)
    won = sum(how.win * value > ROUNDING for value in by_row.values())
    return [
        f"{method} {'/' if how is RATIO else '-'} {base}",
        *texts,
        f"{how.back(np.mean(list(by_row.values()))):.3f}",
        f"{won} of {len(by_row)}",
        *interval_text(results, by_row, (method, base), measure, how),
        f"{signs.count(how.win)} / {signs.count(-how.win)}" if signs else "",
    ]


def comparison_table(
    results: Results,
    pairs: Iterable[tuple[str, str]],
    measure: str,
    how: Comparison = RATIO,
    *,
    conditions: Sequence[str] = (),
    label: Callable[[str], str] = str,
) -> str:
    """Pairs of methods: means over rows, with intervals and tests."""
    rows = [
        comparison_row(results, *pair, measure, how, list(conditions)) for pair in pairs
    ]
    rows = [row for row in rows if row]
    if not rows:
        return ""
    header = ["", *map(label, conditions), how.name, "won", "95 % interval"]
    header += ["Wilcoxon over sets, p", "significantly better / worse"]
    return markdown(header, rows)


def against(results: Results, method: str) -> list[tuple[str, str]]:
    """A method paired with each of the others."""
    others = [name for name in results.methods if name != method]
    return [(method, name) for name in others] if method in results.methods else []


# --- a number for each row and method ------------------------------------------------


def texts_of(results: Results, row: Row, measure: str) -> list[str]:
    """Mean and spread of each method over the seeds; the best one is bold."""
    found = [results.values(row, method, measure) for method in results.methods]
    means = [round(values.mean(), 3) for values in found if len(values)]
    texts = []
    for values in found:
        if not len(values):
            texts.append("")
            continue
        mean = values.mean()
        text = f"{mean:.3f}" if mean < 100 else f"{mean:.3g}"
        text = f"**{text}**" if round(mean, 3) == np.nanmin(means) else text
        texts.append(f"{text} ± {values.std():.3f}" if len(values) > 1 else text)
    return texts


def error_table(
    results: Results,
    measure: str,
    average: tuple[str, Callable[[np.ndarray], float]] = ("geometric mean", geometric),
) -> str:
    """Errors by row and method, their average over the rows, ranks and wins."""
    complete = results.complete(measure)
    if not complete:
        return ""
    means = results.means(measure, complete)
    placed = ranks(means)
    wins = (placed == placed.min(axis=1, keepdims=True)).sum(axis=0)
    floored = np.maximum(means, 1e-12)  # an error of 0 has no logarithm
    rows = [[title(row), *texts_of(results, row, measure)] for row in complete]
    rows.append([average[0], *(f"{average[1](column):.3f}" for column in floored.T)])
    rows.append(["average rank", *(f"{rank:.1f}" for rank in placed.mean(axis=0))])
    rows.append([f"wins of {len(complete)}", *map(str, wins)])
    return markdown(["set", *results.methods], rows)


def coverage_table(results: Results) -> str:
    """Shares of cells in 90 % intervals, of the methods that draw."""
    drawn = Results([cell for cell in results.cells if "coverage" in cell.values])
    rows = [
        [title(row), *(f"{drawn.mean(row, m, 'coverage'):.3f}" for m in drawn.methods)]
        for row in drawn.rows
    ]
    return markdown(["set", *drawn.methods], rows) if rows else ""


def seconds_table(results: Results) -> str:
    """Seconds of each method, mean over the rows."""
    seconds = results.means("seconds").mean(axis=0)
    cells = ["seconds", *(f"{value:.1f}" for value in seconds)]
    return markdown(["", *results.methods], [cells])


def error_report(
    results: Results,
    titles: dict[str, str],
    ours: str,
    average: tuple[str, Callable[[np.ndarray], float]] = ("geometric mean", geometric),
) -> list[str]:
    """Errors by measure, one method against all others by the first, and seconds."""
    parts = []
    for measure, title in titles.items():
        if table := error_table(results, measure, average):
            parts += [f"## {title}", table]
    first, *_ = titles
    if pairs := comparison_table(results, against(results, ours), first):
        parts += ["## The first of these, over that of another", pairs]
    if table := coverage_table(results):
        parts += ["## Share of cells in the 90 % intervals of draws", table]
    title = "## Seconds, learning and filling, mean over the sets"
    return [*parts, title, seconds_table(results)]


# --- candidates for defaults ---------------------------------------------------------

DEFAULTS = "defaults"


def _log_ratios(results: Results, candidate: str, measure: str) -> np.ndarray:
    """Logarithms of its means over those of the defaults, (n_rows,)."""
    means = [
        [results.mean(row, name, measure) for name in (candidate, DEFAULTS)]
        for row in results.rows
    ]
    error, reference = np.array(means).T
    return np.log(error / reference)


def candidate_tables(results: Results, measures: dict[str, str]) -> list[str]:
    """Each candidate's measures over those of the defaults; the first one decides."""
    first, *_ = measures
    rows, details = [], []
    for name in results.methods:
        logs = {m: _log_ratios(results, name, m) for m in (*measures, "seconds")}
        there = {m: log[~np.isnan(log)] for m, log in logs.items()}
        overall = {m: geometric(np.exp(log)) for m, log in there.items() if len(log)}
        ratios = np.exp(there[first])
        rows.append(
            [
                name,
                *(f"{overall[m]:.3f}" if m in overall else "" for m in measures),
                f"{(ratios < 0.995).sum()} / {(ratios > 1.005).sum()}",
                f"{ratios.max():.2f}",
                f"{overall['seconds']:.2f}",
            ]
        )
        details.append([f"{np.exp(log):.3f}" for log in logs[first]])
    header = ["candidate", *measures.values(), "better / worse", "worst", "time"]
    by_row = [
        [title(row), f"{results.mean(row, DEFAULTS, first):.3f}", *ratios[1:]]
        for row, ratios in zip(results.rows, zip(*details, strict=True), strict=True)
    ]
    return [
        "## Candidates: error on validation rows over that of the defaults",
        f"Geometric means over {len(results.rows)} rows.",
        markdown(header, rows),
        f"## By set: {measures[first]}",
        markdown(["set", "error of the defaults", *results.methods[1:]], by_row),
    ]
