"""What the page is made of: differences by sentence, the story, the outcome in figures, spending, and its size."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from texts import texts

from dspy_dlpo import DLPOResult, History, Record
from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.history import LedgerEntry
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import Note, TextGradient
from dspy_dlpo.report.curve import best_so_far, in_force
from dspy_dlpo.report.diffs import Sentence, folded, sentence_diff, side
from dspy_dlpo.report.directory import read_log
from dspy_dlpo.report.examples import changed_examples, flips
from dspy_dlpo.report.facts import duration, money, setting_groups, spending
from dspy_dlpo.report.headline import headline
from dspy_dlpo.report.page import make_page
from dspy_dlpo.report.prompts import MOST_TO_COPY, prompt_pairs
from dspy_dlpo.report.record_views import record_views
from dspy_dlpo.report.rendering import LARGEST, render
from dspy_dlpo.report.texts import clean, exact

# --- differences ------------------------------------------------------------------------------------------------------


def words(lines) -> list[str]:
    return "".join(line.text for line in lines).split()


@given(texts, texts)
def test_both_texts_can_be_read_off_a_difference(before: str, after: str) -> None:
    lines = sentence_diff(before, after)
    assert words(side(lines, "same", "deleted", "left")) == before.split()
    assert "".join(line.text for line in side(lines, "same", "added", "moved")).split() == after.split()


@given(texts)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert {line.kind for line in sentence_diff(text, text)} <= {"same"}


def test_a_moved_sentence_is_shown_where_it_left_and_where_it_came() -> None:
    lines = sentence_diff("One is here. Two is there. Three is last. ", "Two is there. Three is last. One is here. ")
    assert [line.kind for line in lines] in (
        ["left", "same", "same", "moved"],
        ["moved", "moved", "same", "left", "left"],
    )


def test_unchanged_sentences_far_from_a_change_are_folded() -> None:
    before = "".join(f"Sentence {n} is here. " for n in range(9))
    lines = folded(sentence_diff(before, before.replace("Sentence 4", "Phrase 4")))
    assert [line.kind for line in lines] == ["folded", "same", "deleted", "added", "same", "folded"]
    assert lines[0] == Sentence("folded", "3")


def test_a_huge_prompt_is_shown_whole_instead_of_compared_for_ever() -> None:
    before = "".join(f"Sentence {n} is here. " for n in range(1200))
    lines = sentence_diff(before, before + "One more is here. ")
    assert [line.kind for line in lines] == ["deleted", "added"]


def test_prompts_that_changed_come_first_and_very_long_ones_cannot_be_copied() -> None:
    pairs = prompt_pairs({"a": "Same.", "b": "Old."}, {"a": "Same.", "b": "New."})
    assert [(pair.name, pair.is_changed, pair.text) for pair in pairs] == [("b", True, "New."), ("a", False, "Same.")]
    assert prompt_pairs({}, {"a": "x" * (MOST_TO_COPY + 1)})[0].text is None


def test_what_a_file_cannot_hold_is_shown_by_something_that_it_can() -> None:
    assert clean("a\ud800b\x00c\x1bd\r\ne\tf\x7f") == "a\ufffdb␀c␛d\ne\tf␡"
    clean("\udfff").encode()


def test_marks_that_reorder_a_text_are_seen_and_copied_as_they_are() -> None:
    text = "a\u202eb\r\n<\ud800>"
    assert clean(text) == "a[U+202E]b\n<\ufffd>"
    assert exact(text) == "a\u202eb&#13;\n&lt;?&gt;"


# --- the story --------------------------------------------------------------------------------------------------------

PROMPTS = {"solve": "Do it. Be kind. "}
ADD = Edit("add", 2, text="Count twice.", why="It miscounts.", predictor="solve")
DELETE = Edit("delete", 1, predictor="solve")


def record(**fields) -> Record:
    return replace(Record("step", 1, 0.1, PROMPTS, PROMPTS), **fields)


def view(**fields):
    return record_views(History([record(**fields)]))[0]


def test_an_edit_says_what_it_gained_and_lost() -> None:
    dropped = LedgerEntry(DELETE, (), (), False, Why.REPAIRS_NOTHING.because())
    entries = (LedgerEntry(ADD, (1, 2), (3,), True, Why.PAYS.because()), dropped)
    told = view(
        ledger=entries, proposal={"solve": PROMPTS["solve"] + "Count twice."}, accepted=True, score=0.6, base=0.5
    )
    added = next(line.edit for line in told.changed[0].lines if line.kind == "added")
    assert (added.effect, added.gained, added.lost, added.why, added.in_force) == (
        "+2 −1 examples",
        (1, 2),
        (3,),
        "It miscounts.",
        True,
    )
    (other,) = told.others
    assert (other.effect, other.deleted, other.in_force) == ("+0 −0 examples", "Be kind.", False)
    assert (told.outcome, told.scores) == ("kept", "0.500 → 0.600 on 0 training examples")


@pytest.mark.parametrize("reason", [Why.TAKEN_WHOLE, Why.JUDGED_WHOLE])
def test_edits_that_were_taken_together_show_what_they_gained_together(reason) -> None:
    entries = tuple(LedgerEntry(edit, kept=True, reason=reason.because()) for edit in (ADD, DELETE))
    told = view(ledger=entries, proposal={"solve": "Do it. Count twice."}, accepted=True, score=0.75, base=0.5)
    assert [edit.effect for edit in told.edits] == ["together 0.500 → 0.750"] * 2
    assert told.together == "0.500 → 0.750"
    alone = view(ledger=entries[:1], accepted=True, score=0.75, base=0.5)
    assert [edit.effect for edit in alone.edits] == ["0.500 → 0.750"]


def test_what_a_refused_trial_did_is_unknown_rather_than_nothing() -> None:
    entry = LedgerEntry(DELETE, reason=Why.CANNOT_REACH_BAR.because("1.000"))
    told = view(kind="trial", ledger=(entry,), base=1.0, bar=1.0)
    assert [edit.effect for edit in told.edits] == [""]
    assert told.scores == "1.000 before; cut short, so it has no full score"
    assert told.state == "refused"


def test_what_was_dropped_or_not_judged_is_told() -> None:
    told = view(
        edits=(ADD,), dropped=(Dropped(DELETE, "the sentence is frozen"),), reason=Why.OTHER.because("the budget ended")
    )
    assert [edit.added for edit in told.unjudged] == ["Count twice."]
    assert [(edit.deleted, edit.reason) for edit in told.dropped] == [("Be kind.", "the sentence is frozen")]


def test_an_edit_of_a_sentence_or_a_predictor_that_is_not_there_is_told_without_it() -> None:
    lost = replace(DELETE, at=99), replace(DELETE, predictor="gone"), replace(DELETE, op="shout")
    told = view(ledger=tuple(LedgerEntry(edit, reason=Why.OTHER.because("odd")) for edit in lost))
    assert [edit.deleted for edit in told.edits] == ["", "", "Be kind."]


def test_a_record_as_a_whole_shows_the_examples_that_changed() -> None:
    start = Record("start", 0, 0.0, PROMPTS, PROMPTS, scores={1: (0.0,), 2: (1.0,), 3: (1.0, 0.0)}, accepted=True)
    after = record(proposal={"solve": "New."}, scores={1: (1.0,), 2: (0.0,), 3: (0.5,), 4: (1.0,)}, accepted=True)
    assert flips(History([start, after])) == [((), ()), ((1,), (2,))]


def test_every_record_of_a_real_run_is_told(one, two, without_gain) -> None:
    for result in (one, two, without_gain):
        told = record_views(result.history)
        assert [each.step for each in told] == list(range(len(result.history)))
        assert sum(each.cost for each in told) == result.history[-1].cost
        for each, what in zip(told, result.history, strict=True):
            shown = [line for prompt in each.changed for line in prompt.lines]
            if what.accepted and what.kind != "start":
                assert any(line.kind not in ("same", "folded") for line in shown)
            assert len(each.edits) == len(what.ledger)


def test_linked_examples_have_answers_from_before_and_after_that_show_the_change(one, two) -> None:
    for result in (one, two):
        examples = changed_examples(result.history, read_log(result.log_dir))
        named = {x for entry in result.ledger for x in (*entry.gained, *entry.lost)}
        assert named <= {example.number for example in examples}
        for example in examples:
            assert example.inputs
            assert example.expected
            for change in example.changes:
                rose = change.after.score - change.before.score
                assert rose > 0 if change.gained else rose < 0


def test_the_curve_begins_anew_when_the_judging_set_grows() -> None:
    def point(kind, cost, score, accepted):
        return replace(record(), kind=kind, cost=cost, score=score, accepted=accepted, complete=score is not None)

    history = [
        point("start", 10, 0.5, True),
        point("step", 20, 0.8, True),
        point("step", 30, 0.7, True),
        point("step", 40, None, False),
        point("growth", 50, 0.6, False),
        point("step", 60, 0.5, False),
        point("prune", 70, 0.9, True),
    ]
    assert in_force(history) == [(10, 0.5), (20, 0.8), (30, 0.7), (50, 0.6)]
    assert best_so_far(history) == [(10, 0.5), (20, 0.8), (30, 0.8), (50, 0.6), (60, 0.6)]


# --- figures ----------------------------------------------------------------------------------------------------------

UNIT = {"settings": {"score_range": [0.0, 1.0]}}


def outcome(settings=UNIT, **compared):
    base = {"start": 0.5, "best": 0.6, "difference": 0.1, "interval": (0.02, 0.2), "examples": 50, "candidates": 1}
    comparison = Comparison(**{**base, "scores": ({0: 0.5}, {0: 0.6}), "chosen": 1, **compared})
    return headline(DLPOResult("v", {}, {}, comparison, History(), {}), settings)


def test_the_interval_is_told_in_plain_words() -> None:
    assert "between +2.0 and +20.0 points" in outcome().meaning
    assert "luck in the choice of examples hardly explains" in outcome().meaning
    assert "the gain may be luck" in outcome(interval=(-0.1, 0.2)).meaning
    assert "too rough to claim anything" in outcome(examples=29).meaning
    assert "best of 3 candidates" in outcome(candidates=3).meaning
    assert "Your own prompts were kept" in outcome(chosen=0, difference=0.0).meaning
    assert outcome(scores=({0: 0.5},)).meaning == ""
    assert outcome(start=None) == type(outcome())()


def test_points_are_for_a_score_range_of_0_to_1_only() -> None:
    assert outcome().gain == "+10.0 points"
    for settings in (
        {},
        {"settings": {"score_range": None}},
        {"settings": None},
        {"settings": {"score_range": [0, 5]}},
    ):
        assert outcome(settings).gain == "+0.1"
        assert "+0.020 and +0.200;" in outcome(settings).meaning


def test_spending_is_told_by_role_and_money_only_where_it_is_known() -> None:
    counts = {"calls": 2, "cache_hits": 1, "failures": 0, "input_tokens": 1000, "output_tokens": 50, "usd": 0.5}
    spent = {"metric_calls": 3, "usd": None, "seconds": 3700, "task": counts, "writer": {**counts, "usd": None}}
    told = spending({**spent, "lost": {"metric_calls": 4, "prompt_calls": 0}})
    assert [row[0] for row in told.rows] == ["task model, running the program", "prompt model, as writer"]
    assert told.rows[0][1:] == ("2", "1", "0", "1,000", "50", "$0.5000")
    assert told.total[1:] == ("4", "2", "0", "2,000", "100", "price unknown")
    assert (told.runs, told.lost, told.seconds) == (3, "4 runs of the program", "1 h 2 min")
    assert spending({}).rows == ()
    assert (money(12.345), duration(5.04)) == ("$12.35", "5.0 s")


def test_settings_are_told_in_groups_whatever_they_hold() -> None:
    groups = {
        group.title: dict(group.rows)
        for group in setting_groups(
            {
                "settings": {
                    "seed": 0,
                    "techniques": ["A()", "B()"],
                    "score_range": [0, 1],
                    "stopping": {"target": None},
                },
                "budgets": [{"metric_calls": 5, "from_record": 0}, "odd"],
                "program": {"prompts": {"a": "b"}, "demos": {}},
                "metric": "m",
            }
        )
    }
    assert groups["Arguments of the optimizer"] == {
        "seed": "0",
        "techniques": "A()\nB()",
        "score_range": "0, 1",
        "stopping.target": "none",
    }
    assert groups["Budget"] == {"from record 0": "metric_calls=5"}
    assert "Program" not in groups
    assert setting_groups({"settings": None, "budgets": None, "program": 3}) == []


# --- size -------------------------------------------------------------------------------------------------------------


def long_run(records: int, size: int, parts: int) -> DLPOResult:
    """A run of so many records, with texts of so many characters, of so many predictors."""
    rng = random.Random(0)
    names = [f"part{n}" for n in range(parts)]

    def text(n: int) -> str:
        return "".join(f"<Rule> {rng.random()} & of {n} is 'here'. " for _ in range(max(1, size // 45)))

    history, prompts = [], {name: text(0) for name in names}
    for n in range(records):
        after = {name: prompts[name] + f"Rule {n} of {name}. " for name in names}
        accepted = n % 3 == 0
        at = {name: len(split(prompts[name])) for name in names}
        edits = tuple(Edit("add", at[name], text=text(n), why=text(n), predictor=name) for name in names)
        history.append(
            Record(
                "start" if n == 0 else "step", n, n / records, prompts, after if accepted else prompts,
                batch=(1, 2), gradients=tuple(TextGradient(name, text(n), (1, 2)) for name in names),
                notes={name: (Note("Earlier", text(n)), Note("Past", text(n))) for name in names}, edits=edits,
                ledger=tuple(LedgerEntry(edit, (1, 2), (3,), accepted, Why.OTHER.because(text(n))) for edit in edits),
                scores=dict.fromkeys(range(60), (1.0,)), score=0.5, base=0.4, bar=0.3, accepted=accepted,
                reason=Why.OTHER.because(text(n)[:200]), cost=n * 20,
            )
        )  # fmt: skip
        prompts = after if accepted else prompts
    comparison = Comparison(0.5, 0.6, 0.1, (0.0, 0.2), 50, 1, ({0: 0.5}, {0: 0.6}), 1)
    return DLPOResult("v" * 300, history[0].prompts, prompts, comparison, History(history), {"metric_calls": 2000})


@pytest.mark.slow
@pytest.mark.parametrize(("records", "size", "parts"), [(100, 20_000, 2), (600, 400, 1), (40, 8_000, 20)])
def test_a_page_stays_below_a_megabyte_however_long_the_run(records, size, parts) -> None:
    page = make_page(long_run(records, size, parts))
    text = render(page)
    assert len(text.encode()) <= LARGEST < 1_000_000
    assert "[cut here: " in text
    assert f"step-{records - 1}" in text, "the end of the story is shown"


def test_a_page_of_an_ordinary_run_cuts_nothing(one) -> None:
    text = one.to_html(Path(one.log_dir) / "report.html").read_text(encoding="utf-8")
    assert "[cut here: " not in text
    assert "the page would be too large" not in text
    assert len(text) < 400_000


def test_the_same_result_gives_the_same_page(one) -> None:
    assert render(make_page(one)) == render(make_page(one))


def test_texts_of_the_run_reach_the_page_byte_for_byte_but_escaped(two) -> None:
    text = render(make_page(two))
    for prompt in two.best_prompts.values():
        for sentence in map(str.strip, split(prompt)):
            assert sentence.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;") in text
    assert "".join(split(prompt)) == prompt
    assert json.dumps(two.to_dict())
