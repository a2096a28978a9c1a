from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import edits, least_distance, ordinary_prompts, prompts_with_replies, replies, texts

from dspy_dlpo.core.edits import OPERATIONS, Edit, apply, cost, diff, distance, fit, sound
from dspy_dlpo.core.sentences import split

PROMPT = "One. Two. Three."


def said(text: str) -> list[str]:
    return [sentence.strip() for sentence in split(text)]


# --- diff and apply --------------------------------------------------------------------------------------------------


@given(texts, texts)
def test_applying_the_difference_gives_the_other_text(before: str, after: str) -> None:
    assert apply(diff(before, after), before) == after


@given(texts)
def test_equal_texts_differ_by_nothing(text: str) -> None:
    assert diff(text, text) == ()
    assert distance(text, text) == 0


@given(texts, texts)
def test_distance_is_never_below_what_any_edits_need(before: str, after: str) -> None:
    assert distance(before, after) >= least_distance(before, after)
    assert distance(before, after) <= len(split(before)) + len(split(after))


@given(texts, texts)
def test_the_edits_of_a_difference_speak_of_the_old_text(before: str, after: str) -> None:
    count = len(split(before))
    for edit in diff(before, after):
        assert edit.op in OPERATIONS
        assert 0 <= edit.at < count + (edit.op == "add")
        assert edit.op != "move" or (edit.to is not None and 0 <= edit.to <= count)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("One. Two. Three. Four.", 1),  # white space between sentences does not count
        ("One. Three.", 1),
        ("One. 2. Three.", 1),
        ("Two. One. Three.", 1),
        ("", 3),
    ],
)
def test_distance_counts_sentences(after: str, expected: int) -> None:
    assert distance(PROMPT, after) == expected


def test_a_moved_sentence_costs_one() -> None:
    assert distance("A one. B two. C three. D four.\n", "B two. C three. A one. D four.\n") == 1


def test_no_edits_change_nothing() -> None:
    assert apply((), " as it is ") == " as it is "


@given(prompts_with_replies(), st.data())
def test_any_part_of_a_set_of_edits_can_be_carried_out(case, data) -> None:
    prompt, whole = case
    part = tuple(edit for edit in whole if data.draw(st.booleans()))
    result = apply(part, prompt)
    changed = {edit.at for edit in part if edit.op != "add"}
    raw = [sentence.strip() for i, sentence in enumerate(split(prompt)) if i not in changed]
    for text in [*raw, *(edit.text.strip() for edit in part if edit.op in ("add", "replace"))]:
        assert text in result


# --- joints ----------------------------------------------------------------------------------------------------------

whole_sentences = st.sampled_from(["Mind the units.", "Do it twice!", "Why, e.g. for 2.5?", "再数一次。"])


@given(ordinary_prompts, edits(text=whole_sentences), st.data())
def test_sentences_never_run_into_each_other(prompt: str, drawn, data) -> None:
    drawn = tuple(edit if edit.op in ("add", "replace") else replace(edit, text="") for edit in drawn)
    fitted = tuple(fit(edit, prompt) for edit in drawn) if data.draw(st.booleans()) else drawn
    kept = sound(fitted, prompt)[0]
    old = said(prompt)
    inserted: dict[int, list[str]] = {}
    for edit in kept:
        if edit.op == "add":
            inserted.setdefault(edit.at, []).append(edit.text.strip())
        if edit.op == "move":
            inserted.setdefault(edit.to, []).append(old[edit.at])
    expected = []
    changes = {edit.at: edit for edit in kept if edit.op != "add"}
    for i in range(len(old) + 1):
        expected += inserted.get(i, [])
        if i < len(old):
            edit = changes.get(i)
            expected += [old[i]] if edit is None else [edit.text.strip()] if edit.op == "replace" else []
    assert said(apply(kept, prompt)) == expected


@pytest.mark.parametrize("prompt", ["Answer the question", "Answer yes or no", "Count them.\nAnswer the question"])
def test_an_addition_does_not_melt_into_a_last_line_without_a_mark(prompt: str) -> None:
    added = fit(Edit("add", len(split(prompt)), "Be brief."), prompt)
    assert said(apply((added,), prompt)) == [*said(prompt), "Be brief."]


@pytest.mark.parametrize("text", ["- Mind the units", "1. Mind the units", "# Units", "```\nx = 1\n```", "| a | b |"])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_block_gets_a_line_of_its_own_wherever_it_goes(text: str, at: int) -> None:
    result = apply((fit(Edit("add", at, text), PROMPT),), PROMPT)
    assert said(result) == [*said(PROMPT)[:at], text, *said(PROMPT)[at:]]


