"""The writer is asked in one form after the other, and in the one that works from then on."""

import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest

from dspy_dlpo.core.asking import in_order, written
from dspy_dlpo.core.budget import BudgetSpent
from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.history import Asked, History, LedgerEntry, Record, StepContext
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.update import Constraint, Update

FORMS = ("edits", "lines", "prompt")
GOOD = Reply(edits=(Edit("add", 1, "Say yes."),))
SAME = Reply(edits=(Edit("replace", 0, "Answer."),))
BROKEN = Reply(error="neither edits nor a prompt")
LOST = Reply(error="no reply: timeout", lost=True)
EMPTY = Reply()
CONTEXT = StepContext(1, 0.0, History())


class Writer:
    """Answers by predictor and form, and remembers what it was asked."""

    def __init__(self, **replies: dict[str, Reply]) -> None:
        self.replies, self.asked = replies, []

    def __call__(self, updates, step):
        self.asked += [(update.predictor, update.form) for update in updates]
        return [self.replies[update.predictor][update.form] for update in updates]


@dataclass(frozen=True)
class Refuse(Constraint):
    text: str = "Say nothing of yes."

    def admit(self, edits, prompt):
        kept = tuple(edit for edit in edits if "yes" not in edit.text)
        return kept, tuple(Dropped(edit, "says yes") for edit in edits if edit not in kept)


def update(name="solve", *constraints):
    return Update(name, "Answer.", constraints=constraints)


@pytest.mark.parametrize("first", [BROKEN, EMPTY, SAME], ids=["broken", "empty", "changes nothing"])
def test_a_reply_of_no_use_is_followed_by_another_form_within_the_step(first):
    writer = Writer(solve={"edits": first, "lines": GOOD, "prompt": GOOD})
    found = written(writer, [update()], FORMS, CONTEXT)
    assert writer.asked == [("solve", "edits"), ("solve", "lines")]
    assert [edit.text for edit in found.edits] == ["Say yes."]
    assert found.edits[0].predictor == "solve"
    assert [each.form for each in found.asked] == ["edits", "lines"]
    assert found.asked[1].usable
    assert found.replies[0] is GOOD


def test_what_would_change_nothing_is_of_no_use_in_any_form():
    writer = Writer(solve=dict.fromkeys(FORMS, SAME))
    found = written(writer, [update()], FORMS, CONTEXT)
    assert [form for _, form in writer.asked] == list(FORMS)
    assert not any(each.usable for each in found.asked)


def test_every_form_is_tried_once_and_the_step_ends():
    writer = Writer(solve=dict.fromkeys(FORMS, BROKEN))
    found = written(writer, [update()], FORMS, CONTEXT)
    assert [form for _, form in writer.asked] == list(FORMS)
    assert not found.edits
    assert found.replies[0].error


def test_no_reply_at_all_is_not_a_matter_of_form():
    writer = Writer(solve=dict.fromkeys(FORMS, LOST))
    assert not written(writer, [update()], FORMS, CONTEXT).edits
    assert len(writer.asked) == 1


def test_what_rules_refuse_is_asked_once_more_with_word_of_it():
    heard = []

    class Hearing(Writer):
        def __call__(self, updates, step):
            heard.extend(note.body for each in updates for note in each.notes)
            return super().__call__(updates, step)

    writer = Hearing(solve=dict.fromkeys(FORMS, GOOD))
    found = written(writer, [update("solve", Refuse())], FORMS, CONTEXT)
    assert len(writer.asked) == 2
    assert heard == ["- Say yes. (says yes)"]
    assert [each.reason for each in found.dropped] == ["says yes"] * 2


def test_only_predictors_without_an_edit_are_asked_again():
    writer = Writer(a=dict.fromkeys(FORMS, GOOD), b={"edits": BROKEN, "lines": GOOD})
    found = written(writer, [update("a"), update("b")], FORMS, CONTEXT)
    assert writer.asked == [("a", "edits"), ("b", "edits"), ("b", "lines")]
    assert {edit.predictor for edit in found.edits} == {"a", "b"}


def test_an_empty_reply_stands_where_another_predictor_has_an_edit():
    writer = Writer(a=dict.fromkeys(FORMS, GOOD), b=dict.fromkeys(FORMS, EMPTY))
    written(writer, [update("a"), update("b")], FORMS, CONTEXT)
    assert writer.asked == [("a", "edits"), ("b", "edits")]


