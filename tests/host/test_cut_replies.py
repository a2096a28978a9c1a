"""Replies that a limit of tokens cut off: what was whole in them is used, and the rest is told."""

import dspy
import pytest
from dspy.lm15 import Message, Response, Usage
from scripted import ScriptedEngine, fields

from dspy_dlpo.core.edits import apply
from dspy_dlpo.core.events import ReplyDone
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.update import TextGradient, Update
from dspy_dlpo.host.critic import Critic
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.prompting import Answer, PromptModel
from dspy_dlpo.host.replies import CUT_EDIT, CUT_EDITS, CUT_PROMPT
from dspy_dlpo.host.writer import EditWriter

PROMPT = "Answer the question. Be brief. Use digits."
FIRST = '{"op": "add", "at": 3, "text": "Name the unit.", "why": "unit"}'
HALF = '{"op": "add", "at": 3, "text": "Never answer in more than thr'
HEAD = "[[ ## edits ## ]]\n"


class CuttingEngine(ScriptedEngine):
    """Ends every reply as its limit of tokens has it."""

    finish, tokens = "length", 7

    def complete(self, request):
        super().complete(request)
        text = self.answer("", "")
        usage = Usage(input_tokens=10, output_tokens=self.tokens) if self.tokens else Usage()
        message = Message.assistant(text)
        return Response(id=None, model=request.model, message=message, finish_reason=self.finish, usage=usage)


def model(text: str, finish: str = "length", tokens: int = 7, **options) -> tuple[PromptModel, list]:
    lm = dspy.LM("scripted/cut", engine=CuttingEngine(lambda system, user: text), cache=False, **options)
    lm._engine_spec.finish, lm._engine_spec.tokens = finish, tokens
    answers: list = []
    log = RunLog(lambda event: answers.append(Answer(**event.answer)) if isinstance(event, ReplyDone) else None)
    return PromptModel(lm, Meter(), log=log), answers


def reply_to(text: str, whole: bool = False, prompt: str = PROMPT, form: str = "edits", **how):
    writer = EditWriter(model(text, **how)[0], {"solve": "solve"}, {"solve": prompt}, whole)
    gradients = (TextGradient("solve", "Units are missing."),)
    return writer([Update("solve", prompt, gradients, form="rewrite" if whole else form)], 1)[0]


def critique(text: str, **how) -> list[str]:
    critic = Critic(model(text, **how)[0], "- solve: q -> a", ["solve"])
    return [each.text for each in critic({"solve": PROMPT}, [Row(0, 0.0, {"q": "x"}, {"a": "y"})], 1)]


CUT_LISTS = {
    "in the second": f"{HEAD}[{FIRST}, {HALF}",
    "right after its beginning": f"{HEAD}[{FIRST}, {{",
    "in its reason, with the text complete": f'{HEAD}[{FIRST}, {{"op": "delete", "at": 1, "why": "too lo',
    "in a fence": f"{HEAD}```json\n[{FIRST},\n{HALF}",
    "in an object": f'{HEAD}{{"edits": [{FIRST}, {HALF}',
    "one object a line": f"{HEAD}{FIRST}\n{HALF}",
    "without a header": f"[{FIRST}, {HALF}",
    "after words": f"Here are edits for sentence [2]:\n{HEAD}[{FIRST}, {HALF}",
    "in an escaped quotation": f'{HEAD}[{FIRST}, {{"op": "add", "at": 1, "text": "Say \\"yes\\" or \\"n',
    "in brackets of its text": f'{HEAD}[{FIRST}, {{"op": "add", "at": 1, "text": "Write [a] and {{b',
    "in single quotes": f"{HEAD}[{FIRST}, {{'op': 'add', 'at': 1, 'text': 'Don't say th",
}


@pytest.mark.parametrize("name", CUT_LISTS)
@pytest.mark.parametrize("form", ["edits", "lines"])
@pytest.mark.parametrize("how", [{}, {"finish": "stop"}], ids=["told", "not told"])
def test_the_edit_that_was_not_closed_is_dropped_with_its_reason(name, how, form):
    reply = reply_to(CUT_LISTS[name], form=form, **how)
    assert reply.error == ""
    assert apply(reply.edits, PROMPT) == f"{PROMPT} Name the unit."
    assert [each.reason for each in reply.dropped] == [CUT_EDIT]


