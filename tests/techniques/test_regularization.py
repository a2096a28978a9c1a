import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import ordinary_prompts, prompts_with_replies

from dspy_dlpo.core.edits import Edit, apply, shortens, sound
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.core.update import Update
from dspy_dlpo.techniques.regularization import LimitWords, Regularization


@given(prompts_with_replies(), st.integers(1, 40))
def test_the_proposal_is_never_longer_than_the_limit_or_the_prompt(case, max_words: int) -> None:
    prompt, edits = case
    kept, _ = LimitWords(max_words).admit(edits, prompt)
    assert count_words(apply(kept, prompt)) <= max(max_words, count_words(prompt))


@given(prompts_with_replies(), st.integers(1, 40))
def test_shortening_edits_are_never_dropped(case, max_words: int) -> None:
    prompt, edits = case
    _, dropped = LimitWords(max_words).admit(edits, prompt)
    assert not [each.edit for each in dropped if shortens(each.edit, prompt)]


@given(ordinary_prompts)
def test_a_limit_that_is_not_reached_drops_nothing(prompt: str) -> None:
    edits = sound((Edit("add", 0, "Mind the units. "), Edit("delete", 0)), prompt)[0]
    assert LimitWords(500).admit(edits, prompt) == (edits, ())


def test_the_last_lengthening_edit_is_given_up_first() -> None:
    first, second = Edit("add", 0, "Two words. "), Edit("add", 0, "Three more words. ")
    kept, dropped = LimitWords(4).admit((first, second), "One. Two.")
    assert kept == (first,)
    assert [each.edit for each in dropped] == [second]
    assert "past 4 words" in dropped[0].reason


def test_a_deletion_makes_room_for_an_addition() -> None:
    edits = (Edit("delete", 0), Edit("add", 1, "Three more words. "))
    assert LimitWords(4).admit(edits, "One two three. Four.")[0] == edits


def test_a_shortening_edit_that_comes_last_outlives_the_lengthening_ones() -> None:
    add, delete = Edit("add", 0, "Very many more words stand in this one. "), Edit("delete", 1)
    assert LimitWords(4).admit((add, delete), "One. Two.")[0] == (delete,)


def test_a_prompt_that_is_too_long_already_may_not_grow_but_may_change() -> None:
    prompt = "One two three. Four five six."
    assert LimitWords(2).admit((Edit("add", 0, "More. "),), prompt)[0] == ()
    same = (Edit("replace", 0, "Un deux trois. "),)
    assert LimitWords(2).admit(same, prompt)[0] == same


def test_the_writer_is_told_the_length_and_the_limit() -> None:
    update = Regularization(max_words=50).apply(Update("solve", "One two three."), StepContext(0, 0.0, History()))
    assert "3 words" in update.notes[0].body
    assert "50 words" in update.constraints[0].text


@pytest.mark.parametrize("max_words", [0, -1, float("nan"), 1.5, "200", None])
def test_an_illegal_limit_is_refused_with_the_way_out(max_words) -> None:
    with pytest.raises((ValueError, TypeError), match=r"max_words=.*Pass"):
        Regularization(max_words=max_words)