def test_edits_of_several_requests_to_a_predictor_are_pooled_in_turns() -> None:
    first, second, third, fourth = (Edit("add", 1, f"Rule {i}.") for i in range(4))
    replies = {0: Reply(edits=(first, second)), 1: Reply(edits=(third, first, fourth))}
    asked = []

    def write(updates, step):
        asked.extend(updates)
        return [replies[each.part] for each in updates]

    found = written(write, [update(), replace(update(), part=1)], FORMS, CONTEXT)
    assert [edit.text for edit in found.edits] == ["Rule 0.", "Rule 2.", "Rule 1.", "Rule 3."]
    assert [each.reason for each in found.dropped] == ["the prompt says this already"]
    assert found.replies == list(replies.values())


def test_rules_hold_for_what_is_pooled() -> None:
    @dataclass(frozen=True)
    class One(Constraint):
        text: str = "One edit."

        def admit(self, edits, prompt):
            return edits[:1], tuple(Dropped(edit, "more than one") for edit in edits[1:])

    def write(updates, step):
        return [Reply(edits=(Edit("add", 1, f"Rule {each.part}."),)) for each in updates]

    found = written(write, [replace(update("solve", One()), part=i) for i in range(3)], FORMS, CONTEXT)
    assert [edit.text for edit in found.edits] == ["Rule 0."]
    assert [each.reason for each in found.dropped] == ["more than one"] * 2


def test_of_several_requests_to_a_predictor_each_useless_reply_is_asked_for_again() -> None:
    asked = []

    def write(updates, step):
        asked.extend((each.part, each.form) for each in updates)
        return [BROKEN if each.part and each.form == "edits" else GOOD for each in updates]

    assert written(write, [update(), replace(update(), part=1)], FORMS, CONTEXT).edits
    assert asked == [(0, "edits"), (1, "edits"), (1, "lines")]


def test_the_end_of_the_budget_is_told_and_not_hidden():
    def spent(updates, step):
        raise BudgetSpent

    with pytest.raises(BudgetSpent):
        written(spent, [update()], FORMS, CONTEXT)


def record(*asked: Asked, gained: bool = False) -> Record:
    ledger = (LedgerEntry(Edit("add", 1, "Say yes.", predictor="solve"), (3,) if gained else (), kept=gained),)
    how = {"accepted": gained, "score": 0.5 + gained, "base": 0.5}
    return Record("step", 1, 0.0, {}, {}, asked=asked, ledger=ledger, **how)


def test_the_form_that_works_is_asked_in_first_from_then_on():
    history = History([record(Asked("solve", "edits", False), Asked("solve", "lines", True), gained=True)])
    assert in_order(FORMS, history) == ["lines", "prompt", "edits"]
    writer = Writer(solve=dict.fromkeys(FORMS, GOOD))
    written(writer, [update()], FORMS, StepContext(2, 0.0, history))
    assert writer.asked == [("solve", "lines")]


def test_one_failure_of_a_form_that_works_changes_nothing():
    works = [record(Asked("solve", "edits", True), gained=True) for _ in range(6)]
    assert in_order(FORMS, History([*works, record(Asked("solve", "edits", False))]))[0] == "edits"


def test_after_three_steps_in_vain_another_form_has_its_turn_for_once():
    vain = record(Asked("solve", "edits", True))
    assert in_order(FORMS, History([vain] * 2)) == list(FORMS)
    assert in_order(FORMS, History([vain] * 3)) == ["lines", "prompt", "edits"]
    assert in_order(FORMS, History([*[vain] * 3, record(Asked("solve", "lines", True))])) == list(FORMS)


def test_a_gain_is_the_doing_of_the_last_form_that_was_of_use():
    both = record(Asked("solve", "edits", True), Asked("solve", "lines", True), gained=True)
    assert in_order(FORMS, History([both]))[0] == "lines"


def test_a_reply_that_was_lost_says_nothing_of_its_form():
    writer = Writer(solve=dict.fromkeys(FORMS, LOST))
    assert written(writer, [update()], FORMS, CONTEXT).asked == ()


def test_edits_are_in_the_order_of_the_requests_in_whatever_form_they_came():
    writer = Writer(a={"edits": BROKEN, "lines": GOOD}, b=dict.fromkeys(FORMS, GOOD))
    found = written(writer, [update("a"), update("b")], FORMS, CONTEXT)
    assert [edit.predictor for edit in found.edits] == ["a", "b"]


def test_where_all_forms_gain_alike_the_first_is_asked_in_mostly():
    rng, records = random.Random(0), []
    for _ in range(60):
        form = in_order(FORMS, History(records))[0]
        records.append(record(Asked("solve", form, True), gained=rng.random() < 0.35))
    assert Counter(each.asked[0].form for each in records).most_common(1)[0][0] == "edits"
