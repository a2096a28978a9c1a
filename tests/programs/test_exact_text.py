"""No byte of a text changes that no edit touched: indentation, tabs, line ends and white space at its ends."""

import json

import dspy
import pytest
from compiling import TRAIN, VAL, right
from engine import RULE, asked, program_lm

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge, load_program
from dspy_dlpo.core.edits import Edit, apply, fit
from dspy_dlpo.host.parameters import KINDS, read_prompts, write_prompts


class Indented(dspy.Signature):
    """
    Answer in this form:
      result:
        answer: 12
      why: short

      - an indented bullet
    """

    question: str = dspy.InputField(desc="  - asked by a person\n  - as it came\n")
    answer: str = dspy.OutputField()


INSTRUCTIONS = "Answer in this form:\n  result:\n    answer: 12\n  why: short\n\n  - an indented bullet"
# What DSPy can hold as instructions, and what cleaning it once more would change.
HELD = [
    INSTRUCTIONS,
    "  An indented beginning.\nThe rest.",
    "Ends of lines.\r\n  Of another system.\r\n\r\nEnd.\r",
    "White space at an end.  \n  and   within   ",
    "A:\n\n    code = 1\n    more = 2\n\nB.",
    "Cafe\u0301 and caf\u00e9, \ufb01ve \u2168, a\u00a0b\u200b\u3000c.",
]


def look_up(number: int) -> str:
    """Looks a number up.

    Args:
        number: a whole number
            of at least 0
    """
    return str(number)


def holding(text: str) -> dspy.Predict:
    """A predictor whose instructions are a text."""
    program = dspy.Predict("question -> answer")
    program.signature = program.signature.with_instructions(f"\n{text}")
    assert program.signature.instructions == text
    return program


def adding(text: str = RULE):
    return lambda call: json.dumps([{"op": "add", "at": 99, "text": text, "why": "lacking"}])


def compiled(student, lm, **options):
    with dspy.context(lm=lm):
        alone = EditJudge(trials=False)  # no sentence but the writer's
        optimizer = DLPOTeleprompter(right, budget=Budget(60), num_threads=1, judging=alone, **options)
        return optimizer.compile(student, trainset=TRAIN, valset=VAL)


@pytest.mark.parametrize("kinds", [("instructions",), KINDS])
def test_instructions_of_a_docstring_are_run_and_returned_as_they_are_where_no_edit_is_kept(kinds) -> None:
    lm, student = program_lm(edits=lambda call: "[]"), dspy.Predict(Indented)
    better = compiled(student, lm, parameters=kinds)
    assert better.signature is student.signature
    with dspy.context(lm=lm):
        own = dspy.ChatAdapter().format(student.signature, [], {"question": ""})[0]["content"]
    assert {call.system for call in asked(lm) if "answer" in call.outputs} == {own}
    assert better.detailed_results.best_prompts == better.detailed_results.start_prompts


@pytest.mark.parametrize("kinds", [("instructions",), KINDS])
def test_all_that_an_edit_did_not_touch_is_returned_as_it_was(kinds) -> None:
    lm, student = program_lm(edits=adding()), dspy.Predict(Indented)
    better = compiled(student, lm, parameters=kinds)
    added = better.signature.instructions
    assert RULE in added
    assert all(line in added.split("\n") for line in INSTRUCTIONS.split("\n")[1:])


@pytest.mark.parametrize("text", HELD)
def test_any_text_that_dspy_can_hold_is_written_byte_for_byte(text: str) -> None:
    program, other = holding(text), dspy.Predict("question -> answer")
    write_prompts(other, read_prompts(program))
    assert other.signature.instructions == text
    write_prompts(other, {"self": f"{text}\nMore."})
    assert other.signature.instructions == f"{text}\nMore."


@pytest.mark.parametrize("text", HELD)
def test_a_field_that_is_described_anew_leaves_the_instructions_as_they_are(text: str) -> None:
    program = holding(text)
    prompts = read_prompts(program, KINDS)
    write_prompts(program, {"self": prompts["self"].replace("## Field `answer`", "## Field `answer`\nShort.")}, KINDS)
    assert program.signature.fields["answer"].json_schema_extra["desc"] == "Short."
    assert program.signature.instructions == text


def test_descriptions_keep_their_indentation_and_the_white_space_around_them() -> None:
    program = dspy.Predict(Indented)
    prompts = read_prompts(program, KINDS)
    write_prompts(program, {"self": prompts["self"].replace("as it came", "as it came in")}, KINDS)
    described = program.signature.fields["question"].json_schema_extra["desc"]
    assert described == "  - asked by a person\n  - as it came in\n"
    assert program.signature.instructions == INSTRUCTIONS


def test_a_tool_described_by_a_docstring_keeps_all_but_what_was_edited() -> None:
    agent = dspy.ReActV2("question -> answer", tools=[look_up])
    before = agent.tools["look_up"].desc
    prompts = read_prompts(agent, ("tools",))
    write_prompts(agent, prompts, ("tools",))
    assert agent.tools["look_up"].desc == before
    write_prompts(agent, {name: text.replace("at least 0", "at least 1") for name, text in prompts.items()}, ("tools",))
    assert agent.tools["look_up"].desc == before.replace("at least 0", "at least 1")


def test_an_indented_sentence_is_replaced_in_its_place() -> None:
    prompt = "Rules:\n  - one\n  - two\n"
    assert apply((fit(Edit("replace", 1, "- 1"), prompt),), prompt) == "Rules:\n  - 1\n  - two\n"
    assert apply((fit(Edit("replace", 2, "zwei"), prompt),), prompt) == "Rules:\n  - one\n  - zwei\n"


def test_a_saved_program_is_loaded_with_its_indentation(tmp_path) -> None:
    program, loaded = dspy.Predict(Indented), dspy.Predict(Indented)
    program.save(tmp_path / "program.json")
    load_program(loaded, tmp_path / "program.json")
    assert loaded.signature.instructions == INSTRUCTIONS
