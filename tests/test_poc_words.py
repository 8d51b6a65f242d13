"""The verdict in words: every code has some, in both languages, and none says more
than the numbers do."""

import ast
import inspect
import re
from string import Formatter

import pytest
from poc_contents import CONTENTS, EVERY_FINDING, make_content

from skdae.poc import _data, _plan, _predictors, _rebuilders, _troubles, _verdict
from skdae.poc._speech import (
    LANGUAGES,
    Number,
    Sentence,
    Speaker,
    at,
    change,
    digits,
    percent,
)
from skdae.poc._words import answers, findings, left_out, passage, summary
from skdae.schedules import SCHEDULES

CASES = [(name, lang) for name in CONTENTS for lang in LANGUAGES]


def placeholders(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def read_out(content, lang):
    return str(passage(Speaker(content, lang)))


def constants(function):
    """Return the texts in the source of a function or a module."""
    tree = ast.parse(inspect.getsource(function))
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}


def test_languages_have_the_same_keys_and_placeholders():
    english, japanese = LANGUAGES["en"], LANGUAGES["ja"]
    assert list(english) == list(japanese)
    for key, text in english.items():
        assert placeholders(text) == placeholders(japanese[key]), key
        assert text
        assert japanese[key] or key == "sentence.space"


def test_japanese_is_japanese():
    for key, text in LANGUAGES["ja"].items():
        words = re.sub("{.*?}", "", text)
        is_japanese = re.search("[\u3040-\u9fff。、～]", words)
        assert is_japanese or not re.search("[a-z]{2}", words) or "Forest" in words, key


@pytest.mark.parametrize(
    ("question", "function"),
    [
        ("structure", _verdict.structure),
        ("schedule", _verdict.schedule),
        ("denoising", _verdict.denoising),
        ("downstream", _verdict._with_labels),
    ],
)
def test_every_answer_of_the_verdict_has_words(question, function):
    source = inspect.getsource(function)
    codes = set(re.findall(r'answer = "(\w+)"', source))
    codes |= set(re.findall(r'answer = "\w+" if .* else "(\w+)"', source))
    assert codes
    for code in codes:
        assert f"{question}.{code}" in LANGUAGES["en"], code


def test_every_next_step_has_words():
    steps = {c for c in constants(_verdict) if f"next.{c}" in LANGUAGES["en"]}
    assert len(steps) == 6


def test_every_method_and_trouble_has_words():
    methods = {
        *SCHEDULES,
        *_rebuilders.REBUILDERS,
        *_predictors.PREDICTORS,
        *_predictors.DETECTORS,
        "untrained",
        "linear_codes",
    }
    texts = LANGUAGES["en"]
    for name in methods:
        assert f"method.{name}" in texts
        assert f"about.{name}" in texts
    for name in (*_troubles.TROUBLES, "overall"):
        assert f"trouble.{name}" in texts
        assert f"about.{name}" in texts


def test_every_measure_has_words():
    names = {c for c in constants(_predictors.error_name) if isinstance(c, str)}
    measures = {n for n in names if re.fullmatch("[a-z_]+", n)} - set(_data.TASKS)
    assert len(measures) == 4
    for name in measures:
        assert f"measure.{name}" in LANGUAGES["en"]
        assert f"about.{name}" in LANGUAGES["en"]


def test_every_finding_has_words():
    source = inspect.getsource(_data)
    codes = set(re.findall(r'Finding\(\s*"(\w+)"', source))
    assert len(codes) >= 4
    for code in codes | {*_data.LEFT_OUT, "many_categories", "infinite"}:
        assert f"finding.{code}" in LANGUAGES["en"], code


def test_what_is_left_out_has_words():
    source = inspect.getsource(_plan)
    calls = re.findall(r"shrink\((.*)\)", source)
    shrunk = [name for call in calls for name in re.findall(r"(\w+)=", call)]
    assert len(shrunk) > 5
    for name in {*(s.removeprefix("n_") for s in shrunk), "rows", "splits"}:
        assert f"left_out.{name}" in LANGUAGES["en"], name


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_summary_and_passage_are_whole_sentences(name, lang):
    content = CONTENTS[name]
    text = summary(content, lang)
    for line in [*text.splitlines(), read_out(content, lang)]:
        assert line.endswith("." if lang == "en" else "。"), line
        assert ".." not in line
        assert "None" not in line
        assert "{" not in line.replace("mine {x}", "")
    assert len(text.splitlines()) <= 14
    assert len(read_out(content, lang)) < 1000


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_every_number_stands_in_the_report(name, lang):
    speaker = Speaker(CONTENTS[name], lang)
    sentences = [s for a in answers(speaker) for s in (a.title, a.short, *a.why)]
    sentences += [passage(speaker), *left_out(speaker)]
    sentences += [finding for _, finding in findings(speaker)]
    numbers = [p for s in sentences for p in s.parts if isinstance(p, Number)]
    assert len(numbers) > 10
    for number in numbers:
        assert at(CONTENTS[name], number.path) == number.value
    # no number comes in another way, but for those of the rules and in names
    for sentence in sentences:
        words = "".join(p for p in sentence.parts if isinstance(p, str))
        words = re.sub(r"95%|2%|\bc\d|[10](?=[列分回秒の])", "", words)
        assert not re.search(r"\d", words), words


