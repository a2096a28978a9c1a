"""Edits in plain text, one a line, where a request asks for them so."""

from __future__ import annotations

import random
import re
from typing import Any

from dspy_dlpo.simulation.brief import Brief
from dspy_dlpo.simulation.editing import Form, edit
from dspy_dlpo.simulation.settings import Writer

ASKED = re.compile(r"\bADD\s*:")
_KEYS = ("op", "at", "text", "to")
_FORM = Form({key: key for key in _KEYS}, {op: op.upper() for op in ("add", "replace", "delete", "move")})


def edit_lines(brief: Brief, writer: Writer, rng: random.Random) -> str:
    """The writer's edits, each on a line of its own.

    Args:
        brief: What the request gives.
        writer: Its rates of error.
        rng: Its draws.
    """
    return "\n".join(map(_line, edit(brief, _FORM, writer, rng))) or "Nothing should be changed."


def _line(edit: dict[str, Any]) -> str:
    to = "" if edit.get("to") is None else f" TO {edit['to']}"
    head = f"{edit['op']} {edit['at']}{to}"
    return f"{head}: {edit['text']}" if edit["text"] and not to else head
