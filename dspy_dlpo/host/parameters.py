"""The text parameters of a program: instructions, and where the user allows it descriptions of fields and tools.

The texts of one predictor are one prompt, so that critic, writer and judging see them together. Where that holds more
than instructions, each text stands under a heading of its own, and the instructions come last: what a writer appends is
a rule, and no description.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dspy

from dspy_dlpo.core.errors import ProgramError
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.host.instructions import cleaned, instructed
from dspy_dlpo.host.tools import ToolDescriptions, own_tools

Kinds = Sequence[str]
KINDS = ("instructions", "fields", "tools")
INSTRUCTIONS: Kinds = ("instructions",)
# What critic and writer are told of prompts that hold more than instructions.
HEADINGS = (
    "Under a heading such as '## Field `answer`' or '## Tool `search`' stands what the model is told of that field or "
    "tool; the instructions stand under '## Instructions'."
)
# The agents: each has a predictor with fields and instructions that the agent itself makes.
AGENTS = (dspy.ReAct, dspy.ReActV2)


class Text(Protocol):
    """One text parameter of a program."""

    @property
    def heading(self) -> str:
        """The line that stands above it."""

    def read(self) -> str:
        """The text as it stands."""

    def write(self, text: str) -> None:
        """Put another text in its place."""


@dataclass(frozen=True)
class Instructions:
    """The instructions of a predictor."""

    predictor: dspy.Predict
    heading: str = "## Instructions"

    def read(self) -> str:
        """The instructions."""
        return str(self.predictor.signature.instructions)

    def write(self, text: str) -> None:
        """Give the predictor new instructions, through a new signature, so that no other program changes."""
        text = cleaned(text)
        if text and text != self.read():
            self.predictor.signature = instructed(self.predictor.signature, text)


@dataclass(frozen=True)
class FieldDescription:
    """What a field of a predictor's signature means; empty where DSPy has filled in the field's name."""

    predictor: dspy.Predict
    field: str

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Field `{self.field}`"

    def read(self) -> str:
        """The description."""
        extra = self.predictor.signature.fields[self.field].json_schema_extra or {}
        text = str(extra.get("desc") or "")
        return "" if text == self._unset else text

    def write(self, text: str) -> None:
        """Give the field another description, through a new signature."""
        if text.strip() != self.read().strip():
            signature = self.predictor.signature
            changed = signature.with_updated_fields(self.field, desc=text or self._unset)
            self.predictor.signature = instructed(changed, signature.instructions)

    @property
    def _unset(self) -> str:
        return f"${{{self.field}}}"


@dataclass(frozen=True)
class ToolDescription:
    """What a tool of an agent does."""

    agent: Any
    tool: str

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Tool `{self.tool}`"

    def read(self) -> str:
        """The description."""
        return str(self.agent.tools[self.tool].desc or "")

    def write(self, text: str) -> None:
        """Give the tool another description; the agent's tools are then saved with the program."""
        if text.strip() and text != self.read():
            self.agent.tools[self.tool].desc = text
            ToolDescriptions.attach(self.agent)


def acting_predictor(agent: Any) -> dspy.Predict:
    """The predictor that chooses what an agent does next."""
    return agent.codeact if hasattr(agent, "codeact") else agent.react  # `dspy.CodeAct` is a `dspy.ReAct` without it


def texts_of(program: dspy.Module, kinds: Kinds) -> dict[str, list[Text]]:
    """The text parameters of every predictor that has some of these kinds; instructions come last."""
    agents = {id(acting_predictor(agent)): agent for _, agent in program.named_sub_modules(type_=AGENTS)}
    tools = own_tools(program)
    found: dict[str, list[Text]] = {}
    for name, predictor in program.named_predictors():
        agent = agents.get(id(predictor))
        texts: list[Text] = []
        if "fields" in kinds:
            made = predictor.signature if agent is None else agent.signature
            texts += [FieldDescription(predictor, each) for each in predictor.signature.fields if each in made.fields]
        if "tools" in kinds and agent is not None:
            texts += [ToolDescription(agent, tool) for tool in tools.get(id(agent), ())]
        if "instructions" in kinds:
            texts.append(Instructions(predictor))
        if texts:
            found[name] = texts
    return found


def explained(kinds: Kinds) -> str:
    """What the headings in prompts of these kinds mean; empty where there are none."""
    return "" if tuple(kinds) == tuple(INSTRUCTIONS) else HEADINGS


def read_prompts(program: dspy.Module, kinds: Kinds = INSTRUCTIONS) -> Prompts:
    """The text parameters of every predictor, by name.

    Raises:
        ProgramError: If the program has no predictor, or none with such texts.
    """
    if not program.named_predictors():
        raise ProgramError(
            "The program has no predictor whose instructions could be optimized. A sub-module with _compiled=True is "
            "frozen by DSPy: set it to False to optimize it again."
        )
    prompts = {name: _joined(texts) for name, texts in texts_of(program, kinds).items()}
    if not prompts:
        raise ProgramError(
            f"parameters={tuple(kinds)!r}: no predictor of the program has such texts. Tools can be described for "
            'dspy.ReActV2 only. Add "instructions".'
        )
    return prompts


def write_prompts(program: dspy.Module, prompts: Prompts, kinds: Kinds = INSTRUCTIONS) -> None:
    """Give predictors new texts; no other program changes. An empty text, and one whose heading is lost, stays."""
    for name, texts in texts_of(program, kinds).items():
        if name in prompts:
            for text, new in _parted(prompts[name], texts):
                text.write(new)


def _joined(texts: Sequence[Text]) -> str:
    if _is_plain(texts):
        return texts[0].read()
    return "\n\n".join(f"{text.heading}\n{text.read()}".rstrip() for text in texts)


def _parted(prompt: str, texts: Sequence[Text]) -> Iterator[tuple[Text, str]]:
    """Each text with what stands under its heading; what stands above the first belongs to the last.

    Headings count in their order, so that a text may have lines of its own that look like one.
    """
    if _is_plain(texts):
        yield texts[0], prompt
        return
    prompt = f"\n{prompt}\n"
    found: list[tuple[str, int, int]] = []  # heading, where its line begins, and where it ends
    for text in texts:
        line = f"\n{text.heading}\n"
        start = prompt.find(line, found[-1][2] - 1 if found else 0)
        if start >= 0:
            found.append((text.heading, start, start + len(line)))
    ends = [start for _, start, _ in found[1:]] + [len(prompt)]
    parts = {heading: prompt[body:end].strip() for (heading, _, body), end in zip(found, ends, strict=True)}
    above = prompt[: found[0][1] if found else len(prompt)].strip()
    for text in texts[:-1]:
        if text.heading in parts:
            yield text, _framed(parts[text.heading], text.read())
    yield texts[-1], _framed(f"{above}\n\n{parts.get(texts[-1].heading, '')}".strip(), texts[-1].read())


def _framed(text: str, old: str) -> str:
    """A text that stood under a heading with the white space around it that the one before had."""
    body = old.strip()
    before, _, after = old.partition(body) if body else ("", "", "")
    return f"{before}{text}{after}" if text else ""


def _is_plain(texts: Sequence[Text]) -> bool:
    return len(texts) == 1 and isinstance(texts[0], Instructions)
