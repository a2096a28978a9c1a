import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import ordinary_prompts, prompts_with_replies

from dspy_dlpo.core.edits import Edit, apply, sound
from dspy_dlpo.core.freezing import FreezeText, fenced, free_words
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.core.update import Update, admit_all
from dspy_dlpo.techniques.regularization import LimitWords, Regularization


@given(prompts_with_replies(), st.integers(1, 40))
def test_the_proposal_is_never_longer_than_the_limit_or_the_prompt(case, max_words: int) -> None:
    prompt, edits = case
    kept, _ = LimitWords(max_words).admit(edits, prompt)
    assert count_words(apply(kept, prompt)) <= max(max_words, count_words(prompt))


def shortens(edit: Edit, prompt: str) -> bool:
    """Whether an edit alone takes words away."""
    if edit.op == "replace":
        return count_words(edit.text) < count_words(split(prompt)[edit.at])
    return edit.op == "delete"


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


@given(prompts_with_replies(), st.integers(1, 40), st.data())
def test_words_outside_of_frozen_text_never_exceed_the_limit_or_what_they_were(case, max_words: int, data) -> None:
    prompt, edits = case
    sentences = split(prompt)
    chosen = data.draw(st.sets(st.integers(0, len(sentences) - 1))) if sentences else ()
    frozen = FreezeText(tuple(text for i in sorted(chosen) if (text := sentences[i].strip())))
    update = Regularization(max_words).apply(
        Update("solve", prompt, constraints=(frozen,)), StepContext(0, 0.0, History())
    )
    kept, _ = admit_all(update.constraints, edits, prompt)
    assert free_words(apply(kept, prompt), frozen.texts) <= max(max_words, free_words(prompt, frozen.texts))


def test_frozen_text_counts_once_and_the_writer_is_told_so() -> None:
    rules = "You have tools. " * 30
    update = Update("solve", f"Answer it.\n{rules}", constraints=(FreezeText((rules.strip(),)),))
    made = Regularization(max_words=50).apply(update, StepContext(0, 0.0, History()))
    assert "2 words beside what must stay" in made.notes[0].body
    assert "not counted" in made.constraints[-1].text
    assert made.constraints[-1].admit((Edit("add", 1, "More. " * 48),), update.prompt)[0]
    assert not made.constraints[-1].admit((Edit("add", 1, "More. " * 49),), update.prompt)[0]
    assert not made.constraints[-1].admit((Edit("add", 0, rules),), update.prompt)[0]


def test_fenced_code_does_not_count() -> None:
    code = f"```\n{'x = 1 ' * 100}\n```"
    update = Update("solve", f"Do it.\n{code}", constraints=(FreezeText(code=fenced(f"Do it.\n{code}")),))
    assert "2 words" in Regularization().apply(update, StepContext(0, 0.0, History())).notes[0].body
