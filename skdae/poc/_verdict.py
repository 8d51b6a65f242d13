"""What the numbers say: answers by fixed rules, so that 'no' is possible.

A job is a kind of corruption, or the task on the target with the labels that the user
has. For each job our candidates (the pretrained network, the imputer, the network
without pretraining ...) stand against every baseline. 'Worth it' means that a candidate
is significantly better than *each* baseline, by at least `MARGIN`. The p-value of that
claim is the largest one over the baselines, which no choice among them can flatter, and
Holm's method corrects it for the number of jobs and candidates. 'Not worth it' has to
be shown too: against one baseline the interval of each candidate rules out a gain of
that size. Between them nothing is decided, and a single split decides nothing.

The method recommended for a job is the candidate that is shown to be worth it, or else
the baseline with the lowest error. Fewer labels than there are give a forecast, which
is no part of the verdict.
"""

from collections.abc import Iterable
from typing import Any

from skdae.poc._denoising import ERROR, FAULTS, GAPS
from skdae.poc._results import DENOISING, DOWNSTREAM, OVERALL, holm

MARGIN = 0.02  # of the error: smaller gains do not matter
# Two-sided level of corrected claims. One side of it is 1 %: where nothing is to be
# gained, 'worth it' is said less than twice in a hundred (benchmarks/null_verdicts.py).
ALPHA = 0.02
CHANCE = "constant"
COLUMN_MEAN = "column_mean"
LINEAR = ("pca", "regressions", "linear_denoiser", "linear_raw", "linear_pca")
MAIN, CANDIDATE, SCHEDULE, BASELINE = "main", "candidate", "schedule", "baseline"

Answer = dict[str, Any]
Row = dict[str, Any]


def decide(content: dict[str, Any]) -> list[Answer]:
    """Return one answer per question, the overall one first."""
    jobs = [_job(content, DENOISING, name, ERROR) for name in FAULTS]
    task, forecast = content["task"], []
    if task is not None:
        every = [
            _job(content, DOWNSTREAM, labels, task["measures"][0])
            for labels in task["labels"]
        ]
        forecast = [job for job in every[:-1] if job is not None]
        jobs += every[-1:]
    found = [job for job in jobs if job is not None]
    _correct(found)
    _correct(forecast)
    for job in (*found, *forecast):
        _answer(job)
    questions = [structure(content), schedule(content)]
    answers = [answer for answer in questions if answer is not None]
    restored = [job for job in found if job["experiment"] == DENOISING]
    if restored:
        answers.append({"question": DENOISING, **_summed_up(restored)})
    for job in found:
        if job["experiment"] == DOWNSTREAM:
            one = {"question": DOWNSTREAM, **_summed_up([job])}
            answers.append(one | {"forecast": forecast})
    if (costs := cost(content)) is not None:
        answers.append(costs)
    return [overall(found, answers), *answers]


def roles(content: dict[str, Any], *wanted: str) -> set[str]:
    """Return the methods with one of some roles."""
    return {m["name"] for m in content["methods"] if m["role"] in wanted}


def _means(content: dict[str, Any], experiment: str, condition: str) -> dict[str, Row]:
    """Return the mean errors in a cell, by the measure that decides."""
    measure = ERROR
    if experiment == DOWNSTREAM:
        measure = content["task"]["measures"][0]
    cell = (experiment, condition, measure)
    return {
        row["method"]: row
        for row in content["errors"]
        if (row["experiment"], row["condition"], row["measure"]) == cell
    }


def _compared(
    content: dict[str, Any], experiment: str, condition: str, measure: str
) -> dict[str, dict[str, Row]]:
    """Return the comparisons in a cell: candidate, baseline, row."""
    found: dict[str, dict[str, Row]] = {}
    for row in content["comparisons"]:
        cell = (row["experiment"], row["condition"], row["measure"])
        if cell == (experiment, condition, measure):
            found.setdefault(row["method"], {})[row["baseline"]] = row
    return found


# --- jobs -----------------------------------------------------------------------------


def _job(
    content: dict[str, Any], experiment: str, condition: str, measure: str
) -> Answer | None:
    """Return how each candidate compares with the baseline it gains the least over."""
    every = _compared(content, experiment, condition, measure)
    means = _means(content, experiment, condition)
    baselines = roles(content, BASELINE) & set(means)
    allowed = roles(content, MAIN, CANDIDATE)
    candidates = []
    for name, rows in every.items():
        against = [row for other, row in rows.items() if other in baselines]
        if name in allowed and against:
            candidates.append(_claim(name, against))
    if not candidates:
        return None
    return {
        "experiment": experiment,
        "condition": condition,
        "measure": measure,
        "best_baseline": min(baselines, key=lambda name: means[name]["mean"]),
        "candidates": candidates,
    }


