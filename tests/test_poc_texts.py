"""The report in words: every code has a text, in both languages, and none claims more
than the numbers do."""

import json
import re
from importlib.resources import files
from itertools import product
from string import Formatter

import pytest
from poc_contents import CONTENTS, EVERY_FINDING, make_content

from skdae._grading import CHECKS, VERDICTS
from skdae.poc import _data, _denoising, _downstream, _verdict
from skdae.poc._page import (
    LANGUAGES,
    Translator,
    at,
    catalogue,
    change,
    digits,
    page,
    percent,
    render,
    summary,
)
from skdae.schedules import SCHEDULES

CASES = [(name, lang) for name in CONTENTS for lang in LANGUAGES]
EN = catalogue("en")


def placeholders(text):
    return sorted({name for _, name, _, _ in Formatter().parse(text) if name})


def passage(content, lang):
    """What can be read out in a meeting."""
    html = page(content, lang)
    found = html[html.index("<blockquote><p>") : html.index("</p></blockquote>")]
    return re.sub("<.*?>", "", found)


def test_languages_have_the_same_keys_and_placeholders():
    english, japanese = catalogue("en"), catalogue("ja")
    assert list(english) == list(japanese)
    for key, text in english.items():
        assert placeholders(text) == placeholders(japanese[key]), key
        assert text
        assert japanese[key] or key == "space"


def test_catalogues_name_each_key_once():
    for lang in LANGUAGES:
        text = files("skdae.poc").joinpath("templates", f"{lang}.json")
        pairs = json.loads(
            text.read_text(encoding="utf-8"), object_pairs_hook=lambda p: p
        )
        assert len(pairs) == len(dict(pairs))


def test_japanese_is_japanese():
    for key, text in catalogue("ja").items():
        words = re.sub("{.*?}|skdae", "", text)
        is_japanese = re.search("[\u3040-\u9fff。、～]", words)
        assert is_japanese or not re.search("[a-z]{2}", words) or "Forest" in words, key


def test_every_text_is_used(monkeypatch):
    """Over all reports, each key of the catalogue is shown at least once."""
    seen = set()
    plain = Translator.__call__

    def spy(self, key, **parts):
        seen.add(key)
        return plain(self, key, **parts)

    monkeypatch.setattr(Translator, "__call__", spy)
    more = [
        make_content("regression", columns=[*map(str, range(500)), "unit"]),
        make_content(n_splits=1, n_planned=5, repeated=3),
        make_content(None, in_time=True),
        make_content(schedules={s: s for s in SCHEDULES if f"method.{s}" in EN}),
    ]
    for content in (*CONTENTS.values(), *more, *edge_contents()):
        summary(content, "en")
        page(content, "en")
    listed = {f"method.{m}" for m in (*_denoising.TIME_RESTORERS, "denoiser")}
    listed |= {key.replace("method", "about") for key in listed}
    assert {k for k in EN if k not in seen} <= listed | {"measure.error"}


def edge_contents():
    """Reports with what the made-up ones lack."""
    blocks = make_content(findings=EVERY_FINDING[2:3] + EVERY_FINDING[-1:])
    blocks["data"]["in_order"] = True
    late = make_content(None, ours=0.55, imputer=0.55, simple=0.5, stacked=0.5)
    late["made"]["minutes"] = 10.0
    rare = make_content(findings=[{"code": "odd", "columns": ["a"], "numbers": {}}])
    text = json.dumps(rare).replace("share_wrong", "one_minus_average_precision")
    linear = make_content(
        None,
        ours=0.6,
        imputer=0.6,
        by_corruption={c: {"pca": 0.3} for c in _denoising.FAULTS},
    )
    spread = make_content(None, ours=0.97, imputer=0.97, simple=1.0, spread=0.3)
    same = make_content(None, ours=0.995, imputer=0.995, simple=1.0, stacked=0.9)
    equal = make_content(None, ours=0.6, imputer=0.6, simple=0.6, spread=0.0)
    weak = make_content(None, ours=0.9, imputer=0.9, mean=0.95, spread=0.4)
    nothing = make_content(None, ours=1.05, imputer=1.05, simple=1.1, stacked=1.05)
    order = make_content(findings=EVERY_FINDING[-1:])
    unsure = make_content(
        None, **dict.fromkeys(("ours", "imputer", "simple", "stacked"), 1.0), spread=0.9
    )
    for row in unsure["errors"]:  # no method is better than the column mean
        row["mean"] = 1.0
    unsure["verdict"] = _verdict.decide(unsure)
    return [
        order,
        unsure,
        blocks,
        late,
        json.loads(text),
        linear,
        spread,
        same,
        equal,
        weak,
        nothing,
    ]


