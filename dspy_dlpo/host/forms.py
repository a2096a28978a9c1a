"""The forms in which the writer can be asked to answer: what is asked, how, and how it is read.

Plain lines come first: they take fewer tokens than marked fields with a JSON schema, and weak models can write them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import dspy
from pydantic import BaseModel, Field

from dspy_dlpo.core.edits import apply
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import split
from dspy_dlpo.host.cutting import ends_inside
from dspy_dlpo.host.prompting import Answer
from dspy_dlpo.host.replies import CUT_PROMPT, read_cut, read_items, read_lines, read_prompt, salvage, without_critique


class SentenceEdit(BaseModel):
    """One edit of one numbered sentence, as the writer answers it."""

    op: Literal["add", "replace", "delete", "move"]
    at: int = Field(
        description="number of the sentence that changes; for add, the sentence to write after (0: at the top)"
    )
    text: str = Field(default="", description="the new sentence, for add and replace")
    to: int | None = Field(default=None, description="for move, the sentence to put it after (0: at the top)")
    why: str = Field(default="", description="what this repairs, in a few words")


class EditInstructions(dspy.Signature):
    """Improve the instructions of one module of a language-model program by editing single sentences.

    Write each rule as one clear, general sentence that helps on new inputs too. Never copy an example's text or answer
    into the instructions. Propose only edits that repair what went wrong; keep what works. Put the most useful edit
    first. Each edit must make sense without the others.
    """

    module: str = dspy.InputField(desc="the module whose instructions are edited, with its input and output fields")
    purpose: str = dspy.InputField(desc="what the module was first told to do")
    current_instructions: str = dspy.InputField(desc="its present instructions, one numbered sentence per line")
    failures: str = dspy.InputField(desc="some of the examples that went wrong")
    advice: str = dspy.InputField(desc="what else to bear in mind")
    limits: str = dspy.InputField(desc="rules that the edits must obey; whatever breaks one is thrown away")
    edits: list[SentenceEdit] = dspy.OutputField(desc="the edits of the numbered sentences")


class RewriteInstructions(dspy.Signature):
    """Improve the instructions of one module of a language-model program in the light of what went wrong."""

    module: str = dspy.InputField(desc="the module whose instructions are improved, with its input and output fields")
    purpose: str = dspy.InputField(desc="what the module was first told to do")
    current_instructions: str = dspy.InputField(desc="its present instructions")
    failures: str = dspy.InputField(desc="some of the examples that went wrong")
    advice: str = dspy.InputField(desc="what else to bear in mind")
    limits: str = dspy.InputField(desc="rules that the new instructions must obey")
    improved_instructions: str = dspy.OutputField(desc="the new instructions, complete")


class WriteLines(EditInstructions):
    """Find out what in the inputs of these examples decides which answer is right. Say it in one line that begins with
    FINDING:

    Then write two to four different rules that tell it, each on a line of its own that begins with ADD: and speaks to
    whoever answers, as in "ADD: If the ... is ..., answer ..." or "ADD: Write the ... as ...". To change or delete a
    sentence of the present instructions, begin the line with its number, as in REPLACE 1: or DELETE 2. Each rule helps
    on new inputs too, with the exact names of all answers that it is about, and speaks of inputs and answers, never of
    the program or its instructions. Do not copy the examples. The most useful line comes first. Write no line twice,
    and nothing else.
    """

    # The finding first: a small model that was asked for it last wrote one rule after the other until it was cut off.
    # No word of what the instructions lack: a small model that was asked for that wrote of nothing else.

    edits: str = dspy.OutputField(desc="the edits, one a line")  # type: ignore[assignment]


class WritePrompt(RewriteInstructions):
    """Write the complete improved instructions for this module, as plain text.

    Keep what works of the present ones, and add what they lack: clear rules that help on new inputs too, with the exact
    names of all possible answers where these are always the same few. Do not copy the examples. Begin at once with the
    instructions, and write nothing else.
    """


@dataclass(frozen=True)
class ReplyForm:
    """A form to answer in.

    Args:
        signature: What is asked.
        adapter: How it is put: one of `dspy_dlpo.host.adapters.ADAPTERS`.
        numbered: Whether the present instructions are shown as numbered sentences.
        read: Reads a reply to a prompt.
    """

    signature: Any
    adapter: str
    numbered: bool
    read: Callable[[Answer, str], Reply]


def _edits(answer: Answer, prompt: str) -> Reply:
    if answer.cut:
        return read_cut(answer.text, prompt)
    if not answer.fields:
        return salvage(answer.text, prompt)
    return read_items(answer.fields.get("edits") or [], prompt)


def _lines(answer: Answer, prompt: str) -> Reply:
    """Edits one a line; a reply that holds none may hold edits in some other form."""
    text = answer.text or str(answer.fields.get("edits") or "")
    reply = read_lines(text, prompt, answer.cut)
    if reply.edits or reply.dropped:
        return reply
    rest = without_critique(text)
    other = read_cut(rest, prompt) if answer.cut or ends_inside(rest) else salvage(rest, prompt)
    return replace(other, critique=reply.critique) if other.edits or other.dropped else reply


def _whole(answer: Answer, prompt: str) -> Reply:
    if answer.cut:
        return Reply(error=CUT_PROMPT)
    return read_prompt(str(answer.fields.get("improved_instructions") or "") or answer.text, prompt)


def _said_anew(answer: Answer, prompt: str) -> Reply:
    """A whole prompt where edits are wanted: one that only puts the sentences in another order says nothing."""
    reply = _whole(answer, prompt)
    old, new = (sorted(map(str.strip, split(text))) for text in (prompt, apply(reply.edits, prompt)))
    return Reply(error="only the order of the sentences changes") if reply.edits and old == new else reply


FORMS: Mapping[str, ReplyForm] = {
    "edits": ReplyForm(EditInstructions, "marks", True, _edits),
    "schema": ReplyForm(EditInstructions, "schema", True, _edits),
    "rewrite": ReplyForm(RewriteInstructions, "marks", False, _whole),
    "lines": ReplyForm(WriteLines, "plain", True, _lines),
    "prompt": ReplyForm(WritePrompt, "plain", False, _said_anew),
}


def forms_of(whole: bool, keeps_schemas: bool) -> tuple[str, ...]:
    """The forms to ask in, the first first.

    Args:
        whole: Whether whole prompts are wanted instead of edits.
        keeps_schemas: Whether the model's endpoint enforces a JSON schema.
    """
    if whole:
        return ("rewrite", "prompt")
    return ("lines", "prompt", "edits", *(["schema"] if keeps_schemas else []))