def test_unknown_language_is_named():
    with pytest.raises(ValueError, match="lang='de' must be one of"):
        summary(CONTENTS["worth"], "de")


# --- what is said ---------------------------------------------------------------------


def test_answers_that_are_meant_occur():
    found = {name: c["verdict"][0]["answer"] for name, c in CONTENTS.items()}
    assert found["worth"] == "worth"
    assert found["unsure"] == "unsure"
    assert found["not_worth"] == found["nothing"] == "not_worth"
    codes = {
        (a["question"], a["answer"]) for c in CONTENTS.values() for a in c["verdict"]
    }
    assert {"all_round", "worth", "unsure"} <= {c for q, c in codes if q == "denoising"}
    assert ("downstream", "nothing_to_learn") in codes


def test_a_sure_difference_is_told_with_its_interval():
    content = make_content(ours=0.5, simple=0.6)
    text = summary(content, "en")
    assert re.search(
        r"Error of gradual against [\w ]+: 1\d% lower "
        r"\(mean ratio of 5 splits; 95% interval 1\d% to 1\d% lower\)",
        text,
    )
    assert "no difference" not in text.lower()


def test_an_interval_around_nothing_is_no_difference():
    content = CONTENTS["unsure"]
    row = content["verdict"][2]
    assert row["question"] == "schedule"
    assert row["low"] < 1 < row["high"]
    said = Speaker(content, "en").compared("verdict[2]", "gradual")
    assert str(said).startswith("No difference shown")
    assert "差は確認できません" in str(
        Speaker(content, "ja").compared("verdict[2]", "gradual")
    )
    assert "was shown" in read_out(content, "en")
    assert "hardly" not in read_out(content, "en")


def test_a_constant_that_is_ahead_of_the_usual_methods_is_named():
    content = make_content(ours_downstream=0.2, rivals_downstream=0.5, constant=0.3)
    assert content["verdict"][0]["answer"] == "worth"
    for text in (summary(content, "en"), str(passage(Speaker(content, "en")))):
        assert "The constant answer is not counted among the usual methods" in text
    assert "not counted" not in summary(CONTENTS["worth"], "en")
    assert "従来手法に数えません" in summary(content, "ja")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_single_split_has_no_interval(lang):
    content = CONTENTS["one_split"]
    texts = summary(content, lang) + read_out(content, lang)
    assert ("single split" if lang == "en" else "分割は1回だけ") in texts
    assert "95%" not in texts
    said = LANGUAGES[lang]["overall.once"]
    assert said in texts
    assert said not in summary(CONTENTS["worth"], lang)
    first = LANGUAGES[lang]["headline.unsure"]
    assert summary(CONTENTS["one_split"], lang).startswith(first)


def test_columns_are_only_said_to_be_related_where_it_is_shown():
    said = [answers(Speaker(CONTENTS[name], "en"))[1] for name in ("worth", "unsure")]
    assert [a.code for a in said] == ["related", "related"]
    assert [str(a.short) for a in said] == ["Yes", "Probably"]
    once = answers(Speaker(CONTENTS["one_split_of_noise"], "en"))[1]
    assert (once.code, str(once.short)) == ("unsure", "Not known")
    assert "these splits do not rule it out" in str(once.why[0])


def test_a_simple_method_is_only_enough_where_a_gain_is_ruled_out():
    text = summary(CONTENTS["not_shown"], "en")
    assert text.startswith("Not decided yet.")
    assert "these splits do not rule one out" in text
    assert "No gain shown." in text
    assert "enough" not in text
    assert "is enough." in summary(CONTENTS["not_worth"], "en")


def test_no_method_is_named_where_nothing_can_be_learned():
    content = make_content(ours=0.7, constant=0.15)
    last = summary(content, "en").splitlines()[-1]
    assert "for rebuilding disturbed rows" in last
    assert "telling the classes" not in last


