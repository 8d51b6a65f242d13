"""What the numbers say: answers by fixed rules, so that 'no' is possible.

A job is a kind of corruption, or the task on the target with the labels that the user
has. For each job our candidates (the pretrained network, the imputer, the denoiser, the
network without pretraining ...) stand against every baseline. 'Worth it' means that a
candidate is significantly better than *each* baseline, by at least `MARGIN`. The
p-value of that claim is the largest one over the baselines, which no choice among them
can flatter, and Holm's method corrects it for the number of jobs and candidates. 'Not
worth it' has to be shown too: against one baseline the interval of each candidate rules
out a gain of that size. Between them nothing is decided, and a single split decides
nothing.

The method recommended for a job is the candidate that is shown to be worth it, or else
the baseline with the lowest error. Fewer labels than there are give a forecast, which
is no part of the verdict.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from skdae.poc._denoising import (
    DENOISER,
    ERROR,
    FAULTS,
    GAPS,
    IMPUTER,
    TIME_RESTORERS,
)
from skdae.poc._results import DENOISING, DOWNSTREAM, OVERALL, holm

MARGIN = 0.02  # of the error: smaller gains do not matter
# Two-sided level of corrected claims. One side of it is 1 %: where nothing is to be
# gained, 'worth it' is said less than twice in a hundred (benchmarks/null_verdicts.py).
ALPHA = 0.02
CHANCE = "constant"
COLUMN_MEAN = "column_mean"
LINEAR = ("pca", "regressions", "linear_denoiser", "linear_raw", "linear_pca")
MAIN, CANDIDATE, SCHEDULE, BASELINE = "main", "candidate", "schedule", "baseline"
#: Answers of a job; that of several jobs is the first of these.
ANSWERS = ("worth", "unsure", "not_shown", "not_worth", "nothing_to_learn")
NUMBERS = ("baseline", "ratio", "low", "high", "p_value", "n_splits")

Row = dict[str, Any]


def decide(content: Row) -> list[Row]:
    """Return one answer per question, the overall one first."""
    labels = [] if content["task"] is None else content["task"]["labels"]
    restored = _jobs(content, DENOISING, FAULTS)
    predicted = _jobs(content, DOWNSTREAM, labels[-1:])
    forecast = _jobs(content, DOWNSTREAM, labels[:-1])
    for together in ([*restored, *predicted], forecast):
        _correct(together)
        for job in together:
            _answer(job)
    answers = [*structure(content), *schedule(content)]
    for experiment, jobs in ((DENOISING, restored), (DOWNSTREAM, predicted)):
        if jobs:
            found = {job["answer"] for job in jobs}
            answer = next(code for code in ANSWERS if code in found)
            answers.append({"question": experiment, "answer": answer, "jobs": jobs})
    if predicted:
        answers[-1]["forecast"] = forecast
    answers += cost(content)
    return [overall([*restored, *predicted], answers), *answers]


def _in_cell(content: Row, table: str, experiment: str, condition: str) -> list[Row]:
    """Return the rows of a cell, by the measure that decides."""
    measure = ERROR if experiment == DENOISING else content["task"]["measures"][0]
    cell = (experiment, condition, measure)
    return [
        row
        for row in content[table]
        if (row["experiment"], row["condition"], row["measure"]) == cell
    ]


def _means(content: Row, experiment: str, condition: str) -> dict[str, float]:
    """Return the mean error of each method in a cell."""
    rows = _in_cell(content, "errors", experiment, condition)
    return {row["method"]: row["mean"] for row in rows}


def _best_baseline(content: Row, means: dict[str, float]) -> str | None:
    """Return the baseline with the lowest mean error, None where there is none."""
    names = [m["name"] for m in content["methods"] if m["role"] == BASELINE]
    return min((n for n in names if n in means), key=lambda n: means[n], default=None)


# --- jobs -----------------------------------------------------------------------------


def _jobs(content: Row, experiment: str, conditions: Iterable[str]) -> list[Row]:
    """Return how our candidates compare with the baselines, where they were run."""
    roles = {m["name"]: m["role"] for m in content["methods"]}
    found = []
    for condition in conditions:
        against: dict[str, list[Row]] = {}
        for row in _in_cell(content, "comparisons", experiment, condition):
            ours, other = roles[row["method"]], roles[row["baseline"]]
            if ours in (MAIN, CANDIDATE) and other == BASELINE:
                against.setdefault(row["method"], []).append(row)
        if against:
            means = _means(content, experiment, condition)
            job = {
                "experiment": experiment,
                "condition": condition,
                "best_baseline": _best_baseline(content, means),
                "candidates": [_claim(*item) for item in against.items()],
            }
            found.append(job)
    return found


def _claim(name: str, against: list[Row]) -> Row:
    """Return what a candidate has to show against all of the baselines."""
    strongest = max(against, key=lambda row: row["ratio"])
    p_values = [
        1.0 if row["p_value"] is None or row["ratio"] >= 1 else row["p_value"]
        for row in against
    ]
    return {
        "method": name,
        **{key: strongest[key] for key in NUMBERS},
        "p_claim": max(p_values),
        "is_ruled_out": any(_rules_out(row) for row in against),
    }


def _rules_out(row: Row) -> bool:
    """Whether a gain of at least the margin is ruled out."""
    return row["low"] is not None and row["low"] > 1 - MARGIN


def _correct(jobs: list[Row]) -> None:
    """Correct the claims of all candidates in all jobs for their number."""
    claims = [claim for job in jobs for claim in job["candidates"]]
    adjusted = holm([claim["p_claim"] for claim in claims])
    for claim, p_value in zip(claims, adjusted, strict=True):
        claim["p_holm"] = p_value


def _answer(job: Row) -> None:
    """Add the answer of a job, and the method that is recommended for it."""
    candidates = job["candidates"]
    shown = [
        claim
        for claim in candidates
        if claim["p_holm"] < ALPHA and claim["ratio"] <= 1 - MARGIN
    ]
    best = min(shown or candidates, key=lambda claim: claim["ratio"])
    if shown:
        answer = "worth"
    elif all(claim["is_ruled_out"] for claim in candidates):
        is_chance = job["best_baseline"] in (CHANCE, COLUMN_MEAN)
        answer = "nothing_to_learn" if is_chance else "not_worth"
    else:
        answer = "unsure" if best["ratio"] <= 1 - MARGIN else "not_shown"
    job |= {
        "answer": answer,
        "candidate": best["method"],
        "recommended": best["method"] if shown else job["best_baseline"],
        "place": candidates.index(best),
    }


# --- other questions, each of which is left open where nothing was measured -----------


def structure(content: Row) -> Iterator[Row]:
    """Answer whether missing values can be estimated from the other columns.

    Methods that read the rows around say nothing about that.
    """
    is_ordered = content["data"]["in_order"]
    around = {IMPUTER, DENOISER, *TIME_RESTORERS} if is_ordered else set()
    gaps = _in_cell(content, "comparisons", DENOISING, GAPS[0])
    rows = [
        row
        for row in gaps
        if row["baseline"] == COLUMN_MEAN and row["method"] not in around
    ]
    if not rows:
        return
    row = min(rows, key=lambda row: row["ratio"])
    means = _means(content, DENOISING, GAPS[0])
    least = min(mean for name, mean in means.items() if name not in around)
    # the best of the baselines may see what the network does not
    if least <= (1 - MARGIN) * means[COLUMN_MEAN]:
        answer = "related" if row["better"] else "perhaps"
    else:
        answer = "nothing_in_common" if _rules_out(row) else "unsure"
    yield _compared("structure", answer, row)


def schedule(content: Row) -> Iterator[Row]:
    """Answer whether gradual training is better than stacked training here."""
    others = {
        row["baseline"]: row
        for row in _in_cell(content, "comparisons", DENOISING, OVERALL)
        if row["method"] == content["main"] and row["baseline"] in content["schedules"]
    }
    if not others:
        return
    row = others.get("stacked") or next(iter(others.values()))
    signs = {
        "better": row["better"],
        "worse": row["worse"],
        "unsure": row["low"] is None,
    }
    answer = next((code for code, holds in signs.items() if holds), "no_difference")
    yield _compared("schedule", answer, row)


def _compared(question: str, answer: str, row: Row) -> Row:
    numbers = {key: row[key] for key in ("method", *NUMBERS)}
    return {"question": question, "answer": answer, **numbers}


def cost(content: Row) -> Iterator[Row]:
    """Answer what the network takes, beside the best baseline over all corruptions."""
    costs = {row["method"]: row for row in content["resources"]}
    best = _best_baseline(content, _means(content, DENOISING, OVERALL))
    main = content["main"]
    if best is not None and main in costs:
        yield {
            "question": "cost",
            "answer": "seconds",
            "method": main,
            "baseline": best,
            "seconds": costs[main]["fit_seconds"],
            "baseline_seconds": costs[best]["fit_seconds"],
            "rows_per_second": costs[main]["rows_per_second"],
            "peak_bytes": costs[main].get("peak_bytes"),
        }


def overall(jobs: list[Row], answers: list[Row]) -> Row:
    """Return the short answer, and what to do next."""
    found = {job["answer"] for job in jobs}
    if "worth" in found:
        return {"question": "overall", "answer": "worth", "next": "deploy"}
    if found & {"unsure", "not_shown"}:
        return {"question": "overall", "answer": "unsure", "next": "more_splits"}
    codes = {answer["question"]: answer["answer"] for answer in answers}
    if codes.get("structure") == "nothing_in_common":
        step = "other_data"
    else:
        bests = {job["best_baseline"] for job in jobs}
        step = "use_linear" if bests <= set(LINEAR) else "use_simple"
    return {"question": "overall", "answer": "not_worth", "next": step}
