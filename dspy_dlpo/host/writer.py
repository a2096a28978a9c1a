"""The writer: turns a request into sentence edits, and makes the best of replies that have not the form asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import dspy
import json_repair
from pydantic import BaseModel, Field

from dspy_dlpo.core.edits import Dropped, Edit, diff, fit
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.core.update import Update
from dspy_dlpo.host.cutting import closed_items
from dspy_dlpo.host.failures import Lines, fitted
from dspy_dlpo.host.fitting import LEAST_TOKENS, clipped, frame, tokens
from dspy_dlpo.host.prompting import Answer, Ask, PromptModel, quoted

_OPERATIONS = {
    "add": ("add", "insert", "append", "new"),
    "replace": ("replace", "edit", "modify", "rewrite", "update", "change"),
    "delete": ("delete", "remove", "drop"),
    "move": ("move", "reorder"),
}
# Of the user's own instructions this many characters are shown as the purpose.
_SHOWN = 600
# Why a reply that was cut off is of no use.
CUT_EDITS = "the reply was cut off by max_tokens before its first edit was complete"
CUT_PROMPT = "the reply was cut off by max_tokens before the new instructions were complete"
CUT_EDIT = "cut off by max_tokens in the middle of this edit"
# A reply in prose with fewer words is no prompt.
_SHORTEST_PROMPT = 3


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
    into the instructions. Propose only edits that repair what the critique names; keep what works. Put the most useful
    edit first. Each edit must make sense without the others.
    """

    module: str = dspy.InputField(desc="the module whose instructions are edited, with its input and output fields")
    purpose: str = dspy.InputField(desc="what the module was first told to do")
    current_instructions: str = dspy.InputField(desc="its present instructions, one numbered sentence per line")
    critique: str = dspy.InputField(desc="what the instructions lack or get wrong")
    failures: str = dspy.InputField(desc="some of the examples that went wrong")
    advice: str = dspy.InputField(desc="what else to bear in mind")
    limits: str = dspy.InputField(desc="rules that the edits must obey; whatever breaks one is thrown away")
    edits: list[SentenceEdit] = dspy.OutputField(desc="the edits of the numbered sentences")


class RewriteInstructions(dspy.Signature):
    """Improve the instructions of one module of a language-model program in the light of a critique."""

    module: str = dspy.InputField(desc="the module whose instructions are improved, with its input and output fields")
    purpose: str = dspy.InputField(desc="what the module was first told to do")
    current_instructions: str = dspy.InputField(desc="its present instructions")
    critique: str = dspy.InputField(desc="what the instructions lack or get wrong")
    failures: str = dspy.InputField(desc="some of the examples that went wrong")
    advice: str = dspy.InputField(desc="what else to bear in mind")
    limits: str = dspy.InputField(desc="rules that the new instructions must obey")
    improved_instructions: str = dspy.OutputField(desc="the new instructions, complete")