def test_an_unfinished_run_says_so_first():
    content = CONTENTS["interrupted"]
    for lang, said in (
        ("en", "Unfinished: the run was interrupted with 1 of 5 splits whole"),
        ("ja", "未完了：実行が中断され、5分割のうち1分割だけが完了しました。"),
    ):
        assert summary(content, lang).startswith(said)
        assert said in read_out(content, lang)
    assert "1 split, the same for all methods" in summary(content, "en")
    assert "Unfinished" not in summary(CONTENTS["worth"], "en")


def test_a_ratio_of_nothing_is_not_told_as_a_number():
    text = summary(CONTENTS["zero"], "en")
    assert "on some splits an error is all but zero" in text
    assert "e+" not in text


def test_names_of_the_user_pass_through():
    content = CONTENTS["own_names"]
    assert "Is mine {x} better than pca <b> here?" in summary(content, "en")
    assert "「mine {x}」は「pca <b>」より良いか" in summary(content, "ja")
    assert "the target" in summary(content, "en")


def test_a_schedule_that_is_named_like_another_keeps_its_name():
    content = make_content(schedules={"pca": "gradual", "stacked": "stacked"})
    assert Speaker(content, "ja").method("pca") == "pca"
    assert Speaker(content, "ja").method("stacked") == "積層学習"


def test_the_regime_is_told_by_counts_of_labels():
    few = make_content()
    for row in few["downstream"]["differences"]:
        if row["labels"] == "all" and row["rival"] in _verdict.PREDICTORS:
            row.update(ratio=1.1, low=1.05, high=1.15, better=False, worse=True)
    few["verdict"] = _verdict.judge(few)
    text = summary(few, "en")
    assert "where labels are few (100, 300)" in text
    assert "at every number" not in text
    assert "at every number of labels tried (100, 300, all)" in summary(
        CONTENTS["worth"], "en"
    )


def test_serious_findings_are_in_the_summary_and_notes_are_not():
    text = summary(CONTENTS["findings"], "en")
    assert "One column alone tells the target almost perfectly: leak" in text
    assert "12 rows (1.2%) occur more than once" in text
    assert "never change" not in text
    assert "oddities" in read_out(CONTENTS["findings"], "en")
    assert "oddities" not in read_out(CONTENTS["worth"], "en")


def test_a_column_that_may_be_the_time_is_named():
    order = {"code": "rows_in_order", "columns": [], "numbers": {"correlation": 0.9}}
    left = {"code": "date_time", "columns": ["read at"], "numbers": {}}
    for lang in LANGUAGES:
        text = summary(make_content(findings=[left, order]), lang)
        assert "--time 'read at'" in text
        assert "--time" not in summary(make_content(findings=[order]), lang)


def test_long_lists_of_columns_are_cut():
    said = [str(f) for _, f in findings(Speaker(CONTENTS["findings"], "en"))]
    assert len(said) == len(EVERY_FINDING)
    constant = next(f for f in said if "never change" in f)
    assert "c7, … (30 in all)" in constant
    assert "c8" not in constant


def test_an_unknown_finding_is_named():
    content = make_content(findings=[{"code": "odd", "columns": ["a"], "numbers": {}}])
    assert [str(f) for _, f in findings(Speaker(content, "en"))] == ["odd: a"]


# --- numbers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "n", "text"),
    [
        (0, 3, "0"),
        (0.12345, 3, "0.123"),
        (9.996, 3, "10.00"),
        (12.345, 2, "12"),
        (123456.0, 3, "123,000"),
        (0.0000123, 3, "0.0000123"),
        (0.00000001234, 2, "1.2e-08"),
        (-0.5, 2, "-0.50"),
    ],
)
def test_digits(value, n, text):
    assert digits(value, n) == text


@pytest.mark.parametrize(
    ("value", "text"), [(7.0, "7%"), (7.04, "7%"), (0.5, "0.50%"), (41.4, "41%")]
)
def test_percent(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.93, "7%"),
        (1.07, "7%"),
        (2.21, "2.2"),
        (1e-9, "> 99.9%"),
        (1e9, "> 1,000"),
        (1.0, "0%"),
    ],
)
def test_change(ratio, text):
    assert change(ratio) == text


def test_paths_lead_to_what_stands_there():
    content = {"a": [{"b": [1, 2, 3]}], "c": {"scikit-learn": "1.6"}}
    assert at(content, "a[0].b[2]") == 3
    assert at(content, "a[0].b.length") == 3
    assert at(content, "c.scikit-learn") == "1.6"
    with pytest.raises((KeyError, IndexError)):
        at(content, "a[1].b")


def test_sentences_are_text():
    assert str(Sentence(("a ", Number("x", 1, "one"), "."))) == "a one."
