"""Each form in which the writer can be asked: what is sent, how a reply is read, and what the record remembers."""

import dspy
import pytest
from dspy.lm15 import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st
from scripted import engine, scripted_lm

from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.update import TextGradient, Update
from dspy_dlpo.host.forms import FORMS, forms_of
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.host.replies import read_lines, read_prompt
from dspy_dlpo.host.writer import EditWriter

PROMPT = "Name the intent. Be brief. Stop."


def told(edits):
    return [(edit.op, edit.at, edit.text.strip(), edit.to) for edit in edits]


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("ADD: Use no slang.", [("add", 3, "Use no slang.", None)]),
        ("ADD 2: Use no slang.", [("add", 2, "Use no slang.", None)]),
        ("REPLACE 1: Name it.\nDELETE 3", [("replace", 0, "Name it.", None), ("delete", 2, "", None)]),
        ("- **ADD:** Use no slang.\n", [("add", 3, "Use no slang.", None)]),
        (
            "1. ADD: Use no slang.\n2. REPLACE [1]: Name it.",
            [("add", 3, "Use no slang.", None), ("replace", 0, "Name it.", None)],
        ),
        ("ADD: One of these:\n- card lost\n- card late", [("add", 3, "One of these:\n- card lost\n- card late", None)]),
        ("```\nADD: Use no slang.\n```", [("add", 3, "Use no slang.", None)]),
        ("MOVE 3 TO 1", [("move", 2, "", 1)]),
        ("Sure:\nADD: Use no slang.", [("add", 3, "Use no slang.", None)]),
    ],
)
def test_edits_are_read_line_by_line(text, edits):
    assert told(read_lines(text, PROMPT).edits) == edits


def test_a_line_without_its_number_is_dropped_and_the_others_stay():
    reply = read_lines("DELETE: Be brief.\nADD: Use no slang.", PROMPT)
    assert told(reply.edits) == [("add", 3, "Use no slang.", None)]
    assert "no sentence number" in reply.dropped[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "CRITIQUE: Slang is allowed.\nADD: Use no slang.",
        "**Critique:** Slang is allowed.\n\nADD: Use no slang.",
        "ADD: Use no slang.\nCRITIQUE: Slang is allowed.",
        "ADD: Use no slang.\n\nCRITIQUE:\nSlang\nis allowed.\n",
        "ADD: Use no slang. CRITIQUE: Slang is allowed.",
        "CRITIQUE: Slang is allowed. ADD: Use no slang.",
    ],
)
@pytest.mark.parametrize("word", ["CRITIQUE", "FINDING"])
def test_a_line_that_says_what_is_wrong_is_no_part_of_an_edit(text, word):
    reply = read_lines(text.replace("CRITIQUE", word).replace("Critique", word.capitalize()), PROMPT)
    assert told(reply.edits) == [("add", 3, "Use no slang.", None)]
    assert reply.critique == "Slang is allowed."


def test_a_reply_that_is_cut_off_in_its_critique_loses_no_edit():
    reply = read_lines("ADD: Use no slang.\nCRITIQUE: Slang is", PROMPT, cut=True)
    assert told(reply.edits) == [("add", 3, "Use no slang.", None)]
    assert not reply.error


def test_what_is_wrong_gets_into_no_prompt_that_stands_before_it():
    text = "Name the intent. Be brief. Use no slang. Stop.\nCRITIQUE: Slang is allowed.\nIt should not be."
    reply = asked(scripted_lm(lambda system, user: text), "lines")
    assert told(reply.edits) == [("add", 2, "Use no slang.", None)]
    assert reply.critique == "Slang is allowed."


def test_a_whole_prompt_in_another_order_says_nothing():
    reply = asked(scripted_lm(lambda system, user: "Stop. Name the intent. Be brief."), "prompt")
    assert not reply.edits
    assert "only the order" in reply.error
    assert told(read_lines("MOVE 3 TO 0", PROMPT).edits), "a move that is asked for is one"


def test_an_item_of_a_list_that_is_called_critique_stays():
    text = "CRITIQUE: No form is told.\nADD: Write two parts:\n- Critique: what is wrong\n- Verdict: yes or no"
    reply = read_lines(text, PROMPT)
    assert told(reply.edits) == [("add", 3, "Write two parts:\n- Critique: what is wrong\n- Verdict: yes or no", None)]
    assert reply.critique == "No form is told."


@pytest.mark.parametrize(
    "rest",
    [
        "Name the intent. Be brief. Use no slang. Stop.",
        '[{"op": "add", "at": 2, "text": "Use no slang."}]',
        '{"edits": [{"op": "add", "at": 2, "text": "Use no slang."}]}',
    ],
)
def test_what_is_wrong_gets_into_no_prompt_where_another_form_follows(rest):
    reply = asked(scripted_lm(lambda system, user: f"CRITIQUE: Slang is allowed.\n{rest}"), "lines")
    assert told(reply.edits) == [("add", 2, "Use no slang.", None)]
    assert reply.critique == "Slang is allowed."


