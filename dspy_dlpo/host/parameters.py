"""The text parameters of a program: instructions, and where the user allows it descriptions of fields and tools.

What the user allows is a kind of text, or a single text by its path: the predictor's name and where it stands there.

The texts of one predictor are one prompt, so that critic, writer and judging see them together. Where that holds more
than instructions, each text stands under a heading of its own, and the instructions come last: what a writer appends is
a rule, and no description.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import dspy

from dspy_dlpo.core.errors import ProgramError
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.host.nested import described_parts
from dspy_dlpo.host.texts import FieldDescription, Instructions, ListedTool, PartDescription, Text, ToolDescription
from dspy_dlpo.host.tool_lists import listed_tool
from dspy_dlpo.host.tools import arguments_of, own_tools

Kinds = Sequence[str]
KINDS = ("instructions", "fields", "tools", "nested", "arguments")
INSTRUCTIONS: Kinds = ("instructions",)
# What critic and writer are told of prompts that hold more than instructions.
HEADINGS = (
    "Under a heading such as '## Field `answer`' or '## Tool `search`' stands what the model is told of that field or "
    "tool; the instructions stand under '## Instructions'."
)
# The same of a path, where prompts may hold some.
PATHS = (
    " A field such as `invoice.lines[].amount` is a part of the value of the field `invoice`, and [] stands for each "
    "item of a list. Under '## Argument `search.query`' stands what the tool's argument means."
)
# What the writer is told beside: plainly asked for sentences to add, it would have them all go to the end.
PLACES = (
    "Where you add a sentence that belongs under a heading, name the number of the line to add it after, as in ADD 3: "
    '(or "at": 3 in JSON); without a number it goes to the end.'
)
# Paths that an error names.
SHOWN_PATHS = 40
# `dspy.ReAct` makes it.
_FINISH = "finish"
# The agents: each has a predictor with fields and instructions that the agent itself makes.
AGENTS = (dspy.ReAct, dspy.ReActV2)


def acting_predictor(agent: Any) -> dspy.Predict:
    """The predictor that chooses what an agent does next."""
    return agent.codeact if hasattr(agent, "codeact") else agent.react  # `dspy.CodeAct` is a `dspy.ReAct` without it


def texts_of(program: dspy.Module, kinds: Kinds) -> dict[str, list[Text]]:
    """The text parameters of every predictor that has some of these kinds, or with these paths; instructions last."""
    agents = {id(acting_predictor(agent)): agent for _, agent in program.named_sub_modules(type_=AGENTS)}
    tools = own_tools(program)
    sought = KINDS if any(each not in KINDS for each in kinds) else kinds  # any kind may have one with such a path
    found: dict[str, list[Text]] = {}
    for name, predictor in program.named_predictors():
        agent = agents.get(id(predictor))
        texts = list(_descriptions(predictor, agent, sought))
        if agent is not None and {"tools", "arguments"} & set(sought):
            texts += _tool_texts(predictor, agent, tools.get(id(agent)))
        texts = [each for each in texts if _is_allowed(name, each, kinds)]
        own = Instructions(predictor, tuple(each for each in texts if isinstance(each, ListedTool)))
        if _is_allowed(name, own, kinds):
            texts.append(own)
        if texts:
            found[name] = texts
    return found


def _is_allowed(predictor: str, text: Text, kinds: Kinds) -> bool:
    return text.kind in kinds or f"{predictor}.{text.path}" in kinds


def _descriptions(predictor: dspy.Predict, agent: Any, kinds: Kinds) -> Iterator[Text]:
    """What fields mean, each before its parts; not of the fields that an agent made itself."""
    made = predictor.signature if agent is None else agent.signature
    for name, info in predictor.signature.fields.items():
        if name in made.fields and {"fields", "nested"} & set(kinds):
            field = FieldDescription(predictor, name)
            yield field
            parts = described_parts(name, info.annotation) if "nested" in kinds else {}
            yield from (PartDescription(field, path, text) for path, text in parts.items())


def _tool_texts(predictor: dspy.Predict, agent: Any, own: Sequence[str] | None) -> Iterator[Text]:
    """What tools do, each before its arguments; `own` names those of a `dspy.ReActV2`."""
    for name, tool in agent.tools.items():
        if own is None:
            listed = None if name == _FINISH else listed_tool(predictor.signature.instructions, name)
            yield from (ListedTool(predictor, name, each) for each in (None, *listed[1])) if listed else ()
        elif name in own:
            yield from (ToolDescription(agent, name, each) for each in (None, *arguments_of(tool)))


def text_paths(program: dspy.Module) -> dict[str, str]:
    """All texts of a program that ``parameters=`` can allow, by their paths.

    Args:
        program: The program.

    Returns:
        The present text by path: ``extract.instructions``, ``extract.invoice`` (a field),
        ``extract.invoice.lines[].amount`` (inside the field's type), ``agent.react.tools.search`` and
        ``agent.react.tools.search.query`` (a tool and its argument).
    """
    return {
        f"{name}.{text.path}": (Instructions(text.predictor) if isinstance(text, Instructions) else text).read()
        for name, texts in texts_of(program, KINDS).items()
        for text in texts
    }


def explained(program: dspy.Module, kinds: Kinds) -> str:
    """What the headings in prompts of these kinds mean; empty where there are none."""
    found = texts_of(program, kinds).values()
    if all(map(_is_plain, found)):
        return ""
    has_paths = any(text.kind in ("nested", "arguments") for texts in found for text in texts)
    return HEADINGS + PATHS if has_paths else HEADINGS


def read_prompts(program: dspy.Module, kinds: Kinds = INSTRUCTIONS) -> Prompts:
    """The text parameters of every predictor, by name.

    Raises:
        ProgramError: If the program has no predictor, or none with such texts.
        ValueError: If a path is none of the program's.
    """
    if not program.named_predictors():
        raise ProgramError(
            "The program has no predictor whose instructions could be optimized. A sub-module with _compiled=True is "
            "frozen by DSPy: set it to False to optimize it again."
        )
    _check_paths(program, kinds)
    prompts = {name: _joined(texts) for name, texts in texts_of(program, kinds).items()}
    if not prompts:
        raise ProgramError(
            f"parameters={tuple(kinds)!r}: no predictor of the program has such texts. Only agents, dspy.ReAct and "
            'dspy.ReActV2, have tools, and only pydantic models have texts inside them. Add "instructions".'
        )
    return prompts


def _check_paths(program: dspy.Module, kinds: Kinds) -> None:
    sought = [each for each in kinds if each not in KINDS]
    paths = list(text_paths(program)) if sought else []
    for each in sought:
        if each not in paths:
            near = get_close_matches(each, paths, n=SHOWN_PATHS, cutoff=0.0) if len(paths) > SHOWN_PATHS else paths
            more = (
                f" and {len(paths) - len(near)} more, which text_paths(program) tells" if len(near) < len(paths) else ""
            )
            raise ValueError(
                f"parameters= has the path {each!r}, and the program has no such text. Pass one of these: "
                f"{', '.join(near)}{more}."
            )


def in_signatures(program: dspy.Module, kinds: Kinds) -> bool:
    """Whether all texts of these kinds stand in the signatures of predictors."""
    found = texts_of(program, kinds).values()
    return not any(isinstance(text, ToolDescription) for texts in found for text in texts)


def shown_instructions(program: dspy.Module, name: str, kinds: Kinds) -> str:
    """The instructions of a predictor as they stand in a prompt of these kinds."""
    found = [text for text in texts_of(program, kinds).get(name, ()) if isinstance(text, Instructions)]
    return (found[0] if found else Instructions(dict(program.named_predictors())[name])).read()


def write_prompts(program: dspy.Module, prompts: Prompts, kinds: Kinds = INSTRUCTIONS) -> None:
    """Give predictors new texts; no other program changes. An empty text, and one whose heading is lost, stays."""
    for name, texts in texts_of(program, kinds).items():
        if name in prompts:
            for text, new in _split(prompts[name], texts):
                text.write(new)


def _joined(texts: Sequence[Text]) -> str:
    if _is_plain(texts):
        return texts[0].read()
    return "\n\n".join(f"{text.heading}\n{text.read()}".rstrip() for text in texts)


def _split(prompt: str, texts: Sequence[Text]) -> Iterator[tuple[Text, str]]:
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
