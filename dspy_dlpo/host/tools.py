"""Tool descriptions of agents, which DSPy does not save: a parameter beside them that it does."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dspy
from dspy.predict.parameter import Parameter

from dspy_dlpo.host.instructions import instructed

# The attribute of an agent under which DSPy finds, saves and loads the descriptions of its tools.
_ATTRIBUTE = "tool_descriptions"
# ReActV2 makes it, and its description says how an answer is handed in.
_SUBMIT = "submit"


class ToolDescriptions(Parameter):
    """The descriptions of an agent's tools, as state that ``program.save`` writes and ``program.load`` reads.

    Args:
        tools: The agent's own tools, by name.
    """

    def __init__(self, tools: Mapping[str, dspy.Tool]) -> None:
        self._tools = tools

    @classmethod
    def attach(cls, agent: dspy.Module) -> None:
        """Have an agent's tool descriptions saved with its program."""
        setattr(agent, _ATTRIBUTE, cls(agent.tools))

    def dump_state(self, json_mode: bool = True) -> dict[str, str]:
        """The description of every tool by name, and of every argument that has one, as in ``look_up.number``."""
        state = {name: tool.desc or "" for name, tool in self._tools.items()}
        for name, tool in self._tools.items():
            described = {each: schema.get("description") for each, schema in arguments_of(tool).items()}
            state |= {f"{name}.{each}": text for each, text in described.items() if text}
        return state

    def load_state(self, state: Mapping[str, str]) -> None:
        """Give the tools and arguments that are still there these descriptions."""
        for name, text in state.items():
            tool, _, argument = name.rpartition(".")
            if name in self._tools:
                describe(self._tools[name], text)
            elif tool in self._tools and argument in arguments_of(self._tools[tool]):
                describe(self._tools[tool], text, argument)

    def reset(self) -> None:
        """Nothing: what a tool does stays true."""


def arguments_of(tool: dspy.Tool) -> dict[str, dict[str, Any]]:
    """The JSON schemas of a tool's arguments, by name."""
    return {name: schema for name, schema in (tool.args or {}).items() if isinstance(schema, dict)}


def describe(tool: dspy.Tool, text: str, argument: str | None = None) -> None:
    """Give a tool, or one of its arguments, another description; schemas that copies of the tool share stay."""
    if argument is None:
        tool.desc = text
    else:
        tool.args = {**tool.args, argument: {**tool.args[argument], "description": text}}


def own_tools(program: dspy.Module) -> dict[int, list[str]]:
    """The tools of every `dspy.ReActV2`, by the id of the agent.

    One that several share belongs to the first, and to none if an agent that DSPy has frozen is among them.
    """
    agents = [agent for _, agent in program.named_sub_modules(type_=dspy.ReActV2)]
    live = [agent for _, agent in program.named_sub_modules(type_=dspy.ReActV2, skip_compiled=True)]
    seen = {id(tool) for agent in agents if agent not in live for tool in agent.tools.values()}
    found: dict[int, list[str]] = {}
    for agent in live:
        found[id(agent)] = [name for name, tool in agent.tools.items() if name != _SUBMIT and id(tool) not in seen]
        seen |= {id(tool) for tool in agent.tools.values()}
    return found


def load_program(program: dspy.Module, path: str | os.PathLike[str], **options: Any) -> dspy.Module:
    """Load a saved program, with what ``program.load`` alone would leave out: tool descriptions, and indentation.

    Instructions are those of the file byte for byte, where ``program.load`` takes the indentation from all their lines
    but the first. A file without tool descriptions is taken, too, where ``program.load`` of a program that has some
    raises a KeyError.

    Args:
        program: A program of the same shape as the one that was saved; changed.
        path: The JSON file that ``program.save`` wrote.
        options: For ``program.load``.

    Returns:
        The program.

    Raises:
        ValueError: If the path does not end with ``.json``.
        OSError: If the file cannot be read.
    """
    path = Path(path).expanduser()
    if path.suffix != ".json":
        raise ValueError(f"path={str(path)!r} must end with .json. Save the program with program.save('name.json').")
    state = json.loads(path.read_text(encoding="utf-8"))
    agents = [agent for _, agent in program.named_sub_modules(type_=dspy.ReActV2)]
    for agent in agents:
        ToolDescriptions.attach(agent)
    saved = {id(each) for name, each in program.named_parameters() if name in state}  # under the name of `save`
    for agent in agents:
        if id(getattr(agent, _ATTRIBUTE)) not in saved:
            delattr(agent, _ATTRIBUTE)
    program.load(path, **options)
    for name, predictor in program.named_predictors():
        saved = state if predictor is program else state.get(name, {})
        if "signature" in saved:
            predictor.signature = instructed(predictor.signature, saved["signature"]["instructions"])
    return program