@pytest.mark.parametrize("at", [2, 3])
def test_an_addition_among_bullets_is_a_bullet(at: int) -> None:
    prompt = "Rules:\n- one\n- two"
    expected = ["Rules:", "- one", "- two"]
    expected.insert(at, "- three")
    assert said(apply((fit(Edit("add", at, "three"), prompt),), prompt)) == expected


def test_bullets_can_change_places() -> None:
    prompt = "Rules:\n- one\n- two"
    assert said(apply((Edit("move", 2, to=1),), prompt)) == ["Rules:", "- two", "- one"]


def test_additions_to_one_place_keep_their_order() -> None:
    added = (Edit("add", 1, "First. "), Edit("add", 1, "Second. "))
    assert apply(added, PROMPT) == "One. First. Second. Two. Three."


def test_a_replacement_keeps_the_white_space_of_its_place() -> None:
    prompt = "One.\n\nTwo."
    assert apply((fit(Edit("replace", 0, "Un."), prompt),), prompt) == "Un.\n\nTwo."


def test_a_deletion_deletes_whatever_text_it_carries() -> None:
    assert apply((Edit("delete", 0, "Mind the units."),), PROMPT) == "Two. Three."


def test_deleting_everything_leaves_nothing() -> None:
    assert apply(tuple(Edit("delete", i) for i in range(3)), PROMPT) == ""


# --- sound -----------------------------------------------------------------------------------------------------------


@given(texts, st.data())
def test_sound_edits_can_be_carried_out_and_stay_sound(prompt: str, data) -> None:
    drawn = data.draw(replies(prompt))
    kept, dropped = sound(drawn, prompt)
    assert sound(kept, prompt) == (kept, ())
    assert len(kept) + len(dropped) == len(drawn)
    assert all(each.reason for each in dropped)
    apply(kept, prompt)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit("shuffle", 0), "unknown operation 'shuffle'"),
        (Edit("delete", 3), "the prompt has no sentence 4"),
        (Edit("delete", -1), "the prompt has no sentence 0"),
        (Edit("add", 4, "Four."), "the prompt has no sentence 5"),
        (Edit("replace", 0, "  "), "empty text"),
        (Edit("add", 0, ""), "empty text"),
        (Edit("add", 0, " Two. "), "the prompt says this already"),
        (Edit("replace", 0, "One."), "the prompt says this already"),
        (Edit("move", 0), "a move to nowhere"),
        (Edit("move", 0, to=0), "a move to nowhere"),
        (Edit("move", 0, to=1), "a move to nowhere"),
        (Edit("move", 0, to=4), "a move to nowhere"),
    ],
)
def test_nonsense_is_dropped_with_its_reason(edit: Edit, reason: str) -> None:
    kept, dropped = sound((edit,), PROMPT)
    assert kept == ()
    assert [each.reason for each in dropped] == [reason]


def test_a_second_edit_of_one_sentence_is_dropped() -> None:
    first, second = Edit("replace", 1, "Deux."), Edit("delete", 1)
    kept, dropped = sound((first, second), PROMPT)
    assert kept == (first,)
    assert dropped[0].reason == "a second edit of the same sentence"


def test_the_same_text_is_added_once() -> None:
    kept, _ = sound((Edit("add", 0, "Four."), Edit("add", 3, " Four.")), PROMPT)
    assert len(kept) == 1


def test_appending_is_sound_on_the_empty_prompt() -> None:
    assert sound((Edit("add", 0, "One."),), "")[0]


# --- cost ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit("delete", 0), 1),
        (Edit("move", 0, to=2), 1),
        (Edit("add", 0, "Four."), 1),
        (Edit("add", 0, "Four. Five. Six."), 3),
        (Edit("replace", 0, "- four\n- five"), 2),
    ],
)
def test_an_edit_costs_the_sentences_of_its_text(edit: Edit, expected: int) -> None:
    assert cost(edit) == expected


PIECES = ["Do it. ", "Rules:\n", "- a b\n", "* c\nd.\n", "1. x\n", "Use: ", "\n", "Stop.", "(a) q\n", "Note：\n", "* z"]
listed = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@given(listed, listed)
def test_a_difference_with_lists_leads_to_the_other_text(before, after):
    assert apply(diff(before, after), before) == after


def test_a_sentence_and_the_list_that_it_introduces_are_one_edit():
    before, listed = "Name the intent.", "Use one of these names:\n- card lost\n- card late\n- rates"
    [edit] = [edit for edit in diff(before, f"{before} {listed}") if edit.op == "add"]
    assert edit.text == listed
    assert cost(edit) == distance(before, f"{before} {listed}") == 1
    assert cost(Edit("add", 1, "- card lost\n- card late")) == 2, "a list that nothing introduces counts by its items"
    assert cost(Edit("add", 1, f"Be brief. {listed}\nStop.")) == 3
