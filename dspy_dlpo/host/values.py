"""Values of a program's fields, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import dspy
from dspy.adapters.types.base_type import CUSTOM_TYPE_END_IDENTIFIER, CUSTOM_TYPE_START_IDENTIFIER
from dspy.adapters.utils import serialize_for_json
from pydantic import BaseModel


def as_text(fields: Any, redact: Callable[[str], str] = lambda text: text) -> dict[str, str]:
    """The fields of an example or prediction, as text; what is no text in a request is only named.

    Args:
        fields: The example or prediction.
        redact: Applied to every text.
    """
    if not isinstance(fields, (Mapping, dspy.Example)):
        return {"value": redact(_text(fields))}
    return {str(name): redact(_text(value)) for name, value in fields.items()}


def _text(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(str, value)))}}}"  # the order of a set differs from process to process
    try:
        text = value if isinstance(value, str) else _plain(value)
    except Exception:  # noqa: BLE001 - the text of a user's object is the user's code
        return f"[{type(value).__name__}]"
    return _NO_TEXT.sub(f"[{type(value).__name__}]", text) if _NO_TEXT.search(text) else text


def _plain(value: Any) -> str:
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
    if items and all(isinstance(item, dspy.Tool) for item in items):
        return ", ".join(str(item.name) for item in items)  # what they do, the module's instructions or schema say
    if any(isinstance(item, BaseModel) and not isinstance(item, _WITH_TEXT) for item in items):
        data = serialize_for_json(value)  # as DSPy's adapters show it to a model
        return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return str(value)


# What has a text of its own, or is no text.
_WITH_TEXT = (dspy.Image, dspy.Audio, dspy.File, dspy.Reasoning, dspy.Tool)
# How DSPy writes what is no text, such as an image.
_NO_TEXT = re.compile(f"{re.escape(CUSTOM_TYPE_START_IDENTIFIER)}.*?{re.escape(CUSTOM_TYPE_END_IDENTIFIER)}", re.DOTALL)
