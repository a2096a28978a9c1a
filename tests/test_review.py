"""A person has the last word: what is declined is not returned, is told to the writer, and is asked about once."""

import io

import pytest
from event_logs import cut, places
from test_resume import compiled, story

from dspy_dlpo import DLPOResult, Review, ReviewError, Suggestion
from dspy_dlpo.core.ending import EndedBy
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.storage import read_state


class Person:
    """Answers by a rule, and remembers what was asked."""

    def __init__(self, rule=lambda suggestion: True):
        self.rule, self.asked = rule, []

    def __call__(self, suggestion):
        self.asked.append(suggestion)
        return self.rule(suggestion)


@pytest.fixture(scope="module")
def agreed():
    """A run whose every edit was agreed to, and what was asked."""
    person = Person()
    return compiled(None, review=Review(person))[0], person.asked


def sentences(result):
    return {sentence.strip() for prompt in result.best_prompts.values() for sentence in split(prompt)}


def test_a_person_who_agrees_is_shown_every_change_and_what_it_did(agreed):
    result, asked = agreed
    added = {suggestion.after for suggestion in asked if suggestion.edit.op == "add"}
    assert added
    assert added <= sentences(result)
    assert any(suggestion.scores and suggestion.scores[1] > suggestion.scores[0] for suggestion in asked)
    assert all(suggestion.after in str(suggestion) for suggestion in asked)
    assert not result.declined


def test_what_is_declined_at_the_end_is_not_returned_and_the_rest_is_compared_anew(agreed):
    whole, asked = agreed
    gone = next(suggestion.after for suggestion in asked if suggestion.edit.op == "add")
    result, *_ = compiled(None, review=Review(lambda suggestion: suggestion.after != gone))
    assert gone not in sentences(result)
    assert [edit.text.strip() for edit in result.declined] == [gone]
    assert whole.spent["metric_calls"] < result.spent["metric_calls"] <= 260
    found = result.comparison
    assert found.candidates == whole.comparison.candidates + 1, "what it was chosen from counts"
    if found.chosen:
        assert sentences(result) == sentences(whole) - {gone}
        assert found.best == pytest.approx(sum(found.scores[found.chosen].values()) / found.examples)


def test_who_declines_everything_gets_their_own_prompts_back():
    result, *_ = compiled(None, review=Review(lambda suggestion: False))
    assert result.best_prompts == result.start_prompts


def test_a_sentence_of_ones_own_stands_in_the_place_of_an_edit():
    own = "Count only what the question asks for."
    person = Person()
    person.rule = lambda suggestion: own if suggestion is person.asked[0] else True
    result, *_ = compiled(None, review=Review(person))
    assert own in sentences(result)
    assert person.asked[0].after not in sentences(result)


def test_nobody_is_asked_twice_and_a_result_keeps_what_was_declined(tmp_path):
    person = Person(lambda suggestion: len(suggestion.after) % 2 == 0)
    first, *_ = compiled(tmp_path / "run", review=Review(person))
    again = Person()
    second, *_ = compiled(tmp_path / "run", review=Review(again))
    assert person.asked
    assert not again.asked
    assert second.best_prompts == first.best_prompts
    assert story(second) == story(first)
    assert DLPOResult.load(tmp_path / "run").declined == first.declined


def test_a_crash_among_the_answers_asks_only_for_those_that_are_missing(tmp_path):
    person = Person(lambda suggestion: False)
    compiled(tmp_path / "run", review=Review(person))
    answered = places(tmp_path / "run", "Answered")
    again = Person(lambda suggestion: False)
    compiled(cut(tmp_path / "run", tmp_path / "cut", answered[0] + 1), review=Review(again))
    assert [s.key for s in again.asked] == [s.key for s in person.asked[1:]]


