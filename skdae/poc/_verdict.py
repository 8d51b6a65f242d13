"""What the numbers say: answers by fixed rules, so that 'no' is possible.

Better means surely better: the interval of the paired ratio lies below 1. A gain that
counts is one of at least `MARGIN`. 'Worth it' means better than *every* simple method,
which no choice among them on test rows can flatter: over all troubles, and under at
least one of them. 'Not worth it' has to be shown too: the interval against one simple
method rules out a gain that counts. Between them nothing is decided, and a single
split, which has no interval, decides nothing.
"""

from typing import Any

from skdae.poc import _predictors, _rebuilders

MARGIN = 0.02
HARDLY = 0.9  # of the error of chance: more, and not surely less, is nothing learned
WIDE = 0.5  # where the interval goes below this share of it, even that is not known
CHANCE = "constant"  # what the usual methods are beside, and not one of them
LINEAR = ("pca", "regressions")
SIMPLE = tuple(_rebuilders.REBUILDERS)
PREDICTORS = tuple(name for name in _predictors.PREDICTORS if name != CHANCE)
DETECTORS = tuple(name for name in _predictors.DETECTORS if name != CHANCE)
#: Answers of an experiment that forbid a 'not worth it', the first to be told first,
#: with the short answer and what to do next.
NOT_CLOSED = {
    "worth": ("worth", "deploy"),
    "unsure": ("unsure", "more_splits"),
    "all_round": ("unsure", "name_trouble"),
    "not_shown": ("unsure", "more_splits"),
}

Answer = dict[str, Any]


def judge(content: dict[str, Any]) -> list[Answer]:
    """Return one answer per question, the overall one first."""
    questions = (structure, schedule, denoising, downstream, cost)
    answers = [answer for ask in questions if (answer := ask(content)) is not None]
    return [overall(answers), *answers]


def _differences(part: dict[str, Any], **facts: Any) -> dict[str, dict[str, Any]]:
    """Return the differences of the judged method by rival."""
    return {
        row["rival"]: row
        for row in part["differences"]
        if row["method"] == part["judged"]
        and all(row[name] == value for name, value in facts.items())
    }


def _strongest(found: dict[str, dict], names: tuple[str, ...]) -> str | None:
    """Return the rival that the judged method gains the least over."""
    known = [name for name in names if name in found]
    return max(known, key=lambda name: found[name]["ratio"]) if known else None


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("rival", "ratio", "low", "high", "n_splits")}


def _surely_gains(row: dict[str, Any]) -> bool:
    return row["better"] and row["ratio"] <= 1 - MARGIN


def _rules_out(row: dict[str, Any], share: float = 1 - MARGIN) -> bool:
    """Whether the error is surely more than this share of the rival's."""
    return row["low"] is not None and row["low"] > share


def _as_good(found: dict[str, dict], names: tuple[str, ...]) -> str | None:
    """Return the strongest rival over which a gain that counts is ruled out."""
    return _strongest(
        {name: row for name, row in found.items() if _rules_out(row)}, names
    )


def structure(content: dict[str, Any]) -> Answer | None:
    """Answer whether the columns say anything about each other."""
    part = content["denoising"]
    gaps = _differences(part, trouble="dropout")
    if "column_mean" not in gaps:
        return None
    row = gaps["column_mean"]
    # the best of the simple ones may see what the network does not
    means = {
        r["method"]: r["mean"] for r in part["errors"] if r["trouble"] == "dropout"
    }
    best = min(means[m] for m in (*SIMPLE, part["judged"]) if m in means)
    if best <= (1 - MARGIN) * means["column_mean"]:
        answer = "related"
    else:
        answer = "nothing_in_common" if _rules_out(row) else "unsure"
    return {"question": "structure", "answer": answer, **_numbers(row)}


def schedule(content: dict[str, Any]) -> Answer | None:
    """Answer whether gradual training is better than stacked training here."""
    part = content["denoising"]
    if len(part["schedules"]) < 2:
        return None
    others = _differences(part, trouble="overall")
    names = [name for name in part["schedules"] if name in others]
    rival = "stacked" if "stacked" in names else next(iter(names), None)
    if rival is None:
        return None
    row = others[rival]
    if row["low"] is None:
        answer = "unsure"
    elif row["better"]:
        answer = "better"
    elif row["worse"]:
        answer = "worse"
    else:
        answer = "no_difference"
    return {
        "question": "schedule",
        "answer": answer,
        **_numbers(row),
        "others": [_numbers(others[n]) for n in names if n != rival],
    }