def _claim(name: str, against: list[Row]) -> Row:
    """Return what a candidate has to show against all of the baselines."""
    strongest = max(against, key=lambda row: row["ratio"])
    keys = ("baseline", "ratio", "low", "high", "p_value", "n_splits")
    p_values = [
        1.0 if row["p_value"] is None or row["ratio"] >= 1 else row["p_value"]
        for row in against
    ]
    return {
        "method": name,
        **{key: strongest[key] for key in keys},
        "p_claim": max(p_values),
        "is_ruled_out": any(_rules_out(row) for row in against),
    }


def _rules_out(row: Row) -> bool:
    """Whether a gain of at least the margin is ruled out."""
    return row["low"] is not None and row["low"] > 1 - MARGIN


def _correct(jobs: Iterable[Answer]) -> None:
    """Correct the claims of all candidates in all jobs for their number."""
    claims = [claim for job in jobs for claim in job["candidates"]]
    adjusted = holm([claim["p_claim"] for claim in claims])
    for claim, p_value in zip(claims, adjusted, strict=True):
        claim["p_holm"] = p_value


def _answer(job: Answer) -> None:
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


def _summed_up(jobs: list[Answer]) -> Answer:
    """Return the answer over some jobs."""
    found = [job["answer"] for job in jobs]
    order = ("worth", "unsure", "not_shown", "not_worth", "nothing_to_learn")
    return {"answer": next(a for a in order if a in found), "jobs": jobs}


# --- other questions ------------------------------------------------------------------


def structure(content: dict[str, Any]) -> Answer | None:
    """Answer whether missing values can be estimated from the other columns."""
    gaps = _compared(content, DENOISING, GAPS[0], ERROR)
    means = _means(content, DENOISING, GAPS[0])
    rows = [found[COLUMN_MEAN] for found in gaps.values() if COLUMN_MEAN in found]
    if not rows:
        return None
    row = min(rows, key=lambda row: row["ratio"])
    # the best of the baselines may see what the network does not
    if (
        min(m["mean"] for m in means.values())
        <= (1 - MARGIN) * means[COLUMN_MEAN]["mean"]
    ):
        is_shown = row["better"]
        answer = "related" if is_shown else "perhaps"
    else:
        answer = "nothing_in_common" if _rules_out(row) else "unsure"
    return {"question": "structure", "answer": answer, **_numbers(row)}


def schedule(content: dict[str, Any]) -> Answer | None:
    """Answer whether gradual training is better than stacked training here."""
    main = content["main"]
    others = _compared(content, DENOISING, OVERALL, ERROR).get(main, {})
    names = [name for name in content["schedules"] if name in others]
    if not names:
        return None
    first = "stacked" if "stacked" in names else names[0]
    row = others[first]
    if row["low"] is None:
        answer = "unsure"
    elif row["better"]:
        answer = "better"
    else:
        answer = "worse" if row["worse"] else "no_difference"
    return {"question": "schedule", "answer": answer, **_numbers(row)}


def _numbers(row: Row) -> Row:
    keys = ("method", "baseline", "ratio", "low", "high", "p_value", "n_splits")
    return {key: row[key] for key in keys}


def cost(content: dict[str, Any]) -> Answer | None:
    """Answer what the network takes, beside the best baseline over all corruptions."""
    means = _means(content, DENOISING, OVERALL)
    baselines = roles(content, BASELINE) & set(means)
    costs = {row["method"]: row for row in content["resources"]}
    main = content["main"]
    if not baselines or main not in costs:
        return None
    best = min(baselines, key=lambda name: means[name]["mean"])
    return {
        "question": "cost",
        "answer": "seconds",
        "method": main,
        "baseline": best,
        "seconds": costs[main]["fit_seconds"],
        "baseline_seconds": costs[best]["fit_seconds"],
        "rows_per_second": costs[main]["rows_per_second"],
        "peak_bytes": costs[main].get("peak_bytes"),
    }


def overall(jobs: list[Answer], answers: list[Answer]) -> Answer:
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