def test_what_was_declined_at_the_end_is_told_to_the_writer_of_a_longer_run(tmp_path):
    compiled(tmp_path / "run", calls=150, review=Review(lambda suggestion: False))
    declined = [edit.text.strip() for edit in read_state(tmp_path / "run").declined if edit.text.strip()]
    result, *_ = compiled(tmp_path / "run", calls=260, review=Review(lambda suggestion: False))
    notes = [note.body for record in result.history.steps() for notes in record.notes.values() for note in notes]
    assert declined
    assert any(f"- {declined[-1]} (declined in review)" in body for body in notes)


def test_at_each_step_no_run_is_spent_on_what_is_declined(tmp_path):
    person = Person(lambda suggestion: suggestion.edit.op == "add" and len(suggestion.after) % 2 == 0)
    result, *_ = compiled(tmp_path / "run", review=Review(person, when="steps"))
    declined = [entry for record in result.history for entry in record.ledger if entry.reason.why is Why.DECLINED]
    assert declined
    assert not any(entry.kept or entry.gained or entry.lost for entry in declined)
    judged = {s for record in result.history for p in record.proposal.values() for s in map(str.strip, split(p))}
    assert not judged & {entry.edit.text.strip() for entry in declined if entry.edit.op == "add"}
    notes = [note.body for record in result.history.steps() for notes in record.notes.values() for note in notes]
    assert any("(declined in review)" in body for body in notes)
    again = Person()
    middle = places(tmp_path / "run", "Recorded")[3]
    resumed, *_ = compiled(cut(tmp_path / "run", tmp_path / "cut", middle), review=Review(person, when="steps"))
    assert story(resumed) == story(result)
    assert not again.asked


def test_who_declines_every_step_ends_the_run_with_their_own_prompts():
    result, *_ = compiled(None, review=Review(lambda suggestion: False, when="steps"))
    assert result.best_prompts == result.start_prompts
    assert not any(record.accepted for record in result.history.steps())


def test_an_error_in_the_review_returns_nothing_that_nobody_has_agreed_to(tmp_path):
    def broken(suggestion):
        raise RuntimeError("the form is offline")

    with pytest.raises(ReviewError, match="the form is offline") as caught:
        compiled(tmp_path / "run", review=Review(broken))
    assert caught.value.result.best_prompts == caught.value.result.start_prompts
    assert caught.value.result.ended_by is EndedBy.REVIEW
    runs = read_state(tmp_path / "run").paid
    result, *_ = compiled(tmp_path / "run", review=Review(lambda suggestion: True))
    assert result.best_prompts != result.start_prompts
    assert read_state(tmp_path / "run").paid == runs, "the same call asks again, and pays for nothing"


def test_an_answer_that_is_none_is_refused():
    with pytest.raises(ReviewError, match="Answer True, False or a sentence"):
        compiled(None, review=Review(lambda suggestion: None))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"approve": "yes"}, TypeError, "cannot be called"),
        ({"when": "later"}, ValueError, "'end' or 'steps'"),
    ],
)
def test_a_review_is_checked(arguments, error, said):
    with pytest.raises(error, match=said):
        Review(**arguments)


def test_where_nobody_can_be_asked_nothing_is_spent(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(ValueError, match="standard input is no terminal"):
        compiled(tmp_path / "run", review=Review())
    assert not (tmp_path / "run").exists()


def test_in_a_terminal_the_question_is_asked_until_it_is_answered(monkeypatch, capsys):
    from dspy_dlpo.core.edits import Edit
    from dspy_dlpo.progress.asking import ask_person

    said = iter(["", " Y "])
    monkeypatch.setattr("builtins.input", lambda question: next(said))
    edit = Edit("replace", 0, "Be brief.", "too long", predictor="p")
    assert ask_person(Suggestion(edit, "Be kind.", gained=(1,))) is True
    shown = capsys.readouterr().out
    assert shown == "\np:\n- Be kind.\n+ Be brief.\n  too long\n  examples repaired: 1, broken: 0\n"
    monkeypatch.setattr("builtins.input", lambda question: "Be short.")
    assert ask_person(Suggestion(Edit("delete", 0, predictor="p"), "Be kind.")) == "Be short."
