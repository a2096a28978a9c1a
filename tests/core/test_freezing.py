from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import prompts_with_replies

from dspy_dlpo.core.edits import Edit, apply
from dspy_dlpo.core.freezing import FreezeSentences, FreezeText, structure
from dspy_dlpo.core.sentences import split

PROMPT = "Read {text} first. Count the apples. Say it.\n\n```\nx = 1\n```\nBe brief."


def sentences(text: str) -> Counter[str]:
    return Counter(piece.strip() for piece in split(text))


@given(prompts_with_replies(), st.sets(st.integers(0, 8)))
def test_frozen_sentences_stay_whatever_is_edited(case, frozen) -> None:
    prompt, edits = case
    kept, dropped = FreezeSentences(tuple(frozen)).admit(edits, prompt)
    pieces = split(prompt)
    wanted = Counter(pieces[i].strip() for i in frozen if i < len(pieces))
    assert not wanted - sentences(apply(kept, prompt))
    assert not [edit for edit in kept if edit.op != "add" and edit.at in frozen]
    assert len(kept) + len(dropped) == len(edits)


@given(prompts_with_replies(), st.data())
def test_frozen_text_stays_verbatim_whatever_is_edited(case, data) -> None:
    prompt, edits = case
    start = data.draw(st.integers(0, len(prompt)))
    frozen = prompt[start : data.draw(st.integers(start, len(prompt)))]
    kept, dropped = FreezeText((frozen,)).admit(edits, prompt)
    assert frozen in apply(kept, prompt)
    assert Counter(kept) + Counter(each.edit for each in dropped) == Counter(edits)


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("op", ["delete", "replace", "move"])
def test_template_holes_and_code_are_frozen_by_default(op: str, at: int) -> None:
    assert len(split(PROMPT)) == 5
    edit = Edit(op, at, "Other words." if op == "replace" else "", to=2 if op == "move" else None)
    kept, dropped = FreezeText().admit((edit,), PROMPT)
    assert kept == ()
    assert dropped[0].reason == "the text is frozen"


@pytest.mark.parametrize("at", [1, 2, 4])
def test_other_sentences_are_free(at: int) -> None:
    edit = Edit("delete", at)
    assert FreezeText().admit((edit,), PROMPT) == ((edit,), ())


@pytest.mark.parametrize("hole", ["{name}", "{{ name }}", "{% if name %}"])
def test_every_kind_of_hole_is_frozen(hole: str) -> None:
    assert FreezeText().admit((Edit("delete", 0),), f"Read {hole} now. Go.")[0] == ()


def test_text_over_two_sentences_stays_together() -> None:
    prompt = "One is here. Two is there. Three is away."
    constraint = FreezeText(("is here. Two is",))
    edits = (Edit("add", 1, "Between them. "), Edit("add", 0, "Before. "), Edit("delete", 2))
    kept, _ = constraint.admit(edits, prompt)
    assert "is here. Two is" in apply(kept, prompt)
    assert constraint.admit((Edit("delete", 1),), prompt)[0] == ()


def test_text_that_the_prompt_does_not_hold_is_no_concern_of_it() -> None:
    edit = Edit("delete", 1)
    assert FreezeText(("elsewhere",)).admit((edit,), PROMPT) == ((edit,), ())


def test_every_place_of_a_text_is_frozen() -> None:
    prompt = "Say yes. Count. Say yes."
    for at in (0, 2):
        assert FreezeText(("yes",)).admit((Edit("delete", at),), prompt)[0] == ()


def test_the_writer_is_told_in_words() -> None:
    assert "sentence 1, 3 " in FreezeSentences((0, 2)).text
    assert "'Say yes'" in FreezeText(("Say yes",)).text


@pytest.mark.parametrize(
    "line",
    [
        "## How to answer",
        "[[ ## answer ## ]]",
        "<answer>the number</answer>",
        '{"answer": 3}',
        "Output format: one number.",
        "**Answer format**: a list",
    ],
)
def test_headings_and_output_format_lines_are_the_structure_of_a_prompt(line: str) -> None:
    prompt = f"Count the things.\n\n{line}\n\nBe careful. Answer the question."
    assert structure(prompt) == (line,)
    for edit in (Edit("delete", i) for i in range(len(split(prompt)))):
        kept, dropped = FreezeText(structure(prompt)).admit((edit,), prompt)
        assert line in apply(kept, prompt)
        assert bool(dropped) == (line in split(prompt)[edit.at])


@pytest.mark.parametrize(
    "text", ["Answer the question.", "The format matters.", "a < b and b > c", "Use # for numbers."]
)
def test_ordinary_sentences_are_none(text: str) -> None:
    assert structure(text) == ()
