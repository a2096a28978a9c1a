"""The writer of a world: answers by the kinds of field that a request asks for, whoever sent it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from dspy_dlpo.simulation.draws import digest, stream
from dspy_dlpo.simulation.editing import Form, edit_form
from dspy_dlpo.simulation.layout import reply
from dspy_dlpo.simulation.request import Ask, Field
from dspy_dlpo.simulation.words import plain, sentences
from dspy_dlpo.simulation.writing import OPEN_TAG, PLAIN_INSTRUCTION, any_choice, is_instruction, wanted_keys
from evaluations.worlds.brief import Brief, brief, brief_for
from evaluations.worlds.exhibits import verdict
from evaluations.worlds.ideas import Idea, ideas, remark
from evaluations.worlds.task import Task

# A request in plain text for edits, one a line.
_LINES = re.compile(r"\bADD\s*:")
# A request in plain text for complete instructions.
_WHOLE = re.compile(r"\bcomplete (?:improved |new )*(?:instructions?|prompt)\b", re.IGNORECASE)
# One for words about instructions, not for instructions.
_FEEDBACK = re.compile(r"\b(?:give|send) (?:\w+ ){0,6}feedback\b|\bcriticism\b", re.IGNORECASE)
_CHATTER = "I would suggest to improve this a little."
_RIGHT = "This step looks right."
_BLAND = "The records have a fixed form, and the labels are short."


def write(task: Task, ask: Ask, labels: Sequence[object]) -> str:
    """The writer's reply to a request.

    Args:
        task: The world's task.
        ask: The request as understood.
        labels: What its draws depend on. What the request holds is among them, its layout is not, so that the same
            request in another layout meets the same luck.
    """
    rng = stream("writer", *labels, digest(ask.text))
    useless = task.traits.writing.useless
    luck = rng.random()
    author = _Author(task, ask, rng, changes_nothing=useless / 2 <= luck < useless)
    if luck < useless / 2:
        return author.unusable()
    if ask.layout == "plain":
        return author.plain()
    return reply(ask.layout, {field.name: author.value(field) for field in ask.outputs})


class _Author:
    """Writes one reply; one use."""

    def __init__(self, task: Task, ask: Ask, rng: random.Random, changes_nothing: bool) -> None:
        self._task, self._ask, self._rng, self._nothing = task, ask, rng, changes_nothing
        self._work = brief(task, ask)

    def unusable(self) -> str:
        """A reply in the frame that was asked for, with nothing in it that could be used."""
        if self._ask.layout == "plain":
            return f"<{self._tag}>{_CHATTER}</{self._tag}>" if self._tag else _CHATTER
        return reply(self._ask.layout, {field.name: _CHATTER for field in self._ask.outputs})

    @property
    def _tag(self) -> str:
        """The tags that a reply in plain text is to stand in; empty for none."""
        found = (m[1] for m in OPEN_TAG.finditer(f"{self._ask.system}\n{self._ask.text}") if m[1] != "VARIABLE")
        return next(found, "")

    def plain(self) -> str:
        """The whole reply where no fields are named."""
        whole = f"{self._ask.system}\n{self._ask.text}"
        if self._tag:
            return f"<{self._tag}>{self._rewrite()}</{self._tag}>"
        if _LINES.search(whole):
            return self._edit_lines()
        if _WHOLE.search(whole):
            return self._rewrite()
        if PLAIN_INSTRUCTION.search(whole) and self._work.current and not _FEEDBACK.search(whole):
            return f"```\n{self._rewrite()}\n```"
        return self._prose(self._work)

    def value(self, field: Field) -> Any:
        """The value of one output field."""
        form = edit_form(field, self._ask)
        if form is not None:
            return self._in_form(field, form)
        kind = field.type.lower()
        if kind == "str" or kind.startswith("optional[str") or kind == "str | none":
            if "prefix" in field.name:
                return "Answer:"
            return self._rewrite() if is_instruction(field) else self._prose(self._work)
        if kind.startswith("dict"):
            return {name: self._advice(name) for name in wanted_keys(self._ask)}
        if kind in ("list[str]", "list", "list[any]"):
            return [idea.text for idea in self._ideas(self._work) if idea.text]
        return any_choice(field, self._rng)

    def _ideas(self, work: Brief) -> list[Idea]:
        return [] if self._nothing else ideas(self._task, work, self._rng)

    def _advice(self, name: str) -> str:
        """What is said about one module of several."""
        step = next((step for step in self._task.steps if step.name == name), None)
        work = brief_for(self._task, self._ask, step) if step else self._work
        return " ".join(idea.text for idea in self._ideas(work) if idea.text) or self._prose(work)

    def _rewrite(self) -> str:
        """The whole prompt again: some of it forgotten, ideas worked in."""
        if self._nothing and self._work.current:
            return self._work.current
        found = self._ideas(self._work)
        dropped = {plain(idea.drop) for idea in found if idea.drop}
        kept: list[str] = []
        for number, sentence in enumerate(sentences(self._work.current)):
            new = [idea.text for idea in found if idea.text and plain(idea.before) == plain(sentence)]
            forgotten = number and self._rng.random() < self._task.traits.writing.forgets
            kept += new + ([] if forgotten or plain(sentence) in dropped else [sentence])
        whole = [*kept, *(idea.text for idea in found if idea.text and idea.text not in kept)]
        return ("\n" if self._work.current.count("\n") > 1 else " ").join(whole) or "Label the record."

    def _places(self) -> dict[str, int]:
        return {plain(line.text): line.number for line in self._work.lines}

    def _edits(self) -> list[tuple[str, int, str]]:
        """Operation, sentence number and text of each edit."""
        places = self._places()
        last = max(places.values(), default=0)
        found = []
        for idea in self._ideas(self._work):
            if idea.text:
                found.append(("add", places.get(plain(idea.before), last + 1) - 1, idea.text))
            elif plain(idea.drop) in places:
                found.append(("delete", places[plain(idea.drop)], ""))
        return found

    def _in_form(self, field: Field, form: Form) -> Any:
        edits = [form.write(op, at, text, "") for op, at, text in self._edits() if op in form.words]
        if form.single:
            return edits[0] if edits else form.write(next(iter(form.words)), 0, "", "Nothing to change.")
        return {form.wrapper: edits} if form.wrapper else json.dumps(edits) if field.type == "str" else edits

    def _edit_lines(self) -> str:
        last = max(self._places().values(), default=0)
        lines = [
            f"DELETE {at}" if op == "delete" else f"ADD: {text}" if at == last else f"ADD {at}: {text}"
            for op, at, text in self._edits()
        ]
        return "\n".join(lines) or "Nothing should be added."

    def _prose(self, work: Brief) -> str:
        """A critique of what went wrong; what examples that went right show; or something bland."""
        points, rng = self._task.traits.writing.points, self._rng
        if self._nothing:
            return _RIGHT if work.failures else _BLAND
        if work.failures:
            chosen = rng.sample(work.failures, min(points, len(work.failures)))
            return "\n\n".join(dict.fromkeys(remark(self._task, work, each, rng) for each in chosen))
        said = None if work.others else verdict(self._task, self._ask.text)
        if said:  # only words can be passed on where the record is not shown
            return _RIGHT if said[0] == said[1] else f"The given answer {said[0]} is wrong: expected is {said[1]}."
        told = [idea.text for idea in ideas(self._task, work, rng, points) if idea.rule]
        return " ".join(told) or (_RIGHT if work.others and work.current else _BLAND)