def test_a_critique_in_json_hides_no_edits():
    text = '{"critique": "Slang is allowed.", "edits": [{"op": "add", "at": 2, "text": "Use no slang."}]}'
    assert told(asked(scripted_lm(lambda system, user: text), "lines").edits) == [("add", 2, "Use no slang.", None)]


@pytest.mark.parametrize("text", ["", "Please provide the instructions.", "Update the account when asked."])
def test_prose_is_no_edit(text):
    assert read_lines(text, PROMPT).error


LINES = [
    "CRITIQUE: y",
    "ADD Use x",
    "ADD: Use these:",
    "- a",
    "- ADD: b",
    "DELETE 2, 3",
    "REPLACE 9: c",
    "",
    "```",
    "<think>",
    "Sure:",
    "MOVE 1",
]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=8), max_size=7).map("\n".join), st.booleans())
def test_no_reply_is_an_exception(text, cut):
    for reply in (read_lines(text, PROMPT, cut), read_prompt(text, PROMPT)):
        assert reply.edits or reply.error or reply.dropped or reply == Reply()


def test_a_list_below_a_line_that_cannot_be_read_goes_with_it():
    reply = read_lines("ADD Use x\n- a\nADD: Use no slang.", PROMPT)
    assert told(reply.edits) == [("add", 3, "Use no slang.", None)]
    assert len(reply.dropped) == 1


def test_a_last_line_that_was_cut_off_is_left_out():
    assert told(read_lines("ADD: Use no slang.\nADD: Write the na", PROMPT, cut=True).edits) == [
        ("add", 3, "Use no slang.", None)
    ]


@pytest.mark.parametrize(
    "lead", ["", "Instructions:\n", "Here are the improved instructions:\n\n", "Sure! Here it is:\n\n", "```\n"]
)
def test_a_whole_prompt_is_read_as_edits_without_what_stands_around_it(lead):
    text = f"{lead}Name the intent. Be brief. Use no slang. Stop."
    reply = read_prompt(f"{text}\n```" if "```" in lead else text, PROMPT)
    assert told(reply.edits) == [("add", 2, "Use no slang.", None)]


@pytest.mark.parametrize(
    "text", ["Sure! Please provide it.", "I'm sorry, I cannot do that.", "Sorry, not possible.", ""]
)
def test_an_excuse_is_no_prompt(text):
    assert read_prompt(text, PROMPT).error


def writer_of(lm, whole=False):
    return EditWriter(
        PromptModel(lm, Meter()), {"solve": "solve: given message; answers intent"}, {"solve": PROMPT}, whole
    )


def asked(lm, form, whole=False):
    update = Update("solve", PROMPT, (TextGradient("solve", "It is vague."),), form=form)
    return writer_of(lm, whole)([update], 1)[0]


@pytest.mark.parametrize("form", ["lines", "prompt"])
def test_plain_forms_are_plain_text_both_ways(form):
    text = "ADD: Use no slang." if form == "lines" else f"{PROMPT} Use no slang."
    lm = scripted_lm(lambda system, user: text)
    assert ("add", "Use no slang.") in [(op, text) for op, _, text, _ in told(asked(lm, form).edits)]
    [(system, request)] = engine(lm).asked
    assert "[[ ##" not in system + request
    assert "It is vague." in request
    assert ("[1] Name the intent." in request) == (form == "lines")


def test_an_endpoint_that_keeps_schemas_is_asked_for_one(monkeypatch):
    lm = scripted_lm(lambda system, user: '{"edits": [{"op": "add", "at": 3, "text": "Use no slang."}]}')
    assert writer_of(lm).forms == ("lines", "prompt", "edits")
    monkeypatch.setattr(type(lm), "supports_response_schema", True)
    assert writer_of(lm).forms == ("lines", "prompt", "edits", "schema")
    assert told(asked(lm, "schema").edits) == [("add", 3, "Use no slang.", None)]


def test_an_endpoint_that_refuses_a_schema_is_asked_on():
    def refuse(system, user):
        raise InvalidRequestError("response_format is not supported")

    reply = asked(scripted_lm(refuse), "schema")
    assert reply.error
    assert not reply.lost


def test_whole_prompts_have_plain_text_as_their_other_form():
    assert forms_of(True, True) == ("rewrite", "prompt")
    assert set(forms_of(False, True)) | set(forms_of(True, False)) == set(FORMS)
    assert issubclass(FORMS["prompt"].signature, dspy.Signature)