def test_nothing_is_lost_where_the_cut_comes_after_an_edit():
    for text in (f"{HEAD}[{FIRST}", f"{HEAD}[{FIRST}, ", f"{HEAD}[{FIRST}]", f"{HEAD}[{FIRST}]\n\n[[ ## compl"):
        reply = reply_to(text)
        assert apply(reply.edits, PROMPT) == f"{PROMPT} Name the unit."
        assert reply.dropped == ()


@pytest.mark.parametrize("text", [f"{HEAD}[{HALF}", f"{HEAD}[", f"{HEAD}{{", f"{HEAD}{HALF}"])
def test_a_cut_in_the_first_edit_leaves_an_error_in_words(text):
    reply = reply_to(text)
    assert (reply.edits, reply.error) == ((), CUT_EDITS)


def test_broken_json_that_comes_to_its_end_is_not_cut():
    edit = '{"op": "add", "at": 3, "text": "Write 5" pipes."}'
    for text in (f"{HEAD}[{FIRST}, {edit}]", f"{HEAD}[{FIRST}"):
        assert reply_to(text, finish="stop").dropped == ()


@pytest.mark.parametrize("options", [{}, {"max_tokens": 7}], ids=["told", "by its tokens"])
def test_a_whole_prompt_that_was_cut_deletes_nothing(options):
    with dspy.context(disable_history=bool(options)):
        rewritten = reply_to("[[ ## improved_instructions ## ]]\nAnswer the question. Be b", whole=True, **options)
        unasked = reply_to("Answer the question. Be b", **options)
        instead_of_lines = reply_to("Answer the question. Be b", form="lines", **options)
    assert (rewritten.edits, rewritten.error) == ((), CUT_PROMPT)
    assert (unasked.edits, unasked.error) == ((), CUT_PROMPT)
    assert (instead_of_lines.edits, instead_of_lines.error) == ((), CUT_EDITS)


def test_a_whole_prompt_is_judged_by_its_end_where_nothing_else_is_known():
    with dspy.context(disable_history=True):
        cut = reply_to("[[ ## improved_instructions ## ]]\nAnswer the question. Be b", whole=True, tokens=0)
        whole = reply_to("[[ ## improved_instructions ## ]]\nAnswer it. Be brief. Use digits.", whole=True, tokens=0)
    assert cut.error == CUT_PROMPT
    assert apply(whole.edits, PROMPT) == "Answer it. Be brief. Use digits."


def test_a_whole_prompt_that_was_cut_after_its_end_is_whole():
    text = "[[ ## improved_instructions ## ]]\nAnswer the question. Be brief.\n\n[[ ## comple"
    reply = reply_to(text, whole=True)
    assert apply(reply.edits, PROMPT).strip() == "Answer the question. Be brief."


def test_a_critique_that_was_cut_loses_the_sentence_it_was_in():
    cut = "[[ ## critique ## ]]\nThe unit is missing. The answer should never"
    assert critique(cut) == ["The unit is missing."]
    assert critique("[[ ## critique ## ]]\n単位がありません。答えは決して") in (["単位がありません。"], [])
    assert critique("[[ ## critique ## ]]\nThe answer should never") == []
    assert critique('[[ ## critique ## ]]\nThe unit is missing. It is "odd."') == ['The unit is missing. It is "odd."']
    assert critique(cut, finish="stop") == ["The unit is missing. The answer should never"]


def test_a_reply_that_was_used_up_before_it_said_anything_is_told():
    reply = reply_to("")
    assert "cut off by max_tokens before it said anything" in reply.error
    assert critique("") == []


def test_a_warning_says_once_what_to_do(caplog):
    talk, _ = model(f"{HEAD}[{FIRST}, {HALF}", max_tokens=300)
    writer = EditWriter(talk, {"solve": "solve"}, {"solve": PROMPT})
    for step in range(3):
        writer([Update("solve", PROMPT)], step)
    told = [record.message for record in caplog.records if record.name.startswith("dspy_dlpo")]
    assert len(told) == 1
    assert "max_tokens=300" in told[0]
    assert "larger max_tokens" in told[0]


def test_the_record_of_the_reply_says_that_it_was_cut():
    talk, answers = model(f"{HEAD}[{FIRST}, {HALF}")
    EditWriter(talk, {"solve": "solve"}, {"solve": PROMPT})([Update("solve", PROMPT)], 1)
    assert answers[0].to_dict()["cut"] is True
    talk, answers = model(fields(edits=f"[{FIRST}]"), finish="stop")
    EditWriter(talk, {"solve": "solve"}, {"solve": PROMPT})([Update("solve", PROMPT)], 1)
    assert answers[0].to_dict().keys() == {"fields"}
