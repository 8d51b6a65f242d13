"""The verdict in plain words, for the terminal, the page and a meeting."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from skdae.poc._speech import Part, Sentence, Speaker, at, certainty, joined, percent
from skdae.poc._verdict import MARGIN

#: Findings that make results look better than they should be.
SERIOUS = ("telling_column", "duplicate_rows", "rows_in_order")
#: Answers that name a method to use instead.
ENOUGH = ("linear_enough", "simple_enough", "not_worth")
LATE = 1.1  # times the budget: more is said
MOST_NAMES = 8  # columns that a sentence names


@dataclass(frozen=True)
class Answer:
    """One answer of the verdict."""

    question: str
    code: str
    title: Sentence
    short: Sentence
    why: tuple[Sentence, ...]


def summary(content: dict[str, Any], lang: str) -> str:
    """Return the verdict in some sentences, one answer a line."""
    speaker = Speaker(content, lang)
    first, *others = answers(speaker)
    lines = [] if content["finished"] else [unfinished(speaker)]
    overall = {"headline": first.short, "why": first.why[0]}
    lines += [speaker.say("summary.overall", **overall), tried(speaker)]
    for answer in others:
        facts = {"question": answer.title, "answer": _ended(speaker, answer.short)}
        why = joined(answer.why, speaker.text("sentence.space"))
        lines.append(speaker.say("summary.answer", **facts, why=why))
    for serious, finding in findings(speaker):
        if serious:
            lines.append(speaker.say("summary.warning", finding=finding))
    lines += first.why[1:]
    lines += [said] if (said := late(speaker)) else []
    return "\n".join(map(str, lines))


def passage(speaker: Speaker) -> Sentence:
    """Return what can be read out in a meeting."""
    content = speaker.content
    answer = content["verdict"][0]["answer"]
    said = [speaker.say("passage.start", **table(speaker))]
    if not content["finished"]:
        said.append(unfinished(speaker))
    said.append(speaker.say(f"passage.{answer}"))
    for question in ("denoising", "downstream"):
        found = place(content, question)
        if found is not None:
            path, row = found
            facts: dict[str, Part] = {
                "where": where(speaker, [question]),
                "change": speaker.change(f"{path}.ratio"),
                "rival": speaker.method(row["rival"]),
            }
            how = certainty(row).replace("wide", "open")
            said.append(speaker.say(f"passage.{how}", **facts))
            if question == "downstream":
                said += lower_constant(speaker, row)
    found = place(content, "cost")
    if found is not None:
        seconds = speaker.number(f"{found[0]}.seconds", "seconds")
        said.append(speaker.say("passage.cost", seconds=seconds))
    serious = sum(is_serious for is_serious, _ in findings(speaker))
    if serious:
        said.append(speaker.say("passage.careful"))
    said.append(next_step(speaker))
    return joined(said, speaker.text("sentence.space"))


# --- parts of sentences ---------------------------------------------------------------


def _ended(speaker: Speaker, sentence: Sentence) -> Sentence:
    return joined([sentence, speaker.text("sentence.end")])


def margin() -> str:
    """Return how large a gain must be to count."""
    return percent(100 * MARGIN)


def place(content: dict[str, Any], question: str) -> tuple[str, Any] | None:
    """Return the path of an answer, and the answer."""
    for i, answer in enumerate(content["verdict"]):
        if answer["question"] == question:
            return f"verdict[{i}]", answer
    return None


def table(speaker: Speaker) -> dict[str, Part]:
    """Return what the table is called and how large it is."""
    return {
        "name": speaker.content["asked"]["name"],
        "rows": speaker.number("data.rows", "count"),
        "columns": speaker.number("data.columns.length", "count"),
    }


def tried(speaker: Speaker) -> Sentence:
    """Return what it was tried on."""
    splits = speaker.splits("whole_splits")
    return speaker.say("summary.data", **table(speaker), splits=splits)


def unfinished(speaker: Speaker) -> Sentence:
    """Return how far an interrupted run has come."""
    return speaker.say(
        "summary.unfinished",
        whole=speaker.number("whole_splits", "count"),
        planned=speaker.number("plan.n_splits", "count"),
    )


def task(speaker: Speaker) -> Sentence:
    """Return what is done with the target."""
    target = speaker.content["data"]["target"]
    name = target["name"]
    called = (
        speaker.say("the_target") if name is None else speaker.say("named", name=name)
    )
    key = f"where.{target['task']}"
    return speaker.say(key, target=called)


def where(speaker: Speaker, questions: list[str]) -> Sentence:
    """Return the experiments an answer is about."""
    parts = [
        task(speaker) if name == "downstream" else speaker.say(f"where.{name}")
        for name in questions
    ]
    return joined(parts, speaker.text("list.and"))


def next_step(speaker: Speaker) -> Sentence:
    """Return what to do next."""
    content = speaker.content
    rivals = []
    for question in ("denoising", "downstream"):
        found = place(content, question)
        if found is not None and found[1]["answer"] in ENOUGH:
            name = speaker.method(found[1]["rival"])
            what = where(speaker, [question])
            rivals.append(speaker.say("next.for", rival=name, where=what))
    key = f"next.{content['verdict'][0]['next']}"
    return speaker.say(key, rivals=speaker.listed(rivals))


# --- answers --------------------------------------------------------------------------


def answers(speaker: Speaker) -> list[Answer]:
    """Return all answers, the overall one first."""
    return [
        QUESTIONS[answer["question"]](speaker, f"verdict[{i}]", answer)
        for i, answer in enumerate(speaker.content["verdict"])
    ]


def _overall(speaker: Speaker, path: str, found: dict[str, Any]) -> Answer:
    code = found["answer"]
    places = where(speaker, found["where"])
    is_once = speaker.content["whole_splits"] == 1
    once = [speaker.say("overall.once")] if is_once else []
    # what leaves it open: a gain over all, one that is not shown, or none measured
    said = [place(speaker.content, name) for name in found["where"]]
    codes = {row["answer"] for _, row in filter(None, said)}
    key = next((k for k in ("all_round", "not_shown") if codes == {k}), code)
    why = speaker.say(f"overall.{key}", where=places, margin=margin())
    return Answer(
        "overall",
        code,
        speaker.say("question.overall"),
        speaker.say(f"headline.{code}"),
        (why, *once, next_step(speaker)),
    )


def _structure(speaker: Speaker, path: str, found: dict[str, Any]) -> Answer:
    code, judged = found["answer"], speaker.content["denoising"]["judged"]
    # by the best method it is so; said for sure only where the judged one shows it
    is_shown = certainty(found) == "sure" and found["ratio"] < 1
    key = "perhaps" if code == "related" and not is_shown else code
    why = speaker.say(f"structure.{key}.why", margin=margin())
    return Answer(
        "structure",
        code,
        speaker.say("question.structure"),
        speaker.say(f"structure.{key}"),
        (why, speaker.compared(path, judged)),
    )


def _schedule(speaker: Speaker, path: str, found: dict[str, Any]) -> Answer:
    code, judged = found["answer"], speaker.content["denoising"]["judged"]
    names = {"ours": speaker.method(judged), "rival": speaker.method(found["rival"])}
    return Answer(
        "schedule",
        code,
        speaker.say("question.schedule", **names),
        speaker.say(f"schedule.{code}"),
        (speaker.compared(path, judged),),
    )


def _denoising(speaker: Speaker, path: str, found: dict[str, Any]) -> Answer:
    code, judged = found["answer"], speaker.content["denoising"]["judged"]
    troubles = [speaker.text(f"trouble.{name}") for name in found["wins"]]
    kind = "wins.some" if troubles else "wins.none"
    wins = speaker.say(kind, troubles=speaker.listed(troubles))
    tells = troubles or code in ("worth", "unsure", "all_round")
    return Answer(
        "denoising",
        code,
        speaker.say("question.denoising"),
        speaker.say(f"denoising.{code}"),
        (speaker.compared(path, judged), *([wins] if tells else [])),
    )


def _downstream(speaker: Speaker, path: str, found: dict[str, Any]) -> Answer:
    code, judged = found["answer"], speaker.content["downstream"]["judged"]
    why = [speaker.compared(path, judged)]
    if len(found["by_labels"]) > 1:
        labels = speaker.labels(f"{path}.labels")
        why.insert(0, speaker.say("at_labels", labels=labels))
        why += regime(speaker, path, found)
    why += lower_constant(speaker, found)
    return Answer(
        "downstream",
        code,
        speaker.say("question.downstream", where=task(speaker)),
        speaker.say(f"downstream.{code}"),
        tuple(why),
    )


def lower_constant(speaker: Speaker, found: dict[str, Any]) -> list[Sentence]:
    """Say so where the constant answer is ahead of the strongest usual method."""
    places = {
        row["method"]: f"downstream.errors[{i}].mean"
        for i, row in enumerate(speaker.content["downstream"]["errors"])
        if row["labels"] == found["labels"]
    }
    names = {"constant": "constant", "error": found["rival"]}
    means = {k: speaker.number(places[name], "error") for k, name in names.items()}
    if means["constant"].value >= means["error"].value:
        return []
    rival = speaker.method(found["rival"])
    return [speaker.say("constant.lower", rival=rival, **means)]


def regime(speaker: Speaker, path: str, found: dict[str, Any]) -> list[Sentence]:
    """Return at how many labels the network gains, and pretraining."""
    rows = found["by_labels"]
    every = range(len(rows))
    gains = [i for i in every if rows[i]["answer"] == "worth"]
    pays = [i for i in every if rows[i].get("pretraining", {}).get("pays")]

    def listed(places: Any) -> Sentence:
        return speaker.listed(
            speaker.labels(f"{path}.by_labels[{i}].labels") for i in places
        )

    kind = _regime(gains, len(rows))
    said = [speaker.say(f"regime.{kind}", labels=listed(gains or every))]
    if any("pretraining" in row for row in rows):
        key = "pretraining.some" if pays else "pretraining.none"
        said.append(speaker.say(key, labels=listed(pays)))
    return said


def _regime(gains: list[int], n: int) -> str:
    if not gains:
        return "none"
    if len(gains) == n:
        return "every"
    if gains == list(range(len(gains))):
        return "few"
    return "many" if gains == list(range(n - len(gains), n)) else "some"


def _cost(speaker: Speaker, path: str, found: dict[str, Any]) -> Answer:
    seconds = speaker.number(f"{path}.seconds", "seconds")
    why = [
        speaker.say(
            "cost.seconds.why",
            seconds=seconds,
            rival=speaker.method(found["rival"]),
            rival_seconds=speaker.number(f"{path}.rival_seconds", "seconds"),
            rate=speaker.number(f"{path}.rows_per_second", "rate"),
        )
    ]
    if found["peak_bytes"] is not None:
        peak = speaker.number(f"{path}.peak_bytes", "megabytes")
        why.append(speaker.say("cost.memory", megabytes=peak))
    rebuilt = place(speaker.content, "denoising")
    high = None if rebuilt is None else rebuilt[1]["high"]
    if found["gain_per_second"] is None:
        why.append(speaker.say("cost.no_extra", rival=speaker.method(found["rival"])))
    elif high is not None and high < 1 and found["gain_per_second"] > 0:
        gain = speaker.number(f"{path}.gain_per_second", "error")
        why.append(speaker.say("cost.gain", gain=gain))
    else:
        why.append(speaker.say("cost.no_gain"))
    return Answer(
        "cost",
        found["answer"],
        speaker.say("question.cost"),
        speaker.say(f"cost.{found['answer']}", seconds=seconds),
        tuple(why),
    )


#: What puts an answer into words, by its question.
QUESTIONS: dict[str, Callable[[Speaker, str, dict[str, Any]], Answer]] = {
    "overall": _overall,
    "structure": _structure,
    "schedule": _schedule,
    "denoising": _denoising,
    "downstream": _downstream,
    "cost": _cost,
}


# --- the table, and what was left out -------------------------------------------------


def findings(speaker: Speaker) -> Iterator[tuple[bool, Sentence]]:
    """Yield what is odd about the table, and whether it bears on the results."""
    for i, finding in enumerate(speaker.content["data"]["findings"]):
        code, path = finding["code"], f"data.findings[{i}]"
        names = _columns(speaker, finding["columns"], f"{path}.columns")
        facts: dict[str, Part] = {"columns": names, "code": code}
        numbers = finding["numbers"]
        for name, style in (("rows", "count"), ("share", "share")):
            if name in numbers:
                facts[name] = speaker.number(f"{path}.numbers.{name}", style)
        scores = numbers.get("scores", [])[:MOST_NAMES]
        facts["scores"] = speaker.listed(
            speaker.number(f"{path}.numbers.scores[{k}]", "score")
            for k in range(len(scores))
        )
        key = f"finding.{code}"
        if code == "rows_in_order" and (stamps := _times(speaker)):
            key, facts["columns"] = "finding.rows_in_time", stamps[0]
            facts["option"] = f"--time {quote(stamps[0])}"
        known = key if key in speaker.texts else "finding.other"
        yield code in SERIOUS, speaker.say(known, **facts)
    repeated = [split["repeated"] for split in speaker.content["splits"]]
    if any(repeated):
        most = repeated.index(max(repeated))
        rows = speaker.number(f"splits[{most}].repeated", "count")
        yield True, speaker.say("finding.repeated", rows=rows)


def _times(speaker: Speaker) -> list[str]:
    """Return the columns that were left out as dates: one may be the time."""
    found = speaker.content["data"]["findings"]
    return [c for f in found if f["code"] == "date_time" for c in f["columns"]]


def _columns(speaker: Speaker, names: list[str], path: str) -> Sentence:
    shown: list[Part] = list(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        # of all of them, since that number stands in the report
        n = speaker.number(f"{path}.length", "count")
        shown.append(speaker.say("finding.most", n=n))
    return speaker.listed(shown)


def late(speaker: Speaker) -> Sentence | None:
    """Return by how much the time budget was missed, None where it was about met."""
    content = speaker.content
    budget, took = content["asked"]["minutes"], content["made"].get("minutes")
    if budget is None or took is None or took <= LATE * budget:
        return None
    return speaker.say(
        "late",
        budget=speaker.number("asked.minutes", "minutes"),
        took=speaker.number("made.minutes", "minutes"),
    )


def left_out(speaker: Speaker) -> list[Sentence]:
    """Return what was asked for and not run."""
    said = []
    for i, (what, _, _run) in enumerate(speaker.content["plan"]["left_out"]):
        path = f"plan.left_out[{i}]"
        asked, done = (_amount(speaker, f"{path}[{k}]") for k in (1, 2))
        key = f"left_out.{what}"
        known = key if key in speaker.texts else "left_out.other"
        said.append(speaker.say(known, what=what, asked=asked, run=done))
    return said


def _amount(speaker: Speaker, path: str) -> Part:
    """Return a number, several of them, or names."""
    value = at(speaker.content, path)
    if isinstance(value, (list, tuple)):
        if all(isinstance(entry, str) for entry in value):
            return speaker.listed(speaker.method(name) for name in value)
        every = speaker.text("labels.all")
        return speaker.listed(
            speaker.number(f"{path}[{k}]", "count") if n else every
            for k, n in enumerate(value)
        )
    return speaker.number(path, "count")