def test_every_code_has_a_text():
    codes = ("worth", "unsure", "not_shown", "not_worth", "nothing_to_learn")
    keys = {f"{kind}.{code}" for kind, code in product(("answer", "job"), codes)}
    methods = {*SCHEDULES, *_denoising.RESTORERS, *_denoising.TIME_RESTORERS}
    methods |= {
        *_downstream.PREDICTORS,
        *_downstream.DETECTORS,
        _denoising.IMPUTER,
        _denoising.DENOISER,
    }
    methods |= {_downstream.UNTRAINED, _downstream.CODES}
    keys |= {f"{kind}.{m}" for kind, m in product(("method", "about"), methods)}
    conditions = {*_denoising.CORRUPTIONS, "overall"}
    keys |= {f"{k}.{c}" for k, c in product(("corruption", "about"), conditions)}
    keys |= {f"measure.{name}" for name in (*_downstream.MEASURES, "rmse")}
    keys |= {f"finding.{code}" for code in _data.LEFT_OUT}
    roles = (_verdict.MAIN, _verdict.CANDIDATE, _verdict.SCHEDULE, _verdict.BASELINE)
    keys |= {f"role.{role}" for role in roles}
    unused = {"constant"}  # columns that never change are left out
    keys |= {f"defect.{name}" for name in {*CHECKS, "duplicate"} - unused}
    keys |= {f"verdict.{name}" for name in VERDICTS if name != "keep"}
    assert keys <= set(EN), keys - set(EN)


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_summary_and_passage_are_whole_sentences(name, lang):
    content = CONTENTS[name]
    text = summary(content, lang)
    for line in [*text.splitlines(), passage(content, lang)]:
        assert line.endswith("." if lang == "en" else "。"), line
        assert ".." not in line
        assert "。。" not in line
        assert "None" not in line
        assert "{" not in line.replace("mine {x}", "")
    assert len(text.splitlines()) <= 20
    assert len(passage(content, lang)) < 2500


@pytest.mark.parametrize(("name", "lang"), CASES)
def test_every_number_of_the_summary_stands_in_the_report(name, lang):
    """Rendered as HTML, each number carries its path; no other way leads there."""
    content = CONTENTS[name]
    html = render("summary.txt.j2", Translator(content, lang, is_html=True))
    numbers = re.findall(r'<data value="(.*?)" data-path="(.*?)">(.*?)</data>', html)
    assert len(numbers) > 10
    for value, path, text in numbers:
        stored = at(content, path)
        assert value == (stored if isinstance(stored, str) else json.dumps(stored))
        assert text
    words = re.sub(r"<data .*?</data>", "", html)
    # but for those of the rules, numbers of labels, and in names
    words = re.sub(r"95%|2%|\b[1c]\d*\b|[13]00|[10](?=[列分回秒の])", "", words)
    assert not re.search(r"\d", words.replace("&#39;", "")), words


@pytest.mark.parametrize("function", [summary, page])
def test_unknown_language_is_named(function):
    with pytest.raises(ValueError, match="lang='de' must be one of"):
        function(CONTENTS["worth"], "de")


# --- what the texts claim -------------------------------------------------------------


def test_the_headline_names_the_jobs():
    content = make_content(ours_downstream=0.3)
    text = summary(content, "en")
    assert text.startswith("Worth it on this data. A denoising autoencoder is")
    first = text.splitlines()[0]
    assert "Not shown to be better at: classifying 'regime'." in first
    assert "Not shown" not in summary(CONTENTS["worth"], "en").splitlines()[0]


def test_a_significant_difference_is_given_with_its_interval():
    text = summary(make_content(ours=0.5, simple=0.6), "en")
    assert re.search(
        r"- spikes: use gradual\. Error of gradual compared with [\w ]+, the strongest "
        r"baseline: 1\d% lower \(95% interval 1\d% to \d\d% lower; "
        r"corrected p [<.\d ]+\)",
        text,
    )
    assert "no difference" not in text.lower()