class Writer:
    """Writes edits: the `Write` role.

    Args:
        model: The prompt model.
        modules: Each predictor with its fields, in words.
        purposes: The user's own instructions of each predictor, which edits may have replaced.
        whole: Whether whole prompts are asked for instead of edits.
        failures: Gives some of the failed runs behind a predictor's critique.
    """

    def __init__(
        self,
        model: PromptModel,
        modules: Mapping[str, str],
        purposes: Mapping[str, str],
        whole: bool = False,
        failures: Callable[[str], Sequence[Lines]] = lambda predictor: (),
    ) -> None:
        self._model, self._modules, self._purposes, self._whole = model, modules, purposes, whole
        self._failures = failures
        self._signature = RewriteInstructions if whole else EditInstructions

    def __call__(self, updates: Sequence[Update], step: int) -> list[Reply]:
        """Answer requests, in parallel.

        Raises:
            ModelError: If the prompt model cannot be used at all.
            RunEnds: If no more may be spent.
        """
        answers = self._model.ask([self._ask(update, step) for update in updates])
        return [self._reply(answer, update) for answer, update in zip(answers, updates, strict=True)]

    def _ask(self, update: Update, step: int, most: int | None = None, shortest: bool = False) -> Ask:
        """The request for one predictor, as long as the model takes.

        Args:
            update: What is asked.
            step: The step.
            most: How many failed runs are shown at most; None for all that fit.
            shortest: Whether all but the instructions and their limits must be as short as can be.
        """
        fixed = {
            "module": self._modules[update.predictor],
            "purpose": quoted(self._purposes[update.predictor], _SHOWN),
            "current_instructions": update.prompt if self._whole else _numbered(update.prompt),
            "limits": "\n".join(f"- {c.text}" for c in update.constraints if c.text) or "None.",
        }
        critique = "\n\n".join(gradient.text for gradient in update.gradients)
        advice = "\n\n".join(f"{note.title}:\n{note.body}" for note in update.notes) or "None."
        bound = 0 if shortest else self._model.most_tokens
        room = bound - frame(self._signature) - sum(map(tokens, fixed.values()))
        critique = clipped(critique, max(LEAST_TOKENS, room - 2 * LEAST_TOKENS))
        advice = clipped(advice, max(LEAST_TOKENS, room - LEAST_TOKENS - tokens(critique)))
        room -= tokens(critique) + tokens(advice)
        texts = fitted(self._failures(update.predictor)[:most], max(LEAST_TOKENS, room))
        if sum(map(tokens, texts)) > room and not shortest:
            self._model.warn_of_length(update.predictor, update.prompt)
        shown = "\n\n".join(texts) or "None."
        inputs = {**fixed, "critique": critique, "advice": advice, "failures": shown}
        fewer = partial(self._fewer, update, step, len(texts), shortest)
        return Ask("writer", update.predictor, step, self._signature, inputs, fewer)

    def _fewer(self, update: Update, step: int, shown: int, shortest: bool) -> Ask | None:
        """The request again with half the failed runs, and with one that is shortened in the end; None after that."""
        return None if shortest else self._ask(update, step, max(1, shown // 2), shown < 2)

    def _reply(self, answer: Answer, update: Update) -> Reply:
        if answer.error:
            return Reply(error=f"no reply: {answer.error}")
        if answer.cut:
            return Reply(error=CUT_PROMPT) if self._whole else _read_cut(answer.text, update.prompt)
        if not answer.fields:
            return salvage(answer.text, update.prompt)
        if self._whole:
            return salvage(str(answer.fields.get("improved_instructions")), update.prompt, prose=True)
        return read_items(answer.fields.get("edits") or [], update.prompt)


def _read_cut(text: str, prompt: str) -> Reply:
    """Read the edits of a reply that was cut off, without the one that it was in the middle of.

    A whole new prompt that was cut off would delete whatever of the old one it had not come to: it is of no use.
    """
    closed, rest = closed_items(text)
    if not closed and not rest:
        return Reply(error=CUT_PROMPT)
    reply = read_items(_items(closed), prompt)
    dropped = (Dropped(Edit("unreadable", 0, text=rest.strip()[:500]), CUT_EDIT),) if rest.strip(" \n\t,]}`") else ()
    error = reply.error or ("" if reply.edits else CUT_EDITS)
    return replace(reply, dropped=(*reply.dropped, *dropped), error=error)


def salvage(text: str, prompt: str, prose: bool = False) -> Reply:
    """Read edits from a reply of any form: broken JSON, single edits, a whole new prompt.

    Args:
        text: The reply.
        prompt: The prompt that was to be edited.
        prose: Whether a whole prompt was asked for.

    Returns:
        Usable edits, or a reply with an error.
    """
    if not prose and (items := _items(text)):
        return read_items(items, prompt)
    rewritten = _unwrapped(text)
    if "\x00" in rewritten or count_words(rewritten) < _SHORTEST_PROMPT or rewritten[:1] in "[{":
        return Reply(error="neither edits nor a prompt")
    # Where edits were asked for, prose that keeps nothing of the prompt is no prompt but an excuse.
    old, new = ({sentence.strip() for sentence in split(each)} for each in (prompt, rewritten))
    if not prose and not old & new:
        return Reply(error="neither edits nor a prompt")
    return Reply(edits=diff(prompt, rewritten))


def read_items(items: Sequence[Any], prompt: str) -> Reply:
    """Read single edits, each on its own; those that cannot be read are dropped with a reason."""
    edits: list[Edit] = []
    dropped: list[Dropped] = []
    for item in items:
        try:
            edits.append(fit(_edit(item, len(split(prompt))), prompt))
        except (ValueError, TypeError, KeyError) as error:
            dropped.append(Dropped(Edit("unreadable", 0, text=str(item)[:500]), f"unreadable edit: {error}"))
    error = "" if edits or not dropped else "no edit could be read"
    return Reply(tuple(edits), tuple(dropped), error)


def _edit(item: Any, count: int) -> Edit:
    if not isinstance(item, Mapping):
        raise TypeError("not an object")
    fields = {str(key).lower(): value for key, value in item.items()}
    word = str(fields.get("op") or fields.get("operation") or fields.get("action") or fields.get("type") or "").lower()
    op = next((op for op, words in _OPERATIONS.items() if word.strip() in words), word)
    text = str(
        fields.get("text") or fields.get("sentence_text") or fields.get("content") or fields.get("new_text") or ""
    )
    place = next(
        (fields[key] for key in ("at", "index", "position", "sentence", "line") if fields.get(key) is not None), None
    )
    at = count if place is None and op == "add" else _number(place)
    to = None if fields.get("to") is None else max(0, _number(fields["to"]))
    # The writer counts from 1 and names the sentence to write after; here, the one to write before counts, from 0.
    return Edit(op, max(0, min(at, count)) if op == "add" else at - 1, text.strip(), str(fields.get("why") or ""), to)


def _number(value: Any) -> int:
    match = re.search(r"-?\d+", str(value))
    if match is None:
        raise ValueError(f"no sentence number in {value!r}")
    return int(match.group())


def _numbered(prompt: str) -> str:
    """The sentences, one numbered line each; further lines of a sentence are indented, so that none looks numbered."""
    sentences = [sentence.strip().replace("\n", "\n    ") for sentence in split(prompt)]
    return "\n".join(f"[{i}] {sentence}" for i, sentence in enumerate(sentences, start=1))


def _items(text: str) -> list[Any]:
    """The objects of the first JSON found in a text."""
    body = re.sub(r"\[\[ ##.*?## \]\]", " ", text)
    start = min((body.find(mark) for mark in "[{" if body.find(mark) >= 0), default=-1)
    if start < 0:
        return []
    data = json_repair.loads(body[start:])
    if isinstance(data, Mapping):
        data = data.get("edits", [data])
    return [item for item in data if isinstance(item, Mapping) and item] if isinstance(data, list) else []


def _unwrapped(text: str) -> str:
    """A prompt without the field markers, code fence or tags around it."""
    text = re.sub(r"\[\[ ##.*?## \]\]", "", text).strip()
    fenced = re.search(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    if fenced:
        text = fenced.group(1)
    tagged = re.fullmatch(r"<(\w+)>(.*)</\1>", text.strip(), re.DOTALL)
    return (tagged.group(2) if tagged else text).strip()