def denoising(content: dict[str, Any]) -> Answer | None:
    """Answer whether it pays against the simple ways to rebuild rows."""
    part = content["denoising"]
    found = _differences(part, trouble="overall")
    strongest = _strongest(found, SIMPLE)
    if strongest is None:
        return None
    enough = _as_good(found, SIMPLE)
    row = found[enough or strongest]
    kind = structure(content)
    # troubles for which no simple method is as good
    wins = [
        trouble
        for trouble in part["troubles"]
        if trouble != "clean" and _wins(_differences(part, trouble=trouble))
    ]
    if kind is not None and kind["answer"] == "nothing_in_common":
        answer = "not_worth"
    elif all(_surely_gains(found[name]) for name in SIMPLE if name in found):
        answer = "worth" if wins else "all_round"
    elif enough is not None:
        answer = "linear_enough" if enough in LINEAR else "simple_enough"
    else:
        answer = "unsure" if row["ratio"] <= 1 - MARGIN else "not_shown"
    return {"question": "denoising", "answer": answer, **_numbers(row), "wins": wins}


def _wins(found: dict[str, dict[str, Any]]) -> bool:
    """Whether the judged method is surely better than all simple ones."""
    rivals = [found[name] for name in SIMPLE if name in found]
    return bool(rivals) and all(row["better"] for row in rivals)


def downstream(content: dict[str, Any]) -> Answer | None:
    """Answer whether it pays for the downstream task, and with how many labels."""
    part = content["downstream"]
    if part is None:
        return None
    found = (_with_labels(part, labels) for labels in part["labels"])
    by_count = [entry for entry in found if entry is not None]
    if not by_count:
        return None
    answers = [entry["answer"] for entry in by_count]
    # what is shown at one number of labels goes before what is not at another
    order = ("worth", "unsure", "not_worth", "not_shown", "nothing_to_learn")
    answer = next(a for a in order if a in answers)
    shown = by_count[answers.index(answer)]
    return {
        "question": "downstream",
        "answer": answer,
        "labels": shown["labels"],
        **_numbers(shown),
        "by_labels": by_count,
        "pretraining_pays": [
            e["labels"] for e in by_count if e.get("pretraining", {}).get("pays")
        ],
    }


def _with_labels(part: dict[str, Any], labels: str) -> Answer | None:
    """Return the answer with this many labels, None where nothing was compared."""
    rivals = DETECTORS if part["task"] == "anomaly" else PREDICTORS
    found = _differences(part, labels=labels)
    strongest, enough = _strongest(found, rivals), _as_good(found, rivals)
    if strongest is None:
        return None
    row, chance = found[enough or strongest], found[CHANCE]
    if chance["ratio"] > HARDLY and not chance["better"]:
        answer = "nothing_to_learn" if _rules_out(chance, WIDE) else "not_shown"
    elif all(_surely_gains(found[name]) for name in rivals if name in found):
        answer = "worth"
    elif enough is not None:
        answer = "not_worth"
    else:
        answer = "unsure" if row["ratio"] <= 1 - MARGIN else "not_shown"
    entry = {"labels": labels, "answer": answer, **_numbers(row)}
    if "untrained" in found:
        untrained = found["untrained"]
        pays = _surely_gains(untrained)
        entry["pretraining"] = _numbers(untrained) | {"pays": pays}
    return entry


def cost(content: dict[str, Any]) -> Answer | None:
    """Answer what it takes, beside the strongest simple way to rebuild rows."""
    part = content["denoising"]
    found = _differences(part, trouble="overall")
    strongest = _strongest(found, SIMPLE)
    rows = {(r["kind"], r["method"]): r for r in content["resources"]}
    ours = rows.get(("network", part["judged"]))
    if strongest is None or ours is None:
        return None
    theirs = rows[("rebuilder", strongest)]
    means = {
        r["method"]: r["mean"] for r in part["errors"] if r["trouble"] == "overall"
    }
    gain = means[strongest] - means[part["judged"]]
    extra = ours["fit_seconds"] - theirs["fit_seconds"]
    return {
        "question": "cost",
        "answer": "seconds",
        "rival": strongest,
        "seconds": ours["fit_seconds"],
        "rival_seconds": theirs["fit_seconds"],
        "gain": gain,
        "gain_per_second": gain / extra if extra > 0 else None,
        "rows_per_second": ours["rows_per_second"],
        "peak_bytes": ours["peak_bytes"],
    }


def overall(answers: list[Answer]) -> Answer:
    """Return the short answer, and what to do next."""
    found = {answer["question"]: answer["answer"] for answer in answers}
    for code, (answer, step) in NOT_CLOSED.items():
        where = [q for q in ("denoising", "downstream") if found.get(q) == code]
        if where:
            return _overall(answer, where, step)
    if found.get("structure") == "nothing_in_common":
        return _overall("not_worth", [], "other_data")
    linear = found.get("denoising") == "linear_enough"
    return _overall("not_worth", [], "use_linear" if linear else "use_simple")


def _overall(answer: str, where: list[str], step: str) -> Answer:
    return {"question": "overall", "answer": answer, "where": where, "next": step}
