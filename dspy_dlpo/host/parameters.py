"""The text parameters of a program: instructions, and where the user allows it descriptions of fields and tools.

The texts of one predictor are one prompt, so that critic, writer and judging see them together. Where that holds more
than instructions, each text stands under a heading of its own, and the instructions come last: what a writer appends is
a rule, and no description.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dspy

from dspy_dlpo.core.errors import ProgramError
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.host.tools import ToolDescriptions, own_tools

Kinds = Sequence[str]
KINDS = ("instructions", "fields", "tools")
INSTRUCTIONS: Kinds = ("instructions",)
# What critic and writer are told of prompts that hold more than instructions.
HEADINGS = (
    "Under a heading such as '## Field `answer`' or '## Tool `search`' stands what the model is told of that field or "
    "tool; the instructions stand under '## Instructions'."
)
# The agents whose predictor has fields that the agent itself makes.
_AGENTS = (dspy.ReAct, dspy.ReActV2)


class Text(Protocol):
    """One text parameter of a predictor."""

    @property
    def heading(self) -> str:
        """The line that stands above it."""

    def read(self, program: dspy.Module) -> str:
        """The text as it stands in a program."""

    def write(self, program: dspy.Module, text: str) -> None:
        """Give a program another text."""


@dataclass(frozen=True)
class Instructions:
    """The instructions of a predictor."""

    predictor: str
    heading: str = "## Instructions"

    def read(self, program: dspy.Module) -> str:
        """The instructions."""
        return str(_predictor(program, self.predictor).signature.instructions)

    def write(self, program: dspy.Module, text: str) -> None:
        """Give the predictor new instructions, through a new signature, so that no other program changes."""
        predictor, text = _predictor(program, self.predictor), inspect.cleandoc(text)
        if text and text != predictor.signature.instructions:
            predictor.signature = predictor.signature.with_instructions(text)


@dataclass(frozen=True)
class FieldDescription:
    """What a field of a predictor's signature means; empty where DSPy has filled in the field's name."""

    predictor: str
    field: str

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Field `{self.field}`"

    def read(self, program: dspy.Module) -> str:
        """The description."""
        extra = _predictor(program, self.predictor).signature.fields[self.field].json_schema_extra or {}
        text = str(extra.get("desc") or "")
        return "" if text == self._unset else text

    def write(self, program: dspy.Module, text: str) -> None:
        """Give the field another description, through a new signature."""
        if text != self.read(program):
            predictor = _predictor(program, self.predictor)
            predictor.signature = predictor.signature.with_updated_fields(self.field, desc=text or self._unset)

    @property
    def _unset(self) -> str:
        return f"${{{self.field}}}"


@dataclass(frozen=True)
class ToolDescription:
    """What a tool of an agent does.

    Args:
        agent: The agent's path in the program, as DSPy names sub-modules.
        tool: The tool's name.
    """

    agent: str
    tool: str

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Tool `{self.tool}`"

    def read(self, program: dspy.Module) -> str:
        """The description."""
        return inspect.cleandoc(self._agent(program).tools[self.tool].desc or "")

    def write(self, program: dspy.Module, text: str) -> None:
        """Give the tool another description; the agent's tools are then saved with the program."""
        if text and text != self.read(program):
            agent = self._agent(program)
            agent.tools[self.tool].desc = text
            ToolDescriptions.attach(agent)

    def _agent(self, program: dspy.Module) -> Any:
        return dict(program.named_sub_modules(type_=dspy.ReActV2))[self.agent]


def texts_of(program: dspy.Module, kinds: Kinds) -> dict[str, list[Text]]:
    """The text parameters of every predictor that has some of these kinds; instructions come last."""
    agents = {id(agent.react): (path, agent) for path, agent in program.named_sub_modules(type_=_AGENTS)}
    tools = own_tools(program)
    found: dict[str, list[Text]] = {}
    for name, predictor in program.named_predictors():
        path, agent = agents.get(id(predictor), ("", None))
        texts: list[Text] = []
        if "fields" in kinds:
            made = predictor.signature if agent is None else agent.signature
            texts += [FieldDescription(name, field) for field in predictor.signature.fields if field in made.fields]
        if "tools" in kinds:
            texts += [ToolDescription(path, tool) for tool in tools.get(path, ())]
        if "instructions" in kinds:
            texts.append(Instructions(name))
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
    prompts = {name: _joined(program, texts) for name, texts in texts_of(program, kinds).items()}
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
                text.write(program, new)


def _joined(program: dspy.Module, texts: Sequence[Text]) -> str:
    if _is_plain(texts):
        return texts[0].read(program)
    return "\n\n".join(f"{text.heading}\n{text.read(program)}".rstrip() for text in texts)


def _parted(prompt: str, texts: Sequence[Text]) -> Iterator[tuple[Text, str]]:
    """Each text with what stands under its heading; what stands above the first belongs to the last."""
    if _is_plain(texts):
        yield texts[0], prompt
        return
    rest = f"\n{prompt}\n"
    for i, text in enumerate(reversed(texts)):
        above, heading, body = rest.rpartition(f"\n{text.heading}\n")
        if heading:
            rest = f"{above}\n"
            if i == 0:
                last = body
            else:
                yield text, body.strip()
        elif i == 0:
            last = ""
    yield texts[-1], f"{rest.strip()}\n\n{last.strip()}".strip()


def _is_plain(texts: Sequence[Text]) -> bool:
    return len(texts) == 1 and isinstance(texts[0], Instructions)


def _predictor(program: dspy.Module, name: str) -> dspy.Predict:
    return dict(program.named_predictors())[name]
