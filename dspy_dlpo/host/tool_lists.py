"""The list of tools that `dspy.ReAct` writes into the instructions of its predictor: read and changed there.

An agent of this kind reads its tools' texts once, when it is made: another `Tool.desc` later changes no request. What
the model is told is the list, and DSPy saves and loads it with the instructions.
"""

from __future__ import annotations

import ast
import re
from typing import Any

# `dspy.Tool.__str__`, behind a number.
_LINE = r"^(\(\d+\) {name})(?:, whose description is <desc>(.*)</desc>)?(\. It takes arguments )(\{{.*\}})\.$"


def listed_tool(instructions: str, tool: str) -> tuple[str, dict[str, Any]] | None:
    """A tool's description and its arguments' JSON schemas, as an agent's instructions list them; None if they do not.

    The schemas are left out where they are no plain data and could not be written back as they were.
    """
    line = _find(instructions, tool)
    return None if line is None else (line[2] or "", _schemas(line[4]))


def listed_anew(instructions: str, tool: str, text: str, argument: str | None = None) -> str:
    """The instructions with another description of a tool, or of one of its arguments, on one line.

    Without the tool, or the argument, in their list they are returned as they are.
    """
    line = _find(instructions, tool)
    if line is None:
        return instructions
    text = re.sub(r"[ \t]*\n[ \t]*", " ", text)
    said, schemas = line[2] or "", line[4]
    if argument is None:
        said = text
    elif argument in (known := _schemas(schemas)):
        schema = {**known[argument], "description": text}
        if not text:
            del schema["description"]
        schemas = repr({**known, argument: schema})
    described = f", whose description is <desc>{said}</desc>" if said else ""
    return f"{instructions[: line.start()]}{line[1]}{described}{line[3]}{schemas}.{instructions[line.end() :]}"


def _find(instructions: str, tool: str) -> re.Match[str] | None:
    """The line of a tool; the last that looks like it, as the user's own instructions stand above the list."""
    found = list(re.finditer(_LINE.format(name=re.escape(tool)), instructions, re.MULTILINE))
    return found[-1] if found else None


def _schemas(text: str) -> dict[str, Any]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {}
    is_plain = isinstance(found, dict) and all(isinstance(each, dict) for each in found.values())
    return found if is_plain and repr(found) == text else {}