def test_an_interval_around_nothing_is_no_difference():
    content = CONTENTS["unsure"]
    row = content["verdict"][2]
    assert row["question"] == "schedule"
    assert row["low"] < 1 < row["high"]
    assert "No difference shown between gradual and stacked" in summary(content, "en")
    assert "差は確認できません" in summary(content, "ja")
    assert "not decided yet" in passage(content, "en")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_single_split_has_no_interval(lang):
    content = CONTENTS["one_split"]
    text = summary(content, lang)
    assert ("only split" if lang == "en" else "分割は1回だけ") in text
    assert "95%" not in text
    said = catalogue(lang)["overall.once"]
    assert said in text
    assert said not in summary(CONTENTS["worth"], lang)
    assert text.startswith(catalogue(lang)["headline.unsure"])


def test_columns_are_only_called_related_where_it_is_shown():
    found = [CONTENTS[name]["verdict"][1]["answer"] for name in ("worth", "nothing")]
    assert found == ["related", "nothing_in_common"]
    weak = make_content(None, ours=0.9, imputer=0.9, mean=0.95, spread=0.4)
    assert weak["verdict"][1]["answer"] == "perhaps"
    assert "On average, missing values" in summary(weak, "en")


def test_the_forecast_is_apart_from_the_verdict():
    content = make_content(
        ours=0.7, imputer=0.7, ours_downstream=0.3, by_labels={"100": {"gradual": 0.1}}
    )
    text = summary(content, "en")
    assert text.startswith("Not worth it on this data.")
    assert "Forecast for fewer labels: it would be worth it with 100 labels." in text
    assert "decided with all labels" in passage(content, "en")


def test_baselines_are_recommended_where_they_win():
    text = summary(CONTENTS["not_worth"], "en")
    assert "the baselines are enough" in text
    assert "use gradual" not in text
    read_out = passage(CONTENTS["not_worth"], "en")
    assert "gradient boosting for classifying 'regime'" in read_out


def test_an_unfinished_run_says_so_first():
    content = CONTENTS["interrupted"]
    for lang, said in (
        ("en", "Unfinished: the run was interrupted with 1 of 5 splits complete"),
        ("ja", "未完了：実行が中断され、5分割のうち1分割だけが完了しました。"),
    ):
        assert summary(content, lang).startswith(said)
        assert said in passage(content, lang)
    assert "1 split, the same for all methods" in summary(content, "en")
    assert "Unfinished" not in summary(CONTENTS["worth"], "en")


def test_a_ratio_of_nothing_is_not_given_as_a_number():
    text = summary(CONTENTS["zero"], "en")
    assert "on some splits an error is close to zero" in text
    assert "e+" not in text


def test_names_of_the_user_pass_through():
    content = CONTENTS["own_names"]
    assert "Is mine {x} training better than pca <b> here?" in summary(content, "en")
    assert "「mine {x}」は「pca <b>」より優れているか" in summary(content, "ja")
    assert "the target" in summary(content, "en")


def test_a_schedule_that_is_named_like_another_method_keeps_its_name():
    content = make_content(schedules={"pca": "gradual", "stacked": "stacked"})
    t = Translator(content, "ja", is_html=False)
    assert t.method("pca") == "pca"
    assert t.method("stacked") == "積層学習"


def test_serious_findings_are_in_the_summary_and_notes_are_not():
    text = summary(CONTENTS["findings"], "en")
    assert "One column alone predicts the target almost perfectly: leak" in text
    assert "12 rows (1.2%) occur more than once" in text
    assert "never change" not in text
    assert "has issues" in passage(CONTENTS["findings"], "en")
    assert "has issues" not in passage(CONTENTS["worth"], "en")


def test_a_column_that_may_be_the_time_is_named():
    order = {"code": "rows_in_order", "columns": [], "numbers": {}}
    left = {"code": "date_time", "columns": ["read at"], "numbers": {}}
    for lang in LANGUAGES:
        text = summary(make_content(findings=[left, order]), lang)
        assert "--time 'read at'" in text
        assert "--time" not in summary(make_content(findings=[order]), lang)


def test_long_lists_of_columns_are_cut():
    html = page(CONTENTS["findings"], "en")
    constant = next(line for line in html.splitlines() if "never change" in line)
    assert re.sub("<.*?>", "", constant).endswith("c7, … (30 in all).")
    assert "c8" not in constant
    notes = [line for line in html.splitlines() if line.startswith('<li class="note"')]
    warnings = [x for x in html.splitlines() if x.startswith('<li class="warning"')]
    assert len(notes) + len(warnings) == len(EVERY_FINDING)


def test_an_unknown_finding_is_named():
    content = make_content(findings=[{"code": "odd", "columns": ["a"], "numbers": {}}])
    assert "odd: a" in page(content, "en")


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
