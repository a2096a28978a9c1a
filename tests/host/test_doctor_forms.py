"""The doctor tries a critique and an edit as a run does, and says in which form the model answers."""

import pytest
from scripted import fields, scripted_lm

from dspy_dlpo.cli.checks.checked import FAIL, OK, WARNING
from dspy_dlpo.cli.checks.models import check_prompt_model

EDITS = '[{"op": "add", "at": 1, "text": "Answer with the name of a city."}]'


def model(edits="", lines="", prompt=""):
    """A prompt model that answers in some of the forms; in the others it says nothing of use."""

    def answer(system, user):
        if "`edits`" in system:
            return fields(edits=edits) if edits else "No."
        if "`critique` (str)" in system:
            return fields(critique="The instructions lack the form of the answer.")
        if "begins with ADD:" in user:
            return lines or "No."
        return prompt or "No."

    return scripted_lm(answer)


@pytest.mark.parametrize(
    ("replies", "level", "told"),
    [
        ({"lines": "ADD: Answer with the name of a city."}, OK, "writes edits in the form asked for"),
        ({"edits": EDITS}, WARNING, "writes edits as fields"),
        ({"prompt": "Answer the question. Answer with the name of a city."}, WARNING, "as complete new instructions"),
        ({}, FAIL, "does not write edits that can be read"),
    ],
    ids=["lines", "edits", "prompt", "none"],
)
def test_the_form_in_which_the_model_writes_edits_is_told(replies, level, told):
    found = list(check_prompt_model(model(**replies)))
    assert any(each.level == level and told in each.said for each in found), found
    assert any("writes a critique in the form asked for" in each.said for each in found)
